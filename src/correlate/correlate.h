/* SPDX-License-Identifier: MIT
 *
 * correlate.h - the objectives of the method, their gradients, the closed form
 * and the permutation test. All double, row-major, no gaps between rows; every
 * function centres its inputs itself. Formulas: docs/method.md. */
#ifndef MUCMM_CORRELATE_H
#define MUCMM_CORRELATE_H

#include "correlate/exchange.h"
#include "linalg/linalg.h"

/* [rows, cols], no gaps. */
typedef struct mucmm__block {
    double *data;
    int64_t rows, cols;
} mucmm__block;

/* Correlation maximization over M = n_views blocks [n, d_m] of the same rows (method, section 2):
 *   S = F'F/(n-1) + r I, D = blockdiag(S), S v = lambda D v, rho = (lambda - 1)/(M - 1),
 *   loss = -sum of the k largest rho.
 * rho [k], descending, 1 <= k <= min d_m. grads: M blocks of the shapes of f, written; NULL = value
 * only. vectors: [sum d_m, k] or NULL, the eigenvectors with V'DV = I. ESHAPE if n <= sum d_m.
 * ENUMERIC on a non-finite input (collapse is not: r keeps D definite). */
mucmm_status mucmm__correlation_max(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *f,
                                    int64_t k, double ridge, double *rho, double *loss,
                                    mucmm__block *grads, double *vectors);

/* K(a, b) = tr(A^-1 X B^-1 X') / min(dim a, dim b) (section 3), A = S_aa + r I, B = S_bb + r I, X =
 * S_ab. grad_a, grad_b: shapes of a, b; either may be NULL. */
mucmm_status mucmm__correlation_min(mucmm_ctx *ctx, const mucmm__block *a, const mucmm__block *b,
                                    double ridge, double *value, double *grad_a, double *grad_b);

/* The cross-fitted form K_x(a, c): rows 0 .. n/2-1 are half A, n/2 .. 2(n/2)-1 half B (an odd last
 * row counts only in S_aa), covariances divide by the number of rows; c is used as given, centred
 * on each half, a on the whole batch. At least 4 rows. grad_a, grad_c: shapes of a, c; either may
 * be NULL. */
mucmm_status mucmm__correlation_min_crossfit(mucmm_ctx *ctx, const mucmm__block *a,
                                             const mucmm__block *c, double ridge, double *value,
                                             double *grad_a, double *grad_c);

/* Standard deviation of K_x(a, c) given a, where the rows of c are independent of it (section 3):
 * sd = sqrt(tr(A^-1 S_A A^-1 S_B) tr(C^2)) / (h e), S_A and S_B the covariances of a on the halves,
 * C that of c. */
mucmm_status mucmm__crossfit_null_sd(mucmm_ctx *ctx, const mucmm__block *a, const mucmm__block *c,
                                     double ridge, double *sd);

/* phi(u) = sqrt(2) cos(u omega + phase): u [n, q], omega [q, D], phase [D] -> phi [n, D]. */
void mucmm__fourier_features(mucmm_ctx *ctx, const mucmm__block *u, int64_t d, const double *omega,
                             const double *phase, double *phi);
/* du [n, q] = -sqrt(2) (dphi * sin(u omega + phase)) omega'. */
mucmm_status mucmm__fourier_features_vjp(mucmm_ctx *ctx, const mucmm__block *u, int64_t d,
                                         const double *omega, const double *phase,
                                         const double *dphi, double *du);
/* Gaussian omega [q, d] with bandwidths {1, 2, 4} sqrt(q) in equal parts (frequencies
 * N(0,1)/bandwidth), phase [d] uniform in [0, 2 pi). */
void mucmm__fourier_draw(uint64_t key, int64_t q, int64_t d, double *omega, double *phase);

/* K_x(phi(u), b) of features of their own, standardized, and its gradients: in float but for what
 * is factored, which costs half as much as the functions above and differs from them by some 1e-5
 * of the value's scale. */
typedef struct mucmm__kernel_penalty mucmm__kernel_penalty;
/* Buffers for at most so many rows, of u [rows, q] and b [rows, cols], and d features. */
mucmm_status mucmm__kernel_penalty_create(mucmm_ctx *ctx, int64_t rows, int64_t q, int64_t d,
                                          int64_t cols, mucmm__kernel_penalty **out);
void mucmm__kernel_penalty_free(mucmm__kernel_penalty *w);
/* u [n, q], n >= 4; omega [q, d], phase [d], b [n, e]; du [n, q] and db [n, e] are written. A
 * feature that does not vary counts as constant. ENUMERIC for what is not finite. */
mucmm_status mucmm__kernel_penalty_value(mucmm_ctx *ctx, mucmm__kernel_penalty *w,
                                         const mucmm__block *u, const double *omega,
                                         const double *phase, const mucmm__block *b, double ridge,
                                         double *value, double *du, double *db);

/* Columns to mean 0 and variance 1 (divisor n) on these rows: y [n, d], sd [d] (of x, at least 1e-6
 * of the largest; 1 if all columns are constant). A constant column stays 0. */
void mucmm__standardize(const mucmm__block *x, double *y, double *sd);
/* dx [n, d] from dy, y = standardized x and sd; a raised sd counts as a constant. */
void mucmm__standardize_vjp(const mucmm__block *y, const double *sd, const double *dy, double *dx);

/* y [n, q] = (x - mean) L'^-1 with L L' = S + ridge I, S the covariance of x [n, q] (divisor n):
 * uncorrelated columns of variance 1, but for the ridge. inverse [q, q] = L^-1, mean [q]. ENUMERIC
 * if that is not positive definite. */
mucmm_status mucmm__whiten_rows(mucmm_ctx *ctx, const mucmm__block *x, double ridge, double *mean,
                                double *inverse, double *y);
/* Other rows, by the mean and L^-1 of those. */
mucmm_status mucmm__whiten_like(mucmm_ctx *ctx, const mucmm__block *x, const double *mean,
                                const double *inverse, double *y);
/* dx [n, q] from dy, through mean and covariance too. */
mucmm_status mucmm__whiten_rows_vjp(mucmm_ctx *ctx, const mucmm__block *y, const double *inverse,
                                    const double *dy, double *dx);

/* ---- the linear setting in closed form (section 4) --------------------------------- */

/* cov [P, P]: the joint covariance of all views, P = sum p_m. ridge is added to every diagonal
 * (absolute units). rho [k_max], k_max = min_m p_m, of more than two views the second largest p_m,
 * or fewer if asked: the k_all leading
 * correlations; weights[m] [p_m, k]: canonical weights W_m, each column scaled so that the variate
 * W_m' h has variance 1 under cov + ridge (so W' (S+rI) W = I for M = 2); signs: column sums of
 * weights[0] positive, (an exact zero sum: first nonzero entry positive). For M = 2 through the
 * singular values of L1^-1 S12 L2^-T; else the generalized eigenproblem, whose k leading vectors
 * are then turned so that the pairs of views are as diagonal in them as can be (method, section 4),
 * the k leading rho with them; their sum stays. A view that has no part in a component has a
 * variate of noise. One with fewer columns than k carries p_m of the components, those of which it
 * has the largest parts that are not told by the others it carries; its other weights are 0.
 * ENUMERIC names the view (names[m]) whose covariance is not positive definite, and says to raise
 * the ridge. */
mucmm_status mucmm__closed_form_common(mucmm_ctx *ctx, int32_t n_views, const int64_t *p,
                                       const char *const *names, const double *cov, double ridge,
                                       int64_t k, int64_t k_all, double *rho,
                                       double *const *weights);

/* The same, but view m carries at most carried[m] >= 1 components (NULL: all that it can). */
mucmm_status mucmm__closed_form_common_of(mucmm_ctx *ctx, int32_t n_views, const int64_t *p,
                                          const char *const *names, const double *cov, double ridge,
                                          int64_t k, int64_t k_all, const int64_t *carried,
                                          double *rho, double *const *weights);

/* +1 or -1: the sign of the sum of column j of w [p, k], of its first nonzero entry if that is 0.
 */
double mucmm__column_sign(int64_t p, int64_t k, const double *w, int64_t j);

/* The part of a view that its common variates do not explain, its q leading principal components,
 * whitened: cov [p, p], weights [p, k]; out individual [p, q], q <= p - k, such that under cov u =
 * individual' h has Cov(u, c) = 0 and Cov(u, u) = I, ordered by explained variance |Cov(h, u_j)|^2;
 * column sums positive. The regression on c is solved, not assumed to have Cov(c, c) = I, so either
 * covariance is exact in its own sense: the plain one makes the identities of section 7 hold on the
 * training rows, cov + ridge (with weights of the same ridge) makes them hold in that metric, which
 * is what the reference values do. There only the variance shares are of the plain covariance.
 * ENUMERIC, naming the view, if fewer than q directions of variance are left or the k variates are
 * dependent. */
mucmm_status mucmm__closed_form_individual(mucmm_ctx *ctx, int64_t p, const double *cov, int64_t k,
                                           const double *weights, int64_t q, const char *name,
                                           double *individual);

/* The same, and Cov(u, d) = 0 for the variates d of other views too: cross [p, others] = Cov(h, d)
 * under cov, variates of variance 1; destroyed. individual [p, found], found <= q: each direction
 * that d has in h beyond c is one less for u. Where q leaves no room for all of them, those go
 * first whose squared correlations are largest, and as few are denied as q asks for, but all that
 * are larger than chance. */
mucmm_status mucmm__closed_form_individual_of_all(mucmm_ctx *ctx, int64_t p, const double *cov,
                                                  int64_t k, const double *weights, int64_t others,
                                                  double *cross, double chance, int64_t q,
                                                  const char *name, double *individual,
                                                  int64_t *found);

/* ---- pairing permutation test (section 5) ------------------------------------------ */

/* c[m] [n, k]: fixed variates of M views on rows no head has seen. Statistic of component j: the
 * mean over pairs of views of corr(c_m[:, j], c_l[:, j]). Each permutation shuffles the rows of
 * every view but the first, all components together. Step-down maximum (Westfall and Young 1993),
 * exact p = (b + 1)/(N + 1), monotone in the order of the observed statistics. One-sided: a
 * negative correlation is never significant. A constant variate has correlation 0. null_95 [k]: p
 * is at most 0.05 exactly where the observed statistic is above it and all larger ones are above
 * theirs (of the first 10,000 permutations; NaN if fewer than 19). correlations [k], p_values and
 * null_95 [k] (NULL, or permutations = 0: none). The same bytes for any threads. */
mucmm_status mucmm__permutation_test(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                                     int64_t permutations, uint64_t seed, double *correlations,
                                     double *p_values, double *null_95);
/* The same by the permutations of e (NULL: all). The correlations are of all rows, p_values and
 * null_95 of those that e tests; NaN if e has not permutations enough. */
mucmm_status mucmm__exchange_test(mucmm_ctx *ctx, const mucmm__exchange *e, int32_t n_views,
                                  const mucmm__block *c, int64_t permutations, uint64_t seed,
                                  double *correlations, double *p_values, double *null_95);

/* ---- permutation test of what is left (section 5) ---------------------------------- */

/* One statistic of a family: K(a, b) or K_x(a, c), and the whitened rows that its permutations
 * need. The rows of each side stay, or are moved by permutation mover >= 1 of each draw; those with
 * the same mover move together. */
typedef struct mucmm__dependence {
    double value;  /* of the rows as they are */
    double chance; /* its mean over all pairings of the rows: tr(A^-1 S_aa) tr(B^-1 S_bb)/((n-1)
                      min(dim a, dim b)), that is max(dim a, dim b)/(n-1) for r = 0; K_x: 0. Of
                      groups the mean over the permutations of the test */
    double p;      /* NaN until the test */
    int32_t mover_left, mover_right; /* of a, of b or c; 0 = stays: set them before the test */
    int64_t n, d, e;
    bool halves;         /* K_x */
    float *left, *right; /* [n, d], [n, e] */
} mucmm__dependence;

/* K(a, b) as mucmm__correlation_min; drop it, also after a failure. */
mucmm_status mucmm__dependence_init(mucmm_ctx *ctx, const mucmm__block *a, const mucmm__block *b,
                                    double ridge, mucmm__dependence *s);
/* K_x(a, c) as mucmm__correlation_min_crossfit. */
mucmm_status mucmm__dependence_init_crossfit(mucmm_ctx *ctx, const mucmm__block *a,
                                             const mucmm__block *c, double ridge,
                                             mucmm__dependence *s);
void mucmm__dependence_drop(mucmm__dependence *s);

/* p of every statistic of the family, all of the same rows: step-down maxima of the statistics in
 * standard deviations from their mean over the observed and all permuted ones, exact p = (b + 1)/(N
 * + 1), one-sided. made: N, fewer than asked for (at least 199) where all would take more than
 * most_work multiplications; unchanged if there is no statistic or permutation. The same bytes for
 * any threads. e: the rows are those that it tests, in its order, and p stays NaN if it has not
 * permutations enough; NULL: all permutations. */
mucmm_status mucmm__dependence_test(mucmm_ctx *ctx, const mucmm__exchange *e, int64_t n_statistics,
                                    mucmm__dependence *const *statistics, int64_t permutations,
                                    uint64_t seed, double most_work, int64_t *made);

/* ---- nonlinear features of variates (section 2, staged deflation) ------------------ */

/* psi(c) = [c, c_i c_j for i <= j < pairs, sqrt(2) cos(c omega + phase)]. */
typedef struct mucmm__psi {
    int64_t in, pairs, waves; /* columns of c; the first of them that are multiplied; cosines */
    double *omega, *phase;    /* [in, waves], [waves] */
} mucmm__psi;

/* Ridge of every regression on psi, of standardized features. */
#define MUCMM__PSI_RIDGE 1e-2

int64_t mucmm__psi_width(const mucmm__psi *f);
/* Of given sizes, omega and phase zero. */
mucmm_status mucmm__psi_alloc(mucmm_ctx *ctx, int64_t in, int64_t pairs, int64_t waves,
                              mucmm__psi *f);
/* 150 cosines drawn with key, and as many products as there is room for: width at most limit, but
 * at least in. */
mucmm_status mucmm__psi_create(mucmm_ctx *ctx, uint64_t key, int64_t in, int64_t limit,
                               mucmm__psi *f);
void mucmm__psi_drop(mucmm__psi *f);
/* c [n, in] -> psi [n, width]; dc [n, in] from dpsi [n, width]. */
mucmm_status mucmm__psi_forward(mucmm_ctx *ctx, const mucmm__psi *f, const mucmm__block *c,
                                double *psi);
mucmm_status mucmm__psi_vjp(mucmm_ctx *ctx, const mucmm__psi *f, const mucmm__block *c,
                            const double *dpsi, double *dc);

/* Residual of a ridge regression on a batch of standardized features p [n, w]: factor [w, w] is the
 * Cholesky factor of p'p/n + r I, and y [n, k] <- y - p (p'p/n + r I)^-1 p'y/n. The map is
 * symmetric, so that it also carries a gradient back. */
mucmm_status mucmm__smoother_prepare(mucmm_ctx *ctx, const mucmm__block *p, double ridge,
                                     double *factor);
mucmm_status mucmm__smoother_residual(mucmm_ctx *ctx, const mucmm__block *p, const double *factor,
                                      const mucmm__block *y);

/* weights [width, cols] of the regression of y [n, cols] on psi(c), c [n, in]: a ridge on
 * standardized features, after which what covariance is left with c itself is taken out exactly. */
mucmm_status mucmm__psi_regress(mucmm_ctx *ctx, const mucmm__psi *f, double ridge, int64_t n,
                                const float *c, int64_t cols, const float *y, double *weights);
/* y [n, cols] -= psi(c) weights; the first `in` of each row's stride numbers are c. */
mucmm_status mucmm__psi_subtract(mucmm_ctx *ctx, const mucmm__psi *f, const double *weights,
                                 int64_t n, const float *c, int64_t stride, int64_t cols, float *y);

/* r2 [k]: how well nonlinear features of c_0 .. c_(j-1) predict c_j: fitted on c [n, k], n >= 8,
 * judged on the rows other [n', k]; 0 at least. */
mucmm_status mucmm__harmonics(mucmm_ctx *ctx, const mucmm__block *c, const mucmm__block *other,
                              double *r2);
/* The same regressions: targets [n', k] = other, each column less its mean and over its standard
 * deviation on c's rows; rest [n', k]: what those features do not predict of it. */
mucmm_status mucmm__less_harmonics(mucmm_ctx *ctx, const mucmm__block *c, const mucmm__block *other,
                                   double *targets, double *rest);

#endif
