/*
 * spread.c -- a pool that threads share: idle buffers and counts by CPU, so that its lock is seldom needed.
 *
 * A pool begins as one structure under one lock, which is exact and cheap for one thread. Where that lock
 * is fought for, buffers.c calls spread_begin(). From then on a request is served by the shard of its CPU
 * if that holds a buffer that fits, and a buffer that is released goes to the shard of the CPU on which
 * that happens, whoever asked for it. What a shard lacks or has too much of moves to and from the pool's
 * idle buffers in batches.
 *
 * The pool's own buffers and bytes, which the limits bound, do not change where an idle one is handed
 * out or comes back, so shards have no part in them, and the limits are as exact as before. Before
 * a limit is said to be reached, and before a collection, the pool gathers what the shards hold. All
 * other figures are sums over the pool and its shards, taken when somebody asks.
 *
 * A shard's lock is taken alone, or after the pool's, and then with all others by rising index: with them
 * no buffer comes or goes. May block on a lock; maps memory in spread_begin() only.
 */
#include "base/sys.h"
#include "lib/state.h"

/* A shard holds so many idle buffers at most, of so many bytes; but one of any size. */
#define HELD_MAX 16
#define HELD_BYTES_MAX (8 * MIB)
#define SHARDS_MAX 64u

struct shard {
	/* Two lines: processors fetch them in pairs. */
	_Alignas(2 * CACHE_LINE) struct lock lock; /* LOCK_pool_shard; all below is under it */
	unsigned count;				   /* of held */
	unsigned misses; /* with no release between them; relaxed, a hint where it is read */
	uint64_t bytes;	 /* of held */
	struct serials serials;
	struct {
		uint32_t index;
		uint32_t size_class;
	} held[HELD_MAX]; /* the last released last */
	/* Since they were settled. */
	uint64_t allocations; /* each by an idle buffer */
	int64_t in_use, in_use_bytes;
	struct facts facts; /* births and deaths */
};

struct spread {
	unsigned count; /* a power of two */
	struct shard shards[];
};

static size_t spread_bytes(unsigned count)
{
	return sizeof(struct spread) + count * sizeof(struct shard);
}

void spread_begin(struct weir_pool *pool)
{
	unsigned count = 1, cpus = MIN(sys_cpu_usable(), SHARDS_MAX);
	struct spread *spread;

	while (count < cpus)
		count *= 2;
	spread = lib_map(spread_bytes(count));
	lock_acquire(&pool->lock);
	/* Where there is no memory for it, it is tried again when it has been fought for as often again. */
	pool->lock.contentions = 0;
	if (spread != NULL && pool->spread == NULL) {
		spread->count = count;
		/* Pairs with is_spread(). */
		STORE_RELEASE(&pool->spread, spread);
		spread = NULL;
	}
	lock_release(&pool->lock);
	if (spread != NULL)
		lib_unmap(spread, spread_bytes(count));
}

void spread_end(struct weir_pool *pool)
{
	if (pool->spread != NULL)
		lib_unmap(pool->spread, spread_bytes(pool->spread->count));
}

/* --- one shard ---------------------------------------------------------------------------------- */

static struct shard *shard_here(struct weir_pool *pool)
{
	struct spread *spread = LOAD_ACQUIRE(&pool->spread);

	return &spread->shards[sys_cpu_current() & (spread->count - 1)];
}

static void hold(struct weir_pool *pool, struct shard *shard, uint32_t index)
{
	struct slot *slot = slot_at(pool, index);

	shard->held[shard->count].index = index;
	shard->held[shard->count++].size_class = slot->size_class;
	shard->bytes += slot->capacity;
	slot_set_state(slot, SLOT_IDLE);
}

/* The one at that place leaves the shard; the order of the others stays. */
static struct slot *let_go(struct weir_pool *pool, struct shard *shard, unsigned at)
{
	struct slot *slot = slot_at(pool, shard->held[at].index);

	slot_set_state(slot, SLOT_TAKEN);
	shard->bytes -= slot->capacity;
	for (shard->count--; at < shard->count; at++)
		shard->held[at] = shard->held[at + 1];
	return slot;
}

static bool is_full(const struct shard *shard)
{
	return shard->count == HELD_MAX || (shard->count > 1 && shard->bytes > HELD_BYTES_MAX);
}

/* Of the smallest class that serves want bytes, the last released; ->count: there is none. */
static unsigned best_held(const struct shard *shard, size_t want, size_t max_bytes)
{
	unsigned least = size_class_of(want), best = shard->count, best_class = SIZE_CLASSES;

	for (unsigned at = shard->count; at-- > 0 && best_class != least;) {
		unsigned class = shard->held[at].size_class;

		if (class >= least && class < best_class) {
			best = at;
			best_class = class;
		}
	}
	return best_class < SIZE_CLASSES && size_class_bytes(best_class) <= max_bytes ? best : shard->count;
}

bool spread_take(
    struct weir_pool *pool, size_t want, size_t max_bytes, uint64_t now_ns, struct weir_buffer *buffer)
{
	struct shard *shard = shard_here(pool);
	unsigned at;
	bool is_there;

	lock_acquire(&shard->lock);
	at = best_held(shard, want, max_bytes);
	is_there = at < shard->count;
	if (LIKELY(is_there)) {
		uint32_t index = shard->held[at].index;
		struct slot *slot = let_go(pool, shard, at);

		slot_hand_out(slot, index, want, now_ns, &shard->serials, buffer);
		shard->allocations++;
		shard->in_use++;
		shard->in_use_bytes += slot->capacity;
		facts_birth(&shard->facts, leak_seconds(pool, now_ns), slot->capacity, 1);
	} else {
		STORE_RELAXED(&shard->misses, shard->misses + 1);
	}
	lock_release(&shard->lock);
	return is_there;
}

static void give_to_pool(struct weir_pool *pool, const uint32_t *indexes, unsigned count)
{
	lock_acquire(&pool->lock);
	for (unsigned i = 0; i < count; i++)
		idle_push(pool, indexes[i]);
	lock_release(&pool->lock);
}

/* The longest idle half of what a shard holds, if it is full. */
static unsigned take_surplus(struct weir_pool *pool, struct shard *shard, uint32_t *surplus)
{
	unsigned half = is_full(shard) ? (shard->count + 1) / 2 : 0;

	for (unsigned i = 0; i < half; i++) {
		surplus[i] = shard->held[0].index;
		let_go(pool, shard, 0);
	}
	return half;
}

void spread_give(struct weir_pool *pool, struct slot *slot, uint32_t index, uint64_t now_ns)
{
	struct shard *shard = shard_here(pool);
	uint32_t surplus[HELD_MAX];
	unsigned count;

	lock_acquire(&shard->lock);
	facts_death(&shard->facts, slot_held_seconds(slot, now_ns), slot->capacity, 1);
	shard->in_use--;
	shard->in_use_bytes -= slot->capacity;
	slot->last_used_ns = now_ns;
	STORE_RELAXED(&shard->misses, 0);
	count = take_surplus(pool, shard, surplus);
	hold(pool, shard, index);
	lock_release(&shard->lock);
	if (UNLIKELY(count != 0))
		give_to_pool(pool, surplus, count);
}

unsigned spread_wants(struct weir_pool *pool)
{
	unsigned misses = LOAD_RELAXED(&shard_here(pool)->misses);

	return (1u << MIN(misses, 3u)) - 1;
}

void spread_put(struct weir_pool *pool, const uint32_t *indexes, unsigned count)
{
	struct shard *shard = shard_here(pool);

	lock_acquire(&shard->lock);
	while (count > 0 && !is_full(shard))
		hold(pool, shard, indexes[--count]);
	lock_release(&shard->lock);
	if (count != 0)
		give_to_pool(pool, indexes, count);
}

/* --- all shards: the pool's lock is held -------------------------------------------------------- */

void spread_stop(struct weir_pool *pool)
{
	for (unsigned i = 0; pool->spread != NULL && i < pool->spread->count; i++)
		lock_acquire(&pool->spread->shards[i].lock);
}

void spread_go_on(struct weir_pool *pool)
{
	for (unsigned i = 0; pool->spread != NULL && i < pool->spread->count; i++)
		lock_release(&pool->spread->shards[i].lock);
}

void spread_reset(struct weir_pool *pool)
{
	for (unsigned i = 0; pool->spread != NULL && i < pool->spread->count; i++)
		lock_reset(&pool->spread->shards[i].lock);
}

/* Unsigned sums: what one shard is below 0 another, or the pool, is above. */
static void settle(struct weir_pool *pool, struct shard *shard)
{
	pool->allocations += shard->allocations;
	pool->reuses += shard->allocations;
	pool->in_use += (uint64_t)shard->in_use;
	pool->in_use_bytes += (uint64_t)shard->in_use_bytes;
	facts_join(&pool->facts, &shard->facts, (double)shard->in_use, (double)shard->in_use_bytes);
	shard->allocations = 0;
	shard->in_use = shard->in_use_bytes = 0;
}

static struct held settle_all(struct weir_pool *pool)
{
	struct held held = {0, 0};

	for (unsigned i = 0; i < pool->spread->count; i++) {
		struct shard *shard = &pool->spread->shards[i];

		settle(pool, shard);
		held.count += shard->count;
		held.bytes += shard->bytes;
	}
	return held;
}

struct held spread_settle(struct weir_pool *pool)
{
	struct held held = {0, 0};

	if (pool->spread == NULL)
		return held;
	spread_stop(pool);
	held = settle_all(pool);
	spread_go_on(pool);
	return held;
}

void spread_gather(struct weir_pool *pool)
{
	if (pool->spread == NULL)
		return;
	spread_stop(pool);
	settle_all(pool);
	for (unsigned i = 0; i < pool->spread->count; i++) {
		struct shard *shard = &pool->spread->shards[i];

		while (shard->count != 0) {
			uint32_t index = shard->held[0].index;

			let_go(pool, shard, 0);
			idle_push(pool, index);
		}
	}
	spread_go_on(pool);
}
