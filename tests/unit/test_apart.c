/*
 * test_apart.c -- slots and runs apart from the pool: fitting, aligned, apart from each other, given back.
 */
#include <pthread.h>

#include "run_suite.h"
#include "tests/common/engine.h"
#include "tests/common/pattern.h"

static void start(bool is_zeroing)
{
	struct settings settings;

	settings_default(&settings);
	settings.zero_on_free = is_zeroing;
	ck_assert(engine_pool(&settings));
}

static void *take(size_t size)
{
	bool is_zero;

	return apart_take(size, 16, &is_zero);
}

START_TEST(every_size_gets_a_slot_that_fits)
{
	struct apart_stats stats;
	size_t worst = 0;

	start(false);
	for (size_t size = 1; size <= 4096; size++) {
		char *p = take(size);
		size_t usable;

		ck_need(p != NULL && pool_contains(p) && (uintptr_t)p % 16 == 0);
		usable = apart_usable_bytes(run_of(p));
		ck_need(usable >= size && pool_is_buffer(p) && !pool_is_buffer(p + 1));
		/* A quarter at most, or 16 bytes and the smallest slot. */
		ck_need(usable <= 32 || usable - size < MAX(usable / 4, (size_t)16));
		worst = MAX(worst, usable - size);
		memset(p, 0xA5, usable);
		ck_need(pool_free_long(p));
	}
	ck_assert_uint_lt(worst, 600);
	apart_count(&stats);
	ck_assert_uint_eq(stats.small_objects, 0);
	ck_assert_uint_eq(stats.slab_bytes, 0);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

/* A thousand samples of a hundred bytes: not a page each. */
START_TEST(a_sample_costs_little_more_than_it_asks_for)
{
	static void *held[1000];
	struct apart_stats stats;

	start(false);
	for (unsigned i = 0; i < ARRAY_LENGTH(held); i++)
		ck_need((held[i] = take(100)) != NULL);
	apart_count(&stats);
	ck_assert_uint_eq(stats.small_objects, 1000);
	ck_assert_uint_eq(stats.small_bytes, 112000);
	ck_assert_uint_le(stats.slab_bytes, 120000);
	ck_assert_uint_le(stats.metadata_bytes, 15000);
	ck_engine_is_whole(ENGINE_PLAIN);
	for (unsigned i = 0; i < ARRAY_LENGTH(held); i++)
		ck_need(pool_free_long(held[i]));
	apart_count(&stats);
	ck_assert_uint_eq(stats.slab_bytes, 0);
	ck_assert_uint_eq(engine_out_pages(), 0);
	engine_stop();
}
END_TEST

START_TEST(alignment_up_to_a_page_is_met)
{
	start(false);
	for (size_t alignment = 1; alignment <= PAGE_BYTES; alignment *= 2)
		for (size_t size = 1; size <= 3 * MIB; size = size * 3 + 1) {
			bool is_zero;
			void *p = apart_take(size, alignment, &is_zero),
			     *q = apart_take(size, alignment, &is_zero);

			ck_need(p != NULL && q != NULL && p != q);
			ck_need((uintptr_t)p % alignment == 0 && (uintptr_t)q % alignment == 0);
			ck_need(pool_usable_bytes(p) >= size);
			ck_need(pool_free_long(p) && pool_free_long(q));
		}
	engine_stop();
}
END_TEST

START_TEST(what_is_not_in_use_is_not_freed)
{
	char *p, *q, *large;

	start(false);
	p = take(200);
	q = take(200);
	large = take(2 * MIB);
	ck_assert(!pool_free_long(p + 16));
	ck_assert(!pool_free_long(p + 224 * 5)); /* a slot, but nobody's */
	ck_assert(!pool_free_long(large + 16));
	ck_assert(!pool_free_long(large + PAGE_BYTES));
	ck_assert(pool_free_long(p));
	ck_assert(!pool_free_long(p));
	ck_assert(!pool_is_buffer(p));
	ck_assert(pool_is_buffer(q));
	ck_assert(pool_free_long(large));
	ck_assert(!pool_free_long(large));
	ck_assert(pool_free_long(q));
	ck_assert(!pool_free_long(q)); /* its slab is gone */
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

static uint32_t last_ended;
static unsigned ended_count;

static void note_ended(uint32_t sample)
{
	last_ended = sample;
	ended_count++;
}

START_TEST(the_sample_of_what_is_freed_is_told)
{
	char *p, *q, *r, *buffer, *large;

	start(false);
	pool.sample_ended = note_ended;
	q = take(48);
	p = take(48);
	r = take(48); /* so that the slab stays */
	large = take(5000000);
	buffer = pool_malloc(70000);
	pool_set_sample(p, 11);
	pool_set_sample(large, 13);
	pool_set_sample(buffer, 14);
	ck_assert(pool_free_long(q)); /* untracked: nothing is told */
	ck_assert_uint_eq(ended_count, 0);
	ck_assert(pool_free_long(p));
	ck_assert_uint_eq(last_ended, 11);
	ck_assert(pool_free_long(large));
	ck_assert_uint_eq(last_ended, 13);
	/* The fast path of free does not take a buffer that the tracker knows. */
	ck_assert(!pool_free((uintptr_t)buffer - range.base));
	ck_assert(pool_is_buffer(buffer));
	ck_assert(pool_free_long(buffer));
	ck_assert_uint_eq(last_ended, 14);
	ck_assert_uint_eq(ended_count, 3);
	ck_assert(!pool_free_long(buffer));
	/* It comes back as one like any other. */
	ck_assert_ptr_eq(pool_malloc(70000), buffer);
	ck_assert(pool_free((uintptr_t)buffer - range.base));
	/* A slot that is used again has no sample of those before. */
	ck_assert_ptr_eq(take(48), q);
	ck_assert_ptr_eq(take(48), p);
	ck_assert(pool_free_long(p));
	ck_assert(pool_free_long(q));
	ck_assert(pool_free_long(r));
	ck_assert_uint_eq(ended_count, 3);
	engine_stop();
}
END_TEST

static uint32_t last_left;

static void note_left(uint32_t sample)
{
	last_left = sample;
}

static uint32_t note_resized(uint32_t sample, size_t size)
{
	return size == 80000 ? 0 : sample + 1;
}

START_TEST(a_sample_that_realloc_resizes_is_told_and_has_another_number_then)
{
	char *buffer, *large;

	start(false);
	pool.sample_ended = note_ended;
	pool.sample_resized = note_resized;
	pool.sample_left = note_left;
	large = take(5000000);
	buffer = pool_malloc(70000);
	pool_set_sample(large, 20);
	pool_set_sample(buffer, 30);
	ck_assert(pool_resize_in_place(large, 5000100));
	ck_assert(pool_resize_in_place(buffer, 69000));
	ck_assert(pool_resize_in_place(buffer, 70000));
	pool_leave_sample(buffer);
	ck_assert_uint_eq(last_left, 32);
	ck_assert(pool_free_long(large));
	ck_assert_uint_eq(last_ended, 21);
	/* Neither twice, nor what is none. */
	pool_leave_sample(buffer);
	pool_set_sample(buffer, 40);
	ck_assert(pool_resize_in_place(buffer, 80000)); /* the tracker knows it no more */
	last_left = 0;
	pool_leave_sample(buffer);
	ck_assert_uint_eq(last_left, 0);
	ck_assert(pool_free((uintptr_t)buffer - range.base)); /* the fast path takes it */
	ck_assert_uint_eq(ended_count, 1);
	engine_stop();
}
END_TEST

START_TEST(neither_counts_as_a_buffer_nor_against_a_limit)
{
	static struct pool_stats stats;
	struct settings settings;
	char *buffer;

	settings_default(&settings);
	settings.pool_limit = 1 * MIB;
	settings.max_buffers = 1;
	ck_assert(engine_pool(&settings));
	for (unsigned i = 0; i < 200; i++)
		ck_need(take(1000) != NULL);
	for (unsigned i = 0; i < 4; i++)
		ck_need(take(3 * MIB) != NULL);
	pool_stats_collect(&stats, NULL, 0);
	ck_assert_uint_eq(stats.buffers_in_use + stats.buffers_idle, 0);
	ck_assert_uint_eq(stats.in_use_bytes, 0);
	ck_assert_uint_eq(stats.allocations, 0);
	ck_assert_uint_eq(stats.creations, 0);
	ck_assert_uint_eq(stats.apart.small_objects, 200);
	ck_assert_uint_eq(stats.apart.small_bytes, 200 * 1024);
	ck_assert_uint_eq(stats.apart.large_objects, 4);
	ck_assert_uint_eq(stats.apart.large_bytes, 12 * MIB);
	buffer = pool_malloc(100000);
	ck_assert_ptr_nonnull(buffer);
	ck_assert_ptr_null(pool_malloc(100000)); /* the limit is the buffers' alone */
	pool_set_sample(buffer, 5);
	pool_stats_collect(&stats, NULL, 0);
	ck_assert_uint_eq(stats.buffers_in_use, 1);
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

START_TEST(what_stood_apart_idles_within_the_limit)
{
	static struct pool_stats stats;
	static void *small[4000];
	struct settings settings;
	void *large;

	settings_default(&settings);
	settings.pool_limit = 1 * MIB;
	ck_assert(engine_pool(&settings));
	for (unsigned i = 0; i < ARRAY_LENGTH(small); i++)
		ck_need((small[i] = take(1000)) != NULL);
	large = take(3 * MIB);
	ck_assert_ptr_nonnull(large);
	ck_assert(pool_free_long(large));
	pool_stats_collect(&stats, NULL, 0);
	ck_assert_uint_le(stats.free_hot_bytes, 1 * MIB);
	for (unsigned i = 0; i < ARRAY_LENGTH(small); i++)
		ck_need(pool_free_long(small[i]));
	pool_stats_collect(&stats, NULL, 0);
	ck_assert_uint_le(stats.free_hot_bytes, 1 * MIB);
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

START_TEST(a_slot_or_a_run_is_resized_where_it_fits)
{
	char *small, *large, *wall;

	start(false);
	small = take(1000);
	ck_assert(pool_resize_in_place(small, 1024));
	ck_assert(pool_resize_in_place(small, 512));
	ck_assert(!pool_resize_in_place(small, 511));
	ck_assert(!pool_resize_in_place(small, 1025));
	large = take(4 * MIB);
	ck_assert_uint_eq(pool_usable_bytes(large), 4 * MIB);
	pattern_fill(large, 2 * MIB, 3, PATTERN_SPARSE);
	ck_assert(pool_resize_in_place(large, 5 * MIB));
	ck_assert_uint_ge(pool_usable_bytes(large), 5 * MIB);
	ck_assert_uint_eq(pool_size(large), 5 * MIB);
	ck_engine_is_whole(ENGINE_PLAIN);
	wall = take(2 * MIB);
	ck_assert(!pool_resize_in_place(large, 60 * MIB));
	ck_assert(pool_resize_in_place(large, 2 * MIB));
	ck_assert_uint_eq(pool_usable_bytes(large), 2 * MIB);
	ck_assert_int_eq(pattern_check(large, 2 * MIB, 3, PATTERN_SPARSE), PATTERN_OK);
	/* The pool's sizes are the pool's. */
	ck_assert(!pool_resize_in_place(large, 1 * MIB));
	ck_assert(pool_free_long(wall) && pool_free_long(large) && pool_free_long(small));
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

START_TEST(what_has_outgrown_its_place_has_room_to_grow_in)
{
	char *last, *short_run, *long_run, *walls[2];

	start(false);
	short_run = take(2 * MIB);
	walls[0] = take(2 * MIB);
	long_run = take(9 * MIB);
	walls[1] = take(2 * MIB);
	ck_assert(pool_free_long(short_run) && pool_free_long(long_run));
	/* Though another fits better. */
	ck_assert_ptr_eq(apart_take_growing(2 * MIB), long_run);
	ck_assert(pool_resize_in_place(long_run, 8 * MIB));
	/* Without room is better than pages that fault. */
	ck_assert_ptr_eq(apart_take_growing(3 * MIB / 2), short_run);
	last = apart_take_growing(2 * MIB);
	ck_assert(pool_free_long(last) && pool_free_long(short_run) && pool_free_long(long_run));
	ck_assert(pool_free_long(walls[0]) && pool_free_long(walls[1]));
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

START_TEST(the_last_of_the_range_grows_with_it_and_no_further_than_it_does)
{
	char *p;
	uint32_t committed;

	start(false);
	p = apart_take_growing(2 * MIB);
	pattern_fill(p, 2 * MIB, 1, PATTERN_SPARSE);
	for (size_t size = 3 * MIB; size < 200 * MIB; size += size / 2)
		ck_need(pool_resize_in_place(p, size));
	ck_assert_uint_ge(pool_size(p), 130 * MIB);
	ck_assert_int_eq(pattern_check(p, 2 * MIB, 1, PATTERN_SPARSE), PATTERN_OK);
	/* At most by a quarter more than is in use, and as much again as an arena grows by. */
	ck_assert_uint_le(range_committed(), (pool_usable_bytes(p) / PAGE_BYTES) * 5 / 4 + 16 * CHUNK_PAGES);
	ck_assert(pool_free_long(p));
	/* And never again for what is freed each time. */
	committed = range_committed();
	for (unsigned i = 0; i < 100; i++) {
		p = apart_take_growing(2 * MIB);
		ck_need(pool_resize_in_place(p, 3 * MIB));
		ck_need(pool_free_long(p));
	}
	ck_assert_uint_eq(range_committed(), committed);
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

START_TEST(the_last_of_the_range_moves_to_where_as_much_idles)
{
	char *idle, *p;
	uint32_t committed;
	size_t size;

	start(false);
	idle = take(100 * MIB);
	p = take(2 * MIB);
	committed = range_committed();
	size = ((size_t)committed << PAGE_SHIFT) - (size_t)(p - (char *)range.base);
	ck_assert_uint_lt(size, 90 * MIB);
	ck_assert(pool_resize_in_place(p, size));
	ck_assert_uint_eq(range_committed(), committed);
	ck_assert(pool_free_long(idle));
	ck_assert(!pool_resize_in_place(p, size + MIB));
	ck_assert_uint_eq(range_committed(), committed);
	ck_assert_ptr_eq(take(100 * MIB), idle);
	/* Where nothing idles it grows with the range. */
	ck_assert(pool_resize_in_place(p, size + MIB));
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

START_TEST(where_the_range_ends_what_grows_is_served_without_room)
{
	char *p;

	ck_assert(engine_start(1, 32 * MIB));
	p = apart_take_growing(20 * MIB);
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_null(apart_take_growing(20 * MIB));
	ck_assert(!pool_resize_in_place(p, 40 * MIB));
	ck_assert(pool_resize_in_place(p, 28 * MIB));
	ck_assert(pool_free_long(p));
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

START_TEST(what_is_freed_is_cleared_where_that_is_asked_for)
{
	char *p, *large;

	start(true);
	p = take(300);
	memset(p, 0xA5, 320);
	ck_assert(take(300) != NULL); /* so that the slab stays */
	ck_assert(pool_free_long(p));
	for (unsigned i = 0; i < 320; i++)
		ck_need(p[i] == 0);
	large = take(2 * MIB);
	memset(large, 0xA5, 2 * MIB);
	ck_assert(pool_free_long(large));
	for (unsigned i = 0; i < 2 * MIB; i++)
		ck_need(large[i] == 0);
	engine_stop();
}
END_TEST

START_TEST(a_run_says_truly_whether_it_is_zero)
{
	bool is_zero;
	unsigned char *p;

	start(false);
	p = apart_take(3 * MIB, 16, &is_zero);
	ck_assert(is_zero);
	memset(p, 0xA5, 3 * MIB);
	ck_assert(pool_free_long(p));
	ck_assert_ptr_eq(apart_take(3 * MIB, 16, &is_zero), p);
	ck_assert(!is_zero);
	engine_stop();
}
END_TEST

/* --- at random, by threads ---------------------------------------------------- */

#define THREADS 4
#define HELD 400

static void *work(void *argument)
{
	static const size_t sizes[] = {1, 16, 33, 64, 100, 250, 700, 1500, 2049, 4096, 4097, 100000, 1200000};
	uint64_t random = (uint64_t)(uintptr_t)argument;
	struct {
		char *p;
		size_t size;
		uint64_t seed;
	} held[HELD] = {{0}};

	for (unsigned i = 0; i < 30000; i++) {
		unsigned k = (unsigned)(random_next(&random) % HELD);

		if (held[k].p != NULL) {
			ck_need(pattern_check(held[k].p, held[k].size, held[k].seed, PATTERN_SPARSE) ==
				PATTERN_OK);
			ck_need(apart_sample(run_of(held[k].p), held[k].p) == (uint32_t)held[k].seed);
			ck_need(pool_free_long(held[k].p));
			held[k].p = NULL;
			continue;
		}
		held[k].size = sizes[random_next(&random) % (i % 10 == 0 ? ARRAY_LENGTH(sizes) : 10)];
		held[k].seed = random_next(&random);
		held[k].p = take(held[k].size);
		ck_need(held[k].p != NULL);
		pool_set_sample(held[k].p, (uint32_t)held[k].seed);
		pattern_fill(held[k].p, held[k].size, held[k].seed, PATTERN_SPARSE);
	}
	for (unsigned k = 0; k < HELD; k++)
		if (held[k].p != NULL)
			ck_need(pool_free_long(held[k].p));
	return NULL;
}

START_TEST(threads_that_take_and_free_keep_what_they_wrote)
{
	pthread_t threads[THREADS];
	struct apart_stats stats;

	start(false);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	apart_count(&stats);
	ck_assert_uint_eq(stats.small_objects + stats.large_objects, 0);
	ck_assert_uint_eq(stats.small_bytes + stats.large_bytes + stats.slab_bytes, 0);
	ck_assert_uint_eq(stats.refused, 0);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(ENGINE_PLAIN);
	engine_stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, every_size_gets_a_slot_that_fits);
	tcase_add_test(tests, a_sample_costs_little_more_than_it_asks_for);
	tcase_add_test(tests, alignment_up_to_a_page_is_met);
	tcase_add_test(tests, what_is_not_in_use_is_not_freed);
	tcase_add_test(tests, the_sample_of_what_is_freed_is_told);
	tcase_add_test(tests, a_sample_that_realloc_resizes_is_told_and_has_another_number_then);
	tcase_add_test(tests, neither_counts_as_a_buffer_nor_against_a_limit);
	tcase_add_test(tests, what_stood_apart_idles_within_the_limit);
	tcase_add_test(tests, a_slot_or_a_run_is_resized_where_it_fits);
	tcase_add_test(tests, what_has_outgrown_its_place_has_room_to_grow_in);
	tcase_add_test(tests, the_last_of_the_range_grows_with_it_and_no_further_than_it_does);
	tcase_add_test(tests, the_last_of_the_range_moves_to_where_as_much_idles);
	tcase_add_test(tests, where_the_range_ends_what_grows_is_served_without_room);
	tcase_add_test(tests, what_is_freed_is_cleared_where_that_is_asked_for);
	tcase_add_test(tests, a_run_says_truly_whether_it_is_zero);
	tcase_add_test(tests, threads_that_take_and_free_keep_what_they_wrote);
}

int main(void)
{
	return run_suite("apart", add_tests);
}
