/*
 * pool.h -- the pool: streaming-sized buffers out of one range.
 *
 * The front end decides which requests come here, and what happens when the answer
 * is NULL (a temporary buffer from elsewhere). Hot path inline: class, magazine,
 * one entry of the table of runs. Everything else is out of line.
 *
 * Not for signal handlers, but for pool_contains(), pool_stats_collect() and
 * pool_describe(). Thread-safe. A buffer belongs to the thread that frees or resizes
 * it, as with malloc.
 */
#ifndef WEIR_POOL_POOL_H
#define WEIR_POOL_POOL_H

#include "base/options.h"
#include "pool/magazine.h"
#include "pool/tuning.h"
#include "pool/range.h"
#include "pool/stats.h"

struct pool {
	/* Frozen, and what malloc reads. Before pool_init() every size is too small. */
	size_t min_bytes;  /* requests of min_bytes to max_bytes are streaming-sized */
	size_t span_bytes; /* max_bytes - min_bytes + 1; 0: none are */
	size_t max_bytes;

	/* Shared; relaxed throughout: hints and statistics, nothing hangs on their order. */
	_Alignas(CACHE_LINE) uint32_t now; /* ticks, as of the last look at the clock */
	uint32_t poll_mask; /* a buffer looks at the clock when its use count has none of these bits */
	uint32_t due;	    /* ticks; from when on maintain() is wanted */
	_Atomic bool is_collection_wanted; /* the pool passed its threshold */
	/* Written on every slow path: apart from what every malloc and free reads. */
	_Alignas(CACHE_LINE) _Atomic uint64_t out_pages,
	    out_buffers;	    /* in use, in magazines, and credits (limits.c); slabs count whole */
	_Atomic uint64_t lost_uses; /* use counts that wrapped, times 2^32 */
	_Atomic uint64_t temporary_buffers, gc_count, errors;
	_Atomic uint64_t limit_purges; /* limits_note_purge(): a tick, and below it pages */

	/* Frozen, but for the limits. */
	_Alignas(CACHE_LINE) uint64_t limit_buffers; /* 0: none */
	_Atomic uint64_t limit_pages,
	    threshold_pages; /* relaxed: set again when the memory limit is known better */
	double growth_factor;
	bool is_zeroing, is_limit_set;
	void (*maintain)(void); /* by whoever notices that it is due; NULL: a thread does it */
	void (*purge_others)(
	    void); /* memory is about to end: what else idles in the process; NULL: nothing does */
	/* Frozen by whoever sets samples: one is freed; realloc gave one another size (its number from then on, 0:
	 * none); realloc moves one, which ends here. NULL: there are none. */
	void (*sample_ended)(uint32_t sample);
	uint32_t (*sample_resized)(uint32_t sample, size_t size);
	void (*sample_left)(uint32_t sample);
};

extern HIDDEN struct pool pool;

/* Reserve the range and make the pool; false where there is no address space. Once. */
bool pool_init(const struct settings *settings);

/* The memory limit is known, and what of it is used, by whomever (bytes): limits that are auto follow. */
void pool_set_memory_limit(
    const struct settings *settings, uint64_t memory_limit_bytes, uint64_t memory_used_bytes);

/* As pool_malloc(), by who may ask before there is a pool, or where there will be none; as long as its class at least. */
void *pool_take(size_t size);
/*
 * The process may have so many bytes of address space from now on. Where the range alone has more, all of it
 * goes back but an eighth of the limit, or what was used already; as at the start.
 */
void pool_fit_address_space(uint64_t limit_bytes);

void *pool_malloc_slow(size_t size);
void pool_free_slow(size_t offset);
/* The use count of p came round: look at the clock. Returns p. */
COLD void *pool_poll(void *p);
/* On paths that are slow anyway, and hold no lock: look at the clock, and maintain where it is due. So a
 * program of one thread that never asks for a buffer gives memory back, too. */
void pool_look(void);
/* What free does with a pointer into the range that the fast path does not take: samples, and all
 * where buffers are cleared. False: nothing in use starts there, nothing was done. */
bool pool_free_long(void *p);

/* alignment: a power of two up to SIZE_CLASS_MAX_BYTES. NULL: exhausted. */
void *pool_aligned(size_t alignment, size_t size);

/* Whether p, which the range contains, is in use: a buffer, or what stands apart (apart.h). */
bool pool_is_buffer(const void *p);
/* Whether that stands apart. */
bool pool_is_apart(const void *p);
/* The tracker knows p, which is in use and was just handed out or resized, by this number; 0: not any more. */
void pool_set_sample(void *p, uint32_t sample);
/* realloc moves what is in p, or has told the tracker anew of it: the sample that p is ends, if it is one. */
void pool_leave_sample(void *p);
/* Of what is in use. */
size_t pool_usable_bytes(const void *p);
size_t pool_size(const void *p); /* as last requested */
/* Fit it to size where it is: within its capacity, or into a free neighbour (then by the
 * growth factor). False: it cannot stay, or should not since it would keep too much. */
bool pool_resize_in_place(void *p, size_t size);
/* Into a free neighbour, from less than size to size at least, and to wanted bytes if it has
 * them, which may be more than the pool serves but not more than a class holds. False: it cannot. */
bool pool_grow_in_place(void *p, size_t size, size_t wanted);
/*
 * How much to ask for when p must move to grow to size: by the growth factor over what it has, or,
 * if it has grown before, over what is wanted, so that a program that grows its buffers by a
 * factor itself finds room at the next step.
 */
size_t pool_grown_bytes(const void *p, size_t size);
/* p has room for more than was asked for; the program asked for size of it. */
void pool_set_size(void *p, size_t size);
/* The same of a buffer that took over from one that had to grow. */
void pool_set_grown(void *p, size_t size);
/*
 * Free p, whose content has moved on to a larger buffer: into the heap, since the next one to
 * grow wants the pages, joined with their neighbours, more than another of that size. False: not a
 * buffer in use, nothing was done.
 */
bool pool_free_outgrown(void *p);

enum pool_pointer { POOL_POINTER_IN_USE, POOL_POINTER_FREE, POOL_POINTER_INNER, POOL_POINTER_WILD };
/* What p is, and of which buffer (IN_USE and FREE: itself; INNER: the one around it). */
enum pool_pointer pool_describe(const void *p, struct pool_buffer_info *info);

/* For the parts of the pool. */
bool pool_count_pages(int64_t pages); /* against the limit; false: past it, not counted */
void pool_keep_limit(
    uint32_t fresh_pages, uint32_t now);	    /* after pages were taken, of which so many will fault */
void pool_drained(uint32_t *pages, unsigned count); /* out of magazines, into the heap */
/* So does what waits before the arenas, and what is left of leases that idled for so long. The maintain lock is held. */
void pool_let_in(uint32_t now, uint32_t idle_ticks);
void pool_buffer_fill(struct pool_buffer_info *info, uint32_t page);

/* Around fork, by the forking thread. In the child no other thread exists. */
void pool_fork_prepare(void);
void pool_fork_parent(void);
void pool_fork_child(void);

/* Nobody is within the pool's locks, so the caller, a signal handler, has not interrupted a thread that
 * is: what takes them one by one cannot wait for itself. False: somebody is, perhaps another thread. */
bool pool_is_quiet(void);

INLINE bool pool_contains(const void *p)
{
	return (uintptr_t)p - range.base < range.bytes;
}

INLINE bool pool_wants(size_t size)
{
	return size - pool.min_bytes < pool.span_bytes;
}

/* What malloc writes into a buffer's line. Returns how often it has been handed out. */
INLINE uint32_t buffer_begin(struct run *run, size_t size)
{
	uint32_t uses = next_number(run->buffer.use_count);

	STORE_RELAXED(&run->state, RUN_IN_USE);
	STORE_RELAXED(&run->buffer.size, (uint32_t)size);
	STORE_RELAXED(&run->buffer.last_used, LOAD_RELAXED(&pool.now));
	STORE_RELAXED(&run->buffer.use_count, uses);
	return uses;
}

/* The place of an idle buffer for size, which pool_wants(), from this CPU's magazine; 0: it has none. */
INLINE uint32_t pool_pop(size_t size)
{
	return magazine_pop(size_class_of_streaming(size));
}

/* Hand it out, as *p. Whether pool_poll(*p) is due. */
INLINE bool pool_begin(uint32_t place, size_t size, void **p)
{
	*p = (void *)(range.base + ((uintptr_t)place << PLACE_SHIFT));
	return UNLIKELY((buffer_begin(run_at_place(place), size) & LOAD_HINT(&pool.poll_mask)) == 0);
}

/* The same. Leaf code: the one call is a tail call, so that nothing is spilled. */
INLINE void *pool_hand_out(uint32_t place, size_t size)
{
	void *p;

	return pool_begin(place, size, &p) ? pool_poll(p) : p;
}

/* Of any size up to what the classes hold: a pool of the library has smaller buffers, too. Not before
 * pool_init(): a sequence needs its table, and a place for the pointer that it writes. */
INLINE void *pool_malloc(size_t size)
{
	uint32_t place = magazine_pop(size_class_of(size));

	return LIKELY(place != 0) ? pool_hand_out(place, size) : pool_malloc_slow(size);
}

/* Whether p is a buffer in use of which the tracker does not know, exactly; one plain load of the line
 * that free writes. */
INLINE bool pool_is_in_use(const struct run *run, size_t offset)
{
	return run->state == RUN_IN_USE && ((run->offset ^ offset) & (PAGE_BYTES - 1)) == 0;
}

/* offset: of a pointer into the range. False: not a buffer in use, nothing was done. */
INLINE bool pool_free(size_t offset)
{
	uint32_t place = (uint32_t)(offset >> PLACE_SHIFT);
	struct run *run = run_at_place(place);

	if (UNLIKELY(!pool_is_in_use(run, offset)))
		return false;
	STORE_RELAXED(&run->state, RUN_IDLE);
	STORE_RELAXED(&run->buffer.last_used, LOAD_RELAXED(&pool.now));
	if (UNLIKELY(!magazine_push(run->size_class, place)))
		pool_free_slow(offset);
	return true;
}

/* Whether every byte of a buffer just handed out is zero without clearing it. */
INLINE bool pool_is_zero(const void *p)
{
	const struct run *run = run_of(p);

	return run->buffer.use_count == 1 && (run->buffer.serial & BUFFER_WAS_COLD) != 0;
}

#endif
