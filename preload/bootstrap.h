/*
 * bootstrap.h -- memory for calls made before jemalloc can be called.
 */
#ifndef WEIR_PRELOAD_BOOTSTRAP_H
#define WEIR_PRELOAD_BOOTSTRAP_H

#include "base/compiler.h"

/* Zeroed; alignment is a power of two. NULL when the few KiB there are have been used up. */
void *bootstrap_alloc(size_t alignment, size_t size);
bool bootstrap_owns(const void *p);
size_t bootstrap_size(const void *p);
bool bootstrap_is_used(void);
/* Whether the loader is still at work, so that jemalloc cannot be called. */
bool bootstrap_is_needed(void);

#endif
