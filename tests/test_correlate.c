/* SPDX-License-Identifier: MIT
 *
 * The objectives against reference values, against finite differences and against what they
 * must not depend on; threads and memory.
 */
#include "correlate_case.h"

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

/* The features, their standardization, K_x and the way back, one function each and in double. */
static double penalty_by_parts(mucmm_ctx *ctx, const mucmm__block *u, int64_t d,
                               const double *omega, const double *phase, const mucmm__block *b,
                               double *du, double *db)
{
    mucmm__block raw = zero_block(u->rows, d), phi = zero_block(u->rows, d);
    double *sd = zeros(d), *grad = zeros(u->rows * d), *pulled = zeros(u->rows * d), value;

    mucmm__fourier_features(ctx, u, d, omega, phase, raw.data);
    mucmm__standardize(&raw, phi.data, sd);
    CHECK_OK(ctx, mucmm__correlation_min_crossfit(ctx, &phi, b, 0.1, &value, grad, db));
    mucmm__standardize_vjp(&phi, sd, grad, pulled);
    CHECK_OK(ctx, mucmm__fourier_features_vjp(ctx, u, d, omega, phase, pulled, du));
    free(raw.data);
    free(phi.data);
    free(sd);
    free(grad);
    free(pulled);
    return value;
}

static void check_close(const char *what, int64_t n, const double *got, const double *want)
{
    double largest = 0, off = 0;

    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(want[i]));
        off = fmax(off, fabs(got[i] - want[i]));
    }
    if (!(largest > 0 && off <= 2e-4 * largest))
        fail_msg("%s: off by %g of at most %g", what, off, largest);
}

/* Sizes around those of strips and tiles, an odd row, fewer rows in use than there is room for. */
static void test_kernel_penalty_is_its_parts(void **state)
{
    static const int64_t shapes[][4] = {{40, 3, 7, 4}, {201, 5, 97, 3}, {400, 8, 130, 100}};
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int64_t n = shapes[i][0], q = shapes[i][1], d = shapes[i][2], e = shapes[i][3];
        mucmm__block u = shared_block(3, 99, n, q), b = shared_block(4, 99, n, e);
        double *omega = zeros(q * d), *phase = zeros(d), *want[2] = {zeros(n * q), zeros(n * e)};
        double *got[2] = {zeros(n * q), zeros(n * e)}, value, wanted;
        mucmm__kernel_penalty *w = NULL;
        mucmm__fourier_draw(7, q, d, omega, phase);
        for (int64_t j = 0; j < q; j++)
            omega[j * d] = 0; /* a feature that does not vary */
        wanted = penalty_by_parts(ctx, &u, d, omega, phase, &b, want[0], want[1]);
        CHECK_OK(ctx, mucmm__kernel_penalty_create(ctx, n + 3, q, d, e + 2, &w));
        for (int again = 0; again < 2; again++)
            CHECK_OK(ctx, mucmm__kernel_penalty_value(ctx, w, &u, omega, phase, &b, 0.1, &value,
                                                      got[0], got[1]));
        assert_true(wanted > 0.01 && fabs(value - wanted) <= 1e-4 * wanted);
        check_close("the gradient for u", n * q, got[0], want[0]);
        check_close("the gradient for b", n * e, got[1], want[1]);
        mucmm__kernel_penalty_free(w);
        for (int j = 0; j < 2; j++) {
            free(want[j]);
            free(got[j]);
        }
        free(omega);
        free(phase);
        free(u.data);
        free(b.data);
    }
    mucmm_ctx_free(ctx);
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

/* ---- refusals ---------------------------------------------------------------------- */

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

/* ---- threads, memory --------------------------------------------------------------- */

/* Every function once; each result goes to out, at most 4096 numbers. */
static mucmm_status run_everything(mucmm_ctx *ctx, double *out)
{
    static const int64_t p[3] = {8, 6, 7};
    static const char *const names[3] = {"left", "right", "words"};
    mucmm_status status = MUCMM_OK;
    mucmm__block x[3], g[3], phi;
    mucmm__dependence left[2] = {{0}}, *family[2] = {&left[0], &left[1]};
    mucmm__kernel_penalty *penalty = NULL;
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
    TRY(mucmm__kernel_penalty_create(ctx, 51, 8, 10, x[1].cols, &penalty));
    TRY(mucmm__kernel_penalty_value(ctx, penalty, x, omega, phase, x + 1, 0.1, at, at + 1,
                                    at + 1 + 51 * 8));
    at += 1 + 51 * (8 + x[1].cols);
    for (int m = 0; m < 3; at += p[m++] * 3)
        w[m] = at;
    TRY(mucmm__closed_form_common(ctx, 3, p, names, cov, 1e-6, 3, 4, at, w));
    at += 4;
    TRY(mucmm__closed_form_individual(ctx, 8, own, 3, w[0], 4, "left", at));
    at += 32;
    for (int m = 0; m < 3; m++)
        x[m].rows = 30, x[m].cols = 6;
    TRY(mucmm__permutation_test(ctx, 3, x, 29, 3, at, at + 6, at + 12));
    at += 18;
    TRY(mucmm__dependence_init(ctx, x, x + 1, 1e-3, &left[0]));
    TRY(mucmm__dependence_init_crossfit(ctx, x, x + 2, 0.1, &left[1]));
    left[0].mover_left = left[1].mover_right = 1;
    left[0].mover_right = 2;
    TRY(mucmm__dependence_test(ctx, NULL, 2, family, 29, 3, 1e9, &made));
    for (int i = 0; i < 2; i++, at += 3)
        at[0] = left[i].value, at[1] = left[i].chance, at[2] = left[i].p;
    assert_true(at - out <= 4096);
done:
    mucmm__kernel_penalty_free(penalty);
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

static void test_every_failed_allocation_is_reported(void **state)
{
    double *out = zeros(4096);
    int64_t failures = 0;

    (void)state;
    for (mucmm_status status = MUCMM_ENOMEM; status != MUCMM_OK; failures++) {
        failing_heap f = {.fail_at = failures + 1}; /* call 0 is the context's */
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

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_correlation_max_golden_two_views),
        cmocka_unit_test(test_correlation_max_golden_three_views),
        cmocka_unit_test(test_correlation_min_golden_linear),
        cmocka_unit_test(test_correlation_min_golden_crossfit),
        cmocka_unit_test(test_correlation_min_golden_fourier),
        cmocka_unit_test(test_correlation_max_gradient_is_the_difference_quotient),
        cmocka_unit_test(test_correlation_min_gradient_is_the_difference_quotient),
        cmocka_unit_test(test_crossfit_gradient_is_the_difference_quotient),
        cmocka_unit_test(test_kernel_penalty_is_its_parts),
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
        cmocka_unit_test(test_correlation_max_refusals),
        cmocka_unit_test(test_correlation_min_refusals),
        cmocka_unit_test(test_every_thread_count_gives_the_same_bytes),
        cmocka_unit_test(test_large_batches_give_the_same_bytes),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("correlate", tests, NULL, NULL);
}
