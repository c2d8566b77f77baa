/* SPDX-License-Identifier: MIT
 *
 * The closed form as a representation: section 4 of the method. */
#include "model/fit_closed_form.h"

#include "model/fit_ridge.h"
#include "model/small_sample.h"

#include <string.h>

/* The columns of w [p, k] change sign where those of by [q, k] have a negative sum. */
static void fix_signs(int64_t q, const double *by, int64_t p, int64_t k, double *w)
{
    for (int64_t j = 0; j < k; j++)
        if (mucmm__column_sign(q, k, by, j) < 0)
            for (int64_t i = 0; i < p; i++)
                w[i * k + j] = -w[i * k + j];
}

/* a [dims, k]: the common weights of view m's coordinates. */
static mucmm_status individual_weights(mucmm__fit *f, int32_t m, const double *a)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t total = f->offset[f->model->n_views], dims = f->offset[m + 1] - f->offset[m];
    double *cov = NULL, *u = NULL, *weights = NULL;

    if (v->q == 0)
        return mucmm__head_empty(f->ctx, v->p, &f->model->linear.view[m].individual);
    TRY(mucmm__alloc(f->ctx, dims * dims, sizeof *cov, &cov));
    TRY(mucmm__alloc(f->ctx, dims * v->q, sizeof *u, &u));
    TRY(mucmm__alloc(f->ctx, v->p * v->q, sizeof *weights, &weights));
    for (int64_t i = 0; i < dims; i++)
        memcpy(cov + i * dims, f->cov[MUCMM_ROWS_TRAIN] + (f->offset[m] + i) * total + f->offset[m],
               (size_t)dims * sizeof *cov);
    TRY(mucmm__closed_form_individual(f->ctx, dims, cov, f->model->k, a, v->q, v->name, u));
    TRY(mucmm__from_coordinates(f, m, v->q, u, weights));
    fix_signs(v->p, weights, v->p, v->q, weights);
    TRY(mucmm__linear_head(f->ctx, v->p, v->q, weights, &f->model->linear.view[m].individual));
done:
    mucmm__free(cov);
    mucmm__free(u);
    mucmm__free(weights);
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
        TRY(individual_weights(f, m, a[m]));
    }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(weights[m]);
    return status;
}
