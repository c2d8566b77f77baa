/* SPDX-License-Identifier: MIT
 *
 * dnnl.c - convolutions and copies between layouts in oneDNN. */
#include "graph/dnnl.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdatomic.h>
#include <string.h>
#include <threads.h>

#define MAX_ARGS (MUCMM__SLOTS + 1) /* and the scratchpad */

struct mucmm__prim {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    int32_t n;                     /* arguments                              */
    int32_t slot[MAX_ARGS];        /* MUCMM__SLOTS = the scratchpad          */
    dnnl_exec_arg_t arg[MAX_ARGS]; /* with the memory objects of one runner  */
    dnnl_memory_desc_t layout[MAX_ARGS];
    atomic_flag busy; /* the memory objects are in use: another runner makes its own */
};

static dnnl_engine_t engine;
static dnnl_stream_t stream; /* without a thread pool of its own it holds no state */
static dnnl_status_t engine_status;
static once_flag engine_once = ONCE_FLAG_INIT;

static void make_engine(void)
{
    engine_status = dnnl_engine_create(&engine, dnnl_cpu, 0);
    if (engine_status == dnnl_success)
        engine_status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
}

static mucmm_status backend_status(mucmm_ctx *ctx, dnnl_status_t s, const char *what)
{
    if (s == dnnl_success)
        return MUCMM_OK;
    if (s == dnnl_out_of_memory)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory inside oneDNN's %s", what);
    if (s == dnnl_unimplemented || s == dnnl_invalid_arguments)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED, "oneDNN has no %s of this shape", what);
    return mucmm__fail(ctx, MUCMM_EBACKEND, "oneDNN's %s reported status %d", what, (int)s);
}

int32_t mucmm__conv_block(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();

    if ((isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core)
        return 16;
    return (isa & dnnl_cpu_isa_avx) == dnnl_cpu_isa_avx ? 8 : 1;
}

/* ---- layouts ----------------------------------------------------------------------- */

/* Tensors of one spatial axis are images of height 1. */
static int32_t put_axes(int64_t *to, int32_t axes, const int64_t *from, int64_t otherwise)
{
    int32_t n = 0;

    if (axes == 1)
        to[n++] = otherwise;
    for (int32_t k = 0; k < axes; k++)
        to[n++] = from[k];
    return n;
}

static dnnl_status_t tensor_layout(dnnl_memory_desc_t *out, int64_t n, int64_t c, int32_t axes,
                                   const int64_t *sizes, int32_t block)
{
    static const dnnl_format_tag_t flat[] = {dnnl_abcd, dnnl_aBcd8b, dnnl_aBcd16b, dnnl_acdb},
                                   solid[] = {dnnl_abcde, dnnl_aBcde8b, dnnl_aBcde16b, dnnl_acdeb};
    int32_t at = block == MUCMM__CHANNELS_LAST ? 3 : block == 1 ? 0 : block == 8 ? 1 : 2;
    dnnl_dims_t dims = {n, c};
    int32_t rank = 2 + put_axes(dims + 2, axes, sizes, 1);

    return dnnl_memory_desc_init_by_tag(out, rank, dims, dnnl_f32,
                                        rank == 4 ? flat[at] : solid[at]);
}

/* dense: row-major; else what the primitive likes best. */
static dnnl_status_t weights_layout(dnnl_memory_desc_t *out, const mucmm__conv *s, bool dense)
{
    static const dnnl_format_tag_t tags[] = {dnnl_abcd, dnnl_abcde, dnnl_abcdef};
    dnnl_dims_t dims = {0};
    int32_t rank = 0;

    if (s->groups > 1)
        dims[rank++] = s->groups;
    dims[rank++] = s->k / s->groups;
    dims[rank++] = s->c / s->groups;
    rank += put_axes(dims + rank, s->window.axes, s->window.kernel, 1);
    return dnnl_memory_desc_init_by_tag(out, rank, dims, dnnl_f32,
                                        dense ? tags[rank - 4] : dnnl_format_tag_any);
}

/* ---- primitives -------------------------------------------------------------------- */

static dnnl_status_t append_activation(dnnl_post_ops_t ops, const mucmm__conv_post *post)
{
    dnnl_alg_kind_t kind = dnnl_alg_kind_undef;
    float alpha = 0, beta = 0;
    dnnl_status_t s = dnnl_success;

    switch (post->activation) {
    case MUCMM__ACT_NONE:
        return dnnl_success;
    case MUCMM__ACT_RELU:
        kind = dnnl_eltwise_relu;
        break;
    case MUCMM__ACT_CLIP:
        kind = dnnl_eltwise_clip_v2, alpha = post->alpha, beta = post->beta;
        break;
    case MUCMM__ACT_LEAKY:
        kind = dnnl_eltwise_relu, alpha = post->alpha;
        break;
    case MUCMM__ACT_SIGMOID:
        kind = dnnl_eltwise_logistic;
        break;
    case MUCMM__ACT_TANH:
        kind = dnnl_eltwise_tanh;
        break;
    case MUCMM__ACT_HARDSWISH:
        kind = dnnl_eltwise_hardswish;
        break;
    case MUCMM__ACT_HARDSIGMOID:
        s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_linear, post->alpha, post->beta);
        kind = dnnl_eltwise_clip_v2, beta = 1;
        break;
    case MUCMM__ACT_GELU:
        kind = dnnl_eltwise_gelu_erf;
        break;
    case MUCMM__ACT_SILU:
        kind = dnnl_eltwise_swish, alpha = 1;
        break;
    }
    return s == dnnl_success ? dnnl_post_ops_append_eltwise(ops, 1, kind, alpha, beta) : s;
}

static dnnl_status_t append_tail(dnnl_post_ops_t ops, const mucmm__conv_post *post)
{
    dnnl_status_t s = dnnl_success;

    if (post->floor != -INFINITY)
        s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_clip_v2, post->floor, INFINITY);
    if (s == dnnl_success && (post->out_scale != 1 || post->out_shift != 0))
        s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_linear, post->out_scale,
                                         post->out_shift);
    return s;
}

/* The caller's scratchpad; then residual, activation and tail. */
static dnnl_status_t make_attributes(dnnl_primitive_attr_t *out, const mucmm__conv_post *post,
                                     const dnnl_memory_desc_t *y)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t s = dnnl_primitive_attr_create(out);

    if (s == dnnl_success)
        s = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (s == dnnl_success)
        s = dnnl_post_ops_create(&ops);
    if (s == dnnl_success && post && post->residual)
        s = dnnl_post_ops_append_binary(ops, dnnl_binary_add, y);
    if (s == dnnl_success && post)
        s = append_activation(ops, post);
    if (s == dnnl_success && post && post->tail)
        s = append_tail(ops, post);
    if (s == dnnl_success)
        s = dnnl_primitive_attr_set_post_ops(*out, ops);
    dnnl_post_ops_destroy(ops);
    return s;
}

typedef struct conv_layouts {
    dnnl_memory_desc_t x, w, b, y;
} conv_layouts;

static dnnl_status_t conv_desc(dnnl_primitive_desc_t *out, mucmm__conv_kind kind,
                               const mucmm__conv *s, const mucmm__conv_post *post, conv_layouts *l)
{
    const mucmm__window *w = &s->window;
    dnnl_dims_t strides, dilations, before, after, bias = {s->k};
    int64_t steps[3] = {0};
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_convolution_desc_t d;
    dnnl_status_t e = tensor_layout(&l->x, s->n, s->c, w->axes, w->in, s->x_block);

    for (int32_t k = 0; k < w->axes; k++)
        steps[k] = w->dilation[k] - 1;
    put_axes(strides, w->axes, w->stride, w->stride[0]); /* some code wants equal strides */
    put_axes(dilations, w->axes, steps, 0);
    put_axes(before, w->axes, w->before, 0);
    put_axes(after, w->axes, w->after, 0);
    if (e == dnnl_success)
        e = weights_layout(&l->w, s, false);
    if (e == dnnl_success)
        e = dnnl_memory_desc_init_by_tag(&l->b, 1, bias, dnnl_f32, dnnl_a);
    if (e == dnnl_success)
        e = tensor_layout(&l->y, s->n, s->k, w->axes, w->out, s->y_block);
    if (e == dnnl_success)
        e = make_attributes(&attributes, post, &l->y);
    if (e == dnnl_success && kind == MUCMM__CONV_FORWARD)
        e = dnnl_dilated_convolution_forward_desc_init(
            &d, dnnl_forward_inference, dnnl_convolution_direct, &l->x, &l->w,
            post && post->bias ? &l->b : NULL, &l->y, strides, dilations, before, after);
    else if (e == dnnl_success && kind == MUCMM__CONV_BACK_DATA)
        e = dnnl_dilated_convolution_backward_data_desc_init(
            &d, dnnl_convolution_direct, &l->x, &l->w, &l->y, strides, dilations, before, after);
    else if (e == dnnl_success)
        e = dnnl_dilated_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &l->x,
                                                                &l->w, NULL, &l->y, strides,
                                                                dilations, before, after);
    if (e == dnnl_success)
        e = dnnl_primitive_desc_create(out, &d, attributes, engine, NULL);
    dnnl_primitive_attr_destroy(attributes);
    return e;
}

bool mucmm__conv_fast(mucmm_ctx *ctx, mucmm__conv_kind kind, const mucmm__conv *s,
                      const mucmm__conv_post *post)
{
    int threads = omp_get_max_threads();
    dnnl_primitive_desc_t desc = NULL;
    const char *name = "";
    conv_layouts l;
    bool fast;

    call_once(&engine_once, make_engine);
    omp_set_num_threads(ctx->threads);
    fast = engine_status == dnnl_success && conv_desc(&desc, kind, s, post, &l) == dnnl_success &&
           dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name) == dnnl_success &&
           strstr(name, "jit") && !strstr(name, "gemm");
    omp_set_num_threads(threads);
    dnnl_primitive_desc_destroy(desc);
    return fast;
}

static dnnl_status_t add_argument(mucmm__prim *p, int32_t slot, int id,
                                  const dnnl_memory_desc_t *layout)
{
    p->slot[p->n] = slot;
    p->layout[p->n] = *layout;
    p->arg[p->n].arg = id;
    return dnnl_memory_create(&p->arg[p->n++].memory, layout, engine, DNNL_MEMORY_NONE);
}

static dnnl_status_t add_scratchpad(mucmm__prim *p)
{
    const dnnl_memory_desc_t *l =
        dnnl_primitive_desc_query_md(p->desc, dnnl_query_scratchpad_md, 0);

    if (!l || dnnl_memory_desc_get_size(l) == 0)
        return dnnl_success;
    return add_argument(p, MUCMM__SLOTS, DNNL_ARG_SCRATCHPAD, l);
}

static dnnl_status_t add_conv_arguments(mucmm__prim *p, mucmm__conv_kind kind,
                                        const mucmm__conv_post *post, const conv_layouts *l)
{
    static const int ids[][3] = {
        {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
        {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
    };
    const dnnl_memory_desc_t *w = dnnl_primitive_desc_query_md(
        p->desc,
        kind == MUCMM__CONV_BACK_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    dnnl_status_t e = add_argument(p, MUCMM__SLOT_X, ids[kind][0], &l->x);

    if (e == dnnl_success)
        e = add_argument(p, MUCMM__SLOT_W, ids[kind][1], w);
    if (e == dnnl_success && post && post->bias)
        e = add_argument(p, MUCMM__SLOT_BIAS, DNNL_ARG_BIAS, &l->b);
    if (e == dnnl_success)
        e = add_argument(p, MUCMM__SLOT_Y, ids[kind][2], &l->y);
    if (e == dnnl_success && post && post->residual)
        e = add_argument(p, MUCMM__SLOT_RESIDUAL,
                         DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, &l->y);
    return e == dnnl_success ? add_scratchpad(p) : e;
}

void mucmm__prim_free(mucmm__prim *p)
{
    if (!p)
        return;
    for (int32_t i = 0; i < p->n; i++)
        dnnl_memory_destroy(p->arg[i].memory);
    dnnl_primitive_destroy(p->primitive);
    dnnl_primitive_desc_destroy(p->desc);
    mucmm__free(p);
}

static mucmm_status prim_new(mucmm_ctx *ctx, mucmm__prim **out)
{
    mucmm_status status = mucmm__alloc(ctx, 1, sizeof **out, out);

    call_once(&engine_once, make_engine);
    if (status == MUCMM_OK)
        atomic_flag_clear(&(*out)->busy);
    return status == MUCMM_OK ? backend_status(ctx, engine_status, "engine") : status;
}

mucmm_status mucmm__conv_make(mucmm_ctx *ctx, mucmm__conv_kind kind, const mucmm__conv *s,
                              const mucmm__conv_post *post, mucmm__prim **out)
{
    int threads = omp_get_max_threads();
    mucmm_status status = MUCMM_OK;
    mucmm__prim *p = NULL;
    conv_layouts l;
    dnnl_status_t e;

    *out = NULL;
    TRY(prim_new(ctx, &p));
    omp_set_num_threads(ctx->threads); /* what the primitive is made for */
    e = conv_desc(&p->desc, kind, s, post, &l);
    if (e == dnnl_success)
        e = dnnl_primitive_create(&p->primitive, p->desc);
    omp_set_num_threads(threads);
    if (e == dnnl_success)
        e = add_conv_arguments(p, kind, post, &l);
    TRY(backend_status(ctx, e, "convolution"));
    *out = p;
    p = NULL;
done:
    mucmm__prim_free(p);
    return status;
}

static mucmm_status copy_make(mucmm_ctx *ctx, const dnnl_memory_desc_t *from,
                              const dnnl_memory_desc_t *to, mucmm__prim **out)
{
    int threads = omp_get_max_threads();
    dnnl_primitive_attr_t attributes = NULL;
    mucmm_status status = MUCMM_OK;
    mucmm__prim *p = NULL;
    dnnl_status_t e;

    *out = NULL;
    TRY(prim_new(ctx, &p));
    omp_set_num_threads(ctx->threads);
    e = make_attributes(&attributes, NULL, NULL);
    if (e == dnnl_success)
        e = dnnl_reorder_primitive_desc_create(&p->desc, from, engine, to, engine, attributes);
    if (e == dnnl_success)
        e = dnnl_primitive_create(&p->primitive, p->desc);
    omp_set_num_threads(threads);
    if (e == dnnl_success)
        e = add_argument(p, MUCMM__SLOT_X, DNNL_ARG_FROM, from);
    if (e == dnnl_success)
        e = add_argument(p, MUCMM__SLOT_Y, DNNL_ARG_TO, to);
    if (e == dnnl_success)
        e = add_scratchpad(p);
    dnnl_primitive_attr_destroy(attributes);
    TRY(backend_status(ctx, e, "copy between layouts"));
    *out = p;
    p = NULL;
done:
    mucmm__prim_free(p);
    return status;
}

static int32_t find_slot(const mucmm__prim *p, int32_t slot)
{
    for (int32_t i = 0; i < p->n; i++)
        if (p->slot[i] == slot)
            return i;
    return -1;
}

mucmm_status mucmm__weights_copy_make(mucmm_ctx *ctx, const mucmm__conv *s, const mucmm__prim *conv,
                                      bool back, mucmm__prim **out)
{
    const dnnl_memory_desc_t *packed = &conv->layout[find_slot(conv, MUCMM__SLOT_W)];
    dnnl_memory_desc_t dense;
    mucmm_status status =
        backend_status(ctx, weights_layout(&dense, s, true), "copy between layouts");

    *out = NULL;
    if (status != MUCMM_OK)
        return status;
    return copy_make(ctx, back ? packed : &dense, back ? &dense : packed, out);
}

mucmm_status mucmm__tensor_copy_make(mucmm_ctx *ctx, const mucmm__desc *d, int32_t from_block,
                                     int32_t to_block, mucmm__prim **out)
{
    dnnl_memory_desc_t from, to;
    dnnl_status_t e =
        tensor_layout(&from, d->shape[0], d->shape[1], d->rank - 2, d->shape + 2, from_block);

    *out = NULL;
    if (e == dnnl_success)
        e = tensor_layout(&to, d->shape[0], d->shape[1], d->rank - 2, d->shape + 2, to_block);
    if (e != dnnl_success)
        return backend_status(ctx, e, "copy between layouts");
    return copy_make(ctx, &from, &to, out);
}

/* ---- running ----------------------------------------------------------------------- */

int64_t mucmm__prim_bytes(const mucmm__prim *p, mucmm__slot slot)
{
    int32_t at = find_slot(p, (int32_t)slot);
    return at < 0 ? 0 : (int64_t)dnnl_memory_desc_get_size(&p->layout[at]);
}

int64_t mucmm__prim_scratch(const mucmm__prim *p)
{
    return mucmm__prim_bytes(p, MUCMM__SLOTS);
}

const void *mucmm__prim_weights_layout(const mucmm__prim *p, size_t *bytes)
{
    *bytes = sizeof *p->layout;
    return &p->layout[find_slot(p, MUCMM__SLOT_W)];
}

static void *slot_data(const void *const tensors[MUCMM__SLOTS], void *work, int32_t slot)
{
    return slot == MUCMM__SLOTS ? work : (void *)(uintptr_t)tensors[slot];
}

static dnnl_status_t run_with_own(const mucmm__prim *p, const void *const tensors[MUCMM__SLOTS],
                                  void *work)
{
    dnnl_exec_arg_t arg[MAX_ARGS] = {0};
    dnnl_status_t e = dnnl_success;

    for (int32_t i = 0; i < p->n && e == dnnl_success; i++) {
        arg[i].arg = p->arg[i].arg;
        e = dnnl_memory_create(&arg[i].memory, &p->layout[i], engine,
                               slot_data(tensors, work, p->slot[i]));
    }
    if (e == dnnl_success)
        e = dnnl_primitive_execute(p->primitive, stream, p->n, arg);
    for (int32_t i = 0; i < p->n; i++)
        dnnl_memory_destroy(arg[i].memory);
    return e;
}

mucmm_status mucmm__prim_run(mucmm_ctx *ctx, mucmm__prim *p,
                             const void *const tensors[MUCMM__SLOTS], void *work)
{
    dnnl_status_t e = dnnl_success;

    if (atomic_flag_test_and_set(&p->busy))
        return backend_status(ctx, run_with_own(p, tensors, work), "primitive");
    for (int32_t i = 0; i < p->n && e == dnnl_success; i++)
        e = dnnl_memory_set_data_handle(p->arg[i].memory, slot_data(tensors, work, p->slot[i]));
    if (e == dnnl_success)
        e = dnnl_primitive_execute(p->primitive, stream, p->n, p->arg);
    atomic_flag_clear(&p->busy);
    return backend_status(ctx, e, "primitive");
}
