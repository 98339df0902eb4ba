/*
 * range.c -- reserving and committing the range.
 *
 * Called once at start, by an arena that has no run that fits, and where address space gets scarce. The range
 * lock is the last in order: nothing else is taken under it. Commits happen under
 * it and under the asking arena's lock; they are one or two system calls each 4 to
 * 64 MiB. Tables are committed together with the chunks that they describe, so strict
 * overcommit counts only what can be used.
 */
#include "pool/range.h"

#include <string.h>

#define RANGE_BYTES_MIN ((size_t)32 << 20)
#define CHUNKS_MAX_AT_ONCE 16
/* Held for two system calls at most. */
#define CUT_WAIT_MS 100

struct range range;

static uintptr_t reserved_end; /* under the range lock */

static size_t table_bytes(size_t range_bytes, size_t bytes_a_page)
{
	return ROUND_UP((range_bytes >> PAGE_SHIFT) * bytes_a_page, PAGE_BYTES);
}

static bool try_reserve(size_t bytes, size_t extra_bytes, void **extra)
{
	size_t extra_size = ROUND_UP(extra_bytes, PAGE_BYTES);
	size_t owners_size = ROUND_UP(bytes >> CHUNK_SHIFT, PAGE_BYTES);
	size_t hot_size = ROUND_UP((bytes >> PAGE_SHIFT) / 8, PAGE_BYTES);
	size_t runs_size = table_bytes(bytes, sizeof(struct run));
	size_t small = extra_size + owners_size + 4 * hot_size;
	size_t total = small + runs_size + bytes + ((size_t)1 << CHUNK_SHIFT);
	char *start = sys_reserve(total);
	char *base;

	if (start == NULL)
		return false;
	if (!sys_commit(start, small) || !sys_make_readable(start + small, runs_size)) {
		sys_release(start, total);
		return false;
	}
	sys_no_huge_pages(start, total);
	base = (char *)ROUND_UP((uintptr_t)start + small + runs_size, (uintptr_t)1 << CHUNK_SHIFT);
	*extra = start;
	range.owners = (uint8_t *)start + extra_size;
	range.hot = (uint64_t *)(void *)(start + extra_size + owners_size);
	range.edges = (uint64_t *)(void *)(start + extra_size + owners_size + hot_size);
	for (unsigned i = 0; i < 2; i++)
		range.freed[i] = (uint64_t *)(void *)(start + extra_size + owners_size + (2 + i) * hot_size);
	range.runs = (struct run *)(void *)(start + small);
	range.base = (uintptr_t)base;
	range.bytes = bytes;
	range.fast_bytes = bytes;
	reserved_end = (uintptr_t)start + total;
	return true;
}

bool range_reserve(size_t wanted, size_t extra_bytes, void **extra)
{
	for (size_t bytes = wanted; bytes >= RANGE_BYTES_MIN; bytes /= 2)
		if (try_reserve(bytes, extra_bytes, extra))
			return true;
	return false;
}

static bool commit(uint32_t first, uint32_t pages)
{
	uintptr_t table = (uintptr_t)&range.runs[first];
	uintptr_t table_end = (uintptr_t)&range.runs[first + pages];

	return sys_commit((void *)table, table_end - table) &&
	       sys_commit(page_address(first), (size_t)pages << PAGE_SHIFT);
}

uint32_t range_extend(unsigned arena, uint32_t pages, uint64_t has_pages, uint32_t *got)
{
	uint32_t first = 0, chunks, wanted;

	lock_acquire(&range.lock);
	first = range_committed();
	/* Page 0 is lost to us; so a first extension is one page longer. */
	wanted = (pages + (first == 0) + CHUNK_PAGES - 1) / CHUNK_PAGES;
	chunks = MAX(wanted, (uint32_t)MIN(has_pages / CHUNK_PAGES, (uint64_t)CHUNKS_MAX_AT_ONCE));
	while (chunks >= wanted) {
		uint32_t length = chunks * CHUNK_PAGES;

		if (first + (uint64_t)length <= range.bytes >> PAGE_SHIFT && commit(first, length)) {
			memset(range.owners + first / CHUNK_PAGES, (int)arena, chunks);
			atomic_store_explicit(&range.committed_pages, first + length, memory_order_release);
			lock_release(&range.lock);
			*got = first == 0 ? length - 1 : length;
			return first == 0 ? 1 : first;
		}
		chunks = chunks > wanted ? wanted : 0;
	}
	lock_release(&range.lock);
	return 0;
}

void range_end_window(void)
{
	bool is_second = !atomic_load_explicit(&range.is_second, memory_order_relaxed);

	for (uint32_t word = 0; word < range_committed() / 64; word++)
		STORE_RELAXED(&range.freed[is_second][word], 0);
	atomic_store_explicit(&range.is_second, is_second, memory_order_relaxed);
}

void range_forget(uint32_t page, uint32_t end)
{
	/* The first and the last entry may be a run's. */
	uintptr_t from = ROUND_UP((uintptr_t)run_at(page + 1), PAGE_BYTES);
	uintptr_t to = (uintptr_t)run_at(end - 1) & ~(PAGE_BYTES - 1);

	if (from < to)
		sys_purge((void *)from, to - from);
}

void range_cut(size_t bytes)
{
	size_t had, end;

	if (!lock_acquire_within(&range.lock, CUT_WAIT_MS))
		return;
	had = range.bytes;
	bytes = MAX(bytes, (size_t)range_committed() << PAGE_SHIFT);
	bytes = ROUND_UP(MAX(bytes, (size_t)1), (size_t)1 << CHUNK_SHIFT);
	if (bytes < had) {
		/* First of all: what others map there from now on is not ours. Nobody has a pointer to it. */
		STORE_RELAXED(&range.fast_bytes, MIN(range.fast_bytes, bytes));
		STORE_RELAXED(&range.bytes, bytes);
		end = table_bytes(had, sizeof(struct run));
		bytes = table_bytes(bytes, sizeof(struct run));
		sys_release((char *)range.runs + bytes, end - bytes);
		sys_release((void *)(range.base + range.bytes), reserved_end - (range.base + range.bytes));
		reserved_end = range.base + range.bytes;
	}
	lock_release(&range.lock);
}
