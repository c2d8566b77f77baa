/* SPDX-License-Identifier: MIT
 *
 * order.c - operators that compare numbers with each other, and NonZero. */
#include "graph/ops/strided.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- numbers of any type as integers in the same order ----------------------------- */

/* -0 and 0 are equal; a NaN is the greatest. */
static uint64_t key_of(mucmm_dtype t, const void *x, int64_t i)
{
    const uint64_t top = (uint64_t)1 << 63;

    if (mucmm__dtype_is_float(t)) {
        double v = mucmm__number_get(t, x, i);
        uint64_t bits;
        if (isnan(v))
            return UINT64_MAX;
        v = v == 0 ? 0 : v;
        memcpy(&bits, &v, sizeof bits);
        return bits & top ? ~bits : bits | top;
    }
    if (t == MUCMM_U64)
        return ((const uint64_t *)x)[i];
    return (uint64_t)mucmm__integer_get(t, x, i) ^ top;
}

/* Things of m keys each, compared from the first key on. */
typedef struct ranking {
    const uint64_t *keys;
    int64_t m;
} ranking;

/* Does thing a come after thing b? The greater come first; of equals the one with the lower number.
 */
static bool after(const ranking *r, int64_t a, int64_t b)
{
    const uint64_t *x = r->keys + a * r->m, *y = r->keys + b * r->m;

    for (int64_t k = 0; k < r->m; k++)
        if (x[k] != y[k])
            return x[k] < y[k];
    return a > b;
}

static bool equal(const ranking *r, int64_t a, int64_t b)
{
    return memcmp(r->keys + a * r->m, r->keys + b * r->m, (size_t)r->m * sizeof *r->keys) == 0;
}

/* heap [n]: no thing comes before what is above it. The top is the last of all. */
static void sift(const ranking *r, int64_t *heap, int64_t n, int64_t at)
{
    int64_t thing = heap[at];

    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && after(r, heap[child + 1], heap[child]))
            child++;
        if (!after(r, heap[child], thing))
            break;
        heap[at] = heap[child];
    }
    heap[at] = thing;
}

/* best [k]: the first k of n things, in order. */
static void rank_first(const ranking *r, int64_t n, int64_t *best, int64_t k)
{
    for (int64_t i = 0; i < k; i++)
        best[i] = i;
    for (int64_t i = k / 2 - 1; i >= 0; i--)
        sift(r, best, k, i);
    for (int64_t i = k; i < n && k > 0; i++)
        if (after(r, best[0], i)) {
            best[0] = i;
            sift(r, best, k, 0);
        }
    for (int64_t i = k - 1; i > 0; i--) {
        int64_t last = best[0];
        best[0] = best[i];
        sift(r, best, i, 0);
        best[i] = last;
    }
}

/* Lines along an axis: number k of line l is at  l / inner n inner + l % inner + k inner. */
typedef struct lines {
    int64_t count, n, inner;
} lines;

static lines lines_along(const mucmm__desc *d, int32_t axis)
{
    int64_t inner = mucmm__desc_product(d, axis + 1, d->rank);
    return (lines){mucmm__desc_product(d, 0, axis) * inner, d->shape[axis], inner};
}

static int64_t line_start(const lines *s, int64_t n, int64_t l)
{
    return l / s->inner * n * s->inner + l % s->inner;
}

static int32_t axis_of(const mucmm__call *c, int64_t otherwise)
{
    int64_t axis = mucmm__attr_int(c->node, "axis", otherwise); /* infer has checked it */
    return (int32_t)(axis < 0 ? axis + c->in[0]->rank : axis);
}

/* ---- TopK -------------------------------------------------------------------------- */

static mucmm_status top_k_count(const mucmm__call *c, int64_t *k)
{
    mucmm_status status = MUCMM_OK;
    int64_t n;

    *k = mucmm__attr_int(c->node, "k", -1);
    if (c->node->opset >= 10) {
        TRY(mucmm__known_ints(c, 1, k, 1, &n));
        if (n != 1)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "k must be one number");
    }
done:
    return status;
}

static mucmm_status top_k_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    int64_t shape[MUCMM_MAX_RANK], k;
    int32_t axis;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_NUMBER));
    TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", -1), x->rank, &axis));
    TRY(top_k_count(c, &k));
    if (k < 0 || k > x->shape[axis])
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "k is %" PRId64 "; the axis has %" PRId64 " elements", k,
                              x->shape[axis]);
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = k;
    TRY(mucmm__out(c, 0, x->dtype, x->rank, shape));
    TRY(mucmm__out(c, 1, MUCMM_I64, x->rank, shape));
done:
    return status;
}

typedef struct top_k_job {
    mucmm_dtype dtype;
    lines s;
    int64_t k;
    bool smallest;
    const void *x;
    void *values;
    int64_t *indices; /* NULL = not wanted */
    uint64_t *keys;   /* [count, n] */
    int64_t *best;    /* [count, k] */
} top_k_job;

static void top_k_lines(void *arg, int64_t first, int64_t last)
{
    const top_k_job *j = arg;
    int64_t size = mucmm_dtype_size(j->dtype);

    for (int64_t l = first; l < last; l++) {
        int64_t from = line_start(&j->s, j->s.n, l), to = line_start(&j->s, j->k, l),
                *best = j->best + l * j->k;
        uint64_t *keys = j->keys + l * j->s.n;
        for (int64_t i = 0; i < j->s.n; i++) {
            keys[i] = key_of(j->dtype, j->x, from + i * j->s.inner);
            keys[i] = j->smallest ? ~keys[i] : keys[i];
        }
        rank_first(&(ranking){keys, 1}, j->s.n, best, j->k);
        for (int64_t i = 0; i < j->k; i++) {
            if (j->values)
                memcpy((char *)j->values + (to + i * j->s.inner) * size,
                       (const char *)j->x + (from + best[i] * j->s.inner) * size, (size_t)size);
            if (j->indices)
                j->indices[to + i * j->s.inner] = best[i];
        }
    }
}

/* The length of the axis in the outputs, one of which may be absent. */
static int64_t top_k_length(const mucmm__call *c, int32_t axis)
{
    return mucmm__has_out(c, 0) ? c->out[0]->shape[axis] : c->out[1]->shape[axis];
}

static mucmm_status top_k_prepare(mucmm__call *c)
{
    int32_t axis = axis_of(c, -1);
    lines s = lines_along(c->in[0], axis);

    c->scratch = 8 * s.count * (s.n + top_k_length(c, axis));
    if (c->differentiable && !mucmm__has_out(c, 1))
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "a gradient needs the output of indices");
    return MUCMM_OK;
}

static mucmm_status top_k_forward(mucmm__call *c)
{
    int32_t axis = axis_of(c, -1);
    top_k_job job = {.dtype = c->in[0]->dtype,
                     .s = lines_along(c->in[0], axis),
                     .k = top_k_length(c, axis),
                     .smallest = mucmm__attr_int(c->node, "largest", 1) == 0,
                     .x = c->x[0],
                     .values = mucmm__has_out(c, 0) ? c->y[0] : NULL,
                     .indices = mucmm__has_out(c, 1) ? c->y[1] : NULL,
                     .keys = c->work};

    job.best = (int64_t *)c->work + job.s.count * job.s.n;
    mucmm__parallel_range(c->ctx, job.s.count, mucmm__row_grain(job.s.n * 8), top_k_lines, &job);
    return MUCMM_OK;
}

static mucmm_status top_k_vjp(mucmm__call *c)
{
    lines s = lines_along(c->in[0], axis_of(c, -1));
    int64_t k = c->out[1]->shape[axis_of(c, -1)];
    const int64_t *indices = c->y[1];
    const float *dy = c->dy[0];
    float *dx = c->dx[0];

    mucmm__zero(c->ctx, c->in[0], dx);
    for (int64_t l = 0; l < s.count && dy; l++) {
        int64_t from = line_start(&s, s.n, l), to = line_start(&s, k, l);
        for (int64_t i = 0; i < k; i++)
            dx[from + indices[to + i * s.inner] * s.inner] = dy[to + i * s.inner];
    }
    return MUCMM_OK;
}

/* ---- ArgMax, ArgMin, Hardmax ------------------------------------------------------- */

static mucmm_status arg_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    mucmm__desc y = *x;
    int32_t axis;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_NUMBER));
    TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 0), x->rank, &axis));
    y.shape[axis] = 1;
    if (x->shape[axis] == 0 && mucmm__desc_count(&y) > 0)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "axis %d has no elements to choose from", axis);
    if (mucmm__attr_int(c->node, "keepdims", 1) == 0) {
        y.rank--;
        memmove(y.shape + axis, y.shape + axis + 1, (size_t)(y.rank - axis) * sizeof *y.shape);
    }
    TRY(mucmm__out(c, 0, MUCMM_I64, y.rank, y.shape));
done:
    return status;
}

typedef struct arg_job {
    mucmm_dtype dtype;
    lines s;
    bool smallest, last;
    const void *x;
    int64_t *y; /* ArgMax: [count]                         */
    char *ones; /* Hardmax: like x, where the ones go      */
} arg_job;

/* Of a line: the first (or last) NaN if there is one, else the first (or last) of the greatest. */
static int64_t best_float(const arg_job *j, const float *x)
{
    float best = *x;
    int64_t at = 0;

    for (int64_t i = 1; i < j->s.n; i++) {
        float v = x[i * j->s.inner];
        bool better = j->smallest ? v < best : v > best,
             same = j->last && (v == best || (isnan(v) && isnan(best)));
        if (same || (better && !isnan(best)) || (isnan(v) && !isnan(best))) {
            best = v;
            at = i;
        }
    }
    return at;
}

static int64_t best_number(const arg_job *j, int64_t from)
{
    uint64_t best = 0;
    int64_t at = 0;

    for (int64_t i = 0; i < j->s.n; i++) {
        uint64_t v = key_of(j->dtype, j->x, from + i * j->s.inner);
        bool nan = v == UINT64_MAX && mucmm__dtype_is_float(j->dtype);
        v = j->smallest && !nan ? ~v : v;
        if (i == 0 || v > best || (j->last && v == best)) {
            best = v;
            at = i;
        }
    }
    return at;
}

static void arg_lines(void *arg, int64_t first, int64_t last)
{
    const arg_job *j = arg;
    int64_t size = mucmm_dtype_size(j->dtype);

    for (int64_t l = first; l < last; l++) {
        int64_t from = line_start(&j->s, j->s.n, l),
                at = j->dtype == MUCMM_F32 ? best_float(j, (const float *)j->x + from)
                                           : best_number(j, from);
        if (j->y)
            j->y[l] = at;
        else
            mucmm__number_put(j->dtype, j->ones + (from + at * j->s.inner) * size, 0, 1);
    }
}

static mucmm_status arg_forward(mucmm__call *c)
{
    arg_job job = {.dtype = c->in[0]->dtype,
                   .s = lines_along(c->in[0], axis_of(c, 0)),
                   .smallest = strcmp(c->node->op->type, "ArgMin") == 0,
                   .last = mucmm__attr_int(c->node, "select_last_index", 0) != 0,
                   .x = c->x[0],
                   .y = c->y[0]};

    mucmm__parallel_range(c->ctx, job.s.count, mucmm__row_grain(job.s.n), arg_lines, &job);
    return MUCMM_OK;
}

static mucmm_status hardmax_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t axis = mucmm__attr_int(c->node, "axis", c->node->opset < 13 ? 1 : -1);
    int32_t rank = c->in[0]->rank, checked;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT));
    if (c->node->opset >= 13 || axis != rank) /* before, everything may be in front of the axis */
        TRY(mucmm__axis(c, "axis", axis, rank, &checked));
    TRY(mucmm__out_like(c, 0, 0));
done:
    return status;
}

/* Before opset 13 the axis and those after it are one. */
static mucmm_status hardmax_forward(mucmm__call *c)
{
    const mucmm__desc *x = c->in[0];
    bool flat = c->node->opset < 13;
    int32_t axis = axis_of(c, flat ? 1 : -1);
    arg_job job = {.dtype = x->dtype, .x = c->x[0], .ones = c->y[0]};

    if (flat)
        job.s = (lines){mucmm__desc_product(x, 0, axis), mucmm__desc_product(x, axis, x->rank), 1};
    else
        job.s = lines_along(x, axis);
    mucmm__zero(c->ctx, x, c->y[0]);
    if (job.s.n > 0)
        mucmm__parallel_range(c->ctx, job.s.count, mucmm__row_grain(job.s.n), arg_lines, &job);
    return MUCMM_OK;
}

/* ---- NonZero: how many there are is known only with the numbers -------------------- */

static mucmm_status nonzero_infer(mucmm__call *c)
{
    const mucmm__desc *x = c->in[0];
    int64_t found = 0, n = mucmm__desc_count(x);

    if (!c->known[0])
        return MUCMM__EVALUE;
    for (int64_t i = 0; i < n; i++)
        found += mucmm__number_get(x->dtype, c->known[0], i) != 0;
    return mucmm__out(c, 0, MUCMM_I64, 2, (int64_t[]){x->rank, found});
}

static mucmm_status nonzero_forward(mucmm__call *c)
{
    const mucmm__desc *x = c->in[0];
    int64_t *y = c->y[0], columns = c->out[0]->shape[1], n = mucmm__desc_count(x), column = 0;

    for (int64_t i = 0; i < n && column < columns; i++) {
        int64_t rest = i;
        if (mucmm__number_get(x->dtype, c->x[0], i) == 0)
            continue;
        for (int32_t k = x->rank - 1; k >= 0; k--) {
            y[k * columns + column] = rest % x->shape[k];
            rest /= x->shape[k];
        }
        column++;
    }
    return MUCMM_OK;
}

/* ---- Unique: groups of equal slices along an axis, or of equal numbers ------------- */

typedef struct groups {
    lines s;                      /* slice k of n: the numbers at  o n inner + k inner + i */
    int64_t count, *first, *size; /* of each group: its first slice, how many  */
    int64_t *group;               /* [n] of each slice                         */
} groups;

static void groups_drop(groups *g)
{
    mucmm__free(g->first);
    mucmm__free(g->size);
    mucmm__free(g->group);
}

/* Numbers the groups anew, in the order of their first slices. renamed [count] is free to use. */
static void number_by_first(groups *g, int64_t *renamed)
{
    int64_t next = 0;

    for (int64_t i = 0; i < g->s.n; i++)
        if (g->first[g->group[i]] == i)
            renamed[g->group[i]] = next++;
    memset(g->size, 0, (size_t)g->count * sizeof *g->size);
    for (int64_t i = g->s.n - 1; i >= 0; i--) {
        int64_t k = renamed[g->group[i]];
        g->group[i] = k;
        g->size[k]++;
    }
    for (int64_t i = g->s.n - 1; i >= 0; i--)
        g->first[g->group[i]] = i;
}

static mucmm_status find_groups(const mucmm__call *c, const void *x, groups *g)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *d = c->in[0];
    bool flat = !mucmm__attr_find(c->node, "axis", MUCMM__ATTR_INT);
    int64_t m, n, *order = NULL;
    uint64_t *keys = NULL;
    ranking r;

    *g = (groups){.s = flat ? (lines){1, mucmm__desc_count(d), 1} : lines_along(d, axis_of(c, 0))};
    m = g->s.count; /* numbers in a slice */
    n = g->s.n;
    TRY(mucmm__alloc(c->ctx, n, sizeof *order, &order));
    TRY(mucmm__alloc(c->ctx, n * m, sizeof *keys, &keys));
    TRY(mucmm__alloc(c->ctx, n, sizeof *g->first, &g->first));
    TRY(mucmm__alloc(c->ctx, n, sizeof *g->size, &g->size));
    TRY(mucmm__alloc(c->ctx, n, sizeof *g->group, &g->group));
    for (int64_t k = 0; k < n; k++)
        for (int64_t e = 0; e < m; e++) /* inverted: the least comes first */
            keys[k * m + e] = ~key_of(d->dtype, x, line_start(&g->s, n, e) + k * g->s.inner);
    r = (ranking){keys, m};
    rank_first(&r, n, order, n);
    for (int64_t k = 0; k < n; k++) {
        if (k == 0 || !equal(&r, order[k], order[k - 1]))
            g->first[g->count++] = order[k];
        g->size[g->count - 1]++;
        g->group[order[k]] = g->count - 1;
    }
    if (mucmm__attr_int(c->node, "sorted", 1) == 0)
        number_by_first(g, order);
done:
    mucmm__free(order);
    mucmm__free(keys);
    if (status != MUCMM_OK)
        groups_drop(g);
    return status;
}

static mucmm_status unique_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    mucmm__desc y = *x;
    groups g;
    int32_t axis = 0;

    if (!mucmm__attr_find(c->node, "axis", MUCMM__ATTR_INT))
        y.rank = 1;
    else
        TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 0), x->rank, &axis));
    if (!c->known[0])
        return MUCMM__EVALUE;
    TRY(find_groups(c, c->known[0], &g));
    groups_drop(&g);
    y.shape[axis] = g.count;
    TRY(mucmm__out(c, 0, x->dtype, y.rank, y.shape));
    TRY(mucmm__out(c, 1, MUCMM_I64, 1, &g.count));
    TRY(mucmm__out(c, 2, MUCMM_I64, 1, &g.s.n));
    TRY(mucmm__out(c, 3, MUCMM_I64, 1, &g.count));
done:
    return status;
}

static mucmm_status unique_forward(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = mucmm_dtype_size(c->in[0]->dtype);
    groups g;

    TRY(find_groups(c, c->x[0], &g));
    for (int64_t k = 0; k < g.count && mucmm__has_out(c, 0); k++)
        for (int64_t e = 0; e < g.s.count; e++)
            memcpy((char *)c->y[0] + (line_start(&g.s, g.count, e) + k * g.s.inner) * size,
                   (const char *)c->x[0] +
                       (line_start(&g.s, g.s.n, e) + g.first[k] * g.s.inner) * size,
                   (size_t)size);
    if (mucmm__has_out(c, 1) && g.count > 0)
        memcpy(c->y[1], g.first, (size_t)g.count * sizeof *g.first);
    if (mucmm__has_out(c, 2) && g.s.n > 0)
        memcpy(c->y[2], g.group, (size_t)g.s.n * sizeof *g.group);
    if (mucmm__has_out(c, 3) && g.count > 0)
        memcpy(c->y[3], g.size, (size_t)g.count * sizeof *g.size);
    groups_drop(&g);
done:
    return status;
}

/* A number is taken from the first slice of its group. */
static mucmm_status unique_vjp(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const float *dy = c->dy[0];
    float *dx = c->dx[0];
    groups g;

    mucmm__zero(c->ctx, c->in[0], dx);
    if (!dy)
        return MUCMM_OK;
    TRY(find_groups(c, c->x[0], &g));
    for (int64_t k = 0; k < g.count; k++)
        for (int64_t e = 0; e < g.s.count; e++)
            dx[line_start(&g.s, g.s.n, e) + g.first[k] * g.s.inner] =
                dy[line_start(&g.s, g.count, e) + k * g.s.inner];
    groups_drop(&g);
done:
    return status;
}

#define ARG .infer = arg_infer, .forward = arg_forward, .flags = MUCMM__ZERO_GRADIENT
#define TOP_K top_k_infer, top_k_forward, top_k_vjp, .diff = 1, .vjp_y = 2, .prepare = top_k_prepare

const mucmm__op mucmm__ops_order[] = {
    {"TopK", 1, 9, 1, 1, 1, 2, TOP_K},
    {"TopK", 10, 0, 2, 2, 1, 2, TOP_K},
    {"ArgMax", 1, 0, 1, 1, 1, 1, ARG},
    {"ArgMin", 1, 0, 1, 1, 1, 1, ARG},
    {"Hardmax", 1, 0, 1, 1, 1, 1, hardmax_infer, hardmax_forward, .flags = MUCMM__ZERO_GRADIENT},
    {"NonZero", 9, 0, 1, 1, 1, 1, nonzero_infer, nonzero_forward, .flags = MUCMM__ZERO_GRADIENT},
    {"Unique", 11, 0, 1, 1, 1, 4, unique_infer, unique_forward, unique_vjp, .diff = 1, .vjp_x = 1},
    {0},
};
