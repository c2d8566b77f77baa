/* SPDX-License-Identifier: MIT
 *
 * baseline.h - inputs that hold nothing, from which maps are measured. Baselines lie in the space
 * of the points: the scaled columns, or the raw input of encoded data. */
#ifndef MUCMM_EXPLAIN_BASELINE_H
#define MUCMM_EXPLAIN_BASELINE_H

#include "explain/samples.h"

/* Of all samples (reads what it takes), and of sample i at point x [cols]: out [cols]. Where
 * features are adjusted for covariates, a baseline in their place keeps those of its sample. */
typedef struct mucmm__baselines {
    const mucmm__samples *s;
    float *row; /* [cols], the same for all samples; NULL = blurred */
    bool each;  /* row is before scaling, which each sample does its own way */
} mucmm__baselines;

mucmm_status mucmm__baselines_start(mucmm_ctx *ctx, const mucmm__samples *s, mucmm__baselines *out);
void mucmm__baselines_drop(mucmm__baselines *b);
mucmm_status mucmm__baseline(mucmm_ctx *ctx, const mucmm__baselines *b, int64_t i, const float *x,
                             float *out);

/* Gaussian blur of a row as a picture: [h, w], [h, w, c], or planes [..., h, w]; edges go on as
 * they end. The standard deviation is a 16th of the longer side, at least a cell. */
mucmm_status mucmm__blur(mucmm_ctx *ctx, const int64_t *shape, int32_t rank, const float *x,
                         float *out);

#endif
