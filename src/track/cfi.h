/*
 * cfi.h -- how to get from one frame of a stack to the frame of its caller.
 */
#ifndef WEIR_TRACK_CFI_H
#define WEIR_TRACK_CFI_H

#include "base/compiler.h"

/* Where a frame's canonical frame address (CFA) is: what the stack pointer was before the call. */
enum cfi_kind {
	CFI_END,     /* no tables for that code, or it is what a thread begins with: no caller */
	CFI_SP,	     /* CFA = stack pointer + cfa_offset */
	CFI_FP,	     /* CFA = frame pointer + cfa_offset */
	CFI_FP_LOAD, /* CFA = the word at frame pointer + cfa_offset: a frame that aligned itself */
	CFI_OTHER,   /* something else: for libgcc */
};

/* Offsets in bytes, multiples of 8. */
struct cfi_rule {
	enum cfi_kind kind;
	bool is_fp_saved;   /* else the caller's frame pointer is the same */
	int32_t cfa_offset; /* 28 bits and a sign */
	int32_t pc_offset;  /* the return address is at CFA + that */
	int32_t
	    fp_offset; /* the caller's frame pointer is at CFA + that; in CFI_FP_LOAD, at frame pointer + that */
};

/*
 * The rule at pc, an address within a call instruction. Reads the tables of whatever code is
 * there: 100 to 300 ns. Thread-safe, as libgcc's unwinder is; not from a signal handler that interrupted it.
 */
struct cfi_rule cfi_read(uintptr_t pc);

#endif
