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

/* A sequence writes to struct rseq before it looks whether the thread has one;
 * without glibc's that write goes here. */
static __thread char stand_in[32] __attribute__((aligned(32), tls_model("initial-exec")));

bool rseq_find(ptrdiff_t *offset)
{
	*offset = stand_in - (char *)__builtin_thread_pointer();
	if (!WEIR_HAS_RSEQ || &weir_rseq_size == NULL || &weir_rseq_offset == NULL)
		return false;
	*offset = weir_rseq_offset;
	return weir_rseq_size != 0;
}

int rseq_cpu(const struct rseq_cpus *cpus)
{
	const char *rs = (const char *)__builtin_thread_pointer() + cpus->offset;
	uint32_t cpu;

	if (cpus->limit == 0)
		return -1;
	cpu = LOAD_RELAXED((const uint32_t *)(const void *)(rs + 4));
	return cpu < cpus->limit ? (int)cpu : -1;
}
