/*
 * dump_value.c -- the values of a dump: each has its type and range, or is refused.
 *
 * Called by dump_parse.c only. Texts lose whatever could move a terminal's
 * cursor or turn the direction of writing. Numbers are read as doubles: exact to
 * 2^53, and no count of a real process is past that but the largest 64-bit one,
 * which says "no limit".
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/dump_reader.h"
#include "cli/text.h"

#define BEYOND_COUNT 18446744073709551616.0 /* 2^64 */
#define REAL_MAX 1e20			    /* what the writer prints at most is 2^64 */

bool reader_refuse(struct reader *reader, const char *format, ...)
{
	va_list arguments;
	char text[256];

	if (reader->why[0] != '\0')
		return false;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	snprintf(reader->why, reader->why_size, "%s: %s", reader->name, text);
	text_make_printable(reader->why);
	return false;
}

void *reader_take(struct reader *reader, size_t size)
{
	struct dump_block *block = calloc(1, sizeof *block + size);

	if (block == NULL) {
		reader_refuse(reader, "there is no memory for it");
		return NULL;
	}
	block->next = reader->dump->blocks;
	reader->dump->blocks = block;
	return block->bytes;
}

const char *reader_printable(struct reader *reader, const char *text)
{
	char *copy = reader_take(reader, strlen(text) + 1);

	if (copy == NULL)
		return NULL;
	strcpy(copy, text);
	text_make_printable(copy);
	return copy;
}

const char *value_kind(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "null";
	}
}

const char *value_wanted(enum type type)
{
	static const char *const names[] = {
	    [COUNT] = "a whole number from 0 below 2^64",
	    [REAL] = "a number from 0 to 1e20",
	    [SIGNED] = "a number between -1e20 and 1e20",
	    [SHARE] = "a number from 0 to 1",
	    [TEXT] = "a text",
	    [TIME] = "a time",
	    [LEVEL] = "LOW, MEDIUM or HIGH",
	    [BOOL] = "true or false",
	    [ADDRESS] = "an address",
	    [NAME] = "a text or a whole number",
	};
	return names[type];
}

bool value_is_whole(const json_t *value)
{
	double number = json_number_value(value);

	return json_is_number(value) && number >= 0 && number <= BEYOND_COUNT && floor(number) == number;
}

uint64_t value_whole(const json_t *value)
{
	double number = json_number_value(value);

	return number >= BEYOND_COUNT ? UINT64_MAX : (uint64_t)number;
}

static bool is_between(const json_t *value, double least, double most, double *number)
{
	*number = json_number_value(value) + 0.0; /* -0 becomes 0 */
	return json_is_number(value) && *number >= least && *number <= most;
}

/* "0x7f12": at most 64 bits. */
static bool read_address(const json_t *value, uint64_t *address)
{
	const char *text = json_string_value(value);
	char *end;

	if (value_is_whole(value)) {
		*address = value_whole(value);
		return true;
	}
	if (text == NULL || strncmp(text, "0x", 2) != 0 || text[2] == '\0' ||
	    strspn(text + 2, "0123456789abcdefABCDEF") != strlen(text + 2))
		return false;
	errno = 0;
	*address = strtoull(text, &end, 16);
	return errno == 0;
}

static bool read_level(const json_t *value, enum dump_level *level)
{
	const char *text = json_string_value(value);

	for (enum dump_level i = LEVEL_LOW; text != NULL && i <= LEVEL_HIGH; i++)
		if (strcmp(text, dump_level_name(i)) == 0) {
			*level = i;
			return true;
		}
	return false;
}

static bool read_text(struct reader *reader, const json_t *value, const char **text)
{
	if (!json_is_string(value))
		return false;
	*text = reader_printable(reader, json_string_value(value));
	return *text != NULL;
}

static bool read_name(struct reader *reader, const json_t *value, const char **text)
{
	char *digits;

	if (!value_is_whole(value))
		return read_text(reader, value, text);
	digits = reader_take(reader, 24);
	if (digits == NULL)
		return false;
	snprintf(digits, 24, "%llu", (unsigned long long)value_whole(value));
	*text = digits;
	return true;
}

bool value_read(struct reader *reader, const json_t *value, enum type type, void *to)
{
	switch (type) {
	case COUNT:
		*(uint64_t *)to = value_whole(value);
		return value_is_whole(value);
	case REAL:
		return is_between(value, 0, REAL_MAX, to);
	case SIGNED:
		return is_between(value, -REAL_MAX, REAL_MAX, to);
	case SHARE:
		return is_between(value, 0, 1, to);
	case TEXT:
	case TIME:
		return read_text(reader, value, to);
	case NAME:
		return read_name(reader, value, to);
	case LEVEL:
		return read_level(value, to);
	case BOOL:
		*(bool *)to = json_is_true(value);
		return json_is_boolean(value);
	case ADDRESS:
		return read_address(value, to);
	}
	return false;
}

void value_set_absent(enum type type, void *to)
{
	if (type == REAL || type == SIGNED || type == SHARE)
		*(double *)to = NAN;
	else if (type == TEXT || type == TIME || type == NAME)
		*(const char **)to = "";
	/* The rest is zero, as reader_take() gives it. */
}
