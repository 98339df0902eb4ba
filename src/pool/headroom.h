/*
 * headroom.h -- how much memory is left, looked at where fresh pages are taken, not at the next tick.
 *
 * A burst can use up a container's memory between two ticks of the monitor. So whoever takes pages that will
 * fault has the limit looked at after a share of what is left, and before it is used up what idles goes back:
 * by pieces while there is room, for which no request waits; by pieces of twice what the request takes itself
 * while less than the reserve is free; and as much as it takes where next to none is.
 */
#ifndef WEIR_POOL_HEADROOM_H
#define WEIR_POOL_HEADROOM_H

#include "base/meminfo.h"
#include "base/options.h"

struct headroom_facts {
	uint64_t room_bytes;	 /* below the limit */
	uint64_t limit_bytes;	 /* the limit itself */
	uint64_t promised_bytes; /* handed out and not written to yet, so not counted by the kernel */
	uint64_t idle_bytes;	 /* free and resident, in the heap */
	uint64_t wanted_bytes;	 /* of these, so much circulates: it will be taken again at once */
};

struct headroom_plan {
	uint64_t purge_bytes;	/* of what idles, so much goes back */
	uint64_t missing_bytes; /* to the reserve that is to stay free; 0: it is there */
	bool is_urgent;		/* little of the reserve is left */
	uint64_t now_bytes;	/* then so much of what is to go goes at once, the rest by pieces */
	bool is_ample;		/* more than the reserve is free, by a good part of it */
	uint64_t step_bytes;	/* after so many fresh ones comes the next look */
	uint64_t wall_bytes;	/* whoever has taken so many by then waits for it */
};

/*
 * Pure. The reserve is an eighth of the limit, 2 to 256 MiB; and what idles is half of what is free at most. What
 * circulates is left alone until but a third of the reserve is free: it would be back at once.
 */
struct headroom_plan headroom_plan(const struct headroom_facts *facts);

/* Nothing is known yet: the first look is after 16 MiB. */
void headroom_init(const struct settings *settings);
/* What the monitor found. */
void headroom_learn(const struct meminfo_source *source, const struct meminfo_gauge *gauge);
/* The heap holds less than it did: the next who takes fresh pages looks. */
void headroom_look_soon(void);
/* In the child of a fork, which may be put into another cgroup. */
void headroom_forget(void);

/* After so many fresh pages were taken, whose owner has not written to them yet. No lock is held. */
void headroom_keep(uint32_t fresh_pages, uint32_t now);
/* Elsewhere in the process so many bytes were allocated, which may be fresh. No lock is held. */
void headroom_grew(uint64_t bytes);

#endif
