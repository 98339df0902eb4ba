/*
 * test_sites.c -- the table of call sites: bounded, nothing lost, rows that move with modules.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "run_suite.h"
#include "track/sites.h"

#define PLUGIN "libBrokenLocale.so.1"
#define PLUGIN_SYMBOL "__ctype_get_mb_cur_max"
#define THREADS 4
#define ROUNDS 20000

static uint32_t live_objects[SITES_ROWS];

static void setup(void)
{
	ck_assert(modules_start());
	ck_assert(sites_start());
	modules_refresh(sites_retire, sites_mark_modules);
}

static void refresh(void)
{
	modules_refresh(sites_retire, sites_mark_modules);
	sites_resolve();
}

/* Two frames: one in this program, one wherever. */
static struct stack stack_at(uintptr_t pc)
{
	return (struct stack){.count = 2, .pcs = {(uintptr_t)&setup, pc}};
}

static uint32_t find(uintptr_t pc, uint64_t *key)
{
	struct stack stack = stack_at(pc);

	return sites_find(&stack, key);
}

START_TEST(a_stack_has_one_row_and_another_stack_another)
{
	uint64_t a, b, again;
	uint32_t row = find(1, &a);

	ck_assert_uint_ne(find(2, &b), row);
	ck_assert_uint_ne(a, b);
	ck_assert_uint_eq(find(1, &again), row);
	ck_assert_uint_eq(again, a);
	ck_assert_uint_eq(sites_rows_used(), 2);
	ck_assert_uint_eq(sites_at(row)->frame_count, 2);
	ck_assert_uint_eq(sites_at(row)->frames[1].pc, 1);
}
END_TEST

START_TEST(frames_are_offsets_in_modules_as_soon_as_they_are_found)
{
	uint64_t key;
	uint32_t row = find((uintptr_t)dlsym(RTLD_DEFAULT, "strtol"), &key);
	const struct site *site = sites_at(row);
	Dl_info info;

	ck_assert_int_ne(dladdr((void *)(uintptr_t)site->frames[1].pc, &info), 0);
	ck_assert_uint_eq(site->frames[1].offset, site->frames[1].pc - (uintptr_t)info.dli_fbase);
	ck_assert_str_eq(modules_at(site->frames[1].module)->path, info.dli_fname);
	ck_assert_uint_ne(site->id, 0);
}
END_TEST

START_TEST(births_and_deaths_are_counted_at_their_row)
{
	uint64_t key;
	uint32_t row = find(1, &key);
	const struct facts *facts = &sites_at(row)->facts;

	ck_assert(sites_birth(row, key, 10, 1000, 2));
	ck_assert(sites_birth(row, key, 11, 500, 1));
	ck_assert(facts->births == 3 && facts->live_count == 3 && facts->live_bytes == 2500);
	sites_death(row, 20, 10, 1000, 2);
	ck_assert(facts->deaths == 2 && facts->live_count == 1 && facts->live_bytes == 500);
	ck_assert(facts->died_at[facts_age_bucket(10)] == facts_mass(1000, 2));
	sites_resize(row, 500, 700, 1);
	ck_assert(facts->live_bytes == 700);
	/* Weights move, nothing dies. */
	sites_reweigh(row, 700, 1, 2);
	ck_assert(facts->live_count == 2 && facts->live_bytes == 1400 && facts->deaths == 2);
	/* A key of another stack's is refused. */
	ck_assert(!sites_birth(row, key + 1, 12, 1, 1));
	ck_assert(facts->births == 3);
}
END_TEST

START_TEST(what_finds_no_room_is_counted_at_its_module)
{
	uint64_t key;
	uint32_t row;
	struct sites_counters counters;

	for (unsigned i = 0; i < SITES_MAX; i++)
		ck_need(find(16 + i, &key) < SITES_MAX);
	row = find(16 + SITES_MAX, &key);
	ck_assert_uint_ge(row, SITES_MAX);
	ck_assert(sites_at(row)->is_overflow);
	ck_assert(sites_birth(row, key, 1, 100, 1));
	/* Its first frame is in this program, and so is that of others. */
	ck_assert_uint_eq(modules_find((uintptr_t)&setup), sites_at(row)->frames[0].module);
	for (unsigned i = 0; i < 10000; i++)
		ck_need(find(100000 + i, &key) == row);
	/* Code of no module has its own. */
	struct stack unknown = {.count = 1, .pcs = {5}};
	ck_assert_uint_eq(sites_find(&unknown, &key), SITES_MAX);
	ck_assert_uint_eq(sites_at(SITES_MAX)->frame_count, 0);
	sites_count(&counters);
	ck_assert_uint_eq(counters.left_out, 10002);
	ck_assert_uint_eq(sites_rows_used(), SITES_MAX);
	/* Those that have a row keep it. */
	ck_assert_uint_lt(find(16, &key), SITES_MAX);
}
END_TEST

START_TEST(rows_without_anything_live_make_room_and_others_stay)
{
	uint64_t key, kept_key;
	uint32_t kept = find(7, &kept_key), row;

	ck_assert(sites_birth(kept, kept_key, 1, 100, 1));
	for (unsigned i = 1; i < SITES_MAX; i++) {
		row = find(16 + i, &key);
		ck_need(sites_birth(row, key, 1, 100, 1));
		sites_death(row, 2, 1, 100, 1);
	}
	/* They are too young to go; then all go, but for the one of which the walk saw nothing and which lives. */
	ck_assert_uint_eq(sites_evict(live_objects, 30, 60), 0);
	ck_assert_uint_eq(sites_evict(live_objects, 100, 60), SITES_MAX - 1);
	ck_assert_uint_eq(sites_rows_used(), 1);
	for (unsigned i = 1; i < SITES_MAX; i++) {
		row = find(50000 + i, &key);
		ck_need(row < SITES_MAX && row != kept && sites_at(row)->facts.births == 0);
	}
}
END_TEST

START_TEST(a_few_rows_are_kept_though_nothing_is_live)
{
	uint64_t key;

	find(1, &key);
	ck_assert_uint_eq(sites_evict(live_objects, 1e6, 60), 0);
	ck_assert_uint_eq(sites_rows_used(), 1);
}
END_TEST

static void *open_plugin(uintptr_t *pc)
{
	void *plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);

	ck_assert_ptr_nonnull(plugin);
	*pc = (uintptr_t)dlsym(plugin, PLUGIN_SYMBOL);
	return plugin;
}

START_TEST(a_plugin_that_comes_again_goes_on_at_the_same_site)
{
	uint32_t first, second;
	uint64_t key, id;
	uintptr_t pc;
	void *plugin = open_plugin(&pc);

	/* Not attributed yet: the loader was not asked since. */
	first = find(pc, &key);
	ck_assert_uint_eq(sites_at(first)->frames[1].module, MODULE_NONE);
	refresh();
	ck_assert_uint_ne(sites_at(first)->frames[1].module, MODULE_NONE);
	id = sites_at(first)->id;
	ck_assert(sites_birth(first, key, 1, 100, 1));
	dlclose(plugin);
	refresh();
	/* What is born at those addresses now is another's. */
	ck_assert(!sites_birth(first, key, 2, 100, 1));

	plugin = open_plugin(&pc);
	second = find(pc, &key);
	ck_assert_uint_ne(second, first);
	ck_assert(sites_birth(second, key, 3, 100, 1));
	refresh();
	ck_assert_uint_eq(sites_at(second)->id, id);
	ck_assert_uint_eq(sites_home(first), second);
	ck_assert(sites_at(second)->facts.births == 2);
	/* A death of what was born before is counted at the same site. */
	sites_death(first, 4, 1, 100, 1);
	ck_assert(sites_at(second)->facts.deaths == 1 && sites_at(second)->facts.live_count == 1);
	/* With its last object the old row goes. */
	ck_assert_uint_eq(sites_evict(live_objects, 5, 60), 1);
	ck_assert_uint_eq(atomic_load(&sites_at(first)->state), SITE_FREE);
	dlclose(plugin);
}
END_TEST

START_TEST(loading_and_unloading_for_long_takes_no_more_rows)
{
	for (unsigned i = 0; i < 1000; i++) {
		uintptr_t pc;
		void *plugin = open_plugin(&pc);
		uint64_t key;
		uint32_t row = find(pc, &key);

		ck_need(sites_birth(row, key, i, 100, 1));
		refresh();
		dlclose(plugin);
		refresh();
		sites_evict(live_objects, i, 60);
	}
	ck_assert_uint_le(sites_bound(), 4);
	ck_assert_uint_le(sites_rows_used(), 2);
}
END_TEST

START_TEST(an_id_is_that_of_modules_and_offsets_alone)
{
	struct stack one = stack_at((uintptr_t)&setup + 8), two = stack_at((uintptr_t)&setup + 16);
	uint64_t key;
	uint32_t a = sites_find(&one, &key), b = sites_find(&two, &key);
	uint64_t expected = 0, text;

	refresh();
	ck_assert_uint_ne(sites_at(a)->id, sites_at(b)->id);
	for (unsigned i = 0; i < 2; i++) {
		const struct module *module = modules_at(modules_find(one.pcs[i]));
		uint64_t identity = modules_hash(0, module->build_id, strlen(module->build_id));

		expected = modules_hash(expected, &identity, sizeof(identity));
		text = one.pcs[i] - module->bias;
		expected = modules_hash(expected, &text, sizeof(text));
	}
	ck_assert_uint_eq(sites_at(a)->id, expected);
}
END_TEST

static void *churn(void *argument)
{
	uintptr_t seed = (uintptr_t)argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t key;
		uint32_t row;

		do
			row = find(16 + (i * 7 + seed) % 5000, &key);
		while (!sites_birth(row, key, 1, 10, 1));
		if (i % 2 == 0)
			sites_death(row, 2, 1, 10, 1);
	}
	return NULL;
}

START_TEST(nothing_is_lost_between_threads)
{
	pthread_t threads[THREADS];
	double births = 0, live = 0;

	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
	/* The index is made anew, modules are looked at, meanwhile. */
	for (unsigned i = 0; i < 50; i++)
		refresh();
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t row = 0; row < SITES_ROWS; row++) {
		births += sites_at(row)->facts.births;
		live += sites_at(row)->facts.live_count;
	}
	ck_assert(births == THREADS * ROUNDS);
	ck_assert(live == THREADS * ROUNDS / 2);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_stack_has_one_row_and_another_stack_another);
	tcase_add_test(tests, frames_are_offsets_in_modules_as_soon_as_they_are_found);
	tcase_add_test(tests, births_and_deaths_are_counted_at_their_row);
	tcase_add_test(tests, what_finds_no_room_is_counted_at_its_module);
	tcase_add_test(tests, rows_without_anything_live_make_room_and_others_stay);
	tcase_add_test(tests, a_few_rows_are_kept_though_nothing_is_live);
	tcase_add_test(tests, a_plugin_that_comes_again_goes_on_at_the_same_site);
	tcase_add_test(tests, loading_and_unloading_for_long_takes_no_more_rows);
	tcase_add_test(tests, an_id_is_that_of_modules_and_offsets_alone);
	tcase_add_test(tests, nothing_is_lost_between_threads);
}

int main(void)
{
	return run_suite("sites", add_tests);
}
