/*
 * cell_idle.c -- what stays with threads that have streamed and now sit idle.
 *
 * All threads are there before the baseline is read, their stacks touched. Then each has its turns, four
 * threads at a time: eight buffers of 4K..256K allocated, a word of each page written, all freed. The total
 * of turns is the same for any number of threads, and so are live bytes at any time; what is resident half
 * a second after, all threads waiting, is what the allocator holds for them.
 *
 *   idle_mib, idle_10s_mib   RSS above the baseline half a second after the last turn, and ten seconds after
 *   ns                       of a turn, waiting for it not included
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define AT_ONCE 4
#define BUFFERS 8
#define LOW (4 * BENCH_KIB)
#define DOUBLINGS 6
#define TURNS 100000u
#define THREADS_MAX 1000
#define STACK_TOUCHED (32 * BENCH_KIB)

struct idler {
	struct worker worker;
	pthread_t thread;
};

static struct idler *idlers;
static pthread_barrier_t phase;
static sem_t places;
static unsigned turns_each;

static void touch_stack(void)
{
	char stack[STACK_TOUCHED];

	memset(stack, 1, sizeof(stack));
	buffer_keep(stack);
}

static void take_turn(struct worker *w)
{
	void *bufs[BUFFERS];
	uint64_t from = measure_now_ns();

	for (unsigned i = 0; i < BUFFERS; i++) {
		size_t size = rng_size(w, LOW, DOUBLINGS);

		bufs[i] = buffer_take(w, size);
		touch_pages(bufs[i], size);
	}
	for (unsigned i = 0; i < BUFFERS; i++)
		buffer_give(w, bufs[i]);
	w->elapsed_ns += measure_now_ns() - from;
}

static void *idle_thread(void *argument)
{
	struct worker *w = argument;

	touch_stack();
	pthread_barrier_wait(&phase); /* all are here */
	pthread_barrier_wait(&phase); /* the baseline is read */
	for (unsigned i = 0; i < turns_each; i++) {
		sem_wait(&places);
		take_turn(w);
		sem_post(&places);
	}
	pthread_barrier_wait(&phase); /* all have had their turns */
	pthread_barrier_wait(&phase); /* what stayed is read */
	return NULL;
}

static double resident_mib(size_t baseline)
{
	size_t rss = measure_rss_bytes();

	return rss < baseline ? 0 : (double)(rss - baseline) / (double)BENCH_MIB;
}

static void rest_ms(unsigned ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static void start_all(struct run *run, unsigned threads)
{
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 256 * BENCH_KIB);
	for (unsigned i = 0; i < threads; i++) {
		idlers[i].worker =
		    (struct worker){.run = run, .index = i, .rng = UINT64_C(0x9e3779b97f4a7c15) * (i + 1)};
		errno = pthread_create(&idlers[i].thread, &small, idle_thread, &idlers[i].worker);
		if (errno != 0)
			measure_die("pthread_create");
	}
}

static void idle_whole(struct run *run)
{
	unsigned threads = (unsigned)run->cell->size;
	double soon, later;
	uint64_t spent = 0;
	size_t baseline;

	idlers = measure_map(threads * sizeof(*idlers));
	turns_each = TURNS / threads;
	pthread_barrier_init(&phase, NULL, threads + 1);
	sem_init(&places, 0, AT_ONCE);
	start_all(run, threads);
	pthread_barrier_wait(&phase);
	baseline = measure_rss_bytes();
	pthread_barrier_wait(&phase);
	pthread_barrier_wait(&phase);
	rest_ms(500);
	soon = resident_mib(baseline);
	rest_ms(9500);
	later = resident_mib(baseline);
	pthread_barrier_wait(&phase);
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(idlers[i].thread, NULL);
		spent += idlers[i].worker.elapsed_ns;
	}
	printf("ops=%u ns=%.1f idle_mib=%.1f idle_10s_mib=%.1f", TURNS, (double)spent / TURNS, soon, later);
}

#define IDLE(label, threads)                                                                                 \
	{                                                                                                    \
		.name = "idle-" label, .about = label " threads that have streamed sit idle: what stays",    \
		.workers = 1, .ops = TURNS, .size = threads, .is_aside = true, .whole = idle_whole           \
	}

const struct cell cells_idle[] = {
    IDLE("4", 4),
    IDLE("1000", THREADS_MAX),
    {0},
};
