/*
 * turn.h -- whose turn it is to give memory back, and when the next pass is due.
 *
 * The maintain lock, which is only ever tried but by fork and where memory ends, and the bell of whoever sleeps between two
 * passes. Beside arenas and magazines, below all who give memory back: the looks while memory is
 * taken (headroom.h), and above those the pass (reclaim.h).
 */
#ifndef WEIR_POOL_TURN_H
#define WEIR_POOL_TURN_H

#include "base/compiler.h"

/* A pass that is asked for in a hurry comes within so many ticks. */
void turn_init(uint32_t hurry_ticks);

/*
 * Whoever is_allowed() is false for never has the turn: a child of vfork, which may be killed while it holds the
 * lock for its parent. Once, while there is one thread.
 */
void turn_allow_if(bool (*is_allowed)(void));

/* The maintain lock is taken. False: somebody is at it, who does what the caller would; or it is not for the caller. */
bool turn_begin(void);
/*
 * The same, waited for: where memory would end before whoever is at it is done. No other lock is held. False: it is not
 * for the caller.
 */
bool turn_wait(void);
void turn_end(void);

/* No pass is under way, nor anything else that takes the maintain lock. */
bool turn_is_free(void);

/* Pages were taken: the next pass comes as soon as in a busy pool, whose pressure is looked at so often. */
void turn_hurry(uint32_t now);

/* Whoever sleeps until the next pass is woken: a collection is wanted. */
void turn_wake(void);
extern _Atomic uint32_t turn_bell; /* futex word, counts up */

void turn_fork_prepare(void);
void turn_fork_done(bool is_child);

#endif
