/*
 * slab.c -- buffers of 4 to 16 KiB that are no whole number of pages.
 *
 * A slab is a run of exactly 4 or 8 slots (size_class.h has the arithmetic). Its entry
 * stands at the run's last page, where no slot starts; an entry of a slot at the page
 * in which it starts. Called by arenas.c, takes its runs from arena.h; the arena's lock is held throughout.
 */
#include "pool/slab.h"

static uint32_t first_page_of(const struct run *slab, uint32_t last)
{
	return last + 1 - size_class_slab_pages(slab->size_class);
}

static uint32_t slot_page(unsigned class, uint32_t first, unsigned slot, uint16_t *offset)
{
	size_t bytes = slot * size_class_bytes(class);

	*offset = (uint16_t)(bytes % PAGE_BYTES);
	return first + (uint32_t)(bytes >> PAGE_SHIFT);
}

static void list_insert(struct arena *arena, uint32_t last)
{
	struct run *slab = run_at(last);
	uint32_t *head = &arena->slabs[slab->size_class];

	slab->slab.next = *head;
	slab->slab.prev = 0;
	if (*head != 0)
		run_at(*head)->slab.prev = last;
	*head = last;
}

static void list_remove(struct arena *arena, uint32_t last)
{
	struct run *slab = run_at(last);

	if (slab->slab.next != 0)
		run_at(slab->slab.next)->slab.prev = slab->slab.prev;
	if (slab->slab.prev != 0)
		run_at(slab->slab.prev)->slab.next = slab->slab.next;
	else
		arena->slabs[slab->size_class] = slab->slab.next;
}

/* A run for a new slab; from resident pages if there are any. 0: none in this arena. */
static uint32_t slab_create(struct arena *arena, unsigned class)
{
	uint32_t pages = size_class_slab_pages(class);
	bool was_cold;
	uint32_t first = arena_take_run(arena, RUNS_HOT, pages, &was_cold);
	uint32_t last;
	struct run *slab;

	if (first == 0)
		first = arena_take_run(arena, RUNS_COLD, pages, &was_cold);
	if (first == 0)
		return 0;
	last = first + pages - 1;
	slab = run_at(last);
	slab->size_class = (uint8_t) class;
	slab->offset = 0;
	slab->pages = 1;
	slab->slab.free_slots = (1u << size_class_slab_slots(class)) - 1;
	STORE_RELAXED(&slab->state, RUN_SLAB);
	arena->slab_free_bytes += (uint64_t)pages << PAGE_SHIFT;
	list_insert(arena, last);
	return last;
}

uint32_t slab_take(struct arena *arena, unsigned class)
{
	uint32_t last = arena->slabs[class], page;
	struct run *slab, *slot;
	unsigned index;
	uint16_t offset;

	if (last == 0)
		last = slab_create(arena, class);
	if (last == 0)
		return 0;
	slab = run_at(last);
	index = (unsigned)__builtin_ctz(slab->slab.free_slots);
	slab->slab.free_slots &= slab->slab.free_slots - 1;
	if (slab->slab.free_slots == 0)
		list_remove(arena, last);
	arena->slab_free_bytes -= size_class_bytes(class);
	page = slot_page(class, first_page_of(slab, last), index, &offset);
	slot = run_at(page);
	slot->offset = offset;
	slot->pages = index;
	return page;
}

void slab_give(struct arena *arena, uint32_t page, uint32_t now)
{
	struct run *slot = run_at(page);
	unsigned class = slot->size_class, slots = size_class_slab_slots(class), index = slot->pages;
	uint32_t length = size_class_slab_pages(class), first, last;
	struct run *slab;

	first = page - (uint32_t)(index * size_class_bytes(class) >> PAGE_SHIFT);
	last = first + length - 1;
	slab = run_at(last);
	STORE_RELAXED(&slot->state, RUN_NONE);
	if (slab->slab.free_slots == 0)
		list_insert(arena, last);
	slab->slab.free_slots |= 1u << index;
	arena->slab_free_bytes += size_class_bytes(class);
	if (slab->slab.free_slots != (1u << slots) - 1)
		return;
	list_remove(arena, last);
	STORE_RELAXED(&slab->state, RUN_NONE);
	arena->slab_free_bytes -= (uint64_t)length << PAGE_SHIFT;
	arena_give_run(arena, first, length, now);
}
