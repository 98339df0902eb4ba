/*
 * metrics.c -- the figures that are worked out from a snapshot, in one place.
 *
 * Utilization is in use over held, not over the limit: it answers "how much of
 * the memory that Weir keeps does work", and with the limit often at half of
 * RAM the other reading would be near 0 in every healthy process. How near the
 * limit is stands beside it.
 *
 * Pure and async-signal-safe.
 */
#include "report/metrics.h"

#include <string.h>

#include "base/clock.h"

static double share(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : MIN((double)part / (double)whole, 1.0);
}

struct metrics metrics_derive(const struct snapshot *snapshot)
{
	const struct pool_stats *pool = &snapshot->pool;
	struct metrics m = {0};
	uint64_t free_bytes = pool->free_hot_bytes + pool->free_cold_bytes;

	m.total_used_bytes = pool->in_use_bytes;
	m.idle_bytes = pool->idle_bytes + pool->slab_free_bytes + pool->free_hot_bytes;
	m.total_allocated_bytes = m.total_used_bytes + m.idle_bytes;
	m.buffer_count = pool->buffers_in_use + pool->buffers_idle;
	m.pool_utilization = share(m.total_used_bytes, m.total_allocated_bytes);
	m.limit_utilization = share(m.total_allocated_bytes, pool->limit_bytes);
	if (pool->allocations > 0)
		m.reuse_rate = 1 - share(pool->creations, pool->allocations);
	if (m.buffer_count > 0)
		m.average_buffer_size_bytes = (pool->in_use_bytes + pool->idle_bytes) / m.buffer_count;
	m.resident_bytes = m.total_allocated_bytes + pool->metadata_bytes;
	if (free_bytes > 0)
		m.fragmentation = 1 - share(pool->largest_free_bytes, free_bytes);
	return m;
}

static uint64_t age_ns(const struct snapshot *snapshot, uint64_t ticks)
{
	return ticks_to_ns(snapshot->now_ticks - MIN(ticks, snapshot->now_ticks));
}

double metrics_age_seconds(const struct snapshot *snapshot, uint64_t ticks)
{
	return (double)age_ns(snapshot, ticks) / (double)SECOND;
}

uint64_t metrics_unix_ns(const struct snapshot *snapshot, uint64_t ticks)
{
	double scale = snapshot->settings->time_scale > 0 ? snapshot->settings->time_scale : 1;
	double age = (double)age_ns(snapshot, ticks) / scale;
	/* A slow scale (0.001) makes ages long; before 1970 there is nothing. */
	return age < (double)snapshot->taken_at_ns ? snapshot->taken_at_ns - (uint64_t)age : 0;
}

const char *metrics_program_name(const struct snapshot *snapshot)
{
	const char *path = snapshot->program[0] != '\0' ? snapshot->program : snapshot->exe;
	const char *slash = strrchr(path, '/');
	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

bool metrics_is_risk_known(const struct snapshot *snapshot)
{
	return snapshot->track.is_active && snapshot->track.risk.is_known;
}

const struct track_site *metrics_site(const struct snapshot *snapshot, uint64_t id)
{
	const struct track_snapshot *track = &snapshot->track;
	for (unsigned i = 0; i < track->site_count && id != 0; i++) {
		if (track->sites[i].id == id)
			return &track->sites[i];
	}
	return NULL;
}

const char *metrics_trigger_name(enum dump_trigger trigger)
{
	static const char *const names[] = {
	    [TRIGGER_SIGNAL] = "signal",
	    [TRIGGER_EXIT] = "exit",
	    [TRIGGER_COMMAND] = "command",
	    [TRIGGER_API] = "api",
	    [TRIGGER_INTERVAL] = "interval",
	};
	return (unsigned)trigger < ARRAY_LENGTH(names) ? names[trigger] : "unknown";
}
