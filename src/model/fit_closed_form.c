/* SPDX-License-Identifier: MIT
 *
 * The closed form as a representation: section 4 of the method. */
#include "model/fit_closed_form.h"

#include "model/fit_ridge.h"
#include "model/small_sample.h"
#include "model/view_dimensions.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* So much larger than its edge the largest of many chance correlations may come out. */
#define MARGIN 1.5

/* The columns of w [p, k] change sign where those of by [q, k] have a negative sum. */
static void fix_signs(int64_t q, const double *by, int64_t p, int64_t k, double *w)
{
    for (int64_t j = 0; j < k; j++)
        if (mucmm__column_sign(q, k, by, j) < 0)
            for (int64_t i = 0; i < p; i++)
                w[i * k + j] = -w[i * k + j];
}

/* cross [dims, (M - 1) k] = Cov(h_m, c_l) of all other views, a[l] [dims_l, k]. */
static mucmm_status cross_covariance(mucmm__fit *f, int32_t m, double *const *a, double *cross)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = f->model->k, others = (f->model->n_views - 1) * k, at = 0;
    int64_t total = f->offset[f->model->n_views], dims = f->offset[m + 1] - f->offset[m];

    for (int32_t l = 0; l < f->model->n_views; l++) {
        if (l == m)
            continue;
        TRY(mucmm__dgemm(f->ctx, false, false, dims, k, f->offset[l + 1] - f->offset[l], 1,
                         f->cov[MUCMM__TRAINING] + f->offset[m] * total + f->offset[l], total, a[l],
                         k, 0, cross + at, others));
        at += k;
    }
done:
    return status;
}

/* u [dims, found] to its first columns of [dims, q], in place; the others are zero. */
static void pad_columns(int64_t dims, int64_t found, int64_t q, double *u)
{
    for (int64_t i = dims - 1; i >= 0; i--)
        for (int64_t j = q - 1; j >= 0; j--)
            u[i * q + j] = j < found ? u[i * found + j] : 0;
}

/* Trained heads have all q, and models of folds those of the model that they are compared with. */
static bool keeps_q(const mucmm__fit *f)
{
    return f->p->head == MUCMM_HEAD_MLP || (f->inside && f->inside->like);
}

static void warn_of_fewer(const mucmm__fit *f, int32_t m, int64_t found)
{
    const mucmm__view_info *v = &f->model->view[m];

    if (found < v->q)
        mucmm__warn(
            f->ctx,
            "view '%s': the closed form has %" PRId64 " of the %" PRId64 " individual "
            "dimensions%s: what the common variates of all views correlate with takes up the "
            "rest of its columns or rows; give a smaller `common` or `individual`",
            v->name, found, v->q, keeps_q(f) ? ", the others are zero" : "");
}

/* The edge of the squared correlations of two independent blocks of so many columns on the training
 * rows. */
static double chance_correlation(const mucmm__fit *f, int64_t left, int64_t others)
{
    double n = (double)f->n_train, edge = sqrt((double)left / n) + sqrt((double)others / n);

    return MARGIN * edge * edge;
}

/* a[m] [dims, k]: the common weights of the views' coordinates. Of two views u needs nothing more
 * than to be uncorrelated with its own c: what the other one's adds is of the order of the ridge,
 * and to deny that would take k directions of whatever variance from u. */
static mucmm_status individual_weights(mucmm__fit *f, int32_t m, double *const *a)
{
    mucmm_status status = MUCMM_OK;
    mucmm__view_info *v = &f->model->view[m];
    int64_t total = f->offset[f->model->n_views], dims = f->offset[m + 1] - f->offset[m];
    int64_t others = f->model->n_views > 2 ? (f->model->n_views - 1) * f->model->k : 0, found, k;
    double *cov = NULL, *cross = NULL, *u = NULL, *weights = NULL, *own = NULL;

    if (v->q == 0)
        return mucmm__head_empty(f->ctx, v->p, &f->model->linear.view[m].individual);
    TRY(mucmm__alloc(f->ctx, dims * dims, sizeof *cov, &cov));
    TRY(mucmm__alloc(f->ctx, dims * v->q, sizeof *u, &u));
    TRY(mucmm__alloc(f->ctx, v->p * v->q, sizeof *weights, &weights));
    TRY(mucmm__alloc(f->ctx, dims * others, sizeof *cross, &cross));
    for (int64_t i = 0; i < dims; i++)
        memcpy(cov + i * dims, f->cov[MUCMM__TRAINING] + (f->offset[m] + i) * total + f->offset[m],
               (size_t)dims * sizeof *cov);
    if (others > 0)
        TRY(cross_covariance(f, m, a, cross));
    TRY(mucmm__carried_columns(f->ctx, dims, f->model->k, f->model->k, a[m], &own, &k));
    TRY(mucmm__closed_form_individual_of_all(f->ctx, dims, cov, k, own, others, cross,
                                             chance_correlation(f, dims - k, others), v->q, v->name,
                                             u, &found));
    warn_of_fewer(f, m, found);
    if (!keeps_q(f))
        v->q = found;
    if (v->q == 0)
        TRY(mucmm__head_empty(f->ctx, v->p, &f->model->linear.view[m].individual));
    if (v->q == 0)
        goto done;
    pad_columns(dims, found, v->q, u);
    TRY(mucmm__from_coordinates(f, m, v->q, u, weights));
    fix_signs(v->p, weights, v->p, v->q, weights);
    TRY(mucmm__linear_head(f->ctx, v->p, v->q, weights, &f->model->linear.view[m].individual));
done:
    mucmm__free(cov);
    mucmm__free(cross);
    mucmm__free(u);
    mucmm__free(weights);
    mucmm__free(own);
    return status;
}

mucmm_status mucmm__fit_closed_form(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    int64_t k = model->k;
    double **a = f->weights, *weights[MUCMM_MAX_VIEWS] = {0};

    TRY(mucmm__alloc(f->ctx, k, sizeof *model->linear.rho, &model->linear.rho));
    for (int32_t m = 0; m < model->n_views; m++) {
        TRY(mucmm__alloc(f->ctx, (f->offset[m + 1] - f->offset[m]) * k, sizeof *a[m], &a[m]));
        TRY(mucmm__alloc(f->ctx, model->view[m].p * k, sizeof **weights, &weights[m]));
    }
    TRY(mucmm__choose_ridge(f, model->linear.rho, a));
    for (int32_t m = 0; m < model->n_views; m++)
        TRY(mucmm__from_coordinates(f, m, k, a[m], weights[m]));
    for (int32_t m = model->n_views - 1; m >= 0; m--) /* view 0, which decides, last */
        fix_signs(model->view[0].p, weights[0], model->view[m].p, k, weights[m]);
    for (int32_t m = 0; m < model->n_views; m++) {
        TRY(mucmm__linear_head(f->ctx, model->view[m].p, k, weights[m],
                               &model->linear.view[m].common));
        TRY(individual_weights(f, m, a));
    }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(weights[m]);
    return status;
}
