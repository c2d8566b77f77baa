/* SPDX-License-Identifier: MIT
 *
 * K_x of random Fourier features of u with its gradients, as a training step needs it: the products
 * over the rows are float, what is factored is double. n rows, q inputs, d features, e columns of
 * b.
 *
 *   phi = standardized sqrt(2) cos(u omega + phase),   K_x(phi, b) = tr((phi'phi/n + r I)^-1 X_A
 * X_B')/e
 */
#include "core/vmath.h"
#include "correlate/whitened.h"
#include "linalg/blas.h"

#include <math.h>
#include <string.h>

#define SQRT2 1.41421356f
#define LEAST_SD 1e-6f /* of phi; what varies less counts as constant */
enum { ROWS = 16, STRIP = 64, TILE = 96 };

struct mucmm__kernel_penalty {
    int64_t rows, q, d, cols;   /* at most so many rows and columns of b */
    float *u, *omega, *phase;   /* [rows, q], [q, d], [d]                */
    float *phi, *slope, *d_phi; /* [rows, d]: phi, d phi / d angle       */
    float *sd;                  /* [d]                                   */
    float *b, *t;               /* [rows, e], [rows, 2e]                 */
    float *x, *p;               /* [d, 2e]: X_A, X_B; P_A, P_B           */
    float *gram;                /* [d, d]                                */
    double *factor, *solved;    /* [d, d], [d, 2e]                       */
};

void mucmm__kernel_penalty_free(mucmm__kernel_penalty *w)
{
    if (!w)
        return;
    void *const owned[] = {w->u, w->omega, w->phase, w->phi, w->slope, w->d_phi,  w->sd,
                           w->b, w->t,     w->x,     w->p,   w->gram,  w->factor, w->solved};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        mucmm__free(owned[i]);
    mucmm__free(w);
}

mucmm_status mucmm__kernel_penalty_create(mucmm_ctx *ctx, int64_t rows, int64_t q, int64_t d,
                                          int64_t cols, mucmm__kernel_penalty **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__kernel_penalty *w = NULL;

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *w, &w));
    w->rows = rows;
    w->q = q;
    w->d = d;
    w->cols = cols;
    float **const wide[] = {&w->phi, &w->slope, &w->d_phi};
    for (int i = 0; i < 3; i++)
        TRY(mucmm__alloc(ctx, rows * d, sizeof(float), wide[i]));
    TRY(mucmm__alloc(ctx, rows * q, sizeof *w->u, &w->u));
    TRY(mucmm__alloc(ctx, q * d, sizeof *w->omega, &w->omega));
    TRY(mucmm__alloc(ctx, d, sizeof *w->phase, &w->phase));
    TRY(mucmm__alloc(ctx, d, sizeof *w->sd, &w->sd));
    TRY(mucmm__alloc(ctx, rows * cols, sizeof *w->b, &w->b));
    TRY(mucmm__alloc(ctx, rows * 2 * cols, sizeof *w->t, &w->t));
    TRY(mucmm__alloc(ctx, d * 2 * cols, sizeof *w->x, &w->x));
    TRY(mucmm__alloc(ctx, d * 2 * cols, sizeof *w->p, &w->p));
    TRY(mucmm__alloc(ctx, d * d, sizeof *w->gram, &w->gram));
    TRY(mucmm__alloc(ctx, d * d, sizeof *w->factor, &w->factor));
    TRY(mucmm__alloc(ctx, d * 2 * cols, sizeof *w->solved, &w->solved));
    *out = w;
    w = NULL;
done:
    mucmm__kernel_penalty_free(w);
    return status;
}

/* ---- features ---------------------------------------------------------------------- */

/* x - pi k, k the nearest integer, and (-1)^k; |x| below some 1e4. */
VMATH float half_turn(float x, float *sign)
{
    const float to_int = 12582912.0f; /* 1.5 2^23: the sum's last bits are the rounded integer */
    float sum = x * 0.318309886f + to_int, k = sum - to_int;

    *sign = float_of_bits(0x3f800000u | bits_of_float(sum) << 31);
    return ((x - k * 3.140625f) - k * 9.67025756836e-04f) - k * 6.27832149e-07f;
}

SIMD_CLONES static void waves(int64_t d, const float *phase, float *phi, float *slope)
{
#pragma omp simd
    for (int64_t j = 0; j < d; j++) {
        float sign, r = half_turn(phi[j] + phase[j], &sign);
        phi[j] = SQRT2 * sign * cos_half(r);
        slope[j] = -SQRT2 * sign * sin_half(r);
    }
}

static void wave_rows(void *arg, int64_t first, int64_t last)
{
    mucmm__kernel_penalty *w = arg;

    for (int64_t i = first; i < last; i++)
        waves(w->d, w->phase, w->phi + i * w->d, w->slope + i * w->d);
}

typedef struct strips {
    mucmm__kernel_penalty *w;
    int64_t n;
} strips;

/* Columns first .. first + cols of phi: mean 0, variance 1. */
SIMD_CLONES static void standardize_strip(const strips *s, int64_t first, int64_t cols)
{
    float *x = s->w->phi + first, mean[STRIP] = {0}, square[STRIP] = {0}, factor[STRIP];
    int64_t d = s->w->d;

    for (int64_t i = 0; i < s->n; i++)
#pragma omp simd
        for (int64_t j = 0; j < cols; j++)
            mean[j] += x[i * d + j];
    for (int64_t j = 0; j < cols; j++)
        mean[j] /= (float)s->n;
    for (int64_t i = 0; i < s->n; i++)
#pragma omp simd
        for (int64_t j = 0; j < cols; j++) {
            float c = x[i * d + j] -= mean[j];
            square[j] += c * c;
        }
    for (int64_t j = 0; j < cols; j++) {
        float sd = sqrtf(square[j] / (float)s->n);
        s->w->sd[first + j] = sd;
        factor[j] = sd > LEAST_SD ? 1 / sd : 0;
    }
    for (int64_t i = 0; i < s->n; i++)
#pragma omp simd
        for (int64_t j = 0; j < cols; j++)
            x[i * d + j] *= factor[j];
}

/* Of d_phi, those of phi standardized, to those of the angles. */
SIMD_CLONES static void pull_strip(const strips *s, int64_t first, int64_t cols)
{
    const float *y = s->w->phi + first, *slope = s->w->slope + first;
    float *g = s->w->d_phi + first, mean[STRIP] = {0}, along[STRIP] = {0}, factor[STRIP];
    int64_t d = s->w->d;

    for (int64_t i = 0; i < s->n; i++)
#pragma omp simd
        for (int64_t j = 0; j < cols; j++) {
            mean[j] += g[i * d + j];
            along[j] += g[i * d + j] * y[i * d + j];
        }
    for (int64_t j = 0; j < cols; j++) {
        mean[j] /= (float)s->n;
        along[j] /= (float)s->n;
        factor[j] = s->w->sd[first + j] > LEAST_SD ? 1 / s->w->sd[first + j] : 0;
    }
    for (int64_t i = 0; i < s->n; i++)
#pragma omp simd
        for (int64_t j = 0; j < cols; j++) {
            int64_t at = i * d + j;
            g[at] = (g[at] - mean[j] - y[at] * along[j]) * factor[j] * slope[at];
        }
}

static void standardize_strips(void *arg, int64_t first, int64_t last)
{
    standardize_strip(arg, first, last - first);
}

static void pull_strips(void *arg, int64_t first, int64_t last)
{
    pull_strip(arg, first, last - first);
}

static mucmm_status make_features(mucmm_ctx *ctx, mucmm__kernel_penalty *w, const mucmm__block *u,
                                  const double *omega, const double *phase)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = u->rows, q = u->cols, d = w->d;

    mucmm__to_float(u->data, n * q, w->u);
    mucmm__to_float(omega, q * d, w->omega);
    mucmm__to_float(phase, d, w->phase);
    TRY(mucmm__gemm(ctx, false, false, n, d, q, 1, w->u, q, w->omega, d, 0, w->phi, d));
    mucmm__parallel_range(ctx, n, ROWS, wave_rows, w);
    mucmm__parallel_range(ctx, d, STRIP, standardize_strips, &(strips){w, n});
done:
    return status;
}

/* ---- the statistic ----------------------------------------------------------------- */

/* Tiles of C = A'B: long sums over the rows, in one piece whatever the number of threads. */
typedef struct product {
    int64_t m, n, k, across;
    bool lower; /* only tiles of the lower triangle */
    const float *a, *b;
    int64_t lda, ldb;
    float *c;
    int64_t ldc;
} product;

static mucmm_status multiply_tile(mucmm_ctx *own, void *arg, int64_t i)
{
    const product *t = arg;
    int64_t row = i / t->across * TILE, col = i % t->across * TILE;
    int64_t rows = t->m - row < TILE ? t->m - row : TILE;
    int64_t cols = t->n - col < TILE ? t->n - col : TILE;

    (void)own;
    return t->lower && col > row
               ? MUCMM_OK
               : mucmm__gemm_tile(rows, cols, t->k, t->a + row, t->lda, t->b + col, t->ldb,
                                  t->c + row * t->ldc + col, t->ldc);
}

static mucmm_status multiply(mucmm_ctx *ctx, product *t)
{
    t->across = (t->n + TILE - 1) / TILE;
    return mucmm__parallel_try(ctx, (t->m + TILE - 1) / TILE * t->across, multiply_tile, t);
}

/* b of each half, less its mean there; an odd last row is left out. */
static void centre_halves(const mucmm__block *b, float *out)
{
    int64_t h = b->rows / 2, e = b->cols;

    for (int64_t half = 0; half < 2; half++)
        for (int64_t j = 0; j < e; j++) {
            const double *from = b->data + half * h * e + j;
            float *to = out + half * h * e + j;
            double mean = 0;
            for (int64_t i = 0; i < h; i++)
                mean += from[i * e];
            mean /= (double)h;
            for (int64_t i = 0; i < h; i++)
                to[i * e] = (float)(from[i * e] - mean);
        }
}

static mucmm_status factor_features(mucmm_ctx *ctx, mucmm__kernel_penalty *w, int64_t n,
                                    double ridge)
{
    mucmm_status status = MUCMM_OK;
    int64_t d = w->d;

    TRY(multiply(ctx, &(product){d, d, n, 0, true, w->phi, w->phi, d, d, w->gram, d}));
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j <= i; j++)
            w->factor[i * d + j] = w->factor[j * d + i] =
                (double)w->gram[i * d + j] / (double)n + (i == j ? ridge : 0);
    TRY(mucmm__cholesky(ctx, d, w->factor,
                        "the covariance of functions of the individual variates"));
done:
    return status;
}

/* x = [X_A, X_B], p = [P_A, P_B], K_x. */
static mucmm_status solve(mucmm_ctx *ctx, mucmm__kernel_penalty *w, int64_t h, int64_t e,
                          double *value)
{
    mucmm_status status = MUCMM_OK;
    int64_t d = w->d;
    double sum = 0;

    for (int64_t half = 0; half < 2; half++)
        TRY(multiply(ctx, &(product){d, e, h, 0, false, w->phi + half * h * d, w->b + half * h * e,
                                     d, e, w->x + half * e, 2 * e}));
    for (int64_t i = 0; i < d * 2 * e; i++)
        w->solved[i] = (double)w->x[i] / (double)h;
    TRY(mucmm__solve_spd(ctx, d, 2 * e, w->factor, w->solved));
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < e; j++)
            sum += w->solved[i * 2 * e + j] * (double)w->x[i * 2 * e + e + j];
    *value = sum / ((double)h * (double)e);
    mucmm__to_float(w->solved, d * 2 * e, w->p);
done:
    return status;
}

/* d_phi = (T_A P_B' + T_B P_A')/e. */
static mucmm_status features_gradient(mucmm_ctx *ctx, mucmm__kernel_penalty *w, int64_t n,
                                      int64_t e)
{
    mucmm_status status = MUCMM_OK;
    int64_t h = n / 2, d = w->d;

    TRY(mucmm__gemm(ctx, false, false, n, 2 * e, d, -1 / (float)n, w->phi, d, w->p, 2 * e, 0, w->t,
                    2 * e));
    for (int64_t i = 0; i < n; i++) {
        float *t = w->t + i * 2 * e;
        for (int64_t j = 0; j < e; j++) {
            float part = t[j];
            t[j] = t[e + j];
            t[e + j] = part;
        }
        for (int64_t j = 0; i < 2 * h && j < e; j++)
            t[i < h ? e + j : j] += w->b[i * e + j] / (float)h;
    }
    TRY(mucmm__gemm(ctx, false, true, n, d, 2 * e, 1 / (float)e, w->t, 2 * e, w->p, 2 * e, 0,
                    w->d_phi, d));
done:
    return status;
}

/* phi P_B/(h e) on the rows of A, phi P_A/(h e) on those of B, each centred as b was. */
static mucmm_status columns_gradient(mucmm_ctx *ctx, mucmm__kernel_penalty *w, int64_t n, int64_t e,
                                     double *grad)
{
    mucmm_status status = MUCMM_OK;
    int64_t h = n / 2, d = w->d;

    memset(grad, 0, (size_t)(n * e) * sizeof *grad);
    for (int64_t half = 0; half < 2; half++) {
        double *g = grad + half * h * e;
        TRY(mucmm__gemm(ctx, false, false, h, e, d, 1 / (float)(h * e), w->phi + half * h * d, d,
                        w->p + (1 - half) * e, 2 * e, 0, w->t, e));
        for (int64_t j = 0; j < e; j++) {
            double mean = 0;
            for (int64_t i = 0; i < h; i++)
                mean += (double)w->t[i * e + j];
            for (int64_t i = 0; i < h; i++)
                g[i * e + j] = (double)w->t[i * e + j] - mean / (double)h;
        }
    }
done:
    return status;
}

mucmm_status mucmm__kernel_penalty_value(mucmm_ctx *ctx, mucmm__kernel_penalty *w,
                                         const mucmm__block *u, const double *omega,
                                         const double *phase, const mucmm__block *b, double ridge,
                                         double *value, double *du, double *db)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = u->rows, q = u->cols, e = b->cols;

    TRY(make_features(ctx, w, u, omega, phase));
    centre_halves(b, w->b);
    TRY(factor_features(ctx, w, n, ridge));
    TRY(solve(ctx, w, n / 2, e, value));
    TRY(features_gradient(ctx, w, n, e));
    TRY(columns_gradient(ctx, w, n, e, db));
    mucmm__parallel_range(ctx, w->d, STRIP, pull_strips, &(strips){w, n});
    TRY(mucmm__gemm(ctx, false, true, n, q, w->d, 1, w->d_phi, w->d, w->omega, w->d, 0, w->u, q));
    mucmm__to_double(w->u, n * q, du);
done:
    return status;
}
