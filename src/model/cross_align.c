/* SPDX-License-Identifier: MIT
 *
 * The variates of a fold in the order and with the signs of those of the model of all rows. */
#include "model/cross_work.h"

#include "correlate/correlate.h"

#include <math.h>

/* Correlation of column i of a [n, ka] with column j of b [n, kb] on these of their rows; 0 if one
 * is constant. */
static double correlation(const float *a, int64_t ka, int64_t i, const float *b, int64_t kb,
                          int64_t j, const int64_t *rows, int64_t n)
{
    double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;

    for (int64_t r = 0; r < n; r++) {
        ma += a[rows[r] * ka + i] / (double)n;
        mb += b[rows[r] * kb + j] / (double)n;
    }
    for (int64_t r = 0; r < n; r++) {
        double da = a[rows[r] * ka + i] - ma, db = b[rows[r] * kb + j] - mb;
        aa += da * da;
        bb += db * db;
        ab += da * db;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* Which of a fold's variates is number j of the model's, and with which sign: of the first `alike`
 * those that correlate most on the rows of the fold's fit, in the sum over the views; of the others
 * number j. c, ref [views][n, k]; column, sign [k].
 *
 * The model knows the rows that the fold judges. Where components are nothing but chance, to name
 * that one the first which looks most like the model's would be to choose by these rows: 0.09 for
 * the held-out correlation of independent views (54 rows, 5 columns, k = 2). So only components
 * that the exact test tells from chance are matched; signs, the same in all views, choose nothing.
 */
mucmm_status mucmm__cross_align(mucmm_ctx *ctx, int32_t n_views, float *const *c, float *const *ref,
                                int64_t k, int64_t alike, const int64_t *rows, int64_t n,
                                int64_t *column, double *sign)
{
    mucmm_status status = MUCMM_OK;
    double *gain = NULL, *along = NULL;

    TRY(mucmm__alloc(ctx, alike * alike, sizeof *gain, &gain));
    TRY(mucmm__alloc(ctx, k * k, sizeof *along, &along));
    for (int64_t j = 0; j < k; j++)
        for (int64_t i = 0; i < k; i++)
            for (int32_t m = 0; m < n_views; m++)
                along[j * k + i] += correlation(ref[m], k, j, c[m], k, i, rows, n);
    for (int64_t j = 0; j < alike; j++)
        for (int64_t i = 0; i < alike; i++)
            gain[j * alike + i] = fabs(along[j * k + i]);
    if (alike > 0)
        TRY(mucmm__assign(ctx, alike, gain, column));
    for (int64_t j = alike; j < k; j++)
        column[j] = j;
    for (int64_t j = 0; j < k; j++)
        sign[j] = along[j * k + column[j]] < 0 ? -1 : 1;
done:
    mucmm__free(gain);
    mucmm__free(along);
    return status;
}

/* Rows to[..] of out [n, k] from c, columns and signs changed. */
void mucmm__cross_place(const float *c, int64_t k, const int64_t *column, const double *sign,
                        const int64_t *rows, int64_t n, float *out)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t j = 0; j < k; j++)
            out[rows[r] * k + j] = (float)sign[j] * c[rows[r] * k + column[j]];
}

/* Correlation of component j of variates c[m] [.., n, k], number `at`, on these of their rows: mean
 * over pairs of views. */
double mucmm__cross_correlation(const mucmm__cross *x, float *const *c, int64_t at, int64_t j,
                                const int64_t *rows, int64_t n)
{
    double sum = 0;

    for (int32_t m = 0; m < x->n_views; m++)
        for (int32_t l = 0; l < m; l++)
            sum += correlation(c[m] + at * x->n * x->k, x->k, j, c[l] + at * x->n * x->k, x->k, j,
                               rows, n);
    return sum / (x->n_views * (x->n_views - 1) / 2);
}

/* Fisher's z of a correlation; finite. */
double mucmm__fisher_z(double correlation)
{
    return atanh(fmin(fmax(correlation, -1 + 1e-12), 1 - 1e-12));
}
