/*
 * pool_stress.c -- a heap under load from all sides, with every byte accounted for.
 *
 * pool_stress [SECONDS]: random replacement with a shared table, producers and
 * consumers, threads that come and go, and realloc chains, all at once. Works
 * on any malloc; built with TEST_ON_POOL, on the pool itself. Ends with 1 at the first buffer that is not as it was left.
 *
 * A slot of the shared table is taken by exchanging its pointer; whoever holds
 * the pointer owns the buffer. Each buffer begins with a header that says how
 * the rest was filled.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/common/pattern.h"
#ifdef TEST_ON_POOL
#include "tests/stress/on_pool.h"
#endif

#define SLOTS 1024
#define QUEUE 256
#define THREADS_AT_ONCE 4

struct buffer {
	size_t size; /* of the whole */
	uint64_t seed;
	uint64_t check; /* size ^ seed ^ the address */
	unsigned char bytes[];
};

static _Atomic(struct buffer *) slots[SLOTS];
static atomic_bool is_over;	 /* relaxed; seen sooner or later */
static atomic_ulong progress[4]; /* relaxed; counts */

static struct {
	pthread_mutex_t lock; /* over all that follows */
	pthread_cond_t changed;
	struct buffer *items[QUEUE];
	size_t count;
	bool is_closed;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

__attribute__((noreturn)) static void fail(const char *what, size_t size, size_t at)
{
	fprintf(stderr, "pool_stress: %s (%zu bytes, at %zu)\n", what, size, at);
	_exit(1);
}

static void *checked(void *p, size_t size)
{
	if (p == NULL)
		fail("no memory", size, 0);
	return p;
}

static void fill(struct buffer *buffer, size_t size, uint64_t seed)
{
	buffer->size = size;
	buffer->seed = seed;
	buffer->check = size ^ seed ^ (uintptr_t)buffer;
	pattern_fill(buffer->bytes, size - sizeof *buffer, seed, PATTERN_SPARSE);
}

static struct buffer *make(uint64_t *state)
{
	size_t size = sizeof(struct buffer) + random_size(state, 20);
	uint64_t how = random_next(state) % 8;
	void *p = NULL;

	if (how == 0) {
		p = checked(calloc(1, size), size);
		for (size_t i = 0; i < size; i += 61)
			if (((unsigned char *)p)[i] != 0)
				fail("calloc is not zero", size, i);
	} else if (how == 1) {
		size_t alignment = (size_t)16 << random_next(state) % 9;

		if (posix_memalign(&p, alignment, size) != 0 || (uintptr_t)p % alignment != 0)
			fail("posix_memalign", size, alignment);
	} else {
		p = malloc(size);
	}
	fill(checked(p, size), size, random_next(state));
	return p;
}

static void verify(struct buffer *buffer)
{
	if (buffer->check != (buffer->size ^ buffer->seed ^ (uintptr_t)buffer))
		fail("a header was overwritten", 0, 0);
	size_t at = pattern_check(buffer->bytes, buffer->size - sizeof *buffer, buffer->seed, PATTERN_SPARSE);

	if (at != PATTERN_OK)
		fail("a buffer was overwritten", buffer->size, at);
}

static void let_go(struct buffer *buffer)
{
	if (buffer == NULL)
		return;
	verify(buffer);
	/* So a buffer that is handed out twice cannot pass for whole. */
	buffer->check = 0;
	free(buffer);
}

static bool is_running(void)
{
	return !atomic_load_explicit(&is_over, memory_order_relaxed);
}

static void count(unsigned who)
{
	atomic_fetch_add_explicit(&progress[who], 1, memory_order_relaxed);
}

static void *replace(void *argument)
{
	uint64_t state = (uintptr_t)argument;

	while (is_running()) {
		struct buffer *fresh = make(&state);

		let_go(atomic_exchange(&slots[random_next(&state) % SLOTS], fresh));
		count(0);
	}
	return NULL;
}

static void *produce(void *argument)
{
	uint64_t state = (uintptr_t)argument;

	while (is_running()) {
		struct buffer *buffer = make(&state);

		pthread_mutex_lock(&queue.lock);
		while (queue.count == QUEUE)
			pthread_cond_wait(&queue.changed, &queue.lock);
		queue.items[queue.count++] = buffer;
		pthread_cond_broadcast(&queue.changed);
		pthread_mutex_unlock(&queue.lock);
	}
	return NULL;
}

static void *consume(void *argument)
{
	uint64_t state = (uintptr_t)argument;

	for (;;) {
		pthread_mutex_lock(&queue.lock);
		while (queue.count == 0 && !queue.is_closed)
			pthread_cond_wait(&queue.changed, &queue.lock);
		if (queue.count == 0) {
			pthread_mutex_unlock(&queue.lock);
			return NULL;
		}
		size_t i = random_next(&state) % queue.count;
		struct buffer *buffer = queue.items[i];

		queue.items[i] = queue.items[--queue.count];
		pthread_cond_broadcast(&queue.changed);
		pthread_mutex_unlock(&queue.lock);
		let_go(buffer);
		count(1);
	}
}

/* A token stream: grows by a little, now and then is cut, starts anew. */
static void *grow(void *argument)
{
	uint64_t state = (uintptr_t)argument;

	while (is_running()) {
		uint64_t seed = random_next(&state);
		size_t size = 16 + random_next(&state) % 5000;
		unsigned char *p = checked(malloc(size), size);

		pattern_fill(p, size, seed, PATTERN_DENSE);
		for (unsigned i = 0; i < 60 && size < (3u << 20); i++) {
			size_t to =
			    i % 20 == 19 ? size / 3 + 1 : size + size / 8 + random_next(&state) % 4096;
			size_t kept = size < to ? size : to;

			p = checked(realloc(p, to), to);
			size_t at = pattern_check(p, kept, seed, PATTERN_DENSE);

			if (at != PATTERN_OK)
				fail("realloc lost a byte", to, at);
			size = to;
			pattern_fill(p, size, seed, PATTERN_DENSE);
		}
		free(p);
		count(2);
	}
	return NULL;
}

static void *live_shortly(void *argument)
{
	uint64_t state = (uintptr_t)argument;

	for (unsigned i = 0; i < 20; i++)
		let_go(atomic_exchange(&slots[random_next(&state) % SLOTS], make(&state)));
	return NULL;
}

static void *come_and_go(void *argument)
{
	uintptr_t seed = (uintptr_t)argument;

	while (is_running()) {
		pthread_t threads[THREADS_AT_ONCE];

		for (size_t i = 0; i < THREADS_AT_ONCE; i++)
			if (pthread_create(&threads[i], NULL, live_shortly, (void *)(seed++ * 7919)) != 0)
				fail("pthread_create", 0, i);
		for (size_t i = 0; i < THREADS_AT_ONCE; i++)
			pthread_join(threads[i], NULL);
		count(3);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct {
		void *(*body)(void *);
		bool is_consumer;
	} roles[] = {
	    {replace, false},
	    {replace, false},
	    {replace, false},
	    {produce, false},
	    {produce, false},
	    {consume, true},
	    {consume, true},
	    {grow, false},
	    {come_and_go, false},
	};
	enum { COUNT = sizeof roles / sizeof roles[0] };
	static const char *const names[] = {"replacements", "handed over", "chains", "rounds of threads"};
	pthread_t threads[COUNT];
	int seconds = argc > 1 ? atoi(argv[1]) : 5, status = 0;
	struct timespec rest = {seconds, 0};

	for (uintptr_t i = 0; i < COUNT; i++)
		if (pthread_create(&threads[i], NULL, roles[i].body, (void *)(i + 1)) != 0)
			fail("pthread_create", 0, i);
	while (nanosleep(&rest, &rest) != 0)
		;
	atomic_store(&is_over, true);
	for (size_t i = 0; i < COUNT; i++)
		if (!roles[i].is_consumer)
			pthread_join(threads[i], NULL);
	pthread_mutex_lock(&queue.lock);
	queue.is_closed = true;
	pthread_cond_broadcast(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
	for (size_t i = 0; i < COUNT; i++)
		if (roles[i].is_consumer)
			pthread_join(threads[i], NULL);
	for (size_t i = 0; i < SLOTS; i++)
		let_go(atomic_load(&slots[i]));
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		unsigned long done = atomic_load(&progress[i]);

		printf("%s %lu\n", names[i], done);
		if (done == 0)
			status = 1;
	}
	return status;
}
