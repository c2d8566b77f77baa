/* SPDX-License-Identifier: MIT
 *
 * nn.h - heads: small multilayer perceptrons with an optional linear skip,
 * forward and backward, and AdamW. All float32, row-major.
 *
 *   z_1 = x W_1' + b_1,  a_1 = gelu(batchnorm(z_1)),  ...,  y = a_L W_{L+1}' + b_{L+1} [+ x K']
 *
 * Weights are stored [out, in] as in PyTorch. Everything trainable lies in one
 * vector `params`, laid out by mucmm__mlp_layout, so that the optimizer, the
 * checkpoint and the best-so-far copy deal with one array. */
#ifndef MUCMM_NN_H
#define MUCMM_NN_H

#include "linalg/linalg.h"

#define MUCMM__BN_EPS 1e-5f
#define MUCMM__BN_MOMENTUM 0.1f

typedef struct mucmm__mlp_layer {
    int64_t in, out;
    int64_t weight, bias; /* offsets into params: [out, in], [out] */
    int64_t gamma, beta;  /* [out]; -1 on the last layer           */
    int64_t mean, var;    /* offsets into stats: running BatchNorm statistics; -1 on the last */
} mucmm__mlp_layer;

/* The shape of a network and where its parts lie; owns nothing. */
typedef struct mucmm__mlp {
    int64_t in, out;
    int32_t n_layers; /* hidden layers + 1; 0 = only the skip */
    mucmm__mlp_layer layers[MUCMM_MAX_HIDDEN + 1];
    int64_t skip; /* offset of K [out, in]; -1 = no skip  */
    int64_t n_params, n_stats;
} mucmm__mlp;

/* Hidden widths hidden[n_hidden]. deep = false leaves out all layers but the skip. */
mucmm_status mucmm__mlp_layout(mucmm_ctx *ctx, int64_t in, const int64_t *hidden, int32_t n_hidden,
                               int64_t out, bool deep, bool skip, mucmm__mlp *net);
/* Uniform(-1/sqrt(in), 1/sqrt(in)) weights and biases as PyTorch's Linear, gamma 1, beta 0,
 * skip 0, running mean 0, var 1. */
void mucmm__mlp_init(const mucmm__mlp *net, uint64_t rng_key, float *params, float *stats);
/* The same, but the last layer 0, so that y = 0. */
void mucmm__mlp_init_zero(const mucmm__mlp *net, uint64_t rng_key, float *params, float *stats);
/* 1 where weight decay applies (weight matrices and the skip), 0 elsewhere: mask [n_params]. */
void mucmm__mlp_decay_mask(const mucmm__mlp *net, float *mask);

/* Activations of one training step for up to `rows` rows. */
typedef struct mucmm__tape mucmm__tape;
mucmm_status mucmm__tape_create(mucmm_ctx *ctx, const mucmm__mlp *net, int64_t rows,
                                mucmm__tape **out);
void mucmm__tape_free(mucmm__tape *t);

/* Training forward: batch statistics, running ones updated. x [rows, in] is kept by reference until
 * the backward pass; y [rows, out]. ESHAPE if there are more rows than the tape holds, or, with
 * hidden layers, fewer than 2. */
mucmm_status mucmm__mlp_forward_train(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                                      float *stats, int64_t rows, const float *x, mucmm__tape *tape,
                                      float *y);
/* dy [rows, out]; grads [n_params] is written (not added to); dx [rows, in] or NULL. The gradient
 * of a bias before a BatchNorm, which takes it away again, is exactly 0. */
mucmm_status mucmm__mlp_backward(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                                 mucmm__tape *tape, const float *dy, float *grads, float *dx);

/* Folds the BatchNorms (running statistics) into the weights before them: afterwards the network is
 * Linear, GELU, ..., Linear (+ skip); gamma = 1, beta = 0, mean = 0, var = 1 - eps, so that the
 * functions below may skip normalization. */
void mucmm__mlp_fold(const mucmm__mlp *net, float *params, float *stats);

/* Inference: running statistics (stats NULL: folded). Works in chunks, any number of rows. */
mucmm_status mucmm__mlp_forward(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                                const float *stats, int64_t rows, const float *x, float *y);
/* Vector-Jacobian product of the folded network: dx [rows, in] = J(x)' dy. */
mucmm_status mucmm__mlp_vjp(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                            int64_t rows, const float *x, const float *dy, float *dx);

/* ---- elementwise kernels, vectorized and threaded, the same bytes everywhere ------- */

/* The output may be the input.
 * gelu(x) = x Phi(x), Phi by erf to float accuracy (max error <= 4 ulp of the result's scale). */
void mucmm__gelu(mucmm_ctx *ctx, int64_t n, const float *x, float *y);
void mucmm__gelu_vjp(mucmm_ctx *ctx, int64_t n, const float *x, const float *dy, float *dx);
/* y[i] = x[i] + sd * normal number (first + i) of stream key; float accuracy, fast. */
void mucmm__add_noise(mucmm_ctx *ctx, int64_t n, float sd, uint64_t key, uint64_t first,
                      const float *x, float *y);

/* ---- AdamW with decoupled weight decay (Loshchilov and Hutter 2019), one-cycle ----- */

typedef struct mucmm__adamw {
    double learning_rate, beta1, beta2, eps, weight_decay;
} mucmm__adamw;
/* beta1 .9, beta2 .999, eps 1e-8 */
mucmm__adamw mucmm__adamw_default(double learning_rate, double weight_decay);
/* Step number step (from 1). first, second: moment vectors [n], zero before step 1. decay_mask NULL
 * = decay everywhere. As torch.optim.AdamW: p -= lr*wd*p*mask; p -= lr*mhat/(sqrt(vhat)+eps). */
void mucmm__adamw_step(mucmm_ctx *ctx, const mucmm__adamw *opt, int64_t step, int64_t n,
                       const float *grads, const float *decay_mask, float *first, float *second,
                       float *params);
/* Factor of the peak rate at step 0 <= step < total: cosine from 1/25 up to 1 over the first 30 %,
 * then cosine down to 1e-4/25 (Smith and Topin 2018, PyTorch's OneCycleLR). */
double mucmm__one_cycle(int64_t step, int64_t total);

#endif
