/*
 * collect.h -- parts of what track_collect() fills. Async-signal-safe; once tracking is awake, but collect_risk() always.
 */
#ifndef WEIR_TRACK_COLLECT_H
#define WEIR_TRACK_COLLECT_H

#include "track/track.h"

/* A double that somebody may write meanwhile: whole. */
UNLOCKED_READER INLINE double collect_load(const double *value)
{
	double copy;

	__atomic_load(value, &copy, __ATOMIC_RELAXED);
	return copy;
}

/* Those that are listed, ranked in the snapshot's scratch, and the sums of the others. */
void collect_sites(struct track_snapshot *snapshot);
void collect_risk(struct track_risk *risk);
/* Up to TRACK_MODULES_MAX; how many. */
unsigned collect_mappings(struct track_mapping *mappings);

#endif
