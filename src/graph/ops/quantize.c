/* SPDX-License-Identifier: MIT
 *
 * quantize.c - numbers in eight bits: x = scale (q - zero point), a scale for the tensor or for
 * each index of an axis. Products and convolutions are exact sums of integers in plain loops. */
#include "graph/graph.h"
#include "graph/ops/window.h"

#include <math.h>
#include <string.h>

#define TYPES_BYTE (1u << MUCMM_U8 | 1u << MUCMM_I8)
#define TYPES_F32 (1u << MUCMM_F32)

static int32_t byte_at(mucmm_dtype t, const void *x, int64_t i)
{
    return t == MUCMM_I8 ? ((const int8_t *)x)[i] : ((const uint8_t *)x)[i];
}

/* Rounded to the nearest, ties to even, then moved and kept in the type's range; NaN is its low
 * end. */
static void put_byte(mucmm_dtype t, void *y, int64_t i, float value, int32_t zero_point)
{
    float v = rintf(value) + (float)zero_point;

    if (t == MUCMM_I8)
        ((int8_t *)y)[i] = (int8_t)(v >= -128.0f ? v <= 127.0f ? v : 127.0f : -128.0f);
    else
        ((uint8_t *)y)[i] = (uint8_t)(v >= 0.0f ? v <= 255.0f ? v : 255.0f : 0.0f);
}

/* Input i is one number, or `many` of them. Other inputs of the same role are absent or alike. */
static mucmm_status check_parameter(const mucmm__call *c, int32_t i, uint32_t types, int64_t many,
                                    int64_t very_many)
{
    mucmm_status status = MUCMM_OK;
    char text[MUCMM__SHAPE_TEXT];
    int64_t n;

    if (!mucmm__has_in(c, i))
        return MUCMM_OK;
    TRY(mucmm__check_type(c, i, types));
    n = mucmm__desc_count(c->in[i]);
    if (n != 1 && n != many && n != very_many)
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "input %d, a scale or zero point, has the shape %s; it must be one "
                              "number or one for each index of its axis",
                              i, mucmm__shape_text(text, c->in[i]));
done:
    return status;
}

/* Number i of a scale (1 if absent) or zero point (0 if absent), the same for all if there is one.
 */
static float scale_at(const mucmm__call *c, int32_t input, int64_t i)
{
    return mucmm__has_in(c, input)
               ? ((const float *)c->x[input])[i % mucmm__desc_count(c->in[input])]
               : 1.0f;
}

static int32_t zero_at(const mucmm__call *c, int32_t input, int64_t i)
{
    return mucmm__has_in(c, input)
               ? (int32_t)mucmm__integer_get(c->in[input]->dtype, c->x[input],
                                             i % mucmm__desc_count(c->in[input]))
               : 0;
}

/* ---- QuantizeLinear, DequantizeLinear ---------------------------------------------- */

/* q = saturate(round(x / scale) + zero point),   x = (q - zero point) scale */

static mucmm_status linear_infer(mucmm__call *c, bool quantizes)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    mucmm_dtype zero_type = mucmm__has_in(c, 2) ? c->in[2]->dtype : MUCMM_U8;
    int64_t many = 1;
    int32_t axis = 0;

    TRY(mucmm__check_type(c, 0,
                          quantizes ? TYPES_F32 | 1u << MUCMM_I32 : TYPES_BYTE | 1u << MUCMM_I32));
    if (mucmm__desc_count(c->in[1]) != 1) {
        TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 1), x->rank, &axis));
        many = x->shape[axis];
    }
    TRY(check_parameter(c, 1, TYPES_F32, many, many));
    TRY(check_parameter(c, 2, quantizes ? TYPES_BYTE : 1u << x->dtype, many, many));
    TRY(mucmm__out(c, 0, quantizes ? zero_type : MUCMM_F32, x->rank, x->shape));
done:
    return status;
}

static mucmm_status quantize_infer(mucmm__call *c)
{
    return linear_infer(c, true);
}

static mucmm_status dequantize_infer(mucmm__call *c)
{
    return linear_infer(c, false);
}

/* x [outer, many, inner]; task i is one stretch of inner numbers. */
typedef struct linear_job {
    mucmm__call *c;
    int64_t many, inner;
} linear_job;

static linear_job linear_start(mucmm__call *c)
{
    const mucmm__desc *x = c->in[0];
    linear_job job = {c, 1, mucmm__desc_count(x)};
    int64_t axis = mucmm__attr_int(c->node, "axis", 1);

    if (mucmm__desc_count(c->in[1]) == 1)
        return job;
    axis += axis < 0 ? x->rank : 0;
    job.many = x->shape[axis];
    job.inner = mucmm__desc_product(x, (int32_t)axis + 1, x->rank);
    return job;
}

static void quantize_task(void *arg, int64_t task)
{
    const linear_job *job = arg;
    const mucmm__call *c = job->c;
    float scale = scale_at(c, 1, task % job->many);
    int32_t zero_point = zero_at(c, 2, task % job->many);
    const float *x = c->x[0];
    const int32_t *whole = c->x[0];

    for (int64_t i = task * job->inner; i < (task + 1) * job->inner; i++)
        put_byte(c->out[0]->dtype, c->y[0], i,
                 (c->in[0]->dtype == MUCMM_F32 ? x[i] : (float)whole[i]) / scale, zero_point);
}

static void dequantize_task(void *arg, int64_t task)
{
    const linear_job *job = arg;
    const mucmm__call *c = job->c;
    mucmm_dtype t = c->in[0]->dtype;
    float scale = scale_at(c, 1, task % job->many), *y = c->y[0];
    int64_t zero_point = zero_at(c, 2, task % job->many);

    for (int64_t i = task * job->inner; i < (task + 1) * job->inner; i++)
        y[i] = (float)(mucmm__integer_get(t, c->x[0], i) - zero_point) * scale;
}

static mucmm_status linear_forward(mucmm__call *c, mucmm__task task)
{
    linear_job job = linear_start(c);

    if (mucmm__desc_count(c->in[0]) > 0)
        mucmm__parallel(c->ctx, mucmm__desc_count(c->in[0]) / job.inner, task, &job);
    return MUCMM_OK;
}

static mucmm_status quantize_forward(mucmm__call *c)
{
    return linear_forward(c, quantize_task);
}

static mucmm_status dequantize_forward(mucmm__call *c)
{
    return linear_forward(c, dequantize_task);
}

/* ---- DynamicQuantizeLinear --------------------------------------------------------- */

/* To uint8 with the range of x itself, zero included. */

static mucmm_status dynamic_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__check_type(c, 0, TYPES_F32));
    TRY(mucmm__out(c, 0, MUCMM_U8, c->in[0]->rank, c->in[0]->shape));
    TRY(mucmm__out(c, 1, MUCMM_F32, 0, NULL));
    TRY(mucmm__out(c, 2, MUCMM_U8, 0, NULL));
done:
    return status;
}

static mucmm_status dynamic_forward(mucmm__call *c)
{
    const float *x = c->x[0];
    int64_t n = mucmm__desc_count(c->in[0]);
    float low = 0.0f, high = 0.0f, scale;
    uint8_t zero_point;

    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    scale = high > low ? (high - low) / 255.0f : 1.0f;
    put_byte(MUCMM_U8, &zero_point, 0, -low / scale, 0);
    for (int64_t i = 0; i < n; i++)
        put_byte(MUCMM_U8, c->y[0], i, x[i] / scale, zero_point);
    if (mucmm__has_out(c, 1))
        *(float *)c->y[1] = scale;
    if (mucmm__has_out(c, 2))
        *(uint8_t *)c->y[2] = zero_point;
    return MUCMM_OK;
}

/* ---- products: MatMulInteger, QLinearMatMul ---------------------------------------- */

/* y[m, n] = sum_k (a[m, k] - zero_a) (b[k, n] - zero_b)      in int32, or scaled to eight bits */

/* Places of the inputs; -1 = there is none. */
typedef struct roles {
    int32_t a, scale_a, zero_a, b, scale_b, zero_b, scale_y, zero_y, bias;
} roles;

static const roles integer_roles = {0, -1, 2, 1, -1, 3, -1, -1, -1};
static const roles scaled_roles = {0, 1, 2, 3, 4, 5, 6, 7, 8};

static const roles *roles_of(const mucmm__call *c)
{
    return c->node->op->type[0] == 'Q' ? &scaled_roles : &integer_roles;
}

typedef struct product {
    mucmm__call *c;
    const roles *r;
    mucmm__desc a, b, out; /* of rank 2 at least */
    int64_t m, k, n;
    int64_t batches_a, batches_b;
} product;

static product product_start(mucmm__call *c)
{
    product p = {.c = c, .r = roles_of(c)};

    p.a = *c->in[p.r->a];
    p.b = *c->in[p.r->b];
    if (p.a.rank == 1) {
        p.a.rank = 2;
        p.a.shape[1] = p.a.shape[0];
        p.a.shape[0] = 1;
    }
    if (p.b.rank == 1) {
        p.b.rank = 2;
        p.b.shape[1] = 1;
    }
    if (p.a.rank < 2 || p.b.rank < 2)
        return p;
    p.m = p.a.shape[p.a.rank - 2];
    p.k = p.a.shape[p.a.rank - 1];
    p.n = p.b.shape[p.b.rank - 1];
    p.batches_a = mucmm__desc_product(&p.a, 0, p.a.rank - 2);
    p.batches_b = mucmm__desc_product(&p.b, 0, p.b.rank - 2);
    return p;
}

/* Types and parameters of y: one scale, one zero point of y's type. */
static mucmm_status check_bytes(mucmm__call *c, const roles *r)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__check_type(c, r->a, TYPES_BYTE));
    TRY(mucmm__check_type(c, r->b, TYPES_BYTE));
    if (r->scale_y >= 0) {
        TRY(check_parameter(c, r->scale_y, TYPES_F32, 1, 1));
        TRY(check_parameter(c, r->zero_y, TYPES_BYTE, 1, 1));
    }
done:
    return status;
}

static mucmm_status product_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    product p = product_start(c);
    const roles *r = p.r;
    mucmm__desc a = p.a, b = p.b;
    int64_t shape[MUCMM_MAX_RANK] = {0};
    int32_t rank;

    TRY(check_bytes(c, r));
    if (p.a.rank < 2 || p.b.rank < 2 || p.k != p.b.shape[p.b.rank - 2])
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the columns of a must be as many as the rows of b");
    if (r->scale_a >= 0) {
        TRY(check_parameter(c, r->scale_a, TYPES_F32, p.m, p.batches_a * p.m));
        TRY(check_parameter(c, r->scale_b, TYPES_F32, p.n, p.batches_b * p.n));
    }
    TRY(check_parameter(c, r->zero_a, 1u << p.a.dtype, p.m, p.batches_a * p.m));
    TRY(check_parameter(c, r->zero_b, 1u << p.b.dtype, p.n, p.batches_b * p.n));
    a.rank -= 2;
    b.rank -= 2;
    TRY(mucmm__broadcast(c, &a, &b, &rank, shape));
    if (c->in[r->a]->rank > 1)
        shape[rank++] = p.m;
    if (c->in[r->b]->rank > 1)
        shape[rank++] = p.n;
    TRY(mucmm__out(c, 0, r->zero_y >= 0 ? c->in[r->zero_y]->dtype : MUCMM_I32, rank, shape));
done:
    return status;
}

/* The matrix of d that belongs to the index-th matrix of the broadcast of a and b. */
static int64_t batch_of(const mucmm__desc *d, const mucmm__desc *other, int64_t index)
{
    int32_t rank = d->rank > other->rank ? d->rank : other->rank;
    int64_t place = 0, step = 1;

    for (int32_t k = 3; k <= rank; k++) { /* from the last axis of the batches */
        int64_t m = k <= d->rank ? d->shape[d->rank - k] : 1,
                n = k <= other->rank ? other->shape[other->rank - k] : 1, size = m == 1 ? n : m;
        place += m == 1 ? 0 : index % size * step;
        step *= m;
        index /= size;
    }
    return place;
}

/* The sum of products as it is, or in the scale of y. */
static void put_result(const mucmm__call *c, const roles *r, int64_t at, int64_t sum, int64_t at_a,
                       int64_t at_b)
{
    if (r->scale_y < 0)
        ((int32_t *)c->y[0])[at] = (int32_t)sum;
    else
        put_byte(c->out[0]->dtype, c->y[0], at,
                 (float)((double)sum * (double)scale_at(c, r->scale_a, at_a) *
                         (double)scale_at(c, r->scale_b, at_b) /
                         (double)scale_at(c, r->scale_y, 0)),
                 zero_at(c, r->zero_y, 0));
}

/* One row of the result. */
static void product_task(void *arg, int64_t task)
{
    const product *p = arg;
    const mucmm__call *c = p->c;
    const roles *r = p->r;
    int64_t batch = task / p->m, m = task % p->m, batch_a = batch_of(&p->a, &p->b, batch),
            batch_b = batch_of(&p->b, &p->a, batch), row = batch_a * p->m + m;
    int32_t zero_a = zero_at(c, r->zero_a, row);

    for (int64_t n = 0; n < p->n; n++) {
        int64_t sum = 0, column = batch_b * p->n + n;
        int32_t zero_b = zero_at(c, r->zero_b, column);
        for (int64_t k = 0; k < p->k; k++)
            sum += (int64_t)(byte_at(p->a.dtype, c->x[r->a], row * p->k + k) - zero_a) *
                   (byte_at(p->b.dtype, c->x[r->b], (batch_b * p->k + k) * p->n + n) - zero_b);
        put_result(c, r, task * p->n + n, sum, row, column);
    }
}

static mucmm_status product_forward(mucmm__call *c)
{
    product p = product_start(c);

    if (mucmm__desc_count(c->out[0]) > 0)
        mucmm__parallel(c->ctx, mucmm__desc_count(c->out[0]) / p.n, product_task, &p);
    return MUCMM_OK;
}

/* ---- convolutions: ConvInteger, QLinearConv ---------------------------------------- */

/* x [n, c, ...], w [m, c / group, ...]; padding counts as the zero point, so it adds nothing. */

typedef struct convolution {
    mucmm__call *c;
    const roles *r;
    mucmm__window w; /* of three axes, the last ones of size 1 where there are fewer */
    int64_t channels, per_group, outputs, group; /* c, c / group, m, groups */
    int64_t space_in, space_out, space_kernel;
} convolution;

static mucmm_status convolution_start(mucmm__call *c, convolution *v)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x, *w;

    *v = (convolution){.c = c, .r = roles_of(c), .space_in = 1, .space_out = 1, .space_kernel = 1};
    x = c->in[v->r->a];
    w = c->in[v->r->b];
    v->group = mucmm__attr_int(c->node, "group", 1);
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank)
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "the input and the weights must have the same 3 to 5 dimensions");
    v->channels = x->shape[1];
    v->per_group = w->shape[1];
    v->outputs = w->shape[0];
    if (v->group < 1 || v->channels % v->group != 0 || v->channels / v->group != v->per_group ||
        v->outputs % v->group != 0)
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "%lld channels and weights of %lld for %lld outputs do not make %lld "
                              "groups",
                              (long long)v->channels, (long long)v->per_group,
                              (long long)v->outputs, (long long)v->group);
    TRY(mucmm__window_read(c, w->shape + 2, &v->w));
    for (int32_t k = 0; k < 3; k++) {
        if (k >= v->w.axes) {
            v->w.in[k] = v->w.out[k] = v->w.kernel[k] = v->w.stride[k] = v->w.dilation[k] = 1;
            v->w.before[k] = 0;
        }
        v->space_in *= v->w.in[k];
        v->space_out *= v->w.out[k];
        v->space_kernel *= v->w.kernel[k];
    }
done:
    return status;
}

static mucmm_status convolution_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    convolution v;
    const roles *r = roles_of(c);
    int64_t shape[MUCMM_MAX_RANK] = {0};

    TRY(check_bytes(c, r));
    TRY(convolution_start(c, &v));
    if (r->scale_a >= 0) {
        TRY(check_parameter(c, r->scale_a, TYPES_F32, 1, 1));
        TRY(check_parameter(c, r->scale_b, TYPES_F32, v.outputs, v.outputs));
    }
    TRY(check_parameter(c, r->zero_a, 1u << c->in[r->a]->dtype, 1, 1));
    TRY(check_parameter(c, r->zero_b, 1u << c->in[r->b]->dtype, v.outputs, v.outputs));
    if (r->bias >= 0 && mucmm__has_in(c, r->bias)) {
        TRY(mucmm__check_type(c, r->bias, 1u << MUCMM_I32));
        if (mucmm__desc_count(c->in[r->bias]) != v.outputs)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "the bias must have a number for each output");
    }
    shape[0] = c->in[r->a]->shape[0];
    shape[1] = v.outputs;
    memcpy(shape + 2, v.w.out, (size_t)v.w.axes * sizeof *shape);
    TRY(mucmm__out(c, 0, r->zero_y >= 0 ? c->in[r->zero_y]->dtype : MUCMM_I32, v.w.axes + 2,
                   shape));
done:
    return status;
}

/* The place of tap k of the window at output o along an axis; -1 = padding. */
static int64_t tap(const mucmm__window *w, int32_t axis, int64_t o, int64_t k)
{
    int64_t i = o * w->stride[axis] - w->before[axis] + k * w->dilation[axis];
    return i >= 0 && i < w->in[axis] ? i : -1;
}

/* The sum of one output: plane `first` of x on, weights `m`, at the output o of the space. */
static int64_t convolve_one(const convolution *v, int64_t first, int64_t m, int64_t o,
                            int32_t zero_x, int32_t zero_w)
{
    const mucmm__call *c = v->c;
    const mucmm__window *w = &v->w;
    mucmm_dtype tx = c->in[v->r->a]->dtype, tw = c->in[v->r->b]->dtype;
    int64_t o2 = o % w->out[2], o1 = o / w->out[2] % w->out[1], o0 = o / w->out[2] / w->out[1],
            sum = 0;

    for (int64_t k = 0; k < v->space_kernel; k++) {
        int64_t i0 = tap(w, 0, o0, k / w->kernel[2] / w->kernel[1]),
                i1 = tap(w, 1, o1, k / w->kernel[2] % w->kernel[1]),
                i2 = tap(w, 2, o2, k % w->kernel[2]), place = (i0 * w->in[1] + i1) * w->in[2] + i2;
        if (i0 < 0 || i1 < 0 || i2 < 0)
            continue;
        for (int64_t j = 0; j < v->per_group; j++)
            sum +=
                (int64_t)(byte_at(tx, c->x[v->r->a], (first + j) * v->space_in + place) - zero_x) *
                (byte_at(tw, c->x[v->r->b], (m * v->per_group + j) * v->space_kernel + k) - zero_w);
    }
    return sum;
}

/* One plane of the result. */
static void convolution_task(void *arg, int64_t task)
{
    const convolution *v = arg;
    const mucmm__call *c = v->c;
    const roles *r = v->r;
    int64_t m = task % v->outputs, group = m / (v->outputs / v->group),
            first = task / v->outputs * v->channels + group * v->per_group;
    int64_t bias =
        r->bias >= 0 && mucmm__has_in(c, r->bias) ? ((const int32_t *)c->x[r->bias])[m] : 0;

    for (int64_t o = 0; o < v->space_out; o++)
        put_result(
            c, r, task * v->space_out + o,
            bias + convolve_one(v, first, m, o, zero_at(c, r->zero_a, 0), zero_at(c, r->zero_b, m)),
            0, m);
}

static mucmm_status convolution_forward(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    convolution v;

    TRY(convolution_start(c, &v));
    if (mucmm__desc_count(c->out[0]) > 0)
        mucmm__parallel(c->ctx, c->in[v.r->a]->shape[0] * v.outputs, convolution_task, &v);
done:
    return status;
}

/* ---- the table --------------------------------------------------------------------- */

/* clang-format off */
const mucmm__op mucmm__ops_quantize[] = {
    {.type = "QuantizeLinear", .since = 10, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1,
     .infer = quantize_infer, .forward = quantize_forward, .flags = MUCMM__ZERO_GRADIENT},
    {.type = "DequantizeLinear", .since = 10, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1,
     .infer = dequantize_infer, .forward = dequantize_forward},
    {.type = "DynamicQuantizeLinear", .since = 11, .min_in = 1, .max_in = 1, .min_out = 1,
     .max_out = 3, .infer = dynamic_infer, .forward = dynamic_forward,
     .flags = MUCMM__ZERO_GRADIENT},
    {.type = "MatMulInteger", .since = 10, .min_in = 2, .max_in = 4, .min_out = 1, .max_out = 1,
     .infer = product_infer, .forward = product_forward},
    {.type = "QLinearMatMul", .since = 10, .min_in = 8, .max_in = 8, .min_out = 1, .max_out = 1,
     .infer = product_infer, .forward = product_forward},
    {.type = "ConvInteger", .since = 10, .min_in = 2, .max_in = 4, .min_out = 1, .max_out = 1,
     .infer = convolution_infer, .forward = convolution_forward},
    {.type = "QLinearConv", .since = 10, .min_in = 8, .max_in = 9, .min_out = 1, .max_out = 1,
     .infer = convolution_infer, .forward = convolution_forward},
    {0},
};
/* clang-format on */
