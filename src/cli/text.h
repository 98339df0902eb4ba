/*
 * text.h -- text for people: made printable, with units, to the width of a terminal.
 */
#ifndef WEIR_CLI_TEXT_H
#define WEIR_CLI_TEXT_H

#include <stdio.h>

#include "base/compiler.h"

#define TEXT_FIGURE_MAX 32

/* In place: every character that a terminal or a page would obey instead of showing it, and
 * every byte that is not UTF-8, becomes a question mark. text never gets longer. */
void text_make_printable(char *text);

/* Add to what stands in text, as printf would, as far as size allows; returns text. A
 * character that is cut through becomes a question mark. */
char *text_append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "12.5 MiB", "512 B"; "-" for NAN. Each returns figure. */
char *text_bytes(char figure[TEXT_FIGURE_MAX], double bytes);
/* The same with a sign: "+1.2 MiB". */
char *text_bytes_signed(char figure[TEXT_FIGURE_MAX], double bytes);
/* "1,234,567" of what may be an estimate; "-" for NAN. */
char *text_count(char figure[TEXT_FIGURE_MAX], double count);
/* The same with the name of what is counted: "1 object", "1,234,567 objects". */
char *text_number_of(char figure[TEXT_FIGURE_MAX], double count, const char *name);
/* As out_duration() and out_time_left() put it; "-" for NAN. */
char *text_duration(char figure[TEXT_FIGURE_MAX], double seconds);
char *text_time_left(char figure[TEXT_FIGURE_MAX], double seconds);
/* "62.0%"; "-" for NAN. */
char *text_percent(char figure[TEXT_FIGURE_MAX], double share);

#define TEXT_REASON_MAX 64
/* "MIXTURE_LEAK, 91.0% sure"; where the reason is that too little is known, it alone. */
char *text_reason(char text[TEXT_REASON_MAX], const char *reason, double confidence);

/* Columns of a terminal that UTF-8 text takes, near enough: a character is one, a wide one of East Asia two. */
size_t text_width(const char *text);
/* Bytes of text that take at most so many columns. */
size_t text_fit(const char *text, size_t columns);

/*
 * Columns of the terminal that file is, or $COLUMNS if that is set; otherwise, for a file
 * or pipe, 100. Never below 40.
 */
size_t text_columns(FILE *file);

/* Words of text on lines of at most columns, each line but the first after so many spaces; then a newline. */
void text_wrap(FILE *to, const char *text, size_t indent, size_t columns, size_t used);

#endif
