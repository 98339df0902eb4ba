/*
 * target_track.c -- what another process knows of lifetimes and call sites.
 *
 * What its last tick said is copied as a whole, under the sequence number of weir_state; the
 * texts that it points at are read after it. A single site is read from the table of sites,
 * with the ages of its live samples, and its life table is made here as the tick makes it.
 * Indexes and counts are bounded before use: nothing that is read is trusted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "cli/target_parts.h"
#include "cli/text.h"
#include "track/risk.h"
#include "track/samples.h"
#include "track/sites.h"

#define TEXT_BYTES 512
#define TEXTS_MAX 2048
#define TEXT_STEP 64
#define TRIES_MAX 20
#define IDS_AT_ONCE 512

struct target_texts {
	size_t count;
	struct target_text {
		uint64_t address;
		char text[TEXT_BYTES];
	} at[TEXTS_MAX];
};

/* --- texts ----------------------------------------------------------------------- */

static void read_text(struct target *target, uint64_t address, char text[TEXT_BYTES])
{
	size_t used = 0;

	/* In steps: the next page may not be there. */
	while (used + TEXT_STEP < TEXT_BYTES) {
		size_t step = TEXT_STEP - (address + used) % TEXT_STEP;

		if (target_read(target, address + used, text + used, step) != TARGET_OK)
			break;
		if (memchr(text + used, '\0', step) != NULL) {
			text_make_printable(text);
			return;
		}
		used += step;
	}
	text[used] = '\0';
	text_make_printable(text);
}

/* The text that their pointer points at. NULL stays what it is. */
static const char *text_at(struct target *target, const char *theirs)
{
	struct target_texts *texts = target->texts;
	struct target_text *text;

	if (theirs == NULL)
		return NULL;
	for (size_t i = texts->count; i-- > 0;)
		if (texts->at[i].address == (uintptr_t)theirs)
			return texts->at[i].text;
	if (texts->count == TEXTS_MAX)
		return "?";
	text = &texts->at[texts->count++];
	text->address = (uintptr_t)theirs;
	read_text(target, text->address, text->text);
	return text->text;
}

static const char *name_at(struct target *target, const char *theirs)
{
	const char *text = text_at(target, theirs);

	return text != NULL ? text : "";
}

static void fetch_texts(struct target *target, struct track_snapshot *track)
{
	track->site_count = MIN(track->site_count, TRACK_LISTED_MAX);
	track->mapping_count = MIN(track->mapping_count, TRACK_MODULES_MAX);
	track->risk.level_name = name_at(target, track->risk.level_name);
	track->risk.reason = name_at(target, track->risk.reason);
	for (unsigned i = 0; i < track->site_count; i++) {
		struct track_site *site = &track->sites[i];

		site->level_name = name_at(target, site->level_name);
		site->reason = name_at(target, site->reason);
		site->why[sizeof site->why - 1] = '\0';
		text_make_printable(site->why);
		site->frame_count = MIN(site->frame_count, TRACK_FRAMES_MAX);
		for (unsigned k = 0; k < site->frame_count; k++) {
			site->frames[k].module = text_at(target, site->frames[k].module);
			site->frames[k].build_id = name_at(target, site->frames[k].build_id);
		}
	}
	for (unsigned i = 0; i < track->mapping_count; i++) {
		track->mappings[i].path = name_at(target, track->mappings[i].path);
		track->mappings[i].build_id = name_at(target, track->mappings[i].build_id);
	}
}

/* --- as of the last tick ----------------------------------------------------------- */

/* Before the first tick nothing is published; a process that was told to follow lifetimes does, or will. */
static void put_unjudged(const struct target *target, struct track_snapshot *track)
{
	*track = (struct track_snapshot){.is_active = target->settings.track && target->settings.enable};
	track->risk.level_name = risk_level_name(RISK_LOW);
	track->risk.reason = risk_reason_name(RISK_INSUFFICIENT);
	track->risk.time_to_limit_seconds = -1;
}

enum target_result target_track(struct target *target, struct track_snapshot *track)
{
	uint64_t number = target->address + offsetof(struct weir_state, sequence);
	enum target_result result = TARGET_OK;
	uint32_t before, after;

	if (target->texts == NULL)
		target->texts = malloc(sizeof *target->texts);
	if (target->texts == NULL) {
		target->error = ENOMEM;
		return TARGET_FAILED;
	}
	target->texts->count = 0;
	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		result = target_read(target, number, &before, sizeof before);
		if (result == TARGET_OK)
			result = target_read(
			    target, target->state.parts[STATE_TRACK].address, track, sizeof *track);
		if (result == TARGET_OK)
			result = target_read(target, number, &after, sizeof after);
		if (result != TARGET_OK)
			return result;
		if (before == after && before % 2 == 0)
			break;
	}
	if (before == 0)
		put_unjudged(target, track);
	else if (track->is_active)
		fetch_texts(target, track);
	return TARGET_OK;
}

/* --- a site ------------------------------------------------------------------------ */

/* The row of a site that is in use; SITES_ROWS: none. */
static enum target_result find_row(struct target *target, uint64_t id, uint32_t *row)
{
	uint64_t rows = target->state.parts[STATE_SITE].address;
	uint32_t bound = MIN(target->state.figures.sites_bound, (uint32_t)SITES_MAX);
	uint64_t ids[IDS_AT_ONCE] = {0};
	struct iovec remote[IDS_AT_ONCE];

	*row = SITES_ROWS;
	/* Overflow rows follow the plain ones, wherever those end. */
	for (uint32_t first = 0; first < SITES_ROWS && *row == SITES_ROWS;) {
		uint32_t end = first < bound ? bound : SITES_ROWS, count;
		struct iovec local;

		if (first == bound && first < SITES_MAX)
			first = SITES_MAX;
		count = MIN(end - first, (uint32_t)IDS_AT_ONCE);
		local = (struct iovec){ids, count * sizeof *ids};
		for (uint32_t i = 0; i < count; i++)
			remote[i] = (struct iovec){
			    (void *)(uintptr_t)(rows + (uint64_t)(first + i) * sizeof(struct site) +
						offsetof(struct site, id)),
			    sizeof *ids};
		if (process_vm_readv(target->pid, &local, 1, remote, count, 0) !=
		    (ssize_t)(count * sizeof *ids))
			return TARGET_CHANGED;
		for (uint32_t i = 0; i < count && *row == SITES_ROWS; i++)
			if (ids[i] == id)
				*row = first + i;
		first += count;
	}
	return *row < SITES_ROWS ? TARGET_OK : TARGET_CHANGED;
}

static enum target_result read_live(struct target *target, uint32_t row, double now, struct target_site *site)
{
	const struct state_figures *figures = &target->state.figures;
	struct sample_facts sample;
	enum target_result result;
	uint32_t cursor = 0;
	uint64_t bytes = MIN(figures->samples_bytes, (uint64_t)(SAMPLES_MAX + 1) * 64);

	if (!target_room(&target->samples, &target->samples_room, bytes + 1)) {
		target->error = ENOMEM;
		return TARGET_FAILED;
	}
	result = target_read(target, figures->samples_address, target->samples, bytes);
	if (result != TARGET_OK)
		return result;
	live_begin(&site->live, &site->facts, now);
	samples_borrow(target->samples, bytes);
	while (samples_next(&cursor, &sample) != 0)
		if (sample.site == row)
			live_add(&site->live, now - (double)sample.birth / TICKS_PER_SECOND, sample.size,
			    (double)sample.weight);
	samples_borrow(NULL, 0);
	return TARGET_OK;
}

enum target_result target_site(struct target *target, uint64_t id, struct target_site *site)
{
	double now = (double)target->state.figures.uptime_ns / (double)SECOND;
	static struct site copy;
	enum target_result result;
	uint32_t row;

	if (target->state.parts[STATE_SITE].address == 0)
		return TARGET_CHANGED;
	result = find_row(target, id, &row);
	if (result == TARGET_OK)
		result =
		    target_read(target, target->state.parts[STATE_SITE].address + (uint64_t)row * sizeof copy,
			&copy, sizeof copy);
	if (result != TARGET_OK)
		return result;
	if (copy.id != id)
		return TARGET_CHANGED;
	facts_copy(&site->facts, &copy.facts);
	result = read_live(target, row, now, site);
	if (result == TARGET_OK)
		life_table_make(&site->table, &site->facts, &site->live);
	return result;
}
