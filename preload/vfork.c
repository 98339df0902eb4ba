/*
 * vfork.c -- vfork, whose child allocates.
 *
 * A child of vfork runs in its parent's memory, with its parent's thread-local variables, beside its parent's
 * other threads. POSIX lets it do next to nothing; real ones do more (closing descriptors by opendir(), which
 * allocates 32 KiB, is an old habit of Java's). Other allocators bear it, since what they take from belongs to
 * the thread that waits. Magazines belong to a CPU, and the kernel does not keep the child's struct rseq: the child reads
 * there on which CPU its parent was, and a sequence of its own is never restarted. So that CPU's magazines are
 * closed to everybody, which only costs time, from the child's first instruction until the parent goes on.
 *
 * libc's function cannot be called from here, as its child would return through our frame, which the
 * parent still needs. So it is a few instructions, as libc's is: the return address and the level wait in
 * registers, which each process has for itself. A child leaves by a jump, since a shadow stack would be the parent's.
 *
 * posix_spawn, system and popen have a child, too, which runs nothing but libc's own code.
 *
 * Takes no lock; async-signal-safe, as vfork is.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/magazine.h"
#include "preload/preload.h"

/* A child of vfork may call it again. Deeper than that nothing is closed. */
#define LEVELS 4

static __thread struct {
	uint32_t level;	       /* the next one's */
	uint32_t lent[LEVELS]; /* as magazines_lend() said */
	bool is_without_rseq;  /* for good: the child of a fork by a child of vfork */
} borrowed __attribute__((tls_model("initial-exec")));

__attribute__((used)) static uint32_t vfork_begin(void)
{
	return borrowed.level;
}

__attribute__((used)) static void vfork_child(uint32_t level)
{
	if (level < LEVELS)
		borrowed.lent[level] = magazines_lend();
	borrowed.level = level + 1;
}

/* A child that was killed may have left more than its own level behind, or nothing. */
__attribute__((used)) static pid_t vfork_parent(long result, uint32_t level)
{
	for (uint32_t i = level; i < LEVELS; i++) {
		magazines_take_back(borrowed.lent[i]);
		borrowed.lent[i] = 0;
	}
	borrowed.level = level;
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return (pid_t)result;
}

void vfork_in_fork_child(void)
{
	/* A child of vfork that forks: the kernel keeps no struct rseq for that one either. The memory is its own. */
	if (borrowed.level == 0 && !borrowed.is_without_rseq)
		return;
	borrowed.is_without_rseq = true;
	borrowed.level = 0;
	for (uint32_t i = 0; i < LEVELS; i++)
		borrowed.lent[i] = 0;
	magazines_lend();
}

bool vfork_owns_memory(void)
{
	return borrowed.level == 0;
}

#if defined(__x86_64__)
_Static_assert(SYS_vfork == 58, "the instructions below have it as a number");
#elif defined(__aarch64__)
_Static_assert(SYS_clone == 220, "the instructions below have it as a number");
#endif

/* clang-format off */
#if defined(__x86_64__)
__asm__(".pushsection .text\n\t"
	".globl vfork\n\t"
	".globl __vfork\n\t"
	".type vfork, @function\n\t"
	".type __vfork, @function\n\t"
	".balign 16\n"
	"__vfork:\n"
	"vfork:\n\t"
	".cfi_startproc\n\t"
	"endbr64\n\t"
	"subq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"call vfork_begin\n\t"
	"addq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"movl %eax, %esi\n\t"
	"popq %rdi\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	".cfi_register %rip, %rdi\n\t"
	"movl $58, %eax\n\t"
	"syscall\n\t"
	"pushq %rdi\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	".cfi_rel_offset %rip, 0\n\t"
	"testq %rax, %rax\n\t"
	"jz 1f\n\t"
	"movq %rax, %rdi\n\t"
	"jmp vfork_parent\n"
	"1:\n\t"
	"movl %esi, %edi\n\t"
	"subq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"call vfork_child\n\t"
	"addq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"xorl %eax, %eax\n\t"
	"popq %rdi\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	".cfi_register %rip, %rdi\n\t"
	"jmp *%rdi\n\t"
	".cfi_endproc\n\t"
	".size vfork, . - vfork\n\t"
	".size __vfork, . - __vfork\n\t"
	".popsection");
#elif defined(__aarch64__)
__asm__(".pushsection .text\n\t"
	".globl vfork\n\t"
	".globl __vfork\n\t"
	".type vfork, %function\n\t"
	".type __vfork, %function\n\t"
	".balign 16\n"
	"__vfork:\n"
	"vfork:\n\t"
	".cfi_startproc\n\t"
	"hint #34\n\t" /* bti c */
	"stp x29, x30, [sp, #-16]!\n\t"
	".cfi_adjust_cfa_offset 16\n\t"
	".cfi_offset x29, -16\n\t"
	".cfi_offset x30, -8\n\t"
	"bl vfork_begin\n\t"
	"ldp x29, x30, [sp], #16\n\t"
	".cfi_restore x29\n\t"
	".cfi_restore x30\n\t"
	".cfi_adjust_cfa_offset -16\n\t"
	"mov w9, w0\n\t"
	"mov x0, #0x4111\n\t" /* CLONE_VM | CLONE_VFORK | SIGCHLD */
	"mov x1, xzr\n\t"     /* on this stack */
	"mov x2, xzr\n\t"
	"mov x3, xzr\n\t"
	"mov x4, xzr\n\t"
	"mov x8, #220\n\t"
	"svc #0\n\t"
	"cbz x0, 1f\n\t"
	"mov w1, w9\n\t"
	"b vfork_parent\n"
	"1:\n\t"
	"stp x29, x30, [sp, #-16]!\n\t"
	".cfi_adjust_cfa_offset 16\n\t"
	".cfi_offset x29, -16\n\t"
	".cfi_offset x30, -8\n\t"
	"mov w0, w9\n\t"
	"bl vfork_child\n\t"
	"ldp x29, x30, [sp], #16\n\t"
	".cfi_restore x29\n\t"
	".cfi_restore x30\n\t"
	".cfi_adjust_cfa_offset -16\n\t"
	"mov w0, wzr\n\t"
	"ret\n\t"
	".cfi_endproc\n\t"
	".size vfork, . - vfork\n\t"
	".size __vfork, . - __vfork\n\t"
	".popsection");
#endif
/* clang-format on */
