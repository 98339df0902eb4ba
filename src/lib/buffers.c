/*
 * buffers.c -- handing buffers out, and taking them back.
 *
 * A request is served by the best fitting idle buffer that is not more than twice as large as
 * needed; else by a new one; where the pool may have no more, by any idle buffer that is large
 * enough; by a new one in the place of idle ones that are too small; last by a temporary
 * one. Memory is the engine's, malloc's where that has none; what malloc gave is always temporary.
 *
 * A pool whose lock is fought for is spread (spread.c): then most requests are served, and most buffers
 * taken back, by the shard of their CPU, and what stands here is where that has to pass.
 *
 * The pool's lock is dropped while memory comes or goes: what is on its way is counted
 * before it comes and after it is gone, so the limits hold at every moment; its slot is
 * SLOT_TAKEN or SLOT_BUSY, which no id reaches. Whatever fails, fails before anything has
 * changed, or is undone.
 */
#include <string.h>

#include "lib/room.h"
#include "lib/state.h"

/* A buffer that is idle and larger than so many times the request is kept for others. */
#define CLOSE_FIT 2
/* A pool is spread when its lock was found taken so often. */
#define FOUGHT_FOR 64

/* --- allocate --------------------------------------------------------------------------------- */

void slot_hand_out(struct slot *slot, uint32_t index, size_t size, uint64_t now_ns, struct serials *serials,
    struct weir_buffer *buffer)
{
	slot->size = (uint32_t)size;
	slot->handed_ns = slot->last_used_ns = now_ns;
	slot->use_count++;
	slot->is_offered = false;
	*buffer = (struct weir_buffer){0, slot->data, size, slot->capacity};
	buffer->id = slot_begin(slot, index, serials);
}

static void hand_out(
    struct weir_pool *pool, uint32_t index, size_t size, uint64_t now_ns, struct weir_buffer *buffer)
{
	struct slot *slot = slot_at(pool, index);

	slot_hand_out(slot, index, size, now_ns, &pool->serials, buffer);
	pool->allocations++;
	if (slot->is_temporary) {
		pool->temporaries++;
		pool->temporary_in_use++;
		pool->temporary_bytes += slot->capacity;
	} else {
		pool->in_use++;
		pool->in_use_bytes += slot->capacity;
		pool->peak = MAX(pool->peak, pool->buffers - pool->idle.count);
	}
	facts_birth(&pool->facts, leak_seconds(pool, now_ns), slot->capacity, 1);
}

static bool reuse(
    struct weir_pool *pool, size_t want, size_t max_bytes, uint64_t now_ns, struct weir_buffer *buffer)
{
	uint32_t index = idle_best(pool, want, max_bytes);

	if (index == SLOT_NONE)
		return false;
	idle_remove(pool, index);
	pool->reuses++;
	hand_out(pool, index, want, now_ns, buffer);
	return true;
}

/* The slot is taken and, unless it is to be temporary, counted with planned bytes. */
static COLD int make(struct weir_pool *pool, uint32_t index, size_t want, uint64_t planned, bool is_temporary,
    uint64_t now_ns, struct weir_buffer *buffer)
{
	struct memory memory;
	bool is_from_engine = memory_of_engine(want, &memory);
	bool is_there = is_from_engine, is_due;

	if (!is_from_engine) {
		bool is_reused;

		lock_acquire(&pool->lock);
		spread_gather(pool);
		is_reused = reuse(pool, want, SIZE_MAX, now_ns, buffer);
		if (is_reused) {
			if (!is_temporary) {
				pool->buffers--;
				pool->bytes -= planned;
			}
			slot_return(pool, index);
		}
		lock_release(&pool->lock);
		if (is_reused)
			return WEIR_OK;
		is_there = memory_of_malloc(want, &memory);
		event_survived(pool, is_there ? POOL_ERROR_ENGINE_EXHAUSTED : POOL_ERROR_NO_MEMORY);
	}
	lock_acquire(&pool->lock);
	if (!is_temporary && !is_from_engine) {
		pool->buffers--;
		pool->bytes -= planned;
		is_temporary = true;
	}
	if (is_there) {
		memory_fill_slot(slot_at(pool, index), &memory, is_temporary, now_ns);
		hand_out(pool, index, want, now_ns, buffer);
		room_note_growth(pool);
	} else {
		slot_return(pool, index);
	}
	is_due = pool->is_collection_wanted;
	lock_release(&pool->lock);
	if (is_due)
		background_wake();
	return is_there ? WEIR_OK : WEIR_ERROR_NO_MEMORY;
}

static COLD int allocate_slow(
    struct weir_pool *pool, size_t want, uint64_t now_ns, struct weir_buffer *buffer)
{
	struct victims victims = {.count = 0};
	uint64_t planned = size_class_bytes(size_class_of(want));
	bool is_temporary = false, is_reused = false;
	uint32_t index = SLOT_NONE;

	lock_acquire(&pool->lock);
	if (!room_is_there(pool, 1, planned)) {
		spread_gather(pool);
		is_reused = reuse(pool, want, SIZE_MAX, now_ns, buffer);
		is_temporary = !is_reused && !room_make(pool, 1, planned, &victims);
	}
	if (!is_reused) {
		index = slot_reserve(pool);
		if (index != SLOT_NONE && !is_temporary) {
			pool->buffers++;
			pool->bytes += planned;
		}
	}
	lock_release(&pool->lock);
	victims_give(&victims);
	if (is_reused)
		return WEIR_OK;
	if (index == SLOT_NONE) {
		event_survived(pool, POOL_ERROR_NO_MEMORY);
		return WEIR_ERROR_NO_MEMORY;
	}
	return make(pool, index, want, planned, is_temporary, now_ns, buffer);
}

/* More of the class that index was of, for the shard that had none. Returns how many. */
static unsigned take_more(struct weir_pool *pool, uint32_t index, uint32_t *more)
{
	unsigned class = slot_at(pool, index)->size_class, wanted = spread_wants(pool), count = 0;

	while (count < wanted && pool->idle.heads[class] != SLOT_NONE) {
		more[count] = pool->idle.heads[class];
		idle_remove(pool, more[count++]);
	}
	return count;
}

/*
 * The lock is held, and it was fought for: where the pool is spread and a buffer was handed out, more go to
 * the shard that had none; else it is spread now. Releases the lock.
 */
static COLD void spread_more(struct weir_pool *pool, const struct weir_buffer *buffer)
{
	uint32_t more[SPREAD_BATCH_MAX];
	unsigned count = 0;
	bool is_new = pool->spread == NULL;

	if (!is_new && buffer->id != 0)
		count = take_more(pool, (uint32_t)(buffer->id & (SLOTS_MAX - 1)), more);
	lock_release(&pool->lock);
	if (is_new)
		spread_begin(pool);
	if (count != 0)
		spread_put(pool, more, count);
}

/* Out of the idle buffers that no shard holds. */
static bool reuse_common(struct weir_pool *pool, size_t want, uint64_t now_ns, struct weir_buffer *buffer)
{
	bool is_done;

	lock_acquire(&pool->lock);
	is_done = reuse(pool, want, want * CLOSE_FIT, now_ns, buffer);
	if (UNLIKELY(pool->spread != NULL || pool->lock.contentions >= FOUGHT_FOR))
		spread_more(pool, buffer);
	else
		lock_release(&pool->lock);
	return is_done;
}

int weir_pool_allocate(struct weir_pool *pool, size_t size, struct weir_buffer *buffer)
{
	size_t want;
	uint64_t now_ns;
	bool is_done;
	int error = WEIR_OK;

	if (UNLIKELY(pool == NULL || buffer == NULL))
		return WEIR_ERROR_INVALID;
	*buffer = (struct weir_buffer){0};
	if (UNLIKELY(size > pool->config.max_buffer_bytes)) {
		event_survived(pool, POOL_ERROR_TOO_LARGE);
		return WEIR_ERROR_TOO_LARGE;
	}
	want = MAX(size, pool->config.min_buffer_bytes);
	now_ns = pool_now_ns(pool);
	is_done = is_spread(pool) && spread_take(pool, want, want * CLOSE_FIT, now_ns, buffer);
	if (!is_done && !reuse_common(pool, want, now_ns, buffer))
		error = allocate_slow(pool, want, now_ns, buffer);
	if (UNLIKELY(now_ns >= atomic_load_explicit(&pool->inline_due_ns, memory_order_relaxed)))
		upkeep_due(pool, now_ns);
	return error;
}

/* --- release ---------------------------------------------------------------------------------- */

double slot_held_seconds(const struct slot *slot, uint64_t now_ns)
{
	return (double)(now_ns - MIN(slot->handed_ns, now_ns)) * 1e-9;
}

/* Into the pool's idle buffers; or, if it is temporary, out of the pool: *data is to be given back. */
static void take_back(
    struct weir_pool *pool, struct slot *slot, uint32_t index, uint64_t now_ns, struct memory *memory)
{
	lock_acquire(&pool->lock);
	facts_death(&pool->facts, slot_held_seconds(slot, now_ns), slot->capacity, 1);
	slot->last_used_ns = now_ns;
	if (slot->is_temporary) {
		pool->temporary_in_use--;
		pool->temporary_bytes -= slot->capacity;
		*memory = (struct memory){slot->data, slot->capacity, slot->is_from_malloc};
		slot_return(pool, index);
	} else {
		pool->in_use--;
		pool->in_use_bytes -= slot->capacity;
		idle_push(pool, index);
	}
	lock_release(&pool->lock);
}

/* As slot_claim() after it said that another has the slot: if he held the lock meanwhile, he is done. */
static COLD int claim_again(
    struct weir_pool *pool, weir_id id, enum slot_state state, struct slot **slot, uint32_t *index)
{
	int error;

	lock_acquire(&pool->lock);
	error = slot_claim(pool, id, state, slot, index);
	lock_release(&pool->lock);
	return error;
}

int weir_pool_release(struct weir_pool *pool, weir_id id)
{
	struct memory memory = {.data = NULL};
	uint64_t now_ns;
	struct slot *slot;
	uint32_t index;
	enum slot_state state;
	int error;

	if (UNLIKELY(pool == NULL))
		return WEIR_ERROR_INVALID;
	now_ns = pool_now_ns(pool);
	state = pool->config.is_zeroing ? SLOT_BUSY : SLOT_TAKEN;
	error = slot_claim(pool, id, state, &slot, &index);
	if (UNLIKELY(error == WEIR_ERROR_BUSY))
		error = claim_again(pool, id, state, &slot, &index);
	if (LIKELY(error == WEIR_OK)) {
		if (UNLIKELY(pool->config.is_zeroing))
			memset(slot->data, 0, slot->capacity);
		if (is_spread(pool) && LIKELY(!slot->is_temporary))
			spread_give(pool, slot, index, now_ns);
		else
			take_back(pool, slot, index, now_ns, &memory);
	}
	if (UNLIKELY(memory.data != NULL))
		memory_give(memory.data, memory.is_from_malloc);
	if (UNLIKELY(error == WEIR_ERROR_NOT_FOUND))
		event_survived(pool, POOL_ERROR_NOT_FOUND);
	if (UNLIKELY(now_ns >= atomic_load_explicit(&pool->inline_due_ns, memory_order_relaxed)))
		upkeep_due(pool, now_ns);
	return error;
}
