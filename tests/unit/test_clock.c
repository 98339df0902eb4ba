/*
 * test_clock.c -- the coarse clock. It starts once in a process, so each start is a
 * child of fork that answers by its exit status.
 */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "run_suite.h"

static bool holds_in_child(bool (*fact)(void))
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(fact() ? 42 : 1);
	int status;
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static void sleep_ms(unsigned ms)
{
	struct timespec t = {0, (long)ms * 1000000};
	nanosleep(&t, NULL);
}

static bool is_zero(void)
{
	sleep_ms(20);
	return clock_now_ns() == 0 && clock_now_ticks() == 0 && clock_started_at_ns() == 0 &&
	       clock_scale() == 1;
}

static bool runs_as_real_time(void)
{
	struct timespec from, to;
	clock_start(1);
	clock_gettime(CLOCK_MONOTONIC, &from);
	uint64_t first = clock_now_ns();
	sleep_ms(200);
	uint64_t passed = clock_now_ns() - first;
	clock_gettime(CLOCK_MONOTONIC, &to);
	uint64_t real =
	    (uint64_t)(to.tv_sec - from.tv_sec) * SECOND + (uint64_t)to.tv_nsec - (uint64_t)from.tv_nsec;
	/* Coarse: a tick of the kernel (4 to 10 ms) either way. */
	return passed + 20 * MILLISECOND >= real && passed <= real + 20 * MILLISECOND;
}

static bool runs_a_thousand_times_as_fast(void)
{
	clock_start(1000);
	sleep_ms(200);
	uint64_t now = clock_now_ns();
	uint32_t ticks = clock_now_ticks();
	return now >= 180 * SECOND && clock_scale() == 1000 && ticks >= now / TICK_NS &&
	       ticks <= clock_now_ns() / TICK_NS;
}

static bool the_first_start_counts(void)
{
	clock_start(1000);
	uint64_t started = clock_started_at_ns();
	sleep_ms(100);
	clock_start(1);
	return clock_scale() == 1000 && clock_now_ns() > 50 * SECOND && clock_started_at_ns() == started;
}

static bool start_is_unix_time(void)
{
	time_t before = time(NULL);
	clock_start(50000);
	uint64_t started = clock_started_at_ns(), now = clock_unix_now_ns();
	time_t after = time(NULL);
	/* time() is coarse and may be a tick behind. */
	return started / SECOND + 1 >= (uint64_t)before && started / SECOND <= (uint64_t)after + 1 &&
	       now >= started && now - started < SECOND;
}

static bool a_senseless_scale_is_one(void)
{
	clock_start(-3);
	return clock_scale() == 1;
}

START_TEST(before_the_start_it_is_zero)
{
	ck_assert(holds_in_child(is_zero));
}
END_TEST

START_TEST(it_runs_as_fast_as_real_time)
{
	ck_assert(holds_in_child(runs_as_real_time));
}
END_TEST

START_TEST(a_scale_makes_it_faster_and_ticks_follow)
{
	ck_assert(holds_in_child(runs_a_thousand_times_as_fast));
}
END_TEST

START_TEST(only_the_first_start_counts)
{
	ck_assert(holds_in_child(the_first_start_counts));
}
END_TEST

START_TEST(the_start_is_unix_time_and_not_scaled)
{
	ck_assert(holds_in_child(start_is_unix_time));
}
END_TEST

START_TEST(a_scale_below_zero_is_one)
{
	ck_assert(holds_in_child(a_senseless_scale_is_one));
}
END_TEST

START_TEST(ticks_and_nanoseconds_agree)
{
	ck_assert_uint_eq(ticks_to_ns(TICKS_PER_SECOND), SECOND);
	ck_assert_uint_eq(ns_to_ticks(SECOND), TICKS_PER_SECOND);
	ck_assert_uint_eq(ns_to_ticks(TICK_NS - 1), 0);
	ck_assert_uint_eq(ticks_to_ns(UINT32_MAX) / HOUR / 24, 776); /* 32 bits of ticks are two years */
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, before_the_start_it_is_zero);
	tcase_add_test(tests, it_runs_as_fast_as_real_time);
	tcase_add_test(tests, a_scale_makes_it_faster_and_ticks_follow);
	tcase_add_test(tests, only_the_first_start_counts);
	tcase_add_test(tests, the_start_is_unix_time_and_not_scaled);
	tcase_add_test(tests, a_scale_below_zero_is_one);
	tcase_add_test(tests, ticks_and_nanoseconds_agree);
}

int main(void)
{
	return run_suite("clock", add_tests);
}
