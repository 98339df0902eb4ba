/*
 * write_openmetrics.c -- a snapshot as metrics: OpenMetrics 1.0, and Prometheus' text form.
 *
 * Names follow Prometheus' conventions: weir_ in front, base units, _total on counters, ratios
 * in 0..1. Every sample carries program and pid, so that files of several processes go
 * together into one collector; none carries a stack or an address, and none a timestamp.
 * What is not known is left out.
 *
 * The two forms differ in one thing. Where a family is a counter, OpenMetrics has _total at
 * its samples only, and the text form at the name in HELP and TYPE as well; no text can be
 * right in both. The closing "# EOF" is a comment to whoever reads the text form.
 *
 * Runs in the dump's signal handler: no allocation, no stdio.
 */
#include "base/clock.h"
#include "report/metrics.h"

struct writer {
	struct out *out;
	const struct snapshot *snapshot;
	bool is_prometheus;
};

enum kind { GAUGE, COUNTER };

/* A label's value: escaped as both forms want it. */
static void put_escaped(struct out *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\\' || c == '"')
			out_char(out, '\\');
		if (c == '\n')
			out_str(out, "\\n");
		else
			/* Neither form takes what is not UTF-8, and a name may be any bytes. */
			out_char(out, c < 0x80 ? *text : '?');
	}
}

static OWN_FRAME void family(
    const struct writer *w, const char *name, enum kind kind, const char *unit, const char *help)
{
	bool is_total_named = kind == COUNTER && w->is_prometheus;
	static const char *const tags[] = {"# HELP weir_", "# TYPE weir_", "# UNIT weir_"};
	const char *const texts[] = {help, kind == COUNTER ? "counter" : "gauge", unit};

	for (unsigned i = 0; i < ARRAY_LENGTH(tags); i++) {
		if (texts[i] == NULL || (i == 2 && w->is_prometheus))
			continue;
		out_str(w->out, tags[i]);
		out_str(w->out, name);
		out_str(w->out, is_total_named ? "_total " : " ");
		out_str(w->out, texts[i]);
		out_char(w->out, '\n');
	}
}

static void put_label(const struct writer *w, const char *label, const char *value)
{
	out_str(w->out, ",");
	out_str(w->out, label);
	out_str(w->out, "=\"");
	put_escaped(w->out, value);
	out_char(w->out, '"');
}

static OWN_FRAME void begin(const struct writer *w, const char *name, enum kind kind)
{
	out_str(w->out, "weir_");
	out_str(w->out, name);
	out_str(w->out, kind == COUNTER ? "_total{program=\"" : "{program=\"");
	put_escaped(w->out, metrics_program_name(w->snapshot));
	out_str(w->out, "\",pid=\"");
	out_u64(w->out, w->snapshot->pid);
	out_char(w->out, '"');
}

static void end(const struct writer *w, uint64_t number)
{
	out_str(w->out, "} ");
	out_u64(w->out, number);
	out_char(w->out, '\n');
}

/* label NULL: none beside program and pid. */
static void count(const struct writer *w, const char *name, enum kind kind, const char *label,
    const char *value, uint64_t number)
{
	begin(w, name, kind);
	if (label != NULL)
		put_label(w, label, value);
	end(w, number);
}

static void decimal(const struct writer *w, const char *name, double number, unsigned decimals)
{
	begin(w, name, GAUGE);
	out_str(w->out, "} ");
	out_decimal(w->out, number, decimals);
	out_char(w->out, '\n');
}

static void bytes(const struct writer *w, const char *name, uint64_t number, const char *help)
{
	family(w, name, GAUGE, "bytes", help);
	count(w, name, GAUGE, NULL, NULL, number);
}

static void gauge(const struct writer *w, const char *name, uint64_t number, const char *help)
{
	family(w, name, GAUGE, NULL, help);
	count(w, name, GAUGE, NULL, NULL, number);
}

static void counter(
    const struct writer *w, const char *name, const char *unit, uint64_t number, const char *help)
{
	family(w, name, COUNTER, unit, help);
	count(w, name, COUNTER, NULL, NULL, number);
}

static void ratio(const struct writer *w, const char *name, double number, const char *help)
{
	family(w, name, GAUGE, "ratio", help);
	decimal(w, name, number, 4);
}

static OWN_FRAME void put_process(const struct writer *w)
{
	const struct snapshot *s = w->snapshot;

	family(w, "build_info", GAUGE, NULL, "Which Weir it is; always 1.");
	count(w, "build_info", GAUGE, "version", WEIR_VERSION, 1);
	family(w, "start_time_seconds", GAUGE, "seconds", "Unix time at which Weir came up in the process.");
	decimal(w, "start_time_seconds", (double)s->started_at_ns / (double)SECOND, 3);
	family(w, "last_update_time_seconds", GAUGE, "seconds", "Unix time of these figures.");
	decimal(w, "last_update_time_seconds", (double)s->taken_at_ns / (double)SECOND, 3);
	if (s->process.rss_bytes == 0)
		return;
	bytes(w, "process_resident_bytes", s->process.rss_bytes, "Resident memory of the whole process.");
	gauge(w, "process_threads", s->process.threads, "Threads of the process.");
	family(w, "process_page_faults", COUNTER, NULL, "Page faults since the process began.");
	count(w, "process_page_faults", COUNTER, "kind", "minor", s->process.minor_faults);
	count(w, "process_page_faults", COUNTER, "kind", "major", s->process.major_faults);
}

static OWN_FRAME void put_pool(const struct writer *w)
{
	const struct pool_stats *p = &w->snapshot->pool;
	struct metrics m = metrics_derive(w->snapshot);

	bytes(
	    w, "pool_held_bytes", m.total_allocated_bytes, "Memory of the pool's buffers, in use and idle.");
	bytes(w, "pool_in_use_bytes", p->in_use_bytes, "Capacity of the buffers that the program holds.");
	bytes(w, "pool_requested_bytes", p->requested_bytes, "What was asked for of the same.");
	bytes(w, "pool_idle_bytes", m.idle_bytes, "Memory that idles: in magazines, slabs and free runs.");
	bytes(w, "pool_resident_bytes", m.resident_bytes,
	    "Most that the pool can have resident, its own tables included.");
	bytes(w, "pool_metadata_bytes", p->metadata_bytes, "Most that its own tables can have resident.");
	bytes(w, "pool_limit_bytes", p->limit_bytes, "The limit of the pool that is in force.");
	gauge(w, "pool_buffers_in_use", p->buffers_in_use, "Buffers that the program holds.");
	gauge(w, "pool_buffers_idle", p->buffers_idle, "Buffers in magazines.");
	ratio(w, "pool_utilization_ratio", m.pool_utilization, "Bytes in use of those held.");
	ratio(w, "pool_reuse_ratio", m.reuse_rate, "Requests that needed no new buffer, of all since start.");
	ratio(w, "pool_fragmentation_ratio", m.fragmentation, "Free bytes outside of the largest free run.");
	counter(w, "pool_allocations", NULL, p->allocations, "Requests that the pool served.");
	counter(
	    w, "pool_buffers_created", NULL, p->creations, "Of these, requests that needed a new buffer.");
	counter(w, "pool_temporary_buffers", NULL, p->temporary_buffers,
	    "Requests past a limit, which jemalloc served.");
	counter(w, "pool_purged_bytes", "bytes", p->purged_bytes, "Memory given back to the kernel.");
	counter(w, "pool_request_purges", NULL, p->request_purges,
	    "Purges that requests of the program waited for.");
	counter(w, "pool_slow_request_purges", NULL, p->slow_request_purges, "Of these, longer than 50 us.");
	family(w, "pool_longest_request_purge_seconds", GAUGE, "seconds", "The longest of these.");
	decimal(
	    w, "pool_longest_request_purge_seconds", (double)p->longest_request_purge_ns / (double)SECOND, 6);
	counter(w, "pool_collections", NULL, p->gc_count, "Collections.");
	counter(w, "pool_errors", NULL, p->errors, "Misuse and kernel errors that were survived.");
	counter(
	    w, "pool_lock_contentions", NULL, p->lock_contentions, "Times that an arena's lock was taken.");
}

static void put_class_value(const struct writer *w, uint64_t size, const char *state, uint64_t buffers)
{
	begin(w, "pool_class_buffers", GAUGE);
	put_label(w, "state", state);
	out_str(w->out, ",size_bytes=\"");
	out_u64(w->out, size);
	out_char(w->out, '"');
	end(w, buffers);
}

static OWN_FRAME void put_classes(const struct writer *w)
{
	const struct pool_stats *p = &w->snapshot->pool;
	bool has_family = false;

	for (unsigned i = 0; i < p->class_count; i++) {
		const struct pool_class_stats *c = &p->classes[i];

		if (c->in_use == 0 && c->idle == 0 && c->allocations == 0)
			continue;
		if (!has_family)
			family(w, "pool_class_buffers", GAUGE, NULL, "Buffers by size class.");
		has_family = true;
		put_class_value(w, c->size_bytes, "in_use", c->in_use);
		put_class_value(w, c->size_bytes, "idle", c->idle);
	}
}

static OWN_FRAME void put_pressure(const struct writer *w)
{
	const struct snapshot *s = w->snapshot;

	if (s->pressure.source == NULL)
		return;
	ratio(w, "memory_pressure_ratio", s->pressure.value,
	    "How scarce memory is; from 0.7 low, 0.8 medium, 0.92 critical.");
	gauge(w, "memory_pressure_level", s->pressure.level, "0 none, 1 low, 2 medium, 3 critical.");
	if (s->pressure.limit_bytes != 0 && s->pressure.limit_bytes != UINT64_MAX) {
		bytes(w, "memory_used_bytes", s->pressure.used_bytes, "What was compared with the limit.");
		bytes(w, "memory_limit_bytes", s->pressure.limit_bytes, "The limit that is nearest.");
	}
	if (s->pressure.has_psi) {
		ratio(w, "memory_stalled_some_ratio", s->pressure.psi_some_avg10,
		    "Time of the last 10 s in which some task waited for memory.");
		ratio(w, "memory_stalled_full_ratio", s->pressure.psi_full_avg10,
		    "The same for all tasks at once.");
	}
}

static OWN_FRAME void put_fallback(const struct writer *w)
{
	const struct fallback_stats *f = &w->snapshot->fallback;

	if (!f->is_known)
		return;
	bytes(w, "jemalloc_allocated_bytes", f->allocated_bytes, "What jemalloc has handed out.");
	bytes(w, "jemalloc_active_bytes", f->active_bytes, "Pages that hold some of it.");
	bytes(w, "jemalloc_resident_bytes", f->resident_bytes, "What jemalloc has resident.");
	bytes(w, "jemalloc_retained_bytes", f->retained_bytes, "Address space that it keeps.");
	bytes(w, "jemalloc_metadata_bytes", f->metadata_bytes, "Its own tables.");
}

static OWN_FRAME void put_risk(const struct writer *w)
{
	const struct track_snapshot *track = &w->snapshot->track;
	const struct track_risk *risk = &track->risk;
	uint64_t high = 0, medium = 0;

	if (!metrics_is_risk_known(w->snapshot))
		return;
	for (unsigned i = 0; i < track->site_count; i++) {
		high += track->sites[i].level == 2;
		medium += track->sites[i].level == 1;
	}
	ratio(w, "leak_risk_ratio", risk->score, "How likely it is that the process leaks memory.");
	gauge(w, "leak_risk_level", risk->level, "0 LOW, 1 MEDIUM, 2 HIGH.");
	ratio(w, "leak_risk_confidence_ratio", risk->confidence, "How much there is to judge by.");
	family(w, "live_growth_bytes_per_second", GAUGE, NULL, "How fast live memory grows, in scaled time.");
	begin(w, "live_growth_bytes_per_second", GAUGE);
	out_str(w->out, "} ");
	out_decimal(w->out, risk->growth_bytes_per_hour / 3600, 3);
	out_char(w->out, '\n');
	if (risk->time_to_limit_seconds >= 0) {
		family(w, "time_to_limit_seconds", GAUGE, "seconds",
		    "When live memory meets the memory limit, if it goes on to grow so.");
		decimal(w, "time_to_limit_seconds", risk->time_to_limit_seconds, 0);
	}
	family(w, "sites_at_risk", GAUGE, NULL, "Call sites by level, of those most at risk.");
	count(w, "sites_at_risk", GAUGE, "level", "medium", medium);
	count(w, "sites_at_risk", GAUGE, "level", "high", high);
}

static OWN_FRAME void write_all(struct out *out, const struct snapshot *snapshot, bool is_prometheus)
{
	struct writer w = {out, snapshot, is_prometheus};

	put_process(&w);
	put_risk(&w);
	put_pool(&w);
	put_classes(&w);
	put_pressure(&w);
	put_fallback(&w);
	out_str(out, "# EOF\n");
}

void write_openmetrics(struct out *out, const struct snapshot *snapshot)
{
	write_all(out, snapshot, false);
}

void write_prometheus(struct out *out, const struct snapshot *snapshot)
{
	write_all(out, snapshot, true);
}
