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
/* Fewer resident pages than this part of a request are not worth that it is not zero. */
#define WARM_SHARE 8

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

/* The last occupied bin up to bin; RUNS_BINS: none. */
static unsigned last_bin(const struct bins *bins, unsigned bin)
{
	unsigned word = bin / 64;
	uint64_t bits = bins->occupied[word] & (~(uint64_t)0 >> (63 - bin % 64));

	while (bits == 0) {
		if (word-- == 0)
			return RUNS_BINS;
		bits = bins->occupied[word];
	}
	return word * 64 + 63 - (unsigned)__builtin_clzll(bits);
}

static enum temperature temperature_of(const struct run *run)
{
	if (run->free.hot_pages * 2 >= run->pages)
		return RUNS_HOT;
	return run->free.hot_pages != 0 ? RUNS_WARM : RUNS_COLD;
}

/* By what a run of that temperature stands in a bin. */
static uint32_t key_of(const struct run *run, enum temperature temperature)
{
	return temperature == RUNS_WARM ? run->free.hot_pages : run->pages;
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

bool hot_is_all(uint32_t page, uint32_t pages)
{
	uint32_t last = page + pages - 1, word = page / 64;
	uint64_t mask = bits_from(page);

	if (pages == 0 || last >= range_committed())
		return pages == 0;
	for (; word < last / 64; word++, mask = ~(uint64_t)0)
		if ((mask & ~LOAD_RELAXED(&range.hot[word])) != 0)
			return false;
	return (mask & bits_to(last) & ~LOAD_RELAXED(&range.hot[word])) == 0;
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

/* Pages that were in use until now. */
static void mark_freed(uint32_t page, uint32_t pages)
{
	uint64_t *freed = range.freed[atomic_load_explicit(&range.is_second, memory_order_relaxed)];
	uint32_t last = page + pages - 1, word = page / 64;
	uint64_t mask = bits_from(page);

	hot_mark(page, pages, true);
	for (; word < last / 64; word++, mask = ~(uint64_t)0)
		STORE_RELAXED(&freed[word], LOAD_RELAXED(&freed[word]) | mask);
	STORE_RELAXED(&freed[word], LOAD_RELAXED(&freed[word]) | (mask & bits_to(last)));
}

/* --- lists ------------------------------------------------------------------ */

static void bin_insert(struct runs *runs, uint32_t page)
{
	struct run *run = run_at(page);
	enum temperature temperature = temperature_of(run);
	struct bins *bins = &runs->bins[temperature];
	unsigned bin = bin_of(key_of(run, temperature));
	uint32_t head = bins->heads[bin];

	run->free.next = head;
	run->free.prev = 0;
	if (head != 0)
		run_at(head)->free.prev = page;
	bins->heads[bin] = page;
	STORE_RELAXED(&bins->occupied[bin / 64], bins->occupied[bin / 64] | (uint64_t)1 << bin % 64);
	runs->counts[temperature]++;
}

static void bin_remove(struct runs *runs, uint32_t page)
{
	struct run *run = run_at(page);
	enum temperature temperature = temperature_of(run);
	struct bins *bins = &runs->bins[temperature];
	unsigned bin = bin_of(key_of(run, temperature));

	if (run->free.next != 0)
		run_at(run->free.next)->free.prev = run->free.prev;
	if (run->free.prev != 0)
		run_at(run->free.prev)->free.next = run->free.next;
	else
		bins->heads[bin] = run->free.next;
	if (bins->heads[bin] == 0)
		STORE_RELAXED(
		    &bins->occupied[bin / 64], bins->occupied[bin / 64] & ~((uint64_t)1 << bin % 64));
	runs->counts[temperature]--;
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
	mark_freed(page, pages);
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

/* The first resident page from page on, of a run that has one there. */
static uint32_t first_hot(uint32_t page)
{
	unsigned word = page / 64;
	uint64_t bits = range.hot[word] & (~(uint64_t)0 << page % 64);

	while (bits == 0)
		bits = range.hot[++word];
	return word * 64 + (uint32_t)__builtin_ctzll(bits);
}

/*
 * From where so many pages of a free run are taken: its head, or its end or where its resident part begins, if
 * more of them are resident there.
 */
static uint32_t warmest(uint32_t start, uint32_t pages)
{
	const struct run *run = run_at(start);
	uint32_t last = start + run->pages - pages, best = start, best_hot;
	uint32_t most = MIN(run->free.hot_pages, pages), others[2];

	if (last == start || run->free.hot_pages == 0 || run->free.hot_pages == run->pages)
		return start;
	best_hot = hot_count(start, pages);
	others[0] = MIN(first_hot(start), last);
	others[1] = last;
	for (int i = 0; i < 2 && best_hot < most; i++) {
		uint32_t hot = hot_count(others[i], pages);

		if (hot > best_hot) {
			best = others[i];
			best_hot = hot;
		}
	}
	return best;
}

static uint32_t best_in_bin(
    const struct runs *runs, enum temperature temperature, unsigned bin, uint32_t pages)
{
	uint32_t best = 0, best_key = UINT32_MAX;
	int looks = 0;

	for (uint32_t page = runs->bins[temperature].heads[bin]; page != 0 && looks < FIT_LOOKS; looks++) {
		const struct run *run = run_at(page);
		uint32_t key = key_of(run, temperature);

		if (key >= pages && key < best_key) {
			best = page;
			best_key = key;
		}
		page = run->free.next;
	}
	return best;
}

/* The run of that temperature that fits best; 0: none. */
static uint32_t find_best(const struct runs *runs, enum temperature temperature, uint32_t pages)
{
	const struct bins *bins = &runs->bins[temperature];
	unsigned bin = next_bin(bins, bin_of(pages));

	/* Only the first bin above the exact ones can hold runs that are too short. */
	while (bin < RUNS_BINS) {
		uint32_t page =
		    bin < RUNS_EXACT_BINS ? bins->heads[bin] : best_in_bin(runs, temperature, bin, pages);

		if (page != 0)
			return page;
		bin = next_bin(bins, bin + 1);
	}
	return 0;
}

/* The warm run in which the fewest of so many pages would fault, though some; 0: none, or hardly any would not. */
static uint32_t find_warmest(const struct runs *runs, uint32_t pages)
{
	const struct bins *bins = &runs->bins[RUNS_WARM];
	unsigned least = bin_of(MAX(pages / WARM_SHARE, 1u)), bin = last_bin(bins, bin_of(pages));

	for (int looks = 0; bin < RUNS_BINS && bin >= least && looks < FIT_LOOKS;) {
		for (uint32_t page = bins->heads[bin]; page != 0 && looks < FIT_LOOKS; looks++) {
			if (run_at(page)->pages >= pages)
				return page;
			page = run_at(page)->free.next;
		}
		bin = bin == 0 ? RUNS_BINS : last_bin(bins, bin - 1);
	}
	return 0;
}

/* Any warm run that is long enough; 0: none. Before the range is extended, so all are looked at. */
static uint32_t find_long(const struct runs *runs, uint32_t pages)
{
	const struct bins *bins = &runs->bins[RUNS_WARM];

	for (unsigned bin = next_bin(bins, 0); bin < RUNS_BINS; bin = next_bin(bins, bin + 1))
		for (uint32_t page = bins->heads[bin]; page != 0; page = run_at(page)->free.next)
			if (run_at(page)->pages >= pages)
				return page;
	return 0;
}

/* The run that it is taken from; 0: none of that temperature. */
static uint32_t find(const struct runs *runs, enum temperature temperature, uint32_t pages)
{
	uint32_t start;

	if (temperature == RUNS_HOT) {
		start = find_best(runs, RUNS_HOT, pages);
		return start != 0 ? start : find_best(runs, RUNS_WARM, pages);
	}
	start = find_warmest(runs, pages);
	start = start != 0 ? start : find_best(runs, RUNS_COLD, pages);
	return start != 0 ? start : find_long(runs, pages);
}

/* One of the longest of that temperature, if it has so many pages; 0: none. */
static uint32_t longest(const struct runs *runs, enum temperature temperature, uint32_t least)
{
	const struct bins *bins = &runs->bins[temperature];
	unsigned bin = last_bin(bins, RUNS_BINS - 1);

	return bin != RUNS_BINS && run_at(bins->heads[bin])->pages >= least ? bins->heads[bin] : 0;
}

uint32_t runs_take_longest(struct runs *runs, enum temperature temperature, uint32_t least, uint32_t most,
    uint32_t *got, bool *was_cold)
{
	uint32_t page = runs_take(runs, temperature, most, was_cold);

	*got = most;
	if (page != 0)
		return page;
	/* All of that temperature are shorter than most. */
	page = longest(runs, temperature, least);
	if (page != 0) {
		*got = run_at(page)->pages;
		cut(runs, page, page, *got, was_cold);
	}
	return page;
}

uint32_t runs_take_roomy(struct runs *runs, uint32_t pages, uint32_t room, bool *was_cold)
{
	uint32_t start = find_best(runs, RUNS_HOT, pages + room), page;

	if (start == 0)
		start = find_long(runs, pages + room);
	if (start == 0)
		start = longest(runs, RUNS_HOT, pages);
	if (start == 0)
		start = find_best(runs, RUNS_COLD, pages + room);
	if (start == 0)
		return 0;
	page = warmest(start, run_at(start)->pages >= pages + room ? pages + room : pages);
	cut(runs, start, page, pages, was_cold);
	return page;
}

/*
 * How many runs of that length, at most most of them, lie in the free run from page on, each as well fitting as the
 * one before: of a run that is resident all over, or nowhere; of others one, as what is left may be of another
 * temperature.
 */
static unsigned row_length(uint32_t start, uint32_t page, uint32_t pages, unsigned most)
{
	const struct run *run = run_at(start);
	uint32_t hot = run->free.hot_pages;

	return page == start && (hot == run->pages || hot == 0) ? MIN(most, run->pages / pages) : 1;
}

uint32_t runs_take_row(struct runs *runs, enum temperature temperature, uint32_t pages, unsigned most,
    unsigned *count, bool *was_cold)
{
	uint32_t start = find(runs, temperature, pages), page;

	*count = 0;
	if (start == 0)
		return 0;
	page = warmest(start, pages);
	*count = row_length(start, page, pages, most);
	cut(runs, start, page, *count * pages, was_cold);
	return page;
}

uint32_t runs_take(struct runs *runs, enum temperature temperature, uint32_t pages, bool *was_cold)
{
	unsigned count;

	return runs_take_row(runs, temperature, pages, 1, &count, was_cold);
}

unsigned runs_rank(const struct runs *runs, uint32_t pages)
{
	/* In a bin of mixed lengths a run may be too short. */
	unsigned from = bin_of(pages) + (pages > RUNS_EXACT_BINS);
	unsigned bin = next_bin(&runs->bins[RUNS_HOT], from);

	return bin < RUNS_BINS ? bin : RUNS_BINS + next_bin(&runs->bins[RUNS_WARM], from);
}

bool runs_has_hot(const struct runs *runs, uint32_t pages)
{
	return runs_rank(runs, pages) < RUNS_RANKS;
}
