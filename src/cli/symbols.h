/*
 * symbols.h -- functions, files and lines of the frames of a dump.
 */
#ifndef WEIR_CLI_SYMBOLS_H
#define WEIR_CLI_SYMBOLS_H

#include "cli/dump.h"

/* One function of a frame. Texts are printable; "" and 0 where they are not known. */
struct symbol {
	const char *function;
	const char *file;
	unsigned line;
	bool is_inlined; /* into the next one */
};

struct symbol_list {
	struct symbol *symbols; /* innermost first: functions inlined there, then the one they are in */
	size_t count;		/* 0: nothing is known but the module and the offset */
};

struct symbols;

/* NULL without memory. To be closed by symbols_close(). is_wanted: false, and nothing is looked for. */
struct symbols *symbols_open(bool is_wanted);
void symbols_close(struct symbols *symbols);

/*
 * What stands at a frame. In generated code it is what ->generated says. Else this looks into
 * the module's file where it is there and has the build-id that the dump says, else for that
 * build-id below /usr/lib/debug, and with debuginfod, which needs the user to have set
 * DEBUGINFOD_URLS. Slow the first time a module is met; what was found is kept until
 * symbols_close(). Never fails: what cannot be found out is left out.
 */
const struct symbol_list *symbols_find(struct symbols *symbols, const struct dump_frame *frame);

/* Nothing that symbols_find() returned for generated code is looked at any more, since the names come from a new map. */
void symbols_forget_generated(struct symbols *symbols);

/* Is there any module of which the file here is another than the one the dump is about? Its path, or NULL. */
const char *symbols_changed_module(const struct symbols *symbols);

/* For one line: the function, or "libx.so.1+0x1234" where none is known; shortened to size. */
const char *symbols_name(struct symbols *symbols, const struct dump_frame *frame, char *name, size_t size);

/* What a function at the frame is in, where its file is not known: "libx.so.1", "generated code". */
const char *symbols_home(const struct dump_frame *frame);

/* The last part of a path; "?" for an empty one. */
const char *symbols_base_name(const char *path);

#endif
