/*
 * test_text.c -- text for people: nothing in it that is obeyed, units, widths.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/text.h"
#include "run_suite.h"

static const struct {
	const char *from, *to;
} texts[] = {
    {"", ""},
    {"plain", "plain"},
    {"\x1b[31m", "?[31m"},
    {"a\nb\tc\x7f", "a?b?c?"},
    {"\xc2\x9b"
     "31m",
	"?31m"},
    {"\xe2\x80\xae"
     "evil",
	"?evil"},
    {"\xe2\x81\xa6x\xef\xbb\xbfy", "?x?y"},
    {"\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80", "\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80"},
    {"\xff\xfe", "??"},
    {"cut \xe4\xb8", "cut ??"},
    {"\xc0\xaf", "??"},
    {"\xed\xa0\x80", "???"},
    {"\xf4\x90\x80\x80", "????"},
};

START_TEST(what_a_terminal_obeys_is_a_question_mark)
{
	char text[64];

	strcpy(text, texts[_i].from);
	text_make_printable(text);
	ck_assert_str_eq(text, texts[_i].to);
	text_make_printable(text);
	ck_assert_str_eq(text, texts[_i].to);
}
END_TEST

START_TEST(appended_text_stays_in_its_room)
{
	char text[16] = "0123456789";

	text_append(text, sizeof text, "%s", "ab");
	ck_assert_str_eq(text, "0123456789ab");
	text_append(text, sizeof text, "%d and more", 12);
	ck_assert_str_eq(text, "0123456789ab12 ");
	text_append(text, sizeof text, "more");
	ck_assert_str_eq(text, "0123456789ab12 ");
	strcpy(text, "0123456789abcd");
	text_append(text, sizeof text, "\xc3\xa4");
	ck_assert_str_eq(text, "0123456789abcd?");
}
END_TEST

static const struct {
	double value;
	const char *bytes, *sign, *count, *duration, *percent;
} figures[] = {
    {0, "0 B", "0 B", "0", "0 s", "0.0%"},
    {0.25, "0 B", "+0 B", "0", "250 ms", "25.0%"},
    {1, "1 B", "+1 B", "1", "1.0 s", "100.0%"},
    {59.6, "60 B", "+60 B", "60", "1 m", "5960.0%"},
    {1023, "1023 B", "+1023 B", "1,023", "17 m 3 s", "102300.0%"},
    {1024, "1.0 KiB", "+1.0 KiB", "1,024", "17 m 4 s", "102400.0%"},
    {1048575, "1.0 MiB", "+1.0 MiB", "1,048,575", "12 d 3 h", "104857500.0%"},
    {86399.9, "84.4 KiB", "+84.4 KiB", "86,400", "1 d", "8639990.0%"},
    {1e9, "953.7 MiB", "+953.7 MiB", "1,000,000,000", "31.7 y", "100000000000.0%"},
    {1e18, "888.2 PiB", "+888.2 PiB", "1e+18", "over 10,000 y", "100000000000000000000.0%"},
    {(double)NAN, "-", "-", "-", "-", "-"},
    {(double)INFINITY, "-", "-", "-", "-", "-"},
};

START_TEST(figures_have_units_that_people_read)
{
	char figure[TEXT_FIGURE_MAX];

	ck_assert_str_eq(text_bytes(figure, figures[_i].value), figures[_i].bytes);
	ck_assert_str_eq(text_bytes_signed(figure, figures[_i].value), figures[_i].sign);
	ck_assert_str_eq(text_count(figure, figures[_i].value), figures[_i].count);
	ck_assert_str_eq(text_duration(figure, figures[_i].value), figures[_i].duration);
	ck_assert_str_eq(text_percent(figure, figures[_i].value), figures[_i].percent);
}
END_TEST

START_TEST(a_time_that_is_foretold_ends_at_a_year)
{
	char figure[TEXT_FIGURE_MAX];

	ck_assert_str_eq(text_time_left(figure, 364 * 86400.0), "364 d");
	ck_assert_str_eq(text_time_left(figure, 2506 * 86400.0), "more than a year");
	ck_assert_str_eq(text_time_left(figure, 30), "30 s");
	ck_assert_str_eq(text_time_left(figure, -1), "-");
}
END_TEST

START_TEST(nobody_is_sure_of_too_little)
{
	char text[TEXT_REASON_MAX];

	ck_assert_str_eq(text_reason(text, "MIXTURE_LEAK", 0.91), "MIXTURE_LEAK, 91.0% sure");
	ck_assert_str_eq(text_reason(text, "INSUFFICIENT_DATA", 1), "INSUFFICIENT_DATA");
}
END_TEST

START_TEST(what_falls_has_a_minus)
{
	char figure[TEXT_FIGURE_MAX];

	ck_assert_str_eq(text_bytes_signed(figure, -1536), "-1.5 KiB");
	ck_assert_str_eq(text_count(figure, -1234), "-1,234");
	ck_assert_str_eq(text_count(figure, -0.2), "0");
}
END_TEST

START_TEST(every_figure_fits)
{
	char figure[TEXT_FIGURE_MAX];

	for (double value = 1e-300; value < 1e300; value *= 7) {
		ck_need(strlen(text_bytes(figure, value)) < sizeof figure);
		ck_need(strlen(text_bytes_signed(figure, -value)) < sizeof figure);
		ck_need(strlen(text_count(figure, -value)) < sizeof figure);
		ck_need(strlen(text_duration(figure, value)) < sizeof figure);
		ck_need(strlen(text_percent(figure, value)) < sizeof figure);
	}
}
END_TEST

START_TEST(wide_characters_take_two_columns)
{
	ck_assert_uint_eq(text_width("abc"), 3);
	ck_assert_uint_eq(text_width("\xc3\xa4"), 1);
	ck_assert_uint_eq(text_width("\xe4\xb8\xad\xe6\x96\x87"), 4);
	ck_assert_uint_eq(text_width("a\xcc\x81"), 1);
	ck_assert_uint_eq(text_fit("\xe4\xb8\xad\xe6\x96\x87", 3), 3);
	ck_assert_uint_eq(text_fit("abc", 2), 2);
	ck_assert_uint_eq(text_fit("abc", 9), 3);
}
END_TEST

START_TEST(words_wrap_within_the_columns)
{
	char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	ck_assert_ptr_nonnull(to);
	text_wrap(to, "one two three four averyverylongword five", 2, 12, 0);
	fclose(to);
	ck_assert_str_eq(text, "one two\n  three four\n  averyverylongword\n  five\n");
	free(text);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(
	    tests, what_a_terminal_obeys_is_a_question_mark, 0, (int)(sizeof texts / sizeof *texts));
	tcase_add_test(tests, appended_text_stays_in_its_room);
	tcase_add_loop_test(
	    tests, figures_have_units_that_people_read, 0, (int)(sizeof figures / sizeof *figures));
	tcase_add_test(tests, a_time_that_is_foretold_ends_at_a_year);
	tcase_add_test(tests, nobody_is_sure_of_too_little);
	tcase_add_test(tests, what_falls_has_a_minus);
	tcase_add_test(tests, every_figure_fits);
	tcase_add_test(tests, wide_characters_take_two_columns);
	tcase_add_test(tests, words_wrap_within_the_columns);
}

int main(void)
{
	return run_suite("text", add_tests);
}
