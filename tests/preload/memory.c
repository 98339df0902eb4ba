/*
 * memory.c -- what a program keeps: run by memory.sh under the preload object, as
 *
 *   memory promise THREADS SCALE   streams, makes a burst, and holds what it has; says how many touched pages faulted
 *                                  while it streamed, and what is resident ten seconds after the burst.
 *                                  SCALE: how many times faster Weir's seconds are (WEIR_TIME_SCALE)
 *   memory threads N               N threads share 200,000 replacements of 1,000 buffers, free them and stay;
 *                                  then a dump is asked for
 *
 * Both print figures as name=value; memory.sh judges them.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define STREAM_BUFFERS 8
/* One thread pays for its purge by pieces within its own requests, of which it makes few here. */
#define BURST_BYTES (thread_count == 1 ? 12 * MIB : 160 * MIB)
#define BURST_BUFFERS 2000
#define KEPT_BYTES (16 * MIB)
#define REPLACEMENTS 200000
#define BUFFERS 1000

struct stream {
	uint64_t random, pages;
	char *buffers[STREAM_BUFFERS];
	size_t sizes[STREAM_BUFFERS];
};

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static char *filled(size_t size)
{
	char *p = malloc(size);

	if (p == NULL)
		_exit(2);
	for (size_t at = 0; at < size; at += PAGE)
		p[at] = 1;
	return p;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sleep_seconds(double s)
{
	nanosleep(&(struct timespec){(time_t)s, (long)((s - (double)(time_t)s) * 1e9)}, NULL);
}

static long resident_kib(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
		_exit(2);
	fclose(file);
	return pages * 4;
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* --- promise ------------------------------------------------------------------ */

/* One buffer of 64 KiB to 1 MiB is replaced, as a stream of frames of changing size does. */
static void step(struct stream *stream)
{
	unsigned i = random_next(&stream->random) % STREAM_BUFFERS;

	free(stream->buffers[i]);
	stream->sizes[i] = 64 * KIB + random_next(&stream->random) % (960 * KIB);
	stream->buffers[i] = filled(stream->sizes[i]);
	stream->pages += stream->sizes[i] / PAGE + 1;
}

static double scale;
static int thread_count;
static pthread_barrier_t barrier;
static struct stream streams[64];

/* Through every tick that comes in that time; each thread does, so that all CPUs' magazines are in use. */
static void stream_for(struct stream *stream, double scaled_seconds)
{
	double end = seconds() + scaled_seconds / scale;

	while (seconds() < end) {
		step(stream);
		/* 25 frames a second of each thread; one alone makes more requests, since it has the upkeep to do. */
		sleep_seconds((thread_count == 1 ? 0.005 : 0.04) / scale);
	}
}

/* Only as many requests as a program of one thread needs to have its upkeep done. */
static void idle_for(double scaled_seconds)
{
	double end = seconds() + scaled_seconds / scale;

	while (seconds() < end) {
		if (thread_count == 1)
			free(filled(64 * KIB));
		sleep_seconds(0.005 / scale);
	}
}

static void burst(void)
{
	static char *buffers[BURST_BUFFERS];
	uint64_t random = 88172645463325252ULL;
	size_t bytes = 0;
	unsigned count = 0;

	while (count < BURST_BUFFERS && bytes < BURST_BYTES) {
		size_t size = 16 * KIB + random_next(&random) % (512 * KIB);

		buffers[count++] = filled(size);
		bytes += size;
	}
	for (unsigned i = 0; i < count; i++)
		free(buffers[i]);
}

static long touched, faulted;

static void *promise_thread(void *own)
{
	struct stream *stream = own;
	int is_first = stream == &streams[0];
	uint64_t pages;

	stream->random = 88172645463325252ULL ^ ((uint64_t)(stream - streams) << 32);
	for (unsigned i = 0; i < STREAM_BUFFERS * 40; i++)
		step(stream);
	stream_for(stream, 10);
	pthread_barrier_wait(&barrier);
	if (is_first)
		faulted = faults();
	pages = stream->pages;
	pthread_barrier_wait(&barrier);
	stream_for(stream, 20);
	__atomic_fetch_add(&touched, (long)(stream->pages - pages), __ATOMIC_RELAXED);
	pthread_barrier_wait(&barrier);
	if (is_first) {
		faulted = faults() - faulted;
		burst();
		printf("burst_kib=%ld\n", resident_kib());
	}
	pthread_barrier_wait(&barrier);
	idle_for(10);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static int promise(void)
{
	pthread_t threads[64];
	long base = resident_kib();
	size_t live = 0;

	for (size_t kept = 0; kept < KEPT_BYTES; kept += 128 * KIB)
		filled(128 * KIB);
	pthread_barrier_init(&barrier, NULL, (unsigned)thread_count);
	for (int i = 1; i < thread_count; i++)
		if (pthread_create(&threads[i], NULL, promise_thread, &streams[i]) != 0)
			return 2;
	promise_thread(&streams[0]);
	for (int i = 0; i < thread_count; i++)
		for (int k = 0; k < STREAM_BUFFERS; k++)
			live += streams[i].sizes[k];
	printf("touched=%ld faulted=%ld live_kib=%ld resident_kib=%ld\n", touched, faulted,
	    (long)((live + KEPT_BYTES) / KIB), resident_kib() - base);
	return 0;
}

/* --- threads ------------------------------------------------------------------ */

static void *replace(void *number)
{
	uint64_t random = 88172645463325252ULL ^ ((uint64_t)(uintptr_t)number << 32);
	int own = BUFFERS / thread_count;
	char *buffers[BUFFERS] = {NULL};

	for (int i = 0; i < REPLACEMENTS / thread_count; i++) {
		int k = (int)(random_next(&random) % (uint64_t)own);

		free(buffers[k]);
		buffers[k] = filled(4 * KIB + random_next(&random) % (256 * KIB));
	}
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < own; i++)
		free(buffers[i]);
	pthread_barrier_wait(&barrier);
	pause();
	return NULL;
}

static int many_threads(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, (unsigned)thread_count + 1);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 * KIB);
	for (int i = 0; i < thread_count; i++)
		if (pthread_create(&thread, &attributes, replace, (void *)(uintptr_t)i) != 0)
			return 2;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	raise(SIGUSR1);
	return 0;
}

int main(int argc, char **argv)
{
	thread_count = argc > 2 ? atoi(argv[2]) : 0;
	if (argc == 4 && strcmp(argv[1], "promise") == 0 && thread_count >= 1 && thread_count <= 64) {
		scale = strtod(argv[3], NULL);
		return promise();
	}
	if (argc == 3 && strcmp(argv[1], "threads") == 0 && thread_count >= 1 && thread_count <= BUFFERS)
		return many_threads();
	fprintf(stderr, "memory promise THREADS SCALE | threads N\n");
	return 1;
}
