/*
 * arena.h -- one arena: free runs under a lock, and counts of what is out of it.
 *
 * The heap in layers, each of which calls only what stands below it:
 *   purge    resident free pages go back to the kernel
 *   arenas   several arenas side by side: which one a thread takes from, and who lends
 *   slab     slots cut from a run of one arena
 *   arena    a run taken from one arena, and given to it
 *   runs     best fit and coalescing; range: the pages themselves
 */
#ifndef WEIR_POOL_ARENA_H
#define WEIR_POOL_ARENA_H

#include "base/lock.h"
#include "pool/runs.h"
#include "pool/size_class.h"

struct arena {
	struct lock lock;
	/* All below under lock; the dump reads without it, each word by itself. */
	uintptr_t taker;   /* the thread that took last: an address of its own */
	uint32_t taken_at; /* ticks; when that was */
	struct runs runs;
	uint32_t slabs[17];  /* by slab class: those with a free slot; 0 none */
	uint64_t out_pages;  /* in use, in magazines and in slabs */
	uint64_t peak_pages; /* of out_pages, in this window of demand; relaxed where it begins */
	uint64_t slab_free_bytes;
	uint32_t serial; /* buffers created so far, modulo 2^31 */
	uint64_t creations;
	uint64_t retired_uses[SIZE_CLASSES]; /* of buffers that went back to the heap */
	uint64_t purged_pages, purges_refused;
} __attribute__((aligned(CACHE_LINE)));

/* The arena's lock is held. */

/* A run of that temperature; 0: there is none. */
INLINE uint32_t arena_take_run(
    struct arena *arena, enum temperature temperature, uint32_t pages, bool *was_cold)
{
	uint32_t page = runs_take(&arena->runs, temperature, pages, was_cold);

	if (page != 0)
		arena->out_pages += pages;
	return page;
}

INLINE void arena_give_run(struct arena *arena, uint32_t page, uint32_t pages, uint32_t now)
{
	arena->out_pages -= pages;
	runs_free_hot(&arena->runs, page, pages, now);
}

/* So many pages more of the range are this arena's, cold. False: the range is exhausted. */
bool arena_extend_range(struct arena *arena, uint32_t pages);

/* One run of exactly so many pages, its first a multiple of alignment_pages. 0: exhausted. */
uint32_t arena_take_exact(
    struct arena *arena, uint32_t pages, uint32_t alignment_pages, uint32_t now, bool *was_cold);

#endif
