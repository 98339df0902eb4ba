#!/bin/bash
# node.sh -- node streams right under the preload object: an HTTP server sends and
# takes bodies of 1 to 4 MiB, plain and through gzip, each checked by its clients;
# worker threads pass Buffers around and come to the results that they come to
# without the object. SIGUSR1 opens node's inspector, as it does without the
# object, and leaves a dump.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs nodejs node

port=$(free_port)
streams=$here/streams.py
load() { plain "$PYTHON" "$streams" load "http://127.0.0.1:$port$1" "${@:2}"; }

buffers() { # MODE
	"$1" node "$here/node_buffers.js" 2>"$TMP/$1-buffers.err"
}
same "worker threads that fill, slice, join, zip and hand over Buffers: the same results" \
	"$(buffers plain)" "$(buffers under)"

start server under node --inspect-port=0 "$here/node_server.js" "$port"
server=$STARTED
check "the server listens" until_listening "$port" "$server" || finish
check "bodies of 1 to 4 MiB go out and come in whole" \
	load /plain --methods GET,PUT --least 1048576 --seconds 4
check "and through gzip, there and back" load /gzip --least 65536 --seconds 2 --requests 10

load /plain --methods GET,PUT --least 65536 --seconds 3 >"$TMP/load.out" 2>&1 &
loaded=$!
sleep 0.5
kill -USR1 "$server"
check "SIGUSR1 still opens the inspector" until_true 10 grep -q '^Debugger listening on ws://127.0.0.1:' "$TMP/server.err"
check_dump "and leaves a dump" signal '*' "$server" 1 1000

# A frame in no module, and behind it one of a module that is called no more by what has no tables.
crosses='
import glob, json, sys
for path in glob.glob(sys.argv[1] + "/*." + sys.argv[2] + ".*.json"):
    with open(path, encoding="utf-8") as file:
        for site in json.load(file)["sites"]:
            modules = [bool(frame.get("module")) for frame in site["frames"]]
            if False in modules and modules[modules.index(False):].count(True) >= 3:
                sys.exit(0)
sys.exit(1)'
if is_weir; then
	check "stacks lead through what node generates, to who called that" \
		"$PYTHON" -c "$crosses" "$DUMPS" "$server"
fi
wait "$loaded"
same "every answer meanwhile was right" 0 "$?"
note "$(head -n 1 "$TMP/load.out")"
kill -TERM "$server"
end_of "$server" 10
same "TERM ends it in its own way" 0 "$?"

# What a JIT generates has the names that node writes into a perf map, which it keeps in /tmp under its pid.
cat >"$TMP/app.mjs" <<'J'
const kept = [];
function handler(n) {
	kept.push(Buffer.allocUnsafeSlow(8192 + n));
}
function serve() {
	for (let i = 0; i < 50; i++)
		handler(i);
	setTimeout(serve, kept.length < 4000 ? 5 : 1e6);
	if (kept.length === 4000)
		console.log('done');
}
serve();
J
if is_weir; then
	start app under env -C "$TMP" WEIR_MONITOR_INTERVAL=200ms \
		node --perf-basic-prof --interpreted-frames-native-stack "$TMP/app.mjs"
	app=$STARTED
	check "a program keeps buffers" until_true 20 grep -q 'done' "$TMP/app.out"
	# It is asked again until the last tick has seen them.
	named() {
		"${TEST_WEIR:-${TEST_OBJECT%/*}/weir}" report --all "$app" >"$TMP/report" 2>&1 && grep -q "$1" "$TMP/report"
	}
	check "the site is called by the JavaScript function that keeps them" \
		until_true 10 named '^ *[0-9]*\. [A-Z]* [0-9.]* *handler (app\.mjs:2)'
	check "and so is a frame of its stack" grep -qx '         handler (app.mjs:[0-9]*)' "$TMP/report"
	check "behind it stands what called the JavaScript" grep -q '^ *uv_run' "$TMP/report"
	kill -TERM "$app"
	rm -f "/tmp/perf-$app.map"
fi

check_quiet "$TMP/under-buffers.err" "$TMP/server.err"
finish
