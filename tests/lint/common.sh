# common.sh -- TAP for the lint tests; sourced, starts in the source tree.
# shellcheck shell=bash disable=SC2034
#
# ok NAME, not_ok NAME [FILE WITH WHY], check NAME COMMAND..., skip NAME WHY; the
# plan is written at exit, so a script that dies half way has none and fails.
set -uo pipefail

lint_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=${TEST_SOURCE_DIR:-$(cd "$lint_dir/../.." && pwd)}
build_dir=${TEST_BUILD_DIR:-$source_dir/build}
cd "$source_dir" || exit 99

tap_count=0
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

ok()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

not_ok()
{
	tap_count=$((tap_count + 1))
	echo "not ok $tap_count - $1"
	if [ $# -gt 1 ]; then
		head -n 60 "$2" | sed 's/^/# /'
	fi
}

skip()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# The command says nothing when all is well, or its exit status says so.
check()
{
	local name=$1
	shift
	if "$@" >"$scratch/why" 2>&1; then
		ok "$name"
	else
		not_ok "$name" "$scratch/why"
	fi
}

quiet()
{
	local name=$1
	shift
	"$@" >"$scratch/why" 2>&1
	if [ -s "$scratch/why" ]; then
		not_ok "$name" "$scratch/why"
	else
		ok "$name"
	fi
}

plan()
{
	echo "1..$tap_count"
}

# Ends the script unless the tool is there.
need()
{
	if ! command -v "$1" >/dev/null; then
		echo "1..0 # SKIP $1 is not installed"
		exit 0
	fi
}

# Our files by the ends of their names: sources '*.c' '*.h'
sources()
{
	local expression=() pattern
	for pattern in "$@"; do
		expression+=(-o -name "$pattern")
	done
	find include src preload tests bench examples scripts -type f \
		\( "${expression[@]:1}" \) -print 2>/dev/null | LC_ALL=C sort
}

# The flags that the build gives to every file, without those of one machine.
compile_flags=(-std=gnu11 -D_GNU_SOURCE= -Isrc -I. -Itests '-DWEIR_VERSION="0"'
	'-DWEIR_LIBDIR="/lib"' -DWITH_SYMBOLS=1 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes)
