/*
 * accrual.h -- does what stays keep coming, or did it come once.
 */
#ifndef WEIR_TRACK_ACCRUAL_H
#define WEIR_TRACK_ACCRUAL_H

#include "track/facts.h"

struct accrual {
	double survivors; /* effective objects of the tail, without those of the start */
	double share;	  /* of what was born then, what has stayed, 0..1 */
	double per_hour;  /* masses that stay, an hour */
	double continues; /* 0..1: the posterior that they come as evenly as births do */
	double spread;	  /* 0..1: over how much of the time they are spread; 0: in one burst */
};

enum accrual_clock {
	ACCRUAL_BY_BIRTHS, /* time is counted in births of the site: load does not matter */
	ACCRUAL_BY_TIME,   /* for a site where all that is born stays */
};

/* old_age: seconds; what is younger does not count. */
void accrual_measure(struct accrual *accrual, const struct facts *facts, const struct live *live,
    double old_age, enum accrual_clock clock);

#endif
