/*
 * sim.h -- simulated call sites whose truth is known: clean ones and leaking ones.
 *
 * A site is a stream of births with a lifetime each, drawn from one of the kinds of sim_kinds.c.
 * It is seen as in production: small objects by byte sampling with weights, large ones all.
 * sim_run() drives the facts, the walk and the judgement of src/track over a day of it, and the
 * baselines beside them on the same objects. One thread; reproducible from the seed alone.
 */
#ifndef WEIR_BENCH_LEAK_SIM_H
#define WEIR_BENCH_LEAK_SIM_H

#include "track/risk.h"

#define SIM_TICK 10.0 /* seconds */
#define SIM_HOUR 3600.0
#define SIM_DAY (24 * SIM_HOUR)

struct sim_random {
	uint64_t state;
};
double sim_uniform(struct sim_random *random); /* [0, 1) */
double sim_between(struct sim_random *random, double low, double high);
double sim_log_between(struct sim_random *random, double low, double high);
double sim_exponential(struct sim_random *random, double mean);
double sim_normal(struct sim_random *random);
unsigned sim_poisson(struct sim_random *random, double mean);

struct sim_site;

struct sim_kind {
	const char *name;
	bool is_leaking;
	bool is_held_out; /* never looked at while the model was tuned */
	bool is_apart;	  /* shown, but in no total: what lifetimes cannot tell from its opposite */
	void (*set_up)(struct sim_site *site);
	/* When an object born at now dies, seconds; INFINITY: leaked. */
	double (*death)(struct sim_site *site, double now);
};

extern const struct sim_kind sim_kinds[];
extern const unsigned sim_kind_count;

/* What a kind sets up; members that it does not need stay 0. */
struct sim_site {
	struct sim_random random;
	const struct sim_kind *kind;
	double rate;		 /* births a second, sampled ones, before load */
	double bytes, spread;	 /* median size of objects, and the sigma of its logarithm */
	double interval;	 /* bytes between samples; 0: all are known */
	double life, life_sigma; /* log-normal lifetimes: median seconds, sigma */
	double share;		 /* leaked, or kept */
	double begin, end;	 /* of what happens, seconds */
	double period, length;	 /* of what repeats */
	double kept_mean, decay, power, factor, capacity;
	double ramp_from, ramp_to, ramp_factor; /* load grows so many times */
	double daily;				/* amplitude of a daily wave, 0..1 */
	double noise;				/* state of the load's noise */
	double kept_bytes;			/* median size of what is kept, where it is another */
	bool is_kept;				/* of the object that death() was asked about */
	double served, arrived;			/* of a queue: fluid */
	double queue[8700];			/* cumulated service by tick */
};

double sim_load(const struct sim_site *site, double now);
double sim_life(struct sim_site *site);

/* When a site is looked at for the tables, seconds. */
#define SIM_CHECKS 4
extern const double sim_checks[SIM_CHECKS];

enum sim_score {
	SIM_WEIR,	  /* risk_judge_site() */
	SIM_FIRST_MODEL,  /* the model that this began with */
	SIM_MANN_KENDALL, /* trend of live bytes */
	SIM_BYTES_DIFF,	  /* live bytes now less those at half the time */
	SIM_OLDER_THAN,	  /* live bytes older than 10 min */
	SIM_GENERATIONS,  /* GenCount: distinct ages among the live */
	SIM_SCORES,
};
extern const char *const sim_score_names[SIM_SCORES];

struct sim_result {
	double score[SIM_CHECKS][SIM_SCORES];
	double leaked[SIM_CHECKS]; /* sampled objects leaked by then */
	double medium_at, high_at; /* seconds after the first leaked object; negative: never */
	double leaked_at_high;	   /* sampled objects leaked by then */
	bool had_medium, had_high;
	bool first_model_high;
	struct risk_site last; /* the judgement at the end, or at the first HIGH of a clean site */
};

/* A site of the kind for a day, or for the given time. */
void sim_run(const struct sim_kind *kind, uint64_t seed, double until, struct sim_result *result);

/* The area under the ROC curve of leaking over clean scores; ties count half. Sorts both. */
double sim_auc(double *clean, size_t clean_count, double *leaking, size_t leaking_count);

/* first_model.c: the starting point, kept as a baseline. */
double first_model_score(const struct facts *facts, const struct live *live, unsigned sites_tested);

#endif
