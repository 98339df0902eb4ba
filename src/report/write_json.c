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

/* name is NULL in a list. */
static void begin(struct json *json, const char *name)
{
	new_member(json);
	if (name == NULL)
		return;
	out_json_string(json->out, name);
	out_str(json->out, ": ");
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

static OWN_FRAME void put_metrics(struct json *json, const struct snapshot *s, const struct metrics *m)
{
	open_with(json, "metrics", '{');
	put_u64(json, "total_allocated_bytes", m->total_allocated_bytes);
	put_u64(json, "total_used_bytes", m->total_used_bytes);
	put_u64(json, "buffer_count", m->buffer_count);
	put_u64(json, "buffers_in_use", s->pool.buffers_in_use);
	put_share(json, "pool_utilization", m->pool_utilization);
	put_u64(json, "gc_count", s->pool.gc_count);
	put_u64(json, "average_buffer_size_bytes", m->average_buffer_size_bytes);
	put_share(json, "last_memory_pressure", s->pressure.value);
	put_u64(json, "allocations", s->pool.allocations);
	put_share(json, "reuse_rate", m->reuse_rate);
	put_u64(json, "temporary_buffers", s->pool.temporary_buffers);
	put_u64(json, "purged_bytes", s->pool.purged_bytes);
	put_u64(json, "resident_bytes", m->resident_bytes);
	put_u64(json, "errors", s->pool.errors);
	close_with(json, '}');
}

static OWN_FRAME void put_buffers(struct json *json, const struct snapshot *s, const struct metrics *m)
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
		close_entry(json);
	}
	close_with(json, ']');
	put_u64(json, "buffers_left_out", m->buffers_left_out);
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

static OWN_FRAME void put_heap(struct json *json, const struct pool_stats *pool, const struct metrics *m)
{
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
	put_share(json, "fragmentation", m->fragmentation);
	put_u64(json, "limit_bytes", pool->limit_bytes);
	if (pool->limit_buffers != 0)
		put_u64(json, "limit_buffers", pool->limit_buffers);
	put_u64(json, "purges_refused", pool->purges_refused);
	put_u64(json, "arenas", pool->arenas_in_use);
	put_u64(json, "cpus", pool->cpus);
	put_string(json, "magazines", pool->is_rseq ? "rseq" : "lock");
	put_u64(json, "lock_acquisitions", pool->lock_acquisitions);
	put_u64(json, "lock_contentions", pool->lock_contentions);
	close_with(json, '}');
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

static OWN_FRAME void put_health(struct json *json, const struct snapshot *s, const struct metrics *m)
{
	open_with(json, "health", '{');
	put_u64(json, "buffer_count", m->buffer_count);
	begin(json, "total_memory_allocated");
	out_char(json->out, '"');
	out_size_human(json->out, m->total_allocated_bytes);
	out_char(json->out, '"');
	begin(json, "pool_utilization");
	out_char(json->out, '"');
	out_percent(json->out, m->pool_utilization);
	out_char(json->out, '"');
	open_with(json, "recommendations", '[');
	for (unsigned i = 0; i < s->advice_count; i++)
		put_string(json, NULL, s->advice[i].text);
	close_with(json, ']');
	close_with(json, '}');
}

void write_json(struct out *out, const struct snapshot *s)
{
	struct metrics m = metrics_derive(s);
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
	put_health(&json, s, &m);
	put_recommendations(&json, s);
	put_metrics(&json, s, &m);
	put_pressure(&json, &s->pressure);
	put_heap(&json, &s->pool, &m);
	put_classes(&json, &s->pool);
	put_buffers(&json, s, &m);
	put_fallback(&json, &s->fallback);
	put_process(&json, s);
	put_config(&json, s->settings);
	out_str(out, "\n}\n");
	out_flush(out);
}
