/*
 * life_table.h -- the censored life table of a site: who reached an age, who died there.
 *
 * What is live is a lifetime that will end after the age it has now: a right-censored one. The
 * actuarial estimate counts it whole in all the buckets that it has passed and half in the one it
 * is in (Cutler and Ederer, J. Chronic Diseases 8, 1958). Masses (facts.h), not objects.
 */
#ifndef WEIR_TRACK_LIFE_TABLE_H
#define WEIR_TRACK_LIFE_TABLE_H

#include "track/facts.h"

struct life_table {
	double reached[FACTS_AGES]; /* masses that reached the bucket's beginning */
	double at_risk[FACTS_AGES]; /* masses that were exposed to dying in the bucket */
	double died[FACTS_AGES];    /* never more than at_risk */
	/* What at_risk is worth in objects of mass 1: (sum m)^2 / sum m^2 (Kish, Survey Sampling,
	 * 1965), with the mean masses of the live and of the dead. */
	double evidence[FACTS_AGES];
};

void life_table_make(struct life_table *table, const struct facts *facts, const struct live *live);

/* The share that survives from the beginning of bucket from to that of bucket to, 0..1
 * (the product of 1 - died / at_risk). */
double life_table_survival(const struct life_table *table, unsigned from, unsigned to);

/* The age by which share (0..1) of the masses in buckets have gone by, evenly spread on a
 * logarithmic scale within a bucket; first: what to answer in bucket 0. Negative: all are 0. */
double life_table_quantile(const double buckets[FACTS_AGES], double share, double first);

#endif
