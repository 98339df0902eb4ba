/*
 * dump_parse.h -- a dump out of JSON in memory.
 */
#ifndef WEIR_CLI_DUMP_PARSE_H
#define WEIR_CLI_DUMP_PARSE_H

#include "cli/dump.h"

/*
 * Check all of it, and make a dump; to be freed by dump_free(). NULL with one line in why, which begins with name,
 * where it is none.
 */
struct dump *dump_parse(const char *text, size_t length, const char *name, char *why, size_t why_size);

#endif
