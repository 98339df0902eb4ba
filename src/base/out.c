/*
 * out.c -- text to a descriptor or a buffer, without stdio, locale or malloc.
 *
 * Every line that Weir says and every dump goes through here, the latter from
 * a signal handler in a program that may hold any lock. So: no allocation, no
 * locks, only async-signal-safe calls, a few dozen bytes of stack, no
 * floating-point formatting by libc.
 *
 * Invariants: used <= size; once error is set nothing more is accepted, so a
 * text that was cut is a prefix of the whole one. errno is kept by every
 * function. A struct out belongs to one thread.
 */
#include "base/out.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/io.h"

/* A pipe that its owner made non-blocking and that is full: how long one flush
 * waits for a reader before the rest is dropped. */
#define WAIT_STEP_MS 100
#define WAIT_STEPS_MAX 10

/* NOLINTNEXTLINE(readability-non-const-parameter): it is written to, through out->buffer */
void out_init(struct out *out, int fd, char *buffer, size_t size)
{
	*out = (struct out){.fd = fd, .buffer = buffer, .size = size};
}

/*
 * A reader that went away makes write raise SIGPIPE in the calling thread, a file past
 * RLIMIT_FSIZE SIGXFSZ; either would end a program over a line that it never asked for. So both
 * are blocked around the write, and the one that the write itself raised is taken back.
 */
int out_write_once(int fd, const char *bytes, size_t *length)
{
	int saved_errno = errno;
	const uint64_t raised = SIGNAL_BIT(SIGPIPE) | SIGNAL_BIT(SIGXFSZ);
	uint64_t before = 0, pending = 0;
	bool is_blocked = sys_signal_mask(SIG_BLOCK, raised, &before);

	/* One can only have been pending already where the program itself blocks it. */
	if (is_blocked && (before & raised) != 0)
		pending = sys_signals_pending();

	ssize_t n = sys_write(fd, bytes, *length);
	int error = n < 0 ? errno : 0;
	*length = n < 0 ? 0 : (size_t)n;

	uint64_t ours = error == EPIPE ? SIGNAL_BIT(SIGPIPE) : error == EFBIG ? SIGNAL_BIT(SIGXFSZ) : 0;
	if (ours != 0 && is_blocked && (pending & ours) == 0) {
		while (sys_take_signal(ours) < 0 && errno == EINTR)
			;
	}
	if (is_blocked)
		sys_signal_mask(SIG_SETMASK, before, NULL);
	errno = saved_errno;
	return error;
}

static COLD void wait_for_reader(int fd)
{
	int saved_errno = errno;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	sys_poll(&p, 1, WAIT_STEP_MS);
	errno = saved_errno;
}

void out_flush(struct out *out)
{
	if (out->fd < 0)
		return;
	size_t done = 0;
	unsigned waits = 0;
	while (done < out->used && out->error == 0) {
		size_t length = out->used - done;
		int error = out_write_once(out->fd, out->buffer + done, &length);
		done += length;
		if (error == EINTR)
			continue;
		if (error == EAGAIN && waits < WAIT_STEPS_MAX) {
			/* A poll that was interrupted counts as a step too, so this ends. */
			wait_for_reader(out->fd);
			waits++;
			continue;
		}
		if (error == 0 && length == 0)
			error = EIO;
		out->error = error;
	}
	out->used = 0;
}

/* Characters, not bytes: what continues a UTF-8 sequence takes no column. */
static void count_columns(struct out *out, const char *bytes, size_t length)
{
	unsigned column = out->column;
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\n')
			column = 0;
		else if (((unsigned char)bytes[i] & 0xC0) != 0x80)
			column++;
	}
	out->column = column;
}

void out_bytes(struct out *out, const char *bytes, size_t length)
{
	while (length > 0 && out->error == 0) {
		size_t room = out->size - out->used;
		if (room == 0 && out->fd >= 0 && out->size > 0) {
			out_flush(out);
			continue;
		}
		if (room == 0) {
			out->error = ENOSPC;
			return;
		}
		size_t n = MIN(room, length);
		memcpy(out->buffer + out->used, bytes, n);
		count_columns(out, bytes, n);
		out->used += n;
		out->written += n;
		bytes += n;
		length -= n;
	}
}

void out_str(struct out *out, const char *text)
{
	out_bytes(out, text, strlen(text));
}

void out_char(struct out *out, char c)
{
	out_bytes(out, &c, 1);
}

/* Digits of value, at least min_digits of them with zeros in front. */
static void put_digits(struct out *out, uint64_t value, unsigned min_digits)
{
	char digits[20];
	unsigned i = sizeof(digits);
	do {
		digits[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	while (sizeof(digits) - i < min_digits)
		digits[--i] = '0';
	out_bytes(out, digits + i, sizeof(digits) - i);
}

void out_u64(struct out *out, uint64_t value)
{
	put_digits(out, value, 1);
}

void out_count(struct out *out, uint64_t value)
{
	char text[26]; /* 20 digits and 6 commas */
	unsigned i = sizeof(text), digits = 0;
	do {
		if (digits > 0 && digits % 3 == 0)
			text[--i] = ',';
		text[--i] = (char)('0' + value % 10);
		value /= 10;
		digits++;
	} while (value > 0);
	out_bytes(out, text + i, sizeof(text) - i);
}

void out_number_of(struct out *out, uint64_t count, const char *singular)
{
	out_count(out, count);
	out_char(out, ' ');
	out_str(out, singular);
	if (count != 1)
		out_char(out, 's');
}

void out_i64(struct out *out, int64_t value)
{
	if (value < 0)
		out_char(out, '-');
	put_digits(out, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

void out_hex(struct out *out, uint64_t value)
{
	char text[18];
	unsigned i = sizeof(text);
	do {
		text[--i] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value > 0);
	text[--i] = 'x';
	text[--i] = '0';
	out_bytes(out, text + i, sizeof(text) - i);
}

static uint64_t power_of_ten(unsigned exponent)
{
	uint64_t power = 1;
	while (exponent-- > 0)
		power *= 10;
	return power;
}

void out_decimal(struct out *out, double value, unsigned decimals)
{
	/* What is beyond 64 bits is written as the largest that fits: nothing here
	 * is ever near it, and the text stays a number. */
	const double largest = 18446744073709549568.0; /* the double before 2^64 */
	if (__builtin_isnan(value) || __builtin_isinf(value))
		value = 0;
	bool is_negative = value < 0;
	if (is_negative)
		value = -value;
	decimals = MIN(decimals, 9);
	uint64_t whole = UINT64_MAX, fraction = 0;
	if (value <= largest) {
		whole = (uint64_t)value;
		uint64_t unit = power_of_ten(decimals);
		fraction = (uint64_t)((value - (double)whole) * (double)unit + 0.5);
		if (fraction >= unit) { /* always for 0 decimals and .5 */
			fraction -= unit;
			whole++;
		}
	}
	if (is_negative && (whole > 0 || fraction > 0))
		out_char(out, '-');
	put_digits(out, whole, 1);
	if (decimals > 0) {
		out_char(out, '.');
		put_digits(out, fraction, decimals);
	}
}

void out_size_human(struct out *out, uint64_t bytes)
{
	static const char prefixes[] = "KMGTPE";
	if (bytes < 1024) {
		out_u64(out, bytes);
		out_str(out, " B");
		return;
	}
	/* Tenths of the unit, rounded half up; 1023.95 KiB is already 1.0 MiB. */
	unsigned unit = 0;
	uint64_t tenths;
	for (;; unit++) {
		unsigned shift = 10 * (unit + 1);
		uint64_t whole = bytes >> shift, rest = bytes & (((uint64_t)1 << shift) - 1);
		/* rest * 10 fits: rest is below 2^60. */
		tenths = whole * 10 + (rest * 10 + ((uint64_t)1 << (shift - 1))) / ((uint64_t)1 << shift);
		if (tenths < 10240 || prefixes[unit + 1] == '\0')
			break;
	}
	out_u64(out, tenths / 10);
	out_char(out, '.');
	out_u64(out, tenths % 10);
	out_char(out, ' ');
	out_char(out, prefixes[unit]);
	out_str(out, "iB");
}

void out_percent(struct out *out, double share)
{
	out_decimal(out, share * 100, 1);
	out_char(out, '%');
}

/*
 * A civil date from days since 1970-01-01. Years are counted from March, so the
 * leap day is the last of its year; 400 of them have 146097 days.
 */
static void put_date(struct out *out, uint64_t unix_days)
{
	const uint64_t days_before_1970 = 719468; /* since 0000-03-01 */
	uint64_t days = unix_days + days_before_1970;
	uint64_t cycle = days / 146097, in_cycle = days % 146097;
	/* Take out the leap days of the cycle (every 1460 days, but not every 36524, but the last). */
	uint64_t year_of_cycle = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
	uint64_t in_year = in_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
	/* March to July and August to December both have 153 days in five months. */
	uint64_t month_from_march = (5 * in_year + 2) / 153;
	uint64_t day = in_year - (153 * month_from_march + 2) / 5 + 1;
	uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	put_digits(out, cycle * 400 + year_of_cycle + (month <= 2), 4);
	out_char(out, '-');
	put_digits(out, month, 2);
	out_char(out, '-');
	put_digits(out, day, 2);
}

#define DAY_SECONDS (24.0 * 3600)
#define YEAR_SECONDS (365 * DAY_SECONDS)

/* Below a second: tenths of a millisecond only where they are of weight, and are not nought. */
static void put_milliseconds(struct out *out, double seconds)
{
	uint64_t tenths = (uint64_t)(seconds * 10000 + 0.5);

	out_decimal(out, seconds * 1000, tenths >= 1000 || tenths % 10 == 0 ? 0 : 1);
	out_str(out, " ms");
}

void out_duration(struct out *out, double seconds)
{
	static const struct {
		uint64_t large, small;
		const char *large_name, *small_name;
	} units[] = {
	    {24 * 3600, 3600, " d", " h"},
	    {3600, 60, " h", " m"},
	    {60, 1, " m", " s"},
	};

	if (!(seconds > 0)) {
		out_str(out, "0 s");
	} else if (seconds < 0.9995) {
		put_milliseconds(out, seconds);
	} else if (seconds < 59.5) {
		out_decimal(out, seconds, seconds < 9.95 ? 1 : 0);
		out_str(out, " s");
	} else if (seconds > 10000 * YEAR_SECONDS) {
		out_str(out, "over 10,000 y");
	} else if (seconds >= YEAR_SECONDS) {
		out_decimal(out, seconds / YEAR_SECONDS, 1);
		out_str(out, " y");
	} else {
		for (unsigned i = 0; i < ARRAY_LENGTH(units); i++) {
			/* In the smaller unit, rounded: 59.9 m and a bit is 1 h. */
			uint64_t count = (uint64_t)(seconds / (double)units[i].small + 0.5);
			uint64_t in_large = units[i].large / units[i].small;

			if (count < in_large)
				continue;
			out_u64(out, count / in_large);
			out_str(out, units[i].large_name);
			/* Nobody wants the hours of 100 days. */
			if (count % in_large != 0 && !(i == 0 && count / in_large >= 100)) {
				out_char(out, ' ');
				out_u64(out, count % in_large);
				out_str(out, units[i].small_name);
			}
			return;
		}
	}
}

void out_time_left(struct out *out, double seconds)
{
	if (seconds > YEAR_SECONDS)
		out_str(out, "more than a year");
	else
		out_duration(out, seconds);
}

void out_time_rfc3339(struct out *out, uint64_t unix_ns)
{
	uint64_t ms = unix_ns / 1000000;
	uint64_t seconds = ms / 1000 % 86400;
	put_date(out, ms / 1000 / 86400);
	out_char(out, 'T');
	put_digits(out, seconds / 3600, 2);
	out_char(out, ':');
	put_digits(out, seconds / 60 % 60, 2);
	out_char(out, ':');
	put_digits(out, seconds % 60, 2);
	out_char(out, '.');
	put_digits(out, ms % 1000, 3);
	out_char(out, 'Z');
}

/* Length of the well-formed UTF-8 sequence at text (Unicode 15, table 3-7), 0 for none. */
static unsigned utf8_length(const unsigned char *text)
{
	unsigned char lead = text[0], low = 0x80, high = 0xBF;
	unsigned length;
	if (lead < 0x80)
		return 1;
	if (lead >= 0xC2 && lead <= 0xDF)
		length = 2;
	else if (lead >= 0xE0 && lead <= 0xEF)
		length = 3;
	else if (lead >= 0xF0 && lead <= 0xF4)
		length = 4;
	else
		return 0;
	if (lead == 0xE0)
		low = 0xA0; /* shorter forms exist */
	else if (lead == 0xED)
		high = 0x9F; /* surrogates */
	else if (lead == 0xF0)
		low = 0x90;
	else if (lead == 0xF4)
		high = 0x8F; /* beyond U+10FFFF */
	if (text[1] < low || text[1] > high)
		return 0;
	for (unsigned i = 2; i < length; i++)
		if ((text[i] & 0xC0) != 0x80)
			return 0;
	return length;
}

static void put_json_control(struct out *out, unsigned char c)
{
	switch (c) {
	case '\n':
		out_str(out, "\\n");
		break;
	case '\t':
		out_str(out, "\\t");
		break;
	case '\r':
		out_str(out, "\\r");
		break;
	default:
		out_str(out, "\\u00");
		out_char(out, "0123456789abcdef"[c >> 4]);
		out_char(out, "0123456789abcdef"[c & 15]);
	}
}

void out_json_string(struct out *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	out_char(out, '"');
	while (*p != '\0') {
		unsigned length = utf8_length(p);
		if (length == 0) {
			out_str(out, "\xEF\xBF\xBD"); /* U+FFFD */
			length = 1;
		} else if (*p < 0x20 || *p == 0x7F) {
			put_json_control(out, *p);
		} else {
			if (*p == '"' || *p == '\\')
				out_char(out, '\\');
			out_bytes(out, (const char *)p, length);
		}
		p += length;
	}
	out_char(out, '"');
}

/* A cell is pushed to its place where it stands in the buffer: it takes no stack. */
size_t out_cell_begin(struct out *out)
{
	if (out->size - out->used < OUT_CELL_BYTES && out->fd >= 0)
		out_flush(out);
	return out->used;
}

void out_cell_end(struct out *out, size_t begin, unsigned end)
{
	unsigned blanks = out->column < end ? end - out->column : 1;

	/* It was too long, and has gone on as it is; or there is no room any more. */
	if (begin > out->used || out->size - out->used < blanks)
		return;
	memmove(out->buffer + begin + blanks, out->buffer + begin, out->used - begin);
	memset(out->buffer + begin, ' ', blanks);
	out->used += blanks;
	out->written += blanks;
	out->column += blanks;
}

void out_pad(struct out *out, unsigned column)
{
	do
		out_char(out, ' ');
	while (out->column < column && out->error == 0);
}
