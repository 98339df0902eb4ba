/*
 * processes.c -- fork from threads, vfork, posix_spawn, daemons, exec.
 *
 * A child of fork has one thread and a heap that eight were working on. It must
 * be able to use it, at once and again in its own child. A child that hangs is
 * ended by its alarm, and a parent that hangs by the harness's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/common/harness.h"
#include "tests/common/pattern.h"
#include "tests/preload/work.h"

#define THREADS 8
#define FORKS 500
#define CHILD_SECONDS 20

extern char **environ;
extern const struct suite vfork_suite; /* vfork.c */
/* handler_forks.c */
extern const struct suite handler_forks_suite;
int handler_forks(void);

static volatile bool is_over;
static volatile unsigned long progress[THREADS];

/* As many calls as can be: content is not looked at, the locks are what matters. */
static void *work_flat_out(void *argument)
{
	uint64_t state = (uintptr_t)argument;
	char *p[16] = {NULL};

	/* This thread alone: children must not starve beside it. */
	setpriority(PRIO_PROCESS, 0, 15);
	while (!is_over) {
		size_t i = random_next(&state) % ARRAY_LENGTH(p), size = random_size(&state, 20);

		free(p[i]);
		p[i] = malloc(size);
		if (p[i] == NULL)
			abort();
		p[i][0] = p[i][size - 1] = 1;
		progress[(uintptr_t)argument % THREADS]++;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(p); i++)
		free(p[i]);
	return NULL;
}

static void *work_once(void *argument)
{
	return work_some((uintptr_t)argument, 30) ? argument : NULL;
}

/* What a child does: streams, small ones, a thread of its own now and then, a child of its own. */
static int be_child(unsigned number, unsigned generation)
{
	int status = 0;

	alarm(CHILD_SECONDS);
	if (!work_some(number, 8))
		return 1;
	for (size_t size = 1; size < 2 * MIB; size = size * 3 + 1) {
		char *p = malloc(size);

		if (p == NULL)
			return 2;
		p[0] = p[size - 1] = 1;
		free(p);
	}
	if (number % 10 == 0) {
		pthread_t thread;
		void *result = NULL;

		if (pthread_create(&thread, NULL, work_once, (void *)(uintptr_t)(number + 1)) != 0)
			return 3;
		pthread_join(thread, &result);
		if (result == NULL)
			return 4;
	}
	if (generation > 0) {
		pid_t child = fork();

		if (child == 0)
			_exit(be_child(number + 1000, generation - 1));
		if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
			return 5;
	}
	return 0;
}

/* FORKS by default; run.sh asks for fewer where the machine is slow. */
static void fork_times(unsigned times)
{
	const char *wanted = getenv("TEST_FORKS");

	if (wanted != NULL)
		times = (unsigned)atoi(wanted);
	for (unsigned i = 0; i < times; i++) {
		int status = -1;
		pid_t child = fork();

		if (child == 0)
			_exit(be_child(i, i % 4 == 0));
		REQUIRE(child > 0, "fork %u: errno %d", i, errno);
		REQUIRE(waitpid(child, &status, 0) == child, "errno %d", errno);
		REQUIRE(!(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM), "child %u hangs", i);
		REQUIRE(status == 0, "child %u: status 0x%x", i, (unsigned)status);
	}
}

static bool start_threads(pthread_t *threads, void *(*const *bodies)(void *), size_t count)
{
	is_over = false;
	for (size_t i = 0; i < count; i++)
		if (!EXPECT(
			pthread_create(&threads[i], NULL, bodies[i], (void *)(i + 1)) == 0, "thread %zu", i))
			return false;
	return true;
}

static void end_threads(pthread_t *threads, size_t count)
{
	is_over = true;
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void a_child_of_8_busy_threads_can_allocate_500_times(void)
{
	void *(*bodies[THREADS])(void *);
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		bodies[i] = work_flat_out;
	REQUIRE(start_threads(threads, bodies, THREADS), "threads");
	fork_times(FORKS);
	/* On a busy machine one may not have begun when a few forks are over. */
	for (size_t i = 0; i < THREADS; i++) {
		for (unsigned wait = 0; progress[i] == 0 && wait < 5000; wait++)
			usleep(1000);
		EXPECT(progress[i] > 0, "thread %zu stands still", i);
	}
	end_threads(threads, THREADS);
}

/*
 * stdio allocates with its list of streams locked, and fork locks that list
 * after it has run the handlers of pthread_atfork. An allocator whose handler
 * holds its locks while fork waits for the list stops both for good.
 */
static ssize_t write_with_malloc(void *cookie, const char *text, size_t size)
{
	size_t length = size + 5000 + (size_t)(uintptr_t)cookie;
	char *copy = malloc(length);

	if (copy == NULL)
		return 0;
	memcpy(copy, text, size);
	copy[length - 1] = text[0];
	free(copy);
	return (ssize_t)size;
}

static void *print_to_a_stream_that_allocates(void *argument)
{
	cookie_io_functions_t functions = {.write = write_with_malloc};
	FILE *stream = fopencookie(argument, "w", functions);

	setpriority(PRIO_PROCESS, 0, 15);
	while (!is_over)
		fprintf(stream, "line %d\n", 1);
	fclose(stream);
	return NULL;
}

static void *flush_all(void *argument)
{
	(void)argument;
	/* With a pause, or fork would starve at the list's lock under any malloc. */
	while (!is_over) {
		fflush(NULL);
		sleep_ms(1);
	}
	return NULL;
}

static void *open_and_close(void *argument)
{
	(void)argument;
	while (!is_over) {
		FILE *stream = fopen("/dev/null", "we");
		char *text = NULL;
		size_t size;
		FILE *memory = open_memstream(&text, &size);

		if (stream == NULL || memory == NULL)
			abort();
		fprintf(stream, "%d", 1);
		fprintf(memory, "%5000d", 1);
		fclose(stream);
		fclose(memory);
		free(text);
	}
	return NULL;
}

static void *read_lines(void *argument)
{
	FILE *stream = tmpfile();

	(void)argument;
	if (stream == NULL)
		abort();
	for (int i = 1; i < 300; i++)
		fprintf(stream, "%*d\n", i * 100, i);
	while (!is_over) {
		char *line = NULL;
		size_t size = 0;

		rewind(stream);
		while (!is_over && getline(&line, &size, stream) > 0)
			;
		free(line);
	}
	fclose(stream);
	return NULL;
}

static void fork_does_not_hang_on_stdio_that_allocates(void)
{
	static void *(*const bodies[THREADS])(void *) = {work_flat_out, work_flat_out, work_flat_out,
	    print_to_a_stream_that_allocates, print_to_a_stream_that_allocates, flush_all, open_and_close,
	    read_lines};
	pthread_t threads[THREADS];

	REQUIRE(start_threads(threads, bodies, THREADS), "threads");
	fork_times(FORKS);
	end_threads(threads, THREADS);
}

static void handlers_of_pthread_atfork_may_allocate(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		/* Handlers of the program's own, which run around the allocator's. */
		extern void atfork_prepare(void), atfork_parent(void), atfork_child(void);

		pthread_atfork(atfork_prepare, atfork_parent, atfork_child);
		alarm(CHILD_SECONDS);
		for (unsigned i = 0; i < 50; i++) {
			int inner = -1;
			pid_t grandchild = fork();

			if (grandchild == 0)
				_exit(be_child(i, 0));
			if (waitpid(grandchild, &inner, 0) != grandchild || inner != 0)
				_exit(6);
		}
		_exit(0);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(status == 0, "status 0x%x", (unsigned)status);
}

static _Atomic bool is_in_callback;

/* As a program does that names its stack's functions. The others have half a second to come to where they wait. */
static int allocate_in_callback(struct dl_phdr_info *info, size_t size, void *unused)
{
	void *p[400];

	(void)info, (void)size, (void)unused;
	is_in_callback = true;
	sleep_ms(500);
	for (size_t i = 0; i < ARRAY_LENGTH(p); i++)
		p[i] = malloc(40000 + 100 * i);
	for (size_t i = 0; i < ARRAY_LENGTH(p); i++)
		free(p[i]);
	fclose(fopen("/dev/null", "re"));
	return 1;
}

static void *ask_the_loader(void *argument)
{
	dl_iterate_phdr(allocate_in_callback, NULL);
	return argument;
}

static void *close_a_library(void *library)
{
	while (!is_in_callback)
		sleep_ms(1);
	dlclose(library);
	return library;
}

static void fork_does_not_hang_on_who_allocates_while_the_loader_is_asked(void)
{
	pthread_t asks, closes;
	void *library = dlopen("libanl.so.1", RTLD_NOW);
	int status = -1;
	pid_t child;

	REQUIRE(library != NULL, "%s", dlerror());
	alarm(CHILD_SECONDS);
	/* So much that tracking is awake. */
	for (size_t i = 0; i < 1000; i++)
		free(malloc(5000));
	is_in_callback = false;
	REQUIRE(pthread_create(&asks, NULL, ask_the_loader, NULL) == 0, "pthread_create");
	REQUIRE(pthread_create(&closes, NULL, close_a_library, library) == 0, "pthread_create");
	while (!is_in_callback)
		sleep_ms(1);
	sleep_ms(200);
	child = fork();
	if (child == 0)
		_exit(be_child(1, 0));
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(status == 0, "status 0x%x", (unsigned)status);
	pthread_join(asks, NULL);
	pthread_join(closes, NULL);
}

static pthread_mutex_t of_the_program = PTHREAD_MUTEX_INITIALIZER;
void atfork_lock(void);
void atfork_unlock(void);

void atfork_lock(void)
{
	pthread_mutex_lock(&of_the_program);
}

void atfork_unlock(void)
{
	pthread_mutex_unlock(&of_the_program);
}

/* As a log is reopened. */
static void *open_and_close_under_the_mutex(void *argument)
{
	while (!is_over) {
		pthread_mutex_lock(&of_the_program);
		FILE *stream = fopen("/dev/null", "we");

		if (stream == NULL)
			abort();
		fprintf(stream, "%d", 1);
		fclose(stream);
		pthread_mutex_unlock(&of_the_program);
		sleep_ms((uintptr_t)argument % 2);
	}
	return NULL;
}

static void a_handler_of_pthread_atfork_may_lock_what_is_held_over_fopen(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		static void *(*const bodies[2])(void *) = {
		    open_and_close_under_the_mutex, open_and_close_under_the_mutex};
		pthread_t threads[2];

		alarm(CHILD_SECONDS);
		pthread_atfork(atfork_lock, atfork_unlock, atfork_unlock);
		if (!start_threads(threads, bodies, 2))
			_exit(7);
		for (unsigned i = 0; i < 500; i++) {
			int inner = -1;
			pid_t grandchild = fork();

			if (grandchild == 0)
				_exit(0);
			if (waitpid(grandchild, &inner, 0) != grandchild || inner != 0)
				_exit(6);
		}
		_exit(0);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(status == 0, "status 0x%x", (unsigned)status);
}

static void *kept_by_handler;
void atfork_prepare(void);
void atfork_parent(void);
void atfork_child(void);

void atfork_prepare(void)
{
	kept_by_handler = malloc(70000);
	memset(kept_by_handler, 1, 70000);
}

void atfork_parent(void)
{
	free(kept_by_handler);
}

void atfork_child(void)
{
	free(kept_by_handler);
	free(calloc(3, 30000));
}

static void vfork_and_exec_leave_the_heap_alone(void)
{
	static void *(*const bodies[2])(void *) = {work_flat_out, work_flat_out};
	pthread_t threads[2];

	REQUIRE(start_threads(threads, bodies, 2), "threads");
	for (unsigned i = 0; i < 100; i++) {
		int status = -1;
		pid_t child = vfork();

		if (child == 0) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(127);
		}
		REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0,
		    "round %u: status 0x%x", i, (unsigned)status);
		REQUIRE(work_some(i, 50), "round %u", i);
	}
	end_threads(threads, 2);
}

static void posix_spawn_starts_a_program_that_allocates(void)
{
	for (unsigned i = 0; i < 20; i++) {
		char *arguments[] = {"processes", "--inner-work", NULL};
		int status = -1;
		pid_t child;

		REQUIRE(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) == 0,
		    "errno %d", errno);
		REQUIRE(waitpid(child, &status, 0) == child, "errno %d", errno);
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status 0x%x", (unsigned)status);
	}
}

static void a_daemon_that_forked_twice_allocates_and_dumps_under_its_own_pid(void)
{
	int ends[2], status = -1;
	pid_t reported = 0;

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0 && work_some(1, 100), "errno %d", errno);
	pid_t child = fork();

	if (child == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		alarm(CHILD_SECONDS);
		pid_t self = getpid();

		if (!work_some(2, 500))
			self = -1;
		if (harness_is_under("weir"))
			raise(SIGUSR1);
		ssize_t ignored = write(ends[1], &self, sizeof self);

		(void)ignored;
		_exit(0);
	}
	REQUIRE(
	    child > 0 && waitpid(child, &status, 0) == child && status == 0, "status 0x%x", (unsigned)status);
	close(ends[1]);
	REQUIRE(read(ends[0], &reported, sizeof reported) == sizeof reported && reported > 0,
	    "no word of the daemon");
	close(ends[0]);
	if (harness_is_under("weir")) {
		char part[32];

		snprintf(part, sizeof part, ".%d.", (int)reported);
		EXPECT(dump_count(part) == 1, "%zu dumps of process %d", dump_count(part), (int)reported);
	}
}

static void a_program_that_executes_itself_again_and_again_dumps_each_time(void)
{
	size_t before = dump_count(NULL);
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		execl("/proc/self/exe", "processes",
		    harness_is_under("weir") ? "--inner-exec-dump" : "--inner-exec", "5", (char *)NULL);
		_exit(127);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status 0x%x", (unsigned)status);
	if (harness_is_under("weir"))
		EXPECT(dump_count(NULL) >= before + 5, "%zu dumps of 6 lives", dump_count(NULL) - before);
}

static int execute_again(char **argv)
{
	int left = atoi(argv[2]);
	char text[12];

	alarm(CHILD_SECONDS);
	if (!work_some((unsigned)left, 200))
		return 1;
	if (strcmp(argv[1], "--inner-exec-dump") == 0)
		raise(SIGUSR1);
	if (left == 0)
		return 7;
	snprintf(text, sizeof text, "%d", left - 1);
	execl("/proc/self/exe", "processes", argv[1], text, (char *)NULL);
	return 127;
}

static const struct test tests[] = {
    {"a_child_of_8_busy_threads_can_allocate_500_times", a_child_of_8_busy_threads_can_allocate_500_times,
	TEST_GLIBC},
    {"fork_does_not_hang_on_stdio_that_allocates", fork_does_not_hang_on_stdio_that_allocates, TEST_GLIBC},
    {"a_handler_of_pthread_atfork_may_lock_what_is_held_over_fopen",
	a_handler_of_pthread_atfork_may_lock_what_is_held_over_fopen, TEST_GLIBC},
    {"handlers_of_pthread_atfork_may_allocate", handlers_of_pthread_atfork_may_allocate, TEST_GLIBC},
    {"fork_does_not_hang_on_who_allocates_while_the_loader_is_asked",
	fork_does_not_hang_on_who_allocates_while_the_loader_is_asked, TEST_GLIBC},
    {"vfork_and_exec_leave_the_heap_alone", vfork_and_exec_leave_the_heap_alone, 0},
    {"posix_spawn_starts_a_program_that_allocates", posix_spawn_starts_a_program_that_allocates, 0},
    {"a_daemon_that_forked_twice_allocates_and_dumps_under_its_own_pid",
	a_daemon_that_forked_twice_allocates_and_dumps_under_its_own_pid, 0},
    {"a_program_that_executes_itself_again_and_again_dumps_each_time",
	a_program_that_executes_itself_again_and_again_dumps_each_time, 0},
};

int main(int argc, char **argv)
{
	const struct suite suites[] = {SUITE(tests), handler_forks_suite, vfork_suite};

	if (argc >= 2 && strcmp(argv[1], "--inner-forks") == 0)
		return handler_forks();
	if (argc >= 2 && strcmp(argv[1], "--inner-work") == 0)
		return work_some(3, 300) ? 7 : 1;
	if (argc >= 3 && strncmp(argv[1], "--inner-exec", 12) == 0)
		return execute_again(argv);
	return harness_run(argc, argv, suites, ARRAY_LENGTH(suites));
}
