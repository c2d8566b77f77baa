/* SPDX-License-Identifier: MIT
 *
 * plan_call.c - a node called while a plan is made: its arguments, and its outputs computed now. */
#include "graph/plan_steps.h"

#include <inttypes.h>
#include <string.h>

mucmm_status mucmm__frame_alloc(mucmm_ctx *ctx, int32_t n_in, int32_t n_out, mucmm__frame *f)
{
    mucmm_status status = MUCMM_OK;

    *f = (mucmm__frame){0};
    TRY(mucmm__alloc(ctx, n_in, sizeof *f->in, &f->in));
    TRY(mucmm__alloc(ctx, n_out, sizeof *f->out, &f->out));
    TRY(mucmm__alloc(ctx, n_in, sizeof *f->known, &f->known));
    TRY(mucmm__alloc(ctx, n_in, sizeof *f->want, &f->want));
    TRY(mucmm__alloc(ctx, n_in, sizeof *f->x, &f->x));
    TRY(mucmm__alloc(ctx, n_out, sizeof *f->y, &f->y));
done:
    return status;
}

void mucmm__frame_drop(mucmm__frame *f)
{
    mucmm__free(f->in);
    mucmm__free(f->out);
    mucmm__free(f->known);
    mucmm__free(f->want);
    mucmm__free(f->x);
    mucmm__free(f->y);
}

mucmm__call mucmm__frame_call(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__node *node, int32_t n_in,
                              int32_t n_out, const mucmm__frame *f)
{
    return (mucmm__call){.ctx = ctx,
                         .node = node,
                         .graph = g,
                         .n_in = n_in,
                         .n_out = n_out,
                         .in = f->in,
                         .out = f->out,
                         .known = f->known,
                         .want = f->want,
                         .x = f->x,
                         .y = f->y};
}

/* ---- computing a node now ---------------------------------------------------------- */

static mucmm_status run_forward(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__op *op = c->node->op;

    if (op->flags & MUCMM__VIEW) {
        memcpy(c->y[0], c->x[0], (size_t)mucmm__desc_bytes(c->out[0]));
        return MUCMM_OK;
    }
    if (op->prepare)
        TRY(op->prepare(c));
    TRY(mucmm__alloc(c->ctx, c->scratch, 1, &c->work));
    TRY(op->forward(c));
done:
    mucmm__free(c->work);
    c->work = NULL;
    return status;
}

mucmm_status mucmm__compute_now(mucmm__call *c, mucmm__frame *f, int64_t limit)
{
    mucmm_status status = MUCMM_OK;
    int64_t bytes = 0;

    for (int32_t i = 0; i < c->n_out; i++)
        if (c->out[i])
            bytes += mucmm__desc_bytes(c->out[i]);
    if (bytes > limit)
        return mucmm__op_fail(c, MUCMM_ENOMEM,
                              "out of memory: its outputs take %" PRId64 " bytes, %" PRId64
                              " are left",
                              bytes, limit);
    for (int32_t i = 0; i < c->n_out; i++)
        if (c->out[i])
            TRY(mucmm__alloc(c->ctx, mucmm__desc_bytes(c->out[i]), 1, &f->y[i]));
    for (int32_t i = 0; i < c->n_in; i++)
        f->x[i] = c->known[i];
    TRY(run_forward(c));
done:
    for (int32_t i = 0; i < c->n_out && status != MUCMM_OK; i++) {
        mucmm__free(f->y[i]);
        f->y[i] = NULL;
    }
    return status;
}

mucmm__desc mucmm__tensor_desc(const mucmm_tensor *t)
{
    mucmm__desc d = {.dtype = t->dtype, .rank = t->rank, .block = 1};
    memcpy(d.shape, t->shape, sizeof d.shape);
    return d;
}
