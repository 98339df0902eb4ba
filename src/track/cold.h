/*
 * cold.h -- WEIR_COMPRESSION: what a leak holds and nobody looks at goes to swap.
 *
 * For the tick only, one call at a time; never in a signal handler.
 */
#ifndef WEIR_TRACK_COLD_H
#define WEIR_TRACK_COLD_H

#include "base/compiler.h"

/* The table; false where there is no memory for it. Once, and only where it is wanted. */
bool cold_start(void);

/* After the sites were judged at now_ticks: look whether pages came back, then offer others. */
void cold_run(uint32_t now_ticks);

/* Relaxed; async-signal-safe. */
struct cold_counters {
	uint64_t paged_out_bytes; /* that the kernel took out of memory */
	uint64_t refaults;	  /* pages of those that the program wanted again */
	uint64_t sites_left_alone;
	uint64_t table_bytes;
};
void cold_count(struct cold_counters *counters);

#endif
