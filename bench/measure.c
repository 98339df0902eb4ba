/*
 * measure.c -- the clock, memory and fault counts of the benchmark, and its histogram of single calls.
 *
 * Peak RSS is VmHWM: the kernel itself notes the peak before it unmaps or discards anything, so nothing has
 * to sample while a cell runs (a sampling thread would also make every program a threaded one, which slows
 * glibc). Writing 5 to clear_refs makes the present RSS the peak so far.
 * Nothing here uses malloc or stdio's buffers; all but measure_tail_add and measure_now_ns run outside the
 * timed part.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* Sixteen buckets a doubling: a quantile is known to 6%. */
#define TAIL_STEP_BITS 4
#define TAIL_STEPS (1u << TAIL_STEP_BITS)
#define TAIL_BUCKETS (64 * TAIL_STEPS)

_Noreturn void measure_die(const char *what)
{
	dprintf(STDERR_FILENO, "cells: %s: %s\n", what, strerror(errno));
	_exit(1);
}

uint64_t measure_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t time_ns(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

struct usage measure_usage(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		measure_die("getrusage");
	return (struct usage){
	    .minor_faults = (uint64_t)usage.ru_minflt,
	    .cpu_ns = time_ns(usage.ru_utime) + time_ns(usage.ru_stime),
	};
}

/* The number after `name` in /proc/self/status, which is in KiB. */
static size_t status_bytes(const char *name)
{
	char text[4096] = "";
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	const char *found;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		measure_die("/proc/self/status");
	close(fd);
	found = strstr(text, name);
	if (found != NULL)
		return (size_t)strtoull(found + strlen(name), NULL, 10) * BENCH_KIB;
	measure_die(name);
}

size_t measure_rss_bytes(void)
{
	return status_bytes("VmRSS:");
}

size_t measure_peak_rss_bytes(void)
{
	return status_bytes("VmHWM:");
}

bool measure_reset_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	bool is_reset = fd >= 0 && write(fd, "5", 1) == 1;

	if (fd >= 0)
		close(fd);
	return is_reset;
}

void *measure_map(size_t bytes)
{
	void *mapped =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (mapped == MAP_FAILED)
		measure_die("mmap");
	return mapped;
}

static unsigned tail_bucket(uint64_t ns)
{
	unsigned doubling;

	if (ns < TAIL_STEPS)
		return (unsigned)ns;
	doubling = 63u - (unsigned)__builtin_clzll(ns) - TAIL_STEP_BITS;
	return (doubling + 1) * TAIL_STEPS + (unsigned)((ns >> doubling) & (TAIL_STEPS - 1));
}

/* The upper end of a bucket, so that a quantile is never told too low. */
static uint64_t tail_bucket_ns(unsigned bucket)
{
	unsigned doubling = bucket / TAIL_STEPS;

	if (doubling == 0)
		return bucket;
	return ((uint64_t)(TAIL_STEPS + bucket % TAIL_STEPS + 1) << (doubling - 1)) - 1;
}

void measure_tail_add(struct worker *w, uint64_t ns)
{
	if (w->tail == NULL)
		w->tail = measure_map(TAIL_BUCKETS * sizeof(*w->tail));
	w->tail[tail_bucket(ns)]++;
	if (ns > w->tail_max_ns)
		w->tail_max_ns = ns;
}

static uint64_t tail_count(const struct run *run, unsigned bucket)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < BENCH_WORKERS; i++)
		if (run->worker[i].tail != NULL)
			count += run->worker[i].tail[bucket];
	return count;
}

uint64_t measure_tail_quantile_ns(const struct run *run, double quantile)
{
	uint64_t total = 0, below = 0;

	for (unsigned bucket = 0; bucket < TAIL_BUCKETS; bucket++)
		total += tail_count(run, bucket);
	for (unsigned bucket = 0; bucket < TAIL_BUCKETS; bucket++) {
		below += tail_count(run, bucket);
		if (total != 0 && (double)below >= quantile * (double)total)
			return tail_bucket_ns(bucket);
	}
	return 0;
}

uint64_t measure_tail_max_ns(const struct run *run)
{
	uint64_t max = 0;

	for (unsigned i = 0; i < BENCH_WORKERS; i++)
		if (run->worker[i].tail_max_ns > max)
			max = run->worker[i].tail_max_ns;
	return max;
}
