/* SPDX-License-Identifier: MIT
 *
 * Single empty cells: how they are read, limited, filled, and what a gradient makes of them. */
#include "generators.h"
#include "model/heads.h"
#include "model/impute.h"
#include "model/represent.h"

static mucmm_ctx *ctx; /* one thread */

/* ---- filling ----------------------------------------------------------------------- */

/* Of columns with two factors; column 3 is pure noise. */
static mucmm__imputer *small_imputer(void)
{
    static const double mean[] = {1, -2, 3, 100, .5}, scale[] = {1, 2, .1, 10, 3};
    static const double noise[] = {.2, .5, .1, 1, .3};
    static const double weights[] = {.8, .3, -.5, .5, .9, .2, 0, 0, .1, .8};
    mucmm__imputer *f = NULL;

    CHECK_OK(ctx, mucmm__imputer_alloc(ctx, 5, 2, &f));
    memcpy(f->mean, mean, sizeof mean);
    memcpy(f->scale, scale, sizeof scale);
    memcpy(f->noise, noise, sizeof noise);
    memcpy(f->weights, weights, sizeof weights);
    CHECK_OK(ctx, mucmm__imputer_ready(ctx, "v", f));
    return f;
}

/* Numbers that no standardized columns have are refused, before they make sums infinite. */
static void test_impossible_numbers_are_refused(void **state)
{
    static const double bad[] = {1e300, -1e300, 1e4};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
        mucmm__imputer *f = small_imputer();
        (i % 2 ? f->noise : f->weights)[3] = bad[i / 2];
        assert_int_equal(mucmm__imputer_ready(ctx, "v", f), MUCMM_EFORMAT);
        mucmm__imputer_free(f);
    }
}

/* E(x_a | x_has) by the covariance of the columns, solved by elimination. */
static double by_covariance(const mucmm__imputer *f, const float *x, int64_t a)
{
    double s[5][6], cov[5];
    int64_t has[5], n = 0;

    for (int64_t j = 0; j < 5; j++)
        if (!isnan(x[j]))
            has[n++] = j;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++)
            s[i][j] = f->scale[has[i]] * f->scale[has[j]] *
                      (f->weights[2 * has[i]] * f->weights[2 * has[j]] +
                       f->weights[2 * has[i] + 1] * f->weights[2 * has[j] + 1] +
                       (i == j ? f->noise[has[i]] : 0));
        s[i][n] = (double)x[has[i]] - f->mean[has[i]];
        cov[i] = f->scale[a] * f->scale[has[i]] *
                 (f->weights[2 * a] * f->weights[2 * has[i]] +
                  f->weights[2 * a + 1] * f->weights[2 * has[i] + 1]);
    }
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = n; i != k && j >= k; j--)
                s[i][j] -= s[i][k] / s[k][k] * s[k][j];
    double sum = f->mean[a];
    for (int64_t i = 0; i < n; i++)
        sum += cov[i] * s[i][n] / s[i][i];
    return sum;
}

static void test_cells_are_filled_by_their_conditional_mean(void **state)
{
    static const float row[] = {1.7f, -3.5f, 3.05f, 88, 4};
    mucmm__imputer *f = small_imputer();

    (void)state;
    for (unsigned holes = 0; holes < 32; holes++) {
        float x[5], filled[5];
        for (int j = 0; j < 5; j++)
            filled[j] = x[j] = holes >> j & 1 ? NAN : row[j];
        mucmm__impute_row(f, filled);
        for (int j = 0; j < 5; j++)
            if (holes >> j & 1)
                CHECK_CLOSE((double)filled[j], by_covariance(f, x, j), 1e-5 * f->scale[j] + 1e-5);
            else
                assert_true(filled[j] == row[j]);
    }
    mucmm__imputer_free(f);
}

static void test_gradient_includes_what_cells_fill(void **state)
{
    static const float g[] = {1, -2, 3, .5f, .7f};
    mucmm__imputer *f = small_imputer();

    (void)state;
    for (unsigned holes = 0; holes < 32; holes++) {
        float x[5] = {1.7f, -3.5f, 3.05f, 88, 4}, dx[5];
        for (int j = 0; j < 5; j++)
            x[j] = holes >> j & 1 ? NAN : x[j];
        memcpy(dx, g, sizeof g);
        mucmm__impute_vjp(f, x, dx);
        for (int j = 0; j < 5; j++) {
            double step = .25 * f->scale[j], sum = 0;
            if (holes >> j & 1) {
                assert_true(dx[j] == 0);
                continue;
            }
            for (int side = -1; side <= 1; side += 2) {
                float y[5];
                memcpy(y, x, sizeof y);
                y[j] = (float)((double)x[j] + side * step);
                mucmm__impute_row(f, y);
                for (int k = 0; k < 5; k++)
                    sum += side * (double)g[k] * (double)y[k];
            }
            CHECK_CLOSE((double)dx[j], sum / (2 * step), 2e-4 * (1 + fabs((double)dx[j])));
        }
    }
    mucmm__imputer_free(f);
}

/* ---- learning ---------------------------------------------------------------------- */

enum { N = 300, P = 20 };

/* x [N, P] of three factors and noise of variance .25, truth as well; a share of holes. */
static void planted(uint64_t seed, double share, int64_t factors, float *truth, float *x)
{
    double *z = normals(seed, 1, N * 3, 1), *w = normals(seed, 2, 3 * P, 1 / sqrt(3));
    double *e = normals(seed, 3, N * P, factors ? .5 : 1);

    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < P; j++) {
            double sum = e[i * P + j];
            for (int64_t k = 0; k < factors; k++)
                sum += z[i * 3 + k] * w[k * P + j];
            truth[i * P + j] = (float)(sum * (double)(1 + j) + 5);
            x[i * P + j] =
                mucmm__rng_uniform(mucmm__rng_key(seed, 4), (uint64_t)(i * P + j)) < share
                    ? NAN
                    : truth[i * P + j];
        }
    free(z);
    free(w);
    free(e);
}

/* Error of the cells that are filled, in units of the columns' scales. */
static double error_of_cells(const mucmm__imputer *f, const float *truth, const float *x)
{
    double sum = 0, n = 0;

    for (int64_t i = 0; i < N; i++) {
        float row[P];
        memcpy(row, x + i * P, sizeof row);
        mucmm__impute_row(f, row);
        for (int64_t j = 0; j < P; j++)
            if (isnan(x[i * P + j])) {
                sum += pow(((double)row[j] - (double)truth[i * P + j]) / (double)(1 + j), 2);
                n++;
            }
    }
    return sum / n;
}

static void test_factors_are_found_with_holes(void **state)
{
    float *truth = test_floats(N * P), *x = test_floats(N * P);

    (void)state;
    for (int share = 5; share <= 40; share += 35) {
        mucmm__imputer *f = NULL;
        planted(7, share / 100., 3, truth, x);
        CHECK_OK(ctx, mucmm__imputer_learn(ctx, N, P, x, 1, &f));
        print_message("# %d %% empty: %d factors, R2 of hidden cells %.3f, error %.3f\n", share,
                      (int)f->rank, f->r2, error_of_cells(f, truth, x));
        assert_true(f->rank == 2 || f->rank == 4);
        assert_true(f->r2 > .45); /* of columns whose own noise differs */
        /* the noise is .25, and what three factors of 20 columns leave open is little */
        assert_true(error_of_cells(f, truth, x) < .25 * (share == 5 ? 1.35 : 1.6));
        mucmm__imputer_free(f);
    }
    free(truth);
    free(x);
}

static void test_columns_of_noise_are_filled_by_means(void **state)
{
    float *truth = test_floats(N * P), *x = test_floats(N * P);
    mucmm__imputer *f = NULL;

    (void)state;
    planted(8, .2, 0, truth, x);
    for (int64_t i = 0; i < N; i++)
        x[i * P + 3] = isnan(x[i * P + 3]) ? NAN : 2; /* and one that is constant */
    CHECK_OK(ctx, mucmm__imputer_learn(ctx, N, P, x, 1, &f));
    assert_true(f->r2 < .05);
    for (int64_t j = 0; j < P; j++) {
        float row[P];
        memcpy(row, x, sizeof row);
        row[3] = NAN;
        mucmm__impute_row(f, row);
        assert_true(isfinite(row[j]));
        CHECK_CLOSE((double)row[3], 2, 1e-6);
    }
    mucmm__imputer_free(f);
    free(truth);
    free(x);
}

/* ---- reading ----------------------------------------------------------------------- */

static mucmm_status open_text(const char *text, int32_t missing, double row, double column,
                              mucmm_data **out)
{
    mucmm_data_params p;

    mucmm_data_params_init(&p);
    p.missing = missing;
    p.missing_row = row;
    p.missing_column = column;
    return mucmm__data_open_memory(ctx, "x.csv", &p, text, strlen(text), out);
}

static void test_limits_of_rows_and_columns(void **state)
{
    static const char *text = "a,b,c,d\n1,2,3,4\n,null,3,N/A\n5,NA,7,8\n9,#N/A,3,2\n1,1,1,1\n";
    mucmm_data *d = NULL;
    float x[4];
    int64_t row = 2;

    (void)state;
    CHECK_OK(ctx, open_text(text, MUCMM_MISSING_ALLOW, .5, .5, &d));
    assert_int_equal(mucmm_data_missing(d), 1); /* three of four cells */
    assert_int_equal(mucmm_data_has(d, 1), 0);
    assert_int_equal(mucmm_data_empty(d, 1), 0);
    assert_int_equal(mucmm_data_empty(d, 2), 1);
    assert_int_equal(mucmm_data_empty(d, 4), 0);
    CHECK_OK(ctx, mucmm_data_read(ctx, d, &row, 1, &(mucmm_mat){x, 1, 4, 4}));
    assert_true(x[0] == 5 && isnan(x[1]) && x[2] == 7 && x[3] == 8);
    mucmm_data_free(d);
    CHECK_OK(ctx, open_text(text, MUCMM_MISSING_ALLOW, .75, 1, &d));
    assert_int_equal(mucmm_data_missing(d), 0);
    assert_int_equal(mucmm_data_empty(d, 1), 3);
    mucmm_data_free(d);
    CHECK_OK(ctx, open_text(text, MUCMM_MISSING_DROP, .75, 0, &d));
    assert_int_equal(mucmm_data_missing(d), 3);
    mucmm_data_free(d);
    assert_int_equal(open_text(text, MUCMM_MISSING_ALLOW, .5, .4, &d), MUCMM_EUNSUPPORTED);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "column 1 ('b') is empty in 2 of 4 rows"));
    assert_int_equal(open_text(text, MUCMM_MISSING_ALLOW, 2, .4, &d), MUCMM_EARG);
    assert_int_equal(open_text("a,b\n1,\n1,inf\n", MUCMM_MISSING_ALLOW, .5, .5, &d),
                     MUCMM_ENUMERIC);
}

/* ---- fits -------------------------------------------------------------------------- */

/* The problem's views with holes in them, which the caller's memory x[m] holds. */
static problem with_holes(problem *q, double share, int32_t missing)
{
    problem holes = *q;

    for (int32_t m = 0; m < q->n_views; m++) {
        mucmm_array a;
        for (int64_t i = 0; i < q->n * q->p[m]; i++)
            if (mucmm__rng_uniform(mucmm__rng_key(99, (uint64_t)m), (uint64_t)i) < share)
                q->x[m][i] = NAN;
        mucmm_array_init(&a);
        a.data = q->x[m];
        a.rows = q->n;
        a.cols = q->p[m];
        a.missing = missing;
        CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &holes.data[m]));
        holes.view[m].data = holes.data[m];
    }
    return holes;
}

static void drop_holes(problem *holes)
{
    for (int32_t m = 0; m < holes->n_views; m++)
        mucmm_data_free(holes->data[m]);
}

static double total(const mucmm_model *m)
{
    return mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR)->total_correlation;
}

static void test_fits_with_holes_lose_little_and_remember(void **state)
{
    problem q = new_problem(ctx, 2, 900, false, 5), holes;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *whole, *m, *loaded = NULL;
    mucmm_imputation of;
    double complete;
    void *bytes = NULL;
    size_t size;

    (void)state;
    whole = fit(ctx, &q, &p);
    complete = total(whole);
    assert_int_equal(mucmm_model_imputation(whole, 0, &of), 0);
    holes = with_holes(&q, .05, MUCMM_MISSING_ALLOW);
    m = fit(ctx, &holes, &p);
    assert_true(total(m) > .9 * complete && total(m) < complete + .05);
    assert_int_equal(mucmm_model_imputation(m, 1, &of), 1);
    assert_true(of.empty > 200 && of.empty < 500 && of.r2 > .1);
    CHECK_OK(ctx, mucmm_model_save_memory(ctx, m, &bytes, &size));
    CHECK_OK(ctx, mucmm_model_load_memory(ctx, bytes, size, NULL, &loaded));
    for (int32_t v = 0; v < 2; v++) {
        float *c[2], *u[2];
        transform(ctx, m, MUCMM_LINEAR, v, holes.data[v], &c[0], &u[0]);
        transform(ctx, loaded, MUCMM_LINEAR, v, holes.data[v], &c[1], &u[1]);
        assert_memory_equal(c[0], c[1], sizeof(float) * (size_t)(q.n * mucmm_model_common(m)));
        for (int i = 0; i < 2; i++) {
            free(c[i]);
            free(u[i]);
        }
    }
    /* a model of complete rows has nothing to fill new ones with */
    {
        mucmm_scores *s = NULL;
        assert_int_equal(mucmm_score(ctx, whole, holes.view, 2, NULL, &s), MUCMM_EUNSUPPORTED);
        assert_non_null(strstr(mucmm_ctx_message(ctx), "has empty cells"));
    }
    mucmm_bytes_free(bytes);
    mucmm_model_free(loaded);
    mucmm_model_free(m);
    mucmm_model_free(whole);
    drop_holes(&holes);
    drop_problem(&q);
}

/* What a component is at one row that lies in memory. */
static double component_of(const mucmm_model *m, float *x, int64_t p)
{
    mucmm_data *d = NULL;
    mucmm_array a;
    float *c, *u;
    double value;

    mucmm_array_init(&a);
    a.data = x;
    a.rows = 1;
    a.cols = p;
    a.missing = MUCMM_MISSING_ALLOW;
    a.missing_column = 1;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d));
    transform(ctx, m, MUCMM_LINEAR, 0, d, &c, &u);
    value = (double)c[0];
    free(c);
    free(u);
    mucmm_data_free(d);
    return value;
}

static void test_maps_of_rows_with_holes_are_their_gradients(void **state)
{
    problem q = new_problem(ctx, 2, 600, false, 6), holes = with_holes(&q, .1, MUCMM_MISSING_ALLOW);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &holes, &p);
    mucmm_explain_params e;
    int64_t row = 0, cols = q.p[0];
    float map[16], x[16];
    double score;

    (void)state;
    while (mucmm_data_empty(holes.data[0], row) == 0)
        row++;
    mucmm_explain_params_init(&e);
    e.score = MUCMM_SCORE_COMMON_COMPONENT;
    e.representation = MUCMM_LINEAR;
    e.map = MUCMM_MAP_GRADIENT;
    CHECK_OK(ctx, mucmm_explain(ctx, m, holes.view, 2, 0, &row, 1, &e,
                                &(mucmm_mat){map, 1, cols, cols}, &score));
    for (int64_t j = 0; j < cols; j++) {
        const double step = .5 * m->view[0].scale[j];
        double side[2];
        if (isnan(q.x[0][row * cols + j])) {
            assert_true(map[j] == 0);
            continue;
        }
        for (int s = 0; s < 2; s++) {
            memcpy(x, q.x[0] + row * cols, (size_t)cols * sizeof *x);
            x[j] += (float)(s ? step : -step);
            side[s] = component_of(m, x, cols);
        }
        CHECK_CLOSE((double)map[j] * m->view[0].scale[j],
                    (side[1] - side[0]) / (2 * step) * m->view[0].scale[j], 1e-4);
    }
    mucmm_model_free(m);
    drop_holes(&holes);
    drop_problem(&q);
}

/* ---- memory ------------------------------------------------------------------------ */

static mucmm_status fit_and_score(mucmm_ctx *c, void *arg)
{
    const problem *q = arg;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = NULL;
    mucmm_scores *s = NULL;
    mucmm_status status = mucmm_fit(c, q->view, 2, &p, &m);

    if (status == MUCMM_OK)
        status = mucmm_score(c, m, q->view, 2, NULL, &s);
    mucmm_scores_free(s);
    mucmm_model_free(m);
    return status;
}

static void test_failed_allocations_are_reported(void **state)
{
    problem q = new_problem(ctx, 2, 40, false, 3), holes = with_holes(&q, .1, MUCMM_MISSING_ALLOW);

    (void)state;
    assert_true(sweep_out_of_memory(fit_and_score, &holes, 200) > 60);
    drop_holes(&holes);
    drop_problem(&q);
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
        cmocka_unit_test(test_cells_are_filled_by_their_conditional_mean),
        cmocka_unit_test(test_impossible_numbers_are_refused),
        cmocka_unit_test(test_gradient_includes_what_cells_fill),
        cmocka_unit_test(test_factors_are_found_with_holes),
        cmocka_unit_test(test_columns_of_noise_are_filled_by_means),
        cmocka_unit_test(test_limits_of_rows_and_columns),
        cmocka_unit_test(test_fits_with_holes_lose_little_and_remember),
        cmocka_unit_test(test_maps_of_rows_with_holes_are_their_gradients),
        cmocka_unit_test(test_failed_allocations_are_reported),
    };
    return cmocka_run_group_tests_name("impute", tests, set_up, tear_down);
}
