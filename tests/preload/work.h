/*
 * work.h -- what the bad neighbours do with memory, and how they count dumps.
 *
 * work_some() takes and gives back buffers of every kind with their content
 * checked; it uses no stdio, so a confined process may call it.
 */
#ifndef WEIR_TESTS_WORK_H
#define WEIR_TESTS_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* Random replacement, 1 B to 2 MiB; false if a request failed or a buffer was disturbed. */
bool work_some(uint64_t seed, unsigned replacements);

/* The same until *stop is true; counts replacements in *progress. */
void work_until(uint64_t seed, const volatile bool *stop, volatile unsigned long *progress);

/* The same for so long. */
bool work_for_ms(uint64_t seed, unsigned ms);

void sleep_ms(unsigned ms);

/* Files in $TEST_DUMPS whose name holds `part` (NULL: any). */
size_t dump_count(const char *part);

/* Wait until there are that many; false after five seconds. */
bool dump_wait(const char *part, size_t count);

/* A number of /proc/self/status, like "Threads:" or "VmRSS:"; -1 if it is not there. */
long status_number(const char *field);

#endif
