/*
 * range.h -- the one stretch of address space, and the tables beside it.
 *
 * Reserved once, halved until it fits; never given back. Chunks of 4 MiB are
 * committed from the low end on and belong to one arena for ever. Page 0 is
 * never used, so that page number 0 can mean none.
 */
#ifndef WEIR_POOL_RANGE_H
#define WEIR_POOL_RANGE_H

#include "base/lock.h"
#include "base/sys.h"
#include "pool/run.h"

#define CHUNK_SHIFT 22
#define CHUNK_PAGES ((uint32_t)1 << (CHUNK_SHIFT - PAGE_SHIFT))

struct range {
	/* What free reads stands together. Frozen once range_reserve() is over, but that range_cut() lowers the bytes. */
	uintptr_t base;
	/* Pointers into so much take the fast path of free: bytes, or 0 where every free has more to
	 * do. All of the table can be read, so a wild pointer meets RUN_NONE, not a fault. */
	size_t fast_bytes;
	struct run *runs;
	size_t bytes;  /* 0: no range, nothing is ours */
	uint64_t *hot; /* a bit a page: may be resident. Meaningful for free pages only; their arena's lock */
	uint64_t *edges; /* a bit for the first and the last page of each free run; likewise */
	/* A bit a page that was freed in this window of demand, and in the one before, by turns (is_second). Meaningful
	 * for free pages; set under their arena's lock, cleared under the maintain lock alone: a hint. */
	uint64_t *freed[2];
	uint8_t *owners; /* of each chunk: arena index; written before the chunk is used, never changed */

	/* Shared. */
	_Atomic bool is_second; /* which of freed[] is this window's; relaxed, a hint */
	struct lock lock;
	/* The frontier; written under lock. Release in range_extend(), acquire in range_committed():
	 * whoever finds a page below it finds its chunk's owner, too. */
	_Atomic uint32_t committed_pages;
};

extern HIDDEN struct range range;

/* Reserve about wanted bytes (a power of two), or what can be had down to
 * 32 MiB; extra bytes of zeroed memory go to *extra. False: nothing. */
bool range_reserve(size_t wanted, size_t extra_bytes, void **extra);

/*
 * Commit at least pages more, all of them owned by arena, and about as many as it has already (has_pages): chunks of
 * several arenas that grow at once would stand by turns, and runs do not join across them. Returns the first page
 * and the length in *got, or 0 where address space or the kernel's will ends.
 */
uint32_t range_extend(unsigned arena, uint32_t pages, uint64_t has_pages, uint32_t *got);

/* What is reserved beyond so many bytes goes back, as far as nobody has used it yet. Ends in a child of _Fork(), too,
 * whose parent was extending the range at that moment; then nothing goes back. */
void range_cut(size_t bytes);

/* A window of demand ends, and freed[] with it. The maintain lock is held. */
void range_end_window(void);

/* Nothing stands in the table within a free run: what describes [page, end), a part of one that was withdrawn, goes back
 * to the kernel. */
void range_forget(uint32_t page, uint32_t end);

INLINE struct run *run_at(uint32_t page)
{
	return &range.runs[page];
}

/* The entry of the page in which p, which the range contains, stands. */
INLINE struct run *run_of(const void *p)
{
	return run_at((uint32_t)(((uintptr_t)p - range.base) >> PAGE_SHIFT));
}
INLINE void *page_address(uint32_t page)
{
	return (void *)(range.base + ((uintptr_t)page << PAGE_SHIFT));
}

/*
 * Where a buffer starts, as a number: in units of 512 bytes from the range's start, since every buffer
 * starts at a multiple of that. What stands in magazines, so that neither malloc nor free has to
 * ask the table for a slot's offset within its page. 0: none.
 */
#define PLACE_SHIFT 9
#define PAGE_PLACES_SHIFT (PAGE_SHIFT - PLACE_SHIFT)

INLINE uint32_t place_at(uint32_t page)
{
	return page << PAGE_PLACES_SHIFT | (uint32_t)run_at(page)->offset >> PLACE_SHIFT;
}

INLINE uint32_t place_page(uint32_t place)
{
	return place >> PAGE_PLACES_SHIFT;
}

/* Its entry. */
INLINE struct run *run_at_place(uint32_t place)
{
	uint32_t page_places = place & ~((1u << PAGE_PLACES_SHIFT) - 1);

	/* One instruction less than by the page's number: the processor multiplies by 4 itself. */
	return (struct run *)(void *)((char *)range.runs +
				      (size_t)page_places * (sizeof(struct run) >> PAGE_PLACES_SHIFT));
}

INLINE unsigned page_owner(uint32_t page)
{
	return range.owners[page >> (CHUNK_SHIFT - PAGE_SHIFT)];
}

INLINE uint32_t range_committed(void)
{
	return atomic_load_explicit(&range.committed_pages, memory_order_acquire);
}

#endif
