/*
 * test_limits.c -- the pool's limits, and what CPUs returned and may take again without looking at them.
 */
#include <pthread.h>
#include <sched.h>

#include "pool/apart.h"
#include "pool/limits.h"
#include "run_suite.h"
#include "tests/common/engine.h"

static struct settings settings;
static cpu_set_t all;

static void *nothing(void *unused)
{
	return unused;
}

/* A process of several threads, of which this one stays where it is. */
static void start(void)
{
	pthread_t helper;
	cpu_set_t one;

	ck_assert(engine_pool(&settings));
	ck_assert_int_eq(pthread_create(&helper, NULL, nothing, NULL), 0);
	pthread_join(helper, NULL);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_getaffinity(0, sizeof(all), &all);
	sched_setaffinity(0, sizeof(one), &one);
}

static void stop(void)
{
	sched_setaffinity(0, sizeof(all), &all);
	engine_stop();
}

START_TEST(what_a_cpu_returned_it_takes_again_without_the_count_of_all)
{
	settings_default(&settings);
	start();
	ck_assert(limits_take(400, 1));
	ck_assert_uint_eq(pool.out_pages, 400);
	limits_return(400, 1);
	ck_assert_uint_eq(pool.out_pages, 400);
	ck_assert_uint_eq(limits_out_pages(), 0);
	ck_assert(limits_take(300, 1));
	ck_assert_uint_eq(pool.out_pages, 400);
	ck_assert_uint_eq(limits_out_pages(), 300);
	/* It has 100 left. */
	ck_assert(limits_take(200, 1));
	ck_assert_uint_eq(pool.out_pages, 600);
	ck_assert_uint_eq(limits_out_pages(), 500);
	/* It keeps no more than 512. */
	limits_return(412, 1);
	ck_assert_uint_eq(pool.out_pages, 600);
	limits_return(1, 1);
	ck_assert_uint_eq(pool.out_pages, 599);
	ck_assert_uint_eq(limits_out_pages(), 87);
	stop();
}
END_TEST

START_TEST(at_the_limit_what_was_returned_counts_no_more)
{
	uint64_t limit;
	settings_default(&settings);
	settings.memory_limit = 64 * MIB;
	start();
	limit = pool.limit_pages;
	ck_assert_uint_eq(limit, 32 * MIB / PAGE_BYTES);
	ck_assert(limits_take(500, 1));
	limits_return(500, 1);
	ck_assert_uint_eq(pool.out_pages, 500);
	ck_assert(limits_take(limit, 1));
	ck_assert_uint_eq(pool.out_pages, limit);
	ck_assert_uint_eq(limits_out_pages(), limit);
	ck_assert(!limits_take(1, 1));
	ck_assert_uint_eq(pool.out_pages, limit);
	stop();
}
END_TEST

START_TEST(where_the_user_set_a_limit_the_count_is_exact)
{
	for (int i = 0; i < 2; i++) {
		settings_default(&settings);
		if (i == 0)
			settings.pool_limit = 64 * MIB;
		else
			settings.max_buffers = 1000;
		start();
		ck_assert(limits_take(400, 1));
		limits_return(300, 1);
		ck_assert_uint_eq(pool.out_pages, 100);
		ck_assert_uint_eq(limits_out_pages(), 100);
		stop();
	}
}
END_TEST

static const struct {
	uint64_t limit, used, pool, expected;
} autos[] = {
    /* All of it but what is used beside the pool. */
    {144 * MIB, 5 * MIB, 0, 139 * MIB},
    {144 * MIB, 105 * MIB, 100 * MIB, 139 * MIB},
    {144 * MIB, 140 * MIB, 100 * MIB, 104 * MIB},
    /* Never less than half, whoever uses the rest. */
    {144 * MIB, 140 * MIB, 20 * MIB, 72 * MIB},
    {144 * MIB, 500 * MIB, 20 * MIB, 72 * MIB},
    /* What the pool has and the program never wrote to is in no use. */
    {144 * MIB, 20 * MIB, 100 * MIB, 144 * MIB},
    {UINT64_MAX, 3 * GIB, 0, UINT64_MAX - 3 * GIB},
};

START_TEST(auto_is_all_that_the_rest_leaves_and_half_at_least)
{
	ck_assert_uint_eq(
	    limits_auto_bytes(autos[_i].limit, autos[_i].used, autos[_i].pool), autos[_i].expected);
}
END_TEST

START_TEST(auto_follows_what_the_rest_uses_and_a_limit_that_was_set_does_not)
{
	uint64_t large = 8 * MIB, out;
	bool is_zero;

	for (int i = 0; i < 2; i++) {
		settings_default(&settings);
		settings.memory_limit = 256 * MIB;
		settings.pool_limit = i == 0 ? 0 : 64 * MIB;
		start();
		ck_assert(limits_take(10 * MIB / PAGE_BYTES, 1));
		/* What stands apart counts against no limit, so it is of the rest. */
		ck_assert_ptr_nonnull(apart_take(large, 16, &is_zero));
		out = 10 * MIB + large;
		pool_set_memory_limit(&settings, settings.memory_limit, out + 30 * MIB);
		ck_assert_uint_eq(
		    pool.limit_pages, (i == 0 ? 256 * MIB - 30 * MIB - large : 64 * MIB) / PAGE_BYTES);
		ck_assert_uint_eq(pool.threshold_pages, pool.limit_pages * 8 / 10);
		stop();
	}
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(
	    tests, auto_is_all_that_the_rest_leaves_and_half_at_least, 0, ARRAY_LENGTH(autos));
	tcase_add_test(tests, auto_follows_what_the_rest_uses_and_a_limit_that_was_set_does_not);
	tcase_add_test(tests, what_a_cpu_returned_it_takes_again_without_the_count_of_all);
	tcase_add_test(tests, at_the_limit_what_was_returned_counts_no_more);
	tcase_add_test(tests, where_the_user_set_a_limit_the_count_is_exact);
}

int main(void)
{
	return run_suite("limits", add_tests);
}
