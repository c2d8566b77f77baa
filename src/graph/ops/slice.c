/* SPDX-License-Identifier: MIT
 *
 * slice.c - operators that take, pad, turn round or sum up stretches of axes. */
#include "graph/ops/strided.h"

#include <inttypes.h>
#include <string.h>

static void free_state(void *state)
{
    mucmm__free(state);
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* ---- Slice ------------------------------------------------------------------------- */

/* y[i] = x[start + step i] in each axis, count of them */
typedef struct slice_range {
    int64_t start[MUCMM_MAX_RANK], step[MUCMM_MAX_RANK], count[MUCMM_MAX_RANK];
} slice_range;

static void slice_one(slice_range *s, int32_t k, int64_t n, int64_t start, int64_t end,
                      int64_t step)
{
    bool up = step > 0;

    start = clamp(start < 0 ? start + n : start, 0, up ? n : n - 1);
    end = clamp(end < 0 ? end + n : end, up ? 0 : -1, up ? n : n - 1);
    step = clamp(step, -n - 1, n + 1); /* beyond n all steps are the same */
    s->start[k] = start;
    s->step[k] = step;
    s->count[k] = up ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    s->count[k] = n == 0 || s->count[k] < 0 ? 0 : s->count[k];
}

/* One of the lists of Slice: an attribute before opset 10, an input since then. */
static mucmm_status slice_list(const mucmm__call *c, const char *name, int32_t input,
                               int64_t values[MUCMM_MAX_RANK], int64_t *n)
{
    const int64_t *list;

    if (c->node->opset >= 10) {
        *n = -1;
        return mucmm__has_in(c, input) ? mucmm__known_ints(c, input, values, MUCMM_MAX_RANK, n)
                                       : MUCMM_OK;
    }
    list = mucmm__attr_ints(c->node, name, n);
    if (*n > MUCMM_MAX_RANK)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "%s has %" PRId64 " numbers", name, *n);
    if (list)
        memcpy(values, list, (size_t)*n * sizeof *values);
    else
        *n = -1;
    return MUCMM_OK;
}

static mucmm_status slice_ranges(const mucmm__call *c, slice_range *s)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    int64_t starts[MUCMM_MAX_RANK], ends[MUCMM_MAX_RANK],
        axes[MUCMM_MAX_RANK] = {0}, steps[MUCMM_MAX_RANK] = {0}, n, n_ends, n_axes, n_steps = -1;
    bool seen[MUCMM_MAX_RANK] = {0};

    TRY(slice_list(c, "starts", 1, starts, &n));
    TRY(slice_list(c, "ends", 2, ends, &n_ends));
    TRY(slice_list(c, "axes", 3, axes, &n_axes));
    if (c->node->opset >= 10)
        TRY(slice_list(c, "steps", 4, steps, &n_steps));
    if (n < 0 || n_ends != n || (n_axes >= 0 && n_axes != n) || (n_steps >= 0 && n_steps != n))
        return mucmm__op_fail(c, MUCMM_ESHAPE, "starts, ends, axes and steps must be equally many");
    for (int32_t k = 0; k < x->rank; k++)
        slice_one(s, k, x->shape[k], 0, x->shape[k], 1);
    for (int64_t i = 0; i < n; i++) {
        int32_t k;
        TRY(mucmm__axis(c, "axes", n_axes < 0 ? i : axes[i], x->rank, &k));
        if (seen[k] || (n_steps >= 0 && steps[i] == 0))
            return mucmm__op_fail(
                c, MUCMM_EARG, seen[k] ? "axis %d is listed twice" : "the step of axis %d is 0", k);
        seen[k] = true;
        slice_one(s, k, x->shape[k], starts[i], ends[i], n_steps < 0 ? 1 : steps[i]);
    }
done:
    return status;
}

static mucmm_status slice_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    slice_range s;

    TRY(slice_ranges(c, &s));
    TRY(mucmm__out(c, 0, c->in[0]->dtype, c->in[0]->rank, s.count));
done:
    return status;
}

/* Along axis 1 whole blocks only; a last block with gaps may stay the last. */
static void slice_layout(mucmm__call *c)
{
    int32_t block = c->in[0]->block;
    slice_range s;

    if (block == 1 || slice_ranges(c, &s) != MUCMM_OK || s.step[1] != 1 || s.start[1] % block != 0)
        return;
    if (s.count[1] % block != 0 && s.start[1] + s.count[1] != c->in[0]->shape[1])
        return;
    c->want[0] = c->out[0]->block = block;
}

static mucmm_status slice_prepare(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    slice_range *s = NULL;

    TRY(mucmm__alloc(c->ctx, 1, sizeof *s, &s));
    TRY(slice_ranges(c, s));
    c->state = s;
    s = NULL;
done:
    mucmm__free(s);
    return status;
}

/* *place: offset of the walk's first element in x. */
static mucmm__walk slice_walk(const mucmm__call *c, int64_t *place)
{
    const slice_range *s = c->state;
    mucmm__walk w = {0};
    int64_t dims[MUCMM_MAX_RANK + 1], from[MUCMM_MAX_RANK + 1], to[MUCMM_MAX_RANK + 1];
    int32_t rank = mucmm__physical(c->in[0], dims);

    *place = 0;
    mucmm__strides(rank, dims, from);
    mucmm__physical(c->out[0], dims);
    mucmm__strides(rank, dims, to);
    for (int32_t k = 0; k < rank - 1; k++) {
        *place += (k == 1 ? s->start[k] / c->in[0]->block : s->start[k]) * from[k];
        mucmm__walk_axis(&w, dims[k], s->step[k] * from[k], to[k]);
    }
    mucmm__walk_axis(&w, dims[rank - 1], 1, 1);
    return w;
}

static mucmm_status slice_forward(mucmm__call *c)
{
    int64_t place, size = mucmm_dtype_size(c->in[0]->dtype);
    mucmm__walk w = slice_walk(c, &place);

    mucmm__strided_copy(c->ctx, &w, size, (const char *)c->x[0] + place * size, c->y[0]);
    return MUCMM_OK;
}

static mucmm_status slice_vjp(mucmm__call *c)
{
    int64_t place;
    mucmm__walk w = slice_walk(c, &place);

    w = mucmm__walk_back(&w);
    mucmm__zero(c->ctx, c->in[0], c->dx[0]);
    mucmm__strided_copy(c->ctx, &w, 4, c->dy[0], (float *)c->dx[0] + place);
    return MUCMM_OK;
}

/* ---- Pad --------------------------------------------------------------------------- */

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE } pad_mode;

typedef struct pad_plan {
    pad_mode mode;
    int64_t before[MUCMM_MAX_RANK], after[MUCMM_MAX_RANK]; /* negative = cut off */
} pad_plan;

static int64_t negative_part(int64_t v)
{
    return v < 0 ? -v : 0;
}

/* Length of axis k of the input after the negative pads have cut it. */
static int64_t pad_kept(const mucmm__call *c, const pad_plan *p, int32_t k)
{
    return c->in[0]->shape[k] - negative_part(p->before[k]) - negative_part(p->after[k]);
}

static mucmm_status pad_read(const mucmm__call *c, pad_plan *p)
{
    mucmm_status status = MUCMM_OK;
    static const char *const modes[] = {"constant", "reflect", "edge"};
    const char *mode = mucmm__attr_string(c->node, "mode", "constant");
    int64_t values[2 * MUCMM_MAX_RANK], n, rank = c->in[0]->rank;
    const int64_t *pads = values;

    *p = (pad_plan){.mode = PAD_CONSTANT};
    while (p->mode <= PAD_EDGE && strcmp(mode, modes[p->mode]) != 0)
        p->mode++;
    if (p->mode > PAD_EDGE)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "mode '%.40s' is not supported", mode);
    if (c->node->opset < 11)
        pads = mucmm__attr_ints(c->node, "pads", &n);
    else
        TRY(mucmm__known_ints(c, 1, values, 2 * MUCMM_MAX_RANK, &n));
    if (n != 2 * rank)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "%" PRId64 " pads for %" PRId64 " axes", n, rank);
    for (int32_t k = 0; k < rank; k++) {
        int64_t limit = INT64_C(1) << 40, most, kept;
        p->before[k] = clamp(pads[k], -limit, limit);
        p->after[k] = clamp(pads[k + rank], -limit, limit);
        most = p->before[k] > p->after[k] ? p->before[k] : p->after[k];
        kept = pad_kept(c, p, k);
        if (kept < 0 || (p->mode == PAD_EDGE && most > 0 && kept == 0) ||
            (p->mode == PAD_REFLECT && most > 0 && most >= kept))
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "pads %" PRId64 " and %" PRId64
                                  " (%s) do not fit axis %d of %" PRId64 " elements",
                                  pads[k], pads[k + rank], mode, k, c->in[0]->shape[k]);
    }
done:
    return status;
}

static mucmm_status pad_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    int64_t shape[MUCMM_MAX_RANK];
    pad_plan p;

    TRY(pad_read(c, &p));
    if (mucmm__has_in(c, 2) && (c->in[2]->dtype != x->dtype || mucmm__desc_count(c->in[2]) != 1))
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the value of the pads must be one %s",
                              mucmm_dtype_name(x->dtype));
    for (int32_t k = 0; k < x->rank; k++)
        shape[k] = x->shape[k] + p.before[k] + p.after[k];
    TRY(mucmm__out(c, 0, x->dtype, x->rank, shape));
done:
    return status;
}

/* The gaps of a last block would be padded too, so whole blocks only, and no pads on axis 1. */
static void pad_layout(mucmm__call *c)
{
    int32_t block = c->in[0]->block;
    pad_plan p;

    if (mucmm__whole_blocks(c->in[0], block) && pad_read(c, &p) == MUCMM_OK && p.before[1] == 0 &&
        p.after[1] == 0)
        c->want[0] = c->out[0]->block = block;
}

static mucmm_status pad_prepare(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    pad_plan *p = NULL;

    TRY(mucmm__alloc(c->ctx, 1, sizeof *p, &p));
    TRY(pad_read(c, p));
    c->state = p;
    p = NULL;
done:
    mucmm__free(p);
    return status;
}

/* A stretch of one axis: y[to + i] = x[from + step i], i < n. */
typedef struct stretch {
    int64_t n, from, step, to;
} stretch;

/* The stretches of axis k of length n: the middle, and for other modes than constant what is
 * before and after it. Returns how many. */
static int32_t pad_stretches(const pad_plan *p, int32_t k, int64_t n, stretch out[3])
{
    int64_t before = p->before[k], after = p->after[k], cut = negative_part(before),
            kept = n - cut - negative_part(after), step = p->mode == PAD_REFLECT ? -1 : 0;
    int32_t count = 1;

    out[0] = (stretch){kept, cut, 1, before > 0 ? before : 0};
    if (p->mode != PAD_CONSTANT && before > 0)
        out[count++] = (stretch){before, cut + (step ? before : 0), step, 0};
    if (p->mode != PAD_CONSTANT && after > 0)
        out[count++] = (stretch){after, cut + kept - 1 + step, step, out[0].to + kept};
    return count;
}

/* All combinations of the stretches of the axes, one walk each. Forward: x to y; vjp: dy (as y) to
 * dx (as x). */
static void pad_walk(mucmm__call *c, const char *x, char *y, float *dx)
{
    const pad_plan *p = c->state;
    int64_t size = mucmm_dtype_size(c->in[0]->dtype), x_dims[MUCMM_MAX_RANK + 1],
            y_dims[MUCMM_MAX_RANK + 1], from[MUCMM_MAX_RANK + 1], to[MUCMM_MAX_RANK + 1];
    int32_t rank = mucmm__physical(c->in[0], x_dims), count[MUCMM_MAX_RANK], total = 1;
    stretch s[MUCMM_MAX_RANK][3];

    mucmm__physical(c->out[0], y_dims);
    mucmm__strides(rank, x_dims, from);
    mucmm__strides(rank, y_dims, to);
    for (int32_t k = 0; k < rank - 1; k++) {
        count[k] = pad_stretches(p, k, x_dims[k], s[k]);
        total *= count[k];
    }
    for (int32_t t = 0; t < total; t++) {
        int64_t x_place = 0, y_place = 0;
        mucmm__walk w = {0};
        for (int32_t k = 0, rest = t; k < rank - 1; rest /= count[k], k++) {
            const stretch *e = &s[k][rest % count[k]];
            x_place += e->from * from[k];
            y_place += e->to * to[k];
            mucmm__walk_axis(&w, e->n, e->step * from[k], to[k]);
        }
        mucmm__walk_axis(&w, x_dims[rank - 1], 1, 1);
        if (!dx) {
            mucmm__strided_copy(c->ctx, &w, size, x + x_place * size, y + y_place * size);
            continue;
        }
        w = mucmm__walk_back(&w);
        mucmm__strided_add(c->ctx, &w, (const float *)c->dy[0] + y_place, dx + x_place);
    }
}

static mucmm_status pad_forward(mucmm__call *c)
{
    const pad_plan *p = c->state;
    int64_t size = mucmm_dtype_size(c->in[0]->dtype), value = 0;

    if (p->mode == PAD_CONSTANT) {
        if (mucmm__has_in(c, 2))
            memcpy(&value, c->x[2], (size_t)size);
        else if (c->node->opset < 11)
            mucmm__number_put(c->in[0]->dtype, &value, 0,
                              (double)mucmm__attr_float(c->node, "value", 0));
        mucmm__fill(c->ctx, mucmm__desc_bytes(c->out[0]) / size, size, &value, c->y[0]);
    }
    pad_walk(c, c->x[0], c->y[0], NULL);
    return MUCMM_OK;
}

static mucmm_status pad_vjp(mucmm__call *c)
{
    mucmm__zero(c->ctx, c->in[0], c->dx[0]);
    pad_walk(c, NULL, NULL, c->dx[0]);
    return MUCMM_OK;
}

/* ---- ReverseSequence: its own inverse ---------------------------------------------- */

static mucmm_status reverse_infer(mucmm__call *c)
{
    int64_t time = mucmm__attr_int(c->node, "time_axis", 0),
            batch = mucmm__attr_int(c->node, "batch_axis", 1);

    if (c->in[0]->rank < 2 || time < 0 || batch < 0 || time + batch != 1)
        return mucmm__op_fail(c, MUCMM_EARG,
                              "time_axis and batch_axis must be 0 and 1 of at least 2 axes");
    if (c->in[1]->dtype != MUCMM_I64 || c->in[1]->rank != 1 ||
        c->in[1]->shape[0] != c->in[0]->shape[batch])
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "sequence_lens must be %" PRId64 " numbers of type int64",
                              c->in[0]->shape[batch]);
    return mucmm__out_like(c, 0, 0);
}

typedef struct reverse_job {
    const char *x;
    char *y;
    const int64_t *lengths;
    int64_t times, batch, row; /* row in bytes */
    bool time_first;
} reverse_job;

static void reverse_rows(void *arg, int64_t first, int64_t last)
{
    const reverse_job *j = arg;

    for (int64_t r = first; r < last; r++) {
        int64_t t = j->time_first ? r / j->batch : r % j->times,
                b = j->time_first ? r % j->batch : r / j->times, length = j->lengths[b],
                source = t < length ? length - 1 - t : t;
        source = j->time_first ? source * j->batch + b : b * j->times + source;
        memcpy(j->y + r * j->row, j->x + source * j->row, (size_t)j->row);
    }
}

static mucmm_status reverse_run(mucmm__call *c, const void *x, void *y)
{
    const mucmm__desc *d = c->in[0];
    bool time_first = mucmm__attr_int(c->node, "time_axis", 0) == 0;
    int64_t inner = mucmm__desc_product(d, 2, d->rank);
    reverse_job job = {x,
                       y,
                       c->x[1],
                       d->shape[time_first ? 0 : 1],
                       d->shape[time_first ? 1 : 0],
                       inner * mucmm_dtype_size(c->in[0]->dtype),
                       time_first};

    for (int64_t b = 0; b < job.batch; b++)
        if (job.lengths[b] < 0 || job.lengths[b] > job.times)
            return mucmm__op_fail(c, MUCMM_EFORMAT,
                                  "sequence_lens[%" PRId64 "] is %" PRId64
                                  "; it must be in 0..%" PRId64,
                                  b, job.lengths[b], job.times);
    mucmm__parallel_range(c->ctx, job.times * job.batch, mucmm__row_grain(inner), reverse_rows,
                          &job);
    return MUCMM_OK;
}

static mucmm_status reverse_forward(mucmm__call *c)
{
    return reverse_run(c, c->x[0], c->y[0]);
}

static mucmm_status reverse_vjp(mucmm__call *c)
{
    return reverse_run(c, c->dy[0], c->dx[0]);
}

/* ---- Trilu ------------------------------------------------------------------------- */

static mucmm_status trilu_infer(mucmm__call *c)
{
    if (c->in[0]->rank < 2)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the input has %d axes; at least 2 are needed",
                              c->in[0]->rank);
    if (mucmm__has_in(c, 1) && (c->in[1]->dtype != MUCMM_I64 || mucmm__desc_count(c->in[1]) != 1))
        return mucmm__op_fail(c, MUCMM_ESHAPE, "k must be one int64");
    return mucmm__out_like(c, 0, 0);
}

typedef struct trilu_job {
    const char *x;
    char *y;
    int64_t rows, columns, size, k;
    bool upper;
} trilu_job;

/* Row i keeps columns i + k and above, or i + k and below. */
static void trilu_rows(void *arg, int64_t first, int64_t last)
{
    const trilu_job *j = arg;

    for (int64_t r = first; r < last; r++) {
        int64_t edge = clamp(r % j->rows + j->k + !j->upper, 0, j->columns) * j->size,
                end = j->columns * j->size;
        const char *x = j->x + r * end;
        char *y = j->y + r * end;
        memcpy(j->upper ? y + edge : y, j->upper ? x + edge : x,
               (size_t)(j->upper ? end - edge : edge));
        memset(j->upper ? y : y + edge, 0, (size_t)(j->upper ? edge : end - edge));
    }
}

static mucmm_status trilu_run(mucmm__call *c, const void *x, void *y)
{
    const mucmm__desc *d = c->in[0];
    int64_t rows = d->shape[d->rank - 2], columns = d->shape[d->rank - 1],
            k = mucmm__has_in(c, 1) ? *(const int64_t *)c->x[1] : 0;
    trilu_job job = {x,
                     y,
                     rows,
                     columns,
                     mucmm_dtype_size(c->in[0]->dtype),
                     clamp(k, -rows - 1, columns + 1),
                     mucmm__attr_int(c->node, "upper", 1) != 0};

    mucmm__parallel_range(c->ctx, mucmm__desc_product(d, 0, d->rank - 1), mucmm__row_grain(columns),
                          trilu_rows, &job);
    return MUCMM_OK;
}

static mucmm_status trilu_forward(mucmm__call *c)
{
    return trilu_run(c, c->x[0], c->y[0]);
}

static mucmm_status trilu_vjp(mucmm__call *c)
{
    return trilu_run(c, c->dy[0], c->dx[0]);
}

/* ---- CumSum ------------------------------------------------------------------------ */

static mucmm_status cumsum_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__check_type(c, 0,
                          1u << MUCMM_F32 | 1u << MUCMM_F64 | 1u << MUCMM_I32 | 1u << MUCMM_I64 |
                              1u << MUCMM_U32 | 1u << MUCMM_U64));
    TRY(mucmm__check_type(c, 1, 1u << MUCMM_I32 | 1u << MUCMM_I64));
    if (mucmm__desc_count(c->in[1]) != 1 || c->in[0]->rank == 0)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "axis must be one number, and the input have one");
    TRY(mucmm__out_like(c, 0, 0));
done:
    return status;
}

/* Lines of n numbers, `inner` apart. */
typedef struct cumsum_job {
    mucmm_dtype dtype;
    const void *x;
    void *y;
    int64_t n, inner;
    bool exclusive, reverse;
} cumsum_job;

#define CUMSUM(name, type)                                                                         \
    static void cumsum_##name(const cumsum_job *j, int64_t start, int64_t step)                    \
    {                                                                                              \
        const type *x = (const type *)j->x + start;                                                \
        type *y = (type *)j->y + start, sum = 0;                                                   \
        for (int64_t i = 0; i < j->n; i++) {                                                       \
            type v = x[i * step];                                                                  \
            y[i * step] = j->exclusive ? sum : sum + v;                                            \
            sum += v;                                                                              \
        }                                                                                          \
    }
CUMSUM(f32, float)
CUMSUM(f64, double)
CUMSUM(i32, uint32_t)
CUMSUM(i64, uint64_t)

static void cumsum_lines(void *arg, int64_t first, int64_t last)
{
    const cumsum_job *j = arg;

    for (int64_t l = first; l < last; l++) {
        int64_t start = l / j->inner * j->n * j->inner + l % j->inner, step = j->inner;
        if (j->reverse) {
            start += (j->n - 1) * step;
            step = -step;
        }
        if (j->dtype == MUCMM_F32)
            cumsum_f32(j, start, step);
        else if (j->dtype == MUCMM_F64)
            cumsum_f64(j, start, step);
        else if (mucmm_dtype_size(j->dtype) == 4)
            cumsum_i32(j, start, step);
        else
            cumsum_i64(j, start, step);
    }
}

static mucmm_status cumsum_run(mucmm__call *c, const void *x, void *y, bool backward)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *d = c->in[0];
    cumsum_job job = {.dtype = d->dtype, .x = x, .y = y};
    int32_t axis;

    TRY(mucmm__axis(c, "axis", mucmm__integer_get(c->in[1]->dtype, c->x[1], 0), d->rank, &axis));
    job.n = d->shape[axis];
    job.inner = mucmm__desc_product(d, axis + 1, d->rank);
    job.exclusive = mucmm__attr_int(c->node, "exclusive", 0) != 0;
    job.reverse = (mucmm__attr_int(c->node, "reverse", 0) != 0) != backward;
    if (job.n > 0)
        mucmm__parallel_range(c->ctx, mucmm__desc_count(d) / job.n, mucmm__row_grain(job.n),
                              cumsum_lines, &job);
done:
    return status;
}

static mucmm_status cumsum_forward(mucmm__call *c)
{
    return cumsum_run(c, c->x[0], c->y[0], false);
}

static mucmm_status cumsum_vjp(mucmm__call *c)
{
    return cumsum_run(c, c->dy[0], c->dx[0], true);
}

const mucmm__op mucmm__ops_slice[] = {
    {"Slice", 1, 9, 1, 1, 1, 1, slice_infer, slice_forward, slice_vjp, 1, .layout = slice_layout,
     .prepare = slice_prepare, .drop = free_state},
    {"Slice", 10, 0, 3, 5, 1, 1, slice_infer, slice_forward, slice_vjp, 1, .layout = slice_layout,
     .prepare = slice_prepare, .drop = free_state},
    {"Pad", 2, 10, 1, 1, 1, 1, pad_infer, pad_forward, pad_vjp, 1, .layout = pad_layout,
     .prepare = pad_prepare, .drop = free_state},
    {"Pad", 11, 0, 2, 3, 1, 1, pad_infer, pad_forward, pad_vjp, 1, .layout = pad_layout,
     .prepare = pad_prepare, .drop = free_state},
    {"ReverseSequence", 10, 0, 2, 2, 1, 1, reverse_infer, reverse_forward, reverse_vjp, .diff = 1,
     .vjp_x = 2},
    {"Trilu", 14, 0, 1, 2, 1, 1, trilu_infer, trilu_forward, trilu_vjp, .diff = 1, .vjp_x = 2},
    {"CumSum", 11, 0, 2, 2, 1, 1, cumsum_infer, cumsum_forward, cumsum_vjp, .diff = 1, .vjp_x = 2},
    {0},
};
