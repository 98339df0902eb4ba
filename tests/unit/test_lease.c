/*
 * test_lease.c -- buffers cut from a lease: whole, once each, and what is left comes back.
 */
#include <pthread.h>

#include "pool/lease.h"
#include "heap.h"
#include "run_suite.h"

START_TEST(what_is_cut_is_idle_side_by_side_and_has_a_number_of_its_own)
{
	uint32_t pages[4], page;
	uint64_t locks;
	start(1);
	page = take(CLASS_64K, 1);
	ck_assert_uint_eq(arenas_cut(CLASS_64K, 0, 1, 1, pages), 0);
	ck_assert_uint_eq(arenas_lease(CLASS_64K, 0, 1, 1, pages, &change), 1);
	ck_assert_uint_eq(change.out_pages, PAGES_64K + lease_pages(&arenas.at[0]));
	locks = arenas.at[0].lock.acquisitions;
	ck_assert_uint_eq(arenas_cut(CLASS_64K, 0, 2, 2, pages + 1), 2);
	ck_assert_uint_eq(arenas_cut(0, 0, 1, 77, pages + 3), 1);
	ck_assert_uint_eq(arenas.at[0].lock.acquisitions, locks);
	for (unsigned i = 0; i < 4; i++) {
		const struct run *run = run_at(pages[i]);
		ck_assert_uint_eq(pages[i], pages[0] + i * PAGES_64K);
		ck_assert_int_eq(run->state, RUN_IDLE);
		ck_assert_uint_eq(run->pages, i < 3 ? PAGES_64K : 1);
		ck_assert_uint_eq(run->buffer.serial & ~BUFFER_FLAGS, 2 * i + 1);
		/* Nobody has touched the range yet. */
		ck_assert((run->buffer.serial & BUFFER_WAS_COLD) != 0);
	}
	ck_assert_uint_eq(run_at(pages[3])->buffer.created, 77);
	ck_engine_is_whole(0);
	uint32_t all[] = {page, pages[0], pages[1], pages[2], pages[3]};
	arenas_give(all, 5, 3, &change);
	ck_assert_uint_eq(engine_out_pages(), lease_pages(&arenas.at[0]));
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(what_is_cut_as_long_as_asked_is_of_the_largest_class_within)
{
	enum { PAGES = 226 }; /* 904 KiB: between the classes of 896 and 960 */
	uint32_t pages[2];
	start(1);
	take(CLASS_64K, 1);
	ck_assert_uint_eq(arenas_lease(size_class_of(PAGES * PAGE_BYTES), PAGES, 1, 1, pages, &change), 1);
	ck_assert_uint_eq(arenas_cut(size_class_of(PAGES * PAGE_BYTES), PAGES, 1, 1, pages + 1), 1);
	ck_assert_uint_eq(pages[1], pages[0] + PAGES);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(run_at(pages[i])->pages, PAGES);
		ck_assert_uint_eq(run_at(pages[i])->size_class, size_class_within(PAGES));
		ck_assert_uint_lt(size_class_pages(run_at(pages[i])->size_class), PAGES);
	}
	arenas_give(pages, 2, 2, &change);
	ck_assert_uint_eq(change.out_pages, 2 * PAGES);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(a_lease_that_nobody_uses_ends)
{
	uint32_t page, left;
	start(1);
	take(CLASS_64K, 1);
	ck_assert_uint_eq(arenas_lease(CLASS_64K, 0, 1, 10, &page, &change), 1);
	left = lease_pages(&arenas.at[0]);
	ck_assert_uint_gt(left, 0);
	ck_assert_uint_eq(arenas_end_leases(15, 6), 0);
	ck_assert_uint_eq(lease_pages(&arenas.at[0]), left);
	ck_assert_uint_eq(arenas_end_leases(16, 6), left);
	ck_assert_uint_eq(lease_pages(&arenas.at[0]), 0);
	ck_assert_uint_eq(arenas_cut(CLASS_64K, 0, 1, 17, &page), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(a_lease_is_resident_where_what_idles_is)
{
	enum { WARM = 64 };
	uint32_t pages[WARM], page;
	start(1);
	for (unsigned i = 0; i < WARM; i++)
		pages[i] = take(CLASS_64K, 1);
	take(CLASS_64K, 1);
	arenas_give(pages, WARM, 2, &change);
	ck_assert_uint_eq(arenas_lease(CLASS_64K, 0, 1, 3, &page, &change), 1);
	ck_assert_uint_eq(change.fresh_pages, 0);
	ck_assert((run_at(page)->buffer.serial & BUFFER_WAS_COLD) == 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(short_resident_runs_go_before_a_lease_that_would_fault)
{
	uint32_t pages[3], page;
	start(1);
	ck_assert_uint_eq(arenas_take(CLASS_64K, 3, 1, pages, &change), 3);
	arenas_give(&pages[1], 1, 2, &change);
	ck_assert_uint_eq(arenas_lease(CLASS_64K, 0, 1, 3, &page, &change), 1);
	ck_assert_uint_eq(page, pages[1]);
	ck_assert_uint_eq(lease_pages(&arenas.at[0]), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(a_lease_is_a_share_of_what_is_out_of_the_heap)
{
	uint32_t page;
	start(1);
	take(CLASS_64K, 1);
	ck_assert_uint_eq(arenas_lease(0, 0, 1, 3, &page, &change), 1);
	ck_assert_uint_lt(lease_pages(&arenas.at[0]), LEASE_PAGES / 4);
	for (unsigned i = 0; i < 2 * LEASE_PAGES / PAGES_64K; i++)
		take(CLASS_64K, 1);
	while (arenas_cut(0, 0, 1, 1, &page) != 0)
		;
	ck_assert_uint_eq(arenas_lease(0, 0, 1, 3, &page, &change), 1);
	ck_assert_uint_eq(lease_pages(&arenas.at[0]), LEASE_PAGES - 1);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

enum { CUTTERS = 3, ROUNDS = 3000 };

static void *cut_and_give(void *unused)
{
	struct arena_change own;

	arenas_settle(0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t pages[4];
		unsigned count = arenas_cut(i % 3 * 8, 0, 4, 1, pages);

		if (count == 0)
			count = arenas_lease(0, 0, 4, 1, pages, &own);
		for (unsigned k = 0; k < count; k++) {
			ck_need(run_at(pages[k])->state == RUN_IDLE);
			/* Nobody else has it, too. */
			ck_need(__atomic_fetch_add(
				    &run_at(pages[k])->buffer.use_count, 1, __ATOMIC_RELAXED) == 0);
		}
		if (count != 0)
			arenas_give_soon(pages, count, i % 2 == 0, 2, &own);
	}
	return unused;
}

START_TEST(threads_that_cut_from_one_lease_never_get_the_same_pages)
{
	pthread_t threads[CUTTERS];
	start(1);
	for (unsigned i = 0; i < CUTTERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, cut_and_give, NULL), 0);
	for (unsigned i = 0; i < CUTTERS; i++)
		pthread_join(threads[i], NULL);
	ck_engine_is_whole(0);
	arenas_settle_returns(3);
	arenas_end_leases(3, 0);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, what_is_cut_is_idle_side_by_side_and_has_a_number_of_its_own);
	tcase_add_test(tests, what_is_cut_as_long_as_asked_is_of_the_largest_class_within);
	tcase_add_test(tests, a_lease_that_nobody_uses_ends);
	tcase_add_test(tests, a_lease_is_resident_where_what_idles_is);
	tcase_add_test(tests, short_resident_runs_go_before_a_lease_that_would_fault);
	tcase_add_test(tests, a_lease_is_a_share_of_what_is_out_of_the_heap);
	tcase_add_test(tests, threads_that_cut_from_one_lease_never_get_the_same_pages);
}

int main(void)
{
	return run_suite("lease", add_tests);
}
