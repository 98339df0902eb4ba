/*
 * room.h -- memory for the buffers of a pool, and room for it within the pool's limits.
 */
#ifndef WEIR_LIB_ROOM_H
#define WEIR_LIB_ROOM_H

#include "lib/state.h"

struct memory {
	void *data;
	size_t capacity;
	bool is_from_malloc;
};

/* False: there is none. No lock is held. */
bool memory_of_malloc(size_t size, struct memory *memory);
bool memory_of_engine(size_t size, struct memory *memory);
void memory_give(void *data, bool is_from_malloc);

/* Memory that left the pool and goes to where it came from, once the lock is released. */
#define VICTIMS_MAX 64
struct victims {
	unsigned count;
	uint64_t bytes;
	struct {
		void *data;
		bool is_from_malloc;
	} at[VICTIMS_MAX];
};
void victims_give(const struct victims *victims);

/* What stands below is under the pool's lock. */

/* An idle buffer leaves the pool. */
void victim_take(struct weir_pool *pool, uint32_t index, struct victims *victims);

/* Whether so much more is within the limits. */
bool room_is_there(const struct weir_pool *pool, uint64_t buffers, uint64_t bytes);
/* Idle buffers leave, the longest idle first, until so much more has room. */
bool room_make(struct weir_pool *pool, uint64_t buffers, uint64_t bytes, struct victims *victims);
/* The pool's own grew: its threshold may be passed. Only idle buffers can be collected. */
void room_note_growth(struct weir_pool *pool);
/* The slot is the buffer that memory is. */
void memory_fill_slot(struct slot *slot, const struct memory *memory, bool is_temporary, uint64_t now_ns);

#endif
