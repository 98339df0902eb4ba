/*
 * maintain.h -- who runs the monitor and the collections, and when.
 */
#ifndef WEIR_PRELOAD_MAINTAIN_H
#define WEIR_PRELOAD_MAINTAIN_H

#include "report/weir_state.h"

void maintain_start(void);
/* Whether mallctl() can be called: it is there, and there is address space for what it makes. */
bool maintain_may_ask_jemalloc(void);
/* A pass that is under way ends first, and none begins until maintain_fork_parent(), in the child, too; not for a process
 * of one thread, whose pass the fork may have interrupted. maintain_fork_child(): for any child. */
void maintain_fork_prepare(void);
void maintain_fork_parent(void);
void maintain_fork_child(void);

/* A collection or a trim that was asked for from outside, whose answer is WAITING: by the thread, at once,
 * or at the program's next look at the clock. Async-signal-safe. */
void maintain_ask(enum state_command command);

/*
 * For the maintenance thread. maintain_take_thread(): false where there is one, or must be none; true: the
 * caller starts it, and says with maintain_has_thread() whether that was possible. maintain_sleep_ns(): until
 * the next pass, in real time; 0: it is due.
 */
bool maintain_take_thread(void);
void maintain_has_thread(bool is_there);
uint64_t maintain_sleep_ns(void);

/* "thread", "inline" or "none" (WEIR_ENABLE=off) */
const char *maintain_mode(void);

#endif
