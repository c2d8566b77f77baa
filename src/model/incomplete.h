/* SPDX-License-Identifier: MIT
 *
 * incomplete.h - moments from rows that lack views. */
#ifndef MUCMM_INCOMPLETE_H
#define MUCMM_INCOMPLETE_H

#include "core/core.h"

/* The least ridge of the regressions with more columns than rows: a smaller one lets rounding make
 * the covariance indefinite. */
#define MUCMM__LEAST_RIDGE_FEW_ROWS 0.1

/* Joint mean [P] and covariance [P, P] of the raw inputs of all views on rows[0..n) that may lack
 * views, the Gaussian maximum likelihood estimate; ridge in units of a view's mean variance.
 * EUNSUPPORTED if they lack them in too many ways. */
mucmm_status mucmm__incomplete_moments(mucmm_ctx *ctx, int32_t n_views,
                                       const mucmm_data *const *data, const int64_t *offset,
                                       const int64_t *rows, int64_t n, double ridge, double *mean,
                                       double *cov);

#endif
