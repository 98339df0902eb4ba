/*
 * report_openmetrics.c -- a dump as the metrics that WEIR_METRICS_FILE has.
 *
 * The dump is put back into the snapshot that it was written from, as far as
 * metrics go, and the writer of the preloaded object does the rest: so a name and its
 * meaning stand in one place only.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"
#include "report/metrics.h"

static void fill_pool(const struct dump *dump, struct pool_stats *pool)
{
	const struct dump_metrics *m = &dump->metrics;
	const struct dump_heap *h = &dump->heap;
	uint64_t idle = m->total_allocated_bytes - MIN(m->total_used_bytes, m->total_allocated_bytes);
	uint64_t free = h->slab_free_bytes + h->free_hot_bytes;

	pool->is_active = h->is_active;
	pool->range_bytes = h->range_bytes;
	pool->committed_bytes = h->committed_bytes;
	pool->metadata_bytes = h->metadata_bytes;
	pool->buffers_in_use = m->buffers_in_use;
	pool->buffers_idle = m->buffer_count - MIN(m->buffers_in_use, m->buffer_count);
	pool->in_use_bytes = m->total_used_bytes;
	pool->requested_bytes = h->requested_bytes;
	pool->idle_bytes = idle - MIN(free, idle);
	pool->free_runs_hot = h->free_runs_hot;
	pool->free_hot_bytes = h->free_hot_bytes;
	pool->free_runs_cold = h->free_runs_cold;
	pool->free_cold_bytes = h->free_cold_bytes;
	pool->largest_free_bytes = h->largest_free_bytes;
	pool->slab_free_bytes = h->slab_free_bytes;
	pool->limit_bytes = h->limit_bytes;
	pool->limit_buffers = h->limit_buffers;
	pool->allocations = m->allocations;
	pool->creations = h->buffers_created;
	pool->temporary_buffers = m->temporary_buffers;
	pool->purged_bytes = m->purged_bytes;
	pool->request_purges = h->request_purges;
	pool->slow_request_purges = h->slow_request_purges;
	pool->longest_request_purge_ns = (uint64_t)(h->longest_request_purge_seconds * (double)SECOND + 0.5);
	pool->purges_refused = h->purges_refused;
	pool->gc_count = m->gc_count;
	pool->errors = m->errors;
	pool->lock_acquisitions = h->lock_acquisitions;
	pool->lock_contentions = h->lock_contentions;
	pool->class_count = (unsigned)MIN(dump->class_count, (size_t)POOL_CLASSES_MAX);
	for (unsigned i = 0; i < pool->class_count; i++)
		pool->classes[i] = (struct pool_class_stats){dump->classes[i].size_bytes,
		    dump->classes[i].in_use, dump->classes[i].idle, dump->classes[i].allocations};
}

static void fill_pressure(const struct dump *dump, struct pressure *pressure)
{
	const struct dump_pressure *p = &dump->pressure;

	for (enum pressure_level level = PRESSURE_NONE; level <= PRESSURE_CRITICAL; level++)
		if (strcmp(p->level, pressure_level_name(level)) == 0)
			pressure->level = level;
	pressure->source = strcmp(p->source, "none") != 0 ? p->source : NULL;
	pressure->value = p->value;
	pressure->used_bytes = p->used_bytes;
	pressure->limit_bytes = p->limit_bytes;
	pressure->has_psi = p->psi_some_avg10 >= 0 && p->psi_full_avg10 >= 0;
	if (pressure->has_psi) {
		pressure->psi_some_avg10 = p->psi_some_avg10;
		pressure->psi_full_avg10 = p->psi_full_avg10;
	}
}

/* As the snapshot has what is not known. */
static double or_negative(double value)
{
	return isfinite(value) ? value : -1;
}

static void fill_track(const struct dump *dump, struct track_snapshot *track)
{
	const struct dump_risk *risk = &dump->risk;
	const struct dump_tracking *t = &dump->tracking;

	track->is_active = t->is_there && t->is_active && risk->is_there;
	if (!track->is_active)
		return;
	track->risk = (struct track_risk){
	    .is_known = isfinite(dump->metrics.memory_leak_risk),
	    .score = risk->score,
	    .confidence = risk->confidence,
	    .level = (unsigned)risk->level - LEVEL_LOW,
	    .level_name = dump_level_name(risk->level),
	    .reason = risk->reason,
	    .time_to_limit_seconds = or_negative(risk->time_to_limit_seconds),
	    .growth_bytes_per_hour = risk->growth_bytes_per_hour,
	    .guilty_site = strtoull(risk->site, NULL, 0),
	    .is_fragmenting = risk->is_fragmenting,
	};
	track->counters = (struct track_counters){
	    .table_bytes = t->table_bytes,
	    .table_bytes_used = t->table_bytes_used,
	    .samples_live = t->samples_live,
	    .samples_max = t->samples_max,
	    .samples_dropped = t->samples_dropped,
	    .stacks_captured = t->stacks_captured,
	    .stacks_dropped = t->stacks_dropped,
	    .stacks_truncated = t->stacks_truncated,
	    .tables_read = t->tables_read,
	    .sites_used = t->sites_used,
	    .sites_max = t->sites_max,
	    .sites_left_out = t->sites_left_out,
	    .sites_evicted = t->sites_evicted,
	    .modules_left_out = t->modules_left_out,
	    .samples_thinned = t->samples_thinned,
	    .deaths_lost = t->deaths_lost,
	    .ticks = t->ticks,
	    .last_tick_ns = (uint64_t)(fmin(t->last_tick_seconds, 1e9) * (double)SECOND),
	    .longest_tick_ns = (uint64_t)(fmin(t->longest_tick_seconds, 1e9) * (double)SECOND),
	    .paged_out_bytes = t->paged_out_bytes,
	    .refaults = t->refaults,
	};
	track->site_count = (unsigned)MIN(dump->site_count, (size_t)TRACK_LISTED_MAX);
	for (unsigned i = 0; i < track->site_count; i++) {
		const struct dump_site *site = &dump->sites[i];

		track->sites[i] = (struct track_site){
		    .id = strtoull(site->id, NULL, 0),
		    .risk = site->risk,
		    .confidence = site->confidence,
		    .level = (unsigned)site->level - LEVEL_LOW,
		    .level_name = dump_level_name(site->level),
		    .reason = site->reason,
		    .live_objects = site->live_objects,
		    .live_bytes = site->live_bytes,
		    .growth_bytes_per_hour = site->growth_bytes_per_hour,
		    .time_to_limit_seconds = or_negative(site->time_to_limit_seconds),
		};
	}
	track->sites_not_listed = dump->sites_not_listed;
}

void report_openmetrics(const struct report *report)
{
	static struct snapshot snapshot; /* large */
	static struct settings settings;
	const struct dump *dump = report->dump;
	const struct dump_fallback *f = &dump->fallback;
	const struct dump_process *p = &dump->process;
	static char text[1 << 20]; /* a hundred times what all classes and metrics take */
	struct out out;

	memset(&snapshot, 0, sizeof snapshot);
	settings_default(&settings);
	snapshot.settings = &settings;
	snapshot.pid = (uint32_t)MIN(dump->pid, UINT32_MAX);
	snprintf(snapshot.program, sizeof snapshot.program, "%s", dump->program);
	snprintf(snapshot.exe, sizeof snapshot.exe, "%s", dump->exe);
	snapshot.started_at_ns = dump_unix_ns(dump->started_at);
	snapshot.taken_at_ns = dump_unix_ns(dump->taken_at);
	snapshot.uptime_ns = (uint64_t)(MIN(dump->uptime_seconds, 1e9) * (double)SECOND);
	fill_pool(dump, &snapshot.pool);
	fill_pressure(dump, &snapshot.pressure);
	fill_track(dump, &snapshot.track);
	if (f->is_there)
		snapshot.fallback = (struct fallback_stats){
		    true, f->allocated, f->active, f->resident, f->retained, f->metadata};
	snapshot.process = (struct process_info){p->rss_bytes, p->minor_faults, p->major_faults, p->threads};
	out_init(&out, -1, text, sizeof text);
	write_openmetrics(&out, &snapshot);
	fwrite(text, 1, out.used, report->to);
}
