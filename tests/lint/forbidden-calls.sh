#!/bin/bash
# forbidden-calls.sh -- the lower layers never allocate, print by stdio, read the
# environment, or start threads: their objects do not even refer to such names.
. "$(dirname "$0")/common.sh"
need nm

allocating='malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|memalign|valloc|pvalloc|strn?dup|v?asprintf|getline|getdelim'
stdio='f?printf|v[fs]?n?printf|sn?printf|dprintf|vdprintf|puts|fputs|fputc|putchar|putc|fopen|fdopen|fclose|fread|fwrite|fgets|fflush|fscanf|sscanf|__isoc99_[fs]scanf|perror|stdin|stdout|stderr|__[a-z]*printf_chk|open_memstream'
surroundings='getenv|secure_getenv|setenv|putenv|environ|syslog|setlocale|localtime|localtime_r|gmtime|mktime|opendir|qsort|atexit|__cxa_atexit|exit|dlsym|dlopen'
threads='pthread_[a-z_]+'
# The preloaded object does not depend on libm.
libm='(log|log2|log10|log1p|exp|exp2|expm1|pow|sqrt|cbrt|hypot|floor|ceil|round|rint|fmod|ldexp|frexp)[fl]?'

# Whose job it is may.
declare -A allowed=(
	[options.o]='getenv|secure_getenv|environ'	# is handed the environment, and names the unknown
	[out.o]='pthread_sigmask'	# async-signal-safe, and the only mask of one thread there is
)

forbidden_in()
{
	local archive=$1 object symbol why
	nm -A -u "$archive" | sed -E 's/^[^:]*:([^:]*):[[:space:]]*[Uw] /\1 /' |
		while read -r object symbol; do
			symbol=${symbol%%@*}
			object=${object##*-}
			for why in "allocates:$allocating" "is stdio:$stdio" \
				"leaves the layer:$surroundings" "is about threads:$threads" "is libm's:$libm"; do
				[[ $symbol =~ ^(${why#*:})$ ]] || continue
				if [ -n "${allowed[$object]:-}" ] && [[ $symbol =~ ^(${allowed[$object]})$ ]]; then
					continue
				fi
				echo "$object refers to $symbol, which ${why%%:*}"
			done
		done
}

for layer in base pool track report; do
	[ -e "$build_dir/lib$layer.a" ] || continue
	quiet "$layer refers to no name that allocates, prints or looks around" \
		forbidden_in "$build_dir/lib$layer.a"
done

# The check itself sees what it is for.
cat >"$scratch/bad.c" <<'BAD'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
void bad(double v);
void bad(double v)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&m);
	printf("%s %p %f\n", getenv("HOME"), malloc(7), log2(v));
}
BAD
${TEST_CC:-cc} -c -o "$scratch/x-bad.o" "$scratch/bad.c" && ar cr "$scratch/bad.a" "$scratch/x-bad.o"
if [ "$(forbidden_in "$scratch/bad.a" | wc -l)" = 5 ]; then
	ok "malloc, getenv, printf, a mutex and a logarithm are seen"
else
	forbidden_in "$scratch/bad.a" >"$scratch/why"
	not_ok "malloc, getenv, printf, a mutex and a logarithm are seen" "$scratch/why"
fi
plan
