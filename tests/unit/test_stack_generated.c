/*
 * test_stack_generated.c -- stacks that go through code without tables: what a JIT generates, and assembler.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "run_suite.h"
#include "stack_calls.h"

typedef int called(void);

/* A function as a JIT makes them: it calls its target and returns what that returned. */
struct function {
	unsigned char code[32];
	called *target;
	uintptr_t frame_pointer; /* what it has in that register meanwhile, if it does not keep it */
};

#if defined(__x86_64__)
static const unsigned char keeping[] = {
    0x55,		     /* push rbp */
    0x48, 0x89, 0xe5,	     /* mov rbp, rsp */
    0xff, 0x15, 22, 0, 0, 0, /* call [target] */
    0x5d, 0xc3,		     /* pop rbp; ret */
};
static const unsigned char not_keeping[] = {
    0x55,			   /* push rbp */
    0x48, 0x8b, 0x2d, 32, 0, 0, 0, /* mov rbp, [frame_pointer] */
    0xff, 0x15, 18, 0, 0, 0,	   /* call [target] */
    0x5d, 0xc3,			   /* pop rbp; ret */
};
#else
static const uint32_t keeping[] = {
    0xa9bf7bfd, /* stp x29, x30, [sp, #-16]! */
    0x910003fd, /* mov x29, sp */
    0x580000d0, /* ldr x16, target */
    0xd63f0200, /* blr x16 */
    0xa8c17bfd, /* ldp x29, x30, [sp], #16 */
    0xd65f03c0, /* ret */
};
static const uint32_t not_keeping[] = {
    0xa9bf7bfd, /* stp x29, x30, [sp, #-16]! */
    0x5800013d, /* ldr x29, frame_pointer */
    0x580000d0, /* ldr x16, target */
    0xd63f0200, /* blr x16 */
    0xa8c17bfd, /* ldp x29, x30, [sp], #16 */
    0xd65f03c0, /* ret */
};
#endif

#define FUNCTIONS 40
#define KEPT 3 /* of generated frames in a row */
static struct function *generated;

static bool is_generated(uintptr_t pc)
{
	return pc - (uintptr_t)generated < FUNCTIONS * sizeof(*generated);
}

/* So many functions, of which each calls the one before it, and the first calls innermost. */
static called *generate(const void *code, size_t code_bytes, unsigned count, called *innermost)
{
	for (unsigned i = 0; i < count; i++) {
		memcpy(generated[i].code, code, code_bytes);
		generated[i].target = i == 0 ? innermost : (called *)(uintptr_t)generated[i - 1].code;
	}
	__builtin___clear_cache((char *)generated, (char *)(generated + count));
	return (called *)(uintptr_t)generated[count - 1].code;
}

LEAF static int innermost(void)
{
	ck_need(stack_capture(&stack));
	return depth_left + 1;
}

LEAF static int middle(void)
{
	return innermost() + 1;
}

static called *volatile next;

LEAF static int into_generated(void)
{
	return next() + 1;
}

LEAF static int outermost(void)
{
	return into_generated() + 1;
}

static void map_code(void)
{
	setup();
	generated = mmap(NULL, FUNCTIONS * sizeof(*generated), PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(generated, MAP_FAILED);
}

/* The frames of ours: so many between middle and those that called them. */
static void ck_frames(unsigned between)
{
	ck_assert_uint_ge(stack.count, 2 + between + 2);
	ck_assert(!stack.is_truncated);
	ck_assert(is_in(stack.pcs[0], innermost));
	ck_assert(is_in(stack.pcs[1], middle));
	ck_assert(is_in(stack.pcs[2 + between], into_generated));
	ck_assert(is_in(stack.pcs[2 + between + 1], outermost));
}

START_TEST(generated_code_is_crossed_by_its_frame_pointers)
{
	next = generate(keeping, sizeof(keeping), 3, middle);
	for (unsigned round = 0; round < 2; round++) {
		outermost();
		ck_frames(3);
		for (unsigned i = 0; i < 3; i++)
			ck_assert_uint_lt(stack.pcs[2 + i] - (uintptr_t)&generated[i], sizeof(*generated));
	}
}
END_TEST

START_TEST(of_much_generated_code_the_innermost_frames_are_kept_and_all_callers_behind_it)
{
	next = generate(keeping, sizeof(keeping), FUNCTIONS, middle);
	outermost();
	ck_frames(KEPT);
	for (unsigned i = 0; i < KEPT; i++)
		ck_assert(is_generated(stack.pcs[2 + i]));
	ck_assert(!is_generated(stack.pcs[2 + KEPT]));
}
END_TEST

/* Assembler with frame pointers and without a word in the tables, as a JIT's built-ins are: it calls itself so many
 * times, and then the target. */
extern int without_tables(called *target, int times);
#if defined(__x86_64__)
__asm__(".pushsection .text\n"
	".globl without_tables\n"
	"without_tables:\n\t"
	"pushq %rbp\n\t"
	"movq %rsp, %rbp\n\t"
	"subl $1, %esi\n\t"
	"js 1f\n\t"
	"call without_tables\n\t"
	"jmp 2f\n"
	"1:\n\t"
	"call *%rdi\n"
	"2:\n\t"
	"popq %rbp\n\t"
	"ret\n\t"
	".popsection");
#else
__asm__(".pushsection .text\n"
	".globl without_tables\n"
	"without_tables:\n\t"
	"stp x29, x30, [sp, #-16]!\n\t"
	"mov x29, sp\n\t"
	"subs w1, w1, #1\n\t"
	"b.mi 1f\n\t"
	"bl without_tables\n\t"
	"b 2f\n"
	"1:\n\t"
	"blr x0\n"
	"2:\n\t"
	"ldp x29, x30, [sp], #16\n\t"
	"ret\n\t"
	".popsection");
#endif

static volatile int times;

LEAF static int into_assembler(void)
{
	return without_tables(middle, times) + 1;
}

START_TEST(assembler_without_tables_is_crossed_and_counts_once)
{
	for (times = 0; times < 3; times++) {
		into_assembler();
		ck_assert_uint_ge(stack.count, 5);
		ck_assert(is_in(stack.pcs[0], innermost));
		ck_assert(is_in(stack.pcs[1], middle));
		ck_assert_uint_lt(stack.pcs[2] - (uintptr_t)&without_tables, 32);
		ck_assert(is_in(stack.pcs[3], into_assembler));
	}
}
END_TEST

/* As where a stack of makecontext() begins: the target returns to what did not call it. */
extern int without_a_call(called *target);
#if defined(__x86_64__)
__asm__(".pushsection .text\n"
	".globl without_a_call\n"
	"without_a_call:\n\t"
	"pushq %rbp\n\t"
	"movq %rsp, %rbp\n\t"
	"leaq 1f(%rip), %rax\n\t"
	"pushq %rax\n\t"
	"jmpq *%rdi\n\t"
	".skip 8, 0x90\n"
	"1:\n\t"
	"popq %rbp\n\t"
	"ret\n\t"
	".popsection");
#else
__asm__(".pushsection .text\n"
	".globl without_a_call\n"
	"without_a_call:\n\t"
	"stp x29, x30, [sp, #-16]!\n\t"
	"mov x29, sp\n\t"
	"adr x30, 1f\n\t"
	"br x0\n\t"
	"nop\n"
	"1:\n\t"
	"ldp x29, x30, [sp], #16\n\t"
	"ret\n\t"
	".popsection");
#endif

LEAF static int into_what_does_not_call(void)
{
	return without_a_call(middle) + 1;
}

START_TEST(a_frame_that_nothing_was_called_from_ends_the_stack)
{
	into_what_does_not_call();
	ck_assert_uint_eq(stack.count, 3);
	ck_assert(is_in(stack.pcs[1], middle));
	ck_assert_uint_lt(stack.pcs[2] - (uintptr_t)&without_a_call, 40);
}
END_TEST

/* What generated code may have in the register: nothing, anything, or what looks like a frame. */
struct looks_like_frame {
	uintptr_t frame_pointer, pc;
};

LEAF static uintptr_t behind_a_call(void)
{
	return (uintptr_t)__builtin_return_address(0);
}

static unsigned frames_with(uintptr_t frame_pointer)
{
	next = generate(not_keeping, sizeof(not_keeping), 1, middle);
	generated[0].frame_pointer = frame_pointer;
	outermost();
	ck_assert(is_in(stack.pcs[0], innermost));
	ck_assert(is_in(stack.pcs[1], middle));
	ck_assert(is_generated(stack.pcs[2]));
	return stack.count;
}

START_TEST(frame_pointers_that_lead_nowhere_end_the_stack_at_the_first_such_frame)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), behind = behind_a_call();
	struct looks_like_frame frames[3] = {{0, 0}};
	const uintptr_t lies[] = {0, 8, (uintptr_t)-8, 0x4141414141414140, here + 3, here - 65536,
	    here + 64 * 1024 * 1024, (uintptr_t)generated};
	const uintptr_t pcs[] = {0, 1, (uintptr_t)-1, (uintptr_t)outermost + 4, (uintptr_t)frames};
	uintptr_t first = (uintptr_t)&frames[0], second = (uintptr_t)&frames[1];

	for (unsigned i = 0; i < ARRAY_LENGTH(lies); i++)
		ck_assert_uint_eq(frames_with(lies[i]), 3);
	for (unsigned i = 0; i < ARRAY_LENGTH(pcs); i++) {
		frames[0] = (struct looks_like_frame){0, pcs[i]};
		ck_assert_uint_eq(frames_with(first), 3);
		/* By way of more generated code, of which nothing is kept then. */
		frames[0] = (struct looks_like_frame){second, (uintptr_t)generated + 20};
		frames[1] = (struct looks_like_frame){0, pcs[i]};
		ck_assert_uint_eq(frames_with(first), 3);
		/* In a circle. */
		frames[1] = (struct looks_like_frame){first, (uintptr_t)generated + 20};
		ck_assert_uint_eq(frames_with(first), 3);
	}
	/* It is the call before it that makes the difference. */
	frames[0] = (struct looks_like_frame){0, behind};
	ck_assert_uint_ge(frames_with(first), 4);
	ck_assert_uint_eq(stack.pcs[3], behind - 1);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_checked_fixture(tests, map_code, NULL);
	tcase_add_test(tests, generated_code_is_crossed_by_its_frame_pointers);
	tcase_add_test(tests, of_much_generated_code_the_innermost_frames_are_kept_and_all_callers_behind_it);
	tcase_add_test(tests, assembler_without_tables_is_crossed_and_counts_once);
	tcase_add_test(tests, a_frame_that_nothing_was_called_from_ends_the_stack);
	tcase_add_test(tests, frame_pointers_that_lead_nowhere_end_the_stack_at_the_first_such_frame);
}

int main(void)
{
	return run_suite("stack_generated", add_tests);
}
