/*
 * keeper.c -- the maintenance thread: passes when they are due, and commands that are left for it.
 *
 * Started just before the program's own first pthread_create (thread.c), or at the start
 * (WEIR_BACKGROUND=always). It has all signals blocked, sleeps on the bell of turn.c and
 * never ends; the child of a fork has none until it makes a thread of its own.
 *
 * `weir dump`, gc and trim leave their commands in weir_state, change the bell, and interrupt
 * this thread by ptrace(): nothing that the program does is interrupted, which a signal
 * would do, and nothing is asked of its signals. The wait that was interrupted begins anew, finds
 * another number at the bell, and ends.
 *
 * Invariant: the bell is read before the last look for work, so whatever is asked after that look ends
 * the sleep.
 */
#include "preload/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sys.h"
#include "pool/turn.h"
#include "preload/command.h"
#include "preload/maintain.h"
#include "preload/preload.h"
#include "preload/state.h"

/* Beside the thread-local variables of all that is loaded, which stand on a thread's stack, too. */
#define STACK_BYTES ((size_t)256 << 10)

static void *run(void *unused UNUSED)
{
	prctl(PR_SET_NAME, "weir", 0, 0, 0);
	state_keeper_is((uint32_t)syscall(SYS_gettid));
	for (;;) {
		/* acquire: read before the request; its partner is a process that writes them the other way round */
		uint32_t bell = atomic_load_explicit(&turn_bell, memory_order_acquire);
		uint64_t left = state_take_left(), ns;

		if (left != 0) {
			command_run(left);
			continue;
		}
		ns = maintain_sleep_ns();
		if (ns == 0 && maintain_now(false))
			continue;
		state_keeper_sleeps(true);
		sys_futex_wait(&turn_bell, bell, ns != 0 ? ns : MILLISECOND);
		state_keeper_sleeps(false);
	}
	return NULL;
}

/* What libc itself takes from the stack of a thread of this process; since glibc 2.15, as it was made for Java. */
static size_t least_stack_bytes(const pthread_attr_t *attr)
{
	size_t (*get)(const pthread_attr_t *) =
	    (size_t(*)(const pthread_attr_t *))preload_real("__pthread_get_minstack");

	return get != NULL ? get(attr) : 0;
}

void keeper_start(void)
{
	static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int error;

	if (!maintain_take_thread())
		return;
	if (create == NULL)
		create = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
		    void *))preload_real("pthread_create");
	state_keeper_is(STATE_KEEPER_STARTS);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES + least_stack_bytes(&attr));
	error = create != NULL ? create(&thread, &attr, run, NULL) : ENOSYS;
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		state_keeper_is(0);
	maintain_has_thread(error == 0);
}
