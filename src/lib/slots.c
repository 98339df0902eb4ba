/*
 * slots.c -- the table behind the ids, and the lists of idle buffers.
 *
 * Called by the rest of the library, with the pool's lock held where state.h says so. Slots are mapped
 * chunk by chunk as they are needed and stay until the pool goes; one that a chunk could not be mapped for
 * is not handed out, and nothing else changes.
 *
 * Invariants: a slot is in the list of free slots, or idle (in its class's list and in the one by
 * age), or its holder's; ->occupied has a class's bit exactly while its list has a member.
 * Blocks only where a chunk is mapped; allocates nothing else.
 */
#include "lib/state.h"

#include <stddef.h>
#include <string.h>

#include "base/single.h"

#define SERIAL_BLOCK 4096
/* So far from the newest a buffer is put in its place by age; the lock is held for each step. */
#define AGE_STEPS 64

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

	return LOAD_RELAXED(&pool->chunks[chunk]) + (index - chunk_first(chunk));
}

static bool map_chunk(struct weir_pool *pool, unsigned chunk)
{
	if (chunk >= SLOT_CHUNKS)
		return false;
	if (pool->chunks[chunk] == NULL)
		STORE_RELAXED(
		    &pool->chunks[chunk], lib_map((size_t)chunk_first(chunk) * sizeof(struct slot)));
	return pool->chunks[chunk] != NULL;
}

uint32_t slot_reserve(struct weir_pool *pool)
{
	uint32_t index = pool->free_slot;

	if (index != SLOT_NONE) {
		pool->free_slot = slot_at(pool, index)->next;
	} else {
		if (pool->slots_made == SLOTS_MAX || !map_chunk(pool, chunk_of(pool->slots_made)))
			return SLOT_NONE;
		index = pool->slots_made;
		/* Pairs with the load in slot_claim(): the chunk is there. */
		STORE_RELEASE(&pool->slots_made, index + 1);
	}
	slot_set_state(slot_at(pool, index), SLOT_TAKEN);
	return index;
}

void slot_return(struct weir_pool *pool, uint32_t index)
{
	struct slot *slot = slot_at(pool, index);

	/* The tag apart: an id that was released may be looked up at any time. */
	STORE_RELEASE(&slot->tag, SLOT_FREE);
	memset(&slot->data, 0, sizeof(*slot) - offsetof(struct slot, data));
	slot->next = pool->free_slot;
	pool->free_slot = index;
}

weir_id slot_id(const struct slot *slot, uint32_t index)
{
	return LOAD_RELAXED(&slot->tag) >> SLOT_STATE_BITS << SLOT_INDEX_BITS | index;
}

weir_id slot_begin(struct slot *slot, uint32_t index, struct serials *own)
{
	if (own->next == own->end) {
		own->next = atomic_fetch_add_explicit(&serials, SERIAL_BLOCK, memory_order_relaxed);
		own->end = own->next + SERIAL_BLOCK;
	}
	STORE_RELEASE(&slot->tag, (own->next++ & SERIAL_MASK) << SLOT_STATE_BITS | SLOT_IN_USE);
	return slot_id(slot, index);
}

/* Acquire: pairs with the release of who handed it out, or had it since. */
static bool swap_tag(struct slot *slot, uint64_t seen, uint64_t tag)
{
	if (is_single_threaded()) {
		STORE_RELAXED(&slot->tag, tag);
		return true;
	}
	return __atomic_compare_exchange_n(&slot->tag, &seen, tag, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

int slot_claim(struct weir_pool *pool, weir_id id, enum slot_state state, struct slot **slot, uint32_t *index)
{
	uint64_t serial = id >> SLOT_INDEX_BITS << SLOT_STATE_BITS, tag;

	*index = (uint32_t)(id & (SLOTS_MAX - 1));
	if (UNLIKELY(*index >= LOAD_ACQUIRE(&pool->slots_made)))
		return WEIR_ERROR_NOT_FOUND;
	*slot = slot_at(pool, *index);
	do {
		tag = LOAD_RELAXED(&(*slot)->tag);
		if (tag == (serial | SLOT_BUSY))
			return WEIR_ERROR_BUSY;
		if (UNLIKELY(tag != (serial | SLOT_IN_USE)))
			return WEIR_ERROR_NOT_FOUND;
	} while (!swap_tag(*slot, tag, serial | state));
	return WEIR_OK;
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

	slot->next = idle->heads[class];
	slot->prev = SLOT_NONE;
	if (slot->next != SLOT_NONE)
		slot_at(pool, slot->next)->prev = index;
	idle->heads[class] = index;
	idle->occupied[class / 64] |= (uint64_t)1 << class % 64;
	/* What a shard held comes later than what was released after it: by its age, if that is not far. */
	slot->newer = SLOT_NONE;
	slot->older = idle->newest;
	for (unsigned steps = 0; slot->older != SLOT_NONE && steps < AGE_STEPS &&
				 slot_at(pool, slot->older)->last_used_ns > slot->last_used_ns;
	     steps++) {
		slot->newer = slot->older;
		slot->older = slot_at(pool, slot->older)->older;
	}
	if (slot->older != SLOT_NONE)
		slot_at(pool, slot->older)->newer = index;
	else
		idle->oldest = index;
	if (slot->newer != SLOT_NONE)
		slot_at(pool, slot->newer)->older = index;
	else
		idle->newest = index;
	idle->count++;
	idle->bytes += slot->capacity;
	slot_set_state(slot, SLOT_IDLE);
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
	slot_set_state(slot, SLOT_TAKEN);
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
