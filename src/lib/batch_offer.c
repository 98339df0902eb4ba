/*
 * batch_offer.c -- where the program's callbacks run: offers, and the end of a stream.
 *
 * Called by batch.c and batch_maintain.c with the stream locked. No lock is held while a callback
 * runs: the stream is marked as being offered instead, its offered pieces stay as they are,
 * and whatever is asked of it meanwhile (a token, a close) is done around them or when the
 * callback has returned. So a callback may use the batcher, and the pool, as it likes.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/buffer_pool.h"

/* A callback that fills its own stream each time has so many turns; the rest waits for maintenance. */
#define ROUNDS_MAX 8

bool stream_is_full(const struct weir_batcher *b, const struct stream *s, enum weir_flush_reason *reason)
{
	if (b->config.max_tokens != 0 && s->tokens >= b->config.max_tokens) {
		*reason = WEIR_FLUSH_COUNT;
		return true;
	}
	*reason = WEIR_FLUSH_BYTES;
	return s->bytes >= atomic_load_explicit(&b->fill_bytes, memory_order_relaxed);
}

/* Unlocked meanwhile. Returns how many bytes were taken. */
static size_t call_flush(struct weir_batcher *b, struct stream *s, const struct weir_batch *batch)
{
	struct shard *shard = shard_of(b, s);
	int64_t taken;

	s->flags |= STREAM_OFFERING;
	batch_lock_release(&s->lock);
	atomic_fetch_add_explicit(&shard->callbacks, 1, memory_order_relaxed);
	taken = b->config.flush(b->config.context, batch);
	atomic_fetch_sub_explicit(&shard->callbacks, 1, memory_order_relaxed);
	batch_lock_acquire(&s->lock);
	pending_seal(s);
	s->flags &= (uint8_t)~STREAM_OFFERING;
	if (taken <= 0)
		return 0;
	return MIN((size_t)taken, batch->bytes);
}

static void count_offer(
    struct weir_batcher *b, struct stream *s, const struct weir_batch *batch, size_t taken, uint64_t tokens)
{
	struct shard *shard = shard_of(b, s);

	lock_acquire(&shard->lock);
	shard->counts.flushes[batch->reason]++;
	shard->counts.flushes_refused += taken < batch->bytes;
	shard->counts.taken_bytes += taken;
	shard->counts.tokens += tokens;
	lock_release(&shard->lock);
	if (taken < batch->bytes)
		pool_count_error(b->pool, POOL_ERROR_FLUSH_FAILED);
}

/* After a callback: what was asked for meanwhile. True: the stream is gone. */
static bool settle(struct weir_batcher *b, struct stream *s)
{
	if (stream_is(s, STREAM_DISCARDED) || (stream_is(s, STREAM_DRAINING) && s->bytes == 0)) {
		stream_end(b, s);
		return true;
	}
	if (stream_is(s, STREAM_REFUSED))
		pending_join(b, s);
	due_set(b, s);
	return false;
}

static int offer_once(struct weir_batcher *b, struct stream *s, enum weir_flush_reason reason)
{
	struct iovec spans[SPANS_MAX];
	struct weir_batch batch = {
	    .stream = s->id, .stream_context = s->context, .spans = spans, .reason = (int)reason};
	bool is_all, is_keeping;
	size_t taken;

	for (unsigned i = 0; i < s->piece_count; i++) {
		const struct piece *piece = &s->pieces[i];

		if (piece->end == piece->begin)
			continue;
		spans[batch.span_count++] = (struct iovec){
		    .iov_base = piece->buffer.data + piece->begin, .iov_len = piece->end - piece->begin};
	}
	batch.bytes = s->bytes;
	batch.tokens = s->tokens;
	s->tokens = 0;
	s->offered = s->piece_count;
	taken = call_flush(b, s, &batch);
	is_all = taken == batch.bytes;
	is_keeping = (reason == WEIR_FLUSH_COUNT || reason == WEIR_FLUSH_BYTES) &&
		     batcher_pressure(b) < WEIR_PRESSURE_MEDIUM;
	pending_consume(b, s, taken, is_keeping);
	s->offered = 0;
	if (is_all) {
		s->flags &= (uint8_t)~STREAM_REFUSED;
	} else {
		s->flags |= STREAM_REFUSED;
		s->tokens += batch.tokens;
	}
	count_offer(b, s, &batch, taken, is_all ? batch.tokens : 0);
	if (settle(b, s))
		return WEIR_ERROR_NOT_FOUND;
	return is_all ? 0 : WEIR_ERROR_AGAIN;
}

int offer(struct weir_batcher *b, struct stream *s, enum weir_flush_reason reason)
{
	int r = offer_once(b, s, reason);

	for (unsigned i = 0; r == 0 && stream_is_full(b, s, &reason) && i < ROUNDS_MAX; i++)
		r = offer_once(b, s, reason);
	return r;
}

int offer_large(struct weir_batcher *b, struct stream *s, const void *token, size_t bytes, bool *is_gone)
{
	/* Before the offer: what the callback leaves must have a place whatever happens. */
	char *rest = malloc(bytes);
	struct iovec span = {.iov_base = (void *)(uintptr_t)token, .iov_len = bytes};
	struct weir_batch batch = {.stream = s->id,
	    .stream_context = s->context,
	    .spans = &span,
	    .span_count = 1,
	    .reason = WEIR_FLUSH_LARGE,
	    .bytes = bytes,
	    .tokens = 1};
	size_t taken;

	if (rest == NULL)
		return WEIR_ERROR_NO_MEMORY;
	taken = call_flush(b, s, &batch);
	count_offer(b, s, &batch, taken, taken == bytes);
	s->taken_bytes += taken;
	if (taken == 0 || taken == bytes) {
		free(rest);
	} else {
		memcpy(rest, (const char *)token + taken, bytes - taken);
		pending_put_first(s, rest, bytes - taken);
		s->tokens++;
		s->flags |= STREAM_REFUSED;
	}
	*is_gone = settle(b, s);
	return taken != 0 ? 0 : *is_gone ? WEIR_ERROR_NOT_FOUND : WEIR_ERROR_AGAIN;
}

uint64_t stream_end(struct weir_batcher *b, struct stream *s)
{
	struct shard *shard = shard_of(b, s);
	void *context = s->context;
	uint64_t tokens, dropped;

	pending_seal(s);
	tokens = s->tokens;
	dropped = pending_drop(b, s);
	due_clear(b, s);
	lock_acquire(&shard->lock);
	shard->counts.tokens += tokens;
	shard->counts.dropped_bytes += dropped;
	lock_release(&shard->lock);
	table_give(b, s);
	if (b->config.closed != NULL) {
		atomic_fetch_add_explicit(&shard->callbacks, 1, memory_order_relaxed);
		b->config.closed(b->config.context, context, dropped);
		atomic_fetch_sub_explicit(&shard->callbacks, 1, memory_order_relaxed);
	}
	return dropped;
}
