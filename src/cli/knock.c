/*
 * knock.c -- leave a command with a process's maintenance thread, so that no thread of the program's own notices.
 *
 * A signal to the process goes to its first thread, whose poll() then returns EINTR whatever the
 * signal's handler does: there are programs that end themselves on that (Varnish). So the maintenance thread alone is
 * made to stand still by ptrace(), for some 50 microseconds; the command is written into
 * weir_state, the bell that it sleeps on is given another number, and it goes on: a wait on a futex
 * that was interrupted so begins anew, finds another number, and is over.
 *
 * The thread is held by a process of its own, which ends at once: the kernel lets go of it
 * then, whatever has happened, so it never stands still for longer than a second.
 *
 * That a wait begins anew is a system call (restart_syscall) which filters of the program's own may not know, and may
 * end the program for. So where there are more filters than when the program began, nobody knocks.
 * A container's were there before, and whatever ran in it would have met them at its first SIGSTOP.
 *
 * Invariant: while the thread stands still its process cannot become another program (exec), so what is
 * written goes where it is meant to.
 */
#include "cli/knock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/process.h"

#define STEP_NS (MILLISECOND / 10)
#define START_MS 50
#define STEPS_MAX (SECOND / STEP_NS)
#define BELL_CHANGE 0x80000000U /* no number that the process itself comes to meanwhile */

pid_t knock_thread(struct target *target)
{
	static const struct timespec step = {0, MILLISECOND};
	const struct state_keeper *keeper = &target->state.keeper;
	pid_t thread;

	/* It says itself which one it is, a moment after the program goes on. */
	for (unsigned steps = 0; keeper->thread == STATE_KEEPER_STARTS && steps < START_MS; steps++) {
		nanosleep(&step, NULL);
		if (target_refresh(target) != TARGET_OK)
			return 0;
	}
	if (keeper->thread == 0 || keeper->filters_at_start == UINT32_MAX)
		return 0;
	thread = process_thread(target->pid, (pid_t)keeper->thread);
	if (thread == 0 || process_thread_filters(target->pid, thread) != keeper->filters_at_start)
		return 0;
	return thread;
}

static bool copy_in(pid_t pid, uint64_t address, void *value, size_t bytes)
{
	struct iovec local = {value, bytes}, remote = {(void *)(uintptr_t)address, bytes};

	return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

static bool copy_out(pid_t pid, uint64_t address, void *value, size_t bytes)
{
	struct iovec local = {value, bytes}, remote = {(void *)(uintptr_t)address, bytes};

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

/* While the thread stands still. */
static enum knock_result leave(const struct target *target, uint64_t request)
{
	uint64_t at = target->address + offsetof(struct weir_state, keeper.request);
	uint64_t bell_at = target->state.parts[STATE_BELL].address, magic, before;
	uint32_t bell;

	if (!copy_out(target->pid, target->address, &magic, sizeof magic) || magic != STATE_MAGIC ||
	    !copy_out(target->pid, at, &before, sizeof before) ||
	    !copy_out(target->pid, bell_at, &bell, sizeof bell))
		return KNOCK_CANNOT;
	if (before != 0)
		request = before;
	bell ^= BELL_CHANGE;
	if (!copy_in(target->pid, at, &request, sizeof request) ||
	    !copy_in(target->pid, bell_at, &bell, sizeof bell))
		return KNOCK_CANNOT;
	return before != 0 ? KNOCK_BEFORE : KNOCK_LEFT;
}

/* Whether it stands still; *number: by a signal for it, which it shall get. */
static bool wait_for_stop(pid_t thread, int *number)
{
	static const struct timespec step = {0, STEP_NS};

	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		int status;
		pid_t got = waitpid(thread, &status, __WALL | WNOHANG);

		if (got == thread) {
			if (!WIFSTOPPED(status))
				return false;
			*number = status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
			return true;
		}
		if (got < 0)
			return false;
		nanosleep(&step, NULL);
	}
	return false;
}

static enum knock_result hold_and_leave(const struct target *target, pid_t thread, uint64_t request)
{
	enum knock_result result = KNOCK_CANNOT;
	int number;

	if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0 ||
	    ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0)
		return KNOCK_CANNOT;
	if (wait_for_stop(thread, &number)) {
		result = leave(target, request);
		ptrace(PTRACE_DETACH, thread, NULL, (void *)(intptr_t)number);
	}
	return result;
}

/* As far ahead of the machine's other work as who asks: the thread stands still meanwhile. */
static void step_ahead_too(int policy)
{
	const struct sched_param least = {.sched_priority = sched_get_priority_min(SCHED_RR)};

	if (policy > 0 && (policy & ~SCHED_RESET_ON_FORK) == SCHED_RR)
		sched_setscheduler(0, SCHED_RR, &least);
}

enum knock_result knock(const struct target *target, pid_t thread, uint64_t request)
{
	sigset_t all, before;
	int status, policy = sched_getscheduler(0);
	pid_t child;

	/* Nobody at a terminal stops it while it holds the thread. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	child = fork();
	if (child == 0) {
		step_ahead_too(policy);
		_exit((int)hold_and_leave(target, thread, request));
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		return KNOCK_CANNOT;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return KNOCK_CANNOT;
	return WIFEXITED(status) ? (enum knock_result)WEXITSTATUS(status) : KNOCK_CANNOT;
}
