/*
 * test_lib_upkeep.c -- what happens to a pool with time and under pressure: collections, the
 * monitor, callbacks, compression, the thread. The clock is the test's, and so is what the kernel
 * says of its memory; nothing here waits but for the one test of the thread.
 */
#include "base/clock.h"
#include "lib/engine.h"
#include "lib/state.h"
#include "lib_pool.h"

static void take_and_release(struct weir_pool *pool, unsigned count, size_t size)
{
	struct weir_buffer buffers[64];

	for (unsigned i = 0; i < count; i++)
		buffers[i] = lib_take(pool, size);
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(weir_pool_release(pool, buffers[i].id), WEIR_OK);
}

/* --- collections ----------------------------------------------------------------------------- */

START_TEST(a_collection_takes_what_was_idle_for_the_idle_time_and_nothing_else)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer kept = lib_take(pool, 8192);

	take_and_release(pool, 4, 8192);
	lib_time += 299 * SECOND;
	ck_assert_uint_eq(weir_pool_collect(pool), 0);
	take_and_release(pool, 1, 8192);
	lib_time += SECOND;
	ck_assert_uint_eq(weir_pool_collect(pool), 3 * 8192);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 2);
	ck_assert_uint_eq(lib_metrics(pool).purged_bytes, 3 * 8192);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 2);
	ck_assert_int_eq(weir_pool_release(pool, kept.id), WEIR_OK);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(a_clean_up_takes_every_idle_buffer_and_none_in_use)
{
	static struct pool_stats stats;
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer kept = lib_take(pool, 64 * KIB);

	memset(kept.data, 0x77, kept.size);
	take_and_release(pool, 20, 64 * KIB);
	ck_assert_uint_eq(weir_pool_clean_up(pool), 20 * 64 * KIB);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 1);
	for (size_t i = 0; i < kept.size; i++)
		ck_need(((unsigned char *)kept.data)[i] == 0x77);
	engine_get()->collect(&stats, NULL, 0);
	ck_assert_uint_eq(stats.buffers_in_use, 1);
	ck_assert_uint_eq(stats.free_hot_bytes + stats.idle_bytes, 0);
	ck_assert_uint_ge(stats.purged_bytes, 20 * 64 * KIB);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(nothing_is_due_before_its_time_and_all_of_it_at_its_time)
{
	struct weir_pool *pool = lib_pool(NULL);
	uint64_t start = lib_time;

	lib_machine(50);
	ck_assert_uint_eq(weir_pool_maintain(pool, 0), start + 10 * SECOND);
	lib_time += 10 * SECOND - 1;
	ck_assert_uint_eq(weir_pool_maintain(pool, 0), start + 10 * SECOND);
	ck_assert_uint_eq(weir_pool_maintain(pool, start + 10 * SECOND), start + 20 * SECOND);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 0);
	ck_assert_uint_eq(weir_pool_maintain(pool, start + 30 * SECOND), start + 40 * SECOND);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 1);
	/* The clock stood, or went back: nothing happens, and it goes on. */
	ck_assert_uint_eq(weir_pool_maintain(pool, start + SECOND), start + 40 * SECOND);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 1);
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

START_TEST(a_pool_that_passes_its_threshold_is_collected_at_once)
{
	struct weir_pool *pool = lib_pool(NULL);

	lib_machine(50);
	take_and_release(pool, 10, 8 * KIB);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 10);
	lib_time += 2 * SECOND;
	/* Nobody fits the small ones; at the fortieth, 80% of 50, they are in the way. */
	for (unsigned i = 0; i < 29; i++)
		lib_take(pool, 64 * KIB);
	weir_pool_maintain(pool, 0);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 39);
	lib_take(pool, 64 * KIB);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 1);
	weir_pool_maintain(pool, 0);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 2);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 30);
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

START_TEST(what_recent_demand_explains_survives_the_threshold)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer buffers[45];

	lib_machine(50);
	for (unsigned i = 0; i < 45; i++)
		buffers[i] = lib_take(pool, 8 * KIB);
	for (unsigned i = 0; i < 45; i++)
		weir_pool_release(pool, buffers[i].id);
	lib_time += 2 * SECOND;
	lib_take(pool, 100 * KIB);
	weir_pool_maintain(pool, 0);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 1);
	/* 45 were in use at once: 44 may wait beside the one that is. */
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 45);
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

START_TEST(collections_for_the_threshold_are_a_second_apart)
{
	struct weir_pool_config config = lib_config();
	struct weir_pool *pool;
	uint64_t due;

	lib_machine(50);
	config.max_buffers = 10;
	pool = lib_pool(&config);
	weir_pool_collect(pool);
	take_and_release(pool, 2, 4 * KIB);
	for (unsigned i = 0; i < 8; i++)
		lib_take(pool, 64 * KIB);
	due = weir_pool_maintain(pool, 0);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 1);
	ck_assert_uint_eq(due, lib_time + SECOND);
	weir_pool_maintain(pool, lib_time += SECOND);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 2);
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

#ifndef WEIR_TSAN
START_TEST(a_request_does_what_is_due_in_a_process_of_one_thread)
{
	struct weir_pool_config config = lib_config();
	struct weir_pool *pool;
	struct weir_buffer buffer;

	lib_machine(85);
	config.background = WEIR_BACKGROUND_AUTO;
	pool = lib_pool(&config);
	buffer = lib_take(pool, 4096);
	ck_assert_int_eq(weir_pool_pressure_level(pool), WEIR_PRESSURE_NONE);
	lib_time += 30 * SECOND;
	ck_assert_int_eq(weir_pool_release(pool, buffer.id), WEIR_OK);
	ck_assert_uint_eq(lib_metrics(pool).gc_count, 1);
	ck_assert_int_eq(weir_pool_pressure_level(pool), WEIR_PRESSURE_LOW);
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST
#endif

/* --- pressure -------------------------------------------------------------------------------- */

START_TEST(pressure_is_detected_by_what_the_kernel_says)
{
	static const struct {
		unsigned percent;
		int level;
	} rows[] = {{50, WEIR_PRESSURE_NONE}, {87, WEIR_PRESSURE_LOW}, {93, WEIR_PRESSURE_MEDIUM},
	    {98, WEIR_PRESSURE_CRITICAL}, {60, WEIR_PRESSURE_NONE}};
	struct weir_pressure pressure;

	for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
		lib_machine(rows[i].percent);
		ck_assert_int_eq(weir_monitor_pressure(&pressure), WEIR_OK);
		ck_assert_int_eq(pressure.level, rows[i].level);
		ck_assert_str_eq(pressure.source, "available");
		ck_assert_uint_eq(pressure.limit_bytes, GIB);
		ck_assert(pressure.value >= 0 && pressure.value <= 1);
	}
	lib_machine_gone();
}
END_TEST

START_TEST(a_system_that_says_nothing_is_survived_and_counted)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_pool_errors errors;
	struct weir_pressure pressure;

	meminfo_root = "/nowhere/at/all";
	ck_assert_int_eq(weir_monitor_pressure(&pressure), WEIR_ERROR_UNAVAILABLE);
	ck_assert_int_eq(pressure.level, WEIR_PRESSURE_NONE);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	weir_pool_errors(pool, &errors);
	ck_assert_uint_eq(errors.pressure_unknown, 1);
	weir_pool_destroy(pool);
}
END_TEST

struct heard {
	unsigned calls;
	int level, before;
	uint64_t buffers;
	struct weir_pool *pool;
};

static void hear(void *context, const struct weir_pressure *now, int level_before)
{
	struct heard *heard = context;
	struct weir_buffer buffer;

	heard->calls++;
	heard->level = now->level;
	heard->before = level_before;
	heard->buffers = lib_metrics(heard->pool).buffer_count;
	/* It may use the pool, but not take it down. */
	buffer = lib_take(heard->pool, 4096);
	ck_assert_int_eq(weir_pool_release(heard->pool, buffer.id), WEIR_OK);
	ck_assert_int_eq((int)weir_pool_destroy(heard->pool), WEIR_ERROR_BUSY);
	weir_pool_clean_up(heard->pool);
}

START_TEST(a_change_of_level_is_told_once_after_the_pool_has_acted)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct heard heard = {.pool = pool};

	ck_assert_int_eq(weir_pool_on_pressure(pool, hear, &heard), WEIR_OK);
	take_and_release(pool, 10, 64 * KIB);
	lib_machine(50);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	ck_assert_uint_eq(heard.calls, 0);
	lib_machine(98);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	ck_assert_uint_eq(heard.calls, 1);
	ck_assert_int_eq(heard.level, WEIR_PRESSURE_CRITICAL);
	ck_assert_int_eq(heard.before, WEIR_PRESSURE_NONE);
	ck_assert_uint_eq(heard.buffers, 0);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	ck_assert_uint_eq(heard.calls, 1);
	lib_machine(50);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	ck_assert_uint_eq(heard.calls, 2);
	ck_assert_int_eq(heard.before, WEIR_PRESSURE_CRITICAL);
	weir_pool_on_pressure(pool, NULL, NULL);
	lib_machine(98);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	ck_assert_uint_eq(heard.calls, 2);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 0);
	lib_machine_gone();
}
END_TEST

START_TEST(medium_pressure_takes_idle_buffers_but_those_of_a_moment_ago)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer kept = lib_take(pool, 4096), late;

	lib_machine(93);
	late = lib_take(pool, 4096);
	take_and_release(pool, 8, 4096);
	lib_time += 10 * SECOND;
	weir_pool_release(pool, late.id);
	weir_pool_maintain(pool, 0);
	ck_assert_int_eq(weir_pool_pressure_level(pool), WEIR_PRESSURE_MEDIUM);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 2);
	weir_pool_release(pool, kept.id);
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

START_TEST(critical_pressure_gives_every_idle_page_back)
{
	static struct pool_stats stats;
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer kept = lib_take(pool, 4096);

	lib_machine(98);
	take_and_release(pool, 30, 128 * KIB);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 1);
	ck_assert_double_ge(lib_metrics(pool).last_memory_pressure, 0.92);
	engine_get()->collect(&stats, NULL, 0);
	ck_assert_uint_eq(stats.free_hot_bytes + stats.idle_bytes, 0);
	weir_pool_release(pool, kept.id);
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

/* --- the thread ------------------------------------------------------------------------------- */

START_TEST(a_thread_of_the_library_sees_to_the_pool_where_that_is_asked_for)
{
	struct weir_pool_config config = weir_pool_config_default();
	struct weir_pool *pool;

	config.background = WEIR_BACKGROUND_ALWAYS;
	config.gc_interval_ns = config.monitor_interval_ns = 5 * MILLISECOND;
	config.max_idle_ns = 1;
	ck_assert_int_eq(weir_pool_create(&pool, &config), WEIR_OK);
	take_and_release(pool, 5, 4096);
	for (unsigned i = 0; i < 10000 && lib_metrics(pool).buffer_count != 0; i++)
		usleep(1000);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 0);
	ck_assert_uint_ge(lib_metrics(pool).gc_count, 1);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 0);
	/* It outlives its pools, and serves the next one. */
	ck_assert_int_eq(weir_pool_create(&pool, &config), WEIR_OK);
	for (unsigned i = 0; i < 10000 && lib_metrics(pool).gc_count == 0; i++)
		usleep(1000);
	ck_assert_uint_ge(lib_metrics(pool).gc_count, 1);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 0);
}
END_TEST

/* --- compression ------------------------------------------------------------------------------- */

static bool is_offered(struct weir_pool *pool, weir_id id)
{
	return slot_at(pool, (uint32_t)(id & (SLOTS_MAX - 1)))->is_offered;
}

START_TEST(only_buffers_held_unused_for_the_idle_time_are_offered_to_swap)
{
	struct weir_pool_config config = lib_config();
	struct weir_buffer stale, fresh;
	struct weir_buffer_info info;
	struct weir_pool *pool;

	lib_machine(50);
	config.has_compression = 1;
	pool = lib_pool(&config);
	stale = lib_take(pool, 100000);
	memset(stale.data, 9, stale.size);
	fresh = lib_take(pool, 100000);
	for (unsigned i = 0; i < 10; i++) {
		lib_time += 30 * SECOND;
		ck_assert_int_eq(weir_pool_lookup(pool, fresh.id, &info), WEIR_OK);
		weir_pool_maintain(pool, 0);
	}
	ck_assert(is_offered(pool, stale.id));
	ck_assert(!is_offered(pool, fresh.id));
	for (size_t i = 0; i < stale.size; i++)
		ck_need(((char *)stale.data)[i] == 9);
	/* A use takes it off the list. */
	ck_assert_int_eq(weir_pool_lookup(pool, stale.id, &info), WEIR_OK);
	ck_assert(!is_offered(pool, stale.id));
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_collection_takes_what_was_idle_for_the_idle_time_and_nothing_else);
	tcase_add_test(tests, a_clean_up_takes_every_idle_buffer_and_none_in_use);
	tcase_add_test(tests, nothing_is_due_before_its_time_and_all_of_it_at_its_time);
	tcase_add_test(tests, a_pool_that_passes_its_threshold_is_collected_at_once);
	tcase_add_test(tests, what_recent_demand_explains_survives_the_threshold);
	tcase_add_test(tests, collections_for_the_threshold_are_a_second_apart);
#ifndef WEIR_TSAN /* which has a thread of its own */
	tcase_add_test(tests, a_request_does_what_is_due_in_a_process_of_one_thread);
#endif
	tcase_add_test(tests, pressure_is_detected_by_what_the_kernel_says);
	tcase_add_test(tests, a_system_that_says_nothing_is_survived_and_counted);
	tcase_add_test(tests, a_change_of_level_is_told_once_after_the_pool_has_acted);
	tcase_add_test(tests, medium_pressure_takes_idle_buffers_but_those_of_a_moment_ago);
	tcase_add_test(tests, critical_pressure_gives_every_idle_page_back);
	tcase_add_test(tests, a_thread_of_the_library_sees_to_the_pool_where_that_is_asked_for);
	tcase_add_test(tests, only_buffers_held_unused_for_the_idle_time_are_offered_to_swap);
}

int main(void)
{
	return run_suite("lib_upkeep", add_tests);
}
