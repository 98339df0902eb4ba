/*
 * batch_buffer.c -- where batches get their memory, and give it back to.
 *
 * Called under a stream's lock; the pool takes its own below. What is longer than any buffer (the rest
 * of a large token) stands in malloc's memory, which the caller brings.
 */
#include "lib/batch_buffer.h"

#include <stdlib.h>
#include <string.h>

bool batch_buffer_take(struct weir_pool *pool, size_t bytes, struct batch_buffer *buffer)
{
	struct weir_buffer got;

	if (weir_pool_allocate(pool, bytes, &got) != 0)
		return false;
	*buffer = (struct batch_buffer){.data = got.data, .capacity = got.capacity, .id = got.id};
	return true;
}

void batch_buffer_give(struct weir_pool *pool, struct batch_buffer *buffer)
{
	if (buffer->id != 0)
		weir_pool_release(pool, buffer->id);
	else
		free(buffer->data);
	*buffer = (struct batch_buffer){0};
}

bool batch_buffer_move(
    struct weir_pool *pool, struct batch_buffer *buffer, size_t from, size_t length, size_t bytes)
{
	struct batch_buffer to;

	if (!batch_buffer_take(pool, bytes, &to))
		return false;
	memcpy(to.data, buffer->data + from, length);
	batch_buffer_give(pool, buffer);
	*buffer = to;
	return true;
}
