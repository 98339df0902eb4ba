/*
 * rules.c -- the rules of frames, remembered by address.
 *
 * stack.c looks each frame of each stack up here: a few ns, where reading the tables costs hundreds. A set is
 * one cache line with four entries. No lock: an entry is two words that are written one
 * after the other, of which the first is the address XOR the second (Hyatt and Mann's lockless hash): of
 * two writers' mixture no address comes out that anybody asks for, so it is as if nothing
 * stood there. What is forgotten stays in its place under another number of the generation, which
 * is part of that first word, too.
 *
 * Only rules of code in modules that modules.c knows are remembered: when such a module goes, sites_retire()
 * calls rules_forget(). What a program generates and registers (__register_frame) it may
 * replace without a word, so there the tables are read each time.
 */
#include "track/rules.h"

#include "track/modules.h"

#define WAYS 4
#define SETS 2048

struct entry {
	/* Relaxed, both: neither is trusted without the other. */
	_Atomic uint64_t check; /* address ^ generation ^ rule */
	_Atomic uint64_t rule;	/* packed; 0: nothing */
};

static struct {
	_Alignas(CACHE_LINE) struct entry sets[SETS][WAYS];
	/* How often all was forgotten. Relaxed: who reads it before reading tables stores what it
	 * found under that number, so a rule that was read before is never found after. */
	_Atomic uint64_t generation;
	_Atomic uint32_t turn; /* relaxed; which way goes next */
} rules;

/* Kind, whether fp is saved, and offsets in words: 3, 1, 25, 16 and 16 bits; never 0 for what is remembered. */
static uint64_t pack(struct cfi_rule rule)
{
	return ((uint64_t)rule.kind + 1) | (uint64_t)rule.is_fp_saved << 3 |
	       ((uint64_t)(rule.cfa_offset / 8) & 0x1FFFFFF) << 4 |
	       ((uint64_t)(rule.pc_offset / 8) & 0xFFFF) << 32 |
	       ((uint64_t)(rule.fp_offset / 8) & 0xFFFF) << 48;
}

static struct cfi_rule unpack(uint64_t packed)
{
	return (struct cfi_rule){
	    .kind = (enum cfi_kind)((packed & 7) - 1),
	    .is_fp_saved = (packed >> 3 & 1) != 0,
	    .cfa_offset = (int32_t)((int64_t)(packed << 35) >> 39) * 8,
	    .pc_offset = (int16_t)(packed >> 32) * 8,
	    .fp_offset = (int16_t)(packed >> 48) * 8,
	};
}

/* All 64 bits differ between generations, as good as always; of one address they always do. */
static uint64_t mark_of(uint64_t generation)
{
	return generation * 0x9E3779B97F4A7C15u;
}

static struct entry *set_of(uintptr_t pc)
{
	return rules.sets[(uint64_t)pc * 0x9E3779B97F4A7C15u >> 53];
}
_Static_assert(SETS == 1u << (64 - 53), "set_of() makes as many bits");

static void remember(struct entry *set, uint64_t address, uint64_t packed)
{
	uint32_t way = atomic_fetch_add_explicit(&rules.turn, 1, memory_order_relaxed) % WAYS;

	for (uint32_t i = 0; i < WAYS; i++) {
		if (atomic_load_explicit(&set[i].rule, memory_order_relaxed) == 0)
			way = i;
	}
	atomic_store_explicit(&set[way].check, address ^ packed, memory_order_relaxed);
	atomic_store_explicit(&set[way].rule, packed, memory_order_relaxed);
}

struct cfi_rule rules_find(uintptr_t pc, bool *is_read)
{
	struct entry *set = set_of(pc);
	uint64_t address = pc ^ mark_of(atomic_load_explicit(&rules.generation, memory_order_relaxed));
	struct cfi_rule rule;

	*is_read = false;
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t packed = atomic_load_explicit(&set[i].rule, memory_order_relaxed);

		if ((atomic_load_explicit(&set[i].check, memory_order_relaxed) ^ packed) == address &&
		    packed != 0)
			return unpack(packed);
	}
	*is_read = true;
	rule = cfi_read(pc);
	if (modules_find(pc) != MODULE_NONE)
		remember(set, address, pack(rule));
	return rule;
}

void rules_forget(void)
{
	atomic_fetch_add_explicit(&rules.generation, 1, memory_order_relaxed);
}

size_t rules_table_bytes(void)
{
	return sizeof(rules);
}
