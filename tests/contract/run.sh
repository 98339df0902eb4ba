#!/bin/bash
# run.sh -- the malloc family's contract on libc, on jemalloc and under Weir.
#
# run.sh [WORD]...   only the environments whose name holds one of the words
# Weir runs with rseq on and off, and with settings that send its requests down
# each of its other ways, unless TEST_BRIEF is set. Environment: see common/tap.sh.
test_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/common/tap.sh
. "$test_dir/../common/tap.sh"

program_dir=${TEST_PROGRAMS:-$build_dir/tests/contract}
limit=${TEST_CONTRACT_SECONDS:-150}

# is_wanted NAME WORD...
is_wanted()
{
	local name=$1 word
	shift
	[ $# -eq 0 ] && return 0
	for word in "$@"; do
		[[ $name == *"$word"* ]] && return 0
	done
	return 1
}

# under NAME ALLOCATOR OBJECT [VARIABLE=VALUE]...
under()
{
	local name=$1 allocator=$2 preload=$3 program status
	local arguments=(--under "$allocator")
	shift 3
	if [ -n "$preload" ]; then
		arguments+=(--expect "${preload##*/}")
		set -- "LD_PRELOAD=$preload" "$@"
	fi
	for program in contract operators; do
		status=0
		timeout -k 5 "$limit" env WEIR_DUMP="$scratch/%e.%p.%n" "$@" \
			"$program_dir/$program" "${arguments[@]}" >"$scratch/tap" 2>"$scratch/err" || status=$?
		# What is said on stderr is worth reading when something failed.
		if [ "$status" -ne 0 ]; then
			head -n 20 "$scratch/err" | sed 's/^/# stderr: /'
		fi
		retell "$name, $program" "$scratch/tap" "$status"
	done
}

words=("$@") parts=()
environment()
{
	if is_wanted "$1" "${words[@]+"${words[@]}"}"; then
		parts+=("under ${*@Q}")
	fi
}

environment libc libc ''
if LD_PRELOAD=$jemalloc /bin/true 2>"$scratch/err" && [ ! -s "$scratch/err" ]; then
	environment jemalloc jemalloc "$jemalloc"
else
	skip 'jemalloc' "$jemalloc cannot be loaded"
fi

if [ -n "$object" ]; then
	environment 'weir' weir "$object"
	environment 'weir, rseq off' weir "$object" GLIBC_TUNABLES=glibc.pthread.rseq=0
	[ -n "${TEST_BRIEF:-}" ] ||
		environment 'weir, all of it sampled and cleared' weir "$object" WEIR_SAMPLE_INTERVAL=1 WEIR_ZERO_ON_FREE=on
	[ -n "${TEST_BRIEF:-}" ] || for setting in MAX_BUFFERS=50 POOL_LIMIT=8M ZERO_ON_FREE=on BACKGROUND=always \
		MAX_BUFFER_SIZE=64M ENABLE=off TRACK=off SAMPLE_INTERVAL=1; do
		environment "weir, $setting" weir "$object" "WEIR_$setting"
	done
elif [ -n "${TEST_OBJECT:-}" ]; then
	not_ok "the interposer is at $TEST_OBJECT"
else
	skip 'weir' 'no interposer; set WEIR_PRELOAD'
fi
# Each of these works without a pause.
at_a_time=$(nproc)
for ((i = 0; i < ${#parts[@]}; i += at_a_time)); do
	at_once "${parts[@]:i:at_a_time}"
done
plan
