/*
 * content.c -- memory is writable, aligned, zero where promised, and nobody else's.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tests/common/pattern.h"
#include "tests/contract/contract.h"

static void every_function_gives_writable_memory_of_every_size(void)
{
	for (size_t s = 0; s < contract_source_count; s++)
		for (size_t i = 0; i < contract_size_count; i++) {
			size_t size = contract_sizes[i];
			unsigned char *p = contract_sources[s].allocate(size);

			REQUIRE(p != NULL, "%s, %zu bytes", contract_sources[s].name, size);
			pattern_fill(p, size, i, PATTERN_SPARSE);
			EXPECT(pattern_check(p, size, i, PATTERN_SPARSE) == PATTERN_OK, "%s, %zu bytes",
			    contract_sources[s].name, size);
			free(p);
		}
}

static void every_pointer_is_a_multiple_of_16(void)
{
	for (size_t s = 0; s < contract_source_count; s++)
		for (size_t i = 0; i < contract_size_count; i++) {
			void *p[3];

			for (size_t k = 0; k < ARRAY_LENGTH(p); k++) {
				p[k] = contract_sources[s].allocate(contract_sizes[i]);
				EXPECT((uintptr_t)p[k] % 16 == 0, "%s, %zu bytes: %p",
				    contract_sources[s].name, contract_sizes[i], p[k]);
			}
			for (size_t k = 0; k < ARRAY_LENGTH(p); k++)
				free(p[k]);
		}
}

static void size_0_gives_distinct_pointers_that_can_be_freed(void)
{
	for (size_t s = 0; s < contract_source_count; s++) {
		if (contract_sources[s].is_resizing)
			continue; /* realloc(p, 0) is another matter */
		void *p = contract_sources[s].allocate(0), *q = contract_sources[s].allocate(0);

		EXPECT(p != NULL && q != NULL && p != q, "%s: %p %p", contract_sources[s].name, p, q);
		free(p);
		free(q);
	}
	void *p = calloc(0, 65536), *q = calloc(65536, 0);

	EXPECT(p != NULL && q != NULL && p != q, "calloc of no members and of size 0: %p %p", p, q);
	free(p);
	free(q);
}

static void usable_size_is_at_least_the_request_and_writable_to_the_end(void)
{
	for (size_t s = 0; s < contract_source_count; s++)
		for (size_t i = 0; i < contract_size_count; i++) {
			size_t size = contract_sizes[i];
			unsigned char *p = contract_sources[s].allocate(size);
			unsigned char *q = contract_sources[s].allocate(size);
			size_t usable = malloc_usable_size(p);

			REQUIRE(p != NULL && q != NULL, "%s, %zu bytes", contract_sources[s].name, size);
			EXPECT(usable >= size, "%s, %zu bytes: usable %zu", contract_sources[s].name, size,
			    usable);
			pattern_fill(q, size, 1, PATTERN_SPARSE);
			pattern_fill(p, usable, 2, PATTERN_SPARSE);
			EXPECT(pattern_check(q, size, 1, PATTERN_SPARSE) == PATTERN_OK,
			    "%s, %zu bytes: writing all %zu usable bytes reached another buffer",
			    contract_sources[s].name, size, usable);
			EXPECT(malloc_usable_size(p) == usable, "%s, %zu bytes: usable size changed",
			    contract_sources[s].name, size);
			free(p);
			free(q);
		}
}

static void realloc_keeps_all_that_was_usable(void)
{
	for (size_t i = 0; i < contract_size_count; i++) {
		unsigned char *p = malloc(contract_sizes[i]);
		size_t usable = malloc_usable_size(p);

		pattern_fill(p, usable, i, PATTERN_DENSE);
		p = realloc(p, usable + usable / 2 + 1);
		REQUIRE(p != NULL, "%zu bytes", contract_sizes[i]);
		EXPECT(pattern_check(p, usable, i, PATTERN_DENSE) == PATTERN_OK, "malloc(%zu), usable %zu",
		    contract_sizes[i], usable);
		free(p);
	}
}

static void usable_size_of_NULL_is_0(void)
{
	EXPECT(malloc_usable_size(NULL) == 0, "%zu", malloc_usable_size(NULL));
}

static size_t first_non_zero(const unsigned char *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != 0)
			return i;
	return SIZE_MAX;
}

#define DIRTY 6

static void calloc_is_zero_after_dirty_frees(void)
{
	for (size_t i = 0; i < contract_size_count; i++) {
		size_t size = contract_sizes[i];
		size_t count = size > 4 * MIB ? 1 : DIRTY;
		unsigned char *p[DIRTY];

		for (size_t k = 0; k < count; k++) {
			p[k] = malloc(size);
			REQUIRE(p[k] != NULL, "malloc(%zu)", size);
			memset(p[k], 0xa5, malloc_usable_size(p[k]));
		}
		for (size_t k = 0; k < count; k++)
			free(p[k]);
		for (size_t k = 0; k < count; k++) {
			p[k] = k % 2 ? calloc(1, size) : calloc(size, 1);
			REQUIRE(p[k] != NULL, "calloc of %zu bytes", size);
			size_t at = first_non_zero(p[k], size);

			EXPECT(
			    at == SIZE_MAX, "%zu bytes, number %zu: byte %zu is 0x%x", size, k, at, p[k][at]);
		}
		for (size_t k = 0; k < count; k++)
			free(p[k]);
	}
}

/* A dirty buffer that is split, joined or cut by realloc must not show up in calloc of another size. */
static void calloc_is_zero_where_other_sizes_were_dirty(void)
{
	uint64_t state = 17;
	unsigned char *slots[64] = {NULL};

	for (unsigned round = 0; round < 6000; round++) {
		size_t k = random_next(&state) % ARRAY_LENGTH(slots);
		size_t size = random_size(&state, 19);

		free(slots[k]);
		if (random_next(&state) % 2 == 0) {
			slots[k] = calloc(1, size);
			REQUIRE(slots[k] != NULL, "calloc of %zu bytes", size);
			size_t at = first_non_zero(slots[k], size);

			REQUIRE(at == SIZE_MAX, "round %u, %zu bytes: byte %zu is 0x%x", round, size, at,
			    slots[k][at]);
		} else {
			slots[k] = malloc(size);
			REQUIRE(slots[k] != NULL, "malloc(%zu)", size);
			if (size % 3 == 0) {
				memset(slots[k], 0x5a, size);
				size = random_size(&state, 19);
				slots[k] = realloc(slots[k], size);
			}
		}
		memset(slots[k], 0x5a, malloc_usable_size(slots[k]));
	}
	for (size_t k = 0; k < ARRAY_LENGTH(slots); k++)
		free(slots[k]);
}

struct stretch {
	uintptr_t start, end;
};

static int by_start(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void live_buffers_do_not_overlap(void)
{
	enum { COUNT = 3000 };
	static struct stretch live[COUNT];
	uint64_t state = 3;

	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			if (live[i].start != 0 && random_next(&state) % 3 == 0)
				continue;
			size_t size = random_size(&state, 17);
			size_t s = random_next(&state) % contract_source_count;

			free((void *)live[i].start);
			live[i].start = (uintptr_t)contract_sources[s].allocate(size);
			REQUIRE(live[i].start != 0, "%s, %zu bytes", contract_sources[s].name, size);
			live[i].end = live[i].start + malloc_usable_size((void *)live[i].start);
		}
		qsort(live, COUNT, sizeof live[0], by_start);
		for (size_t i = 1; i < COUNT; i++)
			EXPECT(live[i - 1].end <= live[i].start, "%zx-%zx and %zx-%zx", live[i - 1].start,
			    live[i - 1].end, live[i].start, live[i].end);
	}
	for (size_t i = 0; i < COUNT; i++)
		free((void *)live[i].start);
}

static void buffers_freed_in_any_order_come_back_whole(void)
{
	enum { COUNT = 400 };
	static void *p[COUNT];
	uint64_t state = 29;

	for (unsigned order = 0; order < 3; order++) {
		for (size_t i = 0; i < COUNT; i++) {
			size_t size = 4096 + (i * 8191) % (300 * KIB);

			p[i] = malloc(size);
			REQUIRE(p[i] != NULL, "malloc(%zu)", size);
			pattern_fill(p[i], size, i, PATTERN_SPARSE);
		}
		for (size_t n = 0; n < COUNT; n++) {
			size_t i = order == 0 ? n : order == 1 ? COUNT - 1 - n : random_next(&state) % COUNT;

			if (p[i] == NULL)
				continue;
			EXPECT(pattern_check(p[i], 4096 + (i * 8191) % (300 * KIB), i, PATTERN_SPARSE) ==
				   PATTERN_OK,
			    "order %u, buffer %zu", order, i);
			free(p[i]);
			p[i] = NULL;
		}
		for (size_t i = 0; i < COUNT; i++) {
			free(p[i]);
			p[i] = NULL;
		}
	}
}

static const struct test tests[] = {
    {"every_function_gives_writable_memory_of_every_size", every_function_gives_writable_memory_of_every_size,
	0},
    {"every_pointer_is_a_multiple_of_16", every_pointer_is_a_multiple_of_16, TEST_GLIBC},
    {"size_0_gives_distinct_pointers_that_can_be_freed", size_0_gives_distinct_pointers_that_can_be_freed, 0},
    {"usable_size_is_at_least_the_request_and_writable_to_the_end",
	usable_size_is_at_least_the_request_and_writable_to_the_end, 0},
    {"realloc_keeps_all_that_was_usable", realloc_keeps_all_that_was_usable, 0},
    {"usable_size_of_NULL_is_0", usable_size_of_NULL_is_0, 0},
    {"calloc_is_zero_after_dirty_frees", calloc_is_zero_after_dirty_frees, 0},
    {"calloc_is_zero_where_other_sizes_were_dirty", calloc_is_zero_where_other_sizes_were_dirty, 0},
    {"live_buffers_do_not_overlap", live_buffers_do_not_overlap, 0},
    {"buffers_freed_in_any_order_come_back_whole", buffers_freed_in_any_order_come_back_whole, 0},
};
const struct suite content_suite = SUITE(tests);
