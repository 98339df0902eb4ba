/*
 * command.h -- what `weir dump`, `weir gc` and `weir trim` ask of the process.
 */
#ifndef WEIR_PRELOAD_COMMAND_H
#define WEIR_PRELOAD_COMMAND_H

#include "report/weir_state.h"

/* A value of state_request() came with the dump signal, or was left. Async-signal-safe; keeps errno. */
void command_run(uint64_t request);

#endif
