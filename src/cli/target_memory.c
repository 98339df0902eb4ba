/*
 * target_memory.c -- the memory of a process, copied from outside.
 *
 * By process_vm_readv(), which neither stops the process nor makes it do anything. Called by the other parts of the
 * reader of processes.
 */
#include <errno.h>
#include <sys/uio.h>

#include "cli/target_parts.h"

enum target_result target_failed(struct target *target, int error)
{
	target->error = error;
	switch (error) {
	case ESRCH:
		return TARGET_GONE;
	case EPERM:
	case EACCES:
		return TARGET_DENIED;
	case EFAULT:
	case EIO:
		return TARGET_CHANGED;
	default:
		return TARGET_FAILED;
	}
}

enum target_result target_read(struct target *target, uint64_t address, void *to, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		struct iovec local = {(char *)to + done, bytes - done};
		struct iovec remote = {(void *)(uintptr_t)(address + done), bytes - done};
		ssize_t got = process_vm_readv(target->pid, &local, 1, &remote, 1, 0);

		if (got < 0)
			return target_failed(target, errno);
		if (got == 0) /* of a process without memory: it is ending */
			return target_failed(target, ESRCH);
		done += (size_t)got;
	}
	return TARGET_OK;
}
