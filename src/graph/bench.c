/* SPDX-License-Identifier: MIT
 *
 * How long a network takes, forward and back. */
#include "graph/graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Runs before the first that counts, at least. */
enum { WARM_RUNS = 3 };

typedef struct bench {
    const mucmm_graph *g;
    mucmm_named_tensor *inputs; /* [n_inputs], with numbers of their own */
    int32_t n_inputs;
    mucmm_run_params params;
    mucmm_tensor *cotangents; /* [n_outputs] of ones */
    mucmm_tensor gradient;
} bench;

static int64_t count_of(const mucmm_tensor *t)
{
    int64_t n = 1;

    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

/* 0/64 to 63/64 in turn, or 0 to 63. */
static mucmm_status fill(mucmm_ctx *ctx, mucmm_tensor *t, const char *name)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = 1;

    for (int32_t i = 0; i < t->rank; i++)
        if (!mucmm__mul(n, t->shape[i], &n))
            return mucmm__fail(ctx, MUCMM_EARG, "input '%s' has a dimension that is no size", name);
    TRY(mucmm__alloc(ctx, n, sizeof(int64_t), &t->data));
    for (int64_t i = 0; i < n; i++)
        switch (t->dtype) {
        case MUCMM_F32:
            ((float *)t->data)[i] = (float)(i % 64) / 64;
            break;
        case MUCMM_I64:
            ((int64_t *)t->data)[i] = i % 64;
            break;
        case MUCMM_I32:
            ((int32_t *)t->data)[i] = (int32_t)(i % 64);
            break;
        default:
            return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                               "input '%s' is %s; numbers are made up for float32, int32 and int64",
                               name, mucmm_dtype_name(t->dtype));
        }
done:
    return status;
}

static mucmm_status make_inputs(mucmm_ctx *ctx, bench *b, const mucmm_named_tensor *inputs)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, b->n_inputs, sizeof *b->inputs, &b->inputs));
    for (int32_t i = 0; i < b->n_inputs; i++) {
        b->inputs[i] = inputs[i];
        b->inputs[i].tensor.data = NULL;
        TRY(fill(ctx, &b->inputs[i].tensor, inputs[i].name));
    }
done:
    return status;
}

/* A forward pass as a user makes it; with a gradient if the params ask for one. */
static mucmm_status run_once(mucmm_ctx *ctx, bench *b)
{
    mucmm_status status = MUCMM_OK;
    mucmm_run *r = NULL;

    TRY(mucmm_graph_run(ctx, b->g, b->inputs, b->n_inputs, &b->params, &r));
    if (b->params.n_wrt > 0)
        TRY(mucmm_run_vjp(ctx, r, b->cotangents, &b->gradient));
done:
    mucmm_run_free(r);
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static mucmm_status measure(mucmm_ctx *ctx, bench *b, int64_t repeats, double *median)
{
    mucmm_status status = MUCMM_OK;
    double *times = NULL;

    TRY(mucmm__alloc(ctx, repeats, sizeof *times, &times));
    for (int64_t i = 0; i < WARM_RUNS || i < repeats; i++)
        TRY(run_once(ctx, b));
    for (int64_t i = 0; i < repeats; i++) {
        double start = mucmm__now();
        TRY(run_once(ctx, b));
        times[i] = mucmm__now() - start;
    }
    qsort(times, (size_t)repeats, sizeof *times, ascending);
    *median = (times[repeats / 2] + times[(repeats - 1) / 2]) / 2;
done:
    mucmm__free(times);
    return status;
}

static mucmm_status default_wrt(mucmm_ctx *ctx, const mucmm_graph *g, const char **out)
{
    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++)
        if (mucmm_graph_input(g, i)->tensor.dtype == MUCMM_F32) {
            *out = mucmm_graph_input(g, i)->name;
            return MUCMM_OK;
        }
    return mucmm__fail(ctx, MUCMM_EARG,
                       "the network has no float32 input; name an inner tensor as `wrt`");
}

/* Cotangents of ones for the float32 outputs, and room for the gradient. */
static mucmm_status prepare_vjp(mucmm_ctx *ctx, bench *b)
{
    mucmm_status status = MUCMM_OK;
    mucmm_run *r = NULL;
    int32_t n = b->params.n_outputs > 0 ? b->params.n_outputs : mucmm_graph_outputs(b->g);

    TRY(mucmm_graph_run(ctx, b->g, b->inputs, b->n_inputs, &b->params, &r));
    b->gradient = *mucmm_run_wrt(r, 0);
    b->gradient.data = NULL;
    TRY(mucmm__alloc(ctx, count_of(&b->gradient), sizeof(float), &b->gradient.data));
    TRY(mucmm__alloc(ctx, n, sizeof *b->cotangents, &b->cotangents));
    for (int32_t i = 0; i < n; i++) {
        mucmm_tensor *t = &b->cotangents[i];
        *t = *mucmm_run_output(r, i);
        t->data = NULL;
        if (t->dtype != MUCMM_F32)
            continue;
        TRY(mucmm__alloc(ctx, count_of(t), sizeof(float), &t->data));
        for (int64_t k = 0; k < count_of(t); k++)
            ((float *)t->data)[k] = 1;
    }
done:
    mucmm_run_free(r);
    return status;
}

static void drop(bench *b)
{
    int32_t n = b->params.n_outputs > 0 ? b->params.n_outputs : mucmm_graph_outputs(b->g);

    for (int32_t i = 0; b->inputs && i < b->n_inputs; i++)
        mucmm__free(b->inputs[i].tensor.data);
    for (int32_t i = 0; b->cotangents && i < n; i++)
        mucmm__free(b->cotangents[i].data);
    mucmm__free(b->inputs);
    mucmm__free(b->cotangents);
    mucmm__free(b->gradient.data);
}

mucmm_status mucmm_bench_graph(mucmm_ctx *ctx, const mucmm_graph *g,
                               const mucmm_named_tensor *inputs, int32_t n_inputs,
                               const mucmm_run_params *params, int64_t repeats, double *forward,
                               double *both)
{
    mucmm_status status = MUCMM_OK;
    bench b = {.g = g, .n_inputs = n_inputs};
    const char *wrt = NULL;
    const char *const *asked;
    int32_t n_asked;

    mucmm_run_params_init(&b.params);
    TRY(mucmm__params_take(ctx, "mucmm_run_params", params, &b.params, sizeof b.params));
    if (repeats < 1 || n_inputs < 0 || b.params.n_wrt > 1)
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        "a network is timed in at least one run, with respect to one tensor"));
    asked = b.params.wrt;
    n_asked = b.params.n_wrt;
    b.params.n_wrt = 0;
    TRY(make_inputs(ctx, &b, inputs));
    TRY(measure(ctx, &b, repeats, forward));
    if (both) {
        if (n_asked == 0)
            TRY(default_wrt(ctx, g, &wrt));
        b.params.wrt = n_asked > 0 ? asked : &wrt;
        b.params.n_wrt = 1;
        TRY(prepare_vjp(ctx, &b));
        TRY(measure(ctx, &b, repeats, both));
    }
done:
    drop(&b);
    return status;
}
