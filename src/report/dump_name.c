/*
 * dump_name.c -- from WEIR_DUMP to the path of one file.
 *
 * Called by the dump, in a signal handler: pure, no allocation, no libc but
 * memory and string functions. The program's name comes from the file system
 * and may hold anything, so it cannot add a folder or a control byte to a path.
 */
#include "report/dump_name.h"

#include <string.h>

#include "base/out.h"

static void put_program(struct out *out, const char *exe)
{
	const char *slash = strrchr(exe, '/');
	const char *name = slash != NULL ? slash + 1 : exe;
	if (*name == '\0')
		name = "unknown";
	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;
		out_char(out, c < 0x20 || c == 0x7f ? '_' : *name);
	}
}

/* 2026-01-31T23:59:59.125Z without what a shell or a file system may stumble over. */
static void put_time(struct out *out, uint64_t unix_ns)
{
	char text[40];
	struct out whole;
	out_init(&whole, -1, text, sizeof(text));
	out_time_rfc3339(&whole, unix_ns);
	for (size_t i = 0; i < whole.used && text[i] != '.'; i++)
		if (text[i] != '-' && text[i] != ':')
			out_char(out, text[i]);
	out_char(out, 'Z');
}

bool dump_name_is_numbered(const char *pattern)
{
	for (const char *p = pattern; (p = strchr(p, '%')) != NULL && p[1] != '\0'; p += 2)
		if (p[1] == 'n')
			return true;
	return false;
}

static bool has_ending(const struct out *out, const char *ending)
{
	size_t length = strlen(ending);
	return out->used >= length && memcmp(out->buffer + out->used - length, ending, length) == 0;
}

/* Without the ending that the pattern's writer had in mind: in "x.txt" the JSON of a dump is x.json. */
static void drop_ending(struct out *out, const struct dump_name *name)
{
	static const char *const endings[] = {".txt", ".json", ".om"};
	struct out pattern = {.buffer = (char *)(uintptr_t)name->pattern, .used = strlen(name->pattern)};

	if (*name->ending == '\0')
		return;
	if (has_ending(out, name->ending)) {
		out->used -= strlen(name->ending);
		return;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(endings); i++)
		if (has_ending(&pattern, endings[i])) {
			out->used -= strlen(endings[i]);
			return;
		}
}

bool dump_name_expand(char *path, size_t size, const struct dump_name *name, uint64_t number)
{
	struct out out;
	if (size == 0)
		return false;
	out_init(&out, -1, path, size - 1);

	for (const char *p = name->pattern; *p != '\0'; p++) {
		if (*p != '%' || p[1] == '\0') {
			out_char(&out, *p);
			continue;
		}
		switch (*++p) {
		case 'e':
			put_program(&out, name->exe);
			break;
		case 'p':
			out_u64(&out, name->pid);
			break;
		case 'n':
			out_u64(&out, number);
			break;
		case 't':
			put_time(&out, name->unix_ns);
			break;
		case '%':
			out_char(&out, '%');
			break;
		default:
			out_char(&out, '%');
			out_char(&out, *p);
			break;
		}
	}

	drop_ending(&out, name);
	if (number != 0 && !dump_name_is_numbered(name->pattern)) {
		out_char(&out, '.');
		out_u64(&out, number);
	}
	out_str(&out, name->ending);
	if (out.error != 0)
		return false;
	path[out.used] = '\0';
	return true;
}

#define NAME_MAX_BYTES 255

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Of the places in name that were reached, those that are reached by one more of what a conversion stands for. */
static void go_on(bool reached[NAME_MAX_BYTES + 1], const char *name, size_t length, bool is_number)
{
	bool is_within = false;

	for (size_t i = 0; i <= length; i++) {
		bool was = reached[i];

		reached[i] = is_within;
		is_within = (is_within || was) && (!is_number || is_digit(name[i]));
	}
}

static void go_past(bool reached[NAME_MAX_BYTES + 1], const char *name, size_t length, char literal)
{
	for (size_t i = length + 1; i-- > 1;)
		reached[i] = reached[i - 1] && name[i - 1] == literal;
	reached[0] = false;
}

bool dump_name_matches(const char *pattern, const char *name)
{
	bool reached[NAME_MAX_BYTES + 1] = {true};
	size_t length = strlen(name);

	if (length > NAME_MAX_BYTES)
		return false;
	for (const char *p = pattern; *p != '\0'; p++) {
		char c = *p == '%' ? p[1] : '\0';

		if (c == 'e' || c == 't' || c == 'p' || c == 'n')
			go_on(reached, name, length, c == 'p' || c == 'n');
		else
			go_past(reached, name, length, *p);
		if (c == 'e' || c == 't' || c == 'p' || c == 'n' || c == '%')
			p++;
	}
	return reached[length];
}
