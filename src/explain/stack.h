/* SPDX-License-Identifier: MIT
 *
 * stack.h - maps of many models at the same samples, and how alike their orders are. */
#ifndef MUCMM_EXPLAIN_STACK_H
#define MUCMM_EXPLAIN_STACK_H

#include "explain/samples.h"

/* What is asked of a view: the arguments of mucmm_explain but for the model. */
typedef struct mucmm__question {
    const mucmm_view *views;
    int32_t n_views, view;
    const int64_t *rows;
    int64_t n, cols; /* cols: of the raw input */
    const mucmm_explain_params *p;
} mucmm__question;

/* Between begin and end, calls in a loop tell no progress of their own but that of the loop, and
 * warn of nothing. */
typedef struct mucmm__quiet {
    mucmm_ctx outer;
    const char *stage;
    int64_t at, n;
} mucmm__quiet;

void mucmm__quiet_begin(mucmm_ctx *ctx, mucmm__quiet *w, const char *stage, int64_t n);
/* `at` of n are done. */
mucmm_status mucmm__quiet_at(mucmm_ctx *ctx, mucmm__quiet *w, int64_t at);
void mucmm__quiet_end(mucmm_ctx *ctx, const mucmm__quiet *w);

/* out [count, n, cols]: the map of every model. A pattern takes the covariance of `base` (or of the
 * training rows) for all of them, in one pass. stage: for the progress. */
mucmm_status mucmm__stack_maps(mucmm_ctx *ctx, const mucmm_model *base,
                               const mucmm_model *const *models, int64_t count,
                               const mucmm__question *q, const char *stage, float *out);

/* The same for `count` models that are m with heads of random weights. */
mucmm_status mucmm__random_maps(mucmm_ctx *ctx, const mucmm_model *m, int64_t count, uint64_t seed,
                                const mucmm__question *q, float *out);

/* maps [1 + count, n, cols], the first of the model that is checked. Ties: mean ranks; the
 * correlation with a map that is the same everywhere is 0. */
mucmm_status mucmm__rank_test(mucmm_ctx *ctx, const float *maps, int64_t count, int64_t n,
                              int64_t cols, mucmm_rank_test *out);

#endif
