/*
 * engine.c -- the engine under malloc, for libweir in the same process.
 *
 * libweir finds weir_engine by a weak reference and takes its buffers here, so that the
 * program's pools and its malloc share range, limits and figures. Called with no lock of the
 * interposer held; takes those of the pool. What pool_init() could not make (WEIR_ENABLE=off, no
 * address space) answers NULL to every request.
 */
#include "report/weir_engine.h"

#include <errno.h>

#include "pool/pool.h"
#include "preload/preload.h"

extern EXPORT const struct engine weir_engine;

static void *take(size_t size)
{
	return pool_take(size);
}

static bool give(void *p)
{
	size_t offset = (uintptr_t)p - range.base;

	return (offset < range.fast_bytes && pool_free(offset)) ||
	       (offset < range.bytes && pool_free_long(p));
}

static bool clean_up(void)
{
	int saved = errno;
	bool is_done = maintain_now(true);

	errno = saved;
	return is_done;
}

const struct engine weir_engine = {
    ENGINE_OF_THIS_BUILD,
    .take = take,
    .give = give,
    .usable_bytes = pool_usable_bytes,
    .grow = pool_grow_in_place,
    .shrink = pool_resize_in_place,
    .clean_up = clean_up,
    .collect = pool_stats_collect,
    .track = track_collect,
    .settings = &preload.settings,
};
