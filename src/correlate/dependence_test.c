/* SPDX-License-Identifier: MIT
 *
 * dependence_test.c - is what is left between blocks of columns more than chance?
 * n rows, S statistics, N permutations. A statistic is a product of two blocks of rows that are
 * whitened once; a permutation moves rows, and whitening does not see their order. */
#include "correlate/whitened.h"
#include "linalg/blas.h"

#include <math.h>
#include <string.h>

enum { LEAST = 199 }; /* permutations, however much they take */

/* Products are float: statistics that are equal differ by less, in standard deviations. */
#define TIE 1e-4

/* ---- one statistic ----------------------------------------------------------------- */

void mucmm__dependence_drop(mucmm__dependence *s)
{
    mucmm__free(s->left);
    mucmm__free(s->right);
}

/* Columns of rows [n, d] to mean 0. */
static void center_rows(int64_t n, int64_t d, double *x)
{
    for (int64_t j = 0; j < d; j++) {
        double mean = 0;
        for (int64_t i = 0; i < n; i++)
            mean += x[i * d + j];
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++)
            x[i * d + j] -= mean;
    }
}

/* x [n, d] centred, with the covariance S: out = x L'^-1, L L' = S + ridge I; trace of S (S + ridge
 * I)^-1. halves: centred on each half once more. */
static mucmm_status whiten(mucmm_ctx *ctx, const mucmm__block *x, double divisor, double ridge,
                           bool halves, float **out, double *trace)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = x->rows, d = x->cols, half = n / 2;
    const char *name = "a";
    double *rows = NULL, *columns = NULL, *cov = NULL, *factor = NULL;

    TRY(mucmm__alloc(ctx, n * d, sizeof *rows, &rows));
    TRY(mucmm__alloc(ctx, n * d, sizeof *columns, &columns));
    TRY(mucmm__alloc(ctx, d * d, sizeof *cov, &cov));
    TRY(mucmm__alloc(ctx, d * d, sizeof *factor, &factor));
    TRY(mucmm__alloc(ctx, n * d, sizeof **out, out));
    TRY(mucmm__center(ctx, 1, x, &name, rows));
    TRY(mucmm__covariance(ctx, n, d, rows, divisor, cov));
    TRY(mucmm__factor_covariance(ctx, name, d, cov, d, ridge, factor));
    mucmm__transpose(n, d, rows, d, columns);
    TRY(mucmm__solve_lower(ctx, false, d, n, factor, columns));
    mucmm__transpose(d, n, columns, n, rows);
    *trace = 0;
    for (int64_t i = 0; i < n * d; i++)
        *trace += rows[i] * rows[i] / divisor;
    if (halves) {
        center_rows(half, d, rows);
        center_rows(half, d, rows + half * d);
    }
    mucmm__to_float(rows, n * d, *out);
done:
    mucmm__free(rows);
    mucmm__free(columns);
    mucmm__free(cov);
    mucmm__free(factor);
    return status;
}

mucmm_status mucmm__dependence_init(mucmm_ctx *ctx, const mucmm__block *a, const mucmm__block *b,
                                    double ridge, mucmm__dependence *s)
{
    mucmm_status status = MUCMM_OK;
    double n = (double)(a->rows - 1), least = (double)(a->cols < b->cols ? a->cols : b->cols);
    double trace[2];

    *s = (mucmm__dependence){.n = a->rows, .d = a->cols, .e = b->cols, .p = NAN};
    TRY(mucmm__correlation_min(ctx, a, b, ridge, &s->value, NULL, NULL));
    TRY(whiten(ctx, a, n, ridge, false, &s->left, &trace[0]));
    TRY(whiten(ctx, b, n, ridge, false, &s->right, &trace[1]));
    s->chance = trace[0] * trace[1] / (n * least);
done:
    return status;
}

mucmm_status mucmm__dependence_init_crossfit(mucmm_ctx *ctx, const mucmm__block *a,
                                             const mucmm__block *c, double ridge,
                                             mucmm__dependence *s)
{
    mucmm_status status = MUCMM_OK;
    const char *name = "c";
    double trace, *rows = NULL;

    *s = (mucmm__dependence){.n = a->rows, .d = a->cols, .e = c->cols, .halves = true, .p = NAN};
    TRY(mucmm__correlation_min_crossfit(ctx, a, c, ridge, &s->value, NULL, NULL));
    TRY(whiten(ctx, a, (double)s->n, ridge, true, &s->left, &trace));
    TRY(mucmm__alloc(ctx, s->n * s->e, sizeof *s->right, &s->right));
    TRY(mucmm__alloc(ctx, s->n * s->e, sizeof *rows, &rows));
    TRY(mucmm__center(ctx, 1, c, &name, rows));
    /* not on each half: a is */
    mucmm__to_float(rows, s->n * s->e, s->right);
done:
    mucmm__free(rows);
    return status;
}

/* ---- permutations ------------------------------------------------------------------ */

/* Permutations of a task, and columns of a product: narrow blocks of several permutations go side
 * by side into one. */
enum { BATCH = 16, COLUMNS = 96 };

/* Everything the tasks read, and scratch for each lane. */
typedef struct family {
    int64_t n, size, permutations, lanes;
    int32_t movers; /* permutations that are drawn together */
    mucmm__dependence *const *statistic;
    const mucmm__exchange *exchange;
    uint64_t seed;
    int64_t *order;    /* [lanes, BATCH, movers, n] */
    int64_t *relative; /* [lanes, 2, n] */
    float *right;      /* [lanes, n, widest] */
    float *product;    /* [lanes, 2, largest d, widest] */
    double *values;    /* [1 + permutations, size]: the rows as they are first */
    int64_t widest, tallest;
    mucmm_status *status; /* [lanes] */
} family;

static void family_drop(family *f)
{
    mucmm__free(f->order);
    mucmm__free(f->relative);
    mucmm__free(f->right);
    mucmm__free(f->product);
    mucmm__free(f->values);
    mucmm__free(f->status);
}

/* Permutations that share a product. */
static int64_t together(const mucmm__dependence *s)
{
    int64_t fit = COLUMNS / s->e;

    return fit < 1 ? 1 : fit > BATCH ? BATCH : fit;
}

/* The row of the right side that row i of the left one meets, both moved: [n]. order [movers, n] of
 * one draw; NULL, the rows as they are, stays so. */
static const int64_t *meeting_rows(const family *f, int64_t lane, const mucmm__dependence *s,
                                   const int64_t *order)
{
    int64_t *inverse = f->relative + lane * 2 * f->n, *meets = inverse + f->n;
    const int64_t *left, *right;

    if (!order)
        return NULL;
    left = s->mover_left > 0 ? order + (s->mover_left - 1) * f->n : NULL;
    right = s->mover_right > 0 ? order + (s->mover_right - 1) * f->n : NULL;
    if (!left)
        return right;
    for (int64_t i = 0; i < f->n; i++)
        inverse[left[i]] = i;
    for (int64_t i = 0; i < f->n; i++)
        meets[i] = right ? right[inverse[i]] : inverse[i];
    return meets;
}

/* to [n, stride], columns at .. at + e: the right side's rows as they meet the left one's. */
static void gather(const family *f, const mucmm__dependence *s, const int64_t *rows, int64_t at,
                   int64_t stride, float *to)
{
    for (int64_t i = 0; i < f->n; i++)
        memcpy(to + i * stride + at, s->right + (rows ? rows[i] : i) * s->e,
               (size_t)s->e * sizeof *to);
}

/* values [count] at a distance of f->size, of `count` permutations gathered in right. */
static mucmm_status products(const family *f, int64_t lane, const mucmm__dependence *s,
                             int64_t count, double *values)
{
    int64_t d = s->d, stride = count * s->e, half = f->n / 2, rows = s->halves ? half : f->n;
    const float *right = f->right + lane * f->n * f->widest;
    float *first = f->product + lane * 2 * f->tallest * f->widest;
    float *second = s->halves ? first + f->tallest * f->widest : first;
    mucmm_status status =
        mucmm__gemm_tile(d, stride, rows, s->left, d, right, stride, first, stride);

    if (s->halves && status == MUCMM_OK)
        status = mucmm__gemm_tile(d, stride, half, s->left + half * d, d, right + half * stride,
                                  stride, second, stride);
    if (status != MUCMM_OK)
        return status;
    for (int64_t g = 0; g < count; g++) {
        double sum = 0;
        for (int64_t i = 0; i < d; i++)
            for (int64_t j = i * stride + g * s->e; j < i * stride + (g + 1) * s->e; j++)
                sum += (double)first[j] * (double)second[j];
        values[g * f->size] = sum;
    }
    return MUCMM_OK;
}

/* Permutations first .. first + count of one statistic; order [BATCH, movers, n]. */
static mucmm_status batch_values(const family *f, int64_t lane, int64_t statistic, int64_t first,
                                 int64_t count, const int64_t *order)
{
    const mucmm__dependence *s = f->statistic[statistic];
    float *right = f->right + lane * f->n * f->widest;
    mucmm_status status = MUCMM_OK;

    for (int64_t b = 0; b < count && status == MUCMM_OK; b += together(s)) {
        int64_t part = count - b < together(s) ? count - b : together(s);
        for (int64_t g = 0; g < part; g++) {
            const int64_t *draw = first + b + g > 0 ? order + (b + g) * f->movers * f->n : NULL;
            gather(f, s, meeting_rows(f, lane, s, draw), g * s->e, part * s->e, right);
        }
        status = products(f, lane, s, part, f->values + (first + b) * f->size + statistic);
    }
    return status;
}

/* Permutation b is a function of (seed, b) alone, b = 0 none; batches begin at the same b for any
 * number of lanes. */
static void run_lane(void *arg, int64_t lane)
{
    const family *f = arg;
    int64_t *order = f->order + lane * BATCH * f->movers * f->n;
    mucmm_status *status = &f->status[lane];

    for (int64_t b = lane * BATCH; b <= f->permutations; b += f->lanes * BATCH) {
        int64_t count = f->permutations + 1 - b < BATCH ? f->permutations + 1 - b : BATCH;
        for (int64_t g = 0; g < count; g++)
            for (int32_t m = 0; m < f->movers; m++)
                mucmm__exchange_draw(
                    f->exchange,
                    mucmm__rng_key(mucmm__rng_key(f->seed, (uint64_t)(b + g)), (uint64_t)m),
                    order + (g * f->movers + m) * f->n, f->n);
        for (int64_t s = 0; s < f->size && *status == MUCMM_OK; s++)
            *status = batch_values(f, lane, s, b, count, order);
    }
}

/* What groups leave to chance depends on how alike their rows are. */
static void take_chance(const family *f)
{
    for (int64_t s = 0; s < f->size && f->exchange; s++) {
        double mean = 0;
        for (int64_t b = 1; b <= f->permutations; b++)
            mean += f->values[b * f->size + s] / (double)f->permutations;
        if (!f->statistic[s]->halves && f->values[s] > 0)
            f->statistic[s]->chance = f->statistic[s]->value * mean / f->values[s];
    }
}

/* Each statistic in standard deviations from its mean, over the rows as they are and all
 * permutations: what does not tell these apart leaves the test exact. */
static void standardize(const family *f)
{
    double count = (double)(f->permutations + 1);

    for (int64_t s = 0; s < f->size; s++) {
        double mean = 0, square = 0, sd;
        for (int64_t b = 0; b <= f->permutations; b++)
            mean += f->values[b * f->size + s] / count;
        for (int64_t b = 0; b <= f->permutations; b++)
            square += pow(f->values[b * f->size + s] - mean, 2) / count;
        sd = sqrt(square);
        for (int64_t b = 0; b <= f->permutations; b++) {
            double *value = f->values + b * f->size + s;
            *value = sd > 1e-6 * fabs(mean) ? (*value - mean) / sd : 0;
        }
    }
}

static mucmm_status family_init(mucmm_ctx *ctx, family *f, double most_work)
{
    mucmm_status status = MUCMM_OK;
    double work = 0;
    int64_t enough;

    for (int64_t i = 0; i < f->size; i++) {
        const mucmm__dependence *s = f->statistic[i];
        f->tallest = s->d > f->tallest ? s->d : f->tallest;
        f->widest = together(s) * s->e > f->widest ? together(s) * s->e : f->widest;
        f->movers = s->mover_left > f->movers ? s->mover_left : f->movers;
        f->movers = s->mover_right > f->movers ? s->mover_right : f->movers;
        work += (double)s->n * (double)s->d * (double)s->e;
    }
    enough = most_work / work < LEAST ? LEAST : (int64_t)fmin(most_work / work, 1e9);
    f->permutations = f->permutations < enough ? f->permutations : enough;
    TRY(mucmm__alloc(ctx, f->lanes * BATCH * f->movers * f->n, sizeof *f->order, &f->order));
    TRY(mucmm__alloc(ctx, f->lanes * 2 * f->n, sizeof *f->relative, &f->relative));
    TRY(mucmm__alloc(ctx, f->lanes * f->n * f->widest, sizeof *f->right, &f->right));
    TRY(mucmm__alloc(ctx, f->lanes * 2 * f->tallest * f->widest, sizeof *f->product, &f->product));
    TRY(mucmm__alloc(ctx, (f->permutations + 1) * f->size, sizeof *f->values, &f->values));
    TRY(mucmm__alloc(ctx, f->lanes, sizeof *f->status, &f->status));
done:
    return status;
}

mucmm_status mucmm__dependence_test(mucmm_ctx *ctx, const mucmm__exchange *e, int64_t n_statistics,
                                    mucmm__dependence *const *statistics, int64_t permutations,
                                    uint64_t seed, double most_work, int64_t *made)
{
    mucmm_status status = MUCMM_OK;
    family f = {.size = n_statistics,
                .permutations = permutations,
                .lanes = ctx->threads,
                .statistic = statistics,
                .exchange = e,
                .seed = seed};
    double *p = NULL;

    if (n_statistics == 0 || permutations == 0 || !mucmm__exchange_enough(e))
        return MUCMM_OK;
    f.n = statistics[0]->n;
    TRY(family_init(ctx, &f, most_work));
    TRY(mucmm__alloc(ctx, f.size, sizeof *p, &p));
    mucmm__parallel(ctx, f.lanes, run_lane, &f);
    for (int64_t lane = 0; lane < f.lanes; lane++)
        if (f.status[lane] != MUCMM_OK)
            TRY(mucmm__fail(ctx, f.status[lane],
                            "a matrix product of the permutation test failed: %s",
                            mucmm_status_text(f.status[lane])));
    take_chance(&f);
    standardize(&f);
    TRY(mucmm__step_down(ctx, f.size, f.permutations, f.values, f.values + f.size, TIE, p));
    for (int64_t s = 0; s < f.size; s++)
        statistics[s]->p = p[s];
    *made = f.permutations;
done:
    mucmm__free(p);
    family_drop(&f);
    return status;
}
