/*
 * test_lib_figures.c -- metrics, recommendations, leak risk, health and events of the library.
 */
#include <errno.h>
#include <jansson.h>

#include "lib_pool.h"

static void hold(struct weir_pool *pool, unsigned count, size_t size)
{
	for (unsigned i = 0; i < count; i++)
		lib_take(pool, size);
}

static const struct weir_recommendation *find_code(
    const struct weir_recommendation *list, size_t count, const char *code)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].code, code) == 0)
			return &list[i];
	return NULL;
}

/* --- metrics ---------------------------------------------------------------------------------- */

START_TEST(an_empty_pool_has_figures_without_a_division_by_nothing)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_pool_metrics m = lib_metrics(pool);

	ck_assert_uint_eq(m.buffer_count + m.buffers_in_use + m.allocations + m.errors, 0);
	ck_assert_uint_eq(m.total_allocated_bytes + m.total_used_bytes + m.average_buffer_size_bytes, 0);
	ck_assert_double_eq(m.pool_utilization, 0);
	ck_assert_double_eq(m.reuse_rate, 0);
	ck_assert_double_eq(m.memory_leak_risk, 0);
	ck_assert_int_eq(m.leak_risk_level, WEIR_RISK_LOW);
	ck_assert_double_lt(m.time_to_limit_seconds, 0);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(every_figure_follows_what_the_pool_did)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_buffer a = lib_take(pool, 64 * KIB), b = lib_take(pool, 16 * KIB);
	struct weir_pool_metrics m;

	weir_pool_release(pool, a.id);
	m = lib_metrics(pool);
	ck_assert_uint_eq(m.total_allocated_bytes, 80 * KIB);
	ck_assert_uint_eq(m.total_used_bytes, 16 * KIB);
	ck_assert_uint_eq(m.buffer_count, 2);
	ck_assert_uint_eq(m.buffers_in_use, 1);
	ck_assert_double_eq_tol(m.pool_utilization, 0.2, 1e-9);
	ck_assert_double_eq_tol(m.limit_utilization, 0.04, 1e-9);
	ck_assert_uint_eq(m.average_buffer_size_bytes, 40 * KIB);
	ck_assert_uint_eq(m.allocations, 2);
	ck_assert_uint_ge(m.resident_bytes, 80 * KIB);
	for (unsigned i = 0; i < 18; i++)
		weir_pool_release(pool, lib_take(pool, 60 * KIB).id);
	ck_assert_double_eq_tol(lib_metrics(pool).reuse_rate, 0.9, 1e-9);
	weir_pool_release(pool, b.id);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(the_engine_has_the_sum_of_all_pools)
{
	struct weir_pool *one = lib_pool(NULL), *two = lib_pool(NULL);
	struct weir_buffer_info infos[8];
	struct weir_pool_metrics m;

	hold(one, 3, 32 * KIB);
	hold(two, 4, 32 * KIB);
	m = lib_metrics(NULL);
	ck_assert_uint_eq(m.buffers_in_use, 7);
	ck_assert_uint_eq(m.total_used_bytes, 7 * 32 * KIB);
	/* What magazines hold beside them counts, too; the list has those in use. */
	ck_assert_uint_ge(weir_pool_buffers(NULL, infos, 8), 7);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_int_eq(infos[i].is_in_use, 1);
	weir_pool_destroy(one);
	ck_assert_uint_eq(lib_metrics(NULL).buffers_in_use, 4);
	weir_pool_destroy(two);
	ck_assert_int_eq(weir_pool_metrics(NULL, NULL), WEIR_ERROR_INVALID);
}
END_TEST

/* --- recommendations -------------------------------------------------------------------------- */

START_TEST(a_healthy_pool_is_told_nothing)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_recommendation list[WEIR_RECOMMENDATIONS_MAX];

	for (unsigned i = 0; i < 20000; i++)
		ck_need(weir_pool_release(pool, lib_take(pool, 4096).id) == WEIR_OK);
	ck_assert_uint_eq(weir_pool_recommendations(pool, list, WEIR_RECOMMENDATIONS_MAX), 0);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(an_exhausted_pool_is_told_to_raise_its_own_setting)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_recommendation list[WEIR_RECOMMENDATIONS_MAX];
	const struct weir_recommendation *found;
	size_t count;

	hold(pool, 53, 4096);
	count = weir_pool_recommendations(pool, list, WEIR_RECOMMENDATIONS_MAX);
	found = find_code(list, count, "TEMPORARY_BUFFERS");
	ck_assert_ptr_nonnull(found);
	ck_assert_int_eq(found->severity, WEIR_SEVERITY_WARNING);
	ck_assert_str_eq(found->text,
	    "3 requests found the pool full and got a temporary buffer. The pool has 50 "
	    "buffers: raise max_buffers (50).");
	ck_assert_ptr_nonnull(find_code(list, count, "BUFFER_LIMIT_NEAR"));
	/* No word of what a program of the library does not have. */
	for (size_t i = 0; i < count; i++) {
		ck_assert_ptr_null(strstr(list[i].text, "jemalloc"));
		ck_assert_ptr_null(strstr(list[i].text, "WEIR_"));
	}
	ck_assert_uint_eq(weir_pool_recommendations(pool, list, 1), 1);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(who_releases_twice_is_told_to_correct_it)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_recommendation list[WEIR_RECOMMENDATIONS_MAX];
	struct weir_buffer buffer = lib_take(pool, 4096);

	weir_pool_release(pool, buffer.id);
	weir_pool_release(pool, buffer.id);
	ck_assert_uint_eq(weir_pool_recommendations(pool, list, WEIR_RECOMMENDATIONS_MAX), 1);
	ck_assert_str_eq(list[0].code, "UNKNOWN_IDS");
	ck_assert_int_eq(list[0].severity, WEIR_SEVERITY_CRITICAL);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(scarce_memory_is_the_first_thing_said)
{
	struct weir_pool *pool = lib_pool(NULL);
	struct weir_recommendation list[WEIR_RECOMMENDATIONS_MAX];

	lib_machine(98);
	hold(pool, 53, 4096);
	weir_pool_maintain(pool, lib_time += 10 * SECOND);
	ck_assert_uint_ge(weir_pool_recommendations(pool, list, WEIR_RECOMMENDATIONS_MAX), 2);
	ck_assert_str_eq(list[0].code, "PRESSURE_CRITICAL");
	ck_assert_int_eq(list[0].severity, WEIR_SEVERITY_CRITICAL);
	ck_assert_ptr_nonnull(strstr(list[0].text, "max_bytes"));
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

/* --- leak risk -------------------------------------------------------------------------------- */

/* Hours of a service of 20 requests a second whose buffers live two seconds; one of leak_every stays. */
static void serve(struct weir_pool *pool, unsigned hours, unsigned leak_every)
{
	static weir_id out[40];
	unsigned number = 0;

	for (unsigned step = 0; step < hours * 3600 * 20; step++) {
		weir_id *place = &out[step % 40];
		struct weir_buffer buffer;

		if (*place != 0)
			ck_need(weir_pool_release(pool, *place) == WEIR_OK);
		ck_need(weir_pool_allocate(pool, 4096, &buffer) == WEIR_OK);
		number++;
		*place = leak_every != 0 && number % leak_every == 0 ? 0 : buffer.id;
		lib_time += SECOND / 20;
		if (step % 200 == 0)
			weir_pool_maintain(pool, 0);
	}
	for (unsigned i = 0; i < 40; i++) {
		if (out[i] != 0)
			ck_need(weir_pool_release(pool, out[i]) == WEIR_OK);
		out[i] = 0;
	}
}

static struct weir_pool *large_pool(void)
{
	struct weir_pool_config config = lib_config();

	config.max_buffers = 100000;
	lib_machine(50);
	return lib_pool(&config);
}

START_TEST(a_pool_whose_buffers_come_back_has_a_low_risk)
{
	struct weir_pool *pool = large_pool();

	serve(pool, 6, 0);
	ck_assert_double_lt(lib_metrics(pool).memory_leak_risk, 0.1);
	ck_assert_int_eq(lib_metrics(pool).leak_risk_level, WEIR_RISK_LOW);
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

START_TEST(a_pool_of_which_one_buffer_in_a_hundred_stays_has_a_high_risk)
{
	struct weir_recommendation list[WEIR_RECOMMENDATIONS_MAX];
	struct weir_pool *pool = large_pool();
	struct weir_pool_metrics m;
	struct weir_health health;

	serve(pool, 6, 100);
	m = lib_metrics(pool);
	ck_assert_double_ge(m.memory_leak_risk, 0.65);
	ck_assert_int_eq(m.leak_risk_level, WEIR_RISK_HIGH);
	ck_assert_str_eq(m.leak_risk_reason, "MIXTURE_LEAK");
	ck_assert_double_gt(m.leak_risk_confidence, 0.5);
	/* 12 a minute of 4 KiB: 512 MiB last for 182 hours. */
	ck_assert_double_gt(m.time_to_limit_seconds, 150 * 3600.0);
	ck_assert_double_lt(m.time_to_limit_seconds, 220 * 3600.0);
	ck_assert_uint_ge(weir_pool_recommendations(pool, list, WEIR_RECOMMENDATIONS_MAX), 1);
	ck_assert_str_eq(list[0].code, "LEAK_RISK");
	ck_assert_int_eq(weir_health(pool, &health), WEIR_OK);
	ck_assert_str_eq(health.memory_leak_risk, "HIGH");
	weir_pool_destroy(pool);
	lib_machine_gone();
}
END_TEST

/* --- health ----------------------------------------------------------------------------------- */

START_TEST(health_is_told_in_words_for_people)
{
	struct weir_pool_config config = lib_config();
	struct weir_buffer buffers[20];
	struct weir_health health;
	struct weir_pool *pool;

	config.max_buffers = 100;
	pool = lib_pool(&config);
	for (unsigned i = 0; i < 20; i++)
		buffers[i] = lib_take(pool, 640 * KIB);
	for (unsigned i = 0; i < 8; i++)
		weir_pool_release(pool, buffers[i].id);
	ck_assert_int_eq(weir_health(pool, &health), WEIR_OK);
	ck_assert_uint_eq(health.buffer_count, 20);
	ck_assert_str_eq(health.total_memory_allocated, "12.5 MiB");
	ck_assert_str_eq(health.pool_utilization, "60.0%");
	ck_assert_str_eq(health.memory_leak_risk, "LOW");
	ck_assert_uint_eq(health.recommendation_count, 0);
	ck_assert_int_eq(weir_health(pool, NULL), WEIR_ERROR_INVALID);
	ck_assert_int_eq(weir_health(NULL, &health), WEIR_OK);
	ck_assert_uint_ge(health.buffer_count, 20);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(health_as_json_is_what_another_parser_reads)
{
	struct weir_pool *pool = lib_pool(NULL);
	static char text[16384];
	json_error_t error;
	json_t *root;
	size_t length;

	hold(pool, 53, 4096);
	length = weir_health_json(pool, text, sizeof(text));
	ck_assert_uint_eq(length, strlen(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(root != NULL, "%s: %s", error.text, text);
	ck_assert_int_eq((int)json_integer_value(json_object_get(root, "buffer_count")), 50);
	ck_assert_str_eq(json_string_value(json_object_get(root, "total_memory_allocated")), "200.0 KiB");
	ck_assert_str_eq(json_string_value(json_object_get(root, "pool_utilization")), "100.0%");
	ck_assert_str_eq(json_string_value(json_object_get(root, "memory_leak_risk")), "LOW");
	ck_assert_uint_eq(json_array_size(json_object_get(root, "recommendations")), 2);
	ck_assert_uint_eq(json_object_size(root), 5);
	json_decref(root);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(health_as_json_fits_any_buffer_as_snprintf_does)
{
	struct weir_pool *pool = lib_pool(NULL);
	char whole[4096], part[4096];
	size_t length = weir_health_json(pool, NULL, 0);

	ck_assert_uint_eq(weir_health_json(pool, whole, sizeof(whole)), length);
	ck_assert_uint_lt(length, sizeof(whole));
	for (size_t size = 1; size <= length + 1; size++) {
		memset(part, 'x', sizeof(part));
		ck_assert_uint_eq(weir_health_json(pool, part, size), length);
		ck_assert_uint_eq(strlen(part), size - 1);
		ck_assert_int_eq(strncmp(part, whole, size - 1), 0);
		ck_assert_int_eq(part[size], 'x');
	}
	weir_pool_destroy(pool);
}
END_TEST

/* --- events ----------------------------------------------------------------------------------- */

static char said[4096];
static int said_level;

static void listen(void *context, int level, const char *text)
{
	ck_assert_ptr_eq(context, said);
	ck_assert_ptr_null(strchr(text, '\n'));
	said_level = level;
	strncat(said, text, sizeof(said) - strlen(said) - 2);
	strcat(said, "\n");
}

START_TEST(what_is_survived_is_said_to_the_callback_ever_less_often)
{
	struct weir_pool_config config = lib_config();
	struct weir_buffer buffer;
	struct weir_pool *pool;

	config.name = "frames";
	pool = lib_pool(&config);
	weir_set_log(listen, said, WEIR_LOG_WARN);
	errno = 4242;
	for (unsigned i = 0; i < 1000; i++)
		weir_pool_allocate(pool, 2 * MIB, &buffer);
	ck_assert_int_eq(errno, 4242);
	ck_assert_int_eq(said_level, WEIR_LOG_WARN);
	ck_assert_int_eq(strncmp(said, "pool frames: refused: more than the largest buffer\n", 51), 0);
	ck_assert_ptr_nonnull(strstr(said, "(512 times)"));
	ck_assert_ptr_null(strstr(said, "(513 times)"));
	said[0] = '\0';
	weir_set_log(listen, said, WEIR_LOG_ERROR);
	weir_pool_release(pool, 77);
	ck_assert_str_eq(said, "");
	weir_set_log(NULL, NULL, 0);
	weir_pool_destroy(pool);
}
END_TEST

START_TEST(the_setting_that_is_out_of_bounds_is_named)
{
	struct weir_pool_config config = lib_config();
	struct weir_pool *pool;

	said[0] = '\0';
	weir_set_log(listen, said, WEIR_LOG_WARN);
	config.name = "frames";
	config.gc_threshold = 80;
	errno = 4242;
	ck_assert_int_eq(weir_pool_create(&pool, &config), WEIR_ERROR_INVALID);
	ck_assert_int_eq(errno, 4242);
	ck_assert_str_eq(said, "pool frames: not made: outside its bounds is gc_threshold\n");
	config = lib_config();
	config.max_buffer_bytes = config.min_buffer_bytes - 1;
	said[0] = '\0';
	ck_assert_int_eq(weir_pool_create(&pool, &config), WEIR_ERROR_INVALID);
	ck_assert_ptr_nonnull(strstr(said, "outside its bounds is max_buffer_bytes\n"));
	weir_set_log(NULL, NULL, 0);
}
END_TEST

START_TEST(every_error_has_words_and_so_has_what_is_none)
{
	for (int error = -20; error <= 20; error++) {
		const char *text = weir_strerror(error);

		ck_assert_ptr_nonnull(text);
		ck_assert_uint_gt(strlen(text), 3);
		ck_assert_ptr_null(strchr(text, '\n'));
		for (int other = WEIR_ERROR_UNAVAILABLE; other < error && error <= 0; other++)
			ck_assert_str_ne(text, weir_strerror(other));
	}
	ck_assert_str_eq(weir_strerror(-8), "unknown error");
	ck_assert_str_eq(weir_strerror(INT32_MIN), "unknown error");
}
END_TEST

START_TEST(the_version_is_that_of_the_header)
{
	char version[32];

	snprintf(
	    version, sizeof(version), "%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR, WEIR_VERSION_PATCH);
	ck_assert_str_eq(weir_version(), version);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, an_empty_pool_has_figures_without_a_division_by_nothing);
	tcase_add_test(tests, every_figure_follows_what_the_pool_did);
	tcase_add_test(tests, the_engine_has_the_sum_of_all_pools);
	tcase_add_test(tests, a_healthy_pool_is_told_nothing);
	tcase_add_test(tests, an_exhausted_pool_is_told_to_raise_its_own_setting);
	tcase_add_test(tests, who_releases_twice_is_told_to_correct_it);
	tcase_add_test(tests, scarce_memory_is_the_first_thing_said);
	tcase_add_test(tests, a_pool_whose_buffers_come_back_has_a_low_risk);
	tcase_add_test(tests, a_pool_of_which_one_buffer_in_a_hundred_stays_has_a_high_risk);
	tcase_add_test(tests, health_is_told_in_words_for_people);
	tcase_add_test(tests, health_as_json_is_what_another_parser_reads);
	tcase_add_test(tests, health_as_json_fits_any_buffer_as_snprintf_does);
	tcase_add_test(tests, what_is_survived_is_said_to_the_callback_ever_less_often);
	tcase_add_test(tests, the_setting_that_is_out_of_bounds_is_named);
	tcase_add_test(tests, every_error_has_words_and_so_has_what_is_none);
	tcase_add_test(tests, the_version_is_that_of_the_header);
}

int main(void)
{
	return run_suite("lib_figures", add_tests);
}
