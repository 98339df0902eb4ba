/*
 * test_arena.c -- purging: how much goes, which end of a run, and what stays.
 */
#include "pool/arena.h"
#include "pool/pool.h"
#include "run_suite.h"

#define BUFFER_PAGES 512
#define NEVER (UINT32_MAX / 4)

static void start(void)
{
	struct settings settings;
	settings_default(&settings);
	ck_assert(pool_init(&settings));
}

/* A free run whose first BUFFER_PAGES are resident. */
static uint32_t make_free_run(void)
{
	struct arena_change change;
	uint32_t page;
	unsigned class = size_class_of(BUFFER_PAGES * PAGE_BYTES);
	ck_assert_uint_eq(arenas_take(0, class, 1, 0, &page, &change), 1);
	arenas_give(&page, 1, 0, &change);
	ck_assert_uint_eq(arenas_hot_pages(), BUFFER_PAGES);
	return page;
}

START_TEST(a_surplus_that_comes_in_parts_goes_from_the_end_of_what_is_resident)
{
	start();
	uint32_t page = make_free_run();
	for (uint32_t left = BUFFER_PAGES; left > 12;) {
		ck_assert_uint_eq(arena_purge(&arenas.at[0], 100, NEVER, 0), 100);
		left -= 100;
		ck_assert_uint_eq(arenas_hot_pages(), left);
		ck_assert_uint_eq(hot_count(page, left), left);
	}
	ck_assert_uint_eq(arena_purge(&arenas.at[0], 100, NEVER, 0), 12);
	ck_assert_uint_eq(arenas_hot_pages(), 0);
}
END_TEST

START_TEST(without_a_surplus_only_what_is_old_goes)
{
	start();
	make_free_run();
	ck_assert_uint_eq(arena_purge(&arenas.at[0], 0, 50, 49), 0);
	ck_assert_uint_eq(arena_purge(&arenas.at[0], 0, 50, 50), BUFFER_PAGES);
	ck_assert_uint_eq(arena_purge(&arenas.at[0], 0, 50, 51), 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, a_surplus_that_comes_in_parts_goes_from_the_end_of_what_is_resident);
	tcase_add_test(tests, without_a_surplus_only_what_is_old_goes);
}

int main(void)
{
	return run_suite("arena", add_tests);
}
