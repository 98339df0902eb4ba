/*
 * taking.h -- what a miss takes out of the heap; above arenas.h and magazine.h.
 */
#ifndef WEIR_POOL_TAKING_H
#define WEIR_POOL_TAKING_H

#include "pool/magazine.h"

/* What moves between magazines and heap at once is so much at most. */
#define BATCH_MAX (MAGAZINE_ITEMS_MAX / 2)
/* Of a class that is cut from slabs so many come at once. */
#define TAKING_SLOTS 8

/* As limits_take(), but idle buffers in magazines make way. */
bool taking_count(uint64_t pages, uint64_t buffers, uint32_t now);

/* How many to move at once: up to half of the magazine, but little of a small limit. */
unsigned taking_batch_size(unsigned class, uint32_t room, unsigned most);
/* Up to want buffers, RUN_IDLE, or one where limits are near; how many. 0: the limit is reached, or the range exhausted. */
unsigned taking_batch(unsigned class, unsigned want, uint32_t now, uint32_t *pages);
/*
 * A buffer that no magazine would take back need not be as long as its class: 6% less on average. 0: past a limit, where
 * it is as long as any, or so short a one is.
 */
uint32_t taking_short(size_t size, uint32_t now);

/*
 * For a thread that only allocates, while limits are loose (limits.h). They return how many pages were written, each the
 * first of a buffer that is RUN_IDLE.
 */

/* Whether buffers of the class are cut from leases; else they are slots, or too large. */
bool taking_serves(unsigned class);
/*
 * Up to want, at most BATCH_MAX, of a class that is, which has size bytes; is_short: a magazine has no room for them, as in
 * taking_short(). 0: there is no lease to be had.
 */
unsigned taking_cut(unsigned class, size_t size, bool is_short, unsigned want, uint32_t now, uint32_t *pages);
/*
 * Up to want of a class of slots, and behind them others that magazines of this CPU lack, BATCH_MAX in all, so
 * that one lock does for them. 0: there is none of the class.
 */
unsigned taking_slots(unsigned cpu, unsigned class, unsigned want, uint32_t now, uint32_t *pages);

#endif
