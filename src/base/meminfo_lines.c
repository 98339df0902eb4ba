/*
 * meminfo_lines.c -- small files of the kernel, line by line, in the caller's scratch.
 *
 * Called by the other parts of meminfo. A file is open, read, close; the buffer is the
 * scratch's, so there is one reader at a time. No malloc, no lock; may be called in a signal
 * handler. errno changes: who calls keeps it.
 */
#include "base/meminfo_lines.h"

#include <errno.h>
#include <string.h>

#include "base/io.h"

const char *meminfo_root = "";

bool lines_open(struct lines *lines, struct meminfo_scratch *scratch, const char *directory, size_t length,
    const char *name)
{
	char *path = scratch->path;
	size_t root_length = strlen(meminfo_root), name_length = strlen(name);
	if (root_length + length + name_length >= sizeof(scratch->path))
		return false;
	memcpy(path, meminfo_root, root_length);
	memcpy(path + root_length, directory, length);
	memcpy(path + root_length + length, name, name_length + 1);
	lines->fd = sys_open(path, O_RDONLY, 0);
	lines->buffer = scratch->lines;
	lines->scratch = scratch;
	lines->used = lines->next = 0;
	lines->is_skipping = false;
	return lines->fd >= 0;
}

void lines_close(struct lines *lines)
{
	sys_close(lines->fd);
}

static bool fill(struct lines *lines)
{
	memmove(lines->buffer, lines->buffer + lines->next, lines->used - lines->next);
	lines->used -= lines->next;
	lines->next = 0;
	ssize_t n;
	do
		n = sys_read(
		    lines->fd, lines->buffer + lines->used, sizeof(lines->scratch->lines) - 1 - lines->used);
	while (n < 0 && errno == EINTR);
	lines->used += n > 0 ? (size_t)n : 0;
	return n > 0;
}

char *lines_next(struct lines *lines)
{
	for (;;) {
		char *line = lines->buffer + lines->next;
		char *end = memchr(line, '\n', lines->used - lines->next);
		if (end != NULL) {
			*end = '\0';
			lines->next = (size_t)(end + 1 - lines->buffer);
			if (!lines->is_skipping)
				return line;
			lines->is_skipping = false;
			continue;
		}
		if (lines->used - lines->next == sizeof(lines->scratch->lines) - 1) {
			lines->is_skipping = true;
			lines->next = lines->used;
		}
		if (fill(lines))
			continue;
		/* The last line may lack its newline. */
		if (lines->used == 0 || lines->is_skipping)
			return NULL;
		lines->buffer[lines->used] = '\0';
		lines->next = lines->used = 0;
		return lines->buffer;
	}
}

bool lines_parse_u64(const char **text, uint64_t *value)
{
	const char *p = *text;
	while (*p == ' ' || *p == '\t')
		p++;
	if (*p < '0' || *p > '9')
		return false;
	uint64_t n = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	*text = p;
	*value = n;
	return true;
}

const char *lines_after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);
	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

bool lines_find_u64(struct meminfo_scratch *scratch, const char *directory, size_t length, const char *name,
    const char *key, uint64_t *value)
{
	struct lines lines;
	if (!lines_open(&lines, scratch, directory, length, name))
		return false;
	bool is_found = false;
	for (char *line; !is_found && (line = lines_next(&lines)) != NULL;) {
		const char *p = lines_after(line, key);
		is_found = p != NULL && lines_parse_u64(&p, value);
	}
	lines_close(&lines);
	return is_found;
}

size_t lines_parent(const char *directory, size_t length)
{
	while (length > 0 && directory[--length] != '/')
		;
	return length;
}
