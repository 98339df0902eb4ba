/*
 * realloc.c -- what was in a buffer stays when it grows, shrinks or cannot.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tests/common/pattern.h"
#include "tests/contract/contract.h"

/* Resize p from *size, check what must be left, refill. NULL when it failed. */
static void *resize(void *p, size_t *size, size_t to, uint64_t *seed)
{
	size_t kept = *size < to ? *size : to;

	p = realloc(p, to);
	if (!EXPECT(p != NULL, "realloc from %zu to %zu", *size, to))
		return NULL;
	size_t at = pattern_check(p, kept, *seed, PATTERN_DENSE);

	EXPECT(at == PATTERN_OK, "from %zu to %zu bytes: byte %zu is lost", *size, to, at);
	EXPECT(to < 16 || (uintptr_t)p % 16 == 0, "%p", p);
	*size = to;
	pattern_fill(p, to, ++*seed, PATTERN_DENSE);
	return p;
}

static void realloc_keeps_the_content_from_every_size_to_every_size(void)
{
	static const size_t ends[] = {1, 16, 100, 2000, 4095, 4096, 4097, 8192, 12000, 16384, 16385, 65536,
	    70000, 262144, MIB - 1, MIB, MIB + 1, 2 * MIB};

	for (size_t i = 0; i < ARRAY_LENGTH(ends); i++)
		for (size_t k = 0; k < ARRAY_LENGTH(ends); k++) {
			uint64_t seed = i * 100 + k;
			size_t size = ends[i];
			void *p = malloc(size);

			REQUIRE(p != NULL, "malloc(%zu)", size);
			pattern_fill(p, size, seed, PATTERN_DENSE);
			free(resize(p, &size, ends[k], &seed));
		}
}

static void chain(size_t from, size_t to, size_t times, size_t divisor)
{
	uint64_t seed = from;
	size_t size = from, neighbour_size = 10000;
	void *p = malloc(size), *neighbour = malloc(neighbour_size);

	REQUIRE(p != NULL && neighbour != NULL, "malloc(%zu)", size);
	pattern_fill(p, size, seed, PATTERN_DENSE);
	pattern_fill(neighbour, neighbour_size, 77, PATTERN_DENSE);
	while (from < to ? size < to : size > to) {
		size_t next = from < to ? size * times / divisor + 1 : (size - 1) * divisor / times;

		p = resize(p, &size, next > 0 ? next : 1, &seed);
		REQUIRE(p != NULL, "chain from %zu to %zu", from, to);
		EXPECT(pattern_check(neighbour, neighbour_size, 77, PATTERN_DENSE) == PATTERN_OK,
		    "at %zu bytes a neighbour was written", size);
	}
	free(p);
	free(neighbour);
}

static void growth_chains_keep_the_content(void)
{
	chain(1, 20000, 1, 1);	 /* by one byte: strings */
	chain(1, 6 * MIB, 3, 2); /* vectors */
	chain(3, 9 * MIB, 2, 1);
	chain(4000, 3 * MIB, 21, 20); /* slow growth over every border */
}

static void shrink_chains_keep_the_content(void)
{
	chain(6 * MIB, 1, 3, 2);
	chain(9 * MIB, 1, 2, 1);
	chain(3 * MIB, 1000, 21, 20);
}

static void buffers_that_grow_side_by_side_keep_their_content(void)
{
	enum { COUNT = 12 };
	void *p[COUNT];
	size_t size[COUNT];
	uint64_t seed[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		size[i] = 4096 + i;
		seed[i] = i << 32;
		p[i] = malloc(size[i]);
		pattern_fill(p[i], size[i], seed[i], PATTERN_DENSE);
	}
	while (size[0] < MIB + MIB / 2)
		for (size_t i = 0; i < COUNT; i++) {
			p[i] = resize(p[i], &size[i], size[i] + size[i] / 4 + 4096, &seed[i]);
			REQUIRE(p[i] != NULL, "buffer %zu", i);
		}
	for (size_t i = 0; i < COUNT; i++) {
		EXPECT(pattern_check(p[i], size[i], seed[i], PATTERN_DENSE) == PATTERN_OK, "buffer %zu", i);
		free(p[i]);
	}
}

static void realloc_across_the_borders_of_4_KiB_and_1_MiB_both_ways(void)
{
	static const size_t borders[] = {4096, 16384, MIB};

	for (size_t b = 0; b < ARRAY_LENGTH(borders); b++) {
		size_t size = borders[b] - 1;
		uint64_t seed = b;
		void *p = malloc(size);

		pattern_fill(p, size, seed, PATTERN_DENSE);
		for (int round = 0; round < 200; round++) {
			size_t to = borders[b] - 16 + (size_t)(round * 7) % 33;

			p = resize(p, &size, round % 8 == 7 ? to * 3 / 2 : to, &seed);
			REQUIRE(p != NULL, "around %zu", borders[b]);
		}
		free(p);
	}
}

static void realloc_of_memory_from_every_function_keeps_the_content(void)
{
	static const size_t ends[] = {50, 5000, 70000, 3 * MIB};

	for (size_t s = 0; s < contract_source_count; s++)
		for (size_t i = 0; i < ARRAY_LENGTH(ends); i++)
			for (size_t k = 0; k < ARRAY_LENGTH(ends); k++) {
				size_t size = ends[i];
				uint64_t seed = s;
				void *p = contract_sources[s].allocate(size);

				pattern_fill(p, size, seed, PATTERN_DENSE);
				free(resize(p, &size, ends[k], &seed));
			}
}

static void realloc_to_0_frees_and_gives_NULL(void)
{
	for (size_t i = 0; i < contract_size_count; i++) {
		void *p = malloc(contract_sizes[i]);

		REQUIRE(p != NULL, "malloc(%zu)", contract_sizes[i]);
		p = realloc(p, 0);
		EXPECT(p == NULL, "%zu bytes: %p", contract_sizes[i], p);
	}
	/* 64 GiB in all, were it not freed. */
	for (int i = 0; i < 65536; i++) {
		unsigned char *p = malloc(MIB);

		REQUIRE(p != NULL, "malloc after %d frees by realloc", i);
		p[0] = p[MIB - 1] = 1;
		REQUIRE(realloc(p, 0) == NULL, "round %d", i);
	}
}

static void realloc_that_fails_leaves_the_buffer_as_it_was(void)
{
	static const size_t ends[] = {50, 5000, 70000, 3 * MIB};
	static const size_t too_large[] = {
	    (size_t)PTRDIFF_MAX + 1, SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX - 4096};

	for (size_t i = 0; i < ARRAY_LENGTH(ends); i++)
		for (size_t k = 0; k < ARRAY_LENGTH(too_large); k++) {
			void *volatile p = malloc(ends[i]); /* volatile: gcc takes every realloc for a free */

			pattern_fill(p, ends[i], i, PATTERN_DENSE);
			errno = 0;
			EXPECT(realloc(p, too_large[k]) == NULL && errno == ENOMEM,
			    "realloc to %zx: errno %d", too_large[k], errno);
			EXPECT(
			    pattern_check(p, ends[i], i, PATTERN_DENSE) == PATTERN_OK, "%zu bytes", ends[i]);
			errno = 0;
			EXPECT(reallocarray(p, too_large[k], 16) == NULL && errno == ENOMEM,
			    "reallocarray to %zx times 16: errno %d", too_large[k], errno);
			EXPECT(
			    pattern_check(p, ends[i], i, PATTERN_DENSE) == PATTERN_OK, "%zu bytes", ends[i]);
			free(p);
		}
}

static void reallocarray_multiplies(void)
{
	int *p = reallocarray(NULL, 3000, sizeof *p);

	REQUIRE(p != NULL && malloc_usable_size(p) >= 3000 * sizeof *p, "%p", (void *)p);
	for (int i = 0; i < 3000; i++)
		p[i] = i;
	p = reallocarray(p, 400000, sizeof *p);
	REQUIRE(p != NULL && malloc_usable_size(p) >= 400000 * sizeof *p, "%p", (void *)p);
	for (int i = 0; i < 3000; i++)
		REQUIRE(p[i] == i, "member %d is %d", i, p[i]);
	memset(p, 1, 400000 * sizeof *p);
	free(p);
}

static const struct test tests[] = {
    {"realloc_keeps_the_content_from_every_size_to_every_size",
	realloc_keeps_the_content_from_every_size_to_every_size, 0},
    {"growth_chains_keep_the_content", growth_chains_keep_the_content, 0},
    {"shrink_chains_keep_the_content", shrink_chains_keep_the_content, 0},
    {"buffers_that_grow_side_by_side_keep_their_content", buffers_that_grow_side_by_side_keep_their_content,
	0},
    {"realloc_across_the_borders_of_4_KiB_and_1_MiB_both_ways",
	realloc_across_the_borders_of_4_KiB_and_1_MiB_both_ways, 0},
    {"realloc_of_memory_from_every_function_keeps_the_content",
	realloc_of_memory_from_every_function_keeps_the_content, 0},
    {"realloc_to_0_frees_and_gives_NULL", realloc_to_0_frees_and_gives_NULL, TEST_GLIBC},
    {"realloc_that_fails_leaves_the_buffer_as_it_was", realloc_that_fails_leaves_the_buffer_as_it_was,
	TEST_GLIBC},
    {"reallocarray_multiplies", reallocarray_multiplies, 0},
};
const struct suite realloc_suite = SUITE(tests);
