/* SPDX-License-Identifier: MIT
 *
 * Small samples (section 4 of the method): fewer training rows than MUCMM__SMALL_SAMPLE times the
 * columns of a view. The rows are kept in memory, in double, because folds of them are needed to
 * choose a ridge. A view of at least as many columns as training rows is replaced by its
 * coordinates in an orthonormal basis of the span of these rows. With a ridge the closed form's
 * weights lie in that span, so nothing is lost, and no matrix of columns x columns is ever made. */
#include "model/small_sample.h"

#include "model/fit_moments.h"

#include <float.h>
#include <inttypes.h>
#include <string.h>

void mucmm__small_sample_drop(mucmm__fit *f)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(f->basis[m]);
        f->basis[m] = NULL;
        mucmm__free(f->z[m].data);
        f->z[m] = (mucmm__block){0};
    }
}

/* ---- one view ---------------------------------------------------------------------- */

/* Raw rows of view m as h [n, p]. */
static mucmm_status read_rows(mucmm__fit *f, int32_t m, const int64_t *rows, int64_t n, double *h)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = f->model->view[m].p, chunk = n < MUCMM__CHUNK ? n : MUCMM__CHUNK;
    float *x = NULL;

    TRY(mucmm__alloc(f->ctx, chunk * p, sizeof *x, &x));
    for (int64_t i = 0; i < n; i += chunk) {
        int64_t b = n - i < chunk ? n - i : chunk;
        TRY(mucmm_data_read(f->ctx, f->data[m], rows + i, b, &(mucmm_mat){x, b, p, p}));
        mucmm__to_double(x, b * p, h + i * p);
        TRY(mucmm__progress(f->ctx, "moments", i + b, n, NULL));
    }
done:
    mucmm__free(x);
    return status;
}

/* The mean of every column, then its variance about it. */
static void column_moments(int64_t n, int64_t p, const double *h, double *mean, double *variance)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < p; j++)
            mean[j] += h[i * p + j] / (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < p; j++) {
            double d = h[i * p + j] - mean[j];
            variance[j] += d * d / (double)(n - 1);
        }
}

static void scale_rows(const mucmm__view_info *v, int64_t n, double *h)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < v->p; j++)
            h[i * v->p + j] = (h[i * v->p + j] - v->mean[j]) / v->scale[j];
}

/* Mean and scale of the view from its raw training rows h [n_train, p], which are scaled. */
static mucmm_status scale_view(mucmm__fit *f, int32_t m, double *h)
{
    mucmm_status status = MUCMM_OK;
    mucmm__view_info *v = &f->model->view[m];
    double *mean = NULL, *variance = NULL, *cov = NULL;

    TRY(mucmm__alloc(f->ctx, v->p, sizeof *mean, &mean));
    TRY(mucmm__alloc(f->ctx, v->p, sizeof *variance, &variance));
    column_moments(f->n_train, v->p, h, mean, variance);
    TRY(mucmm__set_scaling(f, m, mean, variance, 1));
    scale_rows(v, f->n_train, h);
    v->variance = 0;
    for (int64_t j = 0; j < v->p; j++)
        v->variance += variance[j] / (v->scale[j] * v->scale[j]);
    if (v->p > MUCMM__COVARIANCE_MAX)
        goto done;
    TRY(mucmm__alloc(f->ctx, v->p * v->p, sizeof *cov, &cov));
    TRY(mucmm__dgemm(f->ctx, true, false, v->p, v->p, f->n_train, 1 / (double)(f->n_train - 1), h,
                     v->p, h, v->p, 0, cov, v->p));
    TRY(mucmm__keep_covariance(f, m, cov, v->p));
done:
    mucmm__free(mean);
    mucmm__free(variance);
    mucmm__free(cov);
    return status;
}

/* basis[m] [dims, p], orthonormal rows, of the scaled training rows h [n_train, p], p >= n_train.
 */
static mucmm_status find_basis(mucmm__fit *f, int32_t m, const double *h, int64_t *dims)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t n = f->n_train;
    int64_t k = f->p->common == MUCMM_AUTO ? 1 : f->p->common, q = v->q;
    double *copy = NULL, *u = NULL, *s = NULL;

    if (f->p->ridge == 0)
        return mucmm__fail(f->ctx, MUCMM_ENUMERIC,
                           "view '%s' has %" PRId64 " columns and only %" PRId64
                           " training rows: its covariance is singular; give a `ridge` above 0, or "
                           "none, and one is chosen",
                           v->name, v->p, n);
    TRY(mucmm__alloc(f->ctx, n * v->p, sizeof *copy, &copy));
    TRY(mucmm__alloc(f->ctx, n * n, sizeof *u, &u));
    TRY(mucmm__alloc(f->ctx, n, sizeof *s, &s));
    TRY(mucmm__alloc(f->ctx, n * v->p, sizeof(double), &f->basis[m]));
    memcpy(copy, h, (size_t)(n * v->p) * sizeof *h);
    TRY(mucmm__svd(f->ctx, n, v->p, copy, u, s, f->basis[m]));
    /* centred rows span at least one direction less than there are */
    for (*dims = 0; *dims < n && s[*dims] > (double)v->p * DBL_EPSILON * s[0];)
        ++*dims;
    if (f->model->n_views > 2) /* such a view carries fewer */
        k = 1;
    if (k + q > *dims)
        TRY(mucmm__fail(f->ctx, MUCMM_ESHAPE,
                        "%" PRId64 " common and %" PRId64
                        " individual dimensions are asked for, but the "
                        "%" PRId64 " training rows of view '%s' differ in only %" PRId64
                        " directions; give a smaller `common` or `individual`",
                        k, q, n, v->name, *dims));
done:
    mucmm__free(copy);
    mucmm__free(u);
    mucmm__free(s);
    return status;
}

/* *h [n, p], scaled, becomes the coordinates z [n, dims]; it is used up. */
static mucmm_status take_coordinates(mucmm__fit *f, int32_t m, int64_t dims, int64_t n, double **h,
                                     mucmm__block *z)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = f->model->view[m].p;

    *z = (mucmm__block){NULL, n, dims};
    if (f->basis[m]) {
        TRY(mucmm__alloc(f->ctx, n * dims, sizeof(double), &z->data));
        TRY(mucmm__dgemm(f->ctx, false, true, n, dims, p, 1, *h, p, f->basis[m], p, 0, z->data,
                         dims));
    } else {
        z->data = *h;
        *h = NULL;
    }
done:
    return status;
}

static mucmm_status take_view(mucmm__fit *f, int32_t m)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t dims = v->p;
    double *h = NULL;

    TRY(mucmm__alloc(f->ctx, f->n_train * v->p, sizeof *h, &h));
    TRY(read_rows(f, m, f->train, f->n_train, h));
    TRY(scale_view(f, m, h));
    if (v->p >= f->n_train)
        TRY(find_basis(f, m, h, &dims));
    TRY(take_coordinates(f, m, dims, f->n_train, &h, &f->z[m]));
    f->offset[m + 1] = f->offset[m] + dims;
done:
    mucmm__free(h);
    return status;
}

/* ---- all views --------------------------------------------------------------------- */

mucmm_status mucmm__coordinate_moments(mucmm__fit *f, const int64_t *rows, int64_t n, double *mean,
                                       double *cov)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = f->offset[f->model->n_views];
    mucmm__moments *moments = NULL;
    double *x = NULL;

    TRY(mucmm__moments_create(f->ctx, total, 0, &moments));
    TRY(mucmm__alloc(f->ctx, n * total, sizeof *x, &x));
    for (int64_t i = 0; i < n; i++)
        for (int32_t m = 0; m < f->model->n_views; m++) {
            const mucmm__block *z = &f->z[m];
            memcpy(x + i * total + f->offset[m], z->data + (rows ? rows[i] : i) * z->cols,
                   (size_t)z->cols * sizeof *x);
        }
    TRY(mucmm__moments_push_double(f->ctx, moments, n, x, NULL));
    TRY(mucmm__moments_get(f->ctx, moments, mean, NULL, cov, NULL, NULL));
done:
    mucmm__moments_free(moments);
    mucmm__free(x);
    return status;
}

mucmm_status mucmm__small_sample(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    int64_t total;

    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(take_view(f, m));
    total = f->offset[f->model->n_views];
    TRY(mucmm__alloc(f->ctx, total * total, sizeof(double), &f->cov[MUCMM__TRAINING]));
    TRY(mucmm__coordinate_moments(f, NULL, f->n_train, NULL, f->cov[MUCMM__TRAINING]));
done:
    return status;
}

mucmm_status mucmm__from_coordinates(mucmm__fit *f, int32_t m, int64_t k, const double *a,
                                     double *weights)
{
    int64_t p = f->model->view[m].p, dims = f->offset[m + 1] - f->offset[m];

    if (f->basis[m])
        return mucmm__dgemm(f->ctx, true, false, p, k, dims, 1, f->basis[m], p, a, k, 0, weights,
                            k);
    memcpy(weights, a, (size_t)(p * k) * sizeof *a);
    return MUCMM_OK;
}
