/*
 * test_advice.c -- each piece of advice is there when its facts hold, with the figures, and
 * not when they do not; and a healthy program gets none.
 */
#include "facts.h"
#include "report/metrics.h"
#include "run_suite.h"

static const struct advice *find(const char *code)
{
	advice_derive(&facts);
	for (unsigned i = 0; i < facts.advice_count; i++)
		if (strcmp(facts.advice[i].code, code) == 0)
			return &facts.advice[i];
	return NULL;
}

static void pressure(enum pressure_level level)
{
	facts.pressure = (struct pressure){level, "cgroup", 0.95, 950 * MIB, 1000 * MIB, 0, 0, false};
}

static void critical(void)
{
	pressure(PRESSURE_CRITICAL);
}
static void medium(void)
{
	pressure(PRESSURE_MEDIUM);
}
static void low(void)
{
	pressure(PRESSURE_LOW);
}

static void stalled(void)
{
	facts.pressure =
	    (struct pressure){PRESSURE_CRITICAL, "psi", 0.97, 950 * MIB, 1000 * MIB, 0.5, 0.25, true};
}

static void misuse(void)
{
	facts_settings.on_misuse = ON_MISUSE_WARN;
	facts.pool.errors = 3;
}

static void misuse_none(void)
{
	facts_settings.on_misuse = ON_MISUSE_WARN;
}
/* Each refused purge counts as an error. */
static void refused_and_warn(void)
{
	facts_settings.on_misuse = ON_MISUSE_WARN;
	facts.pool.errors = facts.pool.purges_refused = 1234;
}
static void misuse_and_refused(void)
{
	refused_and_warn();
	facts.pool.errors++;
}
static void no_range(void)
{
	facts.pool.is_active = false;
}

static void switched_off(void)
{
	facts.pool.is_active = false;
	facts_settings.enable = false;
}

static void temporary_of_bytes(void)
{
	facts.pool.temporary_buffers = 12345;
	facts.pool.limit_bytes = facts_settings.pool_limit = 100 * MIB;
}

static void temporary_of_buffers(void)
{
	facts.pool.temporary_buffers = 5;
	facts.pool.limit_buffers = facts_settings.max_buffers = 120;
}

/* The pool once held near its limit. */
static void temporary_before(void)
{
	facts.pool.temporary_buffers = 5;
	facts.pool.limit_bytes = facts_settings.pool_limit = 130 * MIB;
}
/* It never came near its limit of bytes. */
static void temporary_of_buffers_before(void)
{
	facts.pool.temporary_buffers = 5;
	facts.pool.limit_buffers = facts_settings.max_buffers = 1000;
}
static void temporary_of_kernel(void)
{
	facts.pool.temporary_buffers = 1;
}

static void limit_near(void)
{
	facts.pool.limit_bytes = 66 * MIB;
}
static void set_limit_near(void)
{
	facts.pool.limit_bytes = facts_settings.pool_limit = 66 * MIB;
}
static void limit_not_near(void)
{
	facts.pool.limit_bytes = 67 * MIB;
}
static void limit_none(void)
{
	facts.pool.limit_bytes = 0;
}
static void buffers_near(void)
{
	facts.pool.limit_buffers = 111;
}
static void buffers_not_near(void)
{
	facts.pool.limit_buffers = 112;
}
static void refused(void)
{
	facts.pool.purges_refused = 2;
}

static void fragmented(void)
{
	facts.pool.free_hot_bytes = 40 * MIB;
	facts.pool.free_runs_hot = 3000;
	facts.pool.largest_free_bytes = 256 * KIB;
}

static void little_but_fragmented(void)
{
	fragmented();
	facts.pool.free_hot_bytes = 31 * MIB;
}

static void large_enough(void)
{
	fragmented();
	facts.pool.largest_free_bytes = 1 * MIB;
}

static void many_sizes(uint64_t requests, uint64_t busiest)
{
	facts.pool.class_count = 10;
	for (unsigned i = 0; i < 10; i++)
		facts.pool.classes[i].allocations = (requests - busiest) / 9;
	facts.pool.classes[4].allocations = busiest;
}
static void low_reuse(void)
{
	facts.pool.creations = 500001;
	many_sizes(1000000, 249999);
}
static void half_reuse(void)
{
	low_reuse();
	facts.pool.creations = 500000;
}
static void low_reuse_of_one_size(void)
{
	low_reuse();
	many_sizes(1000000, 250000);
}

static void few_requests(void)
{
	many_sizes(9999, 1000);
	facts.pool.allocations = 9999;
	facts.pool.creations = 9999;
}

static void idle(void)
{
	facts.pool.in_use_bytes = 30 * MIB;
	facts.pool.idle_bytes = 64 * MIB;
}

static void idle_inline(void)
{
	idle();
	facts.background = "inline";
}

static void idle_but_refused(void)
{
	idle();
	facts.pool.purges_refused = 1;
}

static void idle_but_used(void)
{
	facts.pool.in_use_bytes = 60 * MIB;
	facts.pool.idle_bytes = 64 * MIB;
}

static void idle_but_small(void)
{
	facts.pool.in_use_bytes = 0;
	facts.pool.idle_bytes = 35 * MIB;
}

static void fallback_idle(void)
{
	facts.fallback.resident_bytes = 121 * MIB;
}
static void fallback_busy(void)
{
	facts.fallback.resident_bytes = 119 * MIB;
}

static void fallback_unknown(void)
{
	fallback_idle();
	facts.fallback.is_known = false;
}

static void at_risk(unsigned level)
{
	facts.track.risk.level = level;
	facts.track.risk.time_to_limit_seconds = 11040;
	facts.track.sites[0].reason = "MIXTURE_LEAK";
	facts.track.sites[0].growth_bytes_per_hour = 12.5 * (double)MIB;
}
static void leak_high(void)
{
	at_risk(2);
}
static void leak_medium(void)
{
	at_risk(1);
}
static void leak_low(void)
{
	at_risk(0);
}
static void leak_small(void)
{
	at_risk(0);
	facts.track.sites[0].level = 2;
}
static void leak_before_a_tick(void)
{
	at_risk(2);
	facts.track.risk.is_known = false;
}
static void leak_untracked(void)
{
	at_risk(2);
	facts.track.is_active = false;
}
static void leak_of_nobody(void)
{
	at_risk(2);
	facts.track.risk.guilty_site = 77;
}
static void resident_grows(void)
{
	facts.track.risk.is_fragmenting = true;
	facts.track.risk.idle_growth_bytes_per_hour = 30.0 * (double)MIB;
}
static void resident_grows_unknown(void)
{
	resident_grows();
	facts.track.risk.is_known = false;
}
static void sites_full(void)
{
	facts.track.counters.sites_left_out = 1234;
}
static void tracking_lost(void)
{
	facts.track.counters.samples_dropped = 5;
	facts.track.counters.deaths_lost = 2;
	facts.track.counters.modules_left_out = 1;
}
static void tracking_off_full(void)
{
	sites_full();
	facts.track.is_active = false;
}

static const struct {
	const char *code, *severity; /* severity NULL: it must not be said */
	void (*change)(void);
	const char *figures;
} rows[] = {
    {"PRESSURE_CRITICAL", "critical", critical, "0.95 by cgroup: 950.0 MiB of 1000.0 MiB"},
    {"PRESSURE_CRITICAL", "critical", stalled, "50.0% of the time, all of them 25.0%"},
    {"PRESSURE_CRITICAL", NULL, medium, NULL},
    {"PRESSURE_MEDIUM", "warning", medium, "40.0 MiB of 100.0 MiB idle"},
    {"PRESSURE_MEDIUM", NULL, critical, NULL},
    {"PRESSURE_MEDIUM", NULL, low, NULL},
    {"MISUSE_SURVIVED", "critical", misuse, "3 double or wild frees survived"},
    {"MISUSE_SURVIVED", NULL, misuse_none, NULL},
    {"MISUSE_SURVIVED", "critical", misuse_and_refused, "1 double or wild free survived"},
    {"MISUSE_SURVIVED", NULL, refused_and_warn, NULL},
    {"PURGE_REFUSED", "warning", refused_and_warn, "1,234 times"},
    {"NO_RANGE", "warning", no_range, "ulimit -v"},
    {"NO_RANGE", NULL, switched_off, NULL},
    {"TEMPORARY_BUFFERS", "warning", temporary_of_bytes, "12,345 requests"},
    {"TEMPORARY_BUFFERS", "warning", temporary_of_bytes, "raise WEIR_POOL_LIMIT (100M)"},
    {"TEMPORARY_BUFFERS", "warning", temporary_of_buffers, "raise WEIR_MAX_BUFFERS (120)"},
    {"TEMPORARY_BUFFERS", "warning", temporary_before, "has room now"},
    {"TEMPORARY_BUFFERS", "warning", temporary_before, "raise WEIR_POOL_LIMIT (130M)."},
    {"TEMPORARY_BUFFERS", "warning", temporary_of_buffers_before, "normal, raise WEIR_MAX_BUFFERS (1000)."},
    {"TEMPORARY_BUFFERS", "warning", temporary_of_kernel, "1 request found"},
    {"TEMPORARY_BUFFERS", "warning", temporary_of_kernel, "the kernel refused memory"},
    {"TEMPORARY_BUFFERS", NULL, limit_near, NULL},
    {"POOL_LIMIT_NEAR", "warning", limit_near, "60.0 MiB of 66.0 MiB"},
    {"POOL_LIMIT_NEAR", "warning", limit_near, "Raise the memory limit (WEIR_POOL_LIMIT is auto), or"},
    {"POOL_LIMIT_NEAR", "warning", set_limit_near, "Raise WEIR_POOL_LIMIT (66M), or"},
    {"POOL_LIMIT_NEAR", NULL, limit_not_near, NULL},
    {"POOL_LIMIT_NEAR", NULL, limit_none, NULL},
    {"BUFFER_LIMIT_NEAR", "warning", buffers_near, "100 of 111 buffers"},
    {"BUFFER_LIMIT_NEAR", NULL, buffers_not_near, NULL},
    {"PURGE_REFUSED", "warning", refused, "refused 2 times"},
    {"PURGE_REFUSED", NULL, fragmented, NULL},
    {"FRAGMENTATION", "info", fragmented,
	"40.0 MiB are free and resident in 3,000 pieces, but the largest free run is 256.0 KiB"},
    {"FRAGMENTATION", "info", resident_grows,
	"grows by 30.0 MiB an hour beyond what the program holds: not a leak"},
    {"FRAGMENTATION", NULL, resident_grows_unknown, NULL},
    {"FRAGMENTATION", NULL, leak_high, NULL},
    {"LEAK_LIKELY", "critical", leak_high,
	"Site 0xf229a5bc9398fa1b (MIXTURE_LEAK) holds 60.0 MiB in 100 objects, 12.5 MiB more an hour; the memory "
	"limit is reached in 3 h 4 m."},
    {"LEAK_LIKELY", NULL, leak_medium, NULL},
    {"LEAK_LIKELY", NULL, leak_before_a_tick, NULL},
    {"LEAK_LIKELY", NULL, leak_untracked, NULL},
    {"LEAK_LIKELY", NULL, leak_of_nobody, NULL},
    {"LEAK_LIKELY", NULL, resident_grows, NULL},
    {"LEAK_POSSIBLE", "warning", leak_medium, "12.5 MiB more an hour"},
    {"LEAK_POSSIBLE", "warning", leak_small, "Site 0xf229a5bc9398fa1b (MIXTURE_LEAK)"},
    {"LEAK_POSSIBLE", "warning", leak_small,
	"Not all of it is freed, but it is little beside the memory limit"},
    {"LEAK_POSSIBLE", NULL, leak_high, NULL},
    {"LEAK_POSSIBLE", NULL, leak_low, NULL},
    {"TRACKING_LIMITED", "info", sites_full, "1,234 samples were counted by module"},
    {"TRACKING_LIMITED", "info", tracking_lost, "8 samples, deaths or modules found no room"},
    {"TRACKING_LIMITED", NULL, tracking_off_full, NULL},
    {"FRAGMENTATION", NULL, little_but_fragmented, NULL},
    {"FRAGMENTATION", NULL, large_enough, NULL},
    {"LOW_REUSE", "info", low_reuse, "of 1,000,000 requests"},
    {"LOW_REUSE", NULL, half_reuse, NULL},
    {"LOW_REUSE", NULL, low_reuse_of_one_size, NULL},
    {"LOW_REUSE", NULL, few_requests, NULL},
    {"IDLE_MEMORY", "info", idle, "92.0 MiB are idle beside 30.0 MiB in use"},
    {"IDLE_MEMORY", "info", idle, "lower WEIR_MONITOR_INTERVAL (10s)"},
    {"IDLE_MEMORY", "info", idle_inline, "WEIR_BACKGROUND=always"},
    {"IDLE_MEMORY", NULL, idle_but_refused, NULL},
    {"IDLE_MEMORY", NULL, idle_but_used, NULL},
    {"IDLE_MEMORY", NULL, idle_but_small, NULL},
    {"FALLBACK_IDLE", "info", fallback_idle, "121.0 MiB resident for 40.0 MiB allocated"},
    {"FALLBACK_IDLE", NULL, fallback_busy, NULL},
    {"FALLBACK_IDLE", NULL, fallback_unknown, NULL},
};

START_TEST(advice_is_said_exactly_where_its_facts_hold)
{
	facts_reset();
	rows[_i].change();
	const struct advice *advice = find(rows[_i].code);
	if (rows[_i].severity == NULL) {
		ck_assert_ptr_null(advice);
		return;
	}
	ck_assert_msg(advice != NULL, "%s is missing", rows[_i].code);
	ck_assert_str_eq(advice->severity, rows[_i].severity);
	ck_assert_msg(strstr(advice->text, rows[_i].figures) != NULL, "%s", advice->text);
	ck_assert_int_eq(advice->text[strlen(advice->text) - 1], '.');
}
END_TEST

START_TEST(a_healthy_program_gets_no_advice)
{
	facts_reset();
	advice_derive(&facts);
	ck_assert_uint_eq(facts.advice_count, 0);
}
END_TEST

/* Everything wrong at once, with the longest figures that there are. */
static void disaster(void)
{
	facts_reset();
	stalled();
	facts.pressure.limit_bytes = facts.pressure.used_bytes = 1023 * (GIB / 10) * 10 - 1;
	struct pool_stats *pool = &facts.pool;
	pool->in_use_bytes = 1023 * GIB - 1;
	pool->idle_bytes = pool->slab_free_bytes = pool->free_hot_bytes = 1023 * GIB - 1;
	pool->free_runs_hot = 1000000000000;
	pool->largest_free_bytes = 1023 * KIB;
	pool->buffers_in_use = pool->limit_buffers = 1000000000;
	pool->limit_bytes = 1024 * GIB - 1;
	pool->temporary_buffers = pool->purges_refused = pool->errors = 18446744073709551615U;
	pool->allocations = pool->creations = 18446744073709551615U;
	at_risk(2);
	facts.track.sites[0].reason = "INSUFFICIENT_DATA";
	facts.track.risk.time_to_limit_seconds = 1e15;
	facts.track.sites[0].live_bytes = facts.track.sites[0].live_objects = 1e30;
	facts.track.sites[0].growth_bytes_per_hour = 1e30;
	facts.track.counters.sites_left_out = facts.track.counters.samples_dropped = UINT64_MAX;
	facts_settings.pool_limit = 1125899906842623;
	facts_settings.max_buffers = 1000000000;
	facts_settings.max_idle = 123456789;
}

START_TEST(no_text_is_cut_and_the_gravest_comes_first)
{
	for (unsigned misuse_mode = 0; misuse_mode < 2; misuse_mode++) {
		for (unsigned room = 0; room < 4; room++) {
			disaster();
			facts_settings.on_misuse = misuse_mode;
			if (room == 1)
				facts.pool.limit_buffers = 0;
			if (room == 2) {
				facts.pool.limit_buffers = 2000000000;
				facts.pool.limit_bytes *= 10;
			}
			if (room == 3)
				facts_settings.pool_limit = 0;
			advice_derive(&facts);
			ck_assert_uint_ge(facts.advice_count, 5);
			bool was_critical = true;
			for (unsigned i = 0; i < facts.advice_count; i++) {
				const struct advice *a = &facts.advice[i];
				ck_assert_msg(a->text[strlen(a->text) - 1] == '.', "cut: %s", a->text);
				bool is_critical = strcmp(a->severity, "critical") == 0;
				ck_assert(was_critical || !is_critical);
				was_critical = is_critical;
			}
		}
	}
}
END_TEST

START_TEST(advice_is_not_repeated_by_a_second_call)
{
	facts_reset();
	critical();
	advice_derive(&facts);
	unsigned count = facts.advice_count;
	advice_derive(&facts);
	ck_assert_uint_eq(facts.advice_count, count);
}
END_TEST

START_TEST(metrics_are_shares_even_of_counts_that_contradict)
{
	facts_reset();
	struct metrics m = metrics_derive(&facts);
	ck_assert_uint_eq(m.total_used_bytes, 60 * MIB);
	ck_assert_uint_eq(m.total_allocated_bytes, 100 * MIB);
	ck_assert(m.pool_utilization > 0.5999 && m.pool_utilization < 0.6001);
	ck_assert(m.reuse_rate > 0.9799 && m.reuse_rate < 0.9801);
	ck_assert_uint_eq(m.buffer_count, 120);
	ck_assert_uint_eq(m.average_buffer_size_bytes, 72 * MIB / 120);
	ck_assert(m.fragmentation > 0.7499 && m.fragmentation < 0.7501);
	ck_assert_uint_eq(metrics_buffers_left_out(&facts), 98);

	/* Read while the program ran on: more creations than allocations, a run larger than all. */
	facts.pool.creations = facts.pool.allocations + 5;
	facts.pool.largest_free_bytes = 1 * GIB;
	facts.pool.buffers_in_use = 1;
	m = metrics_derive(&facts);
	ck_assert(m.reuse_rate == 0);
	ck_assert(m.fragmentation == 0);
	ck_assert_uint_eq(metrics_buffers_left_out(&facts), 0);

	memset(&facts.pool, 0, sizeof(facts.pool));
	m = metrics_derive(&facts);
	ck_assert(
	    m.reuse_rate == 0 && m.fragmentation == 0 && m.pool_utilization == 0 && m.limit_utilization == 0);
	ck_assert_uint_eq(m.average_buffer_size_bytes, 0);
}
END_TEST

START_TEST(times_of_ticks_take_the_scale_out_again)
{
	facts_reset();
	ck_assert(metrics_age_seconds(&facts, facts.now_ticks - 640) == 10);
	ck_assert(metrics_age_seconds(&facts, facts.now_ticks + 640) == 0);
	ck_assert_uint_eq(metrics_unix_ns(&facts, facts.now_ticks - 640), facts.taken_at_ns - 10 * SECOND);
	facts_settings.time_scale = 100;
	ck_assert(metrics_age_seconds(&facts, facts.now_ticks - 640) == 10);
	ck_assert_uint_eq(metrics_unix_ns(&facts, facts.now_ticks - 640), facts.taken_at_ns - SECOND / 10);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, advice_is_said_exactly_where_its_facts_hold, 0, ARRAY_LENGTH(rows));
	tcase_add_test(tests, a_healthy_program_gets_no_advice);
	tcase_add_test(tests, no_text_is_cut_and_the_gravest_comes_first);
	tcase_add_test(tests, advice_is_not_repeated_by_a_second_call);
	tcase_add_test(tests, metrics_are_shares_even_of_counts_that_contradict);
	tcase_add_test(tests, times_of_ticks_take_the_scale_out_again);
}

int main(void)
{
	return run_suite("advice", add_tests);
}
