/*
 * test_pool.c -- the pool as its front end uses it, against a model that holds every
 * buffer with what was written into it.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/reclaim.h"
#include "pool/limits.h"
#include "run_suite.h"
#include "tests/common/engine.h"
#include "tests/common/pattern.h"

#define HELD_MAX 300

static struct settings settings;

static void start(void)
{
	ck_assert(engine_pool(&settings));
}

static void defaults(void)
{
	settings_default(&settings);
}

/* As free does. */
static bool free_any(void *p)
{
	size_t offset = (uintptr_t)p - range.base;

	return offset < range.fast_bytes ? pool_free(offset) : pool_free_long(p);
}

/* --- the model ------------------------------------------------------------------ */

static struct held {
	char *p;
	size_t size;
	uint64_t seed;
} held[HELD_MAX];

static uint64_t random_state, served;

static unsigned class_of_buffer(const void *p)
{
	size_t bytes = pool_usable_bytes(p);
	unsigned class = bytes % PAGE_BYTES != 0 ? size_class_of(bytes)
						 : size_class_within((uint32_t)(bytes / PAGE_BYTES));

	/* Two are as long as each other. */
	return class > 17 && size_class_pages(class - 1) * PAGE_BYTES == bytes &&
		       run_of(p)->size_class == class - 1
		   ? class - 1
		   : class;
}

static size_t random_wanted(void)
{
	size_t size;

	do
		size = random_size(&random_state, 22);
	while (!pool_wants(size));
	return size;
}

static void check_held(const struct held *h)
{
	ck_need(pattern_check(h->p, h->size, h->seed, PATTERN_DENSE) == PATTERN_OK);
	ck_need(pool_size(h->p) == h->size);
	ck_need(pool_usable_bytes(h->p) >= h->size);
}

static void fill_held(struct held *h, void *p, size_t size)
{
	*h = (struct held){p, size, random_next(&random_state)};
	pattern_fill(p, size, h->seed, PATTERN_DENSE);
}

static void step_take(struct held *h)
{
	size_t size = random_wanted(), alignment = (size_t)4096 >> 3 << random_next(&random_state) % 10;
	bool is_aligned = random_next(&random_state) % 4 == 0;
	char *p = is_aligned ? pool_aligned(alignment, size) : pool_malloc(size);

	ck_need(p != NULL && pool_is_buffer(p));
	ck_need((uintptr_t)p % (is_aligned ? alignment : 512) == 0);
	/* Whole, and the zeros are true: read before the first write. */
	if (pool_is_zero(p))
		for (size_t i = 0; i < pool_usable_bytes(p); i++)
			ck_need(p[i] == 0);
	fill_held(h, p, size);
	served++;
}

static void step_resize(struct held *h)
{
	size_t size = random_next(&random_state) % 2 == 0
			  ? random_wanted()
			  : h->size / 2 + random_next(&random_state) % h->size;
	size_t common = MIN(size, h->size), before = pool_usable_bytes(h->p);

	if (!pool_wants(size))
		return;
	if (!pool_resize_in_place(h->p, size)) {
		/* It is as it was, and what fits would have stayed. */
		ck_need(pool_usable_bytes(h->p) == before);
		ck_need(size > before || size < before / 2);
		check_held(h);
		return;
	}
	ck_need(pool_size(h->p) == size);
	ck_need(pattern_check(h->p, common, h->seed, PATTERN_DENSE) == PATTERN_OK);
	/* No more is kept than twice of what is wanted, or than growing may add. */
	ck_need(pool_usable_bytes(h->p) <= MAX(2 * size + PAGE_BYTES, before * 3 / 2 + PAGE_BYTES));
	fill_held(h, h->p, size);
}

static void compare_stats(void)
{
	static struct pool_stats stats;
	struct pool_buffer_info oldest[20];
	uint64_t in_use[SIZE_CLASSES] = {0}, count = 0, bytes = 0, requested = 0, by_class = 0;
	unsigned listed;

	/* Of what is idle, nothing waits before an arena then. */
	pool_let_in(0, 0);
	listed = pool_stats_collect(&stats, oldest, 20);

	for (unsigned i = 0; i < HELD_MAX; i++) {
		if (held[i].p == NULL)
			continue;
		count++;
		bytes += pool_usable_bytes(held[i].p);
		requested += held[i].size;
		in_use[class_of_buffer(held[i].p)]++;
	}
	ck_assert(stats.is_active);
	ck_assert_uint_eq(stats.buffers_in_use, count);
	ck_assert_uint_eq(stats.in_use_bytes, bytes);
	ck_assert_uint_eq(stats.requested_bytes, requested);
	ck_assert_uint_eq(stats.allocations, served);
	ck_assert_uint_eq(stats.buffers_idle, magazines_count());
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		ck_need(stats.classes[class].in_use == in_use[class]);
		by_class += stats.classes[class].allocations;
	}
	ck_assert_uint_eq(by_class, served);
	/* Every committed byte but page 0 is accounted for once. */
	ck_assert_uint_eq(stats.in_use_bytes + stats.idle_bytes + stats.free_hot_bytes +
			      stats.free_cold_bytes + stats.slab_free_bytes,
	    stats.committed_bytes - PAGE_BYTES);
	ck_assert_uint_eq(stats.errors, 0);
	ck_assert_uint_eq(listed, MIN(count, (uint64_t)20));
	for (unsigned i = 0; i < listed; i++) {
		ck_need(oldest[i].is_in_use && pool_is_buffer((void *)(uintptr_t)oldest[i].address));
		ck_need(i == 0 || oldest[i].last_used_ticks >= oldest[i - 1].last_used_ticks);
	}
}

START_TEST(random_work_keeps_every_byte_and_the_figures_agree)
{
	defaults();
	settings.max_buffer_size = 4 * MIB;
	settings.zero_on_free = _i % 2 == 1;
	start();
	memset(held, 0, sizeof(held));
	served = 0;
	random_state = (uint64_t)_i + 17;
	for (unsigned i = 0; i < test_rounds(6000); i++) {
		struct held *h = &held[random_next(&random_state) % HELD_MAX];
		if (h->p == NULL) {
			step_take(h);
		} else if (random_next(&random_state) % 3 == 0) {
			step_resize(h);
		} else {
			check_held(h);
			ck_need(free_any(h->p));
			h->p = NULL;
		}
		if (i % 300 == 299)
			reclaim_run(i, PRESSURE_NONE, i % 600 == 599);
		if (i % 100 == 0) {
			ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
			ck_assert_uint_eq(limits_out_pages(), engine_out_pages());
			compare_stats();
		}
	}
	for (unsigned i = 0; i < HELD_MAX; i++) {
		if (held[i].p == NULL)
			continue;
		check_held(&held[i]);
		ck_need(free_any(held[i].p));
		held[i].p = NULL;
	}
	reclaim_run(10000, PRESSURE_NONE, true);
	compare_stats();
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	ck_assert_uint_eq(limits_out_pages(), 0);
	ck_assert_uint_eq(arenas_hot_pages(), 0);
	engine_stop();
}
END_TEST

/* --- limits ----------------------------------------------------------------------- */

START_TEST(past_the_limit_of_bytes_a_request_gets_nothing_until_one_is_freed)
{
	void *all[2000];
	unsigned count = 0;
	defaults();
	settings.pool_limit = 8 * MIB;
	start();
	while (count < 2000 && (all[count] = pool_malloc(20 * KIB + count % 7 * 1000)) != NULL)
		count++;
	ck_assert_uint_lt(count, 2000);
	ck_assert_uint_le(engine_out_pages() * PAGE_BYTES, 8 * MIB);
	ck_assert_uint_ge(engine_out_pages() * PAGE_BYTES, 8 * MIB - 64 * KIB);
	ck_assert_ptr_null(pool_aligned(64 * KIB, 200 * KIB));
	ck_assert(!pool_resize_in_place(all[0], 100 * KIB));
	/* Freed, it idles in a magazine: a request of another size makes it leave. */
	for (unsigned i = 0; i < 10; i++)
		ck_assert(free_any(all[--count]));
	ck_assert_ptr_nonnull(all[count++] = pool_malloc(150 * KIB));
	ck_assert_uint_le(engine_out_pages() * PAGE_BYTES, 8 * MIB);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	ck_assert_uint_eq(limits_out_pages(), engine_out_pages());
	engine_stop();
}
END_TEST

START_TEST(past_the_limit_of_buffers_a_request_gets_nothing_until_one_is_freed)
{
	void *all[51];
	defaults();
	settings.max_buffers = 50;
	start();
	for (unsigned i = 0; i < 50; i++)
		ck_assert_ptr_nonnull(all[i] = pool_malloc(5000 + 3000 * i));
	ck_assert_ptr_null(pool_malloc(5000));
	ck_assert_ptr_null(pool_malloc(500000));
	ck_assert_ptr_null(pool_aligned(8192, 5000));
	ck_assert(free_any(all[7]));
	ck_assert_ptr_nonnull(all[7] = pool_malloc(500000));
	ck_assert_ptr_null(pool_malloc(5000));
	ck_assert_uint_eq(pool.out_buffers, 50);
	engine_stop();
}
END_TEST

#define THREADS 8

static _Atomic int64_t held_sectors, held_buffers, most_sectors, most_buffers;
static _Atomic unsigned refusals;

static void note_most(_Atomic int64_t *most, int64_t now)
{
	int64_t seen = *most;

	while (now > seen && !atomic_compare_exchange_weak(most, &seen, now))
		;
}

static void *press(void *seed)
{
	uint64_t state = (uintptr_t)seed;
	void *mine[24] = {NULL};

	for (unsigned i = 0; i < test_rounds(20000); i++) {
		void **slot = &mine[random_next(&state) % 24];
		size_t size = 4096 + random_next(&state) % (60 * KIB);

		/* Counted after it is there and before it goes: never more than there are. */
		if (*slot != NULL) {
			atomic_fetch_sub(&held_sectors, (int64_t)(pool_usable_bytes(*slot) / 512));
			atomic_fetch_sub(&held_buffers, 1);
			free_any(*slot);
			*slot = NULL;
			continue;
		}
		*slot = random_next(&state) % 8 == 0 ? pool_aligned(32 * KIB, size) : pool_malloc(size);
		if (*slot == NULL) {
			atomic_fetch_add(&refusals, 1);
			continue;
		}
		*(volatile char *)*slot = 1;
		note_most(&most_sectors,
		    atomic_fetch_add(&held_sectors, (int64_t)(pool_usable_bytes(*slot) / 512)) +
			(int64_t)(pool_usable_bytes(*slot) / 512));
		note_most(&most_buffers, atomic_fetch_add(&held_buffers, 1) + 1);
	}
	for (unsigned i = 0; i < 24; i++) {
		if (mine[i] == NULL)
			continue;
		atomic_fetch_sub(&held_sectors, (int64_t)(pool_usable_bytes(mine[i]) / 512));
		atomic_fetch_sub(&held_buffers, 1);
		free_any(mine[i]);
	}
	return NULL;
}

START_TEST(eight_threads_do_not_pass_a_limit_either)
{
	pthread_t threads[THREADS];
	defaults();
	settings.pool_limit = _i == 0 ? 2 * MIB : 0;
	settings.max_buffers = _i == 0 ? 0 : 60;
	start();
	held_sectors = held_buffers = most_sectors = most_buffers = 0;
	refusals = 0;
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, press, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_gt(refusals, 0);
	if (_i == 0)
		ck_assert_int_le(most_sectors * 512, 2 * (int64_t)MIB);
	else
		ck_assert_int_le(most_buffers, 60);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	ck_assert_uint_eq(limits_out_pages(), engine_out_pages());
	reclaim_run(1, PRESSURE_NONE, true);
	ck_assert_uint_eq(limits_out_pages(), 0);
	ck_assert_uint_eq(pool.out_buffers, 0);
	engine_stop();
}
END_TEST

/* --- zeros -------------------------------------------------------------------------- */

START_TEST(zero_on_free_clears_all_that_was_written_wherever_it_goes)
{
	char *p, *q;
	size_t size = 100000;
	defaults();
	settings.zero_on_free = true;
	start();
	p = pool_malloc(size);
	memset(p, 0x77, size);
	ck_assert(free_any(p));
	for (size_t i = 0; i < size; i++)
		ck_need(p[i] == 0);
	/* Of one that shrank, also what was cut off, by pages or within them. */
	for (size_t smaller = 10000; smaller < size; smaller += 20000) {
		q = pool_malloc(size);
		size_t capacity = pool_usable_bytes(q);
		memset(q, 0x77, size);
		ck_assert(pool_resize_in_place(q, smaller));
		ck_assert(free_any(q));
		for (size_t i = 0; i < capacity; i++)
			ck_assert_msg(q[i] == 0, "of %zu cut to %zu, byte %zu is left", size, smaller, i);
	}
	engine_stop();
}
END_TEST

START_TEST(what_says_that_it_is_zero_is_zero)
{
	unsigned zeros = 0, others = 0;
	defaults();
	start();
	random_state = 4;
	for (int i = 0; i < 3000; i++) {
		size_t size = 4096 + random_next(&random_state) % (300 * KIB);
		char *p = pool_malloc(size);
		if (pool_is_zero(p)) {
			zeros++;
			for (size_t k = 0; k < pool_usable_bytes(p); k += 8)
				ck_need(*(uint64_t *)(void *)(p + k) == 0);
		} else {
			others++;
		}
		memset(p, 0xee, pool_usable_bytes(p));
		if (random_next(&random_state) % 4 != 0)
			free_any(p);
		if (i % 200 == 0)
			reclaim_run((uint32_t)i, PRESSURE_CRITICAL, false);
	}
	ck_assert_uint_gt(zeros, 100);
	ck_assert_uint_gt(others, 100);
	engine_stop();
}
END_TEST

/* Without sequences what a magazine has is handed out on the slow path: run it with glibc.pthread.rseq=0, too. */
START_TEST(a_use_count_that_comes_round_is_no_first_use)
{
	char *p;
	defaults();
	start();
	p = pool_malloc(64 * KIB);
	ck_assert(pool_is_zero(p));
	memset(p, 0xee, 64 * KIB);
	run_of(p)->buffer.use_count = UINT32_MAX;
	for (int i = 0; i < 2; i++) {
		ck_assert(free_any(p));
		ck_assert_ptr_eq(pool_malloc(64 * KIB), p);
	}
	ck_assert_uint_eq(run_of(p)->buffer.use_count, 1);
	ck_assert(!pool_is_zero(p));
	engine_stop();
}
END_TEST

/* --- pointers ------------------------------------------------------------------------- */

START_TEST(a_pointer_is_described_as_what_it_is)
{
	static const size_t sizes[] = {4096, 5000, 9000, 20000, 1000000};
	struct pool_buffer_info info;
	defaults();
	start();
	for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++) {
		char *p = pool_malloc(sizes[i]), *wall = pool_malloc(sizes[i]);
		size_t capacity = pool_usable_bytes(p);
		ck_assert_int_eq(pool_describe(p, &info), POOL_POINTER_IN_USE);
		ck_assert_uint_eq(info.address, (uintptr_t)p);
		ck_assert_uint_eq(info.size_bytes, sizes[i]);
		ck_assert_uint_eq(info.capacity_bytes, capacity);
		ck_assert_uint_eq(info.use_count, 1);
		uint64_t id = info.id;
		for (size_t inner = 1; inner < capacity; inner += inner < 9000 ? 127 : 4093) {
			ck_need(pool_describe(p + inner, &info) == POOL_POINTER_INNER);
			ck_need(info.address == (uintptr_t)p && info.id == id);
			/* Nothing is done with it. */
			ck_need(!pool_is_buffer(p + inner) && !free_any(p + inner));
		}
		ck_assert_int_eq(pool_describe(p + capacity - 1, &info), POOL_POINTER_INNER);
		ck_assert(free_any(p));
		ck_assert_int_eq(pool_describe(p, &info), POOL_POINTER_FREE);
		ck_assert_uint_eq(info.id, id);
		ck_assert(!free_any(p));
		ck_assert_int_eq(pool_describe(p + 1, &info), POOL_POINTER_INNER);
		ck_assert(!info.is_in_use);
		/* In the heap nothing is known of it any more. */
		ck_assert(reclaim_drain(0));
		ck_assert_int_eq(pool_describe(p, &info), POOL_POINTER_WILD);
		ck_assert(!free_any(p));
		ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
		ck_assert(free_any(wall));
	}
	char *base = (char *)range.base;
	ck_assert_int_eq(pool_describe(base, &info), POOL_POINTER_WILD);
	ck_assert_int_eq(pool_describe(base + 8 * PAGE_BYTES + 5, &info), POOL_POINTER_WILD);
	ck_assert_int_eq(pool_describe(base + range.bytes - 1, &info), POOL_POINTER_WILD);
	ck_assert_int_eq(pool_describe(base + range.bytes, &info), POOL_POINTER_WILD);
	ck_assert_int_eq(pool_describe(&info, &info), POOL_POINTER_WILD);
	ck_assert(!free_any(base) && !free_any(base + range.bytes - PAGE_BYTES));
	engine_stop();
}
END_TEST

START_TEST(a_buffer_that_comes_back_has_another_id_only_when_the_heap_made_it_anew)
{
	struct pool_buffer_info first, second, third;
	defaults();
	start();
	void *p = pool_malloc(70000);
	pool_describe(p, &first);
	free_any(p);
	ck_assert_ptr_eq(pool_malloc(70000), p);
	pool_describe(p, &second);
	ck_assert_uint_eq(second.id, first.id);
	ck_assert_uint_eq(second.use_count, 2);
	free_any(p);
	ck_assert(reclaim_drain(0));
	ck_assert_ptr_eq(pool_malloc(70000), p);
	pool_describe(p, &third);
	ck_assert_uint_ne(third.id, first.id);
	ck_assert_uint_eq(third.use_count, 1);
	engine_stop();
}
END_TEST

/* --- fork ----------------------------------------------------------------------------- */

static atomic_bool is_over;

static void *churn(void *seed)
{
	uint64_t state = (uintptr_t)seed;
	void *mine[16] = {NULL};

	while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
		void **slot = &mine[random_next(&state) % 16];
		if (*slot != NULL)
			free_any(*slot);
		*slot = pool_malloc(4096 + random_next(&state) % (500 * KIB));
	}
	for (unsigned i = 0; i < 16; i++)
		if (mine[i] != NULL)
			free_any(mine[i]);
	return NULL;
}

/* 42: the child can do all that its parent can, with what the parent left it. */
static int in_child(char *inherited, size_t size)
{
	uint64_t state = 5;
	void *mine[16] = {NULL};

	if (pattern_check(inherited, size, 9, PATTERN_DENSE) != PATTERN_OK)
		return 1;
	for (int i = 0; i < 3000; i++) {
		void **slot = &mine[random_next(&state) % 16];
		if (*slot != NULL && !free_any(*slot))
			return 2;
		*slot = pool_malloc(4096 + random_next(&state) % (500 * KIB));
		if (*slot == NULL)
			return 3;
		memset(*slot, 1, 4096);
	}
	if (!free_any(inherited))
		return 4;
	reclaim_run(1000, PRESSURE_CRITICAL, true);
	return engine_fault(ENGINE_FORKED) == NULL ? 42 : 5;
}

START_TEST(the_child_of_a_threaded_program_goes_on)
{
	static bool is_registered;
	pthread_t threads[4];
	size_t size = 200000;
	char *p;
	defaults();
	start();
	if (!is_registered)
		pthread_atfork(pool_fork_prepare, pool_fork_parent, pool_fork_child);
	is_registered = true;
	is_over = false;
	p = pool_malloc(size);
	pattern_fill(p, size, 9, PATTERN_DENSE);
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < test_rounds(25); i++) {
		int status;
		pid_t child = fork();
		if (child == 0)
			_exit(in_child(p, size));
		reclaim_run(i, PRESSURE_NONE, i % 2 == 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "child %u: %x", i, status);
	}
	is_over = true;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(pattern_check(p, size, 9, PATTERN_DENSE), PATTERN_OK);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	engine_stop();
}
END_TEST

START_TEST(without_a_range_nothing_is_wanted_and_nothing_is_ours)
{
	static struct pool_stats stats;
	engine_clear();
	ck_assert(!pool_wants(4096) && !pool_wants(0) && !pool_wants(SIZE_MAX));
	ck_assert(!pool_contains(&stats) && !pool_contains(NULL));
	ck_assert_ptr_null(pool_take(5000));
	ck_assert_uint_eq(pool_stats_collect(&stats, NULL, 0), 0);
	ck_assert(!stats.is_active);
	ck_assert_uint_eq(reclaim_run(1, PRESSURE_CRITICAL, true), 0);
	pool_fork_prepare();
	pool_fork_parent();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, without_a_range_nothing_is_wanted_and_nothing_is_ours);
	tcase_add_loop_test(tests, random_work_keeps_every_byte_and_the_figures_agree, 0, 3);
	tcase_add_test(tests, past_the_limit_of_bytes_a_request_gets_nothing_until_one_is_freed);
	tcase_add_test(tests, past_the_limit_of_buffers_a_request_gets_nothing_until_one_is_freed);
	tcase_add_loop_test(tests, eight_threads_do_not_pass_a_limit_either, 0, 2);
	tcase_add_test(tests, zero_on_free_clears_all_that_was_written_wherever_it_goes);
	tcase_add_test(tests, what_says_that_it_is_zero_is_zero);
	tcase_add_test(tests, a_use_count_that_comes_round_is_no_first_use);
	tcase_add_test(tests, a_pointer_is_described_as_what_it_is);
	tcase_add_test(tests, a_buffer_that_comes_back_has_another_id_only_when_the_heap_made_it_anew);
	tcase_add_test(tests, the_child_of_a_threaded_program_goes_on);
}

int main(void)
{
	return run_suite("pool", add_tests);
}
