/*
 * on_pool.c -- the pool without the interposer: a malloc family for one program.
 *
 * ASan and TSan cannot be preloaded, so this is how they see the pool at work: a
 * program linked to src/ whose malloc family is this one. Streaming-sized requests
 * go to the pool, the rest, and what the pool cannot serve, to libc. Settings come
 * from WEIR_* as ever.
 *
 * Two threads work beside the program's: one runs the maintenance passes every few
 * milliseconds, everything in turn (by plan, under critical pressure, a full
 * clean-up), the other takes the statistics. They end with the process.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/pool.h"
#include "pool/reclaim.h"

#define ON_POOL_ITSELF
#include "tests/stress/on_pool.h"

#define OLDEST_MAX 64

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "on_pool: %s\n", what);
	_exit(1);
}

void *on_pool_malloc(size_t size)
{
	void *p = pool_wants(size) ? pool_malloc(size) : NULL;

	return p != NULL ? p : malloc(size);
}

void on_pool_free(void *p)
{
	if (!pool_contains(p)) {
		free(p);
		return;
	}
	size_t offset = (uintptr_t)p - range.base;
	bool is_fast = offset < range.fast_bytes && pool_free(offset);

	if (!is_fast && !pool_free_long(p))
		fail("free of what is not a buffer in use");
}

void *on_pool_calloc(size_t count, size_t size)
{
	void *p = pool_wants(count * size) ? pool_malloc(count * size) : NULL;

	if (p == NULL)
		return calloc(count, size);
	return pool_is_zero(p) ? p : memset(p, 0, count * size);
}

int on_pool_posix_memalign(void **to, size_t alignment, size_t size)
{
	void *p = pool_wants(size) ? pool_aligned(alignment, size) : NULL;

	if (p == NULL)
		return posix_memalign(to, alignment, size);
	*to = p;
	return 0;
}

void *on_pool_realloc(void *p, size_t size)
{
	void *to;

	if (p == NULL)
		return on_pool_malloc(size);
	if (!pool_contains(p) && !pool_wants(size))
		return realloc(p, size);
	if (!pool_contains(p)) {
		/* From libc into the pool: realloc within libc says what there is to copy. */
		void *whole = realloc(p, size);

		to = on_pool_malloc(size);
		memcpy(to, whole, size);
		free(whole);
		return to;
	}
	if (pool_resize_in_place(p, size))
		return p;

	size_t used = pool_size(p);
	bool is_growing = size > pool_usable_bytes(p) && pool_wants(size);

	to = on_pool_malloc(is_growing ? pool_grown_bytes(p, size) : size);
	memcpy(to, p, used < size ? used : size);
	if (is_growing && pool_contains(to)) {
		pool_set_grown(to, size);
		if (!pool_free_outgrown(p))
			abort();
	} else {
		on_pool_free(p);
	}
	return to;
}

static void *maintain(void *unused)
{
	static const struct timespec a_moment = {.tv_nsec = 3 * 1000 * 1000};

	for (unsigned i = 0;; i++) {
		uint32_t now = clock_now_ticks();

		STORE_RELAXED(&pool.now, now);
		reclaim_run(now, i % 16 == 7 ? PRESSURE_CRITICAL : PRESSURE_NONE, i % 64 == 63);
		nanosleep(&a_moment, NULL);
	}
	return unused;
}

static void *watch(void *unused)
{
	static const struct timespec a_moment = {.tv_nsec = 20 * 1000 * 1000};
	static struct pool_stats stats;
	static struct pool_buffer_info oldest[OLDEST_MAX];

	for (;;) {
		unsigned count = pool_stats_collect(&stats, oldest, OLDEST_MAX);

		for (unsigned i = 0; i < count; i++) {
			struct pool_buffer_info info;

			if (oldest[i].capacity_bytes < oldest[i].size_bytes)
				fail("a buffer in the statistics is smaller than what was asked for");
			pool_describe((void *)(uintptr_t)oldest[i].address, &info);
		}
		nanosleep(&a_moment, NULL);
	}
	return unused;
}

__attribute__((constructor)) static void start(void)
{
	static struct settings settings;
	void *(*const bodies[])(void *) = {maintain, watch};
	pthread_t thread;

	settings_read(&settings, environ);
	clock_start(settings.time_scale);
	if (!pool_init(&settings))
		fail("there is no range");
	for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
		if (pthread_create(&thread, NULL, bodies[i], NULL) != 0 || pthread_detach(thread) != 0)
			fail("no thread");
}
