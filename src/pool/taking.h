/*
 * taking.h -- what a thread that only allocates gets out of the heap; above arenas.h and magazine.h.
 */
#ifndef WEIR_POOL_TAKING_H
#define WEIR_POOL_TAKING_H

#include "pool/magazine.h"

/* What moves between magazines and heap at once is so much at most. */
#define BATCH_MAX (MAGAZINE_ITEMS_MAX / 2)
/* Of a class that is cut from slabs so many come at once. */
#define TAKING_SLOTS 8

/* Limits are loose (limits.h). All return how many pages were written, each the first of a buffer that is RUN_IDLE. */

/* Whether buffers of the class are cut from leases; else they are slots, or too large. */
bool taking_serves(unsigned class);
/* Up to want, at most BATCH_MAX, of a class that is. 0: there is no lease to be had. */
unsigned taking_cut(unsigned class, unsigned want, uint32_t now, uint32_t *pages);
/*
 * Up to want of a class of slots, and behind them others that magazines of this CPU lack, BATCH_MAX in all, so
 * that one lock does for them. 0: there is none of the class.
 */
unsigned taking_slots(unsigned cpu, unsigned class, unsigned want, uint32_t now, uint32_t *pages);

#endif
