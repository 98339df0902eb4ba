/*
 * real.h -- the little of mathematics that the library needs, without libm.
 *
 * The preloaded object depends on libc alone, and libm is another library. Pure,
 * reentrant, safe in a signal handler; they touch no floating-point flag that anybody
 * reads and never set errno.
 */
#ifndef WEIR_BASE_REAL_H
#define WEIR_BASE_REAL_H

#include "base/compiler.h"

/* The natural logarithm of a positive, finite, normal number; to 1e-15 relative or absolute,
 * whichever is larger. Of anything else: minus infinity for 0, else not a number. */
double real_log(double x);

/* e to the x, to 1e-15 relative; 0 below -708, infinity above 709. */
double real_exp(double x);

/* 1 - e to the -x for x >= 0, exact to 1e-15 relative even where x is tiny. */
double real_one_minus_exp(double x);

#endif
