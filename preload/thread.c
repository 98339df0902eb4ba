/*
 * thread.c -- pthread_create, thrd_create and fork, as far as Weir has to see them pass.
 *
 * The program's first thread starts our maintenance thread, too. libc's thrd_create does not come by
 * pthread_create's symbol, nor do the threads that libc starts of its own (SIGEV_THREAD, getaddrinfo_a): a program that
 * has no other has its maintenance inline. Of fork, the handlers
 * of pthread_atfork are enough; libc's daemon(), forkpty() and such run them too, which an
 * interposed fork would miss. What runs none (posix_spawn, popen, system, _Fork) makes a
 * child that only execs, or one that may call nothing but async-signal-safe functions; vfork.c has vfork.
 *
 * Order is all: prepare handlers run last registered first. Ours are registered when jemalloc is
 * bound, right after jemalloc's and before any constructor of another library: so a program's
 * handlers, which may allocate or lock what threads hold that allocate, are through before
 * we lock anything. Then, with nothing held, we wait for a pass that is under way, and for whoever asks the loader what
 * is loaded: he waits for callbacks of dl_iterate_phdr(), which may allocate or open a stream. It also keeps
 * other threads' forks out. Then stdio's list of streams is locked, and only then the allocators. libc
 * itself takes that list after all handlers, when jemalloc's locks are held already, while a
 * thread that holds the list (fflush(NULL), fopen) may wait for just those; libc's own malloc is
 * locked after it for that reason.
 *
 * A process of one thread has nobody to wait for: whatever is locked, or under way, is so by the very code that a
 * signal's handler interrupted which forks now, and it goes on in parent and child alike. So nothing is locked
 * there, as libc does it.
 */
#include <errno.h>
#include <pthread.h>
#include <threads.h>
#include <unistd.h>

#include "base/single.h"
#include "pool/headroom.h"
#include "pool/pool.h"
#include "preload/keeper.h"
#include "preload/maintain.h"
#include "preload/preload.h"
#include "track/track.h"

/* libc's own, recursive by thread. */
extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));
extern void _IO_list_resetlock(void) __attribute__((weak));

/* From prepare to parent or child. */
static bool is_alone, has_list_lock;

static void fork_prepare(void)
{
	is_alone = is_single_threaded();
	if (is_alone)
		return;
	maintain_fork_prepare();
	track_fork_wait();
	has_list_lock = _IO_list_lock != NULL && _IO_list_unlock != NULL && _IO_list_resetlock != NULL;
	if (has_list_lock)
		_IO_list_lock();
	pool_fork_prepare();
	track_fork_prepare();
}

static void fork_parent(void)
{
	if (is_alone)
		return;
	track_fork_parent();
	pool_fork_parent();
	if (has_list_lock)
		_IO_list_unlock();
	maintain_fork_parent();
}

static void fork_child(void)
{
	if (is_alone) {
		headroom_forget();
		vfork_in_fork_child();
		maintain_fork_child();
		return;
	}
	track_fork_child();
	pool_fork_child();
	vfork_in_fork_child();
	maintain_fork_child();
	maintain_fork_parent();
	if (has_list_lock)
		_IO_list_resetlock();
}

void preload_watch_fork(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *argument)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (real == NULL)
		real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))preload_real(
		    "pthread_create");
	if (real == NULL)
		return ENOSYS;
	walk_start();
	keeper_start();
	return real(thread, attr, run, argument);
}

EXPORT int thrd_create(thrd_t *thread, thrd_start_t run, void *argument)
{
	static int (*real)(thrd_t *, thrd_start_t, void *);

	if (real == NULL)
		real = (int (*)(thrd_t *, thrd_start_t, void *))preload_real("thrd_create");
	if (real == NULL)
		return thrd_error;
	walk_start();
	keeper_start();
	return real(thread, run, argument);
}
