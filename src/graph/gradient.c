/* SPDX-License-Identifier: MIT
 *
 * gradient.c - reverse mode as a list of actions: cotangents are added at the outputs, steps run
 * backwards, gradients are handed out. With segments, the steps of a segment are computed again
 * just before they run backwards, so that only what crosses a segment's border is kept. */
#include "graph/plan.h"

#include <string.h>

/* ---- which values have gradients --------------------------------------------------- */

static bool is_float(const mucmm__plan *p, int32_t id)
{
    return id >= 0 && p->vals[id].desc.dtype == MUCMM_F32;
}

void mucmm__plan_depends(const mucmm__plan *p, bool *depends)
{
    for (int32_t i = 0; i < p->n_wrt; i++)
        depends[p->wrt[i]] = true;
    for (int32_t k = 0; k < p->n_steps; k++) {
        const mucmm__step *s = &p->steps[k];
        bool any = false;
        if (s->op->flags & MUCMM__ZERO_GRADIENT)
            continue;
        for (int32_t i = 0; i < s->n_in; i++)
            any = any || (s->in[i] >= 0 && depends[s->in[i]] &&
                          (mucmm__is_diff_input(s, i) || !s->op->vjp));
        for (int32_t i = 0; any && i < s->n_out; i++)
            if (is_float(p, s->out[i]))
                depends[s->out[i]] = true;
    }
}

/* active = reached from a wrt, and reaching an output. */
static void mark_active(mucmm__plan *p, const bool *depends)
{
    for (int32_t i = 0; i < p->n_outputs; i++)
        p->vals[p->outputs[i]].active = depends[p->outputs[i]];
    for (int32_t k = p->n_steps - 1; k >= 0; k--) {
        const mucmm__step *s = &p->steps[k];
        bool any = false;
        for (int32_t i = 0; i < s->n_out; i++)
            any = any || (s->out[i] >= 0 && p->vals[s->out[i]].active);
        if (s->op->flags & MUCMM__ZERO_GRADIENT)
            continue;
        for (int32_t i = 0; any && i < s->n_in; i++)
            if (s->in[i] >= 0 && depends[s->in[i]] && (mucmm__is_diff_input(s, i) || !s->op->vjp))
                p->vals[s->in[i]].active = true;
    }
}

bool mucmm__step_is_active(const mucmm__plan *p, const mucmm__step *s)
{
    bool in = false, out = false;

    for (int32_t i = 0; i < s->n_in; i++)
        in = in || (s->in[i] >= 0 && p->vals[s->in[i]].active &&
                    (mucmm__is_diff_input(s, i) || s->op->flags & MUCMM__VIEW));
    for (int32_t i = 0; i < s->n_out; i++)
        out = out || (s->out[i] >= 0 && p->vals[s->out[i]].active);
    return in && out && !(s->op->flags & MUCMM__ZERO_GRADIENT);
}

mucmm_status mucmm__plan_gradients(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;
    bool *depends = NULL;

    TRY(mucmm__alloc(ctx, p->n_vals, sizeof *depends, &depends));
    mucmm__plan_depends(p, depends);
    mark_active(p, depends);
    for (int32_t k = 0; k < p->n_steps; k++) {
        const mucmm__step *s = &p->steps[k];
        bool out = false, in = false;
        for (int32_t i = 0; i < s->n_out; i++)
            out = out || (s->out[i] >= 0 && p->vals[s->out[i]].active);
        for (int32_t i = 0; i < s->n_in; i++)
            in = in || (s->in[i] >= 0 && p->vals[s->in[i]].active);
        if (in && out && !s->op->vjp && !(s->op->flags & (MUCMM__VIEW | MUCMM__ZERO_GRADIENT)))
            TRY(mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                            "node '%.200s' (%s): no gradient passes through this operator",
                            s->node->name, s->op->type));
    }
done:
    mucmm__free(depends);
    return status;
}

bool mucmm__vjp_reads_input(const mucmm__plan *p, const mucmm__step *s, int32_t i)
{
    if (s->op->flags & MUCMM__VIEW || !mucmm__bit(s->op->vjp_x, i))
        return false;
    if (!(s->op->flags & MUCMM__BILINEAR))
        return true;
    for (int32_t j = 0; j < s->n_in; j++)
        if (j != i && s->in[j] >= 0 && p->vals[s->in[j]].active && mucmm__is_diff_input(s, j) &&
            !(s->has_fused && j == s->fused.residual))
            return true;
    return false;
}

bool mucmm__vjp_reads_output(const mucmm__step *s, int32_t i)
{
    return !(s->op->flags & MUCMM__VIEW) &&
           (mucmm__bit(s->op->vjp_y, i) ||
            (s->has_fused && s->fused.activation != MUCMM__ACT_NONE));
}

/* ---- the actions ------------------------------------------------------------------- */

typedef struct builder {
    mucmm__plan *p;
    bool *begun; /* [n_vals], by grad_root: something has been written */
    int32_t n_gains;
} builder;

static mucmm__action *add_action(builder *b, mucmm__action_kind kind, int32_t index,
                                 int32_t n_gains)
{
    mucmm__action *a = &b->p->actions[b->p->n_actions++];

    *a = (mucmm__action){.kind = kind, .index = index, .work = -1, .first_gain = b->n_gains};
    for (int32_t i = 0; i < n_gains; i++) {
        b->p->gains[b->n_gains + i] = MUCMM__GAIN_NONE;
        b->p->gain_at[b->n_gains + i] = -1;
    }
    b->n_gains += n_gains;
    return a;
}

static mucmm__gain gain(builder *b, int32_t id)
{
    int32_t root = b->p->vals[id].grad_root;
    mucmm__gain g = b->begun[root] ? MUCMM__GAIN_ADD : MUCMM__GAIN_WRITE;

    b->begun[root] = true;
    return g;
}

static bool is_wrt(const mucmm__plan *p, int32_t id)
{
    for (int32_t i = 0; i < p->n_wrt; i++)
        if (p->wrt[i] == id)
            return true;
    return false;
}

/* A view's gradient is its output's, in another shape: the same memory, if nothing was added to its
 * input's yet. */
static bool share_gradient(builder *b, const mucmm__step *s)
{
    mucmm__pval *in = &b->p->vals[s->in[0]];

    if (!(s->op->flags & MUCMM__VIEW) || b->begun[in->grad_root] || is_wrt(b->p, s->out[0]))
        return false;
    in->grad_root = b->p->vals[s->out[0]].grad_root;
    return true;
}

static void add_vjp(builder *b, int32_t k)
{
    mucmm__plan *p = b->p;
    const mucmm__step *s = &p->steps[k];
    mucmm__action *a;
    bool any = false;

    if (!mucmm__step_is_active(p, s))
        return;
    for (int32_t i = 0; i < s->n_out; i++)
        any = any || (s->out[i] >= 0 && p->vals[s->out[i]].active &&
                      b->begun[p->vals[s->out[i]].grad_root]);
    if (!any || share_gradient(b, s))
        return;
    a = add_action(b, MUCMM__DO_VJP, k, s->n_in);
    for (int32_t i = 0; i < s->n_in; i++)
        if (s->in[i] >= 0 && p->vals[s->in[i]].active &&
            (mucmm__is_diff_input(s, i) || s->op->flags & MUCMM__VIEW))
            p->gains[a->first_gain + i] = gain(b, s->in[i]);
}

static mucmm_status alloc_actions(mucmm_ctx *ctx, builder *b)
{
    mucmm_status status = MUCMM_OK;
    mucmm__plan *p = b->p;
    int64_t gains = p->n_outputs + p->n_wrt;

    mucmm__free(p->actions);
    mucmm__free(p->gains);
    mucmm__free(p->gain_at);
    p->actions = NULL;
    p->gains = NULL;
    p->gain_at = NULL;
    p->n_actions = 0;
    for (int32_t k = 0; k < p->n_steps; k++)
        gains += p->steps[k].n_in;
    TRY(mucmm__alloc(ctx, p->n_outputs + p->n_wrt + 2 * (int64_t)p->n_steps, sizeof *p->actions,
                     &p->actions));
    TRY(mucmm__alloc(ctx, gains, sizeof *p->gains, &p->gains));
    TRY(mucmm__alloc(ctx, gains, sizeof *p->gain_at, &p->gain_at));
    TRY(mucmm__alloc(ctx, p->n_vals, sizeof *b->begun, &b->begun));
done:
    return status;
}

static int64_t new_bytes(const mucmm__plan *p, const mucmm__step *s)
{
    int64_t bytes = 0;

    for (int32_t i = 0; i < s->n_out; i++)
        if (s->out[i] >= 0 && p->vals[s->out[i]].root == s->out[i])
            bytes += mucmm__desc_bytes(&p->vals[s->out[i]].desc);
    return bytes;
}

/* n runs of steps that compute about the same number of bytes each. */
static void cut_segments(mucmm__plan *p, int32_t n)
{
    int64_t total = 0, before = 0;

    for (int32_t k = 0; k < p->n_steps; k++)
        total += new_bytes(p, &p->steps[k]);
    for (int32_t k = 0; k < p->n_steps; k++) {
        p->steps[k].segment = (int32_t)(before / (total / n + 1));
        before += new_bytes(p, &p->steps[k]);
    }
}

mucmm_status mucmm__plan_actions(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;
    builder b = {.p = p};
    int32_t last = p->segments ? p->segments : 1;

    TRY(alloc_actions(ctx, &b));
    for (int32_t i = 0; i < p->n_vals; i++) {
        p->vals[i].grad_root = i;
        p->vals[i].given = -1;
    }
    cut_segments(p, last);
    for (int32_t i = 0; i < p->n_outputs; i++)
        if (p->vals[p->outputs[i]].active) {
            mucmm__action *a = add_action(&b, MUCMM__DO_SEED, i, 1);
            p->gains[a->first_gain] = gain(&b, p->outputs[i]);
        }
    for (int32_t segment = last - 1; segment >= 0; segment--) {
        for (int32_t k = 0; p->segments && k < p->n_steps; k++)
            if (p->steps[k].segment == segment)
                add_action(&b, MUCMM__DO_FORWARD, k, 0);
        for (int32_t k = p->n_steps - 1; k >= 0; k--)
            if (p->steps[k].segment == segment)
                add_vjp(&b, k);
    }
    for (int32_t i = 0; i < p->n_wrt; i++)
        add_action(&b, MUCMM__DO_GIVE, i, 0);
    /* A gradient that nothing is added to (its value reaches no output that has one) is zero. */
    for (int32_t i = 0; i < p->n_vals; i++)
        if (!b.begun[p->vals[i].grad_root])
            p->vals[i].active = false;
    for (int32_t i = p->n_wrt - 1; i >= 0; i--) {
        mucmm__pval *v = &p->vals[p->wrt[i]];
        if (v->active && v->desc.block == 1 && v->grad_root == p->wrt[i])
            v->given = i;
    }
done:
    mucmm__free(b.begun);
    return status;
}
