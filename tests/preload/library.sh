#!/bin/bash
# library.sh -- libweir and the interposer in one process are one engine: one range, one limit,
# one set of figures. And libweir without the interposer is one by itself.
# shellcheck disable=SC2016 # what judge evaluates is meant to expand there
test_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/common/tap.sh
. "$test_dir/../common/tap.sh"

program=${TEST_PROGRAMS:-$build_dir/tests/preload}/library

# run PRELOAD [VARIABLE=VALUE]... DEED: output in $scratch/out and err
run()
{
	local preload=$1
	shift
	status=0
	timeout -k 5 60 env LD_PRELOAD="$preload" WEIR_DUMP="$scratch/%e.%p.%n" "${@:1:$#-1}" "$program" "${!#}" \
		>"$scratch/out" 2>"$scratch/err" || status=$?
	{
		echo "exit status $status"
		cat "$scratch/out" "$scratch/err"
	} >"$scratch/why"
}

judge()
{
	if eval "$2"; then
		ok "$1"
	else
		not_ok "$1" "$scratch/why"
	fi
}

# printed LINE...: exactly these
printed()
{
	[ "$status" -eq 0 ] && [ "$(cat "$scratch/out")" = "$(printf '%s\n' "$@")" ]
}

number()
{
	sed -n "s/^$1 //p" "$scratch/out"
}

for tunables in '' glibc.pthread.rseq=0; do
	with=${tunables:+, without restartable sequences}
	run "$object" GLIBC_TUNABLES="$tunables" count
	judge "the figures count buffers of malloc and of pools alike$with" 'printed "malloc 40" "pool 40" "after 0"'
	run "$object" GLIBC_TUNABLES="$tunables" near
	judge "what a pool gives back lies in the range of malloc$with" \
		'[ "$status" -eq 0 ] && [ "$(number apart)" -lt $((1 << 36)) ]'
	run "$object" GLIBC_TUNABLES="$tunables" WEIR_POOL_LIMIT=8M limit
	judge "WEIR_POOL_LIMIT holds for pools; past it malloc serves$with" 'printed "exhausted yes"'
	run "$object" GLIBC_TUNABLES="$tunables" child
	judge "a child of fork goes on with pool and malloc$with" 'printed "child well"'
	judge "and the interposer's dump has the pool's buffer in it$with" \
		'grep -Eq "^ .* 100,000 " "$scratch"/library.*.1.txt'
	rm -f "$scratch"/library.*
done
# looked_at PRELOAD: weir list and weir report of a process that waits, in $scratch/out and why
looked_at()
{
	rm -f "$scratch/ready"
	mkfifo "$scratch/ready"
	LD_PRELOAD=$1 "$program" wait >"$scratch/ready" &
	pid=$!
	read -r _ <"$scratch/ready"
	"$weir" list >"$scratch/out" 2>"$scratch/why"
	status=0
	"$weir" report "$pid" >>"$scratch/out" 2>>"$scratch/why" || status=$?
	cat "$scratch/out" >>"$scratch/why"
	{
		kill "$pid"
		wait "$pid"
	} 2>/dev/null
}
weir=${TEST_WEIR:-$build_dir/weir}
looked_at "$object"
judge "weir finds the interposer in a program that has the library, too" \
	'[ "$status" -eq 0 ] && grep -Eq "^ *$pid +library " "$scratch/out" && grep -Eq "in use in [1-9] buffer" "$scratch/out"'
looked_at ''
judge "and does not take the library for it" \
	'[ "$status" -eq 1 ] && ! grep -Eq "^ *$pid " "$scratch/out" && grep -q "does not run with Weir" "$scratch/why"'

run "$object" WEIR_ENABLE=off limit
judge "with WEIR_ENABLE=off malloc serves all pools, and nothing fails" 'printed "exhausted yes"'
run '' count
judge "without the interposer the library has an engine of its own" 'printed "malloc 0" "pool 40" "after 0"'
run '' WEIR_POOL_LIMIT=8M limit
judge "which has the settings of the environment" 'printed "exhausted yes"'
run '' WEIR_POOL_LIMIT=800M limit
judge "and serves what they allow" 'printed "exhausted no"'
plan
