/*
 * facts.h -- a snapshot of a healthy streaming program, which tests then change.
 */
#ifndef WEIR_TESTS_FACTS_H
#define WEIR_TESTS_FACTS_H

#include <string.h>

#include "base/clock.h"
#include "report/snapshot.h"

static struct settings facts_settings;
static struct snapshot facts;

static inline void facts_reset(void)
{
	settings_default(&facts_settings);
	memset(&facts, 0, sizeof(facts));
	facts.settings = &facts_settings;
	facts.pid = 4711;
	strcpy(facts.exe, "/usr/bin/ffmpeg");
	strcpy(facts.boot_id, "0b2f7c1e-0000-4000-8000-0123456789ab");
	facts.started_at_ns = 1767225600 * SECOND; /* 2026-01-01T00:00:00Z */
	facts.taken_at_ns = facts.started_at_ns + 3725 * SECOND + 125 * MILLISECOND;
	facts.uptime_ns = 3725 * SECOND + 125 * MILLISECOND;
	facts.now_ticks = ns_to_ticks(facts.uptime_ns);
	facts.sequence = 3;
	facts.trigger = TRIGGER_SIGNAL;
	facts.background = "thread";

	struct pool_stats *pool = &facts.pool;
	pool->is_active = true;
	pool->range_bytes = 64 * GIB;
	pool->committed_bytes = 128 * MIB;
	pool->metadata_bytes = 1 * MIB;
	pool->buffers_in_use = 100;
	pool->buffers_idle = 20;
	pool->in_use_bytes = 60 * MIB;
	pool->requested_bytes = 55 * MIB;
	pool->idle_bytes = 12 * MIB;
	pool->free_runs_hot = 7;
	pool->free_hot_bytes = 27 * MIB;
	pool->free_runs_cold = 2;
	pool->free_cold_bytes = 29 * MIB;
	pool->largest_free_bytes = 14 * MIB;
	pool->slab_free_bytes = 1 * MIB;
	pool->limit_bytes = 8 * GIB;
	pool->allocations = 1000000;
	pool->creations = 20000;
	pool->purged_bytes = 300 * MIB;
	pool->gc_count = 42;
	pool->lock_acquisitions = 40123;
	pool->lock_contentions = 17;
	pool->arenas_in_use = 4;
	pool->cpus = 8;
	pool->is_rseq = true;
	pool->class_count = 3;
	pool->classes[0] = (struct pool_class_stats){4096, 40, 8, 600000};
	pool->classes[1] = (struct pool_class_stats){65536, 0, 0, 0};
	pool->classes[2] = (struct pool_class_stats){1 * MIB, 60, 12, 400000};

	facts.buffers[0] = (struct pool_buffer_info){17, 0x7f0000001000, 1000000, 1 * MIB, 64, 128, 3, 0, true};
	facts.buffers[1] =
	    (struct pool_buffer_info){99, 0x7f0000200000, 4097, 8192, 6400, facts.now_ticks - 32, 1, 0, true};
	facts.buffer_count = 2;

	facts.pressure =
	    (struct pressure){PRESSURE_NONE, "available", 0.31, 6 * GIB, 24 * GIB, 0.001, 0, true};
	facts.fallback = (struct fallback_stats){true, 40 * MIB, 44 * MIB, 50 * MIB, 8 * MIB, 3 * MIB};
	facts.process = (struct process_info){150 * MIB, 50123, 2, 9};
}

#endif
