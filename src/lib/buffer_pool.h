/*
 * buffer_pool.h -- what the parts of the library do with a pool beyond weir.h.
 *
 * For batch.c: a batcher holds its pool by pool_retain(), so that it is not taken down
 * under it, and adds what it survived to the pool's errors.
 */
#ifndef WEIR_LIB_BUFFER_POOL_H
#define WEIR_LIB_BUFFER_POOL_H

#include "base/compiler.h"
#include "include/weir.h"

/* weir_pool_destroy() answers WEIR_ERROR_BUSY until it is given back. Any thread. */
void pool_retain(struct weir_pool *pool);
void pool_give_back(struct weir_pool *pool);

/* The time by the pool's clock, ns. Any thread. */
uint64_t pool_now_ns(const struct weir_pool *pool);

/* The pool's settings: frozen, valid as long as it is held. */
const struct weir_pool_config *pool_config(const struct weir_pool *pool);

/* Errors survived, by kind; relaxed counters. */
enum pool_error {
	POOL_ERROR_TOO_LARGE,
	POOL_ERROR_NOT_FOUND,
	POOL_ERROR_NO_MEMORY,
	POOL_ERROR_ENGINE_EXHAUSTED,
	POOL_ERROR_PURGE_REFUSED,
	POOL_ERROR_PRESSURE_UNKNOWN,
	POOL_ERROR_THREAD_REFUSED,
	POOL_ERROR_FLUSH_FAILED,
	POOL_ERROR_TOKEN_REFUSED,
	POOL_ERRORS
};
void pool_count_error(struct weir_pool *pool, enum pool_error error);

/* Memory for the library's own tables: whole pages from the kernel, zeroed; NULL: none. */
void *lib_map(size_t bytes);
void lib_unmap(void *start, size_t bytes);

#endif
