/*
 * align.c -- every aligned form, good and bad alignments.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/common/pattern.h"
#include "tests/contract/contract.h"

static void *by_posix_memalign(size_t alignment, size_t size)
{
	void *p = NULL;

	return posix_memalign(&p, alignment, size) == 0 ? p : NULL;
}

static const struct {
	const char *name;
	void *(*allocate)(size_t alignment, size_t size);
} aligned_sources[] = {
    {"posix_memalign", by_posix_memalign},
    {"aligned_alloc", aligned_alloc},
    {"memalign", memalign},
};

static const size_t aligned_sizes[] = {
    1, 17, 100, 2048, 4095, 4096, 4097, 10000, 16384, 20000, 65536, 100000, 300000, MIB - 1, MIB, MIB + 1};

static void every_alignment_from_16_to_4_MiB_is_met_at_every_size(void)
{
	for (size_t s = 0; s < ARRAY_LENGTH(aligned_sources); s++)
		for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 2)
			for (size_t i = 0; i < ARRAY_LENGTH(aligned_sizes); i++) {
				size_t size = aligned_sizes[i];
				void *p[3];

				for (size_t k = 0; k < ARRAY_LENGTH(p); k++) {
					p[k] = aligned_sources[s].allocate(alignment, size);
					REQUIRE(p[k] != NULL && (uintptr_t)p[k] % alignment == 0,
					    "%s(%zu, %zu): %p", aligned_sources[s].name, alignment, size,
					    p[k]);
					EXPECT(malloc_usable_size(p[k]) >= size, "%s(%zu, %zu): usable %zu",
					    aligned_sources[s].name, alignment, size,
					    malloc_usable_size(p[k]));
					pattern_fill(p[k], size, k, PATTERN_SPARSE);
				}
				for (size_t k = 0; k < ARRAY_LENGTH(p); k++) {
					EXPECT(pattern_check(p[k], size, k, PATTERN_SPARSE) == PATTERN_OK,
					    "%s(%zu, %zu) is another's too", aligned_sources[s].name,
					    alignment, size);
					free(p[k]);
				}
			}
}

static void an_alignment_is_met_at_size_0(void)
{
	for (size_t s = 0; s < ARRAY_LENGTH(aligned_sources); s++)
		for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 2) {
			void *p = aligned_sources[s].allocate(alignment, 0);

			EXPECT(p != NULL && (uintptr_t)p % alignment == 0, "%s(%zu, 0): %p",
			    aligned_sources[s].name, alignment, p);
			free(p);
		}
}

static void posix_memalign_refuses_what_is_no_alignment(void)
{
	static const size_t bad[] = {
	    0, 1, 2, 3, 4, 7, 9, 12, 15, 17, 24, 48, 100, 4095, 4097, 6144, MIB + 1, 3 * MIB, SIZE_MAX};
	int marker;

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		for (size_t size = 1; size < 10 * MIB; size = size * 9 + 1) {
			void *p = &marker;
			int error = posix_memalign(&p, bad[i], size);

			EXPECT(error == EINVAL, "posix_memalign(%zu, %zu) is %d", bad[i], size, error);
			EXPECT(p == &marker, "posix_memalign(%zu, %zu) stored %p", bad[i], size, p);
		}
	void *p = NULL;

	EXPECT(posix_memalign(&p, sizeof(void *), 100) == 0 && p != NULL,
	    "sizeof(void *) is an alignment: %p", p);
	free(p);
}

static void posix_memalign_of_too_much_is_ENOMEM(void)
{
	static const size_t sizes[] = {
	    (size_t)PTRDIFF_MAX + 1, SIZE_MAX, SIZE_MAX - 64, SIZE_MAX - 4096, PTRDIFF_MAX};
	int marker;

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
		for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 2) {
			void *p = &marker;
			int error = posix_memalign(&p, alignment, sizes[i]);

			EXPECT(error == ENOMEM && p == &marker, "posix_memalign(%zu, %zx) is %d, %p",
			    alignment, sizes[i], error, p);
		}
}

/* 2.38 refuses in aligned_alloc what is no power of two; before, both round it up. */
static void a_bad_alignment_is_refused_or_rounded_up(void)
{
	static const size_t bad[] = {0, 1, 3, 9, 24, 48, 100, 3000, 6144};

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		errno = 0;
		void *p = aligned_alloc(bad[i], 5000);

		EXPECT(p != NULL ? bad[i] == 0 || (uintptr_t)p % (bad[i] & -bad[i]) == 0 : errno == EINVAL,
		    "aligned_alloc(%zu, 5000) is %p, errno %d", bad[i], p, errno);
		free(p);
		p = memalign(bad[i], 5000);
		size_t rounded = 16;

		while (rounded < bad[i])
			rounded *= 2;
		REQUIRE(p != NULL && (uintptr_t)p % rounded == 0, "memalign(%zu, 5000) is %p", bad[i], p);
		memset(p, 1, 5000);
		free(p);
	}
}

static void an_alignment_that_is_too_large_gives_NULL(void)
{
	/* EINVAL above half of the address space, as glibc's source and manual say; ENOMEM below. */
	static const struct {
		size_t alignment;
		int error;
	} rows[] = {
	    {SIZE_MAX / 2 + 2, EINVAL},
	    {SIZE_MAX, EINVAL},
	    {SIZE_MAX / 2 + 1, ENOMEM},
	    {SIZE_MAX / 4 + 1, ENOMEM},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		errno = 0;
		void *p = memalign(rows[i].alignment, 5000);

		EXPECT(p == NULL && errno == rows[i].error, "memalign(%zx, 5000) is %p, errno %d",
		    rows[i].alignment, p, errno);
	}
}

static void valloc_gives_starts_of_pages(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < contract_size_count; i++) {
		void *p = valloc(contract_sizes[i]);

		REQUIRE(p != NULL && (uintptr_t)p % page == 0, "valloc(%zu) is %p", contract_sizes[i], p);
		memset(p, 1, contract_sizes[i]);
		free(p);
	}
}

static void pvalloc_gives_whole_pages(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < contract_size_count; i++) {
		size_t whole = (contract_sizes[i] + page - 1) / page * page;
		void *p = pvalloc(contract_sizes[i]);

		REQUIRE(p != NULL && (uintptr_t)p % page == 0, "pvalloc(%zu) is %p", contract_sizes[i], p);
		REQUIRE(malloc_usable_size(p) >= whole, "pvalloc(%zu): usable %zu", contract_sizes[i],
		    malloc_usable_size(p));
		memset(p, 1, whole);
		free(p);
	}
	errno = 0;
	EXPECT(pvalloc(SIZE_MAX - 100) == NULL && errno == ENOMEM, "errno %d", errno);
}

static void aligned_buffers_are_replaced_at_random(void)
{
	enum { COUNT = 100 };
	static void *p[COUNT];
	static size_t sizes[COUNT];
	uint64_t state = 5;

	for (unsigned round = 0; round < 8000; round++) {
		size_t i = random_next(&state) % COUNT;
		size_t alignment = (size_t)16 << random_next(&state) % 13;

		if (p[i] != NULL)
			REQUIRE(pattern_check(p[i], sizes[i], i, PATTERN_SPARSE) == PATTERN_OK, "round %u",
			    round);
		free(p[i]);
		sizes[i] = random_size(&state, 18);
		p[i] = aligned_sources[round % ARRAY_LENGTH(aligned_sources)].allocate(alignment, sizes[i]);
		REQUIRE(p[i] != NULL && (uintptr_t)p[i] % alignment == 0, "%zu at %zu: %p", sizes[i],
		    alignment, p[i]);
		pattern_fill(p[i], sizes[i], i, PATTERN_SPARSE);
	}
	for (size_t i = 0; i < COUNT; i++)
		free(p[i]);
}

static const struct test tests[] = {
    {"every_alignment_from_16_to_4_MiB_is_met_at_every_size",
	every_alignment_from_16_to_4_MiB_is_met_at_every_size, 0},
    {"an_alignment_is_met_at_size_0", an_alignment_is_met_at_size_0, TEST_GLIBC},
    {"posix_memalign_refuses_what_is_no_alignment", posix_memalign_refuses_what_is_no_alignment, 0},
    {"posix_memalign_of_too_much_is_ENOMEM", posix_memalign_of_too_much_is_ENOMEM, 0},
    {"a_bad_alignment_is_refused_or_rounded_up", a_bad_alignment_is_refused_or_rounded_up, TEST_GLIBC},
    {"an_alignment_that_is_too_large_gives_NULL", an_alignment_that_is_too_large_gives_NULL, TEST_GLIBC},
    {"valloc_gives_starts_of_pages", valloc_gives_starts_of_pages, 0},
    {"pvalloc_gives_whole_pages", pvalloc_gives_whole_pages, TEST_GLIBC},
    {"aligned_buffers_are_replaced_at_random", aligned_buffers_are_replaced_at_random, 0},
};
const struct suite align_suite = SUITE(tests);
