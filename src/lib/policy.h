/*
 * policy.h -- which idle buffers of a pool leave it: a pure decision on given facts.
 */
#ifndef WEIR_LIB_POLICY_H
#define WEIR_LIB_POLICY_H

#include "base/compiler.h"

struct policy_facts {
	uint64_t in_use, idle;	/* buffers */
	uint64_t peak;		/* most in use at once, in this and the last monitor interval */
	int pressure_level;	/* enum weir_pressure_level */
	bool is_over_threshold; /* of max_buffers or max_bytes */
	bool is_everything;	/* a clean-up was asked for */
	uint64_t max_idle_ns, monitor_interval_ns;
};

struct policy_plan {
	uint64_t keep;	  /* at most so many idle buffers stay, the last released ones */
	uint64_t idle_ns; /* what has been idle for so long goes in any case */
};

struct policy_plan policy_collect(const struct policy_facts *facts);

#endif
