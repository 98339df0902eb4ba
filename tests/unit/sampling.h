/*
 * sampling.h -- a sampler that is asked as malloc asks it, by a thread whose random numbers are known.
 */
#ifndef WEIR_TESTS_SAMPLING_H
#define WEIR_TESTS_SAMPLING_H

#include <string.h>

#include "track/sampler.h"

static inline void start(uint64_t interval)
{
	struct settings settings;

	settings_default(&settings);
	settings.sample_interval = interval;
	sampler_start(&settings);
}

/* This thread begins anew. */
static inline void seed(uint64_t number)
{
	uint64_t x = number * 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	memset(&sampler_thread, 0, sizeof(sampler_thread));
	/* The first look draws with a seed of its own; so it is taken here, and the seed put in after. */
	sampler_take(TRACK_SMALL, 0);
	sampler_thread.random = (x ^ x >> 27) | 1;
	for (unsigned kind = 0; kind < SAMPLER_KINDS; kind++) {
		/* As if all had been samples until now: the next look draws. */
		sampler_thread.interval[kind] = 0;
		sampler_thread.left[kind] = -1;
		sampler_thread.rest[kind] = 0;
	}
}

/* As malloc does it. */
static inline float offer(enum track_kind kind, size_t size)
{
	return sampler_passes(kind, size) ? sampler_take(kind, size) : 0;
}

#endif
