/*
 * limit.c -- setrlimit, prlimit and mlockall, as far as Weir has to see them pass.
 *
 * The range is sized by RLIMIT_AS as it is at start. A program, or a shell's ulimit -v, that sets a limit
 * below that later would have nothing left at all: what is reserved counts. So the part of the range that was never used goes
 * back first thing after the call. Limits that another process sets (prlimit(1)) are not seen; to ask for the
 * limit now and then is no way, since a filter that the program put on itself may kill for it.
 *
 * The system call is libc's own; to look for libc's function here would take the loader's lock, in
 * a child of fork, too. Takes the range's lock. In a child of vfork the memory is its parent's, whose limit does not change.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/pool.h"
#include "preload/owner.h"

/*
 * What is reserved counts for RLIMIT_MEMLOCK, too, once all is locked: where that is refused it is asked again for
 * without the part of the range that was never used.
 */
EXPORT int mlockall(int flags)
{
	struct rlimit limit;
	int saved = errno, result = (int)syscall(SYS_mlockall, flags);

	if (result == 0 || errno != ENOMEM || !owner_is_self() || getrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return result;
	pool_fit_address_space(MIN(limit.rlim_cur, range.bytes));
	result = (int)syscall(SYS_mlockall, flags);
	if (result == 0)
		errno = saved;
	return result;
}

_Static_assert(sizeof(struct rlimit) == 2 * sizeof(uint64_t), "what the system call takes");

static int change(pid_t pid, int resource, const struct rlimit *limit, struct rlimit *old)
{
	long result = syscall(SYS_prlimit64, pid, resource, limit, old);

	if (result == 0 && resource == RLIMIT_AS && limit != NULL && limit->rlim_cur != RLIM_INFINITY &&
	    (pid == 0 || pid == getpid()) && owner_is_self())
		pool_fit_address_space(limit->rlim_cur);
	return (int)result;
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	return change(0, (int)resource, limit, NULL);
}

EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
	return change(0, (int)resource, (const struct rlimit *)limit, NULL);
}

EXPORT int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *limit, struct rlimit *old)
{
	return change(pid, (int)resource, limit, old);
}

EXPORT int prlimit64(
    pid_t pid, enum __rlimit_resource resource, const struct rlimit64 *limit, struct rlimit64 *old)
{
	return change(pid, (int)resource, (const struct rlimit *)limit, (struct rlimit *)old);
}
