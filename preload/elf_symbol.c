/*
 * elf_symbol.c -- a name looked up in one loaded object, without the loader's help.
 *
 * Used to bind to jemalloc at the first malloc there is. dlopen() would do, but it
 * allocates (for an object that came as a dependency it has to list the dependencies
 * first), and there is no malloc yet. This reads the list of loaded objects that the
 * loader keeps for debuggers, and the object's GNU hash table (the layout is that of
 * glibc's and binutils' documentation). Allocates nothing, takes no lock, calls no
 * function but strcmp and its like; runs before any second thread can exist.
 */
#include "preload/elf_symbol.h"

#include <elf.h>
#include <string.h>

#include "base/compiler.h"

/* glibc adds the load address to the addresses in a dynamic section, but need not. */
static const void *address(const struct link_map *map, ElfW(Addr) value)
{
	return (const void *)(value < map->l_addr ? value + map->l_addr : value);
}

const struct link_map *elf_find_object(const char *name)
{
	for (const struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next) {
		const char *slash = strrchr(map->l_name, '/');

		if (strncmp(slash != NULL ? slash + 1 : map->l_name, name, strlen(name)) == 0)
			return map;
	}
	return NULL;
}

struct tables {
	const uint32_t *hash;
	const ElfW(Sym) * symbols;
	const char *names;
};

static bool find_tables(const struct link_map *map, struct tables *tables)
{
	*tables = (struct tables){0};
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_GNU_HASH)
			tables->hash = address(map, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_SYMTAB)
			tables->symbols = address(map, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_STRTAB)
			tables->names = address(map, entry->d_un.d_ptr);
	}
	return tables->hash != NULL && tables->symbols != NULL && tables->names != NULL;
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name != '\0'; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

void *elf_find_symbol(const struct link_map *map, const char *name)
{
	struct tables tables;
	uint32_t bucket_count, first, bloom_words, index, hash = hash_of(name);
	const uint32_t *buckets, *chain;

	if (!find_tables(map, &tables))
		return NULL;
	bucket_count = tables.hash[0];
	first = tables.hash[1];
	bloom_words = tables.hash[2];
	buckets = tables.hash + 4 + bloom_words * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	chain = buckets + bucket_count;
	index = bucket_count != 0 ? buckets[hash % bucket_count] : 0;
	if (index < first)
		return NULL;
	for (;; index++) {
		const ElfW(Sym) *symbol = &tables.symbols[index];
		uint32_t entry = chain[index - first];

		if ((entry | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
		    strcmp(tables.names + symbol->st_name, name) == 0)
			return (void *)(map->l_addr + symbol->st_value);
		if (entry & 1) /* the last of its bucket */
			return NULL;
	}
}
