/*
 * sample.h -- the cold paths of malloc and its kin where an allocation may be a sample.
 */
#ifndef WEIR_PRELOAD_SAMPLE_H
#define WEIR_PRELOAD_SAMPLE_H

#include "track/sampler.h"

/* Tracking is wanted, or off for good. Once, when the pool is made. */
void sample_start(void);

/* It begins where it is wanted, if it has not: at the monitor's tick, or by whoever allocates much before
 * that. Outside of every lock and of signal handlers. */
void sample_wake(void);

/* Each is called when sampler_passes(kind, size) was true. */

/* A request that pool_wants(): a buffer, or a temporary one from jemalloc. */
void *sample_pool(size_t size);
/* One below WEIR_MIN_BUFFER_SIZE. From jemalloc if it is none. */
void *sample_small(size_t size);
/* The same; alignment: a power of two. NULL: it is none, and nothing was done. */
void *sample_apart(size_t alignment, size_t size, bool *is_zero);
/* p, of the pool or apart, was handed out just now. Returns p. */
void *sample_note(enum track_kind kind, void *p, size_t size);

/* realloc let p, a small one of the range's, stay where it is: as if it were freed and allocated. */
void sample_again(void *p, size_t size);

#endif
