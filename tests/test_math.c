/* SPDX-License-Identifier: MIT
 *
 * test_math.c - products, sums and normalizations against loops that follow the definition, in
 * double, over lengths about the widths of the vectorized loops; and the same bytes for any number
 * of threads. */
#include "scene.h"

#include "onnx_builder.h"

/* ---- products ---------------------------------------------------------------------- */

typedef struct product {
    const char *x, *w; /* shapes: x given at run time, w constant or not */
    int64_t batches, x_batches, w_batches, m, k, n;
} product;

/* y[b] = x[b] w[b], repeated where there is one. */
static double *multiply(const product *p, const float *x, const float *w)
{
    double *y = calloc((size_t)(p->batches * p->m * p->n) + 1, sizeof *y);

    for (int64_t b = 0; b < p->batches; b++)
        for (int64_t i = 0; i < p->m; i++)
            for (int64_t j = 0; j < p->n; j++)
                for (int64_t q = 0; q < p->k; q++)
                    y[(b * p->m + i) * p->n + j] +=
                        (double)x[((b % p->x_batches) * p->m + i) * p->k + q] *
                        (double)w[((b % p->w_batches) * p->k + q) * p->n + j];
    return y;
}

static void check_product(mucmm_ctx *ctx, const product *p, bool constant)
{
    mucmm_named_tensor in[2] = {{"x", {.dtype = MUCMM_F32}}, {"w", {.dtype = MUCMM_F32}}};
    float *x = floats(1, -1, 1), *w = floats(2, -1, 1);
    double *want = multiply(p, x, w);
    net n = net_new(13);
    mucmm_graph *g;
    mucmm_run *r;

    in[0].tensor.data = x;
    in[1].tensor.data = w;
    in[0].tensor.rank = net_shape(p->x, in[0].tensor.shape);
    in[1].tensor.rank = net_shape(p->w, in[1].tensor.shape);
    net_input(&n, "x", MUCMM_F32, p->x);
    if (constant)
        net_floats(&n, "w", p->w, w);
    else
        net_input(&n, "w", MUCMM_F32, p->w);
    net_node(&n, "MatMul", "x w", "y", "");
    net_output(&n, "y");
    g = net_load(ctx, &n);
    CHECK_OK(ctx, mucmm_graph_run(ctx, g, in, constant ? 1 : 2, NULL, &r));
    for (int64_t i = 0; i < p->batches * p->m * p->n; i++)
        CHECK_CLOSE((double)((float *)mucmm_run_output(r, 0)->data)[i], want[i], 2e-5);
    mucmm_run_free(r);
    mucmm_graph_free(g);
    net_drop(&n);
    free(x);
    free(w);
    free(want);
}

static void test_products(void **state)
{
    static const product cases[] = {
        {"7x9", "9x11", 1, 1, 1, 7, 9, 11},       {"8x8", "8x8", 1, 1, 1, 8, 8, 8},
        {"1x40", "40x33", 1, 1, 1, 1, 40, 33},    {"33x17", "17x65", 1, 1, 1, 33, 17, 65},
        {"40", "40x33", 1, 1, 1, 1, 40, 33},      {"33x40", "40", 1, 1, 1, 33, 40, 1},
        {"3x5x16", "16x24", 1, 1, 1, 15, 16, 24}, {"6x5x4", "6x4x3", 6, 6, 6, 5, 4, 3},
        {"5x4", "6x4x3", 6, 1, 6, 5, 4, 3},       {"1x5x4", "6x4x3", 6, 1, 6, 5, 4, 3},
        {"2x1x5x4", "1x1x4x3", 2, 2, 1, 5, 4, 3}, {"9x0", "0x12", 1, 1, 1, 9, 0, 12},
    };
    mucmm_ctx *ctx[2] = {context(1), context(2)};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int32_t k = 0; k < 2; k++) {
            check_product(ctx[k], &cases[i], true);
            check_product(ctx[k], &cases[i], false);
        }
    mucmm_ctx_free(ctx[0]);
    mucmm_ctx_free(ctx[1]);
}

/* ---- along an axis ----------------------------------------------------------------- */

/* [outer, r, inner], from the line that starts at x to the line at y. */
typedef void (*definition)(const float *x, int64_t r, int64_t step, double *y);

static void softmax_of(const float *x, int64_t r, int64_t step, double *y)
{
    double sum = 0;

    for (int64_t k = 0; k < r; k++)
        sum += exp((double)x[k * step]);
    for (int64_t k = 0; k < r; k++)
        y[k * step] = exp((double)x[k * step]) / sum;
}

static void log_softmax_of(const float *x, int64_t r, int64_t step, double *y)
{
    softmax_of(x, r, step, y);
    for (int64_t k = 0; k < r; k++)
        y[k * step] = log(y[k * step]);
}

static void layer_norm_of(const float *x, int64_t r, int64_t step, double *y)
{
    double mean = 0, var = 0;

    for (int64_t k = 0; k < r; k++)
        mean += (double)x[k * step] / (double)r;
    for (int64_t k = 0; k < r; k++)
        var += ((double)x[k * step] - mean) * ((double)x[k * step] - mean) / (double)r;
    for (int64_t k = 0; k < r; k++)
        y[k * step] = ((double)x[k * step] - mean) / sqrt(var + 1e-5);
}

static mucmm__attr axis_attribute(void)
{
    return (mucmm__attr){.name = "axis", .kind = MUCMM__ATTR_INT, .i = 1};
}

static void check_axis(mucmm_ctx *ctx, const char *type, int32_t opset, definition def, int64_t r,
                       int64_t inner)
{
    int64_t outer = 3;
    mucmm__desc in[2] = {desc(3, outer, r, inner, 0), desc(1, r, 0, 0, 0)};
    double *want = calloc((size_t)(outer * r * inner), sizeof *want);
    mucmm__attr axis = axis_attribute();
    bool layer = def == layer_norm_of;
    scene s;

    scene_open(&s, ctx, type, opset, layer ? 2 : 1, in, -3, 3);
    s.node.n_attrs = layer ? 0 : 1;
    s.node.attrs = &axis;
    if (layer) { /* over the last axis */
        s.in[0] = desc(2, outer * inner, r, 0, 0);
        for (int64_t k = 0; k < r; k++)
            s.x[1][k] = 1;
    }
    play(&s, 0, 1);
    for (int64_t i = 0; i < outer * inner; i++)
        if (layer)
            def(s.x[0] + i * r, r, 1, want + i * r);
        else
            def(s.x[0] + i / inner * r * inner + i % inner, r, inner,
                want + i / inner * r * inner + i % inner);
    /* The mean is rounded to float, which shows where a row varies little about it. */
    for (int64_t i = 0; i < outer * r * inner; i++)
        CHECK_CLOSE((double)s.y[0][i], want[i], (layer ? 5e-5 : 2e-6) * (1 + fabs(want[i])));
    scene_drop(&s);
    free(want);
}

static void test_axes(void **state)
{
    static const int64_t lengths[] = {1, 2, 15, 16, 17, 33, 64, 100};
    mucmm_ctx *ctx = context(2);

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int64_t inner = 1; inner <= 40; inner += 39) {
            check_axis(ctx, "Softmax", 13, softmax_of, lengths[i], inner);
            check_axis(ctx, "LogSoftmax", 13, log_softmax_of, lengths[i], inner);
            if (lengths[i] > 1)
                check_axis(ctx, "LayerNormalization", 17, layer_norm_of, lengths[i], inner);
        }
    mucmm_ctx_free(ctx);
}

/* A masked place is exactly 0 and takes nothing from the others. */
static void test_softmax_of_infinities(void **state)
{
    mucmm_ctx *ctx = context(1);
    mucmm__desc in = desc(2, 2, 19, 0, 0);
    scene s;

    (void)state;
    scene_open(&s, ctx, "Softmax", 13, 1, &in, -1, 1);
    s.x[0][3] = s.x[0][18] = -INFINITY;
    s.x[0][19] = 1e30f;
    play(&s, 0, 1);
    assert_true(s.y[0][3] == 0 && s.y[0][18] == 0);
    for (int64_t i = 0; i < 19; i++)
        CHECK_CLOSE((double)s.y[0][19 + i], i == 0, 0);
    scene_drop(&s);
    mucmm_ctx_free(ctx);
}

/* ---- reductions -------------------------------------------------------------------- */

static double reduced(const char *type, double acc, double v, bool first)
{
    if (strcmp(type, "ReduceMax") == 0)
        return first || v > acc ? v : acc;
    if (strcmp(type, "ReduceMin") == 0)
        return first || v < acc ? v : acc;
    if (strcmp(type, "ReduceL1") == 0)
        return acc + fabs(v);
    if (strcmp(type, "ReduceSumSquare") == 0)
        return acc + v * v;
    return acc + v;
}

/* Every choice of axes of a tensor of rank 4: bit k of axes. */
static void check_reduction(mucmm_ctx *ctx, const char *type, uint32_t axes)
{
    mucmm__desc in = desc(4, 3, 17, 2, 35);
    int64_t given[4], kept_step[4] = {0}, results = 1, count = 3 * 17 * 2 * 35;
    mucmm__attr a = {.name = "axes", .kind = MUCMM__ATTR_INTS, .ints = given};
    double *want = calloc((size_t)count, sizeof *want);
    bool *begun = calloc((size_t)count, sizeof *begun);
    scene s;

    for (int32_t k = 3; k >= 0; k--)
        if (axes >> k & 1u) {
            given[a.n++] = k;
        } else {
            kept_step[k] = results;
            results *= in.shape[k];
        }
    scene_open(&s, ctx, type, 11, 1, &in, -2, 2);
    s.node.n_attrs = 1;
    s.node.attrs = &a;
    play(&s, 0, 1);
    for (int64_t i = 0; i < count; i++) {
        int64_t to = 0, left = i;
        for (int32_t k = 3; k >= 0; left /= in.shape[k--])
            to += left % in.shape[k] * kept_step[k];
        want[to] = reduced(type, want[to], (double)s.x[0][i], !begun[to]);
        begun[to] = true;
    }
    for (int64_t i = 0; i < results; i++)
        CHECK_CLOSE((double)s.y[0][i], want[i], 1e-5 * (1 + fabs(want[i])));
    scene_drop(&s);
    free(want);
    free(begun);
}

static void test_reductions(void **state)
{
    static const char *const types[] = {"ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1",
                                        "ReduceSumSquare"};
    mucmm_ctx *ctx = context(2);

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (uint32_t axes = 1; axes < 16; axes++)
            check_reduction(ctx, types[i], axes);
    mucmm_ctx_free(ctx);
}

/* ---- threads ----------------------------------------------------------------------- */

static void test_threads_same_bytes(void **state)
{
    const mucmm__desc rows = desc(2, 300, 200, 0, 0), planes = desc(3, 3, 20, 1000, 0);
    const mucmm__desc row = desc(1, 200, 0, 0, 0), channels = desc(1, 20, 0, 0, 0);
    const struct {
        const char *type;
        int32_t opset, n_in;
        mucmm__desc x, weights;
    } cases[] = {
        {"ReduceMean", 13, 1, rows, row},
        {"Softmax", 13, 1, rows, row},
        {"LayerNormalization", 17, 3, rows, row},
        {"InstanceNormalization", 13, 3, planes, channels},
        {"BatchNormalization", 15, 5, planes, channels},
    };
    mucmm_ctx *ctx[2] = {context(1), context(3)};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mucmm__desc in[5] = {cases[i].x, cases[i].weights, cases[i].weights, cases[i].weights,
                             cases[i].weights};
        scene s[2];
        for (int32_t k = 0; k < 2; k++) {
            scene_open(&s[k], ctx[k], cases[i].type, cases[i].opset, cases[i].n_in, in, .5f, 2);
            play(&s[k], 0, 1);
        }
        assert_memory_equal(s[0].y[0], s[1].y[0], MAX_FLOATS * sizeof(float));
        assert_memory_equal(s[0].dx[0], s[1].dx[0], 60000 * sizeof(float));
        scene_drop(&s[0]);
        scene_drop(&s[1]);
    }
    mucmm_ctx_free(ctx[0]);
    mucmm_ctx_free(ctx[1]);
}

/* Sums over all spatial axes keep the blocks of channels. */
static void test_reductions_blocked(void **state)
{
    static const char *const types[] = {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin",
                                        "ReduceL1",  "ReduceL2",   "ReduceProd"};
    int64_t given[] = {2, 3};
    mucmm__attr axes = {.name = "axes", .kind = MUCMM__ATTR_INTS, .ints = given, .n = 2};
    mucmm__desc in = desc(4, 2, 19, 3, 5);
    mucmm_ctx *ctx = context(2);

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        scene s;
        scene_open(&s, ctx, types[i], 11, 1, &in, .5f, 1.5f);
        s.node.n_attrs = 1;
        s.node.attrs = &axes;
        play(&s, 0, 1);
        assert_int_equal(play(&s, 0, 8), 8);
        assert_int_equal(play(&s, 0, 16), 16);
        scene_drop(&s);
    }
    mucmm_ctx_free(ctx);
}

/* The same numbers in blocks of channels. */
static void test_batch_normalization_blocked(void **state)
{
    mucmm__desc in[5] = {desc(4, 2, 19, 3, 5), desc(1, 19, 0, 0, 0), desc(1, 19, 0, 0, 0),
                         desc(1, 19, 0, 0, 0), desc(1, 19, 0, 0, 0)};
    mucmm_ctx *ctx = context(2);
    scene s;

    (void)state;
    scene_open(&s, ctx, "BatchNormalization", 15, 5, in, .5f, 2);
    s.known[3] = s.x[3]; /* no gradient passes to mean and variance */
    s.known[4] = s.x[4];
    play(&s, 0, 1);
    assert_int_equal(play(&s, 0, 8), 8);
    assert_int_equal(play(&s, 0, 16), 16);
    scene_drop(&s);
    mucmm_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_softmax_of_infinities),
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_threads_same_bytes),
        cmocka_unit_test(test_reductions_blocked),
        cmocka_unit_test(test_batch_normalization_blocked),
    };
    return cmocka_run_group_tests_name("math", tests, NULL, NULL);
}
