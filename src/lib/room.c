/*
 * room.c -- memory for the buffers of a pool, and room for it within the pool's limits.
 *
 * Called by those who hand buffers out, resize them or collect them. Memory is the engine's, malloc's
 * where that has none; either is a system call at worst, so it comes and goes with no lock
 * held. What counts the pool's own is under its lock. Not for signal handlers.
 */
#include "lib/room.h"

#include <stdlib.h>

#include "lib/engine.h"

/* Of memory from malloc: a cache line. The engine's are aligned to more. */
#define ALIGNMENT ((size_t)64)

bool memory_of_malloc(size_t size, struct memory *memory)
{
	size_t whole = ROUND_UP(size, ALIGNMENT);

	*memory = (struct memory){aligned_alloc(ALIGNMENT, whole), whole, true};
	return memory->data != NULL;
}

bool memory_of_engine(size_t size, struct memory *memory)
{
	const struct engine *engine = engine_get();
	void *data = engine->take(size);

	if (data == NULL)
		return false;
	/* A run may be longer than its class; what was planned with is the class. */
	*memory = (struct memory){data, size_class_bytes(size_class_of(size)), false};
	return true;
}

void memory_give(void *data, bool is_from_malloc)
{
	if (is_from_malloc)
		free(data);
	else
		engine_get()->give(data);
}

void victim_take(struct weir_pool *pool, uint32_t index, struct victims *victims)
{
	struct slot *slot = slot_at(pool, index);

	idle_remove(pool, index);
	victims->at[victims->count].data = slot->data;
	victims->at[victims->count++].is_from_malloc = slot->is_from_malloc;
	victims->bytes += slot->capacity;
	pool->buffers--;
	pool->bytes -= slot->capacity;
	slot_return(pool, index);
}

void victims_give(const struct victims *victims)
{
	for (unsigned i = 0; i < victims->count; i++)
		memory_give(victims->at[i].data, victims->at[i].is_from_malloc);
}

bool room_is_there(const struct weir_pool *pool, uint64_t buffers, uint64_t bytes)
{
	return pool->buffers + buffers <= pool->config.max_buffers &&
	       (pool->config.max_bytes == 0 || pool->bytes + bytes <= pool->config.max_bytes);
}

bool room_make(struct weir_pool *pool, uint64_t buffers, uint64_t bytes, struct victims *victims)
{
	while (!room_is_there(pool, buffers, bytes)) {
		if (pool->idle.oldest == SLOT_NONE || victims->count == VICTIMS_MAX)
			return false;
		victim_take(pool, pool->idle.oldest, victims);
	}
	return true;
}

static bool is_over_threshold(const struct weir_pool *pool)
{
	const struct weir_pool_config *config = &pool->config;

	return (double)pool->buffers >= config->gc_threshold * (double)config->max_buffers ||
	       (config->max_bytes != 0 &&
		   (double)pool->bytes >= config->gc_threshold * (double)config->max_bytes);
}

void room_note_growth(struct weir_pool *pool)
{
	if ((pool->idle.count != 0 || pool->spread != NULL) && !pool->is_collection_wanted &&
	    is_over_threshold(pool)) {
		pool->is_collection_wanted = true;
		atomic_store_explicit(&pool->due_ns, 0, memory_order_relaxed);
		if (atomic_load_explicit(&pool->inline_due_ns, memory_order_relaxed) != UINT64_MAX)
			atomic_store_explicit(&pool->inline_due_ns, 0, memory_order_relaxed);
	}
}

/* The largest class that so many bytes can serve; temporary ones may be less than any. */
static unsigned class_covered(size_t capacity)
{
	unsigned class = size_class_of(capacity);

	return class > 0 && size_class_bytes(class) > capacity ? class - 1 : class;
}

void memory_fill_slot(struct slot *slot, const struct memory *memory, bool is_temporary, uint64_t now_ns)
{
	slot->data = memory->data;
	slot->capacity = (uint32_t)memory->capacity;
	slot->size_class = (uint8_t)class_covered(memory->capacity);
	slot->is_temporary = is_temporary;
	slot->is_from_malloc = memory->is_from_malloc;
	slot->created_ns = now_ns;
}
