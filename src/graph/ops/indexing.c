/* SPDX-License-Identifier: MIT
 *
 * indexing.c - operators that read or write at places given by numbers.
 *
 * Every one becomes a list of rows: row r of the small side is `inner` numbers at r inner, and of
 * the large side (data) at
 *     (r / n) stride + offset[r % n].
 * Rows of data either are the same or do not overlap. */
#include "graph/ops/strided.h"

#include <inttypes.h>
#include <string.h>

#define INDEX_TYPES (1u << MUCMM_I32 | 1u << MUCMM_I64)

typedef struct rows {
    int64_t batch, n, inner, stride;
    int64_t *offset; /* [n] in c->work */
} rows;

static int64_t row_place(const rows *r, int64_t i)
{
    return i / r->n * r->stride + r->offset[i % r->n];
}

/* Index number i, from -size..size-1 to 0..size-1. */
static mucmm_status read_index(const mucmm__call *c, int64_t i, int64_t size, int64_t *out)
{
    int64_t v = mucmm__integer_get(c->in[1]->dtype, c->x[1], i);

    if (v < -size || v >= size)
        return mucmm__op_fail(c, MUCMM_EFORMAT,
                              "index %" PRId64 " (number %" PRId64 " of input 1) is not in %" PRId64
                              "..%" PRId64,
                              v, i, -size, size - 1);
    *out = v < 0 ? v + size : v;
    return MUCMM_OK;
}

/* ---- rows read --------------------------------------------------------------------- */

typedef struct gather_job {
    const rows *r;
    int64_t size;
    const char *x;
    char *y;
} gather_job;

static void gather_rows(void *arg, int64_t first, int64_t last)
{
    const gather_job *j = arg;
    int64_t bytes = j->r->inner * j->size;

    for (int64_t i = first; i < last; i++) {
        const char *x = j->x + row_place(j->r, i) * j->size;
        if (bytes == 4)
            memcpy(j->y + i * 4, x, 4);
        else
            memcpy(j->y + i * bytes, x, (size_t)bytes);
    }
}

static void gather(mucmm_ctx *ctx, const rows *r, int64_t size, const void *x, void *y)
{
    gather_job job = {r, size, x, y};

    mucmm__parallel_range(ctx, r->batch * r->n, mucmm__row_grain(r->inner), gather_rows, &job);
}

/* ---- rows written ------------------------------------------------------------------ */

/* Each task has a
 * stretch of the data and goes through all rows in order, so that the result does not depend on the
 * number of threads, whatever rows coincide. */

typedef enum reduction { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL } reduction;

typedef struct scatter_job scatter_job;
/* Numbers [place, place + n) of the data and [row, row + n) of the rows. */
typedef void (*scatter_fn)(const scatter_job *j, int64_t place, int64_t row, int64_t n);

struct scatter_job {
    const rows *r;
    reduction reduction;
    scatter_fn fn;
    bool backward; /* the last row first */
    mucmm_dtype dtype;
    int64_t total, parts; /* numbers in the data */
    void *data;
    const void *updates;
    float *du, *before; /* vjp: gradient of the updates; the data as each row finds it */
};

static void scatter_part(void *arg, int64_t part)
{
    const scatter_job *j = arg;
    int64_t low = j->total / j->parts * part, n = j->r->batch * j->r->n, inner = j->r->inner,
            high = part == j->parts - 1 ? j->total : j->total / j->parts * (part + 1);

    for (int64_t k = 0; k < n; k++) {
        int64_t i = j->backward ? n - 1 - k : k, place = row_place(j->r, i),
                from = place < low ? low - place : 0,
                to = place + inner > high ? high - place : inner;
        if (from < to)
            j->fn(j, place + from, i * inner + from, to - from);
    }
}

static void scatter(mucmm_ctx *ctx, scatter_job *j)
{
    int64_t work = j->r->batch * j->r->n * j->r->inner / 32768 + 1;

    j->parts = work < ctx->threads ? work : ctx->threads;
    mucmm__parallel(ctx, j->parts, scatter_part, j);
}

static void put_rows(const scatter_job *j, int64_t place, int64_t row, int64_t n)
{
    int64_t size = mucmm_dtype_size(j->dtype);

    memcpy((char *)j->data + place * size, (const char *)j->updates + row * size,
           (size_t)(n * size));
}

static void reduce_floats(const scatter_job *j, int64_t place, int64_t row, int64_t n)
{
    float *y = (float *)j->data + place;
    const float *u = j->updates ? (const float *)j->updates + row : NULL;

    if (j->reduction == REDUCE_ADD)
        for (int64_t i = 0; i < n; i++)
            y[i] += u[i];
    else
        for (int64_t i = 0; i < n; i++)
            y[i] *= u[i];
}

static void reduce_numbers(const scatter_job *j, int64_t place, int64_t row, int64_t n)
{
    bool add = j->reduction == REDUCE_ADD, floats = mucmm__dtype_is_float(j->dtype);

    for (int64_t i = 0; i < n; i++)
        if (floats) {
            double a = mucmm__number_get(j->dtype, j->data, place + i),
                   b = mucmm__number_get(j->dtype, j->updates, row + i);
            mucmm__number_put(j->dtype, j->data, place + i, add ? a + b : a * b);
        } else {
            uint64_t a = (uint64_t)mucmm__integer_get(j->dtype, j->data, place + i),
                     b = (uint64_t)mucmm__integer_get(j->dtype, j->updates, row + i);
            mucmm__integer_put(j->dtype, j->data, place + i, (int64_t)(add ? a + b : a * b));
        }
}

/* dx [data] += rows of dy */
static void scatter_add(mucmm_ctx *ctx, const rows *r, const mucmm__desc *data, const void *dy,
                        void *dx)
{
    scatter_job job = {.r = r,
                       .reduction = REDUCE_ADD,
                       .fn = reduce_floats,
                       .dtype = MUCMM_F32,
                       .total = mucmm__desc_count(data),
                       .data = dx,
                       .updates = dy};

    scatter(ctx, &job);
}

/* ---- where the rows are ------------------------------------------------------------ */

/* All set r and fill its offsets; the values of input 1 are checked. r->offset has room for
 * row_count(c). */
typedef mucmm_status (*locate_fn)(const mucmm__call *c, rows *r);

static int32_t axis_of(const mucmm__call *c)
{
    int64_t axis = mucmm__attr_int(c->node, "axis", 0); /* infer has checked it */
    return (int32_t)(axis < 0 ? axis + c->in[0]->rank : axis);
}

/* Gather: y[o, k, i] = x[o, index[k], i] */
static mucmm_status locate_axis(const mucmm__call *c, rows *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    int32_t axis = axis_of(c);

    r->batch = mucmm__desc_product(x, 0, axis);
    r->n = mucmm__desc_count(c->in[1]);
    r->inner = mucmm__desc_product(x, axis + 1, x->rank);
    r->stride = x->shape[axis] * r->inner;
    for (int64_t k = 0; k < r->n; k++) {
        TRY(read_index(c, k, x->shape[axis], &r->offset[k]));
        r->offset[k] *= r->inner;
    }
done:
    return status;
}

/* Gather- and ScatterElements: the place of number k of the indices, with one coordinate replaced.
 */
static mucmm_status locate_elements(const mucmm__call *c, rows *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0], *index = c->in[1];
    int64_t strides[MUCMM_MAX_RANK], at[MUCMM_MAX_RANK] = {0}, place = 0;
    int32_t axis = axis_of(c);

    mucmm__strides(x->rank, x->shape, strides);
    *r = (rows){1, mucmm__desc_count(index), 1, 0, r->offset};
    for (int64_t k = 0; k < r->n; k++) {
        TRY(read_index(c, k, x->shape[axis], &r->offset[k]));
        r->offset[k] = place + r->offset[k] * strides[axis];
        for (int32_t d = x->rank - 1; d >= 0; d--) {
            int64_t step = d == axis ? 0 : strides[d];
            place += step;
            if (++at[d] < index->shape[d])
                break;
            place -= step * at[d];
            at[d] = 0;
        }
    }
done:
    return status;
}

/* GatherND, ScatterND: index tuples of the axes after the first `batch_dims`. */
static mucmm_status locate_tuples(const mucmm__call *c, rows *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0], *index = c->in[1];
    int64_t strides[MUCMM_MAX_RANK], tuple = index->shape[index->rank - 1];
    int32_t batch_dims = (int32_t)mucmm__attr_int(c->node, "batch_dims", 0),
            after = batch_dims + (int32_t)tuple;
    int64_t batch = mucmm__desc_product(x, 0, batch_dims), per_batch;

    mucmm__strides(x->rank, x->shape, strides);
    *r = (rows){1, mucmm__desc_product(index, 0, index->rank - 1),
                mucmm__desc_product(x, after, x->rank), 0, r->offset};
    per_batch = r->n > 0 ? r->n / batch : 1;
    for (int64_t k = 0; k < r->n; k++) {
        int64_t place = batch_dims > 0 ? k / per_batch * strides[batch_dims - 1] : 0;
        for (int64_t t = 0; t < tuple; t++) {
            int64_t v;
            TRY(read_index(c, k * tuple + t, x->shape[batch_dims + t], &v));
            place += v * strides[batch_dims + t];
        }
        r->offset[k] = place;
    }
done:
    return status;
}

/* Compress: the numbers along an axis (or of all) whose condition holds. */
static mucmm_status locate_chosen(const mucmm__call *c, rows *r)
{
    const mucmm__desc *x = c->in[0];
    const uint8_t *condition = c->x[1];
    bool flat = !mucmm__attr_find(c->node, "axis", MUCMM__ATTR_INT);
    int32_t axis = flat ? 0 : axis_of(c);

    r->batch = flat ? 1 : mucmm__desc_product(x, 0, axis);
    r->inner = flat ? 1 : mucmm__desc_product(x, axis + 1, x->rank);
    r->stride = flat ? 0 : x->shape[axis] * r->inner;
    r->n = 0;
    for (int64_t k = 0; k < c->in[1]->shape[0]; k++)
        if (condition[k])
            r->offset[r->n++] = k * r->inner;
    return MUCMM_OK;
}

static mucmm_status locate(const mucmm__call *c, rows *r)
{
    const char *type = c->node->op->type;

    r->offset = c->work;
    return strstr(type, "ND")              ? locate_tuples(c, r)
           : strcmp(type, "Gather") == 0   ? locate_axis(c, r)
           : strcmp(type, "Compress") == 0 ? locate_chosen(c, r)
                                           : locate_elements(c, r);
}

/* The offsets come first in the scratch memory; there are at most as many as indices. */
static int64_t offset_bytes(const mucmm__call *c)
{
    return (mucmm__desc_count(c->in[1]) * 8 + 63) / 64 * 64;
}

static mucmm_status gather_prepare(mucmm__call *c)
{
    c->scratch = c->vjp_scratch = offset_bytes(c);
    return MUCMM_OK;
}

static mucmm_status gather_forward(mucmm__call *c)
{
    rows r;
    mucmm_status status = locate(c, &r);

    if (status == MUCMM_OK && r.n > 0)
        gather(c->ctx, &r, mucmm_dtype_size(c->in[0]->dtype), c->x[0], c->y[0]);
    return status;
}

static mucmm_status gather_vjp(mucmm__call *c)
{
    rows r;
    mucmm_status status = locate(c, &r);

    if (status == MUCMM_OK) {
        mucmm__zero(c->ctx, c->in[0], c->dx[0]);
        scatter_add(c->ctx, &r, c->in[0], c->dy[0], c->dx[0]);
    }
    return status;
}

/* ---- Gather, GatherElements, GatherND, Compress: shapes ---------------------------- */

static mucmm_status join_shapes(mucmm__call *c, const mucmm__desc *a, int32_t a_first,
                                int32_t a_last, const mucmm__desc *b, int32_t b_first,
                                mucmm__desc *out)
{
    for (int32_t k = a_first; k < a_last; k++) {
        if (out->rank == MUCMM_MAX_RANK)
            return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "more than %d dimensions", MUCMM_MAX_RANK);
        out->shape[out->rank++] = a->shape[k];
    }
    return b ? join_shapes(c, b, b_first, b->rank, NULL, 0, out) : MUCMM_OK;
}

static mucmm_status gather_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0], *index = c->in[1];
    mucmm__desc y = {0};
    int32_t axis;

    TRY(mucmm__check_type(c, 1, INDEX_TYPES));
    TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 0), x->rank, &axis));
    TRY(join_shapes(c, x, 0, axis, index, 0, &y));
    TRY(join_shapes(c, x, axis + 1, x->rank, NULL, 0, &y));
    TRY(mucmm__out(c, 0, x->dtype, y.rank, y.shape));
done:
    return status;
}

/* Indices of the same rank, in no other axis longer than the data. */
static mucmm_status check_elements(const mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0], *index = c->in[1];
    int32_t axis;
    bool fits = index->rank == x->rank;

    TRY(mucmm__check_type(c, 1, INDEX_TYPES));
    TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 0), x->rank, &axis));
    for (int32_t k = 0; fits && k < x->rank; k++)
        fits = k == axis || index->shape[k] <= x->shape[k];
    if (!fits) {
        char a[MUCMM__SHAPE_TEXT], b[MUCMM__SHAPE_TEXT];
        return mucmm__op_fail(c, MUCMM_ESHAPE, "indices %s do not fit data %s along axis %d",
                              mucmm__shape_text(a, index), mucmm__shape_text(b, x), axis);
    }
done:
    return status;
}

static mucmm_status gather_elements_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;

    TRY(check_elements(c));
    TRY(mucmm__out(c, 0, c->in[0]->dtype, c->in[1]->rank, c->in[1]->shape));
done:
    return status;
}

/* out: the indices' shape without its last axis, then the data's axes after the tuple. */
static mucmm_status tuples_shape(mucmm__call *c, int64_t batch_dims, mucmm__desc *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0], *index = c->in[1];
    int64_t tuple = index->rank > 0 ? index->shape[index->rank - 1] : 0;
    bool fits = batch_dims >= 0 && batch_dims < index->rank && batch_dims < x->rank && tuple >= 1 &&
                tuple <= x->rank - batch_dims;

    TRY(mucmm__check_type(c, 1, INDEX_TYPES));
    for (int32_t k = 0; fits && k < batch_dims; k++)
        fits = index->shape[k] == x->shape[k];
    if (!fits) {
        char a[MUCMM__SHAPE_TEXT], b[MUCMM__SHAPE_TEXT];
        return mucmm__op_fail(c, MUCMM_ESHAPE, "indices %s do not fit data %s",
                              mucmm__shape_text(a, index), mucmm__shape_text(b, x));
    }
    TRY(join_shapes(c, index, 0, index->rank - 1, x, (int32_t)(batch_dims + tuple), out));
done:
    return status;
}

static mucmm_status gather_nd_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc y = {0};

    TRY(tuples_shape(c, mucmm__attr_int(c->node, "batch_dims", 0), &y));
    TRY(mucmm__out(c, 0, c->in[0]->dtype, y.rank, y.shape));
done:
    return status;
}

static mucmm_status compress_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0], *condition = c->in[1];
    mucmm__desc y = *x;
    int64_t chosen = 0;
    int32_t axis = 0;

    if (!mucmm__attr_find(c->node, "axis", MUCMM__ATTR_INT))
        y = (mucmm__desc){.dtype = x->dtype, .rank = 1, .shape = {mucmm__desc_count(x)}};
    else
        TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 0), x->rank, &axis));
    if (condition->dtype != MUCMM_BOOL || condition->rank != 1 ||
        condition->shape[0] > y.shape[axis])
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "the condition must be at most %" PRId64 " numbers of type bool",
                              y.shape[axis]);
    if (!c->known[1])
        return MUCMM__EVALUE;
    for (int64_t k = 0; k < condition->shape[0]; k++)
        chosen += ((const uint8_t *)c->known[1])[k] != 0;
    y.shape[axis] = chosen;
    TRY(mucmm__out(c, 0, y.dtype, y.rank, y.shape));
done:
    return status;
}

/* ---- Scatter, ScatterElements, ScatterND ------------------------------------------- */

static mucmm_status read_reduction(const mucmm__call *c, reduction *out)
{
    const char *name =
        c->node->opset < 16 ? "none" : mucmm__attr_string(c->node, "reduction", "none");
    static const char *const names[] = {"none", "add", "mul"};

    for (*out = REDUCE_NONE; *out <= REDUCE_MUL; (*out)++)
        if (strcmp(name, names[*out]) == 0)
            return MUCMM_OK;
    return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "reduction '%.40s' is not supported", name);
}

static mucmm_status scatter_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc wanted = {0};
    reduction r;

    TRY(read_reduction(c, &r));
    if (strcmp(c->node->op->type, "ScatterND") == 0) {
        TRY(tuples_shape(c, 0, &wanted));
    } else {
        TRY(check_elements(c));
        wanted = *c->in[1];
    }
    if (c->in[2]->dtype != c->in[0]->dtype || !mucmm__same_shape(c->in[2], &wanted)) {
        char a[MUCMM__SHAPE_TEXT], b[MUCMM__SHAPE_TEXT];
        return mucmm__op_fail(c, MUCMM_ESHAPE, "updates are %s %s; they must be %s %s",
                              mucmm_dtype_name(c->in[2]->dtype), mucmm__shape_text(a, c->in[2]),
                              mucmm_dtype_name(c->in[0]->dtype), mucmm__shape_text(b, &wanted));
    }
    TRY(mucmm__out_like(c, 0, 0));
done:
    return status;
}

/* vjp: after the offsets the gradient of the data and, for a product, the data between rows. */
static mucmm_status scatter_prepare(mucmm__call *c)
{
    c->scratch = offset_bytes(c);
    c->vjp_scratch = c->scratch + 2 * (mucmm__desc_bytes(c->in[0]) + 64);
    return MUCMM_OK;
}

static mucmm_status scatter_forward(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t bytes = mucmm__desc_bytes(c->in[0]);
    rows r;
    scatter_job job = {.r = &r,
                       .dtype = c->in[0]->dtype,
                       .total = mucmm__desc_count(c->in[0]),
                       .data = c->y[0],
                       .updates = c->x[2]};

    TRY(locate(c, &r));
    TRY(read_reduction(c, &job.reduction));
    job.fn = job.reduction == REDUCE_NONE ? put_rows
             : job.dtype == MUCMM_F32     ? reduce_floats
                                          : reduce_numbers;
    if (bytes > 0)
        memcpy(c->y[0], c->x[0], (size_t)bytes);
    scatter(c->ctx, &job);
done:
    return status;
}

/* du = what the row's place holds before the row; then the row's factor goes in. */
static void before_rows(const scatter_job *j, int64_t place, int64_t row, int64_t n)
{
    memcpy(j->du + row, j->before + place, (size_t)n * sizeof *j->du);
    for (int64_t i = 0; i < n; i++)
        j->before[place + i] *= ((const float *)j->updates)[row + i];
}

/* The last row first: g is the gradient of what the data are after the row, and becomes that of
 * what they were before it.
 *   none:  du = g        g = 0
 *   add:   du = g
 *   mul:   du = before g  g = u g                                          */
static void back_rows(const scatter_job *j, int64_t place, int64_t row, int64_t n)
{
    float *g = (float *)j->data + place, *du = j->du ? j->du + row : NULL;
    const float *u = j->updates ? (const float *)j->updates + row : NULL;

    for (int64_t i = 0; i < n && du; i++)
        du[i] = j->reduction == REDUCE_MUL ? du[i] * g[i] : g[i];
    if (j->reduction == REDUCE_MUL)
        for (int64_t i = 0; i < n; i++)
            g[i] *= u[i];
    else if (j->reduction == REDUCE_NONE)
        memset(g, 0, (size_t)n * sizeof *g);
}

static mucmm_status scatter_vjp(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t bytes = mucmm__desc_bytes(c->in[0]);
    char *free_work = (char *)c->work + offset_bytes(c);
    rows r;
    scatter_job job = {.r = &r,
                       .dtype = MUCMM_F32,
                       .total = mucmm__desc_count(c->in[0]),
                       .data = c->dx[0] ? c->dx[0] : free_work,
                       .updates = c->x[2],
                       .du = c->dx[2],
                       .before = (float *)(free_work + (bytes + 63) / 64 * 64)};

    TRY(locate(c, &r));
    TRY(read_reduction(c, &job.reduction));
    if (job.reduction == REDUCE_MUL && job.du && bytes > 0) {
        memcpy(job.before, c->x[0], (size_t)bytes);
        job.fn = before_rows;
        scatter(c->ctx, &job);
    }
    if (bytes > 0)
        memcpy(job.data, c->dy[0], (size_t)bytes);
    job.fn = back_rows;
    job.backward = true;
    scatter(c->ctx, &job);
done:
    return status;
}

/* ---- OneHot: y[o, d, i] = values[index[o, i] == d] --------------------------------- */

static mucmm_status one_hot_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *index = c->in[0];
    mucmm__desc y = {0};
    int64_t depth;
    int32_t axis;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_NUMBER));
    TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", -1), index->rank + 1, &axis));
    if (mucmm__desc_count(c->in[1]) != 1 || c->in[2]->rank != 1 || c->in[2]->shape[0] != 2)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "depth must be one number, values two");
    if (!c->known[1])
        return MUCMM__EVALUE;
    depth = mucmm__integer_get(c->in[1]->dtype, c->known[1], 0);
    TRY(join_shapes(c, index, 0, axis, NULL, 0, &y));
    TRY(join_shapes(c, &(mucmm__desc){.rank = 1, .shape = {depth}}, 0, 1, index, axis, &y));
    TRY(mucmm__out(c, 0, c->in[2]->dtype, y.rank, y.shape));
done:
    return status;
}

/* Calls fn with the place in y of each index that is in range. */
static void one_hot_places(mucmm__call *c, void (*fn)(mucmm__call *c, int64_t place))
{
    const mucmm__desc *index = c->in[0], *y = c->out[0];
    int64_t axis = mucmm__attr_int(c->node, "axis", -1), depth, inner, n = mucmm__desc_count(index);

    axis += axis < 0 ? y->rank : 0;
    depth = y->shape[axis];
    inner = mucmm__desc_product(y, (int32_t)axis + 1, y->rank);
    for (int64_t k = 0; k < n; k++) {
        int64_t d = mucmm__integer_get(index->dtype, c->x[0], k);
        d += d < 0 && d >= -depth && c->node->opset >= 11 ? depth : 0;
        if (d >= 0 && d < depth)
            fn(c, (k / inner * depth + d) * inner + k % inner);
    }
}

static void one_hot_on(mucmm__call *c, int64_t place)
{
    int64_t size = mucmm_dtype_size(c->out[0]->dtype);

    memcpy((char *)c->y[0] + place * size, (const char *)c->x[2] + size, (size_t)size);
}

static mucmm_status one_hot_forward(mucmm__call *c)
{
    int64_t size = mucmm_dtype_size(c->out[0]->dtype);

    mucmm__fill(c->ctx, mucmm__desc_count(c->out[0]), size, c->x[2], c->y[0]);
    one_hot_places(c, one_hot_on);
    return MUCMM_OK;
}

static void one_hot_move(mucmm__call *c, int64_t place)
{
    float *d = c->dx[2], g = ((const float *)c->dy[0])[place];

    d[0] -= g;
    d[1] += g;
}

static mucmm_status one_hot_vjp(mucmm__call *c)
{
    const float *dy = c->dy[0];
    float *d = c->dx[2];
    int64_t n = mucmm__desc_count(c->out[0]);
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)dy[i];
    d[0] = (float)sum;
    d[1] = 0;
    one_hot_places(c, one_hot_move);
    return MUCMM_OK;
}

#define GATHER(infer)                                                                              \
    infer, gather_forward, gather_vjp, .diff = 1, .vjp_x = 2, .prepare = gather_prepare
#define SCATTER(reads)                                                                             \
    scatter_infer, scatter_forward, scatter_vjp, .diff = 5, .vjp_x = reads,                        \
                                                 .prepare = scatter_prepare

const mucmm__op mucmm__ops_indexing[] = {
    {"Gather", 1, 0, 2, 2, 1, 1, GATHER(gather_infer)},
    {"GatherElements", 11, 0, 2, 2, 1, 1, GATHER(gather_elements_infer)},
    {"GatherND", 11, 0, 2, 2, 1, 1, GATHER(gather_nd_infer)},
    {"Compress", 9, 0, 2, 2, 1, 1, GATHER(compress_infer)},
    {"Scatter", 9, 10, 3, 3, 1, 1, SCATTER(2)},
    {"ScatterElements", 11, 15, 3, 3, 1, 1, SCATTER(2)},
    {"ScatterElements", 16, 0, 3, 3, 1, 1, SCATTER(7)},
    {"ScatterND", 11, 15, 3, 3, 1, 1, SCATTER(2)},
    {"ScatterND", 16, 0, 3, 3, 1, 1, SCATTER(7)},
    {"OneHot", 9, 0, 3, 3, 1, 1, one_hot_infer, one_hot_forward, one_hot_vjp, .diff = 4,
     .vjp_x = 1},
    {0},
};
