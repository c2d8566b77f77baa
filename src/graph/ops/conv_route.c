/* SPDX-License-Identifier: MIT
 *
 * conv_route.c - detours to oneDNN's generated convolutions. */
#include "graph/ops/conv_route.h"

#include "core/vmath.h"
#include "graph/network.h"

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

/* ---- finding ----------------------------------------------------------------------- */

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

/* x at h stride + i, 0 <= i < stride, sees y at h + e through tap t with
 *   i + before = q stride + r,   t = (q - e) stride + r,   0 <= t < kernel
 * so for each i, x is a convolution of y, of stride 1. false: no e for any i, or beyond y. */
static bool phases_of_axis(const mucmm__window *from, mucmm__window *w, int32_t k)
{
    int64_t s = from->stride[k], first = INT64_MAX, last = INT64_MIN;

    for (int64_t i = 0; i < s; i++) {
        int64_t q = (i + from->before[k]) / s, r = (i + from->before[k]) % s,
                n = r < from->kernel[k] ? (from->kernel[k] - r + s - 1) / s : 0;
        if (n == 0)
            continue;
        first = q - n + 1 < first ? q - n + 1 : first;
        last = q > last ? q : last;
    }
    if (first > 0 || first > last)
        return false;
    w->in[k] = from->out[k];
    w->out[k] = (from->in[k] + s - 1) / s;
    w->kernel[k] = last - first + 1;
    w->stride[k] = w->dilation[k] = 1;
    w->before[k] = -first;
    w->after[k] = w->out[k] - 1 + w->kernel[k] - w->in[k] - w->before[k];
    return w->after[k] >= 0;
}

static int64_t phases(const mucmm__route *r)
{
    return product(r->given.window.stride, r->given.window.axes);
}

static bool shuffle_is_fast(mucmm_ctx *ctx, mucmm__route *r)
{
    const mucmm__window *w = &r->given.window;
    mucmm__conv s = r->shape;

    if (r->kind != MUCMM__CONV_BACK_DATA || s.groups > 1 || w->axes > 2 || phases(r) == 1 ||
        phases(r) > 1024)
        return false;
    for (int32_t k = 0; k < w->axes; k++)
        if ((w->dilation[k] != 1 && w->kernel[k] != 1) || !phases_of_axis(w, &s.window, k))
            return false;
    s.x_block = r->shape.y_block;
    s.y_block = mucmm__conv_block();
    s.c = round_up(r->given.k, s.x_block); /* blocks that are not full are slow, or not there */
    s.k = round_up(r->given.c * phases(r), s.y_block);
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

/* ---- weights ----------------------------------------------------------------------- */

static bool expands(const mucmm__route *r)
{
    return r->scale || r->shuffle || r->shape.groups != r->given.groups || r->shape.c != r->given.c;
}

static int64_t expanded_bytes(const mucmm__route *r)
{
    const mucmm__conv *s = &r->shape;
    return s->k * (s->c / s->groups) * taps(s) * (int64_t)sizeof(float);
}

/* The tap of the given kernel behind place j of the phase i along an axis; -1 = none. */
static int64_t tap_of_phase(const mucmm__route *r, int32_t axis, int64_t i, int64_t j)
{
    const mucmm__window *w = &r->given.window;
    int64_t s = w->stride[axis], q = (i + w->before[axis]) / s, rest = (i + w->before[axis]) % s,
            t = (q - j + r->shape.window.before[axis]) * s + rest;
    return t >= 0 && t < w->kernel[axis] ? t : -1;
}

/* out [c phases, k, places] from w [k, c, taps]; c phases and k with the channels that fill up
 * their blocks, of zeros. */
static void expand_shuffled(const mucmm__route *r, const float *w, float *out)
{
    const mucmm__window *from = &r->given.window, *to = &r->shape.window;
    int32_t last = from->axes - 1;
    bool flat = last == 0;
    int64_t c = r->given.c, rows = r->given.k, n = taps(&r->given), places = taps(&r->shape);
    int64_t width = from->stride[last], across = to->kernel[last];

    memset(out, 0, (size_t)expanded_bytes(r));
    for (int64_t i = 0; i < c * phases(r); i++) {
        int64_t channel = i / phases(r), phase = i % phases(r);
        for (int64_t j = 0; j < places; j++) {
            int64_t t = tap_of_phase(r, last, phase % width, j % across),
                    u = flat ? 0 : tap_of_phase(r, 0, phase / width, j / across);
            for (int64_t k = 0; k < rows; k++) {
                float f = !r->scale ? 1.0f : r->scale_inner ? r->scale[channel] : r->scale[k];
                out[(i * r->shape.c + k) * places + j] =
                    t < 0 || u < 0 ? 0.0f
                                   : f * w[(k * c + channel) * n + u * from->kernel[last] + t];
            }
        }
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

bool mucmm__weights_constant(const mucmm__call *c)
{
    int32_t id = c->node->in[1];

    return id >= 0 && id < c->graph->n_values && c->known[1] &&
           c->graph->values[id].constant.data == c->known[1];
}

/* Constants are packed once for all plans of the graph; other numbers that are known belong to the
 * plan. Fusing replaces weights under the same node, so the node alone is no key. */
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
    mucmm_status status = MUCMM_OK;

    if (!mucmm__weights_constant(c)) {
        TRY(mucmm__alloc(c->ctx, mucmm__prim_bytes(r->conv, MUCMM__SLOT_W), 1, &r->owned));
        r->packed = r->owned;
        return pack(c->ctx, &a, r->owned);
    }
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
done:
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

/* ---- making ------------------------------------------------------------------------ */

void mucmm__route_drop(mucmm__route *r)
{
    mucmm__prim_free(r->conv);
    mucmm__prim_free(r->weights_copy);
    mucmm__prim_free(r->in_copy);
    mucmm__prim_free(r->out_copy);
    mucmm__free(r->owned);
    r->conv = r->weights_copy = r->in_copy = r->out_copy = NULL;
    r->owned = NULL;
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

/* ---- running ----------------------------------------------------------------------- */

typedef struct pad_job {
    const float *x;
    float *y;
    int64_t in[3], out[3], before[3], lanes;
    int64_t kept[3]; /* of in: a window that does not reach the end has negative padding there */
} pad_job;

static void pad_planes(void *arg, int64_t first, int64_t last)
{
    const pad_job *j = arg;
    int64_t plane = product(j->in, 3) * j->lanes, padded = product(j->out, 3) * j->lanes,
            row = j->in[2] * j->lanes;

    for (int64_t i = first; i < last; i++) {
        float *y = j->y + i * padded;
        memset(y, 0, (size_t)padded * sizeof *y);
        for (int64_t d = 0; d < j->kept[0]; d++)
            for (int64_t h = 0; h < j->kept[1]; h++)
                memcpy(y + (((d + j->before[0]) * j->out[1] + h + j->before[1]) * j->out[2] +
                            j->before[2]) *
                               j->lanes,
                       j->x + i * plane + (d * j->in[1] + h) * row,
                       (size_t)(j->kept[2] * j->lanes) * sizeof *y);
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
        j.kept[k] = j.out[k] - j.before[k] < j.in[k] ? j.out[k] - j.before[k] : j.in[k];
        j.kept[k] = j.kept[k] > 0 ? j.kept[k] : 0;
    }
    mucmm__parallel_range(ctx, r->given.n * (round_up(r->given.c, b) / b), 1, pad_planes, &j);
}

typedef struct shuffle_job {
    const float *z; /* [n, c phases, h, w] in blocks of from */
    float *x;       /* [n, c, height, width] in blocks of to */
    int64_t c, h, w, sh, sw, height, width, from, to;
} shuffle_job;

/* One row of one channel. */
static void shuffle_row(const shuffle_job *j, int64_t n, int64_t ch, int64_t y)
{
    int64_t h = y / j->sh, i = y % j->sh, out_blocks = (j->c + j->to - 1) / j->to,
            in_blocks = (j->c * j->sh * j->sw + j->from - 1) / j->from;
    float *to =
        j->x + ((n * out_blocks + ch / j->to) * j->height + y) * j->width * j->to + ch % j->to;

    if (j->sw == 2 && j->to == 1 && j->width % 2 == 0 && j->from % 2 == 0) {
        int64_t at = (ch * j->sh + i) * 2;
        const float *from =
            j->z + ((n * in_blocks + at / j->from) * j->h + h) * j->w * j->from + at % j->from;
        for (int64_t w = 0; w < j->w; w++) /* the two lie side by side on both sides */
            memcpy(to + 2 * w, from + w * j->from, 2 * sizeof *to);
        return;
    }
    for (int64_t t = 0; t < j->sw; t++) {
        int64_t at = (ch * j->sh + i) * j->sw + t;
        const float *from =
            j->z + ((n * in_blocks + at / j->from) * j->h + h) * j->w * j->from + at % j->from;
        for (int64_t w = 0, x = t; x < j->width; w++, x += j->sw)
            to[x * j->to] = from[w * j->from];
    }
}

/* Tasks: (sample, row); channels that only fill up a block are zeroed. */
static void shuffle_rows(void *arg, int64_t first, int64_t last)
{
    const shuffle_job *j = arg;
    int64_t blocks = (j->c + j->to - 1) / j->to;

    for (int64_t r = first; r < last; r++) {
        int64_t n = r / j->height, y = r % j->height;
        if (j->c % j->to != 0)
            memset(j->x + ((n * blocks + blocks - 1) * j->height + y) * j->width * j->to, 0,
                   (size_t)(j->width * j->to) * sizeof *j->x);
        for (int64_t ch = 0; ch < j->c; ch++)
            shuffle_row(j, n, ch, y);
    }
}

static void shuffle(mucmm_ctx *ctx, const mucmm__route *r, const float *z, float *x)
{
    const mucmm__window *w = &r->given.window, *s = &r->shape.window;
    int32_t last = w->axes - 1;
    bool flat = last == 0;
    shuffle_job j = {.z = z,
                     .x = x,
                     .c = r->given.c,
                     .h = flat ? 1 : s->out[0],
                     .w = s->out[last],
                     .sh = flat ? 1 : w->stride[0],
                     .sw = w->stride[last],
                     .height = flat ? 1 : w->in[0],
                     .width = w->in[last],
                     .from = r->shape.y_block,
                     .to = r->given.x_block};
    int64_t row = j.c * j.width;

    mucmm__parallel_range(ctx, r->given.n * j.height, row < 8192 ? 8192 / (row + 1) + 1 : 1,
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
