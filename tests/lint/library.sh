#!/bin/bash
# library.sh -- what a program that links libweir sees: weir.h in C and C++, the names that
# the object shows, and its ABI beside the one that is checked in.
#
# The ABI stands in src/lib/libweir-ARCH.abi, written by abidw. Adding to it is allowed, and then
# the file is written anew with `make update-abi`; a change that breaks programs fails.
. "$(dirname "$0")/common.sh"

header=include/weir.h
object=$build_dir/libweir.so.0

compiles()
{
	local compiler=$1 standard=$2 language=$3
	printf '#include <weir.h>\n#include <weir.h>\nint main(void) { return weir_version() == 0; }\n' |
		"$compiler" -std="$standard" -Wall -Wextra -Wconversion -pedantic -Werror -Iinclude \
			-fsyntax-only -x "$language" -
}

for standard in c99 c11 c17; do
	check "weir.h compiles as $standard with -Wall -Wextra -pedantic" compiles "${TEST_CC:-cc}" "$standard" c
done
for standard in c++11 c++17 c++20; do
	check "weir.h compiles as $standard with -Wall -Wextra -pedantic" compiles "${TEST_CXX:-c++}" "$standard" c++
done
if command -v clang >/dev/null; then
	check "clang takes weir.h, too" compiles clang c99 c
fi

if [ ! -e "$object" ]; then
	skip "what libweir.so shows" "it is not built here"
	plan
	exit 0
fi

# Functions that the header declares: a name before a parenthesis at the start of a declaration.
declared()
{
	sed -E 's|/\*.*\*/||' "$header" | tr '\n' ' ' | sed -E 's|/\*[^*]*\*+([^/*][^*]*\*+)*/||g' |
		grep -oE '\bweir_[a-z_]+\(' | tr -d '(' | grep -v '_callback$' | sort -u
}

shown()
{
	nm -D --defined-only "$object" | awk '$2 != "A" { print $3 }' | sort -u
}

# same NAME A B: two lists
same()
{
	diff "$1" "$2"
}

declared >"$scratch/declared"
shown | sed 's/@.*//' >"$scratch/shown"
check "libweir.so shows what weir.h declares, and nothing else" same "$scratch/declared" "$scratch/shown"
unversioned()
{
	shown | grep -vE '@@WEIR_[0-9]+\.[0-9]+$'
}
quiet "every name has a version" unversioned
quiet "libweir.so needs nothing but libc" sh -c \
	"readelf -d '$object' | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE '^(libc\.so\.6|libpthread\.so\.0|ld-linux.*)$'"

arch=$(${TEST_CC:-cc} -dumpmachine)
arch=${arch%%-*}
abi=src/lib/libweir-$arch.abi
if ! command -v abidw >/dev/null; then
	skip "the ABI is the one that is checked in" "abidw is not installed"
elif [ ! -e "$abi" ]; then
	skip "the ABI is the one that is checked in" "there is no $abi"
elif ! readelf -S "$object" | grep -q '\.debug_info'; then
	skip "the ABI is the one that is checked in" "libweir.so has no debug information"
else
	bash scripts/abi.sh "$object" >"$scratch/now.abi"
	check "the ABI is the one that is checked in (else: make update-abi)" \
		abidiff --no-added-syms "$abi" "$scratch/now.abi"
	# The comparison sees a function that is gone and a member that moved.
	sed 's/weir_pool_release/weir_pool_relaxed/g' "$scratch/now.abi" >"$scratch/other.abi"
	abidiff "$scratch/now.abi" "$scratch/other.abi" >"$scratch/why" 2>&1
	if grep -q "\[D\] 'function int weir_pool_release(" "$scratch/why"; then
		ok "a function that is gone is seen"
	else
		not_ok "a function that is gone is seen" "$scratch/why"
	fi
	sed "s/offset-in-bits='512'/offset-in-bits='576'/" "$scratch/now.abi" >"$scratch/other.abi"
	abidiff "$scratch/now.abi" "$scratch/other.abi" >"$scratch/why" 2>&1
	if grep -q 'offset changed' "$scratch/why"; then
		ok "a member that moved is seen"
	else
		not_ok "a member that moved is seen" "$scratch/why"
	fi
fi
plan
