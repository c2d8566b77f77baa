/* SPDX-License-Identifier: MIT
 *
 * Views and rows that are missing: what is predicted of them, what is scored without them. */
#include "generators.h"

static mucmm_ctx *ctx; /* one thread */

/* ---- helpers ---------------------------------------------------------------------------- */

/* Rows first .. first + n of a problem, as a problem that shares its memory. */
static problem some_rows(const problem *q, int64_t first, int64_t n)
{
    problem part = *q;
    int64_t *rows = calloc((size_t)n, sizeof *rows);

    for (int64_t i = 0; i < n; i++)
        rows[i] = first + i;
    part.n = n;
    for (int32_t m = 0; m < q->n_views; m++) {
        CHECK_OK(ctx, mucmm_data_subset(ctx, q->data[m], rows, n, &part.data[m]));
        part.view[m].data = part.data[m];
    }
    free(rows);
    return part;
}

static void drop_rows(problem *q)
{
    for (int m = 0; m < 3; m++)
        mucmm_data_free(q->data[m]);
}

/* The common variates of every view. */
typedef struct variates {
    int64_t n, k;
    float *c[3];
} variates;

static variates represent(const mucmm_model *m, mucmm_method method, const problem *q)
{
    variates v = {.n = q->n, .k = mucmm_model_common(m)};
    float *u;

    for (int32_t i = 0; i < q->n_views; i++) {
        transform(ctx, m, method, i, q->data[i], &v.c[i], &u);
        free(u);
    }
    return v;
}

static void drop_variates(variates *v)
{
    for (int i = 0; i < 3; i++)
        free(v->c[i]);
}

/* From the views whose bit is set: predicted, sd [n, k]. */
static void predict(const mucmm_model *m, mucmm_method method, const variates *v, unsigned from,
                    int32_t view, float *predicted, float *sd)
{
    mucmm_cmat c[3] = {{0}};

    for (int i = 0; i < 3; i++)
        if (from >> i & 1)
            c[i] = (mucmm_cmat){v->c[i], v->n, v->k, v->k};
    CHECK_OK(ctx, mucmm_predict_common(ctx, m, method, c, view,
                                       &(mucmm_mat){predicted, v->n, v->k, v->k},
                                       &(mucmm_mat){sd, v->n, v->k, v->k}));
}

/* Share of the values that lie within two standard deviations of what was predicted. */
static double coverage(const variates *v, int32_t view, const float *predicted, const float *sd)
{
    int64_t inside = 0;

    for (int64_t i = 0; i < v->n * v->k; i++)
        inside += fabs((double)v->c[view][i] - (double)predicted[i]) <= 2 * (double)sd[i];
    return (double)inside / (double)(v->n * v->k);
}

/* ---- predictions ------------------------------------------------------------------------- */

/* On the training rows: what is left of a least-squares prediction with an intercept is
 * uncorrelated with what it is made of and has mean 0, and nothing else has both. */
static void check_regression(const variates *v, unsigned from, int32_t view, const float *predicted)
{
    float *left = test_floats(v->n * v->k);

    for (int64_t i = 0; i < v->n * v->k; i++)
        left[i] = v->c[view][i] - predicted[i];
    for (int64_t j = 0; j < v->k; j++) {
        CHECK_CLOSE(column_mean(left, v->n, v->k, j), 0, 1e-5);
        for (int i = 0; i < 3; i++)
            for (int64_t l = 0; l < v->k && from >> i & 1; l++)
                CHECK_CLOSE(covariance(left, v->k, j, v->c[i], v->k, l, v->n), 0, 1e-5);
    }
    free(left);
}

static void test_prediction_is_the_regression_on_the_training_rows(void **state)
{
    problem q = new_problem(ctx, 3, 800, false, 5), training;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;
    variates v;
    float *predicted, *sd;

    (void)state;
    p.common = 3;
    m = fit(ctx, &q, &p);
    training = training_problem(ctx, &q, &p);
    v = represent(m, MUCMM_HEADS, &training);
    predicted = test_floats(v.n * v.k);
    sd = test_floats(v.n * v.k);
    for (unsigned from = 1; from < 8; from++)
        for (int32_t view = 0; view < 3; view++)
            if (!(from >> view & 1)) {
                predict(m, MUCMM_HEADS, &v, from, view, predicted, sd);
                check_regression(&v, from, view, predicted);
            }
    free(predicted);
    free(sd);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_problem(&training);
    drop_problem(&q);
}

static void test_prediction_between_two_views_is_their_correlation(void **state)
{
    problem q = new_problem(ctx, 2, 900, false, 6);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;
    const mucmm_summary *s;
    variates v;
    float *predicted, *sd;

    (void)state;
    p.ridge = 1e-9; /* else the variates of a view are correlated a little */
    m = fit(ctx, &q, &p);
    s = mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS);
    v = represent(m, MUCMM_HEADS, &q);
    predicted = test_floats(v.n * v.k);
    sd = test_floats(v.n * v.k);
    predict(m, MUCMM_HEADS, &v, 1, 1, predicted, sd);
    for (int64_t i = 0; i < v.n; i++)
        for (int64_t j = 0; j < v.k; j++) {
            double rho = s->correlations[j];
            CHECK_CLOSE((double)predicted[i * v.k + j], rho * (double)v.c[0][i * v.k + j], 1e-4);
            assert_true((double)sd[i * v.k + j] >= sqrt(1 - rho * rho) - 1e-4);
        }
    free(predicted);
    free(sd);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_errors_of_unseen_rows_are_as_large_as_was_said(void **state)
{
    problem q = new_problem(ctx, 3, 9000, false, 7), known = some_rows(&q, 0, 3000);
    problem unseen = some_rows(&q, 3000, 6000);

    (void)state;
    for (int head = 0; head < 2; head++) {
        mucmm_fit_params p = small_params((mucmm_head_kind)head);
        mucmm_model *m;
        variates v;
        float *predicted, *sd;

        p.common = 3;
        m = fit(ctx, &known, &p);
        v = represent(m, MUCMM_HEADS, &unseen);
        predicted = test_floats(v.n * v.k);
        sd = test_floats(v.n * v.k);
        for (unsigned from = 0; from < 8; from++)
            for (int32_t view = 0; view < 3; view++)
                if (!(from >> view & 1)) {
                    predict(m, MUCMM_HEADS, &v, from, view, predicted, sd);
                    CHECK_CLOSE(coverage(&v, view, predicted, sd), .9545, .02);
                }
        free(predicted);
        free(sd);
        drop_variates(&v);
        mucmm_model_free(m);
    }
    drop_rows(&known);
    drop_rows(&unseen);
    drop_problem(&q);
}

/* 120 rows, 26 held out: networks that have learned their training rows by heart are not believed.
 */
static void test_error_bars_do_not_believe_training_rows(void **state)
{
    problem q = new_problem(ctx, 2, 4120, true, 8), known = some_rows(&q, 0, 120);
    problem unseen = some_rows(&q, 120, 4000);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m;
    variates v;
    float *predicted, *sd;
    double rho, training;

    (void)state;
    p.validation = .22;
    p.common_epochs = 60;
    p.input_noise = 0;
    m = fit(ctx, &known, &p);
    v = represent(m, MUCMM_HEADS, &unseen);
    predicted = test_floats(v.n * v.k);
    sd = test_floats(v.n * v.k);
    predict(m, MUCMM_HEADS, &v, 1, 1, predicted, sd);
    rho = mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS)->correlations[1];
    training = sqrt(1 - rho * rho);
    assert_true((double)sd[1] > 1.2 * training);
    assert_true(coverage(&v, 1, predicted, sd) > .9);
    free(predicted);
    free(sd);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_rows(&known);
    drop_rows(&unseen);
    drop_problem(&q);
}

/* Every row is predicted from the views that it has, as if it stood alone. */
static void test_rows_may_lack_different_views(void **state)
{
    problem q = new_problem(ctx, 3, 200, false, 9);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    variates v = represent(m, MUCMM_HEADS, &q), holes = {.n = v.n, .k = v.k};
    int64_t size = v.n * v.k;
    float *mixed = test_floats(size), *mixed_sd = test_floats(size);
    float *plain = test_floats(size), *plain_sd = test_floats(size);

    (void)state;
    for (int i = 0; i < 3; i++) {
        holes.c[i] = test_floats(size);
        memcpy(holes.c[i], v.c[i], (size_t)size * sizeof(float));
        for (int64_t r = 0; r < v.n; r++)
            for (int64_t j = 0; j < v.k && !(r % 8 >> i & 1); j++)
                holes.c[i][r * v.k + j] = NAN;
    }
    for (int32_t view = 0; view < 3; view++) {
        predict(m, MUCMM_HEADS, &holes, 7, view, mixed, mixed_sd);
        for (unsigned from = 0; from < 8; from++) {
            predict(m, MUCMM_HEADS, &v, from & ~(1u << view), view, plain, plain_sd);
            for (int64_t i = 0; i < size; i++)
                if (i / v.k % 8 == from) {
                    CHECK_CLOSE((double)mixed[i], (double)plain[i], 0);
                    CHECK_CLOSE((double)mixed_sd[i], (double)plain_sd[i], 0);
                }
        }
    }
    predict(m, MUCMM_HEADS, &v, 0, 0, plain, plain_sd); /* nothing is known: mean 0, variance 1 */
    for (int64_t j = 0; j < v.k; j++) {
        CHECK_CLOSE((double)plain[j], 0, 1e-5);
        assert_true((double)plain_sd[j] > .999 && (double)plain_sd[j] < 1.3);
    }
    free(mixed);
    free(mixed_sd);
    free(plain);
    free(plain_sd);
    drop_variates(&holes);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_predictions_survive_the_model_file(void **state)
{
    char path[] = "/tmp/mucmm-missing-XXXXXX";
    problem q = new_problem(ctx, 3, 150, false, 10);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &p), *loaded = NULL;
    variates v = represent(m, MUCMM_LINEAR, &q);
    int64_t size = v.n * v.k;
    float *one = test_floats(size), *one_sd = test_floats(size);
    float *two = test_floats(size), *two_sd = test_floats(size);
    int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    close(file);
    CHECK_OK(ctx, mucmm_model_save(ctx, m, path));
    CHECK_OK(ctx, mucmm_model_load(ctx, path, &loaded));
    unlink(path);
    for (int method = 0; method < 2; method++) {
        predict(m, (mucmm_method)method, &v, 5, 1, one, one_sd);
        predict(loaded, (mucmm_method)method, &v, 5, 1, two, two_sd);
        assert_memory_equal(one, two, (size_t)size * sizeof *one);
        assert_memory_equal(one_sd, two_sd, (size_t)size * sizeof *one);
    }
    mucmm__joint_drop(&loaded->linear.joint); /* as in a file of an earlier version */
    mucmm_cmat c[3] = {{v.c[0], v.n, v.k, v.k}};
    check_message(ctx,
                  mucmm_predict_common(ctx, loaded, MUCMM_LINEAR, c, 1,
                                       &(mucmm_mat){one, v.n, v.k, v.k}, NULL),
                  MUCMM_EUNSUPPORTED, "view 'right' cannot be predicted");
    free(one);
    free(one_sd);
    free(two);
    free(two_sd);
    drop_variates(&v);
    mucmm_model_free(loaded);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_prediction_refusals(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 11);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    float c[60 * 2] = {0}, out[60 * 2];
    mucmm_cmat good[2] = {{c, 60, 2, 2}}, shorter[2] = {{c, 59, 2, 2}};
    mucmm_mat to = {out, 60, 2, 2}, narrow = {out, 60, 1, 1};

    (void)state;
    check_message(ctx, mucmm_predict_common(ctx, m, MUCMM_HEADS, good, 2, &to, NULL), MUCMM_EARG,
                  "view 2 is out of range");
    check_message(ctx, mucmm_predict_common(ctx, m, MUCMM_HEADS, shorter, 1, &to, NULL),
                  MUCMM_ESHAPE, "view 'left' are [59, 2]; they must be [60, 2]");
    check_message(ctx, mucmm_predict_common(ctx, m, MUCMM_HEADS, good, 1, &narrow, NULL),
                  MUCMM_ESHAPE, "predicted is [60, 1]; it must be [60, 2]");
    check_message(ctx, mucmm_predict_common(ctx, m, MUCMM_HEADS, good, 1, &to, &narrow),
                  MUCMM_ESHAPE, "sd is [60, 1]; it must be [60, 2]");
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- scores of some of the views ------------------------------------------------------------ */

static mucmm_scores *score(const mucmm_model *m, const mucmm_view *views, int32_t n)
{
    mucmm_score_params p;
    mucmm_scores *s = NULL;

    mucmm_score_params_init(&p);
    p.permutations = 20;
    CHECK_OK(ctx, mucmm_score(ctx, m, views, n, &p, &s));
    return s;
}

static void test_scores_of_two_views_of_three(void **state)
{
    problem q = new_problem(ctx, 3, 400, false, 12);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &p);
    mucmm_scores *all = score(m, q.view, 3);
    mucmm_scores *some = score(m, (mucmm_view[]){q.view[2], q.view[0]}, 2);
    variates v = represent(m, MUCMM_HEADS, &q);

    (void)state;
    for (int method = 0; method < 2; method++) {
        const mucmm_summary *a = mucmm_scores_summary(all, (mucmm_method)method);
        const mucmm_summary *s = mucmm_scores_summary(some, (mucmm_method)method);
        assert_int_equal(s->views, 3);
        for (int32_t i = 0; i < 3; i += 2) {
            CHECK_CLOSE(s->common_share[i], a->common_share[i], 0);
            CHECK_CLOSE(s->individual_share[i], a->individual_share[i], 0);
            CHECK_CLOSE(s->rest_share[i], a->rest_share[i], 0);
            CHECK_CLOSE(s->leakage_kernel[i], a->leakage_kernel[i], 0);
            assert_true(s->leakage_linear[i] >= 0 && s->leakage_linear[i] < .2);
        }
        CHECK_CLOSE(s->leakage_individual[2], a->leakage_individual[2], 0);
        CHECK_CLOSE(s->leakage_individual[6], a->leakage_individual[6], 0);
        CHECK_CLOSE(s->retrieval_1[2], a->retrieval_1[2], 0);
        CHECK_CLOSE(s->retrieval_10[6], a->retrieval_10[6], 0);
        CHECK_CLOSE(s->leakage_individual[4], 0, 0);
        assert_true(isnan(s->common_share[1]) && isnan(s->rest_share[1]));
        assert_true(isnan(s->leakage_linear[1]) && isnan(s->leakage_kernel[1]));
        assert_true(isnan(s->leakage_individual[1]) && isnan(s->retrieval_10[5]));
    }
    for (int64_t j = 0; j < v.k; j++)
        CHECK_CLOSE(mucmm_scores_summary(some, MUCMM_HEADS)->correlations[j],
                    correlation(v.c[0], v.k, j, v.c[2], v.k, j, v.n), 1e-6);
    assert_null(mucmm_scores_individual(some, 1));
    assert_null(mucmm_scores_common_energy(some, 1));
    for (int64_t i = 0; i < q.n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < v.k; j++)
            sum += m->heads.rho[j] * (double)v.c[0][i * v.k + j] * (double)v.c[2][i * v.k + j];
        CHECK_CLOSE(mucmm_scores_common(some)[i], sum, 1e-12);
        for (int32_t w = 0; w < 3; w += 2) {
            CHECK_CLOSE(mucmm_scores_individual(some, w)[i], mucmm_scores_individual(all, w)[i], 0);
            CHECK_CLOSE(mucmm_scores_common_energy(some, w)[i],
                        mucmm_scores_common_energy(all, w)[i], 0);
        }
    }
    mucmm_scores_free(all);
    mucmm_scores_free(some);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_scores_of_a_single_view(void **state)
{
    problem q = new_problem(ctx, 2, 200, false, 13);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    mucmm_scores *s = score(m, &q.view[1], 1);
    const mucmm_summary *one = mucmm_scores_summary(s, MUCMM_HEADS);

    (void)state;
    assert_true(isnan(mucmm_scores_common(s)[0]) && isnan(one->correlations[0]));
    assert_true(isnan(one->p_values[0]) && isnan(one->total_correlation));
    assert_int_equal(one->significant, 0);
    assert_true(isnan(one->common_share[0]) && one->common_share[1] > .1);
    assert_true(one->leakage_linear[1] >= 0 && one->leakage_linear[1] < .2);
    assert_null(mucmm_scores_individual(s, 0));
    assert_true(mucmm_scores_individual(s, 1)[0] > 0);
    mucmm_scores_free(s);
    mucmm_model_free(m);
    drop_problem(&q);
}

typedef struct memory_case {
    problem q;
    mucmm_model *m;
} memory_case;

static mucmm_status score_some(mucmm_ctx *c, void *arg)
{
    const memory_case *t = arg;
    mucmm_scores *s = NULL;
    float in[40 * 2] = {0}, out[40 * 2], sd[40 * 2];
    const mucmm_cmat common[3] = {{in, 40, 2, 2}};
    mucmm_status status = mucmm_score(c, t->m, t->q.view, 2, NULL, &s);

    if (status == MUCMM_OK)
        status = mucmm_predict_common(c, t->m, MUCMM_HEADS, common, 2, &(mucmm_mat){out, 40, 2, 2},
                                      &(mucmm_mat){sd, 40, 2, 2});
    mucmm_scores_free(s);
    return status;
}

static void test_failed_allocations_are_reported(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    memory_case t = {new_problem(ctx, 3, 40, false, 14), NULL};

    (void)state;
    t.m = fit(ctx, &t.q, &p);
    assert_true(sweep_out_of_memory(score_some, &t, 1000) > 40);
    mucmm_model_free(t.m);
    drop_problem(&t.q);
}

static int set_up(void **state)
{
    mucmm_ctx_params p;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.threads = 1;
    return mucmm_ctx_create(&p, &ctx) == MUCMM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    mucmm_ctx_free(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prediction_is_the_regression_on_the_training_rows),
        cmocka_unit_test(test_prediction_between_two_views_is_their_correlation),
        cmocka_unit_test(test_errors_of_unseen_rows_are_as_large_as_was_said),
        cmocka_unit_test(test_error_bars_do_not_believe_training_rows),
        cmocka_unit_test(test_rows_may_lack_different_views),
        cmocka_unit_test(test_predictions_survive_the_model_file),
        cmocka_unit_test(test_prediction_refusals),
        cmocka_unit_test(test_scores_of_two_views_of_three),
        cmocka_unit_test(test_scores_of_a_single_view),
        cmocka_unit_test(test_failed_allocations_are_reported),
    };
    return cmocka_run_group_tests_name("missing", tests, set_up, tear_down);
}
