/*
 * extent.c -- how far a stack can be read.
 *
 * Called by stack.c within malloc. Unwind tables may be wrong (hand-written assembler is where they are), and
 * a register that they send one to may hold anything: so each word is looked at only where the stack is
 * known to be.
 *
 * A thread's own stack ends where libc put the thread's control block, the first thread's where the kernel put
 * its arguments. From there downwards it is learnt by pages, each of which the kernel is asked about
 * once, so in the end it costs two compares a walk. Of any other stack (a coroutine's, a
 * handler's), which may be gone tomorrow, nothing is remembered: the kernel is asked for each page of it at
 * each walk, 0.1 us each.
 *
 * No lock, no allocation.
 */
#include "track/extent.h"

#include "base/sys.h"

#define REACH_MAX (256 * KIB) /* asked about in a walk, in each direction */
#define STACK_MAX (8 * MIB)   /* what is further from the end is taken for another stack */

/* The loader's: where the kernel put the arguments. */
#pragma weak __libc_stack_end
extern void *__libc_stack_end;

/* [low, end) can be read as long as this thread runs. */
static __thread struct {
	uintptr_t low, end;
} own __attribute__((tls_model("initial-exec")));

/* Where this thread's own stack ends; a thread stays what it is. */
static uintptr_t find_end(void)
{
	uintptr_t block = (uintptr_t)__builtin_thread_pointer();
	uintptr_t arguments = &__libc_stack_end != NULL ? (uintptr_t)__libc_stack_end : 0;

	return ROUND_DOWN(sys_is_first_thread() ? arguments : block, sizeof(uintptr_t));
}

COLD static struct extent learn(uintptr_t sp)
{
	if (own.end == 0) {
		own.end = find_end();
		own.low = own.end;
	}
	if (sp >= own.end || own.end - sp > STACK_MAX)
		return (struct extent){0};
	for (size_t asked = 0; own.low > sp && asked < REACH_MAX; asked += PAGE_BYTES) {
		uintptr_t page = ROUND_DOWN(own.low - 1, PAGE_BYTES);

		if (!sys_is_readable(page))
			break;
		own.low = page;
	}
	return (struct extent){own.low <= sp ? own.end : 0};
}

struct extent extent_of(uintptr_t sp)
{
	if (LIKELY(sp - own.low < own.end - own.low))
		return (struct extent){own.end};
	return learn(sp);
}

bool extent_reach(struct extent *extent, uintptr_t sp, uintptr_t address)
{
	uintptr_t end = extent->end > sp ? extent->end : sp;

	if (address < sp || address - end > REACH_MAX)
		return false;
	for (end = ROUND_DOWN(end, PAGE_BYTES); end <= address; end += PAGE_BYTES)
		if (!sys_is_readable(end))
			return false;
	extent->end = end;
	return true;
}
