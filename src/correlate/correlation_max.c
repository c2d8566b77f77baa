/* SPDX-License-Identifier: MIT
 *
 * correlation_max.c - the objective of the common heads and its gradient.
 * n rows, M views of d_m columns, P = sum d_m, k components. */
#include "correlate/whitened.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const view_names[MUCMM_MAX_VIEWS] = {
    "view 0", "view 1", "view 2",  "view 3",  "view 4",  "view 5",  "view 6",  "view 7",
    "view 8", "view 9", "view 10", "view 11", "view 12", "view 13", "view 14", "view 15"};

/* The columns of the views as people say them: "2 views of 8 columns", "2 views of 8, 6 columns".
 */
static const char *describe(int32_t n_views, const mucmm__block *f, size_t size, char *text)
{
    int used = snprintf(text, size, "%" PRId32 " views of ", n_views);
    bool same = true;

    for (int32_t m = 1; m < n_views; m++)
        same = same && f[m].cols == f[0].cols;
    for (int32_t m = 0; m < (same ? 1 : n_views) && used < (int)size; m++)
        used += snprintf(text + used, size - (size_t)used, "%s%" PRId64, m ? ", " : "", f[m].cols);
    if (used < (int)size)
        snprintf(text + used, size - (size_t)used, " columns");
    return text;
}

static mucmm_status check_views(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *f, int64_t k,
                                double ridge)
{
    int64_t total = 0, least = INT64_MAX;
    char text[400];

    if (n_views < 2 || n_views > MUCMM_MAX_VIEWS)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId32 " views; from 2 to %d are possible", n_views,
                           MUCMM_MAX_VIEWS);
    if (!(ridge >= 0 && isfinite(ridge)))
        return mucmm__fail(ctx, MUCMM_EARG, "ridge = %g; it must be 0 or more", ridge);
    for (int32_t m = 0; m < n_views; m++) {
        if (f[m].rows != f[0].rows)
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "view 0 has %" PRId64 " rows and view %" PRId32 " has %" PRId64
                               "; they must be paired row by row",
                               f[0].rows, m, f[m].rows);
        total += f[m].cols;
        least = f[m].cols < least ? f[m].cols : least;
    }
    if (k < 1 || k > least)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "k = %" PRId64 " components of %s; from 1 to %" PRId64 " are possible",
                           k, describe(n_views, f, sizeof text, text), least);
    if (f[0].rows <= total)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "batch of %" PRId64 " rows for %s: more rows than the %" PRId64
                           " columns are needed",
                           f[0].rows, describe(n_views, f, sizeof text, text), total);
    return MUCMM_OK;
}

/* dL/dF = -2/((M-1)(n-1)) F G with the blocks of G written out: with C_m = F_m V_m and T = sum_m
 * C_m, dL/dF_m = -2/((M-1)(n-1)) (T - C_m diag(lambda)) V_m' centered [n, P], vectors [P, k], rho
 * [k]; grads: M blocks [n, d_m]. */
static mucmm_status gradients(mucmm_ctx *ctx, int32_t n_views, const double *centered,
                              int64_t total, int64_t k, const double *rho, const double *vectors,
                              mucmm__block *grads)
{
    int64_t n = grads[0].rows, size = n * k, at = 0;
    double scale = -2 / ((double)(n_views - 1) * (double)(n - 1));
    double *c = NULL, *sum = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, size, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, size, sizeof *sum, &sum));
    TRY(mucmm__dgemm(ctx, false, false, n, k, total, 1, centered, total, vectors, k, 0, sum, k));
    for (int32_t m = 0; m < n_views; at += grads[m++].cols) {
        const double *v = vectors + at * k;
        int64_t d = grads[m].cols;
        TRY(mucmm__dgemm(ctx, false, false, n, k, d, 1, centered + at, total, v, k, 0, c, k));
        for (int64_t i = 0; i < n; i++) {
#pragma omp simd
            for (int64_t j = 0; j < k; j++)
                c[i * k + j] = sum[i * k + j] - (1 + (n_views - 1) * rho[j]) * c[i * k + j];
        }
        TRY(mucmm__dgemm(ctx, false, true, n, d, k, scale, c, k, v, k, 0, grads[m].data, d));
    }
done:
    mucmm__free(c);
    mucmm__free(sum);
    return status;
}

mucmm_status mucmm__correlation_max(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *f,
                                    int64_t k, double ridge, double *rho, double *loss,
                                    mucmm__block *grads, double *vectors)
{
    double *centered = NULL, *cov = NULL, *z = NULL;
    int64_t dims[MUCMM_MAX_VIEWS], n, total = 0;
    mucmm__whitened v = {0};
    mucmm_status status = MUCMM_OK;

    TRY(check_views(ctx, n_views, f, k, ridge));
    n = f[0].rows;
    for (int32_t m = 0; m < n_views; m++)
        total += dims[m] = f[m].cols;
    TRY(mucmm__alloc(ctx, n * total, sizeof *centered, &centered));
    TRY(mucmm__alloc(ctx, total * total, sizeof *cov, &cov));
    TRY(mucmm__alloc(ctx, total * k, sizeof *z, &z));
    TRY(mucmm__center(ctx, n_views, f, view_names, centered));
    TRY(mucmm__covariance(ctx, n, total, centered, (double)(n - 1), cov));
    v = (mucmm__whitened){
        .n = n_views, .dims = dims, .names = view_names, .cov = cov, .ridge = ridge};
    TRY(mucmm__whitened_factor(ctx, &v));
    TRY(mucmm__whitened_solve(ctx, &v, k, rho, z));
    TRY(mucmm__whitened_unwhiten(ctx, &v, k, z));
    if (grads)
        TRY(gradients(ctx, n_views, centered, total, k, rho, z, grads));
    if (vectors)
        memcpy(vectors, z, (size_t)(total * k) * sizeof *z);
    *loss = 0;
    for (int64_t j = 0; j < k; j++)
        *loss -= rho[j];
done:
    mucmm__whitened_drop(&v);
    mucmm__free(centered);
    mucmm__free(cov);
    mucmm__free(z);
    return status;
}
