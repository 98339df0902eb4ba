/*
 * collect.c -- what a dump gets of the sites, of the process's risk and of what is loaded.
 *
 * Called by track_collect(), also in a signal handler: takes no lock, allocates nothing, and reads what others may write
 * meanwhile, word by word: each figure is near the truth, and not all are of one instant.
 */
#include "track/collect.h"

#include "base/out.h"
#include "track/modules.h"
#include "track/sites.h"
#include "track/tick.h"

/* Most at risk first, to a percent; among equals, who holds most. */
struct rank {
	double bytes;
	uint32_t percent, row;
};

static bool is_before(const struct rank *a, const struct rank *b)
{
	return a->percent > b->percent || (a->percent == b->percent && a->bytes > b->bytes);
}

UNLOCKED_READER static void add_row(struct track_sums *sums, uint32_t row)
{
	const struct facts *facts = &sites_at(row)->facts;

	sums->live_objects += collect_load(&facts->live_count);
	sums->live_bytes += collect_load(&facts->live_bytes);
	sums->births += collect_load(&facts->births);
	sums->birth_bytes += collect_load(&facts->birth_bytes);
	sums->deaths += collect_load(&facts->deaths);
}

/* rest: what the rows hold that find no place. */
UNLOCKED_READER static unsigned rank_rows(struct rank *ranks, uint64_t *seen, struct track_sums *rest)
{
	unsigned count = 0;

	*seen = 0;
	*rest = (struct track_sums){0};
	for (uint32_t row = 0; row < SITES_ROWS; row++) {
		const struct site *site = sites_at(row);
		unsigned state, at;
		struct rank rank;

		if (row == sites_bound() && row < SITES_MAX) {
			row = SITES_MAX - 1;
			continue;
		}
		state = atomic_load_explicit(&site->state, memory_order_acquire);
		if (state != SITE_USED && state != SITE_RETIRED)
			continue;
		++*seen;
		rank = (struct rank){
		    .bytes = collect_load(&site->facts.live_bytes),
		    .percent = (uint32_t)(MIN(MAX(collect_load(&site->risk.score), 0.0), 1.0) * 100 + 0.5),
		    .row = row,
		};
		if (count == TRACK_LISTED_MAX) {
			bool is_listed = is_before(&rank, &ranks[count - 1]);

			add_row(rest, is_listed ? ranks[count - 1].row : row);
			if (!is_listed)
				continue;
		}
		at = count < TRACK_LISTED_MAX ? count++ : count - 1;
		for (; at > 0 && is_before(&rank, &ranks[at - 1]); at--)
			ranks[at] = ranks[at - 1];
		ranks[at] = rank;
	}
	return count;
}

UNLOCKED_READER static void put_frames(struct track_site *to, const struct site *site)
{
	to->frame_count = MIN(LOAD_RELAXED(&site->frame_count), TRACK_FRAMES_MAX);
	for (unsigned i = 0; i < to->frame_count; i++) {
		const struct site_frame *frame = &site->frames[i];
		unsigned module = LOAD_RELAXED(&frame->module);

		to->frames[i].pc = LOAD_RELAXED(&frame->pc);
		to->frames[i].offset = LOAD_RELAXED(&frame->offset);
		to->frames[i].module = module < MODULES_MAX ? modules_at(module)->path : NULL;
		to->frames[i].build_id = module < MODULES_MAX ? modules_at(module)->build_id : "";
	}
}

static double time_to_limit(double growth_bytes_per_hour)
{
	const struct tick_result *result = tick_result();
	double left = collect_load(&result->memory_limit_bytes) - collect_load(&result->memory_used_bytes);

	if (collect_load(&result->memory_limit_bytes) == 0 || growth_bytes_per_hour <= 0)
		return -1;
	return MAX(left, 0.0) / growth_bytes_per_hour * 3600;
}

UNLOCKED_READER static void put_site(struct track_site *to, uint32_t row)
{
	const struct site *site = sites_at(row);
	const struct risk_site *risk = &site->risk;
	struct out why;
	double deaths = collect_load(&site->facts.deaths), live = collect_load(&site->facts.live_count);

	to->id = LOAD_RELAXED(&site->id);
	to->risk = collect_load(&risk->score);
	to->confidence = collect_load(&risk->confidence);
	to->level = LOAD_RELAXED(&risk->level);
	to->level_name = risk_level_name((enum risk_level)to->level);
	to->reason = risk_reason_name(LOAD_RELAXED(&risk->reason));
	to->live_objects = live;
	to->live_bytes = collect_load(&site->facts.live_bytes);
	to->births = collect_load(&site->facts.births);
	to->birth_bytes = collect_load(&site->facts.birth_bytes);
	to->deaths = deaths;
	to->growth_bytes_per_hour = collect_load(&risk->growth_bytes_per_hour);
	to->stuck_objects = collect_load(&risk->stuck_objects);
	to->stuck_bytes_per_hour = collect_load(&risk->stuck_bytes_per_hour);
	to->lifetime_p50_seconds = deaths > 0 ? collect_load(&risk->lifetime_p50_seconds) : -1;
	to->lifetime_p99_seconds = deaths > 0 ? collect_load(&risk->lifetime_p99_seconds) : -1;
	to->age_p50_seconds = live > 0 ? collect_load(&risk->age_p50_seconds) : -1;
	to->time_to_limit_seconds = time_to_limit(MAX(to->growth_bytes_per_hour, to->stuck_bytes_per_hour));
	out_init(&why, -1, to->why, sizeof(to->why) - 1);
	if (risk->live_objects > 0 || risk->confidence > 0)
		risk_explain_site(&why, risk);
	to->why[why.used] = '\0';
	to->is_overflow = LOAD_RELAXED(&site->is_overflow);
	put_frames(to, site);
}

void collect_risk(struct track_risk *to)
{
	const struct tick_result *result = tick_result();
	const struct risk_process *risk = &result->process;
	uint32_t worst = LOAD_RELAXED(&risk->worst_site);

	to->is_known = LOAD_RELAXED(&result->ticks) != 0;
	to->score = collect_load(&risk->score);
	to->confidence = collect_load(&risk->confidence);
	to->level = LOAD_RELAXED(&risk->level);
	to->level_name = risk_level_name((enum risk_level)to->level);
	to->reason = risk_reason_name(to->is_known ? LOAD_RELAXED(&risk->reason) : RISK_INSUFFICIENT);
	to->time_to_limit_seconds = to->is_known ? collect_load(&risk->time_to_limit_seconds) : -1;
	to->growth_bytes_per_hour = collect_load(&risk->growth_bytes_per_hour);
	to->is_fragmenting = LOAD_RELAXED(&risk->is_fragmenting);
	to->idle_growth_bytes_per_hour = collect_load(&risk->idle_growth_bytes_per_hour);
	to->guilty_site = to->is_known && worst < SITES_ROWS ? LOAD_RELAXED(&sites_at(worst)->id) : 0;
}

unsigned collect_mappings(struct track_mapping *to)
{
	unsigned count = 0, rows = modules_count();

	for (unsigned i = 0; i < rows; i++) {
		const struct module *module = modules_at(i);
		unsigned state = atomic_load_explicit(&module->state, memory_order_acquire);

		if (state == MODULE_FREE)
			continue;
		to[count++] = (struct track_mapping){
		    .start = module->start,
		    .end = module->end,
		    .offset = module->file_offset,
		    .bias = module->bias,
		    .path = module->path,
		    .build_id = module->build_id,
		    .is_gone = state == MODULE_GONE,
		};
	}
	return count;
}

void collect_sites(struct track_snapshot *snapshot)
{
	/* One dump at a time has the snapshot; the ranking stands in its own room. */
	struct rank *ranks = (struct rank *)(void *)snapshot->scratch;
	uint64_t seen;

	_Static_assert(
	    sizeof(snapshot->scratch) >= TRACK_LISTED_MAX * sizeof(struct rank), "the ranking fits");
	snapshot->site_count = rank_rows(ranks, &seen, &snapshot->not_listed);
	for (unsigned i = 0; i < snapshot->site_count; i++)
		put_site(&snapshot->sites[i], ranks[i].row);
	snapshot->sites_not_listed = seen - snapshot->site_count;
}
