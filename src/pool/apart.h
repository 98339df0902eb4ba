/*
 * apart.h -- what the range serves besides the pool's buffers: requests of other sizes.
 *
 * A small allocation that the tracker picked is served from the range, so that free knows
 * it by its address: up to 4 KiB in a slot of a fitting class in a slab of its own
 * kind, so it costs about what it asks for; above that in a run of whole pages. A large one,
 * above WEIR_MAX_BUFFER_SIZE, always is, picked or not: a run that was freed is still resident
 * when the next frame comes, where jemalloc gives back 8 MiB and more at once (measured in
 * bench/RESULTS.md). Neither counts as a buffer of the pool, nor against its limits;
 * their figures are their own.
 *
 * Not for signal handlers, but for apart_count(). Thread-safe.
 */
#ifndef WEIR_POOL_APART_H
#define WEIR_POOL_APART_H

#include "base/compiler.h"

struct run;

/* What is larger is left to others: it would break the range up. */
#define APART_BYTES_MAX GIB

/* Nothing is out yet; with the pool. */
void apart_init(void);

/*
 * alignment: a power of two up to a page, which malloc's own is below. *is_zero: every byte
 * reads as zero. NULL: no memory, no room for it here.
 */
void *apart_take(size_t size, size_t alignment, bool *is_zero);

/* The same above the largest that the pool serves, for what has grown out of its place and will go on growing. */
void *apart_take_growing(size_t size);

/* All of p's below: within the range, and its entry, run, is RUN_SLOTS or RUN_APART. */

/* Whether something is handed out that starts at p, exactly. */
bool apart_is_in_use(const struct run *run, const void *p);
/* False: it is not in use, nothing was done. *sample: what was set, to be ended by the caller. */
bool apart_free(struct run *run, void *p, uint32_t *sample);
/* Of p in use. */
size_t apart_usable_bytes(const struct run *run);
size_t apart_size(const struct run *run); /* as requested, as far as that is known */
/* What the tracker knows it by; 0: untracked. */
void apart_set_sample(struct run *run, const void *p, uint32_t sample);
uint32_t apart_sample(const struct run *run, const void *p);
/* Fit it to size where it is. False: it cannot stay, or would keep too much. */
bool apart_resize(struct run *run, void *p, size_t size);

struct apart_stats {
	uint64_t small_objects, small_bytes; /* in slots; bytes of the slots */
	uint64_t large_objects, large_bytes; /* in runs of their own; whole pages */
	uint64_t slab_bytes;		     /* of the slabs that hold the slots */
	uint64_t metadata_bytes;	     /* touched so far, beside the table of runs */
	uint64_t refused;		     /* no memory, or the table of slots is full */
};

void apart_count(struct apart_stats *stats);

/* For walks: how many pages the slab has whose first entry is run. */
uint32_t apart_slab_pages(const struct run *run);

/* Around fork, by the forking thread. */
void apart_fork_prepare(void);
void apart_fork_done(bool is_child);

#endif
