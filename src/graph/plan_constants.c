/* SPDX-License-Identifier: MIT
 *
 * plan_constants.c - nodes of a graph whose inputs are all constants are computed once. */
#include "graph/plan_steps.h"

#include <string.h>

static bool constants_only(const mucmm_graph *g, const mucmm__node *n)
{
    if (n->n_captures || n->n_out == 0)
        return false;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && !g->values[n->in[i]].constant.data)
            return false;
    return true;
}

/* A node that cannot be computed is left as it is: planning says why. */
static mucmm_status fold_node(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__node *n)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc *descs = NULL;
    mucmm__frame f = {0};
    mucmm__call c;

    TRY(mucmm__frame_alloc(ctx, n->n_in, n->n_out, &f));
    TRY(mucmm__alloc(ctx, n->n_in + n->n_out, sizeof *descs, &descs));
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0) {
            descs[i] = mucmm__tensor_desc(&g->values[n->in[i]].constant);
            f.in[i] = &descs[i];
            f.known[i] = g->values[n->in[i]].constant.data;
        }
    for (int32_t i = 0; i < n->n_out; i++)
        f.out[i] = n->out[i] >= 0 ? &descs[n->n_in + i] : NULL;
    c = mucmm__frame_call(ctx, g, n, n->n_in, n->n_out, &f);
    if (n->op->infer(&c) != MUCMM_OK || mucmm__compute_now(&c, &f, MUCMM__FOLD_LIMIT) != MUCMM_OK)
        goto done;
    for (int32_t i = 0; i < n->n_out; i++)
        if (f.out[i]) {
            mucmm_tensor *t = &g->values[n->out[i]].constant;
            *t = (mucmm_tensor){f.out[i]->dtype, f.out[i]->rank, {0}, f.y[i]};
            memcpy(t->shape, f.out[i]->shape, sizeof t->shape);
        }
done:
    if (n->op->drop && descs && c.state)
        n->op->drop(c.state);
    mucmm__frame_drop(&f);
    mucmm__free(descs);
    return status;
}

mucmm_status mucmm__fold_constants(mucmm_ctx *ctx, mucmm_graph *g)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t k = 0; k < g->body.n_nodes; k++)
        if (constants_only(g, &g->body.nodes[k]) && g->body.nodes[k].op->infer)
            TRY(fold_node(ctx, g, &g->body.nodes[k]));
    ctx->message[0] = '\0';
done:
    return status;
}
