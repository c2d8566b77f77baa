/* SPDX-License-Identifier: MIT
 *
 * Maps of many models at the same samples, and how alike their orders are. */
#include "explain/stack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- progress of loops ------------------------------------------------------------- */

static int pass_progress(void *user, const char *stage, int64_t done, int64_t total,
                         const char *note)
{
    const mucmm__quiet *w = user;

    (void)stage;
    (void)done;
    (void)total;
    (void)note;
    return w->outer.progress ? w->outer.progress(w->outer.progress_user, w->stage, w->at, w->n, "")
                             : 0;
}

void mucmm__quiet_begin(mucmm_ctx *ctx, mucmm__quiet *w, const char *stage, int64_t n)
{
    *w = (mucmm__quiet){*ctx, stage, 0, n};
    ctx->progress = pass_progress;
    ctx->progress_user = w;
    ctx->log = NULL;
}

mucmm_status mucmm__quiet_at(mucmm_ctx *ctx, mucmm__quiet *w, int64_t at)
{
    w->at = at;
    return mucmm__progress(ctx, w->stage, at, w->n, NULL);
}

void mucmm__quiet_end(mucmm_ctx *ctx, const mucmm__quiet *w)
{
    ctx->progress = w->outer.progress;
    ctx->progress_user = w->outer.progress_user;
    ctx->log = w->outer.log;
}

/* ---- maps of models ---------------------------------------------------------------- */

static mucmm_status map_one(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__question *q,
                            const mucmm_explain_params *p, float *out)
{
    return mucmm_explain(ctx, m, q->views, q->n_views, q->view, q->rows, q->n, p,
                         &(mucmm_mat){out, q->n, q->cols, q->cols}, NULL);
}

/* Gradients become patterns when all of them are there. */
static mucmm_explain_params single_params(const mucmm__question *q)
{
    mucmm_explain_params p = *q->p;

    if (p.map == MUCMM_MAP_PATTERN)
        p.map = MUCMM_MAP_GRADIENT;
    p.gaps = NULL;
    p.differences = NULL;
    return p;
}

static mucmm_status finish_patterns(mucmm_ctx *ctx, const mucmm_model *base, int64_t count,
                                    const mucmm__question *q, float *out)
{
    if (q->p->map != MUCMM_MAP_PATTERN)
        return MUCMM_OK;
    return mucmm_explain_patterns(ctx, base, q->views, q->n_views, q->view, q->p, count * q->n,
                                  out);
}

mucmm_status mucmm__stack_maps(mucmm_ctx *ctx, const mucmm_model *base,
                               const mucmm_model *const *models, int64_t count,
                               const mucmm__question *q, const char *stage, float *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p = single_params(q);
    mucmm__quiet w;

    mucmm__quiet_begin(ctx, &w, stage, count);
    for (int64_t b = 0; b < count; b++) {
        TRY(mucmm__quiet_at(ctx, &w, b));
        TRY(map_one(ctx, models[b], q, &p, out + b * q->n * q->cols));
    }
    TRY(mucmm__quiet_at(ctx, &w, count));
    TRY(finish_patterns(ctx, base, count, q, out));
done:
    mucmm__quiet_end(ctx, &w);
    return status;
}

/* ---- random heads ------------------------------------------------------------------ */

mucmm_status mucmm__random_maps(mucmm_ctx *ctx, const mucmm_model *m, int64_t count, uint64_t seed,
                                const mucmm__question *q, float *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = mucmm__model_solution(m, q->p->representation);
    mucmm__solution drawn = {0};
    mucmm_explain_params p = single_params(q);
    mucmm_model random = *m; /* borrows all but the heads */
    mucmm__quiet w;

    mucmm__quiet_begin(ctx, &w, "random heads", count);
    for (int64_t b = 0; b < count; b++) {
        TRY(mucmm__quiet_at(ctx, &w, b));
        TRY(mucmm__solution_random(ctx, m, rep, seed, (uint64_t)b, &drawn));
        *(rep == &m->heads ? &random.heads : &random.linear) = drawn;
        TRY(map_one(ctx, &random, q, &p, out + b * q->n * q->cols));
        mucmm__solution_drop(&drawn);
    }
    TRY(mucmm__quiet_at(ctx, &w, count));
    TRY(finish_patterns(ctx, m, count, q, out));
done:
    mucmm__quiet_end(ctx, &w);
    mucmm__solution_drop(&drawn);
    return status;
}

/* ---- rank correlation -------------------------------------------------------------- */

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

/* Mean over the samples of the correlation of two models' ranks [n, cols], and of its magnitude. */
static double mean_correlation(const float *a, const float *b, int64_t n, int64_t cols,
                               double *magnitude)
{
    double mean = 0;

    *magnitude = 0;
    for (int64_t i = 0; i < n; i++) {
        double r = 0;
        for (int64_t j = 0; j < cols; j++)
            r += (double)a[i * cols + j] * (double)b[i * cols + j];
        mean += r / (double)n;
        *magnitude += fabs(r) / (double)n;
    }
    return mean;
}

/* mean [1 + count]: of the first with all others, of each other one with those besides the first.
 */
static void mean_correlations(const float *ranks, int64_t count, int64_t n, int64_t cols,
                              double *mean, double *magnitude)
{
    int64_t size = n * cols;

    *magnitude = 0;
    for (int64_t a = 1; a <= count; a++) {
        double one, r = mean_correlation(ranks, ranks + a * size, n, cols, &one);
        mean[0] += r / (double)count;
        *magnitude += one / (double)count;
        for (int64_t b = 1; b < a; b++) {
            r = mean_correlation(ranks + a * size, ranks + b * size, n, cols, &one);
            mean[a] += r / (double)(count - 1);
            mean[b] += r / (double)(count - 1);
        }
    }
}

mucmm_status mucmm__rank_test(mucmm_ctx *ctx, const float *maps, int64_t count, int64_t n,
                              int64_t cols, mucmm_rank_test *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = n * cols, at_least = 0;
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
    for (int64_t i = 0; i < (1 + count) * n; i++)
        to_ranks(work, ranks + i * cols, cols);
    mean_correlations(ranks, count, n, cols, mean, &out->magnitude);
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
