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
	pool->apart = (struct apart_stats){120, 9000, 2, 10 * MIB, 12288, 4096, 1};
	pool->limit_bytes = 8 * GIB;
	pool->allocations = 1000000;
	pool->creations = 20000;
	pool->purged_bytes = 300 * MIB;
	pool->gc_count = 42;
	pool->request_purges = 1031;
	pool->slow_request_purges = 2;
	pool->longest_request_purge_ns = 61499;
	pool->lock_acquisitions = 40123;
	pool->lock_contentions = 17;
	pool->arenas_in_use = 4;
	pool->cpus = 8;
	pool->is_rseq = true;
	pool->class_count = 3;
	pool->classes[0] = (struct pool_class_stats){4096, 40, 8, 600000};
	pool->classes[1] = (struct pool_class_stats){65536, 0, 0, 0};
	pool->classes[2] = (struct pool_class_stats){1 * MIB, 60, 12, 400000};

	facts.buffers[0] =
	    (struct pool_buffer_info){17, 0x7f0000001000, 1000000, 1 * MIB, 64, 128, 3, 5, true};
	facts.buffers[1] =
	    (struct pool_buffer_info){99, 0x7f0000200000, 4097, 8192, 6400, facts.now_ticks - 32, 1, 0, true};
	facts.buffer_count = 2;

	facts.buffer_sites[0] = 0xf229a5bc9398fa1b;

	struct track_snapshot *track = &facts.track;
	track->is_active = true;
	track->risk = (struct track_risk){
	    .is_known = true,
	    .score = 0.05,
	    .confidence = 0.5,
	    .level_name = "LOW",
	    .reason = "NONE",
	    .time_to_limit_seconds = -1,
	    .guilty_site = 0xf229a5bc9398fa1b,
	};
	track->lifetimes.freed[3] = 900;
	track->lifetimes.freed_by_size[8][3] = 900;
	track->lifetimes.live[12] = 100;
	track->counters = (struct track_counters){
	    .table_bytes = 14 * MIB,
	    .table_bytes_used = 1 * MIB,
	    .samples_live = 102,
	    .samples_max = 131071,
	    .stacks_captured = 1002,
	    .sites_used = 2,
	    .sites_max = 4096,
	    .ticks = 372,
	    .last_tick_ns = 150000,
	    .longest_tick_ns = 400000,
	};
	track->site_count = 2;
	track->sites[0] = (struct track_site){
	    .id = 0xf229a5bc9398fa1b,
	    .risk = 0.05,
	    .confidence = 0.5,
	    .level_name = "LOW",
	    .reason = "NONE",
	    .why = "99% of the freed lived for less than 2.5 s",
	    .live_objects = 100,
	    .live_bytes = 60 * MIB,
	    .births = 1000,
	    .birth_bytes = 600.0 * (double)MIB,
	    .deaths = 900,
	    .lifetime_p50_seconds = 0.05,
	    .lifetime_p99_seconds = 2.5,
	    .age_p50_seconds = 60,
	    .time_to_limit_seconds = -1,
	    .frame_count = 2,
	    .frames = {{0x7f1000001233, 0x1233, "/usr/lib/libavutil.so.57", "00ff"},
		{0x7f2000000000, 0x7f2000000000, NULL, ""}},
	};
	track->sites[1] = (struct track_site){
	    .id = 2,
	    .level_name = "LOW",
	    .reason = "INSUFFICIENT_DATA",
	    .live_objects = 1,
	    .live_bytes = 5000,
	    .births = 1,
	    .birth_bytes = 5000,
	    .lifetime_p50_seconds = -1,
	    .lifetime_p99_seconds = -1,
	    .age_p50_seconds = 3600,
	    .time_to_limit_seconds = -1,
	};
	track->mapping_count = 1;
	track->mappings[0] = (struct track_mapping){0x7f1000001000, 0x7f1000002000, 0x1000, 0x7f1000000000,
	    "/usr/lib/libavutil.so.57", "00ff", false};

	facts.pressure =
	    (struct pressure){PRESSURE_NONE, "available", 0.31, 6 * GIB, 24 * GIB, 0.001, 0, true};
	facts.fallback = (struct fallback_stats){true, 40 * MIB, 44 * MIB, 50 * MIB, 8 * MIB, 3 * MIB};
	facts.process = (struct process_info){150 * MIB, 50123, 2, 9};
}

#endif
