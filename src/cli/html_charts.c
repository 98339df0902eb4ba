/*
 * html_charts.c -- charts of a dump as inline SVG: size classes, lifetimes against ages.
 *
 * Drawn in units of a view box, so that the page scales them; colours are the
 * page's variables, so that they follow light and dark. Every bar says its figure
 * when it is pointed at.
 */
#include <math.h>
#include <string.h>

#include "cli/html.h"
#include "cli/text.h"

#define WIDTH 760
#define HEIGHT 260
#define LEFT 64
#define TOP 12
#define BOTTOM 44 /* for the names below */
#define BARS_MAX 128

struct chart {
	FILE *to;
	size_t count;	/* of places along the axis */
	double largest; /* at the top */
};

static double place(const struct chart *chart, size_t i)
{
	return LEFT + (double)i * (WIDTH - LEFT - 8) / (double)chart->count;
}

static double height(const struct chart *chart, double value)
{
	return chart->largest > 0 ? value / chart->largest * (HEIGHT - TOP - BOTTOM) : 0;
}

/* The next of step, twice that, four times that, ... from value up: a top that halves and quarters well. */
static double round_up(double value, double step)
{
	while (step < value)
		step *= 2;
	return step;
}

static void begin(const struct chart *chart, const char *label, char *(*figure)(char *, double))
{
	fprintf(chart->to, "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n",
	    WIDTH, HEIGHT, label);
	for (unsigned i = 0; i <= 4; i++) {
		double y = HEIGHT - BOTTOM - (double)i / 4 * (HEIGHT - TOP - BOTTOM);
		char text[TEXT_FIGURE_MAX];

		fprintf(chart->to,
		    "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"tick\" x=\"%d\" "
		    "y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
		    LEFT, WIDTH - 8, y, y, LEFT - 8, y + 4, figure(text, chart->largest * i / 4));
	}
}

static void end(const struct chart *chart)
{
	fputs("</svg>\n", chart->to);
}

/* A bar on top of what is there already, which is base high. */
static void bar(const struct chart *chart, const char *class, double x, double width, double base,
    double value, const char *says)
{
	double tall = height(chart, value);

	if (!(value > 0))
		return;
	fprintf(chart->to,
	    "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%s</title></rect>\n",
	    class, x, HEIGHT - BOTTOM - height(chart, base) - fmax(tall, 1), fmax(width, 1), fmax(tall, 1),
	    says);
}

static void name_below(const struct chart *chart, size_t i, const char *name)
{
	double x = (place(chart, i) + place(chart, i + 1)) / 2;

	fprintf(chart->to,
	    "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"end\" transform=\"rotate(-35 %.1f %d)\">%s"
	    "</text>\n",
	    x + 4, HEIGHT - BOTTOM + 16, x + 4, HEIGHT - BOTTOM + 16, name);
}

static size_t label_step(size_t count)
{
	return (count + 23) / 24;
}

void html_classes(const struct report *report)
{
	const struct dump *dump = report->dump;
	struct chart chart = {.to = report->to, .count = MIN(dump->class_count, (size_t)BARS_MAX)};
	double largest = 0;

	for (size_t i = 0; i < chart.count; i++) {
		const struct dump_class *c = &dump->classes[i];

		largest = fmax(largest, ((double)c->in_use + (double)c->idle) * (double)c->size_bytes);
	}
	if (!(largest > 0))
		return;
	chart.largest = round_up(largest, 4096);
	fputs("<section><h2>Use over size classes</h2>\n<p class=\"key\"><i class=\"a\"></i>in use "
	      "<i class=\"b\"></i>idle</p>\n",
	    report->to);
	begin(&chart, "bytes in use and idle by size class", text_bytes);
	for (size_t i = 0; i < chart.count; i++) {
		const struct dump_class *c = &dump->classes[i];
		double size = (double)c->size_bytes, width = place(&chart, 1) - place(&chart, 0);
		double in_use = (double)c->in_use * size, idle = (double)c->idle * size;
		char a[TEXT_FIGURE_MAX], b[TEXT_FIGURE_MAX], d[TEXT_FIGURE_MAX], says[160];

		snprintf(says, sizeof says, "%s: %s buffers in use, %s", text_bytes(a, size),
		    text_count(b, (double)c->in_use), text_bytes(d, in_use));
		bar(&chart, "a", place(&chart, i) + width * 0.1, width * 0.8, 0, in_use, says);
		snprintf(says, sizeof says, "%s: %s buffers idle, %s", text_bytes(a, size),
		    text_count(b, (double)c->idle), text_bytes(d, idle));
		bar(&chart, "b", place(&chart, i) + width * 0.1, width * 0.8, in_use, idle, says);
		if (i % label_step(chart.count) == 0)
			name_below(&chart, i, a);
	}
	end(&chart);
	fputs("</section>\n", report->to);
}

static double share_of(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static void age_bar(const struct chart *chart, const struct dump_lifetime *bucket, size_t i, bool is_live,
    double value, double whole)
{
	double width = place(chart, 1) - place(chart, 0), part = share_of(value, whole);
	char from[TEXT_FIGURE_MAX], to[TEXT_FIGURE_MAX], count[TEXT_FIGURE_MAX], share[TEXT_FIGURE_MAX],
	    says[200];

	snprintf(says, sizeof says, "%s to %s: %s %s, %s", text_duration(from, bucket->from_seconds),
	    text_duration(to, bucket->to_seconds), text_count(count, value), is_live ? "alive" : "freed",
	    text_percent(share, part));
	bar(chart, is_live ? "a" : "b", place(chart, i) + width * (is_live ? 0.52 : 0.08), width * 0.42, 0,
	    part, says);
}

void html_lifetimes(const struct report *report)
{
	const struct dump_lifetime *l = report->dump->lifetimes;
	double largest = 0, freed = 0, live = 0;
	struct chart chart = {.to = report->to};
	size_t first, last;

	if (!report_lifetimes(report->dump, &first, &last))
		return;
	chart.count = MIN(last - first, (size_t)BARS_MAX);
	l += first;
	for (size_t i = 0; i < chart.count; i++) {
		freed += l[i].freed;
		live += l[i].live;
	}
	for (size_t i = 0; i < chart.count; i++)
		largest = fmax(largest, fmax(share_of(l[i].freed, freed), share_of(l[i].live, live)));
	chart.largest = fmin(ceil(largest * 10) / 10, 1);
	fputs(
	    "<section><h2>Lifetimes against ages</h2>\n<p class=\"key\"><i class=\"b\"></i>freed at this age "
	    "<i class=\"a\"></i>alive, of this age; each as a share of its own</p>\n",
	    report->to);
	begin(&chart, "ages at which objects were freed, and ages of those alive", text_percent);
	for (size_t i = 0; i < chart.count; i++) {
		char from[TEXT_FIGURE_MAX];

		age_bar(&chart, &l[i], i, false, l[i].freed, freed);
		age_bar(&chart, &l[i], i, true, l[i].live, live);
		if (i % label_step(chart.count) == 0)
			name_below(&chart, i, text_duration(from, l[i].from_seconds));
	}
	end(&chart);
	fputs("</section>\n", report->to);
}

#define AXIS 220

static double axis_place(double seconds)
{
	return report_time_place(seconds) * AXIS;
}

void html_site_axis(const struct report *report, const struct dump_site *site)
{
	char a[TEXT_FIGURE_MAX], b[TEXT_FIGURE_MAX];

	fprintf(report->to,
	    "<svg class=\"axis\" viewBox=\"-8 0 %d 20\" role=\"img\" aria-label=\"lifetimes against ages\"><line "
	    "class=\"grid\" x1=\"0\" x2=\"%d\" y1=\"10\" y2=\"10\"/>",
	    AXIS + 16, AXIS);
	if (isfinite(site->lifetime_p50_seconds) && isfinite(site->lifetime_p99_seconds)) {
		double from = axis_place(site->lifetime_p50_seconds);

		fprintf(report->to,
		    "<rect class=\"b\" x=\"%.1f\" y=\"6\" width=\"%.1f\" height=\"8\"><title>half of those freed lived "
		    "at most %s, 99%% at most %s</title></rect>",
		    from, fmax(axis_place(site->lifetime_p99_seconds) - from, 2),
		    text_duration(a, site->lifetime_p50_seconds),
		    text_duration(b, site->lifetime_p99_seconds));
	}
	if (isfinite(site->age_p50_seconds))
		fprintf(report->to,
		    "<circle class=\"a\" cx=\"%.1f\" cy=\"10\" r=\"6\"><title>half of those alive are at most %s old"
		    "</title></circle>",
		    axis_place(site->age_p50_seconds), text_duration(a, site->age_p50_seconds));
	fputs("</svg>", report->to);
}
