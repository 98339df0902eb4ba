/*
 * test_perf_map.c -- names of generated code: the reader of maps, and which file it believes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/perf_map.h"
#include "run_suite.h"

static int file_of(const char *text, size_t length)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, length), (ssize_t)length);
	return fd;
}

static struct perf_map *map_of_bytes(const char *text, size_t length)
{
	int fd = file_of(text, length);
	struct perf_map *map = perf_map_read(fd);

	close(fd);
	return map;
}

static struct perf_map *map_of(const char *text)
{
	struct perf_map *map = map_of_bytes(text, strlen(text));

	ck_assert_msg(map != NULL, "%s", strerror(errno));
	return map;
}

static void is_named(struct perf_map *map, uint64_t address, const char *name)
{
	const char *found = perf_map_find(map, address);

	if (name == NULL)
		ck_assert_ptr_null(found);
	else
		ck_assert_str_eq(found, name);
}

/* --- the reader -------------------------------------------------------------------- */

START_TEST(a_name_holds_for_its_range_and_no_further)
{
	struct perf_map *map = map_of("2000 10 second\n1000 8 first\n");

	is_named(map, 0xFFF, NULL);
	is_named(map, 0x1000, "first");
	is_named(map, 0x1007, "first");
	is_named(map, 0x1008, NULL);
	is_named(map, 0x1FFF, NULL);
	is_named(map, 0x200F, "second");
	is_named(map, 0x2010, NULL);
	is_named(map, UINT64_MAX, NULL);
	is_named(map, 0, NULL);
	perf_map_free(map);
}
END_TEST

static const struct {
	const char *line, *name; /* of 0x7f1234abc010 */
} lines[] = {
    {"7f1234abc000 20 name", "name"},
    {"0x7f1234abc000 0x20 name", "name"},
    {"7F1234ABC000 20 name", "name"},
    {"00000000007f1234abc000 00000000000000000000020 name", "name"},
    {" 7f1234abc000\t20  name", "name"},
    {"7f1234abc000 20 LazyCompile:*get size /srv/an app.js:12:8",
	"LazyCompile:*get size /srv/an app.js:12:8"},
    {"7f1234abc000 20 name\r", "name"},
    {"0 ffffffffffffffff name", "name"},
    {"7f1234abc000 20", NULL},
    {"7f1234abc000 20 ", NULL},
    {"7f1234abc000 20 \r", NULL},
    {"7f1234abc000 20name", NULL},
    {"7f1234abc000 0 name", NULL},
    {"7f1234abc000 -20 name", NULL},
    {"7f1234abc000 name 20", NULL},
    {"7f1234abc000-7f1234abc020 name x", NULL},
    {"17f1234abc0000000 20 name", NULL},
    {"7f1234abc000 10000000000000000 name", NULL},
    {"7f1234abc000 ffffffffffffffff name", NULL},
    {"0x 20 name", NULL},
    {"", NULL},
    {"\x01\x02\xff", NULL},
};

START_TEST(a_line_that_makes_no_range_names_nothing)
{
	char text[256];
	struct perf_map *map;

	snprintf(text, sizeof text, "10 10 before\n%s\n20 10 after\n", lines[_i].line);
	map = map_of(text);
	is_named(map, 0x7f1234abc010, lines[_i].name);
	if (lines[_i].line[0] != '0' || lines[_i].name == NULL)
		is_named(map, 0x1F, "before");
	is_named(map, 0x2F, "after");
	perf_map_free(map);
}
END_TEST

START_TEST(the_newest_line_for_an_address_holds)
{
	struct perf_map *map = map_of("1000 100 old\n"
				      "3000 100 gone\n"
				      "1040 10 within\n"
				      "10f0 20 across\n"
				      "2ff0 200 over all\n"
				      "1040 10 within again\n");

	is_named(map, 0x1000, "old");
	is_named(map, 0x103F, "old");
	is_named(map, 0x1040, "within again");
	is_named(map, 0x104F, "within again");
	is_named(map, 0x1050, "old");
	is_named(map, 0x10EF, "old");
	is_named(map, 0x10F0, "across");
	is_named(map, 0x110F, "across");
	is_named(map, 0x1110, NULL);
	is_named(map, 0x2FF0, "over all");
	is_named(map, 0x3000, "over all");
	is_named(map, 0x31EF, "over all");
	perf_map_free(map);
}
END_TEST

START_TEST(a_line_without_its_end_is_still_being_written)
{
	struct perf_map *map = map_of("1000 100 whole\n1000 100 Lazy");

	is_named(map, 0x1000, "whole");
	perf_map_free(map);
	ck_assert_ptr_null(map_of_bytes("1000 100 Lazy", 13));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(what_is_no_map_is_refused_but_an_empty_one_is_none)
{
	struct perf_map *map = map_of("");

	is_named(map, 0, NULL);
	perf_map_free(map);
	ck_assert_ptr_null(map_of_bytes("one\ntwo\n", 8));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(map_of_bytes("\0\0\0\0", 4));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(perf_map_read(-1));
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(names_come_out_printable_and_bounded)
{
	static const char text[] = "1000 10 a\033[2Jb\xe2\x80\xae\xff\n"
				   "2000 10 be\0hind\n"
				   "2010\0 10 x\n"
				   "3000 10 %s%n\n";
	struct perf_map *map = map_of_bytes(text, sizeof text - 1);
	static char is_long[70000];
	const char *name;

	ck_assert_ptr_nonnull(map);
	is_named(map, 0x1000, "a?[2Jb??");
	is_named(map, 0x1001, "a?[2Jb??");
	is_named(map, 0x2000, "be");
	is_named(map, 0x2010, NULL);
	is_named(map, 0x3000, "%s%n");
	perf_map_free(map);

	memset(is_long, 'x', sizeof is_long);
	memcpy(is_long, "1000 10 ", 8);
	is_long[8 + PERF_MAP_NAME_MAX - 2] = '\xc3'; /* is cut through */
	is_long[sizeof is_long - 1] = '\n';
	map = map_of_bytes(is_long, sizeof is_long);
	name = perf_map_find(map, 0x1000);
	ck_assert_uint_eq(strlen(name), PERF_MAP_NAME_MAX - 1);
	ck_assert_int_eq(name[PERF_MAP_NAME_MAX - 2], '?');
	perf_map_free(map);
}
END_TEST

START_TEST(of_a_file_that_is_too_large_the_end_is_read)
{
	static const char line[] = "1000 10 last\n";
	int fd = file_of("1000 20 first\n", 14);
	struct perf_map *map;

	/* All between is a hole, and the first line too far from the end. */
	ck_assert_int_eq(pwrite(fd, "\n", 1, (off_t)PERF_MAP_BYTES_MAX), 1);
	ck_assert_int_eq(pwrite(fd, line, sizeof line - 1, (off_t)PERF_MAP_BYTES_MAX + 1), sizeof line - 1);
	map = perf_map_read(fd);
	ck_assert_msg(map != NULL, "%s", strerror(errno));
	is_named(map, 0x1000, "last");
	is_named(map, 0x1010, NULL);
	perf_map_free(map);
	close(fd);
}
END_TEST

/* --- against one line after the other ------------------------------------------------- */

static uint64_t random_state;

static unsigned random_below(unsigned bound)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((random_state >> 33) % bound);
}

START_TEST(a_map_says_what_its_lines_say_one_after_the_other)
{
	enum { ADDRESSES = 600, LINES_MAX = 200 };

	random_state = (uint64_t)_i;
	for (unsigned round = test_rounds(200); round > 0; round--) {
		static char text[LINES_MAX * 32];
		int newest[ADDRESSES] = {0}, count = 1 + (int)random_below(LINES_MAX);
		size_t used = 0;
		bool has_size = false; /* else there is no line that a map has */
		struct perf_map *map;

		for (int i = 1; i <= count; i++) {
			unsigned start = random_below(500),
				 size = random_below(random_below(8) == 0 ? 90 : 12);

			has_size |= size != 0;
			used +=
			    (size_t)snprintf(text + used, sizeof text - used, "%x %x n%d\n", start, size, i);
			for (unsigned k = start; k < start + size; k++)
				newest[k] = i;
		}
		map = map_of_bytes(text, used);
		ck_need((map == NULL) == !has_size);
		if (map == NULL)
			continue;
		for (unsigned k = 0; k < ADDRESSES; k++) {
			const char *found = perf_map_find(map, k);

			ck_need((found == NULL) == (newest[k] == 0));
			ck_need(found == NULL || (found[0] == 'n' && atoi(found + 1) == newest[k]));
		}
		perf_map_free(map);
	}
}
END_TEST

START_TEST(damaged_maps_are_survived)
{
	static const char good[] = "7f0010 20 LazyCompile:*handler file:///srv/app.js:12:8\n"
				   "0x7f0020 0x40 py::run:/srv/run.py\n"
				   "7f0000 100 Ljava/lang/String;::hashCode\n"
				   "7f0080 8 RegExp:a b:1\n";
	static const char put[] = "\n\n \t0xfF:/\\\0\r\033\xe2\x80\xae\xff~*";

	random_state = (uint64_t)_i + 1000;
	for (unsigned round = test_rounds(4000); round > 0; round--) {
		char text[sizeof good];
		size_t length = sizeof good - 1 - (random_below(4) == 0 ? random_below(sizeof good - 1) : 0);
		struct perf_map *map;

		memcpy(text, good, sizeof good);
		for (unsigned changes = random_below(12); changes > 0; changes--)
			text[random_below(sizeof good - 1)] = put[random_below(sizeof put - 1)];
		map = map_of_bytes(text, length);
		for (uint64_t at = 0x7effff; map != NULL && at < 0x7f0110; at++) {
			const char *found = perf_map_find(map, at);
			char name[PERF_MAP_NAME_MAX];
			struct perf_map_place place;

			if (found == NULL)
				continue;
			ck_need(strlen(found) > 0 && strlen(found) < PERF_MAP_NAME_MAX);
			ck_need(strpbrk(found, "\n\r\033\xff") == NULL);
			strcpy(name, found);
			place = perf_map_split(name);
			ck_need(place.function[0] != '\0');
			ck_need(place.file[0] != '\0' || place.line == 0);
		}
		perf_map_free(map);
	}
}
END_TEST

/* --- names ------------------------------------------------------------------------- */

static const struct {
	const char *name, *function, *file;
	unsigned line;
} names[] = {
    {"LazyCompile:*handler /srv/app.js:12:8", "handler", "/srv/app.js", 12},
    {"LazyCompile:~handler /srv/app.js:12:8", "handler", "/srv/app.js", 12},
    {"JS:^handler file:///srv/app.mjs:12:8", "handler", "/srv/app.mjs", 12},
    {"JS:+'handler /srv/app.js:12:8", "handler", "/srv/app.js", 12},
    {"Function:processTicksAndRejections node:internal/process/task_queues:67:35",
	"processTicksAndRejections", "node:internal/process/task_queues", 67},
    {"LazyCompile:*get size /srv/an app/its file.js:3:1", "get size", "/srv/an app/its file.js", 3},
    {"LazyCompile:~ /srv/app.js:1:1", "(anonymous)", "/srv/app.js", 1},
    {"Script:~ evalmachine.<anonymous>:1:1", "(anonymous)", "evalmachine.<anonymous>", 1},
    {"TRACE_12 relay.lua:34", "TRACE_12", "relay.lua", 34},
    {"py::Relay.push:/srv/relay.py", "Relay.push", "/srv/relay.py", 0},
    {"py::<module>:<string>", "<module>", "<string>", 0},
    /* As they are. */
    {"Builtin:ArrayPrototypePush", "Builtin:ArrayPrototypePush", "", 0},
    {"LazyCompile:*handler", "LazyCompile:*handler", "", 0},
    {"Ljava/lang/String;::hashCode", "Ljava/lang/String;::hashCode", "", 0},
    {"void [Relay] Relay.Queue::Push(int32)[OptimizedTier1]",
	"void [Relay] Relay.Queue::Push(int32)[OptimizedTier1]", "", 0},
    {"TRACE_12::relay.lua:34", "TRACE_12::relay.lua:34", "", 0},
    {"RegExp:a /b:12:8", "RegExp:a /b:12:8", "", 0},
    {"py::alone", "py::alone", "", 0},
    {"py::half:", "py::half:", "", 0},
    {"x :1", "x :1", "", 0},
    {"x /y:1234567890", "x /y:1234567890", "", 0},
    {":1:1", ":1:1", "", 0},
    {"1", "1", "", 0},
    {"", "", "", 0},
};

START_TEST(a_name_says_function_file_and_line_where_it_has_them)
{
	char name[PERF_MAP_NAME_MAX];
	struct perf_map_place place;

	strcpy(name, names[_i].name);
	place = perf_map_split(name);
	ck_assert_str_eq(place.function, names[_i].function);
	ck_assert_str_eq(place.file, names[_i].file);
	ck_assert_uint_eq(place.line, names[_i].line);
}
END_TEST

/* --- which file -------------------------------------------------------------------- */

enum { US = 1000, OWNER = 1001, ANYBODY = 1002 };

static const struct {
	mode_t mode;
	uid_t owner;
	int64_t written_ms; /* after the process began */
	enum perf_map_verdict verdict;
} files[] = {
    {S_IFREG | 0644, US, 0, PERF_MAP_FIT},
    {S_IFREG | 0666, OWNER, 5000, PERF_MAP_FIT},
    {S_IFREG | 0644, 0, 5000, PERF_MAP_FIT},
    {S_IFREG | 0644, ANYBODY, 5000, PERF_MAP_FOREIGN},
    {S_IFREG | 0644, US, -5, PERF_MAP_FIT},
    {S_IFREG | 0644, US, -20, PERF_MAP_OLD},
    {S_IFREG | 0644, 0, -86400000, PERF_MAP_OLD},
    {S_IFIFO | 0644, US, 5000, PERF_MAP_NO_FILE},
    {S_IFDIR | 0755, US, 5000, PERF_MAP_NO_FILE},
    {S_IFCHR | 0644, US, 5000, PERF_MAP_NO_FILE},
};

START_TEST(a_map_is_the_processs_own_or_is_not_used)
{
	const uint64_t started_ns = 1800000000 * SECOND;
	uint64_t written_ns = started_ns + (uint64_t)(files[_i].written_ms * (int64_t)MILLISECOND);
	struct perf_map_wish wish = {.started_at_ns = started_ns, .owner = OWNER};
	struct stat file = {.st_mode = files[_i].mode,
	    .st_uid = files[_i].owner,
	    .st_mtim = {(time_t)(written_ns / SECOND), (long)(written_ns % SECOND)}};

	ck_assert_int_eq(perf_map_judge(&file, &wish, US), files[_i].verdict);
	wish.started_at_ns = 0;
	ck_assert_int_ne(perf_map_judge(&file, &wish, US), PERF_MAP_FIT);
}
END_TEST

static char path[PERF_MAP_PATH_MAX];

static void name_path(void)
{
	snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
	unlink(path);
}

static void remove_path(void)
{
	unlink(path);
}

/* And there is none any more: a test that fails leaves nothing in /tmp. */
static enum perf_map_verdict verdict_here(bool is_live)
{
	struct perf_map_wish wish = {
	    .pid = getpid(), .is_live = is_live, .started_at_ns = 1, .owner = getuid()};
	enum perf_map_verdict verdict;
	char name[PERF_MAP_PATH_MAX];
	int fd = perf_map_open(&wish, name, &verdict);

	unlink(path);
	ck_assert_int_eq(fd >= 0, verdict == PERF_MAP_FIT);
	ck_assert_str_eq(name, path);
	if (fd >= 0)
		close(fd);
	return verdict;
}

START_TEST(a_map_is_opened_by_its_pid_and_nothing_else_is)
{
	bool is_live = _i == 1;
	int fd;

	ck_assert_int_eq(verdict_here(is_live), PERF_MAP_ABSENT);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(verdict_here(is_live), PERF_MAP_NO_FILE);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(verdict_here(is_live), PERF_MAP_NO_FILE);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "10 10 x\n", 8), 8);
	close(fd);
	ck_assert_int_eq(verdict_here(is_live), PERF_MAP_FIT);
}
END_TEST

START_TEST(what_the_user_names_is_a_file_or_refused)
{
	int error;

	ck_assert_ptr_null(perf_map_read_named(path));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_ptr_null(perf_map_read_named(path));
	error = errno;
	unlink(path);
	ck_assert_int_eq(error, EINVAL);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_checked_fixture(tests, name_path, remove_path);
	tcase_add_test(tests, a_name_holds_for_its_range_and_no_further);
	tcase_add_loop_test(tests, a_line_that_makes_no_range_names_nothing, 0, (int)ARRAY_LENGTH(lines));
	tcase_add_test(tests, the_newest_line_for_an_address_holds);
	tcase_add_test(tests, a_line_without_its_end_is_still_being_written);
	tcase_add_test(tests, what_is_no_map_is_refused_but_an_empty_one_is_none);
	tcase_add_test(tests, names_come_out_printable_and_bounded);
	tcase_add_test(tests, of_a_file_that_is_too_large_the_end_is_read);
	tcase_add_loop_test(tests, a_map_says_what_its_lines_say_one_after_the_other, 0, 4);
	tcase_add_loop_test(tests, damaged_maps_are_survived, 0, 4);
	tcase_add_loop_test(
	    tests, a_name_says_function_file_and_line_where_it_has_them, 0, (int)ARRAY_LENGTH(names));
	tcase_add_loop_test(tests, a_map_is_the_processs_own_or_is_not_used, 0, (int)ARRAY_LENGTH(files));
	/* A live process is looked at by openat2(), which an emulator may not have. */
	tcase_add_loop_test(tests, a_map_is_opened_by_its_pid_and_nothing_else_is, 0,
	    getenv("TEST_EMULATED") == NULL ? 2 : 1);
	tcase_add_test(tests, what_the_user_names_is_a_file_or_refused);
}

int main(void)
{
	return run_suite("perf_map", add_tests);
}
