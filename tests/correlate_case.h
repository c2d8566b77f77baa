/* SPDX-License-Identifier: MIT
 *
 * correlate_case.h - what the tests of the objectives share: blocks of rows, plain products and
 * covariances, reference values. */
#ifndef MUCMM_TEST_CORRELATE_CASE_H
#define MUCMM_TEST_CORRELATE_CASE_H

#include "correlate/correlate.h"
#include "harness.h"

static inline void *must_alloc(int64_t count, size_t size)
{
    void *p = calloc((size_t)(count > 0 ? count : 1), size);
    assert_non_null(p);
    return p;
}

static inline double *zeros(int64_t count)
{
    return must_alloc(count, sizeof(double));
}

static inline double *normals(uint64_t key, int64_t count)
{
    double *x = zeros(count);

    for (int64_t i = 0; i < count; i++)
        x[i] = mucmm__rng_normal(key, (uint64_t)i);
    return x;
}

static inline mucmm__block random_block(uint64_t key, int64_t rows, int64_t cols)
{
    return (mucmm__block){normals(key, rows * cols), rows, cols};
}

static inline mucmm__block zero_block(int64_t rows, int64_t cols)
{
    return (mucmm__block){zeros(rows * cols), rows, cols};
}

/* Views that share latents of falling strength, with columns of unequal scale and a mean. */
static inline mucmm__block shared_block(uint64_t key, uint64_t latent, int64_t rows, int64_t cols)
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

static inline double dot(int64_t n, const double *x, const double *y)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static inline double largest(int64_t n, const double *x)
{
    double m = 0;

    for (int64_t i = 0; i < n; i++)
        m = fabs(x[i]) > m ? fabs(x[i]) : m;
    return m;
}

static inline void check_array(const char *name, const double *got, const double *want, int64_t n,
                               double tolerance)
{
    double scale = largest(n, want);

    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * scale))
            fail_msg("%s[%lld] = %.17g, expected %.17g, difference %.3g > %.3g", name, (long long)i,
                     got[i], want[i], fabs(got[i] - want[i]), tolerance * scale);
}

/* c [m, n] = op(a) b, plain loops: the tests do not use what they test. */
static inline double *product(bool trans, int64_t m, int64_t n, int64_t k, const double *a,
                              const double *b)
{
    double *c = zeros(m * n);

    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < k; l++)
            for (int64_t j = 0; j < n; j++)
                c[i * n + j] += (trans ? a[l * m + i] : a[i * k + l]) * b[l * n + j];
    return c;
}

static inline double *centered(const mucmm__block *x)
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
static inline double *joint_covariance(int32_t n_views, const mucmm__block *x)
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

static inline double *sub_matrix(const double *x, int64_t ld, int64_t row, int64_t col,
                                 int64_t rows, int64_t cols)
{
    double *s = zeros(rows * cols);

    for (int64_t i = 0; i < rows; i++)
        memcpy(s + i * cols, x + (row + i) * ld + col, (size_t)cols * sizeof *s);
    return s;
}

static inline void add_ridge(double *s, int64_t p, double ridge)
{
    for (int64_t i = 0; i < p; i++)
        s[i * p + i] += ridge;
}

static inline double golden_number(mucmm_ctx *ctx, const char *folder, const char *name)
{
    int64_t shape[MUCMM_MAX_RANK];
    double *x = golden(ctx, folder, name, shape), value = x[0];

    mucmm__free(x);
    return value;
}

static inline mucmm__block golden_block(mucmm_ctx *ctx, const char *folder, const char *name)
{
    int64_t shape[MUCMM_MAX_RANK] = {0, 0};
    double *x = golden(ctx, folder, name, shape);
    mucmm__block b = zero_block(shape[0], shape[1] ? shape[1] : 1);

    memcpy(b.data, x, (size_t)(b.rows * b.cols) * sizeof *x);
    mucmm__free(x);
    return b;
}

static inline void check_golden(mucmm_ctx *ctx, const char *folder, const char *name,
                                const double *got)
{
    mucmm__block want = golden_block(ctx, folder, name);

    check_array(name, got, want.data, want.rows * want.cols, 1e-9);
    free(want.data);
}

static const char *const three_names[3] = {"left", "right", "words"};

static inline void expect(mucmm_ctx *ctx, mucmm_status got, mucmm_status want, const char *words)
{
    if (got != want || !strstr(mucmm_ctx_message(ctx), words))
        fail_msg("status %s, message '%s'; expected %s with '%s'", mucmm_status_text(got),
                 mucmm_ctx_message(ctx), mucmm_status_text(want), words);
}

static inline void free_views(int32_t n_views, mucmm__block *c)
{
    for (int32_t m = 0; m < n_views; m++)
        free(c[m].data);
}

#endif
