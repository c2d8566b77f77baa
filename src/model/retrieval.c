/* SPDX-License-Identifier: MIT
 *
 * retrieval.c - from a row of one view to its partner in another, by the common variates alone. */
#include "model/summary.h"

#include <math.h>

/* 97.5 % of a normal distribution lie below it. */
#define MAX_ROWS 20000
#define CHUNK_ROWS 256

void mucmm_rate_interval(double rate, int64_t n, double *low, double *high)
{
    const double count = (double)n, z = MUCMM__NORMAL_975, of = 1 + z * z / count;
    double middle = (rate + z * z / (2 * count)) / of;
    double half = z * sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / of;

    *low = *high = NAN;
    if (!(rate >= 0 && rate <= 1) || n < 1)
        return;
    *low = rate > 0 ? fmax(middle - half, 0) : 0; /* exactly, whatever is rounded */
    *high = rate < 1 ? fmin(middle + half, 1) : 1;
}

/* Rows of unit length: variate j times the root of rho_j (none below 0). */
static mucmm_status directions(mucmm_ctx *ctx, const float *c, int64_t n, int64_t k,
                               const double *rho, float **out)
{
    mucmm_status status = mucmm__alloc(ctx, n * k, sizeof **out, out);

    for (int64_t i = 0; status == MUCMM_OK && i < n; i++) {
        double norm = 0;
        for (int64_t j = 0; j < k; j++) {
            double x = (double)c[i * k + j] * sqrt(rho[j] > 0 ? rho[j] : 0);
            (*out)[i * k + j] = (float)x;
            norm += x * x;
        }
        for (int64_t j = 0; j < k && norm > 0; j++)
            (*out)[i * k + j] = (float)((double)(*out)[i * k + j] / sqrt(norm));
    }
    return status;
}

/* How many rows of b are at least as near to row i of a as row i of b; near [rows, n]. */
static void count_ranks(const float *near, int64_t first, int64_t rows, int64_t n,
                        int64_t *within_1, int64_t *within_10)
{
    for (int64_t i = 0; i < rows; i++) {
        int64_t before = 0;
        float own = near[i * n + first + i];
        for (int64_t j = 0; j < n; j++)
            before += near[i * n + j] >= own;
        before--; /* the row itself */
        *within_1 += before < 1;
        *within_10 += before < 10;
    }
}

static mucmm_status one_pair(mucmm_ctx *ctx, const float *a, const float *b, int64_t n, int64_t k,
                             float *near, double *recall_1, double *recall_10)
{
    mucmm_status status = MUCMM_OK;
    int64_t within_1 = 0, within_10 = 0;

    for (int64_t i = 0; i < n; i += CHUNK_ROWS) {
        int64_t rows = n - i < CHUNK_ROWS ? n - i : CHUNK_ROWS;
        TRY(mucmm__gemm(ctx, false, true, rows, n, k, 1, a + i * k, k, b, k, 0, near, n));
        count_ranks(near, i, rows, n, &within_1, &within_10);
    }
    *recall_1 = (double)within_1 / (double)n;
    *recall_10 = (double)within_10 / (double)n;
done:
    return status;
}

mucmm_status mucmm__retrieval(mucmm_ctx *ctx, int32_t n_views, float *const *c, int64_t n,
                              int64_t k, const double *rho, double *recall_1, double *recall_10)
{
    mucmm_status status = MUCMM_OK;
    float *unit[MUCMM_MAX_VIEWS] = {NULL}, *near = NULL;

    for (int32_t i = 0; i < n_views * n_views; i++)
        recall_1[i] = recall_10[i] = NAN;
    if (n > MAX_ROWS || n < 1)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, CHUNK_ROWS * n, sizeof *near, &near));
    for (int32_t m = 0; m < n_views; m++)
        TRY(directions(ctx, c[m], n, k, rho, &unit[m]));
    for (int32_t m = 0; m < n_views; m++)
        for (int32_t l = 0; l < n_views; l++)
            if (l != m)
                TRY(one_pair(ctx, unit[m], unit[l], n, k, near, &recall_1[m * n_views + l],
                             &recall_10[m * n_views + l]));
done:
    for (int32_t m = 0; m < n_views; m++)
        mucmm__free(unit[m]);
    mucmm__free(near);
    return status;
}
