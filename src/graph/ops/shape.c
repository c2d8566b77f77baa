/* SPDX-License-Identifier: MIT
 *
 * shape.c - operators that read or change the shape only. */
#include "graph/graph.h"

#include <inttypes.h>
#include <string.h>

/* ---- Shape, Size: their result is known before the run ----------------------------- */

static int32_t clamp_axis(int64_t axis, int32_t rank)
{
    axis += axis < 0 ? rank : 0;
    return (int32_t)(axis < 0 ? 0 : axis > rank ? rank : axis);
}

static void shape_range(const mucmm__call *c, int32_t *first, int32_t *last)
{
    int32_t rank = c->in[0]->rank;

    *first = clamp_axis(mucmm__attr_int(c->node, "start", 0), rank);
    *last = clamp_axis(mucmm__attr_int(c->node, "end", rank), rank);
    *last = *last < *first ? *first : *last;
}

static mucmm_status shape_infer(mucmm__call *c)
{
    int32_t first, last;

    shape_range(c, &first, &last);
    return mucmm__out(c, 0, MUCMM_I64, 1, (int64_t[]){last - first});
}

static mucmm_status shape_forward(mucmm__call *c)
{
    int32_t first, last;

    shape_range(c, &first, &last);
    memcpy(c->y[0], c->in[0]->shape + first, (size_t)(last - first) * sizeof(int64_t));
    return MUCMM_OK;
}

static mucmm_status size_infer(mucmm__call *c)
{
    return mucmm__out(c, 0, MUCMM_I64, 0, NULL);
}

static mucmm_status size_forward(mucmm__call *c)
{
    *(int64_t *)c->y[0] = mucmm__desc_count(c->in[0]);
    return MUCMM_OK;
}

/* ---- the same numbers in another shape --------------------------------------------- */

static mucmm_status product(const mucmm__call *c, int64_t *n, int64_t factor)
{
    return mucmm__mul(*n, factor, n)
               ? MUCMM_OK
               : mucmm__op_fail(c, MUCMM_ESHAPE, "the shape has too many elements");
}

/* shape with its -1 and 0 resolved. -1 is the quotient of the dimensions that are not copied, which
 * gives an answer for tensors without elements too. */
static mucmm_status resolve_shape(const mucmm__call *c, int64_t rank, int64_t shape[MUCMM_MAX_RANK])
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    bool keep_zero = mucmm__attr_int(c->node, "allowzero", 0) != 0, copied[MUCMM_MAX_RANK] = {0};
    int64_t given = 1, wanted = 1, open = -1;
    bool empty = false;

    for (int64_t k = 0; k < rank; k++) {
        if (shape[k] < -1 || (shape[k] == -1 && open >= 0))
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "the shape has dimension %" PRId64 " at %" PRId64
                                  "; one -1 is allowed and nothing below",
                                  shape[k], k);
        if (shape[k] == 0 && !keep_zero) {
            if (k >= x->rank)
                return mucmm__op_fail(c, MUCMM_ESHAPE,
                                      "the shape copies dimension %" PRId64 " of %d", k, x->rank);
            copied[k] = true;
            shape[k] = x->shape[k];
            empty = empty || shape[k] == 0;
        } else if (shape[k] == -1) {
            open = k;
        } else {
            TRY(product(c, &wanted, shape[k]));
        }
    }
    for (int32_t k = 0; k < x->rank; k++)
        if (!copied[k])
            TRY(product(c, &given, x->shape[k]));
    if (open >= 0 && wanted > 0 && given % wanted == 0)
        shape[open] = given / wanted;
    else if (open >= 0 || (given != wanted && !empty)) {
        char from[MUCMM__SHAPE_TEXT], to[MUCMM__SHAPE_TEXT];
        mucmm__desc y = {.rank = (int32_t)rank};
        memcpy(y.shape, shape, (size_t)rank * sizeof *shape);
        return mucmm__op_fail(c, MUCMM_ESHAPE, "%s cannot be reshaped to %s",
                              mucmm__shape_text(from, x), mucmm__shape_text(to, &y));
    }
done:
    return status;
}

static mucmm_status reshape_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t shape[MUCMM_MAX_RANK], rank;

    TRY(mucmm__known_ints(c, 1, shape, MUCMM_MAX_RANK, &rank));
    TRY(resolve_shape(c, rank, shape));
    TRY(mucmm__out(c, 0, c->in[0]->dtype, (int32_t)rank, shape));
done:
    return status;
}

static mucmm_status flatten_infer(mucmm__call *c)
{
    const mucmm__desc *x = c->in[0];
    int64_t axis = mucmm__attr_int(c->node, "axis", 1);

    if (axis < -x->rank || axis > x->rank)
        return mucmm__op_fail(c, MUCMM_EARG,
                              "axis is %" PRId64 "; with %d dimensions it must be in %d..%d", axis,
                              x->rank, -x->rank, x->rank);
    axis += axis < 0 ? x->rank : 0;
    return mucmm__out(c, 0, x->dtype, 2,
                      (int64_t[]){mucmm__desc_product(x, 0, (int32_t)axis),
                                  mucmm__desc_product(x, (int32_t)axis, x->rank)});
}

/* The axes of an attribute before opset 13, of input 1 since then, among `rank`: picked[axis] is
 * set. *n is how many. */
static mucmm_status pick_axes(const mucmm__call *c, int32_t rank, bool picked[MUCMM_MAX_RANK],
                              int64_t *n)
{
    mucmm_status status = MUCMM_OK;
    int64_t axes[MUCMM_MAX_RANK];
    const int64_t *list = axes;

    *n = 0;
    if (c->node->opset < 13)
        list = mucmm__attr_ints(c->node, "axes", n);
    else if (mucmm__has_in(c, 1))
        TRY(mucmm__known_ints(c, 1, axes, MUCMM_MAX_RANK, n));
    for (int64_t k = 0; k < *n; k++) {
        int32_t axis;
        TRY(mucmm__axis(c, "axes", list[k], rank, &axis));
        if (picked[axis])
            return mucmm__op_fail(c, MUCMM_EARG, "axis %d is listed twice", axis);
        picked[axis] = true;
    }
done:
    return status;
}

static mucmm_status squeeze_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    bool picked[MUCMM_MAX_RANK] = {0};
    int64_t n, shape[MUCMM_MAX_RANK];
    int32_t rank = 0;

    TRY(pick_axes(c, x->rank, picked, &n));
    for (int32_t k = 0; k < x->rank; k++) {
        if (picked[k] && x->shape[k] != 1)
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "axis %d has %" PRId64 " elements and cannot be squeezed", k,
                                  x->shape[k]);
        if (n > 0 ? !picked[k] : x->shape[k] != 1)
            shape[rank++] = x->shape[k];
    }
    TRY(mucmm__out(c, 0, x->dtype, rank, shape));
done:
    return status;
}

static mucmm_status unsqueeze_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    bool picked[MUCMM_MAX_RANK] = {0};
    int64_t n = 0, shape[MUCMM_MAX_RANK];
    int32_t rank, from = 0;

    if (c->node->opset < 13)
        mucmm__attr_ints(c->node, "axes", &n);
    else
        n = mucmm__desc_count(c->in[1]);
    if (n > MUCMM_MAX_RANK - x->rank)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                              "%" PRId64 " axes more than %d; at most %d are supported", n, x->rank,
                              MUCMM_MAX_RANK);
    rank = x->rank + (int32_t)n;
    TRY(pick_axes(c, rank, picked, &n));
    for (int32_t k = 0; k < rank; k++)
        shape[k] = picked[k] ? 1 : x->shape[from++];
    TRY(mucmm__out(c, 0, x->dtype, rank, shape));
done:
    return status;
}

const mucmm__op mucmm__ops_shape[] = {
    {"Shape", 1, 0, 1, 1, 1, 1, shape_infer, shape_forward, .flags = MUCMM__ZERO_GRADIENT},
    {"Size", 1, 0, 1, 1, 1, 1, size_infer, size_forward, .flags = MUCMM__ZERO_GRADIENT},
    {"Reshape", 5, 0, 2, 2, 1, 1, reshape_infer, .diff = 1, .flags = MUCMM__VIEW},
    {"Flatten", 1, 0, 1, 1, 1, 1, flatten_infer, .diff = 1, .flags = MUCMM__VIEW},
    {"Squeeze", 1, 12, 1, 1, 1, 1, squeeze_infer, .diff = 1, .flags = MUCMM__VIEW},
    {"Squeeze", 13, 0, 1, 2, 1, 1, squeeze_infer, .diff = 1, .flags = MUCMM__VIEW},
    {"Unsqueeze", 1, 12, 1, 1, 1, 1, unsqueeze_infer, .diff = 1, .flags = MUCMM__VIEW},
    {"Unsqueeze", 13, 0, 2, 2, 1, 1, unsqueeze_infer, .diff = 1, .flags = MUCMM__VIEW},
    {0},
};
