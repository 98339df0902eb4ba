/*
 * test_pressure.c -- the judgement of memory pressure, by tables of facts.
 */
#include <math.h>
#include <string.h>

#include "pool/pressure.h"
#include "run_suite.h"

#define NONE UINT64_MAX

/* A healthy host of 16 GiB with nothing said of a cgroup. */
static struct meminfo healthy(void)
{
	return (struct meminfo){
	    .total_bytes = 16 * GIB,
	    .available_bytes = 12 * GIB,
	    .cgroup_limit_bytes = NONE,
	    .cgroup_high_bytes = NONE,
	    .fullest_limit_bytes = NONE,
	    .fullest_high_bytes = NONE,
	};
}

static struct meminfo with_cgroup(uint64_t used_mib, uint64_t limit_mib)
{
	struct meminfo info = healthy();
	info.has_cgroup = true;
	info.cgroup_used_bytes = info.fullest_used_bytes = used_mib * MIB;
	info.cgroup_limit_bytes = info.fullest_limit_bytes = limit_mib * MIB;
	return info;
}

static const struct {
	unsigned used_mib; /* of 1000 */
	enum pressure_level previous, expected;
} levels[] = {
    {0, PRESSURE_NONE, PRESSURE_NONE},
    {699, PRESSURE_NONE, PRESSURE_NONE},
    {700, PRESSURE_NONE, PRESSURE_LOW},
    {799, PRESSURE_NONE, PRESSURE_LOW},
    {800, PRESSURE_NONE, PRESSURE_MEDIUM},
    {919, PRESSURE_NONE, PRESSURE_MEDIUM},
    {920, PRESSURE_NONE, PRESSURE_CRITICAL},
    {1000, PRESSURE_NONE, PRESSURE_CRITICAL},
    {1500, PRESSURE_NONE, PRESSURE_CRITICAL},
    /* It falls only once it is 0.03 under the mark. */
    {699, PRESSURE_LOW, PRESSURE_LOW},
    {671, PRESSURE_LOW, PRESSURE_LOW},
    {669, PRESSURE_LOW, PRESSURE_NONE},
    {771, PRESSURE_MEDIUM, PRESSURE_MEDIUM},
    {769, PRESSURE_MEDIUM, PRESSURE_LOW},
    {891, PRESSURE_CRITICAL, PRESSURE_CRITICAL},
    {889, PRESSURE_CRITICAL, PRESSURE_MEDIUM},
    {690, PRESSURE_CRITICAL, PRESSURE_LOW},
    {100, PRESSURE_CRITICAL, PRESSURE_NONE},
    /* And what it was before does not lift it. */
    {790, PRESSURE_LOW, PRESSURE_LOW},
    {919, PRESSURE_MEDIUM, PRESSURE_MEDIUM},
};

START_TEST(the_level_follows_use_and_falls_late)
{
	struct meminfo info = with_cgroup(levels[_i].used_mib, 1000);
	struct pressure p = pressure_judge(&info, 0, 0, levels[_i].previous);
	ck_assert_int_eq(p.level, levels[_i].expected);
	ck_assert(p.value >= 0 && p.value <= 1);
}
END_TEST

START_TEST(use_against_a_limit_is_its_own_value)
{
	for (unsigned used = 0; used <= 1000; used += 25) {
		struct meminfo info = with_cgroup(used, 1000);
		info.available_bytes = info.total_bytes;
		struct pressure p = pressure_judge(&info, 0, 0, PRESSURE_NONE);
		ck_assert(fabs(p.value - used / 1000.0) < 1e-9);
		ck_assert_uint_eq(p.used_bytes, used * MIB);
		ck_assert_uint_eq(p.limit_bytes, 1000 * MIB);
	}
}
END_TEST

START_TEST(nothing_known_is_no_pressure)
{
	struct meminfo info = {.cgroup_limit_bytes = NONE};
	struct pressure p = pressure_judge(&info, 0, 5 * GIB, PRESSURE_NONE);
	ck_assert_int_eq(p.level, PRESSURE_NONE);
	ck_assert_str_eq(p.source, "none");
	ck_assert(p.value == 0);
	ck_assert_uint_eq(p.limit_bytes, 0);
}
END_TEST

static const struct {
	double some, full;
	enum pressure_level expected;
} stalls[] = {
    {0, 0, PRESSURE_NONE},
    {0.039, 0, PRESSURE_NONE},
    {0.04, 0, PRESSURE_LOW},
    {0.10, 0, PRESSURE_MEDIUM},
    {0.39, 0, PRESSURE_MEDIUM},
    {0.40, 0, PRESSURE_CRITICAL},
    {0.03, 0.02, PRESSURE_LOW},
    {0.05, 0.05, PRESSURE_MEDIUM},
    {0.11, 0.11, PRESSURE_CRITICAL},
    {1, 1, PRESSURE_CRITICAL},
};

START_TEST(stall_times_have_their_own_marks)
{
	struct meminfo info = healthy();
	info.has_psi = true;
	info.psi_some_avg10 = stalls[_i].some;
	info.psi_full_avg10 = stalls[_i].full;
	struct pressure p = pressure_judge(&info, 0, 0, PRESSURE_NONE);
	ck_assert_int_eq(p.level, stalls[_i].expected);
	if (p.level != PRESSURE_NONE)
		ck_assert_str_eq(p.source, "psi");
	ck_assert(p.has_psi && p.psi_some_avg10 == stalls[_i].some && p.psi_full_avg10 == stalls[_i].full);
	/* Without the source the same figures mean nothing. */
	info.has_psi = false;
	p = pressure_judge(&info, 0, 0, PRESSURE_NONE);
	ck_assert_int_eq(p.level, PRESSURE_NONE);
	ck_assert(!p.has_psi && p.psi_some_avg10 == 0);
}
END_TEST

START_TEST(what_is_available_of_ram_counts)
{
	static const struct {
		unsigned available_percent;
		enum pressure_level expected;
	} cases[] = {{50, PRESSURE_NONE}, {16, PRESSURE_NONE}, {14, PRESSURE_LOW}, {7, PRESSURE_MEDIUM},
	    {2, PRESSURE_CRITICAL}};
	for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct meminfo info = healthy();
		info.available_bytes = info.total_bytes / 100 * cases[i].available_percent;
		struct pressure p = pressure_judge(&info, 0, 0, PRESSURE_NONE);
		ck_assert_int_eq(p.level, cases[i].expected);
		ck_assert_str_eq(p.source, "available");
	}
}
END_TEST

START_TEST(available_that_is_not_said_is_not_zero)
{
	struct meminfo info = healthy();
	info.available_bytes = 0;
	ck_assert_str_eq(pressure_judge(&info, 0, 0, PRESSURE_NONE).source, "none");
}
END_TEST

START_TEST(our_own_limit_is_measured_against_rss)
{
	struct meminfo info = healthy();
	struct pressure p = pressure_judge(&info, 100 * MIB, 95 * MIB, PRESSURE_NONE);
	ck_assert_int_eq(p.level, PRESSURE_CRITICAL);
	ck_assert_str_eq(p.source, "limit");
	ck_assert_uint_eq(p.used_bytes, 95 * MIB);
	ck_assert_uint_eq(p.limit_bytes, 100 * MIB);
	p = pressure_judge(&info, 0, 95 * MIB, PRESSURE_NONE);
	ck_assert_int_eq(p.level, PRESSURE_NONE);
}
END_TEST

START_TEST(memory_high_alone_is_never_critical)
{
	struct meminfo info = healthy();
	info.has_cgroup = true;
	info.fullest_high_bytes = 100 * MIB;
	info.fullest_high_used_bytes = 84 * MIB;
	ck_assert_int_eq(pressure_judge(&info, 0, 0, PRESSURE_NONE).level, PRESSURE_NONE);
	info.fullest_high_used_bytes = 86 * MIB;
	ck_assert_int_eq(pressure_judge(&info, 0, 0, PRESSURE_NONE).level, PRESSURE_LOW);
	info.fullest_high_used_bytes = 900 * MIB;
	struct pressure p = pressure_judge(&info, 0, 0, PRESSURE_CRITICAL);
	ck_assert_str_eq(p.source, "cgroup_high");
	ck_assert_int_eq(p.level, PRESSURE_MEDIUM);
}
END_TEST

START_TEST(a_full_parent_counts_though_our_own_limit_is_far)
{
	struct meminfo info = with_cgroup(100, 1000);
	info.fullest_used_bytes = 3900 * MIB;
	info.fullest_limit_bytes = 4000 * MIB;
	struct pressure p = pressure_judge(&info, 0, 0, PRESSURE_NONE);
	ck_assert_int_eq(p.level, PRESSURE_CRITICAL);
	ck_assert_uint_eq(p.limit_bytes, 4000 * MIB);
}
END_TEST

START_TEST(the_worst_source_decides_and_is_named)
{
	struct meminfo info = with_cgroup(850, 1000);
	info.has_psi = true;
	info.psi_some_avg10 = 0.05; /* low */
	struct pressure p = pressure_judge(&info, 1000 * MIB, 750 * MIB, PRESSURE_NONE);
	ck_assert_str_eq(p.source, "cgroup");
	ck_assert_int_eq(p.level, PRESSURE_MEDIUM);
	info.psi_full_avg10 = 0.2;
	p = pressure_judge(&info, 1000 * MIB, 750 * MIB, PRESSURE_NONE);
	ck_assert_str_eq(p.source, "psi");
	ck_assert_int_eq(p.level, PRESSURE_CRITICAL);
	ck_assert_uint_eq(p.limit_bytes, 1000 * MIB);
}
END_TEST

START_TEST(what_is_used_is_measured_as_the_limit_in_force_is)
{
	struct meminfo info = with_cgroup(1, 100);
	uint64_t system_used = info.total_bytes - info.available_bytes;
	ck_assert_uint_eq(pressure_memory_used(&info, 500 * MIB, 7 * MIB), 7 * MIB);
	ck_assert_uint_eq(pressure_memory_used(&info, 0, 7 * MIB), 1 * MIB);
	info.cgroup_limit_bytes = 64 * GIB; /* more than there is: RAM is the limit */
	ck_assert_uint_eq(pressure_memory_used(&info, 0, 7 * MIB), system_used);
	info.has_cgroup = false;
	ck_assert_uint_eq(pressure_memory_used(&info, 0, 7 * MIB), system_used);
}
END_TEST
START_TEST(the_limit_in_force_is_the_first_that_is_known)
{
	struct meminfo info = with_cgroup(1, 100);
	ck_assert_uint_eq(pressure_memory_limit(&info, 5 * MIB), 5 * MIB);
	ck_assert_uint_eq(pressure_memory_limit(&info, 0), 100 * MIB);
	info.cgroup_limit_bytes = 64 * GIB; /* more than there is */
	ck_assert_uint_eq(pressure_memory_limit(&info, 0), 16 * GIB);
	info.cgroup_limit_bytes = NONE;
	ck_assert_uint_eq(pressure_memory_limit(&info, 0), 16 * GIB);
	info.total_bytes = 0;
	ck_assert_uint_eq(pressure_memory_limit(&info, 0), NONE);
}
END_TEST

START_TEST(levels_have_their_names)
{
	ck_assert_str_eq(pressure_level_name(PRESSURE_NONE), "none");
	ck_assert_str_eq(pressure_level_name(PRESSURE_LOW), "low");
	ck_assert_str_eq(pressure_level_name(PRESSURE_MEDIUM), "medium");
	ck_assert_str_eq(pressure_level_name(PRESSURE_CRITICAL), "critical");
	ck_assert_str_eq(pressure_level_name((enum pressure_level)99), "none");
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, the_level_follows_use_and_falls_late, 0, ARRAY_LENGTH(levels));
	tcase_add_test(tests, use_against_a_limit_is_its_own_value);
	tcase_add_test(tests, nothing_known_is_no_pressure);
	tcase_add_loop_test(tests, stall_times_have_their_own_marks, 0, ARRAY_LENGTH(stalls));
	tcase_add_test(tests, what_is_available_of_ram_counts);
	tcase_add_test(tests, available_that_is_not_said_is_not_zero);
	tcase_add_test(tests, our_own_limit_is_measured_against_rss);
	tcase_add_test(tests, memory_high_alone_is_never_critical);
	tcase_add_test(tests, a_full_parent_counts_though_our_own_limit_is_far);
	tcase_add_test(tests, the_worst_source_decides_and_is_named);
	tcase_add_test(tests, what_is_used_is_measured_as_the_limit_in_force_is);
	tcase_add_test(tests, the_limit_in_force_is_the_first_that_is_known);
	tcase_add_test(tests, levels_have_their_names);
}

int main(void)
{
	return run_suite("pressure", add_tests);
}
