/*
 * elf_symbol.c -- one loaded object's names: what it defines, and what it imports.
 *
 * Used to bind to jemalloc at the first malloc there is. dlopen() would do, but it
 * allocates (for an object that came as a dependency it has to list the dependencies
 * first), and there is no malloc yet. This reads the list of loaded objects that the
 * loader keeps for debuggers, and the object's GNU hash table (the layout is that of
 * glibc's and binutils' documentation). Allocates nothing, takes no lock, calls no
 * function but strcmp and its like; runs before any second thread can exist.
 *
 * Imports are the words that relocations of two types fill: the jump slots of the procedure
 * linkage table, and the entries of the global offset table. Where the loader has made them
 * read-only (RELRO), their page is writable for the moment of the change.
 */
#include "preload/elf_symbol.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "base/sys.h"

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

/* --- imports ----------------------------------------------------------------- */

#if defined(__x86_64__)
#define RELOCATION_JUMP_SLOT R_X86_64_JUMP_SLOT
#define RELOCATION_GLOBAL R_X86_64_GLOB_DAT
#elif defined(__aarch64__)
#define RELOCATION_JUMP_SLOT R_AARCH64_JUMP_SLOT
#define RELOCATION_GLOBAL R_AARCH64_GLOB_DAT
#endif

#if defined(RELOCATION_JUMP_SLOT)
struct relocations {
	const ElfW(Rela) * jump_slots, *others;
	size_t jump_slot_count, other_count, relative_count;
};

static void find_relocations(const struct link_map *map, struct relocations *found)
{
	*found = (struct relocations){0};
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_JMPREL)
			found->jump_slots = address(map, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_PLTRELSZ)
			found->jump_slot_count = entry->d_un.d_val / sizeof(ElfW(Rela));
		else if (entry->d_tag == DT_RELA)
			found->others = address(map, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_RELASZ)
			found->other_count = entry->d_un.d_val / sizeof(ElfW(Rela));
		else if (entry->d_tag == DT_RELACOUNT) /* these stand first, and name nothing */
			found->relative_count = entry->d_un.d_val;
	}
}

/* Whether the loader has made the word read-only. */
static bool is_relro(const struct link_map *map, uintptr_t word)
{
	const ElfW(Ehdr) *header = (const void *)map->l_addr;
	const ElfW(Phdr) *segment = (const void *)(map->l_addr + header->e_phoff);

	for (unsigned i = 0; i < header->e_phnum; i++, segment++)
		if (segment->p_type == PT_GNU_RELRO)
			return word - (map->l_addr + segment->p_vaddr) < segment->p_memsz;
	return false;
}

static bool write_word(const struct link_map *map, uintptr_t word, void *value)
{
	void *page = (void *)ROUND_DOWN(word, PAGE_BYTES);
	bool is_sealed = is_relro(map, word);

	if (is_sealed && mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE) != 0)
		return false;
	*(void **)word = value;
	/* The part of a page that is not RELRO was rounded off it; so the whole page may be sealed again. */
	if (is_sealed)
		mprotect(page, PAGE_BYTES, PROT_READ);
	return true;
}

static const char *name_of(const struct tables *tables, const ElfW(Rela) * relocation)
{
	return tables->names + tables->symbols[ELF64_R_SYM(relocation->r_info)].st_name;
}

/* Most names are told from those wanted by their first letter: every start of a process pays for this. */
static uint64_t initial_bit(const char *name)
{
	return (uint64_t)1 << (name[0] & 63);
}

static bool replace(const struct link_map *map, const struct tables *tables, const ElfW(Rela) * relocation,
    const struct elf_import *imports, size_t count)
{
	unsigned type = (unsigned)ELF64_R_TYPE(relocation->r_info);
	const char *name = name_of(tables, relocation);

	if (type != RELOCATION_JUMP_SLOT && type != RELOCATION_GLOBAL)
		return true;
	for (size_t i = 0; i < count; i++)
		if (name[1] == imports[i].name[1] && strcmp(name, imports[i].name) == 0)
			return write_word(map, map->l_addr + relocation->r_offset, imports[i].function);
	return true;
}

bool elf_replace_imports(const struct link_map *map, const struct elf_import *imports, size_t count)
{
	struct relocations found;
	struct tables tables;
	uint64_t initials = 0;
	bool is_done = true;

	if (!find_tables(map, &tables))
		return false;
	find_relocations(map, &found);
	for (size_t i = 0; i < count; i++)
		initials |= initial_bit(imports[i].name);
	for (size_t i = 0; found.jump_slots != NULL && i < found.jump_slot_count; i++)
		if ((initials & initial_bit(name_of(&tables, &found.jump_slots[i]))) != 0)
			is_done &= replace(map, &tables, &found.jump_slots[i], imports, count);
	for (size_t i = found.relative_count; found.others != NULL && i < found.other_count; i++)
		if ((initials & initial_bit(name_of(&tables, &found.others[i]))) != 0)
			is_done &= replace(map, &tables, &found.others[i], imports, count);
	return is_done;
}
#else
bool elf_replace_imports(
    const struct link_map *map UNUSED, const struct elf_import *imports UNUSED, size_t count UNUSED)
{
	return false;
}
#endif
