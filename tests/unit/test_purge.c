/*
 * test_purge.c -- what goes first when something has to, and what goes with it. By a heap of one arena; the windows
 * of demand are turned by hand.
 */
#include <sys/mman.h>

#include "heap.h"
#include "pool/purge.h"
#include "run_suite.h"

#define RUNS 20
#define RUN_PAGES (RUNS * PAGES_64K)

static uint32_t pages[256];

/* Runs of 64 KiB in a row, all freed long ago but the last one; between two walls of runs in use. */
static void leave_one_used(void)
{
	start(1);
	for (unsigned i = 0; i < RUNS; i++) {
		pages[i] = take(CLASS_64K, 1);
		ck_assert_uint_eq(pages[i], pages[0] + i * PAGES_64K);
	}
	take(CLASS_64K, 1);
	for (unsigned i = 0; i < RUNS - 1; i++)
		give(pages[i], 2);
	range_end_window();
	range_end_window();
	give(pages[RUNS - 1], 2);
	ck_assert_uint_eq(hot_count(pages[0], RUN_PAGES), RUN_PAGES);
}

static void by_the_pass(uint64_t surplus)
{
	ck_assert_uint_eq(purge_oldest(surplus, UINT32_MAX, 3), surplus);
}

static void by_pieces(uint64_t surplus)
{
	struct purge_hand hand = {.page = 1};

	purge_begin_unused(&hand, surplus, UINT32_MAX);
	for (unsigned piece = 0; hand.rounds != 0; piece++) {
		purge_piece(&hand, PURGE_PIECE_PAGES, PURGE_PIECE_LOOKS, 3);
		ck_assert_uint_lt(piece, 100);
	}
	ck_assert_uint_eq(hand.surplus_pages, 0);
}

static void (*const ways[])(uint64_t surplus) = {by_the_pass, by_pieces};

START_TEST(what_nobody_used_in_the_last_window_goes_first)
{
	leave_one_used();
	ways[_i](RUN_PAGES - 2 * PAGES_64K);
	ck_assert_uint_eq(hot_count(pages[0], RUN_PAGES), 2 * PAGES_64K);
	ck_assert_uint_eq(hot_count(pages[RUNS - 1], PAGES_64K), PAGES_64K);
	ck_engine_is_whole(0);
	/* What was used goes when there is nothing else. */
	ways[_i](2 * PAGES_64K);
	ck_assert_uint_eq(arenas_hot_pages(), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(what_was_used_is_so_for_this_window_and_the_next)
{
	leave_one_used();
	for (int window = 0; window < _i; window++)
		range_end_window();
	purge_oldest(RUN_PAGES - PAGES_64K, UINT32_MAX, 3);
	/* After that its pages are as any, and the last ones go first. */
	ck_assert_uint_eq(hot_count(pages[RUNS - 1], PAGES_64K), _i < 2 ? PAGES_64K : 0);
	engine_stop();
}
END_TEST

/* Of the table's part that describes so many pages, how many pages are resident. */
static unsigned table_resident(uint32_t page, uint32_t count)
{
	uintptr_t from = (uintptr_t)run_at(page) & ~(PAGE_BYTES - 1);
	uintptr_t to = ROUND_UP((uintptr_t)run_at(page + count), PAGE_BYTES);
	unsigned char resident[64];
	unsigned sum = 0;

	ck_assert_uint_le((to - from) / PAGE_BYTES, sizeof(resident));
	ck_assert_int_eq(mincore((void *)from, to - from, resident), 0);
	for (unsigned i = 0; i < (to - from) / PAGE_BYTES; i++)
		sum += resident[i] & 1;
	return sum;
}

START_TEST(what_the_table_has_of_pages_that_went_goes_as_well)
{
	start(1);
	for (unsigned i = 0; i < ARRAY_LENGTH(pages); i++)
		pages[i] = take(CLASS_64K, 1);
	for (unsigned i = 0; i < ARRAY_LENGTH(pages); i++)
		give(pages[i], 2);
	/* 4,096 pages, 128 to a page of the table. */
	ck_assert_uint_ge(table_resident(pages[0], 4096), 32);
	purge_oldest(UINT32_MAX, UINT32_MAX, 3);
	ck_assert_uint_eq(arenas_hot_pages(), 0);
	/* The ends of the run are described, and beside them others are. */
	ck_assert_uint_le(table_resident(pages[0], 4096), 3);
	ck_engine_is_whole(0);
	for (unsigned i = 0; i < ARRAY_LENGTH(pages); i++)
		take(CLASS_64K, 4);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(
	    tests, what_nobody_used_in_the_last_window_goes_first, 0, (int)ARRAY_LENGTH(ways));
	tcase_add_loop_test(tests, what_was_used_is_so_for_this_window_and_the_next, 0, 3);
	tcase_add_test(tests, what_the_table_has_of_pages_that_went_goes_as_well);
}

int main(void)
{
	return run_suite("purge", add_tests);
}
