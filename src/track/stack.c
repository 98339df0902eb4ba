/*
 * stack.c -- the stack of the calling thread.
 *
 * Called by track_birth(), on cold paths only. A stack is walked by the rules of its
 * frames (cfi.h): each says, from the return address alone, how far it is to the caller's frame,
 * where the return address and the frame pointer stand. rules.c remembers them, so that a frame costs
 * ten ns; reading the tables that the compiler made for exceptions costs hundreds, once for
 * each address. No frame pointers are needed; where a function uses one, because it has alloca()
 * or aligns its frame, its rule says so.
 *
 * Words are read where tables say that a live frame has them, as libgcc's unwinder reads them;
 * and other than there, a step has to go outwards, to an aligned place, by STEP_MAX at
 * most. Where it would not, and at frames whose rule is none of those (a signal's, above all), the
 * whole stack is left to libgcc, at 120 to 150 ns a frame.
 * It ends, and what was found so far is kept, at a frame without tables (hand-written assembler,
 * generated code), of which the address still counts. From glibc 2.35 on no lock of
 * the loader is taken.
 *
 * libgcc_s is linked, so that its first use does not load it; stack_start() makes it
 * set itself up before malloc depends on it. libunwind is not used: its _Unwind_
 * functions would get C++'s exceptions into their hands.
 */
#include "track/stack.h"

#include <errno.h>
#include <unwind.h>

#include "track/rules.h"

#define STEP_MAX (256 * KIB) /* a larger frame is libgcc's */

static struct {
	uintptr_t start, size; /* frozen by stack_start() */
} own;

/* False: there is no room for it, nor for what comes after. */
static bool add(struct stack *stack, uintptr_t pc)
{
	if (pc - own.start < own.size)
		return true;
	if (stack->count == STACK_FRAMES_MAX) {
		stack->is_truncated = true;
		return false;
	}
	stack->pcs[stack->count++] = pc;
	return true;
}

/* --- by rules ---------------------------------------------------------------- */

/* A frame of the walk: what its registers are once the call in it returns. */
struct frame {
	uintptr_t sp, fp, pc;
};

static bool is_outwards(const struct frame *frame, uintptr_t address)
{
	return address - frame->sp <= STEP_MAX && address % sizeof(uintptr_t) == 0;
}

INLINE uintptr_t at(uintptr_t address, int64_t words)
{
	return address + (uintptr_t)words * sizeof(uintptr_t);
}

/* A word of the stack. Sanitizers would see an overrun in every word of another function's frame. */
__attribute__((no_sanitize("address", "thread"), always_inline)) static inline uintptr_t load(
    uintptr_t address)
{
	return *(const uintptr_t *)address;
}

/* From a frame to its caller's. False: not by this rule. */
INLINE bool go_out(struct frame *frame, struct cfi_rule rule)
{
	uintptr_t cfa = at(rule.kind == CFI_SP ? frame->sp : frame->fp, rule.cfa_words), saved;

	if (UNLIKELY(rule.kind == CFI_FP_LOAD)) {
		if (!is_outwards(frame, cfa) || !is_outwards(frame, frame->fp))
			return false;
		saved = frame->fp;
		cfa = load(cfa);
	} else {
		saved = cfa;
	}
	if (!is_outwards(frame, cfa) || cfa == frame->sp)
		return false;
	if (rule.is_fp_saved)
		frame->fp = load(at(saved, rule.fp_words));
	frame->pc = load(at(cfa, rule.pc_words));
	frame->sp = cfa;
	return true;
}

/* False: one of the frames is for libgcc. */
__attribute__((no_sanitize("address", "thread"))) static bool walk(struct stack *stack, struct frame frame)
{
	while (frame.pc != 0) {
		uintptr_t call = frame.pc - 1;
		struct cfi_rule rule;

		if (!add(stack, call))
			return true;
		rule = rules_find(call, &stack->tables_read);
		if (rule.kind == CFI_END)
			return true;
		if (rule.kind == CFI_OTHER || !go_out(&frame, rule))
			return false;
	}
	return true;
}

/* --- by libgcc --------------------------------------------------------------- */

struct slow_walk {
	struct stack *stack;
	uintptr_t first_cfa, last_cfa;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *argument)
{
	struct slow_walk *walk = argument;
	int is_exact = 0;
	uintptr_t pc = _Unwind_GetIPInfo(context, &is_exact), cfa = _Unwind_GetCFA(context);

	walk->stack->tables_read++;
	if (pc == 0)
		return _URC_END_OF_STACK;
	/* What is further in than who asked. */
	if (walk->last_cfa == 0 && cfa < walk->first_cfa)
		return _URC_NO_REASON;
	/* Frames that call each other stand apart on the stack; else the tables are wrong, and following them
	 * leads nowhere. A signal's frame may be on another stack. */
	if (!is_exact && cfa <= walk->last_cfa)
		return _URC_END_OF_STACK;
	walk->last_cfa = is_exact ? 1 : cfa;
	return add(walk->stack, pc - !is_exact) ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void walk_slowly(struct stack *stack, uintptr_t cfa)
{
	struct slow_walk walk = {.stack = stack, .first_cfa = cfa};

	stack->count = 0;
	stack->is_truncated = false;
	_Unwind_Backtrace(step, &walk);
}

OWN_FRAME bool stack_capture_slowly(struct stack *stack)
{
	int saved = errno;

	stack->tables_read = 0;
	walk_slowly(stack, (uintptr_t)__builtin_dwarf_cfa());
	errno = saved;
	return stack->count != 0;
}

/* ----------------------------------------------------------------------------- */

OWN_FRAME bool stack_capture(struct stack *stack)
{
	/* Both architectures save the caller's frame pointer where their own points. */
	struct frame caller = {
	    .sp = (uintptr_t)__builtin_dwarf_cfa(),
	    .fp = *(const uintptr_t *)__builtin_frame_address(0),
	    .pc = (uintptr_t)__builtin_return_address(0),
	};
	int saved = errno;

	stack->count = 0;
	stack->is_truncated = false;
	stack->tables_read = 0;
	if (UNLIKELY(!walk(stack, caller)))
		walk_slowly(stack, caller.sp);
	errno = saved;
	return stack->count != 0;
}

void stack_start(uintptr_t own_start, uintptr_t own_end)
{
	struct stack stack;

	own.start = own_start;
	own.size = own_end - own_start;
	stack_capture_slowly(&stack);
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
