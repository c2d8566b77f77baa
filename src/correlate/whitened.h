/* SPDX-License-Identifier: MIT
 *
 * whitened.h - what the files of this folder share: centring, covariances of a batch,
 * and the eigenproblem of several views, each whitened by its own Cholesky factor. */
#ifndef MUCMM_CORRELATE_WHITENED_H
#define MUCMM_CORRELATE_WHITENED_H

#include "correlate/correlate.h"

/* out [rows, P], P the sum of the blocks' columns: the blocks side by side, every column minus its
 * mean. names [n_blocks]. ENUMERIC with block, row and column of a value that is not finite. */
mucmm_status mucmm__center(mucmm_ctx *ctx, int32_t n_blocks, const mucmm__block *blocks,
                           const char *const *names, double *out);
/* s [p, p] = x'x / divisor, x [n, p] centred. */
mucmm_status mucmm__covariance(mucmm_ctx *ctx, int64_t n, int64_t p, const double *x,
                               double divisor, double *s);
/* s [p, p] (stride ld) + ridge I = L L'; factor [p, p] = L. ENUMERIC: name, and the advice to raise
 * the ridge. */
mucmm_status mucmm__factor_covariance(mucmm_ctx *ctx, const char *name, int64_t p, const double *s,
                                      int64_t ld, double ridge, double *factor);
/* b [n, m] = (L L')^-1 b. */
mucmm_status mucmm__solve_spd(mucmm_ctx *ctx, int64_t n, int64_t m, const double *l, double *b);
/* out [cols, rows] = x' of x [rows, cols] with stride ld. */
void mucmm__transpose(int64_t rows, int64_t cols, const double *x, int64_t ld, double *out);

/* M views with the joint covariance cov [P, P], P = sum dims; D = blockdiag(cov + ridge I). */
typedef struct mucmm__whitened {
    int32_t n;
    const int64_t *dims;
    const char *const *names;
    int64_t total; /* P */
    const double *cov;
    double ridge;
    double *factor[MUCMM_MAX_VIEWS]; /* L_m [d_m, d_m], the Cholesky factor of block m of D */
} mucmm__whitened;

/* Fills total and factor; the fields in front of them are the caller's, names may not be NULL. */
mucmm_status mucmm__whitened_factor(mucmm_ctx *ctx, mucmm__whitened *v);
void mucmm__whitened_drop(mucmm__whitened *v);
/* (cov + ridge I) v = lambda D v in the coordinates z = L'v: rho_j = (lambda_j - 1)/(M - 1) [k], k
 * <= min d_m, z [P, k] with Z'Z = I. */
mucmm_status mucmm__whitened_solve(mucmm_ctx *ctx, const mucmm__whitened *v, int64_t k, double *rho,
                                   double *z);
/* z [P, k] -> V = L'^-1 z, so that V'DV = I. */
mucmm_status mucmm__whitened_unwhiten(mucmm_ctx *ctx, const mucmm__whitened *v, int64_t k,
                                      double *z);

/* Step-down maxima over k statistics: observed [k], permuted [permutations, k] -> p_values [k].
 * Statistics that differ by less than `tie` count as equal. In permutation_test.c. */
mucmm_status mucmm__step_down(mucmm_ctx *ctx, int64_t k, int64_t permutations,
                              const double *observed, const double *permuted, double tie,
                              double *p_values);

#endif
