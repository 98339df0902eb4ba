/*
 * engine.h -- the engine without the interposer: started afresh for each test, and
 * checked as a whole.
 *
 * engine_start() gives range, arenas and magazines of a small size; engine_pool() a
 * whole pool by its settings. Either may be called again in the same process after
 * engine_stop(). engine_fault() walks everything and may only be called
 * while nobody else works; it knows the invariants from the headers' words, not
 * from the code that keeps them.
 */
#ifndef WEIR_TESTS_ENGINE_H
#define WEIR_TESTS_ENGINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/apart.h"
#include "pool/arenas.h"
#include "pool/habit.h"
#include "pool/lease.h"
#include "pool/magazine.h"
#include "pool/pool.h"

static inline void engine_clear(void)
{
	memset((void *)&range, 0, sizeof(range));
	memset((void *)&arenas, 0, sizeof(arenas));
	memset((void *)&magazines, 0, sizeof(magazines));
	memset((void *)&pool, 0, sizeof(pool));
	habit_forget();
	apart_init();
	pool.due = UINT32_MAX;
}

/* Of so many bytes, a power of two from 32 MiB up. */
static inline bool engine_start(unsigned arena_count, size_t bytes)
{
	size_t arenas_bytes = ROUND_UP(arena_count * sizeof(struct arena), PAGE_BYTES);
	unsigned cpu_bound = sys_cpu_bound();
	void *extra;

	engine_clear();
	if (!range_reserve(bytes, arenas_bytes + magazines_memory(cpu_bound), &extra))
		return false;
	arenas_init(extra, arena_count);
	magazines_init((char *)extra + arenas_bytes, cpu_bound);
	return true;
}

static inline bool engine_pool(const struct settings *settings)
{
	engine_clear();
	return pool_init(settings);
}

static inline void engine_stop(void)
{
	uintptr_t start = (uintptr_t)arenas.at;

	if (range.bytes != 0)
		sys_release((void *)start, range.base + range.bytes - start);
	engine_clear();
}

/* --- the check of everything -------------------------------------------------- */

enum engine_flags {
	ENGINE_PLAIN,
	ENGINE_MAY_BE_BUSY = 1,	    /* runs may be withdrawn */
	ENGINE_MAGAZINES_EXACT = 2, /* idle buffers are those in magazines and before arenas, all of them */
	ENGINE_FORKED =
	    4, /* in a child: others were between two words of a magazine's head, or cut from a lease */
};

struct engine_sums {
	uint64_t free_pages, hot_pages, out_pages, slab_free_bytes;
	uint64_t counts[TEMPERATURES], slabs[17];
};

struct engine_check {
	unsigned char *covered; /* a byte a page: what was found there belongs to something */
	struct engine_sums sums[ARENAS_MAX];
	uint64_t idle, buffers, edges, waiting;
	char *why;
};

static inline char *engine_say(const char *what, uint64_t page)
{
	static char why[160];

	snprintf(why, sizeof(why), "%s (page %llu)", what, (unsigned long long)page);
	return why;
}

#define ENGINE_NEED(condition, page)                                                                         \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			return engine_say(#condition, page);                                                 \
	} while (0)

static inline unsigned engine_bin_of(uint32_t pages)
{
	uint32_t base = 256, bin = 256;

	if (pages <= 256)
		return pages - 1;
	while (pages >= base * 2) {
		base *= 2;
		bin += 8;
	}
	return bin + (pages - base) / (base / 8);
}

static inline enum temperature engine_temperature(const struct run *run)
{
	if (2 * (uint64_t)run->free.hot_pages >= run->pages)
		return RUNS_HOT;
	return run->free.hot_pages != 0 ? RUNS_WARM : RUNS_COLD;
}

/* Nothing else stands within [first, first + pages); their one owner is the result. */
static inline char *engine_cover(struct engine_check *check, uint32_t first, uint32_t pages)
{
	ENGINE_NEED(pages != 0, first);
	ENGINE_NEED(first != 0 && (uint64_t)first + pages <= range_committed(), first);
	for (uint32_t page = first; page < first + pages; page++) {
		ENGINE_NEED(check->covered[page] == 0, page);
		ENGINE_NEED(page_owner(page) == page_owner(first), page);
		check->covered[page] = 1;
	}
	return NULL;
}

static inline char *engine_check_slab(struct engine_check *check, uint32_t last)
{
	const struct run *slab = run_at(last);
	unsigned class = slab->size_class, slots;
	struct engine_sums *sums;
	uint32_t first, length, free_slots = 0;
	char *why;

	ENGINE_NEED(class < SIZE_CLASSES && size_class_is_slab(class), last);
	slots = size_class_slab_slots(class);
	length = size_class_slab_pages(class);
	ENGINE_NEED(last >= length, last);
	first = last + 1 - length;
	why = engine_cover(check, first, length);
	if (why != NULL)
		return why;
	sums = &check->sums[page_owner(first)];
	for (uint32_t page = first; page < last; page++) {
		unsigned state = run_at(page)->state;
		ENGINE_NEED(state == RUN_NONE || run_is_buffer(state), page);
	}
	for (unsigned i = 0; i < slots; i++) {
		size_t offset = i * size_class_bytes(class);
		uint32_t page = first + (uint32_t)(offset / PAGE_BYTES);
		const struct run *slot = run_at(page);

		ENGINE_NEED(page != last, page);
		if ((slab->slab.free_slots >> i & 1) != 0) {
			ENGINE_NEED(slot->state == RUN_NONE, page);
			free_slots++;
			continue;
		}
		ENGINE_NEED(run_is_buffer(slot->state), page);
		ENGINE_NEED(slot->size_class == class && slot->pages == i, page);
		ENGINE_NEED(slot->offset == offset % PAGE_BYTES, page);
		check->buffers++;
		check->idle += slot->state == RUN_IDLE;
	}
	ENGINE_NEED(slab->slab.free_slots < (uint64_t)1 << slots, last);
	ENGINE_NEED(free_slots < slots, last); /* an empty slab goes back */
	sums->out_pages += length;
	sums->slab_free_bytes += free_slots * size_class_bytes(class);
	sums->slabs[class] += free_slots != 0;
	return NULL;
}

static inline bool engine_is_edge(uint32_t page)
{
	return range.edges[page / 64] >> page % 64 & 1;
}

static inline char *engine_check_free(struct engine_check *check, uint32_t page)
{
	const struct run *run = run_at(page);
	struct engine_sums *sums = &check->sums[page_owner(page)];
	uint32_t after = page + run->pages;
	char *why = engine_cover(check, page, run->pages);

	if (why != NULL)
		return why;
	if (run->pages > 1)
		ENGINE_NEED(run_at(after - 1)->state == RUN_TAIL && run_at(after - 1)->pages == run->pages,
		    after - 1);
	for (uint32_t i = page + 1; i + 1 < after; i++)
		ENGINE_NEED(run_at(i)->state == RUN_NONE, i);
	check->edges++;
	ENGINE_NEED(engine_is_edge(page), page);
	if (run->pages > 1) {
		check->edges++;
		ENGINE_NEED(engine_is_edge(after - 1), after - 1);
	}
	if (after < range_committed() && page_owner(after) == page_owner(page))
		ENGINE_NEED(run_at(after)->state != RUN_FREE, after);
	ENGINE_NEED(run->free.hot_pages == hot_count(page, run->pages), page);
	sums->free_pages += run->pages;
	sums->hot_pages += run->free.hot_pages;
	sums->counts[engine_temperature(run)]++;
	return NULL;
}

/* A slab of slots: every page of it says how far it stands from the first, and a slot is in use. */
static inline char *engine_check_slots(struct engine_check *check, uint32_t first)
{
	const struct run *head = run_at(first);
	uint32_t pages = apart_slab_pages(head);
	char *why = engine_cover(check, first, pages);

	if (why != NULL)
		return why;
	ENGINE_NEED(head->offset == 0, first);
	ENGINE_NEED((head->slots.used[0] | head->slots.used[1]) != 0, first);
	for (uint32_t i = 0; i < pages; i++) {
		const struct run *run = run_at(first + i);

		ENGINE_NEED(run->state == RUN_SLOTS && run->offset == i, first + i);
		ENGINE_NEED(run->size_class == head->size_class && run->pages == head->pages, first + i);
	}
	check->sums[page_owner(first)].out_pages += pages;
	return NULL;
}

static inline char *engine_check_buffer(struct engine_check *check, uint32_t page)
{
	const struct run *run = run_at(page);
	char *why = engine_cover(check, page, run->pages);

	if (why != NULL)
		return why;
	ENGINE_NEED(run->offset == 0, page);
	ENGINE_NEED(size_class_bytes(run->size_class) <= (size_t)run->pages * PAGE_BYTES, page);
	for (uint32_t i = page + 1; i < page + run->pages; i++)
		ENGINE_NEED(run_at(i)->state == RUN_NONE, i);
	check->sums[page_owner(page)].out_pages += run->pages;
	check->buffers++;
	check->idle += run->state == RUN_IDLE;
	return NULL;
}

static inline char *engine_check_apart(struct engine_check *check, uint32_t page)
{
	const struct run *run = run_at(page);
	char *why = engine_cover(check, page, run->pages);

	if (why != NULL)
		return why;
	for (uint32_t i = page + 1; i < page + run->pages; i++)
		ENGINE_NEED(run_at(i)->state == RUN_NONE, i);
	check->sums[page_owner(page)].out_pages += run->pages;
	return NULL;
}

static inline char *engine_check_lists(const struct engine_check *check, const struct arena *arena)
{
	unsigned index = arena->runs.arena;
	const struct engine_sums *sums = &check->sums[index];
	uint64_t count;

	for (int t = 0; t < TEMPERATURES; t++) {
		const struct bins *bins = &arena->runs.bins[t];

		count = 0;
		for (unsigned bin = 0; bin < RUNS_BINS; bin++) {
			uint32_t before = 0;

			ENGINE_NEED((bins->occupied[bin / 64] >> bin % 64 & 1) == (bins->heads[bin] != 0),
			    bins->heads[bin]);
			for (uint32_t page = bins->heads[bin]; page != 0; page = run_at(page)->free.next) {
				const struct run *run = run_at(page);

				ENGINE_NEED(run->state == RUN_FREE && page_owner(page) == index, page);
				ENGINE_NEED(run->free.prev == before, page);
				ENGINE_NEED(
				    engine_bin_of(t == RUNS_WARM ? run->free.hot_pages : run->pages) == bin,
				    page);
				ENGINE_NEED(engine_temperature(run) == (enum temperature)t, page);
				ENGINE_NEED(++count <= sums->counts[t], page);
				before = page;
			}
		}
		ENGINE_NEED(count == sums->counts[t] && count == arena->runs.counts[t], t);
	}
	return NULL;
}

static inline char *engine_check_arena(const struct engine_check *check, const struct arena *arena)
{
	const struct engine_sums *sums = &check->sums[arena->runs.arena];
	unsigned index = arena->runs.arena;

	ENGINE_NEED(arena->runs.free_pages == sums->free_pages, index);
	ENGINE_NEED(arena->runs.hot_pages == sums->hot_pages, index);
	ENGINE_NEED(arena->out_pages == sums->out_pages, index);
	ENGINE_NEED(arena->slab_free_bytes == sums->slab_free_bytes, index);
	for (unsigned class = 0; class < ARRAY_LENGTH(arena->slabs); class ++) {
		uint64_t count = 0;
		uint32_t before = 0;

		for (uint32_t page = arena->slabs[class]; page != 0; page = run_at(page)->slab.next) {
			const struct run *slab = run_at(page);

			ENGINE_NEED(slab->state == RUN_SLAB && slab->size_class == class, page);
			ENGINE_NEED(slab->slab.free_slots != 0 && slab->slab.prev == before, page);
			ENGINE_NEED(page_owner(page) == index, page);
			ENGINE_NEED(++count <= sums->slabs[class], page);
			before = page;
		}
		ENGINE_NEED(count == sums->slabs[class], class);
	}
	return engine_check_lists(check, arena);
}

static inline const struct rseq_stack *engine_stack(unsigned cpu, unsigned class)
{
	return (const void *)(magazine_area(cpu) + MAGAZINE_OFFSET(class));
}

/* Every item of a magazine is an idle buffer of its class, there once; rooms add up. */
static inline char *engine_check_magazines(struct engine_check *check, int flags)
{
	uint64_t items = 0, cpus_used = 0;

	for (unsigned cpu = 0; cpu < magazines.cpu_bound; cpu++) {
		uint64_t room_bytes = 0;

		for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
			const struct rseq_stack *stack = engine_stack(cpu, class);

			ENGINE_NEED(stack->count <= MAGAZINE_ITEMS_MAX, cpu);
			ENGINE_NEED(stack->room <= MAGAZINE_ITEMS_MAX, cpu);
			for (uint32_t i = 0; i < stack->count; i++) {
				uint32_t page = place_page(stack->items[i]);

				ENGINE_NEED(page != 0 && page < range_committed(), page);
				ENGINE_NEED(run_at(page)->state == RUN_IDLE, page);
				ENGINE_NEED(run_at(page)->size_class == class, page);
				ENGINE_NEED((check->covered[page] & 2) == 0, page);
				check->covered[page] |= 2;
				items++;
			}
			room_bytes += stack->room * size_class_bytes(class);
		}
		ENGINE_NEED(
		    room_bytes == magazine_cpu_at(cpu)->room_bytes || (flags & ENGINE_FORKED) != 0, cpu);
		ENGINE_NEED(magazines.cpus.areas[cpu] == magazine_area(cpu), cpu);
		cpus_used += room_bytes != 0;
	}
	ENGINE_NEED(cpus_used == magazines.cpus_used || (flags & ENGINE_FORKED) != 0, magazines.cpus_used);
	if ((flags & ENGINE_MAGAZINES_EXACT) != 0)
		ENGINE_NEED(items + check->waiting == check->idle, items);
	return NULL;
}

static inline char *engine_check_pages(struct engine_check *check, int flags)
{
	char *why = NULL;

	for (uint32_t page = 1; page < range_committed(); page++)
		if (run_at(page)->state == RUN_SLAB && (why = engine_check_slab(check, page)) != NULL)
			return why;
	for (uint32_t page = 1; page < range_committed() && why == NULL; page++) {
		const struct run *run = run_at(page);

		if (check->covered[page] != 0)
			continue;
		if (run->state == RUN_FREE)
			why = engine_check_free(check, page);
		else if (run->state == RUN_SLOTS)
			why = engine_check_slots(check, page);
		else if (run->state == RUN_APART)
			why = engine_check_apart(check, page);
		else if (run_is_buffer(run->state))
			why = engine_check_buffer(check, page);
		else if (run->state == RUN_BUSY && (flags & ENGINE_MAY_BE_BUSY) != 0)
			why = engine_cover(check, page, run->pages);
		else if (run->state == RUN_NONE && (flags & ENGINE_FORKED) != 0)
			check->sums[page_owner(page)].out_pages++;
		else
			why = engine_say("a page belongs to nothing", page);
	}
	return why;
}

/* What is left of leases belongs to them, and is nothing else. */
static inline char *engine_check_leases(struct engine_check *check)
{
	for (unsigned i = 0; i < arenas.count; i++) {
		uint32_t first = (uint32_t)(arenas.at[i].lease.word >> 32),
			 pages = lease_pages(&arenas.at[i]);
		char *why = pages != 0 ? engine_cover(check, first, pages) : NULL;

		if (why != NULL)
			return why;
		for (uint32_t page = first; page < first + pages; page++)
			ENGINE_NEED(run_at(page)->state == RUN_NONE && page_owner(page) == i, page);
		check->sums[i].out_pages += pages;
	}
	return NULL;
}

/* What waits before an arena is an idle buffer of its own, there once, and in no magazine. */
static inline char *engine_check_returns(struct engine_check *check)
{
	for (unsigned i = 0; i < arenas.count; i++) {
		uint64_t word = arenas.at[i].returns, pages = 0;

		for (uint32_t page = (uint32_t)(word >> 32); page != 0; page = run_at(page)->buffer.created) {
			const struct run *run = run_at(page);

			ENGINE_NEED(page < range_committed() && run->state == RUN_IDLE, page);
			ENGINE_NEED(page_owner(page) == i && (check->covered[page] & 2) == 0, page);
			check->covered[page] |= 2;
			check->waiting++;
			pages += size_class_is_slab(run->size_class) ? size_class_pages(run->size_class)
								     : run->pages;
		}
		ENGINE_NEED(pages == (uint32_t)word, i);
	}
	return NULL;
}

/* NULL, or what does not hold. */
static inline const char *engine_fault(int flags)
{
	struct engine_check check = {.covered = calloc(range_committed() + 1, 1)};
	char *why = engine_check_leases(&check);
	uint64_t edges = 0;

	if (why == NULL)
		why = engine_check_pages(&check, flags);
	/* Each end of a free run is marked, and nothing else is. */
	for (uint32_t page = 0; page < range_committed(); page++)
		edges += engine_is_edge(page);
	if (why == NULL && edges != check.edges)
		why = engine_say("edges are marked where no free run ends", edges);

	for (unsigned i = 0; i < arenas.count && why == NULL; i++)
		why = engine_check_arena(&check, &arenas.at[i]);
	if (why == NULL)
		why = engine_check_returns(&check);
	if (why == NULL && magazines.areas != NULL)
		why = engine_check_magazines(&check, flags);
	free(check.covered);
	return why;
}

static inline uint64_t engine_out_pages(void)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < arenas.count; i++)
		pages += arenas.at[i].out_pages;
	return pages;
}

#define ck_engine_is_whole(flags)                                                                            \
	do {                                                                                                 \
		const char *fault_ = engine_fault(flags);                                                    \
		ck_assert_msg(fault_ == NULL, "%s", fault_);                                                 \
	} while (0)

#endif
