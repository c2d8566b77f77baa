/* SPDX-License-Identifier: MIT
 *
 * factor.c - Cholesky, symmetric eigenproblems, singular values, through LAPACKE.
 *
 * LAPACK stores by columns, we by rows. No matrix is transposed for that: a symmetric
 * one is the same both ways, our lower triangle is LAPACK's upper one, and the
 * singular vectors of A' are those of A exchanged. LAPACK may loop for ever on a NaN,
 * so every matrix is looked through first. */
#include "linalg/blas.h"

#include <cblas.h>
#include <inttypes.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <string.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static mucmm_status check_finite(mucmm_ctx *ctx, int64_t rows, int64_t cols, const double *a,
                                 const char *what)
{
    for (int64_t i = 0; i < rows * cols; i++)
        if (!isfinite(a[i]))
            return mucmm__fail(ctx, MUCMM_ENUMERIC,
                               "%s has a value that is not finite in row %" PRId64
                               ", column %" PRId64,
                               what, i / cols, i % cols);
    return MUCMM_OK;
}

static mucmm_status lapack_status(mucmm_ctx *ctx, const char *routine, lapack_int info)
{
    if (info == 0)
        return MUCMM_OK;
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory inside %s", routine);
    if (info < 0)
        return mucmm__fail(ctx, MUCMM_EBACKEND, "%s refused its argument %d", routine, -(int)info);
    return mucmm__fail(ctx, MUCMM_ENUMERIC, "%s did not converge (code %d)", routine, (int)info);
}

/* ---- Cholesky ---------------------------------------------------------------------- */

mucmm_status mucmm__cholesky(mucmm_ctx *ctx, int64_t n, double *a, const char *what)
{
    mucmm_status status = MUCMM_OK;
    lapack_int info;

    TRY(mucmm__blas_size(ctx, what, n));
    if (n == 0)
        goto done;
    TRY(check_finite(ctx, n, n, a, what));
    mucmm__blas_begin();
    info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', (lapack_int)n, a, (lapack_int)n);
    mucmm__blas_end();
    if (info > 0)
        return mucmm__fail(ctx, MUCMM_ENUMERIC,
                           "%s is not positive definite: its leading %d x %d part of %" PRId64
                           " is singular or indefinite",
                           what, (int)info, (int)info, n);
    TRY(lapack_status(ctx, "dpotrf", info));
    for (int64_t i = 0; i < n; i++)
        memset(a + i * n + i + 1, 0, (size_t)(n - i - 1) * sizeof *a);
done:
    return status;
}

/* Right-hand sides do not depend on each other, so a panel of columns is a task. */
enum { PANEL = 64 };

typedef struct triangle {
    bool trans;
    int64_t n, m;
    const double *l;
    double *b;
} triangle;

static void solve_panel(void *arg, int64_t i)
{
    const triangle *t = arg;
    int64_t col = i * PANEL, cols = least(PANEL, t->m - col);

    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, t->trans ? CblasTrans : CblasNoTrans,
                CblasNonUnit, (int)t->n, (int)cols, 1.0, t->l, (int)t->n, t->b + col, (int)t->m);
}

mucmm_status mucmm__solve_lower(mucmm_ctx *ctx, bool trans, int64_t n, int64_t m, const double *l,
                                double *b)
{
    triangle t = {trans, n, m, l, b};
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__blas_size(ctx, "size of a triangular system", n));
    TRY(mucmm__blas_size(ctx, "number of right-hand sides", m));
    if (n == 0 || m == 0)
        goto done;
    mucmm__blas_begin();
    mucmm__parallel(ctx, (m - 1) / PANEL + 1, solve_panel, &t);
    mucmm__blas_end();
done:
    return status;
}

/* ---- symmetric eigenproblem -------------------------------------------------------- */

/* A = Q T Q', T tridiagonal = Z diag(w) Z'. Divide and conquer on T computes all n vectors, but
 * it is robust to the clusters of equal eigenvalues that rank-deficient views make, and cheap
 * beside the reduction to T; only the k wanted ones are then multiplied by Q. */
typedef struct tridiagonal {
    double *d, *e, *tau, *z, *work; /* [n], [n], [n], [n, n], [lwork] */
    lapack_int *iwork;              /* [liwork] */
    lapack_int n, lwork, liwork;
} tridiagonal;

static void tridiagonal_drop(tridiagonal *t)
{
    mucmm__free(t->d);
    mucmm__free(t->e);
    mucmm__free(t->tau);
    mucmm__free(t->z);
    mucmm__free(t->work);
    mucmm__free(t->iwork);
}

/* Workspaces as LAPACK documents them: dstedc n^2 + 4 n + 1, the others 64 n for their blocks. */
static mucmm_status tridiagonal_init(mucmm_ctx *ctx, tridiagonal *t, int64_t n, bool vectors)
{
    int64_t blocks = 64 * n, conquer = vectors ? n * n + 4 * n + 1 : 0;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__blas_size(ctx, "workspace of an eigenproblem", blocks > conquer ? blocks : conquer));
    t->n = (lapack_int)n;
    t->lwork = (lapack_int)(blocks > conquer ? blocks : conquer);
    t->liwork = (lapack_int)(5 * n + 3);
    TRY(mucmm__alloc(ctx, n, sizeof *t->d, &t->d));
    TRY(mucmm__alloc(ctx, n, sizeof *t->e, &t->e));
    TRY(mucmm__alloc(ctx, n, sizeof *t->tau, &t->tau));
    TRY(mucmm__alloc(ctx, t->lwork, sizeof *t->work, &t->work));
    if (vectors) {
        TRY(mucmm__alloc(ctx, n * n, sizeof *t->z, &t->z));
        TRY(mucmm__alloc(ctx, t->liwork, sizeof *t->iwork, &t->iwork));
    }
done:
    return status;
}

static mucmm_status decompose(mucmm_ctx *ctx, tridiagonal *t, double *a, int64_t k)
{
    mucmm_status status = MUCMM_OK;
    lapack_int n = t->n, first = n - (lapack_int)k;

    TRY(lapack_status(ctx, "dsytrd",
                      LAPACKE_dsytrd_work(LAPACK_COL_MAJOR, 'L', n, a, n, t->d, t->e, t->tau,
                                          t->work, t->lwork)));
    if (!t->z) {
        TRY(lapack_status(ctx, "dsterf", LAPACKE_dsterf_work(n, t->d, t->e)));
        goto done;
    }
    TRY(lapack_status(ctx, "dstedc",
                      LAPACKE_dstedc_work(LAPACK_COL_MAJOR, 'I', n, t->d, t->e, t->z, n, t->work,
                                          t->lwork, t->iwork, t->liwork)));
    TRY(lapack_status(ctx, "dormtr",
                      LAPACKE_dormtr_work(LAPACK_COL_MAJOR, 'L', 'L', 'N', n, (lapack_int)k, a, n,
                                          t->tau, t->z + (int64_t)first * n, n, t->work,
                                          t->lwork)));
done:
    return status;
}

/* LAPACK's order is ascending, and an eigenvector is a row of z as we see it. */
static void take_largest(const tridiagonal *t, int64_t k, double *values, double *vectors)
{
    int64_t n = t->n;

    for (int64_t j = 0; j < k; j++)
        values[j] = t->d[n - 1 - j];
    for (int64_t i = 0; vectors && i < n; i++)
        for (int64_t j = 0; j < k; j++)
            vectors[i * k + j] = t->z[(n - 1 - j) * n + i];
}

static mucmm_status check_count(mucmm_ctx *ctx, int64_t n, int64_t k)
{
    mucmm_status status = mucmm__blas_size(ctx, "size of an eigenproblem", n);

    if (status == MUCMM_OK && (k < 0 || k > n))
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%" PRId64 " eigenvalues of a matrix of size %" PRId64
                           "; from 0 to its size can be asked for",
                           k, n);
    return status;
}

mucmm_status mucmm__eigen(mucmm_ctx *ctx, int64_t n, double *a, int64_t k, double *values,
                          double *vectors)
{
    mucmm_status status = MUCMM_OK;
    tridiagonal t = {0};

    TRY(check_count(ctx, n, k));
    if (k == 0)
        goto done;
    TRY(check_finite(ctx, n, n, a, "matrix of an eigenproblem"));
    TRY(tridiagonal_init(ctx, &t, n, vectors != NULL));
    mucmm__blas_begin();
    status = decompose(ctx, &t, a, k);
    mucmm__blas_end();
    if (status == MUCMM_OK)
        take_largest(&t, k, values, vectors);
done:
    tridiagonal_drop(&t);
    return status;
}

static void transpose_square(int64_t n, double *a)
{
    enum { EDGE = 32 };
    for (int64_t ib = 0; ib < n; ib += EDGE)
        for (int64_t jb = ib; jb < n; jb += EDGE)
            for (int64_t i = ib; i < least(n, ib + EDGE); i++)
                for (int64_t j = jb > i ? jb : i + 1; j < least(n, jb + EDGE); j++) {
                    double t = a[i * n + j];
                    a[i * n + j] = a[j * n + i];
                    a[j * n + i] = t;
                }
}

/* D = L L'; the eigenvectors Z of L^-1 S L'^-1 give V = L'^-1 Z, so that V' D V = Z' Z = I. */
mucmm_status mucmm__eigen_general(mucmm_ctx *ctx, int64_t n, double *s, double *d, int64_t k,
                                  double *values, double *vectors, const char *what)
{
    mucmm_status status = MUCMM_OK;

    TRY(check_count(ctx, n, k));
    TRY(check_finite(ctx, n, n, s, "left matrix of a generalized eigenproblem"));
    TRY(mucmm__cholesky(ctx, n, d, what));
    TRY(mucmm__solve_lower(ctx, false, n, n, d, s));
    transpose_square(n, s); /* S L'^-1, as S is symmetric */
    TRY(mucmm__solve_lower(ctx, false, n, n, d, s));
    TRY(mucmm__eigen(ctx, n, s, k, values, vectors));
    if (vectors)
        TRY(mucmm__solve_lower(ctx, true, n, k, d, vectors));
done:
    return status;
}

/* ---- singular values --------------------------------------------------------------- */

/* LAPACK sees A' = V diag(s) U': what it calls U is, by rows, our vt, and its VT is our u. */
static lapack_int singular(int64_t m, int64_t n, double *a, double *u, double *s, double *vt,
                           double *work, lapack_int lwork, lapack_int *iwork)
{
    lapack_int r = (lapack_int)least(m, n);

    return LAPACKE_dgesdd_work(LAPACK_COL_MAJOR, vt ? 'S' : 'N', (lapack_int)n, (lapack_int)m, a,
                               (lapack_int)n, s, vt, (lapack_int)n, u, r, work, lwork, iwork);
}

static mucmm_status svd_work(mucmm_ctx *ctx, int64_t m, int64_t n, bool vectors, double **work,
                             lapack_int *lwork, lapack_int **iwork)
{
    mucmm_status status = MUCMM_OK;
    double size = 0, none = 0;
    double *asked = vectors ? &none : NULL; /* a query looks at no matrix */

    TRY(lapack_status(ctx, "dgesdd", singular(m, n, &none, asked, &none, asked, &size, -1, NULL)));
    if (!(size >= 0 && size <= INT_MAX))
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "singular values of %" PRId64 " x %" PRId64
                           ": too large for this build's LAPACK",
                           m, n);
    *lwork = (lapack_int)size;
    TRY(mucmm__alloc(ctx, *lwork, sizeof **work, work));
    TRY(mucmm__alloc(ctx, 8 * least(m, n), sizeof **iwork, iwork));
done:
    return status;
}

mucmm_status mucmm__svd(mucmm_ctx *ctx, int64_t m, int64_t n, double *a, double *u, double *s,
                        double *vt)
{
    mucmm_status status = MUCMM_OK;
    lapack_int lwork = 0, *iwork = NULL, info;
    double *work = NULL;

    TRY(mucmm__blas_size(ctx, "rows of a singular value problem", m));
    TRY(mucmm__blas_size(ctx, "columns of a singular value problem", n));
    if (m == 0 || n == 0)
        goto done;
    TRY(check_finite(ctx, m, n, a, "matrix of a singular value problem"));
    TRY(svd_work(ctx, m, n, vt != NULL, &work, &lwork, &iwork));
    mucmm__blas_begin();
    info = singular(m, n, a, u, s, vt, work, lwork, iwork);
    mucmm__blas_end();
    status = lapack_status(ctx, "dgesdd", info);
done:
    mucmm__free(work);
    mucmm__free(iwork);
    return status;
}
