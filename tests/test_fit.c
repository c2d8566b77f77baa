/* SPDX-License-Identifier: MIT
 *
 * Fit: the closed form and the trained heads find what was planted, in canonical form. */
#include "model/represent.h"
#include "model/trainer.h"
#include "workspace.h"

/* ---- the generators of the benchmarks ---------------------------------------------- */

static void test_generators_have_their_check_values(void **state)
{
    static const double uniform[] = {.652448486374, .701212109522, .387124140976};
    static const double normal[] = {-.278874922586, -.764222862019, .418925644868};
    static const double a1[] = {1.583055208053, 5.819906975048, 11.439810316448};
    static const double b1[] = {1.686999682211, -.786795440498, .658614500366};
    static const double b2[] = {-.995972442428, -.772658542636, -1.529645846092};
    uint64_t key = mucmm__rng_key(1, 0);
    double *a[2], *b[2];

    (void)state;
    generator_a(1, 2, 1, a, NULL);
    generator_b(1, 2, b);
    for (int i = 0; i < 3; i++) {
        CHECK_CLOSE(mucmm__rng_uniform(key, (uint64_t)i), uniform[i], 1e-12);
        CHECK_CLOSE(mucmm__rng_normal(key, (uint64_t)i), normal[i], 1e-12);
        CHECK_CLOSE(a[0][i], a1[i], 1e-11);
        CHECK_CLOSE(b[0][i], b1[i], 1e-11);
        CHECK_CLOSE(b[1][i], b2[i], 1e-11);
    }
    for (int m = 0; m < 2; m++) {
        free(a[m]);
        free(b[m]);
    }
}

/* How much of the variance of y [n] a linear function of z [n, d] explains. */
static double r_squared(int64_t n, int64_t d, const float *z, const double *y, int64_t stride)
{
    double *a = test_doubles(d * d), *b = test_doubles(d), mean = 0, total = 0, explained = 0;
    double *means = test_doubles(d);

    for (int64_t i = 0; i < n; i++)
        mean += y[i * stride] / (double)n;
    for (int64_t j = 0; j < d; j++)
        means[j] = column_mean(z, n, d, j);
    for (int64_t i = 0; i < n; i++) {
        double e = y[i * stride] - mean;
        total += e * e;
        for (int64_t j = 0; j < d; j++) {
            double x = (double)z[i * d + j] - means[j];
            b[j] += x * e;
            for (int64_t l = 0; l <= j; l++)
                a[j * d + l] += x * ((double)z[i * d + l] - means[l]);
        }
    }
    for (int64_t j = 0; j < d; j++)
        for (int64_t l = 0; l < j; l++)
            a[l * d + j] = a[j * d + l];
    CHECK_OK(ctx, mucmm__cholesky(ctx, d, a, "test"));
    CHECK_OK(ctx, mucmm__solve_lower(ctx, false, d, 1, a, b));
    for (int64_t j = 0; j < d; j++)
        explained += b[j] * b[j];
    free(a);
    free(b);
    free(means);
    return explained / total;
}

/* Without noise the views share exactly the 50 dimensions of zs. */
static void test_linear_finds_the_latents_of_generator_a(void **state)
{
    const int64_t n = 900, p = A_COLUMNS;
    double *x[2], *shared;
    float *rows[2], *c, *u;
    mucmm_data *data[2];
    mucmm_fit_params params = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = NULL;

    (void)state;
    generator_a(1, n, 0, x, &shared);
    for (int v = 0; v < 2; v++) {
        rows[v] = test_floats(n * p);
        for (int64_t i = 0; i < n * p; i++)
            rows[v][i] = (float)x[v][i];
        CHECK_OK(ctx,
                 mucmm_data_wrap(ctx, &(mucmm_cmat){rows[v], n, p, p}, "a", NULL, 0, &data[v]));
    }
    params.common = params.individual = A_LATENTS;
    CHECK_OK(ctx, mucmm_fit(ctx, (mucmm_view[]){{"a", data[0]}, {"b", data[1]}}, 2, &params, &m));
    for (int32_t v = 0; v < 2; v++) {
        transform(ctx, m, MUCMM_HEADS, v, data[v], &c, &u);
        for (int64_t j = 0; j < A_LATENTS; j += 7) {
            assert_true(r_squared(n, A_LATENTS, c, shared + j, A_LATENTS) > .999);
            assert_true(r_squared(n, A_LATENTS, u, shared + j, A_LATENTS) < .15);
        }
        free(c);
        free(u);
        free(x[v]);
        free(rows[v]);
        mucmm_data_free(data[v]);
    }
    free(shared);
    mucmm_model_free(m);
}

static void test_linear_finds_planted_latents(void **state)
{
    problem q = new_problem(ctx, 2, 1500, false, 3);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;
    const mucmm_summary *s;

    (void)state;
    p.common = 4; /* one more than there are */
    p.individual = 2;
    m = fit(ctx, &q, &p);
    for (int32_t v = 0; v < 2; v++) {
        float *c, *u, *latents = test_floats(q.n * SHARED);
        for (int64_t i = 0; i < q.n * SHARED; i++)
            latents[i] = (float)q.shared[i];
        transform(ctx, m, MUCMM_HEADS, v, q.data[v], &c, &u);
        for (int64_t j = 0; j < 2; j++) /* the strong ones, in order of strength */
            assert_true(fabs(correlation(c, 4, j, latents, SHARED, j, q.n)) > .95);
        assert_true(fabs(correlation(c, 4, 2, latents, SHARED, 2, q.n)) > .9);
        free(c);
        free(u);
        free(latents);
    }
    s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
    assert_int_equal(s->significant, 3);
    assert_true(s->p_values[3] > .05);
    CHECK_CLOSE(s->correlations[0], .98, .02);
    CHECK_CLOSE(s->correlations[2], .865, .06);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- the closed form on the training rows ------------------------------------------ */

static void check_closed_form(int32_t n_views, mucmm_scaling scaling)
{
    static const char *const names[] = {"left", "right", "third"};
    problem q = new_problem(ctx, n_views, 301, false, 5), t;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    double *cov, *w[3] = {0}, rho[2];
    mucmm_model *m;
    int64_t total, at = 0;

    p.ridge = 1e-4;
    p.scaling = scaling;
    m = fit(ctx, &q, &p);
    t = training_problem(ctx, &q, &p);
    assert_int_equal(m->rows[MUCMM_ROWS_TRAIN], t.n);
    cov = scaled_covariance(&t, scaling, &total);
    for (int32_t v = 0; v < n_views; v++)
        w[v] = test_doubles(t.p[v] * 2);
    CHECK_OK(ctx, mucmm__closed_form_common(ctx, n_views, t.p, names, cov, 1e-4, 2, 2, rho, w));
    for (int j = 0; j < 2; j++)
        CHECK_CLOSE(m->linear.rho[j], rho[j], 1e-9);
    for (int32_t v = 0; v < n_views; v++) {
        int64_t d = t.p[v];
        double *own = test_doubles(d * d), *u = test_doubles(d * 3);
        for (int64_t i = 0; i < d; i++)
            memcpy(own + i * d, cov + (at + i) * total + at, (size_t)d * sizeof *own);
        individual_of_all(ctx, &t, cov, total, 2, w, v, 3, u);
        check_head(&m->linear.view[v].common, w[v]);
        check_head(&m->linear.view[v].individual, u);
        for (int64_t i = 0; i < d * d; i++)
            CHECK_CLOSE(m->view[v].covariance[i], own[i], 1e-6 * (1 + fabs(own[i])));
        for (int64_t j = 0; j < d; j++)
            CHECK_CLOSE(m->view[v].mean[j], column_mean(t.x[v], t.n, d, j), 1e-9);
        free(own);
        free(u);
        at += d;
    }
    for (int32_t v = 0; v < n_views; v++)
        free(w[v]);
    free(cov);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

static void test_linear_is_the_closed_form_of_the_training_rows(void **state)
{
    (void)state;
    check_closed_form(2, MUCMM_SCALE_VIEW);
    check_closed_form(2, MUCMM_SCALE_COLUMN);
    check_closed_form(3, MUCMM_SCALE_VIEW);
    check_closed_form(3, MUCMM_SCALE_COLUMN);
}

/* ---- canonical form: what sections 2 to 5 promise on the training rows ------------- */

/* Individual dimensions of the closed form of more than two views: what the c of all leave. */
static int64_t closed_dimensions(const problem *t, int32_t v, int64_t k, int64_t q)
{
    int64_t left = t->p[v] - t->n_views * k;

    return left < 0 ? 0 : left < q ? left : q;
}

/* |Cov(h, z_j)|^2 of scaled features, up to the view's constant factor. */
static double explained(const mucmm_model *m, const problem *t, int32_t v, const float *z,
                        int64_t d, int64_t j)
{
    double sum = 0;

    for (int64_t i = 0; i < t->p[v]; i++) {
        double x = covariance(t->x[v], t->p[v], i, z, d, j, t->n) / m->view[v].scale[i];
        sum += x * x;
    }
    return sum;
}

/* Of variance 1 the first ones, at least `varied`, the others 0. */
static void check_unit_columns(const float *z, int64_t n, int64_t d, int64_t varied,
                               double tolerance)
{
    double before = 1;

    for (int64_t a = 0; a < d; a++) {
        CHECK_CLOSE(column_mean(z, n, d, a), 0, tolerance);
        double variance = covariance(z, d, a, z, d, a, n);
        assert_true(a == 0 || variance < before + tolerance);
        CHECK_CLOSE(variance, a < varied || variance > 0.5, tolerance);
        before = variance;
    }
}

static void check_uncorrelated(const float *x, int64_t dx, const float *y, int64_t dy, int64_t n,
                               double tolerance)
{
    for (int64_t a = 0; a < dx; a++)
        for (int64_t b = 0; b < dy; b++)
            if (x != y || a != b)
                CHECK_CLOSE(covariance(x, dx, a, y, dy, b, n), 0, tolerance);
}

/* Two views: diagonal cross-correlation rho. */
static void check_correlations(const mucmm_model *m, const double *rho, float *const *c,
                               const problem *t, double tolerance)
{
    int64_t k = m->k;

    for (int64_t j = 1; j < k; j++)
        assert_true(rho[j] <= rho[j - 1]);
    for (int64_t i = 0; i < k && t->n_views == 2; i++)
        for (int64_t j = 0; j < k; j++)
            CHECK_CLOSE(correlation(c[0], k, i, c[1], k, j, t->n), i == j ? rho[i] : 0, tolerance);
}

static void check_shares(const mucmm_model *m, const mucmm_summary *s, const problem *t, float **c,
                         float **u)
{
    for (int32_t v = 0; v < t->n_views; v++) {
        double common = 0, individual = 0, q = (double)m->view[v].q;
        for (int64_t j = 0; j < m->k; j++)
            common += explained(m, t, v, c[v], m->k, j) / m->view[v].variance;
        for (int64_t j = 0; j < m->view[v].q; j++)
            individual += explained(m, t, v, u[v], m->view[v].q, j) / m->view[v].variance;
        CHECK_CLOSE(s->common_share[v] + s->individual_share[v] + s->rest_share[v], 1, 1e-12);
        if (t->n_views == 2) /* else a view's own variates are correlated with each other */
            CHECK_CLOSE(s->common_share[v], common, 1e-4);
        CHECK_CLOSE(s->individual_share[v], individual, 1e-4);
        assert_true(s->rest_share[v] > -1e-5 && (q > 0 || s->individual_share[v] == 0));
    }
}

static void check_canonical(const mucmm_model *m, mucmm_representation representation,
                            const problem *t, double tolerance)
{
    const mucmm__solution *rep = mucmm__model_solution(m, representation);
    const mucmm_summary *s = mucmm_model_summary(m, MUCMM_ROWS_TRAIN, representation);
    bool closed = representation == MUCMM_LINEAR || !m->heads.rho;
    float *c[3], *u[3];
    int64_t k = m->k;

    for (int32_t v = 0; v < t->n_views; v++) {
        int64_t q = m->view[v].q;
        double before = INFINITY;
        transform(ctx, m, representation, v, t->data[v], &c[v], &u[v]);
        check_unit_columns(c[v], t->n, k, k, tolerance);
        check_unit_columns(u[v], t->n, q,
                           closed && t->n_views > 2 ? closed_dimensions(t, v, k, q) : q, tolerance);
        if (t->n_views == 2)
            check_uncorrelated(c[v], k, c[v], k, t->n, tolerance);
        check_uncorrelated(u[v], q, u[v], q, t->n, tolerance);
        check_uncorrelated(u[v], q, c[v], k, t->n, tolerance);
        for (int64_t j = 0; j < q; j++) {
            double now = explained(m, t, v, u[v], q, j);
            assert_true(now <= before * (1 + 1e-4));
            before = now;
        }
    }
    for (int32_t v = 0; v < t->n_views && closed && t->n_views > 2; v++)
        for (int32_t l = 0; l < t->n_views; l++)
            check_uncorrelated(u[v], m->view[v].q, c[l], k, t->n, 5e-6); /* of float weights */
    check_correlations(m, rep->rho, c, t, tolerance);
    check_shares(m, s, t, c, u);
    for (int64_t j = 0; j < k; j++) {
        double sum = 0, pairs = 0;
        for (int32_t a = 0; a < t->n_views; a++)
            for (int32_t b = 0; b < a; b++, pairs++)
                sum += correlation(c[a], k, j, c[b], k, j, t->n);
        CHECK_CLOSE(s->correlations[j], sum / pairs, 1e-5);
        assert_true(isnan(s->p_values[j]));
    }
    for (int32_t v = 0; v < t->n_views; v++) {
        free(c[v]);
        free(u[v]);
    }
}

static void test_linear_canonical_form(void **state)
{
    (void)state;
    for (int32_t views = 2; views <= 3; views++) {
        problem q = new_problem(ctx, views, 403, false, 6), t;
        mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
        mucmm_model *m;

        p.ridge = 1e-8;
        m = fit(ctx, &q, &p);
        t = training_problem(ctx, &q, &p);
        check_canonical(m, MUCMM_HEADS, &t, 2e-5);
        assert_ptr_equal(mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS),
                         mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_LINEAR));
        mucmm_model_free(m);
        drop_problem(&t);
        drop_problem(&q);
    }
}

/* Cov(u_m, c_l) = 0 also across the views when M = 2. */
static void test_linear_individual_is_uncorrelated_with_the_other_view(void **state)
{
    problem q = new_problem(ctx, 2, 403, false, 6), t;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    float *c[2], *u[2];
    mucmm_model *m;

    (void)state;
    p.ridge = 0;
    m = fit(ctx, &q, &p);
    t = training_problem(ctx, &q, &p);
    for (int32_t v = 0; v < 2; v++)
        transform(ctx, m, MUCMM_LINEAR, v, t.data[v], &c[v], &u[v]);
    for (int32_t v = 0; v < 2; v++)
        check_uncorrelated(u[v], 3, c[1 - v], 2, t.n, 2e-5);
    CHECK_CLOSE(mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_LINEAR)->leakage_linear[0], 0, 1e-8);
    for (int32_t v = 0; v < 2; v++) {
        free(c[v]);
        free(u[v]);
    }
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

static void check_mlp(int32_t views, mucmm_fit_params p)
{
    problem q = new_problem(ctx, views, 700, true, 7), t;
    mucmm_model *m = fit(ctx, &q, &p);
    double heads, linear;

    t = training_problem(ctx, &q, &p);
    assert_ptr_not_equal(mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS),
                         mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR));
    /* the start from the closed form is one of the candidates; float32 weights */
    heads = total_of_choosing_rows(ctx, &q, m, MUCMM_HEADS);
    linear = total_of_choosing_rows(ctx, &q, m, MUCMM_LINEAR);
    if (!(heads >= linear - 2e-6))
        fail_msg("heads %.9g, linear %.9g", heads, linear);
    check_canonical(m, MUCMM_HEADS, &t, 1e-5);
    check_canonical(m, MUCMM_LINEAR, &t, 2e-5);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

static void test_mlp_canonical_form(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    (void)state;
    p.stages = 1; /* of later stages the variates are canonical among themselves only */
    p.ridge = 1e-8;
    check_mlp(2, p);
    check_mlp(3, p);
    p.scaling = MUCMM_SCALE_COLUMN;
    p.seed = 2;
    check_mlp(2, p);
}

static void test_mlp_without_hidden_layers(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    (void)state;
    p.stages = 1;
    p.n_hidden = 0;
    p.ridge = 1e-8;
    check_mlp(2, p);
}

static void test_mlp_without_individual_dimensions(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    problem q = new_problem(ctx, 2, 301, true, 8);
    mucmm_model *m;
    const mucmm_summary *s;

    (void)state;
    p.individual = 0;
    m = fit(ctx, &q, &p);
    assert_int_equal(mucmm_model_individual(m, 1), 0);
    for (int representation = 0; representation < 2; representation++) {
        s = mucmm_model_summary(m, MUCMM_ROWS_TRAIN, (mucmm_representation)representation);
        for (int v = 0; v < 2; v++) {
            CHECK_CLOSE(s->individual_share[v], 0, 0);
            CHECK_CLOSE(s->leakage_linear[v], 0, 0);
            CHECK_CLOSE(s->leakage_kernel[v], 0, 0);
        }
    }
    for (int64_t i = 0; i < m->n_history; i++)
        assert_true(m->history[i].stage != MUCMM__STAGE_INDIVIDUAL);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generators_have_their_check_values),
        cmocka_unit_test(test_linear_finds_the_latents_of_generator_a),
        cmocka_unit_test(test_linear_finds_planted_latents),
        cmocka_unit_test(test_linear_is_the_closed_form_of_the_training_rows),
        cmocka_unit_test(test_linear_canonical_form),
        cmocka_unit_test(test_linear_individual_is_uncorrelated_with_the_other_view),
        cmocka_unit_test(test_mlp_canonical_form),
        cmocka_unit_test(test_mlp_without_hidden_layers),
        cmocka_unit_test(test_mlp_without_individual_dimensions),
    };
    return cmocka_run_group_tests_name("fit", tests, set_up, tear_down);
}
