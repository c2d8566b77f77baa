/* SPDX-License-Identifier: MIT
 *
 * A model knows the rows of its fit: in other files, formats, orders and company; and takes nothing
 * else for them. */
#include "onnx_builder.h"
#include "workspace.h"

enum { ROWS = 120, P = 6, MORE = 80 };

/* Two views of nothing but noise, from a stream. */
typedef struct noise {
    float x[2][(ROWS + MORE) * P];
    mucmm_view view[2];
    mucmm_data *data[2];
    int64_t n;
} noise;

static const char *const names[] = {"left", "right"};

static void wrap(noise *t)
{
    for (int v = 0; v < 2; v++) {
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t->x[v], t->n, P, P}, names[v], NULL, 0,
                                      &t->data[v]));
        t->view[v] = (mucmm_view){names[v], t->data[v]};
    }
}

static noise *new_noise(uint64_t seed, int64_t n)
{
    noise *t = calloc(1, sizeof *t);

    assert_non_null(t);
    t->n = n;
    for (int v = 0; v < 2; v++)
        for (int64_t i = 0; i < n * P; i++)
            t->x[v][i] = (float)mucmm__rng_normal(mucmm__rng_key(seed, (uint64_t)v), (uint64_t)i);
    wrap(t);
    return t;
}

/* Zeros and ones, a one with probability `one`. */
static noise *new_bits(uint64_t seed, int64_t n, double one)
{
    noise *t = calloc(1, sizeof *t);

    assert_non_null(t);
    t->n = n;
    for (int v = 0; v < 2; v++)
        for (int64_t i = 0; i < n * P; i++)
            t->x[v][i] = mucmm__rng_uniform(mucmm__rng_key(seed, (uint64_t)v), (uint64_t)i) < one;
    wrap(t);
    return t;
}

static void drop(noise *t)
{
    for (int v = 0; v < 2; v++)
        mucmm_data_free(t->data[v]);
    free(t);
}

/* The rows of a, in the order given, then those of b (or NULL). */
static noise *mixed(const noise *a, const int64_t *order, int64_t n, const noise *b)
{
    noise *t = calloc(1, sizeof *t);

    assert_non_null(t);
    t->n = n + (b ? b->n : 0);
    assert_true(t->n <= ROWS + MORE);
    for (int v = 0; v < 2; v++) {
        for (int64_t i = 0; i < n; i++)
            memcpy(t->x[v] + i * P, a->x[v] + (order ? order[i] : i) * P, P * sizeof(float));
        if (b)
            memcpy(t->x[v] + n * P, b->x[v], (size_t)(b->n * P) * sizeof(float));
    }
    wrap(t);
    return t;
}

static mucmm_model *fit_noise(const noise *t)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = NULL;

    p.common = 2;
    p.individual = 1;
    p.ridge = 1e-8;
    CHECK_OK(ctx, mucmm_fit(ctx, t->view, 2, &p, &m));
    return m;
}

static mucmm_scores *score(const mucmm_model *m, const mucmm_view *views, int32_t n)
{
    mucmm_score_params p;
    mucmm_scores *s = NULL;

    mucmm_score_params_init(&p);
    p.permutations = 99;
    CHECK_OK(ctx, mucmm_score(ctx, m, views, n, &p, &s));
    return s;
}

/* How many of rows [first, last) are of a kind. */
static int64_t count(const mucmm_scores *s, int64_t first, int64_t last, mucmm_row_kind kind)
{
    int64_t n = 0;

    for (int64_t i = first; i < last; i++)
        n += mucmm_scores_row(s, i) == kind;
    return n;
}

/* The fit's own rows, and nothing else, are fitted or held out: rows [0, known) of s. */
static void check_known(const mucmm_scores *s, const mucmm_model *m, int64_t known)
{
    int64_t held_out = m->rows[MUCMM_ROWS_HELD_OUT], n = mucmm_scores_rows(s);
    const mucmm_summary *fresh = mucmm_scores_summary(s, MUCMM_HEADS);
    const mucmm_summary *in_sample = mucmm_scores_in_sample(s, MUCMM_HEADS);

    assert_int_equal(mucmm_scores_recognition(s), MUCMM_RECOGNITION_SURE);
    assert_int_equal(count(s, 0, known, MUCMM_ROW_HELD_OUT), held_out);
    assert_int_equal(count(s, 0, known, MUCMM_ROW_FITTED), known - held_out);
    assert_int_equal(count(s, known, n, MUCMM_ROW_NEW), n - known);
    assert_int_equal(mucmm_scores_fitted(s), known - held_out);
    assert_int_equal(fresh->rows, n - known + held_out);
    assert_int_equal(in_sample->rows, known - held_out);
    for (int64_t j = 0; j < fresh->components; j++)
        assert_true(isnan(in_sample->p_values[j]));
    assert_true(isnan(in_sample->leakage_kernel_p[0]) && isnan(in_sample->leakage_linear_p[0]));
    assert_int_equal(in_sample->significant + in_sample->dimensions, 0);
}

/* ---- the same rows in other clothes ------------------------------------------------ */

static void test_rows_are_known_in_any_order_and_company(void **state)
{
    noise *t = new_noise(1, ROWS), *fresh = new_noise(2, MORE);
    mucmm_model *m = fit_noise(t);
    const mucmm_summary *train = mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS);
    int64_t order[ROWS];

    (void)state;
    mucmm__rng_permutation(mucmm__rng_key(7, 7), order, ROWS);
    for (int kind = 0; kind < 4; kind++) {
        noise *given = mixed(t, kind & 1 ? order : NULL, ROWS, kind & 2 ? fresh : NULL);
        mucmm_view turned[] = {given->view[1], given->view[0]};
        mucmm_scores *s = score(m, turned, 2);
        check_known(s, m, ROWS);
        for (int64_t j = 0; j < 2; j++)
            CHECK_CLOSE(mucmm_scores_in_sample(s, MUCMM_LINEAR)->correlations[j],
                        train->correlations[j], 1e-6);
        mucmm_scores_free(s);
        drop(given);
    }
    mucmm_model_free(m);
    drop(fresh);
    drop(t);
}

/* In csv and npy (float64 of the same numbers), after a loaded model, view by view. */
static void test_rows_are_known_in_other_files(void **state)
{
    noise *t = new_noise(3, ROWS);
    mucmm_model *m = fit_noise(t), *loaded = NULL;
    FILE *f;

    (void)state;
    CHECK_OK(ctx, mucmm_model_save(ctx, m, in_folder("m.mucmm")));
    CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("m.mucmm"), &loaded));
    for (int v = 0; v < 2; v++) {
        double wide[ROWS * P];
        mucmm_data *csv = NULL, *doubles = NULL;
        mucmm_array a;
        f = fopen(in_folder("x.csv"), "w");
        for (int j = 0; j < P; j++)
            fprintf(f, "c%d%c", j, j + 1 < P ? ',' : '\n');
        for (int i = 0; i < ROWS * P; i++) {
            wide[i] = (double)t->x[v][i];
            fprintf(f, "%.9g%c", wide[i], (i + 1) % P ? ',' : '\n');
        }
        fclose(f);
        CHECK_OK(ctx, mucmm_data_open(ctx, in_folder("x.csv"), NULL, &csv));
        mucmm_array_init(&a);
        a.dtype = MUCMM_F64;
        a.data = wide;
        a.rows = ROWS;
        a.cols = P;
        CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &doubles));
        for (int k = 0; k < 2; k++) {
            mucmm_view one = {names[v], k ? doubles : csv};
            mucmm_scores *s = score(loaded, &one, 1);
            check_known(s, m, ROWS);
            mucmm_scores_free(s);
        }
        mucmm_data_free(csv);
        mucmm_data_free(doubles);
        unlink(in_folder("x.csv"));
    }
    unlink(in_folder("m.mucmm"));
    mucmm_model_free(loaded);
    mucmm_model_free(m);
    drop(t);
}

/* All of the fit's rows but those held out: no row testifies. */
static void test_of_fitted_rows_alone_there_is_no_p_value(void **state)
{
    noise *t = new_noise(4, ROWS);
    mucmm_model *m = fit_noise(t);
    mucmm_scores *all = score(m, t->view, 2);
    int64_t rows[ROWS], n = 0;
    char note[MUCMM_NOTE_SIZE], *json = NULL;

    (void)state;
    for (int64_t i = 0; i < ROWS; i++)
        if (mucmm_scores_row(all, i) == MUCMM_ROW_FITTED)
            rows[n++] = i;
    noise *fitted = mixed(t, rows, n, NULL);
    mucmm_scores *s = score(m, fitted->view, 2);
    const mucmm_summary *sum = mucmm_scores_summary(s, MUCMM_HEADS);
    assert_int_equal(sum->rows, 0);
    assert_int_equal(sum->significant + sum->dimensions, 0);
    assert_true(isnan(sum->correlations[0]) && isnan(sum->p_values[1]) &&
                isnan(sum->common_share[0]) && isnan(sum->retrieval_1[1]));
    assert_true(mucmm_scores_in_sample(s, MUCMM_HEADS)->correlations[0] > .2);
    assert_non_null(strstr(mucmm_scores_note(s, note, sizeof note), "fitted to all of these rows"));
    CHECK_OK(ctx, mucmm_scores_json(ctx, s, &json));
    assert_non_null(strstr(json, "\"in_sample\""));
    assert_non_null(strstr(json, "\"fitted\": 108"));
    mucmm_text_free(json);
    mucmm_scores_free(s);
    mucmm_scores_free(all);
    mucmm_model_free(m);
    drop(fitted);
    drop(t);
}

/* -0 and 0 are one number. */
static void test_zeros_of_either_sign_are_equal(void **state)
{
    noise *t = new_noise(5, ROWS), *other;
    mucmm_model *m;
    mucmm_scores *s;

    (void)state;
    for (int64_t i = 0; i < ROWS; i++)
        t->x[0][i * P + i % P] = 0.0f;
    m = fit_noise(t);
    other = mixed(t, NULL, ROWS, NULL);
    for (int64_t i = 0; i < ROWS; i++)
        other->x[0][i * P + i % P] = -0.0f;
    s = score(m, other->view, 1);
    check_known(s, m, ROWS);
    mucmm_scores_free(s);
    mucmm_model_free(m);
    drop(other);
    drop(t);
}

/* One view measured, encoded or shuffled anew: the other still tells. */
static void test_one_view_is_enough(void **state)
{
    noise *t = new_noise(6, ROWS), *other = new_noise(7, ROWS);
    mucmm_model *m = fit_noise(t);
    mucmm_view views[] = {t->view[0], other->view[1]};
    mucmm_scores *s = score(m, views, 2);

    (void)state;
    assert_int_equal(mucmm_scores_fitted(s), ROWS - m->rows[MUCMM_ROWS_HELD_OUT]);
    mucmm_scores_free(s);
    mucmm_model_free(m);
    drop(other);
    drop(t);
}

/* Rows that were rounded on their way, in both views, in another order and among others. */
static void test_rounded_rows_are_known(void **state)
{
    noise *t = new_noise(14, ROWS), *fresh = new_noise(15, MORE);
    mucmm_model *m = fit_noise(t);
    int64_t held_out = m->rows[MUCMM_ROWS_HELD_OUT], order[ROWS];

    (void)state;
    mucmm__rng_permutation(mucmm__rng_key(8, 8), order, ROWS);
    for (int digits = 4; digits <= 6; digits++) {
        noise *given = mixed(t, order, ROWS, fresh);
        double unit = pow(10, -digits);
        for (int v = 0; v < 2; v++)
            for (int64_t i = 0; i < given->n * P; i++)
                given->x[v][i] = (float)(unit * round((double)given->x[v][i] / unit));
        mucmm_scores *s = score(m, given->view, 2);
        assert_int_equal(count(s, 0, ROWS, MUCMM_ROW_FITTED), ROWS - held_out);
        assert_int_equal(count(s, ROWS, given->n, MUCMM_ROW_FITTED), 0);
        mucmm_scores_free(s);
        drop(given);
    }
    mucmm_model_free(m);
    drop(fresh);
    drop(t);
}

/* ---- other rows -------------------------------------------------------------------- */

/* Rows that are new are new, however alike they look: noise, and one view that is always the row of
 * zeros that the fit has seen once. */
static void test_new_rows_are_not_taken_for_fitted(void **state)
{
    noise *t = new_noise(8, ROWS);
    mucmm_model *m;

    (void)state;
    memset(t->x[1] + 5 * P, 0, P * sizeof(float));
    m = fit_noise(t);
    for (uint64_t seed = 0; seed < 20; seed++) {
        noise *fresh = new_noise(100 + seed, MORE);
        if (seed % 2)
            memset(fresh->x[1], 0, sizeof fresh->x[1]);
        mucmm_scores *s = score(m, fresh->view, 2);
        assert_int_equal(mucmm_scores_fitted(s), 0);
        assert_null(mucmm_scores_in_sample(s, MUCMM_HEADS));
        assert_int_equal(mucmm_scores_summary(s, MUCMM_HEADS)->rows, MORE);
        mucmm_scores_free(s);
        drop(fresh);
    }
    mucmm_model_free(m);
    drop(t);
}

/* Tables of few values: new ones share nearly every row with the fit, and are new; the fit's own
 * are known by all of them together, also among others. */
static void test_rows_of_few_values(void **state)
{
    static const double ones[] = {.1, .5};
    int64_t order[ROWS];
    int misfires = 0, known = 0;

    (void)state;
    mucmm__rng_permutation(mucmm__rng_key(9, 7), order, ROWS);
    for (uint64_t seed = 0; seed < 40; seed++) {
        noise *t = new_bits(seed, ROWS, ones[seed % 2]),
              *more = new_bits(50 + seed, MORE, ones[seed % 2]);
        noise *fresh = new_bits(100 + seed, ROWS, ones[seed % 2]);
        noise *reordered = mixed(t, order, ROWS, NULL), *both = mixed(t, order, ROWS, more);
        mucmm_model *m = fit_noise(t);
        const noise *own[] = {t, reordered, both}, *others[] = {fresh, more};
        for (int i = 0; i < 3; i++) {
            mucmm_scores *s = score(m, own[i]->view, 2);
            int64_t fitted = mucmm_scores_fitted(s);
            if (i < 2 || fitted > 0)
                assert_true(fitted >= ROWS - m->rows[MUCMM_ROWS_HELD_OUT] && fitted <= ROWS);
            else /* 80 others may hold what is rare, too */
                assert_int_equal(mucmm_scores_recognition(s), MUCMM_RECOGNITION_REPEATED);
            known += i == 2 && fitted > 0;
            mucmm_scores_free(s);
        }
        for (int i = 0; i < 2; i++) {
            mucmm_scores *s = score(m, others[i]->view, 2);
            misfires += mucmm_scores_fitted(s) > 0;
            mucmm_scores_free(s);
        }
        mucmm_model_free(m);
        drop(t);
        drop(more);
        drop(fresh);
        drop(reordered);
        drop(both);
    }
    assert_int_equal(misfires, 0);
    assert_true(known >= 30);
}

/* What cannot be told is said. */
static void test_part_of_a_table_of_few_values(void **state)
{
    noise *t = new_bits(3, ROWS, .1), *half = mixed(t, NULL, ROWS / 2, NULL);
    mucmm_model *m = fit_noise(t);
    mucmm_scores *s = score(m, half->view, 2);
    char note[MUCMM_NOTE_SIZE];

    (void)state;
    assert_int_equal(mucmm_scores_recognition(s), MUCMM_RECOGNITION_REPEATED);
    assert_non_null(strstr(mucmm_scores_note(s, note, sizeof note), "repeat the values"));
    mucmm_scores_free(s);
    forget_rows(m);
    s = score(m, t->view, 2);
    assert_int_equal(mucmm_scores_recognition(s), MUCMM_RECOGNITION_NO_DIGEST);
    assert_int_equal(mucmm_scores_fitted(s), 0);
    assert_non_null(strstr(mucmm_scores_note(s, note, sizeof note), "does not know"));
    mucmm_scores_free(s);
    mucmm_model_free(m);
    drop(half);
    drop(t);
}

/* 65,536 rows of small whole numbers have as many hashes, but for the two or so that chance makes
 * equal. */
static void test_hashes_differ(void **state)
{
    enum { N = 1 << 16, COLS = 5 };
    float *x = test_floats(N * COLS);
    int64_t *rows = calloc(N, sizeof *rows);
    mucmm__digest d = {0};
    mucmm_data *data = NULL;
    int64_t same = 0;
    const double zeros[COLS] = {0}, ones[COLS] = {1, 1, 1, 1, 1};

    (void)state;
    for (int64_t i = 0; i < N; i++) {
        rows[i] = i;
        for (int j = 0; j < COLS; j++) /* signs and sizes, in every column */
            x[i * COLS + j] = (float)((i >> 3 * j & 7) - 3);
        x[i * COLS + 4] += (float)(8 * (i >> 15));
    }
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, N, COLS, COLS}, "x", NULL, 0, &data));
    CHECK_OK(ctx, mucmm__digest_make(ctx, 1, (const mucmm_data *[]){data},
                                     &(mucmm__scaling){zeros, ones, NULL}, rows, N, NULL, 0, &d));
    for (int64_t i = 0; i < N; i++)
        rows[i] = d.view[0][i];
    mucmm__sort_rows(rows, N);
    for (int64_t i = 0; i + 1 < N; i++)
        same += rows[i] == rows[i + 1];
    assert_true(same <= 5);
    mucmm__digest_drop(&d);
    mucmm_data_free(data);
    free(rows);
    free(x);
}

/* ---- keys -------------------------------------------------------------------------- */

static int warnings;

static void count_warnings(void *user, mucmm_log_level level, const char *message)
{
    (void)user;
    warnings += level == MUCMM_LOG_WARN && strstr(message, "have keys of rows") != NULL;
}

/* A view with the keys that a format makes of the rows' numbers from first on. */
static mucmm_data *keyed(const noise *t, int v, const char *format, int first)
{
    static char text[ROWS][24];
    const char *keys[ROWS];
    mucmm_data *d = NULL;
    mucmm_array a;

    mucmm_array_init(&a);
    for (int i = 0; i < ROWS; i++) {
        snprintf(text[i], sizeof text[i], format, (first + i) * 7919 % 100003, "", first + i);
        keys[i] = text[i];
    }
    a.data = t->x[v];
    a.rows = t->n;
    a.cols = P;
    a.keys = keys;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d));
    return d;
}

/* Rows measured again have their keys; keys that only count are those of anybody. */
static void test_keys(void **state)
{
    static const struct {
        const char *format;
        int first, fitted, warnings;
    } cases[] = {{"K%06dx", 1, 108, 1},
                 {"K%06dx", 500, 0, 0},
                 {"%2$s%3$d", 1, 0, 1},
                 {"s%2$s%3$03d", 1, 0, 1}};
    noise *t = new_noise(11, ROWS), *again = new_noise(12, ROWS);
    mucmm_ctx *own = NULL;
    mucmm_ctx_params cp;

    (void)state;
    mucmm_ctx_params_init(&cp);
    cp.threads = 1;
    cp.log = count_warnings;
    assert_int_equal(mucmm_ctx_create(&cp, &own), MUCMM_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
        mucmm_data *first = keyed(t, 0, cases[i].format, 1);
        mucmm_data *second = keyed(again, 0, cases[i].format, cases[i].first);
        mucmm_view fitted[] = {{"left", first}, t->view[1]};
        mucmm_view given[] = {{"left", second}, again->view[1]};
        mucmm_model *m = NULL;
        mucmm_row_kind kinds[ROWS];
        mucmm_recognition how;
        int64_t n = 0;
        p.common = 2;
        p.individual = 1;
        CHECK_OK(ctx, mucmm_fit(ctx, fitted, 2, &p, &m));
        warnings = 0;
        CHECK_OK(own, mucmm_model_recognize(own, m, given, 2, kinds, &how));
        for (int r = 0; r < ROWS; r++)
            n += kinds[r] == MUCMM_ROW_FITTED;
        assert_int_equal(how, MUCMM_RECOGNITION_SURE);
        assert_int_equal(n, cases[i].fitted);
        assert_int_equal(warnings, cases[i].warnings);
        mucmm_model_free(m);
        mucmm_data_free(first);
        mucmm_data_free(second);
    }
    mucmm_ctx_free(own);
    drop(again);
    drop(t);
}

/* ---- rows that lack views ---------------------------------------------------------- */

static void test_rows_that_lack_views(void **state)
{
    noise *t = new_noise(13, ROWS);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_view holes[2] = {t->view[0], t->view[1]};
    int64_t rows[ROWS], lacking = 0;
    mucmm_model *m = NULL;

    (void)state;
    for (int v = 0; v < 2; v++) {
        for (int64_t i = 0; i < ROWS; i++)
            rows[i] = i % 10 == 3 + v ? -1 : i;
        CHECK_OK(ctx,
                 mucmm_data_subset(ctx, t->data[v], rows, ROWS, (mucmm_data **)&holes[v].data));
    }
    p.common = 2;
    p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, holes, 2, &p, &m));
    mucmm_scores *s = score(m, holes, 2), *whole = score(m, t->view, 2);
    for (int64_t i = 0; i < ROWS; i++)
        lacking += (i % 10 == 3 || i % 10 == 4) && mucmm_scores_row(s, i) == MUCMM_ROW_FITTED &&
                   mucmm_scores_row(whole, i) == MUCMM_ROW_FITTED;
    assert_int_equal(lacking, ROWS / 5);
    assert_int_equal(mucmm_scores_fitted(s), ROWS - m->rows[MUCMM_ROWS_HELD_OUT]);
    assert_int_equal(mucmm_scores_in_sample(s, MUCMM_HEADS)->rows +
                         mucmm_scores_summary(s, MUCMM_HEADS)->rows,
                     ROWS * 4 / 5);
    mucmm_scores_free(whole);
    mucmm_scores_free(s);
    mucmm_model_free(m);
    for (int v = 0; v < 2; v++)
        mucmm_data_free((mucmm_data *)(uintptr_t)holes[v].data);
    drop(t);
}

/* ---- encoded rows ------------------------------------------------------------------ */

#define ENCODER "{\"kind\": \"table\", \"encoder\": \"net.onnx\", \"tensor\": \"features\"}"
enum { WIDE = 120, HIDDEN = 72, FEATURES = 24 };

/* Three axes and a convolution, two products of matrices: wide enough for kernels to differ. */
static void write_encoder(void)
{
    net n = net_new(13);
    double *w = normals(7, 0, WIDE * HIDDEN + HIDDEN * FEATURES, .1);
    float *weights = test_floats(WIDE * HIDDEN + HIDDEN * FEATURES);
    size_t size;

    for (int i = 0; i < WIDE * HIDDEN + HIDDEN * FEATURES; i++)
        weights[i] = (float)w[i];
    net_input(&n, "x", MUCMM_F32, "-1x120");
    net_floats(&n, "w", "120x72", weights);
    net_floats(&n, "v", "72x24", weights + WIDE * HIDDEN);
    net_floats(&n, "kernel", "3x1x5", weights);
    net_ints(&n, "deep", "3", (const int64_t[]){0, 1, WIDE});
    net_ints(&n, "flat", "2", (const int64_t[]){0, WIDE});
    net_node(&n, "Reshape", "x deep", "x3", "");
    net_node(&n, "Conv", "x3 kernel", "three", "pads=[2,2]");
    net_ints(&n, "axes", "1", (const int64_t[]){1});
    net_node(&n, "ReduceSum", "three axes", "one", "keepdims=1");
    net_node(&n, "Reshape", "one flat", "smooth", "");
    net_node(&n, "MatMul", "smooth w", "mixed", "");
    net_node(&n, "Tanh", "mixed", "hidden", "");
    net_node(&n, "MatMul", "hidden v", "features", "");
    net_output(&n, "features");
    uint8_t *bytes_of_net = net_bytes(&n, &size);
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("net.onnx"), bytes_of_net, size));
    net_drop(&n);
    free(weights);
    free(w);
}

/* Features of rows [n], or of all, with so many threads and so much memory. */
static mucmm_data *encode(const mucmm_data *raw, const int64_t *rows, int64_t n, int32_t threads,
                          uint64_t memory)
{
    mucmm_ctx *own = threaded_ctx(threads);
    mucmm_source *source = NULL;
    mucmm_encoder *encoder = NULL;
    mucmm_data *some = NULL, *out = NULL;
    mucmm_encode_params p;

    mucmm_encode_params_init(&p);
    p.memory = memory;
    CHECK_OK(own, mucmm_data_subset(own, raw, rows, n, &some));
    CHECK_OK(own, mucmm_source_wrap(own, some, &source));
    CHECK_OK(own, mucmm_encoder_load(own, ENCODER, folder, &encoder));
    CHECK_OK(own, mucmm_data_encode(own, source, encoder, &p, &out));
    mucmm_encoder_free(encoder);
    mucmm_source_free(source);
    mucmm_data_free(some);
    mucmm_ctx_free(own);
    return out;
}

/* Features are computed again, in other batches and on other threads: they are the same numbers. */
static void test_encoded_rows_are_known(void **state)
{
    static const struct {
        int32_t threads;
        uint64_t memory;
        int64_t rows;
    } cases[] = {{1, 0, ROWS},      {3, 0, ROWS}, {2, 400000, ROWS},
                 {1, 120000, ROWS}, {3, 0, 7},    {1, 0, 1}};
    noise *t = new_noise(50, ROWS);
    float *raw = test_floats(ROWS * WIDE);
    mucmm_data *data = NULL;
    mucmm_model *m = NULL;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    int64_t order[ROWS];

    (void)state;
    write_encoder();
    for (int64_t i = 0; i < ROWS * WIDE; i++)
        raw[i] = (float)mucmm__rng_normal(mucmm__rng_key(51, 0), (uint64_t)i);
    CHECK_OK(ctx,
             mucmm_data_wrap(ctx, &(mucmm_cmat){raw, ROWS, WIDE, WIDE}, "raw", NULL, 0, &data));
    mucmm_data *features = encode(data, NULL, ROWS, 1, 0);
    p.common = 2;
    p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, (mucmm_view[]){{"left", features}, t->view[1]}, 2, &p, &m));
    mucmm__rng_permutation(mucmm__rng_key(9, 9), order, ROWS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mucmm_data *again = encode(data, order, cases[i].rows, cases[i].threads, cases[i].memory);
        mucmm_row_kind kinds[ROWS];
        mucmm_recognition how;
        int64_t known = 0;
        CHECK_OK(ctx, mucmm_model_recognize(ctx, m, &(mucmm_view){"left", again}, 1, kinds, &how));
        for (int64_t r = 0; r < cases[i].rows; r++)
            known += kinds[r] != MUCMM_ROW_NEW;
        if (known != cases[i].rows)
            fail_msg("case %d: %d of %d rows are known", (int)i, (int)known, (int)cases[i].rows);
        mucmm_data_free(again);
    }
    mucmm_model_free(m);
    mucmm_data_free(features);
    mucmm_data_free(data);
    unlink(in_folder("net.onnx"));
    free(raw);
    drop(t);
}

/* ---- the report -------------------------------------------------------------------- */

static char *report_on(const mucmm_model *m, const noise *t)
{
    mucmm_views *views = NULL;
    char *page = calloc(1, 1 << 22);
    FILE *f;

    CHECK_OK(ctx, mucmm_views_create(ctx, t->view, 2, &views));
    CHECK_OK(ctx, mucmm_model_report(ctx, m, views, NULL, in_folder("page")));
    mucmm_views_free(views);
    f = fopen(in_folder("page"), "rb");
    assert_non_null(page);
    assert_non_null(f);
    assert_true(fread(page, 1, (1 << 22) - 1, f) > 100);
    fclose(f);
    unlink(in_folder("page"));
    return page;
}

/* Of noise that was fitted to no report says that anything is shared, but for one in twenty. */
static void test_report_quotes_no_fitted_row(void **state)
{
    int found[3] = {0};

    for (uint64_t seed = 20; seed < 40; seed++) {
        noise *t = new_noise(seed, ROWS), *fresh = new_noise(30 + seed, MORE);
        noise *both = mixed(t, NULL, ROWS, fresh);
        mucmm_model *m = fit_noise(t);
        mucmm_scores *all = score(m, t->view, 2);
        int64_t rows[ROWS], n = 0;
        for (int64_t i = 0; i < ROWS; i++)
            if (mucmm_scores_row(all, i) == MUCMM_ROW_FITTED)
                rows[n++] = i;
        noise *fitted = mixed(t, rows, n, NULL);
        const noise *given[] = {fitted, both, fresh};
        for (int i = 0; i < 3; i++) {
            char *page = report_on(m, given[i]), words[128];
            found[i] += !strstr(page, "Nothing shared was found");
            assert_int_equal(!strstr(page, "Nothing shared was found"),
                             strstr(page, "of its variance is common") != NULL);
            assert_int_equal(strstr(page, ", in-sample") != NULL, i < 2);
            snprintf(words, sizeof words, "Component 0: correlation %.2f%s",
                     i == 0 ? mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, 0)->correlations[0] : 0,
                     i == 0 ? " on the held-out rows" : "");
            assert_true(i > 0 || strstr(page, words));
            free(page);
        }
        mucmm_scores_free(all);
        mucmm_model_free(m);
        drop(fitted);
        drop(both);
        drop(fresh);
        drop(t);
    }
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(found[i] <= 3);
}

/* ---- the file, and memory ---------------------------------------------------------- */

static void check_refused(const bytes *file, const char *from, const char *to, const char *fragment)
{
    bytes changed = with_text(file, from, to);
    mucmm_model *m = NULL;

    check_message(ctx, mucmm_model_load_memory(ctx, changed.data, changed.size, "m", &m),
                  MUCMM_EFORMAT, fragment);
    assert_null(m);
    free(changed.data);
}

static void test_what_is_read_is_checked(void **state)
{
    noise *t = new_noise(40, ROWS);
    mucmm_model *m = fit_noise(t), *loaded = NULL;
    bytes file = saved(m);
    size_t at = tensor_at(&file, "right.digest");

    (void)state;
    check_refused(&file, "\\\"fitted\\\": 108", "\\\"fitted\\\": 107", "contradict");
    check_refused(&file, "\\\"fitted\\\": 108", "\\\"fitted\\\": 109", "another type or shape");
    check_refused(&file, "\\\"fitted\\\": 108", "\\\"fitted\\\": 1e8", "'fitted'");
    check_refused(&file, "\\\"counting\\\": false", "\\\"counting\\\":    12", "'counting'");
    check_refused(&file, "right.digest", "right.digesr", "'right.digest' is missing");
    memset(file.data + at + 4 * 110, 0, 4);
    check_message(ctx, mucmm_model_load_memory(ctx, file.data, file.size, "m", &loaded),
                  MUCMM_EFORMAT, "a row without one of the views");
    free(file.data);
    mucmm_model_free(m);
    drop(t);
}

typedef struct tried {
    const mucmm_model *m;
    const mucmm_view *view;
} tried;

static mucmm_status try_recognize(mucmm_ctx *c, void *arg)
{
    const tried *t = arg;
    mucmm_row_kind kinds[ROWS];
    mucmm_recognition how;

    return mucmm_model_recognize(c, t->m, t->view, 2, kinds, &how);
}

static mucmm_status try_score(mucmm_ctx *c, void *arg)
{
    const tried *t = arg;
    mucmm_score_params p;
    mucmm_scores *s = NULL;
    mucmm_status status;

    mucmm_score_params_init(&p);
    p.permutations = 3;
    status = mucmm_score(c, t->m, t->view, 2, &p, &s);
    mucmm_scores_free(s);
    return status;
}

static void test_without_memory(void **state)
{
    noise *t = new_noise(41, ROWS), *bits = new_bits(42, ROWS, .1);
    mucmm_data *named = keyed(t, 0, "K%06dx", 1);
    mucmm_view views[] = {{"left", named}, t->view[1]};
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = NULL, *few = fit_noise(bits);

    (void)state;
    p.common = 2;
    p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
    assert_true(sweep_out_of_memory(try_recognize, &(tried){m, views}, 1000) > 10);
    assert_true(sweep_out_of_memory(try_recognize, &(tried){few, bits->view}, 1000) > 10);
    assert_true(sweep_out_of_memory(try_score, &(tried){m, views}, 100) > 50);
    mucmm_model_free(few);
    mucmm_model_free(m);
    mucmm_data_free(named);
    drop(bits);
    drop(t);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_known_in_any_order_and_company),
        cmocka_unit_test(test_rows_are_known_in_other_files),
        cmocka_unit_test(test_of_fitted_rows_alone_there_is_no_p_value),
        cmocka_unit_test(test_zeros_of_either_sign_are_equal),
        cmocka_unit_test(test_one_view_is_enough),
        cmocka_unit_test(test_rounded_rows_are_known),
        cmocka_unit_test(test_new_rows_are_not_taken_for_fitted),
        cmocka_unit_test(test_rows_of_few_values),
        cmocka_unit_test(test_part_of_a_table_of_few_values),
        cmocka_unit_test(test_hashes_differ),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_rows_that_lack_views),
        cmocka_unit_test(test_encoded_rows_are_known),
        cmocka_unit_test(test_report_quotes_no_fitted_row),
        cmocka_unit_test(test_what_is_read_is_checked),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests_name("digest", tests, set_up, tear_down);
}
