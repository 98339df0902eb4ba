/*
 * maintain.h -- who runs the monitor and the collections, and when.
 */
#ifndef WEIR_PRELOAD_MAINTAIN_H
#define WEIR_PRELOAD_MAINTAIN_H

#include "base/compiler.h"

void maintain_start(void);
/* Whether mallctl() can be called: it is there, and there is address space for what it makes. */
bool maintain_may_ask_jemalloc(void);
void maintain_fork_prepare(void);
void maintain_fork_parent(void);
void maintain_fork_child(void);

/* "thread", "inline" or "none" (WEIR_ENABLE=off) */
const char *maintain_mode(void);

#endif
