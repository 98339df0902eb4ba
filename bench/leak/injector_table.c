/*
 * injector_table.c -- the pointers that are followed: a bounded table without locks.
 *
 * A pointer has two buckets, each one cache line of slots. Nothing is ever moved, so a look at two lines
 * says whether a pointer is followed. A slot is claimed by compare-and-swap, its facts are written, and
 * then the pointer is published; the owner of the pointer alone takes it out again, since nobody else may
 * free it. What finds both buckets full is not followed.
 */
#include <stdatomic.h>

#include "inject.h"

#define BUCKETS ((size_t)1 << 17)
#define SLOTS 8
#define POINTER_BITS 48
#define CLAIMED (((uint64_t)1 << POINTER_BITS) - 1) /* no pointer, but not free either */

/* The pointer in the low bits, its site and one above. 0: free. Release when written, acquire when read. */
static _Atomic uint64_t table[BUCKETS][SLOTS] __attribute__((aligned(64)));
/* Of the pointer in the same place; written by who claimed it, read by who takes it out. */
static struct {
	uint32_t born_ms, bytes;
} facts[BUCKETS][SLOTS];

static _Atomic uint64_t unmarked; /* relaxed: a statistic */

static size_t bucket_of(const void *p, unsigned which)
{
	return mix((uintptr_t)p + which * 0x9e3779b97f4a7c15u) % BUCKETS;
}

void table_mark(void *p, uint32_t site, size_t bytes)
{
	uint64_t word = (uint64_t)(uintptr_t)p | (uint64_t)(site + 1) << POINTER_BITS;
	for (unsigned which = 0; which < 2; which++) {
		size_t bucket = bucket_of(p, which);
		for (unsigned i = 0; i < SLOTS; i++) {
			uint64_t empty = 0;
			if (atomic_load_explicit(&table[bucket][i], memory_order_relaxed) != 0 ||
			    !atomic_compare_exchange_strong_explicit(&table[bucket][i], &empty, CLAIMED,
				memory_order_acquire, memory_order_relaxed))
				continue;
			facts[bucket][i].born_ms = (uint32_t)now_ms();
			facts[bucket][i].bytes = (uint32_t)bytes;
			atomic_store_explicit(&table[bucket][i], word, memory_order_release);
			return;
		}
	}
	atomic_fetch_add_explicit(&unmarked, 1, memory_order_relaxed);
}

bool table_unmark(const void *p, struct followed *was)
{
	for (unsigned which = 0; which < 2; which++) {
		size_t bucket = bucket_of(p, which);
		for (unsigned i = 0; i < SLOTS; i++) {
			uint64_t word = atomic_load_explicit(&table[bucket][i], memory_order_acquire);
			if (LIKELY((word & CLAIMED) != (uintptr_t)p))
				continue;
			was->site = (uint32_t)(word >> POINTER_BITS) - 1;
			was->born_ms = facts[bucket][i].born_ms;
			was->bytes = facts[bucket][i].bytes;
			atomic_store_explicit(&table[bucket][i], 0, memory_order_release);
			return true;
		}
	}
	return false;
}

uint64_t table_unmarked(void)
{
	return atomic_load_explicit(&unmarked, memory_order_relaxed);
}
