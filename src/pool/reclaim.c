/*
 * reclaim.c -- the policy of giving memory back, and the pass that does it.
 *
 * reclaim_run() is called by the maintenance thread, or inline by a program of one
 * thread, at most a few times a second; the maintain lock lets one pass run at a
 * time. It takes arenas' locks one by one, holds none over a system call, and is never
 * called in a signal handler.
 *
 * Demand is the highest use of the last windows of a fifth of a monitor interval each:
 * what a burst needed stays resident for four of them (6 to 8 s by default), so the
 * next burst finds it, and is gone within ten seconds if none came. While no burst is in sight, what only an earlier
 * window needed goes little by little: a page in DEMAND_SPARE_SHARE of those taken. What idles in magazines
 * (3 MiB, or a share of the pool; tuning.h) counts as in use until it is drained, so it goes some seconds later.
 *
 * Stands above headroom.c, which it tells what a pass has changed, and shares with it what lies below both:
 * the maintain lock and the bell (turn.h), and the purge.
 */
#include "pool/reclaim.h"

#include "base/clock.h"
#include "base/single.h"
#include "pool/demand.h"
#include "pool/headroom.h"
#include "pool/limits.h"
#include "pool/pool.h"
#include "pool/purge.h"
#include "pool/turn.h"

#define WINDOWS_A_MONITOR 5
/* What idles for so long while memory is scarce does not circulate: half a second, and passes come as often. */
#define SCARCE_IDLES_A_MONITOR 20
/* So much above the demand is not worth a system call. */
#define SLACK_PAGES 128
/* A burst is in sight as long as the last window needed less than its predecessors by more than this part. */
#define CALM_SHARE 8
/* Collections because of the threshold are at least so far apart. */
#define THRESHOLD_PAUSE_TICKS TICKS_PER_SECOND
/* For requests at the limit; each reads a file and interrupts every CPU. */
#define DRAINS_A_TICK 8

static struct {
	/* Frozen after reclaim_init(). */
	uint32_t max_idle_ticks, monitor_ticks, window_ticks, gc_ticks;
	/* Shared; the lock is the maintain lock (turn.h). */
	uint32_t last_window, last_collection, last_age_walk; /* under lock */
	uint64_t out_seen;				      /* under lock: out_pages at the last pass */
	struct purge_hand hand;	    /* under lock: what a bounded pass left to be done by pieces */
	uint32_t limit_page;	    /* under lock: where the hand stands that keeps the pool's limit */
	uint32_t drains, drains_at; /* under lock: so many within that tick, for requests at the limit */
	_Atomic bool
	    is_postponed;      /* relaxed, likewise: the threshold was passed too soon after a collection */
	_Atomic bool has_debt; /* relaxed: the hand is not done */
	_Atomic bool is_busy;  /* relaxed: whether another pass soon is worth while */
	_Atomic unsigned pressure; /* relaxed: of the last pass; written under lock */
} reclaim;

static uint32_t scarce_ticks(uint32_t monitor_ticks)
{
	return MAX(monitor_ticks / SCARCE_IDLES_A_MONITOR, (uint32_t)1);
}

/* How many more than are out of the heap are to be kept where so many are wanted in all. */
static uint64_t beyond(uint64_t pages, const struct reclaim_facts *facts)
{
	return pages - MIN(pages, facts->out_pages);
}

/*
 * What idles beyond the floor goes at a window's end. While no burst is in sight, what only an earlier window needed
 * goes as well, as far as it may fault again without being noticed.
 */
static void plan_window(const struct reclaim_facts *facts, struct reclaim_plan *plan)
{
	uint64_t wanted = beyond(facts->peak_pages, facts) + facts->slack_pages;
	uint64_t recent = MIN(beyond(facts->recent_pages, facts), wanted);

	wanted = MIN(wanted, facts->hot_pages);
	if (facts->recent_pages >= facts->peak_pages - facts->peak_pages / CALM_SHARE)
		plan->spent_pages = MIN(wanted - MIN(wanted, recent), facts->spare_pages);
	plan->surplus_pages = facts->hot_pages - wanted + plan->spent_pages;
	if (plan->surplus_pages <= SLACK_PAGES)
		plan->surplus_pages = plan->spent_pages = 0;
}

struct reclaim_plan reclaim_plan(const struct reclaim_facts *facts)
{
	struct reclaim_plan plan = {
	    .idle_ticks = facts->max_idle_ticks,
	    .magazine_idle_ticks = facts->monitor_ticks * 6 / 10,
	};

	if (facts->is_everything || (facts->pressure == PRESSURE_CRITICAL && facts->is_rising)) {
		plan.surplus_pages = facts->hot_pages;
		plan.idle_ticks = 0;
		plan.magazine_idle_ticks = 0;
		return plan;
	}
	if (facts->pressure >= PRESSURE_MEDIUM || facts->is_over_threshold) {
		/* All goes but what a stream frees and takes again, which would be back at once. */
		plan.idle_ticks = MIN(facts->max_idle_ticks, scarce_ticks(facts->monitor_ticks));
		plan.magazine_idle_ticks = plan.idle_ticks;
	}
	if (facts->is_asked) {
		plan.surplus_pages = facts->hot_pages;
		plan.magazine_idle_ticks = MIN(plan.magazine_idle_ticks, facts->monitor_ticks / 10);
		return plan;
	}
	if (facts->is_window)
		plan_window(facts, &plan);
	return plan;
}

/* Whatever there is to give back, scarcity is seen so soon. */
static uint32_t look_ticks(void)
{
	return MAX(reclaim.monitor_ticks / RECLAIM_LOOKS_A_MONITOR, 1u);
}

void reclaim_init(const struct settings *settings)
{
	reclaim.max_idle_ticks = (uint32_t)MIN(ns_to_ticks(settings->max_idle), (uint64_t)INT32_MAX);
	reclaim.monitor_ticks =
	    (uint32_t)MAX(ns_to_ticks(settings->monitor_interval), (uint64_t)WINDOWS_A_MONITOR);
	reclaim.window_ticks = reclaim.monitor_ticks / WINDOWS_A_MONITOR;
	reclaim.gc_ticks = (uint32_t)MAX(ns_to_ticks(settings->gc_interval), (uint64_t)1);
	turn_init(look_ticks());
	STORE_RELAXED(&pool.due, MIN(look_ticks(), reclaim.gc_ticks));
}

static void add_demand(struct reclaim_facts *facts)
{
	struct arenas_pages pages = arenas_pages();

	facts->out_pages = pages.out;
	facts->hot_pages = pages.hot;
	facts->peak_pages = demand_peak();
	facts->recent_pages = demand_recent();
	facts->slack_pages = demand_slack();
	facts->spare_pages = demand_spare();
}

/* The hand goes on, for as long as a request may wait. */
static uint64_t piece_locked(uint32_t now)
{
	uint64_t purged = purge_in_request(&reclaim.hand, PURGE_PIECE_PAGES, PURGE_PIECE_LOOKS, now);

	atomic_store_explicit(&reclaim.has_debt, reclaim.hand.rounds != 0, memory_order_relaxed);
	return purged;
}

enum reach { BOUNDED, WHOLE, ASKED, EVERYTHING };

static uint64_t run(uint32_t now, enum pressure_level pressure, enum reach reach)
{
	uint64_t purged = 0;
	bool is_wanted, is_over, is_window, is_collection, is_age_walk;
	struct reclaim_facts facts;
	struct reclaim_plan plan;

	if (range.bytes == 0 || !turn_begin())
		return 0; /* a pass is under way, which does what we would */
	is_wanted = atomic_exchange_explicit(&pool.is_collection_wanted, false, memory_order_relaxed) ||
		    atomic_load_explicit(&reclaim.is_postponed, memory_order_relaxed);
	is_window = now - reclaim.last_window >= reclaim.window_ticks;
	is_over = is_wanted && now - reclaim.last_collection >= THRESHOLD_PAUSE_TICKS;
	atomic_store_explicit(&reclaim.is_postponed, is_wanted && !is_over, memory_order_relaxed);
	is_collection = reach >= ASKED || is_over || now - reclaim.last_collection >= reclaim.gc_ticks;
	if (is_window) {
		/* Passes come a little late each time; windows do not. */
		reclaim.last_window = now - reclaim.last_window < 2 * reclaim.window_ticks
					  ? reclaim.last_window + reclaim.window_ticks
					  : now;
		arenas_rotate_demand();
	}
	if (is_collection)
		purge_try_again();
	facts = (struct reclaim_facts){
	    .is_window = is_window || is_collection,
	    .pressure = pressure,
	    .is_rising = pressure > atomic_load_explicit(&reclaim.pressure, memory_order_relaxed),
	    .is_over_threshold = is_over,
	    .is_asked = reach == ASKED,
	    .is_everything = reach == EVERYTHING,
	    .max_idle_ticks = reclaim.max_idle_ticks,
	    .monitor_ticks = reclaim.monitor_ticks,
	};
	atomic_store_explicit(&reclaim.pressure, pressure, memory_order_relaxed);
	plan = reclaim_plan(&facts);
	is_age_walk = is_collection || plan.idle_ticks < reclaim.max_idle_ticks ||
		      now - reclaim.last_age_walk >= reclaim.max_idle_ticks / 16;
	if (is_age_walk)
		reclaim.last_age_walk = now;
	magazines_drain(now, plan.magazine_idle_ticks, pool_drained);
	pool_let_in(now, plan.magazine_idle_ticks);
	/* What came out of the magazines idles in the heap now. */
	add_demand(&facts);
	plan = reclaim_plan(&facts);
	demand_spend(plan.spent_pages);
	if (reach != BOUNDED && (plan.surplus_pages != 0 || is_age_walk)) {
		uint64_t began_ns = clock_precise_ns();

		purged += purge_oldest(plan.surplus_pages, plan.idle_ticks, now);
		/* Without a thread a pass is part of a request; whoever asked for one is ready to wait. */
		if (reach == WHOLE && LOAD_RELAXED(&pool.maintain) != NULL)
			purge_note_request(began_ns);
	}
	/* A debt of the last window stands until the next one says otherwise. */
	if (is_window || reach != BOUNDED)
		reclaim.hand.rounds = 0;
	if (reach == BOUNDED && (plan.surplus_pages != 0 || is_age_walk))
		purge_begin_unused(&reclaim.hand, plan.surplus_pages, plan.idle_ticks);
	purged += piece_locked(now);
	if (is_collection) {
		reclaim.last_collection = now;
		atomic_fetch_add_explicit(&pool.gc_count, 1, memory_order_relaxed);
	}
	atomic_store_explicit(&reclaim.is_busy,
	    arenas_hot_pages() > SLACK_PAGES || limits_out_pages() != reclaim.out_seen, memory_order_relaxed);
	reclaim.out_seen = limits_out_pages();
	if (purged != 0)
		headroom_look_soon();
	turn_end();
	return purged << PAGE_SHIFT;
}

uint64_t reclaim_run(uint32_t now, enum pressure_level pressure, bool is_everything)
{
	return run(now, pressure, is_everything ? EVERYTHING : WHOLE);
}

uint64_t reclaim_collect(uint32_t now, enum pressure_level pressure)
{
	return run(now, pressure, ASKED);
}

uint64_t reclaim_run_bounded(uint32_t now, enum pressure_level pressure)
{
	return run(now, pressure, BOUNDED);
}

bool reclaim_has_debt(void)
{
	return atomic_load_explicit(&reclaim.has_debt, memory_order_relaxed);
}

void reclaim_piece(uint32_t now)
{
	if (!turn_begin())
		return;
	piece_locked(now);
	turn_end();
}

uint32_t reclaim_next(uint32_t now)
{
	bool is_busy = atomic_load_explicit(&reclaim.is_busy, memory_order_relaxed);

	uint32_t ahead = MIN(is_busy ? look_ticks() : reclaim.monitor_ticks, reclaim.gc_ticks);

	if (is_busy && atomic_load_explicit(&reclaim.pressure, memory_order_relaxed) >= PRESSURE_MEDIUM)
		ahead = MIN(ahead, scarce_ticks(reclaim.monitor_ticks));
	if (atomic_load_explicit(&reclaim.is_postponed, memory_order_relaxed))
		ahead = MIN(ahead, (uint32_t)THRESHOLD_PAUSE_TICKS);
	return now + ahead;
}

bool reclaim_drain(uint32_t now)
{
	bool is_done;

	if (!turn_begin())
		return false;
	if (now != reclaim.drains_at)
		reclaim.drains = 0;
	reclaim.drains_at = now;
	/* One thread needs no fence, and finds again whatever it freed. */
	is_done = (is_single_threaded() || reclaim.drains++ < DRAINS_A_TICK) &&
		  magazines_drain(now, 0, pool_drained);
	pool_let_in(now, 0);
	turn_end();
	return is_done;
}

bool reclaim_gather(unsigned cpu, uint32_t now)
{
	bool is_any;

	if (!turn_begin())
		return false;
	is_any = magazines_gather(cpu, now, pool_drained);
	turn_end();
	return is_any;
}

void reclaim_purge(uint64_t pages, uint32_t now)
{
	struct purge_hand hand;

	if (!turn_begin())
		return;
	hand.page = reclaim.limit_page;
	purge_begin(&hand, pages, UINT32_MAX);
	purge_in_request(&hand, pages, UINT32_MAX, now);
	reclaim.limit_page = hand.page;
	turn_end();
}
