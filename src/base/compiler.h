/*
 * compiler.h -- the compiler's vocabulary, under names that say what is meant.
 */
#ifndef WEIR_BASE_COMPILER_H
#define WEIR_BASE_COMPILER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define EXPORT __attribute__((visibility("default")))
/* On the declaration of an object that the hot path uses: without it, its address is taken from the global
 * offset table or, where the linker knows better, into a register first. */
#define HIDDEN __attribute__((visibility("hidden")))
#define INLINE static inline __attribute__((always_inline))
#define COLD __attribute__((noinline, cold))
/* Its frame is not to stand on the stack below its caller's other calls. */
#define OWN_FRAME __attribute__((noinline))
#define UNUSED __attribute__((unused))

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* align is a power of two. */
#define ROUND_UP(n, align) (((n) + ((align)-1)) & ~((__typeof__(n))(align)-1))
#define ROUND_DOWN(n, align) ((n) & ~((__typeof__(n))(align)-1))

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* Durations are nanoseconds wherever they are not said to be ticks. */
#define MILLISECOND ((uint64_t)1000 * 1000)
#define SECOND (1000 * MILLISECOND)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

/* Plain words that one thread writes and others read; each use says in its
 * field's comment why no order is needed. */
#define LOAD_RELAXED(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE_RELAXED(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
/* The same of a word that may as well be read twice or late; so that gcc can make it the operand of the
 * instruction that uses it, which it does not do with what it is told is atomic. */
#if defined(__SANITIZE_THREAD__)
#define LOAD_HINT(p) LOAD_RELAXED(p)
#else
#define LOAD_HINT(p) (*(p))
#endif
#define LOAD_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define STORE_RELEASE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

#if defined(__SANITIZE_THREAD__)
#define WEIR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR_TSAN 1
#endif
#endif

/*
 * n + 1, added in place. Where n was just loaded from a line that is written next, gcc may make a lea into
 * another register of it, and the processor that all was measured on (AMD EPYC) takes 2 ns longer for that.
 */
INLINE uint32_t next_number(uint32_t n)
{
#if defined(__x86_64__)
	__asm__("addl $1, %0" : "+r"(n) : : "cc");
	return n;
#else
	return n + 1;
#endif
}

/* A function that reads words which others write, without their lock: each is whole, none is
 * trusted, as its comment says. ThreadSanitizer is told not to look at what it reads. */
#define UNLOCKED_READER __attribute__((no_sanitize("thread")))

#endif
