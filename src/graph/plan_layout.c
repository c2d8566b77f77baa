/* SPDX-License-Identifier: MIT
 *
 * plan_layout.c - in which memory layout each step takes and gives its values, with reorders where
 * two differ. */
#include "graph/plan_steps.h"

/* The steps in their final order: the old ones with reorders between them. */
typedef struct layouts {
    mucmm__plan *p;
    mucmm__step *steps; /* taken from the plan */
    int32_t n_steps;
    int32_t *twin; /* [old values]: the same numbers in another layout; 0 = none */
    int32_t n_old;
} layouts;

static mucmm_status reorder_known(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__node *node,
                                  int32_t from, int32_t to)
{
    mucmm_status status = MUCMM_OK;
    void *bytes = NULL;
    const void *x = p->vals[from].known;
    const mucmm__desc *in = &p->vals[from].desc;
    mucmm__desc *out = &p->vals[to].desc;
    mucmm__call c = {.ctx = ctx,
                     .node = node,
                     .graph = p->graph,
                     .n_in = 1,
                     .n_out = 1,
                     .in = &in,
                     .out = &out,
                     .known = &x,
                     .x = &x,
                     .y = &bytes};

    TRY(mucmm__alloc(ctx, mucmm__desc_bytes(out), 1, &bytes));
    TRY(node->op->forward(&c));
    p->vals[to].known = bytes;
    p->vals[to].owned = true;
    bytes = NULL;
done:
    mucmm__free(bytes);
    return status;
}

/* *twin: value `id` in the given block, by a reorder unless it has one already. */
static mucmm_status in_block(mucmm_ctx *ctx, layouts *l, int32_t id, int32_t block, int32_t *twin)
{
    mucmm_status status = MUCMM_OK;
    mucmm__plan *p = l->p;
    mucmm__desc d = p->vals[id].desc;
    const mucmm__node *node;
    int32_t index;

    *twin = id < l->n_old ? l->twin[id] : 0;
    if (*twin && p->vals[*twin].desc.block == block)
        return MUCMM_OK;
    d.block = block;
    TRY(mucmm__plan_add_value(ctx, p, &d, twin));
    TRY(mucmm__plan_add_node(ctx, p, mucmm__op_internal("Reorder"), "reorder", NULL, 0, &node));
    if (p->vals[id].known) {
        TRY(reorder_known(ctx, p, node, id, *twin));
    } else {
        TRY(mucmm__plan_add_step(ctx, p, node, &id, 1, twin, 1, &index));
        p->vals[*twin].step = index;
    }
    if (id < l->n_old)
        l->twin[id] = *twin;
done:
    return status;
}

static mucmm_status lay_out_step(mucmm_ctx *ctx, layouts *l, mucmm__step *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm__plan *p = l->p;
    mucmm__frame f = {0};
    mucmm__call c;
    int32_t index;

    TRY(mucmm__frame_alloc(ctx, s->n_in, s->n_out, &f));
    for (int32_t i = 0; i < s->n_in; i++) {
        f.in[i] = s->in[i] >= 0 ? &p->vals[s->in[i]].desc : NULL;
        f.known[i] = s->in[i] >= 0 ? p->vals[s->in[i]].known : NULL;
        f.want[i] = 1;
    }
    for (int32_t i = 0; i < s->n_out; i++)
        f.out[i] = s->out[i] >= 0 ? &p->vals[s->out[i]].desc : NULL;
    c = mucmm__frame_call(ctx, p->graph, s->node, s->n_in, s->n_out, &f);
    c.fused = s->has_fused ? &s->fused : NULL;
    c.differentiable = p->differentiable;
    if (s->op->layout)
        s->op->layout(&c);
    for (int32_t i = 0; i < s->n_in; i++)
        if (s->in[i] >= 0 && p->vals[s->in[i]].desc.block != f.want[i])
            TRY(in_block(ctx, l, s->in[i], f.want[i], &s->in[i]));
    TRY(mucmm__plan_grow(ctx, p->n_steps, &p->cap_steps, sizeof *p->steps, &p->steps));
    index = p->n_steps++;
    p->steps[index] = *s;
    *s = (mucmm__step){0};
    for (int32_t i = 0; i < p->steps[index].n_out; i++)
        if (p->steps[index].out[i] >= 0)
            p->vals[p->steps[index].out[i]].step = index;
done:
    mucmm__frame_drop(&f);
    return status;
}

/* Outputs come out dense, and in memory that is not the caller's. */
static mucmm_status lay_out_outputs(mucmm_ctx *ctx, layouts *l)
{
    mucmm_status status = MUCMM_OK;
    mucmm__plan *p = l->p;

    for (int32_t i = 0; i < p->n_outputs; i++) {
        int32_t id = p->outputs[i], root = id, index;
        const mucmm__node *node;
        while (p->vals[root].step >= 0 && p->steps[p->vals[root].step].op->flags & MUCMM__VIEW)
            root = p->steps[p->vals[root].step].in[0];
        if (p->vals[id].desc.block > 1)
            TRY(in_block(ctx, l, id, 1, &p->outputs[i]));
        else if (p->vals[root].fed >= 0) {
            TRY(mucmm__plan_add_value(ctx, p, &p->vals[id].desc, &p->outputs[i]));
            TRY(mucmm__plan_add_node(ctx, p, mucmm__op_internal("Copy"), "copy", NULL, 0, &node));
            TRY(mucmm__plan_add_step(ctx, p, node, &id, 1, &p->outputs[i], 1, &index));
            p->vals[p->outputs[i]].step = index;
        }
    }
done:
    return status;
}

mucmm_status mucmm__plan_layouts(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;
    layouts l = {.p = p, .steps = p->steps, .n_steps = p->n_steps, .n_old = p->n_vals};

    p->steps = NULL;
    p->n_steps = p->cap_steps = 0;
    TRY(mucmm__alloc(ctx, l.n_old, sizeof *l.twin, &l.twin));
    for (int32_t k = 0; k < l.n_steps; k++)
        if (!l.steps[k].removed)
            TRY(lay_out_step(ctx, &l, &l.steps[k]));
    TRY(lay_out_outputs(ctx, &l));
done:
    for (int32_t k = 0; k < l.n_steps; k++)
        mucmm__step_drop(&l.steps[k]);
    mucmm__free(l.steps);
    mucmm__free(l.twin);
    return status;
}
