/* SPDX-License-Identifier: MIT
 *
 * The individual variates: transport, whitening, the front and what is kept of it. */
#include "workspace.h"

#include "model/summary.h"
#include "model/transport.h"

/* ---- the transport of one row ------------------------------------------------------ */

enum { MOST_Q = 80 };

/* <dt, T> + w log det L L' */
static double row_value(int64_t q, const float *o, const float *r, const float *dt, double w)
{
    float t[MOST_Q];
    double sum = w * mucmm__transport_row(q, o, r, t);

    for (int64_t j = 0; j < q; j++)
        sum += (double)dt[j] * (double)t[j];
    return sum;
}

/* Largest difference of a gradient and central differences, over the largest of its entries. */
static double row_error(int64_t q, float *o, float *r, const float *dt, double w, float *x,
                        int64_t n, const float *gradient)
{
    double worst = 0, largest = 1e-9;

    for (int64_t i = 0; i < n; i++) {
        float keep = x[i], step = 1e-2f;
        double up, down;
        x[i] = keep + step;
        up = row_value(q, o, r, dt, w);
        x[i] = keep - step;
        down = row_value(q, o, r, dt, w);
        x[i] = keep;
        worst = fmax(worst, fabs((up - down) / (2 * (double)step) - (double)gradient[i]));
        largest = fmax(largest, fabs((double)gradient[i]));
    }
    return worst / largest;
}

static float *row_numbers(uint64_t stream, int64_t n, double scale)
{
    double *x = normals(31, stream, n, 1);
    float *y = test_floats(n);

    for (int64_t i = 0; i < n; i++)
        y[i] = (float)(scale * x[i]);
    free(x);
    return y;
}

/* Of 80 columns a row of L has fewer entries beside the diagonal than columns before it. */
static void test_transport_vjp_is_the_difference_quotient(void **state)
{
    static const int64_t sizes[] = {1, 2, 5, MOST_Q};

    (void)state;
    for (int i = 0; i < 4; i++) {
        int64_t q = sizes[i], width = mucmm__transport_width(q);
        float *o = row_numbers(1, width, .3), *r = row_numbers(2, q, 1);
        float *dt = row_numbers(3, q, 1), *d_o = test_floats(width), *dr = test_floats(q);
        double w = .7;

        assert_true(q > 64 ? width < q + q * (q + 1) / 2 : width == q + q * (q + 1) / 2);
        mucmm__transport_row_vjp(q, o, r, dt, w, d_o, dr);
        assert_true(row_error(q, o, r, dt, w, o, width, d_o) < 2e-3);
        assert_true(row_error(q, o, r, dt, w, r, q, dr) < 2e-3);
        free(o);
        free(r);
        free(dt);
        free(d_o);
        free(dr);
    }
}

static void test_transport_begins_as_the_identity(void **state)
{
    float *o = test_floats(mucmm__transport_width(7)), *r = row_numbers(4, 7, 1), t[7];

    (void)state;
    CHECK_CLOSE(mucmm__transport_row(7, o, r, t), 0, 0);
    assert_memory_equal(t, r, sizeof t);
    free(o);
    free(r);
}

/* ---- whitening --------------------------------------------------------------------- */

static double whitened_value(const mucmm__block *x, const double *upstream)
{
    double mean[4], inverse[16], y[30 * 4], sum = 0;

    CHECK_OK(ctx, mucmm__whiten_rows(ctx, x, 1e-3, mean, inverse, y));
    for (int i = 0; i < 120; i++)
        sum += y[i] * upstream[i];
    return sum;
}

static void test_whitening_and_its_vjp(void **state)
{
    mucmm__block x = {normals(5, 1, 120, 1), 30, 4}, y = {normals(5, 2, 120, 1), 30, 4};
    double *upstream = normals(5, 3, 120, 1), mean[4], inverse[16], dx[120], other[120];

    (void)state;
    for (int i = 0; i < 30; i++)
        x.data[4 * i + 1] += 3 * x.data[4 * i] + 5;
    CHECK_OK(ctx, mucmm__whiten_rows(ctx, &x, 0, mean, inverse, y.data));
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
            double sum = 0;
            for (int i = 0; i < 30; i++)
                sum += y.data[4 * i + a] * y.data[4 * i + b] / 30;
            CHECK_CLOSE(sum, a == b, 1e-10);
        }
    CHECK_OK(ctx, mucmm__whiten_like(ctx, &x, mean, inverse, other));
    assert_memory_equal(other, y.data, sizeof other);
    CHECK_OK(ctx, mucmm__whiten_rows(ctx, &x, 1e-3, mean, inverse, y.data));
    CHECK_OK(ctx, mucmm__whiten_rows_vjp(ctx, &y, inverse, upstream, dx));
    for (int i = 0; i < 120; i++) {
        double keep = x.data[i], up, down;
        x.data[i] = keep + 1e-5;
        up = whitened_value(&x, upstream);
        x.data[i] = keep - 1e-5;
        down = whitened_value(&x, upstream);
        x.data[i] = keep;
        CHECK_CLOSE(dx[i], (up - down) / 2e-5, 1e-6);
    }
    free(x.data);
    free(y.data);
    free(upstream);
}

/* ---- fits -------------------------------------------------------------------------- */

/* View 0: s, s^2 and two private numbers whose size is that of exp(s/2); view 1: s and three of its
 * own. */
static problem even_problem(int64_t n)
{
    problem q = new_problem(ctx, 2, n, false, 5);
    double *z = normals(8, 0, n * 8, 1);

    for (int64_t i = 0; i < n; i++) {
        const double *row = z + i * 8;
        float *one = q.x[0] + i * q.p[0], *two = q.x[1] + i * q.p[1];
        double s = row[0];
        one[0] = (float)(s + .2 * row[1]);
        one[1] = (float)((s * s - 1) + .2 * row[2]);
        one[2] = (float)(exp(s / 2) * row[3]);
        one[3] = (float)(exp(s / 2) * row[4]);
        two[0] = (float)(s + .2 * row[5]);
        two[1] = (float)row[6];
        for (int64_t j = 4; j < q.p[0]; j++)
            one[j] *= .05f;
        for (int64_t j = 2; j < q.p[1]; j++)
            two[j] *= .05f;
    }
    free(z);
    return q;
}

/* The residual tells s^2 and the size of what is private; the transport takes both out. */
static void test_front_falls_from_the_residual_on(void **state)
{
    problem q = even_problem(3000);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    const mucmm_candidate *front;
    mucmm_model *m;
    int32_t n, chosen = 0;

    (void)state;
    p.common = 1;
    p.individual = 3;
    p.individual_epochs = 20;
    m = fit(ctx, &q, &p);
    front = mucmm_model_front(m, &n);
    assert_int_equal(n, 3);
    for (int32_t i = 0; i < n; i++) {
        assert_true(front[i].kind == (mucmm_candidate_kind)i && isfinite(front[i].completeness));
        chosen += front[i].chosen;
    }
    assert_int_equal(chosen, 1);
    assert_true(front[0].leak > 5 * front[0].leak_sd);
    assert_true(front[1].leak < .6 * front[0].leak);
    assert_true(front[2].leak < .5 * front[0].leak);
    assert_false(front[0].chosen);
    mucmm_model_free(m);
    p.independence = 0; /* all that is private */
    m = fit(ctx, &q, &p);
    front = mucmm_model_front(m, &n);
    assert_true(front[0].chosen);
    assert_true(m->heads.view[0].individual.net.n_layers == 0 && !m->heads.view[0].transport.out);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Of Gaussian views nothing leaks but what is linear: the residual is kept, and it is the closed
 * form where that is kept too. */
static void test_gaussian_views_keep_the_closed_form(void **state)
{
    problem q = new_problem(ctx, 2, 3000, false, 12);
    mucmm_fit_params p = small_params(MUCMM_HEAD_AUTO);
    mucmm_model *m;

    (void)state;
    m = fit(ctx, &q, &p);
    assert_true(m->start == -1 && m->individual_closed);
    assert_true(m->front[0].chosen && m->front[0].leak < 2 * m->front[0].leak_sd);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* The mean over the views of what the individual variates rebuild on the rows that chose. */
static double complete_on_choosing_rows(const problem *q, const mucmm_model *m)
{
    double linear[3] = {0}, nonlinear[3] = {0}, rank[3] = {0}, mean = 0;
    mucmm_summary s = {.views = q->n_views,
                       .completeness_linear = linear,
                       .completeness_nonlinear = nonlinear,
                       .effective_rank = rank};
    int64_t *perm = calloc((size_t)q->n, sizeof *perm);
    const mucmm_data *data[3];
    mucmm_data *rows[3];
    float *c[3], *u[3];

    mucmm__rng_permutation(mucmm__rng_key(m->params.seed, 1), perm, q->n);
    for (int32_t v = 0; v < q->n_views; v++) {
        CHECK_OK(ctx, mucmm_data_subset(ctx, q->data[v], perm + m->rows[MUCMM_ROWS_HELD_OUT],
                                        m->choosing_rows, &rows[v]));
        data[v] = rows[v];
        transform(ctx, m, MUCMM_HEADS, v, rows[v], &c[v], &u[v]);
    }
    CHECK_OK(ctx, mucmm__completeness(ctx, m, data, NULL, m->choosing_rows, NULL, c, u,
                                      m->params.seed, &s));
    for (int32_t v = 0; v < q->n_views; v++) {
        mean += fmax(linear[v], nonlinear[v]) / q->n_views;
        mucmm_data_free(rows[v]);
        free(c[v]);
        free(u[v]);
    }
    free(perm);
    return mean;
}

/* Of three views the closed form loses the other views' variates too, and what is judged is what is
 * kept: its figure is that of the model, on the rows on which it was taken. */
static void test_residual_of_three_views_is_judged_as_it_is_kept(void **state)
{
    problem q = new_problem(ctx, 3, 4000, false, 12);
    mucmm_fit_params p = small_params(MUCMM_HEAD_AUTO);
    mucmm_model *m;

    (void)state;
    m = fit(ctx, &q, &p);
    assert_true(m->start == -1 && m->individual_closed && m->front[0].chosen);
    CHECK_CLOSE(m->front[0].completeness, complete_on_choosing_rows(&q, m), 1e-5);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Each kind of candidate: its variates on the training rows have mean 0, variance 1, and no
 * covariance with c or one another; gradients are those of finite differences; a file keeps it. */
static void test_every_candidate_is_canonical(void **state)
{
    problem q = even_problem(3000);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    (void)state;
    p.common = 1;
    p.individual = 3;
    for (int i = 0; i < 3; i++) {
        mucmm_model *m, *again;
        float *c = test_floats(q.n), *u = test_floats(q.n * 3), *same = test_floats(q.n * 3);
        mucmm_mat common = {c, q.n, 1, 1}, own = {u, q.n, 3, 3}, copy = {same, q.n, 3, 3};
        double worst = 0, mean[4] = {0}, cov[16] = {0};
        bool transport;

        p.independence = i == 0 ? 0 : 1;
        p.individual_epochs = i == 2 ? 40 : 1;
        m = fit(ctx, &q, &p);
        transport = m->heads.view[0].transport.out != NULL;
        assert_true(i == 0 ? !transport : transport);
        CHECK_OK(ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 0, q.data[0], &common, &own));
        for (int64_t r = 0; r < q.n; r++) /* all rows: held-out ones are a tenth */
            for (int a = 0; a < 4; a++)
                mean[a] += (double)(a ? u[r * 3 + a - 1] : c[r]) / (double)q.n;
        for (int64_t r = 0; r < q.n; r++)
            for (int a = 0; a < 4; a++)
                for (int b = 0; b < 4; b++)
                    cov[4 * a + b] += ((double)(a ? u[r * 3 + a - 1] : c[r]) - mean[a]) *
                                      ((double)(b ? u[r * 3 + b - 1] : c[r]) - mean[b]) /
                                      (double)q.n;
        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++)
                worst = fmax(worst, fabs(cov[4 * a + b] - (a == b)));
        assert_true(worst < .25); /* held-out rows are among them */
        CHECK_OK(ctx, mucmm_model_save(ctx, m, in_folder("candidate")));
        CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("candidate"), &again));
        CHECK_OK(ctx, mucmm_transform(ctx, again, MUCMM_HEADS, 0, q.data[0], NULL, &copy));
        assert_memory_equal(u, same, (size_t)(q.n * 3) * sizeof *u);
        assert_int_equal(again->n_front, m->n_front);
        assert_memory_equal(again->front, m->front, sizeof m->front);
        unlink(in_folder("candidate"));
        mucmm_model_free(m);
        mucmm_model_free(again);
        free(c);
        free(u);
        free(same);
    }
    drop_problem(&q);
}

/* <dc, c> + <du, u> of one row, in double. */
static double heads_value(const mucmm__view_heads *v, const float *h, const float *dc,
                          const float *du)
{
    float c[2], u[3];
    double sum = 0;

    CHECK_OK(ctx, mucmm__heads_forward(ctx, v, 1, h, c, u));
    for (int j = 0; j < 3; j++)
        sum += (double)du[j] * (double)u[j] + (j < 2 ? (double)dc[j] * (double)c[j] : 0);
    return sum;
}

static void test_heads_with_a_transport_have_the_right_gradient(void **state)
{
    problem q = even_problem(3000);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    const float dc[2] = {.3f, -.8f}, du[3] = {1.2f, -.4f, .9f};
    mucmm_model *m;
    const mucmm__view_heads *v;
    float h[8], dh[8];

    (void)state;
    p.common = 2;
    p.individual = 3;
    p.individual_epochs = 30;
    m = fit(ctx, &q, &p);
    v = &m->heads.view[0];
    assert_non_null(v->transport.out);
    for (int i = 0; i < 8; i++)
        h[i] = (float)sin(1.7 * i + .4);
    CHECK_OK(ctx, mucmm__heads_vjp(ctx, v, 1, h, dc, du, dh));
    for (int i = 0; i < 8; i++) {
        float keep = h[i];
        double up, down;
        h[i] = keep + 4e-3f;
        up = heads_value(v, h, dc, du);
        h[i] = keep - 4e-3f;
        down = heads_value(v, h, dc, du);
        h[i] = keep;
        CHECK_CLOSE((double)dh[i], (up - down) / 8e-3, 2e-2 * (1 + fabs((double)dh[i])));
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transport_vjp_is_the_difference_quotient),
        cmocka_unit_test(test_transport_begins_as_the_identity),
        cmocka_unit_test(test_whitening_and_its_vjp),
        cmocka_unit_test(test_front_falls_from_the_residual_on),
        cmocka_unit_test(test_gaussian_views_keep_the_closed_form),
        cmocka_unit_test(test_residual_of_three_views_is_judged_as_it_is_kept),
        cmocka_unit_test(test_every_candidate_is_canonical),
        cmocka_unit_test(test_heads_with_a_transport_have_the_right_gradient),
    };
    return cmocka_run_group_tests_name("individual", tests, set_up, tear_down);
}
