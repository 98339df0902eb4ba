/*
 * heap.h -- an engine of some arenas, of which runs are taken and given one by one.
 */
#ifndef WEIR_TESTS_HEAP_H
#define WEIR_TESTS_HEAP_H

#include <check.h>

#include "pool/arenas.h"
#include "pool/size_class.h"
#include "tests/common/engine.h"

#define CLASS_64K 32
#define PAGES_64K 16

static struct arena_change change;

static inline void start(unsigned count)
{
	ck_assert(engine_start(count, 256 * MIB));
	ck_assert_uint_eq(size_class_bytes(CLASS_64K), 64 * KIB);
}

static inline uint32_t take(unsigned class, uint32_t now)
{
	uint32_t page;
	ck_assert_uint_eq(arenas_take(class, 1, now, &page, &change), 1);
	return page;
}

static inline void give(uint32_t page, uint32_t now)
{
	arenas_give(&page, 1, now, &change);
}

#endif
