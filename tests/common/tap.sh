# tap.sh -- TAP for the shell runners; sourced by them.
#
# ok NAME, not_ok NAME [FILE WITH WHY], skip NAME WHY, plan; expect NAME COMMAND...; at_once COMMAND...
# Sets: scratch (removed at exit), object (the interposer under test, "" if it is
# not there), jemalloc, program_dir. A runner that dies half way prints no plan
# and so fails.
#
#   TEST_OBJECT or WEIR_PRELOAD   the interposer; default $BUILDDIR/libweir-preload.so
#   BUILDDIR or abs_top_builddir  where the programs were built; default: the current directory
# shellcheck shell=bash disable=SC2034
set -uo pipefail

build_dir=${BUILDDIR:-${abs_top_builddir:-$PWD}}
object=${WEIR_PRELOAD:-${TEST_OBJECT:-$build_dir/libweir-preload.so}}
[ -e "$object" ] || object=
jemalloc=${TEST_JEMALLOC:-libjemalloc.so.2}
# Whatever the caller has set would be a setting of the programs under test.
for tap_name in $(compgen -e WEIR_); do
	unset "$tap_name"
done

tap_count=0
tap_bad=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/weir-test.XXXXXX") || exit 99
trap 'rm -rf "$scratch"' EXIT

ok()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

not_ok()
{
	tap_count=$((tap_count + 1))
	tap_bad=$((tap_bad + 1))
	echo "not ok $tap_count - $1"
	if [ $# -gt 1 ] && [ -e "$2" ]; then
		head -c 4000 "$2" | head -n 40 | sed 's/^/# /'
	fi
}

todo()
{
	tap_count=$((tap_count + 1))
	echo "not ok $tap_count - $1 # TODO $2"
}

skip()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# What the command says is shown when it fails.
expect()
{
	local name=$1
	shift
	if "$@" >"$scratch/why" 2>&1; then
		ok "$name"
	else
		echo "exit status $?" >>"$scratch/why"
		not_ok "$name" "$scratch/why"
	fi
}

plan()
{
	echo "1..$tap_count"
	[ "$tap_bad" -eq 0 ]
}

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 0
}

# Pass on the TAP of a program as ours: numbers go on, names get a prefix, if there is one.
# retell PREFIX FILE EXIT_STATUS
retell()
{
	local line count=0 planned=-1 prefix=${1:+$1: }
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*)
			count=$((count + 1))
			tap_count=$((tap_count + 1))
			case $line in
			"not ok "*"# TODO "*) ;;
			"not ok "*) tap_bad=$((tap_bad + 1)) ;;
			esac
			echo "${line%%ok *}ok $tap_count - $prefix${line#* - }"
			;;
		1..*) planned=${line#1..} ;;
		"#"*) echo "$line" ;;
		*) echo "# $line" ;;
		esac
	done <"$2"
	if [ "$count" -ne "$planned" ]; then
		not_ok "${prefix}the program came to its end (exit status $3, $count tests)"
	elif [ "$count" -eq 0 ]; then
		not_ok "${prefix}the program has tests"
	fi
}

# part NUMBER COMMAND: one of those of at_once
part()
{
	scratch=$(mktemp -d "$scratch/part.XXXXXX") || exit 99
	tap_count=0 tap_bad=0
	eval "$2"
	plan
}

# at_once COMMAND...: functions of ours with their words, a string each, in processes of their own; what they say
# comes when all have ended, in the order of the commands. For tests that wait more than they work.
at_once()
{
	local i=0 command pids=() status
	for command in "$@"; do
		(trap - EXIT && part "$i" "$command") >"$scratch/part.$i.tap" &
		pids+=($!)
		i=$((i + 1))
	done
	for i in "${!pids[@]}"; do
		status=0
		wait "${pids[i]}" || status=$?
		# Nothing was wanted of it.
		[ "$(cat "$scratch/part.$i.tap")" = 1..0 ] || retell '' "$scratch/part.$i.tap" "$status"
	done
}

# thrice COMMAND...: whether it succeeds in one of three runs at most. For counts of threads, which a busy machine moves
# about and stops in the middle of things: what the code does wrong it does in each run.
thrice()
{
	"$@" || "$@" || "$@"
}
