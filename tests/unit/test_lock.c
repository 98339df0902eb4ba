/*
 * test_lock.c -- the mutex: one holder at a time, nobody sleeps for ever; and what one thread does without one.
 */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/lock.h"
#include "run_suite.h"

#define THREADS 6
#define ROUNDS 20000

static struct {
	struct lock lock;
	unsigned long count; /* plain: only the lock keeps it right */
	unsigned holders;
	unsigned overlaps;
} shared;

static void *add_many(void *unused UNUSED)
{
	for (int i = 0; i < ROUNDS; i++) {
		lock_acquire(&shared.lock);
		if (++shared.holders != 1)
			shared.overlaps++;
		shared.count++;
		if (i % 1024 == 0) /* long enough that others go to sleep */
			nanosleep(&(struct timespec){0, 20000}, NULL);
		shared.holders--;
		lock_release(&shared.lock);
	}
	return NULL;
}

START_TEST(one_thread_at_a_time_holds_it)
{
	pthread_t threads[THREADS];
	shared = (__typeof__(shared)){0};
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(shared.count, (unsigned long)THREADS * ROUNDS);
	ck_assert_uint_eq(shared.overlaps, 0);
	ck_assert_uint_eq(shared.lock.word, 0);
	/* Every taking is counted, and the ones that had to wait among them. */
	ck_assert_uint_eq(shared.lock.acquisitions, (unsigned long)THREADS * ROUNDS);
	ck_assert_uint_gt(shared.lock.contentions, 0);
	ck_assert_uint_le(shared.lock.contentions, shared.lock.acquisitions);
}
END_TEST

START_TEST(a_taken_lock_is_not_taken_again)
{
	struct lock lock = {0};
	ck_assert(lock_try(&lock));
	ck_assert(!lock_try(&lock));
	ck_assert_uint_eq(lock.acquisitions, 1);
	lock_release(&lock);
	ck_assert(lock_try(&lock));
	ck_assert_uint_eq(lock.acquisitions, 2);
	ck_assert_uint_eq(lock.contentions, 0);
	lock_release(&lock);
}
END_TEST

static struct {
	struct lock lock;
	_Atomic unsigned taken;
} sleepers;

static void *take_once(void *unused UNUSED)
{
	lock_acquire(&sleepers.lock);
	atomic_fetch_add(&sleepers.taken, 1);
	lock_release(&sleepers.lock);
	return NULL;
}

START_TEST(whoever_sleeps_is_woken_though_all_slept)
{
	pthread_t threads[THREADS];
	lock_acquire(&sleepers.lock);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_once, NULL), 0);
	/* Until the word says that somebody is about to sleep, and then some. */
	while (sleepers.lock.word != 2)
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	nanosleep(&(struct timespec){0, 50000000}, NULL);
	ck_assert_uint_eq(sleepers.taken, 0);
	lock_release(&sleepers.lock);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(sleepers.taken, THREADS);
	ck_assert_uint_eq(sleepers.lock.word, 0);
	ck_assert_uint_ge(sleepers.lock.contentions, 1);
}
END_TEST

START_TEST(a_reset_lock_is_open_whatever_it_was)
{
	struct lock lock = {0};
	for (uint32_t word = 0; word <= 2; word++) {
		lock.word = word;
		lock_reset(&lock);
		ck_assert(lock_try(&lock));
	}
}
END_TEST

/* A handler at each instruction, as the processor's trap flag gives it, adds to the same sum. */
static struct {
	_Atomic uint64_t sum;
	uint64_t handlers;
} trapped;

static void on_trap(int signal UNUSED)
{
	trapped.handlers++;
	add_relaxed(&trapped.sum, 1000);
}

static void set_trap_flag(bool is_on)
{
#if defined(__x86_64__)
	uint64_t flags = __builtin_ia32_readeflags_u64();

	__builtin_ia32_writeeflags_u64(is_on ? flags | 0x100 : flags & ~(uint64_t)0x100);
#else
	if (is_on)
		raise(SIGTRAP);
#endif
}

START_TEST(what_a_handler_adds_between_any_two_instructions_is_not_lost)
{
	signal(SIGTRAP, on_trap);
	set_trap_flag(true);
	for (int i = 0; i < 10; i++)
		add_relaxed(&trapped.sum, 1);
	set_trap_flag(false);
	ck_assert_uint_gt(trapped.handlers, 0);
	ck_assert_uint_eq(trapped.sum, trapped.handlers * 1000 + 10);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, what_a_handler_adds_between_any_two_instructions_is_not_lost);
	tcase_add_test(tests, one_thread_at_a_time_holds_it);
	tcase_add_test(tests, a_taken_lock_is_not_taken_again);
	tcase_add_test(tests, whoever_sleeps_is_woken_though_all_slept);
	tcase_add_test(tests, a_reset_lock_is_open_whatever_it_was);
}

int main(void)
{
	return run_suite("lock", add_tests);
}
