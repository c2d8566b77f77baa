/* SPDX-License-Identifier: MIT
 *
 * Layers, forward and backward side by side. */
#include "nn/layers.h"
#include "core/vmath.h"

#include <math.h>
#include <string.h>

#define GRAIN 16384 /* elements a task handles: 64 KiB an operand */
#define TILE 512    /* columns handled at a time, so that their vectors stay in the first cache */

int64_t mucmm__row_blocks(int64_t rows)
{
    return (rows + MUCMM__ROW_BLOCK - 1) / MUCMM__ROW_BLOCK;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- gelu -------------------------------------------------------------------------- */

typedef struct gelu_job {
    const float *x, *dy;
    float *y;
} gelu_job;

SIMD_CLONES static void gelu_run(int64_t n, const float *x, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = gelu(x[i]);
}

SIMD_CLONES static void gelu_vjp_run(int64_t n, const float *x, const float *dy, float *dx)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = gelu_slope(x[i]) * dy[i];
}

static void gelu_task(void *arg, int64_t first, int64_t last)
{
    const gelu_job *job = arg;

    if (job->dy)
        gelu_vjp_run(last - first, job->x + first, job->dy + first, job->y + first);
    else
        gelu_run(last - first, job->x + first, job->y + first);
}

void mucmm__gelu(mucmm_ctx *ctx, int64_t n, const float *x, float *y)
{
    gelu_job job = {x, NULL, y};
    mucmm__parallel_range(ctx, n, GRAIN, gelu_task, &job);
}

void mucmm__gelu_vjp(mucmm_ctx *ctx, int64_t n, const float *x, const float *dy, float *dx)
{
    gelu_job job = {x, dy, dx};
    mucmm__parallel_range(ctx, n, GRAIN, gelu_task, &job);
}

/* ---- bias and gelu, of a network without BatchNorm --------------------------------- */

typedef struct bias_job {
    int64_t w;
    const float *bias, *z;
    float *a, *d;
} bias_job;

SIMD_CLONES static void bias_gelu_run(int64_t w, const float *bias, const float *z, float *a)
{
#pragma omp simd
    for (int64_t j = 0; j < w; j++)
        a[j] = gelu(z[j] + bias[j]);
}

SIMD_CLONES static void bias_gelu_vjp_run(int64_t w, const float *bias, const float *z, float *d)
{
#pragma omp simd
    for (int64_t j = 0; j < w; j++)
        d[j] *= gelu_slope(z[j] + bias[j]);
}

static void bias_gelu_task(void *arg, int64_t first, int64_t last)
{
    const bias_job *job = arg;

    for (int64_t i = first; i < last; i++)
        if (job->d)
            bias_gelu_vjp_run(job->w, job->bias, job->z + i * job->w, job->d + i * job->w);
        else
            bias_gelu_run(job->w, job->bias, job->z + i * job->w, job->a + i * job->w);
}

void mucmm__bias_gelu(mucmm_ctx *ctx, int64_t rows, int64_t w, const float *bias, const float *z,
                      float *a)
{
    bias_job job = {w, bias, z, a, NULL};
    mucmm__parallel_range(ctx, rows, MUCMM__ROW_BLOCK, bias_gelu_task, &job);
}

void mucmm__bias_gelu_vjp(mucmm_ctx *ctx, int64_t rows, int64_t w, const float *bias,
                          const float *z, float *d)
{
    bias_job job = {w, bias, z, NULL, d};
    mucmm__parallel_range(ctx, rows, MUCMM__ROW_BLOCK, bias_gelu_task, &job);
}

/* ---- column sums ------------------------------------------------------------------- */

typedef struct sum_job {
    int64_t w;
    const float *x;
    float *partial;
} sum_job;

SIMD_CLONES static void add_run(int64_t w, const float *x, float *sum)
{
#pragma omp simd
    for (int64_t j = 0; j < w; j++)
        sum[j] += x[j];
}

static void sum_task(void *arg, int64_t first, int64_t last)
{
    const sum_job *job = arg;
    float *sum = job->partial + first / MUCMM__ROW_BLOCK * job->w;

    memset(sum, 0, (size_t)job->w * sizeof *sum);
    for (int64_t i = first; i < last; i++)
        add_run(job->w, job->x + i * job->w, sum);
}

void mucmm__column_sums(mucmm_ctx *ctx, int64_t rows, int64_t w, const float *x, float *partial,
                        float *sums)
{
    sum_job job = {w, x, partial};

    mucmm__parallel_range(ctx, rows, MUCMM__ROW_BLOCK, sum_task, &job);
    for (int64_t j = 0; j < w; j++) {
        double sum = 0;
        for (int64_t b = 0; b < mucmm__row_blocks(rows); b++)
            sum += (double)partial[b * w + j];
        sums[j] = (float)sum;
    }
}

/* ---- BatchNorm: statistics --------------------------------------------------------- */

/* Per column, sums of d = z - c and d^2 with c the mean of the first few rows: in float over the
 * rows of a block, in double over the blocks.
 *   mean = c + sum d / n,   var = (sum d^2 - (sum d)^2 / n) / n
 * c lies within a few standard deviations of the mean, so nothing of weight cancels. */

#define SHIFT_ROWS 16

typedef struct norm_job {
    const mucmm__norm *norm;
    const float *z, *bias;
    float *a, *d, *d_gamma, *d_beta, *running_mean, *running_var;
} norm_job;

static float *partial_of(const mucmm__norm *norm, int64_t row)
{
    return norm->partial + row / MUCMM__ROW_BLOCK * 2 * norm->w;
}

/* z [4, w]: four rows at a time, for fewer loads of the sums and shorter chains of additions. */
SIMD_CLONES static void moments4_run(int64_t w, int64_t ld, const float *z, const float *c,
                                     float *sum, float *squares)
{
#pragma omp simd
    for (int64_t j = 0; j < w; j++) {
        float d0 = z[j] - c[j], d1 = z[ld + j] - c[j];
        float d2 = z[2 * ld + j] - c[j], d3 = z[3 * ld + j] - c[j];
        sum[j] += (d0 + d1) + (d2 + d3);
        squares[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
}

SIMD_CLONES static void moments_run(int64_t w, const float *z, const float *c, float *sum,
                                    float *squares)
{
#pragma omp simd
    for (int64_t j = 0; j < w; j++) {
        float d = z[j] - c[j];
        sum[j] += d;
        squares[j] += d * d;
    }
}

static void moments_task(void *arg, int64_t first, int64_t last)
{
    const norm_job *job = arg;
    const mucmm__norm *norm = job->norm;
    int64_t w = norm->w, i = first;
    float *sum = partial_of(norm, first), *squares = sum + w;

    memset(sum, 0, 2 * (size_t)w * sizeof *sum);
    for (; i + 4 <= last; i += 4)
        moments4_run(w, w, job->z + i * w, norm->center, sum, squares);
    for (; i < last; i++)
        moments_run(w, job->z + i * w, norm->center, sum, squares);
}

/* Columns first..last: the blocks' sums -> center, inv_sd and the running statistics. */
static void combine_moments_task(void *arg, int64_t first, int64_t last)
{
    const norm_job *job = arg;
    const mucmm__norm *norm = job->norm;
    double n = (double)norm->rows, momentum = (double)MUCMM__BN_MOMENTUM;

    for (int64_t j = first; j < last; j++) {
        double sum = 0, squares = 0, mean, m2;
        for (int64_t i = 0; i < norm->rows; i += MUCMM__ROW_BLOCK) {
            const float *p = partial_of(norm, i);
            sum += (double)p[j];
            squares += (double)p[norm->w + j];
        }
        mean = (double)norm->center[j] + sum / n;
        m2 = squares - sum * sum / n;
        m2 = m2 < 0 ? 0 : m2;
        norm->center[j] = (float)mean;
        norm->inv_sd[j] = (float)(1 / sqrt(m2 / n + (double)MUCMM__BN_EPS));
        job->running_mean[j] = (float)((1 - momentum) * (double)job->running_mean[j] +
                                       momentum * (mean + (double)job->bias[j]));
        job->running_var[j] =
            (float)((1 - momentum) * (double)job->running_var[j] + momentum * m2 / (n - 1));
    }
}

void mucmm__norm_measure(mucmm_ctx *ctx, const mucmm__norm *norm, const float *z, const float *bias,
                         float *running_mean, float *running_var)
{
    norm_job job = {.norm = norm,
                    .z = z,
                    .bias = bias,
                    .running_mean = running_mean,
                    .running_var = running_var};
    int64_t few = min64(norm->rows, SHIFT_ROWS);

    memset(norm->center, 0, (size_t)norm->w * sizeof *norm->center);
    for (int64_t i = 0; i < few; i++)
        add_run(norm->w, z + i * norm->w, norm->center);
    for (int64_t j = 0; j < norm->w; j++)
        norm->center[j] /= (float)few;
    mucmm__parallel_range(ctx, norm->rows, MUCMM__ROW_BLOCK, moments_task, &job);
    mucmm__parallel_range(ctx, norm->w, TILE, combine_moments_task, &job);
}

/* ---- BatchNorm and gelu: forward --------------------------------------------------- */

SIMD_CLONES static void norm_gelu_run(int64_t w, const float *center, const float *inv_sd,
                                      const float *gamma, const float *beta, const float *z,
                                      float *a)
{
#pragma omp simd
    for (int64_t j = 0; j < w; j++)
        a[j] = gelu((z[j] - center[j]) * inv_sd[j] * gamma[j] + beta[j]);
}

static void norm_gelu_task(void *arg, int64_t first, int64_t last)
{
    const norm_job *job = arg;
    const mucmm__norm *m = job->norm;

    for (int64_t j = 0; j < m->w; j += TILE)
        for (int64_t i = first; i < last; i++)
            norm_gelu_run(min64(TILE, m->w - j), m->center + j, m->inv_sd + j, m->gamma + j,
                          m->beta + j, job->z + i * m->w + j, job->a + i * m->w + j);
}

void mucmm__norm_gelu(mucmm_ctx *ctx, const mucmm__norm *norm, const float *z, float *a)
{
    norm_job job = {.norm = norm, .z = z, .a = a};
    mucmm__parallel_range(ctx, norm->rows, MUCMM__ROW_BLOCK, norm_gelu_task, &job);
}

/* ---- BatchNorm and gelu: backward -------------------------------------------------- */

/* With v = gamma zhat + beta and the derivative da by a = gelu(v):
 *   dv = gelu'(v) da,   d_beta = sum dv,   d_gamma = sum dv zhat
 *   dz = gamma inv_sd (dv - d_beta / n - zhat d_gamma / n)
 * The first pass puts dv in place of da and adds up the sums, the second makes dz of it. */

SIMD_CLONES static void slope_run(int64_t w, const float *center, const float *inv_sd,
                                  const float *gamma, const float *beta, const float *z, float *d,
                                  float *d_beta, float *d_gamma)
{
#pragma omp simd
    for (int64_t j = 0; j < w; j++) {
        float zhat = (z[j] - center[j]) * inv_sd[j];
        float dv = gelu_slope(zhat * gamma[j] + beta[j]) * d[j];
        d[j] = dv;
        d_beta[j] += dv;
        d_gamma[j] += dv * zhat;
    }
}

static void slope_task(void *arg, int64_t first, int64_t last)
{
    const norm_job *job = arg;
    const mucmm__norm *m = job->norm;
    float *d_beta = partial_of(m, first), *d_gamma = d_beta + m->w;

    memset(d_beta, 0, 2 * (size_t)m->w * sizeof *d_beta);
    for (int64_t j = 0; j < m->w; j += TILE)
        for (int64_t i = first; i < last; i++)
            slope_run(min64(TILE, m->w - j), m->center + j, m->inv_sd + j, m->gamma + j,
                      m->beta + j, job->z + i * m->w + j, job->d + i * m->w + j, d_beta + j,
                      d_gamma + j);
}

/* Columns first..last of the blocks' sums. */
static void combine_slopes_task(void *arg, int64_t first, int64_t last)
{
    const norm_job *job = arg;
    int64_t w = job->norm->w;

    for (int64_t j = first; j < last; j++) {
        double d_beta = 0, d_gamma = 0;
        for (int64_t i = 0; i < job->norm->rows; i += MUCMM__ROW_BLOCK) {
            const float *p = partial_of(job->norm, i);
            d_beta += (double)p[j];
            d_gamma += (double)p[w + j];
        }
        job->d_beta[j] = (float)d_beta;
        job->d_gamma[j] = (float)d_gamma;
    }
}

SIMD_CLONES static void center_run(int64_t w, float inv_n, const float *center, const float *inv_sd,
                                   const float *gamma, const float *d_beta, const float *d_gamma,
                                   const float *z, float *d)
{
#pragma omp simd
    for (int64_t j = 0; j < w; j++) {
        float zhat = (z[j] - center[j]) * inv_sd[j];
        float rest = d[j] - d_beta[j] * inv_n - zhat * (d_gamma[j] * inv_n);
        d[j] = gamma[j] * inv_sd[j] * rest;
    }
}

static void center_task(void *arg, int64_t first, int64_t last)
{
    const norm_job *job = arg;
    const mucmm__norm *m = job->norm;
    float inv_n = 1.0f / (float)m->rows;

    for (int64_t j = 0; j < m->w; j += TILE)
        for (int64_t i = first; i < last; i++)
            center_run(min64(TILE, m->w - j), inv_n, m->center + j, m->inv_sd + j, m->gamma + j,
                       job->d_beta + j, job->d_gamma + j, job->z + i * m->w + j,
                       job->d + i * m->w + j);
}

void mucmm__norm_gelu_vjp(mucmm_ctx *ctx, const mucmm__norm *norm, const float *z, float *d,
                          float *d_gamma, float *d_beta)
{
    norm_job job = {.norm = norm, .z = z, .d = d, .d_gamma = d_gamma, .d_beta = d_beta};

    mucmm__parallel_range(ctx, norm->rows, MUCMM__ROW_BLOCK, slope_task, &job);
    mucmm__parallel_range(ctx, norm->w, TILE, combine_slopes_task, &job);
    mucmm__parallel_range(ctx, norm->rows, MUCMM__ROW_BLOCK, center_task, &job);
}

/* ---- noise ------------------------------------------------------------------------- */

/* Numbers 64 b .. 64 b + 63 of a stream are 32 Box-Muller pairs. Pair j takes the 64 bits number
 * 32 b + j of the stream: 31 bits for the radius, 32 for the angle,
 *   r = sqrt(-2 ln u),  u in (0, 1];   t in [-pi/2, pi/2);   r (+- cos t) and r sin t,
 * numbers j and 32 + j of the block. |r| <= 6.6. */

#define PAIRS 32

typedef struct noise_job {
    uint64_t key, first;
    float sd;
    const float *x;
    float *y;
} noise_job;

/* mucmm__rng_bits, written again for the vectorizer. */
VMATH uint64_t stream_bits(uint64_t key, uint64_t i)
{
    uint64_t z = key + (i + 1) * 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

SIMD_CLONES static void normals_run(uint64_t key, uint64_t block, float out[2 * PAIRS])
{
    uint32_t high[PAIRS], low[PAIRS];

#pragma omp simd
    for (uint32_t j = 0; j < PAIRS; j++) {
        uint64_t bits = stream_bits(key, block * PAIRS + j);
        high[j] = (uint32_t)(bits >> 32);
        low[j] = (uint32_t)bits;
    }
#pragma omp simd
    for (int j = 0; j < PAIRS; j++) {
        float u = ((float)(int32_t)(high[j] >> 1) + 1.0f) * 0x1p-31f;
        float r = sqrtf(-2.0f * log_positive(u));
        float t = (float)(int32_t)low[j] * (1.57079633f * 0x1p-31f);
        float c = float_of_bits(bits_of_float(cos_half(t)) ^ low[j] << 31);
        out[j] = r * c;
        out[PAIRS + j] = r * sin_half(t);
    }
}

SIMD_CLONES static void add_scaled_run(int64_t n, float sd, const float *z, const float *x,
                                       float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] + sd * z[i];
}

static void noise_task(void *arg, int64_t first, int64_t last)
{
    const noise_job *job = arg;
    float normals[2 * PAIRS];

    for (int64_t i = first, n; i < last; i += n) {
        uint64_t number = job->first + (uint64_t)i;
        int64_t skip = (int64_t)(number % (2 * PAIRS));
        n = min64(2 * PAIRS - skip, last - i);
        normals_run(job->key, number / (2 * PAIRS), normals);
        add_scaled_run(n, job->sd, normals + skip, job->x + i, job->y + i);
    }
}

void mucmm__add_noise(mucmm_ctx *ctx, int64_t n, float sd, uint64_t key, uint64_t first,
                      const float *x, float *y)
{
    noise_job job = {key, first, sd, x, y};
    mucmm__parallel_range(ctx, n, GRAIN, noise_task, &job);
}
