#!/bin/bash
# clang-format.sh -- the look of the sources is what .clang-format makes of them.
. "$(dirname "$0")/common.sh"
need clang-format

while read -r file; do
	clang-format "$file" | diff -u "$file" - >"$scratch/why"
	if [ -s "$scratch/why" ]; then
		not_ok "$file looks as .clang-format says" "$scratch/why"
	else
		ok "$file looks as .clang-format says"
	fi
done < <(sources '*.c' '*.h')
plan
