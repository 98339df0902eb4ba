/*
 * arena.h -- the heap: runs and slabs under a lock, several of them side by side.
 *
 * A page belongs to the arena that committed its chunk, so a free finds home by
 * address. All CPUs begin on arena 0; one that keeps finding its arena locked moves
 * to another, so a program without contention keeps its memory in one place. A
 * request that finds no resident run in its own arena looks into the others' before it
 * takes pages that would fault.
 */
#ifndef WEIR_POOL_ARENA_H
#define WEIR_POOL_ARENA_H

#include "base/lock.h"
#include "pool/runs.h"
#include "pool/size_class.h"

#define ARENAS_MAX 32
#define PEAK_WINDOWS 4

struct arena {
	struct lock lock;
	/* All below under lock; the dump reads without it, each word by itself. */
	struct runs runs;
	uint32_t slabs[17]; /* by slab class: those with a free slot; 0 none */
	uint64_t out_pages; /* in use, in magazines and in slabs */
	uint64_t slab_free_bytes;
	uint32_t peak_pages[PEAK_WINDOWS];   /* of out_pages, in this and the last windows */
	uint32_t slack_pages;		     /* see arena_rotate_peak() */
	uint64_t fresh_seen, creations_seen; /* at the last rotation */
	uint32_t serial;		     /* buffers created so far, modulo 2^31 */
	uint64_t creations;
	uint64_t retired_uses[SIZE_CLASSES]; /* of buffers that went back to the heap */
	uint64_t purged_pages, purges_refused;
} __attribute__((aligned(CACHE_LINE)));

struct arenas {
	struct arena *at;	       /* frozen */
	unsigned count;		       /* frozen */
	_Atomic bool is_purge_refused; /* the kernel said no once; not tried again; relaxed, a hint */
	_Atomic unsigned used;	       /* the highest index that was ever taken, plus one; relaxed */
};

extern struct arenas arenas;

void arenas_init(struct arena *at, unsigned count);

/* What a call did to the heap. */
struct arena_change {
	uint32_t out_pages;   /* by so many the pages out of the heap are more (take) or less (give) */
	uint32_t fresh_pages; /* of those taken, so many will fault */
};

/*
 * Up to want buffers of a class for this CPU. The first may be cold, more come along only
 * while they are as warm as the first. Returns how many; 0: the range is exhausted.
 * Entries are RUN_IDLE and created now.
 */
unsigned arenas_take(
    unsigned cpu, unsigned class, unsigned want, uint32_t now, uint32_t *pages, struct arena_change *change);

/* One run of exactly so many pages, its first a multiple of alignment_pages. 0: exhausted. */
uint32_t arenas_take_exact(unsigned cpu, uint32_t pages, uint32_t alignment_pages, uint32_t now);

/* A run that is no buffer; its entries are RUN_NONE, and the caller's to write. 0: exhausted. */
uint32_t arenas_take_pages(unsigned cpu, uint32_t pages, uint32_t now, bool *was_cold);
/* The same as it came: nobody has written to it. */
void arenas_return_cold(uint32_t page, uint32_t pages, uint32_t now);
/* It goes back; its entries are RUN_NONE again. */
void arenas_give_pages(uint32_t page, uint32_t pages, uint32_t now);

/* Buffers that are RUN_IDLE go back. Their order does not matter. */
void arenas_give(const uint32_t *pages, unsigned count, uint32_t now, struct arena_change *change);

/* Free pages that may be resident, in all arenas, and these with all that is out of the heap; guesses. */
uint64_t arenas_hot_pages(void);
uint64_t arenas_held_pages(void);

/* Grow the run in use at page to between least and wanted pages; its new length, or 0. */
uint32_t arenas_extend(uint32_t page, uint32_t least, uint32_t wanted);
/* Cut the run in use at page to that length. */
void arenas_trim(uint32_t page, uint32_t pages, uint32_t now);

/* Give back resident pages, oldest first: at most surplus_pages of any age, and all that
 * was freed more than idle_ticks ago. No lock is held over the system calls. */
uint64_t arena_purge(struct arena *arena, uint64_t surplus_pages, uint32_t idle_ticks, uint32_t now);

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
/* At most so many pages, within so many looks at runs. Returns how many pages went. */
uint64_t purge_piece(struct purge_hand *hand, uint64_t pages, uint32_t looks, uint32_t now);

/*
 * The highest out_pages since windows ago; start a new window, as the maintenance pass does. Sizes that change
 * need more than the highest use, since no run fits them all: what had to be taken fresh in a window beyond that
 * is left resident from then on, up to a bound, and ever less, until nothing is taken any more.
 */
uint64_t arena_peak(const struct arena *arena);
void arena_rotate_peak(struct arena *arena);
/* So many pages counted as out of the heap, but only idled in magazines in all windows but the oldest. */
void arena_lower_peak(struct arena *arena, uint32_t pages);

/* slab.c; the arena's lock is held */
uint32_t slab_take(struct arena *arena, unsigned class);
void slab_give(struct arena *arena, uint32_t page, uint32_t now);
uint32_t arena_take_run(struct arena *arena, enum temperature temperature, uint32_t pages, bool *was_cold);

#endif
