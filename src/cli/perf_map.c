/*
 * perf_map.c -- names of generated code, out of the map that its compiler writes for perf.
 *
 * "START SIZE NAME" on each line, in hexadecimal: what node, the JVM, .NET, Python and LuaJIT
 * write to /tmp/perf-PID.map while they run. A line is true when it is written, and memory is
 * used again: of several for an address the last one holds. So the lines are taken from the end, and
 * each names what none after it has named; the result is a list of ranges for a binary search.
 *
 * Nothing in the file is trusted: numbers that make no range, lines without a name and the
 * last one as long as it has no end are left out, and what is shown has been made printable.
 * Memory and time are bounded by the file's size and by the bounds in perf_map.h.
 */
#include "cli/perf_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/text.h"

#define NAMELESS UINT32_MAX

struct line {
	uint64_t start, end;
	uint32_t name; /* where it begins in the text */
};

struct perf_map {
	char *text; /* each name ends with a NUL in it */
	/* Ranges: from one bound to the next one what is there has the name of the first. */
	uint64_t *bounds; /* ascending */
	uint32_t *names;
	size_t count;
};

/* --- lines ----------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A hexadecimal number and the blanks behind it; false where there is none that fits. */
static bool take_number(const char **at, uint64_t *number)
{
	const char *p = *at, *first;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	*number = 0;
	for (first = p;; p++) {
		unsigned digit = *p >= '0' && *p <= '9'	  ? (unsigned)(*p - '0')
				 : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a') + 10
				 : *p >= 'A' && *p <= 'F' ? (unsigned)(*p - 'A') + 10
							  : 16;

		if (digit == 16)
			break;
		if (*number >> 60 != 0)
			return false;
		*number = *number << 4 | digit;
	}
	if (p == first || !is_blank(*p))
		return false;
	while (is_blank(*p))
		p++;
	*at = p;
	return true;
}

/* text ends with a NUL where the line does. */
static bool parse_line(const char *text, size_t at, struct line *line)
{
	const char *p = text + at;
	uint64_t size;

	while (is_blank(*p))
		p++;
	if (!take_number(&p, &line->start) || !take_number(&p, &size) || *p == '\0' || *p == '\r')
		return false;
	line->name = (uint32_t)(p - text);
	return size > 0 && !__builtin_add_overflow(line->start, size, &line->end);
}

static size_t count_lines(const char *text, size_t length)
{
	const char *end = text + length;
	size_t count = 0;

	while (count < PERF_MAP_LINES_MAX && (text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		text++;
		count++;
	}
	return count;
}

/* The last one first. What has no end is still being written. */
static size_t take_lines(char *text, size_t length, struct line *lines, size_t most)
{
	char *end = memrchr(text, '\n', length);
	size_t count = 0;

	while (end != NULL && count < most) {
		char *before = memrchr(text, '\n', (size_t)(end - text));

		*end = '\0';
		if (parse_line(text, before != NULL ? (size_t)(before + 1 - text) : 0, &lines[count]))
			count++;
		end = before;
	}
	return count;
}

/* --- ranges ---------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The first bound that is not below the address; count: there is none. */
static size_t find_bound(const struct perf_map *map, uint64_t address)
{
	size_t from = 0, to = map->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (map->bounds[middle] < address)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static void set_bounds(struct perf_map *map, const struct line *lines, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		map->bounds[2 * i] = lines[i].start;
		map->bounds[2 * i + 1] = lines[i].end;
	}
	qsort(map->bounds, 2 * count, sizeof *map->bounds, by_address);
	for (size_t i = 0; i < 2 * count; i++)
		if (i == 0 || map->bounds[i] != map->bounds[kept - 1])
			map->bounds[kept++] = map->bounds[i];
	map->count = kept;
}

/* The first range from this one on that has no name. next leads there, by steps that get longer. */
static uint32_t find_nameless(uint32_t *next, uint32_t range)
{
	while (next[range] != range) {
		next[range] = next[next[range]];
		range = next[range];
	}
	return range;
}

static bool make_ranges(struct perf_map *map, const struct line *lines, size_t count)
{
	uint32_t *next;

	map->bounds = malloc((2 * count + 1) * sizeof *map->bounds);
	map->names = malloc((2 * count + 1) * sizeof *map->names);
	next = malloc((2 * count + 1) * sizeof *next);
	if (map->bounds == NULL || map->names == NULL || next == NULL) {
		free(next);
		return false;
	}
	set_bounds(map, lines, count);
	for (size_t i = 0; i < map->count; i++) {
		next[i] = (uint32_t)i;
		map->names[i] = NAMELESS;
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t range = find_nameless(next, (uint32_t)find_bound(map, lines[i].start));

		/* The last bound begins no range, so it stays nameless. */
		while (map->bounds[range] < lines[i].end) {
			map->names[range] = lines[i].name;
			next[range] = range + 1;
			range = find_nameless(next, range + 1);
		}
	}
	free(next);
	return true;
}

/* --- files ----------------------------------------------------------------------- */

/* The file's last bytes, to be freed; from the beginning of a line on. NULL with errno. */
static char *read_text(int fd, size_t *length)
{
	struct stat file;
	size_t size, used = 0;
	off_t from;
	char *text, *line;
	ssize_t got;

	if (fstat(fd, &file) != 0)
		return NULL;
	size = (size_t)MIN(MAX(file.st_size, (off_t)0), (off_t)PERF_MAP_BYTES_MAX);
	from = file.st_size - (off_t)size;
	text = malloc(size + 1);
	if (text == NULL)
		return NULL;
	/* Another process writes it, and may cut it off. */
	while (used < size && (got = pread(fd, text + used, size - used, from + (off_t)used)) != 0) {
		if (got < 0 && errno != EINTR) {
			free(text);
			return NULL;
		}
		used += got > 0 ? (size_t)got : 0;
	}
	text[used] = '\0';
	line = from > 0 ? memchr(text, '\n', used) : NULL;
	if (line != NULL) {
		used -= (size_t)(line + 1 - text);
		memmove(text, line + 1, used);
	}
	*length = used;
	return text;
}

struct perf_map *perf_map_read(int fd)
{
	struct perf_map *map = calloc(1, sizeof *map);
	struct line *lines = NULL;
	size_t length, most, count;
	int error = ENOMEM;

	if (map == NULL)
		return NULL;
	map->text = read_text(fd, &length);
	if (map->text == NULL) {
		error = errno;
		goto failed;
	}
	most = count_lines(map->text, length);
	lines = malloc((most + 1) * sizeof *lines);
	if (lines == NULL)
		goto failed;
	count = take_lines(map->text, length, lines, most);
	if (count == 0 && length > 0) {
		error = EINVAL;
		goto failed;
	}
	if (!make_ranges(map, lines, count))
		goto failed;
	free(lines);
	return map;
failed:
	free(lines);
	perf_map_free(map);
	errno = error;
	return NULL;
}

void perf_map_free(struct perf_map *map)
{
	if (map == NULL)
		return;
	free(map->text);
	free(map->bounds);
	free(map->names);
	free(map);
}

const char *perf_map_find(struct perf_map *map, uint64_t address)
{
	/* The range that holds the address begins at the last bound which is not above it. */
	size_t above = address < UINT64_MAX ? find_bound(map, address + 1) : map->count;
	char *name;

	if (above == 0 || map->names[above - 1] == NAMELESS)
		return NULL;
	name = map->text + map->names[above - 1];
	if (strlen(name) >= PERF_MAP_NAME_MAX)
		name[PERF_MAP_NAME_MAX - 1] = '\0';
	name[strcspn(name, "\r")] = '\0';
	text_make_printable(name);
	return name;
}
