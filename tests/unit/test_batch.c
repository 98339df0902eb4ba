/*
 * test_batch.c -- token batches, point by point: limits, offers that are refused, closing,
 * re-entrancy, scarce memory. Time is an argument: nothing here waits.
 */
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

static void closed(void *context, void *stream_context, uint64_t dropped_bytes)
{
	ck_assert_ptr_eq(context, &seen);
	ck_assert_ptr_nonnull(stream_context);
	seen.closed++;
	seen.dropped_bytes += dropped_bytes;
}

/* No limit but the largest batch, and four streams. */
static struct weir_batcher_config plain(void)
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

static void start(const struct weir_batcher_config *config)
{
	pool = checked_pool_start(64, 4096);
	memset(&seen, 0, sizeof(seen));
	seen.takes = INT64_MAX;
	memset(lanes, 0, sizeof(lanes));
	ck_assert_int_eq(weir_batcher_create(&batcher, pool, config), 0);
	for (int i = 0; i < LANES; i++)
		ck_assert_int_eq(weir_stream_open(batcher, &lanes[i], &lanes[i].id), 0);
}

static void start_plain(void)
{
	struct weir_batcher_config config = plain();

	start(&config);
}

/* Everything goes back, whatever the test did. */
static void stop(void)
{
	ck_assert_int_ge(weir_batcher_destroy(batcher), 0);
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_int_eq(pool->retained, 0);
}

static int add(int lane, const char *token)
{
	return weir_stream_add(batcher, lanes[lane].id, token, strlen(token));
}

static void add_all(int lane, const char *token, int times)
{
	for (int i = 0; i < times; i++)
		ck_assert_int_eq(add(lane, token), 0);
}

static struct weir_batcher_metrics metrics(void)
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

/* --- limits ---------------------------------------------------------------------- */

START_TEST(the_default_config_is_what_the_header_says)
{
	struct weir_batcher_config config = weir_batcher_config_default();

	ck_assert_uint_eq(config.max_tokens, 64);
	ck_assert_uint_eq(config.max_bytes, 65536);
	ck_assert_uint_eq(config.first_bytes, 4096);
	ck_assert_uint_eq(config.max_pending_bytes, 65536);
	ck_assert_uint_eq(config.max_age_ns, 20 * MS);
	ck_assert_uint_eq(config.retry_ns, 10 * MS);
	ck_assert_uint_eq(config.max_idle_ns, 5 * MINUTE);
	ck_assert_ptr_null(config.flush);
}
END_TEST

START_TEST(a_config_out_of_bounds_makes_no_batcher)
{
	struct weir_batcher *none = (void *)&seen;
	struct weir_batcher_config wrong[7];

	pool = checked_pool_start(64, 4096);
	for (int i = 0; i < 7; i++)
		wrong[i] = plain();
	wrong[0].flush = NULL;
	wrong[1].max_bytes = 4097;
	wrong[2].first_bytes = 1025;
	wrong[3].max_pending_bytes = 1023;
	wrong[4].retry_ns = 0;
	wrong[5].first_bytes = 0;
	wrong[6].reserved[7] = 1;
	for (int i = 0; i < 7; i++) {
		ck_assert_int_eq(weir_batcher_create(&none, pool, &wrong[i]), WEIR_ERROR_INVALID);
		ck_assert_ptr_null(none);
	}
	ck_assert_int_eq(pool->retained, 0);
}
END_TEST

START_TEST(a_batch_goes_out_when_it_has_its_count)
{
	struct weir_batcher_config config = plain();

	config.max_tokens = 3;
	start(&config);
	add_all(0, "ab", 2);
	ck_assert_uint_eq(seen.offers, 0);
	add_all(0, "ab", 1);
	ck_assert_uint_eq(seen.offers, 1);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_COUNT);
	ck_assert_uint_eq(seen.last.tokens, 3);
	ck_text(0, "ababab");
	add_all(0, "c", 7);
	ck_assert_uint_eq(seen.offers, 3);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 1);
	stop();
	ck_text(0, "abababccccccc");
}
END_TEST

START_TEST(a_batch_goes_out_when_it_has_its_bytes)
{
	char token[512];

	start_plain();
	memset(token, 'x', sizeof(token));
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 500), 0);
	ck_assert_uint_eq(seen.offers, 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 512), 0);
	ck_assert_uint_eq(seen.offers, 0);
	/* 1,012 and 13 would be one too many: what was there goes first, whole. */
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 13), 0);
	ck_assert_uint_eq(seen.offers, 1);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_BYTES);
	ck_assert_uint_eq(seen.last.bytes, 1012);
	ck_assert_uint_eq(seen.last.tokens, 2);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 13);
	/* To the last byte of the limit: it goes with it. */
	ck_assert_int_eq(weir_stream_add(batcher, lanes[1].id, token, 512), 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[1].id, token, 512), 0);
	ck_assert_uint_eq(seen.offers, 2);
	ck_assert_uint_eq(seen.last.bytes, 1024);
	stop();
}
END_TEST

START_TEST(a_batch_goes_out_at_its_age_and_not_before)
{
	start_plain();
	weir_batcher_maintain(batcher, 1000 * MS);
	add_all(0, "first", 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 1010 * MS), 1020 * MS);
	add_all(0, " second", 1);
	add_all(1, "other", 1);
	weir_batcher_maintain(batcher, 1020 * MS - 1);
	ck_assert_uint_eq(seen.offers, 0);
	ck_assert_uint_eq(weir_batcher_next_ns(batcher), 1020 * MS);
	/* The first token's age counts; the other stream's is younger. */
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 1020 * MS), 1030 * MS);
	ck_assert_uint_eq(seen.offers, 1);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_AGE);
	ck_text(0, "first second");
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 1030 * MS), UINT64_MAX);
	ck_text(1, "other");
	stop();
}
END_TEST

/* Among many streams some share a queue. */
START_TEST(what_is_due_does_not_take_along_what_is_not)
{
	static struct lane many[64];

	start_plain();
	memset(many, 0, sizeof(many));
	for (int i = 0; i < 64; i++) {
		ck_assert_int_eq(weir_stream_open(batcher, &many[i], &many[i].id), 0);
		weir_batcher_maintain(batcher, (uint64_t)i * MS / 4);
		ck_assert_int_eq(weir_stream_add(batcher, many[i].id, "x", 1), 0);
	}
	for (unsigned i = 0; i < 64; i++) {
		weir_batcher_maintain(batcher, 20 * MS + i * MS / 4);
		ck_assert_uint_eq(seen.offers, i + 1);
		ck_assert_uint_eq(many[i].length, 1);
	}
	stop();
}
END_TEST

START_TEST(time_that_goes_back_counts_as_the_latest)
{
	start_plain();
	weir_batcher_maintain(batcher, 1000 * MS);
	add_all(0, "x", 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 5 * MS), 1020 * MS);
	add_all(1, "y", 1);
	ck_assert_uint_eq(weir_batcher_next_ns(batcher), 1020 * MS);
	weir_batcher_maintain(batcher, 1020 * MS);
	ck_assert_uint_eq(seen.offers, 2);
	stop();
}
END_TEST

START_TEST(a_flush_hands_out_one_span_of_the_pools_memory)
{
	start_plain();
	add_all(0, "hello ", 100);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_DEMAND);
	ck_assert_int_eq(seen.last.span_count, 1);
	ck_assert_uint_eq(seen.last.bytes, 600);
	ck_assert(seen.was_in_pool);
	/* Nothing left, nothing offered. */
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(seen.offers, 1);
	stop();
}
END_TEST

START_TEST(a_buffer_grows_by_the_growth_factor_up_to_the_largest_batch)
{
	static const size_t steps[] = {64, 96, 144, 216, 324, 486, 729, 1024};
	size_t step = 0;

	start_plain();
	for (int i = 0; i < 1023; i++) {
		add_all(0, "x", 1);
		if (metrics().buffer_bytes != steps[step])
			step++;
		ck_need(metrics().buffer_bytes == steps[step]);
		ck_need(metrics().buffers_held == 1);
	}
	ck_assert_uint_eq(step, ARRAY_LENGTH(steps) - 1);
	ck_assert_uint_eq(metrics().growths, ARRAY_LENGTH(steps) - 1);
	ck_assert_uint_eq(seen.offers, 0);
	add_all(0, "x", 1);
	ck_assert_uint_eq(seen.last.bytes, 1024);
	ck_assert_uint_eq(pool->largest, 1024);
	stop();
}
END_TEST

START_TEST(a_flush_gives_the_buffer_back)
{
	start_plain();
	add_all(0, "x", 1);
	add_all(1, "y", 1);
	ck_assert_uint_eq(pool->out, 2);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(pool->out, 1);
	weir_batcher_maintain(batcher, 20 * MS);
	ck_assert_uint_eq(pool->out, 0);
	stop();
}
END_TEST

START_TEST(a_full_batch_keeps_its_buffer_for_the_next_until_none_comes)
{
	struct weir_batcher_config config = plain();
	uint64_t requests;

	config.max_tokens = 2;
	start(&config);
	add_all(0, "x", 2);
	ck_assert_uint_eq(pool->out, 1);
	requests = pool->requests;
	add_all(0, "x", 100);
	ck_assert_uint_eq(pool->requests, requests);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 19 * MS), 20 * MS);
	ck_assert_uint_eq(pool->out, 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 20 * MS), UINT64_MAX);
	ck_assert_uint_eq(pool->out, 0);
	stop();
}
END_TEST

/* --- large tokens ------------------------------------------------------------------ */

static char large[3000];

static void make_large(void)
{
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)('a' + i % 23);
}

START_TEST(a_large_token_goes_out_alone_uncopied_behind_what_was_there)
{
	start_plain();
	make_large();
	add_all(0, "before", 1);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), 0);
	ck_assert_uint_eq(seen.offers, 2);
	ck_assert_int_eq(seen.reasons[0], WEIR_FLUSH_BYTES);
	ck_assert_int_eq(seen.reasons[1], WEIR_FLUSH_LARGE);
	ck_assert_ptr_eq(seen.last_start, large);
	ck_assert_uint_eq(seen.last.tokens, 1);
	ck_assert_uint_eq(lanes[0].length, 3006);
	ck_assert_mem_eq(lanes[0].text + 6, large, sizeof(large));
	ck_assert_uint_eq(metrics().tokens, 2);
	stop();
}
END_TEST

START_TEST(what_a_callback_leaves_of_a_large_token_is_kept)
{
	start_plain();
	make_large();
	seen.takes = 1000;
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), 0);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 2000);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, sizeof(large));
	ck_assert_mem_eq(lanes[0].text, large, sizeof(large));
	stop();
}
END_TEST

START_TEST(a_large_token_of_which_nothing_is_taken_stays_with_the_caller)
{
	start_plain();
	make_large();
	seen.takes = -11;
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), WEIR_ERROR_AGAIN);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 0);
	/* What was before it is not taken: it is not even offered. */
	add_all(0, "before", 1);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_BYTES);
	seen.takes = INT64_MAX;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_text(0, "before");
	ck_assert_uint_eq(metrics().tokens_refused_full, 2);
	stop();
}
END_TEST

/* --- offers that are refused ---------------------------------------------------------- */

START_TEST(what_is_not_taken_comes_again_first_and_only_once)
{
	start_plain();
	add_all(0, "0123456789", 1);
	seen.takes = 4;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	add_all(0, "abcdef", 1);
	seen.takes = 0;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	seen.takes = 8;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	ck_text(0, "0123456789ab");
	seen.takes = INT64_MAX;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_text(0, "0123456789abcdef");
	ck_assert_uint_eq(metrics().flushes_refused, 3);
	ck_assert_uint_eq(pool->errors[POOL_ERROR_FLUSH_FAILED], 3);
	stop();
}
END_TEST

START_TEST(a_refused_offer_is_repeated_after_its_time)
{
	start_plain();
	weir_batcher_maintain(batcher, 100 * MS);
	add_all(0, "x", 1);
	seen.takes = -1;
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 120 * MS), 130 * MS);
	ck_assert_uint_eq(seen.offers, 1);
	add_all(0, "y", 1);
	weir_batcher_maintain(batcher, 130 * MS - 1);
	ck_assert_uint_eq(seen.offers, 1);
	seen.takes = INT64_MAX;
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 130 * MS), UINT64_MAX);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_RETRY);
	ck_text(0, "xy");
	stop();
}
END_TEST

START_TEST(after_a_refusal_no_limit_brings_about_an_offer)
{
	struct weir_batcher_config config = plain();

	config.max_tokens = 2;
	start(&config);
	seen.takes = 0;
	add_all(0, "a", 2);
	ck_assert_uint_eq(seen.offers, 1);
	add_all(0, "b", 1000);
	ck_assert_uint_eq(seen.offers, 1);
	seen.takes = INT64_MAX;
	weir_batcher_maintain(batcher, 10 * MS);
	ck_assert_uint_eq(lanes[0].length, 1002);
	add_all(0, "c", 2);
	ck_assert_uint_eq(lanes[0].length, 1004);
	stop();
}
END_TEST

START_TEST(a_full_backlog_refuses_tokens_and_keeps_nothing_of_them)
{
	struct weir_batcher_config config = plain();
	char token[100];

	config.max_pending_bytes = 2048;
	start(&config);
	memset(token, 't', sizeof(token));
	seen.takes = 0;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 100), 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 49), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 48), 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 1), WEIR_ERROR_AGAIN);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 2048);
	ck_assert_uint_le(metrics().buffer_bytes, 2048 + 1024);
	ck_assert_uint_le(pool->largest, 1024);
	ck_assert_uint_eq(metrics().tokens_refused_full, 2);
	ck_assert_uint_eq(pool->errors[POOL_ERROR_TOKEN_REFUSED], 2);
	/* Others are not concerned. */
	seen.takes = INT64_MAX;
	add_all(1, "fine", 1);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[1].id), 0);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, 2048);
	ck_assert_int_gt(seen.last.span_count, 1);
	stop();
}
END_TEST

/* --- within the callback -------------------------------------------------------------- */

static void add_to_other(const struct weir_batch *batch)
{
	(void)batch;
	add_all(1, "elsewhere", 1);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[1].id), 0);
}

START_TEST(a_callback_may_use_other_streams)
{
	start_plain();
	add_all(0, "here", 1);
	seen.within = add_to_other;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_text(0, "here");
	ck_text(1, "elsewhere");
	stop();
}
END_TEST

static void add_to_itself(const struct weir_batch *batch)
{
	const char *start_of = batch->spans[0].iov_base;

	ck_assert_int_eq(weir_stream_flush(batcher, batch->stream), WEIR_ERROR_BUSY);
	add_all(0, "later ", 100);
	/* What is offered stays as it is. */
	ck_assert_mem_eq(start_of, "now ", 4);
	ck_assert_uint_eq(weir_stream_pending(batcher, batch->stream), 604);
}

START_TEST(tokens_that_a_callback_adds_to_its_own_stream_come_after_it)
{
	start_plain();
	add_all(0, "now ", 1);
	seen.within = add_to_itself;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_text(0, "now ");
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 600);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, 604);
	stop();
}
END_TEST

START_TEST(tokens_added_while_an_offer_fails_come_after_what_it_left)
{
	start_plain();
	add_all(0, "now ", 1);
	seen.within = add_to_itself;
	seen.takes = 1;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	seen.takes = INT64_MAX;
	weir_batcher_maintain(batcher, 10 * MS);
	ck_assert_uint_eq(lanes[0].length, 604);
	ck_assert_mem_eq(lanes[0].text, "now later later ", 16);
	stop();
}
END_TEST

static void add_later(const struct weir_batch *batch)
{
	(void)batch;
	add_all(0, "later", 1);
}

START_TEST(tokens_added_while_a_large_one_is_offered_come_after_its_rest)
{
	start_plain();
	make_large();
	seen.within = add_later;
	seen.takes = 1000;
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), 0);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 2005);
	seen.takes = INT64_MAX;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, 3005);
	ck_assert_mem_eq(lanes[0].text, large, sizeof(large));
	ck_assert_mem_eq(lanes[0].text + 3000, "later", 5);
	stop();
}
END_TEST

static void discard_itself(const struct weir_batch *batch)
{
	ck_assert_int_eq(weir_stream_close(batcher, batch->stream, WEIR_CLOSE_DISCARD), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(add(0, "x"), WEIR_ERROR_NOT_FOUND);
	ck_assert_uint_eq(seen.closed, 0);
}

START_TEST(a_callback_may_close_its_own_stream_and_what_it_took_counts)
{
	start_plain();
	add_all(0, "0123456789", 1);
	seen.within = discard_itself;
	seen.takes = 4;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_uint_eq(seen.dropped_bytes, 6);
	ck_text(0, "0123");
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_NOT_FOUND);
	ck_assert_uint_eq(metrics().streams, LANES - 1);
	ck_assert_uint_eq(pool->out, 0);
	stop();
}
END_TEST

static void destroy_all(const struct weir_batch *batch)
{
	(void)batch;
	ck_assert_int_eq(weir_batcher_destroy(batcher), WEIR_ERROR_BUSY);
}

START_TEST(a_callback_cannot_destroy_its_batcher)
{
	start_plain();
	add_all(0, "x", 1);
	seen.within = destroy_all;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	add_all(0, "y", 1);
	stop();
	ck_text(0, "xy");
}
END_TEST

/* --- closing -------------------------------------------------------------------------- */

START_TEST(a_stream_that_is_closed_drains_first)
{
	start_plain();
	add_all(0, "rest", 1);
	ck_assert_int_eq(weir_stream_close(batcher, lanes[0].id, WEIR_CLOSE_DRAIN), 0);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_CLOSE);
	ck_text(0, "rest");
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_uint_eq(seen.dropped_bytes, 0);
	stop();
}
END_TEST

START_TEST(a_stream_whose_rest_is_refused_closes_when_it_is_taken)
{
	start_plain();
	add_all(0, "rest", 1);
	seen.takes = 1;
	ck_assert_int_eq(weir_stream_close(batcher, lanes[0].id, WEIR_CLOSE_DRAIN), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(add(0, "more"), WEIR_ERROR_NOT_FOUND);
	ck_assert_uint_eq(seen.closed, 0);
	seen.takes = INT64_MAX;
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 10 * MS), UINT64_MAX);
	ck_assert_uint_eq(seen.closed, 1);
	ck_text(0, "rest");
	stop();
}
END_TEST

START_TEST(a_stream_that_is_discarded_drops_what_it_holds_and_says_so)
{
	start_plain();
	add_all(0, "12345", 2);
	ck_assert_int_eq(weir_stream_close(batcher, lanes[0].id, WEIR_CLOSE_DISCARD), 0);
	ck_assert_uint_eq(seen.offers, 0);
	ck_assert_uint_eq(seen.dropped_bytes, 10);
	ck_assert_uint_eq(metrics().dropped_bytes, 10);
	ck_assert_uint_eq(metrics().tokens, 2);
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_int_eq(weir_stream_close(batcher, lanes[0].id, WEIR_CLOSE_DISCARD), WEIR_ERROR_NOT_FOUND);
	ck_assert_int_eq(weir_stream_close(batcher, lanes[1].id, 2), WEIR_ERROR_INVALID);
	stop();
}
END_TEST

START_TEST(the_id_of_a_closed_stream_names_no_other)
{
	weir_stream stale, other = 0;

	start_plain();
	stale = lanes[0].id;
	ck_assert_int_eq(weir_stream_close(batcher, stale, WEIR_CLOSE_DISCARD), 0);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(weir_stream_open(batcher, &lanes[0], &other), 0);
		ck_need(other != stale && other != 0);
		ck_need(weir_stream_add(batcher, stale, "x", 1) == WEIR_ERROR_NOT_FOUND);
		ck_need(weir_stream_add(batcher, other, "x", 1) == 0);
		/* Now that there is room for more in its place, too. */
		ck_need(weir_stream_add(batcher, stale, "x", 1) == WEIR_ERROR_NOT_FOUND);
		ck_need(weir_stream_pending(batcher, other) == 1);
		ck_need(weir_stream_flush(batcher, stale) == WEIR_ERROR_NOT_FOUND);
		ck_need(weir_stream_pending(batcher, stale) == 0);
		ck_assert_int_eq(weir_stream_close(batcher, other, WEIR_CLOSE_DRAIN), 0);
	}
	ck_assert_int_eq(weir_stream_add(batcher, 0, "x", 1), WEIR_ERROR_NOT_FOUND);
	ck_assert_int_eq(weir_stream_add(batcher, UINT64_MAX, "x", 1), WEIR_ERROR_NOT_FOUND);
	ck_assert_int_eq(weir_stream_flush(batcher, 0), WEIR_ERROR_NOT_FOUND);
	stop();
}
END_TEST

START_TEST(destroying_a_batcher_offers_all_once_and_says_what_was_dropped)
{
	start_plain();
	add_all(0, "taken", 1);
	add_all(1, "not", 1);
	seen.takes = 3;
	ck_assert_int_eq(weir_batcher_destroy(batcher), 2);
	ck_assert_uint_eq(seen.offers, 2);
	ck_assert_uint_eq(seen.closed, LANES);
	ck_assert_uint_eq(seen.dropped_bytes, 2);
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_int_eq(pool->retained, 0);
	ck_assert_int_eq(weir_batcher_destroy(NULL), 0);
}
END_TEST

/* --- streams that were left ------------------------------------------------------------- */

START_TEST(an_abandoned_stream_is_offered_once_more_dropped_and_closed)
{
	uint64_t now = 0;

	start_plain();
	add_all(0, "nobody takes it", 1);
	seen.takes = 0;
	for (; now < 5 * MINUTE; now += SECOND)
		weir_batcher_maintain(batcher, now);
	ck_assert_uint_eq(seen.closed, 0);
	ck_assert_uint_eq(pool->out, 1);
	weir_batcher_maintain(batcher, now + SECOND);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_ABANDONED);
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_uint_eq(seen.dropped_bytes, 15);
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_uint_eq(metrics().streams_abandoned, 1);
	ck_assert_int_eq(add(0, "x"), WEIR_ERROR_NOT_FOUND);
	stop();
}
END_TEST

START_TEST(a_stream_that_is_still_added_to_is_not_abandoned)
{
	start_plain();
	seen.takes = 0;
	for (uint64_t now = 0; now < 20 * MINUTE; now += 4 * MINUTE) {
		weir_batcher_maintain(batcher, now);
		add_all(0, "x", 1);
		weir_batcher_maintain(batcher, now + 20 * MS);
	}
	ck_assert_uint_eq(seen.closed, 0);
	stop();
}
END_TEST

START_TEST(a_batch_without_an_age_limit_goes_out_when_it_was_left_and_the_stream_stays)
{
	struct weir_batcher_config config = plain();

	config.max_age_ns = 0;
	start(&config);
	add_all(0, "left", 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, MINUTE), 5 * MINUTE);
	ck_assert_uint_eq(seen.offers, 0);
	weir_batcher_maintain(batcher, 5 * MINUTE);
	ck_text(0, "left");
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_uint_eq(seen.closed, 0);
	add_all(0, "x", 1);
	stop();
}
END_TEST

/* --- scarce memory -------------------------------------------------------------------- */

START_TEST(under_medium_pressure_batches_go_out_earlier_and_fill_half)
{
	start_plain();
	pool->pressure = WEIR_PRESSURE_MEDIUM;
	weir_batcher_maintain(batcher, 0);
	add_all(0, "x", 511);
	ck_assert_uint_eq(seen.offers, 0);
	add_all(0, "x", 1);
	ck_assert_uint_eq(seen.sizes[0], 512);
	ck_assert_uint_le(pool->largest, 512);
	add_all(0, "y", 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 4 * MS), 5 * MS);
	weir_batcher_maintain(batcher, 5 * MS);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_PRESSURE);
	ck_assert_uint_eq(pool->out, 0);
	/* A token that is larger than that is still gathered, if one batch can hold it. */
	make_large();
	ck_assert_int_eq(weir_stream_add(batcher, lanes[1].id, large, 1000), 0);
	ck_assert_uint_eq(seen.last.bytes, 1000);
	ck_assert(seen.was_in_pool);
	stop();
}
END_TEST

START_TEST(under_critical_pressure_everything_goes_out_and_little_is_filled)
{
	start_plain();
	add_all(0, "x", 700);
	add_all(1, "y", 10);
	pool->pressure = WEIR_PRESSURE_CRITICAL;
	weir_batcher_maintain(batcher, 1);
	ck_assert_uint_eq(seen.offers, 2);
	ck_assert_uint_eq(pool->out, 0);
	add_all(0, "z", 64);
	ck_assert_uint_eq(seen.last.bytes, 64);
	ck_assert_uint_eq(pool->out, 0);
	/* And when it has passed all is as before. */
	pool->pressure = WEIR_PRESSURE_NONE;
	weir_batcher_maintain(batcher, 2);
	add_all(0, "z", 1023);
	ck_assert_uint_eq(seen.offers, 3);
	stop();
}
END_TEST

START_TEST(under_pressure_what_cannot_go_out_moves_into_smaller_buffers)
{
	start_plain();
	add_all(0, "x", 1000);
	seen.takes = 900;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	seen.takes = 0;
	ck_assert_uint_eq(pool->out_bytes, 1024);
	pool->pressure = WEIR_PRESSURE_CRITICAL;
	weir_batcher_maintain(batcher, 1);
	ck_assert_uint_eq(pool->out_bytes, 100);
	ck_assert_uint_eq(metrics().shrinks, 1);
	seen.takes = INT64_MAX;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, 1000);
	stop();
}
END_TEST

START_TEST(without_memory_a_token_is_refused_whole_and_what_is_held_goes_out_first)
{
	char token[100] = "tok";

	start_plain();
	pool->is_failing = true;
	ck_assert_int_eq(add(0, "x"), WEIR_ERROR_NO_MEMORY);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 0);
	pool->is_failing = false;
	add_all(0, "held", 1);
	pool->is_failing = true;
	/* The buffer of 64 cannot grow. What is in it is offered, and still there is no room. */
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 100), WEIR_ERROR_NO_MEMORY);
	ck_text(0, "held");
	/* But for what fits into it there is. */
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 60), 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 60), 0);
	ck_assert_uint_eq(metrics().tokens_refused_memory, 2);
	ck_assert_uint_ge(pool->failed, 3);
	stop();
	ck_assert_uint_eq(lanes[0].length, 124);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, the_default_config_is_what_the_header_says);
	tcase_add_test(tests, a_config_out_of_bounds_makes_no_batcher);
	tcase_add_test(tests, a_batch_goes_out_when_it_has_its_count);
	tcase_add_test(tests, a_batch_goes_out_when_it_has_its_bytes);
	tcase_add_test(tests, a_batch_goes_out_at_its_age_and_not_before);
	tcase_add_test(tests, what_is_due_does_not_take_along_what_is_not);
	tcase_add_test(tests, time_that_goes_back_counts_as_the_latest);
	tcase_add_test(tests, a_flush_hands_out_one_span_of_the_pools_memory);
	tcase_add_test(tests, a_buffer_grows_by_the_growth_factor_up_to_the_largest_batch);
	tcase_add_test(tests, a_flush_gives_the_buffer_back);
	tcase_add_test(tests, a_full_batch_keeps_its_buffer_for_the_next_until_none_comes);
	tcase_add_test(tests, a_large_token_goes_out_alone_uncopied_behind_what_was_there);
	tcase_add_test(tests, what_a_callback_leaves_of_a_large_token_is_kept);
	tcase_add_test(tests, a_large_token_of_which_nothing_is_taken_stays_with_the_caller);
	tcase_add_test(tests, what_is_not_taken_comes_again_first_and_only_once);
	tcase_add_test(tests, a_refused_offer_is_repeated_after_its_time);
	tcase_add_test(tests, after_a_refusal_no_limit_brings_about_an_offer);
	tcase_add_test(tests, a_full_backlog_refuses_tokens_and_keeps_nothing_of_them);
	tcase_add_test(tests, a_callback_may_use_other_streams);
	tcase_add_test(tests, tokens_that_a_callback_adds_to_its_own_stream_come_after_it);
	tcase_add_test(tests, tokens_added_while_an_offer_fails_come_after_what_it_left);
	tcase_add_test(tests, tokens_added_while_a_large_one_is_offered_come_after_its_rest);
	tcase_add_test(tests, a_callback_may_close_its_own_stream_and_what_it_took_counts);
	tcase_add_test(tests, a_callback_cannot_destroy_its_batcher);
	tcase_add_test(tests, a_stream_that_is_closed_drains_first);
	tcase_add_test(tests, a_stream_whose_rest_is_refused_closes_when_it_is_taken);
	tcase_add_test(tests, a_stream_that_is_discarded_drops_what_it_holds_and_says_so);
	tcase_add_test(tests, the_id_of_a_closed_stream_names_no_other);
	tcase_add_test(tests, destroying_a_batcher_offers_all_once_and_says_what_was_dropped);
	tcase_add_test(tests, an_abandoned_stream_is_offered_once_more_dropped_and_closed);
	tcase_add_test(tests, a_stream_that_is_still_added_to_is_not_abandoned);
	tcase_add_test(tests, a_batch_without_an_age_limit_goes_out_when_it_was_left_and_the_stream_stays);
	tcase_add_test(tests, under_medium_pressure_batches_go_out_earlier_and_fill_half);
	tcase_add_test(tests, under_critical_pressure_everything_goes_out_and_little_is_filled);
	tcase_add_test(tests, under_pressure_what_cannot_go_out_moves_into_smaller_buffers);
	tcase_add_test(tests, without_memory_a_token_is_refused_whole_and_what_is_held_goes_out_first);
}

int main(void)
{
	return run_suite("batch", add_tests);
}
