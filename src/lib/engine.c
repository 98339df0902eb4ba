/*
 * engine.c -- which engine the pools of this process work on.
 *
 * engine_get() is called by the first weir_pool_create() or question for figures, and by every
 * request afterwards: one acquire load. In a process under Weir the interposer's engine is
 * taken, by the weak reference to weir_engine, if it is of this very build; one of another
 * build is left alone, which is said once. An engine of our own has the settings of the
 * environment, no thread and no upkeep but engine_pass(), which the pools' upkeep calls.
 *
 * The choice is made once, under the lock below; never undone. Not for signal handlers.
 */
#include "lib/engine.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "pool/pool.h"
#include "pool/reclaim.h"

/* The interposer's; NULL where there is none. Not hidden: it is to be found elsewhere. */
extern EXPORT const struct engine weir_engine __attribute__((weak));

static struct {
	struct lock lock;		     /* LOCK_engine */
	const struct engine *_Atomic chosen; /* release when it is made, acquire in engine_get() */
	struct settings settings;	     /* frozen with it */
	uint32_t due;			     /* ticks; relaxed: of the next pass */
} engine;

static void *own_take(size_t size)
{
	return pool_take(size);
}

static bool own_give(void *p)
{
	size_t offset = (uintptr_t)p - range.base;

	return (offset < range.fast_bytes && pool_free(offset)) ||
	       (offset < range.bytes && pool_free_long(p));
}

static bool own_clean_up(void)
{
	return reclaim_run(clock_now_ticks(), PRESSURE_NONE, true) != 0;
}

static const struct engine own = {
    ENGINE_OF_THIS_BUILD,
    .take = own_take,
    .give = own_give,
    .usable_bytes = pool_usable_bytes,
    .grow = pool_grow_in_place,
    .shrink = pool_resize_in_place,
    .clean_up = own_clean_up,
    .collect = pool_stats_collect,
    .settings = &engine.settings,
};

static bool is_ours(const struct engine *found)
{
	return found->version == ENGINE_VERSION && found->struct_bytes == sizeof(struct engine) &&
	       found->settings_bytes == sizeof(struct settings) &&
	       found->stats_bytes == sizeof(struct pool_stats) &&
	       found->track_bytes == sizeof(struct track_snapshot) &&
	       strcmp(found->release, WEIR_VERSION) == 0;
}

static void start_own(void)
{
	settings_read(&engine.settings, environ);
	log_set_level((enum log_level)engine.settings.log);
	sys_start();
	clock_start(engine.settings.time_scale);
	if (!engine.settings.enable)
		return;
	if (getauxval(AT_PAGESZ) != PAGE_BYTES)
		log_text(
		    LOG_WARN, "the kernel's pages are not 4 KiB: every buffer is a temporary one of malloc");
	else if (!pool_init(&engine.settings))
		log_text(LOG_WARN,
		    "no address space for the pool (see RLIMIT_AS): every buffer is a temporary one of malloc");
}

static COLD const struct engine *choose(void)
{
	const struct engine *chosen;
	int saved = errno;

	lock_acquire(&engine.lock);
	chosen = atomic_load_explicit(&engine.chosen, memory_order_acquire);
	if (chosen == NULL) {
		chosen = &own;
		if (&weir_engine != NULL && is_ours(&weir_engine)) {
			chosen = &weir_engine;
			log_set_level((enum log_level)chosen->settings->log);
			clock_start(chosen->settings->time_scale);
		} else {
			start_own();
			if (&weir_engine != NULL)
				log_text(LOG_WARN,
				    "libweir-preload.so is of another build than libweir.so: pools have an engine of "
				    "their own");
		}
		atomic_store_explicit(&engine.chosen, chosen, memory_order_release);
	}
	lock_release(&engine.lock);
	errno = saved;
	return chosen;
}

const struct engine *engine_get(void)
{
	const struct engine *chosen = atomic_load_explicit(&engine.chosen, memory_order_acquire);

	return LIKELY(chosen != NULL) ? chosen : choose();
}

bool engine_is_shared(void)
{
	return engine_get() != &own;
}

void engine_pass(enum pressure_level level)
{
	uint32_t now = clock_now_ticks();

	if (engine_is_shared() || range.bytes == 0)
		return;
	STORE_RELAXED(&pool.now, now);
	if ((int32_t)(now - LOAD_RELAXED(&engine.due)) < 0 &&
	    !atomic_load_explicit(&pool.is_collection_wanted, memory_order_relaxed))
		return;
	reclaim_run(now, level, false);
	STORE_RELAXED(&engine.due, reclaim_next(now));
}

void engine_set_memory_limit(uint64_t memory_limit_bytes, uint64_t memory_used_bytes)
{
	if (!engine_is_shared() && range.bytes != 0)
		pool_set_memory_limit(&engine.settings, memory_limit_bytes, memory_used_bytes);
}

void engine_fork_prepare(void)
{
	lock_acquire(&engine.lock);
	if (!engine_is_shared())
		pool_fork_prepare();
}

void engine_fork_parent(void)
{
	if (!engine_is_shared())
		pool_fork_parent();
	lock_release(&engine.lock);
}

void engine_fork_child(void)
{
	if (!engine_is_shared())
		pool_fork_child();
	lock_reset(&engine.lock);
}
