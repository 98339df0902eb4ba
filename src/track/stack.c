/*
 * stack.c -- the stack of the calling thread, by the unwinder of libgcc.
 *
 * Called by track_birth(), on cold paths only: 120 to 150 ns a frame. The unwinder
 * reads the tables that the compiler made for exceptions; it follows no frame pointers. It ends, and what
 * was found so far is kept, at a frame without tables (hand-written assembler, generated
 * code), of which the address still counts; and at a stack pointer that does not
 * grow. From glibc 2.35 on it takes no lock of the loader.
 *
 * libgcc_s is linked, so that its first use does not load it; what it sets up at its first use is
 * within the first capture, which tracking makes when it wakes. libunwind is not used: its _Unwind_
 * functions would get C++'s exceptions into their hands.
 */
#include "track/stack.h"

#include <errno.h>
#include <unwind.h>

static struct {
	uintptr_t start, size; /* frozen by stack_start() */
} own;

struct walk {
	struct stack *stack;
	uintptr_t last_cfa;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *argument)
{
	struct walk *walk = argument;
	struct stack *stack = walk->stack;
	int is_exact = 0;
	uintptr_t pc = _Unwind_GetIPInfo(context, &is_exact), cfa = _Unwind_GetCFA(context);

	if (pc == 0)
		return _URC_END_OF_STACK;
	pc -= !is_exact;
	if (pc - own.start < own.size)
		return _URC_NO_REASON;
	if (stack->count == STACK_FRAMES_MAX) {
		stack->is_truncated = true;
		return _URC_END_OF_STACK;
	}
	/* Frames that call each other stand apart on the stack; else the tables are wrong, and following them
	 * leads nowhere. A signal's frame may be on another stack. */
	if (!is_exact && cfa <= walk->last_cfa)
		return _URC_END_OF_STACK;
	walk->last_cfa = is_exact ? 0 : cfa;
	stack->pcs[stack->count++] = pc;
	return _URC_NO_REASON;
}

bool stack_capture(struct stack *stack)
{
	struct walk walk = {.stack = stack};
	int saved = errno;

	stack->count = 0;
	stack->is_truncated = false;
	_Unwind_Backtrace(step, &walk);
	errno = saved;
	return stack->count != 0;
}

void stack_start(uintptr_t own_start, uintptr_t own_end)
{
	own.start = own_start;
	own.size = own_end - own_start;
}

uint64_t stack_key(const struct stack *stack)
{
	uint64_t h = stack->count;

	for (unsigned i = 0; i < stack->count; i++) {
		h = (h ^ stack->pcs[i]) * 0x9E3779B97F4A7C15u;
		h ^= h >> 32;
	}
	return h != 0 ? h : 1;
}
