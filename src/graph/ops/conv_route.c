/* SPDX-License-Identifier: MIT
 *
 * conv_route.c - detours to oneDNN's generated convolutions. */
#include "graph/ops/conv_route.h"

#include "core/vmath.h"

#include <string.h>

#define MOST_MERGED 64

int64_t mucmm__place(int64_t *total, int64_t bytes)
{
    int64_t at = *total;
    *total += (bytes + 63) / 64 * 64;
    return at;
}

void mucmm__hash_numbers(const float *w, int64_t n, uint64_t hash[2])
{
    hash[0] = hash[1] = (uint64_t)n;
    for (int64_t i = 0; i < n; i++) {
        hash[0] = (hash[0] ^ bits_of_float(w[i])) * UINT64_C(0x9e3779b97f4a7c15);
        hash[0] ^= hash[0] >> 32;
        hash[1] = (hash[1] ^ bits_of_float(w[i])) * UINT64_C(0x100000001b3);
    }
}

static int64_t product(const int64_t *sizes, int32_t n)
{
    int64_t all = 1;

    for (int32_t k = 0; k < n; k++)
        all *= sizes[k];
    return all;
}

static int64_t taps(const mucmm__conv *s)
{
    return product(s->window.kernel, s->window.axes);
}

static int64_t round_up(int64_t n, int64_t block)
{
    return (n + block - 1) / block * block;
}

/* ---- finding
 * ------------------------------------------------------------------------------------- */

/* Merges groups until oneDNN has a fast convolution. */
static bool plain_is_fast(mucmm_ctx *ctx, mucmm__conv_kind kind, mucmm__conv *s,
                          const mucmm__conv_post *post)
{
    int64_t block = s->x_block > s->y_block ? s->x_block : s->y_block, groups = s->groups;
    int64_t c = s->c / groups, k = s->k / groups;

    for (int64_t m = 1; m <= groups && m <= MOST_MERGED; m++) {
        if (groups % m != 0 ||
            (m != 1 && m != groups && (c * m % block != 0 || k * m % block != 0)))
            continue;
        s->groups = groups / m;
        if (mucmm__conv_fast(ctx, kind, s, post))
            return true;
    }
    s->groups = groups;
    return false;
}

static bool pad_is_fast(mucmm_ctx *ctx, mucmm__route *r, const mucmm__conv_post *post)
{
    mucmm__conv s = r->shape;
    bool any = false;

    for (int32_t k = 0; k < s.window.axes; k++) {
        any = any || s.window.before[k] > 0 || s.window.after[k] > 0;
        s.window.in[k] += s.window.before[k] + s.window.after[k];
        s.window.before[k] = s.window.after[k] = 0;
    }
    if (!any || r->kind != MUCMM__CONV_FORWARD || s.x_block != r->given.x_block ||
        !plain_is_fast(ctx, r->kind, &s, post))
        return false;
    r->shape = s;
    r->pad = true;
    return true;
}

static bool shuffle_is_fast(mucmm_ctx *ctx, mucmm__route *r)
{
    const mucmm__window *w = &r->given.window;
    mucmm__conv s = r->shape;

    if (r->kind != MUCMM__CONV_BACK_DATA || s.groups > 1 || w->axes > 2 || taps(&s) == 1)
        return false;
    for (int32_t k = 0; k < w->axes; k++) {
        if (w->kernel[k] != w->stride[k] || w->in[k] != w->out[k] * w->stride[k] ||
            w->before[k] != 0)
            return false;
        s.window.in[k] = w->out[k];
        s.window.kernel[k] = s.window.stride[k] = s.window.dilation[k] = 1;
        s.window.after[k] = 0;
    }
    s.c = r->given.k;
    s.k = r->given.c * taps(&r->given);
    s.x_block = r->shape.y_block;
    s.y_block = mucmm__conv_block();
    if (!mucmm__conv_fast(ctx, MUCMM__CONV_FORWARD, &s, NULL))
        return false;
    r->shape = s;
    r->shuffle = true;
    return true;
}

static bool widen_is_fast(mucmm_ctx *ctx, mucmm__route *r)
{
    mucmm__conv s = r->shape;

    s.c = round_up(s.c, s.x_block);
    if (r->kind != MUCMM__CONV_BACK_DATA || s.groups > 1 || s.c == r->shape.c ||
        !mucmm__conv_fast(ctx, r->kind, &s, NULL))
        return false;
    r->shape = s;
    return true;
}

/* In the layouts of r->shape. Few channels waste most of a block, so they try the shuffle first. */
static bool any_is_fast(mucmm_ctx *ctx, mucmm__route *r, const mucmm__conv_post *post)
{
    if (r->given.c < mucmm__conv_block() && shuffle_is_fast(ctx, r))
        return true;
    return plain_is_fast(ctx, r->kind, &r->shape, post) || pad_is_fast(ctx, r, post) ||
           shuffle_is_fast(ctx, r) || widen_is_fast(ctx, r);
}

bool mucmm__route_find(mucmm_ctx *ctx, mucmm__route *r, const mucmm__conv_post *post, bool may_copy)
{
    r->shape = r->given;
    r->pad = r->shuffle = false;
    if (any_is_fast(ctx, r, post))
        return true;
    if (!may_copy)
        return false;
    r->shape.x_block = r->shape.y_block = mucmm__conv_block();
    if (any_is_fast(ctx, r, post))
        return true;
    r->shape.x_block = r->shape.y_block = 1;
    return false;
}

/* ---- weights
 * ------------------------------------------------------------------------------------- */

static bool expands(const mucmm__route *r)
{
    return r->scale || r->shuffle || r->shape.groups != r->given.groups || r->shape.c != r->given.c;
}

static int64_t expanded_bytes(const mucmm__route *r)
{
    const mucmm__conv *s = &r->shape;
    return s->k * (s->c / s->groups) * taps(s) * (int64_t)sizeof(float);
}

/* out [c taps, k] from w [k, c, taps] */
static void expand_shuffled(const mucmm__route *r, const float *w, float *out)
{
    int64_t c = r->given.c, n = taps(&r->given), rows = r->given.k;

    for (int64_t i = 0; i < c * n; i++) {
        float f = !r->scale || !r->scale_inner ? 1.0f : r->scale[i / n];
        for (int64_t k = 0; k < rows; k++)
            out[i * rows + k] = w[k * c * n + i] * (r->scale && !r->scale_inner ? r->scale[k] : f);
    }
}

/* out [k, wide, taps] from w [k, inner, taps]: the channels of a group at their place among those
 * of the merged group, zeros elsewhere. */
static void expand(const mucmm__route *r, const float *w, float *out)
{
    const mucmm__conv *s = &r->given;
    int64_t inner = s->c / s->groups, rows = s->k / s->groups, n = taps(s);
    int64_t merged = s->groups / r->shape.groups, wide = r->shape.c / r->shape.groups;

    if (r->shuffle) {
        expand_shuffled(r, w, out);
        return;
    }
    for (int64_t k = 0; k < s->k; k++) {
        int64_t group = k / rows;
        for (int64_t j = 0; j < wide; j++) {
            int64_t i = j - group % merged * inner;
            bool there = i >= 0 && i < inner;
            float f = !r->scale || !there ? 1.0f
                      : r->scale_inner    ? r->scale[group * inner + i]
                                          : r->scale[k];
            for (int64_t t = 0; t < n; t++)
                out[(k * wide + j) * n + t] = there ? f * w[(k * inner + i) * n + t] : 0.0f;
        }
    }
}

typedef struct packing {
    const mucmm__route *route;
    const float *w;
} packing;

static mucmm_status pack(mucmm_ctx *ctx, void *arg, void *bytes)
{
    const packing *a = arg;
    const void *tensors[MUCMM__SLOTS] = {[MUCMM__SLOT_X] = a->w, [MUCMM__SLOT_Y] = bytes};
    mucmm_status status = MUCMM_OK;
    float *dense = NULL;
    char *work = NULL;

    if (expands(a->route)) {
        TRY(mucmm__alloc(ctx, expanded_bytes(a->route), 1, &dense));
        expand(a->route, a->w, dense);
        tensors[MUCMM__SLOT_X] = dense;
    }
    TRY(mucmm__alloc(ctx, mucmm__prim_scratch(a->route->weights_copy), 1, &work));
    TRY(mucmm__prim_run(ctx, a->route->weights_copy, tensors, work));
done:
    mucmm__free(dense);
    mucmm__free(work);
    return status;
}

#define KEY_BYTES 2048

/* Known weights, packed once for all plans of the graph. They can depend on the shapes of a plan,
 * so the node alone is no key. */
static mucmm_status pack_known(mucmm__call *c, mucmm__route *r, const float *w)
{
    packing a = {r, w};
    struct {
        char family[8];
        const void *node, *scale;
        int64_t groups, c, shuffle;
        uint64_t hash[2];
        unsigned char layout[KEY_BYTES];
    } key = {.family = "weights"};
    size_t n;
    const void *layout = mucmm__prim_weights_layout(r->conv, &n), *out;
    mucmm_status status;

    if (n > KEY_BYTES)
        return mucmm__op_fail(c, MUCMM_EBACKEND, "the layout of the weights has %zu bytes", n);
    key.node = c->node;
    key.scale = r->scale;
    key.groups = r->shape.groups;
    key.c = r->shape.c;
    key.shuffle = r->shuffle;
    mucmm__hash_numbers(w, r->given.k * (r->given.c / r->given.groups) * taps(&r->given), key.hash);
    memcpy(key.layout, layout, n);
    status = mucmm__graph_pack(c->ctx, c->graph, &key, sizeof key,
                               mucmm__prim_bytes(r->conv, MUCMM__SLOT_W), pack, &a, &out);
    if (status == MUCMM_OK)
        r->packed = out;
    return status;
}

static mucmm_status weights_for_run(mucmm__call *c, const mucmm__route *r, const float *w,
                                    const float **out)
{
    char *work = c->work;
    const void *tensors[MUCMM__SLOTS] = {
        [MUCMM__SLOT_X] = w, [MUCMM__SLOT_Y] = work + r->packed_at};

    *out = r->packed;
    if (r->packed)
        return MUCMM_OK;
    if (expands(r)) {
        expand(r, w, (float *)(void *)(work + r->expand_at));
        tensors[MUCMM__SLOT_X] = work + r->expand_at;
    }
    *out = tensors[MUCMM__SLOT_Y];
    return mucmm__prim_run(c->ctx, r->weights_copy, tensors, work);
}

/* ---- making
 * -------------------------------------------------------------------------------------- */

void mucmm__route_drop(mucmm__route *r)
{
    mucmm__prim_free(r->conv);
    mucmm__prim_free(r->weights_copy);
    mucmm__prim_free(r->in_copy);
    mucmm__prim_free(r->out_copy);
    r->conv = r->weights_copy = r->in_copy = r->out_copy = NULL;
}

static mucmm__desc tensor_of(const mucmm__conv *s, bool x, int32_t block)
{
    mucmm__desc d = {.dtype = MUCMM_F32, .rank = s->window.axes + 2, .block = block};

    d.shape[0] = s->n;
    d.shape[1] = x ? s->c : s->k;
    memcpy(d.shape + 2, x ? s->window.in : s->window.out, (size_t)s->window.axes * sizeof *d.shape);
    return d;
}

/* The tensors that the primitive reads and writes, where they are not the caller's. */
static mucmm_status make_copies(mucmm__call *c, mucmm__route *r, int64_t *scratch)
{
    bool forward = r->kind == MUCMM__CONV_FORWARD;
    int32_t in = forward ? r->given.x_block : r->given.y_block,
            out = forward ? r->given.y_block : r->given.x_block,
            to = forward || r->shuffle ? r->shape.x_block : r->shape.y_block,
            from = forward ? r->shape.y_block : r->shape.x_block;
    mucmm__desc d;
    mucmm_status status = MUCMM_OK;

    if (in != to) {
        d = tensor_of(&r->given, forward, to);
        TRY(mucmm__tensor_copy_make(c->ctx, &d, in, to, &r->in_copy));
    }
    if (r->pad)
        d = tensor_of(&r->shape, true, to);
    if (in != to || r->pad)
        r->in_at = mucmm__place(scratch, mucmm__desc_bytes(&d));
    if (r->shuffle) {
        d = tensor_of(&r->shape, false, r->shape.y_block);
        r->out_at = mucmm__place(scratch, mucmm__desc_bytes(&d));
    } else if (out != from) {
        d = tensor_of(&r->given, !forward, from);
        TRY(mucmm__tensor_copy_make(c->ctx, &d, from, out, &r->out_copy));
        r->out_at = mucmm__place(scratch, mucmm__desc_bytes(&d));
    }
done:
    return status;
}

mucmm_status mucmm__route_make(mucmm__call *c, mucmm__route *r, const mucmm__conv_post *post,
                               const float *w, int64_t *scratch)
{
    mucmm_status status = MUCMM_OK;
    int64_t own = 0, rest = 0;

    TRY(mucmm__conv_make(c->ctx, r->shuffle ? MUCMM__CONV_FORWARD : r->kind, &r->shape, post,
                         &r->conv));
    TRY(mucmm__weights_copy_make(c->ctx, &r->shape, r->conv, false, &r->weights_copy));
    if (w) {
        TRY(pack_known(c, r, w));
    } else {
        r->expand_at = mucmm__place(&rest, expanded_bytes(r));
        r->packed_at = mucmm__place(&rest, mucmm__prim_bytes(r->conv, MUCMM__SLOT_W));
    }
    TRY(make_copies(c, r, &rest));
    /* The primitives' own work space comes first; they run one after the other. */
    const mucmm__prim *const all[] = {r->conv, r->weights_copy, r->in_copy, r->out_copy};
    for (int32_t i = 0; i < 4; i++)
        if (all[i] && mucmm__prim_scratch(all[i]) > own)
            own = mucmm__prim_scratch(all[i]);
    mucmm__place(scratch, own);
    r->expand_at += *scratch;
    r->packed_at += *scratch;
    r->in_at += *scratch;
    r->out_at += *scratch;
    *scratch += rest;
done:
    return status;
}

/* ---- running
 * ------------------------------------------------------------------------------------- */

typedef struct pad_job {
    const float *x;
    float *y;
    int64_t in[3], out[3], before[3], lanes;
} pad_job;

static void pad_planes(void *arg, int64_t first, int64_t last)
{
    const pad_job *j = arg;
    int64_t plane = product(j->in, 3) * j->lanes, padded = product(j->out, 3) * j->lanes,
            row = j->in[2] * j->lanes;

    for (int64_t i = first; i < last; i++) {
        float *y = j->y + i * padded;
        memset(y, 0, (size_t)padded * sizeof *y);
        for (int64_t r = 0; r < j->in[0] * j->in[1]; r++) {
            int64_t d = r / j->in[1] + j->before[0], h = r % j->in[1] + j->before[1];
            memcpy(y + ((d * j->out[1] + h) * j->out[2] + j->before[2]) * j->lanes,
                   j->x + i * plane + r * row, (size_t)row * sizeof *y);
        }
    }
}

static void pad_input(mucmm_ctx *ctx, const mucmm__route *r, const float *x, float *y)
{
    const mucmm__window *w = &r->given.window;
    int32_t missing = 3 - w->axes;
    int64_t b = r->shape.x_block;
    pad_job j = {.x = x, .y = y, .lanes = b};

    for (int32_t k = 0; k < 3; k++) {
        j.in[k] = k < missing ? 1 : w->in[k - missing];
        j.out[k] = k < missing ? 1 : r->shape.window.in[k - missing];
        j.before[k] = k < missing ? 0 : w->before[k - missing];
    }
    mucmm__parallel_range(ctx, r->given.n * (round_up(r->given.c, b) / b), 1, pad_planes, &j);
}

typedef struct shuffle_job {
    const float *z; /* [n, c taps, h, w] in blocks of from */
    float *x;       /* [n, c, h kernel, w kernel] in blocks of to */
    int64_t c, h, w, kh, kw, from, to;
} shuffle_job;

/* One row of one channel. */
static void shuffle_row(const shuffle_job *j, int64_t n, int64_t ch, int64_t y)
{
    int64_t h = y / j->kh, i = y % j->kh, width = j->w * j->kw, height = j->h * j->kh;
    int64_t out_blocks = (j->c + j->to - 1) / j->to,
            in_blocks = (j->c * j->kh * j->kw + j->from - 1) / j->from;
    float *to = j->x + ((n * out_blocks + ch / j->to) * height + y) * width * j->to + ch % j->to;

    for (int64_t t = 0; t < j->kw; t++) {
        int64_t at = (ch * j->kh + i) * j->kw + t;
        const float *from =
            j->z + ((n * in_blocks + at / j->from) * j->h + h) * j->w * j->from + at % j->from;
        for (int64_t w = 0; w < j->w; w++)
            to[(w * j->kw + t) * j->to] = from[w * j->from];
    }
}

/* Tasks: (sample, row); channels that only fill up a block are zeroed. */
static void shuffle_rows(void *arg, int64_t first, int64_t last)
{
    const shuffle_job *j = arg;
    int64_t height = j->h * j->kh, width = j->w * j->kw, blocks = (j->c + j->to - 1) / j->to;

    for (int64_t r = first; r < last; r++) {
        int64_t n = r / height, y = r % height;
        if (j->c % j->to != 0)
            memset(j->x + ((n * blocks + blocks - 1) * height + y) * width * j->to, 0,
                   (size_t)(width * j->to) * sizeof *j->x);
        for (int64_t ch = 0; ch < j->c; ch++)
            shuffle_row(j, n, ch, y);
    }
}

static void shuffle(mucmm_ctx *ctx, const mucmm__route *r, const float *z, float *x)
{
    const mucmm__window *w = &r->given.window;
    bool flat = w->axes == 1;
    shuffle_job j = {.z = z,
                     .x = x,
                     .c = r->given.c,
                     .h = flat ? 1 : w->out[0],
                     .w = w->out[flat ? 0 : 1],
                     .kh = flat ? 1 : w->kernel[0],
                     .kw = w->kernel[flat ? 0 : 1],
                     .from = r->shape.y_block,
                     .to = r->given.x_block};
    int64_t row = j.c * j.w * j.kw;

    mucmm__parallel_range(ctx, r->given.n * j.h * j.kh, row < 8192 ? 8192 / (row + 1) + 1 : 1,
                          shuffle_rows, &j);
}

static mucmm_status run_copy(mucmm__call *c, mucmm__prim *copy, const float *from, float *to)
{
    const void *tensors[MUCMM__SLOTS] = {[MUCMM__SLOT_X] = from, [MUCMM__SLOT_Y] = to};
    return mucmm__prim_run(c->ctx, copy, tensors, c->work);
}

mucmm_status mucmm__route_run(mucmm__call *c, const mucmm__route *r, const float *w,
                              const float *in, float *out, const float *bias, const float *residual)
{
    bool x_to_y = r->kind == MUCMM__CONV_FORWARD || r->shuffle;
    float *in_place = (float *)(void *)((char *)c->work + r->in_at);
    float *result =
        r->shuffle || r->out_copy ? (float *)(void *)((char *)c->work + r->out_at) : out;
    const void *tensors[MUCMM__SLOTS] = {
        [MUCMM__SLOT_BIAS] = bias, [MUCMM__SLOT_RESIDUAL] = residual};
    const float *weights;
    mucmm_status status = MUCMM_OK;

    TRY(weights_for_run(c, r, w, &weights));
    if (r->in_copy)
        TRY(run_copy(c, r->in_copy, in, in_place));
    else if (r->pad)
        pad_input(c->ctx, r, in, in_place);
    if (r->in_copy || r->pad)
        in = in_place;
    tensors[MUCMM__SLOT_W] = weights;
    tensors[x_to_y ? MUCMM__SLOT_X : MUCMM__SLOT_Y] = in;
    tensors[x_to_y ? MUCMM__SLOT_Y : MUCMM__SLOT_X] = result;
    TRY(mucmm__prim_run(c->ctx, r->conv, tensors, c->work));
    if (r->out_copy)
        TRY(run_copy(c, r->out_copy, result, out));
    if (r->shuffle)
        shuffle(c->ctx, r, result, out);
done:
    return status;
}
