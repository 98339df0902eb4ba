/*
 * simulate.c -- how well leak risk tells leaking call sites from clean ones, on simulated days.
 *
 *	simulate [--seeds N] [--first SEED] [--tuning | --held-out] [--jobs N] [--kinds]
 *	simulate --delay [--seeds N] [--first SEED]
 *
 * Prints, as in bench/leak/RESULTS.md: the area under the ROC curve after 0.25, 1, 6 and 24 hours beside
 * the baselines on the same sites, false HIGH among the clean sites with a bound, and how long
 * leaks take to MEDIUM and HIGH. Even seeds are for tuning; odd ones, and the kinds that sim_kinds.c
 * marks, are held out. Processes share the work; the figures do not depend on how many.
 * --delay: how many pool buffers are lost before HIGH, at a site whose others live for seconds.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/leak/sim.h"

/* Leaking sites of so many sampled leaked objects are told apart in a table of their own. */
#define SEEN_LEAST 30
#define PROCESS_SITES 10

static struct plan {
	unsigned seeds, jobs;
	uint64_t first;
	bool is_tuning, with_kinds, is_of_delay;
} plan = {.seeds = 40, .jobs = 4, .is_tuning = false};

static bool takes_part(const struct sim_kind *kind)
{
	return !(plan.is_tuning && kind->is_held_out);
}

static uint64_t seed_of(unsigned number, unsigned kind)
{
	/* Even: tuning; odd: held out. The kind is mixed in, so that kinds draw apart. */
	uint64_t seed = 2 * (plan.first + number) + (plan.is_tuning ? 0 : 1);

	return seed * 1000003 + kind * 7919;
}

struct sample {
	double *at;
	size_t used;
};

static void sample_add(struct sample *sample, double v)
{
	sample->at[sample->used++] = v;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double quantile(struct sample *sample, double share)
{
	if (sample->used == 0)
		return NAN;
	qsort(sample->at, sample->used, sizeof(*sample->at), by_value);
	return sample->at[(size_t)(share * (double)(sample->used - 1) + 0.5)];
}

/* Leaking sites count only where so many of their sampled objects have leaked by then. */
static void print_auc(const struct sim_result *results, double least)
{
	size_t most = (size_t)sim_kind_count * plan.seeds;
	struct sample clean = {.at = calloc(most, sizeof(double))},
		      leaking = {.at = calloc(most, sizeof(double))};

	printf("| %s | 0.25 h | 1 h | 6 h | 24 h |\n|---|---:|---:|---:|---:|\n",
	    least > 0 ? "AUC, leaks of 30 seen objects and more" : "AUC, all leaks");
	for (int score = 0; score < SIM_SCORES; score++) {
		printf("| %s |", sim_score_names[score]);
		for (unsigned check = 0; check < SIM_CHECKS; check++) {
			clean.used = leaking.used = 0;
			for (unsigned kind = 0; kind < sim_kind_count; kind++)
				for (unsigned i = 0; i < plan.seeds; i++) {
					const struct sim_result *result = &results[kind * plan.seeds + i];

					if (!takes_part(&sim_kinds[kind]) || sim_kinds[kind].is_apart)
						continue;
					if (!sim_kinds[kind].is_leaking)
						sample_add(&clean, result->score[check][score]);
					else if (result->leaked[check] >= least)
						sample_add(&leaking, result->score[check][score]);
				}
			printf(" %.3f |", sim_auc(clean.at, clean.used, leaking.at, leaking.used));
		}
		putchar('\n');
	}
	putchar('\n');
	free(clean.at);
	free(leaking.at);
}

/* A result of a clean kind, drawn; kinds that are apart are in no process. */
static const struct sim_result *some_clean(const struct sim_result *results, struct sim_random *random)
{
	for (;;) {
		unsigned kind = (unsigned)(sim_uniform(random) * sim_kind_count);
		unsigned seed = (unsigned)(sim_uniform(random) * plan.seeds);

		if (!sim_kinds[kind].is_leaking && !sim_kinds[kind].is_apart && takes_part(&sim_kinds[kind]))
			return &results[kind * plan.seeds + seed];
	}
}

/* A process is as suspect as its most suspect site; of bytes it has the sum. */
static double and_site(double process, const struct sim_result *site, unsigned check, int score)
{
	double of_site = site->score[check][score];

	return score == SIM_BYTES_DIFF || score == SIM_OLDER_THAN ? process + of_site
								  : fmax(process, of_site);
}

/* Processes of clean sites, and the same ones with one site more, which leaks. */
static void print_process_auc(const struct sim_result *results)
{
	size_t most = (size_t)sim_kind_count * plan.seeds;
	struct sample clean = {.at = calloc(most, sizeof(double))},
		      leaking = {.at = calloc(most, sizeof(double))};

	printf(
	    "| AUC, processes of %d clean sites, and one that has leaked 30 | 0.25 h | 1 h | 6 h | 24 h |\n"
	    "|---|---:|---:|---:|---:|\n",
	    PROCESS_SITES);
	for (int score = 0; score < SIM_SCORES; score++) {
		printf("| %s |", sim_score_names[score]);
		for (unsigned check = 0; check < SIM_CHECKS; check++) {
			struct sim_random random = {.state = plan.first};

			clean.used = leaking.used = 0;
			for (size_t i = 0; i < most; i++) {
				const struct sim_kind *kind = &sim_kinds[i / plan.seeds];
				double process = -INFINITY;

				if (!kind->is_leaking || !takes_part(kind))
					continue;
				for (unsigned site = 0; site < PROCESS_SITES; site++) {
					const struct sim_result *one = some_clean(results, &random);

					process = site == 0 ? one->score[check][score]
							    : and_site(process, one, check, score);
				}
				if (results[i].leaked[check] < SEEN_LEAST)
					continue;
				sample_add(&clean, process);
				sample_add(&leaking, and_site(process, &results[i], check, score));
			}
			printf(" %.3f |", sim_auc(clean.at, clean.used, leaking.at, leaking.used));
		}
		putchar('\n');
	}
	putchar('\n');
	free(clean.at);
	free(leaking.at);
}

/* One kind against all of the other class. */
static double kind_auc(const struct sim_result *results, unsigned kind, unsigned check, enum sim_score score)
{
	size_t most = (size_t)sim_kind_count * plan.seeds;
	struct sample clean = {.at = calloc(most, sizeof(double))},
		      leaking = {.at = calloc(most, sizeof(double))};
	double auc;

	for (unsigned other = 0; other < sim_kind_count; other++)
		for (unsigned i = 0; i < plan.seeds; i++) {
			const struct sim_result *result = &results[other * plan.seeds + i];
			bool is_leaking = sim_kinds[other].is_leaking;

			if (!takes_part(&sim_kinds[other]) ||
			    (other != kind &&
				(sim_kinds[other].is_apart || is_leaking == sim_kinds[kind].is_leaking)))
				continue;
			if (!is_leaking)
				sample_add(&clean, result->score[check][score]);
			else if (result->leaked[check] >= SEEN_LEAST)
				sample_add(&leaking, result->score[check][score]);
		}
	auc = sim_auc(clean.at, clean.used, leaking.at, leaking.used);
	free(clean.at);
	free(leaking.at);
	return auc;
}

static void print_kinds(const struct sim_result *results)
{
	struct sample medium = {.at = calloc(plan.seeds, sizeof(double))};
	struct sample high = {.at = calloc(plan.seeds, sizeof(double))};
	struct sample leaked = {.at = calloc(plan.seeds, sizeof(double))};

	printf(
	    "| kind | | reaches MEDIUM | HIGH | median score 0.25 / 1 / 6 / 24 h | hours to MEDIUM | to HIGH | "
	    "objects at HIGH | AUC 1 / 6 / 24 h |\n|---|---|---:|---:|---|---:|---:|---:|---|\n");
	for (unsigned kind = 0; kind < sim_kind_count; kind++) {
		double medians[SIM_CHECKS];
		struct sample scores;
		unsigned first_high = 0;

		if (!takes_part(&sim_kinds[kind]))
			continue;
		scores.at = calloc(plan.seeds, sizeof(double));
		medium.used = high.used = leaked.used = 0;
		for (unsigned i = 0; i < plan.seeds; i++) {
			const struct sim_result *result = &results[kind * plan.seeds + i];

			if (result->had_medium)
				sample_add(&medium, result->medium_at / SIM_HOUR);
			if (result->had_high) {
				sample_add(&high, result->high_at / SIM_HOUR);
				sample_add(&leaked, result->leaked_at_high);
			}
			first_high += result->first_model_high;
		}
		for (unsigned check = 0; check < SIM_CHECKS; check++) {
			scores.used = 0;
			for (unsigned i = 0; i < plan.seeds; i++)
				sample_add(&scores, results[kind * plan.seeds + i].score[check][SIM_WEIR]);
			medians[check] = quantile(&scores, 0.5);
		}
		printf(
		    "| %s | %s%s | %.0f%% | %.0f%% | %.2f / %.2f / %.2f / %.2f | %.1f | %.1f | %.0f | %.2f / %.2f / %.2f |\n",
		    sim_kinds[kind].name, sim_kinds[kind].is_leaking ? "leak" : "clean",
		    sim_kinds[kind].is_held_out ? ", held out"
		    : sim_kinds[kind].is_apart	? ", apart"
						: "",
		    100.0 * (double)medium.used / plan.seeds, 100.0 * (double)high.used / plan.seeds,
		    medians[0], medians[1], medians[2], medians[3],
		    sim_kinds[kind].is_leaking ? quantile(&medium, 0.5) : NAN,
		    sim_kinds[kind].is_leaking ? quantile(&high, 0.5) : NAN,
		    sim_kinds[kind].is_leaking ? quantile(&leaked, 0.5) : NAN,
		    kind_auc(results, kind, 1, SIM_WEIR), kind_auc(results, kind, 2, SIM_WEIR),
		    kind_auc(results, kind, 3, SIM_WEIR));
		free(scores.at);
	}
	putchar('\n');
	free(medium.at);
	free(high.at);
	free(leaked.at);
}

static void print_false_high(const struct sim_result *results)
{
	unsigned clean = 0, high = 0, first_high = 0;

	for (unsigned kind = 0; kind < sim_kind_count; kind++)
		for (unsigned i = 0; i < plan.seeds; i++) {
			const struct sim_result *result = &results[kind * plan.seeds + i];

			if (sim_kinds[kind].is_leaking || sim_kinds[kind].is_apart ||
			    !takes_part(&sim_kinds[kind]))
				continue;
			clean++;
			first_high += result->first_model_high;
			if (!result->had_high)
				continue;
			high++;
			if (plan.with_kinds)
				printf(
				    "false HIGH: %s, seed %u: score %.2f, flat %.2f, accruing %.2f, kin %.2f, kept %.3f, "
				    "objects %.0f, tail %.0f..%.0f s, growing %.2f\n",
				    sim_kinds[kind].name, i, result->last.score, result->last.p_flat,
				    result->last.p_accruing, result->last.p_kin, result->last.kept_share,
				    result->last.evidence_objects, result->last.tail_from_seconds,
				    result->last.tail_to_seconds, result->last.p_growing);
		}
	/* The rule of three, and Poisson's bound beyond. */
	printf(
	    "False HIGH: %u of %u clean site-days (95%% bound %.2f%%); of the first model, looked at four times: %u.\n\n",
	    high, clean, 100.0 * (high + 1.645 * sqrt((double)high) + 3) / clean, first_high);
}

/* --- the delay --- */

static double lost_share, lost_gap_seconds;

static void lose_some(struct sim_site *site)
{
	site->bytes = 64.0 * KIB;
	site->interval = 0;
	site->spread = 0.3;
	site->life = sim_log_between(&site->random, 0.5, 20);
	site->life_sigma = 0.8;
	site->share = lost_share;
	site->rate = 1 / lost_gap_seconds / lost_share;
}

static double dies_or_is_lost(struct sim_site *site, double now)
{
	return sim_uniform(&site->random) < site->share ? INFINITY : now + sim_life(site);
}

static void print_delay(struct sample *buffers, struct sample *hours)
{
	struct sim_kind kind = {"lost", true, false, false, lose_some, dies_or_is_lost};
	unsigned within = 0;

	buffers->used = hours->used = 0;
	for (unsigned i = 0; i < plan.seeds; i++) {
		struct sim_result result;

		/* Long enough for 150 to be lost, and for two hours. */
		sim_run(&kind, seed_of(i, 0), 150 * lost_gap_seconds + 2 * SIM_HOUR, &result);
		/* What has not come to HIGH by then counts as if it never would. */
		sample_add(buffers, result.had_high ? result.leaked_at_high : INFINITY);
		sample_add(hours, result.had_high ? result.high_at / SIM_HOUR : INFINITY);
		within += result.had_high && result.leaked_at_high <= 60;
	}
	printf("| 1 in %.0f | %.0f s | %.0f | %.0f | %.0f%% | %.1f | %.1f |\n", 1 / lost_share,
	    lost_gap_seconds, quantile(buffers, 0.5), quantile(buffers, 0.95), 100.0 * within / plan.seeds,
	    quantile(hours, 0.5), quantile(hours, 0.95));
}

static void print_delays(void)
{
	static const double shares[] = {0.001, 0.01, 0.03, 0.1}, gaps[] = {10, 60, 120, 300};
	struct sample buffers = {.at = calloc(plan.seeds, sizeof(double))};
	struct sample hours = {.at = calloc(plan.seeds, sizeof(double))};

	printf("| lost | one every | lost at HIGH, median | 95%% | within 60 | hours, median | 95%% |\n"
	       "|---|---:|---:|---:|---:|---:|---:|\n");
	for (unsigned share = 0; share < ARRAY_LENGTH(shares); share++)
		for (unsigned gap = 0; gap < ARRAY_LENGTH(gaps); gap++) {
			lost_share = shares[share];
			lost_gap_seconds = gaps[gap];
			print_delay(&buffers, &hours);
		}
	free(buffers.at);
	free(hours.at);
}

int main(int argc, char **argv)
{
	struct sim_result *results;
	size_t bytes;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
			plan.seeds = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc)
			plan.first = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc)
			plan.jobs = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--tuning") == 0)
			plan.is_tuning = true;
		else if (strcmp(argv[i], "--held-out") == 0)
			plan.is_tuning = false;
		else if (strcmp(argv[i], "--kinds") == 0)
			plan.with_kinds = true;
		else if (strcmp(argv[i], "--delay") == 0)
			plan.is_of_delay = true;
		else {
			fprintf(stderr,
			    "usage: %s [--seeds N] [--first SEED] [--tuning | --held-out] [--jobs N] [--kinds | --delay]\n",
			    argv[0]);
			return 2;
		}
	}
	if (plan.is_of_delay && plan.seeds > 0) {
		print_delays();
		return 0;
	}
	bytes = (size_t)sim_kind_count * plan.seeds * sizeof(*results);
	results = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED || plan.seeds == 0 || plan.jobs == 0)
		return 1;
	for (unsigned job = 0; job < plan.jobs; job++)
		if (fork() == 0) {
			for (unsigned i = job; i < sim_kind_count * plan.seeds; i += plan.jobs)
				if (takes_part(&sim_kinds[i / plan.seeds]))
					sim_run(&sim_kinds[i / plan.seeds],
					    seed_of(i % plan.seeds, i / plan.seeds), SIM_DAY, &results[i]);
			_exit(0);
		}
	for (unsigned job = 0; job < plan.jobs; job++) {
		int status = 0;

		if (wait(&status) < 0 || status != 0)
			return 1;
	}
	print_auc(results, 0);
	print_auc(results, SEEN_LEAST);
	print_process_auc(results);
	print_false_high(results);
	if (plan.with_kinds)
		print_kinds(results);
	return 0;
}
