/*
 * test_risk_process.c -- risk of the process, levels with hysteresis, time to the limit, fragmentation.
 */
#include <math.h>
#include <string.h>

#include "run_suite.h"
#include "track/risk.h"

#define GIB_BYTES 1073741824.0
#define MIB_BYTES 1048576.0

static const struct {
	const char *scores; /* L, M, H */
	const char *levels;
} holds[] = {
    {"LLLL", "LLLL"},
    {"HLHLHL", "LLLLLL"},
    {"HHHH", "LHHH"},
    {"MMMM", "LMMM"},
    {"MHHH", "LMMH"}, /* the lowest of the run; then again two */
    {"HMMM", "LMMM"},
    {"HHLLLLLLL", "LHHHHHHLL"},
    {"HHLLLLLHLLLLLL", "LHHHHHHHHHHHHL"},
    {"HHMMMLLLL", "LHHHHHHMM"}, /* the highest of the run */
    {"HHMMMMMMMM", "LHHHHHHMMM"},
};

START_TEST(a_level_rises_after_two_and_falls_after_six)
{
	struct risk_hold hold = {0};

	for (unsigned i = 0; holds[_i].scores[i] != 0; i++) {
		char c = holds[_i].scores[i];
		enum risk_level now = c == 'L' ? RISK_LOW : c == 'M' ? RISK_MEDIUM : RISK_HIGH;
		enum risk_level level = risk_hold_level(&hold, now);

		if (risk_level_name(level)[0] != holds[_i].levels[i])
			ck_abort_msg("%s: %s at %u", holds[_i].scores, risk_level_name(level), i);
	}
}
END_TEST

START_TEST(levels_have_their_bounds)
{
	ck_need(risk_level_of(0) == RISK_LOW && risk_level_of(0.349) == RISK_LOW);
	ck_need(risk_level_of(0.35) == RISK_MEDIUM && risk_level_of(0.649) == RISK_MEDIUM);
	ck_need(risk_level_of(0.65) == RISK_HIGH && risk_level_of(1) == RISK_HIGH);
	ck_need(risk_level_of(NAN) == RISK_LOW);
	ck_assert_str_eq(risk_level_name((enum risk_level)77), "LOW");
	ck_assert_str_eq(risk_reason_name(RISK_MIXTURE_LEAK), "MIXTURE_LEAK");
	ck_assert_str_eq(risk_reason_name(RISK_INSUFFICIENT), "INSUFFICIENT_DATA");
	ck_assert_str_eq(risk_reason_name((enum risk_reason)77), "NONE");
}
END_TEST

static struct risk_site site_of(double score, double stuck_bytes, double per_hour, enum risk_reason reason)
{
	return (struct risk_site){.score = score,
	    .confidence = 0.9,
	    .stuck_bytes = stuck_bytes,
	    .stuck_bytes_per_hour = per_hour,
	    .reason = reason};
}

/* 20 points, 100 s apart: from first to last on a straight line. */
static struct series line(double first_count, double last_count, double first_bytes, double last_bytes)
{
	struct series series = {.period = 100, .used = 20};

	for (unsigned i = 0; i < 20; i++)
		series.points[i] = (struct series_point){.at = 100 * ((float)i + 1),
		    .count = (float)(first_count + (last_count - first_count) * i / 19),
		    .bytes = (float)(first_bytes + (last_bytes - first_bytes) * i / 19)};
	return series;
}

static struct risk_process judged(
    const struct risk_tally *tally, const struct series *series, double used, double limit)
{
	struct risk_process risk;

	risk_judge_process(&risk, tally, &(struct risk_memory){2000, used, limit, series});
	return risk;
}

START_TEST(the_likeliest_site_is_the_score_and_what_it_costs_is_not)
{
	struct risk_tally tally = {0};
	struct series series = {0};
	struct risk_site cache = site_of(0.3, GIB_BYTES, GIB_BYTES, RISK_FILLING_CACHE);
	struct risk_site leak = site_of(0.9, 1000, 100, RISK_MIXTURE_LEAK);
	struct risk_process risk;

	risk_tally_add(&tally, &cache, 7);
	risk = judged(&tally, &series, 0, GIB_BYTES);
	ck_need(risk.score == 0.3 && risk.worst_site == 7 && risk.reason == RISK_FILLING_CACHE);
	risk_tally_add(&tally, &leak, 8);
	risk = judged(&tally, &series, 0, GIB_BYTES);
	ck_need(risk.score == 0.9 && risk.worst_site == 8 && risk.reason == RISK_MIXTURE_LEAK);
	ck_need(risk.confidence == leak.confidence);
}
END_TEST

START_TEST(a_site_that_scores_next_to_nothing_is_no_reason)
{
	struct risk_tally tally = {0};
	struct series series = {0};
	struct risk_site site = site_of(0.19, GIB_BYTES, GIB_BYTES, RISK_BACKLOG);
	struct risk_process risk;

	for (uint32_t id = 10; id < 1000; id++)
		risk_tally_add(&tally, &site, id);
	risk = judged(&tally, &series, 0, GIB_BYTES);
	ck_need(risk.score == 0.19 && risk.reason == RISK_NONE && risk.worst_site == UINT32_MAX);
	ck_need(risk.level == RISK_LOW);
	ck_assert_uint_eq(tally.sites, 990);
}
END_TEST

/* A cache that fills: one key is many allocations, and all of them grow in step. */
START_TEST(many_doubtful_sites_are_not_one_sure_one)
{
	struct risk_tally tally = {0};
	struct series series = {0};
	struct risk_site site = site_of(0.45, GIB_BYTES, 0, RISK_MIXTURE_LEAK);
	struct risk_process risk;

	for (uint32_t id = 0; id < RISK_TOP_SITES; id++)
		risk_tally_add(&tally, &site, id);
	risk = judged(&tally, &series, 0, GIB_BYTES);
	ck_need(risk.score == 0.45 && risk.level == RISK_MEDIUM);
	/* Nor does what the doubtful ones hold make a small leak a large one. */
	site = site_of(0.9, 1000, 100, RISK_MIXTURE_LEAK);
	risk_tally_add(&tally, &site, 77);
	risk = judged(&tally, &series, 0, GIB_BYTES);
	ck_need(risk.score == 0.9 && risk.level == RISK_MEDIUM && risk.worst_site == 77);
}
END_TEST

static const struct {
	double stuck, per_hour; /* shares of the limit */
	double score;
	enum risk_level level;
} costs[] = {
    {0.0204, 0, 0.9, RISK_HIGH},
    {0.0196, 0, 0.9, RISK_MEDIUM},
    {0.0101, 0, 0.9, RISK_HIGH}, /* two of them */
    {0, 0.02 / 23, 0.9, RISK_HIGH},
    {0, 0.009 / 24, 0.9, RISK_MEDIUM},
    {0.0006, 0, 0.9, RISK_MEDIUM},
    {0.0002, 0, 0.9, RISK_LOW},
    {0.0006, 0, 0.4, RISK_MEDIUM},
    {0.0002, 0, 0.4, RISK_LOW},
    {1, 1, 0.3, RISK_LOW},
};

START_TEST(a_leak_of_bytes_is_no_reason_to_get_up)
{
	struct risk_tally tally = {0};
	struct series series = {0};
	struct risk_site site = site_of(
	    costs[_i].score, costs[_i].stuck * GIB_BYTES, costs[_i].per_hour * GIB_BYTES, RISK_MIXTURE_LEAK);
	struct risk_process risk;

	risk_tally_add(&tally, &site, 1);
	if (_i == 2)
		risk_tally_add(&tally, &site, 2);
	risk = judged(&tally, &series, 0, GIB_BYTES);
	ck_assert_int_eq(risk.level, costs[_i].level);
	ck_need(risk.score == costs[_i].score);
}
END_TEST

START_TEST(the_top_sites_are_kept_whatever_the_order)
{
	struct risk_tally tally = {0};

	for (uint32_t i = 0; i < 997; i++) {
		struct risk_site site = site_of((i * 331 % 997) / 997.0, 1, 1, RISK_NONE);

		risk_tally_add(&tally, &site, i * 331 % 997);
	}
	ck_assert_uint_eq(tally.used, RISK_TOP_SITES);
	for (uint32_t i = 0; i < RISK_TOP_SITES; i++)
		ck_assert_uint_eq(tally.top[i].id, 996 - i);
}
END_TEST

START_TEST(the_time_to_the_limit_follows_the_growth)
{
	struct risk_tally tally = {0};
	/* 19 MiB in 1,900 s */
	struct series growing = line(1e8, 1e8, 100 * MIB_BYTES, 119 * MIB_BYTES);
	struct series level = line(1e8, 1e8, 1e8, 1e8);
	struct risk_process risk = judged(&tally, &growing, 500 * MIB_BYTES, GIB_BYTES);

	ck_need(fabs(risk.time_to_limit_seconds - 52400) < 60);
	ck_need(fabs(risk.growth_bytes_per_hour - 36 * MIB_BYTES) < 0.05 * MIB_BYTES);
	ck_need(judged(&tally, &growing, 2 * GIB_BYTES, GIB_BYTES).time_to_limit_seconds == 0);
	ck_need(judged(&tally, &growing, 500 * MIB_BYTES, 0).time_to_limit_seconds < 0);
	ck_need(judged(&tally, &level, 500 * MIB_BYTES, GIB_BYTES).time_to_limit_seconds < 0);
}
END_TEST

START_TEST(a_near_limit_lifts_a_leak_and_no_cache)
{
	struct series growing = line(1e8, 1e8, 100 * MIB_BYTES, 119 * MIB_BYTES);
	static const enum risk_reason reasons[] = {RISK_MIXTURE_LEAK, RISK_FILLING_CACHE, RISK_BACKLOG};

	for (unsigned i = 0; i < ARRAY_LENGTH(reasons); i++) {
		struct risk_tally tally = {0};
		struct risk_site site = site_of(0.5, GIB_BYTES, GIB_BYTES, reasons[i]);
		struct risk_process near;

		risk_tally_add(&tally, &site, 3);
		near = judged(&tally, &growing, 500 * MIB_BYTES, GIB_BYTES);
		ck_need((near.level == RISK_HIGH) == (i == 0) && near.score == 0.5);
		/* Weeks away: as it was. */
		ck_need(judged(&tally, &growing, 500 * MIB_BYTES, 1000 * GIB_BYTES).level == RISK_MEDIUM);
	}
}
END_TEST

/* The cache beside it is what brings the limit near. */
START_TEST(a_near_limit_lifts_no_leak_of_bytes)
{
	struct series growing = line(1e8, 1e8, 100 * MIB_BYTES, 119 * MIB_BYTES);
	struct risk_tally tally = {0};
	struct risk_site cache = site_of(0.5, GIB_BYTES, GIB_BYTES, RISK_FILLING_CACHE);
	struct risk_site leak = site_of(0.6, 1000, 100, RISK_MIXTURE_LEAK);

	risk_tally_add(&tally, &cache, 3);
	risk_tally_add(&tally, &leak, 4);
	ck_need(judged(&tally, &growing, 500 * MIB_BYTES, GIB_BYTES).level == RISK_MEDIUM);
}
END_TEST

START_TEST(fragmentation_is_resident_growth_without_live_growth)
{
	struct risk_tally tally = {0};
	struct series fragmenting = line(200 * MIB_BYTES, 400 * MIB_BYTES, 100 * MIB_BYTES, 101 * MIB_BYTES);
	struct series leaking = line(200 * MIB_BYTES, 400 * MIB_BYTES, 100 * MIB_BYTES, 300 * MIB_BYTES);
	struct series small = line(2 * MIB_BYTES, 4 * MIB_BYTES, 1 * MIB_BYTES, 1 * MIB_BYTES);
	struct risk_process risk = judged(&tally, &fragmenting, 0, GIB_BYTES);

	ck_need(risk.is_fragmenting && risk.score == 0 && risk.level == RISK_LOW);
	ck_need(fabs(risk.idle_growth_bytes_per_hour - 199 * MIB_BYTES / 1900 * 3600) < MIB_BYTES);
	ck_need(!judged(&tally, &leaking, 0, GIB_BYTES).is_fragmenting);
	ck_need(!judged(&tally, &small, 0, GIB_BYTES).is_fragmenting);
}
END_TEST

START_TEST(odd_figures_are_answered)
{
	static const double odd[] = {NAN, INFINITY, -INFINITY, -1, 0, 1e300};

	for (unsigned i = 0; i < 36; i++) {
		struct risk_tally tally = {0};
		struct series series = line(odd[i % 6], odd[i / 6], odd[i / 6], odd[i % 6]);
		struct risk_site site = site_of(odd[i % 6], odd[i / 6], odd[i % 6], RISK_BACKLOG);
		struct risk_process risk;

		for (uint32_t id = 0; id < 40; id++)
			risk_tally_add(&tally, &site, id);
		risk = judged(&tally, &series, odd[i / 6], odd[i % 6]);
		ck_need(risk.score >= 0 && risk.score <= 1 && risk.confidence >= 0 && risk.confidence <= 1);
		ck_need(isfinite(risk.time_to_limit_seconds) && isfinite(risk.growth_bytes_per_hour));
		ck_need(isfinite(risk.idle_growth_bytes_per_hour));
	}
}
END_TEST

START_TEST(without_sites_there_is_nothing_to_say)
{
	struct risk_tally tally = {0};
	struct series series = {0};
	struct risk_process risk = judged(&tally, &series, 0, 0);

	ck_need(risk.score == 0 && risk.reason == RISK_INSUFFICIENT && risk.worst_site == UINT32_MAX);
	ck_need(risk.confidence == 0 && risk.time_to_limit_seconds < 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, a_level_rises_after_two_and_falls_after_six, 0, (int)ARRAY_LENGTH(holds));
	tcase_add_test(tests, levels_have_their_bounds);
	tcase_add_test(tests, the_likeliest_site_is_the_score_and_what_it_costs_is_not);
	tcase_add_test(tests, a_site_that_scores_next_to_nothing_is_no_reason);
	tcase_add_test(tests, many_doubtful_sites_are_not_one_sure_one);
	tcase_add_loop_test(tests, a_leak_of_bytes_is_no_reason_to_get_up, 0, (int)ARRAY_LENGTH(costs));
	tcase_add_test(tests, the_top_sites_are_kept_whatever_the_order);
	tcase_add_test(tests, the_time_to_the_limit_follows_the_growth);
	tcase_add_test(tests, a_near_limit_lifts_a_leak_and_no_cache);
	tcase_add_test(tests, a_near_limit_lifts_no_leak_of_bytes);
	tcase_add_test(tests, fragmentation_is_resident_growth_without_live_growth);
	tcase_add_test(tests, odd_figures_are_answered);
	tcase_add_test(tests, without_sites_there_is_nothing_to_say);
}

int main(void)
{
	return run_suite("risk_process", add_tests);
}
