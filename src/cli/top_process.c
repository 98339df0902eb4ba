/*
 * top_process.c -- the screen of one process: what is always shown of it, above the view.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/text.h"
#include "cli/top.h"
#include "report/metrics.h"

#define LABEL_WIDTH 10
/* Of a screen that has room for a site and all of its process. */
#define SITE_LINES 40
#define BAR_WIDTH 22

static int label(int y, const char *text)
{
	draw_text(y, 1, LABEL_WIDTH, STYLE_LABEL, "%s", text);
	return LABEL_WIDTH;
}

static void draw_title(const struct top *top, int y)
{
	const struct snapshot *s = &top->now.snapshot;
	struct process process;
	char uptime[TEXT_FIGURE_MAX];
	const char *state = "";

	if (top->result != TARGET_OK || !process_read(top->pid, &process))
		state = top->result == TARGET_GONE ? "ENDED" : "NOT READ";
	else if (process.state == 'T' || process.state == 't')
		state = "STOPPED";
	else if (top->target.is_torn)
		state = "BEING UPDATED";
	draw_line(y, STYLE_TITLE);
	draw_text(y, 1, 60, STYLE_TITLE, "%s, process %d, up %s, Weir %s", metrics_program_name(s),
	    (int)top->pid, text_duration(uptime, (double)s->uptime_ns / (double)SECOND),
	    top->target.state.version);
	draw_text(y, 62, 18, STYLE_TITLE, "%17s", state);
}

/* A word on how the risk goes, from the points of the past: over the last quarter of an hour or so. */
static const char *trend_of(const struct state_figures *figures)
{
	uint64_t last = figures->points_written, back = MIN(last, (uint64_t)64);
	double now, before;

	if (back < 8)
		return "";
	now = figures->points[(last - 1) % STATE_POINTS].risk;
	before = figures->points[(last - back) % STATE_POINTS].risk;
	if (now < 0 || before < 0)
		return "";
	return now > before + 0.05 ? ", rising" : now < before - 0.05 ? ", falling" : ", steady";
}

static void draw_risk(const struct top *top, int y)
{
	const struct track_snapshot *track = &top->now.snapshot.track;
	const struct track_risk *risk = &track->risk;
	char reason[TEXT_REASON_MAX], limit[TEXT_FIGURE_MAX], growth[TEXT_FIGURE_MAX];
	int x = label(y, "Risk");

	if (!track->is_active || !risk->is_known) {
		draw_text(y, x, 1000, STYLE_PLAIN, "not known%s",
		    track->is_active ? " yet" : ": this process does not follow lifetimes");
		return;
	}
	x = draw_text(y, x, 14, draw_level(risk->level), "%s %.2f", risk->level_name, risk->score);
	x = draw_text(y, x, 1000, STYLE_PLAIN, "%s, %s; ", trend_of(&top->target.state.figures),
	    text_reason(reason, risk->reason, risk->confidence));
	if (risk->time_to_limit_seconds >= 0)
		draw_text(y, x, 1000, STYLE_WARN, "limit in %s",
		    text_time_left(limit, risk->time_to_limit_seconds));
	else
		draw_text(y, x, 1000, STYLE_PLAIN, "%s an hour",
		    text_bytes_signed(growth, risk->growth_bytes_per_hour));
}

static void draw_pool(const struct top *top, int y)
{
	const struct snapshot *s = &top->now.snapshot;
	struct metrics m = metrics_derive(s);
	char used[TEXT_FIGURE_MAX], held[TEXT_FIGURE_MAX], limit[TEXT_FIGURE_MAX], share[TEXT_FIGURE_MAX];
	char idle[TEXT_FIGURE_MAX], hot[TEXT_FIGURE_MAX], cold[TEXT_FIGURE_MAX];
	int x = label(y, "Pool");

	if (!s->pool.is_active) {
		draw_text(y, x, 1000, STYLE_WARN, "none: every request goes to jemalloc");
		return;
	}
	draw_bar(y, x, BAR_WIDTH, m.pool_utilization, STYLE_GOOD);
	draw_text(y, x + BAR_WIDTH + 1, 1000, STYLE_PLAIN, "%s in use of %s held (%s)",
	    text_bytes(used, (double)m.total_used_bytes), text_bytes(held, (double)m.total_allocated_bytes),
	    text_percent(share, m.pool_utilization));
	x = label(y + 1, "");
	draw_bar(
	    y + 1, x, BAR_WIDTH, m.limit_utilization, m.limit_utilization > 0.8 ? STYLE_BAD : STYLE_GOOD);
	draw_text(y + 1, x + BAR_WIDTH + 1, 1000, STYLE_PLAIN, "held of %s allowed (%s)",
	    text_bytes(limit, (double)s->pool.limit_bytes), text_percent(share, m.limit_utilization));
	x = label(y + 2, "Idle");
	draw_text(y + 2, x, 1000, STYLE_PLAIN, "%s in magazines, %s free, %s given back",
	    text_bytes(idle, (double)s->pool.idle_bytes),
	    text_bytes(hot, (double)(s->pool.free_hot_bytes + s->pool.slab_free_bytes)),
	    text_bytes(cold, (double)s->pool.free_cold_bytes));
}

static void draw_requests(const struct top *top, int y)
{
	const struct pool_stats *now = &top->now.snapshot.pool, *before = &top->before.snapshot.pool;
	struct metrics m = metrics_derive(&top->now.snapshot);
	char rate[TEXT_FIGURE_MAX], share[TEXT_FIGURE_MAX], purged[TEXT_FIGURE_MAX],
	    temporary[TEXT_FIGURE_MAX];

	draw_text(y, label(y, "Requests"), 1000, STYLE_PLAIN,
	    "%s/s, %s reused, %s temporary; %s/s given back",
	    text_count(rate, top_rate(top, now->allocations, before->allocations)),
	    text_percent(share, m.reuse_rate), text_count(temporary, (double)now->temporary_buffers),
	    text_bytes(purged, top_rate(top, now->purged_bytes, before->purged_bytes)));
}

static void draw_pressure(const struct top *top, int y)
{
	const struct pressure *p = &top->now.snapshot.pressure;
	char value[TEXT_FIGURE_MAX], used[TEXT_FIGURE_MAX], limit[TEXT_FIGURE_MAX];
	char some[TEXT_FIGURE_MAX], full[TEXT_FIGURE_MAX];
	int x = label(y, "Pressure");

	if (top->target.state.figures.ticks == 0) {
		draw_text(y, x, 1000, STYLE_PLAIN, "not looked at yet");
		return;
	}
	x = draw_text(y, x, 12,
	    p->level >= PRESSURE_MEDIUM ? STYLE_BAD
	    : p->level == PRESSURE_LOW	? STYLE_WARN
					: STYLE_GOOD,
	    "%s", pressure_level_name(p->level));
	x = draw_text(y, x, 1000, STYLE_PLAIN, ", %s by %s", text_percent(value, p->value), p->source);
	if (p->limit_bytes != 0 && p->limit_bytes != UINT64_MAX)
		x = draw_text(y, x, 1000, STYLE_PLAIN, ": %s of %s used",
		    text_bytes(used, (double)p->used_bytes), text_bytes(limit, (double)p->limit_bytes));
	if (p->has_psi)
		draw_text(y, x, 1000, STYLE_PLAIN, "; PSI %s/%s", text_percent(some, p->psi_some_avg10),
		    text_percent(full, p->psi_full_avg10));
}

static void draw_whole(const struct top *top, int y)
{
	const struct snapshot *s = &top->now.snapshot, *before = &top->before.snapshot;
	char rss[TEXT_FIGURE_MAX], faults[TEXT_FIGURE_MAX], allocated[TEXT_FIGURE_MAX];
	int x = draw_text(y, label(y, "Process"), 1000, STYLE_PLAIN,
	    "%s resident, %" PRIu64 " thread%s, %s faults/s", text_bytes(rss, (double)s->process.rss_bytes),
	    s->process.threads, s->process.threads == 1 ? "" : "s",
	    text_count(faults, top_rate(top, s->process.minor_faults, before->process.minor_faults)));

	if (s->fallback.is_known)
		draw_text(y, x, 1000, STYLE_PLAIN, "; jemalloc %s",
		    text_bytes(allocated, (double)s->fallback.allocated_bytes));
}

/* What the process remembers of its ticks, oldest first. Returns how many. */
static size_t get_points(const struct top *top, double *held, double *span_seconds)
{
	const struct state_figures *figures = &top->target.state.figures;
	size_t count = MIN(figures->points_written, (uint64_t)STATE_POINTS);
	uint64_t first = figures->points_written - count;

	for (size_t i = 0; i < count; i++)
		held[i] = (double)figures->points[(first + i) % STATE_POINTS].held_bytes;
	*span_seconds = 0;
	if (count > 1)
		*span_seconds = (double)(figures->points[(first + count - 1) % STATE_POINTS].uptime_ns -
					 figures->points[first % STATE_POINTS].uptime_ns) /
				(double)SECOND;
	return count;
}

static void draw_history(const struct top *top, int y)
{
	double held[STATE_POINTS], span, highest = 0;
	size_t count = get_points(top, held, &span), width = 32;
	char top_text[TEXT_FIGURE_MAX], span_text[TEXT_FIGURE_MAX];
	int x = label(y, "Trend");

	for (size_t i = 0; i < count; i++)
		highest = fmax(highest, held[i]);
	for (size_t i = 0; i < count && highest > 0; i++)
		held[i] /= highest;
	draw_trend(y, x, (int)width, held, count, STYLE_GOOD);
	draw_text(y, x + (int)width + 1, 1000, STYLE_PLAIN, "held, in the last %s; %s at most",
	    text_duration(span_text, span), text_bytes(top_text, highest));
}

static void draw_tabs(const struct top *top, int y)
{
	static const char *const names[VIEW_COUNT] = {"1 Classes", "2 Sites", "3 Lifetimes", "4 What to do"};
	int x = 1;

	for (int i = 0; i < VIEW_COUNT; i++)
		x = 2 +
		    draw_text(y, x, 20, i == (int)top->view ? STYLE_SELECTED : STYLE_LABEL, " %s ", names[i]);
	if (top->mark.is_valid) {
		char since[TEXT_FIGURE_MAX];

		draw_text(y, x, 1000, STYLE_WARN, "since the mark, %s ago",
		    text_duration(since, top->now.at_seconds - top->mark.at_seconds));
	}
}

void draw_process(struct top *top, int first, int last)
{
	static void (*const views[VIEW_COUNT])(struct top *, int, int) = {
	    draw_classes, draw_sites, draw_lifetimes, draw_advice};

	if (!top->now.is_valid) {
		draw_line(first, STYLE_TITLE);
		draw_text(first, 1, 78, STYLE_TITLE, "process %d", (int)top->pid);
		return;
	}
	draw_title(top, first);
	draw_risk(top, first + 1);
	/* A stack needs the lines more. */
	if (top->view == VIEW_SITES && top->open_site != 0 && last - first < SITE_LINES) {
		draw_tabs(top, first + 2);
		views[top->view](top, first + 3, last);
		return;
	}
	draw_pool(top, first + 2);
	draw_requests(top, first + 5);
	draw_pressure(top, first + 6);
	draw_whole(top, first + 7);
	draw_history(top, first + 8);
	draw_tabs(top, first + 10);
	views[top->view](top, first + 11, last);
}
