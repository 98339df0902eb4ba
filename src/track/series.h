/*
 * series.h -- how something went since its start, in 24 points: whatever the uptime.
 *
 * Points are a period apart. When the last place is taken, every second point goes and
 * the period doubles, so between 12 and 24 points, evenly apart, always cover all the time.
 *
 * Nothing here locks: see facts.h for who may call what.
 */
#ifndef WEIR_TRACK_SERIES_H
#define WEIR_TRACK_SERIES_H

#include "base/compiler.h"

#define SERIES_POINTS 24
/* Of the first points, seconds: a monitor interval or longer. */
#define SERIES_FIRST_PERIOD 10.0f

/* Floats: 24 bits tell 6e-8 of a figure apart, and points are compared at percents. */
struct series_point {
	float at;    /* seconds of uptime */
	float count; /* what is live; of a process: its resident bytes */
	float bytes; /* live bytes */
	float flow;  /* births so far */
};

struct series {
	float period; /* seconds; 0: no point yet */
	uint32_t used;
	struct series_point points[SERIES_POINTS]; /* by time */
};

/* Take the point, unless the last one is less than a period ago. A point that is not
 * later than the last one (the clock stood, or went back) is left out. */
void series_add(struct series *series, struct series_point point);

#endif
