/*
 * handler_forks.c -- a signal's handler that forks, whatever the program was at. A part of processes.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/common/harness.h"
#include "tests/common/pattern.h"

#define CHILD_SECONDS 20
#define BUFFERS 64

static volatile sig_atomic_t forks_in_handler;

static void fork_in_handler(int number)
{
	int saved = errno;
	pid_t child = fork();

	(void)number;
	if (child == 0)
		_exit(0);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	forks_in_handler++;
	errno = saved;
}

/* In a program of its own: this one has had threads, and libc's own malloc hangs in such a handler then. */
int handler_forks(void);
int handler_forks(void)
{
	struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	uint64_t state = 11;
	time_t deadline = time(NULL) + 8;
	char *p[BUFFERS] = {NULL};

	alarm(CHILD_SECONDS);
	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &often, NULL);
	/* Where the machine is busy, a fork and its end may take a quarter of a second. */
	while (forks_in_handler < 120 && (forks_in_handler < 12 || time(NULL) < deadline)) {
		size_t i = random_next(&state) % BUFFERS;

		free(p[i]);
		p[i] = malloc(4096 + random_next(&state) % 200000);
		if (p[i] == NULL)
			return 1;
		*p[i] = 1;
	}
	setitimer(ITIMER_PROF, &never, NULL);
	for (size_t i = 0; i < BUFFERS; i++)
		free(p[i]);
	return 7;
}

/*
 * fork is async-signal-safe, and what the handler interrupted goes on behind it. Sizes that are the pool's alone:
 * jemalloc's handler for fork waits for jemalloc's locks.
 */
static void a_handler_forks_whatever_its_only_thread_is_at(void)
{
	char *arguments[] = {"processes", "--inner-forks", NULL};
	int status = -1;
	pid_t child;

	REQUIRE(
	    posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) == 0, "errno %d", errno);
	REQUIRE(waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status 0x%x", (unsigned)status);
}

static const struct test tests[] = {
    {"a_handler_forks_whatever_its_only_thread_is_at", a_handler_forks_whatever_its_only_thread_is_at,
	TEST_GLIBC},
};

extern const struct suite handler_forks_suite;
const struct suite handler_forks_suite = SUITE(tests);
