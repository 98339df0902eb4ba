/*
 * test_magazine.c -- the room of magazines, under threads that all mean the same CPU.
 */
#include <pthread.h>

#include "pool/pool.h"
#include "run_suite.h"

#define THREADS 4
#define ROUNDS 200000
#define CLASSES_USED 6

static void start(void)
{
	struct settings settings;
	settings_default(&settings);
	ck_assert(pool_init(&settings));
}

static uint32_t room_of(unsigned class)
{
	const char *area = (const char *)magazine_cpu_at(0);
	return ((const struct rseq_stack *)(const void *)(area + MAGAZINE_OFFSET(class)))->room;
}

static _Atomic uint32_t highest;

/* A thread that has moved to another CPU goes on with the one that it missed on. */
static void *grow(void *argument)
{
	struct magazine_evicted evicted;
	uint64_t random = (uintptr_t)argument * 2654435761u + 1;
	for (int i = 0; i < ROUNDS; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		unsigned class = (unsigned)(random >> 33) % CLASSES_USED;
		magazine_grow(0, class, &evicted);
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

static void ignore(const uint32_t *pages, unsigned count)
{
	(void)pages;
	(void)count;
}

START_TEST(a_stack_that_is_over_its_room_is_drained_to_no_room)
{
	struct magazine_evicted evicted;
	start();
	magazine_grow(0, 0, &evicted);
	ck_assert_uint_gt(room_of(0), 0);
	struct rseq_stack *stack =
	    (struct rseq_stack *)(void *)((char *)magazine_cpu_at(0) + MAGAZINE_OFFSET(0));
	ck_assert_ptr_nonnull(pool_malloc(4096)); /* so that the table has entries */
	for (uint32_t i = 0; i < 10; i++)
		stack->items[i] = 1 + i;
	stack->count = 10;
	stack->room = 4;
	magazine_cpu_at(0)->room_bytes = 4 * size_class_bytes(0);
	if (!magazines_drain(pool.now + 1, 0, ignore))
		return; /* a kernel without the fence */
	ck_assert_uint_eq(stack->count, 0);
	ck_assert_uint_eq(room_of(0), 0);
	ck_assert_uint_eq(magazine_cpu_at(0)->room_bytes, 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, room_stays_within_the_magazine_and_its_bytes_are_its_sum);
	tcase_add_test(tests, a_stack_that_is_over_its_room_is_drained_to_no_room);
}

int main(void)
{
	return run_suite("magazine", add_tests);
}
