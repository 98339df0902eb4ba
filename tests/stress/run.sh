#!/bin/bash
# run.sh -- 1,000 signals into eight busy threads, and a heap under load from
# all sides, under Weir with rseq on and off and in tight pools; and the same load on
# the pool linked into the program, which is what ASan and TSan builds have.
#
# run.sh [WORD]...   only what holds one of the words: signals pool
# TEST_SIGNALS and TEST_STRESS_SECONDS shorten it. Environment besides: see
# common/tap.sh.
test_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/common/tap.sh
. "$test_dir/../common/tap.sh"

program_dir=${TEST_PROGRAMS:-$build_dir/tests/stress}
signals=${TEST_SIGNALS:-1000}
seconds=${TEST_STRESS_SECONDS:-6}
words=("$@")

is_wanted()
{
	local word
	[ "${#words[@]}" -eq 0 ] && return 0
	for word in "${words[@]}"; do
		[[ $1 == *"$word"* ]] && return 0
	done
	return 1
}

# A signal that comes while one is pending or a dump is being written is not a dump of its own.
under_signals()
{
	local name=$1 preload=$2 dumps
	shift 2
	dumps=$(mktemp -d "$scratch/dumps.XXXXXX") || exit 99
	echo untouched >"$scratch/victim"
	expect "$name: $signals signals neither end nor stall a program of eight threads" \
		timeout -k 5 400 env LD_PRELOAD="$preload" WEIR_DUMP="$dumps/%e.%p.%n" \
		WEIR_DUMP_FORMAT=json,text WEIR_MONITOR_INTERVAL=100ms WEIR_GC_INTERVAL=100ms "$@" \
		"$program_dir/signals" "$signals"
	if [ "$preload" = "$object" ] && [ -n "$object" ]; then
		expect "$name: every JSON dump is whole and valid" \
			python3 "$test_dir/check_dumps.py" "$dumps" $((signals / 4))
		expect "$name: every text dump is whole, for its owner alone, and has its JSON beside it" \
			text_dumps_are_whole "$dumps"
	fi
	rm -rf "$dumps"
}

text_dumps_are_whole()
{
	local file bad=0 count=0
	for file in "$1"/*.txt; do
		[ -e "$file" ] || break
		count=$((count + 1))
		if [ "$(stat -c %a "$file")" != 600 ] || [ -n "$(tail -c 1 "$file")" ] ||
			[ ! -s "${file%.txt}.json" ]; then
			echo "$file"
			bad=$((bad + 1))
		fi
	done
	echo "$count text dumps, $bad bad"
	[ "$bad" -eq 0 ] && [ "$count" -ge $((signals / 4)) ]
}

under_load()
{
	local name=$1 preload=$2
	shift 2
	expect "$name: no buffer is disturbed under load from all sides" \
		timeout -k 5 $((seconds * 10 + 60)) env LD_PRELOAD="$preload" WEIR_DUMP="$scratch/%e.%p.%n" "$@" \
		"$program_dir/${load:-pool_stress}" "$seconds"
}

# Without the interposer, and so in reach of every sanitizer.
linked()
{
	load=pool_stress_linked under_load "the pool linked in${1:+, $1}" '' "${@:2}"
}

fast=(WEIR_MONITOR_INTERVAL=100ms WEIR_GC_INTERVAL=100ms WEIR_MAX_IDLE=200ms)
is_wanted pool && linked '' "${fast[@]}"
if [ -n "$object" ]; then
	if is_wanted signals; then
		under_signals libc ''
		under_signals weir "$object"
		under_signals 'weir, rseq off' "$object" GLIBC_TUNABLES=glibc.pthread.rseq=0
	fi
	if is_wanted pool; then
		under_load libc ''
		under_load weir "$object" "${fast[@]}"
		under_load 'weir, rseq off' "$object" "${fast[@]}" GLIBC_TUNABLES=glibc.pthread.rseq=0
		under_load 'weir, POOL_LIMIT=8M' "$object" "${fast[@]}" WEIR_POOL_LIMIT=8M
		under_load 'weir, MAX_BUFFERS=50' "$object" "${fast[@]}" WEIR_MAX_BUFFERS=50
		under_load 'weir, ZERO_ON_FREE=on' "$object" "${fast[@]}" WEIR_ZERO_ON_FREE=on
		under_load 'weir, BACKGROUND=never' "$object" WEIR_BACKGROUND=never
	fi
elif [ -n "${TEST_OBJECT:-}" ]; then
	not_ok "the interposer is at $TEST_OBJECT"
elif is_wanted pool; then
	linked 'rseq off' "${fast[@]}" GLIBC_TUNABLES=glibc.pthread.rseq=0
	linked 'POOL_LIMIT=8M' "${fast[@]}" WEIR_POOL_LIMIT=8M
	linked 'MAX_BUFFERS=50' "${fast[@]}" WEIR_MAX_BUFFERS=50
	linked 'ZERO_ON_FREE=on' "${fast[@]}" WEIR_ZERO_ON_FREE=on
fi
plan
