/* SPDX-License-Identifier: MIT
 *
 * fit_ridge.h - the ridge of the closed form. */
#ifndef MUCMM_FIT_RIDGE_H
#define MUCMM_FIT_RIDGE_H

#include "model/fit_state.h"

/* rho [k] and the common weights[m] [dims, k] of a covariance like f->cov, for the
 * ridge of each view. */
mucmm_status mucmm__solve_own(mucmm__fit *f, const double *cov, double *rho,
                              double *const *weights);
/* With `validation` 0, which asks for the closed form of exactly the rows given, p->ridge 0 in the
 * place of a chosen one, where that has a solution: more rows than columns of all views, and no
 * view's columns depend on each other. Before the dimensions are chosen. */
mucmm_status mucmm__exact_ridge(mucmm__fit *f, mucmm_fit_params *p);
/* The model's ridge, and with it rho [k] and the common weights[m] [dims, k]. */
mucmm_status mucmm__choose_ridge(mucmm__fit *f, double *rho, double *const *weights);

/* Sum over k components of the mean correlation over pairs of views, of fixed weights[m] [p_m, k]
 * under a joint covariance cov [P, P]; offset[m] is where view m begins, offset[n_views] = P. */
mucmm_status mucmm__fixed_correlation(mucmm_ctx *ctx, int32_t n_views, const int64_t *offset,
                                      const double *cov, int64_t k, double *const *weights,
                                      double *total);

#endif
