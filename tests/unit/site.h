/*
 * site.h -- a call site made by hand for tests: births at given times, each with a lifetime.
 */
#ifndef WEIR_TESTS_SITE_H
#define WEIR_TESTS_SITE_H

#include <math.h>

#include "track/facts.h"

#define SITE_TICK 10.0
#define KEPT INFINITY

/* births a second at time t, and the lifetime of the i-th birth, born at t. */
struct site_plan {
	double until;
	double (*rate)(double t);
	double (*life)(unsigned i, double t);
	double weight;
	uint64_t (*bytes)(bool is_kept);
};

/* Births come evenly; no randomness. Objects that live at until are put into live. */
static inline void site_make(struct facts *facts, struct live *live, const struct site_plan *plan)
{
	enum { MOST = 200000 };
	static struct {
		double dies, born;
		uint64_t bytes;
	} alive[MOST];
	unsigned used = 0, births = 0;
	double due = 0;

	*facts = (struct facts){0};
	for (double now = SITE_TICK; now <= plan->until; now += SITE_TICK) {
		unsigned now_due;

		due += plan->rate(now) * SITE_TICK;
		now_due = (unsigned)due;
		due -= now_due;
		for (unsigned i = 0; i < now_due; i++, births++) {
			double born = now - SITE_TICK * (1 - (i + 0.5) / now_due);
			double life = plan->life(births, born);
			uint64_t bytes = plan->bytes == NULL ? 64 : plan->bytes(isinf(life));

			facts_birth(facts, born, bytes, plan->weight);
			if (born + life <= now) {
				facts_death(facts, life, bytes, plan->weight);
			} else if (used < MOST) {
				alive[used].dies = born + life;
				alive[used].born = born;
				alive[used++].bytes = bytes;
			}
		}
		for (unsigned i = 0; i < used;) {
			if (alive[i].dies > now) {
				i++;
				continue;
			}
			facts_death(facts, alive[i].dies - alive[i].born, alive[i].bytes, plan->weight);
			alive[i] = alive[--used];
		}
		facts_point(facts, now);
	}
	live_begin(live, facts, plan->until);
	for (unsigned i = 0; i < used; i++)
		live_add(live, plan->until - alive[i].born, alive[i].bytes, plan->weight);
}

#endif
