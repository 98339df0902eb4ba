/*
 * dump_file.h -- a dump out of a file.
 */
#ifndef WEIR_CLI_DUMP_FILE_H
#define WEIR_CLI_DUMP_FILE_H

#include "cli/dump.h"

#define DUMP_FILE_BYTES_MAX (64u << 20) /* 4,096 sites of 64 frames are 30 MiB */

/*
 * Read a dump, packed by gzip or not; path "-" is standard input. NULL with one line in why where it cannot
 * be read or is none; otherwise to be freed by dump_free(). Blocks as read(2) does.
 */
struct dump *dump_read(const char *path, char *why, size_t why_size);

/* The same of what is open already, and stays open. name is what complaints call it. */
struct dump *dump_read_open(int fd, const char *name, char *why, size_t why_size);

#endif
