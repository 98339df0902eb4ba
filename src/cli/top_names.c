/*
 * top_names.c -- what the call sites of the live view are called.
 *
 * Functions are looked up in the files that the process has loaded, once for each place.
 */
#include <stdio.h>

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

/* As the reports take it. */
static struct dump_site dump_site_of(const struct track_site *site, struct dump_frame *frames)
{
	for (unsigned i = 0; i < site->frame_count; i++)
		frames[i] = (struct dump_frame){
		    .pc = site->frames[i].pc,
		    .module = site->frames[i].module != NULL ? site->frames[i].module : "",
		    .offset = site->frames[i].offset,
		    .build_id = site->frames[i].build_id != NULL ? site->frames[i].build_id : "",
		};
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
