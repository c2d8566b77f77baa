/* SPDX-License-Identifier: MIT
 *
 * test_movement.c - strided copies against a plain loop; operators that move numbers in blocked
 * layouts against themselves dense; gradients that sum, for any number of threads. */
#include "graph/ops/strided.h"
#include "scene.h"

/* ---- walks ------------------------------------------------------------------------- */

static int64_t drawn(uint64_t key, uint64_t *i, int64_t n)
{
    return (int64_t)(mucmm__rng_bits(key, (*i)++) % (uint64_t)n);
}

/* A transposition of a random box, some axes of the source reversed, repeated or every other.
 * Offsets that make all places valid come back in *from and *to. */
static mucmm__walk random_walk(uint64_t key, int64_t *from, int64_t *to)
{
    static const int64_t lengths[] = {1, 2, 3, 5, 8, 33, 40};
    mucmm__walk w = {0};
    uint64_t at = 0;
    int64_t rank = 1 + drawn(key, &at, 4), step_from[4], step_to[4], n[4], perm[4], size_from = 1,
            size_to = 1;

    *from = *to = 0;
    mucmm__rng_permutation(key, perm, rank);
    for (int64_t k = 0; k < rank; k++)
        n[k] = lengths[drawn(key, &at, k < 2 ? 7 : 4)];
    for (int64_t k = rank - 1; k >= 0; k--) {
        int64_t kind = drawn(key, &at, 6);
        step_from[k] = kind == 0   ? 0
                       : kind == 1 ? -size_from
                       : kind == 2 ? 2 * size_from
                                   : size_from;
        *from += kind == 1 ? (n[k] - 1) * size_from : 0;
        size_from *= kind == 0 ? 1 : kind == 2 ? 2 * n[k] : n[k];
    }
    for (int64_t k = rank - 1; k >= 0; k--) {
        step_to[perm[k]] = size_to;
        size_to *= n[perm[k]];
    }
    for (int64_t k = 0; k < rank; k++)
        mucmm__walk_axis(&w, n[k], step_from[k], step_to[k]);
    assert_true(size_from <= MAX_FLOATS && size_to <= MAX_FLOATS);
    return w;
}

/* Pair number i of a walk. */
static void pair_at(const mucmm__walk *w, int64_t i, int64_t *from, int64_t *to)
{
    *from = *to = 0;
    for (int32_t k = w->rank - 1; k >= 0; k--) {
        *from += i % w->shape[k] * w->from[k];
        *to += i % w->shape[k] * w->to[k];
        i /= w->shape[k];
    }
}

static int64_t pairs_of(const mucmm__walk *w)
{
    int64_t n = 1;

    for (int32_t k = 0; k < w->rank; k++)
        n *= w->shape[k];
    return n;
}

static void test_copy_is_the_plain_loop(void **state)
{
    mucmm_ctx *ctx = context(2);
    unsigned char *x = calloc(MAX_FLOATS, 8), *y = calloc(MAX_FLOATS, 8);

    (void)state;
    for (int64_t i = 0; i < MAX_FLOATS * 8; i++)
        x[i] = (unsigned char)mucmm__rng_bits(5, (uint64_t)i);
    for (uint64_t round = 0; round < 400; round++) {
        int64_t from, to, first_from, first_to, size = 1 << round % 4;
        mucmm__walk w = random_walk(mucmm__rng_key(1, round), &first_from, &first_to);
        memset(y, 0, MAX_FLOATS * 8);
        mucmm__strided_copy(ctx, &w, size, x + first_from * size, y + first_to * size);
        for (int64_t i = 0; i < pairs_of(&w); i++) {
            pair_at(&w, i, &from, &to);
            assert_memory_equal(y + (first_to + to) * size, x + (first_from + from) * size,
                                (size_t)size);
        }
    }
    free(x);
    free(y);
    mucmm_ctx_free(ctx);
}

/* Back along the same walks: repeated sources are sums. */
static void test_add_is_the_plain_loop(void **state)
{
    mucmm_ctx *ctx = context(2);
    float *x = floats(3, -1, 1), *y = calloc(MAX_FLOATS, sizeof *y);
    double *want = calloc(MAX_FLOATS, sizeof *want);

    (void)state;
    for (uint64_t round = 0; round < 400; round++) {
        int64_t from, to, first_from, first_to;
        mucmm__walk w = random_walk(mucmm__rng_key(2, round), &first_to, &first_from);
        w = mucmm__walk_back(&w);
        memset(y, 0, MAX_FLOATS * sizeof *y);
        memset(want, 0, MAX_FLOATS * sizeof *want);
        mucmm__strided_add(ctx, &w, x + first_from, y + first_to);
        for (int64_t i = 0; i < pairs_of(&w); i++) {
            pair_at(&w, i, &from, &to);
            want[first_to + to] += (double)x[first_from + from];
        }
        for (int64_t i = 0; i < MAX_FLOATS; i++)
            CHECK_CLOSE((double)y[i], want[i], 1e-4);
    }
    free(x);
    free(y);
    free(want);
    mucmm_ctx_free(ctx);
}

/* ---- operators in blocked layouts -------------------------------------------------- */

/* The node's attributes of a case: up to two. */
typedef struct attributes {
    mucmm__attr a[2];
} attributes;

static attributes with_int(const char *name, int64_t value)
{
    return (attributes){{{.name = (char *)(uintptr_t)name, .kind = MUCMM__ATTR_INT, .i = value}}};
}

static attributes with_ints(const char *name, int64_t n, int64_t *values)
{
    return (attributes){
        {{.name = (char *)(uintptr_t)name, .kind = MUCMM__ATTR_INTS, .n = n, .ints = values}}};
}

static void give_ints(scene *s, int32_t i, int64_t n, const int64_t *values)
{
    s->in[i] = (mucmm__desc){MUCMM_I64, 1, {n}, 1};
    s->known[i] = values;
}

/* Plays dense, then in blocks of 8, and expects the result in `block`. */
static void play_blocked(scene *s, attributes *a, int32_t block)
{
    s->node.attrs = a->a;
    s->node.n_attrs = a->a[0].name ? 1 : 0;
    play(s, 0, 1);
    assert_int_equal(play(s, 0, 8), block);
    scene_drop(s);
}

static void test_concat_and_split_in_blocks(void **state)
{
    static const struct {
        mucmm__desc in[2];
        int64_t axis;
        int32_t block;
    } cases[] = {
        {{{MUCMM_F32, 4, {2, 16, 3, 5}, 1}, {MUCMM_F32, 4, {2, 8, 3, 5}, 1}}, 1, 8},
        {{{MUCMM_F32, 4, {2, 16, 3, 5}, 1}, {MUCMM_F32, 4, {2, 5, 3, 5}, 1}}, 1, 8},
        {{{MUCMM_F32, 4, {2, 5, 3, 5}, 1}, {MUCMM_F32, 4, {2, 8, 3, 5}, 1}}, 1, 1},
        {{{MUCMM_F32, 4, {2, 5, 3, 5}, 1}, {MUCMM_F32, 4, {1, 5, 3, 5}, 1}}, 0, 8},
        {{{MUCMM_F32, 4, {2, 11, 3, 5}, 1}, {MUCMM_F32, 4, {2, 11, 3, 2}, 1}}, -1, 8},
    };
    mucmm_ctx *ctx = context(2);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const mucmm__desc *in = cases[i].in;
        int64_t axis = cases[i].axis < 0 ? 3 : cases[i].axis,
                parts[2] = {in[0].shape[axis], in[1].shape[axis]};
        mucmm__desc whole[2] = {in[0]};
        attributes a = with_int("axis", cases[i].axis);
        scene s;
        scene_open(&s, ctx, "Concat", 13, 2, in, -1, 1);
        play_blocked(&s, &a, cases[i].block);
        whole[0].shape[axis] += parts[1];
        scene_open(&s, ctx, "Split", 13, 2, whole, -1, 1);
        s.n_out = 2;
        give_ints(&s, 1, 2, parts);
        play_blocked(&s, &a, cases[i].block);
    }
    mucmm_ctx_free(ctx);
}

static void test_slice_in_blocks(void **state)
{
    static const struct {
        int64_t start[4], end[4], step[4];
        int32_t block;
    } cases[] = {
        {{0, 8, 0, 0}, {2, 16, 9, 9}, {1, 1, 1, 1}, 8},
        {{0, 8, 0, 0}, {2, 19, 9, 9}, {1, 1, 1, 1}, 8},
        {{0, 8, 0, 0}, {2, 12, 9, 9}, {1, 1, 1, 1}, 1},
        {{0, 4, 0, 0}, {2, 19, 9, 9}, {1, 1, 1, 1}, 1},
        {{1, 0, -1, 0}, {2, 19, -9, 9}, {1, 1, -2, 3}, 8},
        {{0, -1, 0, 0}, {2, -99, 9, 9}, {1, -1, 1, 1}, 1},
    };
    static const int64_t axes[4] = {0, 1, 2, 3};
    mucmm_ctx *ctx = context(2);
    attributes none = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mucmm__desc in[5] = {desc(4, 2, 19, 4, 5)};
        scene s;
        scene_open(&s, ctx, "Slice", 13, 5, in, -1, 1);
        give_ints(&s, 1, 4, cases[i].start);
        give_ints(&s, 2, 4, cases[i].end);
        give_ints(&s, 3, 4, axes);
        give_ints(&s, 4, 4, cases[i].step);
        play_blocked(&s, &none, cases[i].block);
    }
    mucmm_ctx_free(ctx);
}

static void test_pad_in_blocks(void **state)
{
    static const char *const modes[] = {"constant", "reflect", "edge"};
    static const struct {
        int64_t channels, pads[8];
        int32_t block;
    } cases[] = {
        {16, {0, 0, 1, 2, 0, 0, 3, 0}, 8},
        {16, {0, 0, -1, 2, 0, 0, 2, -1}, 8},
        {16, {0, 1, 0, 0, 0, 0, 0, 0}, 1},
        {11, {0, 0, 1, 1, 0, 0, 1, 1}, 1},
    };
    mucmm_ctx *ctx = context(2);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t m = 0; m < 3; m++) {
            mucmm__desc in[2] = {desc(4, 2, cases[i].channels, 5, 6)};
            attributes a = {{{.name = (char *)(uintptr_t) "mode",
                              .kind = MUCMM__ATTR_STRING,
                              .s = (char *)(uintptr_t)modes[m]}}};
            scene s;
            scene_open(&s, ctx, "Pad", 13, 2, in, -1, 1);
            give_ints(&s, 1, 8, cases[i].pads);
            play_blocked(&s, &a, cases[i].block);
        }
    mucmm_ctx_free(ctx);
}

static void test_transpose_reads_blocks(void **state)
{
    int64_t perms[][4] = {{0, 2, 3, 1}, {1, 0, 2, 3}, {3, 2, 1, 0}, {0, 1, 3, 2}};
    mucmm_ctx *ctx = context(2);

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (int64_t channels = 16; channels < 20; channels += 3) {
            mucmm__desc in = desc(4, 2, channels, 3, 5);
            attributes a = with_ints("perm", 4, perms[i]);
            scene s;
            scene_open(&s, ctx, "Transpose", 13, 1, &in, -1, 1);
            play_blocked(&s, &a, 1);
        }
    mucmm_ctx_free(ctx);
}

/* Channel i C / g + j goes to channel j g + i. */
static void test_channel_shuffle(void **state)
{
    static const struct {
        int64_t channels, groups;
        int32_t block;
    } cases[] = {{24, 2, 8}, {24, 3, 8}, {24, 24, 8}, {12, 4, 1}, {16, 1, 8}};
    mucmm_ctx *ctx = context(2);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t n = cases[i].channels, g = cases[i].groups;
        mucmm__desc in = desc(4, 2, n, 3, 3);
        attributes a = with_int("groups", g);
        scene s;
        scene_open(&s, ctx, "ChannelShuffle", 17, 1, &in, -1, 1);
        s.node.attrs = a.a;
        s.node.n_attrs = 1;
        play(&s, 0, 1);
        for (int64_t k = 0; k < 2 * n * 9; k++) {
            int64_t c = k / 9 % n, to = c % (n / g) * g + c / (n / g),
                    place = (k / 9 / n * n + to) * 9 + k % 9;
            assert_true(s.y[0][place] == s.x[0][k]);
            assert_true(s.dx[0][k] == s.dy[place]);
        }
        assert_int_equal(play(&s, 0, 8), cases[i].block);
        scene_drop(&s);
    }
    mucmm_ctx_free(ctx);
}

/* ---- sums at places given by numbers ----------------------------------------------- */

/* Many rows at few places: the sums are the same bytes with one thread and with three. */
static void test_scatter_sums_do_not_depend_on_threads(void **state)
{
    static int64_t indices[20000];
    mucmm__desc in[2] = {desc(2, 50, 3, 0, 0), {MUCMM_I64, 1, {20000}, 1}};
    mucmm_ctx *ctx[2] = {context(1), context(3)};
    scene s[2];

    (void)state;
    for (int64_t i = 0; i < 20000; i++)
        indices[i] = (int64_t)(mucmm__rng_bits(9, (uint64_t)i) % 50) - (i % 2 ? 50 : 0);
    for (int32_t k = 0; k < 2; k++) {
        scene_open(&s[k], ctx[k], "Gather", 13, 2, in, -1, 1);
        s[k].known[1] = indices;
        play(&s[k], 0, 1);
    }
    for (int64_t i = 0; i < 20000 * 3; i++)
        assert_true(s[0].y[0][i] == s[0].x[0][(indices[i / 3] + 50) % 50 * 3 + i % 3]);
    assert_memory_equal(s[0].dx[0], s[1].dx[0], 150 * sizeof(float));
    for (int32_t k = 0; k < 2; k++) {
        scene_drop(&s[k]);
        mucmm_ctx_free(ctx[k]);
    }
}

/* ---- numbers that do not fit ------------------------------------------------------- */

#define LEAST INT64_MIN
#define MOST INT64_MAX

/* Lists of integers for the inputs from `first` on; the answer of infer, then of forward. */
typedef struct hostile {
    const char *type;
    int64_t shape[2]; /* of input 0, a matrix; {0} = input 0 is the first list */
    int32_t n_lists, length[4];
    int64_t lists[4][4];
    mucmm_status infer, forward;
} hostile;

static const hostile hostiles[] = {
    {"Slice", {3, 4}, 4, {1, 1, 1, 1}, {{MOST}, {LEAST}, {0}, {LEAST}}, MUCMM_OK, MUCMM_OK},
    {"Slice", {3, 4}, 4, {1, 1, 1, 1}, {{LEAST}, {MOST}, {1}, {MOST}}, MUCMM_OK, MUCMM_OK},
    {"Slice", {3, 4}, 4, {1, 1, 1, 1}, {{0}, {1}, {0}, {0}}, MUCMM_EARG, 0},
    {"Slice", {3, 4}, 3, {2, 2, 2}, {{0, 0}, {1, 1}, {1, -1}}, MUCMM_EARG, 0},
    {"Slice", {3, 4}, 2, {1, 2}, {{0}, {1, 1}}, MUCMM_ESHAPE, 0},
    {"Tile", {3, 4}, 1, {2}, {{MOST, 1}}, MUCMM_ESHAPE, 0},
    {"Tile", {3, 4}, 1, {2}, {{MOST / 4, 1}}, MUCMM_ENOMEM, 0},
    {"Tile", {3, 4}, 1, {2}, {{-1, 1}}, MUCMM_ESHAPE, 0},
    {"Expand", {3, 1}, 1, {2}, {{3, MOST}}, MUCMM_ENOMEM, 0},
    {"Expand", {3, 1}, 1, {2}, {{2, 5}}, MUCMM_ESHAPE, 0},
    {"Reshape", {3, 4}, 1, {2}, {{MOST, MOST}}, MUCMM_ESHAPE, 0},
    {"Reshape", {3, 4}, 1, {2}, {{-1, -1}}, MUCMM_ESHAPE, 0},
    {"Reshape", {3, 4}, 1, {3}, {{3, 4, 0}}, MUCMM_ESHAPE, 0},
    {"Reshape", {3, 4}, 1, {2}, {{5, -1}}, MUCMM_ESHAPE, 0},
    {"Pad", {3, 4}, 1, {4}, {{MOST, MOST, MOST, MOST}}, MUCMM_ENOMEM, 0},
    {"Pad", {3, 4}, 1, {4}, {{LEAST, 0, MOST, 0}}, MUCMM_ESHAPE, 0},
    {"Pad", {3, 4}, 1, {2}, {{1, 1}}, MUCMM_ESHAPE, 0},
    {"Unsqueeze", {3, 4}, 1, {2}, {{0, 4}}, MUCMM_EARG, 0},
    {"Squeeze", {3, 4}, 1, {1}, {{0}}, MUCMM_ESHAPE, 0},
    {"Split", {3, 4}, 1, {1}, {{2}}, MUCMM_ESHAPE, 0},
    {"TopK", {3, 4}, 1, {1}, {{5}}, MUCMM_ESHAPE, 0},
    {"TopK", {3, 4}, 1, {1}, {{LEAST}}, MUCMM_ESHAPE, 0},
    {"Gather", {3, 4}, 1, {2}, {{0, 3}}, MUCMM_OK, MUCMM_EFORMAT},
    {"Gather", {3, 4}, 1, {2}, {{-4, 0}}, MUCMM_OK, MUCMM_EFORMAT},
    {"Gather", {3, 4}, 1, {2}, {{-3, 2}}, MUCMM_OK, MUCMM_OK},
    {"GatherND", {3, 4}, 1, {2}, {{2, 4}}, MUCMM_OK, MUCMM_EFORMAT},
    {"GatherND", {3, 4}, 1, {3}, {{0, 0, 0}}, MUCMM_ESHAPE, 0},
    {"GatherElements", {3, 4}, 1, {1}, {{0}}, MUCMM_ESHAPE, 0},
    {"CumSum", {3, 4}, 1, {1}, {{2}}, MUCMM_OK, MUCMM_EARG},
    {"Trilu", {3, 4}, 1, {1}, {{LEAST}}, MUCMM_OK, MUCMM_OK},
    {"Trilu", {3, 4}, 1, {1}, {{MOST}}, MUCMM_OK, MUCMM_OK},
    {"ReverseSequence", {3, 4}, 1, {4}, {{0, 1, 4, 2}}, MUCMM_OK, MUCMM_EFORMAT},
    {"Range", {0}, 3, {1, 1, 1}, {{LEAST}, {MOST}, {1}}, MUCMM_EFORMAT, 0},
    {"Range", {0}, 3, {1, 1, 1}, {{MOST}, {LEAST}, {LEAST}}, MUCMM_OK, MUCMM_OK},
    {"Range", {0}, 3, {1, 1, 1}, {{0}, {5}, {0}}, MUCMM_EFORMAT, 0},
    {"ConstantOfShape", {0}, 1, {3}, {{MOST, MOST, MOST}}, MUCMM_ENOMEM, 0},
    {"ConstantOfShape", {0}, 1, {3}, {{0, MOST, MOST}}, MUCMM_ENOMEM, 0},
    {"ConstantOfShape", {0}, 1, {2}, {{2, -3}}, MUCMM_ESHAPE, 0},
};

static void check_hostile(mucmm_ctx *ctx, const hostile *h, int32_t number)
{
    mucmm__desc d[5] = {desc(2, h->shape[0], h->shape[1], 0, 0)}, out[2] = {{0}};
    const mucmm__desc *in[5];
    mucmm__desc *outs[2] = {&out[0], &out[1]};
    float x0[12] = {0};
    const void *x[5] = {x0};
    char y[2][1024], work[1024];
    void *ys[2] = {y[0], y[1]};
    int32_t first = h->shape[0] > 0;
    bool known_type;
    mucmm__node node = {.name = (char *)(uintptr_t) "n",
                        .opset = 15,
                        .op = mucmm__op_find(h->type, 15, &known_type)};
    mucmm__call c = {.ctx = ctx,
                     .node = &node,
                     .n_in = first + h->n_lists,
                     .in = in,
                     .out = outs,
                     .known = x,
                     .x = x,
                     .y = ys,
                     .work = work};

    assert_non_null(node.op);
    c.n_out = node.op->max_out == 1 ? 1 : 2;
    for (int32_t i = 0; i < h->n_lists; i++) {
        d[first + i] = (mucmm__desc){MUCMM_I64, strcmp(h->type, "Range") != 0, {h->length[i]}, 1};
        x[first + i] = h->lists[i];
    }
    for (int32_t i = 0; i < c.n_in; i++)
        in[i] = &d[i];
    if (node.op->infer(&c) != h->infer)
        fail_msg("case %d, %s: infer does not say %s but %s", number, h->type,
                 mucmm_status_text(h->infer), mucmm_ctx_message(ctx));
    if (h->infer == MUCMM_OK) {
        if (node.op->prepare)
            CHECK_OK(ctx, node.op->prepare(&c));
        assert_true(mucmm__desc_bytes(&out[0]) <= 1024 && c.scratch <= 1024);
        if (node.op->forward(&c) != h->forward)
            fail_msg("case %d, %s: forward does not say %s but %s", number, h->type,
                     mucmm_status_text(h->forward), mucmm_ctx_message(ctx));
        if (node.op->drop && c.state)
            node.op->drop(c.state);
    }
}

static void test_numbers_that_do_not_fit_are_refused(void **state)
{
    mucmm_ctx *ctx = context(2);

    (void)state;
    for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; i++)
        check_hostile(ctx, &hostiles[i], (int32_t)i);
    mucmm_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_is_the_plain_loop),
        cmocka_unit_test(test_add_is_the_plain_loop),
        cmocka_unit_test(test_concat_and_split_in_blocks),
        cmocka_unit_test(test_slice_in_blocks),
        cmocka_unit_test(test_pad_in_blocks),
        cmocka_unit_test(test_transpose_reads_blocks),
        cmocka_unit_test(test_channel_shuffle),
        cmocka_unit_test(test_scatter_sums_do_not_depend_on_threads),
        cmocka_unit_test(test_numbers_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("movement", tests, NULL, NULL);
}
