/* SPDX-License-Identifier: MIT
 *
 * samples.h - the samples that are explained or checked: their scores and the gradients of these
 * (explain.c). */
#ifndef MUCMM_EXPLAIN_SAMPLES_H
#define MUCMM_EXPLAIN_SAMPLES_H

#include "model/represent.h"

/* The samples asked for under one representation. */
typedef struct mucmm__samples {
    const mucmm_model *m;
    const mucmm__solution *rep;
    const mucmm_data *data[MUCMM_MAX_VIEWS]; /* only [view] unless the score needs all */
    int32_t view;
    const int64_t *rows;
    int64_t n;
    const mucmm_explain_params *p;
    bool encoded;  /* the rows are features; maps lie in the raw input before the encoder */
    int64_t cols;  /* of the raw input */
    float *others; /* [n, k]: sum over the other views' c, times 2/(M(M-1)) rho; owned */
} mucmm__samples;

static inline bool mucmm__is_individual(mucmm_score_kind s)
{
    return s == MUCMM_SCORE_INDIVIDUAL || s == MUCMM_SCORE_INDIVIDUAL_COMPONENT;
}

/* Checks all arguments; h: the scaled features [n, p] of the view. The caller frees *h and
 * s->others, also after a failure. */
mucmm_status mucmm__samples_start(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                  int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                                  const mucmm_explain_params *p, mucmm__samples *s, float **h);
/* Scores [n] of scaled features h [n, p] in the place of samples first .. first + n, and the
 * gradient dh [n, p] if it is given. */
mucmm_status mucmm__samples_score(mucmm_ctx *ctx, const mucmm__samples *s, int64_t first, int64_t n,
                                  const float *h, double *scores, float *dh);
/* Fills row i of the differences that the parameters ask for: x - base [cols], which are scaled
 * unless the rows are encoded. */
void mucmm__samples_difference(const mucmm__samples *s, int64_t i, const float *x,
                               const float *base);
/* dh [n, p] -> d score / d raw input, grads [n, cols], through the encoder, at rows[0..n) of the
 * view or, if given, at raw values in their place. dh is scaled. */
mucmm_status mucmm__samples_raw_gradient(mucmm_ctx *ctx, const mucmm__samples *s,
                                         const int64_t *rows, int64_t n, const float *raw,
                                         float *dh, float *grads);

#endif
