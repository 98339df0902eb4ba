/*
 * cell_churn.c -- threads that come and go, each with a few buffers.
 *
 * At most four are alive at once. A thread allocates eight buffers of 4K..256K, writes a word of each page,
 * frees seven, and leaves the eighth to a later thread, which frees it. An operation is one thread from create
 * to join, so what an allocator sets up and takes down for a thread is in it, and so is the thread itself.
 */
#include <errno.h>
#include <pthread.h>

#include "bench.h"

#define AT_ONCE 4
#define BUFFERS 8
#define LOW (4 * BENCH_KIB)
#define DOUBLINGS 6

/* acq_rel exchanges: whoever takes a buffer frees it, and reads the size that its owner wrote in it. */
static _Atomic(void *) left[AT_ONCE];
static pthread_t alive[AT_ONCE];
static uint64_t started;

/* Runs as a helper, worker 1..AT_ONCE of the run, which no other thread is until this one is joined. */
static void *churn_thread(void *argument)
{
	struct worker *w = argument;
	void *bufs[BUFFERS], *old;
	size_t sizes[BUFFERS];

	for (unsigned i = 0; i < BUFFERS; i++) {
		sizes[i] = rng_size(w, LOW, DOUBLINGS);
		bufs[i] = buffer_take(w, sizes[i]);
		live_add(w, (int64_t)sizes[i]);
		touch_pages(bufs[i], sizes[i]);
	}
	live_look(w);
	for (unsigned i = 0; i < BUFFERS - 1; i++) {
		buffer_give(w, bufs[i]);
		live_add(w, -(int64_t)sizes[i]);
	}
	*(size_t *)bufs[BUFFERS - 1] = sizes[BUFFERS - 1];
	old = atomic_exchange_explicit(&left[rng_below(w, AT_ONCE)], bufs[BUFFERS - 1], memory_order_acq_rel);
	if (old != NULL) {
		live_add(w, -(int64_t) * (size_t *)old);
		buffer_give(w, old);
	}
	return NULL;
}

static uint64_t churn_slice(struct worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++, started++) {
		unsigned at = (unsigned)(started % AT_ONCE);

		if (started >= AT_ONCE)
			pthread_join(alive[at], NULL);
		errno = pthread_create(&alive[at], NULL, churn_thread, &w->run->worker[1 + at]);
		if (errno != 0)
			measure_die("pthread_create");
	}
	return ops;
}

static void churn_drain(struct worker *w)
{
	for (unsigned at = 0; at < AT_ONCE && at < started; at++)
		pthread_join(alive[at], NULL);
	for (unsigned at = 0; at < AT_ONCE; at++) /* once nobody is there to take them */
		buffer_give(w, atomic_load_explicit(&left[at], memory_order_relaxed));
}

static bool is_first(unsigned index)
{
	return index == 0;
}

const struct cell cells_churn[] = {
    {
	.name = "threads-churn",
	.about = "threads that come and go, eight buffers of 4K..256K each; ns a thread",
	.workers = 1,
	.helpers = AT_ONCE,
	.ops = 20000,
	.has_rss = true,
	.slice = churn_slice,
	.drain = churn_drain,
	.drives = is_first,
    },
    {0},
};
