/* SPDX-License-Identifier: MIT
 *
 * test_elementwise.c - elementwise operators in blocked layouts: the same numbers as dense, forward
 * and backward, zeros in the padding; and the same bytes for any number of threads. */
#include "scene.h"

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
    assert_memory_equal(s[0].y[0], s[1].y[0], 7 * 40 * 200 * sizeof(float));
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
