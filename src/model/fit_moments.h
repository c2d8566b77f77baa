/* SPDX-License-Identifier: MIT
 *
 * fit_moments.h - scaling and covariances. */
#ifndef MUCMM_FIT_MOMENTS_H
#define MUCMM_FIT_MOMENTS_H

#include "model/fit_state.h"

/* Mean, and scale of the columns, of view m from those of its raw training rows: mean [p], variance
 * [p] with a stride. */
mucmm_status mucmm__set_scaling(mucmm__fit *f, int32_t m, const double *mean,
                                const double *variance, int64_t stride);
/* What the pattern map needs of view m, from the covariance [p, p] of its scaled training rows: the
 * covariance, unless it is too large, and the trace for the shares. */
mucmm_status mucmm__keep_covariance(mucmm__fit *f, int32_t m, const double *cov, int64_t stride);

/* Scaling and joint covariances f->cov of all views, of the training and the held-out rows. */
mucmm_status mucmm__scale_views(mucmm__fit *f);
/* Mean [P] (raw) and covariance [P, P] (scaled) of rows[0..n), which may lack views if training
 * rows do, and come more than once. */
mucmm_status mucmm__scaled_moments(mucmm__fit *f, const int64_t *rows, int64_t n, double *mean,
                                   double *cov);

#endif
