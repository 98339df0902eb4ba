/*
 * policy.c -- which idle buffers of a pool leave it.
 *
 * Called by the collections of upkeep.c. Pure: no lock, no clock, no memory.
 *
 * What a collection asks: how old (max_idle_ns, wanted or not) and, where the pool is over its
 * threshold, how many more than recent demand explains. Demand is the peak of this and the last
 * monitor interval, so a burst that comes every few seconds finds its buffers. Scarce memory
 * drops that floor, but keeps what was in use a moment ago; critical memory keeps nothing.
 */
#include "lib/policy.h"

#include "include/weir.h"

/* Under medium pressure, what was used within this part of a monitor interval stays. */
#define FRESH_PART 10

struct policy_plan policy_collect(const struct policy_facts *facts)
{
	struct policy_plan plan = {.keep = UINT64_MAX, .idle_ns = facts->max_idle_ns};

	if (facts->is_everything || facts->pressure_level >= WEIR_PRESSURE_CRITICAL)
		return (struct policy_plan){.keep = 0, .idle_ns = 0};
	if (facts->is_over_threshold)
		plan.keep = facts->peak - MIN(facts->peak, facts->in_use);
	if (facts->pressure_level == WEIR_PRESSURE_MEDIUM)
		plan.idle_ns = MIN(plan.idle_ns, facts->monitor_interval_ns / FRESH_PART);
	return plan;
}
