/*
 * batch_pending.c -- what a stream holds: its bytes, in order, in at most a few buffers.
 *
 * Called by batch.c, batch_offer.c and batch_maintain.c, under the stream's lock. Allocates from the
 * pool; never runs a callback.
 *
 * Invariants: pieces are in order and none but the last is empty; only the last grows. While a
 * batch is offered its first `offered` pieces stay where they are: nothing is
 * moved, joined or appended there. There is one piece unless tokens come while an offer runs or after
 * one was refused, so a batch is one contiguous span unless a receiver is slow.
 *
 * Between pending_unseal() and pending_seal() the last piece is open: the hot path appends at
 * `at`, and the piece's end, the stream's bytes and tokens lag behind.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/batch.h"

static struct piece *last_piece(struct stream *s)
{
	return &s->pieces[s->piece_count - 1];
}

static size_t piece_bytes(const struct piece *piece)
{
	return piece->end - piece->begin;
}

/* Whether the last piece may be changed at all. */
static bool has_own_piece(const struct stream *s)
{
	unsigned fixed = stream_is(s, STREAM_OFFERING) ? s->offered : 0;

	return s->piece_count > fixed && s->pieces[s->piece_count - 1].buffer.id != 0;
}

void pending_seal(struct stream *s)
{
	size_t bytes = (size_t)(s->at - s->opened_at);

	if (s->opened_at == NULL)
		return;
	last_piece(s)->end += bytes;
	s->bytes += bytes;
	s->total_bytes += bytes;
	s->tokens += s->opened_tokens - s->easy_tokens;
	s->at = s->opened_at = NULL;
	s->easy_bytes = 0;
	s->easy_tokens = s->opened_tokens = 0;
}

void pending_unseal(struct weir_batcher *b, struct stream *s)
{
	size_t limit = atomic_load_explicit(&b->fill_bytes, memory_order_relaxed), room;
	uint64_t tokens = b->config.max_tokens == 0 ? UINT64_MAX : b->config.max_tokens;
	struct piece *piece;

	if (stream_is(s, STREAM_DRAINING | STREAM_DISCARDED) || !has_own_piece(s))
		return;
	if (stream_is(s, STREAM_OFFERING | STREAM_REFUSED)) {
		limit = b->config.max_pending_bytes;
		tokens = UINT64_MAX;
	}
	piece = last_piece(s);
	if (s->bytes >= limit || s->tokens >= tokens || piece->end == piece->buffer.capacity)
		return;
	room = MIN(limit - s->bytes, piece->buffer.capacity - piece->end);
	s->at = s->opened_at = piece->buffer.data + piece->end;
	/* One less: a token that fills the batch takes the long way, which offers it. */
	s->easy_bytes = room - 1;
	s->easy_tokens = s->opened_tokens = (uint32_t)MIN(tokens - s->tokens, (uint64_t)UINT32_MAX);
}

static void count_change(struct weir_batcher *b, struct stream *s, bool is_growth)
{
	struct shard *shard = shard_of(b, s);

	lock_acquire(&shard->lock);
	if (is_growth)
		shard->counts.growths++;
	else
		shard->counts.shrinks++;
	lock_release(&shard->lock);
}

/* The last piece, so that bytes more fit; false: it cannot be. */
static bool make_room(struct weir_batcher *b, struct stream *s, size_t bytes)
{
	struct piece *piece = last_piece(s);
	size_t held = piece_bytes(piece), wanted = held + bytes, grown;
	size_t most = MAX(atomic_load_explicit(&b->fill_bytes, memory_order_relaxed), wanted);

	if (piece->buffer.capacity - piece->end >= bytes)
		return true;
	if (piece->buffer.capacity >= wanted) {
		memmove(piece->buffer.data, piece->buffer.data + piece->begin, held);
	} else {
		if (wanted > b->config.max_bytes)
			return false;
		grown = MAX((size_t)((double)piece->buffer.capacity * b->growth_factor), wanted);
		if (!batch_buffer_move(b->pool, &piece->buffer, piece->begin, held, MIN(grown, most)))
			return false;
		count_change(b, s, true);
	}
	piece->begin = 0;
	piece->end = held;
	return true;
}

int pending_reserve(struct weir_batcher *b, struct stream *s, size_t bytes)
{
	struct piece *piece;

	if (has_own_piece(s) && make_room(b, s, bytes))
		return 0;
	if (s->piece_count >= SPANS_MAX - 1) /* one is left for pending_put_first() */
		return WEIR_ERROR_AGAIN;
	piece = &s->pieces[s->piece_count];
	if (!batch_buffer_take(b->pool, MAX(bytes, b->config.first_bytes), &piece->buffer))
		return WEIR_ERROR_NO_MEMORY;
	piece->begin = piece->end = 0;
	s->piece_count++;
	return 0;
}

void pending_put(struct stream *s, const void *token, size_t bytes)
{
	struct piece *piece = last_piece(s);

	memcpy(piece->buffer.data + piece->end, token, bytes);
	piece->end += bytes;
	s->bytes += bytes;
	s->total_bytes += bytes;
	s->tokens++;
}

void pending_put_first(struct stream *s, void *memory, size_t bytes)
{
	memmove(&s->pieces[1], &s->pieces[0], s->piece_count * sizeof(s->pieces[0]));
	s->pieces[0] =
	    (struct piece){.buffer = {.data = memory, .capacity = bytes, .id = 0}, .begin = 0, .end = bytes};
	s->piece_count++;
	s->bytes += bytes;
}

static void remove_pieces(struct weir_batcher *b, struct stream *s, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		batch_buffer_give(b->pool, &s->pieces[i].buffer);
	s->piece_count -= (uint8_t)count;
	memmove(
	    &s->pieces[first], &s->pieces[first + count], (s->piece_count - first) * sizeof(s->pieces[0]));
}

void pending_consume(struct weir_batcher *b, struct stream *s, size_t bytes, bool is_keeping)
{
	unsigned gone = 0;

	s->bytes -= bytes;
	s->taken_bytes += bytes;
	while (gone < s->offered && bytes >= piece_bytes(&s->pieces[gone]))
		bytes -= piece_bytes(&s->pieces[gone++]);
	if (gone < s->offered)
		s->pieces[gone].begin += bytes;
	if (is_keeping && gone == 1 && s->piece_count == 1 && s->pieces[0].buffer.id != 0) {
		s->pieces[0].begin = s->pieces[0].end = 0;
		return;
	}
	remove_pieces(b, s, 0, gone);
}

/* The second's bytes behind the first's, in whichever buffer holds both. */
static bool join_two(struct weir_batcher *b, struct piece *first, struct piece *second)
{
	size_t head = piece_bytes(first), tail = piece_bytes(second);
	struct piece *to = first;

	if (first->buffer.id == 0 || second->buffer.id == 0)
		return false;
	if (first->buffer.capacity < head + tail) {
		if (second->buffer.capacity < head + tail)
			return false;
		to = second;
		memmove(to->buffer.data + head, to->buffer.data + to->begin, tail);
		memcpy(to->buffer.data, first->buffer.data + first->begin, head);
		batch_buffer_give(b->pool, &first->buffer);
	} else {
		memmove(to->buffer.data, to->buffer.data + to->begin, head);
		memcpy(to->buffer.data + head, second->buffer.data + second->begin, tail);
		batch_buffer_give(b->pool, &second->buffer);
	}
	*first = (struct piece){.buffer = to->buffer, .begin = 0, .end = head + tail};
	return true;
}

void pending_join(struct weir_batcher *b, struct stream *s)
{
	while (s->piece_count >= 2 && join_two(b, &s->pieces[s->piece_count - 2], last_piece(s)))
		s->piece_count--;
}

bool pending_shrink(struct weir_batcher *b, struct stream *s)
{
	bool is_smaller = false;

	pending_join(b, s);
	for (unsigned i = s->piece_count; i-- > 0;) {
		struct piece *piece = &s->pieces[i];
		size_t held = piece_bytes(piece), wanted = MAX(held, b->config.first_bytes);

		if (held == 0) {
			remove_pieces(b, s, i, 1);
		} else if (piece->buffer.id == 0 || piece->buffer.capacity < 2 * wanted ||
			   !batch_buffer_move(b->pool, &piece->buffer, piece->begin, held, wanted)) {
			continue;
		} else {
			piece->begin = 0;
			piece->end = held;
		}
		is_smaller = true;
		count_change(b, s, false);
	}
	return is_smaller;
}

size_t pending_drop(struct weir_batcher *b, struct stream *s)
{
	size_t bytes;

	pending_seal(s);
	bytes = s->bytes;
	remove_pieces(b, s, 0, s->piece_count);
	s->bytes = 0;
	s->tokens = 0;
	return bytes;
}
