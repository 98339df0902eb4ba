/*
 * purge.h -- resident free pages go back to the kernel; above arenas.h, below those who decide how much
 * and when (reclaim.h, headroom.h).
 */
#ifndef WEIR_POOL_PURGE_H
#define WEIR_POOL_PURGE_H

#include "pool/arenas.h"

/* Give back resident pages: at most surplus_pages of any age, unused ones first, then oldest first; and all that
 * was freed more than idle_ticks ago. No lock is held over the system calls. */
uint64_t purge_oldest(uint64_t surplus_pages, uint32_t idle_ticks, uint32_t now);

/*
 * Purging by pieces: a hand goes round over all arenas' runs. The maintain lock is held.
 */
struct purge_hand {
	uint32_t page;		/* the next to look at; 0: from the beginning */
	uint64_t surplus_pages; /* still to go, whatever their age */
	uint32_t idle_ticks;	/* what has been idle for so long goes in any case, in this round */
	unsigned rounds; /* still to go; in the last one, those freed a moment ago go as well. 0: done */
};
/* Two rounds from here on. */
void purge_begin(struct purge_hand *hand, uint64_t surplus_pages, uint32_t idle_ticks);
/* And one before them, for the surplus that nobody used lately: where memory is not scarce. */
void purge_begin_unused(struct purge_hand *hand, uint64_t surplus_pages, uint32_t idle_ticks);
/* At most so many pages, within so many looks at runs. Returns how many pages went. */
uint64_t purge_piece(struct purge_hand *hand, uint64_t pages, uint32_t looks, uint32_t now);

/* A collection: what was locked may not be any more. What was refused for another reason stays so. */
void purge_try_again(void);

#endif
