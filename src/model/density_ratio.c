/* SPDX-License-Identifier: MIT
 *
 * The ratio of densities by a classifier of matched against mismatched rows: logistic regression
 * on products of functions of the views' variates, beside the normal log ratio as its offset
 * (section 5 of the method). */
#include "model/density_ratio.h"

#include "linalg/linalg.h"

#include <math.h>
#include <string.h>

enum {
    SETS = MUCMM__RATIO_SETS, /* row i is of set i % SETS: matched, and twice mismatched */
    FOLDS = 4,                /* sample i is in fold i % FOLDS                           */
    BASIS = 4,
    OF_PAIR = BASIS * BASIS + 1, /* products of the basis, closeness   */
    OF_VIEW = BASIS,             /* all of it but the linear one, log size */
    NEWTON_STEPS = 25,
    RIDGES = 3,
};

/* The strongest first: each starts from the weights of the one before. Per feature of unit
 * variance, of the mean loss of a row. */
static const double ridges[RIDGES] = {0.1, 0.03, 0.01};

void mucmm__density_ratio_drop(mucmm__density_ratio *r)
{
    mucmm__free(r->turn);
    mucmm__free(r->mean);
    mucmm__free(r->scale);
    mucmm__free(r->weights);
    *r = (mucmm__density_ratio){0};
}

int64_t mucmm__density_ratio_rows(int64_t n)
{
    return (n - n % FOLDS) * SETS;
}

void mucmm__density_ratio_row(int64_t n, int32_t n_views, int64_t k, const float *rows, int64_t i,
                              float *to)
{
    int64_t even = n - n % FOLDS, w = n_views * k;
    /* far apart, in the same fold: neighbours may be of one subject */
    int64_t step = i % SETS * (int64_t)(0.381966 * (double)(even / FOLDS) + 1) * FOLDS;

    for (int32_t v = 0; v < n_views; v++)
        memcpy(to + v * k, rows + (i / SETS + v * step) % even * w + v * k, (size_t)k * sizeof *to);
}

/* ---- axes -------------------------------------------------------------------------- */

/* Products of turned, squashed variates z [n, M, k]: the cross-cumulants of fourth order
 *   K_ab = E[z_ma z_mb z_l z_l'] - E[z_ma z_mb] E[z_l z_l'] - two products of cross-covariances
 * summed over m != l, K [k (k + 1)/2, k, k] symmetric. Variates of independent latents have all of
 * them diagonal on the latents' axes, which equal correlations do not tell. */
typedef struct axes {
    int64_t n, k;
    int32_t n_views;
    double *z, *second; /* [n, M k], [M k, M k] */
    double *cumulants;
} axes;

static double fourth(const axes *x, const int64_t at[4])
{
    int64_t w = x->n_views * x->k;
    double sum = 0;
    const double *s = x->second;

    for (int64_t i = 0; i < x->n; i++) {
        const double *z = x->z + i * w;
        sum += z[at[0]] * z[at[1]] * z[at[2]] * z[at[3]];
    }
    return sum / (double)x->n - s[at[0] * w + at[1]] * s[at[2] * w + at[3]] -
           s[at[0] * w + at[2]] * s[at[1] * w + at[3]] -
           s[at[0] * w + at[3]] * s[at[1] * w + at[2]];
}

/* Of dimensions a <= b of view m and the variates of view l. */
static void add_cumulants(const axes *x, int32_t m, int32_t l, int64_t a, int64_t b, double *to)
{
    int64_t k = x->k;

    for (int64_t p = 0; p < k; p++)
        for (int64_t q = p; q < k; q++) {
            const int64_t at[] = {m * k + a, m * k + b, l * k + p, l * k + q};
            double value = fourth(x, at) * (a == b ? 1 : sqrt(2));
            to[p * k + q] += value;
            if (q > p)
                to[q * k + p] += value;
        }
}

static mucmm_status find_axes(mucmm_ctx *ctx, axes *x, double *turn)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = x->k, w = x->n_views * k, count = k * (k + 1) / 2;
    double *to;

    TRY(mucmm__alloc(ctx, w * w, sizeof *x->second, &x->second));
    TRY(mucmm__alloc(ctx, count * k * k, sizeof *x->cumulants, &x->cumulants));
    TRY(mucmm__dgemm(ctx, true, false, w, w, x->n, 1 / (double)x->n, x->z, w, x->z, w, 0, x->second,
                     w));
    for (int32_t m = 0; m < x->n_views; m++)
        for (int32_t l = 0; l < x->n_views; l++) {
            to = x->cumulants;
            for (int64_t a = 0; a < k && l != m; a++)
                for (int64_t b = a; b < k; b++, to += k * k)
                    add_cumulants(x, m, l, a, b, to);
        }
    mucmm__joint_diagonal(k, count, x->cumulants, turn);
done:
    mucmm__free(x->second);
    mucmm__free(x->cumulants);
    return status;
}

/* ---- features ---------------------------------------------------------------------- */

/* 1 everywhere is the last. */
static int64_t feature_count(int32_t n_views, int64_t used)
{
    return used * (OF_PAIR + n_views * OF_VIEW) + 1;
}

/* Far values are drawn in to +-4. */
static double squash(double x)
{
    return 4 * tanh(x / 4);
}

static void basis(double x, double *to)
{
    double z = squash(x);

    to[0] = z;
    to[1] = (z * z - 1) / sqrt(2);
    to[2] = fabs(z) - 0.8;
    to[3] = (z * z * z - 3 * z) / sqrt(6);
}

/* x [n_views]: component j of each view. To OF_PAIR + n_views OF_VIEW. */
static void component_features(int32_t n_views, const double *x, double *to)
{
    double f[MUCMM_MAX_VIEWS][BASIS];
    double *own = to + OF_PAIR;

    for (int32_t v = 0; v < n_views; v++, own += OF_VIEW) {
        basis(x[v], f[v]);
        memcpy(own, f[v] + 1, (BASIS - 1) * sizeof *own);
        own[BASIS - 1] = log(0.05 + x[v] * x[v]);
    }
    memset(to, 0, OF_PAIR * sizeof *to);
    for (int32_t v = 0; v < n_views; v++)
        for (int32_t l = v + 1; l < n_views; l++) {
            for (int a = 0; a < BASIS * BASIS; a++)
                to[a] += f[v][a / BASIS] * f[l][a % BASIS];
            to[OF_PAIR - 1] += log(0.02 + (x[v] - x[l]) * (x[v] - x[l]));
        }
}

/* To [d]. */
static void features(const mucmm__density_ratio *r, const float *row, double *to)
{
    int64_t each = OF_PAIR + r->n_views * OF_VIEW;

    for (int64_t j = 0; j < r->used; j++, to += each) {
        double x[MUCMM_MAX_VIEWS];
        for (int32_t v = 0; v < r->n_views; v++) {
            double sum = 0;
            for (int64_t i = 0; i < r->used; i++)
                sum += (double)row[v * r->k + i] * r->turn[i * r->used + j];
            x[v] = (sum - r->mean[v * r->used + j]) * r->scale[v * r->used + j];
        }
        component_features(r->n_views, x, to);
    }
    *to = 1;
}

int64_t mucmm__density_ratio_work(const mucmm__density_ratio *r)
{
    return r->d;
}

double mucmm__density_ratio_add(const mucmm__density_ratio *r, const float *row, double *work)
{
    double sum = 0;

    if (!r->weights)
        return 0;
    features(r, row, work);
    for (int64_t i = 0; i < r->d; i++)
        sum += r->weights[i] * work[i];
    return sum;
}

/* ---- moments and axes of the rows -------------------------------------------------- */

/* Means and scales of column j of view v of the first `used` variates, turned. */
static void column_moments(const mucmm__density_ratio *r, int64_t n, const float *rows, int32_t v,
                           int64_t j, double *mean, double *scale)
{
    double sum = 0, square = 0;

    for (int64_t i = 0; i < n; i++) {
        const float *row = rows + (i * r->n_views + v) * r->k;
        double x = 0;
        for (int64_t a = 0; a < r->used; a++)
            x += (double)row[a] * r->turn[a * r->used + j];
        sum += x;
        square += x * x;
    }
    *mean = sum / (double)n;
    square = square / (double)n - *mean * *mean;
    *scale = square > 1e-12 * (1 + *mean * *mean) ? 1 / sqrt(square) : 0;
}

static void moments(mucmm__density_ratio *r, int64_t n, const float *rows)
{
    for (int32_t v = 0; v < r->n_views; v++)
        for (int64_t j = 0; j < r->used; j++)
            column_moments(r, n, rows, v, j, &r->mean[v * r->used + j], &r->scale[v * r->used + j]);
}

static mucmm_status turn(mucmm_ctx *ctx, mucmm__density_ratio *r, int64_t n, const float *rows)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = r->used, w = r->n_views * k;
    axes x = {.n = n, .k = k, .n_views = r->n_views};

    for (int64_t i = 0; i < k; i++)
        r->turn[i * (k + 1)] = 1;
    moments(r, n, rows);
    TRY(mucmm__alloc(ctx, n * w, sizeof *x.z, &x.z));
    for (int64_t i = 0; i < n * w; i++)
        x.z[i] = squash(((double)rows[i / k * r->k + i % k] - r->mean[i % w]) * r->scale[i % w]);
    TRY(find_axes(ctx, &x, r->turn));
    moments(r, n, rows);
done:
    mucmm__free(x.z);
    return status;
}

/* ---- logistic regression ----------------------------------------------------------- */

/* Row i is of set i % SETS and of the sample i / SETS. */
typedef struct regression {
    int64_t n, d;
    double *f;            /* [n, d] features, of unit variance but the last      */
    double *offset;       /* [n] normal log ratio                                */
    double *logit, *some; /* [n]; [n, d] rows that are used, by the root of their weight */
    double *hessian, *gradient, *next; /* [d, d], [d], [d] */
    double ridge;
} regression;

static void regression_drop(regression *r)
{
    double *const all[] = {r->f, r->offset, r->logit, r->some, r->hessian, r->gradient, r->next};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mucmm__free(all[i]);
}

static bool in_fold(int64_t i, int fold)
{
    return i / SETS % FOLDS == fold;
}

/* log(1 + e^x) - label x */
static double row_loss(double x, bool label)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x))) - (label ? x : 0);
}

/* Mean loss of the rows in the fold, or of all the others; logit is set. */
static double mean_loss(regression *r, const double *w, int fold, bool inside)
{
    double sum = 0;
    int64_t count = 0;

    for (int64_t i = 0; i < r->n; i++) {
        const double *f = r->f + i * r->d;
        if (in_fold(i, fold) != inside)
            continue;
        r->logit[i] = r->offset[i];
        for (int64_t j = 0; j < r->d && w; j++)
            r->logit[i] += w[j] * f[j];
        sum += row_loss(r->logit[i], i % SETS == 0);
        count++;
    }
    return sum / (double)count;
}

/* The intercept pays nothing. */
static double penalized(regression *r, const double *w, int fold)
{
    double square = 0;

    for (int64_t j = 0; j < r->d - 1; j++)
        square += w[j] * w[j];
    return mean_loss(r, w, fold, false) + r->ridge * square / 2;
}

/* gradient <- H^-1 g at w, whose logits stand. */
static mucmm_status newton(mucmm_ctx *ctx, regression *r, const double *w, int fold)
{
    mucmm_status status = MUCMM_OK;
    int64_t count = 0, d = r->d;

    memset(r->gradient, 0, (size_t)d * sizeof *r->gradient);
    for (int64_t i = 0; i < r->n; i++) {
        const double *f = r->f + i * d;
        double p = 1 / (1 + exp(-r->logit[i])), root = sqrt(p * (1 - p));
        if (in_fold(i, fold))
            continue;
        for (int64_t j = 0; j < d; j++) {
            r->gradient[j] += (p - (i % SETS == 0)) * f[j];
            r->some[count * d + j] = root * f[j];
        }
        count++;
    }
    TRY(mucmm__dgemm(ctx, true, false, d, d, count, 1 / (double)count, r->some, d, r->some, d, 0,
                     r->hessian, d));
    for (int64_t j = 0; j < d; j++) {
        r->hessian[j * (d + 1)] += j < d - 1 ? r->ridge : 1e-9;
        r->gradient[j] = r->gradient[j] / (double)count + (j < d - 1 ? r->ridge * w[j] : 0);
    }
    TRY(mucmm__cholesky(ctx, d, r->hessian, "the curvature of a match classifier"));
    TRY(mucmm__solve_lower(ctx, false, d, 1, r->hessian, r->gradient));
    TRY(mucmm__solve_lower(ctx, true, d, 1, r->hessian, r->gradient));
done:
    return status;
}

/* w [d]: start, and the minimum without the fold (-1: of all rows). */
static mucmm_status descend(mucmm_ctx *ctx, regression *r, int fold, double *w)
{
    mucmm_status status = MUCMM_OK;
    double now = penalized(r, w, fold), then = now;

    for (int step = 0; step < NEWTON_STEPS; step++) {
        double length = 1;
        TRY(newton(ctx, r, w, fold));
        do {
            for (int64_t j = 0; j < r->d; j++)
                r->next[j] = w[j] - length * r->gradient[j];
            then = penalized(r, r->next, fold);
            length /= 2;
        } while (!(then <= now) && length > 1e-4);
        if (!(then < now - 1e-7))
            break;
        memcpy(w, r->next, (size_t)r->d * sizeof *w);
        now = then;
    }
done:
    return status;
}

/* ---- learning ---------------------------------------------------------------------- */

/* Features of the matched and the mismatched rows, divided by their deviations: scale [d]. */
static mucmm_status regression_make(mucmm_ctx *ctx, const mucmm__density_ratio *m, int64_t n,
                                    const float *rows, const double *normal, float *row,
                                    double *scale, regression *r)
{
    mucmm_status status = MUCMM_OK;

    r->n = mucmm__density_ratio_rows(n);
    r->d = m->d;
    TRY(mucmm__alloc(ctx, r->n * r->d, sizeof *r->f, &r->f));
    TRY(mucmm__alloc(ctx, r->n * r->d, sizeof *r->some, &r->some));
    TRY(mucmm__alloc(ctx, r->n, sizeof *r->offset, &r->offset));
    TRY(mucmm__alloc(ctx, r->n, sizeof *r->logit, &r->logit));
    TRY(mucmm__alloc(ctx, r->d * r->d, sizeof *r->hessian, &r->hessian));
    TRY(mucmm__alloc(ctx, r->d, sizeof *r->gradient, &r->gradient));
    TRY(mucmm__alloc(ctx, r->d, sizeof *r->next, &r->next));
    for (int64_t i = 0; i < r->n; i++) {
        mucmm__density_ratio_row(n, m->n_views, m->k, rows, i, row);
        features(m, row, r->f + i * r->d);
        r->offset[i] = normal[i] - log(SETS - 1); /* two mismatched rows a matched one */
    }
    for (int64_t j = 0; j < r->d; j++) {
        double sum = 0, square = 0;
        for (int64_t i = 0; i < r->n; i++)
            sum += r->f[i * r->d + j] / (double)r->n;
        for (int64_t i = 0; i < r->n; i++)
            square += pow(r->f[i * r->d + j] - sum, 2) / (double)r->n;
        scale[j] = j == r->d - 1 ? 1 : square > 1e-12 ? 1 / sqrt(square) : 0;
        for (int64_t i = 0; i < r->n; i++)
            r->f[i * r->d + j] *= scale[j];
    }
done:
    return status;
}

/* How many ridges to go down for the least loss on rows left out; 0: the normal ratio has it. */
static mucmm_status choose(mucmm_ctx *ctx, regression *r, double *w, int *best)
{
    mucmm_status status = MUCMM_OK;
    double loss[RIDGES + 1] = {0};

    for (int fold = 0; fold < FOLDS; fold++) {
        memset(w, 0, (size_t)r->d * sizeof *w);
        loss[0] += mean_loss(r, NULL, fold, true);
        for (int i = 0; i < RIDGES; i++) {
            r->ridge = ridges[i];
            TRY(descend(ctx, r, fold, w));
            loss[i + 1] += mean_loss(r, w, fold, true);
        }
    }
    *best = 0;
    for (int i = 1; i <= RIDGES; i++)
        if (loss[i] < loss[*best])
            *best = i;
done:
    return status;
}

static mucmm_status learn(mucmm_ctx *ctx, int64_t n, const float *rows, const double *normal,
                          mucmm__density_ratio *out)
{
    mucmm_status status = MUCMM_OK;
    regression r = {0};
    double *scale = NULL, *w = NULL;
    float *row = NULL;
    int best;

    TRY(mucmm__alloc(ctx, out->d, sizeof *scale, &scale));
    TRY(mucmm__alloc(ctx, out->d, sizeof *w, &w));
    TRY(mucmm__alloc(ctx, out->n_views * out->k, sizeof *row, &row));
    TRY(regression_make(ctx, out, n, rows, normal, row, scale, &r));
    TRY(choose(ctx, &r, w, &best));
    if (best == 0)
        goto done;
    memset(w, 0, (size_t)out->d * sizeof *w);
    for (int i = 0; i < best; i++) {
        r.ridge = ridges[i];
        TRY(descend(ctx, &r, -1, w));
    }
    for (int64_t j = 0; j < out->d; j++)
        w[j] *= scale[j];
    out->weights = w;
    w = NULL;
done:
    regression_drop(&r);
    mucmm__free(scale);
    mucmm__free(w);
    mucmm__free(row);
    return status;
}

mucmm_status mucmm__density_ratio_learn(mucmm_ctx *ctx, int64_t n, int32_t n_views, int64_t k,
                                        const float *rows, const double *normal,
                                        mucmm__density_ratio *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t used = k < MUCMM__RATIO_COMPONENTS ? k : MUCMM__RATIO_COMPONENTS;

    *out = (mucmm__density_ratio){.k = k, .used = used, .n_views = n_views};
    if (n < MUCMM__RATIO_LEAST_ROWS)
        return MUCMM_OK;
    out->d = feature_count(n_views, used);
    TRY(mucmm__alloc(ctx, used * used, sizeof *out->turn, &out->turn));
    TRY(mucmm__alloc(ctx, n_views * used, sizeof *out->mean, &out->mean));
    TRY(mucmm__alloc(ctx, n_views * used, sizeof *out->scale, &out->scale));
    TRY(turn(ctx, out, n, rows));
    TRY(learn(ctx, n, rows, normal, out));
done:
    return status;
}
