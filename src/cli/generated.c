/*
 * generated.c -- names for the frames of a dump that lie in generated code.
 *
 * What a JIT compiles is in no file, so a dump has nothing but its address; the map that the
 * compiler writes for perf has its name. An address means something in one process only: without
 * the user's word the map is looked for where the dump says that it was made on this machine since it
 * was booted, and perf_map_open.c judges whether the file is that process's.
 */
#include "cli/generated.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/process.h"
#include "cli/text.h"

static bool is_of_this_boot(const struct dump *dump)
{
	char id[40];

	process_boot_id(id, sizeof id);
	return id[0] != '\0' && strcmp(id, dump->boot_id) == 0;
}

static void explain(struct dump *dump, enum perf_map_verdict verdict, const char *path)
{
	static const struct {
		const char *before, *after;
	} reasons[PERF_MAP_VERDICTS] = {
	    [PERF_MAP_FIT] = {"not all is in ", ""},
	    [PERF_MAP_ABSENT] = {"node --perf-basic-prof, say, writes ", ""},
	    [PERF_MAP_NO_FILE] = {"", " is no file of names"},
	    [PERF_MAP_FOREIGN] = {"", " belongs to another user"},
	    [PERF_MAP_OLD] = {"", " is older than the process"},
	};

	snprintf(dump->why_nameless, sizeof dump->why_nameless, "%s%s%s", reasons[verdict].before, path,
	    reasons[verdict].after);
}

static struct perf_map *find_map(struct dump *dump)
{
	struct perf_map_wish wish = {
	    .pid = (pid_t)MIN(dump->pid, (uint64_t)INT32_MAX),
	    .is_live = dump->is_live,
	    .started_at_ns = dump_unix_ns(dump->started_at),
	    /* Root reads what anybody has written; the dump's owner could as well have put the names into it. */
	    .owner = dump->is_live || geteuid() == 0 ? dump->owner : 0,
	};
	enum perf_map_verdict verdict;
	char path[PERF_MAP_PATH_MAX];
	struct perf_map *map;
	int fd;

	if (!is_of_this_boot(dump)) {
		snprintf(dump->why_nameless, sizeof dump->why_nameless,
		    "--perf-map FILE names them, by the map of that machine");
		return NULL;
	}
	fd = perf_map_open(&wish, path, &verdict);
	map = fd >= 0 ? perf_map_read(fd) : NULL;
	if (fd >= 0)
		close(fd);
	explain(dump, fd >= 0 && map == NULL ? PERF_MAP_NO_FILE : verdict, path);
	return map;
}

static bool is_generated(const struct dump_frame *frame)
{
	return frame->module[0] == '\0';
}

static bool has_generated(const struct dump *dump)
{
	for (size_t i = 0; i < dump->site_count; i++)
		for (size_t k = 0; k < dump->sites[i].frame_count; k++)
			if (is_generated(&dump->sites[i].frames[k]))
				return true;
	return false;
}

void generated_name(struct dump *dump, struct perf_map *given)
{
	struct perf_map *map = given;

	if (!has_generated(dump))
		return;
	if (given != NULL)
		snprintf(dump->why_nameless, sizeof dump->why_nameless, "not all is in the map");
	else
		map = dump->names = find_map(dump);
	for (size_t i = 0; i < dump->site_count; i++)
		for (size_t k = 0; k < dump->sites[i].frame_count; k++) {
			struct dump_frame *frame = &dump->sites[i].frames[k];

			if (!is_generated(frame))
				continue;
			frame->generated = map != NULL ? perf_map_find(map, frame->pc) : NULL;
			dump->nameless += frame->generated == NULL;
		}
}

bool generated_nameless(const struct dump *dump, char *text, size_t size)
{
	char figure[TEXT_FIGURE_MAX];

	if (dump->nameless == 0)
		return false;
	snprintf(text, size, "%s in generated code %s no name: %s.",
	    text_number_of(figure, (double)dump->nameless, "frame"), dump->nameless == 1 ? "has" : "have",
	    dump->why_nameless);
	return true;
}
