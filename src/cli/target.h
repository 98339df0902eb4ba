/*
 * target.h -- a process with Weir, read from outside.
 */
#ifndef WEIR_CLI_TARGET_H
#define WEIR_CLI_TARGET_H

#include <sys/types.h>

#include "report/weir_state.h"
#include "track/life_table.h"

enum target_result {
	TARGET_OK,
	TARGET_GONE,	      /* there is no such process any more */
	TARGET_NO_WEIR,	      /* nothing of Weir is loaded into it */
	TARGET_DENIED,	      /* its memory may not be read by us */
	TARGET_STARTING,      /* loaded, but not up yet */
	TARGET_OTHER_VERSION, /* its Weir and this command were built from other sources */
	TARGET_CHANGED,	      /* it became another program (exec) while it was read; attach again */
	TARGET_FAILED,	      /* ->error says why */
	TARGET_RESULTS
};

struct target {
	pid_t pid;
	uint64_t address; /* of weir_state in it; 0: not attached */
	int error;
	bool is_torn; /* the figures of the last tick were being written all the while: it is stopped there */
	char version[16]; /* of its Weir, also where that is another one */
	struct weir_state state;
	struct settings settings;
	/* Copies of its tables; as large as needed so far. */
	struct run *runs;
	uint8_t *owners;
	struct arena *arenas;
	size_t runs_room, owners_room, arenas_room;
	uint32_t pages; /* entries of runs as of the last target_snapshot() */
	void *samples;
	size_t samples_room;
	struct target_texts *texts; /* what pointers of its last struct track_snapshot point at */
};

/* One of its call sites, with what a dump does not have. */
struct target_site {
	struct facts facts;
	struct live live;
	struct life_table table;
};

/* Read a site by the id that it has in the last target_snapshot(). TARGET_CHANGED: it has it no more. */
enum target_result target_site(struct target *target, uint64_t id, struct target_site *site);

/* What a dump does not have of a size class: worked out of the copied table of runs. */
struct target_class {
	uint64_t in_use, idle;			/* buffers; idle: in magazines */
	uint64_t in_use_bytes, requested_bytes; /* capacity of those in use, and what was asked for of it */
	uint64_t uses;				/* by all of these buffers since each was made */
	uint64_t free_hot_bytes,
	    free_cold_bytes; /* in free runs of which this is the largest class that fits */
};

/* Of the last target_snapshot(). classes: SIZE_CLASSES of them. */
void target_classes(const struct target *target, struct target_class *classes);

/* Find weir_state in it and read it. What is in target is of no account before the first call, but zeroed. */
enum target_result target_attach(struct target *target, pid_t pid);
void target_detach(struct target *target);

/* Read weir_state again: the figures of the last tick, and the answers. */
enum target_result target_refresh(struct target *target);

/*
 * Read the pool's own structures and work out everything that a dump has. The snapshot
 * points into target. One target at a time: the structures are put in the place of this
 * process's own pool, which has none.
 */
enum target_result target_snapshot(struct target *target, struct snapshot *snapshot);

/* The answer to a request; NULL: none is there yet. Of the last target_refresh(). */
const struct state_answer *target_answer(const struct target *target, uint64_t request);

/* One sentence: why, and what can be done about it. */
void target_explain(const struct target *target, enum target_result result, char *text, size_t size);

#endif
