/*
 * pressure.h -- how scarce memory is: a pure judgement on given facts.
 *
 * Sources form a ladder: PSI stall time, cgroup use against its limit or
 * memory.high, MemAvailable against RAM, and Weir's own share of WEIR_MEMORY_LIMIT;
 * the worst one decides and is named.
 */
#ifndef WEIR_POOL_PRESSURE_H
#define WEIR_POOL_PRESSURE_H

#include "base/meminfo.h"

enum pressure_level { PRESSURE_NONE, PRESSURE_LOW, PRESSURE_MEDIUM, PRESSURE_CRITICAL };

struct pressure {
	enum pressure_level level;
	const char *source; /* "psi", "cgroup", "cgroup_high", "available", "limit", or "none" */
	double
	    value; /* 0..1, last_memory_pressure: whatever the source, 0.70 is low, 0.80 medium, 0.92 critical */
	uint64_t used_bytes;		       /* what was compared ... */
	uint64_t limit_bytes;		       /* ... with what */
	double psi_some_avg10, psi_full_avg10; /* 0..1; 0 where there is no PSI */
	bool has_psi;
};

const char *pressure_level_name(enum pressure_level level); /* none, low, medium, critical */

/*
 * The judgement. memory_limit_bytes is WEIR_MEMORY_LIMIT (0: auto), rss_bytes the
 * process's own. previous gives hysteresis: a level falls only once its value is
 * clearly (0.03) under the threshold.
 */
struct pressure pressure_judge(const struct meminfo *info, uint64_t memory_limit_bytes, uint64_t rss_bytes,
    enum pressure_level previous);

/* The limit in force: WEIR_MEMORY_LIMIT, else the cgroup's or RAM, whichever is less;
 * UINT64_MAX where nothing is known. */
uint64_t pressure_memory_limit(const struct meminfo *info, uint64_t memory_limit_bytes);
/* What of that limit is used, by the measure that belongs to it: resident bytes, the cgroup's use, or
 * what of RAM is not available. */
uint64_t pressure_memory_used(const struct meminfo *info, uint64_t memory_limit_bytes, uint64_t rss_bytes);

#endif
