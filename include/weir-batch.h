/* --- token batches -------------------------------------------------------------------------------
 *
 * A batcher gathers small pieces of bytes, tokens, of many streams, and hands each stream's on in
 * batches: when so many are there, or so many bytes, or the oldest has waited long enough, or on
 * demand. Batches live in buffers of a pool; what goes out goes out from there, uncopied.
 *
 * What always holds:
 *   - Order. The bytes of a stream reach the flush callback in the order in which they were added.
 *   - Once. Bytes that the callback says it took are not offered again. Bytes that it did not take are
 *     offered again, before any that came later.
 *   - All or nothing. A token that is refused (any error of weir_stream_add()) has left no byte
 *     behind: the caller still has it. One that was accepted is dropped only by
 *     WEIR_CLOSE_DISCARD, by weir_batcher_destroy(), and with a stream that was abandoned; it is
 *     counted there.
 *
 * Time is an argument, in ns of any clock that does not go back; weir_batcher_maintain() brings it. A
 * batch begins at the time of the last such call before its first token, so a token waits no longer
 * than max_age_ns and the time to the next call.
 *
 * Threads: any thread may call anything at any time, but for weir_batcher_destroy(), which nothing else
 * may overlap. Each stream has a lock of its own, held for the copy of a token, and no lock is held
 * while the callback runs: threads on separate streams do not wait for each other. The
 * callback is not called for one stream by two threads at once.
 *
 * The flush callback may call all of these functions, on its stream and on others, but
 * weir_batcher_destroy(). Tokens that are added to the stream that is being flushed wait behind
 * those that are being offered; weir_stream_flush() of it answers WEIR_ERROR_BUSY; weir_stream_close()
 * of it is done when the callback has returned.
 *
 * In a child of fork() only batchers that no other thread was using may be used.
 */

struct weir_batcher; /* opaque */

/* A stream of a batcher. Never 0, and never another's: one that was closed is unknown from then on. */
typedef uint64_t weir_stream;

/* Why a batch is offered. */
enum weir_flush_reason {
	WEIR_FLUSH_COUNT = 0,	  /* max_tokens are there */
	WEIR_FLUSH_BYTES = 1,	  /* max_bytes are there, or the next token would pass them */
	WEIR_FLUSH_AGE = 2,	  /* the oldest token waited for max_age_ns */
	WEIR_FLUSH_DEMAND = 3,	  /* weir_stream_flush() */
	WEIR_FLUSH_LARGE = 4,	  /* a token larger than max_bytes, alone, from where its owner has it */
	WEIR_FLUSH_PRESSURE = 5,  /* memory is scarce: earlier than the limits say */
	WEIR_FLUSH_RETRY = 6,	  /* an offer before was not taken, or not wholly */
	WEIR_FLUSH_CLOSE = 7,	  /* weir_stream_close(), weir_batcher_destroy() */
	WEIR_FLUSH_ABANDONED = 8, /* the last offer: what is not taken is dropped */
	WEIR_FLUSH_REASONS = 9
};

#define WEIR_BATCH_SPANS_MAX 8

/* A batch as the flush callback sees it; it and its bytes are valid until the callback returns. */
struct weir_batch {
	weir_stream stream;
	void *stream_context;	   /* as weir_stream_open() got it */
	const struct iovec *spans; /* in order, as writev(2) takes them */
	int span_count;		   /* 1, unless an offer before was not wholly taken; WEIR_BATCH_SPANS_MAX at most */
	int reason;		   /* enum weir_flush_reason */
	size_t bytes;		   /* in all spans together */
	uint64_t tokens;	   /* that they hold; one that went out in part before counts whole */
};

/*
 * Take a batch. Returns how many of its bytes were taken, from the first on: batch->bytes for all.
 * Fewer, or a negative number for none, asks for a retry: the rest stays, and comes again after
 * retry_ns, or with weir_stream_flush() (when a socket can be written to again, say). Until then
 * nothing of the stream is offered and tokens gather, up to max_pending_bytes. So writev()'s answer
 * can be returned as it is.
 */
typedef int64_t (*weir_flush_callback)(void *context, const struct weir_batch *batch);

/* A stream is gone, by whatever way; so many bytes of it were dropped. No lock is held. */
typedef void (*weir_closed_callback)(void *context, void *stream_context, uint64_t dropped_bytes);

struct weir_batcher_config {
	weir_flush_callback flush;   /* not NULL */
	weir_closed_callback closed; /* may be NULL */
	void *context;		     /* of both */
	uint64_t max_tokens;	     /* of a batch, at which it is offered; 0: no such limit */
	size_t max_bytes;	     /* of a batch, likewise; up to the pool's largest buffer */
	/* A batch's buffer begins with so much, at least the pool's smallest buffer and at most
	 * max_bytes, and is grown by the pool's growth factor up to max_bytes. */
	size_t first_bytes;
	size_t max_pending_bytes; /* most that may wait in a stream; at least max_bytes */
	uint64_t max_age_ns;	  /* of a batch's first token, at which it is offered; 0: no such limit */
	uint64_t retry_ns;	  /* an offer that was not wholly taken is repeated so much later; not 0 */
	/* A stream in which tokens wait, and to which none was added and from which none was
	 * taken for so long, is abandoned: what it holds is offered once more, and if not all is
	 * taken, the rest is dropped and the stream closed. 0: never. */
	uint64_t max_idle_ns;
	uint64_t reserved[8];
};

/* 64 tokens, 64 KiB, first buffer 4 KiB, 64 KiB pending, 20 ms of age, retry after 10 ms, idle time
 * 5 minutes; flush is NULL and has to be set. */
struct weir_batcher_config weir_batcher_config_default(void);

/* Make a batcher over pool, which has to outlive it. *batcher is NULL where an error is returned:
 * WEIR_ERROR_INVALID, WEIR_ERROR_NO_MEMORY. */
int weir_batcher_create(
    struct weir_batcher **batcher, struct weir_pool *pool, const struct weir_batcher_config *config);

/* Offer what every stream holds once more, drop what is not taken, close all, and the batcher with
 * them. Returns how many bytes were dropped. WEIR_ERROR_BUSY: the caller is a callback of this
 * batcher; nothing is done. NULL: 0. */
int64_t weir_batcher_destroy(struct weir_batcher *batcher);

/* A new stream; stream_context comes back in each of its batches. It takes a buffer only with
 * its first token. *stream is 0 where an error is returned: WEIR_ERROR_NO_MEMORY, also
 * where there are 2^20 streams already. */
int weir_stream_open(struct weir_batcher *batcher, void *stream_context, weir_stream *stream);

/*
 * Add a token of length bytes to a stream, and offer the batch if that makes it full. The bytes are
 * copied, but for a token larger than max_bytes: that is offered alone, from where it is, once all
 * before it has been taken; what the callback leaves of it is kept in the stream.
 * 0: accepted, be it that an offer which it brought about was not taken. Otherwise the caller still
 * has it, whole: WEIR_ERROR_AGAIN (offers are not being taken, or one is under way, and the
 * token would pass max_pending_bytes; of a large one nothing was taken), WEIR_ERROR_NO_MEMORY,
 * WEIR_ERROR_NOT_FOUND (no such stream, or it is being closed).
 * A token of no bytes is accepted and is nothing.
 */
int weir_stream_add(struct weir_batcher *batcher, weir_stream stream, const void *token, size_t length);

/* Offer now what the stream holds; its buffer goes back to the pool. 0: nothing is left;
 * WEIR_ERROR_AGAIN: something is; WEIR_ERROR_BUSY: it is being offered already, by another thread or
 * further up in this one; WEIR_ERROR_NOT_FOUND. */
int weir_stream_flush(struct weir_batcher *batcher, weir_stream stream);

enum weir_close {
	WEIR_CLOSE_DRAIN = 0,  /* accept no more, offer what waits until it is taken, then close */
	WEIR_CLOSE_DISCARD = 1 /* drop what waits, close */
};

/* Close a stream; how: enum weir_close. 0: it is gone. WEIR_ERROR_AGAIN: it will be, when what waits
 * is taken or the stream abandoned, or when the callback has returned. WEIR_ERROR_NOT_FOUND,
 * WEIR_ERROR_INVALID. */
int weir_stream_close(struct weir_batcher *batcher, weir_stream stream, int how);

/* Bytes that wait in a stream, those that are being offered among them; 0: none, or no such stream. */
size_t weir_stream_pending(struct weir_batcher *batcher, weir_stream stream);

/*
 * Do what is due at now_ns: offer batches by age and again after refusals; where the pool knows of
 * medium pressure, offer at a quarter of the age and fill buffers by half; where critical, offer
 * all and fill none beyond first_bytes; give back buffers that nothing was put into for
 * max_age_ns; drop streams that were abandoned. The work follows what is due, not the number of streams.
 * Returns when to call again, by the same clock, as of now; UINT64_MAX: nothing waits for a time.
 * A time before the one of an earlier call counts as that one.
 */
uint64_t weir_batcher_maintain(struct weir_batcher *batcher, uint64_t now_ns);

/* When to call weir_batcher_maintain() again, with the tokens that came since: for the time-out of a loop. */
uint64_t weir_batcher_next_ns(struct weir_batcher *batcher);

struct weir_batcher_metrics {
	uint64_t streams;				    /* open */
	uint64_t buffers_held, buffer_bytes;		    /* of the pool */
	uint64_t pending_bytes;				    /* accepted, neither taken nor dropped yet */
	uint64_t tokens, bytes;				    /* accepted since it was made */
	uint64_t taken_bytes, dropped_bytes;		    /* of these */
	uint64_t flushes[16];				    /* offers, by enum weir_flush_reason */
	uint64_t flushes_refused;			    /* of these, not or not wholly taken */
	uint64_t tokens_refused_full, tokens_refused_memory; /* WEIR_ERROR_AGAIN, WEIR_ERROR_NO_MEMORY */
	uint64_t growths, shrinks;			    /* of buffers */
	uint64_t streams_abandoned;
	uint64_t reserved[8];
};

/* Of all streams together, which it walks. Where nobody is at work meanwhile, bytes is taken_bytes +
 * dropped_bytes + pending_bytes. */
int weir_batcher_metrics(struct weir_batcher *batcher, struct weir_batcher_metrics *metrics);
