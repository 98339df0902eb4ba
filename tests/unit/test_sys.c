/*
 * test_sys.c -- what the pool relies on of the kernel, asked of the kernel that runs us.
 */
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "run_suite.h"

#define LENGTH (64 * PAGE_BYTES)

static bool is_filled(const unsigned char *bytes, size_t length, unsigned char with)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != with)
			return false;
	return true;
}

START_TEST(committed_pages_read_zero_and_keep_what_is_written)
{
	unsigned char *start = sys_reserve(LENGTH);
	ck_assert_ptr_nonnull(start);
	ck_assert_uint_eq((uintptr_t)start % PAGE_BYTES, 0);
	ck_assert(sys_commit(start + PAGE_BYTES, LENGTH / 2));
	ck_assert(is_filled(start + PAGE_BYTES, LENGTH / 2, 0));
	memset(start + PAGE_BYTES, 0xa5, LENGTH / 2);
	/* Committing again takes nothing away. */
	ck_assert(sys_commit(start, LENGTH));
	ck_assert(is_filled(start + PAGE_BYTES, LENGTH / 2, 0xa5));
	ck_assert(is_filled(start, PAGE_BYTES, 0));
	sys_release(start, LENGTH);
}
END_TEST

START_TEST(purged_pages_read_zero_and_their_neighbours_do_not)
{
	unsigned char *start = sys_reserve(LENGTH), resident[LENGTH / PAGE_BYTES];
	ck_assert(sys_commit(start, LENGTH));
	memset(start, 0x5a, LENGTH);
	ck_assert_int_eq(sys_purge(start + 3 * PAGE_BYTES, 5 * PAGE_BYTES), 0);
	ck_assert_int_eq(mincore(start, LENGTH, resident), 0);
	ck_assert((resident[2] & 1) == 1 && (resident[8] & 1) == 1);
	ck_assert(is_filled(start, 3 * PAGE_BYTES, 0x5a));
	ck_assert(is_filled(start + 8 * PAGE_BYTES, LENGTH - 8 * PAGE_BYTES, 0x5a));
	ck_assert(is_filled(start + 3 * PAGE_BYTES, 5 * PAGE_BYTES, 0));
	memset(start + 3 * PAGE_BYTES, 1, 5 * PAGE_BYTES);
	ck_assert(is_filled(start + 3 * PAGE_BYTES, 5 * PAGE_BYTES, 1));
	sys_release(start, LENGTH);
}
END_TEST

/* Ends with status. */
static void ck_child(int status)
{
	int got;
	ck_assert_int_eq(wait(&got) > 0, 1);
	ck_assert_msg(WIFEXITED(got) && WEXITSTATUS(got) == status, "status %d", got);
}

START_TEST(what_is_refused_is_said_and_errno_stays)
{
	if (fork() == 0) {
		struct rlimit limit = {256 * MIB, 256 * MIB};
		errno = EXFULL;
		if (sys_reserve((size_t)1 << 60) != NULL || errno != EXFULL)
			_exit(1);
		/* qemu-user lets it pass. */
		bool is_let_pass = madvise((void *)PAGE_BYTES, PAGE_BYTES, MADV_DONTNEED) == 0;
		errno = EXFULL;
		if ((sys_purge((void *)PAGE_BYTES, PAGE_BYTES) == 0) != is_let_pass || errno != EXFULL)
			_exit(2);
		if (sys_commit((void *)PAGE_BYTES, PAGE_BYTES) || errno != EXFULL)
			_exit(3);
		/* qemu-user takes a limit and forgets it. */
		if (setrlimit(RLIMIT_AS, &limit) != 0 || getrlimit(RLIMIT_AS, &limit) != 0)
			_exit(4);
		errno = EXFULL;
		if (sys_address_space_limit() !=
		    (limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur))
			_exit(4);
		if (sys_rseq_fence(0) && errno != EXFULL)
			_exit(5);
		sys_no_huge_pages((void *)PAGE_BYTES, PAGE_BYTES);
		sys_futex_wait(&(_Atomic uint32_t){1}, 0, 0);
		if (errno != EXFULL)
			_exit(6);
		_exit(42);
	}
	ck_child(42);
}
END_TEST

START_TEST(no_limit_on_address_space_is_the_largest_number)
{
	struct rlimit limit;
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_uint_eq(
	    sys_address_space_limit(), limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur);
}
END_TEST

START_TEST(cpus_are_counted_by_affinity_and_numbered_below_the_bound)
{
	unsigned bound = sys_cpu_bound();
	ck_assert_uint_ge(bound, 64);
	ck_assert_uint_eq(bound % 64, 0);
	ck_assert_uint_ge(sys_cpu_usable(), 1);
	ck_assert_uint_le(sys_cpu_usable(), bound);
	if (fork() == 0) {
		cpu_set_t all, one;
		int last = 0;
		if (sched_getaffinity(0, sizeof(all), &all) != 0)
			_exit(1);
		if ((unsigned)CPU_COUNT(&all) != sys_cpu_usable())
			_exit(2);
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &all))
				last = i;
		CPU_ZERO(&one);
		CPU_SET(last, &one);
		if (sched_setaffinity(0, sizeof(one), &one) != 0 || sys_cpu_usable() != 1)
			_exit(3);
		/* The bound is about numbers, not about how many. */
		if (sys_cpu_bound() != bound || sys_cpu_current() != (unsigned)last ||
		    sys_cpu_current() >= bound)
			_exit(4);
		_exit(42);
	}
	ck_child(42);
}
END_TEST

START_TEST(ram_is_what_sysconf_says)
{
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
	ck_assert_uint_ge(sys_ram_bytes(), pages * PAGE_BYTES / 16 * 15);
	ck_assert_uint_le(sys_ram_bytes(), pages * PAGE_BYTES / 15 * 16);
}
END_TEST

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static _Atomic uint32_t bell, is_up;

static void *ring(void *unused UNUSED)
{
	atomic_store(&is_up, 1);
	nanosleep(&(struct timespec){0, 20000000}, NULL);
	atomic_store(&bell, 1);
	sys_futex_wake(&bell, 1);
	return NULL;
}

START_TEST(what_cannot_be_read_is_told_without_a_signal)
{
	char *pages = mmap(NULL, 2 * PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t first = (uintptr_t)pages, second = first + PAGE_BYTES;

	ck_assert_ptr_ne(pages, MAP_FAILED);
	ck_assert_int_eq(mprotect(pages + PAGE_BYTES, PAGE_BYTES, PROT_NONE), 0);
	errno = EILSEQ;
	ck_assert(sys_is_readable(first) && sys_is_readable(second - 8));
	ck_assert(!sys_is_readable(second) && !sys_is_readable(second - 4));
	ck_assert(!sys_is_readable(0) && !sys_is_readable(8) && !sys_is_readable((uintptr_t)-8));
	ck_assert_int_eq(errno, EILSEQ);
	munmap(pages, 2 * PAGE_BYTES);
}
END_TEST

START_TEST(a_futex_sleeps_until_its_time_or_a_wake)
{
	pthread_t thread;
	uint64_t began = now_ns();
	sys_futex_wait(&bell, 0, 30 * MILLISECOND);
	ck_assert_uint_ge(now_ns() - began, 29 * MILLISECOND);
	/* Another value: no sleep at all, or this test would never end. */
	sys_futex_wait(&bell, 1, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, ring, NULL), 0);
	while (atomic_load(&bell) == 0)
		sys_futex_wait(&bell, 0, 0);
	pthread_join(thread, NULL);
}
END_TEST

static void *ask_whether_fences_may_be_had(void *answer)
{
	*(bool *)answer = sys_may_fence();
	return NULL;
}

/* The kernel's list of them stands before the line that counts filters. */
START_TEST(a_user_of_thousands_of_groups_is_under_no_filter)
{
	static gid_t groups[3000];
	int status = -1;
	pid_t child = geteuid() == 0 ? fork() : -1;

	if (child == 0) {
		pthread_t thread;
		bool may = false;

		for (size_t i = 0; i < ARRAY_LENGTH(groups); i++)
			groups[i] = (gid_t)(1000000 + i);
		if (setgroups(ARRAY_LENGTH(groups), groups) != 0)
			_exit(0);
		sys_start();
		if (pthread_create(&thread, NULL, ask_whether_fences_may_be_had, &may) != 0)
			_exit(2);
		pthread_join(thread, NULL);
		_exit(may ? 0 : 1);
	}
	if (child > 0) {
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
	}
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, committed_pages_read_zero_and_keep_what_is_written);
	tcase_add_test(tests, purged_pages_read_zero_and_their_neighbours_do_not);
	tcase_add_test(tests, what_is_refused_is_said_and_errno_stays);
	tcase_add_test(tests, no_limit_on_address_space_is_the_largest_number);
	tcase_add_test(tests, cpus_are_counted_by_affinity_and_numbered_below_the_bound);
	tcase_add_test(tests, a_user_of_thousands_of_groups_is_under_no_filter);
	tcase_add_test(tests, ram_is_what_sysconf_says);
	tcase_add_test(tests, what_cannot_be_read_is_told_without_a_signal);
	tcase_add_test(tests, a_futex_sleeps_until_its_time_or_a_wake);
}

int main(void)
{
	return run_suite("sys", add_tests);
}
