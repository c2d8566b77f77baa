/* SPDX-License-Identifier: MIT
 *
 * cross_fit.h - every row trains, and is judged by models that did not see it. */
#ifndef MUCMM_CROSS_FIT_H
#define MUCMM_CROSS_FIT_H

#include "model/fit_state.h"

/* f->folds; with folds, or validation 0, `head` auto is the closed form. EARG: what does not go
 * together. Before anything of the fit is made. */
mucmm_status mucmm__cross_fit_begin(mucmm__fit *f, const mucmm_view *views, int32_t n_views,
                                    mucmm_fit_params *p);

/* As mucmm__choose_dimensions: the common ones by the exact test, beside cross-fitted correlations,
 * the individual ones on rows of their own, which then train too. */
mucmm_status mucmm__cross_fit_dimensions(mucmm__fit *f, mucmm_fit_params *p);

/* f->cross, where there are folds: the models of all folds, their variates in the order and with
 * the signs of f->model's. And f->model->cross_fit. After the heads of f->model. */
mucmm_status mucmm__cross_fit(mucmm__fit *f);
void mucmm__cross_drop(mucmm__cross *x);

/* Where there are folds, which rows the variates are of, all of the training rows, shuffled. */
const int64_t *mucmm__cross_rows(const mucmm__fit *f, int64_t *n);
/* Copies: c [n, k] and u [n, q] of view m, of the first repeat. */
mucmm_status mucmm__cross_variates(const mucmm__fit *f, const mucmm__solution *rep, int32_t m,
                                   float *c, float *u);
/* The result takes the correlations of the training rows, where they are not known better. */
void mucmm__cross_in_sample(const mucmm__fit *f, const mucmm__solution *rep,
                            const mucmm_summary *s);
/* The summary of these variates takes correlations and p-values of all repeats. */
void mucmm__cross_testify(const mucmm__fit *f, const mucmm__solution *rep, mucmm_summary *s);

/* cross_fit_file.c: the result itself. [k] arrays and n_classical tests, all NaN. */
mucmm_status mucmm__cross_result_create(mucmm_ctx *ctx, int64_t k, int64_t n_classical,
                                        mucmm_cross_fit **out);
void mucmm__cross_result_free(mucmm_cross_fit *r);
/* Its arrays by number, and their names in JSON; NULL after the last. */
double **mucmm__cross_result_array(mucmm_cross_fit *r, int i, const char **name);

#endif
