/*
 * life_table.c -- deaths by age and the ages of the live make a censored life table.
 *
 * Called by risk.c for each site at each tick. Invariants: 0 <= died <= at_risk <= reached
 * in each bucket, all finite. Pure; 48 steps.
 */
#include "track/life_table.h"

#include "track/approx.h"

/* More than any sum of weights; keeps squares finite. */
#define MOST 1e100

/* The mass that an average unit of mass comes in: sum m^2 / sum m. */
static double mass_each(double squares, double masses)
{
	return masses > 0 && squares > 0 ? squares / masses : 1;
}

void life_table_make(struct life_table *table, const struct facts *facts, const struct live *live)
{
	double dead_each = mass_each(facts->death_squares, facts->death_mass);
	double live_each = mass_each(live->squares, live->mass);
	double dead = 0, alive = 0;

	for (unsigned bucket = FACTS_AGES; bucket-- > 0;) {
		double died = clamp(facts->died_at[bucket], 0, MOST);
		double censored = clamp((double)live->at_age[bucket], 0, MOST);
		double at_risk, squares;

		dead += died;
		alive += censored;
		at_risk = dead + alive - censored / 2;
		squares = dead * dead_each + (alive - censored / 2) * live_each;
		table->reached[bucket] = dead + alive;
		table->died[bucket] = died;
		table->at_risk[bucket] = at_risk;
		table->evidence[bucket] = squares > 0 ? at_risk * (at_risk / squares) : 0;
	}
}

double life_table_survival(const struct life_table *table, unsigned from, unsigned to)
{
	double survival = 1;

	for (unsigned bucket = from; bucket < MIN(to, (unsigned)FACTS_AGES); bucket++)
		if (table->at_risk[bucket] > 0)
			survival *= clamp01(1 - table->died[bucket] / table->at_risk[bucket]);
	return survival;
}

double life_table_quantile(const double buckets[FACTS_AGES], double share, double first)
{
	double all = 0, below = 0;

	for (unsigned bucket = 0; bucket < FACTS_AGES; bucket++)
		all += clamp(buckets[bucket], 0, MOST);
	if (all <= 0)
		return -1;
	for (unsigned bucket = 0; bucket < FACTS_AGES; bucket++) {
		double in = clamp(buckets[bucket], 0, MOST);

		if (in > 0 && below + in >= all * share)
			return bucket == 0 ? first
					   : facts_age_from(bucket) *
						 approx_exp(LN2 / 2 * clamp01((all * share - below) / in));
		below += in;
	}
	return facts_age_from(FACTS_AGES - 1);
}
