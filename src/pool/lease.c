/*
 * lease.c -- a stretch of an arena from which buffers are cut without its lock.
 *
 * Called by the set of arenas (arenas.c) for threads that only allocate: what they miss comes back from other
 * threads, as long runs (returns.c), and each of their requests would take the lock to cut one buffer off such a run. So
 * they take a long run under the lock, and cut buffers of whatever size from its front, with a compare and swap of one
 * word.
 *
 * The word says where the rest of the lease begins, how long it is and whether its pages are cold; so whoever
 * swaps it owns what it has cut off, and it does not matter that a word may come back. The pages' entries are RUN_NONE, and
 * all count as out of the heap. Never blocks, allocates nothing.
 */
#include "pool/lease.h"

#define WORD(page, pages, cold) ((uint64_t)(page) << 32 | (pages) | (cold))

UNLOCKED_READER uint32_t lease_length(const struct arena *arena)
{
	uint64_t share = LOAD_RELAXED(&arena->out_pages) / LEASE_SHARE;

	return (uint32_t)MIN(MAX(share, (uint64_t)LEASE_PAGES_MIN), (uint64_t)LEASE_PAGES);
}

unsigned lease_cut(
    struct arena *arena, unsigned class, uint32_t length, unsigned want, uint32_t now, uint32_t *pages)
{
	uint32_t page, left, cold, serial;
	uint64_t seen = atomic_load_explicit(&arena->lease.word, memory_order_relaxed);
	unsigned count;

	/* Acquire: the entries are as whoever held the lock left them; pairs with the store in lease_begin(). */
	do {
		page = (uint32_t)(seen >> 32);
		left = (uint32_t)seen & ~LEASE_COLD;
		cold = (uint32_t)seen & LEASE_COLD;
		count = MIN(want, left / length);
		if (count == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&arena->lease.word, &seen,
	    WORD(page + count * length, left - count * length, cold), memory_order_acquire,
	    memory_order_relaxed));
	/* Whoever freed what stood there last wrote to its entry, mostly elsewhere: fetched before it is cut. */
	__builtin_prefetch(run_at(page + count * length), 1);
	serial = atomic_fetch_add_explicit(&arena->lease.creations, count, memory_order_relaxed);
	atomic_store_explicit(&arena->lease.used_at, now, memory_order_relaxed);
	for (unsigned i = 0; i < count; i++) {
		pages[i] = page + i * length;
		arena_create(pages[i], class, length, now, arena_serial_leased(serial + i), cold != 0);
	}
	return count;
}

uint32_t lease_end(struct arena *arena, uint32_t now)
{
	/* Acquire: what was cut is its owner's, and the entries of the rest were never written to. */
	uint64_t word = atomic_exchange_explicit(&arena->lease.word, 0, memory_order_acquire);
	uint32_t left = (uint32_t)word & ~LEASE_COLD;

	if (left == 0)
		return 0;
	arena->out_pages -= left;
	runs_free_as_marked(&arena->runs, (uint32_t)(word >> 32), left, now);
	return left;
}

bool lease_begin(struct arena *arena, enum temperature temperature, unsigned class, uint32_t now)
{
	uint32_t page, pages, least = MAX(LEASE_PAGES_MIN, 2 * size_class_pages(class));
	bool was_cold;

	page = runs_take_longest(
	    &arena->runs, temperature, least, MAX(lease_length(arena), least), &pages, &was_cold);
	if (page == 0)
		return false;
	arena->out_pages += pages;
	atomic_store_explicit(&arena->lease.used_at, now, memory_order_relaxed);
	/* Release: pairs with the swap in lease_cut(). */
	atomic_store_explicit(
	    &arena->lease.word, WORD(page, pages, was_cold ? LEASE_COLD : 0), memory_order_release);
	return true;
}
