/*
 * top_views.c -- the views of one process that are tables of the pool: classes, and what to do.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/text.h"
#include "cli/top.h"

/* --- size classes ------------------------------------------------------------------ */

enum {
	COLUMN_SIZE,
	COLUMN_IN_USE,
	COLUMN_IDLE,
	COLUMN_HOT,
	COLUMN_COLD,
	COLUMN_PEAK,
	COLUMN_RATE,
	COLUMN_REUSE,
	COLUMN_WASTE,
	CLASS_COLUMNS
};

static const struct {
	const char *title;
	int width;
	bool is_bytes, is_share, has_change; /* of bytes, shares; is shown as a difference to the mark */
} class_columns[CLASS_COLUMNS] = {
    [COLUMN_SIZE] = {"SIZE", 10, true, false, false},
    [COLUMN_IN_USE] = {"IN USE", 9, false, false, true},
    [COLUMN_IDLE] = {"IDLE", 8, false, false, true},
    [COLUMN_HOT] = {"HOT", 11, true, false, true},
    [COLUMN_COLD] = {"COLD", 11, true, false, true},
    [COLUMN_PEAK] = {"PEAK", 8, false, false, false},
    [COLUMN_RATE] = {"REQ/S", 9, false, false, false},
    [COLUMN_REUSE] = {"REUSE", 7, false, true, false},
    [COLUMN_WASTE] = {"WASTE", 7, false, true, false},
};

struct class_row {
	double values[CLASS_COLUMNS]; /* NAN: there is none */
};

static double share_less(uint64_t part, uint64_t whole)
{
	return whole > 0 ? 1 - fmin((double)part / (double)whole, 1) : NAN;
}

static struct class_row row_of(const struct top *top, unsigned i)
{
	const struct target_class *c = &top->now.classes[i], *m = &top->mark.classes[i];
	bool is_marked = top->mark.is_valid;
	struct class_row row;

	row.values[COLUMN_SIZE] = (double)size_class_bytes(i);
	row.values[COLUMN_IN_USE] = (double)c->in_use - (is_marked ? (double)m->in_use : 0);
	row.values[COLUMN_IDLE] = (double)c->idle - (is_marked ? (double)m->idle : 0);
	row.values[COLUMN_HOT] = (double)c->free_hot_bytes - (is_marked ? (double)m->free_hot_bytes : 0);
	row.values[COLUMN_COLD] = (double)c->free_cold_bytes - (is_marked ? (double)m->free_cold_bytes : 0);
	row.values[COLUMN_PEAK] = (double)top->peaks[i];
	row.values[COLUMN_RATE] = top_rate(top, top->now.snapshot.pool.classes[i].allocations,
	    top->before.snapshot.pool.classes[i].allocations);
	row.values[COLUMN_REUSE] = share_less(c->in_use + c->idle, c->uses);
	row.values[COLUMN_WASTE] = share_less(c->requested_bytes, c->in_use_bytes);
	return row;
}

/* Sizes that were never asked for and have nothing but memory that went back would hide those in use. */
static bool is_used(const struct top *top, unsigned i)
{
	const struct target_class *c = &top->now.classes[i];

	return c->in_use + c->idle + c->free_hot_bytes + top->now.snapshot.pool.classes[i].allocations > 0;
}

static struct {
	int column;
	bool is_reversed;
} order;

static int by_column(const void *a, const void *b)
{
	double x = ((const struct class_row *)a)->values[order.column],
	       y = ((const struct class_row *)b)->values[order.column];
	/* Sizes rise, all else falls: what is most comes first. */
	bool is_rising = (order.column == COLUMN_SIZE) != order.is_reversed;

	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return is_rising ? (x > y) - (x < y) : (x < y) - (x > y);
}

static void draw_value(int y, int x, int column, double value, bool is_change)
{
	char text[TEXT_FIGURE_MAX + 1];
	enum style style = STYLE_PLAIN;

	if (is_change && class_columns[column].has_change) {
		style = value > 0 ? STYLE_WARN : value < 0 ? STYLE_GOOD : STYLE_PLAIN;
		if (class_columns[column].is_bytes)
			text_bytes_signed(text, value);
		else
			snprintf(text, sizeof text, "%+.0f", value);
	} else if (class_columns[column].is_bytes) {
		text_bytes(text, value);
	} else if (class_columns[column].is_share) {
		text_percent(text, value);
	} else {
		text_count(text, value);
	}
	draw_text(y, x, class_columns[column].width, style, "%*s", class_columns[column].width, text);
}

void draw_classes(struct top *top, int first, int last)
{
	struct class_row rows[SIZE_CLASSES] = {{{0}}};
	size_t count = 0, shown = (size_t)(last - first - 1), *from = &top->row[VIEW_CLASSES];
	int x = 0;

	for (unsigned i = 0; i < SIZE_CLASSES; i++)
		if (is_used(top, i))
			rows[count++] = row_of(top, i);
	order.column = top->sort[VIEW_CLASSES];
	order.is_reversed = top->is_reversed[VIEW_CLASSES];
	qsort(rows, count, sizeof *rows, by_column);
	for (int c = 0; c < CLASS_COLUMNS; c++) {
		draw_text(first, x, class_columns[c].width, c == order.column ? STYLE_SELECTED : STYLE_HEAD,
		    "%*s", class_columns[c].width, class_columns[c].title);
		x += class_columns[c].width;
	}
	*from = MIN(*from, count > shown ? count - shown : 0);
	for (size_t i = 0; i < shown && *from + i < count; i++) {
		x = 0;
		for (int c = 0; c < CLASS_COLUMNS; c++) {
			draw_value(first + 1 + (int)i, x, c, rows[*from + i].values[c], top->mark.is_valid);
			x += class_columns[c].width;
		}
	}
	if (count == 0)
		draw_text(first + 2, 2, 1000, STYLE_PLAIN, "The pool has served nothing yet.");
}

int view_columns(enum top_view view)
{
	return view == VIEW_CLASSES ? CLASS_COLUMNS : view == VIEW_SITES ? sites_columns() : 0;
}

/* --- what to do -------------------------------------------------------------------- */

void draw_advice(struct top *top, int first, int last)
{
	const struct snapshot *s = &top->now.snapshot;
	int y = first;

	for (unsigned i = 0; i < s->advice_count && y < last; i++) {
		const struct advice *a = &s->advice[i];

		draw_text(y++, 1, 70,
		    a->severity[0] == 'c'   ? STYLE_BAD
		    : a->severity[0] == 'w' ? STYLE_WARN
					    : STYLE_HEAD,
		    "%s (%s)", a->code, a->severity);
		y = 1 + draw_wrapped(y, last, 3, 76, a->text);
	}
	if (s->advice_count == 0)
		draw_text(first + 1, 2, 1000, STYLE_PLAIN, "Nothing: no fact asks for it.");
}
