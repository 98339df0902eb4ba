/*
 * cell_grow.c -- buffers that grow as a stream arrives, by realloc to 1.5 times what is needed.
 *
 * grow: eight buffers from 4 KiB to 1 MiB in turn, so that none has a free neighbour by luck alone. A word of each new
 * page is written. An operation is one buffer's whole way, 14 steps and the free.
 * cluster-*: packets of 4 to 64 KiB, of which 64 stay live, are collected in one buffer up to that size, which is freed
 * then, as a muxer does it. An operation is a packet: allocated, a word a page written, as much written to the buffer.
 */
#include "bench.h"

#define BUFFERS 8
#define STEPS 14
#define FIRST (4 * BENCH_KIB)
#define LAST BENCH_MIB
#define PACKETS 64

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

static void cluster_append(struct worker *w, struct slot *cluster, size_t *filled, size_t size)
{
	size_t from = *filled - *filled % BENCH_PAGE; /* that page is written again */

	*filled += size;
	if (*filled > cluster->size) {
		size_t wanted = *filled + *filled / 2;

		TIMED(w, cluster->buf = buffer_keep(realloc(cluster->buf, wanted)));
		if (cluster->buf == NULL)
			measure_die("realloc");
		cluster->size = wanted;
	}
	touch_pages((char *)cluster->buf + from, *filled - from);
	live_add(w, (int64_t)size);
	live_step(w);
}

static uint64_t cluster_slice(struct worker *w, uint64_t ops)
{
	struct slot *cluster = &w->slots[PACKETS];
	size_t *filled = &w->slots[PACKETS + 1].size;

	for (uint64_t i = 0; i < ops; i++) {
		struct slot *packet = &w->slots[rng_below(w, PACKETS)];

		buffer_give(w, packet->buf);
		live_add(w, -(int64_t)packet->size);
		packet->size = rng_size(w, 4 * BENCH_KIB, 4);
		packet->buf = buffer_take(w, packet->size);
		live_add(w, (int64_t)packet->size);
		touch_pages(packet->buf, packet->size);
		if (*filled + packet->size > w->run->cell->size_max) {
			buffer_give(w, cluster->buf);
			live_add(w, -(int64_t)*filled);
			*cluster = (struct slot){0};
			*filled = 0;
		}
		cluster_append(w, cluster, filled, packet->size);
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
    {
	.name = "cluster-16M",
	.about =
	    "packets of 4K..64K collected in one buffer of up to 16M that grows by realloc; ns for a packet",
	.workers = 1,
	.ops = 100000,
	.slots = PACKETS + 2,
	.size_max = 16 * BENCH_MIB,
	.has_rss = true,
	.slice = cluster_slice,
    },
    {0},
};
