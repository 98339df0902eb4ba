/*
 * meet.c -- a thread's first call of jemalloc, where memory ends.
 *
 * jemalloc 5.3 gives a thread an arena at its first request, and follows a null pointer where there is no room for
 * one; glibc's malloc returns NULL there. So a thread comes to jemalloc only with a spare: room for an
 * arena and a cache, which jemalloc gets where the kernel refuses it any (quiet.c). Without one the thread has no
 * memory of jemalloc's, and tries again at its next request.
 *
 * One spare serves all threads in turn: who takes it owns it until he puts it back, who finds none makes one. It is
 * address space only; a process that never has a second thread never makes it. No lock. Called within malloc, with
 * nothing held.
 */
#include "preload/meet.h"

#include <errno.h>

#include "base/sys.h"
#include "preload/preload.h"

/* In what jemalloc maps for an arena, and where it wants that to begin. */
#define BLOCK_BYTES ((size_t)2 << 20)
/* An arena's, another for its index of pages, each twice as long where it did not begin in the right place at first;
 * and what is small. */
#define SPARE_BYTES (5 * BLOCK_BYTES)
/* The same if all begins in the right place: where there is no more to be had. */
#define SPARE_BYTES_MIN (3 * BLOCK_BYTES)

__thread struct meeting meeting;

/* Acquire where it is taken, release where it is put: nobody has written to it, but all that was done with it is over. */
static _Atomic(char *) spare;

static char *make(size_t bytes)
{
	size_t whole = bytes + BLOCK_BYTES, before;
	char *start = sys_reserve(whole), *aligned;

	if (start == NULL)
		return NULL;
	aligned = (char *)ROUND_UP((uintptr_t)start, (uintptr_t)BLOCK_BYTES);
	before = (size_t)(aligned - start);
	if (before != 0)
		sys_release(start, before);
	sys_release(aligned + bytes, whole - before - bytes);
	if (sys_commit(aligned, bytes))
		return aligned;
	sys_release(aligned, bytes);
	return NULL;
}

static void put_back(char *bottom, char *top)
{
	char *none = NULL;

	if ((size_t)(top - bottom) == SPARE_BYTES && atomic_compare_exchange_strong_explicit(&spare, &none,
							 bottom, memory_order_release, memory_order_relaxed))
		return;
	if (top != bottom)
		sys_release(bottom, (size_t)(top - bottom));
}

COLD bool meet_slow(void)
{
	size_t bytes = SPARE_BYTES;
	char *own;

	/* There is one thread until then, which has come to jemalloc when that was bound. */
	if (!atomic_load_explicit(&preload.is_started, memory_order_acquire))
		return true;
	own = atomic_exchange_explicit(&spare, NULL, memory_order_acquire);
	if (own == NULL)
		own = make(bytes);
	if (own == NULL)
		own = make(bytes = SPARE_BYTES_MIN);
	if (own == NULL) {
		errno = ENOMEM;
		return false;
	}
	meeting.top = own + bytes;
	meeting.bottom = own;
	/* A handler that allocates meanwhile is within jemalloc, as it would be at any time. */
	meeting.is_over = true;
	next.free(next.malloc(1));
	own = meeting.bottom;
	meeting.bottom = NULL;
	put_back(own, meeting.top);
	return true;
}

void *meet_spare(size_t bytes)
{
	char *block;

	bytes = ROUND_UP(bytes, PAGE_BYTES);
	if (meeting.bottom == NULL || bytes > (size_t)(meeting.top - meeting.bottom))
		return NULL;
	if (bytes < BLOCK_BYTES)
		return meeting.top -= bytes;
	/* From the bottom in whole blocks, so that the next one begins in the right place, too. */
	block = meeting.bottom;
	meeting.bottom = MIN(block + ROUND_UP(bytes, BLOCK_BYTES), meeting.top);
	sys_release(block + bytes, (size_t)(meeting.bottom - block) - bytes);
	return block;
}
