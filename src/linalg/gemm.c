/* SPDX-License-Identifier: MIT
 *
 * gemm.c - float products, all of this folder's calls of oneDNN. */
#include "linalg/blas.h"

#include <inttypes.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <time.h>

static mucmm_status backend_status(mucmm_ctx *ctx, dnnl_status_t s)
{
    if (s == dnnl_success)
        return MUCMM_OK;
    if (s == dnnl_out_of_memory)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory inside oneDNN's matrix product");
    return mucmm__fail(ctx, MUCMM_EBACKEND, "oneDNN's matrix product reported status %d", (int)s);
}

static char letter(bool trans)
{
    return trans ? 'T' : 'N';
}

/* oneDNN refuses a leading dimension of 0, which an empty operand may have. */
static int64_t at_least_one(int64_t ld)
{
    return ld > 0 ? ld : 1;
}

mucmm_status mucmm__product_check(mucmm_ctx *ctx, const mucmm__product *s)
{
    int64_t a_cols = s->trans_a ? s->m : s->k, b_cols = s->trans_b ? s->k : s->n;

    if (s->m < 0 || s->n < 0 || s->k < 0)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "matrix product of sizes m = %" PRId64 ", n = %" PRId64 ", k = %" PRId64
                           "; sizes cannot be negative",
                           s->m, s->n, s->k);
    if (s->lda < a_cols || s->ldb < b_cols || s->ldc < s->n)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "matrix product with strides %" PRId64 ", %" PRId64 ", %" PRId64
                           "; they cannot be less than the %" PRId64 ", %" PRId64 ", %" PRId64
                           " columns",
                           s->lda, s->ldb, s->ldc, a_cols, b_cols, s->n);
    return MUCMM_OK;
}

static void scale(int64_t m, int64_t n, float beta, float *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
}

mucmm_status mucmm__gemm(mucmm_ctx *ctx, bool trans_a, bool trans_b, int64_t m, int64_t n,
                         int64_t k, float alpha, const float *a, int64_t lda, const float *b,
                         int64_t ldb, float beta, float *c, int64_t ldc)
{
    mucmm__product shape = {trans_a, trans_b, m, n, k, lda, ldb, ldc};
    mucmm_status status = mucmm__product_check(ctx, &shape);
    int threads = omp_get_max_threads();
    dnnl_status_t s;

    if (status != MUCMM_OK || m == 0 || n == 0)
        return status;
    if (k == 0) {
        scale(m, n, beta, c, ldc);
        return MUCMM_OK;
    }
    /* The setting belongs to the calling thread; in a parallel region oneDNN uses one thread. */
    omp_set_num_threads(ctx->threads);
    s = dnnl_sgemm(letter(trans_a), letter(trans_b), m, n, k, alpha, a, at_least_one(lda), b,
                   at_least_one(ldb), beta, c, at_least_one(ldc));
    omp_set_num_threads(threads);
    return backend_status(ctx, s);
}

/* No context: several threads call it at once. A loop of one thread or one step is no parallel
 * region to OpenMP, so oneDNN has to be told here. */
mucmm_status mucmm__gemm_tile(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                              const float *b, int64_t ldb, float *c, int64_t ldc)
{
    int threads = omp_get_max_threads();
    dnnl_status_t s;

    omp_set_num_threads(1);
    s = dnnl_sgemm('T', 'N', m, n, k, 1.0f, a, lda, b, ldb, 0.0f, c, ldc);
    omp_set_num_threads(threads);
    return s == dnnl_success ? MUCMM_OK : s == dnnl_out_of_memory ? MUCMM_ENOMEM : MUCMM_EBACKEND;
}

/* ---- benchmark --------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Nothing is learned from zeros: some processors clock higher on them. */
static mucmm_status random_matrix(mucmm_ctx *ctx, int64_t rows, int64_t cols, float **out)
{
    uint64_t key = mucmm__rng_key(1, (uint64_t)rows);
    mucmm_status status = MUCMM_OK;
    int64_t n = 0;

    if (!mucmm__mul(rows, cols, &n))
        return mucmm__fail(ctx, MUCMM_ENOMEM,
                           "out of memory: a matrix of %" PRId64 " rows and %" PRId64 " columns",
                           rows, cols);
    status = mucmm__alloc(ctx, n, sizeof **out, out);
    for (int64_t i = 0; status == MUCMM_OK && i < n; i++)
        (*out)[i] = (float)(mucmm__rng_uniform(key, (uint64_t)i) - 0.5);
    return status;
}

mucmm_status mucmm_bench_gemm(mucmm_ctx *ctx, int64_t m, int64_t n, int64_t k, int32_t repeats,
                              double *gflops)
{
    float *a = NULL, *b = NULL, *c = NULL;
    mucmm_status status = MUCMM_OK;

    *gflops = 0;
    if (m < 1 || n < 1 || k < 1 || repeats < 1)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "benchmark of sizes %" PRId64 ", %" PRId64 ", %" PRId64
                           " repeated %" PRId32 " times; all must be at least 1",
                           m, n, k, repeats);
    TRY(random_matrix(ctx, m, k, &a));
    TRY(random_matrix(ctx, k, n, &b));
    TRY(random_matrix(ctx, m, n, &c));
    /* Once more than asked: the first call also compiles oneDNN's kernel. */
    for (int32_t i = 0; i <= repeats; i++) {
        double start = seconds(), rate;
        TRY(mucmm__gemm(ctx, false, false, m, n, k, 1, a, k, b, n, 0, c, n));
        rate = 2e-9 * (double)m * (double)n * (double)k / (seconds() - start);
        if (rate > *gflops)
            *gflops = rate;
    }
done:
    mucmm__free(a);
    mucmm__free(b);
    mucmm__free(c);
    return status;
}
