/*
 * resize.c -- buffers that grow and shrink, and what is known of a pointer.
 *
 * Called by realloc and malloc_usable_size for buffers in use, which belong to the
 * caller; takes the arena's lock when pages change hands.
 */
#include <string.h>

#include "base/clock.h"
#include "pool/apart.h"
#include "pool/arenas.h"
#include "pool/pool.h"

UNLOCKED_READER static size_t capacity_of(const struct run *run)
{
	if (size_class_is_slab(run->size_class))
		return size_class_bytes(run->size_class);
	return (size_t)run->pages << PAGE_SHIFT;
}

static bool is_apart(const struct run *run)
{
	return run->state == RUN_SLOTS || run->state == RUN_APART;
}

bool pool_is_apart(const void *p)
{
	return is_apart(run_of(p));
}

size_t pool_usable_bytes(const void *p)
{
	const struct run *run = run_of(p);

	return is_apart(run) ? apart_usable_bytes(run) : capacity_of(run);
}

size_t pool_size(const void *p)
{
	const struct run *run = run_of(p);

	return is_apart(run) ? apart_size(run) : run->buffer.size;
}

bool pool_is_buffer(const void *p)
{
	const struct run *run = run_of(p);

	if (is_apart(run))
		return apart_is_in_use(run, p);
	return (run->state == RUN_IN_USE || run->state == RUN_SAMPLED) &&
	       run->offset == ((uintptr_t)p & (PAGE_BYTES - 1));
}

void pool_set_size(void *p, size_t size)
{
	struct run *run = run_of(p);

	/* A slot's own size is not kept: what is usable of it is all that matters. */
	if (run->state != RUN_SLOTS)
		STORE_RELAXED(&run->buffer.size, (uint32_t)size);
}

void pool_set_grown(void *p, size_t size)
{
	struct run *run = run_of(p);

	pool_set_size(p, size);
	STORE_RELAXED(&run->buffer.serial, run->buffer.serial | BUFFER_HAS_GROWN);
}

static size_t grown_bytes(const struct run *run, size_t size)
{
	size_t capacity = capacity_of(run);
	bool has_grown = (run->buffer.serial & BUFFER_HAS_GROWN) != 0;
	size_t grown = (size_t)((double)(has_grown ? size : capacity) * pool.growth_factor);

	return MIN(MAX(grown, size), pool.max_bytes);
}

size_t pool_grown_bytes(const void *p, size_t size)
{
	return grown_bytes(run_of(p), size);
}

/* A run whose length changed belongs to the largest class that it covers. */
static void reclass(struct run *run)
{
	STORE_RELAXED(&run->size_class, (uint8_t)size_class_within(run->pages));
}

/* To size at least, and to wanted bytes if the neighbour has them. */
static bool grow(struct run *run, void *p, size_t size, size_t wanted)
{
	uint32_t page = (uint32_t)(run - range.runs);
	uint32_t had = run->pages, length;
	uint32_t least = (uint32_t)(ROUND_UP(size, PAGE_BYTES) >> PAGE_SHIFT);
	uint32_t wanted_pages = (uint32_t)(ROUND_UP(wanted, PAGE_BYTES) >> PAGE_SHIFT);

	if (!pool_count_pages((int64_t)(wanted_pages - had)))
		return false;
	length = arenas_extend(page, least, wanted_pages);
	if (length == 0) {
		pool_count_pages(-(int64_t)(wanted_pages - had));
		return false;
	}
	pool_count_pages(-(int64_t)(wanted_pages - length));
	reclass(run);
	pool_set_grown(p, size);
	pool_keep_limit(length - had, LOAD_RELAXED(&pool.now));
	return true;
}

/* free clears what is asked for by then; what was before and is no more is cleared now. */
static void clear_rest(const struct run *run, char *p, size_t size)
{
	if (pool.is_zeroing && run->buffer.size > size)
		memset(p + size, 0, run->buffer.size - size);
}

static bool resize_buffer(struct run *run, char *p, size_t size)
{
	size_t capacity = capacity_of(run);
	uint32_t pages;

	if (size > capacity)
		return !size_class_is_slab(run->size_class) && size <= pool.max_bytes &&
		       grow(run, p, size, grown_bytes(run, size));
	if (size < capacity / 2) {
		/* Less than half is wanted: give pages back where there are any, or move. */
		pages = (uint32_t)(ROUND_UP(MAX(size, (size_t)1), PAGE_BYTES) >> PAGE_SHIFT);
		if (size_class_is_slab(run->size_class) || size < pool.min_bytes)
			return false;
		clear_rest(run, p, size);
		pool_count_pages(-(int64_t)(run->pages - pages));
		arenas_trim((uint32_t)(run - range.runs), pages, LOAD_RELAXED(&pool.now));
		reclass(run);
	} else {
		clear_rest(run, p, size);
	}
	STORE_RELAXED(&run->buffer.size, (uint32_t)size);
	return true;
}

bool pool_grow_in_place(void *p, size_t size, size_t wanted)
{
	struct run *run = run_of(p);

	return !size_class_is_slab(run->size_class) && size > capacity_of(run) &&
	       grow(run, p, size, MAX(size, wanted));
}

bool pool_resize_in_place(void *p, size_t size)
{
	struct run *run = run_of(p);

	if (is_apart(run) ? !apart_resize(run, p, size) : !resize_buffer(run, p, size))
		return false;
	if ((run->state == RUN_SAMPLED || run->state == RUN_APART) && run->buffer.sample != 0 &&
	    pool.sample_resized != NULL)
		pool_set_sample(p, pool.sample_resized(run->buffer.sample, size));
	return true;
}

/* --- what a pointer is ------------------------------------------------------- */

UNLOCKED_READER static void fill(struct pool_buffer_info *info, uint32_t page)
{
	const struct run *run = run_at(page);

	/* Creations are numbered by arena; small numbers, which JSON's readers keep exact. */
	info->id = (uint64_t)(run->buffer.serial & ~BUFFER_FLAGS) * ARENAS_MAX + page_owner(page);
	info->address = (uint64_t)(uintptr_t)page_address(page) + run->offset;
	info->capacity_bytes = capacity_of(run);
	/* malloc writes a line's words one by one; who looks meanwhile meets old and new side by side. */
	info->size_bytes = MIN(LOAD_RELAXED(&run->buffer.size), info->capacity_bytes);
	info->created_ticks = run->buffer.created;
	info->last_used_ticks = run->buffer.last_used;
	info->use_count = run->buffer.use_count;
	info->sample = LOAD_RELAXED(&run->buffer.sample);
	info->is_in_use = run->state == RUN_IN_USE || run->state == RUN_SAMPLED || run->state == RUN_APART;
}

UNLOCKED_READER static bool covers(uint32_t page, uintptr_t address)
{
	const struct run *run = run_at(page);
	uintptr_t start = (uintptr_t)page_address(page) + run->offset;

	unsigned state = LOAD_RELAXED(&run->state);

	return (run_is_buffer(state) || state == RUN_APART) && address >= start &&
	       address < start + capacity_of(run);
}

void pool_buffer_fill(struct pool_buffer_info *info, uint32_t page)
{
	fill(info, page);
}

UNLOCKED_READER enum pool_pointer pool_describe(const void *p, struct pool_buffer_info *info)
{
	uintptr_t address = (uintptr_t)p;
	uint32_t page = (uint32_t)((address - range.base) >> PAGE_SHIFT), back = 0;

	if (!pool_contains(p) || page >= range_committed())
		return POOL_POINTER_WILD;
	/* The entry that describes p is its page's or an earlier one; any other state ends the search. */
	while (back <= page && back <= SIZE_CLASS_MAX_BYTES >> PAGE_SHIFT) {
		const struct run *run = run_at(page - back);

		if (covers(page - back, address)) {
			fill(info, page - back);
			if (address != info->address)
				return POOL_POINTER_INNER;
			return info->is_in_use ? POOL_POINTER_IN_USE : POOL_POINTER_FREE;
		}
		if (run->state == RUN_FREE || run->state == RUN_TAIL || run->state == RUN_SLOTS ||
		    (back != 0 && run->state == RUN_SLAB))
			break;
		back++;
	}
	return POOL_POINTER_WILD;
}
