/*
 * samples.h -- the table of live samples: what is known of each allocation that is tracked.
 *
 * Bounded (SAMPLES_MAX entries of 32 bytes), committed in steps as it fills. Lock-free
 * throughout, so any of it may run in a signal handler, also one that interrupted it.
 *
 * A sample's number holds the entry's index and how often that entry was used before
 * (modulo 2^15): a number of a sample that was dropped meanwhile is known to be one.
 */
#ifndef WEIR_TRACK_SAMPLES_H
#define WEIR_TRACK_SAMPLES_H

#include "track/track.h"

#define SAMPLES_INDEX_BITS 17
#define SAMPLES_MAX (((uint32_t)1 << SAMPLES_INDEX_BITS) - 1) /* index 0 is none */

struct sample_facts {
	uint32_t site;	/* as the caller numbers them */
	uint32_t birth; /* ticks */
	uint64_t size;	/* bytes as requested */
	float weight;	/* allocations that it stands for */
	enum track_kind kind;
};

/* Reserve the table; false: no address space. Once. */
bool samples_start(void);

/* A new sample; its number, or 0: the table is full (counted). */
uint32_t samples_take(const struct sample_facts *facts);

/* It is freed: its facts as they were at the end. False: it was dropped before, *facts is untouched. */
bool samples_remove(uint32_t sample, struct sample_facts *facts);

/* False: it is gone. What a reader gets is of one sample, whole. */
bool samples_read(uint32_t sample, struct sample_facts *facts);

/* It has another size now; *before gets its facts until now. By the owner of the allocation. False: gone. */
bool samples_resize(uint32_t sample, uint64_t size, struct sample_facts *before);

/*
 * The walk: *cursor is 0 at first. Gives the next live sample's number, 0 at the end. What
 * lives throughout is met once; what comes or goes meanwhile, once or not at all.
 */
uint32_t samples_next(uint32_t *cursor, struct sample_facts *facts);

/*
 * Drop each live sample of a kind with probability 1/2, and let the others weigh twice: every
 * estimate stays without bias, the table is half as full. changed() hears of each: its facts
 * before, and its weight now (0: dropped). By one thread at a time. seed: any.
 */
void samples_thin(
    enum track_kind kind, uint64_t seed, void (*changed)(const struct sample_facts *before, float weight));

/* For a reader outside the process: where the entries are, and how many bytes of them were used. */
void samples_where(uint64_t *address, uint64_t *bytes);
/* In that reader, which has no samples of its own: samples_next() walks over this copy of them. */
void samples_borrow(void *copy, uint64_t bytes);

uint32_t samples_live(void);
uint32_t samples_live_of(enum track_kind kind);

struct samples_counters {
	uint64_t bytes, bytes_used; /* of the table: most it can take, and committed */
	uint64_t live, refused, thinned;
};

void samples_count(struct samples_counters *counters);

#endif
