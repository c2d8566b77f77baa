/* SPDX-License-Identifier: MIT
 *
 * impute.h - cells of a row that hold nothing, filled from those that do (section 1 of the method):
 * impute.c (learning and filling) --> fit_impute.c (of a fit), represent.c (rows of a model) */
#ifndef MUCMM_IMPUTE_H
#define MUCMM_IMPUTE_H

#include "core/core.h"

/* Factors of a view, at most. */
enum { MUCMM__MOST_FACTORS = 16 };

/* Of p columns: x_j = mean_j + scale_j (w_j z + e_j), z standard normal [rank], Var(e_j) = noise_j.
 * rank >= 1; where nothing is to be learnt from other columns the weights are 0. */
typedef struct mucmm__imputer {
    int64_t p, rank;
    int64_t rows, empty;          /* training rows that have the view, and their empty cells */
    double r2;                    /* of cells that were hidden; 0: the mean is as good */
    double *mean, *scale, *noise; /* [p] */
    double *weights;              /* [p, rank] */
    double *gram;                 /* [rank, rank] I + W' noise^-1 W: mucmm__imputer_ready */
} mucmm__imputer;

mucmm_status mucmm__imputer_alloc(mucmm_ctx *ctx, int64_t p, int64_t rank, mucmm__imputer **out);
void mucmm__imputer_free(mucmm__imputer *f);
/* gram from the rest. EFORMAT if a scale or a noise is not positive. */
mucmm_status mucmm__imputer_ready(mucmm_ctx *ctx, const char *view, mucmm__imputer *f);

/* From rows x [n, p] in which NaN stands for a cell that is empty. */
mucmm_status mucmm__imputer_learn(mucmm_ctx *ctx, int64_t n, int64_t p, const float *x,
                                  uint64_t seed, mucmm__imputer **out);

/* Fills what is NaN in a row x [p] by its conditional mean, given the other cells. */
void mucmm__impute_row(const mucmm__imputer *f, float *x);
/* x [p] with NaN; dx [p], a gradient at the filled row, becomes one by its cells: that of what they
 * fill is added to those that are there, and is 0 where nothing is. */
void mucmm__impute_vjp(const mucmm__imputer *f, const float *x, float *dx);

#endif
