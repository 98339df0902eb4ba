/*
 * cfi.h -- how to get from one frame of a stack to the frame of its caller.
 */
#ifndef WEIR_TRACK_CFI_H
#define WEIR_TRACK_CFI_H

#include "base/compiler.h"

/* Where a frame's canonical frame address (CFA) is: what the stack pointer was before the call. */
enum cfi_kind {
	CFI_NONE,    /* no rule; nobody makes it */
	CFI_END,     /* what a thread begins with: no caller */
	CFI_SP,	     /* CFA = stack pointer + cfa_words */
	CFI_FP,	     /* CFA = frame pointer + cfa_words */
	CFI_FP_LOAD, /* CFA = the word at frame pointer + cfa_words: a frame that aligned itself */
	CFI_SIGNAL,  /* what a handler returns to: the kernel saved all registers there */
	CFI_OTHER,   /* something else, which is not followed */
	/* No tables say anything; the rule is cfi_by_frame_pointer()'s. */
	CFI_GAP,       /* in a module between code that has tables: assembler, or a JIT's built-ins */
	CFI_GENERATED, /* in no module that has tables */
};

/* One word, so that it can be remembered as one. Distances in words of 8 bytes. */
struct cfi_rule {
	uint64_t kind : 4;	  /* enum cfi_kind */
	uint64_t is_fp_saved : 1; /* else the caller's frame pointer is the same */
	int64_t cfa_words : 23;
	int64_t pc_words : 18; /* the return address is at CFA + that */
	int64_t
	    fp_words : 18; /* the caller's frame pointer is at CFA + that; in CFI_FP_LOAD, at frame pointer + that */
};

/* What both architectures' conventions make of a frame pointer: it points to the caller's, and the return address
 * is next to that. On aarch64 the CFA may be further out. */
INLINE struct cfi_rule cfi_by_frame_pointer(enum cfi_kind kind)
{
	return (struct cfi_rule){
	    .kind = kind, .is_fp_saved = true, .cfa_words = 2, .pc_words = -1, .fp_words = -2};
}

/*
 * The rule at pc, an address within a call instruction or the one where a signal came. Reads the tables of
 * the module there: 100 to 300 ns. Thread-safe; takes no lock from glibc 2.35 on.
 */
struct cfi_rule cfi_read(uintptr_t pc);

/* The rule at pc by an entry (FDE) of code that begins at code; CFI_GAP: pc is not in it. */
struct cfi_rule cfi_of_entry(const unsigned char *fde, uintptr_t code, uintptr_t pc);

#endif
