/*
 * lock.h -- a small mutex on a futex, and the table of all locks.
 *
 * Never in a signal handler. Zeroed memory is an open lock. Order is acquire on
 * taking and release on giving back, as for any mutex; in a process of one thread (single.h)
 * plain loads and stores do, in the order in which the code has them.
 */
#ifndef WEIR_BASE_LOCK_H
#define WEIR_BASE_LOCK_H

#include "base/single.h"

enum lock_rank {
#define LOCK(name, protects) LOCK_##name,
#include "base/locks.def"
};

struct lock {
	_Atomic uint32_t word; /* 0 open, 1 taken, 2 taken and somebody sleeps */
	uint32_t contentions;  /* written by the holder; how often it found the lock taken */
	uint64_t acquisitions; /* written by the holder */
};

void lock_acquire_slow(struct lock *lock);
void lock_wake(struct lock *lock);

INLINE bool lock_try(struct lock *lock)
{
	uint32_t open = 0;

	if (is_single_threaded()) {
		if (atomic_load_explicit(&lock->word, memory_order_relaxed) != 0)
			return false;
		atomic_store_explicit(&lock->word, 1, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
	} else if (!atomic_compare_exchange_strong_explicit(
		       &lock->word, &open, 1, memory_order_acquire, memory_order_relaxed)) {
		return false;
	}
	STORE_RELAXED(&lock->acquisitions, lock->acquisitions + 1);
	return true;
}

INLINE void lock_acquire(struct lock *lock)
{
	if (UNLIKELY(!lock_try(lock)))
		lock_acquire_slow(lock);
}

/* For who may stand in a child of _Fork(), where whoever held it is not: false, if it is not open within so long. */
bool lock_acquire_within(struct lock *lock, unsigned ms);

INLINE void lock_release(struct lock *lock)
{
	if (is_single_threaded())
		atomic_store_explicit(&lock->word, 0, memory_order_release);
	else if (UNLIKELY(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2))
		lock_wake(lock);
}

/* In the child of a fork, whose parent's thread held it: open again. */
INLINE void lock_reset(struct lock *lock)
{
	atomic_store_explicit(&lock->word, 0, memory_order_relaxed);
}

#endif
