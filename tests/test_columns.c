/* SPDX-License-Identifier: MIT
 *
 * Columns by name: in another order, more of them, fewer, under other names, without names; of rows
 * that a model is given, of training rows and of truths.
 */
#include "io_case.h"

enum { N = 60, A = 4, B = 3 };

static char last_warning[2048];
static int warnings;

static void keep_warning(void *user, mucmm_log_level level, const char *line)
{
    (void)user;
    if (level != MUCMM_LOG_WARN)
        return;
    warnings++;
    snprintf(last_warning, sizeof last_warning, "%s", line);
}

static int start(void **state)
{
    mucmm_ctx_params p;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.log = keep_warning;
    return mucmm_ctx_create(&p, &ctx) == MUCMM_OK && mkdtemp(folder) ? 0 : -1;
}

/* Number (i, j) of view v: a common part and the view's own. */
static float number(int v, int64_t i, int64_t j)
{
    double common = sin((double)(i * i + 3 * i)), own = sin((double)(i * (17 + 5 * v) + 7 * j));

    return (float)(common * (double)(j + 1) + own);
}

/* Columns `order` of view v under these names; order -1 is a column of noise. names NULL: none. */
static mucmm_data *columns_of(int v, const int *order, const char *const *names, int64_t cols)
{
    float *values = malloc(N * (size_t)cols * sizeof *values);
    mucmm_array a;
    mucmm_data *d;

    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < cols; j++)
            values[i * cols + j] =
                order[j] < 0 ? (float)sin((double)(99 * i)) : number(v, i, order[j]);
    mucmm_array_init(&a);
    a.data = values;
    a.rows = N;
    a.cols = cols;
    a.columns = names;
    a.label = v == 0 ? "a.csv" : "b.csv";
    a.release = free;
    a.user = values;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d));
    return d;
}

static const char *const names_a[] = {"p", "q", "r", "s"}, *const names_b[] = {"u", "v", "w"};
static const int in_order[] = {0, 1, 2, 3};

static mucmm_data *a_of(const int *order, const char *const *names, int64_t cols)
{
    return columns_of(0, order, names, cols);
}

static mucmm_data *b_plain(void)
{
    return columns_of(1, in_order, names_b, B);
}

static mucmm_model *fitted(bool named)
{
    mucmm_view views[] = {{"a", a_of(in_order, named ? names_a : NULL, A)},
                          {"b", columns_of(1, in_order, named ? names_b : NULL, B)}};
    mucmm_fit_params p;
    mucmm_model *m;

    mucmm_fit_params_init(&p);
    p.common = 1;
    p.individual = 1;
    p.head = MUCMM_HEAD_LINEAR;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
    mucmm_data_free(views[0].data ? (mucmm_data *)(uintptr_t)views[0].data : NULL);
    mucmm_data_free((mucmm_data *)(uintptr_t)views[1].data);
    return m;
}

static mucmm_status variates(const mucmm_model *m, const mucmm_data *a, float c[N])
{
    return mucmm_transform(ctx, m, MUCMM_HEADS, 0, a, &(mucmm_mat){c, N, 1, 1}, NULL);
}

/* a's variates are the same as those of the columns in their order; it is freed. */
static void check_same(const mucmm_model *m, mucmm_data *a, int said, const char *line)
{
    mucmm_data *plain = a_of(in_order, names_a, A);
    float want[N], got[N];

    CHECK_OK(ctx, variates(m, plain, want));
    warnings = 0;
    CHECK_OK(ctx, variates(m, a, got));
    CHECK_OK(ctx, variates(m, a, got)); /* what is said is said once */
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(warnings, said);
    if (said && !strstr(last_warning, line))
        fail_msg("'%s' lacks '%s'", last_warning, line);
    mucmm_data_free(plain);
    mucmm_data_free(a);
}

/* ---- of new rows --------------------------------------------------------------------- */

static void test_columns_are_matched_by_name(void **state)
{
    mucmm_model *m = fitted(true);
    const char *swapped[] = {"q", "p", "s", "r"}, *more[] = {"n", "s", "r", "x", "q", "p"};

    (void)state;
    assert_string_equal(mucmm_model_view_column(m, 1, 2), "w");
    assert_null(mucmm_model_view_column(m, 1, 3));
    assert_null(mucmm_model_view_column(m, 2, 0));
    check_same(m, a_of((int[]){1, 0, 3, 2}, swapped, A), 0, "");
    check_same(m, a_of((int[]){-1, 3, 2, -1, 1, 0}, more, 6), 1,
               "a.csv: view 'a': left out, as the model was not fitted on it: column 'n', 'x'");
    check_same(m, a_of(in_order, NULL, A), 1, "no names of columns");
    mucmm_model_free(m);
}

static void test_columns_that_are_not_there(void **state)
{
    mucmm_model *m = fitted(true);
    const char *renamed[] = {"p", "q", "r", "ss"}, *twice[] = {"q", "p", "p", "r", "s"};
    mucmm_data *d[] = {a_of(in_order, renamed, A), a_of(in_order, names_a, 3), b_plain(),
                       a_of((int[]){1, 0, 0, 2, 3}, twice, 5), a_of(in_order, NULL, 3)};
    static const char *const message[] = {
        "has no column 's' (the nearest is 'ss'): 1 of the 4 columns",
        "has no column 's': 1 of the 4 columns",
        "its columns are those of view 'b'; are the files exchanged?",
        "columns 2 and 3 are both named 'p'", "has 3 columns; the model was fitted on 4"};
    float c[N];

    (void)state;
    for (int i = 0; i < 5; i++) {
        check_message(variates(m, d[i], c), MUCMM_ESHAPE, message[i]);
        mucmm_data_free(d[i]);
    }
    mucmm_model_free(m);
}

/* Files of older versions and models of arrays have no names. */
static void test_models_without_names(void **state)
{
    mucmm_model *m = fitted(false);
    mucmm_data *d = a_of(in_order, names_a, 3);
    float c[N];

    (void)state;
    assert_null(mucmm_model_view_column(m, 0, 0));
    check_message(variates(m, d, c), MUCMM_ESHAPE, "has 3 columns; the model was fitted on 4");
    mucmm_data_free(d);
    check_same(m, a_of(in_order, NULL, A), 0, "");
    check_same(m, a_of(in_order, names_a, A), 1, "the model knows no names of columns");
    mucmm_model_free(m);
}

/* ---- every door ----------------------------------------------------------------------- */

static void check_doors(const mucmm_model *m, const mucmm_view *views, const mucmm_data *training,
                        const mucmm_data *truth, double want[4])
{
    mucmm_scores *s;
    mucmm_variates *v;
    mucmm_explanation *e;
    mucmm_explain_params p;
    mucmm_map_check_params check;
    mucmm_map_check found;
    const int64_t rows[] = {3};
    float map[A];
    double got[4];

    CHECK_OK(ctx, mucmm_score(ctx, m, views, 2, NULL, &s));
    got[0] = mucmm_scores_common(s)[3];
    CHECK_OK(ctx, mucmm_variates_create(ctx, m, MUCMM_LINEAR, views, 2, &v));
    got[1] = mucmm_variates_common(v, 0).data[3];
    mucmm_explain_params_init(&p);
    p.map = MUCMM_MAP_PATTERN;
    p.training = training;
    CHECK_OK(ctx, mucmm_explanation_create(ctx, m, views, 2, 0, rows, 1, &p, &e));
    CHECK_OK(ctx, mucmm_explanation_maps(ctx, e, &(mucmm_mat){map, 1, A, A}));
    got[2] = map[0];
    mucmm_map_check_params_init(&check);
    mucmm_map_check_init(&found);
    check.truth = truth;
    CHECK_OK(ctx, mucmm_explanation_check(ctx, e, &check, &found));
    got[3] = found.pointing.shared_energy;
    for (int i = 0; i < 4; i++) {
        if (isnan(want[i]))
            want[i] = got[i];
        CHECK_CLOSE(got[i], want[i], 0);
    }
    mucmm_explanation_free(e);
    mucmm_variates_free(v);
    mucmm_scores_free(s);
}

/* Of one sample: column `shared` is shared, the next two are the view's own. */
static mucmm_data *truth_of(const char *const *names, int shared)
{
    static const float truth[][A] = {{2, 1, 0, 2}, {1, 2, 2, 0}};
    mucmm_array a;
    mucmm_data *d;

    mucmm_array_init(&a);
    a.data = truth[shared];
    a.rows = 1;
    a.cols = A;
    a.columns = names;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d));
    return d;
}

static void test_every_door_matches_names(void **state)
{
    mucmm_model *m = fitted(true);
    const char *swapped[] = {"q", "p", "s", "r"};
    mucmm_data *a = a_of(in_order, names_a, A), *b = b_plain();
    mucmm_data *other = a_of((int[]){1, 0, 3, 2}, swapped, A);
    mucmm_view plain[] = {{"a", a}, {"b", b}}, turned[] = {{"b", b}, {"a", other}};
    double want[] = {NAN, NAN, NAN, NAN};
    mucmm_data *truth = truth_of(names_a, 1), *turned_truth = truth_of(swapped, 0);
    mucmm_views *v, *matched;

    (void)state;
    check_doors(m, plain, a, truth, want);
    check_doors(m, turned, other, turned_truth, want);
    CHECK_OK(ctx, mucmm_views_create(ctx, turned, 2, &v));
    CHECK_OK(ctx, mucmm_views_match(ctx, v, m, 1, &matched));
    mucmm_views_free(v);
    mucmm_data_free(other); /* what was matched keeps what it is of */
    assert_string_equal(mucmm_data_column(mucmm_views_list(matched)[0].data, 0), "p");
    check_doors(m, mucmm_views_list(matched), a, truth, want);
    mucmm_views_free(matched);
    mucmm_data_free(truth);
    mucmm_data_free(turned_truth);
    mucmm_data_free(a);
    mucmm_data_free(b);
    mucmm_model_free(m);
}

/* ---- in a file -------------------------------------------------------------------------- */

static void test_names_in_a_model_file(void **state)
{
    mucmm_model *m = fitted(true), *loaded;
    const char *swapped[] = {"q", "p", "s", "r"};

    (void)state;
    CHECK_OK(ctx, mucmm_model_save(ctx, m, in_folder("m.mucmm")));
    CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("m.mucmm"), &loaded));
    for (int64_t j = 0; j < A; j++)
        assert_string_equal(mucmm_model_view_column(loaded, 0, j), names_a[j]);
    check_same(loaded, a_of((int[]){1, 0, 3, 2}, swapped, A), 0, "");
    mucmm_model_free(loaded);
    mucmm_model_free(m);
}

/* Bytes that are no UTF-8, and names of nothing but control characters, are told apart. */
static void test_names_that_are_no_text(void **state)
{
    const char *odd[] = {"\xe4", "\xf6", "\x1b", ""}, *turned[] = {"", "\x1b", "\xf6", "\xe4"};
    mucmm_data *a = a_of(in_order, odd, A), *b = b_plain(), *same;
    mucmm_data *other = a_of((int[]){3, 2, 1, 0}, turned, A);
    mucmm_view views[] = {{"a", a}, {"b", b}};
    mucmm_fit_params p;
    mucmm_model *m;
    float want[N], got[N];

    (void)state;
    mucmm_fit_params_init(&p);
    p.common = 1;
    p.head = MUCMM_HEAD_LINEAR;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
    CHECK_OK(ctx, variates(m, a, want));
    CHECK_OK(ctx, variates(m, other, got));
    assert_memory_equal(got, want, sizeof want);
    CHECK_OK(ctx, mucmm_data_subset(ctx, other, NULL, N, &same));
    CHECK_OK(ctx, variates(m, same, got));
    assert_memory_equal(got, want, sizeof want);
    mucmm_data_free(same);
    mucmm_data_free(a);
    mucmm_data_free(b);
    mucmm_data_free(other);
    mucmm_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_columns_are_matched_by_name),
                                       cmocka_unit_test(test_columns_that_are_not_there),
                                       cmocka_unit_test(test_models_without_names),
                                       cmocka_unit_test(test_every_door_matches_names),
                                       cmocka_unit_test(test_names_in_a_model_file),
                                       cmocka_unit_test(test_names_that_are_no_text)};
    return cmocka_run_group_tests(tests, start, tear_down);
}
