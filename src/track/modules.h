/*
 * modules.h -- what is loaded where, and what was.
 *
 * The table is filled by modules_refresh(), which asks the loader. Reading it needs no
 * lock and no loader, so that a stack can be attributed within malloc and a dump be
 * taken in a signal handler. A row is never moved, and while some site's stack is in
 * its module it is not used for another: a number, once given, keeps its meaning. A module that is
 * loaded again gets its row again, perhaps with other addresses: whoever keeps a number keeps
 * the offset with it.
 */
#ifndef WEIR_TRACK_MODULES_H
#define WEIR_TRACK_MODULES_H

#include <link.h>

#include "base/compiler.h"

#define MODULES_MAX 512
#define MODULE_NONE UINT16_MAX
#define MODULE_PATH_MAX 256    /* of a longer path the end is kept */
#define MODULE_BUILD_ID_MAX 32 /* bytes; what is longer is cut off */

enum module_state { MODULE_FREE, MODULE_LOADED, MODULE_GONE };

struct module {
	/* Release once the rest is written, acquire by readers that found the row by themselves. */
	_Atomic uint32_t state;
	/* Written before state leaves MODULE_FREE. */
	uintptr_t start, end;	    /* of its code */
	uintptr_t bias;		    /* what the loader added to the file's own addresses */
	uint64_t file_offset;	    /* of start */
	uint64_t identity;	    /* hash of the build-id, or else of the path's last part */
	char path[MODULE_PATH_MAX]; /* the last byte is always 0 */
	char build_id[2 * MODULE_BUILD_ID_MAX + 1]; /* hex; likewise */
	bool is_seen;				    /* only the refresh */
};

/* The table; false where there is no memory for it. Once. */
bool modules_start(void);

/*
 * Ask the loader what is loaded now. gone() is told of each module that is not any more, before
 * its addresses can be found as another's; mark_used() sets the bits of those modules that are on
 * some site's stack, and is asked once the table is full. Returns whether anything has changed. A call beside
 * another, or between modules_walk_begin() and modules_walk_end(), does nothing. Takes the
 * loader's lock for reading: outside of signal handlers, under no lock of ours. In the child of a process that had
 * threads nobody is asked any more, and what has changed is not known: true.
 */
bool modules_refresh(void (*gone)(unsigned module), void (*mark_used)(uint64_t *bits));

/* The program calls dl_iterate_phdr(), and is back from it. The first one waits for a refresh that is under way. */
void modules_walk_begin(void);
void modules_walk_end(void);

/* What a refresh calls, where dl_iterate_phdr() is not libc's own. Before there are threads. */
typedef int modules_walk(int (*see)(struct dl_phdr_info *info, size_t size, void *data), void *data);
void modules_set_walk(modules_walk *walk);

/* The loaded module whose code has pc; MODULE_NONE: none that is known. Lock-free. */
unsigned modules_find(uintptr_t pc);

/* Any row below MODULES_MAX; async-signal-safe. */
const struct module *modules_at(unsigned module);
unsigned modules_count(void);	 /* rows below it have been used */
uint64_t modules_left_out(void); /* for want of room */
size_t modules_table_bytes(void);

/* 64 bits of bytes; stable between runs. Start with h = 0 or the hash of what went before. */
uint64_t modules_hash(uint64_t h, const void *bytes, size_t length);

INLINE uint64_t modules_hash_u64(uint64_t h, uint64_t value)
{
	return modules_hash(h, &value, sizeof(value));
}

void modules_fork_prepare(void);
void modules_fork_done(bool is_child);

#endif
