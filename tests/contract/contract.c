/*
 * contract.c -- one program on the malloc family, for any allocator.
 *
 * Runs on libc alone, on a preloaded jemalloc and under Weir; run.sh does all
 * of them. It links to no allocator and is built with -fno-builtin, or the
 * compiler would remove the very calls that are looked at.
 */
#include "tests/contract/contract.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

const size_t contract_sizes[] = {
    1,
    2,
    7,
    8,
    9,
    15,
    16,
    17,
    24,
    25,
    31,
    32,
    33,
    63,
    64,
    65,
    127,
    128,
    129,
    500,
    1000,
    1024,
    1025,
    2047,
    2048,
    2049,
    3000,
    4080,
    4095,
    4096,
    4097,
    4112,
    5000,
    6144,
    8191,
    8192,
    8193,
    12288,
    12289,
    16383,
    16384,
    16385,
    20480,
    32768,
    32769,
    65535,
    65536,
    65537,
    100000,
    131071,
    131072,
    131073,
    200000,
    262144,
    500000,
    524289,
    MIB - 4096,
    MIB - 1,
    MIB,
    MIB + 1,
    MIB + 4096,
    2 * MIB,
    3 * MIB + 5,
    4 * MIB,
    32 * MIB + 1,
    64 * MIB,
};
const size_t contract_size_count = ARRAY_LENGTH(contract_sizes);

const char *contract_program;

void *contract_symbol(const char *name)
{
	/* The C library's first symbol version: where cfree stands for old binaries. */
#ifdef __x86_64__
	const char *oldest = "GLIBC_2.2.5";
#else
	const char *oldest = "GLIBC_2.17";
#endif
	void *symbol = dlsym(RTLD_DEFAULT, name);

	return symbol != NULL ? symbol : dlvsym(RTLD_DEFAULT, name, oldest);
}

static void *by_calloc_members(size_t size)
{
	return calloc(size, 1);
}
static void *by_calloc_one(size_t size)
{
	return calloc(1, size);
}
static void *by_realloc(size_t size)
{
	return realloc(NULL, size);
}
static void *by_reallocarray(size_t size)
{
	return reallocarray(NULL, size, 1);
}
static void *by_aligned_alloc(size_t size)
{
	return aligned_alloc(64, size);
}
static void *by_memalign(size_t size)
{
	return memalign(4096, size);
}

static void *by_posix_memalign(size_t size)
{
	void *p = NULL;

	return posix_memalign(&p, 32, size) == 0 ? p : NULL;
}

static void *by_growth(size_t size)
{
	void *p = malloc(size / 2 + 1);

	return realloc(p, size);
}

const struct source contract_sources[] = {
    {"malloc", malloc, false},
    {"calloc(size, 1)", by_calloc_members, false},
    {"calloc(1, size)", by_calloc_one, false},
    {"realloc(NULL, size)", by_realloc, false},
    {"realloc of a smaller one", by_growth, true},
    {"reallocarray(NULL, size, 1)", by_reallocarray, false},
    {"posix_memalign(32)", by_posix_memalign, false},
    {"aligned_alloc(64)", by_aligned_alloc, false},
    {"memalign(4096)", by_memalign, false},
    {"valloc", valloc, false},
};
const size_t contract_source_count = ARRAY_LENGTH(contract_sources);

int main(int argc, char **argv)
{
	const struct suite suites[] = {content_suite, realloc_suite, align_suite, error_suite, libc_suite,
	    heap_suite, thread_suite, limit_suite};

	contract_program = "/proc/self/exe";
	if (argc == 3 && strcmp(argv[1], "--inner-limit") == 0)
		return contract_inner_limit(argv[2]);
	return harness_run(argc, argv, suites, ARRAY_LENGTH(suites));
}
