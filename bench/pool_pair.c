/*
 * pool_pair.c -- what a buffer of the library costs: ns for weir_pool_allocate() and weir_pool_release(),
 * beside malloc() and free() of the same in the same run.
 *
 *     bench/pool_pair CELL [OPERATIONS]
 *
 *     pool-lifo-64K      a pair at a time, one thread; never touched
 *     malloc-lifo-64K    the same by the process's malloc (LD_PRELOAD chooses)
 *     pool-mixed         256 buffers of 4 KiB to 1 MiB live, log-uniform, a random one replaced
 *     malloc-mixed       the same by malloc
 *     pool-lifo-64K-4    four threads on one pool
 *     pool-own-64K-4     four threads, each with a pool of its own
 *
 * One line: cell=... ops=... ns=... of wall time an operation and thread. For instructions:
 * CELLS=bench/pool_pair bench/pair_instructions.sh CELL.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir.h>

#define SLOTS 256
#define THREADS_MAX 4

struct work {
	struct weir_pool *pool; /* NULL: malloc */
	uint64_t ops, random;
	struct {
		weir_id id;
		void *data;
	} slots[SLOTS];
};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t next(struct work *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * UINT64_C(0x2545f4914f6cdd1d);
}

static void take(struct work *w, unsigned slot, size_t size)
{
	struct weir_buffer buffer = {0, NULL, 0, 0};

	if (w->pool == NULL)
		buffer.data = malloc(size);
	else if (weir_pool_allocate(w->pool, size, &buffer) != WEIR_OK)
		abort();
	__asm__ volatile("" : "+r"(buffer.data) : : "memory");
	w->slots[slot].id = buffer.id;
	w->slots[slot].data = buffer.data;
}

static void give(struct work *w, unsigned slot)
{
	if (w->pool == NULL)
		free(w->slots[slot].data);
	else if (weir_pool_release(w->pool, w->slots[slot].id) != WEIR_OK)
		abort();
}

static void *lifo(void *context)
{
	struct work *w = context;

	for (uint64_t i = 0; i < w->ops; i++) {
		take(w, 0, 64 * 1024);
		give(w, 0);
	}
	return NULL;
}

static size_t mixed_size(struct work *w)
{
	uint64_t random = next(w);

	return ((size_t)4096 << (random >> 61)) + (size_t)(random & 4095);
}

static void *mixed(void *context)
{
	struct work *w = context;

	for (uint64_t i = 0; i < w->ops; i++) {
		unsigned slot = (unsigned)(next(w) % SLOTS);

		give(w, slot);
		take(w, slot, mixed_size(w));
	}
	return NULL;
}

static const struct cell {
	const char *name;
	void *(*run)(void *);
	unsigned threads;
	int is_pool, is_own;
	uint64_t ops;
} cells[] = {
    {"pool-lifo-64K", lifo, 1, 1, 0, 20000000},
    {"malloc-lifo-64K", lifo, 1, 0, 0, 20000000},
    {"pool-mixed", mixed, 1, 1, 0, 5000000},
    {"malloc-mixed", mixed, 1, 0, 0, 1000000},
    {"pool-lifo-64K-4", lifo, 4, 1, 0, 3000000},
    {"pool-own-64K-4", lifo, 4, 1, 1, 10000000},
};

static struct weir_pool *make_pool(void)
{
	struct weir_pool_config config = weir_pool_config_default();
	struct weir_pool *pool;

	config.max_buffers = 2 * SLOTS;
	if (weir_pool_create(&pool, &config) != WEIR_OK)
		abort();
	return pool;
}

static double run(const struct cell *cell, uint64_t ops)
{
	static struct work work[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	struct weir_pool *shared = cell->is_pool ? make_pool() : NULL;
	double start;

	for (unsigned i = 0; i < cell->threads; i++) {
		work[i].pool = cell->is_own ? make_pool() : shared;
		work[i].ops = ops;
		work[i].random = 88172645463325252u + i;
		for (unsigned slot = 0; cell->run == mixed && slot < SLOTS; slot++)
			take(&work[i], slot, mixed_size(&work[i]));
	}
	start = now_ns();
	if (cell->threads == 1) {
		cell->run(&work[0]);
		return now_ns() - start;
	}
	for (unsigned i = 0; i < cell->threads; i++)
		if (pthread_create(&threads[i], NULL, cell->run, &work[i]) != 0)
			abort();
	for (unsigned i = 0; i < cell->threads; i++)
		pthread_join(threads[i], NULL);
	return now_ns() - start;
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; argc > 1 && i < sizeof(cells) / sizeof(cells[0]); i++) {
		uint64_t ops = argc > 2 ? strtoull(argv[2], NULL, 10) : cells[i].ops;

		if (strcmp(argv[1], cells[i].name) != 0 || ops == 0)
			continue;
		printf("cell=%s ops=%llu ns=%.1f\n", cells[i].name, (unsigned long long)ops,
		    run(&cells[i], ops) / (double)ops);
		return 0;
	}
	fprintf(stderr, "usage: pool_pair CELL [OPERATIONS]; the cells stand at the top of pool_pair.c\n");
	return 2;
}
