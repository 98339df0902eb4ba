/*
 * taking.c -- what a miss takes out of the heap: counted against the limits, in batches.
 *
 * Called on misses (pool.c). A thread that only allocates gets more with one lock where limits need not be kept to the
 * page: what is out of the heap, and counted, is more than it has asked for yet. What comes back to such a thread comes
 * through others, and of many sizes no magazine ever holds the one that it asks for next. Takes one arena's lock at a
 * time, never in a signal handler.
 */
#include "pool/taking.h"

#include "pool/arenas.h"
#include "pool/lease.h"
#include "pool/limits.h"
#include "pool/pool.h"
#include "pool/reclaim.h"

/* A batch moves at most so many bytes. */
#define BATCH_BYTES_MAX ((size_t)4 << 20)
/* Shorter buffers are as long as their class. */
#define SHORT_PAGES_MIN 32

bool taking_count(uint64_t pages, uint64_t buffers, uint32_t now)
{
	if (limits_take(pages, buffers))
		return true;
	if ((magazines_count() == 0 && !arenas_hold_back()) || !reclaim_drain(now))
		return false;
	return limits_take(pages, buffers);
}

unsigned taking_batch_size(unsigned class, uint32_t room, unsigned most)
{
	uint64_t batch = MIN(MIN(room / 2 + 1, most), (unsigned)BATCH_MAX);

	if (batch * size_class_bytes(class) > BATCH_BYTES_MAX)
		batch = MAX(BATCH_BYTES_MAX / size_class_bytes(class), (size_t)1);
	if (pool.limit_buffers != 0) {
		uint64_t out = atomic_load_explicit(&pool.out_buffers, memory_order_relaxed);

		batch =
		    MIN(batch, MAX((pool.limit_buffers - MIN(out, pool.limit_buffers)) / 16, (uint64_t)1));
	}
	return (unsigned)batch;
}

unsigned taking_batch(unsigned class, unsigned want, uint32_t now, uint32_t *pages)
{
	unsigned count;
	uint64_t counted = size_class_pages_for(class, want);
	struct arena_change change;
	bool is_worn;

	if (!limits_take(counted, want)) {
		want = 1;
		counted = size_class_pages_for(class, want);
		if (!taking_count(counted, 1, now))
			return 0;
	}
	/* Slots are cut from what is resident, mostly. */
	is_worn = !size_class_is_slab(class) && limits_are_worn(now);
	if (is_worn && want > 1) {
		limits_return(counted - size_class_pages_for(class, 1), want - 1);
		want = 1;
		counted = size_class_pages_for(class, want);
		is_worn = limits_are_worn(now);
	}
	count = is_worn ? arenas_take_resident(class, want, now, pages, &change)
			: arenas_take(class, want, now, pages, &change);
	limits_return(counted - change.out_pages + change.returned_pages, want - count);
	pool_keep_limit(change.fresh_pages, now);
	return count;
}

/* Of a buffer that is as long as asked; 0: it is as long as its class. */
static uint32_t short_length(size_t size)
{
	uint32_t pages = (uint32_t)(ROUND_UP(size, PAGE_BYTES) >> PAGE_SHIFT);

	return pages >= SHORT_PAGES_MIN ? pages : 0;
}

uint32_t taking_short(size_t size, uint32_t now)
{
	uint32_t pages = short_length(size), page;
	struct arena_change change;

	if (pages == 0 || !limits_take(pages, 1))
		return 0;
	page = arenas_take_short(pages, limits_are_worn(now), now, &change);
	limits_return(pages - change.out_pages + change.returned_pages, page == 0);
	pool_keep_limit(change.fresh_pages, now);
	return page;
}

bool taking_serves(unsigned class)
{
	return lease_serves(class);
}

unsigned taking_cut(unsigned class, size_t size, bool is_short, unsigned want, uint32_t now, uint32_t *pages)
{
	uint32_t short_pages = is_short ? short_length(size) : 0;
	unsigned count = arenas_cut(class, short_pages, want, now, pages);
	uint64_t counted = LEASE_PAGES + size_class_pages_for(class, want);
	struct arena_change change;

	if (count != 0 || !limits_take(counted, 0))
		return count;
	count = arenas_lease(class, short_pages, want, now, pages, &change);
	limits_return(counted - change.out_pages + change.returned_pages, 0);
	pool_keep_limit(change.fresh_pages, now);
	return count;
}

unsigned taking_slots(unsigned cpu, unsigned class, unsigned want, uint32_t now, uint32_t *pages)
{
	struct arena_wish wishes[SIZE_CLASS_SLABS + 1] = {{class, want}};
	unsigned kinds = 1, sum = want, count;
	uint64_t counted = size_class_pages_for(class, want);
	struct arena_change change;

	for (unsigned other = 1; other < SIZE_CLASS_SLABS; other++) {
		unsigned lacks = size_class_is_slab(other) && other != class ? magazine_lacks(cpu, other) : 0;

		lacks = MIN(MIN(lacks, (unsigned)TAKING_SLOTS), BATCH_MAX - sum);
		if (lacks == 0)
			continue;
		wishes[kinds++] = (struct arena_wish){other, lacks};
		counted += size_class_pages_for(other, lacks);
		sum += lacks;
	}
	if (!limits_take(counted, 0))
		return 0;
	count = arenas_take_slots(wishes, kinds, now, pages, &change);
	limits_return(counted - change.out_pages + change.returned_pages, 0);
	pool_keep_limit(change.fresh_pages, now);
	return count;
}
