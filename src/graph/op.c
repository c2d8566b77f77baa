/* SPDX-License-Identifier: MIT
 *
 * op.c - the table of operators, and what they share: shapes, attributes, messages. */
#include "graph/graph.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- descriptions ------------------------------------------------------------------ */

int64_t mucmm__desc_product(const mucmm__desc *d, int32_t first, int32_t last)
{
    int64_t n = 1;

    for (int32_t k = first; k < last; k++)
        n *= d->shape[k];
    return n;
}

int64_t mucmm__desc_count(const mucmm__desc *d)
{
    return mucmm__desc_product(d, 0, d->rank);
}

int64_t mucmm__desc_bytes(const mucmm__desc *d)
{
    int64_t n = mucmm__desc_count(d), b = d->block;

    if (b > 1 && d->shape[1] > 0)
        n = n / d->shape[1] * ((d->shape[1] + b - 1) / b * b);
    return n * mucmm_dtype_size(d->dtype);
}

bool mucmm__same_shape(const mucmm__desc *a, const mucmm__desc *b)
{
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

const char *mucmm__shape_text(char out[MUCMM__SHAPE_TEXT], const mucmm__desc *d)
{
    size_t used = (size_t)snprintf(out, MUCMM__SHAPE_TEXT, "[");

    for (int32_t k = 0; k < d->rank && used < MUCMM__SHAPE_TEXT; k++)
        used += (size_t)snprintf(out + used, MUCMM__SHAPE_TEXT - used, "%s%" PRId64, k ? ", " : "",
                                 d->shape[k]);
    if (used < MUCMM__SHAPE_TEXT)
        snprintf(out + used, MUCMM__SHAPE_TEXT - used, "]");
    return out;
}

/* ---- attributes -------------------------------------------------------------------- */

const mucmm__attr *mucmm__attr_find(const mucmm__node *n, const char *name, mucmm__attr_kind kind)
{
    for (int32_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].kind == kind && strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    return NULL;
}

int64_t mucmm__attr_int(const mucmm__node *n, const char *name, int64_t otherwise)
{
    const mucmm__attr *a = mucmm__attr_find(n, name, MUCMM__ATTR_INT);
    return a ? a->i : otherwise;
}

float mucmm__attr_float(const mucmm__node *n, const char *name, float otherwise)
{
    const mucmm__attr *a = mucmm__attr_find(n, name, MUCMM__ATTR_FLOAT);
    return a ? a->f : otherwise;
}

const char *mucmm__attr_string(const mucmm__node *n, const char *name, const char *otherwise)
{
    const mucmm__attr *a = mucmm__attr_find(n, name, MUCMM__ATTR_STRING);
    return a ? a->s : otherwise;
}

const int64_t *mucmm__attr_ints(const mucmm__node *n, const char *name, int64_t *count)
{
    const mucmm__attr *a = mucmm__attr_find(n, name, MUCMM__ATTR_INTS);
    *count = a ? a->n : 0;
    return a ? a->ints : NULL;
}

/* ---- helpers ----------------------------------------------------------------------- */

mucmm_status mucmm__op_fail(const mucmm__call *c, mucmm_status s, const char *format, ...)
{
    char text[sizeof c->ctx->message];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mucmm__fail(c->ctx, s, "node '%.200s' (%s): %s", c->node->name, c->node->op->type, text);
}

mucmm_status mucmm__out(mucmm__call *c, int32_t i, mucmm_dtype t, int32_t rank,
                        const int64_t *shape)
{
    mucmm__desc *d;
    int64_t n = mucmm_dtype_size(t);

    if (!mucmm__has_out(c, i))
        return MUCMM_OK;
    if (n == 0)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "output %d is %s, which is not supported", i,
                              mucmm_dtype_name(t));
    if (rank < 0 || rank > MUCMM_MAX_RANK)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                              "output %d has %d dimensions; at most %d are supported", i, rank,
                              MUCMM_MAX_RANK);
    d = c->out[i];
    *d = (mucmm__desc){.dtype = t, .rank = rank, .block = 1};
    for (int32_t k = 0; k < rank; k++) {
        if (shape[k] < 0)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "dimension %d of output %d would be %" PRId64, k,
                                  i, shape[k]);
        d->shape[k] = shape[k];
    }
    /* A 0 counts as 1, so that the product of any of the dimensions fits too. The factor 64 leaves
     * room for the padding of a blocked layout. */
    for (int32_t k = 0; k < rank; k++)
        if (!mucmm__mul(n, shape[k] > 0 ? shape[k] : 1, &n) ||
            (uint64_t)n > c->ctx->max_alloc / 64) {
            char text[MUCMM__SHAPE_TEXT];
            return mucmm__op_fail(
                c, MUCMM_ENOMEM, "out of memory: an output of shape %s",
                mucmm__shape_text(
                    text,
                    &(mucmm__desc){.rank = rank,
                                   .shape = {shape[0], rank > 1 ? shape[1] : 0,
                                             rank > 2 ? shape[2] : 0, rank > 3 ? shape[3] : 0,
                                             rank > 4 ? shape[4] : 0, rank > 5 ? shape[5] : 0,
                                             rank > 6 ? shape[6] : 0, rank > 7 ? shape[7] : 0}}));
        }
    return MUCMM_OK;
}

mucmm_status mucmm__out_like(mucmm__call *c, int32_t i, int32_t j)
{
    return mucmm__out(c, i, c->in[j]->dtype, c->in[j]->rank, c->in[j]->shape);
}

mucmm_status mucmm__known_ints(const mucmm__call *c, int32_t i, int64_t *values, int64_t max,
                               int64_t *n)
{
    const mucmm__desc *d = c->in[i];

    if (d->rank > 1 || mucmm__dtype_is_float(d->dtype))
        return mucmm__op_fail(c, MUCMM_ESHAPE, "input %d must be a list of integers", i);
    *n = mucmm__desc_count(d);
    if (*n > max)
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "input %d has %" PRId64 " numbers; at most %" PRId64 " make sense", i,
                              *n, max);
    if (!c->known[i] && *n > 0)
        return MUCMM__EVALUE;
    for (int64_t k = 0; k < *n; k++)
        values[k] = mucmm__integer_get(d->dtype, c->known[i], k);
    return MUCMM_OK;
}

mucmm_status mucmm__check_type(const mucmm__call *c, int32_t i, uint32_t types)
{
    if (types >> c->in[i]->dtype & 1u)
        return MUCMM_OK;
    return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "input %d is %s, which is not supported", i,
                          mucmm_dtype_name(c->in[i]->dtype));
}

mucmm_status mucmm__axis(const mucmm__call *c, const char *what, int64_t given, int32_t rank,
                         int32_t *axis)
{
    if (given < -rank || given >= rank)
        return mucmm__op_fail(c, MUCMM_EARG,
                              "%s is %" PRId64 "; with %d dimensions it must be in %d..%d", what,
                              given, rank, -rank, rank - 1);
    *axis = (int32_t)(given < 0 ? given + rank : given);
    return MUCMM_OK;
}

mucmm_status mucmm__broadcast(const mucmm__call *c, const mucmm__desc *a, const mucmm__desc *b,
                              int32_t *rank, int64_t shape[MUCMM_MAX_RANK])
{
    char first[MUCMM__SHAPE_TEXT], second[MUCMM__SHAPE_TEXT];

    *rank = a->rank > b->rank ? a->rank : b->rank;
    for (int32_t k = 1; k <= *rank; k++) { /* from the last axis */
        int64_t m = k <= a->rank ? a->shape[a->rank - k] : 1,
                n = k <= b->rank ? b->shape[b->rank - k] : 1;
        if (m != n && m != 1 && n != 1)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "shapes %s and %s cannot be broadcast together",
                                  mucmm__shape_text(first, a), mucmm__shape_text(second, b));
        shape[*rank - k] = m == 1 ? n : m;
    }
    return MUCMM_OK;
}

/* ---- the table --------------------------------------------------------------------- */

static const mucmm__op *const families[] = {
#define X(name) mucmm__ops_##name,
    MUCMM__FAMILY_MAP(X)
#undef X
};
#define N_FAMILIES ((int32_t)(sizeof families / sizeof *families))

const mucmm__op *mucmm__op_find(const char *type, int32_t opset, bool *known_type)
{
    *known_type = false;
    for (int32_t f = 0; f < N_FAMILIES; f++)
        for (const mucmm__op *op = families[f]; op->type; op++) {
            if (op->flags & MUCMM__INTERNAL || strcmp(op->type, type) != 0)
                continue;
            *known_type = true;
            if (op->since <= opset && (op->until == 0 || opset <= op->until))
                return op;
        }
    return NULL;
}

const mucmm__op *mucmm__op_internal(const char *type)
{
    for (int32_t f = 0; f < N_FAMILIES; f++)
        for (const mucmm__op *op = families[f]; op->type; op++)
            if (op->flags & MUCMM__INTERNAL && strcmp(op->type, type) == 0)
                return op;
    return NULL;
}

/* The i-th operator that users see; NULL behind the last, whose number is then in *n. */
static const mucmm__op *find_op(int32_t i, int32_t *n)
{
    *n = 0;
    for (int32_t f = 0; f < N_FAMILIES; f++)
        for (const mucmm__op *op = families[f]; op->type; op++)
            if (!(op->flags & MUCMM__INTERNAL) && (*n)++ == i)
                return op;
    return NULL;
}

int32_t mucmm_ops(void)
{
    int32_t n;

    find_op(-1, &n);
    return n;
}

void mucmm_op_info_init_sized(mucmm_op_info *o, size_t size)
{
    mucmm__params_init(o, size, &(mucmm_op_info){.struct_size = 0}, sizeof *o);
}

int32_t mucmm_op(int32_t i, mucmm_op_info *out)
{
    int32_t n;
    const mucmm__op *op = find_op(i, &n);

    if (!op)
        return 0;
    const mucmm_op_info found = {.type = op->type,
                                 .since = op->since,
                                 .until = op->until ? op->until : MUCMM__OPSET_MAX,
                                 .differentiable =
                                     op->vjp || op->flags & MUCMM__VIEW || !op->infer};
    return mucmm__params_give(&found, sizeof found, out);
}
