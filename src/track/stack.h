/*
 * stack.h -- who called: the return addresses on this thread's stack, innermost first.
 */
#ifndef WEIR_TRACK_STACK_H
#define WEIR_TRACK_STACK_H

#include "base/compiler.h"

#define STACK_FRAMES_MAX 32

struct stack {
	unsigned count;
	bool is_truncated;    /* there were more frames */
	unsigned tables_read; /* frames for which unwind tables had to be read: what costs most */
	unsigned crossed;     /* frames without tables on the way, kept or not: each costs a tenth of that */
	/* Each within its call instruction: the return address less one; of a frame that a signal
	 * interrupted, the very address. */
	uintptr_t pcs[STACK_FRAMES_MAX];
};

/* Once, before the first capture. Frames in [own_start, own_end) are left out. */
void stack_start(uintptr_t own_start, uintptr_t own_end);

/*
 * Fill *stack, from the caller's frame on. False: not one frame could be had. Thread-safe, lock-free;
 * a signal handler that interrupted it may call it. Keeps errno.
 */
bool stack_capture(struct stack *stack);

/* A key for the stack within this process: never 0. */
uint64_t stack_key(const struct stack *stack);

#endif
