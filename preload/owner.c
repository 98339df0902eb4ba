/*
 * owner.c -- whether the process that runs this code owns the memory it runs in.
 *
 * A child of vfork runs in its parent's memory until it execs, while the
 * parent's other threads go on. Many programs reset every signal there. What
 * such a child does must leave no trace in Weir's state; what a child of fork
 * does is its own affair. getpid() alone cannot tell the two apart, and a child
 * may have been made by clone(2), past every fork handler. So the owner's pid
 * stands in a page that the kernel wipes in the child of a fork
 * (MADV_WIPEONFORK, Linux 4.14): ours, another's, or nobody's yet.
 *
 * Where there is no such page, or an emulator that does not wipe it, the fork
 * handler serves alone, and a child made by clone(2) takes no dumps.
 *
 * No lock, no allocation but the page; async-signal-safe after owner_start().
 */
#include "preload/owner.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic pid_t plain_word;
/* Frozen by owner_start(). What it points at is relaxed: only one's own pid matters to anybody. */
static _Atomic pid_t *owner = &plain_word;

static void take(void)
{
	atomic_store_explicit(owner, getpid(), memory_order_relaxed);
}

void owner_start(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED) {
		if (madvise(page, size, MADV_WIPEONFORK) == 0)
			owner = page;
		else
			munmap(page, size);
	}
	take();
	pthread_atfork(NULL, NULL, take);
}

bool owner_is_self(void)
{
	pid_t self = getpid();
	pid_t pid = atomic_load_explicit(owner, memory_order_relaxed);
	if (pid == 0) { /* wiped: the memory is a copy, and ours */
		atomic_store_explicit(owner, self, memory_order_relaxed);
		return true;
	}
	return pid == self;
}
