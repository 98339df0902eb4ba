/*
 * cell_workset.c -- cells that hold a working set and replace its members at random.
 *
 * workset-N: each thread has 256 buffers of 4 KiB to 1 MiB, log-uniform (about 48 MiB), and replaces one at
 * random by one of a new size; a word of each page is written. This is what separates allocators which keep a
 * peak for each size class from those which do not.
 * workset-mixed-N: the same plus 4,096 small objects of 16 to 1,024 B; three of four replacements are small.
 * small-mix: the small objects alone, one thread.
 * Filling and the first replacements are not timed; their memory counts.
 */
#include "bench.h"

#define STREAMING 256
#define STREAMING_LOW (4 * BENCH_KIB)
#define STREAMING_DOUBLINGS 8 /* to 1 MiB */
#define SMALL 4096
#define SMALL_LOW 16
#define SMALL_DOUBLINGS 6 /* to 1,024 B */
#define WARM_UP 1024

static void replace(struct worker *w, struct slot *slot, size_t size)
{
	live_add(w, (int64_t)size - (int64_t)slot->size);
	buffer_give(w, slot->buf);
	slot->buf = buffer_take(w, size);
	slot->size = size;
	touch_pages(slot->buf, size);
}

static void replace_streaming(struct worker *w, struct slot *slot)
{
	replace(w, slot, rng_size(w, STREAMING_LOW, STREAMING_DOUBLINGS));
}

static void replace_small(struct worker *w, struct slot *slot)
{
	replace(w, slot, rng_size(w, SMALL_LOW, SMALL_DOUBLINGS));
}

static uint64_t streaming_slice(struct worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		replace_streaming(w, &w->slots[rng_below(w, STREAMING)]);
		live_step(w);
	}
	return ops;
}

static uint64_t small_slice(struct worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		replace_small(w, &w->slots[rng_below(w, SMALL)]);
		live_step(w);
	}
	return ops;
}

/* Slots: the streaming buffers, then the small ones. */
static uint64_t mixed_slice(struct worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		if (rng_below(w, 4) == 0)
			replace_streaming(w, &w->slots[rng_below(w, STREAMING)]);
		else
			replace_small(w, &w->slots[STREAMING + rng_below(w, SMALL)]);
		live_step(w);
	}
	return ops;
}

static void streaming_setup(struct worker *w)
{
	for (unsigned i = 0; i < STREAMING; i++)
		replace_streaming(w, &w->slots[i]);
	streaming_slice(w, WARM_UP);
}

static void small_setup(struct worker *w)
{
	for (unsigned i = 0; i < SMALL; i++)
		replace_small(w, &w->slots[i]);
	small_slice(w, WARM_UP);
}

static void mixed_setup(struct worker *w)
{
	for (unsigned i = 0; i < STREAMING; i++)
		replace_streaming(w, &w->slots[i]);
	for (unsigned i = 0; i < SMALL; i++)
		replace_small(w, &w->slots[STREAMING + i]);
	mixed_slice(w, WARM_UP);
}

static void workset_drain(struct worker *w)
{
	live_look(w);
	for (size_t i = 0; i < w->run->cell->slots; i++)
		buffer_give(w, w->slots[i].buf);
}

#define WORKSET(label, threads, count)                                                                       \
	{                                                                                                    \
		.name = "workset-" label,                                                                    \
		.about = "256 live of 4K..1M a thread, random replacement, word per page",                   \
		.workers = threads, .ops = count, .slots = STREAMING, .has_rss = true,                       \
		.setup = streaming_setup, .slice = streaming_slice, .drain = workset_drain                   \
	}

const struct cell cells_workset[] = {
    WORKSET("1", 1, 1500000),
    WORKSET("2", 2, 1000000),
    WORKSET("4", 4, 700000),
    WORKSET("8", 8, 300000),
    WORKSET("16", 16, 150000),
    {
	.name = "workset-mixed-4",
	.about = "as workset-4, with 4096 live of 16..1024 B; 3 of 4 replacements small",
	.workers = 4,
	.ops = 2500000,
	.slots = STREAMING + SMALL,
	.has_rss = true,
	.setup = mixed_setup,
	.slice = mixed_slice,
	.drain = workset_drain,
    },
    {
	.name = "small-mix",
	.about = "4096 live of 16..1024 B, random replacement: passes through",
	.workers = 1,
	.ops = 30000000,
	.slots = SMALL,
	.has_rss = true,
	.setup = small_setup,
	.slice = small_slice,
	.drain = workset_drain,
    },
    {0},
};
