/*
 * write_text_track.c -- what tracking knows, as text: the sentence at the top, the call sites with
 * their stacks, lifetimes, and what tracking takes itself.
 *
 * Called by write_text() alone, in the dump's signal handler: no allocation, no stdio.
 */
#include <string.h>

#include "report/metrics.h"
#include "report/text.h"

#define SITES_AT_LEAST 3 /* that are shown, at risk or not */

static void put_level(struct out *out, const char *level, double score)
{
	out_str(out, level);
	out_str(out, " (");
	out_decimal(out, score, 2);
	out_char(out, ')');
}

/* The last part of a path. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static void put_frame(struct out *out, const struct track_frame *frame)
{
	if (frame->module == NULL) {
		out_hex(out, frame->pc);
		out_str(out, " in generated or unknown code");
		return;
	}
	text_plain(out, base_name(frame->module));
	out_char(out, '+');
	out_hex(out, frame->offset);
}

/* The innermost frame that is not of libc, which allocates for whoever calls it (strdup, fopen). */
static const struct track_frame *frame_to_name(const struct track_site *site)
{
	for (unsigned i = 0; i < site->frame_count; i++) {
		const char *module = site->frames[i].module;

		if (module == NULL || strncmp(base_name(module), "libc.so", strlen("libc.so")) != 0)
			return &site->frames[i];
	}
	return &site->frames[0];
}

/* The one sentence that somebody who was woken up reads. */
OWN_FRAME void text_risk(struct out *out, const struct snapshot *s)
{
	const struct track_risk *risk = &s->track.risk;
	const struct track_site *site = metrics_site(s, risk->guilty_site);
	text_label(out, "leak risk");
	if (!s->track.is_active) {
		out_str(out, s->settings->track && s->pool.is_active
				 ? "not known; there is no memory for tracking\n"
				 : "not known; tracking is off\n");
		return;
	}
	if (!risk->is_known) {
		out_str(out, "not known yet; the next monitor tick judges it\n");
		return;
	}
	put_level(out, risk->level_name, risk->score);
	out_str(out, ": ");
	out_str(out, risk->reason);
	if (site != NULL && risk->level > 0 && site->frame_count > 0) {
		out_str(out, " at ");
		put_frame(out, frame_to_name(site));
	}
	if (risk->time_to_limit_seconds >= 0) {
		out_str(out, "; the memory limit is reached in ");
		out_time_left(out, risk->time_to_limit_seconds);
		out_str(out, " at this rate");
	}
	out_str(out, "; confidence ");
	out_percent(out, risk->confidence);
	out_char(out, '\n');
}

static void put_rate(struct out *out, double bytes_per_hour)
{
	out_size_human(out, (uint64_t)MIN(MAX(bytes_per_hour, 0.0), 1e18));
	out_str(out, "/h");
}

static void put_lifetime(struct out *out, const char *name, double seconds)
{
	if (seconds < 0)
		return;
	out_str(out, name);
	out_duration(out, seconds);
}

static OWN_FRAME void put_site(struct out *out, const struct track_site *site)
{
	text_label(out, site->level_name);
	out_decimal(out, site->risk, 2);
	out_char(out, ' ');
	out_str(out, site->reason);
	out_str(out, ": ");
	out_size_human(out, (uint64_t)MIN(MAX(site->live_bytes, 0.0), 1e18));
	out_str(out, " live in ");
	out_number_of(out, (uint64_t)MIN(MAX(site->live_objects, 0.0), 1e18), "object");
	if (site->growth_bytes_per_hour > 0 && site->live_objects > 0) {
		out_str(out, ", growing ");
		put_rate(out, site->growth_bytes_per_hour);
	}
	if (site->time_to_limit_seconds >= 0 && site->level > 0) {
		out_str(out, ", limit in ");
		out_time_left(out, site->time_to_limit_seconds);
	}
	out_char(out, '\n');
	out_pad(out, TEXT_LABEL_COLUMN);
	out_str(out, "site ");
	out_hex(out, site->id);
	put_lifetime(out, ", freed after ", site->lifetime_p50_seconds);
	put_lifetime(out, " (99%: ", site->lifetime_p99_seconds);
	if (site->lifetime_p99_seconds >= 0)
		out_char(out, ')');
	put_lifetime(out, ", the live are ", site->age_p50_seconds);
	if (site->age_p50_seconds >= 0)
		out_str(out, " old");
	out_char(out, '\n');
	if (site->why[0] != '\0') {
		out_pad(out, TEXT_LABEL_COLUMN);
		text_wrapped(out, site->why, TEXT_LABEL_COLUMN);
	}
	if (site->is_overflow) {
		out_pad(out, TEXT_LABEL_COLUMN);
		out_str(out, "all sites of this module that found no room:\n");
	}
	for (unsigned i = 0; i < site->frame_count; i++) {
		out_pad(out, TEXT_LABEL_COLUMN);
		put_frame(out, &site->frames[i]);
		out_char(out, '\n');
	}
}

/* All that are at risk, with their stacks; of the others as many as one looks at. */
OWN_FRAME void text_sites(struct out *out, const struct track_snapshot *track)
{
	double bytes = track->not_listed.live_bytes;
	unsigned shown = 0;
	text_heading(out, "Call sites, most at risk first; bytes and objects are estimates");
	for (; shown < track->site_count; shown++) {
		if (track->sites[shown].level == 0 && shown >= SITES_AT_LEAST)
			break;
		put_site(out, &track->sites[shown]);
	}
	if (shown == 0)
		out_str(out, "  none yet\n");
	if (track->sites_not_listed + track->site_count - shown > 0) {
		out_str(out, "  and ");
		out_count(out, track->sites_not_listed + track->site_count - shown);
		for (unsigned i = shown; i < track->site_count; i++)
			bytes += track->sites[i].live_bytes;
		out_str(out, " more, in which live ");
		out_size_human(out, (uint64_t)bytes);
		out_char(out, '\n');
	}
}

static void put_quantiles(struct out *out, const char *name, const double *weights)
{
	static const struct {
		const char *name;
		double share;
	} quantiles[] = {{"half within ", 0.5}, {", 90% within ", 0.9}, {", 99% within ", 0.99}};
	text_label(out, name);
	if (track_age_quantile(weights, 0.5) < 0) {
		out_str(out, "none\n");
		return;
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(quantiles); i++) {
		out_str(out, quantiles[i].name);
		out_duration(out, track_age_quantile(weights, quantiles[i].share));
	}
	out_char(out, '\n');
}

OWN_FRAME void text_lifetimes(struct out *out, const struct track_lifetimes *l)
{
	static const struct text_column columns[] = {
	    {"freed, up to", 14}, {"half", 28}, {"90%", 42}, {"99%", 56}, {NULL, 0}};
	text_heading(out, "Lifetimes, to a factor of two");
	put_quantiles(out, "freed", l->freed);
	put_quantiles(out, "still live", l->live);
	for (unsigned i = 0, is_headed = 0; i < TRACK_SIZE_GROUPS; i++) {
		const double *weights = l->freed_by_size[i];
		if (track_age_quantile(weights, 0.5) < 0)
			continue;
		if (is_headed++ == 0)
			text_heads(out, columns);
		size_t cell = out_cell_begin(out);
		if (i + 1 < TRACK_SIZE_GROUPS)
			out_size_human(out, track_size_up_to(i));
		else
			out_str(out, "larger");
		out_cell_end(out, cell, columns[0].end);
		text_cell_duration(out, track_age_quantile(weights, 0.5), columns[1].end);
		text_cell_duration(out, track_age_quantile(weights, 0.9), columns[2].end);
		text_cell_duration(out, track_age_quantile(weights, 0.99), columns[3].end);
		out_char(out, '\n');
	}
}

OWN_FRAME void text_tracking(struct out *out, const struct track_counters *c)
{
	text_heading(out, "Tracking");
	text_label(out, "tables");
	out_str(out, "about ");
	out_size_human(out, c->table_bytes_used);
	out_str(out, " in use of at most ");
	out_size_human(out, c->table_bytes);
	out_char(out, '\n');
	text_label(out, "samples");
	out_count(out, c->samples_live);
	out_str(out, " live of ");
	out_count(out, c->samples_max);
	out_str(out, "; ");
	out_count(out, c->samples_dropped);
	out_str(out, " found no room, ");
	out_count(out, c->samples_thinned);
	out_str(out, " made room\n");
	text_label(out, "stacks");
	out_count(out, c->stacks_captured);
	out_str(out, " captured, ");
	out_count(out, c->stacks_dropped);
	out_str(out, " dropped, ");
	out_count(out, c->stacks_truncated);
	out_str(out, " cut off at ");
	out_number_of(out, TRACK_FRAMES_MAX, "frame");
	out_str(out, "; unwind tables read for ");
	out_number_of(out, c->tables_read, "frame");
	out_char(out, '\n');
	text_label(out, "sites");
	out_count(out, c->sites_used);
	out_str(out, " of ");
	out_count(out, c->sites_max);
	out_str(out, " rows; ");
	out_number_of(out, c->sites_left_out, "sample");
	out_str(out, " counted by module for want of room\n");
	text_label(out, "ticks");
	out_count(out, c->ticks);
	out_str(out, ", the last took ");
	out_decimal(out, (double)c->last_tick_ns / 1e6, 1);
	out_str(out, " ms, the longest ");
	out_decimal(out, (double)c->longest_tick_ns / 1e6, 1);
	out_str(out, " ms\n");
	if (c->paged_out_bytes != 0) {
		text_label(out, "paged out");
		out_size_human(out, c->paged_out_bytes);
		out_str(out, " offered to swap, ");
		out_number_of(out, c->refaults, "page");
		out_str(out, " came back\n");
	}
}
