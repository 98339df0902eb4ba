/*
 * advice.c -- what to do, said only where the facts behind it hold.
 *
 * One row a piece of advice: its code, how grave it is, and a function that
 * looks at the facts, writes the text with the figures that it went by, and says whether it
 * holds. Rows are in order of gravity; when more hold than a snapshot has room for,
 * the last ones go. Runs in the dump's signal handler: pure, no allocation, no stdio.
 */
#include <string.h>

#include "report/metrics.h"
#include "track/risk.h"

/* Use of a limit from which it is near: a burst of a tenth reaches it. */
#define NEAR_LIMIT 0.9

/* Less idle memory than this is not worth anybody's time. */
#define IDLE_WORTH_BYTES (64 * MIB)

/* So many requests until a rate says something; below this share reuse is low:
 * most requests then go to the heap of runs, the slower way. */
#define REUSE_REQUESTS_MIN 10000
#define REUSE_LOW 0.5
/* With a class that has this share of the requests, it is not the sizes that are too many. */
#define BUSIEST_SHARE_MAX 0.25

#define FREE_WORTH_BYTES (32 * MIB)

static void put_of(struct out *out, uint64_t used_bytes, uint64_t limit_bytes)
{
	out_size_human(out, used_bytes);
	out_str(out, " of ");
	out_size_human(out, limit_bytes);
}

/* A pool of libweir has members of struct weir_pool_config instead of variables. */
static void put_name(struct out *out, const struct snapshot *snapshot, const char *variable)
{
	static const struct {
		const char *variable, *member;
	} members[] = {
	    {"WEIR_POOL_LIMIT", "max_bytes"},
	    {"WEIR_MAX_BUFFERS", "max_buffers"},
	    {"WEIR_MAX_IDLE", "max_idle_ns"},
	};

	if (snapshot->pool_name != NULL)
		for (unsigned i = 0; i < ARRAY_LENGTH(members); i++)
			if (strcmp(members[i].variable, variable) == 0)
				variable = members[i].member;
	out_str(out, variable);
}

static void put_setting(struct out *out, const struct snapshot *snapshot, const char *variable)
{
	put_name(out, snapshot, variable);
	out_str(out, " (");
	option_write_value(out, option_find(variable), snapshot->settings);
	out_char(out, ')');
}

/* What to raise where the pool may hold too little; auto is what the memory limit leaves. */
static void put_bytes_limit(struct out *out, const struct snapshot *s)
{
	if (s->pool_name == NULL && s->settings->pool_limit == 0)
		out_str(out, "the memory limit (WEIR_POOL_LIMIT is auto)");
	else
		put_setting(out, s, "WEIR_POOL_LIMIT");
}

static bool is_near(uint64_t used, uint64_t limit)
{
	return limit != 0 && limit != UINT64_MAX && (double)used >= NEAR_LIMIT * (double)limit;
}

static void put_pressure(struct out *out, const struct pressure *p)
{
	out_decimal(out, p->value, 2);
	if (strcmp(p->source, "psi") == 0) {
		out_str(out, ": in the last 10 s some task waited for memory ");
		out_percent(out, p->psi_some_avg10);
		out_str(out, " of the time, all of them ");
		out_percent(out, p->psi_full_avg10);
	} else {
		out_str(out, " by ");
		out_str(out, p->source);
		out_str(out, ": ");
		put_of(out, p->used_bytes, p->limit_bytes);
	}
}

static bool pressure_critical(const struct snapshot *s, const struct metrics *m, struct out *out)
{
	if (s->pressure.level != PRESSURE_CRITICAL)
		return false;
	out_str(out, "Memory is nearly gone (");
	put_pressure(out, &s->pressure);
	out_str(out, "). The pool holds ");
	put_of(out, m->idle_bytes, m->total_allocated_bytes);
	out_str(out, " idle, which goes back now. Raise the memory limit or lower ");
	put_name(out, s, "WEIR_POOL_LIMIT");
	out_char(out, '.');
	return true;
}

/* The process's level is that high, and there is a site to name. */
static const struct track_site *site_at_risk(const struct snapshot *s, unsigned level)
{
	const struct track_risk *risk = &s->track.risk;
	if (!metrics_is_risk_known(s) || risk->level != level)
		return NULL;
	return metrics_site(s, risk->guilty_site);
}

static uint64_t whole(double value)
{
	return (uint64_t)MIN(MAX(value, 0.0), 1e18);
}

/* Where, how much, how fast, how long: in as many words as fit. */
static void put_leak(struct out *out, const struct snapshot *s, const struct track_site *site)
{
	double rate = MAX(site->growth_bytes_per_hour, site->stuck_bytes_per_hour);
	out_str(out, "Site ");
	out_hex(out, site->id);
	out_str(out, " (");
	out_str(out, site->reason);
	out_str(out, ") holds ");
	out_size_human(out, whole(site->live_bytes));
	out_str(out, " in ");
	out_number_of(out, whole(site->live_objects), "object");
	if (rate > 0) {
		out_str(out, ", ");
		out_size_human(out, whole(rate));
		out_str(out, " more an hour");
	}
	if (s->track.risk.time_to_limit_seconds >= 0) {
		out_str(out, "; the memory limit is reached in ");
		out_time_left(out, s->track.risk.time_to_limit_seconds);
	}
}

static bool leak_likely(const struct snapshot *s, const struct metrics *m UNUSED, struct out *out)
{
	const struct track_site *site = site_at_risk(s, RISK_HIGH);
	if (site == NULL)
		return false;
	put_leak(out, s, site);
	out_str(out, ". Not all of it is freed: see its stack; weir report names the lines.");
	return true;
}

static bool leak_possible(const struct snapshot *s, const struct metrics *m UNUSED, struct out *out)
{
	const struct track_site *site = site_at_risk(s, RISK_MEDIUM);
	/* A sure leak that is small beside the memory limit: the process is not at risk, and yet. */
	if (site == NULL && metrics_is_risk_known(s) && s->track.risk.level == RISK_LOW &&
	    s->track.site_count > 0 && s->track.sites[0].level == RISK_HIGH)
		site = &s->track.sites[0];
	if (site == NULL)
		return false;
	put_leak(out, s, site);
	out_str(out,
	    site->level == RISK_HIGH
		? ". Not all of it is freed, but it is little beside the memory limit: see its stack with "
		  "weir report."
		: ". It may be a leak; look again in some hours, and at its stack with weir report.");
	return true;
}

static bool misuse_survived(const struct snapshot *s, const struct metrics *m UNUSED, struct out *out)
{
	/* A refused purge counts as an error too, and has advice of its own. */
	uint64_t misuses = s->pool.errors - MIN(s->pool.errors, s->pool.purges_refused);
	if (misuses == 0 || s->pool_name != NULL || s->settings->on_misuse != ON_MISUSE_WARN)
		return false;
	out_number_of(out, misuses, "double or wild free");
	out_str(out,
	    " survived, since WEIR_ON_MISUSE is warn. Each is a line on stderr that names the buffer. It is an "
	    "error of the program, which may have damaged its data: correct it.");
	return true;
}

static bool unknown_ids(const struct snapshot *s, const struct metrics *m UNUSED, struct out *out)
{
	if (s->unknown_ids == 0)
		return false;
	out_number_of(out, s->unknown_ids, "call");
	out_str(out,
	    " named a buffer that is not out: released twice, or never handed out. Nothing was damaged, but it "
	    "is an error of the program: correct it.");
	return true;
}

static bool no_range(const struct snapshot *s, const struct metrics *m UNUSED, struct out *out)
{
	if (s->pool.is_active || !s->settings->enable)
		return false;
	out_str(out,
	    "The pool has no address range, so jemalloc serves everything. Raise the limit on address space "
	    "(ulimit -v) and start again.");
	return true;
}

static bool pressure_medium(const struct snapshot *s, const struct metrics *m, struct out *out)
{
	if (s->pressure.level != PRESSURE_MEDIUM)
		return false;
	out_str(out, "Memory is getting scarce (");
	put_pressure(out, &s->pressure);
	out_str(out, "). The pool holds ");
	put_of(out, m->idle_bytes, m->total_allocated_bytes);
	out_str(out, " idle and gives back what it does not need. Plan for a higher limit or fewer streams.");
	return true;
}

static bool temporary_buffers(const struct snapshot *s, const struct metrics *m, struct out *out)
{
	const struct pool_stats *pool = &s->pool;
	/* What was committed stays so: the pool never held more than that. */
	bool was_near_bytes = is_near(pool->committed_bytes, pool->limit_bytes);
	if (pool->temporary_buffers == 0)
		return false;
	out_number_of(out, pool->temporary_buffers, "request");
	out_str(out, " found the pool full and got a temporary buffer");
	out_str(out, s->pool_name == NULL ? " from jemalloc. " : ". ");
	if (is_near(m->buffer_count, pool->limit_buffers)) {
		out_str(out, "The pool has ");
		out_count(out, m->buffer_count);
		out_str(out, " buffers: raise ");
		put_setting(out, s, "WEIR_MAX_BUFFERS");
	} else if (is_near(m->total_allocated_bytes, pool->limit_bytes)) {
		out_str(out, "It holds ");
		put_of(out, m->total_allocated_bytes, pool->limit_bytes);
		out_str(out, ": raise ");
		put_bytes_limit(out, s);
	} else if (!was_near_bytes && pool->limit_buffers == 0) {
		out_str(out,
		    "No limit of Weir's was near, so the kernel refused memory or the range was used up: look at "
		    "ulimit -v and vm.overcommit_memory");
	} else {
		out_str(out, "It has room now; if bursts like that are normal, raise ");
		if (was_near_bytes)
			put_bytes_limit(out, s);
		if (was_near_bytes && pool->limit_buffers != 0)
			out_str(out, " or ");
		if (pool->limit_buffers != 0)
			put_setting(out, s, "WEIR_MAX_BUFFERS");
	}
	out_char(out, '.');
	return true;
}

static bool pool_limit_near(const struct snapshot *s, const struct metrics *m, struct out *out)
{
	/* In use, since what is idle makes room. */
	if (!is_near(m->total_used_bytes, s->pool.limit_bytes))
		return false;
	put_of(out, m->total_used_bytes, s->pool.limit_bytes);
	out_str(out, " that the pool may hold are in use. Requests past that ");
	out_str(out, s->pool_name == NULL ? "go to jemalloc" : "get temporary buffers");
	out_str(out, ". Raise ");
	put_bytes_limit(out, s);
	out_str(out, ", or look at the oldest buffers for some that should be gone.");
	return true;
}

static bool buffer_limit_near(const struct snapshot *s, const struct metrics *m UNUSED, struct out *out)
{
	if (!is_near(s->pool.buffers_in_use, s->pool.limit_buffers))
		return false;
	out_count(out, s->pool.buffers_in_use);
	out_str(out, " of ");
	out_count(out, s->pool.limit_buffers);
	out_str(out, " buffers that the pool may have are in use. Requests past that ");
	out_str(out, s->pool_name == NULL ? "go to jemalloc" : "get temporary buffers");
	out_str(out, ". Raise ");
	put_setting(out, s, "WEIR_MAX_BUFFERS");
	out_char(out, '.');
	return true;
}

static bool purge_refused(const struct snapshot *s, const struct metrics *m, struct out *out)
{
	if (s->pool.purges_refused == 0)
		return false;
	out_str(out, "The kernel refused ");
	out_number_of(out, s->pool.purges_refused, "time");
	out_str(out, " to take pages back (locked memory, or a seccomp filter without madvise), so of ");
	out_size_human(out, m->idle_bytes);
	out_str(out,
	    " idle some or all stay resident. Unlock memory before it is freed, allow madvise, or lower ");
	put_name(out, s, "WEIR_POOL_LIMIT");
	out_char(out, '.');
	return true;
}

static bool fragmentation(const struct snapshot *s, const struct metrics *m UNUSED, struct out *out)
{
	const struct pool_stats *pool = &s->pool;
	uint64_t largest_request = s->settings->max_buffer_size;
	if (metrics_is_risk_known(s) && s->track.risk.is_fragmenting) {
		out_str(out, "Resident memory grows by ");
		out_size_human(out, whole(s->track.risk.idle_growth_bytes_per_hour));
		out_str(out,
		    " an hour beyond what the program holds: not a leak, but memory that is free and does not go "
		    "back. weir trim returns what can be returned.");
		return true;
	}
	if (pool->free_hot_bytes < FREE_WORTH_BYTES || pool->largest_free_bytes >= largest_request)
		return false;
	out_size_human(out, pool->free_hot_bytes);
	out_str(out, " are free and resident in ");
	out_count(out, pool->free_runs_hot);
	out_str(out, " pieces, but the largest free run is ");
	out_size_human(out, pool->largest_free_bytes);
	out_str(out, ": none can serve WEIR_MAX_BUFFER_SIZE. Lower ");
	put_setting(out, s, "WEIR_MAX_IDLE");
	out_str(out, " to give pieces back sooner.");
	return true;
}

/* Tables that are full or births that went unseen: what is said of sites is less sure then. */
static bool tracking_limited(const struct snapshot *s, const struct metrics *m UNUSED, struct out *out)
{
	const struct track_counters *c = &s->track.counters;
	uint64_t unseen = c->samples_dropped + c->deaths_lost + c->modules_left_out;
	if (!s->track.is_active || (unseen == 0 && c->sites_left_out == 0))
		return false;
	if (c->sites_left_out != 0) {
		out_number_of(out, c->sites_left_out, "sample");
		out_str(out, " were counted by module, since all ");
		out_count(out, c->sites_max);
		out_str(out, " rows of call sites were taken. ");
	}
	if (unseen != 0) {
		out_count(out, unseen);
		out_str(out, " samples, deaths or modules found no room. ");
	}
	out_str(out, "A leak among them is seen later, or only as one of its module.");
	return true;
}

/* Few sizes and little reuse: buffers are taken and freed many at once, which no choice of sizes cures. */
static bool has_many_sizes(const struct pool_stats *pool)
{
	uint64_t busiest = 0;
	for (unsigned i = 0; i < pool->class_count; i++)
		busiest = MAX(busiest, pool->classes[i].allocations);
	return (double)busiest < BUSIEST_SHARE_MAX * (double)pool->allocations;
}

static bool low_reuse(const struct snapshot *s, const struct metrics *m, struct out *out)
{
	if (s->pool_name != NULL || s->pool.allocations < REUSE_REQUESTS_MIN || m->reuse_rate >= REUSE_LOW ||
	    !has_many_sizes(&s->pool))
		return false;
	out_str(out, "Only ");
	out_percent(out, m->reuse_rate);
	out_str(out, " of ");
	out_count(out, s->pool.allocations);
	out_str(out,
	    " requests found a buffer of their size ready. If the program lets you choose buffer sizes, choose "
	    "fewer different ones; the classes below show which are asked for.");
	return true;
}

static bool idle_memory(const struct snapshot *s, const struct metrics *m, struct out *out)
{
	/* Where purges are refused nothing goes back, which has advice of its own. */
	if (m->idle_bytes < IDLE_WORTH_BYTES || m->idle_bytes / 2 < m->total_used_bytes ||
	    s->pool.purges_refused != 0)
		return false;
	out_size_human(out, m->idle_bytes);
	out_str(out, " are idle beside ");
	out_size_human(out, m->total_used_bytes);
	if (s->background != NULL && strcmp(s->background, "inline") == 0) {
		out_str(out,
		    " in use. Maintenance is inline, done in requests of the program: while it asks for nothing, "
		    "nothing goes back. WEIR_BACKGROUND=always gives it a thread.");
		return true;
	}
	if (s->pool_name != NULL) {
		out_str(
		    out, " in use, kept for the next burst. They go back when they were idle for so long: ");
		put_setting(out, s, "WEIR_MAX_IDLE");
		out_str(out, "; or at once by weir_pool_clean_up().");
		return true;
	}
	out_str(out,
	    " in use, kept for the next burst. If none comes, they go back in about a monitor interval; to have "
	    "them back sooner, lower ");
	put_setting(out, s, "WEIR_MONITOR_INTERVAL");
	out_char(out, '.');
	return true;
}

static bool fallback_idle(const struct snapshot *s, const struct metrics *m UNUSED, struct out *out)
{
	const struct fallback_stats *f = &s->fallback;
	uint64_t idle = f->resident_bytes - MIN(f->resident_bytes, f->allocated_bytes);
	if (!f->is_known || idle < IDLE_WORTH_BYTES || idle / 2 < f->allocated_bytes)
		return false;
	out_str(out, "jemalloc keeps ");
	out_size_human(out, f->resident_bytes);
	out_str(out, " resident for ");
	out_size_human(out, f->allocated_bytes);
	out_str(
	    out, " allocated. MALLOC_CONF=dirty_decay_ms:1000,muzzy_decay_ms:0 makes it give back sooner.");
	return true;
}

static const struct {
	const char *code, *severity;
	bool (*holds)(const struct snapshot *, const struct metrics *, struct out *);
} rows[] = {
    {"PRESSURE_CRITICAL", "critical", pressure_critical},
    {"LEAK_LIKELY", "critical", leak_likely},
    {"MISUSE_SURVIVED", "critical", misuse_survived},
    {"UNKNOWN_IDS", "critical", unknown_ids},
    {"NO_RANGE", "warning", no_range},
    {"LEAK_POSSIBLE", "warning", leak_possible},
    {"PRESSURE_MEDIUM", "warning", pressure_medium},
    {"TEMPORARY_BUFFERS", "warning", temporary_buffers},
    {"POOL_LIMIT_NEAR", "warning", pool_limit_near},
    {"BUFFER_LIMIT_NEAR", "warning", buffer_limit_near},
    {"PURGE_REFUSED", "warning", purge_refused},
    {"FRAGMENTATION", "info", fragmentation},
    {"TRACKING_LIMITED", "info", tracking_limited},
    {"LOW_REUSE", "info", low_reuse},
    {"IDLE_MEMORY", "info", idle_memory},
    {"FALLBACK_IDLE", "info", fallback_idle},
};

void advice_derive(struct snapshot *snapshot)
{
	struct metrics m = metrics_derive(snapshot);
	snapshot->advice_count = 0;
	for (unsigned i = 0; i < ARRAY_LENGTH(rows) && snapshot->advice_count < SNAPSHOT_ADVICE_MAX; i++) {
		struct advice *advice = &snapshot->advice[snapshot->advice_count];
		struct out out;
		out_init(&out, -1, advice->text, sizeof(advice->text) - 1);
		if (!rows[i].holds(snapshot, &m, &out))
			continue;
		advice->text[out.used] = '\0';
		advice->code = rows[i].code;
		advice->severity = rows[i].severity;
		snapshot->advice_count++;
	}
}
