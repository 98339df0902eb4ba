/*
 * test_log.c -- lines on stderr: what they look like, and that they never hurt.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "run_suite.h"

static char got[2048];
static int ends[2], real_stderr;

static void begin(void)
{
	real_stderr = dup(2);
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	dup2(ends[1], 2);
	log_set_level(LOG_WARN);
}

/* What came, and stderr as it was. */
static const char *end(void)
{
	ssize_t n = read(ends[0], got, sizeof(got) - 1);
	got[n > 0 ? n : 0] = '\0';
	dup2(real_stderr, 2);
	close(real_stderr);
	close(ends[0]);
	close(ends[1]);
	return got;
}

START_TEST(a_line_starts_with_the_pid_and_ends_with_a_newline)
{
	char expected[64];
	begin();
	log_text(LOG_WARN, "text");
	snprintf(expected, sizeof(expected), "weir[%d]: text\n", (int)getpid());
	ck_assert_str_eq(end(), expected);
}
END_TEST

START_TEST(what_is_below_the_level_is_not_said)
{
	begin();
	log_set_level(LOG_ERROR);
	log_text(LOG_WARN, "warning");
	log_text(LOG_OFF, "off is no level to speak at");
	ck_assert(log_is_on(LOG_ERROR) && !log_is_on(LOG_WARN));
	log_set_level(LOG_OFF);
	log_text(LOG_ERROR, "error");
	ck_assert_str_eq(end(), "");
	log_set_level(LOG_WARN);
}
END_TEST

START_TEST(a_line_in_pieces_is_one_line)
{
	struct log_line line;
	begin();
	ck_assert(log_begin(&line, LOG_ERROR));
	out_str(&line.out, "a");
	out_u64(&line.out, 5);
	log_end(&line);
	ck_assert_ptr_nonnull(strstr(end(), "]: a5\n"));
}
END_TEST

START_TEST(a_line_that_is_too_long_is_cut_and_ends_in_dots)
{
	char text[2000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	begin();
	log_text(LOG_WARN, text);
	end();
	ck_assert_uint_eq(strlen(got), sizeof(((struct log_line *)NULL)->buffer));
	ck_assert_str_eq(got + strlen(got) - 5, "x...\n");
}
END_TEST

START_TEST(a_line_that_just_fits_is_not_cut)
{
	struct log_line line;
	begin();
	ck_assert(log_begin(&line, LOG_WARN));
	while (line.out.used < line.out.size)
		out_char(&line.out, 'y');
	log_end(&line);
	end();
	ck_assert_uint_eq(strlen(got), sizeof(line.buffer));
	ck_assert_str_eq(got + strlen(got) - 2, "y\n");
}
END_TEST

START_TEST(errno_is_kept)
{
	begin();
	errno = EDOM;
	log_text(LOG_WARN, "text");
	ck_assert_int_eq(errno, EDOM);
	struct log_line line;
	ck_assert(log_begin(&line, LOG_WARN));
	errno = ERANGE; /* by what is called for the pieces */
	log_end(&line);
	ck_assert_int_eq(errno, EDOM);
	end();
}
END_TEST

START_TEST(a_closed_stderr_is_no_error)
{
	begin();
	close(2);
	errno = EDOM;
	log_text(LOG_WARN, "text");
	int now = errno;
	dup2(ends[1], 2);
	end();
	ck_assert_int_eq(now, EDOM);
}
END_TEST

START_TEST(a_stderr_that_nobody_reads_does_not_kill)
{
	begin();
	signal(SIGPIPE, SIG_DFL);
	int dead[2];
	ck_assert_int_eq(pipe(dead), 0);
	close(dead[0]);
	dup2(dead[1], 2);
	close(dead[1]);
	log_text(LOG_WARN, "text");
	dup2(ends[1], 2);
	log_text(LOG_WARN, "alive");
	ck_assert_ptr_nonnull(strstr(end(), "alive"));
}
END_TEST

START_TEST(a_stderr_that_is_full_does_not_stop_the_program)
{
	begin();
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	char fill[4096] = {0};
	while (write(ends[1], fill, sizeof(fill)) > 0)
		;
	alarm(5);
	log_text(LOG_WARN, "text");
	alarm(0);
	end();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, a_line_starts_with_the_pid_and_ends_with_a_newline);
	tcase_add_test(tests, what_is_below_the_level_is_not_said);
	tcase_add_test(tests, a_line_in_pieces_is_one_line);
	tcase_add_test(tests, a_line_that_is_too_long_is_cut_and_ends_in_dots);
	tcase_add_test(tests, a_line_that_just_fits_is_not_cut);
	tcase_add_test(tests, errno_is_kept);
	tcase_add_test(tests, a_closed_stderr_is_no_error);
	tcase_add_test(tests, a_stderr_that_nobody_reads_does_not_kill);
	tcase_add_test(tests, a_stderr_that_is_full_does_not_stop_the_program);
}

int main(void)
{
	return run_suite("log", add_tests);
}
