/*
 * metrics_left.h -- files of WEIR_METRICS_FILE whose processes are gone.
 */
#ifndef WEIR_PRELOAD_METRICS_LEFT_H
#define WEIR_PRELOAD_METRICS_LEFT_H

#include "base/compiler.h"

/*
 * path: of this process's own file. Removes what processes that were killed have left beside it, unless that was
 * looked for within the last quarter of an hour. buffer: of size bytes, 8 KiB do.
 */
void metrics_left_remove(const char *path, char *buffer, size_t size);

#endif
