/*
 * metrics_file.h -- WEIR_METRICS_FILE: metrics where a collector picks them up.
 */
#ifndef WEIR_PRELOAD_METRICS_FILE_H
#define WEIR_PRELOAD_METRICS_FILE_H

#include "report/snapshot.h"

bool metrics_file_is_off(void);

/* Write the file anew and put it in the place of the last one. buffer: to write by. Async-signal-safe. */
void metrics_file_write(const struct snapshot *snapshot, char *buffer, size_t size);

/* At exit: what nobody keeps up to date any more is taken away. */
void metrics_file_remove(void);

#endif
