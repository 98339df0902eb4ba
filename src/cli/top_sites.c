/*
 * top_sites.c -- the views of one process that are about lifetimes: call sites, ages.
 */
#include "cli/top.h"

void draw_sites(struct top *top, int first, int last)
{
	(void)top;
	(void)last;
	draw_text(first + 1, 2, 1000, STYLE_PLAIN, "This process does not follow call sites.");
}

void draw_lifetimes(struct top *top, int first, int last)
{
	(void)top;
	(void)last;
	draw_text(first + 1, 2, 1000, STYLE_PLAIN, "This process does not follow lifetimes.");
}

uint64_t sites_selected(const struct top *top)
{
	(void)top;
	return 0;
}
