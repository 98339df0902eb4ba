#!/bin/sh
# read_cost.sh -- what being read 60 times a second costs a process, in its own instructions.
#
# A program with so much work and no more runs under callgrind, alone and with weir top looking at it
# all the while. On one processor, since magazines belong to processors, and without tracking,
# which draws lots. As a check of the measure the same program is asked for dumps, which it pays for.

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"
export LC_ALL=C

read_name="a process pays less than a 1,000th of its instructions for being read 60 times a second"
dump_name="this measure sees five dumps that a process writes itself"
for tool in valgrind script taskset; do
	if ! command -v $tool >/dev/null; then
		skip "$read_name" "no $tool"
		skip "$dump_name" "no $tool"
		finish
	fi
done
object=${TEST_OBJECT:-$PWD/libweir-preload.so}
live=${TEST_BUILD_DIR:-$PWD}/tests/cli/live
first_cpu=$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')

# await PATTERN FILE: for half a minute at most
await()
{
	tries=0
	until grep -q "$1" "$2"; do
		tries=$((tries + 1))
		test $tries -lt 600 || return 1
		sleep 0.05
	done
}

# looked_at COMMAND...: the instructions of the program while this runs beside it, to $cost
looked_at()
{
	rm -f "$work/go"
	mkfifo "$work/go"
	: >"$work/said"
	LD_PRELOAD=$object WEIR_LOG=off WEIR_TRACK=off WEIR_MONITOR_INTERVAL=1h WEIR_GC_INTERVAL=1h \
		WEIR_DUMP="$work/dump.%n" taskset -c "$first_cpu" valgrind --tool=callgrind \
		--callgrind-out-file=/dev/null --log-file="$work/log" "$live" work <"$work/go" >"$work/said" &
	target=$!
	exec 9>"$work/go"
	cost=0
	await ready "$work/said" && "$@" && echo >&9 && await 'done' "$work/said"
	status=$?
	exec 9>&-
	# Without a line it ends by itself.
	wait $target
	test $status -eq 0 || return 1
	cost=$(sed -n 's/^.*Collected : \([0-9]*\).*/\1/p' "$work/log")
	echo "# $1: $cost instructions"
	test -n "$cost"
}

# shellcheck disable=SC2317 # called by looked_at
looks()
{
	TERM=xterm script -qec "stty cols 80 rows 24; exec '$WEIR' top --delay 0.016 $target" /dev/null \
		>"$work/screen" 2>&1 </dev/null &
	reader=$!
	await IN.USE "$work/screen"
}

# shellcheck disable=SC2317 # called by looked_at
asks()
{
	for _ in 1 2 3 4 5; do
		"$WEIR" dump "$target" || return 1
	done >"$work/stdout" 2>"$work/stderr"
}

looked_at true
alone=$cost
looked_at true
test "$cost" -gt "$alone" && alone=$cost
looked_at looks
# It says that the process is gone, and would stay on the screen.
kill "$reader"
wait "$reader" 2>/dev/null
cp "$work/screen" "$work/stderr"
test "$alone" -gt 50000000 && test "$cost" -gt 50000000 &&
	test "$cost" -le $((alone + alone / 1000))
ok $? "$read_name"
read_cost=$cost
looked_at asks && test "$cost" -gt $((read_cost + alone / 1000))
ok $? "$dump_name"
finish
