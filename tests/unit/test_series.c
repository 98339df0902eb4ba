/*
 * test_series.c -- the points of a series: evenly apart over all the time, whatever its length.
 */
#include <math.h>

#include "run_suite.h"
#include "track/series.h"

static void add(struct series *series, float at)
{
	series_add(series, (struct series_point){.at = at, .count = at * 2, .bytes = at * 3, .flow = at * 4});
}

START_TEST(points_come_no_faster_than_the_period)
{
	struct series series = {0};

	for (float at = 1; at <= 100; at++)
		add(&series, at);
	ck_assert_uint_eq(series.used, 10);
	for (unsigned i = 0; i < series.used; i++)
		ck_assert(series.points[i].at == 1 + 10 * (float)i);
}
END_TEST

START_TEST(a_full_series_keeps_every_second_point_and_the_last)
{
	struct series series = {0};

	for (float at = 10; at <= 240; at += 10)
		add(&series, at);
	ck_assert_uint_eq(series.used, 24);
	add(&series, 250);
	/* 20, 40, ..., 240; 250 comes too early for the period that has doubled. */
	ck_assert_uint_eq(series.used, 12);
	ck_assert(series.period == 20);
	for (unsigned i = 0; i < 12; i++)
		ck_assert(series.points[i].at == 20 * (float)(i + 1) &&
			  series.points[i].flow == 80 * (float)(i + 1));
	add(&series, 260);
	ck_assert_uint_eq(series.used, 13);
}
END_TEST

START_TEST(a_year_is_covered_evenly)
{
	struct series series = {0};
	float now = 10, end = 365.0f * 86400;

	for (; now < end; now += now < 1e5f ? 10 : 600)
		add(&series, now);
	ck_need(series.used >= 11 && series.used <= 24);
	ck_need(series.points[0].at < 2 * series.period + 1200);
	for (unsigned i = 1; i < series.used; i++) {
		float step = series.points[i].at - series.points[i - 1].at;

		ck_need(step >= series.period * 0.98f && step <= series.period * 1.1f + 1200);
	}
	ck_need(series.points[series.used - 1].at > end - series.period - 1200);
}
END_TEST

START_TEST(what_is_not_later_is_left_out)
{
	static const float bad[] = {100, 99, 50, 0, -1, NAN, INFINITY, -INFINITY, 3e38f};
	struct series series = {0};

	add(&series, 100);
	for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++)
		add(&series, bad[i]);
	ck_assert_uint_eq(series.used, 1);
	/* A jump ahead is one point. */
	add(&series, 1e9f);
	ck_assert_uint_eq(series.used, 2);
}
END_TEST

START_TEST(a_torn_series_does_not_write_outside)
{
	struct {
		struct series series;
		uint64_t guard;
	} both = {.series = {.period = 10, .used = 4000000000u}, .guard = 42};

	add(&both.series, 10);
	ck_assert_uint_le(both.series.used, SERIES_POINTS);
	ck_assert_uint_eq(both.guard, 42);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, points_come_no_faster_than_the_period);
	tcase_add_test(tests, a_full_series_keeps_every_second_point_and_the_last);
	tcase_add_test(tests, a_year_is_covered_evenly);
	tcase_add_test(tests, what_is_not_later_is_left_out);
	tcase_add_test(tests, a_torn_series_does_not_write_outside);
}

int main(void)
{
	return run_suite("series", add_tests);
}
