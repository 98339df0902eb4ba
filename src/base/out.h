/*
 * out.h -- text to a descriptor or a buffer, without stdio, locale or malloc.
 *
 * Everything here may be called from a signal handler. Writes retry on EINTR
 * and short counts; the first real error is kept in ->error and the rest is
 * dropped.
 */
#ifndef WEIR_BASE_OUT_H
#define WEIR_BASE_OUT_H

#include "base/compiler.h"

struct out {
	int fd;	   /* -1: stay in the buffer; what does not fit is dropped and ->error is ENOSPC */
	int error; /* 0, or the first errno */
	size_t used;
	size_t size;
	char *buffer;	  /* the caller's */
	uint64_t written; /* bytes accepted in all */
	unsigned column;  /* characters since the last newline */
};

void out_init(struct out *out, int fd, char *buffer, size_t size);
void out_bytes(struct out *out, const char *bytes, size_t length);
void out_str(struct out *out, const char *text);
void out_char(struct out *out, char c);
void out_u64(struct out *out, uint64_t value);
/* 1,234,567: for people */
void out_count(struct out *out, uint64_t value);
/* "3 buffers", "1 buffer" */
void out_number_of(struct out *out, uint64_t count, const char *singular);
void out_i64(struct out *out, int64_t value);
void out_hex(struct out *out, uint64_t value); /* with 0x */
/* Fixed point, rounded half up, 0..9 decimals; NaN and infinities print as 0. */
void out_decimal(struct out *out, double value, unsigned decimals);
/* "12.5 MiB", "512 B": one decimal from KiB up. */
void out_size_human(struct out *out, uint64_t bytes);
/* "62.0%" */
void out_percent(struct out *out, double share);
/* "15.6 ms", "250 ms", "4.2 s", "45 s", "12 m 5 s", "3 h 4 m", "2 d 3 h", "140 d", "6.9 y" of 365 days; "0 s" for NAN */
void out_duration(struct out *out, double seconds);
/* The same of a time that is foretold, not measured: past a year "more than a year". */
void out_time_left(struct out *out, double seconds);
/* 2026-01-31T23:59:59.125Z */
void out_time_rfc3339(struct out *out, uint64_t unix_ns);
/* A quoted JSON string; bytes that are not UTF-8 become U+FFFD. */
void out_json_string(struct out *out, const char *text);
/* Pad with spaces to a column counted in characters from the last newline; at
 * least one space where the column has been passed already. */
void out_pad(struct out *out, unsigned column);
/*
 * A cell of a table: what is written between these two, a line's part of at most
 * OUT_CELL_BYTES with the blanks before it, is moved to the right so that it ends at column
 * end; at least one blank stands before it.
 */
#define OUT_CELL_BYTES 128
size_t out_cell_begin(struct out *out);
void out_cell_end(struct out *out, size_t begin, unsigned end);
void out_flush(struct out *out);

/* One write(2) that cannot kill the program by SIGPIPE: 0, or the errno. *length
 * comes back as what was written. Keeps errno. */
int out_write_once(int fd, const char *bytes, size_t *length);

#endif
