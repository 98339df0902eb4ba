#!/bin/bash
# relay.sh -- examples/relay as its users meet it: curl, wrk, many clients for some seconds.
#
# What a client must see is written down here or known to bench/relay_soak.py, to the byte. Each relay
# listens on a port of the kernel's choice on 127.0.0.1 and is ended by its pid. Environment: see
# common/tap.sh.
test_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/common/tap.sh
. "$test_dir/../common/tap.sh"

relay=$build_dir/examples/relay
soak=$test_dir/../../bench/relay_soak.py
relay_pid=

# start_relay [OPTION...]: to relay_pid, url; tokens go to descriptor 9
start_relay()
{
	local port
	rm -f "$scratch/tokens"
	mkfifo "$scratch/tokens" || exit 99
	: >"$scratch/log"
	"$relay" --listen 127.0.0.1:0 --flush-ms 5 "$@" <"$scratch/tokens" 2>"$scratch/log" &
	relay_pid=$!
	exec 9>"$scratch/tokens"
	for _ in $(seq 100); do
		port=$(sed -n 's/^relay: listening on .*:\([0-9]*\)$/\1/p' "$scratch/log")
		[ -z "$port" ] || break
		sleep 0.05
	done
	url=http://127.0.0.1:$port
	[ -n "$port" ]
}

stop_relay()
{
	[ -n "$relay_pid" ] || return 0
	exec 9>&-
	kill -TERM "$relay_pid" 2>/dev/null
	wait "$relay_pid"
	relay_status=$?
	relay_pid=
}
trap 'stop_relay; rm -rf "$scratch"' EXIT

# events PATH SECONDS [CURL-OPTION...]: what a client sees in that time; curl's status is that of its end
events()
{
	local path=$1 seconds=$2
	shift 2
	curl -sN --max-time "$seconds" "$@" "$url$path"
}

# Wait until so many events have been published.
published()
{
	for _ in $(seq 200); do
		curl -s --max-time 5 "$url/metrics" | grep -qx "relay_events_total $1" && return 0
		sleep 0.05
	done
	return 1
}

# same FILE: it is what stands on stdin
same()
{
	diff -u - "$1" >"$scratch/why"
}

# is_as NAME FILE: a test that it is what stands on stdin
is_as()
{
	if same "$2"; then
		ok "$1"
	else
		not_ok "$1" "$scratch/why"
	fi
}

# An event as it is written down here: its number alone, and no blank at a line's end.
numbers()
{
	sed -E 's/^id: [0-9a-f]+\./id: /; s/ $//' "$@"
}

lines_become_events()
{
	start_relay || return 1
	printf 'Hello\n, wor\\nld\n\nback\\\\slash\r\n' >&9
	published 4 || return 1
	events '/events?from=start' 0.5 >"$scratch/raw"
	numbers "$scratch/raw" >"$scratch/seen"
}

resume()
{
	local last
	last=$(sed -n 's/^id: //p' "$scratch/raw" | sed -n 2p)
	events /events 0.5 -H "Last-Event-ID: $last" | numbers
}

status_of()
{
	curl -s -o "$scratch/body" -w '%{http_code}' --max-time 5 "$@"
}

is_status()
{
	local name=$1 wanted=$2 got
	shift 2
	got=$(status_of "$@")
	echo "answered $got" >"$scratch/why"
	if [ "$got" = "$wanted" ]; then
		ok "$name"
	else
		not_ok "$name" "$scratch/why"
	fi
}

command -v curl >/dev/null || skip_all 'curl is not installed'
[ -x "$relay" ] || skip_all 'examples/relay is not built'

lines_become_events
is_as 'a line is an event, and a newline in it another data line' "$scratch/seen" <<'SEEN'
retry: 1000

id: 1
data: Hello

id: 2
data: , wor
data: ld

id: 3
data:

id: 4
data: back\slash

SEEN
resume >"$scratch/seen"
is_as 'Last-Event-ID resumes behind that event' "$scratch/seen" <<'SEEN'
retry: 1000

id: 3
data:

id: 4
data: back\slash

SEEN
events /events 0.5 -H 'Last-Event-ID: 1.2' >"$scratch/raw"
numbers "$scratch/raw" | grep -c '^id: ' >"$scratch/seen"
is_as 'the id of another run resumes from the oldest event there is' "$scratch/seen" <<<4
is_status 'a channel that does not exist is not found' 404 "$url/events/nobody"
is_status 'and neither is another path' 404 "$url/../x"
is_status 'what is not GET is not implemented' 501 -X POST -d x "$url/events"
is_status 'a head of more than 4 KiB is refused' 431 -H "X: $(printf '%5000s' x)" "$url/health"
is_status 'the page is there' 200 "$url/"
expect '/health is JSON that says ok' \
	python3 -c 'import json, sys, urllib.request as u; assert json.load(u.urlopen(sys.argv[1]))["status"] == "ok"' \
	"$url/health"
if command -v promtool >/dev/null; then
	curl -s "$url/metrics" >"$scratch/metrics"
	expect 'promtool finds nothing in /metrics' promtool check metrics <"$scratch/metrics"
else
	skip 'promtool finds nothing in /metrics' 'promtool is not installed'
fi
if command -v wrk >/dev/null; then
	wrk -t1 -c20 -d1s "$url/metrics" >"$scratch/wrk" 2>&1
	sed -n 's/^Requests\/sec: */# wrk: requests of \/metrics a second: /p' "$scratch/wrk"
	# shellcheck disable=SC2016 # awk's own
	expect 'wrk gets answers, and no error' \
		awk '/requests in/ { n = $1 } /Non-2xx|Socket errors/ { print; bad = 1 } END { exit n < 100 || bad }' \
		"$scratch/wrk"
else
	skip 'wrk gets answers, and no error' 'wrk is not installed'
fi
events /events 20 >"$scratch/raw" &
client=$!
sleep 0.3
stop_relay
wait $client
expect 'SIGTERM ends it with status 0' test "$relay_status" -eq 0
numbers "$scratch/raw" >"$scratch/seen"
is_as 'and its clients get an event that says so before the connection closes' "$scratch/seen" <<'SEEN'
retry: 1000

id: 5
event: end
data:

SEEN

start_relay --max-clients 2 --keepalive-s 1
events /events 4 >"$scratch/first" &
first=$!
events /events 4 >/dev/null &
second=$!
sleep 0.3
is_status 'one client too many is told so' 503 "$url/events"
wait $first $second
expect 'a client that nothing is sent to gets comments' grep -qx ': keep-alive' "$scratch/first"
stop_relay

# The client takes what its socket holds, and then no more.
start_relay --policy drop --ring 131072 --backlog 4096
python3 - "$url" "$scratch/late" <<'PY' &
import socket, sys, time
port = int(sys.argv[1].rsplit(":", 1)[1])
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
client.connect(("127.0.0.1", port))
client.sendall(b"GET /events HTTP/1.1\r\n\r\n")
open(sys.argv[2], "w").close()
time.sleep(4)
PY
late=$!
for _ in $(seq 100); do
	[ -e "$scratch/late" ] && break
	sleep 0.05
done
sleep 0.2
python3 -c 'print("\n".join("x" * 1000 for _ in range(400)))' >&9
published 400
curl -s "$url/metrics" >"$scratch/metrics"
expect 'by --policy drop a client that lags behind the ring is dropped' \
	grep -qx 'relay_clients_dropped_total 1' "$scratch/metrics"
kill "$late" 2>/dev/null
wait "$late" 2>/dev/null
stop_relay

python3 "$soak" --relay "$relay" --clients 200 --stalled 20 --seconds 4 --rate 200 --token-bytes 600 \
	--flush-ms 20 >"$scratch/tap" 2>"$scratch/err"
retell 'of 200 clients 20 stall' "$scratch/tap" $?
plan
