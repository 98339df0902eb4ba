/*
 * html.h -- between the parts of the writer of pages: texts, and the charts as inline SVG.
 */
#ifndef WEIR_CLI_HTML_H
#define WEIR_CLI_HTML_H

#include "cli/report.h"

/* Text that stays text, in content and in attributes within double quotes. */
void html_text(FILE *to, const char *text);

/* Bytes in use and idle of each size class. */
void html_classes(const struct report *report);

/* Of the freed and of those alive, which share is of which age. */
void html_lifetimes(const struct report *report);

/* From half to nearly all of a site's freed objects, and half of its living: on one line of time. */
void html_site_axis(const struct report *report, const struct dump_site *site);

/* Live bytes by stack, outermost function on top. */
void html_flame(const struct report *report);

#endif
