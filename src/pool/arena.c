/*
 * arena.c -- one arena: runs of a given place, more of the range, and how much it needs.
 *
 * Called by the set of arenas (arenas.c) on misses, and by the pass of maintenance, never in a signal
 * handler. Knows of no other arena and of no slab. No system call is made under its lock but the
 * commit of a new chunk (range.c).
 */
#include "pool/arena.h"

/* The slack of demand that was found to be needed: so much at most, and this part of it goes in each window. */
#define SLACK_SHARE 16
#define SLACK_PAGES_MAX 512
#define SLACK_DECAY 32

bool arena_extend_range(struct arena *arena, uint32_t pages)
{
	uint32_t got;
	uint32_t first =
	    range_extend(arena->runs.arena, pages, arena->out_pages + arena->runs.free_pages, &got);

	if (first == 0)
		return false;
	runs_free_as_marked(&arena->runs, first, got, 0);
	return true;
}

uint32_t arena_take_exact(
    struct arena *arena, uint32_t pages, uint32_t alignment_pages, uint32_t now, bool *was_cold)
{
	uint32_t whole = pages + alignment_pages - 1, start = 0, page = 0;

	*was_cold = false;
	for (int i = 0; i < 2 && start == 0; i++) {
		start = runs_take(&arena->runs, RUNS_HOT, whole, was_cold);
		if (start == 0)
			start = runs_take(&arena->runs, RUNS_COLD, whole, was_cold);
		if (start == 0 && !arena_extend_range(arena, whole))
			break;
	}
	if (start != 0) {
		uintptr_t mask = ((uintptr_t)alignment_pages << PAGE_SHIFT) - 1;
		uint32_t skip = (uint32_t)((-(uintptr_t)page_address(start) & mask) >> PAGE_SHIFT);

		page = start + skip;
		/* Taken pages keep their bits in the map, so what is cut off is as warm as it was. */
		if (skip != 0)
			runs_free_as_marked(&arena->runs, start, skip, now);
		if (whole - skip != pages)
			runs_free_as_marked(&arena->runs, page + pages, whole - skip - pages, now);
		arena_count_out(arena, pages);
	}
	return page;
}

UNLOCKED_READER uint64_t arena_peak(const struct arena *arena)
{
	uint64_t peak = 0;

	for (unsigned i = 0; i < PEAK_WINDOWS; i++)
		peak = MAX(peak, LOAD_RELAXED(&arena->peak_pages[i]));
	return peak;
}

/* The arena's lock is held. */
static void follow_slack(struct arena *arena)
{
	uint64_t fresh = arena->runs.fresh_pages - arena->fresh_seen, slack = arena->slack_pages;
	uint64_t most = arena->out_pages / SLACK_SHARE + SLACK_PAGES_MAX;

	slack = arena->creations == arena->creations_seen ? 0 : slack - slack / SLACK_DECAY + fresh;
	STORE_RELAXED(&arena->slack_pages, (uint32_t)MIN(slack, most));
	arena->fresh_seen = arena->runs.fresh_pages;
	arena->creations_seen = arena->creations;
}

void arena_rotate_peak(struct arena *arena)
{
	lock_acquire(&arena->lock);
	follow_slack(arena);
	for (unsigned i = PEAK_WINDOWS - 1; i > 0; i--)
		arena->peak_pages[i] = arena->peak_pages[i - 1];
	arena->peak_pages[0] = (uint32_t)arena->out_pages;
	lock_release(&arena->lock);
}

void arena_lower_peak(struct arena *arena, uint32_t pages)
{
	lock_acquire(&arena->lock);
	for (unsigned i = 0; i < PEAK_WINDOWS - 1; i++) {
		uint32_t peak = arena->peak_pages[i];

		STORE_RELAXED(&arena->peak_pages[i], peak - MIN(peak, pages));
	}
	/* What is out now is in demand now. */
	STORE_RELAXED(&arena->peak_pages[0], MAX(arena->peak_pages[0], (uint32_t)arena->out_pages));
	lock_release(&arena->lock);
}
