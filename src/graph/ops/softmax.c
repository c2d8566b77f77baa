/* SPDX-License-Identifier: MIT
 *
 * softmax.c - Softmax and LogSoftmax along one axis, or (before opset 13) over all axes from one
 * on. x, y: [outer, r, inner], the sums over r.
 *   y = e^(x - max x) / sum e^(x - max x)      dx = y (dy - sum dy y)
 *   log: y = x - max x - ln sum e^(x - max x)  dx = dy - e^y sum dy                             */
#include "core/vmath.h"
#include "graph/graph.h"

#define LANES 16    /* partial sums of one row                      */
#define TILE 256    /* columns side by side when inner is not 1     */
#define GRAIN 16384 /* numbers that a task handles                  */

typedef struct job {
    int64_t outer, r, inner;
    mucmm_dtype dtype;
    bool log;
    const void *x;
    void *y;
    const float *value, *dy;
    float *dx;
} job;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool flattens(const mucmm__call *c)
{
    return c->node->opset < 13;
}

static mucmm_status read_axis(const mucmm__call *c, int32_t *axis)
{
    int64_t given = mucmm__attr_int(c->node, "axis", flattens(c) ? 1 : -1);
    int32_t rank = c->in[0]->rank;

    *axis = 0;
    if (rank == 0 || (flattens(c) && given == rank)) { /* rows of one number */
        *axis = rank;
        return MUCMM_OK;
    }
    return mucmm__axis(c, "axis", given, rank, axis);
}

static mucmm_status infer(mucmm__call *c)
{
    int32_t axis;
    mucmm_status status = mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT);

    if (status == MUCMM_OK)
        status = read_axis(c, &axis);
    return status == MUCMM_OK ? mucmm__out_like(c, 0, 0) : status;
}

static job describe(const mucmm__call *c)
{
    const mucmm__desc *d = c->in[0];
    int32_t axis = 0;
    job j = {.dtype = d->dtype, .log = strcmp(c->node->op->type, "LogSoftmax") == 0};

    read_axis(c, &axis);
    j.outer = mucmm__desc_product(d, 0, axis);
    j.r = axis == d->rank ? 1
          : flattens(c)   ? mucmm__desc_product(d, axis, d->rank)
                          : d->shape[axis];
    j.inner = flattens(c) || axis == d->rank ? 1 : mucmm__desc_product(d, axis + 1, d->rank);
    return j;
}

/* ---- float32, rows ----------------------------------------------------------------- */

SIMD_CLONES static float row_max(int64_t n, const float *x)
{
    float lane[LANES], top = -INFINITY;
    int64_t i = 0;

    for (int64_t l = 0; l < LANES; l++)
        lane[l] = -INFINITY;
    for (; i + LANES <= n; i += LANES) {
#pragma omp simd
        for (int64_t l = 0; l < LANES; l++)
            lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    }
    for (int64_t l = 0; i + l < n; l++)
        lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    for (int64_t l = 0; l < LANES; l++)
        top = lane[l] > top ? lane[l] : top;
    return top;
}

static float lane_sum(const float *lane)
{
    float s[4];

    for (int64_t l = 0; l < 4; l++)
        s[l] = (lane[l] + lane[l + 4]) + (lane[l + 8] + lane[l + 12]);
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/* y = e^(x - top), or only the sum of it if y is NULL. */
SIMD_CLONES static float row_exp(int64_t n, const float *x, float top, float *y)
{
    float lane[LANES] = {0};
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        float e[LANES];
#pragma omp simd
        for (int64_t l = 0; l < LANES; l++) {
            e[l] = exp_any(x[i + l] - top);
            lane[l] += e[l];
        }
        if (y)
            memcpy(y + i, e, sizeof e);
    }
    for (int64_t l = 0; i + l < n; l++) {
        float e = exp_any(x[i + l] - top);
        lane[l] += e;
        if (y)
            y[i + l] = e;
    }
    return lane_sum(lane);
}

/* y = x factor + add */
SIMD_CLONES static void row_line(int64_t n, const float *x, float factor, float add, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * factor + add;
}

static void softmax_rows(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;

    for (int64_t i = first; i < last; i++) {
        const float *x = (const float *)j->x + i * j->r;
        float *y = (float *)j->y + i * j->r, top = row_max(j->r, x);
        float sum = row_exp(j->r, x, top, j->log ? NULL : y);
        if (j->log)
            row_line(j->r, x, 1.0f, -(top + log_any(sum)), y);
        else
            row_line(j->r, y, 1.0f / sum, 0.0f, y);
    }
}

VMATH float row_sum_of(int64_t n, const float *a, const float *b)
{
    float lane[LANES] = {0};
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES) {
#pragma omp simd
        for (int64_t l = 0; l < LANES; l++)
            lane[l] += b ? a[i + l] * b[i + l] : a[i + l];
    }
    for (int64_t l = 0; i + l < n; l++)
        lane[l] += b ? a[i + l] * b[i + l] : a[i + l];
    return lane_sum(lane);
}

SIMD_CLONES static float row_dot(int64_t n, const float *a, const float *b)
{
    return b ? row_sum_of(n, a, b) : row_sum_of(n, a, NULL);
}

SIMD_CLONES static void row_vjp(int64_t n, bool log, const float *y, const float *dy, float sum,
                                float *dx)
{
    if (log) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = dy[i] - exp_any(y[i]) * sum;
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = y[i] * (dy[i] - sum);
    }
}

static void vjp_rows(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;

    for (int64_t i = first; i < last; i++) {
        const float *y = j->value + i * j->r, *dy = j->dy + i * j->r;
        row_vjp(j->r, j->log, y, dy, row_dot(j->r, dy, j->log ? NULL : y), j->dx + i * j->r);
    }
}

/* ---- float32, columns -------------------------------------------------------------- */

SIMD_CLONES static void tile_max(int64_t n, const float *x, float *top)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        top[i] = x[i] > top[i] ? x[i] : top[i];
}

SIMD_CLONES static void tile_exp(int64_t n, const float *x, const float *top, float *sum, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        y[i] = exp_any(x[i] - top[i]);
        sum[i] += y[i];
    }
}

SIMD_CLONES static void tile_divide(int64_t n, const float *sum, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] /= sum[i];
}

SIMD_CLONES static void tile_log(int64_t n, const float *x, const float *top, const float *sum,
                                 float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - top[i]) - log_any(sum[i]);
}

static void softmax_tiles(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;
    int64_t tiles = (j->inner + TILE - 1) / TILE;
    float top[TILE], sum[TILE];

    for (int64_t t = first; t < last; t++) {
        int64_t column = t % tiles * TILE, n = least(TILE, j->inner - column);
        const float *x = (const float *)j->x + t / tiles * j->r * j->inner + column;
        float *y = (float *)j->y + t / tiles * j->r * j->inner + column;
        for (int64_t i = 0; i < n; i++)
            top[i] = -INFINITY, sum[i] = 0;
        for (int64_t k = 0; k < j->r; k++)
            tile_max(n, x + k * j->inner, top);
        for (int64_t k = 0; k < j->r; k++)
            tile_exp(n, x + k * j->inner, top, sum, y + k * j->inner);
        for (int64_t k = 0; k < j->r; k++)
            if (j->log)
                tile_log(n, x + k * j->inner, top, sum, y + k * j->inner);
            else
                tile_divide(n, sum, y + k * j->inner);
    }
}

SIMD_CLONES static void tile_dot(int64_t n, bool log, const float *y, const float *dy, float *sum)
{
    if (log) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            sum[i] += dy[i];
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            sum[i] += dy[i] * y[i];
    }
}

SIMD_CLONES static void tile_vjp(int64_t n, bool log, const float *y, const float *dy,
                                 const float *sum, float *dx)
{
    if (log) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = dy[i] - exp_any(y[i]) * sum[i];
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = y[i] * (dy[i] - sum[i]);
    }
}

static void vjp_tiles(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;
    int64_t tiles = (j->inner + TILE - 1) / TILE;
    float sum[TILE];

    for (int64_t t = first; t < last; t++) {
        int64_t column = t % tiles * TILE, n = least(TILE, j->inner - column);
        int64_t at = t / tiles * j->r * j->inner + column;
        memset(sum, 0, sizeof sum);
        for (int64_t k = 0; k < j->r; k++)
            tile_dot(n, j->log, j->value + at + k * j->inner, j->dy + at + k * j->inner, sum);
        for (int64_t k = 0; k < j->r; k++)
            tile_vjp(n, j->log, j->value + at + k * j->inner, j->dy + at + k * j->inner, sum,
                     j->dx + at + k * j->inner);
    }
}

/* ---- other types ------------------------------------------------------------------- */

static void softmax_any(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;

    for (int64_t i = first; i < last; i++) {
        int64_t at = i / j->inner * j->r * j->inner + i % j->inner, end = at + j->r * j->inner;
        double top = -INFINITY, sum = 0;
        for (int64_t k = at; k < end; k += j->inner)
            top = fmax(top, mucmm__number_get(j->dtype, j->x, k));
        for (int64_t k = at; k < end; k += j->inner)
            sum += exp(mucmm__number_get(j->dtype, j->x, k) - top);
        for (int64_t k = at; k < end; k += j->inner) {
            double z = mucmm__number_get(j->dtype, j->x, k) - top;
            mucmm__number_put(j->dtype, j->y, k, j->log ? z - log(sum) : exp(z) / sum);
        }
    }
}

/* ---- the operator ------------------------------------------------------------------ */

/* fn over rows of r numbers, or over tiles of columns. */
static void share_out(mucmm_ctx *ctx, job *j, mucmm__range_task rows, mucmm__range_task tiles)
{
    int64_t n = j->inner == 1 ? 1 : (j->inner + TILE - 1) / TILE;
    int64_t each = j->r * (j->inner == 1 ? 1 : least(TILE, j->inner));

    if (j->r > 0)
        mucmm__parallel_range(ctx, j->outer * n, each < GRAIN && each > 0 ? GRAIN / each : 1,
                              j->inner == 1 ? rows : tiles, j);
}

static mucmm_status forward(mucmm__call *c)
{
    job j = describe(c);

    j.x = c->x[0];
    j.y = c->y[0];
    if (j.dtype == MUCMM_F32)
        share_out(c->ctx, &j, softmax_rows, softmax_tiles);
    else
        mucmm__parallel_range(c->ctx, j.outer * j.inner, 64, softmax_any, &j);
    return MUCMM_OK;
}

static mucmm_status vjp(mucmm__call *c)
{
    job j = describe(c);

    j.value = c->y[0];
    j.dy = c->dy[0];
    j.dx = c->dx[0];
    if (j.dy && j.dx)
        share_out(c->ctx, &j, vjp_rows, vjp_tiles);
    else if (j.dx)
        memset(j.dx, 0, (size_t)mucmm__desc_bytes(c->in[0]));
    return MUCMM_OK;
}

#define ROW(type, since, until)                                                                    \
    {                                                                                              \
        type, since, until, 1, 1, 1, 1, infer, forward, vjp, 1, 0, 1, 0, NULL, NULL, NULL          \
    }

const mucmm__op mucmm__ops_softmax[] = {
    ROW("Softmax", 1, 12),
    ROW("Softmax", 13, 0),
    ROW("LogSoftmax", 1, 12),
    ROW("LogSoftmax", 13, 0),
    {0},
};
