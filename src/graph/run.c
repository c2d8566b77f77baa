/* SPDX-License-Identifier: MIT
 *
 * run.c - carrying out a plan: forward, and backwards. */
#include "graph/plan_watch.h"

#include <inttypes.h>
#include <omp.h>
#include <stdatomic.h>
#include <string.h>

#define DEFAULT_MEMORY ((uint64_t)8 << 30)

struct mucmm_run {
    mucmm_graph *graph; /* counted */
    mucmm__plan *plan;  /* counted */
    mucmm__arena *arena;
    const mucmm_tensor *grads; /* the caller's, during a vjp */
    const void **fed;          /* [n_fed] the caller's numbers, during the forward pass */
    mucmm_tensor *outputs, *wrt;
    const void **x, **dy; /* of one step */
    void **y, **dx;
    mucmm__watch *watch; /* NULL, or the caller's */
};

void mucmm_run_params_init_sized(mucmm_run_params *p, size_t size)
{
    mucmm__params_init(p, size, &(mucmm_run_params){.struct_size = 0}, sizeof *p);
}

/* ---- what is asked ----------------------------------------------------------------- */

typedef struct asked {
    int32_t *fed, *outputs, *wrt;
    mucmm__desc *desc;
    const void **data;
    mucmm__request request;
} asked;

static void asked_drop(asked *a)
{
    mucmm__free(a->fed);
    mucmm__free(a->outputs);
    mucmm__free(a->wrt);
    mucmm__free(a->desc);
    mucmm__free(a->data);
}

/* Does an input fit what the file declares? */
static mucmm_status check_declared(mucmm_ctx *ctx, const mucmm_graph *g, int32_t id,
                                   const mucmm_tensor *t)
{
    char got[MUCMM__SHAPE_TEXT];
    mucmm__desc d = {.rank = t->rank};

    memcpy(d.shape, t->shape, sizeof d.shape);
    for (int32_t i = 0; i < g->n_inputs; i++) {
        const mucmm_tensor *want = &g->inputs[i].tensor;
        bool fits = want->rank == t->rank;
        if (g->input_ids[i] != id)
            continue;
        if (want->dtype != t->dtype && mucmm_dtype_size(want->dtype))
            return mucmm__fail(ctx, MUCMM_ESHAPE, "%s: input '%.200s' is %s; the network takes %s",
                               g->label, g->names[id], mucmm_dtype_name(t->dtype),
                               mucmm_dtype_name(want->dtype));
        for (int32_t k = 0; fits && k < t->rank; k++)
            fits = want->shape[k] < 0 || want->shape[k] == t->shape[k];
        if (!fits && want->rank >= 0) {
            char text[MUCMM__SHAPE_TEXT];
            mucmm__desc w = {.rank = want->rank};
            memcpy(w.shape, want->shape, sizeof w.shape);
            return mucmm__fail(
                ctx, MUCMM_ESHAPE,
                "%s: input '%.200s' has the shape %s; the network takes %s (-1: any length)",
                g->label, g->names[id], mucmm__shape_text(got, &d), mucmm__shape_text(text, &w));
        }
    }
    return MUCMM_OK;
}

static mucmm_status check_tensor(mucmm_ctx *ctx, const mucmm_graph *g, int32_t id,
                                 const mucmm_tensor *t)
{
    int64_t n = mucmm_dtype_size(t->dtype);

    if (n == 0 || t->rank < 0 || t->rank > MUCMM_MAX_RANK)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: input '%.200s' has type %d and rank %d, which are not valid",
                           g->label, g->names[id], (int)t->dtype, t->rank);
    for (int32_t k = 0; k < t->rank; k++)
        if (!mucmm__mul(n, t->shape[k], &n) || (uint64_t)n > ctx->max_alloc / 64)
            return mucmm__fail(ctx, MUCMM_EARG,
                               "%s: input '%.200s': its shape is negative or too large", g->label,
                               g->names[id]);
    if (g->values[id].constant.data)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: '%.200s' is a constant of the network and cannot be given",
                           g->label, g->names[id]);
    return check_declared(ctx, g, id, t);
}

static mucmm_status find_all(mucmm_ctx *ctx, const mucmm_graph *g, const char *const *names,
                             int32_t n, int32_t **ids)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, n, sizeof **ids, ids));
    for (int32_t i = 0; i < n; i++)
        TRY(mucmm__graph_value(ctx, g, names[i], &(*ids)[i]));
done:
    return status;
}

static mucmm_status ask(mucmm_ctx *ctx, const mucmm_graph *g, const mucmm_named_tensor *inputs,
                        int32_t n_inputs, const mucmm_run_params *params, asked *a)
{
    mucmm_status status = MUCMM_OK;
    mucmm_run_params p;

    mucmm_run_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_run_params", params, &p, sizeof p));
    if (n_inputs < 0 || p.n_outputs < 0 || p.n_wrt < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "%s: a negative number of tensors", g->label);
    TRY(mucmm__alloc(ctx, n_inputs, sizeof *a->fed, &a->fed));
    TRY(mucmm__alloc(ctx, n_inputs, sizeof *a->desc, &a->desc));
    TRY(mucmm__alloc(ctx, n_inputs, sizeof *a->data, &a->data));
    for (int32_t i = 0; i < n_inputs; i++) {
        const mucmm_tensor *t = &inputs[i].tensor;
        TRY(mucmm__graph_value(ctx, g, inputs[i].name, &a->fed[i]));
        TRY(check_tensor(ctx, g, a->fed[i], t));
        for (int32_t j = 0; j < i; j++)
            if (a->fed[j] == a->fed[i])
                TRY(mucmm__fail(ctx, MUCMM_EARG, "%s: input '%.200s' is given twice", g->label,
                                inputs[i].name));
        a->desc[i] = (mucmm__desc){.dtype = t->dtype, .rank = t->rank, .block = 1};
        memcpy(a->desc[i].shape, t->shape, (size_t)t->rank * sizeof *t->shape);
        a->data[i] = t->data;
    }
    if (p.outputs) {
        TRY(find_all(ctx, g, p.outputs, p.n_outputs, &a->outputs));
    } else {
        p.n_outputs = g->body.n_outputs;
        TRY(mucmm__alloc(ctx, p.n_outputs, sizeof *a->outputs, &a->outputs));
        for (int32_t i = 0; i < p.n_outputs; i++)
            a->outputs[i] = g->body.outputs[i];
    }
    TRY(find_all(ctx, g, p.wrt, p.n_wrt, &a->wrt));
    a->request = (mucmm__request){.n_fed = n_inputs,
                                  .n_outputs = p.n_outputs,
                                  .n_wrt = p.n_wrt,
                                  .fed = a->fed,
                                  .outputs = a->outputs,
                                  .wrt = a->wrt,
                                  .fed_desc = a->desc,
                                  .fed_data = a->data,
                                  .memory = p.memory ? p.memory : DEFAULT_MEMORY};
done:
    return status;
}

/* ---- steps ------------------------------------------------------------------------- */

/* The numbers of a value for a step of a segment (-1: in the forward pass). */
static void *numbers(const mucmm_run *r, int32_t id, int32_t segment)
{
    const mucmm__plan *p = r->plan;
    const mucmm__pval *v;

    if (id < 0)
        return NULL;
    if (p->vals[id].known)
        return (void *)(uintptr_t)p->vals[id].known;
    v = &p->vals[p->vals[id].root];
    if (v->known)
        return (void *)(uintptr_t)v->known;
    if (segment >= 0 && v->again >= 0 && v->step >= 0 && p->steps[v->step].segment == segment)
        return r->arena->vjp + v->again;
    if (v->offset >= 0)
        return r->arena->forward + v->offset;
    return v->fed >= 0 ? (void *)(uintptr_t)r->fed[v->fed] : NULL;
}

static mucmm__call step_call(mucmm_ctx *ctx, const mucmm_run *r, const mucmm__step *s, void *work)
{
    return (mucmm__call){.ctx = ctx,
                         .node = s->node,
                         .graph = r->graph,
                         .n_in = s->n_in,
                         .n_out = s->n_out,
                         .in = s->in_desc,
                         .out = s->out_desc,
                         .known = s->known,
                         .state = s->state,
                         .scratch = s->scratch,
                         .vjp_scratch = s->vjp_scratch,
                         .differentiable = r->plan->differentiable,
                         .fused = s->has_fused ? &s->fused : NULL,
                         .x = r->x,
                         .y = r->y,
                         .dy = r->dy,
                         .dx = r->dx,
                         .work = work};
}

static mucmm_status forward_step(mucmm_ctx *ctx, mucmm_run *r, const mucmm__step *s,
                                 int32_t segment, void *work)
{
    mucmm__call c = step_call(ctx, r, s, work);

    if (s->op->flags & MUCMM__VIEW)
        return MUCMM_OK;
    for (int32_t i = 0; i < s->n_in; i++)
        r->x[i] = numbers(r, s->in[i], segment);
    for (int32_t i = 0; i < s->n_out; i++)
        r->y[i] = numbers(r, s->out[i], segment);
    return s->op->forward(&c);
}

static void watch_values(const mucmm_run *r, const int32_t *ids, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (ids[i] >= 0)
            r->watch->bad[ids[i]] =
                !mucmm__is_finite_tensor(&r->plan->vals[ids[i]].desc, numbers(r, ids[i], -1));
}

static mucmm_status forward(mucmm_ctx *ctx, mucmm_run *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__plan *p = r->plan;

    for (int32_t i = 0; i < p->n_fed; i++) {
        const mucmm__pval *v = &p->vals[p->fed[i]];
        if (v->offset >= 0)
            memcpy(r->arena->forward + v->offset, r->fed[i], (size_t)mucmm__desc_bytes(&v->desc));
    }
    if (r->watch) {
        TRY(mucmm__alloc(ctx, p->n_vals, sizeof *r->watch->bad, &r->watch->bad));
        watch_values(r, p->fed, p->n_fed);
    }
    for (int32_t k = 0; k < p->n_steps; k++) {
        const mucmm__step *s = &p->steps[k];
        if (!p->eager)
            TRY(forward_step(ctx, r, s, -1, r->arena->forward + s->work));
        if (r->watch)
            watch_values(r, s->out, s->n_out);
    }
    if (r->watch)
        mucmm__watch_trace(r->watch, p);
done:
    return status;
}

/* ---- backwards --------------------------------------------------------------------- */

typedef struct sum_job {
    const float *x;
    float *y;
} sum_job;

static void add_range(void *arg, int64_t first, int64_t last)
{
    const sum_job *job = arg;

    for (int64_t i = first; i < last; i++)
        job->y[i] += job->x[i];
}

static void gain_from(mucmm_ctx *ctx, mucmm__gain how, const float *x, float *y, int64_t bytes)
{
    if (how == MUCMM__GAIN_WRITE)
        memcpy(y, x, (size_t)bytes);
    else if (how == MUCMM__GAIN_ADD)
        mucmm__parallel_range(ctx, bytes / (int64_t)sizeof(float), 1 << 15, add_range,
                              &(sum_job){x, y});
}

static float *gradient(const mucmm_run *r, int32_t id)
{
    const mucmm__pval *v = &r->plan->vals[r->plan->vals[id].grad_root];
    return v->given >= 0 ? r->grads[v->given].data : (void *)(r->arena->vjp + v->grad);
}

/* Is the memory of a value's gradient handed out at the end? */
static bool is_given(const mucmm__plan *p, int32_t id)
{
    for (int32_t i = 0; i < p->n_wrt; i++)
        if (p->vals[p->wrt[i]].grad_root == p->vals[id].grad_root)
            return true;
    return false;
}

/* After a step's vjp, whose results r->dx points to. */
static void watch_gradients(const mucmm_run *r, const mucmm__step *s)
{
    for (int32_t i = 0; r->watch && i < s->n_in; i++)
        if (r->dx[i] && !r->watch->backward[0] && !mucmm__is_finite_tensor(s->in_desc[i], r->dx[i]))
            mucmm__watch_node(s, r->watch->backward);
}

static mucmm_status vjp_step(mucmm_ctx *ctx, mucmm_run *r, const mucmm__action *a)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__plan *p = r->plan;
    const mucmm__step *s = &p->steps[a->index];
    const mucmm__gain *gains = p->gains + a->first_gain;
    const int64_t *at = p->gain_at + a->first_gain;
    int32_t segment = p->segments ? s->segment : -1;
    mucmm__call c = step_call(ctx, r, s, r->arena->vjp + a->work);

    if (s->op->flags & MUCMM__VIEW) {
        gain_from(ctx, gains[0], gradient(r, s->out[0]), gradient(r, s->in[0]),
                  mucmm__desc_bytes(s->in_desc[0]));
        return MUCMM_OK;
    }
    for (int32_t i = 0; i < s->n_in; i++) {
        r->x[i] = mucmm__vjp_reads_input(p, s, i) ? numbers(r, s->in[i], segment) : NULL;
        r->dx[i] = gains[i] == MUCMM__GAIN_WRITE ? gradient(r, s->in[i])
                   : gains[i] == MUCMM__GAIN_ADD ? (void *)(r->arena->vjp + at[i])
                                                 : NULL;
    }
    for (int32_t i = 0; i < s->n_out; i++) {
        r->y[i] = mucmm__vjp_reads_output(s, i) ? numbers(r, s->out[i], segment) : NULL;
        r->dy[i] = s->out[i] >= 0 && p->vals[s->out[i]].active ? gradient(r, s->out[i]) : NULL;
    }
    c.spare_dy = s->n_out == 1 && s->out[0] >= 0 && !is_given(p, s->out[0]);
    TRY(s->op->vjp(&c));
    watch_gradients(r, s);
    for (int32_t i = 0; i < s->n_in; i++)
        if (gains[i] == MUCMM__GAIN_ADD)
            gain_from(ctx, MUCMM__GAIN_ADD, r->dx[i], gradient(r, s->in[i]),
                      mucmm__desc_bytes(s->in_desc[i]));
done:
    return status;
}

/* The gradient of wrt i, dense, to the caller. */
static mucmm_status give(mucmm_ctx *ctx, mucmm_run *r, int32_t i, float *out)
{
    const mucmm__pval *v = &r->plan->vals[r->plan->wrt[i]];
    const mucmm__desc *in = &v->desc;
    mucmm__desc dense = v->desc, *to = &dense;
    const mucmm__op *op = mucmm__op_internal("Reorder");
    mucmm__node node = {.op = op, .name = r->graph->label};
    const void *x;
    void *y = out;
    mucmm__call c = {.ctx = ctx,
                     .node = &node,
                     .graph = r->graph,
                     .n_in = 1,
                     .n_out = 1,
                     .in = &in,
                     .out = &to,
                     .x = &x,
                     .y = &y};

    dense.block = 1;
    if (!v->active) {
        memset(out, 0, (size_t)mucmm__desc_bytes(&dense));
        return MUCMM_OK;
    }
    x = gradient(r, r->plan->wrt[i]);
    if (in->block > 1)
        return op->forward(&c);
    if (x != out)
        memcpy(out, x, (size_t)mucmm__desc_bytes(&dense));
    return MUCMM_OK;
}

static mucmm_status act(mucmm_ctx *ctx, mucmm_run *r, const mucmm__action *a,
                        const mucmm_tensor *cotangents, mucmm_tensor *grads)
{
    const mucmm__plan *p = r->plan;
    int32_t id;
    int64_t bytes;

    switch (a->kind) {
    case MUCMM__DO_FORWARD:
        return forward_step(ctx, r, &p->steps[a->index], p->steps[a->index].segment,
                            r->arena->vjp + a->work);
    case MUCMM__DO_SEED:
        id = p->outputs[a->index];
        bytes = mucmm__desc_bytes(&p->vals[id].desc);
        if (cotangents[a->index].data)
            gain_from(ctx, p->gains[a->first_gain], cotangents[a->index].data, gradient(r, id),
                      bytes);
        else if (p->gains[a->first_gain] == MUCMM__GAIN_WRITE)
            memset(gradient(r, id), 0, (size_t)bytes);
        return MUCMM_OK;
    case MUCMM__DO_VJP:
        return vjp_step(ctx, r, a);
    case MUCMM__DO_GIVE:
        return give(ctx, r, a->index, grads[a->index].data);
    }
    return MUCMM_OK;
}

static bool same_tensor(const mucmm_tensor *t, const mucmm_tensor *want)
{
    return t->dtype == MUCMM_F32 && t->rank == want->rank &&
           memcmp(t->shape, want->shape, (size_t)want->rank * sizeof *t->shape) == 0;
}

static mucmm_status check_vjp(mucmm_ctx *ctx, const mucmm_run *r, const mucmm_tensor *cotangents,
                              const mucmm_tensor *grads)
{
    const mucmm__plan *p = r->plan;

    if (!p->differentiable)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: this run was not made for gradients; name what they are taken with "
                           "respect to in mucmm_run_params.wrt",
                           r->graph->label);
    for (int32_t i = 0; i < p->n_outputs; i++)
        if (cotangents[i].data && !same_tensor(&cotangents[i], &r->outputs[i]))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "%s: cotangent %d must be float32 and have the shape of its output",
                               r->graph->label, i);
    for (int32_t i = 0; i < p->n_wrt; i++)
        if (!grads[i].data || !same_tensor(&grads[i], &r->wrt[i]))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "%s: gradient %d must be float32 and have the shape of its tensor",
                               r->graph->label, i);
    return MUCMM_OK;
}

mucmm_status mucmm_run_vjp(mucmm_ctx *ctx, mucmm_run *r, const mucmm_tensor *cotangents,
                           mucmm_tensor *grads)
{
    mucmm_status status = MUCMM_OK;
    int threads = omp_get_max_threads();

    omp_set_num_threads(ctx->threads);
    TRY(check_vjp(ctx, r, cotangents, grads));
    r->grads = grads;
    if (r->watch)
        r->watch->backward[0] = '\0';
    if (!r->arena->vjp)
        TRY(mucmm__alloc(ctx, r->plan->vjp_arena, 1, &r->arena->vjp));
    for (int32_t k = 0; k < r->plan->n_actions; k++)
        TRY(act(ctx, r, &r->plan->actions[k], cotangents, grads));
done:
    omp_set_num_threads(threads);
    return status;
}

/* ---- runs -------------------------------------------------------------------------- */

static mucmm_status take_arena(mucmm_ctx *ctx, mucmm_graph *g, mucmm__plan *p, mucmm__arena **out)
{
    mucmm_status status = MUCMM_OK;

    pthread_mutex_lock(&g->lock);
    *out = p->pool;
    if (p->pool)
        p->pool = p->pool->next;
    pthread_mutex_unlock(&g->lock);
    if (!*out)
        TRY(mucmm__alloc(ctx, 1, sizeof **out, out));
    if (!(*out)->forward)
        TRY(mucmm__alloc(ctx, p->arena, 1, &(*out)->forward));
done:
    return status;
}

void mucmm_run_free(mucmm_run *r)
{
    if (!r)
        return;
    if (r->arena) {
        pthread_mutex_lock(&r->graph->lock);
        r->arena->next = r->plan->pool;
        r->plan->pool = r->arena;
        pthread_mutex_unlock(&r->graph->lock);
    }
    mucmm__plan_free(r->plan);
    mucmm_graph_free(r->graph);
    mucmm__free(r->fed);
    mucmm__free(r->outputs);
    mucmm__free(r->wrt);
    mucmm__free(r->x);
    mucmm__free(r->y);
    mucmm__free(r->dy);
    mucmm__free(r->dx);
    mucmm__free(r);
}

static mucmm_tensor tensor_of(const mucmm__desc *d, void *data)
{
    mucmm_tensor t = {d->dtype, d->rank, {0}, data};
    memcpy(t.shape, d->shape, sizeof t.shape);
    return t;
}

static mucmm_status run_alloc(mucmm_ctx *ctx, mucmm_run *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__plan *p = r->plan;

    TRY(mucmm__alloc(ctx, p->n_fed, sizeof *r->fed, &r->fed));
    TRY(mucmm__alloc(ctx, p->n_outputs, sizeof *r->outputs, &r->outputs));
    TRY(mucmm__alloc(ctx, p->n_wrt, sizeof *r->wrt, &r->wrt));
    TRY(mucmm__alloc(ctx, p->max_in, sizeof *r->x, &r->x));
    TRY(mucmm__alloc(ctx, p->max_out, sizeof *r->y, &r->y));
    TRY(mucmm__alloc(ctx, p->max_out, sizeof *r->dy, &r->dy));
    TRY(mucmm__alloc(ctx, p->max_in, sizeof *r->dx, &r->dx));
    TRY(take_arena(ctx, r->graph, r->plan, &r->arena));
    for (int32_t i = 0; i < p->n_outputs; i++)
        r->outputs[i] = tensor_of(&p->vals[p->outputs[i]].desc, numbers(r, p->outputs[i], -1));
    for (int32_t i = 0; i < p->n_wrt; i++)
        r->wrt[i] = tensor_of(&p->vals[p->wrt[i]].desc, NULL);
done:
    return status;
}

mucmm_status mucmm__graph_run_watched(mucmm_ctx *ctx, const mucmm_graph *g,
                                      const mucmm_named_tensor *inputs, int32_t n_inputs,
                                      const mucmm_run_params *params, mucmm__watch *w,
                                      mucmm_run **out)
{
    mucmm_status status = MUCMM_OK;
    int threads = omp_get_max_threads();
    mucmm_run *r = NULL;
    asked a = {0};

    *out = NULL;
    omp_set_num_threads(ctx->threads);
    TRY(ask(ctx, g, inputs, n_inputs, params, &a));
    TRY(mucmm__alloc(ctx, 1, sizeof *r, &r));
    r->graph = mucmm__graph_keep(g);
    r->watch = w;
    TRY(mucmm__plan_get(ctx, r->graph, &a.request, &r->plan));
    TRY(run_alloc(ctx, r));
    for (int32_t i = 0; i < n_inputs; i++)
        r->fed[i] = a.data[i];
    TRY(forward(ctx, r));
    *out = r;
    r = NULL;
done:
    omp_set_num_threads(threads);
    asked_drop(&a);
    mucmm_run_free(r);
    return status;
}

mucmm_status mucmm_graph_run(mucmm_ctx *ctx, const mucmm_graph *g, const mucmm_named_tensor *inputs,
                             int32_t n_inputs, const mucmm_run_params *params, mucmm_run **out)
{
    return mucmm__graph_run_watched(ctx, g, inputs, n_inputs, params, NULL, out);
}

mucmm_status mucmm__run_stop(mucmm_ctx *ctx, const mucmm_run *r, bool some,
                             char text[MUCMM__WATCH_TEXT], bool *apart)
{
    return mucmm__plan_stop(ctx, r->plan, some, text, apart);
}

mucmm_status mucmm_graph_memory(mucmm_ctx *ctx, const mucmm_graph *g,
                                const mucmm_named_tensor *inputs, int32_t n_inputs,
                                const mucmm_run_params *params, uint64_t *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_graph *kept = mucmm__graph_keep(g);
    mucmm__plan *p = NULL;
    asked a = {0};

    *out = UINT64_MAX;
    TRY(ask(ctx, g, inputs, n_inputs, params, &a));
    a.request.fed_data = NULL;
    a.request.memory = UINT64_MAX / 4;
    TRY(mucmm__plan_get(ctx, kept, &a.request, &p));
    if (p)
        *out = (uint64_t)(p->arena + p->vjp_arena);
done:
    asked_drop(&a);
    mucmm__plan_free(p);
    mucmm_graph_free(kept);
    return status;
}

const mucmm_tensor *mucmm_run_output(const mucmm_run *r, int32_t i)
{
    return i >= 0 && i < r->plan->n_outputs ? &r->outputs[i] : NULL;
}

const mucmm_tensor *mucmm_run_wrt(const mucmm_run *r, int32_t i)
{
    return i >= 0 && i < r->plan->n_wrt ? &r->wrt[i] : NULL;
}
