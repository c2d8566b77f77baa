/* SPDX-License-Identifier: MIT
 *
 * fuse.c - several steps as one that gives the same values in less time. */
#include "graph/fuse.h"

#include <string.h>

/* x * 1, x / 1, x + 0, x - 0 */
static bool is_neutral(const mucmm__fuser *f, const mucmm__step *s, int32_t *x)
{
    double k;

    if (mucmm__step_is_op(s, "Mul") || mucmm__step_is_op(s, "Add"))
        return mucmm__fuse_scalar_operand(f, s, &k, x) && k == (s->op->type[0] == 'M' ? 1 : 0);
    if (!mucmm__step_is_op(s, "Div") && !mucmm__step_is_op(s, "Sub"))
        return false;
    *x = s->in[0];
    return mucmm__fuse_scalar(f, s->in[1], &k) && k == (s->op->type[0] == 'D' ? 1 : 0) &&
           mucmm__same_shape(&f->p->vals[*x].desc, &f->p->vals[s->out[0]].desc);
}

/* What reads an Identity reads its input instead. */
static void skip_identities(mucmm__plan *p)
{
    for (int32_t k = 0; k < p->n_steps; k++)
        for (int32_t i = 0; i < p->steps[k].n_in; i++)
            for (int32_t id = p->steps[k].in[i];
                 id >= 0 && p->vals[id].step >= 0 && !p->vals[id].keep; id = p->steps[k].in[i]) {
                const mucmm__step *s = &p->steps[p->vals[id].step];
                if (s->removed || strcmp(s->op->type, "Identity") != 0)
                    break;
                p->steps[k].in[i] = s->in[0];
            }
}

/* Steps whose values nothing reads. */
static mucmm_status remove_unused(mucmm__fuser *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm__plan *p = f->p;

    TRY(mucmm__fuse_count_users(f));
    for (int32_t k = p->n_steps - 1; k >= 0; k--) {
        mucmm__step *s = &p->steps[k];
        bool used = s->removed;
        for (int32_t i = 0; i < s->n_out; i++)
            used = used || (s->out[i] >= 0 && (f->users[s->out[i]] > 0 || p->vals[s->out[i]].keep));
        if (used)
            continue;
        s->removed = true;
        for (int32_t i = 0; i < s->n_in; i++)
            if (s->in[i] >= 0)
                f->users[s->in[i]]--;
    }
done:
    return status;
}

static mucmm_status remove_neutral(mucmm__fuser *f)
{
    mucmm_status status = MUCMM_OK;
    int32_t x = -1;

    for (int32_t k = 0; k < f->p->n_steps; k++) {
        mucmm__step *s = &f->p->steps[k];
        if (s->n_out == 1 && s->out[0] >= 0 && mucmm__fuse_is_float32(f, s->out[0]) &&
            is_neutral(f, s, &x))
            TRY(mucmm__fuse_rewrite(f, s, mucmm__fuse_op("Identity"), NULL, 0, &x, 1));
    }
    skip_identities(f->p);
    TRY(remove_unused(f));
    TRY(mucmm__fuse_count_users(f));
done:
    return status;
}

mucmm_status mucmm__plan_fuse(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;
    mucmm__fuser f = {.ctx = ctx, .p = p};

    TRY(mucmm__fuse_count_users(&f));
    TRY(remove_neutral(&f));
    for (int32_t k = 0; k < p->n_steps; k++)
        TRY(mucmm__fuse_patterns(&f, &p->steps[k]));
    for (int32_t k = 0; k < p->n_steps; k++)
        TRY(mucmm__fuse_on_top(&f, k));
    for (int32_t k = 0; k < p->n_steps; k++)
        TRY(mucmm__fuse_scaling(&f, &p->steps[k]));
done:
    mucmm__free(f.users);
    mucmm__free(f.user);
    return status;
}
