/* SPDX-License-Identifier: MIT
 *
 * pool.c - poolings: the maximum, the average or the p-norm of what a window sees.
 *
 * A tensor is planes [planes, d, h, w, lanes]: lanes is the block of its layout, and planes are
 * samples times blocks of channels; axes that it does not have are of size 1. float32 goes
 * tap by tap over rows of outputs, so that the innermost loops are over memory in order; other
 * types, and maxima whose places are wanted, go output by output. */
#include "core/vmath.h"
#include "graph/ops/window.h"

#include <inttypes.h>
#include <string.h>

typedef enum pool_kind { POOL_MAX, POOL_AVERAGE, POOL_NORM } pool_kind;

typedef struct range {
    int64_t first, last;
} range;

typedef struct pool {
    pool_kind kind;
    mucmm__window w; /* always 3 axes */
    int64_t p;       /* of the norm   */
    bool whole;      /* one window sees a whole plane */
    bool column_major;
    int32_t *share[3]; /* [out]: how many numbers an average divides by, along each axis */
    range *across;     /* [out[2]]: the taps of an output in its row that fall on inputs      */
    range *reached;    /* [kernel[2]]: the outputs of a row whose tap falls on an input       */
} pool;

/* ---- shapes ------------------------------------------------------------------------ */

static pool_kind kind_of(const mucmm__call *c)
{
    const char *type = c->node->op->type;
    return strstr(type, "Max") ? POOL_MAX : strstr(type, "Average") ? POOL_AVERAGE : POOL_NORM;
}

static mucmm_status check_types(const mucmm__call *c)
{
    uint32_t types = 1u << MUCMM_F16 | 1u << MUCMM_F32 | 1u << MUCMM_F64;

    if (kind_of(c) == POOL_MAX)
        types |= 1u << MUCMM_I8 | 1u << MUCMM_U8;
    return mucmm__check_type(c, 0, types);
}

static mucmm_status read_window(const mucmm__call *c, mucmm__window *w)
{
    if (strncmp(c->node->op->type, "Global", 6) != 0)
        return mucmm__window_read(c, NULL, w);
    *w = (mucmm__window){.axes = c->in[0]->rank - 2};
    if (w->axes < 1 || w->axes > 3)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                              "input 0 has %d dimensions; 3 to 5 are supported", c->in[0]->rank);
    for (int32_t k = 0; k < w->axes; k++) {
        w->in[k] = w->kernel[k] = c->in[0]->shape[2 + k];
        w->out[k] = w->stride[k] = w->dilation[k] = 1;
        if (w->in[k] == 0)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "the input is empty along spatial axis %d", k);
    }
    return MUCMM_OK;
}

static mucmm_status pool_infer(mucmm__call *c)
{
    int64_t shape[MUCMM_MAX_RANK];
    mucmm_status status = MUCMM_OK;
    mucmm__window w;

    TRY(check_types(c));
    TRY(read_window(c, &w));
    if (mucmm__desc_product(c->in[0], 2, c->in[0]->rank) > INT32_MAX / 16)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "a channel has more than 2^27 numbers");
    if (mucmm__attr_int(c->node, "p", 2) < 1)
        return mucmm__op_fail(c, MUCMM_EARG, "p is %" PRId64 "; it must be at least 1",
                              mucmm__attr_int(c->node, "p", 2));
    shape[0] = c->in[0]->shape[0];
    shape[1] = c->in[0]->shape[1];
    for (int32_t k = 0; k < w.axes; k++)
        shape[2 + k] = w.out[k];
    TRY(mucmm__out(c, 0, c->in[0]->dtype, c->in[0]->rank, shape));
    TRY(mucmm__out(c, 1, MUCMM_I64, c->in[0]->rank, shape));
done:
    return status;
}

static void pool_layout(mucmm__call *c)
{
    if (c->in[0]->dtype != MUCMM_F32 || mucmm__has_out(c, 1) ||
        (kind_of(c) == POOL_NORM && mucmm__attr_int(c->node, "p", 2) > 2))
        return;
    c->want[0] = c->in[0]->block;
    c->out[0]->block = c->in[0]->block;
}

/* ---- windows ----------------------------------------------------------------------- */

static int64_t divide_up(int64_t a, int64_t b) /* a >= 0 */
{
    return (a + b - 1) / b;
}

/* The taps of output o that fall on inputs. */
static range taps_of(const mucmm__window *w, int32_t axis, int64_t o)
{
    int64_t start = o * w->stride[axis] - w->before[axis], d = w->dilation[axis];
    range r = {start < 0 ? divide_up(-start, d) : 0,
               start < w->in[axis] ? divide_up(w->in[axis] - start, d) : 0};

    r.last = r.last < w->kernel[axis] ? r.last : w->kernel[axis];
    r.first = r.first < r.last ? r.first : r.last;
    return r;
}

/* The outputs whose tap t falls on an input. */
static range outputs_of(const mucmm__window *w, int32_t axis, int64_t t)
{
    int64_t shift = t * w->dilation[axis] - w->before[axis], s = w->stride[axis];
    range r = {shift < 0 ? divide_up(-shift, s) : 0,
               shift < w->in[axis] ? divide_up(w->in[axis] - shift, s) : 0};

    r.last = r.last < w->out[axis] ? r.last : w->out[axis];
    r.first = r.first < r.last ? r.first : r.last;
    return r;
}

static int64_t input_of(const mucmm__window *w, int32_t axis, int64_t o, int64_t t)
{
    return o * w->stride[axis] - w->before[axis] + t * w->dilation[axis];
}

/* With padding counted: the taps before the end of the padded input. */
static int64_t share_of(const mucmm__window *w, int32_t axis, int64_t o, bool padding)
{
    range r = taps_of(w, axis, o);
    int64_t end = w->in[axis] + w->after[axis] + w->before[axis] - o * w->stride[axis], n;

    if (!padding)
        return r.last > r.first ? r.last - r.first : 1;
    n = end > 0 ? divide_up(end, w->dilation[axis]) : 1;
    return n < w->kernel[axis] ? n : w->kernel[axis];
}

static void three_axes(mucmm__window *w)
{
    int32_t missing = 3 - w->axes;
    mucmm__window from = *w;

    *w = (mucmm__window){.axes = 3};
    for (int32_t k = 0; k < 3; k++) {
        int32_t j = k - missing;
        w->in[k] = j < 0 ? 1 : from.in[j];
        w->out[k] = j < 0 ? 1 : from.out[j];
        w->kernel[k] = j < 0 ? 1 : from.kernel[j];
        w->stride[k] = j < 0 ? 1 : from.stride[j];
        w->dilation[k] = j < 0 ? 1 : from.dilation[j];
        w->before[k] = j < 0 ? 0 : from.before[j];
        w->after[k] = j < 0 ? 0 : from.after[j];
    }
}

static void pool_drop(void *state)
{
    pool *s = state;

    if (!s)
        return;
    for (int32_t k = 0; k < 3; k++)
        mucmm__free(s->share[k]);
    mucmm__free(s->across);
    mucmm__free(s->reached);
    mucmm__free(s);
}

/* What does not depend on the plane. */
static mucmm_status prepare_rows(mucmm__call *c, pool *s)
{
    bool padding = mucmm__attr_int(c->node, "count_include_pad", 0) != 0;
    const mucmm__window *w = &s->w;
    mucmm_status status = MUCMM_OK;

    for (int32_t k = 0; k < 3; k++) {
        TRY(mucmm__alloc(c->ctx, w->out[k], sizeof **s->share, &s->share[k]));
        for (int64_t o = 0; o < w->out[k]; o++)
            s->share[k][o] = (int32_t)share_of(w, k, o, padding);
    }
    TRY(mucmm__alloc(c->ctx, w->out[2], sizeof *s->across, &s->across));
    for (int64_t o = 0; o < w->out[2]; o++)
        s->across[o] = taps_of(w, 2, o);
    TRY(mucmm__alloc(c->ctx, w->kernel[2], sizeof *s->reached, &s->reached));
    for (int64_t t = 0; t < w->kernel[2]; t++)
        s->reached[t] = outputs_of(w, 2, t);
done:
    return status;
}

static mucmm_status pool_prepare(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    pool *s = NULL;

    TRY(mucmm__alloc(c->ctx, 1, sizeof *s, &s));
    TRY(read_window(c, &s->w));
    three_axes(&s->w);
    s->kind = kind_of(c);
    s->p = mucmm__attr_int(c->node, "p", 2);
    s->column_major = mucmm__attr_int(c->node, "storage_order", 0) != 0;
    s->whole = strncmp(c->node->op->type, "Global", 6) == 0;
    if (mucmm__desc_count(c->out[0]) > 0)
        TRY(prepare_rows(c, s));
    c->state = s;
    s = NULL;
done:
    pool_drop(s);
    return status;
}

typedef struct job {
    const pool *s;
    const void *x;
    void *y;
    const float *dy;
    float *dx;
    int64_t *places; /* of the maxima */
    mucmm_dtype dtype;
    int64_t lanes, in, out; /* places of a plane */
} job;

static job make_job(const mucmm__call *c, int64_t *planes)
{
    const pool *s = c->state;
    const mucmm__desc *d = c->in[0];

    *planes = mucmm__desc_count(c->out[0]) > 0
                  ? d->shape[0] * ((d->shape[1] + d->block - 1) / d->block)
                  : 0;
    return (job){.s = s,
                 .dtype = d->dtype,
                 .lanes = d->block,
                 .in = s->w.in[0] * s->w.in[1] * s->w.in[2],
                 .out = s->w.out[0] * s->w.out[1] * s->w.out[2]};
}

/* Enough for each task to be worth starting, and a few tasks a thread. */
static void run_tasks(const mucmm__call *c, job *j, int64_t tasks, int64_t numbers,
                      mucmm__range_task fn)
{
    int64_t pieces = tasks * numbers / 8192, most = 4 * (int64_t)c->ctx->threads;

    pieces = pieces < 1 ? 1 : pieces < most ? pieces : most;
    mucmm__parallel_range(c->ctx, tasks, tasks / pieces + 1, fn, j);
}

/* ---- float32, row by row ----------------------------------------------------------- */

/* y[o] = combined with x[o step], o < n. */
#define ROW_LOOP(value)                                                                            \
    _Pragma("omp simd") for (int64_t o = 0; o < n; o++)                                            \
    {                                                                                              \
        float v = x[o * step], a = y[o];                                                           \
        y[o] = value;                                                                              \
    }                                                                                              \
    return

VMATH void take_steps(const pool *s, float *y, const float *x, int64_t n, int64_t step)
{
    float p = (float)s->p;

    if (s->kind == POOL_MAX) {
        ROW_LOOP(v > a ? v : a);
    } else if (s->kind == POOL_AVERAGE) {
        ROW_LOOP(a + v);
    } else if (s->p == 1) {
        ROW_LOOP(a + fabsf(v));
    } else if (s->p == 2) {
        ROW_LOOP(a + v * v);
    } else {
        for (int64_t o = 0; o < n; o++)
            y[o] += powf(fabsf(x[o * step]), p);
    }
}

SIMD_CLONES static void take_row(const pool *s, float *y, const float *x, int64_t n, int64_t step)
{
    if (step == 1)
        take_steps(s, y, x, n, 1);
    else
        take_steps(s, y, x, n, step);
}

/* What the outputs of one row see: d and h are the taps of the outer axes, of outputs od, oh. */
typedef struct row_view {
    const pool *s;
    const float *x; /* the plane */
    range d, h;
    int64_t od, oh;
} row_view;

static const float *input_row(const row_view *v, int64_t td, int64_t th, int64_t lanes)
{
    const mucmm__window *w = &v->s->w;
    return v->x +
           (input_of(w, 0, v->od, td) * w->in[1] + input_of(w, 1, v->oh, th)) * w->in[2] * lanes;
}

/* Blocked: the lanes of one output stay in a register. */
#define FOR_TAPS(N, start, value)                                                                  \
    for (int64_t o = 0; o < n; o++) {                                                              \
        range taps = across[o];                                                                    \
        const float *outer = first + (input_of(w, 2, o, taps.first)) * N;                          \
        lanes##N a = {0};                                                                          \
        a += start;                                                                                \
        for (int64_t td = 0; td < depth; td++, outer += outer_step) {                              \
            const float *row = outer;                                                              \
            for (int64_t th = 0; th < height; th++, row += row_step) {                             \
                const float *x = row;                                                              \
                for (int64_t t = taps.first; t < taps.last; t++, x += step) {                      \
                    lanes##N b = *(const lanes##N *)x;                                             \
                    bits##N larger = b > a;                                                        \
                    (void)larger;                                                                  \
                    a = value;                                                                     \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        *(lanes##N *)(y + o * N) = a;                                                              \
    }                                                                                              \
    return

#define BLOCKED_ROW(N)                                                                             \
    typedef float lanes##N __attribute__((vector_size(4 * N), aligned(4), may_alias));             \
    typedef int32_t bits##N __attribute__((vector_size(4 * N)));                                   \
    SIMD_CLONES static void blocked_row_##N(const row_view *v, float *y)                           \
    {                                                                                              \
        const mucmm__window *w = &v->s->w;                                                         \
        const range *across = v->s->across;                                                        \
        int64_t n = w->out[2], depth = v->d.last - v->d.first, height = v->h.last - v->h.first,    \
                step = w->dilation[2] * N, row_step = w->dilation[1] * w->in[2] * N,               \
                outer_step = w->dilation[0] * w->in[1] * w->in[2] * N;                             \
        const float *first = input_row(v, v->d.first, v->h.first, N);                              \
        if (v->s->kind == POOL_MAX) {                                                              \
            FOR_TAPS(N, -INFINITY, (lanes##N)(((bits##N)b & larger) | ((bits##N)a & ~larger)));    \
        } else if (v->s->kind == POOL_AVERAGE) {                                                   \
            FOR_TAPS(N, 0.0f, a + b);                                                              \
        } else if (v->s->p == 1) {                                                                 \
            FOR_TAPS(N, 0.0f, a + (lanes##N)((bits##N)b & 0x7fffffff));                            \
        } else {                                                                                   \
            FOR_TAPS(N, 0.0f, a + b * b);                                                          \
        }                                                                                          \
    }

BLOCKED_ROW(8)
BLOCKED_ROW(16)

/* Dense: tap by tap over the row. */
static void dense_row(const row_view *v, float *y)
{
    const mucmm__window *w = &v->s->w;

    for (int64_t o = 0; o < w->out[2]; o++)
        y[o] = v->s->kind == POOL_MAX ? -INFINITY : 0.0f;
    for (int64_t td = v->d.first; td < v->d.last; td++)
        for (int64_t th = v->h.first; th < v->h.last; th++)
            for (int64_t t = 0; t < w->kernel[2]; t++) {
                range o = v->s->reached[t];
                if (o.first < o.last)
                    take_row(v->s, y + o.first,
                             input_row(v, td, th, 1) + input_of(w, 2, o.first, t), o.last - o.first,
                             w->stride[2]);
            }
}

static void end_row(const pool *s, float *y, int64_t n, int64_t lanes, int64_t others)
{
    for (int64_t o = 0; o < n && s->kind == POOL_AVERAGE; o++) {
        float factor = 1.0f / (float)(others * s->share[2][o]);
        for (int64_t l = 0; l < lanes; l++)
            y[o * lanes + l] *= factor;
    }
    for (int64_t i = 0; i < n * lanes && s->kind == POOL_NORM && s->p != 1; i++)
        y[i] = s->p == 2 ? sqrtf(y[i]) : powf(y[i], 1.0f / (float)s->p);
}

#define ACROSS 64 /* a multiple of every number of lanes: independent sums */

SIMD_CLONES static void add_across(float *restrict sums, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += ACROSS)
#pragma omp simd
        for (int64_t l = 0; l < ACROSS; l++)
            sums[l] += x[i + l];
}

/* A whole plane: x in order into ACROSS results, then those into the lanes. */
static void pool_whole(const job *j, const float *x, float *y)
{
    int64_t n = j->in * j->lanes, full = n / ACROSS * ACROSS, lanes = j->lanes;
    float across[ACROSS], start = j->s->kind == POOL_MAX ? -INFINITY : 0.0f;

    for (int64_t i = 0; i < ACROSS; i++)
        across[i] = start;
    if (j->s->kind == POOL_AVERAGE)
        add_across(across, x, full);
    for (int64_t i = 0; i < full && j->s->kind != POOL_AVERAGE; i += ACROSS)
        take_row(j->s, across, x + i, ACROSS, 1);
    if (n > full)
        take_row(j->s, across, x + full, n - full, 1);
    for (int64_t l = 0; l < lanes; l++) {
        y[l] = start;
        for (int64_t i = l; i < ACROSS; i += lanes)
            y[l] = j->s->kind != POOL_MAX ? y[l] + across[i] : across[i] > y[l] ? across[i] : y[l];
    }
    end_row(j->s, y, 1, lanes, (int64_t)j->s->share[0][0] * j->s->share[1][0]);
}

static void whole_planes(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;

    for (int64_t i = first; i < last; i++)
        pool_whole(j, (const float *)j->x + i * j->in * j->lanes, (float *)j->y + i * j->lanes);
}

static void pool_rows(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;
    const mucmm__window *w = &j->s->w;
    int64_t lanes = j->lanes, rows = w->out[0] * w->out[1];

    for (int64_t i = first; i < last; i++) {
        int64_t od = i % rows / w->out[1], oh = i % w->out[1];
        row_view v = {j->s,
                      (const float *)j->x + i / rows * j->in * lanes,
                      taps_of(w, 0, od),
                      taps_of(w, 1, oh),
                      od,
                      oh};
        float *y = (float *)j->y + i * w->out[2] * lanes;
        if (lanes == 1)
            dense_row(&v, y);
        else if (lanes == 8)
            blocked_row_8(&v, y);
        else
            blocked_row_16(&v, y);
        end_row(j->s, y, w->out[2], lanes, (int64_t)j->s->share[0][od] * j->s->share[1][oh]);
    }
}

/* ---- any type, output by output ---------------------------------------------------- */

/* Adds a number to a result; true if it is the new maximum. */
static bool take_number(const pool *s, double v, double *result)
{
    if (s->kind == POOL_MAX && v > *result)
        return *result = v, true;
    if (s->kind == POOL_AVERAGE)
        *result += v;
    if (s->kind == POOL_NORM)
        *result += pow(fabs(v), (double)s->p);
    return false;
}

static int64_t place_in_plane(const mucmm__window *w, const int64_t at[3], bool column_major)
{
    return column_major ? at[0] + w->in[0] * (at[1] + w->in[1] * at[2])
                        : (at[0] * w->in[1] + at[1]) * w->in[2] + at[2];
}

static void pool_number(const job *j, int64_t plane, const int64_t o[3], int64_t to)
{
    const mucmm__window *w = &j->s->w;
    range d = taps_of(w, 0, o[0]), h = taps_of(w, 1, o[1]), across = taps_of(w, 2, o[2]);
    double result = j->s->kind == POOL_MAX ? -INFINITY : 0;
    int64_t at[3], best = 0;
    bool any = false;

    for (int64_t td = d.first; td < d.last; td++)
        for (int64_t th = h.first; th < h.last; th++)
            for (int64_t tw = across.first; tw < across.last; tw++) {
                at[0] = input_of(w, 0, o[0], td);
                at[1] = input_of(w, 1, o[1], th);
                at[2] = input_of(w, 2, o[2], tw);
                if (take_number(j->s,
                                mucmm__number_get(j->dtype, j->x,
                                                  plane * j->in + place_in_plane(w, at, false)),
                                &result) ||
                    !any)
                    best = place_in_plane(w, at, j->s->column_major);
                any = true;
            }
    if (j->s->kind == POOL_AVERAGE)
        result /= (double)j->s->share[0][o[0]] * j->s->share[1][o[1]] * j->s->share[2][o[2]];
    if (j->s->kind == POOL_NORM)
        result = pow(result, 1.0 / (double)j->s->p);
    if (j->y)
        mucmm__number_put(j->dtype, j->y, to, result);
    if (j->places)
        j->places[to] = plane * j->in + best;
}

static void pool_numbers(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;
    const mucmm__window *w = &j->s->w;
    int64_t o[3];

    for (int64_t i = first; i < last; i++)
        for (int64_t k = 0; k < j->out; k++) {
            o[2] = k % w->out[2];
            o[1] = k / w->out[2] % w->out[1];
            o[0] = k / w->out[2] / w->out[1];
            pool_number(j, i, o, i * j->out + k);
        }
}

static mucmm_status pool_forward(mucmm__call *c)
{
    const pool *s = c->state;
    int64_t planes;
    job j = make_job(c, &planes);

    j.x = c->x[0];
    j.y = c->y[0];
    j.places = mucmm__has_out(c, 1) ? c->y[1] : NULL;
    if (j.places || j.dtype != MUCMM_F32)
        run_tasks(c, &j, planes, j.in + j.out, pool_numbers);
    else if (s->whole)
        run_tasks(c, &j, planes, j.in * j.lanes, whole_planes);
    else
        run_tasks(c, &j, planes * s->w.out[0] * s->w.out[1],
                  s->w.out[2] * j.lanes * s->w.kernel[2] * s->w.kernel[1], pool_rows);
    return MUCMM_OK;
}

/* ---- vjp --------------------------------------------------------------------------- */

/* What one output adds to the taps it sees: x, dx point to its first tap. */
typedef struct reach {
    int64_t depth, height, width, step, row_step, outer_step;
} reach;

#define EACH_TAP(at)                                                                               \
    for (int64_t td = 0; td < r->depth; td++)                                                      \
        for (int64_t th = 0; th < r->height; th++)                                                 \
            for (int64_t at = td * r->outer_step + th * r->row_step,                               \
                         end = at + r->width * r->step;                                            \
                 at < end; at += r->step)

/* Maximum: the first tap that is the output gets all of it. Average: each its share. */
#define BLOCKED_VJP(N)                                                                             \
    SIMD_CLONES static void blocked_max_vjp_##N(const reach *r, const float *x, const float *y,    \
                                                const float *dy, float *dx)                        \
    {                                                                                              \
        lanes##N best = *(const lanes##N *)y, gradient = *(const lanes##N *)dy;                    \
        bits##N left = best == best;                                                               \
        EACH_TAP(at)                                                                               \
        {                                                                                          \
            bits##N hit = (*(const lanes##N *)(x + at) == best) & left;                            \
            left &= ~hit;                                                                          \
            *(lanes##N *)(dx + at) += (lanes##N)((bits##N)gradient & hit);                         \
        }                                                                                          \
    }                                                                                              \
    SIMD_CLONES static void blocked_average_vjp_##N(const reach *r, float share, const float *dy,  \
                                                    float *dx)                                     \
    {                                                                                              \
        lanes##N gradient = *(const lanes##N *)dy * share;                                         \
        EACH_TAP(at)                                                                               \
        {                                                                                          \
            *(lanes##N *)(dx + at) += gradient;                                                    \
        }                                                                                          \
    }

BLOCKED_VJP(8)
BLOCKED_VJP(16)

static void max_vjp(const reach *r, int64_t lanes, const float *x, const float *y, const float *dy,
                    float *dx)
{
    if (lanes == 8) {
        blocked_max_vjp_8(r, x, y, dy, dx);
    } else if (lanes == 16) {
        blocked_max_vjp_16(r, x, y, dy, dx);
    } else {
        EACH_TAP(at)
        {
            if (x[at] == *y) {
                dx[at] += *dy;
                return;
            }
        }
    }
}

static void average_vjp(const reach *r, int64_t lanes, float share, const float *dy, float *dx)
{
    if (lanes == 8) {
        blocked_average_vjp_8(r, share, dy, dx);
    } else if (lanes == 16) {
        blocked_average_vjp_16(r, share, dy, dx);
    } else {
        EACH_TAP(at)
        {
            dx[at] += *dy * share;
        }
    }
}

/* sign(x) |x / y|^(p - 1) */
static void norm_vjp(const reach *r, int64_t lanes, int64_t p, const float *x, const float *y,
                     const float *dy, float *dx)
{
    EACH_TAP(at)
    {
        for (int64_t l = 0; l < lanes; l++) {
            float v = x[at + l], ratio = y[l] > 0 ? fabsf(v) / y[l] : 0.0f,
                  slope = p == 2   ? ratio
                          : p == 1 ? 1.0f
                                   : powf(ratio, (float)(p - 1));
            dx[at + l] += v == 0 ? 0.0f : copysignf(slope, v) * dy[l];
        }
    }
}

/* The outputs of one row, out of a plane. x, y: NULL for averages. */
static void vjp_row(const job *j, const float *x, const float *y, const float *dy, float *dx,
                    int64_t od, int64_t oh)
{
    const pool *s = j->s;
    const mucmm__window *w = &s->w;
    range d = taps_of(w, 0, od), h = taps_of(w, 1, oh);
    int64_t lanes = j->lanes, others = (int64_t)s->share[0][od] * s->share[1][oh],
            row = (input_of(w, 0, od, d.first) * w->in[1] + input_of(w, 1, oh, h.first)) * w->in[2];
    reach r = {.depth = d.last - d.first,
               .height = h.last - h.first,
               .step = w->dilation[2] * lanes,
               .row_step = w->dilation[1] * w->in[2] * lanes,
               .outer_step = w->dilation[0] * w->in[1] * w->in[2] * lanes};

    for (int64_t o = 0; o < w->out[2]; o++, dy += lanes) {
        int64_t at = (row + input_of(w, 2, o, s->across[o].first)) * lanes;
        r.width = s->across[o].last - s->across[o].first;
        if (s->kind == POOL_MAX)
            max_vjp(&r, lanes, x + at, y + o * lanes, dy, dx + at);
        else if (s->kind == POOL_AVERAGE)
            average_vjp(&r, lanes, 1.0f / (float)(others * s->share[2][o]), dy, dx + at);
        else
            norm_vjp(&r, lanes, s->p, x + at, y + o * lanes, dy, dx + at);
    }
}

/* The average of a plane: the same for each place. */
SIMD_CLONES static void spread(float *restrict dx, const float *dy, float share, int64_t n,
                               int64_t lanes)
{
    float same[16];

    for (int64_t l = 0; l < 16; l++)
        same[l] = dy[l % lanes] * share;
    for (int64_t i = 0; i + 16 <= n * lanes; i += 16)
        memcpy(dx + i, same, sizeof same);
    for (int64_t i = n * lanes / 16 * 16; i < n * lanes; i++)
        dx[i] = same[i % 16];
}

static void vjp_planes(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;
    const mucmm__window *w = &j->s->w;

    for (int64_t i = first; i < last; i++) {
        int64_t in = i * j->in * j->lanes, out = i * j->out * j->lanes;
        if (j->s->whole && j->s->kind == POOL_AVERAGE) {
            spread(j->dx + in, j->dy + out, 1.0f / (float)j->in, j->in, j->lanes);
            continue;
        }
        const float *x = j->x ? (const float *)j->x + in : NULL;
        memset(j->dx + in, 0, (size_t)(j->in * j->lanes) * sizeof *j->dx);
        for (int64_t od = 0; od < w->out[0]; od++)
            for (int64_t oh = 0; oh < w->out[1]; oh++, out += w->out[2] * j->lanes)
                vjp_row(j, x, j->y ? (const float *)j->y + out : NULL, j->dy + out, j->dx + in, od,
                        oh);
    }
}

static mucmm_status pool_vjp(mucmm__call *c)
{
    int64_t planes;
    job j = make_job(c, &planes);

    if (!c->dy[0] || planes == 0) {
        memset(c->dx[0], 0, (size_t)mucmm__desc_bytes(c->in[0]));
        return MUCMM_OK;
    }
    j.x = c->x[0];
    j.y = c->y[0];
    j.dy = c->dy[0];
    j.dx = c->dx[0];
    run_tasks(c, &j, planes, (j.in + j.out) * j.lanes, vjp_planes);
    return MUCMM_OK;
}

/* ---- MaxUnpool --------------------------------------------------------------------- */

/* y is zero but for y[i[k]] = x[k]. The places count in the shape that the window gives; with an
 * output_shape the same coordinates are meant in that shape. */

static mucmm_status natural_shape(const mucmm__call *c, int64_t shape[MUCMM_MAX_RANK])
{
    mucmm_status status = MUCMM_OK;
    mucmm__window w;

    TRY(mucmm__window_attributes(c, NULL, &w));
    shape[0] = c->in[0]->shape[0];
    shape[1] = c->in[0]->shape[1];
    for (int32_t k = 0; k < w.axes; k++) {
        shape[2 + k] = (w.in[k] - 1) * w.stride[k] + w.kernel[k] - w.before[k] - w.after[k];
        if (shape[2 + k] < 0 || shape[2 + k] > INT32_MAX)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "spatial axis %d would have %" PRId64 " places",
                                  k, shape[2 + k]);
    }
done:
    return status;
}

static mucmm_status unpool_infer(mucmm__call *c)
{
    int64_t shape[MUCMM_MAX_RANK], count;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__check_type(c, 0, 1u << MUCMM_F16 | 1u << MUCMM_F32 | 1u << MUCMM_F64));
    TRY(mucmm__check_type(c, 1, 1u << MUCMM_I64));
    if (!mucmm__same_shape(c->in[0], c->in[1]))
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the places must have the shape of the input");
    TRY(natural_shape(c, shape));
    if (mucmm__has_in(c, 2)) {
        TRY(mucmm__known_ints(c, 2, shape, MUCMM_MAX_RANK, &count));
        if (count != c->in[0]->rank)
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "output_shape has %" PRId64 " numbers; it must have %d", count,
                                  c->in[0]->rank);
    }
    TRY(mucmm__out(c, 0, c->in[0]->dtype, c->in[0]->rank, shape));
done:
    return status;
}

/* *to: where the place is in the output. */
static mucmm_status unpool_place(const mucmm__call *c, const int64_t *natural, int64_t place,
                                 int64_t *to)
{
    const mucmm__desc *d = c->out[0];
    int64_t rest = place, factor = 1;

    *to = 0;
    for (int32_t k = d->rank; k-- > 0 && rest >= 0;) {
        int64_t at = natural[k] > 0 ? rest % natural[k] : 0;
        if (natural[k] == 0 || at >= d->shape[k])
            return mucmm__op_fail(c, MUCMM_EFORMAT, "place %" PRId64 " is outside of the output",
                                  place);
        rest /= natural[k];
        *to += at * factor;
        factor *= d->shape[k];
    }
    if (rest != 0)
        return mucmm__op_fail(c, MUCMM_EFORMAT, "place %" PRId64 " is outside of the output",
                              place);
    return MUCMM_OK;
}

static mucmm_status unpool_forward(mucmm__call *c)
{
    int64_t natural[MUCMM_MAX_RANK], n = mucmm__desc_count(c->in[0]), to;
    const int64_t *places = c->x[1];
    mucmm_status status = MUCMM_OK;

    memset(c->y[0], 0, (size_t)mucmm__desc_bytes(c->out[0]));
    TRY(natural_shape(c, natural));
    for (int64_t i = 0; i < n; i++) {
        TRY(unpool_place(c, natural, places[i], &to));
        mucmm__number_put(c->out[0]->dtype, c->y[0], to,
                          mucmm__number_get(c->in[0]->dtype, c->x[0], i));
    }
done:
    return status;
}

static mucmm_status unpool_vjp(mucmm__call *c)
{
    int64_t natural[MUCMM_MAX_RANK], n = mucmm__desc_count(c->in[0]), to;
    const int64_t *places = c->x[1];
    const float *dy = c->dy[0];
    mucmm_status status = MUCMM_OK;

    TRY(natural_shape(c, natural));
    for (int64_t i = 0; i < n; i++) {
        TRY(unpool_place(c, natural, places[i], &to));
        ((float *)c->dx[0])[i] = dy ? dy[to] : 0.0f;
    }
done:
    return status;
}

#define ROW(name, first, last, outs, reads_x, reads_y)                                             \
    {                                                                                              \
        .type = name, .since = first, .until = last, .min_in = 1, .max_in = 1, .min_out = 1,       \
        .max_out = outs, .infer = pool_infer, .forward = pool_forward, .vjp = pool_vjp, .diff = 1, \
        .vjp_x = reads_x, .vjp_y = reads_y, .layout = pool_layout, .prepare = pool_prepare,        \
        .drop = pool_drop                                                                          \
    }

const mucmm__op mucmm__ops_pool[] = {
    ROW("MaxPool", 1, 7, 1, 1, 1),
    ROW("MaxPool", 8, 0, 2, 1, 1),
    ROW("AveragePool", 1, 0, 1, 0, 0),
    ROW("LpPool", 2, 0, 1, 1, 1),
    ROW("GlobalMaxPool", 1, 0, 1, 1, 1),
    ROW("GlobalAveragePool", 1, 0, 1, 0, 0),
    ROW("GlobalLpPool", 2, 0, 1, 1, 1),
    {.type = "MaxUnpool",
     .since = 9,
     .min_in = 2,
     .max_in = 3,
     .min_out = 1,
     .max_out = 1,
     .infer = unpool_infer,
     .forward = unpool_forward,
     .vjp = unpool_vjp,
     .diff = 1,
     .vjp_x = 1u << 1},
    {0},
};
