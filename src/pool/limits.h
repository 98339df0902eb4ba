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

/*
 * Within a limit that the user set, fresh pages are to be had only against idle ones, which are purged. That is right where
 * other sizes are asked for than before; where sizes just differ, pages go and come again with each request, which costs ten
 * times a temporary buffer. So the limit is worn once as many pages as it has were purged, of which a 256th may be again in
 * each tick: then nothing is taken that would purge more, but for what comes from resident runs and magazines.
 */

/* So many pages are purged for fresh ones. */
void limits_note_purge(uint64_t pages, uint32_t now);
/* Whether the limit is worn, and what was taken (limits_take()) would pass it with what idles, if it were fresh. */
bool limits_are_worn(uint32_t now);

/* Pages that are out of the heap; a guess while others work. */
uint64_t limits_out_pages(void);

/*
 * Pure: WEIR_POOL_LIMIT where it is auto, in bytes. Of used_bytes of the memory limit the pool itself has pool_bytes,
 * in use and idle; it may have all that the rest leaves, and never less than half of the limit.
 */
uint64_t limits_auto_bytes(uint64_t memory_limit_bytes, uint64_t used_bytes, uint64_t pool_bytes);

#endif
