/*
 * habit.c -- who only takes, and who only gives.
 *
 * Called on magazine misses and overflows (pool.c), never in a signal handler. A thread that allocates what another one
 * frees finds its magazines empty again and again, and never full; the other one the reverse. All of it is the
 * thread's own: no locks, and the child of a fork goes on as its thread was.
 */
#include "pool/habit.h"

/*
 * Who missed so often in a tick and the one before it, and gave nothing back between, only takes, and so fast that locks
 * count: 65,000 to 131,000 misses a second. Whoever does so more slowly is better off with the runs that fit best: frames
 * of a stream, 25 a second, cut from leases kept 8 MiB more resident where 43 were live, and faulted twice as often; two
 * producers of python, 25,000 objects a second each, took 87 MiB instead of 70, and as much time. In a rehearsal ticks are
 * shorter, so nobody is as fast there: it may take more locks, no other memory.
 */
#define TAKING_COUNT 2048
/* Counted up to here: whoever misses millions of times a second and then waits for a CPU, 80 ms say, is still as fast. */
#define MISSES_MAX (64 * TAKING_COUNT)
#define GIVING_COUNT 8

/* Of this thread. */
static __thread struct {
	/* Magazines that it found empty, since it last found one full: in the tick of the last one; and in the last
	 * tick before that which had any, half as many for each tick between. */
	unsigned misses, misses_before;
	uint32_t missed_at; /* ticks */
	unsigned missed;    /* the class of the last one */
	unsigned overflows; /* magazines that it found full, since it last found one empty */
} thread __attribute__((tls_model("initial-exec")));

enum habit habit_note_miss(unsigned class, uint32_t now)
{
	bool is_same = class == thread.missed;

	thread.overflows = 0;
	thread.missed = class;
	if (now != thread.missed_at) {
		uint32_t ticks = now - thread.missed_at;

		thread.misses_before = ticks < 32 ? thread.misses >> (ticks - 1) : 0;
		thread.misses = 0;
		thread.missed_at = now;
	}
	thread.misses += thread.misses < MISSES_MAX;
	if (thread.misses_before + thread.misses < TAKING_COUNT)
		return HABIT_NONE;
	return is_same ? HABIT_TAKES_ONE_SIZE : HABIT_TAKES_MANY;
}

bool habit_note_overflow(void)
{
	thread.misses = thread.misses_before = 0;
	if (thread.overflows < GIVING_COUNT)
		thread.overflows++;
	return thread.overflows == GIVING_COUNT;
}

void habit_forget(void)
{
	thread.misses = thread.misses_before = thread.overflows = 0;
}
