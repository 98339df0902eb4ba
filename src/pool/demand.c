/*
 * demand.c -- the windows of the heap's highest use, and the slack beyond it.
 *
 * demand_note() is called by whoever took pages out of the heap; all else by those who hold the maintain lock: the
 * pass (reclaim.c), and drains of the magazines. Pure but for its own state: no clock, no system call. Never in a
 * signal handler.
 *
 * A peak may be a little low where a window ends while it is raised; the next who takes raises it again.
 */
#include "pool/demand.h"

/* The slack: at most this share of the peak and so many pages an arena; and this part of it goes in each window. */
#define SLACK_SHARE 16
#define SLACK_PAGES 384
#define SLACK_DECAY 32
/* slack_share counts in this part of the peak. */
#define SHARE_UNIT 65536

struct demand demand;

void demand_init(void)
{
	for (unsigned i = 0; i < DEMAND_WINDOWS; i++)
		atomic_store_explicit(&demand.peak_pages[i], 0, memory_order_relaxed);
	demand.slack_share = demand.spare_pages = demand.spent_pages = 0;
	demand.held_seen = demand.fresh_seen = demand.taken_seen = demand.purged_seen = 0;
}

static uint64_t peak_of(unsigned window)
{
	return atomic_load_explicit(&demand.peak_pages[window], memory_order_relaxed);
}

COLD void demand_raise(uint64_t out_pages)
{
	uint64_t peak = peak_of(0);

	while (peak < out_pages && !atomic_compare_exchange_weak_explicit(&demand.peak_pages[0], &peak,
				       out_pages, memory_order_relaxed, memory_order_relaxed))
		;
}

uint64_t demand_peak(void)
{
	uint64_t peak = 0;

	for (unsigned i = 0; i < DEMAND_WINDOWS; i++)
		peak = MAX(peak, peak_of(i));
	return peak;
}

uint64_t demand_recent(void)
{
	return MAX(peak_of(0), peak_of(1));
}

uint64_t demand_spare(void)
{
	return demand.spare_pages;
}

void demand_spend(uint64_t pages)
{
	demand.spare_pages -= MIN(demand.spare_pages, pages);
	demand.spent_pages += pages;
}

uint64_t demand_slack(void)
{
	return demand_peak() * demand.slack_share / SHARE_UNIT;
}

/* Called before the windows go on: peak_of(0) is that of the window that ends. */
static void follow_slack(const struct demand_facts *facts)
{
	uint64_t fresh = facts->fresh_pages - demand.fresh_seen, peak = MAX(demand_peak(), (uint64_t)1);
	uint64_t purged = facts->purged_pages - demand.purged_seen;
	uint64_t left = demand.held_seen - MIN(demand.held_seen, purged);
	uint64_t growth = peak_of(0) - MIN(peak_of(0), left), slack = demand_slack();
	uint64_t most = peak / SLACK_SHARE + SLACK_PAGES * (uint64_t)facts->arenas;

	if (facts->taken_pages == demand.taken_seen) {
		demand.slack_share = 0;
		return;
	}
	slack -= (slack + SLACK_DECAY - 1) / SLACK_DECAY;
	/* What was let go to fault again, if it must, shows no need of more. */
	fresh -= MIN(fresh, demand.spent_pages);
	slack = MIN(slack + fresh - MIN(fresh, growth), most);
	demand.slack_share = (slack * SHARE_UNIT + peak - 1) / peak;
}

void demand_rotate(const struct demand_facts *facts)
{
	uint64_t before = MAX(demand_peak(), (uint64_t)1);
	uint64_t spare = (facts->taken_pages - demand.taken_seen) / DEMAND_SPARE_SHARE;

	follow_slack(facts);
	demand.spare_pages = MIN(demand.spare_pages + spare, DEMAND_WINDOWS * spare);
	for (unsigned i = DEMAND_WINDOWS - 1; i > 0; i--)
		atomic_store_explicit(&demand.peak_pages[i], peak_of(i - 1), memory_order_relaxed);
	atomic_store_explicit(&demand.peak_pages[0], facts->out_pages, memory_order_relaxed);
	/* What a burst needed beyond its peak, a calm does not: less even than its share. */
	demand.slack_share = demand.slack_share * MIN(demand_peak(), before) / before;
	demand.spent_pages = 0;
	demand.held_seen = facts->held_pages;
	demand.fresh_seen = facts->fresh_pages;
	demand.taken_seen = facts->taken_pages;
	demand.purged_seen = facts->purged_pages;
}

void demand_lower(uint64_t pages, uint64_t out_pages)
{
	for (unsigned i = 0; i < DEMAND_WINDOWS - 1; i++) {
		uint64_t peak = peak_of(i);

		atomic_store_explicit(&demand.peak_pages[i], peak - MIN(peak, pages), memory_order_relaxed);
	}
	/* What is out now is in demand now. */
	demand_note(out_pages);
}
