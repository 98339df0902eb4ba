/*
 * own_handler.c -- what a program sees of its own handler for SIGUSR1.
 *
 * Run by own_handler.sh, on libc alone and under Weir: every fact holds in both.
 * "As the kernel shows it" is said by SIGUSR2, which nobody takes: whatever is
 * done to SIGUSR1 is done to it too, and the answers must be the same bytes.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static volatile sig_atomic_t runs, others, depth, deepest;
static volatile siginfo_t seen;
static volatile bool has_context, is_on_alternate, is_usr2_blocked;
static char alternate[65536];
static sigjmp_buf place;

static void count(int number)
{
	(void)number;
	runs++;
}

static void count_other(int number)
{
	(void)number;
	others++;
}

static void note(int number, siginfo_t *info, void *context)
{
	char here;
	sigset_t mask;
	seen = *info;
	has_context = context != NULL;
	is_on_alternate = &here >= alternate && &here < alternate + sizeof(alternate);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	is_usr2_blocked = sigismember(&mask, SIGUSR2);
	errno = E2BIG;
	runs += number == SIGUSR1;
}

static void again(int number)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (runs++ == 0)
		raise(number);
	depth--;
}

static void leave(int number)
{
	runs++;
	siglongjmp(place, number);
}

static struct sigaction action_of(void (*handler)(int), int flags, int masked)
{
	struct sigaction action;
	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	action.sa_flags = flags;
	sigemptyset(&action.sa_mask);
	if (masked != 0)
		sigaddset(&action.sa_mask, masked);
	return action;
}

static void set(void (*handler)(int), int flags, int masked)
{
	struct sigaction action = action_of(handler, flags, masked);
	sigaction(SIGUSR1, &action, NULL);
	runs = others = depth = deepest = 0;
}

static void set_info(int flags, int masked)
{
	struct sigaction action = action_of(NULL, flags | SA_SIGINFO, masked);
	action.sa_sigaction = note;
	sigaction(SIGUSR1, &action, NULL);
	runs = 0;
}

static bool is_same(const struct sigaction *a, const struct sigaction *b)
{
	return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags &&
	       a->sa_restorer == b->sa_restorer && memcmp(&a->sa_mask, &b->sa_mask, 8) == 0;
}

/* Ask for both, and compare. */
static bool is_shown_alike(void)
{
	struct sigaction one, two;
	memset(&one, 1, sizeof(one));
	memset(&two, 2, sizeof(two));
	return sigaction(SIGUSR1, NULL, &one) == 0 && sigaction(SIGUSR2, NULL, &two) == 0 &&
	       is_same(&one, &two);
}

/* Likewise, where each blocks itself. */
static bool is_shown_mirrored(void)
{
	struct sigaction one, two;
	if (sigaction(SIGUSR1, NULL, &one) != 0 || sigaction(SIGUSR2, NULL, &two) != 0 ||
	    sigismember(&one.sa_mask, SIGUSR1) != sigismember(&two.sa_mask, SIGUSR2))
		return false;
	sigdelset(&one.sa_mask, SIGUSR1);
	sigdelset(&two.sa_mask, SIGUSR2);
	return is_same(&one, &two);
}

static bool untouched_is_shown_as_untouched(void)
{
	return is_shown_alike();
}

static bool every_action_is_shown_as_the_kernel_would(void)
{
	static const int flags[] = {0, SA_RESTART, SA_NODEFER, SA_RESETHAND, SA_ONSTACK, SA_SIGINFO,
	    SA_RESTART | SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND, SA_NOCLDSTOP, 0x20000000,
	    0x00800000};
	static void (*const handlers[])(int) = {SIG_DFL, SIG_IGN, count};
	static const int masked[] = {0, SIGTERM, SIGKILL, SIGUSR1};
	bool is_good = true;
	for (unsigned h = 0; h < 3; h++)
		for (unsigned f = 0; f < sizeof(flags) / sizeof(*flags); f++)
			for (unsigned m = 0; m < 4; m++) {
				struct sigaction action = action_of(handlers[h], flags[f], masked[m]), one,
						 two;
				int first = sigaction(SIGUSR1, &action, &one);
				int second = sigaction(SIGUSR2, &action, &two);
				is_good = is_good && first == 0 && second == 0 && is_same(&one, &two) &&
					  is_shown_alike();
			}
	return is_good;
}

static bool every_older_call_does_to_both_the_same(void)
{
	typedef void (*handler)(int);
	static handler (*const setters[])(int, handler) = {
	    signal, ssignal, sysv_signal, __sysv_signal, sigset};
	bool is_good = true;
	for (unsigned i = 0; i < sizeof(setters) / sizeof(*setters); i++) {
		handler values[] = {count, SIG_IGN, count_other, SIG_DFL};
		for (unsigned v = 0; v < 4; v++)
			is_good = setters[i](SIGUSR1, values[v]) == setters[i](SIGUSR2, values[v]) &&
				  is_shown_mirrored() && is_good;
		errno = 0;
		if (setters[i] != sigset) /* glibc's takes even this for a handler */
			is_good = setters[i](SIGUSR1, SIG_ERR) == SIG_ERR && errno == EINVAL && is_good;
	}
	is_good = sigignore(SIGUSR1) == 0 && sigignore(SIGUSR2) == 0 && is_shown_mirrored() && is_good;
	for (int on = 1; on >= 0; on--) {
		is_good = siginterrupt(SIGUSR1, on) == 0 && siginterrupt(SIGUSR2, on) == 0 &&
			  is_shown_mirrored() && is_good;
		/* signal() remembers it. */
		is_good = signal(SIGUSR1, count) == signal(SIGUSR2, count) && is_shown_mirrored() && is_good;
	}
	return is_good;
}

static bool sigset_holds_and_says_so(void)
{
	sigset(SIGUSR1, count);
	runs = 0;
	bool is_good = sigset(SIGUSR1, SIG_HOLD) == count && sigset(SIGUSR1, SIG_HOLD) == SIG_HOLD;
	raise(SIGUSR1);
	is_good = is_good && runs == 0;
	is_good = sigset(SIGUSR1, count) == SIG_HOLD && is_good; /* lets it through */
	return is_good && runs == 1;
}

static bool the_handler_runs_once_a_signal(void)
{
	set(count, SA_RESTART, 0);
	for (int i = 0; i < 20; i++)
		raise(SIGUSR1);
	return runs == 20;
}

static bool a_siginfo_handler_gets_all_three_arguments(void)
{
	set_info(0, 0);
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711});
	return runs == 1 && has_context && seen.si_signo == SIGUSR1 && seen.si_code == SI_QUEUE &&
	       seen.si_pid == getpid() && seen.si_value.sival_int == 4711;
}

static bool errno_is_what_the_handler_left(void)
{
	set(count, 0, 0);
	errno = ENOTTY;
	raise(SIGUSR1);
	bool is_kept = errno == ENOTTY;
	set_info(0, 0);
	raise(SIGUSR1);
	return is_kept && errno == E2BIG;
}

static bool resethand_runs_it_once_and_shows_the_default(void)
{
	struct sigaction after;
	set(count, SA_RESETHAND | SA_RESTART, 0);
	raise(SIGUSR1);
	return runs == 1 && sigaction(SIGUSR1, NULL, &after) == 0 && after.sa_handler == SIG_DFL &&
	       (after.sa_flags & (SA_RESETHAND | SA_RESTART)) == (SA_RESETHAND | SA_RESTART);
}

static bool the_mask_holds_while_it_runs(void)
{
	set_info(0, SIGUSR2);
	raise(SIGUSR1);
	bool was_blocked = is_usr2_blocked;
	set_info(0, 0);
	raise(SIGUSR1);
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	return was_blocked && !is_usr2_blocked && !sigismember(&mask, SIGUSR1) &&
	       !sigismember(&mask, SIGUSR2);
}

static bool it_nests_only_with_nodefer(void)
{
	set(again, 0, 0);
	raise(SIGUSR1);
	bool is_deferred = runs == 2 && deepest == 1;
	set(again, SA_NODEFER, 0);
	raise(SIGUSR1);
	return is_deferred && runs == 2 && deepest == 2;
}

static bool it_is_on_the_alternate_stack_only_if_asked(void)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, none = {.ss_flags = SS_DISABLE};
	sigaltstack(&stack, NULL);
	set_info(SA_ONSTACK, 0);
	raise(SIGUSR1);
	bool was_there = is_on_alternate;
	set_info(0, 0);
	raise(SIGUSR1);
	sigaltstack(&none, NULL);
	return was_there && !is_on_alternate;
}

static int read_from_silence(int flags)
{
	int ends[2];
	char byte;
	pid_t self = getpid();
	set(count, flags, 0);
	if (pipe(ends) != 0)
		return -1;
	pid_t child = fork();
	if (child == 0) {
		struct timespec pause = {0, 100 * 1000 * 1000};
		nanosleep(&pause, NULL);
		kill(self, SIGUSR1);
		nanosleep(&pause, NULL);
		ssize_t written = write(ends[1], "x", 1);
		_exit(written != 1);
	}
	int result = read(ends[0], &byte, 1) == 1 ? 0 : errno;
	waitpid(child, NULL, 0);
	close(ends[0]);
	close(ends[1]);
	return runs == 1 ? result : -1;
}

static bool calls_are_restarted_only_if_asked(void)
{
	return read_from_silence(SA_RESTART) == 0 && read_from_silence(0) == EINTR;
}

static bool it_may_leave_by_siglongjmp(void)
{
	set(leave, 0, 0);
	for (volatile int i = 0; i < 50; i++)
		if (sigsetjmp(place, 1) == 0)
			raise(SIGUSR1);
	return runs == 50;
}

static bool a_handler_may_set_another(void)
{
	set(count, 0, 0);
	struct sigaction old, other = action_of(count_other, 0, 0);
	raise(SIGUSR1);
	sigaction(SIGUSR1, &other, &old);
	raise(SIGUSR1);
	return old.sa_handler == count && runs == 1 && others == 1;
}

static bool a_child_of_vfork_leaves_the_parents_alone(void)
{
	set(count, SA_RESTART, SIGTERM);
	struct sigaction before, after;
	sigaction(SIGUSR1, NULL, &before);
	static volatile bool is_good;
	pid_t child = vfork();
	if (child == 0) {
		struct sigaction reset = action_of(SIG_DFL, 0, 0), old, now;
		is_good = sigaction(SIGUSR1, NULL, &old) == 0 && is_same(&old, &before);
		is_good = sigaction(SIGUSR1, &reset, &old) == 0 && is_same(&old, &before) && is_good;
		is_good = sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_DFL && is_good;
		is_good = signal(SIGUSR1, SIG_IGN) == SIG_DFL && is_good;
		_exit(0);
	}
	int status = -1;
	waitpid(child, &status, 0);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &after);
	return child > 0 && status == 0 && is_good && runs == 1 && is_same(&before, &after);
}

static bool a_child_of_fork_has_its_own(void)
{
	set(count, 0, 0);
	pid_t child = fork();
	if (child == 0) {
		struct sigaction old, other = action_of(count_other, 0, 0);
		sigaction(SIGUSR1, &other, &old);
		raise(SIGUSR1);
		_exit(old.sa_handler == count && others == 1 && runs == 0 ? 0 : 1);
	}
	int status = -1;
	waitpid(child, &status, 0);
	raise(SIGUSR1);
	return status == 0 && runs == 1 && others == 0;
}

static _Atomic bool is_over;

static void *change_all_the_time(void *unused)
{
	struct sigaction one = action_of(count, SA_RESTART, SIGTERM), two = action_of(count_other, 0, SIGHUP);
	sigset_t usr1;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	while (!is_over) {
		sigaction(SIGUSR1, &one, NULL);
		sigaction(SIGUSR1, &two, NULL);
	}
	return unused;
}

static bool an_action_is_whole_while_threads_change_it(void)
{
	set(count, SA_RESTART, SIGTERM);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, change_all_the_time, NULL);
	bool is_good = true;
	for (int i = 0; i < 20000; i++) {
		struct sigaction now;
		sigaction(SIGUSR1, NULL, &now);
		bool is_one = now.sa_handler == count;
		is_good = is_good && (now.sa_flags & SA_RESTART) == (is_one ? SA_RESTART : 0) &&
			  sigismember(&now.sa_mask, SIGTERM) == is_one &&
			  sigismember(&now.sa_mask, SIGHUP) == !is_one;
		if (i % 1000 == 0)
			raise(SIGUSR1);
		/* A fork in the middle of a change must not stop the child's. */
		if (i % 2000 == 0) {
			pid_t child = fork();
			if (child == 0) {
				set(count, 0, 0);
				raise(SIGUSR1);
				_exit(runs == 1 ? 0 : 1);
			}
			int status = -1;
			waitpid(child, &status, 0);
			is_good = is_good && status == 0;
		}
	}
	is_over = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return is_good && runs + others == 20;
}

#define FACT(name)                                                                                           \
	{                                                                                                    \
#name, name                                                                                  \
	}

int main(void)
{
	static const struct {
		const char *name;
		bool (*holds)(void);
	} facts[] = {
	    FACT(untouched_is_shown_as_untouched),
	    FACT(every_action_is_shown_as_the_kernel_would),
	    FACT(every_older_call_does_to_both_the_same),
	    FACT(sigset_holds_and_says_so),
	    FACT(the_handler_runs_once_a_signal),
	    FACT(a_siginfo_handler_gets_all_three_arguments),
	    FACT(errno_is_what_the_handler_left),
	    FACT(resethand_runs_it_once_and_shows_the_default),
	    FACT(the_mask_holds_while_it_runs),
	    FACT(it_nests_only_with_nodefer),
	    FACT(it_is_on_the_alternate_stack_only_if_asked),
	    FACT(calls_are_restarted_only_if_asked),
	    FACT(it_may_leave_by_siglongjmp),
	    FACT(a_handler_may_set_another),
	    FACT(a_child_of_vfork_leaves_the_parents_alone),
	    FACT(a_child_of_fork_has_its_own),
	    FACT(an_action_is_whole_while_threads_change_it),
	};
	int failed = 0;
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		bool is_good = facts[i].holds();
		failed += !is_good;
		printf("%s %s\n", is_good ? "holds" : "fails", facts[i].name);
		fflush(stdout);
	}
	return failed != 0;
}
