/*
 * stack_calls.h -- what the tests of stacks share: functions that stay functions, and the last stack.
 */
#ifndef WEIR_TESTS_STACK_CALLS_H
#define WEIR_TESTS_STACK_CALLS_H

#include <signal.h>

#include "track/stack.h"

#define LEAF __attribute__((noinline, noclone))

static struct stack stack;
static volatile int depth_left;

/* Functions of a few dozen instructions. */
static bool is_in(uintptr_t pc, int (*function)(void))
{
	return pc - (uintptr_t)function < 128;
}

static void setup(void)
{
	stack_start(0, 0);
}

LEAF UNUSED static int raiser(void)
{
	return raise(SIGUSR2) + 1;
}

#endif
