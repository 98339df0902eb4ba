/*
 * dump.h -- the start of dump.c; dump_take() is in preload.h.
 */
#ifndef WEIR_PRELOAD_DUMP_H
#define WEIR_PRELOAD_DUMP_H

/* Once, at start: remember what cannot be asked later (after chroot, say). */
void dump_start(void);

#endif
