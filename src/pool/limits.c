/*
 * limits.c -- keeps what is out of the heap within the pool's limits.
 *
 * Called on every slow path, by any thread; no locks, never in a signal handler. The
 * limits count what is in use and in magazines. They are kept by adding first and taking
 * back, so they are never passed, not even by threads at once.
 *
 * One count that all processors write costs each of them the way of its line, so what a CPU
 * returns stays there as its credit, up to a bound, and is taken from it first: pool.out_pages counts
 * it as out. What does not fit beside the credits fits once these are called in. Where the
 * user has set a limit there are none, since idle pages are held against it exactly; nor are there
 * any in a process of one thread.
 */
#include "pool/limits.h"

#include "pool/arenas.h"
#include "pool/pool.h"
#include "pool/turn.h"

#define CREDIT_PAGES_MAX ((uint64_t)512)
/* This part of a limit may be purged for fresh pages again in each tick, once as much as all of it was: all in four seconds. */
#define WORN_SHARE 256

static bool may_have_credits(void)
{
	return !pool.is_limit_set && pool.limit_buffers == 0;
}

bool limits_are_loose(void)
{
	return !is_single_threaded() && may_have_credits();
}

/* False: this CPU has less; or another thread, which has moved on since, was at it. */
static bool credit_take(uint64_t pages)
{
	_Atomic uint64_t *left = &magazine_cpu_at(magazine_cpu_current())->credit_pages;
	uint64_t had = atomic_load_explicit(left, memory_order_relaxed);

	return had >= pages && atomic_compare_exchange_strong_explicit(
				   left, &had, had - pages, memory_order_relaxed, memory_order_relaxed);
}

static bool credit_add(uint64_t pages)
{
	struct magazine_cpu *head = magazine_cpu_at(magazine_cpu_current());
	_Atomic uint64_t *left = &head->credit_pages;
	uint64_t had = atomic_load_explicit(left, memory_order_relaxed);

	if (!atomic_load_explicit(&head->is_used, memory_order_relaxed))
		atomic_store_explicit(&head->is_used, true, memory_order_relaxed);
	return had + pages <= CREDIT_PAGES_MAX &&
	       atomic_compare_exchange_strong_explicit(
		   left, &had, had + pages, memory_order_relaxed, memory_order_relaxed);
}

/* A CPU that never ran us has untouched pages there. */
static bool is_used(unsigned cpu)
{
	return atomic_load_explicit(&magazine_cpu_at(cpu)->is_used, memory_order_relaxed);
}

/* All CPUs' credits go back to the count. Returns how many pages that were. */
static COLD uint64_t call_in(void)
{
	uint64_t pages = 0;

	if (!may_have_credits())
		return 0;
	for (unsigned cpu = 0; cpu < magazines.cpu_bound; cpu++)
		if (is_used(cpu))
			pages += atomic_exchange_explicit(
			    &magazine_cpu_at(cpu)->credit_pages, 0, memory_order_relaxed);
	add_relaxed(&pool.out_pages, -pages);
	return pages;
}

static bool count_pages(uint64_t pages)
{
	uint64_t threshold = atomic_load_explicit(&pool.threshold_pages, memory_order_relaxed);
	uint64_t after = add_relaxed(&pool.out_pages, pages);

	if (UNLIKELY(after > atomic_load_explicit(&pool.limit_pages, memory_order_relaxed))) {
		add_relaxed(&pool.out_pages, -pages);
		return false;
	}
	if (UNLIKELY(after >= threshold && after - pages < threshold)) {
		atomic_store_explicit(&pool.is_collection_wanted, true, memory_order_relaxed);
		turn_wake();
	}
	return true;
}

static bool count_buffers(uint64_t buffers)
{
	if (pool.limit_buffers == 0)
		return true;
	if (atomic_fetch_add_explicit(&pool.out_buffers, buffers, memory_order_relaxed) + buffers <=
	    pool.limit_buffers)
		return true;
	atomic_fetch_sub_explicit(&pool.out_buffers, buffers, memory_order_relaxed);
	return false;
}

void limits_return(uint64_t pages, uint64_t buffers)
{
	if (pages != 0 && !(limits_are_loose() && credit_add(pages)))
		add_relaxed(&pool.out_pages, -pages);
	if (pool.limit_buffers != 0 && buffers != 0)
		atomic_fetch_sub_explicit(&pool.out_buffers, buffers, memory_order_relaxed);
}

bool limits_take(uint64_t pages, uint64_t buffers)
{
	if (limits_are_loose() && credit_take(pages))
		return true;
	if (!count_pages(pages) && (call_in() == 0 || !count_pages(pages)))
		return false;
	if (count_buffers(buffers))
		return true;
	limits_return(pages, 0);
	return false;
}

/* At so many pages the limit is worn: all of it. 32 bits hold 16 TiB. */
static uint64_t worn_from(void)
{
	return MIN(atomic_load_explicit(&pool.limit_pages, memory_order_relaxed), (uint64_t)UINT32_MAX);
}

/* What has been purged for fresh pages, less what may be again by now. A tick, and below it pages. */
static uint64_t worn_pages(uint32_t now)
{
	uint64_t word = atomic_load_explicit(&pool.limit_purges, memory_order_relaxed),
		 pages = (uint32_t)word;
	int32_t ticks = (int32_t)(now - (uint32_t)(word >> 32)); /* another thread may be ahead */
	uint64_t again = ticks > 0 ? (uint64_t)ticks * MAX(worn_from() / WORN_SHARE, (uint64_t)1) : 0;

	return pages - MIN(pages, again);
}

void limits_note_purge(uint64_t pages, uint32_t now)
{
	/* No more than all of it, so that the next tick begins below. Two at once may count as one: a hint. */
	atomic_store_explicit(&pool.limit_purges,
	    (uint64_t)now << 32 | MIN(worn_pages(now) + pages, worn_from()), memory_order_relaxed);
}

bool limits_are_worn(uint32_t now)
{
	return pool.is_limit_set && worn_pages(now) >= worn_from() &&
	       atomic_load_explicit(&pool.out_pages, memory_order_relaxed) + arenas_hot_pages() >
		   atomic_load_explicit(&pool.limit_pages, memory_order_relaxed);
}

/*
 * No share is kept back: what does not fit in the pool is temporary, in a heap that takes as much memory and keeps
 * more of it, which would leave the pool still less. What has to stay free is the headroom's to see to.
 */
uint64_t limits_auto_bytes(uint64_t memory_limit_bytes, uint64_t used_bytes, uint64_t pool_bytes)
{
	uint64_t beside = used_bytes - MIN(used_bytes, pool_bytes);

	return MAX(memory_limit_bytes - MIN(memory_limit_bytes, beside), memory_limit_bytes / 2);
}

uint64_t limits_out_pages(void)
{
	uint64_t out = atomic_load_explicit(&pool.out_pages, memory_order_relaxed), credits = 0;

	for (unsigned cpu = 0; may_have_credits() && cpu < magazines.cpu_bound; cpu++)
		if (is_used(cpu))
			credits +=
			    atomic_load_explicit(&magazine_cpu_at(cpu)->credit_pages, memory_order_relaxed);
	return out - MIN(out, credits);
}
