/*
 * top_names.c -- what the call sites of the live view are called.
 *
 * Functions are looked up in the files that the process has loaded, once for each place; those in
 * generated code in the map that the process writes of it (perf_map.h), which is read again when it
 * has grown, at most once a second, however often the process is looked at.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/perf_map.h"
#include "cli/process.h"
#include "cli/report.h"
#include "cli/text.h"
#include "cli/top.h"

static struct symbols *symbols_kept(void)
{
	static struct symbols *symbols;

	if (symbols == NULL)
		symbols = symbols_open(true);
	return symbols;
}

/* --- generated code ---------------------------------------------------------------- */

#define READ_AGAIN_NS SECOND
#define SHARE_OF_TIME 20 /* reading the map takes no more of it than one part in so many */

/* The map of the process that is watched. */
static struct {
	pid_t pid;
	uint64_t started_at_ns;
	struct perf_map *map;
	struct stat file; /* as it was read */
	uint64_t next_ns; /* not looked at before */
} generated;

static bool has_generated(const struct track_snapshot *track)
{
	for (unsigned i = 0; track->is_active && i < track->site_count; i++)
		for (unsigned k = 0; k < track->sites[i].frame_count; k++)
			if (track->sites[i].frames[k].module == NULL)
				return true;
	return false;
}

static bool is_as_read(const struct stat *file)
{
	return generated.map != NULL && file->st_ino == generated.file.st_ino &&
	       file->st_size == generated.file.st_size &&
	       file->st_mtim.tv_sec == generated.file.st_mtim.tv_sec &&
	       file->st_mtim.tv_nsec == generated.file.st_mtim.tv_nsec;
}

static void read_again(int fd)
{
	struct stat file;
	struct perf_map *map;

	if (fstat(fd, &file) != 0 || is_as_read(&file))
		return;
	map = perf_map_read(fd);
	if (map == NULL)
		return; /* what was read last is better than nothing */
	perf_map_free(generated.map);
	if (symbols_kept() != NULL)
		symbols_forget_generated(symbols_kept());
	generated.map = map;
	generated.file = file;
}

void names_look(const struct top *top)
{
	const struct snapshot *snapshot = &top->now.snapshot;
	struct perf_map_wish wish = {
	    .pid = top->pid, .is_live = true, .started_at_ns = snapshot->started_at_ns};
	uint64_t began = clock_precise_ns();
	enum perf_map_verdict verdict;
	char path[PERF_MAP_PATH_MAX];
	int fd;

	if (generated.pid != top->pid || generated.started_at_ns != snapshot->started_at_ns) {
		perf_map_free(generated.map);
		memset(&generated, 0, sizeof generated);
		generated.pid = top->pid;
		generated.started_at_ns = snapshot->started_at_ns;
	}
	if (began < generated.next_ns || !has_generated(&snapshot->track) ||
	    !process_user(top->pid, &wish.owner))
		return;
	fd = perf_map_open(&wish, path, &verdict);
	if (fd >= 0) {
		read_again(fd);
		close(fd);
	}
	generated.next_ns = began + MAX(READ_AGAIN_NS, SHARE_OF_TIME * (clock_precise_ns() - began));
}

/* --- names ----------------------------------------------------------------------- */

/* As the reports take it. */
static struct dump_site dump_site_of(const struct track_site *site, struct dump_frame *frames)
{
	for (unsigned i = 0; i < site->frame_count; i++) {
		const struct track_frame *frame = &site->frames[i];

		frames[i] = (struct dump_frame){
		    .pc = frame->pc,
		    .module = frame->module != NULL ? frame->module : "",
		    .offset = frame->offset,
		    .build_id = frame->build_id != NULL ? frame->build_id : "",
		};
		if (frame->module == NULL && generated.map != NULL)
			frames[i].generated = perf_map_find(generated.map, frame->pc);
	}
	return (struct dump_site){.frames = frames, .frame_count = site->frame_count};
}

void sites_name(const struct track_site *site, char *name, size_t size)
{
	struct dump_frame frames[TRACK_FRAMES_MAX];
	struct dump_site as_dump = dump_site_of(site, frames);

	if (site->is_overflow || symbols_kept() == NULL)
		snprintf(name, size, "%s", "(sites that found no room)");
	else
		site_name(symbols_kept(), &as_dump, name, size);
}

bool sites_frame(const struct track_site *site, unsigned frame, unsigned function, char *name, size_t size)
{
	struct dump_frame frames[TRACK_FRAMES_MAX];
	struct dump_site as_dump = dump_site_of(site, frames);
	const struct symbol_list *found;
	const struct symbol *symbol;
	char place[REPORT_NAME_MAX];

	if (frame >= as_dump.frame_count || symbols_kept() == NULL)
		return false;
	found = symbols_find(symbols_kept(), &frames[frame]);
	if (function >= MAX(found->count, (size_t)1))
		return false;
	symbol = found->count > 0 ? &found->symbols[function] : NULL;
	if (symbol != NULL && symbol_place(symbol, place, sizeof place)[0] != '\0')
		snprintf(
		    name, size, "%s (%s)%s", symbol->function, place, symbol->is_inlined ? ", inlined" : "");
	else
		symbols_name(symbols_kept(), &frames[frame], name, size);
	text_make_printable(name); /* where it was cut off */
	return true;
}
