/* SPDX-License-Identifier: MIT
 *
 * memory.c - rows that lie in memory: the caller's, with or without its names, or the library's
 * own. */
#include "io/data.h"

#include <inttypes.h>
#include <string.h>

void mucmm_array_init_sized(mucmm_array *a, size_t size)
{
    mucmm__params_init(a, size,
                       &(mucmm_array){.dtype = MUCMM_F32, .missing_row = .5, .missing_column = .5},
                       sizeof *a);
}

static mucmm_status check(mucmm_ctx *ctx, const mucmm_array *a)
{
    int64_t cols = 1;

    if (a->rows < 0 || a->cols < 1 || a->stride < a->cols || (!a->data && a->rows) ||
        a->stride > INT64_MAX / 64 || a->rows > INT64_MAX / 64 / a->stride)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: a matrix of %" PRId64 " x %" PRId64 ", stride %" PRId64
                           "; it needs a column, and the stride is at least the columns",
                           a->label, a->rows, a->cols, a->stride);
    if (a->rank < 0 || a->rank > MUCMM_MAX_RANK)
        return mucmm__fail(ctx, MUCMM_EARG, "%s: rank %d of a row is not in 0..%d", a->label,
                           a->rank, MUCMM_MAX_RANK);
    for (int32_t k = 0; k < a->rank; k++)
        if (!mucmm__mul(cols, a->shape[k], &cols))
            cols = -1;
    if (a->rank && cols != a->cols)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: the product of the row's shape is not its %" PRId64 " columns",
                           a->label, a->cols);
    if (!mucmm__dtype_is_npy(a->dtype))
        return mucmm__fail(ctx, MUCMM_EARG, "%s: type %d is no type of numbers that rows may have",
                           a->label, (int)a->dtype);
    return MUCMM_OK;
}

/* Room that n names take; EARG: one of them is NULL. */
static mucmm_status add_size(mucmm_ctx *ctx, const mucmm_array *a, const char *what,
                             const char *const *names, int64_t n, int64_t *size)
{
    for (int64_t i = 0; names && i < n; i++) {
        if (!names[i])
            return mucmm__fail(ctx, MUCMM_EARG, "%s: %s %" PRId64 " is NULL", a->label, what, i);
        *size += (int64_t)strlen(names[i]) + 1;
    }
    return MUCMM_OK;
}

/* at [n] becomes where the names lie in text. */
static mucmm_status copy_names(mucmm_ctx *ctx, const char *const *names, int64_t n, char *text,
                               int64_t *used, int64_t **at)
{
    mucmm_status status = MUCMM_OK;

    if (!names)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n, sizeof **at, at));
    for (int64_t i = 0; i < n; i++) {
        size_t size = strlen(names[i]) + 1;
        (*at)[i] = *used;
        memcpy(text + *used, names[i], size);
        *used += (int64_t)size;
    }
done:
    return status;
}

static mucmm_status set_names(mucmm_ctx *ctx, const mucmm_array *a, mucmm__table *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = 0, used = 0;

    TRY(add_size(ctx, a, "the name of column", a->columns, a->cols, &size));
    TRY(add_size(ctx, a, "the key of row", a->keys, a->rows, &size));
    if (size == 0)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, size, 1, &t->text));
    TRY(copy_names(ctx, a->columns, a->cols, t->text, &used, &t->column_at));
    TRY(copy_names(ctx, a->keys, a->rows, t->text, &used, &t->key_at));
    t->keyed = a->keys != NULL;
done:
    return status;
}

static void set_numbers(mucmm_data *d, const mucmm_array *a)
{
    d->n = a->rows;
    d->cols = d->shape[0] = a->cols;
    d->rank = a->rank ? a->rank : 1;
    if (a->rank)
        memcpy(d->shape, a->shape, (size_t)a->rank * sizeof *a->shape);
    d->values = a->data;
    d->type = a->dtype;
    d->column_step = mucmm__number_types[d->type].size;
    d->row_step = a->stride * d->column_step;
}

mucmm_status mucmm_data_adopt(mucmm_ctx *ctx, const mucmm_array *array, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *d = NULL;
    mucmm_array a;

    *out = NULL;
    if (!array)
        return mucmm__fail(ctx, MUCMM_EARG, "no array");
    mucmm_array_init(&a);
    TRY(mucmm__params_take(ctx, "mucmm_array", array, &a, sizeof a));
    a.label = a.label ? a.label : "data";
    a.stride = a.stride ? a.stride : a.cols;
    TRY(check(ctx, &a));
    TRY(mucmm__data_create(ctx, a.label, &d));
    set_numbers(d, &a);
    TRY(set_names(ctx, &a, &d->table));
    if (a.missing && a.rows)
        TRY(mucmm__data_mark_empty(ctx, d,
                                   &(mucmm_data_params){.missing = a.missing,
                                                        .missing_row = a.missing_row,
                                                        .missing_column = a.missing_column}));
    d->release = a.release; /* from here nothing fails */
    d->release_user = a.user;
    *out = d;
    d = NULL;
done:
    mucmm_data_free(d);
    return status;
}

mucmm_status mucmm_data_wrap(mucmm_ctx *ctx, const mucmm_cmat *m, const char *label,
                             const int64_t *shape, int32_t rank, mucmm_data **out)
{
    mucmm_array a;

    mucmm_array_init(&a);
    a.data = m->data;
    a.rows = m->rows;
    a.cols = m->cols;
    a.stride = m->stride ? m->stride : -1; /* 0 is no default here */
    a.shape = shape;
    a.rank = rank;
    a.label = label;
    return mucmm_data_adopt(ctx, &a, out);
}

mucmm_status mucmm__data_own(mucmm_ctx *ctx, const char *label, float *values, int64_t n,
                             const int64_t *shape, int32_t rank, mucmm_data **out)
{
    int64_t cols = 1;
    mucmm_status status;

    for (int32_t k = 0; k < rank; k++)
        cols *= shape[k];
    status = mucmm_data_wrap(ctx, &(mucmm_cmat){values, n, cols, cols}, label, shape, rank, out);
    if (status == MUCMM_OK)
        (*out)->owned = (unsigned char *)values;
    return status;
}
