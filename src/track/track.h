/*
 * track.h -- lifetimes and leak risk: the facade of src/track.
 *
 * The front end calls track_birth() for an allocation that the sampler picked and
 * track_death() when that one is freed, both on paths that are cold; track_tick()
 * at every monitor tick; track_collect() for a dump. Between ticks only counts move;
 * scores, levels and ages are as of the last tick.
 *
 * Everything here is weighted: a sample that was picked with probability p stands for
 * 1/p allocations, and every figure is the sum over samples of their weights.
 * No function allocates, and every table is bounded: track_collect() says by how much.
 */
#ifndef WEIR_TRACK_TRACK_H
#define WEIR_TRACK_TRACK_H

#include "base/compiler.h"
#include "base/options.h"

#define TRACK_FRAMES_MAX 32   /* of a stack; what is further out is cut off */
#define TRACK_SITES_MAX 4096  /* with frames of their own */
#define TRACK_LISTED_MAX 32   /* sites in a dump */
#define TRACK_MODULES_MAX 512 /* loaded, or gone but on some site's stack */
#define TRACK_AGE_BUCKETS 34  /* see struct track_lifetimes */
#define TRACK_SIZE_GROUPS 28

/* Where an allocation is served. */
enum track_kind {
	TRACK_SMALL, /* below WEIR_MIN_BUFFER_SIZE: a sample in a slot of its own */
	TRACK_POOL,  /* a buffer of the pool */
	TRACK_LARGE, /* above WEIR_MAX_BUFFER_SIZE */
};

/*
 * Tracking is wanted or not (false): nothing is done yet, and everything below but track_wake() does
 * nothing. Once, before any other thread.
 * [own_start, own_end): the code whose frames are left out of stacks (the interposer).
 */
bool track_prepare(const struct settings *settings, uintptr_t own_start, uintptr_t own_end);

/*
 * Make the tables (14 MiB of address space, touched as they fill), ask the loader what is loaded, and
 * let the unwinder set itself up. Whether tracking is awake now; if not, another thread is at it, or
 * there is no memory, and then it is off for good. Outside of every lock and of signal handlers, else
 * anywhere, within malloc too. Some 30,000 instructions at the first call.
 */
bool track_wake(void);

/* Wanted, and not awake yet. */
bool track_is_asleep(void);

/*
 * p was handed out: size bytes as requested, picked with probability 1/weight (weight
 * >= 1; 1: everything of its kind is told). Captures the stack, which costs some hundred ns and
 * at new places microseconds: the sampler decides how often. Returns the sample's number, to be kept with p, or 0:
 * not tracked (no room, or a signal handler interrupted tracking in this thread; counted).
 * Keeps errno. Thread-safe. Called with no lock of the pool held.
 */
uint32_t track_birth(void *p, size_t size, enum track_kind kind, float weight);

/*
 * What sample stands for is freed. sample: from track_birth(), not 0, once. Keeps errno.
 * Thread-safe, also in a signal handler that interrupted tracking: then the next tick
 * counts it.
 */
void track_death(uint32_t sample);

/*
 * realloc gave it so many bytes, where it was: from now on it belongs to the site of that call, who holds
 * it now, with the same weight. Past its budget (sampler_may_follow()) it stays with the site it had. Returns its
 * number from now on, to be kept instead, or 0: it is not tracked any more. Else as track_birth() and track_death().
 */
uint32_t track_resize(uint32_t sample, size_t size);

/* realloc moved it: what it has become is told by track_birth(), or it is none; this one has not died. */
void track_leave(uint32_t sample);

/* What the tick cannot find out by itself. */
struct track_facts {
	uint32_t now_ticks;
	uint64_t memory_limit_bytes; /* WEIR_MEMORY_LIMIT as in force; 0: none is known */
	uint64_t memory_used_bytes;  /* of that limit, by whatever measure pressure goes by */
	uint64_t rss_bytes;	     /* 0: not known */
	uint64_t live_bytes;	     /* all that the program holds, pool and jemalloc; 0: not known */
	uint64_t major_faults;	     /* of the process since its start */
	uint64_t cpu_ns, real_ns;    /* used by the process, and some clock's; both 0: not known */
};

/*
 * The monitor tick: reads what modules are loaded, scans the live samples, judges each
 * site and the process. Never in a signal handler, by one thread at a time, outside of
 * every lock. Bounded; track.c says by how much.
 */
void track_tick(const struct track_facts *facts);

/* Modules were or are about to be unloaded: remember what can be asked only while they
 * are there. Outside of malloc and of signal handlers. */
void track_modules_changed(void);

/*
 * Around fork, by the forking thread. The first with no lock held at all: it waits for whoever asks the loader
 * what is loaded, and so for all who allocate in a callback of dl_iterate_phdr(). The others after
 * pool_fork_prepare(), and before what undoes it.
 */
void track_fork_wait(void);
void track_fork_prepare(void);
void track_fork_parent(void);
void track_fork_child(void);

/* --- for the dump ------------------------------------------------------------ */

struct track_frame {
	uint64_t pc;	      /* within the call: the return address less one */
	uint64_t offset;      /* of pc in its module, as addr2line and nm count: pc less the load bias */
	const char *module;   /* path as the loader knows it; NULL: in none that is known (generated code) */
	const char *build_id; /* hex; "": none */
};

struct track_site {
	uint64_t id; /* equal in all runs of the same modules, as far as offsets agree */
	double risk; /* 0..1 */
	double confidence;
	unsigned level; /* enum risk_level: 0 LOW, 1 MEDIUM, 2 HIGH */
	const char *level_name, *reason;
	double live_objects, live_bytes;    /* as of now */
	double births, birth_bytes, deaths; /* since start */
	double growth_bytes_per_hour;
	double stuck_objects,
	    stuck_bytes_per_hour; /* what outlives the others by far, and how fast it adds up */
	double lifetime_p50_seconds, lifetime_p99_seconds; /* of the freed; negative: none was */
	double age_p50_seconds;				   /* of the live; negative: none is */
	double time_to_limit_seconds;			   /* negative: it does not grow */
	char why[256];					   /* the numbers behind the reason, for people */
	bool is_overflow; /* stands for all sites of a module that found no room */
	unsigned frame_count;
	struct track_frame frames[TRACK_FRAMES_MAX]; /* innermost first, without ours */
};

/* Of several sites; the same figures as of one. */
struct track_sums {
	double live_objects, live_bytes, births, birth_bytes, deaths;
};

struct track_risk {
	bool is_known; /* there was a tick */
	double score, confidence;
	unsigned level;
	const char *level_name, *reason;
	double time_to_limit_seconds; /* negative: no end in sight */
	double growth_bytes_per_hour; /* of live bytes */
	uint64_t guilty_site;	      /* its id; 0: none */
	/* Apart from leaks: resident bytes grow where live bytes do not. */
	bool is_fragmenting;
	double idle_growth_bytes_per_hour;
};

/*
 * Ages in octaves of a tick (1/64 s): bucket 0 is below one tick, bucket k is
 * [2^(k-1), 2^k) ticks. Sizes in powers of two: group g is (2^(g+3), 2^(g+4)] bytes, group
 * 0 all up to 16, the last one all above.
 */
struct track_lifetimes {
	double freed[TRACK_AGE_BUCKETS];
	double live[TRACK_AGE_BUCKETS]; /* ages, as of the last tick */
	double freed_by_size[TRACK_SIZE_GROUPS][TRACK_AGE_BUCKETS];
};

/* Seconds: bucket i has ages below it; infinite for the last one. */
double track_age_below(unsigned bucket);
/* Bytes: group g has sizes up to it; UINT64_MAX for the last one. */
uint64_t track_size_up_to(unsigned group);
/* Seconds, to an octave: what a share (0..1) of the weights lived less long than; negative: there are none. */
double track_age_quantile(const double weights[TRACK_AGE_BUCKETS], double share);

struct track_mapping {
	uint64_t start, end; /* of the code */
	uint64_t offset;     /* of start in the file */
	uint64_t bias;	     /* start less its address in the file's own count */
	const char *path, *build_id;
	bool is_gone; /* unloaded; some site's frames are in it */
};

struct track_counters {
	uint64_t table_bytes;	   /* most that all tables can take; touched as needed */
	uint64_t table_bytes_used; /* of that, about so much is in use */
	uint64_t samples_live, samples_max, samples_dropped; /* dropped: no room */
	uint64_t stacks_captured, stacks_dropped;	     /* dropped: within a handler, say */
	uint64_t stacks_truncated;			     /* deeper than TRACK_FRAMES_MAX */
	uint64_t tables_read; /* frames of them whose unwind tables were read */
	uint64_t sites_used, sites_max;
	uint64_t sites_left_out; /* births that an overflow row took */
	uint64_t sites_evicted;	 /* rows of sites long without a live object, used again */
	uint64_t modules_left_out;
	uint64_t samples_thinned; /* dropped to make room, and others weigh twice for them */
	uint64_t deaths_lost;	  /* freed within handlers, more than could be remembered */
	uint64_t ticks, last_tick_ns, longest_tick_ns; /* how long the last one took */
	uint64_t paged_out_bytes, refaults;	       /* WEIR_COMPRESSION */
};

struct track_snapshot {
	bool is_active; /* else the rest means nothing */
	struct track_risk risk;
	struct track_lifetimes lifetimes;
	struct track_counters counters;
	unsigned site_count;
	struct track_site sites[TRACK_LISTED_MAX]; /* most at risk first */
	uint64_t sites_not_listed;
	struct track_sums not_listed;
	unsigned mapping_count;
	struct track_mapping mappings[TRACK_MODULES_MAX];
	_Alignas(8) char scratch[TRACK_LISTED_MAX * 24]; /* while it is filled */
};

/* Fill *snapshot. Async-signal-safe: no lock; each figure near the truth, not one instant's cut. */
void track_collect(struct track_snapshot *snapshot);

/* The id of the site that a sample belongs to; 0: none. Async-signal-safe. */
uint64_t track_site_of(uint32_t sample);

#endif
