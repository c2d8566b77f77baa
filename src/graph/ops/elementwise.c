/* SPDX-License-Identifier: MIT
 *
 * elementwise.c - arithmetic of two or more tensors with NumPy-style broadcasting, and what only
 * passes numbers on: Identity, Dropout, Cast. */
#include "core/vmath.h"
#include "graph/broadcast.h"

#include <string.h>

#define GRAIN 32768 /* elements a task handles */

/* ---- functions of two numbers ------------------------------------------------------ */

/* A step is 1, or 0 where the operand is one number for all n. */
typedef struct binary {
    uint32_t types; /* of both, but for Pow's exponent */
    void (*run)(int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b,
                float *y);
    /* y [rows, n] of a [rows, n] and b [n] */
    void (*rows)(int64_t rows, int64_t n, const float *a, const float *b, float *y);
    /* g = dy * slope to a, to b */
    void (*to_a)(int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b,
                 const float *dy, float *g);
    void (*to_b)(int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b,
                 const float *dy, float *g);
    double (*exact)(double a, double b);
    int64_t (*whole)(int64_t a, int64_t b, bool is_unsigned); /* NULL = no whole numbers */
} binary;

/* The statement for each i, with x = a[i] and z = b[i]; a loop for each kind of steps. */
#define FOR_EACH(statement)                                                                        \
    if (step_a && step_b)                                                                          \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                        \
        {                                                                                          \
            float x = a[i], z = b[i];                                                              \
            (void)x, (void)z;                                                                      \
            statement;                                                                             \
        }                                                                                          \
    else if (step_a) {                                                                             \
        float z = *b;                                                                              \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                        \
        {                                                                                          \
            float x = a[i];                                                                        \
            (void)x, (void)z;                                                                      \
            statement;                                                                             \
        }                                                                                          \
    } else {                                                                                       \
        float x = *a;                                                                              \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                        \
        {                                                                                          \
            float z = b[i * step_b];                                                               \
            (void)x, (void)z;                                                                      \
            statement;                                                                             \
        }                                                                                          \
    }
#define RUN(name, expression)                                                                      \
    SIMD_CLONES static void name(int64_t n, const float *a, int64_t step_a, const float *b,        \
                                 int64_t step_b, float *y)                                         \
    {                                                                                              \
        FOR_EACH(y[i] = (expression))                                                              \
    }
#define SLOPE(name, expression)                                                                    \
    SIMD_CLONES static void name(int64_t n, const float *a, int64_t step_a, const float *b,        \
                                 int64_t step_b, const float *dy, float *g)                        \
    {                                                                                              \
        FOR_EACH(float d = dy[i]; g[i] = (expression))                                             \
    }
/* The width of a block of channels is known to the compiler. */
#define ROWS(id, expression)                                                                       \
    VMATH void id##_rows_of(int64_t rows, int64_t n, const float *a, const float *b, float *y)     \
    {                                                                                              \
        for (int64_t r = 0; r < rows; r++)                                                         \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                    \
            {                                                                                      \
                float x = a[r * n + i], z = b[i];                                                  \
                y[r * n + i] = (expression);                                                       \
            }                                                                                      \
    }                                                                                              \
    SIMD_CLONES static void id##_rows(int64_t rows, int64_t n, const float *a, const float *b,     \
                                      float *y)                                                    \
    {                                                                                              \
        if (n == 8)                                                                                \
            id##_rows_of(rows, 8, a, b, y);                                                        \
        else if (n == 16)                                                                          \
            id##_rows_of(rows, 16, a, b, y);                                                       \
        else                                                                                       \
            id##_rows_of(rows, n, a, b, y);                                                        \
    }
/* A function: y of x and z, d times its slopes, y again in double, and of whole numbers. */
#define BINARY(id, types, whole, float_y, slope_x, slope_z, double_y)                              \
    RUN(id##_run, float_y)                                                                         \
    ROWS(id, float_y)                                                                              \
    SLOPE(id##_to_a, slope_x)                                                                      \
    SLOPE(id##_to_b, slope_z)                                                                      \
    static double id##_exact(double x, double z)                                                   \
    {                                                                                              \
        return (double_y);                                                                         \
    }                                                                                              \
    static const binary id##_binary = {types,     id##_run,   id##_rows, id##_to_a,                \
                                       id##_to_b, id##_exact, whole};

/* Whole numbers wrap as their type does: computed mod 2^64, stored in fewer bits. */
static int64_t whole_add(int64_t a, int64_t b, bool is_unsigned)
{
    (void)is_unsigned;
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t whole_sub(int64_t a, int64_t b, bool is_unsigned)
{
    (void)is_unsigned;
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t whole_mul(int64_t a, int64_t b, bool is_unsigned)
{
    (void)is_unsigned;
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* Towards zero; by zero gives zero, as NumPy has it. */
static int64_t whole_div(int64_t a, int64_t b, bool is_unsigned)
{
    if (b == 0)
        return 0;
    if (is_unsigned)
        return (int64_t)((uint64_t)a / (uint64_t)b);
    return b == -1 ? whole_sub(0, a, false) : a / b;
}

/* The remainder of that division: the sign of a. */
static int64_t whole_remainder(int64_t a, int64_t b, bool is_unsigned)
{
    if (b == 0)
        return 0;
    if (is_unsigned)
        return (int64_t)((uint64_t)a % (uint64_t)b);
    return b == -1 ? 0 : a % b;
}

/* The remainder with the sign of b. */
static int64_t whole_mod(int64_t a, int64_t b, bool is_unsigned)
{
    int64_t r = whole_remainder(a, b, is_unsigned);
    return r != 0 && !is_unsigned && (r < 0) != (b < 0) ? r + b : r;
}

static bool whole_less(int64_t a, int64_t b, bool is_unsigned)
{
    return is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
}

static int64_t whole_max(int64_t a, int64_t b, bool is_unsigned)
{
    return whole_less(a, b, is_unsigned) ? b : a;
}

static int64_t whole_min(int64_t a, int64_t b, bool is_unsigned)
{
    return whole_less(b, a, is_unsigned) ? b : a;
}

static int64_t whole_pow(int64_t a, int64_t b, bool is_unsigned)
{
    uint64_t y = 1, square = (uint64_t)a;

    if (b < 0 && !is_unsigned) /* 1 / a^-b towards zero */
        return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    for (uint64_t e = (uint64_t)b; e > 0; e >>= 1, square *= square)
        y *= e & 1u ? square : 1u;
    return (int64_t)y;
}

static int64_t whole_prelu(int64_t x, int64_t slope, bool is_unsigned)
{
    return x < 0 && !is_unsigned ? whole_mul(x, slope, false) : x;
}

static int64_t shift_left(int64_t a, int64_t b, bool is_unsigned)
{
    (void)is_unsigned;
    return (uint64_t)b < 64 ? (int64_t)((uint64_t)a << b) : 0;
}

static int64_t shift_right(int64_t a, int64_t b, bool is_unsigned)
{
    (void)is_unsigned;
    return (uint64_t)b < 64 ? (int64_t)((uint64_t)a >> b) : 0;
}

/* clang-format off */
BINARY(add, MUCMM__TYPES_NUMBER, whole_add, x + z, d, d, x + z)
BINARY(sub, MUCMM__TYPES_NUMBER, whole_sub, x - z, d, -d, x - z)
BINARY(mul, MUCMM__TYPES_NUMBER, whole_mul, x * z, d * z, d * x, x * z)
BINARY(div, MUCMM__TYPES_NUMBER, whole_div, x / z, d / z, -d * (x / z) / z, x / z)
BINARY(prelu, MUCMM__TYPES_NUMBER, whole_prelu,
       x < 0.0f ? x * z : x, x < 0.0f ? d * z : d, x < 0.0f ? d * x : 0.0f, x < 0 ? x * z : x)
BINARY(remainder, MUCMM__TYPES_NUMBER, whole_remainder,
       fmodf(x, z), d, -d * truncf(x / z), fmod(x, z))
/* A NaN stays. The gradients of these two are in winner_vjp. */
BINARY(max, MUCMM__TYPES_NUMBER, whole_max,
       x > z || x != x ? x : z, d, d, x > z || x != x ? x : z)
BINARY(min, MUCMM__TYPES_NUMBER, whole_min,
       x < z || x != x ? x : z, d, d, x < z || x != x ? x : z)
/* clang-format on */

static const binary mod_binary = {.types = MUCMM__TYPES_NUMBER & ~MUCMM__TYPES_FLOAT,
                                  .whole = whole_mod};
static const binary left_binary = {.types = MUCMM__TYPES_UNSIGNED, .whole = shift_left};
static const binary right_binary = {.types = MUCMM__TYPES_UNSIGNED, .whole = shift_right};

/* x^z. The slopes at x = 0 are the limits where there are any: z x^(z - 1), x^z ln x. */
VMATH float power_slope_z(float x, float z)
{
    return x == 0.0f && z >= 0.0f ? 0.0f : powf(x, z) * logf(x);
}

/* clang-format off */
RUN(power_any, powf(x, z))
RUN(power_2, x * x)
SLOPE(power_any_to_a, z == 0.0f ? 0.0f : d * z * powf(x, z - 1.0f))
SLOPE(power_2_to_a, d * z * x)
SLOPE(power_to_b, d * power_slope_z(x, z))
/* clang-format on */

static void power_run(int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b,
                      float *y)
{
    (step_b == 0 && *b == 2.0f ? power_2 : power_any)(n, a, step_a, b, step_b, y);
}

static void power_to_a(int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b,
                       const float *dy, float *g)
{
    (step_b == 0 && *b == 2.0f ? power_2_to_a : power_any_to_a)(n, a, step_a, b, step_b, dy, g);
}

static void power_rows(int64_t rows, int64_t n, const float *a, const float *b, float *y)
{
    for (int64_t r = 0; r < rows; r++)
        power_run(n, a + r * n, 1, b, 1, y + r * n);
}

static const binary pow_binary = {MUCMM__TYPES_NUMBER, power_run, power_rows, power_to_a,
                                  power_to_b,          pow,       whole_pow};

/* ---- two operands ------------------------------------------------------------------ */

/* id, ONNX's name, first opset, inputs with a gradient and inputs the vjp reads (bits) */
#define BINARY_MAP(X)                                                                              \
    X(add, "Add", 7, 3, 0, binary_vjp, mucmm__broadcast_layout)                                    \
    X(sub, "Sub", 7, 3, 0, binary_vjp, mucmm__broadcast_layout)                                    \
    X(mul, "Mul", 7, 3, 3, binary_vjp, mucmm__broadcast_layout)                                    \
    X(div, "Div", 7, 3, 3, binary_vjp, div_layout)                                                 \
    X(prelu, "PRelu", 7, 3, 3, binary_vjp, mucmm__broadcast_layout)                                \
    X(pow, "Pow", 7, 3, 3, binary_vjp, NULL)                                                       \
    X(mod, "Mod", 10, 3, 3, binary_vjp, NULL)                                                      \
    X(left, "BitShift", 11, 0, 0, NULL, NULL)

/* In the order of the table's rows, which these begin. */
static const binary *const functions[] = {
#define X(id, type, since, diff, reads, vjp, layout) &id##_binary,
    BINARY_MAP(X)
#undef X
};

/* NULL if an attribute has a value that is none of the rule's. */
static const binary *binary_of(const mucmm__call *c)
{
    const binary *k = functions[c->node->op - mucmm__ops_elementwise];

    if (k == &mod_binary) {
        int64_t fmod_rule = mucmm__attr_int(c->node, "fmod", 0);
        return fmod_rule == 0 ? k : fmod_rule == 1 ? &remainder_binary : NULL;
    }
    if (k == &left_binary) {
        const char *direction = mucmm__attr_string(c->node, "direction", "");
        return strcmp(direction, "LEFT") == 0    ? k
               : strcmp(direction, "RIGHT") == 0 ? &right_binary
                                                 : NULL;
    }
    return k;
}

static mucmm_status binary_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const binary *k = binary_of(c);
    int64_t shape[MUCMM_MAX_RANK] = {0};
    int32_t rank;

    if (!k)
        return mucmm__op_fail(c, MUCMM_EARG, "%s",
                              strcmp(c->node->op->type, "Mod") == 0
                                  ? "fmod must be 0 or 1"
                                  : "direction must be LEFT or RIGHT");
    if (k == &mod_binary && mucmm__dtype_is_float(c->in[0]->dtype))
        return mucmm__op_fail(c, MUCMM_EARG, "fmod must be 1 for %s",
                              mucmm_dtype_name(c->in[0]->dtype));
    TRY(mucmm__check_type(c, 0, k->types));
    TRY(mucmm__check_type(c, 1, k == &pow_binary ? k->types : 1u << c->in[0]->dtype));
    TRY(mucmm__broadcast(c, c->in[0], c->in[1], &rank, shape));
    TRY(mucmm__out(c, 0, c->in[0]->dtype, rank, shape));
    if (k == &prelu_binary && !mucmm__same_shape(c->out[0], c->in[0]))
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "the slope has more elements than x along some axis; it must be "
                              "broadcastable to x");
done:
    return status;
}

/* With padding, a numerator that is the same for all channels would divide zeros of the padding
 * into the sums of its gradient. */
static void div_layout(mucmm__call *c)
{
    int32_t b;

    mucmm__broadcast_layout(c);
    b = c->out[0]->block;
    if (b > 1 && c->want[0] == 1 && c->out[0]->shape[1] % b != 0)
        c->want[0] = c->want[1] = c->out[0]->block = 1;
}

typedef struct binary_job {
    const binary *k;
    mucmm_dtype type_a, type_b;
    const void *a, *b;
    void *y;
    const float *dy; /* vjp only; a, b: NULL = not read */
    bool to_b;
} binary_job;

static void binary_float_segment(const binary_job *job, const mucmm__segment *s)
{
    const float *a = (const float *)job->a + s->at[0], *b = (const float *)job->b + s->at[1];
    float *y = (float *)job->y + s->out;

    if (s->rows > 1 && s->step[0] && s->row_step[0] == s->n && s->step[1] && s->row_step[1] == 0) {
        job->k->rows(s->rows, s->n, a, b, y);
        return;
    }
    for (int64_t r = 0; r < s->rows; r++)
        job->k->run(s->n, a + r * s->row_step[0], s->step[0], b + r * s->row_step[1], s->step[1],
                    y + r * s->n);
}

static void binary_segment(void *arg, const mucmm__segment *s)
{
    const binary_job *job = arg;
    mucmm_dtype ta = job->type_a, tb = job->type_b;
    bool through_double = mucmm__dtype_is_float(ta) || mucmm__dtype_is_float(tb),
         is_unsigned = MUCMM__TYPES_UNSIGNED >> ta & 1u;

    if (ta == MUCMM_F32 && tb == MUCMM_F32) {
        binary_float_segment(job, s);
        return;
    }
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t i = 0; i < s->n; i++) {
            int64_t at_a = s->at[0] + r * s->row_step[0] + i * s->step[0],
                    at_b = s->at[1] + r * s->row_step[1] + i * s->step[1],
                    at_y = s->out + r * s->n + i;
            if (through_double)
                mucmm__number_put(ta, job->y, at_y,
                                  job->k->exact(mucmm__number_get(ta, job->a, at_a),
                                                mucmm__number_get(tb, job->b, at_b)));
            else
                mucmm__integer_put(ta, job->y, at_y,
                                   job->k->whole(mucmm__integer_get(ta, job->a, at_a),
                                                 mucmm__integer_get(tb, job->b, at_b),
                                                 is_unsigned));
        }
}

#define SPREAD 1024 /* elements of short rows that are made one long row */

/* An operand's rows as one row: itself if it is contiguous, else a copy in the buffer. */
static const float *spread(const float *x, int64_t step, int64_t row_step, int64_t rows, int64_t n,
                           float buffer[SPREAD])
{
    if (step && row_step == n)
        return x;
    for (int64_t r = 0; r < rows; r++)
        if (step)
            memcpy(buffer + r * n, x + r * row_step, (size_t)n * sizeof *x);
        else
            for (int64_t i = 0; i < n; i++)
                buffer[r * n + i] = x[r * row_step];
    return buffer;
}

static void binary_factor(void *arg, const mucmm__segment *s, float *g)
{
    const binary_job *job = arg;
    int64_t group = s->rows > 1 && s->n <= SPREAD / 8 ? SPREAD / s->n : 1;
    float buffer[2][SPREAD];

    for (int64_t r = 0; r < s->rows; r += group) {
        int64_t rows = s->rows - r < group ? s->rows - r : group, n = rows * s->n;
        const float *dy = job->dy + s->out + r * s->n, *operand[2] = {dy, dy};
        int64_t step[2] = {1, 1};
        for (int32_t k = 0; k < 2; k++) {
            const float *x = k ? job->b : job->a;
            if (!x)
                continue;
            operand[k] = x + s->at[k] + r * s->row_step[k];
            step[k] = s->step[k];
            if (rows == 1)
                continue;
            operand[k] = spread(operand[k], step[k], s->row_step[k], rows, s->n, buffer[k]);
            step[k] = 1;
        }
        (job->to_b ? job->k->to_b : job->k->to_a)(n, operand[0], step[0], operand[1], step[1], dy,
                                                  g + r * s->n);
    }
}

/* An exponent of another type than a float32 base comes as float32 in c->work. */
static bool converts_exponent(const mucmm__call *c)
{
    return c->in[0]->dtype == MUCMM_F32 && c->in[1]->dtype != MUCMM_F32;
}

static mucmm_status binary_prepare(mucmm__call *c)
{
    if (converts_exponent(c))
        c->scratch = c->vjp_scratch = mucmm__desc_count(c->in[1]) * (int64_t)sizeof(float);
    return MUCMM_OK;
}

static binary_job binary_start(const mucmm__call *c)
{
    binary_job job = {binary_of(c), c->in[0]->dtype, c->in[1]->dtype, c->x[0], c->x[1], NULL, NULL,
                      false};

    if (converts_exponent(c)) {
        mucmm__convert(job.type_b, job.b, MUCMM_F32, c->work, mucmm__desc_count(c->in[1]));
        job.b = c->work;
        job.type_b = MUCMM_F32;
    }
    return job;
}

static mucmm_status binary_forward(mucmm__call *c)
{
    binary_job job = binary_start(c);
    mucmm__walk w;

    job.y = c->y[0];
    mucmm__walk_make(&w, c->out[0], 2, c->in);
    mucmm__walk_run(c->ctx, &w, binary_segment, &job);
    if (c->out[0]->block > 1)
        mucmm__zero_padding(c->out[0], c->y[0]);
    return MUCMM_OK;
}

static void zero_gradients(const mucmm__call *c)
{
    for (int32_t i = 0; i < c->n_in; i++)
        if (c->dx[i])
            memset(c->dx[i], 0, (size_t)mucmm__desc_bytes(c->in[i]));
}

static mucmm_status binary_vjp(mucmm__call *c)
{
    binary_job job = {0};
    mucmm__walk w;

    if (!c->dy[0]) {
        zero_gradients(c);
        return MUCMM_OK;
    }
    if (c->node->op->vjp_x)
        job = binary_start(c);
    job.k = binary_of(c);
    job.dy = c->dy[0];
    mucmm__walk_make(&w, c->out[0], 2, c->in);
    for (int32_t i = 0; i < 2; i++) {
        if (!c->dx[i])
            continue;
        job.to_b = i == 1;
        mucmm__walk_sum(c->ctx, &w, i, binary_factor, &job, c->dx[i]);
        mucmm__zero_padding(c->in[i], c->dx[i]);
    }
    return MUCMM_OK;
}

/* ---- any number of operands: Sum, Mean, Max, Min ----------------------------------- */

static const binary *fold_of(const mucmm__call *c)
{
    switch (c->node->op->type[1]) {
    case 'a':
        return &max_binary;
    case 'i':
        return &min_binary;
    }
    return &add_binary; /* Sum, Mean */
}

static bool is_mean(const mucmm__call *c)
{
    return strcmp(c->node->op->type, "Mean") == 0;
}

static mucmm_status fold_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc sum = {0};

    for (int32_t i = 0; i < c->n_in; i++) {
        int64_t shape[MUCMM_MAX_RANK] = {0};
        int32_t rank;
        if (!c->in[i])
            return mucmm__op_fail(c, MUCMM_EFORMAT, "input %d is absent", i);
        TRY(mucmm__check_type(c, i,
                              i > 0                       ? 1u << c->in[0]->dtype
                              : fold_of(c) == &add_binary ? MUCMM__TYPES_FLOAT
                                                          : MUCMM__TYPES_NUMBER));
        TRY(mucmm__broadcast(c, &sum, c->in[i], &rank, shape));
        sum.rank = rank;
        memcpy(sum.shape, shape, sizeof shape);
    }
    TRY(mucmm__out(c, 0, c->in[0]->dtype, sum.rank, sum.shape));
done:
    return status;
}

typedef struct scale_job {
    mucmm_dtype type;
    void *y;
    double by;
} scale_job;

static void scale_task(void *arg, int64_t first, int64_t last)
{
    const scale_job *job = arg;
    float *y = job->y, by = (float)job->by;

    if (job->type == MUCMM_F32)
#pragma omp simd
        for (int64_t i = first; i < last; i++)
            y[i] *= by;
    else
        for (int64_t i = first; i < last; i++)
            mucmm__number_put(job->type, job->y, i,
                              mucmm__number_get(job->type, job->y, i) * job->by);
}

/* Elements in memory, padding included. */
static int64_t memory_count(const mucmm__desc *d)
{
    return mucmm__desc_bytes(d) / mucmm_dtype_size(d->dtype);
}

static mucmm_status fold_forward(mucmm__call *c)
{
    mucmm_dtype t = c->in[0]->dtype;
    binary_job job = {fold_of(c), t, t, c->x[0], NULL, c->y[0], NULL, false};
    scale_job scale = {t, c->y[0], 1.0 / c->n_in};
    const mucmm__desc *pair[2] = {c->in[0], NULL};
    mucmm__walk w;

    if (c->n_in == 1)
        memcpy(c->y[0], c->x[0], (size_t)mucmm__desc_bytes(c->in[0]));
    for (int32_t i = 1; i < c->n_in; i++) {
        job.b = c->x[i];
        pair[1] = c->in[i];
        mucmm__walk_make(&w, c->out[0], 2, pair);
        mucmm__walk_run(c->ctx, &w, binary_segment, &job);
        job.a = c->y[0]; /* from now on the result so far, in place */
        pair[0] = c->out[0];
    }
    if (is_mean(c) && c->n_in > 1)
        mucmm__parallel_range(c->ctx, memory_count(c->out[0]), GRAIN, scale_task, &scale);
    if (c->out[0]->block > 1)
        mucmm__zero_padding(c->out[0], c->y[0]);
    return MUCMM_OK;
}

static mucmm_status sum_vjp(mucmm__call *c)
{
    binary_job job = {.k = &add_binary, .dy = c->dy[0]};
    mucmm__walk w;

    if (!c->dy[0]) {
        zero_gradients(c);
        return MUCMM_OK;
    }
    for (int32_t i = 0; i < c->n_in; i++) {
        scale_job scale = {MUCMM_F32, c->dx[i], 1.0 / c->n_in};
        if (!c->dx[i])
            continue;
        mucmm__walk_make(&w, c->out[0], 1, c->in + i);
        mucmm__walk_sum(c->ctx, &w, 0, binary_factor, &job, c->dx[i]);
        if (is_mean(c))
            mucmm__parallel_range(c->ctx, memory_count(c->in[i]), GRAIN, scale_task, &scale);
        mucmm__zero_padding(c->in[i], c->dx[i]);
    }
    return MUCMM_OK;
}

/* The first operand that equals the result takes its cotangent, which then is zero for the others:
 * `left` is what nobody has taken yet. */
typedef struct winner_job {
    const float *x, *y;
    float *left;
} winner_job;

VMATH bool wins(float x, float y)
{
    return x == y || x != x;
}

SIMD_CLONES static void winner_run(int64_t n, const float *x, int64_t step, const float *y,
                                   const float *left, float *g)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        g[i] = wins(x[i * step], y[i]) ? left[i] : 0.0f;
}

SIMD_CLONES static void taken_run(int64_t n, const float *x, int64_t step, const float *y,
                                  float *left)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        left[i] = wins(x[i * step], y[i]) ? 0.0f : left[i];
}

static void winner_factor(void *arg, const mucmm__segment *s, float *g)
{
    const winner_job *job = arg;

    for (int64_t r = 0; r < s->rows; r++)
        winner_run(s->n, job->x + s->at[0] + r * s->row_step[0], s->step[0],
                   job->y + s->out + r * s->n, job->left + s->out + r * s->n, g + r * s->n);
}

static void taken_segment(void *arg, const mucmm__segment *s)
{
    const winner_job *job = arg;

    for (int64_t r = 0; r < s->rows; r++)
        taken_run(s->n, job->x + s->at[0] + r * s->row_step[0], s->step[0],
                  job->y + s->out + r * s->n, job->left + s->out + r * s->n);
}

static mucmm_status winner_prepare(mucmm__call *c)
{
    c->vjp_scratch = mucmm__desc_bytes(c->out[0]);
    return MUCMM_OK;
}

static mucmm_status winner_vjp(mucmm__call *c)
{
    winner_job job = {.y = c->y[0], .left = c->work};
    mucmm__walk w;

    if (!c->dy[0]) {
        zero_gradients(c);
        return MUCMM_OK;
    }
    memcpy(job.left, c->dy[0], (size_t)mucmm__desc_bytes(c->out[0]));
    for (int32_t i = 0; i < c->n_in; i++) {
        job.x = c->x[i];
        mucmm__walk_make(&w, c->out[0], 1, c->in + i);
        if (c->dx[i]) {
            mucmm__walk_sum(c->ctx, &w, 0, winner_factor, &job, c->dx[i]);
            mucmm__zero_padding(c->in[i], c->dx[i]);
        }
        if (i + 1 < c->n_in)
            mucmm__walk_run(c->ctx, &w, taken_segment, &job);
    }
    return MUCMM_OK;
}

/* ---- Identity, Dropout ------------------------------------------------------------- */

static mucmm_status identity_infer(mucmm__call *c)
{
    return mucmm__out_like(c, 0, 0);
}

/* Dropout as in inference: the numbers as they are; the mask is all true. */
static mucmm_status dropout_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    double ratio = 0.5;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT));
    if (mucmm__has_in(c, 2)) {
        TRY(mucmm__check_type(c, 2, 1u << MUCMM_BOOL));
        if (mucmm__desc_count(c->in[2]) != 1)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "training_mode must be one truth value");
        if (!c->known[2])
            return MUCMM__EVALUE;
        if (mucmm__has_in(c, 1)) {
            TRY(mucmm__check_type(c, 1, MUCMM__TYPES_FLOAT));
            if (mucmm__desc_count(c->in[1]) != 1)
                return mucmm__op_fail(c, MUCMM_ESHAPE, "ratio must be one number");
            if (!c->known[1])
                return MUCMM__EVALUE;
            ratio = mucmm__number_get(c->in[1]->dtype, c->known[1], 0);
        }
        if (mucmm__integer_get(MUCMM_BOOL, c->known[2], 0) && ratio != 0.0)
            return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                                  "training_mode is set; export the model for inference");
    }
    TRY(mucmm__out_like(c, 0, 0));
    TRY(mucmm__out(c, 1, c->node->opset < 10 ? c->in[0]->dtype : MUCMM_BOOL, c->in[0]->rank,
                   c->in[0]->shape));
done:
    return status;
}

static mucmm_status dropout_forward(mucmm__call *c)
{
    memcpy(c->y[0], c->x[0], (size_t)mucmm__desc_bytes(c->in[0]));
    if (!mucmm__has_out(c, 1))
        return MUCMM_OK;
    for (int64_t i = 0; i < mucmm__desc_count(c->out[1]); i++)
        mucmm__number_put(c->out[1]->dtype, c->y[1], i, 1.0);
    return MUCMM_OK;
}

static mucmm_status copy_vjp(mucmm__call *c)
{
    if (!c->dy[0])
        zero_gradients(c);
    else if (c->dx[0])
        memcpy(c->dx[0], c->dy[0], (size_t)mucmm__desc_bytes(c->in[0]));
    return MUCMM_OK;
}

/* ---- Cast, CastLike ---------------------------------------------------------------- */

static mucmm_status cast_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t to;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_ANY));
    to = c->n_in > 1 ? (int64_t)c->in[1]->dtype : mucmm__attr_int(c->node, "to", 0);
    if (to < 1 || to > 16) /* the values of ONNX's TensorProto.DataType */
        return mucmm__op_fail(c, MUCMM_EARG, "to must be a type of tensors; it is %lld",
                              (long long)to);
    TRY(mucmm__out(c, 0, (mucmm_dtype)to, c->in[0]->rank, c->in[0]->shape));
done:
    return status;
}

/* Gradients are float32; one through a lower or higher precision is refused rather than lost. */
static mucmm_status cast_prepare(mucmm__call *c)
{
    if (c->differentiable && c->out[0]->dtype != MUCMM_F32 &&
        mucmm__dtype_is_float(c->out[0]->dtype))
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "no gradient passes through %s",
                              mucmm_dtype_name(c->out[0]->dtype));
    return MUCMM_OK;
}

typedef struct cast_job {
    mucmm_dtype from, to;
    const void *x;
    void *y;
} cast_job;

static void cast_task(void *arg, int64_t first, int64_t last)
{
    const cast_job *job = arg;

    if (job->from == MUCMM_F32 && job->to == MUCMM_BF16)
        for (int64_t i = first; i < last; i++) /* ONNX's reference keeps the upper half */
            ((uint16_t *)job->y)[i] = (uint16_t)(bits_of_float(((const float *)job->x)[i]) >> 16);
    else
        mucmm__convert(job->from, (const char *)job->x + first * mucmm_dtype_size(job->from),
                       job->to, (char *)job->y + first * mucmm_dtype_size(job->to), last - first);
}

static mucmm_status cast_forward(mucmm__call *c)
{
    cast_job job = {c->in[0]->dtype, c->out[0]->dtype, c->x[0], c->y[0]};

    mucmm__parallel_range(c->ctx, mucmm__desc_count(c->in[0]), GRAIN, cast_task, &job);
    return MUCMM_OK;
}

/* ---- the table --------------------------------------------------------------------- */

/* clang-format off */
const mucmm__op mucmm__ops_elementwise[] = {
#define X(id, name, first, bits, reads, gradient, layouts)                                             \
    {.type = name, .since = first, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,           \
     .infer = binary_infer, .forward = binary_forward, .vjp = gradient, .diff = bits,  \
     .vjp_x = reads, .layout = layouts, .prepare = binary_prepare},
    BINARY_MAP(X)
#undef X
#define FOLD(name, first, gradient, x, y, prepares)                                                \
    {.type = name, .since = first, .min_in = 1, .max_in = -1, .min_out = 1, .max_out = 1,          \
     .infer = fold_infer, .forward = fold_forward, .vjp = gradient, .diff = MUCMM__ALL,            \
     .vjp_x = x, .vjp_y = y, .layout = mucmm__broadcast_layout, .prepare = prepares},
    FOLD("Sum", 6, sum_vjp, 0, 0, NULL)
    FOLD("Mean", 6, sum_vjp, 0, 0, NULL)
    FOLD("Max", 6, winner_vjp, MUCMM__ALL, 1, winner_prepare)
    FOLD("Min", 6, winner_vjp, MUCMM__ALL, 1, winner_prepare)
#undef FOLD
    {.type = "Identity", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
     .infer = identity_infer, .diff = 1, .flags = MUCMM__VIEW, .layout = mucmm__layout_through},
    {.type = "Dropout", .since = 7, .until = 11, .min_in = 1, .max_in = 1, .min_out = 1,
     .max_out = 2, .infer = dropout_infer, .forward = dropout_forward, .vjp = copy_vjp, .diff = 1,
     .layout = mucmm__layout_through},
    {.type = "Dropout", .since = 12, .min_in = 1, .max_in = 3, .min_out = 1, .max_out = 2,
     .infer = dropout_infer, .forward = dropout_forward, .vjp = copy_vjp, .diff = 1,
     .layout = mucmm__layout_through},
    {.type = "Cast", .since = 6, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
     .infer = cast_infer, .forward = cast_forward, .vjp = copy_vjp, .diff = 1,
     .prepare = cast_prepare},
    {.type = "CastLike", .since = 15, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
     .infer = cast_infer, .forward = cast_forward, .vjp = copy_vjp, .diff = 1,
     .prepare = cast_prepare},
    {0},
};
/* clang-format on */
