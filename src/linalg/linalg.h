/* SPDX-License-Identifier: MIT
 *
 * linalg.h - products, moments and factorizations. Row-major throughout.
 * Float products go through oneDNN, double ones through BLAS; factorizations are
 * double, through LAPACKE. Every result has the same bytes for any number of
 * threads, float products of mucmm__gemm excepted (the same for the same number). */
#ifndef MUCMM_LINALG_H
#define MUCMM_LINALG_H

#include "core/core.h"

static inline void mucmm__to_double(const float *from, int64_t n, double *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i];
}

static inline void mucmm__to_float(const double *from, int64_t n, float *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)from[i];
}

/* C [m, n] = alpha op(A) op(B) + beta C, op(A) [m, k], op(B) [k, n]; op is the transpose if
 * trans_ is set (A is then stored [k, m]). ld_ counts elements between rows. Zero sizes are fine.
 */
mucmm_status mucmm__gemm(mucmm_ctx *ctx, bool trans_a, bool trans_b, int64_t m, int64_t n,
                         int64_t k, float alpha, const float *a, int64_t lda, const float *b,
                         int64_t ldb, float beta, float *c, int64_t ldc);
mucmm_status mucmm__dgemm(mucmm_ctx *ctx, bool trans_a, bool trans_b, int64_t m, int64_t n,
                          int64_t k, double alpha, const double *a, int64_t lda, const double *b,
                          int64_t ldb, double beta, double *c, int64_t ldc);

/* ---- streaming moments ------------------------------------------------------------- */

/* First and second moments of rows that arrive in chunks, accumulated in double,
 * every block of rows about its own mean so that large means do not cancel.
 * Rows are gathered in blocks of fixed size before they are used, so the result
 * has the same bytes for any chunking and number of threads.
 * With q = 0: the covariance of x [n, p] with itself. With q > 0: only the
 * cross-covariance of x [n, p] with y [n, q], and the variances of both.
 * Products inside a block are exact in double when p + q is small (at most
 * MUCMM__MOMENTS_EXACT), else float32, added up in double: to about 1e-6 of the
 * standard deviations, 3e-5 where a single row outweighs all others; variances and
 * means stay exact. After a failed call only free m. */
#define MUCMM__MOMENTS_EXACT 256

typedef struct mucmm__moments mucmm__moments;

mucmm_status mucmm__moments_create(mucmm_ctx *ctx, int64_t p, int64_t q, mucmm__moments **out);
void mucmm__moments_free(mucmm__moments *m);
/* x [rows, p], y [rows, q] (NULL when q = 0). */
mucmm_status mucmm__moments_push(mucmm_ctx *ctx, mucmm__moments *m, const mucmm_cmat *x,
                                 const mucmm_cmat *y);
/* The double-precision way in, exact for any p: x [rows, p], y [rows, q], no gaps. */
mucmm_status mucmm__moments_push_double(mucmm_ctx *ctx, mucmm__moments *m, int64_t rows,
                                        const double *x, const double *y);
/* Adds the rows of other, as if they came after those of m (Chan et al. 1983). */
mucmm_status mucmm__moments_merge(mucmm_ctx *ctx, mucmm__moments *m, const mucmm__moments *other);
int64_t mucmm__moments_rows(const mucmm__moments *m);
/* Rows of a block: chunks of exactly so many float rows are used where they are, without a copy. */
int64_t mucmm__moments_block(const mucmm__moments *m);
/* Means [p], [q] and the covariance, divided by rows - 1: [p, p], or [p, q] when q > 0; var_x [p],
 * var_y [q]. Any pointer may be NULL. ESHAPE if there are fewer than 2 rows. May be called at any
 * time; more rows may follow. */
mucmm_status mucmm__moments_get(mucmm_ctx *ctx, mucmm__moments *m, double *mean_x, double *mean_y,
                                double *cov, double *var_x, double *var_y);

/* ---- factorizations, all double, row-major, no gaps -------------------------------- */

/* a [n, n] symmetric -> its lower Cholesky factor in place (upper part zeroed).
 * ENUMERIC if not positive definite; `what` names the matrix in the message. */
mucmm_status mucmm__cholesky(mucmm_ctx *ctx, int64_t n, double *a, const char *what);
/* b [n, m] = L^-1 b, or L'^-1 b when trans; l [n, n] lower. */
mucmm_status mucmm__solve_lower(mucmm_ctx *ctx, bool trans, int64_t n, int64_t m, const double *l,
                                double *b);
/* a [n, n] symmetric (destroyed) -> the k largest eigenvalues, descending, values [k],
 * and their unit eigenvectors as the columns of vectors [n, k] (NULL: values only). */
mucmm_status mucmm__eigen(mucmm_ctx *ctx, int64_t n, double *a, int64_t k, double *values,
                          double *vectors);
/* Generalized: S v = lambda D v, D positive definite, V' D V = I; s and d [n, n] destroyed. */
mucmm_status mucmm__eigen_general(mucmm_ctx *ctx, int64_t n, double *s, double *d, int64_t k,
                                  double *values, double *vectors, const char *what);
/* a [m, n] (destroyed) = U diag(s) V'; r = min(m, n): u [m, r], s [r] descending, vt [r, n];
 * u and vt may be NULL together. */
mucmm_status mucmm__svd(mucmm_ctx *ctx, int64_t m, int64_t n, double *a, double *u, double *s,
                        double *vt);
/* a [count, n, n] symmetric -> the rotation v [n, n] for which the diagonals of all v' a_i v have
 * the largest sum of squares (a stationary point of it, from v = I); a becomes v' a v. A pair of
 * dimensions that all matrices treat alike is left as it is. */
void mucmm__joint_diagonal(int64_t n, int64_t count, double *a, double *v);

/* gain [n, n] -> column [n]: the permutation with the largest sum of gain[i, column[i]].
 * ENUMERIC if a gain is not finite. */
mucmm_status mucmm__assign(mucmm_ctx *ctx, int64_t n, const double *gain, int64_t *column);

#endif
