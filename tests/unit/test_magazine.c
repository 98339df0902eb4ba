/*
 * test_magazine.c -- room within a budget, what has to leave, and draining.
 *
 * Items are idle buffers out of a real heap, so that engine_fault() can account for each.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "idle_thread.h"
#include "run_suite.h"
#include "tests/common/engine.h"
#include "tests/common/pattern.h"

#define CLASS_16K 16
#define CLASS_64K 32

static struct magazine_evicted evicted;
static struct arena_change change;
static unsigned cpu;
static _Atomic unsigned drained;

/* One CPU for the whole test, so that its magazines are the ones at hand. */
static void start(void)
{
	cpu_set_t one;

	ck_assert(engine_start(2, 256 * MIB));
	cpu = magazine_cpu_current();
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert_uint_eq(magazine_cpu_current(), cpu);
	atomic_store(&magazines.budget_bytes, MIB);
	drained = 0;
}

static void stop(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	engine_stop();
}

static uint32_t new_item(unsigned class, uint32_t last_used)
{
	uint32_t page;

	ck_assert_uint_eq(arenas_take(class, 1, 1, &page, &change), 1);
	run_at(page)->buffer.last_used = last_used;
	return page;
}

static void to_heap(uint32_t *pages, unsigned count)
{
	struct arena_change unused_change;

	drained += count;
	arenas_give(pages, count, 1, &unused_change);
}

static uint64_t room_bytes(void)
{
	return magazine_cpu_at(cpu)->room_bytes;
}

START_TEST(a_magazine_without_room_takes_nothing)
{
	start();
	ck_assert_uint_eq(magazine_pop_any(CLASS_64K), 0);
	ck_assert(!magazine_push_any(CLASS_64K, 5));
	ck_assert_uint_eq(magazines_count(), 0);
	stop();
}
END_TEST

START_TEST(room_doubles_with_each_miss_up_to_its_bounds)
{
	uint32_t expected = 0, room;
	start();
	atomic_store(&magazines.budget_bytes, 64 * MIB);
	for (int i = 0; i < 10; i++) {
		expected = MIN(MAX(2 * expected, 1u), (uint32_t)MAGAZINE_ITEMS_MAX);
		room = magazine_grow(cpu, 0, &evicted);
		ck_assert_uint_eq(room, expected);
		ck_assert_uint_eq(engine_stack(cpu, 0)->room, room);
		ck_assert_uint_eq(evicted.count, 0);
	}
	ck_assert_uint_eq(room, MAGAZINE_ITEMS_MAX);
	/* A class of 8 MiB has room for one, larger ones for none: an idle one would cost too much. */
	unsigned large = size_class_of(8 * MIB);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(magazine_grow(cpu, large, &evicted), 1);
	ck_assert_uint_eq(magazine_grow(cpu, large + 1, &evicted), 0);
	ck_assert_uint_eq(magazine_grow(cpu, SIZE_CLASSES - 1, &evicted), 0);
	ck_assert_uint_eq(room_bytes(), 8 * MIB + MAGAZINE_ITEMS_MAX * 4 * KIB);
	ck_assert_uint_eq(magazines.cpus_used, 1);
	stop();
}
END_TEST

START_TEST(what_was_pushed_last_is_popped_first_and_the_room_is_kept)
{
	uint32_t pages[5];
	start();
	for (int i = 0; i < 3; i++)
		magazine_grow(cpu, CLASS_64K, &evicted);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_64K)->room, 4);
	for (unsigned i = 0; i < 5; i++) {
		pages[i] = new_item(CLASS_64K, 1);
		ck_assert_int_eq(magazine_push_any(CLASS_64K, pages[i]), i < 4);
	}
	ck_assert_uint_eq(magazines_count(), 4);
	ck_engine_is_whole(0);
	for (unsigned i = 4; i-- > 0;)
		ck_assert_uint_eq(magazine_pop_any(CLASS_64K), pages[i]);
	ck_assert_uint_eq(magazine_pop_any(CLASS_64K), 0);
	ck_assert_uint_eq(magazine_pop_any(CLASS_16K), 0);
	stop();
}
END_TEST

START_TEST(the_budget_is_kept_whatever_misses)
{
	uint64_t state = 7;
	start();
	for (int i = 0; i < 20000; i++) {
		unsigned class = size_class_of(random_size(&state, 22));
		uint32_t room = magazine_grow(cpu, class, &evicted), page;
		ck_need(room == engine_stack(cpu, class)->room);
		ck_need(room_bytes() <= MIB);
		ck_need(evicted.count <= MAGAZINE_ITEMS_MAX);
		to_heap(evicted.pages, evicted.count);
		while (engine_stack(cpu, class)->count < room) {
			page = new_item(class, 1);
			ck_need(magazine_push_any(class, page));
		}
		if (i % 64 == 0)
			ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	}
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	ck_assert_uint_gt(drained, 1000); /* others had to make way */
	stop();
}
END_TEST

START_TEST(one_class_alone_has_a_budget_of_its_own)
{
	start();
	atomic_store(&magazines.sole_budget_bytes, 3 * MIB / 2);
	for (int i = 0; i < 100; i++)
		magazine_grow(cpu, CLASS_64K, &evicted);
	ck_assert_uint_eq(room_bytes(), 3 * MIB / 2);
	/* There is nothing to be had from others, and it does not go and look. */
	ck_assert_uint_eq(magazine_cpu_at(cpu)->hand, 0);
	stop();
}
END_TEST

START_TEST(a_class_that_gives_up_room_gives_up_its_items)
{
	uint32_t pages[16];
	start();
	for (int i = 0; i < 5; i++)
		magazine_grow(cpu, CLASS_64K, &evicted);
	ck_assert_uint_eq(room_bytes(), MIB); /* 16 of 64 KiB: all of it */
	for (unsigned i = 0; i < 16; i++) {
		pages[i] = new_item(CLASS_64K, 1);
		ck_assert(magazine_push_any(CLASS_64K, pages[i]));
	}
	/* Room is taken from others at some misses only. */
	for (int tries = 0; tries < 100 && engine_stack(cpu, CLASS_16K)->room == 0; tries++)
		magazine_grow(cpu, CLASS_16K, &evicted);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_16K)->room, 1);
	ck_assert_uint_eq(evicted.count, 8);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_uint_eq(evicted.pages[i], pages[15 - i]);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_64K)->room, 8);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_64K)->count, 8);
	ck_assert_uint_eq(room_bytes(), MIB / 2 + 16 * KIB);
	stop();
}
END_TEST

START_TEST(only_what_is_stale_is_drained_and_its_room_with_it)
{
	uint32_t pages[16];
	start();
	for (int i = 0; i < 5; i++)
		magazine_grow(cpu, CLASS_64K, &evicted);
	for (unsigned i = 0; i < 16; i++) {
		pages[i] = new_item(CLASS_64K, 100 + 10 * i); /* the bottom is the oldest */
		ck_assert(magazine_push_any(CLASS_64K, pages[i]));
	}
	/* At 300, those of 100 to 150 have been idle for 150 and more. */
	ck_assert(magazines_drain(300, 150, to_heap));
	ck_assert_uint_eq(drained, 6);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_64K)->count, 10);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_64K)->room, 10);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	/* Nothing is stale: nothing happens, and a CPU that is not closed works on. */
	ck_assert(magazines_drain(300, 150, to_heap));
	ck_assert_uint_eq(drained, 6);
	for (unsigned i = 16; i-- > 10;)
		ck_assert_uint_eq(magazine_pop_any(CLASS_64K), pages[i]);
	/* All of it, down to the last one. */
	ck_assert(magazines_drain(300, 0, to_heap));
	ck_assert_uint_eq(drained, 10);
	ck_assert_uint_eq(magazines_count(), 0);
	ck_engine_is_whole(0);
	stop();
}
END_TEST

/* A CPU is short of room, and this one was quiet since 200: six of its ten items stay, they were used at 250. */
START_TEST(a_quiet_cpu_gives_up_what_is_stale_and_the_room_that_is_empty)
{
	unsigned asking;
	start();
	asking = cpu + 1;
	for (int i = 0; i < 5; i++)
		magazine_grow(cpu, CLASS_64K, &evicted);
	magazine_grow(cpu, CLASS_16K, &evicted);
	for (unsigned i = 0; i < 10; i++)
		ck_assert(magazine_push_any(CLASS_64K, new_item(CLASS_64K, i < 4 ? 200 : 250)));
	magazine_cpu_at(cpu)->slow_at = 200;
	ck_assert(!magazines_gather(asking, 207, to_heap)); /* a tick too soon */
	ck_assert(!magazines_gather(cpu, 255, to_heap));    /* it asks itself */
	ck_assert(magazines_gather(asking, 255, to_heap));
	ck_assert_uint_eq(drained, 4);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_64K)->count, 6);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_64K)->room, 6);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_16K)->room, 0);
	ck_assert_uint_eq(room_bytes(), 6 * 64 * KIB);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	/* Once in that time. */
	ck_assert(!magazines_gather(asking, 262, to_heap));
	/* Then all of it, and the budget is divided by one CPU less. */
	ck_assert_uint_eq(magazines.cpus_used, 1);
	ck_assert(magazines_gather(asking, 263, to_heap));
	ck_assert_uint_eq(drained, 10);
	ck_assert_uint_eq(room_bytes(), 0);
	ck_assert_uint_eq(magazines.cpus_used, 0);
	ck_engine_is_whole(0);
	stop();
}
END_TEST

static void to_heap_and_miss(uint32_t *pages, unsigned count)
{
	/* Some are left there, and there is room. */
	ck_assert_uint_eq(engine_stack(cpu, CLASS_64K)->count, 1);
	ck_assert_uint_eq(magazine_pop(CLASS_64K), 0);
	ck_assert(!magazine_push(CLASS_16K, 1));
	to_heap(pages, count);
}

START_TEST(while_a_cpu_is_drained_its_magazines_miss)
{
	start();
	for (int i = 0; i < 3; i++)
		magazine_grow(cpu, CLASS_64K, &evicted);
	magazine_grow(cpu, CLASS_16K, &evicted);
	for (unsigned i = 0; i < 3; i++)
		ck_assert(magazine_push_any(CLASS_64K, new_item(CLASS_64K, i < 2 ? 100 : 300)));
	/* Without sequences the one who drains holds the lock instead. */
	ck_assert(magazines_drain(300, 150, magazines.is_rseq ? to_heap_and_miss : to_heap));
	ck_assert_uint_eq(drained, 2);
	ck_assert_uint_ne(magazine_pop_any(CLASS_64K), 0);
	stop();
}
END_TEST

START_TEST(a_sweep_takes_all_classes_items_up_to_its_bound)
{
	uint32_t pages[8];
	start();
	for (unsigned class = CLASS_16K; class < CLASS_16K + 6; class ++) {
		magazine_grow(cpu, class, &evicted);
		ck_assert(magazine_push_any(class, new_item(class, 1)));
	}
	ck_assert_uint_eq(magazine_sweep(cpu, pages, 4), 4);
	to_heap(pages, 4);
	ck_assert_uint_eq(magazines_count(), 2);
	ck_assert_uint_eq(magazine_sweep(cpu, pages, 8), 2);
	to_heap(pages, 2);
	ck_assert_uint_eq(magazine_sweep(cpu, pages, 8), 0);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	stop();
}
END_TEST

START_TEST(one_miss_among_overflows_says_that_somebody_allocates)
{
	unsigned until = 0;
	start();
	while (!magazine_is_freeing(cpu)) {
		magazine_note_overflow(cpu, CLASS_64K);
		ck_assert_uint_lt(++until, 100);
	}
	magazine_note_miss(cpu, CLASS_16K);
	for (unsigned i = 0; i < until; i++) {
		ck_assert(!magazine_is_freeing(cpu));
		magazine_note_overflow(cpu, CLASS_64K);
	}
	ck_assert(magazine_is_freeing(cpu));
	stop();
}
END_TEST

START_TEST(a_batch_doubles_with_each_event_of_its_kind_and_begins_anew_with_the_other)
{
	start();
	for (unsigned i = 0; i < 20; i++)
		ck_assert_uint_eq(magazine_note_miss(cpu, CLASS_64K), 1u << MIN(i, 6u));
	for (unsigned i = 0; i < 20; i++)
		ck_assert_uint_eq(magazine_note_overflow(cpu, CLASS_64K), 1u << MIN(i, 6u));
	ck_assert_uint_eq(magazine_note_miss(cpu, CLASS_16K), 1);
	ck_assert_uint_eq(magazine_note_overflow(cpu, CLASS_64K), 64);
	ck_assert_uint_eq(magazine_note_miss(cpu, CLASS_64K), 1);
	ck_assert_uint_eq(magazine_note_miss(cpu, CLASS_64K), 2);
	stop();
}
END_TEST

START_TEST(a_few_stale_bytes_are_not_worth_a_fence)
{
	start();
	magazine_grow(cpu, CLASS_16K, &evicted);
	ck_assert(magazine_push_any(CLASS_16K, new_item(CLASS_16K, 1)));
	ck_assert(magazines_drain(100000, 10, to_heap));
	ck_assert_uint_eq(drained, 0);
	/* But when everything is asked for, they go, too. */
	ck_assert(magazines_drain(100000, 0, to_heap));
	ck_assert_uint_eq(drained, 1);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	stop();
}
END_TEST

/* A process of one thread needs no fence; where no file can be opened another may not be asked for. */
START_TEST(without_a_fence_the_callers_cpu_is_drained_if_stale)
{
	struct rlimit before, none;
	pthread_t other;
	start();
	other = idle_thread_begin();
	for (int i = 0; i < 3; i++) {
		magazine_grow(cpu, CLASS_64K, &evicted);
		magazine_grow(cpu, CLASS_16K, &evicted);
	}
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert(magazine_push_any(CLASS_64K, new_item(CLASS_64K, 100)));
		ck_assert(magazine_push_any(CLASS_16K, new_item(CLASS_16K, 200)));
	}
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){0, before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	if (magazines.is_rseq)
		ck_assert(!sys_may_fence());
	ck_assert(magazines_drain(250, 100, to_heap));
	ck_assert_uint_eq(drained, 4);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_64K)->count, 0);
	ck_assert_uint_eq(engine_stack(cpu, CLASS_16K)->count, 4);
	ck_assert(magazines_drain(250, 0, to_heap));
	ck_assert_uint_eq(magazines_count(), 0);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	idle_thread_end(other);
	stop();
}
END_TEST

START_TEST(what_is_above_its_room_is_drained_to_the_last)
{
	struct rseq_stack *stack;
	start();
	for (int i = 0; i < 4; i++)
		magazine_grow(cpu, CLASS_64K, &evicted);
	for (uint32_t i = 0; i < 8; i++)
		ck_assert(magazine_push_any(CLASS_64K, new_item(CLASS_64K, i < 4 ? 100 : 200)));
	/* A thread that was moved to another CPU while it took room away left the items. */
	stack = (struct rseq_stack *)(uintptr_t)engine_stack(cpu, CLASS_64K);
	magazine_cpu_at(cpu)->room_bytes -= 5 * 64 * KIB;
	stack->room -= 5;
	ck_assert(magazines_drain(250, 100, to_heap)); /* four are stale; room for three was left */
	ck_assert_uint_eq(drained, 4);
	ck_assert_uint_eq(stack->count, 4);
	ck_assert_uint_eq(magazines_count(), 4);
	ck_assert(magazines_drain(1000, 100, to_heap));
	ck_assert_uint_eq(drained, 8);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	stop();
}
END_TEST

/* --- many threads, one CPU ------------------------------------------------------- */

#define THREADS 4
#define ROUNDS 200000
#define CLASSES_USED 6

static uint32_t room_of(unsigned class)
{
	return LOAD_RELAXED(&engine_stack(0, class)->room);
}

static _Atomic uint32_t highest;

/* A thread that has moved to another CPU goes on with the one that it missed on. */
static void *grow(void *argument)
{
	struct magazine_evicted out;
	uint64_t random = (uintptr_t)argument * 2654435761u + 1;
	for (int i = 0; i < ROUNDS; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		unsigned class = (unsigned)(random >> 33) % CLASSES_USED;
		magazine_grow(0, class, &out);
		uint32_t room = room_of(class), seen = highest;
		while (room > seen && !atomic_compare_exchange_weak(&highest, &seen, room))
			;
	}
	return NULL;
}

START_TEST(room_stays_within_the_magazine_and_its_bytes_are_its_sum)
{
	pthread_t threads[THREADS];
	start();
	highest = 0;
	/* Room for a part of what is asked for, so that classes take it from each other all the time. */
	atomic_store(&magazines.budget_bytes, CLASSES_USED * 20 * size_class_bytes(0));
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, grow, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);

	uint64_t bytes = 0;
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		ck_assert_msg(
		    room_of(class) <= MAGAZINE_ITEMS_MAX, "class %u has room for %u", class, room_of(class));
		bytes += room_of(class) * size_class_bytes(class);
	}
	ck_assert_uint_le(highest, MAGAZINE_ITEMS_MAX);
	ck_assert_uint_eq(magazine_cpu_at(0)->room_bytes, bytes);
	ck_assert_uint_eq(magazines.cpus_used, 1);
}
END_TEST

/* --- draining while others work ------------------------------------------------- */

#define ITEMS 400

static atomic_bool is_over;
static _Atomic unsigned in_heap;

static void count_drained(uint32_t *pages UNUSED, unsigned count)
{
	struct arena_change unused_change;

	atomic_fetch_add(&in_heap, count);
	arenas_give(pages, count, 1, &unused_change);
}

static void *work(void *seed)
{
	uint64_t state = (uintptr_t)seed;
	struct magazine_evicted out;
	struct arena_change unused_change;

	while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
		unsigned class = CLASS_16K + (unsigned)(random_next(&state) % 24) / 2 * 2;
		uint32_t page = magazine_pop_any(class);

		if (page == 0 && arenas_take(class, 1, 1, &page, &unused_change) == 1)
			atomic_fetch_sub(&in_heap, 1);
		if (page == 0)
			continue;
		STORE_RELAXED(&run_at(page)->state, RUN_IN_USE);
		*(volatile unsigned char *)page_address(page) = 1;
		STORE_RELAXED(&run_at(page)->state, RUN_IDLE);
		STORE_RELAXED(&run_at(page)->buffer.last_used, (uint32_t)random_next(&state) % 64);
		if (magazine_push_any(class, page))
			continue;
		magazine_grow(magazine_cpu_current(), class, &out);
		if (!magazine_push_any(class, page)) {
			atomic_fetch_add(&in_heap, 1);
			arenas_give(&page, 1, 1, &unused_change);
		}
		if (out.count != 0) {
			atomic_fetch_add(&in_heap, out.count);
			arenas_give(out.pages, out.count, 1, &unused_change);
		}
	}
	return NULL;
}

START_TEST(a_drain_while_others_work_loses_nothing)
{
	pthread_t threads[THREADS];
	cpu_set_t all;
	start();
	memset(&all, 0xff, sizeof(all));
	ck_assert_int_eq(sched_setaffinity(0, sizeof(all), &all), 0);
	in_heap = ITEMS;
	is_over = false;
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
	for (int i = 0; i < 400; i++) {
		ck_assert(magazines_drain(64, i % 3 == 0 ? 0 : 16, count_drained));
		sched_yield();
	}
	is_over = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* Every buffer is in the heap or in exactly one magazine, and rooms add up to the bytes. */
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	ck_assert_uint_eq(ITEMS - in_heap, magazines_count());
	ck_assert(magazines_drain(64, 0, count_drained));
	ck_assert_uint_eq(in_heap, ITEMS);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	stop();
}
END_TEST

START_TEST(a_cpu_that_was_lent_misses_until_all_of_it_is_back)
{
	uint32_t page, first, second;
	start();
	if (!magazines.is_rseq) {
		/* Its lock keeps a CPU's stacks from whoever comes. */
		ck_assert_uint_eq(magazines_lend(), 0);
		magazines_take_back(0);
		stop();
		return;
	}
	magazine_grow(cpu, CLASS_64K, &evicted);
	page = new_item(CLASS_64K, 1);
	ck_assert(magazine_push_any(CLASS_64K, page));
	first = magazines_lend();
	second = magazines_lend();
	ck_assert_uint_eq(magazine_pop_any(CLASS_64K), 0);
	/* A drain is no sequence, and gives nothing back that is not its own. */
	ck_assert(magazines_drain(64, 0, to_heap));
	ck_assert_uint_eq(drained, 1);
	magazine_grow(cpu, CLASS_64K, &evicted);
	page = new_item(CLASS_64K, 1);
	ck_assert(!magazine_push_any(CLASS_64K, page));
	magazines_take_back(second);
	ck_assert(!magazine_push_any(CLASS_64K, page));
	magazines_take_back(first);
	ck_assert(magazine_push_any(CLASS_64K, page));
	ck_assert_uint_eq(magazine_pop_any(CLASS_64K), page);
	/* The child of a fork has no threads that could give it back. */
	magazines_lend();
	magazines_fork_prepare();
	magazines_fork_done(true);
	ck_assert(magazine_push_any(CLASS_64K, page));
	stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_magazine_without_room_takes_nothing);
	tcase_add_test(tests, room_doubles_with_each_miss_up_to_its_bounds);
	tcase_add_test(tests, what_was_pushed_last_is_popped_first_and_the_room_is_kept);
	tcase_add_test(tests, the_budget_is_kept_whatever_misses);
	tcase_add_test(tests, one_class_alone_has_a_budget_of_its_own);
	tcase_add_test(tests, a_class_that_gives_up_room_gives_up_its_items);
	tcase_add_test(tests, only_what_is_stale_is_drained_and_its_room_with_it);
	tcase_add_test(tests, a_quiet_cpu_gives_up_what_is_stale_and_the_room_that_is_empty);
	tcase_add_test(tests, while_a_cpu_is_drained_its_magazines_miss);
	tcase_add_test(tests, a_sweep_takes_all_classes_items_up_to_its_bound);
	tcase_add_test(tests, one_miss_among_overflows_says_that_somebody_allocates);
	tcase_add_test(tests, a_batch_doubles_with_each_event_of_its_kind_and_begins_anew_with_the_other);
	tcase_add_test(tests, a_few_stale_bytes_are_not_worth_a_fence);
	tcase_add_test(tests, without_a_fence_the_callers_cpu_is_drained_if_stale);
	tcase_add_test(tests, what_is_above_its_room_is_drained_to_the_last);
	tcase_add_test(tests, room_stays_within_the_magazine_and_its_bytes_are_its_sum);
	tcase_add_test(tests, a_drain_while_others_work_loses_nothing);
	tcase_add_test(tests, a_cpu_that_was_lent_misses_until_all_of_it_is_back);
}

int main(void)
{
	return run_suite("magazine", add_tests);
}
