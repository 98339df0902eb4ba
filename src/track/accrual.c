/*
 * accrual.c -- the birth cohorts of what stays.
 *
 * Called by risk.c for each site that has a tail. Pure; about 200 logarithms.
 *
 * Data kept since the start, a table of names that were not seen before, a pool that has grown to
 * its peak: all of them stay, and ever fewer of them come. A leak loses the same share of what
 * passes by. So time is counted in births, u = births so far / all births, and the survivors'
 * birth times are tested as a reliability engineer tests whether failures get rarer: a power law process
 * of intensity u^(b-1) (Crow and the U.S. Army's AMSAA, 1974; MIL-HDBK-189). b = 1 is a leak; b = 2
 * one that gets worse; b = 3/4, 1/2, 1/4 are stores that fill (Heaps' law for new words has b
 * about 1/2, caches under Zipf's law 0.5 to 0.8), and b -> 0 is growth by the logarithm.
 * Likelihoods are by cohort. They are tempered where survivors come in clumps (errors do): divided by
 * the dispersion of counts from one eighth of the births to the next, which a slow trend does not raise.
 *
 * What was born in the first 1/32 of the time is the start-up and is left out. Where nothing
 * stayed for the first fifth of the births or longer, the process is taken to begin with the first
 * survivors: a leak that starts late. Where it started so late that equal cohorts do not resolve
 * it, the finer ones of the last 1/16 of the time are used.
 */
#include "track/accrual.h"

#include "track/approx.h"

#define START_UP_COHORTS 1
#define GROUPS 8
#define POWERS 6
/* Fewer whole cohorts than this say nothing about evenness. */
#define LEAST_COHORTS 4
/* From this share of survivors on, the finer cohorts are looked at. */
#define MOSTLY_RECENT 0.4
/* Odds that a store, before any evidence, fills ever more slowly rather than evenly. */
#define SLOWING_ODDS 0.4
/* The same where the start-up kept more than its share: it has been a store then, at least. */
#define SLOWING_ODDS_STORE 8.0
#define FRONT_ERRORS 2.0
#define LATE_SHARE 0.2
#define FIRST_SURVIVORS 0.05

/* One look: equal cohorts from first_at on, of so many seconds each. */
struct cohorts {
	unsigned first, end; /* those looked at */
	double from, width;
	double births_before; /* births since the process began, before ->first */
	double slowing_odds;
	double born[FACTS_COHORTS], stayed[FACTS_COHORTS]; /* masses; effective objects */
};

/* Births up to a time, on straight lines between the points of the series. */
static double births_at(const struct facts *facts, double now, double at)
{
	double t0 = facts->first_at, f0 = 0;
	unsigned used = MIN(facts->series.used, (unsigned)SERIES_POINTS);

	for (unsigned i = 0; i <= used; i++) {
		double t1 = i < used ? (double)facts->series.points[i].at : now;
		double f1 = i < used ? (double)facts->series.points[i].flow : facts->birth_mass;

		if (t1 > t0 && at < t1)
			return f0 + MAX(f1 - f0, 0) * clamp01((at - t0) / (t1 - t0));
		if (t1 > t0) {
			t0 = t1;
			f0 = MAX(f1, f0);
		}
	}
	return MAX(f0, facts->birth_mass);
}

static void gather(struct cohorts *cohorts, const float *stayed, const struct facts *facts,
    const struct live *live, double old_age, double each, enum accrual_clock clock)
{
	double flow = births_at(facts, live->now, cohorts->from + cohorts->first * cohorts->width);

	cohorts->births_before = clock == ACCRUAL_BY_TIME ? cohorts->first : flow;
	cohorts->end = cohorts->first;
	for (unsigned i = cohorts->first; i < FACTS_COHORTS; i++) {
		double end = cohorts->from + (i + 1) * cohorts->width;
		double next = births_at(facts, live->now, end);

		if (end > live->now - old_age + cohorts->width / 100)
			break;
		cohorts->born[i] = clock == ACCRUAL_BY_TIME ? 1 : MAX(next - flow, 0);
		cohorts->stayed[i] = clamp((double)stayed[i] / each, 0, 1e18);
		cohorts->end = i + 1;
		flow = next;
	}
}

static double sum_of(const double *v, unsigned from, unsigned to)
{
	double sum = 0;

	for (unsigned i = from; i < to; i++)
		sum += v[i];
	return sum;
}

/* Did the start-up keep more of its births than later times did, by more than chance? */
static bool is_front_loaded(const struct cohorts *cohorts, double stayed_before)
{
	double born = sum_of(cohorts->born, cohorts->first, cohorts->end);
	double stayed = sum_of(cohorts->stayed, cohorts->first, cohorts->end);
	double expected = born > 0 ? stayed * cohorts->births_before / born : 0;

	return stayed_before > expected + FRONT_ERRORS * approx_sqrt(expected + 1);
}

/* A process that begins late begins at its first survivors. */
static void skip_what_was_before(struct cohorts *cohorts)
{
	double stayed = sum_of(cohorts->stayed, cohorts->first, cohorts->end);
	double born = sum_of(cohorts->born, cohorts->first, cohorts->end);
	double seen = 0, skipped = 0;
	unsigned first = cohorts->first;

	while (first < cohorts->end && seen + cohorts->stayed[first] < FIRST_SURVIVORS * stayed) {
		seen += cohorts->stayed[first];
		skipped += cohorts->born[first++];
	}
	if (skipped >= LATE_SHARE * born) {
		cohorts->first = first;
		cohorts->births_before = 0;
	}
}

struct edge {
	double log_u;	  /* natural */
	double u[POWERS]; /* u to each power; of the power 0: its logarithm */
};

static struct edge edge_at(double u)
{
	struct edge edge;
	double root;

	u = clamp(u, 1e-3, 1);
	edge.log_u = LN2 * approx_log2(u);
	root = approx_exp(edge.log_u / 4);
	edge.u[0] = u;
	edge.u[1] = root * root * root;
	edge.u[2] = root * root;
	edge.u[3] = root;
	edge.u[4] = edge.log_u;
	edge.u[5] = u * u;
	return edge;
}

static double dispersion_of(const double *groups, double count)
{
	double squares = 0;

	for (unsigned i = 1; i < GROUPS; i++)
		squares += (groups[i] - groups[i - 1]) * (groups[i] - groups[i - 1]);
	/* Two counts of mean m differ by 2m on average, squared. */
	return count > 0 ? MAX(squares / (2 * (GROUPS - 1) * count / GROUPS), 1) : 1;
}

/* How likely each slowing power is, from 3/4 to the logarithm. */
static const double power_weights[POWERS] = {[1] = 0.2, 0.35, 0.35, 0.35};

static void test_evenness(struct accrual *accrual, const struct cohorts *cohorts)
{
	double log_likelihood[POWERS] = {0}, groups[GROUPS] = {0};
	double count = sum_of(cohorts->stayed, cohorts->first, cohorts->end);
	double born = sum_of(cohorts->born, cohorts->first, cohorts->end);
	double whole = cohorts->births_before + born, at = cohorts->births_before, squares = 0, even,
	       slowing = 0;
	double dispersion;
	struct edge start, last;

	if (!(whole > 0) || !(born > 0) || !(count > 0) || cohorts->end - cohorts->first < LEAST_COHORTS)
		return;
	last = start = edge_at(at / whole);
	for (unsigned i = cohorts->first; i < cohorts->end; i++) {
		struct edge edge = edge_at((at + cohorts->born[i]) / whole);
		double middle = (at - cohorts->births_before + cohorts->born[i] / 2) / born;

		at += cohorts->born[i];
		groups[(unsigned)clamp(middle * GROUPS, 0, GROUPS - 1)] += cohorts->stayed[i];
		for (unsigned power = 0; cohorts->stayed[i] > 0 && edge.u[0] > last.u[0] && power < POWERS;
		     power++) {
			/* 1 and 0 to any power but the logarithm's are themselves. */
			double range = (power == 4 ? 0 : 1) - start.u[power];

			log_likelihood[power] +=
			    cohorts->stayed[i] * LN2 * approx_log2((edge.u[power] - last.u[power]) / range);
		}
		last = edge;
	}
	for (unsigned i = 0; i < GROUPS; i++)
		squares += groups[i] * groups[i];
	dispersion = dispersion_of(groups, count);
	/* All relative to b = 1. */
	for (unsigned power = 1; power < POWERS - 1; power++)
		slowing +=
		    power_weights[power] *
		    approx_exp(clamp((log_likelihood[power] - log_likelihood[0]) / dispersion, -50, 50));
	even = approx_exp(clamp((log_likelihood[POWERS - 1] - log_likelihood[0]) / dispersion - 1, 0, 50));
	accrual->continues = even / (even + cohorts->slowing_odds * slowing);
	/* The effective number of eighths they are in, over that of even ones: E = G n / (n + G - 1). */
	accrual->spread = 1;
	if (cohorts->end - cohorts->first >= GROUPS && squares > 0)
		accrual->spread = clamp01((count / squares * (count + GROUPS - 1) / GROUPS - 0.1) / 0.4);
}

static void look(struct accrual *accrual, struct cohorts *cohorts, double each, enum accrual_clock clock)
{
	double stayed, born, hours;

	*accrual = (struct accrual){.survivors = sum_of(cohorts->stayed, cohorts->first, cohorts->end)};
	skip_what_was_before(cohorts);
	stayed = sum_of(cohorts->stayed, cohorts->first, cohorts->end) * each;
	born = sum_of(cohorts->born, cohorts->first, cohorts->end);
	hours = (cohorts->end - cohorts->first) * cohorts->width / 3600;
	accrual->share = clock == ACCRUAL_BY_TIME ? 1 : born > 0 ? clamp01(stayed / born) : 0;
	accrual->per_hour = hours > 0 ? clamp(stayed / hours, 0, 1e30) : 0;
	test_evenness(accrual, cohorts);
}

void accrual_measure(struct accrual *accrual, const struct facts *facts, const struct live *live,
    double old_age, enum accrual_clock clock)
{
	double all = live->now - live->first_at, older, in_recent;
	double each = live->mass > 0 && live->squares > 0 ? live->squares / live->mass : 1;
	struct cohorts cohorts = {.first = START_UP_COHORTS,
	    .from = live->first_at,
	    .width = all / FACTS_COHORTS,
	    .slowing_odds = SLOWING_ODDS};
	struct cohorts finer = {.from = live->now - all / LIVE_RECENT,
	    .width = all / LIVE_RECENT / FACTS_COHORTS,
	    .slowing_odds = SLOWING_ODDS};

	*accrual = (struct accrual){0};
	if (!(all > 0))
		return;
	old_age = clamp(old_age, 0, all);
	gather(&cohorts, live->born, facts, live, old_age, each, clock);
	older = sum_of(
	    cohorts.stayed, cohorts.first, MIN(cohorts.end, FACTS_COHORTS - FACTS_COHORTS / LIVE_RECENT));
	if (is_front_loaded(&cohorts, (double)live->born[0] / each))
		cohorts.slowing_odds = SLOWING_ODDS_STORE;
	look(accrual, &cohorts, each, clock);
	gather(&finer, live->born_recently, facts, live, old_age, each, clock);
	in_recent = sum_of(finer.stayed, 0, finer.end);
	if (in_recent > 0 && in_recent >= MOSTLY_RECENT * (older + in_recent)) {
		struct accrual recent;

		/* The process begins with this window. */
		finer.births_before = 0;
		look(&recent, &finer, each, clock);
		if (recent.continues * recent.spread > accrual->continues * accrual->spread)
			*accrual = recent;
	}
}
