/*
 * stuck.c -- a dump comes from a process whose threads stand still anywhere.
 *
 * A child works flat out in eight threads on sizes that keep missing caches.
 * The parent stops some or all of them by ptrace, at random instants and so
 * within malloc's slow paths and with its locks held, and signals the main
 * thread, which only waits. The dump must come before anybody goes on.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/common/harness.h"
#include "tests/common/pattern.h"
#include "tests/preload/work.h"

#define THREADS 8
#define STOPS 150

struct shared {
	volatile unsigned long progress[THREADS];
	volatile int threads[THREADS];
	volatile bool is_over;
};
static struct shared *shared;

/* Mostly replacements of a large working set, untouched: slow paths and purges. */
static void *work(void *argument)
{
	enum { BUFFERS = 128 };
	uintptr_t self = (uintptr_t)argument;
	uint64_t state = self + 1;
	char *p[BUFFERS] = {NULL};

	shared->threads[self] = (int)syscall(SYS_gettid);
	while (!shared->is_over) {
		size_t i = random_next(&state) % BUFFERS, size = 4096 + random_next(&state) % (1020 * KIB);

		free(p[i]);
		p[i] = malloc(size);
		if (p[i] == NULL)
			_exit(2);
		p[i][0] = 1;
		shared->progress[self]++;
	}
	return NULL;
}

static int be_tracee(void)
{
	pthread_t threads[THREADS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
			return 3;
	while (!shared->is_over)
		sleep_ms(20);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static bool stop(pid_t thread)
{
	int status;

	return ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) == 0 &&
	       waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status);
}

static bool stop_and_signal(pid_t child, uint64_t *state, unsigned round)
{
	bool is_all = round % 3 == 0, is_stopped[THREADS] = {false};
	size_t before = dump_count(NULL), least = random_next(state) % THREADS;

	sleep_ms((unsigned)(random_next(state) % 4));
	for (size_t i = 0; i < THREADS; i++)
		if (is_all || i == least)
			is_stopped[i] = EXPECT(
			    stop(shared->threads[i]), "round %u, thread %zu: errno %d", round, i, errno);
	bool is_dumped = EXPECT(syscall(SYS_tgkill, child, child, SIGUSR1) == 0, "errno %d", errno) &&
			 EXPECT(dump_wait(NULL, before + 1), "round %u: no dump in 5 s with %s stopped",
			     round, is_all ? "all threads" : "one thread");
	for (size_t i = 0; i < THREADS; i++)
		if (is_stopped[i])
			EXPECT(ptrace(PTRACE_CONT, shared->threads[i], NULL, NULL) == 0, "errno %d", errno);
	return is_dumped;
}

static void a_dump_comes_while_threads_are_stopped_inside_malloc(void)
{
	uint64_t state = 11;
	int status = -1;

	if (!harness_is_under("weir")) {
		harness_skip("dumps are Weir's");
		return;
	}
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(shared != MAP_FAILED, "errno %d", errno);
	pid_t child = fork();

	if (child == 0)
		_exit(be_tracee());
	REQUIRE(child > 0, "errno %d", errno);
	sleep_ms(200);
	for (size_t i = 0; i < THREADS; i++)
		if (ptrace(PTRACE_SEIZE, shared->threads[i], NULL, NULL) != 0) {
			EXPECT(errno == EPERM, "PTRACE_SEIZE: errno %d", errno);
			harness_skip("ptrace is not allowed here");
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			return;
		}
	for (unsigned round = 0; round < STOPS; round++) {
		unsigned long before = shared->progress[round % THREADS];

		/* Each that does not come takes five seconds to find out: one is enough. */
		if (!stop_and_signal(child, &state, round))
			break;
		for (unsigned wait = 0; wait < 2500 && shared->progress[round % THREADS] == before; wait++)
			sleep_ms(2);
		if (!EXPECT(shared->progress[round % THREADS] > before, "round %u: thread %u stands still",
			round, round % THREADS))
			break;
	}
	shared->is_over = true;
	for (unsigned wait = 0; wait < 5000; wait++) {
		pid_t ended = waitpid(-1, &status, __WALL | WNOHANG);

		if (ended == child && (WIFEXITED(status) || WIFSIGNALED(status)))
			break;
		if (ended > 0 && WIFSTOPPED(status))
			ptrace(PTRACE_CONT, ended, NULL, NULL);
		if (ended == 0)
			sleep_ms(2);
	}
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child's status is 0x%x", (unsigned)status);
	kill(child, SIGKILL);
}

static const struct test tests[] = {
    {"a_dump_comes_while_threads_are_stopped_inside_malloc",
	a_dump_comes_while_threads_are_stopped_inside_malloc, TEST_CHILD},
};

int main(int argc, char **argv)
{
	const struct suite suites[] = {SUITE(tests)};

	return harness_run(argc, argv, suites, 1);
}
