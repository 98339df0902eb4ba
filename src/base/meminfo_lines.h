/*
 * meminfo_lines.h -- between the parts of meminfo: small files of the kernel, line by line.
 */
#ifndef WEIR_BASE_MEMINFO_LINES_H
#define WEIR_BASE_MEMINFO_LINES_H

#include "base/meminfo.h"

struct lines {
	int fd;
	size_t used, next; /* bytes in buffer; where the next line starts */
	bool is_skipping;  /* within a line that was too long */
	char *buffer;	   /* the scratch's lines */
	struct meminfo_scratch *scratch;
};

/* directory is cut to length; name is put after it. */
bool lines_open(struct lines *lines, struct meminfo_scratch *scratch, const char *directory, size_t length,
    const char *name);
void lines_close(struct lines *lines);
/*
 * The next line without its newline, or NULL; good until the next call. Lines that do not fit are
 * left out: those are overlay mounts with many layers, never what is looked for here.
 */
char *lines_next(struct lines *lines);

/* Skips blanks; false where no digit follows or the number is beyond 64 bits. */
bool lines_parse_u64(const char **text, uint64_t *value);
/* After prefix: text without it, or NULL. */
const char *lines_after(const char *text, const char *prefix);
/* The number that stands after key at the start of a line of that file. */
bool lines_find_u64(struct meminfo_scratch *scratch, const char *directory, size_t length, const char *name,
    const char *key, uint64_t *value);
/* So much of directory's length is the folder above it; 0: none is. */
size_t lines_parent(const char *directory, size_t length);

#endif
