/*
 * text.c -- text for people: made printable, with units, to the width of a terminal.
 *
 * Used by the verbs that show dumps. Pure but for text_columns(), which asks the
 * terminal, and text_wrap(), which prints. Nothing here depends on the locale.
 */
#include "cli/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/out.h"

#define COLUMNS_MIN 40
#define COLUMNS_MAX 10000 /* a COLUMNS beyond is no terminal's width */
#define COLUMNS_DEFAULT 100

/*
 * The length of the UTF-8 character at p where it would be obeyed instead of shown, else 0:
 * the controls of ASCII and of Latin 1, line separators, and what turns or hides text.
 */
static size_t control_length(const unsigned char *p)
{
	if (*p < 0x20 || *p == 0x7F)
		return 1;
	if (p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)
		return 2;
	if (p[0] == 0xD8 && p[1] == 0x9C)
		return 2; /* U+061C */
	if (p[0] == 0xE2 && p[1] == 0x80 &&
	    ((p[2] >= 0x8B && p[2] <= 0x8F) || (p[2] >= 0xA8 && p[2] <= 0xAE)))
		return 3; /* U+200B to 200F, U+2028 to 202E */
	if (p[0] == 0xE2 && p[1] == 0x81 && p[2] >= 0xA0 && p[2] <= 0xAF)
		return 3; /* U+2060 to 206F */
	if (p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF)
		return 3; /* U+FEFF */
	return 0;
}

/* The length of the UTF-8 character at p; 0 where there is none. */
static size_t utf8_length(const unsigned char *p)
{
	size_t length = *p < 0x80		  ? 1
			: *p >= 0xC2 && *p < 0xE0 ? 2
			: *p >= 0xE0 && *p < 0xF0 ? 3
			: *p >= 0xF0 && *p < 0xF5 ? 4
						  : 0;

	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	/* Longer than need be, a surrogate, or past U+10FFFF. */
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] >= 0xA0) ||
	    (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] >= 0x90))
		return 0;
	return length;
}

void text_make_printable(char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p != '\0') {
		size_t control = control_length(p), length = utf8_length(p);

		if (control > 0 || length == 0) {
			*text++ = '?';
			p += MAX(control, 1);
			continue;
		}
		memmove(text, p, length);
		text += length;
		p += length;
	}
	*text = '\0';
}

char *text_append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	if (vsnprintf(text + used, size - used, format, arguments) >= (int)(size - used))
		text_make_printable(text);
	va_end(arguments);
	return text;
}

static char *unknown(char figure[TEXT_FIGURE_MAX])
{
	return strcpy(figure, "-");
}

char *text_bytes(char figure[TEXT_FIGURE_MAX], double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;

	if (!isfinite(bytes))
		return unknown(figure);
	/* 1023.95 would be printed as 1024.0. */
	while (fabs(bytes) >= (unit == 0 ? 1024 : 1023.95) && unit + 1 < ARRAY_LENGTH(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(figure, TEXT_FIGURE_MAX, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
	return figure;
}

char *text_bytes_signed(char figure[TEXT_FIGURE_MAX], double bytes)
{
	char size[TEXT_FIGURE_MAX];

	if (!isfinite(bytes))
		return unknown(figure);
	text_bytes(size, fabs(bytes));
	snprintf(figure, TEXT_FIGURE_MAX, "%s%.30s", bytes > 0 ? "+" : bytes < 0 ? "-" : "", size);
	return figure;
}

char *text_count(char figure[TEXT_FIGURE_MAX], double count)
{
	char digits[TEXT_FIGURE_MAX];
	size_t length, used = 0;

	if (!isfinite(count))
		return unknown(figure);
	if (fabs(count) >= 1e15) {
		snprintf(figure, TEXT_FIGURE_MAX, "%.3g", count);
		return figure;
	}
	snprintf(digits, sizeof digits, "%.0f", fabs(count));
	length = strlen(digits);
	if (count < 0 && strcmp(digits, "0") != 0)
		figure[used++] = '-';
	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			figure[used++] = ',';
		figure[used++] = digits[i];
	}
	figure[used] = '\0';
	return figure;
}

char *text_number_of(char figure[TEXT_FIGURE_MAX], double count, const char *name)
{
	text_count(figure, count);
	return text_append(figure, TEXT_FIGURE_MAX, " %s%s", name, strcmp(figure, "1") == 0 ? "" : "s");
}

static char *time_text(char figure[TEXT_FIGURE_MAX], double seconds, void (*put)(struct out *, double))
{
	struct out out;

	if (!isfinite(seconds) || seconds < 0)
		return unknown(figure);
	out_init(&out, -1, figure, TEXT_FIGURE_MAX - 1);
	put(&out, seconds);
	figure[out.used] = '\0';
	return figure;
}

char *text_duration(char figure[TEXT_FIGURE_MAX], double seconds)
{
	return time_text(figure, seconds, out_duration);
}

char *text_time_left(char figure[TEXT_FIGURE_MAX], double seconds)
{
	return time_text(figure, seconds, out_time_left);
}

char *text_percent(char figure[TEXT_FIGURE_MAX], double share)
{
	if (!isfinite(share))
		return unknown(figure);
	snprintf(figure, TEXT_FIGURE_MAX, "%.1f%%", share * 100);
	return figure;
}

char *text_reason(char text[TEXT_REASON_MAX], const char *reason, double confidence)
{
	char sure[TEXT_FIGURE_MAX];

	if (strcmp(reason, "INSUFFICIENT_DATA") == 0)
		snprintf(text, TEXT_REASON_MAX, "%s", reason);
	else
		snprintf(text, TEXT_REASON_MAX, "%.30s, %s sure", reason, text_percent(sure, confidence));
	return text;
}

/* Bytes and columns of the character at text, which is not at its end. */
static size_t character(const char *text, size_t *columns)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned code = *p;
	size_t length = 1;

	if (*p >= 0xC0)
		for (code = *p & (*p >= 0xF0	  ? 0x07u
				     : *p >= 0xE0 ? 0x0Fu
						  : 0x1Fu);
		     length < 4 && (p[length] & 0xC0) == 0x80; length++)
			code = code << 6 | (p[length] & 0x3Fu);
	*columns = (code >= 0x300 && code < 0x370) ? 0 /* combining */
		   : (code >= 0x1100 && code < 0x1160) || (code >= 0x2E80 && code < 0xA4D0) ||
			   (code >= 0xAC00 && code < 0xD7A4) || (code >= 0xF900 && code < 0xFB00) ||
			   (code >= 0xFE30 && code < 0xFE70) || (code >= 0xFF00 && code < 0xFF61) ||
			   (code >= 0x1F300 && code < 0x1F650) || (code >= 0x1F900 && code < 0x1FA00) ||
			   (code >= 0x20000 && code < 0x3FFFE)
		       ? 2
		       : 1;
	return length;
}

size_t text_fit(const char *text, size_t columns)
{
	size_t used = 0, bytes = 0, width;

	while (text[bytes] != '\0') {
		size_t length = character(text + bytes, &width);

		if (used + width > columns)
			break;
		used += width;
		bytes += length;
	}
	return bytes;
}

size_t text_width(const char *text)
{
	size_t used = 0, width;

	while (*text != '\0') {
		text += character(text, &width);
		used += width;
	}
	return used;
}

size_t text_columns(FILE *file)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	long width = columns != NULL ? strtol(columns, NULL, 10) : 0;

	if (width > 0 && width <= COLUMNS_MAX)
		return MAX((size_t)width, COLUMNS_MIN);
	if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return MAX(size.ws_col, COLUMNS_MIN);
	return COLUMNS_DEFAULT;
}

void text_wrap(FILE *to, const char *text, size_t indent, size_t columns, size_t used)
{
	bool is_line_empty = true;

	while (*text != '\0') {
		size_t length = strcspn(text, " "), width;
		char word[512];

		snprintf(word, sizeof word, "%.*s", (int)MIN(length, sizeof word - 1), text);
		width = text_width(word);
		if (!is_line_empty && used + 1 + width > columns) {
			fprintf(to, "\n%*s", (int)indent, "");
			used = indent;
			is_line_empty = true;
		}
		if (length > 0) {
			fprintf(to, "%s%.*s", is_line_empty ? "" : " ", (int)length, text);
			used += width + (is_line_empty ? 0 : 1);
			is_line_empty = false;
		}
		text += length;
		text += strspn(text, " ");
	}
	putc('\n', to);
}
