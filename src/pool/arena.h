/*
 * arena.h -- one arena: free runs under a lock, and counts of what is out of it.
 *
 * The heap in layers, each of which calls only what stands below it:
 *   purge    resident free pages go back to the kernel
 *   arenas   several arenas side by side: which one a thread takes from, and who lends
 *   returns  buffers that wait before one arena, and come in together
 *   lease    a stretch of one arena from which buffers are cut without its lock
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
	uint32_t serial; /* of the last buffer created under the lock; even, modulo 2^30 */
	uint64_t creations;
	uint64_t retired_uses[SIZE_CLASSES]; /* of buffers that went back to the heap */
	uint64_t purged_pages, purges_refused;
	/* Without lock: buffers that wait to be let in (returns.c); release by who pushes, acquire by who lets in. */
	_Alignas(CACHE_LINE) _Atomic uint64_t returns;
	/* Without lock: a stretch from which buffers are cut (lease.c). */
	_Alignas(CACHE_LINE) struct {
		_Atomic uint64_t word;	    /* acquire by who cuts, release by who leases */
		_Atomic uint32_t creations; /* relaxed, a count; modulo 2^32 */
		_Atomic uint32_t used_at;   /* ticks; relaxed, a hint */
	} lease;
} __attribute__((aligned(CACHE_LINE)));

/* A lease is this share of what is out of the arena, and at most 32 buffers of 64 KiB. */
#define LEASE_SHARE 2
#define LEASE_PAGES ((uint32_t)512)
#define LEASE_PAGES_MIN ((uint32_t)64)
/* In the lease's word, below it how many pages are left: they are cold, all of them. */
#define LEASE_COLD ((uint32_t)1 << 31)

/* Creations are numbered: the even ones under the lock, the odd ones without it. */
INLINE uint32_t arena_serial_leased(uint32_t count)
{
	return (count * 2 + 1) & ~BUFFER_FLAGS;
}

INLINE uint32_t arena_serial_next(struct arena *arena)
{
	arena->serial = (arena->serial + 2) & ~BUFFER_FLAGS;
	arena->creations++;
	return arena->serial;
}

/* The run, or slot, at page, which is the caller's, becomes an idle buffer. */
INLINE void arena_create(
    uint32_t page, unsigned class, uint32_t pages, uint32_t now, uint32_t serial, bool was_cold)
{
	struct run *run = run_at(page);

	run->size_class = (uint8_t) class;
	if (!size_class_is_slab(class)) {
		run->offset = 0;
		run->pages = pages;
	}
	run->buffer.size = 0;
	run->buffer.created = now;
	run->buffer.last_used = now;
	run->buffer.use_count = 0;
	run->buffer.sample = 0;
	run->buffer.serial = serial | (was_cold ? BUFFER_WAS_COLD : 0);
	STORE_RELAXED(&run->state, RUN_IDLE);
}

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
