/*
 * sites.h -- the table of call sites: a row for each stack that allocates, and its facts.
 *
 * Bounded: SITES_MAX rows with frames of their own, and SITES_OVERFLOW more, each for
 * whatever of one module found no room. A row is found without a lock; births and deaths are
 * counted under one of SITES_STRIPES locks, by row. Only the tick gives rows up.
 */
#ifndef WEIR_TRACK_SITES_H
#define WEIR_TRACK_SITES_H

#include "track/modules.h"
#include "track/risk.h"
#include "track/stack.h"

#define SITES_MAX 4096
#define SITES_OVERFLOW 256 /* the first is for code of no known module, and of the 256th on */
#define SITES_ROWS (SITES_MAX + SITES_OVERFLOW)
#define SITES_STRIPES 16

enum site_state {
	SITE_FREE,
	SITE_USED,
	SITE_RETIRED, /* a module on its stack is gone: nothing more is born here */
	SITE_JOINED,  /* the same stack has another row since, whose facts have taken in this one's */
};

struct site_frame {
	uint64_t pc;
	uint64_t offset; /* in module; pc itself where there is none */
	uint16_t module; /* MODULE_NONE: none, or not known yet */
};

struct site {
	/* Of the stack's addresses, as they are now; 0: nothing is born here. Written under
	 * LOCK_sites and the stripe, release; acquire in lookups. */
	_Atomic uint64_t key;
	_Atomic uint32_t state; /* enum site_state; likewise */
	/* Written under LOCK_sites. */
	uint64_t id;	      /* of modules and offsets: the same in another run. 0: not resolved yet */
	uint32_t joined_into; /* a row */
	bool is_overflow, is_truncated, is_resolved;
	uint16_t frame_count;
	struct site_frame frames[STACK_FRAMES_MAX];
	/* Written under the stripe's lock. */
	struct facts facts;
	double last_birth; /* seconds of uptime */
	/* Written by the tick, under the stripe's lock; what risk.h said last. */
	struct risk_site risk;
	struct risk_hold hold;
	double births_judged; /* facts.births at the last judgement */
	bool is_left_alone;   /* by WEIR_COMPRESSION: what it holds is in use, old or not */
};

bool sites_start(void);

/* The row for the stack, made where there is none; or an overflow row, which has another key
 * (*key is set to the row's). */
uint32_t sites_find(const struct stack *stack, uint64_t *key);

/* Any row below SITES_ROWS; what it has may be read in a signal handler. */
struct site *sites_at(uint32_t row);
uint32_t sites_bound(void); /* plain rows below it have been used */
uint64_t sites_rows_used(void);

/* --- facts; seconds of uptime --- */

/* False: the row is another's by now, nothing was counted; look it up again. */
bool sites_birth(uint32_t row, uint64_t key, double now, uint64_t bytes, double weight);
void sites_death(uint32_t row, double now, double born, uint64_t bytes, double weight);
/* It belongs to another site from now on (facts.h). */
void sites_leave(uint32_t row, uint64_t bytes, double weight);
void sites_resize(uint32_t row, uint64_t old_bytes, uint64_t new_bytes, double weight);
/* A sample was dropped or weighs more now: what it stands for is counted anew, nothing died. */
void sites_reweigh(uint32_t row, uint64_t bytes, double old_weight, double new_weight);

void sites_lock_facts(uint32_t row);
void sites_unlock_facts(uint32_t row);

/* --- for the tick and for unloading: one thread at a time --- */

/* Attribute frames whose modules were not known when they were captured; give ids; join rows of
 * the same stack. */
void sites_resolve(void);
/* The module is not loaded any more: its addresses mean nothing, or something else. */
void sites_retire(unsigned module);
/* As modules_refresh() wants it; takes no lock. */
void sites_mark_modules(uint64_t *bits);
/*
 * Make room: rows of which nothing is live, by live_objects (unweighted, by row, of the
 * tick's walk); retired and joined ones at once, others when few rows are free and nothing was born there
 * for older_than seconds. Returns how many were freed.
 */
unsigned sites_evict(const uint32_t *live_objects, double now, double older_than);
/* The row that a row's facts are in. */
uint32_t sites_home(uint32_t row);

struct sites_counters {
	uint64_t bytes, bytes_used;
	uint64_t left_out; /* lookups that ended in an overflow row */
	uint64_t evicted;
	uint64_t locked; /* lookups that had to take the lock */
};
void sites_count(struct sites_counters *counters);

/* site_frames.c, for sites.c: attribute what is not yet; false: some frame is in no module that is known. */
bool site_attribute(struct site *site);
/* By its frames, as far as they are attributed. */
void site_give_id(struct site *site);

void sites_fork_prepare(void);
void sites_fork_done(bool is_child);

#endif
