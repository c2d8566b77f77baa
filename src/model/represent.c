/* SPDX-License-Identifier: MIT
 *
 * Rows in and variates out: the views that are given matched with those of the model, their rows
 * scaled, and through the networks.
 * */
#include "model/represent.h"
#include "core/vmath.h"
#include "encode/encoded.h"
#include "io/data.h"
#include "model/adjust.h"
#include "model/impute.h"
#include "model/robust.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- views ------------------------------------------------------------------------- */

int32_t mucmm_model_view_index(const mucmm_model *m, const char *name)
{
    for (int32_t i = 0; i < m->n_views; i++)
        if (strcmp(m->view[i].name, name) == 0)
            return i;
    return -1;
}

void mucmm__list_views(const mucmm_model *m, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (int32_t i = 0; i < m->n_views && used < size; i++) {
        size_t n = strlen(m->view[i].name) + (i ? 2 : 0);
        if (used + n >= size)
            return;
        strcat(out, i ? ", " : "");
        strcat(out, m->view[i].name);
        used += n;
    }
}

static mucmm__wanted wanted_of(const mucmm_model *m, int32_t view)
{
    const mucmm__view_info *v = &m->view[view];
    return (mucmm__wanted){v->name, (const char *const *)v->columns, v->p};
}

mucmm_status mucmm__match_source(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                 const mucmm_data *data)
{
    mucmm_status status = mucmm__encoded_match(ctx, data, m->view[view].description);

    return status == MUCMM_OK ? status
                              : mucmm__prefix(ctx, status, "view '%s'", m->view[view].name);
}

mucmm_status mucmm__model_select(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                 const mucmm_data *data, const mucmm_data **out)
{
    mucmm__wanted w = wanted_of(m, view);
    mucmm_status status = mucmm__data_select(ctx, data, &w, out);

    for (int32_t other = 0; other < m->n_views && status == MUCMM_ESHAPE; other++) {
        mucmm__wanted o = wanted_of(m, other);
        if (other != view && mucmm__data_has_names(data, &o))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "%s: view '%s': its columns are those of view '%s'; are the files "
                               "exchanged?",
                               mucmm_data_label(data), w.view, o.view);
    }
    return status;
}

static mucmm_status match_one(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *v,
                              const mucmm_data **data)
{
    mucmm_status status;
    char names[256];
    int32_t i;

    if (!v->name || !v->data)
        return mucmm__fail(ctx, MUCMM_EARG, "a view has no name or no data");
    i = mucmm_model_view_index(m, v->name);
    if (i < 0) {
        mucmm__list_views(m, names, sizeof names);
        return mucmm__fail(ctx, MUCMM_EARG, "the model has no view '%s'; its views are: %s",
                           v->name, names);
    }
    if (data[i])
        return mucmm__fail(ctx, MUCMM_EARG, "view '%s' is given twice", v->name);
    status = mucmm__match_source(ctx, m, i, v->data);
    if (status != MUCMM_OK)
        return status;
    return mucmm__model_select(ctx, m, i, v->data, &data[i]);
}

mucmm_status mucmm__match_given(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                int32_t n_views, const mucmm_data **data)
{
    mucmm_status status = MUCMM_OK;
    int32_t first = -1;

    for (int32_t i = 0; i < m->n_views; i++)
        data[i] = NULL;
    for (int32_t i = 0; i < n_views; i++)
        TRY(match_one(ctx, m, &views[i], data));
    for (int32_t i = 0; i < m->n_views; i++) {
        if (data[i] && first < 0)
            first = i;
        if (data[i] && mucmm_data_rows(data[i]) != mucmm_data_rows(data[first]))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "view '%s' (%s) has %lld rows and view '%s' (%s) has %lld; they "
                               "must be paired row by row",
                               m->view[first].name, mucmm_data_label(data[first]),
                               (long long)mucmm_data_rows(data[first]), m->view[i].name,
                               mucmm_data_label(data[i]), (long long)mucmm_data_rows(data[i]));
    }
    if (first < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "no view is given");
done:
    return status;
}

mucmm_status mucmm__match_views(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                int32_t n_views, const mucmm_data **data)
{
    mucmm_status status = mucmm__match_given(ctx, m, views, n_views, data);

    for (int32_t i = 0; i < m->n_views && status == MUCMM_OK; i++)
        if (!data[i])
            status = mucmm__fail(ctx, MUCMM_EARG, "view '%s' of the model is not given",
                                 m->view[i].name);
    return status;
}

uint32_t mucmm__row_views(int32_t n_views, const mucmm_data *const *data, int64_t row)
{
    uint32_t views = 0;

    for (int32_t m = 0; m < n_views; m++)
        views |= (uint32_t)mucmm_data_has(data[m], row) << m;
    return views;
}

static int compare_rows(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void mucmm__sort_rows(int64_t *rows, int64_t n)
{
    qsort(rows, (size_t)n, sizeof *rows, compare_rows);
}

/* ---- features ---------------------------------------------------------------------- */

typedef struct scale_args {
    const mucmm__view_info *v;
    float *h;
    const double *z; /* [n, d], or NULL */
    bool fill, map;
} scale_args;

SIMD_CLONES static void scale_row(int64_t p, const double *mean, const double *scale, float *row)
{
#pragma omp simd
    for (int64_t j = 0; j < p; j++)
        row[j] = (float)(((double)row[j] - mean[j]) / scale[j]);
}

static void scale_rows(void *arg, int64_t first, int64_t last)
{
    const scale_args *a = arg;
    const double *mean = a->v->mean, *scale = a->v->scale;
    int64_t p = a->v->p;

    for (int64_t i = first; i < last; i++) {
        float *row = a->h + i * p;
        if (a->fill)
            mucmm__impute_row(a->v->imputer, row);
        if (a->map)
            mucmm__robust_row(a->v->robust, row);
        if (a->z)
            mucmm__adjust_row(a->v->adjust->d, p, a->z + i * a->v->adjust->d, a->v->slopes, row);
        scale_row(p, mean, scale, row);
    }
}

mucmm_status mucmm__features(mucmm_ctx *ctx, const mucmm__view_info *v, const mucmm_data *data,
                             const int64_t *rows, int64_t n, float *h)
{
    mucmm_mat out = {h, n, v->p, v->p};
    /* the rows of a fit take off what is theirs when they are read */
    mucmm_status status =
        mucmm__data_read_less(ctx, data, data->origin ? data->origin : v->origin, rows, n, &out);

    return status == MUCMM_OK ? mucmm__scale_features(ctx, v, data, rows, n, h) : status;
}

/* A model that was fitted to rows without empty cells knows nothing to fill them with. */
static mucmm_status check_filled(mucmm_ctx *ctx, const mucmm__view_info *v, const mucmm_data *data,
                                 const int64_t *rows, int64_t n)
{
    int64_t first = -1, some = 0;

    if (v->imputer || data->change || !mucmm__data_base(data)->empty)
        return MUCMM_OK;
    for (int64_t i = 0; i < n; i++)
        if (mucmm_data_empty(data, rows ? rows[i] : i) > 0) {
            first = first < 0 ? (rows ? rows[i] : i) : first;
            some++;
        }
    if (some == 0)
        return MUCMM_OK;
    return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                       "%s: row %lld of view '%s' has empty cells, and the model has not learnt "
                       "what to fill them with; drop such rows (`missing` drop), or fit the model "
                       "with `missing` allow",
                       mucmm_data_label(data), (long long)first, v->name);
}

mucmm_status mucmm__scale_features(mucmm_ctx *ctx, const mucmm__view_info *v,
                                   const mucmm_data *data, const int64_t *rows, int64_t n, float *h)
{
    mucmm_status status = MUCMM_OK;
    /* the rows of a fit are filled, mapped and adjusted when they are read */
    scale_args args = {v, h, NULL, v->imputer && !data->change, v->robust && !data->change};
    double *z = NULL;

    TRY(check_filled(ctx, v, data, rows, n));
    if (v->adjust && !data->change) {
        TRY(mucmm__alloc(ctx, n * v->adjust->d, sizeof *z, &z));
        TRY(mucmm__adjust_design(ctx, v->adjust, data->covariates, rows, n, NULL, z));
        args.z = z;
    }
    mucmm__parallel_range(ctx, n, 64, scale_rows, &args);
done:
    mucmm__free(z);
    return status;
}

/* What empty cells are filled with follows the cells that are there. */
static mucmm_status empty_vjp(mucmm_ctx *ctx, const mucmm__view_info *v, const mucmm_data *data,
                              const int64_t *rows, int64_t n, float *dx)
{
    mucmm_status status = MUCMM_OK;
    float *x = NULL;

    if (!v->imputer || data->change || !mucmm__data_base(data)->empty)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, v->p, sizeof *x, &x));
    for (int64_t i = 0; i < n; i++) {
        int64_t row = rows ? rows[i] : i;
        if (mucmm_data_empty(data, row) == 0)
            continue;
        TRY(mucmm_data_read(ctx, data, &row, 1, &(mucmm_mat){x, 1, v->p, v->p}));
        mucmm__impute_vjp(v->imputer, x, dx + i * v->p);
    }
done:
    mucmm__free(x);
    return status;
}

mucmm_status mucmm__features_vjp(mucmm_ctx *ctx, const mucmm__view_info *v, const mucmm_data *data,
                                 const int64_t *rows, int64_t n, const float *h, const float *dh,
                                 float *dx)
{
    mucmm_status status = MUCMM_OK;
    double *z = NULL, *taken = NULL;

    for (int64_t i = 0; i < n * v->p; i++)
        dx[i] = (float)((double)dh[i] / v->scale[i % v->p]);
    if (!v->robust)
        return empty_vjp(ctx, v, data, rows, n, dx);
    TRY(mucmm__alloc(ctx, v->p, sizeof *taken, &taken));
    if (v->adjust) {
        TRY(mucmm__alloc(ctx, n * v->adjust->d, sizeof *z, &z));
        TRY(mucmm__adjust_design(ctx, v->adjust, data->covariates, rows, n, NULL, z));
    }
    for (int64_t i = 0; i < n; i++) {
        memset(taken, 0, (size_t)v->p * sizeof *taken);
        for (int64_t d = 0; z && d < v->adjust->d; d++)
            for (int64_t j = 0; j < v->p; j++)
                taken[j] += z[i * v->adjust->d + d] * v->slopes[d * v->p + j];
        for (int64_t j = 0; j < v->p; j++) {
            double y = (double)h[i * v->p + j] * v->scale[j] + v->mean[j] + taken[j];
            dx[i * v->p + j] =
                (float)((double)dx[i * v->p + j] * mucmm__robust_slope(v->robust, j, y));
        }
    }
    TRY(empty_vjp(ctx, v, data, rows, n, dx));
done:
    mucmm__free(z);
    mucmm__free(taken);
    return status;
}

/* ---- variates ---------------------------------------------------------------------- */

const mucmm__solution *mucmm__model_solution(const mucmm_model *m,
                                             mucmm_representation representation)
{
    return representation == MUCMM_HEADS && m->heads.rho ? &m->heads : &m->linear;
}

/* Features are finite; what is not then are products with weights out of a file, or of a row that
 * has nothing to do with those that were fitted. x [n, cols], of the rows rows[0..n). */
static mucmm_status check_finite(mucmm_ctx *ctx, const char *view, const int64_t *rows, int64_t n,
                                 int64_t cols, const float *x)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < cols; j++)
            if (!isfinite(x[i * cols + j]))
                return mucmm__fail(ctx, MUCMM_ENUMERIC,
                                   "view '%s', row %lld: variate %lld is not finite; the model's "
                                   "weights or the row's values are too large for floats",
                                   view, (long long)rows[i], (long long)j);
    return MUCMM_OK;
}

mucmm_status mucmm__represent(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                              int32_t view, const mucmm_data *data, const int64_t *rows, int64_t n,
                              float *c, float *u)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &m->view[view];
    int64_t chunk[MUCMM__CHUNK], k = mucmm__common_width(&r->view[view]);
    float *h = NULL;

    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * v->p, sizeof *h, &h));
    for (int64_t i = 0; i < n; i += MUCMM__CHUNK) {
        int64_t b = n - i < MUCMM__CHUNK ? n - i : MUCMM__CHUNK;
        for (int64_t j = 0; j < b; j++)
            chunk[j] = rows ? rows[i + j] : i + j;
        TRY(mucmm__features(ctx, v, data, chunk, b, h));
        TRY(mucmm__heads_forward(ctx, &r->view[view], b, h, c + i * k, u ? u + i * v->q : NULL));
        TRY(check_finite(ctx, v->name, chunk, b, k, c + i * k));
        if (u)
            TRY(check_finite(ctx, v->name, chunk, b, v->q, u + i * v->q));
    }
done:
    mucmm__free(h);
    return status;
}

/* Rows [n, cols] that lie in front move to where rows[i] says, from behind; NaN elsewhere. */
static void spread_rows(float *x, int64_t n, int64_t cols, const int64_t *rows, int64_t present)
{
    for (int64_t i = n - 1; i >= 0; i--)
        if (present > 0 && rows[present - 1] == i)
            memmove(x + i * cols, x + --present * cols, (size_t)cols * sizeof *x);
        else
            for (int64_t j = 0; j < cols; j++)
                x[i * cols + j] = NAN;
}

mucmm_status mucmm__represent_all(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                                  int32_t view, const mucmm_data *data, float *c, float *u)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = mucmm_data_rows(data), present = 0, *rows = NULL;

    if (mucmm_data_missing(data) == 0)
        return mucmm__represent(ctx, m, r, view, data, NULL, n, c, u);
    TRY(mucmm__alloc(ctx, n, sizeof *rows, &rows));
    for (int64_t i = 0; i < n; i++)
        if (mucmm_data_has(data, i))
            rows[present++] = i;
    TRY(mucmm__represent(ctx, m, r, view, data, rows, present, c, u));
    spread_rows(c, n, m->k, rows, present);
    if (u)
        spread_rows(u, n, m->view[view].q, rows, present);
done:
    mucmm__free(rows);
    return status;
}

static void copy_out(const mucmm_mat *out, const float *from)
{
    for (int64_t i = 0; i < out->rows; i++)
        memcpy(out->data + i * out->stride, from + i * out->cols, (size_t)out->cols * sizeof *from);
}

static mucmm_status check_out(mucmm_ctx *ctx, const char *what, const mucmm_mat *m, int64_t rows,
                              int64_t cols)
{
    if (m && (m->rows != rows || m->cols != cols || m->stride < cols))
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%s is [%lld, %lld]; it must be [%lld, %lld]", what,
                           (long long)m->rows, (long long)m->cols, (long long)rows,
                           (long long)cols);
    return MUCMM_OK;
}

mucmm_status mucmm_transform(mucmm_ctx *ctx, const mucmm_model *m,
                             mucmm_representation representation, int32_t view,
                             const mucmm_data *data, const mucmm_mat *common,
                             const mucmm_mat *individual)
{
    mucmm_status status = MUCMM_OK;
    float *c = NULL, *u = NULL;
    int64_t n, q;

    if (view < 0 || view >= m->n_views)
        return mucmm__fail(ctx, MUCMM_EARG, "view %d is out of range: the model has %d", view,
                           m->n_views);
    n = mucmm_data_rows(data);
    q = m->view[view].q;
    TRY(mucmm__model_select(ctx, m, view, data, &data));
    TRY(check_out(ctx, "common", common, n, m->k));
    TRY(check_out(ctx, "individual", individual, n, q));
    TRY(mucmm__alloc(ctx, n * m->k, sizeof *c, &c));
    if (individual)
        TRY(mucmm__alloc(ctx, n * q, sizeof *u, &u));
    TRY(mucmm__represent_all(ctx, m, mucmm__model_solution(m, representation), view, data, c, u));
    if (common)
        copy_out(common, c);
    if (individual)
        copy_out(individual, u);
done:
    mucmm__free(c);
    mucmm__free(u);
    return status;
}
