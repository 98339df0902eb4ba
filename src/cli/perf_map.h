/*
 * perf_map.h -- names of generated code, out of the map that its compiler writes for perf.
 */
#ifndef WEIR_CLI_PERF_MAP_H
#define WEIR_CLI_PERF_MAP_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/compiler.h"

#define PERF_MAP_PATH_MAX 64
#define PERF_MAP_BYTES_MAX (256 * MIB) /* of a larger file the end is read */
#define PERF_MAP_LINES_MAX (1u << 21)  /* of more the last ones are taken */
#define PERF_MAP_NAME_MAX 1024	       /* longer names are cut off */

struct perf_map;

/*
 * Read what stands in a regular file. NULL with errno: EINVAL where not one line of it is of a
 * map, though there are some. To be freed by perf_map_free(), with all names that were found in it.
 */
struct perf_map *perf_map_read(int fd);
void perf_map_free(struct perf_map *map); /* map may be NULL */

/* What is at the address, printable; NULL: the map does not know. */
const char *perf_map_find(struct perf_map *map, uint64_t address);

/* What such a name says; "" and 0 where it does not. */
struct perf_map_place {
	const char *function, *file;
	unsigned line;
};

/* Of a name as perf_map_find() gives it; it is cut up, and holds the texts. perf_map_name.c. */
struct perf_map_place perf_map_split(char *name);

/* --- which file: perf_map_open.c --------------------------------------------------- */

/* Whose map is wanted. */
struct perf_map_wish {
	pid_t pid;    /* a live process by the count of our pid namespace, else as its dump has it */
	bool is_live; /* it is there, and its own /tmp is looked at */
	uint64_t started_at_ns; /* Unix time; 0, not known: no map is new enough */
	uid_t owner;		/* who may have written it, beside root and us */
};

enum perf_map_verdict {
	PERF_MAP_FIT,
	PERF_MAP_ABSENT,
	PERF_MAP_NO_FILE, /* a link, a pipe: nothing that a compiler writes */
	PERF_MAP_FOREIGN, /* anybody can put a file into /tmp, and it says what others read */
	PERF_MAP_OLD,	  /* an earlier process had the same pid */
	PERF_MAP_VERDICTS
};

/* May names be taken from a file of which that is known, by a user who is us? */
enum perf_map_verdict perf_map_judge(const struct stat *file, const struct perf_map_wish *wish, uid_t us);

/* A descriptor of the map at its customary place; -1 and the reason. path: as the process calls it. */
int perf_map_open(
    const struct perf_map_wish *wish, char path[PERF_MAP_PATH_MAX], enum perf_map_verdict *verdict);

/* The map in a file that the user has named. NULL with errno. */
struct perf_map *perf_map_read_named(const char *path);

#endif
