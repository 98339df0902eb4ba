/*
 * harness.c -- runs the tables of harness.h.
 *
 * Every test has SECONDS_A_TEST, or as many as $TEST_SECONDS says; one that dies or stalls in this process ends
 * the program with "Bail out!", which leaves the plan unfulfilled. A test with
 * TEST_CHILD or TEST_GLIBC runs in a child, whose end is judged instead.
 *
 *   PROGRAM [--under libc|jemalloc|weir] [--expect FILE] [--list] [WORD]...
 *
 * With --expect, the first test says whether malloc comes from an object whose
 * path ends in FILE: a run on the wrong allocator proves nothing.
 */
#include "tests/common/harness.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_A_TEST 240
#define DIAGNOSTICS_MAX 8
#define CHILD_FAILED 41
#define CHILD_SKIPPED 42

static const char *under = "libc";
static const char *expected_object;
static const char *running = "start";
static const char *skip_reason;
static atomic_uint failures; /* relaxed; read when the threads of a test are joined */

/* One write and nothing else: a confined process may have no more. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char text[700];
	va_list args;

	va_start(args, format);
	int length = vsnprintf(text, sizeof text, format, args);

	va_end(args);
	if (length >= (int)sizeof text)
		length = sizeof text - 1;
	ssize_t ignored = write(STDOUT_FILENO, text, (size_t)length);

	(void)ignored;
}

bool harness_is_under(const char *allocator)
{
	return strcmp(under, allocator) == 0;
}

void harness_fail(const char *file, int line, const char *condition, const char *format, ...)
{
	int saved_errno = errno;

	if (atomic_fetch_add(&failures, 1) < DIAGNOSTICS_MAX) {
		char text[400];
		va_list args;
		const char *base = strrchr(file, '/');

		va_start(args, format);
		vsnprintf(text, sizeof text, format, args);
		va_end(args);
		say("# %s:%d: not true: %s: %s\n", base ? base + 1 : file, line, condition, text);
	}
	errno = saved_errno;
}

void harness_skip(const char *reason)
{
	skip_reason = reason;
}

/* Async-signal-safe. */
static void write_text(const char *text)
{
	ssize_t ignored = write(STDOUT_FILENO, text, strlen(text));

	(void)ignored;
}

static void bail_out(int signo)
{
	char digits[3] = {(char)('0' + signo / 10), (char)('0' + signo % 10), '\0'};

	write_text("Bail out! signal ");
	write_text(digits);
	write_text(" in ");
	write_text(running);
	write_text("\n");
	_exit(3);
}

static void watch_signals(void (*handler)(int))
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		signal(signals[i], handler);
}

static unsigned seconds_a_test(void)
{
	const char *wanted = getenv("TEST_SECONDS");

	return wanted != NULL ? (unsigned)atoi(wanted) : SECONDS_A_TEST;
}

static bool run_here(const struct test *test)
{
	atomic_store(&failures, 0);
	alarm(seconds_a_test());
	test->run();
	alarm(0);
	return atomic_load(&failures) == 0;
}

static bool run_in_child(const struct test *test)
{
	int status;
	pid_t child = fork();

	if (child < 0) {
		say("# fork: errno %d\n", errno);
		return false;
	}
	if (child == 0) {
		watch_signals(SIG_DFL);
		atomic_store(&failures, 0);
		alarm(seconds_a_test());
		test->run();
		bool holds = atomic_load(&failures) == 0;

		if (skip_reason != NULL)
			say("# %s\n", skip_reason);
		_exit(!holds ? CHILD_FAILED : skip_reason != NULL ? CHILD_SKIPPED : 0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		say("# died of signal %d\n", WTERMSIG(status));
		return false;
	}
	if (WEXITSTATUS(status) == CHILD_SKIPPED)
		skip_reason = "said above";
	return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CHILD_SKIPPED;
}

/* The words after the options; a test is wanted if its name holds one of them. */
static bool is_wanted(const struct test *test, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strstr(test->name, argv[i]) != NULL)
			return true;
	return argc == 0;
}

static void malloc_comes_from_the_expected_object(void)
{
	static const char *const names[] = {"malloc", "free", "calloc", "realloc", "posix_memalign"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		Dl_info info = {0};
		void *symbol = dlsym(RTLD_DEFAULT, names[i]);
		size_t length = strlen(expected_object);

		REQUIRE(symbol != NULL && dladdr(symbol, &info) != 0, "%s is not found", names[i]);
		size_t got = strlen(info.dli_fname);

		EXPECT(got >= length && strcmp(info.dli_fname + got - length, expected_object) == 0,
		    "%s comes from %s", names[i], info.dli_fname);
	}
}

static bool run_one(unsigned number, const struct test *test)
{
	bool is_todo = (test->flags & TEST_GLIBC) && harness_is_under("jemalloc");
	bool holds;

	running = test->name;
	skip_reason = NULL;
	holds = (test->flags & (TEST_CHILD | TEST_GLIBC)) ? run_in_child(test) : run_here(test);
	if (holds && skip_reason != NULL)
		say("ok %u - %s # SKIP %s\n", number, test->name, skip_reason);
	else if (holds)
		say("ok %u - %s\n", number, test->name);
	else
		say("not ok %u - %s%s\n", number, test->name,
		    is_todo ? " # TODO jemalloc differs from glibc" : "");
	return holds || is_todo;
}

int harness_run(int argc, char **argv, const struct suite *suites, size_t suite_count)
{
	static const struct test origin = {
	    "malloc_comes_from_the_expected_object", malloc_comes_from_the_expected_object, 0};
	unsigned number = 0, bad = 0;
	bool is_list = false;
	int i;

	for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--under") == 0 && i + 1 < argc)
			under = argv[++i];
		else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
			expected_object = argv[++i];
		else if (strcmp(argv[i], "--list") == 0)
			is_list = true;
		else {
			say("%s: %s is not known\n", argv[0], argv[i]);
			return 2;
		}
	}
	argc -= i;
	argv += i;

	watch_signals(bail_out);
	if (expected_object != NULL && !run_one(++number, &origin))
		bad++;
	for (size_t s = 0; s < suite_count; s++)
		for (size_t t = 0; t < suites[s].count; t++) {
			const struct test *test = &suites[s].tests[t];

			if (!is_wanted(test, argc, argv))
				continue;
			if (is_list)
				say("%s\n", test->name);
			else if (!run_one(++number, test))
				bad++;
		}
	if (!is_list)
		say("1..%u\n", number);
	return bad == 0 ? 0 : 1;
}
