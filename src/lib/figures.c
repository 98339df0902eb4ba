/*
 * figures.c -- a pool's figures, what to do about them, and health.
 *
 * All of it goes through one snapshot as the dumps have it (src/report), filled with a pool's facts
 * instead of the engine's, so that a metric, a recommendation and a share mean the same here and
 * there. The snapshot is large, so there is one, under LOCK_health. Pool NULL: the engine's own
 * facts. Not for signal handlers: takes locks, and reads a file for the process's figures.
 */
#include <string.h>

#include "base/clock.h"
#include "lib/config.h"
#include "lib/engine.h"
#include "lib/state.h"
#include "report/metrics.h"

#define JSON_BYTES ((size_t)16 << 10)

static struct {
	struct lock lock; /* LOCK_health; all below is under it */
	struct settings settings;
	struct snapshot snapshot;
	struct weir_health health;
	char json[JSON_BYTES];
} figures;

void figures_fork_prepare(void)
{
	lock_acquire(&figures.lock);
}

void figures_fork_done(bool is_child)
{
	if (is_child)
		lock_reset(&figures.lock);
	else
		lock_release(&figures.lock);
}

/* --- the snapshot ----------------------------------------------------------------------------- */

static uint64_t sum_errors(struct weir_pool *pool)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < POOL_ERRORS; i++)
		sum += atomic_load_explicit(&pool->errors[i], memory_order_relaxed);
	return sum;
}

/* The pool's lock is held. */
static void fill_stats(struct weir_pool *pool, struct pool_stats *stats)
{
	struct held held = spread_settle(pool);

	*stats = (struct pool_stats){
	    .is_active = true,
	    .buffers_in_use = pool->in_use,
	    .buffers_idle = pool->idle.count + held.count,
	    .in_use_bytes = pool->in_use_bytes,
	    .idle_bytes = pool->idle.bytes + held.bytes,
	    .limit_bytes = pool->config.max_bytes,
	    .limit_buffers = pool->config.max_buffers,
	    .metadata_bytes = sizeof(*pool) + MAX(pool->slots_made, SLOTS_FIRST) * sizeof(struct slot) -
			      SLOTS_FIRST * sizeof(struct slot),
	    .allocations = pool->allocations,
	    .creations = pool->allocations - pool->reuses,
	    .temporary_buffers = pool->temporaries,
	    .purged_bytes = pool->purged_bytes,
	    .purges_refused =
		atomic_load_explicit(&pool->errors[POOL_ERROR_PURGE_REFUSED], memory_order_relaxed),
	    .gc_count = pool->gc_count,
	};
}

static enum pressure_level level_of(const struct weir_pressure *pressure)
{
	return (enum pressure_level)pressure->level;
}

static void fill_pressure(struct pressure *to, const struct weir_pressure *from)
{
	*to = (struct pressure){
	    .level = level_of(from),
	    .source = from->source,
	    .value = from->value,
	    .used_bytes = from->used_bytes,
	    .limit_bytes = from->limit_bytes,
	    .psi_some_avg10 = from->psi_some_avg10,
	    .psi_full_avg10 = from->psi_full_avg10,
	};
}

struct leak {
	double score, confidence, growth_bytes_per_hour;
	double live_objects, live_bytes;
	double time_to_limit_seconds; /* negative: it does not grow */
	enum risk_level level;
	const char *reason;
};

/* What is asked for besides the snapshot. */
struct more {
	struct weir_pressure pressure; /* the snapshot points into it */
	struct leak leak;
	uint64_t temporary_in_use;
};

/* The interposer judges the process by its call sites; an engine of our own is not tracked. */
static void take_process_risk(const struct snapshot *s, struct more *more)
{
	const struct track_risk *risk = &s->track.risk;

	more->leak = (struct leak){
	    .reason = risk_reason_name(RISK_INSUFFICIENT),
	    .time_to_limit_seconds = -1,
	};
	if (!metrics_is_risk_known(s))
		return;
	more->leak.score = risk->score;
	more->leak.confidence = risk->confidence;
	more->leak.level = (enum risk_level)risk->level;
	more->leak.reason = risk->reason;
	more->leak.time_to_limit_seconds = risk->time_to_limit_seconds;
}

static double time_to_limit(const struct weir_pressure *pressure, double bytes_per_hour)
{
	double left;

	if (bytes_per_hour <= 0 || pressure->limit_bytes == 0 || pressure->limit_bytes == UINT64_MAX)
		return -1;
	left = (double)(pressure->limit_bytes - MIN(pressure->used_bytes, pressure->limit_bytes));
	return left / bytes_per_hour * 3600;
}

/* The pool's lock is held. */
static void take_pool_risk(const struct weir_pool *pool, struct more *more)
{
	const struct risk_site *risk = &pool->risk;

	more->leak = (struct leak){
	    .score = risk->score,
	    .confidence = risk->confidence,
	    .growth_bytes_per_hour = risk->growth_bytes_per_hour,
	    .live_objects = risk->live_objects,
	    .live_bytes = risk->live_bytes,
	    .time_to_limit_seconds = time_to_limit(&pool->pressure, risk->growth_bytes_per_hour),
	    .level = risk->level,
	    .reason = risk_reason_name(risk->reason),
	};
}

/* LOCK_health is held. */
static void gather(struct weir_pool *pool, struct more *more)
{
	const struct engine *engine = engine_get();
	struct snapshot *s = &figures.snapshot;
	bool has_swap;

	memset(s, 0, sizeof(*s));
	memset(more, 0, sizeof(*more));
	figures.settings = *engine->settings;
	s->settings = &figures.settings;
	s->trigger = TRIGGER_API;
	s->taken_at_ns = clock_unix_now_ns();
	s->started_at_ns = clock_started_at_ns();
	s->uptime_ns = clock_now_ns();
	s->now_ticks = clock_now_ticks();
	if (pool == NULL) {
		engine->collect(&s->pool, NULL, 0);
		monitor_look(&more->pressure, &has_swap);
		if (engine->track != NULL)
			engine->track(&s->track);
		take_process_risk(s, more);
	} else {
		s->pool_name = pool->name;
		config_as_settings(&pool->config, &figures.settings);
		lock_acquire(&pool->lock);
		fill_stats(pool, &s->pool);
		more->pressure = pool->pressure;
		take_pool_risk(pool, more);
		more->temporary_in_use = pool->temporary_in_use;
		lock_release(&pool->lock);
		s->pool.errors = sum_errors(pool);
		s->unknown_ids =
		    atomic_load_explicit(&pool->errors[POOL_ERROR_NOT_FOUND], memory_order_relaxed);
	}
	fill_pressure(&s->pressure, &more->pressure);
	s->background = NULL;
}

/* --- metrics ---------------------------------------------------------------------------------- */

/* How full the limits are, temporary buffers aside. */
static double limit_share(const struct snapshot *s, const struct metrics *m)
{
	double by_count =
	    s->pool.limit_buffers == 0 ? 0 : (double)m->buffer_count / (double)s->pool.limit_buffers;

	return MIN(MAX(by_count, m->limit_utilization), 1.0);
}

int weir_pool_metrics(struct weir_pool *pool, struct weir_pool_metrics *metrics)
{
	const struct snapshot *s = &figures.snapshot;
	struct metrics m;
	struct more more;

	if (metrics == NULL)
		return WEIR_ERROR_INVALID;
	lock_acquire(&figures.lock);
	gather(pool, &more);
	m = metrics_derive(s);
	*metrics = (struct weir_pool_metrics){
	    .total_allocated_bytes = m.total_allocated_bytes,
	    .total_used_bytes = m.total_used_bytes,
	    .buffer_count = m.buffer_count,
	    .buffers_in_use = s->pool.buffers_in_use,
	    .pool_utilization = m.pool_utilization,
	    .limit_utilization = limit_share(s, &m),
	    .gc_count = s->pool.gc_count,
	    .memory_leak_risk = more.leak.score,
	    .average_buffer_size_bytes = m.average_buffer_size_bytes,
	    .last_memory_pressure = s->pressure.value,
	    .allocations = s->pool.allocations,
	    .reuse_rate = m.reuse_rate,
	    .temporary_buffers = s->pool.temporary_buffers,
	    .temporary_in_use = more.temporary_in_use,
	    .purged_bytes = s->pool.purged_bytes,
	    .resident_bytes = m.resident_bytes,
	    .errors = s->pool.errors,
	    .leak_risk_level = (int)more.leak.level,
	    .leak_risk_confidence = more.leak.confidence,
	    .time_to_limit_seconds = more.leak.time_to_limit_seconds,
	};
	strncpy(metrics->leak_risk_reason, more.leak.reason, sizeof(metrics->leak_risk_reason) - 1);
	lock_release(&figures.lock);
	return WEIR_OK;
}

/* --- buffers ---------------------------------------------------------------------------------- */

void slot_info(const struct slot *slot, uint32_t index, struct weir_buffer_info *info)
{
	bool is_in_use = slot_state(slot) == SLOT_IN_USE || slot_state(slot) == SLOT_BUSY;

	*info = (struct weir_buffer_info){
	    .id = is_in_use ? slot_id(slot, index) : 0,
	    .data = is_in_use ? slot->data : NULL,
	    .size = slot->size,
	    .capacity = slot->capacity,
	    .is_in_use = is_in_use,
	    .is_temporary = slot->is_temporary,
	    .created_ns = slot->created_ns,
	    .handed_out_ns = slot->handed_ns,
	    .last_used_ns = slot->last_used_ns,
	    .use_count = slot->use_count,
	};
}

/* Whether a comes before b: in use first, then whoever is so for longest. */
static bool comes_before(const struct weir_buffer_info *a, const struct weir_buffer_info *b)
{
	if (a->is_in_use != b->is_in_use)
		return a->is_in_use;
	return a->is_in_use ? a->handed_out_ns < b->handed_out_ns : a->last_used_ns < b->last_used_ns;
}

static void swap(struct weir_buffer_info *a, struct weir_buffer_info *b)
{
	struct weir_buffer_info other = *a;

	*a = *b;
	*b = other;
}

/* A heap with the last one on top: so the list's worst is found at once. */
static void sift_down(struct weir_buffer_info *heap, size_t count, size_t at)
{
	for (;;) {
		size_t last = at, child = 2 * at + 1;

		if (child < count && comes_before(&heap[last], &heap[child]))
			last = child;
		if (child + 1 < count && comes_before(&heap[last], &heap[child + 1]))
			last = child + 1;
		if (last == at)
			return;
		swap(&heap[at], &heap[last]);
		at = last;
	}
}

static void sift_up(struct weir_buffer_info *heap, size_t at)
{
	while (at > 0 && comes_before(&heap[(at - 1) / 2], &heap[at])) {
		swap(&heap[at], &heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

/* The first max of all that would be listed, in order, without room for the others. */
static size_t list_pool(struct weir_pool *pool, struct weir_buffer_info *infos, size_t max)
{
	struct weir_buffer_info info;
	size_t kept = 0, count = 0;

	lock_acquire(&pool->lock);
	spread_stop(pool);
	for (uint32_t index = 0; index < pool->slots_made; index++) {
		const struct slot *slot = slot_at(pool, index);

		if (slot_state(slot) == SLOT_FREE || slot_state(slot) == SLOT_TAKEN)
			continue;
		count++;
		if (max == 0)
			continue;
		slot_info(slot, index, &info);
		if (kept < max) {
			infos[kept] = info;
			sift_up(infos, kept++);
		} else if (comes_before(&info, &infos[0])) {
			infos[0] = info;
			sift_down(infos, kept, 0);
		}
	}
	spread_go_on(pool);
	lock_release(&pool->lock);
	while (kept > 1) {
		swap(&infos[0], &infos[--kept]);
		sift_down(infos, kept, 0);
	}
	return count;
}

static size_t list_engine(struct weir_buffer_info *infos, size_t max)
{
	struct snapshot *s = &figures.snapshot;
	struct more more;
	unsigned count;

	lock_acquire(&figures.lock);
	gather(NULL, &more);
	count = engine_get()->collect(&s->pool, s->buffers, (unsigned)MIN(max, (size_t)SNAPSHOT_BUFFERS_MAX));
	for (unsigned i = 0; infos != NULL && i < count; i++) {
		const struct pool_buffer_info *b = &s->buffers[i];

		infos[i] = (struct weir_buffer_info){
		    .id = b->id,
		    .data = (void *)(uintptr_t)b->address,
		    .size = b->size_bytes,
		    .capacity = b->capacity_bytes,
		    .is_in_use = b->is_in_use,
		    .created_ns = ticks_to_ns(b->created_ticks),
		    .handed_out_ns = ticks_to_ns(b->last_used_ticks),
		    .last_used_ns = ticks_to_ns(b->last_used_ticks),
		    .use_count = b->use_count,
		};
	}
	count = (unsigned)(s->pool.buffers_in_use + s->pool.buffers_idle);
	lock_release(&figures.lock);
	return count;
}

size_t weir_pool_buffers(struct weir_pool *pool, struct weir_buffer_info *infos, size_t max)
{
	if (infos == NULL)
		max = 0;
	return pool == NULL ? list_engine(infos, max) : list_pool(pool, infos, max);
}

/* --- recommendations -------------------------------------------------------------------------- */

static int severity_of(const char *name)
{
	if (strcmp(name, "critical") == 0)
		return WEIR_SEVERITY_CRITICAL;
	return strcmp(name, "warning") == 0 ? WEIR_SEVERITY_WARNING : WEIR_SEVERITY_INFO;
}

static struct out out_to(char *text, size_t size)
{
	struct out out;

	memset(text, 0, size);
	out_init(&out, -1, text, size - 1);
	return out;
}

/* What the pool's leak risk asks for; the report's rows know sites only. */
static void advise_leak(struct weir_recommendation *r, const struct leak *risk)
{
	struct out out = out_to(r->text, sizeof(r->text));

	memset(r->code, 0, sizeof(r->code));
	strcpy(r->code, "LEAK_RISK");
	r->severity = risk->level == RISK_HIGH ? WEIR_SEVERITY_CRITICAL : WEIR_SEVERITY_WARNING;
	out_str(&out, "Leak risk is ");
	out_str(&out, risk_level_name(risk->level));
	out_str(&out, " (");
	out_decimal(&out, risk->score, 2);
	out_str(&out, ", ");
	out_str(&out, risk->reason);
	out_str(&out, "): ");
	out_number_of(&out, (uint64_t)risk->live_objects, "buffer");
	out_str(&out, " with ");
	out_size_human(&out, (uint64_t)risk->live_bytes);
	out_str(&out, " are out, growing by ");
	out_size_human(&out, (uint64_t)MAX(risk->growth_bytes_per_hour, 0.0));
	out_str(&out, " an hour. Look at those that are out longest: weir_pool_buffers().");
}

/* LOCK_health is held, the snapshot is there. */
static size_t advise(const struct more *more, struct weir_recommendation *recommendations, size_t max)
{
	const struct snapshot *s = &figures.snapshot;
	/* Of the process the report's rows speak. */
	bool is_pool = s->pool_name != NULL;
	size_t count, first = is_pool && more->leak.level >= RISK_MEDIUM && max != 0;

	if (first != 0)
		advise_leak(&recommendations[0], &more->leak);
	advice_derive(&figures.snapshot);
	count = first + MIN(max - first, (size_t)s->advice_count);
	for (size_t i = first; i < count; i++) {
		const struct advice *advice = &s->advice[i - first];
		struct weir_recommendation *r = &recommendations[i];

		memset(r, 0, sizeof(*r));
		strncpy(r->code, advice->code, sizeof(r->code) - 1);
		r->severity = severity_of(advice->severity);
		memcpy(r->text, advice->text, MIN(sizeof(r->text), sizeof(advice->text)));
		r->text[sizeof(r->text) - 1] = '\0';
	}
	return count;
}

size_t weir_pool_recommendations(
    struct weir_pool *pool, struct weir_recommendation *recommendations, size_t max)
{
	struct more more;
	size_t count;

	if (recommendations == NULL)
		return 0;
	lock_acquire(&figures.lock);
	gather(pool, &more);
	count = advise(&more, recommendations, max);
	lock_release(&figures.lock);
	return count;
}

/* --- health ----------------------------------------------------------------------------------- */

/* LOCK_health is held. */
static void take_health(struct weir_pool *pool, struct weir_health *health)
{
	struct metrics m;
	struct more more;
	struct out out;

	gather(pool, &more);
	m = metrics_derive(&figures.snapshot);
	memset(health, 0, sizeof(*health));
	health->buffer_count = m.buffer_count;
	out = out_to(health->total_memory_allocated, sizeof(health->total_memory_allocated));
	out_size_human(&out, m.total_allocated_bytes);
	out = out_to(health->pool_utilization, sizeof(health->pool_utilization));
	out_percent(&out, m.pool_utilization);
	out = out_to(health->memory_leak_risk, sizeof(health->memory_leak_risk));
	out_str(&out, risk_level_name(more.leak.level));
	health->recommendation_count = advise(&more, health->recommendations, WEIR_RECOMMENDATIONS_MAX);
}

int weir_health(struct weir_pool *pool, struct weir_health *health)
{
	if (health == NULL)
		return WEIR_ERROR_INVALID;
	lock_acquire(&figures.lock);
	take_health(pool, health);
	lock_release(&figures.lock);
	return WEIR_OK;
}

static void write_health(struct out *out, const struct weir_health *health)
{
	out_str(out, "{\"buffer_count\":");
	out_u64(out, health->buffer_count);
	out_str(out, ",\"total_memory_allocated\":");
	out_json_string(out, health->total_memory_allocated);
	out_str(out, ",\"pool_utilization\":");
	out_json_string(out, health->pool_utilization);
	out_str(out, ",\"memory_leak_risk\":");
	out_json_string(out, health->memory_leak_risk);
	out_str(out, ",\"recommendations\":[");
	for (size_t i = 0; i < health->recommendation_count; i++) {
		if (i != 0)
			out_char(out, ',');
		out_json_string(out, health->recommendations[i].text);
	}
	out_str(out, "]}");
}

/* Eight texts of 255 bytes, each six at most in JSON, and the rest. */
_Static_assert(WEIR_RECOMMENDATIONS_MAX * 256 * 6 + 1024 <= JSON_BYTES, "the whole text fits");

size_t weir_health_json(struct weir_pool *pool, char *text, size_t size)
{
	struct out out;
	size_t length;

	lock_acquire(&figures.lock);
	take_health(pool, &figures.health);
	out_init(&out, -1, figures.json, sizeof(figures.json));
	write_health(&out, &figures.health);
	length = out.used;
	if (size != 0) {
		size_t part = MIN(length, size - 1);

		memcpy(text, figures.json, part);
		text[part] = '\0';
	}
	lock_release(&figures.lock);
	return length;
}
