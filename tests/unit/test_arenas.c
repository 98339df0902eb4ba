/*
 * test_arenas.c -- arenas side by side: which one a thread takes from, that they lend to each other, and how long what
 * the pool takes from them is.
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "pool/pool.h"
#include "heap.h"
#include "run_suite.h"
#include "tests/common/engine.h"

START_TEST(a_resident_run_of_another_arena_goes_before_pages_that_fault)
{
	uint32_t lent, own, again, count, pages[4];
	start(3);
	/* This thread takes from arena 1 then, where there is nothing yet; arena 0 has a warm run. */
	lent = take(CLASS_64K, 1);
	own = take(CLASS_64K, 1);
	give(lent, 2);
	arenas_settle(1);
	count = arenas_take(CLASS_64K, 4, 3, pages, &change);
	again = pages[0];
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(again, lent);
	ck_assert(change.fresh_pages == 0);
	ck_assert_uint_eq(change.out_pages, PAGES_64K);
	ck_assert_uint_eq(page_owner(again), 0);
	ck_assert_uint_eq(arenas.at[1].out_pages, 0);
	ck_engine_is_whole(0);
	/* Nothing warm anywhere: pages of its own. */
	uint32_t fresh = take(CLASS_64K, 4);
	ck_assert_uint_eq(page_owner(fresh), 1);
	ck_assert(change.fresh_pages != 0);
	/* And each goes home by its address, in whatever order. */
	uint32_t all[] = {fresh, again, own};
	arenas_give(all, 3, 5, &change);
	ck_assert_uint_eq(change.out_pages, 3 * PAGES_64K);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(a_batch_that_is_given_takes_each_arenas_lock_once)
{
	uint32_t mine[3], theirs[3];
	uint64_t taken[2];
	start(2);
	for (unsigned i = 0; i < 3; i++)
		mine[i] = take(CLASS_64K, 1);
	arenas_settle(1);
	for (unsigned i = 0; i < 3; i++)
		theirs[i] = take(CLASS_64K, 1);
	for (unsigned i = 0; i < 2; i++)
		taken[i] = arenas.at[i].lock.acquisitions;
	/* By turns, and no neighbour beside the one that it is joined with. */
	uint32_t all[] = {mine[2], theirs[1], mine[0], theirs[0], mine[1], theirs[2]};
	arenas_give(all, 6, 2, &change);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_uint_eq(arenas.at[i].lock.acquisitions - taken[i], 1);
	ck_assert_uint_eq(change.out_pages, 6 * PAGES_64K);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

/* Has arena 0's lock each time that somebody comes for it, as a thread that takes (another's number), or gives. */
static struct {
	_Atomic bool is_held, is_over; /* seq_cst: a test */
	uintptr_t taker;	       /* 0: gives */
} holder;

static void *hold_each_time(void *unused)
{
	struct arena *arena = &arenas.at[0];

	while (!holder.is_over) {
		lock_acquire(&arena->lock);
		if (holder.taker != 0)
			arena->taker = holder.taker;
		holder.is_held = true;
		while (atomic_load(&arena->lock.word) != 2 && holder.is_held && !holder.is_over)
			sched_yield();
		lock_release(&arena->lock);
		while (holder.is_held && !holder.is_over)
			sched_yield();
	}
	return unused;
}

/* Takes so often from an arena that was locked each time; where the last one came from. */
static unsigned take_from_held(unsigned times, uint32_t now, uintptr_t taker)
{
	pthread_t helper;
	unsigned owner = 0;

	holder.is_held = holder.is_over = false;
	holder.taker = taker;
	ck_assert_int_eq(pthread_create(&helper, NULL, hold_each_time, NULL), 0);
	for (unsigned i = 0; i < times; i++) {
		while (!holder.is_held)
			sched_yield();
		owner = page_owner(take(CLASS_64K, now));
		holder.is_held = false;
	}
	holder.is_over = true;
	pthread_join(helper, NULL);
	return owner;
}

START_TEST(a_thread_that_keeps_meeting_others_who_take_moves_to_a_quiet_arena)
{
	uint32_t now = 10 * TICKS_PER_SECOND;
	start(4);
	arenas.at[0].taken_at = arenas.at[1].taken_at = arenas.at[3].taken_at = now;
	ck_assert_uint_eq(page_owner(take(CLASS_64K, now)), 0);
	ck_assert_uint_eq(take_from_held(7, now, 1), 0);
	ck_assert_uint_eq(take_from_held(1, now, 1), 2);
	ck_assert_uint_eq(arenas.used, 3);
	ck_assert_uint_eq(page_owner(take(CLASS_64K, now)), 2);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(a_thread_stays_where_it_meets_only_who_gives_or_where_no_arena_is_quiet)
{
	uint32_t now = 10 * TICKS_PER_SECOND;
	start(2);
	ck_assert_uint_eq(page_owner(take(CLASS_64K, now)), 0);
	ck_assert_uint_eq(take_from_held(20, now, 0), 0);
	arenas.at[1].taken_at = now;
	ck_assert_uint_eq(take_from_held(20, now, 1), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

static void *take_there(void *owner)
{
	*(unsigned *)owner = page_owner(take(CLASS_64K, 1));
	return NULL;
}

START_TEST(each_thread_settles_in_an_arena_of_its_own_as_far_as_they_go)
{
	static const unsigned expected[] = {1, 2, 0, 1};
	start(3);
	ck_assert_uint_eq(page_owner(take(CLASS_64K, 1)), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_t helper;
		unsigned owner = UINT_MAX;

		ck_assert_int_eq(pthread_create(&helper, NULL, take_there, &owner), 0);
		pthread_join(helper, NULL);
		ck_assert_uint_eq(owner, expected[i]);
	}
	/* And stays there, on whatever processor. */
	ck_assert_uint_eq(page_owner(take(CLASS_64K, 1)), 0);
	engine_stop();
}
END_TEST

/* A resident run of so many pages, alone in that arena. */
static void leave_run(unsigned index, uint32_t pages)
{
	uint32_t page, wall;

	arenas_settle(index);
	page = arenas_take_exact(pages, 1, 1);
	wall = arenas_take_exact(1, 1, 1);
	ck_assert_uint_eq(wall, page + pages);
	give(page, 2);
}

START_TEST(the_arena_lends_whose_run_fits_best)
{
	start(5);
	leave_run(1, 60);
	leave_run(2, 20);
	leave_run(3, 40);
	arenas_settle(4);
	ck_assert_uint_eq(page_owner(take(CLASS_64K, 3)), 2);
	ck_assert_uint_eq(change.fresh_pages, 0);
	ck_assert_uint_eq(page_owner(take(CLASS_64K, 3)), 3);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(a_long_run_is_lent_whatever_idles_beside_what_is_in_use)
{
	unsigned class = size_class_of((size_t)_i * PAGE_BYTES), owner;
	start(3);
	/* So much is in use that what idles is little. */
	arenas_settle(2);
	for (unsigned i = 0; i < 64; i++)
		take(CLASS_64K, 1);
	leave_run(1, 70);
	arenas_settle(2);
	owner = page_owner(take(class, 3));
	ck_assert_uint_eq(owner, size_class_pages(class) >= 64 ? 1 : 2);
	engine_stop();
}
END_TEST

START_TEST(what_is_resident_in_any_arena_is_found_where_nothing_else_may_be_taken)
{
	unsigned class = size_class_of((size_t)_i * PAGE_BYTES);
	uint32_t page, committed;

	if (size_class_is_slab(class))
		return;
	start(3);
	/* So much is in use that what idles is little, and who takes has an arena of nothing. */
	arenas_settle(2);
	for (unsigned i = 0; i < 64; i++)
		take(CLASS_64K, 1);
	leave_run(1, 20);
	arenas_settle(0);
	committed = range_committed();
	ck_assert_uint_eq(arenas_take_resident(class, 1, 3, &page, &change), 1);
	ck_assert_uint_eq(page_owner(page), 1);
	ck_assert_uint_eq(change.fresh_pages, 0);
	ck_assert_uint_eq(arenas_take_resident(size_class_of(20 * PAGE_BYTES), 1, 3, &page, &change), 0);
	ck_assert_uint_eq(range_committed(), committed);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(a_buffer_that_no_magazine_would_take_back_is_as_long_as_asked)
{
	size_t long_one = 650 * KIB + 1, short_one = 97 * KIB + 1;
	unsigned others = 0;
	struct settings settings;
	cpu_set_t one;
	char *p;
	settings_default(&settings);
	ck_assert(engine_pool(&settings));
	CPU_ZERO(&one);
	CPU_SET(magazine_cpu_current(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	/* The first finds room in a magazine, and is as long as its class. */
	p = pool_malloc(long_one);
	ck_assert_uint_eq(pool_usable_bytes(p), 704 * KIB);
	/* Others take what room there is. */
	for (size_t size = 512 * KIB; others < 200;
	     size = size == MIB ? 512 * KIB : size + 64 * KIB, others++)
		ck_assert_ptr_nonnull(pool_malloc(size));
	p = pool_malloc(960 * KIB + 1);
	ck_assert_ptr_nonnull(p);
	for (unsigned i = 0; i < 8; i++) {
		p = pool_malloc(900 * KIB + 1);
		ck_assert_ptr_nonnull(p);
		if (pool_usable_bytes(p) == 904 * KIB)
			break;
	}
	ck_assert_uint_eq(pool_usable_bytes(p), 904 * KIB);
	memset(p, 1, 904 * KIB);
	ck_assert(pool_free((uintptr_t)p - range.base));
	/* Short ones, and the library's, which counts on it, are always as long as their class. */
	ck_assert_uint_ge(pool_usable_bytes(pool_malloc(short_one)), 104 * KIB);
	for (unsigned i = 0; i < 8; i++) {
		p = pool_take(900 * KIB + 1);
		ck_assert_uint_ge(pool_usable_bytes(p), 960 * KIB);
	}
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_resident_run_of_another_arena_goes_before_pages_that_fault);
	tcase_add_test(tests, a_batch_that_is_given_takes_each_arenas_lock_once);
	tcase_add_test(tests, each_thread_settles_in_an_arena_of_its_own_as_far_as_they_go);
	tcase_add_test(tests, the_arena_lends_whose_run_fits_best);
	tcase_add_loop_test(tests, a_long_run_is_lent_whatever_idles_beside_what_is_in_use, 60, 65);
	tcase_add_loop_test(
	    tests, what_is_resident_in_any_arena_is_found_where_nothing_else_may_be_taken, 1, 20);
	tcase_add_test(tests, a_thread_that_keeps_meeting_others_who_take_moves_to_a_quiet_arena);
	tcase_add_test(tests, a_thread_stays_where_it_meets_only_who_gives_or_where_no_arena_is_quiet);
	tcase_add_test(tests, a_buffer_that_no_magazine_would_take_back_is_as_long_as_asked);
}

int main(void)
{
	return run_suite("arenas", add_tests);
}
