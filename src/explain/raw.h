/* SPDX-License-Identifier: MIT
 *
 * raw.h - maps in the raw input of encoded data, before the encoder. */
#ifndef MUCMM_EXPLAIN_RAW_H
#define MUCMM_EXPLAIN_RAW_H

#include "core/core.h"

/* In place: gradients [n, raw cols] at rows[0..n) of data -> times (input - mean), where the mean
 * is that of the training rows (NULL: zero). */
mucmm_status mucmm__raw_times_input(mucmm_ctx *ctx, const mucmm_data *data, const int64_t *rows,
                                    int64_t n, const mucmm_data *training, float *maps);
/* In place: gradients g [n, cols] -> X'(X g) / (rows - 1), X the centred raw inputs of the
 * training rows. One pass. */
mucmm_status mucmm__raw_pattern(mucmm_ctx *ctx, const mucmm_data *training, int64_t n, int64_t cols,
                                float *maps);

#endif
