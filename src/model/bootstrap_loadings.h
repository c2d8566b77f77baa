/* SPDX-License-Identifier: MIT
 *
 * bootstrap_loadings.h - intervals of the loadings over the replicates of a bootstrap. */
#ifndef MUCMM_BOOTSTRAP_LOADINGS_H
#define MUCMM_BOOTSTRAP_LOADINGS_H

#include "model/fit_state.h"
#include "model/stability.h"

/* The least and the largest loadings so far: of all replicates only those that a quantile needs. */
typedef struct mucmm__loading_tails {
    int64_t k, kept, n;
    double *sign; /* [k] of the model's component, against that of the coordinates' weights */
    float *low[MUCMM_MAX_VIEWS];  /* [p, k, kept], the least first   */
    float *high[MUCMM_MAX_VIEWS]; /* [p, k, kept], the largest first */
} mucmm__loading_tails;

/* A replicate: numbers of its rows, ascending (of coordinates, else of the views), its covariance
 * [P, P] and weights[m] [dims, k]. */
typedef struct mucmm__replicate {
    const int64_t *rows;
    int64_t n;
    const double *cov;
    double *const *weights;
} mucmm__replicate;

mucmm_status mucmm__loading_tails_create(mucmm__fit *f, int64_t replicates,
                                         mucmm__loading_tails *t);
void mucmm__loading_tails_drop(mucmm__loading_tails *t);
/* Adds Corr(h, c) of a replicate's own rows; component i of the fit is component pair[i] of the
 * replicate, times sign[i]. A column that does not vary there counts as 0. */
mucmm_status mucmm__loading_tails_add(mucmm__fit *f, const mucmm__replicate *r, const int64_t *pair,
                                      const double *sign, mucmm__loading_tails *t);
/* The ends of the interval, for the model. t->n >= 1. */
mucmm_status mucmm__loading_tails_keep(mucmm__fit *f, const mucmm__loading_tails *t);

#endif
