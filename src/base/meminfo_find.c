/*
 * meminfo_find.c -- where the files of our memory cgroup are.
 *
 * Looked up once by whoever reads them later. Three layouts
 * are met: v2; v1; and hybrid, where the memory controller is on v1 and a v2
 * mount beside it has memory.pressure only. In a container the mount shows a
 * subtree, so its root is taken off the path that /proc/self/cgroup gives.
 * Where the files are not there, the directories above are tried up to the
 * mount point: with v2 a child need not have the controller of its parent.
 *
 * No malloc, no lock, errno kept; may be called in a signal handler. A file that is absent,
 * refused or odd counts as not there.
 */
#include <errno.h>
#include <string.h>

#include "base/meminfo_lines.h"

struct layout {
	const char *controller; /* in /proc/self/cgroup: "memory", or "" for v2 */
	const char *fstype;
	const char *marker; /* a file that the directory must have */
};

static const struct layout layout_v1 = {"memory", "cgroup", "/memory.limit_in_bytes"};
static const struct layout layout_v2 = {"", "cgroup2", "/memory.current"};
static const struct layout layout_psi = {"", "cgroup2", "/memory.pressure"};

/* Is word one of a list with commas? */
static bool has_item(const char *list, size_t length, const char *word)
{
	size_t word_length = strlen(word);
	for (size_t start = 0; start <= length;) {
		size_t end = start;
		while (end < length && list[end] != ',')
			end++;
		if (end - start == word_length && memcmp(list + start, word, word_length) == 0)
			return true;
		start = end + 1;
	}
	return false;
}

/* "4:memory:/path": the path where the controllers hold ours. */
static bool find_cgroup_path(struct meminfo_scratch *scratch, const struct layout *layout, char *path)
{
	struct lines lines;
	if (!lines_open(&lines, scratch, "", 0, "/proc/self/cgroup"))
		return false;
	bool is_found = false;
	for (char *line; !is_found && (line = lines_next(&lines)) != NULL;) {
		char *controllers = strchr(line, ':');
		char *colon = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		if (colon == NULL)
			continue;
		controllers++;
		if (!has_item(controllers, (size_t)(colon - controllers), layout->controller))
			continue;
		size_t length = strlen(colon + 1);
		if (length >= MEMINFO_PATH_MAX)
			continue;
		memcpy(path, colon + 1, length + 1);
		is_found = true;
	}
	lines_close(&lines);
	return is_found;
}

/* Blanks stand as \040 in mountinfo. In place. */
static void decode_octal(char *text)
{
	char *to = text;
	for (const char *p = text; *p != '\0'; to++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' &&
		    p[3] <= '7') {
			*to = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

static char *next_field(char **rest)
{
	char *field = *rest;
	if (field == NULL)
		return NULL;
	char *blank = strchr(field, ' ');
	if (blank != NULL)
		*blank++ = '\0';
	*rest = blank;
	return field;
}

/* "35 31 0:32 ROOT POINT rw,relatime ... - cgroup cgroup rw,memory" */
static bool parse_mount(char *line, const struct layout *layout, char **root, char **point)
{
	char *tail = strstr(line, " - ");
	if (tail == NULL)
		return false;
	*tail = '\0';
	tail += 3;
	char *fstype = next_field(&tail);
	if (strcmp(fstype, layout->fstype) != 0)
		return false;
	next_field(&tail); /* what is mounted */
	if (*layout->controller != '\0' &&
	    (tail == NULL || !has_item(tail, strlen(tail), layout->controller)))
		return false;
	next_field(&line);
	next_field(&line);
	next_field(&line);
	*root = next_field(&line);
	*point = next_field(&line);
	if (*root == NULL || *point == NULL)
		return false;
	decode_octal(*root);
	decode_octal(*point);
	return true;
}

/* What of path lies below the mount's root; "" where it lies elsewhere: the top is then all that is seen. */
static const char *below_root(const char *path, const char *root)
{
	const char *rest = path;
	if (strcmp(root, "/") != 0)
		rest = lines_after(path, root);
	if (rest == NULL || (*rest != '/' && *rest != '\0') || strcmp(rest, "/") == 0)
		return "";
	/* Out of this namespace, and it must not lead out of the mount. */
	return strstr(rest, "/..") != NULL ? "" : rest;
}

/* From directory up to the mount point: where the marker is. Shortens directory. */
static bool climb_to_marker(
    struct meminfo_scratch *scratch, char *directory, size_t mount_length, const char *marker)
{
	struct lines lines;
	for (size_t length = strlen(directory); length >= mount_length && length > 0;
	     length = lines_parent(directory, length)) {
		if (!lines_open(&lines, scratch, directory, length, marker))
			continue;
		lines_close(&lines);
		directory[length] = '\0';
		return true;
	}
	return false;
}

static bool find_directory(
    struct meminfo_scratch *scratch, const struct layout *layout, char *directory, size_t *mount_length)
{
	char *path = scratch->cgroup_path;
	struct lines lines;
	if (!find_cgroup_path(scratch, layout, path) ||
	    !lines_open(&lines, scratch, "", 0, "/proc/self/mountinfo"))
		return false;
	bool is_found = false;
	for (char *line; !is_found && (line = lines_next(&lines)) != NULL;) {
		char *root, *point;
		if (!parse_mount(line, layout, &root, &point))
			continue;
		const char *rest = below_root(path, root);
		size_t point_length = strlen(point), rest_length = strlen(rest);
		if (point_length + rest_length >= MEMINFO_PATH_MAX)
			continue;
		memcpy(directory, point, point_length);
		memcpy(directory + point_length, rest, rest_length + 1);
		*mount_length = point_length;
		is_found = climb_to_marker(scratch, directory, point_length, layout->marker);
	}
	lines_close(&lines);
	return is_found;
}

void meminfo_find(struct meminfo_source *source, struct meminfo_scratch *scratch)
{
	int saved_errno = errno;
	size_t ignored;
	*source = (struct meminfo_source){.cgroup = CGROUP_NONE};
	if (find_directory(scratch, &layout_v1, source->directory, &source->mount_length))
		source->cgroup = CGROUP_V1;
	else if (find_directory(scratch, &layout_v2, source->directory, &source->mount_length))
		source->cgroup = CGROUP_V2;
	else
		source->directory[0] = '\0';
	if (!find_directory(scratch, &layout_psi, source->psi_directory, &ignored))
		source->psi_directory[0] = '\0';
	errno = saved_errno;
}
