/*
 * leak.c -- how likely a pool's user leaks its buffers.
 *
 * A pool knows every buffer that it hands out and when it comes back, so it is judged as one
 * call site of which nothing is sampled: the model of src/track on exact facts, each of weight
 * 1. leak_tick() runs at every look of the pool's monitor; between two of them the
 * judgement stands. The walk over what is live takes the pool's lock for some slots at a time.
 */
#include "lib/state.h"

/* Slots walked over with the lock held: some 20 us. */
#define SLOTS_AT_ONCE 2048

double leak_seconds(const struct weir_pool *pool, uint64_t now_ns)
{
	return (double)(now_ns - MIN(pool->started_ns, now_ns)) * 1e-9;
}

static void add_live(struct weir_pool *pool, struct live *live, uint32_t index, uint64_t now_ns)
{
	const struct slot *slot = slot_at(pool, index);

	if (slot_state(slot) == SLOT_IN_USE || slot_state(slot) == SLOT_BUSY)
		live_add(live, (double)(now_ns - MIN(slot->handed_ns, now_ns)) * 1e-9, slot->capacity, 1);
}

void leak_tick(struct weir_pool *pool, uint64_t now_ns)
{
	struct facts facts;
	struct live live;
	struct risk_site risk;
	double now = leak_seconds(pool, now_ns);
	uint32_t index = 0;

	lock_acquire(&pool->lock);
	spread_settle(pool);
	facts_point(&pool->facts, now);
	facts_copy(&facts, &pool->facts);
	live_begin(&live, &facts, now);
	while (index < pool->slots_made) {
		uint32_t end = MIN(index + SLOTS_AT_ONCE, pool->slots_made);

		spread_stop(pool);
		for (; index < end; index++)
			add_live(pool, &live, index, now_ns);
		spread_go_on(pool);
		lock_release(&pool->lock);
		lock_acquire(&pool->lock);
	}
	lock_release(&pool->lock);
	risk_judge_site(&risk, &facts, &live, 1);
	lock_acquire(&pool->lock);
	risk.level = risk_hold_level(&pool->risk_hold, risk.level);
	pool->risk = risk;
	lock_release(&pool->lock);
}
