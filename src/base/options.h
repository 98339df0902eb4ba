/*
 * options.h -- the settings: their table, their parser, their values.
 */
#ifndef WEIR_BASE_OPTIONS_H
#define WEIR_BASE_OPTIONS_H

#include <signal.h>

#include "base/compiler.h"
#include "base/out.h"

#define OPTION_TEXT_MAX 255

enum option_type {
	OPTION_BOOL,
	OPTION_SIZE,
	OPTION_COUNT,
	OPTION_SHARE,
	OPTION_FACTOR,
	OPTION_DURATION,
	OPTION_CHOICE,
	OPTION_CHOICES,
	OPTION_SIGNAL,
	OPTION_TEXT,
};

#define OPTION_C_BOOL(n) bool n
#define OPTION_C_SIZE(n) uint64_t n
#define OPTION_C_COUNT(n) uint64_t n
#define OPTION_C_SHARE(n) double n
#define OPTION_C_FACTOR(n) double n
#define OPTION_C_DURATION(n) uint64_t n
#define OPTION_C_CHOICE(n) unsigned n
#define OPTION_C_CHOICES(n) unsigned n
#define OPTION_C_SIGNAL(n) int n
#define OPTION_C_TEXT(n) char n[OPTION_TEXT_MAX + 1]

/* One member a row, under the row's name. Written once at start, then read only. */
struct settings {
#define WEIR_OPTION(name, type, def, smallest, largest, help) OPTION_C_##type(name);
#include "base/options.def"
};

enum { BACKGROUND_AUTO, BACKGROUND_ALWAYS, BACKGROUND_NEVER };
enum { DUMP_FORMAT_TEXT = 1 << 0, DUMP_FORMAT_JSON = 1 << 1, DUMP_FORMAT_OPENMETRICS = 1 << 2 };
enum { ON_MISUSE_ABORT, ON_MISUSE_WARN };

/* One row of the table. */
struct option_info {
	const char *name;     /* gc_interval, as in struct settings and in a dump's config */
	const char *variable; /* WEIR_GC_INTERVAL */
	enum option_type type;
	const char *help;
	double smallest, largest;   /* in the type's unit; all bounds are below 2^53, so exact */
	const char *const *choices; /* CHOICE and CHOICES: the names; else NULL */
	unsigned choice_count;
	size_t offset; /* within struct settings */
};

unsigned option_count(void);
const struct option_info *option_at(unsigned i);

/* By its whole variable name; NULL where there is none. */
const struct option_info *option_find(const char *variable);

/* The real name that is nearest by edit distance, for an unknown WEIR_*; NULL
 * where nothing is near. */
const char *option_nearest(const char *variable);

/* "4K", "auto", "on", "80%", "30s", "text": each is a value that the parser takes. */
void option_write_default(struct out *out, const struct option_info *option);
void option_write_value(struct out *out, const struct option_info *option, const struct settings *settings);

bool option_is_default(const struct option_info *option, const struct settings *settings);
/* The bytes of a TEXT as they were given, which may be any printable ones; NULL for other types,
 * whose values need no quoting. */
const char *option_text(const struct option_info *option, const struct settings *settings);

/* "4K to 64M", "on, off", "auto, or 1 to 1000000000" */
void option_write_allowed(struct out *out, const struct option_info *option);

void settings_default(struct settings *settings);

/*
 * Set one by its variable. False: refused, the setting keeps what it had, and
 * complaint (which may be NULL) gets one line, without a newline: the name, the
 * value, what is allowed and what is used instead.
 */
bool settings_set(struct settings *settings, const char *variable, const char *value, struct out *complaint);

/*
 * Defaults, then every WEIR_* of environment (NULL-terminated NAME=VALUE; may
 * be NULL), then the checks of settings against each other. What is wrong is
 * warned of through the log, whose level is set from WEIR_LOG first. Where a name stands
 * twice the first one counts, as for getenv. A program that runs with more
 * privileges than its caller (AT_SECURE) gets the defaults.
 */
void settings_read(struct settings *settings, char *const *environment);

#endif
