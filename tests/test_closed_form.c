/* SPDX-License-Identifier: MIT
 *
 * The closed form: reference values, residuals, identities, refusals.
 */
#include "correlate/whitened.h"
#include "correlate_case.h"

/* ---- the closed form against its reference values ---------------------------------- */

/* Covariances with the ridge on the diagonal take part everywhere but in the variance shares. */
typedef struct linear_case {
    mucmm_ctx *ctx;
    mucmm__block view[2];
    int64_t k, q, n;
    double ridge, rho[6];
    double *x[2], *cov, *s[2], *ridged[2];              /* centred views; joint, own covariances */
    double *w[2], *individual[2], *c[2], *u[2], *cross; /* weights, variates; S_12 [p_0, p_1] */
} linear_case;

static linear_case solve_linear_golden(void)
{
    static const char *const names[2] = {"left", "right"};
    linear_case t = {.ctx = new_ctx()};
    int64_t p[2], at = 0;

    t.ridge = golden_number(t.ctx, "linear", "ridge");
    t.k = (int64_t)golden_number(t.ctx, "linear", "k");
    t.q = (int64_t)golden_number(t.ctx, "linear", "q");
    t.view[0] = golden_block(t.ctx, "linear", "view0");
    t.view[1] = golden_block(t.ctx, "linear", "view1");
    t.cov = joint_covariance(2, t.view);
    t.n = t.view[0].rows;
    for (int m = 0; m < 2; m++) {
        p[m] = t.view[m].cols;
        t.w[m] = zeros(p[m] * t.k);
        t.individual[m] = zeros(p[m] * t.q);
    }
    CHECK_OK(t.ctx,
             mucmm__closed_form_common(t.ctx, 2, p, names, t.cov, t.ridge, t.k, 6, t.rho, t.w));
    t.cross = sub_matrix(t.cov, p[0] + p[1], 0, p[0], p[0], p[1]);
    for (int m = 0; m < 2; at += p[m++]) {
        t.x[m] = centered(t.view + m);
        t.s[m] = sub_matrix(t.cov, p[0] + p[1], at, at, p[m], p[m]);
        t.ridged[m] = sub_matrix(t.cov, p[0] + p[1], at, at, p[m], p[m]);
        add_ridge(t.ridged[m], p[m], t.ridge);
        CHECK_OK(t.ctx, mucmm__closed_form_individual(t.ctx, p[m], t.ridged[m], t.k, t.w[m], t.q,
                                                      names[m], t.individual[m]));
        t.c[m] = product(false, t.n, t.k, p[m], t.x[m], t.w[m]);
        t.u[m] = product(false, t.n, t.q, p[m], t.x[m], t.individual[m]);
    }
    return t;
}

static void drop_linear(linear_case *t)
{
    for (int m = 0; m < 2; m++) {
        free(t->view[m].data);
        free(t->x[m]);
        free(t->s[m]);
        free(t->ridged[m]);
        free(t->w[m]);
        free(t->individual[m]);
        free(t->c[m]);
        free(t->u[m]);
    }
    free(t->cov);
    free(t->cross);
    mucmm_ctx_free(t->ctx);
}

static double half_square(int64_t n, const double *x)
{
    return 0.5 * dot(n, x, x);
}

/* |S W|_F^2 / tr S */
static double variance_share(int64_t p, int64_t k, const double *s, const double *w)
{
    double *sw = product(false, p, k, p, s, w), trace = 0, share;

    for (int64_t i = 0; i < p; i++)
        trace += s[i * p + i];
    share = dot(p * k, sw, sw) / trace;
    free(sw);
    return share;
}

static void test_linear_golden_weights_and_variates(void **state)
{
    linear_case t = solve_linear_golden();
    char name[32];

    (void)state;
    check_golden(t.ctx, "linear", "rho", t.rho);
    for (int m = 0; m < 2; m++) {
        double share = variance_share(t.view[m].cols, t.k, t.s[m], t.w[m]);
        double other = variance_share(t.view[m].cols, t.q, t.s[m], t.individual[m]);
        snprintf(name, sizeof name, "common_weights%d", m);
        check_golden(t.ctx, "linear", name, t.w[m]);
        snprintf(name, sizeof name, "individual_weights%d", m);
        check_golden(t.ctx, "linear", name, t.individual[m]);
        snprintf(name, sizeof name, "common%d", m);
        check_golden(t.ctx, "linear", name, t.c[m]);
        snprintf(name, sizeof name, "individual%d", m);
        check_golden(t.ctx, "linear", name, t.u[m]);
        snprintf(name, sizeof name, "common_share%d", m);
        check_golden(t.ctx, "linear", name, &share);
        snprintf(name, sizeof name, "individual_share%d", m);
        check_golden(t.ctx, "linear", name, &other);
    }
    drop_linear(&t);
}

static void test_linear_golden_scores(void **state)
{
    linear_case t = solve_linear_golden();
    double *common = zeros(t.n), *energy = zeros(t.n), *own[2] = {zeros(t.n), zeros(t.n)};

    (void)state;
    for (int64_t i = 0; i < t.n; i++) {
        for (int64_t j = 0; j < t.k; j++)
            common[i] += t.rho[j] * t.c[0][i * t.k + j] * t.c[1][i * t.k + j];
        energy[i] = half_square(t.k, t.c[0] + i * t.k);
        for (int m = 0; m < 2; m++)
            own[m][i] = half_square(t.q, t.u[m] + i * t.q);
    }
    check_golden(t.ctx, "linear", "common_score", common);
    check_golden(t.ctx, "linear", "common_energy0", energy);
    check_golden(t.ctx, "linear", "individual_score0", own[0]);
    check_golden(t.ctx, "linear", "individual_score1", own[1]);
    free(common);
    free(energy);
    free(own[0]);
    free(own[1]);
    drop_linear(&t);
}

static double *transposed(int64_t rows, int64_t cols, const double *x)
{
    double *t = zeros(rows * cols);

    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            t[j * rows + i] = x[i * cols + j];
    return t;
}

/* Identities (1), (2), (3) of docs/method.md, section 7, in the metric of cov + ridge. */
static void test_linear_golden_gradients_and_identities(void **state)
{
    linear_case t = solve_linear_golden();
    int64_t n = t.n, p = t.view[0].cols, p1 = t.view[1].cols, k = t.k, q = t.q;
    double *scaled = zeros(n * k), *wt = transposed(p, k, t.w[0]);
    double *it = transposed(p, q, t.individual[0]);
    double *grad, *pattern, *grad_own, *pattern_own, *grad_energy, *pattern_energy;
    double *load, *load_t, *predicted;

    (void)state;
    for (int64_t i = 0; i < n * k; i++)
        scaled[i] = t.c[1][i] * t.rho[i % k];
    grad = product(false, n, p, k, scaled, wt);
    pattern = product(false, n, p, p, grad, t.ridged[0]);
    grad_own = product(false, n, p, q, t.u[0], it);
    pattern_own = product(false, n, p, p, grad_own, t.ridged[0]);
    grad_energy = product(false, n, p, k, t.c[0], wt);
    pattern_energy = product(false, n, p, p, grad_energy, t.ridged[0]);
    check_golden(t.ctx, "linear", "grad_common_score_view0", grad);
    check_golden(t.ctx, "linear", "pattern_common_view0", pattern);
    check_golden(t.ctx, "linear", "grad_individual_score_view0", grad_own);
    check_golden(t.ctx, "linear", "pattern_individual_view0", pattern_own);

    load = product(false, p, k, p1, t.cross, t.w[1]); /* (1): S_12 W_2 c_2 */
    load_t = transposed(p, k, load);
    predicted = product(false, n, p, k, t.c[1], load_t);
    check_golden(t.ctx, "linear", "prediction_view0_from_common1", predicted);
    check_array("(1)", pattern, predicted, n * p, 1e-9);
    free(load);
    free(load_t);
    free(predicted);
    load = product(false, p, k, p, t.ridged[0], t.w[0]); /* (2): S W c */
    load_t = transposed(p, k, load);
    predicted = product(false, n, p, k, t.c[0], load_t);
    check_array("(2)", pattern_energy, predicted, n * p, 1e-9);
    free(load);
    free(load_t);
    free(predicted);
    load = product(false, p, q, p, t.ridged[0], t.individual[0]); /* (3): Cov(h, u) u */
    load_t = transposed(p, q, load);
    predicted = product(false, n, p, q, t.u[0], load_t);
    check_array("(3)", pattern_own, predicted, n * p, 1e-9);
    free(load);
    free(load_t);
    free(predicted);
    free(scaled);
    free(wt);
    free(it);
    free(grad);
    free(pattern);
    free(grad_own);
    free(pattern_own);
    free(grad_energy);
    free(pattern_energy);
    drop_linear(&t);
}

/* ---- the closed form --------------------------------------------------------------- */

/* Two wide views, so that the leading ones are taken from the square of the whitened
 * covariance (k = 5), against the whole decomposition (k_all = p). */
static void test_linear_leading_equals_whole(void **state)
{
    static const int64_t shapes[3][2] = {{140, 150}, {150, 140}, {140, 140}};
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int shape = 0; shape < 3; shape++) {
        const int64_t *p = shapes[shape];
        mucmm__block x[2] = {shared_block(1, 99, 400, p[0]), shared_block(2, 99, 400, p[1])};
        double *cov = joint_covariance(2, x), rho[5], *all = zeros(140);
        double *w[2] = {zeros(p[0] * 5), zeros(p[1] * 5)};
        double *v[2] = {zeros(p[0] * 5), zeros(p[1] * 5)};
        CHECK_OK(ctx, mucmm__closed_form_common(ctx, 2, p, three_names, cov, 1e-6, 5, 5, rho, w));
        CHECK_OK(ctx, mucmm__closed_form_common(ctx, 2, p, three_names, cov, 1e-6, 5, 140, all, v));
        check_array("rho", rho, all, 5, 1e-12);
        for (int m = 0; m < 2; m++)
            check_array("weights", w[m], v[m], p[m] * 5, 1e-9);
        free(cov);
        free(all);
        for (int m = 0; m < 2; m++) {
            free(x[m].data);
            free(w[m]);
            free(v[m]);
        }
    }
    mucmm_ctx_free(ctx);
}

static void check_cross_covariance(const char *name, int64_t p, int64_t q, int64_t k, int64_t l,
                                   const double *w, const double *s, const double *v, bool identity)
{
    double *sv = product(false, p, l, q, s, v), *x = product(true, k, l, p, w, sv);

    for (int64_t i = 0; i < k * l; i++)
        if (!(fabs(x[i] - (identity && i / l == i % l)) <= 1e-10))
            fail_msg("%s[%lld, %lld] = %.3g", name, (long long)(i / l), (long long)(i % l), x[i]);
    free(sv);
    free(x);
}

/* On the training rows, with the plain covariances: u is uncorrelated with both views' common
 * variates, white, and the three parts of the variance add up. */
static void test_linear_parts_are_uncorrelated_and_additive(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int64_t p[2] = {12, 9}, k = 3;
    mucmm__block x[2] = {shared_block(1, 99, 150, p[0]), shared_block(2, 99, 150, p[1])};
    double *cov = joint_covariance(2, x), rho[3], *w[2] = {zeros(p[0] * k), zeros(p[1] * k)};
    double *s12 = sub_matrix(cov, p[0] + p[1], 0, p[0], p[0], p[1]);
    int64_t at = 0;

    (void)state;
    CHECK_OK(ctx, mucmm__closed_form_common(ctx, 2, p, three_names, cov, 0, k, k, rho, w));
    for (int m = 0; m < 2; at += p[m++]) {
        int64_t q = p[m] - k;
        double *s = sub_matrix(cov, p[0] + p[1], at, at, p[m], p[m]), *u = zeros(p[m] * q);
        double explained = 2, share;
        CHECK_OK(ctx, mucmm__closed_form_individual(ctx, p[m], s, k, w[m], q, three_names[m], u));
        check_cross_covariance("Cov(c, c)", p[m], p[m], k, k, w[m], s, w[m], true);
        check_cross_covariance("Cov(u, u)", p[m], p[m], q, q, u, s, u, true);
        check_cross_covariance("Cov(u, c)", p[m], p[m], q, k, u, s, w[m], false);
        if (m == 0)
            check_cross_covariance("Cov(u1, c2)", p[0], p[1], q, k, u, s12, w[1], false);
        share = variance_share(p[m], k, s, w[m]) + variance_share(p[m], q, s, u);
        CHECK_CLOSE(share, 1, 1e-11); /* q = p - k: no rest */
        for (int64_t j = 0; j < q; j++) {
            double *one = sub_matrix(u, q, 0, j, p[m], 1);
            double now = variance_share(p[m], 1, s, one);
            assert_true(now <= explained + 1e-12);
            explained = now;
            free(one);
        }
        free(s);
        free(u);
    }
    for (int64_t j = 0; j < k; j++) /* Cov(c1, c2) = diag(rho) */
        for (int64_t i = 0; i < p[1]; i++)
            w[1][i * k + j] /= rho[j];
    check_cross_covariance("Cov(c1, c2)/rho", p[0], p[1], k, k, w[0], s12, w[1], true);
    free(cov);
    free(s12);
    for (int m = 0; m < 2; m++) {
        free(x[m].data);
        free(w[m]);
    }
    mucmm_ctx_free(ctx);
}

/* A direction whose entries cancel exactly: the first entry decides the sign. */
static void test_linear_sign_of_a_zero_sum(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int64_t p[2] = {2, 2};

    (void)state;
    for (int flip = -1; flip <= 1; flip += 2) {
        double a = 0.5 * flip, rho[1], w0[2], w1[2], *w[2] = {w0, w1};
        double cov[16] = {1, 0, a, 0, 0, 1, -a, 0, a, -a, 1, 0, 0, 0, 0, 1};
        CHECK_OK(ctx, mucmm__closed_form_common(ctx, 2, p, three_names, cov, 0, 1, 1, rho, w));
        CHECK_CLOSE(rho[0], sqrt(0.5), 1e-14);
        if (w0[0] + w0[1] == 0) {
            CHECK_CLOSE(w0[0], sqrt(0.5), 1e-14);
            CHECK_CLOSE(w1[0], flip, 1e-14);
        }
    }
    mucmm_ctx_free(ctx);
}

/* q [k, k]: component j of view m, w [p, k], in the columns of v [p, k]: w = v q up to the length
 * of each column, which is made 1. dv [p, k]: D v. */
static void coordinates(int64_t p, int64_t k, const double *v, const double *dv, const double *w,
                        double *q)
{
    mucmm_ctx *ctx = new_ctx();
    double *gram = product(true, k, k, p, v, dv), *right = product(true, k, k, p, dv, w);

    CHECK_OK(ctx, mucmm__cholesky(ctx, k, gram, "test"));
    CHECK_OK(ctx, mucmm__solve_lower(ctx, false, k, k, gram, right));
    CHECK_OK(ctx, mucmm__solve_lower(ctx, true, k, k, gram, right));
    for (int64_t j = 0; j < k; j++) {
        double square = 0;
        for (int64_t i = 0; i < k; i++)
            square += right[i * k + j] * right[i * k + j];
        for (int64_t i = 0; i < k; i++)
            q[i * k + j] = right[i * k + j] / sqrt(square);
    }
    free(gram);
    free(right);
    mucmm_ctx_free(ctx);
}

/* Of a small rotation in any plane the pairs' products gain nothing, to first order: the sum over
 * pairs of a_pq (a_pp - a_qq) is 0; and no quarter turn helps either. */
static void check_jointly_diagonal(int64_t k, int pairs, double *const *a)
{
    for (int64_t p = 0; p < k; p++)
        for (int64_t q = 0; q < p; q++) {
            double slope = 0, on = 0, off = 0;
            for (int i = 0; i < pairs; i++) {
                double o = (a[i][p * k + q] + a[i][q * k + p]) / 2;
                double d = a[i][p * k + p] - a[i][q * k + q];
                slope += o * d;
                on += d * d;
                off += 4 * o * o;
            }
            CHECK_CLOSE(slope, 0, 1e-10);
            assert_true(on >= off);
        }
}

/* Three views: the stacked weights, each with its own length a view, are the leading eigenvectors
 * of S v = lambda D v in other axes of the same space, the same for all views; in these every
 * pair's products are as diagonal as can be, and they add up to rho. Each variate has variance 1
 * under cov + ridge, and view 0's columns have positive sums. */
static void test_linear_three_views_turn_the_eigenvectors(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int64_t p[3] = {7, 5, 6}, at[3] = {0, 7, 12}, k = 4, total = 18;
    double rho[5], ridge = 0.05, *w[3], *v, *s, *vq, *pair[3], loss, other[5], q[3][16],
                   sum[4] = {0};
    mucmm__block x[3];

    (void)state;
    for (int m = 0; m < 3; m++) {
        x[m] = shared_block(mucmm__rng_key(31, (uint64_t)m), 99, 100, p[m]);
        w[m] = zeros(p[m] * k);
    }
    s = joint_covariance(3, x);
    CHECK_OK(ctx, mucmm__closed_form_common(ctx, 3, p, three_names, s, ridge, k, 5, rho, w));
    add_ridge(s, total, ridge);
    v = zeros(total * k);
    CHECK_OK(ctx, mucmm__correlation_max(ctx, 3, x, k, ridge, other, &loss, NULL, v));
    CHECK_CLOSE(rho[0] + rho[1] + rho[2] + rho[3], -loss, 1e-12);
    CHECK_OK(ctx, mucmm__correlation_max(ctx, 3, x, 5, ridge, other, &loss, NULL, NULL));
    CHECK_CLOSE(rho[4], other[4], 1e-12); /* behind those that have weights nothing is turned */
    for (int m = 0; m < 3; m++) {
        double *own = sub_matrix(s, total, at[m], at[m], p[m], p[m]);
        double *dw = product(false, p[m], k, p[m], own, w[m]);
        double *dv = product(false, p[m], k, p[m], own, v + at[m] * k);
        coordinates(p[m], k, v + at[m] * k, dv, w[m], q[m]);
        for (int64_t j = 0; j < k; j++) {
            double variance = 0, dot = 0;
            for (int64_t i = 0; i < p[m]; i++)
                variance += w[m][i * k + j] * dw[i * k + j];
            for (int64_t i = 0; i < k; i++)
                dot += q[0][i * k + j] * q[m][i * k + j];
            CHECK_CLOSE(variance, 1, 1e-12);
            CHECK_CLOSE(dot, 1, 1e-10);
            assert_true(j == 0 || rho[j] <= rho[j - 1]);
        }
        free(own);
        free(dw);
        free(dv);
    }
    vq = product(false, total, k, k, v, q[0]);
    for (int i = 0; i < 3; i++) {
        int m = i == 2, l = i == 0 ? 1 : 2;
        double *cross = sub_matrix(s, total, at[m], at[l], p[m], p[l]);
        double *half = product(false, p[m], k, p[l], cross, vq + at[l] * k);
        pair[i] = product(true, k, k, p[m], vq + at[m] * k, half);
        for (int64_t j = 0; j < k; j++)
            sum[j] += pair[i][j * (k + 1)];
        free(cross);
        free(half);
    }
    for (int64_t j = 0; j < k; j++) {
        double positive = 0, length = 0;
        for (int64_t i = 0; i < p[0]; i++)
            positive += w[0][i * k + j];
        assert_true(positive > 0);
        CHECK_CLOSE(sum[j], rho[j], 1e-10);
        for (int64_t l = 0; l < k; l++) {
            length = 0;
            for (int64_t i = 0; i < k; i++)
                length += q[0][i * k + j] * q[0][i * k + l];
            CHECK_CLOSE(length, j == l, 1e-10);
        }
    }
    check_jointly_diagonal(k, 3, pair);
    free(s);
    free(v);
    free(vq);
    for (int m = 0; m < 3; m++) {
        free(pair[m]);
        free(x[m].data);
        free(w[m]);
    }
    mucmm_ctx_free(ctx);
}

/* ---- refusals ---------------------------------------------------------------------- */

static void test_linear_refusals(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int64_t p[3] = {4, 3, 5}, total = 12;
    double *cov = zeros(144), rho[4], *w[3] = {zeros(16), zeros(16), zeros(20)}, u[16];

    (void)state;
    add_ridge(cov, total, 1);
    expect(ctx, mucmm__closed_form_common(ctx, 3, p, three_names, cov, 0, 5, 5, rho, w),
           MUCMM_ESHAPE, "left has 4 columns");
    cov[4 * total + 4] = 0;
    expect(ctx, mucmm__closed_form_common(ctx, 3, p, three_names, cov, 0, 2, 2, rho, w),
           MUCMM_ENUMERIC,
           "right (3 columns) with ridge 0 is not positive definite; raise the ridge");
    CHECK_OK(ctx, mucmm__closed_form_common(ctx, 3, p, three_names, cov, 1e-3, 2, 2, rho, w));
    cov[0 * total + 8] = cov[8 * total + 0] = NAN;
    expect(ctx, mucmm__closed_form_common(ctx, 3, p, three_names, cov, 1e-3, 2, 2, rho, w),
           MUCMM_ENUMERIC, "left with words has a value that is not finite");
    cov[0] = NAN;
    expect(ctx, mucmm__closed_form_common(ctx, 3, p, three_names, cov, 1e-3, 2, 2, rho, w),
           MUCMM_ENUMERIC, "left has a value that is not finite");

    memset(cov, 0, 16 * sizeof *cov);
    cov[0] = cov[5] = 1; /* 4 columns of rank 2 */
    memset(w[0], 0, 4 * sizeof **w);
    w[0][0] = 1;
    expect(ctx, mucmm__closed_form_individual(ctx, 4, cov, 1, w[0], 4, "left", u), MUCMM_ESHAPE,
           "left has 4 columns; 1 common and 4 individual");
    expect(ctx, mucmm__closed_form_individual(ctx, 4, cov, 1, w[0], 2, "left", u), MUCMM_ENUMERIC,
           "left: 2 individual components, but only 1");
    CHECK_OK(ctx, mucmm__closed_form_individual(ctx, 4, cov, 1, w[0], 1, "left", u));
    CHECK_CLOSE(u[1], 1, 1e-14);
    w[0][0] = NAN;
    expect(ctx, mucmm__closed_form_individual(ctx, 4, cov, 1, w[0], 1, "left", u), MUCMM_ENUMERIC,
           "left");
    free(cov);
    for (int m = 0; m < 3; m++)
        free(w[m]);
    mucmm_ctx_free(ctx);
}

/* ---- individual parts beside the variates of all views ----------------------------- */

#define MOST 6

/* Views of p columns each: three shared latents seen through noise, private ones of their own. */
typedef struct many {
    int32_t n_views;
    int64_t p[MOST], k, n, total;
    double *cov, *w[MOST], *own[MOST], *cross[MOST]; /* [total, total], [p, k], [p, p], [p, ...] */
} many;

static many many_views(mucmm_ctx *ctx, int32_t n_views, int64_t p, int64_t n, double ridge)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    many t = {.n_views = n_views, .k = 2, .n = n, .total = n_views * p};
    mucmm__block x[MOST];
    double *shared = zeros(n * 3), rho[2];
    int64_t others = (n_views - 1) * t.k;

    for (int64_t i = 0; i < n * 3; i++)
        shared[i] = mucmm__rng_normal(1, (uint64_t)i);
    for (int32_t m = 0; m < n_views; m++) {
        uint64_t key = mucmm__rng_key(2, (uint64_t)m);
        t.p[m] = p;
        x[m] = (mucmm__block){zeros(n * p), n, p};
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < p; j++) {
                uint64_t at = (uint64_t)(i * p + j);
                double private = mucmm__rng_normal(key, at) * (1 + (double)(j % 4));
                x[m].data[at] = private + (1 + m + (double)j) / (double)p * shared[i * 3 + j % 3];
            }
        t.w[m] = zeros(p * t.k);
    }
    t.cov = joint_covariance(n_views, x);
    CHECK_OK(ctx,
             mucmm__closed_form_common(ctx, n_views, t.p, names, t.cov, ridge, t.k, t.k, rho, t.w));
    for (int32_t m = 0; m < n_views; m++) {
        int64_t at = 0;
        t.own[m] = sub_matrix(t.cov, t.total, m * p, m * p, p, p);
        t.cross[m] = zeros(p * others);
        for (int32_t l = 0; l < n_views; l++) {
            double *s, *sw;
            if (l == m)
                continue;
            s = sub_matrix(t.cov, t.total, m * p, l * p, p, p);
            sw = product(false, p, t.k, p, s, t.w[l]);
            for (int64_t i = 0; i < p; i++)
                memcpy(t.cross[m] + i * others + at, sw + i * t.k, (size_t)t.k * sizeof *sw);
            at += t.k;
            free(s);
            free(sw);
        }
    }
    for (int32_t m = 0; m < n_views; m++)
        free(x[m].data);
    free(shared);
    return t;
}

static void drop_many(many *t)
{
    for (int32_t m = 0; m < t->n_views; m++) {
        free(t->w[m]);
        free(t->own[m]);
        free(t->cross[m]);
    }
    free(t->cov);
}

/* The largest variance that q weights with v'S v = 1 and v'X = 0, X [p, d], can explain: that of S
 * - X (X'S^-1 X)^+ X', from its definition. */
static double most_explained(mucmm_ctx *ctx, int64_t p, const double *s, int64_t d, const double *x,
                             int64_t q)
{
    double *solved = zeros(p * d), *factor = zeros(p * p), *gram, *values = zeros(p), sum = 0;
    double *turn = zeros(d * d), *e = zeros(p * p), *xt;

    memcpy(factor, s, (size_t)(p * p) * sizeof *s);
    memcpy(e, s, (size_t)(p * p) * sizeof *s);
    memcpy(solved, x, (size_t)(p * d) * sizeof *x);
    CHECK_OK(ctx, mucmm__cholesky(ctx, p, factor, "S"));
    CHECK_OK(ctx, mucmm__solve_spd(ctx, p, d, factor, solved));
    gram = product(true, d, d, p, x, solved);
    CHECK_OK(ctx, mucmm__eigen(ctx, d, gram, d, values, turn));
    xt = product(false, p, d, d, x, turn);
    for (int64_t a = 0; a < p; a++)
        for (int64_t b = 0; b < p; b++)
            for (int64_t j = 0; j < d; j++)
                if (values[j] > 1e-12)
                    e[a * p + b] -= xt[a * d + j] * xt[b * d + j] / values[j];
    CHECK_OK(ctx, mucmm__eigen(ctx, p, e, q, values, NULL));
    for (int64_t j = 0; j < q; j++)
        sum += values[j];
    free(solved);
    free(factor);
    free(gram);
    free(values);
    free(turn);
    free(e);
    free(xt);
    return sum;
}

static void check_beside_all(mucmm_ctx *ctx, const many *t, int32_t m, int64_t asked, int64_t want)
{
    int64_t p = t->p[m], others = (t->n_views - 1) * t->k, all = others + t->k, q;
    double *u = zeros(p * asked), *sw = product(false, p, t->k, p, t->own[m], t->w[m]), *su;
    double *x = zeros(p * all), *cross = zeros(p * others), explained = 0;

    for (int64_t i = 0; i < p; i++) {
        memcpy(x + i * all, sw + i * t->k, (size_t)t->k * sizeof *x);
        memcpy(x + i * all + t->k, t->cross[m] + i * others, (size_t)others * sizeof *x);
    }
    memcpy(cross, t->cross[m], (size_t)(p * others) * sizeof *x);
    CHECK_OK(ctx, mucmm__closed_form_individual_of_all(ctx, p, t->own[m], t->k, t->w[m], others,
                                                       cross, 0, asked, "view", u, &q));
    assert_int_equal(q, want);
    for (int64_t j = 0; j < q; j++)
        for (int64_t d = 0; d < all; d++) {
            double sum = 0;
            for (int64_t i = 0; i < p; i++)
                sum += u[i * q + j] * x[i * all + d];
            CHECK_CLOSE(sum, 0, 1e-6); /* of variance 1 both */
        }
    su = product(false, p, q, p, t->own[m], u);
    for (int64_t i = 0; i < p * q; i++)
        explained += su[i] * su[i];
    check_cross_covariance("Cov(u, u)", p, p, q, q, u, t->own[m], u, true);
    if (q > 0)
        CHECK_CLOSE(explained / most_explained(ctx, p, t->own[m], all, x, q), 1, 1e-6);
    free(u);
    free(sw);
    free(su);
    free(x);
    free(cross);
}

/* Two, three and six views, with and without a ridge. */
static void test_individual_parts_are_uncorrelated_with_all_variates(void **state)
{
    static const double ridges[] = {0, 1e-3, 0.3};
    static const int32_t views[] = {2, 3, 6};
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int r = 0; r < 3; r++)
        for (int v = 0; v < 3; v++) {
            many t = many_views(ctx, views[v], 18, 400, ridges[r]);
            for (int32_t m = 0; m < t.n_views; m++)
                check_beside_all(ctx, &t, m, 4, 4);
            drop_many(&t);
        }
    mucmm_ctx_free(ctx);
}

/* Without a ridge two views need nothing more than their own variates: the same weights. */
static void test_two_views_without_a_ridge_are_as_they_were(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    many t = many_views(ctx, 2, 10, 300, 0);
    double *plain = zeros(10 * 5), *u = zeros(10 * 5);
    int64_t found;

    (void)state;
    CHECK_OK(ctx, mucmm__closed_form_individual(ctx, 10, t.own[0], 2, t.w[0], 5, "view", plain));
    CHECK_OK(ctx, mucmm__closed_form_individual_of_all(ctx, 10, t.own[0], 2, t.w[0], 2, t.cross[0],
                                                       0, 5, "view", u, &found));
    assert_int_equal(found, 5);
    for (int i = 0; i < 50; i++)
        CHECK_CLOSE(u[i], plain[i], 1e-12);
    free(plain);
    free(u);
    drop_many(&t);
    mucmm_ctx_free(ctx);
}

/* What the variates of all views take up is not there for u: 8 columns less 3 x 2, 6 columns less
 * everything. */
static void test_few_columns_leave_few_individual_dimensions(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    many three = many_views(ctx, 3, 8, 400, 1e-3), four = many_views(ctx, 4, 6, 400, 1e-3);

    (void)state;
    check_beside_all(ctx, &three, 1, 4, 2);
    check_beside_all(ctx, &four, 1, 2, 0);
    drop_many(&three);
    drop_many(&four);
    mucmm_ctx_free(ctx);
}

/* The variates of other views without memory: told, and nothing is lost. */
static void test_individual_parts_report_failed_allocations(void **state)
{
    failing_heap heap = {0};
    mucmm_ctx_params params;
    mucmm_ctx *plain = new_ctx();
    many t = many_views(plain, 3, 8, 100, 1e-3);
    double *u = zeros(8 * 2), *cross = zeros(8 * 4);
    mucmm_status status = MUCMM_ENOMEM;
    int64_t found = 0;

    (void)state;
    mucmm_ctx_params_init(&params);
    params.threads = 1;
    params.allocator = (mucmm_allocator){failing_alloc, failing_release, &heap};
    for (int64_t at = 0; status != MUCMM_OK; at++) {
        mucmm_ctx *ctx = NULL;
        heap = (failing_heap){.fail_at = INT64_MAX};
        assert_int_equal(mucmm_ctx_create(&params, &ctx), MUCMM_OK);
        heap.fail_at = heap.calls + at;
        memcpy(cross, t.cross[0], 8 * 4 * sizeof *cross);
        status = mucmm__closed_form_individual_of_all(ctx, 8, t.own[0], 2, t.w[0], 4, cross, 0, 2,
                                                      "view", u, &found);
        assert_true(status == MUCMM_ENOMEM || (status == MUCMM_OK && at > 10));
        assert_int_equal(found, status == MUCMM_OK ? 2 : 0);
        mucmm_ctx_free(ctx);
        assert_int_equal(heap.live, 0);
    }
    free(u);
    free(cross);
    drop_many(&t);
    mucmm_ctx_free(plain);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_golden_weights_and_variates),
        cmocka_unit_test(test_linear_golden_scores),
        cmocka_unit_test(test_linear_golden_gradients_and_identities),
        cmocka_unit_test(test_linear_leading_equals_whole),
        cmocka_unit_test(test_linear_parts_are_uncorrelated_and_additive),
        cmocka_unit_test(test_linear_sign_of_a_zero_sum),
        cmocka_unit_test(test_linear_three_views_turn_the_eigenvectors),
        cmocka_unit_test(test_linear_refusals),
        cmocka_unit_test(test_individual_parts_are_uncorrelated_with_all_variates),
        cmocka_unit_test(test_two_views_without_a_ridge_are_as_they_were),
        cmocka_unit_test(test_few_columns_leave_few_individual_dimensions),
        cmocka_unit_test(test_individual_parts_report_failed_allocations),
    };
    return cmocka_run_group_tests_name("closed_form", tests, NULL, NULL);
}
