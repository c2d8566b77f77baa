/* SPDX-License-Identifier: MIT
 *
 * robust.h - a map of each column that takes the weight from its outliers (section 1 of the
 * method): robust.c (maps) --> fit_robust.c (those of a fit), represent.c (rows of a model) */
#ifndef MUCMM_ROBUST_H
#define MUCMM_ROBUST_H

#include "core/core.h"

/* Knots of a column, at most. */
enum { MUCMM__MOST_KNOTS = 64 };

/* Of p columns: x goes to `to` where it is `at`, linearly between two knots, and what lies outside
 * goes where the outermost knots go. Both [p, knots], ascending; of fewer the last is repeated. */
typedef struct mucmm__robust {
    int64_t p, knots;
    float *at, *to;
} mucmm__robust;

mucmm_status mucmm__robust_alloc(mucmm_ctx *ctx, int64_t p, int64_t knots, mucmm__robust **out);
void mucmm__robust_free(mucmm__robust *r);
/* EFORMAT if the knots of a column are not ascending. */
mucmm_status mucmm__robust_check(mucmm_ctx *ctx, const char *view, const mucmm__robust *r);

/* From rows x [n, p], n >= 1: median +- 3 standard deviations, by the median absolute deviation
 * times 1.4826 (all values, if that is 0: more than half of them are the same); or normal scores of
 * the ranks, Phi^-1((rank - 1/2)/n), equal values at their mean rank, at no more than
 * MUCMM__MOST_KNOTS quantiles. */
mucmm_status mucmm__robust_learn(mucmm_ctx *ctx, mucmm_robust kind, int64_t n, int64_t p,
                                 const float *x, mucmm__robust **out);

/* What x becomes in column j; in a row x [p] of all of them, in place. */
double mucmm__robust_value(const mucmm__robust *r, int64_t j, double x);
void mucmm__robust_row(const mucmm__robust *r, float *x);
/* The derivative of the map of column j where its value is y: 0 at the outermost knots. */
double mucmm__robust_slope(const mucmm__robust *r, int64_t j, double y);

#endif
