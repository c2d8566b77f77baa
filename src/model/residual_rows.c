/* SPDX-License-Identifier: MIT
 *
 * Rows that are exchangeable after covariates were taken out of them. Residuals R c with R = I - Z
 * Z^+ are not: their covariance is R, not I. With Q [n, n - r] an orthonormal basis of what 1 and Z
 * leave, Q' c has covariance I, and may be permuted (Huh and Jhun 2001; for canonical correlations
 * Winkler, Renaud, Smith and Nichols 2020). Q comes from Householder reflections, so that its rows
 * are nearly those of the identity. */
#include "model/adjust.h"

#include <math.h>
#include <string.h>

/* Rows beyond twice the columns that are taken out, at least. */
enum { LEAST_ROWS = 10 };
/* Less than this of a column is left by those before it: it adds none. */
#define COLLINEAR 1e-8

/* y -= v (v'y) 2 from row `first` on; v [n] has length 1 there. */
static void reflect(int64_t n, int64_t first, const double *v, double *y, int64_t stride)
{
    double dot = 0;

    for (int64_t i = first; i < n; i++)
        dot += v[i] * y[i * stride];
    for (int64_t i = first; i < n; i++)
        y[i * stride] -= 2 * dot * v[i];
}

static double length(int64_t n, int64_t first, const double *y, int64_t stride)
{
    double sum = 0;

    for (int64_t i = first; i < n; i++)
        sum += y[i * stride] * y[i * stride];
    return sqrt(sum);
}

/* v [n] so that its reflection leaves of y (from row `first` on) only its first number. */
static void make_reflection(int64_t n, int64_t first, const double *y, int64_t stride, double *v)
{
    double norm = length(n, first, y, stride);

    for (int64_t i = first; i < n; i++)
        v[i] = y[i * stride];
    v[first] += v[first] < 0 ? -norm : norm;
    norm = length(n, first, v, 1);
    for (int64_t i = first; i < n; i++)
        v[i] /= norm;
}

/* Of the m - 1 rows behind the first `rank` make m, whose mean is 0, by the reflection that takes a
 * row of zeros before them to that mean. What is centred afterwards stays as it is, so that
 * correlations are the partial ones, whatever the order of the rows; and rows with covariance I -
 * 11'/m are exchangeable, as all rows are that have lost their mean. */
static void keep_last(int64_t rank, mucmm__block *b)
{
    int64_t m = b->rows - rank + 1;
    double mean = 1 / sqrt((double)m), norm = 2 - 2 * mean; /* of w = (1, 0, ..., 0) - mean */

    b->rows = m;
    memmove(b->data, b->data + (rank - 1) * b->cols, (size_t)(m * b->cols) * sizeof *b->data);
    for (int64_t k = 0; k < b->cols; k++) {
        double dot = 0;
        for (int64_t i = 1; i < m; i++)
            dot -= mean * b->data[i * b->cols + k];
        b->data[k] = -2 * dot / norm * (1 - mean);
        for (int64_t i = 1; i < m; i++)
            b->data[i * b->cols + k] += 2 * dot / norm * mean;
    }
}

/* Back from the basis, without what 1 and z hold; v [rank, n]. */
static void turn_back(int64_t n, int64_t rank, const double *v, mucmm__block *b)
{
    memset(b->data, 0, (size_t)(rank * b->cols) * sizeof *b->data);
    for (int64_t r = rank - 1; r >= 0; r--)
        for (int64_t k = 0; k < b->cols; k++)
            reflect(n, r, v + r * n, b->data + k, b->cols);
}

mucmm_status mucmm__residual_rows(mucmm_ctx *ctx, int64_t n, int64_t d, double *z,
                                  mucmm__block *const *blocks, int32_t n_blocks, int64_t *left)
{
    mucmm_status status = MUCMM_OK;
    int64_t rank = 0;
    double *v = NULL, *one = NULL;

    TRY(mucmm__alloc(ctx, (d + 1) * n, sizeof *v, &v));
    TRY(mucmm__alloc(ctx, n, sizeof *one, &one));
    for (int64_t i = 0; i < n; i++)
        one[i] = 1;
    for (int64_t c = -1; c < d && rank < n; c++) {
        double *y = c < 0 ? one : z + c, *own = v + rank * n;
        int64_t stride = c < 0 ? 1 : d;
        if (!(length(n, rank, y, stride) > COLLINEAR * length(n, 0, y, stride)))
            continue;
        make_reflection(n, rank, y, stride, own);
        for (int64_t k = c + 1; k < d; k++)
            reflect(n, rank, own, z + k, d);
        for (int32_t b = 0; b < n_blocks; b++)
            for (int64_t k = 0; k < blocks[b]->cols; k++)
                reflect(n, rank, own, blocks[b]->data + k, blocks[b]->cols);
        rank++;
    }
    for (int32_t b = 0; b < n_blocks; b++)
        if (left)
            keep_last(rank, blocks[b]);
        else
            turn_back(n, rank, v, blocks[b]);
    if (left)
        *left = n - rank + 1;
done:
    mucmm__free(v);
    mucmm__free(one);
    return status;
}

mucmm_status mucmm__covariates_out(mucmm_ctx *ctx, const mucmm__adjust *a, const mucmm_table *t,
                                   const int64_t *rows, int64_t n, bool exchangeable,
                                   mucmm__block *const *blocks, int32_t n_blocks, int64_t *lost)
{
    mucmm_status status = MUCMM_OK;
    int64_t unknown = 0, left = n;
    double *z = NULL;

    if (lost)
        *lost = 0;
    if (!a || n < 2 * (a->d + 1) + LEAST_ROWS)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n * a->d, sizeof *z, &z));
    TRY(mucmm__adjust_design(ctx, a, t, rows, n, &unknown, z));
    TRY(mucmm__residual_rows(ctx, n, a->d, z, blocks, n_blocks, exchangeable ? &left : NULL));
    if (lost)
        *lost = exchangeable ? n - left : a->d;
done:
    mucmm__free(z);
    return status;
}
