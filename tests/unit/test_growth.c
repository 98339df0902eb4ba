/*
 * test_growth.c -- trends, and load taken out of them.
 */
#include <math.h>

#include "run_suite.h"
#include "track/growth.h"

START_TEST(a_trend_is_counted_in_standard_errors)
{
	/* n = 8: 28 pairs, variance 8 * 7 * 21 / 18 */
	static const double up[] = {1, 2, 3, 4, 5, 6, 7, 8}, down[] = {8, 7, 6, 5, 4, 3, 2, 1};
	static const double level[] = {1, 1, 1, 1, 1, 1, 1, 1}, mixed[] = {1, 3, 2, 4, 3, 5, 4, 6};

	ck_need(fabs(growth_trend(up, 8) - 28 / sqrt(8 * 7 * 21 / 18.0)) < 1e-9);
	ck_need(fabs(growth_trend(down, 8) + 28 / sqrt(8 * 7 * 21 / 18.0)) < 1e-9);
	ck_need(growth_trend(level, 8) == 0);
	/* 23 pairs rise, 3 fall, 2 are equal */
	ck_need(fabs(growth_trend(mixed, 8) - 20 / sqrt(8 * 7 * 21 / 18.0)) < 1e-9);
	ck_need(growth_trend(up, 5) == 0);
}
END_TEST

/* 20 points, 100 s apart: live count and births a second of each. */
static struct series made(double (*count)(double t), double (*rate)(double t))
{
	struct series series = {.period = 100, .used = 20};
	double flow = 0;

	for (unsigned i = 0; i < 20; i++) {
		double t = 100 * (i + 1);

		flow += 100 * rate(t);
		series.points[i] = (struct series_point){.at = (float)t,
		    .count = (float)count(t),
		    .bytes = (float)(64 * count(t)),
		    .flow = (float)flow};
	}
	return series;
}

static double ten(double t)
{
	(void)t;
	return 10;
}
static double tripled(double t)
{
	return 10 + 20 * t / 2000;
}
static double queued(double t)
{
	return 100 + t;
}
static double a_hundred(double t)
{
	return 100 + 3 * sin(t);
}
static double a_hundred_seconds_of_load(double t)
{
	return 100 * tripled(t);
}

START_TEST(a_load_that_triples_takes_itself_out)
{
	struct series series = made(a_hundred_seconds_of_load, tripled);
	struct growth growth = growth_judge(&series, 0, 5);

	ck_need(growth.of_count > 4);
	/* Births rise while the count is taken: what stays lags behind, and does not rise. */
	ck_need(growth.of_stay < 1.5);
}
END_TEST

START_TEST(a_queue_that_backs_up_grows_beyond_its_load)
{
	struct series series = made(queued, ten);
	struct growth growth = growth_judge(&series, 0, 5);

	ck_need(growth.of_count > 4 && growth.of_stay > 4);
	ck_need(fabs(growth_bytes_per_second(&series) - 64) < 1e-3);
	ck_need(fabs(growth_counts_per_second(&series) - 1) < 1e-4);
}
END_TEST

START_TEST(noise_and_few_objects_do_not_grow)
{
	struct series steady = made(a_hundred, ten), growing = made(queued, ten);

	ck_need(growth_judge(&steady, 0, 5).of_count <= 1);
	ck_need(growth_judge(&growing, 0, 1e6).of_count <= 1);
	ck_need(growth_judge(&growing, 0, 1e6).of_stay <= 1);
}
END_TEST

START_TEST(empty_and_odd_series_are_answered)
{
	struct series empty = {0}, odd = {.period = 10, .used = 24}, torn = {.used = 4000000000u};
	struct growth growth;

	for (unsigned i = 0; i < 24; i++)
		odd.points[i] = (struct series_point){NAN, -INFINITY, i % 2 ? NAN : INFINITY, -1};
	growth = growth_judge(&empty, 0, 0);
	ck_need(growth.of_count == 0 && growth.of_stay == 0 && growth_bytes_per_second(&empty) == 0);
	growth = growth_judge(&odd, NAN, NAN);
	ck_need(isfinite(growth.of_count) && isfinite(growth.of_stay));
	ck_need(isfinite(growth_bytes_per_second(&odd)) && isfinite(growth_counts_per_second(&odd)));
	growth = growth_judge(&torn, 0, 0);
	ck_need(isfinite(growth.of_count) && isfinite(growth_bytes_per_second(&torn)));
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, a_trend_is_counted_in_standard_errors);
	tcase_add_test(tests, a_load_that_triples_takes_itself_out);
	tcase_add_test(tests, a_queue_that_backs_up_grows_beyond_its_load);
	tcase_add_test(tests, noise_and_few_objects_do_not_grow);
	tcase_add_test(tests, empty_and_odd_series_are_answered);
}

int main(void)
{
	return run_suite("growth", add_tests);
}
