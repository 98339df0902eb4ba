/*
 * text.c -- pieces of the text form: labels, headings, tables that line up.
 *
 * Called by the text writers, in the dump's signal handler: no allocation, no stdio, little stack.
 */
#include "report/text.h"

#include <string.h>

/* Somebody else's bytes: control characters would speak to the terminal. */
void text_plain(struct out *out, const char *text)
{
	for (; *text != '\0'; text++)
		out_char(out, (unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text);
}

void text_heads(struct out *out, const struct text_column *columns)
{
	for (; columns->name != NULL; columns++) {
		size_t cell = out_cell_begin(out);
		out_str(out, columns->name);
		out_cell_end(out, cell, columns->end);
	}
	out_char(out, '\n');
}

void text_cell_count(struct out *out, uint64_t value, unsigned end)
{
	size_t cell = out_cell_begin(out);
	out_count(out, value);
	out_cell_end(out, cell, end);
}

void text_cell_size(struct out *out, uint64_t bytes, unsigned end)
{
	size_t cell = out_cell_begin(out);
	out_size_human(out, bytes);
	out_cell_end(out, cell, end);
}

void text_cell_duration(struct out *out, double seconds, unsigned end)
{
	size_t cell = out_cell_begin(out);
	out_duration(out, seconds);
	out_cell_end(out, cell, end);
}

void text_label(struct out *out, const char *text)
{
	out_str(out, "  ");
	out_str(out, text);
	out_pad(out, TEXT_LABEL_COLUMN);
}

void text_heading(struct out *out, const char *text)
{
	out_char(out, '\n');
	out_str(out, text);
	out_char(out, '\n');
}

/* Words, going on in the next line at column indent. */
void text_wrapped(struct out *out, const char *text, unsigned indent)
{
	while (*text != '\0') {
		size_t length = strcspn(text, " ");
		if (out->column > indent && out->column + 1 + length > TEXT_LINE_COLUMNS)
			out_char(out, '\n');
		if (out->column != indent)
			out_pad(out, out->column == 0 ? indent : out->column + 1);
		out_bytes(out, text, length);
		text += length;
		text += strspn(text, " ");
	}
	out_char(out, '\n');
}
