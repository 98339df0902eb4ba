/*
 * text.c -- pieces of the text form: labels, headings, tables that line up.
 *
 * Called by the text writers, in the dump's signal handler: no allocation, no stdio; a cell of a
 * table is built in 40 bytes of stack.
 */
#include "report/text.h"

#include <string.h>

/* Somebody else's bytes: control characters would speak to the terminal. */
void text_plain(struct out *out, const char *text)
{
	for (; *text != '\0'; text++)
		out_char(out, (unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text);
}

struct out *text_cell_begin(struct text_cell *cell)
{
	out_init(&cell->out, -1, cell->text, sizeof(cell->text));
	return &cell->out;
}

void text_cell_end(struct text_cell *cell, struct out *out, unsigned end)
{
	out_pad(out, end - MIN(end, cell->out.column));
	out_bytes(out, cell->text, cell->out.used);
}

void text_cell_str(struct out *out, const char *text, unsigned end)
{
	struct text_cell cell;
	out_str(text_cell_begin(&cell), text);
	text_cell_end(&cell, out, end);
}

void text_cell_count(struct out *out, uint64_t value, unsigned end)
{
	struct text_cell cell;
	out_count(text_cell_begin(&cell), value);
	text_cell_end(&cell, out, end);
}

void text_cell_size(struct out *out, uint64_t bytes, unsigned end)
{
	struct text_cell cell;
	out_size_human(text_cell_begin(&cell), bytes);
	text_cell_end(&cell, out, end);
}

void text_cell_duration(struct out *out, double seconds, unsigned end)
{
	struct text_cell cell;
	out_duration(text_cell_begin(&cell), seconds);
	text_cell_end(&cell, out, end);
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
