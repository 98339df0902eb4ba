/*
 * turn.c -- the maintain lock, and the bell that brings the next pass forward.
 *
 * Called by whoever gives memory back: the pass (reclaim.c), looks at the limit while memory is taken
 * (headroom.c), a request past the pool's limit. One at a time, so that threads do not each give back
 * the same excess, and that no fork comes between two steps. Nobody waits for the lock but fork, and requests that find
 * memory ending.
 * turn_is_free() may be called in a signal handler, the rest not. Allocates nothing.
 */
#include "pool/turn.h"

#include "base/lock.h"
#include "base/sys.h"
#include "pool/pool.h"

static struct {
	uint32_t hurry_ticks;	  /* frozen after turn_init() */
	bool (*is_allowed)(void); /* frozen after turn_allow_if(); NULL: always */
	struct lock lock;	  /* LOCK_maintain */
} turn;

_Atomic uint32_t turn_bell;

void turn_init(uint32_t hurry_ticks)
{
	turn.hurry_ticks = hurry_ticks;
}

void turn_allow_if(bool (*is_allowed)(void))
{
	turn.is_allowed = is_allowed;
}

static bool is_allowed(void)
{
	return turn.is_allowed == NULL || turn.is_allowed();
}

bool turn_begin(void)
{
	return is_allowed() && lock_try(&turn.lock);
}

bool turn_wait(void)
{
	if (!is_allowed())
		return false;
	lock_acquire(&turn.lock);
	return true;
}

void turn_end(void)
{
	lock_release(&turn.lock);
}

bool turn_is_free(void)
{
	if (!lock_try(&turn.lock))
		return false;
	lock_release(&turn.lock);
	return true;
}

void turn_hurry(uint32_t now)
{
	uint32_t due = now + turn.hurry_ticks;

	if ((int32_t)(LOAD_RELAXED(&pool.due) - due) <= 0)
		return;
	STORE_RELAXED(&pool.due, due);
	turn_wake();
}

void turn_wake(void)
{
	atomic_fetch_add_explicit(&turn_bell, 1, memory_order_relaxed);
	sys_futex_wake(&turn_bell, 1);
}

void turn_fork_prepare(void)
{
	lock_acquire(&turn.lock);
}

void turn_fork_done(bool is_child)
{
	if (is_child)
		lock_reset(&turn.lock);
	else
		lock_release(&turn.lock);
}
