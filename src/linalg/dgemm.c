/* SPDX-License-Identifier: MIT
 *
 * dgemm.c - double products through BLAS, and its threads. */
#include "linalg/blas.h"

#include <cblas.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>

/* ---- threads of BLAS --------------------------------------------------------------- */

/* OpenBLAS has one number of threads for the whole process. The first of our calls
 * that are under way at the same time notes it and sets 1, the last one puts it back,
 * unless someone else has changed it meanwhile: so our own contexts do not race, and
 * the host program finds its setting again. Weak, so that another BLAS links too; it
 * should then be a sequential one, or results may differ in their last bits with its
 * number of threads. */
extern int openblas_get_num_threads(void) __attribute__((weak));
extern void openblas_set_num_threads(int n) __attribute__((weak));

static pthread_mutex_t blas_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t blas_users;
static int blas_threads;

void mucmm__blas_begin(void)
{
    if (!openblas_get_num_threads || !openblas_set_num_threads)
        return;
    pthread_mutex_lock(&blas_lock);
    if (blas_users++ == 0) {
        blas_threads = openblas_get_num_threads();
        if (blas_threads != 1)
            openblas_set_num_threads(1);
    }
    pthread_mutex_unlock(&blas_lock);
}

void mucmm__blas_end(void)
{
    if (!openblas_get_num_threads || !openblas_set_num_threads)
        return;
    pthread_mutex_lock(&blas_lock);
    if (--blas_users == 0 && blas_threads != 1 && openblas_get_num_threads() == 1)
        openblas_set_num_threads(blas_threads);
    pthread_mutex_unlock(&blas_lock);
}

/* ---- products ---------------------------------------------------------------------- */

mucmm_status mucmm__blas_size(mucmm_ctx *ctx, const char *name, int64_t n)
{
    if (n < 0 || n > INT_MAX)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%s = %" PRId64 "; BLAS takes sizes from 0 to %d",
                           name, n, INT_MAX);
    return MUCMM_OK;
}

void mucmm__dgemm_tile(int64_t m, int64_t n, int64_t k, const double *a, int64_t lda,
                       const double *b, int64_t ldb, double *c, int64_t ldc)
{
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1.0, a, (int)lda,
                b, (int)ldb, 0.0, c, (int)ldc);
}

typedef struct tiling {
    mucmm__product s;
    int64_t rows, cols, across; /* of a tile; tiles in a row of tiles */
    double alpha, beta;
    const double *a, *b;
    double *c;
} tiling;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Every element of C is the whole sum over k, in one call. */
static void multiply_tile(void *arg, int64_t i)
{
    const tiling *t = arg;
    const mucmm__product *s = &t->s;
    int64_t row = i / t->across * t->rows, col = i % t->across * t->cols;
    const double *a = t->a + (s->trans_a ? row : row * s->lda);
    const double *b = t->b + (s->trans_b ? col * s->ldb : col);

    cblas_dgemm(CblasRowMajor, s->trans_a ? CblasTrans : CblasNoTrans,
                s->trans_b ? CblasTrans : CblasNoTrans, (int)least(t->rows, s->m - row),
                (int)least(t->cols, s->n - col), (int)s->k, t->alpha, a, (int)s->lda, b,
                (int)s->ldb, t->beta, t->c + row * s->ldc + col, (int)s->ldc);
}

/* Depends on the shape alone, never on the threads. Large tiles pack less, small ones share out
 * better. */
static void choose_tiles(tiling *t)
{
    double work = (double)t->s.m * (double)t->s.n * (double)t->s.k;
    int64_t edge = t->s.m > 1024 || t->s.n > 1024 ? 256 : 128;

    if (work < 64 * 64 * 64)
        edge = INT_MAX;
    t->rows = least(t->s.m, edge);
    t->cols = least(t->s.n, edge);
    t->across = (t->s.n - 1) / t->cols + 1;
}

static void scale(const mucmm__product *s, double beta, double *c)
{
    for (int64_t i = 0; i < s->m; i++)
        for (int64_t j = 0; j < s->n; j++)
            c[i * s->ldc + j] = beta == 0 ? 0 : beta * c[i * s->ldc + j];
}

mucmm_status mucmm__dgemm(mucmm_ctx *ctx, bool trans_a, bool trans_b, int64_t m, int64_t n,
                          int64_t k, double alpha, const double *a, int64_t lda, const double *b,
                          int64_t ldb, double beta, double *c, int64_t ldc)
{
    tiling t = {{trans_a, trans_b, m, n, k, lda, ldb, ldc}, 0, 0, 0, alpha, beta, a, b, c};
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__product_check(ctx, &t.s));
    if (m == 0 || n == 0)
        goto done;
    if (k == 0) {
        scale(&t.s, beta, c);
        goto done;
    }
    TRY(mucmm__blas_size(ctx, "rows of a product", m));
    TRY(mucmm__blas_size(ctx, "inner size of a product", k));
    TRY(mucmm__blas_size(ctx, "stride of the left factor", lda));
    TRY(mucmm__blas_size(ctx, "stride of the right factor", ldb));
    TRY(mucmm__blas_size(ctx, "stride of a product", ldc));
    choose_tiles(&t);
    mucmm__blas_begin();
    mucmm__parallel(ctx, ((m - 1) / t.rows + 1) * t.across, multiply_tile, &t);
    mucmm__blas_end();
done:
    return status;
}
