/*
 * reclaim.h -- when idle memory goes back, and the pass that gives it back.
 *
 * The policy is pure: facts and time in, a plan out. The pass carries it out under
 * the maintain lock; anybody may run it who may take locks.
 */
#ifndef WEIR_POOL_RECLAIM_H
#define WEIR_POOL_RECLAIM_H

#include "base/options.h"
#include "pool/pressure.h"

struct reclaim_facts {
	uint64_t out_pages;    /* in use and in magazines */
	uint64_t hot_pages;    /* free and resident */
	uint64_t slack_pages;  /* that are worth keeping beyond the peak, since sizes change */
	bool is_window;	       /* the windows went on: without pressure surplus goes only then */
	uint64_t peak_pages;   /* the highest out_pages of the last monitor interval */
	uint64_t recent_pages; /* the same of the last window */
	uint64_t spare_pages;  /* that may go although an earlier window needed them (demand.h) */
	enum pressure_level pressure;
	bool is_rising;		/* it was less at the last pass */
	bool is_over_threshold; /* the pool passed WEIR_GC_THRESHOLD of its limit */
	bool is_asked;		/* a collection was asked for */
	bool is_everything;	/* a full clean-up was asked for */
	uint32_t max_idle_ticks;
	uint32_t monitor_ticks;
};

struct reclaim_plan {
	uint64_t surplus_pages;	      /* to purge whatever its age */
	uint64_t spent_pages;	      /* of these, so many of facts.spare_pages */
	uint32_t idle_ticks;	      /* what has been idle for longer is purged in any case */
	uint32_t magazine_idle_ticks; /* what has been idle in a magazine for longer goes to the heap */
};

struct reclaim_plan reclaim_plan(const struct reclaim_facts *facts);

void reclaim_init(const struct settings *settings);

/*
 * One pass: rotate the windows of demand, drain magazines, purge by plan. Returns
 * the bytes given back. is_everything: a full clean-up, as under critical pressure.
 */
uint64_t reclaim_run(uint32_t now, enum pressure_level pressure, bool is_everything);

/* The same, as a collection that somebody asked for: whatever is free goes, and what idled in magazines for a while. */
uint64_t reclaim_collect(uint32_t now, enum pressure_level pressure);

/*
 * The same pass within a request: of what it would purge a piece goes now, the rest is a debt. Each
 * reclaim_piece() pays as much of it as a request may wait for (some 50 us).
 */
uint64_t reclaim_run_bounded(uint32_t now, enum pressure_level pressure);
bool reclaim_has_debt(void);
void reclaim_piece(uint32_t now);

/* In a busy pool passes come so often, and so often is pressure looked at. */
#define RECLAIM_LOOKS_A_MONITOR 10

/* When the next pass is due, in ticks. */
uint32_t reclaim_next(uint32_t now);

/* Only the magazines, all of them, into the heap. False: it cannot be done, or was too often within this tick. */
bool reclaim_drain(uint32_t now);
/* That CPU's magazines are short of room: another's that is quiet gives up what idles there (magazines_gather()).
 * False: it has what it had. */
bool reclaim_gather(unsigned cpu, uint32_t now);

/* So many idle pages go back, unless a pass or another thread is at it. Under the maintain lock,
 * so that threads at a limit do not each give back the same excess, and that no fork comes
 * between: its child would never see the runs again that are being purged. */
void reclaim_purge(uint64_t pages, uint32_t now);

#endif
