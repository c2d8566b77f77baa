/* SPDX-License-Identifier: MIT
 *
 * Linearly constrained minimum variance filters. With the loadings B = Cov(h, z) of the score's own
 * variates z and N of the view's other ones, G = (Cov(h) + r I)^-1, a = B ds/dz and K = [N, m], m
 * the mean of h less h of the baseline:
 *   w = G (a - K (K'G K)^-1 K'G a). */
#include "explain/lcmv.h"

#include "encode/encoded.h"
#include "explain/baseline.h"
#include "explain/defaults.h"
#include "explain/faults.h"
#include "explain/path.h"
#include "model/loadings.h"

#include <math.h>
#include <string.h>

/* On the diagonal of K'G K, whose columns are scaled to have 1 there. */
#define CONSTRAINT_RIDGE 1e-9
/* A baseline whose features are the mean ones but for rounding constrains nothing. */
#define NO_PRESENCE 1e-12
/* Of the variance, what loadings leave at least to noise (no stored covariance). */
#define LEAST_NOISE 0.01

/* ---- the metric G ------------------------------------------------------------------ */

typedef struct metric {
    int64_t p, d;
    double *lower;        /* [p, p]: G = (lower lower')^-1, or NULL: of factors     */
    const double *factor; /* [p, d] B: G = (B B' + noise I)^-1                      */
    double *core;         /* [d, d] the lower factor of noise I + B'B               */
    double noise;
} metric;

static void metric_drop(metric *g)
{
    mucmm__free(g->lower);
    mucmm__free(g->core);
}

static mucmm_status factor_covariance(mucmm_ctx *ctx, const float *cov, double loading, metric *g)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, g->p * g->p, sizeof *g->lower, &g->lower));
    mucmm__to_double(cov, g->p * g->p, g->lower);
    for (int64_t j = 0; j < g->p; j++)
        g->lower[j * (g->p + 1)] += loading;
    TRY(mucmm__cholesky(ctx, g->p, g->lower,
                        "the covariance of the features (more `loading` mends that)"));
done:
    return status;
}

/* The covariance that the loadings tell: c and u have variance 1 and are uncorrelated. */
static mucmm_status factor_loadings(mucmm_ctx *ctx, double variance, double loading, metric *g)
{
    mucmm_status status = MUCMM_OK;
    double told = 0;

    for (int64_t i = 0; i < g->p * g->d; i++)
        told += g->factor[i] * g->factor[i];
    g->noise = fmax(variance - told, LEAST_NOISE * variance) / (double)(g->p - g->d) + loading;
    TRY(mucmm__alloc(ctx, g->d * g->d, sizeof *g->core, &g->core));
    TRY(mucmm__dgemm(ctx, true, false, g->d, g->d, g->p, 1, g->factor, g->d, g->factor, g->d, 0,
                     g->core, g->d));
    for (int64_t j = 0; j < g->d; j++)
        g->core[j * (g->d + 1)] += g->noise;
    TRY(mucmm__cholesky(ctx, g->d, g->core, "the covariance of the loadings"));
done:
    return status;
}

/* x [p, n] <- G x; of factors G x = (x - B (noise I + B'B)^-1 B'x) / noise. */
static mucmm_status apply(mucmm_ctx *ctx, const metric *g, int64_t n, double *x)
{
    mucmm_status status = MUCMM_OK;
    double *t = NULL;

    if (g->lower) {
        TRY(mucmm__solve_lower(ctx, false, g->p, n, g->lower, x));
        return mucmm__solve_lower(ctx, true, g->p, n, g->lower, x);
    }
    TRY(mucmm__alloc(ctx, g->d * n, sizeof *t, &t));
    TRY(mucmm__dgemm(ctx, true, false, g->d, n, g->p, 1, g->factor, g->d, x, n, 0, t, n));
    TRY(mucmm__solve_lower(ctx, false, g->d, n, g->core, t));
    TRY(mucmm__solve_lower(ctx, true, g->d, n, g->core, t));
    TRY(mucmm__dgemm(ctx, false, false, g->p, n, g->d, -1, g->factor, g->d, t, n, 1, x, n));
    for (int64_t i = 0; i < g->p * n; i++)
        x[i] /= g->noise;
done:
    mucmm__free(t);
    return status;
}

/* ---- filters ----------------------------------------------------------------------- */

/* All columns at once: [N, a of every sample, m of every sample], and G times these. */
typedef struct columns {
    int64_t p, nulls, n, width; /* width = nulls + 2 n */
    double *x, *gx;             /* [p, width]           */
    double *product;            /* [nulls, width] N'G x */
} columns;

static void columns_drop(columns *c)
{
    mucmm__free(c->x);
    mucmm__free(c->gx);
    mucmm__free(c->product);
}

static mucmm_status columns_alloc(mucmm_ctx *ctx, int64_t p, int64_t nulls, int64_t n, columns *c)
{
    mucmm_status status = MUCMM_OK;

    *c = (columns){.p = p, .nulls = nulls, .n = n, .width = nulls + 2 * n};
    TRY(mucmm__alloc(ctx, p * c->width, sizeof *c->x, &c->x));
    TRY(mucmm__alloc(ctx, p * c->width, sizeof *c->gx, &c->gx));
    TRY(mucmm__alloc(ctx, nulls * c->width, sizeof *c->product, &c->product));
done:
    return status;
}

/* loadings [p, k + q], slopes ds/dz [n, d], hb [n, p]. The mean of h is 0. */
static void fill_columns(const mucmm__samples *s, const double *loadings, const float *slopes,
                         const float *hb, columns *c)
{
    bool individual = mucmm__is_individual(s->p->score);
    int64_t k = s->m->k, q = s->m->view[s->view].q, d = individual ? q : k;
    int64_t own = individual ? k : 0, other = individual ? 0 : k;

    for (int64_t j = 0; j < c->p; j++) {
        double *row = c->x + j * c->width;
        const double *b = loadings + j * (k + q);
        memcpy(row, b + other, (size_t)c->nulls * sizeof *row);
        for (int64_t i = 0; i < c->n; i++) {
            double sum = 0;
            for (int64_t l = 0; l < d; l++)
                sum += b[own + l] * (double)slopes[i * d + l];
            row[c->nulls + i] = sum;
            row[c->nulls + c->n + i] = -(double)hb[i * c->p + j];
        }
    }
}

static double column_product(const columns *c, int64_t a, int64_t b)
{
    double sum = 0;

    for (int64_t j = 0; j < c->p; j++)
        sum += c->x[j * c->width + a] * c->gx[j * c->width + b];
    return sum;
}

/* Coefficients y [nulls + 1] of K in w: (K'G K)^-1 K'G a of sample i; gram [nulls + 1, same]. */
static mucmm_status solve_constraints(mucmm_ctx *ctx, const columns *c, int64_t i, double *gram,
                                      double *scale, double *y)
{
    mucmm_status status = MUCMM_OK;
    int64_t a = c->nulls + i, m = c->nulls + c->n + i, w = c->nulls + 1, last = c->nulls;
    double presence = 0;

    for (int64_t j = 0; j < c->p; j++)
        presence += c->x[j * c->width + m] * c->x[j * c->width + m];
    for (int64_t r = 0; r < last; r++) {
        memcpy(gram + r * w, c->product + r * c->width, (size_t)last * sizeof *gram);
        gram[r * w + last] = gram[last * w + r] = c->product[r * c->width + m];
        y[r] = c->product[r * c->width + a];
    }
    gram[last * w + last] = column_product(c, m, m);
    y[last] = column_product(c, m, a);
    if (presence <= NO_PRESENCE * (double)c->p) {
        for (int64_t r = 0; r < w; r++)
            gram[r * w + last] = gram[last * w + r] = 0;
        y[last] = 0;
    }
    for (int64_t r = 0; r < w; r++)
        scale[r] = gram[r * (w + 1)] > 0 ? 1 / sqrt(gram[r * (w + 1)]) : 0;
    for (int64_t r = 0; r < w; r++) {
        for (int64_t l = 0; l < w; l++)
            gram[r * w + l] = r == l ? 1 + CONSTRAINT_RIDGE : gram[r * w + l] * scale[r] * scale[l];
        y[r] *= scale[r];
    }
    TRY(mucmm__cholesky(ctx, w, gram, "the covariance of the constraints"));
    TRY(mucmm__solve_lower(ctx, false, w, 1, gram, y));
    TRY(mucmm__solve_lower(ctx, true, w, 1, gram, y));
    for (int64_t r = 0; r < w; r++)
        y[r] *= scale[r];
done:
    return status;
}

/* w [n, p] of columns that G has been applied to. */
static mucmm_status constrain(mucmm_ctx *ctx, const columns *c, float *w)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = c->nulls + 1, m = c->nulls + c->n;
    double *gram = NULL, *scale = NULL, *y = NULL;

    TRY(mucmm__alloc(ctx, size * size, sizeof *gram, &gram));
    TRY(mucmm__alloc(ctx, size, sizeof *scale, &scale));
    TRY(mucmm__alloc(ctx, size, sizeof *y, &y));
    for (int64_t i = 0; i < c->n; i++) {
        TRY(solve_constraints(ctx, c, i, gram, scale, y));
        for (int64_t j = 0; j < c->p; j++) {
            const double *g = c->gx + j * c->width;
            double value = g[c->nulls + i] - g[m + i] * y[c->nulls];
            for (int64_t r = 0; r < c->nulls; r++)
                value -= g[r] * y[r];
            w[i * c->p + j] = (float)value;
        }
    }
done:
    mucmm__free(gram);
    mucmm__free(scale);
    mucmm__free(y);
    return status;
}

/* ---- loadings ---------------------------------------------------------------------- */

bool mucmm__lcmv_possible(const mucmm__samples *s)
{
    return s->rep->loadings[s->view] || s->p->training;
}

/* out [p, k + q]: those of the representation, or of the training rows. */
static mucmm_status find_loadings(mucmm_ctx *ctx, const mucmm__samples *s, double *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];
    const mucmm_data *training = s->p->training;
    const float *stored = s->rep->loadings[s->view];
    int64_t size = v->p * (s->m->k + v->q);
    float *found = NULL;

    if (!mucmm__lcmv_possible(s))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "lcmv of view '%s' needs the loadings of its variates, which the model "
                           "does not hold (fit it again), or the training rows",
                           v->name);
    if (!stored && mucmm_data_cols(training) != v->p)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: the training rows of view '%s' have %lld columns; %lld are needed",
                           mucmm_data_label(training), v->name,
                           (long long)mucmm_data_cols(training), (long long)v->p);
    if (!stored) {
        TRY(mucmm__alloc(ctx, size, sizeof *found, &found));
        TRY(mucmm__loadings(ctx, s->m, s->rep, s->view, training, NULL, mucmm_data_rows(training),
                            NULL, NULL, found, NULL));
    }
    mucmm__to_double(stored ? stored : found, size, out);
done:
    mucmm__free(found);
    return status;
}

mucmm_status mucmm__lcmv_filters(mucmm_ctx *ctx, const mucmm__samples *s, const float *hb, float *w)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];
    bool individual = mucmm__is_individual(s->p->score);
    int64_t width = s->m->k + v->q, d = individual ? v->q : s->m->k;
    double *loadings = NULL, *scores = NULL, loading = s->p->loading * v->variance / (double)v->p;
    float *slopes = NULL;
    metric g = {.p = v->p, .d = width};
    columns c = {0};

    TRY(mucmm__alloc(ctx, v->p * width, sizeof *loadings, &loadings));
    TRY(find_loadings(ctx, s, loadings));
    TRY(mucmm__alloc(ctx, s->n, sizeof *scores, &scores));
    TRY(mucmm__alloc(ctx, s->n * d, sizeof *slopes, &slopes));
    TRY(mucmm__samples_slopes(ctx, s, scores, slopes));
    g.factor = loadings;
    TRY(s->metric->covariance ? factor_covariance(ctx, s->metric->covariance, loading, &g)
                              : factor_loadings(ctx, v->variance, loading, &g));
    TRY(columns_alloc(ctx, v->p, width - d, s->n, &c));
    fill_columns(s, loadings, slopes, hb, &c);
    memcpy(c.gx, c.x, (size_t)(c.p * c.width) * sizeof *c.x);
    TRY(apply(ctx, &g, c.width, c.gx));
    TRY(mucmm__dgemm(ctx, true, false, c.nulls, c.width, c.p, 1, c.x, c.width, c.gx, c.width, 0,
                     c.product, c.width));
    TRY(constrain(ctx, &c, w));
done:
    metric_drop(&g);
    columns_drop(&c);
    mucmm__free(loadings);
    mucmm__free(scores);
    mucmm__free(slopes);
    return status;
}

/* ---- maps -------------------------------------------------------------------------- */

/* Scaled features hb [p] of the baseline of sample i; x, base [cols]. */
static mucmm_status baseline_features(mucmm_ctx *ctx, const mucmm__samples *s,
                                      const mucmm__baselines *baselines, int64_t i, float *x,
                                      float *base, float *hb)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];

    if (!s->encoded)
        return mucmm__baseline(ctx, baselines, i, s->h + i * s->cols, hb);
    TRY(mucmm_data_read_raw(ctx, s->data[s->view], s->rows + i, 1,
                            &(mucmm_mat){x, 1, s->cols, s->cols}));
    TRY(mucmm__baseline(ctx, baselines, i, x, base));
    TRY(mucmm__encoded_features(ctx, s->data[s->view], s->rows + i, 1, base, hb));
    TRY(mucmm__scale_features(ctx, v, s->data[s->view], s->rows + i, 1, hb));
done:
    return status;
}

static mucmm_status all_baselines(mucmm_ctx *ctx, const mucmm__samples *s, float *hb)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = s->m->view[s->view].p;
    mucmm__baselines baselines = {0};
    float *x = NULL, *base = NULL;

    TRY(mucmm__baselines_start(ctx, s, &baselines));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *x, &x));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *base, &base));
    for (int64_t i = 0; i < s->n; i++) {
        if (i > 0 && baselines.row &&
            !(s->m->view[s->view].adjust && (s->encoded || baselines.each))) /* the same for all */
            memcpy(hb + i * p, hb, (size_t)p * sizeof *hb);
        else
            TRY(baseline_features(ctx, s, &baselines, i, x, base, hb + i * p));
    }
done:
    mucmm__baselines_drop(&baselines);
    mucmm__free(x);
    mucmm__free(base);
    return status;
}

mucmm_status mucmm__lcmv_maps(mucmm_ctx *ctx, const mucmm__samples *s, float *maps, double *gaps)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = s->m->view[s->view].p;
    mucmm_explain_params own = *s->p;
    mucmm__samples of = *s; /* borrows all */
    float *w = NULL, *hb = NULL;
    double *scores = NULL;
    bool *none = NULL;

    mucmm__explain_defaults(s->data[s->view], &own);
    of.p = &own;
    TRY(mucmm__alloc(ctx, s->n * p, sizeof *w, &w));
    TRY(mucmm__alloc(ctx, s->n * p, sizeof *hb, &hb));
    TRY(mucmm__alloc(ctx, s->n, sizeof *scores, &scores));
    TRY(all_baselines(ctx, &of, hb));
    TRY(mucmm__alloc(ctx, s->n, sizeof *none, &none));
    for (int64_t i = 0; i < s->n; i++) { /* features of a baseline that are not finite */
        none[i] = mucmm__state_of_map(hb + i * p, p) == MUCMM__MAP_NONE;
        if (none[i])
            memset(hb + i * p, 0, (size_t)p * sizeof *hb);
    }
    TRY(mucmm__lcmv_filters(ctx, &of, hb, w));
    for (int64_t i = 0; i < s->n; i++)
        if (none[i])
            w[i * p] = NAN;
    own.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    own.steps = s->encoded ? own.steps : 1; /* w'h is linear in h */
    of.others = NULL;
    of.filter = w;
    of.filter_step = p;
    TRY(mucmm__samples_score(ctx, &of, 0, s->n, s->h, scores, NULL));
    TRY(mucmm__path_maps(ctx, &of, scores, maps, gaps));
done:
    mucmm__free(w);
    mucmm__free(hb);
    mucmm__free(scores);
    mucmm__free(none);
    return status;
}
