/* SPDX-License-Identifier: MIT
 *
 * Results for programs: the table of scores, the JSON of scores and of a fit, variates of all views
 * at once. */
#include "workspace.h"

#include "model/summary.h"

#include <jansson.h>
#include <locale.h>

static mucmm_scores *score(const mucmm_model *m, const mucmm_view *views, int32_t n)
{
    mucmm_score_params p;
    mucmm_scores *s = NULL;

    mucmm_score_params_init(&p);
    p.permutations = 20;
    CHECK_OK(ctx, mucmm_score(ctx, m, views, n, &p, &s));
    return s;
}

static mucmm_model *three_views(problem *q, mucmm_head_kind head, int32_t bootstrap)
{
    mucmm_fit_params p = small_params(head);

    *q = new_problem(ctx, 3, 200, false, 23);
    p.common = p.individual = MUCMM_AUTO;
    p.bootstrap = bootstrap;
    p.batch = 0;
    return fit(ctx, q, &p);
}

/* ---- csv --------------------------------------------------------------------------- */

/* Behind the line's first comma, which may stand in a quoted name; the numbers of a line [5] and
 * what its row is to the model. */
static const char *read_line(const char *at, const char *name, double x[5], mucmm_row_kind *kind)
{
    static const char *const kinds[] = {"new", "fitted", "held-out"};
    char *end;

    assert_int_equal(strncmp(at, name, strlen(name)), 0);
    at += strlen(name);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(*at, ',');
        x[i] = at[1] == ',' || at[1] == '\n' ? (double)NAN : strtod(at + 1, &end);
        at = at[1] == ',' || at[1] == '\n' ? at + 1 : end;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(at + 1, kinds[i], strlen(kinds[i])) == 0 && *at == ',') {
            *kind = (mucmm_row_kind)i;
            at += 1 + strlen(kinds[i]);
        }
    assert_int_equal(*at, '\n');
    return at + 1;
}

static void check_line(const mucmm_scores *s, int64_t i, const double x[5], mucmm_row_kind kind)
{
    const double *of[] = {mucmm_scores_common(s),
                          mucmm_scores_common_percentile(s),
                          mucmm_scores_match(s),
                          mucmm_scores_match_percentile(s),
                          mucmm_scores_common_energy(s, 0),
                          mucmm_scores_individual(s, 0),
                          mucmm_scores_common_energy(s, 1),
                          mucmm_scores_individual(s, 1)};

    assert_int_equal(kind, mucmm_scores_row(s, i));
    for (int j = 0; j < 8; j++)
        if (of[j] && !isnan(of[j][i]))
            CHECK_CLOSE(x[j], of[j][i], 0);
        else
            assert_true(isnan(x[j]));
}

#define HEADER                                                                                     \
    "sample,common,common_percentile,match,match_percentile,left.common_energy,left.individual,"   \
    "right.common_energy,right.individual,row\n"

/* Every way to say what a row is, and every number exactly. */
static void test_table_of_scores(void **state)
{
    static const char *const keys[] = {"plain", "with,comma", "with \"quotes\"", "two\nlines", ""};
    static const char *const quoted[] = {"plain", "\"with,comma\"", "\"with \"\"quotes\"\"\"",
                                         "\"two\nlines\"", ""};
    problem q = new_problem(ctx, 2, 60, false, 18);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    mucmm_data *named = NULL;
    mucmm_views *views = NULL;
    mucmm_array a;
    char *text = NULL, number[8];
    mucmm_row_kind kind = MUCMM_ROW_NEW;
    double x[8];

    (void)state;
    mucmm_array_init(&a);
    a.data = q.x[0];
    a.rows = 5;
    a.cols = q.p[0];
    a.keys = keys;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &named));
    CHECK_OK(ctx, mucmm_views_create(ctx, &(mucmm_view){"left", named}, 1, &views));
    mucmm_scores *few = score(m, mucmm_views_list(views), 1), *all = score(m, q.view, 2);
    mucmm_model_free(m); /* the scores keep it */

    CHECK_OK(ctx, mucmm_scores_csv(ctx, few, views, &text));
    assert_int_equal(strncmp(text, HEADER, strlen(HEADER)), 0);
    const char *at = text + strlen(HEADER);
    for (int i = 0; i < 5; i++) {
        at = read_line(at, quoted[i], x, &kind);
        check_line(few, i, x, kind);
        for (int j = 0; j < 8; j++) /* a single view: no pair, nothing of the other */
            assert_true(isnan(x[j]) == (j < 4 || j > 5));
    }
    assert_int_equal(*at, '\0');
    mucmm_text_free(text);

    CHECK_OK(ctx, mucmm_scores_csv(ctx, all, NULL, &text));
    at = text + strlen(HEADER);
    for (int i = 0; i < 60; i++) {
        snprintf(number, sizeof number, "%d", i);
        at = read_line(at, number, x, &kind);
        check_line(all, i, x, kind);
    }
    assert_int_equal(*at, '\0');
    mucmm_text_free(text);
    check_message(ctx, mucmm_scores_csv(ctx, all, views, &text), MUCMM_ESHAPE,
                  "the scores are of 60 rows, the views have 5");
    assert_null(text);
    mucmm_scores_free(few);
    mucmm_scores_free(all);
    mucmm_views_free(views);
    mucmm_data_free(named);
    drop_problem(&q);
}

/* ---- JSON -------------------------------------------------------------------------- */

static json_t *parse(char *text)
{
    json_error_t e;
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &e);

    if (!o)
        fail_msg("line %d: %s", e.line, e.text);
    mucmm_text_free(text);
    return o;
}

/* The numbers at a path such as "a.b.c"; NULL if something is not there. */
static const json_t *at_path(const json_t *o, const char *path)
{
    char copy[128], *rest = copy, *key;

    snprintf(copy, sizeof copy, "%s", path);
    while ((key = strsep(&rest, ".")))
        o = json_object_get(o, key);
    return o;
}

static void check_number(const json_t *x, double want)
{
    assert_non_null(x);
    if (isnan(want))
        assert_true(json_is_null(x));
    else
        CHECK_CLOSE(json_number_value(x), want, 0);
}

static void check_list(const json_t *list, const double *want, int64_t n)
{
    assert_int_equal(json_array_size(list), n);
    for (int64_t i = 0; i < n; i++)
        check_number(json_array_get(list, (size_t)i), want[i]);
}

/* {view: x} and {view,view: x} of the three views. */
static void check_by_view(const json_t *o, const double *want)
{
    static const char *const names[] = {"left", "right", "third"};

    assert_int_equal(json_object_size(o), 3);
    for (int i = 0; i < 3; i++)
        check_number(json_object_get(o, names[i]), want[i]);
}

static void check_by_pair(const json_t *o, const double *want)
{
    assert_int_equal(json_object_size(o), 3);
    check_number(json_object_get(o, "left,right"), want[1]);
    check_number(json_object_get(o, "left,third"), want[2]);
    check_number(json_object_get(o, "right,third"), want[5]);
}

static void check_sharing(const json_t *o, const mucmm_summary *s)
{
    const json_t *carried = json_object_get(o, "carried_by");

    assert_int_equal(json_array_size(carried), s->components);
    for (int64_t j = 0; j < s->components; j++) {
        const json_t *pair = at_path(o, "pairs.right,third");
        size_t n = 0;
        for (int v = 0; v < 3; v++)
            n += s->carried[j * 3 + v] == 1;
        assert_int_equal(json_array_size(json_array_get(carried, (size_t)j)), n);
        check_number(json_array_get(json_object_get(pair, "correlations"), (size_t)j),
                     s->pair_correlations[j * 9 + 5]);
        check_number(json_array_get(json_object_get(pair, "p_values"), (size_t)j),
                     s->pair_p_values[j * 9 + 5]);
    }
}

static void check_summary(const json_t *o, const mucmm_summary *s)
{
    check_list(json_object_get(o, "correlations"), s->correlations, s->components);
    check_list(json_object_get(o, "p_values"), s->p_values, s->components);
    check_list(json_object_get(o, "harmonic"), s->harmonic, s->components);
    check_number(json_object_get(o, "significant"), (double)s->significant);
    check_number(json_object_get(o, "dimensions"), (double)s->dimensions);
    check_number(json_object_get(o, "total_correlation"), s->total_correlation);
    check_by_view(at_path(o, "leakage.linear"), s->leakage_linear);
    check_by_view(at_path(o, "leakage.linear_chance"), s->leakage_linear_chance);
    check_by_view(at_path(o, "leakage.linear_p"), s->leakage_linear_p);
    check_by_view(at_path(o, "leakage.kernel"), s->leakage_kernel);
    check_by_view(at_path(o, "leakage.kernel_p"), s->leakage_kernel_p);
    check_by_pair(at_path(o, "leakage.individual"), s->leakage_individual);
    check_by_pair(at_path(o, "leakage.individual_chance"), s->leakage_individual_chance);
    check_by_pair(at_path(o, "leakage.individual_p"), s->leakage_individual_p);
    check_number(at_path(o, "leakage.permutations"), (double)s->leakage_permutations);
    check_by_view(at_path(o, "completeness.linear"), s->completeness_linear);
    check_by_view(at_path(o, "completeness.nonlinear"), s->completeness_nonlinear);
    check_by_view(at_path(o, "completeness.effective_rank"), s->effective_rank);
    check_number(at_path(o, "retrieval.third,left.1"), s->retrieval_1[6]);
    check_number(at_path(o, "retrieval.third,left.10"), s->retrieval_10[6]);
    assert_int_equal(json_object_size(json_object_get(o, "retrieval")), 6);
    check_number(at_path(o, "views.right.common_share"), s->common_share[1]);
    check_number(at_path(o, "views.right.individual_share"), s->individual_share[1]);
    check_number(at_path(o, "views.right.rest_share"), s->rest_share[1]);
    assert_true((s->carried != NULL) == (json_object_get(o, "carried_by") != NULL));
    assert_true((s->carried != NULL) == (json_object_get(o, "pairs") != NULL));
    if (s->carried)
        check_sharing(o, s);
}

/* Of all components, and of those that are significant: with what is null as nothing, 1. */
static void check_shares(const json_t *view, bool found)
{
    const double own = json_number_value(json_object_get(view, "individual_share"));

    assert_true(json_is_null(json_object_get(view, "shared_share")) == !found);
    assert_true(json_is_null(json_object_get(view, "common_share")) == !found);
    CHECK_CLOSE(json_number_value(json_object_get(view, "common_share")) + own +
                    json_number_value(json_object_get(view, "rest_share")),
                1, 1e-12);
    CHECK_CLOSE(json_number_value(json_object_get(view, "shared_share")) + own +
                    json_number_value(json_object_get(view, "unshared_share")),
                1, 1e-12);
}

static void test_shares_add_up(void **state)
{
    problem q;
    mucmm_model *m = three_views(&q, MUCMM_HEAD_LINEAR, 0);
    mucmm_score_params p;

    (void)state;
    mucmm_score_params_init(&p);
    for (int shared = 0; shared < 2; shared++) {
        mucmm_view view[3];
        mucmm_data *moved[3];
        mucmm_scores *s;
        char *text = NULL;
        json_t *o;
        float *x[3];
        for (int v = 0; v < 3; v++) { /* rows near those of the fit, of one sample or of three */
            int64_t cols = q.p[v];
            x[v] = test_floats(q.n * cols);
            for (int64_t i = 0; i < q.n * cols; i++)
                x[v][i] = q.x[v][shared ? i : (i + 41 * v * cols) % (q.n * cols)] + .001f;
            CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x[v], q.n, cols, cols}, NULL, NULL, 0,
                                          &moved[v]));
            view[v] = (mucmm_view){q.view[v].name, moved[v]};
        }
        CHECK_OK(ctx, mucmm_score(ctx, m, view, 3, &p, &s));
        CHECK_OK(ctx, mucmm_scores_json(ctx, s, &text));
        o = parse(text);
        assert_true((mucmm_scores_summary(s, MUCMM_HEADS)->significant > 0) == shared);
        check_shares(at_path(o, "views.right"), shared);
        json_decref(o);
        mucmm_scores_free(s);
        for (int v = 0; v < 3; v++) {
            mucmm_data_free(moved[v]);
            free(x[v]);
        }
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_p_values_as_texts(void **state)
{
    static const struct {
        double p;
        int64_t permutations;
        const char *text;
    } cases[] = {
        {1. / 1001, 1000, "<= 1/1001"}, {2. / 1001, 1000, "0.0020"}, {1, 1000, "1.0000"},
        {.01, 99, "<= 1/100"},          {.02, 99, "0.02"},           {NAN, 99, "-"},
        {.0635, 0, "0.0635"},           {1e-9, 0, "< 0.0001"},       {NAN, 0, "-"},
    };
    char out[MUCMM_P_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(mucmm_p_text(cases[i].p, cases[i].permutations, out), cases[i].text);
}

static void test_json_of_scores(void **state)
{
    problem q;
    mucmm_model *m = three_views(&q, MUCMM_HEAD_MLP, 0);

    (void)state;
    for (int32_t n = 1; n <= 3; n++) { /* views given: what is not known is null */
        mucmm_scores *s = score(m, q.view, n);
        char *text = NULL;
        json_t *o;
        CHECK_OK(ctx, mucmm_scores_json(ctx, s, &text));
        o = parse(text);
        check_summary(o, mucmm_scores_summary(s, MUCMM_HEADS));
        check_summary(json_object_get(o, "linear"), mucmm_scores_summary(s, MUCMM_LINEAR));
        check_list(at_path(o, "samples.common"), mucmm_scores_common(s), mucmm_scores_rows(s));
        check_list(at_path(o, "samples.common_percentile"), mucmm_scores_common_percentile(s),
                   mucmm_scores_rows(s));
        check_list(at_path(o, "samples.match"), mucmm_scores_match(s), mucmm_scores_rows(s));
        check_list(at_path(o, "samples.match_percentile"), mucmm_scores_match_percentile(s),
                   mucmm_scores_rows(s));
        json_decref(o);
        mucmm_scores_free(s);
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

static void check_stability(const json_t *o, const mucmm_stability *s)
{
    check_number(json_object_get(o, "compared"), (double)s->compared);
    check_list(json_object_get(o, "similarity"), s->similarity, s->components);
    check_list(json_object_get(o, "similarity_low"), s->similarity_low, s->components);
    check_list(json_object_get(o, "subspace"), s->subspace, s->components);
    check_list(json_object_get(o, "correlations"), s->correlations, s->components);
    check_list(json_object_get(o, "correlation_low"), s->correlation_low, s->components);
    check_list(json_object_get(o, "correlation_high"), s->correlation_high, s->components);
    check_list(json_object_get(o, "averaged"), s->averaged, s->components);
    assert_int_equal(json_array_size(json_object_get(o, "comes_back")), s->components);
    for (int64_t j = 0; j < s->components; j++)
        assert_true(json_is_true(json_array_get(json_object_get(o, "comes_back"), (size_t)j)) ==
                    (s->comes_back[j] != 0));
}

static void test_json_of_a_fit(void **state)
{
    static const char *const parts[] = {"train", "held_out"};

    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        problem q;
        mucmm_model *m = three_views(&q, asked ? MUCMM_HEAD_MLP : MUCMM_HEAD_LINEAR, asked * 3);
        const mucmm_dimensions *d = mucmm_model_dimensions(m);
        char *text = NULL;
        json_t *o, *view;
        CHECK_OK(ctx, mucmm_model_results_json(ctx, m, &text));
        o = parse(text);
        for (int r = 0; r < 2; r++) {
            const mucmm_summary *s = mucmm_model_summary(m, (mucmm_rows)r, MUCMM_HEADS);
            check_summary(json_object_get(o, parts[r]), s);
            check_number(json_object_get(json_object_get(o, parts[r]), "rows"), (double)s->rows);
            check_summary(json_object_get(json_object_get(o, parts[r]), "linear"),
                          mucmm_model_summary(m, (mucmm_rows)r, MUCMM_LINEAR));
        }
        check_number(json_object_get(o, "common"), (double)mucmm_model_common(m));
        check_list(at_path(o, "dimensions.common.p_values"), d->p_values, d->candidates);
        view = json_array_get(at_path(o, "dimensions.individual"), 2);
        check_list(json_object_get(view, "error"), d->error[2], d->n_errors[2]);
        assert_string_equal(json_string_value(json_object_get(view, "view")), "third");
        assert_int_equal(json_array_size(json_object_get(o, "held_out_chose")), 0);
        check_number(json_object_get(o, "choosing_rows"), (double)m->choosing_rows);
        assert_true(json_is_array(json_object_get(o, "closed_form_kept")));
        assert_true((json_object_get(o, "stability") != NULL) == asked);
        if (asked)
            check_stability(at_path(o, "stability.linear"), mucmm_model_stability(m, MUCMM_LINEAR));
        json_decref(o);
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

/* A program may write numbers with a comma. */
static void test_numbers_have_a_point_in_any_locale(void **state)
{
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    problem q = new_problem(ctx, 2, 60, false, 18);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    mucmm_scores *s = score(m, q.view, 2);
    char *here = NULL, *there = NULL;
    size_t i = 0;

    (void)state;
    CHECK_OK(ctx, mucmm_scores_csv(ctx, s, NULL, &here));
    while (i < sizeof commas / sizeof *commas && !setlocale(LC_ALL, commas[i]))
        i++;
    CHECK_OK(ctx, mucmm_scores_csv(ctx, s, NULL, &there));
    setlocale(LC_ALL, "C");
    assert_string_equal(here, there);
    mucmm_text_free(here);
    mucmm_text_free(there);
    mucmm_scores_free(s);
    mucmm_model_free(m);
    drop_problem(&q);
    if (i == sizeof commas / sizeof *commas) {
        print_message("# skipped: no locale with a decimal comma is installed\n");
        skip();
    }
}

/* ---- variates ---------------------------------------------------------------------- */

static void check_same(mucmm_cmat got, const float *want, int64_t rows, int64_t cols)
{
    assert_non_null(got.data);
    assert_true(got.rows == rows && got.cols == cols && got.stride == cols);
    assert_memory_equal(got.data, want, (size_t)(rows * cols) * sizeof *want);
}

/* What transform and predict give one by one. */
static void check_variates(const mucmm_model *m, mucmm_representation representation,
                           const problem *q, const mucmm_variates *v)
{
    int64_t n = q->n, k = mucmm_model_common(m);
    float *c[3] = {NULL}, *u[3] = {NULL}, *predicted = test_floats(n * k), *sd = test_floats(n * k);
    mucmm_cmat common[3];

    for (int32_t i = 0; i < 3; i++) {
        if (i != 1)
            transform(ctx, m, representation, i, q->data[i], &c[i], &u[i]);
        common[i] = (mucmm_cmat){c[i], n, k, k};
    }
    assert_int_equal(mucmm_variates_rows(v), n);
    for (int32_t i = 0; i < 3; i++) {
        bool lacks = i == 1 || mucmm_data_missing(q->data[i]) > 0;
        if (i != 1) {
            check_same(mucmm_variates_common(v, i), c[i], n, k);
            check_same(mucmm_variates_individual(v, i), u[i], n, mucmm_model_individual(m, i));
        }
        assert_true((mucmm_variates_predicted(v, i).data != NULL) == lacks);
        assert_true((mucmm_variates_sd(v, i).data != NULL) == lacks);
        if (!lacks)
            continue;
        CHECK_OK(ctx,
                 mucmm_predict_common(ctx, m, representation, common, i,
                                      &(mucmm_mat){predicted, n, k, k}, &(mucmm_mat){sd, n, k, k}));
        check_same(mucmm_variates_predicted(v, i), predicted, n, k);
        check_same(mucmm_variates_sd(v, i), sd, n, k);
    }
    for (int i = 0; i < 3; i++) {
        free(c[i]);
        free(u[i]);
    }
    free(predicted);
    free(sd);
}

static void test_variates_of_all_views(void **state)
{
    problem q;
    mucmm_model *m = three_views(&q, MUCMM_HEAD_MLP, 0);
    const mucmm_view some[] = {q.view[2], q.view[0]}, none[] = {{"x", q.data[0]}};
    mucmm_variates *v = NULL;

    (void)state;
    for (int r = 0; r < 2; r++) {
        CHECK_OK(ctx, mucmm_variates_create(ctx, m, (mucmm_representation)r, some, 2, &v));
        check_variates(m, (mucmm_representation)r, &q, v);
        assert_null(mucmm_variates_common(v, 1).data);
        assert_null(mucmm_variates_individual(v, 1).data);
        assert_null(mucmm_variates_common(v, -1).data);
        assert_null(mucmm_variates_sd(v, 3).data);
        mucmm_variates_free(v);
    }
    check_message(ctx, mucmm_variates_create(ctx, m, MUCMM_HEADS, none, 1, &v), MUCMM_EARG,
                  "no view 'x'");
    assert_null(v);
    check_message(ctx, mucmm_variates_create(ctx, m, MUCMM_HEADS, none, 0, &v), MUCMM_EARG,
                  "no view is given");
    mucmm_variates_free(NULL);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Rows that lack a view: NaN in its own variates, and predicted ones of all rows. */
static void test_variates_of_rows_that_lack_views(void **state)
{
    problem q, part;
    mucmm_model *m = three_views(&q, MUCMM_HEAD_LINEAR, 0);
    int64_t rows[200], k = mucmm_model_common(m);
    mucmm_variates *v = NULL;

    (void)state;
    part = q;
    for (int64_t i = 0; i < 200; i++)
        rows[i] = i % 5 == 2 ? -1 : i;
    CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[0], rows, 200, &part.data[0]));
    const mucmm_view some[] = {{"left", part.data[0]}, q.view[2]};
    CHECK_OK(ctx, mucmm_variates_create(ctx, m, MUCMM_HEADS, some, 2, &v));
    check_variates(m, MUCMM_HEADS, &part, v);
    assert_true(isnan(mucmm_variates_common(v, 0).data[2 * k]));
    assert_false(isnan(mucmm_variates_predicted(v, 0).data[2 * k]));
    mucmm_variates_free(v);
    mucmm_data_free(part.data[0]);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- rates and p-values ------------------------------------------------------------ */

/* Values as published (Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29). */
static void test_intervals_of_rates(void **state)
{
    static const struct {
        int64_t with, n;
        double low, high;
    } cases[] = {
        {81, 263, .2553, .3662}, {15, 148, .0624, .1605}, {0, 20, 0, .1611}, {1, 29, .0061, .1718}};
    double low, high;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mucmm_rate_interval((double)cases[i].with / (double)cases[i].n, cases[i].n, &low, &high);
        CHECK_CLOSE(low, cases[i].low, 6e-5);
        CHECK_CLOSE(high, cases[i].high, 6e-5);
    }
    mucmm_rate_interval((double)NAN, 5, &low, &high);
    assert_true(isnan(low) && isnan(high));
    mucmm_rate_interval(.5, 0, &low, &high);
    assert_true(isnan(low) && isnan(high));
}

static void test_p_values_have_the_resolution_of_their_test(void **state)
{
    char text[MUCMM_P_TEXT];

    (void)state;
    assert_string_equal(mucmm_p_text(1.0 / 1001, 1000, text), "<= 1/1001");
    assert_string_equal(mucmm_p_text(2.0 / 1001, 1000, text), "0.0020");
    assert_string_equal(mucmm_p_text(1, 99, text), "1.00");
    assert_string_equal(mucmm_p_text(1.0 / 20, 19, text), "<= 1/20");
    assert_string_equal(mucmm_p_text(.0123, 0, text), "0.0123");
    assert_string_equal(mucmm_p_text((double)NAN, 1000, text), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_of_scores),
        cmocka_unit_test(test_intervals_of_rates),
        cmocka_unit_test(test_p_values_have_the_resolution_of_their_test),
        cmocka_unit_test(test_p_values_as_texts),
        cmocka_unit_test(test_shares_add_up),
        cmocka_unit_test(test_json_of_scores),
        cmocka_unit_test(test_json_of_a_fit),
        cmocka_unit_test(test_numbers_have_a_point_in_any_locale),
        cmocka_unit_test(test_variates_of_all_views),
        cmocka_unit_test(test_variates_of_rows_that_lack_views),
    };
    return cmocka_run_group_tests_name("results", tests, set_up, tear_down);
}
