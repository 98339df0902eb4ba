/*
 * dump_name.h -- from WEIR_DUMP to the path of one file.
 *
 * Pure; allocates nothing; may run in a signal handler.
 */
#ifndef WEIR_REPORT_DUMP_NAME_H
#define WEIR_REPORT_DUMP_NAME_H

#include "base/compiler.h"

struct dump_name {
	const char *pattern; /* %e %p %n %t %%; anything else after % stays as it is */
	const char *exe;     /* a path; %e is its last component */
	uint32_t pid;
	uint64_t unix_ns; /* %t, as 20260131T235959Z */
	/* ".txt", ".json" or ".om": in the place of whichever of them the pattern ends in, else added; or "" */
	const char *ending;
};

/* Whether the pattern itself tells one dump from the next. */
bool dump_name_is_numbered(const char *pattern);

/*
 * Write the path, with its terminating zero. number is what %n stands for; in a pattern
 * without %n it goes in front of the ending instead: "x.2.txt", or is left out if 0.
 * False: it does not fit.
 */
bool dump_name_expand(char *path, size_t size, const struct dump_name *name, uint64_t number);

/* Whether name can be what a pattern became, of any program, process and time. Names above 255 bytes: no. */
bool dump_name_matches(const char *pattern, const char *name);

#endif
