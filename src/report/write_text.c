/*
 * write_text.c -- a snapshot as text, for a person.
 *
 * The headline comes first: how much the pool holds, how scarce memory is and
 * what to do about it; then the facts behind, the settings last. Columns line up and
 * numbers stand right-aligned. Runs in the dump's signal handler: no
 * allocation, no stdio; a cell of a table is built in 40 bytes of stack.
 */
#include <string.h>

#include "report/metrics.h"
#include "report/text.h"

/* --- the headline --- */

static OWN_FRAME void put_title(struct out *out, const struct snapshot *s)
{
	out_str(out, "Weir " WEIR_VERSION ": ");
	text_plain(out, metrics_program_name(s));
	out_str(out, ", pid ");
	out_u64(out, s->pid);
	if (s->sequence != 0) {
		out_str(out, ", dump ");
		out_u64(out, s->sequence);
		out_str(out, " by ");
		out_str(out, metrics_trigger_name(s->trigger));
	} else {
		out_str(out, ", read from outside");
	}
	out_char(out, '\n');
	text_label(out, "taken");
	out_time_rfc3339(out, s->taken_at_ns);
	out_str(out, ", up ");
	out_duration(out, (double)s->uptime_ns / (double)SECOND);
	if (s->settings->time_scale != 1) {
		out_str(out, " (time runs ");
		out_decimal(out, s->settings->time_scale, s->settings->time_scale < 1 ? 3 : 0);
		out_str(out, " times as fast)");
	}
	out_char(out, '\n');
}

static OWN_FRAME void put_pool(struct out *out, const struct snapshot *s)
{
	const struct metrics m = metrics_derive(s);
	const struct pool_stats *pool = &s->pool;
	text_label(out, "pool");
	if (!pool->is_active) {
		out_str(out, s->settings->enable
				 ? "has no address range; jemalloc serves everything\n"
				 : "switched off by WEIR_ENABLE; jemalloc serves everything\n");
		return;
	}
	out_size_human(out, m.total_used_bytes);
	out_str(out, " in use in ");
	out_number_of(out, pool->buffers_in_use, "buffer");
	out_str(out, ", ");
	out_size_human(out, m.idle_bytes);
	out_str(out, " idle; ");
	out_percent(out, m.pool_utilization);
	out_str(out, " of what is held is in use\n");

	text_label(out, "limit");
	out_size_human(out, m.total_allocated_bytes);
	if (pool->limit_bytes == 0 || pool->limit_bytes == UINT64_MAX) {
		out_str(out, " held, no limit on bytes");
	} else {
		out_str(out, " held of ");
		out_size_human(out, pool->limit_bytes);
		out_str(out, " allowed (");
		out_percent(out, m.limit_utilization);
		out_char(out, ')');
	}
	if (pool->limit_buffers != 0) {
		out_str(out, "; ");
		out_count(out, m.buffer_count);
		out_str(out, " of ");
		out_number_of(out, pool->limit_buffers, "buffer");
	}
	out_char(out, '\n');

	text_label(out, "requests");
	out_count(out, pool->allocations);
	out_str(out, " served, ");
	out_percent(out, m.reuse_rate);
	out_str(out, " from magazines; ");
	out_number_of(out, pool->temporary_buffers, "temporary buffer");
	out_str(out, " past a limit\n");
}

/* What the monitor reads, before its first tick, and where no monitor runs. */
static void put_unread(struct out *out, const struct snapshot *s)
{
	out_str(out, s->pool.is_active ? "not known yet; the next monitor tick reads it\n"
				       : "not known; without a pool nothing reads it\n");
}

static OWN_FRAME void put_pressure(struct out *out, const struct snapshot *s)
{
	const struct pressure *p = &s->pressure;
	text_label(out, "pressure");
	if (p->source == NULL) {
		put_unread(out, s);
		return;
	}
	out_str(out, pressure_level_name(p->level));
	out_str(out, " (");
	out_decimal(out, p->value, 2);
	if (p->limit_bytes != 0) {
		out_str(out, " by ");
		out_str(out, p->source);
		out_str(out, ": ");
		out_size_human(out, p->used_bytes);
		out_str(out, " in use of ");
		out_size_human(out, p->limit_bytes);
	}
	out_char(out, ')');
	if (p->has_psi) {
		out_str(out, "; stalled ");
		out_percent(out, p->psi_some_avg10);
		out_str(out, " some, ");
		out_percent(out, p->psi_full_avg10);
		out_str(out, " full");
	}
	out_char(out, '\n');
}

static OWN_FRAME void put_process(struct out *out, const struct process_info *process)
{
	text_label(out, "process");
	if (process->threads == 0) {
		out_str(out, "not known; /proc cannot be read\n");
		return;
	}
	out_size_human(out, process->rss_bytes);
	out_str(out, " resident, ");
	out_number_of(out, process->threads, "thread");
	out_str(out, "; page faults ");
	out_count(out, process->minor_faults);
	out_str(out, " minor, ");
	out_count(out, process->major_faults);
	out_str(out, " major\n");
}

static OWN_FRAME void put_upkeep(struct out *out, const struct snapshot *s)
{
	text_label(out, "jemalloc");
	if (s->fallback.is_known) {
		out_size_human(out, s->fallback.allocated_bytes);
		out_str(out, " allocated, ");
		out_size_human(out, s->fallback.resident_bytes);
		out_str(out, " resident, ");
		out_size_human(out, s->fallback.retained_bytes);
		out_str(out, " retained\n");
	} else {
		put_unread(out, s);
	}

	text_label(out, "upkeep");
	out_number_of(out, s->pool.gc_count, "collection");
	out_str(out, ", ");
	out_size_human(out, s->pool.purged_bytes);
	out_str(out, " given back");
	if (s->background != NULL) {
		out_str(out, "; maintenance: ");
		out_str(out, s->background);
	}
	out_char(out, '\n');
	if (s->pool.errors != 0) {
		text_label(out, "errors");
		out_count(out, s->pool.errors);
		out_str(out, " survived\n");
	}
}

static OWN_FRAME void put_advice(struct out *out, const struct snapshot *s)
{
	text_heading(out, "What to do");
	if (s->advice_count == 0)
		out_str(out, "  Nothing: no fact in this dump asks for it.\n");
	for (unsigned i = 0; i < s->advice_count; i++) {
		out_str(out, "  ");
		out_str(out, s->advice[i].severity);
		out_pad(out, TEXT_LABEL_COLUMN);
		out_str(out, s->advice[i].code);
		out_char(out, '\n');
		out_pad(out, TEXT_LABEL_COLUMN);
		text_wrapped(out, s->advice[i].text, TEXT_LABEL_COLUMN);
	}
}

/* --- tables --- */

static OWN_FRAME void put_classes(struct out *out, const struct pool_stats *pool)
{
	static const struct text_column columns[] = {
	    {"size", 12}, {"in use", 24}, {"idle", 36}, {"requests", 52}, {NULL, 0}};
	text_heading(out, "Size classes (buffers)");
	text_heads(out, columns);
	for (unsigned i = 0; i < pool->class_count; i++) {
		const struct pool_class_stats *c = &pool->classes[i];
		if (c->in_use == 0 && c->idle == 0 && c->allocations == 0)
			continue;
		text_cell_size(out, c->size_bytes, columns[0].end);
		text_cell_count(out, c->in_use, columns[1].end);
		text_cell_count(out, c->idle, columns[2].end);
		text_cell_count(out, c->allocations, columns[3].end);
		out_char(out, '\n');
	}
}

static OWN_FRAME void put_buffers(struct out *out, const struct snapshot *s)
{
	static const struct text_column columns[] = {{"for", 12}, {"bytes", 26}, {"capacity", 38},
	    {"used times", 50}, {"id", 60}, {"address", 80}, {NULL, 0}};
	text_heading(out, "Longest in use");
	if (s->buffer_count == 0) {
		out_str(out, "  none\n");
		return;
	}
	text_heads(out, columns);
	for (unsigned i = 0; i < s->buffer_count; i++) {
		const struct pool_buffer_info *b = &s->buffers[i];
		size_t cell;
		text_cell_duration(out, metrics_buffer_age_seconds(s, b), columns[0].end);
		text_cell_count(out, b->size_bytes, columns[1].end);
		text_cell_size(out, b->capacity_bytes, columns[2].end);
		text_cell_count(out, b->use_count, columns[3].end);
		/* An id is a name, to be searched for as it stands in the JSON. */
		cell = out_cell_begin(out);
		out_u64(out, b->id);
		out_cell_end(out, cell, columns[4].end);
		cell = out_cell_begin(out);
		out_hex(out, b->address);
		out_cell_end(out, cell, columns[5].end);
		out_char(out, '\n');
	}
	const uint64_t left_out = metrics_buffers_left_out(s);
	if (left_out > 0) {
		out_str(out, "  and ");
		out_count(out, left_out);
		out_str(out, " more\n");
	}
}

static void put_runs(struct out *out, const char *name, uint64_t bytes, uint64_t runs)
{
	text_label(out, name);
	out_size_human(out, bytes);
	out_str(out, " in ");
	out_number_of(out, runs, "run");
	out_char(out, '\n');
}

static OWN_FRAME void put_heap(struct out *out, const struct snapshot *s)
{
	const struct pool_stats *pool = &s->pool;
	const struct metrics m = metrics_derive(s);
	text_heading(out, "Heap");
	put_runs(out, "free hot", pool->free_hot_bytes, pool->free_runs_hot);
	put_runs(out, "free cold", pool->free_cold_bytes, pool->free_runs_cold);
	text_label(out, "largest");
	out_size_human(out, pool->largest_free_bytes);
	out_str(out, "; fragmentation ");
	out_percent(out, m.fragmentation);
	out_char(out, '\n');
	text_label(out, "magazines");
	out_size_human(out, pool->idle_bytes);
	out_str(out, " in ");
	out_number_of(out, pool->buffers_idle, "buffer");
	out_str(out, pool->is_rseq ? ", by restartable sequences, " : ", by locks, ");
	out_number_of(out, pool->cpus, "CPU");
	out_char(out, '\n');
	text_label(out, "slabs");
	out_size_human(out, pool->slab_free_bytes);
	out_str(out, " free\n");
	text_label(out, "apart");
	out_count(out, pool->apart.large_objects);
	out_str(out, " large, ");
	out_size_human(out, pool->apart.large_bytes);
	out_str(out, "; ");
	out_count(out, pool->apart.small_objects);
	out_str(out, " sampled small, ");
	out_size_human(out, pool->apart.small_bytes);
	out_str(out, " in slabs of ");
	out_size_human(out, pool->apart.slab_bytes);
	out_char(out, '\n');
	text_label(out, "range");
	out_size_human(out, pool->range_bytes);
	out_str(out, " reserved, ");
	out_size_human(out, pool->committed_bytes);
	out_str(out, " committed, metadata ");
	out_size_human(out, pool->metadata_bytes);
	out_char(out, '\n');
	text_label(out, "locks");
	out_number_of(out, pool->arenas_in_use, "arena");
	out_str(out, ", taken ");
	out_count(out, pool->lock_acquisitions);
	out_str(out, " times, contended ");
	out_count(out, pool->lock_contentions);
	out_char(out, '\n');
	text_label(out, "purges");
	out_count(out, pool->request_purges);
	out_str(out, " within requests, ");
	out_count(out, pool->slow_request_purges);
	out_str(out, " longer than 50 us, the longest ");
	out_count(out, (pool->longest_request_purge_ns + 500) / 1000);
	out_str(out, " us\n");
	if (pool->purges_refused != 0) {
		text_label(out, "refused");
		out_number_of(out, pool->purges_refused, "purge");
		out_char(out, '\n');
	}
}

/* What was set stands out by the default beside it. */
static OWN_FRAME void put_settings(struct out *out, const struct settings *settings)
{
	text_heading(out, "Settings");
	for (unsigned i = 0; i < option_count(); i++) {
		const struct option_info *option = option_at(i);
		const char *text = option_text(option, settings);
		out_str(out, "  ");
		out_str(out, option->variable);
		out_pad(out, 26);
		if (text != NULL)
			text_plain(out, text);
		else
			option_write_value(out, option, settings);
		if (!option_is_default(option, settings)) {
			out_str(out, "  (default ");
			option_write_default(out, option);
			out_char(out, ')');
		}
		out_char(out, '\n');
	}
}

void write_text(struct out *out, const struct snapshot *s)
{
	put_title(out, s);
	text_risk(out, s);
	put_pool(out, s);
	put_pressure(out, s);
	put_process(out, &s->process);
	put_upkeep(out, s);
	put_advice(out, s);
	if (s->track.is_active)
		text_sites(out, &s->track);
	if (s->pool.is_active) {
		put_classes(out, &s->pool);
		put_buffers(out, s);
		put_heap(out, s);
	}
	if (s->track.is_active) {
		text_lifetimes(out, &s->track.lifetimes);
		text_tracking(out, &s->track.counters);
	}
	put_settings(out, s->settings);
	out_char(out, '\n');
	text_label(out, "program");
	text_plain(out, s->exe);
	out_str(out, "\n");
	text_label(out, "started");
	out_time_rfc3339(out, s->started_at_ns);
	out_str(out, ", boot ");
	text_plain(out, s->boot_id);
	out_str(out, "\n");
	out_flush(out);
}
