/*
 * clock.c -- one coarse clock for ages and intervals.
 *
 * CLOCK_MONOTONIC_COARSE is read from the vDSO page without a system call, so
 * this may be called in a signal handler and under any lock. A child of fork
 * goes on with its parent's clock, as its buffers do.
 *
 * Invariant: origin_ns, scale and started_at_ns are frozen before is_started is
 * published, and never written again.
 */
#include "base/clock.h"

#include <time.h>

static struct {
	uint64_t origin_ns;
	uint64_t started_at_ns;
	double scale;
	_Atomic bool is_started; /* release in clock_start(), acquire in every reader */
} clock_state = {.scale = 1};

static uint64_t read_ns(clockid_t clock)
{
	struct timespec t;
	if (clock_gettime(clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static bool is_started(void)
{
	return atomic_load_explicit(&clock_state.is_started, memory_order_acquire);
}

void clock_start(double time_scale)
{
	if (is_started())
		return;
	clock_state.origin_ns = read_ns(CLOCK_MONOTONIC_COARSE);
	clock_state.started_at_ns = read_ns(CLOCK_REALTIME);
	clock_state.scale = time_scale > 0 ? time_scale : 1;
	atomic_store_explicit(&clock_state.is_started, true, memory_order_release);
}

uint64_t clock_now_ns(void)
{
	if (UNLIKELY(!is_started()))
		return 0;
	uint64_t elapsed = read_ns(CLOCK_MONOTONIC_COARSE) - clock_state.origin_ns;
	/* Not through a double where there is nothing to scale: 53 bits of ns are 104 days. */
	if (LIKELY(clock_state.scale == 1))
		return elapsed;
	return (uint64_t)((double)elapsed * clock_state.scale);
}

uint32_t clock_now_ticks(void)
{
	return (uint32_t)ns_to_ticks(clock_now_ns());
}

uint64_t clock_started_at_ns(void)
{
	return is_started() ? clock_state.started_at_ns : 0;
}

uint64_t clock_origin_ns(void)
{
	return is_started() ? clock_state.origin_ns : 0;
}

uint64_t clock_unix_now_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

uint64_t clock_precise_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_process_cpu_ns(void)
{
	return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

double clock_scale(void)
{
	return is_started() ? clock_state.scale : 1;
}
