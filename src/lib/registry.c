/*
 * registry.c -- the pools of the process: making them, taking them down, their thread, fork.
 *
 * The library's one thread serves every pool whose settings want it. It starts where a pool
 * asks for it (always), or when a pool is found due in a process that has threads already (auto); it has all
 * signals blocked, sleeps until the next pool is due, and never ends. In the child of a fork it is
 * gone; pools are served by requests there until it is started again.
 *
 * LOCK_pools guards the list. The thread claims a pool's pass under it and runs the pass
 * without it; who takes a pool down unlinks it first and then claims the pass for good, so
 * nobody is in it any more. Blocks; not for signal handlers.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/io.h"
#include "lib/config.h"
#include "lib/engine.h"
#include "lib/room.h"
#include "lib/state.h"

#define THREAD_STACK_BYTES ((size_t)256 << 10)
/* The thread looks again after so long at most: a pool's clock may run at any speed. */
#define SLEEP_NS_MAX (10 * SECOND)
#define SLEEP_NS_MIN MILLISECOND

static struct {
	struct lock lock;	 /* LOCK_pools */
	struct weir_pool *first; /* under it */
	bool is_fork_watched;	 /* under it */
	_Atomic bool has_thread; /* release and acquire; of this process */
	_Atomic uint32_t bell;	 /* futex word, counts up; relaxed */
} registry;

/* --- memory ----------------------------------------------------------------------------------- */

void *lib_map(size_t bytes)
{
	size_t whole = ROUND_UP(bytes, PAGE_BYTES);
	void *start = sys_reserve(whole);

	if (start != NULL && !sys_commit(start, whole)) {
		sys_release(start, whole);
		return NULL;
	}
	return start;
}

void lib_unmap(void *start, size_t bytes)
{
	sys_release(start, ROUND_UP(bytes, PAGE_BYTES));
}

/* --- time ------------------------------------------------------------------------------------- */

uint64_t weir_now_ns(void)
{
	struct timespec now = {0, 0};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t pool_now_ns(const struct weir_pool *pool)
{
	if (pool->config.clock != NULL)
		return pool->config.clock(pool->config.clock_context);
	return weir_now_ns();
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool is_served(const struct weir_pool *pool)
{
	return pool->config.background != WEIR_BACKGROUND_NEVER;
}

/* A pool that is due, its pass claimed; or NULL, and how long there is none. */
static struct weir_pool *claim_due(uint64_t *now_ns, uint64_t *sleep_ns)
{
	struct weir_pool *pool;

	*sleep_ns = SLEEP_NS_MAX;
	lock_acquire(&registry.lock);
	for (pool = registry.first; pool != NULL; pool = pool->next) {
		uint64_t due_ns = atomic_load_explicit(&pool->due_ns, memory_order_relaxed);

		if (!is_served(pool))
			continue;
		*now_ns = pool_now_ns(pool);
		if (*now_ns >= due_ns && upkeep_claim(pool))
			break;
		*sleep_ns = MIN(*sleep_ns, MAX(due_ns - MIN(*now_ns, due_ns), SLEEP_NS_MIN));
	}
	lock_release(&registry.lock);
	return pool;
}

static void *serve(void *unused UNUSED)
{
	prctl(PR_SET_NAME, "libweir", 0, 0, 0);
	for (;;) {
		uint32_t bell = atomic_load_explicit(&registry.bell, memory_order_relaxed);
		uint64_t now_ns, sleep_ns;
		struct weir_pool *pool = claim_due(&now_ns, &sleep_ns);

		if (pool != NULL)
			upkeep_claimed(pool, now_ns);
		else
			sys_futex_wait(&registry.bell, bell, sleep_ns);
	}
	return NULL;
}

static bool start_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	uint64_t before = 0;
	int error;

	if (atomic_exchange_explicit(&registry.has_thread, true, memory_order_acq_rel))
		return true;
	if (pthread_attr_init(&attr) != 0) {
		atomic_store_explicit(&registry.has_thread, false, memory_order_release);
		return false;
	}
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	sys_signal_mask(SIG_BLOCK, SIGNALS_ALL, &before);
	error = pthread_create(&thread, &attr, serve, NULL);
	sys_signal_mask(SIG_SETMASK, before, NULL);
	pthread_attr_destroy(&attr);
	if (error != 0)
		atomic_store_explicit(&registry.has_thread, false, memory_order_release);
	return error == 0;
}

bool background_start(struct weir_pool *pool)
{
	int saved = errno;
	bool is_there = start_thread();

	/* Without a thread a request does it, and the next one that is due tries again. */
	if (is_there)
		atomic_store_explicit(&pool->inline_due_ns, UINT64_MAX, memory_order_relaxed);
	else
		event_survived(pool, POOL_ERROR_THREAD_REFUSED);
	background_wake();
	errno = saved;
	return is_there;
}

void background_wake(void)
{
	if (!atomic_load_explicit(&registry.has_thread, memory_order_acquire))
		return;
	atomic_fetch_add_explicit(&registry.bell, 1, memory_order_relaxed);
	sys_futex_wake(&registry.bell, 1);
}

/* --- fork ------------------------------------------------------------------------------------- */

static void fork_prepare(void)
{
	lock_acquire(&registry.lock);
	figures_fork_prepare();
	monitor_fork_prepare();
	for (struct weir_pool *pool = registry.first; pool != NULL; pool = pool->next)
		lock_acquire(&pool->lock);
	for (struct weir_pool *pool = registry.first; pool != NULL; pool = pool->next)
		spread_stop(pool);
	engine_fork_prepare();
}

static void fork_parent(void)
{
	engine_fork_parent();
	for (struct weir_pool *pool = registry.first; pool != NULL; pool = pool->next) {
		spread_go_on(pool);
		lock_release(&pool->lock);
	}
	monitor_fork_done(false);
	figures_fork_done(false);
	lock_release(&registry.lock);
}

/* A pass of another thread ended with it; what it had taken out of the pool for the engine is lost
 * to the child, no more. */
static void adopt(struct weir_pool *pool)
{
	bool is_own = atomic_load_explicit(&pool->is_in_pass, memory_order_relaxed) != 0 &&
		      pthread_equal(atomic_load_explicit(&pool->pass_thread, memory_order_relaxed),
			  pthread_self()) != 0;

	spread_reset(pool);
	lock_reset(&pool->lock);
	if (!is_own)
		atomic_store_explicit(&pool->is_in_pass, 0, memory_order_relaxed);
	if (is_served(pool))
		atomic_store_explicit(&pool->inline_due_ns,
		    atomic_load_explicit(&pool->due_ns, memory_order_relaxed), memory_order_relaxed);
}

static void fork_child(void)
{
	engine_fork_child();
	for (struct weir_pool *pool = registry.first; pool != NULL; pool = pool->next)
		adopt(pool);
	monitor_fork_done(true);
	figures_fork_done(true);
	atomic_store_explicit(&registry.has_thread, false, memory_order_relaxed);
	lock_reset(&registry.lock);
}

/* --- pools ------------------------------------------------------------------------------------ */

/* What the pool needs before anybody else sees it. */
static void init(struct weir_pool *pool, const struct weir_pool_config *config)
{
	const char *name = config->name != NULL ? config->name : "pool";
	uint64_t now_ns;

	pool->config = *config;
	strncpy(pool->name, name, sizeof(pool->name) - 1);
	pool->config.name = pool->name;
	pool->free_slot = SLOT_NONE;
	pool->chunks[0] = pool->first_slots;
	idle_init(&pool->idle);
	now_ns = pool_now_ns(pool);
	pool->started_ns = pool->last_gc_ns = pool->last_monitor_ns = now_ns;
	strcpy(pool->pressure.source, "none");
	atomic_store_explicit(&pool->due_ns,
	    now_ns + MIN(MIN(config->gc_interval_ns, config->monitor_interval_ns), UINT64_MAX - now_ns),
	    memory_order_relaxed);
	atomic_store_explicit(&pool->inline_due_ns,
	    is_served(pool) ? atomic_load_explicit(&pool->due_ns, memory_order_relaxed) : UINT64_MAX,
	    memory_order_relaxed);
}

int weir_pool_create(struct weir_pool **pool, const struct weir_pool_config *config)
{
	struct weir_pool_config defaults = weir_pool_config_default();
	int saved = errno;
	struct weir_pool *made;
	const char *fault;

	if (pool == NULL)
		return WEIR_ERROR_INVALID;
	*pool = NULL;
	if (config == NULL)
		config = &defaults;
	engine_get();
	fault = config_fault(config);
	if (fault != NULL) {
		event_refused(config->name, fault);
		errno = saved;
		return WEIR_ERROR_INVALID;
	}
	made = lib_map(sizeof(*made));
	if (made == NULL)
		return WEIR_ERROR_NO_MEMORY;
	init(made, config);
	lock_acquire(&registry.lock);
	if (!registry.is_fork_watched)
		registry.is_fork_watched = pthread_atfork(fork_prepare, fork_parent, fork_child) == 0;
	if (!registry.is_fork_watched) {
		/* A child could inherit locks that nobody opens. */
		lock_release(&registry.lock);
		lib_unmap(made, sizeof(*made));
		return WEIR_ERROR_NO_MEMORY;
	}
	made->next = registry.first;
	registry.first = made;
	lock_release(&registry.lock);
	if (config->background == WEIR_BACKGROUND_ALWAYS)
		background_start(made);
	*pool = made;
	errno = saved;
	return WEIR_OK;
}

static void unlink_pool(struct weir_pool *pool)
{
	struct weir_pool **at = &registry.first;

	while (*at != NULL && *at != pool)
		at = &(*at)->next;
	if (*at != NULL)
		*at = pool->next;
}

static bool is_own_pass(struct weir_pool *pool)
{
	return atomic_load_explicit(&pool->is_in_pass, memory_order_relaxed) != 0 &&
	       pthread_equal(
		   atomic_load_explicit(&pool->pass_thread, memory_order_relaxed), pthread_self()) != 0;
}

static void give_all(struct weir_pool *pool)
{
	for (uint32_t index = 0; index < pool->slots_made; index++) {
		const struct slot *slot = slot_at(pool, index);
		struct victims one = {.count = 1};

		if (slot_state(slot) == SLOT_FREE)
			continue;
		if (pool->config.is_zeroing && slot_state(slot) != SLOT_IDLE)
			memset(slot->data, 0, slot->capacity);
		one.at[0].data = slot->data;
		one.at[0].is_from_malloc = slot->is_from_malloc;
		victims_give(&one);
	}
}

int64_t weir_pool_destroy(struct weir_pool *pool)
{
	int saved = errno;
	int64_t out;

	if (pool == NULL)
		return 0;
	if (atomic_load_explicit(&pool->holders, memory_order_acquire) != 0 || is_own_pass(pool))
		return WEIR_ERROR_BUSY;
	lock_acquire(&registry.lock);
	unlink_pool(pool);
	lock_release(&registry.lock);
	while (!upkeep_claim(pool))
		sys_futex_wait(&pool->is_in_pass, 1, MILLISECOND);
	spread_settle(pool);
	out = (int64_t)(pool->in_use + pool->temporary_in_use);
	give_all(pool);
	spread_end(pool);
	for (unsigned chunk = 1; chunk < SLOT_CHUNKS && pool->chunks[chunk] != NULL; chunk++)
		lib_unmap(pool->chunks[chunk], ((size_t)SLOTS_FIRST << (chunk - 1)) * sizeof(struct slot));
	lib_unmap(pool, sizeof(*pool));
	errno = saved;
	return out;
}

/* --- for batch.c ------------------------------------------------------------------------------ */

void pool_retain(struct weir_pool *pool)
{
	atomic_fetch_add_explicit(&pool->holders, 1, memory_order_relaxed);
}

void pool_give_back(struct weir_pool *pool)
{
	/* What its holder did is over when destroy finds no holder: pairs with the load there. */
	atomic_fetch_sub_explicit(&pool->holders, 1, memory_order_release);
}

const struct weir_pool_config *pool_config(const struct weir_pool *pool)
{
	return &pool->config;
}
