/*
 * checked_pool.h -- a pool that watches its user: for tests of what stands on weir_pool_*.
 *
 * Every buffer is exactly as large as asked for (rounded up to the least size), is filled with rubbish
 * when it goes out and again when it comes back, and is known by an id that is never used
 * twice. It can be told to fail, and at what pressure memory is. Defining the functions here keeps the
 * library's own pool out of the test program.
 */
#ifndef WEIR_TESTS_CHECKED_POOL_H
#define WEIR_TESTS_CHECKED_POOL_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "include/weir.h"
#include "lib/buffer_pool.h"

#define CHECKED_BUFFERS_MAX 4096
#define CHECKED_RUBBISH 0xA5

struct weir_pool {
	struct weir_pool_config config;
	int pressure;
	int retained;
	/* Under the lock. */
	pthread_mutex_t lock;
	uint64_t ids, out, out_bytes, most_bytes_out, requests;
	size_t largest;
	uint64_t fail_at; /* the request of that number fails, from 1; 0: none */
	bool is_failing;  /* all do */
	uint64_t failed;
	uint64_t errors[POOL_ERRORS];
	struct weir_buffer buffers[CHECKED_BUFFERS_MAX];
};

static struct weir_pool checked_pool;

static inline struct weir_pool *checked_pool_start(size_t min_bytes, size_t max_bytes)
{
	memset(&checked_pool, 0, sizeof(checked_pool));
	pthread_mutex_init(&checked_pool.lock, NULL);
	checked_pool.config.min_buffer_bytes = min_bytes;
	checked_pool.config.max_buffer_bytes = max_bytes;
	checked_pool.config.growth_factor = 1.5;
	return &checked_pool;
}

/* The library is linked to these. */
int weir_pool_allocate(struct weir_pool *pool, size_t size, struct weir_buffer *buffer)
{
	size_t capacity = MAX(size, pool->config.min_buffer_bytes);
	struct weir_buffer *slot = NULL;
	int r = 0;

	memset(buffer, 0, sizeof(*buffer));
	if (size > pool->config.max_buffer_bytes)
		return WEIR_ERROR_TOO_LARGE;
	pthread_mutex_lock(&pool->lock);
	pool->requests++;
	for (size_t i = 0; i < CHECKED_BUFFERS_MAX && slot == NULL; i++)
		if (pool->buffers[i].id == 0)
			slot = &pool->buffers[i];
	if (pool->is_failing || pool->requests == pool->fail_at || slot == NULL) {
		pool->failed++;
		r = WEIR_ERROR_NO_MEMORY;
	} else {
		slot->id = ++pool->ids;
		slot->size = slot->capacity = capacity;
		slot->data = calloc(1, capacity); /* not malloc: a test may make that fail */
		memset(slot->data, CHECKED_RUBBISH, capacity);
		pool->out++;
		pool->out_bytes += capacity;
		pool->most_bytes_out = MAX(pool->most_bytes_out, pool->out_bytes);
		pool->largest = MAX(pool->largest, capacity);
		*buffer = *slot;
	}
	pthread_mutex_unlock(&pool->lock);
	return r;
}

int weir_pool_release(struct weir_pool *pool, weir_id id)
{
	struct weir_buffer *slot = NULL;

	pthread_mutex_lock(&pool->lock);
	for (size_t i = 0; i < CHECKED_BUFFERS_MAX && slot == NULL; i++)
		if (pool->buffers[i].id == id)
			slot = &pool->buffers[i];
	if (slot == NULL || id == 0)
		abort(); /* released twice, or never handed out */
	memset(slot->data, CHECKED_RUBBISH, slot->capacity);
	free(slot->data);
	pool->out--;
	pool->out_bytes -= slot->capacity;
	memset(slot, 0, sizeof(*slot));
	pthread_mutex_unlock(&pool->lock);
	return 0;
}

int weir_pool_pressure_level(const struct weir_pool *pool)
{
	return __atomic_load_n(&pool->pressure, __ATOMIC_RELAXED);
}

const struct weir_pool_config *pool_config(const struct weir_pool *pool)
{
	return &pool->config;
}

void pool_retain(struct weir_pool *pool)
{
	pool->retained++;
}

void pool_give_back(struct weir_pool *pool)
{
	pool->retained--;
}

void pool_count_error(struct weir_pool *pool, enum pool_error error)
{
	__atomic_fetch_add(&pool->errors[error], 1, __ATOMIC_RELAXED);
}

/* Where a byte lies: in a buffer that is out? */
static inline bool checked_pool_has(const struct weir_pool *pool, const void *p)
{
	for (size_t i = 0; i < CHECKED_BUFFERS_MAX; i++) {
		const struct weir_buffer *buffer = &pool->buffers[i];

		if (buffer->id != 0 && (uintptr_t)p - (uintptr_t)buffer->data < buffer->capacity)
			return true;
	}
	return false;
}

#endif
