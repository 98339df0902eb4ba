/*
 * preload.h -- what the parts of the interposer share.
 *
 * Start: the first call of any of our symbols, or our constructor, runs
 * preload_bind(); our constructor reads the settings and makes the pool. Until it is
 * made the pool matches no size and no pointer.
 */
#ifndef WEIR_PRELOAD_H
#define WEIR_PRELOAD_H

#include "base/compiler.h"
#include "base/options.h"
#include "pool/pressure.h"
#include "report/snapshot.h"

/* jemalloc's own functions, found through its handle. Before binding, the
 * members point at functions that start Weir and call again; never NULL. */
struct next {
	void *(*malloc)(size_t);
	void (*free)(void *);
	void (*free_foreign)(void *); /* jemalloc's free, whatever stands before it in free; keeps errno */
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	size_t (*malloc_usable_size)(void *);
	int (*mallctl)(const char *, void *, size_t *, void *, size_t); /* NULL where jemalloc lacks it */
};
extern HIDDEN struct next next;

/* The state of the interposer; frozen once preload_start() is over, but for what is said. */
struct preload {
	struct settings settings;
	_Atomic bool is_started;	/* release after everything is frozen */
	struct fallback_stats fallback; /* as of the last tick; relaxed by members, a statistic */
	struct pressure pressure;	/* likewise */
};
extern HIDDEN struct preload preload;

void preload_start(void);

/* bind.c: cold, may allocate. */
void preload_bind(void);
void *preload_real(const char *name);	  /* the next definition of name after ours; NULL: none */
void *preload_jemalloc(const char *name); /* jemalloc's own; NULL: none */

/* vfork.c: in the child of a fork, behind pool_fork_child() */
void vfork_in_fork_child(void);
/* False in a child of vfork, which runs in its parent's memory. As owner_is_self(), but without a system call, which
 * a filter of the program's own may kill for; who was made by clone(2) is not told. */
bool vfork_owns_memory(void);

/* thread.c: once, after jemalloc has registered its own handlers for fork. */
void preload_watch_fork(void);

/* maintain.c */
bool maintain_now(
    bool is_everything); /* a pass, or (everything) a full clean-up, by the caller; whether pages went back */

/* walk.c: before the first refresh, and before there is a second thread; does it once */
void walk_start(void);

/* signal.c */
void signal_start(void); /* take WEIR_SIGNAL */

/* dump.c; its start is in dump.h, called by signal_start() */
void dump_take(enum dump_trigger trigger); /* async-signal-safe; keeps errno */
void dump_write_metrics(void);		   /* WEIR_METRICS_FILE; likewise */

#endif
