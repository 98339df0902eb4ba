#!/bin/sh
# guest.sh -- what a program notices while it is asked for things: nothing, where Weir has its thread.

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/cli/live.sh
. "$(dirname "$0")/live.sh"
cp "${TEST_BUILD_DIR:-$(dirname "$OBJECT")}/tests/cli/waits" "$work/waits$$" || exit 1
LIVE=$work/waits$$

# begin [NAME=VALUE...] WHAT...: start it so that lines can be sent to it, by tell
begin()
{
	rm -f "$work/input"
	mkfifo "$work/input"
	exec 5<>"$work/input"
	live_input=$work/input
	start "$@"
	live_input=
	exec 4<"$work/ready" # what follows "ready": start() has read that line from a pipe that stays
}

# tell N: have it queue N signals to itself; what it says then is in $counts
tell()
{
	echo "$1" >&5
	counts=$(timeout 20 head -n 1 <"$work/said")
}

finish
