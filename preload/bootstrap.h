/*
 * bootstrap.h -- memory for calls made while jemalloc is being bound.
 */
#ifndef WEIR_PRELOAD_BOOTSTRAP_H
#define WEIR_PRELOAD_BOOTSTRAP_H

#include "base/compiler.h"

/* Zeroed; alignment is a power of two. NULL when the few KiB there are have been used up. */
void *bootstrap_alloc(size_t alignment, size_t size);
bool bootstrap_owns(const void *p);
size_t bootstrap_size(const void *p);
bool bootstrap_is_used(void);

#endif
