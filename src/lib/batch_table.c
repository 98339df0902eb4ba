/*
 * batch_table.c -- streams by their ids.
 *
 * Streams stand in chunks that are made as they are needed and stay until the batcher goes, so an
 * id can be looked up without a lock. A slot that is given back gets the next generation before
 * anybody else has it: an id that was closed matches nothing any more. Generations
 * are 43 bits long in the id: they do not come round.
 * Called by batch.c and batch_offer.c. The table's lock is taken alone, but by table_give() under the
 * stream's. Allocates (malloc), once for 128 streams.
 */
#include <stdlib.h>

#include "lib/batch.h"

static struct stream *make_chunk(struct weir_batcher *b, uint32_t first)
{
	struct stream *chunk = aligned_alloc(CACHE_LINE, CHUNK_STREAMS * sizeof(*chunk));

	if (chunk == NULL)
		return NULL;
	for (uint32_t i = 0; i < CHUNK_STREAMS; i++)
		chunk[i] = (struct stream){.index = first + i, .due_kind = DUE_NEVER};
	atomic_store_explicit(&b->chunks[first / CHUNK_STREAMS], chunk, memory_order_release);
	return chunk;
}

/* The table's lock is held. */
static struct stream *take_locked(struct weir_batcher *b)
{
	struct stream *s;

	if (b->free_first != 0) {
		s = table_at(b, b->free_first - 1);
		b->free_first = s->free_next;
	} else {
		if (b->used_count == STREAMS_MAX)
			return NULL;
		s = table_at(b, b->used_count);
		if (s == NULL && make_chunk(b, b->used_count) == NULL)
			return NULL;
		s = table_at(b, b->used_count);
		b->used_count++;
	}
	b->open_count++;
	return s;
}

struct stream *table_take(struct weir_batcher *b)
{
	struct stream *s;

	lock_acquire(&b->table_lock);
	s = take_locked(b);
	lock_release(&b->table_lock);
	if (s == NULL)
		return NULL;
	batch_lock_acquire(&s->lock);
	s->generation++;
	s->id = s->generation << STREAM_INDEX_BITS | (s->index + 1);
	return s;
}

void table_give(struct weir_batcher *b, struct stream *s)
{
	s->id = 0;
	batch_lock_release(&s->lock);
	lock_acquire(&b->table_lock);
	s->free_next = b->free_first;
	b->free_first = s->index + 1;
	b->open_count--;
	lock_release(&b->table_lock);
}

void table_free(struct weir_batcher *b)
{
	for (size_t i = 0; i < ARRAY_LENGTH(b->chunks); i++)
		free(atomic_load_explicit(&b->chunks[i], memory_order_relaxed));
}
