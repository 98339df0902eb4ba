/*
 * alloc.h -- what malloc and free do, inline, for every name they go by.
 */
#ifndef WEIR_PRELOAD_ALLOC_H
#define WEIR_PRELOAD_ALLOC_H

#include <errno.h>

#include "pool/pool.h"
#include "preload/preload.h"

#define ALLOC_MIN_BYTES ((size_t)16)

/* The pool had nothing: jemalloc serves, and it is counted. */
void *alloc_temporary(size_t size);
/* A pointer into the range that free's fast path does not take. */
void alloc_free_long(void *p);

INLINE void *alloc_malloc(size_t size)
{
	void *p;

	/* glibc's alignment is 16 at every size; jemalloc's is 8 for requests of up to 8 bytes. */
	if (!pool_wants(size))
		return next.malloc(MAX(size, ALLOC_MIN_BYTES));
	p = pool_malloc(size);
	return LIKELY(p != NULL) ? p : alloc_temporary(size);
}

INLINE void alloc_free(void *p)
{
	size_t offset = (uintptr_t)p - range.base;
	int saved;

	if (offset < LOAD_RELAXED(&range.fast_bytes)) {
		if (UNLIKELY(!pool_free(offset)))
			alloc_free_long(p);
		return;
	}
	if (UNLIKELY(offset < range.bytes)) {
		alloc_free_long(p);
		return;
	}
	/* jemalloc purges in some frees, and a refused madvise() sets errno. */
	saved = errno;
	next.free(p);
	errno = saved;
}

/* alignment: any power of two. NULL and ENOMEM. */
void *alloc_aligned(size_t alignment, size_t size);
size_t alloc_usable_size(void *p);

#endif
