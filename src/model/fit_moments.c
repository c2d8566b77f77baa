/* SPDX-License-Identifier: MIT
 *
 * Scaling of the views, and the joint covariance of their scaled columns.
 * */
#include "model/fit_moments.h"

#include "model/incomplete.h"
#include "model/raw_moments.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Of the regressions that stand for what rows lack. */
#define LEAST_RIDGE 1e-8
/* Of a view's variance, when a single column has more. */
#define DOMINANT 0.95

static mucmm_status warn_constant(mucmm__fit *f, int32_t m, const double *variance, int64_t stride)
{
    const mucmm__view_info *v = &f->model->view[m];
    int64_t constant = 0, first = -1;
    const char *name;

    for (int64_t j = 0; j < v->p; j++)
        if (!(variance[j * stride] > 0)) {
            first = first < 0 ? j : first;
            constant++;
        }
    if (constant == v->p)
        return mucmm__fail(f->ctx, MUCMM_ENUMERIC,
                           "every column of view '%s' (%s) is constant; there is nothing to learn",
                           v->name, mucmm_data_label(f->data[m]));
    if (constant == 0)
        return MUCMM_OK;
    name = mucmm_data_column(f->data[m], first);
    mucmm__warn(f->ctx,
                "view '%s': %" PRId64 " of %" PRId64 " columns %s constant (the first is "
                "column %" PRId64 "%s%s%s); %s nothing",
                v->name, constant, v->p, constant == 1 ? "is" : "are", first, name ? " '" : "",
                name ? name : "", name ? "'" : "", constant == 1 ? "it carries" : "they carry");
    return MUCMM_OK;
}

/* One divisor per view (the root of the mean variance), or one per column. */
static void set_scale(mucmm__view_info *v, mucmm_scaling scaling, const double *cov, int64_t stride)
{
    double sum = 0;

    for (int64_t j = 0; j < v->p; j++)
        sum += cov[j * stride];
    for (int64_t j = 0; j < v->p; j++) {
        double variance = scaling == MUCMM_SCALE_COLUMN && cov[j * stride] > 0 ? cov[j * stride]
                                                                               : sum / (double)v->p;
        v->scale[j] = sqrt(variance);
    }
}

/* One divisor for a view hides its other columns behind one that is recorded in other units. */
static void warn_dominant(const mucmm__fit *f, int32_t m, const double *variance, int64_t stride)
{
    const mucmm__view_info *v = &f->model->view[m];
    const char *name;
    char quoted[MUCMM__QUOTE], of[MUCMM__QUOTE + 8] = "";
    double sum = 0;
    int64_t most = 0;

    for (int64_t j = 0; j < v->p; j++) {
        sum += variance[j * stride];
        most = variance[j * stride] > variance[most * stride] ? j : most;
    }
    if (v->p < 3 || !(variance[most * stride] > DOMINANT * sum))
        return;
    name = mucmm_data_column(f->data[m], most);
    if (name)
        snprintf(of, sizeof of, " ('%s')", mucmm__quote(quoted, name));
    mucmm__warn(f->ctx,
                "view '%s': column %" PRId64 "%s has %.4g %% of the variance of all %" PRId64
                " and hides the others; give each column its own divisor (`scale` column), or "
                "leave it out",
                v->name, most, of, 100 * variance[most * stride] / sum, v->p);
}

mucmm_status mucmm__set_scaling(mucmm__fit *f, int32_t m, const double *mean,
                                const double *variance, int64_t stride)
{
    mucmm_status status = MUCMM_OK;
    mucmm__view_info *v = &f->model->view[m];

    memcpy(v->mean, mean, (size_t)v->p * sizeof *mean);
    TRY(warn_constant(f, m, variance, stride));
    if (f->p->scaling == MUCMM_SCALE_VIEW && !f->inside)
        warn_dominant(f, m, variance, stride);
    set_scale(v, f->p->scaling, variance, stride);
done:
    return status;
}

static void divide_by_scale(const mucmm__fit *f, double *cov)
{
    int64_t total = f->offset[f->model->n_views];

    for (int32_t a = 0; a < f->model->n_views; a++)
        for (int64_t i = 0; i < f->model->view[a].p; i++) {
            double *row = cov + (f->offset[a] + i) * total;
            for (int32_t b = 0; b < f->model->n_views; b++)
                for (int64_t j = 0; j < f->model->view[b].p; j++)
                    row[f->offset[b] + j] /=
                        f->model->view[a].scale[i] * f->model->view[b].scale[j];
        }
}

mucmm_status mucmm__keep_covariance(mucmm__fit *f, int32_t m, const double *cov, int64_t stride)
{
    mucmm_status status = MUCMM_OK;
    mucmm__view_info *v = &f->model->view[m];

    v->variance = 0;
    for (int64_t j = 0; j < v->p; j++)
        v->variance += cov[j * (stride + 1)];
    if (v->p > MUCMM__COVARIANCE_MAX)
        return MUCMM_OK;
    TRY(mucmm__alloc(f->ctx, v->p * v->p, sizeof *v->covariance, &v->covariance));
    for (int64_t i = 0; i < v->p; i++)
        for (int64_t j = 0; j < v->p; j++)
            v->covariance[i * v->p + j] = (float)cov[i * stride + j];
done:
    return status;
}

/* Of the regressions that stand for what rows lack: at least what the complete rows chose. */
static double ridge_of_lacking(const mucmm__fit *f)
{
    double ridge = fmax(f->p->ridge, LEAST_RIDGE);

    for (int32_t m = 0; m < f->model->n_views; m++)
        ridge = fmax(ridge, f->model->view[m].ridge);
    return ridge;
}

/* Raw. */
static mucmm_status training_moments(mucmm__fit *f, const int64_t *rows, int64_t n, double *mean,
                                     double *cov)
{
    if (f->some)
        return mucmm__incomplete_moments(f->ctx, f->model->n_views, f->data, f->offset, rows, n,
                                         f->lacking_ridge, mean, cov);
    return mucmm__joint_moments(f->ctx, f->model->n_views, f->data, f->offset, rows, n, mean, cov);
}

mucmm_status mucmm__scaled_moments(mucmm__fit *f, const int64_t *rows, int64_t n, double *mean,
                                   double *cov)
{
    mucmm_status status = training_moments(f, rows, n, mean, cov);

    if (status == MUCMM_OK)
        divide_by_scale(f, cov);
    return status;
}

mucmm_status mucmm__scale_views(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = f->offset[f->model->n_views];
    double *mean[2] = {NULL, NULL};

    f->lacking_ridge = ridge_of_lacking(f);
    for (int r = 0; r < 2 && (r == MUCMM__TRAINING || f->n_choosing > 0); r++) {
        TRY(mucmm__alloc(f->ctx, total, sizeof **mean, &mean[r]));
        TRY(mucmm__alloc(f->ctx, total * total, sizeof *f->cov[r], &f->cov[r]));
    }
    TRY(training_moments(f, f->some ? f->some : f->train, f->some ? f->n_some : f->n_train,
                         mean[MUCMM__TRAINING], f->cov[MUCMM__TRAINING]));
    if (f->n_choosing > 0)
        TRY(mucmm__joint_moments(f->ctx, f->model->n_views, f->data, f->offset, f->choosing,
                                 f->n_choosing, mean[MUCMM__CHOOSING], f->cov[MUCMM__CHOOSING]));
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__set_scaling(f, m, mean[MUCMM__TRAINING] + f->offset[m],
                               f->cov[MUCMM__TRAINING] + f->offset[m] * (total + 1), total + 1));
    divide_by_scale(f, f->cov[MUCMM__TRAINING]);
    if (f->n_choosing > 0)
        divide_by_scale(f, f->cov[MUCMM__CHOOSING]);
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__keep_covariance(f, m, f->cov[MUCMM__TRAINING] + f->offset[m] * (total + 1),
                                   total));
done:
    mucmm__free(mean[0]);
    mucmm__free(mean[1]);
    return status;
}
