/*
 * target_parts.h -- between the parts of the reader of processes; nobody else includes it.
 */
#ifndef WEIR_CLI_TARGET_PARTS_H
#define WEIR_CLI_TARGET_PARTS_H

#include "cli/target.h"

/* What an errno of reading its memory means; kept in ->error. */
enum target_result target_failed(struct target *target, int error);
enum target_result target_read(struct target *target, uint64_t address, void *to, size_t bytes);
/* One of ->state.parts, whose size judge_parts() has found right. */
enum target_result target_read_part(struct target *target, enum state_part part, void *to);
/* *table holds so many bytes; what it held before may be gone. False: no memory. */
bool target_room(void *table, size_t *room, size_t bytes);

/* Puts the address of weir_state into ->address. base: where the object is loaded. */
enum target_result target_find_symbol(struct target *target, uint64_t base);
/* Copies what the last tick said of lifetimes. */
enum target_result target_track(struct target *target, struct track_snapshot *track);

#endif
