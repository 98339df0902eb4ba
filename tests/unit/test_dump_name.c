/*
 * test_dump_name.c -- from WEIR_DUMP to a path.
 */
#include <string.h>

#include "report/dump_name.h"
#include "run_suite.h"

#define NEW_YEAR_NS (UINT64_C(1798761599) * SECOND) /* 2026-12-31T23:59:59Z */

static const struct {
	const char *pattern, *exe, *ending;
	uint64_t number;
	const char *path;
} cases[] = {
    {"/tmp/weir.%e.%p.%n", "/usr/bin/ffmpeg", ".txt", 1, "/tmp/weir.ffmpeg.77.1.txt"},
    {"%n%n%p", "x", ".json", 12, "121277.json"},
    {"d.%t", "x", ".txt", 0, "d.20261231T235959Z.txt"},
    {"%%n%%", "x", ".txt", 0, "%n%.txt"},
    {"%%n", "x", ".txt", 2, "%n.2.txt"}, /* which is no number */
    {"%x%", "x", ".txt", 0, "%x%.txt"},
    {"plain", "x", ".txt", 0, "plain.txt"},
    {"plain", "x", ".txt", 3, "plain.3.txt"},
    {"plain.txt", "x", ".txt", 3, "plain.3.txt"},
    {"plain.txt", "x", ".json", 3, "plain.3.json"},
    {"plain.json", "x", ".om", 0, "plain.om"},
    {"plain.txt", "x", "", 0, "plain.txt"},
    {"%e", "a.json", ".txt", 0, "a.json.txt"}, /* an ending of the program's own name */
    {"%n.json", "x", ".json", 3, "3.json"},
    {"%e", "a/b\nc\x7f\xc3\xa4", ".txt", 0, "b_c_\xc3\xa4.txt"},
    {"%e", "/ends/in/", ".txt", 0, "unknown.txt"},
    {"%e", "", ".txt", 0, "unknown.txt"},
};

START_TEST(every_pattern_becomes_its_path)
{
	char path[64];
	struct dump_name name = {cases[_i].pattern, cases[_i].exe, 77, NEW_YEAR_NS, cases[_i].ending};
	ck_assert(dump_name_expand(path, sizeof(path), &name, cases[_i].number));
	ck_assert_str_eq(path, cases[_i].path);
}
END_TEST

START_TEST(a_path_fits_exactly_or_is_refused)
{
	char path[16];
	struct dump_name name = {"%p/%e", "abc", 77, 0, ".txt"}; /* 77/abc.txt: 10 bytes and a zero */
	memset(path, '#', sizeof(path));
	for (size_t size = 0; size <= 10; size++)
		ck_assert(!dump_name_expand(path, size, &name, 0));
	ck_assert(dump_name_expand(path, 11, &name, 0));
	ck_assert_str_eq(path, "77/abc.txt");
	ck_assert_int_eq(path[11], '#');
}
END_TEST

static const struct {
	const char *pattern, *name;
	bool is_match;
} matches[] = {
    {"%e.%p.prom", "relay.77.prom", true},
    {"%e.%p.prom", "a.b.1.2.prom", true},
    {"%e.%p.prom", "relay.77.prom.new.77", false},
    {"%e.%p.prom", "relay.prom", false},
    {"%e.%p.prom", "relay..prom", false},
    {"%e.%p.prom", ".77.prom", false},
    {"%e.%p.prom", "relay.7x.prom", false},
    {"%p", "77", true},
    {"%p", "", false},
    {"%p%p", "77", true},
    {"%p%p", "7", false},
    {"%%%p%", "%7%", true},
    {"%%%p%", "7%", false},
    {"m-%t-%p", "m-20261231T235959Z-7", true},
    {"%e%e%e%e%e%e%e%e%p.", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1", false},
    {"%x", "%x", true},
    {"", "", true},
    {"", "a", false},
};

START_TEST(a_name_matches_the_patterns_that_can_become_it)
{
	ck_assert_int_eq(dump_name_matches(matches[_i].pattern, matches[_i].name), matches[_i].is_match);
}
END_TEST

START_TEST(only_n_tells_dumps_apart)
{
	ck_assert(dump_name_is_numbered("a%n"));
	ck_assert(dump_name_is_numbered("%%%n"));
	ck_assert(!dump_name_is_numbered("a%%n"));
	ck_assert(!dump_name_is_numbered("%p%t%e%"));
	ck_assert(!dump_name_is_numbered(""));
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, every_pattern_becomes_its_path, 0, ARRAY_LENGTH(cases));
	tcase_add_loop_test(tests, a_name_matches_the_patterns_that_can_become_it, 0, ARRAY_LENGTH(matches));
	tcase_add_test(tests, a_path_fits_exactly_or_is_refused);
	tcase_add_test(tests, only_n_tells_dumps_apart);
}

int main(void)
{
	return run_suite("dump_name", add_tests);
}
