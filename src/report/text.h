/*
 * text.h -- pieces of the text form of a dump, for its writers.
 *
 * Async-signal-safe.
 */
#ifndef WEIR_REPORT_TEXT_H
#define WEIR_REPORT_TEXT_H

#include "base/out.h"
#include "report/snapshot.h"

#define TEXT_LABEL_COLUMN 14
#define TEXT_LINE_COLUMNS 100 /* where long texts are broken into lines */

/* Of a table, whose cells are right-aligned; the last one has no name. */
struct text_column {
	const char *name;
	unsigned end; /* where its cells end */
};

void text_plain(struct out *out, const char *text);
void text_heads(struct out *out, const struct text_column *columns);
void text_cell_count(struct out *out, uint64_t value, unsigned end);
void text_cell_size(struct out *out, uint64_t bytes, unsigned end);
void text_cell_duration(struct out *out, double seconds, unsigned end);
void text_label(struct out *out, const char *text);
void text_heading(struct out *out, const char *text);
void text_wrapped(struct out *out, const char *text, unsigned indent);

/* write_text_track.c */
void text_risk(struct out *out, const struct snapshot *s);
void text_sites(struct out *out, const struct track_snapshot *track);
void text_lifetimes(struct out *out, const struct track_lifetimes *l);
void text_tracking(struct out *out, const struct track_counters *c);

#endif
