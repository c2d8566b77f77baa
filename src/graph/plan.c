/* SPDX-License-Identifier: MIT
 *
 * plan.c - from a graph and the shapes of its inputs to steps with shapes, layouts and primitives.
 * Numbers that do not depend on the run (constants, shapes and what is computed from them) are
 * computed here, once. A network whose shapes depend on its data is computed here altogether
 * ("eager"). */
#include "graph/plan.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

/* Larger results are left to the run, unless it is eager. */
#define FOLD_LIMIT ((int64_t)64 << 20)

/* ---- values and nodes -------------------------------------------------------------- */

static mucmm_status add_step(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__node *node,
                             const int32_t *in, int32_t n_in, const int32_t *out, int32_t n_out,
                             int32_t *index)
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

/* ---- calls ------------------------------------------------------------------------- */

/* The arrays behind one mucmm__call. */
typedef struct frame {
    const mucmm__desc **in;
    mucmm__desc **out;
    const void **known;
    int32_t *want;
    const void **x;
    void **y;
} frame;

static mucmm_status frame_alloc(mucmm_ctx *ctx, int32_t n_in, int32_t n_out, frame *f)
{
    mucmm_status status = MUCMM_OK;

    *f = (frame){0};
    TRY(mucmm__alloc(ctx, n_in, sizeof *f->in, &f->in));
    TRY(mucmm__alloc(ctx, n_out, sizeof *f->out, &f->out));
    TRY(mucmm__alloc(ctx, n_in, sizeof *f->known, &f->known));
    TRY(mucmm__alloc(ctx, n_in, sizeof *f->want, &f->want));
    TRY(mucmm__alloc(ctx, n_in, sizeof *f->x, &f->x));
    TRY(mucmm__alloc(ctx, n_out, sizeof *f->y, &f->y));
done:
    return status;
}

static void frame_drop(frame *f)
{
    mucmm__free(f->in);
    mucmm__free(f->out);
    mucmm__free(f->known);
    mucmm__free(f->want);
    mucmm__free(f->x);
    mucmm__free(f->y);
}

static mucmm__call open_call(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__node *node, int32_t n_in,
                             int32_t n_out, const frame *f)
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

/* Memory for the outputs and their numbers: in f->y, the caller's. The inputs are dense and known.
 * The state is left in c. */
static mucmm_status compute_now(mucmm__call *c, frame *f, int64_t limit)
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

/* ---- constants of the graph -------------------------------------------------------- */

static bool constants_only(const mucmm_graph *g, const mucmm__node *n)
{
    if (n->n_captures || n->n_out == 0)
        return false;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && !g->values[n->in[i]].constant.data)
            return false;
    return true;
}

static mucmm__desc tensor_desc(const mucmm_tensor *t)
{
    mucmm__desc d = {.dtype = t->dtype, .rank = t->rank, .block = 1};
    memcpy(d.shape, t->shape, sizeof d.shape);
    return d;
}

/* A node that cannot be computed is left as it is: planning says why. */
static mucmm_status fold_node(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__node *n)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc *descs = NULL;
    frame f = {0};
    mucmm__call c;

    TRY(frame_alloc(ctx, n->n_in, n->n_out, &f));
    TRY(mucmm__alloc(ctx, n->n_in + n->n_out, sizeof *descs, &descs));
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0) {
            descs[i] = tensor_desc(&g->values[n->in[i]].constant);
            f.in[i] = &descs[i];
            f.known[i] = g->values[n->in[i]].constant.data;
        }
    for (int32_t i = 0; i < n->n_out; i++)
        f.out[i] = n->out[i] >= 0 ? &descs[n->n_in + i] : NULL;
    c = open_call(ctx, g, n, n->n_in, n->n_out, &f);
    if (n->op->infer(&c) != MUCMM_OK || compute_now(&c, &f, FOLD_LIMIT) != MUCMM_OK)
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
    frame_drop(&f);
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

/* ---- shapes ------------------------------------------------------------------------ */

static int32_t resolve(const mucmm__plan *p, int32_t id)
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
static mucmm_status compute_step(mucmm_ctx *ctx, mucmm__plan *p, mucmm__call *c, frame *f,
                                 const int32_t *in, const int32_t *out)
{
    mucmm_status status = MUCMM_OK;
    int32_t index = -1;

    c->differentiable = p->eager && p->differentiable;
    TRY(compute_now(c, f, memory_left(p)));
    if (p->eager) {
        TRY(add_step(ctx, p, c->node, in, c->n_in, out, c->n_out, &index));
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
    const mucmm__pval *condition = &p->vals[resolve(p, n->in[0])];

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
    frame f = {0};
    mucmm__call c;
    int32_t *in = NULL, index;
    bool large = false;

    if (!n->op->infer)
        return plan_if(ctx, p, n);
    TRY(frame_alloc(ctx, n->n_in, n->n_out, &f));
    TRY(mucmm__alloc(ctx, n->n_in, sizeof *in, &in));
    for (int32_t i = 0; i < n->n_in; i++) {
        in[i] = resolve(p, n->in[i]);
        f.in[i] = in[i] >= 0 ? &p->vals[in[i]].desc : NULL;
        f.known[i] = in[i] >= 0 ? p->vals[in[i]].known : NULL;
    }
    for (int32_t i = 0; i < n->n_out; i++)
        f.out[i] = n->out[i] >= 0 && !p->vals[n->out[i]].has_desc ? &p->vals[n->out[i]].desc : NULL;
    c = open_call(ctx, p->graph, n, n->n_in, n->n_out, &f);
    TRY(n->op->infer(&c));
    for (int32_t i = 0; i < n->n_out; i++)
        if (f.out[i]) {
            f.out[i]->block = 1;
            p->vals[n->out[i]].has_desc = true;
            large = large || mucmm__desc_bytes(f.out[i]) > FOLD_LIMIT;
        }
    if (p->eager || (!large && (all_known(&c) || is_shape_op(n->op)))) {
        TRY(compute_step(ctx, p, &c, &f, in, n->out));
        goto done;
    }
    TRY(add_step(ctx, p, n, in, n->n_in, n->out, n->n_out, &index));
    for (int32_t i = 0; i < n->n_out; i++)
        if (f.out[i])
            p->vals[n->out[i]].step = index;
        else
            p->steps[index].out[i] = -1; /* given by the caller instead */
done:
    frame_drop(&f);
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

/* ---- layouts ----------------------------------------------------------------------- */

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
        TRY(add_step(ctx, p, node, &id, 1, twin, 1, &index));
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
    frame f = {0};
    mucmm__call c;
    int32_t index;

    TRY(frame_alloc(ctx, s->n_in, s->n_out, &f));
    for (int32_t i = 0; i < s->n_in; i++) {
        f.in[i] = s->in[i] >= 0 ? &p->vals[s->in[i]].desc : NULL;
        f.known[i] = s->in[i] >= 0 ? p->vals[s->in[i]].known : NULL;
        f.want[i] = 1;
    }
    for (int32_t i = 0; i < s->n_out; i++)
        f.out[i] = s->out[i] >= 0 ? &p->vals[s->out[i]].desc : NULL;
    c = open_call(ctx, p->graph, s->node, s->n_in, s->n_out, &f);
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
    frame_drop(&f);
    return status;
}

static void step_drop(mucmm__step *s)
{
    if (s->state && s->op->drop)
        s->op->drop(s->state);
    mucmm__free(s->in);
    mucmm__free(s->out);
    mucmm__free(s->in_desc);
    mucmm__free(s->out_desc);
    mucmm__free(s->known);
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
            TRY(add_step(ctx, p, node, &id, 1, &p->outputs[i], 1, &index));
            p->vals[p->outputs[i]].step = index;
        }
    }
done:
    return status;
}

static mucmm_status lay_out(mucmm_ctx *ctx, mucmm__plan *p)
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
        step_drop(&l.steps[k]);
    mucmm__free(l.steps);
    mucmm__free(l.twin);
    return status;
}

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
        mucmm__desc d = tensor_desc(t);
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
        p->outputs[i] = resolve(p, p->outputs[i]);
        p->vals[p->outputs[i]].keep = true;
    }
    for (int32_t i = 0; i < p->n_wrt; i++) {
        const mucmm__pval *v = &p->vals[p->wrt[i] = resolve(p, p->wrt[i])];
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

static mucmm_status make(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__request *r, mucmm__plan **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__plan *p = NULL;
    bool *needed = NULL;

    TRY(mucmm__alloc(ctx, 1, sizeof *p, &p));
    atomic_init(&p->references, 1);
    p->graph = g;
    TRY(plan_start(ctx, p, r));
    TRY(find_needed(ctx, p, &needed));
    TRY(plan_body(ctx, p, &g->body, needed));
    TRY(check_names(ctx, p));
    if (!p->eager) {
        TRY(mucmm__plan_fuse(ctx, p));
        TRY(lay_out(ctx, p));
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
    mucmm__free(needed);
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
        step_drop(&p->steps[k]);
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

/* ---- the cache --------------------------------------------------------------------- */

#define MAX_CACHED 8

/* Everything a plan depends on, as numbers. */
static mucmm_status make_key(mucmm_ctx *ctx, const mucmm__request *r, int64_t **key, int64_t *n_key)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = 5 + r->n_fed * (3 + MUCMM_MAX_RANK) + r->n_outputs + r->n_wrt, *k;

    TRY(mucmm__alloc(ctx, n, sizeof **key, key));
    *n_key = n;
    k = *key;
    *k++ = r->n_fed;
    *k++ = r->n_outputs;
    *k++ = r->n_wrt;
    *k++ = (int64_t)r->memory;
    *k++ = ctx->threads;
    for (int32_t i = 0; i < r->n_fed; i++) {
        *k++ = r->fed[i];
        *k++ = r->fed_desc[i].dtype;
        *k++ = r->fed_desc[i].rank;
        for (int32_t j = 0; j < MUCMM_MAX_RANK; j++)
            *k++ = j < r->fed_desc[i].rank ? r->fed_desc[i].shape[j] : 0;
    }
    for (int32_t i = 0; i < r->n_outputs; i++)
        *k++ = r->outputs[i];
    for (int32_t i = 0; i < r->n_wrt; i++)
        *k++ = r->wrt[i];
done:
    return status;
}

/* Moves it to the front; the caller holds the lock. */
static mucmm__plan *find_cached(mucmm_graph *g, const int64_t *key, int64_t n_key)
{
    for (mucmm__plan **at = &g->plans; *at; at = &(*at)->next) {
        mucmm__plan *p = *at;
        if (p->n_key != n_key || memcmp(p->key, key, (size_t)n_key * sizeof *key) != 0)
            continue;
        *at = p->next;
        p->next = g->plans;
        g->plans = p;
        atomic_fetch_add(&p->references, 1);
        return p;
    }
    return NULL;
}

/* The cache takes over p, and gives the caller a reference; the one used longest ago goes. */
static void cache(mucmm_graph *g, mucmm__plan *p)
{
    mucmm__plan *last = NULL;
    int32_t n = 1;

    pthread_mutex_lock(&g->lock);
    atomic_fetch_add(&p->references, 1);
    p->next = g->plans;
    g->plans = p;
    for (mucmm__plan *q = p; q->next; q = q->next)
        if (++n > MAX_CACHED) {
            last = q->next;
            q->next = NULL;
            break;
        }
    pthread_mutex_unlock(&g->lock);
    mucmm__plan_free(last);
}

mucmm_status mucmm__plan_get(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__request *r,
                             mucmm__plan **out)
{
    mucmm_status status = MUCMM_OK;
    int64_t *key = NULL, n_key = 0;
    mucmm__request eager = *r;

    *out = NULL;
    TRY(make_key(ctx, r, &key, &n_key));
    pthread_mutex_lock(&g->lock);
    *out = find_cached(g, key, n_key);
    pthread_mutex_unlock(&g->lock);
    if (*out)
        goto done;
    status = make(ctx, g, r, out);
    if (status == MUCMM__EVALUE) {
        /* Shapes depend on numbers: a plan for this run alone. */
        if (!r->fed_data) {
            status = MUCMM_OK; /* only the memory was asked for: it cannot be told */
            goto done;
        }
        eager.eager = true;
        TRY(make(ctx, g, &eager, out));
        goto done;
    }
    TRY(status);
    (*out)->key = key;
    (*out)->n_key = n_key;
    key = NULL;
    cache(g, *out);
done:
    if (status == MUCMM__EVALUE) /* even with all numbers known */
        status = mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                             "%s: a shape depends on numbers that are not given", g->label);
    mucmm__free(key);
    return status;
}
