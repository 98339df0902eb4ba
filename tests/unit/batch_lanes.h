/*
 * batch_lanes.h -- for the tests of token batches: a batcher of four streams on a pool that watches its
 * user, and a callback that writes down what it sees and answers as the test says.
 */
#ifndef WEIR_TESTS_BATCH_LANES_H
#define WEIR_TESTS_BATCH_LANES_H

#include "run_suite.h"
#include "tests/common/checked_pool.h"

#define MS MILLISECOND
#define OFFERS_MAX 256
#define LANES 4

struct lane {
	weir_stream id;
	char text[8192];
	size_t length;
};

static struct weir_pool *pool;
static struct weir_batcher *batcher;
static struct lane lanes[LANES];

/* What the callback has seen, and how it is to answer. */
static struct {
	struct weir_batch last;
	const void *last_start;
	int reasons[OFFERS_MAX];
	size_t sizes[OFFERS_MAX];
	unsigned offers, closed;
	int64_t takes; /* at most so much of an offer; negative: an error */
	uint64_t dropped_bytes;
	bool was_in_pool;
	void (*within)(const struct weir_batch *batch); /* called in the callback, once */
} seen;

static int64_t flush(void *context, const struct weir_batch *batch)
{
	struct lane *lane = batch->stream_context;
	void (*within)(const struct weir_batch *) = seen.within;
	size_t bytes = 0, left;

	ck_assert_ptr_eq(context, &seen);
	ck_assert_int_ge(batch->span_count, 1);
	ck_assert_int_le(batch->span_count, WEIR_BATCH_SPANS_MAX);
	for (int i = 0; i < batch->span_count; i++)
		bytes += batch->spans[i].iov_len;
	ck_assert_uint_eq(bytes, batch->bytes);
	seen.last = *batch;
	seen.last_start = batch->spans[0].iov_base;
	seen.was_in_pool = checked_pool_has(pool, seen.last_start);
	seen.reasons[seen.offers % OFFERS_MAX] = batch->reason;
	seen.sizes[seen.offers++ % OFFERS_MAX] = bytes;
	seen.within = NULL;
	if (within != NULL)
		within(batch);
	if (seen.takes < 0)
		return seen.takes;
	bytes = MIN(bytes, (size_t)seen.takes);
	left = bytes;
	for (int i = 0; left != 0; i++) {
		size_t part = MIN(left, batch->spans[i].iov_len);

		ck_assert_uint_le(lane->length + part, sizeof(lane->text));
		memcpy(lane->text + lane->length, batch->spans[i].iov_base, part);
		lane->length += part;
		left -= part;
	}
	return (int64_t)bytes;
}

static inline void closed(void *context, void *stream_context, uint64_t dropped_bytes)
{
	ck_assert_ptr_eq(context, &seen);
	ck_assert_ptr_nonnull(stream_context);
	seen.closed++;
	seen.dropped_bytes += dropped_bytes;
}

/* No limit but the largest batch, and four streams. */
static inline struct weir_batcher_config plain(void)
{
	struct weir_batcher_config config = weir_batcher_config_default();

	config.flush = flush;
	config.closed = closed;
	config.context = &seen;
	config.max_tokens = 0;
	config.max_bytes = config.max_pending_bytes = 1024;
	config.first_bytes = 64;
	return config;
}

static inline void start(const struct weir_batcher_config *config)
{
	pool = checked_pool_start(64, 4096);
	memset(&seen, 0, sizeof(seen));
	seen.takes = INT64_MAX;
	memset(lanes, 0, sizeof(lanes));
	ck_assert_int_eq(weir_batcher_create(&batcher, pool, config), 0);
	for (int i = 0; i < LANES; i++)
		ck_assert_int_eq(weir_stream_open(batcher, &lanes[i], &lanes[i].id), 0);
}

static inline void start_plain(void)
{
	struct weir_batcher_config config = plain();

	start(&config);
}

/* Everything goes back, whatever the test did. */
static inline void stop(void)
{
	ck_assert_int_ge(weir_batcher_destroy(batcher), 0);
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_int_eq(pool->retained, 0);
}

static inline int add(int lane, const char *token)
{
	return weir_stream_add(batcher, lanes[lane].id, token, strlen(token));
}

static inline void add_all(int lane, const char *token, int times)
{
	for (int i = 0; i < times; i++)
		ck_assert_int_eq(add(lane, token), 0);
}

static inline struct weir_batcher_metrics metrics(void)
{
	struct weir_batcher_metrics m;

	ck_assert_int_eq(weir_batcher_metrics(batcher, &m), 0);
	ck_assert_uint_eq(m.bytes, m.taken_bytes + m.dropped_bytes + m.pending_bytes);
	return m;
}

#define ck_text(lane, text_)                                                                                 \
	do {                                                                                                 \
		ck_assert_uint_eq(lanes[lane].length, strlen(text_));                                        \
		ck_assert_mem_eq(lanes[lane].text, text_, strlen(text_));                                    \
	} while (0)

/* A token that no batch can hold. */
static char large[3000];

static inline void make_large(void)
{
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)('a' + i % 23);
}

#endif
