#!/bin/bash
# cppcheck.sh -- cppcheck finds nothing; what is suppressed stands, with its
# reason, in cppcheck.suppressions.
. "$(dirname "$0")/common.sh"
need cppcheck

# Called the TSan build, in which magazines move under locks: it cannot read asm goto.
run_cppcheck()
{
	cppcheck --quiet --std=c11 --enable=warning,performance,portability \
		--inline-suppr --error-exitcode=1 -j "$(nproc)" \
		--suppressions-list="$lint_dir/cppcheck.suppressions" \
		-Isrc -I. -D_GNU_SOURCE= -D__SANITIZE_THREAD__ -D__x86_64__ -D__linux__ -D__GNUC__=12 \
		'-DElfW(type)=Elf64_##type' \
		-DWEIR_VERSION='"0"' \
		-DWEIR_LIBDIR='"/lib"' "$@"
}

for folder in src/base src/pool src/track src/report src/lib src/cli preload examples bench; do
	if [ -z "$(find "$folder" -name '*.c' 2>/dev/null)" ]; then
		continue
	fi
	check "cppcheck finds nothing in $folder" run_cppcheck "$folder"
done

echo 'int f(void); int f(void) { int a[2] = {0, 0}; return a[2]; }' >"$scratch/bad.c"
if run_cppcheck "$scratch/bad.c" >/dev/null 2>&1; then
	not_ok "cppcheck sees an index out of bounds"
else
	ok "cppcheck sees an index out of bounds"
fi
plan
