/* SPDX-License-Identifier: MIT
 *
 * heads.h - the networks of one view, forward and back. */
#ifndef MUCMM_HEADS_H
#define MUCMM_HEADS_H

#include "correlate/correlate.h"
#include "model/transport.h"

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
 *   c = [common(h), later[0], later[1], ...] [k],   u = individual(h) + mix c + transport [q]. */
typedef struct mucmm__view_heads {
    mucmm__head common, individual;
    float *mix;                 /* [q, k], or NULL for none */
    mucmm__transport transport; /* zero: none               */
    int32_t n_later;
    mucmm__deflated later[MUCMM__LATER];
} mucmm__view_heads;

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
 * individual and later ones. There is no mix and no transport: they make u uncorrelated with c,
 * which among random heads means nothing. *out has to be dropped even after a failure. */
mucmm_status mucmm__heads_random(mucmm_ctx *ctx, const mucmm__view_heads *like, uint64_t seed,
                                 uint64_t stream, mucmm__view_heads *out);

#endif
