/*
 * batch.h -- the parts of a batcher: streams, what they hold, and when they are due.
 *
 * batch.c is the public face and the hot path; batch_offer.c runs the flush callback;
 * batch_pending.c keeps a stream's bytes in buffers; batch_due.c knows whose time comes;
 * batch_maintain.c does what is due; batch_table.c finds streams by their ids.
 *
 * Locks, in the order of locks.def: a stream's, then the table's or its shard's, then the pool's
 * own. None is held while a callback runs. A stream's owner may ask three things of it in any
 * order: add, offer, close; what happens when they meet is decided by its flags, which
 * only change under its lock.
 */
#ifndef WEIR_LIB_BATCH_H
#define WEIR_LIB_BATCH_H

#include <sys/uio.h>

#include "base/compiler.h"
#include "base/lock.h"
#include "include/weir.h"
#include "lib/batch_buffer.h"
#include "lib/batch_lock.h"

#define STREAMS_MAX ((uint32_t)1 << 20)
#define CHUNK_STREAMS 128
#define SHARDS 16
#define SPANS_MAX WEIR_BATCH_SPANS_MAX

/* A stretch of a stream's bytes: begin to end of a buffer. */
struct piece {
	struct batch_buffer buffer;
	size_t begin, end;
};

enum stream_flag {
	STREAM_OFFERING = 1,  /* the callback runs, with the first `offered` pieces */
	STREAM_REFUSED = 2,   /* the last offer was not wholly taken: only retries until it is */
	STREAM_DRAINING = 4,  /* closed when nothing is left */
	STREAM_DISCARDED = 8, /* closed when the callback returns */
};

enum due_kind { DUE_AGE, DUE_RETRY, DUE_KINDS, DUE_NEVER = DUE_KINDS };

struct stream {
	/* What adding a token reads and writes; all of it under the lock. */
	_Alignas(CACHE_LINE) struct batch_lock lock;
	uint32_t easy_tokens; /* so many tokens, ... */
	weir_stream id;	      /* 0: nobody's */
	size_t easy_bytes;    /* ... and bytes, go to `at` without another look; 0: none */
	char *at;
	/* The rest, under the lock, too. */
	char *opened_at; /* at, when easy_bytes was set; NULL: no piece is open */
	uint32_t opened_tokens;
	uint8_t flags, piece_count, offered, last_reason;
	uint64_t tokens;      /* begun to be held, but for those that easy_tokens counts */
	size_t bytes;	      /* held, but for those that `at` counts */
	uint64_t total_bytes; /* accepted ever, likewise */
	uint64_t seen_bytes;  /* total_bytes and taken_bytes at the last look for idleness, ... */
	uint64_t seen_ns;     /* ... and when that had changed */
	uint64_t taken_bytes; /* ever */
	void *context;
	struct piece pieces[SPANS_MAX]; /* in order; the last is the one that grows */

	/* Under the shard's lock. */
	uint64_t due_since_ns;
	uint32_t due_next, due_prev; /* stream indexes + 1; 0: none */
	uint32_t due_kind;	     /* enum due_kind */
	uint32_t free_next;	     /* under the table's */
	uint64_t generation;	     /* of the id; changed by whoever takes the slot */
	uint32_t index;		     /* frozen */
};

struct due_list {
	uint32_t head, tail;	/* stream indexes + 1 */
	_Atomic uint32_t count; /* relaxed, written under the lock; a bound for a round of maintenance */
	/* of the head, UINT64_MAX: there is none. Relaxed: written under the lock, and read
	 * without it only to learn whether it is worth taking. */
	_Atomic uint64_t since_ns;
};

/* A share of the streams, by index. */
struct shard {
	_Alignas(CACHE_LINE) struct lock lock; /* LOCK_batch_shard */
	_Atomic uint32_t callbacks;	       /* running ones; relaxed: who asks is alone, or within one */
	struct due_list due[DUE_KINDS];
	struct weir_batcher_metrics counts; /* what streams have reported; not those of open ones */
};

struct weir_batcher {
	/* Frozen. */
	struct weir_pool *pool;
	struct weir_batcher_config config;
	double growth_factor; /* the pool's */
	/* Shared; relaxed: each is a hint of how things are, nothing hangs on its order. */
	_Atomic uint64_t now_ns;   /* only rises */
	_Atomic int pressure;	   /* enum weir_pressure_level, as of the last maintenance */
	_Atomic size_t fill_bytes; /* how far a batch is filled: max_bytes, less under pressure */
	_Atomic bool is_ending;	   /* accepts no token and no stream */
	struct shard shards[SHARDS];

	struct lock table_lock; /* LOCK_batch_table; what follows */
	uint32_t free_first, used_count, open_count;
	/* Release when a chunk is put there, acquire by whoever looks an id up. */
	struct stream *_Atomic chunks[STREAMS_MAX / CHUNK_STREAMS];
};

/* --- table ---------------------------------------------------------------------- */

/* An id is the generation above the index + 1, so that it is never 0. */
#define STREAM_INDEX_BITS 21

INLINE struct stream *table_at(struct weir_batcher *b, uint32_t index)
{
	struct stream *chunk;

	chunk = atomic_load_explicit(&b->chunks[index / CHUNK_STREAMS], memory_order_acquire);
	return chunk == NULL ? NULL : &chunk[index % CHUNK_STREAMS];
}

/* Where a stream of that id would be; whether it is there is for whoever has its lock to say. */
INLINE struct stream *table_find(struct weir_batcher *b, weir_stream id)
{
	uint32_t index = (uint32_t)(id & (((uint64_t)1 << STREAM_INDEX_BITS) - 1)) - 1;

	return LIKELY(index < STREAMS_MAX) ? table_at(b, index) : NULL;
}

/* A slot, locked, with a new id; NULL: no memory. */
struct stream *table_take(struct weir_batcher *b);
/* Give it back. The lock is the caller's, and is released. */
void table_give(struct weir_batcher *b, struct stream *s);
void table_free(struct weir_batcher *b);

/* --- pending ---------------------------------------------------------------------- */

/* Whatever the hot path has put in since is counted, and no piece is open. */
void pending_seal(struct stream *s);
/* The last piece is open for the hot path as far as flags and limits let it. */
void pending_unseal(struct weir_batcher *b, struct stream *s);
/* Room for bytes more in the last piece or a next one, sealed. 0, WEIR_ERROR_AGAIN: there would
 * be too many pieces; WEIR_ERROR_NO_MEMORY. */
int pending_reserve(struct weir_batcher *b, struct stream *s, size_t bytes);
/* The next token, for which there is room. */
void pending_put(struct stream *s, const void *token, size_t bytes);
/* So many bytes of the first `offered` pieces are gone. Emptied pieces give their buffers back,
 * but the last may be kept. */
void pending_consume(struct weir_batcher *b, struct stream *s, size_t bytes, bool is_keeping);
/* Few pieces, and no larger than what they hold needs. True: some buffer is smaller now. */
bool pending_shrink(struct weir_batcher *b, struct stream *s);
/* Where the last two pieces fit into one buffer, they are one; repeated. Not while an offer runs. */
void pending_join(struct weir_batcher *b, struct stream *s);
/* All is dropped, and buffers go back. Returns how many bytes that were. */
size_t pending_drop(struct weir_batcher *b, struct stream *s);
/* The rest of a large token, in memory of malloc's, before all else. */
void pending_put_first(struct stream *s, void *memory, size_t bytes);

INLINE size_t pending_bytes(const struct stream *s)
{
	return s->bytes + (size_t)(s->at - s->opened_at);
}

INLINE uint64_t pending_tokens(const struct stream *s)
{
	return s->tokens + (s->opened_tokens - s->easy_tokens);
}

/* --- due -------------------------------------------------------------------------- */

/* s is due by its state: by age while anything waits, by retry after a refusal; under its lock. */
void due_set(struct weir_batcher *b, struct stream *s);
void due_clear(struct weir_batcher *b, struct stream *s);
/* Take up to max streams off the list that are there since since_ns or longer; returns how many. */
unsigned due_take(struct weir_batcher *b, struct shard *shard, enum due_kind kind, uint64_t since_ns,
    uint32_t *indexes, unsigned max);
bool due_is_set(struct weir_batcher *b, const struct stream *s);
uint64_t due_next_ns(struct weir_batcher *b);
/* How long a stream stays on a list of that kind; UINT64_MAX: for good. */
uint64_t due_wait_ns(const struct weir_batcher *b, enum due_kind kind);

INLINE struct shard *shard_of(struct weir_batcher *b, const struct stream *s)
{
	return &b->shards[s->index % SHARDS];
}

INLINE uint64_t batcher_now(const struct weir_batcher *b)
{
	return atomic_load_explicit(&b->now_ns, memory_order_relaxed);
}

INLINE int batcher_pressure(const struct weir_batcher *b)
{
	return atomic_load_explicit(&b->pressure, memory_order_relaxed);
}

INLINE bool stream_is(const struct stream *s, unsigned flags)
{
	return (s->flags & flags) != 0;
}

/* --- offer ------------------------------------------------------------------------ */

/*
 * Offer what s holds, which is locked, sealed, not being offered and not empty; the lock is released
 * while the callback runs. Repeated while that leaves a full batch. 0: all that was offered
 * was taken; WEIR_ERROR_AGAIN: not all; WEIR_ERROR_NOT_FOUND: the stream was closed, is gone
 * and not locked any more.
 */
int offer(struct weir_batcher *b, struct stream *s, enum weir_flush_reason reason);
/*
 * The same of a token larger than a batch, where nothing is held. 0: it was taken, or its rest is
 * held; WEIR_ERROR_AGAIN: nothing was taken; WEIR_ERROR_NO_MEMORY: it was not offered. *is_gone:
 * the stream was closed meanwhile.
 */
int offer_large(struct weir_batcher *b, struct stream *s, const void *token, size_t bytes, bool *is_gone);
/* Whether the batch has reached a limit; *reason says which. */
bool stream_is_full(const struct weir_batcher *b, const struct stream *s, enum weir_flush_reason *reason);
/* Close s, which is locked and not being offered, dropping what it holds. It is gone afterwards.
 * Returns how many bytes were dropped. */
uint64_t stream_end(struct weir_batcher *b, struct stream *s);

#endif
