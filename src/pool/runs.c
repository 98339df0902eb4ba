/*
 * runs.c -- best fit over page runs, with boundary tags beside the range.
 *
 * Called by arena.c with the arena's lock held. Invariants: no two neighbouring
 * runs of one arena are both free; a free run stands in exactly one bin, and on
 * the age list exactly if it has resident pages; every entry that is not a head, a
 * tail or part of a slab is RUN_NONE.
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
	return RUNS_EXACT_BINS + (log - 8) * 8 + ((pages >> (log - 3)) & 7);
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

uint32_t hot_count(uint32_t page, uint32_t pages)
{
	uint32_t end = page + pages, count = 0;

	while (page < end) {
		uint32_t bits = MIN(64 - page % 64, end - page);
		uint64_t mask = (bits == 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1) << page % 64;

		count += (uint32_t)__builtin_popcountll(range.hot[page / 64] & mask);
		page += bits;
	}
	return count;
}

void hot_mark(uint32_t page, uint32_t pages, bool is_hot)
{
	uint32_t end = page + pages;

	while (page < end) {
		uint32_t bits = MIN(64 - page % 64, end - page);
		uint64_t mask = (bits == 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1) << page % 64;

		STORE_RELAXED(&range.hot[page / 64],
		    is_hot ? range.hot[page / 64] | mask : range.hot[page / 64] & ~mask);
		page += bits;
	}
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

/* Put page on the age list right after (newer than) place; 0: as the oldest. */
static void age_insert_after(struct runs *runs, uint32_t page, uint32_t place)
{
	struct run *run = run_at(page);

	run->free.older = place;
	run->free.newer = place != 0 ? run_at(place)->free.newer : runs->oldest;
	if (run->free.newer != 0)
		run_at(run->free.newer)->free.older = page;
	else
		runs->newest = page;
	if (place != 0)
		run_at(place)->free.newer = page;
	else
		runs->oldest = page;
}

static void age_remove(struct runs *runs, uint32_t page)
{
	struct run *run = run_at(page);

	if (run->free.older != 0)
		run_at(run->free.older)->free.newer = run->free.newer;
	else
		runs->oldest = run->free.newer;
	if (run->free.newer != 0)
		run_at(run->free.newer)->free.older = run->free.older;
	else
		runs->newest = run->free.older;
}

/* --- runs come and go ------------------------------------------------------- */

static void link_run(
    struct runs *runs, uint32_t page, uint32_t pages, uint32_t hot, uint32_t freed, uint32_t age_place)
{
	struct run *run = run_at(page);

	if (pages > 1) {
		struct run *tail = run_at(page + pages - 1);

		tail->pages = pages;
		STORE_RELAXED(&tail->state, RUN_TAIL);
	}
	run->pages = pages;
	run->free.hot_pages = hot;
	run->free.freed = freed;
	STORE_RELAXED(&run->state, RUN_FREE);
	bin_insert(runs, page);
	if (hot != 0)
		age_insert_after(runs, page, age_place);
	runs->free_pages += pages;
	runs->hot_pages += hot;
}

/* Leaves head and tail entries RUN_NONE. */
static void unlink_run(struct runs *runs, uint32_t page)
{
	struct run *run = run_at(page);

	bin_remove(runs, page);
	if (run->free.hot_pages != 0)
		age_remove(runs, page);
	runs->free_pages -= run->pages;
	runs->hot_pages -= run->free.hot_pages;
	STORE_RELAXED(&run_at(page + run->pages - 1)->state, RUN_NONE);
	STORE_RELAXED(&run->state, RUN_NONE);
}

uint32_t runs_free_length(const struct runs *runs, uint32_t page)
{
	if (page >= range_committed() || page_owner(page) != runs->arena || run_at(page)->state != RUN_FREE)
		return 0;
	return run_at(page)->pages;
}

/* The free run that ends right before page; 0: none. */
static uint32_t free_run_before(const struct runs *runs, uint32_t page)
{
	const struct run *last;

	if (page <= 1 || page_owner(page - 1) != runs->arena)
		return 0;
	last = run_at(page - 1);
	if (last->state != RUN_TAIL && !(last->state == RUN_FREE && last->pages == 1))
		return 0;
	return page - last->pages;
}

/*
 * The age of a joined run is the mean of its parts', weighted by resident pages, and
 * it takes the place of the part that weighs most: a large old run that is joined by
 * a small fresh one stays old.
 */
static void insert(
    struct runs *runs, uint32_t page, uint32_t pages, uint32_t hot, uint32_t now, bool is_oldest)
{
	/* Lighter part first, so that the heavier one's place on the list is still there to read. */
	uint32_t parts[2] = {free_run_before(runs, page), page + pages};
	uint32_t place = is_oldest ? 0 : runs->newest, own = hot;
	int64_t age_sum = 0; /* ticks before now, times resident pages */

	if (runs_free_length(runs, parts[1]) == 0)
		parts[1] = 0;
	if (parts[0] != 0) {
		pages += page - parts[0];
		page = parts[0];
	}
	if (parts[1] != 0)
		pages += run_at(parts[1])->pages;
	if (parts[0] != 0 && parts[1] != 0 &&
	    run_at(parts[0])->free.hot_pages > run_at(parts[1])->free.hot_pages) {
		uint32_t heavier = parts[0];

		parts[0] = parts[1];
		parts[1] = heavier;
	}
	for (int i = 0; i < 2; i++) {
		const struct run *part = run_at(parts[i]);
		uint32_t part_hot;

		if (parts[i] == 0)
			continue;
		part_hot = part->free.hot_pages;
		age_sum += (int64_t)(int32_t)(now - part->free.freed) * part_hot;
		hot += part_hot;
		unlink_run(runs, parts[i]);
		/* Of two parts, the second weighs no less. */
		if (part_hot > own)
			place = part->free.older;
		else
			place = is_oldest ? 0 : runs->newest;
	}
	link_run(runs, page, pages, hot, hot != 0 ? now - (uint32_t)(age_sum / hot) : now, place);
}

void runs_free_hot(struct runs *runs, uint32_t page, uint32_t pages, uint32_t now)
{
	hot_mark(page, pages, true);
	insert(runs, page, pages, pages, now, false);
}

void runs_free_as_marked(struct runs *runs, uint32_t page, uint32_t pages, uint32_t now)
{
	insert(runs, page, pages, hot_count(page, pages), now, false);
}

void runs_restore(struct runs *runs, uint32_t page, uint32_t freed)
{
	uint32_t pages = run_at(page)->pages;

	STORE_RELAXED(&run_at(page)->state, RUN_NONE);
	insert(runs, page, pages, hot_count(page, pages), freed, true);
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
	uint32_t place = hot != 0 ? run->free.older : 0;
	uint32_t before = page - start, after = length - before - pages;
	bool is_all_hot = hot == length, is_all_cold = hot == 0;

	unlink_run(runs, start);
	if (before != 0) {
		uint32_t part = is_all_hot ? before : is_all_cold ? 0 : hot_count(start, before);

		link_run(runs, start, before, part, freed, place);
		hot -= part;
	}
	if (after != 0) {
		uint32_t kept = is_all_hot ? pages : is_all_cold ? 0 : hot_count(page, pages);

		link_run(runs, page + pages, after, hot - kept, freed, place);
		hot = kept;
	}
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

uint32_t runs_take(struct runs *runs, enum temperature temperature, uint32_t pages, bool *was_cold)
{
	const struct bins *bins = &runs->bins[temperature];
	unsigned bin = next_bin(bins, bin_of(pages));

	/* Only the first bin above the exact ones can hold runs that are too short. */
	while (bin < RUNS_BINS) {
		uint32_t page = bin < RUNS_EXACT_BINS ? bins->heads[bin] : best_in_bin(bins, bin, pages);

		if (page != 0) {
			cut(runs, page, page, pages, was_cold);
			return page;
		}
		bin = next_bin(bins, bin + 1);
	}
	return 0;
}

bool runs_has(const struct runs *runs, enum temperature temperature, uint32_t pages)
{
	return next_bin(&runs->bins[temperature], bin_of(pages) + (pages > RUNS_EXACT_BINS)) < RUNS_BINS;
}
