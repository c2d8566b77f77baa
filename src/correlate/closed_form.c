/* SPDX-License-Identifier: MIT
 *
 * closed_form.c - the linear setting in closed form. M views of p_m columns,
 * P = sum p_m, k common and q individual components. */
#include "correlate/whitened.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Squared correlations of variates of other views with what an individual part may hold are
 * rounding below this. */
#define UNSEEN 1e-13

/* Of a component, whose parts in all views have squares that add up to 1: a view with less has no
 * part in it but rounding. */
#define NO_PART 1e-20
/* Of the square of its part in a view: if the components that the view carries tell so much of it,
 * it is none of its own. */
#define TOLD (1 - 1e-4)

/* ---- common ------------------------------------------------------------------------ */

/* The view that leaves the fewest components: of two the narrower one, of more the second widest,
 * as a component needs two views. */
static int32_t decisive(int32_t n_views, const int64_t *p)
{
    int32_t widest = 0, second = -1;

    for (int32_t m = 1; m < n_views; m++)
        widest = p[m] > p[widest] ? m : widest;
    for (int32_t m = 0; m < n_views; m++)
        if (m != widest && (second < 0 || p[m] > p[second]))
            second = m;
    return second;
}

static mucmm_status check_common(mucmm_ctx *ctx, int32_t n_views, const int64_t *p,
                                 const char *const *names, double ridge, int64_t k, int64_t k_all)
{
    int32_t narrow;

    if (n_views < 2 || n_views > MUCMM_MAX_VIEWS)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId32 " views; from 2 to %d are possible", n_views,
                           MUCMM_MAX_VIEWS);
    if (!(ridge >= 0 && isfinite(ridge)))
        return mucmm__fail(ctx, MUCMM_EARG, "ridge = %g; it must be 0 or more", ridge);
    narrow = decisive(n_views, p);
    if (k < 0 || k_all < 1 || k > k_all || k_all > p[narrow])
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%" PRId64 " common components of %" PRId64
                           " correlations; %s has %" PRId64 " columns, and there are no more",
                           k, k_all, names[narrow], p[narrow]);
    return MUCMM_OK;
}

static double column_square(int64_t p, int64_t k, const double *w, int64_t j)
{
    double square = 0;

    for (int64_t i = 0; i < p; i++)
        square += w[i * k + j] * w[i * k + j];
    return square;
}

/* Columns of w [p, k] to unit length: in whitened coordinates that is variance 1. */
static void normalize_columns(int64_t p, int64_t k, double *w)
{
    for (int64_t j = 0; j < k; j++) {
        double square = column_square(p, k, w, j);
        for (int64_t i = 0; i < p; i++)
            w[i * k + j] = square > NO_PART ? w[i * k + j] / sqrt(square) : 0;
    }
}

/* rest [p, k] less its parts along its column j. */
static void take_out(int64_t p, int64_t k, double *rest, int64_t j)
{
    double square = column_square(p, k, rest, j);

    for (int64_t l = 0; l < k; l++) {
        double along = 0;
        for (int64_t i = 0; i < p; i++)
            along += rest[i * k + j] * rest[i * k + l] / square;
        for (int64_t i = 0; l != j && i < p; i++)
            rest[i * k + l] -= along * rest[i * k + j];
    }
    for (int64_t i = 0; i < p; i++)
        rest[i * k + j] = 0;
}

/* A view that carries fewer than k components, w [p, k] its parts in each: one by one that of which
 * the largest part is left beside those before it; the others' columns are 0. */
static mucmm_status choose_carried(mucmm_ctx *ctx, int64_t p, int64_t k, int64_t carried, double *w)
{
    mucmm_status status = MUCMM_OK;
    double *rest = NULL;
    bool *carries = NULL;

    TRY(mucmm__alloc(ctx, p * k, sizeof *rest, &rest));
    TRY(mucmm__alloc(ctx, k, sizeof *carries, &carries));
    memcpy(rest, w, (size_t)(p * k) * sizeof *w);
    for (int64_t n = 0; n < carried; n++) {
        int64_t best = -1;
        double most = NO_PART;
        for (int64_t j = 0; j < k; j++) {
            double left = column_square(p, k, rest, j);
            if (left > most && left > (1 - TOLD) * column_square(p, k, w, j)) {
                most = left;
                best = j;
            }
        }
        if (best < 0)
            break;
        carries[best] = true;
        take_out(p, k, rest, best);
    }
    for (int64_t j = 0; j < k; j++)
        for (int64_t i = 0; i < p && !carries[j]; i++)
            w[i * k + j] = 0;
done:
    mucmm__free(rest);
    mucmm__free(carries);
    return status;
}

double mucmm__column_sign(int64_t p, int64_t k, const double *w, int64_t j)
{
    double sum = 0, first = 0;

    for (int64_t i = 0; i < p; i++) {
        sum += w[i * k + j];
        first = first == 0 ? w[i * k + j] : first;
    }
    return sum < 0 || (sum == 0 && first < 0) ? -1 : 1;
}

static void scale_column(int64_t p, int64_t k, double *w, int64_t j, double factor)
{
    for (int64_t i = 0; i < p; i++)
        w[i * k + j] *= factor;
}

/* z [P, k_all] whitened -> weights[m] [p_m, k], a common sign per component. */
static mucmm_status take_weights(mucmm_ctx *ctx, const mucmm__whitened *v, int64_t k, int64_t k_all,
                                 const int64_t *carried, const double *z, double *const *weights)
{
    mucmm_status status = MUCMM_OK;
    int64_t row = 0, most;

    for (int32_t m = 0; m < v->n; m++) {
        for (int64_t i = 0; i < v->dims[m]; i++, row++)
            memcpy(weights[m] + i * k, z + row * k_all, (size_t)k * sizeof *z);
        most = carried && carried[m] < v->dims[m] ? carried[m] : v->dims[m];
        if (most < k)
            TRY(choose_carried(ctx, v->dims[m], k, most, weights[m]));
        normalize_columns(v->dims[m], k, weights[m]);
        TRY(mucmm__solve_lower(ctx, true, v->dims[m], k, v->factor[m], weights[m]));
    }
    for (int64_t j = 0; j < k; j++) {
        int32_t first = 0; /* that has a part in it */
        while (first < v->n - 1 && column_square(v->dims[first], k, weights[first], j) == 0)
            first++;
        double sign = mucmm__column_sign(v->dims[first], k, weights[first], j);
        for (int32_t m = 0; m < v->n; m++)
            scale_column(v->dims[m], k, weights[m], j, sign);
    }
done:
    return status;
}

/* sym(Z_m' C_ml Z_l) of the k leading columns of z [P, k_all], for every pair of views m < l, C_ml
 * whitened: a [pairs, k, k]. */
static mucmm_status pair_products(mucmm_ctx *ctx, const mucmm__whitened *v, int64_t k,
                                  int64_t k_all, const double *z, double *a)
{
    mucmm_status status = MUCMM_OK;
    double *w = NULL, *sw = NULL;
    int64_t at[MUCMM_MAX_VIEWS + 1] = {0};

    TRY(mucmm__alloc(ctx, v->total * k, sizeof *w, &w));
    TRY(mucmm__alloc(ctx, v->total * k, sizeof *sw, &sw));
    for (int64_t i = 0; i < v->total; i++)
        memcpy(w + i * k, z + i * k_all, (size_t)k * sizeof *z);
    TRY(mucmm__whitened_unwhiten(ctx, v, k, w));
    for (int32_t m = 0; m < v->n; m++)
        at[m + 1] = at[m] + v->dims[m];
    for (int32_t m = 0; m < v->n; m++)
        for (int32_t l = m + 1; l < v->n; l++, a += k * k) {
            TRY(mucmm__dgemm(ctx, false, false, v->dims[m], k, v->dims[l], 1,
                             v->cov + at[m] * v->total + at[l], v->total, w + at[l] * k, k, 0, sw,
                             k));
            TRY(mucmm__dgemm(ctx, true, false, k, k, v->dims[m], 1, w + at[m] * k, k, sw, k, 0, a,
                             k));
            for (int64_t i = 0; i < k; i++)
                for (int64_t j = 0; j < i; j++)
                    a[i * k + j] = a[j * k + i] = 0.5 * (a[i * k + j] + a[j * k + i]);
        }
done:
    mucmm__free(w);
    mucmm__free(sw);
    return status;
}

/* Columns of z [P, k_all] and their rho, the k leading ones: rho descending. */
static void sort_columns(int64_t rows, int64_t k, int64_t k_all, double *rho, double *z)
{
    for (int64_t j = 0; j < k; j++) {
        int64_t best = j;
        double keep = rho[j];
        for (int64_t l = j + 1; l < k; l++)
            best = rho[l] > rho[best] ? l : best;
        rho[j] = rho[best];
        rho[best] = keep;
        for (int64_t i = 0; i < rows; i++) {
            double value = z[i * k_all + j];
            z[i * k_all + j] = z[i * k_all + best];
            z[i * k_all + best] = value;
        }
    }
}

/* Three views or more: eigenvectors mix factors whose eigenvalues are equal or close, as one that
 * all views share and one that only two do may have. In the space of the k leading vectors a factor
 * has its own correlation in every pair of views, so the axes are turned to where every pair's
 * products are as diagonal as can be. The sum of rho stays. */
static mucmm_status turn_to_factors(mucmm_ctx *ctx, const mucmm__whitened *v, int64_t k,
                                    int64_t k_all, double *rho, double *z)
{
    mucmm_status status = MUCMM_OK;
    int64_t pairs = (int64_t)v->n * (v->n - 1) / 2;
    double *a = NULL, *turn = NULL, *row = NULL;

    TRY(mucmm__alloc(ctx, pairs * k * k, sizeof *a, &a));
    TRY(mucmm__alloc(ctx, k * k, sizeof *turn, &turn));
    TRY(mucmm__alloc(ctx, v->total * k, sizeof *row, &row));
    TRY(pair_products(ctx, v, k, k_all, z, a));
    mucmm__joint_diagonal(k, pairs, a, turn);
    TRY(mucmm__dgemm(ctx, false, false, v->total, k, k, 1, z, k_all, turn, k, 0, row, k));
    for (int64_t i = 0; i < v->total; i++)
        memcpy(z + i * k_all, row + i * k, (size_t)k * sizeof *z);
    for (int64_t j = 0; j < k; j++) {
        rho[j] = 0;
        for (int64_t i = 0; i < pairs; i++)
            rho[j] += a[(i * k + j) * k + j] * 2 / (v->n - 1);
    }
    sort_columns(v->total, k, k_all, rho, z);
done:
    mucmm__free(a);
    mucmm__free(turn);
    mucmm__free(row);
    return status;
}

mucmm_status mucmm__closed_form_common(mucmm_ctx *ctx, int32_t n_views, const int64_t *p,
                                       const char *const *names, const double *cov, double ridge,
                                       int64_t k, int64_t k_all, double *rho,
                                       double *const *weights)
{
    return mucmm__closed_form_common_of(ctx, n_views, p, names, cov, ridge, k, k_all, NULL, rho,
                                        weights);
}

mucmm_status mucmm__closed_form_common_of(mucmm_ctx *ctx, int32_t n_views, const int64_t *p,
                                          const char *const *names, const double *cov, double ridge,
                                          int64_t k, int64_t k_all, const int64_t *carried,
                                          double *rho, double *const *weights)
{
    mucmm__whitened v = {0};
    double *z = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(check_common(ctx, n_views, p, names, ridge, k, k_all));
    v = (mucmm__whitened){.n = n_views, .dims = p, .names = names, .cov = cov, .ridge = ridge};
    TRY(mucmm__whitened_factor(ctx, &v));
    TRY(mucmm__alloc(ctx, v.total * k_all, sizeof *z, &z));
    TRY(mucmm__whitened_solve(ctx, &v, k_all, rho, z));
    if (n_views > 2 && k > 1)
        TRY(turn_to_factors(ctx, &v, k, k_all, rho, z));
    TRY(take_weights(ctx, &v, k, k_all, carried, z, weights));
done:
    mucmm__whitened_drop(&v);
    mucmm__free(z);
    return status;
}

/* ---- individual -------------------------------------------------------------------- */

/* With S = cov, c = W'h and B = (W'SW)^-1 W'S [k, p], the part of h that c does not explain is
 * (I - B'W')h, of covariance E = S - (SW) B. Its components E Q = Q diag(e) give
 *   u = diag(e)^-1/2 Q'(I - B'W') h,   individual = (I - W B) Q diag(e)^-1/2
 * What the variates d of other views still say of that part, X = Cov((I - B'W')h, d), is taken out
 * in the same way, with their best predictions Z'h from h in the place of c: G = X'S^-1 X = A
 * diag(g) A', Z = S^-1 X A g^-1/2, Y = X A g^-1/2, Y'Z = I, E less Y Y', individual = (I - W B)(I -
 * Z Y') Q diag(e)^-1/2. X'individual = 0 holds also where S^-1 is only near. Where that would leave
 * fewer than q directions, g no larger than chance is not taken out. */
typedef struct residual {
    int64_t p, k, q, denied; /* denied: columns of z, y */
    double *sw;              /* [p, k] S W */
    double *gram;            /* [k, k] W'SW */
    double *b;               /* [k, p] */
    double *e;               /* [p, p] */
    double *value;           /* [q] */
    double *z, *y;           /* [p, denied] */
} residual;

static void residual_drop(residual *r)
{
    mucmm__free(r->sw);
    mucmm__free(r->gram);
    mucmm__free(r->b);
    mucmm__free(r->e);
    mucmm__free(r->value);
    mucmm__free(r->z);
    mucmm__free(r->y);
}

static mucmm_status residual_init(mucmm_ctx *ctx, residual *r)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, r->p * r->k, sizeof *r->sw, &r->sw));
    TRY(mucmm__alloc(ctx, r->k * r->k, sizeof *r->gram, &r->gram));
    TRY(mucmm__alloc(ctx, r->k * r->p, sizeof *r->b, &r->b));
    TRY(mucmm__alloc(ctx, r->p * r->p, sizeof *r->e, &r->e));
    TRY(mucmm__alloc(ctx, r->q, sizeof *r->value, &r->value));
done:
    return status;
}

static mucmm_status residual_covariance(mucmm_ctx *ctx, residual *r, const double *cov,
                                        const double *weights, const char *name)
{
    int64_t p = r->p, k = r->k;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__dgemm(ctx, false, false, p, k, p, 1, cov, p, weights, k, 0, r->sw, k));
    TRY(mucmm__dgemm(ctx, true, false, k, k, p, 1, weights, k, r->sw, k, 0, r->gram, k));
    status = mucmm__cholesky(ctx, k, r->gram, name);
    if (status == MUCMM_ENUMERIC)
        return mucmm__fail(ctx, status,
                           "%s: its %" PRId64
                           " common variates are linearly dependent or not finite; ask for fewer",
                           name, k);
    TRY(status);
    mucmm__transpose(p, k, r->sw, k, r->b);
    TRY(mucmm__solve_spd(ctx, k, p, r->gram, r->b));
    memcpy(r->e, cov, (size_t)(p * p) * sizeof *r->e);
    TRY(mucmm__dgemm(ctx, false, false, p, p, k, -1, r->sw, k, r->b, p, 1, r->e, p));
done:
    return status;
}

/* x [p, others] = Cov(h, d) becomes that of the part of h that c does not explain. */
static mucmm_status residual_cross(mucmm_ctx *ctx, const residual *r, const double *weights,
                                   int64_t others, double *x)
{
    mucmm_status status = MUCMM_OK;
    double *wx = NULL;

    TRY(mucmm__alloc(ctx, r->k * others, sizeof *wx, &wx));
    TRY(mucmm__dgemm(ctx, true, false, r->k, others, r->p, 1, weights, r->k, x, others, 0, wx,
                     others));
    TRY(mucmm__dgemm(ctx, true, false, r->p, others, r->k, -1, r->b, r->p, wx, others, 1, x,
                     others));
done:
    mucmm__free(wx);
    return status;
}

/* z [p, others] = S^-1 x nearly: (S + d I)^-1 x with a d that makes S definite, and two steps of
 * refinement. */
static mucmm_status solve_nearly(mucmm_ctx *ctx, int64_t p, const double *cov, int64_t others,
                                 const double *x, const char *name, double *z)
{
    mucmm_status status = MUCMM_OK;
    double *factor = NULL, *left = NULL, mean = 0;

    for (int64_t i = 0; i < p; i++)
        mean += cov[i * (p + 1)] / (double)p;
    TRY(mucmm__alloc(ctx, p * p, sizeof *factor, &factor));
    for (double d = 1e-9; d < 1e-4; d *= 100) {
        memcpy(factor, cov, (size_t)(p * p) * sizeof *factor);
        for (int64_t i = 0; i < p; i++)
            factor[i * (p + 1)] += d * mean;
        status = mucmm__cholesky(ctx, p, factor, name);
        if (status != MUCMM_ENUMERIC)
            break;
    }
    TRY(status);
    TRY(mucmm__alloc(ctx, p * others, sizeof *left, &left));
    for (int step = 0; step < 3; step++) {
        memcpy(left, x, (size_t)(p * others) * sizeof *z);
        TRY(mucmm__dgemm(ctx, false, false, p, others, p, -1, cov, p, z, others, 1, left, others));
        TRY(mucmm__solve_spd(ctx, p, others, factor, left));
        for (int64_t i = 0; i < p * others; i++)
            z[i] += left[i];
    }
done:
    mucmm__free(factor);
    mucmm__free(left);
    return status;
}

/* r->z, r->y and E of the variates of other views; x [p, others] is destroyed. */
static mucmm_status deny_others(mucmm_ctx *ctx, residual *r, const double *cov,
                                const double *weights, int64_t others, double *x, double chance,
                                const char *name)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = r->p, d, room = p - r->k - r->q;
    double *z = NULL, *gram = NULL, *g = NULL, *turn = NULL;

    TRY(mucmm__alloc(ctx, p * others, sizeof *z, &z));
    TRY(mucmm__alloc(ctx, others * others, sizeof *gram, &gram));
    TRY(mucmm__alloc(ctx, others, sizeof *g, &g));
    TRY(mucmm__alloc(ctx, others * others, sizeof *turn, &turn));
    TRY(residual_cross(ctx, r, weights, others, x));
    TRY(solve_nearly(ctx, p, cov, others, x, name, z));
    TRY(mucmm__dgemm(ctx, true, false, others, others, p, 1, x, others, z, others, 0, gram,
                     others));
    for (int64_t i = 0; i < others; i++) /* symmetric but for rounding */
        for (int64_t j = 0; j < i; j++)
            gram[i * others + j] = gram[j * others + i] =
                (gram[i * others + j] + gram[j * others + i]) / 2;
    TRY(mucmm__eigen(ctx, others, gram, others, g, turn));
    while (r->denied < others && r->denied < p - r->k && g[r->denied] > UNSEEN &&
           (r->denied < room || g[r->denied] > chance))
        r->denied++;
    d = r->denied;
    for (int64_t i = 0; i < others; i++)
        for (int64_t j = 0; j < d; j++)
            turn[i * others + j] /= sqrt(g[j]);
    TRY(mucmm__alloc(ctx, p * d, sizeof *r->z, &r->z));
    TRY(mucmm__alloc(ctx, p * d, sizeof *r->y, &r->y));
    TRY(mucmm__dgemm(ctx, false, false, p, d, others, 1, z, others, turn, others, 0, r->z, d));
    TRY(mucmm__dgemm(ctx, false, false, p, d, others, 1, x, others, turn, others, 0, r->y, d));
    TRY(mucmm__dgemm(ctx, false, true, p, p, d, -1, r->y, d, r->y, d, 1, r->e, p));
done:
    mucmm__free(z);
    mucmm__free(gram);
    mucmm__free(g);
    mucmm__free(turn);
    return status;
}

/* components [p, q] less Z Y' of them. */
static mucmm_status project_others(mucmm_ctx *ctx, const residual *r, double *components)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = r->p, d = r->denied, q = r->q;
    double *yq = NULL;

    TRY(mucmm__alloc(ctx, d * q, sizeof *yq, &yq));
    TRY(mucmm__dgemm(ctx, true, false, d, q, p, 1, r->y, d, components, q, 0, yq, q));
    TRY(mucmm__dgemm(ctx, false, false, p, q, d, -1, r->z, d, yq, q, 1, components, q));
done:
    mucmm__free(yq);
    return status;
}

/* components [p, q], unit columns, become the weights. */
static mucmm_status whiten_components(mucmm_ctx *ctx, const residual *r, const double *weights,
                                      double *components)
{
    int64_t p = r->p, k = r->k, q = r->q;
    double *bq = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, k * q, sizeof *bq, &bq));
    if (r->denied > 0)
        TRY(project_others(ctx, r, components));
    TRY(mucmm__dgemm(ctx, false, false, k, q, p, 1, r->b, p, components, q, 0, bq, q));
    TRY(mucmm__dgemm(ctx, false, false, p, q, k, -1, weights, k, bq, q, 1, components, q));
    for (int64_t j = 0; j < q; j++)
        scale_column(p, q, components, j,
                     mucmm__column_sign(p, q, components, j) / sqrt(r->value[j]));
done:
    mucmm__free(bq);
    return status;
}

/* r->q falls to the directions of variance that are left, if those denied are what is missing. */
static mucmm_status check_variance(mucmm_ctx *ctx, residual *r, const double *cov, const char *name)
{
    double trace = 0;
    int64_t left = 0;

    for (int64_t i = 0; i < r->p; i++)
        trace += cov[i * r->p + i];
    while (left < r->q && r->value[left] > 1e-13 * trace)
        left++;
    if (left + r->denied < r->q)
        return mucmm__fail(ctx, MUCMM_ENUMERIC,
                           "%s: %" PRId64 " individual components, but only %" PRId64
                           " directions of variance are left beside the common ones; ask for fewer",
                           name, r->q, left + r->denied);
    r->q = left;
    return MUCMM_OK;
}

mucmm_status mucmm__closed_form_individual_of_all(mucmm_ctx *ctx, int64_t p, const double *cov,
                                                  int64_t k, const double *weights, int64_t others,
                                                  double *cross, double chance, int64_t q,
                                                  const char *name, double *individual,
                                                  int64_t *found)
{
    residual r = {.p = p, .k = k, .q = q};
    mucmm_status status = MUCMM_OK;
    double *vectors = NULL;
    int64_t most;

    *found = 0;
    if (k < 0 || q < 0 || k > p || q > p - k)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s has %" PRId64 " columns; %" PRId64 " common and %" PRId64
                           " individual components are more than that",
                           name, p, k, q);
    TRY(residual_init(ctx, &r));
    TRY(residual_covariance(ctx, &r, cov, weights, name));
    if (others > 0)
        TRY(deny_others(ctx, &r, cov, weights, others, cross, chance, name));
    most = q < p - k - r.denied ? q : p - k - r.denied;
    TRY(mucmm__alloc(ctx, p * most, sizeof *vectors, &vectors));
    status = mucmm__eigen(ctx, p, r.e, most, r.value, vectors);
    if (status == MUCMM_ENUMERIC)
        TRY(mucmm__prefix(ctx, status, "%s", name));
    TRY(status);
    TRY(check_variance(ctx, &r, cov, name));
    for (int64_t i = 0; i < p; i++)
        memcpy(individual + i * r.q, vectors + i * most, (size_t)r.q * sizeof *vectors);
    TRY(whiten_components(ctx, &r, weights, individual));
    *found = r.q;
done:
    mucmm__free(vectors);
    residual_drop(&r);
    return status;
}

mucmm_status mucmm__closed_form_individual(mucmm_ctx *ctx, int64_t p, const double *cov, int64_t k,
                                           const double *weights, int64_t q, const char *name,
                                           double *individual)
{
    int64_t found;

    return mucmm__closed_form_individual_of_all(ctx, p, cov, k, weights, 0, NULL, 0, q, name,
                                                individual, &found);
}
