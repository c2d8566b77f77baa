/* SPDX-License-Identifier: MIT
 *
 * Sums over the raw inputs of the training rows of encoded data, which are read, and for inner
 * tensors computed, once. */
#include "explain/raw_moments.h"

#include "encode/encoded.h"
#include "io/data.h"
#include "linalg/linalg.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#define CHUNK 32

/* Sums over the training rows of x - x_0 (the first row: large means do not cancel). */
typedef struct sums {
    int64_t n, cols;  /* columns of y; of a raw input    */
    const float *y;   /* [rows, n]                       */
    float *first;     /* [cols] x_0                      */
    double *x_sum;    /* [cols] sum (x - x_0)            */
    double *y_sum;    /* [n] sum y                       */
    double *product;  /* [n, cols] sum y (x - x_0)       */
    float *x, *block; /* [CHUNK, cols]; [n, cols] of one chunk */
} sums;

static void sums_drop(sums *t)
{
    mucmm__free(t->first);
    mucmm__free(t->x_sum);
    mucmm__free(t->y_sum);
    mucmm__free(t->product);
    mucmm__free(t->x);
    mucmm__free(t->block);
}

/* n = 0: only the means. */
static mucmm_status sums_alloc(mucmm_ctx *ctx, sums *t)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, t->cols, sizeof *t->first, &t->first));
    TRY(mucmm__alloc(ctx, t->cols, sizeof *t->x_sum, &t->x_sum));
    TRY(mucmm__alloc(ctx, t->n, sizeof *t->y_sum, &t->y_sum));
    TRY(mucmm__alloc(ctx, t->n * t->cols, sizeof *t->product, &t->product));
    TRY(mucmm__alloc(ctx, CHUNK * t->cols, sizeof *t->x, &t->x));
    TRY(mucmm__alloc(ctx, t->n * t->cols, sizeof *t->block, &t->block));
done:
    return status;
}

typedef struct chunk_task {
    sums *t;
    int64_t b;
} chunk_task;

static void centre_columns(void *arg, int64_t first, int64_t last)
{
    const chunk_task *task = arg;
    const float *x_0 = task->t->first;
    double *sum = task->t->x_sum;

    for (int64_t i = 0; i < task->b; i++) {
        float *x = task->t->x + i * task->t->cols;
#pragma omp simd
        for (int64_t j = first; j < last; j++) {
            x[j] -= x_0[j];
            sum[j] += (double)x[j];
        }
    }
}

/* The b rows from `row` on. */
static mucmm_status add_chunk(mucmm_ctx *ctx, sums *t, int64_t row, int64_t b)
{
    mucmm_status status = MUCMM_OK;
    const float *y = t->y + row * t->n;

    mucmm__parallel_range(ctx, t->cols, 4096, centre_columns, &(chunk_task){t, b});
    if (t->n == 0)
        return MUCMM_OK;
    TRY(mucmm__gemm(ctx, true, false, t->n, t->cols, b, 1, y, t->n, t->x, t->cols, 0, t->block,
                    t->cols));
    for (int64_t i = 0; i < b * t->n; i++)
        t->y_sum[i % t->n] += (double)y[i];
    for (int64_t i = 0; i < t->n * t->cols; i++)
        t->product[i] += (double)t->block[i];
done:
    return status;
}

static mucmm_status sum_rows(mucmm_ctx *ctx, const mucmm_data *training, sums *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows = mucmm_data_rows(training), chunk[CHUNK] = {0};

    if (!mucmm__encoded_of(training) || mucmm_data_raw_cols(training) != t->cols)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: the training rows must be encoded in the same way as the rows that "
                           "are explained",
                           mucmm_data_label(training));
    TRY(sums_alloc(ctx, t));
    TRY(mucmm_data_read_raw(ctx, training, chunk, 1, &(mucmm_mat){t->first, 1, t->cols, t->cols}));
    for (int64_t i = 0; i < rows; i += CHUNK) {
        int64_t b = rows - i < CHUNK ? rows - i : CHUNK;
        for (int64_t j = 0; j < b; j++)
            chunk[j] = i + j;
        TRY(mucmm__progress(ctx, "raw inputs of the training rows", i, rows, NULL));
        TRY(mucmm_data_read_raw(ctx, training, chunk, b, &(mucmm_mat){t->x, b, t->cols, t->cols}));
        TRY(add_chunk(ctx, t, i, b));
    }
    TRY(mucmm__progress(ctx, "raw inputs of the training rows", rows, rows, NULL));
done:
    return status;
}

mucmm_status mucmm__raw_mean(mucmm_ctx *ctx, const mucmm_data *training, int64_t cols, float *mean)
{
    mucmm_status status = MUCMM_OK;
    float *_Atomic *kept = (float *_Atomic *)(uintptr_t)&training->raw_mean;
    float *before = mucmm_data_raw_cols(training) == cols ? atomic_load(kept) : NULL, *made = NULL;
    sums t = {.cols = cols};

    if (before) {
        memcpy(mean, before, (size_t)cols * sizeof *mean);
        return MUCMM_OK;
    }
    TRY(sum_rows(ctx, training, &t));
    TRY(mucmm__alloc(ctx, cols, sizeof *made, &made));
    for (int64_t j = 0; j < cols; j++)
        made[j] = (float)((double)t.first[j] + t.x_sum[j] / (double)mucmm_data_rows(training));
    memcpy(mean, made, (size_t)cols * sizeof *mean);
    if (atomic_compare_exchange_strong(kept, &before, made)) /* else another thread was first */
        made = NULL;
done:
    mucmm__free(made);
    sums_drop(&t);
    return status;
}

mucmm_status mucmm__raw_pattern(mucmm_ctx *ctx, const mucmm_data *training, int64_t n, int64_t cols,
                                const float *y, float *maps)
{
    mucmm_status status = MUCMM_OK;
    sums t = {.n = n, .cols = cols, .y = y};
    double rows = (double)mucmm_data_rows(training);

    if (rows < 2)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%s: a pattern needs at least 2 training rows",
                           mucmm_data_label(training));
    TRY(sum_rows(ctx, training, &t));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < cols; j++)
            maps[i * cols + j] =
                (float)((t.product[i * cols + j] - t.x_sum[j] * t.y_sum[i] / rows) / (rows - 1));
done:
    sums_drop(&t);
    return status;
}
