/*
 * approx.h -- the few functions of libm that src/track needs, since it may not call libm.
 *
 * Relative errors: log2 and exp 1e-11, sqrt 1e-11 (tests/unit/test_approx.c compares with libm).
 * No input gives a NaN: what has no answer gives the nearest end.
 */
#ifndef WEIR_TRACK_APPROX_H
#define WEIR_TRACK_APPROX_H

#include "base/compiler.h"

#define LN2 0.69314718055994530942

/* v within [low, high]; low where v is NaN. */
INLINE double clamp(double v, double low, double high)
{
	return v > low ? (v < high ? v : high) : low;
}
INLINE double clamp01(double v)
{
	return clamp(v, 0, 1);
}

/* Binary logarithm; -1074 of what is not above 0. */
double approx_log2(double v);
/* e to the v, v clipped to +-700. */
double approx_exp(double v);
/* 0 of what is not above 0. */
double approx_sqrt(double v);
/* 1 / (1 + e^-v) */
double approx_sigmoid(double v);

#endif
