/*
 * test_flow.c -- what moves between magazines and heap, and between buffers that grow: how
 * often a lock is taken, and how often a buffer has to move.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/clock.h"
#include "run_suite.h"
#include "tests/common/engine.h"
#include "tests/common/pattern.h"

static struct settings settings;
static uint64_t random_state = 1;

static void start(void)
{
	ck_assert(engine_pool(&settings));
}

static void defaults(void)
{
	settings_default(&settings);
}

static uint64_t locks_taken(void)
{
	static struct pool_stats stats;

	pool_stats_collect(&stats, NULL, 0);
	return stats.lock_acquisitions;
}

START_TEST(who_only_frees_takes_a_lock_for_many_sizes_at_once)
{
	enum { BUFFERS = 512 };
	void *all[BUFFERS];
	uint64_t before;
	defaults();
	start();
	for (unsigned i = 0; i < BUFFERS; i++)
		all[i] = pool_malloc(4 * KIB + random_next(&random_state) % (60 * KIB));
	before = locks_taken();
	for (unsigned i = 0; i < BUFFERS; i++)
		ck_assert(pool_free_long(all[i]));
	/* Of 512, some 60 find room; one class at a time takes 334 locks, this way 78. */
	ck_assert_uint_le(locks_taken() - before, BUFFERS / 5);
	ck_assert_uint_gt(locks_taken() - before, 4);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	engine_stop();
}
END_TEST

/* One fills a set of buffers, then the other empties it. */
enum { SET = 256, SETS = 64, SETS_WARM = 24, SETS_SEEN = 8 };
static void *set[SET];
static _Atomic unsigned filled, emptied; /* seq_cst: a test */

static void *empty_sets(void *unused)
{
	for (unsigned i = 0; i < SETS; i++) {
		while (filled == i)
			sched_yield();
		for (unsigned k = 0; k < SET; k++)
			ck_need(pool_free_long(set[k]));
		emptied = i + 1;
	}
	return unused;
}

static int by_size(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

START_TEST(between_who_only_allocates_and_who_only_frees_a_lock_does_for_eight_buffers)
{
	pthread_t helper;
	uint64_t before = 0, windows[SETS / SETS_SEEN], count = 0;
	defaults();
	start();
	filled = emptied = 0;
	ck_assert_int_eq(pthread_create(&helper, NULL, empty_sets, NULL), 0);
	for (unsigned i = 0; i < SETS; i++) {
		while (emptied != i)
			sched_yield();
		if (i >= SETS_WARM && i % SETS_SEEN == 0) {
			if (i > SETS_WARM)
				windows[count++] = locks_taken() - before;
			before = locks_taken();
		}
		for (unsigned k = 0; k < SET; k++)
			set[k] = pool_malloc(4 * KIB + random_next(&random_state) % (60 * KIB));
		filled = i + 1;
	}
	pthread_join(helper, NULL);
	/* The median, as each move to another CPU costs some; 12 and more where nothing else runs. */
	qsort(windows, count, sizeof(windows[0]), by_size);
	ck_assert_uint_le(windows[count / 2], SETS_SEEN * SET / 8);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	engine_stop();
}
END_TEST

START_TEST(what_circulates_settles_where_the_magazine_holds_all_of_it)
{
	enum { LIVE = 16, WARM = 200, ROUNDS = 1000 };
	static const size_t sizes[] = {16 * KIB, 64 * KIB, 256 * KIB};
	void *all[LIVE];
	uint64_t before = 0;
	cpu_set_t one;
	size_t size = sizes[_i];
	defaults();
	start();
	CPU_ZERO(&one);
	CPU_SET(magazine_cpu_current(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	for (unsigned round = 0; round < WARM + ROUNDS; round++) {
		if (round == WARM)
			before = locks_taken();
		for (unsigned i = 0; i < LIVE; i++)
			all[i] = pool_malloc(size);
		for (unsigned i = 0; i < LIVE; i++)
			ck_assert(pool_free_long(all[i]));
	}
	ck_assert_uint_eq(locks_taken(), before);
	engine_stop();
}
END_TEST

/* As realloc does it; whether p had to move. */
static bool grow_to(char **p, size_t size)
{
	char *to;

	if (pool_resize_in_place(*p, size))
		return false;
	to = pool_malloc(pool_grown_bytes(*p, size));
	ck_need(to != NULL && pool_usable_bytes(to) >= size);
	pool_set_grown(to, size);
	memcpy(to, *p, pool_size(*p));
	ck_need(pool_free_outgrown(*p));
	*p = to;
	return true;
}

START_TEST(buffers_that_their_program_grows_by_half_move_at_every_other_step_at_most)
{
	enum { BUFFERS = 8, STEPS = 13, ROUNDS = 50 };
	unsigned moves = 0;
	char *buffers[BUFFERS];
	defaults();
	start();
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t size = 4 * KIB;
		for (unsigned i = 0; i < BUFFERS; i++)
			buffers[i] = pool_malloc(size);
		for (unsigned step = 0; step < STEPS; step++) {
			size += size / 2;
			for (unsigned i = 0; i < BUFFERS; i++)
				moves += grow_to(&buffers[i], size);
		}
		for (unsigned i = 0; i < BUFFERS; i++)
			ck_assert(pool_free_long(buffers[i]));
	}
	ck_assert_uint_le(moves, ROUNDS * BUFFERS * (STEPS + 1) / 2);
	ck_assert_uint_gt(moves, 0);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	engine_stop();
}
END_TEST

START_TEST(a_buffer_that_grows_once_is_given_its_growth_and_no_more)
{
	char *wall, *p;
	defaults();
	start();
	p = pool_malloc(16 * KIB);
	wall = pool_malloc(16 * KIB); /* so that p cannot grow where it is, if they are neighbours */
	ck_assert_uint_eq(pool_grown_bytes(p, 20 * KIB), 24 * KIB);
	ck_assert_uint_eq(pool_grown_bytes(p, 100 * KIB), 100 * KIB);
	pool_set_grown(p, 16 * KIB);
	ck_assert_uint_eq(pool_grown_bytes(p, 100 * KIB), 150 * KIB);
	ck_assert_uint_eq(pool_grown_bytes(p, 1 * MIB), 1 * MIB); /* the largest */
	ck_assert(pool_free_outgrown(p));
	ck_assert(!pool_free_outgrown(p));
	ck_assert(pool_free_long(wall));
	engine_stop();
}
END_TEST

/* So many buffers of 4 KiB to 1 MiB are replaced, as far as there are any. Returns how many were refused. */
static unsigned replace_some(void **live, unsigned count, unsigned rounds)
{
	unsigned refused = 0;

	for (unsigned i = 0; i < rounds; i++) {
		void **p = &live[random_next(&random_state) % count];

		if (*p != NULL)
			ck_need(pool_free_long(*p));
		*p = pool_malloc(random_size(&random_state, 20) | 4 * KIB);
		refused += *p == NULL;
	}
	return refused;
}

START_TEST(a_pool_that_is_full_is_purged_for_other_sizes_once_over_and_then_by_and_by)
{
	enum { LIVE = 400, ROUNDS = 20000 };
	static void *live[LIVE], *pieces[256];
	uint64_t limit, purged;
	unsigned count = 0;

	defaults();
	settings.pool_limit = 16 * MIB;
	start();
	limit = pool.limit_pages;
	/* 8 MiB idle, in pieces: other sizes replace them. */
	while (count < 256 && (pieces[count] = pool_malloc(64 * KIB)) != NULL)
		count++;
	for (unsigned i = 0; i < count; i += 2)
		ck_need(pool_free_long(pieces[i]));
	for (unsigned i = 0; i < 28; i++)
		ck_need(pool_malloc(256 * KIB) != NULL);
	for (unsigned i = 1; i < count; i += 2)
		ck_need(pool_free_long(pieces[i]));
	/* As long as the clock stands still no more than the limit goes, and a request's worth. */
	ck_assert_uint_gt(replace_some(live, LIVE, ROUNDS), 0);
	purged = arenas_pages().purged;
	ck_assert_uint_ge(purged, limit);
	ck_assert_uint_le(purged, 3 * limit);
	clock_start(1);
	ck_assert_int_eq(usleep(100000), 0);
	replace_some(live, LIVE, 200);
	ck_assert_uint_gt(arenas_pages().purged, purged);
	ck_assert_uint_le(engine_out_pages() + arenas_hot_pages(), limit);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	engine_stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, who_only_frees_takes_a_lock_for_many_sizes_at_once);
	tcase_add_test(tests, between_who_only_allocates_and_who_only_frees_a_lock_does_for_eight_buffers);
	tcase_add_test(tests, a_pool_that_is_full_is_purged_for_other_sizes_once_over_and_then_by_and_by);
	tcase_add_loop_test(tests, what_circulates_settles_where_the_magazine_holds_all_of_it, 0, 3);
	tcase_add_test(tests, buffers_that_their_program_grows_by_half_move_at_every_other_step_at_most);
	tcase_add_test(tests, a_buffer_that_grows_once_is_given_its_growth_and_no_more);
}

int main(void)
{
	return run_suite("flow", add_tests);
}
