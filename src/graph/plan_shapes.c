/* SPDX-License-Identifier: MIT
 *
 * plan_shapes.c - shapes of all values that are needed, and steps for those whose numbers are not
 * known: constants, shapes and what is computed from them are computed here, once. */
#include "graph/plan_steps.h"

#include <string.h>

int32_t mucmm__plan_resolve(const mucmm__plan *p, int32_t id)
{
    while (id >= 0 && id < p->graph->n_values && p->alias[id] >= 0)
        id = p->alias[id];
    return id;
}

static bool all_known(const mucmm__call *c)
{
    for (int32_t i = 0; i < c->n_in; i++)
        if (c->in[i] && !c->known[i])
            return false;
    return true;
}

static bool is_shape_op(const mucmm__op *op)
{
    return strcmp(op->type, "Shape") == 0 || strcmp(op->type, "Size") == 0;
}

static int64_t memory_left(const mucmm__plan *p)
{
    return p->memory > (uint64_t)p->taken ? (int64_t)(p->memory - (uint64_t)p->taken) : 0;
}

/* The outputs' numbers now; in an eager plan the step stays, for the vjp. */
static mucmm_status compute_step(mucmm_ctx *ctx, mucmm__plan *p, mucmm__call *c, mucmm__frame *f,
                                 const int32_t *in, const int32_t *out)
{
    mucmm_status status = MUCMM_OK;
    int32_t index = -1;

    c->differentiable = p->eager && p->differentiable;
    TRY(mucmm__compute_now(c, f, memory_left(p)));
    if (p->eager) {
        TRY(mucmm__plan_add_step(ctx, p, c->node, in, c->n_in, out, c->n_out, &index));
        p->steps[index].state = c->state;
        p->steps[index].vjp_scratch = c->vjp_scratch;
        c->state = NULL;
    }
    for (int32_t i = 0; i < c->n_out; i++) {
        if (!c->out[i])
            continue;
        p->vals[out[i]].known = f->y[i];
        p->vals[out[i]].owned = true;
        p->vals[out[i]].step = index;
        p->taken += mucmm__desc_bytes(c->out[i]);
        f->y[i] = NULL;
    }
done:
    if (c->state && c->node->op->drop)
        c->node->op->drop(c->state);
    for (int32_t i = 0; i < c->n_out; i++)
        mucmm__free(f->y[i]);
    return status;
}

static mucmm_status plan_body(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__body *b,
                              const bool *needed);

/* An If whose condition is known is its branch. */
static mucmm_status plan_if(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__node *n)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__attr *branch;
    const mucmm__pval *condition = &p->vals[mucmm__plan_resolve(p, n->in[0])];

    if (!condition->known)
        return MUCMM__EVALUE;
    if (condition->desc.dtype != MUCMM_BOOL || mucmm__desc_count(&condition->desc) != 1)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "node '%.200s' (If): the condition must be one bool",
                           n->name);
    branch = mucmm__attr_find(n, *(const uint8_t *)condition->known ? "then_branch" : "else_branch",
                              MUCMM__ATTR_GRAPH);
    if (!branch || branch->body->n_outputs < n->n_out)
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "node '%.200s' (If): a branch is missing, or has too few outputs",
                           n->name);
    TRY(plan_body(ctx, p, branch->body, NULL));
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0)
            p->alias[n->out[i]] = branch->body->outputs[i];
done:
    return status;
}

static mucmm_status plan_node(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__node *n)
{
    mucmm_status status = MUCMM_OK;
    mucmm__frame f = {0};
    mucmm__call c;
    int32_t *in = NULL, index;
    bool large = false;

    if (!n->op->infer)
        return plan_if(ctx, p, n);
    TRY(mucmm__frame_alloc(ctx, n->n_in, n->n_out, &f));
    TRY(mucmm__alloc(ctx, n->n_in, sizeof *in, &in));
    for (int32_t i = 0; i < n->n_in; i++) {
        in[i] = mucmm__plan_resolve(p, n->in[i]);
        f.in[i] = in[i] >= 0 ? &p->vals[in[i]].desc : NULL;
        f.known[i] = in[i] >= 0 ? p->vals[in[i]].known : NULL;
    }
    for (int32_t i = 0; i < n->n_out; i++)
        f.out[i] = n->out[i] >= 0 && !p->vals[n->out[i]].has_desc ? &p->vals[n->out[i]].desc : NULL;
    c = mucmm__frame_call(ctx, p->graph, n, n->n_in, n->n_out, &f);
    TRY(n->op->infer(&c));
    for (int32_t i = 0; i < n->n_out; i++)
        if (f.out[i]) {
            f.out[i]->block = 1;
            p->vals[n->out[i]].has_desc = true;
            large = large || mucmm__desc_bytes(f.out[i]) > MUCMM__FOLD_LIMIT;
        }
    if (p->eager || (!large && (all_known(&c) || is_shape_op(n->op)))) {
        TRY(compute_step(ctx, p, &c, &f, in, n->out));
        goto done;
    }
    TRY(mucmm__plan_add_step(ctx, p, n, in, n->n_in, n->out, n->n_out, &index));
    for (int32_t i = 0; i < n->n_out; i++)
        if (f.out[i])
            p->vals[n->out[i]].step = index;
        else
            p->steps[index].out[i] = -1; /* given by the caller instead */
done:
    mucmm__frame_drop(&f);
    mucmm__free(in);
    return status;
}

static mucmm_status plan_body(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__body *b,
                              const bool *needed)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t k = 0; k < b->n_nodes; k++)
        if (!needed || needed[k])
            TRY(plan_node(ctx, p, &b->nodes[k]));
done:
    return status;
}

static void need(const mucmm__plan *p, bool *wanted, int32_t id)
{
    if (id >= 0 && !p->vals[id].has_desc)
        wanted[id] = true;
}

/* Which nodes have to be computed for the outputs and wrt. */
static mucmm_status find_needed(mucmm_ctx *ctx, const mucmm__plan *p, bool **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__body *b = &p->graph->body;
    bool *wanted = NULL;

    TRY(mucmm__alloc(ctx, p->graph->n_values, sizeof *wanted, &wanted));
    TRY(mucmm__alloc(ctx, b->n_nodes, sizeof **out, out));
    for (int32_t i = 0; i < p->n_outputs; i++)
        need(p, wanted, p->outputs[i]);
    for (int32_t i = 0; i < p->n_wrt; i++)
        need(p, wanted, p->wrt[i]);
    for (int32_t k = b->n_nodes - 1; k >= 0; k--) {
        const mucmm__node *n = &b->nodes[k];
        for (int32_t i = 0; i < n->n_out; i++)
            (*out)[k] = (*out)[k] || (n->out[i] >= 0 && wanted[n->out[i]]);
        for (int32_t i = 0; (*out)[k] && i < n->n_in; i++)
            need(p, wanted, n->in[i]);
        for (int32_t i = 0; (*out)[k] && i < n->n_captures; i++)
            need(p, wanted, n->captures[i]);
    }
    for (int32_t i = 0; i < p->graph->n_inputs; i++)
        if (wanted[p->graph->input_ids[i]])
            TRY(mucmm__fail(ctx, MUCMM_EARG, "%s: input '%.200s' is not given", p->graph->label,
                            p->graph->inputs[i].name));
done:
    mucmm__free(wanted);
    return status;
}

mucmm_status mucmm__plan_shapes(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;
    bool *needed = NULL;

    TRY(find_needed(ctx, p, &needed));
    TRY(plan_body(ctx, p, &p->graph->body, needed));
done:
    mucmm__free(needed);
    return status;
}
