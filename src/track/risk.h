/*
 * risk.h -- how likely a call site, or the process, leaks; why; how sure; how long there is.
 *
 * Pure: facts and the time come in as arguments. Nothing here locks, allocates, calls libc
 * or keeps state, and all of it may be called in a signal handler. Any input is answered, with
 * finite figures and a score from 0 to 1. Times are seconds of scaled uptime.
 * What the model is and where its numbers come from stands at the top of risk.c.
 */
#ifndef WEIR_TRACK_RISK_H
#define WEIR_TRACK_RISK_H

#include "track/facts.h"

enum risk_level { RISK_LOW, RISK_MEDIUM, RISK_HIGH };

enum risk_reason {
	RISK_NONE,	    /* what is born dies, or nothing is live */
	RISK_INSUFFICIENT,  /* INSUFFICIENT_DATA: too few objects, or too early, to say */
	RISK_START_UP,	    /* kept since the start, and no more of it comes */
	RISK_LOAD,	    /* more is live because more is asked for */
	RISK_FILLING_CACHE, /* kept, growing, and so far as a store that fills does */
	RISK_BACKLOG,	    /* what is born waits longer and longer, but goes in its turn */
	RISK_NEVER_FREED,   /* all is kept, and growth has not slowed for very long */
	RISK_MIXTURE_LEAK,  /* most goes soon; of the same kind some never does, and it adds up */
};

#define RISK_MEDIUM_SCORE 0.35
#define RISK_HIGH_SCORE 0.65

enum risk_level risk_level_of(double score);
const char *risk_level_name(enum risk_level level);    /* LOW, MEDIUM, HIGH */
const char *risk_reason_name(enum risk_reason reason); /* MIXTURE_LEAK, ... */

struct risk_site {
	double score;	       /* 0..1 */
	double confidence;     /* 0..1: how much evidence there is, whatever it says */
	enum risk_level level; /* of the score alone: what is shown has gone through risk_hold_level() */
	enum risk_reason reason;

	double live_objects, live_bytes;   /* un-biased */
	double growth_bytes_per_hour;	   /* of live bytes, over the later half of the site's time */
	double stuck_objects, stuck_bytes; /* in the tail: see tail_from_seconds */
	double stuck_per_hour, stuck_bytes_per_hour;	   /* how fast the tail grows now */
	double lifetime_p50_seconds, lifetime_p99_seconds; /* of the freed; negative: none was */
	double age_p50_seconds;				   /* of the live; negative: none is */

	/* The numbers behind the reason: of tail_reached objects that reached tail_from_seconds,
	 * the share tail_died (0..1) was freed before tail_to_seconds. */
	double tail_from_seconds, tail_to_seconds, tail_reached, tail_died;
	double kept_share;	 /* of what was born, the share that is in the tail, 0..1 */
	double evidence_objects; /* what the tail is worth in unweighted objects */

	/* Factors of the score, for whoever wants to see why. */
	double p_flat, p_accruing, p_kin, p_growing; /* 0..1 */
};

/* live as of the same moment as facts; sites_tested: how many sites are judged at this tick. */
void risk_judge_site(
    struct risk_site *risk, const struct facts *facts, const struct live *live, unsigned sites_tested);

/* What the process adds: its limit, its memory. A series of the process has resident bytes as
 * count and live bytes as bytes; flow is not used. */
struct risk_memory {
	double now;	    /* seconds of uptime */
	double used_bytes;  /* resident, or what the limit is compared with */
	double limit_bytes; /* 0: none known */
	const struct series *series;
};

#define RISK_TOP_SITES 16

/* Sites are added in any order; only the top ones are kept. Starts as all zero bytes. */
struct risk_tally {
	unsigned sites, enough; /* added, and with enough data to say something */
	unsigned used;
	double confidence; /* the highest of all sites */
	struct risk_tally_site {
		double score, confidence, stuck_bytes, stuck_bytes_per_hour;
		enum risk_reason reason;
		uint32_t id;
	} top[RISK_TOP_SITES]; /* by score, highest first */
};

void risk_tally_add(struct risk_tally *tally, const struct risk_site *site, uint32_t id);

struct risk_process {
	double score, confidence;
	enum risk_level level; /* of the score, and of what it costs; before hysteresis */
	enum risk_reason reason;
	uint32_t worst_site;	      /* the id of the site that scores highest; UINT32_MAX: none */
	double time_to_limit_seconds; /* at the present rate; < 0: not growing, no limit, or not known */
	double growth_bytes_per_hour; /* of live bytes */
	/* Apart from leaks: resident bytes grow where live bytes do not. */
	bool is_fragmenting;
	double idle_growth_bytes_per_hour; /* of resident less live bytes */
};

void risk_judge_process(
    struct risk_process *risk, const struct risk_tally *tally, const struct risk_memory *memory);

/*
 * Hysteresis: a level rises once two judgements in a row were higher, and falls once six in a
 * row were lower. One per site and one for the process; all zero bytes to begin with.
 */
struct risk_hold {
	uint8_t level, above, below, next;
};

enum risk_level risk_hold_level(struct risk_hold *hold, enum risk_level now);

/*
 * The numbers behind a site's reason as one or two plain sentences, without a newline: "of 1,200 objects
 * that reached 2.0 min, 3.0% were freed by 8.0 min; 41 stay per hour ...".
 */
struct out;
void risk_explain_site(struct out *out, const struct risk_site *risk);

#endif
