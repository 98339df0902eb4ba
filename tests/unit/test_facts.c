/*
 * test_facts.c -- what is remembered of a site, by hand-computed examples.
 */
#include <math.h>
#include <string.h>

#include "run_suite.h"
#include "track/facts.h"

static const struct {
	double age;
	unsigned bucket;
} ages[] = {
    {0, 0},
    {0.999, 0},
    {1, 0},
    {1.414, 0},
    {1.4143, 1},
    {1.999, 1},
    {2, 2},
    {2.83, 3},
    {4, 4},
    {60, 11},
    {3600, 23},
    {86400, 32},
    {0x1p23, 46},
    {0x1p23 * 1.415, 47},
    {0x1p24, 47},
    {1e300, 47},
    {NAN, 0},
    {-5, 0},
    {INFINITY, 47},
};

START_TEST(an_age_falls_into_its_half_octave)
{
	ck_assert_uint_eq(facts_age_bucket(ages[_i].age), ages[_i].bucket);
}
END_TEST

START_TEST(a_bucket_begins_where_the_one_before_ends)
{
	ck_need(facts_age_from(0) == 0);
	for (unsigned bucket = 1; bucket < FACTS_AGES; bucket++) {
		double from = facts_age_from(bucket);

		ck_need(facts_age_bucket(from * (1 + 1e-15)) == bucket);
		ck_need(facts_age_bucket(from * (1 - 1e-12)) == bucket - 1);
		ck_need(fabs(from - pow(2, bucket / 2.0)) < 1e-9 * from);
	}
}
END_TEST

START_TEST(births_and_deaths_are_summed_by_weight)
{
	struct facts facts = {0};

	facts_birth(&facts, 5, 1000, 1);
	facts_birth(&facts, 6, 100, 30);
	facts_birth(&facts, 7, 100, 30);
	ck_need(facts.first_at == 5 && facts.births == 61 && facts.birth_bytes == 7000);
	ck_need(facts.live_count == 61 && facts.live_bytes == 7000);
	facts_death(&facts, 0.5, 1000, 1);
	facts_death(&facts, 100, 100, 30);
	ck_need(facts.live_count == 30 && facts.live_bytes == 3000);
	ck_need(facts.deaths == 31);
	facts_resize(&facts, 100, 150, 30);
	ck_need(facts.live_bytes == 4500);
	facts_resize(&facts, 150, 50, 30);
	ck_need(facts.live_bytes == 1500);
}
END_TEST

START_TEST(what_leaves_for_another_site_neither_died_nor_was_born_here)
{
	struct facts grown = {0}, plain = {0};

	/* Two in step, and a third one that leaves the first site. */
	for (unsigned i = 0; i < 2; i++) {
		facts_birth(&grown, 5, 8192, 3);
		facts_birth(&plain, 5, 8192, 3);
	}
	facts_birth(&grown, 6, 512, 10);
	facts_leave(&grown, 512, 10);
	facts_death(&grown, 20, 8192, 3);
	facts_death(&plain, 20, 8192, 3);
	ck_need(grown.birth_mass == plain.birth_mass && grown.death_mass == plain.death_mass);
	ck_need(grown.death_squares == plain.death_squares && grown.death_size == plain.death_size);
	ck_need(memcmp(grown.died_at, plain.died_at, sizeof(plain.died_at)) == 0);
	ck_need(grown.live_count == 3 && grown.live_bytes == 3 * 8192);
	/* What is counted for ever never falls. */
	ck_need(grown.births == 16 && grown.deaths == 13);
	/* More than ever came, by weights that changed: nothing below 0. */
	facts_leave(&grown, 8192, 100);
	ck_need(grown.birth_mass == 0 && grown.live_count == 0 && grown.live_bytes == 0);
	facts_leave(&grown, 8192, (double)NAN);
	ck_need(grown.deaths == 113);
}
END_TEST

/* A buffer of the pool has its weight, whatever its size, and an object of 64 bytes an eighth of it. */
START_TEST(lifetimes_are_summed_by_mass)
{
	struct facts facts = {0};

	ck_need(facts_mass(4096, 3) == 3 && facts_mass(1 << 20, 1) == 1);
	ck_need(fabs(facts_mass(64, 1) - 1.0 / 8) < 1e-9 && fabs(facts_mass(16, 10) - 10.0 / 16) < 1e-9);
	ck_need(facts_mass(0, 1) == facts_mass(1, 1) && facts_mass(1, 1) > 0);
	facts_birth(&facts, 5, 65536, 1);
	facts_birth(&facts, 6, 64, 32);
	facts_point(&facts, 6);
	facts_death(&facts, 0.5, 65536, 1);
	facts_death(&facts, 100, 64, 32);
	ck_need(fabs(facts.birth_mass - 5) < 1e-6 && fabs((double)facts.series.points[0].flow - 5) < 1e-6);
	ck_need(fabs(facts.death_mass - 5) < 1e-6 && fabs(facts.death_squares - 17) < 1e-6);
	ck_need(facts.died_at[0] == 1 && fabs(facts.died_at[facts_age_bucket(100)] - 4) < 1e-6);
	ck_need(facts.young_age == 0.5);
}
END_TEST

/*
 * One byte in so many is picked, from objects of 16 bytes to 4 KiB, as many in each octave; and all are. By weight
 * the samples would be worth a twelfth of what they are in the first case, by bytes a third in the second.
 */
START_TEST(a_site_of_many_sizes_is_known_by_most_of_its_samples)
{
	for (unsigned is_sampled = 0; is_sampled < 2; is_sampled++) {
		struct facts facts = {0};
		struct live live;
		unsigned count = 0;

		live_begin(&live, &facts, 10);
		for (unsigned octave = 0; octave < 9; octave++)
			for (unsigned i = 0; i < (is_sampled ? 1u << octave : 100); i++, count++)
				live_add(&live, 5, 16u << octave, is_sampled ? 4096.0 / (16u << octave) : 1);
		ck_need(live.mass * live.mass / live.squares > 0.55 * count);
		ck_need(live.mass * live.mass / live.squares <= count);
	}
}
END_TEST

START_TEST(what_was_counted_apart_and_joined_is_as_if_counted_at_once)
{
	static struct facts whole, parts[3], sum;
	double live[3] = {0, 0, 0}, bytes[3] = {0, 0, 0};

	for (unsigned i = 0; i < 3000; i++) {
		/* Somewhere else than where it is born; the first part has deaths only. */
		unsigned born = 1 + i % 2, died = (born + 1 + i / 2 % 2) % 3;
		uint64_t size = 4096 + 7 * i;

		facts_birth(&whole, 5000 - i, size, 1);
		facts_birth(&parts[born], 5000 - i, size, 1);
		live[born]++;
		bytes[born] += (double)size;
		if (i % 10 == 0)
			continue;
		facts_death(&whole, i / 64.0, size, 1);
		facts_death(&parts[died], i / 64.0, size, 1);
		live[died]--;
		bytes[died] -= (double)size;
	}
	ck_need(live[0] < 0);
	for (unsigned i = 0; i < 3; i++) {
		facts_join(&sum, &parts[i], live[i], bytes[i]);
		ck_need(parts[i].births == 0 && parts[i].deaths == 0 && parts[i].died_at[0] == 0);
	}
	ck_need(sum.live_count == 300);
	/* Sums of logarithms depend on their order in the last places. */
	ck_need(fabs(sum.death_size - whole.death_size) < 1e-9 * whole.death_size);
	ck_need(fabs(sum.death_size_squares - whole.death_size_squares) < 1e-9 * whole.death_size_squares);
	sum.death_size = whole.death_size;
	sum.death_size_squares = whole.death_size_squares;
	ck_need(memcmp(&sum, &whole, sizeof(whole)) == 0);
}
END_TEST

START_TEST(more_deaths_than_births_leave_nothing_negative)
{
	struct facts facts = {0};

	facts_birth(&facts, 0, 10, 1);
	for (int i = 0; i < 5; i++)
		facts_death(&facts, 1, 1000, 7);
	ck_need(facts.live_count == 0 && facts.live_bytes == 0);
}
END_TEST

START_TEST(what_is_no_weight_is_left_out)
{
	static const double bad[] = {0, -1, NAN, INFINITY, -INFINITY, 1e300};
	struct facts facts = {0}, none = {0};
	struct live live, fresh;

	live_begin(&live, &facts, 10);
	live_begin(&fresh, &facts, 10);
	for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++) {
		facts_birth(&facts, 1, 10, bad[i]);
		facts_death(&facts, 1, 10, bad[i]);
		live_add(&live, 1, 10, bad[i]);
	}
	ck_need(memcmp(&facts, &none, sizeof(facts)) == 0);
	ck_need(memcmp(&live, &fresh, sizeof(live)) == 0);
}
END_TEST

START_TEST(a_week_of_a_million_a_second_is_counted_exactly)
{
	/* Sums of whole weights do not stall, as floats would at 16.7 million. */
	struct facts facts = {.births = 6e11, .deaths = 6e11};

	facts.died_at[0] = 6e11;
	facts_birth(&facts, 604800, 4096, 1);
	facts_death(&facts, 0.1, 4096, 1);
	ck_need(facts.births == 6e11 + 1 && facts.died_at[0] == 6e11 + 1 && facts.deaths == 6e11 + 1);
}
END_TEST

START_TEST(a_copy_is_the_same)
{
	struct facts facts = {0}, copy;

	for (int i = 0; i < 100; i++) {
		facts_birth(&facts, i, (uint64_t)i * 17, 1.5);
		facts_death(&facts, i, (uint64_t)i * 17, 1.5);
		facts_point(&facts, i * 11);
	}
	facts_copy(&copy, &facts);
	ck_need(memcmp(&copy, &facts, sizeof(facts)) == 0);
}
END_TEST

START_TEST(the_walk_sorts_the_live_by_age_birth_and_tail)
{
	struct facts facts = {0};
	struct live live;

	/* From 100 s on; 99 deaths at 1.2 s: the tail begins at the end of their bucket. */
	for (int i = 0; i < 99; i++) {
		facts_birth(&facts, 100 + i, 4096, 1);
		facts_death(&facts, 1.2, 4096, 1);
	}
	live_begin(&live, &facts, 420);
	ck_need(live.first_at == 100 && fabs(live.old_age - sqrt(2)) < 1e-9);
	live_add(&live, 320, 8192, 2); /* the first */
	live_add(&live, 160, 8192, 2); /* halfway */
	live_add(&live, 5, 8192, 3);   /* young */
	live_add(&live, 0, 8192, 1);
	ck_need(live.count == 8 && live.bytes == 65536);
	ck_need(live.mass == 8 && live.squares == 4 + 4 + 9 + 1);
	ck_need(live.at_age[facts_age_bucket(320)] == 2 && live.at_age[facts_age_bucket(5)] == 3);
	ck_need(live.born[0] == 2 && live.born[16] == 2 && live.born[31] == 4);
	/* The last 1/16 is 20 s; 5 s ago is three quarters into it. */
	ck_need(live.born_recently[24] == 3 && live.born_recently[31] == 1);
	ck_need(live.old_count == 7 && live.old_bytes == 57344);
	ck_need(live.old_mass == 7 && live.old_squares == 17);
	ck_need(live.old_size == 7 * 13 && live.old_size_squares == 7 * 169);
}
END_TEST

START_TEST(the_first_birth_is_the_earliest_told)
{
	struct facts facts = {0};

	facts_birth(&facts, 50, 1, 1);
	facts_birth(&facts, 40, 1, 1);
	facts_birth(&facts, 60, 1, 1);
	ck_need(facts.first_at == 40);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, an_age_falls_into_its_half_octave, 0, (int)ARRAY_LENGTH(ages));
	tcase_add_test(tests, a_bucket_begins_where_the_one_before_ends);
	tcase_add_test(tests, births_and_deaths_are_summed_by_weight);
	tcase_add_test(tests, what_leaves_for_another_site_neither_died_nor_was_born_here);
	tcase_add_test(tests, lifetimes_are_summed_by_mass);
	tcase_add_test(tests, a_site_of_many_sizes_is_known_by_most_of_its_samples);
	tcase_add_test(tests, what_was_counted_apart_and_joined_is_as_if_counted_at_once);
	tcase_add_test(tests, more_deaths_than_births_leave_nothing_negative);
	tcase_add_test(tests, what_is_no_weight_is_left_out);
	tcase_add_test(tests, a_week_of_a_million_a_second_is_counted_exactly);
	tcase_add_test(tests, a_copy_is_the_same);
	tcase_add_test(tests, the_walk_sorts_the_live_by_age_birth_and_tail);
	tcase_add_test(tests, the_first_birth_is_the_earliest_told);
}

int main(void)
{
	return run_suite("facts", add_tests);
}
