/*
 * vfork.c -- a child of vfork that does more than it may: it allocates, beside its parent's threads.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/common/harness.h"
#include "tests/common/pattern.h"
#include "tests/preload/work.h"

#define THREADS 2
#define LARGE_COUNT 96
#define VFORK_BYTES (32 * KIB + 48) /* what opendir takes */

static volatile bool is_over;
static _Atomic bool is_shared; /* somebody wrote into another's buffer */

static bool take_mark_and_free(uintptr_t mark)
{
	volatile uintptr_t *p = malloc(VFORK_BYTES);
	bool is_own;

	if (p == NULL)
		abort();
	p[0] = mark;
	p[1] = (uintptr_t)p;
	for (volatile int i = 0; i < 100; i++)
		;
	is_own = p[0] == mark && p[1] == (uintptr_t)p;
	free((void *)p);
	return is_own;
}

static void *take_and_mark(void *argument)
{
	while (!is_over)
		if (!take_mark_and_free((uintptr_t)argument))
			is_shared = true;
	return NULL;
}

/* All on one processor, but the child, which goes to another: it and a thread are at work in the same instant. */
static void a_child_of_vfork_that_allocates_takes_nothing_from_threads(void)
{
	pthread_t threads[THREADS];
	cpu_set_t all, one, others;

	REQUIRE(sched_getaffinity(0, sizeof(all), &all) == 0, "errno %d", errno);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	CPU_XOR(&others, &all, &one);
	if (CPU_COUNT(&others) == 0)
		harness_skip("there is one processor");
	REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0, "errno %d", errno);
	is_over = is_shared = false;
	for (uintptr_t i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, take_and_mark, (void *)(i + 1)) == 0, "thread %zu",
		    (size_t)i);
	for (unsigned i = 0; i < 25; i++) {
		int status = -1;
		pid_t child = vfork();

		if (child == 0) {
			sched_setaffinity(0, sizeof(others), &others);
			for (unsigned k = 0; k < 20000; k++)
				if (!take_mark_and_free(THREADS + 1))
					is_shared = true;
			_exit(0);
		}
		REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
		EXPECT(status == 0, "status 0x%x", (unsigned)status);
	}
	is_over = true;
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(!is_shared, "a buffer had two owners");
}

/* From here on whoever opens a file is killed, which a pass does and the heap's other code does not. */
static bool open_no_file(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Many passes fall due meanwhile (run.sh makes their intervals short), and looks at what memory there is. */
static void stream_for_ms(uint64_t ms)
{
	static char *volatile held[LARGE_COUNT];

	for (uint64_t end = now_ms() + ms; now_ms() < end;) {
		for (unsigned i = 0; i < LARGE_COUNT; i++) {
			held[i] = malloc(MIB - 4096);
			if (held[i] != NULL)
				memset(held[i], 1, MIB - 4096);
		}
		for (unsigned i = 0; i < LARGE_COUNT; i++)
			free(held[i]);
	}
}

static void a_child_of_vfork_begins_no_pass_that_its_parent_would_wait_for(void)
{
	int status = -1;
	pid_t child = vfork();

	if (child == 0) {
		if (!open_no_file())
			_exit(77);
		stream_for_ms(400);
		_exit(0);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		harness_skip("there is no seccomp");
	EXPECT(status == 0, "the child died in a pass: status 0x%x", (unsigned)status);
	child = fork(); /* waits for a pass that is under way */
	if (child == 0)
		_exit(0);
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(status == 0, "status 0x%x", (unsigned)status);
}

static void vfork_fails_as_it_does_without(void)
{
	struct rlimit before, none = {0, 0};
	int status = -1;
	pid_t child = fork();

	REQUIRE(getrlimit(RLIMIT_NPROC, &before) == 0, "errno %d", errno);
	if (child == 0) {
		none.rlim_max = before.rlim_max;
		if (setrlimit(RLIMIT_NPROC, &none) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
			_exit(77); /* not root: the limit counts what others of ours have */
		errno = 0;
		child = vfork();
		if (child == 0)
			_exit(1);
		_exit(child == -1 && errno == EAGAIN ? 42 : 2);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(WIFEXITED(status) && (WEXITSTATUS(status) == 42 || WEXITSTATUS(status) == 77), "status 0x%x",
	    (unsigned)status);
}

static const struct test tests[] = {
    {"a_child_of_vfork_that_allocates_takes_nothing_from_threads",
	a_child_of_vfork_that_allocates_takes_nothing_from_threads, TEST_GLIBC},
    {"a_child_of_vfork_begins_no_pass_that_its_parent_would_wait_for",
	a_child_of_vfork_begins_no_pass_that_its_parent_would_wait_for, TEST_CHILD},
    {"vfork_fails_as_it_does_without", vfork_fails_as_it_does_without, 0},
};
extern const struct suite vfork_suite;
const struct suite vfork_suite = SUITE(tests);
