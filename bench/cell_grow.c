/*
 * cell_grow.c -- buffers that grow as a stream arrives: realloc by 1.5 from 4 KiB to 1 MiB.
 *
 * Eight buffers grow in turn, so that none has a free neighbour by luck alone. A word of each new page is
 * written. An operation is one buffer's whole way, 14 steps and the free.
 */
#include "bench.h"

#define BUFFERS 8
#define STEPS 14
#define FIRST (4 * BENCH_KIB)
#define LAST BENCH_MIB

static void grow_step(struct worker *w, struct slot *slot)
{
	size_t size = slot->size + slot->size / 2, touched;

	if (size > LAST)
		size = LAST;
	TIMED(w, slot->buf = buffer_keep(realloc(slot->buf, size)));
	if (slot->buf == NULL)
		measure_die("realloc");
	touched =
	    slot->size - slot->size % BENCH_PAGE; /* the page in which the old end lies is written again */
	touch_pages((char *)slot->buf + touched, size - touched);
	live_add(w, (int64_t)size - (int64_t)slot->size);
	slot->size = size;
}

static void grow_all(struct worker *w, unsigned buffers)
{
	for (unsigned i = 0; i < buffers; i++) {
		w->slots[i] = (struct slot){.buf = buffer_take(w, FIRST), .size = FIRST};
		touch_pages(w->slots[i].buf, FIRST);
		live_add(w, (int64_t)FIRST);
	}
	for (unsigned step = 0; step < STEPS; step++)
		for (unsigned i = 0; i < buffers; i++)
			grow_step(w, &w->slots[i]);
	live_look(w);
	for (unsigned i = 0; i < buffers; i++) {
		buffer_give(w, w->slots[i].buf);
		live_add(w, -(int64_t)w->slots[i].size);
	}
}

static uint64_t grow_slice(struct worker *w, uint64_t ops)
{
	for (uint64_t left = ops; left > 0;) {
		unsigned buffers = left < BUFFERS ? (unsigned)left : BUFFERS;

		grow_all(w, buffers);
		left -= buffers;
	}
	return ops;
}

const struct cell cells_grow[] = {
    {
	.name = "grow",
	.about = "8 buffers grown by realloc from 4K to 1M by 1.5; ns for one buffer's 14 steps",
	.workers = 1,
	.ops = 16000, /* in 100 slices of whole eights */
	.slots = BUFFERS,
	.has_rss = true,
	.slice = grow_slice,
    },
    {0},
};
