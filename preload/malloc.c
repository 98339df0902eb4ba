/*
 * malloc.c -- the C family: malloc, calloc, realloc, free, and the aligned forms.
 *
 * Streaming-sized requests go to the pool, the rest and what the pool cannot serve to
 * jemalloc. A pointer's home is known from its address. Before preload_start() is
 * over the range has length zero, so everything goes through next, whose members then
 * start Weir first.
 */
#include <errno.h>
#include <malloc.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pool/apart.h"
#include "pool/headroom.h"
#include "preload/alloc.h"
#include "preload/bootstrap.h"
#include "preload/meet.h"
#include "preload/misuse.h"

/* An aligned request past this goes to jemalloc: a run would be cut out of one far longer. */
#define POOL_ALIGNMENT_MAX ((size_t)4 << 20)

COLD void *alloc_malloc_slow(size_t size)
{
	void *p = pool_malloc_slow(size);

	if (LIKELY(p != NULL))
		return p;
	atomic_fetch_add_explicit(&pool.temporary_buffers, 1, memory_order_relaxed);
	headroom_grew(size);
	return meet() ? next.malloc(size) : NULL;
}

static void *note_large(void *p, size_t size)
{
	return p != NULL && sampler_passes(TRACK_LARGE, size) ? sample_note(TRACK_LARGE, p, size) : p;
}

/* Above the largest that the pool serves; alignment: a power of two. NULL: jemalloc has to. */
static void *large(size_t alignment, size_t size, bool *is_zero)
{
	if (size > APART_BYTES_MAX || alignment > PAGE_BYTES)
		return NULL;
	return note_large(apart_take(size, alignment, is_zero), size);
}

static void *or_jemallocs(void *p, size_t size)
{
	return p != NULL || !meet() ? p : next.malloc(size);
}

__attribute__((noinline)) void *alloc_malloc_large(size_t size)
{
	bool is_zero;

	return or_jemallocs(large(ALLOC_MIN_BYTES, size, &is_zero), size);
}

/* The same, for what moves since it grows. */
static void *malloc_growing(size_t size)
{
	return or_jemallocs(
	    size <= APART_BYTES_MAX ? note_large(apart_take_growing(size), size) : NULL, size);
}

COLD void alloc_free_slow(void *p)
{
	if (!pool_free_long(p))
		misuse_free(p);
}

void alloc_free_zeroing(void *p)
{
	if (!pool_contains(p))
		next.free_foreign(p);
	else if (!pool_free_long(p))
		misuse_free(p);
}

/* What the range has for a request that the pool does not want: large ones, and samples. NULL: nothing. */
INLINE void *apart(size_t alignment, size_t size, bool *is_zero)
{
	if (size >= pool.min_bytes)
		return large(alignment, size, is_zero);
	size = MAX(size, ALLOC_MIN_BYTES);
	return sampler_passes(TRACK_SMALL, size) ? sample_apart(alignment, size, is_zero) : NULL;
}

void *alloc_aligned(size_t alignment, size_t size)
{
	void *p = NULL;
	int error;

	/* Every buffer of the pool meets it; what FFmpeg and nginx ask for. */
	if (LIKELY(alignment <= SIZE_CLASS_ALIGNMENT_MIN && pool_wants(size))) {
		uint32_t place = pool_pop(size);

		if (LIKELY(place != 0)) {
			p = pool_hand_out(place, size);
			return sampler_passes(TRACK_POOL, size) ? sample_note(TRACK_POOL, p, size) : p;
		}
	}
	/* jemalloc's smallest blocks have less than malloc's alignment. */
	if (alignment <= alignof(max_align_t))
		return alloc_malloc(MAX(size, alignment));
	if (pool_wants(size) && alignment <= POOL_ALIGNMENT_MAX) {
		p = pool_aligned(alignment, size);
		if (LIKELY(p != NULL))
			return sampler_passes(TRACK_POOL, size) ? sample_note(TRACK_POOL, p, size) : p;
		atomic_fetch_add_explicit(&pool.temporary_buffers, 1, memory_order_relaxed);
	}
	if (UNLIKELY(!meet()))
		return NULL;
	if (!pool_wants(size)) {
		bool is_zero;

		p = apart(alignment, size, &is_zero);
		if (p != NULL)
			return p;
	}
	error = next.posix_memalign(&p, alignment, size);
	if (error != 0) {
		errno = error;
		return NULL;
	}
	return p;
}

size_t alloc_usable_size(void *p)
{
	size_t bytes;

	if (p == NULL)
		return 0;
	if (!pool_contains(p))
		return bootstrap_owns(p) ? bootstrap_size(p) : meet() ? next.malloc_usable_size(p) : 0;
	/* Of a buffer that was freed nothing is usable, and its entry is the heap's. */
	if (UNLIKELY(!pool_is_buffer(p)))
		return 0;
	/* Who asks may write that far, and realloc has to keep it. */
	bytes = pool_usable_bytes(p);
	pool_set_size(p, bytes);
	return bytes;
}

EXPORT void *malloc(size_t size)
{
	return alloc_malloc(size);
}

EXPORT void free(void *p)
{
	alloc_free(p);
}

/* What the range has for it, or jemalloc. */
static void *clear(void *p, size_t bytes, bool is_zero)
{
	if (p == NULL)
		return meet() ? next.calloc(1, bytes) : NULL;
	return is_zero ? p : memset(p, 0, bytes);
}

static COLD void *calloc_picked(size_t bytes)
{
	bool is_zero = false;
	void *p;

	if (UNLIKELY(!meet()))
		return NULL;
	p = sample_apart(ALLOC_MIN_BYTES, bytes, &is_zero);
	return clear(p, bytes, is_zero);
}

static __attribute__((noinline)) void *calloc_large(size_t bytes)
{
	bool is_zero = false;
	void *p = large(ALLOC_MIN_BYTES, bytes, &is_zero);

	return clear(p, bytes, is_zero);
}

EXPORT void *calloc(size_t count, size_t size)
{
	size_t bytes;
	void *p;

	if (UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
		errno = ENOMEM;
		return NULL;
	}
	if (bytes < pool.min_bytes) {
		bytes = MAX(bytes, ALLOC_MIN_BYTES);
		return sampler_passes(TRACK_SMALL, bytes) ? calloc_picked(bytes) : next.calloc(1, bytes);
	}
	if (UNLIKELY(!pool_wants(bytes)))
		return calloc_large(bytes);
	p = pool_malloc(bytes);
	if (UNLIKELY(p == NULL)) {
		atomic_fetch_add_explicit(&pool.temporary_buffers, 1, memory_order_relaxed);
		return meet() ? next.calloc(count, size) : NULL;
	}
	if (sampler_passes(TRACK_POOL, bytes))
		sample_note(TRACK_POOL, p, bytes);
	return pool_is_zero(p) ? p : memset(p, 0, bytes);
}

/* Another buffer of size with the first bytes of p, which is freed; NULL leaves p alone. */
static void *move(void *p, size_t used, size_t size)
{
	void *to = size > used && size > pool.max_bytes ? malloc_growing(size) : alloc_malloc(size);

	if (to == NULL)
		return NULL;
	memcpy(to, p, MIN(used, size));
	if (pool_contains(p))
		pool_leave_sample(p);
	alloc_free(p);
	return to;
}

/* The same of a buffer of the pool that must grow: leave it room, so that it need not move at every step. */
static void *outgrow(void *p, size_t size)
{
	size_t used = pool_size(p);
	void *to = pool_malloc(pool_grown_bytes(p, size));

	if (UNLIKELY(to == NULL))
		return move(p, used, size);
	pool_set_grown(to, size);
	if (sampler_passes(TRACK_POOL, size))
		sample_note(TRACK_POOL, to, size);
	memcpy(to, p, used);
	pool_leave_sample(p);
	if (UNLIKELY(!pool_free_outgrown(p)))
		misuse_free(p);
	return to;
}

static void *realloc_pooled(void *p, size_t size)
{
	if (UNLIKELY(!pool_is_buffer(p))) {
		misuse_free(p);
		return alloc_malloc(size);
	}
	if (pool_resize_in_place(p, size)) {
		if (UNLIKELY(size < pool.min_bytes && pool_is_apart(p)))
			sample_again(p, size);
		return p;
	}
	if (size > pool_usable_bytes(p) && pool_wants(size) && !pool_is_apart(p))
		return outgrow(p, size);
	return move(p, pool_size(p), size);
}

/* p is jemalloc's, and what it becomes may be a sample. NULL: it is none, and p is as it was. */
static COLD void *realloc_picked(void *p, size_t size)
{
	bool is_zero;
	void *to = bootstrap_owns(p) ? NULL : sample_apart(ALLOC_MIN_BYTES, size, &is_zero);

	if (to == NULL)
		return NULL;
	memcpy(to, p, MIN(next.malloc_usable_size(p), size));
	next.free(p);
	return to;
}

/* Of nothing, to nothing, to a size that the range has, or of a buffer. */
static __attribute__((noinline)) void *realloc_other(void *p, size_t size)
{
	void *to;

	if (p == NULL)
		return alloc_malloc(size);
	if (size == 0) { /* as glibc has it */
		alloc_free(p);
		return NULL;
	}
	if (pool_contains(p))
		return realloc_pooled(p, size);
	if (UNLIKELY(bootstrap_owns(p)))
		return move(p, bootstrap_size(p), size);
	if (UNLIKELY(!meet()))
		return NULL;
	if (size <= APART_BYTES_MAX) {
		size_t usable = next.malloc_usable_size(p);

		/* It stays where it is if it was a temporary buffer, or so, of about that size. */
		if (size > usable || size < usable / 2) {
			to = move(p, usable, size);
			if (to != NULL)
				return to;
		}
	}
	to = next.realloc(p, size);
	if (UNLIKELY(to == NULL)) /* jemalloc does not always say so */
		errno = ENOMEM;
	return to;
}

EXPORT void *realloc(void *p, size_t size)
{
	void *to;

	/* Else a block of jemalloc's (or of bootstrap.c) gets another small size: what most are. */
	if (UNLIKELY(p == NULL || size - 1 >= pool.min_bytes - 1 || pool_contains(p)))
		return realloc_other(p, size);
	size = MAX(size, ALLOC_MIN_BYTES);
	if (sampler_passes(TRACK_SMALL, size)) {
		if (UNLIKELY(!meet()))
			return NULL;
		to = realloc_picked(p, size);
		if (to != NULL)
			return to;
	}
	to = next.realloc(p, size);
	if (UNLIKELY(to == NULL))
		errno = ENOMEM;
	return to;
}

static bool is_power_of_two(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static __attribute__((noinline)) int memalign_slow(void **to, size_t alignment, size_t size)
{
	int saved = errno;
	void *p;

	p = alloc_aligned(alignment, size);
	errno = saved;
	if (p == NULL)
		return ENOMEM;
	*to = p;
	return 0;
}

/* The magazine had nothing, and the countdown goes on. Every buffer meets the alignment. */
static __attribute__((noinline)) int memalign_missed(void **to, size_t alignment, size_t size)
{
	int saved = errno;
	void *p = pool_malloc_slow(size);

	errno = saved;
	if (UNLIKELY(p == NULL))
		return memalign_slow(to, alignment, size);
	sampler_passes(TRACK_POOL, size);
	*to = p;
	return 0;
}

/* *to was handed out, and the clock is to be looked at. */
static COLD int memalign_poll(void **to)
{
	int saved = errno;

	pool_poll(*to);
	errno = saved;
	return 0;
}

/* Leaf code where a magazine has what FFmpeg and nginx ask for, as malloc is. */
EXPORT int posix_memalign(void **to, size_t alignment, size_t size)
{
	uint32_t place;

	if (UNLIKELY(!is_power_of_two(alignment) || alignment % sizeof(void *) != 0))
		return EINVAL;
	/* What the sampler's countdown would end in is left to the slow path, which counts it. */
	if (UNLIKELY(alignment > SIZE_CLASS_ALIGNMENT_MIN || !pool_wants(size) ||
		     sampler_would_pass(TRACK_POOL, size)))
		return memalign_slow(to, alignment, size);
	place = pool_pop(size);
	if (UNLIKELY(place == 0))
		return memalign_missed(to, alignment, size);
	sampler_passes(TRACK_POOL, size);
	return pool_begin(place, size, to) ? memalign_poll(to) : 0;
}

/* As glibc up to 2.37 has it: any alignment. */
EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}
