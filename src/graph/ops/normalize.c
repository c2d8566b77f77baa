/* SPDX-License-Identifier: MIT
 *
 * normalize.c - Layer-, Instance-, GroupNormalization: rows of d numbers brought to mean 0 and
 * variance 1, then scaled and shifted.
 *   xhat = (x - mean) inv,  inv = 1 / sqrt(var + epsilon),  y = scale xhat + shift
 * With g = scale dy:
 *   dx = inv (g - mean g - xhat mean(g xhat)),  dscale = sum dy xhat,  dshift = sum dy.
 * A row is cut into segments that share a scale (a channel); of a LayerNormalization each place
 * has its own. */
#include "core/vmath.h"
#include "graph/graph.h"

#include <inttypes.h>

#define LANES 32    /* partial sums                               */
#define CHUNK 4096  /* numbers summed in float before they go into a double */
#define GRAIN 16384 /* numbers that a task handles                */

typedef struct job {
    int64_t rows, d;
    int64_t groups, segments, length; /* rows repeat after groups; d = segments length */
    bool along;                       /* scale and shift differ along the row          */
    bool by_group;                    /* one scale for a row, not one a segment        */
    double epsilon;
    mucmm_dtype t;
    const void *x, *scale, *shift;
    void *y, *mean, *inv;
    const float *dy, *dmean, *dinv;
    float *dx, *stats; /* [rows, 2]: mean and inv */
} job;

/* ---- shapes ------------------------------------------------------------------------ */

static mucmm_status check_weights(mucmm__call *c, int64_t n, const char *what)
{
    mucmm_status status = mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT);

    for (int32_t i = 1; status == MUCMM_OK && i < c->n_in && i < 3; i++) {
        if (!c->in[i])
            continue;
        if (mucmm__desc_count(c->in[i]) != n)
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "input %d has %" PRId64 " numbers; %s has %" PRId64, i,
                                  mucmm__desc_count(c->in[i]), what, n);
        if (c->in[i]->dtype != c->in[0]->dtype)
            return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "input 0 is %s and input %d is %s",
                                  mucmm_dtype_name(c->in[0]->dtype), i,
                                  mucmm_dtype_name(c->in[i]->dtype));
    }
    return status;
}

static mucmm_status layer_infer(mucmm__call *c)
{
    const mucmm__desc *d = c->in[0];
    mucmm__desc reduced = *d;
    mucmm_status status = MUCMM_OK;
    int32_t axis = 0;

    TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", -1), d->rank, &axis));
    if (mucmm__attr_int(c->node, "stash_type", 1) != MUCMM_F32)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "stash_type must be 1 (float32)");
    TRY(check_weights(c, mucmm__desc_product(d, axis, d->rank), "a row"));
    for (int32_t k = axis; k < d->rank; k++)
        reduced.shape[k] = 1;
    TRY(mucmm__out_like(c, 0, 0));
    TRY(mucmm__out(c, 1, MUCMM_F32, d->rank, reduced.shape));
    TRY(mucmm__out(c, 2, MUCMM_F32, d->rank, reduced.shape));
done:
    return status;
}

static mucmm_status instance_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;

    if (c->in[0]->rank < 3)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the input has %d dimensions; at least 3 are needed",
                              c->in[0]->rank);
    TRY(check_weights(c, c->in[0]->shape[1], "the channel axis"));
    TRY(mucmm__out_like(c, 0, 0));
done:
    return status;
}

static mucmm_status group_infer(mucmm__call *c)
{
    int64_t groups = mucmm__attr_int(c->node, "num_groups", 0), channels;
    mucmm_status status = MUCMM_OK;

    if (c->in[0]->rank < 2)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the input has %d dimensions; at least 2 are needed",
                              c->in[0]->rank);
    channels = c->in[0]->shape[1];
    if (groups < 1 || channels % groups != 0)
        return mucmm__op_fail(c, MUCMM_EARG,
                              "num_groups is %" PRId64 "; it must divide the %" PRId64 " channels",
                              groups, channels);
    if (mucmm__desc_count(c->in[1]) == channels)
        TRY(check_weights(c, channels, "the channel axis"));
    else
        TRY(check_weights(c, groups, "num_groups"));
    TRY(mucmm__out_like(c, 0, 0));
done:
    return status;
}

static job describe(const mucmm__call *c)
{
    const mucmm__desc *d = c->in[0];
    const char *type = c->node->op->type;
    job j = {.t = d->dtype, .segments = 1, .groups = 1};

    j.epsilon = (double)mucmm__attr_float(c->node, "epsilon", 1e-5f);
    if (strcmp(type, "LayerNormalization") == 0) {
        int32_t axis = 0;
        mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", -1), d->rank, &axis);
        j.along = true;
        j.rows = mucmm__desc_product(d, 0, axis);
        j.length = mucmm__desc_product(d, axis, d->rank);
    } else {
        bool instance = strcmp(type, "InstanceNormalization") == 0;
        j.groups = instance ? d->shape[1] : mucmm__attr_int(c->node, "num_groups", 1);
        j.segments = j.groups > 0 ? d->shape[1] / j.groups : 0;
        j.by_group = mucmm__desc_count(c->in[1]) == j.groups;
        j.rows = d->shape[0] * j.groups;
        j.length = mucmm__desc_product(d, 2, d->rank);
    }
    j.d = j.segments * j.length;
    return j;
}

static int64_t weight_place(const job *j, int64_t row, int64_t segment)
{
    int64_t group = row % j->groups;
    return j->along ? 0 : j->by_group ? group : group * j->segments + segment;
}

/* ---- float32 ----------------------------------------------------------------------- */

/* Halves are added, then their halves. */
static float join(float *lane)
{
    for (int64_t half = LANES / 2; half > 0; half /= 2)
        for (int64_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* Sum of x - center, or of its square. */
VMATH double sum_of(bool square, int64_t n, const float *x, float center)
{
    double total = 0;

    for (int64_t from = 0; from < n; from += CHUNK) {
        int64_t end = from + CHUNK < n ? from + CHUNK : n, i = from;
        float lane[LANES] = {0};
        for (; i + LANES <= end; i += LANES) {
#pragma omp simd
            for (int64_t l = 0; l < LANES; l++) {
                float v = x[i + l] - center;
                lane[l] += square ? v * v : v;
            }
        }
        for (int64_t l = 0; i + l < end; l++) {
            float v = x[i + l] - center;
            lane[l] += square ? v * v : v;
        }
        total += (double)join(lane);
    }
    return total;
}

SIMD_CLONES static double sum(int64_t n, const float *x)
{
    return sum_of(false, n, x, 0.0f);
}

SIMD_CLONES static double sum_squares(int64_t n, const float *x, float center)
{
    return sum_of(true, n, x, center);
}

static void row_stats(const job *j, const float *x, float *mean, float *inv)
{
    double m = sum(j->d, x) / (double)j->d, var;

    *mean = (float)m;
    var = sum_squares(j->d, x, *mean) / (double)j->d;
    *inv = (float)(1 / sqrt(var + j->epsilon));
}

/* y = (x - mean) inv scale + shift, by vectors (NULL = 1, 0) times and plus numbers. */
SIMD_CLONES static void write_vectors(int64_t n, const float *x, float mean, float inv,
                                      const float *scale, const float *shift, float *y)
{
    if (shift) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] - mean) * inv * scale[i] + shift[i];
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] - mean) * inv * scale[i];
    }
}

SIMD_CLONES static void write_numbers(int64_t n, const float *x, float mean, float factor,
                                      float shift, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * factor + shift;
}

static void forward_rows(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;
    const float *scale = j->scale, *shift = j->shift;

    for (int64_t r = first; r < last; r++) {
        const float *x = (const float *)j->x + r * j->d;
        float *y = (float *)j->y + r * j->d, mean, inv;
        row_stats(j, x, &mean, &inv);
        if (j->mean)
            ((float *)j->mean)[r] = mean;
        if (j->inv)
            ((float *)j->inv)[r] = inv;
        for (int64_t s = 0; s < j->segments; s++) {
            int64_t w = weight_place(j, r, s), at = s * j->length;
            if (j->along)
                write_vectors(j->length, x + at, mean, inv, scale, shift, y + at);
            else
                write_numbers(j->length, x + at, mean, inv * scale[w], shift[w], y + at);
        }
    }
}

/* Sums of g = dy scale (1 if NULL) and of g xhat. */
VMATH void sum_slopes_of(int64_t n, const float *x, const float *dy, const float *scale, float mean,
                         float inv, double *g_sum, double *gx_sum)
{
    for (int64_t from = 0; from < n; from += CHUNK) {
        int64_t end = from + CHUNK < n ? from + CHUNK : n, i = from;
        float g[LANES] = {0}, gx[LANES] = {0};
        for (; i + LANES <= end; i += LANES) {
#pragma omp simd
            for (int64_t l = 0; l < LANES; l++) {
                float v = scale ? dy[i + l] * scale[i + l] : dy[i + l];
                g[l] += v;
                gx[l] += v * ((x[i + l] - mean) * inv);
            }
        }
        for (int64_t l = 0; i + l < end; l++) {
            float v = scale ? dy[i + l] * scale[i + l] : dy[i + l];
            g[l] += v;
            gx[l] += v * ((x[i + l] - mean) * inv);
        }
        *g_sum += (double)join(g);
        *gx_sum += (double)join(gx);
    }
}

SIMD_CLONES static void sum_slopes(int64_t n, const float *x, const float *dy, const float *scale,
                                   float mean, float inv, double *g_sum, double *gx_sum)
{
    if (scale)
        sum_slopes_of(n, x, dy, scale, mean, inv, g_sum, gx_sum);
    else
        sum_slopes_of(n, x, dy, NULL, mean, inv, g_sum, gx_sum);
}

/* dx = dy scale factor + a + b xhat */
SIMD_CLONES static void write_slopes(int64_t n, const float *x, const float *dy, const float *scale,
                                     float factor, float mean, float inv, float a, float b,
                                     float *dx)
{
    if (scale) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = dy[i] * scale[i] * factor + a + b * ((x[i] - mean) * inv);
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = dy[i] * factor + a + b * ((x[i] - mean) * inv);
    }
}

static void vjp_rows(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;
    const float *scale = j->scale, *vector = j->along ? scale : NULL;

    for (int64_t r = first; r < last; r++) {
        const float *x = (const float *)j->x + r * j->d, *dy = j->dy + r * j->d;
        float mean, inv, a, b;
        double g = 0, gx = 0;
        row_stats(j, x, &mean, &inv);
        j->stats[2 * r] = mean;
        j->stats[2 * r + 1] = inv;
        if (!j->dx)
            continue;
        for (int64_t s = 0; s < j->segments; s++) {
            double part = 0, part_x = 0, w = j->along ? 1 : (double)scale[weight_place(j, r, s)];
            sum_slopes(j->length, x + s * j->length, dy + s * j->length, vector, mean, inv, &part,
                       &part_x);
            g += w * part;
            gx += w * part_x;
        }
        a = (float)(((j->dmean ? (double)j->dmean[r] : 0) - (double)inv * g) / (double)j->d);
        b = (float)(-(double)inv * (gx + (j->dinv ? (double)(inv * j->dinv[r]) : 0)) /
                    (double)j->d);
        for (int64_t s = 0; s < j->segments; s++)
            write_slopes(j->length, x + s * j->length, dy + s * j->length, vector,
                         j->along ? inv : inv * scale[weight_place(j, r, s)], mean, inv, a, b,
                         j->dx + r * j->d + s * j->length);
    }
}

/* All rows in turn: a gradient of a weight sums over them. */
static void weights_vjp(const job *j, float *dscale, float *dshift)
{
    for (int64_t i = 0, n = j->rows * j->d; i < n; i++) {
        int64_t r = i / j->d, place = i % j->d;
        int64_t w = j->along ? place : weight_place(j, r, place / j->length);
        float xhat = (((const float *)j->x)[i] - j->stats[2 * r]) * j->stats[2 * r + 1];
        if (dscale)
            dscale[w] += j->dy[i] * xhat;
        if (dshift)
            dshift[w] += j->dy[i];
    }
}

/* ---- other types ------------------------------------------------------------------- */

static void forward_any(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;

    for (int64_t r = first; r < last; r++) {
        double mean = 0, var = 0, inv;
        for (int64_t i = r * j->d; i < (r + 1) * j->d; i++)
            mean += mucmm__number_get(j->t, j->x, i) / (double)j->d;
        for (int64_t i = r * j->d; i < (r + 1) * j->d; i++) {
            double v = mucmm__number_get(j->t, j->x, i) - mean;
            var += v * v / (double)j->d;
        }
        inv = 1 / sqrt(var + j->epsilon);
        if (j->mean)
            ((float *)j->mean)[r] = (float)mean;
        if (j->inv)
            ((float *)j->inv)[r] = (float)inv;
        for (int64_t i = r * j->d; i < (r + 1) * j->d; i++) {
            int64_t place = i % j->d;
            int64_t w = j->along ? place : weight_place(j, r, place / j->length);
            double v = (mucmm__number_get(j->t, j->x, i) - mean) * inv *
                       mucmm__number_get(j->t, j->scale, w);
            if (j->shift)
                v += mucmm__number_get(j->t, j->shift, w);
            mucmm__number_put(j->t, j->y, i, v);
        }
    }
}

/* ---- the operators ----------------------------------------------------------------- */

static mucmm_status prepare(mucmm__call *c)
{
    c->vjp_scratch = describe(c).rows * 2 * (int64_t)sizeof(float);
    return MUCMM_OK;
}

static int64_t grain_of(const job *j)
{
    return j->d > 0 && j->d < GRAIN ? GRAIN / j->d : 1;
}

static mucmm_status forward(mucmm__call *c)
{
    job j = describe(c);

    j.x = c->x[0];
    j.scale = c->x[1];
    j.shift = mucmm__has_in(c, 2) ? c->x[2] : NULL;
    j.y = c->y[0];
    j.mean = mucmm__has_out(c, 1) ? c->y[1] : NULL;
    j.inv = mucmm__has_out(c, 2) ? c->y[2] : NULL;
    mucmm__parallel_range(c->ctx, j.rows, grain_of(&j),
                          j.t == MUCMM_F32 ? forward_rows : forward_any, &j);
    return MUCMM_OK;
}

static mucmm_status vjp(mucmm__call *c)
{
    job j = describe(c);
    float *dscale = c->dx[1], *dshift = mucmm__has_in(c, 2) ? c->dx[2] : NULL;
    mucmm_status status = MUCMM_OK;
    float *zeros = NULL;

    j.x = c->x[0];
    j.scale = c->x[1];
    j.dx = c->dx[0];
    j.stats = c->work;
    j.dmean = mucmm__has_out(c, 1) ? c->dy[1] : NULL;
    j.dinv = mucmm__has_out(c, 2) ? c->dy[2] : NULL;
    if (!c->dy[0])
        TRY(mucmm__alloc(c->ctx, j.rows * j.d, sizeof *zeros, &zeros));
    j.dy = zeros ? zeros : c->dy[0];
    mucmm__parallel_range(c->ctx, j.rows, grain_of(&j), vjp_rows, &j);
    if (dscale)
        memset(dscale, 0, (size_t)mucmm__desc_bytes(c->in[1]));
    if (dshift)
        memset(dshift, 0, (size_t)mucmm__desc_bytes(c->in[2]));
    if (dscale || dshift)
        weights_vjp(&j, dscale, dshift);
done:
    mucmm__free(zeros);
    return status;
}

const mucmm__op mucmm__ops_normalize[] = {
    {"LayerNormalization", 17, 0, 2, 3, 1, 3, layer_infer, forward, vjp, 7, 3, 0, 0, NULL, prepare,
     NULL},
    {"InstanceNormalization", 6, 0, 3, 3, 1, 1, instance_infer, forward, vjp, 7, 3, 0, 0, NULL,
     prepare, NULL},
    {"GroupNormalization", 1, 0, 3, 3, 1, 1, group_infer, forward, vjp, 7, 3, 0, MUCMM__INTERNAL,
     NULL, prepare, NULL}, /* a row of files only from opset 18 on */
    {0},
};
