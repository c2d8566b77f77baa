/* SPDX-License-Identifier: MIT
 *
 * generate.c - operators that make numbers out of attributes and shapes. */
#include "graph/ops/strided.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- Constant ---------------------------------------------------------------------- */

/* The attribute that holds the numbers: where they are and what they are. */
static mucmm_status constant_value(const mucmm__call *c, mucmm_tensor *t)
{
    const mucmm__node *n = c->node;
    const mucmm__attr *a;

    if ((a = mucmm__attr_find(n, "value", MUCMM__ATTR_TENSOR)))
        *t = a->t;
    else if ((a = mucmm__attr_find(n, "value_float", MUCMM__ATTR_FLOAT)))
        *t = (mucmm_tensor){.dtype = MUCMM_F32, .data = (void *)(uintptr_t)&a->f};
    else if ((a = mucmm__attr_find(n, "value_int", MUCMM__ATTR_INT)))
        *t = (mucmm_tensor){.dtype = MUCMM_I64, .data = (void *)(uintptr_t)&a->i};
    else if ((a = mucmm__attr_find(n, "value_floats", MUCMM__ATTR_FLOATS)))
        *t = (mucmm_tensor){.dtype = MUCMM_F32, .rank = 1, .shape = {a->n}, .data = a->floats};
    else if ((a = mucmm__attr_find(n, "value_ints", MUCMM__ATTR_INTS)))
        *t = (mucmm_tensor){.dtype = MUCMM_I64, .rank = 1, .shape = {a->n}, .data = a->ints};
    else
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                              "the value must be a tensor, floats or integers");
    return MUCMM_OK;
}

static mucmm_status constant_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_tensor t;

    TRY(constant_value(c, &t));
    TRY(mucmm__out(c, 0, t.dtype, t.rank, t.shape));
done:
    return status;
}

static mucmm_status constant_forward(mucmm__call *c)
{
    mucmm_tensor t;
    mucmm_status status = constant_value(c, &t);
    int64_t bytes = mucmm__desc_bytes(c->out[0]);

    if (status == MUCMM_OK && bytes > 0)
        memcpy(c->y[0], t.data, (size_t)bytes);
    return status;
}

/* ---- ConstantOfShape --------------------------------------------------------------- */

static mucmm_status constant_of_shape_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__attr *a = mucmm__attr_find(c->node, "value", MUCMM__ATTR_TENSOR);
    int64_t shape[MUCMM_MAX_RANK], rank;

    for (int32_t k = 0; a && k < a->t.rank; k++)
        if (a->t.shape[k] != 1)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "the value must be one number");
    TRY(mucmm__known_ints(c, 0, shape, MUCMM_MAX_RANK, &rank));
    TRY(mucmm__out(c, 0, a ? a->t.dtype : MUCMM_F32, (int32_t)rank, shape));
done:
    return status;
}

static mucmm_status constant_of_shape_forward(mucmm__call *c)
{
    const mucmm__attr *a = mucmm__attr_find(c->node, "value", MUCMM__ATTR_TENSOR);
    const mucmm__desc *y = c->out[0];

    mucmm__fill(c->ctx, mucmm__desc_count(y), mucmm_dtype_size(y->dtype),
                a ? a->t.data : &(float){0}, c->y[0]);
    return MUCMM_OK;
}

/* ---- Range: start, start + delta, ... below (or, for delta < 0, above) limit ------- */

/* How many integers. The differences are computed without sign, where they cannot overflow. */
static uint64_t count_integers(int64_t start, int64_t limit, int64_t delta)
{
    uint64_t distance =
                 delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit,
             step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;

    if (delta > 0 ? limit <= start : limit >= start)
        return 0;
    return distance / step + (distance % step != 0);
}

static mucmm_status range_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_dtype t = c->in[0]->dtype;
    double n, delta;

    TRY(mucmm__check_type(c, 0,
                          1u << MUCMM_F32 | 1u << MUCMM_F64 | 1u << MUCMM_I16 | 1u << MUCMM_I32 |
                              1u << MUCMM_I64));
    for (int32_t i = 0; i < 3; i++) {
        if (c->in[i]->dtype != t || mucmm__desc_count(c->in[i]) != 1)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "input %d must be one %s", i,
                                  mucmm_dtype_name(t));
        if (!c->known[i])
            return MUCMM__EVALUE;
    }
    delta = mucmm__number_get(t, c->known[2], 0);
    if (delta == 0)
        return mucmm__op_fail(c, MUCMM_EFORMAT, "delta is 0");
    if (mucmm__dtype_is_float(t))
        n = ceil((mucmm__number_get(t, c->known[1], 0) - mucmm__number_get(t, c->known[0], 0)) /
                 delta);
    else
        n = (double)count_integers(mucmm__integer_get(t, c->known[0], 0),
                                   mucmm__integer_get(t, c->known[1], 0),
                                   mucmm__integer_get(t, c->known[2], 0));
    if (!(n < 0x1p53))
        return mucmm__op_fail(c, MUCMM_EFORMAT, "the range has no end");
    TRY(mucmm__out(c, 0, t, 1, (int64_t[]){n > 0 ? (int64_t)n : 0}));
done:
    return status;
}

static mucmm_status range_forward(mucmm__call *c)
{
    mucmm_dtype t = c->out[0]->dtype;
    int64_t n = c->out[0]->shape[0];

    if (mucmm__dtype_is_float(t)) {
        double start = mucmm__number_get(t, c->x[0], 0), delta = mucmm__number_get(t, c->x[2], 0);
        for (int64_t i = 0; i < n; i++)
            mucmm__number_put(t, c->y[0], i, start + (double)i * delta);
    } else {
        uint64_t start = (uint64_t)mucmm__integer_get(t, c->x[0], 0),
                 delta = (uint64_t)mucmm__integer_get(t, c->x[2], 0);
        for (int64_t i = 0; i < n; i++)
            mucmm__integer_put(t, c->y[0], i, (int64_t)(start + (uint64_t)i * delta));
    }
    return MUCMM_OK;
}

/* ---- EyeLike ----------------------------------------------------------------------- */

static mucmm_status eye_infer(mucmm__call *c)
{
    int64_t t = mucmm__attr_int(c->node, "dtype", c->in[0]->dtype);

    if (c->in[0]->rank != 2)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the input has %d axes, not 2", c->in[0]->rank);
    if (t < 0 || t > 31 || mucmm_dtype_size((mucmm_dtype)t) == 0)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "dtype %" PRId64 " is not supported", t);
    return mucmm__out(c, 0, (mucmm_dtype)t, 2, c->in[0]->shape);
}

static mucmm_status eye_forward(mucmm__call *c)
{
    const mucmm__desc *y = c->out[0];
    int64_t k = mucmm__attr_int(c->node, "k", 0), rows = y->shape[0], columns = y->shape[1];

    mucmm__zero(c->ctx, y, c->y[0]);
    if (k > -rows && k < columns)
        for (int64_t i = k < 0 ? -k : 0; i < rows && i + k < columns; i++)
            mucmm__number_put(y->dtype, c->y[0], i * columns + i + k, 1);
    return MUCMM_OK;
}

const mucmm__op mucmm__ops_generate[] = {
    {"Constant", 1, 0, 0, 0, 1, 1, constant_infer, constant_forward, .flags = MUCMM__ZERO_GRADIENT},
    {"ConstantOfShape", 9, 0, 1, 1, 1, 1, constant_of_shape_infer, constant_of_shape_forward,
     .flags = MUCMM__ZERO_GRADIENT},
    {"Range", 11, 0, 3, 3, 1, 1, .infer = range_infer, .forward = range_forward},
    {"EyeLike", 9, 0, 1, 1, 1, 1, eye_infer, eye_forward, .flags = MUCMM__ZERO_GRADIENT},
    {0},
};
