/*
 * test_flat_tail.c -- where survival goes flat, and what no death in so long a time says.
 */
#include <math.h>

#include "run_suite.h"
#include "track/flat_tail.h"

#define HOUR_SECONDS 3600.0

/* The Bayes factor by a fine sum with libm, as its comment defines it. */
static double factor_by_libm(double exposure, double died, double to_age)
{
	double hazard = 0.03 / to_age, random = 0;
	const int doublings = 14;

	for (int i = 0; i < doublings; i++) {
		double rate = 1 / (60 * pow(2, i));

		random += exp(died * log(rate / hazard) - exposure * rate) / doublings;
	}
	double never = 0;

	for (int i = 0; i < 3; i++)
		never += exp(died * log(pow(0.1, i)) - exposure * hazard * pow(0.1, i)) / 3;

	double beyond = fmin(1, fmax(0, 1 - log2(to_age / 60) / 14.3));

	return never / (0.5 * random + 0.5 * beyond * never);
}

START_TEST(the_factor_is_what_its_comment_says)
{
	static const double exposures[] = {60, 3600, 1e5, 1e6}, deaths[] = {0, 1, 2.5, 10},
			    ages[] = {60, 600, 3600, 1e5};

	for (unsigned i = 0; i < 64; i++) {
		double e = exposures[i % 4], d = deaths[i / 4 % 4], a = ages[i / 16];
		double wanted = factor_by_libm(e, d, a);

		ck_need(fabs(flat_tail_stays_factor(e, d, a) - wanted) <= 1e-6 * wanted);
	}
}
END_TEST

START_TEST(more_exposure_without_a_death_speaks_for_staying)
{
	double last = 0;

	for (double exposure = 100; exposure < 1e5; exposure *= 2) {
		double factor = flat_tail_stays_factor(exposure, 0, HOUR_SECONDS);

		ck_need(factor >= last);
		last = factor;
	}
	/* But never more than time allows: a fixed time to live may be longer yet. */
	ck_need(last < 2 / flat_tail_beyond(HOUR_SECONDS));
	/* Of very many, too. */
	ck_need(flat_tail_stays_factor(1e9, 0, HOUR_SECONDS) > 2);
	ck_need(flat_tail_stays_factor(1e5, 20, HOUR_SECONDS) < 1e-3);
}
END_TEST

START_TEST(what_may_be_released_later_gets_less_with_age)
{
	ck_need(flat_tail_beyond(0) == 1 && flat_tail_beyond(60) == 1);
	/* 60 minutes are 5.9 of 14.3 doublings */
	ck_need(fabs(flat_tail_beyond(3600) - (1 - log2(60) / 14.3)) < 1e-9);
	ck_need(flat_tail_beyond(30 * 86400.0) == 0);
}
END_TEST

/* births born evenly over now seconds; share of them stays, the others die at life. */
static void leak(
    struct facts *facts, struct live *live, double now, unsigned births, unsigned one_in, double life)
{
	live_begin(live, facts, now);
	for (unsigned i = 0; i < births; i++) {
		double born = now * i / births;

		facts_birth(facts, born, 64, 1);
		if (one_in != 0 && i % one_in == 0)
			live_add(live, now - born, 64, 1);
		else if (born + life <= now)
			facts_death(facts, life, 64, 1);
		else
			live_add(live, now - born, 64, 1);
	}
}

START_TEST(a_leak_has_a_flat_tail_after_its_lifetimes)
{
	struct facts facts = {0};
	struct live live;
	struct life_table table;
	struct flat_tail tail;

	leak(&facts, &live, HOUR_SECONDS, 6000, 100, 20);
	life_table_make(&table, &facts, &live);
	flat_tail_find(&tail, &table, HOUR_SECONDS);
	ck_need(tail.from == facts_age_bucket(20) + 1);
	ck_need(facts_age_from(tail.to) > 2000 && tail.to_age > 2000 && tail.to_age <= HOUR_SECONDS);
	ck_need(tail.died == 0);
	/* 60 objects, 30 minutes each on average, less the first seconds and what is younger */
	ck_need(tail.exposure > 0.85 * 60 * 1800 && tail.exposure < 1.25 * 60 * 1800);
	ck_need(tail.log_evidence > 10 && tail.stays_factor > 2);
}
END_TEST

START_TEST(a_site_whose_objects_all_die_has_none)
{
	struct facts facts = {0};
	struct live live;
	struct life_table table;
	struct flat_tail tail;

	leak(&facts, &live, HOUR_SECONDS, 6000, 0, 20);
	life_table_make(&table, &facts, &live);
	flat_tail_find(&tail, &table, HOUR_SECONDS);
	ck_need(tail.to == 0);
}
END_TEST

START_TEST(long_power_law_tails_are_not_flat)
{
	/* Survival a^-0.7, of 100,000, at all ages up to an hour. */
	struct facts facts = {0};
	struct live live;
	struct life_table table;
	struct flat_tail tail;

	live_begin(&live, &facts, HOUR_SECONDS);
	for (unsigned i = 0; i < 100000; i++) {
		double life = pow((i + 0.5) / 100000, -1 / 0.7),
		       born = HOUR_SECONDS * (i * 7919 % 100000) / 100000;

		facts_birth(&facts, born, 64, 1);
		if (born + life <= HOUR_SECONDS)
			facts_death(&facts, life, 64, 1);
		else
			live_add(&live, HOUR_SECONDS - born, 64, 1);
	}
	life_table_make(&table, &facts, &live);
	flat_tail_find(&tail, &table, HOUR_SECONDS);
	ck_need(tail.to == 0 || tail.stays_factor / (1 + exp(-tail.log_evidence)) < 0.5);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, the_factor_is_what_its_comment_says);
	tcase_add_test(tests, more_exposure_without_a_death_speaks_for_staying);
	tcase_add_test(tests, what_may_be_released_later_gets_less_with_age);
	tcase_add_test(tests, a_leak_has_a_flat_tail_after_its_lifetimes);
	tcase_add_test(tests, a_site_whose_objects_all_die_has_none);
	tcase_add_test(tests, long_power_law_tails_are_not_flat);
}

int main(void)
{
	return run_suite("flat_tail", add_tests);
}
