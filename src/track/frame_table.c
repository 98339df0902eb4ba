/*
 * frame_table.c -- which entry of call frame information is an address's.
 *
 * Called by cfi.c. Every module has a sorted table of its entries (.eh_frame_hdr; LSB, 10.6.2), which the
 * loader's _dl_find_object() leads to without a lock. It is searched here and not by libgcc's
 * _Unwind_Find_FDE(): that one looks first among what a program has registered for code that it
 * generates (__register_frame), under a mutex which (before GCC 13) is held by a thread that allocates there, and
 * in a child by nobody who would release it. So generated code has no entry; stack.c finds its way through.
 *
 * Before glibc 2.35 libgcc is asked all the same: there is nothing else.
 */
#include "track/frame_table.h"

#include <dlfcn.h>
#include <string.h>

/* As libgcc's own unwinder has them since GCC 3.0. */
struct dwarf_eh_bases {
	void *tbase, *dbase, *func;
};
extern const void *_Unwind_Find_FDE(void *pc, struct dwarf_eh_bases *bases);

#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object

/* The one form that linkers make: all from the table's start, or their own place, in 4 bytes. */
struct table {
	unsigned char version, frame_encoding, count_encoding, entry_encoding;
	int32_t frame;
	uint32_t count;
	struct {
		int32_t code, entry; /* from the table's start */
	} entries[];
};

static const unsigned char *search(const struct table *table, uintptr_t pc, uintptr_t *start)
{
	static const unsigned char form[4] = {1, 0x1b, 0x03, 0x3b};
	uintptr_t base = (uintptr_t)table;
	uint32_t low = 0, high;

	if (table == NULL || memcmp(table, form, sizeof(form)) != 0)
		return NULL;
	high = table->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (base + (uintptr_t)table->entries[middle].code <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	*start = base + (uintptr_t)table->entries[low - 1].code;
	return (const unsigned char *)(base + (uintptr_t)table->entries[low - 1].entry);
}
#endif

const unsigned char *frame_table_find(uintptr_t pc, uintptr_t *start)
{
	struct dwarf_eh_bases bases;
	const unsigned char *entry;

#ifdef DLFO_STRUCT_HAS_EH_DBASE
	struct dl_find_object object;

	if (_dl_find_object != NULL)
		return _dl_find_object((void *)pc, &object) == 0 ? search(object.dlfo_eh_frame, pc, start)
								 : NULL;
#endif
	entry = _Unwind_Find_FDE((void *)pc, &bases);
	*start = entry != NULL ? (uintptr_t)bases.func : 0;
	return entry;
}
