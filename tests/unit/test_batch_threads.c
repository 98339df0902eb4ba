/*
 * test_batch_threads.c -- token batches under threads: each has streams of its own and all share one,
 * while another maintains and flushes what it likes. Nothing is timed: each thread has so much to do.
 */
#include <stdio.h>

#include "run_suite.h"
#include "tests/common/checked_pool.h"

#define THREADS 4
#define OWN 8
#define TOKENS 40000
#define SHARED (THREADS * OWN)
#define LANES (SHARED + 1)

/* A token is 8 bytes: who added it, and its number among those of that thread on that stream. */
struct token {
	uint32_t thread, number;
};

struct lane {
	weir_stream id;
	_Atomic int callers; /* never two */
	uint32_t next[THREADS];
	uint64_t seen, offers;
	char partial[sizeof(struct token)];
	size_t partial_bytes;
};

static struct weir_pool *pool;
static struct weir_batcher *batcher;
static struct lane lanes[LANES];
static _Atomic uint32_t faults, is_over;
static _Atomic uint64_t now_ns;

/* Bytes come cut anywhere; whole tokens are checked. */
static void receive(struct lane *lane, const char *bytes, size_t length)
{
	while (length > 0) {
		size_t part = MIN(length, sizeof(lane->partial) - lane->partial_bytes);
		struct token token;

		memcpy(lane->partial + lane->partial_bytes, bytes, part);
		lane->partial_bytes += part;
		bytes += part;
		length -= part;
		if (lane->partial_bytes < sizeof(lane->partial))
			return;
		lane->partial_bytes = 0;
		memcpy(&token, lane->partial, sizeof(token));
		if (token.thread >= THREADS || token.number != lane->next[token.thread])
			faults++;
		else
			lane->next[token.thread]++;
		lane->seen++;
	}
}

static int64_t flush(void *context, const struct weir_batch *batch)
{
	struct lane *lane = batch->stream_context;
	/* Of every seventh offer nothing is taken, of every fifth a part. */
	uint64_t turn = lane->offers++;
	size_t takes = turn % 7 == 0 ? 0 : turn % 5 == 0 ? batch->bytes / 2 : batch->bytes, left = takes;

	(void)context;
	if (atomic_load(&is_over))
		left = takes = batch->bytes;
	if (atomic_fetch_add(&lane->callers, 1) != 0)
		faults++;
	for (int i = 0; left > 0; i++) {
		size_t part = MIN(left, batch->spans[i].iov_len);

		receive(lane, batch->spans[i].iov_base, part);
		left -= part;
	}
	atomic_fetch_sub(&lane->callers, 1);
	return (int64_t)takes;
}

static void add(struct lane *lane, struct token token)
{
	int r;

	while ((r = weir_stream_add(batcher, lane->id, &token, sizeof(token))) != 0) {
		if (r != WEIR_ERROR_AGAIN)
			faults++;
		weir_stream_flush(batcher, lane->id);
	}
}

static void *produce(void *argument)
{
	uint32_t thread = (uint32_t)(uintptr_t)argument, numbers[OWN] = {0};

	for (uint32_t i = 0; i < TOKENS; i++) {
		unsigned which = i * 7 % OWN;

		add(&lanes[thread * OWN + which], (struct token){thread, numbers[which]++});
		if (i % 4 == 0)
			add(&lanes[SHARED], (struct token){thread, i / 4});
		if (i % 100 == 0) {
			weir_stream id;

			if (weir_stream_open(batcher, &lanes[0], &id) != 0 ||
			    weir_stream_close(batcher, id, WEIR_CLOSE_DRAIN) != 0)
				faults++;
		}
	}
	return NULL;
}

static void *maintain(void *unused)
{
	struct weir_batcher_metrics metrics;

	for (unsigned i = 0; !atomic_load(&is_over); i++) {
		weir_batcher_maintain(batcher, now_ns += MILLISECOND);
		weir_stream_flush(batcher, lanes[i % LANES].id);
		if (i % 64 == 0)
			weir_batcher_metrics(batcher, &metrics);
		if (i % 256 == 0)
			__atomic_store_n(&pool->pressure, (int)(i / 256 % 4), __ATOMIC_RELAXED);
	}
	return unused;
}

START_TEST(threads_on_shared_and_separate_streams_lose_and_repeat_nothing)
{
	struct weir_batcher_config config = weir_batcher_config_default();
	struct weir_batcher_metrics metrics;
	pthread_t producers[THREADS], maintainer;

	pool = checked_pool_start(64, 4096);
	config.flush = flush;
	config.max_tokens = 20;
	config.max_bytes = 1024;
	config.first_bytes = 64;
	config.max_pending_bytes = 4096;
	config.max_age_ns = 3 * MILLISECOND;
	config.retry_ns = 2 * MILLISECOND;
	ck_assert_int_eq(weir_batcher_create(&batcher, pool, &config), 0);
	for (int i = 0; i < LANES; i++)
		ck_assert_int_eq(weir_stream_open(batcher, &lanes[i], &lanes[i].id), 0);
	pthread_create(&maintainer, NULL, maintain, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&producers[i], NULL, produce, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(producers[i], NULL);
	atomic_store(&is_over, 1);
	pthread_join(maintainer, NULL);
	for (int i = 0; i < LANES; i++)
		ck_assert_int_eq(weir_stream_flush(batcher, lanes[i].id), 0);
	ck_assert_uint_eq(faults, 0);
	for (int i = 0; i < SHARED; i++)
		ck_assert_uint_eq(lanes[i].seen, TOKENS / OWN);
	ck_assert_uint_eq(lanes[SHARED].seen, TOKENS);
	weir_batcher_metrics(batcher, &metrics);
	ck_assert_uint_eq(
	    metrics.tokens, 2 * (uint64_t)THREADS * TOKENS - (uint64_t)THREADS * TOKENS / 4 * 3);
	ck_assert_uint_eq(metrics.pending_bytes, 0);
	ck_assert_uint_gt(metrics.flushes_refused, 0);
	ck_assert_int_eq(weir_batcher_destroy(batcher), 0);
	ck_assert_uint_eq(pool->out, 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, threads_on_shared_and_separate_streams_lose_and_repeat_nothing);
	tcase_set_timeout(tests, 60);
}

int main(void)
{
	return run_suite("batch_threads", add_tests);
}
