/* SPDX-License-Identifier: MIT
 *
 * Robust maps of columns: what they are, fits with outliers, gradients through them, files, and the
 * warning where few rows carry a component. */
#include "model/model.h"
#include "model/robust.h"
#include "workspace.h"

enum { P = 6 };

/* ---- the maps ---------------------------------------------------------------------- */

static void test_winsor_stays_within_three_deviations(void **state)
{
    float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 1000, 0, 0, 0, 0, 0, 5, 1, 2, 0}, columns[9 * 2];
    const double wide = 3 * 1.4826 * 2; /* median 5, median absolute deviation 2 */
    mucmm__robust *r = NULL;

    (void)state;
    for (int i = 0; i < 9; i++) {
        columns[i * 2] = x[i];
        columns[i * 2 + 1] = x[9 + i]; /* more than half are 0: nothing of it is clipped */
    }
    CHECK_OK(ctx, mucmm__robust_learn(ctx, MUCMM_ROBUST_WINSOR, 9, 2, columns, &r));
    CHECK_CLOSE(mucmm__robust_value(r, 0, 1000), 5 + wide, 1e-5);
    CHECK_CLOSE(mucmm__robust_value(r, 0, -1000), 5 - wide, 1e-5);
    CHECK_CLOSE(mucmm__robust_value(r, 0, 7.25), 7.25, 0);
    CHECK_CLOSE(mucmm__robust_value(r, 1, 5), 5, 0);
    CHECK_CLOSE(mucmm__robust_slope(r, 0, 7.25), 1, 0);
    CHECK_CLOSE(mucmm__robust_slope(r, 0, mucmm__robust_value(r, 0, 1000)), 0, 0);
    CHECK_CLOSE(mucmm__robust_slope(r, 1, 0), 1, 0);
    mucmm__robust_free(r);
}

static void test_ranks_become_normal_scores(void **state)
{
    enum { N = 1001 };
    double *z = normals(3, 0, N, 1), mean = 0, square = 0;
    float *x = test_floats(N * 2);
    mucmm__robust *r = NULL;

    (void)state;
    for (int i = 0; i < N; i++) {
        x[i * 2] = (float)exp(3 * z[i]); /* any monotone map of normal values gives them back */
        x[i * 2 + 1] = z[i] > 1;         /* ties: one value each */
    }
    CHECK_OK(ctx, mucmm__robust_learn(ctx, MUCMM_ROBUST_RANK, N, 2, x, &r));
    CHECK_OK(ctx, mucmm__robust_check(ctx, "x", r));
    for (int i = 0; i < N; i++) {
        double y = mucmm__robust_value(r, 0, (double)x[i * 2]), step = 1e-4 * (double)x[i * 2];
        double slope = mucmm__robust_slope(r, 0, y);
        double above = mucmm__robust_value(r, 0, (double)x[i * 2] + step);
        mean += y / N;
        square += y * y / N;
        if (fabs(z[i]) < 1.5)
            CHECK_CLOSE(y, z[i], .15);
        if (slope == mucmm__robust_slope(r, 0, above) && slope > 0) /* no knot between */
            CHECK_CLOSE((above - y) / step, slope, 1e-3 * slope);
    }
    CHECK_CLOSE(mean, 0, .02);
    CHECK_CLOSE(square, 1, .06);
    CHECK_CLOSE(mucmm__robust_value(r, 1, 1) - mucmm__robust_value(r, 1, 0), 1.73, .15);
    r->to[3] = r->to[2] - 1; /* as a file may have it */
    check_message(ctx, mucmm__robust_check(ctx, "x", r), MUCMM_EFORMAT,
                  "not ascending in column 0");
    mucmm__robust_free(r);
    free(x);
    free(z);
}

/* ---- fits -------------------------------------------------------------------------- */

/* Two views of six columns: three shared latents, and the noise 1 or Cauchy's, .3 times. */
static problem noisy_problem(int64_t n, bool heavy, uint64_t seed)
{
    static const char *const names[] = {"left", "right"};
    problem q = {.n_views = 2, .n = n, .p = {P, P}};

    q.shared = normals(seed, 0, n * SHARED, 1);
    for (int32_t m = 0; m < 2; m++) {
        double *e = normals(seed, 1 + (uint64_t)m, n * P, 1);
        double *d = normals(seed, 3 + (uint64_t)m, n * P, 1);
        q.x[m] = test_floats(n * P);
        for (int64_t i = 0; i < n * P; i++)
            q.x[m][i] = (float)(q.shared[i / P * SHARED + i % SHARED] +
                                .3 * (heavy ? e[i] / fabs(d[i]) : e[i]));
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){q.x[m], n, P, P}, names[m], NULL, 0,
                                      &q.data[m]));
        q.view[m] = (mucmm_view){names[m], q.data[m]};
        free(e);
        free(d);
    }
    return q;
}

static double total(const mucmm_model *m)
{
    return mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR)->total_correlation;
}

static mucmm_fit_params params_of(mucmm_robust robust)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);

    p.common = 3;
    p.individual = 1;
    p.robust = robust;
    p.validation = .3;
    return p;
}

/* What is shared is found in spite of the noise; a file keeps the maps, which new rows go through;
 * rows that lack a view, and few rows, too. */
static void test_robust_fits_find_what_outliers_hide(void **state)
{
    problem q = noisy_problem(1200, true, 7);
    mucmm_fit_params p = params_of(MUCMM_ROBUST_NONE);
    mucmm_model *plain = fit(ctx, &q, &p);

    (void)state;
    assert_true(total(plain) < 1);
    for (int kind = MUCMM_ROBUST_WINSOR; kind <= MUCMM_ROBUST_RANK; kind++) {
        mucmm_model *m, *loaded = NULL;
        float *c[2], *u[2];
        bytes b;

        p = params_of((mucmm_robust)kind);
        m = fit(ctx, &q, &p);
        printf("# total correlation %.3f, without a map %.3f\n", total(m), total(plain));
        assert_true(total(m) > total(plain) + 1.2);
        b = saved(m);
        CHECK_OK(ctx, mucmm_model_load_memory(ctx, b.data, b.size, NULL, &loaded));
        assert_int_equal(loaded->params.robust, kind);
        transform(ctx, m, MUCMM_HEADS, 0, q.data[0], &c[0], &u[0]);
        transform(ctx, loaded, MUCMM_HEADS, 0, q.data[0], &c[1], &u[1]);
        assert_memory_equal(c[0], c[1], (size_t)(q.n * 3) * sizeof(float));
        for (int64_t i = 0; i < q.n * 3; i++)
            assert_true(fabs((double)c[0][i]) < 12);
        for (int i = 0; i < 2; i++) {
            free(c[i]);
            free(u[i]);
        }
        free(b.data);
        mucmm_model_free(loaded);
        mucmm_model_free(m);
    }
    p.robust = (mucmm_robust)3;
    mucmm_model *none = NULL;
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &none), MUCMM_EARG, "robust is 3");
    mucmm_model_free(plain);
    drop_problem(&q);
}

/* Component 0 of a row. */
static double component_of(const mucmm_model *m, const float *x)
{
    mucmm_data *d = NULL;
    float *c, *u;
    double value;

    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, 1, P, P}, "row", NULL, 0, &d));
    transform(ctx, m, MUCMM_HEADS, 0, d, &c, &u);
    value = (double)c[0];
    free(c);
    free(u);
    mucmm_data_free(d);
    return value;
}

/* Of rows between two knots, and of one beyond them all, where nothing moves the score. */
static void test_gradients_go_through_the_maps(void **state)
{
    (void)state;
    for (int kind = MUCMM_ROBUST_WINSOR; kind <= MUCMM_ROBUST_RANK; kind++) {
        problem q = noisy_problem(800, true, 8);
        mucmm_fit_params p = params_of((mucmm_robust)kind);
        mucmm_model *m = fit(ctx, &q, &p);
        const mucmm__robust *r = m->view[0].robust;
        mucmm_explain_params e;
        float map[2 * P];

        mucmm_explain_params_init(&e);
        e.score = MUCMM_SCORE_COMMON_COMPONENT;
        e.map = MUCMM_MAP_GRADIENT;
        for (int j = 0; j < P; j++) {
            const float *at = r->at + j * r->knots + (r->knots - 1) / 2;
            q.x[0][j] = (at[0] + at[1]) / 2;
            q.x[0][P + j] = 1e6F;
        }
        CHECK_OK(ctx, mucmm_explain(ctx, m, q.view, 2, 0, (int64_t[]){0, 1}, 2, &e,
                                    &(mucmm_mat){map, 2, P, P}, NULL));
        for (int j = 0; j < P; j++) {
            const float *at = r->at + j * r->knots + (r->knots - 1) / 2;
            float step = (at[1] - at[0]) / 4, row[2][P];
            for (int s = 0; s < 2; s++) {
                memcpy(row[s], q.x[0], sizeof row[s]);
                row[s][j] += s ? step : -step;
            }
            CHECK_CLOSE((component_of(m, row[1]) - component_of(m, row[0])) / (2 * (double)step),
                        (double)map[j], 1e-3 * (fabs((double)map[j]) + .1));
            CHECK_CLOSE((double)map[P + j], 0, 0);
        }
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

/* ---- the warning ------------------------------------------------------------------- */

static void count_warnings(void *user, mucmm_log_level level, const char *message)
{
    *(int *)user += level == MUCMM_LOG_WARN && strstr(message, "is carried by few rows");
}

/* Warned of where a few rows carry a component, and of no shape that is only skewed or discrete. */
static void test_few_rows_that_carry_a_component(void **state)
{
    mucmm_ctx_params cp;
    mucmm_ctx *c = NULL;
    int warnings = 0;

    (void)state;
    mucmm_ctx_params_init(&cp);
    cp.threads = 1;
    cp.log = count_warnings;
    cp.log_user = &warnings;
    assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
    for (int shape = 0; shape < 6; shape++)
        for (int64_t n = 80; n <= 1280; n *= 4) {
            problem q = noisy_problem(n, shape >= 4, 40 + (uint64_t)shape);
            mucmm_fit_params p = params_of(shape == 5 ? MUCMM_ROBUST_WINSOR : MUCMM_ROBUST_NONE);
            mucmm_model *m = NULL;
            for (int64_t i = 0; i < 2 * n * P; i++) {
                float *x = &q.x[i % 2][i / 2];
                double u = .5 * erfc(-(double)*x / sqrt(2 * 1.09));
                if (shape > 0 && shape < 4) /* exponential, uniform, binary */
                    *x = shape == 1 ? (float)-log(1 - u) : shape == 2 ? (float)u : u > .8;
            }
            warnings = 0;
            CHECK_OK(c, mucmm_fit(c, q.view, 2, &p, &m));
            if (shape != 4 || n > 80) /* where one row is more than a hundredth */
                assert_int_equal(warnings, shape == 4);
            mucmm_model_free(m);
            drop_problem(&q);
        }
    mucmm_ctx_free(c);
}

/* ---- memory ------------------------------------------------------------------------ */

typedef struct robust_fit {
    const problem *q;
    mucmm_fit_params p;
} robust_fit;

static mucmm_status fit_again(mucmm_ctx *c, void *arg)
{
    const robust_fit *t = arg;
    mucmm_model *m = NULL;
    mucmm_status status = mucmm_fit(c, t->q->view, 2, &t->p, &m);

    mucmm_model_free(m);
    return status;
}

static void test_robust_fits_out_of_memory(void **state)
{
    problem q = noisy_problem(60, false, 9);
    robust_fit t = {&q, params_of(MUCMM_ROBUST_RANK)};

    (void)state;
    t.p.common = 1;
    assert_true(sweep_out_of_memory(fit_again, &t, 40) > 20);
    drop_problem(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_winsor_stays_within_three_deviations),
        cmocka_unit_test(test_ranks_become_normal_scores),
        cmocka_unit_test(test_robust_fits_find_what_outliers_hide),
        cmocka_unit_test(test_gradients_go_through_the_maps),
        cmocka_unit_test(test_few_rows_that_carry_a_component),
        cmocka_unit_test(test_robust_fits_out_of_memory),
    };
    return cmocka_run_group_tests_name("robust", tests, set_up, tear_down);
}
