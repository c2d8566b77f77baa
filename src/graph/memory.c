/* SPDX-License-Identifier: MIT
 *
 * memory.c - where the values of a plan lie: two that are never needed at the same time may share
 * their bytes. Time is the number of the step (forward arena) or of the action (vjp arena). */
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define FOREVER INT32_MAX

typedef struct interval {
    int64_t bytes, *offset; /* where to write the place */
    int32_t first, last;    /* both included            */
} interval;

typedef struct intervals {
    interval *item;
    int32_t n, cap;
} intervals;

static mucmm_status add(mucmm_ctx *ctx, intervals *v, int64_t bytes, int32_t first, int32_t last,
                        int64_t *offset)
{
    mucmm_status status = MUCMM_OK;

    *offset = -1;
    if (v->n == v->cap) {
        int32_t more = v->cap ? 2 * v->cap : 256;
        TRY(mucmm__realloc(ctx, v->cap, more, sizeof *v->item, &v->item));
        v->cap = more;
    }
    v->item[v->n++] =
        (interval){(bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, offset, first, last};
done:
    return status;
}

static int larger_first(const void *a, const void *b)
{
    const interval *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first != y->first ? (x->first < y->first ? -1 : 1)
                                : (x->offset > y->offset) - (x->offset < y->offset);
}

static int by_offset(const void *a, const void *b)
{
    int64_t x = *(*(const interval *const *)a)->offset, y = *(*(const interval *const *)b)->offset;
    return (x > y) - (x < y);
}

/* The largest first, each at the lowest place that is free while it is needed. */
static mucmm_status place(mucmm_ctx *ctx, intervals *v, int64_t *total)
{
    mucmm_status status = MUCMM_OK;
    interval **busy = NULL;

    *total = 0;
    TRY(mucmm__alloc(ctx, v->n, sizeof *busy, &busy));
    if (v->n)
        qsort(v->item, (size_t)v->n, sizeof *v->item, larger_first);
    for (int32_t i = 0; i < v->n; i++) {
        interval *x = &v->item[i];
        int32_t n = 0;
        int64_t at = 0;
        for (int32_t j = 0; j < i; j++)
            if (v->item[j].first <= x->last && x->first <= v->item[j].last)
                busy[n++] = &v->item[j];
        if (n)
            qsort(busy, (size_t)n, sizeof *busy, by_offset);
        for (int32_t j = 0; j < n && at + x->bytes > *busy[j]->offset; j++)
            if (*busy[j]->offset + busy[j]->bytes > at)
                at = *busy[j]->offset + busy[j]->bytes;
        *x->offset = at;
        *total = at + x->bytes > *total ? at + x->bytes : *total;
    }
done:
    mucmm__free(busy);
    return status;
}

/* ---- the forward arena ------------------------------------------------------------- */

static int32_t root_of(const mucmm__plan *p, int32_t id)
{
    return p->vals[id].root;
}

static void use(const mucmm__plan *p, int32_t *last, int32_t id, int32_t time)
{
    if (id >= 0 && last[root_of(p, id)] < time)
        last[root_of(p, id)] = time;
}

/* Segment in which a root is computed; -1 for what is given. */
static int32_t segment_of(const mucmm__plan *p, int32_t root)
{
    return p->vals[root].step >= 0 ? p->steps[p->vals[root].step].segment : -1;
}

/* The vjp of step k needs the value: it is kept, unless it is computed again in k's segment. */
static void use_in_vjp(const mucmm__plan *p, int32_t *last, int32_t id, int32_t k)
{
    if (id >= 0 && !(p->segments && segment_of(p, root_of(p, id)) == p->steps[k].segment))
        last[root_of(p, id)] = FOREVER;
}

static void find_last_uses(const mucmm__plan *p, int32_t *last)
{
    for (int32_t i = 0; i < p->n_vals; i++)
        last[i] = -1;
    for (int32_t k = 0; k < p->n_steps; k++) {
        const mucmm__step *s = &p->steps[k];
        bool active = p->differentiable && mucmm__step_is_active(p, s);
        for (int32_t i = 0; i < s->n_in; i++) {
            use(p, last, s->in[i], k);
            if (active && mucmm__vjp_reads_input(p, s, i))
                use_in_vjp(p, last, s->in[i], k);
            if (p->segments && s->in[i] >= 0 && segment_of(p, root_of(p, s->in[i])) != s->segment)
                use(p, last, s->in[i], FOREVER);
        }
        for (int32_t i = 0; i < s->n_out; i++) {
            use(p, last, s->out[i], k);
            if (active && mucmm__vjp_reads_output(s, i))
                use_in_vjp(p, last, s->out[i], k);
        }
    }
    for (int32_t i = 0; i < p->n_outputs; i++)
        use(p, last, p->outputs[i], FOREVER);
}

/* Inputs are copied when a vjp may read them later; else they are read where the caller has them.
 */
static mucmm_status place_forward(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;
    intervals v = {0};
    int32_t *last = NULL;

    TRY(mucmm__alloc(ctx, p->n_vals, sizeof *last, &last));
    find_last_uses(p, last);
    for (int32_t i = 0; i < p->n_vals; i++) {
        mucmm__pval *x = &p->vals[i];
        if (!x->has_desc || x->root != i || x->known || (x->step < 0 && x->fed < 0))
            continue;
        if (x->fed >= 0 && last[i] == FOREVER)
            TRY(add(ctx, &v, mucmm__desc_bytes(&x->desc), -1, FOREVER, &x->offset));
        else if (x->fed < 0)
            TRY(add(ctx, &v, mucmm__desc_bytes(&x->desc), x->step, last[i], &x->offset));
    }
    for (int32_t k = 0; k < p->n_steps; k++)
        TRY(add(ctx, &v, p->steps[k].scratch, k, k, &p->steps[k].work));
    TRY(place(ctx, &v, &p->arena));
done:
    mucmm__free(last);
    mucmm__free(v.item);
    return status;
}

/* ---- the vjp arena ----------------------------------------------------------------- */

/* First and last action in which a gradient, or a value computed again, is there. */
typedef struct spans {
    int32_t *first, *last, *first_again, *last_again;
} spans;

static void touch(int32_t *first, int32_t *last, int32_t i, int32_t time)
{
    if (first[i] < 0)
        first[i] = time;
    last[i] = time;
}

static void touch_again(const mucmm__plan *p, spans *s, int32_t id, int32_t segment, int32_t time)
{
    if (id >= 0 && p->segments && segment_of(p, root_of(p, id)) == segment &&
        !p->vals[root_of(p, id)].known)
        touch(s->first_again, s->last_again, root_of(p, id), time);
}

static void span_step(const mucmm__plan *p, spans *s, const mucmm__action *a, int32_t time)
{
    const mucmm__step *step = &p->steps[a->index];

    for (int32_t i = 0; i < step->n_in; i++)
        if (a->kind == MUCMM__DO_FORWARD || mucmm__vjp_reads_input(p, step, i))
            touch_again(p, s, step->in[i], step->segment, time);
    for (int32_t i = 0; i < step->n_out; i++)
        if (a->kind == MUCMM__DO_FORWARD || mucmm__vjp_reads_output(step, i))
            touch_again(p, s, step->out[i], step->segment, time);
    if (a->kind == MUCMM__DO_FORWARD)
        return;
    for (int32_t i = 0; i < step->n_in; i++)
        if (p->gains[a->first_gain + i] != MUCMM__GAIN_NONE)
            touch(s->first, s->last, p->vals[step->in[i]].grad_root, time);
    for (int32_t i = 0; i < step->n_out; i++)
        if (step->out[i] >= 0 && p->vals[step->out[i]].active)
            touch(s->first, s->last, p->vals[step->out[i]].grad_root, time);
}

static void find_spans(const mucmm__plan *p, spans *s)
{
    for (int32_t i = 0; i < p->n_vals; i++)
        s->first[i] = s->last[i] = s->first_again[i] = s->last_again[i] = -1;
    for (int32_t t = 0; t < p->n_actions; t++) {
        const mucmm__action *a = &p->actions[t];
        int32_t id = a->kind == MUCMM__DO_SEED   ? p->outputs[a->index]
                     : a->kind == MUCMM__DO_GIVE ? p->wrt[a->index]
                                                 : -1;
        if (id < 0)
            span_step(p, s, a, t);
        else if (p->vals[id].active)
            touch(s->first, s->last, p->vals[id].grad_root, t);
    }
}

static mucmm_status place_action(mucmm_ctx *ctx, mucmm__plan *p, intervals *v, int32_t t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__action *a = &p->actions[t];
    const mucmm__step *s;

    if (a->kind != MUCMM__DO_FORWARD && a->kind != MUCMM__DO_VJP)
        return MUCMM_OK;
    s = &p->steps[a->index];
    TRY(add(ctx, v, a->kind == MUCMM__DO_FORWARD ? s->scratch : s->vjp_scratch, t, t, &a->work));
    for (int32_t i = 0; a->kind == MUCMM__DO_VJP && i < s->n_in; i++)
        if (p->gains[a->first_gain + i] == MUCMM__GAIN_ADD)
            TRY(add(ctx, v, mucmm__desc_bytes(s->in_desc[i]), t, t,
                    &p->gain_at[a->first_gain + i]));
done:
    return status;
}

static mucmm_status place_vjp(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;
    intervals v = {0};
    spans s = {0};

    TRY(mucmm__alloc(ctx, 4 * (int64_t)p->n_vals, sizeof *s.first, &s.first));
    s.last = s.first + p->n_vals;
    s.first_again = s.last + p->n_vals;
    s.last_again = s.first_again + p->n_vals;
    find_spans(p, &s);
    for (int32_t i = 0; i < p->n_vals; i++) {
        mucmm__pval *x = &p->vals[i];
        x->grad = x->again = -1;
        if (s.first[i] >= 0 && x->given < 0)
            TRY(add(ctx, &v, mucmm__desc_bytes(&x->desc), s.first[i], s.last[i], &x->grad));
        if (s.first_again[i] >= 0)
            TRY(add(ctx, &v, mucmm__desc_bytes(&x->desc), s.first_again[i], s.last_again[i],
                    &x->again));
    }
    for (int32_t t = 0; t < p->n_actions; t++)
        TRY(place_action(ctx, p, &v, t));
    TRY(place(ctx, &v, &p->vjp_arena));
done:
    mucmm__free(s.first);
    mucmm__free(v.item);
    return status;
}

/* ---- both -------------------------------------------------------------------------- */

static mucmm_status place_all(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;

    if (p->differentiable)
        TRY(mucmm__plan_actions(ctx, p));
    TRY(place_forward(ctx, p));
    if (p->differentiable)
        TRY(place_vjp(ctx, p));
done:
    return status;
}

static uint64_t bytes_of(const mucmm__plan *p)
{
    return (uint64_t)(p->arena + p->vjp_arena + p->taken);
}

mucmm_status mucmm__plan_memory(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;
    uint64_t least = UINT64_MAX;

    for (;;) {
        int32_t more = p->segments ? 2 * p->segments : 2;
        TRY(place_all(ctx, p));
        least = bytes_of(p) < least ? bytes_of(p) : least;
        if (least <= p->memory || !p->differentiable || p->eager || more > p->n_steps / 2)
            break;
        p->segments = more;
    }
    if (least > p->memory)
        status = mucmm__fail(ctx, MUCMM_ENOMEM,
                             "%s: the activations take %.1f MB and %.1f MB are allowed; use a "
                             "smaller batch or allow more",
                             p->graph->label, 1e-6 * (double)least, 1e-6 * (double)p->memory);
done:
    return status;
}
