/* SPDX-License-Identifier: MIT
 *
 * head.h - one network of a view. */
#ifndef MUCMM_HEAD_H
#define MUCMM_HEAD_H

#include "nn/nn.h"

/* A network and what is added to its output: y = net(h) + offset. */
typedef struct mucmm__head {
    mucmm__mlp net;
    float *params; /* [net.n_params], BatchNorms folded */
    float *offset; /* [net.out]                         */
} mucmm__head;

mucmm_status mucmm__head_alloc(mucmm_ctx *ctx, const mucmm__mlp *net, mucmm__head *head);
mucmm_status mucmm__head_copy(mucmm_ctx *ctx, const mucmm__head *from, mucmm__head *to);
/* A head of no outputs, for a view without individual dimensions: no network at all. */
mucmm_status mucmm__head_empty(mucmm_ctx *ctx, int64_t in, mucmm__head *head);
void mucmm__head_drop(mucmm__head *head);

/* A head that is one matrix: y = weights' h, weights [in, out]. */
mucmm_status mucmm__linear_head(mucmm_ctx *ctx, int64_t in, int64_t out, const double *weights,
                                mucmm__head *head);

mucmm_status mucmm__head_forward(mucmm_ctx *ctx, const mucmm__head *head, int64_t n, const float *h,
                                 float *y);

/* y <- (y - mean) A on the head's output: A [out, new_out], new_out <= out. Replaces *head. */
mucmm_status mucmm__head_affine(mucmm_ctx *ctx, mucmm__head *head, const double *mean,
                                const double *a, int64_t new_out);
/* dx [n, in] += J(x)' dy, dy [n, out]. */
mucmm_status mucmm__head_vjp_add(mucmm_ctx *ctx, const mucmm__head *head, int64_t n, const float *x,
                                 const float *dy, float *dx);

#endif
