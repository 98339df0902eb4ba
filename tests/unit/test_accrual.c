/*
 * test_accrual.c -- does what stays keep coming: leaks, start-up data, ever fewer new names, bursts.
 */
#include "run_suite.h"
#include "site.h"
#include "track/accrual.h"

#define HOURS 3600.0

static double one_a_second(double t)
{
	(void)t;
	return 1;
}
static double ten_times_more_later(double t)
{
	return t < 3 * HOURS ? 0.2 : 2;
}
static double one_in_a_hundred(unsigned i, double t)
{
	(void)t;
	return i % 100 == 0 ? KEPT : 2;
}
static double in_the_first_minutes(unsigned i, double t)
{
	return t < 600 && i % 4 == 0 ? KEPT : 2;
}
/* The n-th is new if the integer part of 10 sqrt(n) moves: n^(1/2) of them in all. */
static double new_names(unsigned i, double t)
{
	(void)t;
	return (unsigned)(10 * sqrt(i)) != (unsigned)(10 * sqrt(i + 1.0)) ? KEPT : 2;
}
static double in_one_burst(unsigned i, double t)
{
	(void)i;
	return t > 2 * HOURS && t < 2 * HOURS + 100 ? KEPT : 2;
}
static double from_the_fifth_hour(unsigned i, double t)
{
	return t > 5 * HOURS && i % 100 == 0 ? KEPT : 2;
}
static double in_the_last_six_hours_of_ten_days(unsigned i, double t)
{
	return t > 234 * HOURS && i % 20 == 0 ? KEPT : 2;
}
static double at_a_twentieth(double t)
{
	(void)t;
	return 0.05;
}

static struct accrual of(
    double until, double (*rate)(double), double (*life)(unsigned, double), double weight)
{
	struct facts facts;
	struct live live;
	struct accrual accrual;

	site_make(&facts, &live, &(struct site_plan){until, rate, life, weight, NULL});
	accrual_measure(&accrual, &facts, &live, 60, ACCRUAL_BY_BIRTHS);
	return accrual;
}

START_TEST(a_leak_comes_as_evenly_as_births)
{
	struct accrual a = of(6 * HOURS, one_a_second, one_in_a_hundred, 1);

	ck_need(a.continues > 0.95 && a.spread == 1);
	ck_need(fabs(a.share - 0.01) < 0.0005);
	ck_need(fabs(a.per_hour / facts_mass(64, 1) - 36) < 2);
	/* 216, less the first 1/32 and the last minute's cohort */
	ck_need(a.survivors > 195 && a.survivors < 213);
}
END_TEST

START_TEST(a_leak_in_step_with_load_is_even_in_births)
{
	struct accrual a = of(6 * HOURS, ten_times_more_later, one_in_a_hundred, 1);

	ck_need(a.continues > 0.95 && a.spread > 0.9);
	ck_need(fabs(a.share - 0.01) < 0.001);
}
END_TEST

START_TEST(data_of_the_start_up_does_not_accrue)
{
	struct accrual a = of(6 * HOURS, one_a_second, in_the_first_minutes, 1);

	ck_need(a.survivors == 0 && a.continues == 0);
}
END_TEST

START_TEST(ever_fewer_new_names_are_no_leak)
{
	struct accrual a = of(6 * HOURS, one_a_second, new_names, 1);

	ck_need(a.survivors > 100);
	ck_need(a.continues < 0.1);
}
END_TEST

/* As a leak comes, and three times as many among the first births. */
static double more_at_the_start(unsigned i, double t)
{
	return i % (t < 600 ? 33 : 100) == 0 ? KEPT : 2;
}

/* It has been a store at the start, at least: what else it keeps is doubted more. */
START_TEST(who_kept_more_at_the_start_is_a_store_more_likely)
{
	struct accrual leak = of(6 * HOURS, one_a_second, one_in_a_hundred, 1);
	struct accrual store = of(6 * HOURS, one_a_second, more_at_the_start, 1);

	ck_need(store.survivors == leak.survivors);
	/* The odds against a leak; 20 times as high. */
	ck_need(1 / store.continues - 1 > 15 * (1 / leak.continues - 1) && leak.continues < 1);
}
END_TEST

START_TEST(one_burst_is_not_spread)
{
	struct accrual a = of(6 * HOURS, one_a_second, in_one_burst, 1);

	ck_need(a.survivors >= 95);
	ck_need(a.continues * a.spread < 0.2);
}
END_TEST

START_TEST(a_leak_that_starts_late_begins_with_its_first_survivors)
{
	struct accrual a = of(10 * HOURS, one_a_second, from_the_fifth_hour, 1);

	ck_need(a.continues > 0.9 && a.spread > 0.9);
	ck_need(fabs(a.share - 0.01) < 0.001);
}
END_TEST

START_TEST(six_hours_of_a_leak_are_seen_after_ten_days)
{
	struct accrual a = of(240 * HOURS, at_a_twentieth, in_the_last_six_hours_of_ten_days, 1);

	ck_need(a.survivors > 35);
	ck_need(a.continues > 0.8 && a.spread > 0.8);
	ck_need(fabs(a.share - 0.05) < 0.01);
}
END_TEST

START_TEST(weights_scale_what_stays_and_not_the_evidence)
{
	struct accrual one = of(6 * HOURS, one_a_second, one_in_a_hundred, 1);
	struct accrual many = of(6 * HOURS, one_a_second, one_in_a_hundred, 1000);

	ck_need(fabs(many.survivors - one.survivors) < 0.01);
	ck_need(fabs(many.continues - one.continues) < 1e-3);
	ck_need(fabs(many.share - one.share) < 1e-5);
	ck_need(fabs(many.per_hour - 1000 * one.per_hour) < 1);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, a_leak_comes_as_evenly_as_births);
	tcase_add_test(tests, a_leak_in_step_with_load_is_even_in_births);
	tcase_add_test(tests, data_of_the_start_up_does_not_accrue);
	tcase_add_test(tests, ever_fewer_new_names_are_no_leak);
	tcase_add_test(tests, who_kept_more_at_the_start_is_a_store_more_likely);
	tcase_add_test(tests, one_burst_is_not_spread);
	tcase_add_test(tests, a_leak_that_starts_late_begins_with_its_first_survivors);
	tcase_add_test(tests, six_hours_of_a_leak_are_seen_after_ten_days);
	tcase_add_test(tests, weights_scale_what_stays_and_not_the_evidence);
}

int main(void)
{
	return run_suite("accrual", add_tests);
}
