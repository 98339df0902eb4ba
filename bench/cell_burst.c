/*
 * cell_burst.c -- a burst, a pause, a burst: what is kept through the pause and what the next one pays.
 *
 * 512 MiB in 64 KiB buffers are allocated and filled whole, all freed, then the program sleeps (2 s or 10 s)
 * and does it once more. Reported: ns a buffer filled in the second burst, first_ns in the first one, and
 * left_mib, the RSS above the baseline at the end of the pause.
 * burst: a program of one thread, which really sleeps: an allocator without a thread of its own cannot act.
 * burst-4: four threads with 128 MiB each; all are alive in the pause.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define BUFFER (64 * BENCH_KIB)
#define BURST (512 * BENCH_MIB)

/* Each in its own slot of the run's workers; read by the main thread after the join. */
static uint64_t first_ns[BENCH_WORKERS], second_ns[BENCH_WORKERS];
static pthread_barrier_t phase;
static size_t baseline_bytes, left_bytes;

static void fill_and_free(struct worker *w, uint64_t buffers, uint64_t *spent_ns)
{
	uint64_t from = measure_now_ns();

	for (uint64_t i = 0; i < buffers; i++) {
		w->slots[i].buf = buffer_take(w, BUFFER);
		memset(w->slots[i].buf, (int)(i & 0xff), BUFFER);
		live_add(w, (int64_t)BUFFER);
		live_step(w);
	}
	*spent_ns = measure_now_ns() - from;
	live_look(w);
	for (uint64_t i = 0; i < buffers; i++) {
		buffer_give(w, w->slots[i].buf);
		live_add(w, -(int64_t)BUFFER);
	}
}

static void rest(size_t seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static void *burst_worker(void *argument)
{
	struct worker *w = argument;
	uint64_t buffers = w->run->ops;

	pthread_barrier_wait(&phase);
	fill_and_free(w, buffers, &first_ns[w->index]);
	pthread_barrier_wait(&phase);
	rest(w->run->cell->size);
	if (w->index == 0)
		left_bytes = measure_rss_bytes();
	pthread_barrier_wait(&phase);
	fill_and_free(w, buffers, &second_ns[w->index]);
	return NULL;
}

static void burst_whole(struct run *run)
{
	pthread_t threads[BENCH_WORKERS];
	uint64_t first = 0, second = 0;
	struct usage before = measure_usage(), after;
	size_t peak_bytes;
	int64_t peak_live = 0;

	baseline_bytes = measure_rss_bytes();
	pthread_barrier_init(&phase, NULL, run->workers);
	for (unsigned i = 1; i < run->workers; i++)
		if ((errno = pthread_create(&threads[i], NULL, burst_worker, &run->worker[i])) != 0)
			measure_die("pthread_create");
	burst_worker(&run->worker[0]);
	for (unsigned i = 1; i < run->workers; i++)
		pthread_join(threads[i], NULL);
	peak_bytes = measure_peak_rss_bytes() - baseline_bytes;
	after = measure_usage();
	for (unsigned i = 0; i < run->workers; i++) {
		first += first_ns[i];
		second += second_ns[i];
		if (run->worker[i].peak_live_bytes > peak_live)
			peak_live = run->worker[i].peak_live_bytes;
	}
	if (left_bytes < baseline_bytes)
		left_bytes = baseline_bytes;
	printf("ops=%llu ns=%.1f first_ns=%.1f left_mib=%.1f rss_over_live=%.3f minflt=%.1f",
	    (unsigned long long)(2 * run->ops), (double)second / (double)(run->workers * run->ops),
	    (double)first / (double)(run->workers * run->ops),
	    (double)(left_bytes - baseline_bytes) / (double)BENCH_MIB, (double)peak_bytes / (double)peak_live,
	    (double)(after.minor_faults - before.minor_faults) * 1000.0 /
		(double)(2 * run->workers * run->ops));
}

#define BURST_CELL(label, what, threads, seconds, aside)                                                     \
	{                                                                                                    \
		.name = label, .about = what, .workers = threads, .ops = BURST / BUFFER / (threads),         \
		.slots = BURST / BUFFER / (threads), .size = seconds, .has_rss = true, .is_aside = aside,    \
		.whole = burst_whole                                                                         \
	}

const struct cell cells_burst[] = {
    BURST_CELL("burst", "512 MiB in 64 KiB buffers filled, freed, 2 s asleep, again", 1, 2, false),
    BURST_CELL("burst-10s", "the same, 10 s asleep", 1, 10, true),
    BURST_CELL("burst-4", "the same by four threads, 2 s asleep", 4, 2, false),
    BURST_CELL("burst-4-10s", "the same by four threads, 10 s asleep", 4, 10, true),
    {0},
};
