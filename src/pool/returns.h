/*
 * returns.h -- buffers that go back to an arena: many at once, and without its lock; above slab.h.
 */
#ifndef WEIR_POOL_RETURNS_H
#define WEIR_POOL_RETURNS_H

#include "pool/arena.h"

/* In the order of their pages, so that neighbours stand together. */
void returns_sort(uint32_t *pages, unsigned count);

/*
 * Buffers that are RUN_IDLE, sorted, enter the arena's free runs; its lock is held. Returns by how many pages less are
 * out of the heap then.
 */
uint32_t returns_let_in(struct arena *arena, const uint32_t *pages, unsigned count, uint32_t now);

/*
 * The same wait before the arena, all of them its own; no lock is needed. They stay RUN_IDLE and count as out of the
 * heap until somebody lets them in. Returns how many pages wait there now.
 */
uint32_t returns_push(struct arena *arena, const uint32_t *pages, unsigned count);

/* Whoever waits before the arena comes in; its lock is held. Returns by how many pages less are out of the heap then. */
uint32_t returns_settle(struct arena *arena, uint32_t now);

INLINE bool returns_are_waiting(const struct arena *arena)
{
	return atomic_load_explicit(&arena->returns, memory_order_relaxed) != 0;
}

#endif
