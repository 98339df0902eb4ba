/*
 * tuning.h -- the pool's constants that were found by measuring (bench/RESULTS.md).
 */
#ifndef WEIR_POOL_TUNING_H
#define WEIR_POOL_TUNING_H

#include "base/compiler.h"

/* All magazines together may hold this share of what is out of the heap, or so much; each
 * CPU in use its part of that, within bounds. Half as much again where one class has most of the room:
 * there it saves every miss, among many classes one in some hundred. */
#define MAGAZINE_SHARE 36
#define MAGAZINES_BYTES_MIN (2 * MIB + 896 * KIB)
#define MAGAZINE_BUDGET_MIN (1 * MIB + 64 * KIB)
#define MAGAZINE_BUDGET_MAX (8 * MIB)
/* So many CPUs have the least whatever is in use, 17 MiB in all; 256 would let 272 MiB idle. */
#define MAGAZINE_FLOORS_FREE 16

/* What a request may do of purging beside its own work: at 0.12 to 0.25 us a page and 20 ns a look 20 to 40 us. */
#define PURGE_PIECE_PAGES ((uint64_t)128)
#define PURGE_PIECE_LOOKS ((uint32_t)256)
/* What takes longer within a request is counted (stats.h). */
#define PURGE_SLOW_NS ((uint64_t)50 * 1000)

#endif
