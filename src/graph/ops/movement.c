/* SPDX-License-Identifier: MIT
 *
 * movement.c - operators that put numbers elsewhere. They are walks (strided.h): forward copies
 * along the walk, vjp copies or adds along the same walk the other way round. */
#include "graph/ops/strided.h"

#include <inttypes.h>
#include <string.h>

/* ---- Transpose --------------------------------------------------------------------- */

static mucmm_status transpose_perm(const mucmm__call *c, int32_t perm[MUCMM_MAX_RANK])
{
    int32_t rank = c->in[0]->rank;
    bool seen[MUCMM_MAX_RANK] = {0};
    const mucmm__attr *attr = mucmm__attr_find(c->node, "perm", MUCMM__ATTR_INTS);

    if (attr && attr->n != rank)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "perm lists %" PRId64 " axes of %d", attr->n, rank);
    for (int32_t k = 0; k < rank; k++) {
        int64_t p = attr ? attr->ints[k] : rank - 1 - k;
        if (p < 0 || p >= rank || seen[p])
            return mucmm__op_fail(c, MUCMM_EARG, "perm is not a permutation: it has %" PRId64, p);
        seen[p] = true;
        perm[k] = (int32_t)p;
    }
    return MUCMM_OK;
}

static mucmm_status transpose_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    int32_t perm[MUCMM_MAX_RANK];
    int64_t shape[MUCMM_MAX_RANK];

    TRY(transpose_perm(c, perm));
    for (int32_t k = 0; k < x->rank; k++)
        shape[k] = x->shape[perm[k]];
    TRY(mucmm__out(c, 0, x->dtype, x->rank, shape));
done:
    return status;
}

/* A blocked input is read as it is; the output is dense. */
static void transpose_layout(mucmm__call *c)
{
    if (mucmm__whole_blocks(c->in[0], c->in[0]->block))
        c->want[0] = c->in[0]->block;
}

static mucmm_status transpose_walk(const mucmm__call *c, mucmm__walk *w)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0], *y = c->out[0];
    int32_t perm[MUCMM_MAX_RANK], rank;
    int64_t dims[MUCMM_MAX_RANK + 1], from[MUCMM_MAX_RANK + 1], to[MUCMM_MAX_RANK];

    *w = (mucmm__walk){0};
    TRY(transpose_perm(c, perm));
    rank = mucmm__physical(x, dims);
    mucmm__strides(rank, dims, from);
    mucmm__strides(y->rank, y->shape, to);
    for (int32_t k = 0; k < y->rank; k++) {
        bool channels = perm[k] == 1 && x->block > 1;
        mucmm__walk_axis(w, dims[perm[k]], from[perm[k]], channels ? to[k] * x->block : to[k]);
        if (channels)
            mucmm__walk_axis(w, x->block, 1, to[k]);
    }
done:
    return status;
}

static mucmm_status transpose_forward(mucmm__call *c)
{
    mucmm__walk w;
    mucmm_status status = transpose_walk(c, &w);

    if (status == MUCMM_OK)
        mucmm__strided_copy(c->ctx, &w, mucmm_dtype_size(c->in[0]->dtype), c->x[0], c->y[0]);
    return status;
}

static mucmm_status transpose_vjp(mucmm__call *c)
{
    mucmm__walk w;
    mucmm_status status = transpose_walk(c, &w);

    if (status == MUCMM_OK) {
        w = mucmm__walk_back(&w);
        mucmm__strided_copy(c->ctx, &w, 4, c->dy[0], c->dx[0]);
    }
    return status;
}

/* ---- Concat, Split: parts along an axis -------------------------------------------- */

/* In a layout of blocks they are the same copies, of the arrays as they are in memory; parts along
 * axis 1 must begin where a block begins. */

/* From a part to its place in the whole. *place is the place's offset in bytes; it moves on to the
 * next part. */
static mucmm__walk part_walk(const mucmm__desc *whole, const mucmm__desc *part, int32_t axis,
                             int64_t *place)
{
    mucmm__walk w = {0};
    int64_t dims[MUCMM_MAX_RANK + 1], from[MUCMM_MAX_RANK + 1], to[MUCMM_MAX_RANK + 1];
    int32_t rank = mucmm__physical(whole, dims);

    mucmm__strides(rank, dims, to);
    mucmm__physical(part, dims);
    mucmm__strides(rank, dims, from);
    for (int32_t k = 0; k < rank; k++)
        mucmm__walk_axis(&w, dims[k], from[k], to[k]);
    *place += dims[axis] * to[axis] * mucmm_dtype_size(whole->dtype);
    return w;
}

static mucmm_status concat_axis(const mucmm__call *c, int32_t *axis)
{
    if (!mucmm__attr_find(c->node, "axis", MUCMM__ATTR_INT))
        return mucmm__op_fail(c, MUCMM_EFORMAT, "the attribute axis is missing");
    return mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 0), c->in[0]->rank, axis);
}

static mucmm_status concat_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc y, other;
    int32_t axis;

    for (int32_t i = 0; i < c->n_in; i++)
        if (!c->in[i])
            return mucmm__op_fail(c, MUCMM_EFORMAT, "input %d is missing", i);
    TRY(concat_axis(c, &axis));
    y = *c->in[0];
    for (int32_t i = 1; i < c->n_in; i++) {
        other = *c->in[i];
        if (other.rank == y.rank)
            other.shape[axis] = y.shape[axis];
        if (other.dtype != y.dtype || !mucmm__same_shape(&other, &y)) {
            char a[MUCMM__SHAPE_TEXT], b[MUCMM__SHAPE_TEXT];
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "input %d is %s %s and input 0 is %s %s; only axis %d may differ",
                                  i, mucmm_dtype_name(other.dtype), mucmm__shape_text(a, c->in[i]),
                                  mucmm_dtype_name(y.dtype), mucmm__shape_text(b, c->in[0]), axis);
        }
        if (__builtin_add_overflow(y.shape[axis], c->in[i]->shape[axis], &y.shape[axis]))
            return mucmm__op_fail(c, MUCMM_ESHAPE, "axis %d would be too long", axis);
    }
    TRY(mucmm__out(c, 0, y.dtype, y.rank, y.shape));
done:
    return status;
}

static void concat_layout(mucmm__call *c)
{
    int32_t axis, block = c->in[0]->block;

    if (block == 1 || concat_axis(c, &axis) != MUCMM_OK)
        return;
    for (int32_t i = 0; i < c->n_in - 1 && axis == 1; i++)
        if (!mucmm__whole_blocks(c->in[i], block))
            return;
    for (int32_t i = 0; i < c->n_in; i++)
        c->want[i] = block;
    c->out[0]->block = block;
}

static mucmm_status concat_forward(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t place = 0, next = 0, size = mucmm_dtype_size(c->out[0]->dtype);
    int32_t axis;

    TRY(concat_axis(c, &axis));
    for (int32_t i = 0; i < c->n_in; i++, place = next) {
        mucmm__walk w = part_walk(c->out[0], c->in[i], axis, &next);
        mucmm__strided_copy(c->ctx, &w, size, c->x[i], (char *)c->y[0] + place);
    }
done:
    return status;
}

static mucmm_status concat_vjp(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t place = 0, next = 0;
    int32_t axis;

    TRY(concat_axis(c, &axis));
    for (int32_t i = 0; i < c->n_in; i++, place = next) {
        mucmm__walk w = part_walk(c->out[0], c->in[i], axis, &next);
        w = mucmm__walk_back(&w);
        if (c->dx[i])
            mucmm__strided_copy(c->ctx, &w, 4, (const char *)c->dy[0] + place, c->dx[i]);
    }
done:
    return status;
}

static int32_t split_axis(const mucmm__call *c)
{
    int64_t axis = mucmm__attr_int(c->node, "axis", 0); /* infer has checked it */
    return (int32_t)(axis < 0 ? axis + c->in[0]->rank : axis);
}

/* The length of each part: an attribute before opset 13, input 1 since then, or equal parts. The
 * state is this list, because an output may be absent. */
static mucmm_status split_lengths(const mucmm__call *c, int64_t *parts)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = 0, sum = 0, length = c->in[0]->shape[split_axis(c)];
    const int64_t *list = NULL;

    if (c->node->opset < 13)
        list = mucmm__attr_ints(c->node, "split", &n);
    else if (mucmm__has_in(c, 1)) {
        TRY(mucmm__known_ints(c, 1, parts, c->n_out, &n));
        list = parts;
    }
    if (!list) {
        if (length % c->n_out != 0)
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "%" PRId64 " elements cannot be split into %d equal parts",
                                  length, c->n_out);
        for (int32_t i = 0; i < c->n_out; i++)
            parts[i] = length / c->n_out;
        return MUCMM_OK;
    }
    for (int64_t i = 0; i < n && sum >= 0 && n == c->n_out; i++) {
        if (list[i] < 0 || __builtin_add_overflow(sum, list[i], &sum))
            sum = -1;
        parts[i] = list[i];
    }
    if (n != c->n_out || sum != length)
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "the %" PRId64 " lengths of split do not make up the %" PRId64
                              " elements of the axis in %d parts",
                              n, length, c->n_out);
done:
    return status;
}

static mucmm_status split_prepare(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t *parts = NULL;

    TRY(mucmm__alloc(c->ctx, c->n_out, sizeof *parts, &parts));
    TRY(split_lengths(c, parts));
    c->state = parts;
    parts = NULL;
done:
    mucmm__free(parts);
    return status;
}

static void split_drop(void *state)
{
    mucmm__free(state);
}

static mucmm_status split_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc part = *c->in[0];
    int64_t *parts = NULL;
    int32_t axis;

    TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 0), part.rank, &axis));
    TRY(mucmm__alloc(c->ctx, c->n_out, sizeof *parts, &parts));
    TRY(split_lengths(c, parts));
    for (int32_t i = 0; i < c->n_out; i++) {
        part.shape[axis] = parts[i];
        TRY(mucmm__out(c, i, part.dtype, part.rank, part.shape));
    }
done:
    mucmm__free(parts);
    return status;
}

static void split_layout(mucmm__call *c)
{
    int32_t block = c->in[0]->block;

    if (block == 1)
        return;
    for (int32_t i = 0; i < c->n_out && split_axis(c) == 1; i++)
        if (!c->out[i] || (i < c->n_out - 1 && !mucmm__whole_blocks(c->out[i], block)))
            return;
    c->want[0] = block;
    for (int32_t i = 0; i < c->n_out; i++)
        if (c->out[i])
            c->out[i]->block = block;
}

static mucmm_status split_forward(mucmm__call *c)
{
    const int64_t *parts = c->state, size = mucmm_dtype_size(c->in[0]->dtype);
    int64_t place = 0, next = 0;
    int32_t axis = split_axis(c);
    mucmm__desc part = *c->in[0];

    for (int32_t i = 0; i < c->n_out; i++, place = next) {
        part.shape[axis] = parts[i];
        mucmm__walk w = part_walk(c->in[0], &part, axis, &next);
        w = mucmm__walk_back(&w);
        if (c->y[i])
            mucmm__strided_copy(c->ctx, &w, size, (const char *)c->x[0] + place, c->y[i]);
    }
    return MUCMM_OK;
}

static mucmm_status split_vjp(mucmm__call *c)
{
    const int64_t *parts = c->state;
    int64_t place = 0, next = 0;
    int32_t axis = split_axis(c);
    mucmm__desc part = *c->in[0];

    for (int32_t i = 0; i < c->n_out; i++, place = next) {
        part.shape[axis] = parts[i];
        mucmm__walk w = part_walk(c->in[0], &part, axis, &next);
        for (int32_t k = 0; k < w.rank && !c->dy[i]; k++)
            w.from[k] = 0; /* one 0 in place of a cotangent that is zero */
        mucmm__strided_copy(c->ctx, &w, 4, c->dy[i] ? c->dy[i] : &(float){0},
                            (char *)c->dx[0] + place);
    }
    return MUCMM_OK;
}

/* ---- Tile, Expand: the target repeats the source ----------------------------------- */

static mucmm_status tile_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    int64_t repeats[MUCMM_MAX_RANK], n;

    TRY(mucmm__known_ints(c, 1, repeats, MUCMM_MAX_RANK, &n));
    if (n != x->rank)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "%" PRId64 " repeats for %d axes", n, x->rank);
    for (int32_t k = 0; k < x->rank; k++)
        if (!mucmm__mul(x->shape[k], repeats[k], &repeats[k]))
            return mucmm__op_fail(c, MUCMM_ESHAPE, "axis %d cannot be repeated %" PRId64 " times",
                                  k, repeats[k]);
    TRY(mucmm__out(c, 0, x->dtype, x->rank, repeats));
done:
    return status;
}

static mucmm_status expand_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc wanted = {0};
    int64_t n, shape[MUCMM_MAX_RANK];
    int32_t rank;

    TRY(mucmm__known_ints(c, 1, wanted.shape, MUCMM_MAX_RANK, &n));
    wanted.rank = (int32_t)n;
    TRY(mucmm__broadcast(c, c->in[0], &wanted, &rank, shape));
    TRY(mucmm__out(c, 0, c->in[0]->dtype, rank, shape));
done:
    return status;
}

/* Axis k of y is axis k - lead of x, repeated as often as it takes. */
static mucmm__walk repeat_walk(const mucmm__call *c)
{
    const mucmm__desc *x = c->in[0], *y = c->out[0];
    int64_t from[MUCMM_MAX_RANK], to[MUCMM_MAX_RANK];
    mucmm__walk w = {0};

    mucmm__strides(x->rank, x->shape, from);
    mucmm__strides(y->rank, y->shape, to);
    for (int32_t k = 0, lead = y->rank - x->rank; k < y->rank; k++) {
        int64_t n = k < lead ? 1 : x->shape[k - lead];
        mucmm__walk_axis(&w, n > 0 ? y->shape[k] / n : 0, 0, n * to[k]);
        if (k >= lead)
            mucmm__walk_axis(&w, n, from[k - lead], to[k]);
    }
    return w;
}

static mucmm_status repeat_forward(mucmm__call *c)
{
    mucmm__walk w = repeat_walk(c);

    mucmm__strided_copy(c->ctx, &w, mucmm_dtype_size(c->in[0]->dtype), c->x[0], c->y[0]);
    return MUCMM_OK;
}

static mucmm_status repeat_vjp(mucmm__call *c)
{
    mucmm__walk w = repeat_walk(c);

    w = mucmm__walk_back(&w);
    mucmm__zero(c->ctx, c->in[0], c->dx[0]);
    mucmm__strided_add(c->ctx, &w, c->dy[0], c->dx[0]);
    return MUCMM_OK;
}

/* ---- DepthToSpace, SpaceToDepth ---------------------------------------------------- */

static mucmm_status blocksize(const mucmm__call *c, int64_t *b)
{
    const mucmm__desc *x = c->in[0];

    *b = mucmm__attr_int(c->node, "blocksize", 0);
    if (x->rank != 4)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the input has %d axes, not 4", x->rank);
    if (*b < 1 || *b > INT32_MAX)
        return mucmm__op_fail(c, MUCMM_EARG, "blocksize is %" PRId64, *b);
    return MUCMM_OK;
}

static mucmm_status depth_to_space_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const int64_t *s = c->in[0]->shape;
    const char *mode = mucmm__attr_string(c->node, "mode", "DCR");
    int64_t b, h, w;

    TRY(blocksize(c, &b));
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return mucmm__op_fail(c, MUCMM_EARG, "mode is '%.40s', not DCR or CRD", mode);
    if (s[1] % (b * b) != 0 || !mucmm__mul(s[2], b, &h) || !mucmm__mul(s[3], b, &w))
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "%" PRId64 " channels are not a multiple of %" PRId64, s[1], b * b);
    TRY(mucmm__out(c, 0, c->in[0]->dtype, 4, (int64_t[]){s[0], s[1] / (b * b), h, w}));
done:
    return status;
}

static mucmm_status space_to_depth_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const int64_t *s = c->in[0]->shape;
    int64_t b, channels;

    TRY(blocksize(c, &b));
    if (s[2] % b != 0 || s[3] % b != 0 || !mucmm__mul(s[1], b * b, &channels))
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "%" PRId64 " by %" PRId64 " is not a multiple of %" PRId64, s[2],
                              s[3], b);
    TRY(mucmm__out(c, 0, c->in[0]->dtype, 4, (int64_t[]){s[0], channels, s[2] / b, s[3] / b}));
done:
    return status;
}

/* Both are transpositions of six axes. */
static mucmm__walk six_axes(const int64_t dims[6], const int32_t perm[6])
{
    int64_t out[6], from[6], to[6];
    mucmm__walk w = {0};

    for (int32_t k = 0; k < 6; k++)
        out[k] = dims[perm[k]];
    mucmm__strides(6, dims, from);
    mucmm__strides(6, out, to);
    for (int32_t k = 0; k < 6; k++)
        mucmm__walk_axis(&w, out[k], from[perm[k]], to[k]);
    return w;
}

static mucmm__walk depth_walk(const mucmm__call *c)
{
    const int64_t *x = c->in[0]->shape, *y = c->out[0]->shape,
                  b = mucmm__attr_int(c->node, "blocksize", 1);
    static const int32_t dcr[6] = {0, 3, 4, 1, 5, 2}, crd[6] = {0, 1, 4, 2, 5, 3},
                         space[6] = {0, 3, 5, 1, 2, 4};

    if (strcmp(c->node->op->type, "SpaceToDepth") == 0)
        return six_axes((int64_t[]){x[0], x[1], y[2], b, y[3], b}, space);
    if (strcmp(mucmm__attr_string(c->node, "mode", "DCR"), "DCR") == 0)
        return six_axes((int64_t[]){x[0], b, b, y[1], x[2], x[3]}, dcr);
    return six_axes((int64_t[]){x[0], y[1], b, b, x[2], x[3]}, crd);
}

static mucmm_status depth_forward(mucmm__call *c)
{
    mucmm__walk w = depth_walk(c);

    mucmm__strided_copy(c->ctx, &w, mucmm_dtype_size(c->in[0]->dtype), c->x[0], c->y[0]);
    return MUCMM_OK;
}

static mucmm_status depth_vjp(mucmm__call *c)
{
    mucmm__walk w = depth_walk(c);

    w = mucmm__walk_back(&w);
    mucmm__strided_copy(c->ctx, &w, 4, c->dy[0], c->dx[0]);
    return MUCMM_OK;
}

/* ---- ChannelShuffle ---------------------------------------------------------------- */

/* What the planner makes of Reshape [N, g, C / g, ...], Transpose of axes 1 and 2, Reshape back:
 * channel i C/g + j goes to channel j g + i. The inverse is the same with C / g groups. */

static mucmm_status shuffle_infer(mucmm__call *c)
{
    int64_t groups = mucmm__attr_int(c->node, "groups", 0);

    if (c->in[0]->rank < 2 || groups < 1 || c->in[0]->shape[1] % groups != 0)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the channels do not make up %" PRId64 " groups",
                              groups);
    return mucmm__out_like(c, 0, 0);
}

static void shuffle_layout(mucmm__call *c)
{
    if (mucmm__whole_blocks(c->in[0], c->in[0]->block))
        c->want[0] = c->out[0]->block = c->in[0]->block;
}

#define BLOCK_MAX 64

typedef struct shuffle_job {
    const char *x;
    char *y;
    int64_t groups, channels, block, blocks, inner, size; /* inner: elements of a channel */
} shuffle_job;

/* Unit: one block of channels of one row; dense is a block of one channel. */
static void shuffle_blocks(void *arg, int64_t first, int64_t last)
{
    const shuffle_job *j = arg;
    int64_t bytes = j->inner * j->block * j->size;

    for (int64_t u = first; u < last; u++) {
        const char *x = j->x + u / j->blocks * j->blocks * bytes, *lane[BLOCK_MAX];
        char *y = j->y + u * bytes;
        for (int64_t l = 0; l < j->block; l++) {
            int64_t to = u % j->blocks * j->block + l,
                    from = to % j->groups * (j->channels / j->groups) + to / j->groups;
            lane[l] = x + from / j->block * bytes + from % j->block * j->size;
        }
        if (j->block == 1)
            memcpy(y, lane[0], (size_t)bytes);
        else if (j->size == 4)
            for (int64_t s = 0; s < j->inner; s++)
                for (int64_t l = 0; l < j->block; l++)
                    memcpy(y + (s * j->block + l) * 4, lane[l] + s * j->block * 4, 4);
        else
            for (int64_t s = 0; s < j->inner; s++)
                for (int64_t l = 0; l < j->block; l++)
                    memcpy(y + (s * j->block + l) * j->size, lane[l] + s * j->block * j->size,
                           (size_t)j->size);
    }
}

static mucmm_status shuffle_run(mucmm__call *c, const void *x, void *y, int64_t groups)
{
    const mucmm__desc *d = c->in[0];
    shuffle_job job = {.x = x,
                       .y = y,
                       .groups = groups,
                       .channels = d->shape[1],
                       .block = d->block,
                       .blocks = d->shape[1] / d->block,
                       .inner = mucmm__desc_product(d, 2, d->rank),
                       .size = mucmm_dtype_size(c->in[0]->dtype)};

    if (mucmm__desc_count(d) > 0)
        mucmm__parallel_range(c->ctx, d->shape[0] * job.blocks,
                              mucmm__row_grain(job.inner * job.block), shuffle_blocks, &job);
    return MUCMM_OK;
}

static mucmm_status shuffle_forward(mucmm__call *c)
{
    return shuffle_run(c, c->x[0], c->y[0], mucmm__attr_int(c->node, "groups", 1));
}

static mucmm_status shuffle_vjp(mucmm__call *c)
{
    return shuffle_run(c, c->dy[0], c->dx[0],
                       c->in[0]->shape[1] / mucmm__attr_int(c->node, "groups", 1));
}

const mucmm__op mucmm__ops_movement[] = {
    {"Transpose", 1, 0, 1, 1, 1, 1, transpose_infer, transpose_forward, transpose_vjp, 1,
     .layout = transpose_layout},
    {"Concat", 4, 0, 1, -1, 1, 1, concat_infer, concat_forward, concat_vjp, MUCMM__ALL,
     .layout = concat_layout},
    {"Split", 2, 12, 1, 1, 1, -1, split_infer, split_forward, split_vjp, 1, .layout = split_layout,
     .prepare = split_prepare, .drop = split_drop},
    {"Split", 13, 0, 1, 2, 1, -1, split_infer, split_forward, split_vjp, 1, .layout = split_layout,
     .prepare = split_prepare, .drop = split_drop},
    {"Tile", 6, 0, 2, 2, 1, 1, tile_infer, repeat_forward, repeat_vjp, .diff = 1},
    {"Expand", 8, 0, 2, 2, 1, 1, expand_infer, repeat_forward, repeat_vjp, .diff = 1},
    {"DepthToSpace", 1, 0, 1, 1, 1, 1, depth_to_space_infer, depth_forward, depth_vjp, .diff = 1},
    {"SpaceToDepth", 1, 0, 1, 1, 1, 1, space_to_depth_infer, depth_forward, depth_vjp, .diff = 1},
    {"ChannelShuffle", 1, 0, 1, 1, 1, 1, shuffle_infer, shuffle_forward, shuffle_vjp, 1,
     .flags = MUCMM__INTERNAL, .layout = shuffle_layout},
    {0},
};
