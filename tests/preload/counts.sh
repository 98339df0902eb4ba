#!/bin/bash
# counts.sh -- what streaming costs beyond instructions: locks, page faults, memory and system calls.
#
# Runs cells of the benchmark under Weir and holds what was counted, per thousand operations, against
# bounds written here, some way above what was measured when they were. No time is
# measured: these figures are the same on a slow or busy machine, but for the cells with
# several threads, whose bounds leave room for threads that change their processor, and hold in one of three runs.
test_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/common/tap.sh
. "$test_dir/../common/tap.sh"

cells=$build_dir/bench/cells
[ -n "$object" ] || skip_all "the interposer is not built"

# figure NAME FILE: a number of a JSON dump
figure()
{
	sed -nE "s/.*\"$1\": ([0-9]+).*/\1/p" "$2" | head -n 1
}

# count CELL OPS: sets ops, locks, faults and met (locks that were found taken), of all operations
count()
{
	local line dump=$scratch/dump.json
	rm -f "$dump"
	line=$(LD_PRELOAD=$object WEIR_LOG=off WEIR_DUMP_AT_EXIT=on WEIR_DUMP_FORMAT=json WEIR_DUMP=$dump \
		timeout 60 "$cells" "$1" "$2") || return 1
	ops=$(sed -nE 's/.*ops=([0-9]+) .*/\1/p' <<<"$line")
	locks=$(figure lock_acquisitions "$dump")
	# Of the whole process, with what it takes to start.
	faults=$(figure minor_faults "$dump")
	met=$(figure lock_contentions "$dump")
	[ -n "$ops" ] && [ -n "$locks" ] && [ -n "$faults" ]
}

# judge NAME COMMAND...: one of three runs holds; why the last did not stands in $scratch/why
judge()
{
	local name=$1
	shift
	if thrice "$@"; then
		ok "$name"
	else
		not_ok "$name" "$scratch/why"
	fi
}

# bound CELL OPS LOCKS FAULTS: at most so many a thousand operations
bound()
{
	judge "$1 takes at most $3 locks and $4 page faults in a thousand operations" is_bound "$@"
}
is_bound()
{
	echo "the cell did not run" >"$scratch/why"
	count "$1" "$2" || return
	echo "locks $((locks * 1000 / ops)), faults $((faults * 1000 / ops))" >"$scratch/why"
	[ $((locks * 1000)) -le $((ops * $3)) ] && [ $((faults * 1000)) -le $((ops * $4)) ]
}

# apart CELL OPS MET: the threads find an arena locked at most so often in a thousand operations
apart()
{
	judge "threads of $1 find an arena locked at most $3 times in a thousand operations" is_apart "$@"
}
is_apart()
{
	echo "the cell did not run" >"$scratch/why"
	count "$1" "$2" && [ -n "$met" ] || return
	echo "$((met * 1000 / ops))" >"$scratch/why"
	[ $((met * 1000)) -le $((ops * $3)) ]
}

# peak CELL OPS PERCENT: of what is live at its peak so much is resident, and 4 MiB, at most
peak()
{
	judge "$1 has at most $3% of what is live resident, and 4 MiB" is_peak "$@"
}
is_peak()
{
	local line rss live
	line=$(LD_PRELOAD=$object WEIR_LOG=off timeout 60 "$cells" "$1" "$2")
	echo "$line" >"$scratch/why"
	rss=$(sed -nE 's/.*peak_rss_kib=([0-9]+).*/\1/p' <<<"$line")
	live=$(sed -nE 's/.*peak_live_kib=([0-9]+).*/\1/p' <<<"$line")
	[ -n "$rss" ] && [ -n "$live" ] && [ $(((rss - 4096) * 100)) -le $((live * $3)) ]
}

# system_calls OPS: of lifo-64K, all of them
system_calls()
{
	LD_PRELOAD=$object WEIR_LOG=off timeout 60 strace -f -o "$scratch/calls" "$cells" lifo-64K "$1" \
		>/dev/null 2>&1 && wc -l <"$scratch/calls"
}

#     CELL             OPS       LOCKS FAULTS
bound lifo-64K         3000000       1      5
bound fixed-16K        3000000       1      5
bound fixed-64K        3000000       1      5
bound aligned-64K      3000000       1      5
bound fixed-256K       1000000       2     10
bound fixed-1M         1000000     820     10
bound workset-1         300000    1300     80
bound workset-4         100000    1700    200
bound workset-mixed-4   200000     400    110
# One thread allocates here and another frees, an operation is both; where each took the arena's lock for its
# buffers these were 160, 140, 1,400 and 870 locks.
bound pair-64K          200000      90     40
bound pairs4-64K        100000     110     40
bound pair-mixed        100000     400     90
bound freeonly          200000     120     90

# Where threads lived off each other's arenas these were 130, 200 and 40, if all ran at once.
#     CELL             OPS       MET
apart workset-2        200000       30
apart workset-4        100000       50
apart workset-mixed-4  200000       15

#    CELL             OPS      PERCENT
peak workset-1        300000   125
peak workset-4        200000   133
peak workset-mixed-4  200000   133

name="a hundred thousand streaming requests more make no system call more"
if ! few=$(system_calls 100000) || ! many=$(system_calls 200000); then
	skip "$name" "strace cannot run here"
elif [ $((many - few)) -le 20 ]; then
	ok "$name"
else
	echo "$few, then $many" >"$scratch/why"
	not_ok "$name" "$scratch/why"
fi
plan
