/* SPDX-License-Identifier: MIT
 *
 * classical.h - the tests of canonical correlations that assume normal rows. */
#ifndef MUCMM_CORRELATE_CLASSICAL_H
#define MUCMM_CORRELATE_CLASSICAL_H

#include "core/core.h"

/* P(X > x): of chi-squared with df > 0 degrees of freedom, of F with df1, df2 > 0; x >= 0. To about
 * 1e-13 of the value. NaN outside of these ranges. */
double mucmm__chi_squared_tail(double df, double x);
double mucmm__f_tail(double df1, double df2, double x);

/* The sequential tests of n rows of p and q columns, n > p + q + 1, from all the k = min(p, q)
 * canonical correlations, descending, without a ridge: tests[j] is of "correlation j and all after
 * it are 0". A correlation of 1 gives a Wilks' lambda of 0, infinite statistics and p 0. */
void mucmm__classical_tests(int64_t n, int64_t p, int64_t q, const double *correlations,
                            mucmm_classical *tests);

#endif
