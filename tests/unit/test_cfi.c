/*
 * test_cfi.c -- the rule that call frame information says for an address, instruction by instruction.
 */
#include <stdlib.h>

#include "frame_entry.h"
#include "run_suite.h"
#include "track/cfi.h"

#define AT 10 /* the address that is asked for, in the code */
#define NOT_SAVED 100
#if defined(__aarch64__)
#define WHERE_SIGNED CFI_SP
#else
#define WHERE_SIGNED CFI_OTHER
#endif

static struct frame_entry entry;

static const struct {
	const char *name;
	enum cfi_kind kind;
	int cfa, pc, fp; /* words */
	unsigned length;
	unsigned char instructions[24];
} cases[] = {
    {"nothing but what is common", CFI_SP, 1, -1, NOT_SAVED, 0, {0}},
    {"nop", CFI_SP, 1, -1, NOT_SAVED, 1, {0}},
    {"def_cfa_offset", CFI_SP, 5, -1, NOT_SAVED, 2, {0x0e, 40}},
    {"of two bytes", CFI_SP, 0x101, -1, NOT_SAVED, 3, {0x0e, 0x88, 0x10}},
    {"up to the address", CFI_SP, 2, -1, NOT_SAVED, 3, {0x40 | AT, 0x0e, 16}},
    {"not past it", CFI_SP, 1, -1, NOT_SAVED, 3, {0x40 | (AT + 1), 0x0e, 16}},
    {"advance_loc1", CFI_SP, 2, -1, NOT_SAVED, 7, {0x02, 9, 0x0e, 16, 0x42, 0x0e, 24}},
    {"advance_loc2", CFI_SP, 1, -1, NOT_SAVED, 5, {0x03, 10, 1, 0x0e, 16}},
    {"advance_loc4", CFI_SP, 2, -1, NOT_SAVED, 7, {0x04, 10, 0, 0, 0, 0x0e, 16}},
    {"def_cfa_register", CFI_FP, 2, -1, -2, 6, {0x0e, 16, 0x80 | FP, 2, 0x0d, FP}},
    {"def_cfa", CFI_FP, 2, -1, -2, 5, {0x0c, FP, 16, 0x80 | FP, 2}},
    {"def_cfa_sf", CFI_FP, 3, -1, NOT_SAVED, 3, {0x12, FP, 0x7d}},
    {"def_cfa_offset_sf", CFI_SP, 4, -1, NOT_SAVED, 2, {0x13, 0x7c}},
    {"offset_extended", CFI_SP, 1, -1, -3, 3, {0x05, FP, 3}},
    {"offset_extended_sf", CFI_SP, 1, -1, 2, 3, {0x11, FP, 0x7e}},
    {"a return address elsewhere", CFI_SP, 1, -4, NOT_SAVED, 2, {0x80 | RA, 4}},
    {"restore", CFI_SP, 1, -1, NOT_SAVED, 3, {0x80 | FP, 2, 0xc0 | FP}},
    {"restore_extended", CFI_SP, 1, -5, NOT_SAVED, 6, {0x80 | FP, 2, 0x80 | RA, 5, 0x06, FP}},
    {"same_value", CFI_SP, 1, -1, NOT_SAVED, 4, {0x80 | FP, 2, 0x08, FP}},
    {"remember and restore", CFI_SP, 3, -1, -2, 10,
	{0x0e, 24, 0x80 | FP, 2, 0x0a, 0x0e, 8, 0xc0 | FP, 0x0b, 0}},
    {"other registers are nobody's", CFI_SP, 1, -1, NOT_SAVED, 9, {0x83, 2, 0x07, 3, 0x09, 2, 3, 0x08, 12}},
    {"args_size", CFI_SP, 2, -1, NOT_SAVED, 5, {0x2e, 0xff, 0x01, 0x0e, 16}},
    {"a frame that aligned itself", CFI_FP_LOAD, -1, -1, 0, 10,
	{0x0f, 3, 0x70 + FP, 0x78, 0x06, 0x10, FP, 2, 0x70 + FP, 0}},
    {"no return address", CFI_END, 0, 0, NOT_SAVED, 2, {0x07, RA}},
    {"a CFA in another register", CFI_OTHER, 0, 0, NOT_SAVED, 2, {0x0d, 3}},
    {"a CFA that is computed", CFI_OTHER, 0, 0, NOT_SAVED, 6, {0x0f, 4, 0x70 + SP, 8, 0x06, 0x06}},
    {"a frame pointer in another register", CFI_OTHER, 0, 0, NOT_SAVED, 3, {0x09, FP, 3}},
    {"a frame pointer that is lost", CFI_OTHER, 0, 0, NOT_SAVED, 2, {0x07, FP}},
    {"a frame pointer as a distance", CFI_OTHER, 0, 0, NOT_SAVED, 3, {0x14, FP, 2}},
    {"a frame pointer that is computed", CFI_OTHER, 0, 0, NOT_SAVED, 5, {0x16, FP, 2, 0x70 + FP, 0}},
    {"one kept where its own frame pointer says, with a CFA from elsewhere", CFI_OTHER, 0, 0, NOT_SAVED, 5,
	{0x10, FP, 2, 0x70 + FP, 0}},
    {"a return address that is computed", CFI_OTHER, 0, 0, NOT_SAVED, 5, {0x10, RA, 2, 0x70 + SP, 0}},
    {"a stack pointer of its own", CFI_OTHER, 0, 0, NOT_SAVED, 2, {0x80 | (SP & 63), 2}},
    {"no whole words", CFI_OTHER, 0, 0, NOT_SAVED, 2, {0x0e, 12}},
    {"set_loc", CFI_OTHER, 0, 0, NOT_SAVED, 9, {0x01}},
    {"not known", CFI_OTHER, 0, 0, NOT_SAVED, 1, {0x3f}},
    {"cut short", CFI_OTHER, 0, 0, NOT_SAVED, 1, {0x0e}},
    {"a number without end", CFI_OTHER, 0, 0, NOT_SAVED, 3, {0x0e, 0x88, 0x80}},
    {"a block longer than there is", CFI_OTHER, 0, 0, NOT_SAVED, 3, {0x0f, 30, 0x06}},
    {"nothing to restore", CFI_OTHER, 0, 0, NOT_SAVED, 1, {0x0b}},
    {"remembered too often", CFI_OTHER, 0, 0, NOT_SAVED, 5, {0x0a, 0x0a, 0x0a, 0x0a, 0x0a}},
    {"what comes after the address is not looked at", CFI_SP, 1, -1, NOT_SAVED, 2, {0x40 | (AT + 1), 0x3f}},
};

static const char plain[] = "zR\0\1"; /* and its NUL: absolute pointers */

static struct cfi_rule rule_at(uintptr_t offset)
{
	return cfi_of_entry(entry.own, (uintptr_t)entry.code, (uintptr_t)entry.code + offset);
}

static void ck_rule(struct cfi_rule rule, enum cfi_kind kind, int cfa, int pc, int fp)
{
	ck_assert_uint_eq(rule.kind, kind);
	ck_assert_int_eq(rule.cfa_words, cfa);
	ck_assert_int_eq(rule.pc_words, pc);
	ck_assert_int_eq(rule.is_fp_saved, fp != NOT_SAVED);
	if (fp != NOT_SAVED)
		ck_assert_int_eq(rule.fp_words, fp);
}

START_TEST(each_instruction_says_what_it_says)
{
	struct cfi_rule rule;

	frame_entry_make(&entry, plain, sizeof(plain), cases[_i].instructions, cases[_i].length);
	rule = rule_at(AT);
	ck_rule(rule, cases[_i].kind, cases[_i].cfa, cases[_i].pc, cases[_i].fp);
}
END_TEST

START_TEST(code_without_an_entry_has_what_a_frame_pointer_means)
{
	void *code = malloc(1);

	ck_rule(cfi_read((uintptr_t)code), CFI_GENERATED, 2, -1, -2);
	free(code);
	/* In this program, behind all its code. */
	ck_rule(cfi_read((uintptr_t)entry.code + AT), CFI_GAP, 2, -1, -2);
	frame_entry_make(&entry, plain, sizeof(plain), "", 0);
	ck_assert_uint_eq(rule_at(0).kind, CFI_SP);
	ck_assert_uint_eq(rule_at(FRAME_ENTRY_CODE_BYTES - 1).kind, CFI_SP);
	ck_rule(rule_at(FRAME_ENTRY_CODE_BYTES), CFI_GAP, 2, -1, -2);
	ck_assert_uint_eq(rule_at((uintptr_t)-1).kind, CFI_GAP);
	/* libgcc's list is not asked, which may be locked by who allocates. */
	__register_frame(entry.table);
	ck_assert_uint_eq(cfi_read((uintptr_t)entry.code + AT).kind, CFI_GAP);
	__deregister_frame(entry.table);
}
END_TEST

static const struct {
	enum cfi_kind kind;
	unsigned length;
	char text[24]; /* and the data behind the NUL */
} augmentations[] = {
    {CFI_SP, 1, ""},
    {CFI_SP, 3, "z\0\0"},
    {CFI_SP, 15, "zPR\0\12\0\1\2\3\4\5\6\7\10"},
    {CFI_SP, 13, "zPLR\0\7\3\1\2\3\4\xff"},
    {CFI_SIGNAL, 6, "zRS\0\1"},
    {WHERE_SIGNED, 6, "zRB\0\1"},
    /* What nobody knows, and what is shorter than it says. */
    {CFI_OTHER, 6, "zRX\0\1"},
    {CFI_OTHER, 5, "zP\0\1\3"},
};

START_TEST(what_an_entry_says_of_itself_is_read_or_refused)
{
	struct cfi_rule rule;

	frame_entry_make(&entry, augmentations[_i].text, augmentations[_i].length, "\016\030", 2);
	rule = rule_at(AT);
	ck_assert_uint_eq(rule.kind, augmentations[_i].kind);
	if (rule.kind == CFI_SP)
		ck_assert_int_eq(rule.cfa_words, 3);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, each_instruction_says_what_it_says, 0, ARRAY_LENGTH(cases));
	tcase_add_test(tests, code_without_an_entry_has_what_a_frame_pointer_means);
	tcase_add_loop_test(
	    tests, what_an_entry_says_of_itself_is_read_or_refused, 0, ARRAY_LENGTH(augmentations));
}

int main(void)
{
	return run_suite("cfi", add_tests);
}
