/*
 * weir.h -- pools of buffers with ids, token batches, metrics and health, for programs that stream.
 *
 * Link with -lweir (pkg-config --cflags --libs weir). libweir(3) explains and has an example.
 *
 * The memory comes from the engine that libweir-preload.so puts under malloc. In a process that
 * runs under Weir the library uses that very engine: one range, one limit, one set of figures.
 *
 * Conventions
 *   - A function that can fail returns 0, or a negative WEIR_ERROR_...; a count is not negative.
 *     weir_strerror() says what one means. What was asked for is then not done, and nothing is lost.
 *   - Sizes are bytes; times and ages are nanoseconds (_ns); shares are 0 to 1.
 *   - A struct that the caller fills starts from weir_..._config_default() or all zero; what is
 *     reserved stays zero. A struct that Weir fills is filled whole.
 *   - Thread safety is said of each group. Nothing here may be called in a signal handler, but
 *     weir_version() and weir_strerror().
 *   - errno is kept by every function.
 *   - After fork() the child may go on with every pool that it inherited. The library's own thread
 *     is gone there, and starts again as the pool's background setting says.
 */
#ifndef WEIR_H
#define WEIR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
/* Whatever -fvisibility says: these are the library's, not the program's. */
#pragma GCC visibility push(default)
#endif

/* Of this header. A library of the same major version and at least this minor one serves it. */
#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

/* The library's version, "0.1.0". Any thread, also in a signal handler. */
const char *weir_version(void);

enum weir_error {
	WEIR_OK = 0,
	WEIR_ERROR_INVALID = -1,    /* an argument or a setting is outside its bounds */
	WEIR_ERROR_TOO_LARGE = -2,  /* more than the pool's largest buffer */
	WEIR_ERROR_NO_MEMORY = -3,  /* neither the engine nor malloc has any, or a limit forbids it */
	WEIR_ERROR_NOT_FOUND = -4,  /* no buffer has that id: never handed out, or released already */
	WEIR_ERROR_BUSY = -5,	    /* in use by something that has to end first */
	WEIR_ERROR_AGAIN = -6,	    /* not now: whoever receives a batch asked for a retry */
	WEIR_ERROR_UNAVAILABLE = -7 /* this system does not offer it */
};

/* One line without a newline, never NULL. Any thread, also in a signal handler. */
const char *weir_strerror(int error);

/* --- pools ---------------------------------------------------------------------------------------
 *
 * A pool hands out buffers of min_buffer_bytes to max_buffer_bytes, each under an id, and keeps
 * those that come back for the next request. All functions of this group may be called by any
 * thread at any time, but for weir_pool_destroy(). A buffer's bytes belong to whoever holds its id;
 * the pool does not touch them before the release.
 */

struct weir_pool; /* opaque */

/* Names a buffer: of this process, for good. A released id never names another buffer (ids repeat
 * only after 2^44 requests of the process). 0 names none. */
typedef uint64_t weir_id;

/* Who does the work that comes due with time: pressure, collections, idle buffers. */
enum weir_background {
	WEIR_BACKGROUND_AUTO =
	    0, /* a request that finds it due; a thread as soon as the process has several */
	WEIR_BACKGROUND_ALWAYS = 1, /* one thread of the library for all pools, all signals blocked */
	WEIR_BACKGROUND_NEVER = 2   /* the program, by weir_pool_maintain() */
};

struct weir_pool_config {
	const char *name; /* in log lines and metrics; NULL: "pool". Up to 31 bytes are copied. */
	uint64_t
	    max_buffers;    /* in use and idle; 1 to 1,000,000. Past it a request gets a temporary buffer. */
	uint64_t max_bytes; /* capacity of the same, likewise; 0: no such bound */
	size_t min_buffer_bytes; /* smaller requests get so much; 1 to max_buffer_bytes */
	size_t max_buffer_bytes; /* larger requests are refused; up to 64 MiB */
	double growth_factor;	 /* how far a buffer that is resized is grown; 1.0 to 4.0 */
	double gc_threshold;	 /* use of max_buffers or max_bytes at which a collection runs; 0.1 to 1.0 */
	uint64_t max_idle_ns;	 /* a buffer that was idle for so long goes back to the engine; not 0 */
	uint64_t gc_interval_ns; /* a collection at least this often; not 0 */
	uint64_t monitor_interval_ns; /* pressure and leak risk are looked at this often; not 0 */
	int background;		      /* enum weir_background */
	int has_compression; /* not 0: pages of buffers held unused for max_idle_ns are offered to swap */
	int is_zeroing;	     /* not 0: a buffer is cleared when it is released */
	int reserved_int;
	/* The time, in ns; must not run backwards, and must not call the pool. NULL: weir_now_ns(). */
	uint64_t (*clock)(void *clock_context);
	void *clock_context;
	uint64_t reserved[8];
};

/* 50 buffers of 4 KiB to 1 MiB, no other bound; growth factor 1.5; collection at 80% use; idle time
 * 5 minutes; compression off; a collection every 30 s; monitoring every 10 s; WEIR_BACKGROUND_AUTO. */
struct weir_pool_config weir_pool_config_default(void);

/* The clock that pools use unless told otherwise: CLOCK_MONOTONIC_COARSE, a few ms fine. */
uint64_t weir_now_ns(void);

/*
 * Make a pool; config NULL: the default. *pool is the pool, or NULL where an error is returned.
 * WEIR_ERROR_INVALID: a setting is outside its bounds; the log (weir_set_log()) names it. WEIR_ERROR_NO_MEMORY.
 */
int weir_pool_create(struct weir_pool **pool, const struct weir_pool_config *config);

/*
 * Take a pool down, with every buffer that is still out: their memory must not be used any more.
 * Returns how many were out, which for a program that releases all is 0. No other thread may use
 * the pool meanwhile or afterwards. WEIR_ERROR_BUSY: a batcher stands on it, or one of its
 * callbacks is the caller; the pool is as it was. NULL: 0, nothing is done.
 */
int64_t weir_pool_destroy(struct weir_pool *pool);

struct weir_buffer {
	weir_id id;
	void *data;	 /* aligned to 64 bytes at least */
	size_t size;	 /* as asked for, at least the pool's smallest */
	size_t capacity; /* so much may be used without asking again */
};

/*
 * A buffer for size bytes (less than the smallest is rounded up to it). Idle buffers are reused, the
 * best fit first; then one is made; where the pool may have no more, it is a temporary one, which
 * counts in temporary_buffers and is freed at its release. Its bytes are whatever they were.
 * WEIR_ERROR_TOO_LARGE, WEIR_ERROR_NO_MEMORY; *buffer is then all zero.
 */
int weir_pool_allocate(struct weir_pool *pool, size_t size, struct weir_buffer *buffer);

/* The buffer comes back. WEIR_ERROR_NOT_FOUND: unknown, or released already; nothing is done but
 * that it is counted. */
int weir_pool_release(struct weir_pool *pool, weir_id id);

struct weir_buffer_info {
	weir_id id;
	void *data;
	size_t size;
	size_t capacity;
	int is_in_use; /* not 0: handed out. Idle buffers are seen in weir_pool_buffers() only; their id is 0. */
	int is_temporary;	/* not 0: past the pool's limits, freed at release */
	uint64_t created_ns;	/* when it came from the engine, in the pool's clock */
	uint64_t handed_out_ns; /* when it was handed out for the last time */
	uint64_t last_used_ns;	/* when it was last handed out, resized or looked up; idle: released */
	uint64_t use_count;	/* times handed out */
};

/* What is known of a buffer in use; counts as a use of it. WEIR_ERROR_NOT_FOUND: *info is all zero. */
int weir_pool_lookup(struct weir_pool *pool, weir_id id, struct weir_buffer_info *info);

/*
 * Make the buffer fit size bytes; 0: grow it by the growth factor. The id stays, the bytes up to the
 * smaller of both sizes stay, buffer->data may be another. A buffer that has to grow gets its
 * capacity times the growth factor, or size where that is more, up to the largest. One that needs
 * less than half of its capacity is made smaller. *buffer is what holds now, also where an error
 * other than WEIR_ERROR_NOT_FOUND is returned: then nothing has changed. WEIR_ERROR_TOO_LARGE,
 * WEIR_ERROR_NO_MEMORY, WEIR_ERROR_NOT_FOUND. While it runs, any other call with the id, by another
 * thread, is answered WEIR_ERROR_BUSY.
 */
int weir_pool_resize(struct weir_pool *pool, weir_id id, size_t size, struct weir_buffer *buffer);

/* A collection now: idle buffers older than max_idle_ns go back to the engine, and where use is over
 * the threshold or memory is scarce also those that recent demand does not explain. Returns how
 * many bytes left the pool. */
uint64_t weir_pool_collect(struct weir_pool *pool);

/* Every idle buffer goes back to the engine, and every idle page of the engine to the kernel.
 * Returns how many bytes left the pool. Slow: a system call for each stretch of memory. */
uint64_t weir_pool_clean_up(struct weir_pool *pool);

/*
 * Do what is due at now_ns (in the pool's clock; 0: ask that clock), for programs with a loop of
 * their own. Returns when to call again, in the same clock; an early call costs nothing.
 * Callbacks of the pool run in it.
 */
uint64_t weir_pool_maintain(struct weir_pool *pool, uint64_t now_ns);

/* --- monitoring ----------------------------------------------------------------------------------
 *
 * Any thread. Where a pool is asked for, NULL means the engine: the figures of all the process's
 * pools, and of malloc under Weir, as a dump has them.
 */

enum weir_risk_level { WEIR_RISK_LOW = 0, WEIR_RISK_MEDIUM = 1, WEIR_RISK_HIGH = 2 };

struct weir_pool_metrics {
	uint64_t total_allocated_bytes; /* capacity of the pool's buffers, in use and idle */
	uint64_t total_used_bytes;	/* of those in use */
	uint64_t buffer_count;		/* in use and idle, without the temporary ones */
	uint64_t buffers_in_use;
	double pool_utilization;  /* used of allocated; 0 where nothing is allocated */
	double limit_utilization; /* of max_buffers or max_bytes, whichever is fuller */
	uint64_t gc_count;	  /* collections */
	double memory_leak_risk;  /* 0 to 1: how likely; how bad is the level's */
	uint64_t average_buffer_size_bytes;
	double last_memory_pressure; /* 0 to 1, as of the last look */
	uint64_t allocations;	     /* requests served */
	double reuse_rate;	     /* of these, by an idle buffer of the pool */
	uint64_t temporary_buffers;  /* of these, past a limit */
	uint64_t temporary_in_use;   /* not released yet */
	uint64_t purged_bytes;	     /* that left the pool: idle, in collections */
	uint64_t resident_bytes;     /* upper bound: as if every page in use were touched */
	uint64_t errors;	     /* sum of weir_pool_errors() */
	/* The risk, explained. */
	int leak_risk_level;	      /* enum weir_risk_level */
	char leak_risk_reason[32];    /* INSUFFICIENT_DATA, MIXTURE_LEAK, NEVER_FREED, ... (weir-dump(5)) */
	double leak_risk_confidence;  /* 0 to 1 */
	double time_to_limit_seconds; /* at the present growth; negative: it does not grow */
	uint64_t reserved[8];
};

int weir_pool_metrics(struct weir_pool *pool, struct weir_pool_metrics *metrics);

/* Up to max buffers, those in use first, longest in use first. Returns how many there are in all;
 * infos may be NULL if max is 0. */
size_t weir_pool_buffers(struct weir_pool *pool, struct weir_buffer_info *infos, size_t max);

enum weir_severity { WEIR_SEVERITY_INFO = 0, WEIR_SEVERITY_WARNING = 1, WEIR_SEVERITY_CRITICAL = 2 };

struct weir_recommendation {
	char code[32];	/* stable, upper case */
	int severity;	/* enum weir_severity */
	char text[256]; /* one or two sentences with the figures behind them */
};

#define WEIR_RECOMMENDATIONS_MAX 8

/* What to do, gravest first; only what the facts support. Returns how many of max were filled. */
size_t weir_pool_recommendations(
    struct weir_pool *pool, struct weir_recommendation *recommendations, size_t max);

/* Every error that was survived, by kind, since the pool was made. */
struct weir_pool_errors {
	uint64_t too_large;	   /* requests for more than the largest buffer */
	uint64_t not_found;	   /* ids that name no buffer: unknown, or released twice */
	uint64_t no_memory;	   /* requests that got nothing */
	uint64_t engine_exhausted; /* requests that the engine had nothing for, and malloc served */
	uint64_t purges_refused;   /* the kernel did not take pages back */
	uint64_t pressure_unknown; /* looks at memory pressure that found no source */
	uint64_t thread_refused;   /* the background thread could not be started */
	uint64_t flushes_failed;   /* flush callbacks that asked for a retry */
	uint64_t tokens_refused;   /* tokens that a batch had no room for; the caller still has them */
	uint64_t reserved[7];
};

int weir_pool_errors(struct weir_pool *pool, struct weir_pool_errors *errors);

enum weir_pressure_level {
	WEIR_PRESSURE_NONE = 0,
	WEIR_PRESSURE_LOW = 1,	   /* value 0.70 and up */
	WEIR_PRESSURE_MEDIUM = 2,  /* 0.80: idle buffers go back early, batches flush early */
	WEIR_PRESSURE_CRITICAL = 3 /* 0.92: every idle buffer and page goes back */
};

struct weir_pressure {
	int level;	 /* enum weir_pressure_level */
	char source[16]; /* "psi", "cgroup", "cgroup_high", "available", "limit", or "none" */
	double value;	 /* 0 to 1, the same scale for every source */
	uint64_t used_bytes, limit_bytes;      /* what was compared with what */
	double psi_some_avg10, psi_full_avg10; /* share of the last 10 s in which some task, or all, waited */
	uint64_t reserved[4];
};

/* How scarce memory is now: a few small files of /proc and /sys are read, some 100 us.
 * WEIR_ERROR_UNAVAILABLE: none of them can be read; the level is then WEIR_PRESSURE_NONE. */
int weir_monitor_pressure(struct weir_pressure *pressure);

/* The level as of the pool's last look; one load. */
int weir_pool_pressure_level(const struct weir_pool *pool);

/*
 * Call callback when the level changes between two looks of the pool (every monitor_interval_ns),
 * after the pool has acted on it. It runs in whoever maintains the pool, holds no lock of the
 * library, and may use the pool in any way but to destroy it. NULL: nobody any more; a call that
 * has begun may still be running.
 */
typedef void (*weir_pressure_callback)(void *context, const struct weir_pressure *now, int level_before);
int weir_pool_on_pressure(struct weir_pool *pool, weir_pressure_callback callback, void *context);

/* --- health --------------------------------------------------------------------------------------
 * Any thread. pool NULL: the engine, as above. */

struct weir_health {
	uint64_t buffer_count;
	char total_memory_allocated[24]; /* "12.5 MiB" */
	char pool_utilization[16];	 /* "62.0%" */
	char memory_leak_risk[8];	 /* "LOW", "MEDIUM", "HIGH" */
	size_t recommendation_count;
	struct weir_recommendation recommendations[WEIR_RECOMMENDATIONS_MAX];
	uint64_t reserved[4];
};

int weir_health(struct weir_pool *pool, struct weir_health *health);

/* The same as one JSON object in UTF-8, recommendations as texts. As snprintf: at most size bytes are
 * written, the last of them zero (size 0: none, text may be NULL); returned is the whole length
 * without that zero. */
size_t weir_health_json(struct weir_pool *pool, char *text, size_t size);

/* --- events --------------------------------------------------------------------------------------
 *
 * What the library has to say goes to stderr as WEIR_LOG says (warnings by default), or to a callback.
 */

enum weir_log_level { WEIR_LOG_ERROR = 1, WEIR_LOG_WARN = 2, WEIR_LOG_INFO = 3, WEIR_LOG_DEBUG = 4 };

/* text: one line without a newline, valid during the call. It may be called by any thread, also under a
 * lock of the library: it must not call the library. */
typedef void (*weir_log_callback)(void *context, int level, const char *text);

/* For the process. Lines up to level go to callback instead of stderr; NULL: to stderr again. Not
 * while another thread is in weir_set_log(). */
void weir_set_log(weir_log_callback callback, void *context, int level);

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
 * batch begins at the time of the last such call before its first token (or before the full batch
 * that it follows), so a token waits no longer than max_age_ns and the time to the next call.
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
	int span_count;	 /* 1, unless an offer before was not wholly taken; WEIR_BATCH_SPANS_MAX at most */
	int reason;	 /* enum weir_flush_reason */
	size_t bytes;	 /* in all spans together */
	uint64_t tokens; /* in them; where a part was taken before, those of that part still count */
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
 * its first token. *stream is 0 where an error is returned: WEIR_ERROR_NO_MEMORY, also where there
 * are 2^20 streams already; WEIR_ERROR_BUSY, within weir_batcher_destroy(). */
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
	uint64_t streams;				     /* open */
	uint64_t buffers_held, buffer_bytes;		     /* of the pool */
	uint64_t pending_bytes;				     /* accepted, neither taken nor dropped yet */
	uint64_t tokens, bytes;				     /* accepted since it was made */
	uint64_t taken_bytes, dropped_bytes;		     /* of these */
	uint64_t flushes[16];				     /* offers, by enum weir_flush_reason */
	uint64_t flushes_refused;			     /* of these, not or not wholly taken */
	uint64_t tokens_refused_full, tokens_refused_memory; /* WEIR_ERROR_AGAIN, WEIR_ERROR_NO_MEMORY */
	uint64_t growths, shrinks;			     /* of buffers */
	uint64_t streams_abandoned;
	uint64_t reserved[8];
};

/* Of all streams together, which it walks. Where nobody is at work meanwhile, bytes is taken_bytes +
 * dropped_bytes + pending_bytes. */
int weir_batcher_metrics(struct weir_batcher *batcher, struct weir_batcher_metrics *metrics);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
