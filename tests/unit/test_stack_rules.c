/*
 * test_stack_rules.c -- stacks by rules are the same as libgcc's unwinder finds, whatever the frames are
 * like; and where there is no rule to go by, nothing is read that may not be.
 */
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unwind.h>

#include "run_suite.h"
#include "stack_calls.h"
#include "track/rules.h"

static struct stack by_libgcc;

struct slow_walk {
	uintptr_t first_cfa, last_cfa;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *argument)
{
	struct slow_walk *walk = argument;
	int is_exact = 0;
	uintptr_t pc = _Unwind_GetIPInfo(context, &is_exact), cfa = _Unwind_GetCFA(context);

	if (pc == 0)
		return _URC_END_OF_STACK;
	/* What is further in than who asked. */
	if (walk->last_cfa == 0 && cfa < walk->first_cfa)
		return _URC_NO_REASON;
	walk->last_cfa = cfa;
	if (by_libgcc.count == STACK_FRAMES_MAX) {
		by_libgcc.is_truncated = true;
		return _URC_END_OF_STACK;
	}
	by_libgcc.pcs[by_libgcc.count++] = pc - !is_exact;
	return _URC_NO_REASON;
}

LEAF static bool capture_by_libgcc(void)
{
	struct slow_walk walk = {.first_cfa = (uintptr_t)__builtin_dwarf_cfa()};

	by_libgcc.count = 0;
	by_libgcc.is_truncated = false;
	_Unwind_Backtrace(step, &walk);
	return by_libgcc.count != 0;
}

static char *volatile seen, *volatile seen_too;
static volatile size_t variable = 100;

/* Both from here, so that only the first address differs. */
LEAF static int both(void)
{
	ck_need(stack_capture(&stack));
	ck_need(capture_by_libgcc());
	return depth_left + 1;
}

static void ck_is_as_by_libgcc(void)
{
	ck_assert_uint_gt(stack.count, 2);
	ck_assert_uint_eq(stack.count, by_libgcc.count);
	ck_assert_int_eq(stack.is_truncated, by_libgcc.is_truncated);
	ck_assert(is_in(stack.pcs[0], both));
	for (unsigned i = 1; i < stack.count; i++)
		ck_assert_msg(stack.pcs[i] == by_libgcc.pcs[i], "frame %u: %lx, not %lx", i,
		    (unsigned long)stack.pcs[i], (unsigned long)by_libgcc.pcs[i]);
}

typedef int called(void);

LEAF static int with_array(called *next)
{
	char array[500];

	seen = array;
	return next() + seen[3];
}

LEAF static int with_alloca(called *next)
{
	seen = alloca(variable);
	return next() + seen[5];
}

/* Its CFA is a word of its frame: from where it was called is known to nothing else. */
LEAF static int with_alignment(called *next)
{
	_Alignas(64) char array[128];

	seen = array;
	seen_too = alloca(variable);
	return next() + seen[1] + seen_too[7];
}

__attribute__((optimize("no-omit-frame-pointer"))) LEAF static int with_frame_pointer(called *next)
{
	char array[40];

	seen = array;
	return next() + seen[2];
}

__attribute__((optimize(0))) LEAF static int without_optimization(called *next)
{
	return next() + 1;
}

LEAF static int with_many_registers(called *next)
{
	int a = depth_left, b = depth_left, c = depth_left, d = depth_left, e = depth_left, f = depth_left;
	int result = next();

	return result + a * b + c * d + e * f + a * f + b * e + depth_left;
}

static int compared(const void *a, const void *b)
{
	both();
	return *(const int *)a - *(const int *)b;
}

/* libc's frames are in between. */
LEAF static int through_libc(called *next UNUSED)
{
	int numbers[] = {2, 1};

	qsort(numbers, 2, sizeof(numbers[0]), compared);
	return numbers[0] + 1;
}

static int (*const kinds[])(called *) = {with_array, with_alloca, with_alignment, with_frame_pointer,
    without_optimization, with_many_registers, through_libc};

/* In an order that _i tells: each above each other one. */
static unsigned order;
static int by_order(void);
static int (*volatile by_order_again)(void) = by_order;

LEAF static int by_order(void)
{
	unsigned kind = order % ARRAY_LENGTH(kinds);

	if (depth_left-- <= 0)
		return both() + 1;
	order = order * 5 + 1 + (unsigned)depth_left;
	return kinds[kind](by_order_again) + 1;
}

START_TEST(rules_lead_where_libgcc_finds_the_callers)
{
	for (unsigned first = 0; first < 40; first++) {
		for (int depth = 0; depth < 9; depth++) {
			variable = 16 + first * 8;
			order = first;
			depth_left = depth;
			by_order_again();
			ck_is_as_by_libgcc();
		}
	}
	ck_assert_uint_eq(stack.tables_read, 0);
}
END_TEST

START_TEST(a_stack_that_changes_in_one_frame_is_another)
{
	uintptr_t inner, outer;

	/* Through the same places of the stack: only who is in the middle differs. */
	for (unsigned round = 0; round < 2; round++) {
		with_many_registers(both);
		ck_is_as_by_libgcc();
		inner = stack.pcs[1];
		outer = stack.pcs[2];
		with_frame_pointer(both);
		ck_is_as_by_libgcc();
		ck_assert_uint_ne(stack.pcs[1], inner);
		ck_assert_uint_ne(stack.pcs[2], outer);
	}
}
END_TEST

LEAF static int with_a_large_frame(called *next)
{
	char array[300 * 1024];

	seen = array;
	return next() + seen[9];
}

START_TEST(a_frame_may_be_large)
{
	for (unsigned round = 0; round < 4; round++) {
		with_a_large_frame(both);
		/* What is so far away is not read before the stack is known to go there. */
		if (round >= 2)
			ck_is_as_by_libgcc();
	}
}
END_TEST

static void compare_in_handler(int number UNUSED)
{
	both();
}

START_TEST(a_signals_frame_is_left_for_what_it_interrupted_on_whatever_stack)
{
	static char room[64 * 1024];
	stack_t other = {.ss_sp = room, .ss_size = sizeof(room)};
	struct sigaction action = {.sa_handler = compare_in_handler};

	ck_assert_int_eq(sigaltstack(&other, NULL), 0);
	for (unsigned round = 0; round < 2; round++) {
		action.sa_flags = round == 0 ? 0 : SA_ONSTACK;
		sigaction(SIGUSR2, &action, NULL);
		raiser();
		ck_is_as_by_libgcc();
	}
}
END_TEST

static ucontext_t here, there;

static void on_context(void)
{
	depth_left = 3;
	order = 1;
	by_order_again();
}

START_TEST(a_stack_of_makecontext_ends_where_it_begins)
{
	/* Within a thread's stack, so that going on would find something. */
	_Alignas(16) char room[64 * 1024];

	ck_assert_int_eq(getcontext(&there), 0);
	there.uc_stack.ss_sp = room;
	there.uc_stack.ss_size = sizeof(room);
	there.uc_link = &here;
	makecontext(&there, on_context, 0);
	ck_assert_int_eq(swapcontext(&here, &there), 0);
	ck_is_as_by_libgcc();
	for (unsigned i = 0; i < stack.count; i++)
		ck_assert(stack.pcs[i] != by_libgcc.pcs[0] || i == 0);
	ck_assert_uint_lt(stack.count, 12);
}
END_TEST

/* Hand-written: the frame pointer is data while it calls, which its tables do not say. */
extern int with_a_lie(called *next, uintptr_t frame_pointer);
#if defined(__x86_64__)
__asm__(".pushsection .text\n"
	"with_a_lie:\n\t"
	".cfi_startproc\n\t"
	"pushq %rbp\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"movq %rsi, %rbp\n\t"
	"call *%rdi\n\t"
	"popq %rbp\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"ret\n\t"
	".cfi_endproc\n\t"
	".popsection");
#else
__asm__(".pushsection .text\n"
	"with_a_lie:\n\t"
	".cfi_startproc\n\t"
	"stp x29, x30, [sp, #-16]!\n\t"
	".cfi_adjust_cfa_offset 16\n\t"
	".cfi_offset x30, -8\n\t"
	"mov x29, x1\n\t"
	"blr x0\n\t"
	"ldp x29, x30, [sp], #16\n\t"
	".cfi_adjust_cfa_offset -16\n\t"
	"ret\n\t"
	".cfi_endproc\n\t"
	".popsection");
#endif

static uintptr_t lie;

LEAF static int capture_alone(void)
{
	ck_need(stack_capture(&stack));
	return depth_left + 1;
}

/* Each finds its caller by its frame pointer. */
LEAF static int lied_to(called *next UNUSED)
{
	seen = alloca(variable);
	return with_a_lie(capture_alone, lie) + seen[5];
}

LEAF static int lied_to_and_aligned(called *next UNUSED)
{
	_Alignas(64) char array[128];

	seen = array;
	seen_too = alloca(variable);
	return with_a_lie(capture_alone, lie) + seen[1] + seen_too[7];
}

#define LIES 12

/* A stack of three pages, with nothing that can be read on both sides. */
static char *walled;

static uintptr_t nth_lie(unsigned i)
{
	uintptr_t near = (uintptr_t)__builtin_frame_address(0), wall = (uintptr_t)walled + 4 * 4096;
	const uintptr_t lies[LIES] = {0, 8, 4096, (uintptr_t)-8, (uintptr_t)1 << 63, 0x4141414141414140,
	    near + 3, near - 65536, near + 200 * 1024, near + 64 * 1024 * 1024, wall, wall - 8};

	return lies[i];
}

static void hear_lies(void)
{
	for (unsigned i = 0; i < LIES; i++) {
		lie = nth_lie(i);
		lied_to(NULL);
		ck_need(stack.count >= 2);
		lied_to_and_aligned(NULL);
		ck_need(stack.count >= 2);
	}
}

static void *hear_lies_on_thread(void *unused)
{
	hear_lies();
	return unused;
}

static void make_walled(void)
{
	walled = mmap(NULL, 5 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(walled, MAP_FAILED);
	ck_assert_int_eq(mprotect(walled + 4096, 3 * 4096, PROT_READ | PROT_WRITE), 0);
}

START_TEST(a_frame_pointer_that_holds_anything_is_not_followed)
{
	pthread_attr_t attr;
	pthread_t thread;

	make_walled();
	hear_lies();
	/* The smallest of stacks, again and again in the same place. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (unsigned round = 0; round < 3; round++) {
		ck_assert_int_eq(pthread_create(&thread, &attr, hear_lies_on_thread, NULL), 0);
		pthread_join(thread, NULL);
	}
	pthread_attr_destroy(&attr);
}
END_TEST

START_TEST(a_stack_of_the_programs_own_is_read_as_far_as_it_goes)
{
	make_walled();
	ck_assert_int_eq(getcontext(&there), 0);
	there.uc_stack.ss_sp = walled + 4096;
	there.uc_stack.ss_size = 3 * 4096;
	there.uc_link = &here;
	makecontext(&there, hear_lies, 0);
	ck_assert_int_eq(swapcontext(&here, &there), 0);
}
END_TEST

static void *compare_on_thread(void *unused)
{
	for (order = 0; order < 7; order++) {
		unsigned first = order;

		depth_left = 4;
		by_order_again();
		ck_is_as_by_libgcc();
		order = first;
	}
	return unused;
}

START_TEST(threads_have_the_same_rules)
{
	for (unsigned round = 0; round < 2; round++) {
		pthread_t thread;

		ck_assert_int_eq(pthread_create(&thread, NULL, compare_on_thread, NULL), 0);
		pthread_join(thread, NULL);
	}
	ck_assert_uint_eq(stack.tables_read, 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, rules_lead_where_libgcc_finds_the_callers);
	tcase_add_test(tests, a_stack_that_changes_in_one_frame_is_another);
	tcase_add_test(tests, a_frame_may_be_large);
	tcase_add_test(tests, a_signals_frame_is_left_for_what_it_interrupted_on_whatever_stack);
	tcase_add_test(tests, a_stack_of_makecontext_ends_where_it_begins);
	tcase_add_test(tests, threads_have_the_same_rules);
	tcase_add_test(tests, a_frame_pointer_that_holds_anything_is_not_followed);
	tcase_add_test(tests, a_stack_of_the_programs_own_is_read_as_far_as_it_goes);
}

int main(void)
{
	return run_suite("stack_rules", add_tests);
}
