/*
 * option_value.c -- the spellings of a setting's value, both ways.
 *
 * What is written here is what the parser takes, so a value can be copied out
 * of a dump into an environment. Parsing is exact: every byte has to belong,
 * what does not fit 64 bits is too large and not something else, and case does
 * not matter. Only memory of the caller is touched; safe in a signal handler.
 */
#include "base/option_value.h"

#include <string.h>

#define DECIMALS_MAX 9

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Is text, up to length, word (lower case)? */
static bool is_word(const char *text, size_t length, const char *word)
{
	size_t i = 0;
	while (i < length && word[i] != '\0' && to_lower(text[i]) == word[i])
		i++;
	return i == length && word[i] == '\0';
}

/* --- numbers --- */

/* whole + fraction / 10^9, and what follows it. */
struct number {
	uint64_t whole;
	uint64_t fraction;
	bool has_point;
	bool is_too_large;
	const char *rest;
};

/* Digits, or digits with a point and at least one digit after it; false where text starts otherwise. */
static bool parse_number(const char *text, struct number *number)
{
	*number = (struct number){0};
	const char *p = text;
	for (; is_digit(*p); p++) {
		number->is_too_large |= __builtin_mul_overflow(number->whole, 10, &number->whole);
		number->is_too_large |=
		    __builtin_add_overflow(number->whole, (uint64_t)(*p - '0'), &number->whole);
	}
	bool has_digits = p > text;
	if (*p == '.') {
		p++;
		unsigned decimals = 0;
		for (; is_digit(*p); p++, decimals++) {
			if (decimals == DECIMALS_MAX)
				return false; /* more than can be kept exactly */
			number->fraction = number->fraction * 10 + (uint64_t)(*p - '0');
		}
		if (decimals == 0)
			return false;
		for (; decimals < DECIMALS_MAX; decimals++)
			number->fraction *= 10;
		number->has_point = has_digits = true;
	}
	number->rest = p;
	return has_digits;
}

/* number times unit, rounded down. */
static bool scale_number(const struct number *number, uint64_t unit, uint64_t *value)
{
	unsigned __int128 product =
	    (unsigned __int128)number->whole * unit + (unsigned __int128)number->fraction * unit / SECOND;
	_Static_assert(SECOND == 1000000000, "10^DECIMALS_MAX");
	*value = (uint64_t)product;
	return !number->is_too_large && product <= UINT64_MAX;
}

static double number_as_double(const struct number *number)
{
	if (number->is_too_large)
		return __builtin_inf();
	return (double)number->whole + (double)number->fraction / 1e9;
}

struct unit {
	const char *name;
	uint64_t value;
};

static const struct unit size_units[] = {
    {"t", 1024 * GIB},
    {"g", GIB},
    {"m", MIB},
    {"k", KIB},
    {"", 1},
    {"tib", 1024 * GIB},
    {"gib", GIB},
    {"mib", MIB},
    {"kib", KIB},
    {"b", 1},
    {NULL, 0},
};
static const struct unit duration_units[] = {
    {"h", HOUR},
    {"m", MINUTE},
    {"s", SECOND},
    {"ms", MILLISECOND},
    {"", SECOND},
    {NULL, 0},
};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

/* What 0 stands for where the smallest is 0, and the least number that can be said then. */
static const char *zero_name(const struct option_info *option)
{
	return option->type == OPTION_DURATION ? "off" : "auto";
}

static uint64_t least_number(const struct option_info *option)
{
	if (option->smallest != 0)
		return (uint64_t)option->smallest;
	return option->type == OPTION_DURATION ? SECOND : 1;
}

static enum option_fault parse_with_unit(
    const struct option_info *option, const struct unit *units, const char *text, uint64_t *value)
{
	if (option->smallest == 0 && is_word(text, strlen(text), zero_name(option))) {
		*value = 0;
		return OPTION_OK;
	}
	struct number number;
	if (!parse_number(text, &number))
		return OPTION_NOT_UNDERSTOOD;
	while (units->name != NULL && !is_word(number.rest, strlen(number.rest), units->name))
		units++;
	if (units->name == NULL || (number.has_point && units->value == 1))
		return OPTION_NOT_UNDERSTOOD;
	uint64_t parsed;
	if (!scale_number(&number, units->value, &parsed) || parsed > (uint64_t)option->largest)
		return OPTION_TOO_LARGE;
	/* 0 stands for auto or off inside, so it cannot be said as a number. */
	if (parsed < least_number(option))
		return OPTION_TOO_SMALL;
	*value = parsed;
	return OPTION_OK;
}

static enum option_fault parse_double(const struct option_info *option, const char *text, double *value)
{
	struct number number;
	if (!parse_number(text, &number))
		return OPTION_NOT_UNDERSTOOD;
	double parsed = number_as_double(&number);
	if (option->type == OPTION_SHARE && *number.rest == '%') {
		parsed /= 100;
		number.rest++;
	}
	if (*number.rest != '\0')
		return OPTION_NOT_UNDERSTOOD;
	if (parsed > option->largest)
		return OPTION_TOO_LARGE;
	if (parsed < option->smallest)
		return OPTION_TOO_SMALL;
	*value = parsed;
	return OPTION_OK;
}

/* --- words --- */

static enum option_fault parse_bool(const char *text, bool *value)
{
	static const char *const yes[] = {"on", "yes", "true", "1"}, *const no[] = {
									 "off", "no", "false", "0"};
	size_t length = strlen(text);
	for (unsigned i = 0; i < ARRAY_LENGTH(yes); i++) {
		if (is_word(text, length, yes[i]) || is_word(text, length, no[i])) {
			*value = is_word(text, length, yes[i]);
			return OPTION_OK;
		}
	}
	return OPTION_NOT_UNDERSTOOD;
}

static bool parse_choice(const struct option_info *option, const char *text, size_t length, unsigned *value)
{
	for (unsigned i = 0; i < option->choice_count; i++) {
		if (is_word(text, length, option->choices[i])) {
			*value = i;
			return true;
		}
	}
	return false;
}

static enum option_fault parse_choices(const struct option_info *option, const char *text, unsigned *value)
{
	unsigned bits = 0, choice;
	for (;;) {
		const char *comma = strchr(text, ',');
		size_t length = comma != NULL ? (size_t)(comma - text) : strlen(text);
		if (!parse_choice(option, text, length, &choice))
			return OPTION_NOT_UNDERSTOOD;
		bits |= 1U << choice;
		if (comma == NULL)
			break;
		text = comma + 1;
	}
	*value = bits;
	return OPTION_OK;
}

/* --- signals --- */

/* Whether a signal may start a dump: not where it cannot be caught, where it is
 * raised by a fault of the running instruction (going on would run it again),
 * or where ignoring it is what programs live by (CHLD, job control). */
static const struct {
	const char *name;
	int number;
	bool is_allowed;
} signals[] = {
    {"hup", SIGHUP, true},
    {"int", SIGINT, true},
    {"quit", SIGQUIT, true},
    {"ill", SIGILL, false},
    {"trap", SIGTRAP, false},
    {"abrt", SIGABRT, false},
    {"iot", SIGABRT, false},
    {"bus", SIGBUS, false},
    {"fpe", SIGFPE, false},
    {"kill", SIGKILL, false},
    {"usr1", SIGUSR1, true},
    {"segv", SIGSEGV, false},
    {"usr2", SIGUSR2, true},
    {"pipe", SIGPIPE, false},
    {"alrm", SIGALRM, true},
    {"term", SIGTERM, true},
    {"stkflt", SIGSTKFLT, true},
    {"chld", SIGCHLD, false},
    {"cont", SIGCONT, false},
    {"stop", SIGSTOP, false},
    {"tstp", SIGTSTP, false},
    {"ttin", SIGTTIN, false},
    {"ttou", SIGTTOU, false},
    {"urg", SIGURG, true},
    {"xcpu", SIGXCPU, true},
    {"xfsz", SIGXFSZ, false},
    {"vtalrm", SIGVTALRM, true},
    {"prof", SIGPROF, true},
    {"winch", SIGWINCH, true},
    {"io", SIGIO, true},
    {"poll", SIGIO, true},
    {"pwr", SIGPWR, true},
    {"sys", SIGSYS, false},
};

static bool is_signal_allowed(uint64_t number)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(signals); i++)
		if ((uint64_t)signals[i].number == number)
			return signals[i].is_allowed;
	/* The first real-time ones are libc's own. */
	return number >= (uint64_t)SIGRTMIN && number <= (uint64_t)SIGRTMAX;
}

/* "rtmin", "rtmin+3", "rtmax-1" */
static bool parse_real_time(const char *text, size_t length, uint64_t *number)
{
	const size_t base_length = 5;
	bool is_from_top = length >= base_length && is_word(text, base_length, "rtmax");
	if (!is_from_top && !(length >= base_length && is_word(text, base_length, "rtmin")))
		return false;
	uint64_t step = 0;
	if (length > base_length) {
		struct number n;
		if (text[base_length] != (is_from_top ? '-' : '+') ||
		    !parse_number(text + base_length + 1, &n) || *n.rest != '\0' || n.has_point ||
		    n.is_too_large || n.whole > 64)
			return false;
		step = n.whole;
	}
	*number = is_from_top ? (uint64_t)SIGRTMAX - step : (uint64_t)SIGRTMIN + step;
	return true;
}

static enum option_fault parse_signal(const char *text, int *value)
{
	size_t length = strlen(text);
	if (is_word(text, length, "none")) {
		*value = 0;
		return OPTION_OK;
	}
	struct number n;
	uint64_t number = 0;
	if (parse_number(text, &n) && *n.rest == '\0' && !n.has_point && !n.is_too_large) {
		number = n.whole;
	} else {
		if (length > 3 && is_word(text, 3, "sig")) {
			text += 3;
			length -= 3;
		}
		if (!parse_real_time(text, length, &number))
			for (unsigned i = 0; i < ARRAY_LENGTH(signals); i++)
				if (is_word(text, length, signals[i].name))
					number = (uint64_t)signals[i].number;
	}
	if (!is_signal_allowed(number))
		return OPTION_NOT_UNDERSTOOD;
	*value = (int)number;
	return OPTION_OK;
}

static enum option_fault parse_text(const struct option_info *option, const char *text, char *value)
{
	size_t length = strlen(text);
	if (length < (size_t)option->smallest)
		return OPTION_TOO_SMALL;
	if (length > (size_t)option->largest)
		return OPTION_TOO_LARGE;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
			return OPTION_NOT_UNDERSTOOD;
	memcpy(value, text, length + 1);
	return OPTION_OK;
}

enum option_fault option_parse(const struct option_info *option, const char *text, struct settings *settings)
{
	void *member = (char *)settings + option->offset;
	switch (option->type) {
	case OPTION_BOOL:
		return parse_bool(text, member);
	case OPTION_SIZE:
		return parse_with_unit(option, size_units, text, member);
	case OPTION_COUNT:
		return parse_with_unit(option, count_units, text, member);
	case OPTION_DURATION:
		return parse_with_unit(option, duration_units, text, member);
	case OPTION_SHARE:
	case OPTION_FACTOR:
		return parse_double(option, text, member);
	case OPTION_CHOICE:
		return parse_choice(option, text, strlen(text), member) ? OPTION_OK : OPTION_NOT_UNDERSTOOD;
	case OPTION_CHOICES:
		return parse_choices(option, text, member);
	case OPTION_SIGNAL:
		return parse_signal(text, member);
	case OPTION_TEXT:
		return parse_text(option, text, member);
	}
	return OPTION_NOT_UNDERSTOOD;
}

/* --- writing --- */

/* The shortest fixed-point form with at most 9 decimals: the fewest that lose nothing. */
static void write_trimmed(struct out *out, double value)
{
	uint64_t scaled = (uint64_t)(value * 1e9 + 0.5);
	unsigned decimals = DECIMALS_MAX;
	while (decimals > 0 && scaled % 10 == 0) {
		scaled /= 10;
		decimals--;
	}
	out_decimal(out, value, decimals);
}

/* In capitals for sizes; the largest unit that leaves a whole number. */
static void write_with_unit(struct out *out, uint64_t value, const struct unit *units, bool is_upper)
{
	for (; units->name != NULL; units++) {
		if (value % units->value != 0)
			continue;
		out_u64(out, value / units->value);
		for (const char *p = units->name; *p != '\0'; p++)
			out_char(out, is_upper ? (char)(*p - 'a' + 'A') : *p);
		return;
	}
	write_trimmed(out, (double)value / (double)SECOND); /* a duration finer than a millisecond */
	out_char(out, 's');
}

static void write_signal(struct out *out, int number)
{
	if (number == 0) {
		out_str(out, "none");
		return;
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(signals); i++) {
		if (signals[i].number != number)
			continue;
		for (const char *p = signals[i].name; *p != '\0'; p++)
			out_char(out, is_digit(*p) ? *p : (char)(*p - 'a' + 'A'));
		return;
	}
	out_str(out, "RTMIN");
	if (number != SIGRTMIN) {
		out_char(out, '+');
		out_i64(out, number - SIGRTMIN);
	}
}

/* A value of a type that is a number. */
static void write_number(struct out *out, enum option_type type, double value)
{
	switch (type) {
	case OPTION_SIZE:
		write_with_unit(out, (uint64_t)value, size_units, true);
		break;
	case OPTION_DURATION:
		write_with_unit(out, (uint64_t)value, duration_units, false);
		break;
	case OPTION_SHARE:
		write_trimmed(out, value * 100);
		out_char(out, '%');
		break;
	case OPTION_FACTOR:
		write_trimmed(out, value);
		break;
	default:
		out_u64(out, (uint64_t)value);
	}
}

static void write_names(struct out *out, const struct option_info *option, unsigned bits, const char *between)
{
	bool is_first = true;
	for (unsigned i = 0; i < option->choice_count; i++) {
		if (!(bits >> i & 1))
			continue;
		if (!is_first)
			out_str(out, between);
		out_str(out, option->choices[i]);
		is_first = false;
	}
}

void option_write_value(struct out *out, const struct option_info *option, const struct settings *settings)
{
	const void *member = (const char *)settings + option->offset;
	switch (option->type) {
	case OPTION_BOOL:
		out_str(out, *(const bool *)member ? "on" : "off");
		break;
	case OPTION_SIZE:
	case OPTION_COUNT:
	case OPTION_DURATION:
		if (*(const uint64_t *)member == 0)
			out_str(out, zero_name(option));
		else
			write_number(out, option->type, (double)*(const uint64_t *)member);
		break;
	case OPTION_SHARE:
	case OPTION_FACTOR:
		write_number(out, option->type, *(const double *)member);
		break;
	case OPTION_CHOICE:
		write_names(out, option, 1U << *(const unsigned *)member, "");
		break;
	case OPTION_CHOICES:
		write_names(out, option, *(const unsigned *)member, ",");
		break;
	case OPTION_SIGNAL:
		write_signal(out, *(const int *)member);
		break;
	case OPTION_TEXT:
		out_str(out, member);
		break;
	}
}

void option_write_allowed(struct out *out, const struct option_info *option)
{
	switch (option->type) {
	case OPTION_BOOL:
		out_str(out, "on, off");
		return;
	case OPTION_CHOICE:
		write_names(out, option, ~0U, ", ");
		return;
	case OPTION_CHOICES:
		write_names(out, option, ~0U, ", ");
		out_str(out, ", or several with commas");
		return;
	case OPTION_SIGNAL:
		out_str(out, "a signal that may be caught (USR1, USR2, HUP, RTMIN+n, a number), or none");
		return;
	case OPTION_TEXT:
		out_u64(out, (uint64_t)option->smallest);
		out_str(out, " to ");
		out_u64(out, (uint64_t)option->largest);
		out_str(out, " printable bytes");
		return;
	default:
		break;
	}
	bool has_zero = option->smallest == 0;
	if (has_zero) {
		out_str(out, zero_name(option));
		out_str(out, ", or ");
	}
	write_number(out, option->type, has_zero ? (double)least_number(option) : option->smallest);
	out_str(out, " to ");
	write_number(out, option->type, option->largest);
}
