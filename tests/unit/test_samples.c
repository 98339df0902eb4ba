/*
 * test_samples.c -- the table of live samples: numbers, walks, thinning, a full table, threads.
 */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "run_suite.h"
#include "tests/common/pattern.h"
#include "track/samples.h"

static struct sample_facts facts_of(uint32_t site, uint64_t size, float weight, enum track_kind kind)
{
	return (struct sample_facts){
	    .site = site, .birth = site * 3, .size = size, .weight = weight, .kind = kind};
}

static uint32_t take(uint32_t site, uint64_t size, float weight, enum track_kind kind)
{
	struct sample_facts facts = facts_of(site, size, weight, kind);

	return samples_take(&facts);
}

START_TEST(a_sample_keeps_its_facts_until_it_is_removed)
{
	struct sample_facts facts, before;
	uint32_t a, b;

	ck_assert(samples_start());
	a = take(7, UINT64_C(5000000000), 1.5F, TRACK_LARGE);
	b = take(8, 48, 1365, TRACK_SMALL);
	ck_assert_uint_ne(a, 0);
	ck_assert_uint_ne(b, 0);
	ck_assert_uint_ne(a, b);
	ck_assert(samples_read(a, &facts));
	ck_assert_uint_eq(facts.site, 7);
	ck_assert_uint_eq(facts.birth, 21);
	ck_assert_uint_eq(facts.size, UINT64_C(5000000000));
	ck_assert(facts.weight == 1.5F && facts.kind == TRACK_LARGE);
	ck_assert(samples_resize(a, 123, &before));
	ck_assert_uint_eq(before.size, UINT64_C(5000000000));
	ck_assert_uint_eq(samples_live(), 2);
	ck_assert_uint_eq(samples_live_of(TRACK_LARGE), 1);
	ck_assert(samples_remove(a, &facts));
	ck_assert_uint_eq(facts.size, 123);
	ck_assert_uint_eq(samples_live_of(TRACK_LARGE), 0);
	/* Its number means nothing any more, also when the entry is used again. */
	ck_assert(!samples_remove(a, &facts));
	ck_assert(!samples_read(a, &facts));
	ck_assert(!samples_resize(a, 1, &facts));
	ck_assert_uint_ne(take(9, 1, 1, TRACK_POOL), a);
	ck_assert(!samples_read(a, &facts));
	ck_assert(samples_read(b, &facts));
	ck_assert_uint_eq(facts.site, 8);
	/* Nor do numbers that never were. */
	ck_assert(!samples_read(0, &facts));
	ck_assert(!samples_read(SAMPLES_MAX, &facts));
	ck_assert(!samples_remove(UINT32_MAX, &facts));
}
END_TEST

START_TEST(the_walk_meets_each_live_sample_once)
{
	static uint32_t numbers[10000];
	static unsigned char met[10000];
	struct sample_facts facts;
	uint32_t cursor = 0, count = 0, number;

	ck_assert(samples_start());
	ck_assert_uint_eq(samples_next(&cursor, &facts), 0);
	for (uint32_t i = 0; i < ARRAY_LENGTH(numbers); i++)
		numbers[i] = take(i, i, 1, TRACK_POOL);
	for (uint32_t i = 0; i < ARRAY_LENGTH(numbers); i += 3)
		ck_need(samples_remove(numbers[i], &facts));
	cursor = 0;
	while ((number = samples_next(&cursor, &facts)) != 0) {
		ck_need(facts.site < ARRAY_LENGTH(numbers) && facts.site % 3 != 0 && met[facts.site]++ == 0);
		ck_need(numbers[facts.site] == number);
		count++;
	}
	ck_assert_uint_eq(count, samples_live());
	ck_assert_uint_eq(samples_next(&cursor, &facts), 0);
}
END_TEST

START_TEST(a_full_table_says_so_and_takes_again_what_is_freed)
{
	static uint32_t numbers[SAMPLES_MAX];
	struct samples_counters counters;
	struct sample_facts facts;

	ck_assert(samples_start());
	samples_count(&counters);
	ck_assert_uint_eq(counters.bytes_used, 0);
	for (uint32_t i = 0; i < SAMPLES_MAX; i++)
		ck_need((numbers[i] = take(i, i, 1, TRACK_SMALL)) != 0);
	ck_assert_uint_eq(take(1, 1, 1, TRACK_SMALL), 0);
	ck_assert_uint_eq(take(1, 1, 1, TRACK_POOL), 0);
	samples_count(&counters);
	ck_assert_uint_eq(counters.refused, 2);
	ck_assert_uint_eq(counters.live, SAMPLES_MAX);
	ck_assert_uint_eq(counters.bytes_used, counters.bytes);
	ck_assert_uint_le(counters.bytes, 4 * MIB);
	ck_assert(samples_remove(numbers[77], &facts));
	ck_assert_uint_ne(take(1, 1, 1, TRACK_POOL), 0);
	ck_assert_uint_eq(take(1, 1, 1, TRACK_POOL), 0);
}
END_TEST

/* --- thinning ---------------------------------------------------------------- */

static double changed_count, changed_weight;

static void note_change(const struct sample_facts *before, float weight)
{
	ck_need(weight == 0 || weight == 2 * before->weight);
	changed_count += weight != 0 ? 0 : 1;
	changed_weight += (double)weight - (double)before->weight;
}

static double live_weight(double *bytes)
{
	struct sample_facts facts;
	uint32_t cursor = 0;
	double weight = 0;

	*bytes = 0;
	while (samples_next(&cursor, &facts) != 0) {
		weight += (double)facts.weight;
		*bytes += (double)facts.weight * (double)facts.size;
	}
	return weight;
}

/* Each thinning adds w^2 to the variance of a sample of weight w that it meets. */
START_TEST(thinning_halves_the_table_and_has_no_bias)
{
	double error = 0, bytes_error = 0, variance = 0, bytes_variance = 0;

	ck_assert(samples_start());
	for (unsigned run = 0; run < 200; run++) {
		double weight = 0, bytes = 0, left, left_bytes;
		uint32_t numbers[500], kept = 0;
		struct sample_facts facts;

		changed_count = changed_weight = 0;
		for (uint32_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
			double size = 16 + i * 7, w = 1 + i % 40;

			numbers[i] = take(i, (uint64_t)size, (float)w, TRACK_SMALL);
			weight += w;
			bytes += w * size;
			variance += w * w;
			bytes_variance += w * w * size * size;
		}
		take(1, 1000, 3, TRACK_POOL); /* of another kind: left alone */
		samples_thin(TRACK_SMALL, run * 1000 + 17, note_change);
		ck_assert_uint_eq(samples_live_of(TRACK_POOL), run + 1);
		ck_assert_uint_eq(samples_live_of(TRACK_SMALL), 500 - (uint32_t)changed_count);
		for (uint32_t i = 0; i < ARRAY_LENGTH(numbers); i++)
			kept += samples_read(numbers[i], &facts);
		ck_assert_uint_eq(kept, samples_live_of(TRACK_SMALL));
		ck_assert(kept > 150 && kept < 350);
		left = live_weight(&left_bytes) - 3 * (run + 1);
		left_bytes -= 3000 * (run + 1);
		ck_assert_double_eq_tol(left - weight, changed_weight, 1e-6);
		error += left - weight;
		bytes_error += left_bytes - bytes;
		/* Owners free what they hold, whether it is still known or not. */
		for (uint32_t i = 0; i < ARRAY_LENGTH(numbers); i++)
			kept -= samples_remove(numbers[i], &facts);
		ck_assert_uint_eq(kept, 0);
	}
	ck_assert(error != 0);
	ck_assert(fabs(error) <= 3 * sqrt(variance));
	ck_assert(fabs(bytes_error) <= 3 * sqrt(bytes_variance));
}
END_TEST

/* --- threads ----------------------------------------------------------------- */

#define THREADS 4
#define HELD 300

static _Atomic bool is_over;
static _Atomic uint64_t taken, ended, dropped;

static void *work(void *argument)
{
	uint64_t random = (uint64_t)(uintptr_t)argument;
	uint32_t held[HELD] = {0}, sites[HELD] = {0};
	struct sample_facts facts;

	/* Further where all four were through before the watcher had a processor. */
	for (unsigned i = 0; i < 100000 || (atomic_load(&dropped) == 0 && i < 20000000); i++) {
		unsigned k = (unsigned)(random_next(&random) % HELD);

		if (held[k] != 0) {
			if (samples_remove(held[k], &facts)) {
				/* Nobody else's: its facts are what this thread wrote. */
				ck_need(facts.site == sites[k] && facts.birth == sites[k] * 3);
				atomic_fetch_add(&ended, 1);
			}
			held[k] = 0;
		} else {
			sites[k] = (uint32_t)random_next(&random) % 1000000;
			held[k] = take(sites[k], sites[k], 1, TRACK_POOL);
			ck_need(held[k] != 0);
			atomic_fetch_add(&taken, 1);
		}
	}
	for (unsigned k = 0; k < HELD; k++)
		if (held[k] != 0 && samples_remove(held[k], &facts))
			atomic_fetch_add(&ended, 1);
	return NULL;
}

static void note_dropped(const struct sample_facts *before, float weight)
{
	ck_need(before->birth == before->site * 3 && before->size == before->site);
	if (weight == 0)
		atomic_fetch_add(&dropped, 1);
}

static void *watch(void *argument)
{
	uint64_t seed = 1;

	while (!atomic_load(&is_over)) {
		struct sample_facts facts;
		uint32_t cursor = 0;

		while (samples_next(&cursor, &facts) != 0)
			ck_need(facts.birth == facts.site * 3 && facts.size == facts.site);
		samples_thin(TRACK_POOL, seed++, note_dropped);
	}
	return argument;
}

START_TEST(threads_that_take_end_thin_and_walk_lose_nothing)
{
	pthread_t threads[THREADS], watcher;

	ck_assert(samples_start());
	ck_assert_int_eq(pthread_create(&watcher, NULL, watch, NULL), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&is_over, true);
	pthread_join(watcher, NULL);
	ck_assert_uint_gt(dropped, 0);
	ck_assert_uint_eq(taken, ended + dropped);
	ck_assert_uint_eq(samples_live(), 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_sample_keeps_its_facts_until_it_is_removed);
	tcase_add_test(tests, the_walk_meets_each_live_sample_once);
	tcase_add_test(tests, a_full_table_says_so_and_takes_again_what_is_freed);
	tcase_add_test(tests, thinning_halves_the_table_and_has_no_bias);
	tcase_add_test(tests, threads_that_take_end_thin_and_walk_lose_nothing);
}

int main(void)
{
	return run_suite("samples", add_tests);
}
