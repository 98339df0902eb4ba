/*
 * tick.c -- the monitor tick of tracking: what lives how long by now, and who is at risk.
 *
 * Called through track_tick() by the maintenance pass, one at a time, never in a signal
 * handler. It walks over the live samples once, adds each to what is live at its site, then
 * judges the sites and the process. Births and deaths go on meanwhile: they take the stripe of a
 * site for nanoseconds, and so does the tick.
 *
 * Bounds: SAMPLES_MAX samples are looked at, and about JUDGED_A_TICK sites judged, which is what costs:
 * where more have something live, they take turns, but for those that are at risk or were so at the
 * last look. A site where nothing is live and nothing was born since is left as it is, which most
 * sites of a long-running program are.
 * The scratch is reserved at start and touched as far as rows are used.
 */
#include "track/tick.h"

#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "track/cold.h"
#include "track/modules.h"
#include "track/rules.h"
#include "track/sampler.h"
#include "track/samples.h"

/* A site without a live object is given up for another after so long, when rows are few. */
#define EVICT_AFTER_SECONDS 60.0

#define JUDGED_A_TICK 512

/* What of one row is live, for the time of a tick. */
struct row_live {
	struct live live;
	uint32_t tick; /* in which it was begun */
};

static struct {
	/* Frozen. */
	struct row_live *rows;
	uint32_t *live_objects; /* of each row, unweighted; only the tick */
	/* Only the tick writes; a dump reads result. */
	struct tick_result result;
	struct series series; /* of the process: resident and live bytes */
	double live_ages[TRACK_AGE_BUCKETS];
	struct facts facts; /* a copy of one site's, to judge it without the lock */
	struct risk_tally tally;
	uint32_t number;	  /* of this tick */
	uint32_t turns;		  /* a site is judged every so many ticks */
	uint64_t cpu_ns, real_ns; /* at the last tick, or the start */
} tick;

static size_t rows_bytes(void)
{
	return ROUND_UP(SITES_ROWS * sizeof(struct row_live), PAGE_BYTES);
}

size_t tick_table_bytes(void)
{
	return rows_bytes() + ROUND_UP(SITES_ROWS * sizeof(uint32_t), PAGE_BYTES);
}

bool tick_start(void)
{
	char *start = sys_reserve(tick_table_bytes());

	if (start == NULL)
		return false;
	if (!sys_commit(start, tick_table_bytes())) {
		sys_release(start, tick_table_bytes());
		return false;
	}
	sys_no_huge_pages(start, tick_table_bytes());
	tick.live_objects = (uint32_t *)(void *)(start + rows_bytes());
	tick.rows = (struct row_live *)(void *)start;
	tick.cpu_ns = clock_process_cpu_ns();
	tick.real_ns = clock_precise_ns();
	return true;
}

const struct tick_result *tick_result(void)
{
	return &tick.result;
}

unsigned tick_age_bucket(uint32_t age_ticks)
{
	unsigned bucket = age_ticks == 0 ? 0 : 32 - (unsigned)__builtin_clz(age_ticks);

	return MIN(bucket, TRACK_AGE_BUCKETS - 1);
}

static double seconds(uint32_t ticks)
{
	return (double)ticks / TICKS_PER_SECOND;
}

/* --- the walk over the live -------------------------------------------------- */

static struct live *live_of(uint32_t row, double now)
{
	struct row_live *entry = &tick.rows[row];

	if (entry->tick != tick.number) {
		entry->tick = tick.number;
		sites_lock_facts(row);
		live_begin(&entry->live, &sites_at(row)->facts, now);
		sites_unlock_facts(row);
	}
	return &entry->live;
}

static bool is_its_turn(uint32_t row)
{
	const struct risk_hold *hold = &sites_at(row)->hold;

	return row % tick.turns == tick.number % tick.turns || hold->level != RISK_LOW || hold->above != 0;
}

static void walk(uint32_t now_ticks)
{
	struct sample_facts sample;
	uint32_t cursor = 0;
	double now = seconds(now_ticks);

	memset(tick.live_objects, 0, SITES_ROWS * sizeof(uint32_t));
	memset(tick.live_ages, 0, sizeof(tick.live_ages));
	while (samples_next(&cursor, &sample) != 0) {
		/* A sample may be younger than this tick. */
		uint32_t age = (int32_t)(now_ticks - sample.birth) > 0 ? now_ticks - sample.birth : 0;
		uint32_t home;

		if (sample.site >= SITES_ROWS)
			continue;
		home = sites_home(sample.site);
		tick.live_objects[sample.site]++;
		tick.live_ages[tick_age_bucket(age)] += (double)sample.weight;
		if (is_its_turn(home))
			live_add(live_of(home, now), seconds(age), sample.size, (double)sample.weight);
	}
	memcpy(tick.result.live_ages, tick.live_ages, sizeof(tick.live_ages));
}

/* --- judging ----------------------------------------------------------------- */

/* Nothing is live there, nothing came, and nothing was said that may have to be taken back. */
static bool is_quiet(const struct site *site, uint32_t row)
{
	return tick.rows[row].tick != tick.number && site->facts.births == site->births_judged &&
	       site->risk.live_objects == 0 && site->hold.level == RISK_LOW;
}

static void judge_row(uint32_t row, double now, unsigned tested)
{
	struct site *site = sites_at(row);
	unsigned state = atomic_load_explicit(&site->state, memory_order_acquire);
	struct risk_site risk;
	struct live *live;

	if (state != SITE_USED && state != SITE_RETIRED)
		return;
	if (!is_its_turn(row)) {
		risk_tally_add(&tick.tally, &site->risk, row);
		return;
	}
	if (is_quiet(site, row))
		return;
	live = live_of(row, now);
	sites_lock_facts(row);
	facts_point(&site->facts, now);
	tick.facts = site->facts;
	sites_unlock_facts(row);
	risk_judge_site(&risk, &tick.facts, live, tested);
	sites_lock_facts(row);
	site->risk = risk;
	site->risk.level = risk_hold_level(&site->hold, risk.level);
	site->births_judged = tick.facts.births;
	sites_unlock_facts(row);
	risk_tally_add(&tick.tally, &risk, row);
}

static void judge_process(const struct track_facts *facts, double now)
{
	struct risk_memory memory = {
	    .now = now,
	    .used_bytes = (double)facts->memory_used_bytes,
	    .limit_bytes = (double)facts->memory_limit_bytes,
	    .series = &tick.series,
	};
	struct risk_process risk;

	if (facts->rss_bytes != 0)
		series_add(&tick.series, (struct series_point){
					     .at = (float)now,
					     .count = (float)facts->rss_bytes,
					     .bytes = (float)facts->live_bytes,
					 });
	risk_judge_process(&risk, &tick.tally, &memory);
	risk.level = risk_hold_level(&tick.result.hold, risk.level);
	tick.result.process = risk;
	tick.result.memory_limit_bytes = (double)facts->memory_limit_bytes;
	tick.result.memory_used_bytes = (double)facts->memory_used_bytes;
}

static void judge(const struct track_facts *facts, double now)
{
	uint32_t bound = sites_bound();
	unsigned tested = (unsigned)sites_rows_used();

	memset(&tick.tally, 0, sizeof(tick.tally));
	for (uint32_t row = 0; row < bound; row++)
		judge_row(row, now, tested);
	for (uint32_t row = SITES_MAX; row < SITES_ROWS; row++)
		judge_row(row, now, tested);
	judge_process(facts, now);
}

/* --- room -------------------------------------------------------------------- */

static void reweigh(const struct sample_facts *before, float weight)
{
	if (before->site < SITES_ROWS)
		sites_reweigh(before->site, before->size, (double)before->weight, (double)weight);
}

/* How many processors the process has used since the last tick. */
static void look_at_use(const struct track_facts *facts)
{
	uint64_t real = facts->real_ns - tick.real_ns;

	/* A child of a fork begins at 0 again. */
	if (facts->real_ns != 0 && real > 0 && facts->cpu_ns >= tick.cpu_ns)
		sampler_set_use((double)(facts->cpu_ns - tick.cpu_ns) / (double)real);
	tick.cpu_ns = facts->cpu_ns;
	tick.real_ns = facts->real_ns;
}

void tick_run(const struct track_facts *facts)
{
	double now = seconds(facts->now_ticks);
	uint64_t began = clock_precise_ns();

	tick.number++;
	tick.turns = (uint32_t)(sites_rows_used() / JUDGED_A_TICK) + 1;
	if (modules_refresh(sites_retire, sites_mark_modules))
		rules_forget();
	sites_resolve();
	walk(facts->now_ticks);
	judge(facts, now);
	cold_run(facts->now_ticks);
	sites_evict(tick.live_objects, now, EVICT_AFTER_SECONDS);
	sampler_keep_room(reweigh);
	look_at_use(facts);
	tick.result.now = now;
	tick.result.last_ns = clock_precise_ns() - began;
	tick.result.longest_ns = MAX(tick.result.longest_ns, tick.result.last_ns);
	tick.result.ticks++;
}
