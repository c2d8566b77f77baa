/* SPDX-License-Identifier: MIT
 *
 * samples.h - the samples that are explained or checked: their scores, and the gradients of these
 * with respect to the scaled features and to the raw input. */
#ifndef MUCMM_EXPLAIN_SAMPLES_H
#define MUCMM_EXPLAIN_SAMPLES_H

#include "model/represent.h"

/* The samples asked for under one representation of one model. */
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
    float *h;      /* [n, p] scaled features; owned */
    float *others; /* [n, k]: sum over the other views' c, times 2/(M(M-1)) rho; NULL unless the
                      score is the common one; owned */
    const mucmm__view_info *metric; /* whose covariance is that of the features */
    const float *filter;            /* NULL; else the score of sample i is filter_i' h, filter_i at
                                       filter + i filter_step [p] */
    int64_t filter_step;
} mucmm__samples;

static inline bool mucmm__is_individual(mucmm_score_kind s)
{
    return s == MUCMM_SCORE_INDIVIDUAL || s == MUCMM_SCORE_INDIVIDUAL_COMPONENT;
}

/* data of the view, and of the others where the score needs them, from views in any order, into
 * data [M]; what is not needed stays as it is. EARG, ESHAPE for all that is wrong with view, rows
 * and the score asked for. */
mucmm_status mucmm__samples_find(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                 int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                                 const mucmm_explain_params *p, const mucmm_data **data);
/* The columns of p->training that the model's view was fitted on, in the place of them all; nothing
 * where maps lie in the raw input of data. */
mucmm_status mucmm__samples_training(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                     const mucmm_data *data, mucmm_explain_params *p);
/* Reads the samples; rep: of m, or one of the same shape in its place; the rest as found above. s
 * borrows all but h and others, and has to be dropped also after a failure. */
mucmm_status mucmm__samples_start(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *rep,
                                  const mucmm_data *const *data, int32_t view, const int64_t *rows,
                                  int64_t n, const mucmm_explain_params *p, mucmm__samples *s);
void mucmm__samples_drop(mucmm__samples *s);
/* Scores [n] of scaled features h [n, p] in the place of samples first .. first + n, and the
 * gradient dh [n, p] if it is given. */
mucmm_status mucmm__samples_score(mucmm_ctx *ctx, const mucmm__samples *s, int64_t first, int64_t n,
                                  const float *h, double *scores, float *dh);
/* Scores [n] of the samples and their slopes d score / d z [n, d] at the variates z = u (individual
 * scores) or c. */
mucmm_status mucmm__samples_slopes(mucmm_ctx *ctx, const mucmm__samples *s, double *scores,
                                   float *dz);
/* dh [n, p] -> d score / d raw input, grads [n, cols], through the encoder, at rows[0..n) of the
 * view or, if given, at raw values in their place; h [n, p]: their features. dh is used up. */
mucmm_status mucmm__samples_raw_gradient(mucmm_ctx *ctx, const mucmm__samples *s,
                                         const int64_t *rows, int64_t n, const float *raw,
                                         const float *h, float *dh, float *grads);

#endif
