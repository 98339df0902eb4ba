/*
 * test_approx.c -- log2, exp, sqrt and the logistic function beside libm's.
 */
#include <math.h>

#include "run_suite.h"
#include "track/approx.h"

#define LEAST_ERROR 1e-10

static bool is_near(double got, double wanted)
{
	return fabs(got - wanted) <= LEAST_ERROR * fmax(1, fabs(wanted));
}

START_TEST(log2_is_libms)
{
	for (int e = -1060; e < 1023; e += 7)
		for (double m = 1; m < 2; m += 0.013)
			ck_need(is_near(approx_log2(ldexp(m, e)), log2(ldexp(m, e))));
	ck_need(is_near(approx_log2(1), 0) && is_near(approx_log2(8), 3));
}
END_TEST

START_TEST(exp_is_libms)
{
	for (double v = -690; v < 690; v += 0.37) {
		double wanted = exp(v);

		ck_need(fabs(approx_exp(v) - wanted) <= 1e-10 * wanted);
	}
	ck_need(approx_exp(0) == 1);
}
END_TEST

START_TEST(sqrt_and_sigmoid_are_libms)
{
	for (double v = 1e-12; v < 1e12; v *= 1.7)
		ck_need(fabs(approx_sqrt(v) - sqrt(v)) <= 1e-10 * sqrt(v));
	for (double v = -40; v < 40; v += 0.1)
		ck_need(is_near(approx_sigmoid(v), 1 / (1 + exp(-v))));
}
END_TEST

static const double odd[] = {NAN, -NAN, INFINITY, -INFINITY, 0, -0.0, -1, 5e-324, 1.79e308, -1.79e308};

START_TEST(no_input_makes_a_nan)
{
	double v = odd[_i];

	ck_need(isfinite(approx_log2(v)));
	ck_need(isfinite(approx_exp(v)) && approx_exp(v) >= 0);
	ck_need(isfinite(approx_sqrt(v)) && approx_sqrt(v) >= 0);
	ck_need(approx_sigmoid(v) >= 0 && approx_sigmoid(v) <= 1);
	ck_need(clamp01(v) >= 0 && clamp01(v) <= 1);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, log2_is_libms);
	tcase_add_test(tests, exp_is_libms);
	tcase_add_test(tests, sqrt_and_sigmoid_are_libms);
	tcase_add_loop_test(tests, no_input_makes_a_nan, 0, (int)ARRAY_LENGTH(odd));
}

int main(void)
{
	return run_suite("approx", add_tests);
}
