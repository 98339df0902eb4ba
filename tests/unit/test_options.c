/*
 * test_options.c -- the table of settings: what is taken, what is refused, and what is said.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "run_suite.h"

static char text[1024];
static struct out out;
static struct settings settings;

static void begin(void)
{
	out_init(&out, -1, text, sizeof(text) - 1);
}

static const char *written(void)
{
	text[out.used] = '\0';
	return text;
}

static const char *value_of(const char *variable)
{
	begin();
	option_write_value(&out, option_find(variable), &settings);
	return written();
}

START_TEST(every_name_is_its_variable_in_capitals)
{
	for (unsigned i = 0; i < option_count(); i++) {
		const struct option_info *option = option_at(i);
		char expected[64];
		snprintf(expected, sizeof(expected), "WEIR_%s", option->name);
		for (char *p = expected; *p != '\0'; p++)
			*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
		ck_assert_str_eq(option->variable, expected);
		ck_assert_ptr_eq(option_find(expected), option);
		ck_assert_uint_gt(strlen(option->help), 5);
	}
	ck_assert_ptr_null(option_at(option_count()));
	ck_assert_ptr_null(option_find("WEIR_"));
	ck_assert_ptr_null(option_find("weir_enable"));
}
END_TEST

START_TEST(every_default_is_a_value_that_the_parser_takes)
{
	for (unsigned i = 0; i < option_count(); i++) {
		const struct option_info *option = option_at(i);
		char value[300];
		begin();
		option_write_default(&out, option);
		strcpy(value, written());
		ck_assert_uint_gt(strlen(value), 0);
		memset(&settings, 0x5A, sizeof(settings));
		begin();
		ck_assert_msg(settings_set(&settings, option->variable, value, &out), "%s", written());
		ck_assert_str_eq(value_of(option->variable), value);
	}
}
END_TEST

/* The table that DESIGN promises; written by hand so that a changed default is noticed. */
static const struct {
	const char *variable, *standard, *allowed;
} rows[] = {
    {"WEIR_ENABLE", "on", "on, off"},
    {"WEIR_MIN_BUFFER_SIZE", "4K", "4K to 64M"},
    {"WEIR_MAX_BUFFER_SIZE", "1M", "4K to 64M"},
    {"WEIR_MAX_BUFFERS", "auto", "auto, or 1 to 1000000000"},
    {"WEIR_POOL_LIMIT", "auto", "auto, or 1 to 1024T"},
    {"WEIR_MEMORY_LIMIT", "auto", "auto, or 1 to 1024T"},
    {"WEIR_GROWTH_FACTOR", "1.5", "1 to 4"},
    {"WEIR_GC_THRESHOLD", "80%", "10% to 100%"},
    {"WEIR_GC_INTERVAL", "30s", "100ms to 24h"},
    {"WEIR_MONITOR_INTERVAL", "10s", "100ms to 1h"},
    {"WEIR_MAX_IDLE", "5m", "100ms to 24h"},
    {"WEIR_BACKGROUND", "auto", "auto, always, never"},
    {"WEIR_TRACK", "on", "on, off"},
    {"WEIR_SAMPLE_INTERVAL", "64K", "1 to 1G"},
    {"WEIR_COMPRESSION", "off", "on, off"},
    {"WEIR_SIGNAL", "USR1", NULL},
    {"WEIR_SIGNAL_CHAIN", "on", "on, off"},
    {"WEIR_DUMP", "/tmp/weir.%e.%p.%n", "1 to 255 printable bytes"},
    {"WEIR_DUMP_FORMAT", "text", NULL},
    {"WEIR_DUMP_AT_EXIT", "off", "on, off"},
    {"WEIR_DUMP_INTERVAL", "off", "off, or 1s to 24h"},
    {"WEIR_DUMP_KEEP", "24", "1 to 1000"},
    {"WEIR_METRICS_FILE", "none", "1 to 255 printable bytes"},
    {"WEIR_ON_MISUSE", "abort", "abort, warn"},
    {"WEIR_ZERO_ON_FREE", "off", "on, off"},
    {"WEIR_LOG", "warn", "off, error, warn, info, debug"},
    {"WEIR_TIME_SCALE", "1", "0.001 to 100000"},
};

START_TEST(defaults_and_bounds_are_what_is_promised)
{
	ck_assert_uint_eq(option_count(), ARRAY_LENGTH(rows));
	const struct option_info *option = option_find(rows[_i].variable);
	ck_assert_ptr_nonnull(option);
	begin();
	option_write_default(&out, option);
	ck_assert_str_eq(written(), rows[_i].standard);
	begin();
	option_write_allowed(&out, option);
	if (rows[_i].allowed != NULL)
		ck_assert_str_eq(written(), rows[_i].allowed);
	else
		ck_assert_uint_gt(strlen(written()), 0);
}
END_TEST

static const struct {
	const char *variable, *value, *expected; /* as written again */
} taken[] = {
    {"WEIR_MAX_BUFFER_SIZE", "4096", "4K"},
    {"WEIR_MAX_BUFFER_SIZE", "64m", "64M"},
    {"WEIR_MAX_BUFFER_SIZE", "5000", "5000"},
    {"WEIR_MAX_BUFFER_SIZE", "67108864", "64M"},
    {"WEIR_MAX_BUFFER_SIZE", "0.5M", "512K"},
    {"WEIR_MAX_BUFFER_SIZE", "12KiB", "12K"},
    {"WEIR_MAX_BUFFER_SIZE", "000004K", "4K"},
    {"WEIR_MAX_BUFFER_SIZE", "4096B", "4K"},
    {"WEIR_POOL_LIMIT", "1.5G", "1536M"},
    {"WEIR_POOL_LIMIT", "1024T", "1024T"},
    {"WEIR_POOL_LIMIT", "AUTO", "auto"},
    {"WEIR_POOL_LIMIT", "1", "1"},
    {"WEIR_POOL_LIMIT", "1125899906842623", "1125899906842623"},
    {"WEIR_MAX_BUFFERS", "50", "50"},
    {"WEIR_MAX_BUFFERS", "auto", "auto"},
    {"WEIR_MAX_BUFFERS", "1000000000", "1000000000"},
    {"WEIR_GC_THRESHOLD", "80%", "80%"},
    {"WEIR_GC_THRESHOLD", "0.8", "80%"},
    {"WEIR_GC_THRESHOLD", "1", "100%"},
    {"WEIR_GC_THRESHOLD", "12.5%", "12.5%"},
    {"WEIR_GC_THRESHOLD", ".5", "50%"},
    {"WEIR_GC_THRESHOLD", "100.0%", "100%"},
    {"WEIR_GROWTH_FACTOR", "2", "2"},
    {"WEIR_GROWTH_FACTOR", "1.25", "1.25"},
    {"WEIR_GROWTH_FACTOR", "4.0", "4"},
    {"WEIR_GC_INTERVAL", "250ms", "250ms"},
    {"WEIR_GC_INTERVAL", "5m", "5m"},
    {"WEIR_GC_INTERVAL", "1h", "1h"},
    {"WEIR_GC_INTERVAL", "45", "45s"},
    {"WEIR_GC_INTERVAL", "90S", "90s"},
    {"WEIR_GC_INTERVAL", "0.25", "250ms"},
    {"WEIR_GC_INTERVAL", "1.5h", "90m"},
    {"WEIR_GC_INTERVAL", "0.123456789s", "0.123456789s"},
    {"WEIR_GC_INTERVAL", "3600s", "1h"},
    {"WEIR_GC_INTERVAL", "24H", "24h"},
    {"WEIR_GC_INTERVAL", "100ms", "100ms"},
    {"WEIR_ENABLE", "off", "off"},
    {"WEIR_ENABLE", "No", "off"},
    {"WEIR_ENABLE", "0", "off"},
    {"WEIR_ENABLE", "FALSE", "off"},
    {"WEIR_ENABLE", "yes", "on"},
    {"WEIR_ENABLE", "1", "on"},
    {"WEIR_ENABLE", "true", "on"},
    {"WEIR_BACKGROUND", "never", "never"},
    {"WEIR_BACKGROUND", "Always", "always"},
    {"WEIR_DUMP_FORMAT", "json", "json"},
    {"WEIR_DUMP_FORMAT", "json,text", "text,json"},
    {"WEIR_DUMP_FORMAT", "openmetrics", "openmetrics"},
    {"WEIR_DUMP_INTERVAL", "off", "off"},
    {"WEIR_DUMP_INTERVAL", "OFF", "off"},
    {"WEIR_DUMP_INTERVAL", "90m", "90m"},
    {"WEIR_DUMP_FORMAT", "text,TEXT", "text"},
    {"WEIR_SIGNAL", "USR1", "USR1"},
    {"WEIR_SIGNAL", "SIGUSR1", "USR1"},
    {"WEIR_SIGNAL", "sigusr2", "USR2"},
    {"WEIR_SIGNAL", "RTMIN+3", "RTMIN+3"},
    {"WEIR_SIGNAL", "sigrtmin", "RTMIN"},
    {"WEIR_SIGNAL", "RTMAX", "RTMIN+30"},
    {"WEIR_SIGNAL", "RTMAX-1", "RTMIN+29"},
    {"WEIR_SIGNAL", "RTMIN+0", "RTMIN"},
    {"WEIR_SIGNAL", "10", "USR1"},
    {"WEIR_SIGNAL", "34", "RTMIN"},
    {"WEIR_SIGNAL", "64", "RTMIN+30"},
    {"WEIR_SIGNAL", "none", "none"},
    {"WEIR_SIGNAL", "Hup", "HUP"},
    {"WEIR_SIGNAL", "poll", "IO"},
    {"WEIR_DUMP", "stderr", "stderr"},
    {"WEIR_DUMP", "/var/tmp/\xc3\xa9 %e", "/var/tmp/\xc3\xa9 %e"},
    {"WEIR_TIME_SCALE", "0.001", "0.001"},
    {"WEIR_TIME_SCALE", "100000", "100000"},
};

START_TEST(good_values_are_taken_exactly)
{
	settings_default(&settings);
	begin();
	ck_assert_msg(settings_set(&settings, taken[_i].variable, taken[_i].value, &out), "%s", written());
	ck_assert_uint_eq(out.used, 0);
	ck_assert_str_eq(value_of(taken[_i].variable), taken[_i].expected);
	/* And what is written is taken again as the same. */
	ck_assert(settings_set(&settings, taken[_i].variable, taken[_i].expected, NULL));
	ck_assert_str_eq(value_of(taken[_i].variable), taken[_i].expected);
}
END_TEST

static const struct {
	const char *variable, *value, *why;
} refused[] = {
    {"WEIR_MAX_BUFFER_SIZE", "", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "K", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "-4K", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "+4K", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "4Kx", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "4K ", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", " 4K", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "0x1000", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "5000.5", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "4.K", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "1.2.3M", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "auto", "not understood"},
    {"WEIR_MAX_BUFFER_SIZE", "4095", "too small"},
    {"WEIR_MAX_BUFFER_SIZE", "65M", "too large"},
    {"WEIR_MAX_BUFFER_SIZE", "67108865", "too large"},
    {"WEIR_MAX_BUFFER_SIZE", "0", "too small"},
    {"WEIR_MAX_BUFFER_SIZE", "18446744073709551616", "too large"},
    {"WEIR_MAX_BUFFER_SIZE", "18014398509481985K", "too large"},
    {"WEIR_MAX_BUFFER_SIZE", "99999999999999999999999999999999999999T", "too large"},
    {"WEIR_POOL_LIMIT", "0", "too small"},
    {"WEIR_POOL_LIMIT", "1025T", "too large"},
    {"WEIR_MAX_BUFFERS", "50K", "not understood"},
    {"WEIR_MAX_BUFFERS", "1.0", "not understood"},
    {"WEIR_MAX_BUFFERS", "0", "too small"},
    {"WEIR_MAX_BUFFERS", "-1", "not understood"},
    {"WEIR_MAX_BUFFERS", "1000000001", "too large"},
    {"WEIR_GC_THRESHOLD", "80", "too large"},
    {"WEIR_GC_THRESHOLD", "101%", "too large"},
    {"WEIR_GC_THRESHOLD", "9%", "too small"},
    {"WEIR_GC_THRESHOLD", "%", "not understood"},
    {"WEIR_GC_THRESHOLD", "80%%", "not understood"},
    {"WEIR_GC_THRESHOLD", "nan", "not understood"},
    {"WEIR_GC_THRESHOLD", "1e-1", "not understood"},
    {"WEIR_GC_THRESHOLD", "0.1234567891", "not understood"},
    {"WEIR_GROWTH_FACTOR", "150%", "not understood"},
    {"WEIR_GROWTH_FACTOR", "0.99", "too small"},
    {"WEIR_GROWTH_FACTOR", "inf", "not understood"},
    {"WEIR_GROWTH_FACTOR", "99999999999999999999999", "too large"},
    {"WEIR_GC_INTERVAL", "99ms", "too small"},
    {"WEIR_GC_INTERVAL", "25h", "too large"},
    {"WEIR_GC_INTERVAL", "1d", "not understood"},
    {"WEIR_GC_INTERVAL", "1h30m", "not understood"},
    {"WEIR_GC_INTERVAL", "0", "too small"},
    {"WEIR_GC_INTERVAL", "auto", "not understood"},
    {"WEIR_GC_INTERVAL", "99999999999999999999h", "too large"},
    {"WEIR_ENABLE", "maybe", "not understood"},
    {"WEIR_ENABLE", "", "not understood"},
    {"WEIR_ENABLE", "2", "not understood"},
    {"WEIR_ENABLE", "onn", "not understood"},
    {"WEIR_ENABLE", "o", "not understood"},
    {"WEIR_BACKGROUND", "on", "not understood"},
    {"WEIR_BACKGROUND", "auto,never", "not understood"},
    {"WEIR_DUMP_FORMAT", "", "not understood"},
    {"WEIR_DUMP_FORMAT", "text,", "not understood"},
    {"WEIR_DUMP_INTERVAL", "auto", "not understood"},
    {"WEIR_DUMP_INTERVAL", "0", "too small"},
    {"WEIR_DUMP_INTERVAL", "500ms", "too small"},
    {"WEIR_DUMP_FORMAT", ",text", "not understood"},
    {"WEIR_DUMP_FORMAT", "text,xml", "not understood"},
    {"WEIR_DUMP_FORMAT", "text json", "not understood"},
    {"WEIR_SIGNAL", "KILL", "not understood"},
    {"WEIR_SIGNAL", "STOP", "not understood"},
    {"WEIR_SIGNAL", "SEGV", "not understood"},
    {"WEIR_SIGNAL", "SIGBUS", "not understood"},
    {"WEIR_SIGNAL", "fpe", "not understood"},
    {"WEIR_SIGNAL", "ILL", "not understood"},
    {"WEIR_SIGNAL", "ABRT", "not understood"},
    {"WEIR_SIGNAL", "TRAP", "not understood"},
    {"WEIR_SIGNAL", "SYS", "not understood"},
    {"WEIR_SIGNAL", "9", "not understood"},
    {"WEIR_SIGNAL", "11", "not understood"},
    {"WEIR_SIGNAL", "0", "not understood"},
    {"WEIR_SIGNAL", "32", "not understood"},
    {"WEIR_SIGNAL", "33", "not understood"},
    {"WEIR_SIGNAL", "65", "not understood"},
    {"WEIR_SIGNAL", "-10", "not understood"},
    {"WEIR_SIGNAL", "RTMIN+31", "not understood"},
    {"WEIR_SIGNAL", "RTMIN+18446744073709551592", "not understood"},
    {"WEIR_SIGNAL", "RTMIN-1", "not understood"},
    {"WEIR_SIGNAL", "RTMIN+", "not understood"},
    {"WEIR_SIGNAL", "RTMAX-31", "not understood"},
    {"WEIR_SIGNAL", "SIG", "not understood"},
    {"WEIR_SIGNAL", "", "not understood"},
    {"WEIR_SIGNAL", "USR3", "not understood"},
    {"WEIR_SIGNAL", "RTMIN+1.5", "not understood"},
    {"WEIR_SIGNAL", "18446744073709551626", "not understood"},
    {"WEIR_SIGNAL", "4294967306", "not understood"},
    {"WEIR_DUMP", "", "too small"},
    {"WEIR_DUMP", "/tmp/a\nb", "not understood"},
    {"WEIR_DUMP", "/tmp/\x1b[2J", "not understood"},
    {"WEIR_LOG", "loud", "not understood"},
    {"WEIR_TIME_SCALE", "0", "too small"},
    {"WEIR_TIME_SCALE", "-1", "not understood"},
};

START_TEST(bad_values_are_refused_and_named_in_one_line)
{
	const struct option_info *option = option_find(refused[_i].variable);
	struct settings before;
	char allowed[256], *newline;
	settings_default(&settings);
	before = settings;
	begin();
	option_write_allowed(&out, option);
	strcpy(allowed, written());
	char in_force[256];
	strcpy(in_force, value_of(refused[_i].variable));
	begin();
	ck_assert(!settings_set(&settings, refused[_i].variable, refused[_i].value, &out));
	ck_assert_int_eq(out.error, 0);
	ck_assert_int_eq(memcmp(&before, &settings, sizeof(settings)), 0);
	ck_assert_ptr_eq(strstr(written(), refused[_i].variable), text);
	ck_assert_msg(strstr(text, refused[_i].why) != NULL, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, allowed));
	strcat(in_force, " instead");
	ck_assert_ptr_nonnull(strstr(text, in_force));
	newline = strchr(text, '\n');
	ck_assert_ptr_null(newline);
}
END_TEST

START_TEST(what_was_set_before_is_what_is_kept)
{
	settings_default(&settings);
	ck_assert(settings_set(&settings, "WEIR_GC_INTERVAL", "7s", NULL));
	begin();
	ck_assert(!settings_set(&settings, "WEIR_GC_INTERVAL", "soon", &out));
	ck_assert_str_eq(written(),
	    "WEIR_GC_INTERVAL=\"soon\" is not understood; allowed: 100ms to 24h; using 7s instead");
	ck_assert_uint_eq(settings.gc_interval, 7 * SECOND);
}
END_TEST

START_TEST(a_path_may_have_255_bytes_and_no_more)
{
	char path[OPTION_TEXT_MAX + 2];
	memset(path, 'x', sizeof(path));
	path[OPTION_TEXT_MAX + 1] = '\0';
	settings_default(&settings);
	begin();
	ck_assert(!settings_set(&settings, "WEIR_DUMP", path, &out));
	ck_assert_ptr_nonnull(strstr(written(), "too large"));
	ck_assert_uint_lt(out.used, 250); /* a long value is cut in the complaint */
	path[OPTION_TEXT_MAX] = '\0';
	ck_assert(settings_set(&settings, "WEIR_DUMP", path, NULL));
	ck_assert_str_eq(settings.dump, path);
}
END_TEST

static const struct {
	const char *unknown, *nearest;
} near_names[] = {
    {"WEIR_MAX_BUFFER", "WEIR_MAX_BUFFERS"},
    {"WEIR_GC_INTERVALL", "WEIR_GC_INTERVAL"},
    {"WEIR_gc_interval", "WEIR_GC_INTERVAL"},
    {"WEIR_LGO", "WEIR_LOG"},
    {"WEIR_LOGS", "WEIR_LOG"},
    {"WEIR_ENABLED", "WEIR_ENABLE"},
    {"WEIR_POOL_LIMITS", "WEIR_POOL_LIMIT"},
    {"WEIR_TIMESCALE", "WEIR_TIME_SCALE"},
    {"WEIR_DUMP_FROMAT", "WEIR_DUMP_FORMAT"},
    {"ZERO_ON_FRE", "WEIR_ZERO_ON_FREE"},
    {"WEIR_SINGAL", "WEIR_SIGNAL"},
    {"WEIR_FOO", NULL},
    {"WEIR_", NULL},
    {"WEIR_X", NULL},
    {"WEIR_COMPATIBLE", NULL},
    {"WEIR_METRIC_FILE", "WEIR_METRICS_FILE"},
    {"WEIR_EVERYTHING_ELSE", NULL},
    {"WEIR_THIS_IS_LONGER_THAN_ANY_NAME_CAN_BE", NULL},
};

START_TEST(the_nearest_name_is_found_where_one_is_near)
{
	const char *nearest = option_nearest(near_names[_i].unknown);
	if (near_names[_i].nearest == NULL)
		ck_assert_ptr_null(nearest);
	else
		ck_assert_pstr_eq(nearest, near_names[_i].nearest);
}
END_TEST

START_TEST(an_unknown_name_is_refused_with_the_nearest_one)
{
	settings_default(&settings);
	begin();
	ck_assert(!settings_set(&settings, "WEIR_MAX_BUFER_SIZE", "1M", &out));
	ck_assert_ptr_nonnull(strstr(written(), "\"WEIR_MAX_BUFER_SIZE\""));
	ck_assert_ptr_nonnull(strstr(text, "WEIR_MAX_BUFFER_SIZE"));
	begin();
	ck_assert(!settings_set(&settings, "WEIR_QQQQ", "1M", &out));
	ck_assert_ptr_nonnull(strstr(written(), "weir options"));
}
END_TEST

/* --- the environment --- */

static char said[8192];

/* settings_read() with stderr in a pipe; what was said is in said[]. */
static void read_environment(char *const *environment)
{
	int ends[2], real = dup(2);
	ck_assert_int_eq(pipe(ends), 0);
	dup2(ends[1], 2);
	close(ends[1]);
	log_set_level(LOG_WARN);
	settings_read(&settings, environment);
	dup2(real, 2); /* the last writing end goes */
	close(real);
	ssize_t n = read(ends[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	log_set_level(LOG_WARN);
}

static unsigned lines_said(void)
{
	unsigned lines = 0;
	for (const char *p = said; *p != '\0'; p++)
		lines += *p == '\n';
	return lines;
}

static bool are_defaults(void)
{
	struct settings defaults;
	settings_default(&defaults);
	return memcmp(&defaults, &settings, sizeof(settings)) == 0;
}

START_TEST(an_environment_without_weir_gives_the_defaults_in_silence)
{
	char *none[] = {"PATH=/bin", "W=1", "WEIRD=1", "WEI", "", "weir_enable=off", NULL};
	read_environment(none);
	ck_assert(are_defaults());
	ck_assert_str_eq(said, "");
	read_environment(NULL);
	ck_assert(are_defaults());
}
END_TEST

START_TEST(settings_are_read_and_wrong_ones_named)
{
	char *env[] = {"A=B", "WEIR_MAX_IDLE=1m", "WEIR_GC_INTERVAL=never", "WEIR_MAX_BUFER=3",
	    "WEIR_ENABLE=off", "WEIR_PIPES=on", "WEIR_OBJECT=/x.so", "WEIR_BARE", NULL};
	read_environment(env);
	ck_assert_uint_eq(settings.max_idle, MINUTE);
	ck_assert(!settings.enable);
	ck_assert_uint_eq(settings.gc_interval, 30 * SECOND);
	ck_assert_uint_eq(lines_said(), 4);
	ck_assert_ptr_nonnull(strstr(said, "WEIR_GC_INTERVAL=\"never\""));
	ck_assert_ptr_nonnull(strstr(said, "WEIR_MAX_BUFFERS"));
	ck_assert_ptr_nonnull(strstr(said, "\"WEIR_PIPES\""));
	ck_assert_ptr_nonnull(strstr(said, "\"WEIR_BARE\""));
	ck_assert_ptr_null(strstr(said, "WEIR_OBJECT"));
}
END_TEST

START_TEST(the_log_level_governs_warnings_wherever_it_stands)
{
	char *env[] = {"WEIR_GC_INTERVAL=never", "WEIR_LOG=error", NULL};
	read_environment(env);
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(settings.log, LOG_ERROR);
	char *wrong[] = {"WEIR_GC_INTERVAL=never", "WEIR_LOG=quiet", NULL};
	read_environment(wrong);
	ck_assert_uint_eq(lines_said(), 2);
	ck_assert_ptr_nonnull(strstr(said, "WEIR_LOG=\"quiet\""));
}
END_TEST

START_TEST(the_first_of_two_counts_as_for_getenv)
{
	char *env[] = {"WEIR_MAX_IDLE=1m", "WEIR_MAX_IDLE=2m", NULL};
	read_environment(env);
	ck_assert_uint_eq(settings.max_idle, MINUTE);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(sizes_that_contradict_each_other_are_both_put_back)
{
	char *env[] = {"WEIR_MIN_BUFFER_SIZE=128K", "WEIR_MAX_BUFFER_SIZE=64K", NULL};
	read_environment(env);
	ck_assert(are_defaults());
	ck_assert_uint_eq(lines_said(), 1);
	ck_assert_ptr_nonnull(strstr(said, "using 4K and 1M instead"));
	char *equal[] = {"WEIR_MIN_BUFFER_SIZE=64K", "WEIR_MAX_BUFFER_SIZE=64K", NULL};
	read_environment(equal);
	ck_assert_uint_eq(settings.min_buffer_size, 64 * KIB);
	ck_assert_str_eq(said, "");
	/* One alone can contradict a default. */
	char *one[] = {"WEIR_MIN_BUFFER_SIZE=2M", NULL};
	read_environment(one);
	ck_assert(are_defaults());
	ck_assert_uint_eq(lines_said(), 1);
}
END_TEST

START_TEST(hostile_names_and_values_stay_one_bounded_line)
{
	static char name[5000], value[5000];
	memset(name, 'A', sizeof(name) - 1);
	memcpy(name, "WEIR_", 5);
	memset(value, '\n', sizeof(value) - 1);
	memcpy(value, "WEIR_MAX_IDLE=\x1b[31m", 19);
	char *env[] = {name, value, "WEIR_=", "WEIR_\n\n=3", NULL};
	read_environment(env);
	ck_assert(are_defaults());
	ck_assert_uint_eq(lines_said(), 4);
	ck_assert_ptr_null(strchr(said, '\x1b'));
	ck_assert_uint_lt(strlen(said), 4 * 480);
}
END_TEST

START_TEST(every_setting_wrong_at_once_gives_the_defaults)
{
	static char entries[64][64];
	char *env[65] = {NULL};
	for (unsigned i = 0; i < option_count(); i++) {
		snprintf(entries[i], sizeof(entries[i]), "%s=%s", option_at(i)->variable,
		    option_at(i)->type == OPTION_TEXT ? "" : "\x01wrong");
		env[i] = entries[i];
	}
	read_environment(env);
	ck_assert(are_defaults());
	ck_assert_uint_eq(lines_said(), option_count());
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, every_name_is_its_variable_in_capitals);
	tcase_add_test(tests, every_default_is_a_value_that_the_parser_takes);
	tcase_add_loop_test(tests, defaults_and_bounds_are_what_is_promised, 0, ARRAY_LENGTH(rows));
	tcase_add_loop_test(tests, good_values_are_taken_exactly, 0, ARRAY_LENGTH(taken));
	tcase_add_loop_test(tests, bad_values_are_refused_and_named_in_one_line, 0, ARRAY_LENGTH(refused));
	tcase_add_test(tests, what_was_set_before_is_what_is_kept);
	tcase_add_test(tests, a_path_may_have_255_bytes_and_no_more);
	tcase_add_loop_test(tests, the_nearest_name_is_found_where_one_is_near, 0, ARRAY_LENGTH(near_names));
	tcase_add_test(tests, an_unknown_name_is_refused_with_the_nearest_one);
	tcase_add_test(tests, an_environment_without_weir_gives_the_defaults_in_silence);
	tcase_add_test(tests, settings_are_read_and_wrong_ones_named);
	tcase_add_test(tests, the_log_level_governs_warnings_wherever_it_stands);
	tcase_add_test(tests, the_first_of_two_counts_as_for_getenv);
	tcase_add_test(tests, sizes_that_contradict_each_other_are_both_put_back);
	tcase_add_test(tests, hostile_names_and_values_stay_one_bounded_line);
	tcase_add_test(tests, every_setting_wrong_at_once_gives_the_defaults);
}

int main(void)
{
	return run_suite("options", add_tests);
}
