/* SPDX-License-Identifier: MIT
 *
 * heads.h - the networks of one view, forward and back. */
#ifndef MUCMM_HEADS_H
#define MUCMM_HEADS_H

#include "correlate/correlate.h"
#include "nn/nn.h"

/* A network and what is added to its output: y = net(h) + offset. */
typedef struct mucmm__head {
    mucmm__mlp net;
    float *params; /* [net.n_params], BatchNorms folded */
    float *offset; /* [net.out]                         */
} mucmm__head;

/* Variates that a later stage found, behind those of the stages before it, c_before:
 *   c = head(h) - psi(c_before) weights. */
typedef struct mucmm__deflated {
    mucmm__head head;
    mucmm__psi psi;
    double *weights; /* [width of psi, head.net.out] */
} mucmm__deflated;

/* Stages after the first, at most. */
#define MUCMM__LATER 4

/* From the scaled features h [p] of one view to its canonical variates:
 *   c = [common(h), later[0], later[1], ...] [k],   u = individual(h) + mix c [q]. */
typedef struct mucmm__view_heads {
    mucmm__head common, individual;
    float *mix; /* [q, k], or NULL for none */
    int32_t n_later;
    mucmm__deflated later[MUCMM__LATER];
} mucmm__view_heads;

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

void mucmm__deflated_drop(mucmm__deflated *d);
/* The common head and the later stages. */
void mucmm__heads_drop_common(mucmm__view_heads *v);
void mucmm__heads_drop(mucmm__view_heads *v);

/* Common variates of all stages: k once a fit is done. */
int64_t mucmm__common_width(const mucmm__view_heads *v);
/* c [n, k] always, u [n, q] unless NULL. */
mucmm_status mucmm__heads_forward(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n,
                                  const float *h, float *c, float *u);
/* dh [n, p] from dc [n, k] and du [n, q]; either may be NULL. */
mucmm_status mucmm__heads_vjp(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n, const float *h,
                              const float *dc, const float *du, float *dh);
/* Heads of the same shapes with random weights as before training, of all stages: common,
 * individual and later ones. mix is none: it makes u uncorrelated with c, which among random heads
 * means nothing. *out has to be dropped even after a failure. */
mucmm_status mucmm__heads_random(mucmm_ctx *ctx, const mucmm__view_heads *like, uint64_t seed,
                                 uint64_t stream, mucmm__view_heads *out);

#endif
