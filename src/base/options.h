/*
 * options.h -- the settings: their table, their parser, their values.
 */
#ifndef WEIR_BASE_OPTIONS_H
#define WEIR_BASE_OPTIONS_H

#include <signal.h>

#include "base/compiler.h"

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
enum { DUMP_FORMAT_TEXT = 1 << 0, DUMP_FORMAT_JSON = 1 << 1 };
enum { ON_MISUSE_ABORT, ON_MISUSE_WARN };


#endif
