/*
 * test_lib_threads.c -- pools under threads, and in the children of fork.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "lib/state.h"
#include "lib_pool.h"
#include "tests/common/pattern.h"

#define THREADS 8
#define ROUNDS 20000

static struct weir_pool *shared;

struct worker {
	pthread_t thread;
	uint64_t random;
	struct weir_buffer mine[8];
	uint64_t seeds[8];
	uint64_t allocations;
};

static void *work(void *context)
{
	struct worker *w = context;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = (unsigned)(random_next(&w->random) % 8);
		struct weir_buffer *buffer = &w->mine[i];
		size_t size = random_size(&w->random, 17);

		if (buffer->id == 0) {
			ck_need(weir_pool_allocate(shared, size, buffer) == WEIR_OK);
			w->allocations++;
		} else {
			ck_need(pattern_check(buffer->data, buffer->size, w->seeds[i], PATTERN_SPARSE) ==
				PATTERN_OK);
			if (random_next(&w->random) % 4 == 0) {
				ck_need(weir_pool_resize(shared, buffer->id, size, buffer) == WEIR_OK);
			} else {
				ck_need(weir_pool_release(shared, buffer->id) == WEIR_OK);
				*buffer = (struct weir_buffer){0};
			}
		}
		if (buffer->id != 0) {
			w->seeds[i] = random_next(&w->random);
			pattern_fill(buffer->data, buffer->size, w->seeds[i], PATTERN_SPARSE);
		}
		if (random_next(&w->random) % 2000 == 0)
			weir_pool_collect(shared);
		if (random_next(&w->random) % 5000 == 0)
			weir_pool_clean_up(shared);
	}
	return NULL;
}

static uint64_t run_workers(struct worker *workers)
{
	uint64_t allocations = 0, out = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].random = 1000 + i;
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
		allocations += workers[i].allocations;
		for (unsigned j = 0; j < 8; j++)
			out += workers[i].mine[j].id != 0;
	}
	ck_assert_uint_eq(lib_metrics(shared).allocations, allocations);
	return out;
}

START_TEST(eight_threads_share_a_pool_and_its_limits)
{
	static struct worker workers[THREADS];
	struct weir_pool_config config = weir_pool_config_default();
	struct weir_pool_metrics m;
	uint64_t out;

	config.max_buffers = 40;
	config.max_bytes = 2 * MIB;
	config.background = WEIR_BACKGROUND_ALWAYS;
	config.gc_interval_ns = config.monitor_interval_ns = MILLISECOND;
	config.max_idle_ns = MILLISECOND;
	ck_assert_int_eq(weir_pool_create(&shared, &config), WEIR_OK);
	if (_i == 1)
		spread_begin(shared);
	out = run_workers(workers);
	m = lib_metrics(shared);
	ck_assert_uint_eq(m.buffers_in_use + m.temporary_in_use, out);
	ck_assert_uint_le(m.buffer_count, 40);
	ck_assert_uint_le(m.total_allocated_bytes, 2 * MIB);
	ck_assert_uint_gt(m.temporary_buffers, 0);
	ck_assert_int_eq((int)weir_pool_destroy(shared), (int)out);
}
END_TEST

/* Each release that succeeded. */
static weir_id released[4 * ROUNDS];

static int by_id(const void *a, const void *b)
{
	const weir_id *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void *race(void *context)
{
	_Atomic unsigned *won = context;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct weir_buffer_info infos[16];
		size_t count = weir_pool_buffers(shared, infos, ARRAY_LENGTH(infos));
		struct weir_buffer buffer;

		count = MIN(count, ARRAY_LENGTH(infos));
		for (size_t j = 0; j < count; j++)
			if (weir_pool_release(shared, infos[j].id) == WEIR_OK)
				released[atomic_fetch_add(won, 1) % ARRAY_LENGTH(released)] = infos[j].id;
		if (weir_pool_allocate(shared, 4096, &buffer) != WEIR_OK)
			abort();
	}
	return NULL;
}

START_TEST(of_threads_that_release_the_same_ids_exactly_one_succeeds_each_time)
{
	_Atomic unsigned won = 0;
	pthread_t threads[4];

	shared = lib_pool(NULL);
	if (_i == 1)
		spread_begin(shared);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &won), 0);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_le(won, ARRAY_LENGTH(released));
	qsort(released, won, sizeof(released[0]), by_id);
	for (unsigned i = 1; i < won; i++)
		ck_need(released[i] != released[i - 1]);
	/* What was handed out was released once, or is out. */
	ck_assert_int_eq((int)weir_pool_destroy(shared), (int)(4 * ROUNDS - won));
}
END_TEST

START_TEST(pools_come_and_go_while_the_thread_serves_others)
{
	struct weir_pool_config config = weir_pool_config_default();
	struct weir_pool *pool;

	config.background = WEIR_BACKGROUND_ALWAYS;
	config.gc_interval_ns = config.monitor_interval_ns = 1;
	ck_assert_int_eq(weir_pool_create(&shared, &config), WEIR_OK);
	for (unsigned i = 0; i < 300; i++) {
		ck_assert_int_eq(weir_pool_create(&pool, &config), WEIR_OK);
		lib_take(pool, 9000);
		if (i % 3 == 0)
			usleep(500);
		ck_assert_int_eq((int)weir_pool_destroy(pool), 1);
	}
	weir_pool_destroy(shared);
}
END_TEST

/* --- fork --------------------------------------------------------------------------------------- */

#ifndef WEIR_TSAN
static _Atomic bool is_over;

static void *churn(void *unused UNUSED)
{
	while (!atomic_load(&is_over)) {
		struct weir_buffer buffer;

		if (weir_pool_allocate(shared, 30000, &buffer) != WEIR_OK)
			abort();
		memset(buffer.data, 1, 100);
		if (weir_pool_release(shared, buffer.id) != WEIR_OK)
			abort();
	}
	return NULL;
}

/* What a child does with the pool that it inherited; its exit status is 0 if all is well. */
static void be_the_child(const struct weir_buffer *before)
{
	struct weir_buffer_info info;
	struct weir_buffer buffer;
	struct weir_health health;
	bool is_well = weir_pool_lookup(shared, before->id, &info) == WEIR_OK && info.data == before->data &&
		       ((char *)before->data)[99] == 0x33;

	for (unsigned i = 0; i < 200 && is_well; i++)
		is_well = weir_pool_allocate(shared, 1000 * i, &buffer) == WEIR_OK &&
			  weir_pool_resize(shared, buffer.id, 50000, &buffer) == WEIR_OK &&
			  weir_pool_release(shared, buffer.id) == WEIR_OK;
	weir_pool_collect(shared);
	weir_pool_clean_up(shared);
	weir_pool_maintain(shared, weir_now_ns() + 1000 * SECOND);
	is_well = is_well && weir_health(shared, &health) == WEIR_OK &&
		  weir_pool_release(shared, before->id) == WEIR_OK;
	is_well = is_well && weir_pool_destroy(shared) >= 0 && weir_pool_create(&shared, NULL) == WEIR_OK &&
		  weir_pool_allocate(shared, 4096, &buffer) == WEIR_OK;
	_exit(is_well ? 0 : 1);
}

START_TEST(the_child_of_a_process_with_threads_goes_on_with_its_pools)
{
	struct weir_pool_config config = weir_pool_config_default();
	pthread_t threads[3];
	struct weir_buffer before;

	config.background = WEIR_BACKGROUND_ALWAYS;
	config.gc_interval_ns = config.monitor_interval_ns = config.max_idle_ns = 1;
	ck_assert_int_eq(weir_pool_create(&shared, &config), WEIR_OK);
	spread_begin(shared);
	before = lib_take(shared, 5000);
	memset(before.data, 0x33, 5000);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, NULL), 0);
	for (unsigned i = 0; i < 100; i++) {
		int status;
		pid_t child = fork();

		ck_assert_int_ge(child, 0);
		if (child == 0) {
			alarm(20);
			be_the_child(&before);
		}
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_msg(status == 0, "child %u: status %x", i, (unsigned)status);
	}
	atomic_store(&is_over, true);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq((int)weir_pool_destroy(shared), 1);
}
END_TEST
#endif

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 120);
	/* Also of a pool that is spread from the start. */
	tcase_add_loop_test(tests, eight_threads_share_a_pool_and_its_limits, 0, 2);
	tcase_add_loop_test(tests, of_threads_that_release_the_same_ids_exactly_one_succeeds_each_time, 0, 2);
	tcase_add_test(tests, pools_come_and_go_while_the_thread_serves_others);
#ifndef WEIR_TSAN /* in a child of fork it lets nobody start a thread */
	/* qemu-user dies in some forks of a process whose other threads are at work. */
	if (getenv("TEST_EMULATED") == NULL)
		tcase_add_test(tests, the_child_of_a_process_with_threads_goes_on_with_its_pools);
#endif
}

int main(void)
{
	setenv("WEIR_LOG", "error", 1);
	return run_suite("lib_threads", add_tests);
}
