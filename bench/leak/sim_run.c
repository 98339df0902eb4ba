/*
 * sim_run.c -- a day of one simulated site through the facts, the judgement and the baselines.
 *
 * Called by simulate.c and by tests/unit/test_simulate.c. Objects wait for their death in lists by
 * tick; at each judgement those alive are walked over, as the tick does in production.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/leak/sim.h"
#include "track/approx.h"

const double sim_checks[SIM_CHECKS] = {0.25 * SIM_HOUR, SIM_HOUR, 6 * SIM_HOUR, SIM_DAY};
const char *const sim_score_names[SIM_SCORES] = {
    "Weir", "first model", "Mann-Kendall", "bytes diff", "older than 10 min", "GenCount"};

#define SITES_TESTED 200
/* Judged every minute for two hours, then every five. */
#define OFTEN_UNTIL (2 * SIM_HOUR)
#define GENERATIONS 64

struct object {
	double born, dies, weight;
	uint64_t bytes;
	int64_t next; /* of the same tick of death, or of the free places; -1: none */
	bool is_live;
};

#define TICKS ((size_t)(SIM_DAY / SIM_TICK) + 2)

struct crowd {
	struct object *at;
	int64_t used, size, free;
	int64_t *dying; /* by tick */
};

static void crowd_add(struct crowd *crowd, const struct object *object)
{
	int64_t place = crowd->free;

	if (place >= 0) {
		crowd->free = crowd->at[place].next;
	} else {
		if (crowd->used == crowd->size) {
			crowd->size = crowd->size == 0 ? 256 : crowd->size * 2;
			crowd->at = realloc(crowd->at, (size_t)crowd->size * sizeof(*crowd->at));
			if (crowd->at == NULL)
				abort();
		}
		place = crowd->used++;
	}
	crowd->at[place] = *object;
	crowd->at[place].is_live = true;
	if (object->dies < SIM_TICK * (double)(TICKS - 1)) {
		int64_t *head = &crowd->dying[(size_t)ceil(object->dies / SIM_TICK)];

		crowd->at[place].next = *head;
		*head = place;
	}
}

static void crowd_bury(struct crowd *crowd, size_t tick, struct facts *facts)
{
	for (int64_t place = crowd->dying[tick], next; place >= 0; place = next) {
		struct object *object = &crowd->at[place];

		next = object->next;
		facts_death(facts, object->dies - object->born, object->bytes, object->weight);
		object->is_live = false;
		object->next = crowd->free;
		crowd->free = place;
	}
}

static void begin(struct sim_site *site, const struct sim_kind *kind, uint64_t seed)
{
	memset(site, 0, sizeof(*site));
	site->random.state = seed;
	site->kind = kind;
	/* Half of the sites are of the pool or above: all known. */
	site->bytes = sim_uniform(&site->random) < 0.5 ? sim_log_between(&site->random, 4 * KIB, 512 * KIB)
						       : sim_log_between(&site->random, 48, 4 * KIB);
	site->spread = sim_uniform(&site->random) < 0.5 ? 0 : sim_between(&site->random, 0.1, 1);
	if (site->bytes < 4 * KIB)
		site->interval = 64.0 * KIB * (double)(1 << (unsigned)sim_between(&site->random, 0, 8));
	site->rate = sim_log_between(&site->random, 0.02, 2);
	kind->set_up(site);
}

static double sampled_share(const struct sim_site *site, double bytes)
{
	return site->interval == 0 ? 1 : 1 - exp(-bytes / site->interval);
}

static double size_of(struct sim_site *site, double median)
{
	return site->spread == 0 ? median
				 : median * exp(site->spread * clamp(sim_normal(&site->random), -2.5, 2.5));
}

/* Live bytes after the series' point nearest to now / 2. */
static double bytes_at_half(const struct facts *facts, double now)
{
	double bytes = 0;

	for (unsigned i = 0; i < facts->series.used; i++)
		if (facts->series.points[i].at <= now / 2)
			bytes = facts->series.points[i].bytes;
	return bytes;
}

static double mann_kendall(const struct facts *facts)
{
	double s = 0;
	unsigned n = facts->series.used;

	for (unsigned i = 0; i < n; i++)
		for (unsigned j = i + 1; j < n; j++)
			s += (facts->series.points[j].bytes > facts->series.points[i].bytes) -
			     (facts->series.points[j].bytes < facts->series.points[i].bytes);
	return n < 3 ? 0 : s / sqrt(n * (n - 1.0) * (2.0 * n + 5) / 18);
}

static void compare(struct sim_result *result, unsigned check, const struct facts *facts,
    const struct live *live, const struct crowd *crowd)
{
	double *score = result->score[check], old = 0;
	bool is_seen[GENERATIONS] = {false};
	unsigned generations = 0;

	for (int64_t i = 0; i < crowd->used; i++) {
		double age = live->now - crowd->at[i].born;
		unsigned generation = (unsigned)(crowd->at[i].born / live->now * GENERATIONS);

		if (!crowd->at[i].is_live)
			continue;
		if (age > 600)
			old += crowd->at[i].weight * (double)crowd->at[i].bytes;
		generation = generation < GENERATIONS ? generation : GENERATIONS - 1;
		generations += !is_seen[generation];
		is_seen[generation] = true;
	}
	score[SIM_FIRST_MODEL] = first_model_score(facts, live, SITES_TESTED);
	score[SIM_MANN_KENDALL] = mann_kendall(facts);
	score[SIM_BYTES_DIFF] = facts->live_bytes - bytes_at_half(facts, live->now);
	score[SIM_OLDER_THAN] = old;
	score[SIM_GENERATIONS] = generations;
}

void sim_run(const struct sim_kind *kind, uint64_t seed, double until, struct sim_result *result)
{
	static struct sim_site site;
	struct facts facts = {0};
	struct live live;
	struct crowd crowd = {0};
	struct risk_hold hold = {0};
	double leaked = 0, first_leak = -1, next_judgement = 60;
	unsigned check = 0;

	memset(result, 0, sizeof(*result));
	result->medium_at = result->high_at = -1;
	until = fmin(until, SIM_DAY);
	begin(&site, kind, seed);
	crowd.free = -1;
	crowd.dying = malloc(TICKS * sizeof(*crowd.dying));
	if (crowd.dying == NULL)
		abort();
	for (size_t tick = 0; tick < TICKS; tick++)
		crowd.dying[tick] = -1;
	for (size_t tick = 1; SIM_TICK * (double)tick <= until; tick++) {
		double now = SIM_TICK * (double)tick;
		unsigned births;

		site.noise = 0.98 * site.noise + 0.04 * sim_normal(&site.random);
		if (site.noise > 1)
			site.noise = 1;
		births = sim_poisson(&site.random, site.rate * sim_load(&site, now) * SIM_TICK);
		for (unsigned i = 0; i < births; i++) {
			struct object object = {.born = now - SIM_TICK * sim_uniform(&site.random)};
			double bytes, probability;

			object.dies = kind->death(&site, object.born);
			bytes = size_of(
			    &site, site.is_kept && site.kept_bytes > 0 ? site.kept_bytes : site.bytes);
			object.bytes = (uint64_t)bytes;
			probability = sampled_share(&site, (double)object.bytes);
			object.weight = 1 / probability;
			if (isinf(object.dies)) {
				leaked++;
				if (first_leak < 0)
					first_leak = object.born;
			}
			facts_birth(&facts, object.born, object.bytes, object.weight);
			if (object.dies <= now)
				facts_death(&facts, object.dies - object.born, object.bytes, object.weight);
			else
				crowd_add(&crowd, &object);
		}
		crowd_bury(&crowd, tick, &facts);
		facts_point(&facts, now);
		if (now < next_judgement)
			continue;
		next_judgement = now + (now < OFTEN_UNTIL ? 60 : 300);
		live_begin(&live, &facts, now);
		for (int64_t i = 0; i < crowd.used; i++)
			if (crowd.at[i].is_live)
				live_add(
				    &live, now - crowd.at[i].born, crowd.at[i].bytes, crowd.at[i].weight);
		struct risk_site risk;
		enum risk_level level;

		risk_judge_site(&risk, &facts, &live, SITES_TESTED);
		level = risk_hold_level(&hold, risk.level);
		if (level >= RISK_MEDIUM && !result->had_medium) {
			result->had_medium = true;
			result->medium_at = now - first_leak;
		}
		if (level == RISK_HIGH && !result->had_high) {
			result->had_high = true;
			result->high_at = now - first_leak;
			result->leaked_at_high = leaked;
			result->last = risk;
		}
		if (!result->had_high)
			result->last = risk;
		if (check < SIM_CHECKS && now >= sim_checks[check]) {
			compare(result, check, &facts, &live, &crowd);
			result->score[check][SIM_WEIR] = risk.score;
			result->leaked[check] = leaked;
			if (result->score[check][SIM_FIRST_MODEL] >= RISK_HIGH_SCORE)
				result->first_model_high = true;
			check++;
		}
	}
	free(crowd.at);
	free(crowd.dying);
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

double sim_auc(double *clean, size_t clean_count, double *leaking, size_t leaking_count)
{
	double sum = 0;
	size_t below = 0, upto = 0;

	if (clean_count == 0 || leaking_count == 0)
		return 0.5;
	qsort(clean, clean_count, sizeof(*clean), by_value);
	qsort(leaking, leaking_count, sizeof(*leaking), by_value);
	for (size_t i = 0; i < leaking_count; i++) {
		while (below < clean_count && clean[below] < leaking[i])
			below++;
		for (upto = upto > below ? upto : below; upto < clean_count && clean[upto] <= leaking[i];
		     upto++)
			;
		sum += (double)below + (double)(upto - below) / 2;
	}
	return sum / ((double)clean_count * (double)leaking_count);
}
