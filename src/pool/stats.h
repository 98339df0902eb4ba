/*
 * stats.h -- what the pool says of itself when somebody asks.
 *
 * Everything here is derived at the time of asking by a walk over the
 * structures, without a lock: figures of a busy pool are each near the truth,
 * not one instant's cut. pool_stats_collect() allocates nothing, takes no lock
 * and may be called from a signal handler.
 */
#ifndef WEIR_POOL_STATS_H
#define WEIR_POOL_STATS_H

#include "base/compiler.h"
#include "pool/apart.h"

#define POOL_CLASSES_MAX 120

struct pool_class_stats {
	uint64_t size_bytes;
	uint64_t in_use;      /* buffers that the program holds */
	uint64_t idle;	      /* buffers in magazines */
	uint64_t allocations; /* served since start */
};

struct pool_buffer_info {
	uint64_t id;
	uint64_t address;
	uint64_t size_bytes;	  /* as requested */
	uint64_t capacity_bytes;  /* as usable */
	uint64_t created_ticks;	  /* when it left the heap of runs */
	uint64_t last_used_ticks; /* in use: when it was handed out; idle: when it was freed */
	uint64_t use_count;
	uint32_t sample; /* what the tracker knows it by; 0: nothing */
	bool is_in_use;
};

struct pool_stats {
	bool is_active;		  /* there is a range, and WEIR_ENABLE is on */
	uint64_t range_bytes;	  /* reserved address space */
	uint64_t committed_bytes; /* readable and writable so far */
	uint64_t metadata_bytes;  /* resident upper bound of what the pool keeps beside the range */

	uint64_t buffers_in_use;
	uint64_t buffers_idle;	  /* in magazines */
	uint64_t in_use_bytes;	  /* capacity of the buffers in use */
	uint64_t requested_bytes; /* what was asked for of the same */
	uint64_t idle_bytes;	  /* capacity of the buffers in magazines */

	uint64_t free_runs_hot, free_hot_bytes;	  /* resident */
	uint64_t free_runs_cold, free_cold_bytes; /* purged or never touched */
	uint64_t largest_free_bytes;
	uint64_t slab_free_bytes; /* free slots within slabs */

	struct apart_stats apart; /* sampled allocations of other sizes; in none of the figures above */

	uint64_t limit_bytes;	/* WEIR_POOL_LIMIT as it is in force */
	uint64_t limit_buffers; /* 0: none */

	uint64_t allocations;	      /* handed out since start */
	uint64_t creations;	      /* of these, buffers that came from the heap, not from a magazine */
	uint64_t temporary_buffers;   /* requests past a limit, served by jemalloc */
	uint64_t purged_bytes;	      /* given back to the kernel since start */
	uint64_t purges_refused;      /* the kernel said no */
	uint64_t request_purges;      /* that requests of the program waited for, since start */
	uint64_t slow_request_purges; /* of them, longer than 50 us */
	uint64_t longest_request_purge_ns;	      /* the longest */
	uint64_t gc_count;			      /* collections since start */
	uint64_t errors;			      /* misuse and kernel errors survived */
	uint64_t lock_acquisitions, lock_contentions; /* of the arenas */
	unsigned arenas_in_use;
	unsigned cpus;
	bool is_rseq; /* magazines move by restartable sequences, not by locks */

	unsigned class_count;
	struct pool_class_stats classes[POOL_CLASSES_MAX];
};

/*
 * Fill *stats, and up to max entries of oldest: the buffers in use, longest in
 * use first. Returns how many entries were filled.
 */
unsigned pool_stats_collect(struct pool_stats *stats, struct pool_buffer_info *oldest, unsigned max);

/* Every buffer that the tracker knows, in no order, until visit() says false: what may be freed and handed
 * out again at the same time. Slots are left out: they share their pages. */
void pool_visit_samples(bool (*visit)(uint32_t sample, uintptr_t address, size_t bytes));

#endif
