/*
 * lock.c -- the slow half of the mutex: spin a little, then sleep.
 *
 * A holder works for a few hundred ns and never sleeps while it holds, so a
 * short spin saves most of the system calls. Never in a signal handler.
 */
#include "base/lock.h"

#include "base/io.h"
#include "base/sys.h"

#define SPINS 100

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

COLD void lock_acquire_slow(struct lock *lock)
{
	bool is_ours = false;

	for (int i = 0; i < SPINS && !is_ours; i++) {
		uint32_t open = 0;

		relax();
		is_ours = atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
			  atomic_compare_exchange_strong_explicit(
			      &lock->word, &open, 1, memory_order_acquire, memory_order_relaxed);
	}
	/* From here on the word says that somebody sleeps, even if we then get it:
	 * one wake too many is harmless, one too few is not. */
	while (!is_ours) {
		is_ours = atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) == 0;
		if (!is_ours)
			sys_futex_wait(&lock->word, 2, 0);
	}
	STORE_RELAXED(&lock->acquisitions, lock->acquisitions + 1);
	STORE_RELAXED(&lock->contentions, lock->contentions + 1);
}

COLD bool lock_acquire_within(struct lock *lock, unsigned ms)
{
	bool is_ours = lock_try(lock);

	for (; !is_ours && ms > 0; ms--) {
		sys_sleep(MILLISECOND);
		is_ours = lock_try(lock);
	}
	return is_ours;
}

COLD void lock_wake(struct lock *lock)
{
	sys_futex_wake(&lock->word, 1);
}
