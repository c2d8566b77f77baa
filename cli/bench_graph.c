/* SPDX-License-Identifier: MIT
 *
 * mucmm bench graph: how long a network takes, forward and back.
 */
#include "graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option bench_graph_options[] = {
    {"input-shape", 0, OPTION_TENSORS, true, AT(input_shape), 0, 0, "TENSOR=1x3x224x224",
     "shape of an input; its numbers are 0/64 to 63/64 in turn, or 0 to 63"},
    {"vjp", 0, OPTION_FLAG, false, AT(vjp), 0, 0, NULL,
     "measure forward and gradient together too, with a cotangent of ones"},
    {"wrt", 0, OPTION_TEXT, false, AT(wrt), 0, 0, "TENSOR",
     "input or inner tensor of the gradient (default: the first float32 input)"},
    OPTION_TENSOR("tensor to compute (default: the outputs); may be repeated"),
    {"repeats", 0, OPTION_COUNT, false, AT(repeats), 1, 1000000, "N",
     "the median of N runs is reported (default 20)"},
    OPTION_JSON,
    OPTION_THREADS,
    OPTION_END,
};

/* One measurement: inputs, what is asked for, and the memory of a gradient. */
typedef struct bench {
    session *s;
    mucmm_graph *g;
    mucmm_named_tensor inputs[MAX_TENSORS];
    int32_t n_inputs;
    const char *names[MAX_TENSORS];
    mucmm_run_params params;
    mucmm_tensor cotangents[MAX_TENSORS], gradient;
} bench;

static int64_t count_of(const mucmm_tensor *t)
{
    int64_t n = 1;

    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

static const mucmm_named_tensor *find_input(const mucmm_graph *g, const char *name)
{
    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++)
        if (strcmp(mucmm_graph_input(g, i)->name, name) == 0)
            return mucmm_graph_input(g, i);
    return NULL;
}

static int fill(mucmm_tensor *t, const char *name)
{
    int64_t n = count_of(t);
    int code = 0;

    TRY(allocate(&t->data, n, sizeof(int64_t)));
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
            return fail(EXIT_RUN, "input '%s' is %s; bench graph makes up float32, int32 and int64",
                        name, dtype_text(t->dtype));
        }
done:
    return code;
}

static int make_inputs(bench *b, const tensor_pairs *shapes)
{
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank;
    int code = 0;

    for (int32_t i = 0; i < shapes->n; i++) {
        TRY(check(b->s, mucmm_graph_find(b->s->ctx, b->g, shapes->name[i])));
        const mucmm_named_tensor *declared = find_input(b->g, shapes->name[i]);
        mucmm_named_tensor *t = &b->inputs[b->n_inputs++];
        if (!parse_shape(shapes->value[i], shape, &rank))
            return fail(EXIT_USAGE, "--input-shape: '%s' is not a shape such as 1x3x224x224",
                        shapes->value[i]);
        t->name = shapes->name[i];
        t->tensor.dtype = declared ? declared->tensor.dtype : MUCMM_F32;
        t->tensor.rank = rank;
        memcpy(t->tensor.shape, shape, sizeof shape);
        TRY(fill(&t->tensor, t->name));
    }
done:
    return code;
}

/* A forward pass as a user makes it; with a gradient if the params ask for one. */
static int run_once(bench *b)
{
    mucmm_run *r = NULL;
    int code = 0;

    TRY(check(b->s, mucmm_graph_run(b->s->ctx, b->g, b->inputs, b->n_inputs, &b->params, &r)));
    if (b->params.n_wrt > 0)
        TRY(check(b->s, mucmm_run_vjp(b->s->ctx, r, b->cotangents, &b->gradient)));
done:
    mucmm_run_free(r);
    return code;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Median of `repeats` runs in milliseconds, after three runs and half a second of them. */
static int measure(bench *b, int64_t repeats, double *median)
{
    double *times = NULL, warm = seconds_now();
    int code = 0;

    TRY(allocate(&times, repeats, sizeof *times));
    for (int i = 0; i < 3 || seconds_now() - warm < 0.5; i++)
        TRY(run_once(b));
    for (int64_t i = 0; i < repeats; i++) {
        double start = seconds_now();
        TRY(run_once(b));
        times[i] = 1e3 * (seconds_now() - start);
    }
    qsort(times, (size_t)repeats, sizeof *times, ascending);
    *median = (times[repeats / 2] + times[(repeats - 1) / 2]) / 2;
done:
    free(times);
    return code;
}

static int default_wrt(const mucmm_graph *g, const char **out)
{
    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++)
        if (mucmm_graph_input(g, i)->tensor.dtype == MUCMM_F32) {
            *out = mucmm_graph_input(g, i)->name;
            return 0;
        }
    return fail(EXIT_RUN, "the network has no float32 input; name an inner tensor with --wrt");
}

/* Cotangents of ones for the float32 outputs, and room for the gradient. */
static int prepare_vjp(bench *b, const char *const *wrt)
{
    mucmm_run *r = NULL;
    int code = 0;

    b->params.wrt = wrt;
    b->params.n_wrt = 1;
    TRY(check(b->s, mucmm_graph_run(b->s->ctx, b->g, b->inputs, b->n_inputs, &b->params, &r)));
    b->gradient = *mucmm_run_wrt(r, 0);
    TRY(allocate(&b->gradient.data, count_of(&b->gradient), sizeof(float)));
    for (int32_t i = 0; i < b->params.n_outputs; i++) {
        mucmm_tensor *t = &b->cotangents[i];
        *t = *mucmm_run_output(r, i);
        t->data = NULL;
        if (t->dtype != MUCMM_F32)
            continue;
        TRY(allocate(&t->data, count_of(t), sizeof(float)));
        for (int64_t k = 0; k < count_of(t); k++)
            ((float *)t->data)[k] = 1;
    }
done:
    mucmm_run_free(r);
    return code;
}

static void free_bench(bench *b)
{
    for (int32_t i = 0; i < MAX_TENSORS; i++) {
        free(b->inputs[i].tensor.data);
        free(b->cotangents[i].data);
    }
    free(b->gradient.data);
    mucmm_graph_free(b->g);
}

static int print_times(const settings *given, int32_t threads, int64_t repeats, double forward,
                       double both)
{
    if (given->json) {
        json_t *root = json_pack("{s:i, s:I, s:f}", "threads", (int)threads, "repeats",
                                 (json_int_t)repeats, "forward_ms", forward);
        if (given->vjp)
            json_put(root, "forward_vjp_ms", json_real(both));
        return print_json(root);
    }
    printf("forward            %10.3f ms, median of %" PRId64 " on %" PRId32 " threads\n", forward,
           repeats, threads);
    if (given->vjp)
        printf("forward and vjp    %10.3f ms, %.2f times the forward pass\n", both, both / forward);
    return 0;
}

int run_bench_graph(const settings *given)
{
    session s = {0};
    bench b = {.s = &s};
    const char *wrt = given->wrt;
    int64_t repeats = given->repeats > 0 ? given->repeats : 20;
    double forward = 0, both = 0;
    int code = 0;

    mucmm_run_params_init(&b.params);
    TRY(session_open(&s, given));
    TRY(graph_open(&s, given, &b.g));
    TRY(make_inputs(&b, &given->input_shape));
    TRY(output_names(given, b.g, b.names, &b.params.n_outputs));
    b.params.outputs = b.names;
    TRY(measure(&b, repeats, &forward));
    if (given->vjp) {
        if (!wrt)
            TRY(default_wrt(b.g, &wrt));
        TRY(prepare_vjp(&b, &wrt));
        TRY(measure(&b, repeats, &both));
    }
    code = print_times(given, mucmm_ctx_threads(s.ctx), repeats, forward, both);
done:
    free_bench(&b);
    session_close(&s);
    return code;
}
