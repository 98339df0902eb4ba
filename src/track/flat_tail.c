/*
 * flat_tail.c -- where survival goes flat above zero.
 *
 * Called by risk.c for each site at each tick; most sites have no tail and cost 48 steps.
 * Pure; does not allocate, lock or block.
 *
 * Two questions are asked of each age from which the tail might begin.
 *
 * Is it flat? A likelihood ratio by buckets: of those that reach age a, 35% die before 4a where
 * lifetimes just are long (a Pareto tail of index 0.31; heavier is not met in practice), at most
 * 4% where they stay. Scale-free, so that it holds for seconds and for hours.
 *
 * Will they stay? However flat, what is kept may be meant to be kept: a session, a
 * batch, an entry with a time to live. Nobody knows its time of release T; ln T is taken as uniform
 * from a minute to two weeks (Jeffreys' prior for a scale). Half of such sites release at
 * random with mean T (an exponential likelihood: deaths and exposure), half all at age T (no sign
 * of it before). Against this stands "never", with a small hazard of its own for the few that
 * the program finds again: 0.03, 0.003 or 0.0003 over the time seen, as likely each. The ratio of the marginal likelihoods is bounded by
 * 2 / P(T > age): however many objects stay, only time tells a leak from what has a fixed time to
 * live, and that is as it must be.
 */
#include "track/flat_tail.h"

#include "track/approx.h"

/* Ages before this are no tail: 8 s. */
#define FIRST_BUCKET 6
/* The tail is seen for at least two buckets, a doubling, and up to at least 23 s. */
#define LEAST_BUCKETS 2
#define LEAST_END 10
/* So many effective objects carry the end of what is seen. */
#define LEAST_EVIDENCE 1.0
/* ln((1 - 0.96^(1/4)) / (1 - 0.65^(1/4))), and ln(0.96 / 0.65) / 4 */
#define A_DEATH -2.3083
#define A_SURVIVAL 0.0975
/* What the ratio must overcome first: flat tails are the exception, 1 in 8. */
#define FLAT_PRIOR 2.0
/* Of starts that are about as likely as the best one, the earliest: more births can be counted. */
#define ABOUT_AS_LIKELY 0.6

#define STAYS_HAZARD 0.03
#define NEVER_STEPS 3
#define NEVER_STEP 10.0
#define RELEASE_FIRST 60.0
#define RELEASE_DOUBLINGS 14 /* to 11 days; with the half octave on each side, two weeks */

double flat_tail_beyond(double age)
{
	return clamp01(1 - approx_log2(MAX(age, RELEASE_FIRST) / RELEASE_FIRST) / (RELEASE_DOUBLINGS + 0.3));
}

/* ln of the likelihood of died deaths in exposure at a constant hazard. */
static double log_likelihood(double exposure, double died, double hazard)
{
	return died * LN2 * approx_log2(hazard) - exposure * hazard;
}

double flat_tail_stays_factor(double exposure, double died, double to_age)
{
	double logs[NEVER_STEPS + RELEASE_DOUBLINGS], most = -1e300, never = 0, random = 0;
	double hazard = STAYS_HAZARD / MAX(to_age, 1);

	for (unsigned i = 0; i < NEVER_STEPS; i++, hazard /= NEVER_STEP)
		logs[i] = log_likelihood(exposure, died, hazard);
	hazard = 1 / RELEASE_FIRST;
	for (unsigned i = NEVER_STEPS; i < ARRAY_LENGTH(logs); i++, hazard /= 2)
		logs[i] = log_likelihood(exposure, died, hazard);
	/* Relative to the likeliest, so that no sum vanishes. */
	for (unsigned i = 0; i < ARRAY_LENGTH(logs); i++)
		most = MAX(most, logs[i]);
	for (unsigned i = 0; i < NEVER_STEPS; i++)
		never += approx_exp(logs[i] - most) / NEVER_STEPS;
	for (unsigned i = NEVER_STEPS; i < ARRAY_LENGTH(logs); i++)
		random += approx_exp(logs[i] - most) / RELEASE_DOUBLINGS;
	return never / (0.5 * random + 0.5 * flat_tail_beyond(to_age) * never + 1e-300);
}

void flat_tail_find(struct flat_tail *tail, const struct life_table *table, double now)
{
	double sum = 0, exposure = 0, died = 0, best = 0, to_age;
	unsigned to = FACTS_AGES;

	*tail = (struct flat_tail){0};
	while (to > 0 && !(table->evidence[to - 1] >= LEAST_EVIDENCE))
		to--;
	if (to < LEAST_END)
		return;
	/* Somewhere in the last bucket: a fifth into it. */
	to_age = MIN(facts_age_from(to - 1) * 1.2, now);
	for (unsigned bucket = FACTS_AGES; bucket-- > FIRST_BUCKET;) {
		double evidence = table->evidence[bucket];
		double dead = table->at_risk[bucket] > 0
				  ? evidence * clamp01(table->died[bucket] / table->at_risk[bucket])
				  : 0;
		double odds, factor;

		exposure += (evidence - dead / 2) *
			    (facts_age_from(MIN(bucket + 1, FACTS_AGES - 1u)) - facts_age_from(bucket));
		died += dead;
		sum += dead * A_DEATH + (evidence - dead) * A_SURVIVAL;
		if (bucket + LEAST_BUCKETS > to || sum < 0)
			continue;
		factor = flat_tail_stays_factor(exposure, died, to_age);
		odds = factor * approx_sigmoid(sum - FLAT_PRIOR);
		if (!(odds > ABOUT_AS_LIKELY * best))
			continue;
		best = MAX(odds, best);
		*tail = (struct flat_tail){
		    .from = bucket,
		    .to = to,
		    .to_age = to_age,
		    .exposure = exposure,
		    .died = died,
		    .log_evidence = sum - FLAT_PRIOR,
		    .stays_factor = factor,
		};
	}
}
