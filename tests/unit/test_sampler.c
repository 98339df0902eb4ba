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
#include "sampling.h"

#define RUNS 300

struct sums {
	double count_error, count_variance, bytes_error, bytes_variance;
	uint64_t samples;
};

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
/* The same seed, with a look again at every third allocation: the same samples. */
START_TEST(a_thread_that_is_made_to_look_meets_the_same_points)
{
	unsigned picked[2] = {0, 0};
	uint64_t places[2] = {0, 0};

	for (unsigned is_made = 0; is_made < 2; is_made++) {
		start(64 * KIB);
		seed(5);
		for (unsigned i = 0; i < 3000; i++) {
			if (is_made == 1 && i % 3 == 1) {
				sampler_look_again(TRACK_SMALL);
				ck_assert(sampler_would_pass(TRACK_SMALL, 1));
			}
			if (offer(TRACK_SMALL, 1000) != 0) {
				picked[is_made]++;
				places[is_made] += (uint64_t)i * i;
			}
		}
	}
	ck_assert_uint_ge(picked[0], 20);
	ck_assert_uint_eq(picked[1], picked[0]);
	ck_assert_uint_eq(places[1], places[0]);
}
END_TEST

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

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, asleep_each_kind_has_its_grace_and_large_ones_have_none);
	tcase_add_test(tests, who_cannot_be_woken_is_not_asked_again);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(
	    tests, estimates_of_count_and_bytes_are_within_three_standard_errors, 0, ARRAY_LENGTH(mixes));
	tcase_add_test(tests, the_interval_may_change_at_any_time);
	tcase_add_test(tests, what_a_stack_costs_makes_no_difference_to_what_it_stands_for);
	tcase_add_test(tests, what_stacks_cost_counts_as_samples_do);
	tcase_add_test(tests, a_thread_that_is_made_to_look_meets_the_same_points);
	tcase_add_test(tests, a_fresh_thread_draws_before_it_counts);
	tcase_add_test(tests, a_thread_that_drew_a_long_distance_sees_the_interval_shrink);
	tcase_add_test(tests, with_1_as_the_setting_everything_is_a_sample);
	tcase_add_test(tests, without_tracking_nothing_is_a_sample_and_a_thread_looks_once);
	tcase_add_test(tests, weights_are_one_over_the_probability);
}

int main(void)
{
	return run_suite("sampler", add_tests);
}
