/*
 * test_track.c -- the facade of tracking: what goes in at births and deaths comes out in a dump.
 */
#include <dlfcn.h>
#include <link.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "run_suite.h"
#include "track/samples.h"
#include "track/track.h"

#define LEAF __attribute__((noinline, noclone))

static struct settings settings;
static struct track_snapshot snapshot;
static char object[64];

static void begin(void)
{
	settings_default(&settings);
	clock_start(1);
	ck_assert(track_prepare(&settings, 0, 0));
	ck_assert(track_wake());
}

LEAF static uint32_t born_here(size_t size, float weight)
{
	uint32_t sample = track_birth(object, size, TRACK_POOL, weight);

	ck_need(object[0] == 0);
	return sample;
}

LEAF static uint32_t born_there(size_t size)
{
	uint32_t sample = track_birth(object, size, TRACK_SMALL, 1);

	ck_need(object[1] == 0);
	return sample;
}

static void tick(void)
{
	struct track_facts facts = {.now_ticks = clock_now_ticks(),
	    .memory_limit_bytes = 1 * GIB,
	    .memory_used_bytes = 100 * MIB,
	    .rss_bytes = 90 * MIB,
	    .live_bytes = 80 * MIB};

	track_tick(&facts);
	track_collect(&snapshot);
}

/* The site that has function's frame. */
static const struct track_site *site_of(uint32_t (*function)(size_t))
{
	for (unsigned i = 0; i < snapshot.site_count; i++) {
		for (unsigned k = 0; k < snapshot.sites[i].frame_count; k++) {
			if (snapshot.sites[i].frames[k].pc - (uintptr_t)function < 128)
				return &snapshot.sites[i];
		}
	}
	return NULL;
}

START_TEST(what_is_born_and_dies_is_counted_at_its_site)
{
	begin();
	uint32_t kept[3];
	const struct track_site *site;

	for (int i = 0; i < 3; i++) {
		kept[i] = born_here(1000, 4);
		ck_assert_uint_ne(kept[i], 0);
	}
	ck_assert_uint_ne(born_there(64), 0);
	track_death(kept[1]);
	kept[2] = track_resize(kept[2], 3000);
	ck_assert_uint_ne(kept[2], 0);
	/* Live figures need no tick. */
	track_collect(&snapshot);
	ck_assert(snapshot.is_active && !snapshot.risk.is_known);
	site = site_of((uint32_t(*)(size_t))(void (*)(void))born_here);
	ck_assert_ptr_nonnull(site);
	ck_assert(site->births == 12 && site->deaths == 8 && site->live_objects == 4);
	ck_assert(site->live_bytes == 4 * 1000);
	ck_assert_uint_eq(track_site_of(kept[0]), site->id);
	ck_assert_uint_eq(track_site_of(kept[1]), 0);
	ck_assert_ptr_ne(site, site_of(born_there));
	tick();
	ck_assert(snapshot.risk.is_known);
	ck_assert_uint_eq(snapshot.counters.samples_live, 3);
	ck_assert_uint_eq(snapshot.counters.stacks_captured, 5);
	ck_assert_uint_eq(snapshot.counters.sites_used, 3);
	ck_assert(site_of(born_there)->age_p50_seconds >= 0);
	ck_assert(site_of(born_there)->lifetime_p50_seconds < 0);
}
END_TEST

LEAF static uint32_t grown_here(uint32_t sample, size_t size)
{
	sample = track_resize(sample, size);
	ck_need(object[2] == 0);
	return sample;
}

static double sum_of(const double *weights)
{
	double sum = 0;

	for (unsigned i = 0; i < TRACK_AGE_BUCKETS; i++)
		sum += weights[i];
	return sum;
}

/* Realloc in place: 40 buffers of 4 KiB, each worth 2, of which one in four is grown, two of those twice. */
START_TEST(what_realloc_grows_belongs_to_the_site_of_the_realloc)
{
	begin();
	const struct track_site *first, *second;
	uint32_t kept[40];

	for (int i = 0; i < 40; i++)
		kept[i] = born_here(4096, 2);
	for (int i = 0; i < 10; i++)
		kept[i] = grown_here(kept[i], 8192);
	for (int i = 0; i < 2; i++)
		kept[i] = grown_here(kept[i], 16384);
	tick();
	first = site_of((uint32_t(*)(size_t))(void (*)(void))born_here);
	second = site_of((uint32_t(*)(size_t))(void (*)(void))grown_here);
	ck_assert(first != NULL && second != NULL && first != second);
	ck_assert(first->live_objects == 60 && first->live_bytes == 60 * 4096);
	ck_assert(first->births == 80 && first->deaths == 20);
	for (int i = 0; i < 10; i++) {
		uint64_t id = track_site_of(kept[i]);

		ck_need(id != 0 && id != first->id);
	}
	ck_assert_uint_eq(track_site_of(kept[20]), first->id);
	ck_assert(sum_of(snapshot.lifetimes.freed) == 0 && first->lifetime_p50_seconds < 0);
	ck_assert(sum_of(snapshot.lifetimes.live) == 80);
	ck_assert_uint_eq(snapshot.counters.samples_live, 40);
	for (int i = 0; i < 40; i++)
		track_death(kept[i]);
	tick();
	ck_assert(sum_of(snapshot.lifetimes.freed) == 80);
	ck_assert_uint_eq(snapshot.counters.samples_live, 0);
	for (unsigned i = 0; i < snapshot.site_count; i++) {
		const struct track_site *site = &snapshot.sites[i];

		ck_need(site->live_objects == 0 && site->live_bytes == 0 && site->births == site->deaths);
	}
}
END_TEST

START_TEST(what_realloc_moves_leaves_its_site_without_a_death)
{
	begin();
	const struct track_site *site;
	uint32_t old = born_here(4096, 3);

	track_leave(old);
	ck_assert_uint_eq(track_site_of(old), 0);
	ck_assert_uint_eq(track_resize(old, 5000), 0); /* it is gone */
	tick();
	site = site_of((uint32_t(*)(size_t))(void (*)(void))born_here);
	ck_assert(site->births == 3 && site->deaths == 3 && site->live_objects == 0);
	ck_assert(sum_of(snapshot.lifetimes.freed) == 0 && site->lifetime_p50_seconds < 0);
}
END_TEST

START_TEST(lifetimes_are_weights_by_age_and_size)
{
	begin();
	double freed = 0, live = 0, young = 0;
	uint32_t began = clock_now_ticks();

	track_death(born_here(1000, 4));
	track_death(born_here(100000, 1));
	double lived_at_most = (double)(clock_now_ticks() - began) / TICKS_PER_SECOND;
	born_here(8, 2);
	tick();
	for (unsigned i = 0; i < TRACK_AGE_BUCKETS; i++) {
		freed += snapshot.lifetimes.freed[i];
		live += snapshot.lifetimes.live[i];
	}
	ck_assert(freed == 5 && live == 2);
	/* A machine that is busy may stop us between a birth and its death. */
	for (unsigned i = 0; i < TRACK_AGE_BUCKETS && (i == 0 || track_age_below(i - 1) <= lived_at_most);
	     i++)
		young += snapshot.lifetimes.freed_by_size[6][i];
	ck_assert(young == 4);
	ck_assert_uint_eq(track_size_up_to(6), 1024);
	ck_assert(track_age_below(0) == 1.0 / 64 && track_age_below(6) == 1);
	ck_assert(isinf(track_age_below(TRACK_AGE_BUCKETS - 1)));
	double weights[TRACK_AGE_BUCKETS] = {[6] = 1, [7] = 98, [9] = 1};
	ck_assert(track_age_quantile(weights, 0.5) == 2);
	ck_assert(track_age_quantile(weights, 0.995) == 8);
	memset(weights, 0, sizeof(weights));
	ck_assert(track_age_quantile(weights, 0.5) < 0);
}
END_TEST

START_TEST(frames_and_mappings_name_modules)
{
	begin();
	bool is_mapped = false;

	born_here(1000, 1);
	tick();
	const struct track_frame *frame = NULL;
	for (unsigned i = 0; i < snapshot.sites[0].frame_count && frame == NULL; i++) {
		if (snapshot.sites[0].frames[i].pc - (uintptr_t)born_here < 128)
			frame = &snapshot.sites[0].frames[i];
	}
	ck_assert_ptr_nonnull(frame);
	ck_assert_ptr_nonnull(frame->module);
	for (unsigned i = 0; i < snapshot.mapping_count; i++) {
		const struct track_mapping *m = &snapshot.mappings[i];

		ck_assert_uint_lt(m->start, m->end);
		if (frame->pc < m->start || frame->pc >= m->end)
			continue;
		is_mapped = true;
		ck_assert_str_eq(m->path, frame->module);
		ck_assert_str_eq(m->build_id, frame->build_id);
		ck_assert_uint_eq(frame->pc - m->bias, frame->offset);
	}
	ck_assert(is_mapped);
}
END_TEST

START_TEST(all_tables_together_have_a_bound)
{
	begin();
	uint32_t last = 1;
	uint64_t count = 0;

	while (last != 0 && count <= SAMPLES_MAX + 10) {
		last = born_here(1000, 1);
		count += last != 0;
	}
	ck_assert_uint_eq(count, SAMPLES_MAX);
	track_collect(&snapshot);
	ck_assert_uint_eq(snapshot.counters.samples_dropped, 1);
	ck_assert_uint_eq(snapshot.counters.samples_live, SAMPLES_MAX);
	ck_assert_uint_lt(snapshot.counters.table_bytes, 24 * MIB);
	ck_assert_uint_le(snapshot.counters.table_bytes_used, snapshot.counters.table_bytes);
	/* The tick makes room, and what is left stands for all. */
	tick();
	ck_assert_uint_lt(snapshot.counters.samples_live, SAMPLES_MAX * 6 / 10);
	ck_assert_uint_ne(born_here(1000, 1), 0);
	double live = snapshot.sites[0].live_objects;
	ck_assert(fabs(live - SAMPLES_MAX) < 5 * sqrt((double)SAMPLES_MAX));
}
END_TEST

static volatile sig_atomic_t handled;
static uint32_t of_handler;

static void handler(int number UNUSED)
{
	uint32_t sample = track_birth(object, 500, TRACK_SMALL, 1);

	handled++;
	if (of_handler != 0)
		track_death(of_handler);
	of_handler = sample;
}

START_TEST(a_handler_may_interrupt_it_anywhere_and_nothing_is_lost)
{
	begin();
	struct sigaction action = {.sa_handler = handler};
	struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	double births = 0, deaths = 0, live = 0;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (unsigned i = 0; i < 200000 && handled < 3000; i++) {
		track_death(born_here(1000, 1));
		/* Room for the deaths that had to wait. */
		if (i % 64 == 0)
			tick();
	}
	setitimer(ITIMER_REAL, &never, NULL);
	tick();
	ck_assert_int_gt(handled, 100);
	ck_assert_uint_gt(snapshot.counters.stacks_dropped, 0);
	ck_assert_uint_eq(snapshot.counters.deaths_lost, 0);
	for (unsigned i = 0; i < snapshot.site_count; i++) {
		births += snapshot.sites[i].births;
		deaths += snapshot.sites[i].deaths;
		live += snapshot.sites[i].live_objects;
	}
	ck_assert_uint_eq(snapshot.counters.samples_live, of_handler != 0);
	births += snapshot.not_listed.births;
	deaths += snapshot.not_listed.deaths;
	live += snapshot.not_listed.live_objects;
	ck_assert(births - deaths == live);
	ck_assert(live == (of_handler != 0));
}
END_TEST

/* A site of its own for each path: at each step of it one of two calls. */
static __attribute__((noinline)) void born_along(unsigned path, unsigned steps, size_t size)
{
	/* No tail calls, and no two that the compiler could make one. */
	if (steps == 0) {
		born_here(size, 1);
		__asm__ volatile("");
	} else if (path % 2 == 0) {
		born_along(path / 2, steps - 1, size);
		__asm__ volatile("nop");
	} else {
		born_along(path / 2, steps - 1, size);
		__asm__ volatile("nop; nop");
	}
}

START_TEST(what_the_listed_sites_and_the_rest_hold_is_all)
{
	enum { STEPS = 7, SITES = 1 << STEPS };
	double objects = 0, bytes = 0, births = 0, birth_bytes = 0, all = 0;

	begin();
	/* Some find room, some take it from another, some find none. */
	for (unsigned path = 0; path < SITES; path++) {
		size_t size = 1000 + path * 37 % SITES;

		born_along(path, STEPS, size);
		all += (double)size;
	}
	tick();
	ck_assert_uint_eq(snapshot.site_count, TRACK_LISTED_MAX);
	ck_assert_uint_eq(snapshot.sites_not_listed, SITES - TRACK_LISTED_MAX);
	for (unsigned i = 0; i < snapshot.site_count; i++) {
		objects += snapshot.sites[i].live_objects;
		bytes += snapshot.sites[i].live_bytes;
		births += snapshot.sites[i].births;
		birth_bytes += snapshot.sites[i].birth_bytes;
	}
	ck_assert(snapshot.not_listed.live_objects == SITES - TRACK_LISTED_MAX);
	ck_assert(objects + snapshot.not_listed.live_objects == SITES);
	ck_assert(bytes + snapshot.not_listed.live_bytes == all);
	ck_assert(births + snapshot.not_listed.births == SITES);
	ck_assert(birth_bytes + snapshot.not_listed.birth_bytes == all);
	ck_assert(snapshot.not_listed.deaths == 0);
}
END_TEST

START_TEST(deaths_within_tracking_wait_for_the_tick)
{
	begin();
	/* As above, but surely: a death while a tick is at work is one that waits. */
	uint32_t sample = born_here(1000, 1);
	struct sigaction action = {.sa_handler = handler};

	sigaction(SIGALRM, &action, NULL);
	of_handler = sample;
	for (unsigned tries = 0; tries < 2000; tries++) {
		struct itimerval soon = {{0, 0}, {0, 1 + tries % 97}};

		setitimer(ITIMER_REAL, &soon, NULL);
		tick();
		if (of_handler == 0)
			break;
	}
	/* The handler's birth within a tick is dropped, its death is kept in mind. */
	ck_assert_uint_eq(of_handler, 0);
	tick();
	ck_assert_uint_eq(snapshot.counters.samples_live, 0);
	ck_assert_uint_eq(snapshot.counters.deaths_lost, 0);
}
END_TEST

static _Atomic bool is_over;

static void *churn(void *unused)
{
	while (!is_over)
		track_death(born_here(1000, 1));
	return unused;
}

START_TEST(a_child_goes_on_with_what_its_parent_knew)
{
	begin();
	pthread_t threads[3];
	uint32_t kept = born_here(4000, 1);

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, churn, NULL);
	for (int i = 0; i < 100; i++) {
		int status = -1;

		track_fork_wait();
		track_fork_prepare();
		pid_t child = fork();
		if (child == 0) {
			track_fork_child();
			alarm(10);
			track_death(born_there(10));
			tick();
			/* What the parent's threads held in the moment of the fork stays live here. */
			_exit(track_site_of(kept) != 0 && snapshot.counters.samples_live >= 1 &&
				      snapshot.counters.samples_live <= 4
				  ? 0
				  : 1);
		}
		track_fork_parent();
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
	}
	is_over = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	tick();
	ck_assert_uint_eq(snapshot.counters.samples_live, 1);
}
END_TEST

START_TEST(asleep_it_has_no_tables_and_is_woken_once)
{
	settings_default(&settings);
	clock_start(1);
	ck_assert(!track_is_asleep());
	ck_assert(track_prepare(&settings, 0, 0));
	ck_assert(track_is_asleep());
	ck_assert_uint_eq(born_here(1000, 1), 0);
	snapshot.site_count = snapshot.mapping_count = 7;
	tick();
	ck_assert(snapshot.is_active && !snapshot.risk.is_known);
	ck_assert_uint_eq(snapshot.site_count + snapshot.mapping_count, 0);
	ck_assert_uint_eq(snapshot.counters.table_bytes_used, 0);
	ck_assert(track_wake() && track_wake());
	ck_assert(!track_is_asleep());
	ck_assert_uint_ne(born_here(1000, 1), 0);
	tick();
	ck_assert(snapshot.risk.is_known && snapshot.site_count == 1 && snapshot.mapping_count > 1);
}
END_TEST

static _Atomic bool is_born;

static void *bear_one(void *unused UNUSED)
{
	ck_need(born_here(1000, 1) != 0);
	is_born = true;
	return NULL;
}

static _Atomic bool is_in_callback, has_woken, was_in_vain;

static int wait_for_waking(struct dl_phdr_info *info UNUSED, size_t size UNUSED, void *unused UNUSED)
{
	unsigned left = 5000;

	is_in_callback = true;
	while (!has_woken && left-- > 0)
		usleep(1000);
	was_in_vain = !has_woken;
	return 1;
}

static void *hold_the_loader(void *unused)
{
	dl_iterate_phdr(wait_for_waking, NULL);
	return unused;
}

/* As one would that waits in there for a mutex, of which the holder allocates. */
START_TEST(it_wakes_while_another_thread_holds_the_loader)
{
	pthread_t thread;

	settings_default(&settings);
	clock_start(1);
	ck_assert(track_prepare(&settings, 0, 0));
	ck_assert_int_eq(pthread_create(&thread, NULL, hold_the_loader, NULL), 0);
	while (!is_in_callback)
		sched_yield();
	ck_assert(track_wake());
	ck_assert_uint_ne(born_here(1000, 1), 0);
	has_woken = true;
	pthread_join(thread, NULL);
	ck_assert(!was_in_vain);
	tick();
	ck_assert_uint_gt(snapshot.mapping_count, 1);
}
END_TEST

START_TEST(it_may_wake_while_another_thread_forks)
{
	pthread_t thread;

	settings_default(&settings);
	clock_start(1);
	ck_assert(track_prepare(&settings, 0, 0));
	track_fork_wait();
	track_fork_prepare();
	ck_assert(track_wake());
	/* Nothing is written while the fork copies it. */
	ck_assert_int_eq(pthread_create(&thread, NULL, bear_one, NULL), 0);
	usleep(50 * 1000);
	ck_assert(!is_born);
	track_fork_parent();
	pthread_join(thread, NULL);
	tick();
	ck_assert_uint_eq(snapshot.counters.samples_live, 1);
}
END_TEST

static uint64_t tables_read(void)
{
	track_collect(&snapshot);
	return snapshot.counters.tables_read;
}

START_TEST(frames_are_known_until_code_may_have_gone)
{
	static const enum {
		NOTHING,
		DLCLOSE,
		TICK,
		OTHER_CODE
	} steps[] = {TICK, NOTHING, DLCLOSE, NOTHING, TICK, NOTHING, OTHER_CODE, NOTHING};
	static const bool is_forgotten[] = {true, false, true, false, false, false, true, false};

	begin();
	for (unsigned i = 0; i < ARRAY_LENGTH(steps); i++) {
		uint64_t before;

		if (steps[i] == DLCLOSE)
			track_modules_changed();
		if (steps[i] == OTHER_CODE) {
			/* As libc's own loading, of which nobody tells us but the loader's counts. */
			void *module = dlopen("libresolv.so.2", RTLD_NOW);

			ck_assert_ptr_nonnull(module);
			dlclose(module);
		}
		if (steps[i] == TICK || steps[i] == OTHER_CODE)
			tick();
		before = tables_read();
		ck_assert_uint_ne(born_there(64), 0);
		ck_assert_msg((tables_read() - before >= 2) == is_forgotten[i], "step %u: %lu tables", i,
		    (unsigned long)(tables_read() - before));
	}
}
END_TEST

START_TEST(switched_off_nothing_is_tracked)
{
	settings_default(&settings);
	settings.track = false;
	ck_assert(!track_prepare(&settings, 0, 0));
	ck_assert(!track_wake());
	ck_assert_uint_eq(born_here(1000, 1), 0);
	track_death(5);
	tick();
	ck_assert(!snapshot.is_active);
	ck_assert_uint_eq(track_site_of(5), 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, what_is_born_and_dies_is_counted_at_its_site);
	tcase_add_test(tests, frames_are_known_until_code_may_have_gone);
	tcase_add_test(tests, what_realloc_grows_belongs_to_the_site_of_the_realloc);
	tcase_add_test(tests, what_realloc_moves_leaves_its_site_without_a_death);
	tcase_add_test(tests, lifetimes_are_weights_by_age_and_size);
	tcase_add_test(tests, frames_and_mappings_name_modules);
	tcase_add_test(tests, all_tables_together_have_a_bound);
	tcase_add_test(tests, what_the_listed_sites_and_the_rest_hold_is_all);
	tcase_add_test(tests, a_handler_may_interrupt_it_anywhere_and_nothing_is_lost);
	tcase_add_test(tests, deaths_within_tracking_wait_for_the_tick);
	tcase_add_test(tests, a_child_goes_on_with_what_its_parent_knew);
	tcase_add_test(tests, asleep_it_has_no_tables_and_is_woken_once);
	tcase_add_test(tests, it_wakes_while_another_thread_holds_the_loader);
	tcase_add_test(tests, it_may_wake_while_another_thread_forks);
	tcase_add_test(tests, switched_off_nothing_is_tracked);
}

int main(void)
{
	return run_suite("track", add_tests);
}
