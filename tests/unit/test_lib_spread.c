/*
 * test_lib_spread.c -- a pool that threads share: what its shards hold is the pool's, and its lock is
 * seldom taken.
 */
#include <pthread.h>
#include <sched.h>

#include "lib/state.h"
#include "lib_pool.h"
#include "tests/common/pattern.h"

#define HELD_MOST 16 /* by a shard: HELD_MAX in spread.c */

static struct weir_pool *pool;

static void start(const struct weir_pool_config *config)
{
	cpu_set_t one;

	/* One shard for all that the test's own thread does. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	pool = lib_pool(config);
	spread_begin(pool);
	ck_assert(is_spread(pool));
}

static void give(weir_id id)
{
	ck_assert_int_eq(weir_pool_release(pool, id), WEIR_OK);
}

START_TEST(a_pool_is_spread_once_its_lock_was_fought_for)
{
	pool = lib_pool(NULL);
	for (unsigned i = 0; i < 1000; i++)
		give(lib_take(pool, 5000).id);
	ck_assert(!is_spread(pool));
	pool->lock.contentions = 1000;
	give(lib_take(pool, 5000).id);
	ck_assert(is_spread(pool));
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(figures_are_sums_over_the_pool_and_its_shards)
{
	struct weir_buffer_info infos[20];
	struct weir_pool_metrics m;
	weir_id ids[10];

	start(NULL);
	for (unsigned i = 0; i < 10; i++)
		ids[i] = lib_take(pool, 8192).id;
	for (unsigned i = 0; i < 6; i++)
		give(ids[i]);
	for (unsigned i = 0; i < 2; i++)
		lib_take(pool, 8192);
	m = lib_metrics(pool);
	ck_assert_uint_eq(m.buffers_in_use, 6);
	ck_assert_uint_eq(m.buffer_count, 10);
	ck_assert_uint_eq(m.total_used_bytes, 6 * 8192);
	ck_assert_uint_eq(m.total_allocated_bytes, 10 * 8192);
	ck_assert_uint_eq(m.allocations, 12);
	ck_assert_double_eq_tol(m.reuse_rate, 2.0 / 12, 1e-9);
	ck_assert_uint_eq(weir_pool_buffers(pool, infos, 20), 10);
	ck_assert(infos[5].is_in_use && !infos[6].is_in_use);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 6);
}
END_TEST

START_TEST(a_shard_serves_the_best_that_it_holds_and_none_twice_too_large)
{
	static const size_t sizes[] = {32768, 8192, 16384, 8192};
	struct weir_buffer buffers[4];

	start(NULL);
	for (unsigned i = 0; i < 4; i++)
		buffers[i] = lib_take(pool, sizes[i]);
	for (unsigned i = 0; i < 4; i++)
		give(buffers[i].id);
	ck_assert_ptr_eq(lib_take(pool, 8000).data, buffers[3].data);
	ck_assert_ptr_eq(lib_take(pool, 8000).data, buffers[1].data);
	ck_assert_ptr_eq(lib_take(pool, 8192).data, buffers[2].data);
	ck_assert_ptr_ne(lib_take(pool, 8192).data, buffers[0].data);
	ck_assert_ptr_eq(lib_take(pool, 30000).data, buffers[0].data);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(what_a_shard_has_too_much_of_is_the_pools)
{
	weir_id ids[3 * HELD_MOST];

	start(NULL);
	for (unsigned i = 0; i < 3 * HELD_MOST; i++)
		ids[i] = lib_take(pool, 4096).id;
	for (unsigned i = 0; i < 3 * HELD_MOST; i++)
		give(ids[i]);
	ck_assert_uint_ge(pool->idle.count, 2 * HELD_MOST);
	/* Of large ones it holds bytes, not numbers. */
	ck_assert_uint_gt(weir_pool_clean_up(pool), 0);
	for (unsigned i = 0; i < HELD_MOST; i++)
		ids[i] = lib_take(pool, MIB).id;
	for (unsigned i = 0; i < HELD_MOST; i++)
		give(ids[i]);
	ck_assert_uint_ge(pool->idle.count, HELD_MOST / 2 - 1);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(at_the_limit_what_shards_hold_makes_way)
{
	struct weir_pool_config config = lib_config();
	struct weir_pool_metrics m;
	weir_id ids[4];

	config.max_buffers = 4;
	start(&config);
	for (unsigned i = 0; i < 4; i++)
		ids[i] = lib_take(pool, 4096).id;
	for (unsigned i = 0; i < 4; i++)
		give(ids[i]);
	/* None of them is large enough; each goes for one that is. */
	for (unsigned i = 0; i < 4; i++)
		lib_take(pool, 65536);
	m = lib_metrics(pool);
	ck_assert_uint_eq(m.temporary_buffers, 0);
	ck_assert_uint_eq(m.buffer_count, 4);
	/* And the fifth is past it. */
	lib_take(pool, 4096);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 1);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(a_collection_takes_what_is_old_out_of_shards_too)
{
	struct weir_pool_config config = lib_config();
	weir_id old, young;

	config.max_idle_ns = 100 * SECOND;
	start(&config);
	old = lib_take(pool, 8192).id;
	young = lib_take(pool, 16384).id;
	give(old);
	lib_time += 60 * SECOND;
	give(young);
	lib_time += 60 * SECOND;
	ck_assert_uint_eq(weir_pool_collect(pool), 8192);
	ck_assert_uint_eq(weir_pool_clean_up(pool), 16384);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 0);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(what_a_shard_held_is_as_old_as_it_was_there)
{
	weir_id ids[3];

	start(NULL);
	for (unsigned i = 0; i < 3; i++)
		ids[i] = lib_take(pool, 8192).id;
	for (unsigned i = 0; i < 3; i++) {
		give(ids[i]);
		lib_time += SECOND;
		/* The second stands in the pool's list before the others come. */
		if (i == 1)
			slot_at(pool, (uint32_t)(ids[0] & (SLOTS_MAX - 1)))->last_used_ns += 1;
	}
	lock_acquire(&pool->lock);
	spread_gather(pool);
	lock_release(&pool->lock);
	for (uint32_t at = pool->idle.newest; slot_at(pool, at)->older != SLOT_NONE;
	     at = slot_at(pool, at)->older)
		ck_assert_uint_ge(
		    slot_at(pool, at)->last_used_ns, slot_at(pool, slot_at(pool, at)->older)->last_used_ns);
	weir_pool_destroy(pool);
}
END_TEST

/* --- how often the lock is taken ------------------------------------------------------------------ */

#define THREADS 4
#define PAIRS 50000
#define HANDS 3

static void *take_and_give(void *unused)
{
	weir_id ids[HANDS];

	for (unsigned round = 0; round < PAIRS / HANDS; round++) {
		for (unsigned i = 0; i < HANDS; i++) {
			struct weir_buffer buffer;

			ck_need(weir_pool_allocate(pool, 65536, &buffer) == WEIR_OK);
			ids[i] = buffer.id;
		}
		for (unsigned i = 0; i < HANDS; i++)
			ck_need(weir_pool_release(pool, ids[i]) == WEIR_OK);
	}
	return unused;
}

START_TEST(threads_that_share_a_pool_seldom_need_its_lock)
{
	pthread_t threads[THREADS];
	uint64_t before;

	pool = lib_pool(NULL);
	spread_begin(pool);
	before = pool->lock.acquisitions;
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(lib_metrics(pool).allocations, THREADS * (PAIRS / HANDS * HANDS));
	/* Without shards it is two a pair. A thread that comes to another CPU finds other buffers there. */
	ck_assert_uint_le(pool->lock.acquisitions - before, THREADS * PAIRS / 20);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 0);
}
END_TEST

/* Two of the CPUs that there are, if so many; else both are the same. */
static void two_cpus(cpu_set_t *first, cpu_set_t *second)
{
	cpu_set_t all;

	CPU_ZERO(first);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(first) == 0; cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, first);
	*second = *first;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || CPU_ISSET(cpu, first))
			continue;
		CPU_ZERO(second);
		CPU_SET(cpu, second);
	}
}

/* One thread asks, another releases. */
#define RING 16
static struct {
	_Atomic weir_id ids[RING];
} ring;

static void *give_all(void *unused)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		weir_id id;

		while ((id = atomic_exchange(&ring.ids[i % RING], 0)) == 0)
			sched_yield();
		ck_need(weir_pool_release(pool, id) == WEIR_OK);
	}
	return unused;
}

START_TEST(where_one_thread_asks_and_another_releases_the_lock_is_taken_for_several_at_once)
{
	struct weir_buffer buffer;
	cpu_set_t here, there;
	pthread_t thread;
	uint64_t before;

	pool = lib_pool(NULL);
	spread_begin(pool);
	before = pool->lock.acquisitions;
	two_cpus(&here, &there);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(here), &here), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, give_all, NULL), 0);
	ck_assert_int_eq(pthread_setaffinity_np(thread, sizeof(there), &there), 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		ck_need(weir_pool_allocate(pool, 65536, &buffer) == WEIR_OK);
		while (atomic_load(&ring.ids[i % RING]) != 0)
			sched_yield();
		atomic_store(&ring.ids[i % RING], buffer.id);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	/* A quarter: one in eight to fetch eight, one in eight to give back eight. */
	ck_assert_uint_le(pool->lock.acquisitions - before, PAIRS / 3);
	ck_assert_uint_eq(lib_metrics(pool).temporary_buffers, 0);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, a_pool_is_spread_once_its_lock_was_fought_for);
	tcase_add_test(tests, figures_are_sums_over_the_pool_and_its_shards);
	tcase_add_test(tests, a_shard_serves_the_best_that_it_holds_and_none_twice_too_large);
	tcase_add_test(tests, what_a_shard_has_too_much_of_is_the_pools);
	tcase_add_test(tests, at_the_limit_what_shards_hold_makes_way);
	tcase_add_test(tests, a_collection_takes_what_is_old_out_of_shards_too);
	tcase_add_test(tests, what_a_shard_held_is_as_old_as_it_was_there);
	tcase_add_test(tests, threads_that_share_a_pool_seldom_need_its_lock);
	tcase_add_test(
	    tests, where_one_thread_asks_and_another_releases_the_lock_is_taken_for_several_at_once);
}

int main(void)
{
	setenv("WEIR_LOG", "error", 1);
	return run_suite("lib_spread", add_tests);
}
