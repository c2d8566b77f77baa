/* SPDX-License-Identifier: MIT
 *
 * plan.c - from a graph and the shapes of its inputs to steps with shapes, layouts and primitives:
 * the order of the work. */
#include "graph/plan_steps.h"

#include <stdatomic.h>
#include <string.h>

/* ---- primitives -------------------------------------------------------------------- */

/* From here on no value is added, so that pointers to descs stay. */
static mucmm_status bind_step(mucmm_ctx *ctx, mucmm__plan *p, mucmm__step *s)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, s->n_in, sizeof *s->in_desc, &s->in_desc));
    TRY(mucmm__alloc(ctx, s->n_out, sizeof *s->out_desc, &s->out_desc));
    TRY(mucmm__alloc(ctx, s->n_in, sizeof *s->known, &s->known));
    for (int32_t i = 0; i < s->n_in; i++) {
        s->in_desc[i] = s->in[i] >= 0 ? &p->vals[s->in[i]].desc : NULL;
        s->known[i] = s->in[i] >= 0 ? p->vals[s->in[i]].known : NULL;
    }
    for (int32_t i = 0; i < s->n_out; i++)
        s->out_desc[i] = s->out[i] >= 0 ? &p->vals[s->out[i]].desc : NULL;
    p->max_in = s->n_in > p->max_in ? s->n_in : p->max_in;
    p->max_out = s->n_out > p->max_out ? s->n_out : p->max_out;
done:
    return status;
}

static mucmm_status prepare_step(mucmm_ctx *ctx, mucmm__plan *p, mucmm__step *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm__call c = {.ctx = ctx,
                     .node = s->node,
                     .graph = p->graph,
                     .n_in = s->n_in,
                     .n_out = s->n_out,
                     .in = s->in_desc,
                     .out = s->out_desc,
                     .known = s->known,
                     .fused = s->has_fused ? &s->fused : NULL,
                     .differentiable = p->differentiable};

    if (p->eager || !s->op->prepare)
        return MUCMM_OK;
    status = s->op->prepare(&c);
    s->state = c.state; /* also after a failure, to be dropped */
    s->scratch = c.scratch;
    s->vjp_scratch = c.vjp_scratch;
    return status;
}

/* Values that share memory: the output of a view is its input. */
static void find_roots(mucmm__plan *p)
{
    for (int32_t k = 0; k < p->n_steps; k++) {
        const mucmm__step *s = &p->steps[k];
        if (!p->eager && s->op->flags & MUCMM__VIEW && s->out[0] >= 0)
            p->vals[s->out[0]].root = p->vals[s->in[0]].root;
    }
}

/* ---- making a plan ----------------------------------------------------------------- */

static mucmm_status copy_ids(mucmm_ctx *ctx, const int32_t *from, int32_t n, int32_t **out)
{
    mucmm_status status = mucmm__alloc(ctx, n, sizeof **out, out);

    for (int32_t i = 0; status == MUCMM_OK && i < n; i++)
        (*out)[i] = from[i];
    return status;
}

static mucmm_status plan_start(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__request *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_graph *g = p->graph;

    p->eager = r->eager;
    p->differentiable = r->n_wrt > 0;
    p->memory = r->memory;
    p->n_fed = r->n_fed;
    p->n_outputs = r->n_outputs;
    p->n_wrt = r->n_wrt;
    TRY(copy_ids(ctx, r->fed, r->n_fed, &p->fed));
    TRY(copy_ids(ctx, r->outputs, r->n_outputs, &p->outputs));
    TRY(copy_ids(ctx, r->wrt, r->n_wrt, &p->wrt));
    TRY(mucmm__alloc(ctx, g->n_values, sizeof *p->alias, &p->alias));
    for (int32_t i = 0; i < g->n_values; i++) {
        const mucmm_tensor *t = &g->values[i].constant;
        mucmm__desc d = mucmm__tensor_desc(t);
        int32_t id;
        p->alias[i] = -1;
        TRY(mucmm__plan_add_value(ctx, p, &d, &id));
        p->vals[id].has_desc = t->data != NULL;
        p->vals[id].known = t->data;
    }
    for (int32_t i = 0; i < r->n_fed; i++) {
        mucmm__pval *v = &p->vals[r->fed[i]];
        v->desc = r->fed_desc[i];
        v->has_desc = v->keep = true;
        v->fed = i;
        v->known = r->eager ? r->fed_data[i] : NULL;
    }
done:
    return status;
}

static mucmm_status check_names(mucmm_ctx *ctx, mucmm__plan *p)
{
    for (int32_t i = 0; i < p->n_outputs; i++) {
        p->outputs[i] = mucmm__plan_resolve(p, p->outputs[i]);
        p->vals[p->outputs[i]].keep = true;
    }
    for (int32_t i = 0; i < p->n_wrt; i++) {
        const mucmm__pval *v = &p->vals[p->wrt[i] = mucmm__plan_resolve(p, p->wrt[i])];
        const char *name = p->graph->names[p->wrt[i]];
        if (p->wrt[i] < p->graph->n_values && p->graph->values[p->wrt[i]].constant.data)
            return mucmm__fail(
                ctx, MUCMM_EARG,
                "%s: '%.200s' is a constant; gradients are taken with respect to inputs "
                "and what is computed from them",
                p->graph->label, name);
        if (v->desc.dtype != MUCMM_F32)
            return mucmm__fail(
                ctx, MUCMM_EARG,
                "%s: '%.200s' is %s; gradients are taken with respect to float32 tensors",
                p->graph->label, name, mucmm_dtype_name(v->desc.dtype));
        p->vals[p->wrt[i]].keep = true;
    }
    return MUCMM_OK;
}

mucmm_status mucmm__plan_make(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__request *r,
                              mucmm__plan **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__plan *p = NULL;

    TRY(mucmm__alloc(ctx, 1, sizeof *p, &p));
    atomic_init(&p->references, 1);
    p->graph = g;
    TRY(plan_start(ctx, p, r));
    TRY(mucmm__plan_shapes(ctx, p));
    TRY(check_names(ctx, p));
    if (!p->eager) {
        TRY(mucmm__plan_fuse(ctx, p));
        TRY(mucmm__plan_layouts(ctx, p));
    }
    for (int32_t k = 0; k < p->n_steps; k++)
        TRY(bind_step(ctx, p, &p->steps[k]));
    for (int32_t k = 0; k < p->n_steps; k++)
        TRY(prepare_step(ctx, p, &p->steps[k]));
    find_roots(p);
    if (p->differentiable)
        TRY(mucmm__plan_gradients(ctx, p));
    TRY(mucmm__plan_memory(ctx, p));
    *out = p;
    p = NULL;
done:
    mucmm__plan_free(p);
    return status;
}

void mucmm__plan_free(mucmm__plan *p)
{
    if (!p || atomic_fetch_sub(&p->references, 1) > 1)
        return;
    while (p->pool) {
        mucmm__arena *next = p->pool->next;
        mucmm__free(p->pool->forward);
        mucmm__free(p->pool->vjp);
        mucmm__free(p->pool);
        p->pool = next;
    }
    for (int32_t k = 0; k < p->n_steps; k++)
        mucmm__step_drop(&p->steps[k]);
    for (int32_t i = 0; i < p->n_vals; i++)
        if (p->vals[i].owned)
            mucmm__free(p->vals[i].known);
    for (int32_t k = 0; k < p->n_nodes; k++) {
        for (int32_t i = 0; i < p->nodes[k]->n_attrs; i++)
            mucmm__free(p->nodes[k]->attrs[i].name);
        mucmm__free(p->nodes[k]->attrs);
        mucmm__free(p->nodes[k]->name);
        mucmm__free(p->nodes[k]);
    }
    mucmm__free(p->nodes);
    mucmm__free(p->steps);
    mucmm__free(p->vals);
    mucmm__free(p->alias);
    mucmm__free(p->fed);
    mucmm__free(p->outputs);
    mucmm__free(p->wrt);
    mucmm__free(p->actions);
    mucmm__free(p->gains);
    mucmm__free(p->gain_at);
    mucmm__free(p->key);
    mucmm__free(p);
}

void mucmm__plans_drop(mucmm__plan *first)
{
    while (first) {
        mucmm__plan *next = first->next;
        mucmm__plan_free(first);
        first = next;
    }
}
