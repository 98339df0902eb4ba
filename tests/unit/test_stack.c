/*
 * test_stack.c -- stacks: who called, in order, bounded, without our own frames.
 */
#include <pthread.h>
#include <signal.h>

#include "run_suite.h"
#include "stack_calls.h"
#include "track/rules.h"

/* Each does something after the call, so that the call is no jump. */
LEAF static int innermost(void)
{
	ck_need(stack_capture(&stack));
	return depth_left + 1;
}

LEAF static int middle(void)
{
	return innermost() + 1;
}

LEAF static int outermost(void)
{
	return middle() + 1;
}

static int deep(void);
/* Through a pointer, or the compiler makes a loop of it. */
static int (*volatile deeper)(void) = deep;

LEAF static int deep(void)
{
	if (depth_left-- > 0)
		return deeper() + depth_left;
	return innermost();
}

START_TEST(callers_stand_in_order_innermost_first)
{
	outermost();
	ck_assert_uint_ge(stack.count, 4);
	ck_assert(!stack.is_truncated);
	ck_assert(is_in(stack.pcs[0], innermost));
	ck_assert(is_in(stack.pcs[1], middle));
	ck_assert(is_in(stack.pcs[2], outermost));
}
END_TEST

START_TEST(a_deep_stack_is_cut_off_and_says_so)
{
	depth_left = 3 * STACK_FRAMES_MAX;
	deep();
	ck_assert_uint_eq(stack.count, STACK_FRAMES_MAX);
	ck_assert(stack.is_truncated);
	ck_assert(is_in(stack.pcs[STACK_FRAMES_MAX - 1], deep));
}
END_TEST

START_TEST(own_frames_are_left_out)
{
	uintptr_t own = (uintptr_t)&stack_capture & ~(uintptr_t)4095, end = own + 8192;

	/* All of the test is in that range, or all but little; what is left is libc's. */
	own = MIN(own, (uintptr_t)&innermost & ~(uintptr_t)4095);
	end = MAX(end, (uintptr_t)&outermost + 4096);
	stack_start(own, end);
	outermost();
	for (unsigned i = 0; i < stack.count; i++)
		ck_assert(stack.pcs[i] < own || stack.pcs[i] >= end);
}
END_TEST

START_TEST(the_key_is_equal_for_equal_stacks_and_never_zero)
{
	struct stack a = {0}, b;

	for (depth_left = 0; depth_left < 2; depth_left++) {
		outermost();
		b = a;
		a = stack;
	}
	ck_assert_uint_eq(stack_key(&a), stack_key(&b));
	b.count--;
	ck_assert_uint_ne(stack_key(&a), stack_key(&b));
	b = a;
	b.pcs[1] ^= 4;
	ck_assert_uint_ne(stack_key(&a), stack_key(&b));
	b.count = 0;
	ck_assert_uint_ne(stack_key(&b), 0);
}
END_TEST

static void handler(int number)
{
	depth_left = number;
	innermost();
}

START_TEST(a_handlers_stack_goes_on_in_what_it_interrupted)
{
	struct sigaction action = {.sa_handler = handler};
	bool is_found = false;

	sigaction(SIGUSR2, &action, NULL);
	raiser();
	for (unsigned i = 0; i < stack.count; i++)
		is_found |= is_in(stack.pcs[i], raiser);
	ck_assert(is_found);
}
END_TEST

static void *on_thread(void *unused)
{
	outermost();
	return unused;
}

START_TEST(a_threads_stack_ends_where_the_thread_began)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, on_thread, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_ge(stack.count, 4);
	ck_assert_uint_le(stack.count, 8);
	ck_assert(!stack.is_truncated);
}
END_TEST

START_TEST(tables_are_read_once_for_an_address)
{
	unsigned first = 0, again = 0;

	rules_forget();
	for (depth_left = 0; depth_left < 2; depth_left++) {
		outermost();
		first = depth_left == 0 ? stack.tables_read : first;
		again = stack.tables_read;
	}
	ck_assert_uint_ge(first, 4);
	ck_assert_uint_eq(again, 0);
	/* Known addresses in another order are known, too. */
	rules_forget();
	for (unsigned round = 0; round < 2; round++) {
		for (depth_left = 3; depth_left >= 0; depth_left -= 2) {
			int depth = depth_left;

			deep();
			ck_assert(round == 0 || stack.tables_read == 0);
			depth_left = depth;
		}
	}
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, callers_stand_in_order_innermost_first);
	tcase_add_test(tests, a_deep_stack_is_cut_off_and_says_so);
	tcase_add_test(tests, own_frames_are_left_out);
	tcase_add_test(tests, the_key_is_equal_for_equal_stacks_and_never_zero);
	tcase_add_test(tests, a_handlers_stack_goes_on_in_what_it_interrupted);
	tcase_add_test(tests, a_threads_stack_ends_where_the_thread_began);
	tcase_add_test(tests, tables_are_read_once_for_an_address);
}

int main(void)
{
	return run_suite("stack", add_tests);
}
