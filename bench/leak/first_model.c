/*
 * first_model.c -- the model that the work on leak risk began with, as a baseline.
 *
 * Tail test over the last four half-octaves of age, occupied birth cohorts, Mann-Kendall on
 * the live count and on it divided by the allocation rate, fixed constants throughout.
 * Called by sim_run() only.
 */
#include <math.h>

#include "bench/leak/sim.h"
#include "track/life_table.h"

static double clip(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

static double z_of(const double *v, unsigned n)
{
	double s = 0;

	if (n < 4)
		return 0;
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = i + 1; j < n; j++)
			s += (v[j] > v[i]) - (v[j] < v[i]);
	return s / sqrt(n * (n - 1.0) * (2.0 * n + 5) / 18);
}

double first_model_score(const struct facts *facts, const struct live *live, unsigned sites_tested)
{
	struct life_table table;
	double now = live->now, oldest = 0, llr = 0, at_risk = 0, cohorts[8] = {0}, survivors = 0, e_gen = 0;
	double counts[SERIES_POINTS], rates[SERIES_POINTS], z, g, conf, follow, late = 0, early = 0,
										quarter_count = 0;
	double p_tail, leak, grow, each;
	const double q0 = 1 - pow(0.65, 0.25), q1 = 1 - pow(0.96, 0.25);
	unsigned last = 0, n = 0, used = facts->series.used;

	/* It knows weights, no masses; of a site of one size the one is so many times the other. */
	each = facts->birth_mass > 0 ? facts->births / facts->birth_mass : 1;
	life_table_make(&table, facts, live);
	for (unsigned k = 0; k < FACTS_AGES; k++) {
		table.at_risk[k] *= each;
		table.died[k] *= each;
	}
	for (unsigned k = 0; k < FACTS_AGES; k++)
		if (table.at_risk[k] >= 8)
			last = k;
	oldest = facts_age_from(last);
	for (unsigned k = last >= 3 ? last - 3 : 0; k <= last; k++) {
		llr += table.died[k] * log(q1 / q0) +
		       (table.at_risk[k] - table.died[k]) * log((1 - q1) / (1 - q0));
		at_risk = fmax(at_risk, table.at_risk[k]);
	}
	llr = oldest < 60 ? -20 : clip(llr, -20, 20);
	p_tail = 1 / (1 + exp(-(llr - 4.6 - log(fmax(1, sites_tested / 100.0)))));
	for (unsigned i = 0; i < FACTS_COHORTS; i++) {
		double age = (now - live->first_at) * (1 - (i + 1.0) / FACTS_COHORTS);

		if (age >= fmax(60, oldest / 4))
			survivors += live->born[i] * each;
	}
	if (survivors >= 5) {
		double occupied = 0, mean = 0, late_mean;
		double range = now - live->first_at - fmax(60, oldest / 4);

		for (unsigned i = 0; i < FACTS_COHORTS; i++) {
			double birth = (now - live->first_at) * (i + 0.5) / FACTS_COHORTS;

			if (birth < range)
				cohorts[(unsigned)(birth / range * 8)] += live->born[i] * each;
		}
		for (unsigned i = 0; i < 8; i++) {
			occupied += cohorts[i] > 0;
			mean += cohorts[i] / 8;
		}
		late_mean = (cohorts[5] + cohorts[6] + cohorts[7]) / 3;
		e_gen = clip(occupied / (8 * (1 - pow(7.0 / 8, survivors))), 0, 1) *
			clip((late_mean / fmax(mean, 1e-9) - 0.3) / 0.5, 0, 1);
	}
	for (unsigned i = 0; i < used; i++) {
		const struct series_point *point = &facts->series.points[i];
		double span = point->at - (i > 0 ? point[-1].at : facts->first_at);
		double flow = point->flow - (i > 0 ? point[-1].flow : 0);

		if (point->at < now / 4)
			continue;
		counts[n] = point->count;
		rates[n++] = point->count / fmax(span > 0 ? flow / span : 0, 1e-9);
	}
	z = fmin(z_of(counts, n), z_of(rates, n));
	for (unsigned i = 0; i < n / 4; i++) {
		late += counts[n - 1 - i];
		early += counts[i];
	}
	quarter_count = n >= 4 ? late / floor(n / 4.0) : 0;
	if (quarter_count < 5 || late < 1.1 * early)
		z = fmin(z, 1);
	g = clip((z - 1.5) / 2.5, 0, 1);
	conf = 1 - exp(-at_risk / 12);
	if (facts->deaths >= 0.05 * facts->births)
		follow = clip(log2(now / fmax(life_table_quantile(facts->died_at, 0.99, 1), 60)) / 3, 0, 1);
	else
		follow = fmin(0.9, 0.38 + 0.09 * log2(fmax(now, 3600) / 3600));
	leak = p_tail * e_gen * (0.55 + 0.45 * g) * conf * follow;
	grow = 0.6 * g * clip(log2(now / 900) / 4, 0, 1) * fmin(1, quarter_count / 10);
	if (llr < -4 && z < 4)
		grow /= 2;
	return fmax(leak, grow);
}
