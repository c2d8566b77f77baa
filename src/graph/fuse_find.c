/* SPDX-License-Identifier: MIT
 *
 * fuse_find.c - looking at the steps of a plan and rewriting them. */
#include "graph/fuse.h"

#include <math.h>
#include <string.h>

/* ---- looking ----------------------------------------------------------------------- */

mucmm_status mucmm__fuse_count_users(mucmm__fuser *f)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__plan *p = f->p;

    mucmm__free(f->users);
    mucmm__free(f->user);
    f->users = f->user = NULL;
    TRY(mucmm__alloc(f->ctx, p->n_vals, sizeof *f->users, &f->users));
    TRY(mucmm__alloc(f->ctx, p->n_vals, sizeof *f->user, &f->user));
    for (int32_t k = 0; k < p->n_steps; k++)
        for (int32_t i = 0; !p->steps[k].removed && i < p->steps[k].n_in; i++)
            if (p->steps[k].in[i] >= 0) {
                f->users[p->steps[k].in[i]]++;
                f->user[p->steps[k].in[i]] = k;
            }
done:
    return status;
}

bool mucmm__step_is_op(const mucmm__step *s, const char *type)
{
    return s && !s->removed && strcmp(s->op->type, type) == 0;
}

/* The step that computes a value, if it is an op of that type; else NULL. */
static mucmm__step *made_by(const mucmm__fuser *f, int32_t id, const char *type)
{
    mucmm__step *s = id >= 0 && f->p->vals[id].step >= 0 ? &f->p->steps[f->p->vals[id].step] : NULL;
    return mucmm__step_is_op(s, type) ? s : NULL;
}

/* The same, if the value serves `uses` inputs and is not asked for. */
mucmm__step *mucmm__fuse_inner(const mucmm__fuser *f, int32_t id, const char *type, int32_t uses)
{
    mucmm__step *s = made_by(f, id, type);
    return s && f->users[id] == uses && !f->p->vals[id].keep ? s : NULL;
}

/* A known single float. */
bool mucmm__fuse_scalar(const mucmm__fuser *f, int32_t id, double *out)
{
    const mucmm__pval *v = id >= 0 ? &f->p->vals[id] : NULL;

    if (!v || !v->known || v->desc.dtype != MUCMM_F32 || mucmm__desc_count(&v->desc) != 1)
        return false;
    *out = (double)*(const float *)v->known;
    return true;
}

bool mucmm__fuse_near(const mucmm__fuser *f, int32_t id, double want)
{
    double x;
    return mucmm__fuse_scalar(f, id, &x) && fabs(x - want) <= 1e-6 * fabs(want);
}

/* One operand is a known scalar (*x), the other *id. */
bool mucmm__fuse_scalar_operand(const mucmm__fuser *f, const mucmm__step *s, double *x, int32_t *id)
{
    for (int32_t i = 0; i < 2; i++)
        if (mucmm__fuse_scalar(f, s->in[i], x) && s->in[1 - i] >= 0 &&
            !f->p->vals[s->in[1 - i]].known) {
            *id = s->in[1 - i];
            return mucmm__same_shape(&f->p->vals[*id].desc, &f->p->vals[s->out[0]].desc);
        }
    return false;
}

/* Bounds of a Clip with known ends. */
bool mucmm__fuse_clip_bounds(const mucmm__fuser *f, const mucmm__step *s, double *lo, double *hi)
{
    *lo = (double)mucmm__attr_float(s->node, "min", -INFINITY);
    *hi = (double)mucmm__attr_float(s->node, "max", INFINITY);
    if (s->n_in > 1 && s->in[1] >= 0 && !mucmm__fuse_scalar(f, s->in[1], lo))
        return false;
    return s->n_in <= 2 || s->in[2] < 0 || mucmm__fuse_scalar(f, s->in[2], hi);
}

bool mucmm__fuse_is_float32(const mucmm__fuser *f, int32_t id)
{
    return f->p->vals[id].desc.dtype == MUCMM_F32;
}

/* ---- rewriting --------------------------------------------------------------------- */

/* Step s becomes op(in...) with the same output. */
mucmm_status mucmm__fuse_rewrite(mucmm__fuser *f, mucmm__step *s, const mucmm__op *op,
                                 const mucmm__attr *attrs, int32_t n_attrs, const int32_t *in,
                                 int32_t n_in)
{
    mucmm_status status = MUCMM_OK;
    int32_t *ids = NULL;
    const mucmm__node *node;

    TRY(mucmm__alloc(f->ctx, n_in, sizeof *ids, &ids));
    for (int32_t i = 0; i < n_in; i++)
        ids[i] = in[i];
    TRY(mucmm__plan_add_node(f->ctx, f->p, op, s->node->name, attrs, n_attrs, &node));
    mucmm__free(s->in);
    s->in = ids;
    s->n_in = n_in;
    s->node = node;
    s->op = op;
    ids = NULL;
    TRY(mucmm__fuse_count_users(f));
done:
    mucmm__free(ids);
    return status;
}

const mucmm__op *mucmm__fuse_op(const char *type)
{
    bool known;
    const mucmm__op *op = mucmm__op_internal(type);
    return op ? op : mucmm__op_find(type, MUCMM__OPSET_MAX, &known);
}
