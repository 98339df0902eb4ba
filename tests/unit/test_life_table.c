/*
 * test_life_table.c -- the censored life table, by hand-computed examples.
 */
#include <math.h>

#include "run_suite.h"
#include "track/life_table.h"

/* deaths objects of weight die at age; censored ones are alive at it. */
static void put(
    struct facts *facts, struct live *live, double age, unsigned deaths, unsigned censored, double weight)
{
	for (unsigned i = 0; i < deaths; i++)
		facts_death(facts, age, 4096, weight);
	for (unsigned i = 0; i < censored; i++)
		live_add(live, age, 4096, weight);
}

static bool is_near(double got, double wanted)
{
	return fabs(got - wanted) <= 1e-6 * fmax(1, fabs(wanted));
}

START_TEST(the_live_are_at_risk_up_to_their_age)
{
	struct facts facts = {0};
	struct live live;
	struct life_table table;

	live_begin(&live, &facts, 1000);
	put(&facts, &live, 1.2, 90, 4, 1); /* bucket 0 */
	put(&facts, &live, 2.1, 3, 2, 1);  /* bucket 2 */
	put(&facts, &live, 9, 1, 6, 1);	   /* bucket 6 */
	life_table_make(&table, &facts, &live);
	ck_need(table.reached[0] == 106 && table.at_risk[0] == 104 && table.died[0] == 90);
	ck_need(table.reached[1] == 12 && table.at_risk[1] == 12 && table.died[1] == 0);
	ck_need(table.reached[2] == 12 && table.at_risk[2] == 11 && table.died[2] == 3);
	ck_need(table.reached[6] == 7 && table.at_risk[6] == 4 && table.died[6] == 1);
	ck_need(table.reached[7] == 0);
	ck_need(is_near(life_table_survival(&table, 0, 1), 14.0 / 104));
	ck_need(is_near(life_table_survival(&table, 1, 7), (8.0 / 11) * (3.0 / 4)));
	ck_need(life_table_survival(&table, 7, 400) == 1);
	/* All known: as many as there are. */
	ck_need(is_near(table.evidence[0], 104) && is_near(table.evidence[6], 4));
}
END_TEST

START_TEST(a_heavy_sample_is_one_piece_of_evidence)
{
	struct facts facts = {0};
	struct live live;
	struct life_table table;

	live_begin(&live, &facts, 1000);
	put(&facts, &live, 9, 0, 5, 10000);
	life_table_make(&table, &facts, &live);
	ck_need(table.at_risk[3] == 50000);
	ck_need(is_near(table.evidence[3], 5));
	/* Objects of weight 1 that died young add nothing to what is old. */
	put(&facts, &live, 0.5, 1000, 0, 1);
	life_table_make(&table, &facts, &live);
	ck_need(is_near(table.evidence[3], 5));
	ck_need(table.evidence[0] < 6.5 && table.evidence[0] > 5);
}
END_TEST

START_TEST(deaths_never_exceed_those_at_risk)
{
	struct facts facts = {0};
	struct live live;
	struct life_table table;

	live_begin(&live, &facts, 1e6);
	for (unsigned i = 0; i < 2000; i++)
		put(&facts, &live, pow(1.007, i), i % 3, i % 5, 1 + i % 7);
	life_table_make(&table, &facts, &live);
	for (unsigned bucket = 0; bucket < FACTS_AGES; bucket++) {
		ck_need(table.died[bucket] <= table.at_risk[bucket]);
		ck_need(table.at_risk[bucket] <= table.reached[bucket]);
		ck_need(table.evidence[bucket] <= table.at_risk[bucket] + 1e-9);
		ck_need(bucket == 0 || table.reached[bucket] <= table.reached[bucket - 1]);
	}
}
END_TEST

START_TEST(a_quantile_lies_in_its_bucket)
{
	double buckets[FACTS_AGES] = {0};

	ck_need(life_table_quantile(buckets, 0.5, 0.25) < 0);
	buckets[0] = 60;
	buckets[10] = 40; /* 32 s to 45 s */
	ck_need(life_table_quantile(buckets, 0.5, 0.25) == 0.25);
	ck_need(is_near(life_table_quantile(buckets, 0.8, 0.25), 32 * pow(2, 0.25)));
	ck_need(is_near(life_table_quantile(buckets, 1, 0.25), 32 * sqrt(2)));
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, the_live_are_at_risk_up_to_their_age);
	tcase_add_test(tests, a_heavy_sample_is_one_piece_of_evidence);
	tcase_add_test(tests, deaths_never_exceed_those_at_risk);
	tcase_add_test(tests, a_quantile_lies_in_its_bucket);
}

int main(void)
{
	return run_suite("life_table", add_tests);
}
