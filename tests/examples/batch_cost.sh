#!/bin/bash
# batch_cost.sh -- what a token costs, in instructions: a count, so the same on a busy machine.
#
# bench/batch runs twice with different numbers of tokens; the difference in instructions by the
# difference in tokens is what one costs, its share of the flush included. Environment: see common/tap.sh.
test_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/common/tap.sh
. "$test_dir/../common/tap.sh"

few=20000
many=120000
program=$build_dir/bench/batch

# instructions WHAT TOKENS [OPTION...]
instructions()
{
	valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$scratch/log" \
		"$program" --count "$@" >"$scratch/out" 2>&1 || return 1
	sed -n 's/^.*Collected : \([0-9]*\).*/\1/p' "$scratch/log"
}

# per_token WHAT [OPTION...]: to $cost, in tenths
per_token()
{
	local what=$1 first second
	shift
	first=$(instructions "$what" $few "$@")
	second=$(instructions "$what" $many "$@")
	[ -n "$first" ] && [ -n "$second" ] || return 1
	cost=$(((second - first) * 10 / (many - few)))
}

# at_most NAME LIMIT COST
at_most()
{
	echo "cost $3 tenths of an instruction" >"$scratch/why"
	echo "# $1: $(($3 / 10)).$(($3 % 10)) instructions"
	if [ "$3" -le $(($2 * 10)) ]; then
		ok "$1"
	else
		not_ok "$1" "$scratch/why"
	fi
}

command -v valgrind >/dev/null || skip_all 'valgrind is not installed'
[ -x "$program" ] || skip_all 'bench/batch is not built'
per_token memcpy || skip_all 'valgrind cannot run it'
memcpy=$cost
per_token batch
at_most 'a token of 16 bytes costs at most 65 instructions beyond the memcpy' 65 $((cost - memcpy))
per_token queue
echo "# a queue with a malloc for each: $(((cost - memcpy) / 10)) instructions beyond the memcpy"
plan
