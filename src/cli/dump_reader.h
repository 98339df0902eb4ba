/*
 * dump_reader.h -- between the parts of the reader of dumps; nobody else includes it.
 */
#ifndef WEIR_CLI_DUMP_READER_H
#define WEIR_CLI_DUMP_READER_H

#include <jansson.h>

#include "cli/dump.h"

/* The types of dump_fields.def. */
enum type { COUNT, REAL, SIGNED, SHARE, TEXT, TIME, LEVEL, BOOL, ADDRESS, NAME };

struct reader {
	struct dump *dump;
	const json_t *json;
	const char *name; /* of the file */
	char *why;	  /* "" until there is a reason to refuse the file */
	size_t why_size;
	char path[96]; /* of what is being read: "sites[3].frames[0]" */
};

/* Always false. The first reason stands. */
bool reader_refuse(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Zeroed memory that goes with the dump; NULL after a refusal. */
void *reader_take(struct reader *reader, size_t size);

/* A copy in which every character that a terminal or a page would obey, and not show, is a question mark. */
const char *reader_printable(struct reader *reader, const char *text);

/* Is it a whole number from 0, and which? The largest of 64 bits stands for all above 2^64 - 2048. */
bool value_is_whole(const json_t *value);
uint64_t value_whole(const json_t *value);

/* Read a value into the member of its type; false where it has another type or is out of range. */
bool value_read(struct reader *reader, const json_t *value, enum type type, void *to);
/* A member that is not there; its memory is zeroed. */
void value_set_absent(enum type type, void *to);

/* For messages: "a whole number from 0", "a list". */
const char *value_wanted(enum type type);
const char *value_kind(const json_t *value);

#endif
