/*
 * test_risk.c -- leak risk of a site: what must be HIGH, what never may be, and what holds for any input.
 *
 * Sites are made by hand, evenly and without randomness (site.h); random ones are test_simulate.c's.
 */
#include <string.h>

#include "base/out.h"
#include "run_suite.h"
#include "site.h"
#include "track/risk.h"

#define HOURS 3600.0

static double one_a_second(double t)
{
	(void)t;
	return 1;
}
static double one_in_ten_seconds(double t)
{
	(void)t;
	return 0.1;
}
static double tripling(double t)
{
	return 5 + 10 * fmin(1, t / (2 * HOURS));
}
static double busy_start(double t)
{
	return t < 600 ? 5 : 0.2;
}

/* One in 100 stays, one a 100 s; the others live for seconds. */
static double leaking(unsigned i, double t)
{
	(void)t;
	return i % 100 == 0 ? KEPT : 0.5 + i % 7;
}
static double two_seconds(unsigned i, double t)
{
	(void)t;
	return 0.5 + i % 4;
}
static double kept_at_start(unsigned i, double t)
{
	return t < 600 && i % 3 != 0 ? KEPT : 0.5 + i % 7;
}
/* Filled after two hours, at 720; from then on the oldest goes. */
static double cached(unsigned i, double t)
{
	(void)i;
	(void)t;
	return 2 * HOURS;
}
/* What comes waits as long as the queue is behind: a quarter of the time since it was stuck. */
static double queued(unsigned i, double t)
{
	return t < HOURS ? 0.5 + i % 3 : 1 + (t - HOURS) / 3;
}

static uint64_t other_sizes(bool is_kept)
{
	return is_kept ? 4096 : 64;
}

static struct risk_site judged(const struct site_plan *plan)
{
	struct facts facts;
	struct live live;
	struct risk_site risk;

	site_make(&facts, &live, plan);
	risk_judge_site(&risk, &facts, &live, 50);
	return risk;
}

START_TEST(sixty_leaked_buffers_among_short_lived_ones_are_high)
{
	struct risk_site risk = judged(&(struct site_plan){6000, one_a_second, leaking, 1, NULL});

	ck_need(risk.live_objects >= 60 && risk.live_objects <= 72);
	ck_need(risk.level == RISK_HIGH && risk.reason == RISK_MIXTURE_LEAK);
	ck_need(risk.score >= 0.7 && risk.confidence > 0.9);
	ck_need(fabs(risk.kept_share - 0.01) < 0.001);
	ck_need(fabs(risk.stuck_per_hour - 36) < 3 && risk.stuck_objects >= 58);
	ck_need(risk.lifetime_p50_seconds > 2 && risk.lifetime_p50_seconds < 6);
	ck_need(risk.lifetime_p99_seconds < 10 && risk.age_p50_seconds > 1500);
	ck_need(risk.tail_died < 0.01 && risk.tail_reached >= 55);
	ck_need(fabs(risk.growth_bytes_per_hour - 36 * 64) < 500);
}
END_TEST

START_TEST(few_leaked_buffers_are_not_yet)
{
	struct risk_site soon = judged(&(struct site_plan){1000, one_a_second, leaking, 1, NULL});
	struct risk_site slow = judged(&(struct site_plan){5 * HOURS, one_in_ten_seconds, leaking, 1, NULL});

	ck_need(soon.live_objects <= 20 && soon.level < RISK_HIGH);
	ck_need(slow.live_objects >= 18 && slow.live_objects <= 20 && slow.level < RISK_HIGH);
}
END_TEST

static const struct {
	const char *name;
	struct site_plan plan;
	enum risk_reason reason;
} clean[] = {
    {"a cache while it fills", {1.9 * HOURS, one_in_ten_seconds, cached, 1, NULL}, RISK_FILLING_CACHE},
    {"a full cache", {12 * HOURS, one_in_ten_seconds, cached, 1, NULL}, RISK_NONE},
    {"start-up data", {3 * HOURS, busy_start, kept_at_start, 1, NULL}, RISK_START_UP},
    {"a load that triples", {2 * HOURS, tripling, two_seconds, 1, NULL}, RISK_LOAD},
    {"a queue that backs up", {6 * HOURS, one_a_second, queued, 1, NULL}, RISK_BACKLOG},
    {"steady traffic", {6 * HOURS, one_a_second, two_seconds, 1, NULL}, RISK_NONE},
    {"the first minute", {60, one_a_second, leaking, 1, NULL}, RISK_INSUFFICIENT},
};

START_TEST(clean_sites_have_their_reason_at_the_end)
{
	struct risk_site risk = judged(&clean[_i].plan);

	if (risk.reason != clean[_i].reason)
		ck_abort_msg("%s: %s, score %.2f", clean[_i].name, risk_reason_name(risk.reason), risk.score);
}
END_TEST

START_TEST(clean_sites_are_never_high)
{
	struct site_plan plan = clean[_i].plan;
	double until = plan.until;

	for (plan.until = 60; plan.until <= until; plan.until = fmax(plan.until * 1.15, plan.until + 60)) {
		struct risk_site risk = judged(&plan);

		if (risk.level == RISK_HIGH)
			ck_abort_msg("%s after %.0f s: %s, score %.2f", clean[_i].name, plan.until,
			    risk_reason_name(risk.reason), risk.score);
	}
}
END_TEST

START_TEST(what_stays_is_no_kin_of_what_dies)
{
	struct site_plan plan = {2 * HOURS, one_a_second, leaking, 1, NULL};
	struct risk_site alike = judged(&plan), other;

	plan.bytes = other_sizes;
	other = judged(&plan);
	ck_need(alike.p_kin > 0.95 && other.p_kin < 0.35);
	ck_need(alike.level == RISK_HIGH && other.level < RISK_HIGH);
}
END_TEST

/* All that dies is of 2 KiB; what stays of a quarter or four times as much. */
static uint64_t more_varied(bool is_kept)
{
	static unsigned kept;

	return !is_kept ? 2048 : ++kept % 2 == 0 ? 512 : 8192;
}

START_TEST(what_stays_is_more_varied_than_what_dies)
{
	struct risk_site other =
	    judged(&(struct site_plan){2 * HOURS, one_a_second, leaking, 1, more_varied});

	ck_need(other.p_kin < 0.35 && other.level < RISK_HIGH);
}
END_TEST

static unsigned leak_one_in;
static double leaking_a_share(unsigned i, double t)
{
	(void)t;
	return i % leak_one_in == 0 ? KEPT : 0.5 + i % 7;
}

START_TEST(a_larger_leak_scores_no_less)
{
	double last = 0;

	for (leak_one_in = 2000; leak_one_in >= 20; leak_one_in /= 2) {
		struct risk_site risk =
		    judged(&(struct site_plan){2 * HOURS, one_a_second, leaking_a_share, 1, NULL});

		ck_need(risk.score >= last - 0.001);
		last = risk.score;
	}
	ck_need(last > 0.75);
}
END_TEST

static double half_kept(unsigned i, double t)
{
	(void)t;
	return i % 2 == 0 ? KEPT : 0.5 + i % 7;
}
static double a_tenth_kept(unsigned i, double t)
{
	(void)t;
	return i % 10 == 0 ? KEPT : 0.5 + i % 7;
}

START_TEST(what_is_kept_of_every_second_one_is_a_store_more_likely)
{
	struct site_plan plan = {5 * HOURS, one_in_ten_seconds, half_kept, 1, NULL};

	ck_need(judged(&plan).score < 0.5);
	plan.life = a_tenth_kept;
	ck_need(judged(&plan).level == RISK_HIGH);
}
END_TEST

/* One in nine stays; the others live for 5 to 55 minutes, as what a collector frees, or for seconds. */
static double kept_beside_long_lives(unsigned i, double t)
{
	(void)t;
	return i % 9 == 0 ? KEPT : 300 + i % 7 * 500;
}
static double kept_beside_short_lives(unsigned i, double t)
{
	(void)t;
	return i % 9 == 0 ? KEPT : 0.5 + i % 7;
}

START_TEST(where_others_live_for_long_what_stays_is_more_likely_meant_to)
{
	struct site_plan plan = {9.5 * HOURS, one_in_ten_seconds, kept_beside_long_lives, 1, NULL};
	struct risk_site beside_long = judged(&plan), beside_short;

	plan.life = kept_beside_short_lives;
	beside_short = judged(&plan);
	ck_need(beside_short.level == RISK_HIGH);
	ck_need(beside_long.level == RISK_MEDIUM && beside_long.score < 0.58);
}
END_TEST

START_TEST(the_scale_of_weights_changes_no_score)
{
	struct site_plan plan = {6000, one_a_second, leaking, 1, NULL};
	struct risk_site one = judged(&plan), heavy;

	plan.weight = 5000;
	heavy = judged(&plan);
	ck_need(fabs(one.score - heavy.score) < 0.01);
	ck_need(fabs(one.confidence - heavy.confidence) < 0.01);
	ck_need(fabs(heavy.live_objects - 5000 * one.live_objects) < 1);
}
END_TEST

START_TEST(one_heavy_sample_is_no_evidence)
{
	/* Three samples of weight 100,000 among short-lived ones: not 300,000 leaked objects. */
	struct facts facts;
	struct live live;
	struct risk_site risk;

	site_make(&facts, &live, &(struct site_plan){6000, one_a_second, two_seconds, 1, NULL});
	for (int i = 1; i <= 3; i++) {
		facts_birth(&facts, 1500 * i, 64, 1e5);
		live_add(&live, 6000 - 1500 * i, 64, 1e5);
	}
	risk_judge_site(&risk, &facts, &live, 50);
	ck_need(risk.evidence_objects < 4 && risk.score < RISK_MEDIUM_SCORE);
}
END_TEST

START_TEST(more_sites_tested_ask_for_more_evidence)
{
	struct facts facts;
	struct live live;
	struct risk_site few, many;

	site_make(&facts, &live, &(struct site_plan){1500, one_a_second, leaking, 1, NULL});
	risk_judge_site(&few, &facts, &live, 10);
	risk_judge_site(&many, &facts, &live, 1000000);
	ck_need(many.score < few.score);
}
END_TEST

START_TEST(a_site_that_frees_nothing_gets_high_only_after_days)
{
	double last = 0;

	for (double days = 0.05; days < 12; days *= 1.6) {
		struct facts facts = {0};
		struct live live;
		struct risk_site risk;
		double until = days * 86400;

		for (double t = 30; t <= until; t += 60) {
			facts_birth(&facts, t, 64, 1);
			facts_point(&facts, t);
		}
		live_begin(&live, &facts, until);
		for (double t = 30; t <= until; t += 60)
			live_add(&live, until - t, 64, 1);
		risk_judge_site(&risk, &facts, &live, 50);
		ck_need(risk.score >= last - 0.01);
		ck_need((risk.level == RISK_HIGH) == (days > 6) && (risk.level == RISK_LOW) == (days < 0.7));
		ck_need(risk.reason == (days > 6 ? RISK_NEVER_FREED : RISK_FILLING_CACHE));
		last = risk.score;
	}
}
END_TEST

static bool is_sane(const struct risk_site *risk)
{
	const double shares[] = {risk->score, risk->confidence, risk->p_flat, risk->p_accruing, risk->p_kin,
	    risk->p_growing, risk->kept_share, risk->tail_died};
	const double figures[] = {risk->live_objects, risk->live_bytes, risk->growth_bytes_per_hour,
	    risk->stuck_objects, risk->stuck_bytes, risk->stuck_per_hour, risk->stuck_bytes_per_hour,
	    risk->lifetime_p50_seconds, risk->lifetime_p99_seconds, risk->age_p50_seconds,
	    risk->tail_from_seconds, risk->tail_to_seconds, risk->tail_reached, risk->evidence_objects};

	for (unsigned i = 0; i < ARRAY_LENGTH(shares); i++)
		if (!(shares[i] >= 0 && shares[i] <= 1))
			return false;
	for (unsigned i = 0; i < ARRAY_LENGTH(figures); i++)
		if (!isfinite(figures[i]))
			return false;
	return risk->level <= RISK_HIGH && risk->reason <= RISK_MIXTURE_LEAK;
}

static uint64_t state = 42;
static double random_figure(void)
{
	static const double odd[] = {0, 0, 1, -1, 1e-300, 1e300, 1e18, 60, 3600, 0.5};
	uint64_t r = state = state * 6364136223846793005u + 1442695040888963407u;

	if (r >> 62 == 0)
		return odd[(r >> 32) % ARRAY_LENGTH(odd)];
	return exp((double)(r >> 40) / (1 << 24) * 60 - 20);
}

START_TEST(calls_in_any_order_with_any_figures_are_answered)
{
	for (unsigned round = 0; round < 3000; round++) {
		struct facts facts = {0};
		struct live live;
		struct risk_site risk;
		unsigned events = (unsigned)(state >> 58);

		for (unsigned i = 0; i < events; i++) {
			facts_birth(&facts, random_figure(), (uint64_t)(fabs(fmin(random_figure(), 1e18))),
			    random_figure());
			facts_death(&facts, random_figure(), 77, random_figure());
			facts_point(&facts, random_figure());
		}
		live_begin(&live, &facts, random_figure());
		for (unsigned i = 0; i < events; i++)
			live_add(&live, random_figure(), 99, random_figure());
		risk_judge_site(&risk, &facts, &live, (unsigned)events * 1000);
		ck_need(is_sane(&risk));
	}
}
END_TEST

START_TEST(a_torn_copy_is_answered)
{
	for (unsigned round = 0; round < 3000; round++) {
		struct facts facts;
		struct live live;
		struct risk_site risk;
		unsigned char *bytes = (unsigned char *)&facts;

		for (size_t i = 0; i < sizeof(facts); i++)
			bytes[i] = (unsigned char)((state = state * 6364136223846793005u + 1) >> 56);
		/* Half of it as it was. */
		if (round % 2)
			memset(bytes, 0, sizeof(facts) / 2);
		live_begin(&live, &facts, random_figure());
		for (unsigned i = 0; i < 50; i++)
			live_add(&live, random_figure(), 99, random_figure());
		risk_judge_site(&risk, &facts, &live, round);
		ck_need(is_sane(&risk));
	}
}
END_TEST

START_TEST(nothing_at_all_is_answered)
{
	struct facts facts = {0};
	struct live live;
	struct risk_site risk;

	live_begin(&live, &facts, 0);
	risk_judge_site(&risk, &facts, &live, 0);
	ck_need(is_sane(&risk) && risk.score == 0 && risk.reason == RISK_INSUFFICIENT);
	ck_need(risk.lifetime_p50_seconds < 0 && risk.age_p50_seconds < 0);
}
END_TEST

START_TEST(the_numbers_behind_the_reason_are_told)
{
	struct risk_site risk = judged(&(struct site_plan){6000, one_a_second, leaking, 1, NULL});
	char text[512];
	struct out out;

	out_init(&out, -1, text, sizeof(text) - 1);
	risk_explain_site(&out, &risk);
	text[out.used] = 0;
	ck_assert_ptr_nonnull(strstr(text, "objects that reached"));
	ck_assert_ptr_nonnull(strstr(text, "0.0% were freed before"));
	ck_assert_ptr_nonnull(strstr(text, "an hour stay (2.3 KiB), 1.0% of what is allocated"));
	for (int reason = RISK_NONE; reason <= RISK_MIXTURE_LEAK; reason++) {
		risk.reason = (enum risk_reason)reason;
		out_init(&out, -1, text, sizeof(text) - 1);
		risk_explain_site(&out, &risk);
		ck_need(out.used > 20 && out.error == 0);
	}
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, sixty_leaked_buffers_among_short_lived_ones_are_high);
	tcase_add_test(tests, few_leaked_buffers_are_not_yet);
	tcase_add_loop_test(tests, clean_sites_have_their_reason_at_the_end, 0, (int)ARRAY_LENGTH(clean));
	tcase_add_loop_test(tests, clean_sites_are_never_high, 0, (int)ARRAY_LENGTH(clean));
	tcase_add_test(tests, what_stays_is_no_kin_of_what_dies);
	tcase_add_test(tests, what_stays_is_more_varied_than_what_dies);
	tcase_add_test(tests, a_larger_leak_scores_no_less);
	tcase_add_test(tests, what_is_kept_of_every_second_one_is_a_store_more_likely);
	tcase_add_test(tests, where_others_live_for_long_what_stays_is_more_likely_meant_to);
	tcase_add_test(tests, the_scale_of_weights_changes_no_score);
	tcase_add_test(tests, one_heavy_sample_is_no_evidence);
	tcase_add_test(tests, more_sites_tested_ask_for_more_evidence);
	tcase_add_test(tests, a_site_that_frees_nothing_gets_high_only_after_days);
	tcase_add_test(tests, calls_in_any_order_with_any_figures_are_answered);
	tcase_add_test(tests, a_torn_copy_is_answered);
	tcase_add_test(tests, nothing_at_all_is_answered);
	tcase_add_test(tests, the_numbers_behind_the_reason_are_told);
}

int main(void)
{
	return run_suite("risk", add_tests);
}
