/*
 * extent.h -- how far a stack can be read.
 */
#ifndef WEIR_TRACK_EXTENT_H
#define WEIR_TRACK_EXTENT_H

#include "base/compiler.h"

/* Words in [sp, end) can be read: a stack on which this thread runs, or a piece of it. */
struct extent {
	uintptr_t end; /* 0: nothing is known */
};

/* What is known of the stack that sp, a stack pointer of this thread, points into. Keeps errno. */
struct extent extent_of(uintptr_t sp);

/* Whether the word at address, at or above sp, can be read; asks the kernel where that is not known yet, and
 * nothing that is further than 256 KiB from what is. Keeps errno. */
bool extent_reach(struct extent *extent, uintptr_t sp, uintptr_t address);

INLINE bool extent_has(struct extent *extent, uintptr_t sp, uintptr_t address)
{
	return address >= sp && address % sizeof(uintptr_t) == 0 &&
	       (LIKELY(address < extent->end) || extent_reach(extent, sp, address));
}

#endif
