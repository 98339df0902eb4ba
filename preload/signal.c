/*
 * signal.c -- the dump signal: taken by Weir, and still the program's own.
 *
 * Our handler stands in the kernel for WEIR_SIGNAL and stays there. What the
 * program sets for it by sigaction, signal and their kin is recorded here, shown
 * back to it as the kernel would have shown it, and run after the dump where
 * WEIR_SIGNAL_CHAIN is on. To the kernel go the program's mask and flags with
 * our handler, so nesting, interrupted calls and the alternate stack are as the
 * program asked. Its SIG_IGN and SIG_DFL are recorded and nothing more.
 * Every other signal goes straight to the C library. A program that blocks the
 * signal and reads it by sigwait or signalfd keeps it to itself: no dump then.
 *
 * Two things the program can see: while it ignores the signal, calls that are
 * never restarted (poll, nanosleep) return EINTR; and what it ignores is back at
 * the default after exec, as for any signal that has a handler.
 *
 * Invariants: the record is always whole, in two slots of which a generation
 * number names the current one, so a handler reads it without a lock, in a child
 * forked at any instant too. A child of vfork changes only the kernel's table,
 * which is its own, never the record, which is its parent's.
 *
 * Lock: `change`, held with all signals blocked, over a change of record and
 * kernel table together. It holds the owner's pid: one that another process
 * left behind in a fork is taken over. No allocation but the loader's at the
 * first call of each function; everything is async-signal-safe after that.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "preload/command.h"
#include "preload/dump.h"
#include "preload/owner.h"
#include "preload/preload.h"

#define NO_SIGNAL (-1)

/* Not in every <signal.h>, though in every libc.so.6. */
int __sigaction(int number, const struct sigaction *action, struct sigaction *old);
__sighandler_t bsd_signal(int number, __sighandler_t handler);

/* What the handler reads; also the program's view of it. */
static struct {
	_Atomic uint64_t
	    generation; /* release in publish(), acquire in recorded(): slot generation % 2 is current */
	struct sigaction slots[2]; /* word by word, relaxed: the generation says whether a copy is whole */
} record;

static _Atomic int taken =
    NO_SIGNAL;		     /* release in signal_start(), acquire in is_taken(): the record is there */
static _Atomic pid_t change; /* the lock; 0: free */
static _Atomic bool is_interrupting; /* siginterrupt() was asked for; relaxed, read by signal() only */

/*
 * The C library's functions, found at the first call of each. Relaxed: all
 * finders store the same value. sigaction and signal are found at start, since
 * handlers call them.
 */
static int find_sigaction(int number, const struct sigaction *action, struct sigaction *old);
static __sighandler_t find_signal(int number, __sighandler_t handler);
static __sighandler_t find_sysv_signal(int number, __sighandler_t handler);
static __sighandler_t find_sigset(int number, __sighandler_t handler);
static int find_sigignore(int number);
static int find_siginterrupt(int number, int flag);

static struct {
	int (*sigaction)(int, const struct sigaction *, struct sigaction *);
	__sighandler_t (*signal)(int, __sighandler_t);
	__sighandler_t (*sysv_signal)(int, __sighandler_t);
	__sighandler_t (*sigset)(int, __sighandler_t);
	int (*sigignore)(int);
	int (*siginterrupt)(int, int);
} real = {find_sigaction, find_signal, find_sysv_signal, find_sigset, find_sigignore, find_siginterrupt};

#define REAL(function) LOAD_RELAXED(&real.function)
#define FIND(function)                                                                                       \
	({                                                                                                   \
		void *found_function = find(#function);                                                      \
		if (found_function != NULL)                                                                  \
			STORE_RELAXED(&real.function, found_function);                                       \
		found_function != NULL;                                                                      \
	})

static COLD void *find(const char *name)
{
	void *function = preload_real(name);
	if (function == NULL)
		errno = ENOSYS;
	return function;
}

static COLD int find_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	return FIND(sigaction) ? REAL(sigaction)(number, action, old) : -1;
}

static COLD __sighandler_t find_signal(int number, __sighandler_t handler)
{
	return FIND(signal) ? REAL(signal)(number, handler) : SIG_ERR;
}

static COLD __sighandler_t find_sysv_signal(int number, __sighandler_t handler)
{
	return FIND(sysv_signal) ? REAL(sysv_signal)(number, handler) : SIG_ERR;
}

static COLD __sighandler_t find_sigset(int number, __sighandler_t handler)
{
	return FIND(sigset) ? REAL(sigset)(number, handler) : SIG_ERR;
}

static COLD int find_sigignore(int number)
{
	return FIND(sigignore) ? REAL(sigignore)(number) : -1;
}

static COLD int find_siginterrupt(int number, int flag)
{
	return FIND(siginterrupt) ? REAL(siginterrupt)(number, flag) : -1;
}

/* The record. */

typedef uintptr_t __attribute__((may_alias)) word;
_Static_assert(sizeof(struct sigaction) % sizeof(word) == 0, "a record is copied by words");

static void copy_words(struct sigaction *to, const struct sigaction *from)
{
	for (size_t i = 0; i < sizeof(*to) / sizeof(word); i++)
		STORE_RELAXED((word *)to + i, LOAD_RELAXED((const word *)from + i));
}

static void recorded(struct sigaction *action)
{
	uint64_t before, after;
	do {
		before = atomic_load_explicit(&record.generation, memory_order_acquire);
		copy_words(action, &record.slots[before % 2]);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&record.generation, memory_order_relaxed);
	} while (before != after);
}

/* Under `change`. */
static void publish_locked(const struct sigaction *action)
{
	uint64_t generation = atomic_load_explicit(&record.generation, memory_order_relaxed) + 1;
	/* The slot was current two generations ago: whoever still reads it sees from the number that it is stale. */
	atomic_thread_fence(memory_order_release);
	copy_words(&record.slots[generation % 2], action);
	atomic_store_explicit(&record.generation, generation, memory_order_release);
}

static void change_lock(uint64_t *before)
{
	sys_signal_mask(SIG_SETMASK, SIGNALS_ALL, before);

	pid_t self = getpid();
	for (;;) {
		pid_t holder = atomic_load_explicit(&change, memory_order_relaxed);
		if (holder == self)
			sys_sleep(50 * 1000);
		else if (atomic_compare_exchange_weak_explicit(
			     &change, &holder, self, memory_order_acquire, memory_order_relaxed))
			return;
	}
}

static void change_unlock(uint64_t before)
{
	atomic_store_explicit(&change, 0, memory_order_release);
	sys_signal_mask(SIG_SETMASK, before, NULL);
}

/* The handler. */

static void on_signal(int number, siginfo_t *info, void *context);

static bool is_run(const struct sigaction *action)
{
	return preload.settings.signal_chain && action->sa_handler != SIG_DFL &&
	       action->sa_handler != SIG_IGN && action->sa_sigaction != on_signal;
}

/* What is decided by us, not by the program, in what goes to the kernel. */
#define OUR_FLAGS (SA_SIGINFO | SA_RESETHAND | SA_RESTART | SA_ONSTACK | SA_NODEFER)

/* Under the lock, so that a handler on a small stack need not have room for them. */
static struct {
	struct sigaction ours, kernel, shown, after;
} work;

/* The program's action with our handler in its place. */
static void put_ours_locked(const struct sigaction *action)
{
	struct sigaction *ours = &work.ours;
	*ours = *action;
	ours->sa_sigaction = on_signal;
	ours->sa_flags |= SA_SIGINFO;
	ours->sa_flags &= ~SA_RESETHAND;
	if (!is_run(action)) {
		ours->sa_flags |= SA_RESTART | SA_ONSTACK;
		ours->sa_flags &= ~SA_NODEFER;
	}
}

/* The program's action as the kernel would show it: less what the kernel drops, with what the library adds. */
static void put_shown_locked(const struct sigaction *action)
{
	work.shown = work.kernel;
	work.shown.sa_sigaction = action->sa_sigaction;
	work.shown.sa_flags &= ~OUR_FLAGS;
	work.shown.sa_flags |= action->sa_flags & OUR_FLAGS;
}

static bool install_locked(int number, const struct sigaction *action)
{
	put_ours_locked(action);
	if (REAL(sigaction)(number, &work.ours, NULL) != 0 ||
	    REAL(sigaction)(number, NULL, &work.kernel) != 0)
		return false;
	put_shown_locked(action);
	publish_locked(&work.shown);
	return true;
}

/* SA_RESETHAND: of all who come here for one setting of the handler, the first runs it. */
static COLD void reset_once(int number, struct sigaction *action)
{
	uint64_t before;
	change_lock(&before);
	recorded(action);
	if (is_run(action) && (action->sa_flags & SA_RESETHAND) != 0) {
		work.after = *action;
		work.after.sa_handler = SIG_DFL;
		install_locked(number, &work.after);
	}
	change_unlock(before);
}

/* The program's own handler. */
static OWN_FRAME void chain(int number, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	struct sigaction action;
	recorded(&action);
	if (is_run(&action) && (action.sa_flags & SA_RESETHAND) != 0 && owner_is_self())
		reset_once(number, &action);
	errno = saved_errno;

	/* Last, with nothing held: the program's handler may leave by siglongjmp. */
	if (!is_run(&action))
		return;
	if ((action.sa_flags & SA_SIGINFO) != 0)
		action.sa_sigaction(number, info, context);
	else
		action.sa_handler(number);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	if (info->si_code == SI_QUEUE && state_is_request((uintptr_t)info->si_value.sival_ptr)) {
		command_run((uintptr_t)info->si_value.sival_ptr);
		return; /* not meant for the program */
	}
	dump_take(TRIGGER_SIGNAL);
	chain(number, info, context);
}

/* What the program asks and sets. */

static bool is_taken(int number)
{
	return UNLIKELY(number == atomic_load_explicit(&taken, memory_order_acquire));
}

/* In a child of vfork: the kernel's table is its own, the record is not. */
static COLD int change_borrowed(int number, const struct sigaction *action, struct sigaction *old)
{
	struct sigaction before;
	if (REAL(sigaction)(number, action, &before) != 0)
		return -1;
	if (before.sa_sigaction == on_signal)
		recorded(&before);
	if (old != NULL)
		*old = before;
	return 0;
}

static int change_action(int number, const struct sigaction *action, struct sigaction *old)
{
	if (!owner_is_self())
		return change_borrowed(number, action, old);
	if (action == NULL) {
		if (old != NULL)
			recorded(old);
		return 0;
	}

	uint64_t mask;
	struct sigaction before;
	change_lock(&mask);
	recorded(&before);
	bool is_installed = install_locked(number, action);
	change_unlock(mask);
	if (!is_installed)
		return -1;
	if (old != NULL)
		*old = before;
	return 0;
}

EXPORT int sigaction(int number, const struct sigaction *restrict action, struct sigaction *restrict old)
{
	if (is_taken(number))
		return change_action(number, action, old);
	return REAL(sigaction)(number, action, old);
}

EXPORT int __sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	return sigaction(number, action, old);
}

static COLD __sighandler_t change_handler(int number, __sighandler_t handler, int flags, bool is_masked)
{
	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	struct sigaction action = {.sa_flags = flags}, old;
	action.sa_handler = handler;
	sigemptyset(&action.sa_mask);
	if (is_masked)
		sigaddset(&action.sa_mask, number);
	return change_action(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

EXPORT __sighandler_t signal(int number, __sighandler_t handler)
{
	if (is_taken(number)) {
		bool is_restarting = !atomic_load_explicit(&is_interrupting, memory_order_relaxed);
		return change_handler(number, handler, is_restarting ? SA_RESTART : 0, true);
	}
	return REAL(signal)(number, handler);
}

EXPORT __sighandler_t bsd_signal(int number, __sighandler_t handler)
{
	return signal(number, handler);
}

EXPORT __sighandler_t ssignal(int number, __sighandler_t handler)
{
	return signal(number, handler);
}

EXPORT __sighandler_t sysv_signal(int number, __sighandler_t handler)
{
	if (is_taken(number))
		return change_handler(number, handler, SA_RESETHAND | SA_NODEFER | SA_INTERRUPT, false);
	return REAL(sysv_signal)(number, handler);
}

EXPORT __sighandler_t __sysv_signal(int number, __sighandler_t handler)
{
	return sysv_signal(number, handler);
}

EXPORT __sighandler_t sigset(int number, __sighandler_t handler)
{
	if (!is_taken(number))
		return REAL(sigset)(number, handler);

	sigset_t one, before;
	sigemptyset(&one);
	sigaddset(&one, number);
	struct sigaction old;
	if (handler == SIG_HOLD) {
		if (sigprocmask(SIG_BLOCK, &one, &before) != 0 || change_action(number, NULL, &old) != 0)
			return SIG_ERR;
		return sigismember(&before, number) ? SIG_HOLD : old.sa_handler;
	}
	__sighandler_t previous = change_handler(number, handler, 0, false);
	if (previous == SIG_ERR || sigprocmask(SIG_UNBLOCK, &one, &before) != 0)
		return SIG_ERR;
	return sigismember(&before, number) ? SIG_HOLD : previous;
}

EXPORT int sigignore(int number)
{
	if (is_taken(number))
		return change_handler(number, SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
	return REAL(sigignore)(number);
}

EXPORT int siginterrupt(int number, int flag)
{
	if (!is_taken(number))
		return REAL(siginterrupt)(number, flag);

	struct sigaction action;
	if (change_action(number, NULL, &action) != 0)
		return -1;
	if (owner_is_self())
		atomic_store_explicit(&is_interrupting, flag != 0, memory_order_relaxed);
	if (flag != 0)
		action.sa_flags &= ~SA_RESTART;
	else
		action.sa_flags |= SA_RESTART;
	return change_action(number, &action, NULL);
}

/* Start. */

static bool take_locked(int number)
{
	struct sigaction before;
	/* Whatever an earlier constructor or the parent left is the program's action. */
	if (REAL(sigaction)(number, NULL, &before) != 0)
		return false;
	put_ours_locked(&before);
	publish_locked(&before);
	if (REAL(sigaction)(number, &work.ours, NULL) != 0)
		return false;
	atomic_store_explicit(&taken, number, memory_order_release);
	return true;
}

void signal_start(void)
{
	owner_start();
	dump_start();
	int saved_errno = errno;
	FIND(sigaction);
	FIND(signal);

	if (preload.settings.signal != 0) {
		uint64_t mask;
		change_lock(&mask);
		bool is_done = take_locked(preload.settings.signal);
		change_unlock(mask);
		if (!is_done) /* a sandbox, say */
			log_text(LOG_WARN,
			    "WEIR_SIGNAL: the kernel refused our handler; there will be no dumps by signal");
	}
	errno = saved_errno;
}
