#!/bin/bash
# run.sh -- what a preloaded allocator must survive: bad neighbours, misuse,
# wrong settings.
#
# run.sh [WORD]...   only the parts whose name holds one of the words: early late
#                    plugins processes threads confine bounds signals stuck misuse settings without
# The programs run on libc first (what fails there is a test's own fault), then
# under Weir with rseq and without, and with every allocation a sample. TEST_ALLOCATORS="libc jemalloc weir" chooses.
# TEST_FORKS shortens the fork storms. Environment besides: see common/tap.sh.
# shellcheck disable=SC2016 # what judge evaluates is meant to expand there
test_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/common/tap.sh
. "$test_dir/../common/tap.sh"

program_dir=${TEST_PROGRAMS:-$build_dir/tests/preload}
source_dir=${abs_top_srcdir:-$(cd "$test_dir/../.." && pwd)}
read -r -a allocators <<<"${TEST_ALLOCATORS:-libc weir}"
limit=${TEST_PRELOAD_SECONDS:-900}
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

# A fresh directory for dumps in $dumps.
new_dumps()
{
	dumps=$(mktemp -d "$scratch/dumps.XXXXXX") || exit 99
}

# preload_of ALLOCATOR: what goes into LD_PRELOAD
preload_of()
{
	case $1 in
	jemalloc) echo "$jemalloc" ;;
	weir*) echo "$object" ;;
	esac
}

# harness ALLOCATOR PROGRAM [VARIABLE=VALUE]...
harness()
{
	local allocator=$1 program=$2 preload status=0
	local arguments=(--under "${1%%[, ]*}")
	shift 2
	preload=$(preload_of "$allocator")
	[ -z "$preload" ] || arguments+=(--expect "${preload##*/}")
	new_dumps
	timeout -k 5 "$limit" env LD_PRELOAD="$preload" TEST_DUMPS="$dumps" WEIR_DUMP="$dumps/%e.%p.%n" "$@" \
		"$program_dir/$program" "${arguments[@]}" \
		>"$scratch/tap" 2>"$scratch/err" || status=$?
	[ "$status" -eq 0 ] || grep -v ': dump [0-9]* (' "$scratch/err" | head -n 20 | sed 's/^/# stderr: /'
	retell "$allocator, $program" "$scratch/tap" "$status"
	rm -rf "$dumps"
}

# short WHAT PRELOAD EXPECTED_OUTPUT COMMAND...: exit status 0 and these lines
short()
{
	local name=$1 preload=$2 expected=$3 status=0
	shift 3
	timeout -k 5 60 env LD_PRELOAD="$preload" WEIR_DUMP="$scratch/%e.%p.%n" "$@" \
		>"$scratch/out" 2>"$scratch/err" || status=$?
	if [ "$status" -eq 0 ] && [ "$(cat "$scratch/out")" = "$expected" ]; then
		ok "$name"
	else
		{
			echo "exit status $status, expected: $expected"
			cat "$scratch/out" "$scratch/err"
		} >"$scratch/why"
		not_ok "$name" "$scratch/why"
	fi
}

# The setting that decides how a whole family of tests runs: many ticks in a short life.
fast=(WEIR_MONITOR_INTERVAL=100ms WEIR_GC_INTERVAL=100ms WEIR_MAX_IDLE=200ms)

late_text='late: atexit
late: destructor
late: last destructor'
edge_text='edge: freed at the end
went on'

neighbours_of()
{
	local allocator=$1 preload tunables=()
	preload=$(preload_of "$allocator")
	[[ $allocator != *'rseq off'* ]] || tunables=(GLIBC_TUNABLES=glibc.pthread.rseq=0)
	[[ $allocator != *'all of it sampled'* ]] || tunables=(WEIR_SAMPLE_INTERVAL=1)
	local edge=$program_dir/edge.so

	if is_wanted early; then
		short "$allocator: malloc works in an IFUNC resolver, in .preinit_array and in the first constructor" \
			"$preload" 'early: all there' "${tunables[@]+"${tunables[@]}"}" "$program_dir/early"
		short "$allocator: a library before it in LD_PRELOAD allocates in its constructor and frees in its destructor" \
			"$edge $preload" "$edge_text" "$program_dir/probe" stream
		short "$allocator: a library after it in LD_PRELOAD allocates in its constructor and frees in its destructor" \
			"$preload $edge" "$edge_text" "$program_dir/probe" stream
	fi
	if is_wanted late; then
		short "$allocator: memory is freed and taken after main, by destructors and by threads that still run" \
			"$preload" "$late_text" "$program_dir/late"
	fi
	is_wanted plugins && harness "$allocator" plugins "${tunables[@]+"${tunables[@]}"}"
	is_wanted processes && harness "$allocator" processes "${fast[@]}" "${tunables[@]+"${tunables[@]}"}"
	is_wanted threads && harness "$allocator" threads "${fast[@]}" "${tunables[@]+"${tunables[@]}"}"
	is_wanted confine && harness "$allocator" confine "${fast[@]}" "${tunables[@]+"${tunables[@]}"}"
	is_wanted bounds && harness "$allocator" bounds "${tunables[@]+"${tunables[@]}"}"
	is_wanted signals && harness "$allocator" signals "${tunables[@]+"${tunables[@]}"}"
	if is_wanted stuck && [[ $allocator == weir* ]]; then
		harness "$allocator" stuck "${fast[@]}" "${tunables[@]+"${tunables[@]}"}"
	fi
}

# probe [VARIABLE=VALUE]... DEED: output in $scratch/out and err, status in $status
probe()
{
	status=0
	new_dumps
	# The braces keep the shell's own word on a signal out of the log.
	{
		timeout -k 5 60 env LD_PRELOAD="$object" WEIR_DUMP="$dumps/%e.%p.%n" "${@:1:$#-1}" \
			"$program_dir/probe" "${!#}" >"$scratch/out" 2>"$scratch/err" || status=$?
	} 2>/dev/null
	{
		echo "exit status $status"
		sed 's/^/stdout: /' "$scratch/out"
		sed 's/^/stderr: /' "$scratch/err"
	} >"$scratch/why"
}

# judge NAME COMMAND...
judge()
{
	if "${@:2}"; then
		ok "$1"
	else
		not_ok "$1" "$scratch/why"
	fi
}

said()
{
	grep -Eq -- "$1" "$scratch/err"
}

went_on()
{
	[ "$status" -eq 0 ] && grep -qx 'went on' "$scratch/out"
}

# One line names the last address that the program gave to free, with PATTERN in it.
names_the_address()
{
	local address
	address=$(sed -n 's/^at //p' "$scratch/out" | tail -n 1)
	[ -n "$address" ] || return 1
	[ $# -eq 1 ] || address=
	grep -E '^weir\[[0-9]+\]: ' "$scratch/err" | grep -F -- "$address" | grep -Eiq -- "$1"
}

aborted_and_named()
{
	[ "$status" -eq 134 ] && ! grep -qx 'went on' "$scratch/out" && names_the_address "$@"
}

# The caller may be the function that calls the deed: a free at its end is a jump.
names_the_caller()
{
	local where
	where=$(sed -n 's/^weir.*: the call came from probe+\(0x[0-9a-f]*\).*/\1/p' "$scratch/err")
	[ -n "$where" ] && addr2line -fe "$program_dir/probe" "$where" | grep -Eqx 'double_free|main'
}

warned_alone()
{
	went_on && said 'double free' && ! said 'the call came from'
}

warned_and_named()
{
	went_on && names_the_address "$@"
}

misuse()
{
	local deed pattern
	while read -r deed pattern; do
		# An inner pointer is not the address that the program printed.
		local any=()
		[[ $deed != inner* ]] || any=(any-address)
		probe "$deed"
		judge "$deed aborts with a line that names it" aborted_and_named "$pattern" "${any[@]+"${any[@]}"}"
		probe WEIR_ON_MISUSE=warn "$deed"
		judge "$deed with WEIR_ON_MISUSE=warn is named and the program goes on" \
			warned_and_named "$pattern" "${any[@]+"${any[@]}"}"
	done <<-'DEEDS'
		double-free (double free|freed).*(65536|64\.0 KiB)
		double-free-small (double free|freed).*(5000|4\.9 KiB|5\.0 KiB)
		double-free-across-threads (double free|freed).*(65536|64\.0 KiB)
		inner-free (inner|inside|within|middle|not the start).*(65536|64\.0 KiB)
		inner-free-unaligned (inner|inside|within|middle|not the start).*(65536|64\.0 KiB)
		wild-free (wild|never|no buffer|not a buffer|unknown)
		realloc-of-freed (freed|realloc)
	DEEDS

	probe double-free
	judge 'a second line says where a double free came from' names_the_caller
	probe WEIR_TRACK=off WEIR_ON_MISUSE=warn double-free
	judge 'without WEIR_TRACK there is no such line, and the program goes on' warned_alone

	probe usable-size-of-freed
	judge 'malloc_usable_size of a freed buffer is 0 and disturbs nothing' went_on

	probe secret
	judge 'without WEIR_ZERO_ON_FREE a freed buffer keeps its content (or the next test proves nothing)' \
		grep -Eqx 'seen [1-9][0-9]*' "$scratch/out"
	probe WEIR_ZERO_ON_FREE=on secret
	judge 'WEIR_ZERO_ON_FREE=on leaves nothing of a freed buffer' grep -qx 'seen 0' "$scratch/out"
}

dumps_are()
{
	[ "$(find "$dumps" -type f | wc -l)" -eq "$1" ]
}

signal_settings()
{
	probe raise-usr1
	judge 'SIGUSR1 writes a dump and the program goes on' eval 'went_on && dumps_are 1'
	judge 'a dump is announced by one line with its path' \
		said "^weir\\[[0-9]+\\]: dump 1 \\(signal\\): $dumps/probe\\.[0-9]+\\.1\\.txt\$"
	judge 'a dump is readable by its owner alone' \
		[ "$(find "$dumps" -type f -printf '%m\n' | sort -u)" = 600 ]
	probe raise-three
	judge 'three signals write three dumps, numbered' \
		[ "$(find "$dumps" -name 'probe.*.[123].txt' | wc -l)" -eq 3 ]
	probe WEIR_DUMP_FORMAT=json,text raise-usr1
	judge 'two formats write two files' \
		eval 'dumps_are 2 && [ -n "$(find "$dumps" -name "*.json")" ] && [ -n "$(find "$dumps" -name "*.txt")" ]'
	probe WEIR_DUMP=stderr raise-usr1
	judge 'WEIR_DUMP=stderr writes to stderr and no file' eval 'went_on && dumps_are 0 && said pool_limit\|WEIR_POOL_LIMIT'
	probe WEIR_DUMP=/nowhere/at.all raise-usr1
	judge 'a dump that cannot be written is said and not fatal' eval 'went_on && said /nowhere/at.all'
	probe handle-usr1
	judge 'the program'\''s own handler runs and a dump is written' eval 'went_on && dumps_are 1 && grep -qx "handler ran" "$scratch/out"'
	probe WEIR_SIGNAL_CHAIN=off handle-usr1
	judge 'with WEIR_SIGNAL_CHAIN=off the handler does not run and a dump is written' \
		eval 'went_on && dumps_are 1 && ! grep -q "handler ran" "$scratch/out"'
	probe WEIR_SIGNAL=none handle-usr1
	judge 'with WEIR_SIGNAL=none the handler runs and nothing is written' \
		eval 'went_on && dumps_are 0 && grep -qx "handler ran" "$scratch/out"'
	probe WEIR_SIGNAL=none raise-usr1
	judge 'with WEIR_SIGNAL=none SIGUSR1 ends a program as ever' [ "$status" -eq 138 ]
	probe WEIR_SIGNAL=USR2 raise-usr2
	judge 'WEIR_SIGNAL=USR2 takes SIGUSR2' eval 'went_on && dumps_are 1'
	probe WEIR_DUMP_AT_EXIT=on stream
	judge 'WEIR_DUMP_AT_EXIT=on writes a dump at exit' eval 'went_on && dumps_are 1 && said "dump 1 \\(exit\\)"'
	# A link under the name that comes next is neither followed nor replaced.
	new_dumps
	echo untouched >"$scratch/victim"
	ln -s "$scratch/victim" "$dumps/fixed.1.txt"
	kept=$dumps
	probe WEIR_DUMP="$kept/fixed.%n" raise-three
	judge 'a link planted at a dump'\''s name is not followed' \
		eval 'went_on && [ "$(cat "$scratch/victim")" = untouched ] && [ -L "$kept/fixed.1.txt" ]'
	judge 'and the dumps after it are written' \
		eval '[ "$(find "$kept" -type f -name "fixed.*" | wc -l)" -ge 2 ]'
}

is_openmetrics()
{
	[ "$(head -c 7 "$1")" = '# HELP ' ] && [ "$(tail -n 1 "$1")" = '# EOF' ] && ! grep -q '^weir\[' "$1"
}

# What the dumps on stderr say of the limit, but for how full it is: one line for all.
limits_agree()
{
	local limits
	limits=$(sed -n 's/^  limit .* held of \(.*\) allowed.*/\1/p' "$scratch/err")
	[ "$(grep -c . <<<"$limits")" -eq 2 ] && [ "$(sort -u <<<"$limits" | grep -c .)" -eq 1 ]
}

without()
{
	probe WEIR_DUMP_FORMAT=text,json,openmetrics without-streams
	judge 'in a program without stdin, stdout and stderr nothing is written into a dump but the dump' \
		eval '[ "$status" -eq 0 ] && dumps_are 3 && is_openmetrics "$(find "$dumps" -name "*.om")"'
	probe "${fast[@]}" WEIR_DUMP=stderr without-descriptors
	judge 'a program that is out of descriptors keeps the limit that was known' eval 'went_on && limits_agree'
	probe "${fast[@]}" much-thread-local
	judge 'beside 512 KiB of thread-local variables the maintenance thread has its stack' \
		eval 'went_on && grep -qx "thread weir" "$scratch/out"'
}

# One line: the name, the value, what is allowed, what is used.
complained_once()
{
	local name=$1 value=${2:0:20}
	[ "$(grep -c . "$scratch/err")" -eq 1 ] &&
		grep -E "^weir\\[[0-9]+\\]: .*$name\\b.*allowed.*using" "$scratch/err" | grep -Fq -- "$value"
}

settings()
{
	local name type value all=() count=0 definitions=$source_dir/src/base/options.def
	local long
	long=/tmp/$(printf 'x%.0s' $(seq 400))

	probe stream
	judge 'with no setting nothing is said' eval 'went_on && [ ! -s "$scratch/err" ]'
	while read -r name type; do
		name=WEIR_${name^^}
		case $type in
		BOOL) value=perhaps ;;
		SIZE) value=12Q ;;
		COUNT) value=many ;;
		SHARE) value=130% ;;
		FACTOR) value=-3 ;;
		DURATION) value=soon ;;
		CHOICE) value=sometimes ;;
		CHOICES) value=text,yaml ;;
		SIGNAL) value=USR9 ;;
		TEXT) value=$long ;;
		*)
			not_ok "$name has a type that this test knows ($type)"
			continue
			;;
		esac
		all+=("$name=$value")
		count=$((count + 1))
		probe "$name=$value" stream
		judge "$name=${value:0:20} is named once with what is allowed and used, and the program runs" \
			eval 'went_on && complained_once "$name" "$value"'
		probe "$name=" stream
		judge "$name with nothing in it does not stop the program" went_on
	done < <(sed -n 's/^WEIR_OPTION(\([a-z_]*\), \([A-Z]*\),.*/\1 \2/p' "$definitions")
	judge 'the table of settings was read' [ "$count" -ge 15 ]
	probe "${all[@]}" stream
	judge 'every setting wrong at once: one line each, and the program runs' \
		eval 'went_on && [ "$(grep -c "allowed" "$scratch/err")" -eq "$count" ]'
	probe WEIR_MIN_BUFFER_SIZE=2M WEIR_MAX_BUFFER_SIZE=64K stream
	judge 'bounds that cross are named, and the program runs' eval 'went_on && said WEIR_MIN_BUFFER_SIZE'
	probe WEIR_MAX_BUFERS=50 stream
	judge 'an unknown variable is named with the nearest real name' \
		eval 'went_on && said "WEIR_MAX_BUFERS.*WEIR_MAX_BUFFERS"'
	probe WEIR_LOG=off WEIR_MAX_BUFFERS=many stream
	judge 'WEIR_LOG=off says nothing at all' eval 'went_on && [ ! -s "$scratch/err" ]'
	probe WEIR_ENABLE=off stream
	judge 'WEIR_ENABLE=off runs, and says nothing' eval 'went_on && [ ! -s "$scratch/err" ]'

	# RLIMIT_AS before start: half ranges, or none with one line.
	status=0
	(
		ulimit -v 400000
		exec timeout 60 env LD_PRELOAD="$object" "$program_dir/probe" stream
	) >"$scratch/out" 2>"$scratch/err" || status=$?
	judge 'a program streams under ulimit -v 400000' went_on
	status=0
	(
		ulimit -v 150000
		exec timeout 60 env LD_PRELOAD="$object" "$program_dir/probe" stream
	) >"$scratch/out" 2>"$scratch/err" || status=$?
	judge 'and under ulimit -v 150000' went_on
}

[ -n "$object" ] || allocators=("${allocators[@]/weir/}")
for allocator in "${allocators[@]}"; do
	[ -n "$allocator" ] || continue
	neighbours_of "$allocator"
	[ "$allocator" != weir ] || neighbours_of 'weir, rseq off'
	[ "$allocator" != weir ] || neighbours_of 'weir, all of it sampled'
done
if [ -n "$object" ]; then
	is_wanted misuse && misuse
	is_wanted signals && signal_settings
	is_wanted settings && settings
	is_wanted without && without
elif [ -n "${TEST_OBJECT:-}" ]; then
	not_ok "the interposer is at $TEST_OBJECT"
else
	skip 'weir' 'no interposer; set WEIR_PRELOAD'
fi
plan
