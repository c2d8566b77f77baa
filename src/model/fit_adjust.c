/* SPDX-License-Identifier: MIT
 *
 * Covariates out of the features of a fit: x - B'(z - mean z), B [d, p] = (S_zz + ridge)^-1 S_zx of
 * the training rows, which are adjusted by it too. Least squares takes the same d directions of the
 * rows out of every view, so that what is left has no correlation of its making; by regressions on
 * other folds each view would get errors that follow z, and rows of the same z would share them. */
#include "model/fit_adjust.h"

#include "io/data.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* In units of the variance of each column of z: for columns that depend on each other, as the
 * indicators of a category do; small, so that nothing is left of what is taken out. */
#define RIDGE 1e-6
/* Rows that are read at a time: in double, and of any width. */
enum { CHUNK = 256 };

/* ---- the regression of a view ------------------------------------------------------ */

/* b [d, p] of rows[0..n). */
static mucmm_status regress(mucmm_ctx *ctx, const mucmm_data *data, int64_t p, int64_t d,
                            const double *z, const int64_t *rows, int64_t n, double *b)
{
    mucmm_status status = MUCMM_OK;
    mucmm__moments *own = NULL, *cross = NULL;
    double *wide = NULL, *part = NULL, *s = NULL;
    float *x = NULL;

    TRY(mucmm__moments_create(ctx, d, 0, &own));
    TRY(mucmm__moments_create(ctx, d, p, &cross));
    TRY(mucmm__alloc(ctx, CHUNK * p, sizeof *x, &x));
    TRY(mucmm__alloc(ctx, CHUNK * p, sizeof *wide, &wide));
    TRY(mucmm__alloc(ctx, CHUNK * d, sizeof *part, &part));
    TRY(mucmm__alloc(ctx, d * d, sizeof *s, &s));
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t k = n - i < CHUNK ? n - i : CHUNK;
        TRY(mucmm_data_read(ctx, data, rows + i, k, &(mucmm_mat){x, k, p, p}));
        mucmm__to_double(x, k * p, wide);
        for (int64_t j = 0; j < k; j++)
            memcpy(part + j * d, z + rows[i + j] * d, (size_t)d * sizeof *part);
        TRY(mucmm__moments_push_double(ctx, own, k, part, NULL));
        TRY(mucmm__moments_push_double(ctx, cross, k, part, wide));
    }
    TRY(mucmm__moments_get(ctx, own, NULL, NULL, s, NULL, NULL));
    TRY(mucmm__moments_get(ctx, cross, NULL, NULL, b, NULL, NULL));
    for (int64_t j = 0; j < d; j++) /* a column without variance takes out nothing */
        s[j * (d + 1)] = s[j * (d + 1)] > 0 ? s[j * (d + 1)] * (1 + RIDGE) : 1;
    TRY(mucmm__cholesky(ctx, d, s, "the covariance of the covariates"));
    TRY(mucmm__solve_lower(ctx, false, d, p, s, b));
    TRY(mucmm__solve_lower(ctx, true, d, p, s, b));
done:
    mucmm__moments_free(own);
    mucmm__moments_free(cross);
    mucmm__free(x);
    mucmm__free(wide);
    mucmm__free(part);
    mucmm__free(s);
    return status;
}

/* ---- rows of a view ---------------------------------------------------------------- */

static void take_out(const void *arg, int64_t row, float *x)
{
    const mucmm__adjusted *v = arg;

    mucmm__adjust_row(v->d, v->p, v->z + row * v->d, v->slopes, x);
}

/* z [all rows] of those that have the view. */
static mucmm_status view_design(mucmm__fit *f, int32_t m, mucmm__adjusted *v, int64_t *unknown)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data = f->data[m];
    const mucmm__adjust *a = f->model->adjust;
    int64_t n = mucmm_data_rows(data), has = 0, *rows = NULL;

    TRY(mucmm__alloc(f->ctx, n * a->d, sizeof *v->z, &v->z));
    TRY(mucmm__alloc(f->ctx, n, sizeof *rows, &rows));
    for (int64_t i = 0; i < n; i++)
        if (mucmm_data_has(data, i))
            rows[has++] = i;
    TRY(mucmm__adjust_design(f->ctx, a, mucmm_data_covariates(data), rows, has, unknown, v->z));
    for (int64_t i = has - 1; i >= 0; i--) /* from behind, to where the rows are */
        memmove(v->z + rows[i] * a->d, v->z + i * a->d, (size_t)a->d * sizeof *v->z);
done:
    mucmm__free(rows);
    return status;
}

/* Of the training rows that have the view. */
static mucmm_status view_regression(mucmm__fit *f, int32_t m, double *slopes)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__adjusted *v = &f->adjusted[m];
    const int64_t *from = f->some ? f->some : f->train;
    int64_t n_from = f->some ? f->n_some : f->n_train, n = 0, *rows = NULL;

    TRY(mucmm__alloc(f->ctx, n_from, sizeof *rows, &rows));
    for (int64_t i = 0; i < n_from; i++)
        if (mucmm_data_has(f->data[m], from[i]))
            rows[n++] = from[i];
    TRY(regress(f->ctx, f->data[m], v->p, v->d, v->z, rows, n, slopes));
done:
    mucmm__free(rows);
    return status;
}

static mucmm_status adjust_view(mucmm__fit *f, int32_t m, int64_t *unknown)
{
    mucmm_status status = MUCMM_OK;
    mucmm__adjusted *v = &f->adjusted[m];
    mucmm__view_info *info = &f->model->view[m];

    v->d = f->model->adjust->d;
    v->p = info->p;
    TRY(view_design(f, m, v, unknown));
    TRY(mucmm__alloc(f->ctx, v->d * v->p, sizeof *info->slopes, &info->slopes));
    TRY(view_regression(f, m, info->slopes));
    v->slopes = info->slopes;
    info->adjust = f->model->adjust;
    TRY(mucmm__data_changed(f->ctx, f->data[m], take_out, v, &v->data));
    f->data[m] = v->data;
done:
    return status;
}

/* ---- all views --------------------------------------------------------------------- */

mucmm_status mucmm__fit_adjust(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    int64_t unknown = 0;

    if (!f->p->adjust || !f->p->adjust[0])
        return MUCMM_OK;
    TRY(mucmm__adjust_learn(f->ctx, f->p->adjust, f->p->adjust_nonlinear,
                            mucmm_data_covariates(f->data[0]), f->train, f->n_train,
                            &model->adjust));
    if (2 * model->adjust->d > f->n_train)
        return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                           "`adjust` takes %" PRId64 " columns, and there are %" PRId64
                           " training rows: at least two a column are needed",
                           model->adjust->d, f->n_train);
    model->params.adjust = model->adjust->text;
    for (int32_t m = 0; m < model->n_views; m++)
        TRY(adjust_view(f, m, &unknown));
    if (unknown > 0)
        mucmm__warn(f->ctx,
                    "%" PRId64 " rows that are held out have a level that no training row has; "
                    "nothing of it is taken out of them",
                    unknown / model->n_views);
done:
    return status;
}

/* Regressions add up: what these rows still say of the adjusted ones is taken out beside. */
mucmm_status mucmm__fit_adjust_again(mucmm_ctx *ctx, const mucmm__fit *f, int32_t m,
                                     const int64_t *rows, int64_t n, mucmm__adjusted *v)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__adjusted *all = &f->adjusted[m];
    /* rows as they were before all of it was taken out */
    const mucmm_data *from = f->data[m]->before ? f->data[m]->before
                             : f->centred[m]    ? f->centred[m]
                                                : f->given[m];
    double *slopes = NULL;

    *v = *all;
    v->slopes = NULL;
    v->data = NULL;
    TRY(mucmm__alloc(ctx, v->d * v->p, sizeof *slopes, &slopes));
    v->slopes = slopes;
    TRY(regress(ctx, f->data[m], v->p, v->d, v->z, rows, n, slopes));
    for (int64_t i = 0; i < v->d * v->p; i++)
        slopes[i] += all->slopes[i];
    TRY(mucmm__data_changed(ctx, from, take_out, v, &v->data));
done:
    return status;
}

/* z is the fit's. */
void mucmm__adjusted_again_drop(mucmm__adjusted *v)
{
    mucmm_data_free(v->data);
    mucmm__free((double *)v->slopes);
    *v = (mucmm__adjusted){0};
}

void mucmm__fit_adjust_drop(mucmm__fit *f)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__adjusted *v = &f->adjusted[m];
        mucmm_data_free(v->data);
        mucmm__free(v->z);
    }
}
