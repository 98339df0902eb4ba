/*
 * runs.h -- the free runs of one arena: bins by length, coalescing.
 *
 * The caller holds the arena's lock. No system calls: which pages are resident is
 * known from range.hot, set when a run is freed and cleared when it was purged.
 */
#ifndef WEIR_POOL_RUNS_H
#define WEIR_POOL_RUNS_H

#include "pool/range.h"

/* Exact bins for 1 to 256 pages, then eight a doubling. */
#define RUNS_EXACT_BINS 256
#define RUNS_BINS (RUNS_EXACT_BINS + 8 * 18)
#define RUNS_WORDS ((RUNS_BINS + 63) / 64)

/* A run with at least half its pages resident is hot; with fewer, but some, warm; with none, cold. */
enum temperature { RUNS_HOT, RUNS_WARM, RUNS_COLD, TEMPERATURES };

struct bins {
	uint64_t occupied[RUNS_WORDS]; /* a bit a bin; other arenas peek at it without lock */
	uint32_t heads[RUNS_BINS];
};

struct runs {
	struct bins bins[TEMPERATURES]; /* by length; warm ones by how many of their pages are resident */
	uint64_t free_pages;		/* in all */
	uint64_t hot_pages;		/* of these, maybe resident */
	uint32_t counts[TEMPERATURES];
	uint64_t fresh_pages, reused_pages; /* taken so far that may not have been resident, and that were */
	unsigned arena;			    /* its owner's index: runs of different arenas do not coalesce */
};

/*
 * Take so many pages, and leave the rest of their run free. RUNS_HOT: of the best-fitting hot run, or of the
 * warm one with the fewest resident pages that are as many at least; else nothing. RUNS_COLD: of the warm one with the
 * most resident pages that are fewer, if they are not too few, or of the best-fitting cold one. Of a run that is
 * partly resident, that part. Returns the first page, or 0. *was_cold says that every page reads as zero.
 * The caller writes the entry of the first page.
 */
uint32_t runs_take(struct runs *runs, enum temperature temperature, uint32_t pages, bool *was_cold);

/* Take a run of most pages, or else all of the longest one that has least. Its length is in *got. */
uint32_t runs_take_longest(struct runs *runs, enum temperature temperature, uint32_t least, uint32_t most,
    uint32_t *got, bool *was_cold);

/*
 * The same, up to most times (at least one), as long as what is left of the run fits best: *count runs of that
 * length, in a row.
 */
uint32_t runs_take_row(struct runs *runs, enum temperature temperature, uint32_t pages, unsigned most,
    unsigned *count, bool *was_cold);

/*
 * Take so many pages with room more free ones behind them: of the hot run that fits best, of any warm one, or of the cold one
 * that fits best. Before a cold one comes one of the longest hot runs, if it has the pages alone. Of a run that is partly
 * resident, that part. 0: there is none of these.
 */
uint32_t runs_take_roomy(struct runs *runs, uint32_t pages, uint32_t room, bool *was_cold);

/* Take exactly [page, page + pages) out of the free run that starts at or before it. */
bool runs_take_at(struct runs *runs, uint32_t page, uint32_t pages, bool *was_cold);

/* How long the free run is that starts at page; 0: none does. */
uint32_t runs_free_length(const struct runs *runs, uint32_t page);

/* A run that was in use: all its pages may be resident. Coalesces. */
void runs_free_hot(struct runs *runs, uint32_t page, uint32_t pages, uint32_t now);
/* A run whose bits in range.hot say what is resident. Coalesces. */
void runs_free_as_marked(struct runs *runs, uint32_t page, uint32_t pages, uint32_t now);

/* Remove a whole free run from its bin; its entry becomes RUN_BUSY. */
void runs_withdraw(struct runs *runs, uint32_t page);
/* The withdrawn run comes back, as old as it was, as range.hot now says. */
void runs_restore(struct runs *runs, uint32_t page, uint32_t freed);

/*
 * How good the run is that RUNS_HOT would be taken from, if it has so many pages for sure: the less the better;
 * RUNS_RANKS: there is none. May be asked without lock, then it is a guess.
 */
#define RUNS_RANKS (2 * RUNS_BINS)
unsigned runs_rank(const struct runs *runs, uint32_t pages);
/* Whether there is one; may be asked without lock, then it is a guess. */
bool runs_has_hot(const struct runs *runs, uint32_t pages);

uint32_t hot_count(uint32_t page, uint32_t pages);
/* Whether all of them are in the range and may be resident; asked without lock, a guess. */
bool hot_is_all(uint32_t page, uint32_t pages);
void hot_mark(uint32_t page, uint32_t pages, bool is_hot);

#endif
