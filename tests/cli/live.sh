# live.sh -- programs that run while they are looked at; sourced by ask.sh and top.sh after tap.sh.
# shellcheck shell=sh

# shellcheck disable=SC2154 # work is tap.sh's
OBJECT=${TEST_OBJECT:?the object to preload}
# Under a name of its own: another test may be looking at its copies at the same time.
name=live$$
LIVE=$work/$name
cp "${TEST_BUILD_DIR:-$(dirname "$OBJECT")}/tests/cli/live" "$LIVE" || exit 1
pids=
trap 'end_all; rm -rf "$work"' EXIT

# start [NAME=VALUE...] WHAT...: the program under Weir; its pid is in $pid once it is ready.
start()
{
	rm -f "$work/ready"
	mkfifo "$work/ready"
	set -- "$@"
	start_settings=
	while :; do
		case $1 in
		*=*) start_settings="$start_settings $1" && shift ;;
		*) break ;;
		esac
	done
	# shellcheck disable=SC2086 # settings are words
	timeout -s KILL 60 env LD_PRELOAD="$OBJECT" WEIR_DUMP="$work/dump.%p.%n" WEIR_LOG=off $start_settings \
		"$LIVE" "$@" <"${live_input:-/dev/null}" >"$work/ready" 2>"$work/live.err" &
	timeout_pid=$!
	pids="$pids $timeout_pid"
	read -r line <"$work/ready"
	# shellcheck disable=SC2034 # for the test
	pid=$(tr -d ' ' <"/proc/$timeout_pid/task/$timeout_pid/children")
	test "$line" = ready
}

end_all()
{
	for each in $pids; do
		child=$(tr -d ' ' 2>/dev/null <"/proc/$each/task/$each/children") && test -n "$child" && kill -KILL "$child"
		wait "$each" 2>/dev/null # it ends with its child
	done
	pids=
}

# until_true COMMAND...: within ten seconds
until_true()
{
	until_tries=200
	until "$@" >/dev/null 2>&1; do
		until_tries=$((until_tries - 1))
		test "$until_tries" -gt 0 || return 1
		sleep 0.05
	done
}

resident_kib()
{
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}
