/*
 * arena.c -- one arena: runs of a given place, and more of the range.
 *
 * Called by the set of arenas (arenas.c) on misses, never in a signal handler, with the arena's lock held. Knows of
 * no other arena and of no slab. No system call is made under the lock but the commit of a new chunk (range.c).
 */
#include "pool/arena.h"

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
		arena->out_pages += pages;
	}
	return page;
}
