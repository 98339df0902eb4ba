/*
 * resize.c -- what is asked of a buffer that is in use: to be looked up, and to be resized.
 *
 * A resize is done in the slot's own place where the engine can; else by a copy, with the pool's
 * lock dropped around it: the slot is SLOT_BUSY meanwhile, which no id reaches. Whatever fails,
 * fails before anything has changed. Called by the program; takes the pool's lock. Not for
 * signal handlers.
 */
#include <string.h>

#include "lib/engine.h"
#include "lib/room.h"
#include "lib/state.h"

/*
 * The buffer was used just now, and is the caller's until he sets its state to SLOT_IN_USE again. The
 * lock is held, so that who would release it meanwhile waits in claim_again().
 */
static int find_for_use(
    struct weir_pool *pool, weir_id id, uint64_t now_ns, struct slot **slot, uint32_t *index)
{
	int error = slot_claim(pool, id, SLOT_BUSY, slot, index);

	if (error == WEIR_OK) {
		(*slot)->last_used_ns = now_ns;
		(*slot)->is_offered = false;
	}
	return error;
}

/* --- look up ---------------------------------------------------------------------------------- */

int weir_pool_lookup(struct weir_pool *pool, weir_id id, struct weir_buffer_info *info)
{
	uint64_t now_ns;
	struct slot *slot;
	uint32_t index;
	int error;

	if (pool == NULL || info == NULL)
		return WEIR_ERROR_INVALID;
	now_ns = pool_now_ns(pool);
	*info = (struct weir_buffer_info){0};
	lock_acquire(&pool->lock);
	error = find_for_use(pool, id, now_ns, &slot, &index);
	if (error == WEIR_OK) {
		slot_info(slot, index, info);
		slot_set_state(slot, SLOT_IN_USE);
	}
	lock_release(&pool->lock);
	if (error == WEIR_ERROR_NOT_FOUND)
		event_survived(pool, POOL_ERROR_NOT_FOUND);
	return error;
}

/* --- resize ----------------------------------------------------------------------------------- */

static void recount(struct weir_pool *pool, struct slot *slot, size_t capacity)
{
	uint64_t *used = slot->is_temporary ? &pool->temporary_bytes : &pool->in_use_bytes;

	facts_resize(&pool->facts, slot->capacity, capacity, 1);
	*used += capacity - slot->capacity;
	if (!slot->is_temporary)
		pool->bytes += capacity - slot->capacity;
	slot->capacity = (uint32_t)capacity;
}

/* It leaves the pool's own: what is past the limits is temporary. */
static void make_temporary(struct weir_pool *pool, struct slot *slot)
{
	if (slot->is_temporary)
		return;
	pool->buffers--;
	pool->in_use--;
	pool->bytes -= slot->capacity;
	pool->in_use_bytes -= slot->capacity;
	pool->temporaries++;
	pool->temporary_in_use++;
	pool->temporary_bytes += slot->capacity;
	slot->is_temporary = true;
}

/* A buffer in use stands elsewhere, or has another capacity: figures and limits follow. */
static void set_memory(struct weir_pool *pool, struct slot *slot, const struct memory *memory)
{
	uint64_t created_ns = slot->created_ns;
	bool is_within =
	    memory->capacity <= slot->capacity || room_is_there(pool, 0, memory->capacity - slot->capacity);

	if (memory->is_from_malloc || !is_within)
		make_temporary(pool, slot);
	recount(pool, slot, memory->capacity);
	memory_fill_slot(slot, memory, slot->is_temporary, created_ns);
}

/* In the slot's own place; the lock is held. */
static bool resize_in_place(struct weir_pool *pool, struct slot *slot, size_t want, size_t grown)
{
	const struct engine *engine = engine_get();
	bool is_done = !slot->is_from_malloc && (want > slot->capacity ? engine->grow(slot->data, want, grown)
								       : engine->shrink(slot->data, want));

	if (is_done)
		set_memory(pool, slot,
		    &(struct memory){slot->data, engine->usable_bytes(slot->data), slot->is_from_malloc});
	return is_done;
}

/*
 * By a copy, with the lock dropped around it.
 * False: there is no memory, and nothing has changed.
 */
static bool resize_by_copy(struct weir_pool *pool, struct slot *slot, size_t want, size_t grown)
{
	struct memory memory, old = {slot->data, slot->capacity, slot->is_from_malloc};
	size_t keep = MIN(want, (size_t)slot->size);
	bool is_there;

	lock_release(&pool->lock);
	is_there = memory_of_engine(grown, &memory);
	if (!is_there && want > old.capacity) {
		is_there = memory_of_malloc(grown, &memory);
		event_survived(pool, is_there ? POOL_ERROR_ENGINE_EXHAUSTED : POOL_ERROR_NO_MEMORY);
	}
	if (is_there) {
		memcpy(memory.data, old.data, keep);
		if (pool->config.is_zeroing)
			memset(old.data, 0, old.capacity);
	}
	lock_acquire(&pool->lock);
	if (!is_there)
		return false;
	set_memory(pool, slot, &memory);
	lock_release(&pool->lock);
	memory_give(old.data, old.is_from_malloc);
	lock_acquire(&pool->lock);
	return true;
}

/* The size and the capacity that a request for size means; size 0: by the growth factor. */
static size_t grown_bytes(const struct weir_pool *pool, const struct slot *slot, size_t size)
{
	size_t grown = (size_t)((double)slot->capacity * pool->config.growth_factor);

	return MIN(MAX(grown, size), pool->config.max_buffer_bytes);
}

/* What shards hold makes way, too. */
static void gather_room(struct weir_pool *pool, uint64_t bytes, struct victims *victims)
{
	if (!room_is_there(pool, 0, bytes))
		spread_gather(pool);
	room_make(pool, 0, bytes, victims);
}

static int resize(struct weir_pool *pool, struct slot *slot, size_t size, struct victims *victims)
{
	size_t want, grown = grown_bytes(pool, slot, size);
	int error = WEIR_OK;

	if (size > pool->config.max_buffer_bytes || (size == 0 && grown <= slot->capacity))
		return WEIR_ERROR_TOO_LARGE;
	want = size == 0 ? grown : MAX(size, pool->config.min_buffer_bytes);
	/* What it was born with is to be changed in the pool's own figures. */
	spread_settle(pool);
	if (want > slot->capacity) {
		/* What grows past a limit that idle buffers cannot make way for is temporary afterwards. */
		if (!slot->is_temporary)
			gather_room(pool, grown - slot->capacity, victims);
		if (!resize_in_place(pool, slot, want, grown) && !resize_by_copy(pool, slot, want, grown))
			error = WEIR_ERROR_NO_MEMORY;
	} else if (want < slot->capacity / 2 && !resize_in_place(pool, slot, want, want)) {
		/* Where there is no memory to move to, it stays too large. */
		resize_by_copy(pool, slot, want, want);
	}
	if (error == WEIR_OK) {
		slot->size = (uint32_t)want;
		room_note_growth(pool);
	}
	return error;
}

int weir_pool_resize(struct weir_pool *pool, weir_id id, size_t size, struct weir_buffer *buffer)
{
	struct victims victims = {.count = 0};
	struct slot *slot;
	uint64_t now_ns;
	uint32_t index;
	int error;

	if (pool == NULL || buffer == NULL)
		return WEIR_ERROR_INVALID;
	now_ns = pool_now_ns(pool);
	*buffer = (struct weir_buffer){0};
	lock_acquire(&pool->lock);
	error = find_for_use(pool, id, now_ns, &slot, &index);
	if (error == WEIR_OK) {
		error = resize(pool, slot, size, &victims);
		*buffer = (struct weir_buffer){id, slot->data, slot->size, slot->capacity};
		slot_set_state(slot, SLOT_IN_USE);
	}
	lock_release(&pool->lock);
	victims_give(&victims);
	if (error == WEIR_ERROR_NOT_FOUND || error == WEIR_ERROR_TOO_LARGE)
		event_survived(
		    pool, error == WEIR_ERROR_NOT_FOUND ? POOL_ERROR_NOT_FOUND : POOL_ERROR_TOO_LARGE);
	return error;
}
