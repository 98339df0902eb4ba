/*
 * metrics.h -- the figures that are worked out from a snapshot, in one place.
 *
 * Every writer and the advice take them from here, so a text dump, a JSON dump
 * and a recommendation never differ. Pure; no share is ever outside 0..1, also where the
 * counts behind it were read at different moments of a busy pool.
 */
#ifndef WEIR_REPORT_METRICS_H
#define WEIR_REPORT_METRICS_H

#include "report/snapshot.h"

struct metrics {
	uint64_t
	    total_allocated_bytes; /* memory that the pool holds: in use, in magazines, free but resident */
	uint64_t total_used_bytes; /* capacity of the buffers in use */
	uint64_t idle_bytes;	   /* the difference of these two */
	uint64_t buffer_count;	   /* in use and in magazines */
	double
	    pool_utilization; /* used of allocated: what of the held memory does work; 0 where none is held */
	double limit_utilization; /* allocated of the limit; 0 where there is no limit */
	double reuse_rate;	  /* of all requests, those served without going to the heap of runs */
	uint64_t average_buffer_size_bytes; /* capacity, over buffers in use and in magazines */
	uint64_t
	    resident_bytes;   /* upper bound: allocated and metadata, as if every page in use were touched */
	double fragmentation; /* of the free bytes, those outside the largest free run */
};

/* Whether there is a judgement: tracking is on and has had a tick. */
bool metrics_is_risk_known(const struct snapshot *snapshot);

/* The site of that id among those that are listed; NULL: none. */
const struct track_site *metrics_site(const struct snapshot *snapshot, uint64_t id);

struct metrics metrics_derive(const struct snapshot *snapshot);

/* How many are in use, but not in the snapshot's list. */
INLINE uint64_t metrics_buffers_left_out(const struct snapshot *snapshot)
{
	uint64_t in_use = snapshot->pool.buffers_in_use;

	return in_use - MIN(in_use, snapshot->buffer_count);
}

/* Seconds between a tick of the snapshot's pool and its taking; scaled as every age is. */
double metrics_age_seconds(const struct snapshot *snapshot, uint64_t ticks);

/* Since when the program holds the buffer, or since when it is idle: the last time that it changed hands. */
INLINE double metrics_buffer_age_seconds(
    const struct snapshot *snapshot, const struct pool_buffer_info *buffer)
{
	return metrics_age_seconds(snapshot, buffer->last_used_ticks);
}

/* The Unix time of a tick: scaling is taken out again. */
uint64_t metrics_unix_ns(const struct snapshot *snapshot, uint64_t ticks);

/* Without folders; of a program that is a link to another, the name it was started by. */
const char *metrics_program_name(const struct snapshot *snapshot);
const char *metrics_trigger_name(enum dump_trigger trigger);

#endif
