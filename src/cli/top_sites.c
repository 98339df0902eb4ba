/*
 * top_sites.c -- the view of call sites: which of them grow, and since when.
 *
 * Figures are those of the last monitor tick; with a mark, what they have grown by.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"
#include "cli/text.h"
#include "cli/top.h"

enum {
	COLUMN_RISK,
	COLUMN_LEVEL,
	COLUMN_BYTES,
	COLUMN_OBJECTS,
	COLUMN_GROWTH,
	COLUMN_AGE,
	COLUMN_LIFE,
	COLUMN_WHERE,
	SITE_COLUMNS,
};

static const struct {
	const char *title;
	int width;
} columns[SITE_COLUMNS] = {
    [COLUMN_RISK] = {"RISK", 5},
    [COLUMN_LEVEL] = {"LEVEL", 7},
    [COLUMN_BYTES] = {"LIVE", 8},
    [COLUMN_OBJECTS] = {"OBJECTS", 10},
    [COLUMN_GROWTH] = {"GROWTH/H", 9},
    [COLUMN_AGE] = {"AGE P50", 8},
    [COLUMN_LIFE] = {"LIFE P99", 9},
    [COLUMN_WHERE] = {"WHERE", 23},
};

struct site_row {
	const struct track_site *site;
	double values[SITE_COLUMNS]; /* NAN: not known */
};

static struct site_list {
	struct site_row rows[TRACK_LISTED_MAX];
	size_t count, muted;
} list;

static struct {
	int column;
	bool is_reversed;
} order;

int sites_columns(void)
{
	return COLUMN_WHERE;
}

/* --- rows ---------------------------------------------------------------------------- */

/* NULL: it is not listed. */
static const struct track_site *find_site(const struct track_snapshot *track, uint64_t id)
{
	for (unsigned i = 0; i < track->site_count; i++)
		if (track->sites[i].id == id)
			return &track->sites[i];
	return NULL;
}

static double known(double value)
{
	return value >= 0 ? value : NAN;
}

static struct site_row row_of(const struct top *top, const struct track_site *site)
{
	const struct track_site *mark =
	    top->mark.is_valid ? find_site(&top->mark.snapshot.track, site->id) : NULL;
	struct site_row row = {.site = site};

	row.values[COLUMN_RISK] = row.values[COLUMN_LEVEL] = site->risk;
	row.values[COLUMN_BYTES] = site->live_bytes - (mark != NULL ? mark->live_bytes : 0);
	row.values[COLUMN_OBJECTS] = site->live_objects - (mark != NULL ? mark->live_objects : 0);
	row.values[COLUMN_GROWTH] = site->growth_bytes_per_hour;
	row.values[COLUMN_AGE] = known(site->age_p50_seconds);
	row.values[COLUMN_LIFE] = known(site->lifetime_p99_seconds);
	return row;
}

static int by_column(const void *a, const void *b)
{
	double x = ((const struct site_row *)a)->values[order.column],
	       y = ((const struct site_row *)b)->values[order.column];

	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return order.is_reversed ? (x > y) - (x < y) : (x < y) - (x > y);
}

static void make_list(const struct top *top)
{
	const struct track_snapshot *track = &top->now.snapshot.track;

	list.count = list.muted = 0;
	for (unsigned i = 0; i < track->site_count; i++) {
		if (top_is_muted(top, track->sites[i].id)) {
			list.muted++;
			if (!top->shows_muted)
				continue;
		}
		list.rows[list.count++] = row_of(top, &track->sites[i]);
	}
	order.column = top->sort[VIEW_SITES];
	order.is_reversed = top->is_reversed[VIEW_SITES];
	qsort(list.rows, list.count, sizeof *list.rows, by_column);
}

uint64_t sites_selected(const struct top *top)
{
	make_list(top);
	return top->row[VIEW_SITES] < list.count ? list.rows[top->row[VIEW_SITES]].site->id : 0;
}

/* --- the table ------------------------------------------------------------------------ */

/* "80.5 MiB" as 80.5M, "1 h 11 m" as 1h11m: what is saved is there for the name of the place. */
static void make_short(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++)
		if (*from != ' ' && strcmp(from, "iB") != 0 && strcmp(from, "B") != 0)
			*to++ = *from;
	*to = '\0';
}

static void cell_text(const struct top *top, const struct site_row *row, int column, char *text)
{
	double value = row->values[column];
	bool is_change = top->mark.is_valid;

	switch (column) {
	case COLUMN_RISK:
		snprintf(text, TEXT_FIGURE_MAX, "%.2f", value);
		break;
	case COLUMN_LEVEL:
		snprintf(text, TEXT_FIGURE_MAX, "%s", row->site->level_name);
		break;
	case COLUMN_BYTES:
		is_change ? text_bytes_signed(text, value) : text_bytes(text, value);
		break;
	case COLUMN_OBJECTS:
		if (is_change)
			snprintf(text, TEXT_FIGURE_MAX, "%+.0f", value);
		else
			text_count(text, value);
		break;
	case COLUMN_GROWTH:
		text_bytes_signed(text, value);
		break;
	default:
		text_duration(text, value);
	}
	make_short(text);
}

static void draw_site(const struct top *top, const struct site_row *row, int y, bool is_selected)
{
	char text[REPORT_NAME_MAX];
	enum style style = is_selected ? STYLE_SELECTED : STYLE_PLAIN;
	int x = 0;

	if (is_selected)
		draw_line(y, STYLE_SELECTED);
	for (int c = 0; c < COLUMN_WHERE; c++) {
		bool is_level = c == COLUMN_RISK || c == COLUMN_LEVEL;

		cell_text(top, row, c, text);
		draw_text(y, x, columns[c].width,
		    is_level && !is_selected ? draw_level(row->site->level) : style, "%*s", columns[c].width,
		    text);
		x += columns[c].width;
	}
	sites_name(row->site, text, sizeof text);
	draw_text(y, x + 1, 1000, style, "%s%s", top_is_muted(top, row->site->id) ? "(muted) " : "", text);
}

static void draw_table(struct top *top, int first, int last)
{
	const struct track_snapshot *track = &top->now.snapshot.track;
	size_t shown = (size_t)(last - first - 2), from, *selected = &top->row[VIEW_SITES];
	int x = 0;

	make_list(top);
	for (int c = 0; c < SITE_COLUMNS; c++) {
		bool is_where = c == COLUMN_WHERE;

		draw_text(first, x + is_where, columns[c].width,
		    c == order.column ? STYLE_SELECTED : STYLE_HEAD, is_where ? "%-*s" : "%*s",
		    columns[c].width, columns[c].title);
		x += columns[c].width;
	}
	*selected = MIN(*selected, list.count > 0 ? list.count - 1 : 0);
	from = *selected >= shown ? *selected - shown + 1 : 0;
	for (size_t i = from; i < list.count && i < from + shown; i++)
		draw_site(top, &list.rows[i], first + 1 + (int)(i - from), i == *selected);
	if (list.count == 0)
		draw_text(first + 2, 2, 1000, STYLE_PLAIN, "No call site has been looked at yet.");
	if (track->sites_not_listed > 0 || list.muted > 0)
		draw_text(last - 1, 1, 1000, STYLE_LABEL, "%" PRIu64 " less at risk not listed; %zu muted",
		    track->sites_not_listed, list.muted);
}

void draw_sites(struct top *top, int first, int last)
{
	const struct track_snapshot *track = &top->now.snapshot.track;
	const struct track_site *site = find_site(track, top->open_site);

	if (!track->is_active)
		draw_text(
		    first + 1, 2, 1000, STYLE_PLAIN, "This process follows no call sites (WEIR_TRACK).");
	else if (site != NULL)
		draw_site_detail(top, site, first, last);
	else
		draw_table(top, first, last);
}
