/*
 * io.h -- the few system calls that libc makes cancellation points, without that.
 *
 * malloc is no cancellation point, so what runs under it must not be one: a
 * thread that is cancelled in open() while it does Weir's maintenance would take
 * a lock with it. syscall(2) goes straight to the kernel. Results and errno are
 * as of the libc functions; all async-signal-safe.
 */
#ifndef WEIR_BASE_IO_H
#define WEIR_BASE_IO_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"

#define SYS_SIGSET_BYTES 8 /* the kernel's sigset, not libc's */

/* io.c: the same file under a number from 3 on, or -1; one that O_EXCL has made goes then. */
int sys_move_up(int fd, const char *path, int flags);

/* Never 0, 1 or 2: where the program has closed these, what it and we write to them is not for this file. */
INLINE int sys_open(const char *path, int flags, unsigned mode)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);

	return LIKELY(fd < 0 || fd > STDERR_FILENO) ? fd : sys_move_up(fd, path, flags);
}

INLINE ssize_t sys_read(int fd, void *bytes, size_t length)
{
	return syscall(SYS_read, fd, bytes, length);
}

INLINE ssize_t sys_write(int fd, const void *bytes, size_t length)
{
	return syscall(SYS_write, fd, bytes, length);
}

INLINE int sys_close(int fd)
{
	return (int)syscall(SYS_close, fd);
}

INLINE void sys_sleep(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / SECOND), (long)(ns % SECOND)};
	syscall(SYS_nanosleep, &time, NULL);
}

INLINE int sys_poll(struct pollfd *fds, unsigned count, unsigned timeout_ms)
{
	struct timespec timeout = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000 * 1000};
	return (int)syscall(SYS_ppoll, fds, (unsigned long)count, &timeout, NULL, (size_t)SYS_SIGSET_BYTES);
}

/*
 * Signal sets as the kernel has them, a bit a signal: 8 bytes on the stack instead of libc's
 * 128, which counts in a handler on a small one.
 */
#define SIGNAL_BIT(number) ((uint64_t)1 << ((number)-1))
/* All but libc's own for setuid() in threads, which makes the caller wait for this thread. Its
 * signal for cancellation is among them: a thread that may be cancelled at any instant is not
 * while they are blocked. */
#define SIGNALS_ALL (~SIGNAL_BIT(33))

/* how: SIG_BLOCK, SIG_SETMASK. before may be NULL. */
INLINE bool sys_signal_mask(int how, uint64_t set, uint64_t *before)
{
	return syscall(SYS_rt_sigprocmask, how, &set, before, (size_t)SYS_SIGSET_BYTES) == 0;
}

INLINE uint64_t sys_signals_pending(void)
{
	uint64_t set = 0;
	syscall(SYS_rt_sigpending, &set, (size_t)SYS_SIGSET_BYTES);
	return set;
}

/* Take a pending one of set, without waiting: its number, or -1 and EAGAIN. */
INLINE int sys_take_signal(uint64_t set)
{
	struct timespec at_once = {0, 0};
	return (int)syscall(SYS_rt_sigtimedwait, &set, NULL, &at_once, (size_t)SYS_SIGSET_BYTES);
}

#endif
