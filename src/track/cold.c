/*
 * cold.c -- WEIR_COMPRESSION: what a leak holds and nobody looks at goes to swap.
 *
 * Called by the tick where the setting is on. Candidates are buffers of the range that are
 * samples of a site at HIGH risk and far older than what that site's buffers live: those most
 * likely are never touched again. Their whole pages are offered with MADV_PAGEOUT, where there is
 * room in swap (a compressed one, zram or zswap, makes it cheap), so many bytes a tick. Nothing
 * is lost if that was wrong: the page comes back at the first touch.
 *
 * That is watched: /proc/self/pagemap tells which pages of what went out are back (mincore() does not: the
 * kernel keeps copies of what it writes). A site whose pages come back is in use after all and is
 * left alone from then on. What is merely freed is forgotten. Where pagemap cannot be read nothing is offered.
 *
 * Bounded: COLD_MAX buffers are watched, some of them a tick; no more are offered then. A buffer that is
 * freed, and handed out again, between the look at it and the call loses nothing but time.
 * What the kernel refuses for good (before Linux 5.4, or by a filter) is not tried again.
 */
#include "track/cold.h"

#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/sys.h"
#include "pool/stats.h"
#include "track/samples.h"
#include "track/sites.h"

#define COLD_MAX 8192
#define WATCH_A_TICK 1024
#define BYTES_A_TICK (16 * MIB)
/* A candidate is older than so many times the 99th percentile of its site's lifetimes, and than that. */
#define OLDER_THAN_P99 8
#define OLDEST_SECONDS 600.0

struct cold {
	uintptr_t start;
	uint32_t pages;
	uint32_t sample;
	uint32_t site;	  /* row */
	uint32_t present; /* the fewest pages that were seen in memory since it was offered */
};

static struct {
	struct cold *entries; /* frozen; NULL: off */
	uint32_t count, next; /* entries, and the one that is looked at next */
	uint64_t left;	      /* bytes that may still be offered at this tick */
	double now;	      /* seconds */
	bool is_refused;
	int pagemap;				  /* during a tick */
	uint64_t watched[(SAMPLES_MAX + 1) / 64]; /* a bit a sample, by its index: it is in entries */
	/* Relaxed; statistics. */
	_Atomic uint64_t paged_out_pages, refaults, sites_left_alone;
} cold;

static size_t table_bytes(void)
{
	return ROUND_UP(COLD_MAX * sizeof(struct cold), PAGE_BYTES);
}

bool cold_start(void)
{
	void *entries = sys_reserve(table_bytes());

	if (entries == NULL || !sys_commit(entries, table_bytes()))
		return false;
	cold.entries = entries;
	return true;
}

static bool is_set(const uint64_t *bits, uint32_t i)
{
	return (bits[i / 64] >> i % 64 & 1) != 0;
}

static void set(uint64_t *bits, uint32_t i, bool value)
{
	bits[i / 64] = (bits[i / 64] & ~((uint64_t)1 << i % 64)) | (uint64_t)value << i % 64;
}

/* --- is there swap? ---------------------------------------------------------- */

/* A number, and where it ended. */
static uint64_t number_at(const char **text)
{
	uint64_t value = 0;

	while (**text == ' ' || **text == '\t')
		++*text;
	while (**text >= '0' && **text <= '9')
		value = value * 10 + (uint64_t)(*(*text)++ - '0');
	return value;
}

/*
 * Whether some line of /proc/swaps has room: "NAME TYPE SIZE USED PRIORITY", in KiB. A swap of zram or
 * behind zswap is there like any other.
 */
static bool has_swap(void)
{
	static char text[2048]; /* of the tick alone */
	int fd = sys_open("/proc/swaps", O_RDONLY, 0);
	ssize_t length;

	if (fd < 0)
		return false;
	length = sys_read(fd, text, sizeof(text) - 1);
	sys_close(fd);
	text[MAX(length, 0)] = '\0';
	for (const char *line = strchr(text, '\n'); line != NULL && line[1] != '\0';
	     line = strchr(line + 1, '\n')) {
		const char *at = line + 1 + strcspn(line + 1, " \t\n");
		uint64_t size, used;

		/* The type is a word. */
		at += strspn(at, " \t");
		at += strcspn(at, " \t\n");
		size = number_at(&at);
		used = number_at(&at);
		if ((size - MIN(used, size)) * KIB >= BYTES_A_TICK / 4)
			return true;
	}
	return false;
}

/* --- what came back ---------------------------------------------------------- */

static void leave_alone(uint32_t site)
{
	if (sites_at(site)->is_left_alone)
		return;
	sites_at(site)->is_left_alone = true;
	atomic_fetch_add_explicit(&cold.sites_left_alone, 1, memory_order_relaxed);
}

/* False: nothing is left to be watched. */
static bool watch(struct cold *entry)
{
	struct sample_facts sample;
	size_t present;

	if (!samples_read(entry->sample, &sample))
		return false;
	if (!sys_present_pages(cold.pagemap, (void *)entry->start, entry->pages, &present))
		return true;
	if (present > entry->present) {
		atomic_fetch_add_explicit(&cold.refaults, present - entry->present, memory_order_relaxed);
		leave_alone(entry->site);
		return false;
	}
	atomic_fetch_add_explicit(&cold.paged_out_pages, entry->present - present, memory_order_relaxed);
	entry->present = (uint32_t)present;
	return true;
}

static void watch_some(void)
{
	for (unsigned looks = 0; looks < WATCH_A_TICK && looks < cold.count; looks++) {
		struct cold *entry;

		if (cold.next >= cold.count)
			cold.next = 0;
		entry = &cold.entries[cold.next];
		if (watch(entry)) {
			cold.next++;
			continue;
		}
		set(cold.watched, entry->sample & SAMPLES_MAX, false);
		*entry = cold.entries[--cold.count];
	}
}

/* --- what goes --------------------------------------------------------------- */

/* Whether an object of the row is so old that it will hardly be touched again. */
static bool is_stale(uint32_t row, double age)
{
	const struct site *site = sites_at(row);

	return site->hold.level == RISK_HIGH && !site->is_left_alone &&
	       age > MAX(OLDER_THAN_P99 * site->risk.lifetime_p99_seconds, OLDEST_SECONDS);
}

static bool offer(uint32_t number, uintptr_t address, size_t bytes)
{
	uintptr_t start = ROUND_UP(address, PAGE_BYTES), end = ROUND_DOWN(address + bytes, PAGE_BYTES);
	struct sample_facts sample;
	struct cold *entry = &cold.entries[cold.count];
	size_t present;

	if (end <= start || is_set(cold.watched, number & SAMPLES_MAX) || !samples_read(number, &sample))
		return true;
	sample.site = sites_home(sample.site);
	if (sample.site >= SITES_ROWS ||
	    !is_stale(sample.site, cold.now - (double)sample.birth / TICKS_PER_SECOND))
		return true;
	if (!sys_present_pages(cold.pagemap, (void *)start, (end - start) >> PAGE_SHIFT, &present) ||
	    !sys_page_out((void *)start, end - start)) {
		cold.is_refused = true;
		return false;
	}
	cold.left -= MIN(cold.left, end - start);
	*entry = (struct cold){.start = start,
	    .pages = (uint32_t)((end - start) >> PAGE_SHIFT),
	    .sample = number,
	    .site = sample.site,
	    .present = (uint32_t)present};
	set(cold.watched, number & SAMPLES_MAX, true);
	cold.count++;
	watch(entry);
	return cold.count < COLD_MAX && cold.left != 0;
}

static bool has_high_site(void)
{
	for (uint32_t row = 0; row < sites_bound(); row++) {
		if (sites_at(row)->hold.level == RISK_HIGH && !sites_at(row)->is_left_alone)
			return true;
	}
	return false;
}

void cold_run(uint32_t now_ticks)
{
	if (cold.entries == NULL || cold.is_refused || (cold.count == 0 && !has_high_site()))
		return;
	cold.pagemap = sys_open("/proc/self/pagemap", O_RDONLY, 0);
	if (cold.pagemap < 0)
		return;
	watch_some();
	cold.now = (double)now_ticks / TICKS_PER_SECOND;
	cold.left = BYTES_A_TICK;
	if (cold.count < COLD_MAX && has_high_site() && has_swap())
		pool_visit_samples(offer);
	sys_close(cold.pagemap);
}

void cold_count(struct cold_counters *counters)
{
	counters->paged_out_bytes = atomic_load_explicit(&cold.paged_out_pages, memory_order_relaxed)
				    << PAGE_SHIFT;
	counters->refaults = atomic_load_explicit(&cold.refaults, memory_order_relaxed);
	counters->sites_left_alone = atomic_load_explicit(&cold.sites_left_alone, memory_order_relaxed);
	counters->table_bytes = cold.entries != NULL ? table_bytes() : 0;
}
