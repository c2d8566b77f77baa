/* SPDX-License-Identifier: MIT
 *
 * Coupling maps: they add up to the score, are what they are said to be, the same from both sides,
 * and refuse what they cannot do. Tables, and pictures, words and sounds behind networks. */
#include "fuzz/fixtures.h"

#include "generators.h"
#include "workspace.h"

#include <jansson.h>

#define SAMPLES 3
static const int64_t some_rows[SAMPLES] = {17, 0, 41};

static mucmm_coupling_params params_of(mucmm_representation representation)
{
    mucmm_coupling_params p;

    mucmm_coupling_params_init(&p);
    p.representation = representation;
    return p;
}

static mucmm_coupling *couple(const mucmm_model *m, const mucmm_view *views, int32_t n_views,
                              int32_t first, int32_t second, const mucmm_coupling_params *p)
{
    mucmm_coupling *c = NULL;

    CHECK_OK(ctx, mucmm_coupling_create(ctx, m, views, n_views, first, second, some_rows, SAMPLES,
                                        p, &c));
    assert_non_null(c);
    return c;
}

static float *matrix_of(const mucmm_coupling *c, int64_t i)
{
    int64_t rows = mucmm_coupling_cells(c, i, 0, NULL, NULL);
    int64_t cols = mucmm_coupling_cells(c, i, 1, NULL, NULL);
    float *x = test_floats(rows * cols);

    CHECK_OK(ctx, mucmm_coupling_matrix(ctx, c, i, &(mucmm_mat){x, rows, cols, cols}));
    return x;
}

static double sum_of(const mucmm_coupling *c, int64_t i)
{
    int64_t n =
        mucmm_coupling_cells(c, i, 0, NULL, NULL) * mucmm_coupling_cells(c, i, 1, NULL, NULL);
    float *x = matrix_of(c, i);
    double sum = 0;

    for (int64_t j = 0; j < n; j++)
        sum += (double)x[j];
    free(x);
    return sum;
}

/* The common scores of all rows. */
static double *common_scores(const mucmm_model *m, const problem *q)
{
    mucmm_explain_params p;
    int64_t *rows = calloc((size_t)q->n, sizeof *rows);
    double *scores = test_doubles(q->n);
    mucmm_explanation *e = NULL;

    for (int64_t i = 0; i < q->n; i++)
        rows[i] = i;
    mucmm_explain_params_init(&p);
    CHECK_OK(ctx, mucmm_explanation_create(ctx, m, q->view, q->n_views, 0, rows, q->n, &p, &e));
    memcpy(scores, mucmm_explanation_scores(e), (size_t)q->n * sizeof *scores);
    mucmm_explanation_free(e);
    free(rows);
    return scores;
}

/* ---- tables ------------------------------------------------------------------------ */

/* Two views: the whole common score; three: its pairs, which are what it is the sum of. */
static void test_sums_are_the_score(void **state)
{
    (void)state;
    for (int head = 0; head < 2; head++)
        for (int32_t views = 2; views <= 3; views++) {
            problem q = new_problem(ctx, views, 200, head == 1, 81);
            mucmm_fit_params fp = small_params(head ? MUCMM_HEAD_MLP : MUCMM_HEAD_LINEAR);
            mucmm_coupling_params p = params_of(MUCMM_HEADS);
            mucmm_model *m = fit(ctx, &q, &fp);
            double total[SAMPLES] = {0}, *scores;
            for (int32_t a = 0; a < views; a++)
                for (int32_t b = a + 1; b < views; b++) {
                    mucmm_coupling *c = couple(m, q.view, views, a, b, &p);
                    mucmm_coupling_sums s;
                    mucmm_coupling_sums_init(&s);
                    CHECK_OK(ctx, mucmm_coupling_check(ctx, c, &s));
                    assert_true(s.range > 0 && s.sum <= 1e-5);
                    assert_true(head == 0 ? s.gap <= 1e-5 : s.gap > 0);
                    for (int64_t i = 0; i < SAMPLES; i++) {
                        CHECK_CLOSE(sum_of(c, i), mucmm_coupling_scores(c)[i], 1e-5 * s.range);
                        total[i] += mucmm_coupling_scores(c)[i];
                    }
                    mucmm_coupling_free(c);
                }
            /* of more than two views an explanation's score lacks the pairs of the others */
            scores = views == 2 ? common_scores(m, &q) : NULL;
            for (int64_t i = 0; scores && i < SAMPLES; i++)
                CHECK_CLOSE(total[i], scores[some_rows[i]], 1e-5);
            free(scores);
            if (views == 3) {
                mucmm_scores *s = NULL;
                CHECK_OK(ctx, mucmm_score(ctx, m, q.view, 3, NULL, &s));
                for (int64_t i = 0; i < SAMPLES; i++)
                    CHECK_CLOSE(total[i], mucmm_scores_common(s)[some_rows[i]], 1e-5);
                mucmm_scores_free(s);
            }
            mucmm_model_free(m);
            drop_problem(&q);
        }
}

/* Variate j of a row of view 0 by the model's transform. */
static double variate(const mucmm_model *m, const float *row, int64_t cols, int64_t j)
{
    mucmm_data *d = NULL;
    float c[2];

    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){row, 1, cols, cols}, "row", NULL, 0, &d));
    CHECK_OK(ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 0, d, &(mucmm_mat){c, 1, 2, 2}, NULL));
    mucmm_data_free(d);
    return (double)c[j];
}

/* Linear heads, baseline the mean: what a column adds is what the variate loses when the column
 * becomes its mean. With another baseline its variate is spread evenly. */
static void test_factors_of_linear_heads_are_differences(void **state)
{
    problem q = new_problem(ctx, 2, 200, false, 82);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_coupling_params p = params_of(MUCMM_HEADS);
    mucmm_model *m = fit(ctx, &q, &fp);

    (void)state;
    for (int zero = 0; zero < 2; zero++) {
        mucmm_coupling *c;
        float zeros[8] = {0};
        p.baseline = zero ? MUCMM_BASELINE_ZERO : MUCMM_BASELINE_MEAN;
        c = couple(m, q.view, 2, 0, 1, &p);
        assert_int_equal(mucmm_coupling_components(c), 2);
        for (int64_t i = 0; i < SAMPLES; i++)
            for (int64_t a = 0; a < 8; a++)
                for (int64_t j = 0; j < 2; j++) {
                    float row[8];
                    double all, base = zero ? variate(m, zeros, 8, j) / 8 : 0;
                    memcpy(row, q.x[0] + some_rows[i] * 8, sizeof row);
                    all = variate(m, row, 8, j);
                    row[a] = zero ? 0 : (float)m->view[0].mean[a];
                    CHECK_CLOSE(mucmm_coupling_factors(c, i, 0)[a * 2 + j],
                                all - variate(m, row, 8, j) + base, 3e-5);
                }
        mucmm_coupling_free(c);
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_both_sides_are_the_same(void **state)
{
    problem q = new_problem(ctx, 2, 200, true, 83);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_MLP);
    mucmm_coupling_params p = params_of(MUCMM_HEADS);
    mucmm_model *m = fit(ctx, &q, &fp);
    const mucmm_view turned[] = {q.view[1], q.view[0]};
    mucmm_coupling *c = couple(m, q.view, 2, 0, 1, &p), *t = couple(m, turned, 2, 1, 0, &p);

    (void)state;
    assert_string_equal(mucmm_coupling_name(c, 0), mucmm_coupling_name(t, 1));
    for (int64_t i = 0; i < SAMPLES; i++) {
        float *x = matrix_of(c, i), *y = matrix_of(t, i), map[9], totals[9];
        mucmm_coupled_pair pairs[100];
        int64_t found = 0;
        CHECK_OK(ctx, mucmm_coupling_totals(ctx, c, i, 0, totals));
        for (int64_t a = 0; a < 8; a++) {
            double total = 0;
            CHECK_OK(ctx, mucmm_coupling_map(ctx, c, i, 0, a, map));
            for (int64_t b = 0; b < 9; b++) {
                CHECK_CLOSE(x[a * 9 + b], y[b * 8 + a], 1e-7);
                CHECK_CLOSE(map[b], x[a * 9 + b], 0);
                total += (double)map[b];
            }
            CHECK_CLOSE(totals[a], total, 1e-5);
        }
        CHECK_OK(ctx, mucmm_coupling_strongest(ctx, c, i, 100, pairs, &found));
        assert_int_equal(found, 72);
        for (int64_t j = 0; j < found; j++) {
            CHECK_CLOSE(pairs[j].value, x[pairs[j].first * 9 + pairs[j].second], 0);
            assert_true(j == 0 || fabsf(pairs[j].value) <= fabsf(pairs[j - 1].value));
        }
        free(x);
        free(y);
    }
    mucmm_coupling_free(c);
    mucmm_coupling_free(t);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* What is freed in any order, and arguments in memory that changes. */
static void test_a_coupling_outlives_what_it_is_of(void **state)
{
    problem q = new_problem(ctx, 2, 120, false, 84);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_coupling_params p = params_of(MUCMM_HEADS);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_coupling *c = couple(m, q.view, 2, 0, 1, &p);
    mucmm_coupling_sums s;
    char name[32];

    (void)state;
    mucmm_model_free(m);
    for (int v = 0; v < 2; v++)
        mucmm_data_free(q.data[v]);
    mucmm_coupling_sums_init(&s);
    CHECK_OK(ctx, mucmm_coupling_check(ctx, c, &s));
    assert_true(s.sum <= 1e-5);
    assert_string_equal(mucmm_coupling_cell(c, 0, 1, 8, name, sizeof name), "column 8");
    assert_string_equal(mucmm_coupling_cell(c, 0, 1, 9, name, sizeof name), "");
    mucmm_coupling_free(c);
    q.data[0] = q.data[1] = NULL;
    drop_problem(&q);
}

/* ---- null models ------------------------------------------------------------------- */

/* p-values lie in (0, 1], are turned with the sides, and a mask keeps what they say. Views without
 * a relation: as many are small as there should be. */
static void test_p_values(void **state)
{
    problem q = new_problem(ctx, 2, 400, false, 85);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_coupling_params p = params_of(MUCMM_LINEAR);
    mucmm_null_params np;
    mucmm_null *null = NULL;
    mucmm_model *m;
    mucmm_data *unrelated = NULL;
    int64_t perm[400], rows[100], small = 0, n = 0;
    mucmm_coupling *c = NULL, *t = NULL;

    (void)state;
    mucmm__rng_permutation(mucmm__rng_key(9, 9), perm, 400);
    CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[1], perm, 400, &unrelated));
    q.view[1].data = unrelated;
    m = fit(ctx, &q, &fp);
    mucmm_null_params_init(&np);
    np.models = 19;
    CHECK_OK(ctx, mucmm_null_fit(ctx, m, MUCMM_LINEAR, q.view, 2, &np, &null));
    p.null = null;
    for (int64_t i = 0; i < 100; i++)
        rows[i] = 4 * i;
    CHECK_OK(ctx, mucmm_coupling_create(ctx, m, q.view, 2, 0, 1, rows, 100, &p, &c));
    p.mask = .2;
    CHECK_OK(ctx, mucmm_coupling_create(ctx, m, q.view, 2, 1, 0, rows, 100, &p, &t));
    for (int64_t i = 0; i < 100; i++) {
        const float *p_c = mucmm_coupling_p_values(c, i), *p_t = mucmm_coupling_p_values(t, i);
        float *x = matrix_of(c, i), *y = matrix_of(t, i);
        for (int64_t j = 0; j < 72; j++) {
            int64_t turned = j % 9 * 8 + j / 9;
            assert_true(p_c[j] > 0 && p_c[j] <= 1);
            CHECK_CLOSE(p_c[j], p_t[turned], 1e-6);
            CHECK_CLOSE(y[turned], (double)p_t[turned] <= .2 ? (double)x[j] : 0, 1e-7);
            small += p_c[j] <= .2f;
            n++;
        }
        free(x);
        free(y);
    }
    assert_true((double)small / (double)n > .05 && (double)small / (double)n < .35);
    mucmm_coupling_free(c);
    mucmm_coupling_free(t);
    mucmm_null_free(null);
    mucmm_model_free(m);
    mucmm_data_free(unrelated);
    drop_problem(&q);
}

/* ---- what is refused --------------------------------------------------------------- */

static void refuse(const mucmm_model *m, const problem *q, int32_t first, int32_t second,
                   const mucmm_coupling_params *p, const char *why)
{
    mucmm_coupling *c = (mucmm_coupling *)(uintptr_t)m;

    check_message(
        ctx, mucmm_coupling_create(ctx, m, q->view, 2, first, second, some_rows, SAMPLES, p, &c),
        MUCMM_EARG, why);
    assert_null(c);
}

static void test_refusals(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 86);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_coupling_params p = params_of(MUCMM_HEADS);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_explain_params ep;
    mucmm_explanation *e = NULL;
    mucmm_coupling *c = NULL;
    mucmm_coupled_pair pair;
    int64_t found, outside = 100;
    float x[72];

    (void)state;
    refuse(m, &q, 0, 0, &p, "with itself");
    refuse(m, &q, 0, 2, &p, "view 2 is out of range");
    refuse(m, &q, -1, 0, &p, "out of range");
    p.steps = 0;
    refuse(m, &q, 0, 1, &p, "0 steps");
    p = params_of((mucmm_representation)7);
    refuse(m, &q, 0, 1, &p, "no representation 7");
    p = params_of(MUCMM_HEADS);
    p.mask = .5;
    refuse(m, &q, 0, 1, &p, "needs null models");
    p.mask = NAN;
    p.side = -1;
    refuse(m, &q, 0, 1, &p, "side is -1");
    p = params_of(MUCMM_HEADS);
    p.baseline = (mucmm_baseline)9;
    refuse(m, &q, 0, 1, &p, "no baseline 9");
    check_message(ctx, mucmm_coupling_create(ctx, m, q.view, 1, 0, 1, some_rows, 1, NULL, &c),
                  MUCMM_EARG, "right");
    check_message(ctx, mucmm_coupling_create(ctx, m, q.view, 2, 0, 1, &outside, 1, NULL, &c),
                  MUCMM_EARG, "sample 100");
    check_message(ctx, mucmm_coupling_create(ctx, m, q.view, 2, 0, 1, some_rows, 0, NULL, &c),
                  MUCMM_EARG, "0 samples");
    mucmm_explain_params_init(&ep);
    ep.score = MUCMM_SCORE_COUPLING;
    check_message(ctx, mucmm_explanation_create(ctx, m, q.view, 2, 0, some_rows, 1, &ep, &e),
                  MUCMM_EARG, "of two views");
    c = couple(m, q.view, 2, 0, 1, NULL);
    check_message(ctx, mucmm_coupling_map(ctx, c, 0, 0, 8, x), MUCMM_EARG, "cell 8");
    check_message(ctx, mucmm_coupling_map(ctx, c, SAMPLES, 0, 0, x), MUCMM_EARG, "sample 3");
    check_message(ctx, mucmm_coupling_totals(ctx, c, 0, 2, x), MUCMM_EARG, "side 2");
    check_message(ctx, mucmm_coupling_strongest(ctx, c, 0, -1, &pair, &found), MUCMM_EARG, "-1");
    check_message(ctx, mucmm_coupling_matrix(ctx, c, 0, &(mucmm_mat){x, 9, 8, 8}), MUCMM_ESHAPE,
                  "[8, 9]");
    check_message(ctx, mucmm_coupling_write(ctx, c, 0, MUCMM_COUPLING_P_VALUES, "x"), MUCMM_EARG,
                  "no file");
    assert_null(mucmm_coupling_factors(c, 0, 2));
    assert_null(mucmm_coupling_p_values(c, 0));
    assert_null(mucmm_coupling_name(c, 2));
    assert_int_equal(mucmm_coupling_view(c, -1), -1);
    assert_int_equal(mucmm_coupling_cells(c, -1, 0, NULL, NULL), 0);
    mucmm_coupling_free(c);
    mucmm_coupling_free(NULL);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- wide tables ------------------------------------------------------------------- */

#define WIDE 6000

/* A matrix that is too large is refused whole; its rows, its strongest pairs, its sheet and the
 * files of its factors are there. */
static void test_wide_tables(void **state)
{
    mucmm_data *d[2] = {NULL, NULL};
    mucmm_view views[2];
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_coupling *c = NULL;
    mucmm_model *m = NULL;
    mucmm_coupled_pair pair;
    int64_t found, shape[MUCMM_MAX_RANK], n = 30;
    float *x[2], row[WIDE], one;
    int32_t rank;
    double *read = NULL;

    (void)state;
    for (int v = 0; v < 2; v++) {
        x[v] = test_floats(n * WIDE);
        for (int64_t i = 0; i < n * WIDE; i++)
            x[v][i] = (float)(mucmm__rng_normal(mucmm__rng_key(4, (uint64_t)v), (uint64_t)i) +
                              mucmm__rng_normal(mucmm__rng_key(5, 0), (uint64_t)(i / WIDE)));
        CHECK_OK(ctx,
                 mucmm_data_wrap(ctx, &(mucmm_cmat){x[v], n, WIDE, WIDE}, "wide", NULL, 0, &d[v]));
        views[v] = (mucmm_view){v ? "b" : "a", d[v]};
    }
    fp.individual = 0;
    fp.common = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &fp, &m));
    CHECK_OK(ctx, mucmm_coupling_create(ctx, m, views, 2, 0, 1, some_rows + 1, 1, NULL, &c));
    check_message(ctx, mucmm_coupling_matrix(ctx, c, 0, &(mucmm_mat){&one, WIDE, WIDE, WIDE}),
                  MUCMM_EARG, "the strongest pairs");
    CHECK_OK(ctx, mucmm_coupling_strongest(ctx, c, 0, 1, &pair, &found));
    assert_int_equal(found, 1);
    CHECK_OK(ctx, mucmm_coupling_map(ctx, c, 0, 0, pair.first, row));
    CHECK_CLOSE(row[pair.second], pair.value, 0);
    for (int64_t j = 0; j < WIDE; j++)
        assert_true(fabsf(row[j]) <= fabsf(pair.value));
    assert_null(mucmm_coupling_file_end(c, 0, MUCMM_COUPLING_MATRIX));
    assert_string_equal(mucmm_coupling_file_end(c, 0, MUCMM_COUPLING_FIRST), "first.npy");
    for (int f = MUCMM_COUPLING_FIRST; f <= MUCMM_COUPLING_SECOND; f++) {
        CHECK_OK(ctx, mucmm_coupling_write(ctx, c, 0, (mucmm_coupling_file)f, in_folder("f.npy")));
        CHECK_OK(ctx, mucmm__npy_read_double(ctx, in_folder("f.npy"), &read, shape, &rank));
        assert_true(rank == 2 && shape[0] == WIDE && shape[1] == 1);
        mucmm__free(read);
    }
    CHECK_OK(ctx, mucmm_coupling_write(ctx, c, 0, MUCMM_COUPLING_SHEET, in_folder("s.png")));
    mucmm_coupling_free(c);
    mucmm_model_free(m);
    for (int v = 0; v < 2; v++) {
        mucmm_data_free(d[v]);
        free(x[v]);
    }
}

/* ---- pictures, words, sounds ------------------------------------------------------- */

#define RICH 120
#define PICTURE_ROW 30
#define KINDS 4

/* Views of RICH rows: pictures [6, 5] and words behind networks, sounds, and a table. */
typedef struct rich {
    mucmm_data *data[KINDS];
    mucmm_view view[KINDS];
    float *x[2];
    mucmm_model *m;
} rich;

static void encode(const char *description, const char *const *items, mucmm_data **out)
{
    mucmm_source *s = NULL;
    mucmm_encoder *e = NULL;

    CHECK_OK(ctx, mucmm_source_create(ctx, description, fuzz_folder, items, RICH, &s));
    CHECK_OK(ctx, mucmm_encoder_load(ctx, description, fuzz_folder, &e));
    CHECK_OK(ctx, mucmm_data_encode(ctx, s, e, NULL, out));
    mucmm_source_free(s);
    mucmm_encoder_free(e);
}

/* [rows, 6, 5] -> tanh of a convolution, through ReLU. */
static void put_grey_net(void)
{
    net n = net_new(13);
    float w[4 * 9];

    for (int i = 0; i < 36; i++)
        w[i] = fixed_number(500 + i);
    net_input(&n, "x", MUCMM_F32, "-1x6x5");
    net_floats(&n, "w", "4x1x3x3", w);
    net_ints(&n, "deep", "4", (const int64_t[]){0, 1, 6, 5});
    net_node(&n, "Reshape", "x deep", "x4", "");
    net_node(&n, "Conv", "x4 w", "conv", "pads=[1,1,1,1]");
    net_node(&n, "Relu", "conv", "map", "");
    net_output(&n, "map");
    put_net(&n, "grey.onnx");
}

static void make_pictures(rich *r)
{
    static const char description[] =
        "{\"kind\": \"features\", \"encoder\": \"grey.onnx\", \"pool\": \"2x1\"}";
    mucmm_data *plain = NULL;
    mucmm_source *s = NULL;
    mucmm_encoder *e = NULL;

    put_grey_net();
    r->x[0] = test_floats(RICH * PICTURE_ROW);
    for (int64_t i = 0; i < RICH * PICTURE_ROW; i++)
        r->x[0][i] = fixed_number(i + 1000);
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){r->x[0], RICH, PICTURE_ROW, PICTURE_ROW},
                                  "grey", (const int64_t[]){6, 5}, 2, &plain));
    CHECK_OK(ctx, mucmm_source_wrap(ctx, plain, &s));
    CHECK_OK(ctx, mucmm_encoder_load(ctx, description, fuzz_folder, &e));
    CHECK_OK(ctx, mucmm_data_encode(ctx, s, e, NULL, &r->data[0]));
    mucmm_source_free(s);
    mucmm_encoder_free(e);
    mucmm_data_free(plain);
}

static void make_sounds(rich *r)
{
    static char names[RICH][16];
    const char *items[RICH];
    uint8_t wav[1024];

    for (int i = 0; i < RICH; i++) {
        size_t size = make_wav(wav, 8000, 200);
        for (int t = 0; t < 200; t++) {
            int16_t x = (int16_t)(20000 * fixed_number(300 * i + t));
            memcpy(wav + 44 + 2 * t, &x, 2);
        }
        snprintf(names[i], sizeof names[i], "r%d.wav", i);
        put_in_folder(names[i], wav, size);
        items[i] = names[i];
    }
    encode(SOUND "}", items, &r->data[2]);
}

static rich new_rich(void)
{
    static const char *const texts[] = {"a b", "c", "ab b", "b c", "", "ab"};
    static const char *const names[KINDS] = {"picture", "words", "sound", "table"};
    const char *items[RICH];
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    rich r = {.m = NULL};

    make_pictures(&r);
    for (int i = 0; i < RICH; i++)
        items[i] = texts[(i * 7 + i / 3) % 6];
    encode(WORDS "}", items, &r.data[1]);
    make_sounds(&r);
    r.x[1] = test_floats(RICH * 5);
    for (int64_t i = 0; i < RICH * 5; i++)
        r.x[1][i] = fixed_number(5000 + i) + r.x[0][i / 5 * PICTURE_ROW];
    CHECK_OK(ctx,
             mucmm_data_wrap(ctx, &(mucmm_cmat){r.x[1], RICH, 5, 5}, "table", NULL, 0, &r.data[3]));
    for (int v = 0; v < KINDS; v++)
        r.view[v] = (mucmm_view){names[v], r.data[v]};
    p.batch = 90;
    p.individual = 0;
    CHECK_OK(ctx, mucmm_fit(ctx, r.view, KINDS, &p, &r.m));
    return r;
}

static void drop_rich(rich *r)
{
    mucmm_model_free(r->m);
    for (int v = 0; v < KINDS; v++)
        mucmm_data_free(r->data[v]);
    free(r->x[0]);
    free(r->x[1]);
}

static int64_t expected_cells(const rich *r, int32_t view, int64_t row)
{
    const char *text = mucmm_data_item(r->data[1], row);

    if (view == 1)
        return strcmp(text, "a b") == 0 || strcmp(text, "b c") == 0 ? 2 : 1; /* "ab b" is cut */
    return view == 0 ? PICTURE_ROW : view == 3 ? 5 : -1;
}

static void check_files(const mucmm_coupling *c, int32_t a, int32_t b)
{
    int64_t shape[MUCMM_MAX_RANK], height = 0, n = 1;
    int32_t rank;
    double *x = NULL;
    bytes png;

    CHECK_OK(ctx, mucmm_coupling_write(ctx, c, 0, MUCMM_COUPLING_MATRIX, in_folder("m.npy")));
    CHECK_OK(ctx, mucmm__npy_read_double(ctx, in_folder("m.npy"), &x, shape, &rank));
    assert_int_equal(rank, 2 + (a == 0) + (b == 0));
    for (int32_t i = 0; i < rank; i++)
        n *= shape[i];
    assert_int_equal(n, mucmm_coupling_cells(c, 0, 0, NULL, NULL) *
                            mucmm_coupling_cells(c, 0, 1, NULL, NULL));
    mucmm__free(x);
    CHECK_OK(ctx, mucmm_coupling_write(ctx, c, 0, MUCMM_COUPLING_SHEET, in_folder("m.png")));
    png = get_file("m.png");
    assert_memory_equal(png.data, "\x89PNG", 4);
    height = (int64_t)png.data[22] << 8 | png.data[23];
    assert_true(height > 80);
    free(png.data);
}

/* Every pair of kinds, both ways: complete after completion, sheets and files. */
static void test_pictures_words_sounds(void **state)
{
    rich r = new_rich();
    mucmm_coupling_params p = params_of(MUCMM_HEADS);

    (void)state;
    p.steps = 16;
    for (int32_t a = 0; a < KINDS; a++)
        for (int32_t b = 0; b < KINDS; b++) {
            const int32_t views[] = {a, b};
            mucmm_coupling *c;
            mucmm_coupling_sums s;
            if (a == b)
                continue;
            CHECK_OK(ctx, mucmm_coupling_create(ctx, r.m, r.view, KINDS, a, b, some_rows + 1, 1, &p,
                                                &c));
            mucmm_coupling_sums_init(&s);
            CHECK_OK(ctx, mucmm_coupling_check(ctx, c, &s));
            assert_true(s.sum <= 1e-3);
            CHECK_CLOSE(sum_of(c, 0), mucmm_coupling_scores(c)[0], 1e-3 * s.range);
            for (int side = 0; side < 2; side++) {
                int64_t cells = mucmm_coupling_cells(c, 0, side, NULL, NULL);
                int64_t want = expected_cells(&r, views[side], 0);
                assert_true(want < 0 ? cells > 0 && cells <= 48 : cells == want);
            }
            check_files(c, a, b);
            mucmm_coupling_free(c);
        }
    drop_rich(&r);
}

/* Marks are no words; a text without words has one cell. Blocks of pixels, also where they leave a
 * rest, hold all that the pixels hold. */
static void test_cells(void **state)
{
    rich r = new_rich();
    mucmm_coupling_params p = params_of(MUCMM_HEADS);
    char name[32];
    int64_t rows, cols;

    (void)state;
    for (int64_t row = 0; row < 12; row++) {
        const char *text = mucmm_data_item(r.data[1], row);
        mucmm_coupling *c = NULL;
        p.side = row % 2 ? 0 : 4; /* blocks of 2 x 2 leave a column over */
        CHECK_OK(ctx, mucmm_coupling_create(ctx, r.m, r.view, KINDS, 0, 1, &row, 1, &p, &c));
        assert_int_equal(mucmm_coupling_cells(c, 0, 1, &rows, &cols), expected_cells(&r, 1, row));
        assert_true(rows == 0 && cols == 0);
        assert_int_equal(mucmm_coupling_cells(c, 0, 0, &rows, &cols), row % 2 ? 30 : 6);
        assert_true(rows == (row % 2 ? 6 : 3) && cols == (row % 2 ? 5 : 2));
        mucmm_coupling_cell(c, 0, 1, 0, name, sizeof name);
        assert_int_equal(strncmp(name, text[0] ? text : "(no words)", strlen(name)), 0);
        CHECK_CLOSE(sum_of(c, 0), mucmm_coupling_scores(c)[0], 1e-4);
        mucmm_coupling_free(c);
    }
    drop_rich(&r);
}

/* Of a bag of words the cells are the words of the text that have a column; one that stands twice
 * is two cells that share its column. */
static void test_bags_of_words(void **state)
{
    static const char *const known[] = {"sun", "red", "sea"};
    static char texts[RICH][64];
    const char *items[RICH];
    float *x = test_floats(RICH * 4);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_data *d[2] = {NULL, NULL};
    mucmm_view views[2];
    mucmm_model *m = NULL;
    mucmm_coupling *c;
    char name[32];

    (void)state;
    for (int64_t i = 0; i < RICH; i++) {
        const char *a = known[i % 3], *b = known[i / 3 % 3];
        snprintf(texts[i], sizeof texts[i], "%s only%d %s", a, (int)i, b);
        items[i] = texts[i];
        for (int64_t j = 0; j < 4; j++)
            x[i * 4 + j] = fixed_number(i * 4 + j) + (float)(i % 3) * (j == 0) + (float)(i / 3 % 3);
    }
    encode("{\"kind\": \"text\", \"tokenizer\": \"words\", \"encoder\": \"tf-idf\"}", items, &d[0]);
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, RICH, 4, 4}, "table", NULL, 0, &d[1]));
    for (int v = 0; v < 2; v++)
        views[v] = (mucmm_view){v ? "table" : "bag", d[v]};
    fp.common = 1;
    fp.individual = 0;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &fp, &m));
    for (int64_t row = 0; row < 9; row++) {
        CHECK_OK(ctx, mucmm_coupling_create(ctx, m, views, 2, 0, 1, &row, 1, NULL, &c));
        assert_int_equal(mucmm_coupling_cells(c, 0, 0, NULL, NULL), 2);
        assert_string_equal(mucmm_coupling_cell(c, 0, 0, 0, name, sizeof name), known[row % 3]);
        assert_string_equal(mucmm_coupling_cell(c, 0, 0, 1, name, sizeof name), known[row / 3 % 3]);
        if (row % 3 == row / 3 % 3)
            CHECK_CLOSE(mucmm_coupling_factors(c, 0, 0)[0], mucmm_coupling_factors(c, 0, 0)[1], 0);
        CHECK_CLOSE(sum_of(c, 0), mucmm_coupling_scores(c)[0], 1e-5);
        mucmm_coupling_free(c);
    }
    mucmm_model_free(m);
    for (int v = 0; v < 2; v++)
        mucmm_data_free(d[v]);
    free(x);
}

typedef struct memory_case {
    const rich *r;
    int32_t first, second;
} memory_case;

static mucmm_status call_sheet(mucmm_ctx *c, void *arg)
{
    const memory_case *t = arg;
    mucmm_status status = MUCMM_OK;
    mucmm_coupling *made = (mucmm_coupling *)arg;
    mucmm_sheet *sheet = (mucmm_sheet *)arg;
    mucmm_coupling_params p = params_of(MUCMM_HEADS);

    p.steps = 1;
    status = mucmm_coupling_create(c, t->r->m, t->r->view, KINDS, t->first, t->second,
                                   some_rows + 1, 1, &p, &made);
    assert_int_equal(made == NULL, status != MUCMM_OK);
    if (status == MUCMM_OK) {
        status = mucmm_coupling_sheet(c, made, 0, &sheet);
        assert_int_equal(sheet == NULL, status != MUCMM_OK);
        mucmm_sheet_free(status == MUCMM_OK ? sheet : NULL);
    }
    mucmm_coupling_free(made);
    return status;
}

static void test_every_failed_allocation_is_reported(void **state)
{
    rich r = new_rich();
    memory_case cases[] = {{&r, 0, 1}, {&r, 2, 1}, {&r, 0, 2}, {&r, 3, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_OK(ctx, call_sheet(ctx, &cases[i])); /* graphs keep their plans */
        assert_true(sweep_out_of_memory(call_sheet, &cases[i], 60) > 30);
    }
    drop_rich(&r);
}

static void test_json(void **state)
{
    rich r = new_rich();
    mucmm_coupling *c[2] = {NULL, NULL};
    mucmm_coupling_params p = params_of(MUCMM_HEADS);
    char *text = NULL;
    json_t *root, *list, *sample;

    (void)state;
    p.steps = 4;
    c[0] = couple(r.m, r.view, KINDS, 0, 1, &p);
    c[1] = couple(r.m, r.view, KINDS, 3, 2, &p);
    CHECK_OK(ctx, mucmm_couplings_json(ctx, (const mucmm_coupling *const *)c, 2, &text));
    root = json_loads(text, 0, NULL);
    list = json_object_get(root, "couplings");
    assert_int_equal(json_array_size(list), 2);
    sample = json_array_get(json_object_get(json_array_get(list, 0), "samples"), 0);
    assert_true(json_is_null(json_object_get(sample, "first")));
    assert_int_equal(json_array_size(json_object_get(sample, "second")),
                     mucmm_coupling_cells(c[0], 0, 1, NULL, NULL));
    assert_int_equal(json_integer_value(json_object_get(sample, "row")), some_rows[0]);
    assert_true(json_array_size(json_object_get(sample, "strongest")) == 20);
    json_decref(root);
    mucmm_text_free(text);
    for (int i = 0; i < 2; i++)
        mucmm_coupling_free(c[i]);
    drop_rich(&r);
}

static int set_up_coupling(void **state)
{
    if (set_up(state) != 0)
        return -1;
    make_folder();
    make_fixtures(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_are_the_score),
        cmocka_unit_test(test_factors_of_linear_heads_are_differences),
        cmocka_unit_test(test_both_sides_are_the_same),
        cmocka_unit_test(test_a_coupling_outlives_what_it_is_of),
        cmocka_unit_test(test_p_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_wide_tables),
        cmocka_unit_test(test_pictures_words_sounds),
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_bags_of_words),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests_name("coupling", tests, set_up_coupling, tear_down);
}
