/* SPDX-License-Identifier: MIT
 *
 * compare.c - truth values: comparisons, logic, Where. */
#include "core/vmath.h"
#include "graph/broadcast.h"

#include <string.h>

/* ---- two operands ------------------------------------------------------------------ */

typedef struct comparison {
    uint32_t types;
    /* A step is 1, or 0 where the operand is one number for all n. */
    void (*run)(int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b,
                uint8_t *y);
    bool (*exact)(double a, double b);
    bool (*whole)(int64_t a, int64_t b);
    bool (*whole_unsigned)(uint64_t a, uint64_t b);
} comparison;

#define COMPARISON(id, types, operator)                                                            \
    SIMD_CLONES static void id##_run(int64_t n, const float *a, int64_t step_a, const float *b,    \
                                     int64_t step_b, uint8_t *y)                                   \
    {                                                                                              \
        if (step_a && step_b)                                                                      \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = a[i] operator b[i];         \
        else if (step_a) {                                                                         \
            float z = *b;                                                                          \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = a[i] operator z;            \
        } else {                                                                                   \
            float x = *a;                                                                          \
            for (int64_t i = 0; i < n; i++)                                                        \
                y[i] = x operator b[i * step_b];                                                   \
        }                                                                                          \
    }                                                                                              \
    static bool id##_exact(double a, double b)                                                     \
    {                                                                                              \
        return a operator b;                                                                       \
    }                                                                                              \
    static bool id##_whole(int64_t a, int64_t b)                                                   \
    {                                                                                              \
        return a operator b;                                                                       \
    }                                                                                              \
    static bool id##_unsigned(uint64_t a, uint64_t b)                                              \
    {                                                                                              \
        return a operator b;                                                                       \
    }                                                                                              \
    static const comparison id##_of = {types, id##_run, id##_exact, id##_whole, id##_unsigned};
/* clang-format off */
COMPARISON(less, MUCMM__TYPES_NUMBER, <)
COMPARISON(less_or_equal, MUCMM__TYPES_NUMBER, <=)
COMPARISON(greater, MUCMM__TYPES_NUMBER, >)
COMPARISON(greater_or_equal, MUCMM__TYPES_NUMBER, >=)
COMPARISON(equal, MUCMM__TYPES_ANY, ==)
/* clang-format on */

/* Truth values come as 0 and 1. */
static bool both(int64_t a, int64_t b)
{
    return a && b;
}

static bool either(int64_t a, int64_t b)
{
    return a || b;
}

static bool one_of(int64_t a, int64_t b)
{
    return a != b;
}

static const comparison and_of = {.types = 1u << MUCMM_BOOL, .whole = both};
static const comparison or_of = {.types = 1u << MUCMM_BOOL, .whole = either};
static const comparison xor_of = {.types = 1u << MUCMM_BOOL, .whole = one_of};

#define COMPARE_MAP(X)                                                                             \
    X(less, "Less", 7)                                                                             \
    X(less_or_equal, "LessOrEqual", 12)                                                            \
    X(greater, "Greater", 7)                                                                       \
    X(greater_or_equal, "GreaterOrEqual", 12)                                                      \
    X(equal, "Equal", 7) X(and, "And", 7) X(or, "Or", 7) X(xor, "Xor", 7)

/* In the order of the table's rows, which these begin. */
static const comparison *const functions[] = {
#define X(id, type, since) &id##_of,
    COMPARE_MAP(X)
#undef X
};

static mucmm_status compare_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t shape[MUCMM_MAX_RANK] = {0};
    int32_t rank;

    TRY(mucmm__check_type(c, 0, functions[c->node->op - mucmm__ops_compare]->types));
    TRY(mucmm__check_type(c, 1, 1u << c->in[0]->dtype));
    TRY(mucmm__broadcast(c, c->in[0], c->in[1], &rank, shape));
    TRY(mucmm__out(c, 0, MUCMM_BOOL, rank, shape));
done:
    return status;
}

typedef struct compare_job {
    const comparison *k;
    mucmm_dtype type;
    const void *a, *b;
    uint8_t *y;
} compare_job;

static bool compare_one(const compare_job *job, int64_t at_a, int64_t at_b)
{
    mucmm_dtype t = job->type;
    int64_t a, b;

    if (mucmm__dtype_is_float(t))
        return job->k->exact(mucmm__number_get(t, job->a, at_a),
                             mucmm__number_get(t, job->b, at_b));
    a = mucmm__integer_get(t, job->a, at_a);
    b = mucmm__integer_get(t, job->b, at_b);
    return t == MUCMM_U64 ? job->k->whole_unsigned((uint64_t)a, (uint64_t)b) : job->k->whole(a, b);
}

static void compare_segment(void *arg, const mucmm__segment *s)
{
    const compare_job *job = arg;

    for (int64_t r = 0; r < s->rows; r++) {
        int64_t at_a = s->at[0] + r * s->row_step[0], at_b = s->at[1] + r * s->row_step[1];
        uint8_t *y = job->y + s->out + r * s->n;
        if (job->type == MUCMM_F32)
            job->k->run(s->n, (const float *)job->a + at_a, s->step[0],
                        (const float *)job->b + at_b, s->step[1], y);
        else
            for (int64_t i = 0; i < s->n; i++)
                y[i] = compare_one(job, at_a + i * s->step[0], at_b + i * s->step[1]);
    }
}

static mucmm_status compare_forward(mucmm__call *c)
{
    compare_job job = {functions[c->node->op - mucmm__ops_compare], c->in[0]->dtype, c->x[0],
                       c->x[1], c->y[0]};
    mucmm__walk w;

    mucmm__walk_make(&w, c->out[0], 2, c->in);
    mucmm__walk_run(c->ctx, &w, compare_segment, &job);
    return MUCMM_OK;
}

/* ---- one operand: Not, IsNaN, IsInf ------------------------------------------------ */

static mucmm_status not_infer(mucmm__call *c)
{
    mucmm_status s = mucmm__check_type(c, 0, 1u << MUCMM_BOOL);
    return s == MUCMM_OK ? mucmm__out_like(c, 0, 0) : s;
}

static mucmm_status not_forward(mucmm__call *c)
{
    const uint8_t *x = c->x[0];
    uint8_t *y = c->y[0];

    for (int64_t i = 0; i < mucmm__desc_count(c->in[0]); i++)
        y[i] = x[i] == 0;
    return MUCMM_OK;
}

static mucmm_status class_infer(mucmm__call *c)
{
    mucmm_status s = mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT);
    return s == MUCMM_OK ? mucmm__out(c, 0, MUCMM_BOOL, c->in[0]->rank, c->in[0]->shape) : s;
}

static mucmm_status is_nan_forward(mucmm__call *c)
{
    mucmm_dtype t = c->in[0]->dtype;
    uint8_t *y = c->y[0];

    for (int64_t i = 0; i < mucmm__desc_count(c->in[0]); i++) {
        double x = mucmm__number_get(t, c->x[0], i);
        y[i] = x != x;
    }
    return MUCMM_OK;
}

static mucmm_status is_inf_forward(mucmm__call *c)
{
    mucmm_dtype t = c->in[0]->dtype;
    bool negative = mucmm__attr_int(c->node, "detect_negative", 1) != 0,
         positive = mucmm__attr_int(c->node, "detect_positive", 1) != 0;
    uint8_t *y = c->y[0];

    for (int64_t i = 0; i < mucmm__desc_count(c->in[0]); i++) {
        double x = mucmm__number_get(t, c->x[0], i);
        y[i] = isinf(x) && (x < 0 ? negative : positive);
    }
    return MUCMM_OK;
}

/* ---- Where ------------------------------------------------------------------------- */

/* y = condition ? a : b;  da, db = the sums of dy where that operand was taken */

static mucmm_status where_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t shape[MUCMM_MAX_RANK] = {0};
    mucmm__desc branches = {0};
    int32_t rank;

    TRY(mucmm__check_type(c, 0, 1u << MUCMM_BOOL));
    TRY(mucmm__check_type(c, 1, MUCMM__TYPES_ANY));
    TRY(mucmm__check_type(c, 2, 1u << c->in[1]->dtype));
    TRY(mucmm__broadcast(c, c->in[1], c->in[2], &branches.rank, branches.shape));
    TRY(mucmm__broadcast(c, c->in[0], &branches, &rank, shape));
    TRY(mucmm__out(c, 0, c->in[1]->dtype, rank, shape));
done:
    return status;
}

typedef struct where_job {
    int64_t size; /* of an element */
    const uint8_t *condition;
    const char *a, *b;
    char *y;
    const float *dy; /* vjp only */
    bool to_b;
} where_job;

SIMD_CLONES static void where_run(int64_t n, const uint8_t *condition, const uint32_t *a,
                                  int64_t step_a, const uint32_t *b, int64_t step_b, uint32_t *y)
{
    if (step_a && step_b)
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = condition[i] ? a[i] : b[i];
    else if (step_a) {
        uint32_t z = *b;
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = condition[i] ? a[i] : z;
    } else {
        uint32_t x = *a;
        for (int64_t i = 0; i < n; i++)
            y[i] = condition[i] ? x : b[i * step_b];
    }
}

static void where_segment(void *arg, const mucmm__segment *s)
{
    const where_job *job = arg;
    int64_t size = job->size;

    for (int64_t r = 0; r < s->rows; r++) {
        const uint8_t *condition = job->condition + s->at[0] + r * s->row_step[0];
        const char *a = job->a + (s->at[1] + r * s->row_step[1]) * size,
                   *b = job->b + (s->at[2] + r * s->row_step[2]) * size;
        char *y = job->y + (s->out + r * s->n) * size;
        if (size == 4 && s->step[0]) {
            where_run(s->n, condition, (const uint32_t *)(const void *)a, s->step[1],
                      (const uint32_t *)(const void *)b, s->step[2], (uint32_t *)(void *)y);
            continue;
        }
        for (int64_t i = 0; i < s->n; i++)
            memcpy(y + i * size,
                   condition[i * s->step[0]] ? a + i * s->step[1] * size
                                             : b + i * s->step[2] * size,
                   (size_t)size);
    }
}

static mucmm_status where_forward(mucmm__call *c)
{
    where_job job = {.size = mucmm_dtype_size(c->in[1]->dtype),
                     .condition = c->x[0],
                     .a = c->x[1],
                     .b = c->x[2],
                     .y = c->y[0]};
    mucmm__walk w;

    mucmm__walk_make(&w, c->out[0], 3, c->in);
    mucmm__walk_run(c->ctx, &w, where_segment, &job);
    return MUCMM_OK;
}

static void where_factor(void *arg, const mucmm__segment *s, float *g)
{
    const where_job *job = arg;

    for (int64_t r = 0; r < s->rows; r++) {
        const uint8_t *condition = job->condition + s->at[0] + r * s->row_step[0];
        const float *dy = job->dy + s->out + r * s->n;
        for (int64_t i = 0; i < s->n; i++)
            g[r * s->n + i] = (condition[i * s->step[0]] != 0) != job->to_b ? dy[i] : 0.0f;
    }
}

static mucmm_status where_vjp(mucmm__call *c)
{
    where_job job = {.condition = c->x[0], .dy = c->dy[0]};
    mucmm__walk w;

    mucmm__walk_make(&w, c->out[0], 3, c->in);
    for (int32_t i = 1; i < 3; i++) {
        if (!c->dx[i])
            continue;
        job.to_b = i == 2;
        if (job.dy)
            mucmm__walk_sum(c->ctx, &w, i, where_factor, &job, c->dx[i]);
        else
            memset(c->dx[i], 0, (size_t)mucmm__desc_bytes(c->in[i]));
    }
    return MUCMM_OK;
}

/* ---- the table --------------------------------------------------------------------- */

/* clang-format off */
const mucmm__op mucmm__ops_compare[] = {
#define X(id, name, first)                                                                         \
    {.type = name, .since = first, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,           \
     .infer = compare_infer, .forward = compare_forward, .flags = MUCMM__ZERO_GRADIENT},
    COMPARE_MAP(X)
#undef X
    {.type = "Not", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
     .infer = not_infer, .forward = not_forward, .flags = MUCMM__ZERO_GRADIENT},
    {.type = "IsNaN", .since = 9, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
     .infer = class_infer, .forward = is_nan_forward, .flags = MUCMM__ZERO_GRADIENT},
    {.type = "IsInf", .since = 10, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
     .infer = class_infer, .forward = is_inf_forward, .flags = MUCMM__ZERO_GRADIENT},
    {.type = "Where", .since = 9, .min_in = 3, .max_in = 3, .min_out = 1, .max_out = 1,
     .infer = where_infer, .forward = where_forward, .vjp = where_vjp, .diff = 6, .vjp_x = 1},
    {0},
};
/* clang-format on */
