/*
 * pattern.h -- fill a buffer so that a stranger's write into it is seen, and a
 * small random generator. Pure; any thread.
 *
 * Byte i holds a function of the seed and i. A sparse pattern touches, above
 * PATTERN_SPARSE_MIN bytes, the first and last 64 bytes and one word per 64
 * bytes between: enough to see two buffers that overlap, at an eighth of the
 * memory traffic.
 */
#ifndef WEIR_TESTS_PATTERN_H
#define WEIR_TESTS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PATTERN_SPARSE_MIN 16384
#define PATTERN_OK SIZE_MAX

static inline uint64_t random_next(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	uint64_t z = *state;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Log-uniform in [1, 1 << bits). */
static inline size_t random_size(uint64_t *state, unsigned bits)
{
	size_t base = (size_t)1 << (random_next(state) % bits);

	return base + random_next(state) % base;
}

static inline uint64_t pattern_word(uint64_t seed, size_t i)
{
	return (seed + i) * 0xff51afd7ed558ccdu ^ seed >> 17;
}

static inline unsigned char pattern_byte(uint64_t seed, size_t i)
{
	return (unsigned char)(pattern_word(seed, i & ~(size_t)7) >> (i & 7) * 8);
}

enum pattern_density {
	PATTERN_SPARSE, /* fill and check with the same size */
	PATTERN_DENSE,	/* every byte; any prefix may be checked */
};

/* Where the next stretch of 8 bytes that is looked at starts. */
static inline size_t pattern_step(size_t i, size_t size, enum pattern_density density)
{
	bool is_dense = density == PATTERN_DENSE || size <= PATTERN_SPARSE_MIN || i < 64 || i + 128 >= size;

	return is_dense ? i + 8 : i + 64;
}

static inline void pattern_fill(void *buffer, size_t size, uint64_t seed, enum pattern_density density)
{
	unsigned char *p = buffer;
	size_t i;

	for (i = 0; i + 8 <= size; i = pattern_step(i, size, density)) {
		uint64_t word = pattern_word(seed, i);

		memcpy(p + i, &word, 8);
	}
	for (i = size & ~(size_t)7; i < size; i++)
		p[i] = pattern_byte(seed, i);
}

/* The offset of the first difference, or PATTERN_OK. */
static inline size_t pattern_check(
    const void *buffer, size_t size, uint64_t seed, enum pattern_density density)
{
	const unsigned char *p = buffer;
	size_t i;

	for (i = 0; i + 8 <= size; i = pattern_step(i, size, density)) {
		uint64_t word;

		memcpy(&word, p + i, 8);
		if (word != pattern_word(seed, i))
			return i;
	}
	for (i = size & ~(size_t)7; i < size; i++)
		if (p[i] != pattern_byte(seed, i))
			return i;
	return PATTERN_OK;
}

#endif
