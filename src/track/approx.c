/*
 * approx.c -- log2, exp, sqrt and the logistic function without libm.
 *
 * Called by all of src/track. Pure; a few dozen instructions each.
 * log: atanh series, ln m = 2 (s + s^3/3 + s^5/5 + ...), s = (m-1)/(m+1), with m in
 * [sqrt(1/2), sqrt 2), so |s| <= 0.172 and the seventh term is below 1e-11.
 * exp: 2^(i+f) with f in [-1/2, 1/2], and the Taylor series of e^(f ln 2) to the 11th power.
 */
#include "track/approx.h"

static uint64_t bits_of(double v)
{
	uint64_t bits;

	__builtin_memcpy(&bits, &v, sizeof(bits));
	return bits;
}

static double of_bits(uint64_t bits)
{
	double v;

	__builtin_memcpy(&v, &bits, sizeof(v));
	return v;
}

#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define SQRT2 1.41421356237309504880

double approx_log2(double v)
{
	int exponent = 0;
	double s, square, sum = 0;

	if (!(v > 0))
		return -1074;
	if (v < 2.3e-308) { /* below the normal numbers */
		v *= 0x1p54;
		exponent = -54;
	}
	if (v > 1.79769e308)
		v = 1.79769e308;
	exponent += (int)(bits_of(v) >> MANTISSA_BITS) - EXPONENT_BIAS;
	v = of_bits(
	    (bits_of(v) & (((uint64_t)1 << MANTISSA_BITS) - 1)) | ((uint64_t)EXPONENT_BIAS << MANTISSA_BITS));
	if (v >= SQRT2) {
		v /= 2;
		exponent++;
	}
	s = (v - 1) / (v + 1);
	square = s * s;
	for (int power = 13; power > 0; power -= 2)
		sum = sum * square + 1.0 / power;
	return exponent + 2 / LN2 * s * sum;
}

double approx_exp(double v)
{
	double whole, part, sum = 1;
	int exponent;

	v = clamp(v, -700, 700) / LN2;
	exponent = (int)(v < 0 ? v - 0.5 : v + 0.5);
	whole = of_bits((uint64_t)(exponent + EXPONENT_BIAS) << MANTISSA_BITS);
	part = (v - exponent) * LN2;
	for (int term = 11; term > 0; term--)
		sum = 1 + sum * part / term;
	return whole * sum;
}

double approx_sqrt(double v)
{
	return v > 0 ? approx_exp(LN2 / 2 * approx_log2(v)) : 0;
}

double approx_sigmoid(double v)
{
	return 1 / (1 + approx_exp(-v));
}
