/*
 * rules.h -- the rules of frames, remembered by address.
 */
#ifndef WEIR_TRACK_RULES_H
#define WEIR_TRACK_RULES_H

#include "track/cfi.h"

/*
 * The rule at pc, an address within a call instruction. Where it was not known, the tables are read, if there
 * are any, and one is added to *tables_read. Thread-safe; what it may be called from is as for cfi_read().
 */
struct cfi_rule rules_find(uintptr_t pc, unsigned *tables_read);

/* Code has gone, and other code may come to where it was: nothing is known any more. Thread-safe. */
void rules_forget(void);

size_t rules_table_bytes(void);

#endif
