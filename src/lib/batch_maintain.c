/*
 * batch_maintain.c -- what is due, done: offers by age, retries, pressure, streams that were left.
 *
 * Called by the program's thread or threads; several may be in it at once, each stream is taken off
 * its queue by one of them. Time comes as an argument. Under scarce memory batches are filled less
 * and offered earlier, and what cannot be offered moves into smaller buffers.
 */
#include "lib/batch.h"
#include "lib/buffer_pool.h"

#define TAKEN_MAX 32

/* Raise the batcher's time; it never falls. */
static uint64_t set_now(struct weir_batcher *b, uint64_t now_ns)
{
	uint64_t before = batcher_now(b);

	while (before < now_ns && !atomic_compare_exchange_weak_explicit(&b->now_ns, &before, now_ns,
				      memory_order_relaxed, memory_order_relaxed))
		;
	return MAX(before, now_ns);
}

static size_t fill_bytes(const struct weir_batcher_config *config, int pressure)
{
	if (pressure >= WEIR_PRESSURE_CRITICAL)
		return config->first_bytes;
	if (pressure >= WEIR_PRESSURE_MEDIUM)
		return MAX(config->max_bytes / 2, config->first_bytes);
	return config->max_bytes;
}

/* Every stream that is not just being offered keeps no more memory than it needs. */
static void shrink_all(struct weir_batcher *b)
{
	for (uint32_t i = 0; i < STREAMS_MAX; i++) {
		struct stream *s = table_at(b, i);

		if (s == NULL)
			return;
		batch_lock_acquire(&s->lock);
		if (s->id != 0 && !stream_is(s, STREAM_OFFERING)) {
			pending_seal(s);
			if (pending_shrink(b, s) && s->piece_count == 0)
				due_clear(b, s);
			pending_unseal(b, s);
		}
		batch_lock_release(&s->lock);
	}
}

static void set_pressure(struct weir_batcher *b)
{
	int before = batcher_pressure(b), now = weir_pool_pressure_level(b->pool);

	if (now == before)
		return;
	atomic_store_explicit(&b->pressure, now, memory_order_relaxed);
	atomic_store_explicit(&b->fill_bytes, fill_bytes(&b->config, now), memory_order_relaxed);
	if (now > before && now >= WEIR_PRESSURE_MEDIUM)
		shrink_all(b);
}

static bool is_abandoned(const struct weir_batcher *b, const struct stream *s)
{
	return b->config.max_idle_ns != 0 && s->seen_bytes == s->total_bytes + s->taken_bytes &&
	       batcher_now(b) - s->seen_ns >= b->config.max_idle_ns;
}

static void abandon(struct weir_batcher *b, struct stream *s)
{
	struct shard *shard = shard_of(b, s);

	lock_acquire(&shard->lock);
	shard->counts.streams_abandoned++;
	lock_release(&shard->lock);
	stream_end(b, s);
}

/* s has been taken off its queue; it is locked and sealed. True: it is gone. */
static bool look_at(struct weir_batcher *b, struct stream *s)
{
	enum weir_flush_reason reason = WEIR_FLUSH_AGE;
	int r;

	if (s->bytes == 0) {
		pending_drop(b, s);
		return false;
	}
	if (is_abandoned(b, s)) {
		r = offer(b, s, WEIR_FLUSH_ABANDONED);
		/* Something may have come while the callback ran; then it is in use after all. */
		if (r != WEIR_ERROR_AGAIN || !is_abandoned(b, s))
			return r == WEIR_ERROR_NOT_FOUND;
		abandon(b, s);
		return true;
	}
	if (stream_is(s, STREAM_REFUSED))
		reason = WEIR_FLUSH_RETRY;
	else if (batcher_pressure(b) >= WEIR_PRESSURE_MEDIUM)
		reason = WEIR_FLUSH_PRESSURE;
	else if (b->config.max_age_ns == 0) {
		due_set(b, s);
		return false;
	}
	if (batcher_pressure(b) >= WEIR_PRESSURE_MEDIUM)
		pending_shrink(b, s);
	return offer(b, s, reason) == WEIR_ERROR_NOT_FOUND;
}

static void look_at_index(struct weir_batcher *b, uint32_t index)
{
	struct stream *s = table_at(b, index);

	batch_lock_acquire(&s->lock);
	/* Whoever offers it, or has put it back on a queue since, has seen to it. */
	if (s->id == 0 || stream_is(s, STREAM_OFFERING) || due_is_set(b, s)) {
		batch_lock_release(&s->lock);
		return;
	}
	pending_seal(s);
	if (look_at(b, s))
		return;
	pending_unseal(b, s);
	batch_lock_release(&s->lock);
}

static void look_at_queue(struct weir_batcher *b, struct shard *shard, enum due_kind kind, uint64_t now_ns)
{
	uint32_t indexes[TAKEN_MAX];
	uint64_t wait_ns = due_wait_ns(b, kind);
	/* What is put on the queue meanwhile is for the next time. */
	uint32_t left = atomic_load_explicit(&shard->due[kind].count, memory_order_relaxed);
	unsigned count;

	if (wait_ns > now_ns)
		return;
	while (left > 0) {
		count = due_take(b, shard, kind, now_ns - wait_ns, indexes, MIN(left, (uint32_t)TAKEN_MAX));
		for (unsigned i = 0; i < count; i++)
			look_at_index(b, indexes[i]);
		if (count == 0)
			return;
		left -= count;
	}
}

uint64_t weir_batcher_maintain(struct weir_batcher *batcher, uint64_t now_ns)
{
	now_ns = set_now(batcher, now_ns);
	set_pressure(batcher);
	for (unsigned i = 0; i < SHARDS; i++)
		for (int kind = 0; kind < DUE_KINDS; kind++)
			look_at_queue(batcher, &batcher->shards[i], (enum due_kind)kind, now_ns);
	return due_next_ns(batcher);
}

uint64_t weir_batcher_next_ns(struct weir_batcher *batcher)
{
	return due_next_ns(batcher);
}
