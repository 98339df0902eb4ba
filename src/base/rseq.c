/*
 * rseq.c -- whether restartable sequences are to be had.
 *
 * glibc 2.35 and later registers each thread and exports where; an older one, or
 * one told not to by GLIBC_TUNABLES=glibc.pthread.rseq=0, exports nothing or a size
 * of 0. The names are weak, so that Weir loads with either.
 */
#include "base/rseq.h"

extern const ptrdiff_t weir_rseq_offset __asm__("__rseq_offset") __attribute__((weak));
extern const unsigned int weir_rseq_size __asm__("__rseq_size") __attribute__((weak));

/* A sequence writes to struct rseq without looking whether the thread has one;
 * without glibc's that write goes here, and the CPU's number, the second word, is always -1. */
static __thread int32_t stand_in[8] __attribute__((aligned(32), tls_model("initial-exec"))) = {-1, -1};

ptrdiff_t rseq_stand_in(void)
{
	return (char *)stand_in - (char *)__builtin_thread_pointer();
}

bool rseq_find(ptrdiff_t *offset)
{
	*offset = rseq_stand_in();
	if (!WEIR_HAS_RSEQ || &weir_rseq_size == NULL || &weir_rseq_offset == NULL)
		return false;
	*offset = weir_rseq_offset;
	return weir_rseq_size != 0;
}

int rseq_cpu(const struct rseq_cpus *cpus)
{
	const char *rs = (const char *)__builtin_thread_pointer() + cpus->offset;

	return (int)LOAD_RELAXED((const uint32_t *)(const void *)(rs + 4));
}
