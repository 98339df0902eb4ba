/*
 * write_json.c -- a snapshot as JSON: schema "weir-dump", version 1.
 *
 * The names are an interface and are described in weir-dump(5). Whatever the
 * facts are, the text is one valid JSON value: strings are escaped and made
 * UTF-8, numbers are finite, and what is not known is absent rather than
 * invented. Runs in the dump's signal handler: no allocation, no stdio.
 *
 * Invariant: need_comma tells whether the object or list being written has a
 * member already, so no member knows its neighbours.
 */
#include "report/metrics.h"

struct json {
	struct out *out;
	unsigned depth;
	bool need_comma;
	bool is_inline; /* within a list's entry: one line each */
};

static void new_member(struct json *json)
{
	if (json->need_comma)
		out_char(json->out, ',');
	if (json->is_inline) {
		if (json->need_comma)
			out_char(json->out, ' ');
	} else {
		out_char(json->out, '\n');
		for (unsigned i = 0; i < json->depth; i++)
			out_str(json->out, "  ");
	}
	json->need_comma = true;
}

/* name is NULL in a list; it is one of ours, with nothing to escape. */
static void begin(struct json *json, const char *name)
{
	new_member(json);
	if (name == NULL)
		return;
	out_char(json->out, '"');
	out_str(json->out, name);
	out_str(json->out, "\": ");
}

static void open_with(struct json *json, const char *name, char bracket)
{
	begin(json, name);
	out_char(json->out, bracket);
	json->depth++;
	json->need_comma = false;
}

static void close_with(struct json *json, char bracket)
{
	json->depth--;
	if (json->need_comma && !json->is_inline) {
		out_char(json->out, '\n');
		for (unsigned i = 0; i < json->depth; i++)
			out_str(json->out, "  ");
	}
	out_char(json->out, bracket);
	json->need_comma = true;
}

/* An entry of a list, on one line. */
static void open_entry(struct json *json)
{
	open_with(json, NULL, '{');
	json->is_inline = true;
}

static void close_entry(struct json *json)
{
	close_with(json, '}');
	json->is_inline = false;
}

static void put_string(struct json *json, const char *name, const char *value)
{
	begin(json, name);
	out_json_string(json->out, value);
}

static void put_u64(struct json *json, const char *name, uint64_t value)
{
	begin(json, name);
	out_u64(json->out, value);
}

static void put_bool(struct json *json, const char *name, bool value)
{
	begin(json, name);
	out_str(json->out, value ? "true" : "false");
}

static void put_decimal(struct json *json, const char *name, double value, unsigned decimals)
{
	begin(json, name);
	out_decimal(json->out, value, decimals);
}

static void put_share(struct json *json, const char *name, double value)
{
	put_decimal(json, name, value, 4);
}

static void put_time(struct json *json, const char *name, uint64_t unix_ns)
{
	begin(json, name);
	out_char(json->out, '"');
	out_time_rfc3339(json->out, unix_ns);
	out_char(json->out, '"');
}

/* A site's id is 64 bits, more than a double of the reader's keeps: text. */
static void put_id(struct json *json, const char *name, uint64_t id)
{
	begin(json, name);
	out_char(json->out, '"');
	out_hex(json->out, id);
	out_char(json->out, '"');
}

/* Negative: not known, and then absent. */
static void put_seconds(struct json *json, const char *name, double seconds)
{
	if (seconds >= 0)
		put_decimal(json, name, seconds, 3);
}

static OWN_FRAME void put_config(struct json *json, const struct settings *settings)
{
	open_with(json, "config", '{');
	for (unsigned i = 0; i < option_count(); i++) {
		const struct option_info *option = option_at(i);
		const char *text = option_text(option, settings);
		if (text != NULL) {
			put_string(json, option->name, text);
			continue;
		}
		begin(json, option->name);
		out_char(json->out, '"');
		option_write_value(json->out, option, settings);
		out_char(json->out, '"');
	}
	close_with(json, '}');
}

static OWN_FRAME void put_metrics(struct json *json, const struct snapshot *s)
{
	const struct metrics m = metrics_derive(s);
	open_with(json, "metrics", '{');
	put_u64(json, "total_allocated_bytes", m.total_allocated_bytes);
	put_u64(json, "total_used_bytes", m.total_used_bytes);
	put_u64(json, "buffer_count", m.buffer_count);
	put_u64(json, "buffers_in_use", s->pool.buffers_in_use);
	put_share(json, "pool_utilization", m.pool_utilization);
	put_u64(json, "gc_count", s->pool.gc_count);
	if (metrics_is_risk_known(s))
		put_share(json, "memory_leak_risk", s->track.risk.score);
	put_u64(json, "average_buffer_size_bytes", m.average_buffer_size_bytes);
	put_share(json, "last_memory_pressure", s->pressure.value);
	put_u64(json, "allocations", s->pool.allocations);
	put_share(json, "reuse_rate", m.reuse_rate);
	put_u64(json, "temporary_buffers", s->pool.temporary_buffers);
	put_u64(json, "purged_bytes", s->pool.purged_bytes);
	put_u64(json, "resident_bytes", m.resident_bytes);
	put_u64(json, "errors", s->pool.errors);
	close_with(json, '}');
}

static OWN_FRAME void put_buffers(struct json *json, const struct snapshot *s)
{
	open_with(json, "buffers", '[');
	for (unsigned i = 0; i < s->buffer_count; i++) {
		const struct pool_buffer_info *b = &s->buffers[i];
		open_entry(json);
		put_u64(json, "id", b->id);
		put_u64(json, "size_bytes", b->size_bytes);
		put_u64(json, "capacity_bytes", b->capacity_bytes);
		put_decimal(json, "age_seconds", metrics_buffer_age_seconds(s, b), 3);
		put_time(json, "created_at", metrics_unix_ns(s, b->created_ticks));
		put_time(json, "last_used_at", metrics_unix_ns(s, b->last_used_ticks));
		put_bool(json, "in_use", b->is_in_use);
		put_u64(json, "use_count", b->use_count);
		if (s->buffer_sites[i] != 0)
			put_id(json, "site", s->buffer_sites[i]);
		close_entry(json);
	}
	close_with(json, ']');
	put_u64(json, "buffers_left_out", metrics_buffers_left_out(s));
}

/* Those that were ever asked for. */
static OWN_FRAME void put_classes(struct json *json, const struct pool_stats *pool)
{
	open_with(json, "classes", '[');
	for (unsigned i = 0; i < pool->class_count; i++) {
		const struct pool_class_stats *c = &pool->classes[i];
		if (c->in_use == 0 && c->idle == 0 && c->allocations == 0)
			continue;
		open_entry(json);
		put_u64(json, "size_bytes", c->size_bytes);
		put_u64(json, "in_use", c->in_use);
		put_u64(json, "idle", c->idle);
		put_u64(json, "allocations", c->allocations);
		close_entry(json);
	}
	close_with(json, ']');
}

static OWN_FRAME void put_heap(struct json *json, const struct snapshot *s)
{
	const struct pool_stats *pool = &s->pool;
	const struct metrics m = metrics_derive(s);
	open_with(json, "heap", '{');
	put_bool(json, "is_active", pool->is_active);
	put_u64(json, "range_bytes", pool->range_bytes);
	put_u64(json, "committed_bytes", pool->committed_bytes);
	put_u64(json, "metadata_bytes", pool->metadata_bytes);
	put_u64(json, "requested_bytes", pool->requested_bytes);
	put_u64(json, "buffers_created", pool->creations);
	put_u64(json, "free_runs_hot", pool->free_runs_hot);
	put_u64(json, "free_hot_bytes", pool->free_hot_bytes);
	put_u64(json, "free_runs_cold", pool->free_runs_cold);
	put_u64(json, "free_cold_bytes", pool->free_cold_bytes);
	put_u64(json, "largest_free_bytes", pool->largest_free_bytes);
	put_u64(json, "slab_free_bytes", pool->slab_free_bytes);
	put_share(json, "fragmentation", m.fragmentation);
	open_with(json, "apart", '{');
	put_u64(json, "small_objects", pool->apart.small_objects);
	put_u64(json, "small_bytes", pool->apart.small_bytes);
	put_u64(json, "slab_bytes", pool->apart.slab_bytes);
	put_u64(json, "large_objects", pool->apart.large_objects);
	put_u64(json, "large_bytes", pool->apart.large_bytes);
	put_u64(json, "refused", pool->apart.refused);
	close_with(json, '}');
	put_u64(json, "limit_bytes", pool->limit_bytes);
	if (pool->limit_buffers != 0)
		put_u64(json, "limit_buffers", pool->limit_buffers);
	put_u64(json, "request_purges", pool->request_purges);
	put_u64(json, "slow_request_purges", pool->slow_request_purges);
	put_decimal(json, "longest_request_purge_seconds",
	    (double)pool->longest_request_purge_ns / (double)SECOND, 6);
	put_u64(json, "purges_refused", pool->purges_refused);
	put_u64(json, "arenas", pool->arenas_in_use);
	put_u64(json, "cpus", pool->cpus);
	put_string(json, "magazines", pool->is_rseq ? "rseq" : "lock");
	put_u64(json, "lock_acquisitions", pool->lock_acquisitions);
	put_u64(json, "lock_contentions", pool->lock_contentions);
	close_with(json, '}');
}

static OWN_FRAME void put_risk(struct json *json, const struct track_snapshot *track)
{
	const struct track_risk *risk = &track->risk;
	if (!track->is_active)
		return;
	open_with(json, "risk", '{');
	put_share(json, "score", risk->score);
	put_string(json, "level", risk->level_name);
	put_string(json, "reason", risk->reason);
	put_share(json, "confidence", risk->confidence);
	put_seconds(json, "time_to_limit_seconds", risk->time_to_limit_seconds);
	put_decimal(json, "growth_bytes_per_hour", risk->growth_bytes_per_hour, 0);
	if (risk->guilty_site != 0)
		put_id(json, "site", risk->guilty_site);
	put_bool(json, "is_fragmenting", risk->is_fragmenting);
	close_with(json, '}');
}

/* One line a frame; the list of sites is long enough. */
static OWN_FRAME void put_frames(struct json *json, const struct track_site *site)
{
	open_with(json, "frames", '[');
	for (unsigned i = 0; i < site->frame_count; i++) {
		const struct track_frame *frame = &site->frames[i];
		open_entry(json);
		put_id(json, "pc", frame->pc);
		if (frame->module != NULL) {
			put_string(json, "module", frame->module);
			put_id(json, "offset", frame->offset);
		}
		close_entry(json);
	}
	close_with(json, ']');
}

static OWN_FRAME void put_site(struct json *json, const struct track_site *site)
{
	open_with(json, NULL, '{');
	put_id(json, "id", site->id);
	put_share(json, "risk", site->risk);
	put_string(json, "level", site->level_name);
	put_string(json, "reason", site->reason);
	if (site->why[0] != '\0')
		put_string(json, "why", site->why);
	put_share(json, "confidence", site->confidence);
	put_decimal(json, "live_objects", site->live_objects, 0);
	put_decimal(json, "live_bytes", site->live_bytes, 0);
	put_decimal(json, "allocated_objects", site->births, 0);
	put_decimal(json, "allocated_bytes", site->birth_bytes, 0);
	put_decimal(json, "freed_objects", site->deaths, 0);
	put_decimal(json, "growth_bytes_per_hour", site->growth_bytes_per_hour, 0);
	put_decimal(json, "stuck_objects", site->stuck_objects, 0);
	put_decimal(json, "stuck_bytes_per_hour", site->stuck_bytes_per_hour, 0);
	put_seconds(json, "lifetime_p50_seconds", site->lifetime_p50_seconds);
	put_seconds(json, "lifetime_p99_seconds", site->lifetime_p99_seconds);
	put_seconds(json, "age_p50_seconds", site->age_p50_seconds);
	put_seconds(json, "time_to_limit_seconds", site->time_to_limit_seconds);
	put_bool(json, "is_overflow", site->is_overflow);
	put_frames(json, site);
	close_with(json, '}');
}

static OWN_FRAME void put_sites(struct json *json, const struct track_snapshot *track)
{
	if (!track->is_active)
		return;
	open_with(json, "sites", '[');
	for (unsigned i = 0; i < track->site_count; i++)
		put_site(json, &track->sites[i]);
	close_with(json, ']');
	put_u64(json, "sites_not_listed", track->sites_not_listed);
	open_with(json, "not_listed", '{');
	put_decimal(json, "live_objects", track->not_listed.live_objects, 0);
	put_decimal(json, "live_bytes", track->not_listed.live_bytes, 0);
	put_decimal(json, "allocated_objects", track->not_listed.births, 0);
	put_decimal(json, "allocated_bytes", track->not_listed.birth_bytes, 0);
	put_decimal(json, "freed_objects", track->not_listed.deaths, 0);
	close_with(json, '}');
}

/* The bounds of one bucket of ages; the last one has no end. */
static void put_ages(struct json *json, unsigned bucket)
{
	put_decimal(json, "from_seconds", bucket == 0 ? 0 : track_age_below(bucket - 1), 6);
	if (bucket + 1 < TRACK_AGE_BUCKETS)
		put_decimal(json, "to_seconds", track_age_below(bucket), 6);
}

static OWN_FRAME void put_lifetimes(struct json *json, const struct track_lifetimes *l)
{
	open_with(json, "lifetimes", '[');
	for (unsigned i = 0; i < TRACK_AGE_BUCKETS; i++) {
		open_entry(json);
		put_ages(json, i);
		put_decimal(json, "freed", l->freed[i], 1);
		put_decimal(json, "live", l->live[i], 1);
		close_entry(json);
	}
	close_with(json, ']');
	/* Only what there is. */
	open_with(json, "lifetimes_by_size", '[');
	for (unsigned group = 0; group < TRACK_SIZE_GROUPS; group++) {
		for (unsigned i = 0; i < TRACK_AGE_BUCKETS; i++) {
			if (!(l->freed_by_size[group][i] > 0))
				continue;
			open_entry(json);
			if (group + 1 < TRACK_SIZE_GROUPS)
				put_u64(json, "size_up_to_bytes", track_size_up_to(group));
			put_ages(json, i);
			put_decimal(json, "freed", l->freed_by_size[group][i], 1);
			close_entry(json);
		}
	}
	close_with(json, ']');
}

static OWN_FRAME void put_tracking(struct json *json, const struct track_snapshot *track)
{
	const struct track_counters *c = &track->counters;
	open_with(json, "tracking", '{');
	put_bool(json, "is_active", track->is_active);
	if (track->is_active) {
		put_u64(json, "table_bytes", c->table_bytes);
		put_u64(json, "table_bytes_used", c->table_bytes_used);
		put_u64(json, "samples_live", c->samples_live);
		put_u64(json, "samples_max", c->samples_max);
		put_u64(json, "samples_dropped", c->samples_dropped);
		put_u64(json, "samples_thinned", c->samples_thinned);
		put_u64(json, "deaths_lost", c->deaths_lost);
		put_u64(json, "stacks_captured", c->stacks_captured);
		put_u64(json, "stacks_dropped", c->stacks_dropped);
		put_u64(json, "stacks_truncated", c->stacks_truncated);
		put_u64(json, "tables_read", c->tables_read);
		put_u64(json, "sites_used", c->sites_used);
		put_u64(json, "sites_max", c->sites_max);
		put_u64(json, "sites_left_out", c->sites_left_out);
		put_u64(json, "sites_evicted", c->sites_evicted);
		put_u64(json, "modules_left_out", c->modules_left_out);
		put_u64(json, "ticks", c->ticks);
		put_decimal(json, "last_tick_seconds", (double)c->last_tick_ns / (double)SECOND, 6);
		put_decimal(json, "longest_tick_seconds", (double)c->longest_tick_ns / (double)SECOND, 6);
		put_u64(json, "paged_out_bytes", c->paged_out_bytes);
		put_u64(json, "refaults", c->refaults);
	}
	close_with(json, '}');
}

static OWN_FRAME void put_mappings(struct json *json, const struct track_snapshot *track)
{
	if (!track->is_active)
		return;
	open_with(json, "mappings", '[');
	for (unsigned i = 0; i < track->mapping_count; i++) {
		const struct track_mapping *m = &track->mappings[i];
		open_entry(json);
		put_id(json, "start", m->start);
		put_id(json, "end", m->end);
		put_id(json, "offset", m->offset);
		put_id(json, "bias", m->bias);
		put_string(json, "path", m->path);
		put_string(json, "build_id", m->build_id);
		if (m->is_gone)
			put_bool(json, "is_gone", true);
		close_entry(json);
	}
	close_with(json, ']');
}

static OWN_FRAME void put_pressure(struct json *json, const struct pressure *p)
{
	open_with(json, "pressure", '{');
	put_string(json, "level", pressure_level_name(p->level));
	put_string(json, "source", p->source != NULL ? p->source : "none");
	put_share(json, "value", p->value);
	put_u64(json, "used_bytes", p->used_bytes);
	put_u64(json, "limit_bytes", p->limit_bytes);
	if (p->has_psi) {
		put_share(json, "psi_some_avg10", p->psi_some_avg10);
		put_share(json, "psi_full_avg10", p->psi_full_avg10);
	}
	close_with(json, '}');
}

static OWN_FRAME void put_fallback(struct json *json, const struct fallback_stats *f)
{
	if (!f->is_known)
		return;
	open_with(json, "fallback", '{');
	put_u64(json, "allocated", f->allocated_bytes);
	put_u64(json, "active", f->active_bytes);
	put_u64(json, "resident", f->resident_bytes);
	put_u64(json, "retained", f->retained_bytes);
	put_u64(json, "metadata", f->metadata_bytes);
	close_with(json, '}');
}

static OWN_FRAME void put_process(struct json *json, const struct snapshot *s)
{
	open_with(json, "process", '{');
	/* No thread: /proc could not be read. */
	if (s->process.threads != 0) {
		put_u64(json, "rss_bytes", s->process.rss_bytes);
		put_u64(json, "minor_faults", s->process.minor_faults);
		put_u64(json, "major_faults", s->process.major_faults);
		put_u64(json, "threads", s->process.threads);
	}
	if (s->background != NULL)
		put_string(json, "background", s->background);
	close_with(json, '}');
}

static OWN_FRAME void put_recommendations(struct json *json, const struct snapshot *s)
{
	open_with(json, "recommendations", '[');
	for (unsigned i = 0; i < s->advice_count; i++) {
		open_entry(json);
		put_string(json, "code", s->advice[i].code);
		put_string(json, "severity", s->advice[i].severity);
		put_string(json, "text", s->advice[i].text);
		close_entry(json);
	}
	close_with(json, ']');
}

static OWN_FRAME void put_health(struct json *json, const struct snapshot *s)
{
	const struct metrics m = metrics_derive(s);
	open_with(json, "health", '{');
	put_u64(json, "buffer_count", m.buffer_count);
	begin(json, "total_memory_allocated");
	out_char(json->out, '"');
	out_size_human(json->out, m.total_allocated_bytes);
	out_char(json->out, '"');
	begin(json, "pool_utilization");
	out_char(json->out, '"');
	out_percent(json->out, m.pool_utilization);
	out_char(json->out, '"');
	if (metrics_is_risk_known(s))
		put_string(json, "memory_leak_risk", s->track.risk.level_name);
	open_with(json, "recommendations", '[');
	for (unsigned i = 0; i < s->advice_count; i++)
		put_string(json, NULL, s->advice[i].text);
	close_with(json, ']');
	close_with(json, '}');
}

void write_json(struct out *out, const struct snapshot *s)
{
	struct json json = {.out = out, .depth = 1};
	out_char(out, '{');
	put_string(&json, "schema", "weir-dump");
	put_u64(&json, "schema_version", 1);
	put_string(&json, "weir_version", WEIR_VERSION);
	put_u64(&json, "pid", s->pid);
	put_string(&json, "program", metrics_program_name(s));
	put_string(&json, "exe", s->exe);
	put_string(&json, "boot_id", s->boot_id);
	put_time(&json, "started_at", s->started_at_ns);
	put_time(&json, "taken_at", s->taken_at_ns);
	put_decimal(&json, "uptime_seconds", (double)s->uptime_ns / (double)SECOND, 3);
	put_u64(&json, "sequence", s->sequence);
	put_string(&json, "trigger", metrics_trigger_name(s->trigger));
	put_health(&json, s);
	put_recommendations(&json, s);
	put_risk(&json, &s->track);
	put_metrics(&json, s);
	put_pressure(&json, &s->pressure);
	put_heap(&json, s);
	put_classes(&json, &s->pool);
	put_buffers(&json, s);
	put_sites(&json, &s->track);
	if (s->track.is_active)
		put_lifetimes(&json, &s->track.lifetimes);
	put_tracking(&json, &s->track);
	put_fallback(&json, &s->fallback);
	put_process(&json, s);
	put_mappings(&json, &s->track);
	put_config(&json, s->settings);
	out_str(out, "\n}\n");
	out_flush(out);
}
