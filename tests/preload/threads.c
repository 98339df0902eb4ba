/*
 * threads.c -- a program of one thread has one thread, and one of many keeps
 * no trace of those that are gone.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "tests/common/harness.h"
#include "tests/preload/work.h"

static void a_program_of_one_thread_has_one_after_5_seconds_of_streaming(void)
{
	EXPECT(status_number("Threads:") == 1, "%ld threads at start", status_number("Threads:"));
	REQUIRE(work_for_ms(1, 5000), "work");
	EXPECT(status_number("Threads:") == 1, "%ld threads", status_number("Threads:"));
	EXPECT(__libc_single_threaded, "the C library believes that there are threads");
}

static void a_child_of_a_program_of_one_thread_has_one(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(work_for_ms(1, 700) && status_number("Threads:") == 1 ? 0 : 1);
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(status == 0, "status 0x%x", (unsigned)status);
}

static void *live_shortly(void *argument)
{
	uintptr_t n = (uintptr_t)argument;
	char *small = malloc(n % 900 + 1), *stream = malloc(4096 + n * 97 % 300000),
	     *aligned = aligned_alloc(64, 65536);

	if (small == NULL || stream == NULL || aligned == NULL)
		return NULL;
	small[n % 900] = stream[4095] = aligned[65535] = 1;
	free(small);
	free(aligned);
	return stream;
}

static void a_thousand_short_threads_leave_nothing_behind(void)
{
	for (uintptr_t i = 0; i < 1000; i += 10) {
		pthread_t threads[10];

		for (uintptr_t k = 0; k < 10; k++)
			REQUIRE(pthread_create(&threads[k], NULL, live_shortly, (void *)(i + k)) == 0,
			    "thread %zu", (size_t)(i + k));
		for (uintptr_t k = 0; k < 10; k++) {
			void *left = NULL;

			pthread_join(threads[k], &left);
			REQUIRE(left != NULL, "thread %zu", (size_t)(i + k));
			free(left);
		}
	}
	EXPECT(status_number("Threads:") <= 2, "%ld threads", status_number("Threads:"));
	EXPECT(status_number("VmRSS:") < 150000, "%ld KiB are resident", status_number("VmRSS:"));
}

/* The program's own signal mask and attributes are what its threads get, whatever was started beside them. */
static void *report_mask(void *argument)
{
	pthread_sigmask(SIG_BLOCK, NULL, argument);
	return NULL;
}

static void a_new_thread_has_its_creators_signal_mask(void)
{
	sigset_t wanted, got;
	pthread_t thread;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &wanted, NULL);
	REQUIRE(pthread_create(&thread, NULL, report_mask, &got) == 0, "pthread_create");
	pthread_join(thread, NULL);
	EXPECT(sigismember(&got, SIGUSR2) == 1 && sigismember(&got, SIGUSR1) == 0 &&
		   sigismember(&got, SIGTERM) == 0,
	    "the thread's mask is another");
	pthread_sigmask(SIG_SETMASK, NULL, &got);
	EXPECT(sigismember(&got, SIGUSR2) == 1 && sigismember(&got, SIGTERM) == 0,
	    "the creator's mask is another");
	sigdelset(&wanted, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &wanted, NULL);
}

static volatile sig_atomic_t hangups;

static void count_hangup(int number)
{
	(void)number;
	hangups++;
}

static void *do_nothing(void *argument)
{
	return argument;
}

/* Sent to the process while all of its own threads block it: a thread beside them must not take it. */
static void signals_of_the_process_never_come_to_a_thread_that_is_not_its_own(void)
{
	struct sigaction action = {.sa_handler = count_hangup}, before;
	struct timespec second = {1, 0};
	sigset_t hangup, mask;
	pthread_t thread;

	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	REQUIRE(sigaction(SIGHUP, &action, &before) == 0, "errno %d", errno);
	REQUIRE(pthread_create(&thread, NULL, do_nothing, NULL) == 0, "pthread_create");
	pthread_join(thread, NULL);
	/* The kernel counts the thread that was joined for a moment longer. */
	for (int i = 0; i < 1000 && harness_is_under("weir") && status_number("Threads:") != 2; i++)
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	REQUIRE(!harness_is_under("weir") || status_number("Threads:") == 2,
	    "the maintenance thread is not there: %ld threads", status_number("Threads:"));
	pthread_sigmask(SIG_BLOCK, &hangup, &mask);
	kill(getpid(), SIGHUP);
	/* Whoever may take it gets the time to do so before we ask for it. */
	sleep_ms(100);
	EXPECT(sigtimedwait(&hangup, NULL, &second) == SIGHUP && hangups == 0, "the handler ran %d times",
	    (int)hangups);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGHUP, &before, NULL);
}

static int end_at_once(void *argument)
{
	(void)argument;
	return 0;
}

/* libc's thrd_create does not call its pthread_create by name. In a child, which has no thread yet. */
static void a_thread_by_thrd_create_brings_the_maintenance_thread(void)
{
	thrd_t thread;

	EXPECT(status_number("Threads:") == 1, "%ld threads at start", status_number("Threads:"));
	REQUIRE(thrd_create(&thread, end_at_once, NULL) == thrd_success, "thrd_create");
	thrd_join(thread, NULL);
	/* The kernel counts the thread that was joined for a moment longer. */
	for (int i = 0; i < 1000 && status_number("Threads:") > 2; i++)
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	EXPECT(!harness_is_under("weir") || status_number("Threads:") == 2, "%ld threads",
	    status_number("Threads:"));
}

#define NEWCOMERS 24

static pthread_barrier_t newcomers_gate;

/* NULL and ENOMEM, or memory. Whether it is memory. */
static bool is_given(void *p)
{
	bool is_there = p != NULL;

	EXPECT(is_there || errno == ENOMEM, "errno %d", errno);
	if (is_there)
		*(volatile char *)p = 1;
	free(p);
	errno = 0;
	return is_there;
}

static void *ask_first(void *kind)
{
	void *p = NULL;
	bool is_all_given;

	pthread_barrier_wait(&newcomers_gate);
	switch ((uintptr_t)kind % 4) {
	case 0:
		is_given(malloc(100));
		break;
	case 1:
		is_given(calloc(3, 50));
		break;
	case 2:
		is_given(realloc(NULL, 20000));
		break;
	default:
		errno = posix_memalign(&p, 64, 200);
		is_given(errno == 0 ? p : NULL);
	}
	is_given(malloc(200));
	pthread_barrier_wait(&newcomers_gate);
	/* There is memory again. */
	pthread_barrier_wait(&newcomers_gate);
	is_all_given = is_given(malloc(100)) && is_given(calloc(3, 50)) && is_given(malloc(3000));
	return is_all_given ? kind : NULL;
}

static void *ask_and_end(void *unused)
{
	free(malloc(100));
	return unused;
}

static void threads_that_begin_where_memory_ends_are_told_so(void)
{
	static struct {
		void *at;
		size_t bytes;
	} taken[50000];
	size_t count = 0;
	pthread_t threads[NEWCOMERS], before;
	pthread_attr_t attr;
	struct rlimit limit, was;

	REQUIRE(pthread_create(&before, NULL, ask_and_end, NULL) == 0, "threads");
	pthread_join(before, NULL);
	pthread_barrier_init(&newcomers_gate, NULL, NEWCOMERS + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * KIB);
	for (uintptr_t i = 0; i < NEWCOMERS; i++)
		REQUIRE(pthread_create(&threads[i], &attr, ask_first, (void *)(i + 4)) == 0, "thread");
	getrlimit(RLIMIT_AS, &was);
	limit = was;
	limit.rlim_cur = 300 * MIB;
	REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0, "errno %d", errno);
	for (size_t bytes = 16 * MIB; bytes >= 4 * KIB; bytes /= 2)
		for (; count < ARRAY_LENGTH(taken); count++) {
			taken[count].bytes = bytes;
			taken[count].at =
			    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (taken[count].at == MAP_FAILED)
				break;
		}
	REQUIRE(count < ARRAY_LENGTH(taken), "there is no end to it");
	pthread_barrier_wait(&newcomers_gate);
	pthread_barrier_wait(&newcomers_gate);
	while (count-- > 0)
		munmap(taken[count].at, taken[count].bytes);
	setrlimit(RLIMIT_AS, &was);
	pthread_barrier_wait(&newcomers_gate);
	for (uintptr_t i = 0; i < NEWCOMERS; i++) {
		void *result = NULL;

		pthread_join(threads[i], &result);
		EXPECT(result != NULL, "thread %u has no memory yet", (unsigned)i);
	}
}

static const struct test tests[] = {
    {"a_program_of_one_thread_has_one_after_5_seconds_of_streaming",
	a_program_of_one_thread_has_one_after_5_seconds_of_streaming, 0},
    {"a_child_of_a_program_of_one_thread_has_one", a_child_of_a_program_of_one_thread_has_one, 0},
    {"a_thread_by_thrd_create_brings_the_maintenance_thread",
	a_thread_by_thrd_create_brings_the_maintenance_thread, TEST_CHILD},
    {"a_new_thread_has_its_creators_signal_mask", a_new_thread_has_its_creators_signal_mask, 0},
    {"signals_of_the_process_never_come_to_a_thread_that_is_not_its_own",
	signals_of_the_process_never_come_to_a_thread_that_is_not_its_own, 0},
    {"a_thousand_short_threads_leave_nothing_behind", a_thousand_short_threads_leave_nothing_behind, 0},
    {"threads_that_begin_where_memory_ends_are_told_so", threads_that_begin_where_memory_ends_are_told_so,
	TEST_GLIBC},
};

int main(int argc, char **argv)
{
	const struct suite suites[] = {SUITE(tests)};

	return harness_run(argc, argv, suites, 1);
}
