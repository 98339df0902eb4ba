/*
 * alloc.h -- what malloc and free do, inline, for every name they go by.
 */
#ifndef WEIR_PRELOAD_ALLOC_H
#define WEIR_PRELOAD_ALLOC_H

#include "pool/pool.h"
#include "preload/preload.h"
#include "preload/sample.h"

#define ALLOC_MIN_BYTES ((size_t)16)

/* The magazine had nothing: the heap, or else a temporary buffer from jemalloc. */
void *alloc_malloc_slow(size_t size);
/* A request above the largest that the pool serves. */
void *alloc_malloc_large(size_t size);
/* A pointer into the range that is no buffer in use, as the fast path knows them. */
void alloc_free_slow(void *p);
/* What next.free is where buffers are cleared when freed, and no free takes the fast path. */
void alloc_free_zeroing(void *p);

/* Both are leaf code: every call in them is a tail call. */

INLINE void *alloc_malloc(size_t size)
{
	uint32_t place;

	if (size < pool.min_bytes) {
		/* glibc's alignment is 16 at every size; jemalloc's is 8 for requests of up to 8 bytes. */
		size = MAX(size, ALLOC_MIN_BYTES);
		return sampler_passes(TRACK_SMALL, size) ? sample_small(size) : next.malloc(size);
	}
	if (UNLIKELY(size > pool.max_bytes))
		return alloc_malloc_large(size);
	if (sampler_passes(TRACK_POOL, size))
		return sample_pool(size);
	place = pool_pop(size);
	return LIKELY(place != 0) ? pool_hand_out(place, size) : alloc_malloc_slow(size);
}

INLINE void alloc_free(void *p)
{
	size_t offset = (uintptr_t)p - range.base;

	/* jemalloc's: it keeps errno, see quiet.c. */
	if (UNLIKELY(offset >= range.fast_bytes))
		next.free(p);
	else if (UNLIKELY(!pool_free(offset)))
		alloc_free_slow(p);
}

/* alignment: any power of two. NULL and ENOMEM. */
void *alloc_aligned(size_t alignment, size_t size);
size_t alloc_usable_size(void *p);

#endif
