/* SPDX-License-Identifier: MIT
 *
 * Factor analysis of rows with empty cells by EM, and conditional means by it. */
#include "model/impute.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Steps of EM while numbers of factors are compared, and when one is taken. */
enum { STEPS_COMPARED = 20, STEPS = 50, MOST_STEPS = 5 * STEPS_COMPARED + STEPS };
/* Of the cells that are there one in so many is hidden to compare by. */
#define HIDDEN 0.1
#define STREAM_HIDDEN 1
#define STREAM_WEIGHTS 2
/* Of a column's variance its own noise is at least so much. */
#define LEAST_NOISE 1e-3
#define MOST_STANDARD 1e3
/* A change of the noise, in units of the variance, that ends the iteration. */
#define CONVERGED 1e-4

mucmm_status mucmm__imputer_alloc(mucmm_ctx *ctx, int64_t p, int64_t rank, mucmm__imputer **out)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, 1, sizeof **out, out));
    (*out)->p = p;
    (*out)->rank = rank;
    TRY(mucmm__alloc(ctx, p, sizeof(double), &(*out)->mean));
    TRY(mucmm__alloc(ctx, p, sizeof(double), &(*out)->scale));
    TRY(mucmm__alloc(ctx, p, sizeof(double), &(*out)->noise));
    TRY(mucmm__alloc(ctx, p * rank, sizeof(double), &(*out)->weights));
    TRY(mucmm__alloc(ctx, rank * rank, sizeof(double), &(*out)->gram));
done:
    return status;
}

void mucmm__imputer_free(mucmm__imputer *f)
{
    if (!f)
        return;
    mucmm__free(f->mean);
    mucmm__free(f->scale);
    mucmm__free(f->noise);
    mucmm__free(f->weights);
    mucmm__free(f->gram);
    mucmm__free(f);
}

/* ---- small matrices ---------------------------------------------------------------- */

enum { MOST = MUCMM__MOST_FACTORS };

/* a [r, r] += factor * w w' */
static void add_outer(int64_t r, double factor, const double *w, double *a)
{
    for (int64_t i = 0; i < r; i++)
        for (int64_t j = 0; j < r; j++)
            a[i * r + j] += factor * w[i] * w[j];
}

/* a [r, r], I and more, becomes its Cholesky factor in the lower triangle. */
static void factorize(int64_t r, double *a)
{
    for (int64_t i = 0; i < r; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = a[i * r + j];
            for (int64_t k = 0; k < j; k++)
                sum -= a[i * r + k] * a[j * r + k];
            a[i * r + j] = i == j ? sqrt(fmax(sum, 1e-12)) : sum / a[j * r + j];
        }
}

/* b [r] becomes a^-1 b. */
static void solve(int64_t r, const double *a, double *b)
{
    for (int64_t i = 0; i < r; i++) {
        for (int64_t k = 0; k < i; k++)
            b[i] -= a[i * r + k] * b[k];
        b[i] /= a[i * r + i];
    }
    for (int64_t i = r - 1; i >= 0; i--) {
        for (int64_t k = i + 1; k < r; k++)
            b[i] -= a[k * r + i] * b[k];
        b[i] /= a[i * r + i];
    }
}

static double dot(int64_t r, const double *a, const double *b)
{
    double sum = 0;

    for (int64_t i = 0; i < r; i++)
        sum += a[i] * b[i];
    return sum;
}

/* ---- a row ------------------------------------------------------------------------- */

/* I + W'noise^-1 W. */
static void make_gram(mucmm__imputer *f)
{
    int64_t r = f->rank;

    memset(f->gram, 0, (size_t)(r * r) * sizeof *f->gram);
    for (int64_t i = 0; i < r; i++)
        f->gram[i * (r + 1)] = 1;
    for (int64_t j = 0; j < f->p; j++)
        add_outer(r, 1 / f->noise[j], f->weights + j * r, f->gram);
}

/* Columns are divided by their scale, so weights and noise are about 1 at most. */
static bool column_possible(const mucmm__imputer *f, int64_t j)
{
    bool good = f->scale[j] > 0 && f->scale[j] < 1e60 && fabs(f->mean[j]) < 1e60 &&
                f->noise[j] >= LEAST_NOISE / 2 && f->noise[j] <= MOST_STANDARD;

    for (int64_t k = 0; k < f->rank; k++)
        good = good && fabs(f->weights[j * f->rank + k]) <= MOST_STANDARD;
    return good;
}

mucmm_status mucmm__imputer_ready(mucmm_ctx *ctx, const char *view, mucmm__imputer *f)
{
    for (int64_t j = 0; j < f->p; j++)
        if (!column_possible(f, j))
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "one of the tensors '%s.impute.mean', 'scale', 'noise' and "
                               "'weights' holds a number that rows do not have in column %" PRId64,
                               view, j);
    make_gram(f);
    return MUCMM_OK;
}

/* The Cholesky factor [rank, rank] of I + W'noise^-1 W over the cells that are there. */
static void row_gram(const mucmm__imputer *f, const float *x, double *out)
{
    int64_t r = f->rank, empty = 0;
    double *const a = out;

    for (int64_t j = 0; j < f->p; j++)
        empty += isnan(x[j]) != 0;
    if (2 * empty <= f->p)
        memcpy(a, f->gram, (size_t)(r * r) * sizeof *a);
    else {
        memset(a, 0, (size_t)(r * r) * sizeof *a);
        for (int64_t i = 0; i < r; i++)
            a[i * (r + 1)] = 1;
    }
    for (int64_t j = 0; j < f->p; j++)
        if ((isnan(x[j]) != 0) == (2 * empty <= f->p))
            add_outer(r, (2 * empty <= f->p ? -1 : 1) / f->noise[j], f->weights + j * r, a);
    factorize(r, a);
}

/* z [rank] = E(z | x), with the factor of row_gram. */
static void row_factors(const mucmm__imputer *f, const float *x, const double *gram, double *z)
{
    int64_t r = f->rank;

    memset(z, 0, (size_t)r * sizeof *z);
    for (int64_t j = 0; j < f->p; j++) {
        double h;
        if (isnan(x[j]))
            continue;
        h = ((double)x[j] - f->mean[j]) / (f->scale[j] * f->noise[j]);
        for (int64_t k = 0; k < r; k++)
            z[k] += h * f->weights[j * r + k];
    }
    solve(r, gram, z);
}

static bool has_empty(int64_t p, const float *x)
{
    for (int64_t j = 0; j < p; j++)
        if (isnan(x[j]))
            return true;
    return false;
}

void mucmm__impute_row(const mucmm__imputer *f, float *x)
{
    double gram[MOST * MOST], z[MOST];

    if (!has_empty(f->p, x))
        return;
    row_gram(f, x, gram);
    row_factors(f, x, gram, z);
    for (int64_t j = 0; j < f->p; j++)
        if (isnan(x[j]))
            x[j] = (float)(f->mean[j] + f->scale[j] * dot(f->rank, f->weights + j * f->rank, z));
}

void mucmm__impute_vjp(const mucmm__imputer *f, const float *x, float *dx)
{
    double gram[MOST * MOST], back[MOST] = {0};
    int64_t r = f->rank;

    if (!has_empty(f->p, x))
        return;
    row_gram(f, x, gram);
    for (int64_t j = 0; j < f->p; j++)
        if (isnan(x[j])) {
            for (int64_t k = 0; k < r; k++)
                back[k] += (double)dx[j] * f->scale[j] * f->weights[j * r + k];
            dx[j] = 0;
        }
    solve(r, gram, back);
    for (int64_t j = 0; j < f->p; j++)
        if (!isnan(x[j]))
            dx[j] += (float)(dot(r, f->weights + j * r, back) / (f->scale[j] * f->noise[j]));
}

/* ---- learning ---------------------------------------------------------------------- */

typedef struct em {
    mucmm_ctx *ctx;
    int64_t n, p;
    const float *x;     /* [n, p] */
    float *rows, *cols; /* [n, p] and [p, n]: x with more cells hidden */
    mucmm__imputer *f;
    double *z;      /* [n, rank] E(z)                   */
    double *zz;     /* [n, rank, rank] E(z z')          */
    double *all;    /* [rank, rank] its sum             */
    double *change; /* [p] of the noise in this step    */
    double *seen;   /* [p] 1, or 0: its cells are all the same */
    int64_t done;   /* steps */
} em;

static void em_drop(em *e)
{
    double *const scratch[] = {e->z, e->zz, e->all, e->change, e->seen};

    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        mucmm__free(scratch[i]);
    mucmm__free(e->rows);
    mucmm__free(e->cols);
}

/* Mean and standard deviation of a column's cells; a column of one value has weights of 0. */
static void start_column(void *arg, int64_t first, int64_t last)
{
    const em *e = arg;

    for (int64_t j = first; j < last; j++) {
        double mean = 0, square = 0;
        int64_t n = 0;
        for (int64_t i = 0; i < e->n; i++)
            if (!isnan(e->cols[j * e->n + i])) {
                double d = (double)e->cols[j * e->n + i] - mean;
                mean += d / (double)++n;
                square += d * ((double)e->cols[j * e->n + i] - mean);
            }
        square = n > 1 ? square / (double)n : 0;
        e->seen[j] = square > 0 && sqrt(square) > 1e-7 * fabs(mean);
        e->f->mean[j] = mean;
        e->f->scale[j] = e->seen[j] > 0 ? sqrt(square) : 1;
        e->f->noise[j] = e->seen[j] > 0 ? .5 : 1;
    }
}

static void start(em *e, uint64_t seed)
{
    mucmm__imputer *f = e->f;
    uint64_t key = mucmm__rng_key(seed, STREAM_WEIGHTS);

    mucmm__parallel_range(e->ctx, e->p, 64, start_column, e);
    for (int64_t i = 0; i < e->p * f->rank; i++)
        f->weights[i] = e->seen[i / f->rank] > 0
                            ? mucmm__rng_normal(key, (uint64_t)i) / sqrt((double)f->rank)
                            : 0;
    make_gram(f);
}

/* E(z), E(z z') of rows. */
static void expect(void *arg, int64_t first, int64_t last)
{
    const em *e = arg;
    int64_t r = e->f->rank;
    double gram[MOST * MOST], unit[MOST];

    for (int64_t i = first; i < last; i++) {
        double *z = e->z + i * r, *zz = e->zz + i * r * r;
        row_gram(e->f, e->rows + i * e->p, gram);
        row_factors(e->f, e->rows + i * e->p, gram, z);
        for (int64_t k = 0; k < r; k++) {
            memset(unit, 0, sizeof unit);
            unit[k] = 1;
            solve(r, gram, unit);
            for (int64_t l = 0; l < r; l++)
                zz[k * r + l] = unit[l] + z[k] * z[l];
        }
    }
}

/* Sums over a column's cells: b [rank] of x z, a [rank, rank] of z z'; of x^2, and how many. */
static int64_t column_sums(const em *e, int64_t j, double *a, double *b, double *square)
{
    int64_t r = e->f->rank, n = 0;

    memcpy(a, e->all, (size_t)(r * r) * sizeof *a);
    memset(b, 0, (size_t)r * sizeof *b);
    *square = 0;
    for (int64_t i = 0; i < e->n; i++) {
        double x = ((double)e->cols[j * e->n + i] - e->f->mean[j]) / e->f->scale[j];
        if (isnan(x)) {
            for (int64_t k = 0; k < r * r; k++)
                a[k] -= e->zz[i * r * r + k];
            continue;
        }
        for (int64_t k = 0; k < r; k++)
            b[k] += x * e->z[i * r + k];
        *square += x * x;
        n++;
    }
    return n;
}

/* w = (sum z z' + noise I)^-1 sum x z, whose prior is standard normal; noise of what is left. */
static void maximize(void *arg, int64_t first, int64_t last)
{
    em *e = arg;
    int64_t r = e->f->rank;
    double a[MOST * MOST], kept[MOST * MOST], b[MOST], square;

    for (int64_t j = first; j < last; j++) {
        double *w = e->f->weights + j * r, left, noise = e->f->noise[j];
        int64_t n;
        e->change[j] = 0;
        if (!(e->seen[j] > 0))
            continue;
        n = column_sums(e, j, a, b, &square);
        memcpy(kept, a, sizeof kept);
        for (int64_t k = 0; k < r; k++)
            a[k * (r + 1)] += noise;
        factorize(r, a);
        memcpy(w, b, (size_t)r * sizeof *w);
        solve(r, a, w);
        left = square - 2 * dot(r, w, b);
        for (int64_t k = 0; k < r; k++)
            left += w[k] * dot(r, kept + k * r, w);
        e->f->noise[j] = fmax(left / (double)n, LEAST_NOISE);
        e->change[j] = fabs(e->f->noise[j] - noise);
    }
}

/* The means, with what rows whose cell is empty differ by in what is common. */
static void centre(void *arg, int64_t first, int64_t last)
{
    em *e = arg;
    int64_t r = e->f->rank;

    for (int64_t j = first; j < last; j++) {
        double sum = 0;
        int64_t n = 0;
        for (int64_t i = 0; i < e->n; i++) {
            if (isnan(e->cols[j * e->n + i]))
                continue;
            sum += dot(r, e->f->weights + j * r, e->z + i * r);
            sum -= ((double)e->cols[j * e->n + i] - e->f->mean[j]) / e->f->scale[j];
            n++;
        }
        e->f->mean[j] -= e->seen[j] > 0 && n > 0 ? e->f->scale[j] * sum / (double)n : 0;
    }
}

static void step(em *e)
{
    int64_t r2 = e->f->rank * e->f->rank;

    mucmm__parallel_range(e->ctx, e->n, 16, expect, e);
    memset(e->all, 0, (size_t)r2 * sizeof *e->all);
    for (int64_t i = 0; i < e->n; i++)
        for (int64_t k = 0; k < r2; k++)
            e->all[k] += e->zz[i * r2 + k];
    mucmm__parallel_range(e->ctx, e->p, 16, maximize, e);
    mucmm__parallel_range(e->ctx, e->p, 16, centre, e);
    make_gram(e->f);
}

/* With the share `hidden` of the cells taken away; each has its own number. */
static bool is_hidden(const em *e, uint64_t seed, int64_t cell)
{
    return mucmm__rng_uniform(mucmm__rng_key(seed, STREAM_HIDDEN), (uint64_t)cell) < HIDDEN &&
           !isnan(e->x[cell]);
}

static mucmm_status run(em *e, int64_t rank, uint64_t seed, bool hide, int64_t steps)
{
    mucmm_status status = MUCMM_OK;
    double change = INFINITY;

    TRY(mucmm__imputer_alloc(e->ctx, e->p, rank, &e->f));
    for (int64_t i = 0; i < e->n; i++)
        for (int64_t j = 0; j < e->p; j++) {
            int64_t cell = i * e->p + j;
            float x = hide && is_hidden(e, seed, cell) ? NAN : e->x[cell];
            e->rows[cell] = e->cols[j * e->n + i] = x;
        }
    start(e, seed);
    for (int64_t s = 0; s < steps && change > CONVERGED; s++) {
        step(e);
        change = 0;
        for (int64_t j = 0; j < e->p; j++)
            change = fmax(change, e->change[j]);
        TRY(mucmm__progress(e->ctx, "empty cells", e->done++, MOST_STEPS, NULL));
    }
done:
    return status;
}

/* 1 - error / error of the means, of the cells that were hidden, each in units of its column. */
static double hidden_r2(const em *e, uint64_t seed)
{
    double left = 0, all = 0;

    for (int64_t i = 0; i < e->n; i++) {
        float *row = e->rows + i * e->p;
        mucmm__impute_row(e->f, row);
        for (int64_t j = 0; j < e->p; j++) {
            double x = (double)e->x[i * e->p + j], s = e->f->scale[j];
            if (!is_hidden(e, seed, i * e->p + j))
                continue;
            left += pow((x - (double)row[j]) / s, 2);
            all += pow((x - e->f->mean[j]) / s, 2);
        }
    }
    return all > 0 ? 1 - left / all : 0;
}

/* The number of factors that says most of hidden cells; 0: none says more than the means. */
static mucmm_status choose_rank(em *e, uint64_t seed, int64_t *rank, double *r2)
{
    mucmm_status status = MUCMM_OK;

    *rank = 0;
    *r2 = 0;
    for (int64_t r = 1; r <= MOST && r < e->p && 4 * r <= e->n; r *= 2) {
        double found;
        TRY(run(e, r, seed, true, STEPS_COMPARED));
        found = hidden_r2(e, seed);
        mucmm__imputer_free(e->f);
        e->f = NULL;
        if (found <= *r2)
            break;
        *rank = r;
        *r2 = found;
    }
done:
    return status;
}

static mucmm_status em_start(em *e)
{
    mucmm_status status = MUCMM_OK;
    int64_t r = MOST < e->p ? MOST : e->p;

    TRY(mucmm__alloc(e->ctx, e->n * e->p, sizeof *e->rows, &e->rows));
    TRY(mucmm__alloc(e->ctx, e->n * e->p, sizeof *e->cols, &e->cols));
    TRY(mucmm__alloc(e->ctx, e->n * r, sizeof *e->z, &e->z));
    TRY(mucmm__alloc(e->ctx, e->n * r * r, sizeof *e->zz, &e->zz));
    TRY(mucmm__alloc(e->ctx, r * r, sizeof *e->all, &e->all));
    TRY(mucmm__alloc(e->ctx, e->p, sizeof *e->change, &e->change));
    TRY(mucmm__alloc(e->ctx, e->p, sizeof *e->seen, &e->seen));
done:
    return status;
}

mucmm_status mucmm__imputer_learn(mucmm_ctx *ctx, int64_t n, int64_t p, const float *x,
                                  uint64_t seed, mucmm__imputer **out)
{
    mucmm_status status = MUCMM_OK;
    em e = {.ctx = ctx, .n = n, .p = p, .x = x};
    int64_t rank;
    double r2;

    *out = NULL;
    TRY(em_start(&e));
    TRY(choose_rank(&e, seed, &rank, &r2));
    TRY(run(&e, rank > 0 ? rank : 1, seed, false, rank > 0 ? STEPS : 0));
    if (rank == 0) {
        memset(e.f->weights, 0, (size_t)p * sizeof *e.f->weights);
        make_gram(e.f);
    }
    TRY(mucmm__progress(ctx, "empty cells", MOST_STEPS, MOST_STEPS, NULL));
    e.f->r2 = r2;
    *out = e.f;
    e.f = NULL;
done:
    mucmm__imputer_free(e.f);
    em_drop(&e);
    return status;
}
