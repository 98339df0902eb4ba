/*
 * test_batch_pool.c -- token batches on the library's own pool: reuse, limits, pressure, and every
 * mapping, madvise and allocation refused once, each in its turn.
 *
 * The linker puts the functions below in the places of libc's (--wrap), so the engine's calls pass
 * here, too. A token carries its stream's next number, so what is lost or comes twice is seen.
 */
#include <errno.h>
#include <sys/mman.h>

#include "lib_pool.h"

#define MS MILLISECOND

/* --- refusals ------------------------------------------------------------------------- */

enum kind { MMAP, MPROTECT, MADVISE, MALLOC, ALIGNED, KINDS };

static struct {
	unsigned long calls, refuse_at, refused;
	enum kind kind;
	bool is_on;
} faults;

static bool refuses(enum kind kind)
{
	if (!faults.is_on || kind != faults.kind || ++faults.calls != faults.refuse_at)
		return false;
	faults.refused++;
	errno = ENOMEM;
	return true;
}

void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);
int __real_mprotect(void *, size_t, int);
int __wrap_mprotect(void *, size_t, int);
int __real_madvise(void *, size_t, int);
int __wrap_madvise(void *, size_t, int);
void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
void *__real_aligned_alloc(size_t, size_t);
void *__wrap_aligned_alloc(size_t, size_t);

void *__wrap_mmap(void *start, size_t length, int protection, int flags, int fd, off_t offset)
{
	return refuses(MMAP) ? MAP_FAILED : __real_mmap(start, length, protection, flags, fd, offset);
}

int __wrap_mprotect(void *start, size_t length, int protection)
{
	return refuses(MPROTECT) ? -1 : __real_mprotect(start, length, protection);
}

int __wrap_madvise(void *start, size_t length, int advice)
{
	return refuses(MADVISE) ? -1 : __real_madvise(start, length, advice);
}

void *__wrap_malloc(size_t size)
{
	return refuses(MALLOC) ? NULL : __real_malloc(size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return refuses(ALIGNED) ? NULL : __real_aligned_alloc(alignment, size);
}

/* --- streams of numbered tokens --------------------------------------------------------- */

#define STREAMS 1000
#define TOKEN_MAX 6000

struct stream {
	weir_stream id;
	uint32_t added, taken; /* bytes: byte i of a stream is byte_at(i) */
};

static struct weir_pool *pool;
static struct weir_batcher *batcher;
static struct stream streams[STREAMS];
static uint64_t offers, refusals;
static bool is_taking_all;

static char byte_at(uint32_t i)
{
	return (char)(i * 2654435761u >> 24);
}

static int64_t flush(void *context, const struct weir_batch *batch)
{
	struct stream *s = batch->stream_context;
	size_t takes = batch->bytes, left;

	(void)context;
	if (++offers % 5 == 0 && !is_taking_all) {
		refusals++;
		takes /= 3;
	}
	left = takes;
	for (int i = 0; left != 0; i++) {
		const char *bytes = batch->spans[i].iov_base;
		size_t part = MIN(left, batch->spans[i].iov_len);

		for (size_t j = 0; j < part; j++)
			ck_need(bytes[j] == byte_at(s->taken + (uint32_t)j));
		s->taken += (uint32_t)part;
		left -= part;
	}
	return (int64_t)takes;
}

static struct weir_batcher_config plain(void)
{
	struct weir_batcher_config config = weir_batcher_config_default();

	config.flush = flush;
	return config;
}

static void open_all(unsigned count)
{
	memset(streams, 0, sizeof(streams));
	for (unsigned i = 0; i < count; i++)
		while (weir_stream_open(batcher, &streams[i], &streams[i].id) != 0)
			ck_need(faults.refused != 0);
}

/* Until it is accepted; what refuses it has to pass. */
static void add(struct stream *s, size_t length)
{
	char token[TOKEN_MAX];
	int r;

	for (size_t i = 0; i < length; i++)
		token[i] = byte_at(s->added + (uint32_t)i);
	for (int tries = 0; (r = weir_stream_add(batcher, s->id, token, length)) != 0; tries++) {
		ck_need(tries < 50);
		ck_need(r == WEIR_ERROR_AGAIN || (r == WEIR_ERROR_NO_MEMORY && faults.refused != 0));
		if (r == WEIR_ERROR_AGAIN)
			weir_stream_flush(batcher, s->id);
	}
	s->added += (uint32_t)length;
}

static void end_all(unsigned count)
{
	is_taking_all = true;
	for (unsigned i = 0; i < count; i++) {
		ck_need(weir_stream_flush(batcher, streams[i].id) == 0);
		ck_need(streams[i].taken == streams[i].added);
	}
	ck_need(weir_pool_destroy(pool) == WEIR_ERROR_BUSY);
	ck_need(weir_batcher_destroy(batcher) == 0);
	ck_need(weir_pool_destroy(pool) == 0);
	is_taking_all = false;
}

/* --- the tests ----------------------------------------------------------------------------- */

/* 50 tokens a second in each of 1,000 streams, for 20 s. */
START_TEST(a_steady_relay_of_1000_streams_reuses_95_percent_of_its_buffers)
{
	struct weir_batcher_config config = plain();
	struct weir_pool_config pool_config = lib_config();
	struct weir_pool_metrics metrics;
	uint64_t now = lib_time;

	pool_config.max_buffers = 2 * STREAMS;
	pool = lib_pool(&pool_config);
	ck_assert_int_eq(weir_batcher_create(&batcher, pool, &config), 0);
	open_all(STREAMS);
	for (unsigned tick = 0; tick < 1000; tick++) {
		now += 20 * MS;
		lib_time = now;
		weir_batcher_maintain(batcher, now);
		for (unsigned i = 0; i < STREAMS; i++)
			add(&streams[i], 8 + (i + tick) % 24);
		if (tick % 50 == 0)
			weir_pool_maintain(pool, now);
		ck_need(lib_metrics(pool).buffer_count <= 2 * STREAMS);
	}
	metrics = lib_metrics(pool);
	ck_assert_uint_gt(metrics.allocations, 100000);
	ck_assert_double_ge(metrics.reuse_rate, 0.95);
	ck_assert_uint_eq(metrics.temporary_buffers, 0);
	ck_assert_uint_gt(refusals, 1000);
	end_all(STREAMS);
}
END_TEST

START_TEST(more_streams_than_buffers_stay_within_the_limit_and_lose_nothing)
{
	struct weir_batcher_config config = plain();
	struct weir_pool_config pool_config = lib_config();
	uint64_t now = lib_time;

	pool_config.max_buffers = 50;
	pool = lib_pool(&pool_config);
	ck_assert_int_eq(weir_batcher_create(&batcher, pool, &config), 0);
	open_all(200);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 200; i++)
			add(&streams[i], 1 + (i * 37 + round) % 3000);
		weir_batcher_maintain(batcher, now += 7 * MS);
		struct weir_pool_metrics metrics = lib_metrics(pool);
		struct weir_buffer_info infos[512];
		size_t count = weir_pool_buffers(pool, infos, 512), kept = 0;

		for (size_t i = 0; i < MIN(count, (size_t)512); i++)
			kept += infos[i].is_temporary == 0;
		ck_need(kept <= 50);
		ck_need(metrics.buffer_count <= 200 * WEIR_BATCH_SPANS_MAX);
	}
	ck_assert_uint_gt(lib_metrics(pool).temporary_buffers, 0);
	end_all(200);
}
END_TEST

START_TEST(when_memory_gets_scarce_batches_go_out_and_buffers_back)
{
	struct weir_batcher_config config = plain();
	struct weir_batcher_metrics metrics;

	lib_machine(10);
	pool = lib_pool(NULL);
	ck_assert_int_eq(weir_batcher_create(&batcher, pool, &config), 0);
	is_taking_all = true;
	open_all(20);
	weir_pool_maintain(pool, lib_time);
	weir_batcher_maintain(batcher, lib_time);
	for (int i = 0; i < 20; i++)
		add(&streams[i], 3000);
	weir_batcher_metrics(batcher, &metrics);
	ck_assert_uint_eq(metrics.buffers_held, 20);
	lib_machine(97);
	lib_time += 11 * SECOND;
	weir_pool_maintain(pool, lib_time);
	ck_assert_int_eq(weir_pool_pressure_level(pool), WEIR_PRESSURE_CRITICAL);
	/* By age nothing would be due: the time that the batcher is told stands still. */
	weir_batcher_maintain(batcher, 0);
	weir_batcher_metrics(batcher, &metrics);
	ck_assert_uint_eq(metrics.buffers_held, 0);
	ck_assert_uint_eq(metrics.flushes[WEIR_FLUSH_PRESSURE], 20);
	ck_assert_uint_eq(metrics.taken_bytes, 60000);
	end_all(20);
	lib_machine_gone();
}
END_TEST

#define FAULT_STREAMS 20

static void round_of_work(void)
{
	struct weir_batcher_config config = plain();
	struct weir_pool_config pool_config = lib_config();
	uint64_t now = lib_time;

	pool_config.max_buffers = 12;
	config.max_bytes = config.max_pending_bytes = 4096;
	config.first_bytes = 512;
	offers = 0;
	while (weir_pool_create(&pool, &pool_config) != 0)
		ck_need(faults.refused == 1);
	while (weir_batcher_create(&batcher, pool, &config) != 0)
		ck_need(faults.refused == 1);
	open_all(FAULT_STREAMS);
	for (unsigned step = 0; step < 400; step++) {
		/* Some are larger than a batch. */
		add(&streams[step * 7 % FAULT_STREAMS], 1 + step * 61 % TOKEN_MAX);
		if (step % 10 == 0)
			weir_batcher_maintain(batcher, now += 9 * MS);
		if (step % 40 == 0)
			weir_pool_clean_up(pool);
	}
	end_all(FAULT_STREAMS);
}

START_TEST(no_mapping_madvise_or_allocation_that_is_refused_loses_a_token)
{
	unsigned long refused = 0, rounds = 0;

	memset(&faults, 0, sizeof(faults));
	faults.kind = (enum kind)_i;
	do {
		faults.calls = faults.refused = 0;
		faults.refuse_at++;
		faults.is_on = true;
		round_of_work();
		faults.is_on = false;
		refused += faults.refused;
		rounds++;
	} while (faults.refused != 0 && rounds < 400);
	/* What is asked for only once in a process is asked for in the first round. */
	ck_assert_uint_ge(refused, 1);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, a_steady_relay_of_1000_streams_reuses_95_percent_of_its_buffers);
	tcase_add_test(tests, more_streams_than_buffers_stay_within_the_limit_and_lose_nothing);
	tcase_add_test(tests, when_memory_gets_scarce_batches_go_out_and_buffers_back);
	tcase_add_loop_test(tests, no_mapping_madvise_or_allocation_that_is_refused_loses_a_token, 0, KINDS);
	tcase_set_timeout(tests, 60);
}

int main(void)
{
	return run_suite("batch_pool", add_tests);
}
