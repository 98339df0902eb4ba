/*
 * batch.c -- token batches as weir.h has them: the batcher, its streams, and adding a token.
 *
 * The hot path is weir_stream_add(): find the stream, take its lock, compare, copy. Everything
 * that is not an append to an open buffer goes the long way, which seals the stream first (counts
 * what the hot path put in) and unseals it last. A token is either wholly in a stream or not at
 * all: room is had before a byte is copied, and offers happen before or after, never in between.
 *
 * Not for signal handlers. Allocates: the batcher and chunks of streams by malloc, buffers from the
 * pool. Never holds a lock while a callback of the program runs.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/buffer_pool.h"

/* A stream whose callback adds to it as fast as it takes: so often is room sought. */
#define ROUNDS_MAX 8

struct weir_batcher_config weir_batcher_config_default(void)
{
	return (struct weir_batcher_config){
	    .max_tokens = 64,
	    .max_bytes = 64 * KIB,
	    .first_bytes = 4 * KIB,
	    .max_pending_bytes = 64 * KIB,
	    .max_age_ns = 20 * MILLISECOND,
	    .retry_ns = 10 * MILLISECOND,
	    .max_idle_ns = 5 * MINUTE,
	};
}

static bool is_config_valid(const struct weir_batcher_config *config, const struct weir_pool_config *pool)
{
	for (size_t i = 0; i < ARRAY_LENGTH(config->reserved); i++)
		if (config->reserved[i] != 0)
			return false;
	return config->flush != NULL && config->max_bytes >= 1 &&
	       config->max_bytes <= pool->max_buffer_bytes && config->first_bytes >= 1 &&
	       config->first_bytes <= config->max_bytes && config->max_pending_bytes >= config->max_bytes &&
	       config->retry_ns != 0;
}

int weir_batcher_create(
    struct weir_batcher **batcher, struct weir_pool *pool, const struct weir_batcher_config *config)
{
	struct weir_batcher *b;

	*batcher = NULL;
	if (pool == NULL || config == NULL || !is_config_valid(config, pool_config(pool)))
		return WEIR_ERROR_INVALID;
	b = aligned_alloc(CACHE_LINE, sizeof(*b));
	if (b == NULL)
		return WEIR_ERROR_NO_MEMORY;
	memset((void *)b, 0, sizeof(*b));
	b->pool = pool;
	b->config = *config;
	b->growth_factor = pool_config(pool)->growth_factor;
	atomic_store_explicit(&b->fill_bytes, config->max_bytes, memory_order_relaxed);
	for (unsigned i = 0; i < SHARDS; i++)
		for (int kind = 0; kind < DUE_KINDS; kind++)
			atomic_store_explicit(
			    &b->shards[i].due[kind].since_ns, UINT64_MAX, memory_order_relaxed);
	pool_retain(pool);
	*batcher = b;
	return 0;
}

/* A last offer, then the end; s is locked. Returns how many bytes were dropped. */
static uint64_t end_stream(struct weir_batcher *b, struct stream *s)
{
	pending_seal(s);
	s->flags |= STREAM_DRAINING;
	if (s->bytes != 0 && offer(b, s, WEIR_FLUSH_CLOSE) == WEIR_ERROR_NOT_FOUND)
		return 0;
	return stream_end(b, s);
}

int64_t weir_batcher_destroy(struct weir_batcher *batcher)
{
	struct weir_batcher *b = batcher;
	uint64_t dropped = 0;
	struct stream *s;

	if (b == NULL)
		return 0;
	for (unsigned i = 0; i < SHARDS; i++)
		if (atomic_load_explicit(&b->shards[i].callbacks, memory_order_relaxed) != 0)
			return WEIR_ERROR_BUSY;
	atomic_store_explicit(&b->is_ending, true, memory_order_relaxed);
	for (uint32_t i = 0; i < STREAMS_MAX && (s = table_at(b, i)) != NULL; i++) {
		batch_lock_acquire(&s->lock);
		if (s->id != 0)
			dropped += end_stream(b, s);
		else
			batch_lock_release(&s->lock);
	}
	pool_give_back(b->pool);
	table_free(b);
	free(b);
	return (int64_t)dropped;
}

int weir_stream_open(struct weir_batcher *batcher, void *stream_context, weir_stream *stream)
{
	struct stream *s;

	*stream = 0;
	if (atomic_load_explicit(&batcher->is_ending, memory_order_relaxed))
		return WEIR_ERROR_BUSY;
	s = table_take(batcher);
	if (s == NULL)
		return WEIR_ERROR_NO_MEMORY;
	s->context = stream_context;
	s->flags = 0;
	s->tokens = s->total_bytes = s->taken_bytes = s->seen_bytes = 0;
	s->seen_ns = batcher_now(batcher);
	*stream = s->id;
	batch_lock_release(&s->lock);
	return 0;
}

/* --- adding a token --------------------------------------------------------------- */

/* Room for a token that fits into a batch; what is held makes way for it if need be. 0,
 * WEIR_ERROR_AGAIN, WEIR_ERROR_NO_MEMORY, WEIR_ERROR_NOT_FOUND; *is_gone: and no longer locked. */
static int have_room(struct weir_batcher *b, struct stream *s, size_t length, bool *is_gone)
{
	for (unsigned round = 0;; round++) {
		bool is_waiting = stream_is(s, STREAM_OFFERING | STREAM_REFUSED);
		size_t fill = atomic_load_explicit(&b->fill_bytes, memory_order_relaxed);
		size_t limit = is_waiting ? b->config.max_pending_bytes : MAX(fill, length);
		int r = WEIR_ERROR_AGAIN;

		if (stream_is(s, STREAM_DRAINING))
			return WEIR_ERROR_NOT_FOUND;
		if (s->bytes + length <= limit)
			r = pending_reserve(b, s, length);
		if (r == 0 || is_waiting || s->bytes == 0 || round == ROUNDS_MAX)
			return r;
		*is_gone = offer(b, s, WEIR_FLUSH_BYTES) == WEIR_ERROR_NOT_FOUND;
		if (*is_gone)
			return WEIR_ERROR_NOT_FOUND;
	}
}

static int add_fitting(
    struct weir_batcher *b, struct stream *s, const void *token, size_t length, bool *is_gone)
{
	enum weir_flush_reason reason;
	bool was_empty;
	int r = have_room(b, s, length, is_gone);

	if (r != 0)
		return r;
	was_empty = s->bytes == 0;
	pending_put(s, token, length);
	if (!stream_is(s, STREAM_OFFERING | STREAM_REFUSED) && stream_is_full(b, s, &reason))
		*is_gone = offer(b, s, reason) == WEIR_ERROR_NOT_FOUND;
	else if (was_empty)
		due_set(b, s);
	return 0;
}

/* Alone, after all that is held. */
static int add_large(
    struct weir_batcher *b, struct stream *s, const void *token, size_t length, bool *is_gone)
{
	for (unsigned round = 0; s->bytes != 0; round++) {
		if (stream_is(s, STREAM_OFFERING | STREAM_REFUSED) || round == ROUNDS_MAX)
			return WEIR_ERROR_AGAIN;
		*is_gone = offer(b, s, WEIR_FLUSH_BYTES) == WEIR_ERROR_NOT_FOUND;
		if (*is_gone || stream_is(s, STREAM_DRAINING))
			return WEIR_ERROR_NOT_FOUND;
	}
	if (stream_is(s, STREAM_OFFERING))
		return WEIR_ERROR_AGAIN;
	return offer_large(b, s, token, length, is_gone);
}

static void count_refusal(struct weir_batcher *b, const struct stream *s, int error)
{
	struct shard *shard = shard_of(b, s);

	lock_acquire(&shard->lock);
	if (error == WEIR_ERROR_AGAIN)
		shard->counts.tokens_refused_full++;
	else
		shard->counts.tokens_refused_memory++;
	lock_release(&shard->lock);
	pool_count_error(b->pool, POOL_ERROR_TOKEN_REFUSED);
}

/* The stream's lock is held, and released. */
COLD static int add_long(
    struct weir_batcher *b, struct stream *s, weir_stream id, const void *token, size_t length)
{
	bool is_gone = false;
	int r;

	if (s->id != id || stream_is(s, STREAM_DRAINING | STREAM_DISCARDED) ||
	    atomic_load_explicit(&b->is_ending, memory_order_relaxed)) {
		batch_lock_release(&s->lock);
		return WEIR_ERROR_NOT_FOUND;
	}
	if (length == 0) {
		batch_lock_release(&s->lock);
		return 0;
	}
	pending_seal(s);
	if (length > b->config.max_bytes)
		r = add_large(b, s, token, length, &is_gone);
	else
		r = add_fitting(b, s, token, length, &is_gone);
	if (r == WEIR_ERROR_AGAIN || r == WEIR_ERROR_NO_MEMORY)
		count_refusal(b, s, r);
	if (!is_gone) {
		pending_unseal(b, s);
		batch_lock_release(&s->lock);
	}
	return r;
}

int weir_stream_add(struct weir_batcher *batcher, weir_stream stream, const void *token, size_t length)
{
	struct stream *s = table_find(batcher, stream);

	if (UNLIKELY(s == NULL))
		return WEIR_ERROR_NOT_FOUND;
	batch_lock_acquire(&s->lock);
	/* A token of no bytes, and the one that fills the batch, are not easy. */
	if (UNLIKELY(s->id != stream || length - 1 >= s->easy_bytes || s->easy_tokens <= 1))
		return add_long(batcher, s, stream, token, length);
	memcpy(s->at, token, length);
	s->at += length;
	s->easy_bytes -= length;
	s->easy_tokens--;
	batch_lock_release(&s->lock);
	return 0;
}

/* --- the rest of a stream's life ------------------------------------------------------ */

/* Locked; NULL: there is no such stream. */
static struct stream *find_locked(struct weir_batcher *b, weir_stream id)
{
	struct stream *s = table_find(b, id);

	if (s == NULL)
		return NULL;
	batch_lock_acquire(&s->lock);
	if (id != 0 && s->id == id)
		return s;
	batch_lock_release(&s->lock);
	return NULL;
}

int weir_stream_flush(struct weir_batcher *batcher, weir_stream stream)
{
	struct stream *s = find_locked(batcher, stream);
	int r = 0;

	if (s == NULL)
		return WEIR_ERROR_NOT_FOUND;
	if (stream_is(s, STREAM_OFFERING)) {
		batch_lock_release(&s->lock);
		return WEIR_ERROR_BUSY;
	}
	pending_seal(s);
	if (s->bytes == 0) {
		pending_drop(batcher, s);
		due_clear(batcher, s);
	} else {
		r = offer(batcher, s, WEIR_FLUSH_DEMAND);
	}
	/* Closed meanwhile, and all of it was taken. */
	if (r == WEIR_ERROR_NOT_FOUND)
		return 0;
	pending_unseal(batcher, s);
	batch_lock_release(&s->lock);
	return r;
}

/* The lock is held, and released. */
static int close_draining(struct weir_batcher *b, struct stream *s)
{
	s->flags |= STREAM_DRAINING;
	if (!stream_is(s, STREAM_OFFERING) && s->bytes == 0) {
		stream_end(b, s);
		return 0;
	}
	if (!stream_is(s, STREAM_OFFERING) && offer(b, s, WEIR_FLUSH_CLOSE) == WEIR_ERROR_NOT_FOUND)
		return 0;
	batch_lock_release(&s->lock);
	return WEIR_ERROR_AGAIN;
}

int weir_stream_close(struct weir_batcher *batcher, weir_stream stream, int how)
{
	struct stream *s;

	if (how != WEIR_CLOSE_DRAIN && how != WEIR_CLOSE_DISCARD)
		return WEIR_ERROR_INVALID;
	s = find_locked(batcher, stream);
	if (s == NULL)
		return WEIR_ERROR_NOT_FOUND;
	pending_seal(s);
	if (how == WEIR_CLOSE_DRAIN)
		return close_draining(batcher, s);
	if (stream_is(s, STREAM_OFFERING)) {
		s->flags |= STREAM_DISCARDED;
		batch_lock_release(&s->lock);
		return WEIR_ERROR_AGAIN;
	}
	stream_end(batcher, s);
	return 0;
}

size_t weir_stream_pending(struct weir_batcher *batcher, weir_stream stream)
{
	struct stream *s = find_locked(batcher, stream);
	size_t bytes;

	if (s == NULL)
		return 0;
	bytes = pending_bytes(s);
	batch_lock_release(&s->lock);
	return bytes;
}

/* --- metrics ---------------------------------------------------------------------- */

static void add_counts(struct weir_batcher_metrics *to, const struct weir_batcher_metrics *from)
{
	to->tokens += from->tokens;
	to->taken_bytes += from->taken_bytes;
	to->dropped_bytes += from->dropped_bytes;
	for (size_t i = 0; i < ARRAY_LENGTH(to->flushes); i++)
		to->flushes[i] += from->flushes[i];
	to->flushes_refused += from->flushes_refused;
	to->tokens_refused_full += from->tokens_refused_full;
	to->tokens_refused_memory += from->tokens_refused_memory;
	to->growths += from->growths;
	to->shrinks += from->shrinks;
	to->streams_abandoned += from->streams_abandoned;
}

static void add_stream(struct weir_batcher_metrics *to, struct stream *s)
{
	batch_lock_acquire(&s->lock);
	if (s->id != 0) {
		to->streams++;
		to->pending_bytes += pending_bytes(s);
		to->tokens += pending_tokens(s);
		for (unsigned i = 0; i < s->piece_count; i++) {
			to->buffers_held += s->pieces[i].buffer.id != 0;
			to->buffer_bytes += s->pieces[i].buffer.id != 0 ? s->pieces[i].buffer.capacity : 0;
		}
	}
	batch_lock_release(&s->lock);
}

int weir_batcher_metrics(struct weir_batcher *batcher, struct weir_batcher_metrics *metrics)
{
	struct stream *s;

	memset(metrics, 0, sizeof(*metrics));
	for (unsigned i = 0; i < SHARDS; i++) {
		lock_acquire(&batcher->shards[i].lock);
		add_counts(metrics, &batcher->shards[i].counts);
		lock_release(&batcher->shards[i].lock);
	}
	for (uint32_t i = 0; i < STREAMS_MAX && (s = table_at(batcher, i)) != NULL; i++)
		add_stream(metrics, s);
	metrics->bytes = metrics->taken_bytes + metrics->dropped_bytes + metrics->pending_bytes;
	return 0;
}
