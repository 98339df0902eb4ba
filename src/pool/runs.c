/*
 * runs.c -- best fit over page runs, with boundary tags beside the range.
 *
 * Called by arena.c, arenas.c and purge.c with the arena's lock held. Invariants: no two neighbouring
 * runs of one arena are both free; a free run stands in exactly one bin; range.edges has
 * a bit for its first and its last page, and no other; every entry that is not a head, a
 * tail or part of a slab is RUN_NONE.
 *
 * What costs here is cache lines: the table of runs is as sparse as the buffers are
 * large. So neighbours are asked for in range.edges, which is dense, and age has no list
 * of its own: who purges walks the table.
 */
#include "pool/runs.h"

/* How many runs of a bin of mixed lengths are looked at for the best fit. */
#define FIT_LOOKS 16

static unsigned bin_of(uint32_t pages)
{
	unsigned log;

	if (pages <= RUNS_EXACT_BINS)
		return pages - 1;
	log = 31 - (unsigned)__builtin_clz(pages);
	/* What is longer than the bins go (256 GiB) stands in the last one. */
	return MIN(RUNS_EXACT_BINS + (log - 8) * 8 + ((pages >> (log - 3)) & 7), RUNS_BINS - 1);
}

/* The first occupied bin from bin on; RUNS_BINS: none. */
static unsigned next_bin(const struct bins *bins, unsigned bin)
{
	unsigned word = bin / 64;
	uint64_t bits;

	if (bin >= RUNS_BINS)
		return RUNS_BINS;
	bits = LOAD_RELAXED(&bins->occupied[word]) & (~(uint64_t)0 << bin % 64);
	while (bits == 0) {
		if (++word == RUNS_WORDS)
			return RUNS_BINS;
		bits = LOAD_RELAXED(&bins->occupied[word]);
	}
	return word * 64 + (unsigned)__builtin_ctzll(bits);
}

static enum temperature temperature_of(const struct run *run)
{
	return run->free.hot_pages * 2 >= run->pages ? RUNS_HOT : RUNS_COLD;
}

/* --- which pages may be resident ------------------------------------------- */

/* The bits of pages from page on within its word of the map. */
static uint64_t bits_from(uint32_t page)
{
	return ~(uint64_t)0 << page % 64;
}

static uint64_t bits_to(uint32_t last)
{
	return ~(uint64_t)0 >> (63 - last % 64);
}

/* Most words are all or nothing, and not every processor that Weir runs on counts bits by itself. */
static uint32_t count_bits(uint64_t bits)
{
	if (bits == ~(uint64_t)0)
		return 64;
	return bits == 0 ? 0 : (uint32_t)__builtin_popcountll(bits);
}

uint32_t hot_count(uint32_t page, uint32_t pages)
{
	uint32_t last = page + pages - 1, word = page / 64, count = 0;
	uint64_t mask = bits_from(page);

	if (pages == 0)
		return 0;
	for (; word < last / 64; word++, mask = ~(uint64_t)0)
		count += count_bits(range.hot[word] & mask);
	return count + count_bits(range.hot[word] & mask & bits_to(last));
}

static void mark_word(uint32_t word, uint64_t mask, bool is_hot)
{
	STORE_RELAXED(&range.hot[word], is_hot ? range.hot[word] | mask : range.hot[word] & ~mask);
}

void hot_mark(uint32_t page, uint32_t pages, bool is_hot)
{
	uint32_t last = page + pages - 1, word = page / 64;
	uint64_t mask = bits_from(page);

	if (pages == 0)
		return;
	for (; word < last / 64; word++, mask = ~(uint64_t)0)
		mark_word(word, mask, is_hot);
	mark_word(word, mask & bits_to(last), is_hot);
}

/* --- lists ------------------------------------------------------------------ */

static void bin_insert(struct runs *runs, uint32_t page)
{
	struct run *run = run_at(page);
	struct bins *bins = &runs->bins[temperature_of(run)];
	unsigned bin = bin_of(run->pages);
	uint32_t head = bins->heads[bin];

	run->free.next = head;
	run->free.prev = 0;
	if (head != 0)
		run_at(head)->free.prev = page;
	bins->heads[bin] = page;
	STORE_RELAXED(&bins->occupied[bin / 64], bins->occupied[bin / 64] | (uint64_t)1 << bin % 64);
	runs->counts[temperature_of(run)]++;
}

static void bin_remove(struct runs *runs, uint32_t page)
{
	struct run *run = run_at(page);
	struct bins *bins = &runs->bins[temperature_of(run)];
	unsigned bin = bin_of(run->pages);

	if (run->free.next != 0)
		run_at(run->free.next)->free.prev = run->free.prev;
	if (run->free.prev != 0)
		run_at(run->free.prev)->free.next = run->free.next;
	else
		bins->heads[bin] = run->free.next;
	if (bins->heads[bin] == 0)
		STORE_RELAXED(
		    &bins->occupied[bin / 64], bins->occupied[bin / 64] & ~((uint64_t)1 << bin % 64));
	runs->counts[temperature_of(run)]--;
}

/* --- runs come and go ------------------------------------------------------- */

static void set_edge(uint32_t page, bool is_edge)
{
	uint64_t bit = (uint64_t)1 << page % 64;

	if (is_edge)
		range.edges[page / 64] |= bit;
	else
		range.edges[page / 64] &= ~bit;
}

/* page may be another arena's, whose bits change at any time: then the answer means nothing. */
UNLOCKED_READER static bool is_edge(uint32_t page)
{
	return LOAD_RELAXED(&range.edges[page / 64]) >> page % 64 & 1;
}

static void link_run(struct runs *runs, uint32_t page, uint32_t pages, uint32_t hot, uint32_t freed)
{
	struct run *run = run_at(page);

	if (pages > 1) {
		struct run *tail = run_at(page + pages - 1);

		tail->pages = pages;
		STORE_RELAXED(&tail->state, RUN_TAIL);
		set_edge(page + pages - 1, true);
	}
	set_edge(page, true);
	run->pages = pages;
	run->free.hot_pages = hot;
	run->free.freed = freed;
	STORE_RELAXED(&run->state, RUN_FREE);
	bin_insert(runs, page);
	runs->free_pages += pages;
	runs->hot_pages += hot;
}

/* Leaves head and tail entries RUN_NONE. */
static void unlink_run(struct runs *runs, uint32_t page)
{
	struct run *run = run_at(page);
	uint32_t last = page + run->pages - 1;

	bin_remove(runs, page);
	runs->free_pages -= run->pages;
	runs->hot_pages -= run->free.hot_pages;
	set_edge(page, false);
	set_edge(last, false);
	STORE_RELAXED(&run_at(last)->state, RUN_NONE);
	STORE_RELAXED(&run->state, RUN_NONE);
}

uint32_t runs_free_length(const struct runs *runs, uint32_t page)
{
	if (page >= range_committed() || !is_edge(page) || page_owner(page) != runs->arena ||
	    LOAD_RELAXED(&run_at(page)->state) != RUN_FREE)
		return 0;
	return run_at(page)->pages;
}

/* The free run that ends right before page; 0: none. */
static uint32_t free_run_before(const struct runs *runs, uint32_t page)
{
	if (page <= 1 || !is_edge(page - 1) || page_owner(page - 1) != runs->arena)
		return 0;
	return page - run_at(page - 1)->pages;
}

/* The age of a joined run is the mean of its parts', weighted by resident pages. */
static void insert(struct runs *runs, uint32_t page, uint32_t pages, uint32_t hot, uint32_t now)
{
	uint32_t parts[2] = {free_run_before(runs, page), page + pages};
	int64_t age_sum = 0; /* ticks before now, times resident pages */

	if (runs_free_length(runs, parts[1]) == 0)
		parts[1] = 0;
	if (parts[0] != 0) {
		pages += page - parts[0];
		page = parts[0];
	}
	for (int i = 0; i < 2; i++) {
		const struct run *part = run_at(parts[i]);

		if (parts[i] == 0)
			continue;
		if (i == 1)
			pages += part->pages;
		age_sum += (int64_t)(int32_t)(now - part->free.freed) * part->free.hot_pages;
		hot += part->free.hot_pages;
		unlink_run(runs, parts[i]);
	}
	link_run(runs, page, pages, hot, hot != 0 ? now - (uint32_t)(age_sum / hot) : now);
}

void runs_free_hot(struct runs *runs, uint32_t page, uint32_t pages, uint32_t now)
{
	hot_mark(page, pages, true);
	insert(runs, page, pages, pages, now);
}

void runs_free_as_marked(struct runs *runs, uint32_t page, uint32_t pages, uint32_t now)
{
	insert(runs, page, pages, hot_count(page, pages), now);
}

void runs_restore(struct runs *runs, uint32_t page, uint32_t freed)
{
	uint32_t pages = run_at(page)->pages;

	STORE_RELAXED(&run_at(page)->state, RUN_NONE);
	insert(runs, page, pages, hot_count(page, pages), freed);
}

void runs_withdraw(struct runs *runs, uint32_t page)
{
	unlink_run(runs, page);
	STORE_RELAXED(&run_at(page)->state, RUN_BUSY);
}

/* Cut [page, page + pages) out of the free run [start, start + length). */
static void cut(struct runs *runs, uint32_t start, uint32_t page, uint32_t pages, bool *was_cold)
{
	const struct run *run = run_at(start);
	uint32_t length = run->pages, hot = run->free.hot_pages, freed = run->free.freed;
	uint32_t before = page - start, after = length - before - pages;
	bool is_all_hot = hot == length, is_all_cold = hot == 0;

	unlink_run(runs, start);
	if (before != 0) {
		uint32_t part = is_all_hot ? before : is_all_cold ? 0 : hot_count(start, before);

		link_run(runs, start, before, part, freed);
		hot -= part;
	}
	if (after != 0) {
		uint32_t kept = is_all_hot ? pages : is_all_cold ? 0 : hot_count(page, pages);

		link_run(runs, page + pages, after, hot - kept, freed);
		hot = kept;
	}
	runs->fresh_pages += pages - hot;
	runs->reused_pages += hot;
	*was_cold = hot == 0;
}

bool runs_take_at(struct runs *runs, uint32_t page, uint32_t pages, bool *was_cold)
{
	if (runs_free_length(runs, page) < pages)
		return false;
	cut(runs, page, page, pages, was_cold);
	return true;
}

static uint32_t best_in_bin(const struct bins *bins, unsigned bin, uint32_t pages)
{
	uint32_t best = 0, best_pages = UINT32_MAX;
	int looks = 0;

	for (uint32_t page = bins->heads[bin]; page != 0 && looks < FIT_LOOKS; looks++) {
		const struct run *run = run_at(page);

		if (run->pages >= pages && run->pages < best_pages) {
			best = page;
			best_pages = run->pages;
		}
		page = run->free.next;
	}
	return best;
}

/* The best-fitting run; 0: none is as long. */
static uint32_t find_fit(const struct bins *bins, uint32_t pages)
{
	unsigned bin = next_bin(bins, bin_of(pages));

	/* Only the first bin above the exact ones can hold runs that are too short. */
	while (bin < RUNS_BINS) {
		uint32_t page = bin < RUNS_EXACT_BINS ? bins->heads[bin] : best_in_bin(bins, bin, pages);

		if (page != 0)
			return page;
		bin = next_bin(bins, bin + 1);
	}
	return 0;
}

uint32_t runs_take(struct runs *runs, enum temperature temperature, uint32_t pages, bool *was_cold)
{
	uint32_t page = find_fit(&runs->bins[temperature], pages);

	if (page != 0)
		cut(runs, page, page, pages, was_cold);
	return page;
}

/* The last occupied bin before bin; RUNS_BINS: none. */
static unsigned bin_before(const struct bins *bins, unsigned bin)
{
	while (bin-- > 0) {
		uint64_t bits = bins->occupied[bin / 64] << (63 - bin % 64);

		if (bits != 0)
			return bin - (unsigned)__builtin_clzll(bits);
		bin -= bin % 64;
	}
	return RUNS_BINS;
}

uint32_t runs_take_longest(struct runs *runs, enum temperature temperature, uint32_t least, uint32_t most,
    uint32_t *got, bool *was_cold)
{
	const struct bins *bins = &runs->bins[temperature];
	uint32_t page = runs_take(runs, temperature, most, was_cold);
	unsigned bin;

	*got = most;
	if (page != 0)
		return page;
	/* All are shorter than most. */
	bin = bin_before(bins, RUNS_BINS);
	if (bin == RUNS_BINS)
		return 0;
	page = bins->heads[bin];
	*got = run_at(page)->pages;
	if (*got < least)
		return 0;
	cut(runs, page, page, *got, was_cold);
	return page;
}

/*
 * How many runs of that length, at most most of them, cut() would take out of the run at page one after the other:
 * as long as the rest has the run's temperature, by which it fits best again; and all read as zero, or none.
 */
static unsigned row_length(uint32_t page, uint32_t pages, unsigned most)
{
	const struct run *run = run_at(page);
	uint32_t length = run->pages, hot = run->free.hot_pages;
	bool is_hot = temperature_of(run) == RUNS_HOT, was_cold = false;
	unsigned count = 0;

	if (most == 1)
		return 1;
	if (hot == length || hot == 0)
		return MIN(most, length / pages);
	for (; count < most && length >= pages; count++) {
		uint32_t part = hot_count(page, pages);

		if (count == 0)
			was_cold = part == 0;
		if ((part == 0) != was_cold || (hot * 2 >= length) != is_hot)
			break;
		hot -= part;
		page += pages;
		length -= pages;
	}
	return count;
}

uint32_t runs_take_row(struct runs *runs, enum temperature temperature, uint32_t pages, unsigned most,
    unsigned *count, bool *was_cold)
{
	uint32_t page = find_fit(&runs->bins[temperature], pages);

	*count = 0;
	if (page == 0)
		return 0;
	*count = row_length(page, pages, most);
	cut(runs, page, page, *count * pages, was_cold);
	return page;
}

unsigned runs_best_bin(const struct runs *runs, enum temperature temperature, uint32_t pages)
{
	/* In a bin of mixed lengths a run may be too short. */
	return next_bin(&runs->bins[temperature], bin_of(pages) + (pages > RUNS_EXACT_BINS));
}

bool runs_has(const struct runs *runs, enum temperature temperature, uint32_t pages)
{
	return runs_best_bin(runs, temperature, pages) < RUNS_BINS;
}
