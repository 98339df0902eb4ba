/*
 * purge.c -- giving resident free pages back to the kernel, the longest idle first.
 *
 * Of what is to go whatever its age, first comes what nobody used in the last window of demand, page by page
 * (range.h); then the runs that were freed first.
 *
 * Called by the reclaim pass, and where a limit is passed; under the maintain lock, so one
 * at a time. Ages have no list of their own: a walk over the table of runs, without the
 * arena's lock, sums resident pages by age and then names candidates, each of which is
 * looked at again under the lock. It is taken out of the free runs (RUN_BUSY: neighbours
 * cannot join it, nobody can take it) and the lock dropped for the madvise.
 */
#include "pool/purge.h"

#include <errno.h>

#include "base/clock.h"
#include "pool/tuning.h"

#define AGE_BUCKETS 64
#define LOOKS_NO_BOUND UINT32_MAX
/* Shorter stretches of unused pages among others are not worth a call. */
#define UNUSED_STRETCH_MIN 8
/* Rounds of the hand that are left when it takes what nobody used lately, and then what is old. In the last all goes. */
#define ROUND_OF_UNUSED 3
#define ROUND_OF_AGES 2
/* A run freed so lately is likely to be wanted again; an eighth of a second. */
#define YOUNG_TICKS 8
/* What a call of the kernel costs beside its pages, in pages. */
#define CALL_PAGES 4
/* So close to a locked page nothing is tried, and after so many such places nothing more of a run. */
#define LOCKED_PAGES 64
#define REFUSED_MAX 16
/* Where so many runs in a row gave nothing, all is locked, it seems (mlockall): no more until the next collection. */
#define IN_VAIN_MAX 16

struct purge_requests purge_requests;

/* Which pages of a busy run go. */
enum going { GOING_RESIDENT, GOING_UNUSED };

/* Asked without lock for pages of a busy run, whose bits nobody changes meanwhile. */
static bool is_going(uint32_t page, enum going going)
{
	uint64_t bits = LOAD_RELAXED(&range.hot[page / 64]);

	if (going == GOING_UNUSED)
		bits &=
		    ~(LOAD_RELAXED(&range.freed[0][page / 64]) | LOAD_RELAXED(&range.freed[1][page / 64]));
	return bits >> page % 64 & 1;
}

/* The next stretch of a busy run that goes, from *page on and before end; *page is its end then. */
static bool next_stretch(uint32_t *page, uint32_t end, enum going going, uint32_t *start)
{
	while (*page < end) {
		while (*page < end && !is_going(*page, going))
			++*page;
		*start = *page;
		while (*page < end && is_going(*page, going))
			++*page;
		if (*page - *start >= (going == GOING_UNUSED ? UNUSED_STRETCH_MIN : 1))
			return true;
	}
	return false;
}

/* Of a busy run: what the kernel did not take, in the order of pages. */
struct refused {
	unsigned count;
	bool is_over;  /* nothing more of the run is tried */
	bool is_final; /* nor of any other, ever */
	struct {
		uint32_t page, end;
	} at[REFUSED_MAX];
};

static void note_refused(struct refused *refused, uint32_t page, uint32_t end)
{
	if (refused->count == REFUSED_MAX) {
		refused->is_over = true;
		refused->at[REFUSED_MAX - 1].end = end;
		return;
	}
	refused->at[refused->count].page = page;
	refused->at[refused->count++].end = end;
}

/*
 * A resident stretch of a busy run goes back. EINVAL means that some of it is locked in memory: its halves are
 * tried, so that little beside that stays. Anything else the kernel, or a filter, would say again.
 */
static void purge_stretch(uint32_t page, uint32_t end, struct refused *refused)
{
	uint32_t middle = page + (end - page) / 2;
	int error =
	    refused->is_over ? -EINVAL : sys_purge(page_address(page), (size_t)(end - page) << PAGE_SHIFT);

	if (error == 0)
		return;
	if (error != -EINVAL)
		refused->is_over = refused->is_final = true;
	if (refused->is_over || end - page <= LOCKED_PAGES) {
		note_refused(refused, page, end);
		return;
	}
	purge_stretch(page, middle, refused);
	purge_stretch(middle, end, refused);
}

/* The stretches of a busy run that go, each with one call if it can; and what the table has of them. */
static void purge_stretches(uint32_t page, uint32_t end, enum going going, struct refused *refused)
{
	uint32_t start;

	while (next_stretch(&page, end, going, &start)) {
		unsigned before = refused->count;

		purge_stretch(start, page, refused);
		if (refused->count == before && !refused->is_over)
			range_forget(start, page);
	}
}

/* What was not refused is cold. Returns how many pages went. The arena's lock is held. */
static uint64_t mark_purged(uint32_t page, uint32_t end, enum going going, const struct refused *refused)
{
	uint64_t purged = 0;
	uint32_t start;

	while (next_stretch(&page, end, going, &start)) {
		for (unsigned i = 0; i <= refused->count; i++) {
			bool is_last = i == refused->count;
			uint32_t until = is_last ? page : MIN(MAX(refused->at[i].page, start), page);

			hot_mark(start, until - start, false);
			purged += until - start;
			start = is_last ? page : MIN(MAX(refused->at[i].end, until), page);
		}
	}
	return purged;
}

/* Whether purging may be worth while. */
static bool is_off(void)
{
	return atomic_load_explicit(&arenas.is_purge_refused, memory_order_relaxed) ||
	       atomic_load_explicit(&arenas.purges_in_vain, memory_order_relaxed) >= IN_VAIN_MAX;
}

void purge_try_again(void)
{
	atomic_store_explicit(&arenas.purges_in_vain, 0, memory_order_relaxed);
}

/* How long the end of a busy run is that holds so many pages that go. */
static uint32_t end_with(uint32_t page, uint32_t pages, enum going going, uint64_t count)
{
	uint32_t part = 0;

	while (part < pages && count > 0) {
		part++;
		count -= is_going(page + pages - part, going);
	}
	return part;
}

/*
 * A free run's resident pages go back, or those unused, the last at_most of them. Returns how many. One of which some were
 * refused counts as freed now, so that older ones come before it.
 */
static uint64_t purge_run(uint32_t page, enum going going, uint64_t at_most, uint32_t now)
{
	struct arena *arena = &arenas.at[page_owner(page)];
	uint32_t pages, part, freed;
	uint64_t purged;
	struct refused refused = {.count = 0};

	lock_acquire(&arena->lock);
	if (LOAD_RELAXED(&run_at(page)->state) != RUN_FREE || run_at(page)->free.hot_pages == 0) {
		lock_release(&arena->lock); /* taken or joined meanwhile */
		return 0;
	}
	pages = run_at(page)->pages;
	freed = run_at(page)->free.freed;
	runs_withdraw(&arena->runs, page);
	lock_release(&arena->lock);

	part = end_with(page, pages, going, at_most);
	purge_stretches(page + pages - part, page + pages, going, &refused);

	lock_acquire(&arena->lock);
	purged = mark_purged(page + pages - part, page + pages, going, &refused);
	arena->purged_pages += purged;
	if (purged != 0)
		atomic_store_explicit(&arenas.purges_in_vain, 0, memory_order_relaxed);
	if (refused.count != 0) {
		arena->purges_refused++;
		freed = now;
		if (purged == 0)
			atomic_fetch_add_explicit(&arenas.purges_in_vain, 1, memory_order_relaxed);
		if (refused.is_final)
			atomic_store_explicit(&arenas.is_purge_refused, true, memory_order_relaxed);
	}
	runs_restore(&arena->runs, page, freed);
	lock_release(&arena->lock);
	return purged;
}

/* Ages on a scale of half octaves. */
static unsigned age_bucket(uint32_t ticks)
{
	unsigned log;

	if (ticks < 2)
		return ticks;
	log = 31 - (unsigned)__builtin_clz(ticks);
	return 2 * log + (ticks >> (log - 1) & 1);
}

struct hot_run {
	uint32_t page, pages; /* page 0: none */
	uint32_t hot, freed;
};

/*
 * The next free run, of any arena, from *from on that has resident pages. Read
 * without the lock: a guess, which purge_run() verifies. Steps from run to run; an entry that
 * is half changed costs a step of one page. *from is where to go on.
 */
UNLOCKED_READER static bool find_hot_run(uint32_t *from, uint32_t *looks, struct hot_run *found)
{
	uint32_t end = range_committed(), page = *from;

	found->page = 0;
	while (page < end && *looks != 0 && found->page == 0) {
		const struct run *run = run_at(page);
		unsigned state = LOAD_RELAXED(&run->state);
		uint32_t length = LOAD_RELAXED(&run->pages);

		*looks -= 1;
		if (state == RUN_FREE) {
			found->hot = LOAD_RELAXED(&run->free.hot_pages);
			found->freed = LOAD_RELAXED(&run->free.freed);
			found->page = found->hot != 0 ? page : 0;
		} else if (state != RUN_BUSY && state != RUN_APART &&
			   !(run_is_buffer(state) && !size_class_is_slab(run->size_class))) {
			length = 1;
		}
		length = length == 0 || length > end - page ? 1 : length;
		found->pages = length;
		page += length;
	}
	*from = page;
	return found->page != 0;
}

/* From which age bucket on resident runs make up surplus pages. */
static unsigned oldest_buckets(uint64_t surplus_pages, uint32_t now)
{
	uint64_t pages[AGE_BUCKETS] = {0}, sum = 0;
	unsigned bucket = AGE_BUCKETS;
	uint32_t page = 1, looks = LOOKS_NO_BOUND;
	struct hot_run run;

	while (find_hot_run(&page, &looks, &run))
		pages[age_bucket((uint32_t)MAX((int32_t)(now - run.freed), 0))] += run.hot;
	while (bucket > 0 && sum < surplus_pages)
		sum += pages[--bucket];
	return bucket;
}

/* Whether a run has so many unused pages that it is worth its lock; a guess. */
UNLOCKED_READER static bool has_unused(uint32_t page, uint32_t pages)
{
	uint32_t start, end = page + pages;

	return next_stretch(&page, end, GOING_UNUSED, &start);
}

static uint64_t purge_unused(uint64_t surplus_pages, uint32_t now)
{
	uint64_t purged = 0;
	uint32_t page = 1, looks = LOOKS_NO_BOUND;
	struct hot_run run;

	while (purged < surplus_pages && find_hot_run(&page, &looks, &run) && !is_off())
		if (has_unused(run.page, run.pages))
			purged += purge_run(run.page, GOING_UNUSED, surplus_pages - purged, now);
	return purged;
}

uint64_t purge_oldest(uint64_t surplus_pages, uint32_t idle_ticks, uint32_t now)
{
	uint64_t purged = purge_unused(surplus_pages, now);
	unsigned from = surplus_pages > purged ? oldest_buckets(surplus_pages - purged, now) : AGE_BUCKETS;
	uint32_t page = 1, looks = LOOKS_NO_BOUND;
	struct hot_run run;

	while (find_hot_run(&page, &looks, &run)) {
		uint32_t age = (uint32_t)MAX((int32_t)(now - run.freed), 0);
		uint64_t at_most = surplus_pages - MIN(surplus_pages, purged);

		if (is_off())
			break;
		/* Of a young run that is larger than the surplus only the end goes; requests take the front. */
		if (age >= idle_ticks)
			at_most = UINT32_MAX;
		else if (age_bucket(age) < from)
			continue;
		if (at_most != 0)
			purged += purge_run(run.page, GOING_RESIDENT, at_most, now);
	}
	return purged;
}

void purge_begin(struct purge_hand *hand, uint64_t surplus_pages, uint32_t idle_ticks)
{
	hand->surplus_pages = surplus_pages;
	hand->idle_ticks = idle_ticks;
	hand->rounds = ROUND_OF_AGES;
}

void purge_begin_unused(struct purge_hand *hand, uint64_t surplus_pages, uint32_t idle_ticks)
{
	purge_begin(hand, surplus_pages, idle_ticks);
	if (surplus_pages != 0)
		hand->rounds = ROUND_OF_UNUSED;
}

/* How many pages of a run the hand is to take. */
static uint64_t wanted_of(const struct purge_hand *hand, const struct hot_run *run, uint32_t now)
{
	uint32_t age = (uint32_t)MAX((int32_t)(now - run->freed), 0);

	if (hand->rounds == ROUND_OF_UNUSED)
		return has_unused(run->page, run->pages) ? hand->surplus_pages : 0;
	if (age >= hand->idle_ticks)
		return UINT64_MAX;
	return age >= YOUNG_TICKS || hand->rounds < ROUND_OF_AGES ? hand->surplus_pages : 0;
}

uint64_t purge_piece(struct purge_hand *hand, uint64_t pages, uint32_t looks, uint32_t now)
{
	uint64_t sum = 0, cost = 0;

	while (hand->rounds != 0 && looks != 0 && cost < pages) {
		uint64_t wanted, purged;
		struct hot_run run;

		if (is_off()) {
			hand->rounds = 0;
		} else if (find_hot_run(&hand->page, &looks, &run)) {
			wanted = wanted_of(hand, &run, now);
			if (wanted == 0)
				continue;
			purged = purge_run(run.page,
			    hand->rounds == ROUND_OF_UNUSED ? GOING_UNUSED : GOING_RESIDENT,
			    MIN(wanted, pages - cost), now);
			hand->surplus_pages -= MIN(hand->surplus_pages, purged);
			sum += purged;
			cost += MAX(purged, (uint64_t)CALL_PAGES);
			/* The next piece goes on with the rest of this run. */
			if (cost >= pages)
				hand->page = run.page;
		} else if (looks != 0) {
			hand->page = 1;
			hand->rounds--;
			if (hand->surplus_pages == 0 && hand->rounds < ROUND_OF_AGES)
				hand->rounds = 0;
		}
	}
	return sum;
}

static void add_one(_Atomic uint64_t *count)
{
	uint64_t before = atomic_load_explicit(count, memory_order_relaxed);

	atomic_store_explicit(count, before + 1, memory_order_relaxed);
}

void purge_note_request(uint64_t began_ns)
{
	uint64_t took_ns = clock_precise_ns() - began_ns;

	add_one(&purge_requests.count);
	if (took_ns > PURGE_SLOW_NS)
		add_one(&purge_requests.slow);
	if (took_ns > atomic_load_explicit(&purge_requests.longest_ns, memory_order_relaxed))
		atomic_store_explicit(&purge_requests.longest_ns, took_ns, memory_order_relaxed);
}

uint64_t purge_in_request(struct purge_hand *hand, uint64_t pages, uint32_t looks, uint32_t now)
{
	uint64_t began_ns, purged;

	if (hand->rounds == 0)
		return 0;
	began_ns = clock_precise_ns();
	purged = purge_piece(hand, pages, looks, now);
	purge_note_request(began_ns);
	return purged;
}
