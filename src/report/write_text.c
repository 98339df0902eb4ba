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

#define LABEL_COLUMN 14
#define SITES_AT_LEAST 3 /* that are shown, at risk or not */
#define LINE_COLUMNS 100 /* where advice is broken into lines */

/* --- pieces --- */

/* Somebody else's bytes: control characters would speak to the terminal. */
static void put_plain(struct out *out, const char *text)
{
	for (; *text != '\0'; text++)
		out_char(out, (unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text);
}

/* A cell of a table: what is written into ->out comes out right-aligned, ending at column end. */
struct cell {
	struct out out;
	char text[40];
};

static struct out *cell_begin(struct cell *cell)
{
	out_init(&cell->out, -1, cell->text, sizeof(cell->text));
	return &cell->out;
}

static void cell_end(struct cell *cell, struct out *out, unsigned end)
{
	out_pad(out, end - MIN(end, cell->out.column));
	out_bytes(out, cell->text, cell->out.used);
}

static void cell_str(struct out *out, const char *text, unsigned end)
{
	struct cell cell;
	out_str(cell_begin(&cell), text);
	cell_end(&cell, out, end);
}

static void cell_count(struct out *out, uint64_t value, unsigned end)
{
	struct cell cell;
	out_count(cell_begin(&cell), value);
	cell_end(&cell, out, end);
}

static void cell_size(struct out *out, uint64_t bytes, unsigned end)
{
	struct cell cell;
	out_size_human(cell_begin(&cell), bytes);
	cell_end(&cell, out, end);
}

static void cell_duration(struct out *out, double seconds, unsigned end)
{
	struct cell cell;
	out_duration(cell_begin(&cell), seconds);
	cell_end(&cell, out, end);
}

static void label(struct out *out, const char *text)
{
	out_str(out, "  ");
	out_str(out, text);
	out_pad(out, LABEL_COLUMN);
}

static void heading(struct out *out, const char *text)
{
	out_char(out, '\n');
	out_str(out, text);
	out_char(out, '\n');
}

/* Words, going on in the next line at column indent. */
static void put_wrapped(struct out *out, const char *text, unsigned indent)
{
	while (*text != '\0') {
		size_t length = strcspn(text, " ");
		if (out->column > indent && out->column + 1 + length > LINE_COLUMNS)
			out_char(out, '\n');
		if (out->column != indent)
			out_pad(out, out->column == 0 ? indent : out->column + 1);
		out_bytes(out, text, length);
		text += length;
		text += strspn(text, " ");
	}
	out_char(out, '\n');
}

/* --- the headline --- */

static OWN_FRAME void put_title(struct out *out, const struct snapshot *s)
{
	out_str(out, "Weir " WEIR_VERSION ": ");
	put_plain(out, metrics_program_name(s));
	out_str(out, ", pid ");
	out_u64(out, s->pid);
	out_str(out, ", dump ");
	out_u64(out, s->sequence);
	out_str(out, " by ");
	out_str(out, metrics_trigger_name(s->trigger));
	out_str(out, "\n");
	label(out, "taken");
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

static OWN_FRAME void put_pool(struct out *out, const struct snapshot *s, const struct metrics *m)
{
	const struct pool_stats *pool = &s->pool;
	label(out, "pool");
	if (!pool->is_active) {
		out_str(out, s->settings->enable
				 ? "has no address range; jemalloc serves everything\n"
				 : "switched off by WEIR_ENABLE; jemalloc serves everything\n");
		return;
	}
	out_size_human(out, m->total_used_bytes);
	out_str(out, " in use in ");
	out_number_of(out, pool->buffers_in_use, "buffer");
	out_str(out, ", ");
	out_size_human(out, m->idle_bytes);
	out_str(out, " idle; ");
	out_percent(out, m->pool_utilization);
	out_str(out, " of what is held is in use\n");

	label(out, "limit");
	out_size_human(out, m->total_allocated_bytes);
	if (pool->limit_bytes == 0 || pool->limit_bytes == UINT64_MAX) {
		out_str(out, " held, no limit on bytes");
	} else {
		out_str(out, " held of ");
		out_size_human(out, pool->limit_bytes);
		out_str(out, " allowed (");
		out_percent(out, m->limit_utilization);
		out_char(out, ')');
	}
	if (pool->limit_buffers != 0) {
		out_str(out, "; ");
		out_count(out, m->buffer_count);
		out_str(out, " of ");
		out_number_of(out, pool->limit_buffers, "buffer");
	}
	out_char(out, '\n');

	label(out, "requests");
	out_count(out, pool->allocations);
	out_str(out, " served, ");
	out_percent(out, m->reuse_rate);
	out_str(out, " from magazines; ");
	out_number_of(out, pool->temporary_buffers, "temporary buffer");
	out_str(out, " past a limit\n");
}

static void put_level(struct out *out, const char *level, double score)
{
	out_str(out, level);
	out_str(out, " (");
	out_decimal(out, score, 2);
	out_char(out, ')');
}

/* The last part of a path. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static void put_frame(struct out *out, const struct track_frame *frame)
{
	if (frame->module == NULL) {
		out_hex(out, frame->pc);
		out_str(out, " in generated or unknown code");
		return;
	}
	put_plain(out, base_name(frame->module));
	out_char(out, '+');
	out_hex(out, frame->offset);
}

/* The one sentence that somebody who was woken up reads. */
static OWN_FRAME void put_risk(struct out *out, const struct snapshot *s)
{
	const struct track_risk *risk = &s->track.risk;
	const struct track_site *site = metrics_site(s, risk->guilty_site);
	label(out, "leak risk");
	if (!s->track.is_active) {
		out_str(out, s->settings->track && s->pool.is_active
				 ? "not known; there is no memory for tracking\n"
				 : "not known; tracking is off\n");
		return;
	}
	if (!risk->is_known) {
		out_str(out, "not known yet; the next monitor tick judges it\n");
		return;
	}
	put_level(out, risk->level_name, risk->score);
	out_str(out, ": ");
	out_str(out, risk->reason);
	if (site != NULL && risk->level > 0 && site->frame_count > 0) {
		out_str(out, " at ");
		put_frame(out, &site->frames[0]);
	}
	if (risk->time_to_limit_seconds >= 0) {
		out_str(out, "; the memory limit is reached in ");
		out_duration(out, risk->time_to_limit_seconds);
		out_str(out, " at this rate");
	}
	out_str(out, "; confidence ");
	out_percent(out, risk->confidence);
	out_char(out, '\n');
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
	label(out, "pressure");
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
		out_str(out, " of ");
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
	label(out, "process");
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
	label(out, "jemalloc");
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

	label(out, "upkeep");
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
		label(out, "errors");
		out_count(out, s->pool.errors);
		out_str(out, " survived\n");
	}
}

static OWN_FRAME void put_advice(struct out *out, const struct snapshot *s)
{
	heading(out, "What to do");
	if (s->advice_count == 0)
		out_str(out, "  Nothing: no fact in this dump asks for it.\n");
	for (unsigned i = 0; i < s->advice_count; i++) {
		out_str(out, "  ");
		out_str(out, s->advice[i].severity);
		out_pad(out, LABEL_COLUMN);
		out_str(out, s->advice[i].code);
		out_char(out, '\n');
		out_pad(out, LABEL_COLUMN);
		put_wrapped(out, s->advice[i].text, LABEL_COLUMN);
	}
}

/* --- tables --- */

static OWN_FRAME void put_classes(struct out *out, const struct pool_stats *pool)
{
	static const unsigned ends[] = {12, 24, 36, 52};
	heading(out, "Size classes (buffers)");
	cell_str(out, "size", ends[0]);
	cell_str(out, "in use", ends[1]);
	cell_str(out, "idle", ends[2]);
	cell_str(out, "requests", ends[3]);
	out_char(out, '\n');
	for (unsigned i = 0; i < pool->class_count; i++) {
		const struct pool_class_stats *c = &pool->classes[i];
		if (c->in_use == 0 && c->idle == 0 && c->allocations == 0)
			continue;
		cell_size(out, c->size_bytes, ends[0]);
		cell_count(out, c->in_use, ends[1]);
		cell_count(out, c->idle, ends[2]);
		cell_count(out, c->allocations, ends[3]);
		out_char(out, '\n');
	}
}

static OWN_FRAME void put_buffers(struct out *out, const struct snapshot *s, const struct metrics *m)
{
	static const unsigned ends[] = {12, 26, 38, 50, 60, 80};
	heading(out, "Longest in use");
	if (s->buffer_count == 0) {
		out_str(out, "  none\n");
		return;
	}
	cell_str(out, "for", ends[0]);
	cell_str(out, "bytes", ends[1]);
	cell_str(out, "capacity", ends[2]);
	cell_str(out, "used times", ends[3]);
	cell_str(out, "id", ends[4]);
	cell_str(out, "address", ends[5]);
	out_char(out, '\n');
	for (unsigned i = 0; i < s->buffer_count; i++) {
		const struct pool_buffer_info *b = &s->buffers[i];
		struct cell cell;
		cell_duration(out, metrics_buffer_age_seconds(s, b), ends[0]);
		cell_count(out, b->size_bytes, ends[1]);
		cell_size(out, b->capacity_bytes, ends[2]);
		cell_count(out, b->use_count, ends[3]);
		cell_count(out, b->id, ends[4]);
		out_hex(cell_begin(&cell), b->address);
		cell_end(&cell, out, ends[5]);
		out_char(out, '\n');
	}
	if (m->buffers_left_out > 0) {
		out_str(out, "  and ");
		out_count(out, m->buffers_left_out);
		out_str(out, " more\n");
	}
}

static void put_rate(struct out *out, double bytes_per_hour)
{
	out_size_human(out, (uint64_t)MIN(MAX(bytes_per_hour, 0.0), 1e18));
	out_str(out, "/h");
}

static void put_lifetime(struct out *out, const char *name, double seconds)
{
	if (seconds < 0)
		return;
	out_str(out, name);
	out_duration(out, seconds);
}

static OWN_FRAME void put_site(struct out *out, const struct track_site *site)
{
	label(out, site->level_name);
	out_decimal(out, site->risk, 2);
	out_char(out, ' ');
	out_str(out, site->reason);
	out_str(out, ": ");
	out_size_human(out, (uint64_t)MIN(MAX(site->live_bytes, 0.0), 1e18));
	out_str(out, " live in ");
	out_number_of(out, (uint64_t)MIN(MAX(site->live_objects, 0.0), 1e18), "object");
	if (site->growth_bytes_per_hour > 0) {
		out_str(out, ", growing ");
		put_rate(out, site->growth_bytes_per_hour);
	}
	if (site->time_to_limit_seconds >= 0 && site->level > 0) {
		out_str(out, ", limit in ");
		out_duration(out, site->time_to_limit_seconds);
	}
	out_char(out, '\n');
	out_pad(out, LABEL_COLUMN);
	out_str(out, "site ");
	out_hex(out, site->id);
	put_lifetime(out, ", freed after ", site->lifetime_p50_seconds);
	put_lifetime(out, " (99%: ", site->lifetime_p99_seconds);
	if (site->lifetime_p99_seconds >= 0)
		out_char(out, ')');
	put_lifetime(out, ", the live are ", site->age_p50_seconds);
	if (site->age_p50_seconds >= 0)
		out_str(out, " old");
	out_char(out, '\n');
	if (site->why[0] != '\0') {
		out_pad(out, LABEL_COLUMN);
		put_wrapped(out, site->why, LABEL_COLUMN);
	}
	if (site->is_overflow) {
		out_pad(out, LABEL_COLUMN);
		out_str(out, "all sites of this module that found no room:\n");
	}
	for (unsigned i = 0; i < site->frame_count; i++) {
		out_pad(out, LABEL_COLUMN);
		put_frame(out, &site->frames[i]);
		out_char(out, '\n');
	}
}

/* All that are at risk, with their stacks; of the others as many as one looks at. */
static OWN_FRAME void put_sites(struct out *out, const struct track_snapshot *track)
{
	unsigned shown = 0;
	heading(out, "Call sites, most at risk first");
	for (; shown < track->site_count; shown++) {
		if (track->sites[shown].level == 0 && shown >= SITES_AT_LEAST)
			break;
		put_site(out, &track->sites[shown]);
	}
	if (shown == 0)
		out_str(out, "  none yet\n");
	if (track->sites_not_listed + track->site_count - shown > 0) {
		out_str(out, "  and ");
		out_count(out, track->sites_not_listed + track->site_count - shown);
		out_str(out, " more\n");
	}
}

static void put_quantiles(struct out *out, const char *name, const double *weights)
{
	static const struct {
		const char *name;
		double share;
	} quantiles[] = {{"half within ", 0.5}, {", 90% within ", 0.9}, {", 99% within ", 0.99}};
	label(out, name);
	if (track_age_quantile(weights, 0.5) < 0) {
		out_str(out, "none\n");
		return;
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(quantiles); i++) {
		out_str(out, quantiles[i].name);
		out_duration(out, track_age_quantile(weights, quantiles[i].share));
	}
	out_char(out, '\n');
}

static OWN_FRAME void put_lifetimes(struct out *out, const struct track_lifetimes *l)
{
	static const unsigned ends[] = {14, 28, 42, 56};
	heading(out, "Lifetimes, to a factor of two");
	put_quantiles(out, "freed", l->freed);
	put_quantiles(out, "still live", l->live);
	for (unsigned i = 0, is_headed = 0; i < TRACK_SIZE_GROUPS; i++) {
		const double *weights = l->freed_by_size[i];
		if (track_age_quantile(weights, 0.5) < 0)
			continue;
		if (is_headed++ == 0) {
			cell_str(out, "freed, up to", ends[0]);
			cell_str(out, "half", ends[1]);
			cell_str(out, "90%", ends[2]);
			cell_str(out, "99%", ends[3]);
			out_char(out, '\n');
		}
		if (i + 1 < TRACK_SIZE_GROUPS)
			cell_size(out, track_size_up_to(i), ends[0]);
		else
			cell_str(out, "larger", ends[0]);
		cell_duration(out, track_age_quantile(weights, 0.5), ends[1]);
		cell_duration(out, track_age_quantile(weights, 0.9), ends[2]);
		cell_duration(out, track_age_quantile(weights, 0.99), ends[3]);
		out_char(out, '\n');
	}
}

static OWN_FRAME void put_tracking(struct out *out, const struct track_counters *c)
{
	heading(out, "Tracking");
	label(out, "tables");
	out_str(out, "about ");
	out_size_human(out, c->table_bytes_used);
	out_str(out, " in use of at most ");
	out_size_human(out, c->table_bytes);
	out_char(out, '\n');
	label(out, "samples");
	out_count(out, c->samples_live);
	out_str(out, " live of ");
	out_count(out, c->samples_max);
	out_str(out, "; ");
	out_count(out, c->samples_dropped);
	out_str(out, " found no room, ");
	out_count(out, c->samples_thinned);
	out_str(out, " made room\n");
	label(out, "stacks");
	out_count(out, c->stacks_captured);
	out_str(out, " captured, ");
	out_count(out, c->stacks_dropped);
	out_str(out, " dropped, ");
	out_count(out, c->stacks_truncated);
	out_str(out, " cut off at ");
	out_number_of(out, TRACK_FRAMES_MAX, "frame");
	out_char(out, '\n');
	label(out, "sites");
	out_count(out, c->sites_used);
	out_str(out, " of ");
	out_count(out, c->sites_max);
	out_str(out, " rows; ");
	out_number_of(out, c->sites_left_out, "sample");
	out_str(out, " counted by module for want of room\n");
	label(out, "ticks");
	out_count(out, c->ticks);
	out_str(out, ", the last took ");
	out_decimal(out, (double)c->last_tick_ns / 1e6, 1);
	out_str(out, " ms, the longest ");
	out_decimal(out, (double)c->longest_tick_ns / 1e6, 1);
	out_str(out, " ms\n");
	if (c->paged_out_bytes != 0) {
		label(out, "paged out");
		out_size_human(out, c->paged_out_bytes);
		out_str(out, " offered to swap, ");
		out_number_of(out, c->refaults, "page");
		out_str(out, " came back\n");
	}
}

static void put_runs(struct out *out, const char *name, uint64_t bytes, uint64_t runs)
{
	label(out, name);
	out_size_human(out, bytes);
	out_str(out, " in ");
	out_number_of(out, runs, "run");
	out_char(out, '\n');
}

static OWN_FRAME void put_heap(struct out *out, const struct pool_stats *pool, const struct metrics *m)
{
	heading(out, "Heap");
	put_runs(out, "free hot", pool->free_hot_bytes, pool->free_runs_hot);
	put_runs(out, "free cold", pool->free_cold_bytes, pool->free_runs_cold);
	label(out, "largest");
	out_size_human(out, pool->largest_free_bytes);
	out_str(out, "; fragmentation ");
	out_percent(out, m->fragmentation);
	out_char(out, '\n');
	label(out, "magazines");
	out_size_human(out, pool->idle_bytes);
	out_str(out, " in ");
	out_number_of(out, pool->buffers_idle, "buffer");
	out_str(out, pool->is_rseq ? ", by restartable sequences, " : ", by locks, ");
	out_number_of(out, pool->cpus, "CPU");
	out_char(out, '\n');
	label(out, "slabs");
	out_size_human(out, pool->slab_free_bytes);
	out_str(out, " free\n");
	label(out, "range");
	out_size_human(out, pool->range_bytes);
	out_str(out, " reserved, ");
	out_size_human(out, pool->committed_bytes);
	out_str(out, " committed, metadata ");
	out_size_human(out, pool->metadata_bytes);
	out_char(out, '\n');
	label(out, "locks");
	out_number_of(out, pool->arenas_in_use, "arena");
	out_str(out, ", taken ");
	out_count(out, pool->lock_acquisitions);
	out_str(out, " times, contended ");
	out_count(out, pool->lock_contentions);
	out_char(out, '\n');
	if (pool->purges_refused != 0) {
		label(out, "refused");
		out_number_of(out, pool->purges_refused, "purge");
		out_char(out, '\n');
	}
}

/* What was set stands out by the default beside it. */
static OWN_FRAME void put_settings(struct out *out, const struct settings *settings)
{
	heading(out, "Settings");
	for (unsigned i = 0; i < option_count(); i++) {
		const struct option_info *option = option_at(i);
		const char *text = option_text(option, settings);
		out_str(out, "  ");
		out_str(out, option->variable);
		out_pad(out, 26);
		if (text != NULL)
			put_plain(out, text);
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
	struct metrics m = metrics_derive(s);
	put_title(out, s);
	put_risk(out, s);
	put_pool(out, s, &m);
	put_pressure(out, s);
	put_process(out, &s->process);
	put_upkeep(out, s);
	put_advice(out, s);
	if (s->track.is_active)
		put_sites(out, &s->track);
	if (s->pool.is_active) {
		put_classes(out, &s->pool);
		put_buffers(out, s, &m);
		put_heap(out, &s->pool, &m);
	}
	if (s->track.is_active) {
		put_lifetimes(out, &s->track.lifetimes);
		put_tracking(out, &s->track.counters);
	}
	put_settings(out, s->settings);
	out_char(out, '\n');
	label(out, "program");
	put_plain(out, s->exe);
	out_str(out, "\n");
	label(out, "started");
	out_time_rfc3339(out, s->started_at_ns);
	out_str(out, ", boot ");
	put_plain(out, s->boot_id);
	out_str(out, "\n");
	out_flush(out);
}
