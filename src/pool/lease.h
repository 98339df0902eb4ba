/*
 * lease.h -- a stretch of an arena from which buffers are cut without its lock; above arena.h.
 */
#ifndef WEIR_POOL_LEASE_H
#define WEIR_POOL_LEASE_H

#include "pool/arena.h"

/* Whether buffers of that class are cut from leases: whole pages, and many from one. */
INLINE bool lease_serves(unsigned class)
{
	return !size_class_is_slab(class) && size_class_pages(class) <= LEASE_PAGES / 2;
}

/*
 * Up to want buffers of so many pages, of the class, RUN_IDLE and created now; no lock is needed. Returns how many; 0: the
 * lease has none left.
 */
unsigned lease_cut(
    struct arena *arena, unsigned class, uint32_t length, unsigned want, uint32_t now, uint32_t *pages);

/* The arena's lock is held. */

/* What is left goes back to the free runs, as warm as it is. Returns how many pages. */
uint32_t lease_end(struct arena *arena, uint32_t now);
/* A lease on a run of that temperature, from which buffers of the class can be cut; there is none. False: no run is long
 * enough. */
bool lease_begin(struct arena *arena, enum temperature temperature, unsigned class, uint32_t now);

/* How long a lease is: a share of what is out of the arena's runs, within bounds; asked without lock, a guess. */
uint32_t lease_length(const struct arena *arena);

/* How many pages are left; asked without lock, a guess. */
INLINE uint32_t lease_pages(const struct arena *arena)
{
	return (uint32_t)atomic_load_explicit(&arena->lease.word, memory_order_relaxed) & ~LEASE_COLD;
}

/* When it was cut from last, in ticks; likewise. */
INLINE uint32_t lease_used_at(const struct arena *arena)
{
	return atomic_load_explicit(&arena->lease.used_at, memory_order_relaxed);
}

#endif
