/*
 * test_demand.c -- the floor of what stays resident: windows of the highest use, and the slack beyond it. By facts
 * alone; no heap.
 */
#include "pool/demand.h"
#include "run_suite.h"

static struct demand_facts facts;

/* So many pages are taken, of which so many were not resident. */
static void take(uint64_t pages, uint64_t fresh)
{
	facts.out_pages += pages;
	facts.held_pages += fresh;
	facts.taken_pages += pages;
	facts.fresh_pages += fresh;
	demand_note(facts.out_pages);
}

static void give(uint64_t pages)
{
	facts.out_pages -= pages;
}

static void purge(uint64_t pages)
{
	facts.held_pages -= pages;
	facts.purged_pages += pages;
}

static void begin(void)
{
	facts = (struct demand_facts){.arenas = 1};
	demand_init();
}

START_TEST(the_peak_is_that_of_the_last_four_windows)
{
	begin();
	take(1000, 1000);
	give(800);
	ck_assert_uint_eq(demand_peak(), 1000);
	for (unsigned window = 1; window < DEMAND_WINDOWS; window++) {
		demand_rotate(&facts);
		ck_assert_uint_eq(demand_peak(), 1000);
	}
	demand_rotate(&facts);
	/* The burst is out of sight; what is in use now is the least that a window can have. */
	ck_assert_uint_eq(demand_peak(), 200);
	take(50, 0);
	ck_assert_uint_eq(demand_peak(), 250);
}
END_TEST

START_TEST(what_idled_in_magazines_is_taken_off_but_from_the_oldest_window)
{
	begin();
	take(1000, 1000);
	for (unsigned window = 1; window < DEMAND_WINDOWS; window++)
		demand_rotate(&facts);
	give(300);
	demand_lower(300, facts.out_pages);
	ck_assert_uint_eq(demand_peak(), 1000);
	demand_rotate(&facts);
	ck_assert_uint_eq(demand_peak(), 700);
	/* What is out now is never taken off. */
	demand_lower(700, facts.out_pages);
	ck_assert_uint_eq(demand_peak(), 700);
}
END_TEST

START_TEST(growth_and_what_was_purged_are_no_slack)
{
	begin();
	take(10000, 10000);
	demand_rotate(&facts);
	ck_assert_uint_eq(demand_slack(), 0);
	/* A burst that is larger than the last one. */
	give(9000);
	take(19000, 10000);
	give(19000);
	demand_rotate(&facts);
	ck_assert_uint_eq(demand_slack(), 0);
	/* Given back, and wanted again. */
	purge(15000);
	take(19000, 15000);
	demand_rotate(&facts);
	ck_assert_uint_eq(demand_slack(), 0);
}
END_TEST

START_TEST(what_was_taken_fresh_beside_idle_pages_is_slack_that_fades)
{
	uint64_t slack;

	begin();
	take(10000, 10000);
	give(2000);
	demand_rotate(&facts);
	/* No free run fitted. */
	take(2000, 200);
	give(2000);
	demand_rotate(&facts);
	slack = demand_slack();
	ck_assert_uint_ge(slack, 200);
	ck_assert_uint_le(slack, 201);
	/* Taken from what is resident: it goes little by little. */
	for (unsigned window = 0; window < 16; window++) {
		take(2000, 0);
		give(2000);
		demand_rotate(&facts);
		ck_assert_uint_lt(demand_slack(), slack);
		ck_assert_uint_ge(demand_slack(), slack - slack / 8);
		slack = demand_slack();
	}
	/* And at once where nothing is taken any more. */
	demand_rotate(&facts);
	ck_assert_uint_eq(demand_slack(), 0);
}
END_TEST

START_TEST(slack_is_bounded_and_goes_with_the_burst)
{
	/* By arenas: a run that fits may idle in another one. */
	unsigned most = 100000 / 16 + 400 * (unsigned)_i;

	begin();
	facts.arenas = (unsigned)_i;
	take(100000, 100000);
	give(90000);
	demand_rotate(&facts);
	take(90000, 50000);
	give(90000);
	demand_rotate(&facts);
	ck_assert_uint_ge(demand_slack(), 100000 / 16 + 380 * (unsigned)_i);
	ck_assert_uint_le(demand_slack(), most);
	for (unsigned window = 0; window < DEMAND_WINDOWS; window++) {
		take(1, 0);
		give(1);
		demand_rotate(&facts);
	}
	/* A tenth of the peak is left, and a hundredth of the slack. */
	ck_assert_uint_le(demand_peak(), 10001);
	ck_assert_uint_le(demand_slack(), most / 100 + 2);
}
END_TEST

START_TEST(one_page_in_so_many_of_those_taken_is_spare)
{
	begin();
	for (unsigned window = 1; window <= DEMAND_WINDOWS + 2; window++) {
		take(10 * DEMAND_SPARE_SHARE, 0);
		give(10 * DEMAND_SPARE_SHARE);
		demand_rotate(&facts);
		ck_assert_uint_eq(demand_spare(), 10 * MIN(window, (unsigned)DEMAND_WINDOWS));
	}
	demand_spend(15);
	ck_assert_uint_eq(demand_spare(), 10 * DEMAND_WINDOWS - 15);
	/* Where nothing is taken, nothing says what a fault more would cost. */
	demand_rotate(&facts);
	ck_assert_uint_eq(demand_spare(), 0);
}
END_TEST

START_TEST(what_was_let_go_and_faults_again_is_no_slack)
{
	begin();
	take(100000, 100000);
	give(10000);
	demand_rotate(&facts);
	demand_spend(150);
	purge(150);
	take(9000, 200);
	give(9000);
	demand_rotate(&facts);
	ck_assert_uint_ge(demand_slack(), 50);
	ck_assert_uint_le(demand_slack(), 52);
	/* For one window. */
	take(9000, 200);
	give(9000);
	demand_rotate(&facts);
	ck_assert_uint_ge(demand_slack(), 245);
}
END_TEST

START_TEST(the_recent_peak_is_that_of_this_window_and_the_last)
{
	begin();
	take(1000, 1000);
	give(800);
	demand_rotate(&facts);
	take(100, 0);
	give(100);
	ck_assert_uint_eq(demand_recent(), 1000);
	demand_rotate(&facts);
	ck_assert_uint_eq(demand_recent(), 300);
	ck_assert_uint_eq(demand_peak(), 1000);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, the_peak_is_that_of_the_last_four_windows);
	tcase_add_test(tests, what_idled_in_magazines_is_taken_off_but_from_the_oldest_window);
	tcase_add_test(tests, growth_and_what_was_purged_are_no_slack);
	tcase_add_test(tests, what_was_taken_fresh_beside_idle_pages_is_slack_that_fades);
	tcase_add_test(tests, one_page_in_so_many_of_those_taken_is_spare);
	tcase_add_test(tests, what_was_let_go_and_faults_again_is_no_slack);
	tcase_add_test(tests, the_recent_peak_is_that_of_this_window_and_the_last);
	tcase_add_loop_test(tests, slack_is_bounded_and_goes_with_the_burst, 1, 5);
}

int main(void)
{
	return run_suite("demand", add_tests);
}
