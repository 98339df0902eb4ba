/*
 * test_reclaim.c -- what is given back, and when: the plan by tables of facts, and the
 * pass over a real heap, with the time passed in. Nothing sleeps.
 *
 * The pool's own clock stands at 0, so whatever is freed is freed at tick 0.
 */
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "pool/demand.h"
#include "pool/purge.h"
#include "base/single.h"
#include "pool/reclaim.h"
#include "pool/turn.h"
#include "pool/limits.h"
#include "idle_thread.h"
#include "run_suite.h"
#include "tests/common/engine.h"

#define SLACK 128 /* pages above the demand that are not worth a call */
#define MONITOR ((uint32_t)(10 * TICKS_PER_SECOND))
#define WINDOW (MONITOR / 5)
#define IDLE 20000
#define SCARCE (MONITOR / 20)

static const struct {
	uint64_t out, hot, peak;
	enum pressure_level pressure;
	bool is_over, is_everything, is_rising, is_asked;
	uint64_t surplus;
	uint32_t idle, magazine_idle;
} plans[] = {
    /* Up to what the last windows needed stays, and a little more. */
    {100, 500, 600, PRESSURE_NONE, false, false, false, false, 0, IDLE, MONITOR * 6 / 10},
    {100, 500, 1000, PRESSURE_NONE, false, false, false, false, 0, IDLE, MONITOR * 6 / 10},
    {100, 500 + SLACK, 600, PRESSURE_NONE, false, false, false, false, 0, IDLE, MONITOR * 6 / 10},
    {100, 501 + SLACK, 600, PRESSURE_NONE, false, false, false, false, 1 + SLACK, IDLE, MONITOR * 6 / 10},
    {100, 5000, 600, PRESSURE_NONE, false, false, false, false, 4500, IDLE, MONITOR * 6 / 10},
    /* Nothing is in demand: all but the slack goes. */
    {100, 5000, 100, PRESSURE_NONE, false, false, false, false, 5000, IDLE, MONITOR * 6 / 10},
    {100, SLACK, 100, PRESSURE_NONE, false, false, false, false, 0, IDLE, MONITOR * 6 / 10},
    {0, 0, 0, PRESSURE_NONE, false, false, false, false, 0, IDLE, MONITOR * 6 / 10},
    /* A peak below what is out (a window just began) is no demand below zero. */
    {700, 5000, 600, PRESSURE_NONE, false, false, false, false, 5000, IDLE, MONITOR * 6 / 10},
    /* Low pressure changes nothing; under medium what idles for half a second goes. */
    {100, 500, 600, PRESSURE_LOW, false, false, true, false, 0, IDLE, MONITOR * 6 / 10},
    {100, 500, 600, PRESSURE_MEDIUM, false, false, true, false, 0, SCARCE, SCARCE},
    {100, 5000, 600, PRESSURE_MEDIUM, false, false, false, false, 4500, SCARCE, SCARCE},
    /* So it does in a pool past its threshold. */
    {100, 500, 600, PRESSURE_NONE, true, false, false, false, 0, SCARCE, SCARCE},
    {100, 5000, 600, PRESSURE_LOW, true, false, false, false, 4500, SCARCE, SCARCE},
    /* When it becomes critical, or everything is asked for: whatever idles, wherever. */
    {100, 500, 600, PRESSURE_CRITICAL, false, false, true, false, 500, 0, 0},
    {100, 500, 600, PRESSURE_CRITICAL, true, false, true, false, 500, 0, 0},
    {100, 500, 600, PRESSURE_NONE, false, true, false, false, 500, 0, 0},
    {100, 500, 600, PRESSURE_MEDIUM, true, true, false, false, 500, 0, 0},
    /* While it stays so, what a stream frees and takes again stays as well. */
    {100, 500, 600, PRESSURE_CRITICAL, false, false, false, false, 0, SCARCE, SCARCE},
    {100, 5000, 600, PRESSURE_CRITICAL, true, false, false, false, 4500, SCARCE, SCARCE},
    /* A collection that is asked for leaves only what circulates in magazines. */
    {100, 500, 600, PRESSURE_NONE, false, false, false, true, 500, IDLE, MONITOR / 10},
    {100, 500, 600, PRESSURE_MEDIUM, false, false, false, true, 500, SCARCE, SCARCE},
};

START_TEST(the_plan_follows_from_the_facts)
{
	struct reclaim_facts facts = {
	    .out_pages = plans[_i].out,
	    .hot_pages = plans[_i].hot,
	    .peak_pages = plans[_i].peak,
	    .is_window = true,
	    .pressure = plans[_i].pressure,
	    .is_over_threshold = plans[_i].is_over,
	    .is_everything = plans[_i].is_everything,
	    .is_asked = plans[_i].is_asked,
	    .is_rising = plans[_i].is_rising,
	    .max_idle_ticks = IDLE,
	    .monitor_ticks = MONITOR,
	};
	struct reclaim_plan plan = reclaim_plan(&facts);
	ck_assert_uint_eq(plan.surplus_pages, plans[_i].surplus);
	ck_assert_uint_eq(plan.idle_ticks, plans[_i].idle);
	ck_assert_uint_eq(plan.magazine_idle_ticks, plans[_i].magazine_idle);
}
END_TEST

static const struct {
	uint64_t recent, slack, spare, surplus, spent;
} windows[] = {
    /* Out 1,000, free 1,000, and 1,800 were needed once: 200 are beyond that, and 200 only an earlier window needed. */
    {1600, 0, 0, 200, 0},
    {1600, 0, 150, 350, 150},
    {1600, 0, 500, 400, 200},
    {1800, 0, 500, 200, 0},
    /* Slack is no recent need, either. */
    {1600, 100, 500, 400, 300},
    {1600, 900, 500, 400, 400},
    /* A burst is in sight. */
    {1574, 0, 500, 200, 0},
    {1575, 0, 500, 425, 225},
    {0, 0, 500, 200, 0},
    /* What is not worth a call is not spent, either. */
    {1600, 200, 100, 0, 0},
};

START_TEST(what_only_an_earlier_window_needed_goes_as_far_as_it_is_spare)
{
	struct reclaim_plan plan = reclaim_plan(&(struct reclaim_facts){
	    .out_pages = 1000,
	    .hot_pages = 1000,
	    .peak_pages = 1800,
	    .recent_pages = windows[_i].recent,
	    .slack_pages = windows[_i].slack,
	    .spare_pages = windows[_i].spare,
	    .is_window = true,
	    .max_idle_ticks = IDLE,
	    .monitor_ticks = MONITOR,
	});
	ck_assert_uint_eq(plan.surplus_pages, windows[_i].surplus);
	ck_assert_uint_eq(plan.spent_pages, windows[_i].spent);
}
END_TEST

START_TEST(more_pressure_never_keeps_more)
{
	for (uint64_t hot = 0; hot <= 4096; hot = hot * 2 + 1)
		for (uint64_t peak = 0; peak <= 8192; peak = peak * 2 + 7) {
			struct reclaim_plan last = {0};
			for (int level = PRESSURE_NONE; level <= PRESSURE_CRITICAL; level++) {
				struct reclaim_plan plan =
				    reclaim_plan(&(struct reclaim_facts){.out_pages = 50,
					.hot_pages = hot,
					.peak_pages = peak,
					.is_window = true,
					.pressure = (enum pressure_level)level,
					.max_idle_ticks = IDLE,
					.monitor_ticks = MONITOR});
				ck_need(
				    plan.surplus_pages >= last.surplus_pages && plan.surplus_pages <= hot);
				ck_need(level == PRESSURE_NONE ||
					(plan.idle_ticks <= last.idle_ticks &&
					    plan.magazine_idle_ticks <= last.magazine_idle_ticks));
				last = plan;
			}
		}
}
END_TEST

/* --- the pass ------------------------------------------------------------------- */

#define BURST 200
#define BURST_BYTES ((size_t)64 * KIB)
#define BURST_PAGES (BURST * (BURST_BYTES / PAGE_BYTES))

static struct settings settings;

static void start(void)
{
	cpu_set_t one;

	settings.pool_limit = settings.pool_limit != 0 ? settings.pool_limit : GIB;
	ck_assert(engine_pool(&settings));
	/* One CPU: whatever is in a magazine is in one that we know. */
	CPU_ZERO(&one);
	CPU_SET(magazine_cpu_current(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	/* Windows and collections are counted from here on. */
	reclaim_run(0, PRESSURE_NONE, false);
}

static void stop(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	engine_stop();
	settings_default(&settings);
}

static void defaults(void)
{
	settings_default(&settings);
}

/* So many buffers of 64 KiB at once, each written to, and all freed. */
static void burst(unsigned count)
{
	void *all[1000];

	for (unsigned i = 0; i < count; i++) {
		all[i] = pool_malloc(BURST_BYTES);
		ck_need(all[i] != NULL);
		memset(all[i], 1, BURST_BYTES);
	}
	for (unsigned i = 0; i < count; i++)
		ck_need(pool_free((uintptr_t)all[i] - range.base));
}

/* What idles in magazines was freed then, not at tick 0. */
static void freed_at(uint32_t now)
{
	for (uint32_t page = 1; page < range_committed(); page++)
		if (run_at(page)->state == RUN_IDLE)
			run_at(page)->buffer.last_used = now;
}

/* Free and resident, in the heap and in magazines. */
static uint64_t idle_pages(void)
{
	return arenas_hot_pages() + engine_out_pages();
}

START_TEST(what_a_burst_needed_stays_for_four_windows_and_then_goes)
{
	defaults();
	start();
	burst(BURST);
	ck_assert_uint_ge(idle_pages(), BURST_PAGES);
	for (uint32_t window = 1; window < DEMAND_WINDOWS; window++) {
		reclaim_run(window * WINDOW, PRESSURE_NONE, false);
		ck_assert_uint_ge(idle_pages(), BURST_PAGES);
		ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	}
	ck_assert_uint_gt(reclaim_run(DEMAND_WINDOWS * WINDOW, PRESSURE_NONE, false), 0);
	/* What then still idles in magazines was out of the heap, and demand, for as long. */
	ck_assert_uint_le(idle_pages(), SLACK + MAGAZINES_BYTES_MIN / PAGE_BYTES);
	for (uint32_t window = DEMAND_WINDOWS + 1; window < 2 * DEMAND_WINDOWS; window++)
		reclaim_run(window * WINDOW, PRESSURE_NONE, false);
	ck_assert_uint_le(idle_pages(), SLACK);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	stop();
}
END_TEST

START_TEST(a_burst_that_comes_again_in_time_finds_its_pages)
{
	static struct pool_stats stats;
	defaults();
	start();
	for (uint32_t now = 0; now < 100 * WINDOW; now += WINDOW / 4) {
		if (now % (2 * WINDOW) == 0) {
			burst(BURST);
			freed_at(now);
		}
		reclaim_run(now, PRESSURE_NONE, false);
		ck_need(now > settings.max_idle / TICK_NS || arenas_held_pages() >= BURST_PAGES);
		if (now > settings.max_idle / TICK_NS / 2)
			break;
	}
	pool_stats_collect(&stats, NULL, 0);
	ck_assert_uint_eq(stats.purged_bytes, 0);
	stop();
}
END_TEST

START_TEST(what_idled_in_magazines_goes_with_the_burst)
{
	defaults();
	start();
	burst(BURST);
	ck_assert_uint_ge(magazines_count(), 4);
	for (uint32_t window = 1; window < DEMAND_WINDOWS; window++)
		reclaim_run(window * WINDOW, PRESSURE_NONE, false);
	/* Drained by now, and in no window's demand but the burst's own. */
	ck_assert_uint_eq(magazines_count(), 0);
	ck_assert_uint_ge(arenas_hot_pages(), BURST_PAGES);
	reclaim_run(DEMAND_WINDOWS * WINDOW, PRESSURE_NONE, false);
	ck_assert_uint_eq(arenas_held_pages(), 0);
	stop();
}
END_TEST

START_TEST(a_request_purges_by_pieces_and_nothing_is_left_out)
{
	uint64_t hot, last;
	unsigned pieces = 0;

	defaults();
	start();
	burst(BURST);
	hot = arenas_hot_pages();
	ck_assert_uint_gt(hot, 3 * PURGE_PIECE_PAGES);
	/* All of it is surplus: no window knows of the burst any more. */
	for (uint32_t window = 1; window <= DEMAND_WINDOWS; window++)
		arenas_rotate_demand();
	ck_assert_uint_le(reclaim_run_bounded(MONITOR, PRESSURE_NONE) >> PAGE_SHIFT, PURGE_PIECE_PAGES);
	for (last = arenas_hot_pages(); reclaim_has_debt(); last = hot) {
		reclaim_piece(MONITOR);
		hot = arenas_hot_pages();
		ck_need(last - hot <= PURGE_PIECE_PAGES);
		ck_need(++pieces < 1000);
	}
	ck_assert_uint_gt(pieces, 1);
	/* What idled in magazines was demand in the oldest window. */
	ck_assert_uint_le(arenas_hot_pages(), MAGAZINES_BYTES_MIN / PAGE_BYTES);
	/* A pass that may take its time leaves no debt. */
	burst(BURST);
	for (uint32_t window = 1; window <= DEMAND_WINDOWS; window++)
		arenas_rotate_demand();
	reclaim_run_bounded(2 * MONITOR, PRESSURE_NONE);
	ck_assert(reclaim_has_debt());
	reclaim_run(2 * MONITOR, PRESSURE_NONE, true);
	ck_assert(!reclaim_has_debt());
	ck_assert_uint_eq(arenas_hot_pages(), 0);
	stop();
}
END_TEST

START_TEST(demand_that_falls_is_followed_down)
{
	void *kept[50];
	defaults();
	start();
	burst(BURST);
	for (unsigned i = 0; i < 50; i++)
		kept[i] = pool_malloc(BURST_BYTES);
	for (uint32_t window = 1; window <= DEMAND_WINDOWS + 1; window++) {
		reclaim_run(window * WINDOW, PRESSURE_NONE, false);
		burst(20);
	}
	/* 50 are held and 20 come and go: what idles is about 20. */
	reclaim_run((DEMAND_WINDOWS + 2) * WINDOW, PRESSURE_NONE, false);
	ck_assert_uint_le(idle_pages(), 50 * 16 + 20 * 16 + SLACK + MAGAZINES_BYTES_MIN / PAGE_BYTES);
	for (unsigned i = 0; i < 50; i++)
		ck_need(pool_is_buffer(kept[i]));
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	stop();
}
END_TEST

START_TEST(what_idles_for_too_long_goes_though_it_is_little)
{
	uint32_t max_idle;
	uint64_t idle;
	defaults();
	start();
	max_idle = (uint32_t)ns_to_ticks(settings.max_idle);
	burst(4);
	idle = idle_pages();
	ck_assert_uint_lt(idle, SLACK);
	/* Less than the slack: neither demand nor surplus takes it. Out of the magazines it does come. */
	for (uint32_t now = WINDOW; now < max_idle - max_idle / 8; now += WINDOW)
		reclaim_run(now, PRESSURE_NONE, false);
	ck_assert_uint_eq(idle_pages(), idle);
	ck_assert_uint_eq(magazines_count(), 0);
	for (uint32_t now = max_idle; now <= max_idle + max_idle / 8; now += WINDOW)
		reclaim_run(now, PRESSURE_NONE, false);
	ck_assert_uint_eq(idle_pages(), 0);
	stop();
}
END_TEST

START_TEST(under_medium_pressure_all_goes_that_idled_for_half_a_second)
{
	defaults();
	start();
	burst(BURST);
	reclaim_run(1, PRESSURE_LOW, false);
	ck_assert_uint_ge(idle_pages(), BURST_PAGES);
	/* It may be what a stream frees and takes again. */
	reclaim_run(SCARCE - 1, PRESSURE_MEDIUM, false);
	ck_assert_uint_ge(idle_pages(), BURST_PAGES);
	ck_assert_uint_le(reclaim_next(SCARCE - 1), 2 * SCARCE);
	/* What is fresh in magazines stays; the heap keeps nothing. */
	freed_at(SCARCE);
	ck_assert_uint_gt(reclaim_run(SCARCE, PRESSURE_MEDIUM, false), 0);
	ck_assert_uint_eq(arenas_hot_pages(), 0);
	ck_assert_uint_gt(magazines_count(), 0);
	stop();
}
END_TEST

START_TEST(under_critical_pressure_and_on_request_nothing_idles)
{
	defaults();
	start();
	burst(BURST);
	void *kept = pool_malloc(BURST_BYTES);
	memset(kept, 7, BURST_BYTES);
	reclaim_run(1, _i == 0 ? PRESSURE_CRITICAL : PRESSURE_NONE, _i == 1);
	ck_assert_uint_eq(magazines_count(), 0);
	ck_assert_uint_eq(arenas_hot_pages(), 0);
	ck_assert_uint_eq(engine_out_pages(), BURST_BYTES / PAGE_BYTES);
	for (size_t i = 0; i < BURST_BYTES; i++)
		ck_need(((char *)kept)[i] == 7);
	ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	stop();
}
END_TEST

START_TEST(the_threshold_rings_when_it_is_passed_and_drops_the_floor)
{
	void *all[500];
	uint32_t bell;
	uint64_t collections;
	defaults();
	settings.pool_limit = 32 * MIB;
	settings.gc_threshold = 0.5;
	start();
	bell = atomic_load(&turn_bell);
	collections = pool.gc_count;
	for (unsigned i = 0; i < 200; i++)
		all[i] = pool_malloc(BURST_BYTES);
	ck_assert(!pool.is_collection_wanted);
	for (unsigned i = 200; i < 300; i++)
		all[i] = pool_malloc(BURST_BYTES);
	ck_assert(pool.is_collection_wanted);
	ck_assert_uint_gt(turn_bell, bell);
	for (unsigned i = 100; i < 300; i++)
		pool_free((uintptr_t)all[i] - range.base);
	ck_assert_uint_gt(arenas_hot_pages(), 0);
	reclaim_run(2 * TICKS_PER_SECOND, PRESSURE_NONE, false);
	ck_assert_uint_eq(arenas_hot_pages(), 0);
	ck_assert_uint_eq(pool.gc_count, collections + 1);
	ck_assert(!pool.is_collection_wanted);
	/* Again at once: a pass that is wanted too soon after the last is no collection. */
	atomic_store(&pool.is_collection_wanted, true);
	reclaim_run(2 * TICKS_PER_SECOND + 1, PRESSURE_NONE, false);
	ck_assert_uint_eq(pool.gc_count, collections + 1);
	stop();
}
END_TEST

START_TEST(a_collection_is_counted_at_each_interval_and_no_pass_between)
{
	uint64_t collections;
	uint32_t interval;
	defaults();
	start();
	interval = (uint32_t)ns_to_ticks(settings.gc_interval);
	reclaim_run(interval, PRESSURE_NONE, false);
	collections = pool.gc_count;
	for (uint32_t now = interval + 1; now < 2 * interval; now += 10)
		reclaim_run(now, PRESSURE_NONE, false);
	ck_assert_uint_eq(pool.gc_count, collections);
	reclaim_run(2 * interval, PRESSURE_NONE, false);
	ck_assert_uint_eq(pool.gc_count, collections + 1);
	reclaim_run(2 * interval + 1, PRESSURE_NONE, true);
	ck_assert_uint_eq(pool.gc_count, collections + 2);
	stop();
}
END_TEST

START_TEST(a_collection_tries_again_to_purge_what_was_locked)
{
	uint32_t interval;
	defaults();
	start();
	interval = (uint32_t)ns_to_ticks(settings.gc_interval);
	reclaim_run(interval, PRESSURE_NONE, false);
	atomic_store(&arenas.purges_in_vain, 100);
	reclaim_run(interval + 1, PRESSURE_NONE, false);
	ck_assert_uint_eq(arenas.purges_in_vain, 100);
	reclaim_run(2 * interval, PRESSURE_NONE, false);
	ck_assert_uint_eq(arenas.purges_in_vain, 0);
	stop();
}
END_TEST

START_TEST(passes_come_often_only_while_there_is_something_to_do)
{
	defaults();
	start();
	burst(BURST);
	reclaim_run(1, PRESSURE_NONE, false);
	ck_assert_uint_eq(reclaim_next(1), 1 + MONITOR / RECLAIM_LOOKS_A_MONITOR);
	reclaim_run(2, PRESSURE_NONE, true);
	reclaim_run(3, PRESSURE_NONE, false);
	ck_assert_uint_eq(reclaim_next(3), 3 + MONITOR);
	stop();
}
END_TEST

START_TEST(a_drain_empties_the_magazines_and_purges_nothing)
{
	uint64_t count;
	defaults();
	start();
	burst(4);
	count = magazines_count();
	ck_assert_uint_ge(count, 4);
	ck_assert(reclaim_drain(0));
	ck_assert_uint_eq(magazines_count(), 0);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_assert_uint_eq(arenas_hot_pages(), count * 16);
	ck_assert_uint_eq(limits_out_pages(), 0);
	reclaim_purge(10, 0);
	ck_assert_uint_eq(arenas_hot_pages(), count * 16 - 10);
	stop();
}
END_TEST

START_TEST(a_pass_lets_in_what_waits_and_ends_the_leases_that_idle)
{
	uint32_t pages[3], cut;
	struct arena_change change;
	defaults();
	start();
	ck_assert(pool_count_pages(3 * 16));
	ck_assert_uint_eq(arenas_take(32, 3, 0, pages, &change), 3);
	ck_assert(pool_count_pages(LEASE_PAGES));
	ck_assert_uint_eq(arenas_lease(0, 0, 1, 0, &cut, &change), 1);
	pool_count_pages((int64_t)change.out_pages - (int64_t)LEASE_PAGES);
	arenas_give_soon(pages, 3, true, 0, &change);
	ck_assert_uint_eq(change.out_pages, 0);
	ck_assert(arenas_hold_back());
	reclaim_run(1, PRESSURE_NONE, false);
	/* The lease was used just now. */
	ck_assert_uint_eq(engine_out_pages(), 1 + lease_pages(&arenas.at[0]));
	ck_assert_uint_eq(limits_out_pages(), engine_out_pages());
	ck_assert(arenas_hold_back());
	reclaim_run(MONITOR, PRESSURE_NONE, false);
	ck_assert(!arenas_hold_back());
	ck_assert_uint_eq(engine_out_pages(), 1);
	ck_assert_uint_eq(limits_out_pages(), 1);
	ck_engine_is_whole(0);
	stop();
}
END_TEST

START_TEST(threads_at_the_limit_drain_so_often_within_a_tick)
{
	pthread_t other;
	start();
	/* One thread alone: no CPU is disturbed. (TSan has a thread of its own.) */
	for (int i = 0; i < 100 && is_single_threaded(); i++)
		ck_assert(reclaim_drain(5));
	other = idle_thread_begin();
	for (uint32_t now = 6; now < 9; now++)
		for (int i = 0; i < 20; i++)
			ck_assert_int_eq(reclaim_drain(now), i < 8);
	idle_thread_end(other);
	stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, the_plan_follows_from_the_facts, 0, ARRAY_LENGTH(plans));
	tcase_add_loop_test(tests, what_only_an_earlier_window_needed_goes_as_far_as_it_is_spare, 0,
	    (int)ARRAY_LENGTH(windows));
	tcase_add_test(tests, more_pressure_never_keeps_more);
	tcase_add_test(tests, what_a_burst_needed_stays_for_four_windows_and_then_goes);
	tcase_add_test(tests, a_burst_that_comes_again_in_time_finds_its_pages);
	tcase_add_test(tests, what_idled_in_magazines_goes_with_the_burst);
	tcase_add_test(tests, a_request_purges_by_pieces_and_nothing_is_left_out);
	tcase_add_test(tests, demand_that_falls_is_followed_down);
	tcase_add_test(tests, what_idles_for_too_long_goes_though_it_is_little);
	tcase_add_test(tests, under_medium_pressure_all_goes_that_idled_for_half_a_second);
	tcase_add_loop_test(tests, under_critical_pressure_and_on_request_nothing_idles, 0, 2);
	tcase_add_test(tests, the_threshold_rings_when_it_is_passed_and_drops_the_floor);
	tcase_add_test(tests, a_collection_is_counted_at_each_interval_and_no_pass_between);
	tcase_add_test(tests, a_collection_tries_again_to_purge_what_was_locked);
	tcase_add_test(tests, passes_come_often_only_while_there_is_something_to_do);
	tcase_add_test(tests, a_drain_empties_the_magazines_and_purges_nothing);
	tcase_add_test(tests, a_pass_lets_in_what_waits_and_ends_the_leases_that_idle);
	tcase_add_test(tests, threads_at_the_limit_drain_so_often_within_a_tick);
}

int main(void)
{
	return run_suite("reclaim", add_tests);
}
