/*
 * options_table.c -- `weir options`: every setting, for people and for the man pages.
 *
 * All text comes from options.def by way of base/options.h. On a terminal the
 * cells are wrapped to its width ($COLUMNS, if set, says another); where the
 * output goes elsewhere a setting is one line, so that grep finds all of it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/options.h"
#include "base/out.h"
#include "cli/cli.h"

#define GAP 2
#define INDENT 4
#define MDOC_WIDTH 76
#define HELP_WIDTH_MIN 30
#define ALLOWED_WIDTH_MIN 16
#define WIDTH_MAX 10000 /* a COLUMNS beyond is no terminal's width */

enum { VARIABLE, DEFAULT, ALLOWED, HELP, COLUMNS };

struct row {
	char cells[COLUMNS][512];
};

static void cell_begin(struct out *out, char cell[512])
{
	out_init(out, -1, cell, 511);
}

static void cell_end(const struct out *out, char cell[512])
{
	cell[out->used] = '\0';
}

static void fill_row(const struct option_info *option, struct row *row)
{
	struct out out;

	snprintf(row->cells[VARIABLE], sizeof row->cells[VARIABLE], "%s", option->variable);
	snprintf(row->cells[HELP], sizeof row->cells[HELP], "%s", option->help);
	cell_begin(&out, row->cells[DEFAULT]);
	option_write_default(&out, option);
	cell_end(&out, row->cells[DEFAULT]);
	cell_begin(&out, row->cells[ALLOWED]);
	option_write_allowed(&out, option);
	cell_end(&out, row->cells[ALLOWED]);
}

static const struct row headings = {{"VARIABLE", "DEFAULT", "ALLOWED", "WHAT"}};

/* 0: as wide as the text is. */
static size_t output_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	long width = columns != NULL ? strtol(columns, NULL, 10) : 0;

	if (width > 0 && width <= WIDTH_MAX)
		return (size_t)width;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		return size.ws_col;
	return 0;
}

/* How much of text goes on a line of this width: up to a space, or all that fits of a longer word. */
static size_t line_length(const char *text, size_t width)
{
	size_t length = strlen(text), end;

	if (length <= width)
		return length;
	for (end = width; end > 0 && text[end] != ' '; end--)
		;
	return end > 0 ? end : width;
}

static bool is_last_column(const char *const rest[COLUMNS], int column)
{
	for (int i = column + 1; i < COLUMNS; i++)
		if (*rest[i] != '\0')
			return false;
	return true;
}

/* The cells of a row side by side, each wrapped within its width. */
static void print_row(const struct row *row, const size_t widths[COLUMNS])
{
	const char *rest[COLUMNS];
	bool is_more = true;

	for (int i = 0; i < COLUMNS; i++)
		rest[i] = widths[i] > 0 ? row->cells[i] : "";
	while (is_more) {
		size_t owed = 0; /* spaces before the next text */

		is_more = false;
		for (int i = 0; i < COLUMNS; i++) {
			size_t length = line_length(rest[i], widths[i]);
			bool is_last = is_last_column(rest, i);

			if (length > 0)
				printf("%*s%.*s", (int)owed, "", (int)length, rest[i]);
			owed = (length > 0 ? 0 : owed) + widths[i] - length + GAP;
			rest[i] += length;
			rest[i] += strspn(rest[i], " ");
			is_more |= *rest[i] != '\0';
			if (is_last)
				break;
		}
		putchar('\n');
	}
}

/* Text on lines of its own, indented and wrapped. */
static void print_paragraph(const char *text, size_t width)
{
	size_t room = MAX(width, INDENT + HELP_WIDTH_MIN) - INDENT;

	while (*text != '\0') {
		size_t length = line_length(text, room);

		printf("%*s%.*s\n", INDENT, "", (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
}

/* As wide as the widest cell of each column. */
static void measure(size_t widths[COLUMNS])
{
	struct row row;

	for (int c = 0; c < COLUMNS; c++)
		widths[c] = strlen(headings.cells[c]);
	for (unsigned i = 0; i < option_count(); i++) {
		fill_row(option_at(i), &row);
		for (int c = 0; c < COLUMNS; c++)
			widths[c] = MAX(widths[c], strlen(row.cells[c]));
	}
}

static void print_table(size_t width)
{
	size_t widths[COLUMNS], fixed, room;
	bool is_help_beneath = false;
	struct row row;

	measure(widths);
	fixed = widths[VARIABLE] + widths[DEFAULT] + 2 * GAP;
	room = width > fixed ? width - fixed : 0;
	if (width > 0 && widths[ALLOWED] + GAP + widths[HELP] > room) {
		is_help_beneath = room < ALLOWED_WIDTH_MIN + GAP + HELP_WIDTH_MIN;
		if (is_help_beneath) {
			widths[ALLOWED] = MAX(room, ALLOWED_WIDTH_MIN);
			widths[HELP] = 0;
		} else {
			/* A third to what is allowed: most of it is short. */
			widths[ALLOWED] = MIN(widths[ALLOWED], MAX(room / 3, ALLOWED_WIDTH_MIN));
			widths[HELP] = room - widths[ALLOWED] - GAP;
		}
	}

	print_row(&headings, widths);
	for (unsigned i = 0; i < option_count(); i++) {
		fill_row(option_at(i), &row);
		print_row(&row, widths);
		if (is_help_beneath)
			print_paragraph(row.cells[HELP], width);
	}
}

/*
 * Text of a man page, wrapped as its writers wrap it: a backslash is \e, and a
 * line must not begin as a request does.
 */
static void print_mdoc_text(const char *text)
{
	while (*text != '\0') {
		size_t length = line_length(text, MDOC_WIDTH);

		if (*text == '.' || *text == '\'')
			fputs("\\&", stdout);
		for (const char *end = text + length; text < end; text++) {
			if (*text == '\\')
				fputs("\\e", stdout);
			else
				putchar(*text);
		}
		putchar('\n');
		text += strspn(text, " ");
	}
}

static void print_mdoc(void)
{
	char text[sizeof(struct row)];
	struct row row;

	puts(".Bl -tag -width Ds");
	for (unsigned i = 0; i < option_count(); i++) {
		fill_row(option_at(i), &row);
		printf(".It Ev %s\n", row.cells[VARIABLE]);
		snprintf(text, sizeof text, "%s.", row.cells[HELP]);
		print_mdoc_text(text);
		puts(".br");
		snprintf(
		    text, sizeof text, "Default: %s; allowed: %s.", row.cells[DEFAULT], row.cells[ALLOWED]);
		print_mdoc_text(text);
	}
	puts(".El");
}

int verb_options(int argc, char **argv)
{
	static const struct option long_options[] = {
	    {"mdoc", no_argument, NULL, 'm'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	bool is_mdoc = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (option) {
		case 'm':
			is_mdoc = true;
			break;
		case 'h':
			puts(
			    "usage: weir options [--mdoc]\n\n"
			    "Lists every setting: its environment variable, its default, what is allowed and\n"
			    "what it does. On a terminal it is wrapped; elsewhere a setting is one line.\n\n"
			    "      --mdoc  as the table that the man pages include\n"
			    "  -h, --help  say this");
			return finish_output();
		default:
			return wrong_option("options");
		}
	}
	if (optind < argc) {
		complain("options takes no argument, and '%s' is one", argv[optind]);
		return EXIT_USAGE;
	}
	if (is_mdoc)
		print_mdoc();
	else
		print_table(output_width());
	return finish_output();
}
