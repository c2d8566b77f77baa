/* SPDX-License-Identifier: MIT
 *
 * Which components come back in another fit: the components of both are paired, and compared by
 * their variates on rows that the other fit did not see (section 5 of the method). */
#include "model/stability.h"

#include <math.h>
#include <stdlib.h>

/* Added to the correlations of the other fit's variates, which may be dependent. */
#define RIDGE 1e-9

/* ---- what is found ----------------------------------------------------------------- */

mucmm_status mucmm__stability_create(mucmm_ctx *ctx, int64_t k, mucmm_stability **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_stability *s = NULL;

    TRY(mucmm__alloc(ctx, 1, sizeof *s, &s));
    s->components = k;
    for (int i = 0; i < MUCMM__STABILITY_FIELDS; i++)
        TRY(mucmm__alloc(ctx, k, sizeof(double), mucmm__stability_field(s, i)));
    TRY(mucmm__alloc(ctx, k, sizeof *s->comes_back, &s->comes_back));
    *out = s;
    s = NULL;
done:
    mucmm__stability_free(s);
    return status;
}

void mucmm__stability_free(mucmm_stability *s)
{
    for (int i = 0; s && i < MUCMM__STABILITY_FIELDS; i++)
        mucmm__free(*mucmm__stability_field(s, i));
    if (s)
        mucmm__free(s->comes_back);
    mucmm__free(s);
}

double **mucmm__stability_field(mucmm_stability *s, int i)
{
    double **const fields[MUCMM__STABILITY_FIELDS] = {
        &s->similarity,      &s->similarity_low,   &s->subspace, &s->correlations,
        &s->correlation_low, &s->correlation_high, &s->averaged};
    return fields[i];
}

void mucmm__stability_count(mucmm_stability *s)
{
    s->returning = 0;
    for (int64_t j = 0; j < s->components; j++) {
        s->comes_back[j] = s->similarity[j] >= MUCMM_COMES_BACK && s->correlation_low[j] > 0;
        s->returning += s->comes_back[j];
    }
}

/* ---- comparisons ------------------------------------------------------------------- */

mucmm_status mucmm__comparisons_create(mucmm_ctx *ctx, int32_t n_views, int64_t k, int64_t room,
                                       int64_t rows, mucmm__comparisons *c)
{
    mucmm_status status = MUCMM_OK;

    *c = (mucmm__comparisons){.n_views = n_views, .k = k, .room = room, .rows = rows};
    TRY(mucmm__alloc(ctx, room * k, sizeof(double), &c->similarity));
    TRY(mucmm__alloc(ctx, room * k, sizeof(double), &c->subspace));
    TRY(mucmm__alloc(ctx, room * k, sizeof(double), &c->correlation));
    TRY(mucmm__alloc(ctx, rows, sizeof *c->times, &c->times));
    TRY(mucmm__alloc(ctx, k, sizeof *c->pair, &c->pair));
    TRY(mucmm__alloc(ctx, k, sizeof *c->sign, &c->sign));
    for (int32_t m = 0; m < n_views; m++)
        TRY(mucmm__alloc(ctx, rows * k, sizeof(double), &c->sum[m]));
done:
    return status;
}

void mucmm__comparisons_drop(mucmm__comparisons *c)
{
    mucmm__free(c->similarity);
    mucmm__free(c->subspace);
    mucmm__free(c->correlation);
    mucmm__free(c->times);
    mucmm__free(c->pair);
    mucmm__free(c->sign);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(c->sum[m]);
    *c = (mucmm__comparisons){0};
}

/* The two fits' variates on the same rows. */
typedef struct two_fits {
    int64_t n, k;
    double *x, *y, *sd;             /* [n, k] standardized, of one view; [k] */
    double *cross[MUCMM_MAX_VIEWS]; /* [k, k] correlation of the fit's i with the other's j */
    double *own;                    /* [k, k] of the other's, Cholesky factor */
    double *part;                   /* [M, k] of view m in the other's component j */
    double *r, *pair;               /* [k] */
    double *similarity, *size;      /* [k, k], and its absolute value */
    double *subspace;               /* [M, k] */
    int64_t *column;                /* [k] */
} two_fits;

static mucmm_status two_create(mucmm_ctx *ctx, int32_t n_views, int64_t n, int64_t k, two_fits *t)
{
    mucmm_status status = MUCMM_OK;

    *t = (two_fits){.n = n, .k = k};
    TRY(mucmm__alloc(ctx, n * k, sizeof(double), &t->x));
    TRY(mucmm__alloc(ctx, n * k, sizeof(double), &t->y));
    TRY(mucmm__alloc(ctx, k, sizeof(double), &t->sd));
    TRY(mucmm__alloc(ctx, k * k, sizeof(double), &t->own));
    TRY(mucmm__alloc(ctx, n_views * k, sizeof(double), &t->part));
    TRY(mucmm__alloc(ctx, k, sizeof(double), &t->r));
    TRY(mucmm__alloc(ctx, k, sizeof(double), &t->pair));
    TRY(mucmm__alloc(ctx, k * k, sizeof(double), &t->similarity));
    TRY(mucmm__alloc(ctx, k * k, sizeof(double), &t->size));
    TRY(mucmm__alloc(ctx, n_views * k, sizeof(double), &t->subspace));
    TRY(mucmm__alloc(ctx, k, sizeof *t->column, &t->column));
    for (int32_t m = 0; m < n_views; m++)
        TRY(mucmm__alloc(ctx, k * k, sizeof(double), &t->cross[m]));
done:
    return status;
}

static void two_drop(two_fits *t)
{
    double *const all[] = {t->x, t->y,    t->sd,         t->own,  t->part,
                           t->r, t->pair, t->similarity, t->size, t->subspace};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mucmm__free(all[i]);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(t->cross[m]);
    mucmm__free(t->column);
}

/* How much of its component each variate of the other fit has part in: the sum of its positive
 * correlations with the other views', as shares of one; equal if there are none. */
static mucmm_status find_parts(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *other,
                               two_fits *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = t->k;

    for (int32_t m = 0; m < n_views; m++)
        for (int32_t l = m + 1; l < n_views; l++) {
            mucmm__block both[2] = {other[m], other[l]};
            TRY(mucmm__permutation_test(ctx, 2, both, 0, 0, t->pair, NULL, NULL));
            for (int64_t j = 0; j < k; j++) {
                t->r[j] += t->pair[j] * 2 / (n_views * (n_views - 1));
                t->part[m * k + j] += fmax(t->pair[j], 0);
                t->part[l * k + j] += fmax(t->pair[j], 0);
            }
        }
    for (int64_t j = 0; j < k; j++) {
        double sum = 0;
        for (int32_t m = 0; m < n_views; m++)
            sum += t->part[m * k + j];
        for (int32_t m = 0; m < n_views; m++)
            t->part[m * k + j] = sum > 0 ? t->part[m * k + j] / sum : 1.0 / n_views;
    }
done:
    return status;
}

/* subspace [k]: the multiple correlation of each variate of the fit with all of the other's, less
 * what k of them reach by chance (the adjusted R2). NaN where there are too few rows. */
static mucmm_status subspaces(mucmm_ctx *ctx, two_fits *t, const double *cross, double *subspace)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = t->k;
    double free_rows = (double)(t->n - 1 - k);
    double *turned = t->similarity; /* [k, k], free until the views are added up */

    for (int64_t j = 0; j < k; j++)
        t->own[j * (k + 1)] += RIDGE;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < k; j++)
            turned[j * k + i] = cross[i * k + j];
    TRY(mucmm__cholesky(ctx, k, t->own, "the correlations of a replicate's variates"));
    TRY(mucmm__solve_lower(ctx, false, k, k, t->own, turned));
    for (int64_t i = 0; i < k; i++) {
        double r2 = 0;
        for (int64_t j = 0; j < k; j++)
            r2 += turned[j * k + i] * turned[j * k + i];
        r2 = 1 - (1 - r2) * (double)(t->n - 1) / free_rows;
        subspace[i] = free_rows < 1 ? NAN : sqrt(fmin(fmax(r2, 0), 1));
    }
done:
    return status;
}

static mucmm_status compare_views(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *fit,
                                  const mucmm__block *other, two_fits *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = t->n, k = t->k;

    for (int32_t m = 0; m < n_views; m++) {
        mucmm__standardize(&fit[m], t->x, t->sd);
        mucmm__standardize(&other[m], t->y, t->sd);
        TRY(mucmm__dgemm(ctx, true, false, k, k, n, 1 / (double)n, t->x, k, t->y, k, 0, t->cross[m],
                         k));
        TRY(mucmm__dgemm(ctx, true, false, k, k, n, 1 / (double)n, t->y, k, t->y, k, 0, t->own, k));
        TRY(subspaces(ctx, t, t->cross[m], t->subspace + m * k));
    }
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < k; j++) {
            double sum = 0;
            for (int32_t m = 0; m < n_views; m++)
                sum += t->part[m * k + j] * t->cross[m][i * k + j];
            t->similarity[i * k + j] = sum;
            t->size[i * k + j] = fabs(sum);
        }
done:
    return status;
}

void mucmm__include(mucmm__comparisons *c, const int64_t *rows, const mucmm__block *fit)
{
    for (int64_t r = 0; r < fit[0].rows; r++) {
        for (int32_t m = 0; m < c->n_views; m++)
            for (int64_t i = 0; i < c->k; i++)
                c->sum[m][rows[r] * c->k + i] += fit[m].data[r * c->k + i];
        c->times[rows[r]]++;
    }
}

/* Row number `at` of the comparisons, and the variates of paired components with their signs. */
static void take_comparison(mucmm__comparisons *c, const two_fits *t, const int64_t *rows,
                            const mucmm__block *other)
{
    int64_t k = c->k, at = c->n * k;

    for (int64_t i = 0; i < k; i++) {
        int64_t j = t->column[i];
        double sign = t->similarity[i * k + j] < 0 ? -1 : 1;
        c->pair[i] = j;
        c->sign[i] = sign;
        c->similarity[at + i] = t->size[i * k + j];
        c->correlation[at + i] = t->r[j];
        c->subspace[at + i] = 0;
        for (int32_t m = 0; m < c->n_views; m++) {
            c->subspace[at + i] += t->part[m * k + j] * t->subspace[m * k + i];
            for (int64_t r = 0; r < t->n; r++)
                c->sum[m][rows[r] * k + i] += sign * other[m].data[r * k + j];
        }
    }
    for (int64_t r = 0; r < t->n; r++)
        c->times[rows[r]]++;
    c->n++;
}

mucmm_status mucmm__compare(mucmm_ctx *ctx, mucmm__comparisons *c, const int64_t *rows,
                            const mucmm__block *fit, const mucmm__block *other)
{
    mucmm_status status = MUCMM_OK;
    two_fits t = {0};

    TRY(two_create(ctx, c->n_views, fit[0].rows, c->k, &t));
    TRY(find_parts(ctx, c->n_views, other, &t));
    TRY(compare_views(ctx, c->n_views, fit, other, &t));
    TRY(mucmm__assign(ctx, c->k, t.size, t.column));
    take_comparison(c, &t, rows, other);
done:
    two_drop(&t);
    return status;
}

/* ---- summing up -------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of n values in order: linear between them, 0 the least, 1 the largest. */
static double quantile(const double *x, int64_t n, double q)
{
    double at = q * (double)(n - 1);
    int64_t below = (int64_t)at;

    return below + 1 < n ? x[below] + (at - (double)below) * (x[below + 1] - x[below]) : x[n - 1];
}

/* Mean over the comparisons, and two quantiles (any may be NULL): [k] each. */
static void sum_up(const mucmm__comparisons *c, const double *values, double tail, double *column,
                   double *mean, double *low, double *high)
{
    for (int64_t i = 0; i < c->k; i++) {
        mean[i] = 0;
        for (int64_t b = 0; b < c->n; b++) {
            column[b] = values[b * c->k + i];
            mean[i] += column[b] / (double)c->n;
        }
        qsort(column, (size_t)c->n, sizeof *column, ascending);
        if (low)
            low[i] = quantile(column, c->n, tail);
        if (high)
            high[i] = quantile(column, c->n, 1 - tail);
    }
}

/* The correlation between the views of the mean variates, on the rows that have any. */
static mucmm_status correlate_means(mucmm_ctx *ctx, const mucmm__comparisons *c, double *averaged)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block mean[MUCMM_MAX_VIEWS] = {{0}};
    int64_t n = 0;

    for (int32_t m = 0; m < c->n_views; m++) {
        TRY(mucmm__alloc(ctx, c->rows * c->k, sizeof(double), &mean[m].data));
        n = 0;
        for (int64_t r = 0; r < c->rows; r++) {
            for (int64_t i = 0; i < c->k && c->times[r] > 0; i++)
                mean[m].data[n * c->k + i] = c->sum[m][r * c->k + i] / (double)c->times[r];
            n += c->times[r] > 0;
        }
        mean[m].rows = n;
        mean[m].cols = c->k;
    }
    if (n < 3)
        for (int64_t i = 0; i < c->k; i++)
            averaged[i] = NAN;
    else
        TRY(mucmm__permutation_test(ctx, c->n_views, mean, 0, 0, averaged, NULL, NULL));
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(mean[m].data);
    return status;
}

mucmm_status mucmm__stability_make(mucmm_ctx *ctx, const mucmm__comparisons *c, double tail,
                                   mucmm_stability **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_stability *s = NULL;
    double *column = NULL;

    TRY(mucmm__alloc(ctx, c->n, sizeof *column, &column));
    TRY(mucmm__stability_create(ctx, c->k, &s));
    s->compared = c->n;
    sum_up(c, c->similarity, tail, column, s->similarity, s->similarity_low, NULL);
    sum_up(c, c->subspace, tail, column, s->subspace, NULL, NULL);
    sum_up(c, c->correlation, tail, column, s->correlations, s->correlation_low,
           s->correlation_high);
    TRY(correlate_means(ctx, c, s->averaged));
    mucmm__stability_count(s);
    *out = s;
    s = NULL;
done:
    mucmm__free(column);
    mucmm__stability_free(s);
    return status;
}
