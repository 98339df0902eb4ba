/*
 * confine.c -- processes that shut themselves in, and descriptors taken away.
 *
 * Each test runs in a child, confines it, lets the heap work for long enough
 * that maintenance falls due (run.sh makes its intervals short) and looks at
 * what still holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/common/harness.h"
#include "tests/preload/work.h"

#define NOBODY 65534
#define WORK_MS 1200

static void raise_if_weir(void)
{
	if (harness_is_under("weir"))
		raise(SIGUSR1);
}

static void a_program_in_a_chroot_allocates(void)
{
	char root[] = "/tmp/weir-chroot.XXXXXX";

	if (geteuid() != 0) {
		harness_skip("not root");
		return;
	}
	REQUIRE(work_some(1, 300) && mkdtemp(root) != NULL, "errno %d", errno);
	int outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_in = chroot(root) == 0 && chdir("/") == 0;

	EXPECT(is_in, "errno %d", errno);
	EXPECT(work_for_ms(2, WORK_MS), "in the chroot");
	raise_if_weir(); /* there is no directory for the dump: it is said, not fatal */
	EXPECT(work_some(3, 300), "after the signal");
	if (fchdir(outside) == 0 && chroot(".") == 0)
		rmdir(root);
	close(outside);
}

static void a_program_that_became_nobody_allocates(void)
{
	if (geteuid() != 0) {
		harness_skip("not root");
		return;
	}
	REQUIRE(work_some(1, 300) && setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "errno %d", errno);
	EXPECT(work_for_ms(2, WORK_MS), "as nobody");
	raise_if_weir();
	EXPECT(work_some(3, 300), "after the signal");
}

/* The limit can be lowered to what is there; whether that is enough for all is for the size to say. */
static void a_program_that_locks_its_memory_is_not_refused_for_the_range(void)
{
	struct rlimit limit;

	if (geteuid() != 0) {
		harness_skip("not root");
		return;
	}
	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_max > 1024 * MIB)
		limit.rlim_max = 1024 * MIB;
	limit.rlim_cur = limit.rlim_max;
	REQUIRE(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "errno %d", errno);
	REQUIRE(work_some(1, 300) && setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "errno %d", errno);
	int result = mlockall(MCL_CURRENT);

	EXPECT(status_number("VmSize:") <= 1024 * 1024, "%ld KiB", status_number("VmSize:"));
	EXPECT(result == 0 || limit.rlim_max < 512 * MIB, "errno %d", errno);
	EXPECT(work_some(3, 300), "with memory locked");
}

static bool install_filter(struct sock_filter *code, size_t count)
{
	struct sock_fprog program = {(unsigned short)count, code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#define NUMBER_OF_CALL BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* If it is this call, go on with the next statement, else skip it. */
#define IF_CALL(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1)
#define ALLOW_CALL(number) IF_CALL(number), ALLOW

static void madvise_that_is_refused_does_no_harm(void)
{
	struct sock_filter filter[] = {NUMBER_OF_CALL, IF_CALL(SYS_madvise), REFUSE, ALLOW};

	REQUIRE(work_some(1, 300), "before");
	REQUIRE(install_filter(filter, ARRAY_LENGTH(filter)), "errno %d", errno);
	REQUIRE(madvise((void *)(uintptr_t)4096, 4096, MADV_DONTNEED) == -1 && errno == EPERM,
	    "the filter is not on");
	EXPECT(work_for_ms(2, WORK_MS), "with madvise refused");
	/* What was not purged must not be taken for zero. */
	for (unsigned i = 0; i < 300; i++) {
		unsigned char *p = malloc(100000), *q;

		memset(p, 0xaa, 100000);
		free(p);
		if (i % 50 == 0)
			sleep_ms(100);
		q = calloc(1, 100000);
		for (size_t k = 0; k < 100000; k += 8)
			REQUIRE(q[k] == 0, "round %u: calloc's byte %zu is 0x%x", i, k, q[k]);
		free(q);
	}
	/* Large ones, too, which an allocator may give back at once, and so many that its caches overflow. */
	for (size_t size = 4096; size <= 64 * MIB; size *= 2) {
		char *p[32];

		for (size_t i = 0; i < ARRAY_LENGTH(p); i++) {
			p[i] = malloc(size);
			REQUIRE(p[i] != NULL, "%zu bytes", size);
			p[i][0] = p[i][size - 1] = 1;
		}
		for (size_t i = 0; i < ARRAY_LENGTH(p); i++) {
			errno = 4095;
			free(p[i]);
			EXPECT(errno == 4095, "free of %zu bytes made errno %d", size, errno);
		}
	}
	/* Aligned to more than a page: what is served elsewhere, and purged in free. */
	for (size_t i = 0; i < 8; i++) {
		char *p = NULL;

		REQUIRE(posix_memalign((void **)&p, 64 * KIB, 16 * MIB) == 0, "16 MiB at 64 KiB");
		p[0] = p[16 * MIB - 1] = 1;
		errno = 4095;
		free(p);
		EXPECT(errno == 4095, "free of an aligned block made errno %d", errno);
	}
	raise_if_weir();
	EXPECT(work_some(3, 300), "after the signal");
}

static void a_filter_that_allows_a_short_list_lets_the_heap_work(void)
{
	struct sock_filter filter[] = {
	    NUMBER_OF_CALL,
	    ALLOW_CALL(SYS_read),
	    ALLOW_CALL(SYS_write),
	    ALLOW_CALL(SYS_exit),
	    ALLOW_CALL(SYS_exit_group),
	    ALLOW_CALL(SYS_rt_sigreturn),
	    ALLOW_CALL(SYS_brk),
	    ALLOW_CALL(SYS_mmap),
	    ALLOW_CALL(SYS_munmap),
	    ALLOW_CALL(SYS_futex),
	    REFUSE,
	};

	REQUIRE(work_some(1, 300), "before");
	REQUIRE(install_filter(filter, ARRAY_LENGTH(filter)), "errno %d", errno);
	REQUIRE(syscall(SYS_getppid) == -1 && errno == EPERM, "the filter is not on");
	EXPECT(work_for_ms(2, WORK_MS), "with a short list of calls");
	EXPECT(work_some(3, 500), "once more");
}

/* A sandbox that kills is written with libc's malloc in mind: what that one calls, and files that are read. */
static void a_filter_that_kills_does_not_meet_a_call_that_malloc_never_makes(void)
{
	struct sock_filter filter[] = {
	    NUMBER_OF_CALL,
	    ALLOW_CALL(SYS_read),
	    ALLOW_CALL(SYS_write),
	    ALLOW_CALL(SYS_close),
	    ALLOW_CALL(SYS_openat),
	    ALLOW_CALL(SYS_exit),
	    ALLOW_CALL(SYS_exit_group),
	    ALLOW_CALL(SYS_rt_sigreturn),
	    ALLOW_CALL(SYS_rt_sigprocmask),
	    ALLOW_CALL(SYS_brk),
	    ALLOW_CALL(SYS_mmap),
	    ALLOW_CALL(SYS_munmap),
	    ALLOW_CALL(SYS_mremap),
	    ALLOW_CALL(SYS_mprotect),
	    ALLOW_CALL(SYS_madvise),
	    ALLOW_CALL(SYS_futex),
	    ALLOW_CALL(SYS_sched_yield),
	    ALLOW_CALL(SYS_clock_gettime),
	    ALLOW_CALL(SYS_getrandom),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};

	REQUIRE(work_some(1, 300), "before");
	REQUIRE(install_filter(filter, ARRAY_LENGTH(filter)), "errno %d", errno);
	EXPECT(work_for_ms(2, WORK_MS), "under a filter that kills");
	EXPECT(work_some(3, 500), "once more");
}

/* Bytes that are private and writable: what locking all memory would fill. */
static size_t writable_bytes(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[600];
	size_t sum = 0;

	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		unsigned long start, end;
		char access[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, access) == 3 && access[1] == 'w' &&
		    access[3] == 'p')
			sum += end - start;
	}
	if (file != NULL)
		fclose(file);
	return sum;
}

static void mlockall_locks_no_more_than_is_in_use(void)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	REQUIRE(work_some(1, 300), "before");
	/* root with CAP_IPC_LOCK needs no limit raised. */
	bool is_unlimited = setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0 || geteuid() == 0;
	/* Looked at before, or a machine without memory would be the message. */
	REQUIRE(writable_bytes() < (size_t)1 << 30, "%zu bytes would be locked", writable_bytes());
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
		EXPECT(!is_unlimited || errno == EPERM, "errno %d", errno);
		harness_skip("memory cannot be locked here");
		return;
	}
	EXPECT(work_for_ms(2, WORK_MS), "with all memory locked");
	EXPECT(status_number("VmRSS:") < 700000, "%ld KiB are resident", status_number("VmRSS:"));
	raise_if_weir();
	EXPECT(work_some(3, 300), "after the signal");
}

static void closefrom_takes_nothing_that_the_heap_needs(void)
{
	size_t before = dump_count(NULL);

	REQUIRE(work_some(1, 300), "before");
	closefrom(3);
	EXPECT(work_for_ms(2, WORK_MS), "after closefrom");
	/* A program's own file under a number that was ours, had we kept one. */
	int mine = open("/dev/null", O_WRONLY);

	EXPECT(mine == 3, "the lowest free descriptor is %d", mine);
	for (int i = 0; i < 200; i++)
		EXPECT(open("/dev/null", O_RDONLY) == 4 + i, "descriptor %d", 4 + i);
	EXPECT(work_for_ms(3, WORK_MS), "with new files open");
	EXPECT(fcntl(mine, F_GETFL) == O_WRONLY + (fcntl(mine, F_GETFL) & ~O_ACCMODE),
	    "descriptor 3 is another's");
	raise_if_weir();
	if (harness_is_under("weir"))
		EXPECT(dump_wait(NULL, before + 1), "no dump");
}

/* Nothing of the allocator's stands between a program and its low descriptors. */
static void the_first_file_opened_is_descriptor_3(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		closefrom(3);
		execl("/proc/self/exe", "confine", "--inner-lowest", (char *)NULL);
		_exit(127);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 3, "status 0x%x", (unsigned)status);
}

static void a_dump_comes_with_stdin_stdout_and_stderr_closed(void)
{
	size_t before = dump_count(NULL);
	int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 500);

	REQUIRE(saved >= 500 && work_some(1, 300), "errno %d", errno);
	close(0);
	close(1);
	close(2);
	raise_if_weir();
	bool is_well = work_for_ms(2, WORK_MS);
	bool is_dumped = !harness_is_under("weir") || dump_wait(NULL, before + 1);
	int lowest = open("/dev/null", O_RDONLY);

	dup2(saved, STDOUT_FILENO);
	EXPECT(is_well, "the heap");
	EXPECT(is_dumped, "no dump");
	EXPECT(lowest == 0, "a descriptor below 3 was taken: the lowest free one is %d", lowest);
}

static void a_program_that_unshares_its_user_namespace_allocates(void)
{
	REQUIRE(work_for_ms(1, WORK_MS), "before");
	if (unshare(CLONE_NEWUSER) != 0) {
		/* EINVAL is what a process with a second thread gets. */
		EXPECT(errno != EINVAL, "unshare is refused as to a process with threads");
		harness_skip("this machine does not allow it");
		return;
	}
	EXPECT(work_for_ms(2, WORK_MS), "in the namespace");
}

static const struct test tests[] = {
    {"a_program_in_a_chroot_allocates", a_program_in_a_chroot_allocates, TEST_CHILD},
    {"a_program_that_locks_its_memory_is_not_refused_for_the_range",
	a_program_that_locks_its_memory_is_not_refused_for_the_range, TEST_CHILD},
    {"a_program_that_became_nobody_allocates", a_program_that_became_nobody_allocates, TEST_CHILD},
    {"madvise_that_is_refused_does_no_harm", madvise_that_is_refused_does_no_harm, TEST_CHILD},
    {"a_filter_that_allows_a_short_list_lets_the_heap_work",
	a_filter_that_allows_a_short_list_lets_the_heap_work, TEST_CHILD},
    {"a_filter_that_kills_does_not_meet_a_call_that_malloc_never_makes",
	a_filter_that_kills_does_not_meet_a_call_that_malloc_never_makes, TEST_CHILD},
    {"mlockall_locks_no_more_than_is_in_use", mlockall_locks_no_more_than_is_in_use, TEST_CHILD},
    {"closefrom_takes_nothing_that_the_heap_needs", closefrom_takes_nothing_that_the_heap_needs, TEST_CHILD},
    {"the_first_file_opened_is_descriptor_3", the_first_file_opened_is_descriptor_3, TEST_CHILD},
    {"a_dump_comes_with_stdin_stdout_and_stderr_closed", a_dump_comes_with_stdin_stdout_and_stderr_closed,
	TEST_CHILD},
    {"a_program_that_unshares_its_user_namespace_allocates",
	a_program_that_unshares_its_user_namespace_allocates, TEST_CHILD},
};

int main(int argc, char **argv)
{
	const struct suite suites[] = {SUITE(tests)};

	if (argc >= 2 && strcmp(argv[1], "--inner-lowest") == 0)
		return work_some(1, 300) ? open("/dev/null", O_RDONLY) : 1;
	return harness_run(argc, argv, suites, 1);
}
