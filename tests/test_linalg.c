/* SPDX-License-Identifier: MIT
 *
 * test_linalg.c - products, moments and factorizations: residuals on hard inputs, the
 * same bytes for any number of threads and any chunking, and every way to fail. */
#include "harness.h"

#include "linalg/linalg.h"

#include <float.h>
#include <pthread.h>

/* ---- helpers ----------------------------------------------------------------------- */

static mucmm_ctx *ctx_with_threads(int32_t threads)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;

    mucmm_ctx_params_init(&p);
    p.threads = threads;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    return ctx;
}

static double *doubles(int64_t n)
{
    double *x = calloc(n > 0 ? (size_t)n : 1, sizeof *x);
    assert_non_null(x);
    return x;
}

static float *floats(int64_t n)
{
    float *x = calloc(n > 0 ? (size_t)n : 1, sizeof *x);
    assert_non_null(x);
    return x;
}

static double *copy_of(const double *x, int64_t n)
{
    double *y = doubles(n);
    memcpy(y, x, (size_t)n * sizeof *y);
    return y;
}

static double *normals(uint64_t stream, int64_t n)
{
    uint64_t key = mucmm__rng_key(7, stream);
    double *x = doubles(n);

    for (int64_t i = 0; i < n; i++)
        x[i] = mucmm__rng_normal(key, (uint64_t)i);
    return x;
}

static float *float_normals(uint64_t stream, int64_t n, double mean)
{
    uint64_t key = mucmm__rng_key(7, stream);
    float *x = floats(n);

    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(mean + mucmm__rng_normal(key, (uint64_t)i));
    return x;
}

/* C [m, n] = op(A) op(B), the plainest way. */
static double *naive(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const double *a,
                     const double *b)
{
    double *c = doubles(m * n);

    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < k; l++)
            for (int64_t j = 0; j < n; j++)
                c[i * n + j] +=
                    (ta ? a[l * m + i] : a[i * k + l]) * (tb ? b[j * k + l] : b[l * n + j]);
    return c;
}

static double norm(const double *a, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++)
        s += a[i] * a[i];
    return sqrt(s);
}

static double distance(const double *a, const double *b, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++)
        s += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(s);
}

static double from_identity(const double *a, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            s += (a[i * n + j] - (i == j)) * (a[i * n + j] - (i == j));
    return sqrt(s);
}

/* B B' / cols + shift I, of rank min(n, cols) when shift = 0. */
static double *gram(uint64_t stream, int64_t n, int64_t cols, double shift)
{
    double *b = normals(stream, n * cols), *a = naive(false, true, n, n, cols, b, b);

    for (int64_t i = 0; i < n * n; i++)
        a[i] = a[i] / (double)cols + (i % (n + 1) == 0 ? shift : 0);
    free(b);
    return a;
}

static double *hilbert(int64_t n)
{
    double *a = doubles(n * n);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            a[i * n + j] = 1 / (double)(i + j + 1);
    return a;
}

static mucmm_ctx *failing_ctx(failing_heap *f)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;

    mucmm_ctx_params_init(&p);
    p.threads = 2;
    p.allocator = (mucmm_allocator){failing_alloc, failing_release, f};
    f->fail_at = -1;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    f->calls = 0;
    return ctx;
}

/* ---- products ---------------------------------------------------------------------- */

static const int64_t product_sizes[][3] = {{1, 1, 1},    {1, 5, 3},    {17, 1, 9},
                                           {33, 29, 65}, {64, 64, 64}, {300, 130, 70},
                                           {3, 1100, 5}, {2, 3, 2000}};

static void test_linalg_dgemm_agrees_with_the_plain_sum(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    (void)state;

    for (size_t s = 0; s < sizeof product_sizes / sizeof *product_sizes; s++)
        for (int trans = 0; trans < 4; trans++) {
            int64_t m = product_sizes[s][0], n = product_sizes[s][1], k = product_sizes[s][2];
            bool ta = trans & 1, tb = trans & 2;
            double *a = normals(1, m * k), *b = normals(2, k * n), *old = normals(3, m * n);
            double *want = naive(ta, tb, m, n, k, a, b), *c = copy_of(old, m * n);

            CHECK_OK(ctx,
                     mucmm__dgemm(ctx, ta, tb, m, n, k, 2, a, ta ? m : k, b, tb ? k : n, -1, c, n));
            for (int64_t i = 0; i < m * n; i++)
                CHECK_CLOSE(c[i], 2 * want[i] - old[i], 1e-13 * (double)(k + 10));
            free(a), free(b), free(old), free(want), free(c);
        }
    mucmm_ctx_free(ctx);
}

static void test_linalg_gemm_agrees_with_the_plain_sum(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    (void)state;

    for (size_t s = 0; s < sizeof product_sizes / sizeof *product_sizes; s++)
        for (int trans = 0; trans < 4; trans++) {
            int64_t m = product_sizes[s][0], n = product_sizes[s][1], k = product_sizes[s][2];
            bool ta = trans & 1, tb = trans & 2;
            float *fa = float_normals(1, m * k, 0), *fb = float_normals(2, k * n, 0),
                  *fc = floats(m * n);
            double *a = doubles(m * k), *b = doubles(k * n), *want;

            for (int64_t i = 0; i < m * k; i++)
                a[i] = (double)fa[i];
            for (int64_t i = 0; i < k * n; i++)
                b[i] = (double)fb[i];
            want = naive(ta, tb, m, n, k, a, b);
            for (int64_t i = 0; i < m * n; i++)
                fc[i] = 1;
            CHECK_OK(ctx, mucmm__gemm(ctx, ta, tb, m, n, k, 0.5f, fa, ta ? m : k, fb, tb ? k : n, 3,
                                      fc, n));
            for (int64_t i = 0; i < m * n; i++)
                CHECK_CLOSE((double)fc[i], 0.5 * want[i] + 3, 4e-7 * (10 + sqrt((double)k) * 4));
            free(fa), free(fb), free(fc), free(a), free(b), free(want);
        }
    mucmm_ctx_free(ctx);
}

/* Strides larger than the rows; beta = 0 must not read C, and the gaps stay as they were. */
static void test_linalg_products_respect_strides_and_beta_zero(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    enum { M = 70, N = 50, K = 40, LA = 43, LB = 57, LC = 61 };
    float *a = float_normals(1, M * LA, 0), *b = float_normals(2, K * LB, 0), *c = floats(M * LC);
    double *da = doubles(M * LA), *db = doubles(K * LB), *dc = doubles(M * LC);
    (void)state;

    for (int64_t i = 0; i < M * LA; i++)
        da[i] = (double)a[i];
    for (int64_t i = 0; i < K * LB; i++)
        db[i] = (double)b[i];
    for (int64_t i = 0; i < M * LC; i++) {
        c[i] = i % LC < N ? NAN : 5;
        dc[i] = i % LC < N ? NAN : 5;
    }
    CHECK_OK(ctx, mucmm__gemm(ctx, false, false, M, N, K, 1, a, LA, b, LB, 0, c, LC));
    CHECK_OK(ctx, mucmm__dgemm(ctx, false, false, M, N, K, 1, da, LA, db, LB, 0, dc, LC));
    for (int64_t i = 0; i < M * LC; i++) {
        double want = i % LC < N ? 0 : 5;
        for (int64_t l = 0; i % LC < N && l < K; l++)
            want += da[i / LC * LA + l] * db[l * LB + i % LC];
        CHECK_CLOSE(dc[i], want, 1e-12);
        CHECK_CLOSE((double)c[i], want, 2e-5);
    }
    free(a), free(b), free(c), free(da), free(db), free(dc);
    mucmm_ctx_free(ctx);
}

static void test_linalg_products_of_size_zero(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    float fc[4] = {1, 2, 3, NAN}, f = 0;
    double dc[4] = {1, 2, 3, NAN}, d = 0;
    (void)state;

    CHECK_OK(ctx, mucmm__gemm(ctx, false, false, 0, 2, 2, 1, &f, 2, &f, 2, 0, fc, 2));
    CHECK_OK(ctx, mucmm__gemm(ctx, false, false, 2, 0, 2, 1, &f, 2, &f, 0, 0, fc, 2));
    CHECK_OK(ctx, mucmm__dgemm(ctx, false, false, 0, 2, 2, 1, &d, 2, &d, 2, 0, dc, 2));
    CHECK_CLOSE((double)fc[0], 1, 0);
    CHECK_OK(ctx, mucmm__gemm(ctx, false, false, 1, 3, 0, 1, &f, 0, &f, 3, 2, fc, 4));
    CHECK_OK(ctx, mucmm__dgemm(ctx, false, false, 1, 3, 0, 1, &d, 0, &d, 3, 2, dc, 4));
    CHECK_CLOSE((double)fc[2], 6, 0);
    CHECK_CLOSE(dc[2], 6, 0);
    CHECK_OK(ctx, mucmm__gemm(ctx, false, false, 2, 2, 0, 1, &f, 0, &f, 2, 0, fc, 2));
    CHECK_OK(ctx, mucmm__dgemm(ctx, false, false, 2, 2, 0, 1, &d, 0, &d, 2, 0, dc, 2));
    CHECK_CLOSE((double)fc[3], 0, 0);
    CHECK_CLOSE(dc[3], 0, 0);
    mucmm_ctx_free(ctx);
}

static void test_linalg_products_refuse_bad_sizes(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    float f = 0;
    double d = 0;
    int64_t wide = (int64_t)INT32_MAX + 1;
    (void)state;

    assert_int_equal(mucmm__gemm(ctx, false, false, -1, 2, 2, 1, &f, 2, &f, 2, 0, &f, 2),
                     MUCMM_ESHAPE);
    assert_int_equal(mucmm__gemm(ctx, false, false, 2, 2, 2, 1, &f, 1, &f, 2, 0, &f, 2),
                     MUCMM_ESHAPE);
    assert_int_equal(mucmm__dgemm(ctx, true, false, 3, 2, 2, 1, &d, 2, &d, 2, 0, &d, 2),
                     MUCMM_ESHAPE);
    assert_int_equal(mucmm__dgemm(ctx, false, false, 1, 1, wide, 1, &d, wide, &d, 1, 0, &d, 1),
                     MUCMM_ESHAPE);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "2147483648"));
    assert_int_equal(mucmm__eigen(ctx, wide, &d, 1, &d, NULL), MUCMM_ESHAPE);
    assert_int_equal(mucmm__cholesky(ctx, wide, &d, "matrix"), MUCMM_ESHAPE);
    assert_int_equal(mucmm__svd(ctx, wide, 2, &d, NULL, &d, NULL), MUCMM_ESHAPE);
    assert_int_equal(mucmm__eigen(ctx, 1, &d, 2, &d, NULL), MUCMM_ESHAPE);
    mucmm_ctx_free(ctx);
}

static void test_linalg_bench_gemm_reports_a_rate(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    double rate = -1;
    (void)state;

    CHECK_OK(ctx, mucmm_bench_gemm(ctx, 64, 64, 64, 2, &rate));
    assert_true(rate > 0);
    assert_int_equal(mucmm_bench_gemm(ctx, 64, 0, 64, 2, &rate), MUCMM_EARG);
    assert_int_equal(mucmm_bench_gemm(ctx, 64, 64, 64, 0, &rate), MUCMM_EARG);
    mucmm_ctx_free(ctx);
}

/* ---- Cholesky and triangular systems ----------------------------------------------- */

static void check_cholesky(mucmm_ctx *ctx, const double *a, int64_t n)
{
    double *l = copy_of(a, n * n), *back;

    CHECK_OK(ctx, mucmm__cholesky(ctx, n, l, "test matrix"));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++)
            CHECK_CLOSE(l[i * n + j], 0, 0);
    back = naive(false, true, n, n, n, l, l);
    CHECK_CLOSE(distance(back, a, n * n), 0, 2 * (double)n * DBL_EPSILON * norm(a, n * n));
    free(l), free(back);
}

static void test_linalg_cholesky_residual(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    double one = 4, *a;
    (void)state;

    CHECK_OK(ctx, mucmm__cholesky(ctx, 0, NULL, "empty"));
    CHECK_OK(ctx, mucmm__cholesky(ctx, 1, &one, "one"));
    CHECK_CLOSE(one, 2, 0);
    for (int64_t n = 2; n <= 12; n += 5) { /* Hilbert of 12: condition 1.8e16 */
        a = hilbert(n);
        check_cholesky(ctx, a, n);
        free(a);
    }
    a = gram(1, 200, 50, 1e-9);
    check_cholesky(ctx, a, 200);
    free(a);
    mucmm_ctx_free(ctx);
}

static void test_linalg_cholesky_names_what_is_not_definite(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    double a[4] = {1, 2, 2, 1}, b[4] = {1, 0, 0, NAN}, c[4] = {1, INFINITY, INFINITY, 1};
    (void)state;

    assert_int_equal(mucmm__cholesky(ctx, 2, a, "covariance of view 'left'"), MUCMM_ENUMERIC);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "covariance of view 'left'"));
    assert_int_equal(mucmm__cholesky(ctx, 2, b, "b"), MUCMM_ENUMERIC);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "row 1, column 1"));
    assert_int_equal(mucmm__cholesky(ctx, 2, c, "c"), MUCMM_ENUMERIC);
    mucmm_ctx_free(ctx);
}

static void test_linalg_solve_lower_residual(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    static const int64_t sizes[][2] = {{1, 1}, {5, 1}, {40, 64}, {150, 300}};
    (void)state;

    for (size_t s = 0; s < 4; s++)
        for (int trans = 0; trans < 2; trans++) {
            int64_t n = sizes[s][0], m = sizes[s][1];
            double *l = gram(2, n, n + 5, 0.5), *b = normals(3, n * m), *x = copy_of(b, n * m),
                   *back;

            CHECK_OK(ctx, mucmm__cholesky(ctx, n, l, "matrix"));
            CHECK_OK(ctx, mucmm__solve_lower(ctx, trans, n, m, l, x));
            back = naive(trans, false, n, m, n, l, x);
            CHECK_CLOSE(distance(back, b, n * m), 0,
                        4 * (double)n * DBL_EPSILON * norm(l, n * n) * norm(x, n * m));
            free(l), free(b), free(x), free(back);
        }
    CHECK_OK(ctx, mucmm__solve_lower(ctx, false, 0, 5, NULL, NULL));
    CHECK_OK(ctx, mucmm__solve_lower(ctx, false, 5, 0, NULL, NULL));
    mucmm_ctx_free(ctx);
}

/* ---- eigenproblems ----------------------------------------------------------------- */

/* |A V - V diag(w)| and |V' V - I|, or with D: |A V - D V diag(w)| and |V' D V - I|. */
static void check_eigen(const double *a, const double *d, int64_t n, int64_t k, const double *w,
                        const double *v, double scale)
{
    double *av = naive(false, false, n, k, n, a, v);
    double *dv = d ? naive(false, false, n, k, n, d, v) : copy_of(v, n * k);
    double *inner = naive(true, false, k, k, n, v, dv);

    for (int64_t j = 0; j + 1 < k; j++)
        assert_true(w[j] >= w[j + 1]);
    for (int64_t i = 0; i < n * k; i++)
        av[i] -= dv[i] * w[i % k];
    CHECK_CLOSE(norm(av, n * k), 0,
                20 * (double)n * DBL_EPSILON * (norm(a, n * n) + 1e-300) * scale);
    CHECK_CLOSE(from_identity(inner, k), 0, 20 * (double)n * DBL_EPSILON * scale);
    free(av), free(dv), free(inner);
}

static void eigen_of(mucmm_ctx *ctx, double *a, int64_t n, int64_t k)
{
    double *w = doubles(k), *v = doubles(n * k), *work = copy_of(a, n * n), *only = doubles(k);

    CHECK_OK(ctx, mucmm__eigen(ctx, n, work, k, w, v));
    check_eigen(a, NULL, n, k, w, v, 1);
    memcpy(work, a, (size_t)(n * n) * sizeof *work);
    CHECK_OK(ctx, mucmm__eigen(ctx, n, work, k, only, NULL));
    for (int64_t j = 0; j < k; j++)
        CHECK_CLOSE(only[j], w[j], 20 * (double)n * DBL_EPSILON * (norm(a, n * n) + 1e-300));
    free(w), free(v), free(work), free(only), free(a);
}

static void test_linalg_eigen_residual_on_hard_inputs(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    double *clusters = doubles(90 * 90), zero = 0;
    (void)state;

    eigen_of(ctx, hilbert(1), 1, 1);
    eigen_of(ctx, hilbert(2), 2, 1);
    eigen_of(ctx, hilbert(40), 40, 40);
    eigen_of(ctx, gram(1, 300, 20, 0), 300, 30); /* rank 20: ten of the thirty in a cluster at 0 */
    eigen_of(ctx, gram(2, 120, 400, 0), 120, 120);
    eigen_of(ctx, doubles(50 * 50), 50, 7); /* all zero: a constant view */
    for (int64_t i = 0; i < 90; i++)
        clusters[i * 91] = i < 60 ? 1 : -1;
    eigen_of(ctx, clusters, 90, 45);
    CHECK_OK(ctx, mucmm__eigen(ctx, 0, &zero, 0, &zero, &zero));
    CHECK_OK(ctx, mucmm__eigen(ctx, 1, &zero, 0, &zero, &zero));
    mucmm_ctx_free(ctx);
}

static void test_linalg_eigen_of_known_values(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    enum { N = 64 };
    double *a = doubles(N * N), w[N];
    (void)state;

    for (int64_t i = 0; i < N; i++) { /* second difference: 2 - 2 cos(pi j / (N + 1)) */
        a[i * N + i] = 2;
        if (i + 1 < N)
            a[i * N + i + 1] = a[(i + 1) * N + i] = -1;
    }
    CHECK_OK(ctx, mucmm__eigen(ctx, N, a, N, w, NULL));
    for (int64_t j = 0; j < N; j++)
        CHECK_CLOSE(w[j], 2 - 2 * cos(3.14159265358979323846 * (double)(N - j) / (N + 1)), 1e-13);
    free(a);
    mucmm_ctx_free(ctx);
}

static void test_linalg_eigen_general_residual(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    static const struct {
        int64_t n, k;
        double shift, scale; /* scale: the condition of D, which enters the error */
    } cases[] = {{1, 1, 1, 4}, {30, 30, 0.5, 20}, {200, 12, 0.1, 100}, {150, 150, 1e-4, 1e5}};
    (void)state;

    for (size_t c = 0; c < 4; c++) {
        int64_t n = cases[c].n, k = cases[c].k;
        double *s = gram(1, n, 2 * n, 0), *d = gram(2, n, n / 2 + 1, cases[c].shift);
        double *s0 = copy_of(s, n * n), *d0 = copy_of(d, n * n), *w = doubles(k),
               *v = doubles(n * k);

        CHECK_OK(ctx, mucmm__eigen_general(ctx, n, s, d, k, w, v, "covariance"));
        check_eigen(s0, d0, n, k, w, v, cases[c].scale);
        free(s), free(d), free(s0), free(d0), free(w), free(v);
    }
    mucmm_ctx_free(ctx);
}

static void test_linalg_eigen_general_names_a_singular_matrix(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    double s[4] = {1, 0, 0, 1}, d[4] = {1, 1, 1, 1}, w[2], v[4];
    (void)state;

    assert_int_equal(mucmm__eigen_general(ctx, 2, s, d, 2, w, v, "block covariance"),
                     MUCMM_ENUMERIC);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "block covariance"));
    mucmm_ctx_free(ctx);
}

static void test_linalg_nan_is_an_error(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    (void)state;

    for (int64_t n = 1; n <= 60; n += 59) {
        double *a = gram(1, n, n, 1), *d = gram(1, n, n, 1), *w = doubles(n), *u = doubles(n * n),
               *v = doubles(n * n);
        a[n * n - 1] = NAN;
        assert_int_equal(mucmm__eigen(ctx, n, a, n, w, v), MUCMM_ENUMERIC);
        assert_int_equal(mucmm__eigen_general(ctx, n, a, d, n, w, v, "d"), MUCMM_ENUMERIC);
        assert_int_equal(mucmm__eigen_general(ctx, n, d, a, n, w, v, "d"), MUCMM_ENUMERIC);
        assert_int_equal(mucmm__svd(ctx, n, n, a, u, w, v), MUCMM_ENUMERIC);
        a[n * n - 1] = -INFINITY;
        assert_int_equal(mucmm__svd(ctx, n, n, a, NULL, w, NULL), MUCMM_ENUMERIC);
        free(a), free(d), free(w), free(u), free(v);
    }
    mucmm_ctx_free(ctx);
}

/* ---- singular values --------------------------------------------------------------- */

static void check_svd(mucmm_ctx *ctx, double *a, int64_t m, int64_t n)
{
    int64_t r = m < n ? m : n;
    double *work = copy_of(a, m * n), *u = doubles(m * r), *s = doubles(r), *vt = doubles(r * n);
    double *us, *back, *uu, *vv, *only = doubles(r), size = norm(a, m * n);
    double tolerance = 20 * (double)(m + n) * DBL_EPSILON;

    CHECK_OK(ctx, mucmm__svd(ctx, m, n, work, u, s, vt));
    uu = naive(true, false, r, r, m, u, u);
    vv = naive(false, true, r, r, n, vt, vt);
    CHECK_CLOSE(from_identity(uu, r), 0, tolerance);
    CHECK_CLOSE(from_identity(vv, r), 0, tolerance);
    us = copy_of(u, m * r);
    for (int64_t i = 0; i < m * r; i++)
        us[i] *= s[i % r];
    back = naive(false, false, m, n, r, us, vt);
    CHECK_CLOSE(distance(back, a, m * n), 0, tolerance * size);
    memcpy(work, a, (size_t)(m * n) * sizeof *work);
    CHECK_OK(ctx, mucmm__svd(ctx, m, n, work, NULL, only, NULL));
    for (int64_t j = 0; j < r; j++) {
        CHECK_CLOSE(only[j], s[j], tolerance * size);
        assert_true(s[j] >= 0 && (j == 0 || s[j] <= s[j - 1]));
    }
    free(work), free(u), free(s), free(vt), free(us), free(back), free(uu), free(vv), free(only),
        free(a);
}

static void test_linalg_svd_residual(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    (void)state;

    check_svd(ctx, normals(1, 1), 1, 1);
    check_svd(ctx, normals(1, 7), 1, 7);
    check_svd(ctx, normals(1, 7), 7, 1);
    check_svd(ctx, normals(1, 90 * 40), 90, 40);
    check_svd(ctx, normals(1, 40 * 90), 40, 90);
    check_svd(ctx, hilbert(30), 30, 30);
    check_svd(ctx, gram(1, 60, 5, 0), 60, 60);
    check_svd(ctx, doubles(20 * 10), 20, 10);
    CHECK_OK(ctx, mucmm__svd(ctx, 0, 5, NULL, NULL, NULL, NULL));
    mucmm_ctx_free(ctx);
}

/* ---- joint diagonals --------------------------------------------------------------- */

/* a_i = u d_i u' of one rotation u: the rotation found makes all of them diagonal again. Dimensions
 * 0 and 1 are alike in all matrices and may stay mixed; a lone off-diagonal needs a turn of 45
 * degrees from where the slope is zero. */
static void test_linalg_joint_diagonal_finds_the_planted_axes(void **state)
{
    enum { N = 6, COUNT = 3 };
    mucmm_ctx *ctx = ctx_with_threads(1);
    double *x = gram(3, 20, N, 0), values[N], u[N * N], a[COUNT * N * N], kept[COUNT * N * N];
    double v[N * N], swap[4] = {0, 1, 1, 0}, turn[4];

    (void)state;
    assert_int_equal(mucmm__eigen(ctx, N, x, N, values, u), MUCMM_OK);
    for (int i = 0; i < COUNT; i++) {
        double *half, d[N * N] = {0}, *whole;
        for (int j = 0; j < N; j++)
            d[j * (N + 1)] = sin(1.0 + i + 3 * (j < 2 ? 0 : j));
        half = naive(false, false, N, N, N, u, d);
        whole = naive(false, true, N, N, N, half, u);
        memcpy(a + i * N * N, whole, sizeof d);
        free(half);
        free(whole);
    }
    memcpy(kept, a, sizeof a);
    mucmm__joint_diagonal(N, COUNT, a, v);
    for (int i = 0; i < COUNT; i++) {
        double *half = naive(true, false, N, N, N, v, kept + i * N * N);
        double *whole = naive(false, false, N, N, N, half, v);
        assert_true(distance(whole, a + i * N * N, N * N) < 1e-13);
        for (int p = 0; p < N; p++)
            for (int q = 0; q < N; q++)
                if (p != q)
                    CHECK_CLOSE(whole[p * N + q], 0, 1e-12);
        free(half);
        free(whole);
    }
    mucmm__joint_diagonal(2, 1, swap, turn);
    CHECK_CLOSE(fabs(swap[0]), 1, 1e-15);
    CHECK_CLOSE(swap[1], 0, 1e-15);
    free(x);
    mucmm_ctx_free(ctx);
}

/* ---- the same bytes for any number of threads -------------------------------------- */

typedef struct results {
    double product[300 * 310], l[300 * 300], x[300 * 310], values[300], vectors[300 * 40], s[300];
} results;

static void compute_all(mucmm_ctx *ctx, results *r)
{
    enum { N = 300, M = 310, K = 40 };
    double *a = normals(1, N * 200), *b = normals(2, 200 * M), *s = gram(3, N, 250, 0.01);
    double *d = gram(4, N, 320, 0.2), *svd = normals(5, N * M);

    memset(r, 0, sizeof *r);
    CHECK_OK(ctx, mucmm__dgemm(ctx, false, false, N, M, 200, 1, a, 200, b, M, 0, r->product, M));
    memcpy(r->l, d, sizeof r->l);
    memcpy(r->x, r->product, sizeof r->x);
    CHECK_OK(ctx, mucmm__cholesky(ctx, N, r->l, "matrix"));
    CHECK_OK(ctx, mucmm__solve_lower(ctx, true, N, M, r->l, r->x));
    CHECK_OK(ctx, mucmm__eigen_general(ctx, N, s, d, K, r->values, r->vectors, "matrix"));
    CHECK_OK(ctx, mucmm__svd(ctx, N, M, svd, NULL, r->s, NULL));
    free(a), free(b), free(s), free(d), free(svd);
}

static void test_linalg_doubles_have_the_same_bytes_for_any_threads(void **state)
{
    results *want = malloc(sizeof *want), *got = malloc(sizeof *got);
    (void)state;

    assert_true(want && got);
    for (int32_t threads = 1; threads <= 3; threads++) {
        mucmm_ctx *ctx = ctx_with_threads(threads);
        compute_all(ctx, threads == 1 ? want : got);
        if (threads > 1)
            assert_memory_equal(want, got, sizeof *want);
        mucmm_ctx_free(ctx);
    }
    free(want), free(got);
}

extern int openblas_get_num_threads(void) __attribute__((weak));
extern void openblas_set_num_threads(int n) __attribute__((weak));

static void *compute_in_thread(void *out)
{
    mucmm_ctx *ctx = ctx_with_threads(2);
    for (int i = 0; i < 5; i++)
        compute_all(ctx, out);
    mucmm_ctx_free(ctx);
    return NULL;
}

/* Contexts in two threads at once: same bytes, and the process's BLAS setting is put back. */
static void test_linalg_contexts_in_two_threads_do_not_disturb_each_other(void **state)
{
    results *r = malloc(3 * sizeof *r);
    int before = openblas_get_num_threads ? openblas_get_num_threads() : 0;
    pthread_t thread[2];
    (void)state;

    assert_non_null(r);
    if (openblas_set_num_threads)
        openblas_set_num_threads(2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, compute_in_thread, &r[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    compute_in_thread(&r[2]);
    assert_memory_equal(&r[0], &r[2], sizeof *r);
    assert_memory_equal(&r[1], &r[2], sizeof *r);
    if (openblas_get_num_threads) {
        assert_int_equal(openblas_get_num_threads(), 2);
        openblas_set_num_threads(before);
    }
    free(r);
}

/* ---- moments ----------------------------------------------------------------------- */

typedef struct moments_out {
    double *mean_x, *mean_y, *cov, *var_x, *var_y;
    int64_t p, q, cov_items;
} moments_out;

static moments_out moments_out_new(int64_t p, int64_t q)
{
    int64_t items = p * (q > 0 ? q : p);
    return (moments_out){doubles(p), doubles(q), doubles(items), doubles(p), doubles(q),
                         p,          q,          items};
}

static void moments_out_drop(moments_out *o)
{
    free(o->mean_x), free(o->mean_y), free(o->cov), free(o->var_x), free(o->var_y);
}

static void get_all(mucmm_ctx *ctx, mucmm__moments *m, moments_out *o)
{
    CHECK_OK(ctx, mucmm__moments_get(ctx, m, o->mean_x, o->mean_y, o->cov, o->var_x, o->var_y));
}

static void assert_same_bytes(const moments_out *a, const moments_out *b)
{
    assert_memory_equal(a->mean_x, b->mean_x, (size_t)a->p * sizeof(double));
    assert_memory_equal(a->var_x, b->var_x, (size_t)a->p * sizeof(double));
    assert_memory_equal(a->cov, b->cov, (size_t)a->cov_items * sizeof(double));
    if (a->q > 0) {
        assert_memory_equal(a->mean_y, b->mean_y, (size_t)a->q * sizeof(double));
        assert_memory_equal(a->var_y, b->var_y, (size_t)a->q * sizeof(double));
    }
}

/* x [n, p] and y [n, q] side by side in z [n, p + q]. */
static void push_chunked(mucmm_ctx *ctx, mucmm__moments *m, const float *z, int64_t n, int64_t p,
                         int64_t q, int64_t chunk)
{
    int64_t stride = p + q;

    for (int64_t i = 0; i < n; i += chunk) {
        int64_t rows = n - i < chunk ? n - i : chunk;
        mucmm_cmat x = {z + i * stride, rows, p, stride}, y = {z + i * stride + p, rows, q, stride};
        CHECK_OK(ctx, mucmm__moments_push(ctx, m, &x, q > 0 ? &y : NULL));
    }
}

static void float_moments(mucmm_ctx *ctx, const float *z, int64_t n, int64_t p, int64_t q,
                          int64_t chunk, moments_out *o)
{
    mucmm__moments *m = NULL;

    CHECK_OK(ctx, mucmm__moments_create(ctx, p, q, &m));
    push_chunked(ctx, m, z, n, p, q, chunk);
    assert_int_equal(mucmm__moments_rows(m), n);
    get_all(ctx, m, o);
    mucmm__moments_free(m);
}

/* Two passes in long double over what is in the floats. */
static void plain_moments(const float *z, int64_t n, int64_t p, int64_t q, moments_out *o)
{
    int64_t cols = p + q, width = q > 0 ? q : p, from = q > 0 ? p : 0;
    long double *mean = calloc((size_t)cols, sizeof *mean);
    double *c = doubles(n * cols), *cov;

    assert_non_null(mean);
    for (int64_t i = 0; i < n * cols; i++)
        mean[i % cols] += (long double)z[i];
    for (int64_t j = 0; j < cols; j++)
        mean[j] /= (long double)n;
    for (int64_t i = 0; i < n * cols; i++) {
        c[i] = (double)((long double)z[i] - mean[i % cols]);
        (i % cols < p ? o->var_x : o->var_y - p)[i % cols] += c[i] * c[i] / (double)(n - 1);
    }
    cov = doubles(p * width);
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < p; i++)
            for (int64_t j = 0; j < width; j++)
                cov[i * width + j] += c[r * cols + i] * c[r * cols + from + j];
    for (int64_t i = 0; i < p * width; i++)
        o->cov[i] = cov[i] / (double)(n - 1);
    for (int64_t j = 0; j < cols; j++)
        (j < p ? o->mean_x : o->mean_y - p)[j] = (double)mean[j];
    free(mean), free(c), free(cov);
}

/* Errors relative to the standard deviations; a constant column has to be exact. */
static void check_moments(const moments_out *got, const moments_out *want, double tolerance)
{
    const moments_out *w = want;
    int64_t width = w->q > 0 ? w->q : w->p;

    for (int64_t i = 0; i < w->p; i++) {
        CHECK_CLOSE(got->mean_x[i], w->mean_x[i],
                    1e-12 * sqrt(w->var_x[i]) + 4 * DBL_EPSILON * fabs(w->mean_x[i]));
        CHECK_CLOSE(got->var_x[i], w->var_x[i], 1e-12 * w->var_x[i]);
        for (int64_t j = 0; j < width; j++) {
            double other = w->q > 0 ? w->var_y[j] : w->var_x[j];
            CHECK_CLOSE(got->cov[i * width + j], w->cov[i * width + j],
                        tolerance * sqrt(w->var_x[i] * other));
        }
    }
    for (int64_t j = 0; j < w->q; j++) {
        CHECK_CLOSE(got->mean_y[j], w->mean_y[j],
                    1e-12 * sqrt(w->var_y[j]) + 4 * DBL_EPSILON * fabs(w->mean_y[j]));
        CHECK_CLOSE(got->var_y[j], w->var_y[j], 1e-12 * w->var_y[j]);
    }
}

/* Columns that are hard each in its own way; column j = 7 mod 8 copies j - 1. A value that
 * outweighs all others of its column is left to the products in double: in a float32 sum the
 * thousand small equal terms that follow it are all rounded the same way, to 3e-5 of the sum. */
#define OUTLIER(cols) ((cols) <= MUCMM__MOMENTS_EXACT ? 1e7 : 20)
static float *hard_columns(int64_t n, int64_t cols, double outlier)
{
    float *z = float_normals(11, n * cols, 0);

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < cols; j++) {
            float *v = z + i * cols + j;
            double unit = (double)*v;
            switch (j % 8) {
            case 1: /* large mean */
                *v = (float)(1e6 + unit);
                break;
            case 2: /* constant */
                *v = 0.1f;
                break;
            case 3: /* squares underflow in float */
                *v = (float)(1e-30 * unit);
                break;
            case 4: /* squares overflow in float */
                *v = (float)(1e30 * unit);
                break;
            case 5: /* drift */
                *v = (float)(unit + 0.01 * (double)i);
                break;
            case 6:
                *v = (float)(i == 0 ? outlier : unit);
                break;
            case 7:
                *v = z[i * cols + j - 1];
                break;
            }
        }
    return z;
}

static const struct {
    int64_t n, p, q;
    double tolerance; /* of a covariance, in units of the standard deviations */
} moment_cases[] = {
    {2, 3, 0, 1e-12},      {50, 1, 0, 1e-12},
    {1500, 40, 0, 1e-12},  {1500, 33, 20, 1e-12},
    {1100, 1, 255, 1e-12}, {2500, 260, 0, 1e-6},
    {1300, 70, 200, 1e-6}, {40, 300, 0, 1e-6} /* p > n */,
};
enum { MOMENT_CASES = sizeof moment_cases / sizeof *moment_cases };

static void test_linalg_moments_are_accurate_on_hard_columns(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    (void)state;

    for (int c = 0; c < MOMENT_CASES; c++) {
        int64_t n = moment_cases[c].n, p = moment_cases[c].p, q = moment_cases[c].q;
        float *z = hard_columns(n, p + q, OUTLIER(p + q));
        moments_out got = moments_out_new(p, q), want = moments_out_new(p, q);

        float_moments(ctx, z, n, p, q, n, &got);
        plain_moments(z, n, p, q, &want);
        check_moments(&got, &want, moment_cases[c].tolerance);
        for (int64_t i = 0; q == 0 && i < p; i++)
            for (int64_t j = 0; j < p; j++)
                CHECK_CLOSE(got.cov[i * p + j], got.cov[j * p + i], 0);
        moments_out_drop(&got);
        moments_out_drop(&want);
        free(z);
    }
    mucmm_ctx_free(ctx);
}

static void test_linalg_moments_same_bytes_for_any_chunking_and_threads(void **state)
{
    static const int64_t chunks[] = {1, 7, 1000, INT32_MAX};
    (void)state;

    for (int c = 0; c < MOMENT_CASES; c++) {
        int64_t n = moment_cases[c].n, p = moment_cases[c].p, q = moment_cases[c].q;
        float *z = hard_columns(n, p + q, OUTLIER(p + q));
        moments_out want = moments_out_new(p, q), got = moments_out_new(p, q);

        for (int32_t threads = 1; threads <= 3; threads++) {
            mucmm_ctx *ctx = ctx_with_threads(threads);
            for (int k = 0; k < 4; k++) {
                float_moments(ctx, z, n, p, q, chunks[k], threads == 1 && k == 0 ? &want : &got);
                if (threads > 1 || k > 0)
                    assert_same_bytes(&want, &got);
            }
            mucmm_ctx_free(ctx);
        }
        moments_out_drop(&want);
        moments_out_drop(&got);
        free(z);
    }
}

/* A look at the moments on the way changes nothing of what follows. */
static void test_linalg_moments_get_does_not_disturb(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    (void)state;

    for (int c = 2; c < MOMENT_CASES - 1; c++) {
        int64_t n = moment_cases[c].n, p = moment_cases[c].p, q = moment_cases[c].q;
        float *z = hard_columns(n, p + q, OUTLIER(p + q));
        moments_out want = moments_out_new(p, q), got = moments_out_new(p, q);
        mucmm__moments *m = NULL;

        float_moments(ctx, z, n, p, q, n, &want);
        CHECK_OK(ctx, mucmm__moments_create(ctx, p, q, &m));
        for (int64_t i = 0; i < n; i += 300) {
            push_chunked(ctx, m, z + i * (p + q), n - i < 300 ? n - i : 300, p, q, 300);
            get_all(ctx, m, &got);
        }
        assert_same_bytes(&want, &got);
        get_all(ctx, m, &got);
        assert_same_bytes(&want, &got);
        CHECK_OK(ctx, mucmm__moments_get(ctx, m, NULL, NULL, NULL, NULL, NULL));
        mucmm__moments_free(m);
        moments_out_drop(&want);
        moments_out_drop(&got);
        free(z);
    }
    mucmm_ctx_free(ctx);
}

static void test_linalg_moments_of_doubles_are_exact_for_many_columns(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    enum { N = 1400, P = 190, Q = 110 };
    float *z = hard_columns(N, P + Q, OUTLIER(P + Q));
    double *x = doubles(N * P), *y = doubles(N * Q);
    moments_out want = moments_out_new(P, Q), got = moments_out_new(P, Q);
    mucmm__moments *m = NULL;
    (void)state;

    for (int64_t i = 0; i < N * (P + Q); i++)
        *(i % (P + Q) < P ? x + i / (P + Q) * P + i % (P + Q)
                          : y + i / (P + Q) * Q + i % (P + Q) - P) = (double)z[i];
    plain_moments(z, N, P, Q, &want);
    CHECK_OK(ctx, mucmm__moments_create(ctx, P, Q, &m));
    CHECK_OK(ctx, mucmm__moments_push_double(ctx, m, 0, x, y));
    CHECK_OK(ctx, mucmm__moments_push_double(ctx, m, 3, x, y));
    CHECK_OK(ctx, mucmm__moments_push_double(ctx, m, N - 3, x + 3 * P, y + 3 * Q));
    get_all(ctx, m, &got);
    check_moments(&got, &want, 1e-12);
    mucmm__moments_free(m);

    m = NULL; /* kinds may follow each other */
    CHECK_OK(ctx, mucmm__moments_create(ctx, P, Q, &m));
    CHECK_OK(ctx, mucmm__moments_push_double(ctx, m, 100, x, y));
    push_chunked(ctx, m, z + 100 * (P + Q), 1100, P, Q, 1100);
    CHECK_OK(ctx, mucmm__moments_push_double(ctx, m, N - 1200, x + 1200 * P, y + 1200 * Q));
    get_all(ctx, m, &got);
    check_moments(&got, &want, 1e-6);
    mucmm__moments_free(m);
    moments_out_drop(&want);
    moments_out_drop(&got);
    free(x), free(y), free(z);
    mucmm_ctx_free(ctx);
}

static void test_linalg_moments_merge_equals_one_stream(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    enum { N = 3000 };
    static const int64_t cuts[] = {0, 1, 1024, 1777, N}, shapes[][2] = {{30, 0}, {20, 13}};
    (void)state;

    for (int s = 0; s < 2; s++)
        for (int c = 0; c < 5; c++) {
            int64_t p = shapes[s][0], q = shapes[s][1];
            float *z = hard_columns(N, p + q, OUTLIER(p + q));
            moments_out want = moments_out_new(p, q), got = moments_out_new(p, q);
            mucmm__moments *a = NULL, *b = NULL;

            float_moments(ctx, z, N, p, q, N, &want);
            CHECK_OK(ctx, mucmm__moments_create(ctx, p, q, &a));
            CHECK_OK(ctx, mucmm__moments_create(ctx, p, q, &b));
            push_chunked(ctx, a, z, cuts[c], p, q, 500);
            push_chunked(ctx, b, z + cuts[c] * (p + q), N - cuts[c], p, q, 500);
            CHECK_OK(ctx, mucmm__moments_merge(ctx, a, b));
            assert_int_equal(mucmm__moments_rows(a), N);
            assert_int_equal(mucmm__moments_rows(b), N - cuts[c]);
            get_all(ctx, a, &got);
            check_moments(&got, &want, 1e-12);
            mucmm__moments_free(a);
            mucmm__moments_free(b);
            moments_out_drop(&want);
            moments_out_drop(&got);
            free(z);
        }
    mucmm_ctx_free(ctx);
}

static void test_linalg_moments_refuse_what_does_not_fit(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    float v[12] = {0};
    mucmm_cmat x = {v, 2, 3, 3}, y = {v, 3, 2, 2}, wide = {v, 2, 4, 4};
    mucmm__moments *one = NULL, *two = NULL;
    (void)state;

    CHECK_OK(ctx, mucmm__moments_create(ctx, 3, 0, &one));
    CHECK_OK(ctx, mucmm__moments_create(ctx, 3, 2, &two));
    assert_int_equal(mucmm__moments_push(ctx, one, &wide, NULL), MUCMM_ESHAPE);
    assert_int_equal(mucmm__moments_push(ctx, one, &x, &y), MUCMM_EARG);
    assert_int_equal(mucmm__moments_push(ctx, two, &x, NULL), MUCMM_EARG);
    assert_int_equal(mucmm__moments_push(ctx, two, &x, &y), MUCMM_ESHAPE);
    assert_int_equal(mucmm__moments_merge(ctx, one, two), MUCMM_ESHAPE);
    x.rows = 1;
    CHECK_OK(ctx, mucmm__moments_push(ctx, one, &x, NULL));
    assert_int_equal(mucmm__moments_get(ctx, one, NULL, NULL, NULL, NULL, NULL), MUCMM_ESHAPE);
    mucmm__moments_free(one);
    mucmm__moments_free(two);
    mucmm__moments_free(NULL);
    one = (mucmm__moments *)(uintptr_t)1;
    assert_int_equal(mucmm__moments_create(ctx, -1, 0, &one), MUCMM_ESHAPE);
    assert_null(one);
    CHECK_OK(ctx, mucmm__moments_create(ctx, 0, 0, &one));
    x = (mucmm_cmat){v, 5, 0, 0};
    CHECK_OK(ctx, mucmm__moments_push(ctx, one, &x, NULL));
    CHECK_OK(ctx, mucmm__moments_get(ctx, one, NULL, NULL, NULL, NULL, NULL));
    mucmm__moments_free(one);
    mucmm_ctx_free(ctx);
}

/* ---- out of memory ----------------------------------------------------------------- */

static mucmm_status oom_moments(mucmm_ctx *ctx)
{
    enum { N = 1100, P = 150, Q = 120 };
    float *z = float_normals(1, N * (P + Q), 0);
    double *wide = normals(1, 10 * (P + Q));
    mucmm_cmat x = {z, N, P, P + Q}, y = {z + P, N, Q, P + Q};
    mucmm_status status = MUCMM_OK;
    mucmm__moments *m = (mucmm__moments *)(uintptr_t)1, *o = NULL;

    status = mucmm__moments_create(ctx, P, Q, &m);
    if (status != MUCMM_OK)
        assert_null(m);
    TRY(status);
    TRY(mucmm__moments_create(ctx, P, Q, &o));
    TRY(mucmm__moments_push(ctx, m, &x, &y));
    TRY(mucmm__moments_push_double(ctx, o, 10, wide, wide + 10 * P));
    TRY(mucmm__moments_merge(ctx, m, o));
    TRY(mucmm__moments_push(ctx, m, &x, &y));
    TRY(mucmm__moments_get(ctx, m, NULL, NULL, NULL, NULL, NULL));
done:
    mucmm__moments_free(m);
    mucmm__moments_free(o);
    free(z), free(wide);
    return status;
}

static mucmm_status oom_factorizations(mucmm_ctx *ctx)
{
    enum { N = 40 };
    double *s = gram(1, N, N, 0), *d = gram(2, N, N, 1), *w = doubles(N), *v = doubles(N * N);
    double *u = doubles(N * N), rate;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__eigen_general(ctx, N, s, d, N, w, v, "d"));
    TRY(mucmm__svd(ctx, N, N, d, u, w, v));
    TRY(mucmm_bench_gemm(ctx, 8, 8, 8, 1, &rate));
done:
    free(s), free(d), free(w), free(v), free(u);
    return status;
}

static void sweep(mucmm_status (*run)(mucmm_ctx *))
{
    failing_heap f = {0};
    mucmm_ctx *ctx = failing_ctx(&f);
    int64_t k = 0;

    for (;; k++) {
        mucmm_status status;
        f.calls = 0;
        f.fail_at = k;
        status = run(ctx);
        assert_int_equal(f.live, 1); /* the context itself */
        if (status == MUCMM_OK)
            break;
        assert_int_equal(status, MUCMM_ENOMEM);
    }
    assert_true(k > 5);
    mucmm_ctx_free(ctx);
    assert_int_equal(f.live, 0);
}

static void test_linalg_out_of_memory_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    sweep(oom_moments);
    sweep(oom_factorizations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linalg_dgemm_agrees_with_the_plain_sum),
        cmocka_unit_test(test_linalg_gemm_agrees_with_the_plain_sum),
        cmocka_unit_test(test_linalg_products_respect_strides_and_beta_zero),
        cmocka_unit_test(test_linalg_products_of_size_zero),
        cmocka_unit_test(test_linalg_products_refuse_bad_sizes),
        cmocka_unit_test(test_linalg_bench_gemm_reports_a_rate),
        cmocka_unit_test(test_linalg_cholesky_residual),
        cmocka_unit_test(test_linalg_cholesky_names_what_is_not_definite),
        cmocka_unit_test(test_linalg_solve_lower_residual),
        cmocka_unit_test(test_linalg_eigen_residual_on_hard_inputs),
        cmocka_unit_test(test_linalg_eigen_of_known_values),
        cmocka_unit_test(test_linalg_eigen_general_residual),
        cmocka_unit_test(test_linalg_eigen_general_names_a_singular_matrix),
        cmocka_unit_test(test_linalg_nan_is_an_error),
        cmocka_unit_test(test_linalg_svd_residual),
        cmocka_unit_test(test_linalg_joint_diagonal_finds_the_planted_axes),
        cmocka_unit_test(test_linalg_doubles_have_the_same_bytes_for_any_threads),
        cmocka_unit_test(test_linalg_contexts_in_two_threads_do_not_disturb_each_other),
        cmocka_unit_test(test_linalg_moments_are_accurate_on_hard_columns),
        cmocka_unit_test(test_linalg_moments_same_bytes_for_any_chunking_and_threads),
        cmocka_unit_test(test_linalg_moments_get_does_not_disturb),
        cmocka_unit_test(test_linalg_moments_of_doubles_are_exact_for_many_columns),
        cmocka_unit_test(test_linalg_moments_merge_equals_one_stream),
        cmocka_unit_test(test_linalg_moments_refuse_what_does_not_fit),
        cmocka_unit_test(test_linalg_out_of_memory_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
