/*
 * tuning.h -- the pool's constants that were found by measuring (bench/RESULTS.md).
 */
#ifndef WEIR_POOL_TUNING_H
#define WEIR_POOL_TUNING_H

#include "base/compiler.h"

/* One CPU's magazines may hold this share of what is out of the heap, within bounds. */
#define MAGAZINE_SHARE 16
#define MAGAZINE_BUDGET_MIN (1 * MIB)
#define MAGAZINE_BUDGET_MAX (8 * MIB)

#endif
