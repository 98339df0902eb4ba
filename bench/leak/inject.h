/*
 * inject.h -- what the parts of the injector share: stacks as modules and offsets, and the table of the
 * pointers that are followed. Nothing here takes a lock.
 */
#ifndef WEIR_LEAK_INJECT_H
#define WEIR_LEAK_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define HIDDEN __attribute__((visibility("hidden")))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define FRAMES_MAX 12
#define SITE_TEXT_MAX (FRAMES_MAX * 160)

static inline uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	return x ^ x >> 32;
}

/* --- injector_stack.c --- */

struct unwound {
	uintptr_t frames[FRAMES_MAX]; /* return addresses, the innermost first; none of ours */
	uint32_t count;
};

HIDDEN void modules_start(void);
HIDDEN void stack_unwind(struct unwound *stack);
/* MODULE+OFFSET,MODULE+OFFSET...: false while one of the modules is not loaded. */
HIDDEN bool site_parse(const char *text, struct unwound *stack);
/* The same as text of at most SITE_TEXT_MAX bytes; its length. */
HIDDEN int site_print(const uintptr_t *frames, uint32_t count, char *text);

/* --- injector_table.c --- */

/* What is known of a pointer that is followed. */
struct followed {
	uint32_t site; /* below 65535 */
	uint32_t born_ms, bytes;
};

/* A table that is full leaves p out, and counts it. */
HIDDEN void table_mark(void *p, uint32_t site, size_t bytes);
/* True if p was marked; it is not any more. */
HIDDEN bool table_unmark(const void *p, struct followed *was);
HIDDEN uint64_t table_unmarked(void);

#endif
