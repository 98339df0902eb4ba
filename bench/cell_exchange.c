/*
 * cell_exchange.c -- cells in which one thread allocates and another frees.
 *
 * pair-*, pairs4-*: producer and consumer joined by a bounded ring of 64 buffers; the producer writes a word
 * of each page, the consumer reads it and frees. An operation is one buffer's whole way.
 * freeonly: one pair, handed over in sets of 256, so that one thread only fills and the other only empties.
 * fanout-64K: one producer, three readers; each gets every buffer, the last one to be done frees it.
 * Even workers produce and are timed (fanout: the first); a consumer ends when its ring is closed and empty.
 * Who has to wait spins a little and then yields, so that more threads than processors still get on.
 */
#include <sched.h>

#include "bench.h"

#define RING_SLOTS 1024
#define PAIR_DEPTH 64
#define SET_SIZE 256
#define SPINS 200
#define READERS 3
#define MIXED_LOW (4 * BENCH_KIB)

/* One producer, one consumer; indices only grow. */
struct ring {
	/* Written by the producer, release; the consumer's acquire of it makes the slots below it visible. */
	_Alignas(128) _Atomic uint64_t head;
	uint64_t written;	/* producer's own; head follows it */
	uint64_t tail_seen;	/* producer's own copy of tail */
	_Atomic bool is_closed; /* release after the last head; acquire in the consumer */
	/* Written by the consumer, release; the producer's acquire of it makes the slots above it free. */
	_Alignas(128) _Atomic uint64_t tail;
	uint64_t head_seen; /* consumer's own copy of head */
	_Alignas(128) struct slot slots[RING_SLOTS];
};

static struct ring rings[BENCH_WORKERS / 2];

static void wait_a_little(unsigned *spins)
{
	if (++*spins < SPINS)
#if defined(__x86_64__)
		__builtin_ia32_pause();
#else
		__asm__ volatile("" : : : "memory");
#endif
	else
		sched_yield();
}

static void ring_publish(struct ring *ring)
{
	atomic_store_explicit(&ring->head, ring->written, memory_order_release);
}

static void ring_write(struct worker *w, struct ring *ring, struct slot slot, uint64_t depth)
{
	unsigned spins = 0;

	while (ring->written - ring->tail_seen >= depth) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (ring->written - ring->tail_seen < depth)
			break;
		if (spins == 0)
			live_look(w); /* a full ring is where live bytes peak */
		wait_a_little(&spins);
	}
	ring->slots[ring->written++ % RING_SLOTS] = slot;
}

/* False when the ring is closed and nothing is left. */
static bool ring_read(struct ring *ring, struct slot *slot)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* own index */
	unsigned spins = 0;

	while (tail == ring->head_seen) {
		bool is_closed = atomic_load_explicit(&ring->is_closed, memory_order_acquire);

		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail != ring->head_seen)
			break;
		if (is_closed)
			return false;
		wait_a_little(&spins);
	}
	*slot = ring->slots[tail % RING_SLOTS];
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

static void ring_close(struct ring *ring)
{
	ring_publish(ring);
	atomic_store_explicit(&ring->is_closed, true, memory_order_release);
}

static size_t next_size(struct worker *w)
{
	const struct cell *cell = w->run->cell;

	if (cell->size_max == cell->size)
		return cell->size;
	return rng_size(w, cell->size, (unsigned)__builtin_ctzll(cell->size_max / cell->size));
}

static bool is_producer(unsigned index)
{
	return index % 2 == 0;
}

static struct slot produce(struct worker *w)
{
	struct slot slot = {.size = next_size(w)};

	slot.buf = buffer_take(w, slot.size);
	live_add(w, (int64_t)slot.size);
	touch_pages(slot.buf, slot.size);
	live_step(w);
	return slot;
}

static uint64_t consume(struct worker *w, struct ring *ring, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		struct slot slot;

		if (!ring_read(ring, &slot))
			return i;
		read_pages(slot.buf, slot.size);
		buffer_give(w, slot.buf);
		live_add(w, -(int64_t)slot.size);
	}
	return ops;
}

static uint64_t pair_slice(struct worker *w, uint64_t ops)
{
	struct ring *ring = &rings[w->index / 2];

	if (!is_producer(w->index))
		return consume(w, ring, ops);
	for (uint64_t i = 0; i < ops; i++) {
		ring_write(w, ring, produce(w), PAIR_DEPTH);
		ring_publish(ring);
	}
	return ops;
}

static uint64_t set_slice(struct worker *w, uint64_t ops)
{
	struct ring *ring = &rings[w->index / 2];

	if (!is_producer(w->index))
		return consume(w, ring, ops);
	for (uint64_t i = 0; i < ops; i++) {
		ring_write(w, ring, produce(w), 2 * SET_SIZE);
		if (ring->written % SET_SIZE == 0)
			ring_publish(ring);
	}
	return ops;
}

static void pair_drain(struct worker *w)
{
	if (is_producer(w->index))
		ring_close(&rings[w->index / 2]);
}

static bool is_first(unsigned index)
{
	return index == 0;
}

static uint64_t fanout_slice(struct worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		struct slot slot;
		_Atomic uint32_t *readers;

		if (w->index == 0) {
			slot = produce(w);
			readers =
			    slot.buf; /* counted in the buffer's first word, as a program's own header would be */
			atomic_store_explicit(
			    readers, READERS, memory_order_relaxed); /* published by the ring */
			for (unsigned r = 0; r < READERS; r++) {
				ring_write(w, &rings[r], slot, PAIR_DEPTH);
				ring_publish(&rings[r]);
			}
			continue;
		}
		if (!ring_read(&rings[w->index - 1], &slot))
			return i;
		readers = slot.buf;
		read_pages(readers + 1, slot.size - sizeof(*readers));
		if (atomic_fetch_sub_explicit(readers, 1, memory_order_acq_rel) == 1) {
			buffer_give(w, slot.buf);
			live_add(w, -(int64_t)slot.size);
		}
	}
	return ops;
}

static void fanout_drain(struct worker *w)
{
	if (w->index != 0)
		return;
	for (unsigned r = 0; r < READERS; r++)
		ring_close(&rings[r]);
}

#define PAIRS(label, what, pairs, count, low, high)                                                          \
	{                                                                                                    \
		.name = label, .about = what, .workers = 2 * (pairs), .ops = count, .size = low,             \
		.size_max = high, .has_rss = true, .slice = pair_slice, .drain = pair_drain,                 \
		.drives = is_producer                                                                        \
	}

const struct cell cells_exchange[] = {
    PAIRS("pair-64K", "2 producer-consumer pairs, 64 KiB", 2, 1500000, 64 * BENCH_KIB, 64 * BENCH_KIB),
    PAIRS("pair-mixed", "2 producer-consumer pairs, 4K..1M", 2, 800000, MIXED_LOW, BENCH_MIB),
    PAIRS("pairs4-64K", "4 producer-consumer pairs, 64 KiB", 4, 800000, 64 * BENCH_KIB, 64 * BENCH_KIB),
    {
	.name = "freeonly",
	.about = "one thread allocates 4K..256K in sets of 256, another only frees",
	.workers = 2,
	.ops = 1500000,
	.size = MIXED_LOW,
	.size_max = 256 * BENCH_KIB,
	.has_rss = true,
	.slice = set_slice,
	.drain = pair_drain,
	.drives = is_producer,
    },
    {
	.name = "fanout-64K",
	.about = "one producer, three readers of each 64 KiB buffer, the last frees",
	.workers = 1 + READERS,
	.ops = 1000000,
	.size = 64 * BENCH_KIB,
	.size_max = 64 * BENCH_KIB,
	.has_rss = true,
	.slice = fanout_slice,
	.drain = fanout_drain,
	.drives = is_first,
    },
    {0},
};
