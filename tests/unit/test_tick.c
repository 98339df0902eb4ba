/*
 * test_tick.c -- the tick: who is judged when, and that sites which nobody needs make room.
 */
#include <string.h>

#include "base/clock.h"
#include "run_suite.h"
#include "track/samples.h"
#include "track/tick.h"

#define MANY 2000

static uint32_t rows[SITES_MAX], samples[SITES_MAX];
static uint32_t now_ticks;

static void begin(void)
{
	ck_assert(samples_start());
	ck_assert(modules_start());
	ck_assert(sites_start());
	ck_assert(tick_start());
}

static void tick(void)
{
	struct track_facts facts = {
	    .now_ticks = now_ticks += 10 * TICKS_PER_SECOND,
	    .memory_limit_bytes = 1 * GIB,
	    .rss_bytes = 1,
	    .live_bytes = 1,
	};

	tick_run(&facts);
}

static void be_born(unsigned i)
{
	struct stack stack = {.count = 1, .pcs = {1000 + i}};
	uint64_t key;
	struct sample_facts facts = {.birth = now_ticks, .size = 100, .weight = 1, .kind = TRACK_SMALL};

	rows[i] = facts.site = sites_find(&stack, &key);
	samples[i] = samples_take(&facts);
	ck_need(samples[i] != 0);
	ck_need(sites_birth(facts.site, key, (double)now_ticks / TICKS_PER_SECOND, 100, 1));
}

static void die(unsigned i)
{
	struct sample_facts facts;
	double now = (double)now_ticks / TICKS_PER_SECOND;

	ck_need(samples_remove(samples[i], &facts));
	sites_death(facts.site, now, (double)facts.birth / TICKS_PER_SECOND, 100, 1);
}

static unsigned judged(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MANY; i++)
		count += sites_at(rows[i])->risk.live_objects == 1;
	return count;
}

START_TEST(few_sites_are_judged_at_every_tick)
{
	begin();
	for (unsigned i = 0; i < 100; i++)
		be_born(i);
	tick();
	for (unsigned i = 0; i < 100; i++)
		ck_need(sites_at(rows[i])->risk.live_objects == 1);
	ck_assert_uint_eq(tick_result()->ticks, 1);
}
END_TEST

START_TEST(many_sites_take_turns_and_none_is_left_out)
{
	begin();
	for (unsigned i = 0; i < MANY; i++)
		be_born(i);
	tick();
	ck_assert_uint_ge(judged(), MANY / 8);
	ck_assert_uint_le(judged(), MANY / 2);
	for (unsigned i = 0; i < 7; i++)
		tick();
	ck_assert_uint_eq(judged(), MANY);
}
END_TEST

START_TEST(a_site_at_risk_is_judged_at_every_tick)
{
	begin();
	for (unsigned i = 0; i < MANY; i++)
		be_born(i);
	struct site *site = sites_at(rows[7]);
	/* As if it had been high once; one judgement that nothing is wrong takes it to zero again. */
	site->hold = (struct risk_hold){.level = RISK_HIGH};
	for (unsigned i = 0; i < 5; i++) {
		uint8_t below = site->hold.below;

		tick();
		ck_assert_uint_eq(site->hold.below, below + 1);
	}
	tick();
	ck_assert_uint_ne(site->hold.level, RISK_HIGH);
}
END_TEST

START_TEST(a_full_table_makes_room_for_sites_that_come_later)
{
	begin();
	for (unsigned i = 0; i < SITES_MAX; i++)
		be_born(i);
	for (unsigned i = 1; i < SITES_MAX; i++)
		die(i);
	/* Young ones stay. */
	tick();
	ck_assert_uint_eq(sites_rows_used(), SITES_MAX);
	for (unsigned i = 0; i < 12; i++)
		tick();
	ck_assert_uint_eq(sites_rows_used(), 1);
	ck_assert(sites_at(rows[0])->facts.live_count == 1);
}
END_TEST

START_TEST(ages_are_in_octaves_of_a_tick)
{
	ck_assert_uint_eq(tick_age_bucket(0), 0);
	ck_assert_uint_eq(tick_age_bucket(1), 1);
	ck_assert_uint_eq(tick_age_bucket(2), 2);
	ck_assert_uint_eq(tick_age_bucket(3), 2);
	ck_assert_uint_eq(tick_age_bucket(4), 3);
	ck_assert_uint_eq(tick_age_bucket(UINT32_MAX), 32);
	ck_assert_uint_lt(tick_age_bucket(UINT32_MAX), TRACK_AGE_BUCKETS);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, few_sites_are_judged_at_every_tick);
	tcase_add_test(tests, many_sites_take_turns_and_none_is_left_out);
	tcase_add_test(tests, a_site_at_risk_is_judged_at_every_tick);
	tcase_add_test(tests, a_full_table_makes_room_for_sites_that_come_later);
	tcase_add_test(tests, ages_are_in_octaves_of_a_tick);
}

int main(void)
{
	return run_suite("tick", add_tests);
}
