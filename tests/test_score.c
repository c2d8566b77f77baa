/* SPDX-License-Identifier: MIT
 *
 * Scores of samples and sets of rows, and what is refused. */
#include "workspace.h"

/* ---- scores ------------------------------------------------------------------------ */

/* Cosine of weighted variates in double, of every pair of rows. */
static double brute_recall(const float *a, const float *b, int64_t n, int64_t k, const double *rho,
                           int64_t top)
{
    int64_t found = 0;

    for (int64_t i = 0; i < n; i++) {
        int64_t before = 0;
        double own = 0;
        for (int64_t step = 0; step <= n; step++) { /* the partner first */
            int64_t j = step == 0 ? i : step - 1;
            double dot = 0, norm = 0;
            for (int64_t c = 0; c < k; c++) {
                dot += rho[c] * (double)a[i * k + c] * (double)b[j * k + c];
                norm += rho[c] * pow((double)b[j * k + c], 2);
            }
            dot /= sqrt(norm);
            own = step == 0 ? dot : own;
            before += step > 0 && j != i && dot >= own;
        }
        found += before < top;
    }
    return (double)found / (double)n;
}

static void check_retrieval(const mucmm_summary *s, const double *rho, float *const *c, int64_t k)
{
    for (int64_t a = 0; a < s->views; a++)
        for (int64_t b = 0; b < s->views; b++) {
            int64_t at = a * s->views + b;
            if (a == b) {
                assert_true(isnan(s->retrieval_1[at]));
                continue;
            }
            /* a tie in float may fall to either side */
            CHECK_CLOSE(s->retrieval_1[at], brute_recall(c[a], c[b], s->rows, k, rho, 1),
                        1.01 / (double)s->rows);
            CHECK_CLOSE(s->retrieval_10[at], brute_recall(c[a], c[b], s->rows, k, rho, 10),
                        1.01 / (double)s->rows);
            assert_true(s->retrieval_10[at] > 15.0 / (double)s->rows); /* chance: 10 / rows */
        }
}

static void check_scores(const mucmm_model *m, const problem *q)
{
    const mucmm__solution *rep = mucmm__model_solution(m, MUCMM_HEADS);
    mucmm_view views[3];
    mucmm_score_params p;
    mucmm_scores *s = NULL;
    float *c[3], *u[3];
    int64_t k = m->k;
    int32_t n_views = q->n_views;

    for (int32_t v = 0; v < n_views; v++) {
        views[v] = q->view[n_views - 1 - v]; /* any order */
        transform(ctx, m, MUCMM_HEADS, v, q->data[v], &c[v], &u[v]);
    }
    mucmm_score_params_init(&p);
    p.permutations = 50;
    CHECK_OK(ctx, mucmm_score(ctx, m, views, n_views, &p, &s));
    assert_int_equal(mucmm_scores_rows(s), q->n);
    for (int64_t i = 0; i < q->n; i++) {
        double common = 0;
        for (int32_t a = 0; a < n_views; a++) {
            double energy = 0, own = 0;
            for (int32_t b = 0; b < a; b++)
                for (int64_t j = 0; j < k; j++)
                    common += 2.0 / (n_views * (n_views - 1)) * rep->rho[j] *
                              (double)c[a][i * k + j] * (double)c[b][i * k + j];
            for (int64_t j = 0; j < k; j++)
                energy += .5 * pow((double)c[a][i * k + j], 2);
            for (int64_t j = 0; j < m->view[a].q; j++)
                own += .5 * pow((double)u[a][i * m->view[a].q + j], 2);
            CHECK_CLOSE(mucmm_scores_common_energy(s, a)[i], energy, 1e-9 * (1 + energy));
            CHECK_CLOSE(mucmm_scores_individual(s, a)[i], own, 1e-9 * (1 + own));
        }
        CHECK_CLOSE(mucmm_scores_common(s)[i], common, 1e-9 * (1 + fabs(common)));
    }
    for (int representation = 0; representation < 2; representation++) {
        const mucmm_summary *sum = mucmm_scores_summary(s, (mucmm_representation)representation);
        double total = 0;
        assert_int_equal(sum->rows, q->n);
        for (int64_t j = 0; j < k; j++) {
            assert_true(sum->p_values[j] >= 1.0 / 51 && sum->p_values[j] <= 1);
            total += sum->correlations[j];
        }
        CHECK_CLOSE(sum->total_correlation, total, 1e-12);
        for (int32_t v = 0; v < n_views; v++)
            CHECK_CLOSE(sum->common_share[v] + sum->individual_share[v] + sum->rest_share[v], 1,
                        1e-12);
    }
    check_retrieval(mucmm_scores_summary(s, MUCMM_HEADS), rep->rho, c, k);
    assert_null(mucmm_scores_individual(s, n_views));
    assert_null(mucmm_scores_common_energy(s, -1));
    mucmm_scores_free(s);
    for (int32_t v = 0; v < n_views; v++) {
        free(c[v]);
        free(u[v]);
    }
}

static void test_scores_are_the_formulas(void **state)
{
    (void)state;
    for (int32_t views = 2; views <= 3; views++)
        for (int head = 0; head < 2; head++) {
            problem q = new_problem(ctx, views, 301, true, 13);
            mucmm_fit_params p = small_params((mucmm_head_kind)head);
            mucmm_model *m;

            p.common_epochs = p.individual_epochs = 1;
            m = fit(ctx, &q, &p);
            forget_rows(m);
            check_scores(m, &q);
            mucmm_model_free(m);
            drop_problem(&q);
        }
}

/* Section 5: on the training rows the common score has mean sum rho^2, the energies k/2 and q/2. */
static void test_scores_have_their_means_on_the_training_rows(void **state)
{
    problem q = new_problem(ctx, 2, 301, false, 14), t;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    double want = 0, mean[3] = {0}, unbiased;
    mucmm_scores *s = NULL;
    mucmm_model *m;

    (void)state;
    p.ridge = 1e-8;
    m = fit(ctx, &q, &p);
    t = training_problem(ctx, &q, &p);
    CHECK_OK(ctx, mucmm_score(ctx, m, t.view, 2, NULL, &s));
    unbiased = (double)(t.n - 1);
    for (int64_t i = 0; i < t.n; i++) {
        mean[0] += mucmm_scores_common(s)[i] / unbiased;
        mean[1] += mucmm_scores_common_energy(s, 0)[i] / unbiased;
        mean[2] += mucmm_scores_individual(s, 1)[i] / unbiased;
    }
    for (int64_t j = 0; j < m->k; j++)
        want += m->linear.rho[j] * m->linear.rho[j];
    CHECK_CLOSE(mean[0], want, 1e-5);
    CHECK_CLOSE(mean[1], 1, 1e-5);
    CHECK_CLOSE(mean[2], 1.5, 1e-5);
    mucmm_scores_free(s);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

/* The first n rows of q, or one row n times. */
static problem some_rows(const problem *q, int64_t n, bool same)
{
    int64_t rows[64] = {0};
    problem s = *q;

    for (int64_t i = 0; i < n && !same; i++)
        rows[i] = i;
    for (int32_t v = 0; v < q->n_views; v++) {
        CHECK_OK(ctx, mucmm_data_subset(ctx, q->data[v], rows, n, &s.data[v]));
        s.view[v].data = s.data[v];
    }
    s.n = n;
    return s;
}

static void test_score_of_very_few_rows(void **state)
{
    static const int64_t counts[] = {1, 2, 3, 4, 5, 6, 30};
    problem q = new_problem(ctx, 3, 301, true, 15);

    (void)state;
    for (int head = 0; head < 2; head++) {
        mucmm_fit_params p = small_params((mucmm_head_kind)head);
        mucmm_model *m;
        p.common_epochs = p.individual_epochs = 1;
        m = fit(ctx, &q, &p);
        forget_rows(m);
        for (int i = 0; i < 14; i++) {
            problem few = some_rows(&q, counts[i % 7], i >= 7);
            mucmm_scores *s = NULL;
            const mucmm_summary *sum;
            CHECK_OK(ctx, mucmm_score(ctx, m, few.view, 3, NULL, &s));
            sum = mucmm_scores_summary(s, MUCMM_HEADS);
            assert_true(isfinite(mucmm_scores_common(s)[few.n - 1]));
            if (few.n < 3)
                assert_true(isnan(sum->correlations[0]) && isnan(sum->p_values[0]) &&
                            isnan(sum->total_correlation));
            if (few.n < 7)
                assert_true(isnan(sum->common_share[0]) && isnan(sum->rest_share[0]) &&
                            isnan(sum->leakage_linear[0]));
            if (few.n == 30 && i < 7)
                assert_true(isfinite(sum->common_share[0]) && isfinite(sum->leakage_linear[0]) &&
                            isfinite(sum->correlations[1]));
            assert_true(isnan(sum->leakage_kernel[0]));
            mucmm_scores_free(s);
            for (int v = 0; v < 3; v++)
                mucmm_data_free(few.data[v]);
        }
        mucmm_model_free(m);
    }
    drop_problem(&q);
}

/* Rows far outside of what was trained on, of low rank: large numbers, no error. */
static void test_score_of_far_off_rows(void **state)
{
    static const double factors[] = {1e-4, 1e3, 1e6, 1e9};
    problem q = new_problem(ctx, 2, 301, false, 16);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;

    (void)state;
    m = fit(ctx, &q, &p);
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
        float x[120 * 9];
        mucmm_data *d[2];
        mucmm_scores *s = NULL;
        for (int i = 0; i < 120 * 9; i++) /* three different rows */
            x[i] = (float)(factors[f] * sin(1 + i / 9 % 3 * 9 + i % 9));
        for (int v = 0; v < 2; v++)
            CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, 120, q.p[v], q.p[v]}, "far", NULL,
                                          0, &d[v]));
        CHECK_OK(ctx,
                 mucmm_score(ctx, m, (mucmm_view[]){{"left", d[0]}, {"right", d[1]}}, 2, NULL, &s));
        mucmm_scores_free(s);
        mucmm_data_free(d[0]);
        mucmm_data_free(d[1]);
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_score_and_transform_refusals(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 17), shorter = new_problem(ctx, 2, 59, false, 17);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    mucmm_scores *s = (mucmm_scores *)m;
    mucmm_score_params sp;
    float out[60 * 3] = {0};
    mucmm_view left = q.view[0], right = q.view[1];

    (void)state;
#define REFUSED(views, n, params, status, fragment)                                                \
    check_message(ctx, mucmm_score(ctx, m, views, n, params, &s), status, fragment);               \
    assert_null(s)
    REFUSED((&left), 0, NULL, MUCMM_EARG, "no view is given");
    REFUSED(((mucmm_view[]){left, {"rihgt", q.data[1]}}), 2, NULL, MUCMM_EARG,
            "no view 'rihgt'; its views are: left, right");
    REFUSED(((mucmm_view[]){left, left}), 2, NULL, MUCMM_EARG, "'left' is given twice");
    REFUSED(((mucmm_view[]){left, {NULL, q.data[1]}}), 2, NULL, MUCMM_EARG, "no name or no data");
    REFUSED(((mucmm_view[]){left, {"right", NULL}}), 2, NULL, MUCMM_EARG, "no name or no data");
    REFUSED(((mucmm_view[]){left, {"right", q.data[0]}}), 2, NULL, MUCMM_ESHAPE,
            "8 columns; the model was fitted on 9");
    REFUSED(((mucmm_view[]){left, shorter.view[1]}), 2, NULL, MUCMM_ESHAPE, "paired row by row");
    mucmm_score_params_init(&sp);
    sp.permutations = -1;
    REFUSED(((mucmm_view[]){left, right}), 2, &sp, MUCMM_EARG, "permutations");
#undef REFUSED
    check_message(ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 2, left.data, NULL, NULL), MUCMM_EARG,
                  "view 2 is out of range");
    check_message(ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 1, left.data, NULL, NULL), MUCMM_ESHAPE,
                  "8 columns; the model was fitted on 9");
    check_message(
        ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 0, left.data, &(mucmm_mat){out, 60, 3, 3}, NULL),
        MUCMM_ESHAPE, "common is [60, 3]; it must be [60, 2]");
    check_message(
        ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 0, left.data, NULL, &(mucmm_mat){out, 59, 3, 3}),
        MUCMM_ESHAPE, "individual is [59, 3]; it must be [60, 3]");
    mucmm_model_free(m);
    drop_problem(&q);
    drop_problem(&shorter);
}

/* ---- groups ------------------------------------------------------------------------ */

/* Of the rows of a fit only those of whole groups are held out; a model that was read again knows
 * the groups that it was fitted to, in rows that it has not seen. */
static void test_rows_of_fitted_groups_are_no_new_rows(void **state)
{
    problem q = new_problem(ctx, 2, 240, true, 52), fresh = new_problem(ctx, 2, 240, true, 53);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    int64_t group[240], other[240];
    mucmm_score_params sp;
    mucmm_model *m, *again;
    mucmm_scores *s;
    void *file;
    size_t size;

    (void)state;
    for (int64_t i = 0; i < 240; i++) {
        group[i] = i % 60 * 1000003 - 7;
        other[i] = group[i] + 1;
    }
    p.groups = group;
    m = fit(ctx, &q, &p);
    assert_null(mucmm_model_params(m)->groups);
    assert_int_equal(mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS)->rows, 80);
    assert_int_equal(mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS)->groups, 20);
    assert_int_equal(mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS)->tested_rows, 80);
    CHECK_OK(ctx, mucmm_model_save_memory(ctx, m, &file, &size));
    CHECK_OK(ctx, mucmm_model_load_memory(ctx, file, size, NULL, &again));
    assert_int_equal(mucmm_model_summary(again, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS)->groups, 20);
    mucmm_score_params_init(&sp);
    for (int new_groups = 0; new_groups < 2; new_groups++) {
        sp.groups = new_groups ? other : group;
        CHECK_OK(ctx, mucmm_score(ctx, again, fresh.view, 2, &sp, &s));
        assert_int_equal(mucmm_scores_fitted(s), new_groups ? 0 : 160);
        assert_int_equal(mucmm_scores_summary(s, MUCMM_HEADS)->groups, new_groups ? 60 : 20);
        mucmm_scores_free(s);
    }
    mucmm_bytes_free(file);
    mucmm_model_free(m);
    mucmm_model_free(again);
    drop_problem(&q);
    drop_problem(&fresh);
}

/* Rows of two fitted groups among those of new ones: they count as fitted, the others are tested by
 * their own groups. Without groups a warning says what is missing. */
static void count_warnings(void *user, mucmm_log_level level, const char *message)
{
    *(int *)user += level == MUCMM_LOG_WARN && strstr(message, "give `groups`") != NULL;
}

static void test_fitted_groups_among_new_ones(void **state)
{
    problem q = new_problem(ctx, 2, 240, true, 54), fresh = new_problem(ctx, 2, 240, true, 55);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_score_params sp;
    mucmm_ctx_params cp;
    mucmm_ctx *c;
    mucmm_model *m;
    mucmm_scores *s;
    int64_t group[240];
    int warned = 0;

    (void)state;
    mucmm_ctx_params_init(&cp);
    cp.log = count_warnings;
    cp.log_user = &warned;
    assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
    for (int64_t i = 0; i < 240; i++)
        group[i] = i % 60;
    p.groups = group;
    p.validation = 0; /* every group is fitted */
    p.folds = 5;
    p.repeats = 1;
    m = fit(ctx, &q, &p);
    mucmm_score_params_init(&sp);
    sp.permutations = 99;
    CHECK_OK(c, mucmm_score(c, m, fresh.view, 2, &sp, &s));
    assert_int_equal(warned, 1);
    mucmm_scores_free(s);
    for (int64_t i = 0; i < 240; i++)
        group[i] = i % 60 < 2 ? i % 60 : 1000 + i % 60;
    sp.groups = group;
    CHECK_OK(c, mucmm_score(c, m, fresh.view, 2, &sp, &s));
    assert_int_equal(warned, 1);
    assert_int_equal(mucmm_scores_fitted(s), 8);
    assert_int_equal(mucmm_scores_summary(s, MUCMM_HEADS)->rows, 232);
    assert_int_equal(mucmm_scores_summary(s, MUCMM_HEADS)->groups, 58);
    assert_int_equal(mucmm_scores_summary(s, MUCMM_HEADS)->tested_rows, 232);
    assert_true(isfinite(mucmm_scores_summary(s, MUCMM_HEADS)->p_values[0]));
    mucmm_scores_free(s);
    mucmm_model_free(m);
    mucmm_ctx_free(c);
    drop_problem(&q);
    drop_problem(&fresh);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores_are_the_formulas),
        cmocka_unit_test(test_scores_have_their_means_on_the_training_rows),
        cmocka_unit_test(test_score_of_very_few_rows),
        cmocka_unit_test(test_score_of_far_off_rows),
        cmocka_unit_test(test_score_and_transform_refusals),
        cmocka_unit_test(test_rows_of_fitted_groups_are_no_new_rows),
        cmocka_unit_test(test_fitted_groups_among_new_ones),
    };
    return cmocka_run_group_tests_name("score", tests, set_up, tear_down);
}
