/*
 * report_folded.c -- stacks on one line each, with live bytes: flamegraph.pl, speedscope.
 *
 * "outermost;...;innermost BYTES". A semicolon within a name would end it, so it
 * becomes a colon. Sites without a stack stand under their id.
 */
#include <math.h>

#include "cli/report.h"

struct line {
	FILE *to;
	bool has_frames;
};

static void put_function(void *context, const char *name)
{
	struct line *line = context;

	if (line->has_frames)
		putc(';', line->to);
	line->has_frames = true;
	for (; *name != '\0'; name++)
		putc(*name == ';' ? ':' : *name, line->to);
}

static void put_line(const struct report *report, const struct dump_site *site)
{
	struct line line = {.to = report->to};

	site_each_function(report->symbols, site, put_function, &line);
	fprintf(report->to, " %.0f\n", rint(site->live_bytes));
}

void report_folded(const struct report *report)
{
	struct dump_site rest;

	for (size_t i = 0; i < report->dump->site_count; i++)
		put_line(report, &report->dump->sites[i]);
	if (site_not_listed(report->dump, &rest))
		put_line(report, &rest);
}
