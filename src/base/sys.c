/*
 * sys.c -- the system calls behind sys.h.
 *
 * Called by the pool under its locks and by the dump in a signal handler, so
 * nothing here blocks (but the futex), allocates or changes errno.
 */
#include "base/sys.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/single.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ
#define MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ (1 << 7)
#define MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ (1 << 8)
#define MEMBARRIER_CMD_FLAG_CPU (1 << 0)
#endif

void *sys_reserve(size_t bytes)
{
	int saved = errno;
	void *start = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	errno = saved;
	return start == MAP_FAILED ? NULL : start;
}

void sys_release(void *start, size_t bytes)
{
	int saved = errno;

	munmap(start, bytes);
	errno = saved;
}

bool sys_commit(void *start, size_t bytes)
{
	int saved = errno;
	bool ok = mprotect(start, bytes, PROT_READ | PROT_WRITE) == 0;

	errno = saved;
	return ok;
}

bool sys_make_readable(void *start, size_t bytes)
{
	int saved = errno;
	bool ok = mprotect(start, bytes, PROT_READ) == 0;

	errno = saved;
	return ok;
}

int sys_purge(void *start, size_t bytes)
{
	int saved = errno;
	int error = madvise(start, bytes, MADV_DONTNEED) == 0 ? 0 : -errno;

	errno = saved;
	return error;
}

bool sys_page_out(void *start, size_t bytes)
{
	int saved = errno;
	bool ok = madvise(start, bytes, MADV_PAGEOUT) == 0;

	errno = saved;
	return ok;
}

bool sys_present_pages(int pagemap, const void *start, size_t pages, size_t *present)
{
	uint64_t entries[64];
	int saved = errno;
	bool ok = true;

	*present = 0;
	for (size_t done = 0, some; ok && done < pages; done += some) {
		off_t at = (off_t)(((uintptr_t)start >> PAGE_SHIFT) + done) * (off_t)sizeof(entries[0]);

		some = MIN(pages - done, ARRAY_LENGTH(entries));
		ok = syscall(SYS_pread64, pagemap, entries, some * sizeof(entries[0]), at) ==
		     (ssize_t)(some * sizeof(entries[0]));
		for (size_t i = 0; ok && i < some; i++)
			*present += entries[i] >> 63;
	}
	errno = saved;
	return ok;
}

void sys_no_huge_pages(void *start, size_t bytes)
{
	int saved = errno;

	madvise(start, bytes, MADV_NOHUGEPAGE);
	errno = saved;
}

bool sys_is_first_thread(void)
{
	return syscall(SYS_gettid) == getpid();
}

bool sys_is_readable(uintptr_t address)
{
	int saved = errno;
	bool is_read;

	/* There is no such way to change a mask, which the kernel finds once it has read the mask. 0 means that there is
	 * none, and is no mistake. */
	is_read =
	    syscall(SYS_rt_sigprocmask, -1, address, NULL, (size_t)SYS_SIGSET_BYTES) == -1 && errno == EINVAL;
	errno = saved;
	return is_read;
}

void sys_futex_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
	int saved = errno;
	struct timespec ts = {(time_t)(timeout_ns / SECOND), (long)(timeout_ns % SECOND)};

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns != 0 ? &ts : NULL, NULL, 0);
	errno = saved;
}

void sys_futex_wake(const _Atomic uint32_t *word, int count)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
	errno = saved;
}

/* What no kernel passes so far: it is refused to say. */
#define CPU_BOUND_MAX 8192

/* The kernel copies as many bytes of the mask as CPU numbers are possible, and
 * answers how many; that is the cheapest way to learn the bound. */
static unsigned affinity(unsigned *bound)
{
	unsigned long mask[64];
	int saved = errno;
	long bytes = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	unsigned usable = 0;

	errno = saved;
	if (bytes <= 0) {
		*bound = CPU_BOUND_MAX;
		return 1;
	}
	for (size_t i = 0; i < (size_t)bytes / sizeof(mask[0]); i++)
		usable += (unsigned)__builtin_popcountl(mask[i]);
	*bound = (unsigned)bytes * 8;
	return MAX(usable, 1u);
}

unsigned sys_cpu_bound(void)
{
	unsigned bound;

	affinity(&bound);
	return bound;
}

unsigned sys_cpu_usable(void)
{
	unsigned bound;

	return affinity(&bound);
}

unsigned sys_cpu_current(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : (unsigned)cpu;
}

uint64_t sys_ram_bytes(void)
{
	struct sysinfo info;
	int saved = errno;
	uint64_t bytes = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : GIB;

	errno = saved;
	return bytes;
}

uint64_t sys_address_space_limit(void)
{
	struct rlimit limit;
	int saved = errno;
	uint64_t bytes = UINT64_MAX;

	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		bytes = limit.rlim_cur;
	errno = saved;
	return bytes;
}

#define FILTERS_DIGITS 10

/* How many seccomp filters judge this thread's calls; asked by reading a file, which most allow. */
static unsigned filter_count(void)
{
	static const char name[] = "\nSeccomp_filters:\t"; /* since Linux 5.9 */
	char text[2048];
	const char *line = NULL;
	unsigned count = 0;
	size_t kept = 0;
	ssize_t length;
	int fd = sys_open("/proc/thread-self/status", O_RDONLY, 0);

	if (fd < 0)
		return UINT_MAX;
	/* It stands behind the user's groups, of which there may be thousands. */
	while (line == NULL && (length = sys_read(fd, text + kept, sizeof(text) - 1 - kept)) > 0) {
		kept += (size_t)length;
		text[kept] = '\0';
		line = strstr(text, name);
		if (line != NULL && strchr(line + 1, '\n') != NULL)
			break;
		/* What may be the beginning of it stays. */
		line = NULL;
		length = (ssize_t)MIN(kept, sizeof(name) + FILTERS_DIGITS);
		memmove(text, text + kept - (size_t)length, (size_t)length);
		kept = (size_t)length;
	}
	sys_close(fd);
	if (line == NULL)
		return UINT_MAX;
	for (line += sizeof(name) - 1; *line >= '0' && *line <= '9'; line++)
		count = count * 10 + (unsigned)(*line - '0');
	return count;
}

static unsigned filters_at_start; /* frozen by sys_start() */

void sys_start(void)
{
	int saved = errno;

	filters_at_start = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0 ? 0 : filter_count();
	errno = saved;
}

unsigned sys_filters_at_start(void)
{
	return filters_at_start;
}

bool sys_may_fence(void)
{
	int saved = errno;
	bool may = is_single_threaded() || filter_count() <= filters_at_start;

	errno = saved;
	return may;
}

bool sys_rseq_fence(unsigned cpu)
{
	int saved = errno;
	long r;

	if (is_single_threaded())
		return true;
	r = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, cpu);
	if (r != 0 && errno == EPERM) {
		/* Not registered yet, or lost in exec. */
		syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
		r = syscall(
		    SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, cpu);
	}
	errno = saved;
	return r == 0;
}
