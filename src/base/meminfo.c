/*
 * meminfo.c -- what the kernel says about memory: limits, use, stall times.
 *
 * meminfo_find() looks once for the files of our memory cgroup. Three layouts
 * are met: v2; v1; and hybrid, where the memory controller is on v1 and a v2
 * mount beside it has memory.pressure only. In a container the mount shows a
 * subtree, so its root is taken off the path that /proc/self/cgroup gives.
 * Where the files are not there, the directories above are tried up to the
 * mount point: with v2 a child need not have the controller of its parent.
 *
 * Everything is open, read, close on the caller's scratch; no malloc, no lock,
 * errno kept; may be called in a signal handler. A file that is absent, refused or
 * odd counts as not there.
 */
#include "base/meminfo.h"

#include <errno.h>
#include <string.h>

#include "base/io.h"

const char *meminfo_root = "";

/* --- small files, line by line --- */

struct reader {
	int fd;
	size_t used, next; /* bytes in buffer; where the next line starts */
	bool is_skipping;  /* within a line that was too long */
	char *buffer;	   /* the scratch's lines */
	struct meminfo_scratch *scratch;
};

/* directory is cut to length; name is put after it. */
static bool reader_open(struct reader *reader, struct meminfo_scratch *scratch, const char *directory,
    size_t length, const char *name)
{
	char *path = scratch->path;
	size_t root_length = strlen(meminfo_root), name_length = strlen(name);
	if (root_length + length + name_length >= sizeof(scratch->path))
		return false;
	memcpy(path, meminfo_root, root_length);
	memcpy(path + root_length, directory, length);
	memcpy(path + root_length + length, name, name_length + 1);
	reader->fd = sys_open(path, O_RDONLY, 0);
	reader->buffer = scratch->lines;
	reader->scratch = scratch;
	reader->used = reader->next = 0;
	reader->is_skipping = false;
	return reader->fd >= 0;
}

static void reader_close(struct reader *reader)
{
	sys_close(reader->fd);
}

static bool reader_fill(struct reader *reader)
{
	memmove(reader->buffer, reader->buffer + reader->next, reader->used - reader->next);
	reader->used -= reader->next;
	reader->next = 0;
	ssize_t n;
	do
		n = sys_read(reader->fd, reader->buffer + reader->used,
		    sizeof(reader->scratch->lines) - 1 - reader->used);
	while (n < 0 && errno == EINTR);
	reader->used += n > 0 ? (size_t)n : 0;
	return n > 0;
}

/*
 * The next line without its newline, or NULL. Lines that do not fit are left out: those
 * are overlay mounts with many layers, never what is looked for here.
 */
static char *reader_line(struct reader *reader)
{
	for (;;) {
		char *line = reader->buffer + reader->next;
		char *end = memchr(line, '\n', reader->used - reader->next);
		if (end != NULL) {
			*end = '\0';
			reader->next = (size_t)(end + 1 - reader->buffer);
			if (!reader->is_skipping)
				return line;
			reader->is_skipping = false;
			continue;
		}
		if (reader->used - reader->next == sizeof(reader->scratch->lines) - 1) {
			reader->is_skipping = true;
			reader->next = reader->used;
		}
		if (reader_fill(reader))
			continue;
		/* The last line may lack its newline. */
		if (reader->used == 0 || reader->is_skipping)
			return NULL;
		reader->buffer[reader->used] = '\0';
		reader->next = reader->used = 0;
		return reader->buffer;
	}
}

/* Skips blanks; false where no digit follows or the number is beyond 64 bits. */
static bool parse_u64(const char **text, uint64_t *value)
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

/* After prefix: text without it, or NULL. */
static const char *after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);
	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* The number that stands after key at the start of a line. */
static bool find_value(struct meminfo_scratch *scratch, const char *directory, size_t length,
    const char *name, const char *key, uint64_t *value)
{
	struct reader reader;
	if (!reader_open(&reader, scratch, directory, length, name))
		return false;
	bool is_found = false;
	for (char *line; !is_found && (line = reader_line(&reader)) != NULL;) {
		const char *p = after(line, key);
		is_found = p != NULL && parse_u64(&p, value);
	}
	reader_close(&reader);
	return is_found;
}

/* --- where the cgroup is --- */

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
	struct reader reader;
	if (!reader_open(&reader, scratch, "", 0, "/proc/self/cgroup"))
		return false;
	bool is_found = false;
	for (char *line; !is_found && (line = reader_line(&reader)) != NULL;) {
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
	reader_close(&reader);
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
		rest = after(path, root);
	if (rest == NULL || (*rest != '/' && *rest != '\0') || strcmp(rest, "/") == 0)
		return "";
	/* Out of this namespace, and it must not lead out of the mount. */
	return strstr(rest, "/..") != NULL ? "" : rest;
}

static size_t parent_length(const char *directory, size_t length)
{
	while (length > 0 && directory[--length] != '/')
		;
	return length;
}

/* From directory up to the mount point: where the marker is. Shortens directory. */
static bool climb_to_marker(
    struct meminfo_scratch *scratch, char *directory, size_t mount_length, const char *marker)
{
	struct reader reader;
	for (size_t length = strlen(directory); length >= mount_length && length > 0;
	     length = parent_length(directory, length)) {
		if (!reader_open(&reader, scratch, directory, length, marker))
			continue;
		reader_close(&reader);
		directory[length] = '\0';
		return true;
	}
	return false;
}

static bool find_directory(
    struct meminfo_scratch *scratch, const struct layout *layout, char *directory, size_t *mount_length)
{
	char *path = scratch->cgroup_path;
	struct reader reader;
	if (!find_cgroup_path(scratch, layout, path) ||
	    !reader_open(&reader, scratch, "", 0, "/proc/self/mountinfo"))
		return false;
	bool is_found = false;
	for (char *line; !is_found && (line = reader_line(&reader)) != NULL;) {
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
	reader_close(&reader);
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

/* --- what it says --- */

/* The names of one version's files; a limit of v1 that is none is near 2^63. */
static const struct files {
	const char *limit, *high, *used, *inactive_key;
} files_v1 = {"/memory.limit_in_bytes", "/memory.soft_limit_in_bytes", "/memory.usage_in_bytes",
    "total_inactive_file "},
  files_v2 = {"/memory.max", "/memory.high", "/memory.current", "inactive_file "};

#define NO_LIMIT UINT64_MAX
#define NO_LIMIT_V1 ((uint64_t)1 << 62)

static uint64_t read_limit(
    struct meminfo_scratch *scratch, const char *directory, size_t length, const char *name)
{
	uint64_t limit;
	if (!find_value(scratch, directory, length, name, "", &limit) ||
	    limit >= NO_LIMIT_V1) /* also "max" */
		return NO_LIMIT;
	return limit;
}

static uint64_t read_used(
    struct meminfo_scratch *scratch, const struct files *files, const char *directory, size_t length)
{
	uint64_t used, inactive;
	if (!find_value(scratch, directory, length, files->used, "", &used))
		return 0;
	if (!find_value(scratch, directory, length, "/memory.stat", files->inactive_key, &inactive))
		inactive = 0;
	return used - MIN(used, inactive);
}

/* The gauge is where the least is left. */
static void consider_gauge(
    struct meminfo *info, uint64_t *least, size_t length, uint64_t limit, uint64_t used)
{
	uint64_t room = limit - MIN(limit, used);

	if (limit == NO_LIMIT || room >= *least)
		return;
	*least = room;
	info->gauge = (struct meminfo_gauge){.length = length, .limit_bytes = limit};
}

/* Is a of limit_a fuller than b of limit_b? Any limit is fuller than none. */
static bool is_fuller(uint64_t a, uint64_t limit_a, uint64_t b, uint64_t limit_b)
{
	if (limit_a == NO_LIMIT || limit_b == NO_LIMIT)
		return limit_a != NO_LIMIT;
	return (double)a * (double)limit_b > (double)b * (double)limit_a;
}

static void read_cgroup(
    struct meminfo_scratch *scratch, const struct meminfo_source *source, struct meminfo *info)
{
	const struct files *files = source->cgroup == CGROUP_V1 ? &files_v1 : &files_v2;
	size_t own = strlen(source->directory);
	uint64_t least = info->available_bytes;
	for (size_t length = own; length >= source->mount_length && length > 0;
	     length = parent_length(source->directory, length)) {
		uint64_t limit = read_limit(scratch, source->directory, length, files->limit);
		uint64_t high = read_limit(scratch, source->directory, length, files->high);
		if (length != own && limit == NO_LIMIT && high == NO_LIMIT)
			continue;
		uint64_t used = read_used(scratch, files, source->directory, length);
		consider_gauge(info, &least, length, limit, used);
		/* A soft limit of v1 slows nobody down; memory.high does, so it is to be kept like a hard one. */
		if (source->cgroup == CGROUP_V2)
			consider_gauge(info, &least, length, high, used);
		if (length == own || limit < info->cgroup_limit_bytes) {
			info->cgroup_limit_bytes = limit;
			info->cgroup_used_bytes = used;
		}
		info->cgroup_high_bytes = MIN(info->cgroup_high_bytes, high);
		if (is_fuller(used, limit, info->fullest_used_bytes, info->fullest_limit_bytes)) {
			info->fullest_used_bytes = used;
			info->fullest_limit_bytes = limit;
		}
		if (is_fuller(used, high, info->fullest_high_used_bytes, info->fullest_high_bytes)) {
			info->fullest_high_used_bytes = used;
			info->fullest_high_bytes = high;
		}
	}
	/* v1 also says what ancestors outside of our mount allow. */
	uint64_t hierarchical;
	if (source->cgroup == CGROUP_V1 &&
	    find_value(scratch, source->directory, own, "/memory.stat", "hierarchical_memory_limit ",
		&hierarchical) &&
	    hierarchical < NO_LIMIT_V1)
		info->cgroup_limit_bytes = MIN(info->cgroup_limit_bytes, hierarchical);
	info->has_cgroup = true;
}

/* "avg10=12.34" as 0.1234 */
static bool parse_average(const char *line, double *share)
{
	const char *p = strstr(line, "avg10=");
	uint64_t whole, hundredths = 0;
	if (p == NULL)
		return false;
	p += strlen("avg10=");
	if (!parse_u64(&p, &whole))
		return false;
	if (*p == '.') {
		p++;
		parse_u64(&p, &hundredths);
	}
	*share = MIN(((double)whole + (double)hundredths / 100) / 100, 1.0);
	return true;
}

static bool read_psi(
    struct meminfo_scratch *scratch, const char *directory, const char *name, struct meminfo *info)
{
	struct reader reader;
	if (!reader_open(&reader, scratch, directory, strlen(directory), name))
		return false;
	bool has_some = false;
	for (char *line; (line = reader_line(&reader)) != NULL;) {
		if (after(line, "some ") != NULL) {
			const char *total = strstr(line, "total=");
			if (total != NULL) {
				total += strlen("total=");
				parse_u64(&total, &info->psi_some_total_us);
			}
			has_some = parse_average(line, &info->psi_some_avg10);
		} else if (after(line, "full ") != NULL) {
			parse_average(line, &info->psi_full_avg10);
		}
	}
	reader_close(&reader);
	return has_some;
}

static void read_system(struct meminfo_scratch *scratch, struct meminfo *info)
{
	static const struct {
		const char *key;
		size_t offset;
	} wanted[] = {
	    {"MemTotal:", offsetof(struct meminfo, total_bytes)},
	    {"MemAvailable:", offsetof(struct meminfo, available_bytes)},
	    {"SwapFree:", offsetof(struct meminfo, swap_free_bytes)},
	};
	struct reader reader;
	if (!reader_open(&reader, scratch, "", 0, "/proc/meminfo"))
		return;
	for (char *line; (line = reader_line(&reader)) != NULL;) {
		for (unsigned i = 0; i < ARRAY_LENGTH(wanted); i++) {
			const char *p = after(line, wanted[i].key);
			uint64_t kib;
			if (p != NULL && parse_u64(&p, &kib))
				*(uint64_t *)((char *)info + wanted[i].offset) = kib * KIB;
		}
	}
	reader_close(&reader);
}

void meminfo_read(const struct meminfo_source *source, struct meminfo *info, struct meminfo_scratch *scratch)
{
	int saved_errno = errno;
	*info = (struct meminfo){
	    .cgroup_limit_bytes = NO_LIMIT,
	    .cgroup_high_bytes = NO_LIMIT,
	    .fullest_limit_bytes = NO_LIMIT,
	    .fullest_high_bytes = NO_LIMIT,
	};
	read_system(scratch, info);
	info->gauge = (struct meminfo_gauge){.limit_bytes = info->total_bytes};
	if (source->cgroup != CGROUP_NONE)
		read_cgroup(scratch, source, info);
	info->has_psi = (source->psi_directory[0] != '\0' &&
			    read_psi(scratch, source->psi_directory, "/memory.pressure", info)) ||
			read_psi(scratch, "", "/proc/pressure/memory", info);
	errno = saved_errno;
}

uint64_t meminfo_room(const struct meminfo_source *source, const struct meminfo_gauge *gauge, uint64_t enough,
    struct meminfo_scratch *scratch)
{
	const struct files *files = source->cgroup == CGROUP_V1 ? &files_v1 : &files_v2;
	int saved_errno = errno;
	uint64_t used = 0, room = UINT64_MAX;

	if (gauge->length == 0) {
		if (find_value(scratch, "", 0, "/proc/meminfo", "MemAvailable:", &room))
			room *= KIB;
	} else if (find_value(scratch, source->directory, gauge->length, files->used, "", &used)) {
		room = gauge->limit_bytes - MIN(gauge->limit_bytes, used);
		/* What the kernel would give up first is among the used; where it is costs more to ask. */
		if (room < enough) {
			used = read_used(scratch, files, source->directory, gauge->length);
			room = gauge->limit_bytes - MIN(gauge->limit_bytes, used);
		}
	}
	errno = saved_errno;
	return room;
}

/* Field n, counted from 1, of what follows the program's name, whose first field is the third of the file. */
static bool stat_field(const char *text, unsigned n, uint64_t *value)
{
	for (unsigned field = 3; field < n; field++) {
		text = strchr(text, ' ');
		if (text == NULL)
			return false;
		text++;
	}
	return parse_u64(&text, value);
}

bool process_info_read(struct process_info *info, struct meminfo_scratch *scratch)
{
	int saved_errno = errno;
	struct reader reader;
	bool is_read = false;
	*info = (struct process_info){0};
	if (reader_open(&reader, scratch, "", 0, "/proc/self/stat")) {
		const char *line = reader_line(&reader);
		/* The name may hold blanks and brackets: the last bracket ends it. */
		const char *fields = line != NULL ? strrchr(line, ')') : NULL;
		uint64_t rss_pages;
		if (fields != NULL && fields[1] == ' ') {
			fields += 2;
			is_read = stat_field(fields, 10, &info->minor_faults) &&
				  stat_field(fields, 12, &info->major_faults) &&
				  stat_field(fields, 20, &info->threads) &&
				  stat_field(fields, 24, &rss_pages);
			if (is_read)
				info->rss_bytes = rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
		}
		reader_close(&reader);
	}
	errno = saved_errno;
	return is_read;
}
