/*
 * run.h -- the table that describes the range: one entry of 32 bytes a page.
 *
 * Nothing is ever written into the pages themselves. An entry means something
 * only where a run, a slot or a slab says so:
 *   - a run in use or in a magazine: its first page;
 *   - a free run: its first page, and its last one (RUN_TAIL, with the length);
 *   - a slot of a slab: the page in which it starts; a slab: its last page;
 *   - a slab of slots for samples: all its pages (apart.c).
 * All other entries are RUN_NONE. So a walk may start anywhere, neighbours are
 * found for coalescing by looking at the entries beside a run, and a pointer
 * that was never handed out, or was freed already, is known by its entry.
 *
 * Who writes: entries of free runs and slabs, the holder of their arena's lock;
 * of a buffer, the thread that holds it (malloc and free write it without a lock).
 * Readers without lock (the dump) see each word as it was at some moment.
 */
#ifndef WEIR_POOL_RUN_H
#define WEIR_POOL_RUN_H

#include "base/compiler.h"

enum run_state {
	RUN_NONE,
	RUN_FREE,
	RUN_TAIL,
	RUN_IDLE,   /* in a magazine, or between magazine and heap */
	RUN_IN_USE, /* handed out */
	RUN_SLAB,
	RUN_BUSY,    /* being purged: neither free nor in use */
	RUN_SAMPLED, /* a buffer handed out, of which the tracker knows: free takes its cold path */
	RUN_SLOTS,   /* every page of a slab of slots (apart.c) */
	RUN_APART,   /* handed out, and no buffer of the pool (apart.c) */
};

struct run {
	uint8_t state;
	uint8_t size_class;
	uint16_t
	    offset; /* of a slot from its page's start; 0 for whole runs; RUN_SLOTS: pages from the first */
	uint32_t pages; /* length; of a slot, its number in the slab; RUN_SLOTS: the number of its block */
	union {
		struct {	       /* RUN_IDLE, RUN_IN_USE, RUN_SAMPLED, RUN_APART */
			uint32_t size; /* as requested */
			uint32_t
			    created; /* ticks; when it left the heap; once it waits to be let in, its link (returns.c) */
			uint32_t last_used; /* ticks; when it was handed out, or freed */
			uint32_t use_count; /* times handed out since created */
			uint32_t serial;    /* of the creation; with the arena it makes the id */
			uint32_t sample;    /* what the tracker knows it by; 0: nothing */
		} buffer;
		struct {		     /* RUN_FREE */
			uint32_t next, prev; /* in its bin; 0 ends */
			uint32_t hot_pages;  /* that may be resident */
			uint32_t freed;	     /* ticks; mean of its parts, by resident pages */
		} free;
		struct {		     /* RUN_SLAB */
			uint32_t next, prev; /* among the arena's slabs of that class with room */
			uint32_t free_slots; /* bit mask */
		} slab;
		struct {		     /* RUN_SLOTS, the first page's */
			uint32_t next, prev; /* among the slabs of that class with room */
			uint64_t used[2];    /* a bit a slot */
		} slots;
	};
};

/* Whether an entry in that state is a buffer of the pool: idle, or handed out. */
INLINE bool run_is_buffer(unsigned state)
{
	return state == RUN_IDLE || state == RUN_IN_USE || state == RUN_SAMPLED;
}

/* In buffer.serial: the pages were cold when the buffer was created, so at its first use it is zero. */
#define BUFFER_WAS_COLD ((uint32_t)1 << 31)
/* In buffer.serial: it has grown before, so it will again. A hint; kept until it goes back to the heap. */
#define BUFFER_HAS_GROWN ((uint32_t)1 << 30)
#define BUFFER_FLAGS (BUFFER_WAS_COLD | BUFFER_HAS_GROWN)

_Static_assert(sizeof(struct run) == 32, "two entries a cache line: under 1% of the pool");

#endif
