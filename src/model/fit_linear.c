/* SPDX-License-Identifier: MIT
 *
 * The closed form as a representation: section 4 of the method. The ridge is the
 * one of a short list whose weights correlate best on the held-out rows. */
#include "model/model.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const double ridges[] = {1e-8, 1e-5, 1e-3};
#define N_RIDGES ((int)(sizeof ridges / sizeof *ridges))

/* out [k] = diag(a' S_ab b), a [p, k], b [q, k], S_ab [p, q] inside a larger matrix. */
static mucmm_status weighted_diagonal(mucmm_ctx *ctx, const double *cov, int64_t stride, int64_t p,
                                      int64_t q, int64_t k, const double *a, const double *b,
                                      double *work, double *out)
{
    mucmm_status status =
        mucmm__dgemm(ctx, false, false, p, k, q, 1, cov, stride, b, k, 0, work, k);

    for (int64_t j = 0; j < k && status == MUCMM_OK; j++) {
        out[j] = 0;
        for (int64_t i = 0; i < p; i++)
            out[j] += a[i * k + j] * work[i * k + j];
    }
    return status;
}

mucmm_status mucmm__fixed_correlation(mucmm_ctx *ctx, int32_t n_views, const int64_t *offset,
                                      const double *cov, int64_t k, double *const *weights,
                                      double *total)
{
    mucmm_status status = MUCMM_OK;
    int64_t stride = offset[n_views];
    double *work = NULL, *var = NULL, *cross = NULL;

    *total = 0;
    TRY(mucmm__alloc(ctx, stride * k, sizeof *work, &work));
    TRY(mucmm__alloc(ctx, n_views * k, sizeof *var, &var));
    TRY(mucmm__alloc(ctx, k, sizeof *cross, &cross));
    for (int32_t a = 0; a < n_views; a++) {
        int64_t p = offset[a + 1] - offset[a];
        TRY(weighted_diagonal(ctx, cov + offset[a] * (stride + 1), stride, p, p, k, weights[a],
                              weights[a], work, var + a * k));
        for (int32_t b = 0; b < a; b++) {
            TRY(weighted_diagonal(ctx, cov + offset[a] * stride + offset[b], stride, p,
                                  offset[b + 1] - offset[b], k, weights[a], weights[b], work,
                                  cross));
            for (int64_t j = 0; j < k; j++) {
                double product = var[a * k + j] * var[b * k + j];
                *total += product > 0 ? cross[j] / sqrt(product) : 0;
            }
        }
    }
    *total *= 2.0 / (n_views * (n_views - 1));
done:
    mucmm__free(work);
    mucmm__free(var);
    mucmm__free(cross);
    return status;
}

/* rho [k] and weights[m] [p_m, k] of the training covariance for one ridge. */
static mucmm_status solve(mucmm__fit *f, double ridge, double *rho, double *const *weights)
{
    int64_t p[MUCMM_MAX_VIEWS];
    const char *names[MUCMM_MAX_VIEWS];

    for (int32_t m = 0; m < f->model->n_views; m++) {
        p[m] = f->model->view[m].p;
        names[m] = f->model->view[m].name;
    }
    return mucmm__linear_common(f->ctx, f->model->n_views, p, names, f->cov[MUCMM_ROWS_TRAIN],
                                ridge, f->model->k, f->model->k, rho, weights);
}

static mucmm_status try_ridges(mucmm__fit *f, double *rho, double *const *weights)
{
    mucmm_status status = MUCMM_OK;
    double best = -INFINITY, total;
    int solved = 0;

    f->model->ridge = f->p->ridge;
    for (int i = 0; i < N_RIDGES && f->p->ridge < 0; i++) {
        status = solve(f, ridges[i], rho, weights);
        if (status == MUCMM_ENUMERIC && i < N_RIDGES - 1)
            continue; /* singular with this little ridge: the next is larger */
        TRY(status);
        TRY(mucmm__fixed_correlation(f->ctx, f->model->n_views, f->offset,
                                     f->cov[MUCMM_ROWS_HELD_OUT], f->model->k, weights, &total));
        TRY(mucmm__progress(f->ctx, "closed form", i + 1, N_RIDGES, NULL));
        solved = i;
        if (total > best) {
            best = total;
            f->model->ridge = ridges[i];
        }
    }
    if (f->p->ridge >= 0 || f->model->ridge != ridges[solved])
        TRY(solve(f, f->model->ridge, rho, weights));
done:
    return status;
}

/* A head that is one matrix: y = weights' h. */
static mucmm_status linear_head(mucmm_ctx *ctx, int64_t in, int64_t out, const double *weights,
                                mucmm__head *head)
{
    mucmm_status status = MUCMM_OK;
    mucmm__mlp net;

    TRY(mucmm__mlp_layout(ctx, in, NULL, 0, out, false, true, &net));
    TRY(mucmm__head_alloc(ctx, &net, head));
    for (int64_t i = 0; i < in; i++)
        for (int64_t j = 0; j < out; j++)
            head->params[net.skip + j * in + i] = (float)weights[i * out + j];
done:
    return status;
}

static mucmm_status individual_weights(mucmm__fit *f, int32_t m, const double *weights)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t total = f->offset[f->model->n_views];
    double *cov = NULL, *u = NULL;

    if (v->q == 0)
        return mucmm__head_empty(f->ctx, v->p, &f->model->linear.view[m].individual);
    TRY(mucmm__alloc(f->ctx, v->p * v->p, sizeof *cov, &cov));
    TRY(mucmm__alloc(f->ctx, v->p * v->q, sizeof *u, &u));
    for (int64_t i = 0; i < v->p; i++)
        memcpy(cov + i * v->p, f->cov[MUCMM_ROWS_TRAIN] + (f->offset[m] + i) * total + f->offset[m],
               (size_t)v->p * sizeof *cov);
    TRY(mucmm__linear_individual(f->ctx, v->p, cov, f->model->k, weights, v->q, v->name, u));
    TRY(linear_head(f->ctx, v->p, v->q, u, &f->model->linear.view[m].individual));
done:
    mucmm__free(cov);
    mucmm__free(u);
    return status;
}

mucmm_status mucmm__fit_linear(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    double *weights[MUCMM_MAX_VIEWS] = {0};

    TRY(mucmm__alloc(f->ctx, model->k, sizeof *model->linear.rho, &model->linear.rho));
    for (int32_t m = 0; m < model->n_views; m++)
        TRY(mucmm__alloc(f->ctx, model->view[m].p * model->k, sizeof **weights, &weights[m]));
    TRY(try_ridges(f, model->linear.rho, weights));
    for (int32_t m = 0; m < model->n_views; m++) {
        TRY(linear_head(f->ctx, model->view[m].p, model->k, weights[m],
                        &model->linear.view[m].common));
        TRY(individual_weights(f, m, weights[m]));
    }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(weights[m]);
    return status;
}
