/*
 * slots.c -- the table behind the ids, and the lists of idle buffers.
 *
 * Called by the rest of the library with the pool's lock held. Slots are mapped chunk by
 * chunk as they are needed and stay until the pool goes; one that a chunk could not be mapped for
 * is not handed out, and nothing else changes.
 *
 * Invariants: a slot is in the list of free slots, or idle (in its class's list and in the one by
 * age), or its holder's; ->occupied has a class's bit exactly while its list has a member.
 * Blocks only where a chunk is mapped; allocates nothing else.
 */
#include "lib/state.h"

#include <string.h>

#define SERIAL_BLOCK 4096

/* Serials given out to pools in blocks; relaxed: only that no two are the same. */
static _Atomic uint64_t serials = 1;

static unsigned chunk_of(uint32_t index)
{
	return index < SLOTS_FIRST ? 0 : 32 - (unsigned)__builtin_clz(index >> SLOTS_FIRST_SHIFT);
}

static uint32_t chunk_first(unsigned chunk)
{
	return chunk == 0 ? 0 : SLOTS_FIRST << (chunk - 1);
}

struct slot *slot_at(struct weir_pool *pool, uint32_t index)
{
	unsigned chunk = chunk_of(index);

	return pool->chunks[chunk] + (index - chunk_first(chunk));
}

static bool map_chunk(struct weir_pool *pool, unsigned chunk)
{
	if (chunk >= SLOT_CHUNKS)
		return false;
	if (pool->chunks[chunk] == NULL)
		pool->chunks[chunk] = lib_map((size_t)chunk_first(chunk) * sizeof(struct slot));
	return pool->chunks[chunk] != NULL;
}

uint32_t slot_take(struct weir_pool *pool)
{
	uint32_t index = pool->free_slot;

	if (index != SLOT_NONE) {
		pool->free_slot = slot_at(pool, index)->next;
	} else {
		if (pool->slots_made == SLOTS_MAX || !map_chunk(pool, chunk_of(pool->slots_made)))
			return SLOT_NONE;
		index = pool->slots_made++;
	}
	slot_at(pool, index)->state = SLOT_TAKEN;
	return index;
}

void slot_return(struct weir_pool *pool, uint32_t index)
{
	struct slot *slot = slot_at(pool, index);

	memset(slot, 0, sizeof(*slot));
	slot->state = SLOT_FREE;
	slot->next = pool->free_slot;
	pool->free_slot = index;
}

weir_id slot_id(const struct slot *slot, uint32_t index)
{
	return slot->serial << SLOT_INDEX_BITS | index;
}

weir_id slot_new_id(struct weir_pool *pool, uint32_t index)
{
	struct slot *slot = slot_at(pool, index);

	if (pool->serial == pool->serial_end) {
		pool->serial = atomic_fetch_add_explicit(&serials, SERIAL_BLOCK, memory_order_relaxed);
		pool->serial_end = pool->serial + SERIAL_BLOCK;
	}
	slot->serial = pool->serial++ & SERIAL_MASK;
	return slot_id(slot, index);
}

struct slot *slot_find(struct weir_pool *pool, weir_id id, uint32_t *index)
{
	struct slot *slot;

	*index = (uint32_t)(id & (SLOTS_MAX - 1));
	if (*index >= pool->slots_made)
		return NULL;
	slot = slot_at(pool, *index);
	if ((slot->state != SLOT_IN_USE && slot->state != SLOT_BUSY) || slot_id(slot, *index) != id)
		return NULL;
	return slot;
}

/* --- idle buffers -------------------------------------------------------------------------------- */

void idle_init(struct idle *idle)
{
	for (unsigned class = 0; class < SIZE_CLASSES; class ++)
		idle->heads[class] = SLOT_NONE;
	idle->newest = idle->oldest = SLOT_NONE;
}

void idle_push(struct weir_pool *pool, uint32_t index)
{
	struct idle *idle = &pool->idle;
	struct slot *slot = slot_at(pool, index);
	unsigned class = slot->size_class;

	slot->state = SLOT_IDLE;
	slot->next = idle->heads[class];
	slot->prev = SLOT_NONE;
	if (slot->next != SLOT_NONE)
		slot_at(pool, slot->next)->prev = index;
	idle->heads[class] = index;
	idle->occupied[class / 64] |= (uint64_t)1 << class % 64;
	slot->newer = SLOT_NONE;
	slot->older = idle->newest;
	if (slot->older != SLOT_NONE)
		slot_at(pool, slot->older)->newer = index;
	else
		idle->oldest = index;
	idle->newest = index;
	idle->count++;
	idle->bytes += slot->capacity;
}

void idle_remove(struct weir_pool *pool, uint32_t index)
{
	struct idle *idle = &pool->idle;
	struct slot *slot = slot_at(pool, index);
	unsigned class = slot->size_class;

	if (slot->prev != SLOT_NONE)
		slot_at(pool, slot->prev)->next = slot->next;
	else
		idle->heads[class] = slot->next;
	if (slot->next != SLOT_NONE)
		slot_at(pool, slot->next)->prev = slot->prev;
	if (idle->heads[class] == SLOT_NONE)
		idle->occupied[class / 64] &= ~((uint64_t)1 << class % 64);
	if (slot->newer != SLOT_NONE)
		slot_at(pool, slot->newer)->older = slot->older;
	else
		idle->newest = slot->older;
	if (slot->older != SLOT_NONE)
		slot_at(pool, slot->older)->newer = slot->newer;
	else
		idle->oldest = slot->newer;
	idle->count--;
	idle->bytes -= slot->capacity;
	slot->state = SLOT_TAKEN;
}

uint32_t idle_best(const struct weir_pool *pool, size_t want, size_t max_bytes)
{
	const struct idle *idle = &pool->idle;
	unsigned class = size_class_of(want), word = class / 64;
	uint64_t bits = idle->occupied[word] & UINT64_MAX << class % 64;

	while (bits == 0) {
		if (++word == ARRAY_LENGTH(idle->occupied))
			return SLOT_NONE;
		bits = idle->occupied[word];
	}
	class = word * 64 + (unsigned)__builtin_ctzll(bits);
	return size_class_bytes(class) <= max_bytes ? idle->heads[class] : SLOT_NONE;
}
