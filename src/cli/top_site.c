/*
 * top_site.c -- one call site: its figures, its stack, how long its objects live; and the
 * lifetimes of all of them.
 *
 * The curve is the censored life table that the risk is judged by: the share of objects that
 * is still there at an age. A leak goes flat above zero. The bars are the live objects by when
 * they were born: a leak leaves some of every time, a cache those of late.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/report.h"
#include "cli/text.h"
#include "cli/top.h"
#include "track/facts.h"

#define CHART_LINES 4

/* A line of text at y, if there still is room. */
#define LINE(...)                                                                                            \
	do {                                                                                                 \
		if (y < last)                                                                                \
			draw_text(y, 1, 1000, STYLE_PLAIN, __VA_ARGS__);                                     \
		y++;                                                                                         \
	} while (0)

static int draw_figures(const struct track_site *site, int y, int last)
{
	char bytes[TEXT_FIGURE_MAX], objects[TEXT_FIGURE_MAX], growth[TEXT_FIGURE_MAX];
	char reason[TEXT_REASON_MAX], limit[TEXT_FIGURE_MAX], median[TEXT_FIGURE_MAX], p99[TEXT_FIGURE_MAX];
	char name[REPORT_NAME_MAX];

	sites_name(site, name, sizeof name);
	draw_text(y, 1, 1000, STYLE_HEAD, "%s", name);
	draw_text(y + 1, 1, 1000, draw_level(site->level), "%s %.2f, %s; site %016" PRIx64, site->level_name,
	    site->risk, text_reason(reason, site->reason, site->confidence), site->id);
	y += 2;
	LINE("%s in %s, %s an hour%s%s", text_bytes(bytes, site->live_bytes),
	    text_number_of(objects, site->live_objects, "object"),
	    text_bytes_signed(growth, site->growth_bytes_per_hour),
	    site->time_to_limit_seconds >= 0 ? "; the limit in " : "",
	    site->time_to_limit_seconds >= 0 ? text_time_left(limit, site->time_to_limit_seconds) : "");
	if (site->lifetime_p50_seconds >= 0)
		LINE("half of those freed lived at most %s, 99%% at most %s",
		    text_duration(median, site->lifetime_p50_seconds),
		    text_duration(p99, site->lifetime_p99_seconds >= 0 ? site->lifetime_p99_seconds : NAN));
	else
		LINE("none was seen to be freed");
	y = draw_wrapped(y, last, 1, 78, site->why);
	return y;
}

static unsigned last_age(const struct life_table *table)
{
	unsigned last = 0;

	for (unsigned i = 0; i < FACTS_AGES; i++)
		if (table->at_risk[i] > 0)
			last = i;
	return last;
}

static void draw_survival(const struct target_site *site, int y)
{
	double curve[FACTS_AGES];
	unsigned end = last_age(&site->table);
	char age[TEXT_FIGURE_MAX];

	for (unsigned i = 0; i <= end; i++)
		curve[i] = life_table_survival(&site->table, 0, i);
	draw_chart(y, 1, FACTS_AGES, CHART_LINES, curve, end + 1, STYLE_GOOD);
	draw_text(y + CHART_LINES, 1, 30, STYLE_LABEL, "alive at ages 0 to %s",
	    text_duration(age, facts_age_from(end + 1)));
}

static void draw_cohorts(const struct target_site *site, int y, int x)
{
	double bars[FACTS_COHORTS], highest = 0;
	char since[TEXT_FIGURE_MAX];

	for (unsigned i = 0; i < FACTS_COHORTS; i++) {
		bars[i] = (double)site->live.born[i];
		if (bars[i] > highest)
			highest = bars[i];
	}
	for (unsigned i = 0; i < FACTS_COHORTS; i++)
		bars[i] = highest > 0 ? bars[i] / highest : 0;
	draw_chart(y, x, FACTS_COHORTS, CHART_LINES, bars, FACTS_COHORTS, STYLE_WARN);
	draw_text(y + CHART_LINES, x, 38, STYLE_LABEL, "live, born %s ago to now",
	    text_duration(since, site->live.now - site->live.first_at));
}

void draw_site_detail(struct top *top, const struct track_site *site, int first, int last)
{
	static struct target_site detail;
	char name[REPORT_NAME_MAX];
	enum target_result result = target_site(&top->target, site->id, &detail);
	int y = draw_figures(site, first, last);

	if (result == TARGET_OK && y + CHART_LINES < last) {
		draw_survival(&detail, y);
		draw_cohorts(&detail, y, FACTS_AGES - 10 + 4);
		y += CHART_LINES + 1;
	} else if (result != TARGET_OK) {
		LINE("(its ages cannot be read just now)");
	}
	for (unsigned i = 0; i < site->frame_count; i++) {
		for (unsigned k = 0; y < last && sites_frame(site, i, k, name, sizeof name); k++, y++) {
			if (k == 0)
				draw_text(y, 1, 1000, STYLE_PLAIN, "#%-2u", i);
			draw_text(y, 5, 1000, STYLE_PLAIN, "%s", name);
		}
	}
}

/* --- the lifetimes of all ------------------------------------------------------------- */

/* Buckets from i up to before end, as one. */
static double sum_of(const double *buckets, unsigned i, unsigned end)
{
	double sum = 0;

	for (; i < end; i++)
		sum += buckets[i];
	return sum;
}

void draw_lifetimes(struct top *top, int first, int last)
{
	const struct track_snapshot *track = &top->now.snapshot.track;
	const struct track_lifetimes *l = &track->lifetimes;
	double highest_freed = 0, highest_live = 0;
	unsigned begin = TRACK_AGE_BUCKETS, end = 0, room = (unsigned)(last - first - 1), step;
	int y = first + 1;

	if (!track->is_active) {
		draw_text(first + 1, 2, 1000, STYLE_PLAIN, "This process follows no lifetimes (WEIR_TRACK).");
		return;
	}
	for (unsigned i = 0; i < TRACK_AGE_BUCKETS; i++) {
		if (l->freed[i] > 0 || l->live[i] > 0) {
			begin = MIN(begin, i);
			end = i + 1;
		}
	}
	if (begin >= end) {
		draw_text(y, 2, 1000, STYLE_PLAIN, "Nothing has been followed yet.");
		return;
	}
	/* All of them are seen, by two or more in a row where there is less room. */
	step = (end - begin + room - 1) / room;
	for (unsigned i = begin; i < end; i += step) {
		highest_freed = fmax(highest_freed, sum_of(l->freed, i, MIN(i + step, end)));
		highest_live = fmax(highest_live, sum_of(l->live, i, MIN(i + step, end)));
	}
	draw_text(first, 0, 1000, STYLE_HEAD, "%11s  %-32s  %-32s", "AGE BELOW", "FREED", "LIVE");
	for (unsigned i = begin; i < end; i += step, y++) {
		unsigned next = MIN(i + step, end);
		double freed = sum_of(l->freed, i, next), live = sum_of(l->live, i, next);
		char text[TEXT_FIGURE_MAX];

		draw_text(y, 0, 11, STYLE_LABEL, "%11s",
		    isinf(track_age_below(next - 1)) ? "older"
						     : text_duration(text, track_age_below(next - 1)));
		draw_bar(y, 13, 20, highest_freed > 0 ? freed / highest_freed : 0, STYLE_GOOD);
		draw_text(y, 34, 12, STYLE_PLAIN, "%s", text_count(text, freed));
		draw_bar(y, 47, 20, highest_live > 0 ? live / highest_live : 0, STYLE_WARN);
		draw_text(y, 68, 12, STYLE_PLAIN, "%s", text_count(text, live));
	}
}
