/*
 * risk.c -- how likely one call site leaks.
 *
 * Called at each tick for each site, and by libweir for each of its pools. Pure: does not allocate,
 * lock or block, calls no libm, keeps no state. About 10 us for a site that has a tail, under 1 us else.
 *
 * The model. A leaking site is a mixture: most of what it makes dies, some of the same kind never does, and
 * that goes on. Each of these words is a factor, a probability from 0 to 1:
 *
 *   flat       Beyond some age nothing dies any more, and it is not just that time is short
 *              (flat_tail.c). Prior odds by the share that stays: programs that lose memory lose a
 *              few in a hundred, those that store things keep more: 3 : 1 up to 3%, falling as
 *              share^-1.2 (0.7 : 1 at 10%, 0.1 : 1 at 50%). So a site that keeps one in ten
 *              needs hours of flatness, since entries with a time to live look the same until it ends. Where
 *              others live for long (what a collector frees, sessions, entries that are asked for again), a large
 *              share is kept on purpose the more likely: the power grows by 0.12 with each doubling of the age
 *              that 99% of them end before, from a minute on; 0.3 : 1 at 10% where that is an hour.
 *   accruing   What stays comes as evenly as births do, all the time (accrual.c). Of data of the start,
 *              names seen for the first time and pools that grow to a peak less and less comes.
 *              A program that warms up may keep things for a while: log-uniform, 10 s to 1 h;
 *              half of the doubt that leaves.
 *   kin        It is of the sizes that die. A server's GET and SET may allocate at one site, but
 *              what is stored is of another size than what is not. Welch's difference of the means of log2
 *              size, against half the spread of the sizes that die; and what stays is not more varied than
 *              what dies: a leak is some of all, or all of some, but a store has sizes that never die.
 *   evidence   1 - e^-(n/22)^1.5, n the effective number of survivors (Kish: (sum m)^2 / sum m^2 of their masses,
 *              facts.h), so that one sample of weight 10,000 is one observation: 0.26 for 10, 0.80 for 30, 0.91
 *              for 40.
 *
 * Each that fails is an innocent reason of its own, so their odds against add: MIXTURE_LEAK is
 * 1 / (1 + sum of (1/p - 1)). Where next to nothing dies (under 5% of births) lifetimes cannot tell a leak
 * from a store that fills; only how long it has been filling does. Fill times are log-uniform from
 * a minute to two weeks, so the chance that a store still fills at age t is 1 - log(t / 1 min) /
 * log(2 weeks / 1 min). Nearly every program has such stores and few leak so: odds of 1 : 6 for a leak. That
 * gives 0.22 after an hour, 0.35, MEDIUM, after 16 hours and 0.65, HIGH, after six days, times the evenness of
 * births in time: FILLING_CACHE, in the end NEVER_FREED. BACKLOG: objects stay longer and longer (growth.c), at
 * most 0.12, since a queue that backs up drains; what it may be else shows in its tail.
 *
 * Measured on simulated sites: bench/leak/RESULTS.md, "Leak risk, simulated".
 */
#include "track/risk.h"

#include "track/accrual.h"
#include "track/approx.h"
#include "track/flat_tail.h"
#include "track/growth.h"

#define EVIDENCE_OBJECTS 22.0

#define PRIOR_ODDS 3.0
#define PRIOR_SHARE 0.03
#define PRIOR_POWER 1.2
#define PRIOR_LIFE 60.0	      /* seconds */
#define PRIOR_POWER_MORE 0.12 /* a doubling */

#define WARM_UP_FIRST 10.0
#define WARM_UP_LAST 3600.0

/* Doubt about kin never takes all: sizes may follow the error that leaks. */
#define KIN_LEAST 0.3
#define KIN_OCTAVES 0.5 /* as different as neighbours in one structure may be */
#define KIN_WIDER 0.4	/* and so much more varied */
#define KIN_STEEPNESS 10.0

#define NEVER_FREED_DEATHS 0.05
#define NEVER_FREED_ODDS (1.0 / 6)

#define BACKLOG_MOST 0.12
#define BACKLOG_FROM 900.0 /* seconds; whole after four doublings */

/* A trend of 1.5 standard errors is nothing, one of 4 is certain. */
#define TREND_LEAST 1.5
#define TREND_RANGE 2.5

#define JUDGED_TOGETHER 100.0
#define EARLY 120.0    /* seconds; before, nothing is said */
#define ENOUGH 20.0    /* effective births */
#define LEAST_LIVE 5.0 /* effective objects; fewer do not grow */

static double evidence_of(double objects)
{
	objects = clamp(objects / EVIDENCE_OBJECTS, 0, 100);
	return 1 - approx_exp(-objects * approx_sqrt(objects));
}

/* share is kept where nearly all others live for less than others_life seconds. */
static double prior_odds(double share, double others_life)
{
	double power = PRIOR_POWER + PRIOR_POWER_MORE * approx_log2(MAX(others_life / PRIOR_LIFE, 1));

	if (share <= PRIOR_SHARE)
		return PRIOR_ODDS;
	return PRIOR_ODDS * approx_exp(-power * LN2 * approx_log2(share / PRIOR_SHARE));
}

static double p_flat(const struct flat_tail *tail, double share, double others_life, unsigned sites_tested)
{
	/* Bonferroni's correction, beyond the number of sites that the prior is for. */
	double tests = LN2 * approx_log2(MAX(1, sites_tested / JUDGED_TOGETHER));
	double odds = prior_odds(share, others_life) * tail->stays_factor;

	return tail->to == 0 ? 0 : odds / (1 + odds) * approx_sigmoid(tail->log_evidence - tests);
}

/* Each factor that fails is another innocent reason, so the odds against add. */
static double all_hold(const double *p, unsigned count)
{
	double against = 0;

	for (unsigned i = 0; i < count; i++)
		against += 1 / MAX(p[i], 1e-6) - 1;
	return 1 / (1 + against);
}

static double warmed_up(double uptime)
{
	double may_warm_up = 1 - approx_log2(MAX(uptime, WARM_UP_FIRST) / WARM_UP_FIRST) /
				     approx_log2(WARM_UP_LAST / WARM_UP_FIRST);

	return 1 - 0.5 * clamp01(may_warm_up);
}

/* The effective number of objects of so much mass (Kish). */
static double effective(double mass, double squares)
{
	return squares > 0 ? mass * (mass / squares) : 0;
}

static double sigma(double mean_square, double mean)
{
	return approx_sqrt(clamp(mean_square - mean * mean, 0, 1e6));
}

static double p_kin(const struct facts *facts, const struct live *live)
{
	double dead_mean, dead_sigma, old_mean, old_sigma, old_objects, shifted, wider;

	if (!(facts->death_mass > 0) || !(live->old_mass > 0) || !(live->old_squares > 0))
		return 1;
	dead_mean = facts->death_size / facts->death_mass;
	dead_sigma = sigma(facts->death_size_squares / facts->death_mass, dead_mean);
	old_mean = live->old_size / live->old_mass;
	old_sigma = sigma(live->old_size_squares / live->old_mass, old_mean);
	old_objects = MAX(effective(live->old_mass, live->old_squares), 1);
	shifted = old_mean > dead_mean ? old_mean - dead_mean : dead_mean - old_mean;
	shifted -= KIN_OCTAVES + dead_sigma / 2 + 2 * old_sigma / approx_sqrt(old_objects);
	wider = old_sigma - dead_sigma - KIN_WIDER - 2 * old_sigma / approx_sqrt(2 * old_objects);
	return KIN_LEAST + (1 - KIN_LEAST) * approx_sigmoid(-KIN_STEEPNESS * MAX(shifted, wider));
}

static double never_freed_score(const struct accrual *accrual, double uptime)
{
	return NEVER_FREED_ODDS / (NEVER_FREED_ODDS + flat_tail_beyond(0, uptime)) * accrual->continues *
	       accrual->spread * evidence_of(accrual->survivors);
}

static double backlog_score(const struct risk_site *risk, double objects, double uptime)
{
	return BACKLOG_MOST * risk->p_growing * clamp01(approx_log2(MAX(uptime, 1) / BACKLOG_FROM) / 4) *
	       MIN(1, objects / (2 * LEAST_LIVE));
}

static void describe(struct risk_site *risk, const struct facts *facts, const struct live *live)
{
	double ages[FACTS_AGES];

	for (unsigned bucket = 0; bucket < FACTS_AGES; bucket++)
		ages[bucket] = (double)live->at_age[bucket];
	risk->live_objects = live->count;
	risk->live_bytes = live->bytes;
	risk->growth_bytes_per_hour = 3600 * growth_bytes_per_second(&facts->series);
	risk->lifetime_p50_seconds = life_table_quantile(
	    facts->died_at, 0.5, clamp01(facts->young_age / MAX(facts->died_at[0], 1e-9)));
	risk->lifetime_p99_seconds = life_table_quantile(facts->died_at, 0.99, 1);
	risk->age_p50_seconds = life_table_quantile(ages, 0.5, 0.5);
}

static void describe_tail(struct risk_site *risk, const struct life_table *table,
    const struct flat_tail *tail, const struct accrual *accrual, const struct live *live)
{
	bool has_old = live->old_count > 0 && live->old_mass > 0;
	double count = has_old ? live->old_count : live->count, mass = has_old ? live->old_mass : live->mass;
	double bytes_each = count > 0 ? (has_old ? live->old_bytes : live->bytes) / count : 0;
	double objects_each = mass > 0 ? count / mass : 1; /* of a unit of mass */

	risk->kept_share = accrual->share;
	risk->evidence_objects = accrual->survivors;
	if (tail->to == 0)
		return;
	risk->tail_from_seconds = facts_age_from(tail->from);
	risk->tail_to_seconds = tail->to_age;
	risk->tail_reached = table->reached[tail->from] * objects_each;
	risk->tail_died = 1 - life_table_survival(table, tail->from, tail->to);
	for (unsigned bucket = tail->from; bucket < FACTS_AGES; bucket++)
		risk->stuck_objects += (double)live->at_age[bucket] * objects_each;
	risk->stuck_per_hour = accrual->per_hour * objects_each;
	risk->stuck_bytes = risk->stuck_objects * bytes_each;
	risk->stuck_bytes_per_hour = risk->stuck_per_hour * bytes_each;
}

enum path { PATH_MIXTURE, PATH_NEVER_FREED, PATH_BACKLOG };

static enum risk_reason reason_of(const struct risk_site *risk, enum path path, const struct facts *facts,
    const struct growth *growth, double uptime)
{
	double deaths = effective(facts->death_mass, facts->death_squares);

	if (risk->score >= RISK_MEDIUM_SCORE) {
		if (path == PATH_MIXTURE)
			return RISK_MIXTURE_LEAK;
		return risk->score >= RISK_HIGH_SCORE ? RISK_NEVER_FREED : RISK_FILLING_CACHE;
	}
	if (uptime < EARLY || (deaths < ENOUGH && risk->evidence_objects < LEAST_LIVE))
		return RISK_INSUFFICIENT;
	if (growth->of_count > TREND_LEAST && growth->of_stay <= TREND_LEAST)
		return RISK_LOAD;
	if (growth->of_count > TREND_LEAST && path == PATH_BACKLOG)
		return RISK_BACKLOG;
	if (risk->evidence_objects < LEAST_LIVE)
		return RISK_NONE;
	if (path == PATH_NEVER_FREED && risk->p_accruing > 0.5)
		return RISK_FILLING_CACHE;
	if (risk->p_accruing < 0.5 && (risk->p_flat > 0.1 || path == PATH_NEVER_FREED))
		return RISK_START_UP;
	return evidence_of(risk->evidence_objects) < 0.5 && risk->p_flat > 0.1 ? RISK_INSUFFICIENT
									       : RISK_NONE;
}

void risk_judge_site(
    struct risk_site *risk, const struct facts *facts, const struct live *live, unsigned sites_tested)
{
	double uptime = clamp(live->now - live->first_at, 0, 1e18);
	double objects = effective(live->mass, live->squares);
	/* Of live objects, how many stand for one that is known. */
	double each = objects > 0 ? live->count / objects : 1;
	bool is_mixture = facts->death_mass >= NEVER_FREED_DEATHS * facts->birth_mass;
	double score = 0;
	struct life_table table;
	struct flat_tail tail;
	struct accrual accrual = {0};
	struct growth growth = growth_judge(&facts->series, live->first_at, LEAST_LIVE * each);
	enum path path = is_mixture ? PATH_MIXTURE : PATH_NEVER_FREED;

	*risk = (struct risk_site){0};
	life_table_make(&table, facts, live);
	flat_tail_find(&tail, &table, uptime);
	if (!is_mixture)
		accrual_measure(&accrual, facts, live, 0, ACCRUAL_BY_TIME);
	else if (tail.to != 0)
		accrual_measure(&accrual, facts, live, facts_age_from(tail.from), ACCRUAL_BY_BIRTHS);
	describe(risk, facts, live);
	risk->p_flat = p_flat(&tail, accrual.share, live->old_age, sites_tested);
	risk->p_accruing = accrual.continues * accrual.spread * (is_mixture ? warmed_up(uptime) : 1);
	risk->p_kin = p_kin(facts, live);
	risk->p_growing = clamp01((MIN(growth.of_count, growth.of_stay) - TREND_LEAST) / TREND_RANGE);
	if (!is_mixture) {
		score = never_freed_score(&accrual, uptime);
	} else {
		double backlog = backlog_score(risk, objects, uptime);

		if (tail.to != 0)
			score = all_hold((double[]){risk->p_flat, risk->p_accruing, risk->p_kin,
					     evidence_of(accrual.survivors)},
			    4);
		if (backlog > score) {
			score = backlog;
			path = PATH_BACKLOG;
		}
	}
	describe_tail(risk, &table, &tail, &accrual, live);
	risk->score = clamp01(score);
	risk->confidence =
	    clamp01(evidence_of(MAX(accrual.survivors, effective(facts->death_mass, facts->death_squares))));
	risk->level = risk_level_of(risk->score);
	risk->reason = reason_of(risk, path, facts, &growth, uptime);
}
