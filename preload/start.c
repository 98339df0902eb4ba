/*
 * start.c -- how Weir comes up, and the state that is frozen then.
 *
 * jemalloc is bound at the first call of any of our functions, which may come
 * before any constructor, even before libc has its environment. The pool, the
 * settings, the signal and the fork handlers come up in our constructor; until then
 * jemalloc serves everything. Nothing is ever torn down: frees come after every
 * destructor.
 */
#include <pthread.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/pool.h"
#include "preload/alloc.h"
#include "preload/maintain.h"
#include "preload/preload.h"

struct preload preload;

static void fork_prepare(void)
{
	maintain_fork_prepare();
	pool_fork_prepare();
}

static void fork_parent(void)
{
	pool_fork_parent();
	maintain_fork_parent();
}

static void fork_child(void)
{
	pool_fork_child();
	maintain_fork_child();
}

void preload_start(void)
{
	static char *const nothing[] = {NULL};
	bool is_secure = getauxval(AT_SECURE) != 0;

	preload_bind();
	if (atomic_load_explicit(&preload.is_started, memory_order_acquire))
		return;
	settings_read(&preload.settings, is_secure || environ == NULL ? nothing : environ);
	log_set_level((enum log_level)preload.settings.log);
	clock_start(preload.settings.time_scale);
	/* Registered first, so prepare runs last: other handlers may allocate. */
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	if (preload.settings.enable && !pool_init(&preload.settings))
		log_text(LOG_WARN,
		    "no address space for the pool (see RLIMIT_AS): every request goes to jemalloc");
	if (range.bytes != 0 && preload.settings.zero_on_free)
		next.free = alloc_free_zeroing;
	maintain_start();
	signal_start();
	atomic_store_explicit(&preload.is_started, true, memory_order_release);
}

__attribute__((constructor(101))) static void construct(void)
{
	preload_start();
}
