/*
 * tick.h -- the monitor tick of tracking, and what it says until the next one.
 *
 * For track.c only.
 */
#ifndef WEIR_TRACK_TICK_H
#define WEIR_TRACK_TICK_H

#include "track/sites.h"
#include "track/track.h"

/* The tables of the tick; false where there is no memory for them. Once. */
bool tick_start(void);

/* One at a time; see track_tick(). */
void tick_run(const struct track_facts *facts);

/* As of the last tick. Async-signal-safe: each word whole. */
struct tick_result {
	struct risk_process process;
	struct risk_hold hold;
	double now; /* seconds of uptime; 0: there was no tick */
	double memory_limit_bytes, memory_used_bytes;
	double live_ages[TRACK_AGE_BUCKETS]; /* weights */
	uint64_t ticks, last_ns, longest_ns;
};
const struct tick_result *tick_result(void);
size_t tick_table_bytes(void);

/* The bucket of an age, see struct track_lifetimes. */
unsigned tick_age_bucket(uint32_t age_ticks);

#endif
