/* SPDX-License-Identifier: MIT
 *
 * Results as tables: loadings against correlations that are worked out here, their intervals, and
 * csv that reads back as what was written.
 */
#include "model/loadings_table.h"
#include "workspace.h"

static mucmm_fit_params linear_params(void)
{
    mucmm_fit_params p;

    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 3;
    p.individual = 2;
    return p;
}

/* ---- values ------------------------------------------------------------------------ */

/* Every loading of all rows is the correlation of the column with what transform gives. */
static void check_values(const problem *q, const mucmm_model *m, const mucmm_loadings *l,
                         double tolerance)
{
    int64_t n, k = mucmm_model_common(m);
    const mucmm_loading *list = mucmm_loadings_list(l, &n);

    assert_true(n > 0);
    for (int64_t i = 0; i < n;) {
        int32_t v = list[i].view;
        int64_t d = mucmm_model_individual(m, v);
        float *c = test_floats(q->n * k), *u = test_floats(q->n * d);
        mucmm_representation r = list[i].representation;
        CHECK_OK(ctx, mucmm_transform(ctx, m, r, v, q->data[v], &(mucmm_mat){c, q->n, k, k},
                                      &(mucmm_mat){u, q->n, d, d}));
        for (; i < n && list[i].view == v && list[i].representation == r; i++) {
            const mucmm_loading *a = &list[i];
            const float *z = a->individual ? u : c;
            double want = correlation(q->x[v], q->p[v], a->column, z, a->individual ? d : k,
                                      a->component, q->n);
            assert_int_equal(isnan(a->loading), isnan(want)); /* a variate may be constant */
            if (!isnan(want))
                CHECK_CLOSE(a->loading, want, tolerance);
        }
        free(c);
        free(u);
    }
}

/* The whole list: every column of every variate once, the largest first. */
static void check_order(const mucmm_model *m, const mucmm_loadings *l)
{
    int64_t n, want = 0;
    const mucmm_loading *list = mucmm_loadings_list(l, &n);

    for (int32_t v = 0; v < mucmm_model_views(m); v++)
        want +=
            mucmm_model_view_cols(m, v) * (mucmm_model_common(m) + mucmm_model_individual(m, v));
    assert_int_equal(n, want * (m->heads.rho ? 2 : 1));
    for (int64_t i = 1; i < n; i++) {
        const mucmm_loading *a = &list[i - 1], *b = &list[i];
        if (a->representation != b->representation || a->view != b->view ||
            a->individual != b->individual || a->component != b->component)
            continue;
        assert_true(fabs(a->loading) > fabs(b->loading) ||
                    (fabs(a->loading) == fabs(b->loading) && a->column < b->column) ||
                    isnan(b->loading));
    }
}

static void test_loadings_are_correlations(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        problem q = new_problem(ctx, i == 5 ? 3 : 2, 260, i == 4, 3);
        mucmm_fit_params p = i == 4 ? small_params(MUCMM_HEAD_MLP) : linear_params();
        mucmm_loadings *kept, *given;
        mucmm_model *m;
        int64_t n;

        p.validation = 0;
        p.folds = 0;
        p.scaling = i == 1 ? MUCMM_SCALE_COLUMN : MUCMM_SCALE_VIEW;
        p.ridge = i == 2 ? 0 : i == 3 ? .3 : MUCMM_RIDGE_CHOSEN;
        p.batch = 0;
        if (i == 4)
            p.validation = .1;
        m = fit(ctx, &q, &p);
        CHECK_OK(ctx, mucmm_loadings_create(ctx, m, NULL, 0, NULL, &kept));
        CHECK_OK(ctx, mucmm_loadings_create(ctx, m, q.view, q.n_views, NULL, &given));
        check_values(&q, m, given, 3e-6);
        check_order(m, kept);
        check_order(m, given);
        if (i != 4) /* all rows trained */
            check_values(&q, m, kept, 3e-6);
        for (int64_t a = 0; a < kept->n; a++)
            assert_false(fabs(mucmm_loadings_list(kept, &n)[a].loading) > 1);
        mucmm_loadings_free(kept);
        mucmm_loadings_free(given);
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

/* c = const + sum of weight times column, of a closed form. */
static void test_weights_make_the_variate(void **state)
{
    problem q = new_problem(ctx, 2, 300, false, 8);
    mucmm_fit_params p = linear_params();
    mucmm_model *m = fit(ctx, &q, &p);
    mucmm_loadings *l;
    float c[300 * 3], u[300 * 2];
    double grown[5] = {0};
    int64_t n;

    (void)state;
    CHECK_OK(ctx, mucmm_loadings_create(ctx, m, NULL, 0, NULL, &l));
    CHECK_OK(ctx, mucmm_transform(ctx, m, MUCMM_LINEAR, 1, q.data[1], &(mucmm_mat){c, 300, 3, 3},
                                  &(mucmm_mat){u, 300, 2, 2}));
    for (int64_t i = 0; i < (mucmm_loadings_list(l, &n), n); i++) {
        const mucmm_loading *a = &l->list[i];
        if (a->view == 1)
            grown[a->individual * 3 + a->component] +=
                a->weight * ((double)q.x[1][7 * q.p[1] + a->column] - (double)q.x[1][a->column]);
    }
    for (int j = 0; j < 5; j++)
        CHECK_CLOSE(grown[j],
                    j < 3 ? (double)c[7 * 3 + j] - (double)c[j]
                          : (double)u[7 * 2 + j - 3] - (double)u[j - 3],
                    1e-4);
    mucmm_loadings_free(l);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* A column that is the latent and little else is on top, with one sign in both views. */
static void test_a_planted_column_is_on_top(void **state)
{
    problem q = new_problem(ctx, 2, 400, false, 21);
    mucmm_fit_params p = linear_params();
    mucmm_loadings_params lp;
    mucmm_loadings *l;
    mucmm_model *m;
    int64_t n;

    (void)state;
    for (int64_t i = 0; i < q.n; i++)
        for (int v = 0; v < 2; v++) /* columns 2 and 5, the second one upside down */
            q.x[v][i * q.p[v] + 2 + 3 * v] = (float)((v ? -40 : 40) * q.shared[i * SHARED]);
    m = fit(ctx, &q, &p);
    mucmm_loadings_params_init(&lp);
    lp.top = 1;
    CHECK_OK(ctx, mucmm_loadings_create(ctx, m, NULL, 0, &lp, &l));
    mucmm_loadings_list(l, &n);
    assert_int_equal(n, 2 * 5); /* one of each variate */
    for (int v = 0; v < 2; v++) {
        const mucmm_loading *a = &l->list[v * 5];
        assert_int_equal(a->view, v);
        assert_int_equal(a->column, 2 + 3 * v);
        assert_true(fabs(a->loading) > .99);
    }
    assert_true(l->list[0].loading * l->list[5].loading < 0);
    mucmm_loadings_free(l);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- intervals --------------------------------------------------------------------- */

/* The first components of loadings have intervals that hold them, also with more columns than rows,
 * where the closed form works in coordinates that know other signs. */
static void test_intervals_hold_their_loadings(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            const int64_t rows = wide ? 40 : 400, cols = wide ? 60 : 10;
            double *noise = normals(seed, 9, 2 * rows * cols, wide ? .7 : 1);
            double *latent = normals(seed, 8, 2 * rows, 1);
            float *x = test_floats(2 * rows * cols);
            mucmm_fit_params p = linear_params();
            mucmm_view views[2] = {{"left", NULL}, {"right", NULL}};
            mucmm_loadings *l;
            mucmm_model *m;
            int64_t n, inside = 0, known = 0, apart = 0;

            for (int64_t i = 0; i < 2 * rows * cols; i++) {
                int64_t row = i / cols % rows, j = i % cols;
                double s = j < cols / 2 ? latent[row] : .5 * latent[rows + row];
                x[i] = (float)((j % 2 ? 1 : -1) * s + noise[i]);
            }
            for (int v = 0; v < 2; v++) {
                mucmm_data *d;
                mucmm_cmat c = {x + v * rows * cols, rows, cols, cols};
                CHECK_OK(ctx, mucmm_data_wrap(ctx, &c, "x", NULL, 0, &d));
                views[v].data = d;
            }
            p.common = 2;
            p.bootstrap = 60;
            CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
            CHECK_OK(ctx, mucmm_loadings_create(ctx, m, NULL, 0, NULL, &l));
            mucmm_loadings_list(l, &n);
            for (int64_t i = 0; i < n; i++) {
                const mucmm_loading *a = &l->list[i];
                assert_true(isnan(a->low) == (a->individual == 1) &&
                            isnan(a->low) == isnan(a->high));
                assert_int_equal(a->comes_back == -1, a->individual);
                if (a->individual)
                    continue;
                assert_true(-1 <= a->low && a->low <= a->high && a->high <= 1);
                if (a->component > 0 || a->comes_back != 1 || fabs(a->loading) < .3)
                    continue;
                known++;
                inside += a->low - .02 <= a->loading && a->loading <= a->high + .02;
                apart += a->loading * (a->low + a->high) < 0;
            }
            assert_true(known >= 10);
            assert_true((double)inside >= .9 * (double)known);
            assert_int_equal(apart, 0);
            mucmm_loadings_free(l);
            mucmm_model_free(m);
            for (int v = 0; v < 2; v++)
                mucmm_data_free((mucmm_data *)(uintptr_t)views[v].data);
            free(x);
            free(noise);
            free(latent);
        }
}

/* ---- files ------------------------------------------------------------------------- */

static mucmm_status load_again(const mucmm_model *m, mucmm_model **out)
{
    void *file = NULL;
    size_t size;
    mucmm_status status = mucmm_model_save_memory(ctx, m, &file, &size);

    if (status == MUCMM_OK)
        status = mucmm_model_load_memory(ctx, file, size, NULL, out);
    mucmm_bytes_free(file);
    return status;
}

static char *csv_of(const mucmm_model *m)
{
    mucmm_loadings *l;
    char *text;

    CHECK_OK(ctx, mucmm_loadings_create(ctx, m, NULL, 0, NULL, &l));
    CHECK_OK(ctx, mucmm_loadings_csv(ctx, l, &text));
    mucmm_loadings_free(l);
    return text;
}

static void test_files_keep_them_and_are_not_trusted(void **state)
{
    problem q = new_problem(ctx, 2, 200, false, 4);
    mucmm_fit_params p = linear_params();
    mucmm_model *m, *again;
    mucmm_loadings *l;
    char *one, *two;

    (void)state;
    p.bootstrap = 5;
    m = fit(ctx, &q, &p);
    CHECK_OK(ctx, load_again(m, &again));
    one = csv_of(m);
    two = csv_of(again);
    assert_string_equal(one, two);
    mucmm_text_free(one);
    mucmm_text_free(two);
    again->linear.deviations[1][3] = -1;
    assert_int_equal(load_again(again, &(mucmm_model *){NULL}), MUCMM_EFORMAT);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "deviations"));
    again->linear.deviations[1][3] = 1;
    again->linear.loading_ends[0][1] = 1.5f;
    assert_int_equal(load_again(again, &(mucmm_model *){NULL}), MUCMM_EFORMAT);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "loading_ends"));
    for (int v = 0; v < 2; v++) { /* as files of earlier versions are */
        mucmm__free(again->linear.deviations[v]);
        again->linear.deviations[v] = NULL;
    }
    assert_int_equal(mucmm_loadings_create(ctx, again, NULL, 0, NULL, &l), MUCMM_EUNSUPPORTED);
    assert_null(l);
    CHECK_OK(ctx, mucmm_loadings_create(ctx, again, &q.view[1], 1, NULL, &l));
    mucmm_loadings_free(l);
    mucmm_model_free(m);
    mucmm_model_free(again);
    drop_problem(&q);
}

static void test_what_makes_no_sense_is_refused(void **state)
{
    problem q = new_problem(ctx, 2, 200, false, 4);
    mucmm_fit_params p = linear_params();
    mucmm_model *m = fit(ctx, &q, &p);
    mucmm_loadings_params lp;
    mucmm_loadings *l = (mucmm_loadings *)m;
    mucmm_data *two;

    (void)state;
    mucmm_loadings_params_init(&lp);
    lp.top = -1;
    assert_int_equal(mucmm_loadings_create(ctx, m, NULL, 0, &lp, &l), MUCMM_EARG);
    lp.top = 0;
    lp.representation = 2;
    assert_int_equal(mucmm_loadings_create(ctx, m, NULL, 0, &lp, &l), MUCMM_EARG);
    CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[0], (int64_t[]){4, 5}, 2, &two));
    assert_int_equal(mucmm_loadings_create(ctx, m, &(mucmm_view){"left", two}, 1, NULL, &l),
                     MUCMM_ESHAPE);
    assert_null(l);
    mucmm_data_free(two);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- csv --------------------------------------------------------------------------- */

/* The fields of the line that begins at *text, unquoted, in out; *text moves on. */
static int take_line(const char **text, char out[][64], int room)
{
    int n = 0;
    size_t used = 0;
    bool quoted = false;
    const char *c = *text;

    for (; *c && (quoted || *c != '\n'); c++)
        if (quoted && c[0] == '"' && c[1] == '"')
            out[n][used++] = *c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (*c == ',' && !quoted) {
            out[n][used] = '\0';
            n++;
            assert_true(n < room);
            used = 0;
        } else
            out[n][used++] = *c;
    out[n][used] = '\0';
    *text = *c ? c + 1 : c;
    return n + 1;
}

/* Names that csv has to quote, and such as a spreadsheet would take for a formula, come back. */
static void test_csv_keeps_names(void **state)
{
    static const char *const names[8] = {"a,b", "say \"x\"", "two\nlines", "=1+2",
                                         "-x",  " led",      "semi;colon", "plain"};
    problem q = new_problem(ctx, 2, 200, false, 4);
    mucmm_fit_params p = linear_params();
    mucmm_model *m = fit(ctx, &q, &p);
    mucmm_loadings *l;
    mucmm_array a;
    mucmm_data *named;
    char fields[10][64], *text;
    const char *at;
    int found = 0;

    (void)state;
    mucmm_array_init(&a);
    a.data = q.x[0];
    a.rows = q.n;
    a.cols = q.p[0];
    a.columns = names;
    assert_int_equal(q.p[0], 8);
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &named));
    CHECK_OK(ctx, mucmm_loadings_create(ctx, m, &(mucmm_view){"left", named}, 1, NULL, &l));
    CHECK_OK(ctx, mucmm_loadings_csv(ctx, l, &text));
    at = text;
    assert_int_equal(take_line(&at, fields, 10), 10);
    assert_string_equal(fields[4], "column");
    for (int64_t i = 0; i < l->n; i++) {
        assert_int_equal(take_line(&at, fields, 10), 10);
        assert_string_equal(fields[4], names[l->list[i].column]);
        assert_true(strtod(fields[6], NULL) == l->list[i].loading);
        assert_true(strtod(fields[5], NULL) == l->list[i].weight);
        assert_string_equal(fields[7], "");
        found++;
    }
    assert_int_equal(*at, '\0');
    assert_int_equal(found, 8 * 5);
    mucmm_text_free(text);
    mucmm_loadings_free(l);
    mucmm_data_free(named);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Variates read back as the floats that they are; a row that lacks a view has empty cells. */
static void test_csv_of_variates_reads_back(void **state)
{
    problem q = new_problem(ctx, 2, 120, false, 4);
    mucmm_fit_params p = linear_params();
    mucmm_model *m;
    mucmm_variates *v;
    mucmm_data *some;
    int64_t rows[120];
    char fields[17][64], *text;
    const char *at;

    (void)state;
    p.folds = 0;
    m = fit(ctx, &q, &p);
    for (int64_t i = 0; i < 120; i++)
        rows[i] = i == 5 ? -1 : i;
    CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[1], rows, 120, &some));
    q.view[1].data = some;
    CHECK_OK(ctx, mucmm_variates_create(ctx, m, MUCMM_HEADS, q.view, 2, &v));
    CHECK_OK(ctx, mucmm_variates_csv(ctx, v, m, NULL, &text));
    at = text;
    assert_int_equal(take_line(&at, fields, 17), 17);
    assert_string_equal(fields[1], "left.common0");
    assert_string_equal(fields[10], "right.individual1");
    assert_string_equal(fields[11], "right.common-predicted0");
    for (int64_t i = 0; i < 120; i++) {
        assert_int_equal(take_line(&at, fields, 17), 17);
        assert_int_equal(atoi(fields[0]), i);
        for (int j = 0; j < 3; j++) {
            assert_true(strtof(fields[1 + j], NULL) == mucmm_variates_common(v, 0).data[i * 3 + j]);
            assert_int_equal(fields[6 + j][0] == '\0', i == 5);
            assert_true(i == 5 ||
                        strtof(fields[6 + j], NULL) == mucmm_variates_common(v, 1).data[i * 3 + j]);
            assert_true(strtof(fields[11 + j], NULL) ==
                        mucmm_variates_predicted(v, 1).data[i * 3 + j]);
        }
    }
    assert_int_equal(*at, '\0');
    mucmm_text_free(text);
    mucmm_variates_free(v);
    mucmm_data_free(some);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- components -------------------------------------------------------------------- */

typedef struct component_line {
    char rows[16], representation[16];
    double n, component, r, low, high, p;
    char significant[8], carried[32], back[8];
} component_line;

static int take_components(const char *text, component_line *out)
{
    char f[13][64];
    int n = 0;

    assert_int_equal(take_line(&text, f, 13), 13);
    for (; *text; n++) {
        double *const numbers[] = {&out[n].n,   &out[n].component, &out[n].r,
                                   &out[n].low, &out[n].high,      &out[n].p};
        assert_int_equal(take_line(&text, f, 13), 13);
        snprintf(out[n].rows, 16, "%.15s", f[0]);
        snprintf(out[n].representation, 16, "%.15s", f[1]);
        for (int i = 0; i < 6; i++)
            *numbers[i] = f[2 + i][0] ? strtod(f[2 + i], NULL) : NAN;
        snprintf(out[n].significant, 8, "%.7s", f[8]);
        snprintf(out[n].carried, 32, "%.31s", f[10]);
        snprintf(out[n].back, 8, "%.7s", f[12]);
    }
    return n;
}

static void test_components_of_a_fit(void **state)
{
    (void)state;
    for (int cross = 0; cross < 2; cross++) {
        problem q = new_problem(ctx, 2, 240, false, 4);
        mucmm_fit_params p = linear_params();
        component_line lines[6];
        mucmm_model *m;
        char *text;

        p.bootstrap = 10;
        p.folds = cross ? 5 : 0;
        p.repeats = cross ? 2 : 0;
        m = fit(ctx, &q, &p);
        CHECK_OK(ctx, mucmm_model_components_csv(ctx, m, &text));
        assert_int_equal(take_components(text, lines), 6);
        for (int j = 0; j < 3; j++) {
            const component_line *train = &lines[j], *out = &lines[3 + j];
            const mucmm_summary *s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
            assert_string_equal(train->rows, "train");
            assert_true(isnan(train->low) && isnan(train->p));
            assert_string_equal(out->rows, cross ? "cross-fitted" : "held-out");
            assert_string_equal(out->representation, "linear");
            assert_true(out->r == s->correlations[j] && out->p == s->p_values[j]);
            assert_true(out->low < out->r && out->r < out->high);
            assert_string_equal(out->significant, out->p <= .05 ? "yes" : "no");
            assert_string_equal(out->carried, out->p <= .05 ? "left+right" : "");
            assert_int_equal(out->back[0] == 'y', m->linear.stability->comes_back[j]);
            if (!cross) /* Fisher's z */
                CHECK_CLOSE(atanh(out->high) - atanh(out->low),
                            2 * 1.959963984540054 / sqrt((double)s->rows - 3), 1e-9);
        }
        mucmm_text_free(text);
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

/* Rows that were fitted have no p-value and no interval; of groups none is independent. */
static void test_components_of_scores(void **state)
{
    problem q = new_problem(ctx, 2, 320, false, 4);
    mucmm_fit_params p = linear_params();
    mucmm_score_params sp;
    component_line lines[6];
    mucmm_scores *s;
    mucmm_model *m;
    int64_t groups[320];
    char *text;

    (void)state;
    for (int64_t i = 0; i < 320; i++)
        groups[i] = i / 2;
    p.validation = .3;
    for (int grouped = 0; grouped < 2; grouped++) {
        p.groups = grouped ? groups : NULL;
        m = fit(ctx, &q, &p);
        mucmm_score_params_init(&sp);
        sp.permutations = 99;
        sp.groups = p.groups;
        CHECK_OK(ctx, mucmm_score(ctx, m, q.view, 2, &sp, &s));
        CHECK_OK(ctx, mucmm_scores_components_csv(ctx, s, &text));
        assert_int_equal(take_components(text, lines), 6);
        for (int j = 0; j < 3; j++) {
            assert_string_equal(lines[j].rows, "new");
            assert_string_equal(lines[3 + j].rows, "fitted");
            assert_int_equal(isnan(lines[j].low), grouped);
            assert_false(isnan(lines[j].p));
            assert_true(isnan(lines[3 + j].low) && isnan(lines[3 + j].p));
        }
        mucmm_text_free(text);
        mucmm_scores_free(s);
        mucmm_model_free(m);
    }
    drop_problem(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loadings_are_correlations),
        cmocka_unit_test(test_weights_make_the_variate),
        cmocka_unit_test(test_a_planted_column_is_on_top),
        cmocka_unit_test(test_intervals_hold_their_loadings),
        cmocka_unit_test(test_files_keep_them_and_are_not_trusted),
        cmocka_unit_test(test_what_makes_no_sense_is_refused),
        cmocka_unit_test(test_csv_keeps_names),
        cmocka_unit_test(test_csv_of_variates_reads_back),
        cmocka_unit_test(test_components_of_a_fit),
        cmocka_unit_test(test_components_of_scores),
    };
    return cmocka_run_group_tests_name("loadings", tests, set_up, tear_down);
}
