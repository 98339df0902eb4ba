#!/bin/bash
# hot-path.sh -- what malloc and free execute where a magazine has, or takes, the buffer.
#
# Valgrind has no restartable sequences and perf no counter on many machines, so instructions are read: from
# the function's start to its first return, which is where gcc puts the likely way. A push, a call or a
# sum above the bound there is what a pair of 5 ns feels. The bounds are those of gcc 12 with -O2, and a
# little; other compilers, flags and machines are skipped.
. "$(dirname "$0")/common.sh"

object=${TEST_OBJECT:-$build_dir/libweir-preload.so}

# way FUNCTION: one instruction a line
way()
{
	objdump -d --no-show-raw-insn "$object" |
		awk -v start="<$1>:" '$2 == start { found = 1; next } found && NF { print $2, $3 } found && $2 ~ /^ret/ { exit }'
}

# at_most FUNCTION BOUND
at_most()
{
	local count
	count=$(way "$1" | wc -l)
	[ "$count" -gt 10 ] || { echo "no $1 in $object" && return; }
	[ "$count" -le "$2" ] || echo "$1: $count instructions, more than $2"
	way "$1" | grep -E '^(push|call|pop|lock)'
}

usual=$(objdump -s -j .comment "$object" 2>/dev/null | grep -c GCC)
if [ "$(uname -m)" != x86_64 ] || [ "${usual:-0}" -eq 0 ] || nm -D "$object" 2>/dev/null | grep -Eq '__(ubsan|asan|tsan)_' ||
	! grep -q -- '-O2' "$build_dir/config.status"; then
	skip "malloc and free are short where a magazine serves" "not gcc -O2 on x86-64"
else
	quiet "malloc of a buffer that a magazine has: 42 instructions at most, a leaf" at_most malloc 42
	quiet "free of one that a magazine takes: 36 instructions at most, a leaf" at_most free 36
fi
plan
