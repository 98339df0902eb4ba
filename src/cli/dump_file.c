/*
 * dump_file.c -- gets a dump from a file or standard input, packed by gzip or not.
 *
 * The verbs that look at dumps call this; dump_parse.c does the checking. A file
 * that is larger than any dump can be, unpacked, is not read to its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/dump_file.h"
#include "cli/dump_parse.h"
#include "cli/dump_reader.h"

/* All of a file, unpacked, to be freed; NULL with the reason in why. */
static char *read_all(gzFile file, size_t *length, struct reader *reader)
{
	size_t size = 0, used = 0;
	char *text = NULL;
	int got, status;

	do {
		if (used == size) {
			char *grown;

			size = size == 0 ? 64 * KIB : 2 * size;
			grown = realloc(text, size);
			if (grown == NULL) {
				reader_refuse(reader, "there is no memory for it");
				free(text);
				return NULL;
			}
			text = grown;
		}
		got = gzread(file, text + used, (unsigned)(size - used));
		if (got > 0)
			used += (size_t)got;
	} while (used <= DUMP_FILE_BYTES_MAX && got > 0);
	if (got < 0 || used > DUMP_FILE_BYTES_MAX) {
		const char *reason = gzerror(file, &status);

		if (got < 0)
			reader_refuse(
			    reader, "cannot be read: %s", status == Z_ERRNO ? strerror(errno) : reason);
		else
			reader_refuse(reader, "is larger than any dump");
		free(text);
		return NULL;
	}
	*length = used;
	return text;
}

struct dump *dump_read_open(int fd, const char *name, char *why, size_t why_size)
{
	struct reader reader = {.name = name, .why = why, .why_size = why_size};
	struct dump *dump = NULL;
	int mine = dup(fd); /* gzclose() closes it */
	gzFile file = mine >= 0 ? gzdopen(mine, "rb") : NULL;
	struct stat facts;
	size_t length;
	char *text;

	if (file == NULL) {
		reader_refuse(&reader, "there is no memory for it");
		if (mine >= 0)
			close(mine);
		return NULL;
	}
	text = read_all(file, &length, &reader);
	gzclose(file);
	if (text != NULL)
		dump = dump_parse(text, length, name, why, why_size);
	free(text);
	if (dump != NULL && fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode))
		dump->owner = facts.st_uid;
	return dump;
}

struct dump *dump_read(const char *path, char *why, size_t why_size)
{
	struct reader reader = {.name = path, .why = why, .why_size = why_size};
	struct dump *dump;
	int fd;

	why[0] = '\0';
	if (strcmp(path, "-") == 0)
		return dump_read_open(STDIN_FILENO, "standard input", why, why_size);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		reader_refuse(&reader, "cannot be opened: %s", strerror(errno));
		return NULL;
	}
	dump = dump_read_open(fd, path, why, why_size);
	close(fd);
	return dump;
}
