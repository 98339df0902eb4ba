/*
 * demand.h -- how much of the heap is wanted: a floor, under which idle memory is not given back.
 *
 * It is one for all arenas. What a stream needs moves between them as its threads move between
 * processors, so the sum of the arenas' highest uses is no use that ever was.
 */
#ifndef WEIR_POOL_DEMAND_H
#define WEIR_POOL_DEMAND_H

#include "base/compiler.h"

#define DEMAND_WINDOWS 4

struct demand {
	/* Of pages out of the heap, in this and the last windows; relaxed, a hint. */
	_Atomic uint64_t peak_pages[DEMAND_WINDOWS];
	/* The rest under the maintain lock. */
	uint64_t slack_share;					 /* of the peak (demand.c has the unit) */
	uint64_t spare_pages;					 /* demand_spare() */
	uint64_t spent_pages;					 /* of these, in this window */
	uint64_t held_seen, fresh_seen, taken_seen, purged_seen; /* as the last window left them */
};

extern struct demand demand;

void demand_init(void);

/* So many pages are out of the heap, after some were taken. */
COLD void demand_raise(uint64_t out_pages);
INLINE void demand_note(uint64_t out_pages)
{
	if (UNLIKELY(out_pages > atomic_load_explicit(&demand.peak_pages[0], memory_order_relaxed)))
		demand_raise(out_pages);
}

/* The most that was out of the heap since DEMAND_WINDOWS windows ago. */
uint64_t demand_peak(void);
/* The same since the window before this one began. */
uint64_t demand_recent(void);
/* So many pages beyond the peak are worth keeping, since sizes change. */
uint64_t demand_slack(void);

/*
 * So many pages may go of what only an earlier window needed: if all of them fault again, that is
 * one in DEMAND_SPARE_SHARE of those taken since the last ones went. Whoever lets them go says so.
 */
#define DEMAND_SPARE_SHARE 256
uint64_t demand_spare(void);
void demand_spend(uint64_t pages);

struct demand_facts {
	uint64_t out_pages;    /* out of the heap now */
	uint64_t held_pages;   /* these, and what is free and resident */
	uint64_t fresh_pages;  /* taken so far that were not resident */
	uint64_t taken_pages;  /* taken so far in all */
	uint64_t purged_pages; /* given back so far */
	unsigned arenas;       /* among which they lie: each has runs that fit, or none */
};

/*
 * A window ends, as the maintenance pass says. Sizes that change need more than the highest use, since no run
 * fits them all: what was taken fresh in a window without being growth, though other pages idled, is the slack. It
 * is a share of the peak, up to a bound, and less in each window, until nothing is taken any more.
 */
void demand_rotate(const struct demand_facts *facts);

/* So many pages counted as out of the heap, but only idled in magazines in all windows but the oldest. */
void demand_lower(uint64_t pages, uint64_t out_pages);

#endif
