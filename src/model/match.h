/* SPDX-License-Identifier: MIT
 *
 * match.h - do the views of a sample belong together? */
#ifndef MUCMM_MATCH_H
#define MUCMM_MATCH_H

#include "model/model.h"

/* s_C = 2/(M(M-1)) sum_{m<l} sum_j rho_j c_mj c_lj of row i of c[0..n_views) [., k], of the views
 * that the row has (no NaN); NaN for fewer than two. */
double mucmm__common_score(int32_t n_views, int64_t k, const double *rho, float *const *c,
                           int64_t i);

typedef struct mucmm__match {
    double *score, *score_percentile, *common_percentile; /* [n] */
} mucmm__match;
void mucmm__match_drop(mucmm__match *out);

/* Of n rows whose common variates are c[0..n_given) [n, k], of the views at[0..n_given) of the
 * model: the log likelihood ratio log p(c_1, ..) - log p(c_1) - ... of the views that a row has,
 * Gaussian with the moments of the training rows; and the places of it and of the common score
 * among those of the held-out rows (of the training rows, if fewer than 20 held-out ones are kept)
 * of the fit, with the same views: the share, in percent, that is not larger. NaN where a row has
 * fewer than two views, and if r holds no joint moments, or no rows. *out has to be dropped. */
mucmm_status mucmm__match_scores(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                                 int32_t n_given, const int32_t *at, float *const *c, int64_t n,
                                 const double *common, mucmm__match *out);

#endif
