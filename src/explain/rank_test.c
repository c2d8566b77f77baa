/* SPDX-License-Identifier: MIT
 *
 * Spearman's rank correlation of the maps of several models. */
#include "explain/rank_test.h"

#include "explain/faults.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ranked {
    float value;
    int64_t place;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

/* In place: values -> ranks (ties share their mean), centred, of length 1 (0 if all are equal). */
static void to_ranks(ranked *work, float *x, int64_t n)
{
    double sum = 0, middle = ((double)n - 1) / 2;

    for (int64_t i = 0; i < n; i++)
        work[i] = (ranked){x[i], i};
    qsort(work, (size_t)n, sizeof *work, compare_ranked);
    for (int64_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && !(work[j].value > work[i].value); j++)
            continue;
        double rank = (double)(i + j - 1) / 2 - middle;
        for (int64_t k = i; k < j; k++)
            x[work[k].place] = (float)rank;
        sum += (double)(j - i) * rank * rank;
    }
    for (int64_t i = 0; i < n && sum > 0; i++)
        x[i] = (float)((double)x[i] / sqrt(sum));
}

/* Samples that lack a map in one of the models [1 + count] become zeros in all; how many do not. */
static int64_t drop_unknown(float *maps, int64_t count, int64_t n, int64_t cols)
{
    int64_t known = 0;

    for (int64_t i = 0; i < n; i++) {
        bool all = true;
        for (int64_t b = 0; b <= count; b++)
            all = all && mucmm__state_of_map(maps + (b * n + i) * cols, cols) != MUCMM__MAP_NONE;
        for (int64_t b = 0; b <= count && !all; b++)
            memset(maps + (b * n + i) * cols, 0, (size_t)cols * sizeof *maps);
        known += all;
    }
    return known;
}

/* Mean over the samples of the correlation of two models' ranks [n, cols], and of its magnitude;
 * `known` of the samples are not zero. */
static double mean_correlation(const float *a, const float *b, int64_t n, int64_t known,
                               int64_t cols, double *magnitude)
{
    double mean = 0;

    *magnitude = 0;
    for (int64_t i = 0; i < n; i++) {
        double r = 0;
        for (int64_t j = 0; j < cols; j++)
            r += (double)a[i * cols + j] * (double)b[i * cols + j];
        mean += r / (double)known;
        *magnitude += fabs(r) / (double)known;
    }
    return mean;
}

/* mean [1 + count]: of the first with all others, of each other one with those besides the first.
 */
static void mean_correlations(const float *ranks, int64_t count, int64_t n, int64_t known,
                              int64_t cols, double *mean, double *magnitude)
{
    int64_t size = n * cols;

    *magnitude = 0;
    for (int64_t a = 1; a <= count; a++) {
        double one, r = mean_correlation(ranks, ranks + a * size, n, known, cols, &one);
        mean[0] += r / (double)count;
        *magnitude += one / (double)count;
        for (int64_t b = 1; b < a; b++) {
            r = mean_correlation(ranks + a * size, ranks + b * size, n, known, cols, &one);
            mean[a] += r / (double)(count - 1);
            mean[b] += r / (double)(count - 1);
        }
    }
}

mucmm_status mucmm__rank_test(mucmm_ctx *ctx, const float *maps, int64_t count, int64_t n,
                              int64_t cols, mucmm_rank_test *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = n * cols, at_least = 0, known;
    ranked *work = NULL;
    float *ranks = NULL;
    double *mean = NULL;

    *out = (mucmm_rank_test){count, NAN, NAN, NAN, NAN, NAN};
    if (count < 1)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, cols, sizeof *work, &work));
    TRY(mucmm__alloc(ctx, (1 + count) * size, sizeof *ranks, &ranks));
    TRY(mucmm__alloc(ctx, 1 + count, sizeof *mean, &mean));
    memcpy(ranks, maps, (size_t)((1 + count) * size) * sizeof *ranks);
    known = drop_unknown(ranks, count, n, cols);
    if (known == 0)
        goto done;
    for (int64_t i = 0; i < (1 + count) * n; i++)
        to_ranks(work, ranks + i * cols, cols);
    mean_correlations(ranks, count, n, known, cols, mean, &out->magnitude);
    out->rho = mean[0];
    if (count < 2)
        goto done;
    out->low = out->high = mean[1];
    for (int64_t b = 1; b <= count; b++) {
        out->low = fmin(out->low, mean[b]);
        out->high = fmax(out->high, mean[b]);
        at_least += fabs(mean[b]) >= fabs(mean[0]);
    }
    out->p_value = (1 + (double)at_least) / (1 + (double)count);
done:
    mucmm__free(work);
    mucmm__free(ranks);
    mucmm__free(mean);
    return status;
}
