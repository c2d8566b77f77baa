/* SPDX-License-Identifier: MIT
 *
 * resize.c - Resize and Upsample: y = (W_0 x W_1 x ...) x, one small matrix W_k an axis.
 *
 * A row of W_k has one (nearest), two (linear) or four (cubic) numbers. They are kept as a list of
 * taps, and their transpose for the gradient. Axes that keep their size are not touched, so
 * blocked layouts pass when only spatial axes are resized; the lanes are one more axis then. */
#include "core/vmath.h"
#include "graph/graph.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MAX_AXES (MUCMM_MAX_RANK + 1)

/* Row o is the taps start[o] <= t < start[o + 1]. */
typedef struct taps {
    int64_t rows;
    int64_t *start; /* NULL = the identity */
    int64_t *at;
    float *weight;
    bool *outside; /* [rows]: the extrapolated ones; NULL = none */
} taps;

typedef enum transform {
    HALF_PIXEL,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_HALF_PIXEL_FOR_NN,
    TF_CROP_AND_RESIZE
} transform;

typedef enum rounding { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL } rounding;
typedef enum method { NEAREST, LINEAR, CUBIC } method;

typedef struct rules {
    method method;
    transform transform;
    rounding rounding;
    float cubic, extrapolation;
    bool exclude_outside;
    int64_t out[MUCMM_MAX_RANK];
    double scale[MUCMM_MAX_RANK];   /* out / in, or as given        */
    double length[MUCMM_MAX_RANK];  /* in * scale, not rounded      */
    double roi[2 * MUCMM_MAX_RANK]; /* of TF_CROP_AND_RESIZE  */
} rules;

typedef struct resize {
    int32_t axes;
    int64_t in[MAX_AXES], out[MAX_AXES]; /* in memory: blocks of channels, lanes */
    taps taps[MAX_AXES], back[MAX_AXES];
    int32_t passes, order[MAX_AXES]; /* the axes that change, in the order of the work */
    rules rules;
    bool extrapolates;
    int64_t buffer; /* bytes of one of the two between passes */
} resize;

/* ---- reading ----------------------------------------------------------------------- */

static mucmm_status choice(const mucmm__call *c, const char *name, const char *otherwise,
                           const char *const *names, int32_t n, int32_t *out)
{
    const char *given = mucmm__attr_string(c->node, name, otherwise);

    for (*out = 0; *out < n; ++*out)
        if (strcmp(given, names[*out]) == 0)
            return MUCMM_OK;
    return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "%s is '%.40s', which is not supported", name,
                          given);
}

static bool is_upsample(const mucmm__call *c)
{
    return strcmp(c->node->op->type, "Upsample") == 0;
}

static bool is_old(const mucmm__call *c) /* X and scales only, asymmetric, rounded down */
{
    return is_upsample(c) || c->node->op->since == 10;
}

static mucmm_status read_attributes(const mucmm__call *c, rules *r)
{
    static const char *const methods[] = {"nearest", "linear", "cubic"};
    static const char *const transforms[] = {"half_pixel",           "pytorch_half_pixel",
                                             "align_corners",        "asymmetric",
                                             "tf_half_pixel_for_nn", "tf_crop_and_resize"};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                            "ceil"};
    mucmm_status status = MUCMM_OK;
    int32_t value;

    TRY(choice(c, "mode", "nearest", methods, is_old(c) ? 2 : 3, &value));
    r->method = (method)value;
    r->transform = ASYMMETRIC;
    r->rounding = FLOOR;
    if (is_old(c))
        return MUCMM_OK;
    TRY(choice(c, "coordinate_transformation_mode", "half_pixel", transforms, 6, &value));
    r->transform = (transform)value;
    TRY(choice(c, "nearest_mode", "round_prefer_floor", roundings, 4, &value));
    r->rounding = (rounding)value;
    r->cubic = mucmm__attr_float(c->node, "cubic_coeff_a", -0.75f);
    r->extrapolation = mucmm__attr_float(c->node, "extrapolation_value", 0.0f);
    r->exclude_outside = mucmm__attr_int(c->node, "exclude_outside", 0) != 0;
done:
    return status;
}

/* A list of numbers that must be known; *n = 0 if it is absent. */
static mucmm_status known_numbers(const mucmm__call *c, int32_t i, int64_t max, double *values,
                                  int64_t *n)
{
    *n = mucmm__has_in(c, i) ? mucmm__desc_count(c->in[i]) : 0;
    if (*n > max)
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "input %d has %" PRId64 " numbers; at most %" PRId64 " make sense", i,
                              *n, max);
    if (*n > 0 && !c->known[i])
        return MUCMM__EVALUE;
    for (int64_t k = 0; k < *n; k++)
        values[k] = mucmm__number_get(c->in[i]->dtype, c->known[i], k);
    return MUCMM_OK;
}

static mucmm_status read_scales(const mucmm__call *c, rules *r, int64_t *n)
{
    const mucmm__attr *a = mucmm__attr_find(c->node, "scales", MUCMM__ATTR_FLOATS);
    const mucmm__desc *x = c->in[0];
    mucmm_status status = MUCMM_OK;

    if (is_upsample(c) && c->node->op->since < 9) {
        *n = a ? a->n : 0;
        for (int64_t k = 0; k < *n && k < MUCMM_MAX_RANK; k++)
            r->scale[k] = (double)a->floats[k];
    } else {
        TRY(known_numbers(c, is_old(c) ? 1 : 2, MUCMM_MAX_RANK, r->scale, n));
    }
    if (*n == 0)
        return MUCMM_OK;
    if (*n != x->rank)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "there are %" PRId64 " scales for %d dimensions", *n,
                              x->rank);
    for (int32_t k = 0; k < x->rank; k++) {
        float size = (float)x->shape[k] * (float)r->scale[k];
        if (!(r->scale[k] > 0) || !(size < 0x1p40f))
            return mucmm__op_fail(c, MUCMM_EARG, "scale %g of axis %d cannot be used", r->scale[k],
                                  k);
        r->out[k] = (int64_t)floorf(size);
        r->length[k] = (double)x->shape[k] * r->scale[k];
    }
done:
    return status;
}

static mucmm_status read_sizes(const mucmm__call *c, rules *r)
{
    const mucmm__desc *x = c->in[0];
    mucmm_status status = MUCMM_OK;
    int64_t n;

    TRY(mucmm__known_ints(c, 3, r->out, MUCMM_MAX_RANK, &n));
    if (n != x->rank)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "there are %" PRId64 " sizes for %d dimensions", n,
                              x->rank);
    for (int32_t k = 0; k < x->rank; k++) {
        if (r->out[k] < 0 || r->out[k] > INT64_C(1) << 40)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "axis %d would have %" PRId64 " places", k,
                                  r->out[k]);
        r->length[k] = (double)r->out[k];
        r->scale[k] = x->shape[k] > 0 ? (double)r->out[k] / (double)x->shape[k] : 1;
    }
done:
    return status;
}

static mucmm_status read_rules(const mucmm__call *c, rules *r)
{
    const mucmm__desc *x = c->in[0];
    mucmm_status status = MUCMM_OK;
    int64_t n, sizes;

    *r = (rules){0};
    TRY(read_attributes(c, r));
    TRY(read_scales(c, r, &n));
    sizes = !is_old(c) && mucmm__has_in(c, 3) ? mucmm__desc_count(c->in[3]) : 0;
    if ((n > 0) == (sizes > 0) && x->rank > 0)
        return mucmm__op_fail(c, MUCMM_EARG, "%s",
                              n > 0 ? "both scales and sizes are given"
                                    : "neither scales nor sizes are given");
    if (sizes > 0)
        TRY(read_sizes(c, r));
    for (int32_t k = 0; k < x->rank; k++)
        if (x->shape[k] == 0 && r->out[k] > 0)
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "axis %d is empty; it cannot have %" PRId64 " places", k,
                                  r->out[k]);
    if (r->transform == TF_CROP_AND_RESIZE) {
        TRY(known_numbers(c, 1, 2 * MUCMM_MAX_RANK, r->roi, &n));
        if (n != 2 * x->rank)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "roi has %" PRId64 " numbers; it must have %d",
                                  n, 2 * x->rank);
    }
done:
    return status;
}

static mucmm_status resize_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    rules r;

    TRY(read_rules(c, &r));
    TRY(mucmm__check_type(c, 0,
                          r.method == NEAREST
                              ? MUCMM__TYPES_ANY
                              : 1u << MUCMM_F32 | 1u << MUCMM_F16 | 1u << MUCMM_BF16 |
                                    1u << MUCMM_U8 | 1u << MUCMM_I8));
    TRY(mucmm__out(c, 0, c->in[0]->dtype, c->in[0]->rank, r.out));
done:
    return status;
}

static void resize_layout(mucmm__call *c)
{
    const mucmm__desc *x = c->in[0], *y = c->out[0];
    rules r;

    if (x->block == 1 || x->dtype != MUCMM_F32 || x->shape[0] != y->shape[0] ||
        x->shape[1] != y->shape[1] || read_rules(c, &r) != MUCMM_OK || r.scale[0] != 1 ||
        r.scale[1] != 1 || r.transform == TF_CROP_AND_RESIZE)
        return;
    c->want[0] = x->block;
    c->out[0]->block = x->block;
}

/* ---- taps -------------------------------------------------------------------------- */

static void taps_drop(taps *t)
{
    mucmm__free(t->start);
    mucmm__free(t->at);
    mucmm__free(t->weight);
    mucmm__free(t->outside);
    *t = (taps){0};
}

/* Where output o of axis k is in the input, in units of its places. */
static double place_of(const rules *r, int32_t rank, int32_t k, int64_t in, int64_t o)
{
    double x = (double)o, n = (double)in, m = r->length[k], s = r->scale[k];
    double first = r->roi[k], last = r->roi[rank + k];

    switch (r->transform) {
    case HALF_PIXEL:
        return (x + 0.5) / s - 0.5;
    case PYTORCH_HALF_PIXEL:
        return r->out[k] > 1 ? (x + 0.5) / s - 0.5 : 0;
    case ALIGN_CORNERS:
        return r->out[k] > 1 ? x * (n - 1) / (m - 1) : 0;
    case ASYMMETRIC:
        return x / s;
    case TF_HALF_PIXEL_FOR_NN:
        return (x + 0.5) / s;
    case TF_CROP_AND_RESIZE:
        return r->out[k] > 1 ? first * (n - 1) + x * (last - first) * (n - 1) / (m - 1)
                             : 0.5 * (first + last) * (n - 1);
    }
    return 0;
}

static double nearest_of(rounding how, double x)
{
    switch (how) {
    case PREFER_FLOOR:
        return ceil(x - 0.5);
    case PREFER_CEIL:
        return floor(x + 0.5);
    case FLOOR:
        return floor(x);
    case CEIL:
        return ceil(x);
    }
    return x;
}

/* Keys' kernel with parameter a at distance t. */
static double cubic_weight(double a, double t)
{
    double u = fabs(t);

    if (u <= 1)
        return ((a + 2) * u - (a + 3)) * u * u + 1;
    return u < 2 ? ((u - 5) * u + 8) * u * a - 4 * a : 0;
}

/* The taps of one row, at most 4, some perhaps outside; their number. */
static int32_t row_of(const rules *r, double x, double at[4], double weight[4])
{
    double low = floor(x), sum = 0;

    if (r->method == NEAREST) {
        at[0] = nearest_of(r->rounding, x);
        weight[0] = 1;
        return 1;
    }
    if (r->method == LINEAR) {
        at[0] = low;
        at[1] = low + 1;
        weight[1] = x - low;
        weight[0] = 1 - weight[1];
        return 2;
    }
    for (int32_t i = 0; i < 4; i++) {
        at[i] = low - 1 + i;
        weight[i] = cubic_weight((double)r->cubic, x - at[i]);
        sum += weight[i];
    }
    for (int32_t i = 0; i < 4; i++)
        weight[i] /= sum;
    return 4;
}

static int32_t drop_outside(int64_t in, double *at, double *weight, int32_t n)
{
    double sum = 0;
    int32_t kept = 0;

    for (int32_t i = 0; i < n; i++)
        if (at[i] >= 0 && at[i] < (double)in) {
            at[kept] = at[i];
            weight[kept] = weight[i];
            sum += weight[kept++];
        }
    for (int32_t i = 0; i < kept; i++)
        weight[i] /= sum;
    return kept;
}

static mucmm_status taps_alloc(mucmm_ctx *ctx, int64_t rows, int64_t n, taps *t)
{
    mucmm_status status = MUCMM_OK;

    t->rows = rows;
    TRY(mucmm__alloc(ctx, rows + 1, sizeof *t->start, &t->start));
    TRY(mucmm__alloc(ctx, n, sizeof *t->at, &t->at));
    TRY(mucmm__alloc(ctx, n, sizeof *t->weight, &t->weight));
    TRY(mucmm__alloc(ctx, rows, sizeof *t->outside, &t->outside));
done:
    return status;
}

static bool is_identity(const taps *t, int64_t in)
{
    if (t->rows != in)
        return false;
    for (int64_t o = 0; o < t->rows; o++)
        if (t->outside[o] || t->start[o] != o || t->start[o + 1] != o + 1 || t->at[o] != o ||
            t->weight[o] != 1.0f)
            return false;
    return true;
}

static mucmm_status make_taps(mucmm_ctx *ctx, const rules *r, int32_t rank, int32_t k, int64_t in,
                              taps *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t used = 0, m = r->out[k];
    double at[4], weight[4], end = (double)in - 1;

    TRY(taps_alloc(ctx, m, 4 * m, t));
    for (int64_t o = 0; o < m; o++) {
        double x = place_of(r, rank, k, in, o);
        int32_t n = 0;
        t->outside[o] = r->transform == TF_CROP_AND_RESIZE && !(x >= 0 && x <= end);
        x = x > -2 ? x < end + 2 ? x : end + 2 : -2; /* as far as any row reaches; also a NaN */
        if (!t->outside[o])
            n = row_of(r, x, at, weight);
        if (r->exclude_outside && r->method == CUBIC)
            n = drop_outside(in, at, weight, n);
        for (int32_t i = 0; i < n; i++) {
            if (weight[i] == 0)
                continue;
            t->at[used] = (int64_t)(at[i] < 0 ? 0 : at[i] > end ? end : at[i]);
            t->weight[used] = (float)weight[i];
            if (used > t->start[o] && t->at[used] == t->at[used - 1])
                t->weight[used - 1] += t->weight[used]; /* both at the edge */
            else
                used++;
        }
        t->start[o + 1] = used;
    }
    if (is_identity(t, in))
        taps_drop(t);
done:
    return status;
}

static mucmm_status transpose_taps(mucmm_ctx *ctx, const taps *t, int64_t in, taps *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = t->start[t->rows];

    TRY(taps_alloc(ctx, in, n, out));
    for (int64_t e = 0; e < n; e++)
        out->start[t->at[e] + 1]++;
    for (int64_t i = 0; i < in; i++)
        out->start[i + 1] += out->start[i];
    for (int64_t o = t->rows; o-- > 0;) /* from the end, each to the last free place */
        for (int64_t e = t->start[o]; e < t->start[o + 1]; e++) {
            int64_t to = --out->start[t->at[e] + 1];
            out->at[to] = o;
            out->weight[to] = t->weight[e];
        }
    /* Each start[i + 1] has moved down to the start of row i. */
    memmove(out->start, out->start + 1, (size_t)in * sizeof *out->start);
    out->start[in] = n;
done:
    return status;
}

static void resize_drop(void *state)
{
    resize *s = state;

    for (int32_t k = 0; s && k < MAX_AXES; k++) {
        taps_drop(&s->taps[k]);
        taps_drop(&s->back[k]);
    }
    mucmm__free(s);
}

/* Axes that shrink first, then the later axes, whose rows are shorter. */
static void plan_passes(resize *s)
{
    int64_t size = 1, sizes[MAX_AXES];

    for (int32_t k = s->axes; k-- > 0;)
        if (s->taps[k].start) {
            int32_t j = s->passes++;
            double ratio = (double)s->out[k] / (double)s->in[k];
            for (;
                 j > 0 && ratio < (double)s->out[s->order[j - 1]] / (double)s->in[s->order[j - 1]];
                 j--)
                s->order[j] = s->order[j - 1];
            s->order[j] = k;
        }
    memcpy(sizes, s->in, sizeof sizes);
    for (int32_t i = 0; i + 1 < s->passes; i++) {
        sizes[s->order[i]] = s->out[s->order[i]];
        size = 1;
        for (int32_t k = 0; k < s->axes; k++)
            size *= sizes[k];
        size = (size * (int64_t)sizeof(float) + 63) / 64 * 64;
        s->buffer = size > s->buffer ? size : s->buffer;
    }
}

/* In memory: [n, blocks, spatial..., lanes]. */
static void memory_axes(const mucmm__desc *d, int64_t sizes[MAX_AXES])
{
    for (int32_t k = 0; k < d->rank; k++)
        sizes[k] = d->shape[k];
    if (d->block > 1) {
        sizes[1] = (d->shape[1] + d->block - 1) / d->block;
        sizes[d->rank] = d->block;
    }
}

static int64_t all_of(const int64_t *sizes, int32_t n)
{
    int64_t product = 1;

    for (int32_t k = 0; k < n; k++)
        product *= sizes[k];
    return product;
}

static mucmm_status resize_prepare(mucmm__call *c)
{
    const mucmm__desc *x = c->in[0];
    mucmm_status status = MUCMM_OK;
    resize *s = NULL;

    TRY(mucmm__alloc(c->ctx, 1, sizeof *s, &s));
    TRY(read_rules(c, &s->rules));
    s->axes = x->rank + (x->block > 1);
    memory_axes(x, s->in);
    memory_axes(c->out[0], s->out);
    for (int32_t k = 0; k < x->rank && mucmm__desc_count(c->out[0]) > 0; k++) {
        if (x->block > 1 && k < 2)
            continue;
        TRY(make_taps(c->ctx, &s->rules, x->rank, k, s->in[k], &s->taps[k]));
        for (int64_t o = 0; s->taps[k].start && o < s->out[k]; o++)
            s->extrapolates = s->extrapolates || s->taps[k].outside[o];
        if (c->differentiable && s->taps[k].start)
            TRY(transpose_taps(c->ctx, &s->taps[k], s->in[k], &s->back[k]));
    }
    plan_passes(s);
    c->scratch = c->vjp_scratch = 2 * s->buffer;
    if (x->dtype != MUCMM_F32 && s->rules.method != NEAREST)
        c->scratch +=
            (mucmm__desc_count(x) + mucmm__desc_count(c->out[0])) * (int64_t)sizeof(float);
    c->state = s;
    s = NULL;
done:
    resize_drop(s);
    return status;
}

/* ---- one axis ---------------------------------------------------------------------- */

/* x [outer, in, inner] -> y [outer, rows, inner] */
typedef struct pass {
    const taps *taps;
    const float *x;
    float *y;
    int64_t in, inner;
} pass;

SIMD_CLONES static void add_row(float *y, const float *a, float u, const float *b, float v,
                                int64_t n, bool first)
{
    if (first) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = u * a[i] + v * b[i];
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] += u * a[i] + v * b[i];
    }
}

SIMD_CLONES static void scale_row(float *y, const float *a, float u, int64_t n, bool first)
{
    if (first) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = u * a[i];
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] += u * a[i];
    }
}

static void pass_row(const pass *p, const float *x, float *y, int64_t o)
{
    const taps *t = p->taps;
    int64_t e = t->start[o], last = t->start[o + 1], n = p->inner;

    if (n == 1) {
        float sum = 0;
        for (; e < last; e++)
            sum += t->weight[e] * x[t->at[e]];
        *y = sum;
        return;
    }
    if (e == last)
        memset(y, 0, (size_t)n * sizeof *y);
    for (; e + 1 < last; e += 2)
        add_row(y, x + t->at[e] * n, t->weight[e], x + t->at[e + 1] * n, t->weight[e + 1], n,
                e == t->start[o]);
    if (e < last)
        scale_row(y, x + t->at[e] * n, t->weight[e], n, e == t->start[o]);
}

static void pass_rows(void *arg, int64_t first, int64_t last)
{
    const pass *p = arg;
    int64_t rows = p->taps->rows;

    for (int64_t i = first; i < last; i++)
        pass_row(p, p->x + i / rows * p->in * p->inner, p->y + i * p->inner, i % rows);
}

/* sizes: of x; those of y when this returns. */
static void run_pass(mucmm_ctx *ctx, const taps *t, int32_t axis, int32_t axes, int64_t *sizes,
                     const float *x, float *y)
{
    pass p = {t, x, y, sizes[axis], all_of(sizes + axis + 1, axes - axis - 1)};

    mucmm__parallel_range(ctx, all_of(sizes, axis) * t->rows,
                          p.inner < 8192 ? 8192 / p.inner + 1 : 1, pass_rows, &p);
    sizes[axis] = t->rows;
}

/* All passes, forward or transposed and backwards; work: two buffers. */
static void run_passes(mucmm_ctx *ctx, const resize *s, bool back, const float *x, float *y,
                       char *work)
{
    int64_t sizes[MAX_AXES];

    memcpy(sizes, back ? s->out : s->in, sizeof sizes);
    if (s->passes == 0)
        memcpy(y, x, (size_t)all_of(sizes, s->axes) * sizeof *y);
    for (int32_t i = 0; i < s->passes; i++) {
        int32_t axis = s->order[back ? s->passes - 1 - i : i];
        float *to = i + 1 == s->passes ? y : (float *)(void *)(work + (i % 2) * s->buffer);
        run_pass(ctx, back ? &s->back[axis] : &s->taps[axis], axis, s->axes, sizes, x, to);
        x = to;
    }
}

/* ---- nearest: any type, all axes at once ------------------------------------------- */

typedef struct pick {
    const resize *s;
    const char *x;
    char *y;
    int32_t axis;  /* the last that changes */
    int64_t bytes; /* of what is behind it  */
} pick;

/* The compiler turns a memcpy of a constant size into one or two moves. */
static void pick_row(const pick *p, const char *x, char *y)
{
    const taps *t = &p->s->taps[p->axis];
    int64_t n = p->s->out[p->axis];

#define EACH(size)                                                                                 \
    for (int64_t o = 0; o < n; o++)                                                                \
    memcpy(y + o * (size), x + (t->start ? t->at[o] : o) * (size), (size_t)(size))
    if (p->bytes == 4)
        EACH(4);
    else if (p->bytes == 32)
        EACH(32);
    else if (p->bytes == 64)
        EACH(64);
    else
        EACH(p->bytes);
#undef EACH
}

static void pick_rows(void *arg, int64_t first, int64_t last)
{
    const pick *p = arg;
    const resize *s = p->s;

    for (int64_t i = first; i < last; i++) {
        int64_t rest = i, from = 0, factor = 1;
        for (int32_t k = p->axis; k-- > 0;) {
            int64_t o = rest % s->out[k];
            rest /= s->out[k];
            from += (s->taps[k].start ? s->taps[k].at[o] : o) * factor;
            factor *= s->in[k];
        }
        pick_row(p, p->x + from * s->in[p->axis] * p->bytes, p->y + i * s->out[p->axis] * p->bytes);
    }
}

static void run_nearest(mucmm__call *c, const resize *s)
{
    pick p = {.s = s, .x = c->x[0], .y = c->y[0], .bytes = mucmm_dtype_size(c->in[0]->dtype)};
    int64_t row;

    if (s->axes == 0) {
        memcpy(p.y, p.x, (size_t)p.bytes);
        return;
    }
    for (p.axis = s->axes - 1; p.axis > 0 && !s->taps[p.axis].start; p.axis--)
        p.bytes *= s->in[p.axis];
    row = p.bytes * s->out[p.axis];
    mucmm__parallel_range(c->ctx, all_of(s->out, p.axis), row < 65536 ? 65536 / (row + 1) + 1 : 1,
                          pick_rows, &p);
}

/* ---- the operator ------------------------------------------------------------------ */

static void extrapolate(const mucmm__call *c, const resize *s)
{
    int64_t n = mucmm__desc_count(c->out[0]);

    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i;
        bool outside = false;
        for (int32_t k = s->axes; k-- > 0;) {
            int64_t o = rest % s->out[k];
            rest /= s->out[k];
            outside = outside || (s->taps[k].start && s->taps[k].outside[o]);
        }
        if (outside)
            mucmm__number_put(c->out[0]->dtype, c->y[0], i, (double)s->rules.extrapolation);
    }
}

static void run_converted(mucmm__call *c, const resize *s)
{
    int64_t in = mucmm__desc_count(c->in[0]), out = mucmm__desc_count(c->out[0]);
    char *work = c->work;
    float *x = (float *)(void *)(work + 2 * s->buffer), *y = x + in;

    mucmm__convert(c->in[0]->dtype, c->x[0], MUCMM_F32, x, in);
    run_passes(c->ctx, s, false, x, y, work);
    mucmm__convert(MUCMM_F32, y, c->out[0]->dtype, c->y[0], out);
}

static mucmm_status resize_forward(mucmm__call *c)
{
    const resize *s = c->state;

    if (mucmm__desc_count(c->out[0]) == 0)
        return MUCMM_OK;
    if (s->rules.method == NEAREST && !s->extrapolates)
        run_nearest(c, s);
    else if (c->in[0]->dtype == MUCMM_F32)
        run_passes(c->ctx, s, false, c->x[0], c->y[0], c->work);
    else
        run_converted(c, s);
    if (s->extrapolates)
        extrapolate(c, s);
    return MUCMM_OK;
}

static mucmm_status resize_vjp(mucmm__call *c)
{
    const resize *s = c->state;

    if (c->dy[0] && mucmm__desc_count(c->out[0]) > 0)
        run_passes(c->ctx, s, true, c->dy[0], c->dx[0], c->work);
    else
        memset(c->dx[0], 0, (size_t)mucmm__desc_bytes(c->in[0]));
    return MUCMM_OK;
}

#define ROW(name, first, last, least, most)                                                        \
    {                                                                                              \
        .type = name, .since = first, .until = last, .min_in = least, .max_in = most,              \
        .min_out = 1, .max_out = 1, .infer = resize_infer, .forward = resize_forward,              \
        .vjp = resize_vjp, .diff = 1, .layout = resize_layout, .prepare = resize_prepare,          \
        .drop = resize_drop                                                                        \
    }

const mucmm__op mucmm__ops_resize[] = {
    ROW("Upsample", 7, 8, 1, 1),
    ROW("Upsample", 9, 9, 2, 2),
    ROW("Resize", 10, 10, 2, 2),
    ROW("Resize", 11, 0, 1, 4),
    {0},
};
