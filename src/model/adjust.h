/* SPDX-License-Identifier: MIT
 *
 * adjust.h - what is known of the rows and taken out of their features (section 1 of the method):
 *   z(row) [d] from the covariates,   x - B' (z - mean z),   B [d, p] by regression.
 *
 *   adjust.c (covariates to z) --> fit_adjust.c (B of a fit), represent.c (rows of a model) */
#ifndef MUCMM_ADJUST_H
#define MUCMM_ADJUST_H

#include "correlate/correlate.h"
#include "io/table.h"

/* Columns that a number is spread over, at most. */
enum { MUCMM__MOST_SPLINES = 8 };

typedef struct mucmm__covariate {
    char *name;
    bool category;
    double mean, sd; /* of numbers, on the training rows: (v - mean) / sd goes in  */
    int32_t n_knots; /* of a natural cubic spline of that; 0: the number itself */
    double knots[MUCMM__MOST_SPLINES + 1];
    int64_t n_levels; /* of categories, those of the training rows */
    char **levels;
} mucmm__covariate;

typedef struct mucmm__adjust {
    char *text;        /* as it was asked for */
    int32_t nonlinear; /* columns of a number that were asked for, 0 = one */
    int32_t n;
    mucmm__covariate *list;
    int64_t d;      /* columns of z */
    double *center; /* [d] their means on the training rows */
} mucmm__adjust;

/* d of the list. */
int64_t mucmm__adjust_width(const mucmm__adjust *a);
void mucmm__adjust_free(mucmm__adjust *a);
/* What `text` ("age,batch:category") asks for, learnt from rows[0..n) of a table. EARG: no such
 * column, nothing asked for, the table is NULL. ENUMERIC: a column says nothing. */
mucmm_status mucmm__adjust_learn(mucmm_ctx *ctx, const char *text, int32_t nonlinear,
                                 const mucmm_table *t, const int64_t *rows, int64_t n,
                                 mucmm__adjust **out);
/* z - mean z [n, d] of rows[0..n) (NULL: 0..n) of a table, which may be NULL or lack columns: EARG.
 * A missing cell counts as the mean; a row of which nothing is known is refused, and so is a level
 * that is not among the training rows' (EARG), unless `unknown` is given, which counts such levels:
 * they are the mean too. */
mucmm_status mucmm__adjust_design(mucmm_ctx *ctx, const mucmm__adjust *a, const mucmm_table *t,
                                  const int64_t *rows, int64_t n, int64_t *unknown, double *z);
/* x [p] -= b' z, for b [d, p] */
void mucmm__adjust_row(int64_t d, int64_t p, const double *z, const double *b, float *x);

/* Blocks [n, any] without what 1 and z [n, d] (used up) hold of them: their rows in a basis of the
 * space that these leave, which are exchangeable where errors are, *left of them, n less the rank
 * of z, of mean 0 (Huh and Jhun 2001; Winkler et al. 2020); with left NULL the residuals, n rows
 * still.
 */
mucmm_status mucmm__residual_rows(mucmm_ctx *ctx, int64_t n, int64_t d, double *z,
                                  mucmm__block *const *blocks, int32_t n_blocks, int64_t *left);
/* The same of what a (NULL: nothing) makes of these rows of a table: as other rows that are
 * exchangeable, or (of groups, which stay together) as residuals. Too few rows, below twice the
 * columns of z and 1 and 10 more, stay as they are. lost (may be NULL): degrees of freedom. */
mucmm_status mucmm__covariates_out(mucmm_ctx *ctx, const mucmm__adjust *a, const mucmm_table *t,
                                   const int64_t *rows, int64_t n, bool exchangeable,
                                   mucmm__block *const *blocks, int32_t n_blocks, int64_t *lost);

#endif
