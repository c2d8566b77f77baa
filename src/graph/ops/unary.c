/* SPDX-License-Identifier: MIT
 *
 * unary.c - functions of one number: arithmetic, the activations, Clip.
 *
 * Each runs over the memory of its input, whatever the layout. float32 is vectorized; the other
 * types go through double, and whole numbers through int64 where that is exact. */
#include "core/vmath.h"
#include "graph/broadcast.h"

#include <float.h>
#include <string.h>

#define GRAIN 32768 /* elements a task handles */

/* The attributes of the activations; what a and b are is beside each. */
typedef struct params {
    float a, b;
} params;

typedef struct attribute {
    const char *name; /* NULL = none */
    float otherwise;
} attribute;

typedef struct unary {
    uint32_t types;
    attribute a, b;
    void (*run)(int64_t n, params p, const float *x, float *y);
    /* dx = dy * slope; reads of x and y what the row of the table says, the other may be anything
     * that can be read */
    void (*slope)(int64_t n, params p, const float *x, const float *y, const float *dy, float *dx);
    double (*exact)(double x, params p);
    int64_t (*whole)(int64_t x, bool is_unsigned); /* NULL = through double */
} unary;

/* clang-format off */
#define BRACED(...) {__VA_ARGS__}
/* clang-format on */
#define NO_ATTRIBUTE (NULL, 0.0f)

/* Defines a function: y of x, its slope from x and y, y again in double. */
#define UNARY(id, types, a, b, whole, float_y, float_slope, double_y)                              \
    SIMD_CLONES static void id##_run(int64_t n, params p, const float *in, float *out)             \
    {                                                                                              \
        (void)p;                                                                                   \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                        \
        {                                                                                          \
            float x = in[i];                                                                       \
            out[i] = (float_y);                                                                    \
        }                                                                                          \
    }                                                                                              \
    SIMD_CLONES static void id##_slope_run(int64_t n, params p, const float *in, const float *out, \
                                           const float *dy, float *dx)                             \
    {                                                                                              \
        (void)p;                                                                                   \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                        \
        {                                                                                          \
            float x = in[i], y = out[i];                                                           \
            (void)x, (void)y;                                                                      \
            dx[i] = dy[i] * (float_slope);                                                         \
        }                                                                                          \
    }                                                                                              \
    static double id##_exact(double x, params p)                                                   \
    {                                                                                              \
        (void)p;                                                                                   \
        return (double_y);                                                                         \
    }                                                                                              \
    static const unary id##_unary = {types,          BRACED a,   BRACED b, id##_run,               \
                                     id##_slope_run, id##_exact, whole};
#define FLOATS(id, float_y, float_slope, double_y)                                                 \
    UNARY(id, MUCMM__TYPES_FLOAT, NO_ATTRIBUTE, NO_ATTRIBUTE, NULL, float_y, float_slope, double_y)

/* ---- arithmetic -------------------------------------------------------------------- */

static int64_t whole_neg(int64_t x, bool is_unsigned)
{
    (void)is_unsigned;
    return (int64_t)(0u - (uint64_t)x);
}

static int64_t whole_abs(int64_t x, bool is_unsigned)
{
    return x < 0 && !is_unsigned ? whole_neg(x, false) : x;
}

static int64_t whole_sign(int64_t x, bool is_unsigned)
{
    return x == 0 ? 0 : x < 0 && !is_unsigned ? -1 : 1;
}

static int64_t whole_relu(int64_t x, bool is_unsigned)
{
    (void)is_unsigned;
    return x < 0 ? 0 : x;
}

#define NUMBERS(id, types, whole, float_y, float_slope, double_y)                                  \
    UNARY(id, types, NO_ATTRIBUTE, NO_ATTRIBUTE, whole, float_y, float_slope, double_y)

/* clang-format off */
NUMBERS(neg, MUCMM__TYPES_FLOAT | MUCMM__TYPES_SIGNED, whole_neg, -x, -1.0f, -x)
NUMBERS(absolute, MUCMM__TYPES_NUMBER, whole_abs,
        fabsf(x), x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f, fabs(x))
NUMBERS(sign, MUCMM__TYPES_NUMBER, whole_sign,
        x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x, 0.0f, x > 0 ? 1 : x < 0 ? -1 : x)
NUMBERS(error_function, MUCMM__TYPES_NUMBER, NULL,
        erf_any(x), 1.12837917f * exp_any(-x * x), erf(x))
/* clang-format on */
FLOATS(reciprocal, 1.0f / x, -(y *y), 1 / x)
FLOATS(square_root, sqrtf(x), 0.5f / y, sqrt(x))
FLOATS(exponential, exp_any(x), y, exp(x))
FLOATS(logarithm, log_any(x), 1.0f / x, log(x))
FLOATS(round_down, floorf(x), 0.0f, floor(x))
FLOATS(round_up, ceilf(x), 0.0f, ceil(x))
FLOATS(round_even, rintf(x), 0.0f, rint(x)) /* the rounding mode is never changed */

/* ---- circular and hyperbolic functions --------------------------------------------- */

FLOATS(sine, sinf(x), cosf(x), sin(x))
FLOATS(cosine, cosf(x), -sinf(x), cos(x))
FLOATS(tangent, tanf(x), 1.0f + y * y, tan(x))
FLOATS(arc_sine, asinf(x), 1.0f / sqrtf((1.0f - x) * (1.0f + x)), asin(x))
FLOATS(arc_cosine, acosf(x), -1.0f / sqrtf((1.0f - x) * (1.0f + x)), acos(x))
FLOATS(arc_tangent, atanf(x), 1.0f / (1.0f + x * x), atan(x))
FLOATS(hyperbolic_sine, sinhf(x), coshf(x), sinh(x))
FLOATS(hyperbolic_cosine, coshf(x), sinhf(x), cosh(x))
FLOATS(hyperbolic_tangent, tanh_any(x), 1.0f - y * y, tanh(x))
FLOATS(area_sine, asinhf(x), 1.0f / sqrtf(x * x + 1.0f), asinh(x))
FLOATS(area_cosine, acoshf(x), 1.0f / sqrtf((x - 1.0f) * (x + 1.0f)), acosh(x))
FLOATS(area_tangent, atanhf(x), 1.0f / ((1.0f - x) * (1.0f + x)), atanh(x))

/* ---- activations ------------------------------------------------------------------- */

#define WITH(id, a, b, float_y, float_slope, double_y)                                             \
    UNARY(id, MUCMM__TYPES_FLOAT, a, b, NULL, float_y, float_slope, double_y)

VMATH float unit(float t) /* in 0..1; a NaN stays */
{
    float at_least = t < 0.0f ? 0.0f : t;
    return at_least > 1.0f ? 1.0f : at_least;
}

static double unit_exact(double t)
{
    return t < 0 ? 0 : t > 1 ? 1 : t;
}

static double sigmoid_exact(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double softplus_exact(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* tanh(ln(1 + e^x)) = ((1 + e^x)^2 - 1) / ((1 + e^x)^2 + 1), from e^-|x|. */
VMATH float mish_gate(float x)
{
    float e = exp_any(-fabsf(x)), up = x > 0.0f ? 1.0f + 2.0f * e : e * (e + 2.0f);
    return up / (up + (x > 0.0f ? 2.0f * e * e : 2.0f));
}

VMATH float mish_slope(float x)
{
    float t = mish_gate(x);
    return t + x * (1.0f - t * t) * sigmoid(x);
}

VMATH float silu_slope(float x)
{
    float s = sigmoid(x);
    return s + x * s * (1.0f - s);
}

VMATH float softsign_slope(float x)
{
    float t = 1.0f + fabsf(x);
    return 1.0f / (t * t);
}

/* clang-format off */
NUMBERS(relu, MUCMM__TYPES_FLOAT | MUCMM__TYPES_SIGNED, whole_relu,
        x < 0.0f ? 0.0f : x, y > 0.0f ? 1.0f : 0.0f, x < 0 ? 0 : x)
WITH(leaky_relu, ("alpha", 0.01f), NO_ATTRIBUTE,
     x < 0.0f ? p.a * x : x, x < 0.0f ? p.a : 1.0f, x < 0 ? (double)p.a * x : x)
WITH(elu, ("alpha", 1.0f), NO_ATTRIBUTE,
     x < 0.0f ? p.a * expm1_any(x) : x,
     x < 0.0f ? p.a * exp_any(x) : 1.0f,
     x < 0 ? (double)p.a * expm1(x) : x)
WITH(selu, ("alpha", 1.67326319f), ("gamma", 1.05070102f),
     p.b * (x < 0.0f ? p.a * expm1_any(x) : x),
     p.b * (x < 0.0f ? p.a * exp_any(x) : 1.0f),
     (double)p.b * (x < 0 ? (double)p.a * expm1(x) : x))
WITH(celu, ("alpha", 1.0f), NO_ATTRIBUTE,
     x < 0.0f ? p.a * expm1_any(x / p.a) : x,
     x < 0.0f ? exp_any(x / p.a) : 1.0f,
     x < 0 ? (double)p.a * expm1(x / (double)p.a) : x)
WITH(thresholded_relu, ("alpha", 1.0f), NO_ATTRIBUTE,
     x > p.a ? x : 0.0f, x > p.a ? 1.0f : 0.0f, x > (double)p.a ? x : 0)
WITH(hard_sigmoid, ("alpha", 0.2f), ("beta", 0.5f),
     unit(p.a * x + p.b),
     y > 0.0f && y < 1.0f ? p.a : 0.0f,
     unit_exact((double)p.a * x + (double)p.b))
FLOATS(hard_swish,
       x * unit(x * (1.0f / 6.0f) + 0.5f),
       x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : x * (1.0f / 3.0f) + 0.5f,
       x * unit_exact(x / 6 + 0.5))
WITH(scaled_hard_swish, ("alpha", 1.0f), ("beta", 0.0f),
     p.a * (x * unit(x * (1.0f / 6.0f) + 0.5f)) + p.b,
     p.a * (x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : x * (1.0f / 3.0f) + 0.5f),
     (double)p.a * (x * unit_exact(x / 6 + 0.5)) + (double)p.b)
WITH(affine, ("alpha", 1.0f), ("beta", 0.0f),
     p.a * x + p.b, p.a, (double)p.a * x + (double)p.b)
FLOATS(logistic, sigmoid(x), y * (1.0f - y), sigmoid_exact(x))
FLOATS(soft_plus, softplus(x), sigmoid(x), softplus_exact(x))
FLOATS(softsign, x / (1.0f + fabsf(x)), softsign_slope(x), x / (1 + fabs(x)))
FLOATS(mish, x * mish_gate(x), mish_slope(x), x * tanh(softplus_exact(x)))
FLOATS(gauss_error_linear, gelu(x), gelu_slope(x), 0.5 * x * erfc(-x * sqrt(0.5)))
FLOATS(silu, x * sigmoid(x), silu_slope(x), x * sigmoid_exact(x))
UNARY(shrink, MUCMM__TYPES_NUMBER, ("lambd", 0.5f), ("bias", 0.0f), NULL,
      x < -p.a ? x + p.b : x > p.a ? x - p.b : 0.0f,
      x < -p.a || x > p.a ? 1.0f : 0.0f,
      x < -(double)p.a ? x + (double)p.b : x > (double)p.a ? x - (double)p.b : 0)
/* clang-format on */

/* ---- the table's list, and what all of them share ---------------------------------- */

/* What the vjp reads: x, y or nothing. */
#define FROM_X 1, 0
#define FROM_Y 0, 1
#define FROM_DY 0, 0

/* id, ONNX's name, first opset, what the slope reads, flags */
#define UNARY_MAP(X)                                                                               \
    X(neg, "Neg", 6, FROM_DY, 0)                                                                   \
    X(absolute, "Abs", 6, FROM_X, 0)                                                               \
    X(error_function, "Erf", 9, FROM_X, 0)                                                         \
    X(reciprocal, "Reciprocal", 6, FROM_Y, 0)                                                      \
    X(square_root, "Sqrt", 6, FROM_Y, 0)                                                           \
    X(exponential, "Exp", 6, FROM_Y, 0)                                                            \
    X(logarithm, "Log", 6, FROM_X, 0)                                                              \
    X(sine, "Sin", 7, FROM_X, 0)                                                                   \
    X(cosine, "Cos", 7, FROM_X, 0)                                                                 \
    X(tangent, "Tan", 7, FROM_Y, 0)                                                                \
    X(arc_sine, "Asin", 7, FROM_X, 0)                                                              \
    X(arc_cosine, "Acos", 7, FROM_X, 0)                                                            \
    X(arc_tangent, "Atan", 7, FROM_X, 0)                                                           \
    X(hyperbolic_sine, "Sinh", 9, FROM_X, 0)                                                       \
    X(hyperbolic_cosine, "Cosh", 9, FROM_X, 0)                                                     \
    X(hyperbolic_tangent, "Tanh", 6, FROM_Y, 0)                                                    \
    X(area_sine, "Asinh", 9, FROM_X, 0)                                                            \
    X(area_cosine, "Acosh", 9, FROM_X, 0)                                                          \
    X(area_tangent, "Atanh", 9, FROM_X, 0)                                                         \
    X(relu, "Relu", 6, FROM_Y, 0)                                                                  \
    X(leaky_relu, "LeakyRelu", 6, FROM_X, 0)                                                       \
    X(elu, "Elu", 6, FROM_X, 0)                                                                    \
    X(selu, "Selu", 6, FROM_X, 0)                                                                  \
    X(celu, "Celu", 12, FROM_X, 0)                                                                 \
    X(thresholded_relu, "ThresholdedRelu", 10, FROM_X, 0)                                          \
    X(hard_sigmoid, "HardSigmoid", 6, FROM_Y, 0)                                                   \
    X(hard_swish, "HardSwish", 14, FROM_X, 0)                                                      \
    X(logistic, "Sigmoid", 6, FROM_Y, 0)                                                           \
    X(soft_plus, "Softplus", 1, FROM_X, 0)                                                         \
    X(softsign, "Softsign", 1, FROM_X, 0)                                                          \
    X(mish, "Mish", 17, FROM_X, 0)                                                                 \
    X(shrink, "Shrink", 9, FROM_X, 0)                                                              \
    X(gauss_error_linear, "Gelu", 1, FROM_X, MUCMM__INTERNAL)                                      \
    X(silu, "Silu", 1, FROM_X, MUCMM__INTERNAL)                                                    \
    X(scaled_hard_swish, "ScaledHardSwish", 1, FROM_X, MUCMM__INTERNAL)                            \
    X(affine, "Affine", 1, FROM_DY, MUCMM__INTERNAL)
/* Piecewise constant: no gradient passes. */
#define STEP_MAP(X)                                                                                \
    X(sign, "Sign", 9)                                                                             \
    X(round_down, "Floor", 6) X(round_up, "Ceil", 6) X(round_even, "Round", 11)

/* In the order of the table's rows. */
static const unary *const functions[] = {
#define X(id, type, since, reads, flags) &id##_unary,
    UNARY_MAP(X)
#undef X
#define X(id, type, since) &id##_unary,
        STEP_MAP(X)
#undef X
};

static const unary *unary_of(const mucmm__call *c)
{
    return functions[c->node->op - mucmm__ops_unary];
}

static params params_of(const mucmm__call *c, const unary *u)
{
    return (params){u->a.name ? mucmm__attr_float(c->node, u->a.name, u->a.otherwise) : 0.0f,
                    u->b.name ? mucmm__attr_float(c->node, u->b.name, u->b.otherwise) : 0.0f};
}

static mucmm_status unary_infer(mucmm__call *c)
{
    mucmm_status s = mucmm__check_type(c, 0, unary_of(c)->types);
    return s == MUCMM_OK ? mucmm__out_like(c, 0, 0) : s;
}

typedef struct unary_job {
    const unary *u;
    params p;
    mucmm_dtype type;
    const void *x;
    void *y;
    const float *dy; /* vjp only */
    float *dx;
} unary_job;

static void unary_task(void *arg, int64_t first, int64_t last)
{
    const unary_job *job = arg;

    if (job->type == MUCMM_F32)
        job->u->run(last - first, job->p, (const float *)job->x + first, (float *)job->y + first);
    else if (job->u->whole && !mucmm__dtype_is_float(job->type))
        for (int64_t i = first; i < last; i++)
            mucmm__integer_put(job->type, job->y, i,
                               job->u->whole(mucmm__integer_get(job->type, job->x, i),
                                             MUCMM__TYPES_UNSIGNED >> job->type & 1u));
    else
        for (int64_t i = first; i < last; i++)
            mucmm__number_put(job->type, job->y, i,
                              job->u->exact(mucmm__number_get(job->type, job->x, i), job->p));
}

static void slope_task(void *arg, int64_t first, int64_t last)
{
    const unary_job *job = arg;
    job->u->slope(last - first, job->p, (const float *)job->x + first,
                  (const float *)job->y + first, job->dy + first, job->dx + first);
}

/* Elements in memory, padding included. */
static int64_t memory_count(const mucmm__desc *d)
{
    return mucmm__desc_bytes(d) / mucmm_dtype_size(d->dtype);
}

static mucmm_status unary_forward(mucmm__call *c)
{
    const unary *u = unary_of(c);
    unary_job job = {u, params_of(c, u), c->in[0]->dtype, c->x[0], c->y[0], NULL, NULL};

    mucmm__parallel_range(c->ctx, memory_count(c->in[0]), GRAIN, unary_task, &job);
    mucmm__zero_padding(c->out[0], c->y[0]);
    return MUCMM_OK;
}

static mucmm_status unary_vjp(mucmm__call *c)
{
    const unary *u = unary_of(c);
    const float *dy = c->dy[0];
    bool has_x = c->node->op->vjp_x & 1u, has_y = c->node->op->vjp_y & 1u;
    unary_job job = {u, params_of(c, u), MUCMM_F32, has_x ? c->x[0] : dy, NULL, dy, c->dx[0]};

    /* what is not read must be readable all the same */
    job.y = has_y ? c->y[0] : (void *)(uintptr_t)dy;
    if (!c->dx[0])
        return MUCMM_OK;
    if (!dy) {
        memset(c->dx[0], 0, (size_t)mucmm__desc_bytes(c->in[0]));
        return MUCMM_OK;
    }
    mucmm__parallel_range(c->ctx, memory_count(c->in[0]), GRAIN, slope_task, &job);
    mucmm__zero_padding(c->in[0], c->dx[0]);
    return MUCMM_OK;
}

/* ---- Clip -------------------------------------------------------------------------- */

/* y = min(max(x, lo), hi);  dx = dy where lo <= x <= hi, else 0 */

typedef struct clip_job {
    mucmm_dtype type;
    float lo, hi;
    const void *low, *high; /* of other types than float32; NULL = no bound */
    const void *x;
    void *y;
    const float *dy;
    float *dx;
} clip_job;

SIMD_CLONES static void clip_run(int64_t n, float lo, float hi, const float *x, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float at_least = x[i] < lo ? lo : x[i];
        y[i] = at_least > hi ? hi : at_least;
    }
}

SIMD_CLONES static void clip_slope(int64_t n, float lo, float hi, const float *x, const float *dy,
                                   float *dx)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = x[i] >= lo && x[i] <= hi ? dy[i] : 0.0f;
}

static bool is_less(mucmm_dtype t, const void *a, int64_t i, const void *b, int64_t j)
{
    if (mucmm__dtype_is_float(t))
        return mucmm__number_get(t, a, i) < mucmm__number_get(t, b, j);
    if (t == MUCMM_U64)
        return ((const uint64_t *)a)[i] < ((const uint64_t *)b)[j];
    return mucmm__integer_get(t, a, i) < mucmm__integer_get(t, b, j);
}

static void clip_task(void *arg, int64_t first, int64_t last)
{
    const clip_job *job = arg;
    size_t size = (size_t)mucmm_dtype_size(job->type);

    if (job->type == MUCMM_F32) {
        clip_run(last - first, job->lo, job->hi, (const float *)job->x + first,
                 (float *)job->y + first);
        return;
    }
    for (int64_t i = first; i < last; i++) {
        const void *value = job->x;
        int64_t at = i;
        if (job->low && is_less(job->type, value, at, job->low, 0))
            value = job->low, at = 0;
        if (job->high && is_less(job->type, job->high, 0, value, at))
            value = job->high, at = 0;
        memcpy((char *)job->y + (size_t)i * size, (const char *)value + (size_t)at * size, size);
    }
}

static void clip_slope_task(void *arg, int64_t first, int64_t last)
{
    const clip_job *job = arg;
    clip_slope(last - first, job->lo, job->hi, (const float *)job->x + first, job->dy + first,
               job->dx + first);
}

static mucmm_status clip_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_NUMBER));
    for (int32_t i = 1; i < c->n_in; i++) {
        if (!c->in[i])
            continue;
        TRY(mucmm__check_type(c, i, 1u << c->in[0]->dtype));
        if (mucmm__desc_count(c->in[i]) != 1)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "input %d, a bound, must be one number", i);
    }
    TRY(mucmm__out_like(c, 0, 0));
done:
    return status;
}

/* Attributes up to opset 10 (of a float type), then inputs. */
static clip_job clip_bounds(const mucmm__call *c)
{
    clip_job job = {.type = c->in[0]->dtype, .lo = -INFINITY, .hi = INFINITY, .x = c->x[0]};

    if (mucmm__has_in(c, 1))
        job.low = c->x[1];
    if (mucmm__has_in(c, 2))
        job.high = c->x[2];
    if (job.type != MUCMM_F32)
        return job;
    job.lo = job.low ? *(const float *)job.low : mucmm__attr_float(c->node, "min", job.lo);
    job.hi = job.high ? *(const float *)job.high : mucmm__attr_float(c->node, "max", job.hi);
    return job;
}

static mucmm_status clip_forward(mucmm__call *c)
{
    clip_job job = clip_bounds(c);
    uint64_t low = 0, high = 0; /* bounds of attributes in the type of x */
    const mucmm__node *n = c->node;

    job.y = c->y[0];
    if (n->opset < 11 && job.type != MUCMM_F32) {
        mucmm__number_put(job.type, &low, 0, (double)mucmm__attr_float(n, "min", -INFINITY));
        mucmm__number_put(job.type, &high, 0, (double)mucmm__attr_float(n, "max", INFINITY));
        job.low = &low;
        job.high = &high;
    }
    mucmm__parallel_range(c->ctx, memory_count(c->in[0]), GRAIN, clip_task, &job);
    mucmm__zero_padding(c->out[0], c->y[0]);
    return MUCMM_OK;
}

static mucmm_status clip_vjp(mucmm__call *c)
{
    clip_job job = clip_bounds(c);

    job.dy = c->dy[0];
    job.dx = c->dx[0];
    if (job.dx && !job.dy)
        memset(job.dx, 0, (size_t)mucmm__desc_bytes(c->in[0]));
    else if (job.dx)
        mucmm__parallel_range(c->ctx, memory_count(c->in[0]), GRAIN, clip_slope_task, &job);
    return MUCMM_OK;
}

/* clang-format off */
const mucmm__op mucmm__ops_unary[] = {
#define ROW(name, first, from_x, from_y, bits)                                                     \
    {.type = name, .since = first, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,           \
     .infer = unary_infer, .forward = unary_forward, .vjp = unary_vjp, .diff = 1, .vjp_x = from_x, \
     .vjp_y = from_y, .flags = bits, .layout = mucmm__layout_through},
#define X(id, name, first, reads, bits) ROW(name, first, reads, bits)
    UNARY_MAP(X)
#undef X
#undef ROW
#define X(id, name, first)                                                                         \
    {.type = name, .since = first, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,           \
     .infer = unary_infer, .forward = unary_forward, .flags = MUCMM__ZERO_GRADIENT,                \
     .layout = mucmm__layout_through},
    STEP_MAP(X)
#undef X
    {.type = "Clip", .since = 6, .until = 10, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
     .infer = clip_infer, .forward = clip_forward, .vjp = clip_vjp, .diff = 1, .vjp_x = 1,
     .layout = mucmm__layout_through},
    {.type = "Clip", .since = 11, .min_in = 1, .max_in = 3, .min_out = 1, .max_out = 1,
     .infer = clip_infer, .forward = clip_forward, .vjp = clip_vjp, .diff = 1, .vjp_x = 7,
     .layout = mucmm__layout_through},
    {0},
};
/* clang-format on */
