/*
 * meminfo.c -- what the kernel says about memory: limits, use, stall times.
 *
 * Called at each monitor tick and by dumps, with the files that meminfo_find() found.
 * Everything is open, read, close on the caller's scratch; no malloc, no lock,
 * errno kept; may be called in a signal handler. A file that is absent, refused or
 * odd counts as not there.
 */
#include "base/meminfo.h"

#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/meminfo_lines.h"

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
	if (!lines_find_u64(scratch, directory, length, name, "", &limit) ||
	    limit >= NO_LIMIT_V1) /* also "max" */
		return NO_LIMIT;
	return limit;
}

static uint64_t read_used(
    struct meminfo_scratch *scratch, const struct files *files, const char *directory, size_t length)
{
	uint64_t used, inactive;
	if (!lines_find_u64(scratch, directory, length, files->used, "", &used))
		return 0;
	if (!lines_find_u64(scratch, directory, length, "/memory.stat", files->inactive_key, &inactive))
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
	     length = lines_parent(source->directory, length)) {
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
	    lines_find_u64(scratch, source->directory, own, "/memory.stat", "hierarchical_memory_limit ",
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
	if (!lines_parse_u64(&p, &whole))
		return false;
	if (*p == '.') {
		p++;
		lines_parse_u64(&p, &hundredths);
	}
	*share = MIN(((double)whole + (double)hundredths / 100) / 100, 1.0);
	return true;
}

static bool read_psi(
    struct meminfo_scratch *scratch, const char *directory, const char *name, struct meminfo *info)
{
	struct lines lines;
	if (!lines_open(&lines, scratch, directory, strlen(directory), name))
		return false;
	bool has_some = false;
	for (char *line; (line = lines_next(&lines)) != NULL;) {
		if (lines_after(line, "some ") != NULL) {
			const char *total = strstr(line, "total=");
			if (total != NULL) {
				total += strlen("total=");
				lines_parse_u64(&total, &info->psi_some_total_us);
			}
			has_some = parse_average(line, &info->psi_some_avg10);
		} else if (lines_after(line, "full ") != NULL) {
			parse_average(line, &info->psi_full_avg10);
		}
	}
	lines_close(&lines);
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
	struct lines lines;
	if (!lines_open(&lines, scratch, "", 0, "/proc/meminfo"))
		return;
	for (char *line; (line = lines_next(&lines)) != NULL;) {
		for (unsigned i = 0; i < ARRAY_LENGTH(wanted); i++) {
			const char *p = lines_after(line, wanted[i].key);
			uint64_t kib;
			if (p != NULL && lines_parse_u64(&p, &kib))
				*(uint64_t *)((char *)info + wanted[i].offset) = kib * KIB;
		}
	}
	lines_close(&lines);
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
		if (lines_find_u64(scratch, "", 0, "/proc/meminfo", "MemAvailable:", &room))
			room *= KIB;
	} else if (lines_find_u64(scratch, source->directory, gauge->length, files->used, "", &used)) {
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
	return lines_parse_u64(&text, value);
}

bool process_info_read(struct process_info *info, struct meminfo_scratch *scratch)
{
	int saved_errno = errno;
	struct lines lines;
	bool is_read = false;
	*info = (struct process_info){0};
	if (lines_open(&lines, scratch, "", 0, "/proc/self/stat")) {
		const char *line = lines_next(&lines);
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
		lines_close(&lines);
	}
	errno = saved_errno;
	return is_read;
}
