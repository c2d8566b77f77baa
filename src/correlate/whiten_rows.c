/* SPDX-License-Identifier: MIT
 *
 * Rows whitened by their own covariance, S + r I = L L', y = (x - mean) L'^-1, with the gradient.
 */
#include "correlate/correlate.h"

#include <math.h>
#include <string.h>

static void centre(const mucmm__block *x, double *mean, double *y)
{
    memset(mean, 0, (size_t)x->cols * sizeof *mean);
    for (int64_t i = 0; i < x->rows; i++)
        for (int64_t j = 0; j < x->cols; j++)
            mean[j] += x->data[i * x->cols + j] / (double)x->rows;
    for (int64_t i = 0; i < x->rows; i++)
        for (int64_t j = 0; j < x->cols; j++)
            y[i * x->cols + j] = x->data[i * x->cols + j] - mean[j];
}

/* inverse [q, q] = L^-1, L L' = s + ridge I; s is overwritten. */
static mucmm_status inverse_factor(mucmm_ctx *ctx, int64_t q, double ridge, double *s,
                                   double *inverse)
{
    mucmm_status status = MUCMM_OK;

    for (int64_t i = 0; i < q; i++)
        s[i * (q + 1)] += ridge;
    TRY(mucmm__cholesky(ctx, q, s, "the covariance of the individual variates"));
    memset(inverse, 0, (size_t)(q * q) * sizeof *inverse);
    for (int64_t i = 0; i < q; i++)
        inverse[i * (q + 1)] = 1;
    TRY(mucmm__solve_lower(ctx, false, q, q, s, inverse));
done:
    return status;
}

mucmm_status mucmm__whiten_rows(mucmm_ctx *ctx, const mucmm__block *x, double ridge, double *mean,
                                double *inverse, double *y)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = x->rows, q = x->cols;
    double *s = NULL, *centred = NULL;

    TRY(mucmm__alloc(ctx, q * q, sizeof *s, &s));
    TRY(mucmm__alloc(ctx, n * q, sizeof *centred, &centred));
    centre(x, mean, centred);
    TRY(mucmm__dgemm(ctx, true, false, q, q, n, 1 / (double)n, centred, q, centred, q, 0, s, q));
    TRY(inverse_factor(ctx, q, ridge, s, inverse));
    TRY(mucmm__dgemm(ctx, false, true, n, q, q, 1, centred, q, inverse, q, 0, y, q));
done:
    mucmm__free(s);
    mucmm__free(centred);
    return status;
}

mucmm_status mucmm__whiten_like(mucmm_ctx *ctx, const mucmm__block *x, const double *mean,
                                const double *inverse, double *y)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = x->rows, q = x->cols;
    double *centred = NULL;

    TRY(mucmm__alloc(ctx, n * q, sizeof *centred, &centred));
    for (int64_t i = 0; i < n * q; i++)
        centred[i] = x->data[i] - mean[i % q];
    TRY(mucmm__dgemm(ctx, false, true, n, q, q, 1, centred, q, inverse, q, 0, y, q));
done:
    mucmm__free(centred);
    return status;
}

/* With Phi(A) the lower triangle of A with half its diagonal, dL = L Phi(L^-1 dS L'^-1) and
 * dy = dx L'^-1 - y (L^-1 dL)', so dx = (dy - 2/n y Q) L^-1, Q the symmetric part of Phi(dy'y). */
mucmm_status mucmm__whiten_rows_vjp(mucmm_ctx *ctx, const mucmm__block *y, const double *inverse,
                                    const double *dy, double *dx)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = y->rows, q = y->cols;
    double *a = NULL, *sum = NULL;

    TRY(mucmm__alloc(ctx, q * q, sizeof *a, &a));
    TRY(mucmm__alloc(ctx, n * q, sizeof *sum, &sum));
    TRY(mucmm__dgemm(ctx, true, false, q, q, n, 1, dy, q, y->data, q, 0, a, q));
    for (int64_t i = 0; i < q; i++)
        for (int64_t j = 0; j <= i; j++)
            a[i * q + j] = a[j * q + i] = a[i * q + j] / 2;
    memcpy(sum, dy, (size_t)(n * q) * sizeof *sum);
    TRY(mucmm__dgemm(ctx, false, false, n, q, q, -2 / (double)n, y->data, q, a, q, 1, sum, q));
    TRY(mucmm__dgemm(ctx, false, false, n, q, q, 1, sum, q, inverse, q, 0, dx, q));
    for (int64_t j = 0; j < q; j++) { /* of the centring */
        double mean = 0;
        for (int64_t i = 0; i < n; i++)
            mean += dx[i * q + j] / (double)n;
        for (int64_t i = 0; i < n; i++)
            dx[i * q + j] -= mean;
    }
done:
    mucmm__free(a);
    mucmm__free(sum);
    return status;
}
