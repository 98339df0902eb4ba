/*
 * stats.c -- the pool's figures, by a walk over the table of runs.
 *
 * May run in a signal handler while other threads work, or while one of them is stopped
 * in the middle of a change: reads each word as it is, trusts none to bound a loop, and
 * takes no lock. A walk steps from run to run; should an entry be half changed,
 * it goes on by a page, and the next head puts it right.
 */
#include "pool/stats.h"

#include <string.h>

#include "pool/arenas.h"
#include "pool/lease.h"
#include "pool/pool.h"
#include "pool/purge.h"

/* Keep the longest in use: an insertion into a short sorted list. */
UNLOCKED_READER static unsigned keep_oldest(
    struct pool_buffer_info *list, unsigned count, unsigned max, uint32_t page)
{
	struct pool_buffer_info info;
	unsigned i;

	if (max == 0 || (count == max && run_at(page)->buffer.last_used >= list[count - 1].last_used_ticks))
		return count;
	pool_buffer_fill(&info, page);
	/* Freed since the walk looked at it, or not yet handed out again. */
	if (!info.is_in_use || info.size_bytes == 0)
		return count;
	i = count == max ? count - 1 : count++;
	while (i > 0 && list[i - 1].last_used_ticks > info.last_used_ticks) {
		list[i] = list[i - 1];
		i--;
	}
	list[i] = info;
	return count;
}

UNLOCKED_READER static void count_buffer(
    struct pool_stats *stats, const struct run *run, unsigned state, uint64_t capacity)
{
	unsigned class = MIN(LOAD_RELAXED(&run->size_class), SIZE_CLASSES - 1);
	uint64_t uses = LOAD_RELAXED(&run->buffer.use_count);

	stats->allocations += uses;
	stats->classes[class].allocations += uses;
	if (state != RUN_IDLE) {
		stats->buffers_in_use++;
		stats->in_use_bytes += capacity;
		stats->requested_bytes += LOAD_RELAXED(&run->buffer.size);
		stats->classes[class].in_use++;
	} else {
		stats->buffers_idle++;
		stats->idle_bytes += capacity;
		stats->classes[class].idle++;
	}
}

UNLOCKED_READER static unsigned walk(struct pool_stats *stats, struct pool_buffer_info *oldest, unsigned max)
{
	uint32_t end = range_committed();
	unsigned listed = 0;

	for (uint32_t page = 1; page < end;) {
		const struct run *run = run_at(page);
		unsigned state = LOAD_RELAXED(&run->state);
		uint64_t length = LOAD_RELAXED(&run->pages), capacity;

		if (state == RUN_FREE || state == RUN_BUSY) {
			stats->largest_free_bytes = MAX(stats->largest_free_bytes, length << PAGE_SHIFT);
		} else if (run_is_buffer(state)) {
			capacity = length << PAGE_SHIFT;
			if (size_class_is_slab(run->size_class)) {
				capacity = size_class_bytes(run->size_class);
				length = 1;
			}
			count_buffer(stats, run, state, capacity);
			if (state != RUN_IDLE)
				listed = keep_oldest(oldest, listed, max, page);
		} else if (state == RUN_SLOTS) {
			length = apart_slab_pages(run);
		} else if (state != RUN_APART) {
			length = 1;
		}
		page += length == 0 || length > end - page ? 1 : (uint32_t)length;
	}
	return listed;
}

UNLOCKED_READER void pool_visit_samples(bool (*visit)(uint32_t sample, uintptr_t address, size_t bytes))
{
	uint32_t end = range_committed();

	for (uint32_t page = 1; page < end;) {
		const struct run *run = run_at(page);
		unsigned state = LOAD_RELAXED(&run->state);
		uint64_t length = state == RUN_SLOTS ? apart_slab_pages(run) : LOAD_RELAXED(&run->pages);
		bool is_slot = run_is_buffer(state) && size_class_is_slab(run->size_class);

		if (state == RUN_SAMPLED || state == RUN_APART) {
			struct pool_buffer_info info;

			pool_buffer_fill(&info, page);
			if (info.sample != 0 && info.capacity_bytes <= (uint64_t)(end - page) << PAGE_SHIFT &&
			    !visit(info.sample, (uintptr_t)info.address, info.capacity_bytes))
				return;
		}
		if (is_slot || !(run_is_buffer(state) || state == RUN_FREE || state == RUN_BUSY ||
				   state == RUN_SLOTS || state == RUN_APART))
			length = 1;
		page += length == 0 || length > end - page ? 1 : (uint32_t)length;
	}
}

UNLOCKED_READER static void add_arena(struct pool_stats *stats, const struct arena *arena)
{
	uint64_t free_pages = LOAD_RELAXED(&arena->runs.free_pages);
	uint64_t hot = MIN(LOAD_RELAXED(&arena->runs.hot_pages), free_pages);

	stats->free_runs_hot += LOAD_RELAXED(&arena->runs.counts[RUNS_HOT]);
	stats->free_runs_cold += LOAD_RELAXED(&arena->runs.counts[RUNS_WARM]);
	stats->free_runs_cold += LOAD_RELAXED(&arena->runs.counts[RUNS_COLD]);
	/* What is leased and not cut yet is free. */
	stats->free_hot_bytes += (hot + lease_pages(arena)) << PAGE_SHIFT;
	stats->free_cold_bytes += (free_pages - hot) << PAGE_SHIFT;
	stats->slab_free_bytes += LOAD_RELAXED(&arena->slab_free_bytes);
	stats->creations += LOAD_RELAXED(&arena->creations) +
			    atomic_load_explicit(&arena->lease.creations, memory_order_relaxed);
	stats->purged_bytes += LOAD_RELAXED(&arena->purged_pages) << PAGE_SHIFT;
	stats->purges_refused += LOAD_RELAXED(&arena->purges_refused);
	stats->lock_acquisitions += LOAD_RELAXED(&arena->lock.acquisitions);
	stats->lock_contentions += LOAD_RELAXED(&arena->lock.contentions);
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		uint64_t uses = LOAD_RELAXED(&arena->retired_uses[class]);

		stats->allocations += uses;
		stats->classes[class].allocations += uses;
	}
}

unsigned pool_stats_collect(struct pool_stats *stats, struct pool_buffer_info *oldest, unsigned max)
{
	unsigned used, listed;

	memset(stats, 0, sizeof(*stats));
	stats->class_count = SIZE_CLASSES;
	for (unsigned class = 0; class < SIZE_CLASSES; class ++)
		stats->classes[class].size_bytes = size_class_bytes(class);
	if (range.bytes == 0)
		return 0;
	used = atomic_load_explicit(&arenas.used, memory_order_relaxed);
	stats->is_active = true;
	stats->range_bytes = range.bytes;
	stats->committed_bytes = (uint64_t)range_committed() << PAGE_SHIFT;
	stats->metadata_bytes = (uint64_t)range_committed() * sizeof(struct run) + range_committed() / 8 +
				used * sizeof(struct arena) + magazines.cpus_usable * RSEQ_AREA_BYTES;
	listed = walk(stats, oldest, max);
	for (unsigned i = 0; i < used; i++)
		add_arena(stats, &arenas.at[i]);
	apart_count(&stats->apart);
	stats->metadata_bytes += stats->apart.metadata_bytes;
	stats->limit_bytes = atomic_load_explicit(&pool.limit_pages, memory_order_relaxed) << PAGE_SHIFT;
	stats->limit_buffers = pool.limit_buffers;
	stats->allocations += atomic_load_explicit(&pool.lost_uses, memory_order_relaxed);
	stats->temporary_buffers = atomic_load_explicit(&pool.temporary_buffers, memory_order_relaxed);
	stats->request_purges = atomic_load_explicit(&purge_requests.count, memory_order_relaxed);
	stats->slow_request_purges = atomic_load_explicit(&purge_requests.slow, memory_order_relaxed);
	stats->longest_request_purge_ns =
	    atomic_load_explicit(&purge_requests.longest_ns, memory_order_relaxed);
	stats->gc_count = atomic_load_explicit(&pool.gc_count, memory_order_relaxed);
	stats->errors = atomic_load_explicit(&pool.errors, memory_order_relaxed) + stats->purges_refused;
	stats->arenas_in_use = used;
	stats->cpus = magazines.cpus_usable;
	stats->is_rseq = magazines.is_rseq;
	return listed;
}
