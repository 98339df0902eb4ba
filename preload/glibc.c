/*
 * glibc.c -- what glibc's malloc has besides malloc: its extra allocators, and
 * what it says of itself.
 *
 * Every name that libc.so.6 exports for this must be here: one that is left out
 * runs glibc's own code, and hands out a pointer that free() then takes for
 * jemalloc's. That holds for the __libc_* names too, which programs call from
 * malloc wrappers of their own. Not here: malloc_get_state and its kin, which no
 * new program can link to.
 *
 * Behaviour is glibc's where programs can see it: which alignments are rounded
 * up, what overflows, what is returned. Figures are of pool and jemalloc together:
 *
 *   uordblks   what the program holds: capacity of the pool's buffers, jemalloc's allocated
 *   fordblks   resident and not in use: idle buffers, hot free runs, jemalloc's slack
 *   arena      the sum of both; hblkhd is 0, since nothing is mapped one by one
 *   keepcost   of fordblks, what malloc_trim(0) would give back
 *
 * No lock, and no state: what is collected stands on the caller's stack (5 KiB).
 * None of this may be called from a signal handler, as in glibc.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/out.h"
#include "pool/stats.h"
#include "preload/alloc.h"
#include "preload/maintain.h"
#include "preload/preload.h"

/* Not in every header, though in libc.so.6, or in C23. */
void cfree(void *p);
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t alignment, size_t size);
void *__libc_malloc(size_t size);
void __libc_free(void *p);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
struct mallinfo __libc_mallinfo(void);
int __libc_mallopt(int parameter, int value);

/* Allocators. */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void *out_of_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

/* Any alignment does: glibc takes the next power of two. */
EXPORT void *memalign(size_t alignment, size_t size)
{
	if (alignment > SIZE_MAX / 2 + 1) {
		errno = EINVAL;
		return NULL;
	}
	size_t rounded = _Alignof(max_align_t);
	while (rounded < alignment)
		rounded <<= 1;
	return alloc_aligned(rounded, size);
}

EXPORT void *valloc(size_t size)
{
	return alloc_aligned(page_size(), size);
}

EXPORT void *pvalloc(size_t size)
{
	size_t page = page_size();
	if (size > PTRDIFF_MAX - page)
		return out_of_memory();
	return alloc_aligned(page, ROUND_UP(size, page));
}

EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		return out_of_memory();
	return realloc(p, bytes);
}

EXPORT void cfree(void *p)
{
	alloc_free(p);
}

/* C23: the sizes are hints, and programs get them wrong. */
EXPORT void free_sized(void *p, size_t size UNUSED)
{
	alloc_free(p);
}

EXPORT void free_aligned_sized(void *p, size_t alignment UNUSED, size_t size UNUSED)
{
	alloc_free(p);
}

EXPORT size_t malloc_usable_size(void *p)
{
	return p != NULL ? alloc_usable_size(p) : 0;
}

EXPORT void *__libc_malloc(size_t size)
{
	return alloc_malloc(size);
}

EXPORT void __libc_free(void *p)
{
	alloc_free(p);
}

EXPORT void *__libc_calloc(size_t count, size_t size)
{
	return calloc(count, size);
}

EXPORT void *__libc_realloc(void *p, size_t size)
{
	return realloc(p, size);
}

EXPORT void *__libc_memalign(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

EXPORT void *__libc_valloc(size_t size)
{
	return valloc(size);
}

EXPORT void *__libc_pvalloc(size_t size)
{
	return pvalloc(size);
}

/* What is in use. */

#define ALL_CACHES "stats.arenas.4096.tcache_bytes" /* MALLCTL_ARENAS_ALL */

struct heap_figures {
	struct pool_stats stats;
	struct fallback_stats fallback;
};

static uint64_t read_figure(const char *name)
{
	size_t value = 0, size = sizeof(value);
	return next.mallctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

/* The figures are read one after another: a difference may come out below zero. */
static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/*
 * jemalloc's figures as of now; zero where it was built without them. What its
 * threads keep for themselves counts as allocated there, and as free here.
 */
static void read_fallback(struct fallback_stats *stats)
{
	*stats = (struct fallback_stats){0};
	uint64_t epoch = 1;
	/* What this thread freed counts as allocated as long as it is in its cache. */
	if (!maintain_may_ask_jemalloc())
		return;
	next.mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	if (next.mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)) != 0)
		return;
	stats->is_known = true;
	stats->allocated_bytes = less(read_figure("stats.allocated"), read_figure(ALL_CACHES));
	stats->active_bytes = read_figure("stats.active");
	stats->resident_bytes = read_figure("stats.resident");
	stats->retained_bytes = read_figure("stats.retained");
	stats->metadata_bytes = read_figure("stats.metadata");
}

static COLD void collect(struct heap_figures *figures)
{
	int saved_errno = errno;
	preload_start();
	pool_stats_collect(&figures->stats, NULL, 0);
	read_fallback(&figures->fallback);
	errno = saved_errno;
}

static uint64_t pool_spare_bytes(const struct pool_stats *stats)
{
	return stats->idle_bytes + stats->free_hot_bytes;
}

/* Dirty pages of jemalloc's; what it keeps for itself is not the program's to have. */
static uint64_t fallback_spare_bytes(const struct fallback_stats *fallback)
{
	return less(fallback->resident_bytes, fallback->active_bytes + fallback->metadata_bytes);
}

static uint64_t fallback_free_bytes(const struct fallback_stats *fallback)
{
	return fallback_spare_bytes(fallback) + less(fallback->active_bytes, fallback->allocated_bytes);
}

static uint64_t used_bytes(const struct heap_figures *figures)
{
	const struct apart_stats *apart = &figures->stats.apart;
	return figures->stats.in_use_bytes + apart->small_bytes + apart->large_bytes +
	       figures->fallback.allocated_bytes;
}

static uint64_t free_bytes(const struct heap_figures *figures)
{
	return pool_spare_bytes(&figures->stats) + figures->stats.slab_free_bytes +
	       less(figures->stats.apart.slab_bytes, figures->stats.apart.small_bytes) +
	       fallback_free_bytes(&figures->fallback);
}

EXPORT struct mallinfo2 mallinfo2(void)
{
	struct heap_figures figures;
	collect(&figures);
	return (struct mallinfo2){
	    .arena = used_bytes(&figures) + free_bytes(&figures),
	    .ordblks = figures.stats.buffers_idle + figures.stats.free_runs_hot,
	    .uordblks = used_bytes(&figures),
	    .fordblks = free_bytes(&figures),
	    .keepcost = pool_spare_bytes(&figures.stats) + fallback_spare_bytes(&figures.fallback),
	};
}

/* Its members are ints, and wrap, as glibc's do. */
static struct mallinfo narrow(struct mallinfo2 wide)
{
	return (struct mallinfo){
	    .arena = (int)wide.arena,
	    .ordblks = (int)wide.ordblks,
	    .uordblks = (int)wide.uordblks,
	    .fordblks = (int)wide.fordblks,
	    .keepcost = (int)wide.keepcost,
	};
}

EXPORT struct mallinfo mallinfo(void)
{
	return narrow(mallinfo2());
}

EXPORT struct mallinfo __libc_mallinfo(void)
{
	return narrow(mallinfo2());
}

/*
 * Accepted and without effect: these tune a heap that is not there. glibc says
 * 1 to everything, but for a fast bin size past its largest.
 */
EXPORT int mallopt(int parameter, int value)
{
	const size_t largest_fast = 80 * sizeof(size_t) / 4;
	return parameter != M_MXFAST || (size_t)value <= largest_fast;
}

EXPORT int __libc_mallopt(int parameter, int value)
{
	return mallopt(parameter, value);
}

/* padding is how much of glibc's topmost chunk to keep; there is none. */
EXPORT int malloc_trim(size_t padding UNUSED)
{
	struct fallback_stats before, after;

	preload_start();
	read_fallback(&before);
	bool is_purged = maintain_now(true);
	read_fallback(&after);
	return is_purged || after.resident_bytes < before.resident_bytes;
}

static void put_line(struct out *out, const char *label, uint64_t pooled, uint64_t fallback)
{
	out_str(out, label);
	out_u64(out, pooled);
	out_str(out, " in the pool, ");
	out_u64(out, fallback);
	out_str(out, " in jemalloc\n");
}

EXPORT void malloc_stats(void)
{
	struct heap_figures figures;
	collect(&figures);
	const struct pool_stats *stats = &figures.stats;
	const struct fallback_stats *fallback = &figures.fallback;

	char buffer[512];
	struct out out;
	out_init(&out, STDERR_FILENO, buffer, sizeof(buffer));
	put_line(&out,
	    "bytes in use:      ", stats->in_use_bytes + stats->apart.small_bytes + stats->apart.large_bytes,
	    fallback->allocated_bytes);
	put_line(&out, "bytes idle:        ", pool_spare_bytes(stats) + stats->slab_free_bytes,
	    fallback_free_bytes(fallback));
	put_line(&out, "bytes bookkeeping: ", stats->metadata_bytes, fallback->metadata_bytes);
	out_str(&out, "buffers in use:    ");
	out_u64(&out, stats->buffers_in_use);
	out_str(&out, " in the pool, ");
	out_u64(&out, stats->buffers_idle);
	out_str(&out, " idle\n");
	out_flush(&out);
}

static void put_totals(FILE *file, uint64_t free_count, uint64_t idle, uint64_t in_use)
{
	uintmax_t system = idle + in_use;
	fprintf(file,
	    "<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
	    "<total type=\"rest\" count=\"%ju\" size=\"%ju\"/>\n"
	    "<system type=\"current\" size=\"%ju\"/>\n"
	    "<system type=\"max\" size=\"%ju\"/>\n"
	    "<aspace type=\"total\" size=\"%ju\"/>\n"
	    "<aspace type=\"mprotect\" size=\"%ju\"/>\n",
	    (uintmax_t)free_count, (uintmax_t)idle, system, system, system, system);
}

/* glibc's elements: heap 0 is the pool, heap 1 jemalloc, then both together. */
EXPORT int malloc_info(int options, FILE *file)
{
	if (options != 0)
		return EINVAL;

	struct heap_figures figures;
	collect(&figures);
	const struct pool_stats *stats = &figures.stats;
	const struct fallback_stats *fallback = &figures.fallback;
	uint64_t pool_idle = pool_spare_bytes(stats) + stats->slab_free_bytes;
	uint64_t pool_free_count = stats->buffers_idle + stats->free_runs_hot;

	fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n", file);
	uint64_t above = 0;
	for (unsigned i = 0; i < stats->class_count; i++) {
		const struct pool_class_stats *class = &stats->classes[i];
		if (class->idle != 0)
			fprintf(file, "<size from=\"%ju\" to=\"%ju\" total=\"%ju\" count=\"%ju\"/>\n",
			    (uintmax_t)(above + 1), (uintmax_t) class->size_bytes,
			    (uintmax_t)(class->idle * class->size_bytes), (uintmax_t) class->idle);
		above = class->size_bytes;
	}
	fputs("</sizes>\n", file);
	put_totals(file, pool_free_count, pool_idle + less(stats->apart.slab_bytes, stats->apart.small_bytes),
	    stats->in_use_bytes + stats->apart.small_bytes + stats->apart.large_bytes);
	fputs("</heap>\n<heap nr=\"1\">\n<sizes>\n</sizes>\n", file);
	put_totals(file, 0, fallback_free_bytes(fallback), fallback->allocated_bytes);
	fputs("</heap>\n", file);
	put_totals(file, pool_free_count, free_bytes(&figures), used_bytes(&figures));
	fputs("</malloc>\n", file);
	return 0;
}
