#!/bin/bash
# headers-alone.sh -- each header compiles alone, and twice.
. "$(dirname "$0")/common.sh"

alone()
{
	printf '#include "%s"\n#include "%s"\ntypedef int translation_unit;\n' "$1" "$1" |
		${TEST_CC:-cc} "${compile_flags[@]}" -Werror -fsyntax-only -x c -
}

for header in $(find include src preload -name '*.h' 2>/dev/null | LC_ALL=C sort); do
	check "$header compiles alone" alone "$source_dir/$header"
done
plan
