/*
 * target_symbol.c -- where weir_state is in a process that has Weir.
 *
 * The symbol is looked up in the process's memory, not in a file: the file may be gone,
 * replaced by a newer one, or in another mount namespace. Nothing that is read is trusted:
 * each loop has a bound of its own. Called by target_attach().
 */
#include <elf.h>
#include <string.h>

#include "cli/target_parts.h"

/* More than a linker makes of such an object: what goes beyond is no object of Weir's. */
#define HEADERS_MAX 64
#define DYNAMIC_MAX 128
#define CHAIN_MAX 4096

struct tables {
	uint64_t base, hash, symbols, strings;
};

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name != '\0'; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

static enum target_result read_dynamic(struct target *target, uint64_t address, struct tables *tables)
{
	Elf64_Dyn dynamic[DYNAMIC_MAX];
	enum target_result result;

	for (unsigned i = 0; i < DYNAMIC_MAX; i++) {
		uint64_t value;

		result = target_read(target, address + i * sizeof(Elf64_Dyn), &dynamic[i], sizeof(Elf64_Dyn));
		if (result != TARGET_OK)
			return result;
		value = dynamic[i].d_un.d_ptr;
		/* The loader has made addresses of them on most machines. */
		if (value < tables->base)
			value += tables->base;
		if (dynamic[i].d_tag == DT_NULL)
			break;
		if (dynamic[i].d_tag == DT_GNU_HASH)
			tables->hash = value;
		else if (dynamic[i].d_tag == DT_SYMTAB)
			tables->symbols = value;
		else if (dynamic[i].d_tag == DT_STRTAB)
			tables->strings = value;
	}
	if (tables->hash == 0 || tables->symbols == 0 || tables->strings == 0)
		return TARGET_NO_WEIR;
	return TARGET_OK;
}

static enum target_result find_tables(struct target *target, struct tables *tables)
{
	Elf64_Ehdr header;
	enum target_result result = target_read(target, tables->base, &header, sizeof header);

	if (result != TARGET_OK)
		return result;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_phentsize != sizeof(Elf64_Phdr))
		return TARGET_NO_WEIR;
	for (unsigned i = 0; i < MIN(header.e_phnum, (unsigned)HEADERS_MAX); i++) {
		Elf64_Phdr segment;

		result = target_read(
		    target, tables->base + header.e_phoff + i * sizeof segment, &segment, sizeof segment);
		if (result != TARGET_OK)
			return result;
		if (segment.p_type == PT_DYNAMIC)
			return read_dynamic(target, tables->base + segment.p_vaddr, tables);
	}
	return TARGET_NO_WEIR;
}

static bool is_named(struct target *target, const struct tables *tables, const Elf64_Sym *symbol)
{
	char name[sizeof STATE_SYMBOL];

	return symbol->st_shndx != SHN_UNDEF &&
	       target_read(target, tables->strings + symbol->st_name, name, sizeof name) == TARGET_OK &&
	       memcmp(name, STATE_SYMBOL, sizeof name) == 0;
}

/* By the GNU hash table, whose layout is: header, bloom filter, buckets, chain. */
enum target_result target_find_symbol(struct target *target, uint64_t base)
{
	struct tables tables = {.base = base};
	struct {
		uint32_t buckets, first, bloom_words, shift;
	} header;
	uint32_t hash = gnu_hash(STATE_SYMBOL), index, value;
	uint64_t buckets;
	enum target_result result = find_tables(target, &tables);

	if (result == TARGET_OK)
		result = target_read(target, tables.hash, &header, sizeof header);
	if (result != TARGET_OK)
		return result;
	if (header.buckets == 0)
		return TARGET_NO_WEIR;
	buckets = tables.hash + sizeof header + (uint64_t)header.bloom_words * 8;
	result = target_read(target, buckets + (hash % header.buckets) * 4ULL, &index, sizeof index);
	for (unsigned steps = 0; result == TARGET_OK && index >= header.first && steps < CHAIN_MAX;
	     steps++, index++) {
		Elf64_Sym symbol;

		result = target_read(target,
		    buckets + (uint64_t)header.buckets * 4 + (uint64_t)(index - header.first) * 4, &value,
		    sizeof value);
		if (result == TARGET_OK && (value | 1) == (hash | 1))
			result = target_read(
			    target, tables.symbols + (uint64_t)index * sizeof symbol, &symbol, sizeof symbol);
		if (result != TARGET_OK)
			return result;
		if ((value | 1) == (hash | 1) && is_named(target, &tables, &symbol)) {
			target->address = base + symbol.st_value;
			return TARGET_OK;
		}
		if ((value & 1) != 0)
			break;
	}
	return result == TARGET_OK ? TARGET_NO_WEIR : result;
}
