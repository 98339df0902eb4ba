/*
 * elf_symbol.h -- a name looked up in one loaded object, without the loader's help.
 */
#ifndef WEIR_PRELOAD_ELF_SYMBOL_H
#define WEIR_PRELOAD_ELF_SYMBOL_H

#include <link.h>
#include <stdbool.h>

/* The loaded object whose file name begins with name, such as "libjemalloc.so.2"; NULL: none. */
const struct link_map *elf_find_object(const char *name);

/* The address of the function or object that map defines under name; NULL: it does not. */
void *elf_find_symbol(const struct link_map *map, const char *name);

struct elf_import {
	const char *name;
	void *function;
};

/*
 * What map calls under these names is from now on what stands beside them, for map alone. A
 * name that it does not import is left out. False: an entry could not be written to; others
 * may have been. Before other threads run.
 */
bool elf_replace_imports(const struct link_map *map, const struct elf_import *imports, size_t count);

#endif
