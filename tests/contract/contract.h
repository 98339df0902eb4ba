/*
 * contract.h -- what the parts of the contract program share: their tables,
 * and the sizes and functions that the tests loop over.
 *
 * The contract is what C, POSIX and glibc's manual say of the malloc family,
 * and nothing that only one allocator does.
 */
#ifndef WEIR_TESTS_CONTRACT_H
#define WEIR_TESTS_CONTRACT_H

#include <stddef.h>
#include <stdint.h>

#include "tests/common/harness.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

extern const struct suite content_suite, realloc_suite, align_suite, error_suite, limit_suite, libc_suite,
    heap_suite, thread_suite;

/* Around every border that an allocator may have: bins, pages, slabs, the pool's bounds, mmap. */
extern const size_t contract_sizes[];
extern const size_t contract_size_count;

/* Every way to get memory of a size; name for messages. */
struct source {
	const char *name;
	void *(*allocate)(size_t size);
	bool is_resizing; /* gets there by realloc of a smaller buffer */
};
extern const struct source contract_sources[];
extern const size_t contract_source_count;

/* Run again from exec with an argument: limits that must hold before the first malloc. */
int contract_inner_limit(const char *where);
extern const char *contract_program;

/* Declared nowhere by a glibc that has them only for old binaries, or not yet. */
void *contract_symbol(const char *name);

#endif
