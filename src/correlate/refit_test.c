/* SPDX-License-Identifier: MIT
 *
 * Is more shared than the first components? The pairing is permuted and the closed form fitted
 * again (section 4 of the method). n rows, M views of d_m columns, N permutations. */
#include "correlate/refit_test.h"

#include "correlate/whitened.h"

#include <math.h>
#include <string.h>

/* Ridges that are tried where none is given, in units of the mean variance. With more columns than
 * rows, so many times that as there are columns for a row: the variances along the directions of
 * the rows grow by that factor. */
static const double ridges[] = {0.1, 1};
enum { RIDGES = sizeof ridges / sizeof *ridges, STATISTICS = RIDGES + 1 };

/* Steps of Lanczos' iteration: as many bring the largest eigenvalue near enough. */
enum { STEPS = 24, LEAST_PERMUTATIONS = 199 };

/* A direction with no more variance than this share of the largest is none. */
#define NO_VARIANCE 1e-13
/* Statistics, in standard deviations, that differ by less are equal. */
#define TIE 1e-7

typedef struct refit {
    int32_t n_views, n_ridges;
    int64_t n, permutations, lanes, total; /* total = sum of dims */
    int64_t dims[MUCMM_MAX_VIEWS], at[MUCMM_MAX_VIEWS + 1];
    uint64_t seed;
    const mucmm__exchange *exchange;
    double *f[RIDGES][MUCMM_MAX_VIEWS]; /* [n, d_m] whitened rows, less the components before */
    double *start;                      /* [total] where every iteration begins */
    double *statistic; /* [N + 1, STATISTICS], the observed ones first: the largest correlation with
                          every ridge, and the sum of all squares with the largest */
} refit;

static void refit_drop(refit *t)
{
    for (int r = 0; r < RIDGES; r++)
        for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
            mucmm__free(t->f[r][m]);
    mucmm__free(t->start);
    mucmm__free(t->statistic);
}

/* ---- whitened rows ----------------------------------------------------------------- */

/* f[r][m] = U diag(s / sqrt(s^2 + (n - 1) ridge)) of the centred rows U diag(s) V': for every
 * ridge, the rows times (S + ridge I)^-1/2 but for a rotation. Whatever the pairing, it stays. */
static mucmm_status whiten_view(mucmm_ctx *ctx, refit *t, int32_t m, const mucmm__block *x,
                                const double *scales)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = t->n, p = x->cols, r = n < p ? n : p, d = 0;
    const char *name = "a view";
    double *centred = NULL, *u = NULL, *s = NULL, *vt = NULL;

    TRY(mucmm__alloc(ctx, n * p, sizeof *centred, &centred));
    TRY(mucmm__alloc(ctx, n * r, sizeof *u, &u));
    TRY(mucmm__alloc(ctx, r, sizeof *s, &s));
    TRY(mucmm__alloc(ctx, r * p, sizeof *vt, &vt));
    TRY(mucmm__center(ctx, 1, x, &name, centred));
    TRY(mucmm__svd(ctx, n, p, centred, u, s, vt));
    while (d < r && s[d] > NO_VARIANCE * (double)(n + p) * s[0])
        d++;
    t->dims[m] = d;
    for (int i = 0; i < t->n_ridges; i++) {
        TRY(mucmm__alloc(ctx, n * d, sizeof(double), &t->f[i][m]));
        for (int64_t row = 0; row < n; row++)
            for (int64_t j = 0; j < d; j++)
                t->f[i][m][row * d + j] =
                    u[row * r + j] * s[j] / sqrt(s[j] * s[j] + (double)(n - 1) * scales[i]);
    }
done:
    mucmm__free(centred);
    mucmm__free(u);
    mucmm__free(s);
    mucmm__free(vt);
    return status;
}

/* ---- one pairing ------------------------------------------------------------------- */

/* Scratch of one pairing. */
typedef struct pairing {
    const double *f[MUCMM_MAX_VIEWS];
    int64_t *perm; /* [M - 1, n]: row i of the pairing is row perm[i] of the view; view 0 stays */
    double *sum, *part, *moved;            /* [n] */
    double *basis;                         /* [STEPS + 1, total] */
    double *rows[MUCMM_MAX_VIEWS], *cross; /* [n, d_m] in the order of the pairing, [d_m, d_l] */
} pairing;

static void pairing_drop(pairing *w)
{
    mucmm__free(w->perm);
    mucmm__free(w->sum);
    mucmm__free(w->part);
    mucmm__free(w->moved);
    mucmm__free(w->basis);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(w->rows[m]);
    mucmm__free(w->cross);
}

static mucmm_status pairing_create(mucmm_ctx *ctx, const refit *t, pairing *w)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, (t->n_views - 1) * t->n, sizeof *w->perm, &w->perm));
    TRY(mucmm__alloc(ctx, t->n, sizeof *w->sum, &w->sum));
    TRY(mucmm__alloc(ctx, t->n, sizeof *w->part, &w->part));
    TRY(mucmm__alloc(ctx, t->n, sizeof *w->moved, &w->moved));
    TRY(mucmm__alloc(ctx, (STEPS + 1) * t->total, sizeof *w->basis, &w->basis));
    TRY(mucmm__alloc(ctx, t->total * t->total, sizeof *w->cross, &w->cross));
    for (int32_t m = 0; m < t->n_views; m++)
        TRY(mucmm__alloc(ctx, t->n * t->dims[m], sizeof *w->rows[m], &w->rows[m]));
done:
    return status;
}

/* Pairing b, 0 = as given: a function of (seed, b) alone. */
static void pair_rows(const refit *t, int64_t b, pairing *w)
{
    uint64_t key = mucmm__rng_key(t->seed, (uint64_t)b);

    for (int32_t l = 1; l < t->n_views; l++) {
        int64_t *perm = w->perm + (l - 1) * t->n;
        for (int64_t i = 0; i < t->n; i++)
            perm[i] = i;
        if (b > 0)
            mucmm__exchange_draw(t->exchange, mucmm__rng_key(key, (uint64_t)l), perm, t->n);
    }
}

/* out [n] = the rows of view m in the order of the pairing, times v [d_m]. */
static mucmm_status project(mucmm_ctx *ctx, const refit *t, const pairing *w, int32_t m,
                            const double *v, double *own, double *out)
{
    mucmm_status status = MUCMM_OK;
    const int64_t *perm = m > 0 ? w->perm + (m - 1) * t->n : NULL;

    TRY(mucmm__dgemm(ctx, false, false, t->n, 1, t->dims[m], 1, w->f[m], t->dims[m], v, 1, 0, own,
                     1));
    for (int64_t i = 0; i < t->n; i++)
        out[i] = own[perm ? perm[i] : i];
done:
    return status;
}

/* y [total] = A v: A the joint matrix of the whitened rows without its diagonal blocks, whose
 * largest eigenvalue is (M - 1) rho_1. Block m of it is F_m' (sum_l F_l v_l - F_m v_m). */
static mucmm_status multiply(mucmm_ctx *ctx, const refit *t, pairing *w, const double *v, double *y)
{
    mucmm_status status = MUCMM_OK;

    memset(w->sum, 0, (size_t)t->n * sizeof *w->sum);
    for (int32_t m = 0; m < t->n_views; m++) {
        TRY(project(ctx, t, w, m, v + t->at[m], w->moved, w->part));
        for (int64_t i = 0; i < t->n; i++)
            w->sum[i] += w->part[i];
    }
    for (int32_t m = 0; m < t->n_views; m++) {
        const int64_t *perm = m > 0 ? w->perm + (m - 1) * t->n : NULL;
        TRY(project(ctx, t, w, m, v + t->at[m], w->moved, w->part));
        for (int64_t i = 0; i < t->n; i++)
            w->moved[perm ? perm[i] : i] = w->sum[i] - w->part[i];
        TRY(mucmm__dgemm(ctx, true, false, t->dims[m], 1, t->n, 1, w->f[m], t->dims[m], w->moved, 1,
                         0, y + t->at[m], 1));
    }
done:
    return status;
}

static double dot(int64_t n, const double *a, const double *b)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* v [n] less its parts along the `count` unit vectors of basis, twice for the rounding; its length
 * then. */
static double orthogonalize(int64_t n, int64_t count, const double *basis, double *v)
{
    for (int twice = 0; twice < 2; twice++)
        for (int64_t j = 0; j < count; j++) {
            double along = dot(n, basis + j * n, v);
            for (int64_t i = 0; i < n; i++)
                v[i] -= along * basis[j * n + i];
        }
    return sqrt(dot(n, v, v));
}

/* Is an eigenvalue of the symmetric tridiagonal matrix [n, n] larger than x? (Sturm's sequence) */
static bool exceeds(int64_t n, const double *diagonal, const double *beside, double x)
{
    double d = 1;

    for (int64_t i = 0; i < n; i++) {
        d = diagonal[i] - x - (i > 0 ? beside[i - 1] * beside[i - 1] / d : 0);
        if (d > 0)
            return true;
        d = d > -1e-300 ? -1e-300 : d;
    }
    return false;
}

/* Its largest eigenvalue: the ends, Gershgorin's, are halved until they meet. */
static double largest_tridiagonal(int64_t n, const double *diagonal, const double *beside)
{
    double low = -INFINITY, high = -INFINITY;

    for (int64_t i = 0; i < n; i++) {
        double around = (i > 0 ? beside[i - 1] : 0) + (i < n - 1 ? beside[i] : 0);
        low = fmax(low, diagonal[i]);
        high = fmax(high, diagonal[i] + around);
    }
    for (int i = 0; i < 60 && low < high; i++) {
        double middle = low + (high - low) / 2;
        if (exceeds(n, diagonal, beside, middle))
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The largest eigenvalue of A as Lanczos' iteration sees it from a start that does not know the
 * pairing: a statistic in its own right, so that the test is exact however near it is. */
static mucmm_status largest(mucmm_ctx *ctx, const refit *t, pairing *w, double *value)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = t->total, steps = 0;
    double diagonal[STEPS], beside[STEPS];

    memcpy(w->basis, t->start, (size_t)n * sizeof *w->basis);
    while (steps < STEPS && steps < n) {
        double *v = w->basis + steps * n, *next = v + n;
        TRY(multiply(ctx, t, w, v, next));
        diagonal[steps] = dot(n, v, next);
        beside[steps] = orthogonalize(n, steps + 1, w->basis, next);
        if (beside[steps++] < 1e-10)
            break;
        for (int64_t i = 0; i < n; i++)
            next[i] /= beside[steps - 1];
    }
    *value = largest_tridiagonal(steps, diagonal, beside);
done:
    return status;
}

/* The sum over pairs of views of |F_m' F_l|^2. */
static mucmm_status squares(mucmm_ctx *ctx, const refit *t, const pairing *w, double *sum)
{
    mucmm_status status = MUCMM_OK;
    double *const *rows = w->rows, *cross = w->cross;

    *sum = 0;
    for (int32_t m = 0; m < t->n_views; m++) {
        int64_t d = t->dims[m];
        for (int64_t i = 0; i < t->n; i++)
            memcpy(rows[m] + i * d, w->f[m] + (m > 0 ? w->perm[(m - 1) * t->n + i] : i) * d,
                   (size_t)d * sizeof **rows);
        for (int32_t l = 0; l < m; l++) {
            TRY(mucmm__dgemm(ctx, true, false, d, t->dims[l], t->n, 1, rows[m], d, rows[l],
                             t->dims[l], 0, cross, t->dims[l]));
            *sum += dot(d * t->dims[l], cross, cross);
        }
    }
done:
    return status;
}

static mucmm_status run_pairing(mucmm_ctx *own, const refit *t, int64_t b, pairing *w)
{
    mucmm_status status = MUCMM_OK;
    double *out = t->statistic + b * STATISTICS;

    pair_rows(t, b, w);
    for (int r = 0; r < t->n_ridges; r++) {
        for (int32_t m = 0; m < t->n_views; m++)
            w->f[m] = t->f[r][m];
        TRY(largest(own, t, w, &out[r]));
    }
    TRY(squares(own, t, w, &out[t->n_ridges]));
done:
    return status;
}

/* Each pairing has its own place: the lanes do not matter. */
static mucmm_status run_lane(mucmm_ctx *own, void *arg, int64_t lane)
{
    mucmm_status status = MUCMM_OK;
    const refit *t = arg;
    pairing w = {0};

    TRY(pairing_create(own, t, &w));
    for (int64_t b = lane; b <= t->permutations; b += t->lanes)
        TRY(run_pairing(own, t, b, &w));
done:
    pairing_drop(&w);
    return status;
}

/* ---- one component ----------------------------------------------------------------- */

/* The largest of a pairing's statistics, each in standard deviations from its mean over all
 * pairings: which of them serves best is chosen anew in every pairing. p counts the pairings, the
 * given one among them, that reach it. */
static double take_p(refit *t)
{
    int64_t count = 0, all = t->permutations + 1, width = STATISTICS;
    double observed = -INFINITY;

    for (int64_t i = 0; i <= t->n_ridges; i++) {
        double mean = 0, square = 0;
        for (int64_t b = 0; b < all; b++)
            mean += t->statistic[b * width + i] / (double)all;
        for (int64_t b = 0; b < all; b++)
            square += pow(t->statistic[b * width + i] - mean, 2) / (double)all;
        for (int64_t b = 0; b < all; b++)
            t->statistic[b * width + i] =
                square > 0 ? (t->statistic[b * width + i] - mean) / sqrt(square) : 0;
    }
    for (int64_t b = 0; b < all; b++) {
        double most = -INFINITY;
        for (int64_t i = 0; i <= t->n_ridges; i++)
            most = fmax(most, t->statistic[b * width + i]);
        observed = b == 0 ? most : observed;
        count += most >= observed - TIE;
    }
    return (double)count / (double)all;
}

/* The joint matrix A [total, total] of ridge r, the pairing as given. */
static mucmm_status joint_matrix(mucmm_ctx *ctx, const refit *t, int r, double *a)
{
    mucmm_status status = MUCMM_OK;

    memset(a, 0, (size_t)(t->total * t->total) * sizeof *a);
    for (int32_t m = 0; m < t->n_views; m++)
        for (int32_t l = 0; l < t->n_views; l++)
            if (l != m)
                TRY(mucmm__dgemm(ctx, true, false, t->dims[m], t->dims[l], t->n, 1, t->f[r][m],
                                 t->dims[m], t->f[r][l], t->dims[l], 0,
                                 a + t->at[m] * t->total + t->at[l], t->total));
done:
    return status;
}

/* Takes the first component of every ridge out of the rows: F_m -> F_m (I - q q'), q the part of
 * its eigenvector in view m, unit length. */
static mucmm_status deflate(mucmm_ctx *ctx, refit *t)
{
    mucmm_status status = MUCMM_OK;
    double *a = NULL, *v = NULL, *c = NULL, value;

    TRY(mucmm__alloc(ctx, t->total * t->total, sizeof *a, &a));
    TRY(mucmm__alloc(ctx, t->total, sizeof *v, &v));
    TRY(mucmm__alloc(ctx, t->n, sizeof *c, &c));
    for (int r = 0; r < t->n_ridges; r++) {
        TRY(joint_matrix(ctx, t, r, a));
        TRY(mucmm__eigen(ctx, t->total, a, 1, &value, v));
        for (int32_t m = 0; m < t->n_views; m++) {
            double *q = v + t->at[m], length = sqrt(dot(t->dims[m], q, q));
            for (int64_t j = 0; j < t->dims[m]; j++)
                q[j] = length > 0 ? q[j] / length : 0;
            TRY(mucmm__dgemm(ctx, false, false, t->n, 1, t->dims[m], 1, t->f[r][m], t->dims[m], q,
                             1, 0, c, 1));
            TRY(mucmm__dgemm(ctx, false, false, t->n, t->dims[m], 1, -1, c, 1, q, t->dims[m], 1,
                             t->f[r][m], t->dims[m]));
        }
    }
done:
    mucmm__free(a);
    mucmm__free(v);
    mucmm__free(c);
    return status;
}

/* ---- the test ---------------------------------------------------------------------- */

/* Fewer permutations where all would take more than most_work multiplications a component. */
static int64_t affordable(const refit *t, int64_t permutations, double most_work)
{
    double d = (double)t->total, n = (double)t->n;
    double one = t->n_ridges * (3 * STEPS * n * d + 2 * STEPS * STEPS * d + n * d * d / 2);
    double fit = most_work / one;

    if (fit >= (double)permutations)
        return permutations;
    return fit > LEAST_PERMUTATIONS            ? (int64_t)fit
           : permutations < LEAST_PERMUTATIONS ? permutations
                                               : LEAST_PERMUTATIONS;
}

static mucmm_status refit_init(mucmm_ctx *ctx, refit *t, const mucmm__block *x,
                               const mucmm__refit *how)
{
    mucmm_status status = MUCMM_OK;
    double scales[RIDGES] = {how->ridge}, per_row = 1, length;

    t->n_ridges = how->ridge < 0 ? RIDGES : 1;
    for (int32_t m = 0; m < t->n_views; m++)
        per_row = fmax(per_row, (double)how->columns[m] / (double)t->n);
    for (int r = 0; r < RIDGES && how->ridge < 0; r++)
        scales[r] = ridges[r] * per_row;
    for (int32_t m = 0; m < t->n_views; m++) {
        TRY(whiten_view(ctx, t, m, &x[m], scales));
        t->at[m + 1] = t->at[m] + t->dims[m];
    }
    t->total = t->at[t->n_views];
    t->permutations = affordable(t, how->permutations, how->most_work);
    TRY(mucmm__alloc(ctx, t->total, sizeof *t->start, &t->start));
    for (int64_t i = 0; i < t->total; i++)
        t->start[i] = mucmm__rng_normal(mucmm__rng_key(t->seed, UINT64_MAX), (uint64_t)i);
    length = sqrt(dot(t->total, t->start, t->start));
    for (int64_t i = 0; i < t->total; i++)
        t->start[i] /= length;
    TRY(mucmm__alloc(ctx, (t->permutations + 1) * STATISTICS, sizeof *t->statistic, &t->statistic));
done:
    return status;
}

mucmm_status mucmm__refit_test(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *x,
                               const mucmm__refit *how, int64_t components, double *p_values,
                               int64_t *made)
{
    mucmm_status status = MUCMM_OK;
    refit t = {.n_views = n_views,
               .n = x[0].rows,
               .seed = how->seed,
               .exchange = how->exchange,
               .lanes = ctx->threads};
    double before = 0;

    *made = 0;
    for (int64_t j = 0; j < components; j++)
        p_values[j] = NAN;
    TRY(refit_init(ctx, &t, x, how));
    *made = t.permutations;
    for (int64_t j = 0; j < components && t.permutations > 0; j++) {
        if (j > 0)
            TRY(deflate(ctx, &t));
        TRY(mucmm__progress(ctx, "permutations", j, components, NULL));
        TRY(mucmm__parallel_try(ctx, t.lanes, run_lane, &t));
        p_values[j] = before = fmax(before, take_p(&t));
        if (how->stop && before > MUCMM_SIGNIFICANT)
            break;
    }
done:
    refit_drop(&t);
    return status;
}
