/*
 * io.c -- a descriptor that is no standard one.
 *
 * Called where a file of ours got the number of a standard stream that the program has closed. As the rest of
 * io.h: no lock, no allocation, no cancellation point; async-signal-safe.
 */
#include "base/io.h"

#include <errno.h>

COLD int sys_move_up(int fd, const char *path, int flags)
{
	int moved = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), error = errno;

	sys_close(fd);
	if (moved < 0 && (flags & O_EXCL) != 0)
		syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	errno = error;
	return moved;
}
