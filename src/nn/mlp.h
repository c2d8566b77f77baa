/* SPDX-License-Identifier: MIT
 *
 * mlp.h - parts that training and inference of a network share. */
#ifndef MUCMM_MLP_H
#define MUCMM_MLP_H

#include "nn/nn.h"

/* The greatest hidden width, 0 without hidden layers. */
int64_t mucmm__mlp_widest(const mucmm__mlp *net);
/* z [rows, out] = x W', without the bias: what follows adds it, or does not need it. */
mucmm_status mucmm__mlp_linear(mucmm_ctx *ctx, const mucmm__mlp_layer *layer, const float *params,
                               int64_t rows, const float *x, float *z);
/* y [rows, out] = a W' + b of the last layer (if any) + x K' (if any); a = x without hidden ones.
 */
mucmm_status mucmm__mlp_output(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                               int64_t rows, const float *x, const float *a, float *y);
/* dx [rows, in] = dz W of the first layer (if any) + dy K (if any). */
mucmm_status mucmm__mlp_input_vjp(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                                  int64_t rows, const float *dz, const float *dy, float *dx);

#endif
