/*
 * test_magazine_budget.c -- what a CPU's magazines may hold: arithmetic alone.
 */
#include "pool/magazine.h"
#include "pool/tuning.h"
#include "run_suite.h"

START_TEST(a_cpus_least_budget_is_bounded_in_sum_where_cpus_are_many)
{
	static const struct {
		uint64_t out_bytes, bytes, sole_bytes;
		unsigned cpus;
	} rows[] = {
	    {0, MAGAZINES_BYTES_MIN, MAGAZINES_BYTES_MIN * 3 / 2, 1},
	    {0, MAGAZINE_BUDGET_MIN, MAGAZINES_BYTES_MIN * 3 / 8, 4},
	    {0, MAGAZINE_BUDGET_MIN, MAGAZINE_BUDGET_MIN, 16},
	    {0, 68 * KIB, 68 * KIB, 256},
	    {200 * MIB, 400 * KIB, 400 * KIB, 256},
	    {GIB, MAGAZINE_BUDGET_MIN, MAGAZINE_BUDGET_MIN, 256},
	    {240 * GIB, MAGAZINE_BUDGET_MAX, MAGAZINE_BUDGET_MAX, 256},
	};
	for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct magazine_budget budget = magazine_budget(rows[i].out_bytes, rows[i].cpus);
		ck_assert_uint_eq(budget.bytes, rows[i].bytes);
		ck_assert_uint_eq(budget.sole_bytes, rows[i].sole_bytes);
	}
	/* Nothing in use, and all that is out idles in magazines: it ends where the least is had whatever is in use. */
	uint64_t idle = 272 * MIB;
	for (int i = 0; i < 64; i++)
		idle = magazine_budget(idle, 256).bytes * 256;
	ck_assert_uint_le(idle, MAGAZINE_FLOORS_FREE * MAGAZINE_BUDGET_MIN);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, a_cpus_least_budget_is_bounded_in_sum_where_cpus_are_many);
}

int main(void)
{
	return run_suite("magazine_budget", add_tests);
}
