/*
 * facts.h -- what is remembered of one call site (or one pool of buffers), in bounded memory.
 *
 * Everything is summed with each object's own weight: 1 where all objects are known,
 * 1/p where one is sampled with probability p. The same object has the same weight at its birth
 * and at its death. Ages and times are seconds of scaled uptime.
 *
 * What is said of lifetimes is summed by mass: weight times the square root of the object's size, of 4 KiB at most,
 * in units of 4 KiB's. Where one byte in so many is picked, a weight goes with 1/size: one object of 16 bytes would
 * stand for 256 of 4 KiB, and be all that is known of a site of strings. Where all are picked each weighs 1, and by
 * bytes the large ones would be all. By the root of it neither is more than 16 times the other. Of buffers of the
 * pool each has its weight, as it has where all objects are of one size, but for a factor.
 *
 * Who may call: one writer at a time; the caller has a lock for each site, or for all. Nothing
 * here locks, allocates or blocks. A reader that cannot wait (a dump in a signal handler)
 * takes facts_copy(): every word is whole, but a death may be counted in one and not yet in another;
 * all of risk.h takes such a copy and answers finite figures.
 *
 * Bounds. Sums are doubles: with whole weights exact up to 9e15, and else each addition errs by at
 * most 1.1e-16 of the sum: after 1e10 of them (3 years at 100 a second) by one millionth at worst.
 * ->live_count and ->live_bytes are not differences of two large sums but go up and down themselves,
 * so that they err by that share of what was live, not of all that ever was.
 */
#ifndef WEIR_TRACK_FACTS_H
#define WEIR_TRACK_FACTS_H

#include "track/series.h"

/* Half-octaves from 1 s: bucket k holds ages from 2^(k/2) s up to 2^((k+1)/2) s, the first one
 * also those under 1 s, the last one (136 days) all above. */
#define FACTS_AGES 48
/* Birth cohorts: equal stretches of time since the site's first birth. */
#define FACTS_COHORTS 32
#define LIVE_RECENT 16

struct facts {
	double first_at;	    /* when the first birth was; seconds of uptime; with ->births 0: unset */
	double births;		    /* sum of weights, ever */
	double birth_bytes;	    /* weighted, ever */
	double live_count;	    /* weighted; never negative */
	double live_bytes;	    /* weighted; never negative */
	double deaths;		    /* sum of weights, ever; and of what left */
	double birth_mass;	    /* ever; without what left */
	double death_mass;	    /* ever; the sum of ->died_at */
	double death_squares;	    /* sum of squared masses of the deaths: what they are worth as evidence */
	double death_size;	    /* sum of mass times log2 of the size, and of its square: */
	double death_size_squares;  /* whether what stays is like what goes */
	double young_age;	    /* mass times age, of the deaths under 1 s: the first bucket's mean */
	double died_at[FACTS_AGES]; /* masses of deaths by age */
	struct series series;	    /* count and bytes: live; flow: mass of births */
};
_Static_assert(sizeof(struct facts) <= 896, "4,096 sites take 3.5 MiB");

/* All zero bytes are facts of a site without births. */

double facts_mass(uint64_t bytes, double weight);

/* An object of bytes bytes was born at now seconds. weight: 1/p, at least 1; what is no finite
 * number above 0 is left out. */
void facts_birth(struct facts *facts, double now, uint64_t bytes, double weight);

/* An object died age seconds old; bytes and weight as at its birth. */
void facts_death(struct facts *facts, double age, uint64_t bytes, double weight);

/*
 * An object left for another site that is still to be counted there: realloc made it its own. It did not die, and
 * what the site makes is told by what ends here: so its birth is taken back from what is said of lifetimes, while
 * ->births and ->deaths, which only grow, both have it. bytes and weight as at its birth.
 */
void facts_leave(struct facts *facts, uint64_t bytes, double weight);

/* An object grew or shrank where it was: its live bytes are corrected. */
void facts_resize(struct facts *facts, uint64_t old_bytes, uint64_t new_bytes, double weight);

/* All that is summed over births and deaths, but not what is alive, nor the series. */
void facts_add(struct facts *facts, const struct facts *from);

/*
 * Births and deaths of weight 1 that were counted apart, so that who counts here need not wait: *from is
 * added and is as new. live_count, live_bytes: what they leave, below 0 where those died that were
 * born elsewhere; ->live_count and ->live_bytes are right, and not below 0, once all parts are joined.
 */
void facts_join(struct facts *facts, struct facts *from, double live_count, double live_bytes);

/* At each monitor tick: remember how much is live. The series keeps what it has place for. */
void facts_point(struct facts *facts, double now);

/* Of another thread's facts, word by word, without its lock. */
void facts_copy(struct facts *to, const struct facts *from);

/* The bucket of an age, and where a bucket begins (0 for the first), in seconds. */
unsigned facts_age_bucket(double age);
double facts_age_from(unsigned bucket);

/*
 * What of a site is live at one moment, made by walking over it: live_begin(), live_add() for
 * each object, and the struct goes to risk_judge_site(). 560 bytes of the caller's.
 */
struct live {
	double now, first_at;
	double old_age; /* seconds; what is older belongs to the tail: above the deaths' 99th percentile */
	double count, bytes;				    /* sums of weight, and of weight times bytes */
	double mass, squares;				    /* sums of masses, and of their squares */
	double old_count, old_bytes, old_mass, old_squares; /* the same of the tail, */
	double old_size, old_size_squares;  /* and of mass times log2 of the size, and of its square */
	float at_age[FACTS_AGES];	    /* masses by age */
	float born[FACTS_COHORTS];	    /* masses by time of birth since first_at */
	float born_recently[FACTS_COHORTS]; /* the same of the last 1/LIVE_RECENT of that time */
};

void live_begin(struct live *live, const struct facts *facts, double now);
void live_add(struct live *live, double age, uint64_t bytes, double weight);

#endif
