/*
 * rseq.h -- stacks of 32-bit numbers that belong to a CPU, moved by restartable sequences.
 *
 * A pop or a push is a handful of plain loads and one store. If the thread is
 * preempted, moved or gets a signal before that store, the kernel sends it to the
 * abort address and it starts again; so whoever is on the CPU has the stack for
 * itself. glibc 2.35 and later registers each thread (__rseq_offset); where it did
 * not, the thread's cpu_id is negative and the operation misses.
 *
 * A CPU's area holds its stacks: { uint32_t count, room; uint32_t items[]; }. It is found through
 * areas[cpu], which points to an area of zeros where every operation has to miss, since stacks there
 * are empty and have no room: for the numbers -1 and -2 of a thread that is not registered, and for a
 * CPU whose stacks somebody drains (he swaps the pointer; after an rseq fence they are his alone).
 * So neither costs the sequence a compare. The kernel's CPU numbers are below its bound (sys_cpu_bound()).
 *
 * Only count is written in a sequence, and last. items above count mean nothing.
 * room is written by anybody with a plain store: a stack may be over its room.
 */
#ifndef WEIR_BASE_RSEQ_H
#define WEIR_BASE_RSEQ_H

#include "base/compiler.h"

#define RSEQ_AREA_SHIFT 15
#define RSEQ_AREA_BYTES ((size_t)1 << RSEQ_AREA_SHIFT)

struct rseq_stack {
	uint32_t count; /* the CPU's own sequences; relaxed for a reader elsewhere */
	uint32_t room;
	uint32_t items[];
};

/* Numbers of threads that are not registered (-1) or could not be (-2) have entries, too. */
#define RSEQ_AREAS_BEFORE 2

struct rseq_cpus {
	char **areas;	  /* of CPU n at [n], from -RSEQ_AREAS_BEFORE on */
	ptrdiff_t offset; /* of struct rseq from the thread pointer */
};

#define RSEQ_TEXT_(x) #x
#define RSEQ_TEXT(x) RSEQ_TEXT_(x)

/* clang-format off */
#if defined(__x86_64__) && !defined(WEIR_TSAN)
#define WEIR_HAS_RSEQ 1

/* struct rseq: cpu_id_start at 0, cpu_id at 4, rseq_cs at 8. */
#define RSEQ_BEGIN                                                             \
	".pushsection __rseq_cs, \"aw\"\n\t"                                   \
	".balign 32\n"                                                         \
	"33:\n\t"                                                              \
	".long 0, 0\n\t"                                                       \
	".quad 11f, 22f - 11f, 44f\n\t"                                        \
	".popsection\n\t"                                                      \
	"leaq 33b(%%rip), %[area]\n\t"                                         \
	"movq %[area], %%fs:8(%[rs])\n"                                        \
	"11:\n\t"                                                              \
	"movslq %%fs:4(%[rs]), %[area]\n\t"                                    \
	"movq (%[areas], %[area], 8), %[area]\n\t"                             \
	"addq %[where], %[area]\n\t"                                           \
	"movl (%[area]), %k[count]\n\t"

#define RSEQ_END                                                               \
	"22:\n\t"                                                              \
	".pushsection __rseq_failure, \"ax\"\n\t"                              \
	".byte 0x0f, 0xb9, 0x3d\n\t" /* ud1: the signature's disguise */       \
	".long 0x53053053\n"                                                   \
	"44:\n\t"                                                              \
	"jmp %l[again]\n\t"                                                    \
	".popsection\n\t"

INLINE uint32_t rseq_pop(const struct rseq_cpus *cpus, size_t stack_offset)
{
	uintptr_t area, count;
	uint32_t item;

again:
	__asm__ volatile goto(RSEQ_BEGIN
	    "subl $1, %k[count]\n\t"
	    "jb %l[miss]\n\t"
	    "movl 8(%[area], %[count], 4), %[item]\n\t"
	    "movl %k[count], (%[area])\n" RSEQ_END
	    : [area] "=&r"(area), [count] "=&r"(count), [item] "=&r"(item)
	    : [rs] "r"(cpus->offset), [areas] "r"(cpus->areas), [where] "r"(stack_offset)
	    : "cc", "memory"
	    : miss, again);
	/* None is 0, so that who asks need not be told twice. */
	if (item == 0)
		__builtin_unreachable();
	return item;
miss:
	/* Where unreachable code is instrumented, gcc 12 takes this 0 for the item, which holds anything here. */
	__asm__("" : "=r"(item) : "0"(0));
	return item;
}

INLINE bool rseq_push(const struct rseq_cpus *cpus, size_t stack_offset, uint32_t item)
{
	uintptr_t area, count;

again:
	__asm__ volatile goto(RSEQ_BEGIN
	    "cmpl 4(%[area]), %k[count]\n\t"
	    "jae %l[miss]\n\t"
	    "movl %k[item], 8(%[area], %[count], 4)\n\t"
	    "incl %k[count]\n\t"
	    "movl %k[count], (%[area])\n" RSEQ_END
	    : [area] "=&r"(area), [count] "=&r"(count)
	    : [rs] "r"(cpus->offset), [areas] "r"(cpus->areas), [where] "r"(stack_offset),
	    [item] "r"(item)
	    : "cc", "memory"
	    : miss, again);
	return true;
miss:
	return false;
}

#elif defined(__aarch64__) && defined(__GNUC__) && !defined(__clang__) && !defined(WEIR_TSAN)
#define WEIR_HAS_RSEQ 1

#define RSEQ_BEGIN                                                             \
	".pushsection __rseq_cs, \"aw\"\n\t"                                   \
	".balign 32\n"                                                         \
	"33:\n\t"                                                              \
	".long 0, 0\n\t"                                                       \
	".quad 11f, 22f - 11f, 44f\n\t"                                        \
	".popsection\n\t"                                                      \
	"adrp %[area], 33b\n\t"                                                \
	"add %[area], %[area], :lo12:33b\n\t"                                  \
	"str %[area], [%[rs], #8]\n"                                           \
	"11:\n\t"                                                              \
	"ldrsw %[area], [%[rs], #4]\n\t"                                       \
	"ldr %[area], [%[areas], %[area], lsl #3]\n\t"                         \
	"add %[area], %[area], %[where]\n\t"                                   \
	"ldr %w[count], [%[area]]\n\t"

#define RSEQ_END                                                               \
	"22:\n\t"                                                              \
	".pushsection __rseq_failure, \"ax\"\n\t"                              \
	".inst 0xd428bc00\n"                                                   \
	"44:\n\t"                                                              \
	"b %l[again]\n\t"                                                      \
	".popsection\n\t"

INLINE uint32_t rseq_pop(const struct rseq_cpus *cpus, size_t stack_offset)
{
	char *rs = (char *)__builtin_thread_pointer() + cpus->offset;
	uintptr_t area, count, item;

again:
	__asm__ volatile goto(RSEQ_BEGIN
	    "cbz %w[count], %l[miss]\n\t"
	    "sub %w[count], %w[count], #1\n\t"
	    "add %[item], %[area], %[count], lsl #2\n\t"
	    "ldr %w[item], [%[item], #8]\n\t"
	    "str %w[count], [%[area]]\n" RSEQ_END
	    : [area] "=&r"(area), [count] "=&r"(count), [item] "=&r"(item)
	    : [rs] "r"(rs), [areas] "r"(cpus->areas), [where] "r"(stack_offset)
	    : "cc", "memory"
	    : miss, again);
	return (uint32_t)item;
miss:
	return 0;
}

INLINE bool rseq_push(const struct rseq_cpus *cpus, size_t stack_offset, uint32_t item)
{
	char *rs = (char *)__builtin_thread_pointer() + cpus->offset;
	uintptr_t area, count, slot;

again:
	__asm__ volatile goto(RSEQ_BEGIN
	    "ldr %w[slot], [%[area], #4]\n\t"
	    "cmp %w[count], %w[slot]\n\t"
	    "b.hs %l[miss]\n\t"
	    "add %[slot], %[area], %[count], lsl #2\n\t"
	    "str %w[item], [%[slot], #8]\n\t"
	    "add %w[count], %w[count], #1\n\t"
	    "str %w[count], [%[area]]\n" RSEQ_END
	    : [area] "=&r"(area), [count] "=&r"(count), [slot] "=&r"(slot)
	    : [rs] "r"(rs), [areas] "r"(cpus->areas), [where] "r"(stack_offset),
	    [item] "r"(item)
	    : "cc", "memory"
	    : miss, again);
	return true;
miss:
	return false;
}

#else
#define WEIR_HAS_RSEQ 0

INLINE uint32_t rseq_pop(const struct rseq_cpus *cpus UNUSED, size_t stack_offset UNUSED) { return 0; }
INLINE bool rseq_push(const struct rseq_cpus *cpus UNUSED, size_t stack_offset UNUSED, uint32_t item UNUSED)
{
	return false;
}
#endif
/* clang-format on */

/* Whether glibc registered this process's threads; and where, else the stand-in's place. */
bool rseq_find(ptrdiff_t *offset);
/* Where each thread has what looks like one that was never registered. */
ptrdiff_t rseq_stand_in(void);

/* The calling thread's CPU if its sequences work, else below 0. */
int rseq_cpu(const struct rseq_cpus *cpus);

#endif
