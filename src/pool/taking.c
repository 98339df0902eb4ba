/*
 * taking.c -- what a thread that only allocates gets out of the heap, with a lock for many of its requests.
 *
 * Called on misses (pool.c), where limits need not be kept to the page: what is out of the heap, and
 * counted, is more than the thread has asked for yet. What comes back to such a thread comes through others, and of
 * many sizes no magazine ever holds the one that it asks for next. Takes one arena's lock at a time, never in a
 * signal handler.
 */
#include "pool/taking.h"

#include "pool/arenas.h"
#include "pool/lease.h"
#include "pool/limits.h"
#include "pool/pool.h"

bool taking_serves(unsigned class)
{
	return lease_serves(class);
}

unsigned taking_cut(unsigned class, unsigned want, uint32_t now, uint32_t *pages)
{
	unsigned count = arenas_cut(class, want, now, pages);
	uint64_t counted = LEASE_PAGES + size_class_pages_for(class, want);
	struct arena_change change;

	if (count != 0 || !limits_take(counted, 0))
		return count;
	count = arenas_lease(class, want, now, pages, &change);
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
