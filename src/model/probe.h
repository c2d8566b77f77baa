/* SPDX-License-Identifier: MIT
 *
 * probe.h - what the linear and the nonlinear reader of a representation share. */
#ifndef MUCMM_MODEL_PROBE_H
#define MUCMM_MODEL_PROBE_H

#include "core/core.h"

enum { MUCMM__PROBE_BLOCK = 256 }; /* rows that are handled at a time */

/* A probe with its rows, standardized by the training rows. */
typedef struct mucmm__probe_task {
    const mucmm_probe *p;
    int64_t d;
    float *train, *test; /* [rows, d], or [d, rows] if transposed */
} mucmm__probe_task;

mucmm_status mucmm__probe_task_init(mucmm_ctx *ctx, const mucmm_probe *p, bool transposed,
                                    mucmm__probe_task *out);
void mucmm__probe_task_drop(mucmm__probe_task *t);

/* p->accuracy by multinomial logistic regression, and by one hidden layer of ReLU. */
mucmm_status mucmm__probe_logistic(mucmm_ctx *ctx, mucmm_probe *p);
mucmm_status mucmm__probe_network(mucmm_ctx *ctx, mucmm_probe *p, uint64_t seed);

/* y += a x, and the sum of x y; [n]. The loops of both readers run over many equal numbers side by
 * side (hidden units, or rows), so that the compiler makes vectors of them. */
void mucmm__probe_add(float *restrict y, float a, const float *restrict x, int64_t n);
float mucmm__probe_dot(const float *restrict x, const float *restrict y, int64_t n);

#endif
