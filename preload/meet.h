/*
 * meet.h -- a thread's first call of jemalloc, where memory ends.
 */
#ifndef WEIR_PRELOAD_MEET_H
#define WEIR_PRELOAD_MEET_H

#include "base/compiler.h"

struct meeting {
	bool is_over;	    /* this thread has come to jemalloc */
	char *bottom, *top; /* while it does: what is left of its spare; NULL: none */
};

extern HIDDEN __thread struct meeting meeting __attribute__((tls_model("initial-exec")));

bool meet_slow(void);

/*
 * Before a request goes to jemalloc, on every path that a thread's first one can take. False, and ENOMEM: it must
 * not. A thread's first small request passes the sampler, as long as the sampler has not been asked.
 */
INLINE bool meet(void)
{
	return LIKELY(meeting.is_over) || meet_slow();
}

/* jemalloc was refused so many bytes: what the spare has, or NULL. Keeps errno. */
void *meet_spare(size_t bytes);

#endif
