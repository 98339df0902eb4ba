/*
 * batch_buffer.h -- the memory of a batch: a buffer of the pool, or malloc's for what is larger.
 */
#ifndef WEIR_LIB_BATCH_BUFFER_H
#define WEIR_LIB_BATCH_BUFFER_H

#include "base/compiler.h"
#include "include/weir.h"

struct batch_buffer {
	char *data;
	size_t capacity;
	weir_id id; /* 0: not the pool's, but malloc's */
};

/* A buffer for bytes, which the pool's largest buffer holds. False: no memory. */
bool batch_buffer_take(struct weir_pool *pool, size_t bytes, struct batch_buffer *buffer);
/* It holds nothing any more. */
void batch_buffer_give(struct weir_pool *pool, struct batch_buffer *buffer);
/* Move the length bytes from `from` on to the front of one for bytes. False: *buffer is as it was. */
bool batch_buffer_move(
    struct weir_pool *pool, struct batch_buffer *buffer, size_t from, size_t length, size_t bytes);

#endif
