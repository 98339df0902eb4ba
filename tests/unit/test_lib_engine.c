/*
 * test_lib_engine.c -- which engine the library works on where the process has one already: this
 * program stands for the interposer and exports weir_engine.
 */
#include "lib/engine.h"
#include "lib_pool.h"
#include "track/risk.h"

extern struct engine weir_engine;

static unsigned takes, gives;
static char memory[16][8192] __attribute__((aligned(4096)));
static bool is_taken[16];

static void *take(size_t size)
{
	for (unsigned i = 0; size <= 8192 && i < 16; i++) {
		if (is_taken[i])
			continue;
		is_taken[i] = true;
		takes++;
		return memory[i];
	}
	return NULL;
}

static bool give(void *p)
{
	unsigned i = (unsigned)((char(*)[8192])p - memory);

	ck_need(i < 16 && is_taken[i]);
	is_taken[i] = false;
	gives++;
	return true;
}

static size_t usable(const void *p UNUSED)
{
	return 8192;
}

static bool no_grow(void *p UNUSED, size_t size UNUSED, size_t wanted UNUSED)
{
	return false;
}

static bool no_shrink(void *p UNUSED, size_t size UNUSED)
{
	return false;
}

static bool clean(void)
{
	return false;
}

static unsigned collect(struct pool_stats *stats, struct pool_buffer_info *oldest UNUSED, unsigned max UNUSED)
{
	memset(stats, 0, sizeof(*stats));
	stats->buffers_in_use = takes - gives;
	return 0;
}

static struct settings settings;

static void track(struct track_snapshot *snapshot)
{
	snapshot->is_active = true;
	snapshot->risk = (struct track_risk){
	    .is_known = true,
	    .score = 0.81,
	    .confidence = 0.7,
	    .level = RISK_HIGH,
	    .level_name = "HIGH",
	    .reason = "MIXTURE_LEAK",
	    .time_to_limit_seconds = 7200,
	};
}

EXPORT struct engine weir_engine = {
    ENGINE_OF_THIS_BUILD,
    .take = take,
    .give = give,
    .usable_bytes = usable,
    .grow = no_grow,
    .shrink = no_shrink,
    .clean_up = clean,
    .collect = collect,
    .track = track,
    .settings = &settings,
};

static char said[512];

static void listen(void *context UNUSED, int level UNUSED, const char *text)
{
	strncat(said, text, sizeof(said) - strlen(said) - 1);
}

static void start(void)
{
	settings_default(&settings);
	settings.time_scale = 1;
}

START_TEST(the_engine_of_the_process_serves_the_pools)
{
	struct weir_pool *pool;
	struct weir_buffer buffer;

	start();
	pool = lib_pool(NULL);
	ck_assert(engine_is_shared());
	buffer = lib_take(pool, 5000);
	ck_assert_ptr_eq(buffer.data, memory[0]);
	ck_assert_uint_eq(takes, 1);
	ck_assert_uint_eq(lib_metrics(NULL).buffers_in_use, 1);
	ck_assert_int_eq(weir_pool_release(pool, buffer.id), WEIR_OK);
	weir_pool_clean_up(pool);
	ck_assert_uint_eq(gives, 1);
	ck_assert_int_eq((int)weir_pool_destroy(pool), 0);
}
END_TEST

START_TEST(where_it_has_no_more_malloc_serves_and_nothing_is_lost)
{
	struct weir_buffer buffers[20];
	struct weir_pool_errors errors;
	struct weir_pool *pool;

	start();
	pool = lib_pool(NULL);
	for (unsigned i = 0; i < 20; i++) {
		buffers[i] = lib_take(pool, 5000);
		memset(buffers[i].data, (int)i, 5000);
	}
	weir_pool_errors(pool, &errors);
	ck_assert_uint_eq(errors.engine_exhausted, 4);
	ck_assert_uint_eq(lib_metrics(pool).temporary_in_use, 4);
	ck_assert_uint_eq(lib_metrics(pool).buffer_count, 16);
	for (unsigned i = 0; i < 20; i++) {
		for (unsigned j = 0; j < 5000; j++)
			ck_need(((unsigned char *)buffers[i].data)[j] == i);
		ck_assert_int_eq(weir_pool_release(pool, buffers[i].id), WEIR_OK);
	}
	ck_assert_int_eq((int)weir_pool_destroy(pool), 0);
	ck_assert_uint_eq(gives, takes);
}
END_TEST

START_TEST(the_leak_risk_of_the_process_is_what_the_interposer_says)
{
	struct weir_pool_metrics metrics;
	struct weir_health health;

	start();
	ck_assert_int_eq(weir_pool_metrics(NULL, &metrics), WEIR_OK);
	ck_assert_double_eq(metrics.memory_leak_risk, 0.81);
	ck_assert_int_eq(metrics.leak_risk_level, WEIR_RISK_HIGH);
	ck_assert_str_eq(metrics.leak_risk_reason, "MIXTURE_LEAK");
	ck_assert_double_eq(metrics.time_to_limit_seconds, 7200);
	ck_assert_int_eq(weir_health(NULL, &health), WEIR_OK);
	ck_assert_str_eq(health.memory_leak_risk, "HIGH");
}
END_TEST

static const char *const differences[] = {
    "version", "release", "struct_bytes", "settings_bytes", "stats_bytes", "track_bytes"};

START_TEST(an_engine_of_another_build_is_left_alone_and_that_is_said)
{
	struct weir_pool *pool;

	start();
	switch (_i) {
	case 0:
		weir_engine.version++;
		break;
	case 1:
		weir_engine.release = "0.0.9";
		break;
	case 2:
		weir_engine.struct_bytes += 8;
		break;
	case 3:
		weir_engine.settings_bytes += 8;
		break;
	case 4:
		weir_engine.stats_bytes -= 8;
		break;
	default:
		weir_engine.track_bytes += 8;
	}
	weir_set_log(listen, NULL, WEIR_LOG_WARN);
	pool = lib_pool(NULL);
	ck_assert_msg(!engine_is_shared(), "%s", differences[_i]);
	lib_take(pool, 5000);
	ck_assert_uint_eq(takes, 0);
	ck_assert_uint_eq(lib_metrics(NULL).buffers_in_use, 1);
	ck_assert_ptr_nonnull(strstr(said, "another build"));
	weir_pool_destroy(pool);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, the_engine_of_the_process_serves_the_pools);
	tcase_add_test(tests, where_it_has_no_more_malloc_serves_and_nothing_is_lost);
	tcase_add_test(tests, the_leak_risk_of_the_process_is_what_the_interposer_says);
	tcase_add_loop_test(tests, an_engine_of_another_build_is_left_alone_and_that_is_said, 0,
	    (int)ARRAY_LENGTH(differences));
}

int main(void)
{
	return run_suite("lib_engine", add_tests);
}
