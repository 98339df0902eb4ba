/*
 * test_write_text.c -- the text dump: the headline first, columns that line up, and
 * nothing in it that speaks to a terminal.
 */

#include <errno.h>
#include <math.h>

#include "facts.h"
#include "run_suite.h"

static char text[256 * 1024];

static const char *written(void)
{
	struct out out;
	out_init(&out, -1, text, sizeof(text) - 1);
	write_text(&out, &facts);
	ck_assert_int_eq(out.error, 0);
	text[out.used] = '\0';
	return text;
}

START_TEST(the_headline_says_how_it_stands)
{
	static const char headline[] =
	    "Weir " WEIR_VERSION ": ffmpeg, pid 4711, dump 3 by signal\n"
	    "  taken       2026-01-01T01:02:05.125Z, up 1 h 2 m\n"
	    "  leak risk   LOW (0.05): NONE; confidence 50.0%\n"
	    "  pool        60.0 MiB in use in 100 buffers, 40.0 MiB idle; 60.0% of what is held is in use\n"
	    "  limit       100.0 MiB held of 8.0 GiB allowed (1.2%)\n"
	    "  requests    1,000,000 served, 98.0% from magazines; 0 temporary buffers past a limit\n"
	    "  pressure    none (0.31 by available: 6.0 GiB in use of 24.0 GiB); stalled 0.1% some, 0.0% full\n"
	    "  process     150.0 MiB resident, 9 threads; page faults 50,123 minor, 2 major\n"
	    "  jemalloc    40.0 MiB allocated, 50.0 MiB resident, 8.0 MiB retained\n"
	    "  upkeep      42 collections, 300.0 MiB given back; maintenance: thread\n"
	    "\n"
	    "What to do\n"
	    "  Nothing: no fact in this dump asks for it.\n";
	facts_reset();
	written();
	text[sizeof(headline) - 1] = '\0';
	ck_assert_str_eq(text, headline);
}
END_TEST

START_TEST(a_program_that_is_a_link_has_the_name_it_was_started_by)
{
	facts_reset();
	strcpy(facts.program, "redis-server");
	strcpy(facts.exe, "/usr/bin/redis-check-rdb");
	ck_assert_ptr_nonnull(strstr(written(), ": redis-server, pid 4711"));
	ck_assert_ptr_nonnull(strstr(text, "  program     /usr/bin/redis-check-rdb\n"));
}
END_TEST

START_TEST(tables_line_up)
{
	facts_reset();
	ck_assert_ptr_nonnull(strstr(written(), "Size classes (buffers)\n"
						"        size      in use        idle        requests\n"
						"     4.0 KiB          40           8         600,000\n"
						"     1.0 MiB          60          12         400,000\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "Longest in use\n"
			 "         for         bytes    capacity  used times        id             address\n"
			 "     1 h 2 m     1,000,000     1.0 MiB           3        17      0x7f0000001000\n"
			 "      500 ms         4,097     8.0 KiB           1        99      0x7f0000200000\n"
			 "  and 98 more\n"));
}
END_TEST

static const struct {
	double seconds;
	const char *expected;
} durations[] = {
    {0, "0 s"},
    {0.0156, "15.6 ms"},
    {0.02, "20 ms"},
    {0.5, "500 ms"},
    {9.94, "9.9 s"},
    {59.4, "59 s"},
    {60, "1 m"},
    {725, "12 m 5 s"},
    {3600, "1 h"},
    {11040, "3 h 4 m"},
    {86399, "1 d"},
    {86400, "1 d"},
    {183600, "2 d 3 h"},
    {86400.0 * 99.25, "99 d 6 h"},
    {86400.0 * 100.25, "100 d"},
    {86400.0 * 2506, "6.9 y"},
};

START_TEST(durations_have_two_units)
{
	char expected[64] = ", up ";
	facts_reset();
	facts.uptime_ns = (uint64_t)(durations[_i].seconds * 1e9 + 0.5);
	strcat(expected, durations[_i].expected);
	strcat(expected, "\n");
	ck_assert_msg(strstr(written(), expected) != NULL, "%s", text);
}
END_TEST

START_TEST(sections_come_in_the_order_of_their_use)
{
	static const char *const sections[] = {"\nWhat to do\n",
	    "\nCall sites, most at risk first; bytes and objects are estimates\n",
	    "\nSize classes (buffers)\n", "\nLongest in use\n", "\nHeap\n",
	    "\nLifetimes, to a factor of two\n", "\nTracking\n", "\nSettings\n", "\n  program "};
	facts_reset();
	const char *from = written();
	for (unsigned i = 0; i < ARRAY_LENGTH(sections); i++) {
		from = strstr(from, sections[i]);
		ck_assert_msg(from != NULL, "%s is missing or too early", sections[i]);
	}
}
END_TEST

START_TEST(advice_is_whole_and_broken_into_lines)
{
	facts_reset();
	facts.pool.purges_refused = 2;
	facts.pool.temporary_buffers = 3;
	advice_derive(&facts);
	ck_assert_uint_eq(facts.advice_count, 2);
	written();
	ck_assert_ptr_null(strstr(text, "Nothing"));
	const char *section = strstr(text, "\nWhat to do\n"), *end = strstr(section, "\nCall sites");
	ck_assert_ptr_nonnull(strstr(section, "\n  warning     TEMPORARY_BUFFERS\n              3 requests"));
	/* Words in their order, lines of at most 100 columns. */
	for (unsigned i = 0; i < facts.advice_count; i++) {
		const char *at = strstr(section, facts.advice[i].code) + strlen(facts.advice[i].code);
		for (const char *p = facts.advice[i].text; *p != '\0'; p++) {
			if (*p == ' ')
				continue;
			while (*at == ' ' || *at == '\n')
				at++;
			ck_assert_int_eq(*at++, *p);
		}
	}
	for (const char *line = section + 1; line < end;) {
		const char *newline = strchr(line, '\n');
		ck_assert_int_le(newline - line, 100);
		ck_assert(newline == line || newline[-1] != ' ');
		line = newline + 1;
	}
}
END_TEST

START_TEST(a_setting_that_was_changed_shows_its_default)
{
	facts_reset();
	ck_assert(settings_set(&facts_settings, "WEIR_GC_INTERVAL", "7s", NULL));
	written();
	for (unsigned i = 0; i < option_count(); i++)
		ck_assert_ptr_nonnull(strstr(text, option_at(i)->variable));
	ck_assert_ptr_nonnull(strstr(text, "  WEIR_GC_INTERVAL        7s  (default 30s)\n"));
	ck_assert_ptr_nonnull(strstr(text, "  WEIR_MAX_IDLE           5m\n"));
}
END_TEST

START_TEST(nothing_speaks_to_the_terminal)
{
	facts_reset();
	strcpy(facts.exe, "/tmp/\x1b[2J\nevil\x7f");
	strcpy(facts.boot_id, "\x1b]0;x\x07");
	for (const char *p = written(); *p != '\0'; p++)
		ck_assert(*p == '\n' || ((unsigned char)*p >= 0x20 && *p != 0x7F));
	ck_assert_ptr_nonnull(strstr(text, ": ?[2J?evil?, pid"));
}
END_TEST

START_TEST(a_pool_that_is_not_there_is_said_and_has_no_tables)
{
	facts_reset();
	facts.pool.is_active = false;
	ck_assert_ptr_nonnull(strstr(written(), "has no address range"));
	ck_assert_ptr_null(strstr(text, "\nSize classes"));
	facts_settings.enable = false;
	facts.fallback.is_known = false;
	ck_assert_ptr_nonnull(strstr(written(), "switched off by WEIR_ENABLE"));
	ck_assert_ptr_nonnull(strstr(text, "jemalloc    not known; without a pool"));
}
END_TEST

START_TEST(what_is_not_known_is_not_made_up)
{
	facts_reset();
	facts.fallback.is_known = false;
	facts.background = NULL;
	facts.pool.limit_bytes = 0;
	facts.pressure = (struct pressure){.source = NULL};
	ck_assert_ptr_nonnull(
	    strstr(written(), "jemalloc    not known yet; the next monitor tick reads it\n"));
	ck_assert_ptr_nonnull(strstr(text, "held, no limit on bytes\n"));
	ck_assert_ptr_nonnull(strstr(text, "pressure    not known yet; the next monitor tick reads it\n"));
	ck_assert_ptr_null(strstr(text, "maintenance"));
	facts.process = (struct process_info){0};
	ck_assert_ptr_nonnull(strstr(written(), "process     not known; /proc cannot be read\n"));
	facts.pressure.source = "none";
	ck_assert_ptr_nonnull(strstr(written(), "pressure    none (0.00)\n"));
}
END_TEST

START_TEST(leak_risk_is_one_sentence_at_the_top)
{
	facts_reset();
	ck_assert_ptr_nonnull(strstr(written(), "\n  leak risk   LOW (0.05): NONE; confidence 50.0%\n"));
	struct track_risk *risk = &facts.track.risk;
	risk->level = 2;
	risk->level_name = "HIGH";
	risk->score = 0.91;
	risk->reason = "MIXTURE_LEAK";
	risk->time_to_limit_seconds = 11040;
	const char *line =
	    strstr(written(), "\n  leak risk   HIGH (0.91): MIXTURE_LEAK at libavutil.so.57+0x1233; the "
			      "memory limit is reached in 3 h 4 m at this rate; confidence 50.0%\n");
	ck_assert_ptr_nonnull(line);
	/* The third line. */
	ck_assert_ptr_eq(line, strchr(strchr(text, '\n') + 1, '\n'));
	/* What libc does with a request is nobody's leak. */
	struct track_site *site = &facts.track.sites[0];
	site->frames[1] = site->frames[0];
	site->frames[0] = (struct track_frame){0x7f3000000999, 0x999, "/lib/libc.so.6", "00fe"};
	ck_assert_ptr_nonnull(strstr(written(), "MIXTURE_LEAK at libavutil.so.57+0x1233; "));
	site->frame_count = 1;
	ck_assert_ptr_nonnull(strstr(written(), "MIXTURE_LEAK at libc.so.6+0x999; "));
	risk->is_known = false;
	ck_assert_ptr_nonnull(strstr(written(), "leak risk   not known yet"));
	facts_settings.track = false;
	facts.track.is_active = false;
	ck_assert_ptr_nonnull(strstr(written(), "leak risk   not known; tracking is off"));
	ck_assert_ptr_null(strstr(text, "\nCall sites"));
}
END_TEST

START_TEST(sites_stand_with_their_frames)
{
	facts_reset();
	facts.track.sites[1].is_overflow = true;
	facts.track.sites_not_listed = 7;
	facts.track.not_listed.live_bytes = 3 << 20;
	ck_assert_ptr_nonnull(
	    strstr(written(), "\nCall sites, most at risk first; bytes and objects are estimates\n"
			      "  LOW         0.05 NONE: 60.0 MiB live in 100 objects\n"
			      "              site 0xf229a5bc9398fa1b, freed after 50 ms (99%: 2.5 s), "
			      "the live are 1 m old\n"
			      "              99% of the freed lived for less than 2.5 s\n"
			      "              libavutil.so.57+0x1233\n"
			      "              0x7f2000000000 in generated or unknown code\n"
			      "  LOW         0.00 INSUFFICIENT_DATA: 4.9 KiB live in 1 object\n"
			      "              site 0x2, the live are 1 h old\n"
			      "              all sites of this module that found no room:\n"
			      "  and 7 more, in which live 3.0 MiB\n"));
}
END_TEST

START_TEST(a_scaled_clock_is_said)
{
	facts_reset();
	ck_assert_ptr_null(strstr(written(), "times as fast"));
	facts_settings.time_scale = 100;
	ck_assert_ptr_nonnull(strstr(written(), "(time runs 100 times as fast)"));
}
END_TEST

START_TEST(extreme_facts_come_out_whole)
{
	facts_reset();
	memset(&facts.pool, 0xFF, sizeof(facts.pool));
	facts.pool.is_active = facts.pool.is_rseq = true;
	facts.pool.class_count = POOL_CLASSES_MAX;
	facts.buffer_count = SNAPSHOT_BUFFERS_MAX;
	facts.now_ticks = facts.uptime_ns = facts.taken_at_ns = UINT64_MAX;
	facts.pressure.value = (double)NAN;
	written();
	ck_assert_ptr_nonnull(strstr(text, "  pressure    none (0.00 by available: "));
	ck_assert_ptr_nonnull(strstr(text, "\n  started"));
	const struct settings *settings = facts.settings;
	memset(&facts, 0, sizeof(facts));
	facts.settings = settings;
	ck_assert_ptr_nonnull(strstr(written(), "\n  started"));
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, the_headline_says_how_it_stands);
	tcase_add_test(tests, a_program_that_is_a_link_has_the_name_it_was_started_by);
	tcase_add_test(tests, tables_line_up);
	tcase_add_loop_test(tests, durations_have_two_units, 0, ARRAY_LENGTH(durations));
	tcase_add_test(tests, sections_come_in_the_order_of_their_use);
	tcase_add_test(tests, advice_is_whole_and_broken_into_lines);
	tcase_add_test(tests, a_setting_that_was_changed_shows_its_default);
	tcase_add_test(tests, nothing_speaks_to_the_terminal);
	tcase_add_test(tests, a_pool_that_is_not_there_is_said_and_has_no_tables);
	tcase_add_test(tests, what_is_not_known_is_not_made_up);
	tcase_add_test(tests, leak_risk_is_one_sentence_at_the_top);
	tcase_add_test(tests, sites_stand_with_their_frames);
	tcase_add_test(tests, a_scaled_clock_is_said);
	tcase_add_test(tests, extreme_facts_come_out_whole);
}

int main(void)
{
	return run_suite("write_text", add_tests);
}
