/* SPDX-License-Identifier: MIT
 *
 * raw_moments.h - joint moments of the inputs of all views. */
#ifndef MUCMM_RAW_MOMENTS_H
#define MUCMM_RAW_MOMENTS_H

#include "core/core.h"

/* Joint mean [P] and covariance [P, P] of the raw inputs of all views on rows[0..n) (NULL: 0..n),
 * in one pass; offset[m] is where view m begins, offset[n_views] = P. */
mucmm_status mucmm__joint_moments(mucmm_ctx *ctx, int32_t n_views, const mucmm_data *const *data,
                                  const int64_t *offset, const int64_t *rows, int64_t n,
                                  double *mean, double *cov);

#endif
