/*
 * cell_fixed.c -- cells of one size and one thread: the cost of a malloc and a free, little else.
 *
 * fixed-*: 16 buffers allocated, then all freed, never touched; an operation is one of them. This
 * empties the heap each time, so an allocator that trims when it can pays for it here.
 * fifo-*: 16 buffers stay live, the oldest replaced by a new one, never touched.
 * lifo-*, small-64: each buffer freed at once.
 * frames-*: four live buffers of some MiB, the oldest replaced by a new one, of which a word a page is written.
 * aligned-*: the same by posix_memalign with 16, 32 and 64 in turn, as FFmpeg asks.
 * calloc-*: a word of each page is written before the free, so that zeroing has to happen again.
 */
#include <errno.h>

#include "bench.h"

#define LIVE 16
#define FRAMES 4

static void free_all(struct worker *w, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		buffer_give(w, w->slots[i].buf);
}

static uint64_t fixed_slice(struct worker *w, uint64_t ops)
{
	size_t size = w->run->cell->size;

	for (uint64_t left = ops; left > 0;) {
		unsigned count = left < LIVE ? (unsigned)left : LIVE;

		for (unsigned i = 0; i < count; i++)
			w->slots[i].buf = buffer_take(w, size);
		free_all(w, count);
		left -= count;
	}
	return ops;
}

static uint64_t aligned_slice(struct worker *w, uint64_t ops)
{
	size_t size = w->run->cell->size;

	for (uint64_t left = ops; left > 0;) {
		unsigned count = left < LIVE ? (unsigned)left : LIVE;

		for (unsigned i = 0; i < count; i++) {
			int error;

			TIMED(w, error = posix_memalign(&w->slots[i].buf, (size_t)16 << i % 3, size));
			if (error != 0) {
				errno = error;
				measure_die("posix_memalign");
			}
			w->slots[i].buf = buffer_keep(w->slots[i].buf);
		}
		free_all(w, count);
		left -= count;
	}
	return ops;
}

static uint64_t fifo_slice(struct worker *w, uint64_t ops)
{
	size_t size = w->run->cell->size;

	for (uint64_t i = 0; i < ops; i++) {
		struct slot *slot = &w->slots[i % LIVE];

		buffer_give(w, slot->buf);
		slot->buf = buffer_take(w, size);
	}
	return ops;
}

static uint64_t frames_slice(struct worker *w, uint64_t ops)
{
	size_t size = w->run->cell->size;

	for (uint64_t i = 0; i < ops; i++) {
		struct slot *slot = &w->slots[w->position++ % FRAMES];

		if (slot->buf != NULL) {
			buffer_give(w, slot->buf);
			live_add(w, -(int64_t)size);
		}
		slot->buf = buffer_take(w, size);
		live_add(w, (int64_t)size);
		touch_pages(slot->buf, size);
	}
	live_look(w);
	return ops;
}

static void frames_drain(struct worker *w)
{
	for (unsigned i = 0; i < FRAMES; i++)
		buffer_give(w, w->slots[i].buf);
}

static uint64_t lifo_slice(struct worker *w, uint64_t ops)
{
	size_t size = w->run->cell->size;

	for (uint64_t i = 0; i < ops; i++)
		buffer_give(w, buffer_take(w, size));
	return ops;
}

static uint64_t calloc_slice(struct worker *w, uint64_t ops)
{
	size_t size = w->run->cell->size;

	for (uint64_t i = 0; i < ops; i++) {
		void *buf;

		TIMED(w, buf = buffer_keep(calloc(1, size)));
		if (buf == NULL)
			measure_die("calloc");
		touch_pages(buf, size);
		buffer_give(w, buf);
	}
	return ops;
}

static void fifo_drain(struct worker *w)
{
	free_all(w, LIVE);
}

#define FIXED(label, bytes, count)                                                                           \
	{                                                                                                    \
		.name = "fixed-" label, .about = "16 mallocs then 16 frees, untouched", .workers = 1,        \
		.ops = count, .slots = LIVE, .size = bytes, .slice = fixed_slice                             \
	}

#define ALIGNED(label, bytes, count)                                                                         \
	{                                                                                                    \
		.name = "aligned-" label, .about = "16 of posix_memalign(16..64) then 16 frees, untouched",  \
		.workers = 1, .ops = count, .slots = LIVE, .size = bytes, .slice = aligned_slice             \
	}

#define CALLOC(label, bytes, count)                                                                          \
	{                                                                                                    \
		.name = "calloc-" label, .about = "calloc, a word per page written, freed", .workers = 1,    \
		.ops = count, .size = bytes, .slice = calloc_slice                                           \
	}

#define FRAMES_OF(label, bytes, count)                                                                       \
	{                                                                                                    \
		.name = "frames-" label, .about = "4 live, the oldest replaced, a word per page written",    \
		.workers = 1, .ops = count, .slots = FRAMES, .size = bytes, .has_rss = true,                 \
		.slice = frames_slice, .drain = frames_drain                                                 \
	}

const struct cell cells_fixed[] = {
    FIXED("4K", 4 * BENCH_KIB, 50000000),
    FIXED("16K", 16 * BENCH_KIB, 50000000),
    FIXED("64K", 64 * BENCH_KIB, 50000000),
    FIXED("256K", 256 * BENCH_KIB, 40000000),
    FIXED("1M", BENCH_MIB, 10000000),
    FRAMES_OF("2M", 2 * BENCH_MIB, 40000),
    FRAMES_OF("8M", 8 * BENCH_MIB, 8000),
    FRAMES_OF("32M", 32 * BENCH_MIB, 2000),
    {
	.name = "fifo-64K",
	.about = "16 live of 64 KiB, the oldest replaced, untouched",
	.workers = 1,
	.ops = 50000000,
	.slots = LIVE,
	.size = 64 * BENCH_KIB,
	.slice = fifo_slice,
	.drain = fifo_drain,
    },
    {
	.name = "lifo-64K",
	.about = "malloc then free of 64 KiB, untouched",
	.workers = 1,
	.ops = 50000000,
	.size = 64 * BENCH_KIB,
	.slice = lifo_slice,
    },
    CALLOC("16K", 16 * BENCH_KIB, 1000000),
    CALLOC("64K", 64 * BENCH_KIB, 400000),
    CALLOC("1M", BENCH_MIB, 20000),
    ALIGNED("16K", 16 * BENCH_KIB, 40000000),
    ALIGNED("64K", 64 * BENCH_KIB, 40000000),
    ALIGNED("1M", BENCH_MIB, 10000000),
    {
	.name = "small-64",
	.about = "malloc then free of 64 B: passes through",
	.workers = 1,
	.ops = 80000000,
	.size = 64,
	.slice = lifo_slice,
    },
    {0},
};
