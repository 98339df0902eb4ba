/*
 * test_lib_buffers.c -- what a program of the library may rely on when it takes buffers, gives them
 * back, looks them up and resizes them.
 */
#include "lib/engine.h"
#include "lib_pool.h"
#include "tests/common/pattern.h"

START_TEST(the_default_settings_are_those_that_are_promised)
{
	struct weir_pool_config config = weir_pool_config_default();

	ck_assert_uint_eq(config.max_buffers, 50);
	ck_assert_uint_eq(config.min_buffer_bytes, 4096);
	ck_assert_uint_eq(config.max_buffer_bytes, 1048576);
	ck_assert_double_eq(config.growth_factor, 1.5);
	ck_assert_double_eq(config.gc_threshold, 0.8);
	ck_assert_uint_eq(config.max_idle_ns, 300 * SECOND);
	ck_assert_int_eq(config.has_compression, 0);
	ck_assert_uint_eq(config.gc_interval_ns, 30 * SECOND);
	ck_assert_uint_eq(config.monitor_interval_ns, 10 * SECOND);
	ck_assert_uint_eq(config.max_bytes, 0);
	ck_assert_int_eq(config.background, WEIR_BACKGROUND_AUTO);
}
END_TEST

START_TEST(a_setting_out_of_bounds_makes_no_pool)
{
	struct weir_pool_config bad[13];
	struct weir_pool *pool;

	for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++)
		bad[i] = weir_pool_config_default();
	bad[0].max_buffers = 0;
	bad[1].max_buffers = 1000001;
	bad[2].min_buffer_bytes = 0;
	bad[3].max_buffer_bytes = 4095;
	bad[4].max_buffer_bytes = ((size_t)64 << 20) + 1;
	bad[5].growth_factor = 0.99;
	bad[6].growth_factor = 0.0 / 0.0;
	bad[7].gc_threshold = 1.01;
	bad[8].max_idle_ns = 0;
	bad[9].monitor_interval_ns = 0;
	bad[10].background = 3;
	bad[11].reserved[7] = 1;
	bad[12].max_bytes = 4095;
	for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++) {
		pool = (struct weir_pool *)&pool;
		ck_assert_msg(weir_pool_create(&pool, &bad[i]) == WEIR_ERROR_INVALID, "case %u", i);
		ck_assert_ptr_null(pool);
	}
	ck_assert_int_eq(weir_pool_create(NULL, NULL), WEIR_ERROR_INVALID);
}
END_TEST

START_TEST(a_small_request_gets_the_smallest_size)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer buffer = lib_take(pool, 1);

	ck_assert_uint_eq(buffer.size, 4096);
	ck_assert_uint_ge(buffer.capacity, 4096);
	memset(buffer.data, 7, buffer.capacity);
	buffer = lib_take(pool, 0);
	ck_assert_uint_eq(buffer.size, 4096);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 2);
}
END_TEST

START_TEST(a_request_over_the_largest_size_is_refused_and_counted)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_pool_errors errors;
	struct weir_buffer buffer;

	ck_assert_int_eq(weir_pool_allocate(pool, 1048577, &buffer), WEIR_ERROR_TOO_LARGE);
	ck_assert_ptr_null(buffer.data);
	ck_assert_uint_eq(buffer.id, 0);
	ck_assert_int_eq(weir_pool_allocate(pool, SIZE_MAX, &buffer), WEIR_ERROR_TOO_LARGE);
	ck_assert_int_eq(weir_pool_errors(pool, &errors), WEIR_OK);
	ck_assert_uint_eq(errors.too_large, 2);
	ck_assert_uint_eq(lib_metrics(pool).errors, 2);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 0);
	buffer = lib_take(pool, 1048576);
	ck_assert_uint_eq(buffer.capacity, 1048576);
	ck_assert_str_eq(weir_strerror(WEIR_ERROR_TOO_LARGE), "more than the pool's largest buffer");
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(a_released_buffer_is_reused_with_a_new_id)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer first = lib_take(pool, 20000), second;

	ck_assert_int_eq(weir_pool_release(pool, first.id), WEIR_OK);
	second = lib_take(pool, 20000);
	ck_assert_ptr_eq(second.data, first.data);
	ck_assert_uint_ne(second.id, first.id);
	ck_assert_double_eq(lib_metrics(pool).reuse_rate, 0.5);
	ck_assert_uint_eq(lib_metrics(pool).allocations, 2);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(the_best_fit_is_reused_first)
{
	struct weir_pool *pool = lib_pool(NULL);
	size_t sizes[] = {64 * KIB, 20 * KIB, 32 * KIB, 24 * KIB};
	struct weir_buffer buffers[4], buffer;

	for (unsigned i = 0; i < 4; i++)
		buffers[i] = lib_take(pool, sizes[i]);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(weir_pool_release(pool, buffers[i].id), WEIR_OK);
	buffer = lib_take(pool, 21 * KIB);
	ck_assert_ptr_eq(buffer.data, buffers[3].data);
	buffer = lib_take(pool, 20 * KIB);
	ck_assert_ptr_eq(buffer.data, buffers[1].data);
	buffer = lib_take(pool, 20 * KIB);
	ck_assert_ptr_eq(buffer.data, buffers[2].data);
	/* 64 KiB for 20 is too much while a new one may be made. */
	buffer = lib_take(pool, 20 * KIB);
	ck_assert_ptr_ne(buffer.data, buffers[0].data);
	ck_assert_uint_eq(buffer.capacity, 20 * KIB);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(at_the_limit_any_idle_buffer_that_is_large_enough_serves)
{
	struct weir_pool_config config = lib_config();
	struct weir_pool *pool;
	struct weir_buffer large, small, buffer;

	config.max_buffers = 2;
	pool = lib_pool(&config);
	large = lib_take(pool, 512 * KIB);
	small = lib_take(pool, 4 * KIB);
	weir_pool_release(pool, large.id);
	buffer = lib_take(pool, 4 * KIB);
	ck_assert_ptr_eq(buffer.data, large.data);
	ck_assert_uint_eq(lib_metrics(pool).temporary_buffers, 0);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 2);
	ck_assert_int_eq(weir_pool_release(pool, small.id), WEIR_OK);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(at_the_limit_idle_buffers_that_are_too_small_make_way)
{
	struct weir_pool_config config = lib_config();
	struct weir_pool *pool;
	struct weir_buffer a, b, buffer;

	config.max_buffers = 2;
	pool = lib_pool(&config);
	a = lib_take(pool, 4 * KIB);
	b = lib_take(pool, 4 * KIB);
	weir_pool_release(pool, a.id);
	buffer = lib_take(pool, 100 * KIB);
	ck_assert_uint_ge(buffer.capacity, 100 * KIB);
	ck_assert_uint_eq(lib_metrics(pool).temporary_buffers, 0);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 2);
	ck_assert_int_eq(weir_pool_release(pool, b.id), WEIR_OK);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(an_exhausted_pool_gives_temporary_buffers_that_go_at_their_release)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer kept[50], temporary[3];
	struct weir_buffer_info info;

	for (unsigned i = 0; i < 50; i++)
		kept[i] = lib_take(pool, 8 * KIB);
	for (unsigned i = 0; i < 3; i++) {
		temporary[i] = lib_take(pool, 8 * KIB);
		memset(temporary[i].data, (int)i, temporary[i].size);
	}
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 50);
	ck_assert_uint_eq(lib_metrics(pool).temporary_buffers, 3);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 3);
	ck_assert_int_eq(weir_pool_lookup(pool, temporary[1].id, &info), WEIR_OK);
	ck_assert_int_eq(info.is_temporary, 1);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(weir_pool_release(pool, temporary[i].id), WEIR_OK);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 0);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 50);
	ck_assert_int_eq(weir_pool_release(pool, temporary[0].id), WEIR_ERROR_NOT_FOUND);
	ck_assert_int_eq(weir_pool_lookup(pool, kept[0].id, &info), WEIR_OK);
	ck_assert_int_eq(info.is_temporary, 0);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 50);
}
END_TEST

START_TEST(the_limit_of_bytes_holds_and_counts_idle_buffers)
{
	struct weir_pool_config config = lib_config();
	struct weir_pool *pool;
	struct weir_buffer a, b, c;

	config.max_bytes = 256 * KIB;
	pool = lib_pool(&config);
	a = lib_take(pool, 128 * KIB);
	b = lib_take(pool, 128 * KIB);
	c = lib_take(pool, 64 * KIB);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 1);
	ck_assert_uint_eq(lib_metrics(pool).total_allocated_bytes, 256 * KIB);
	ck_assert_double_eq(lib_metrics(pool).limit_utilization, 1.0);
	weir_pool_release(pool, c.id);
	weir_pool_release(pool, a.id);
	/* Idle, it makes way for one that it does not fit. */
	c = lib_take(pool, 40 * KIB);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 0);
	weir_pool_release(pool, c.id);
	c = lib_take(pool, 129 * KIB);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 1);
	weir_pool_release(pool, b.id);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(a_second_release_is_an_error_and_nothing_is_lost)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer a = lib_take(pool, 4096), b;
	struct weir_pool_errors errors;

	ck_assert_int_eq(weir_pool_release(pool, a.id), WEIR_OK);
	ck_assert_int_eq(weir_pool_release(pool, a.id), WEIR_ERROR_NOT_FOUND);
	b = lib_take(pool, 4096);
	ck_assert_ptr_eq(b.data, a.data);
	ck_assert_int_eq(weir_pool_release(pool, a.id), WEIR_ERROR_NOT_FOUND);
	ck_assert_uint_eq(lib_metrics(pool).buffers_in_use, 1);
	ck_assert_int_eq(weir_pool_errors(pool, &errors), WEIR_OK);
	ck_assert_uint_eq(errors.not_found, 2);
	ck_assert_int_eq(weir_pool_release(pool, b.id), WEIR_OK);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 1);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 0);
}
END_TEST

START_TEST(an_id_that_was_never_handed_out_names_nothing)
{
	struct weir_pool *pool = lib_pool(NULL), *other = lib_pool(NULL);
	struct weir_buffer mine = lib_take(pool, 4096), theirs = lib_take(other, 4096);
	weir_id ids[] = {0, 1, UINT64_MAX, mine.id + 1, mine.id ^ (weir_id)1 << 40, theirs.id};
	struct weir_buffer_info info;
	struct weir_buffer buffer;

	for (unsigned i = 0; i < ARRAY_LENGTH(ids); i++) {
		ck_assert_int_eq(weir_pool_release(pool, ids[i]), WEIR_ERROR_NOT_FOUND);
		ck_assert_int_eq(weir_pool_lookup(pool, ids[i], &info), WEIR_ERROR_NOT_FOUND);
		ck_assert_int_eq(weir_pool_resize(pool, ids[i], 9000, &buffer), WEIR_ERROR_NOT_FOUND);
		ck_assert_ptr_null(info.data);
		ck_assert_ptr_null(buffer.data);
	}
	ck_assert_int_eq(weir_pool_release(pool, mine.id), WEIR_OK);
	ck_assert_int_eq(weir_pool_release(other, theirs.id), WEIR_OK);
	weir_pool_destroy(pool);
	weir_pool_destroy(other);
}
END_TEST

START_TEST(a_stale_id_never_names_a_later_buffer)
{
	enum { ROUNDS = 20000 };
	struct weir_pool *pool = lib_pool(NULL);
	static weir_id ids[ROUNDS];
	struct weir_buffer_info info;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct weir_buffer buffer = lib_take(pool, 4096);

		ids[i] = buffer.id;
		if (i > 0)
			ck_need(weir_pool_lookup(pool, ids[i - 1], &info) == WEIR_ERROR_NOT_FOUND);
		if (i > 0)
			ck_need(ids[i] != ids[i - 1]);
		ck_need(weir_pool_lookup(pool, ids[i / 2], &info) ==
			(i / 2 == i ? WEIR_OK : WEIR_ERROR_NOT_FOUND));
		ck_need(weir_pool_release(pool, buffer.id) == WEIR_OK);
	}
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(a_look_up_tells_size_times_and_uses)
{
	struct weir_pool *pool = lib_pool(NULL);
	uint64_t made = lib_time;
	struct weir_buffer buffer = lib_take(pool, 30000);
	struct weir_buffer_info info;

	weir_pool_release(pool, buffer.id);
	lib_time += 5 * SECOND;
	buffer = lib_take(pool, 29000);
	lib_time += 2 * SECOND;
	ck_assert_int_eq(weir_pool_lookup(pool, buffer.id, &info), WEIR_OK);
	ck_assert_uint_eq(info.id, buffer.id);
	ck_assert_ptr_eq(info.data, buffer.data);
	ck_assert_uint_eq(info.size, 29000);
	ck_assert_uint_eq(info.capacity, buffer.capacity);
	ck_assert_int_eq(info.is_in_use, 1);
	ck_assert_uint_eq(info.created_ns, made);
	ck_assert_uint_eq(info.handed_out_ns, made + 5 * SECOND);
	ck_assert_uint_eq(info.last_used_ns, made + 7 * SECOND);
	ck_assert_uint_eq(info.use_count, 2);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(the_list_has_the_longest_in_use_first_and_idle_ones_last)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer_info infos[12];
	struct weir_buffer buffers[10];

	for (unsigned i = 0; i < 10; i++) {
		buffers[i] = lib_take(pool, 4096 + 4096 * i);
		lib_time += SECOND;
	}
	weir_pool_release(pool, buffers[2].id);
	lib_time += SECOND;
	weir_pool_release(pool, buffers[0].id);
	ck_assert_uint_eq(weir_pool_buffers(pool, infos, 12), 10);
	ck_assert_uint_eq(infos[0].id, buffers[1].id);
	for (unsigned i = 3; i < 10; i++)
		ck_assert_uint_eq(infos[i - 2].id, buffers[i].id);
	ck_assert_int_eq(infos[8].is_in_use, 0);
	ck_assert_uint_eq(infos[8].capacity, buffers[2].capacity);
	ck_assert_uint_eq(infos[8].id, 0);
	ck_assert_ptr_null(infos[8].data);
	ck_assert_uint_eq(infos[9].capacity, buffers[0].capacity);
	/* A short list has the first of them. */
	ck_assert_uint_eq(weir_pool_buffers(pool, infos, 3), 10);
	ck_assert_uint_eq(infos[0].id, buffers[1].id);
	ck_assert_uint_eq(infos[2].id, buffers[4].id);
	ck_assert_uint_eq(weir_pool_buffers(pool, NULL, 0), 10);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(resizing_by_no_size_grows_by_the_growth_factor_and_keeps_the_bytes)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer buffer = lib_take(pool, 64 * KIB), before = buffer;
	struct weir_buffer_info info;

	pattern_fill(buffer.data, buffer.size, 5, PATTERN_DENSE);
	ck_assert_int_eq(weir_pool_resize(pool, before.id, 0, &buffer), WEIR_OK);
	ck_assert_uint_eq(buffer.id, before.id);
	ck_assert_uint_eq(buffer.size, 96 * KIB);
	ck_assert_uint_ge(buffer.capacity, 96 * KIB);
	ck_assert(pattern_check(buffer.data, 64 * KIB, 5, PATTERN_DENSE) == PATTERN_OK);
	ck_assert_int_eq(weir_pool_lookup(pool, before.id, &info), WEIR_OK);
	ck_assert_ptr_eq(info.data, buffer.data);
	ck_assert_uint_eq(info.capacity, buffer.capacity);
	ck_assert_uint_eq(lib_metrics(pool).total_used_bytes, buffer.capacity);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(a_buffer_that_must_grow_a_little_grows_by_the_factor)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer buffer = lib_take(pool, 64 * KIB);

	ck_assert_int_eq(weir_pool_resize(pool, buffer.id, 64 * KIB + 1, &buffer), WEIR_OK);
	ck_assert_uint_eq(buffer.size, 64 * KIB + 1);
	ck_assert_uint_ge(buffer.capacity, 96 * KIB);
	/* Within its capacity nothing moves. */
	void *data = buffer.data;
	ck_assert_int_eq(weir_pool_resize(pool, buffer.id, 90 * KIB, &buffer), WEIR_OK);
	ck_assert_ptr_eq(buffer.data, data);
	ck_assert_uint_eq(buffer.size, 90 * KIB);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(growth_ends_at_the_largest_size)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer buffer = lib_take(pool, 900 * KIB);

	pattern_fill(buffer.data, buffer.size, 6, PATTERN_DENSE);
	ck_assert_int_eq(weir_pool_resize(pool, buffer.id, 0, &buffer), WEIR_OK);
	ck_assert_uint_eq(buffer.size, 1024 * KIB);
	ck_assert_uint_eq(buffer.capacity, 1024 * KIB);
	ck_assert_int_eq(weir_pool_resize(pool, buffer.id, 0, &buffer), WEIR_ERROR_TOO_LARGE);
	ck_assert_int_eq(weir_pool_resize(pool, buffer.id, 1025 * KIB, &buffer), WEIR_ERROR_TOO_LARGE);
	ck_assert_uint_eq(buffer.size, 1024 * KIB);
	ck_assert(pattern_check(buffer.data, 900 * KIB, 6, PATTERN_DENSE) == PATTERN_OK);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(a_buffer_made_much_smaller_gives_memory_back)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer buffer = lib_take(pool, 512 * KIB);

	pattern_fill(buffer.data, buffer.size, 7, PATTERN_DENSE);
	ck_assert_int_eq(weir_pool_resize(pool, buffer.id, 20 * KIB, &buffer), WEIR_OK);
	ck_assert_uint_eq(buffer.size, 20 * KIB);
	ck_assert_uint_le(buffer.capacity, 24 * KIB);
	ck_assert(pattern_check(buffer.data, 20 * KIB, 7, PATTERN_DENSE) == PATTERN_OK);
	ck_assert_uint_eq(lib_metrics(pool).total_allocated_bytes, buffer.capacity);
	/* Below 16 KiB there are slots of slabs, which cannot be cut: it moves. */
	ck_assert_int_eq(weir_pool_resize(pool, buffer.id, 4096, &buffer), WEIR_OK);
	ck_assert_uint_eq(buffer.capacity, 4096);
	ck_assert(pattern_check(buffer.data, 4096, 7, PATTERN_DENSE) == PATTERN_OK);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(growth_past_the_limit_of_bytes_makes_a_buffer_temporary)
{
	struct weir_pool_config config = lib_config();
	struct weir_pool *pool;
	struct weir_buffer a, b;

	config.max_bytes = 128 * KIB;
	pool = lib_pool(&config);
	a = lib_take(pool, 64 * KIB);
	b = lib_take(pool, 64 * KIB);
	ck_assert_int_eq(weir_pool_resize(pool, a.id, 100 * KIB, &a), WEIR_OK);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 1);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 1);
	ck_assert_uint_le(lib_metrics(pool).total_allocated_bytes, 128 * KIB);
	ck_assert_int_eq(weir_pool_release(pool, a.id), WEIR_OK);
	ck_assert_int_eq(weir_pool_release(pool, b.id), WEIR_OK);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 0);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 1);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(a_zeroing_pool_leaves_nothing_in_a_released_buffer)
{
	struct weir_pool_config config = lib_config();
	struct weir_pool *pool;
	struct weir_buffer buffer;
	const char *bytes;

	config.is_zeroing = 1;
	pool = lib_pool(&config);
	buffer = lib_take(pool, 50000);
	memset(buffer.data, 0x5a, buffer.capacity);
	bytes = buffer.data;
	weir_pool_release(pool, buffer.id);
	for (size_t i = 0; i < buffer.capacity; i++)
		ck_need(bytes[i] == 0);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(a_destroyed_pool_says_what_was_out_and_gives_all_of_it_back)
{
	static struct pool_stats stats;
	struct weir_pool *pool = lib_pool(NULL);

	for (unsigned i = 0; i < 60; i++)
		lib_take(pool, 10000);
	engine_get()->collect(&stats, NULL, 0);
	ck_assert_uint_eq(stats.buffers_in_use, 60);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 60);
	engine_get()->collect(&stats, NULL, 0);
	ck_assert_uint_eq(stats.buffers_in_use, 0);
	ck_assert_int_eq((int)weir_pool_destroy(NULL), 0);
}
END_TEST

START_TEST(many_pools_stand_beside_each_other)
{
	struct weir_pool *pools[100];
	struct weir_buffer buffers[100];

	for (unsigned i = 0; i < 100; i++) {
		pools[i] = lib_pool(NULL);
		buffers[i] = lib_take(pools[i], 8192);
		memset(buffers[i].data, (int)i, 8192);
	}
	for (unsigned i = 0; i < 100; i++) {
		ck_need(((char *)buffers[i].data)[8191] == (char)i);
		ck_need(weir_pool_release(pools[(i + 1) % 100], buffers[i].id) == WEIR_ERROR_NOT_FOUND);
		ck_need(weir_pool_release(pools[i], buffers[i].id) == WEIR_OK);
	}
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq((int)weir_pool_destroy(pools[i]), 0);
}
END_TEST

START_TEST(a_pool_of_a_hundred_thousand_buffers_finds_each)
{
	enum { MANY = 100000 };
	struct weir_pool_config config = lib_config();
	static struct weir_buffer buffers[MANY];
	struct weir_pool *pool;
	struct weir_buffer_info info;

	config.max_buffers = MANY;
	pool = lib_pool(&config);
	for (unsigned i = 0; i < MANY; i++) {
		ck_need(weir_pool_allocate(pool, 4096, &buffers[i]) == WEIR_OK);
		*(unsigned *)buffers[i].data = i;
	}
	ck_assert_uint_eq(lib_metrics(pool).buffers_in_use, MANY);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 0);
	for (unsigned i = 0; i < MANY; i++) {
		ck_need(weir_pool_lookup(pool, buffers[i].id, &info) == WEIR_OK);
		ck_need(*(unsigned *)info.data == i);
		ck_need(weir_pool_release(pool, buffers[i].id) == WEIR_OK);
	}
	ck_assert_int_eq((int)weir_pool_destroy(pool), 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, the_default_settings_are_those_that_are_promised);
	tcase_add_test(tests, a_setting_out_of_bounds_makes_no_pool);
	tcase_add_test(tests, a_small_request_gets_the_smallest_size);
	tcase_add_test(tests, a_request_over_the_largest_size_is_refused_and_counted);
	tcase_add_test(tests, a_released_buffer_is_reused_with_a_new_id);
	tcase_add_test(tests, the_best_fit_is_reused_first);
	tcase_add_test(tests, at_the_limit_any_idle_buffer_that_is_large_enough_serves);
	tcase_add_test(tests, at_the_limit_idle_buffers_that_are_too_small_make_way);
	tcase_add_test(tests, an_exhausted_pool_gives_temporary_buffers_that_go_at_their_release);
	tcase_add_test(tests, the_limit_of_bytes_holds_and_counts_idle_buffers);
	tcase_add_test(tests, a_second_release_is_an_error_and_nothing_is_lost);
	tcase_add_test(tests, an_id_that_was_never_handed_out_names_nothing);
	tcase_add_test(tests, a_stale_id_never_names_a_later_buffer);
	tcase_add_test(tests, a_look_up_tells_size_times_and_uses);
	tcase_add_test(tests, the_list_has_the_longest_in_use_first_and_idle_ones_last);
	tcase_add_test(tests, resizing_by_no_size_grows_by_the_growth_factor_and_keeps_the_bytes);
	tcase_add_test(tests, a_buffer_that_must_grow_a_little_grows_by_the_factor);
	tcase_add_test(tests, growth_ends_at_the_largest_size);
	tcase_add_test(tests, a_buffer_made_much_smaller_gives_memory_back);
	tcase_add_test(tests, growth_past_the_limit_of_bytes_makes_a_buffer_temporary);
	tcase_add_test(tests, a_zeroing_pool_leaves_nothing_in_a_released_buffer);
	tcase_add_test(tests, a_destroyed_pool_says_what_was_out_and_gives_all_of_it_back);
	tcase_add_test(tests, many_pools_stand_beside_each_other);
	tcase_add_test(tests, a_pool_of_a_hundred_thousand_buffers_finds_each);
}

int main(void)
{
	return run_suite("lib_buffers", add_tests);
}
