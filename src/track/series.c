/*
 * series.c -- 24 points that cover all the time since the start.
 *
 * Called by facts_point() for each site and by the tick for the process, under the caller's
 * lock. The points are in the order of time, each at least a period after the one before.
 * Pure; does not allocate, lock or block.
 */
#include "track/series.h"

static void halve(struct series *series)
{
	/* The last point stays: the odd ones do. */
	for (uint32_t i = 0; i < SERIES_POINTS / 2; i++)
		series->points[i] = series->points[2 * i + 1];
	series->used = SERIES_POINTS / 2;
	series->period *= 2;
}

void series_add(struct series *series, struct series_point point)
{
	if (!(point.at >= 0) || !(point.at < 1e30f))
		return;
	if (series->used > SERIES_POINTS) /* not ours: a torn copy */
		series->used = 0;
	if (series->period < SERIES_FIRST_PERIOD)
		series->period = SERIES_FIRST_PERIOD;
	if (series->used == SERIES_POINTS)
		halve(series);
	/* Ticks jitter: a hundredth early is in time. */
	if (series->used != 0 && !(point.at >= series->points[series->used - 1].at + series->period * 0.99f))
		return;
	series->points[series->used++] = point;
}
