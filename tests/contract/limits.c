/*
 * limits.c -- malloc under RLIMIT_AS: NULL and ENOMEM, then life goes on.
 *
 * The limit is set before exec, so that the allocator meets it at its start,
 * and, in another test, while the program runs. Memory is not touched.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/common/pattern.h"
#include "tests/contract/contract.h"

#define LIMIT ((rlim_t)400000 << 10)

/* Take blocks until there are none, give them back, and take some again. */
static bool exhaust(size_t size)
{
	static void *blocks[200000];
	size_t count = 0;

	errno = 0;
	while (count < ARRAY_LENGTH(blocks) && (blocks[count] = malloc(size)) != NULL)
		count++;
	if (!EXPECT(count < ARRAY_LENGTH(blocks), "%zu blocks of %zu bytes under a limit of %zu", count, size,
		(size_t)LIMIT) ||
	    !EXPECT(errno == ENOMEM, "errno is %d after %zu blocks of %zu bytes", errno, count, size))
		return false;
	EXPECT(count * size > 32 * MIB, "only %zu blocks of %zu bytes", count, size);
	errno = 0;
	void *p = calloc(4, size);

	EXPECT(p == NULL && errno == ENOMEM, "calloc is %p, errno %d", p, errno);
	errno = 0;
	p = count > 0 ? realloc(blocks[0], LIMIT) : NULL;
	EXPECT(p == NULL && errno == ENOMEM, "realloc is %p, errno %d", p, errno);
	for (size_t i = 0; i < count; i++)
		free(blocks[i]);
	for (size_t i = 0; i < 4; i++) {
		blocks[i] = malloc(size);
		if (!EXPECT(blocks[i] != NULL, "block %zu of %zu bytes after all were freed", i, size))
			return false;
		pattern_fill(blocks[i], size, i, PATTERN_SPARSE);
	}
	for (size_t i = 0; i < 4; i++) {
		EXPECT(pattern_check(blocks[i], size, i, PATTERN_SPARSE) == PATTERN_OK,
		    "block %zu of %zu bytes", i, size);
		free(blocks[i]);
	}
	return true;
}

static void *exhaust_in_thread(void *size)
{
	return exhaust(*(size_t *)size) ? size : NULL;
}

/* where: main or thread, and the blocks' size. */
int contract_inner_limit(const char *where)
{
	char *end;
	size_t size = strtoull(strpbrk(where, "0123456789"), &end, 10);
	pthread_t thread;
	void *result = NULL;

	if (strncmp(where, "thread", 6) != 0)
		return exhaust(size) ? 0 : 1;
	if (!EXPECT(pthread_create(&thread, NULL, exhaust_in_thread, &size) == 0, "pthread_create"))
		return 1;
	pthread_join(thread, &result);
	return result != NULL ? 0 : 1;
}

static void run_again_under_limit(const char *where)
{
	struct rlimit limit = {LIMIT, LIMIT};
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_AS, &limit);
		execl(contract_program, "contract", "--inner-limit", where, (char *)NULL);
		_exit(127);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: the child's status is 0x%x", where,
	    (unsigned)status);
}

static void malloc_in_the_main_thread_gives_NULL_under_RLIMIT_AS(void)
{
	run_again_under_limit("main 262144");
	run_again_under_limit("main 8388608");
}

static void malloc_in_a_thread_gives_NULL_under_RLIMIT_AS(void)
{
	run_again_under_limit("thread 262144");
	run_again_under_limit("thread 8388608");
}

static size_t address_space_in_use(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL || fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	if (file != NULL)
		fclose(file);
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void a_limit_that_comes_later_gives_NULL_for_what_is_not_mapped(void)
{
	struct rlimit limit;
	void *before = malloc(100 * KIB);

	limit.rlim_cur = limit.rlim_max = address_space_in_use() + 64 * MIB;
	REQUIRE(before != NULL && limit.rlim_cur > 64 * MIB, "%p", before);
	pattern_fill(before, 100 * KIB, 1, PATTERN_SPARSE);
	REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0, "errno %d", errno);

	/* Larger than any pool's buffer, so a range that was reserved before does not count. */
	void *block[4];
	size_t count = 0;

	errno = 0;
	while (count < ARRAY_LENGTH(block) && (block[count] = malloc(80 * MIB)) != NULL)
		count++;
	EXPECT(
	    count < ARRAY_LENGTH(block) && errno == ENOMEM, "%zu blocks of 80 MiB, errno %d", count, errno);
	while (count > 0)
		free(block[--count]);
	EXPECT(pattern_check(before, 100 * KIB, 1, PATTERN_SPARSE) == PATTERN_OK, "an older buffer changed");
	for (size_t i = 0; i < contract_size_count && contract_sizes[i] <= 4 * MIB; i++) {
		void *p = malloc(contract_sizes[i]);

		REQUIRE(p != NULL, "malloc(%zu) with 64 MiB to go", contract_sizes[i]);
		memset(p, 1, contract_sizes[i]);
		free(p);
	}
	free(before);
}

static void realloc_past_a_limit_that_comes_later_gives_NULL(void)
{
	struct rlimit limit;
	size_t size = 5 * MIB;
	char *p = malloc(size), *grown = p;

	limit.rlim_cur = limit.rlim_max = address_space_in_use() + 64 * MIB;
	REQUIRE(p != NULL && limit.rlim_cur > 64 * MIB, "%p", (void *)p);
	pattern_fill(p, size, 1, PATTERN_SPARSE);
	REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0, "errno %d", errno);
	errno = 0;
	while (grown != NULL && size < 400 * MIB) {
		size += 4 * MIB;
		grown = realloc(p, size);
		p = grown != NULL ? grown : p;
	}
	EXPECT(grown == NULL && errno == ENOMEM, "grown to %zu MiB, errno %d", size >> 20, errno);
	EXPECT(pattern_check(p, 5 * MIB, 1, PATTERN_SPARSE) == PATTERN_OK, "what was in it changed");
	free(p);
}

/* Of blocks of one size: whether there are 100 MiB. All are freed. */
static bool has_100_MiB(size_t size)
{
	static void *blocks[500000];
	size_t count = 0;
	bool is_enough;

	while (count * size < 100 * MIB && (blocks[count] = malloc(size)) != NULL)
		count++;
	is_enough = count * size >= 100 * MIB;
	while (count > 0)
		free(blocks[--count]);
	return is_enough;
}

/* What an allocator has only reserved is no reason for a program to get nothing. */
static void a_limit_that_comes_later_leaves_what_is_below_it(void)
{
	static const size_t sizes[] = {256, 2000, 20000, 300000, 5000000};
	const struct rlimit limit = {2048 * MIB, 2048 * MIB};
	void *before = malloc(100 * KIB);

	REQUIRE(before != NULL, "errno %d", errno);
	pattern_fill(before, 100 * KIB, 1, PATTERN_SPARSE);
	REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0, "errno %d", errno);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		EXPECT(has_100_MiB(sizes[i]), "blocks of %zu bytes", sizes[i]);
	EXPECT(pattern_check(before, 100 * KIB, 1, PATTERN_SPARSE) == PATTERN_OK, "an older buffer changed");
	free(before);
	EXPECT(malloc(limit.rlim_cur) == NULL && errno == ENOMEM, "the limit does not hold");
}

static const struct test tests[] = {
    {"malloc_in_the_main_thread_gives_NULL_under_RLIMIT_AS",
	malloc_in_the_main_thread_gives_NULL_under_RLIMIT_AS, TEST_GLIBC},
    {"malloc_in_a_thread_gives_NULL_under_RLIMIT_AS", malloc_in_a_thread_gives_NULL_under_RLIMIT_AS,
	TEST_GLIBC},
    {"a_limit_that_comes_later_gives_NULL_for_what_is_not_mapped",
	a_limit_that_comes_later_gives_NULL_for_what_is_not_mapped, TEST_GLIBC},
    {"realloc_past_a_limit_that_comes_later_gives_NULL", realloc_past_a_limit_that_comes_later_gives_NULL,
	TEST_GLIBC},
    {"a_limit_that_comes_later_leaves_what_is_below_it", a_limit_that_comes_later_leaves_what_is_below_it,
	TEST_GLIBC},
};
const struct suite limit_suite = SUITE(tests);
