/* SPDX-License-Identifier: MIT
 *
 * conv.c - Conv and ConvTranspose. ConvTranspose is the gradient of a convolution with respect to
 * its input, so both are the same three primitives: with (x, y) the tensors of the convolution,
 *
 *                   Conv                 ConvTranspose
 *   forward         FORWARD  x -> y      BACK_DATA  y -> x
 *   vjp, input      BACK_DATA  y -> x    FORWARD    x -> y
 *   vjp, weights    BACK_WEIGHTS x, y    BACK_WEIGHTS x, y
 *
 * each on the way that conv_route.c finds. */
#include "core/vmath.h"
#include "graph/ops/conv_route.h"

#include <inttypes.h>
#include <string.h>

enum { IN_X, IN_W, IN_BIAS };

/* The convolution of a node as the file has it. */
typedef struct problem {
    mucmm__conv conv;
    bool transposed;
} problem;

/* ---- shapes ------------------------------------------------------------------------ */

/* Along an axis with one output the stride means nothing, with one tap the dilation. Larger
 * numbers than these would overflow the offsets of generated code. */
static mucmm_status check_window(const mucmm__call *c, mucmm__window *w)
{
    for (int32_t k = 0; k < w->axes; k++) {
        if (w->in[k] + w->before[k] + w->after[k] > INT64_C(1) << 26)
            return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                                  "spatial axis %d has %" PRId64
                                  " places with its padding; at most "
                                  "2^26 are supported",
                                  k, w->in[k] + w->before[k] + w->after[k]);
        if (w->out[k] <= 1)
            w->stride[k] = 1;
        if (w->kernel[k] == 1)
            w->dilation[k] = 1;
        /* What no window reaches is cut off, or padding that the last window misses added. */
        w->after[k] =
            (w->out[k] - 1) * w->stride[k] + mucmm__window_extent(w, k) - w->in[k] - w->before[k];
        /* oneDNN takes no stride that would reach into what was cut off. */
        if (w->out[k] <= 1 && w->after[k] < 0)
            w->stride[k] = 1 - w->after[k];
    }
    return MUCMM_OK;
}

static mucmm_status read_output_padding(const mucmm__call *c, int32_t axes, int64_t *padding)
{
    int64_t count;
    const int64_t *given = mucmm__attr_ints(c->node, "output_padding", &count);

    if (given && count > 0 && count != axes)
        return mucmm__op_fail(
            c, MUCMM_EARG, "output_padding has %" PRId64 " numbers; it must have %d", count, axes);
    for (int32_t k = 0; k < axes; k++) {
        padding[k] = given && count > 0 ? given[k] : 0;
        if (padding[k] < 0 || padding[k] > INT32_MAX)
            return mucmm__op_fail(c, MUCMM_EARG, "output_padding has a value of %" PRId64,
                                  padding[k]);
    }
    return MUCMM_OK;
}

/* w->in holds the sizes of ConvTranspose's input when this begins: the outputs of the
 * convolution that it transposes. */
static mucmm_status transposed_sizes(const mucmm__call *c, mucmm__window *w)
{
    mucmm__auto_pad pad;
    int64_t count, padding[3], total;
    const int64_t *shape = mucmm__attr_ints(c->node, "output_shape", &count);
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__window_auto_pad(c, &pad));
    TRY(read_output_padding(c, w->axes, padding));
    if (shape && count > 0 && count != w->axes && count != w->axes + 2)
        return mucmm__op_fail(
            c, MUCMM_EARG, "output_shape has %" PRId64 " numbers; it must have %d", count, w->axes);
    for (int32_t k = 0; k < w->axes; k++) {
        w->out[k] = w->in[k];
        total = w->stride[k] * (w->in[k] - 1) + padding[k] + mucmm__window_extent(w, k);
        if (shape && count > 0)
            w->in[k] = shape[count - w->axes + k];
        else if (pad == MUCMM__PAD_SAME_UPPER || pad == MUCMM__PAD_SAME_LOWER)
            w->in[k] = w->out[k] * w->stride[k];
        else {
            if (pad == MUCMM__PAD_VALID)
                w->before[k] = w->after[k] = 0;
            w->in[k] = total - w->before[k] - w->after[k];
            continue;
        }
        if (w->in[k] < 0 || w->in[k] > INT32_MAX)
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "output_shape asks for %" PRId64 " along spatial axis %d",
                                  w->in[k], k);
        total = total > w->in[k] ? total - w->in[k] : 0;
        mucmm__window_split(w, k, total, pad == MUCMM__PAD_SAME_UPPER);
    }
done:
    return status;
}

static mucmm_status read_weights(const mucmm__call *c, problem *p)
{
    const mucmm__desc *x = c->in[IN_X], *w = c->in[IN_W];
    int64_t groups = mucmm__attr_int(c->node, "group", 1);
    char text[MUCMM__SHAPE_TEXT], more[MUCMM__SHAPE_TEXT];
    mucmm__conv *s = &p->conv;
    int64_t inner, outer, channels;

    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                              "input %s and weights %s; both must have the same 3 to 5 dimensions",
                              mucmm__shape_text(text, x), mucmm__shape_text(more, w));
    channels = x->shape[1];
    outer = w->shape[0];
    inner = w->shape[1];
    if (groups < 1 || outer < 1 || inner < 1 || outer % groups != 0 ||
        channels != (p->transposed ? outer : inner * groups))
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "input %s and weights %s in %" PRId64 " groups do not fit together",
                              mucmm__shape_text(text, x), mucmm__shape_text(more, w), groups);
    *s = (mucmm__conv){.n = x->shape[0], .groups = groups, .k = outer, .x_block = 1, .y_block = 1};
    if (!mucmm__mul(inner, groups, &s->c) || s->c > INT32_MAX || s->k > INT32_MAX)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "there are too many channels");
    return MUCMM_OK;
}

static mucmm_status read_problem(const mucmm__call *c, problem *p)
{
    mucmm_status status = MUCMM_OK;

    p->transposed = strcmp(c->node->op->type, "ConvTranspose") == 0;
    TRY(read_weights(c, p));
    if (p->transposed) {
        TRY(mucmm__window_attributes(c, c->in[IN_W]->shape + 2, &p->conv.window));
        TRY(transposed_sizes(c, &p->conv.window));
    } else {
        TRY(mucmm__window_read(c, c->in[IN_W]->shape + 2, &p->conv.window));
    }
    TRY(check_window(c, &p->conv.window));
done:
    return status;
}

static mucmm_status conv_infer(mucmm__call *c)
{
    int64_t shape[MUCMM_MAX_RANK];
    mucmm_status status = MUCMM_OK;
    problem p;

    for (int32_t i = IN_X; i <= IN_BIAS; i++)
        if (mucmm__has_in(c, i))
            TRY(mucmm__check_type(c, i, 1u << MUCMM_F32));
    TRY(read_problem(c, &p));
    shape[0] = p.conv.n;
    shape[1] = p.transposed ? p.conv.c : p.conv.k;
    for (int32_t k = 0; k < p.conv.window.axes; k++)
        shape[2 + k] = p.transposed ? p.conv.window.in[k] : p.conv.window.out[k];
    if (mucmm__has_in(c, IN_BIAS) &&
        (c->in[IN_BIAS]->rank != 1 || c->in[IN_BIAS]->shape[0] != shape[1])) {
        char text[MUCMM__SHAPE_TEXT];
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the bias is %s; it must be [%" PRId64 "]",
                              mucmm__shape_text(text, c->in[IN_BIAS]), shape[1]);
    }
    TRY(mucmm__out(c, 0, MUCMM_F32, c->in[IN_X]->rank, shape));
done:
    return status;
}

/* ---- layout ------------------------------------------------------------------------ */

static mucmm__conv_kind forward_kind(const problem *p)
{
    return p->transposed ? MUCMM__CONV_BACK_DATA : MUCMM__CONV_FORWARD;
}

static mucmm__conv_post post_of(const mucmm__call *c, bool bias)
{
    const mucmm__fused *f = c->fused;
    mucmm__conv_post post = {.bias = bias};

    if (f) {
        post.residual = f->residual >= 0;
        post.activation = f->activation;
        post.alpha = f->alpha;
        post.beta = f->beta;
        post.tail = mucmm__has_tail(f);
        post.floor = f->floor;
        post.out_scale = f->out_scale;
        post.out_shift = f->out_shift;
    }
    return post;
}

static bool has_bias(const mucmm__call *c)
{
    return mucmm__has_in(c, IN_BIAS) || (c->fused && c->fused->shift);
}

static bool is_empty(const mucmm__call *c)
{
    return mucmm__desc_count(c->in[IN_X]) == 0 || mucmm__desc_count(c->out[0]) == 0;
}

/* A route from or to blocked tensors, and which blocks it wants. */
static bool try_blocks(mucmm__call *c, const problem *p, int32_t in, int32_t out)
{
    mucmm__conv_post post = post_of(c, has_bias(c));
    mucmm__route r = {.given = p->conv, .kind = forward_kind(p)};

    r.given.x_block = p->transposed ? out : in;
    r.given.y_block = p->transposed ? in : out;
    if (!mucmm__route_find(c->ctx, &r, p->transposed ? NULL : &post, false))
        return false;
    c->want[IN_X] = in;
    c->out[0]->block = out;
    if (c->fused && c->fused->residual >= 0)
        c->want[c->fused->residual] = out;
    return true;
}

static void conv_layout(mucmm__call *c)
{
    int32_t b = mucmm__conv_block();
    problem p;
    bool few;

    if (b == 1 || is_empty(c) || read_problem(c, &p) != MUCMM_OK)
        return;
    few = p.conv.c < b && p.conv.groups == 1; /* of a picture, or of ConvTranspose's output */
    if (few && p.transposed) {
        if (!try_blocks(c, &p, b, 1))
            try_blocks(c, &p, b, b);
    } else if (few && c->in[IN_X]->block == 1) {
        if (!try_blocks(c, &p, 1, b))
            try_blocks(c, &p, b, b);
    } else if (!try_blocks(c, &p, b, b) && few) {
        try_blocks(c, &p, 1, b);
    }
}

/* ---- state ------------------------------------------------------------------------- */

typedef struct conv_state {
    problem problem;
    mucmm__conv_post post; /* what the forward primitive does itself                  */
    bool finish;           /* the rest of bias, residual and activation is ours       */
    mucmm__route forward, back;
    mucmm__prim *grad, *grad_copy;
    const float *bias; /* packed; NULL: that of the node, or made in each run         */
    int64_t bias_at, grad_at, dz_at;
} conv_state;

static void conv_drop(void *state)
{
    conv_state *s = state;

    if (!s)
        return;
    mucmm__route_drop(&s->forward);
    mucmm__route_drop(&s->back);
    mucmm__prim_free(s->grad);
    mucmm__prim_free(s->grad_copy);
    mucmm__free(s);
}

/* ---- bias -------------------------------------------------------------------------- */

typedef struct bias_parts {
    const float *scale, *shift, *bias;
    int64_t n;
} bias_parts;

static mucmm_status make_bias(mucmm_ctx *ctx, void *arg, void *bytes)
{
    const bias_parts *a = arg;
    float *out = bytes;

    (void)ctx;
    for (int64_t i = 0; i < a->n; i++)
        out[i] = (a->bias ? a->bias[i] * (a->scale ? a->scale[i] : 1.0f) : 0.0f) +
                 (a->shift ? a->shift[i] : 0.0f);
    return MUCMM_OK;
}

static bool bias_is_plain(const mucmm__call *c)
{
    return !c->fused || (!c->fused->shift && !c->fused->scale);
}

static bias_parts parts_of_bias(const mucmm__call *c, const void *bias)
{
    return (bias_parts){c->fused ? c->fused->scale : NULL, c->fused ? c->fused->shift : NULL, bias,
                        c->out[0]->shape[1]};
}

static mucmm_status prepare_bias(mucmm__call *c, conv_state *s)
{
    bool given = mucmm__has_in(c, IN_BIAS);
    bias_parts a = parts_of_bias(c, given ? c->known[IN_BIAS] : NULL);
    struct {
        char family[8];
        const void *node, *scale, *shift;
        uint64_t hash[2];
    } key = {.family = "bias", .node = c->node, .scale = a.scale, .shift = a.shift};
    mucmm_status status = MUCMM_OK;
    const void *out;

    if (!has_bias(c) || bias_is_plain(c))
        return MUCMM_OK;
    s->bias_at = mucmm__place(&c->scratch, a.n * (int64_t)sizeof(float));
    if (given && !a.bias)
        return MUCMM_OK;
    if (given)
        mucmm__hash_numbers(a.bias, a.n, key.hash);
    TRY(mucmm__graph_pack(c->ctx, c->graph, &key, sizeof key, a.n * (int64_t)sizeof(float),
                          make_bias, &a, &out));
    s->bias = out;
done:
    return status;
}

static const float *bias_for_run(mucmm__call *c, const conv_state *s)
{
    float *made = (float *)(void *)((char *)c->work + s->bias_at);
    bias_parts a;

    if (!has_bias(c) || s->bias || bias_is_plain(c))
        return s->bias || !has_bias(c) ? s->bias : c->x[IN_BIAS];
    a = parts_of_bias(c, c->x[IN_BIAS]);
    make_bias(c->ctx, &a, made);
    return made;
}

/* ---- what the primitive leaves to us ----------------------------------------------- */

VMATH float clip(float v, float low, float high)
{
    float at_least = v > low ? v : low;
    return at_least < high ? at_least : high;
}

SIMD_CLONES static void activate(float *y, int64_t n, mucmm__activation kind, float alpha,
                                 float beta)
{
#define LOOP(id, value)                                                                            \
    case MUCMM__ACT_##id:                                                                          \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                        \
        {                                                                                          \
            float v = y[i];                                                                        \
            y[i] = value;                                                                          \
        }                                                                                          \
        return;
    switch (kind) {
    case MUCMM__ACT_NONE:
        return;
        LOOP(RELU, v > 0.0f ? v : 0.0f)
        LOOP(CLIP, clip(v, alpha, beta))
        LOOP(LEAKY, v < 0.0f ? alpha * v : v)
        LOOP(SIGMOID, sigmoid(v))
        LOOP(TANH, tanh_any(v))
        LOOP(HARDSWISH, v * clip(v + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f))
        LOOP(HARDSIGMOID, clip(alpha * v + beta, 0.0f, 1.0f))
        LOOP(GELU, gelu(v))
        LOOP(SILU, v * sigmoid(v))
    }
#undef LOOP
}

SIMD_CLONES static void add_tail(float *y, int64_t n, float floor, float scale, float shift)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (y[i] > floor ? y[i] : floor) * scale + shift;
}

/* y [rows, lanes] += bias [lanes] + residual [rows, lanes] */
SIMD_CLONES static void add_terms(float *y, int64_t rows, int64_t lanes, const float *bias,
                                  const float *residual)
{
    for (int64_t r = 0; r < rows && bias; r++)
#pragma omp simd
        for (int64_t l = 0; l < lanes; l++)
            y[r * lanes + l] += bias[l];
    if (!residual)
        return;
#pragma omp simd
    for (int64_t i = 0; i < rows * lanes; i++)
        y[i] += residual[i];
}

typedef struct finish_job {
    float *y;
    const float *bias, *residual;
    int64_t channels, lanes, places, blocks;
    mucmm__conv_post post; /* activation and tail */
} finish_job;

/* Tasks: (sample, block of channels). */
static void finish_range(void *arg, int64_t first, int64_t last)
{
    const finish_job *j = arg;

    for (int64_t i = first; i < last; i++) {
        int64_t lanes = j->lanes, c0 = i % j->blocks * lanes, used = j->channels - c0;
        float bias[16] = {0}, *y = j->y + i * j->places * lanes;
        const float *residual = j->residual ? j->residual + i * j->places * lanes : NULL;

        used = used < lanes ? used : lanes;
        if (j->bias)
            memcpy(bias, j->bias + c0, (size_t)used * sizeof *bias);
        for (int64_t p = 0; p < j->places; p += 512) {
            int64_t n = j->places - p < 512 ? j->places - p : 512;
            float *part = y + p * lanes;
            add_terms(part, n, lanes, j->bias ? bias : NULL,
                      residual ? residual + p * lanes : NULL);
            activate(part, n * lanes, j->post.activation, j->post.alpha, j->post.beta);
            if (j->post.tail)
                add_tail(part, n * lanes, j->post.floor, j->post.out_scale, j->post.out_shift);
            for (int64_t r = 0; r < n && used < lanes; r++)
                memset(part + r * lanes + used, 0, (size_t)(lanes - used) * sizeof *part);
        }
    }
}

static void finish(mucmm__call *c, const conv_state *s, const float *bias)
{
    const mucmm__desc *d = c->out[0];
    mucmm__conv_post all = post_of(c, bias != NULL);
    finish_job j = {.y = c->y[0],
                    .bias = s->post.bias ? NULL : bias,
                    .residual = all.residual && !s->post.residual ? c->x[c->fused->residual] : NULL,
                    .channels = d->shape[1],
                    .lanes = d->block,
                    .places = mucmm__desc_product(d, 2, d->rank),
                    .blocks = (d->shape[1] + d->block - 1) / d->block,
                    .post = all};
    int64_t planes = d->shape[0] * j.blocks, most = 4 * (int64_t)c->ctx->threads,
            tasks = planes * j.places * j.lanes / 16384;

    tasks = tasks < 1 ? 1 : tasks < most ? tasks : most;
    mucmm__parallel_range(c->ctx, planes, planes / tasks + 1, finish_range, &j);
}

/* ---- forward ----------------------------------------------------------------------- */

static mucmm__route new_route(const mucmm__call *c, const problem *p, mucmm__conv_kind kind)
{
    return (mucmm__route){.given = p->conv,
                          .kind = kind,
                          .scale = c->fused ? c->fused->scale : NULL,
                          .scale_inner = p->transposed};
}

/* With all that is fused if oneDNN can, else with the bias alone; a transpose has not even that. */
static mucmm_status prepare_forward(mucmm__call *c, conv_state *s)
{
    mucmm__conv_kind kind = forward_kind(&s->problem);
    mucmm__conv_post all = post_of(c, has_bias(c));
    mucmm_status status;

    s->forward = new_route(c, &s->problem, kind);
    if (kind == MUCMM__CONV_FORWARD) {
        s->post = all;
        mucmm__route_find(c->ctx, &s->forward, &s->post, false);
        status = mucmm__route_make(c, &s->forward, &s->post, c->known[IN_W], &c->scratch);
        if (status != MUCMM_EUNSUPPORTED)
            return status;
        mucmm__route_drop(&s->forward);
    }
    s->finish = all.bias || all.residual || all.activation;
    s->post = (mucmm__conv_post){.bias = all.bias && kind == MUCMM__CONV_FORWARD};
    mucmm__route_find(c->ctx, &s->forward, &s->post, false);
    return mucmm__route_make(c, &s->forward, kind == MUCMM__CONV_FORWARD ? &s->post : NULL,
                             c->known[IN_W], &c->scratch);
}

static mucmm_status prepare_back(mucmm__call *c, conv_state *s)
{
    s->back = new_route(c, &s->problem,
                        s->problem.transposed ? MUCMM__CONV_FORWARD : MUCMM__CONV_BACK_DATA);
    mucmm__route_find(c->ctx, &s->back, NULL, true);
    return mucmm__route_make(c, &s->back, NULL, c->known[IN_W], &c->vjp_scratch);
}

static mucmm_status prepare_grad(mucmm__call *c, conv_state *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t own;

    TRY(mucmm__conv_make(c->ctx, MUCMM__CONV_BACK_WEIGHTS, &s->problem.conv, NULL, &s->grad));
    TRY(mucmm__weights_copy_make(c->ctx, &s->problem.conv, s->grad, true, &s->grad_copy));
    own = mucmm__prim_scratch(s->grad);
    if (mucmm__prim_scratch(s->grad_copy) > own)
        own = mucmm__prim_scratch(s->grad_copy);
    s->grad_at = mucmm__place(&c->vjp_scratch, own);
    s->grad_at = mucmm__place(&c->vjp_scratch, mucmm__prim_bytes(s->grad, MUCMM__SLOT_W));
done:
    return status;
}

static mucmm_status conv_prepare(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    conv_state *s = NULL;

    TRY(mucmm__alloc(c->ctx, 1, sizeof *s, &s));
    TRY(read_problem(c, &s->problem));
    s->problem.conv.x_block = s->problem.transposed ? c->out[0]->block : c->in[IN_X]->block;
    s->problem.conv.y_block = s->problem.transposed ? c->in[IN_X]->block : c->out[0]->block;
    s->finish = is_empty(c);
    if (!is_empty(c)) {
        TRY(prepare_forward(c, s));
        if (c->differentiable) {
            TRY(prepare_back(c, s));
            if (!mucmm__weights_constant(c))
                TRY(prepare_grad(c, s));
        }
    }
    TRY(prepare_bias(c, s));
    if (c->differentiable)
        s->dz_at = mucmm__place(&c->vjp_scratch, mucmm__desc_bytes(c->out[0]));
    c->state = s;
    s = NULL;
done:
    conv_drop(s);
    return status;
}

static mucmm_status conv_forward(mucmm__call *c)
{
    const conv_state *s = c->state;
    const float *bias = bias_for_run(c, s);
    mucmm_status status = MUCMM_OK;

    if (s->forward.conv)
        TRY(mucmm__route_run(c, &s->forward, c->x[IN_W], c->x[IN_X], c->y[0], bias,
                             s->post.residual ? c->x[c->fused->residual] : NULL));
    else
        memset(c->y[0], 0, (size_t)mucmm__desc_bytes(c->out[0]));
    if (s->finish)
        finish(c, s, bias);
done:
    return status;
}

/* ---- vjp --------------------------------------------------------------------------- */

typedef struct slope_job {
    const float *y, *dy;
    float *dz;
    mucmm__activation activation;
    float alpha, beta, floor;
} slope_job;

SIMD_CLONES static void slope(const slope_job *j, int64_t first, int64_t last)
{
    const float *ys = j->y, *dy = j->dy;
    float alpha = j->alpha, beta = j->beta, floor = j->floor, *dz = j->dz;

#define LOOP(id, value)                                                                            \
    case MUCMM__ACT_##id:                                                                          \
        _Pragma("omp simd") for (int64_t i = first; i < last; i++)                                 \
        {                                                                                          \
            float y = ys[i];                                                                       \
            dz[i] = dy[i] * (value);                                                               \
        }                                                                                          \
        return;
    switch (j->activation) {
        LOOP(RELU, y > 0.0f ? 1.0f : 0.0f)
        LOOP(CLIP, y > alpha && y < beta ? 1.0f : 0.0f)
        LOOP(LEAKY, y > floor ? (y < 0.0f ? alpha : 1.0f) : 0.0f)
        LOOP(SIGMOID, y * (1.0f - y))
        LOOP(TANH, 1.0f - y * y)
    case MUCMM__ACT_NONE:
    case MUCMM__ACT_HARDSWISH:
    case MUCMM__ACT_HARDSIGMOID:
    case MUCMM__ACT_GELU:
    case MUCMM__ACT_SILU:
        return; /* never fused into a step that is differentiated */
    }
#undef LOOP
}

static void slope_range(void *arg, int64_t first, int64_t last)
{
    slope(arg, first, last);
}

/* dz: the gradient before the activation; the residual's gradient is the same. */
static const float *before_activation(mucmm__call *c, const conv_state *s)
{
    const mucmm__fused *f = c->fused;
    float *residual = f && f->residual >= 0 ? c->dx[f->residual] : NULL;
    int64_t bytes = mucmm__desc_bytes(c->out[0]);
    slope_job j;

    if (!f || f->activation == MUCMM__ACT_NONE) {
        if (residual)
            memcpy(residual, c->dy[0], (size_t)bytes);
        return c->dy[0];
    }
    j = (slope_job){c->y[0],
                    c->dy[0],
                    residual      ? residual
                    : c->spare_dy ? (float *)(uintptr_t)c->dy[0]
                                  : (float *)(void *)((char *)c->work + s->dz_at),
                    f->activation,
                    f->alpha,
                    f->beta,
                    f->floor};
    mucmm__parallel_range(c->ctx, bytes / (int64_t)sizeof(float), 16384, slope_range, &j);
    return j.dz;
}

static mucmm_status weights_vjp(mucmm__call *c, const conv_state *s, const float *dz)
{
    char *packed = (char *)c->work + s->grad_at;
    const void *tensors[MUCMM__SLOTS] = {
        [MUCMM__SLOT_X] = s->problem.transposed ? (const void *)dz : c->x[IN_X],
        [MUCMM__SLOT_W] = packed,
        [MUCMM__SLOT_Y] = s->problem.transposed ? c->x[IN_X] : (const void *)dz};
    const void *copy[MUCMM__SLOTS] = {[MUCMM__SLOT_X] = packed, [MUCMM__SLOT_Y] = c->dx[IN_W]};
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__prim_run(c->ctx, s->grad, tensors, c->work));
    TRY(mucmm__prim_run(c->ctx, s->grad_copy, copy, c->work));
done:
    return status;
}

static void bias_vjp(const mucmm__call *c, const float *dz)
{
    const mucmm__desc *d = c->out[0];
    int64_t places = mucmm__desc_product(d, 2, d->rank), b = d->block,
            blocks = (d->shape[1] + b - 1) / b;
    float *db = c->dx[IN_BIAS];

    for (int64_t k = 0; k < d->shape[1]; k++) {
        double sum = 0;
        for (int64_t n = 0; n < d->shape[0]; n++) {
            const float *z = dz + (n * blocks + k / b) * places * b + k % b;
            for (int64_t i = 0; i < places; i++)
                sum += (double)z[i * b];
        }
        db[k] = (float)sum * (c->fused && c->fused->scale ? c->fused->scale[k] : 1.0f);
    }
}

static mucmm_status conv_vjp(mucmm__call *c)
{
    const conv_state *s = c->state;
    mucmm_status status = MUCMM_OK;
    const float *dz;

    if (!c->dy[0] || !s->forward.conv)
        for (int32_t i = 0; i < c->n_in; i++)
            if (mucmm__has_in(c, i) && c->dx[i])
                memset(c->dx[i], 0, (size_t)mucmm__desc_bytes(c->in[i]));
    if (!c->dy[0])
        return MUCMM_OK;
    dz = before_activation(c, s);
    if (s->back.conv && c->dx[IN_X])
        TRY(mucmm__route_run(c, &s->back, c->x[IN_W], dz, c->dx[IN_X], NULL, NULL));
    if (s->grad && c->dx[IN_W])
        TRY(weights_vjp(c, s, dz));
    if (mucmm__has_in(c, IN_BIAS) && c->dx[IN_BIAS])
        bias_vjp(c, dz);
done:
    return status;
}

#define ROW(name, first, last)                                                                     \
    {                                                                                              \
        .type = name, .since = first, .until = last, .min_in = 2, .max_in = 3, .min_out = 1,       \
        .max_out = 1, .infer = conv_infer, .forward = conv_forward, .vjp = conv_vjp,               \
        .diff = MUCMM__ALL, .vjp_x = 1u << IN_X | 1u << IN_W, .vjp_y = 1,                          \
        .flags = MUCMM__FUSES | MUCMM__BILINEAR, .layout = conv_layout, .prepare = conv_prepare,   \
        .drop = conv_drop                                                                          \
    }

const mucmm__op mucmm__ops_conv[] = {
    ROW("Conv", 1, 0),
    ROW("ConvTranspose", 1, 0),
    {0},
};
