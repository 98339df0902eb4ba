/*
 * dump_file.c -- gets a dump from a file or standard input, and lets go of it.
 *
 * The verbs that look at dumps call this; dump_parse.c does the checking. A file
 * that is larger than any dump can be is not read to its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/dump_reader.h"

/* All of a descriptor, to be freed; NULL with the reason in why. */
static char *read_all(int fd, size_t *length, struct reader *reader)
{
	size_t size = 0, used = 0;
	char *text = NULL;
	ssize_t got;

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
		got = read(fd, text + used, size - used);
		if (got > 0)
			used += (size_t)got;
	} while (used <= DUMP_FILE_BYTES_MAX && (got > 0 || (got < 0 && errno == EINTR)));
	if (got < 0 || used > DUMP_FILE_BYTES_MAX) {
		if (got < 0)
			reader_refuse(reader, "cannot be read: %s", strerror(errno));
		else
			reader_refuse(reader, "is larger than any dump");
		free(text);
		return NULL;
	}
	*length = used;
	return text;
}

struct dump *dump_read(const char *path, char *why, size_t why_size)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct reader reader = {.name = is_stdin ? "standard input" : path, .why = why, .why_size = why_size};
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct dump *dump = NULL;
	size_t length;
	char *text;

	why[0] = '\0';
	if (fd < 0) {
		reader_refuse(&reader, "cannot be opened: %s", strerror(errno));
		return NULL;
	}
	text = read_all(fd, &length, &reader);
	if (!is_stdin)
		close(fd);
	if (text != NULL)
		dump = dump_parse(text, length, reader.name, why, why_size);
	free(text);
	return dump;
}

void dump_free(struct dump *dump)
{
	if (dump == NULL)
		return;
	while (dump->blocks != NULL) {
		struct arena_block *next = dump->blocks->next;

		free(dump->blocks);
		dump->blocks = next;
	}
	free(dump);
}

const char *dump_level_name(enum dump_level level)
{
	static const char *const names[] = {"unknown", "LOW", "MEDIUM", "HIGH"};

	return (unsigned)level < ARRAY_LENGTH(names) ? names[level] : names[0];
}

uint64_t dump_unix_ns(const char *time)
{
	struct tm tm = {0};
	const char *rest = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t seconds = rest != NULL ? timegm(&tm) : 0;
	uint64_t part = 0;

	if (seconds <= 0 || seconds > (time_t)(INT64_MAX / SECOND) - 1)
		return 0;
	if (*rest == '.')
		part = (uint64_t)(fmin(strtod(rest, NULL), 1) * (double)SECOND);
	return (uint64_t)seconds * SECOND + part;
}

const char *dump_setting(const struct dump *dump, const char *name)
{
	for (size_t i = 0; i < dump->setting_count; i++)
		if (strcmp(dump->config[i].name, name) == 0)
			return dump->config[i].value;
	return NULL;
}
