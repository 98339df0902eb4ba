#!/bin/bash
# varnish.sh -- varnishd under the preload object gives the bytes that its origin has, and goes on while it is
# asked for dumps, collections and trims: its worker ends itself where a signal interrupts its first thread's poll().

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs varnish varnishd
needs g++ cc # with which varnishd compiles its configuration
needs curl curl

weir=${TEST_WEIR:-${TEST_OBJECT%/*}/weir}
origin=$(free_port)
port=$(free_port)
mkdir "$TMP/www" "$TMP/got"
for i in $(seq 40); do
	head -c $((i * 9000)) /dev/urandom >"$TMP/www/$i"
done
start origin plain "$PYTHON" -m http.server --bind 127.0.0.1 --directory "$TMP/www" "$origin"
check "the origin listens" until_listening "$origin" "$STARTED" || finish
start varnish under varnishd -F -n "$TMP/varnish" -a "127.0.0.1:$port" -b "127.0.0.1:$origin" -j none \
	-s malloc,24m -p vsl_space=1m
manager=$STARTED
check "varnishd listens" until_listening "$port" "$manager" || finish
worker=$(children_of "$manager")
worker=${worker%% *}

# fetch TIMES: every file so often
fetch() {
	local i
	for _ in $(seq "$1"); do
		for i in $(seq 40); do
			curl -sf -m 10 -o "$TMP/got/$i" "http://127.0.0.1:$port/$i" || return 1
			cmp -s "$TMP/got/$i" "$TMP/www/$i" || return 1
		done
	done
}

check "it gives every byte of forty files" fetch 1
if is_weir; then
	(fetch 4) &
	fetching=$!
	answered=0
	for _ in $(seq 20); do
		"$weir" dump -f json "$worker" >"$TMP/dumped" && "$weir" gc "$worker" >/dev/null && "$weir" trim "$worker" >/dev/null &&
			[ -s "$(cat "$TMP/dumped")" ] && answered=$((answered + 1))
	done
	same "it dumps, collects and trims twenty times" 20 "$answered"
	wait "$fetching"
	same "and gives every byte meanwhile" 0 $?
	same "by the worker that it had" "$worker" "$(children_of "$manager" | cut -d' ' -f1)"
else
	skip "it dumps, collects and trims twenty times" "the object is not Weir"
fi
kill -TERM "$manager"
end_of "$manager" 10
check_quiet "$TMP/varnish.err"
finish
