/* SPDX-License-Identifier: MIT
 *
 * raw_moments.h - mean of the raw inputs before an encoder, and their covariances with what follows
 * it. */
#ifndef MUCMM_EXPLAIN_RAW_MOMENTS_H
#define MUCMM_EXPLAIN_RAW_MOMENTS_H

#include "core/core.h"

/* Mean [cols] of the raw inputs of the training rows; computed once and kept with them. */
mucmm_status mucmm__raw_mean(mucmm_ctx *ctx, const mucmm_data *training, int64_t cols, float *mean);
/* maps [n, cols] = Cov(x, y) of the raw inputs of the training rows and y [rows, n] of the same.
 * One pass. */
mucmm_status mucmm__raw_pattern(mucmm_ctx *ctx, const mucmm_data *training, int64_t n, int64_t cols,
                                const float *y, float *maps);

#endif
