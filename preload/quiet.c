/*
 * quiet.c -- jemalloc's calls of the kernel leave errno as it was.
 *
 * free keeps errno (glibc's has since 2.33, POSIX will ask for it), and jemalloc's does
 * not: some frees purge, and a madvise() that is refused sets it. To save it in every free
 * costs 15 instructions of some 100 and a frame; so it is kept where it is broken: the
 * entries through which libjemalloc calls madvise() and its kin are pointed at functions
 * of ours, which call the same and put errno back. Nobody else's calls change, and no
 * name is exported. jemalloc reads none of these errnos but for a text before it aborts.
 * Where malloc fails it sets ENOMEM itself. And a thread that comes to jemalloc for the first time has a spare for
 * what the kernel refuses it (meet.c).
 *
 * Called once at binding (bind.c): allocates nothing, takes no lock.
 */
#include "preload/quiet.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "preload/elf_symbol.h"
#include "preload/meet.h"

static int quiet_madvise(void *start, size_t bytes, int advice)
{
	int saved = errno, result = madvise(start, bytes, advice);

	errno = saved;
	return result;
}

static int quiet_munmap(void *start, size_t bytes)
{
	int saved = errno, result = munmap(start, bytes);

	errno = saved;
	return result;
}

static int quiet_mprotect(void *start, size_t bytes, int protection)
{
	int saved = errno, result = mprotect(start, bytes, protection);

	errno = saved;
	return result;
}

static void *quiet_mmap(void *start, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	int saved = errno;
	void *result = mmap(start, bytes, protection, flags, fd, offset);

	if (UNLIKELY(result == MAP_FAILED) && start == NULL) {
		void *block = meet_spare(bytes);

		if (block != NULL)
			result = block;
	}
	errno = saved;
	return result;
}

static void *quiet_sbrk(intptr_t bytes)
{
	int saved = errno;
	void *result = sbrk(bytes);

	errno = saved;
	return result;
}

bool quiet_start(const struct link_map *jemalloc)
{
	const struct elf_import imports[] = {
	    {"madvise", (void *)quiet_madvise},
	    {"munmap", (void *)quiet_munmap},
	    {"mprotect", (void *)quiet_mprotect},
	    {"mmap", (void *)quiet_mmap},
	    {"mmap64", (void *)quiet_mmap},
	    {"sbrk", (void *)quiet_sbrk},
	};

	return elf_replace_imports(jemalloc, imports, ARRAY_LENGTH(imports));
}
