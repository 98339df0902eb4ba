/*
 * test_sampler_budget.c -- what sampling may cost: all are samples while they are few, a storm is cut off within
 * its second, and a process that works pays more. Seeds are fixed, and no time passes.
 */
#include <math.h>

#include "run_suite.h"
#include "sampling.h"

START_TEST(all_are_samples_of_weight_1_where_they_are_few)
{
	start(64 * KIB);
	seed(1);
	for (unsigned i = 0; i < SAMPLER_BUDGET_POOL; i++)
		ck_need(offer(TRACK_POOL, 4096 + i * 1000) == 1);
	for (unsigned i = 0; i < SAMPLER_BUDGET_LARGE; i++)
		ck_need(offer(TRACK_LARGE, 2 << 20) == 1);
	ck_assert_uint_eq(sampler_interval(TRACK_POOL), 0);
	/* One more than the budget, and not all are any more. */
	offer(TRACK_POOL, 4096);
	ck_assert_uint_gt(sampler_interval(TRACK_POOL), 0);
}
END_TEST

/* How many samples so many allocations of a second are. */
static unsigned samples_of(enum track_kind kind, size_t size, unsigned count)
{
	unsigned samples = 0;

	for (unsigned i = 0; i < count; i++)
		samples += offer(kind, size) != 0;
	return samples;
}

START_TEST(a_storm_is_cut_off_within_its_second)
{
	unsigned samples;

	start(64 * KIB);
	seed(2);
	samples = samples_of(TRACK_POOL, 64 * KIB, 1000000);
	ck_assert_uint_ge(samples, SAMPLER_BUDGET_POOL);
	ck_assert_uint_lt(samples, 6 * SAMPLER_BUDGET_POOL);
}
END_TEST

START_TEST(the_interval_comes_back_when_the_storm_is_over)
{
	uint64_t at_storm;

	start(64 * KIB);
	for (unsigned i = 0; i < 10 * SAMPLER_BUDGET_POOL; i++)
		sampler_keep_budget(TRACK_POOL, 1);
	at_storm = sampler_interval(TRACK_POOL);
	ck_assert_uint_gt(at_storm, 1 * MIB);
	/* A second within the budget, but not far below it, leaves it. */
	sampler_keep_budget(TRACK_POOL, 2);
	at_storm = sampler_interval(TRACK_POOL);
	for (unsigned i = 0; i < SAMPLER_BUDGET_POOL / 2; i++)
		sampler_keep_budget(TRACK_POOL, 2);
	sampler_keep_budget(TRACK_POOL, 3);
	ck_assert_uint_eq(sampler_interval(TRACK_POOL), at_storm);
	/* Calm ones halve it, also those in which nothing came. */
	sampler_keep_budget(TRACK_POOL, 4);
	ck_assert_uint_eq(sampler_interval(TRACK_POOL), at_storm / 2);
	sampler_keep_budget(TRACK_POOL, 60);
	ck_assert_uint_eq(sampler_interval(TRACK_POOL), 0);
}
END_TEST

START_TEST(small_ones_begin_at_the_setting_and_come_to_all_where_they_are_few)
{
	start(64 * KIB);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), 64 * KIB);
	sampler_keep_budget(TRACK_SMALL, 2);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), 16 * KIB);
	sampler_keep_budget(TRACK_SMALL, 100);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), 0);
	for (unsigned i = 0; i < 10 * SAMPLER_BUDGET_SMALL; i++)
		sampler_keep_budget(TRACK_SMALL, 100);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), SAMPLER_INTERVAL_MAX);
}
END_TEST

START_TEST(a_storm_of_small_ones_after_a_calm_is_cut_off_within_its_second)
{
	unsigned samples;

	start(64 * KIB);
	seed(8);
	sampler_keep_budget(TRACK_SMALL, 0);
	sampler_keep_budget(TRACK_SMALL, 100);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), 0);
	samples = samples_of(TRACK_SMALL, 48, 4000000);
	ck_assert_uint_ge(samples, SAMPLER_BUDGET_SMALL);
	ck_assert_uint_lt(samples, 6 * SAMPLER_BUDGET_SMALL);
}
END_TEST

/* Of a store of many small objects not each is told, however slowly it fills. */
START_TEST(small_ones_are_told_finely_only_while_few_of_them_are_live)
{
	static uint32_t numbers[SAMPLER_FINE_LIVE + 1];
	struct sample_facts facts = {.size = 48, .kind = TRACK_SMALL, .weight = 1};
	uint32_t second = 100;

	ck_assert(samples_start());
	start(64 * KIB);
	sampler_keep_budget(TRACK_SMALL, second);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), 0);
	for (unsigned i = 0; i <= SAMPLER_FINE_LIVE; i++)
		ck_need((numbers[i] = samples_take(&facts)) != 0);
	/* A doubling a second, and no further than to where memory was bounded before. */
	sampler_keep_budget(TRACK_SMALL, ++second);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), 64);
	for (unsigned i = 0; i < 60; i++)
		sampler_keep_budget(TRACK_SMALL, ++second);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), SAMPLER_INTERVAL_COARSE);
	/* Buffers are a matter of their own. */
	sampler_keep_budget(TRACK_POOL, second);
	ck_assert_uint_eq(sampler_interval(TRACK_POOL), 0);
	for (unsigned i = 0; i <= SAMPLER_FINE_LIVE / 4 * 3; i++)
		ck_need(samples_remove(numbers[i], &facts));
	sampler_keep_budget(TRACK_SMALL, second += 20);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), 0);
}
END_TEST

/* What a leg's end costs is to be seen by less than one call in a thousand, however large the buffers are. */
START_TEST(of_a_thousand_large_buffers_at_most_one_ends_a_leg)
{
	uint64_t far = 4 * GIB;
	unsigned looks = 0, buffers = 0;

	start(1000);
	while (sampler_interval(TRACK_POOL) < far)
		sampler_keep_budget(TRACK_POOL, 1);
	seed(3);
	do
		offer(TRACK_POOL, 256 * KIB);
	while (sampler_thread.rest[TRACK_POOL] < far / 2);
	while (sampler_thread.rest[TRACK_POOL] != 0) {
		buffers++;
		if (!sampler_passes(TRACK_POOL, 256 * KIB))
			continue;
		ck_assert(sampler_take(TRACK_POOL, 256 * KIB) == 0);
		looks++;
	}
	ck_assert_uint_gt(looks, 4);
	ck_assert_uint_le(looks, buffers / 1000 + 1);
}
END_TEST

static void no_site(const struct sample_facts *before UNUSED, float weight UNUSED)
{
}

/* Most of a budget a second, for ten minutes, and none of it is ever freed; a tick each ten seconds. */
START_TEST(a_table_that_fills_with_what_stays_goes_on_telling)
{
	double total = 0, variance = 0, stands_for = 0;
	struct sample_facts facts = {.size = 65536, .kind = TRACK_POOL};
	struct samples_counters counters;
	uint64_t random = 9;
	uint32_t cursor = 0;

	start(64 * KIB);
	ck_assert(samples_start());
	for (uint32_t second = 1; second <= 600; second++) {
		for (unsigned i = 0; i < SAMPLER_BUDGET_POOL / 10 * 9; i++) {
			random = random * 6364136223846793005 + 1442695040888963407;
			total++;
			facts.weight = sampler_weight(facts.size, sampler_interval(TRACK_POOL));
			if ((double)(random >> 11) * 0x1p-53 * (double)facts.weight >= 1)
				continue;
			ck_need(samples_take(&facts) != 0);
			sampler_keep_budget(TRACK_POOL, second);
		}
		if (second % 10 == 0)
			sampler_keep_room(no_site);
	}
	while (samples_next(&cursor, &facts) != 0) {
		stands_for += (double)facts.weight;
		variance += (double)facts.weight * ((double)facts.weight - 1);
	}
	samples_count(&counters);
	ck_assert_uint_eq(counters.refused, 0);
	ck_assert_uint_gt(counters.live, SAMPLES_MAX / 8);
	ck_assert_uint_gt(counters.thinned, SAMPLES_MAX);
	ck_assert_msg(fabs(stands_for - total) <= 3 * sqrt(variance), "%g for %g, standard error %g",
	    stands_for, total, sqrt(variance));
	/* All are told of about alike: what is new is not one in a thousand. */
	ck_assert_double_lt(sqrt(variance), total / 50);
	ck_assert_uint_le(sampler_interval(TRACK_POOL), 8 * MIB);
}
END_TEST

/* Of so many buffers within a second, how many are samples. */
static unsigned samples_in_a_storm(double processors)
{
	start(64 * KIB);
	seed(7);
	sampler_set_use(processors);
	return samples_of(TRACK_POOL, 64 * KIB, 20 * SAMPLER_BUDGET_POOL);
}

START_TEST(a_busy_process_pays_more_for_a_sample)
{
	unsigned idle = samples_in_a_storm(SAMPLER_IDLE / 2), busy = samples_in_a_storm(1);

	ck_assert_uint_ge(busy, SAMPLER_BUDGET_POOL / SAMPLER_PRICE_BUSY);
	ck_assert_uint_lt(busy, idle / 2);
	/* As many for each processor, up to what there is. */
	ck_assert_uint_gt(samples_in_a_storm(2), busy * 3 / 2);
	ck_assert_uint_eq(samples_in_a_storm(64), idle);
	ck_assert_uint_eq(samples_in_a_storm(SAMPLER_IDLE), busy);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, all_are_samples_of_weight_1_where_they_are_few);
	tcase_add_test(tests, a_storm_is_cut_off_within_its_second);
	tcase_add_test(tests, the_interval_comes_back_when_the_storm_is_over);
	tcase_add_test(tests, small_ones_begin_at_the_setting_and_come_to_all_where_they_are_few);
	tcase_add_test(tests, a_storm_of_small_ones_after_a_calm_is_cut_off_within_its_second);
	tcase_add_test(tests, small_ones_are_told_finely_only_while_few_of_them_are_live);
	tcase_add_test(tests, of_a_thousand_large_buffers_at_most_one_ends_a_leg);
	tcase_add_test(tests, a_table_that_fills_with_what_stays_goes_on_telling);
	tcase_add_test(tests, a_busy_process_pays_more_for_a_sample);
}

int main(void)
{
	return run_suite("sampler_budget", add_tests);
}
