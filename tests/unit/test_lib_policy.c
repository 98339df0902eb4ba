/*
 * test_lib_policy.c -- which idle buffers a collection takes, on given facts.
 */
#include "include/weir.h"
#include "lib/policy.h"
#include "run_suite.h"

static struct policy_facts facts(void)
{
	return (struct policy_facts){
	    .in_use = 10,
	    .idle = 30,
	    .peak = 25,
	    .max_idle_ns = 5 * MINUTE,
	    .monitor_interval_ns = 10 * SECOND,
	};
}

START_TEST(without_need_only_age_counts)
{
	struct policy_facts f = facts();
	struct policy_plan plan = policy_collect(&f);

	ck_assert_uint_eq(plan.keep, UINT64_MAX);
	ck_assert_uint_eq(plan.idle_ns, 5 * MINUTE);
	f.pressure_level = WEIR_PRESSURE_LOW;
	plan = policy_collect(&f);
	ck_assert_uint_eq(plan.keep, UINT64_MAX);
	ck_assert_uint_eq(plan.idle_ns, 5 * MINUTE);
}
END_TEST

START_TEST(over_the_threshold_what_recent_demand_explains_stays)
{
	struct policy_facts f = facts();

	f.is_over_threshold = true;
	ck_assert_uint_eq(policy_collect(&f).keep, 15);
	f.peak = 10;
	ck_assert_uint_eq(policy_collect(&f).keep, 0);
	f.peak = 5; /* read at another moment: no more than nothing */
	ck_assert_uint_eq(policy_collect(&f).keep, 0);
}
END_TEST

START_TEST(medium_pressure_leaves_what_was_used_a_moment_ago)
{
	struct policy_facts f = facts();

	f.pressure_level = WEIR_PRESSURE_MEDIUM;
	ck_assert_uint_eq(policy_collect(&f).idle_ns, SECOND);
	f.max_idle_ns = SECOND / 2;
	ck_assert_uint_eq(policy_collect(&f).idle_ns, SECOND / 2);
}
END_TEST

START_TEST(critical_pressure_and_a_clean_up_leave_nothing)
{
	struct policy_facts f = facts();

	f.pressure_level = WEIR_PRESSURE_CRITICAL;
	ck_assert_uint_eq(policy_collect(&f).keep, 0);
	ck_assert_uint_eq(policy_collect(&f).idle_ns, 0);
	f.pressure_level = WEIR_PRESSURE_NONE;
	f.is_everything = true;
	ck_assert_uint_eq(policy_collect(&f).keep, 0);
	ck_assert_uint_eq(policy_collect(&f).idle_ns, 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, without_need_only_age_counts);
	tcase_add_test(tests, over_the_threshold_what_recent_demand_explains_stays);
	tcase_add_test(tests, medium_pressure_leaves_what_was_used_a_moment_ago);
	tcase_add_test(tests, critical_pressure_and_a_clean_up_leave_nothing);
}

int main(void)
{
	return run_suite("lib_policy", add_tests);
}
