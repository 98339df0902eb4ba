/*
 * growth.h -- whether a series rises, how fast, and whether more is asked for.
 */
#ifndef WEIR_TRACK_GROWTH_H
#define WEIR_TRACK_GROWTH_H

#include "track/series.h"

/* Mann and Kendall's test for a trend: standard errors by which v rises; 0 for fewer than 6. */
double growth_trend(const double *v, unsigned count);

struct growth {
	double of_count; /* trend of the live count over the later three quarters */
	double of_stay;	 /* the same of the live count divided by the rate of births: the mean
			  * time that objects stay, by Little's law */
};

/* first_at: of the first birth, seconds. least: live objects (weights) under which nothing grows. */
struct growth growth_judge(const struct series *series, double first_at, double least);

/* Least squares over the later half of the points: a second's rise of the bytes (or of the
 * counts). 0 for fewer than 4 points. */
double growth_bytes_per_second(const struct series *series);
double growth_counts_per_second(const struct series *series);

#endif
