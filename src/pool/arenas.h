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
	uint32_t
	    returned_pages; /* beside that, so many came back: what others gave, or what was left of a lease */
};

/*
 * Up to want buffers of a class for this thread. The first may be cold, more come along only
 * while they are as warm as the first. Returns how many; 0: the range is exhausted.
 * Entries are RUN_IDLE and created now.
 */
unsigned arenas_take(
    unsigned class, unsigned want, uint32_t now, uint32_t *pages, struct arena_change *change);

/*
 * One buffer of so many pages, which are whole and no class's; of the largest class within. is_resident: as
 * arenas_take_resident(). 0: exhausted.
 */
uint32_t arenas_take_short(uint32_t pages, bool is_resident, uint32_t now, struct arena_change *change);

/* As arenas_take(), of hot runs and warm ones (runs.h), in whatever arena. 0: there is none. */
unsigned arenas_take_resident(
    unsigned class, unsigned want, uint32_t now, uint32_t *pages, struct arena_change *change);

/* One run of exactly so many pages, its first a multiple of alignment_pages. 0: exhausted. */
uint32_t arenas_take_exact(uint32_t pages, uint32_t alignment_pages, uint32_t now);

/* A run that is no buffer; its entries are RUN_NONE, and the caller's to write. 0: exhausted. */
uint32_t arenas_take_pages(uint32_t pages, uint32_t now, bool *was_cold);
/* The same with so many free pages behind it, where there is such a run, so that it can grow there. */
uint32_t arenas_take_roomy(uint32_t pages, uint32_t room, uint32_t now, bool *was_cold);
/* The same as it came: nobody has written to it. */
void arenas_return_cold(uint32_t page, uint32_t pages, uint32_t now);
/* It goes back; its entries are RUN_NONE again. */
void arenas_give_pages(uint32_t page, uint32_t pages, uint32_t now);

/*
 * The same for a thread that only takes, of a class that lease_serves(): up to want buffers from the lease of its arena,
 * without a lock; 0: nothing is left of it. Then from a new one, unless all that is resident is too short for one: up to
 * want buffers, and the pages of the lease, are out of the heap then. short_pages: they are so long, and of the largest
 * class within; 0: as long as their class.
 */
unsigned arenas_cut(unsigned class, uint32_t short_pages, unsigned want, uint32_t now, uint32_t *pages);
unsigned arenas_lease(unsigned class, uint32_t short_pages, unsigned want, uint32_t now, uint32_t *pages,
    struct arena_change *change);

/* The same for slots of several classes, under one lock: those of the first come first. 0: there is none of it. */
struct arena_wish {
	unsigned class, want;
};
unsigned arenas_take_slots(const struct arena_wish *wishes, unsigned kinds, uint32_t now, uint32_t *pages,
    struct arena_change *change);

/* Buffers that are RUN_IDLE go back, in whatever order: it is changed. */
void arenas_give(uint32_t *pages, unsigned count, uint32_t now, struct arena_change *change);
/*
 * The same without waiting for a lock: where one is taken, or the caller is_freeing and seldom takes any, whoever takes
 * from that arena next lets them in.
 */
void arenas_give_soon(
    uint32_t *pages, unsigned count, bool is_freeing, uint32_t now, struct arena_change *change);
/* Whether anything waits before an arena, or is left of a lease; a guess. */
bool arenas_hold_back(void);
/* Both return by how many pages less are out of the heap then. */
uint32_t arenas_settle_returns(uint32_t now);		       /* what waits before the arenas comes in */
uint32_t arenas_end_leases(uint32_t now, uint32_t idle_ticks); /* from which nobody has cut for so long */

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
