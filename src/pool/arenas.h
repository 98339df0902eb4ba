/*
 * arenas.h -- the heap: several arenas side by side, of runs and slabs; above arena.h and slab.h.
 *
 * A page belongs to the arena that committed its chunk, so a free finds home by
 * address. A thread takes from one arena wherever it runs, so that what it frees it takes again:
 * its memory need not follow it from CPU to CPU, and two threads do not come to live off each other's
 * arenas. Threads settle in turn; one that keeps meeting others in its arena moves to a quiet one.
 * A request that finds no resident run in its own arena looks into the others' before it
 * takes pages that would fault.
 */
#ifndef WEIR_POOL_ARENAS_H
#define WEIR_POOL_ARENAS_H

#include "pool/arena.h"

#define ARENAS_MAX 32

struct arenas {
	struct arena *at;		 /* frozen */
	unsigned count;			 /* frozen */
	_Atomic bool is_purge_refused;	 /* the kernel said no once; not tried again; relaxed, a hint */
	_Atomic unsigned purges_in_vain; /* in a row, since what was to go is locked; relaxed, a hint */
	_Atomic unsigned used;		 /* the highest index that was ever taken, plus one; relaxed */
	_Atomic unsigned settled;	 /* threads that have settled so far; relaxed */
};

extern HIDDEN struct arenas arenas;

void arenas_init(struct arena *at, unsigned count);

/* This thread takes from that arena from now on. */
void arenas_settle(unsigned index);

/* What a call did to the heap. */
struct arena_change {
	uint32_t out_pages;   /* by so many the pages out of the heap are more (take) or less (give) */
	uint32_t fresh_pages; /* of those taken, so many will fault */
};

/*
 * Up to want buffers of a class for this thread. The first may be cold, more come along only
 * while they are as warm as the first. Returns how many; 0: the range is exhausted.
 * Entries are RUN_IDLE and created now.
 */
unsigned arenas_take(
    unsigned class, unsigned want, uint32_t now, uint32_t *pages, struct arena_change *change);

/* One buffer of so many pages, which are whole and no class's; of the largest class within. 0: exhausted. */
uint32_t arenas_take_short(uint32_t pages, uint32_t now, struct arena_change *change);

/* One run of exactly so many pages, its first a multiple of alignment_pages. 0: exhausted. */
uint32_t arenas_take_exact(uint32_t pages, uint32_t alignment_pages, uint32_t now);

/* A run that is no buffer; its entries are RUN_NONE, and the caller's to write. 0: exhausted. */
uint32_t arenas_take_pages(uint32_t pages, uint32_t now, bool *was_cold);
/* The same as it came: nobody has written to it. */
void arenas_return_cold(uint32_t page, uint32_t pages, uint32_t now);
/* It goes back; its entries are RUN_NONE again. */
void arenas_give_pages(uint32_t page, uint32_t pages, uint32_t now);

/* Buffers that are RUN_IDLE go back. Their order does not matter. */
void arenas_give(uint32_t *pages, unsigned count, uint32_t now, struct arena_change *change);

/* Of all arenas; each a guess. */
struct arenas_pages {
	uint64_t out;	 /* in use, in magazines and in slabs */
	uint64_t hot;	 /* free, and may be resident */
	uint64_t fresh;	 /* taken so far that may not have been resident */
	uint64_t reused; /* taken so far that were */
	uint64_t purged; /* given back so far */
};
struct arenas_pages arenas_pages(void);
uint64_t arenas_hot_pages(void);
uint64_t arenas_held_pages(void); /* out and hot */

/* What is out of the heap now may be the most (demand.h); and a window of demand ends, with the maintain lock held. */
void arenas_note_demand(void);
void arenas_rotate_demand(void);

/* Grow the run in use at page to between least and wanted pages; its new length, or 0. */
uint32_t arenas_extend(uint32_t page, uint32_t least, uint32_t wanted);
/* Cut the run in use at page to that length. */
void arenas_trim(uint32_t page, uint32_t pages, uint32_t now);

#endif
