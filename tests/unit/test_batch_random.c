/*
 * test_batch_random.c -- token batches against a model, over random operations.
 *
 * Every stream carries a sequence of bytes of its own, each told by the stream's number and its place.
 * The model is two counts a stream: accepted and taken. Whatever the callback is offered must
 * go on exactly where it last took, and end nowhere but at what was accepted; what is held is
 * the difference of the two. Callbacks take all, a part or nothing, fail, close streams, add
 * and flush, here and elsewhere; memory runs out at any allocation.
 */
#include "run_suite.h"
#include "tests/common/checked_pool.h"

#define LANES 6
#define TOKEN_MAX 700
#define STEPS 1500
#define SEEDS 40

struct lane {
	weir_stream id; /* 0: closed */
	uint64_t number, accepted, taken;
	bool is_offering, is_draining;
};

static struct weir_pool *pool;
static struct weir_batcher *batcher;
static struct weir_batcher_config config;
static struct lane lanes[LANES];
static uint64_t random_state, now_ns, lanes_made, refused_memory, offers;
static int depth;
static bool is_taking_all, is_quiet;

/* --- memory that runs out ------------------------------------------------------------ */

static uint64_t mallocs, malloc_fails_at, mallocs_failed;
static bool is_counting;

void *__real_malloc(size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static bool fails(void)
{
	if (!is_counting || ++mallocs != malloc_fails_at)
		return false;
	mallocs_failed++;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

/* --- the model ------------------------------------------------------------------------ */

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % bound);
}

static char byte_at(const struct lane *lane, uint64_t place)
{
	uint64_t x = (lane->number << 40 | place) * 0x9E3779B97F4A7C15u;

	return (char)(x >> 56);
}

static void check_offer(const struct lane *lane, const struct weir_batch *batch)
{
	uint64_t place = lane->taken;
	size_t bytes = 0;

	ck_need(batch->stream == lane->id);
	ck_need(batch->span_count >= 1 && batch->span_count <= WEIR_BATCH_SPANS_MAX);
	ck_need(batch->bytes >= 1 && batch->tokens >= 1);
	for (int i = 0; i < batch->span_count; i++) {
		const char *at = batch->spans[i].iov_base;

		ck_need(batch->spans[i].iov_len >= 1);
		for (size_t j = 0; j < batch->spans[i].iov_len; j++)
			ck_need(at[j] == byte_at(lane, place++));
		bytes += batch->spans[i].iov_len;
	}
	ck_need(bytes == batch->bytes);
	if (batch->reason == WEIR_FLUSH_LARGE)
		ck_need(batch->bytes > config.max_bytes && batch->span_count == 1);
	else
		ck_need(place <= lane->accepted);
}

static void act(void);

static int64_t flush(void *context, const struct weir_batch *batch)
{
	struct lane *lane = batch->stream_context;
	size_t takes = batch->bytes;

	(void)context;
	ck_need(!lane->is_offering);
	lane->is_offering = true;
	offers++;
	check_offer(lane, batch);
	if (depth < 3 && !is_quiet && random_below(3) == 0) {
		depth++;
		act();
		depth--;
		check_offer(lane, batch);
	}
	lane->is_offering = false;
	if (!is_taking_all) {
		switch (random_below(4)) {
		case 0:
			return -(int64_t)random_below(100) - 1;
		case 1:
			takes = random_below((uint32_t)batch->bytes + 1);
			break;
		default:
			break;
		}
	}
	lane->taken += takes;
	return (int64_t)takes;
}

static void closed(void *context, void *stream_context, uint64_t dropped_bytes)
{
	struct lane *lane = stream_context;

	(void)context;
	ck_need(lane->id != 0);
	ck_need(!lane->is_offering);
	ck_need(lane->taken + dropped_bytes == lane->accepted);
	lane->id = 0;
}

static void open_lane(struct lane *lane)
{
	weir_stream id;
	int r = weir_stream_open(batcher, lane, &id);

	ck_need(r == 0 || (r == WEIR_ERROR_NO_MEMORY && mallocs_failed != 0));
	if (r == 0)
		*lane = (struct lane){.id = id, .number = ++lanes_made};
}

/* A token; what is accepted of it while offers run is known before add() returns. */
static void add(struct lane *lane, size_t length)
{
	char token[4 * TOKEN_MAX];
	bool was_draining = lane->is_draining;
	weir_stream id = lane->id;
	uint64_t number = lane->number;
	int r;

	for (size_t i = 0; i < length; i++)
		token[i] = byte_at(lane, lane->accepted + i);
	/* Counted first: it may go out at once. No other is added to this one meanwhile. */
	lane->accepted += length;
	r = weir_stream_add(batcher, id, token, length);
	if (r == 0) {
		ck_need(!was_draining);
		return;
	}
	ck_need(r == WEIR_ERROR_AGAIN || r == WEIR_ERROR_NO_MEMORY || r == WEIR_ERROR_NOT_FOUND);
	refused_memory += r == WEIR_ERROR_NO_MEMORY;
	if (r == WEIR_ERROR_NO_MEMORY)
		ck_need(pool->failed + mallocs_failed != 0);
	/* Unless it was closed within, and others opened in its place. */
	if (lane->number == number && lane->id != 0)
		lane->accepted -= length;
}

static void close_lane(struct lane *lane)
{
	int how = random_below(3) == 0 ? WEIR_CLOSE_DISCARD : WEIR_CLOSE_DRAIN;
	int r;

	lane->is_draining = true;
	r = weir_stream_close(batcher, lane->id, how);
	ck_need(r == 0 || r == WEIR_ERROR_AGAIN);
	ck_need((r == 0) == (lane->id == 0));
}

static bool is_adding[LANES];

static size_t random_length(void)
{
	switch (random_below(8)) {
	case 0:
		return random_below(4 * TOKEN_MAX);
	case 1:
		return random_below(TOKEN_MAX);
	default:
		return random_below(24);
	}
}

static void act(void)
{
	unsigned which = random_below(LANES);
	struct lane *lane = &lanes[which];
	int r;

	switch (random_below(24)) {
	case 0:
	case 1:
		r = weir_stream_flush(batcher, lane->id);
		ck_need((r == WEIR_ERROR_BUSY) == (lane->is_offering && r != WEIR_ERROR_NOT_FOUND));
		break;
	case 2:
		if (lane->id != 0 && random_below(6) == 0 && !is_adding[which])
			close_lane(lane);
		break;
	case 3:
	case 4:
		now_ns += random_below(15) * MILLISECOND;
		weir_batcher_maintain(batcher, now_ns);
		break;
	case 5:
		__atomic_store_n(
		    &pool->pressure, random_below(4) != 0 ? 0 : (int)random_below(4), __ATOMIC_RELAXED);
		break;
	case 6:
		if (!is_adding[which] && lane->id != 0 && !lane->is_offering)
			ck_need(weir_stream_pending(batcher, lane->id) == lane->accepted - lane->taken);
		break;
	default:
		if (is_adding[which])
			break;
		is_adding[which] = true;
		if (lane->id == 0)
			open_lane(lane);
		if (lane->id != 0)
			add(lane, random_length());
		is_adding[which] = false;
	}
}

static void start(uint64_t seed)
{
	random_state = seed * 0x9E3779B97F4A7C15u + 1;
	now_ns = lanes_made = refused_memory = offers = 0;
	mallocs = malloc_fails_at = mallocs_failed = 0;
	is_taking_all = is_quiet = false;
	memset(lanes, 0, sizeof(lanes));
	pool = checked_pool_start(1 + random_below(64), 4096);
	config = weir_batcher_config_default();
	config.flush = flush;
	config.closed = closed;
	config.max_tokens = random_below(3) == 0 ? 0 : 1 + random_below(20);
	config.max_bytes = 1 + random_below(600);
	config.first_bytes = 1 + random_below((uint32_t)config.max_bytes);
	config.max_pending_bytes = config.max_bytes * (1 + random_below(4)) + random_below(100);
	config.max_age_ns = random_below(3) * 10 * MILLISECOND;
	config.max_idle_ns = random_below(2) * SECOND;
	is_counting = true;
	if (weir_batcher_create(&batcher, pool, &config) != 0)
		ck_abort_msg("no batcher");
}

/* All is offered to a callback that takes all: then nothing is held, and nothing was lost. */
static void finish(void)
{
	struct weir_batcher_metrics m;

	is_taking_all = is_quiet = true;
	pool->is_failing = false;
	pool->fail_at = malloc_fails_at = 0;
	for (int i = 0; i < LANES; i++) {
		int r = weir_stream_flush(batcher, lanes[i].id);

		ck_need(r == 0 || r == WEIR_ERROR_NOT_FOUND);
		if (lanes[i].id != 0)
			ck_need(lanes[i].taken == lanes[i].accepted);
	}
	weir_batcher_metrics(batcher, &m);
	ck_need(m.pending_bytes == 0 && m.buffers_held == 0);
	ck_need(m.bytes == m.taken_bytes + m.dropped_bytes);
	ck_need(pool->out == 0);
	ck_need(pool->largest <= MAX(config.max_bytes, pool->config.min_buffer_bytes));
	ck_assert_int_eq(weir_batcher_destroy(batcher), 0);
	for (int i = 0; i < LANES; i++)
		ck_need(lanes[i].id == 0);
	is_counting = false;
}

START_TEST(every_stream_keeps_its_bytes_whatever_is_done)
{
	start((uint64_t)_i + 1);
	for (int step = 0; step < STEPS; step++)
		act();
	ck_assert_uint_gt(offers, 0);
	finish();
}
END_TEST

START_TEST(every_stream_keeps_its_bytes_where_memory_often_runs_out)
{
	start((uint64_t)_i + 1000);
	for (int step = 0; step < STEPS; step++) {
		pool->is_failing = random_below(3) == 0;
		malloc_fails_at = random_below(2) == 0 ? mallocs + 1 : 0;
		act();
	}
	/* Check allocates, too. */
	is_counting = false;
	ck_assert_uint_gt(pool->failed, 0);
	finish();
}
END_TEST

/* The same run again and again, and each time the next request to the pool, or to malloc, fails. */
START_TEST(no_allocation_that_fails_loses_a_token)
{
	uint64_t requests = 0, allocations = 0, n;

	start((uint64_t)_i + 2000);
	for (int step = 0; step < 120; step++)
		act();
	requests = pool->requests;
	allocations = mallocs;
	finish();
	ck_assert_uint_gt(requests, 0);
	for (n = 1; n <= requests; n++) {
		start((uint64_t)_i + 2000);
		pool->fail_at = n;
		for (int step = 0; step < 120; step++)
			act();
		/* What fails changes what comes after it, but not before. */
		ck_need(pool->failed == 1);
		finish();
	}
	for (n = 2; n <= allocations; n++) {
		start((uint64_t)_i + 2000);
		malloc_fails_at = n;
		for (int step = 0; step < 120; step++)
			act();
		ck_need(mallocs_failed == 1);
		finish();
	}
	/* The batcher itself. */
	mallocs = 0;
	malloc_fails_at = 1;
	is_counting = true;
	ck_assert_int_eq(weir_batcher_create(&batcher, pool, &config), WEIR_ERROR_NO_MEMORY);
	is_counting = false;
	ck_assert_int_eq(pool->retained, 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, every_stream_keeps_its_bytes_whatever_is_done, 0, SEEDS);
	tcase_add_loop_test(tests, every_stream_keeps_its_bytes_where_memory_often_runs_out, 0, SEEDS);
	tcase_add_loop_test(tests, no_allocation_that_fails_loses_a_token, 0, 4);
	tcase_set_timeout(tests, 30);
}

int main(void)
{
	return run_suite("batch_random", add_tests);
}
