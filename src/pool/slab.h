/*
 * slab.h -- slots cut from the runs of one arena; above arena.h, below the set of arenas.
 */
#ifndef WEIR_POOL_SLAB_H
#define WEIR_POOL_SLAB_H

#include "pool/arena.h"

/* The arena's lock is held. */

/* The page of a free slot of a slab class; its offset and number are written. 0: no run for a new slab. */
uint32_t slab_take(struct arena *arena, unsigned class);
/* The slot that starts in that page goes back, and with the last one its slab's run. */
void slab_give(struct arena *arena, uint32_t page, uint32_t now);

#endif
