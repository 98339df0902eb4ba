/*
 * clock.h -- one coarse clock for ages and intervals.
 *
 * Ticks are 1/64 s since this process's clock was started, times
 * WEIR_TIME_SCALE; 32 bits of them last two years. Reading the time is a vDSO
 * call, so it may be done in a signal handler and under any lock.
 */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include "base/compiler.h"

#define TICKS_PER_SECOND 64
#define TICK_NS (SECOND / TICKS_PER_SECOND)

/* Before the first tick is read. The first call counts; later ones do nothing. */
void clock_start(double time_scale);

/* Scaled ns since clock_start(); coarse (a few ms). 0 before it. */
uint64_t clock_now_ns(void);
uint32_t clock_now_ticks(void);

/* Unix time, ns since the epoch, never scaled: of the start (0 before it), and now. */
uint64_t clock_started_at_ns(void);
uint64_t clock_unix_now_ns(void);

/* CLOCK_MONOTONIC_COARSE at tick 0, ns; 0 before the start. */
uint64_t clock_origin_ns(void);

/* Never scaled, from an origin of its own, to the ns: for how long something took. */
uint64_t clock_precise_ns(void);

/* What all threads of the process have used, user and system. A system call. */
uint64_t clock_process_cpu_ns(void);

/* How many times faster than real time ticks run: what clock_start() was given, 1 before. */
double clock_scale(void);

INLINE uint64_t ticks_to_ns(uint64_t ticks)
{
	return ticks * TICK_NS;
}
INLINE uint64_t ns_to_ticks(uint64_t ns)
{
	return ns / TICK_NS;
}

#endif
