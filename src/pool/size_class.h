/*
 * size_class.h -- which sizes share a magazine, and how a class is cut.
 *
 * Eight classes a doubling: 4096, 4608, 5120 ... 8192, 9216 ... Above 16 KiB each has whole
 * pages: so between 16 and 32 KiB two are as long as each other, which costs nothing that malloc would
 * not pay more for. Rounding costs 6% on average. Below 16 KiB, a class that is no whole number of
 * pages is cut from a slab: 8 slots of 512*k bytes, or 4 of 1024*k, are exactly
 * k pages (9 <= k <= 15), so a slab wastes nothing. Slots are at least a page
 * apart, so a page holds the start of at most one, and the slab's last page of none:
 * the table of runs, one entry a page, describes slots and slab too.
 */
#ifndef WEIR_POOL_SIZE_CLASS_H
#define WEIR_POOL_SIZE_CLASS_H

#include "base/compiler.h"
#include "base/sys.h"

#define SIZE_CLASS_MIN_BYTES ((size_t)4096)
#define SIZE_CLASS_MAX_BYTES ((size_t)64 << 20)
#define SIZE_CLASSES 113

/* The class of a request of SIZE_CLASS_MIN_BYTES to SIZE_CLASS_MAX_BYTES. */
INLINE unsigned size_class_of_streaming(size_t size)
{
	size_t last = size - 1;
	unsigned log =
	    (unsigned)__builtin_clzl(last) ^ 63; /* gcc makes one instruction of it, of 63 - clz three */

	/* log 12 is the first doubling; the three bits below the top one number the class. 4,095 is class 0. */
	return (log - 12) * 8 + (unsigned)(last >> (log - 3)) - 7;
}

/* The class of a request of 1 to SIZE_CLASS_MAX_BYTES. */
INLINE unsigned size_class_of(size_t size)
{
	return size_class_of_streaming(MAX(size, SIZE_CLASS_MIN_BYTES));
}

INLINE size_t size_class_bytes(unsigned class)
{
	if (class == 0)
		return SIZE_CLASS_MIN_BYTES;
	return (size_t)(9 + (class - 1) % 8) << (9 + (class - 1) / 8);
}

/* The largest class that fits into so many pages, which are at most 64 MiB. */
INLINE unsigned size_class_within(uint32_t pages)
{
	unsigned class = size_class_of((size_t)pages << PAGE_SHIFT);

	return size_class_bytes(class) > (size_t)pages << PAGE_SHIFT ? class - 1 : class;
}

/* Classes from here on are whole pages. */
#define SIZE_CLASS_SLABS 17

INLINE bool size_class_is_slab(unsigned class)
{
	return class < SIZE_CLASS_SLABS && size_class_bytes(class) % PAGE_BYTES != 0;
}

INLINE uint32_t size_class_pages(unsigned class)
{
	return (uint32_t)(ROUND_UP(size_class_bytes(class), PAGE_BYTES) >> PAGE_SHIFT);
}

/* Of a slab class: the slab's length and slots. */
INLINE uint32_t size_class_slab_pages(unsigned class)
{
	return 9 + (class - 1) % 8;
}

INLINE unsigned size_class_slab_slots(unsigned class)
{
	return class <= 8 ? 8 : 4;
}

/* The most that want buffers of a class can take out of the heap: slabs are taken whole. */
INLINE uint64_t size_class_pages_for(unsigned class, unsigned want)
{
	unsigned slots;

	if (!size_class_is_slab(class))
		return (uint64_t)want * size_class_pages(class);
	slots = size_class_slab_slots(class);
	return (uint64_t)((want + slots - 1) / slots) * size_class_slab_pages(class);
}

/* Every buffer of the pool starts at a multiple of this. */
#define SIZE_CLASS_ALIGNMENT_MIN ((size_t)512)

/* Every slot of a class starts at a multiple of this. */
INLINE size_t size_class_alignment(unsigned class)
{
	return size_class_is_slab(class) ? (class <= 8 ? 512 : 1024) : PAGE_BYTES;
}

#endif
