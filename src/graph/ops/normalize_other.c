/* SPDX-License-Identifier: MIT
 *
 * normalize_other.c - LpNormalization, MeanVarianceNormalization, LRN. */
#include "core/vmath.h"
#include "graph/graph.h"

#include <inttypes.h>

#define GRAIN 16384 /* numbers that a task handles */

typedef struct job {
    int64_t outer, r, inner; /* x: [outer, r, inner] */
    mucmm_dtype t;
    const void *x;
    void *y;
    const float *value, *dy;
    float *dx, *work;
    int64_t p;             /* LpNormalization */
    int64_t before, after; /* LRN: channels on each side */
    double alpha, beta, bias;
} job;

static int64_t grain_of(int64_t numbers_each)
{
    return numbers_each > 0 && numbers_each < GRAIN ? GRAIN / numbers_each : 1;
}

static job along_axis(const mucmm__desc *d, int32_t axis)
{
    return (job){.outer = mucmm__desc_product(d, 0, axis),
                 .r = d->shape[axis],
                 .inner = mucmm__desc_product(d, axis + 1, d->rank),
                 .t = d->dtype};
}

static mucmm_status no_gradient(mucmm__call *c)
{
    if (c->dx[0])
        memset(c->dx[0], 0, (size_t)mucmm__desc_bytes(c->in[0]));
    return MUCMM_OK;
}

/* ---- LpNormalization --------------------------------------------------------------- */

/* y = x / |x|, the norm of order 1 or 2 along one axis (0 where it is 0).
 *   p = 2: dx = (dy - y sum dy y) / |x|
 *   p = 1: dx = (dy - sign x sum dy y) / |x| */

static mucmm_status lp_infer(mucmm__call *c)
{
    int64_t p = mucmm__attr_int(c->node, "p", 2);
    mucmm_status status = mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT);
    int32_t axis;

    if (status == MUCMM_OK && p != 1 && p != 2)
        status = mucmm__op_fail(c, MUCMM_EARG, "p is %" PRId64 "; it must be 1 or 2", p);
    if (status == MUCMM_OK)
        status =
            mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", -1), c->in[0]->rank, &axis);
    return status == MUCMM_OK ? mucmm__out_like(c, 0, 0) : status;
}

static job lp_describe(const mucmm__call *c)
{
    int32_t axis = 0;
    job j;

    mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", -1), c->in[0]->rank, &axis);
    j = along_axis(c->in[0], axis);
    j.p = mucmm__attr_int(c->node, "p", 2);
    j.x = c->x[0];
    return j;
}

/* Line i starts here and has a number every j->inner. */
static int64_t line_start(const job *j, int64_t i)
{
    return i / j->inner * j->r * j->inner + i % j->inner;
}

static double lp_norm(const job *j, int64_t at)
{
    double sum = 0;

    for (int64_t k = 0; k < j->r; k++) {
        double v = mucmm__number_get(j->t, j->x, at + k * j->inner);
        sum += j->p == 1 ? fabs(v) : v * v;
    }
    return j->p == 1 ? sum : sqrt(sum);
}

static void lp_lines(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;

    for (int64_t i = first; i < last; i++) {
        int64_t at = line_start(j, i);
        double norm = lp_norm(j, at), factor = norm > 0 || isnan(norm) ? 1 / norm : 0;
        for (int64_t k = 0; k < j->r; k++, at += j->inner)
            mucmm__number_put(j->t, j->y, at, factor * mucmm__number_get(j->t, j->x, at));
    }
}

static void lp_vjp_lines(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;
    const float *x = j->x;

    for (int64_t i = first; i < last; i++) {
        int64_t at = line_start(j, i);
        double norm = lp_norm(j, at), factor = norm > 0 ? 1 / norm : 0, dot = 0;
        for (int64_t k = 0; k < j->r; k++)
            dot += (double)j->dy[at + k * j->inner] * (double)x[at + k * j->inner] * factor;
        for (int64_t k = 0; k < j->r; k++, at += j->inner) {
            double slope = j->p == 2 ? (double)x[at] * factor : (x[at] > 0) - (x[at] < 0);
            j->dx[at] = (float)(factor * ((double)j->dy[at] - slope * dot));
        }
    }
}

static mucmm_status lp_forward(mucmm__call *c)
{
    job j = lp_describe(c);

    j.y = c->y[0];
    mucmm__parallel_range(c->ctx, j.outer * j.inner, grain_of(j.r), lp_lines, &j);
    return MUCMM_OK;
}

static mucmm_status lp_vjp(mucmm__call *c)
{
    job j = lp_describe(c);

    j.dy = c->dy[0];
    j.dx = c->dx[0];
    if (!j.dy || !j.dx)
        return no_gradient(c);
    mucmm__parallel_range(c->ctx, j.outer * j.inner, grain_of(j.r), lp_vjp_lines, &j);
    return MUCMM_OK;
}

/* ---- MeanVarianceNormalization ----------------------------------------------------- */

/* y = (x - mean) / (s + 1e-9), s the deviation over some axes. With q = 1 / (s + 1e-9):
 *   dx = q (dy - mean dy - (x - mean) q / s  mean(dy (x - mean))) */

#define LEAST_DEVIATION 1e-9

static mucmm_status mvn_axes(const mucmm__call *c, bool *over)
{
    static const int64_t usual[] = {0, 2, 3};
    mucmm_status status = MUCMM_OK;
    int64_t n = 0;
    const int64_t *axes = mucmm__attr_ints(c->node, "axes", &n);

    memset(over, 0, MUCMM_MAX_RANK * sizeof *over);
    if (!axes)
        axes = usual, n = 3;
    for (int64_t i = 0; status == MUCMM_OK && i < n; i++) {
        int32_t axis = 0;
        status = mucmm__axis(c, "an axis", axes[i], c->in[0]->rank, &axis);
        if (status == MUCMM_OK)
            over[axis] = true;
    }
    return status;
}

static mucmm_status mvn_infer(mucmm__call *c)
{
    bool over[MUCMM_MAX_RANK];
    mucmm_status status = mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT);

    if (status == MUCMM_OK)
        status = mvn_axes(c, over);
    return status == MUCMM_OK ? mucmm__out_like(c, 0, 0) : status;
}

typedef struct mvn {
    const mucmm__desc *d;
    int64_t step[MUCMM_MAX_RANK]; /* among the groups; 0 = an axis that is averaged over */
    int64_t groups;
} mvn;

static mvn mvn_describe(const mucmm__call *c)
{
    mvn m = {.d = c->in[0], .groups = 1};
    bool over[MUCMM_MAX_RANK];

    mvn_axes(c, over);
    for (int32_t k = m.d->rank - 1; k >= 0; k--) {
        m.step[k] = over[k] ? 0 : m.groups;
        m.groups *= over[k] ? 1 : m.d->shape[k];
    }
    return m;
}

/* The group of number i. */
static int64_t group_of(const mvn *m, int64_t i)
{
    int64_t g = 0;

    for (int32_t k = m->d->rank - 1; k >= 0; i /= m->d->shape[k--])
        g += i % m->d->shape[k] * m->step[k];
    return g;
}

static mucmm_status mvn_prepare(mucmm__call *c)
{
    int64_t groups = mvn_describe(c).groups * (int64_t)sizeof(double);

    c->scratch = 2 * groups;
    c->vjp_scratch = 4 * groups;
    return MUCMM_OK;
}

static void mvn_stats(const mvn *m, const void *x, double *mean, double *deviation)
{
    int64_t n = mucmm__desc_count(m->d);
    double count = n > 0 ? (double)(n / m->groups) : 1;

    memset(mean, 0, (size_t)m->groups * sizeof *mean);
    memset(deviation, 0, (size_t)m->groups * sizeof *deviation);
    for (int64_t i = 0; i < n; i++)
        mean[group_of(m, i)] += mucmm__number_get(m->d->dtype, x, i) / count;
    for (int64_t i = 0; i < n; i++) {
        int64_t g = group_of(m, i);
        double v = mucmm__number_get(m->d->dtype, x, i) - mean[g];
        deviation[g] += v * v / count;
    }
    for (int64_t g = 0; g < m->groups; g++)
        deviation[g] = sqrt(deviation[g]);
}

static mucmm_status mvn_forward(mucmm__call *c)
{
    mvn m = mvn_describe(c);
    double *mean = c->work, *deviation = mean + m.groups;

    mvn_stats(&m, c->x[0], mean, deviation);
    for (int64_t i = 0, n = mucmm__desc_count(m.d); i < n; i++) {
        int64_t g = group_of(&m, i);
        mucmm__number_put(m.d->dtype, c->y[0], i,
                          (mucmm__number_get(m.d->dtype, c->x[0], i) - mean[g]) /
                              (deviation[g] + LEAST_DEVIATION));
    }
    return MUCMM_OK;
}

static mucmm_status mvn_vjp(mucmm__call *c)
{
    mvn m = mvn_describe(c);
    double *mean = c->work, *deviation = mean + m.groups, *dot = deviation + m.groups,
           *plain = dot + m.groups;
    const float *x = c->x[0], *dy = c->dy[0];
    float *dx = c->dx[0];
    int64_t n = mucmm__desc_count(m.d);
    double count = n > 0 ? (double)(n / m.groups) : 1;

    if (!dy || !dx)
        return no_gradient(c);
    mvn_stats(&m, x, mean, deviation);
    memset(dot, 0, 2 * (size_t)m.groups * sizeof *dot);
    for (int64_t i = 0; i < n; i++) {
        int64_t g = group_of(&m, i);
        plain[g] += (double)dy[i] / count;
        dot[g] += (double)dy[i] * ((double)x[i] - mean[g]) / count;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t g = group_of(&m, i);
        double q = 1 / (deviation[g] + LEAST_DEVIATION);
        double bend = deviation[g] > 0 ? q / deviation[g] * dot[g] : 0;
        dx[i] = (float)(q * ((double)dy[i] - plain[g] - ((double)x[i] - mean[g]) * bend));
    }
    return MUCMM_OK;
}

/* ---- LRN --------------------------------------------------------------------------- */

/* y_c = x_c s_c^-beta,  s_c = bias + alpha / size sum x_k^2,  c - before <= k <= c + after.
 *   dx_c = dy_c s_c^-beta - 2 alpha beta / size  x_c sum dy_k x_k s_k^(-beta - 1),
 * the sum over the k whose windows hold c: c - after <= k <= c + before. */

static mucmm_status lrn_infer(mucmm__call *c)
{
    int64_t size = mucmm__attr_int(c->node, "size", 0);
    mucmm_status status = mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT);

    if (status != MUCMM_OK)
        return status;
    if (c->in[0]->rank < 2)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the input has %d dimensions; at least 2 are needed",
                              c->in[0]->rank);
    if (size < 1)
        return mucmm__op_fail(c, MUCMM_EARG, "size is %" PRId64 "; it must be at least 1", size);
    return mucmm__out_like(c, 0, 0);
}

static job lrn_describe(const mucmm__call *c)
{
    int64_t size = mucmm__attr_int(c->node, "size", 1);
    job j = along_axis(c->in[0], 1);

    j.before = (size - 1) / 2;
    j.after = size - 1 - j.before;
    j.alpha = (double)mucmm__attr_float(c->node, "alpha", 1e-4f) / (double)size;
    j.beta = (double)mucmm__attr_float(c->node, "beta", 0.75f);
    j.bias = (double)mucmm__attr_float(c->node, "bias", 1.0f);
    j.x = c->x[0];
    return j;
}

static mucmm_status lrn_prepare(mucmm__call *c)
{
    c->vjp_scratch = mucmm__desc_bytes(c->in[0]);
    return MUCMM_OK;
}

/* Channels of the window about k that exist: *from <= i < *to. */
static void window(const job *j, int64_t k, int64_t before, int64_t after, int64_t *from,
                   int64_t *to)
{
    *from = k > before ? k - before : 0;
    *to = after < j->r - k ? k + after + 1 : j->r;
}

static double lrn_scale(const job *j, int64_t line, int64_t k)
{
    int64_t from, to;
    double sum = 0;

    window(j, k, j->before, j->after, &from, &to);
    for (int64_t i = from; i < to; i++) {
        double v = mucmm__number_get(j->t, j->x, line + i * j->inner);
        sum += v * v;
    }
    return j->bias + j->alpha * sum;
}

static void lrn_lines(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;

    for (int64_t i = first; i < last; i++) {
        int64_t line = line_start(j, i);
        for (int64_t k = 0; k < j->r; k++) {
            int64_t at = line + k * j->inner;
            mucmm__number_put(j->t, j->y, at,
                              mucmm__number_get(j->t, j->x, at) *
                                  pow(lrn_scale(j, line, k), -j->beta));
        }
    }
}

static void lrn_vjp_lines(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;
    const float *x = j->x;

    for (int64_t i = first; i < last; i++) {
        int64_t line = line_start(j, i), from, to;
        for (int64_t k = 0; k < j->r; k++) {
            int64_t at = line + k * j->inner;
            double s = lrn_scale(j, line, k), power = pow(s, -j->beta);
            j->dx[at] = (float)((double)j->dy[at] * power);
            j->work[at] = (float)((double)j->dy[at] * (double)x[at] * power / s);
        }
        for (int64_t k = 0; k < j->r; k++) {
            int64_t at = line + k * j->inner;
            double sum = 0;
            window(j, k, j->after, j->before, &from, &to);
            for (int64_t q = from; q < to; q++)
                sum += (double)j->work[line + q * j->inner];
            j->dx[at] -= (float)(2 * j->alpha * j->beta * (double)x[at] * sum);
        }
    }
}

static mucmm_status lrn_forward(mucmm__call *c)
{
    job j = lrn_describe(c);

    j.y = c->y[0];
    mucmm__parallel_range(c->ctx, j.outer * j.inner, grain_of(j.r), lrn_lines, &j);
    return MUCMM_OK;
}

static mucmm_status lrn_vjp(mucmm__call *c)
{
    job j = lrn_describe(c);

    j.dy = c->dy[0];
    j.dx = c->dx[0];
    j.work = c->work;
    if (!j.dy || !j.dx)
        return no_gradient(c);
    mucmm__parallel_range(c->ctx, j.outer * j.inner, grain_of(j.r), lrn_vjp_lines, &j);
    return MUCMM_OK;
}

#define ROW(type, since, infer, forward, vjp, prepare)                                             \
    {                                                                                              \
        type, since, 0, 1, 1, 1, 1, infer, forward, vjp, 1, 1, 0, 0, NULL, prepare, NULL           \
    }

const mucmm__op mucmm__ops_normalize_other[] = {
    ROW("LpNormalization", 1, lp_infer, lp_forward, lp_vjp, NULL),
    ROW("MeanVarianceNormalization", 9, mvn_infer, mvn_forward, mvn_vjp, mvn_prepare),
    ROW("LRN", 1, lrn_infer, lrn_forward, lrn_vjp, lrn_prepare),
    {0},
};
