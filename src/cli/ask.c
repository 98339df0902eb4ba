/*
 * ask.c -- `weir dump`, `weir gc`, `weir trim`: have a process do something, and say what came of it.
 *
 * A command is left with the process's maintenance thread, which nothing of the program notices
 * (knock.c). Where there is no such thread, or it does not come to it (it waits for a lock that the
 * program holds, say), the command is the dump signal, queued with a value that tells what is asked. The answer is
 * read from the process's weir_state. A signal that is no real-time one is dropped by
 * the kernel while another is pending, so it is sent again until the process has taken it:
 * the value carries a ticket, and a process does nothing twice.
 *
 * A process that is stopped, or blocks the signal, cannot answer; that is told apart
 * from one that is only slow.
 */
#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/knock.h"
#include "cli/process.h"

#define POLL_NS (MILLISECOND)
#define SEND_AGAIN_NS (100 * MILLISECOND)
#define KNOCK_AGAIN_NS (20 * MILLISECOND) /* where another one's lay there */
#define STUCK_LOOKS 20			  /* in a row, at which the thread waits, and not for a command */
#define PATIENCE_NS (1 * SECOND)	  /* with a thread that is at something else, or finds no processor */

struct sending {
	uint64_t request;
	pid_t thread;	   /* the maintenance thread; 0: by signal */
	uint64_t begin_ns; /* of all */
	uint64_t next_ns;  /* when it is sent (again) */
	bool is_again;	   /* a signal was sent before */
	unsigned looks;	   /* at which the thread was stuck, without one between at which it was not */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static uint32_t new_ticket(void)
{
	static uint32_t count;

	return (uint32_t)(now_ns() / 1000) ^ ((uint32_t)getpid() << 12) ^ (++count << 4);
}

static void explain_silence(const struct target *target, bool is_taken, char *text, size_t size)
{
	struct process process;
	unsigned blocked, threads;
	int pid = (int)target->pid, number = target->settings.signal;

	if (!process_read(target->pid, &process))
		snprintf(text, size, "process %d is gone", pid);
	else if (process.state == 'T' || process.state == 't')
		snprintf(text, size, "process %d is stopped (%s); it will answer when it goes on", pid,
		    process.state == 'T' ? "by a signal: kill -CONT" : "by a debugger");
	else if (is_taken)
		snprintf(text, size, "process %d has begun, and is not done yet", pid);
	else if (number == 0)
		snprintf(text, size,
		    "process %d takes no signal (WEIR_SIGNAL=none), and its maintenance thread is at something else",
		    pid);
	else if (process_blocked(target->pid, number, &blocked, &threads) && blocked == threads)
		snprintf(text, size,
		    "process %d blocks signal %d in all of its threads, or reads it by sigwait or signalfd: "
		    "WEIR_BACKGROUND=always gives it a thread that answers, WEIR_SIGNAL=RTMIN+4, say, another signal",
		    pid, number);
	else
		snprintf(text, size, "process %d has not taken signal %d yet", pid, number);
}

/*
 * To the first thread, if it does not block the signal, as a signal to the process would go there, too. But one to the
 * process wakes another thread while the first one is still busy with the last command; if the first one takes that, too,
 * the other one's wait goes on by restart_syscall, for which filters of the program's own may kill it. False: not sent.
 */
static bool send_to_first(const struct target *target, union sigval value)
{
	siginfo_t info = {.si_code = SI_QUEUE};

	if (process_thread_blocks(target->pid, target->pid, target->settings.signal))
		return false;
	info.si_signo = target->settings.signal;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value = value;
	return syscall(SYS_rt_tgsigqueueinfo, target->pid, target->pid, target->settings.signal, &info) == 0;
}

/* is_again: whoever was sent it has not taken it; anybody may. */
static enum ask_result send_signal(
    const struct target *target, uint64_t request, bool is_again, char *text, size_t size)
{
	union sigval value = {.sival_ptr = (void *)(uintptr_t)request};

	if (target->settings.signal == 0) {
		snprintf(text, size,
		    "process %d takes no signal (WEIR_SIGNAL=none) and has no maintenance thread to ask, so it "
		    "cannot be asked for anything",
		    (int)target->pid);
		return ASK_FAILED;
	}
	if (!is_again && send_to_first(target, value))
		return ASK_OK;
	if (sigqueue(target->pid, target->settings.signal, value) == 0 || errno == EAGAIN)
		return ASK_OK; /* EAGAIN: its queue is full; sent again later */
	snprintf(text, size, "process %d cannot be sent signal %d: %s", (int)target->pid,
	    target->settings.signal, strerror(errno));
	return ASK_FAILED;
}

static enum ask_result send_request(
    const struct target *target, struct sending *sending, uint64_t now, char *text, size_t size)
{
	enum ask_result result;

	sending->next_ns = now + SEND_AGAIN_NS;
	if (sending->thread != 0) {
		enum knock_result knocked = knock(target, sending->thread, sending->request);

		if (knocked == KNOCK_BEFORE)
			sending->next_ns = now + KNOCK_AGAIN_NS;
		if (knocked != KNOCK_CANNOT)
			return ASK_OK;
	}
	sending->thread = 0;
	result = send_signal(target, sending->request, sending->is_again, text, size);
	sending->is_again = true;
	return result;
}

/* Whether the thread will not take up what lies there, as far as can be told from outside. */
static bool is_thread_stuck(const struct target *target, struct sending *sending, uint64_t now)
{
	char state = process_thread_state(target->pid, sending->thread);
	bool is_waiting = state == 'S' || state == 'D';

	if (state == '\0')
		return true;
	if (state == 'T' || state == 't' || target->settings.signal == 0)
		return false; /* it will, or nobody */
	sending->looks = is_waiting && target->state.keeper.is_asleep == 0 ? sending->looks + 1 : 0;
	return sending->looks >= STUCK_LOOKS || now - sending->begin_ns >= PATIENCE_NS;
}

/* Whether waiting for this answer is over. */
static bool is_settled(const struct state_answer *answer)
{
	if (answer->status == STATE_DONE || answer->status == STATE_FAILED)
		return true;
	/* It comes with the program's own next request, and that may be never. */
	return answer->status == STATE_WAITING && answer->worker == STATE_AT_NEXT;
}

enum ask_result ask(struct target *target, enum state_command command, unsigned formats, uint64_t timeout_ns,
    struct state_answer *answer, char *text, size_t size)
{
	static const struct timespec step = {0, POLL_NS};
	uint64_t now = now_ns(), grace = 0;
	const struct state_answer *found = NULL;
	struct sending sending = {
	    .request = state_request(command, formats, new_ticket()),
	    .thread = knock_thread(target),
	    .begin_ns = now,
	};

	for (;;) {
		enum target_result result;

		now = now_ns();
		if (found == NULL && sending.next_ns != 0 && sending.thread != 0 &&
		    is_thread_stuck(target, &sending, now)) {
			sending.thread = 0;
			sending.next_ns = now;
		}
		if (found == NULL && now >= sending.next_ns &&
		    send_request(target, &sending, now, text, size) != ASK_OK)
			return ASK_FAILED;
		nanosleep(&step, NULL);
		result = target_refresh(target);
		if (result != TARGET_OK) {
			target_explain(target, result, text, size);
			return ASK_FAILED;
		}
		found = target_answer(target, sending.request);
		if (found != NULL && is_settled(found)) {
			/* What is left to the next request of a busy program is there in a moment. */
			if (found->status != STATE_WAITING || grace++ > ASK_GRACE_NS / POLL_NS)
				break;
		}
		if (now - sending.begin_ns >= timeout_ns) {
			explain_silence(target, found != NULL, text, size);
			return ASK_LATE;
		}
	}
	memcpy(answer, found, sizeof *answer);
	if (found->status == STATE_WAITING) {
		snprintf(text, size,
		    "process %d was interrupted within malloc: it is done at the program's next request of memory",
		    (int)target->pid);
		return ASK_LATE;
	}
	return ASK_OK;
}
