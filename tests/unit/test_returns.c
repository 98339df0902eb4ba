/*
 * test_returns.c -- buffers that go back to an arena together, and those that wait before it.
 */
#include <pthread.h>
#include <sched.h>

#include "pool/returns.h"
#include "heap.h"
#include "run_suite.h"
#include "tests/common/pattern.h"

START_TEST(neighbours_enter_the_heap_as_one_run)
{
	uint32_t pages[6], last;
	start(1);
	ck_assert_uint_eq(arenas_take(CLASS_64K, 6, 1, pages, &change), 6);
	last = pages[5];
	/* So that what follows is not free. */
	uint32_t mixed[] = {pages[3], pages[1], pages[4], pages[2]};
	arenas_give(mixed, 4, 2, &change);
	ck_assert_uint_eq(change.out_pages, 4 * PAGES_64K);
	ck_assert_uint_eq(runs_free_length(&arenas.at[0].runs, pages[1]), 4 * PAGES_64K);
	ck_engine_is_whole(0);
	arenas_give(&last, 1, 2, &change);
	arenas_give(pages, 1, 2, &change);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(what_waits_is_idle_and_out_of_the_heap_until_it_is_let_in)
{
	struct arena *arena;
	uint32_t pages[3], slot;
	uint64_t out, locks;
	start(1);
	arena = &arenas.at[0];
	ck_assert_uint_eq(arenas_take(CLASS_64K, 3, 1, pages, &change), 3);
	slot = take(3, 1);
	out = arena->out_pages;
	locks = arena->lock.acquisitions;
	uint32_t all[] = {pages[2], slot, pages[0], pages[1]};
	arenas_give_soon(all, 4, true, 2, &change);
	ck_assert_uint_eq(change.out_pages, 0);
	ck_assert_uint_eq(arena->lock.acquisitions, locks);
	ck_assert_uint_eq(arena->out_pages, out);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(run_at(all[i])->state, RUN_IDLE);
	ck_engine_is_whole(0);
	/* Who takes next lets them in first, and has the first of them. */
	ck_assert_uint_eq(take(CLASS_64K, 3), pages[0]);
	ck_assert_uint_eq(change.returned_pages, out);
	ck_assert_uint_eq(change.out_pages, PAGES_64K);
	ck_assert_uint_eq(arena->out_pages, PAGES_64K);
	ck_assert(!returns_are_waiting(arena));
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(who_brings_more_than_may_wait_lets_them_in)
{
	enum { MANY = 64 };
	uint32_t pages[MANY];
	uint64_t most = 0;
	unsigned settled = 0;
	start(1);
	for (unsigned i = 0; i < MANY; i++)
		pages[i] = take(CLASS_64K, 1);
	for (unsigned i = 0; i < MANY; i++) {
		arenas_give_soon(&pages[i], 1, true, 2, &change);
		settled += change.out_pages != 0;
		most = MAX(most, (uint32_t)arenas.at[0].returns);
	}
	ck_assert_uint_gt(settled, 0);
	ck_assert_uint_le(most, 2 * LEASE_PAGES);
	ck_engine_is_whole(0);
	arenas_settle_returns(3);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(nobody_waits_for_a_lock_to_give)
{
	uint32_t page;
	start(1);
	page = take(CLASS_64K, 1);
	lock_acquire(&arenas.at[0].lock);
	arenas_give_soon(&page, 1, false, 2, &change);
	lock_release(&arenas.at[0].lock);
	ck_assert_uint_eq(change.out_pages, 0);
	ck_assert_uint_eq(arenas_settle_returns(2), PAGES_64K);
	/* One that is open is taken. */
	page = take(CLASS_64K, 3);
	arenas_give_soon(&page, 1, false, 4, &change);
	ck_assert_uint_eq(change.out_pages, PAGES_64K);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

enum { GIVERS = 3, EACH = 500 };
static _Atomic uint32_t handed[GIVERS]; /* seq_cst: a test */
static _Atomic bool is_over;

static void *give_what_is_handed(void *index)
{
	_Atomic uint32_t *from = &handed[(uintptr_t)index];
	struct arena_change own;

	while (!is_over) {
		uint32_t page = atomic_exchange(from, 0);
		if (page != 0)
			arenas_give_soon(&page, 1, true, 2, &own);
		else
			sched_yield();
	}
	return NULL;
}

START_TEST(nothing_is_lost_where_several_push_while_one_lets_in)
{
	static const unsigned classes[] = {0, 3, 8, CLASS_64K};
	pthread_t threads[GIVERS];
	uint64_t random = 7;
	start(1);
	is_over = false;
	for (uintptr_t i = 0; i < GIVERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, give_what_is_handed, (void *)i), 0);
	for (unsigned i = 0; i < GIVERS * EACH; i++) {
		uint32_t page = take(classes[random_next(&random) % ARRAY_LENGTH(classes)], 1);
		while (handed[i % GIVERS] != 0)
			sched_yield();
		handed[i % GIVERS] = page;
	}
	for (unsigned i = 0; i < GIVERS; i++)
		while (handed[i] != 0)
			sched_yield();
	is_over = true;
	for (unsigned i = 0; i < GIVERS; i++)
		pthread_join(threads[i], NULL);
	arenas_settle_returns(3);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, neighbours_enter_the_heap_as_one_run);
	tcase_add_test(tests, what_waits_is_idle_and_out_of_the_heap_until_it_is_let_in);
	tcase_add_test(tests, who_brings_more_than_may_wait_lets_them_in);
	tcase_add_test(tests, nobody_waits_for_a_lock_to_give);
	tcase_add_test(tests, nothing_is_lost_where_several_push_while_one_lets_in);
}

int main(void)
{
	return run_suite("returns", add_tests);
}
