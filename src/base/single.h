/*
 * single.h -- what a process of one thread need not pay for.
 *
 * An atomic read-modify-write waits until all that was written before has left the processor's store
 * buffer, which is what it costs behind a program that has just filled a buffer. glibc says
 * whether there is a second thread to be careful of; it says so before that one begins, and
 * no lock of ours is held across that. A signal handler of the same thread finds each word
 * as it was or as it is to be.
 */
#ifndef WEIR_BASE_SINGLE_H
#define WEIR_BASE_SINGLE_H

#include "base/compiler.h"

/* glibc 2.32 and later; weak, so that Weir loads with an older one. */
extern char weir_single_threaded __asm__("__libc_single_threaded") __attribute__((weak));

INLINE bool is_single_threaded(void)
{
	return &weir_single_threaded != NULL && LOAD_RELAXED(&weir_single_threaded) != 0;
}

/*
 * Relaxed; returns what is there then. A handler of the same thread may add to the same at any instant, as a
 * pass does that a command's signal asked for: so it is one instruction where that costs no bus lock, and
 * atomic elsewhere.
 */
INLINE uint64_t add_relaxed(_Atomic uint64_t *to, uint64_t more)
{
#if defined(__x86_64__)
	uint64_t before = more;

	if (is_single_threaded()) {
		__asm__ volatile("xaddq %0, %1" : "+r"(before), "+m"(*to) : : "cc");
		return before + more;
	}
#endif
	return atomic_fetch_add_explicit(to, more, memory_order_relaxed) + more;
}

#endif
