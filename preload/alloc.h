/*
 * alloc.h -- what malloc and free do, inline, for every name they go by.
 */
#ifndef WEIR_PRELOAD_ALLOC_H
#define WEIR_PRELOAD_ALLOC_H

#include "pool/pool.h"
#include "preload/preload.h"

#define ALLOC_MIN_BYTES ((size_t)16)

/* The magazine had nothing: the heap, or else a temporary buffer from jemalloc. */
void *alloc_malloc_slow(size_t size);
/* A pointer that the fast path does not take: jemalloc's. */
void alloc_free_elsewhere(void *p);
/* A pointer into the range that is no buffer in use. */
void alloc_free_misused(void *p);
/* What next.free is where buffers are cleared when freed, and no free takes the fast path. */
void alloc_free_zeroing(void *p);

/* Both are leaf code: every call in them is a tail call. */

INLINE void *alloc_malloc(size_t size)
{
	uint32_t page;

	/* glibc's alignment is 16 at every size; jemalloc's is 8 for requests of up to 8 bytes. */
	if (!pool_wants(size))
		return next.malloc(MAX(size, ALLOC_MIN_BYTES));
	page = pool_pop(size);
	return LIKELY(page != 0) ? pool_hand_out(page, size) : alloc_malloc_slow(size);
}

INLINE void alloc_free(void *p)
{
	size_t offset = (uintptr_t)p - range.base;

	if (UNLIKELY(offset >= LOAD_RELAXED(&range.fast_bytes)))
		alloc_free_elsewhere(p);
	else if (UNLIKELY(!pool_free(offset)))
		alloc_free_misused(p);
}

/* alignment: any power of two. NULL and ENOMEM. */
void *alloc_aligned(size_t alignment, size_t size);
size_t alloc_usable_size(void *p);

#endif
