/* SPDX-License-Identifier: MIT
 *
 * test_elementwise.c - elementwise operators in blocked layouts: the same numbers as dense, forward
 * and backward, zeros in the padding; and the same bytes for any number of threads. */
#include "graph/graph.h"
#include "harness.h"

#define MAX_IN 3
#define MAX_FLOATS 65536

/* A call of one operator, its inputs dense. */
typedef struct scene {
    mucmm_ctx *ctx;
    mucmm__node node;
    int32_t n_in;
    mucmm__desc in[MAX_IN], out;
    float *x[MAX_IN], *y, *dy, *dx[MAX_IN];
} scene;

static mucmm_ctx *context(int32_t threads)
{
    mucmm_ctx *ctx = NULL;
    mucmm_ctx_params p;

    mucmm_ctx_params_init(&p);
    p.threads = threads;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    return ctx;
}

static float *floats(uint64_t seed, float low, float high)
{
    uint64_t key = mucmm__rng_key(seed, 0);
    float *x = calloc(MAX_FLOATS, sizeof *x);

    assert_non_null(x);
    for (int64_t i = 0; i < MAX_FLOATS; i++)
        x[i] = low + (high - low) * (float)mucmm__rng_uniform(key, (uint64_t)i);
    return x;
}

/* Memory place of element i (row-major) of a tensor. */
static int64_t place_of(const mucmm__desc *d, int64_t i)
{
    int64_t space, channel, b = d->block;

    if (b == 1)
        return i;
    space = mucmm__desc_product(d, 2, d->rank);
    channel = i / space % d->shape[1];
    return ((i / space / d->shape[1] * ((d->shape[1] + b - 1) / b) + channel / b) * space +
            i % space) *
               b +
           channel % b;
}

/* A copy in the layout of d, its padding zero. */
static float *packed(const mucmm__desc *d, const float *x)
{
    float *out = calloc(MAX_FLOATS, sizeof *out);

    assert_non_null(out);
    assert_true(mucmm__desc_bytes(d) <= (int64_t)(MAX_FLOATS * sizeof *out));
    for (int64_t i = 0; i < mucmm__desc_count(d); i++)
        out[place_of(d, i)] = x[i];
    return out;
}

/* Fails unless `got` in the layout of d is `want`, which is dense, with zeros as padding. */
static void check_same(const char *what, const mucmm__desc *d, const float *got, const float *want)
{
    float *expected = packed(d, want);

    for (int64_t i = 0; i < mucmm__desc_bytes(d) / 4; i++)
        if (!(fabsf(got[i] - expected[i]) <= 1e-5f * (1 + fabsf(expected[i]))))
            fail_msg("%s, block %d: place %lld is %.9g, should be %.9g", what, d->block,
                     (long long)i, (double)got[i], (double)expected[i]);
    free(expected);
}

static void scene_open(scene *s, mucmm_ctx *ctx, const char *type, int32_t opset, int32_t n_in,
                       const mucmm__desc *in, float low, float high)
{
    bool known_type;

    *s = (scene){.ctx = ctx, .n_in = n_in};
    s->node.name = "n";
    s->node.opset = opset;
    s->node.op = mucmm__op_find(type, opset, &known_type);
    if (!s->node.op)
        s->node.op = mucmm__op_internal(type);
    assert_non_null(s->node.op);
    for (int32_t i = 0; i < n_in; i++) {
        s->in[i] = in[i];
        s->x[i] = floats(7 + (uint64_t)i, low, high);
        s->dx[i] = calloc(MAX_FLOATS, sizeof(float));
    }
    s->y = calloc(MAX_FLOATS, sizeof(float));
    s->dy = floats(99, -1, 1);
}

static void scene_drop(scene *s)
{
    for (int32_t i = 0; i < s->n_in; i++) {
        free(s->x[i]);
        free(s->dx[i]);
    }
    free(s->y);
    free(s->dy);
}

/* Infers, lays out with input `blocked` in a block (1 = dense), runs forward and vjp. Dense results
 * stay in the scene; those of a block are compared with them. Returns the result's block. */
static int32_t play(scene *s, int32_t blocked, int32_t block)
{
    mucmm__desc d[MAX_IN], out = {0};
    const mucmm__desc *in[MAX_IN];
    mucmm__desc *outs[1] = {&out};
    const void *known[MAX_IN] = {0}, *x[MAX_IN], *dy[1];
    void *y[1], *dx[MAX_IN], *work;
    int32_t want[MAX_IN];
    mucmm__call c = {.ctx = s->ctx,
                     .node = &s->node,
                     .n_in = s->n_in,
                     .n_out = 1,
                     .in = in,
                     .out = outs,
                     .known = known,
                     .want = want,
                     .x = x,
                     .y = y,
                     .dy = dy,
                     .dx = dx,
                     .differentiable = true};
    bool reference = block == 1;

    for (int32_t i = 0; i < s->n_in; i++) {
        d[i] = s->in[i];
        d[i].block = 1;
        in[i] = &d[i];
        want[i] = 1;
    }
    CHECK_OK(s->ctx, s->node.op->infer(&c));
    d[blocked].block = block;
    if (s->node.op->layout)
        s->node.op->layout(&c);
    for (int32_t i = 0; i < s->n_in; i++) {
        d[i].block = want[i];
        x[i] = packed(&d[i], s->x[i]);
        dx[i] = reference ? s->dx[i] : calloc(MAX_FLOATS, sizeof(float));
        memset(dx[i], 0xff, (size_t)mucmm__desc_bytes(&d[i])); /* NaN where nothing is written */
    }
    y[0] = reference ? s->y : calloc(MAX_FLOATS, sizeof(float));
    memset(y[0], 0xff, (size_t)mucmm__desc_bytes(&out));
    dy[0] = packed(&out, s->dy);
    if (s->node.op->prepare)
        CHECK_OK(s->ctx, s->node.op->prepare(&c));
    work = aligned_alloc(64, MAX_FLOATS * sizeof(float));
    assert_true(c.scratch <= (int64_t)(MAX_FLOATS * sizeof(float)) &&
                c.vjp_scratch <= (int64_t)(MAX_FLOATS * sizeof(float)));
    c.work = work;
    CHECK_OK(s->ctx, s->node.op->forward(&c));
    if (s->node.op->vjp)
        CHECK_OK(s->ctx, s->node.op->vjp(&c));
    if (!reference) {
        check_same(s->node.op->type, &out, y[0], s->y);
        for (int32_t i = 0; i < s->n_in && s->node.op->vjp; i++)
            check_same(s->node.op->type, &d[i], dx[i], s->dx[i]);
        free(y[0]);
    }
    for (int32_t i = 0; i < s->n_in; i++) {
        free((void *)(uintptr_t)x[i]);
        if (!reference)
            free(dx[i]);
    }
    free((void *)(uintptr_t)dy[0]);
    free(work);
    return out.block;
}

static mucmm__desc desc(int32_t rank, int64_t a, int64_t b, int64_t c, int64_t e)
{
    return (mucmm__desc){MUCMM_F32, rank, {a, b, c, e}, 1};
}

/* Every function of one number: any of them may meet a blocked layout, 0 without a defined value or
 * slope included. */
static void test_unary_blocked(void **state)
{
    static const struct {
        const char *type;
        int32_t opset;
    } ops[] = {{"Neg", 13},       {"Abs", 13},        {"Erf", 13},     {"Reciprocal", 13},
               {"Sqrt", 13},      {"Exp", 13},        {"Log", 13},     {"Sin", 7},
               {"Cos", 7},        {"Tan", 7},         {"Asin", 7},     {"Acos", 7},
               {"Atan", 7},       {"Sinh", 9},        {"Cosh", 9},     {"Tanh", 13},
               {"Asinh", 9},      {"Atanh", 9},       {"Relu", 14},    {"LeakyRelu", 16},
               {"Elu", 6},        {"Selu", 6},        {"Celu", 12},    {"ThresholdedRelu", 10},
               {"HardSwish", 14}, {"HardSigmoid", 6}, {"Sigmoid", 13}, {"Softplus", 7},
               {"Softsign", 7},   {"Mish", 17},       {"Shrink", 9},   {"Clip", 7},
               {"Clip", 13},      {"Floor", 13},      {"Ceil", 13},    {"Round", 11},
               {"Sign", 13},      {"Gelu", 17},       {"Silu", 17}};
    mucmm_ctx *ctx = context(2);
    mucmm__desc in[2] = {desc(4, 2, 19, 3, 5), desc(3, 1, 16, 7, 0)};

    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (int32_t k = 0; k < 2; k++) {
            scene s;
            scene_open(&s, ctx, ops[i].type, ops[i].opset, 1, &in[k], .05f, .95f);
            play(&s, 0, 1);
            assert_int_equal(play(&s, 0, 8), 8);
            assert_int_equal(play(&s, 0, 16), 16);
            scene_drop(&s);
        }
    mucmm_ctx_free(ctx);
}

/* Shapes of operands, the place of the blocked one, and whether the result is expected in its block
 * when the channels fill the blocks and when they do not. -1 in a shape is the number of channels.
 */
typedef struct pairing {
    mucmm__desc in[2];
    int32_t blocked;
    bool filled, padded;
} pairing;

static void check_pairings(mucmm_ctx *ctx, const char *type, int32_t opset, const pairing *pairs,
                           int32_t n)
{
    static const int64_t channels[2] = {32, 19};

    for (int32_t i = 0; i < n; i++)
        for (int32_t padded = 0; padded < 2; padded++)
            for (int32_t block = 8; block <= 16; block += 8) {
                mucmm__desc in[2] = {pairs[i].in[0], pairs[i].in[1]};
                scene s;
                for (int32_t j = 0; j < 2; j++)
                    for (int32_t k = 0; k < 4; k++)
                        if (in[j].shape[k] == -1)
                            in[j].shape[k] = channels[padded];
                scene_open(&s, ctx, type, opset, 2, in, .5f, 2);
                play(&s, 0, 1);
                assert_int_equal(play(&s, pairs[i].blocked, block),
                                 (padded ? pairs[i].padded : pairs[i].filled) ? block : 1);
                scene_drop(&s);
            }
}

static void test_binary_blocked(void **state)
{
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"};
    const pairing pairs[] = {
        {{desc(4, 2, -1, 5, 3), desc(4, 2, -1, 5, 3)}, 0, true, true},
        {{desc(4, 2, -1, 5, 3), desc(4, 2, -1, 5, 3)}, 1, true, true},
        {{desc(4, 2, -1, 5, 3), desc(4, 1, -1, 1, 1)}, 0, true, true},
        {{desc(4, 2, -1, 5, 3), desc(4, 2, -1, 1, 1)}, 0, true, true},
        {{desc(4, 2, -1, 1, 1), desc(4, 2, -1, 5, 3)}, 1, true, true},
        {{desc(4, 2, -1, 5, 3), desc(3, -1, 1, 1, 0)}, 0, true, false},
        {{desc(4, 2, -1, 5, 3), desc(4, 1, -1, 1, 3)}, 0, true, true},
        {{desc(4, 2, -1, 5, 3), desc(0, 0, 0, 0, 0)}, 0, true, true},
        {{desc(4, 2, -1, 5, 3), desc(4, 2, 1, 5, 3)}, 0, true, true},
        {{desc(4, 2, -1, 5, 3), desc(1, 3, 0, 0, 0)}, 0, true, true},
        {{desc(4, 2, -1, 5, 3), desc(4, 2, -1, 1, 1)}, 1, false, false},
    };
    const pairing numerators[] = {
        {{desc(0, 0, 0, 0, 0), desc(4, 2, -1, 5, 3)}, 1, true, false},
        {{desc(4, 1, 1, 5, 3), desc(4, 2, -1, 5, 3)}, 1, true, false},
    };
    mucmm_ctx *ctx = context(2);

    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        check_pairings(ctx, ops[i], 13, pairs, sizeof pairs / sizeof *pairs);
    check_pairings(ctx, "PRelu", 9, pairs, 3);
    check_pairings(ctx, "Div", 13, numerators, 2);
    mucmm_ctx_free(ctx);
}

/* Sums over long repeated axes, by one thread and by three. */
static void test_threads_same_bytes(void **state)
{
    mucmm__desc in[2] = {desc(3, 7, 40, 200, 0), desc(3, 7, 1, 200, 0)};
    mucmm_ctx *ctx[2] = {context(1), context(3)};
    scene s[2];

    (void)state;
    for (int32_t k = 0; k < 2; k++) {
        scene_open(&s[k], ctx[k], "Div", 13, 2, in, .5f, 2);
        play(&s[k], 0, 1);
    }
    assert_memory_equal(s[0].y, s[1].y, 7 * 40 * 200 * sizeof(float));
    assert_memory_equal(s[0].dx[0], s[1].dx[0], 7 * 40 * 200 * sizeof(float));
    assert_memory_equal(s[0].dx[1], s[1].dx[1], 7 * 200 * sizeof(float));
    for (int32_t k = 0; k < 2; k++) {
        scene_drop(&s[k]);
        mucmm_ctx_free(ctx[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary_blocked),
        cmocka_unit_test(test_binary_blocked),
        cmocka_unit_test(test_threads_same_bytes),
    };
    return cmocka_run_group_tests_name("elementwise", tests, NULL, NULL);
}
