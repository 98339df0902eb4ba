/*
 * options.c -- the table of settings, and how the environment becomes values.
 *
 * settings_read() runs once at start, possibly before any constructor and
 * within the program's first malloc: no allocation, no getenv, no stdio. Most
 * processes have no WEIR_ variable at all, so that case is one pass over the
 * environment which looks at first bytes only.
 *
 * A wrong setting never stops a program: it is named in one line, and what is
 * used instead is in force.
 */
#include "base/options.h"

#include <string.h>
#include <sys/auxv.h>

#include "base/log.h"
#include "base/option_value.h"

#define PREFIX "WEIR_"
#define PREFIX_LENGTH (sizeof(PREFIX) - 1)

/* Names that belong to other parts of Weir and say nothing to the interposer. */
static const char *const foreign_names[] = {
    "WEIR_OBJECT", /* weir run: where the object is */
};

/* The names of choices: choices_background[] and so on. */
#define WEIR_CHOICES(name, ...) static const char *const choices_##name[] = {__VA_ARGS__};
#define WEIR_OPTION(name, type, def, smallest, largest, help)
#include "base/options.def"

/*
 * The variable's name is the row's in capitals, made letter by letter while
 * compiling, so that the table stays in one place and costs nothing at start.
 */
#define NAME_MAX_LENGTH 24
#define LETTER_RAW(s, i) ((s)[(i) < sizeof(s) ? (i) : sizeof(s) - 1])
#define LETTER(s, i)                                                                                         \
	(LETTER_RAW(s, i) >= 'a' && LETTER_RAW(s, i) <= 'z' ? LETTER_RAW(s, i) - 'a' + 'A' : LETTER_RAW(s, i))
#define LETTERS_4(s, i) LETTER(s, i), LETTER(s, (i) + 1), LETTER(s, (i) + 2), LETTER(s, (i) + 3)
#define WEIR_OPTION(name, type, def, smallest, largest, help)                                                \
	_Static_assert(sizeof(#name) - 1 <= NAME_MAX_LENGTH, "NAME_MAX_LENGTH is too small for " #name);     \
	static const char variable_##name[] = {'W', 'E', 'I', 'R', '_', LETTERS_4(#name, 0),                 \
	    LETTERS_4(#name, 4), LETTERS_4(#name, 8), LETTERS_4(#name, 12), LETTERS_4(#name, 16),            \
	    LETTERS_4(#name, 20), '\0'};
#include "base/options.def"

#define NO_CHOICES .choices = NULL
#define SOME_CHOICES(n) .choices = choices_##n, .choice_count = ARRAY_LENGTH(choices_##n)
#define CHOICES_OF_BOOL(n) NO_CHOICES
#define CHOICES_OF_SIZE(n) NO_CHOICES
#define CHOICES_OF_COUNT(n) NO_CHOICES
#define CHOICES_OF_SHARE(n) NO_CHOICES
#define CHOICES_OF_FACTOR(n) NO_CHOICES
#define CHOICES_OF_DURATION(n) NO_CHOICES
#define CHOICES_OF_CHOICE(n) SOME_CHOICES(n)
#define CHOICES_OF_CHOICES(n) SOME_CHOICES(n)
#define CHOICES_OF_SIGNAL(n) NO_CHOICES
#define CHOICES_OF_TEXT(n) NO_CHOICES

static const struct option_info table[] = {
#define WEIR_OPTION(name_, type_, def, smallest_, largest_, help_)                                           \
	{                                                                                                    \
	    .name = #name_,                                                                                  \
	    .variable = variable_##name_,                                                                    \
	    .type = OPTION_##type_,                                                                          \
	    .help = help_,                                                                                   \
	    .smallest = (double)(smallest_),                                                                 \
	    .largest = (double)(largest_),                                                                   \
	    .offset = offsetof(struct settings, name_),                                                      \
	    CHOICES_OF_##type_(name_),                                                                       \
	},
#include "base/options.def"
};

static const struct settings defaults = {
#define WEIR_OPTION(name, type, def, smallest, largest, help) .name = def,
#include "base/options.def"
};

unsigned option_count(void)
{
	return ARRAY_LENGTH(table);
}

const struct option_info *option_at(unsigned i)
{
	return i < ARRAY_LENGTH(table) ? &table[i] : NULL;
}

const struct option_info *option_find(const char *variable)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(table); i++)
		if (strcmp(table[i].variable, variable) == 0)
			return &table[i];
	return NULL;
}

void option_write_default(struct out *out, const struct option_info *option)
{
	option_write_value(out, option, &defaults);
}

bool option_is_default(const struct option_info *option, const struct settings *settings)
{
	const char *value = (const char *)settings + option->offset;
	const char *standard = (const char *)&defaults + option->offset;
	switch (option->type) {
	case OPTION_BOOL:
		return *value == *standard;
	case OPTION_SIZE:
	case OPTION_COUNT:
	case OPTION_DURATION:
		return memcmp(value, standard, sizeof(uint64_t)) == 0;
	case OPTION_SHARE:
	case OPTION_FACTOR:
		return memcmp(value, standard, sizeof(double)) == 0;
	case OPTION_CHOICE:
	case OPTION_CHOICES:
		return memcmp(value, standard, sizeof(unsigned)) == 0;
	case OPTION_SIGNAL:
		return memcmp(value, standard, sizeof(int)) == 0;
	case OPTION_TEXT:
		return strcmp(value, standard) == 0;
	}
	return false;
}

const char *option_text(const struct option_info *option, const struct settings *settings)
{
	return option->type == OPTION_TEXT ? (const char *)settings + option->offset : NULL;
}

static char to_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b. */
static unsigned edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	/* Rows i - 2, i - 1 and i of the usual table. */
	unsigned char rows[3][NAME_MAX_LENGTH + 1];
	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = (unsigned char)j;
	for (size_t i = 1; i <= a_length; i++) {
		const unsigned char *before = rows[(i + 1) % 3], *above = rows[(i - 1) % 3];
		unsigned char *row = rows[i % 3];
		row[0] = (unsigned char)i;
		for (size_t j = 1; j <= b_length; j++) {
			bool is_same = to_upper(a[i - 1]) == to_upper(b[j - 1]);
			unsigned best = above[j - 1] + !is_same;
			best = MIN(best, above[j] + 1U);
			best = MIN(best, row[j - 1] + 1U);
			if (i > 1 && j > 1 && to_upper(a[i - 1]) == to_upper(b[j - 2]) &&
			    to_upper(a[i - 2]) == to_upper(b[j - 1]))
				best = MIN(best, before[j - 2] + 1U);
			row[j] = (unsigned char)best;
		}
	}
	return rows[a_length % 3][b_length];
}

const char *option_nearest(const char *variable)
{
	const char *name = variable;
	if (strncmp(name, PREFIX, PREFIX_LENGTH) == 0)
		name += PREFIX_LENGTH;
	size_t length = strnlen(name, NAME_MAX_LENGTH + 1);
	if (length == 0 || length > NAME_MAX_LENGTH)
		return NULL;

	/* Near is one letter in three: LOGS is LOG, but FOO is not LOG. */
	unsigned best_distance = (unsigned)(length + 2) / 3 + 1;
	if (length <= 3)
		best_distance = 2;
	const char *best = NULL;
	for (unsigned i = 0; i < ARRAY_LENGTH(table); i++) {
		unsigned distance = edit_distance(name, length, table[i].name, strlen(table[i].name));
		if (distance < best_distance) {
			best_distance = distance;
			best = table[i].variable;
		}
	}
	return best;
}

void settings_default(struct settings *settings)
{
	*settings = defaults;
}

/* Somebody else's bytes on our line: one line, bounded, no control characters. */
static void write_quoted(struct out *out, const char *text, size_t max)
{
	size_t length = strnlen(text, max + 1);
	out_char(out, '"');
	for (size_t i = 0; i < MIN(length, max); i++) {
		unsigned char c = (unsigned char)text[i];
		out_char(out, c < 0x20 || c == 0x7F ? '?' : (char)c);
	}
	out_str(out, length > max ? "...\"" : "\"");
}

static void complain_unknown(struct out *out, const char *variable)
{
	const char *nearest = option_nearest(variable);
	write_quoted(out, variable, 64);
	out_str(out, " is not a setting of Weir and is ignored; ");
	if (nearest != NULL) {
		out_str(out, "the nearest name is ");
		out_str(out, nearest);
	} else {
		out_str(out, "`weir options` lists them");
	}
}

static void complain_value(struct out *out, const struct option_info *option, const char *value,
    enum option_fault fault, const struct settings *settings)
{
	static const char *const faults[] = {
	    [OPTION_NOT_UNDERSTOOD] = " is not understood",
	    [OPTION_TOO_SMALL] = " is too small",
	    [OPTION_TOO_LARGE] = " is too large",
	};
	out_str(out, option->variable);
	out_char(out, '=');
	write_quoted(out, value, 64);
	out_str(out, faults[fault]);
	out_str(out, "; allowed: ");
	option_write_allowed(out, option);
	out_str(out, "; using ");
	option_write_value(out, option, settings);
	out_str(out, " instead");
}

bool settings_set(struct settings *settings, const char *variable, const char *value, struct out *complaint)
{
	const struct option_info *option = option_find(variable);
	if (option == NULL) {
		if (complaint != NULL)
			complain_unknown(complaint, variable);
		return false;
	}
	enum option_fault fault = option_parse(option, value, settings);
	if (fault != OPTION_OK && complaint != NULL)
		complain_value(complaint, option, value, fault, settings);
	return fault == OPTION_OK;
}

static bool has_prefix(const char *entry)
{
	/* The first byte alone turns nearly all of them away. */
	return entry[0] == 'W' && strncmp(entry, PREFIX, PREFIX_LENGTH) == 0;
}

static bool is_foreign(const char *name)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(foreign_names); i++)
		if (strcmp(name, foreign_names[i]) == 0)
			return true;
	return false;
}

/* The row that entry (NAME=VALUE) sets, or NULL; name gets its name, cut to size. */
static const struct option_info *option_of_entry(
    const char *entry, const char **value, char *name, size_t size)
{
	const char *equals = strchr(entry, '=');
	size_t length = equals != NULL ? (size_t)(equals - entry) : strlen(entry);
	bool is_whole = length < size;
	length = MIN(length, size - 1);
	memcpy(name, entry, length);
	name[length] = '\0';
	*value = equals != NULL ? equals + 1 : "";
	return is_whole ? option_find(name) : NULL;
}

static void apply_entry(struct settings *settings, const char *entry, uint64_t *seen)
{
	char name[80];
	const char *value;
	const struct option_info *option = option_of_entry(entry, &value, name, sizeof(name));
	if (option == NULL && is_foreign(name))
		return;
	if (option != NULL) {
		_Static_assert(ARRAY_LENGTH(table) <= 64, "one bit of *seen a row");
		uint64_t bit = (uint64_t)1 << (option - table);
		if (*seen & bit)
			return;
		*seen |= bit;
	}
	char text[400];
	struct out complaint;
	out_init(&complaint, -1, text, sizeof(text) - 1);
	if (settings_set(settings, name, value, &complaint))
		return;
	text[complaint.used] = '\0';
	log_text(LOG_WARN, text);
}

static void check_together(struct settings *settings)
{
	if (settings->min_buffer_size <= settings->max_buffer_size)
		return;
	uint64_t smallest = settings->min_buffer_size, largest = settings->max_buffer_size;
	settings->min_buffer_size = defaults.min_buffer_size;
	settings->max_buffer_size = defaults.max_buffer_size;
	struct log_line line;
	if (!log_begin(&line, LOG_WARN))
		return;
	out_str(&line.out, "WEIR_MIN_BUFFER_SIZE (");
	out_u64(&line.out, smallest);
	out_str(&line.out, " bytes) is above WEIR_MAX_BUFFER_SIZE (");
	out_u64(&line.out, largest);
	out_str(&line.out, " bytes); allowed: at most the same; using ");
	option_write_default(&line.out, option_find("WEIR_MIN_BUFFER_SIZE"));
	out_str(&line.out, " and ");
	option_write_default(&line.out, option_find("WEIR_MAX_BUFFER_SIZE"));
	out_str(&line.out, " instead");
	log_end(&line);
}

static COLD void read_from(struct settings *settings, char *const *first)
{
	if (getauxval(AT_SECURE) != 0)
		return;
	/* How much is said has to be known before anything is said. */
	uint64_t seen = 0;
	for (char *const *entry = first; *entry != NULL; entry++)
		if (strncmp(*entry, PREFIX "LOG=", PREFIX_LENGTH + 4) == 0)
			apply_entry(settings, *entry, &seen);
	log_set_level((enum log_level)settings->log);

	for (char *const *entry = first; *entry != NULL; entry++)
		if (has_prefix(*entry))
			apply_entry(settings, *entry, &seen);
	check_together(settings);
}

void settings_read(struct settings *settings, char *const *environment)
{
	settings_default(settings);
	for (char *const *entry = environment; entry != NULL && *entry != NULL; entry++) {
		if (UNLIKELY(has_prefix(*entry))) {
			read_from(settings, entry);
			return;
		}
	}
}
