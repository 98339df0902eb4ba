/*
 * signals.c -- the program's own handler for SIGUSR1 is its own: set by any
 * function it is shown back, it runs with what it asked for, and the dump is
 * written all the same.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/common/harness.h"
#include "tests/preload/work.h"

__sighandler_t bsd_signal(int number, __sighandler_t handler);
__sighandler_t sysv_signal(int number, __sighandler_t handler);

static volatile sig_atomic_t runs, seen_number, seen_value, seen_code, was_usr1_blocked, was_usr2_blocked;
static void *volatile seen_stack;

static void plain(int number)
{
	sigset_t mask;

	runs++;
	seen_number = number;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	was_usr1_blocked = sigismember(&mask, SIGUSR1);
	was_usr2_blocked = sigismember(&mask, SIGUSR2);
}

static void with_info(int number, siginfo_t *info, void *context)
{
	runs++;
	seen_number = number;
	seen_value = info->si_value.sival_int;
	seen_code = info->si_code;
	if (context == NULL)
		runs = 1000;
}

/* Dumps written since the last call are as many as signals were raised, under Weir. */
static size_t dumps_before;

static void expect_dumps(size_t count)
{
	if (!harness_is_under("weir"))
		return;
	EXPECT(dump_wait(NULL, dumps_before + count), "%zu dumps of %zu", dump_count(NULL) - dumps_before,
	    count);
	dumps_before = dump_count(NULL);
}

static struct sigaction shown(void)
{
	struct sigaction action;

	memset(&action, 0x55, sizeof action);
	EXPECT(sigaction(SIGUSR1, NULL, &action) == 0, "errno %d", errno);
	return action;
}

static void begin(void)
{
	runs = 0;
	dumps_before = dump_count(NULL);
	REQUIRE(work_some(1, 50), "work");
}

static void at_first_the_default_is_shown(void)
{
	EXPECT(shown().sa_handler == SIG_DFL, "%p", (void *)(uintptr_t)shown().sa_handler);
	EXPECT(signal(SIGUSR1, SIG_DFL) == SIG_DFL, "signal");
}

static __sighandler_t by_sigaction(int number, __sighandler_t handler)
{
	struct sigaction action = {.sa_handler = handler}, old;

	return sigaction(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void a_handler_set_by_any_function_is_shown_and_runs_and_a_dump_is_written(void)
{
	static const struct {
		const char *name;
		__sighandler_t (*set)(int, __sighandler_t);
		bool is_once;
	} setters[] = {
	    {"sigaction", by_sigaction, false},
	    {"signal", signal, false},
	    {"sigset", sigset, false},
	    {"bsd_signal", bsd_signal, false},
	    {"sysv_signal", sysv_signal, true},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(setters); i++) {
		begin();
		signal(SIGUSR1, SIG_DFL);
		__sighandler_t before = setters[i].set(SIGUSR1, plain);

		EXPECT(before == SIG_DFL, "%s gave %p", setters[i].name, (void *)(uintptr_t)before);
		EXPECT(shown().sa_handler == plain, "%s: another handler is shown", setters[i].name);
		EXPECT(!!(shown().sa_flags & SA_RESETHAND) == setters[i].is_once, "%s: flags 0x%x",
		    setters[i].name, (unsigned)shown().sa_flags);
		raise(SIGUSR1);
		EXPECT(runs == 1 && seen_number == SIGUSR1, "%s: %d runs, number %d", setters[i].name,
		    (int)runs, (int)seen_number);
		expect_dumps(1);
		EXPECT(shown().sa_handler == (setters[i].is_once ? SIG_DFL : plain), "%s: afterwards",
		    setters[i].name);
		before = setters[i].set(SIGUSR1, SIG_DFL);
		EXPECT(before == (setters[i].is_once ? SIG_DFL : plain), "%s gave another handler back",
		    setters[i].name);
		EXPECT(shown().sa_handler == SIG_DFL, "%s: the default is not back", setters[i].name);
	}
}

static void sigset_with_SIG_HOLD_blocks_and_gives_back(void)
{
	sigset_t mask;

	begin();
	signal(SIGUSR1, plain);
	EXPECT(sigset(SIGUSR1, SIG_HOLD) == plain, "what was set before SIG_HOLD");
	sigprocmask(SIG_BLOCK, NULL, &mask);
	EXPECT(sigismember(&mask, SIGUSR1) == 1, "SIGUSR1 is not blocked");
	raise(SIGUSR1);
	EXPECT(runs == 0, "ran while held");
	EXPECT(sigset(SIGUSR1, plain) == SIG_HOLD, "SIG_HOLD is not given back");
	EXPECT(runs == 1, "%d runs", (int)runs);
	expect_dumps(1);
	signal(SIGUSR1, SIG_DFL);
}

static void sigignore_and_siginterrupt_work(void)
{
	begin();
	EXPECT(sigignore(SIGUSR1) == 0 && shown().sa_handler == SIG_IGN, "sigignore");
	raise(SIGUSR1);
	expect_dumps(1);
	signal(SIGUSR1, plain);
	EXPECT(siginterrupt(SIGUSR1, 1) == 0 && !(shown().sa_flags & SA_RESTART), "siginterrupt(1)");
	EXPECT(siginterrupt(SIGUSR1, 0) == 0 && (shown().sa_flags & SA_RESTART), "siginterrupt(0)");
	EXPECT(shown().sa_handler == plain, "siginterrupt lost the handler");
	signal(SIGUSR1, SIG_DFL);
}
#pragma GCC diagnostic pop

static void SA_RESETHAND_runs_a_handler_once(void)
{
	struct sigaction action = {.sa_handler = plain, .sa_flags = (int)SA_RESETHAND};

	begin();
	REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0, "errno %d", errno);
	EXPECT(shown().sa_flags & (int)SA_RESETHAND, "flags 0x%x", (unsigned)shown().sa_flags);
	raise(SIGUSR1);
	EXPECT(runs == 1 && shown().sa_handler == SIG_DFL, "%d runs", (int)runs);
	expect_dumps(1);
	if (harness_is_under("weir")) {
		raise(SIGUSR1);
		EXPECT(runs == 1, "%d runs", (int)runs);
		expect_dumps(1);
	}
}

static void SIG_IGN_is_shown_back_and_nothing_runs(void)
{
	begin();
	signal(SIGUSR1, plain);
	EXPECT(signal(SIGUSR1, SIG_IGN) == plain, "what was before");
	EXPECT(shown().sa_handler == SIG_IGN, "%p", (void *)(uintptr_t)shown().sa_handler);
	raise(SIGUSR1);
	EXPECT(runs == 0, "%d runs", (int)runs);
	expect_dumps(1);
	EXPECT(signal(SIGUSR1, SIG_DFL) == SIG_IGN, "SIG_IGN is not given back");
}

static void SA_SIGINFO_brings_the_value_of_sigqueue(void)
{
	struct sigaction action = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO};
	union sigval value = {.sival_int = 4711};

	begin();
	REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0, "errno %d", errno);
	EXPECT(
	    (shown().sa_flags & SA_SIGINFO) && shown().sa_sigaction == with_info, "another handler is shown");
	REQUIRE(sigqueue(getpid(), SIGUSR1, value) == 0, "errno %d", errno);
	EXPECT(runs == 1 && seen_value == 4711 && seen_code == SI_QUEUE && seen_number == SIGUSR1,
	    "%d runs, value %d, code %d", (int)runs, (int)seen_value, (int)seen_code);
	expect_dumps(1);
	signal(SIGUSR1, SIG_DFL);
}

static void the_handlers_mask_is_the_programs(void)
{
	struct sigaction action = {.sa_handler = plain};

	begin();
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGUSR2);
	REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0, "errno %d", errno);
	raise(SIGUSR1);
	EXPECT(was_usr1_blocked && was_usr2_blocked, "USR1 %d, USR2 %d", (int)was_usr1_blocked,
	    (int)was_usr2_blocked);
	struct sigaction old = shown();

	EXPECT(sigismember(&old.sa_mask, SIGUSR2) == 1 && sigismember(&old.sa_mask, SIGTERM) == 0,
	    "another mask is shown");
	sigemptyset(&action.sa_mask);
	action.sa_flags = SA_NODEFER;
	REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0, "errno %d", errno);
	raise(SIGUSR1);
	EXPECT(!was_usr1_blocked && !was_usr2_blocked, "with SA_NODEFER: USR1 %d, USR2 %d",
	    (int)was_usr1_blocked, (int)was_usr2_blocked);
	expect_dumps(2);
	signal(SIGUSR1, SIG_DFL);
}

/* A child signals this process while it reads, and writes a byte later. */
static ssize_t read_while_signalled(int flags)
{
	struct sigaction action = {.sa_handler = plain, .sa_flags = flags};
	int ends[2], status;
	char byte;

	if (!EXPECT(pipe(ends) == 0 && sigaction(SIGUSR1, &action, NULL) == 0, "errno %d", errno))
		return -2;
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		sleep_ms(150);
		kill(parent, SIGUSR1);
		sleep_ms(300);
		ssize_t ignored = write(ends[1], "x", 1);

		(void)ignored;
		_exit(0);
	}
	errno = 0;
	ssize_t got = read(ends[0], &byte, 1);
	int saved_errno = errno;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	close(ends[0]);
	close(ends[1]);
	errno = saved_errno;
	return got;
}

static void SA_RESTART_is_kept_on_and_off(void)
{
	begin();
	ssize_t got = read_while_signalled(SA_RESTART);

	EXPECT(got == 1 && runs == 1, "with SA_RESTART: %zd, errno %d, %d runs", got, errno, (int)runs);
	runs = 0;
	got = read_while_signalled(0);
	EXPECT(got == -1 && errno == EINTR && runs == 1, "without: %zd, errno %d, %d runs", got, errno,
	    (int)runs);
	expect_dumps(2);
	signal(SIGUSR1, SIG_DFL);
}

static void tiny(int number)
{
	(void)number;
	runs++;
	seen_stack = __builtin_frame_address(0);
}

/* What the kernel writes there, 1 KiB for the handler, and before it a page that may not be touched. */
static void a_handler_on_a_stack_of_MINSIGSTKSZ_and_1_KiB_runs(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), least = (size_t)sysconf(_SC_MINSIGSTKSZ);
	size_t size = least + 1024, room = (size + page - 1) / page * page;
	char *memory = mmap(NULL, page + room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = {.ss_sp = memory + page, .ss_size = size}, none = {.ss_flags = SS_DISABLE};
	struct sigaction action = {.sa_handler = tiny, .sa_flags = SA_ONSTACK};

	begin();
	REQUIRE(memory != MAP_FAILED && mprotect(memory, page, PROT_NONE) == 0, "errno %d", errno);
	REQUIRE(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0, "errno %d", errno);
	raise(SIGUSR1);
	EXPECT(runs == 1, "%d runs", (int)runs);
	EXPECT((char *)seen_stack >= memory + page && (char *)seen_stack < memory + page + size,
	    "the handler ran on another stack: %p", seen_stack);
	expect_dumps(1);
	signal(SIGUSR1, SIG_DFL);
	sigaltstack(&none, NULL);
}

static void nothing(int number)
{
	(void)number;
}

/* How many bytes of a painted stack a signal's delivery and its handler write to. */
static size_t stack_used_by(int number, void (*handler)(int))
{
	enum { SIZE = 256 * 1024 };
	static unsigned char memory[SIZE] __attribute__((aligned(64)));
	stack_t stack = {.ss_sp = memory, .ss_size = SIZE}, none = {.ss_flags = SS_DISABLE};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	size_t untouched = 0;

	memset(memory, 0xA5, SIZE);
	if (sigaltstack(&stack, NULL) != 0 || sigaction(number, &action, NULL) != 0)
		return SIZE;
	raise(number);
	while (untouched < SIZE && memory[untouched] == 0xA5)
		untouched++;
	sigaltstack(&none, NULL);
	signal(number, SIG_DFL);
	return SIZE - untouched;
}

/* The whole of a dump, without what a signal itself takes; for a process that is started for it. */
static int print_stack_of_dump(void)
{
	size_t without = stack_used_by(SIGUSR2, nothing), with = stack_used_by(SIGUSR1, nothing);

	printf("%zu\n", with - without);
	return 0;
}

/* Many programs give a handler MINSIGSTKSZ and what their own one needs. */
static void a_dump_in_any_form_needs_less_than_900_bytes_of_stack(void)
{
	static const char *const forms[] = {"text", "json", "openmetrics"};
	/* UBSan's checks widen the frames of what they are built into. */
	const char *sanitizers = getenv("TEST_SANITIZERS");
	size_t bound = sanitizers != NULL && sanitizers[0] != '\0' ? 1100 : 900;

	for (unsigned i = 0; i < ARRAY_LENGTH(forms); i++) {
		char command[256];
		size_t bytes = SIZE_MAX;
		FILE *pipe;

		snprintf(command, sizeof command, "WEIR_DUMP_FORMAT=%s exec /proc/%d/exe --inner-stack",
		    forms[i], (int)getpid());
		pipe = popen(command, "re");
		REQUIRE(pipe != NULL, "errno %d", errno);
		/* NOLINTNEXTLINE(cert-err34-c): our own number */
		EXPECT(fscanf(pipe, "%zu", &bytes) == 1, "no figure");
		EXPECT(pclose(pipe) == 0, "%s: it did not end well", forms[i]);
		EXPECT(bytes < bound, "%s: %zu bytes", forms[i], bytes);
		if (harness_is_under("weir"))
			EXPECT(bytes > 0, "%s: no dump", forms[i]);
	}
}

static void *raise_in_thread(void *argument)
{
	pthread_kill(pthread_self(), SIGUSR1);
	return work_some(5, 50) ? argument : NULL;
}

static void a_signal_in_a_thread_with_a_small_stack_is_taken(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	void *result = NULL;

	begin();
	signal(SIGUSR1, plain);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	REQUIRE(pthread_create(&thread, &attributes, raise_in_thread, (void *)1) == 0, "pthread_create");
	pthread_join(thread, &result);
	EXPECT(result != NULL && runs == 1, "%d runs", (int)runs);
	expect_dumps(1);
	signal(SIGUSR1, SIG_DFL);
}

static void a_signal_keeps_errno(void)
{
	begin();
	signal(SIGUSR1, plain);
	errno = 4095;
	raise(SIGUSR1);
	EXPECT(errno == 4095, "errno is %d", errno);
	if (harness_is_under("weir")) {
		signal(SIGUSR1, SIG_DFL);
		errno = 4095;
		raise(SIGUSR1);
		EXPECT(errno == 4095, "without a handler: errno is %d", errno);
	}
	signal(SIGUSR1, SIG_DFL);
}

static void other_signals_are_untouched(void)
{
	struct sigaction action;

	begin();
	for (int number = 1; number < 32; number++) {
		if (number == SIGKILL || number == SIGSTOP || number == SIGUSR1)
			continue;
		/* The harness watches a few; nothing else has a handler. */
		REQUIRE(sigaction(number, NULL, &action) == 0, "signal %d", number);
		if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)
			EXPECT(false, "signal %d has a handler", number);
	}
	signal(SIGUSR2, plain);
	raise(SIGUSR2);
	EXPECT(runs == 1, "%d runs", (int)runs);
	sleep_ms(50);
	EXPECT(dump_count(NULL) == dumps_before, "a dump for SIGUSR2");
}

static const struct test tests[] = {
    {"at_first_the_default_is_shown", at_first_the_default_is_shown, 0},
    {"a_handler_set_by_any_function_is_shown_and_runs_and_a_dump_is_written",
	a_handler_set_by_any_function_is_shown_and_runs_and_a_dump_is_written, TEST_CHILD},
    {"sigset_with_SIG_HOLD_blocks_and_gives_back", sigset_with_SIG_HOLD_blocks_and_gives_back, TEST_CHILD},
    {"sigignore_and_siginterrupt_work", sigignore_and_siginterrupt_work, TEST_CHILD},
    {"SA_RESETHAND_runs_a_handler_once", SA_RESETHAND_runs_a_handler_once, TEST_CHILD},
    {"SIG_IGN_is_shown_back_and_nothing_runs", SIG_IGN_is_shown_back_and_nothing_runs, TEST_CHILD},
    {"SA_SIGINFO_brings_the_value_of_sigqueue", SA_SIGINFO_brings_the_value_of_sigqueue, TEST_CHILD},
    {"the_handlers_mask_is_the_programs", the_handlers_mask_is_the_programs, TEST_CHILD},
    {"SA_RESTART_is_kept_on_and_off", SA_RESTART_is_kept_on_and_off, TEST_CHILD},
    {"a_handler_on_a_stack_of_MINSIGSTKSZ_and_1_KiB_runs", a_handler_on_a_stack_of_MINSIGSTKSZ_and_1_KiB_runs,
	TEST_CHILD},
    {"a_dump_in_any_form_needs_less_than_900_bytes_of_stack",
	a_dump_in_any_form_needs_less_than_900_bytes_of_stack, TEST_CHILD},
    {"a_signal_in_a_thread_with_a_small_stack_is_taken", a_signal_in_a_thread_with_a_small_stack_is_taken,
	TEST_CHILD},
    {"a_signal_keeps_errno", a_signal_keeps_errno, TEST_CHILD},
    {"other_signals_are_untouched", other_signals_are_untouched, TEST_CHILD},
};

int main(int argc, char **argv)
{
	const struct suite suites[] = {SUITE(tests)};

	if (argc == 2 && strcmp(argv[1], "--inner-stack") == 0)
		return print_stack_of_dump();
	return harness_run(argc, argv, suites, 1);
}
