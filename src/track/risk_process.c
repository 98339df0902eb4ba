/*
 * risk_process.c -- leak risk of the process from that of its sites, levels with hysteresis.
 *
 * Called at each tick. Pure: does not allocate, lock or block; no libm.
 *
 * Two questions, and an answer for each. How likely does it leak? The score: that of the likeliest site.
 * Sites are not independent: what a program stores under one key comes from five of them, which grow in
 * step and are right or wrong together, so their doubts do not multiply. Neither does it matter for this how
 * much is lost: a sure leak of some bytes is more of a leak than a full cache of gigabytes.
 *
 * Is it worth getting up for? The level: that of the score, but HIGH only where what is stuck at sites that
 * score as high, and what will be in 24 h, comes to 2% of the memory limit; and MEDIUM only from 0.05% on, five
 * years to the limit. What is below is named among the sites.
 *
 * Time to the limit alone raises no level: a cache that fills will be there within the hour, too, and
 * stop. Where a mixture leak is at least MEDIUM and holds that much, and the limit is less than 24 h away, the
 * level is HIGH.
 */
#include "track/approx.h"
#include "track/growth.h"
#include "track/risk.h"

#define TICKS_UP 2
#define TICKS_DOWN 6

/* A site that scores less is no reason for anything. */
#define LEAST_SITE_SCORE 0.2
#define DAY_HOURS 24.0
/* Of the limit, stuck within a day: less is not HIGH, and not MEDIUM. */
#define HIGH_SHARE 0.02
#define MEDIUM_SHARE 0.0005
/* Where no limit is known: 16 GiB. */
#define LIMIT_UNKNOWN 17179869184.0

/* A trend of so many standard errors is real. */
#define TREND_REAL 2.5
/* Resident bytes that grow by a tenth and by 16 MiB, at most a quarter of it live. */
#define FRAGMENTING_SHARE 0.1
#define FRAGMENTING_BYTES (16.0 * 1024 * 1024)
#define FRAGMENTING_LIVE 0.25

const char *risk_level_name(enum risk_level level)
{
	static const char *const names[] = {"LOW", "MEDIUM", "HIGH"};

	return (unsigned)level < ARRAY_LENGTH(names) ? names[level] : "LOW";
}

const char *risk_reason_name(enum risk_reason reason)
{
	static const char *const names[] = {
	    [RISK_NONE] = "NONE",
	    [RISK_INSUFFICIENT] = "INSUFFICIENT_DATA",
	    [RISK_START_UP] = "START_UP",
	    [RISK_LOAD] = "LOAD",
	    [RISK_FILLING_CACHE] = "FILLING_CACHE",
	    [RISK_BACKLOG] = "BACKLOG",
	    [RISK_NEVER_FREED] = "NEVER_FREED",
	    [RISK_MIXTURE_LEAK] = "MIXTURE_LEAK",
	};

	return (unsigned)reason < ARRAY_LENGTH(names) ? names[reason] : "NONE";
}

enum risk_level risk_level_of(double score)
{
	if (score >= RISK_HIGH_SCORE)
		return RISK_HIGH;
	return score >= RISK_MEDIUM_SCORE ? RISK_MEDIUM : RISK_LOW;
}

enum risk_level risk_hold_level(struct risk_hold *hold, enum risk_level now)
{
	uint8_t level = (uint8_t)MIN((unsigned)now, (unsigned)RISK_HIGH);

	if (hold->level > RISK_HIGH) /* a torn copy */
		*hold = (struct risk_hold){0};
	if (level > hold->level) {
		/* To the lowest of the run. */
		hold->next = hold->above == 0 ? level : MIN(hold->next, level);
		hold->below = 0;
		if (++hold->above >= TICKS_UP) {
			hold->level = hold->next;
			hold->above = 0;
		}
	} else if (level < hold->level) {
		/* To the highest of the run. */
		hold->next = hold->below == 0 ? level : MAX(hold->next, level);
		hold->above = 0;
		if (++hold->below >= TICKS_DOWN) {
			hold->level = hold->next;
			hold->below = 0;
		}
	} else {
		hold->above = hold->below = 0;
	}
	return (enum risk_level)hold->level;
}

void risk_tally_add(struct risk_tally *tally, const struct risk_site *site, uint32_t id)
{
	struct risk_tally_site added = {
	    .score = clamp01(site->score),
	    .confidence = clamp01(site->confidence),
	    .stuck_bytes = clamp(site->stuck_bytes, 0, 1e30),
	    .stuck_bytes_per_hour = clamp(site->stuck_bytes_per_hour, 0, 1e30),
	    .reason = site->reason,
	    .id = id,
	};
	unsigned place = tally->used;

	tally->sites++;
	if (site->reason != RISK_INSUFFICIENT)
		tally->enough++;
	tally->confidence = MAX(tally->confidence, added.confidence);
	while (place > 0 && tally->top[place - 1].score < added.score)
		place--;
	if (place == RISK_TOP_SITES)
		return;
	if (tally->used < RISK_TOP_SITES)
		tally->used++;
	for (unsigned i = tally->used - 1; i > place; i--)
		tally->top[i] = tally->top[i - 1];
	tally->top[place] = added;
}

static double stuck_in_a_day(const struct risk_tally_site *site)
{
	return site->stuck_bytes + DAY_HOURS * site->stuck_bytes_per_hour;
}

/* The level that the sites come to which score at least so much: what they cost allows it, or it does not. */
static bool is_worth(const struct risk_tally *tally, double score, double bytes)
{
	unsigned used = MIN(tally->used, (unsigned)RISK_TOP_SITES);
	double stuck = 0;

	for (unsigned i = 0; i < used && tally->top[i].score >= score; i++)
		stuck += stuck_in_a_day(&tally->top[i]);
	return stuck >= bytes;
}

static bool is_rising(const struct series *series, bool of_bytes)
{
	double v[SERIES_POINTS];
	unsigned used = MIN(series->used, (unsigned)SERIES_POINTS), from = used / 4;

	for (unsigned i = from; i < used; i++)
		v[i - from] =
		    clamp((double)(of_bytes ? series->points[i].bytes : series->points[i].count), 0, 1e30);
	return growth_trend(v, used - from) >= TREND_REAL;
}

/* Resident bytes rise, and live ones do not, or by far less. */
static void judge_fragmentation(struct risk_process *risk, const struct series *series)
{
	unsigned used = MIN(series->used, (unsigned)SERIES_POINTS), half = used / 2;
	double resident, live, before;

	if (used < 4)
		return;
	before = clamp((double)series->points[half].count, 0, 1e30);
	resident = clamp((double)series->points[used - 1].count, 0, 1e30) - before;
	live = clamp((double)series->points[used - 1].bytes, 0, 1e30) -
	       clamp((double)series->points[half].bytes, 0, 1e30);
	risk->idle_growth_bytes_per_hour =
	    3600 * (growth_counts_per_second(series) - growth_bytes_per_second(series));
	risk->is_fragmenting = resident >= FRAGMENTING_BYTES && resident >= FRAGMENTING_SHARE * before &&
			       live <= FRAGMENTING_LIVE * resident && is_rising(series, false);
}

static enum risk_level level_of(const struct risk_process *risk, const struct risk_tally *tally, double limit)
{
	bool is_near = risk->time_to_limit_seconds >= 0 && risk->time_to_limit_seconds < DAY_HOURS * 3600;
	bool is_much = tally->used > 0 && stuck_in_a_day(&tally->top[0]) >= HIGH_SHARE * limit;

	if (risk->score >= RISK_HIGH_SCORE && is_worth(tally, RISK_HIGH_SCORE, HIGH_SHARE * limit))
		return RISK_HIGH;
	if (!(risk->score >= RISK_MEDIUM_SCORE && is_worth(tally, RISK_MEDIUM_SCORE, MEDIUM_SHARE * limit)))
		return RISK_LOW;
	return risk->reason == RISK_MIXTURE_LEAK && is_near && is_much ? RISK_HIGH : RISK_MEDIUM;
}

void risk_judge_process(
    struct risk_process *risk, const struct risk_tally *tally, const struct risk_memory *memory)
{
	double limit = memory->limit_bytes > 0 ? clamp(memory->limit_bytes, 1, 1e30) : LIMIT_UNKNOWN;
	double slope = growth_bytes_per_second(memory->series);
	const struct risk_tally_site *worst = &tally->top[0];

	*risk = (struct risk_process){
	    /* Much may be known of sites that are too young to be judged: of the process that is nothing. */
	    .confidence = tally->enough == 0 ? 0 : clamp01(tally->confidence),
	    .reason = tally->enough == 0 ? RISK_INSUFFICIENT : RISK_NONE,
	    .worst_site = UINT32_MAX,
	    .time_to_limit_seconds = -1,
	    .growth_bytes_per_hour = 3600 * slope,
	};
	judge_fragmentation(risk, memory->series);
	if (memory->limit_bytes > 0 && slope > 0 && is_rising(memory->series, true))
		risk->time_to_limit_seconds = clamp((limit - memory->used_bytes) / slope, 0, 1e12);
	risk->score = tally->used > 0 ? clamp01(worst->score) : 0;
	if (risk->score >= LEAST_SITE_SCORE) {
		risk->worst_site = worst->id;
		risk->reason = worst->reason;
		risk->confidence = worst->confidence;
	}
	risk->level = level_of(risk, tally, limit);
}
