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
 * Where the user has set a limit, fresh pages are taken past it only against idle ones that go back. So many went for one
 * request; and whether it is enough for this tick: then what does not fit into resident runs goes elsewhere (temporary
 * buffers), since pages that go and come again cost ten times what others ask for a buffer. pages: that are wanted.
 */
void limits_note_purge(uint64_t pages, uint32_t now);
bool limits_are_worn(uint64_t pages, uint32_t now);

/* Pages that are out of the heap; a guess while others work. */
uint64_t limits_out_pages(void);

/*
 * Pure: WEIR_POOL_LIMIT where it is auto, in bytes. Of used_bytes of the memory limit the pool itself has pool_bytes,
 * in use and idle; it may have all that the rest leaves, and never less than half of the limit.
 */
uint64_t limits_auto_bytes(uint64_t memory_limit_bytes, uint64_t used_bytes, uint64_t pool_bytes);

#endif
