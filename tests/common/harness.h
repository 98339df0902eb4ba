/*
 * harness.h -- a table of tests that are run in turn, with TAP on stdout.
 *
 * For programs that run on whatever malloc the loader gave them. The harness
 * itself allocates nothing and uses no stdio stream, so what it counts is what
 * the tests did. EXPECT may be used from any thread.
 */
#ifndef WEIR_TESTS_HARNESS_H
#define WEIR_TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>

/* Run in a forked child: the test changes its process or may die. */
#define TEST_CHILD 1u
/* What glibc documents and jemalloc does otherwise: todo under jemalloc, and in a child. */
#define TEST_GLIBC 2u

struct test {
	const char *name;
	void (*run)(void);
	unsigned flags;
};

struct suite {
	const struct test *tests;
	size_t count;
};

#define SUITE(tests)                                                                                         \
	{                                                                                                    \
		(tests), sizeof(tests) / sizeof((tests)[0])                                                  \
	}

/* Is the allocator under test libc, jemalloc or weir, as --under says? */
bool harness_is_under(const char *allocator);

/* Run the tests whose name holds a word of argv (all when there is none); the exit status. */
int harness_run(int argc, char **argv, const struct suite *suites, size_t suite_count);

/* True if the condition holds; says so and fails the test where it does not. */
#define EXPECT(condition, ...)                                                                               \
	({                                                                                                   \
		bool expect_holds = (condition);                                                             \
		if (!expect_holds)                                                                           \
			harness_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);                           \
		expect_holds;                                                                                \
	})
/* The same, and leaves the (void) function. */
#define REQUIRE(condition, ...)                                                                              \
	do {                                                                                                 \
		if (!EXPECT(condition, __VA_ARGS__))                                                         \
			return;                                                                              \
	} while (0)

/* The message's arguments are only looked at when the condition does not hold. */
void harness_fail(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The running test does not apply here. */
void harness_skip(const char *reason);

#endif
