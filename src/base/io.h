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

INLINE int sys_open(const char *path, int flags, unsigned mode)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
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

INLINE int sys_poll(struct pollfd *fds, unsigned count, unsigned timeout_ms)
{
	struct timespec timeout = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000 * 1000};
	return (int)syscall(SYS_ppoll, fds, (unsigned long)count, &timeout, NULL, (size_t)SYS_SIGSET_BYTES);
}

/* Take a pending one of set, without waiting: its number, or -1 and EAGAIN. */
INLINE int sys_take_signal(const sigset_t *set)
{
	struct timespec at_once = {0, 0};
	return (int)syscall(SYS_rt_sigtimedwait, set, NULL, &at_once, (size_t)SYS_SIGSET_BYTES);
}

#endif
