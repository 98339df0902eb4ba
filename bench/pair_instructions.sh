#!/bin/sh
# pair_instructions.sh -- instructions per operation of a cell: a count, so the same on a busy machine.
#
# Runs the cell twice with different numbers of operations and divides the difference in instructions by the
# difference in operations, so start-up and set-up cancel out. Only cells of one thread: the others wait for
# each other in loops. The benchmark's own loop and its jumps through the PLT are in the count: about 14
# instructions a pair in lifo-64K and small-64.
#
# With perf where the machine counts instructions, else with valgrind's callgrind. The two differ for Weir:
# valgrind has no restartable sequences, so under it Weir takes its fallback with a lock per CPU, and the
# count is the fallback's. The count of the restartable path needs perf.
#
#	bench/pair_instructions.sh [-t perf|callgrind] CELL [OBJECT]	OBJECT: what to preload; none: libc
#
# Prints one line: cell=... tool=... ops=... instructions=... (per operation). Exit status 77 when neither tool
# works here.
set -eu

die() {
	echo "pair_instructions.sh: $1" >&2
	exit "${2:-1}"
}

tool=
if [ "${1-}" = -t ]; then
	tool=${2-}
	shift 2
fi
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
	die "usage: pair_instructions.sh [-t perf|callgrind] CELL [OBJECT]" 2
fi
cell=$1
object=${2-}

# The same program that run.py takes: make's, or the one next to this script.
here=$(dirname "$0")
cells=${CELLS:-bench/cells}
[ -x "$cells" ] || cells=$here/cells
[ -x "$cells" ] || die "no cells program: make bench-cells, or set CELLS" 77

# Work enough for the difference to stand out, little enough for valgrind.
case $cell in
workset-1 | small-mix) few=4000 many=44000 ;;
grow) few=80 many=480 ;;
*) few=16000 many=176000 ;;
esac

has_perf() {
	command -v perf >/dev/null && perf stat -x, -e instructions:u true 2>&1 | grep -q '^[0-9]'
}

count_perf() {
	perf stat -x, -e instructions:u -o "$out" env ${object:+LD_PRELOAD="$object"} "$cells" "$cell" "$1" >/dev/null
	sed -n 's/^\([0-9]*\),.*instructions:u.*/\1/p' "$out"
}

# env is not traced: valgrind follows exec only with --trace-children, and its launcher is static.
count_callgrind() {
	LD_PRELOAD=$object valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$out" \
		"$cells" "$cell" "$1" >/dev/null || die "valgrind failed: $(tail -n 3 "$out")"
	sed -n 's/^.*Collected : \([0-9]*\).*/\1/p' "$out"
}

if [ -z "$tool" ]; then
	if has_perf; then
		tool=perf
	elif command -v valgrind >/dev/null; then
		tool=callgrind
	else
		die "neither perf with an instruction counter nor valgrind" 77
	fi
fi
case $tool in
perf) has_perf || die "perf does not count instructions on this machine" 77 ;;
callgrind) command -v valgrind >/dev/null || die "no valgrind" 77 ;;
*) die "unknown tool: $tool" 2 ;;
esac

out=$(mktemp)
trap 'rm -f "$out"' EXIT
first=$("count_$tool" "$few")
second=$("count_$tool" "$many")
if [ -z "$first" ] || [ -z "$second" ]; then
	die "$tool gave no count"
fi
awk -v cell="$cell" -v tool="$tool" -v few="$few" -v many="$many" -v first="$first" -v second="$second" 'BEGIN {
	printf "cell=%s tool=%s ops=%d instructions=%.1f\n", cell, tool, many - few, (second - first) / (many - few)
}'
