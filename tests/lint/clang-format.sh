#!/bin/bash
# clang-format.sh -- the look of the sources is what .clang-format makes of them.
. "$(dirname "$0")/common.sh"
need clang-format

# One call for all says whose turn it is to be looked at.
mapfile -t files < <(sources '*.c' '*.h')
clang-format --dry-run "${files[@]}" 2>&1 | sed -n 's/^\([^ :]*\):[0-9].*/\1/p' | sort -u >"$scratch/bad"
for file in "${files[@]}"; do
	if grep -qxF "$file" "$scratch/bad"; then
		clang-format "$file" | diff -u "$file" - >"$scratch/why"
		not_ok "$file looks as .clang-format says" "$scratch/why"
	else
		ok "$file looks as .clang-format says"
	fi
done
# It is really looking.
printf 'int  a  ;\n' >"$scratch/bad.c"
cp .clang-format "$scratch/"
check "clang-format sees two blanks" grep -q . <(clang-format --dry-run "$scratch/bad.c" 2>&1)
plan
