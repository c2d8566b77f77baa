/* SPDX-License-Identifier: MIT
 *
 * p-values of statistics from those of models in which there is nothing. */
#include "explain/p_values.h"

#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* How many of sorted z [n] are at least t. */
static int64_t count_at_least(const double *z, int64_t n, double t)
{
    int64_t lo = 0, hi = n;

    while (lo < hi) {
        int64_t middle = lo + (hi - lo) / 2;
        if (z[middle] < t)
            lo = middle + 1;
        else
            hi = middle;
    }
    return n - lo;
}

static void exact_p_values(const double *t, int64_t models, int64_t units, double *p)
{
    for (int64_t j = 0; j < units; j++) {
        int64_t above = 0;
        for (int64_t b = 1; b <= models; b++)
            above += t[b * units + j] >= t[j];
        p[j] = (1 + (double)above) / (1 + (double)models);
    }
}

/* Each null value in units of the root mean square of the others of its cell, the observed one in
 * units of that of all. With few models the former have the longer tails: it errs on the side of
 * large p-values. */
static mucmm_status pooled_p_values(mucmm_ctx *ctx, const double *t, int64_t models, int64_t units,
                                    double *p)
{
    mucmm_status status = MUCMM_OK;
    double *pool = NULL, *sum = NULL;
    int64_t n = 0;

    TRY(mucmm__alloc(ctx, models * units, sizeof *pool, &pool));
    TRY(mucmm__alloc(ctx, units, sizeof *sum, &sum));
    for (int64_t j = 0; j < units; j++) {
        for (int64_t b = 1; b <= models; b++)
            sum[j] += t[b * units + j] * t[b * units + j];
        for (int64_t b = 1; b <= models && sum[j] > 0; b++) {
            double own = t[b * units + j] * t[b * units + j], others = sum[j] - own;
            pool[n++] =
                others > 0 ? sqrt(own * (double)(models - 1) / others) : (own > 0 ? INFINITY : 0);
        }
    }
    qsort(pool, (size_t)n, sizeof *pool, compare_doubles);
    for (int64_t j = 0; j < units; j++) {
        double z = sum[j] > 0 ? t[j] / sqrt(sum[j] / (double)models) : t[j] > 0 ? INFINITY : 0;
        p[j] =
            sum[j] > 0 || t[j] > 0 ? (1 + (double)count_at_least(pool, n, z)) / (1 + (double)n) : 1;
    }
done:
    mucmm__free(pool);
    mucmm__free(sum);
    return status;
}

mucmm_status mucmm__p_values(mucmm_ctx *ctx, const double *t, int64_t models, int64_t units,
                             mucmm_p_kind kind, double *p)
{
    if (kind == MUCMM_P_POOLED && models > 1)
        return pooled_p_values(ctx, t, models, units, p);
    exact_p_values(t, models, units, p);
    return MUCMM_OK;
}
