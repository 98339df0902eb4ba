/*
 * batch.c -- what a token costs: in a batch, by memcpy alone, and in a queue with a malloc for each.
 *
 *	batch [--bytes N] [--tokens N] [--rounds N] [--threads N]	a table: ns a token, medians of rounds
 *	batch --count WHAT N [--bytes N]	N tokens of WHAT and no clock: for counting instructions
 *
 * WHAT is memcpy (into a buffer of 4 KiB, around), queue (a node of malloc's for each token; of 64 the
 * sum is taken and they are freed), batch (weir_stream_add; a callback that takes 64 at a time).
 * Each round runs all three in turn, so that they meet the same machine. Threads have a stream, a queue
 * or a buffer of their own, and begin together. The ns are of a thread's CPU time, so that what else runs
 * on the machine is not in them, but for what it does to the caches; waiting for each other's lines is.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir.h>

#define THREADS_MAX 64
#define ROUNDS_MAX 101
#define HANDED_OVER 64

enum what { MEMCPY, QUEUE, BATCH, WHATS };
static const char *const names[WHATS] = {"memcpy", "queue", "batch"};

static struct weir_batcher *batcher;
static size_t bytes = 16; /* read at each token: not a constant for the compiler */
static uint64_t tokens = 4000000;
static pthread_barrier_t barrier;

/* One thread's share, and what keeps the work from being left out. */
struct worker {
	enum what what;
	weir_stream stream;
	uint64_t taken, ns;
	char pad[64];
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "batch: %s\n", what);
	exit(1);
}

static int64_t flush(void *context, const struct weir_batch *batch)
{
	struct worker *worker = batch->stream_context;

	(void)context;
	worker->taken += batch->bytes;
	return (int64_t)batch->bytes;
}

static void copy_tokens(struct worker *worker, uint64_t count, const char *token)
{
	static _Thread_local char buffer[4096 + 4096];
	size_t at = 0;

	for (uint64_t i = 0; i < count; i++) {
		memcpy(buffer + at, token, *(volatile size_t *)&bytes);
		at = (at + bytes) % 4096;
		__asm__ volatile("" ::"r"(buffer) : "memory");
	}
	worker->taken += count * bytes;
}

struct node {
	struct node *next;
	size_t length;
	char text[];
};

static void queue_tokens(struct worker *worker, uint64_t count, const char *token)
{
	struct node *first = NULL, **last = &first;
	unsigned queued = 0;

	for (uint64_t i = 0; i < count; i++) {
		size_t length = *(volatile size_t *)&bytes;
		struct node *node = malloc(sizeof(*node) + length);

		if (node == NULL)
			fail("no memory");
		memcpy(node->text, token, length);
		node->length = length;
		node->next = NULL;
		*last = node;
		last = &node->next;
		if (++queued < HANDED_OVER && i + 1 < count)
			continue;
		while ((node = first) != NULL) {
			first = node->next;
			worker->taken += node->length;
			free(node);
		}
		last = &first;
		queued = 0;
	}
}

static void batch_tokens(struct worker *worker, uint64_t count, const char *token)
{
	for (uint64_t i = 0; i < count; i++)
		if (weir_stream_add(batcher, worker->stream, token, *(volatile size_t *)&bytes) != 0)
			fail("a token was refused");
	weir_stream_flush(batcher, worker->stream);
}

static void work(struct worker *worker, uint64_t count)
{
	static const char token[4096] = "0123456789abcdef";

	switch (worker->what) {
	case MEMCPY:
		copy_tokens(worker, count, token);
		break;
	case QUEUE:
		queue_tokens(worker, count, token);
		break;
	default:
		batch_tokens(worker, count, token);
	}
	if (worker->taken != count * bytes)
		fail("bytes were lost");
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	uint64_t began;

	pthread_barrier_wait(&barrier);
	began = now_ns(CLOCK_THREAD_CPUTIME_ID);
	work(worker, tokens);
	worker->ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - began;
	return NULL;
}

/* ns of CPU a token, over all threads. */
static double measure(enum what what, unsigned threads)
{
	static struct worker workers[THREADS_MAX];
	pthread_t ids[THREADS_MAX];
	uint64_t ns = 0;

	pthread_barrier_init(&barrier, NULL, threads);
	for (unsigned i = 0; i < threads; i++) {
		workers[i] = (struct worker){.what = what};
		if (weir_stream_open(batcher, &workers[i], &workers[i].stream) != 0 ||
		    pthread_create(&ids[i], NULL, run, &workers[i]) != 0)
			fail("no thread");
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		weir_stream_close(batcher, workers[i].stream, WEIR_CLOSE_DRAIN);
		ns += workers[i].ns;
	}
	pthread_barrier_destroy(&barrier);
	return (double)ns / (double)tokens / threads;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void table(unsigned rounds, unsigned threads_max)
{
	static double ns[WHATS][ROUNDS_MAX];

	printf("threads    memcpy     queue     batch   batch beyond memcpy\n");
	for (unsigned threads = 1; threads <= threads_max; threads++) {
		for (unsigned round = 0; round < rounds; round++)
			for (int what = 0; what < WHATS; what++)
				ns[what][round] = measure((enum what)what, threads);
		for (int what = 0; what < WHATS; what++)
			qsort(ns[what], rounds, sizeof(double), compare);
		printf("%7u %9.2f %9.2f %9.2f %21.2f\n", threads, ns[MEMCPY][rounds / 2],
		    ns[QUEUE][rounds / 2], ns[BATCH][rounds / 2],
		    ns[BATCH][rounds / 2] - ns[MEMCPY][rounds / 2]);
	}
}

static enum what what_of(const char *name)
{
	for (int what = 0; what < WHATS; what++)
		if (strcmp(name, names[what]) == 0)
			return (enum what)what;
	fail("there are memcpy, queue and batch");
	return WHATS;
}

int main(int argc, char **argv)
{
	struct weir_batcher_config config = weir_batcher_config_default();
	struct weir_pool *pool;
	unsigned rounds = 9, threads = 4;
	struct worker worker = {0};
	const char *count = NULL;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--bytes") == 0) {
			bytes = strtoul(argv[i + 1], NULL, 10);
		} else if (strcmp(argv[i], "--tokens") == 0) {
			tokens = strtoull(argv[i + 1], NULL, 10);
		} else if (strcmp(argv[i], "--rounds") == 0) {
			rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
		} else if (strcmp(argv[i], "--threads") == 0) {
			threads = (unsigned)strtoul(argv[i + 1], NULL, 10);
		} else if (strcmp(argv[i], "--count") == 0 && i + 2 < argc) {
			worker.what = what_of(argv[i + 1]);
			count = argv[++i + 1];
		} else {
			fail("see the head of bench/batch.c for the options");
		}
	}
	if (bytes < 1 || bytes > 4096 || rounds < 1 || rounds > ROUNDS_MAX || threads < 1 ||
	    threads > THREADS_MAX)
		fail("out of bounds");
	config.flush = flush;
	if (weir_pool_create(&pool, NULL) != 0 || weir_batcher_create(&batcher, pool, &config) != 0)
		fail("no batcher");
	if (count != NULL) {
		if (weir_stream_open(batcher, &worker, &worker.stream) != 0)
			fail("no stream");
		work(&worker, strtoull(count, NULL, 10));
	} else {
		table(rounds, threads);
	}
	return weir_batcher_destroy(batcher) == 0 && weir_pool_destroy(pool) == 0 ? 0 : 1;
}
