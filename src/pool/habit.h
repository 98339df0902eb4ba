/*
 * habit.h -- what a thread does, as far as its misses and overflows show: takes, gives, or both.
 */
#ifndef WEIR_POOL_HABIT_H
#define WEIR_POOL_HABIT_H

#include "base/compiler.h"

/* NONE: it takes slowly, or gives, too. Else it only takes: buffers of one size, or of many. */
enum habit { HABIT_NONE, HABIT_TAKES_ONE_SIZE, HABIT_TAKES_MANY };

/* The calling thread found the magazine of a class empty, at that tick: its habit. */
enum habit habit_note_miss(unsigned class, uint32_t now);
/* It found one full. Whether it only gives. */
bool habit_note_overflow(void);
/* As a thread begins; for tests, which are many in one. */
void habit_forget(void);

#endif
