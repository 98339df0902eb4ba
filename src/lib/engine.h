/*
 * engine.h -- the engine that this process's pools work on.
 *
 * The interposer's, where there is one of this very build; else one of the library's own, made by
 * the first call with the settings of the environment (WEIR_*).
 */
#ifndef WEIR_LIB_ENGINE_H
#define WEIR_LIB_ENGINE_H

#include "report/weir_engine.h"

/* Never NULL. The first call makes it. */
const struct engine *engine_get(void);
/* Whether it is the interposer's, who then sees to its upkeep. */
bool engine_is_shared(void);
/* Of an engine of our own: give back what is due. level: of the last look at pressure. */
void engine_pass(enum pressure_level level);
/* Its limit follows that of the memory, where it is our own. */
void engine_set_memory_limit(uint64_t memory_limit_bytes, uint64_t memory_used_bytes);

/* Around fork; nothing where the engine is the interposer's. */
void engine_fork_prepare(void);
void engine_fork_parent(void);
void engine_fork_child(void);

#endif
