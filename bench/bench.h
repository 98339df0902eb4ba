/*
 * bench.h -- what the benchmark's cells share: workers, seeds, sizes, the calls that are measured.
 *
 * A cell is one kind of work. The harness (cells.c) starts its workers, lets each do setup(), and from a
 * common barrier on calls slice() until the cell's operations are done; only the slices are timed.
 * The program calls plain malloc and free: the allocator under test is whichever is preloaded. Nothing of
 * the harness itself lives in that heap: its arrays come from mmap before the baseline is read.
 */
#ifndef WEIR_BENCH_H
#define WEIR_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define BENCH_WORKERS 16
#define BENCH_PAGE 4096u
#define BENCH_KIB ((size_t)1 << 10)
#define BENCH_MIB ((size_t)1 << 20)

struct slot {
	void *buf;
	size_t size;
};

struct run;

struct worker {
	/* Written by its own worker only; read by live_look() of all: relaxed, a sum of gauges. */
	_Alignas(128) _Atomic int64_t live_bytes; /* below zero where a worker frees what others allocated */
	/* Own: nobody else reads these before the worker is joined. */
	_Alignas(128) uint64_t rng;
	int64_t peak_live_bytes;
	uint64_t position;  /* operations so far, setup included */
	struct slot *slots; /* run->cell->slots of them */
	struct run *run;
	unsigned index;
	uint64_t done; /* operations in the timed part */
	uint64_t elapsed_ns;
	bool is_cut;	/* ended by the time limit, before its operations were done */
	uint32_t *tail; /* histogram of single calls; NULL unless built with BENCH_TAIL */
	uint64_t tail_max_ns;
};

struct cell {
	const char *name;
	const char *about;
	unsigned workers;      /* 1: the main thread does the work and no other is started */
	unsigned helpers;      /* the workers after these, for threads that the cell starts itself */
	uint64_t ops;	       /* by each worker that drives; a fixed amount of work */
	size_t slots;	       /* for each worker */
	size_t size, size_max; /* what the cell's functions make of them, most often the sizes drawn */
	bool has_rss;	       /* touches what it allocates, so that RSS over live bytes means something */
	bool is_aside;	       /* its time is not compared: others may run beside it */
	/* Functions get the worker; all but slice may be NULL. */
	void (*setup)(struct worker *w); /* before the barrier: fill, warm up */
	uint64_t (*slice)(
	    struct worker *w, uint64_t ops); /* returns operations done; fewer than asked ends it */
	void (*drain)(struct worker *w);     /* after the worker's clock has stopped */
	bool (*drives)(unsigned index);	     /* whether that worker's time counts; NULL: all do */
	void (*whole)(struct run *run);	     /* instead of all the above: measures for itself */
};

struct run {
	const struct cell *cell;
	uint64_t ops;
	uint64_t limit_ns; /* 0: none */
	unsigned workers;
	unsigned gauges; /* workers and helpers: whose live bytes are summed */
	struct worker worker[BENCH_WORKERS];
};

/* The tables of the cell_*.c files, each ended by a row without a name. */
extern const struct cell cells_fixed[];
extern const struct cell cells_workset[];
extern const struct cell cells_exchange[];
extern const struct cell cells_grow[];
extern const struct cell cells_burst[];
extern const struct cell cells_churn[];
extern const struct cell cells_stream[];
extern const struct cell cells_idle[];

/* measure.c */
struct usage {
	uint64_t minor_faults;
	uint64_t cpu_ns;
};

uint64_t measure_now_ns(void);
struct usage measure_usage(void);
size_t measure_rss_bytes(void);
/* Makes the current RSS the peak so far. False where the kernel does not offer it; the peak then includes start-up. */
bool measure_reset_peak(void);
size_t measure_peak_rss_bytes(void);
void *measure_map(
    size_t bytes); /* zeroed, resident, outside the heap under test; ends the program on failure */
void measure_tail_add(struct worker *w, uint64_t ns);
uint64_t measure_tail_quantile_ns(const struct run *run, double quantile);
uint64_t measure_tail_max_ns(const struct run *run);
_Noreturn void measure_die(const char *what);

/* xorshift64*: the same sequence in each run and for each allocator. */
static inline uint64_t rng_next(struct worker *w)
{
	uint64_t x = w->rng;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	w->rng = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* Below bound, which is under 2^32; from the high bits, which are the better ones. */
static inline uint32_t rng_below(struct worker *w, uint32_t bound)
{
	return (uint32_t)(((rng_next(w) >> 32) * bound) >> 32);
}

/*
 * A size of `low` to `low << doublings`, log-uniform: a doubling evenly, and within it 2^(i/8) by table,
 * linear in between, which is within 0.1% of exact.
 */
static inline size_t rng_size(struct worker *w, size_t low, unsigned doublings)
{
	static const uint32_t eighths[9] = {
	    65536, 71468, 77936, 84990, 92682, 101070, 110218, 120194, 131072};
	uint64_t random = rng_next(w);
	unsigned doubling = (unsigned)(((random >> 32) * doublings) >> 32);
	unsigned eighth = (unsigned)(random & 7);
	uint64_t between = (random >> 3) & 0xffff;
	uint64_t scale = eighths[eighth] + (((eighths[eighth + 1] - eighths[eighth]) * between) >> 16);

	return (size_t)(((uint64_t)low * scale) >> 16) << doubling;
}

/*
 * One word in each page, as the least that a program does with a buffer which it fills. Not where the buffer
 * ends within the word: sizes are any number of bytes.
 */
static inline void touch_pages(void *buf, size_t size)
{
	for (size_t at = 0; at + sizeof(uint32_t) <= size; at += BENCH_PAGE)
		*(volatile uint32_t *)((char *)buf + at) = (uint32_t)at;
}

static inline uint32_t read_pages(const void *buf, size_t size)
{
	uint32_t sum = 0;

	for (size_t at = 0; at + sizeof(uint32_t) <= size; at += BENCH_PAGE)
		sum += *(const volatile uint32_t *)((const char *)buf + at);
	return sum;
}

/* The compiler must not see that a buffer is never used, or it drops the pair. */
static inline void *buffer_keep(void *buf)
{
	__asm__ volatile("" : "+r"(buf) : : "memory");
	return buf;
}

/*
 * The calls under test. In `cells` nothing stands around them; in `cells-tail`, the same sources built with
 * BENCH_TAIL, each is timed by itself, the clock's own cost included.
 */
#ifdef BENCH_TAIL
#define BENCH_HAS_TAIL 1
#define TIMED(w, call)                                                                                       \
	do {                                                                                                 \
		uint64_t timed_from_ = measure_now_ns();                                                     \
		call;                                                                                        \
		measure_tail_add((w), measure_now_ns() - timed_from_);                                       \
	} while (0)
#else
#define BENCH_HAS_TAIL 0
#define TIMED(w, call)                                                                                       \
	do {                                                                                                 \
		(void)(w);                                                                                   \
		call;                                                                                        \
	} while (0)
#endif

static inline void *buffer_take(struct worker *w, size_t size)
{
	void *buf;

	TIMED(w, buf = buffer_keep(malloc(size)));
	if (__builtin_expect(buf == NULL, 0))
		measure_die("malloc");
	return buf;
}

static inline void buffer_give(struct worker *w, void *buf)
{
	TIMED(w, free(buf));
}

static inline void live_add(struct worker *w, int64_t bytes)
{
	int64_t live = atomic_load_explicit(&w->live_bytes, memory_order_relaxed);

	atomic_store_explicit(&w->live_bytes, live + bytes, memory_order_relaxed);
}

static inline int64_t live_sum(const struct run *run)
{
	int64_t live = 0;

	for (unsigned i = 0; i < run->gauges; i++)
		live += atomic_load_explicit(&run->worker[i].live_bytes, memory_order_relaxed);
	return live;
}

/* Takes the sum over all workers into this worker's peak. */
static inline void live_look(struct worker *w)
{
	int64_t live = live_sum(w->run);

	if (live > w->peak_live_bytes)
		w->peak_live_bytes = live;
}

/* Every 64th operation: reading the others' lines costs a few ns an operation that way. */
static inline void live_step(struct worker *w)
{
	if ((w->position++ & 63) == 0)
		live_look(w);
}

#endif
