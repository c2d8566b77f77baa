/* SPDX-License-Identifier: MIT
 *
 * fit_rows.h - training and held-out rows, batches and epochs. */
#ifndef MUCMM_FIT_ROWS_H
#define MUCMM_FIT_ROWS_H

#include "model/fit_state.h"

/* Numbers of training and held-out rows, of n_all; rows that lack views are never held
 * out, and groups are as wholes. */
mucmm_status mucmm__split_rows(mucmm__fit *f, int64_t n_all);

/* mucmm__exchange_test of variates c[m] [n, any] of these rows, exchanged as the groups of the fit
 * let them, and without its covariates. */
mucmm_status mucmm__test_these(mucmm_ctx *ctx, const mucmm__fit *f, const int64_t *rows, int64_t n,
                               const mucmm__block *c, int64_t permutations, uint64_t seed,
                               double *correlations, double *p_values, double *null_95);
mucmm_status mucmm__test_rows(mucmm__fit *f, mucmm__rows part, const mucmm__block *c,
                              int64_t permutations, double *correlations, double *p_values,
                              double *null_95);
/* Is no row held out? */
bool mucmm__all_train(const mucmm__fit *f);

/* f->batch for the common dimensions of f->p; ESHAPE if it is too small for them. */
mucmm_status mucmm__choose_batch(mucmm__fit *f);

/* The most common dimensions that the batch has room for. */
int64_t mucmm__batch_dimensions(const mucmm__fit *f);

/* Rows of a step of the individual heads. */
int64_t mucmm__individual_batch(const mucmm__fit *f);

/* The numbers of epochs that p leaves open, also in the model. */
void mucmm__resolve_epochs(const mucmm__fit *f, mucmm_fit_params *p);

#endif
