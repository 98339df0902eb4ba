/*
 * frame_entry.h -- unwind tables that a test makes for code that is not there; and registers, as a program
 * registers those of generated code.
 */
#ifndef WEIR_TESTS_FRAME_ENTRY_H
#define WEIR_TESTS_FRAME_ENTRY_H

#include <string.h>

#include "base/compiler.h"

/* libgcc's; no header has them. */
extern void __register_frame(void *);
extern void __deregister_frame(void *);

#if defined(__x86_64__)
#define FP 6
#define SP 7
#define RA 16
#else
#define FP 29
#define SP 31
#define RA 30
#endif

#define FRAME_ENTRY_CODE_BYTES 200

struct frame_entry {
	_Alignas(16) unsigned char code[FRAME_ENTRY_CODE_BYTES]; /* never run */
	_Alignas(8) unsigned char table[160];
	unsigned char *own; /* the entry in it */
};

static inline unsigned char *frame_entry_put(unsigned char *at, const void *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

/* All is said of the code at the start: CFA = SP + 8, the return address at CFA - 8. augmentation: with its data. */
static inline void frame_entry_make(struct frame_entry *entry, const void *augmentation,
    size_t augmentation_bytes, const void *instructions, size_t length)
{
	static const unsigned char head[] = {0, 0, 0, 0, 1}, aligns[] = {1, 0x78, RA};
	static const unsigned char first[] = {0x0c, SP, 8, 0x80 | RA, 1};
	const char *text = augmentation;
	size_t text_bytes = strlen(text) + 1;
	unsigned char *at = entry->table + 4;
	uintptr_t code = (uintptr_t)entry->code, bytes = sizeof(entry->code);
	uint32_t number;

	memset(entry->table, 0, sizeof(entry->table));
	at = frame_entry_put(at, head, sizeof(head));
	at = frame_entry_put(at, text, text_bytes);
	at = frame_entry_put(at, aligns, sizeof(aligns));
	at = frame_entry_put(at, text + text_bytes, augmentation_bytes - text_bytes);
	at = frame_entry_put(at, first, sizeof(first));
	number = (uint32_t)(at - entry->table - 4);
	memcpy(entry->table, &number, 4);
	/* The entry for the code. */
	entry->own = at;
	number = (uint32_t)(at + 4 - entry->table);
	at = frame_entry_put(at + 4, &number, 4);
	at = frame_entry_put(at, &code, 8);
	at = frame_entry_put(at, &bytes, 8);
	if (text[0] == 'z')
		*at++ = 0;
	at = frame_entry_put(at, instructions, length);
	/* Its length stands before what says where the common part is. */
	number = (uint32_t)(at - entry->own - 4);
	memcpy(entry->own, &number, 4);
}

#endif
