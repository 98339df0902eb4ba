/*
 * sample.c -- the cold paths of malloc and its kin where an allocation may be a sample.
 *
 * Called when a thread's countdown passed 0 (track/sampler.h): the sampler says whether it
 * was a point; if so, the tracker is told, and a small one is served from the range. Takes no lock while it does; what the unwinder allocates is
 * no sample, since the tracker has a flag for that.
 *
 * A small allocation that is realloced counts as freed and allocated: whether it stays in its
 * place differs between jemalloc's blocks and slots, and an estimate has no bias
 * only if samples are treated like all others. What is served from the range in any case keeps its
 * sample when it grows or shrinks in place, as one that is no sample stays none.
 */
#include "preload/sample.h"

#include "pool/apart.h"
#include "pool/headroom.h"
#include "preload/alloc.h"
#include "preload/meet.h"
#include "preload/preload.h"

/* Our own code, whose frames are no part of a stack; from the linker. */
extern const char own_start[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));
extern const char own_end[] __asm__("_etext") __attribute__((visibility("hidden")));

void sample_wake(void)
{
	walk_start();
	if (track_wake())
		sampler_go_on();
	else if (!track_is_asleep())
		sampler_stop();
}

void sample_start(void)
{
	if (range.bytes == 0 || !track_prepare(&preload.settings, (uintptr_t)own_start, (uintptr_t)own_end)) {
		sampler_stop();
		return;
	}
	pool.sample_ended = track_death;
	pool.sample_resized = track_resize;
	sampler_start(&preload.settings);
	sampler_set_price(SAMPLER_PRICE_AT_START);
	if (preload.settings.sample_interval == 1) /* each allocation, from the first one on */
		sample_wake();
	else
		sampler_sleep(sample_wake);
}

static void *born(enum track_kind kind, void *p, size_t size, float weight)
{
	uint32_t sample = track_birth(p, size, kind, weight);

	if (sample != 0)
		pool_set_sample(p, sample);
	return p;
}

COLD void *sample_note(enum track_kind kind, void *p, size_t size)
{
	float weight = sampler_take(kind, size);

	/* What was drawn for small ones at the thread's first look would let its first one pass by. */
	if (UNLIKELY(!meeting.is_over))
		sampler_look_again(TRACK_SMALL);

	return weight != 0 ? born(kind, p, size, weight) : p;
}

COLD void *sample_pool(size_t size)
{
	void *p = pool_malloc(size);

	if (UNLIKELY(p == NULL)) {
		atomic_fetch_add_explicit(&pool.temporary_buffers, 1, memory_order_relaxed);
		return meet() ? next.malloc(size) : NULL;
	}
	return sample_note(TRACK_POOL, p, size);
}

COLD void *sample_apart(size_t alignment, size_t size, bool *is_zero)
{
	float weight = sampler_take(TRACK_SMALL, size);
	void *p = weight != 0 ? apart_take(size, alignment, is_zero) : NULL;

	return p != NULL ? born(TRACK_SMALL, p, size, weight) : NULL;
}

COLD void *sample_small(size_t size)
{
	bool is_zero;
	void *p;

	/* Without us a thread's first small request would have come to jemalloc. */
	if (UNLIKELY(!meet()))
		return NULL;
	headroom_grew(MAX(sampler_leg_bytes(TRACK_SMALL), (uint64_t)size));
	p = sample_apart(ALLOC_MIN_BYTES, size, &is_zero);

	return p != NULL ? p : next.malloc(size);
}

COLD void sample_again(void *p, size_t size)
{
	size = MAX(size, ALLOC_MIN_BYTES);
	pool_end_sample(p);
	if (sampler_passes(TRACK_SMALL, size) && meet())
		sample_note(TRACK_SMALL, p, size);
}
