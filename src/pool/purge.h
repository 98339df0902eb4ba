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

/* The same within a request of the program, which waits for it: it is counted. */
uint64_t purge_in_request(struct purge_hand *hand, uint64_t pages, uint32_t looks, uint32_t now);
/* A purge of any kind that a request waited for began then (clock_precise_ns()) and has ended. The maintain lock is held. */
void purge_note_request(uint64_t began_ns);

/* What requests waited for since start. */
struct purge_requests {
	_Atomic uint64_t count;	     /* relaxed, all three: statistics, written under the maintain lock */
	_Atomic uint64_t slow;	     /* of them, longer than PURGE_SLOW_NS by the wall clock */
	_Atomic uint64_t longest_ns; /* the longest */
};
extern HIDDEN struct purge_requests purge_requests;

/* A collection: what was locked may not be any more. What was refused for another reason stays so. */
void purge_try_again(void);

#endif
