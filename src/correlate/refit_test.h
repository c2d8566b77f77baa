/* SPDX-License-Identifier: MIT
 *
 * refit_test.h - exact permutation of the closed form, refitted. */
#ifndef MUCMM_CORRELATE_REFIT_TEST_H
#define MUCMM_CORRELATE_REFIT_TEST_H

#include "correlate/correlate.h"
#include "correlate/exchange.h"

typedef struct mucmm__refit {
    double ridge;           /* as the closed form's; < 0: two that do not look at the pairing, and
                               whichever shows more, in each permutation anew */
    const int64_t *columns; /* [M] of the views, of which the rows given may be coordinates */
    const mucmm__exchange *exchange; /* of the rows given, the tested ones; NULL: freely */
    int64_t permutations;
    double most_work; /* multiplications a component; fewer permutations (at least 199) beyond */
    uint64_t seed;
    bool stop; /* after the first p above MUCMM_SIGNIFICANT; those after it are NaN */
} mucmm__refit;

/* x[m] [n, d_m]: scaled rows, or their coordinates in an orthonormal basis. p_values [components]:
 * entry j of "no more than j dimensions are shared" (Winkler, Renaud, Smith and Nichols 2020: the
 * first j variates taken out; never less than the one before). Exact for j = 0. made: permutations.
 * The same bytes for any threads. */
mucmm_status mucmm__refit_test(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *x,
                               const mucmm__refit *how, int64_t components, double *p_values,
                               int64_t *made);

#endif
