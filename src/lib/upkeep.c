/*
 * upkeep.c -- what comes due with time: pressure, leak risk, collections, compression.
 *
 * A pass is run by the library's thread, by weir_pool_maintain(), or by a request of a
 * process without threads; ->is_in_pass lets one pass of a pool run at a time. No lock is
 * held while the kernel is asked for figures, while memory goes back or while a callback of the
 * program runs. Collections take idle buffers out in batches, so that requests wait for
 * the lock only for a batch. May block on files; never in a signal handler.
 */
#include <errno.h>

#include "base/single.h"
#include "lib/engine.h"
#include "lib/policy.h"
#include "lib/room.h"
#include "lib/state.h"

/* Collections because of the threshold are at least so far apart. */
#define THRESHOLD_PAUSE_NS SECOND
/* Slots looked at in one pass for buffers to offer to swap. */
#define OFFER_LOOKS 1024

/* Every idle page of the engine goes back to the kernel; what it refused is the pool's error. */
static void clean_engine(struct weir_pool *pool)
{
	static _Atomic uint64_t seen; /* refusals that were counted; relaxed, a statistic */
	const struct engine *engine = engine_get();
	struct pool_stats stats;

	engine->clean_up();
	engine->collect(&stats, NULL, 0);
	if (atomic_exchange_explicit(&seen, stats.purges_refused, memory_order_relaxed) <
	    stats.purges_refused)
		event_survived(pool, POOL_ERROR_PURGE_REFUSED);
}

static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns - MIN(then_ns, now_ns);
}

static uint64_t later(uint64_t then_ns, uint64_t by_ns)
{
	return then_ns > UINT64_MAX - by_ns ? UINT64_MAX : then_ns + by_ns;
}

/* --- collections ------------------------------------------------------------------------------ */

static struct policy_facts facts_of(const struct weir_pool *pool, bool is_everything)
{
	const struct weir_pool_config *config = &pool->config;

	return (struct policy_facts){
	    .in_use = pool->in_use,
	    .idle = pool->idle.count,
	    .peak = MAX(pool->peak, pool->peak_before),
	    .pressure_level = atomic_load_explicit(&pool->pressure_level, memory_order_relaxed),
	    .is_over_threshold =
		(double)pool->buffers >= config->gc_threshold * (double)config->max_buffers ||
		(config->max_bytes != 0 &&
		    (double)pool->bytes >= config->gc_threshold * (double)config->max_bytes),
	    .is_everything = is_everything,
	    .max_idle_ns = config->max_idle_ns,
	    .monitor_interval_ns = config->monitor_interval_ns,
	};
}

static bool is_to_go(struct weir_pool *pool, const struct policy_plan *plan, uint64_t now_ns)
{
	uint32_t oldest = pool->idle.oldest;

	return oldest != SLOT_NONE &&
	       (pool->idle.count > plan->keep ||
		   since(now_ns, slot_at(pool, oldest)->last_used_ns) >= plan->idle_ns);
}

/* Returns the bytes that left the pool. */
static uint64_t collect(struct weir_pool *pool, uint64_t now_ns, bool is_everything)
{
	struct policy_facts facts;
	struct policy_plan plan;
	struct victims victims;
	uint64_t bytes = 0;

	lock_acquire(&pool->lock);
	spread_gather(pool);
	facts = facts_of(pool, is_everything);
	plan = policy_collect(&facts);
	pool->is_collection_wanted = false;
	pool->last_gc_ns = now_ns;
	pool->gc_count++;
	do {
		victims.count = 0;
		victims.bytes = 0;
		while (victims.count < VICTIMS_MAX && is_to_go(pool, &plan, now_ns))
			victim_take(pool, pool->idle.oldest, &victims);
		pool->purged_bytes += victims.bytes;
		bytes += victims.bytes;
		lock_release(&pool->lock);
		victims_give(&victims);
		lock_acquire(&pool->lock);
	} while (victims.count == VICTIMS_MAX);
	lock_release(&pool->lock);
	return bytes;
}

uint64_t weir_pool_collect(struct weir_pool *pool)
{
	return pool == NULL ? 0 : collect(pool, pool_now_ns(pool), false);
}

uint64_t weir_pool_clean_up(struct weir_pool *pool)
{
	int saved = errno;
	uint64_t bytes;

	if (pool == NULL)
		return 0;
	bytes = collect(pool, pool_now_ns(pool), true);
	clean_engine(pool);
	errno = saved;
	return bytes;
}

/* --- compression ------------------------------------------------------------------------------ */

static bool is_stale(const struct weir_pool *pool, const struct slot *slot, uint64_t now_ns)
{
	return slot_state(slot) == SLOT_IN_USE && !slot->is_from_malloc && !slot->is_offered &&
	       since(now_ns, slot->last_used_ns) >= pool->config.max_idle_ns;
}

/* Buffers that the program holds but has not touched through us for long are offered to swap. They keep
 * their content; the next touch brings it back. Engine memory stays mapped, so one that is
 * released meanwhile does no harm. */
static void offer_stale(struct weir_pool *pool, uint64_t now_ns)
{
	struct {
		void *data;
		size_t bytes;
	} stale[VICTIMS_MAX];
	unsigned count = 0;

	lock_acquire(&pool->lock);
	spread_stop(pool);
	for (unsigned looks = 0; looks < MIN(pool->slots_made, OFFER_LOOKS) && count < VICTIMS_MAX; looks++) {
		struct slot *slot;

		if (pool->offer_hand >= pool->slots_made)
			pool->offer_hand = 0;
		slot = slot_at(pool, pool->offer_hand++);
		if (!is_stale(pool, slot, now_ns))
			continue;
		slot->is_offered = true;
		stale[count].data = slot->data;
		stale[count++].bytes = ROUND_DOWN((size_t)slot->capacity, PAGE_BYTES);
	}
	spread_go_on(pool);
	lock_release(&pool->lock);
	for (unsigned i = 0; i < count; i++) {
		/* Slots of slabs may begin within a page. */
		char *start = (char *)ROUND_UP((uintptr_t)stale[i].data, PAGE_BYTES);
		char *end = (char *)ROUND_DOWN((uintptr_t)stale[i].data + stale[i].bytes, PAGE_BYTES);

		if (start < end && !sys_page_out(start, (size_t)(end - start)))
			event_survived(pool, POOL_ERROR_PURGE_REFUSED);
	}
}

/* --- the monitor ------------------------------------------------------------------------------ */

/* Returns the level before. */
static int look_at_pressure(struct weir_pool *pool, struct weir_pressure *now)
{
	int before = atomic_load_explicit(&pool->pressure_level, memory_order_relaxed);
	bool has_swap;

	if (monitor_look(now, &has_swap) != WEIR_OK)
		event_survived(pool, POOL_ERROR_PRESSURE_UNKNOWN);
	lock_acquire(&pool->lock);
	pool->pressure = *now;
	pool->has_swap = has_swap;
	pool->peak_before = pool->peak;
	pool->peak = pool->buffers - pool->idle.count;
	lock_release(&pool->lock);
	atomic_store_explicit(&pool->pressure_level, now->level, memory_order_relaxed);
	return before;
}

static void tell(struct weir_pool *pool, const struct weir_pressure *now, int before)
{
	weir_pressure_callback callback;
	void *context;

	lock_acquire(&pool->lock);
	callback = pool->on_pressure;
	context = pool->on_pressure_context;
	lock_release(&pool->lock);
	if (callback != NULL && now->level != before)
		callback(context, now, before);
}

int weir_pool_on_pressure(struct weir_pool *pool, weir_pressure_callback callback, void *context)
{
	if (pool == NULL)
		return WEIR_ERROR_INVALID;
	lock_acquire(&pool->lock);
	pool->on_pressure = callback;
	pool->on_pressure_context = context;
	lock_release(&pool->lock);
	return WEIR_OK;
}

int weir_pool_pressure_level(const struct weir_pool *pool)
{
	return pool == NULL ? WEIR_PRESSURE_NONE
			    : atomic_load_explicit(&pool->pressure_level, memory_order_relaxed);
}

/* --- a pass ----------------------------------------------------------------------------------- */

bool upkeep_claim(struct weir_pool *pool)
{
	if (atomic_exchange_explicit(&pool->is_in_pass, 1, memory_order_acquire) != 0)
		return false;
	atomic_store_explicit(&pool->pass_thread, pthread_self(), memory_order_relaxed);
	return true;
}

/* When the pool is due next; the lock is held. */
static uint64_t next_due(const struct weir_pool *pool)
{
	const struct weir_pool_config *config = &pool->config;
	uint64_t due_ns = MIN(later(pool->last_gc_ns, config->gc_interval_ns),
	    later(pool->last_monitor_ns, config->monitor_interval_ns));

	if (pool->is_collection_wanted)
		due_ns = MIN(due_ns, later(pool->last_gc_ns, THRESHOLD_PAUSE_NS));
	return due_ns;
}

static void set_due(struct weir_pool *pool)
{
	lock_acquire(&pool->lock);
	atomic_store_explicit(&pool->due_ns, next_due(pool), memory_order_relaxed);
	if (atomic_load_explicit(&pool->inline_due_ns, memory_order_relaxed) != UINT64_MAX)
		atomic_store_explicit(&pool->inline_due_ns, next_due(pool), memory_order_relaxed);
	lock_release(&pool->lock);
}

static void pass(struct weir_pool *pool, uint64_t now_ns)
{
	struct weir_pressure now = {.level = WEIR_PRESSURE_NONE};
	bool is_monitor = since(now_ns, pool->last_monitor_ns) >= pool->config.monitor_interval_ns;
	int before = atomic_load_explicit(&pool->pressure_level, memory_order_relaxed), level;
	bool is_collection;

	if (is_monitor) {
		pool->last_monitor_ns = now_ns;
		before = look_at_pressure(pool, &now);
		leak_tick(pool, now_ns);
	}
	level = atomic_load_explicit(&pool->pressure_level, memory_order_relaxed);
	lock_acquire(&pool->lock);
	is_collection =
	    since(now_ns, pool->last_gc_ns) >= pool->config.gc_interval_ns ||
	    (pool->is_collection_wanted && since(now_ns, pool->last_gc_ns) >= THRESHOLD_PAUSE_NS) ||
	    (is_monitor && level >= WEIR_PRESSURE_MEDIUM);
	lock_release(&pool->lock);
	if (is_collection)
		collect(pool, now_ns, false);
	engine_pass((enum pressure_level)level);
	if (is_monitor && level == WEIR_PRESSURE_CRITICAL)
		clean_engine(pool);
	if (is_collection && pool->config.has_compression && pool->has_swap)
		offer_stale(pool, now_ns);
	set_due(pool);
	if (is_monitor)
		tell(pool, &now, before);
}

void upkeep_claimed(struct weir_pool *pool, uint64_t now_ns)
{
	int saved = errno;

	if (now_ns >= atomic_load_explicit(&pool->due_ns, memory_order_relaxed))
		pass(pool, now_ns);
	atomic_store_explicit(&pool->is_in_pass, 0, memory_order_release);
	sys_futex_wake(&pool->is_in_pass, INT32_MAX);
	errno = saved;
}

static void claim_and_pass(struct weir_pool *pool, uint64_t now_ns)
{
	if (upkeep_claim(pool))
		upkeep_claimed(pool, now_ns);
}

COLD void upkeep_due(struct weir_pool *pool, uint64_t now_ns)
{
	if (!is_single_threaded() && background_start(pool))
		return;
	claim_and_pass(pool, now_ns);
}

uint64_t weir_pool_maintain(struct weir_pool *pool, uint64_t now_ns)
{
	if (pool == NULL)
		return UINT64_MAX;
	if (now_ns == 0)
		now_ns = pool_now_ns(pool);
	claim_and_pass(pool, now_ns);
	return atomic_load_explicit(&pool->due_ns, memory_order_relaxed);
}
