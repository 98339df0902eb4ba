/*
 * perf_map_name.c -- what a name in a perf map says: the function, its file and its line.
 *
 * Each compiler has a way of its own: V8's is "KIND:FUNCTION FILE:LINE:COLUMN", with a sign for how well it was
 * compiled, Python's "py::FUNCTION:FILE". What is like neither is a function's name as it stands.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/perf_map.h"

/* Where ":NUMBER" begins that ends at end, or NULL. */
static char *number_before(const char *name, char *end, unsigned *number)
{
	char *p = end;

	while (p > name && p[-1] >= '0' && p[-1] <= '9')
		p--;
	if (p == end || end - p > 9 || p == name || p[-1] != ':')
		return NULL;
	*number = (unsigned)strtoul(p, NULL, 10);
	return p - 1;
}

/* "/srv/app.js", "file:///srv/app.js", "node:fs": does the text begin with a path or a scheme? */
static bool is_file_start(const char *text)
{
	size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz");

	return text[0] == '/' || (scheme > 1 && text[scheme] == ':');
}

/* The blank before the file; both a function's name and a path may hold blanks themselves. */
static char *blank_before_file(char *name)
{
	for (char *p = strchr(name, ' '); p != NULL; p = strchr(p + 1, ' '))
		if (is_file_start(p + 1))
			return p;
	return strrchr(name, ' ');
}

/* V8 says first what kind of code it is, and by a sign how well it is compiled: the same function may be met as several. */
static char *skip_kind(char *name)
{
	static const char *const kinds[] = {"LazyCompile:", "JS:", "Function:", "Script:", "Eval:"};

	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		size_t length = strlen(kinds[i]);

		if (strncmp(name, kinds[i], length) != 0)
			continue;
		name += length;
		if (*name != '\0' && strchr("~^+*", *name) != NULL)
			name++;
		return *name == '\'' ? name + 1 : name;
	}
	return name;
}

/* V8's "KIND:FUNCTION FILE:LINE:COLUMN", and whatever ends like that. */
static bool split_place(char *name, struct perf_map_place *place)
{
	char *end = number_before(name, name + strlen(name), &place->line), *before, *blank;
	unsigned line;

	/* A pattern of a regular expression may be anything. */
	if (end == NULL || strncmp(name, "RegExp:", 7) == 0)
		return false;
	before = number_before(name, end, &line);
	if (before != NULL) {
		end = before;
		place->line = line;
	}
	*end = '\0';
	blank = blank_before_file(name);
	if (blank == NULL || blank + 1 == end) {
		*end = ':';
		return false;
	}
	*blank = '\0';
	place->file = blank + 1;
	place->function = skip_kind(name);
	return true;
}

/* Python's "py::FUNCTION:FILE". */
static bool split_python(char *name, struct perf_map_place *place)
{
	char *colon = strncmp(name, "py::", 4) == 0 ? strchr(name + 4, ':') : NULL;

	if (colon == NULL || colon[1] == '\0')
		return false;
	*colon = '\0';
	place->function = name + 4;
	place->file = colon + 1;
	place->line = 0;
	return true;
}

struct perf_map_place perf_map_split(char *name)
{
	struct perf_map_place place = {.function = name, .file = ""};

	if (!split_python(name, &place) && !split_place(name, &place))
		return (struct perf_map_place){.function = name, .file = ""};
	if (strncmp(place.file, "file://", 7) == 0 && place.file[7] == '/')
		place.file += 7;
	if (place.function[0] == '\0')
		place.function = "(anonymous)";
	return place;
}
