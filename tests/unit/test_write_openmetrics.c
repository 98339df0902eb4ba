/*
 * test_write_openmetrics.c -- metrics in both forms: their grammar, names, labels and values.
 *
 * tests/programs/prometheus.sh has them read by others; here stands what those would not see.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "facts.h"
#include "run_suite.h"

static char text[256 * 1024];

static const char *written(void (*write)(struct out *, const struct snapshot *), size_t buffer)
{
	static char bytes[8192];
	FILE *file = tmpfile();
	struct out out;
	size_t length;

	ck_assert_ptr_nonnull(file);
	out_init(&out, fileno(file), bytes, buffer);
	write(&out, &facts);
	out_flush(&out);
	ck_assert_int_eq(out.error, 0);
	rewind(file);
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	return text;
}

/* Of a line that begins so: the number at its end. */
static double value_of(const char *line)
{
	const char *at = strstr(text, line);

	ck_assert_msg(at != NULL && (at == text || at[-1] == '\n'), "%s is missing", line);
	at = memchr(at, '\n', strlen(at));
	while (at[-1] != ' ')
		at--;
	return strtod(at, NULL);
}

#define LABELS "{program=\"ffmpeg\",pid=\"4711\""

START_TEST(the_figures_are_those_of_the_snapshot)
{
	facts_reset();
	written(write_openmetrics, 8192);
	ck_assert_double_eq(value_of("weir_pool_in_use_bytes" LABELS "}"), 60.0 * MIB);
	ck_assert_double_eq(value_of("weir_pool_held_bytes" LABELS "}"), 100.0 * MIB);
	ck_assert_double_eq(value_of("weir_pool_limit_bytes" LABELS "}"), 8.0 * GIB);
	ck_assert_double_eq(value_of("weir_pool_allocations_total" LABELS "}"), 1000000);
	ck_assert_double_eq(value_of("weir_pool_buffers_created_total" LABELS "}"), 20000);
	ck_assert_double_eq(value_of("weir_pool_reuse_ratio" LABELS "}"), 0.98);
	ck_assert_double_eq(value_of("weir_start_time_seconds" LABELS "}"), 1767225600);
	ck_assert_double_eq(
	    value_of("weir_pool_class_buffers" LABELS ",state=\"idle\",size_bytes=\"1048576\"}"), 12);
	ck_assert_double_eq(value_of("weir_leak_risk_ratio" LABELS "}"), 0.05);
	ck_assert_double_eq(value_of("weir_build_info" LABELS ",version=\"" WEIR_VERSION "\"}"), 1);
	/* A class that was never asked for has no line. */
	ck_assert_ptr_null(strstr(text, "size_bytes=\"65536\""));
}
END_TEST

START_TEST(what_is_not_known_is_left_out)
{
	facts_reset();
	facts.track.is_active = false;
	facts.fallback.is_known = false;
	facts.pressure.source = NULL;
	facts.process.rss_bytes = 0;
	written(write_openmetrics, 8192);
	ck_assert_ptr_null(strstr(text, "leak_risk"));
	ck_assert_ptr_null(strstr(text, "weir_jemalloc"));
	ck_assert_ptr_null(strstr(text, "pressure"));
	ck_assert_ptr_null(strstr(text, "process_resident"));
	facts_reset();
	facts.track.risk.time_to_limit_seconds = -1;
	written(write_openmetrics, 8192);
	ck_assert_ptr_null(strstr(text, "time_to_limit"));
}
END_TEST

START_TEST(a_name_of_any_bytes_stays_within_its_quotes)
{
	facts_reset();
	strcpy(facts.program, "a\"b\\c\nd\xff");
	written(write_openmetrics, 8192);
	ck_assert_ptr_nonnull(strstr(text, "{program=\"a\\\"b\\\\c\\nd?\",pid=\"4711\"}"));
}
END_TEST

/* Every sample comes after the help and type of its family, and no family comes twice. */
static void families_are_whole(bool is_prometheus)
{
	char family[128] = "", *state, *line, seen[16384] = "";
	unsigned samples = 0;

	for (line = strtok_r(text, "\n", &state); line != NULL; line = strtok_r(NULL, "\n", &state)) {
		char name[128], word[64], rest[256];
		size_t length;

		if (strcmp(line, "# EOF") == 0) {
			ck_assert_ptr_null(strtok_r(NULL, "\n", &state));
			break;
		}
		if (sscanf(line, "# %63s %127s %255[^\n]", word, name, rest) == 3) {
			if (strcmp(word, "HELP") == 0) {
				char key[140];

				snprintf(key, sizeof(key), "|%s|", name);
				ck_assert_msg(strstr(seen, key) == NULL, "%s comes twice", name);
				strcat(seen, key);
				strcpy(family, name);
				samples = 0;
			}
			ck_assert_str_eq(name, family);
			ck_assert_uint_eq(samples, 0);
			if (strcmp(word, "TYPE") == 0 && strcmp(rest, "counter") == 0)
				ck_assert_int_eq(
				    strcmp(name + strlen(name) - 6, "_total") == 0, is_prometheus);
			continue;
		}
		length = strcspn(line, "{");
		ck_assert_uint_ge(length, strlen(family));
		ck_assert_int_eq(strncmp(line, family, strlen(family)), 0);
		ck_assert(length == strlen(family) || strncmp(line + strlen(family), "_total", 6) == 0);
		samples++;
	}
	ck_assert_uint_gt(strlen(seen), 500);
}

START_TEST(every_sample_follows_its_family_in_both_forms)
{
	facts_reset();
	written(write_openmetrics, 8192);
	ck_assert_ptr_nonnull(strstr(text, "\n# UNIT weir_pool_in_use_bytes bytes\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n# TYPE weir_pool_allocations counter\n"));
	families_are_whole(false);
	written(write_prometheus, 8192);
	ck_assert_ptr_null(strstr(text, "# UNIT"));
	ck_assert_ptr_nonnull(strstr(text, "\n# TYPE weir_pool_allocations_total counter\n"));
	families_are_whole(true);
}
END_TEST

START_TEST(a_small_buffer_writes_the_same)
{
	char *whole;

	facts_reset();
	whole = strdup(written(write_openmetrics, 8192));
	ck_assert_str_eq(written(write_openmetrics, 64), whole);
	free(whole);
}
END_TEST

START_TEST(impossible_figures_stay_numbers)
{
	facts_reset();
	facts.pressure.value = NAN;
	facts.track.risk.score = -INFINITY;
	facts.track.risk.growth_bytes_per_hour = -7200;
	written(write_openmetrics, 8192);
	ck_assert_ptr_null(strstr(text, " nan"));
	ck_assert_ptr_null(strstr(text, " inf"));
	ck_assert_double_eq(value_of("weir_live_growth_bytes_per_second" LABELS "}"), -2);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, the_figures_are_those_of_the_snapshot);
	tcase_add_test(tcase, what_is_not_known_is_left_out);
	tcase_add_test(tcase, a_name_of_any_bytes_stays_within_its_quotes);
	tcase_add_test(tcase, every_sample_follows_its_family_in_both_forms);
	tcase_add_test(tcase, a_small_buffer_writes_the_same);
	tcase_add_test(tcase, impossible_figures_stay_numbers);
}

int main(void)
{
	return run_suite("write_openmetrics", add_tests);
}
