/* --- token batches -------------------------------------------------------------
 *
 * A batcher gathers small pieces of bytes, "tokens", of many streams, and hands each
 * stream's on in batches: when so many are there, or so many bytes, or the oldest has
 * waited long enough, or on demand. Batches live in buffers of a pool.
 *
 *	token --weir_batch_add()--> batch of its stream --flush()--> a socket, say
 *
 * What always holds:
 *
 * - Order. The bytes of a stream reach flush() in the order in which they were added.
 * - Once. Bytes that flush() says it took are never offered again; bytes that it did not
 *   take are offered again, in the same order, before any that came later.
 * - All or nothing. A token that is refused (any error of weir_batch_add()) has left no
 *   byte behind; the caller still has it. A token that was accepted is only ever
 *   dropped by WEIR_CLOSE_DISCARD, by weir_batcher_destroy() and when its stream has
 *   been abandoned, and it is counted there (weir_batcher_stats).
 *
 * Time is an argument, in ns of any clock that does not go back: weir_batcher_maintain()
 * brings it. A batch begins at the time of the last weir_batcher_maintain() before its
 * first token, so it waits no longer than its age limit and the time to the next call.
 *
 * Threads: everything may be called by any thread at any time, but for
 * weir_batcher_destroy(), which no other call may overlap. Each stream has a lock of its
 * own, held for a copy of the token at most, and no lock is held while flush() runs:
 * threads on separate streams do not wait for each other. flush() is never called for
 * one stream by two threads at once. Not for signal handlers.
 *
 * Within flush(), all these functions may be called, on this stream and on others, but for
 * weir_batcher_destroy(). Tokens added to the stream that is being flushed wait
 * behind those that are being offered; weir_batch_flush() of it answers -EBUSY; and
 * weir_batch_close() of it takes effect as soon as flush() has returned.
 */

struct weir_batcher;

/* A stream of a batcher. Never 0, and never another's again: one that was closed is unknown. */
typedef uint64_t weir_stream;

/* Why a batch is offered. */
enum weir_flush_reason {
	WEIR_FLUSH_COUNT,     /* max_tokens are there */
	WEIR_FLUSH_BYTES,     /* max_bytes are there, or the next token would pass them */
	WEIR_FLUSH_AGE,	      /* the first token has waited for max_age_ns */
	WEIR_FLUSH_DEMAND,    /* weir_batch_flush() */
	WEIR_FLUSH_LARGE,     /* a token larger than max_bytes, alone, where its owner has it */
	WEIR_FLUSH_PRESSURE,  /* memory is scarce: earlier than the limits say */
	WEIR_FLUSH_RETRY,     /* an offer before was not taken, or not wholly */
	WEIR_FLUSH_CLOSE,     /* the stream is being closed */
	WEIR_FLUSH_ABANDONED, /* a last offer; what is not taken is dropped */
	WEIR_FLUSH_REASONS,
};

/* At most so many spans make up a batch. */
#define WEIR_BATCH_SPANS_MAX 8

/* A batch as flush() sees it. It and its bytes are valid until flush() returns. */
struct weir_batch {
	weir_stream stream;
	void *context;		   /* of the stream, as weir_batch_open() got it */
	const struct iovec *spans; /* in order; as writev(2) wants them */
	unsigned span_count;	   /* 1, unless an offer before was not taken wholly */
	enum weir_flush_reason reason;
	size_t bytes;	 /* in all spans together */
	uint64_t tokens; /* that they hold, one that was begun before counting whole */
};

/*
 * Takes a batch. Returns how many of its bytes it took, from the first on: batch->bytes for
 * all. Fewer, or a negative number (for none), asks for a retry: the rest is kept, and
 * offered after retry_ns, or when weir_batch_flush() is called, as on EPOLLOUT. Until then
 * nothing of this stream is offered, and tokens wait up to backlog_bytes.
 */
typedef ssize_t weir_flush_function(void *context, const struct weir_batch *batch);

/* The settings of a batcher: weir_batcher_config_default() and then what is to differ. */
struct weir_batcher_config {
	weir_flush_function *flush; /* must be given */
	void *context;		    /* its first argument */
	uint32_t max_tokens;	    /* a batch is offered when it has so many; 256; 0: no such limit */
	/* Bytes. A batch's buffer begins at initial_bytes (the pool's least size) and is grown by the
	 * pool's growth factor up to max_bytes (64 KiB); full, it is offered. 0: as said. Neither
	 * may pass the pool's largest size. */
	size_t initial_bytes, max_bytes;
	size_t backlog_bytes; /* most that may wait in a stream after refused offers; 0: max_bytes */
	uint64_t max_age_ns;  /* a batch is offered when it is so old; 20 ms; 0: no such limit */
	uint64_t retry_ns;    /* after a refused offer, the next comes so much later; 10 ms */
	/* A stream that nothing was added to and nothing taken from for so long, though tokens
	 * wait in it, is abandoned: offered once more, then closed; 5 minutes; 0: never. */
	uint64_t max_idle_ns;
	/* A stream is gone: closed, drained or abandoned; dropped_bytes were not taken. May be
	 * NULL. As flush(), it is called without a lock. */
	void (*closed)(void *context, void *stream_context, uint64_t dropped_bytes);
};

WEIR_API void weir_batcher_config_default(struct weir_batcher_config *config);

/*
 * A batcher over a pool, which must outlive it. 0, or -EINVAL (a limit out of bounds, no
 * flush function), -ENOMEM.
 */
WEIR_API int weir_batcher_create(
    struct weir_batcher **batcher, struct weir_pool *pool, const struct weir_batcher_config *config);

/*
 * Offers what every stream holds once more (WEIR_FLUSH_CLOSE), drops what is not taken,
 * and gives everything back. Returns how many bytes were dropped. No other call may overlap.
 */
WEIR_API uint64_t weir_batcher_destroy(struct weir_batcher *batcher);

/* A new stream; context comes back in each of its batches. 0, -ENOMEM, or -ENOSPC: there are
 * 2^20 already. A stream without tokens costs 256 bytes and no buffer. */
WEIR_API int weir_batch_open(struct weir_batcher *batcher, void *context, weir_stream *stream);

/*
 * Add a token to a stream, which may offer the batch. Bytes are copied, except those of a token
 * larger than max_bytes: that is offered alone, from where it is, after everything before it;
 * what flush() leaves of it is kept.
 * 0: accepted. Else nothing of it was taken:
 *	-EAGAIN	  offers are being refused, and backlog_bytes wait; the stream goes on later
 *	-ENOMEM	  there is no memory for it now
 *	-ESHUTDOWN	  the stream is being closed
 *	-ENOENT	  there is no such stream (any more)
 * A token of no bytes is accepted, and is nothing.
 */
WEIR_API int weir_batch_add(
    struct weir_batcher *batcher, weir_stream stream, const void *token, size_t bytes);

/* Offer now what the stream holds. 0: all of it was taken, or there was nothing; -EAGAIN: not
 * all was; -EBUSY: it is being offered already, by another thread or by the caller's own
 * caller; -ENOENT. */
WEIR_API int weir_batch_flush(struct weir_batcher *batcher, weir_stream stream);

enum weir_close {
	WEIR_CLOSE_DRAIN,   /* accept no more; offer what waits, until it is taken or the stream abandoned */
	WEIR_CLOSE_DISCARD, /* drop what waits */
};

/* Close a stream. 0: it is gone; -EINPROGRESS: it will be when what waits has been taken, or
 * flush() has returned; -ENOENT. */
WEIR_API int weir_batch_close(struct weir_batcher *batcher, weir_stream stream, enum weir_close how);

/* Bytes that wait in a stream; 0 where there is none such. */
WEIR_API size_t weir_batch_pending(struct weir_batcher *batcher, weir_stream stream);

/*
 * Do what is due at now_ns: offer batches by age and after refusals, offer early and shrink
 * buffers where memory is scarce, give back buffers that nothing was put into for max_age_ns,
 * end streams that were abandoned. Work follows what is due, not the number of streams.
 * A time before the last one counts as the last one.
 */
WEIR_API void weir_batcher_maintain(struct weir_batcher *batcher, uint64_t now_ns);

/* When weir_batcher_maintain() has something to do next, by its clock: for the timeout of a
 * loop. UINT64_MAX: nothing waits. */
WEIR_API uint64_t weir_batcher_next_ns(struct weir_batcher *batcher);

struct weir_batcher_stats {
	uint64_t streams;		      /* open ones */
	uint64_t buffers, buffer_bytes;	      /* of the pool, held by batches */
	uint64_t pending_bytes;		      /* added, and not taken yet */
	uint64_t tokens, bytes;		      /* accepted in all */
	uint64_t taken_bytes;		      /* by flush() */
	uint64_t dropped_bytes;		      /* of streams that were discarded or abandoned */
	uint64_t flushes[WEIR_FLUSH_REASONS]; /* offers, by reason */
	uint64_t refused;		      /* offers that were not, or not wholly, taken */
	uint64_t full;			      /* tokens refused with -EAGAIN */
	uint64_t no_memory;		      /* tokens refused with -ENOMEM */
	uint64_t grown, shrunk;		      /* buffers */
	uint64_t abandoned;		      /* streams */
};

/* Of all streams together; walks them. bytes = taken_bytes + dropped_bytes + pending_bytes
 * where nobody else is at work. */
WEIR_API void weir_batcher_get_stats(struct weir_batcher *batcher, struct weir_batcher_stats *stats);
