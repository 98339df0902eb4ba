/*
 * mutate.h -- damaged JSON from good JSON: what a hostile or broken writer could hand out.
 */
#ifndef WEIR_TESTS_MUTATE_H
#define WEIR_TESTS_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#define MUTANT_BYTES_MAX (1u << 20)

/* The state of a xorshift generator; not 0. Equal seeds give equal mutants. */
struct random {
	uint64_t state;
};
uint64_t random_below(struct random *random, uint64_t bound);

/*
 * Write a mutant of the good text (length bytes) to mutant (MUTANT_BYTES_MAX bytes); returns its
 * length. One to six changes, each to a token (another type, a huge number, a hostile
 * text, taken out, doubled, swapped) or to the bytes (cut off, flipped, put in).
 */
size_t mutate(struct random *random, const char *good, size_t length, char *mutant);

#endif
