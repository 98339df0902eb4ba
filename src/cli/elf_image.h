/*
 * elf_image.h -- the few facts of an ELF file that decide whether LD_PRELOAD works on it.
 */
#ifndef WEIR_CLI_ELF_IMAGE_H
#define WEIR_CLI_ELF_IMAGE_H

#include "base/compiler.h"

#define ELF_TEXT_MAX 4095 /* as long as a path can be */

enum elf_kind {
	ELF_NOT,     /* no ELF file */
	ELF_DAMAGED, /* its headers lead outside the file, or contradict each other */
	ELF_FOREIGN, /* for another machine, word size or byte order: only machine and bits are set */
	ELF_NATIVE,
};

struct elf_facts {
	enum elf_kind kind;
	unsigned machine; /* e_machine */
	unsigned bits;	  /* 32 or 64; 0 where the header says neither */
	bool is_shared;	  /* ET_DYN: a shared object, or an executable that can lie anywhere */
	bool is_program;  /* ET_EXEC or ET_DYN: something that can be mapped and run */

	char interpreter[ELF_TEXT_MAX + 1]; /* PT_INTERP, "" where there is none */
	char soname[ELF_TEXT_MAX + 1];	    /* DT_SONAME, likewise */
	const char *sanitizer;		    /* "AddressSanitizer" and so on, or NULL */
	bool has_own_malloc; /* it exports a malloc of its own, which wins over a preloaded one */
};

/* Read what fd holds. Never fails otherwise than by ->kind; keeps the file position. */
void elf_read(int fd, struct elf_facts *facts);

/* "x86-64", "AArch64", ...; NULL for a machine without a name here. */
const char *elf_machine_name(unsigned machine);

/* The machine this code runs on, as e_machine says it. */
unsigned elf_native_machine(void);

#endif
