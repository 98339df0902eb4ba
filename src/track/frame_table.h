/*
 * frame_table.h -- which entry of call frame information is an address's.
 */
#ifndef WEIR_TRACK_FRAME_TABLE_H
#define WEIR_TRACK_FRAME_TABLE_H

#include "base/compiler.h"

/*
 * The last entry (FDE) of the module at pc that begins at or before it; *start: where its code begins. NULL:
 * no module is there, or it has no such table. Thread-safe; from glibc 2.35 on lock-free.
 */
const unsigned char *frame_table_find(uintptr_t pc, uintptr_t *start);

#endif
