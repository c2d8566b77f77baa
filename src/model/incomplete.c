/* SPDX-License-Identifier: MIT
 *
 * Mean and covariance of all views from rows that may lack some of them: the EM algorithm for a
 * Gaussian (section 1 of the method). The rows are grouped by what they have; after one pass over
 * them only the moments of the groups are used. */
#include "model/incomplete.h"

#include "model/raw_moments.h"
#include "model/represent.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Groups of rows that have the same views, at most. */
#define MAX_GROUPS 64
/* Columns of all views together, at most: their covariance is made, and more. */
#define MAX_COLUMNS 8192
#define MAX_ITERATIONS 500
/* In units of the variances: below it the change of a step ends the iteration, above it is told. */
#define CONVERGED 1e-6
#define FAR_FROM_IT 1e-3
/* The same with more columns than rows, where steps are dear and the estimate is far less certain
 * than that. */
#define CONVERGED_FEW_ROWS 1e-3

typedef struct group {
    uint32_t views; /* bit m: the rows have view m */
    int64_t n, *rows;
    int64_t n_has, *has;     /* columns that the rows have ...    */
    int64_t n_lacks, *lacks; /* ... and lack, among those of all views */
    double *mean, *scatter;  /* [n_has], [n_has, n_has]: sum of products about that mean */
} group;

typedef struct em {
    mucmm_ctx *ctx;
    int32_t n_views;
    const int64_t *offset;
    int64_t total, n; /* columns, rows */
    group groups[MAX_GROUPS];
    int64_t n_groups;
    double *variance;           /* [total] of each column, from the rows that have it */
    double *ridge;              /* [total] added to it in the regressions            */
    double *mean, *cov;         /* [total], [total, total]: the estimate             */
    double *shift, *sum;        /* the same, being added up about the old mean       */
    double *k, *b, *kb, *error; /* scratch, [total, total] each                      */
} em;

static void em_drop(em *e)
{
    double *const scratch[] = {e->variance, e->ridge, e->shift, e->sum,
                               e->k,        e->b,     e->kb,    e->error};

    for (int64_t g = 0; g < e->n_groups; g++) {
        mucmm__free(e->groups[g].rows);
        mucmm__free(e->groups[g].has);
        mucmm__free(e->groups[g].lacks);
        mucmm__free(e->groups[g].mean);
        mucmm__free(e->groups[g].scatter);
    }
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        mucmm__free(scratch[i]);
}

/* ---- groups ------------------------------------------------------------------------ */

static mucmm_status start_group(em *e, uint32_t views, int64_t room)
{
    mucmm_status status = MUCMM_OK;
    group *g = &e->groups[e->n_groups];

    if (e->n_groups == MAX_GROUPS)
        return mucmm__fail(e->ctx, MUCMM_EUNSUPPORTED,
                           "the rows lack views in more than %d different ways; leave out views "
                           "or rows",
                           MAX_GROUPS);
    *g = (group){.views = views};
    e->n_groups++;
    TRY(mucmm__alloc(e->ctx, room, sizeof *g->rows, &g->rows));
    TRY(mucmm__alloc(e->ctx, e->total, sizeof *g->has, &g->has));
    TRY(mucmm__alloc(e->ctx, e->total, sizeof *g->lacks, &g->lacks));
    for (int32_t m = 0; m < e->n_views; m++)
        for (int64_t j = e->offset[m]; j < e->offset[m + 1]; j++)
            if (views >> m & 1)
                g->has[g->n_has++] = j;
            else
                g->lacks[g->n_lacks++] = j;
done:
    return status;
}

static mucmm_status group_rows(em *e, const mucmm_data *const *data, const int64_t *rows, int64_t n)
{
    mucmm_status status = MUCMM_OK;

    for (int64_t i = 0; i < n; i++) {
        uint32_t views = mucmm__row_views(e->n_views, data, rows[i]);
        int64_t g = 0;
        if (views == 0)
            continue;
        while (g < e->n_groups && e->groups[g].views != views)
            g++;
        if (g == e->n_groups)
            TRY(start_group(e, views, n));
        e->groups[g].rows[e->groups[g].n++] = rows[i];
        e->n++;
    }
done:
    return status;
}

static mucmm_status group_moments(em *e, const mucmm_data *const *data, group *g)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *some[MUCMM_MAX_VIEWS];
    int64_t offset[MUCMM_MAX_VIEWS + 1] = {0}, twice[2] = {g->rows[0], g->rows[0]};
    int32_t n_views = 0;
    bool single = g->n == 1;

    for (int32_t m = 0; m < e->n_views; m++)
        if (g->views >> m & 1) {
            some[n_views] = data[m];
            offset[n_views + 1] = offset[n_views] + e->offset[m + 1] - e->offset[m];
            n_views++;
        }
    TRY(mucmm__alloc(e->ctx, g->n_has, sizeof *g->mean, &g->mean));
    TRY(mucmm__alloc(e->ctx, g->n_has * g->n_has, sizeof *g->scatter, &g->scatter));
    /* a single row has its mean and no scatter, which it also has when it is taken twice */
    TRY(mucmm__joint_moments(e->ctx, n_views, some, offset, single ? twice : g->rows,
                             single ? 2 : g->n, g->mean, g->scatter));
    for (int64_t i = 0; i < g->n_has * g->n_has; i++)
        g->scatter[i] *= (double)(single ? 1 : g->n - 1);
done:
    return status;
}

/* ---- the start: every view on its own ---------------------------------------------- */

/* Columns that are the same in every row stay exactly that. */
static bool is_constant(const em *e, int64_t column)
{
    double first = NAN;

    for (int64_t i = 0; i < e->n_groups; i++) {
        const group *g = &e->groups[i];
        for (int64_t j = 0; j < g->n_has; j++) {
            if (g->has[j] != column)
                continue;
            first = isnan(first) ? g->mean[j] : first;
            if (g->scatter[j * (g->n_has + 1)] > 0 ||
                fabs(g->mean[j] - first) > 1e-12 * fabs(first))
                return false;
        }
    }
    return true;
}

/* Mean and variance of each column from the rows that have it; nothing yet between columns. */
static void start_values(em *e, const int64_t *rows_with)
{
    for (int64_t i = 0; i < e->n_groups; i++)
        for (int64_t j = 0; j < e->groups[i].n_has; j++) {
            int64_t at = e->groups[i].has[j];
            e->mean[at] += (double)e->groups[i].n / (double)rows_with[at] * e->groups[i].mean[j];
        }
    for (int64_t i = 0; i < e->n_groups; i++) {
        const group *g = &e->groups[i];
        for (int64_t j = 0; j < g->n_has; j++) {
            int64_t at = g->has[j];
            double d = g->mean[j] - e->mean[at];
            e->variance[at] += (g->scatter[j * (g->n_has + 1)] + (double)g->n * d * d) /
                               (double)(rows_with[at] - 1);
        }
    }
    for (int64_t j = 0; j < e->total; j++) {
        if (is_constant(e, j))
            e->variance[j] = 0;
        e->cov[j * (e->total + 1)] = e->variance[j];
    }
}

static mucmm_status start(em *e, double ridge)
{
    mucmm_status status = MUCMM_OK;
    int64_t *rows_with = NULL;

    TRY(mucmm__alloc(e->ctx, e->total, sizeof *rows_with, &rows_with));
    for (int64_t i = 0; i < e->n_groups; i++)
        for (int64_t j = 0; j < e->groups[i].n_has; j++)
            rows_with[e->groups[i].has[j]] += e->groups[i].n;
    start_values(e, rows_with);
    if (e->n <= e->total)
        ridge = fmax(ridge, MUCMM__LEAST_RIDGE_FEW_ROWS);
    for (int32_t m = 0; m < e->n_views; m++) {
        double sum = 0;
        for (int64_t j = e->offset[m]; j < e->offset[m + 1]; j++)
            sum += e->variance[j];
        for (int64_t j = e->offset[m]; j < e->offset[m + 1]; j++)
            e->ridge[j] = ridge * sum / (double)(e->offset[m + 1] - e->offset[m]);
    }
done:
    mucmm__free(rows_with);
    return status;
}

/* ---- a step ------------------------------------------------------------------------ */

/* out [n_rows, n_cols] = the entries of the covariance in those rows and columns. */
static void gather(const em *e, int64_t n_rows, const int64_t *rows, int64_t n_cols,
                   const int64_t *cols, double *out)
{
    for (int64_t i = 0; i < n_rows; i++)
        for (int64_t j = 0; j < n_cols; j++)
            out[i * n_cols + j] = e->cov[rows[i] * e->total + cols[j]];
}

/* Adds factor * x [n_rows, n_cols] to those entries of the sum. */
static void scatter(em *e, int64_t n_rows, const int64_t *rows, int64_t n_cols, const int64_t *cols,
                    double factor, const double *x)
{
    for (int64_t i = 0; i < n_rows; i++)
        for (int64_t j = 0; j < n_cols; j++)
            e->sum[rows[i] * e->total + cols[j]] += factor * x[i * n_cols + j];
}

/* b [has, lacks] = (S_hh + ridge)^-1 S_hl; uses k. */
static mucmm_status regress(em *e, const group *g)
{
    mucmm_status status = MUCMM_OK;

    gather(e, g->n_has, g->has, g->n_has, g->has, e->k);
    gather(e, g->n_has, g->has, g->n_lacks, g->lacks, e->b);
    for (int64_t i = 0; i < g->n_has; i++)
        e->k[i * (g->n_has + 1)] += e->ridge[g->has[i]];
    TRY(mucmm__cholesky(e->ctx, g->n_has, e->k, "the covariance of rows that lack views"));
    TRY(mucmm__solve_lower(e->ctx, false, g->n_has, g->n_lacks, e->k, e->b));
    TRY(mucmm__solve_lower(e->ctx, true, g->n_has, g->n_lacks, e->k, e->b));
done:
    return status;
}

/* error [lacks, lacks] = S_ll - B'S_hl - S_lh B + B'S_hh B: what the prediction leaves open.
 * Uses k and kb. */
static mucmm_status prediction_error(em *e, const group *g)
{
    mucmm_status status = MUCMM_OK;
    int64_t h = g->n_has, l = g->n_lacks;

    gather(e, h, g->has, h, g->has, e->k);
    gather(e, h, g->has, l, g->lacks, e->kb);
    gather(e, l, g->lacks, l, g->lacks, e->error);
    TRY(mucmm__dgemm(e->ctx, true, false, l, l, h, -1, e->b, l, e->kb, l, 1, e->error, l));
    TRY(mucmm__dgemm(e->ctx, true, false, l, l, h, -1, e->kb, l, e->b, l, 1, e->error, l));
    TRY(mucmm__dgemm(e->ctx, false, false, h, l, h, 1, e->k, h, e->b, l, 0, e->kb, l));
    TRY(mucmm__dgemm(e->ctx, true, false, l, l, h, 1, e->b, l, e->kb, l, 1, e->error, l));
done:
    return status;
}

/* Adds the rows of a group to shift and sum: what they have, and what is expected of the rest. */
static mucmm_status add_group(em *e, const group *g)
{
    mucmm_status status = MUCMM_OK;
    int64_t h = g->n_has, l = g->n_lacks;

    if (l > 0) {
        TRY(regress(e, g));
        TRY(prediction_error(e, g));
        scatter(e, l, g->lacks, l, g->lacks, (double)g->n, e->error);
    }
    for (int64_t i = 0; i < h; i++) {
        double d = g->mean[i] - e->mean[g->has[i]];
        e->shift[g->has[i]] += (double)g->n * d;
        for (int64_t j = 0; j < h; j++)
            e->k[i * h + j] =
                g->scatter[i * h + j] + (double)g->n * d * (g->mean[j] - e->mean[g->has[j]]);
        for (int64_t j = 0; j < l; j++)
            e->shift[g->lacks[j]] += (double)g->n * d * e->b[i * l + j];
    }
    scatter(e, h, g->has, h, g->has, 1, e->k);
    if (l == 0)
        return MUCMM_OK;
    TRY(mucmm__dgemm(e->ctx, false, false, h, l, h, 1, e->k, h, e->b, l, 0, e->kb, l));
    scatter(e, h, g->has, l, g->lacks, 1, e->kb);
    TRY(mucmm__dgemm(e->ctx, true, false, l, l, h, 1, e->b, l, e->kb, l, 0, e->error, l));
    scatter(e, l, g->lacks, l, g->lacks, 1, e->error);
    for (int64_t i = 0; i < h; i++)
        for (int64_t j = 0; j < l; j++)
            e->sum[g->lacks[j] * e->total + g->has[i]] += e->kb[i * l + j];
done:
    return status;
}

/* The new estimate from the sums; returns the largest change in units of the variances. */
static double take_step(em *e)
{
    double n = (double)e->n, change = 0;

    for (int64_t i = 0; i < e->total; i++)
        for (int64_t j = 0; j <= i; j++) {
            double *upper = &e->cov[j * e->total + i], *lower = &e->cov[i * e->total + j];
            double unit = sqrt(e->variance[i] * e->variance[j]);
            double both = e->sum[i * e->total + j] + e->sum[j * e->total + i];
            double fresh = (both / 2 - e->shift[i] * e->shift[j] / n) / (n - 1);
            fresh = unit > 0 ? fresh : 0;
            if (unit > 0)
                change = fmax(change, fabs(fresh - *lower) / unit);
            *upper = *lower = fresh;
        }
    for (int64_t i = 0; i < e->total; i++)
        e->mean[i] += e->shift[i] / n;
    return change;
}

static mucmm_status iterate(em *e)
{
    mucmm_status status = MUCMM_OK;
    double change = INFINITY, enough = e->n > e->total ? CONVERGED : CONVERGED_FEW_ROWS;

    for (int64_t step = 0; step < MAX_ITERATIONS && change > enough; step++) {
        memset(e->shift, 0, (size_t)e->total * sizeof *e->shift);
        memset(e->sum, 0, (size_t)(e->total * e->total) * sizeof *e->sum);
        for (int64_t g = 0; g < e->n_groups; g++)
            TRY(add_group(e, &e->groups[g]));
        change = take_step(e);
        TRY(mucmm__progress(e->ctx, "missing rows", step + 1, MAX_ITERATIONS, NULL));
    }
    TRY(mucmm__progress(e->ctx, "missing rows", MAX_ITERATIONS, MAX_ITERATIONS, NULL));
    if (change > FAR_FROM_IT)
        mucmm__warn(e->ctx,
                    "the covariance from rows that lack views still changed by %.2g in step %d; "
                    "too few rows have all views for so many columns: give a larger `ridge`",
                    change, MAX_ITERATIONS);
done:
    return status;
}

mucmm_status mucmm__incomplete_moments(mucmm_ctx *ctx, int32_t n_views,
                                       const mucmm_data *const *data, const int64_t *offset,
                                       const int64_t *rows, int64_t n, double ridge, double *mean,
                                       double *cov)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = offset[n_views];
    em e = {.ctx = ctx, .n_views = n_views, .offset = offset, .total = total};
    double **const vectors[] = {&e.variance, &e.ridge, &e.shift};
    double **const matrices[] = {&e.sum, &e.k, &e.b, &e.kb, &e.error};

    if (total > MAX_COLUMNS)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "%" PRId64 " columns of all views together; with rows that lack views "
                           "there may be %d: leave out the rows or some columns",
                           total, MAX_COLUMNS);
    e.mean = mean;
    e.cov = cov;
    memset(mean, 0, (size_t)total * sizeof *mean);
    memset(cov, 0, (size_t)(total * total) * sizeof *cov);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        TRY(mucmm__alloc(ctx, total, sizeof(double), vectors[i]));
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        TRY(mucmm__alloc(ctx, total * total, sizeof(double), matrices[i]));
    TRY(group_rows(&e, data, rows, n));
    for (int64_t g = 0; g < e.n_groups; g++)
        TRY(group_moments(&e, data, &e.groups[g]));
    TRY(start(&e, ridge));
    TRY(iterate(&e));
done:
    em_drop(&e);
    return status;
}
