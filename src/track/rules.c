/*
 * rules.c -- the rules of frames, remembered by address.
 *
 * stack.c looks each frame of each stack up here: a few ns, where reading the tables costs hundreds. A set is
 * one cache line with four entries. No lock: an entry is two words that are written one
 * after the other, of which the first is the address XOR a hash of the second (Hyatt and Mann's lockless
 * hash; rules differ in few bits, as neighbouring addresses do, so it takes a hash): of two writers' mixture
 * no address comes out that anybody asks for, so it is as if nothing stood there. What is forgotten stays in its place under another number of the generation, which
 * is part of that first word, too.
 *
 * Only rules of code in loaded modules are remembered, and forgotten when the loader unloads: around
 * dlclose(), and at the tick when it has been at work by itself. That there is none, where there is no module,
 * is not: one may be loaded there. From glibc 2.35 on that costs some ten ns to find out again.
 */
#include "track/rules.h"

#include <dlfcn.h>
#include <string.h>

#include "track/modules.h"

#ifdef DLFO_STRUCT_HAS_EH_DBASE
/* From glibc 2.35 on, lock-free: what libgcc's unwinder asks there, too. */
#pragma weak _dl_find_object
#endif

#define WAYS 4
#define SETS 2048

struct entry {
	/* Relaxed, both: neither is trusted without the other. */
	_Atomic uint64_t check; /* address ^ mark of the generation ^ hash of the rule */
	_Atomic uint64_t rule;	/* struct cfi_rule; 0: nothing */
};

static struct {
	_Alignas(CACHE_LINE) struct entry sets[SETS][WAYS];
	/* How often all was forgotten. Relaxed: who reads it before reading tables stores what it
	 * found under that number, so a rule that was read before is never found after. */
	_Atomic uint64_t generation;
	_Atomic uint32_t turn; /* relaxed; which way goes next */
} rules;

/* All 64 bits differ between generations, as good as always; of one address they always do. */
static uint64_t mark_of(uint64_t generation)
{
	return generation * 0x9E3779B97F4A7C15u;
}

static uint64_t hash_of(uint64_t rule)
{
	return rule * 0xD6E8FEB86659FD93u;
}

static struct entry *set_of(uintptr_t pc)
{
	return rules.sets[(uint64_t)pc * 0x9E3779B97F4A7C15u >> 53];
}
_Static_assert(sizeof(struct cfi_rule) == sizeof(uint64_t), "a rule is one word");
_Static_assert(SETS == 1u << (64 - 53), "set_of() makes as many bits");

/* Code of a module, which stays as it is until that is unloaded. The loader knows of the newest, too. */
static bool is_lasting(uintptr_t pc)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
	struct dl_find_object object;

	if (_dl_find_object != NULL)
		return _dl_find_object((void *)pc, &object) == 0;
#endif
	return modules_find(pc) != MODULE_NONE;
}

/* Without it libgcc goes through all modules to say that there is none. */
static bool has_lookup(void)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
	return _dl_find_object != NULL;
#else
	return false;
#endif
}

static void remember(struct entry *set, uint64_t address, uint64_t rule)
{
	unsigned way = 0;

	while (way < WAYS && atomic_load_explicit(&set[way].rule, memory_order_relaxed) != 0)
		way++;
	if (way == WAYS)
		way = atomic_fetch_add_explicit(&rules.turn, 1, memory_order_relaxed) % WAYS;
	atomic_store_explicit(&set[way].check, address ^ hash_of(rule), memory_order_relaxed);
	atomic_store_explicit(&set[way].rule, rule, memory_order_relaxed);
}

COLD static struct cfi_rule read_rule(
    struct entry *set, uint64_t address, uintptr_t pc, unsigned *tables_read)
{
	struct cfi_rule rule = cfi_read(pc);
	uint64_t word;

	if (rule.kind == CFI_GENERATED && has_lookup())
		return rule;
	++*tables_read;
	memcpy(&word, &rule, sizeof(word));
	if (is_lasting(pc))
		remember(set, address, word);
	return rule;
}

struct cfi_rule rules_find(uintptr_t pc, unsigned *tables_read)
{
	struct entry *set = set_of(pc);
	uint64_t address = pc ^ mark_of(atomic_load_explicit(&rules.generation, memory_order_relaxed));

	for (unsigned way = 0; way < WAYS; way++) {
		uint64_t word = atomic_load_explicit(&set[way].rule, memory_order_relaxed);
		struct cfi_rule rule;

		/* No rule is 0, nor is its word. */
		if ((atomic_load_explicit(&set[way].check, memory_order_relaxed) ^ hash_of(word)) ==
			address &&
		    word != 0) {
			memcpy(&rule, &word, sizeof(rule));
			return rule;
		}
	}
	return read_rule(set, address, pc, tables_read);
}

void rules_forget(void)
{
	atomic_fetch_add_explicit(&rules.generation, 1, memory_order_relaxed);
}

size_t rules_table_bytes(void)
{
	return sizeof(rules);
}
