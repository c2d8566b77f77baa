/* SPDX-License-Identifier: MIT
 *
 * raw_moments.h - mean, and covariance times gradients, of the raw inputs before an encoder. */
#ifndef MUCMM_EXPLAIN_RAW_MOMENTS_H
#define MUCMM_EXPLAIN_RAW_MOMENTS_H

#include "core/core.h"

/* Mean [cols] of the raw inputs of the training rows; computed once and kept with them. */
mucmm_status mucmm__raw_mean(mucmm_ctx *ctx, const mucmm_data *training, int64_t cols, float *mean);
/* In place: gradients g [n, cols] -> X'(X g) / (rows - 1), X the centred raw inputs of the
 * training rows. One pass. */
mucmm_status mucmm__raw_pattern(mucmm_ctx *ctx, const mucmm_data *training, int64_t n, int64_t cols,
                                float *maps);

#endif
