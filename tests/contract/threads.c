/*
 * threads.c -- the contract with many threads at once, and buffers that are
 * freed by others than those who made them.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/common/pattern.h"
#include "tests/contract/contract.h"

#define THREADS 8
#define SLOTS 512
#define REPLACEMENTS 3000

/* A slot belongs to whoever holds its lock; the buffer in it to nobody else. */
struct slot {
	pthread_mutex_t lock;
	void *buffer;
	size_t size;
	uint64_t seed;
};

static struct slot slots[SLOTS];
static atomic_ulong foreign_frees; /* relaxed; a count, read when all are joined */

static void *new_buffer(uint64_t *state, size_t size)
{
	uint64_t how = random_next(state) % 16;

	if (how < 10)
		return malloc(size);
	if (how < 12)
		return calloc(1, size);
	if (how < 14)
		return realloc(malloc(size / 3 + 1), size);
	return memalign((size_t)16 << random_next(state) % 10, size);
}

static void *replace_at_random(void *argument)
{
	uint64_t state = (uintptr_t)argument;

	for (unsigned i = 0; i < REPLACEMENTS; i++) {
		struct slot *slot = &slots[random_next(&state) % SLOTS];
		size_t size = random_size(&state, 21);
		void *fresh = new_buffer(&state, size), *old;
		uint64_t seed = random_next(&state), old_seed;
		size_t old_size;

		if (!EXPECT(fresh != NULL, "%zu bytes", size))
			break;
		seed = (seed & ~(uint64_t)7) | (uintptr_t)argument % THREADS;
		pattern_fill(fresh, size, seed, PATTERN_SPARSE);

		pthread_mutex_lock(&slot->lock);
		old = slot->buffer;
		old_size = slot->size;
		old_seed = slot->seed;
		slot->buffer = fresh;
		slot->size = size;
		slot->seed = seed;
		pthread_mutex_unlock(&slot->lock);

		if (old == NULL)
			continue;
		size_t at = pattern_check(old, old_size, old_seed, PATTERN_SPARSE);

		if (!EXPECT(at == PATTERN_OK, "a buffer of %zu bytes was written at %zu", old_size, at))
			break;
		if (old_seed % THREADS != (uintptr_t)argument % THREADS)
			atomic_fetch_add_explicit(&foreign_frees, 1, memory_order_relaxed);
		errno = (int)(i % 200) + 1;
		free(old);
		if (!EXPECT(errno == (int)(i % 200) + 1, "free in a thread made it %d", errno))
			break;
	}
	return NULL;
}

static bool run_threads(void *(*body)(void *), size_t count)
{
	pthread_t threads[64];

	for (size_t i = 0; i < count; i++)
		if (!EXPECT(pthread_create(&threads[i], NULL, body, (void *)(i + 1)) == 0, "thread %zu", i))
			return false;
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return true;
}

static void no_buffer_is_disturbed_by_8_threads_that_free_each_others(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		pthread_mutex_init(&slots[i].lock, NULL);
	run_threads(replace_at_random, THREADS);
	EXPECT(atomic_load(&foreign_frees) > REPLACEMENTS, "only %lu buffers went to another thread",
	    atomic_load(&foreign_frees));
	for (size_t i = 0; i < SLOTS; i++) {
		if (slots[i].buffer != NULL)
			EXPECT(pattern_check(slots[i].buffer, slots[i].size, slots[i].seed, PATTERN_SPARSE) ==
				   PATTERN_OK,
			    "slot %zu", i);
		free(slots[i].buffer);
		slots[i].buffer = NULL;
	}
}

static void *calloc_and_dirty(void *argument)
{
	uint64_t state = (uintptr_t)argument * 977;
	unsigned char *p[16] = {NULL};

	for (unsigned i = 0; i < 1500; i++) {
		size_t k = random_next(&state) % ARRAY_LENGTH(p), size = random_size(&state, 18);

		free(p[k]);
		p[k] = calloc(size, 1);
		if (!EXPECT(p[k] != NULL, "%zu bytes", size))
			break;
		for (size_t b = 0; b < size; b += size < 64 ? 1 : 16)
			if (!EXPECT(p[k][b] == 0, "byte %zu of %zu is 0x%x", b, size, p[k][b]))
				return NULL;
		memset(p[k], 0xff, malloc_usable_size(p[k]));
	}
	for (size_t k = 0; k < ARRAY_LENGTH(p); k++)
		free(p[k]);
	return NULL;
}

static void calloc_is_zero_in_8_threads(void)
{
	run_threads(calloc_and_dirty, THREADS);
}

static void *resize_at_random(void *argument)
{
	uint64_t state = (uintptr_t)argument * 1013;
	struct {
		void *p;
		size_t size;
		uint64_t seed;
	} buffers[12] = {{NULL, 0, 0}};

	for (unsigned i = 0; i < 1200; i++) {
		size_t k = random_next(&state) % ARRAY_LENGTH(buffers);
		size_t to = i % 3 == 0 ? random_size(&state, 21) : buffers[k].size * 5 / 4 + 100;

		if (to > 4 * MIB)
			to = 1;
		size_t kept = buffers[k].size < to ? buffers[k].size : to;
		void *p = realloc(buffers[k].p, to);

		if (!EXPECT(p != NULL, "realloc to %zu", to))
			break;
		size_t at = pattern_check(p, kept, buffers[k].seed, PATTERN_DENSE);

		buffers[k].p = p;
		if (!EXPECT(
			at == PATTERN_OK, "from %zu to %zu bytes: byte %zu is lost", buffers[k].size, to, at))
			break;
		buffers[k].size = to;
		buffers[k].seed = random_next(&state);
		pattern_fill(p, to, buffers[k].seed, PATTERN_DENSE);
	}
	for (size_t k = 0; k < ARRAY_LENGTH(buffers); k++)
		free(buffers[k].p);
	return NULL;
}

static void realloc_keeps_the_content_in_8_threads(void)
{
	run_threads(resize_at_random, THREADS);
}

static void *leave_a_buffer(void *argument)
{
	size_t size = 5000 + (uintptr_t)argument * 3000;
	void *p = malloc(size);

	if (p != NULL)
		pattern_fill(p, size, size, PATTERN_SPARSE);
	return p;
}

static void a_buffer_outlives_the_thread_that_made_it(void)
{
	for (unsigned round = 0; round < 20; round++) {
		void *p[THREADS];

		for (size_t i = 0; i < THREADS; i++) {
			pthread_t thread;

			REQUIRE(pthread_create(&thread, NULL, leave_a_buffer, (void *)(i + 1)) == 0,
			    "thread %zu", i);
			pthread_join(thread, &p[i]);
		}
		for (size_t i = 0; i < THREADS; i++) {
			size_t size = 5000 + (i + 1) * 3000;

			REQUIRE(p[i] != NULL && pattern_check(p[i], size, size, PATTERN_SPARSE) == PATTERN_OK,
			    "round %u, thread %zu", round, i);
			p[i] = realloc(p[i], size * 2);
			REQUIRE(p[i] != NULL && pattern_check(p[i], 16, size, PATTERN_DENSE) == PATTERN_OK,
			    "realloc, thread %zu", i);
			free(p[i]);
		}
	}
}

static const struct test tests[] = {
    {"no_buffer_is_disturbed_by_8_threads_that_free_each_others",
	no_buffer_is_disturbed_by_8_threads_that_free_each_others, 0},
    {"calloc_is_zero_in_8_threads", calloc_is_zero_in_8_threads, 0},
    {"realloc_keeps_the_content_in_8_threads", realloc_keeps_the_content_in_8_threads, 0},
    {"a_buffer_outlives_the_thread_that_made_it", a_buffer_outlives_the_thread_that_made_it, 0},
};
const struct suite thread_suite = SUITE(tests);
