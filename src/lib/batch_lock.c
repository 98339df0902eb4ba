/*
 * batch_lock.c -- waiting for a stream's lock.
 *
 * The holder copies a token, or rarely a buffer, so a short spin nearly always ends it. Who
 * still waits then sleeps 10 us and twice as much each time, up to 1 ms, which also lets a
 * holder of lower priority run. Keeps errno: the sleeps are raw system calls.
 */
#include "lib/batch_lock.h"

#include <errno.h>

#include "base/io.h"

#define SPINS 200
#define SLEEP_MIN_NS ((uint64_t)10 * 1000)
#define SLEEP_MAX_NS MILLISECOND

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

static bool is_worth_a_try(struct batch_lock *lock)
{
	return atomic_load_explicit(&lock->is_taken, memory_order_relaxed) == 0;
}

COLD void batch_lock_slow(struct batch_lock *lock)
{
	uint64_t sleep_ns = SLEEP_MIN_NS;
	int saved = errno;

	for (int i = 0; i < SPINS; i++) {
		relax();
		if (is_worth_a_try(lock) && batch_lock_try(lock))
			return;
	}
	while (!is_worth_a_try(lock) || !batch_lock_try(lock)) {
		sys_sleep(sleep_ns);
		sleep_ns = MIN(sleep_ns * 2, SLEEP_MAX_NS);
	}
	errno = saved;
}
