/* SPDX-License-Identifier: MIT
 *
 * density_ratio.h - what a classifier of matched against mismatched rows adds to the log likelihood
 * ratio of normal variates (section 5 of the method). */
#ifndef MUCMM_DENSITY_RATIO_H
#define MUCMM_DENSITY_RATIO_H

#include "core/core.h"

/* Of more components only the first enter; fewer rows teach nothing. */
enum { MUCMM__RATIO_SETS = 3, MUCMM__RATIO_COMPONENTS = 6, MUCMM__RATIO_LEAST_ROWS = 100 };

typedef struct mucmm__density_ratio {
    int64_t k, used; /* components of a view; of them: 0 before anything was learned */
    int32_t n_views;
    double *turn;         /* [used, used] columns: axes along which the views depend */
    double *mean, *scale; /* [n_views, used] of the turned variates; 1 / standard deviation */
    int64_t d;
    double *weights; /* [d] of the features; NULL: the normal ratio is the best known */
} mucmm__density_ratio;

/* rows [n, n_views k]: of samples that belong together. normal: the log likelihood ratio, were the
 * variates normal, of every row that mucmm__density_ratio_row makes. *out has to be dropped. */
mucmm_status mucmm__density_ratio_learn(mucmm_ctx *ctx, int64_t n, int32_t n_views, int64_t k,
                                        const float *rows, const double *normal,
                                        mucmm__density_ratio *out);
void mucmm__density_ratio_drop(mucmm__density_ratio *r);
/* How many rows are compared, SETS n at most; row i of them to [n_views k]: every third belongs
 * together, the others are mismatched. */
int64_t mucmm__density_ratio_rows(int64_t n);
void mucmm__density_ratio_row(int64_t n, int32_t n_views, int64_t k, const float *rows, int64_t i,
                              float *to);
/* What is added to the normal log ratio of row [n_views k]; work [mucmm__density_ratio_work(r)]. */
double mucmm__density_ratio_add(const mucmm__density_ratio *r, const float *row, double *work);
int64_t mucmm__density_ratio_work(const mucmm__density_ratio *r);

#endif
