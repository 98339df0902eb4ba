#!/bin/bash
# clang-tidy.sh -- .clang-tidy's checks find nothing in what is shipped.
#
# Nearly all of its time is the analyzer's, which walks each function's paths until there is nothing new, or for so many
# steps. TEST_TIDY_NODES=225000 is its own default, and takes two to three times as long.
. "$(dirname "$0")/common.sh"
need clang-tidy

tidy_one()
{
	# Its exit status says whether there were warnings; the counts on stderr are noise.
	clang-tidy --quiet --warnings-as-errors='*' "$1" -- "${compile_flags[@]}" \
		-Xclang -analyzer-config -Xclang "max-nodes=${TEST_TIDY_NODES:-75000}" 2>/dev/null
}

# Two at a time; each leaves its words and its status in the scratch directory.
mapfile -t files < <(find src preload -name '*.c' | LC_ALL=C sort)
for i in "${!files[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
		wait -n
	done
	(
		tidy_one "${files[i]}" >"$scratch/$i.why"
		echo $? >"$scratch/$i.status"
	) &
done
wait
for i in "${!files[@]}"; do
	if [ "$(cat "$scratch/$i.status")" = 0 ]; then
		ok "clang-tidy finds nothing in ${files[i]}"
	else
		not_ok "clang-tidy finds nothing in ${files[i]}" "$scratch/$i.why"
	fi
done

# It is really looking.
cat >"$scratch/bad.c" <<'BAD'
#include <stdlib.h>
int *leak(int n);
int *leak(int n)
{
	int *p = malloc(sizeof(p));
	if (n)
		return NULL;
	return p;
}
BAD
cp .clang-tidy "$scratch/"
if tidy_one "$scratch/bad.c" >/dev/null; then
	not_ok "clang-tidy sees a leak"
else
	ok "clang-tidy sees a leak"
fi
plan
