/* SPDX-License-Identifier: MIT
 *
 * Components against what is known of the rows: where a column is, p-values and false discovery
 * rates, and rows that were fitted.
 */
#include "model/adjust.h"
#include "workspace.h"

#define N 400

/* shared: s0 + noise; private: of view 0 alone; class of s1 with three levels; chance: heavy tails.
 */
static mucmm_table *table_of(const problem *q, uint64_t seed)
{
    static const char *const gap[] = {"1.5", "-2", "0", "3", "7", "1", "4.25", "-1"};
    char *text = malloc((size_t)q->n * 120 + 64), *at = text;
    uint64_t key = mucmm__rng_key(seed, 77);
    mucmm_table *t;

    at += sprintf(at, "shared,class,chance,code,gap\n");
    for (int64_t i = 0; i < q->n; i++) {
        double s0 = q->shared[i * SHARED], s1 = q->shared[i * SHARED + 1];
        double noise = mucmm__rng_normal(key, (uint64_t)i);
        double other = mucmm__rng_normal(key, (uint64_t)(i + 2 * q->n));
        at += sprintf(at, "%.6f,%s,%.6f,%c,%s\n", s0 + .3 * noise,
                      s1 < -.4  ? "low"
                      : s1 < .4 ? "middle"
                                : "high",
                      other * other * other + mucmm__rng_normal(key, (uint64_t)(i + q->n)),
                      'a' + (int)(mucmm__rng_bits(key, (uint64_t)i) % 5), i < 8 ? gap[i] : "NA");
    }
    CHECK_OK(ctx, mucmm_table_open_memory(ctx, text, strlen(text), "known.csv", NULL, &t));
    free(text);
    return t;
}

static mucmm_model *fit_linear(const problem *q)
{
    mucmm_fit_params p;
    mucmm_model *m;

    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 3;
    p.individual = 2;
    CHECK_OK(ctx, mucmm_fit(ctx, q->view, 2, &p, &m));
    return m;
}

/* Other rows of the same views: a problem of twice the rows, cut. */
typedef struct halves {
    problem all;
    mucmm_data *data[2][2]; /* [half][view] */
    mucmm_view view[2][2];
    problem half[2];
} halves;

static halves new_halves(uint64_t seed)
{
    halves h = {.all = new_problem(ctx, 2, 2 * N, false, seed)};
    int64_t rows[N];

    for (int k = 0; k < 2; k++) {
        h.half[k] = h.all;
        h.half[k].n = N;
        h.half[k].shared = h.all.shared + k * N * SHARED;
        for (int64_t i = 0; i < N; i++)
            rows[i] = k * N + i;
        for (int v = 0; v < 2; v++) {
            CHECK_OK(ctx, mucmm_data_subset(ctx, h.all.data[v], rows, N, &h.data[k][v]));
            h.half[k].view[v].data = h.data[k][v];
        }
    }
    return h;
}

static void drop_halves(halves *h)
{
    for (int k = 0; k < 4; k++)
        mucmm_data_free(h->data[k / 2][k % 2]);
    drop_problem(&h->all);
}

static const mucmm_relation *strongest(const mucmm_relate *r, int64_t column, int individual)
{
    int64_t n;
    const mucmm_relation *list = mucmm_relate_list(r, &n), *best = NULL;

    for (int64_t i = 0; i < n; i++)
        if (list[i].column == column && list[i].individual == individual &&
            (!best || list[i].p_value < best->p_value))
            best = &list[i];
    assert_non_null(best);
    return best;
}

/* ---- where a column is ------------------------------------------------------------- */

static void test_a_column_is_found_in_its_part(void **state)
{
    halves h = new_halves(3);
    mucmm_model *m = fit_linear(&h.half[0]);
    mucmm_table *t = table_of(&h.half[1], 3);
    mucmm_relate *r;
    const mucmm_related *c;
    int64_t n;
    char text[100];

    (void)state;
    CHECK_OK(ctx, mucmm_relate_create(ctx, m, h.half[1].view, 2, t, NULL, &r));
    c = mucmm_relate_columns(r, &n);
    assert_int_equal(n, 5);
    assert_int_equal(mucmm_relate_rows(r), N);
    assert_false(mucmm_relate_in_sample(r));
    assert_true(c[0].in_common && c[1].in_common && !c[2].in_common);
    assert_true(c[0].common > .8 && c[0].individual[0] < .1 && c[0].individual[1] < .1);
    assert_true(c[1].common > .8 && c[1].individual[0] < c[1].chance + .1);
    assert_int_equal(c[1].levels, 3);
    assert_true(fabs(c[2].common) < .1);
    assert_int_equal(c[3].levels, 5);
    assert_true(fabs(c[3].common - c[3].chance) < .1);
    assert_int_equal(c[4].rows, 8); /* too few to be read */
    assert_true(isnan(c[4].common));
    assert_true(fabs(strongest(r, 0, 0)->strength) > .8);
    assert_string_equal(mucmm_related_text(r, 2, text, sizeof text), "none beyond chance");
    assert_true(strncmp(mucmm_related_text(r, 0, text, sizeof text), "common", 6) == 0);
    assert_string_equal(mucmm_related_text(r, 9, text, sizeof text), "");
    mucmm_relate_free(r);
    mucmm_table_free(t);
    mucmm_model_free(m);
    drop_halves(&h);
}

static void test_rows_that_were_fitted_are_not_tested(void **state)
{
    halves h = new_halves(4);
    mucmm_model *m = fit_linear(&h.half[0]);
    mucmm_table *t = table_of(&h.half[0], 4), *some;
    mucmm_relate *r;
    int64_t n, fitted = 0, rows[N];
    const mucmm_relation *list;
    mucmm_row_kind kinds[N];
    mucmm_recognition how;
    mucmm_data *d[2];
    mucmm_view views[2];

    (void)state;
    CHECK_OK(ctx, mucmm_model_recognize(ctx, m, h.half[0].view, 2, kinds, &how));
    for (int64_t i = 0; i < N; i++)
        if (kinds[i] == MUCMM_ROW_FITTED)
            rows[fitted++] = i;
    assert_true(fitted > N / 2);
    CHECK_OK(ctx, mucmm_relate_create(ctx, m, h.half[0].view, 2, t, NULL, &r));
    assert_int_equal(mucmm_relate_rows(r), N - fitted); /* what the fit held out */
    assert_false(mucmm_relate_in_sample(r));
    mucmm_relate_free(r);
    CHECK_OK(ctx, mucmm__table_subset(ctx, t, rows, fitted, &some));
    for (int v = 0; v < 2; v++) {
        CHECK_OK(ctx, mucmm_data_subset(ctx, h.data[0][v], rows, fitted, &d[v]));
        views[v] = (mucmm_view){h.all.view[v].name, d[v]};
    }
    CHECK_OK(ctx, mucmm_relate_create(ctx, m, views, 2, some, NULL, &r));
    assert_true(mucmm_relate_in_sample(r));
    list = mucmm_relate_list(r, &n);
    for (int64_t i = 0; i < n; i++)
        assert_true(isnan(list[i].p_value) && isnan(list[i].q_value));
    mucmm_relate_free(r);
    for (int v = 0; v < 2; v++)
        mucmm_data_free(d[v]);
    mucmm_table_free(some);
    mucmm_table_free(t);
    mucmm_model_free(m);
    drop_halves(&h);
}

/* ---- p-values ---------------------------------------------------------------------- */

/* Columns of chance, heavy-tailed or of five levels: p-values of single relations at 5 % come in 5
 * %, and a run finds something (false discovery rate 5 %) in no more. Numbers are counted over 60
 * runs: 10 components each, which depend on each other. */
static void test_p_values_of_columns_of_chance_hold(void **state)
{
    halves h = new_halves(5);
    mucmm_model *m = fit_linear(&h.half[0]);
    int small[2] = {0, 0}, of[2] = {0, 0}, found = 0;

    (void)state;
    for (uint64_t run = 0; run < 60; run++) {
        mucmm_table *t = table_of(&h.half[1], 100 + run);
        mucmm_relate *r;
        int64_t n;
        int any = 0;
        const mucmm_relation *list;
        CHECK_OK(ctx, mucmm_relate_create(ctx, m, h.half[1].view, 2, t, NULL, &r));
        list = mucmm_relate_list(r, &n);
        for (int64_t i = 0; i < n; i++)
            if (list[i].column == 2 || list[i].column == 3) {
                small[list[i].column - 2] += list[i].p_value <= .05;
                of[list[i].column - 2]++;
                any |= list[i].q_value <= .01;
            }
        found += any;
        mucmm_relate_free(r);
        mucmm_table_free(t);
    }
    for (int k = 0; k < 2; k++)
        assert_true(small[k] >= of[k] / 100 && small[k] <= of[k] / 10);
    assert_true(found <= 8);
    mucmm_model_free(m);
    drop_halves(&h);
}

/* Two-sided p of r by Student's t, and of eta squared by F, from tables. */
static void test_p_values_are_the_classical_ones(void **state)
{
    halves h = new_halves(6);
    mucmm_model *m = fit_linear(&h.half[0]);
    mucmm_table *t = table_of(&h.half[1], 6);
    mucmm_relate *r;
    int64_t n;
    int closed = 0;
    const mucmm_relation *list;

    (void)state;
    CHECK_OK(ctx, mucmm_relate_create(ctx, m, h.half[1].view, 2, t, NULL, &r));
    list = mucmm_relate_list(r, &n);
    for (int64_t i = 0; i < n; i++) {
        const mucmm_relation *a = &list[i];
        double s = fabs(a->strength);
        /* P(B > x) of Beta(1/2, 3), of 8 rows, and of Beta(1, b), of three levels, are closed */
        if (a->column == 4)
            CHECK_CLOSE(a->p_value, 1 - s * (15 - 10 * s * s + 3 * pow(s, 4)) / 8, 1e-12);
        if (a->column == 1)
            CHECK_CLOSE(a->p_value, pow(1 - s, (double)(a->rows - 3) / 2), 1e-12);
        closed += a->column == 4;
    }
    assert_int_equal(closed, 10);
    mucmm_relate_free(r);
    mucmm_table_free(t);
    mucmm_model_free(m);
    drop_halves(&h);
}

/* ---- groups ------------------------------------------------------------------------ */

enum { GROUPS = 40, PER_GROUP = N / GROUPS };

/* Half the variance of the columns becomes the groups'. */
static void add_levels(problem *q, uint64_t seed)
{
    for (int v = 0; v < 2; v++)
        for (int64_t i = 0; i < q->n; i++)
            for (int64_t j = 0; j < q->p[v]; j++)
                q->x[v][i * q->p[v] + j] +=
                    (float)(2 * mucmm__rng_normal(mucmm__rng_key(seed, (uint64_t)v + 1),
                                                  (uint64_t)(i / PER_GROUP * 64 + j)));
}

static mucmm_table *levels_of_groups(uint64_t seed)
{
    char *text = malloc(N * 64 + 64), *at = text;
    uint64_t key = mucmm__rng_key(seed, 88);
    mucmm_table *t;

    at += sprintf(at, "number,class\n");
    for (int64_t i = 0; i < N; i++)
        at += sprintf(at, "%.5f,%c\n", mucmm__rng_normal(key, (uint64_t)(i / PER_GROUP)),
                      'a' + (int)(mucmm__rng_bits(key, (uint64_t)(900 + i / PER_GROUP)) % 3));
    CHECK_OK(ctx, mucmm_table_open_memory(ctx, text, strlen(text), "known.csv", NULL, &t));
    free(text);
    return t;
}

/* Columns of chance that are the same for all rows of a group: rows that are taken for independent
 * find them in the components, and read them; groups do not. */
static void test_columns_of_groups(void **state)
{
    problem train = new_problem(ctx, 2, N, false, 21), fresh = new_problem(ctx, 2, N, false, 22);
    int small[2][2] = {{0}}, of = 0;
    int64_t group[N];
    double read[2] = {0};
    mucmm_model *m;

    (void)state;
    add_levels(&train, 1);
    add_levels(&fresh, 2);
    m = fit_linear(&train);
    for (int64_t i = 0; i < N; i++)
        group[i] = i / PER_GROUP;
    for (uint64_t run = 0; run < 30; run++) {
        mucmm_table *t = levels_of_groups(run);
        for (int grouped = 0; grouped < 2; grouped++) {
            mucmm_relate_params p;
            mucmm_relate *r;
            const mucmm_relation *list;
            int64_t n;
            mucmm_relate_params_init(&p);
            p.groups = grouped ? group : NULL;
            CHECK_OK(ctx, mucmm_relate_create(ctx, m, fresh.view, 2, t, &p, &r));
            assert_int_equal(mucmm_relate_groups(r), grouped ? GROUPS : 0);
            list = mucmm_relate_list(r, &n);
            for (int64_t i = 0; i < n; i++)
                small[grouped][list[i].column] += list[i].p_value <= .05;
            of += grouped ? (int)n / 2 : 0;
            read[grouped] +=
                mucmm_relate_columns(r, &n)[1].common - mucmm_relate_columns(r, &n)[1].chance;
            mucmm_relate_free(r);
        }
        mucmm_table_free(t);
    }
    for (int k = 0; k < 2; k++) {
        assert_true(small[0][k] > of / 5);
        assert_true(small[1][k] <= of / 10 && small[1][k] >= of / 100);
    }
    assert_true(read[1] < 0 && read[0] > read[1] + .5);
    mucmm_model_free(m);
    drop_problem(&train);
    drop_problem(&fresh);
}

/* How many of 5 pages call such a column related to a component; with groups, each says so. */
static int related_pages(const mucmm_model *m, const problem *q, const int64_t *group)
{
    mucmm_score_params score;
    mucmm_report_params p;
    int found = 0;

    mucmm_score_params_init(&score);
    score.permutations = 0;
    score.groups = group;
    mucmm_report_params_init(&p);
    p.sections = MUCMM_SECTION_SHARED;
    p.score = &score;
    for (uint64_t run = 0; run < 5; run++) {
        mucmm_table *t = levels_of_groups(run);
        mucmm_view view[2] = {q->view[0], q->view[1]};
        mucmm_views *views;
        mucmm_data *known;
        bytes page;
        CHECK_OK(ctx, mucmm_data_attach(ctx, q->data[0], t, &known));
        view[0].data = known;
        CHECK_OK(ctx, mucmm_views_create(ctx, view, 2, &views));
        CHECK_OK(ctx, mucmm_model_report(ctx, m, views, &p, in_folder("page.html")));
        page = get_file("page.html");
        page.data[page.size] = 0;
        found += !strstr((char *)page.data, "No component is related to a column beyond chance");
        assert_true(!strstr((char *)page.data, "40 groups that are exchanged") == !group);
        free(page.data);
        unlink(in_folder("page.html"));
        mucmm_views_free(views);
        mucmm_data_free(known);
        mucmm_table_free(t);
    }
    return found;
}

/* The page on rows of groups takes whole groups for what is independent, as the scores do. */
static void test_a_page_knows_the_groups(void **state)
{
    problem train = new_problem(ctx, 2, N, false, 21), fresh = new_problem(ctx, 2, N, false, 22);
    int64_t group[N];
    mucmm_model *m;

    (void)state;
    add_levels(&train, 1);
    add_levels(&fresh, 2);
    m = fit_linear(&train);
    for (int64_t i = 0; i < N; i++)
        group[i] = i / PER_GROUP;
    assert_true(related_pages(m, &fresh, NULL) >= 4);
    assert_true(related_pages(m, &fresh, group) <= 1);
    mucmm_model_free(m);
    drop_problem(&train);
    drop_problem(&fresh);
}

/* ---- words and refusals ------------------------------------------------------------ */

static int64_t lines(const char *text)
{
    int64_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void test_relations_as_text_csv_and_json(void **state)
{
    halves h = new_halves(7);
    mucmm_model *m = fit_linear(&h.half[0]);
    mucmm_table *t = table_of(&h.half[1], 7), *few;
    mucmm_relate *r;
    int64_t n;
    char *text;

    (void)state;
    CHECK_OK(ctx, mucmm_relate_create(ctx, m, h.half[1].view, 2, t, NULL, &r));
    mucmm_relate_list(r, &n);
    assert_int_equal(n, 5 * 2 * (3 + 2));
    CHECK_OK(ctx, mucmm_relate_text(ctx, r, &text));
    assert_non_null(strstr(text, "the model was not fitted to these rows"));
    assert_non_null(strstr(text, "correlation"));
    mucmm_text_free(text);
    CHECK_OK(ctx, mucmm_relate_csv(ctx, r, &text));
    assert_int_equal(lines(text), n + 1);
    assert_non_null(strstr(text, "common,left,0,\"shared\",correlation,400,"));
    mucmm_text_free(text);
    CHECK_OK(ctx, mucmm_relate_json(ctx, r, &text));
    assert_non_null(strstr(text, "\"in_common\": true"));
    mucmm_text_free(text);
    mucmm_relate_free(r);
    CHECK_OK(ctx, mucmm__table_subset(ctx, t, (int64_t[]){0, 1}, 2, &few));
    assert_int_equal(mucmm_relate_create(ctx, m, h.half[1].view, 2, few, NULL, &r), MUCMM_ESHAPE);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "known.csv has 2 rows and the views 400"));
    assert_int_equal(mucmm_relate_create(ctx, m, h.half[1].view, 1, t, NULL, &r), MUCMM_EARG);
    assert_null(r);
    mucmm_table_free(few);
    mucmm_table_free(t);
    mucmm_model_free(m);
    drop_halves(&h);
}

static void count_warnings(void *user, mucmm_log_level level, const char *message)
{
    if (level == MUCMM_LOG_WARN && strstr(message, "is not adjusted for and goes with common"))
        ++*(int *)user;
}

/* A column that goes with a component is named by the fit; one of chance, or that is taken out, is
 * not. */
static void test_a_fit_names_what_it_is_not_adjusted_for(void **state)
{
    static const char *const ways[] = {NULL, "shared", "shared,class"};
    problem q = new_problem(ctx, 2, N, false, 8);
    mucmm_table *t = table_of(&q, 8);
    mucmm_view views[2];
    mucmm_data *d[2];

    (void)state;
    for (int v = 0; v < 2; v++) {
        CHECK_OK(ctx, mucmm_data_attach(ctx, q.data[v], t, &d[v]));
        views[v] = (mucmm_view){q.view[v].name, d[v]};
    }
    for (int way = 0; way < 3; way++) {
        int warned = 0;
        mucmm_ctx_params cp;
        mucmm_fit_params p;
        mucmm_ctx *c;
        mucmm_model *m;
        mucmm_ctx_params_init(&cp);
        cp.threads = 1;
        cp.log = count_warnings;
        cp.log_user = &warned;
        assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
        mucmm_fit_params_init(&p);
        p.head = MUCMM_HEAD_LINEAR;
        p.common = 3;
        p.individual = 1;
        p.validation = .3;
        p.adjust = ways[way];
        CHECK_OK(c, mucmm_fit(c, views, 2, &p, &m));
        assert_int_equal(warned, 2 - way);
        mucmm_model_free(m);
        mucmm_ctx_free(c);
    }
    for (int v = 0; v < 2; v++)
        mucmm_data_free(d[v]);
    mucmm_table_free(t);
    drop_problem(&q);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_column_is_found_in_its_part),
        cmocka_unit_test(test_rows_that_were_fitted_are_not_tested),
        cmocka_unit_test(test_p_values_of_columns_of_chance_hold),
        cmocka_unit_test(test_p_values_are_the_classical_ones),
        cmocka_unit_test(test_columns_of_groups),
        cmocka_unit_test(test_a_page_knows_the_groups),
        cmocka_unit_test(test_relations_as_text_csv_and_json),
        cmocka_unit_test(test_a_fit_names_what_it_is_not_adjusted_for),
    };
    return cmocka_run_group_tests_name("relate", tests, set_up, tear_down);
}
