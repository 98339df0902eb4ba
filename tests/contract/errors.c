/*
 * errors.c -- requests that cannot be met, and errno.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tests/contract/contract.h"

static void requests_above_PTRDIFF_MAX_give_NULL_and_ENOMEM(void)
{
	static const size_t too_large[] = {(size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX + 4097,
	    SIZE_MAX - 4096, SIZE_MAX - 16, SIZE_MAX - 1, SIZE_MAX};

	for (size_t s = 0; s < contract_source_count; s++)
		for (size_t i = 0; i < ARRAY_LENGTH(too_large); i++) {
			if (contract_sources[s].is_resizing)
				continue; /* its first half may be had */
			errno = 0;
			void *p = contract_sources[s].allocate(too_large[i]);
			bool is_error_known =
			    errno == ENOMEM || strcmp(contract_sources[s].name, "posix_memalign(32)") == 0;

			EXPECT(p == NULL && is_error_known, "%s(%zx) is %p, errno %d",
			    contract_sources[s].name, too_large[i], p, errno);
		}
}

static void requests_that_no_machine_has_give_NULL_and_ENOMEM(void)
{
	static const size_t too_large[] = {PTRDIFF_MAX, (size_t)1 << 62, (size_t)1 << 56, (size_t)1 << 48};

	for (size_t i = 0; i < ARRAY_LENGTH(too_large); i++) {
		errno = 0;
		void *p = malloc(too_large[i]);

		EXPECT(p == NULL && errno == ENOMEM, "malloc(%zx) is %p, errno %d", too_large[i], p, errno);
		errno = 0;
		p = calloc(1, too_large[i]);
		EXPECT(
		    p == NULL && errno == ENOMEM, "calloc(1, %zx) is %p, errno %d", too_large[i], p, errno);
	}
}

static void products_that_overflow_give_NULL_and_ENOMEM(void)
{
	static const struct {
		size_t count, size;
	} rows[] = {
	    {SIZE_MAX, 2},
	    {2, SIZE_MAX},
	    {SIZE_MAX, SIZE_MAX},
	    {SIZE_MAX / 2 + 1, 2},
	    {SIZE_MAX / 16 + 2, 16},
	    {(size_t)1 << 32, (size_t)1 << 32},
	    {(size_t)3 << 32, (size_t)3 << 32},
	    {SIZE_MAX / 4096 + 3, 4096},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		errno = 0;
		void *p = calloc(rows[i].count, rows[i].size);

		EXPECT(p == NULL && errno == ENOMEM, "calloc(%zx, %zx) is %p, errno %d", rows[i].count,
		    rows[i].size, p, errno);
		errno = 0;
		p = reallocarray(NULL, rows[i].count, rows[i].size);
		EXPECT(p == NULL && errno == ENOMEM, "reallocarray(NULL, %zx, %zx) is %p, errno %d",
		    rows[i].count, rows[i].size, p, errno);
	}
}

/* POSIX.1-2024 and glibc's manual since 2.33. The kernel is entered for big
 * buffers, and a refused madvise or munmap must not show either. */
static void free_keeps_errno(void)
{
	static const int values[] = {0, EINTR, ENOMEM, EINVAL, 4095};

	for (size_t v = 0; v < ARRAY_LENGTH(values); v++) {
		errno = values[v];
		free(NULL);
		EXPECT(errno == values[v], "free(NULL) made %d of errno %d", errno, values[v]);
		for (size_t i = 0; i < contract_size_count; i++) {
			void *p = malloc(contract_sizes[i]);

			REQUIRE(p != NULL, "malloc(%zu)", contract_sizes[i]);
			memset(p, 1, contract_sizes[i]);
			errno = values[v];
			free(p);
			EXPECT(errno == values[v], "free of %zu bytes made %d of errno %d", contract_sizes[i],
			    errno, values[v]);
		}
	}
	/* Enough at once that any cache overflows and any collection starts. */
	enum { COUNT = 600 };
	static void *p[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		p[i] = malloc(4096 << i % 9);
		REQUIRE(p[i] != NULL, "buffer %zu", i);
		memset(p[i], 1, 4096 << i % 9);
	}
	for (size_t i = 0; i < COUNT; i++) {
		errno = 4095;
		free(p[i]);
		EXPECT(errno == 4095, "free of buffer %zu made it %d", i, errno);
	}
}

static void cfree_frees(void)
{
	void (*cfree_function)(void *) = (void (*)(void *))contract_symbol("cfree");

	if (cfree_function == NULL) {
		harness_skip("no cfree here");
		return;
	}
	for (int round = 0; round < 200; round++)
		for (size_t i = 0; i < contract_size_count; i += 3) {
			void *p = malloc(contract_sizes[i]);

			REQUIRE(p != NULL, "malloc(%zu), round %d", contract_sizes[i], round);
			cfree_function(p);
		}
	cfree_function(NULL);
}

static void free_sized_and_free_aligned_sized_free(void)
{
	void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))contract_symbol("free_sized");
	void (*free_aligned_sized)(void *, size_t, size_t) =
	    (void (*)(void *, size_t, size_t))contract_symbol("free_aligned_sized");

	if (free_sized == NULL || free_aligned_sized == NULL) {
		EXPECT(!harness_is_under("weir"), "Weir has free_sized and free_aligned_sized");
		harness_skip("no free_sized and free_aligned_sized here");
		return;
	}
	free_sized(NULL, 0);
	free_sized(NULL, 65536);
	free_aligned_sized(NULL, 64, 65536);
	for (int round = 0; round < 50; round++)
		for (size_t i = 0; i < contract_size_count; i++) {
			size_t size = contract_sizes[i];
			void *p = malloc(size), *q = calloc(1, size), *r = realloc(malloc(10), size);

			REQUIRE(p != NULL && q != NULL && r != NULL, "%zu bytes, round %d", size, round);
			errno = 4095;
			free_sized(p, size);
			free_sized(q, size);
			free_sized(r, size);
			p = aligned_alloc(64, (size + 63) / 64 * 64);
			q = aligned_alloc(8192, (size + 8191) / 8192 * 8192);
			REQUIRE(p != NULL && q != NULL, "%zu bytes, round %d", size, round);
			errno = 4095;
			free_aligned_sized(p, 64, (size + 63) / 64 * 64);
			free_aligned_sized(q, 8192, (size + 8191) / 8192 * 8192);
			EXPECT(errno == 4095, "errno is %d", errno);
		}
}

static const struct test tests[] = {
    {"requests_above_PTRDIFF_MAX_give_NULL_and_ENOMEM", requests_above_PTRDIFF_MAX_give_NULL_and_ENOMEM,
	TEST_GLIBC},
    {"requests_that_no_machine_has_give_NULL_and_ENOMEM", requests_that_no_machine_has_give_NULL_and_ENOMEM,
	0},
    {"products_that_overflow_give_NULL_and_ENOMEM", products_that_overflow_give_NULL_and_ENOMEM, 0},
    {"free_keeps_errno", free_keeps_errno, 0},
    {"cfree_frees", cfree_frees, TEST_GLIBC},
    {"free_sized_and_free_aligned_sized_free", free_sized_and_free_aligned_sized_free, TEST_GLIBC},
};
const struct suite error_suite = SUITE(tests);
