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
wait "$loaded"
same "every answer meanwhile was right" 0 "$?"
note "$(head -n 1 "$TMP/load.out")"
kill -TERM "$server"
end_of "$server" 10
same "TERM ends it in its own way" 0 "$?"

check_quiet "$TMP/under-buffers.err" "$TMP/server.err"
finish
