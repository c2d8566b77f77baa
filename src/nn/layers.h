/* SPDX-License-Identifier: MIT
 *
 * layers.h - the elementwise half of a training step: BatchNorm with GELU, forward and backward,
 * bias and column sums. Work is cut into blocks of rows that do not depend on the number of
 * threads, and partial sums of blocks are added in order: the same bytes for any number. */
#ifndef MUCMM_NN_LAYERS_H
#define MUCMM_NN_LAYERS_H

#include "nn/nn.h"

#define MUCMM__ROW_BLOCK 32 /* rows a task handles; 32 x 1024 floats stay in the second cache */

/* BatchNorm and GELU of z [rows, w]:  zhat = (z - center) inv_sd,  a = gelu(gamma zhat + beta). */
typedef struct mucmm__norm {
    int64_t rows, w;
    const float *gamma, *beta; /* [w] */
    float *center, *inv_sd;    /* [w] */
    float *partial;            /* [mucmm__row_blocks(rows), 2, w] */
} mucmm__norm;

int64_t mucmm__row_blocks(int64_t rows);
/* center, inv_sd = mean and 1 / sqrt(var + eps) of z's columns, var over rows. The running
 * statistics [w] move by the momentum towards mean + bias and the unbiased variance. rows >= 2. */
void mucmm__norm_measure(mucmm_ctx *ctx, const mucmm__norm *norm, const float *z, const float *bias,
                         float *running_mean, float *running_var);
/* a [rows, w]; may be z. */
void mucmm__norm_gelu(mucmm_ctx *ctx, const mucmm__norm *norm, const float *z, float *a);
/* d [rows, w]: the derivative by a on entry, by z on return, through the batch statistics.
 * d_gamma, d_beta [w]. */
void mucmm__norm_gelu_vjp(mucmm_ctx *ctx, const mucmm__norm *norm, const float *z, float *d,
                          float *d_gamma, float *d_beta);

/* a = gelu(z + bias), d *= gelu'(z + bias), bias [w]; z, a, d [rows, w]; a may be z. */
void mucmm__bias_gelu(mucmm_ctx *ctx, int64_t rows, int64_t w, const float *bias, const float *z,
                      float *a);
void mucmm__bias_gelu_vjp(mucmm_ctx *ctx, int64_t rows, int64_t w, const float *bias,
                          const float *z, float *d);
/* sums [w] of the columns of x [rows, w]; partial [mucmm__row_blocks(rows), w]. */
void mucmm__column_sums(mucmm_ctx *ctx, int64_t rows, int64_t w, const float *x, float *partial,
                        float *sums);

#endif
