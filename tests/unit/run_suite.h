/*
 * run_suite.h -- main() of a unit test: run one test case the way Check's
 * environment says (CK_TAP_LOG_FILE_NAME, CK_FORK, CK_VERBOSITY).
 */
#ifndef WEIR_TESTS_RUN_SUITE_H
#define WEIR_TESTS_RUN_SUITE_H

#include <check.h>
#include <stdlib.h>

/* For what is asked a million times: Check writes to a pipe at each of its own. */
#define ck_need(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			ck_abort_msg("'%s' does not hold", #condition);                                      \
	} while (0)

/*
 * How often work is repeated that is the same on each processor: all of it, or one in eight in an emulator
 * (TEST_EMULATED), where each step costs 20 and the compiler's code is what is tested.
 */
static inline unsigned test_rounds(unsigned all)
{
	return getenv("TEST_EMULATED") == NULL ? all : (all + 7) / 8;
}

static inline int run_suite(const char *name, void (*add_tests)(TCase *))
{
	Suite *suite = suite_create(name);
	TCase *tests = tcase_create(name);
	add_tests(tests);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
