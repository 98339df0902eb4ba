#!/bin/bash
# limit.sh SECONDS COMMAND... -- runs one test; neither it nor what it started outlives its time.
#
# The harness waits until nobody holds the test's output any more, so one daemon
# that is left behind would stall everything. Whatever a test starts carries a word
# of ours in its environment, however often it forks or changes its session.
set -u

limit=$1
shift
TEST_RUN=$$.$(date +%s%N)
export TEST_RUN

# The last line of a test's log says what it took.
TIMEFORMAT='# took %R s: %U s of user, %S s of system time'
{ time timeout -k 10 "$limit" "$@" 2>&3 3>&-; } 3>&2 2>&1
status=$?
case $status in
124 | 137) echo "Bail out! still running after $limit s (or killed)" ;;
esac

# Listed before grep starts, so that grep does not find itself.
environs=(/proc/[0-9]*/environ)
while read -r environ; do
	pid=${environ#/proc/}
	pid=${pid%/environ}
	command=
	IFS= read -r -d '' command 2>/dev/null <"/proc/$pid/cmdline"
	if [ "$pid" != $$ ] && kill -KILL "$pid" 2>/dev/null; then
		echo "# left behind and killed: process $pid, $command"
	fi
done < <(grep -lszx "TEST_RUN=$TEST_RUN" "${environs[@]}" 2>/dev/null)
exit $status
