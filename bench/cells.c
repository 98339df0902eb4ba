/*
 * cells.c -- one cell of the allocator benchmark: cells [--limit-ms N] [--settle S] CELL [OPS].
 *
 * Prints one line of key=value; bench/run.py runs it over allocators and compares.
 *
 *   ns             per operation: the mean, over the workers that drive, of elapsed time / operations
 *   cpu_ns         processor time of the whole process in the timed part / operations of all who drive
 *   rss_over_live  peak RSS above the baseline / peak of the bytes asked for and not yet freed, both over the
 *                  whole run; for cells that touch what they allocate. Peak RSS is the kernel's VmHWM; live
 *                  bytes are summed over threads at every 64th operation
 *   minflt         minor page faults per 1,000 operations in the timed part
 *   after_mib      RSS above the baseline S seconds after all was freed, the threads idle (--settle)
 *   p999, max      ns of one malloc or free (cells-tail only; the clock's cost is in it)
 *   cut            1 when the time limit ended the cell before its operations were done
 *   from           the object that malloc came from
 *
 * Without OPS a worker stops after N ms (LIMIT_MS), so that an allocator which is a thousand times slower still ends;
 * with OPS it does exactly that many. Sequences depend on the cell and the worker alone.
 * Nothing here uses the heap until the baseline is read.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define LIMIT_MS 2000
#define SLICES 100

static const struct cell *const tables[] = {
    cells_fixed,
    cells_workset,
    cells_exchange,
    cells_grow,
    cells_burst,
    cells_churn,
    cells_stream,
    cells_idle,
};

static struct run run;
static pthread_barrier_t start_line;
static unsigned settle_s; /* 0: nobody waits */
static size_t settled_bytes;
static char output[16384]; /* stdout's buffer, or stdio would take one from the heap under test */

static const struct cell *cell_find(const char *name)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct cell *cell = tables[t]; cell->name != NULL; cell++)
			if (strcmp(cell->name, name) == 0)
				return cell;
	return NULL;
}

static void cells_list(void)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct cell *cell = tables[t]; cell->name != NULL; cell++)
			printf(
			    "%-18s %-6s %s\n", cell->name, cell->is_aside ? "memory" : "speed", cell->about);
}

static bool is_driver(unsigned index)
{
	return run.cell->drives == NULL || run.cell->drives(index);
}

static void worker_init(unsigned index)
{
	struct worker *w = &run.worker[index];

	w->run = &run;
	w->index = index;
	w->rng = UINT64_C(0x9e3779b97f4a7c15) * (index + 1);
	if (run.cell->slots != 0 && index < run.workers)
		w->slots = measure_map(run.cell->slots * sizeof(*w->slots));
}

static void worker_setup(struct worker *w)
{
	if (run.cell->setup != NULL)
		run.cell->setup(w);
}

static void worker_run(struct worker *w)
{
	uint64_t slice = run.ops < SLICES ? 1 : run.ops / SLICES;
	uint64_t from = measure_now_ns();
	bool drives = is_driver(w->index);

	while (w->done < run.ops) {
		uint64_t ask = run.ops - w->done < slice ? run.ops - w->done : slice;
		uint64_t did = run.cell->slice(w, ask);

		w->done += did;
		w->elapsed_ns = measure_now_ns() - from;
		if (did < ask)
			break;
		if (drives && run.limit_ns != 0 && w->elapsed_ns > run.limit_ns && w->done < run.ops) {
			w->is_cut = true;
			break;
		}
	}
}

static void worker_drain(struct worker *w)
{
	if (run.cell->drain != NULL)
		run.cell->drain(w);
}

static void *worker_thread(void *argument)
{
	struct worker *w = argument;

	worker_setup(w);
	pthread_barrier_wait(&start_line); /* all are set up: main reads the counts */
	pthread_barrier_wait(&start_line);
	worker_run(w);
	worker_drain(w);
	pthread_barrier_wait(&start_line); /* all is freed: main waits and looks */
	pthread_barrier_wait(&start_line);
	return NULL;
}

/* All threads that ran the cell are alive and idle. */
static void settle(void)
{
	struct timespec left = {.tv_sec = (time_t)settle_s};

	if (settle_s == 0)
		return;
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
	settled_bytes = measure_rss_bytes();
}

/* What the process used between two readings. */
static struct usage usage_since(struct usage before)
{
	struct usage now = measure_usage();

	return (struct usage){
	    .minor_faults = now.minor_faults - before.minor_faults,
	    .cpu_ns = now.cpu_ns - before.cpu_ns,
	};
}

/* One worker runs on the main thread, so that the program stays one of a single thread. */
static struct usage run_alone(void)
{
	struct worker *w = &run.worker[0];
	struct usage before, used;

	worker_setup(w);
	before = measure_usage();
	worker_run(w);
	used = usage_since(before);
	worker_drain(w);
	settle();
	return used;
}

/* The usage of several includes their drains, which are a few hundred frees. */
static struct usage run_threads(void)
{
	pthread_t threads[BENCH_WORKERS];
	struct usage before, used;

	pthread_barrier_init(&start_line, NULL, run.workers + 1);
	for (unsigned i = 0; i < run.workers; i++) {
		errno = pthread_create(&threads[i], NULL, worker_thread, &run.worker[i]);
		if (errno != 0)
			measure_die("pthread_create");
	}
	pthread_barrier_wait(&start_line);
	before = measure_usage();
	pthread_barrier_wait(&start_line);
	pthread_barrier_wait(&start_line);
	used = usage_since(before);
	settle();
	pthread_barrier_wait(&start_line);
	for (unsigned i = 0; i < run.workers; i++)
		pthread_join(threads[i], NULL);
	return used;
}

static void print_result(size_t baseline, struct usage used)
{
	double peak = (double)(measure_peak_rss_bytes() - baseline);
	double ns = 0, done = 0;
	unsigned drivers = 0, cut = 0;
	int64_t live = 0;

	for (unsigned i = 0; i < run.workers; i++) {
		const struct worker *w = &run.worker[i];

		if (!is_driver(i) || w->done == 0)
			continue;
		ns += (double)w->elapsed_ns / (double)w->done;
		done += (double)w->done;
		cut |= w->is_cut;
		drivers++;
	}
	for (unsigned i = 0; i < BENCH_WORKERS; i++)
		if (run.worker[i].peak_live_bytes > live)
			live = run.worker[i].peak_live_bytes;
	printf("ops=%.0f ns=%.2f cpu_ns=%.2f", done, ns / drivers, (double)used.cpu_ns / done);
	if (run.cell->has_rss && live != 0)
		printf(" rss_over_live=%.3f peak_rss_kib=%.0f peak_live_kib=%.0f", peak / (double)live,
		    peak / 1024, (double)live / 1024);
	printf(" minflt=%.2f cut=%u", (double)used.minor_faults * 1000.0 / done, cut);
	if (settle_s != 0)
		printf(" after_mib=%.1f",
		    settled_bytes < baseline ? 0 : (double)(settled_bytes - baseline) / (double)BENCH_MIB);
}

static _Noreturn void usage(void)
{
	dprintf(2, "usage: cells [--limit-ms N] [--settle SECONDS] CELL [OPS]; cells --list\n");
	exit(2);
}

/* A number from 1 up. */
static uint64_t number(const char *text)
{
	uint64_t value = text == NULL ? 0 : strtoull(text, NULL, 10);

	if (value == 0)
		usage();
	return value;
}

static void read_arguments(char **argv)
{
	uint64_t limit_ms = LIMIT_MS;

	for (argv++; *argv != NULL && **argv == '-'; argv += 2) {
		if (strcmp(*argv, "--limit-ms") == 0)
			limit_ms = number(argv[1]);
		else if (strcmp(*argv, "--settle") == 0)
			settle_s = (unsigned)number(argv[1]);
		else
			usage();
	}
	run.cell = *argv == NULL ? NULL : cell_find(*argv);
	if (run.cell == NULL || (argv[1] != NULL && argv[2] != NULL))
		usage();
	run.ops = argv[1] == NULL ? 0 : number(argv[1]);
	run.limit_ns = run.ops == 0 ? limit_ms * 1000000u : 0;
	run.workers = run.cell->workers;
	run.gauges = run.cell->workers + run.cell->helpers;
	if (run.ops == 0 || (run.cell->whole != NULL && run.ops > run.cell->ops))
		run.ops = run.cell->ops;
}

int main(int argc, char **argv)
{
	size_t baseline;
	Dl_info from;

	setvbuf(stdout, output, _IOFBF, sizeof(output));
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		cells_list();
		return 0;
	}
	read_arguments(argv);
	for (unsigned i = 0; i < BENCH_WORKERS; i++)
		worker_init(i);
	measure_reset_peak();
	baseline = measure_rss_bytes();

	printf("cell=%s ", run.cell->name);
	if (run.cell->whole != NULL) {
		run.cell->whole(&run);
	} else {
		print_result(baseline, run.workers == 1 ? run_alone() : run_threads());
	}
	if (BENCH_HAS_TAIL && !run.cell->is_aside)
		printf(" p999=%llu max=%llu", (unsigned long long)measure_tail_quantile_ns(&run, 0.999),
		    (unsigned long long)measure_tail_max_ns(&run));
	if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &from) != 0)
		printf(" from=%s", from.dli_fname);
	printf("\n");
	return 0;
}
