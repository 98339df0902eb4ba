/*
 * growth.c -- trends of a series.
 *
 * Called by risk.c for sites and by risk_process.c. Pure; at most 276 comparisons.
 *
 * Little's law (L = rate times time, Operations Research 9, 1961): when more is live because more
 * is asked for, live objects over the rate of births, the time that they stay, does not
 * rise. So a ramp of load takes itself out; a leak and a queue that backs up do not.
 */
#include "track/growth.h"

#include "track/approx.h"

#define LEAST_POINTS 6
/* A trend counts for no more than this where the rise is no tenth. */
#define SMALL_RISE 1.1
#define SMALL_TREND 1.0

double growth_trend(const double *v, unsigned count)
{
	double sum = 0, n = count;

	if (count < LEAST_POINTS)
		return 0;
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = i + 1; j < count; j++)
			sum += (v[j] > v[i]) - (v[j] < v[i]);
	return sum / approx_sqrt(n * (n - 1) * (2 * n + 5) / 18);
}

/* Births a second around point i: over the two periods before it, so that few births do not make noise. */
static double birth_rate(const struct series *series, unsigned i, double first_at)
{
	double t0 = i >= 2 ? (double)series->points[i - 2].at : first_at;
	double f0 = i >= 2 ? (double)series->points[i - 2].flow : 0;
	double span = (double)series->points[i].at - t0, births = (double)series->points[i].flow - f0;

	return span > 0 && births > 0 ? births / span : 0;
}

struct growth growth_judge(const struct series *series, double first_at, double least)
{
	double counts[SERIES_POINTS], stays[SERIES_POINTS], early = 0, late = 0;
	unsigned used = MIN(series->used, (unsigned)SERIES_POINTS), n = 0, quarter = used / 4;
	struct growth growth;

	for (unsigned i = quarter; i < used; i++) {
		double rate = birth_rate(series, i, first_at);

		counts[n] = clamp((double)series->points[i].count, 0, 1e30);
		/* Without a birth, what is there stays: as long as it did, and longer. */
		stays[n] = rate > 0 ? counts[n] / rate : n > 0 ? stays[n - 1] : 0;
		n++;
	}
	growth = (struct growth){.of_count = growth_trend(counts, n), .of_stay = growth_trend(stays, n)};
	for (unsigned i = 0; i < quarter; i++) {
		early += counts[i];
		late += counts[n - 1 - i];
	}
	if (late < SMALL_RISE * early || late < least * quarter || quarter == 0) {
		growth.of_count = MIN(growth.of_count, SMALL_TREND);
		growth.of_stay = MIN(growth.of_stay, SMALL_TREND);
	}
	return growth;
}

static double slope(const struct series *series, bool of_bytes)
{
	unsigned used = MIN(series->used, (unsigned)SERIES_POINTS), from = used / 2;
	double n = used - from, mean_t = 0, mean_v = 0, product = 0, squares = 0;

	if (used < 4)
		return 0;
	for (unsigned i = from; i < used; i++) {
		const struct series_point *point = &series->points[i];

		mean_t += (double)point->at / n;
		mean_v += clamp((double)(of_bytes ? point->bytes : point->count), 0, 1e30) / n;
	}
	for (unsigned i = from; i < used; i++) {
		const struct series_point *point = &series->points[i];
		double t = (double)point->at - mean_t;

		product += t * (clamp((double)(of_bytes ? point->bytes : point->count), 0, 1e30) - mean_v);
		squares += t * t;
	}
	return squares > 0 ? clamp(product / squares, -1e30, 1e30) : 0;
}

double growth_bytes_per_second(const struct series *series)
{
	return slope(series, true);
}

double growth_counts_per_second(const struct series *series)
{
	return slope(series, false);
}
