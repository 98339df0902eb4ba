#!/usr/bin/env bash
# dumps.sh -- where a dump goes, what it is called, and what is said when it cannot be written.
set -u
object=${TEST_OBJECT:?the object to preload}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
number=0
failed=0

report() { # STATUS NAME
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		failed=1
		echo "not ok $number - $2"
		sed 's/^/#   /' "$tmp/err"
		find "$tmp/d" -ls | sed 's/^/#   /'
	fi
}

# [NAME=VALUE...] -- SCRIPT: a shell under Weir, in an empty folder d of its own.
shell() {
	local settings=()
	while [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	rm -rf "$tmp/d"
	mkdir "$tmp/d"
	(cd "$tmp/d" && before && timeout -k 2 30 env LD_PRELOAD="$object" "${settings[@]}" bash -c "$2" >"$tmp/out" 2>"$tmp/err")
}

before() { :; }
names() { (cd "$tmp/d" && find . -type f -printf '%P\n' | sort | tr '\n' ' '); }
is_whole_json() { python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["sequence"] == int(sys.argv[2])' "$1" "$2"; }
said() { grep -Eq "$1" "$tmp/err"; }
ask='kill -USR1 $$'

shell WEIR_DUMP="$tmp/d/weir.%e.%p.%n" -- "echo \$\$; $ask; $ask"
pid=$(cat "$tmp/out")
test "$(names)" = "weir.bash.$pid.1.txt weir.bash.$pid.2.txt "
report $? "%e, %p and %n are the program, its pid and a count from 1"
said "^weir\[$pid\]: dump 1 \(signal\): $tmp/d/weir.bash.$pid.1.txt$" && test "$(grep -c ': dump ' "$tmp/err")" = 2
report $? "each file is announced by one line with its path"
test "$(stat -c %a "$tmp/d/weir.bash.$pid.1.txt")" = 600
report $? "a dump is for its owner's eyes only"

shell WEIR_DUMP=d.%t.%%.%x.%n -- "$ask"
[[ $(names) =~ ^d\.20[0-9]{6}T[0-9]{6}Z\.%\.%x\.1\.txt\ $ ]]
report $? "%t is the time, %% a percent sign, any other % stays; the path may be relative"

shell WEIR_DUMP=d.%n WEIR_DUMP_FORMAT=text,json -- "$ask"
test "$(names)" = "d.1.json d.1.txt " && is_whole_json "$tmp/d/d.1.json" 1
report $? "two formats are two files under one number"

shell WEIR_DUMP=d.json WEIR_DUMP_FORMAT=json -- "$ask; $ask; $ask"
test "$(names)" = "d.2.json d.3.json d.json " && is_whole_json "$tmp/d/d.3.json" 3
report $? "a name without %n gets a number before its ending when it is there already"

before() { echo mine >d.1.txt && ln -s /etc/weir-must-not-be d.2.txt && mkfifo d.3.txt && : >d.4.json; }
shell WEIR_DUMP=d.%n WEIR_DUMP_FORMAT=text,json -- "$ask"
test "$(names)" = "d.1.txt d.4.json d.5.json d.5.txt " && test "$(cat "$tmp/d/d.1.txt")" = mine && ! [ -e /etc/weir-must-not-be ]
report $? "what is there already is not touched or followed, and the next number taken"
before() { :; }

shell WEIR_DUMP=d.%p.%n WEIR_DUMP_FORMAT=json -- "$ask; (kill -USR1 \$BASHPID; :); $ask"
test "$(find "$tmp/d" -name '*.1.json' | wc -l)" = 2 && test "$(find "$tmp/d" -name '*.2.json' | wc -l)" = 1
report $? "a forked child counts from 1 again"

shell WEIR_DUMP=stderr -- "$ask"
test -z "$(names)" && said '^Weir '
report $? "stderr is a place for dumps"
shell WEIR_DUMP=stderr -- "exec 2>&-; $ask; echo alive"
test "$(cat "$tmp/out")" = alive
report $? "a closed stderr harms nobody"

shell WEIR_DUMP=absent/d.%n -- "$ask; echo alive"
said 'dump 1 \(signal\): cannot create absent/d\.1\.txt: No such file or directory$' && test "$(cat "$tmp/out")" = alive
report $? "a file that cannot be made is one line with the reason"
shell WEIR_DUMP="$(printf '%%e%.0s' {1..80})%n" -- "$ask; echo alive"
test "$(cat "$tmp/out")" = alive && said ': File name too long$'
report $? "a name that is too long is one line, too"

# Nothing may be written to any file; the announcement goes to a pipe.
shell WEIR_DUMP=d.%n WEIR_DUMP_FORMAT=text,json -- "exec 2> >(cat >&2) > >(cat); ulimit -f 0; $ask; echo alive; exec >&- 2>&-; wait"
test -z "$(names)" && said 'cannot write d\.1\.txt: File too large$' && said 'cannot write d\.1\.json: File too large$' &&
	test "$(cat "$tmp/out")" = alive
report $? "a file that cannot be finished is removed, and the program lives"
shell WEIR_DUMP=stderr -- "exec > >(cat); ulimit -f 0; $ask; echo alive; exec >&-; wait"
test "$(cat "$tmp/out")" = alive
report $? "nor does a stderr that is full kill it"

shell WEIR_DUMP=d.%n WEIR_LOG=warn -- "$ask"
said ': dump 1 ' && shell WEIR_DUMP=d.%n WEIR_LOG=off -- "$ask" && ! [ -s "$tmp/err" ] && test "$(names)" = "d.1.txt "
report $? "WEIR_LOG=off is the only level that keeps the announcement back"

shell WEIR_DUMP=d.%e.%n WEIR_DUMP_AT_EXIT=on WEIR_DUMP_FORMAT=json -- ":"
test "$(names)" = "d.bash.1.json " && grep -q '"trigger": *"exit"' "$tmp/d/d.bash.1.json"
report $? "WEIR_DUMP_AT_EXIT=on leaves one at the end"

# Others ask while one is being written: never more than one at a time, each whole.
shell WEIR_DUMP=d.%n WEIR_DUMP_FORMAT=json WEIR_LOG=off -- "exec python3 -c '
import os, signal, threading
threads = [threading.Thread(target=lambda: [os.kill(os.getpid(), signal.SIGUSR1) for _ in range(100)]) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
'"
test $? = 0
report $? "800 requests from 8 threads are survived"
python3 - "$tmp/d" <<'P' 2>>"$tmp/err"
import json, os, sys
numbers = sorted(json.load(open(os.path.join(sys.argv[1], n)))["sequence"] for n in os.listdir(sys.argv[1]))
assert numbers and numbers == list(range(1, len(numbers) + 1)), numbers
P
report $? "every file that they left is whole, and the sequence has no gap"

# Time runs a hundred times as fast: a tick each 100 ms, a dump each 300 ms.
live=$(dirname "$object")/tests/cli/live
scaled=(WEIR_TIME_SCALE=100 WEIR_MONITOR_INTERVAL=10s)
shell "${scaled[@]}" WEIR_DUMP=d.%n WEIR_DUMP_FORMAT=text,json WEIR_DUMP_INTERVAL=30s WEIR_DUMP_KEEP=2 -- "exec $live ticks"
numbers_of() { sed -n "s/.* ($1): d\.\([0-9]*\)\.json\$/\1/p" "$tmp/err"; } # TRIGGER
test "$(numbers_of interval | wc -l)" -ge 4
report $? "WEIR_DUMP_INTERVAL takes a dump every so often"
kept=$(numbers_of signal && numbers_of interval | tail -n 2)
test "$(names)" = "$(for n in $kept; do printf 'd.%s.json\nd.%s.txt\n' "$n" "$n"; done | sort | tr '\n' ' ')"
report $? "WEIR_DUMP_KEEP keeps the last of them in each format, and a dump that a signal asked for stays"
shell "${scaled[@]}" WEIR_DUMP=d WEIR_DUMP_INTERVAL=30s WEIR_DUMP_KEEP=1 -- "exec $live ticks"
test "$(grep -c '(interval)' "$tmp/err")" -ge 4 && test "$(names | wc -w)" = 2
report $? "that holds for names without a number"

shell "${scaled[@]}" WEIR_METRICS_FILE=m.%e.%p WEIR_DUMP=d.%n -- "$live ticks & sleep 1
	grep -c '^weir_pool_in_use_bytes{' m.live.\$!; stat -c %a m.live.\$!; ls -d m.live*; wait"
pid=$(sed -n 's/^m\.live\.//p' "$tmp/out")
test "$(tr '\n' ' ' <"$tmp/out")" = "1 644 m.live.$pid " && ! names | grep -q live
report $? "WEIR_METRICS_FILE is there while the program runs, readable by all, and nothing beside it"
# left NAME PID DATE [TEXT]: a file as a process of that number would have left it then
left=
left() { left+="printf '%s\n' '${4:-# HELP weir_x y}' 'weir_x{program=\"p\",pid=\"$2\"} 1' >$1; touch -d '$3' $1;"; }
left p.4000000.prom 4000000 '20 minutes ago'
left q.r.4000001.prom 4000001 '2 days ago'
left p.1.prom 1 '1 January 2020'
left p.4000002.prom 4000002 '5 minutes ago'
left p.$$.prom $$ '20 minutes ago'
left p.4000003.prom 4000003 '20 minutes ago' '# HELP node_x y'
left p.4000004.txt 4000004 '20 minutes ago'
shell "${scaled[@]}" WEIR_METRICS_FILE=%e.%p.prom WEIR_DUMP=d.%n WEIR_LOG=off -- "$left ln -s /etc/passwd p.4000005.prom; $live ticks"
test -h "$tmp/d/p.4000005.prom" && test "$(names)" = "$(printf '%s\n' d.1.txt p.4000002.prom p.4000003.prom p.4000004.txt p.$$.prom | sort | tr '\n' ' ')"
report $? "whoever writes one removes what killed processes left beside it, and nothing else"

shell "${scaled[@]}" WEIR_METRICS_FILE=absent/m WEIR_DUMP=d.%n -- "exec $live ticks"
test "$(grep -c 'WEIR_METRICS_FILE: cannot write absent/m: No such file or directory$' "$tmp/err")" = 1
report $? "one that cannot be written is said once"

echo "1..$number"
exit $failed
