/*
 * pressure.c -- programs whose live bytes stay under a memory limit, while what idles between their phases does not.
 *
 * Run by bench/pressure.py and tests/programs/pressure.sh in a cgroup of its own, as: pressure SHAPE LIVE_MIB.
 * Each shape works in phases; a phase fills LIVE_MIB with blocks of one kind, writes to every page of them and
 * frees them, so never more than that is live. What the phases have in common is that the blocks of one do not
 * fit what is left of another: other sizes, another thread, another part of the allocator, or no allocator at all.
 *
 *   sizes    one thread, each phase a size of its own between 4 KiB and 1 MiB; one block in 16 lives on for a phase
 *   turns    eight threads take turns at a burst; all of them live to the end
 *   kinds    one thread, frames of streams, then objects of 64 to 2048 bytes, then frames, ...
 *   frames   one thread, frames of 2 to 12 MiB, a size of its own in each phase
 *   handed   blocks made by one thread and freed by another, the roles change, and so do the sizes
 *   late     one thread, as kinds, but a phase allocates everything before it writes to it
 *   outside  a burst of blocks; then, a second later, the same in mappings of the program's own, slowly
 *   full     no phases: four threads at full speed, each replacing blocks of 4 KiB to 1 MiB, a quarter of LIVE_MIB
 *
 * Prints shape, live_mib, the blocks and the seconds on one line, and how many page faults there were for each 100
 * pages that were written to; full leaves out those until all its blocks are there. An allocation that fails is an
 * error, status 2.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define THREADS 8
#define ROUNDS 3
#define KEPT_ONE_OF 16
#define FULL_THREADS 4
#define FULL_ROUNDS 1200 /* so often each block is replaced, in the mean */

struct heap {
	void **blocks;
	size_t count, bytes;
};

static size_t live_bytes;
static uint64_t blocks_made, pages_written, faults_left_out;
static __thread uint64_t random_state = 88172645463325252ULL;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static size_t between(size_t least, size_t most)
{
	return least + random_next() % (most - least + 1);
}

static void touch(char *p, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE)
		p[at] = 1;
	p[size - 1] = 1;
	__atomic_fetch_add(&pages_written, (size + PAGE - 1) / PAGE, __ATOMIC_RELAXED);
}

static void *make(size_t size, int is_touched)
{
	char *p = malloc(size);

	if (p == NULL) {
		fprintf(stderr, "pressure: malloc(%zu) failed\n", size);
		_exit(2);
	}
	if (is_touched)
		touch(p, size);
	__atomic_fetch_add(&blocks_made, 1, __ATOMIC_RELAXED);
	return p;
}

/* The table of blocks stands outside of the heap that is tested. */
static void heap_init(struct heap *heap)
{
	*heap = (struct heap){.blocks = mmap(NULL, live_bytes / 64 * sizeof(void *), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)};
	if (heap->blocks == MAP_FAILED)
		_exit(2);
}

static void heap_fill(struct heap *heap, size_t bytes, size_t least, size_t most, int is_late)
{
	size_t first = heap->count, *sizes = NULL;

	if (is_late)
		sizes = mmap(NULL, live_bytes / 64 * sizeof(size_t), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	while (heap->bytes + most <= bytes) {
		size_t size = between(least, most);

		if (is_late)
			sizes[heap->count - first] = size;
		heap->blocks[heap->count++] = make(size, !is_late);
		heap->bytes += size;
	}
	for (size_t i = first; is_late && i < heap->count; i++)
		touch(heap->blocks[i], sizes[i - first]);
	if (is_late)
		munmap(sizes, live_bytes / 64 * sizeof(size_t));
}

static void heap_free(struct heap *heap)
{
	for (size_t i = 0; i < heap->count; i++)
		free(heap->blocks[i]);
	heap->count = heap->bytes = 0;
}

static void sizes(void)
{
	static const size_t phases[] = {
	    64 * KIB, 4 * KIB, 900 * KIB, 20 * KIB, 300 * KIB, 9 * KIB, 130 * KIB, 1 * MIB};
	struct heap heap, kept;

	heap_init(&heap);
	heap_init(&kept);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
			size_t most = phases[i], room = live_bytes / KEPT_ONE_OF * (KEPT_ONE_OF - 1);
			size_t count = 0;

			heap_fill(&heap, room, most - most / 8, most, 0);
			heap_free(&kept);
			for (size_t block = 0; block < heap.count; block++) {
				if (block % KEPT_ONE_OF == 0)
					kept.blocks[count++] = heap.blocks[block];
				else
					free(heap.blocks[block]);
			}
			kept.count = count;
			heap.count = heap.bytes = 0;
		}
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;

static void wait_for_turn(int wanted)
{
	pthread_mutex_lock(&mutex);
	while (turn != wanted)
		pthread_cond_wait(&turned, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void next_turn(void)
{
	pthread_mutex_lock(&mutex);
	turn++;
	pthread_cond_broadcast(&turned);
	pthread_mutex_unlock(&mutex);
}

static void *take_turns(void *number)
{
	struct heap heap;

	heap_init(&heap);
	for (int round = 0; round < ROUNDS; round++) {
		size_t most = (size_t)(8 << ((uintptr_t)number + (uintptr_t)round) % THREADS) * KIB;

		wait_for_turn(round * THREADS + (int)(uintptr_t)number);
		heap_fill(&heap, live_bytes, most / 2, most, 0);
		heap_free(&heap);
		next_turn();
	}
	wait_for_turn(ROUNDS * THREADS);
	return NULL;
}

static void run_threads(void *(*run)(void *), int count)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i) != 0)
			_exit(2);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void turns(void)
{
	run_threads(take_turns, THREADS);
}

static void alternate(int is_late)
{
	struct heap heap;

	heap_init(&heap);
	for (int round = 0; round < 2 * ROUNDS; round++) {
		heap_fill(&heap, live_bytes, 32 * KIB, 1 * MIB, is_late);
		heap_free(&heap);
		heap_fill(&heap, live_bytes, 64, 2 * KIB, is_late);
		heap_free(&heap);
	}
}

static void kinds(void)
{
	alternate(0);
}

static void late(void)
{
	alternate(1);
}

static void frames(void)
{
	struct heap heap;

	heap_init(&heap);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t most = 2 * MIB; most <= 12 * MIB; most += 2 * MIB) {
			heap_fill(&heap, live_bytes, most - MIB, most, 0);
			heap_free(&heap);
			heap_fill(&heap, live_bytes, 16 * KIB, 64 * KIB, 0);
			heap_free(&heap);
		}
}

static struct heap shared;

static void *hand_over(void *number)
{
	for (int phase = 0; phase < 8 * ROUNDS; phase++) {
		size_t most = (size_t)(8 << (phase * 3 % 8)) * KIB;

		wait_for_turn(2 * phase + (int)(((uintptr_t)number + (uintptr_t)phase) % 2));
		if (turn % 2 == 0)
			heap_fill(&shared, live_bytes, most / 2, most, 0);
		else
			heap_free(&shared);
		next_turn();
	}
	return NULL;
}

static void handed(void)
{
	heap_init(&shared);
	run_threads(hand_over, 2);
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void *outside_thread(void *unused)
{
	struct heap heap;

	heap_init(&heap);
	for (int round = 0; round < 2; round++) {
		char *own;

		heap_fill(&heap, live_bytes, 32 * KIB, 1 * MIB, 0);
		heap_free(&heap);
		own = mmap(NULL, live_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (own == MAP_FAILED)
			_exit(2);
		/* Within three seconds: what idles has to go within one. */
		for (size_t at = 0; at < live_bytes; at += live_bytes / 24) {
			size_t end = at + live_bytes / 24;

			touch(own + at, (end < live_bytes ? end : live_bytes) - at);
			sleep_ms(125);
		}
		munmap(own, live_bytes);
	}
	return unused;
}

static void outside(void)
{
	run_threads(outside_thread, 1);
}

static uint64_t faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_minflt;
}

/* Log-uniform between 4 KiB and 1 MiB. */
static size_t streaming_size(void)
{
	size_t least = 4 * KIB << random_next() % 8;

	return least + random_next() % least;
}

static pthread_barrier_t all_filled;

static void begin_to_count(void)
{
	if (pthread_barrier_wait(&all_filled) == PTHREAD_BARRIER_SERIAL_THREAD) {
		faults_left_out = faults();
		pages_written = 0;
	}
	pthread_barrier_wait(&all_filled);
}

/* Never more than the thread's share is live: blocks go, and then one comes that there is room for. */
static void *replace_at_full_speed(void *number)
{
	struct heap heap;
	size_t share = live_bytes / FULL_THREADS, size, *sizes, replaced = 0;

	random_state += (uint64_t)(uintptr_t)number * 0x9e3779b97f4a7c15ULL;
	heap_init(&heap);
	sizes = mmap(NULL, live_bytes / 64 * sizeof(size_t), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sizes == MAP_FAILED)
		_exit(2);
	while (replaced < share * FULL_ROUNDS) {
		size = streaming_size();
		if (heap.bytes + size > share && replaced == 0)
			begin_to_count();
		while (heap.bytes + size > share) {
			size_t victim = random_next() % heap.count;

			free(heap.blocks[victim]);
			replaced += sizes[victim];
			heap.bytes -= sizes[victim];
			heap.blocks[victim] = heap.blocks[--heap.count];
			sizes[victim] = sizes[heap.count];
		}
		sizes[heap.count] = size;
		heap.blocks[heap.count++] = make(size, 1);
		heap.bytes += size;
	}
	return NULL;
}

static void full(void)
{
	pthread_barrier_init(&all_filled, NULL, FULL_THREADS);
	run_threads(replace_at_full_speed, FULL_THREADS);
}

static const struct {
	const char *name;
	void (*run)(void);
} shapes[] = {{"sizes", sizes}, {"turns", turns}, {"kinds", kinds}, {"frames", frames}, {"handed", handed},
    {"late", late}, {"outside", outside}, {"full", full}};

int main(int argc, char **argv)
{
	struct timespec began, ended;

	if (argc != 3 || (live_bytes = strtoul(argv[2], NULL, 10) * MIB) == 0) {
		fprintf(stderr, "pressure SHAPE LIVE_MIB\n");
		return 1;
	}
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(argv[1], shapes[i].name) != 0)
			continue;
		clock_gettime(CLOCK_MONOTONIC, &began);
		shapes[i].run();
		clock_gettime(CLOCK_MONOTONIC, &ended);
		printf("shape=%s live_mib=%zu blocks=%lu seconds=%.2f fault_percent=%.2f\n", argv[1],
		    live_bytes / MIB, (unsigned long)blocks_made,
		    (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9,
		    (double)(faults() - faults_left_out) * 100 / (double)pages_written);
		return 0;
	}
	fprintf(stderr, "pressure: no such shape: %s\n", argv[1]);
	return 1;
}
