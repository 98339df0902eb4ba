/*
 * knock.c -- leave a command with a process's maintenance thread, so that no thread of the program's own notices.
 *
 * A signal to the process goes to its first thread, whose poll() then returns EINTR whatever the
 * signal's handler does: there are programs that end themselves on that (Varnish). So the command is
 * written into weir_state, the bell that the maintenance thread sleeps on is given another number, and that
 * thread alone is interrupted, by ptrace(): a wait on a futex that was interrupted so begins anew, finds another
 * number, and is over.
 *
 * A process of its own does that and ends at once, without waiting for the thread to stop: the kernel lets go
 * of it then, whatever has happened. So mostly it does not even stop.
 *
 * That a wait begins anew is a system call (restart_syscall) which filters of the program's own may not know, and may
 * end the program for. So where there are more filters than when the program began, nobody knocks.
 * A container's were there before, and whatever ran in it would have met them at its first SIGSTOP.
 *
 * Invariant: memory is reached through the thread, not through its process: a thread of a process that
 * becomes another program (exec) has no memory any more, so nothing is written where it is not meant to go.
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

#define START_MS 50
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

static bool copy_in(pid_t thread, uint64_t address, void *value, size_t bytes)
{
	struct iovec local = {value, bytes}, remote = {(void *)(uintptr_t)address, bytes};

	return process_vm_writev(thread, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

static bool copy_out(pid_t thread, uint64_t address, void *value, size_t bytes)
{
	struct iovec local = {value, bytes}, remote = {(void *)(uintptr_t)address, bytes};

	return process_vm_readv(thread, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

/* The bell last: whoever sees it changed sees the request. */
static enum knock_result leave(const struct target *target, pid_t thread, uint64_t request)
{
	uint64_t at = target->address + offsetof(struct weir_state, keeper.request);
	uint64_t bell_at = target->state.parts[STATE_BELL].address, magic, before;
	uint32_t bell;

	if (!copy_out(thread, target->address, &magic, sizeof magic) || magic != STATE_MAGIC ||
	    !copy_out(thread, at, &before, sizeof before) || !copy_out(thread, bell_at, &bell, sizeof bell))
		return KNOCK_CANNOT;
	if (!state_is_request(before) && !copy_in(thread, at, &request, sizeof request))
		return KNOCK_CANNOT;
	bell ^= BELL_CHANGE;
	if (!copy_in(thread, bell_at, &bell, sizeof bell))
		return KNOCK_CANNOT;
	return state_is_request(before) && before != request ? KNOCK_BEFORE : KNOCK_LEFT;
}

/* In a process that ends with it. */
static enum knock_result leave_and_wake(const struct target *target, pid_t thread, uint64_t request)
{
	enum knock_result result;

	/* First, since nothing may be left where nobody can be woken. */
	if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0)
		return KNOCK_CANNOT;
	result = leave(target, thread, request);
	return ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) == 0 ? result : KNOCK_CANNOT;
}

/* As far ahead of the machine's other work as who asks. */
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
		_exit((int)leave_and_wake(target, thread, request));
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		return KNOCK_CANNOT;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return KNOCK_CANNOT;
	return WIFEXITED(status) ? (enum knock_result)WEXITSTATUS(status) : KNOCK_CANNOT;
}
