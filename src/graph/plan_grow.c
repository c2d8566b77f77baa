/* SPDX-License-Identifier: MIT
 *
 * plan_grow.c - values, nodes and steps that join a plan. */
#include "graph/plan_steps.h"

#include <string.h>

mucmm_status mucmm__plan_grow(mucmm_ctx *ctx, int32_t n, int32_t *cap, size_t size, void *p)
{
    mucmm_status status = MUCMM_OK;
    int32_t more = *cap ? 2 * *cap : 64;

    if (n < *cap)
        return MUCMM_OK;
    TRY(mucmm__realloc(ctx, *cap, more, size, p));
    *cap = more;
done:
    return status;
}

mucmm_status mucmm__plan_add_value(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__desc *d,
                                   int32_t *id)
{
    mucmm_status status = mucmm__plan_grow(ctx, p->n_vals, &p->cap_vals, sizeof *p->vals, &p->vals);

    if (status != MUCMM_OK)
        return status;
    *id = p->n_vals++;
    p->vals[*id] = (mucmm__pval){.desc = *d,
                                 .has_desc = true,
                                 .root = *id,
                                 .step = -1,
                                 .fed = -1,
                                 .offset = -1,
                                 .again = -1,
                                 .grad = -1,
                                 .given = -1,
                                 .grad_root = *id};
    return MUCMM_OK;
}

mucmm_status mucmm__plan_add_node(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__op *op,
                                  const char *name, const mucmm__attr *attrs, int32_t n_attrs,
                                  const mucmm__node **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__node *n = NULL;

    TRY(mucmm__plan_grow(ctx, p->n_nodes, &p->cap_nodes, sizeof *p->nodes, &p->nodes));
    TRY(mucmm__alloc(ctx, 1, sizeof *n, &n));
    p->nodes[p->n_nodes++] = n;
    n->op = op;
    n->opset = MUCMM__OPSET_MAX;
    TRY(mucmm__strdup(ctx, name, &n->name));
    TRY(mucmm__alloc(ctx, n_attrs, sizeof *n->attrs, &n->attrs));
    for (; n->n_attrs < n_attrs; n->n_attrs++) {
        mucmm__attr *a = &n->attrs[n->n_attrs];
        *a = attrs[n->n_attrs];
        a->name = NULL;
        TRY(mucmm__strdup(ctx, attrs[n->n_attrs].name, &a->name));
    }
    *out = n;
done:
    return status;
}

mucmm_status mucmm__plan_add_step(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__node *node,
                                  const int32_t *in, int32_t n_in, const int32_t *out,
                                  int32_t n_out, int32_t *index)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *s;

    TRY(mucmm__plan_grow(ctx, p->n_steps, &p->cap_steps, sizeof *p->steps, &p->steps));
    s = &p->steps[p->n_steps];
    *s = (mucmm__step){.node = node, .op = node->op, .n_in = n_in, .n_out = n_out, .work = -1};
    *index = p->n_steps++;
    TRY(mucmm__alloc(ctx, n_in, sizeof *s->in, &s->in));
    TRY(mucmm__alloc(ctx, n_out, sizeof *s->out, &s->out));
    for (int32_t i = 0; i < n_in; i++)
        s->in[i] = in[i];
    for (int32_t i = 0; i < n_out; i++)
        s->out[i] = out[i];
done:
    return status;
}

void mucmm__step_drop(mucmm__step *s)
{
    if (s->state && s->op->drop)
        s->op->drop(s->state);
    mucmm__free(s->in);
    mucmm__free(s->out);
    mucmm__free(s->in_desc);
    mucmm__free(s->out_desc);
    mucmm__free(s->known);
}
