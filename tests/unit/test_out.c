/*
 * test_out.c -- text without stdio: every form, its limits, and what happens
 * when the reader is slow, full or gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/out.h"
#include "run_suite.h"

static char text[512];
static struct out out;

static void begin(void)
{
	out_init(&out, -1, text, sizeof(text) - 1);
}

static const char *written(void)
{
	text[out.used] = '\0';
	return text;
}

START_TEST(integers_come_out_whole)
{
	begin();
	out_u64(&out, 0);
	out_char(&out, ' ');
	out_u64(&out, UINT64_MAX);
	out_char(&out, ' ');
	out_i64(&out, INT64_MIN);
	out_char(&out, ' ');
	out_i64(&out, INT64_MAX);
	out_char(&out, ' ');
	out_hex(&out, 0);
	out_char(&out, ' ');
	out_hex(&out, UINT64_MAX);
	ck_assert_str_eq(written(),
	    "0 18446744073709551615 -9223372036854775808 9223372036854775807 0x0 0xffffffffffffffff");
}
END_TEST

static const struct {
	uint64_t value;
	const char *expected;
} counts[] = {
    {0, "0"},
    {7, "7"},
    {999, "999"},
    {1000, "1,000"},
    {1000000, "1,000,000"},
    {12345, "12,345"},
    {UINT64_MAX, "18,446,744,073,709,551,615"},
};

START_TEST(counts_have_a_comma_every_three_digits)
{
	begin();
	out_count(&out, counts[_i].value);
	ck_assert_str_eq(written(), counts[_i].expected);
}
END_TEST

static const struct {
	double value;
	unsigned decimals;
	const char *expected;
} decimals[] = {
    {0, 0, "0"},
    {0, 3, "0.000"},
    {0.5, 0, "1"},
    {1.5, 0, "2"},
    {0.25, 1, "0.3"},
    {0.999, 2, "1.00"},
    {9.96, 1, "10.0"},
    {-0.25, 1, "-0.3"},
    {-0.001, 2, "0.00"},
    {-1, 0, "-1"},
    {1234567.125, 2, "1234567.13"},
    {0.000000001, 9, "0.000000001"},
    {0.1, 12, "0.100000000"},
    {1e300, 1, "18446744073709551615.0"},
    {18446744073709549568.0, 1, "18446744073709549568.0"},
    {NAN, 2, "0.00"},
    {INFINITY, 2, "0.00"},
    {-INFINITY, 0, "0"},
    {DBL_MIN, 3, "0.000"},
};

START_TEST(decimals_are_rounded_half_up_and_always_finite)
{
	begin();
	out_decimal(&out, decimals[_i].value, decimals[_i].decimals);
	ck_assert_str_eq(written(), decimals[_i].expected);
}
END_TEST

static const struct {
	uint64_t bytes;
	const char *expected;
} sizes[] = {
    {0, "0 B"},
    {1023, "1023 B"},
    {1024, "1.0 KiB"},
    {1536, "1.5 KiB"},
    {1024 * 1024 - 1, "1.0 MiB"},
    {1048524, "1023.9 KiB"},
    {13107200, "12.5 MiB"},
    {GIB, "1.0 GiB"},
    {1024 * GIB, "1.0 TiB"},
    {UINT64_MAX, "16.0 EiB"},
};

START_TEST(sizes_change_unit_where_rounding_reaches_it)
{
	begin();
	out_size_human(&out, sizes[_i].bytes);
	ck_assert_str_eq(written(), sizes[_i].expected);
}
END_TEST

START_TEST(shares_are_percent_with_one_decimal)
{
	begin();
	out_percent(&out, 0.62);
	out_percent(&out, 0);
	out_percent(&out, 1);
	ck_assert_str_eq(written(), "62.0%0.0%100.0%");
}
END_TEST

START_TEST(dates_agree_with_libc)
{
	/* Leap days of both kinds, year ends, and steps that drift through all months. */
	static const uint64_t days[] = {
	    0, 58, 59, 789, 11015, 11016, 11017, 19782, 47540, 47541, 73048, 106750};
	for (unsigned i = 0; i < ARRAY_LENGTH(days) + 4000; i++) {
		uint64_t day = i < ARRAY_LENGTH(days) ? days[i] : (uint64_t)(i - ARRAY_LENGTH(days)) * 26 + 1;
		uint64_t seconds = day * 86400 + (i * 7919) % 86400;
		time_t t = (time_t)seconds;
		struct tm tm;
		char expected[64];
		gmtime_r(&t, &tm);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.007Z", &tm);
		begin();
		out_time_rfc3339(&out, seconds * SECOND + 7 * MILLISECOND + 999999);
		ck_assert_str_eq(written(), expected);
	}
}
END_TEST

static const struct {
	const char *bytes, *expected;
} strings[] = {
    {"", "\"\""},
    {"a\"b\\c", "\"a\\\"b\\\\c\""},
    {"\n\t\r\x01\x1f\x7f", "\"\\n\\t\\r\\u0001\\u001f\\u007f\""},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {"\xff", "\"\xef\xbf\xbd\""},
    {"\xc3", "\"\xef\xbf\xbd\""},
    {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xe0\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"a\x80z", "\"a\xef\xbf\xbdz\""},
    {"\xf0\x80\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
};

START_TEST(json_strings_are_escaped_and_utf8)
{
	begin();
	out_json_string(&out, strings[_i].bytes);
	ck_assert_str_eq(written(), strings[_i].expected);
}
END_TEST

START_TEST(a_full_buffer_keeps_the_beginning_and_says_so)
{
	char small[8];
	out_init(&out, -1, small, sizeof(small));
	out_str(&out, "abcdef");
	ck_assert_int_eq(out.error, 0);
	out_str(&out, "ghijkl");
	ck_assert_int_eq(out.error, ENOSPC);
	ck_assert_uint_eq(out.used, sizeof(small));
	ck_assert_uint_eq(out.written, sizeof(small));
	out_str(&out, "x");
	ck_assert_int_eq(memcmp(small, "abcdefgh", 8), 0);
}
END_TEST

START_TEST(a_buffer_of_no_size_takes_nothing_and_ends)
{
	out_init(&out, 1, NULL, 0);
	out_str(&out, "x");
	ck_assert_int_eq(out.error, ENOSPC);
}
END_TEST

START_TEST(a_cell_ends_where_it_is_told_also_when_the_buffer_is_nearly_full)
{
	static char buffer[OUT_CELL_BYTES + 40], got[1024];
	struct out table;
	int fds[2];
	ssize_t length;

	ck_assert_int_eq(pipe(fds), 0);
	out_init(&table, fds[1], buffer, sizeof buffer);
	for (int i = 0; i < 8; i++) {
		static const char *const cells[] = {"1", "22,222", "\xc3\xa4\xe4\xb8\xad", "too long for it"};

		for (unsigned k = 0; k < 4; k++) {
			size_t cell = out_cell_begin(&table);

			out_str(&table, cells[k]);
			out_cell_end(&table, cell, 10 * (k + 1));
		}
		out_char(&table, '\n');
	}
	out_flush(&table);
	length = read(fds[0], got, sizeof got - 1);
	ck_assert_int_eq(table.error, 0);
	ck_assert_int_eq(length, (ssize_t)table.written);
	got[length] = '\0';
	for (char *line = got; *line != '\0'; line += strcspn(line, "\n") + 1)
		ck_assert_int_eq(
		    strncmp(line, "         1    22,222        \xc3\xa4\xe4\xb8\xad too long for it\n", 50),
		    0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(padding_counts_characters_from_the_last_newline)
{
	begin();
	out_str(&out, "first line\n\xc3\xa9");
	out_pad(&out, 4);
	out_str(&out, "|");
	out_pad(&out, 2);
	out_str(&out, "|");
	ck_assert_str_eq(written(), "first line\n\xc3\xa9   | |");
	ck_assert_uint_eq(out.column, 7);
}
END_TEST

START_TEST(what_is_longer_than_the_buffer_reaches_the_descriptor_whole)
{
	int ends[2];
	char small[7], got[256] = {0};
	ck_assert_int_eq(pipe(ends), 0);
	out_init(&out, ends[1], small, sizeof(small));
	for (unsigned i = 0; i < 20; i++)
		out_str(&out, "0123456789");
	out_flush(&out);
	ck_assert_int_eq(out.error, 0);
	ck_assert_uint_eq(out.written, 200);
	ck_assert_int_eq(read(ends[0], got, sizeof(got)), 200);
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_eq(got[i], '0' + (char)(i % 10));
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(a_reader_that_is_gone_is_an_error_and_no_signal)
{
	int ends[2];
	char small[16];
	sigset_t pending;
	ck_assert_ptr_ne(signal(SIGPIPE, SIG_DFL), SIG_ERR);
	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	errno = EDOM;
	out_init(&out, ends[1], small, sizeof(small));
	out_str(&out, "nobody reads this, and nobody dies of it");
	out_flush(&out);
	ck_assert_int_eq(errno, EDOM);
	ck_assert_int_eq(out.error, EPIPE);
	sigpending(&pending);
	ck_assert_int_eq(sigismember(&pending, SIGPIPE), 0);
	sigset_t now;
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	ck_assert_int_eq(sigismember(&now, SIGPIPE), 0);
	close(ends[1]);
}
END_TEST

START_TEST(a_sigpipe_that_the_program_holds_back_stays_pending)
{
	sigset_t pipe_only, before, pending;
	int ends[2];
	size_t length = 1;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	raise(SIGPIPE);
	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	ck_assert_int_eq(out_write_once(ends[1], "x", &length), EPIPE);
	ck_assert_uint_eq(length, 0);
	sigpending(&pending);
	ck_assert_int_eq(sigismember(&pending, SIGPIPE), 1);
	int number;
	sigwait(&pipe_only, &number);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
}
END_TEST

static void *read_late(void *end)
{
	char bytes[4096];
	size_t total = 0;
	ssize_t n;
	usleep(150 * 1000);
	while ((n = read(*(int *)end, bytes, sizeof(bytes))) > 0)
		total += (size_t)n;
	return (void *)total;
}

START_TEST(a_full_pipe_that_does_not_block_is_waited_for)
{
	static char line[1000];
	int ends[2];
	pthread_t reader;
	void *total;
	memset(line, 'x', sizeof(line));
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	fcntl(ends[0], F_SETFL, 0);
	ck_assert_int_eq(pthread_create(&reader, NULL, read_late, &ends[0]), 0);
	out_init(&out, ends[1], text, sizeof(text));
	for (unsigned i = 0; i < 200; i++) /* three times what a pipe holds */
		out_bytes(&out, line, sizeof(line));
	out_flush(&out);
	ck_assert_int_eq(out.error, 0);
	close(ends[1]);
	pthread_join(reader, &total);
	ck_assert_uint_eq((size_t)total, 200 * sizeof(line));
	close(ends[0]);
}
END_TEST

START_TEST(after_an_error_nothing_more_is_accepted)
{
	out_init(&out, 1000, text, 4);
	out_str(&out, "12345678");
	ck_assert_int_eq(out.error, EBADF);
	uint64_t before = out.written;
	out_str(&out, "9");
	out_flush(&out);
	ck_assert_uint_eq(out.written, before);
	ck_assert_int_eq(out.error, EBADF);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, integers_come_out_whole);
	tcase_add_loop_test(tests, counts_have_a_comma_every_three_digits, 0, ARRAY_LENGTH(counts));
	tcase_add_loop_test(tests, decimals_are_rounded_half_up_and_always_finite, 0, ARRAY_LENGTH(decimals));
	tcase_add_loop_test(tests, sizes_change_unit_where_rounding_reaches_it, 0, ARRAY_LENGTH(sizes));
	tcase_add_test(tests, shares_are_percent_with_one_decimal);
	tcase_add_test(tests, dates_agree_with_libc);
	tcase_add_loop_test(tests, json_strings_are_escaped_and_utf8, 0, ARRAY_LENGTH(strings));
	tcase_add_test(tests, a_full_buffer_keeps_the_beginning_and_says_so);
	tcase_add_test(tests, a_buffer_of_no_size_takes_nothing_and_ends);
	tcase_add_test(tests, a_cell_ends_where_it_is_told_also_when_the_buffer_is_nearly_full);
	tcase_add_test(tests, padding_counts_characters_from_the_last_newline);
	tcase_add_test(tests, what_is_longer_than_the_buffer_reaches_the_descriptor_whole);
	tcase_add_test(tests, a_reader_that_is_gone_is_an_error_and_no_signal);
	tcase_add_test(tests, a_sigpipe_that_the_program_holds_back_stays_pending);
	tcase_add_test(tests, a_full_pipe_that_does_not_block_is_waited_for);
	tcase_add_test(tests, after_an_error_nothing_more_is_accepted);
}

int main(void)
{
	return run_suite("out", add_tests);
}
