/*
 * flat_tail.h -- from which age on do a site's objects die no more, and how sure is that.
 */
#ifndef WEIR_TRACK_FLAT_TAIL_H
#define WEIR_TRACK_FLAT_TAIL_H

#include "track/life_table.h"

struct flat_tail {
	unsigned from, to;   /* buckets [from, to): the flat part that is seen; both 0: none */
	double to_age;	     /* seconds: how far it is seen */
	double exposure;     /* effective object-seconds at ages from ->from on */
	double died;	     /* effective objects that died there */
	double log_evidence; /* ln of the likelihood ratio flat : dying on, see the .c */
	double stays_factor; /* Bayes factor never released : released some day */
};

/* now: seconds since the site's first birth; nothing can be older. */
void flat_tail_find(struct flat_tail *tail, const struct life_table *table, double now);

/*
 * Bayes factor of "never released" over "released at a time of its own", after died objects
 * died in exposure object-seconds and nothing older than to_age was seen.
 */
double flat_tail_stays_factor(double exposure, double died, double to_age);

/* The share of a log-uniform time of release, a minute to two weeks, that is beyond age. */
double flat_tail_beyond(double age);

#endif
