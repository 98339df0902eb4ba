/*
 * octaves.c -- the bounds of the groups that lifetimes are kept in, and what lies below a share of them.
 *
 * Called by whoever prints struct track_lifetimes, in the process and outside of it. Pure: no state, no
 * lock, nothing is allocated; async-signal-safe.
 */
#include "base/clock.h"
#include "track/track.h"

double track_age_below(unsigned bucket)
{
	return bucket + 1 < TRACK_AGE_BUCKETS ? (double)((uint64_t)1 << bucket) / TICKS_PER_SECOND
					      : __builtin_inf();
}

uint64_t track_size_up_to(unsigned group)
{
	return group + 1 < TRACK_SIZE_GROUPS ? (uint64_t)16 << group : UINT64_MAX;
}

double track_age_quantile(const double weights[TRACK_AGE_BUCKETS], double share)
{
	double sum = 0, below = 0;

	for (unsigned i = 0; i < TRACK_AGE_BUCKETS; i++)
		sum += weights[i];
	if (!(sum > 0))
		return -1;
	for (unsigned i = 0; i < TRACK_AGE_BUCKETS; i++) {
		below += weights[i];
		if (below >= share * sum)
			return track_age_below(MIN(i, TRACK_AGE_BUCKETS - 2u));
	}
	return track_age_below(TRACK_AGE_BUCKETS - 2);
}
