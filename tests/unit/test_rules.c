/*
 * test_rules.c -- what is remembered of an address is what its tables say, until it is forgotten.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run_suite.h"
#include "track/frame_table.h"
#include "track/rules.h"

static uint64_t word_of(struct cfi_rule rule)
{
	uint64_t word;

	memcpy(&word, &rule, sizeof(word));
	return word;
}

static struct cfi_rule find(uintptr_t pc, bool *is_read)
{
	unsigned read = 0;
	struct cfi_rule rule = rules_find(pc, &read);

	ck_need(read <= 1);
	*is_read = read == 1;
	return rule;
}

/* Of libc's code, about getopt(), which no sanitizer stands before: all kinds of functions. */
#define ADDRESSES 20000
static uintptr_t nth(unsigned i)
{
	return (uintptr_t)&getopt - ADDRESSES / 2 * 5 + (uintptr_t)i * 5;
}

START_TEST(a_rule_is_what_the_tables_say_however_many_there_are)
{
	unsigned kinds[CFI_GENERATED + 1] = {0}, known = 0;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < ADDRESSES; i++) {
			bool is_read;
			struct cfi_rule rule = find(nth(i), &is_read);

			ck_need(word_of(rule) == word_of(cfi_read(nth(i))));
			kinds[rule.kind]++;
			known += !is_read;
		}
	}
	ck_assert_uint_gt(kinds[CFI_SP], ADDRESSES);
	ck_assert_uint_gt(kinds[CFI_FP], 0);
	/* More than there is room for: some are known, and not all. */
	ck_assert_uint_gt(known, ADDRESSES / 10);
	ck_assert_uint_lt(known, 2 * ADDRESSES);
}
END_TEST

START_TEST(an_address_is_known_after_the_first_time_until_all_is_forgotten)
{
	for (unsigned round = 0; round < 2; round++) {
		unsigned read = 0;

		for (unsigned i = 0; i < 1000; i++)
			rules_find(nth(i), &read);
		ck_assert_uint_eq(read, 1000);
		for (unsigned i = 0; i < 1000; i++)
			rules_find(nth(i), &read);
		/* But for the few of which five want one set. */
		ck_assert_uint_lt(read, 1050);
		rules_forget();
	}
}
END_TEST

static void *load(uintptr_t *pc)
{
	void *library = dlopen("libresolv.so.2", RTLD_LAZY);

	*pc = (uintptr_t)dlsym(library, "ns_initparse");
	ck_assert_uint_ne(*pc, 0);
	return library;
}

/* Where nothing is loaded something may be, later. */
START_TEST(that_there_is_no_rule_is_not_remembered)
{
	uintptr_t pc = 1, again = 0;
	unsigned read = 0;

	/* It mostly comes to the place where it was. */
	for (unsigned round = 0; again != pc && round < 32; round++) {
		void *library = load(&pc);

		ck_assert_uint_ne(rules_find(pc, &read).kind, CFI_GENERATED);
		dlclose(library);
		rules_forget();
		read = 0;
		ck_assert_uint_eq(rules_find(pc, &read).kind, CFI_GENERATED);
		/* There are no tables that somebody could read. */
		ck_assert_uint_eq(read, 0);
		library = load(&again);
		ck_assert_uint_ne(rules_find(again, &read).kind, CFI_GENERATED);
		dlclose(library);
		rules_forget();
	}
	ck_assert(again == pc || getenv("TEST_EMULATED") != NULL);
}
END_TEST

struct dwarf_eh_bases {
	void *tbase, *dbase, *func;
};
extern const void *_Unwind_Find_FDE(void *pc, struct dwarf_eh_bases *bases);

START_TEST(entries_are_those_that_libgcc_finds)
{
	unsigned found = 0;

	for (unsigned i = 0; i < 4 * ADDRESSES; i++) {
		uintptr_t pc = nth(i * 3), code = 0;
		struct dwarf_eh_bases bases;
		const void *by_libgcc = _Unwind_Find_FDE((void *)pc, &bases);

		if (by_libgcc == NULL) {
			enum cfi_kind kind = cfi_read(pc).kind;

			ck_need(kind == CFI_GAP || kind == CFI_GENERATED);
			continue;
		}
		ck_need(frame_table_find(pc, &code) == by_libgcc && code == (uintptr_t)bases.func);
		found++;
	}
	ck_assert_uint_gt(found, ADDRESSES);
	ck_assert_uint_lt(found, 4 * ADDRESSES);
}
END_TEST

static _Atomic bool is_over;

/* More addresses than there is room for, so that each replaces another's. */
static void *look_up(void *argument)
{
	uint64_t wrong = 0;

	for (unsigned i = (unsigned)(uintptr_t)argument; !is_over || i < ADDRESSES; i += 7) {
		uintptr_t pc = nth(i % ADDRESSES);
		unsigned read = 0;

		wrong += word_of(rules_find(pc, &read)) != word_of(cfi_read(pc));
	}
	return (void *)wrong;
}

START_TEST(threads_that_replace_each_others_rules_never_find_a_wrong_one)
{
	pthread_t threads[4];
	void *wrong;

	for (uintptr_t i = 0; i < ARRAY_LENGTH(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, look_up, (void *)i), 0);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned read = 0;

		rules_find(nth(i % 100), &read);
		if (i % 100 == 0)
			rules_forget();
	}
	is_over = true;
	for (unsigned i = 0; i < ARRAY_LENGTH(threads); i++) {
		pthread_join(threads[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_rule_is_what_the_tables_say_however_many_there_are);
	tcase_add_test(tests, an_address_is_known_after_the_first_time_until_all_is_forgotten);
	tcase_add_test(tests, entries_are_those_that_libgcc_finds);
	tcase_add_test(tests, that_there_is_no_rule_is_not_remembered);
	tcase_add_test(tests, threads_that_replace_each_others_rules_never_find_a_wrong_one);
}

int main(void)
{
	return run_suite("rules", add_tests);
}
