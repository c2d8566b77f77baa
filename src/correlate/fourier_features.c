/* SPDX-License-Identifier: MIT
 *
 * fourier_features.c - random Fourier features (Rahimi and Recht 2007) and the
 * standardization of a batch. n rows, q inputs, d features. */
#include "core/vmath.h"
#include "correlate/correlate.h"

#include <math.h>

#define SQRT2 1.41421356237309504880
#define TWO_PI 6.283185307179586476925

/* ---- features ---------------------------------------------------------------------- */

typedef struct waves {
    int64_t q, d;
    const double *u, *omega, *phase;
    const double *dphi; /* NULL: the features; else the product with their derivative */
    double *out;        /* [n, d] */
} waves;

/* angle [d] = u omega + phase, of one row u [q]; four inputs a pass, as the row of angles stays in
 * the nearest cache. */
SIMD_CLONES static void angles(const waves *w, const double *u, double *angle)
{
    int64_t q = w->q, d = w->d, i = 0;

    for (int64_t j = 0; j < d; j++)
        angle[j] = w->phase[j];
    for (; i + 4 <= q; i += 4) {
        const double *o = w->omega + i * d;
        double u0 = u[i], u1 = u[i + 1], u2 = u[i + 2], u3 = u[i + 3];
#pragma omp simd
        for (int64_t j = 0; j < d; j++)
            angle[j] += (u0 * o[j] + u1 * o[d + j]) + (u2 * o[2 * d + j] + u3 * o[3 * d + j]);
    }
    for (; i < q; i++) {
        const double *o = w->omega + i * d;
#pragma omp simd
        for (int64_t j = 0; j < d; j++)
            angle[j] += u[i] * o[j];
    }
}

SIMD_CLONES static void cosines(int64_t d, double *angle)
{
#pragma omp simd
    for (int64_t j = 0; j < d; j++)
        angle[j] = SQRT2 * cos_double(angle[j]);
}

SIMD_CLONES static void times_sines(int64_t d, const double *dphi, double *angle)
{
#pragma omp simd
    for (int64_t j = 0; j < d; j++)
        angle[j] = dphi[j] * sin_double(angle[j]);
}

static void make_rows(void *arg, int64_t first, int64_t last)
{
    const waves *w = arg;

    for (int64_t i = first; i < last; i++) {
        double *out = w->out + i * w->d;
        angles(w, w->u + i * w->q, out);
        if (!w->dphi)
            cosines(w->d, out);
        else
            times_sines(w->d, w->dphi + i * w->d, out);
    }
}

enum { ROWS = 16 };

void mucmm__fourier_features(mucmm_ctx *ctx, const mucmm__block *u, int64_t d, const double *omega,
                             const double *phase, double *phi)
{
    waves w = {u->cols, d, u->data, omega, phase, NULL, phi};

    mucmm__parallel_range(ctx, u->rows, ROWS, make_rows, &w);
}

mucmm_status mucmm__fourier_features_vjp(mucmm_ctx *ctx, const mucmm__block *u, int64_t d,
                                         const double *omega, const double *phase,
                                         const double *dphi, double *du)
{
    waves w = {u->cols, d, u->data, omega, phase, dphi, NULL};
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, u->rows * d, sizeof *w.out, &w.out));
    mucmm__parallel_range(ctx, u->rows, ROWS, make_rows, &w);
    TRY(mucmm__dgemm(ctx, false, true, u->rows, w.q, d, -SQRT2, w.out, d, omega, d, 0, du, w.q));
done:
    mucmm__free(w.out);
    return status;
}

void mucmm__fourier_draw(uint64_t key, int64_t q, int64_t d, double *omega, double *phase)
{
    static const double bandwidth[3] = {1, 2, 4}; /* times sqrt(q) */
    uint64_t normal = mucmm__rng_key(key, 0), uniform = mucmm__rng_key(key, 1);

    for (int64_t i = 0; i < q; i++)
        for (int64_t j = 0; j < d; j++)
            omega[i * d + j] = mucmm__rng_normal(normal, (uint64_t)(i * d + j)) /
                               (bandwidth[3 * j / d] * sqrt((double)q));
    for (int64_t j = 0; j < d; j++)
        phase[j] = TWO_PI * mucmm__rng_uniform(uniform, (uint64_t)j);
}

/* ---- standardization --------------------------------------------------------------- */

/* Columns are taken in strips whose sums fit on the stack. */
enum { STRIP = 64 };

static int64_t strip_width(int64_t d, int64_t first)
{
    return d - first < STRIP ? d - first : STRIP;
}

/* y = x - mean, sd = root of the mean square, for the columns first .. first + w. */
SIMD_CLONES static void center_strip(const mucmm__block *x, int64_t first, int64_t w, double *y,
                                     double *sd)
{
    double mean[STRIP] = {0}, square[STRIP] = {0}, n = (double)x->rows;

    for (int64_t i = 0; i < x->rows; i++)
#pragma omp simd
        for (int64_t j = 0; j < w; j++)
            mean[j] += x->data[i * x->cols + first + j];
    for (int64_t j = 0; j < w; j++)
        mean[j] /= n;
    for (int64_t i = 0; i < x->rows; i++)
        for (int64_t j = 0; j < w; j++) {
            double c = x->data[i * x->cols + first + j] - mean[j];
            y[i * x->cols + first + j] = c;
            square[j] += c * c;
        }
    for (int64_t j = 0; j < w; j++)
        sd[first + j] = sqrt(square[j] / n);
}

SIMD_CLONES static void divide_columns(int64_t n, int64_t d, const double *sd, double *y)
{
    for (int64_t i = 0; i < n; i++) {
#pragma omp simd
        for (int64_t j = 0; j < d; j++)
            y[i * d + j] /= sd[j];
    }
}

void mucmm__standardize(const mucmm__block *x, double *y, double *sd)
{
    int64_t d = x->cols;
    double largest = 0, floor_sd;

    if (x->rows == 0)
        return;
    for (int64_t first = 0; first < d; first += STRIP)
        center_strip(x, first, strip_width(d, first), y, sd);
    for (int64_t j = 0; j < d; j++)
        largest = sd[j] > largest ? sd[j] : largest;
    floor_sd = largest > 0 ? 1e-6 * largest : 1; /* all constant: y stays 0 */
    for (int64_t j = 0; j < d; j++)
        sd[j] = sd[j] < floor_sd ? floor_sd : sd[j];
    divide_columns(x->rows, d, sd, y);
}

/* dx = (dy - mean(dy) - y mean(dy y))/sd for the columns first .. first + w. Where sd is the floor
 * and no standard deviation, mean(y y) < 1 says so: it is a constant then, and the last term is
 * absent. */
SIMD_CLONES static void backward_strip(const mucmm__block *y, int64_t first, int64_t w,
                                       const double *sd, const double *dy, double *dx)
{
    double mean[STRIP] = {0}, along[STRIP] = {0}, square[STRIP] = {0}, n = (double)y->rows;

    for (int64_t i = 0; i < y->rows; i++)
        for (int64_t j = 0; j < w; j++) {
            double g = dy[i * y->cols + first + j], v = y->data[i * y->cols + first + j];
            mean[j] += g;
            along[j] += g * v;
            square[j] += v * v;
        }
    for (int64_t j = 0; j < w; j++) {
        mean[j] /= n;
        along[j] = square[j] < n * (1 - 1e-9) ? 0 : along[j] / n;
    }
    for (int64_t i = 0; i < y->rows; i++)
        for (int64_t j = 0; j < w; j++) {
            int64_t at = i * y->cols + first + j;
            dx[at] = (dy[at] - mean[j] - y->data[at] * along[j]) / sd[first + j];
        }
}

void mucmm__standardize_vjp(const mucmm__block *y, const double *sd, const double *dy, double *dx)
{
    for (int64_t first = 0; first < y->cols; first += STRIP)
        backward_strip(y, first, strip_width(y->cols, first), sd, dy, dx);
}
