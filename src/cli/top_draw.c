/*
 * top_draw.c -- the terminal: styles, text that is cut to fit, bars and trends.
 *
 * The only part that knows of colours and of what characters the terminal has. Without colours
 * styles are bold, dim or reversed; where the locale is not UTF-8 bars are ASCII. All text
 * that is drawn was made printable by who read it.
 */
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "cli/top.h"

static struct {
	bool is_ascii, has_colours;
} drawing;

enum pair { PAIR_LABEL = 1, PAIR_GOOD, PAIR_WARN, PAIR_BAD, PAIR_TITLE };

static void start_colours(void)
{
	const char *no_color = getenv("NO_COLOR");

	if ((no_color != NULL && no_color[0] != '\0') || !has_colors() || start_color() != OK)
		return;
	use_default_colors();
	init_pair(PAIR_LABEL, COLOR_CYAN, -1);
	init_pair(PAIR_GOOD, COLOR_GREEN, -1);
	init_pair(PAIR_WARN, COLOR_YELLOW, -1);
	init_pair(PAIR_BAD, COLOR_RED, -1);
	init_pair(PAIR_TITLE, COLOR_BLACK, COLOR_CYAN);
	drawing.has_colours = true;
}

bool draw_begin(bool is_ascii)
{
	SCREEN *screen;

	setlocale(LC_CTYPE, "");
	drawing.is_ascii = is_ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL)
		return false;
	set_term(screen);
	/* "dumb", as in an editor's window: there is no way to draw. */
	if (tigetstr("cup") == NULL) {
		endwin();
		delscreen(screen);
		return false;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	start_colours();
	return true;
}

void draw_end(void)
{
	endwin();
}

static attr_t attribute(enum style style)
{
	bool is_colour = drawing.has_colours;

	switch (style) {
	case STYLE_TITLE:
		return is_colour ? (attr_t)COLOR_PAIR(PAIR_TITLE) : A_REVERSE;
	case STYLE_LABEL:
		return is_colour ? (attr_t)COLOR_PAIR(PAIR_LABEL) : A_DIM;
	case STYLE_GOOD:
		return is_colour ? (attr_t)COLOR_PAIR(PAIR_GOOD) : A_NORMAL;
	case STYLE_WARN:
		return is_colour ? (attr_t)COLOR_PAIR(PAIR_WARN) | A_BOLD : A_BOLD;
	case STYLE_BAD:
		return is_colour ? (attr_t)COLOR_PAIR(PAIR_BAD) | A_BOLD : A_BOLD | A_UNDERLINE;
	case STYLE_SELECTED:
		return A_REVERSE;
	case STYLE_HEAD:
		return A_BOLD;
	default:
		return A_NORMAL;
	}
}

int draw_text(int y, int x, int width, enum style style, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	size_t bytes;

	width = MIN(width, COLS - x);
	if (y < 0 || y >= LINES || x < 0 || width <= 0)
		return x;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	bytes = text_fit(text, (size_t)width);
	text[bytes] = '\0';
	for (char *p = text; drawing.is_ascii && *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	attr_set(attribute(style) & A_ATTRIBUTES, (short)PAIR_NUMBER(attribute(style)), NULL);
	mvaddstr(y, x, text);
	attr_set(A_NORMAL, 0, NULL);
	return x + (int)text_width(text);
}

void draw_line(int y, enum style style)
{
	for (int x = 0; x < COLS; x += 64)
		draw_text(y, x, 64, style, "%64s", "");
}

enum style draw_level(unsigned level)
{
	return level >= 2 ? STYLE_BAD : level == 1 ? STYLE_WARN : STYLE_GOOD;
}

void draw_bar(int y, int x, int width, double share, enum style style)
{
	static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	int inner = width - 2, eighths, at = x + 1;

	if (inner < 1)
		return;
	share = isfinite(share) ? fmin(fmax(share, 0), 1) : 0;
	eighths = (int)lround(share * inner * 8);
	if (drawing.is_ascii) /* whole ones only, and a little is not nothing */
		eighths = share > 0 ? MAX((eighths + 4) / 8, 1) * 8 : 0;
	draw_text(y, x, width, STYLE_LABEL, "[%*s]", inner, "");
	for (int i = 0; i < eighths / 8; i++)
		at = draw_text(y, at, 1, style, drawing.is_ascii ? "|" : "█");
	if (!drawing.is_ascii && eighths % 8 != 0)
		draw_text(y, at, 1, style, "%s", parts[eighths % 8]);
}

void draw_chart(int y, int x, int width, int lines, const double *values, size_t count, enum style style)
{
	static const char *const steps[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const plain[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
	size_t skip = count > (size_t)width ? count - (size_t)width : 0;

	for (size_t i = skip; i < count; i++) {
		double value = isfinite(values[i]) ? fmin(fmax(values[i], 0), 1) : 0;
		int eighths = (int)lround(value * lines * 8);

		for (int line = 0; line < lines; line++) {
			int filled = eighths - (lines - 1 - line) * 8;
			int step = filled < 0 ? 0 : MIN(filled, 8);

			draw_text(y + line, x, 1, style, "%s", drawing.is_ascii ? plain[step] : steps[step]);
		}
		x++;
	}
}

void draw_trend(int y, int x, int width, const double *values, size_t count, enum style style)
{
	draw_chart(y, x, width, 1, values, count, style);
}

int draw_wrapped(int y, int last, int x, int width, const char *text)
{
	while (*text != '\0' && y < last) {
		size_t length = text_fit(text, (size_t)width);

		if (text[length] != '\0')
			while (length > 0 && text[length] != ' ')
				length--;
		if (length == 0)
			length = text_fit(text, (size_t)width);
		draw_text(y++, x, width, STYLE_PLAIN, "%.*s", (int)length, text);
		text += length;
		while (*text == ' ')
			text++;
	}
	return y;
}
