/*
 * test_sampler.c -- estimates have no bias, whatever the sizes and however the interval moves.
 *
 * A run allocates a known mix and sums weights and weighted bytes of what was picked. The
 * variance of such a sum is estimated without bias by the sum of w (w - 1) over the samples (bytes:
 * times size squared), since a sample of probability p = 1/w adds (1 - p) / p. Over many runs with
 * seeds of their own the mean error has to be within three standard errors. Seeds are fixed,
 * so a run is the same each time; no time passes, as nobody starts the clock.
 */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "run_suite.h"
#include "track/sampler.h"

#define RUNS 300

struct sums {
	double count_error, count_variance, bytes_error, bytes_variance;
	uint64_t samples;
};

static void start(uint64_t interval)
{
	struct settings settings;

	settings_default(&settings);
	settings.sample_interval = interval;
	sampler_start(&settings);
}

/* This thread begins anew. */
static void seed(uint64_t number)
{
	uint64_t x = number * 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	memset(&sampler_thread, 0, sizeof(sampler_thread));
	/* The first look draws with a seed of its own; so it is taken here, and the seed put in after. */
	sampler_take(TRACK_SMALL, 0);
	sampler_thread.random = (x ^ x >> 27) | 1;
	for (unsigned kind = 0; kind < SAMPLER_KINDS; kind++) {
		/* As if all had been samples until now: the next look draws. */
		sampler_thread.interval[kind] = 0;
		sampler_thread.left[kind] = -1;
		sampler_thread.rest[kind] = 0;
	}
}

/* As malloc does it. */
static float offer(enum track_kind kind, size_t size)
{
	return sampler_passes(kind, size) ? sampler_take(kind, size) : 0;
}

static void add(struct sums *sums, double weight, double size)
{
	sums->count_error += weight;
	sums->bytes_error += weight * size;
	sums->count_variance += weight * (weight - 1);
	sums->bytes_variance += weight * (weight - 1) * size * size;
	sums->samples++;
}

static void ck_is_unbiased(const struct sums *sums)
{
	ck_assert_msg(fabs(sums->count_error) <= 3 * sqrt(sums->count_variance),
	    "count: off by %g, standard error %g, %lu samples", sums->count_error, sqrt(sums->count_variance),
	    (unsigned long)sums->samples);
	ck_assert_msg(fabs(sums->bytes_error) <= 3 * sqrt(sums->bytes_variance),
	    "bytes: off by %g, standard error %g, %lu samples", sums->bytes_error, sqrt(sums->bytes_variance),
	    (unsigned long)sums->samples);
}

/* Name, sizes (0 ends), and how often each comes in turn. */
static const struct mix {
	const char *name;
	enum track_kind kind;
	size_t interval;
	unsigned allocations;
	size_t sizes[6];
} mixes[] = {
    {"one small size", TRACK_SMALL, 64 * KIB, 20000, {48}},
    {"from 16 bytes to 4 KiB", TRACK_SMALL, 64 * KIB, 6000, {16, 100, 512, 1000, 4095}},
    {"sizes about the interval", TRACK_SMALL, 1000, 3000, {16, 900, 1000, 4000}},
    {"sizes far above the interval", TRACK_SMALL, 200, 4000, {2000, 4000}},
    {"buffers", TRACK_POOL, 64 * KIB, 12000, {4096, 65536, 1 << 20}},
    {"large ones", TRACK_LARGE, 64 * KIB, 3000, {2 << 20, 5000000, 64 << 20}},
};

/* The interval stands still at first, and then adapts to the budget: no run knows any second but the first. */
START_TEST(estimates_of_count_and_bytes_are_within_three_standard_errors)
{
	const struct mix *mix = &mixes[_i];
	struct sums sums = {0};
	unsigned sizes = 0;
	uint64_t smallest = UINT64_MAX, largest = 0;

	while (sizes < ARRAY_LENGTH(mix->sizes) && mix->sizes[sizes] != 0)
		sizes++;
	for (unsigned run = 0; run < RUNS; run++) {
		start(mix->interval);
		seed(run * 7 + 1);
		for (unsigned i = 0; i < mix->allocations; i++) {
			size_t size = mix->sizes[i % sizes];
			float weight = offer(mix->kind, size);

			sums.count_error -= 1;
			sums.bytes_error -= (double)size;
			if (weight != 0)
				add(&sums, (double)weight, (double)size);
			smallest = MIN(smallest, sampler_interval(mix->kind));
			largest = MAX(largest, sampler_interval(mix->kind));
		}
	}
	ck_assert_uint_gt(sums.samples, RUNS);
	ck_is_unbiased(&sums);
	/* Past its budget the interval grew, so that was gone through too. */
	if (sums.samples > (uint64_t)RUNS * SAMPLER_BUDGET_POOL)
		ck_assert_uint_gt(largest, smallest);
}
END_TEST

START_TEST(the_interval_may_change_at_any_time)
{
	struct sums sums = {0};
	uint64_t random = 5, smallest = UINT64_MAX, largest = 0;

	for (unsigned run = 0; run < RUNS; run++) {
		uint32_t second = 1;

		start(20000);
		seed(run * 13 + 3);
		for (unsigned i = 0; i < 20000; i++) {
			size_t size =
			    16 + (random = random * 6364136223846793005 + 1442695040888963407) % 2000;
			float weight;

			/* Storms widen it, seconds of calm narrow it: up and down many times a run. */
			if (i % 1000 == 500)
				for (unsigned k = 0; k < 5 * SAMPLER_BUDGET_SMALL; k++)
					sampler_keep_budget(TRACK_SMALL, second);
			if (i % 1000 == 0)
				sampler_keep_budget(TRACK_SMALL, second += 30);
			weight = offer(TRACK_SMALL, size);
			sums.count_error -= 1;
			sums.bytes_error -= (double)size;
			if (weight != 0)
				add(&sums, (double)weight, (double)size);
			smallest = MIN(smallest, sampler_interval(TRACK_SMALL));
			largest = MAX(largest, sampler_interval(TRACK_SMALL));
		}
	}
	ck_assert_uint_gt(sums.samples, 10 * RUNS);
	/* From all to one in some hundreds. */
	ck_assert_uint_eq(smallest, 0);
	ck_assert_uint_ge(largest, 64 * KIB);
	ck_is_unbiased(&sums);
}
END_TEST

/* One size in three has stacks that are never known: whether it is a sample must not depend on that. */
START_TEST(what_a_stack_costs_makes_no_difference_to_what_it_stands_for)
{
	struct sums sums[3] = {{0}};
	uint64_t largest = 0;

	for (unsigned run = 0; run < RUNS; run++) {
		start(64 * KIB);
		seed(run * 11 + 5);
		for (unsigned i = 0; i < 3000; i++) {
			size_t size = 20000 + i % 3 * 1000;
			float weight = offer(TRACK_POOL, size);

			sums[i % 3].count_error -= 1;
			sums[i % 3].bytes_error -= (double)size;
			if (weight == 0)
				continue;
			add(&sums[i % 3], (double)weight, (double)size);
			if (i % 3 == 1)
				sampler_charge(TRACK_POOL, 32);
		}
		largest = MAX(largest, sampler_interval(TRACK_POOL));
	}
	/* Samples alone would not have spent the budget. */
	ck_assert_uint_gt(largest, 64 * KIB);
	for (unsigned i = 0; i < 3; i++)
		ck_is_unbiased(&sums[i]);
}
END_TEST

START_TEST(what_stacks_cost_counts_as_samples_do)
{
	start(64 * KIB);
	seed(6);
	ck_need(offer(TRACK_POOL, 65536) == 1);
	sampler_charge(TRACK_POOL, SAMPLER_BUDGET_POOL - 1);
	ck_assert_uint_eq(sampler_interval(TRACK_POOL), 0);
	/* As many doublings as there are quarters of the budget, however they are spent. */
	sampler_charge(TRACK_POOL, SAMPLER_BUDGET_POOL);
	ck_assert_uint_eq(sampler_interval(TRACK_POOL), 8 * KIB << 3);
	sampler_charge(TRACK_POOL, 1);
	ck_assert_uint_eq(sampler_interval(TRACK_POOL), 8 * KIB << 4);
	/* Others have budgets of their own. */
	ck_assert_uint_eq(sampler_interval(TRACK_LARGE), 0);
	start(1);
	sampler_charge(TRACK_POOL, 10 * SAMPLER_BUDGET_POOL);
	ck_assert_uint_eq(sampler_interval(TRACK_POOL), 0);
}
END_TEST

static void *fresh_thread(void *argument)
{
	struct sums *sums = argument;

	for (unsigned i = 0; i < 100; i++) {
		float weight = offer(TRACK_SMALL, 500);

		sums->count_error -= 1;
		sums->bytes_error -= 500;
		if (weight != 0)
			add(sums, (double)weight, 500);
	}
	return NULL;
}

/* Were its first countdown 0, every thread's first allocation would be a sample: 2000 here, of 1500. */
START_TEST(a_fresh_thread_draws_before_it_counts)
{
	struct sums sums = {0};

	for (unsigned i = 0; i < 2000; i++) {
		pthread_t thread;

		if (i % 30 == 0)
			start(64 * KIB);
		ck_assert_int_eq(pthread_create(&thread, NULL, fresh_thread, &sums), 0);
		pthread_join(thread, NULL);
	}
	ck_assert_uint_gt(sums.samples, 500);
	/* Its seeds are the clock's: five standard errors, once in a million runs. */
	ck_assert_msg(fabs(sums.count_error) <= 5 * sqrt(sums.count_variance), "off by %g, standard error %g",
	    sums.count_error, sqrt(sums.count_variance));
}
END_TEST

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

/* The distance to the next point is walked in legs; a thread that drew a long one looks again after each. */
START_TEST(a_thread_that_drew_a_long_distance_sees_the_interval_shrink)
{
	unsigned looks = 0;

	start(1000);
	for (unsigned i = 0; i < 10 * SAMPLER_BUDGET_SMALL; i++)
		sampler_keep_budget(TRACK_SMALL, 1);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), SAMPLER_INTERVAL_MAX);
	seed(3);
	do
		offer(TRACK_SMALL, 64);
	while (sampler_thread.left[TRACK_SMALL] + (int64_t)sampler_thread.rest[TRACK_SMALL] <
	       (int64_t)(4 * MIB));
	sampler_keep_budget(TRACK_SMALL, 100);
	ck_assert_uint_eq(sampler_interval(TRACK_SMALL), 0);
	while (sampler_thread.interval[TRACK_SMALL] != 0 && looks++ < 40000)
		offer(TRACK_SMALL, 64);
	ck_assert_uint_lt(looks, 2 * MIB / 64);
}
END_TEST

START_TEST(with_1_as_the_setting_everything_is_a_sample)
{
	start(1);
	seed(4);
	for (unsigned i = 0; i < 10000; i++) {
		ck_need(offer(TRACK_SMALL, 16) == 1);
		ck_need(offer(TRACK_POOL, 4096) == 1);
		ck_need(offer(TRACK_LARGE, 2 << 20) == 1);
	}
}
END_TEST

START_TEST(without_tracking_nothing_is_a_sample_and_a_thread_looks_once)
{
	unsigned looks = 0;

	memset(&sampler_thread, 0, sizeof(sampler_thread));
	/* Not started yet: every allocation looks, none is picked. */
	for (unsigned i = 0; i < 100; i++) {
		bool is_look = sampler_passes(TRACK_SMALL, 1000);

		looks += is_look;
		ck_assert(!is_look || sampler_take(TRACK_SMALL, 1000) == 0);
	}
	ck_assert_uint_eq(looks, 100);
	sampler_stop();
	looks = 0;
	for (unsigned i = 0; i < 100000; i++) {
		bool is_look = sampler_passes(TRACK_SMALL, 1 << 20);

		looks += is_look;
		ck_need(!is_look || sampler_take(TRACK_SMALL, 1 << 20) == 0);
	}
	ck_assert_uint_eq(looks, 1);
}
END_TEST

START_TEST(weights_are_one_over_the_probability)
{
	static const double ratios[] = {1e-9, 1e-6, 0.001, 0.0099, 0.0101, 0.1, 1, 3, 20, 1000};

	for (unsigned i = 0; i < ARRAY_LENGTH(ratios); i++) {
		uint64_t interval = 1000000000;
		double bytes = ratios[i] * (double)interval;
		double expected = -1 / expm1(-floor(bytes) / (double)interval);

		ck_assert_double_eq_tol((double)sampler_weight((size_t)bytes, interval) / expected, 1, 1e-6);
	}
	ck_assert(sampler_weight(17, 0) == 1);
}
END_TEST

static unsigned wakes;

static void wake_late(void)
{
	if (++wakes == 2)
		sampler_go_on();
}

/* Allocations of that size until one is a sample. */
static uint64_t until_a_sample(enum track_kind kind, size_t size)
{
	uint64_t bytes = 0;

	do
		bytes += size;
	while (offer(kind, size) == 0 && bytes < 1 * GIB);
	return bytes;
}

START_TEST(asleep_each_kind_has_its_grace_and_large_ones_have_none)
{
	start(64 * KIB);
	sampler_sleep(wake_late);
	ck_assert(!sampler_is_first_look());
	for (size_t bytes = 0; bytes < SAMPLER_GRACE_BYTES; bytes += 4096)
		ck_assert(offer(TRACK_POOL, 4096) == 0);
	ck_assert_uint_eq(wakes, 0);
	for (size_t bytes = 0; bytes < SAMPLER_GRACE_BYTES; bytes += 64)
		ck_assert(offer(TRACK_SMALL, 64) == 0);
	ck_assert_uint_eq(wakes, 0);
	ck_assert(offer(TRACK_LARGE, 2 * MIB) == 0);
	ck_assert_uint_eq(wakes, 1);
	/* Past its grace, and the second call is the one that is answered: all buffers are samples. */
	ck_assert_uint_eq(until_a_sample(TRACK_POOL, 4096), 4096);
	ck_assert_uint_eq(wakes, 2);
	ck_assert_uint_eq(until_a_sample(TRACK_POOL, 4096), 4096);
	ck_assert_uint_lt(until_a_sample(TRACK_SMALL, 64), 37 * 64 * KIB);
	ck_assert_uint_eq(wakes, 2);
}
END_TEST

static void stop_it(void)
{
	sampler_stop();
}

START_TEST(who_cannot_be_woken_is_not_asked_again)
{
	start(64 * KIB);
	sampler_sleep(stop_it);
	ck_assert(offer(TRACK_POOL, SAMPLER_GRACE_BYTES + 1) == 0);
	ck_assert(sampler_thread.left[TRACK_POOL] > INT64_MAX / 2);
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
	tcase_add_test(tests, a_busy_process_pays_more_for_a_sample);
	tcase_add_test(tests, asleep_each_kind_has_its_grace_and_large_ones_have_none);
	tcase_add_test(tests, who_cannot_be_woken_is_not_asked_again);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(
	    tests, estimates_of_count_and_bytes_are_within_three_standard_errors, 0, ARRAY_LENGTH(mixes));
	tcase_add_test(tests, the_interval_may_change_at_any_time);
	tcase_add_test(tests, what_a_stack_costs_makes_no_difference_to_what_it_stands_for);
	tcase_add_test(tests, what_stacks_cost_counts_as_samples_do);
	tcase_add_test(tests, a_fresh_thread_draws_before_it_counts);
	tcase_add_test(tests, all_are_samples_of_weight_1_where_they_are_few);
	tcase_add_test(tests, a_storm_is_cut_off_within_its_second);
	tcase_add_test(tests, the_interval_comes_back_when_the_storm_is_over);
	tcase_add_test(tests, a_table_that_fills_with_what_stays_goes_on_telling);
	tcase_add_test(tests, small_ones_begin_at_the_setting_and_come_to_all_where_they_are_few);
	tcase_add_test(tests, a_storm_of_small_ones_after_a_calm_is_cut_off_within_its_second);
	tcase_add_test(tests, small_ones_are_told_finely_only_while_few_of_them_are_live);
	tcase_add_test(tests, of_a_thousand_large_buffers_at_most_one_ends_a_leg);
	tcase_add_test(tests, a_thread_that_drew_a_long_distance_sees_the_interval_shrink);
	tcase_add_test(tests, with_1_as_the_setting_everything_is_a_sample);
	tcase_add_test(tests, without_tracking_nothing_is_a_sample_and_a_thread_looks_once);
	tcase_add_test(tests, weights_are_one_over_the_probability);
}

int main(void)
{
	return run_suite("sampler", add_tests);
}
