#!/bin/bash
# pairs.sh -- what a malloc and its free cost beside a preloaded jemalloc, and what
# tracking adds, in instructions (valgrind's callgrind), which are the same in each run.
#
# A loop runs twice with different numbers of pairs; the difference in instructions divided
# by the difference in pairs leaves out start and end. What a sample itself costs, some
# 12,000 instructions for the stack, is kept to a number a second of real time, so on a
# machine that valgrind makes slow it would say little: the interval of small ones is
# wide here, and a second is made long, so that the runs differ in pairs, not in samples.
# valgrind has no restartable sequences: for the pool the count is that of the fallback with
# a lock, 400 instructions more, the same with and without tracking.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs valgrind valgrind

peer=$(ldd "$TEST_OBJECT" 2>/dev/null | sed -n 's/.*libjemalloc[^ ]* => \([^ ]*\).*/\1/p')
peer=${peer:-$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)}
cat >"$TMP/pair.c" <<'END'
#include <stdlib.h>
int main(int argc, char **argv)
{
	size_t size = strtoul(argv[argc - 2], NULL, 10);
	for (long left = strtol(argv[argc - 1], NULL, 10); left > 0; left--) {
		char *volatile p = malloc(size);
		free(p);
	}
	return 0;
}
END
check "the loop is compiled" "${TEST_CC:-cc}" -O2 -fno-builtin -o "$TMP/pair" "$TMP/pair.c"

# Sets count.
instructions() { # OBJECT TRACK SIZE PAIRS
	count=$(timeout 120 env "LD_PRELOAD=$1" "WEIR_TRACK=$2" WEIR_SAMPLE_INTERVAL=1G WEIR_TIME_SCALE=0.001 \
		WEIR_DUMP="$TMP/%p.%n" valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		--log-file="$TMP/log" "$TMP/pair" "$3" "$4" >/dev/null 2>&1 &&
		sed -n 's/^.*Collected : \([0-9]*\).*/\1/p' "$TMP/log")
	count=${count:-0}
}

few=20000
many=220000
# Sets pair: instructions of a pair, times ten.
pair() { # OBJECT TRACK SIZE
	local first
	instructions "$1" "$2" "$3" "$few"
	first=$count
	instructions "$1" "$2" "$3" "$many"
	pair=$(((count - first) * 10 / (many - few)))
	check "both runs of $3 bytes were counted (tracking $2, ${1##*/})" test "$first" -gt 100000 -a "$pair" -gt 300
}

# Sets off, on and theirs.
measure() { # SIZE
	pair "$peer" on "$1"
	theirs=$pair
	pair "$TEST_OBJECT" off "$1"
	off=$pair
	pair "$TEST_OBJECT" on "$1"
	on=$pair
	note "a pair of $1 bytes, in tenths of an instruction: jemalloc $theirs, tracking off $off, on $on"
}

# 14 when this was written.
measure 64
check "a small pair costs at most 16 instructions more than jemalloc's, tracking off" test $((off - theirs)) -le 160
check "a small pair costs at most 16 instructions more than jemalloc's, tracking on" test $((on - theirs)) -le 160
check "tracking adds at most half an instruction to a small pair" test $((on - off)) -le 5

# The countdown is there in any case; what tracking adds are samples: in a storm 25 for each doubling
# of the interval, so 80 of 12,000 instructions between 20,000 and 220,000 pairs, which makes 5 a pair.
measure 65536
check "tracking adds at most 12 instructions to a pair of buffers, in a storm" test $((on - off)) -le 120
check "a pair of buffers costs less than jemalloc's" test "$on" -lt "$theirs"
finish
