/*
 * owner.h -- whether the process that runs this code owns the memory it runs in.
 */
#ifndef WEIR_PRELOAD_OWNER_H
#define WEIR_PRELOAD_OWNER_H

#include "base/compiler.h"

/* Once, while there is one thread. */
void owner_start(void);

/* False in a child of vfork, and in any other process that borrows this memory. Async-signal-safe. */
bool owner_is_self(void);

#endif
