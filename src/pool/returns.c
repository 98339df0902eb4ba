/*
 * returns.c -- buffers that go back to an arena: many at once, and without its lock.
 *
 * Called by the set of arenas (arenas.c). Where one thread allocates and another frees, each would wait for the
 * other at the arena's lock, and every buffer be joined with its neighbours by itself. So who frees pushes what it
 * gives on a stack before the arena, with one compare and swap, and who takes from the arena, and has the
 * lock anyway, lets all of it in: sorted, so that neighbours enter as one run.
 *
 * Nothing is written into the buffers: a link stands in the entry of the buffer's first page, in place of the time
 * of its creation, and the stack's head beside the arena. All that is on the stack leaves it at once, so it does not matter
 * that a head may come back. Never blocks, allocates nothing; not for signal handlers, since settling wants the lock.
 */
#include "pool/returns.h"

#include "pool/slab.h"

/* What is sorted at once. */
#define SETTLE_STEP 64

/* head: a page, the last buffer that was pushed; below it how many pages wait. */
#define WORD(head, pages) ((uint64_t)(head) << 32 | (pages))

static uint32_t link_of(uint32_t page)
{
	return run_at(page)->buffer.created;
}

static void set_link(uint32_t page, uint32_t next)
{
	STORE_RELAXED(&run_at(page)->buffer.created, next);
}

/* By insertion: few, and often sorted, since what was allocated in a row is freed in a row. */
void returns_sort(uint32_t *pages, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		uint32_t page = pages[i];
		unsigned at = i;

		for (; at > 0 && pages[at - 1] > page; at--)
			pages[at] = pages[at - 1];
		pages[at] = page;
	}
}

/* From the highest down, so that the lowest is taken first again; what is joined is coalesced once. */
uint32_t returns_let_in(struct arena *arena, const uint32_t *pages, unsigned count, uint32_t now)
{
	uint64_t out = arena->out_pages;
	uint32_t start = 0, length = 0;

	while (count-- > 0) {
		uint32_t page = pages[count];
		struct run *run = run_at(page);

		arena->retired_uses[run->size_class] += run->buffer.use_count;
		if (size_class_is_slab(run->size_class)) {
			slab_give(arena, page, now);
			continue;
		}
		STORE_RELAXED(&run->state, RUN_NONE);
		if (length != 0 && page + run->pages != start) {
			arena_give_run(arena, start, length, now);
			length = 0;
		}
		start = page;
		length += run->pages;
	}
	if (length != 0)
		arena_give_run(arena, start, length, now);
	return (uint32_t)(out - arena->out_pages);
}

static uint32_t waiting_pages(uint32_t page)
{
	const struct run *run = run_at(page);

	return size_class_is_slab(run->size_class) ? size_class_pages(run->size_class) : run->pages;
}

uint32_t returns_push(struct arena *arena, const uint32_t *pages, unsigned count)
{
	uint64_t seen = atomic_load_explicit(&arena->returns, memory_order_relaxed), next;
	uint32_t sum = 0;

	for (unsigned i = 0; i < count; i++) {
		sum += waiting_pages(pages[i]);
		if (i + 1 < count)
			set_link(pages[i], pages[i + 1]);
	}
	/* Release: the entries are whole; pairs with the exchange in returns_settle(). */
	do {
		set_link(pages[count - 1], (uint32_t)(seen >> 32));
		next = WORD(pages[0], (uint32_t)seen + sum);
	} while (!atomic_compare_exchange_weak_explicit(
	    &arena->returns, &seen, next, memory_order_release, memory_order_relaxed));
	return (uint32_t)next;
}

uint32_t returns_settle(struct arena *arena, uint32_t now)
{
	uint32_t page, pages[SETTLE_STEP], sum = 0;

	if (!returns_are_waiting(arena))
		return 0;
	page = (uint32_t)(atomic_exchange_explicit(&arena->returns, 0, memory_order_acquire) >> 32);
	while (page != 0) {
		unsigned count = 0;

		for (; page != 0 && count < SETTLE_STEP; page = link_of(page))
			pages[count++] = page;
		returns_sort(pages, count);
		sum += returns_let_in(arena, pages, count, now);
	}
	return sum;
}
