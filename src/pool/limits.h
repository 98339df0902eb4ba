/*
 * limits.h -- how much may be out of the heap, in use and in magazines: pages and buffers.
 */
#ifndef WEIR_POOL_LIMITS_H
#define WEIR_POOL_LIMITS_H

#include "base/compiler.h"

/* So much more is out of the heap. False: that would pass a limit; nothing was counted. */
bool limits_take(uint64_t pages, uint64_t buffers);
/* So much less is. */
void limits_return(uint64_t pages, uint64_t buffers);

/* They need not be kept to the page: several threads, and no limit that the user has set. */
bool limits_are_loose(void);

/* Pages that are out of the heap; a guess while others work. */
uint64_t limits_out_pages(void);

#endif
