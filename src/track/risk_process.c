/*
 * risk_process.c -- leak risk of the process from that of its sites, levels with hysteresis.
 *
 * Called at each tick. Pure: does not allocate, lock or block; no libm.
 *
 * Sites are not independent: what a program stores under one key comes from five of them, which grow in step
 * and are right or wrong together. So their doubts do not multiply; the risk of the process is the largest
 * R m, where R is a site's score and m = 1 - e^(-x / 2%) says whether it matters: x is the share of the
 * memory limit that what is stuck at this site and at all that score higher will have in 24 h.
 * A site that leaks a byte an hour is a leak, and no reason to get up.
 *
 * Time to the limit alone raises no level: a cache that fills will be there within the hour, too, and
 * stop. Where a mixture leak is at least MEDIUM and the limit is less than 24 h away, the process is HIGH.
 */
#include "track/approx.h"
#include "track/growth.h"
#include "track/risk.h"

#define TICKS_UP 2
#define TICKS_DOWN 6

#define LEAST_SITE_SCORE 0.2
#define DAY_HOURS 24.0
#define MATTERS_SHARE 0.02
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

enum risk_level risk_hold_level(struct risk_hold *hold, double score)
{
	uint8_t level = (uint8_t)risk_level_of(score);

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

static double matters(double bytes, double limit)
{
	return 1 - approx_exp(-bytes / (MATTERS_SHARE * limit));
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

void risk_judge_process(
    struct risk_process *risk, const struct risk_tally *tally, const struct risk_memory *memory)
{
	double limit = memory->limit_bytes > 0 ? clamp(memory->limit_bytes, 1, 1e30) : LIMIT_UNKNOWN;
	double stuck = 0, most = 0, slope = growth_bytes_per_second(memory->series);
	unsigned used = MIN(tally->used, (unsigned)RISK_TOP_SITES);

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
	for (unsigned i = 0; i < used; i++) {
		const struct risk_tally_site *site = &tally->top[i];
		double own = stuck_in_a_day(site);

		if (!(site->score >= LEAST_SITE_SCORE))
			break; /* the highest come first */
		stuck += own;
		risk->score = MAX(risk->score, site->score * matters(stuck, limit));
		if (site->score * matters(own, limit) <= most)
			continue;
		most = site->score * matters(own, limit);
		risk->worst_site = site->id;
		risk->reason = site->reason;
		risk->confidence = site->confidence;
	}
	risk->score = clamp01(risk->score);
	if (risk->score >= RISK_MEDIUM_SCORE && risk->reason == RISK_MIXTURE_LEAK &&
	    risk->time_to_limit_seconds >= 0 && risk->time_to_limit_seconds < DAY_HOURS * 3600)
		risk->score = MAX(risk->score, RISK_HIGH_SCORE);
	risk->level = risk_level_of(risk->score);
}
