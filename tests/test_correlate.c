/* SPDX-License-Identifier: MIT
 *
 * test_correlate.c - the objectives against reference values, against finite
 * differences and against what they must not depend on; the closed form by its
 * residuals; the permutation test by its error rate. */
#include "correlate/correlate.h"
#include "harness.h"

/* ---- helpers ----------------------------------------------------------------------- */

static void *must_alloc(int64_t count, size_t size)
{
    void *p = calloc((size_t)(count > 0 ? count : 1), size);
    assert_non_null(p);
    return p;
}

static double *zeros(int64_t count)
{
    return must_alloc(count, sizeof(double));
}

static double *normals(uint64_t key, int64_t count)
{
    double *x = zeros(count);

    for (int64_t i = 0; i < count; i++)
        x[i] = mucmm__rng_normal(key, (uint64_t)i);
    return x;
}

static mucmm__block random_block(uint64_t key, int64_t rows, int64_t cols)
{
    return (mucmm__block){normals(key, rows * cols), rows, cols};
}

static mucmm__block zero_block(int64_t rows, int64_t cols)
{
    return (mucmm__block){zeros(rows * cols), rows, cols};
}

/* Views that share latents of falling strength, with columns of unequal scale and a mean. */
static mucmm__block shared_block(uint64_t key, uint64_t latent, int64_t rows, int64_t cols)
{
    mucmm__block b = random_block(key, rows, cols);

    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            b.data[i * cols + j] =
                (b.data[i * cols + j] +
                 mucmm__rng_normal(latent, (uint64_t)(i * 64 + j)) * 2 / (double)(j + 1)) *
                    (1 + 0.3 * (double)j) +
                (double)j;
    return b;
}

static double dot(int64_t n, const double *x, const double *y)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static double largest(int64_t n, const double *x)
{
    double m = 0;

    for (int64_t i = 0; i < n; i++)
        m = fabs(x[i]) > m ? fabs(x[i]) : m;
    return m;
}

static void check_array(const char *name, const double *got, const double *want, int64_t n,
                        double tolerance)
{
    double scale = largest(n, want);

    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * scale))
            fail_msg("%s[%lld] = %.17g, expected %.17g, difference %.3g > %.3g", name, (long long)i,
                     got[i], want[i], fabs(got[i] - want[i]), tolerance * scale);
}

/* c [m, n] = op(a) b, plain loops: the tests do not use what they test. */
static double *product(bool trans, int64_t m, int64_t n, int64_t k, const double *a,
                       const double *b)
{
    double *c = zeros(m * n);

    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < k; l++)
            for (int64_t j = 0; j < n; j++)
                c[i * n + j] += (trans ? a[l * m + i] : a[i * k + l]) * b[l * n + j];
    return c;
}

static double *centered(const mucmm__block *x)
{
    double *c = zeros(x->rows * x->cols);

    for (int64_t j = 0; j < x->cols; j++) {
        double mean = 0;
        for (int64_t i = 0; i < x->rows; i++)
            mean += x->data[i * x->cols + j] / (double)x->rows;
        for (int64_t i = 0; i < x->rows; i++)
            c[i * x->cols + j] = x->data[i * x->cols + j] - mean;
    }
    return c;
}

/* Joint covariance [P, P] of the views side by side. */
static double *joint_covariance(int32_t n_views, const mucmm__block *x)
{
    int64_t n = x[0].rows, total = 0, at = 0;
    double *all, *cov;

    for (int32_t m = 0; m < n_views; m++)
        total += x[m].cols;
    all = zeros(n * total);
    for (int32_t m = 0; m < n_views; at += x[m++].cols) {
        double *c = centered(x + m);
        for (int64_t i = 0; i < n; i++)
            memcpy(all + i * total + at, c + i * x[m].cols, (size_t)x[m].cols * sizeof *c);
        free(c);
    }
    cov = product(true, total, total, n, all, all);
    for (int64_t i = 0; i < total * total; i++)
        cov[i] /= (double)(n - 1);
    free(all);
    return cov;
}

static double *sub_matrix(const double *x, int64_t ld, int64_t row, int64_t col, int64_t rows,
                          int64_t cols)
{
    double *s = zeros(rows * cols);

    for (int64_t i = 0; i < rows; i++)
        memcpy(s + i * cols, x + (row + i) * ld + col, (size_t)cols * sizeof *s);
    return s;
}

static void add_ridge(double *s, int64_t p, double ridge)
{
    for (int64_t i = 0; i < p; i++)
        s[i * p + i] += ridge;
}

static double golden_number(mucmm_ctx *ctx, const char *folder, const char *name)
{
    int64_t shape[MUCMM_MAX_RANK];
    double *x = golden(ctx, folder, name, shape), value = x[0];

    mucmm__free(x);
    return value;
}

static mucmm__block golden_block(mucmm_ctx *ctx, const char *folder, const char *name)
{
    int64_t shape[MUCMM_MAX_RANK] = {0, 0};
    double *x = golden(ctx, folder, name, shape);
    mucmm__block b = zero_block(shape[0], shape[1] ? shape[1] : 1);

    memcpy(b.data, x, (size_t)(b.rows * b.cols) * sizeof *x);
    mucmm__free(x);
    return b;
}

static void check_golden(mucmm_ctx *ctx, const char *folder, const char *name, const double *got)
{
    mucmm__block want = golden_block(ctx, folder, name);

    check_array(name, got, want.data, want.rows * want.cols, 1e-9);
    free(want.data);
}

/* ---- reference values -------------------------------------------------------------- */

static void check_golden_max(const char *folder, int32_t n_views)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block view[3], grad[3];
    double ridge = golden_number(ctx, folder, "ridge"), rho[8], loss;
    int64_t k = (int64_t)golden_number(ctx, folder, "k");
    char name[16];

    for (int32_t m = 0; m < n_views; m++) {
        snprintf(name, sizeof name, "view%d", m);
        view[m] = golden_block(ctx, folder, name);
        grad[m] = zero_block(view[m].rows, view[m].cols);
    }
    CHECK_OK(ctx, mucmm__correlation_max(ctx, n_views, view, view[0].cols, ridge, rho, &loss, NULL,
                                         NULL));
    check_golden(ctx, folder, "rho", rho);
    CHECK_OK(ctx, mucmm__correlation_max(ctx, n_views, view, k, ridge, rho, &loss, grad, NULL));
    check_golden(ctx, folder, "loss", &loss);
    for (int32_t m = 0; m < n_views; m++) {
        snprintf(name, sizeof name, "grad%d", m);
        check_golden(ctx, folder, name, grad[m].data);
        free(view[m].data);
        free(grad[m].data);
    }
    mucmm_ctx_free(ctx);
}

static void test_correlation_max_golden_two_views(void **state)
{
    (void)state;
    check_golden_max("correlation_max_2views", 2);
}

static void test_correlation_max_golden_three_views(void **state)
{
    (void)state;
    check_golden_max("correlation_max_3views", 3);
}

static void test_correlation_min_golden_linear(void **state)
{
    const char *folder = "correlation_min_linear";
    mucmm_ctx *ctx = new_ctx();
    mucmm__block a = golden_block(ctx, folder, "a"), b = golden_block(ctx, folder, "b");
    double *ga = zeros(a.rows * a.cols), *gb = zeros(b.rows * b.cols), value;

    (void)state;
    CHECK_OK(ctx, mucmm__correlation_min(ctx, &a, &b, golden_number(ctx, folder, "ridge"), &value,
                                         ga, gb));
    check_golden(ctx, folder, "value", &value);
    check_golden(ctx, folder, "grad_a", ga);
    check_golden(ctx, folder, "grad_b", gb);
    free(a.data);
    free(b.data);
    free(ga);
    free(gb);
    mucmm_ctx_free(ctx);
}

static void test_correlation_min_golden_crossfit(void **state)
{
    const char *folder = "correlation_min_crossfit";
    mucmm_ctx *ctx = new_ctx();
    mucmm__block a = golden_block(ctx, folder, "a"), c = golden_block(ctx, folder, "c");
    double *grad = zeros(a.rows * a.cols), value;

    (void)state;
    CHECK_OK(ctx, mucmm__correlation_min_crossfit(ctx, &a, &c, golden_number(ctx, folder, "ridge"),
                                                  &value, grad, NULL));
    check_golden(ctx, folder, "value", &value);
    check_golden(ctx, folder, "grad_a", grad);
    free(a.data);
    free(c.data);
    free(grad);
    mucmm_ctx_free(ctx);
}

/* K of the features as they come, no standardization of the inputs. */
static void test_correlation_min_golden_fourier(void **state)
{
    const char *folder = "correlation_min_fourier";
    const char *names[2][4] = {{"a", "omega_a", "phase_a", "grad_a"},
                               {"b", "omega_b", "phase_b", "grad_b"}};
    mucmm_ctx *ctx = new_ctx();
    mucmm__block u[2], omega[2], phase[2], phi[2];
    double *dphi[2], value;

    (void)state;
    for (int i = 0; i < 2; i++) {
        u[i] = golden_block(ctx, folder, names[i][0]);
        omega[i] = golden_block(ctx, folder, names[i][1]);
        phase[i] = golden_block(ctx, folder, names[i][2]);
        phi[i] = zero_block(u[i].rows, omega[i].cols);
        dphi[i] = zeros(u[i].rows * omega[i].cols);
        mucmm__fourier_features(ctx, u + i, omega[i].cols, omega[i].data, phase[i].data,
                                phi[i].data);
    }
    CHECK_OK(ctx, mucmm__correlation_min(ctx, phi, phi + 1, golden_number(ctx, folder, "ridge"),
                                         &value, dphi[0], dphi[1]));
    check_golden(ctx, folder, "value", &value);
    for (int i = 0; i < 2; i++) {
        double *du = zeros(u[i].rows * u[i].cols);
        CHECK_OK(ctx, mucmm__fourier_features_vjp(ctx, u + i, omega[i].cols, omega[i].data,
                                                  phase[i].data, dphi[i], du));
        check_golden(ctx, folder, names[i][3], du);
        free(du);
        free(u[i].data);
        free(omega[i].data);
        free(phase[i].data);
        free(phi[i].data);
        free(dphi[i]);
    }
    mucmm_ctx_free(ctx);
}

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
    CHECK_OK(t.ctx, mucmm__linear_common(t.ctx, 2, p, names, t.cov, t.ridge, t.k, 6, t.rho, t.w));
    t.cross = sub_matrix(t.cov, p[0] + p[1], 0, p[0], p[0], p[1]);
    for (int m = 0; m < 2; at += p[m++]) {
        t.x[m] = centered(t.view + m);
        t.s[m] = sub_matrix(t.cov, p[0] + p[1], at, at, p[m], p[m]);
        t.ridged[m] = sub_matrix(t.cov, p[0] + p[1], at, at, p[m], p[m]);
        add_ridge(t.ridged[m], p[m], t.ridge);
        CHECK_OK(t.ctx, mucmm__linear_individual(t.ctx, p[m], t.ridged[m], t.k, t.w[m], t.q,
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

/* ---- finite differences ------------------------------------------------------------ */

static const double STEP = 2e-4;

/* A scalar function of one array [size] among its data. */
typedef double (*scalar_fn)(void *data);

/* f at x0 + h v, with x put back. */
static double displaced(scalar_fn f, void *data, double *x, const double *x0, const double *v,
                        int64_t size, double h)
{
    double value;

    for (int64_t i = 0; i < size; i++)
        x[i] = x0[i] + h * v[i];
    value = f(data);
    memcpy(x, x0, (size_t)size * sizeof *x);
    return value;
}

/* The central difference of fourth order against <grad, v>, for random v and single coordinates. */
static void check_gradient(const char *name, scalar_fn f, void *data, double *x, const double *grad,
                           int64_t size, double h)
{
    double *v = zeros(size), *x0 = zeros(size), typical = sqrt(dot(size, grad, grad));

    memcpy(x0, x, (size_t)size * sizeof *x);
    for (int trial = 0; trial < 6; trial++) {
        double want, got;
        uint64_t key = mucmm__rng_key(77, (uint64_t)trial);
        for (int64_t i = 0; i < size; i++)
            v[i] = trial < 3 ? mucmm__rng_normal(key, (uint64_t)i) : 0;
        if (trial >= 3)
            v[mucmm__rng_bits(key, 0) % (uint64_t)size] = 1;
        want =
            (8 * (displaced(f, data, x, x0, v, size, h) - displaced(f, data, x, x0, v, size, -h)) -
             (displaced(f, data, x, x0, v, size, 2 * h) -
              displaced(f, data, x, x0, v, size, -2 * h))) /
            (12 * h);
        got = dot(size, grad, v);
        if (!(fabs(got - want) <= 1e-7 * (typical + fabs(want))))
            fail_msg("%s: gradient %.12g, differences %.12g, typical %.3g", name, got, want,
                     typical);
    }
    free(v);
    free(x0);
}

typedef struct max_case {
    mucmm_ctx *ctx;
    int32_t n_views;
    mucmm__block f[4];
    int64_t k;
    double ridge;
} max_case;

static double max_loss(void *data)
{
    max_case *t = data;
    double rho[16], loss;

    CHECK_OK(t->ctx, mucmm__correlation_max(t->ctx, t->n_views, t->f, t->k, t->ridge, rho, &loss,
                                            NULL, NULL));
    return loss;
}

static void test_correlation_max_gradient_is_the_difference_quotient(void **state)
{
    static const int64_t dims[3][4] = {{6, 6, 6, 6}, {4, 7, 5, 6}, {7, 5, 4, 4}};
    max_case t = {.ctx = new_ctx()};

    (void)state;
    for (t.n_views = 2; t.n_views <= 4; t.n_views++)
        for (int shape = 0; shape < 3; shape++)
            for (int full = 0; full < 2; full++) {
                mucmm__block grads[4];
                double rho[16], loss;
                int64_t least = 100;
                for (int32_t m = 0; m < t.n_views; m++) {
                    t.f[m] = shared_block(mucmm__rng_key(5, (uint64_t)m), 99, 90, dims[shape][m]);
                    grads[m] = zero_block(90, dims[shape][m]);
                    least = dims[shape][m] < least ? dims[shape][m] : least;
                }
                t.k = full ? least : 2;
                t.ridge = shape == 1 ? 0.1 : 1e-4;
                CHECK_OK(t.ctx, mucmm__correlation_max(t.ctx, t.n_views, t.f, t.k, t.ridge, rho,
                                                       &loss, grads, NULL));
                for (int32_t m = 0; m < t.n_views; m++)
                    check_gradient("correlation_max", max_loss, &t, t.f[m].data, grads[m].data,
                                   90 * t.f[m].cols, STEP);
                for (int32_t m = 0; m < t.n_views; m++) {
                    free(t.f[m].data);
                    free(grads[m].data);
                }
            }
    mucmm_ctx_free(t.ctx);
}

typedef struct min_case {
    mucmm_ctx *ctx;
    mucmm__block a, b;
    double ridge;
} min_case;

static double min_value(void *data)
{
    min_case *t = data;
    double value;

    CHECK_OK(t->ctx, mucmm__correlation_min(t->ctx, &t->a, &t->b, t->ridge, &value, NULL, NULL));
    return value;
}

static double crossfit_value(void *data)
{
    min_case *t = data;
    double value;

    CHECK_OK(t->ctx,
             mucmm__correlation_min_crossfit(t->ctx, &t->a, &t->b, t->ridge, &value, NULL, NULL));
    return value;
}

static void test_correlation_min_gradient_is_the_difference_quotient(void **state)
{
    static const int64_t dims[4][2] = {{3, 7}, {7, 3}, {5, 5}, {1, 4}};
    min_case t = {.ctx = new_ctx()};

    (void)state;
    for (int shape = 0; shape < 4; shape++) {
        double *ga = zeros(60 * dims[shape][0]), *gb = zeros(60 * dims[shape][1]), value;
        t.a = shared_block(3, 99, 60, dims[shape][0]);
        t.b = shared_block(4, 99, 60, dims[shape][1]);
        t.ridge = shape == 1 ? 0.1 : 1e-4;
        CHECK_OK(t.ctx, mucmm__correlation_min(t.ctx, &t.a, &t.b, t.ridge, &value, ga, gb));
        assert_true(value > 0.01 && value < 1);
        check_gradient("K, a", min_value, &t, t.a.data, ga, 60 * t.a.cols, STEP);
        check_gradient("K, b", min_value, &t, t.b.data, gb, 60 * t.b.cols, STEP);
        free(t.a.data);
        free(t.b.data);
        free(ga);
        free(gb);
    }
    mucmm_ctx_free(t.ctx);
}

static void test_crossfit_gradient_is_the_difference_quotient(void **state)
{
    static const int64_t shapes[4][3] = {{40, 6, 3}, {41, 6, 3}, {41, 3, 6}, {40, 70, 2}};
    min_case t = {.ctx = new_ctx(), .ridge = 0.1};

    (void)state;
    for (int shape = 0; shape < 4; shape++) {
        int64_t n = shapes[shape][0];
        double *grad = zeros(n * shapes[shape][1]), *grad_c = zeros(n * shapes[shape][2]), value;
        t.a = shared_block(3, 99, n, shapes[shape][1]);
        t.b = shared_block(4, 99, n, shapes[shape][2]);
        CHECK_OK(t.ctx,
                 mucmm__correlation_min_crossfit(t.ctx, &t.a, &t.b, t.ridge, &value, grad, grad_c));
        check_gradient("K_x, a", crossfit_value, &t, t.a.data, grad, n * t.a.cols, STEP);
        check_gradient("K_x, c", crossfit_value, &t, t.b.data, grad_c, n * t.b.cols, STEP);
        free(grad_c);
        free(t.a.data);
        free(t.b.data);
        free(grad);
    }
    mucmm_ctx_free(t.ctx);
}

typedef struct map_case {
    mucmm_ctx *ctx;
    mucmm__block x;
    int64_t d;
    double *omega, *phase, *upstream, *y, *sd;
} map_case;

static double fourier_scalar(void *data)
{
    map_case *t = data;

    mucmm__fourier_features(t->ctx, &t->x, t->d, t->omega, t->phase, t->y);
    return dot(t->x.rows * t->d, t->y, t->upstream);
}

static double standardize_scalar(void *data)
{
    map_case *t = data;

    mucmm__standardize(&t->x, t->y, t->sd);
    return dot(t->x.rows * t->x.cols, t->y, t->upstream);
}

/* One input of weight 1: the feature is sqrt 2 cos u, its derivative -sqrt 2 sin u. */
static void test_fourier_features_of_large_angles(void **state)
{
    enum { N = 20001 };
    static double u[N], phi[N], ones[N], du[N];
    mucmm_ctx *ctx = new_ctx();
    mucmm__block x = {u, N, 1};
    double omega = 1, phase = 0, worst = 0;

    (void)state;
    for (int i = 0; i < N; i++) {
        double t = (i - N / 2) / (double)(N / 2);
        u[i] = i % 2 ? 2e4 * t * t * t : 8 * t; /* far and near */
        ones[i] = 1;
    }
    mucmm__fourier_features(ctx, &x, 1, &omega, &phase, phi);
    CHECK_OK(ctx, mucmm__fourier_features_vjp(ctx, &x, 1, &omega, &phase, ones, du));
    for (int i = 0; i < N; i++) {
        worst = fmax(worst, fabs(phi[i] - sqrt(2) * cos(u[i])));
        worst = fmax(worst, fabs(du[i] + sqrt(2) * sin(u[i])));
    }
    if (!(worst < 1e-11)) /* 2e4 itself is known to 4e-12 */
        fail_msg("a cosine or sine is wrong by %g", worst);
    mucmm_ctx_free(ctx);
}

static void test_fourier_features_vjp_is_the_difference_quotient(void **state)
{
    static const int64_t shapes[4][3] = {{20, 5, 13}, {33, 8, 30}, {1, 1, 1}, {17, 3, 7}};
    map_case t = {.ctx = new_ctx()};

    (void)state;
    for (int shape = 0; shape < 4; shape++) {
        int64_t n = shapes[shape][0], q = shapes[shape][1];
        double *du = zeros(n * q);
        t.d = shapes[shape][2];
        t.x = random_block(8, n, q);
        t.omega = zeros(q * t.d);
        t.phase = zeros(t.d);
        t.upstream = normals(9, n * t.d);
        t.y = zeros(n * t.d);
        mucmm__fourier_draw(21, q, t.d, t.omega, t.phase);
        CHECK_OK(t.ctx,
                 mucmm__fourier_features_vjp(t.ctx, &t.x, t.d, t.omega, t.phase, t.upstream, du));
        check_gradient("phi", fourier_scalar, &t, t.x.data, du, n * q, STEP);
        free(du);
        free(t.x.data);
        free(t.omega);
        free(t.phase);
        free(t.upstream);
        free(t.y);
    }
    mucmm_ctx_free(t.ctx);
}

static void test_standardize_vjp_is_the_difference_quotient(void **state)
{
    int64_t n = 19, d = 70; /* more than one strip */
    map_case t = {.x = shared_block(8, 99, n, d)};
    double *dx = zeros(n * d);
    mucmm__block y;

    (void)state;
    t.upstream = normals(9, n * d);
    t.y = zeros(n * d);
    t.sd = zeros(d);
    mucmm__standardize(&t.x, t.y, t.sd);
    y = (mucmm__block){t.y, n, d};
    mucmm__standardize_vjp(&y, t.sd, t.upstream, dx);
    check_gradient("standardize", standardize_scalar, &t, t.x.data, dx, n * d, STEP);
    free(dx);
    free(t.x.data);
    free(t.upstream);
    free(t.y);
    free(t.sd);
}

/* A column whose sd is raised to 1e-6 of the largest is divided by a constant. */
static void test_standardize_vjp_of_a_raised_sd(void **state)
{
    int64_t n = 21;
    mucmm__block x = random_block(8, n, 2), y = zero_block(n, 2);
    double *dy = normals(9, n * 2), *dx = zeros(n * 2), sd[2], mean = 0;

    (void)state;
    for (int64_t i = 0; i < n; i++) {
        x.data[i * 2] *= 3e-7;
        mean += dy[i * 2] / (double)n;
    }
    mucmm__standardize(&x, y.data, sd);
    CHECK_CLOSE(sd[0], 1e-6 * sd[1], 1e-18);
    mucmm__standardize_vjp(&y, sd, dy, dx);
    for (int64_t i = 0; i < n; i++)
        CHECK_CLOSE(dx[i * 2] * sd[0], dy[i * 2] - mean, 1e-13);
    free(x.data);
    free(y.data);
    free(dy);
    free(dx);
}

/* ---- invariances and bounds -------------------------------------------------------- */

/* x T + shift with a random T. */
static mucmm__block mapped(const mucmm__block *x, uint64_t key)
{
    double *t = normals(key, x->cols * x->cols);
    mucmm__block y = {NULL, x->rows, x->cols};

    add_ridge(t, x->cols, 3);
    y.data = product(false, x->rows, x->cols, x->cols, x->data, t);
    for (int64_t i = 0; i < x->rows * x->cols; i++)
        y.data[i] += 10;
    free(t);
    return y;
}

static void test_rho_and_dependence_ignore_invertible_maps(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int32_t n_views = 2; n_views <= 3; n_views++) {
        mucmm__block f[3], g[3];
        double rho_f[5], rho_g[5], loss, kf, kg;
        for (int32_t m = 0; m < n_views; m++) {
            f[m] = shared_block(mucmm__rng_key(11, (uint64_t)m), 99, 200, 5);
            g[m] = mapped(f + m, mucmm__rng_key(12, (uint64_t)m));
        }
        CHECK_OK(ctx, mucmm__correlation_max(ctx, n_views, f, 5, 1e-13, rho_f, &loss, NULL, NULL));
        CHECK_OK(ctx, mucmm__correlation_max(ctx, n_views, g, 5, 1e-13, rho_g, &loss, NULL, NULL));
        check_array("rho", rho_g, rho_f, 5, 1e-9);
        assert_true(rho_f[0] > 0.5 && rho_f[0] <= 1);
        CHECK_OK(ctx, mucmm__correlation_min(ctx, f, f + 1, 1e-13, &kf, NULL, NULL));
        CHECK_OK(ctx, mucmm__correlation_min(ctx, g, g + 1, 1e-13, &kg, NULL, NULL));
        CHECK_CLOSE(kg, kf, 1e-10);
        for (int32_t m = 0; m < n_views; m++) {
            free(f[m].data);
            free(g[m].data);
        }
    }
    mucmm_ctx_free(ctx);
}

/* K is the mean of the squared canonical correlations, 1 for a block with itself. */
static void test_dependence_is_the_mean_square_of_rho(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block f[2] = {shared_block(1, 99, 100, 4), shared_block(2, 99, 100, 6)};
    double rho[4], loss, value;

    (void)state;
    CHECK_OK(ctx, mucmm__correlation_max(ctx, 2, f, 4, 1e-3, rho, &loss, NULL, NULL));
    CHECK_OK(ctx, mucmm__correlation_min(ctx, f, f + 1, 1e-3, &value, NULL, NULL));
    CHECK_CLOSE(value, dot(4, rho, rho) / 4, 1e-12);
    CHECK_OK(ctx, mucmm__correlation_min(ctx, f, f, 1e-12, &value, NULL, NULL));
    CHECK_CLOSE(value, 1, 1e-10);
    free(f[0].data);
    free(f[1].data);
    mucmm_ctx_free(ctx);
}

/* V'DV = I and S v = lambda D v with the returned vectors, M = 2, 3, 4. */
static void test_vectors_solve_the_eigenproblem(void **state)
{
    static const int64_t dims[4] = {5, 4, 6, 3};
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int32_t n_views = 2; n_views <= 4; n_views++) {
        mucmm__block f[4];
        double rho[3], loss, *v, *cov, *sv, *dv, *d;
        int64_t total = 0, at = 0;
        for (int32_t m = 0; m < n_views; total += dims[m++])
            f[m] = shared_block(mucmm__rng_key(11, (uint64_t)m), 99, 80, dims[m]);
        v = zeros(total * 3);
        CHECK_OK(ctx, mucmm__correlation_max(ctx, n_views, f, 3, 0.01, rho, &loss, NULL, v));
        cov = joint_covariance(n_views, f);
        add_ridge(cov, total, 0.01);
        d = zeros(total * total);
        for (int32_t m = 0; m < n_views; at += dims[m++])
            for (int64_t i = at; i < at + dims[m]; i++)
                for (int64_t j = at; j < at + dims[m]; j++)
                    d[i * total + j] = cov[i * total + j];
        sv = product(false, total, 3, total, cov, v);
        dv = product(false, total, 3, total, d, v);
        for (int64_t i = 0; i < total * 3; i++)
            CHECK_CLOSE(sv[i], (1 + (n_views - 1) * rho[i % 3]) * dv[i], 1e-11);
        for (int64_t i = 0; i < 3; i++)
            for (int64_t j = 0; j < 3; j++) {
                double sum = 0;
                for (int64_t l = 0; l < total; l++)
                    sum += v[l * 3 + i] * dv[l * 3 + j];
                CHECK_CLOSE(sum, i == j, 1e-12);
            }
        free(v);
        free(cov);
        free(sv);
        free(dv);
        free(d);
        for (int32_t m = 0; m < n_views; m++)
            free(f[m].data);
    }
    mucmm_ctx_free(ctx);
}

/* A head whose outputs collapse must give finite gradients, or training cannot recover. */
static void test_collapsed_outputs_stay_finite(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int kind = 0; kind < 3; kind++)
        for (int32_t n_views = 2; n_views <= 3; n_views++) {
            mucmm__block f[3], g[3];
            double rho[6], loss;
            for (int32_t m = 0; m < n_views; m++) {
                f[m] = shared_block(mucmm__rng_key(13, (uint64_t)m), 99, 60, 6);
                g[m] = zero_block(60, 6);
            }
            for (int64_t i = 0; i < 60; i++)
                for (int64_t j = 0; j < 6; j++) {
                    if (kind == 0 && j == 2)
                        f[0].data[i * 6 + j] = 0; /* a zero column */
                    if (kind == 1)
                        f[0].data[i * 6 + j] = f[0].data[i * 6]; /* rank 1 */
                    if (kind == 2)
                        f[0].data[i * 6 + j] = f[1].data[i * 6 + j] = 7; /* nothing at all */
                }
            CHECK_OK(ctx, mucmm__correlation_max(ctx, n_views, f, 6, 1e-4, rho, &loss, g, NULL));
            for (int32_t m = 0; m < n_views; m++) {
                for (int64_t i = 0; i < 360; i++)
                    assert_true(isfinite(g[m].data[i]));
                free(f[m].data);
                free(g[m].data);
            }
            assert_true(isfinite(loss) && loss <= 0);
        }
    mucmm_ctx_free(ctx);
}

/* Its mean over independent draws is zero, though in-sample K of 40 columns is far from it. */
static void test_crossfit_is_unbiased_under_independence(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    double sum = 0, square = 0, in_sample = 0, variance = 0, mean, error;
    int draws = 200;

    (void)state;
    for (int i = 0; i < draws; i++) {
        mucmm__block a = random_block(mucmm__rng_key(100, (uint64_t)i), 120, 40);
        mucmm__block c = random_block(mucmm__rng_key(200, (uint64_t)i), 120, 3);
        double value, sd, k;
        CHECK_OK(ctx, mucmm__correlation_min_crossfit(ctx, &a, &c, 0.1, &value, NULL, NULL));
        CHECK_OK(ctx, mucmm__crossfit_null_sd(ctx, &a, &c, 0.1, &sd));
        variance += sd * sd / draws;
        CHECK_OK(ctx, mucmm__correlation_min(ctx, &a, &c, 0.1, &k, NULL, NULL));
        sum += value;
        square += value * value;
        in_sample += k / draws;
        free(a.data);
        free(c.data);
    }
    mean = sum / draws;
    error = sqrt((square / draws - mean * mean) / draws);
    CHECK_CLOSE(mean, 0, 3 * error);
    assert_true(in_sample > 0.2 && fabs(mean) < in_sample / 10);
    /* the spread is what theory says: a variance from 200 draws is known to a tenth */
    CHECK_CLOSE(sqrt(variance), sqrt(square / draws), 0.2 * sqrt(variance));
    mucmm_ctx_free(ctx);
}

static void test_crossfit_sees_dependence(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block a = shared_block(1, 99, 500, 10), c = shared_block(2, 99, 500, 3);
    double value, *y = zeros(500 * 3), sd[3];

    (void)state;
    mucmm__standardize(&c, y, sd);
    memcpy(c.data, y, 500 * 3 * sizeof *y);
    CHECK_OK(ctx, mucmm__correlation_min_crossfit(ctx, &a, &c, 0.1, &value, NULL, NULL));
    assert_true(value > 0.1 && value < 1);
    free(a.data);
    free(c.data);
    free(y);
    mucmm_ctx_free(ctx);
}

/* ---- features ---------------------------------------------------------------------- */

static void test_fourier_features_are_the_cosines(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block u = random_block(3, 50, 7);
    double *omega = zeros(7 * 30), *phase = zeros(30), *phi = zeros(50 * 30);

    (void)state;
    mucmm__fourier_draw(17, 7, 30, omega, phase);
    mucmm__fourier_features(ctx, &u, 30, omega, phase, phi);
    for (int64_t i = 0; i < 50; i++)
        for (int64_t j = 0; j < 30; j++) {
            double angle = phase[j];
            for (int64_t l = 0; l < 7; l++)
                angle += u.data[i * 7 + l] * omega[l * 30 + j];
            CHECK_CLOSE(phi[i * 30 + j], sqrt(2.0) * cos(angle), 1e-13);
        }
    free(u.data);
    free(omega);
    free(phase);
    free(phi);
    mucmm_ctx_free(ctx);
}

static void test_fourier_draw_has_the_three_bandwidths(void **state)
{
    int64_t q = 20, d = 300;
    double *omega = zeros(q * d), *phase = zeros(d), *again = zeros(q * d), mean = 0;

    (void)state;
    mucmm__fourier_draw(17, q, d, omega, phase);
    for (int part = 0; part < 3; part++) {
        double square = 0, want = 1 / ((double)(1 << part) * sqrt((double)q));
        for (int64_t i = 0; i < q; i++)
            for (int64_t j = 100 * part; j < 100 * (part + 1); j++)
                square += omega[i * d + j] * omega[i * d + j];
        CHECK_CLOSE(sqrt(square / (double)(q * 100)) / want, 1, 0.05);
    }
    for (int64_t j = 0; j < d; j++) {
        assert_true(phase[j] > 0 && phase[j] < 6.2831853071795865);
        mean += phase[j] / (double)d;
    }
    CHECK_CLOSE(mean, 3.14159265, 0.35);
    mucmm__fourier_draw(17, q, d, again, phase);
    assert_memory_equal(omega, again, (size_t)(q * d) * sizeof *omega);
    mucmm__fourier_draw(18, q, d, again, phase);
    assert_memory_not_equal(omega, again, (size_t)(q * d) * sizeof *omega);
    free(omega);
    free(phase);
    free(again);
}

static void test_standardize_makes_unit_columns(void **state)
{
    int64_t n = 57, d = 130;
    mucmm__block x = shared_block(8, 99, n, d);
    double *y = zeros(n * d), *sd = zeros(d);

    (void)state;
    for (int64_t i = 0; i < n; i++)
        x.data[i * d + 5] = 3; /* a constant column stays zero */
    mucmm__standardize(&x, y, sd);
    for (int64_t j = 0; j < d; j++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < n; i++) {
            mean += y[i * d + j] / (double)n;
            square += y[i * d + j] * y[i * d + j] / (double)n;
        }
        CHECK_CLOSE(mean, 0, 1e-13);
        CHECK_CLOSE(square, j == 5 ? 0 : 1, 1e-12);
        assert_true(sd[j] >= 0.99e-6 * largest(d, sd));
    }
    memset(x.data, 0, (size_t)(n * d) * sizeof *x.data);
    mucmm__standardize(&x, y, sd);
    for (int64_t i = 0; i < n * d; i++)
        assert_true(y[i] == 0);
    free(x.data);
    free(y);
    free(sd);
}

/* ---- the closed form --------------------------------------------------------------- */

static const char *const three_names[3] = {"left", "right", "words"};

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
        CHECK_OK(ctx, mucmm__linear_common(ctx, 2, p, three_names, cov, 1e-6, 5, 5, rho, w));
        CHECK_OK(ctx, mucmm__linear_common(ctx, 2, p, three_names, cov, 1e-6, 5, 140, all, v));
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
    CHECK_OK(ctx, mucmm__linear_common(ctx, 2, p, three_names, cov, 0, k, k, rho, w));
    for (int m = 0; m < 2; at += p[m++]) {
        int64_t q = p[m] - k;
        double *s = sub_matrix(cov, p[0] + p[1], at, at, p[m], p[m]), *u = zeros(p[m] * q);
        double explained = 2, share;
        CHECK_OK(ctx, mucmm__linear_individual(ctx, p[m], s, k, w[m], q, three_names[m], u));
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
        CHECK_OK(ctx, mucmm__linear_common(ctx, 2, p, three_names, cov, 0, 1, 1, rho, w));
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
    CHECK_OK(ctx, mucmm__linear_common(ctx, 3, p, three_names, s, ridge, k, 5, rho, w));
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

static void expect(mucmm_ctx *ctx, mucmm_status got, mucmm_status want, const char *words)
{
    if (got != want || !strstr(mucmm_ctx_message(ctx), words))
        fail_msg("status %s, message '%s'; expected %s with '%s'", mucmm_status_text(got),
                 mucmm_ctx_message(ctx), mucmm_status_text(want), words);
}

static void test_correlation_max_refusals(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block f[2] = {random_block(1, 40, 8), random_block(2, 40, 8)}, g[2] = {f[0], f[1]};
    double rho[8], loss;

    (void)state;
    g[0].rows = g[1].rows = 12;
    expect(ctx, mucmm__correlation_max(ctx, 2, g, 2, 1e-3, rho, &loss, NULL, NULL), MUCMM_ESHAPE,
           "batch of 12 rows for 2 views of 8 columns: more rows than the 16 columns are needed");
    g[0].rows = g[1].rows = 16;
    expect(ctx, mucmm__correlation_max(ctx, 2, g, 2, 1e-3, rho, &loss, NULL, NULL), MUCMM_ESHAPE,
           "batch of 16 rows");
    g[0].rows = 40;
    g[1].rows = 12;
    expect(ctx, mucmm__correlation_max(ctx, 2, g, 2, 1e-3, rho, &loss, NULL, NULL), MUCMM_ESHAPE,
           "view 0 has 40 rows and view 1 has 12");
    expect(ctx, mucmm__correlation_max(ctx, 2, f, 9, 1e-3, rho, &loss, NULL, NULL), MUCMM_ESHAPE,
           "k = 9 components of 2 views of 8 columns; from 1 to 8 are possible");
    expect(ctx, mucmm__correlation_max(ctx, 1, f, 2, 1e-3, rho, &loss, NULL, NULL), MUCMM_EARG,
           "1 views");
    expect(ctx, mucmm__correlation_max(ctx, 2, f, 2, -1, rho, &loss, NULL, NULL), MUCMM_EARG,
           "ridge = -1");
    f[1].data[3 * 8 + 5] = NAN;
    expect(ctx, mucmm__correlation_max(ctx, 2, f, 2, 1e-3, rho, &loss, NULL, NULL), MUCMM_ENUMERIC,
           "view 1 has a value that is not finite in row 3, column 5");
    f[1].data[3 * 8 + 5] = 1e200;
    expect(ctx, mucmm__correlation_max(ctx, 2, f, 2, 1e-3, rho, &loss, NULL, NULL), MUCMM_ENUMERIC,
           "view 1");
    for (int64_t i = 0; i < 40; i++)
        f[1].data[i * 8 + 5] = 0;
    expect(ctx, mucmm__correlation_max(ctx, 2, f, 2, 0, rho, &loss, NULL, NULL), MUCMM_ENUMERIC,
           "raise the ridge");
    free(f[0].data);
    free(f[1].data);
    mucmm_ctx_free(ctx);
}

static void test_correlation_min_refusals(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block a = random_block(1, 40, 3), b = random_block(2, 30, 3);
    double value;

    (void)state;
    expect(ctx, mucmm__correlation_min(ctx, &a, &b, 1e-3, &value, NULL, NULL), MUCMM_ESHAPE,
           "a has 40 rows and b has 30");
    a.rows = 30;
    b.data[0] = INFINITY;
    expect(ctx, mucmm__correlation_min(ctx, &a, &b, 1e-3, &value, NULL, NULL), MUCMM_ENUMERIC,
           "b has a value that is not finite in row 0, column 0");
    expect(ctx, mucmm__correlation_min_crossfit(ctx, &a, &b, 1e-3, &value, NULL, NULL),
           MUCMM_ENUMERIC, "c has a value that is not finite");
    a.rows = b.rows = 3;
    expect(ctx, mucmm__correlation_min_crossfit(ctx, &a, &b, 1e-3, &value, NULL, NULL),
           MUCMM_ESHAPE, "a batch of 3 rows; at least 4");
    free(a.data);
    free(b.data);
    mucmm_ctx_free(ctx);
}

static void test_linear_refusals(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int64_t p[3] = {4, 3, 5}, total = 12;
    double *cov = zeros(144), rho[4], *w[3] = {zeros(16), zeros(16), zeros(20)}, u[16];

    (void)state;
    add_ridge(cov, total, 1);
    expect(ctx, mucmm__linear_common(ctx, 3, p, three_names, cov, 0, 4, 4, rho, w), MUCMM_ESHAPE,
           "right has 3 columns");
    cov[4 * total + 4] = 0;
    expect(ctx, mucmm__linear_common(ctx, 3, p, three_names, cov, 0, 2, 2, rho, w), MUCMM_ENUMERIC,
           "right (3 columns) with ridge 0 is not positive definite; raise the ridge");
    CHECK_OK(ctx, mucmm__linear_common(ctx, 3, p, three_names, cov, 1e-3, 2, 2, rho, w));
    cov[0 * total + 8] = cov[8 * total + 0] = NAN;
    expect(ctx, mucmm__linear_common(ctx, 3, p, three_names, cov, 1e-3, 2, 2, rho, w),
           MUCMM_ENUMERIC, "left with words has a value that is not finite");
    cov[0] = NAN;
    expect(ctx, mucmm__linear_common(ctx, 3, p, three_names, cov, 1e-3, 2, 2, rho, w),
           MUCMM_ENUMERIC, "left has a value that is not finite");

    memset(cov, 0, 16 * sizeof *cov);
    cov[0] = cov[5] = 1; /* 4 columns of rank 2 */
    memset(w[0], 0, 4 * sizeof **w);
    w[0][0] = 1;
    expect(ctx, mucmm__linear_individual(ctx, 4, cov, 1, w[0], 4, "left", u), MUCMM_ESHAPE,
           "left has 4 columns; 1 common and 4 individual");
    expect(ctx, mucmm__linear_individual(ctx, 4, cov, 1, w[0], 2, "left", u), MUCMM_ENUMERIC,
           "left: 2 individual components, but only 1");
    CHECK_OK(ctx, mucmm__linear_individual(ctx, 4, cov, 1, w[0], 1, "left", u));
    CHECK_CLOSE(u[1], 1, 1e-14);
    w[0][0] = NAN;
    expect(ctx, mucmm__linear_individual(ctx, 4, cov, 1, w[0], 1, "left", u), MUCMM_ENUMERIC,
           "left");
    free(cov);
    for (int m = 0; m < 3; m++)
        free(w[m]);
    mucmm_ctx_free(ctx);
}

static void test_permutation_refusals(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block c[2] = {random_block(1, 20, 3), random_block(2, 20, 2)};
    double r[3], p[3];

    (void)state;
    expect(ctx, mucmm__permutation_test(ctx, 2, c, 10, 1, r, p, NULL), MUCMM_ESHAPE, "20 x 3");
    c[1].cols = 3;
    c[1].rows = c[0].rows = 1;
    expect(ctx, mucmm__permutation_test(ctx, 2, c, 10, 1, r, p, NULL), MUCMM_ESHAPE, "at least 2");
    c[1].rows = c[0].rows = 13;
    expect(ctx, mucmm__permutation_test(ctx, 2, c, -1, 1, r, p, NULL), MUCMM_EARG,
           "-1 permutations");
    c[1].data[4] = NAN;
    expect(ctx, mucmm__permutation_test(ctx, 2, c, 10, 1, r, p, NULL), MUCMM_ENUMERIC,
           "variate 1 of view 1");
    free(c[0].data);
    free(c[1].data);
    mucmm_ctx_free(ctx);
}

/* ---- permutation test -------------------------------------------------------------- */

/* Views of k components; those below `planted` share a latent with correlation rho. */
static void plant(uint64_t key, int32_t n_views, int64_t n, int64_t k, int64_t planted, double rho,
                  mucmm__block *c)
{
    for (int32_t m = 0; m < n_views; m++) {
        c[m] = random_block(mucmm__rng_key(key, (uint64_t)m), n, k);
        for (int64_t i = 0; i < n * k; i++)
            if (i % k < planted)
                c[m].data[i] = sqrt(rho) * mucmm__rng_normal(mucmm__rng_key(key, 50), (uint64_t)i) +
                               sqrt(1 - rho) * c[m].data[i];
    }
}

static void free_views(int32_t n_views, mucmm__block *c)
{
    for (int32_t m = 0; m < n_views; m++)
        free(c[m].data);
}

static void test_permutation_statistic_is_the_mean_correlation(void **state)
{
    enum { K = 11 }; /* more than are summed up together */
    mucmm_ctx *ctx = new_ctx();
    mucmm__block c[3];
    double got[K];

    (void)state;
    plant(7, 3, 60, K, 2, 0.5, c);
    for (int64_t i = 0; i < 60; i++)
        c[2].data[i * K + 9] = 0.1; /* a constant component correlates with nothing */
    CHECK_OK(ctx, mucmm__permutation_test(ctx, 3, c, 0, 1, got, NULL, NULL));
    for (int64_t j = 0; j < K; j++) {
        double want = 0;
        for (int m = 0; m < 3; m++)
            for (int l = m + 1; l < 3; l++) {
                double *a = centered(c + m), *b = centered(c + l), ab = 0, aa = 0, bb = 0;
                for (int64_t i = 0; i < 60; i++) {
                    ab += a[i * K + j] * b[i * K + j];
                    aa += a[i * K + j] * a[i * K + j];
                    bb += b[i * K + j] * b[i * K + j];
                }
                want += j == 9 && l == 2 ? 0 : ab / sqrt(aa * bb) / 3;
                free(a);
                free(b);
            }
        CHECK_CLOSE(got[j], want, 1e-12);
    }
    free_views(3, c);
    mucmm_ctx_free(ctx);
}

static void test_permutation_finds_what_was_planted(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int32_t n_views = 2; n_views <= 4; n_views++) {
        mucmm__block c[4];
        double r[10], p[10], null[10];
        plant(8, n_views, 300, 10, 3, 0.4, c);
        CHECK_OK(ctx, mucmm__permutation_test(ctx, n_views, c, 499, 5, r, p, null));
        for (int64_t j = 0; j < 10; j++) {
            assert_true((r[j] > null[j]) == (p[j] <= 0.05));
            assert_true(null[j] > 0 && null[j] < 0.5);
            if (j < 3)
                CHECK_CLOSE(p[j], 1.0 / 500, 1e-15);
            else
                assert_true(p[j] > 0.05 && p[j] <= 1);
            for (int64_t i = 0; i < 10; i++)
                assert_true(r[i] <= r[j] || p[i] <= p[j]);
        }
        free_views(n_views, c);
    }
    mucmm_ctx_free(ctx);
}

/* Two views that are the same and a third that is independent: only if each is shuffled on its own
 * does a permutation break what they share. */
static void test_permutation_shuffles_each_view_on_its_own(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block c[3];
    double r[2], p[2];

    (void)state;
    plant(9, 3, 100, 2, 0, 0, c);
    memcpy(c[2].data, c[1].data, 200 * sizeof *c[1].data);
    CHECK_OK(ctx, mucmm__permutation_test(ctx, 3, c, 199, 5, r, p, NULL));
    CHECK_CLOSE(p[0], 1.0 / 200, 1e-15);
    CHECK_CLOSE(p[1], 1.0 / 200, 1e-15);
    free_views(3, c);
    mucmm_ctx_free(ctx);
}

/* Four rows in the best order: 1 of 24 permutations restores it and must count. */
static void test_permutation_counts_ties(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    double a[4] = {0.1, 0.7, 1.9, 2.3}, b[4] = {-0.3, 0.2, 0.35, 1.1}, r, p;
    mucmm__block c[2] = {{a, 4, 1}, {b, 4, 1}};

    (void)state;
    CHECK_OK(ctx, mucmm__permutation_test(ctx, 2, c, 2399, 5, &r, &p, NULL));
    CHECK_CLOSE(p, 1.0 / 24, 0.02);
    mucmm_ctx_free(ctx);
}

/* The chance that any of 6 components is called significant at 0.05 is 0.05; p-values of the
 * largest are uniform on k/100. */
static void test_permutation_error_rate_under_the_null(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int rejected = 0, below_half = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        mucmm__block c[2];
        double r[6], p[6], least = 1;
        plant(mucmm__rng_key(40, (uint64_t)i), 2, 80, 6, 0, 0, c);
        CHECK_OK(ctx, mucmm__permutation_test(ctx, 2, c, 99, (uint64_t)i, r, p, NULL));
        for (int j = 0; j < 6; j++)
            least = p[j] < least ? p[j] : least;
        rejected += least <= 0.05;
        below_half += least <= 0.5;
        free_views(2, c);
    }
    assert_in_range(rejected, 2, 20);
    assert_in_range(below_half, 80, 120);
    mucmm_ctx_free(ctx);
}

/* ---- threads, memory --------------------------------------------------------------- */

/* Every function once; each result goes to out, at most 4096 numbers. */
static mucmm_status run_everything(mucmm_ctx *ctx, double *out)
{
    static const int64_t p[3] = {8, 6, 7};
    static const char *const names[3] = {"left", "right", "words"};
    mucmm_status status = MUCMM_OK;
    mucmm__block x[3], g[3], phi;
    mucmm__dependence left[2] = {{0}}, *family[2] = {&left[0], &left[1]};
    int64_t made = 0;
    double *cov, *own, omega[80], phase[10], *at = out, *w[3];

    for (int m = 0; m < 3; m++) {
        x[m] = shared_block(mucmm__rng_key(61, (uint64_t)m), 99, 51, p[m]);
        g[m] = (mucmm__block){at, 51, p[m]};
        at += 51 * p[m];
    }
    cov = joint_covariance(3, x);
    own = sub_matrix(cov, 21, 0, 0, 8, 8);
    phi = zero_block(51, 10);
    mucmm__fourier_draw(5, 8, 10, omega, phase);
    mucmm__fourier_features(ctx, x, 10, omega, phase, phi.data);
    TRY(mucmm__correlation_max(ctx, 3, x, 5, 1e-3, at, at + 5, g, NULL));
    at += 6;
    TRY(mucmm__correlation_max(ctx, 2, x, 5, 1e-3, at, at + 5, NULL, at + 6));
    at += 6 + 14 * 5;
    TRY(mucmm__correlation_min(ctx, x, x + 1, 1e-3, at, at + 1, at + 1 + 51 * 8));
    at += 1 + 51 * 14;
    TRY(mucmm__correlation_min_crossfit(ctx, &phi, x + 1, 0.1, at, at + 1, NULL));
    at += 1 + 51 * 10;
    TRY(mucmm__fourier_features_vjp(ctx, x, 10, omega, phase, phi.data, at));
    at += 51 * 8;
    for (int m = 0; m < 3; at += p[m++] * 3)
        w[m] = at;
    TRY(mucmm__linear_common(ctx, 3, p, names, cov, 1e-6, 3, 4, at, w));
    at += 4;
    TRY(mucmm__linear_individual(ctx, 8, own, 3, w[0], 4, "left", at));
    at += 32;
    for (int m = 0; m < 3; m++)
        x[m].rows = 30, x[m].cols = 6;
    TRY(mucmm__permutation_test(ctx, 3, x, 29, 3, at, at + 6, at + 12));
    at += 18;
    TRY(mucmm__dependence_init(ctx, x, x + 1, 1e-3, &left[0]));
    TRY(mucmm__dependence_init_crossfit(ctx, x, x + 2, 0.1, &left[1]));
    left[0].mover_left = left[1].mover_right = 1;
    left[0].mover_right = 2;
    TRY(mucmm__dependence_test(ctx, 2, family, 29, 3, 1e9, &made));
    for (int i = 0; i < 2; i++, at += 3)
        at[0] = left[i].value, at[1] = left[i].chance, at[2] = left[i].p;
    assert_true(at - out <= 4096);
done:
    mucmm__dependence_drop(&left[0]);
    mucmm__dependence_drop(&left[1]);
    for (int m = 0; m < 3; m++)
        free(x[m].data);
    free(cov);
    free(own);
    free(phi.data);
    return status;
}

static void test_every_thread_count_gives_the_same_bytes(void **state)
{
    double *want = zeros(4096), *got = zeros(4096);

    (void)state;
    for (int32_t threads = 1; threads <= 3; threads++) {
        mucmm_ctx_params params;
        mucmm_ctx *ctx;
        mucmm_ctx_params_init(&params);
        params.threads = threads;
        assert_int_equal(mucmm_ctx_create(&params, &ctx), MUCMM_OK);
        CHECK_OK(ctx, run_everything(ctx, threads == 1 ? want : got));
        if (threads > 1)
            assert_memory_equal(got, want, 4096 * sizeof *got);
        mucmm_ctx_free(ctx);
    }
    free(want);
    free(got);
}

/* Sizes that several tasks share. */
static void test_large_batches_give_the_same_bytes(void **state)
{
    mucmm__block f[2] = {shared_block(1, 99, 500, 90), shared_block(2, 99, 500, 70)};
    mucmm__block g[2] = {zero_block(500, 90), zero_block(500, 70)};
    double *first = zeros(500 * 160), rho[70], loss, value;

    (void)state;
    for (int32_t threads = 1; threads <= 3; threads++) {
        mucmm_ctx_params params;
        mucmm_ctx *ctx;
        mucmm_ctx_params_init(&params);
        params.threads = threads;
        assert_int_equal(mucmm_ctx_create(&params, &ctx), MUCMM_OK);
        for (int which = 0; which < 2; which++) {
            if (which == 0)
                CHECK_OK(ctx, mucmm__correlation_max(ctx, 2, f, 40, 1e-3, rho, &loss, g, NULL));
            else
                CHECK_OK(ctx, mucmm__correlation_min_crossfit(ctx, f, f + 1, 0.1, &value, g[0].data,
                                                              NULL));
            if (threads == 1)
                memcpy(first + which * 500 * 70, g[1 - which].data, 500 * 70 * sizeof *first);
            else
                assert_memory_equal(first + which * 500 * 70, g[1 - which].data,
                                    500 * 70 * sizeof *first);
        }
        mucmm_ctx_free(ctx);
    }
    free_views(2, f);
    free_views(2, g);
    free(first);
}

typedef struct failing {
    int64_t calls, fail_at, live;
} failing;

static void *failing_alloc(void *user, size_t align, size_t size)
{
    failing *f = user;
    void *p = NULL;

    if (f->calls++ == f->fail_at || posix_memalign(&p, align, size) != 0)
        return NULL;
    f->live++;
    return p;
}

static void failing_release(void *user, void *p)
{
    failing *f = user;

    f->live -= p != NULL;
    free(p);
}

static void test_every_failed_allocation_is_reported(void **state)
{
    double *out = zeros(4096);
    int64_t failures = 0;

    (void)state;
    for (mucmm_status status = MUCMM_ENOMEM; status != MUCMM_OK; failures++) {
        failing f = {0, failures + 1, 0}; /* call 0 is the context's */
        mucmm_ctx_params params;
        mucmm_ctx *ctx;
        mucmm_ctx_params_init(&params);
        params.threads = 1;
        params.allocator = (mucmm_allocator){failing_alloc, failing_release, &f};
        assert_int_equal(mucmm_ctx_create(&params, &ctx), MUCMM_OK);
        status = run_everything(ctx, out);
        if (status != MUCMM_OK && status != MUCMM_ENOMEM)
            fail_msg("allocation %lld: %s: %s", (long long)failures, mucmm_status_text(status),
                     mucmm_ctx_message(ctx));
        assert_int_equal(f.live, 1);
        mucmm_ctx_free(ctx);
        assert_int_equal(f.live, 0);
    }
    assert_true(failures > 40);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_correlation_max_golden_two_views),
        cmocka_unit_test(test_correlation_max_golden_three_views),
        cmocka_unit_test(test_correlation_min_golden_linear),
        cmocka_unit_test(test_correlation_min_golden_crossfit),
        cmocka_unit_test(test_correlation_min_golden_fourier),
        cmocka_unit_test(test_linear_golden_weights_and_variates),
        cmocka_unit_test(test_linear_golden_scores),
        cmocka_unit_test(test_linear_golden_gradients_and_identities),
        cmocka_unit_test(test_correlation_max_gradient_is_the_difference_quotient),
        cmocka_unit_test(test_correlation_min_gradient_is_the_difference_quotient),
        cmocka_unit_test(test_crossfit_gradient_is_the_difference_quotient),
        cmocka_unit_test(test_fourier_features_of_large_angles),
        cmocka_unit_test(test_fourier_features_vjp_is_the_difference_quotient),
        cmocka_unit_test(test_standardize_vjp_is_the_difference_quotient),
        cmocka_unit_test(test_standardize_vjp_of_a_raised_sd),
        cmocka_unit_test(test_rho_and_dependence_ignore_invertible_maps),
        cmocka_unit_test(test_dependence_is_the_mean_square_of_rho),
        cmocka_unit_test(test_vectors_solve_the_eigenproblem),
        cmocka_unit_test(test_collapsed_outputs_stay_finite),
        cmocka_unit_test(test_crossfit_is_unbiased_under_independence),
        cmocka_unit_test(test_crossfit_sees_dependence),
        cmocka_unit_test(test_fourier_features_are_the_cosines),
        cmocka_unit_test(test_fourier_draw_has_the_three_bandwidths),
        cmocka_unit_test(test_standardize_makes_unit_columns),
        cmocka_unit_test(test_linear_leading_equals_whole),
        cmocka_unit_test(test_linear_parts_are_uncorrelated_and_additive),
        cmocka_unit_test(test_linear_sign_of_a_zero_sum),
        cmocka_unit_test(test_linear_three_views_turn_the_eigenvectors),
        cmocka_unit_test(test_correlation_max_refusals),
        cmocka_unit_test(test_correlation_min_refusals),
        cmocka_unit_test(test_linear_refusals),
        cmocka_unit_test(test_permutation_refusals),
        cmocka_unit_test(test_permutation_statistic_is_the_mean_correlation),
        cmocka_unit_test(test_permutation_finds_what_was_planted),
        cmocka_unit_test(test_permutation_shuffles_each_view_on_its_own),
        cmocka_unit_test(test_permutation_counts_ties),
        cmocka_unit_test(test_permutation_error_rate_under_the_null),
        cmocka_unit_test(test_every_thread_count_gives_the_same_bytes),
        cmocka_unit_test(test_large_batches_give_the_same_bytes),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("correlate", tests, NULL, NULL);
}
