/*
 * quiet.h -- jemalloc's calls of the kernel leave errno as it was.
 */
#ifndef WEIR_PRELOAD_QUIET_H
#define WEIR_PRELOAD_QUIET_H

#include <link.h>
#include <stdbool.h>

/*
 * From now on what jemalloc calls of libc to get and give back memory keeps errno, for jemalloc
 * alone. False: it cannot be done (the object's imports cannot be written), nothing changed that
 * would do harm. Once, at binding; before other threads run.
 */
bool quiet_start(const struct link_map *jemalloc);

#endif
