/*
 * sys.h -- the kernel, as far as the pool needs it.
 *
 * Thin and stateless but for what a call says. Every function keeps errno,
 * allocates nothing and may be called in a signal handler.
 */
#ifndef WEIR_BASE_SYS_H
#define WEIR_BASE_SYS_H

#include "base/compiler.h"

#define PAGE_SHIFT 12
#define PAGE_BYTES ((size_t)1 << PAGE_SHIFT)

/* Remember what holds at the start of the process. Once. */
void sys_start(void);
/* How many seccomp filters judged the process's calls then; UINT_MAX: not known. */
unsigned sys_filters_at_start(void);

/* Address space that nothing may touch yet; NULL where the kernel refuses. */
void *sys_reserve(size_t bytes);
void sys_release(void *start, size_t bytes);
/* Make reserved pages readable and writable; they read as zero until written. */
bool sys_commit(void *start, size_t bytes);
/* Reserved pages read as zero from now on; they still count for nothing. */
bool sys_make_readable(void *start, size_t bytes);
/* Give pages back; they read as zero afterwards. 0, or -errno: -EINVAL where some are locked in memory, and some may
 * read as zero; others where the kernel or a seccomp filter will not. */
int sys_purge(void *start, size_t bytes);
/* Take pages out of memory into swap; they come back as they were. False: the kernel does not know
 * how (before Linux 5.4), or may not. */
bool sys_page_out(void *start, size_t bytes);
/* How many of so many pages this process has in memory, from an open /proc/self/pagemap. What is in swap is
 * not among them, though the kernel may still keep a copy. False: the kernel does not say. */
bool sys_present_pages(int pagemap, const void *start, size_t pages, size_t *present);
/* Keep the kernel from backing sparse tables with huge pages. */
void sys_no_huge_pages(void *start, size_t bytes);

/* Whether the word at that address can be read: asked of the kernel, which answers instead of a SIGSEGV. */
bool sys_is_readable(uintptr_t address);

/* Sleep while *word is expected, at most timeout_ns (0: no bound). */
void sys_futex_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns);
void sys_futex_wake(const _Atomic uint32_t *word, int count);

/* Whether the calling thread is the one that the process began with, or in a child the one that forked. */
bool sys_is_first_thread(void);

/* One more than the largest CPU number there can be, rounded up to 64. */
unsigned sys_cpu_bound(void);
unsigned sys_cpu_usable(void); /* how many this process may run on */
unsigned sys_cpu_current(void);

uint64_t sys_ram_bytes(void);
uint64_t sys_address_space_limit(void); /* RLIMIT_AS; UINT64_MAX: none */

/*
 * Whether a fence may be asked for. Not where the program has put itself under a seccomp filter since the start,
 * which may kill whoever makes a call that it does not know. (A container's filter was there before.) /proc says
 * so; prctl(2) would, too, but is such a call itself. So not either where /proc cannot be read: after chroot(2), or
 * with no descriptor left.
 */
bool sys_may_fence(void);

/*
 * After it, no restartable sequence of this process that began on that CPU before it goes
 * on; a full barrier there, and other CPUs are not disturbed. A process of one thread
 * needs no system call for that. False where it cannot be had: before Linux 5.10. Only
 * while sys_may_fence().
 */
bool sys_rseq_fence(unsigned cpu);

#endif
