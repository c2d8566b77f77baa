/* SPDX-License-Identifier: MIT
 *
 * product.h - products of matrices as operators need them: batches with any strides, products
 * with constant weights in the layout that oneDNN prefers, and what follows a product. */
#ifndef MUCMM_GRAPH_PRODUCT_H
#define MUCMM_GRAPH_PRODUCT_H

#include "graph/graph.h"

/* C = op(A) op(B) for each place of the batch axes; op is the transpose if trans_ is set. Steps
 * and leading dimensions count elements. A batch axis whose c_step is 0 is summed over. */
#define MUCMM__BATCH_AXES 64
typedef struct mucmm__batch_axis {
    int64_t size, a_step, b_step, c_step;
} mucmm__batch_axis;
typedef struct mucmm__products {
    int64_t m, n, k, lda, ldb, ldc;
    bool trans_a, trans_b;
    int32_t axes;
    mucmm__batch_axis axis[MUCMM__BATCH_AXES];
} mucmm__products;

mucmm_status mucmm__products_run(mucmm_ctx *ctx, const mucmm__products *p, float alpha,
                                 const float *a, const float *b, float *c);
/* The same for any type, in double or 64-bit integers; c is whole when alpha is not. */
void mucmm__products_run_type(mucmm_ctx *ctx, const mucmm__products *p, mucmm_dtype t,
                              const void *a, const void *b, void *c);
/* The products that give dA (of_b false) or dB from dC and the other factor; *dc_first: dC is
 * the left factor. */
void mucmm__products_vjp(const mucmm__products *p, bool of_b, mucmm__products *out, bool *dc_first);

/* ---- constant weights -------------------------------------------------------------- */

/* y [m, n] = activation(x [m, k] W + bias + residual), W constant. */
typedef struct mucmm__linear mucmm__linear;
typedef struct mucmm__linear_params {
    int64_t m, n, k;
    const float *w; /* element (i, j) of [k, n] at w[i * row_step + j * column_step] */
    int64_t row_step, column_step;
    float alpha;        /* W = alpha w scale[j] */
    const float *scale; /* [n] or NULL */
    const float *bias;  /* [n] or NULL; copied */
    bool residual;
    mucmm__activation activation;
    float act_alpha, act_beta;
    bool tail; /* then out_scale max(y, floor) + out_shift */
    float floor, out_scale, out_shift;
} mucmm__linear_params;

/* *out = NULL, and MUCMM_OK: the general product is as fast for this shape. */
mucmm_status mucmm__linear_create(mucmm_ctx *ctx, mucmm_graph *graph, const mucmm__node *node,
                                  const mucmm__linear_params *params, mucmm__linear **out);
void mucmm__linear_free(mucmm__linear *l);
int64_t mucmm__linear_scratch(const mucmm__linear *l);
mucmm_status mucmm__linear_run(mucmm_ctx *ctx, const mucmm__linear *l, const float *x,
                               const float *residual, float *y, void *work);

/* ---- after a product --------------------------------------------------------------- */

/* y_ij = activation(scale_j (y_ij + beta c_ij) + shift_j + residual_ij), y [m, n]. NULL = nothing;
 * c_row and c_column are the steps of c, 0 where it is repeated. */
typedef struct mucmm__finish {
    int64_t m, n;
    const float *c, *scale, *shift, *residual;
    float beta;
    int64_t c_row, c_column;
    mucmm__activation activation;
    float act_alpha, act_beta;
    bool tail; /* then out_scale max(y, floor) + out_shift */
    float floor, out_scale, out_shift;
} mucmm__finish;

void mucmm__finish_run(mucmm_ctx *ctx, const mucmm__finish *f, float *y);
/* dz_ij = dy_ij activation'(...), from the output y; dy may be dz. For RELU, CLIP, LEAKY, SIGMOID
 * and TANH. */
void mucmm__finish_vjp(mucmm_ctx *ctx, const mucmm__finish *f, const float *y, const float *dy,
                       float *dz);

#endif
