/* SPDX-License-Identifier: MIT
 *
 * Scores of the match of a sample's views, and where they lie among those of the fit's own rows
 * (section 5 of the method). */
#include "model/match.h"

#include "linalg/linalg.h"
#include "model/density_ratio.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Relative to the mean variance: variates of strongly correlated views may be nearly dependent. */
#define RIDGE 1e-8
/* Fewer held-out rows have no percentiles worth the name. */
#define LEAST_HELD_OUT 20

double mucmm__common_score(int32_t n_views, int64_t k, const double *rho, float *const *c,
                           int64_t i)
{
    double sum = 0;
    int32_t n = 0;

    for (int32_t a = 0; a < n_views; a++) {
        if (isnan(c[a][i * k]))
            continue;
        n++;
        for (int32_t b = 0; b < a; b++)
            for (int64_t j = 0; j < k && !isnan(c[b][i * k]); j++)
                sum += rho[j] * (double)c[a][i * k + j] * (double)c[b][i * k + j];
    }
    return n < 2 ? NAN : sum * 2 / (n * (n - 1));
}

void mucmm__match_drop(mucmm__match *out)
{
    mucmm__free(out->score);
    mucmm__free(out->score_percentile);
    mucmm__free(out->common_percentile);
    *out = (mucmm__match){0};
}

/* ---- the likelihood ratio ---------------------------------------------------------- */

/* Of rows that have some views, which are numbered as they are given. */
typedef struct ratio {
    int64_t k, width; /* width: n_views k */
    int32_t n_views, views[MUCMM_MAX_VIEWS];
    double *mean;                 /* [width] */
    double *all, *own;            /* Cholesky factors [width, width], [n_views, k, k] */
    double constant;              /* sum log |own| - log |all| of the factors */
    mucmm__density_ratio learned; /* what is added to the normal ratio */
    double *work;
    float *row; /* [width] */
} ratio;

static void ratio_drop(ratio *r)
{
    mucmm__free(r->mean);
    mucmm__free(r->all);
    mucmm__free(r->own);
    mucmm__free(r->work);
    mucmm__free(r->row);
    mucmm__density_ratio_drop(&r->learned);
}

/* s [d, d] becomes its factor; returns the log of the determinant of that in *log_det. */
static mucmm_status factor(mucmm_ctx *ctx, int64_t d, double *s, double *log_det)
{
    double trace = 0;
    mucmm_status status;

    *log_det = 0;
    for (int64_t i = 0; i < d; i++)
        trace += s[i * (d + 1)];
    for (int64_t i = 0; i < d; i++)
        s[i * (d + 1)] += RIDGE * trace / (double)d;
    status = mucmm__cholesky(ctx, d, s, "the covariance of the views' common variates");
    for (int64_t i = 0; i < d && status == MUCMM_OK; i++)
        *log_det += log(s[i * (d + 1)]);
    return status;
}

/* present: bit i is set if the rows have the view given as number i, which is view at[i]. */
static mucmm_status ratio_make(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__joint *joint,
                               const int32_t *at, uint32_t present, ratio *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = m->k, w = m->n_views * k;
    double log_det;

    r->k = k;
    for (int32_t i = 0; i < MUCMM_MAX_VIEWS; i++)
        if (present >> i & 1)
            r->views[r->n_views++] = i;
    r->width = r->n_views * k;
    TRY(mucmm__alloc(ctx, r->width, sizeof *r->mean, &r->mean));
    TRY(mucmm__alloc(ctx, r->width * r->width, sizeof *r->all, &r->all));
    TRY(mucmm__alloc(ctx, r->width * k, sizeof *r->own, &r->own));
    TRY(mucmm__alloc(ctx, 2 * r->width, sizeof *r->work, &r->work));
    TRY(mucmm__alloc(ctx, r->width, sizeof *r->row, &r->row));
    for (int64_t a = 0; a < r->width; a++) {
        int64_t row = at[r->views[a / k]] * k + a % k;
        r->mean[a] = joint->mean[row];
        for (int64_t b = 0; b < r->width; b++) {
            double value = joint->train[row * w + at[r->views[b / k]] * k + b % k];
            r->all[a * r->width + b] = value;
            if (a / k == b / k)
                r->own[a * k + b % k] = value;
        }
    }
    for (int32_t v = 0; v < r->n_views; v++) {
        TRY(factor(ctx, k, r->own + v * k * k, &log_det));
        r->constant += log_det;
    }
    TRY(factor(ctx, r->width, r->all, &log_det));
    r->constant -= log_det;
done:
    return status;
}

/* |L^-1 z|^2; work [d]. */
static double square_length(int64_t d, const double *l, const double *z, double *work)
{
    double square = 0;

    for (int64_t i = 0; i < d; i++) {
        double x = z[i];
        for (int64_t j = 0; j < i; j++)
            x -= l[i * d + j] * work[j];
        work[i] = x / l[i * (d + 1)];
        square += work[i] * work[i];
    }
    return square;
}

/* Of r->row, were the variates normal. */
static double normal_ratio(const ratio *r)
{
    double *z = r->work + r->width, value = r->constant;

    for (int64_t a = 0; a < r->width; a++)
        z[a] = (double)r->row[a] - r->mean[a];
    value -= square_length(r->width, r->all, z, r->work) / 2;
    for (int32_t v = 0; v < r->n_views; v++)
        value += square_length(r->k, r->own + v * r->k * r->k, z + v * r->k, r->work) / 2;
    return value;
}

/* Of row i of c. */
static double log_ratio(const ratio *r, float *const *c, int64_t i)
{
    double normal;

    for (int64_t a = 0; a < r->width; a++)
        r->row[a] = c[r->views[a / r->k]][i * r->k + a % r->k];
    normal = normal_ratio(r);
    return normal + mucmm__density_ratio_add(&r->learned, r->row, r->work);
}

/* The views of the ratio, side by side, of the training rows that are kept. */
static void gather(const ratio *r, int32_t n_views, const mucmm__joint *joint, const int32_t *at,
                   float *to)
{
    for (int64_t i = 0; i < joint->sampled[MUCMM_ROWS_TRAIN]; i++)
        for (int32_t v = 0; v < r->n_views; v++, to += r->k)
            memcpy(to, joint->sample[MUCMM_ROWS_TRAIN] + (i * n_views + at[r->views[v]]) * r->k,
                   (size_t)r->k * sizeof *to);
}

static mucmm_status ratio_learn(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__joint *joint,
                                const int32_t *at, ratio *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = joint->sampled[MUCMM_ROWS_TRAIN], sets = MUCMM__RATIO_SETS, work;
    float *rows = NULL;
    double *normal = NULL;

    TRY(mucmm__alloc(ctx, n * r->width, sizeof *rows, &rows));
    TRY(mucmm__alloc(ctx, n * sets, sizeof *normal, &normal));
    gather(r, m->n_views, joint, at, rows);
    for (int64_t i = 0; i < mucmm__density_ratio_rows(n); i++) {
        mucmm__density_ratio_row(n, r->n_views, r->k, rows, i, r->row);
        normal[i] = normal_ratio(r);
    }
    TRY(mucmm__density_ratio_learn(ctx, n, r->n_views, r->k, rows, normal, &r->learned));
    work = mucmm__density_ratio_work(&r->learned);
    if (work > 2 * r->width) {
        mucmm__free(r->work);
        r->work = NULL;
        TRY(mucmm__alloc(ctx, work, sizeof *r->work, &r->work));
    }
done:
    mucmm__free(rows);
    mucmm__free(normal);
    return status;
}

/* ---- places among the fit's rows --------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The share of sorted [n] that is not larger than x, in percent. */
static double percentile(const double *sorted, int64_t n, double x)
{
    int64_t low = 0, high = n;

    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (sorted[middle] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return 100.0 * (double)low / (double)n;
}

/* Scores of the rows that the fit kept, by the same views, ascending: [n] each. */
typedef struct places {
    int64_t n;
    double *common, *match;
} places;

static void places_drop(places *p)
{
    mucmm__free(p->common);
    mucmm__free(p->match);
}

static mucmm_status places_make(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *s,
                                const int32_t *at, const ratio *r, places *p)
{
    mucmm_status status = MUCMM_OK;
    bool held_out = s->joint.sampled[MUCMM_ROWS_HELD_OUT] >= LEAST_HELD_OUT;
    const mucmm_rows part = held_out ? MUCMM_ROWS_HELD_OUT : MUCMM_ROWS_TRAIN;
    int64_t k = m->k, w = m->n_views * k;
    float *c[MUCMM_MAX_VIEWS] = {0}, *row = NULL, *of[MUCMM_MAX_VIEWS];

    p->n = s->joint.sampled[part];
    TRY(mucmm__alloc(ctx, p->n, sizeof *p->common, &p->common));
    TRY(mucmm__alloc(ctx, p->n, sizeof *p->match, &p->match));
    TRY(mucmm__alloc(ctx, w, sizeof *row, &row));
    for (int32_t v = 0; v < r->n_views; v++)
        of[v] = c[r->views[v]] = row + at[r->views[v]] * k;
    for (int64_t i = 0; i < p->n; i++) {
        memcpy(row, s->joint.sample[part] + i * w, (size_t)w * sizeof *row);
        p->common[i] = mucmm__common_score(r->n_views, k, s->rho, of, 0);
        p->match[i] = log_ratio(r, c, 0);
    }
    qsort(p->common, (size_t)p->n, sizeof *p->common, ascending);
    qsort(p->match, (size_t)p->n, sizeof *p->match, ascending);
done:
    mucmm__free(row);
    return status;
}

/* ---- rows -------------------------------------------------------------------------- */

static uint32_t row_views(int32_t n, float *const *c, int64_t k, int64_t i)
{
    uint32_t present = 0;

    for (int32_t v = 0; v < n; v++)
        present |= (uint32_t)!isnan(c[v][i * k]) << v;
    return present;
}

/* The rows from `first` on that have the views `present`, two at least. */
static mucmm_status score_rows(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *s,
                               int32_t n_given, const int32_t *at, uint32_t present, int64_t first,
                               float *const *c, int64_t n, const double *common, mucmm__match *out)
{
    mucmm_status status = MUCMM_OK;
    ratio r = {0};
    places p = {0};

    TRY(ratio_make(ctx, m, &s->joint, at, present, &r));
    TRY(ratio_learn(ctx, m, &s->joint, at, &r));
    TRY(places_make(ctx, m, s, at, &r, &p));
    for (int64_t i = first; i < n; i++) {
        if (row_views(n_given, c, m->k, i) != present)
            continue;
        out->score[i] = log_ratio(&r, c, i);
        if (p.n == 0)
            continue;
        out->score_percentile[i] = percentile(p.match, p.n, out->score[i]);
        out->common_percentile[i] = percentile(p.common, p.n, common[i]);
    }
done:
    ratio_drop(&r);
    places_drop(&p);
    return status;
}

mucmm_status mucmm__match_scores(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                                 int32_t n_given, const int32_t *at, float *const *c, int64_t n,
                                 const double *common, mucmm__match *out)
{
    mucmm_status status = MUCMM_OK;
    double **const all[] = {&out->score, &out->score_percentile, &out->common_percentile};
    bool *seen = NULL;

    for (int a = 0; a < 3; a++) {
        TRY(mucmm__alloc(ctx, n, sizeof(double), all[a]));
        for (int64_t i = 0; i < n; i++)
            (*all[a])[i] = NAN;
    }
    TRY(mucmm__alloc(ctx, (int64_t)1 << n_given, sizeof *seen, &seen));
    for (int64_t i = 0; i < n && r->joint.mean; i++) {
        uint32_t present = row_views(n_given, c, m->k, i);
        if (seen[present] || (present & (present - 1)) == 0)
            continue;
        seen[present] = true;
        TRY(score_rows(ctx, m, r, n_given, at, present, i, c, n, common, out));
    }
done:
    mucmm__free(seen);
    return status;
}
