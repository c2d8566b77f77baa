/* SPDX-License-Identifier: MIT
 *
 * test_graph.c - whole graphs: gradients through chains, inner tensors, recomputation, fusing,
 * threads, reference outputs. */
#include "generators.h"
#include "gradients.h"
#include "onnx_builder.h"

#include <pthread.h>

/* ---- making graphs ----------------------------------------------------------------- */

static void add_constant(net *n, const char *name, const char *shape, uint64_t stream, double scale)
{
    uint64_t key = mucmm__rng_key(77, stream);
    int64_t count = net_count(shape);
    float *w = calloc((size_t)count + 1, sizeof *w);

    for (int64_t i = 0; i < count; i++)
        w[i] = (float)(scale * mucmm__rng_normal(key, (uint64_t)i));
    net_floats(n, name, shape, w);
    free(w);
}

static void add_positive(net *n, const char *name, const char *shape, uint64_t stream)
{
    float *w = calloc((size_t)net_count(shape) + 1, sizeof *w);

    spaced_values(mucmm__rng_key(78, stream), net_count(shape), .5, 1.5, w);
    net_floats(n, name, shape, w);
    free(w);
}

/* An input of the file and of the run, filled with spaced values. */
static void add_input(net *n, subject *s, const char *name, const char *shape, bool wrt)
{
    int64_t dims[MUCMM_MAX_RANK];
    int32_t rank = net_shape(shape, dims);
    float *x = subject_add(s, name, MUCMM_F32, rank, dims, wrt);

    spaced_values(mucmm__rng_key(79, (uint64_t)s->n_in), net_count(shape), -1.5, 1.5, x);
    if (n)
        net_input(n, name, MUCMM_F32, shape);
}

/* x [2,3,6,6] -> conv -> h -> smooth residual block -> pooled -> y [2,4]; inner tensors h, r, p. */
static net residual_net(void)
{
    net n = net_new(13);

    net_input(&n, "x", MUCMM_F32, "2x3x6x6");
    add_constant(&n, "w1", "16x3x3x3", 1, .3);
    add_constant(&n, "w2", "16x16x3x3", 2, .1);
    add_constant(&n, "b2", "16", 3, .1);
    add_constant(&n, "w3", "4x16", 4, .3);
    net_node(&n, "Conv", "x w1", "c1", "pads=[1,1,1,1]");
    net_node(&n, "Tanh", "c1", "h", "");
    net_node(&n, "Conv", "h w2 b2", "c2", "pads=[1,1,1,1]");
    net_node(&n, "Add", "c2 h", "r0", "");
    net_node(&n, "Sigmoid", "r0", "r", "");
    net_node(&n, "Mul", "r h", "m", "");
    net_node(&n, "GlobalAveragePool", "m", "g", "");
    net_node(&n, "Flatten", "g", "p", "");
    net_node(&n, "Gemm", "p w3", "y", "transB=1");
    net_output(&n, "y");
    return n;
}

/* ---- gradients through whole graphs ------------------------------------------------ */

static void check_residual(const char *const *outputs, int32_t n_outputs)
{
    mucmm_ctx *ctx = new_ctx();
    net n = residual_net();
    subject s = {.n_out = n_outputs};

    for (int32_t i = 0; i < n_outputs; i++)
        s.out[i] = outputs[i];
    s.g = net_load(ctx, &n);
    add_input(NULL, &s, "x", "2x3x6x6", true);
    check_gradients(ctx, &s, "residual net", 5);
    subject_drop(&s);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

static void test_graph_gradient_through_values_used_twice(void **state)
{
    (void)state;
    check_residual((const char *[]){"y"}, 1);
}

static void test_graph_gradient_of_several_and_inner_outputs(void **state)
{
    (void)state;
    check_residual((const char *[]){"y", "r", "p"}, 3);
    check_residual((const char *[]){"h", "c2"}, 2);
}

static void test_graph_output_named_twice_receives_both_cotangents(void **state)
{
    (void)state;
    check_residual((const char *[]){"y", "p", "y"}, 3);
}

/* Runs with wrt names and outputs names; returns gradients (freed by drop_tensors). */
static void gradients_of(mucmm_ctx *ctx, mucmm_graph *g, const mucmm_named_tensor *in, int32_t n_in,
                         const char *const *outputs, int32_t n_out, const char *const *wrt,
                         int32_t n_wrt, uint64_t memory, uint64_t seed, mucmm_tensor *grads)
{
    mucmm_run_params p;
    mucmm_run *r;
    subject s = {.n_out = n_out};
    mucmm_tensor v[SUBJECT_MAX] = {0};

    mucmm_run_params_init(&p);
    p.outputs = outputs;
    p.n_outputs = n_out;
    p.wrt = wrt;
    p.n_wrt = n_wrt;
    p.memory = memory;
    CHECK_OK(ctx, mucmm_graph_run(ctx, g, in, n_in, &p, &r));
    random_cotangents(&s, r, mucmm__rng_key(seed, 0), v);
    for (int32_t i = 0; i < n_wrt; i++) {
        grads[i] = *mucmm_run_wrt(r, i);
        grads[i].data = calloc((size_t)tensor_count(&grads[i]) + 1, sizeof(float));
        for (int64_t k = 0; k < tensor_count(&grads[i]); k++)
            ((float *)grads[i].data)[k] = NAN;
    }
    CHECK_OK(ctx, mucmm_run_vjp(ctx, r, v, grads));
    drop_tensors(v, n_out);
    mucmm_run_free(r);
}

static void test_graph_inner_tensor_given_instead_of_computed(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = residual_net();
    subject s = {.n_out = 1, .out = {"h"}}, fed = {.n_out = 2, .out = {"y", "r"}};
    static const char *const outputs[] = {"y", "r"}, *const wrt[] = {"h", "x"};
    mucmm_tensor computed[2] = {0}, given[1] = {0};
    mucmm_run *r;
    void *h;

    (void)state;
    s.g = net_load(ctx, &n);
    add_input(NULL, &s, "x", "2x3x6x6", true);
    gradients_of(ctx, s.g, s.in, 1, outputs, 2, wrt, 2, 0, 3, computed);
    r = subject_run(ctx, &s, 0);
    h = subject_add(&fed, "h", MUCMM_F32, 4, mucmm_run_output(r, 0)->shape, true);
    memcpy(h, mucmm_run_output(r, 0)->data,
           (size_t)tensor_count(mucmm_run_output(r, 0)) * sizeof(float));
    mucmm_run_free(r);
    gradients_of(ctx, s.g, fed.in, 1, outputs, 2, wrt, 1, 0, 3, given);
    check_same("h", "given and computed differ", &given[0], &computed[0], 1e-5);
    fed.g = s.g;
    check_gradients(ctx, &fed, "h given", 6);
    drop_tensors(computed, 2);
    drop_tensors(given, 1);
    fed.g = NULL;
    subject_drop(&fed);
    subject_drop(&s);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

/* The gradient of an output with respect to itself, and of what reaches no output. */
static void test_graph_gradient_of_itself_and_of_nothing(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = residual_net();
    subject s = {.n_out = 1, .out = {"h"}};
    mucmm_tensor v[SUBJECT_MAX] = {0}, grads[2] = {0};
    static const char *const outputs[] = {"h"}, *const wrt[] = {"h", "y"};
    mucmm_run *r;

    (void)state;
    s.g = net_load(ctx, &n);
    add_input(NULL, &s, "x", "2x3x6x6", true);
    gradients_of(ctx, s.g, s.in, 1, outputs, 1, wrt, 2, 0, 9, grads);
    r = subject_run(ctx, &s, 0);
    random_cotangents(&s, r, mucmm__rng_key(9, 0), v);
    check_same("h", "its own gradient is not the cotangent", &v[0], &grads[0], 0);
    for (int64_t i = 0; i < tensor_count(&grads[1]); i++)
        CHECK_CLOSE((double)((float *)grads[1].data)[i], 0, 0);
    drop_tensors(grads, 2);
    drop_tensors(v, 1);
    mucmm_run_free(r);
    subject_drop(&s);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

/* vjp(2 v - w) = 2 vjp(v) - vjp(w) on one run, whatever ran before; NULL is a zero cotangent. */
static void test_graph_many_cotangents_on_one_run(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = residual_net();
    subject s = {.n_out = 2, .out = {"y", "p"}};
    mucmm_tensor v[SUBJECT_MAX] = {0}, w[SUBJECT_MAX] = {0}, g[4][SUBJECT_MAX] = {0};
    mucmm_run *r;

    (void)state;
    s.g = net_load(ctx, &n);
    add_input(NULL, &s, "x", "2x3x6x6", true);
    r = subject_run(ctx, &s, 1);
    memset(s.in[0].tensor.data, 0, (size_t)tensor_count(&s.in[0].tensor) * sizeof(float));
    random_cotangents(&s, r, 1, v);
    random_cotangents(&s, r, 2, w);
    subject_vjp(ctx, &s, r, 1, v, g[0]);
    subject_vjp(ctx, &s, r, 1, w, g[1]);
    for (int32_t o = 0; o < 2; o++)
        for (int64_t i = 0; i < tensor_count(&v[o]); i++)
            ((float *)w[o].data)[i] = 2 * ((float *)v[o].data)[i] - ((float *)w[o].data)[i];
    subject_vjp(ctx, &s, r, 1, w, g[2]);
    for (int64_t i = 0; i < tensor_count(&g[0][0]); i++)
        ((float *)g[0][0].data)[i] = 2 * ((float *)g[0][0].data)[i] - ((float *)g[1][0].data)[i];
    check_same("x", "the vjp is not linear", &g[0][0], &g[2][0], 1e-5);
    for (int32_t o = 0; o < 2; o++) {
        free(v[o].data);
        v[o].data = NULL;
    }
    subject_vjp(ctx, &s, r, 1, v, g[3]);
    for (int64_t i = 0; i < tensor_count(&g[3][0]); i++)
        CHECK_CLOSE((double)((float *)g[3][0].data)[i], 0, 0);
    for (int32_t k = 0; k < 4; k++)
        drop_tensors(g[k], 1);
    drop_tensors(w, 2);
    mucmm_run_free(r);
    subject_drop(&s);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

/* 32 layers over [4, 64]: each a product, an addition of the tensor before, and tanh. */
static net deep_net(void)
{
    net n = net_new(13);
    char in[32], out[16], product[16], sum[16], pair[40];

    net_input(&n, "x", MUCMM_F32, "4x64");
    for (int32_t k = 0; k < 32; k++) {
        char w[16];
        snprintf(w, sizeof w, "w%d", k);
        add_constant(&n, w, "64x64", 10 + (uint64_t)k, .06);
        snprintf(in, sizeof in, k ? "h%d w%d" : "x w0", k - 1, k);
        snprintf(product, sizeof product, "p%d", k);
        snprintf(sum, sizeof sum, "s%d", k);
        snprintf(out, sizeof out, "h%d", k);
        net_node(&n, "MatMul", in, product, "");
        snprintf(pair, sizeof pair, k ? "%s h%d" : "%s x", product, k - 1);
        net_node(&n, "Add", pair, sum, "");
        net_node(&n, "Tanh", sum, out, "");
    }
    net_output(&n, "h31");
    return n;
}

/* Less memory: first the same gradients, in the end a refusal that says how much is needed. */
static void test_graph_recomputes_when_memory_is_short(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = deep_net();
    subject s = {.n_out = 2, .out = {"h31", "h7"}};
    static const char *const outputs[] = {"h31", "h7"}, *const wrt[] = {"x", "h3"};
    mucmm_tensor want[2] = {0}, got[2] = {0};
    mucmm_run_params p;
    uint64_t full, least = 0;
    int32_t smaller = 0;

    (void)state;
    s.g = net_load(ctx, &n);
    add_input(NULL, &s, "x", "4x64", true);
    gradients_of(ctx, s.g, s.in, 1, outputs, 2, wrt, 2, 0, 3, want);
    mucmm_run_params_init(&p);
    p.outputs = outputs;
    p.n_outputs = 2;
    p.wrt = wrt;
    p.n_wrt = 2;
    CHECK_OK(ctx, mucmm_graph_memory(ctx, s.g, s.in, 1, &p, &full));
    for (uint64_t memory = full - 1; memory > full / 20; memory = memory * 9 / 10) {
        mucmm_run *r = NULL;
        mucmm_status status;
        p.memory = memory;
        status = mucmm_graph_run(ctx, s.g, s.in, 1, &p, &r);
        mucmm_run_free(r);
        if (status == MUCMM_ENOMEM)
            break;
        assert_int_equal(status, MUCMM_OK);
        gradients_of(ctx, s.g, s.in, 1, outputs, 2, wrt, 2, memory, 3, got);
        check_same("x", "recomputation changes the gradient", &want[0], &got[0], 0);
        check_same("h3", "recomputation changes the gradient", &want[1], &got[1], 0);
        drop_tensors(got, 2);
        smaller++;
        least = memory;
    }
    if (smaller < 2)
        fail_msg("only %d smaller budgets of %llu bytes were accepted", smaller,
                 (unsigned long long)full);
    p.memory = 100;
    {
        mucmm_run *r = NULL;
        assert_int_equal(mucmm_graph_run(ctx, s.g, s.in, 1, &p, &r), MUCMM_ENOMEM);
        assert_null(r);
    }
    assert_non_null(strstr(mucmm_ctx_message(ctx), "MB"));
    drop_tensors(want, 2);
    s.memory = least;
    s.n_out = 1;
    check_gradients(ctx, &s, "deep net", 8);
    subject_drop(&s);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

/* ---- fusing, layouts, threads ------------------------------------------------------ */

/* What may be fused with a convolution or a product whose value is s, up to t. A line is a node:
 * operator, inputs, output, attributes. */
static const char *const recipes[][6] = {
    {"Relu s t"},
    {"LeakyRelu s t alpha=0.2"},
    {"LeakyRelu s u alpha=0.2", "Max u,low t"},
    {"Max s,low t"},
    {"Min s,high t"},
    {"Clip s,low,high t"},
    {"Sigmoid s t"},
    {"Tanh s t"},
    {"HardSwish s t"},
    {"HardSigmoid s t alpha=0.2 beta=0.5"},
    {"Elu s t"},
    {"Softplus s t"},
    {"Relu s u", "Mul u,high v", "Add v,low t"},
    {"Clip s,low,high u", "Sub u,low v", "Div v,high t"},
    {"Mul s,channels u", "Add u,channels v", "Relu v t"},
    {"Sub low,s u", "Tanh u t"},
    {"Sigmoid s u", "Mul s,u t"},
    {"HardSigmoid s u alpha=0.16666667 beta=0.5", "Mul u,s t"},
    {"Add s,three u", "Clip u,zero,six v", "Mul s,v g", "Div g,six t"},
    {"Div s,root u", "Erf u v", "Add v,one g", "Mul s,g q", "Mul q,half t"},
    {"Mul s,half q", "Div s,root u", "Erf u v", "Add one,v g", "Mul q,g t"},
    {"Relu s u", "Relu u v", "Add v,s t"},
    {"Add s,s u", "Sigmoid u t"},
    {"HardSwish s u", "Mul u,high v", "Add v,low t"},
    {"Tanh s u", "Softplus u v", "Sub v,half g", "Div g,six q", "Mul three,q t"},
};
#define N_RECIPES (sizeof recipes / sizeof *recipes)

static void add_line(net *n, const char *line)
{
    char *words[NET_MAX] = {0}, attributes[64] = "";
    size_t count = net_split(n, line, ' ', words);

    for (char *c = words[1]; *c; c++)
        *c = *c == ',' ? ' ' : *c;
    for (size_t i = 3; i < count; i++)
        snprintf(attributes + strlen(attributes), sizeof attributes - strlen(attributes), "%s ",
                 words[i]);
    net_node(n, words[0], words[1], words[2], attributes);
}

/* kind 0: Conv of 16 channels, BatchNormalization, residual; 1: ConvTranspose; 2: depthwise Conv
 * and residual; 3: Gemm; 4: MatMul, bias. Then a recipe; out y. */
static void fused_net(net *n, int32_t kind, size_t recipe)
{
    static const struct {
        const char *name;
        float value;
    } scalars[] = {{"low", -.25F}, {"high", .75F}, {"zero", 0}, {"half", .5F},
                   {"one", 1},     {"three", 3},   {"six", 6},  {"root", 1.41421356F}};

    net_input(n, "x", MUCMM_F32, kind < 3 ? "2x16x5x5" : "3x16");
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        net_floats(n, scalars[i].name, "", &scalars[i].value);
    add_constant(n, "w",
                 kind == 0   ? "16x16x3x3"
                 : kind == 1 ? "16x16x2x2"
                 : kind == 2 ? "16x1x3x3"
                             : "16x16",
                 1, .2);
    add_constant(n, "bias", "16", 2, .3);
    add_constant(n, "channels", kind < 3 ? "16x1x1" : "16", 7, .3);
    add_constant(n, "beta", "16", 4, .3);
    add_constant(n, "mean", "16", 5, .3);
    add_positive(n, "gamma", "16", 3);
    add_positive(n, "var", "16", 6);
    if (kind == 0) {
        net_node(n, "Conv", "x w bias", "a", "pads=[1,1,1,1]");
        net_node(n, "BatchNormalization", "a gamma beta mean var", "b", "");
        net_node(n, "Add", "b x", "s", "");
    } else if (kind == 1) {
        net_node(n, "ConvTranspose", "x w", "a", "strides=[2,2]");
        net_node(n, "BatchNormalization", "a gamma beta mean var", "s", "");
    } else if (kind == 2) {
        net_node(n, "Conv", "x w bias", "a", "pads=[1,1,1,1] group=16");
        net_node(n, "Add", "x a", "s", "");
    } else if (kind == 3) {
        net_node(n, "Gemm", "x w bias", "s", "transB=1");
    } else {
        net_node(n, "MatMul", "x w", "a", "");
        net_node(n, "Add", "bias a", "s", "");
    }
    for (size_t i = 0; i < 6 && recipes[recipe][i]; i++)
        add_line(n, recipes[recipe][i]);
    net_node(n, "Mul", "t t", "y", "");
    net_output(n, "y");
}

/* y alone may be fused; with every inner tensor asked for by name nothing can be: y and the
 * gradient must be the same. */
static void check_fusing(mucmm_ctx *ctx, int32_t kind, size_t recipe)
{
    net n = net_new(14);
    subject s = {.n_out = 1, .out = {"y"}};
    mucmm_tensor v[SUBJECT_MAX] = {0}, fused[1] = {0}, plain[1] = {0};
    mucmm_run *r[2];
    char what[128];

    snprintf(what, sizeof what, "kind %d, %s ...", kind, recipes[recipe][0]);
    fused_net(&n, kind, recipe);
    s.g = net_load(ctx, &n);
    add_input(NULL, &s, "x", kind < 3 ? "2x16x5x5" : "3x16", true);
    r[0] = subject_run(ctx, &s, 1);
    random_cotangents(&s, r[0], 4, v);
    subject_vjp(ctx, &s, r[0], 1, v, fused);
    for (size_t i = 0; i + 1 < n.graph->n_node; i++)
        s.out[s.n_out++] = n.graph->node[i]->output[0];
    r[1] = subject_run(ctx, &s, 1);
    for (int32_t o = 1; o < s.n_out; o++)
        v[o] = (mucmm_tensor){0};
    subject_vjp(ctx, &s, r[1], 1, v, plain);
    check_same(what, "fusing changes y", mucmm_run_output(r[0], 0), mucmm_run_output(r[1], 0),
               2e-5);
    check_same(what, "fusing changes the gradient", &fused[0], &plain[0], 1e-4);
    mucmm_run_free(r[0]);
    s.n_out = 1; /* more is fused when there is no vjp */
    r[0] = subject_run(ctx, &s, 0);
    check_same(what, "fusing changes y without wrt", mucmm_run_output(r[0], 0),
               mucmm_run_output(r[1], 0), 2e-5);
    drop_tensors(fused, 1);
    drop_tensors(plain, 1);
    drop_tensors(v, 1);
    mucmm_run_free(r[0]);
    mucmm_run_free(r[1]);
    subject_drop(&s);
    net_drop(&n);
}

static void test_graph_fusing_changes_nothing(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int32_t kind = 0; kind < 5; kind++)
        for (size_t recipe = 0; recipe < N_RECIPES; recipe++)
            check_fusing(ctx, kind, recipe);
    mucmm_ctx_free(ctx);
}

static mucmm_ctx *ctx_of_threads(int32_t threads)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;

    mucmm_ctx_params_init(&p);
    p.threads = threads;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    return ctx;
}

static void test_graph_same_bytes_for_one_and_two_threads(void **state)
{
    mucmm_ctx *ctx[2] = {ctx_of_threads(1), ctx_of_threads(2)};
    static const char *const outputs[] = {"y"}, *const wrt[] = {"x", "h"};
    mucmm_tensor g[2][2] = {0};

    (void)state;
    for (int32_t t = 0; t < 2; t++) {
        net n = residual_net();
        subject s = {.n_out = 1, .out = {"y"}};
        s.g = net_load(ctx[t], &n);
        add_input(NULL, &s, "x", "2x3x6x6", true);
        gradients_of(ctx[t], s.g, s.in, 1, outputs, 1, wrt, 2, 0, 3, g[t]);
        subject_drop(&s);
        net_drop(&n);
    }
    check_same("x", "threads change the gradient", &g[0][0], &g[1][0], 0);
    check_same("h", "threads change the gradient", &g[0][1], &g[1][1], 0);
    for (int32_t t = 0; t < 2; t++) {
        drop_tensors(g[t], 2);
        mucmm_ctx_free(ctx[t]);
    }
}

/* ---- one graph, several threads of the caller -------------------------------------- */

typedef struct user {
    mucmm_graph *g;
    int64_t rows;
    mucmm_tensor grad[1];
} user;

/* cmocka's checks are for its own thread, so a failure leaves grad empty. */
static void *use_graph(void *arg)
{
    user *u = arg;
    static const float v[4 * 64] = {1, -2, 3};
    float x[4 * 64];
    const char *wrt = "x";
    mucmm_named_tensor in = {"x", {MUCMM_F32, 2, {u->rows, 64}, x}};
    mucmm_tensor cotangent = {MUCMM_F32, 2, {u->rows, 64}, (void *)(uintptr_t)v};
    mucmm_run_params p;
    mucmm_ctx *ctx;

    if (mucmm_ctx_create(NULL, &ctx) != MUCMM_OK)
        return NULL;
    spaced_values(1, u->rows * 64, -1, 1, x);
    mucmm_run_params_init(&p);
    p.wrt = &wrt;
    p.n_wrt = 1;
    for (int32_t round = 0; round < 10; round++) {
        mucmm_run *r;
        free(u->grad[0].data);
        u->grad[0].data = NULL;
        if (mucmm_graph_run(ctx, u->g, &in, 1, &p, &r) != MUCMM_OK)
            break;
        u->grad[0] = *mucmm_run_wrt(r, 0);
        u->grad[0].data = calloc((size_t)u->rows * 64, sizeof(float));
        mucmm_run_vjp(ctx, r, &cotangent, u->grad);
        mucmm_run_free(r);
    }
    mucmm_ctx_free(ctx);
    return NULL;
}

static void test_graph_is_shared_by_threads(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = deep_net();
    user users[6], alone[2];
    pthread_t threads[6];
    mucmm_graph *g;

    (void)state;
    n.graph->input[0]->type->tensor_type->shape = NULL;
    g = net_load(ctx, &n);
    for (int64_t i = 0; i < 6; i++) {
        users[i] = (user){.g = g, .rows = 3 + i % 2};
        assert_int_equal(pthread_create(&threads[i], NULL, use_graph, &users[i]), 0);
    }
    for (int64_t i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    for (int64_t i = 0; i < 2; i++) {
        alone[i] = (user){.g = g, .rows = 3 + i};
        use_graph(&alone[i]);
        assert_non_null(alone[i].grad[0].data);
    }
    for (int64_t i = 0; i < 6; i++) {
        assert_non_null(users[i].grad[0].data);
        check_same("x", "threads disturb each other", &alone[i % 2].grad[0], &users[i].grad[0], 0);
        free(users[i].grad[0].data);
    }
    free(alone[0].grad[0].data);
    free(alone[1].grad[0].data);
    mucmm_graph_free(g);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

/* One graph, batches of several sizes in turn: each is what the rows give one by one. */
static void test_graph_runs_with_several_shapes(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = net_new(13);
    mucmm_graph *g;
    float x[5 * 6], w[6 * 4], one[5 * 4];

    (void)state;
    spaced_values(1, 30, -2, 2, x);
    spaced_values(2, 24, -1, 1, w);
    net_input(&n, "x", MUCMM_F32, "?");
    net_floats(&n, "w", "6x4", w);
    net_node(&n, "MatMul", "x w", "p", "");
    net_node(&n, "Shape", "p", "shape", "");
    net_node(&n, "Softmax", "p", "q", "axis=-1");
    net_node(&n, "Reshape", "q shape", "y", "");
    net_output(&n, "y");
    g = net_load(ctx, &n);
    for (int64_t rows = 1; rows <= 5; rows++)
        for (int32_t again = 0; again < 2; again++) {
            mucmm_named_tensor in = {"x", {MUCMM_F32, 2, {rows, 6}, x}};
            mucmm_run *r;
            CHECK_OK(ctx, mucmm_graph_run(ctx, g, &in, 1, NULL, &r));
            assert_int_equal(mucmm_run_output(r, 0)->shape[0], rows);
            assert_null(mucmm_run_output(r, 1));
            if (rows == 5)
                memcpy(one, mucmm_run_output(r, 0)->data, sizeof one);
            mucmm_run_free(r);
        }
    for (int64_t i = 0; i < 5; i++) {
        mucmm_named_tensor in = {"x", {MUCMM_F32, 2, {1, 6}, x + 6 * i}};
        mucmm_run *r;
        CHECK_OK(ctx, mucmm_graph_run(ctx, g, &in, 1, NULL, &r));
        for (int32_t j = 0; j < 4; j++)
            CHECK_CLOSE((double)((float *)mucmm_run_output(r, 0)->data)[j], (double)one[4 * i + j],
                        1e-6);
        mucmm_run_free(r);
    }
    mucmm_graph_free(g);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

/* An If whose condition is known when the run is planned is its branch, with gradients. */
static void test_graph_if_takes_a_branch(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (uint8_t yes = 0; yes < 2; yes++) {
        net n = net_new(13);
        subject s = {.n_out = 1, .out = {"y"}};
        Onnx__GraphProto *whole = n.graph, *branches[2];
        Onnx__NodeProto *node;

        for (int32_t b = 0; b < 2; b++) {
            n.graph = branches[b] = net_graph(&n);
            net_node(&n, b ? "Tanh" : "Sigmoid", "x", b ? "then" : "else", "");
            net_output(&n, b ? "then" : "else");
        }
        n.graph = whole;
        add_input(&n, &s, "x", "2x3", true);
        net_constant(&n, "yes", MUCMM_BOOL, "", &yes);
        node = net_node(&n, "If", "yes", "z", "then_branch=0 else_branch=0");
        for (size_t b = 0; b < 2; b++) {
            node->attribute[b]->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
            node->attribute[b]->g = branches[1 - b];
        }
        net_node(&n, "Mul", "z x", "y", "");
        net_output(&n, "y");
        s.g = net_load(ctx, &n);
        check_gradients(ctx, &s, yes ? "then branch" : "else branch", 4);
        subject_drop(&s);
        net_drop(&n);
    }
    mucmm_ctx_free(ctx);
}

/* ---- out of memory ----------------------------------------------------------------- */

typedef struct model_bytes {
    const uint8_t *bytes;
    size_t size;
    const char *output;
} model_bytes;

static mucmm_status load_run_vjp(mucmm_ctx *ctx, void *arg)
{
    const model_bytes *m = arg;
    static float x[2 * 3 * 6 * 6], v[256], gradient[2 * 3 * 6 * 6];
    const char *wrt = "x";
    mucmm_named_tensor in = {"x", {MUCMM_F32, 4, {2, 3, 6, 6}, x}};
    mucmm_tensor cotangent, grad = {MUCMM_F32, 4, {2, 3, 6, 6}, gradient};
    mucmm_graph *g = NULL;
    mucmm_run *r = NULL;
    mucmm_status status = MUCMM_OK;
    mucmm_run_params p;

    TRY(mucmm_graph_load_memory(ctx, m->bytes, m->size, "test.onnx", &g));
    mucmm_run_params_init(&p);
    p.outputs = &m->output;
    p.n_outputs = 1;
    p.wrt = &wrt;
    p.n_wrt = 1;
    TRY(mucmm_graph_run(ctx, g, &in, 1, &p, &r));
    cotangent = *mucmm_run_output(r, 0);
    assert_true(tensor_count(&cotangent) <= 256);
    cotangent.data = v;
    TRY(mucmm_run_vjp(ctx, r, &cotangent, &grad));
done:
    mucmm_run_free(r);
    mucmm_graph_free(g);
    return status;
}

static void test_graph_out_of_memory_leaves_nothing_behind(void **state)
{
    net n = residual_net();
    model_bytes m = {.output = "z"};
    int64_t failed;

    (void)state;
    net_node(&n, "LayerNormalization", "y w4 b4", "l", "");
    net_node(&n, "Softmax", "l", "q", "");
    net_node(&n, "TopK", "q two", "t i", "");
    net_node(&n, "Shape", "t", "shape", "");
    net_node(&n, "Reshape", "t shape", "z", "");
    add_constant(&n, "w4", "4", 5, 1);
    add_constant(&n, "b4", "4", 6, 1);
    net_ints(&n, "two", "1", (const int64_t[]){2});
    n.model->opset_import[0]->version = 17;
    m.bytes = net_bytes(&n, &m.size);
    failed = sweep_out_of_memory(load_run_vjp, &m, 100);
    if (failed < 60)
        fail_msg("only %lld allocations", (long long)failed);
    net_drop(&n);
}

/* ---- reference outputs ------------------------------------------------------------- */

static mucmm_graph *shared_graph(mucmm_ctx *ctx, const char *name)
{
    char path[1024], file[512];
    mucmm_graph *g = NULL;

    snprintf(file, sizeof file, "data/encoders/%s", name);
    shared_path(path, sizeof path, file);
    if (access(path, R_OK) != 0) {
        print_message("# skipped: %s is not there\n", path);
        skip();
    }
    CHECK_OK(ctx, mucmm_graph_load(ctx, path, &g));
    return g;
}

static double *reference(mucmm_ctx *ctx, const char *name, mucmm_tensor *shape)
{
    char file[512];
    double *values;

    snprintf(file, sizeof file, "data/reference/%s.npy", name);
    values = shared_npy(ctx, file, shape->shape);
    shape->rank = 0;
    while (shape->rank < MUCMM_MAX_RANK && shape->shape[shape->rank] > 0)
        shape->rank++;
    return values;
}

/* The reference as float32 tensor (freed with free). */
static mucmm_tensor reference_input(mucmm_ctx *ctx, const char *name)
{
    mucmm_tensor t = {.dtype = MUCMM_F32};
    double *values = reference(ctx, name, &t);
    float *data = calloc((size_t)tensor_count(&t), sizeof *data);

    for (int64_t i = 0; i < tensor_count(&t); i++)
        data[i] = (float)values[i];
    mucmm__free(values);
    t.data = data;
    return t;
}

/* To 1e-4 of the largest number. */
static void check_reference(mucmm_ctx *ctx, const mucmm_tensor *got, const char *name)
{
    mucmm_tensor shape = {0};
    double *want = reference(ctx, name, &shape), largest = 0;

    assert_int_equal(tensor_count(got), tensor_count(&shape));
    for (int64_t i = 0; i < tensor_count(got); i++)
        largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < tensor_count(got); i++)
        CHECK_CLOSE((double)((float *)got->data)[i], want[i], 1e-4 * fmax(largest, 1));
    mucmm__free(want);
}

static void check_network(const char *file, const mucmm_named_tensor *in, int32_t n_in,
                          const char *const *outputs, const char *const *names, int32_t n)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm_graph *g = shared_graph(ctx, file);
    mucmm_run_params p;
    mucmm_run *r;

    mucmm_run_params_init(&p);
    p.outputs = outputs;
    p.n_outputs = n;
    CHECK_OK(ctx, mucmm_graph_run(ctx, g, in, n_in, &p, &r));
    for (int32_t i = 0; i < n; i++)
        check_reference(ctx, mucmm_run_output(r, i), names[i]);
    mucmm_run_free(r);
    mucmm_graph_free(g);
    mucmm_ctx_free(ctx);
}

static void test_reference_mobilenet(void **state)
{
    static const char *const outputs[] = {"pooled", "imagenet_logits", "emoji_logits",
                                          "Conv2d_13_pointwise_relu6"};
    static const char *const names[] = {"mn025_pooled", "mn025_imagenet_logits",
                                        "mn025_emoji_logits", "mn025_Conv2d_13_pointwise_relu6"};
    mucmm_ctx *ctx = new_ctx();
    mucmm_named_tensor in = {"image", reference_input(ctx, "image_banana")};

    (void)state;
    check_network("mobilenetv1_025_224.onnx", &in, 1, outputs, names, 4);
    free(in.tensor.data);
    mucmm_ctx_free(ctx);
}

static void test_reference_sentence_encoder(void **state)
{
    static const char *const outputs[] = {"embedding", "pooled"};
    static const char *const names[] = {"use_red_apple_fruit_embedding",
                                        "use_red_apple_fruit_pooled"};
    int64_t ids[32] = {1181, 5459, 3214};
    float mask[32] = {1, 1, 1};
    mucmm_named_tensor in[] = {{"ids", {MUCMM_I64, 2, {1, 32}, ids}},
                               {"mask", {MUCMM_F32, 2, {1, 32}, mask}}};

    (void)state;
    check_network("use_lite_T32.onnx", in, 2, outputs, names, 2);
}

static void test_reference_audio(void **state)
{
    static const char *const mel[] = {"output"}, *const embedding[] = {"conv2d_19"};
    mucmm_ctx *ctx = new_ctx();
    mucmm_named_tensor in = {"input", reference_input(ctx, "audio")};
    mucmm_named_tensor frames = {"input_1", reference_input(ctx, "mel")};

    (void)state;
    check_network("melspectrogram.onnx", &in, 1, mel, (const char *[]){"mel"}, 1);
    frames.tensor.rank = 4; /* [1, 1, 76, 32] / 10 + 2 as [1, 76, 32, 1] */
    memcpy(frames.tensor.shape, (int64_t[]){1, 76, 32, 1}, 4 * sizeof(int64_t));
    for (int64_t i = 0; i < tensor_count(&frames.tensor); i++)
        ((float *)frames.tensor.data)[i] = ((float *)frames.tensor.data)[i] / 10 + 2;
    check_network("embedding_model.onnx", &frames, 1, embedding,
                  (const char *[]){"speech_embedding"}, 1);
    free(in.tensor.data);
    free(frames.tensor.data);
    mucmm_ctx_free(ctx);
}

/* The reference was made by ONNX Runtime 1.20.1, whose optimizer folds the Pad of zeros into the
 * AveragePool that follows without counting the zeros. (Not optimized, it gives what this library
 * gives.) The model is changed in the same way before it is compared. */
static void fold_pad(Onnx__GraphProto *g)
{
    Onnx__NodeProto *pad = NULL, *pool = NULL;

    for (size_t i = 0; i < g->n_node; i++) {
        if (strcmp(g->node[i]->op_type, "Pad") == 0)
            pad = g->node[i];
        if (strcmp(g->node[i]->op_type, "AveragePool") == 0)
            pool = g->node[i];
    }
    assert_non_null(pad);
    assert_non_null(pool);
    assert_string_equal(pool->input[0], pad->output[0]);
    free(pool->input[0]);
    pool->input[0] = strdup(pad->input[0]);
    for (size_t i = 0; i < pool->n_attribute; i++)
        for (size_t k = 0; strcmp(pool->attribute[i]->name, "pads") == 0 && k < 4; k++)
            pool->attribute[i]->ints[k] = 1;
}

static mucmm_graph *detector(mucmm_ctx *ctx)
{
    char path[1024];
    uint8_t *bytes;
    mucmm_graph *g = NULL;
    Onnx__ModelProto *m;
    size_t size;
    FILE *f;

    mucmm_graph_free(shared_graph(ctx, "FastestDet.onnx")); /* may skip the test */
    bytes = malloc(1 << 21);
    shared_path(path, sizeof path, "data/encoders/FastestDet.onnx");
    f = fopen(path, "rb");
    assert_non_null(f);
    size = fread(bytes, 1, 1 << 21, f);
    fclose(f);
    m = onnx__model_proto__unpack(NULL, size, bytes);
    assert_non_null(m);
    fold_pad(m->graph);
    size = onnx__model_proto__get_packed_size(m);
    assert_true(size < 1 << 21);
    onnx__model_proto__pack(m, bytes);
    onnx__model_proto__free_unpacked(m, NULL);
    CHECK_OK(ctx, mucmm_graph_load_memory(ctx, bytes, size, "FastestDet.onnx", &g));
    free(bytes);
    return g;
}

static void test_reference_detector(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm_graph *g = detector(ctx);
    mucmm_named_tensor in = {"input.1", reference_input(ctx, "fastestdet_in")};
    mucmm_run *r;

    (void)state;
    CHECK_OK(ctx, mucmm_graph_run(ctx, g, &in, 1, NULL, &r));
    check_reference(ctx, mucmm_run_output(r, 0), "fastestdet_out");
    mucmm_run_free(r);
    mucmm_graph_free(g);
    free(in.tensor.data);
    mucmm_ctx_free(ctx);
}

/* ---- whole networks ---------------------------------------------------------------- */

static const struct {
    const char *file, *input, *shape, *wrt;
    bool shrinks;   /* deep enough for recomputation to pay */
    double threads; /* tolerance; not 0 where oneDNN's own convolution adds in another order */
} networks[] = {
    {"mobilenetv1_025_96.onnx", "image", "3x3x96x96", "image", true, 0},
    {"use_lite_T32.onnx", "ids", "2x32", "token_embeddings", false, 0},
    {"melspectrogram.onnx", "input", "1x4000", "input", false, 0},
    {"embedding_model.onnx", "input_1", "2x76x32x1", "input_1", true, 0},
    {"FastestDet.onnx", "input.1", "1x3x352x352", "input.1", true, 0},
    {"basic_pitch.onnx", "serving_default_input_2:0", "1x43844x1", "serving_default_input_2:0",
     true, 1e-5},
};

/* The inputs of network k: noise, or token numbers and a mask. */
static void network_inputs(size_t k, subject *s)
{
    int64_t dims[MUCMM_MAX_RANK];
    int32_t rank = net_shape(networks[k].shape, dims);
    bool tokens = strcmp(networks[k].input, "ids") == 0;
    void *x = subject_add(s, networks[k].input, tokens ? MUCMM_I64 : MUCMM_F32, rank, dims, false);
    float *mask = tokens ? subject_add(s, "mask", MUCMM_F32, rank, dims, false) : NULL;

    for (int64_t i = 0; i < net_count(networks[k].shape); i++)
        if (tokens) {
            mask[i] = i % 32 < 7;
            ((int64_t *)x)[i] = i % 32 < 7 ? 100 + 37 * i : 0;
        } else {
            ((float *)x)[i] = (float)mucmm__rng_normal(3, (uint64_t)i);
        }
}

/* The gradient of the first output; *needs becomes the bytes of the run. */
static void network_gradient(size_t k, int32_t threads, uint64_t memory, uint64_t *needs,
                             mucmm_tensor grad[1])
{
    mucmm_ctx *ctx = ctx_of_threads(threads);
    subject s = {0};
    mucmm_run_params p;
    const char *output;

    s.g = shared_graph(ctx, networks[k].file); /* may skip the test */
    network_inputs(k, &s);
    output = mucmm_graph_output(s.g, 0)->name;
    mucmm_run_params_init(&p);
    p.outputs = &output;
    p.n_outputs = 1;
    p.wrt = &networks[k].wrt;
    p.n_wrt = 1;
    CHECK_OK(ctx, mucmm_graph_memory(ctx, s.g, s.in, s.n_in, &p, needs));
    gradients_of(ctx, s.g, s.in, s.n_in, &output, 1, &networks[k].wrt, 1, memory, 3, grad);
    subject_drop(&s);
    mucmm_ctx_free(ctx);
}

static void test_graph_networks_do_not_depend_on_threads_or_memory(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof networks / sizeof *networks; k++) {
        mucmm_tensor one[1], two[1], again[1];
        uint64_t needs, less;
        double size = 0;

        network_gradient(k, 1, 0, &needs, one);
        network_gradient(k, 2, 0, &needs, two);
        network_gradient(k, 1, networks[k].shrinks ? needs - needs / 16 : needs, &less, again);
        check_same(networks[k].file, "threads change the gradient", &one[0], &two[0],
                   networks[k].threads);
        check_same(networks[k].file, "recomputation changes the gradient", &one[0], &again[0], 0);
        for (int64_t i = 0; i < tensor_count(&one[0]); i++)
            size += fabs((double)((float *)one[0].data)[i]);
        assert_true(isfinite(size) && size > 0);
        drop_tensors(one, 1);
        drop_tensors(two, 1);
        drop_tensors(again, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_gradient_through_values_used_twice),
        cmocka_unit_test(test_graph_gradient_of_several_and_inner_outputs),
        cmocka_unit_test(test_graph_output_named_twice_receives_both_cotangents),
        cmocka_unit_test(test_graph_inner_tensor_given_instead_of_computed),
        cmocka_unit_test(test_graph_gradient_of_itself_and_of_nothing),
        cmocka_unit_test(test_graph_many_cotangents_on_one_run),
        cmocka_unit_test(test_graph_recomputes_when_memory_is_short),
        cmocka_unit_test(test_graph_fusing_changes_nothing),
        cmocka_unit_test(test_graph_same_bytes_for_one_and_two_threads),
        cmocka_unit_test(test_graph_runs_with_several_shapes),
        cmocka_unit_test(test_graph_if_takes_a_branch),
        cmocka_unit_test(test_graph_is_shared_by_threads),
        cmocka_unit_test(test_graph_out_of_memory_leaves_nothing_behind),
        cmocka_unit_test(test_graph_networks_do_not_depend_on_threads_or_memory),
        cmocka_unit_test(test_reference_mobilenet),
        cmocka_unit_test(test_reference_sentence_encoder),
        cmocka_unit_test(test_reference_audio),
        cmocka_unit_test(test_reference_detector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
