/* SPDX-License-Identifier: MIT
 *
 * null_regression.h - individual scores where there is nothing: the regression of the inputs on
 * u, whose rows are permuted against them. */
#ifndef MUCMM_EXPLAIN_NULL_REGRESSION_H
#define MUCMM_EXPLAIN_NULL_REGRESSION_H

#include "explain/null_models.h"
#include "explain/units.h"

/* What c and u explain of the columns: squares of covariances, summed (both have variance 1). */
typedef struct mucmm__explained {
    double *variance, *by_c, *by_u; /* [cols]; owned through variance */
} mucmm__explained;

/* maps [1 + N, n, cols] = Cov(x, y)' in one pass over the raw inputs; e: if not NULL. */
mucmm_status mucmm__null_regression(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__samples *s,
                                    float *maps, mucmm__explained *e);
/* Does u explain more of the cells than c? p [units] of the difference of the two multiple
 * correlations over the training rows, each less what chance adds to its square and with the
 * standard error 1/sqrt(rows). A cell must pass this and the test of its relation to u, so its
 * p-value is the larger one. */
mucmm_status mucmm__explained_p_values(mucmm_ctx *ctx, const mucmm_null *null,
                                       const mucmm__samples *s, const mucmm__units *units,
                                       const mucmm__explained *e, double *p);

#endif
