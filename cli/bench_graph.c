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

static const mucmm_named_tensor *find_input(const mucmm_graph *g, const char *name)
{
    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++)
        if (strcmp(mucmm_graph_input(g, i)->name, name) == 0)
            return mucmm_graph_input(g, i);
    return NULL;
}

/* Shapes, and types as the network declares them; float32 of inner tensors. */
static int read_inputs(session *s, const mucmm_graph *g, const tensor_pairs *shapes,
                       mucmm_named_tensor *named)
{
    int code = 0;

    for (int32_t i = 0; i < shapes->n; i++) {
        mucmm_tensor *t = &named[i].tensor;
        TRY(check(s, mucmm_graph_find(s->ctx, g, shapes->name[i])));
        const mucmm_named_tensor *declared = find_input(g, shapes->name[i]);
        if (!parse_shape(shapes->value[i], t->shape, &t->rank))
            return fail(EXIT_USAGE, "--input-shape: '%s' is not a shape such as 1x3x224x224",
                        shapes->value[i]);
        named[i].name = shapes->name[i];
        t->dtype = declared ? declared->tensor.dtype : MUCMM_F32;
    }
done:
    return code;
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
    mucmm_graph *g = NULL;
    mucmm_named_tensor named[MAX_TENSORS] = {{.name = NULL}};
    const char *names[MAX_TENSORS];
    mucmm_run_params p;
    int64_t repeats = given->repeats > 0 ? given->repeats : 20;
    double forward = 0, both = 0;
    int code = 0;

    mucmm_run_params_init(&p);
    TRY(session_open(&s, given));
    TRY(graph_open(&s, given, &g));
    TRY(read_inputs(&s, g, &given->input_shape, named));
    TRY(output_names(given, g, names, &p.n_outputs));
    p.outputs = names;
    p.wrt = &given->wrt;
    p.n_wrt = given->wrt ? 1 : 0;
    TRY(check(&s, mucmm_bench_graph(s.ctx, g, named, given->input_shape.n, &p, repeats, &forward,
                                    given->vjp ? &both : NULL)));
    code = print_times(given, mucmm_ctx_threads(s.ctx), repeats, 1e3 * forward, 1e3 * both);
done:
    mucmm_graph_free(g);
    session_close(&s);
    return code;
}
