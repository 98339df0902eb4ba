/*
 * state.h -- a pool of the library, from inside: its slots, its idle buffers, its figures.
 *
 * A slot describes one buffer, and its number with the serial of the handing out makes the
 * id. Slots never move: they stand in chunks, each as large as all before it. The serial
 * comes from one counter of the process, in blocks, so that an id of one pool means nothing in
 * another and none ever comes back.
 *
 * A pool's own buffers are those within its limits, in use or idle; a temporary one is beside
 * them. Engine memory that the pool holds is in use as far as the engine knows.
 *
 * Everything in struct weir_pool is under ->lock unless its comment says otherwise. The lock is never
 * held while memory is taken from or given to the engine (which may mean a system call), but for a
 * buffer that grows where it is, nor while a callback of the program runs.
 */
#ifndef WEIR_LIB_STATE_H
#define WEIR_LIB_STATE_H

#include <pthread.h>

#include "base/lock.h"
#include "lib/buffer_pool.h"
#include "pool/size_class.h"
#include "track/risk.h"

#define SLOT_INDEX_BITS 20
#define SLOTS_MAX ((uint32_t)1 << SLOT_INDEX_BITS)
#define SLOTS_FIRST_SHIFT 6
#define SLOTS_FIRST ((uint32_t)1 << SLOTS_FIRST_SHIFT)
#define SLOT_CHUNKS (SLOT_INDEX_BITS - SLOTS_FIRST_SHIFT + 1)
#define SLOT_NONE UINT32_MAX
#define SERIAL_MASK (UINT64_MAX >> SLOT_INDEX_BITS)
#define SLOT_STATE_BITS 3

enum slot_state {
	SLOT_FREE,   /* describes nothing; in the list of free slots, or never used */
	SLOT_TAKEN,  /* on its way: somebody fills it, and its id is not known yet, or has released it */
	SLOT_IDLE,   /* a buffer that waits for a request */
	SLOT_IN_USE, /* a buffer that the program holds */
	SLOT_BUSY,   /* the same, while it is resized or cleared */
};

/*
 * Whose it is, its tag says: who sets SLOT_TAKEN or SLOT_BUSY where it was in use has it alone. The rest
 * is written by him, and read by others with the pool's lock and those of all its shards (spread.c), under
 * one of which a buffer comes and goes.
 */
struct slot {
	_Alignas(
	    CACHE_LINE) uint64_t tag; /* atomic: serial of the last handing out, 0: none; and the state */
	void *data;
	uint64_t created_ns, handed_ns, last_used_ns;
	uint64_t use_count;
	uint32_t size, capacity; /* bytes */
	uint32_t next, prev;	 /* in its class's list of idle buffers; next also among free slots */
	uint32_t newer, older;	 /* idle buffers by time of release */
	uint8_t size_class;	 /* the largest that its capacity covers */
	bool is_temporary;	 /* past the limits: goes at its release */
	bool is_from_malloc;	 /* not the engine's */
	bool is_offered;	 /* its pages were offered to swap since its last use */
};

/* Idle buffers: by class, the last released first, and all by time of release. */
struct idle {
	uint32_t heads[SIZE_CLASSES];
	uint64_t occupied[(SIZE_CLASSES + 63) / 64]; /* a bit a class */
	uint32_t newest, oldest;
	uint64_t count, bytes;
};

/* A stretch of the process's serials. */
struct serials {
	uint64_t next, end;
};

struct spread;

struct weir_pool {
	/* Frozen. */
	struct weir_pool_config config; /* its name is ->name */
	char name[32];

	/* Relaxed, read without the lock on every request: when somebody has to look at the pool. */
	_Atomic uint64_t inline_due_ns; /* UINT64_MAX: nobody inline */
	_Atomic uint64_t due_ns;
	_Atomic int pressure_level;	      /* relaxed; enum weir_pressure_level of the last look */
	_Atomic uint64_t errors[POOL_ERRORS]; /* relaxed; statistics */
	_Atomic uint32_t holders;	      /* batchers; relaxed add, acquire in destroy */
	_Atomic uint32_t is_in_pass;	      /* acquire and release: one pass at a time */
	_Atomic(pthread_t) pass_thread;	      /* relaxed; whose pass it is, while is_in_pass */
	struct weir_pool *next;		      /* under LOCK_pools */
	struct spread *spread; /* release and acquire; NULL until the lock was fought for (spread.c) */

	_Alignas(CACHE_LINE) struct lock lock; /* LOCK_pool */
	struct serials serials;
	uint32_t free_slot;
	uint32_t slots_made;		  /* release; acquire where an id is looked up without the lock */
	struct slot *chunks[SLOT_CHUNKS]; /* NULL: not mapped yet; written before slots_made */
	struct idle idle;
	uint64_t buffers, bytes; /* of the pool's own: in use, idle and about to be */
	/* These, and facts: without what shards have counted since they were settled. */
	uint64_t in_use, in_use_bytes; /* of the pool's own */
	uint64_t temporary_in_use, temporary_bytes;
	/* Most out of ->idle in this monitor interval, and in the last: in use, or held by a shard. */
	uint64_t peak, peak_before;
	uint64_t allocations, reuses, temporaries; /* requests served; by idle buffers; past limits */
	uint64_t gc_count, purged_bytes;
	bool is_collection_wanted; /* use passed the threshold */
	uint64_t last_gc_ns, last_monitor_ns;
	uint32_t offer_hand;	       /* the next slot to be looked at for compression */
	struct weir_pressure pressure; /* of the last look */
	bool has_swap;		       /* likewise: there is swap to offer pages to */
	uint64_t started_ns;	       /* ages of risk count from here */
	struct facts facts;	       /* every handing out and release, each with weight 1 */
	struct risk_hold risk_hold;
	struct risk_site risk; /* as of the last tick; its level is the held one */
	weir_pressure_callback on_pressure;
	void *on_pressure_context;

	struct slot first_slots[SLOTS_FIRST];
};

/* --- slots.c ----------------------------------------------------------------------------------- */

INLINE enum slot_state slot_state(const struct slot *slot)
{
	return (enum slot_state)(LOAD_RELAXED(&slot->tag) & ((1u << SLOT_STATE_BITS) - 1));
}

/* By who has the slot. Release: what he did to it comes before; acquire in slot_claim(). */
INLINE void slot_set_state(struct slot *slot, enum slot_state state)
{
	STORE_RELEASE(&slot->tag, LOAD_RELAXED(&slot->tag) >> SLOT_STATE_BITS << SLOT_STATE_BITS | state);
}

struct slot *slot_at(struct weir_pool *pool, uint32_t index);
/*
 * The buffer in use that id names becomes the caller's, in that state. WEIR_ERROR_NOT_FOUND: there is none.
 * WEIR_ERROR_BUSY: another has it; if he holds the pool's lock meanwhile, he is done once the caller
 * has it. With or without the lock.
 */
int slot_claim(
    struct weir_pool *pool, weir_id id, enum slot_state state, struct slot **slot, uint32_t *index);
/* The next handing out: a new id, and SLOT_IN_USE. What it describes is written before. */
weir_id slot_begin(struct slot *slot, uint32_t index, struct serials *serials);
weir_id slot_id(const struct slot *slot, uint32_t index);

/* The rest: under the pool's lock. */

/* A slot that is SLOT_TAKEN; SLOT_NONE: 2^20 are out, or no memory. */
uint32_t slot_reserve(struct weir_pool *pool);
void slot_return(struct weir_pool *pool, uint32_t index);

void idle_init(struct idle *idle);
void idle_push(struct weir_pool *pool, uint32_t index);
void idle_remove(struct weir_pool *pool, uint32_t index);
/* The best fit for want bytes in a class of at most max_bytes; SLOT_NONE: there is none. */
uint32_t idle_best(const struct weir_pool *pool, size_t want, size_t max_bytes);

/* --- buffers.c -------------------------------------------------------------------------------- */

/* The slot is the caller's; afterwards it is the program's. */
void slot_hand_out(struct slot *slot, uint32_t index, size_t size, uint64_t now_ns, struct serials *serials,
    struct weir_buffer *buffer);
/* Since it was handed out. */
double slot_held_seconds(const struct slot *slot, uint64_t now_ns);

/* Of a buffer in use or idle, which nobody else changes meanwhile. */
void slot_info(const struct slot *slot, uint32_t index, struct weir_buffer_info *info);

/* --- spread.c ----------------------------------------------------------------------------------- */

/* Idle buffers that shards hold. */
struct held {
	uint64_t count, bytes;
};

/* The pool's lock was fought for: from now on most requests need not have it. Without locks. */
void spread_begin(struct weir_pool *pool);
void spread_end(struct weir_pool *pool);
INLINE bool is_spread(const struct weir_pool *pool)
{
	return LOAD_ACQUIRE(&pool->spread) != NULL;
}

/* Of a pool that is spread, without locks. */

/* As a request: a buffer for want bytes, of a class of at most max_bytes, that this CPU's shard holds. */
bool spread_take(
    struct weir_pool *pool, size_t want, size_t max_bytes, uint64_t now_ns, struct weir_buffer *buffer);
/* A slot that its caller has, and that is not temporary, is released. */
void spread_give(struct weir_pool *pool, struct slot *slot, uint32_t index, uint64_t now_ns);
/* How many more of a kind to take out of the pool's idle buffers after a request that no shard served. */
#define SPREAD_BATCH_MAX 8
unsigned spread_wants(struct weir_pool *pool);
/* Idle buffers out of the pool's, SLOT_TAKEN, for this CPU's shard. */
void spread_put(struct weir_pool *pool, const uint32_t *indexes, unsigned count);

/* Under the pool's lock, spread or not. */

/* What shards have counted is the pool's. Returns what they hold. */
struct held spread_settle(struct weir_pool *pool);
/* The same, and what they hold is the pool's, too. */
void spread_gather(struct weir_pool *pool);
/* No buffer comes or goes until the end, so that every slot may be read. */
void spread_stop(struct weir_pool *pool);
void spread_go_on(struct weir_pool *pool);
/* In the child of a fork. */
void spread_reset(struct weir_pool *pool);

/* --- leak.c ----------------------------------------------------------------------------------- */

/* Seconds since the pool was made. */
double leak_seconds(const struct weir_pool *pool, uint64_t now_ns);
/* Judge anew; without the lock. */
void leak_tick(struct weir_pool *pool, uint64_t now_ns);

/* --- upkeep.c --------------------------------------------------------------------------------- */

/* Somebody found the pool due. Without locks. */
void upkeep_due(struct weir_pool *pool, uint64_t now_ns);
/* The next pass is the caller's; false: another is at it. */
bool upkeep_claim(struct weir_pool *pool);
/* What is due at now, by who has claimed it; ends the claim. */
void upkeep_claimed(struct weir_pool *pool, uint64_t now_ns);

/* --- registry.c ------------------------------------------------------------------------------- */

/* The library's thread serves the pool from now on. False: there is none to be had. */
bool background_start(struct weir_pool *pool);
/* It looks again when the pools are due. */
void background_wake(void);

/* --- monitor.c -------------------------------------------------------------------------------- */

/* How scarce memory is now, and whether there is swap. Blocking, some 100 us. */
int monitor_look(struct weir_pressure *pressure, bool *has_swap);
void monitor_fork_prepare(void);
void monitor_fork_done(bool is_child);

/* --- figures.c -------------------------------------------------------------------------------- */

void figures_fork_prepare(void);
void figures_fork_done(bool is_child);

/* --- event.c ---------------------------------------------------------------------------------- */

/* Count it, and say it where the count is a power of two. Under no lock. */
void event_survived(struct weir_pool *pool, enum pool_error error);

/* Say which member of a configuration makes that there is no pool. name may be NULL. */
void event_refused(const char *name, const char *fault);

#endif
