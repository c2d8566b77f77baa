/* SPDX-License-Identifier: MIT
 *
 * transport.h - what a view's common variates leave of it, carried to where they say nothing. */
#ifndef MUCMM_TRANSPORT_H
#define MUCMM_TRANSPORT_H

#include "model/head.h"

/* The residual r of q columns, and for every c the bijection T(.; c) of it (section 3):
 *   r = residual(h) + mix c,   T(r; c) = L L' (r - m),   (m, L) = net(c),
 * L lower triangular with a positive diagonal. L L' is symmetric and positive definite: of the
 * linear maps that take r to such a covariance it moves r the least. out T is added to u. */
typedef struct mucmm__transport {
    mucmm__head residual; /* linear, p -> q; no outputs: there is no transport */
    float *mix;           /* [q, k] */
    mucmm__head net;      /* k -> mucmm__transport_width(q) */
    float *out;           /* [q, q] */
} mucmm__transport;

/* Numbers that one row's m and L have: q + q (q + 1)/2 for q up to 64; a row of a larger L has
 * fewer entries beside the diagonal, those of the leading columns. */
int64_t mucmm__transport_width(int64_t q);

/* The network from c [k] to them. */
mucmm_status mucmm__transport_layout(mucmm_ctx *ctx, int64_t k, int64_t q, mucmm__mlp *net);

/* One row. o [width]: m, then the rows of L up to the diagonal; there x stands for exp(2
 * tanh(x/2)), off the diagonal for itself, so that o = 0 is the identity. t [q] = T(r; c); log |det
 * L| is returned. */
double mucmm__transport_row(int64_t q, const float *o, const float *r, float *t);
/* From dt [q]: d_o [width] and dr [q], both written. log_det: the derivative with respect to log
 * det L L'. */
void mucmm__transport_row_vjp(int64_t q, const float *o, const float *r, const float *dt,
                              double log_det, float *d_o, float *dr);

/* Of n rows; the vjp without a logarithm. */
void mucmm__transport_rows(mucmm_ctx *ctx, int64_t q, int64_t n, const float *o, const float *r,
                           float *t);
void mucmm__transport_rows_vjp(mucmm_ctx *ctx, int64_t q, int64_t n, const float *o, const float *r,
                               const float *dt, float *d_o, float *dr);

mucmm_status mucmm__transport_alloc(mucmm_ctx *ctx, int64_t q, int64_t k, mucmm__transport *t);
void mucmm__transport_drop(mucmm__transport *t);

/* r [n, q]. */
mucmm_status mucmm__transport_residual(mucmm_ctx *ctx, const mucmm__transport *t, int64_t n,
                                       int64_t k, const float *h, const float *c, float *r);
/* y [n, q] += out T. */
mucmm_status mucmm__transport_forward(mucmm_ctx *ctx, const mucmm__transport *t, int64_t n,
                                      int64_t k, const float *h, const float *c, float *y);
/* From dy [n, q]: dh [n, p] and dc [n, k] are added to. */
mucmm_status mucmm__transport_vjp(mucmm_ctx *ctx, const mucmm__transport *t, int64_t n, int64_t k,
                                  const float *h, const float *c, const float *dy, float *dh,
                                  float *dc);

#endif
