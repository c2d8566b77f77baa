/* SPDX-License-Identifier: MIT
 *
 * The model as an object: its views, its networks, rows in and variates out. */
#include "model/model.h"

#include "encode/encoded.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* ---- views ------------------------------------------------------------------------- */

int32_t mucmm_model_views(const mucmm_model *m)
{
    return m->n_views;
}

const char *mucmm_model_view_name(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].name : NULL;
}

int32_t mucmm_model_view_index(const mucmm_model *m, const char *name)
{
    for (int32_t i = 0; i < m->n_views; i++)
        if (strcmp(m->view[i].name, name) == 0)
            return i;
    return -1;
}

int64_t mucmm_model_view_cols(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].p : 0;
}

int32_t mucmm_model_view_shape(const mucmm_model *m, int32_t view, int64_t shape[MUCMM_MAX_RANK])
{
    if (view < 0 || view >= m->n_views)
        return 0;
    memcpy(shape, m->view[view].shape, sizeof m->view[view].shape);
    return m->view[view].rank;
}

int64_t mucmm_model_common(const mucmm_model *m)
{
    return m->k;
}

int32_t mucmm_model_has_covariance(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views && m->view[view].covariance != NULL;
}

int64_t mucmm_model_individual(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].q : 0;
}

int64_t mucmm_model_training_rows(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].rows : 0;
}

const char *mucmm_model_json(const mucmm_model *m)
{
    return m->json;
}

const mucmm__solution *mucmm__model_solution(const mucmm_model *m,
                                             mucmm_representation representation)
{
    return representation == MUCMM_HEADS && m->heads.rho ? &m->heads : &m->linear;
}

const mucmm_summary *mucmm_model_summary(const mucmm_model *m, mucmm_rows rows,
                                         mucmm_representation representation)
{
    return mucmm__model_solution(m, representation)->summary[rows];
}

const mucmm_stability *mucmm_model_stability(const mucmm_model *m,
                                             mucmm_representation representation)
{
    return mucmm__model_solution(m, representation)->stability;
}

/* The names of the model's views, for messages. */
static void list_views(const mucmm_model *m, char *out, size_t size)
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
        list_views(m, names, sizeof names);
        return mucmm__fail(ctx, MUCMM_EARG, "the model has no view '%s'; its views are: %s",
                           v->name, names);
    }
    if (data[i])
        return mucmm__fail(ctx, MUCMM_EARG, "view '%s' is given twice", v->name);
    status = mucmm__encoded_match(ctx, v->data, m->view[i].description);
    if (status != MUCMM_OK)
        return mucmm__prefix(ctx, status, "view '%s'", v->name);
    if (mucmm_data_cols(v->data) != m->view[i].p)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: view '%s' has %lld columns; the model was fitted on %lld",
                           mucmm_data_label(v->data), v->name, (long long)mucmm_data_cols(v->data),
                           (long long)m->view[i].p);
    data[i] = v->data;
    return MUCMM_OK;
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

/* ---- features ---------------------------------------------------------------------- */

typedef struct scale_args {
    const mucmm__view_info *v;
    float *h;
} scale_args;

static void scale_rows(void *arg, int64_t first, int64_t last)
{
    const scale_args *a = arg;
    const double *mean = a->v->mean, *scale = a->v->scale;
    int64_t p = a->v->p;

    for (int64_t i = first; i < last; i++) {
        float *row = a->h + i * p;
        for (int64_t j = 0; j < p; j++)
            row[j] = (float)(((double)row[j] - mean[j]) / scale[j]);
    }
}

mucmm_status mucmm__features(mucmm_ctx *ctx, const mucmm__view_info *v, const mucmm_data *data,
                             const int64_t *rows, int64_t n, float *h)
{
    mucmm_mat out = {h, n, v->p, v->p};
    scale_args args = {v, h};
    mucmm_status status = mucmm_data_read(ctx, data, rows, n, &out);

    if (status == MUCMM_OK)
        mucmm__parallel_range(ctx, n, 64, scale_rows, &args);
    return status;
}

/* ---- networks ---------------------------------------------------------------------- */

mucmm_status mucmm__head_alloc(mucmm_ctx *ctx, const mucmm__mlp *net, mucmm__head *head)
{
    mucmm_status status = MUCMM_OK;

    *head = (mucmm__head){.net = *net};
    TRY(mucmm__alloc(ctx, net->n_params, sizeof *head->params, &head->params));
    TRY(mucmm__alloc(ctx, net->out, sizeof *head->offset, &head->offset));
done:
    if (status != MUCMM_OK)
        mucmm__head_drop(head);
    return status;
}

mucmm_status mucmm__head_copy(mucmm_ctx *ctx, const mucmm__head *from, mucmm__head *to)
{
    mucmm_status status = mucmm__head_alloc(ctx, &from->net, to);

    if (status == MUCMM_OK) {
        memcpy(to->params, from->params, (size_t)from->net.n_params * sizeof *to->params);
        memcpy(to->offset, from->offset, (size_t)from->net.out * sizeof *to->offset);
    }
    return status;
}

mucmm_status mucmm__head_empty(mucmm_ctx *ctx, int64_t in, mucmm__head *head)
{
    return mucmm__head_alloc(ctx, &(mucmm__mlp){.in = in, .skip = -1}, head);
}

void mucmm__head_drop(mucmm__head *head)
{
    mucmm__free(head->params);
    mucmm__free(head->offset);
    *head = (mucmm__head){0};
}

void mucmm__deflated_drop(mucmm__deflated *d)
{
    mucmm__head_drop(&d->head);
    mucmm__psi_drop(&d->psi);
    mucmm__free(d->weights);
    *d = (mucmm__deflated){0};
}

void mucmm__common_drop(mucmm__solution *r)
{
    for (int i = 0; i < MUCMM_MAX_VIEWS; i++) {
        for (int32_t t = 0; t < r->view[i].n_later; t++)
            mucmm__deflated_drop(&r->view[i].later[t]);
        r->view[i].n_later = 0;
        mucmm__head_drop(&r->view[i].common);
    }
}

void mucmm__solution_drop(mucmm__solution *r)
{
    mucmm__common_drop(r);
    for (int i = 0; i < MUCMM_MAX_VIEWS; i++) {
        mucmm__head_drop(&r->view[i].individual);
        mucmm__free(r->view[i].mix);
    }
    mucmm__free(r->rho);
    mucmm__free(r->harmonic);
    mucmm__joint_drop(&r->joint);
    mucmm__summary_free(r->summary[0]);
    mucmm__summary_free(r->summary[1]);
    mucmm__stability_free(r->stability);
    *r = (mucmm__solution){0};
}

mucmm_model *mucmm__model_keep(const mucmm_model *m)
{
    mucmm_model *kept = (mucmm_model *)(uintptr_t)m;

    atomic_fetch_add(&kept->keepers, 1);
    return kept;
}

void mucmm_model_free(mucmm_model *m)
{
    if (!m || atomic_fetch_sub(&m->keepers, 1) > 0)
        return;
    for (int32_t i = 0; i < MUCMM_MAX_VIEWS; i++) {
        mucmm__free(m->view[i].name);
        mucmm__free(m->view[i].mean);
        mucmm__free(m->view[i].scale);
        mucmm__free(m->view[i].covariance);
        mucmm__free(m->view[i].description);
    }
    mucmm__solution_drop(&m->linear);
    mucmm__solution_drop(&m->heads);
    mucmm__dimensions_drop(&m->dimensions);
    mucmm__free(m->history);
    mucmm__free(m->json);
    mucmm__free(m);
}

mucmm_status mucmm__head_forward(mucmm_ctx *ctx, const mucmm__head *head, int64_t n, const float *h,
                                 float *y)
{
    int64_t out = head->net.out;
    mucmm_status status = mucmm__mlp_forward(ctx, &head->net, head->params, NULL, n, h, y);

    if (status != MUCMM_OK)
        return status;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < out; j++)
            y[i * out + j] += head->offset[j];
    return MUCMM_OK;
}

/* ---- the stages of the common variates: forward, and its vector-Jacobian product ---- */

int64_t mucmm__common_width(const mucmm__view_heads *v)
{
    int64_t k = v->common.net.out;

    for (int32_t t = 0; t < v->n_later; t++)
        k += v->later[t].head.net.out;
    return k;
}

/* Columns first .. first + cols of to [n, k] = from [n, cols]. */
static void put_columns(int64_t n, int64_t k, int64_t first, int64_t cols, const float *from,
                        float *to)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * k + first, from + i * cols, (size_t)cols * sizeof *to);
}

static void get_columns(int64_t n, int64_t k, int64_t first, int64_t cols, const float *from,
                        float *to)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * cols, from + i * k + first, (size_t)cols * sizeof *to);
}

static mucmm_status common_forward(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n,
                                   const float *h, float *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), before = v->common.net.out;
    float *y = NULL;

    if (v->n_later == 0)
        return mucmm__head_forward(ctx, &v->common, n, h, c);
    TRY(mucmm__alloc(ctx, n * k, sizeof *y, &y));
    TRY(mucmm__head_forward(ctx, &v->common, n, h, y));
    put_columns(n, k, 0, before, y, c);
    for (int32_t t = 0; t < v->n_later; t++) {
        const mucmm__deflated *d = &v->later[t];
        int64_t cols = d->head.net.out;
        TRY(mucmm__head_forward(ctx, &d->head, n, h, y));
        TRY(mucmm__psi_subtract(ctx, &d->psi, d->weights, n, c, k, cols, y));
        put_columns(n, k, before, cols, y, c);
        before += cols;
    }
done:
    mucmm__free(y);
    return status;
}

/* dc [n, k] -= J' (dy weights') in the columns of c before a stage, J the Jacobian of psi. */
static mucmm_status psi_pull(mucmm_ctx *ctx, const mucmm__deflated *d, int64_t n, int64_t k,
                             const float *c, const float *dy, float *dc)
{
    mucmm_status status = MUCMM_OK;
    int64_t in = d->psi.in, cols = d->head.net.out, width = mucmm__psi_width(&d->psi);
    mucmm__block x = {NULL, n, in};
    double *g = NULL, *dpsi = NULL, *dx = NULL;

    TRY(mucmm__alloc(ctx, n * in, sizeof(double), &x.data));
    TRY(mucmm__alloc(ctx, n * in, sizeof *dx, &dx));
    TRY(mucmm__alloc(ctx, n * cols, sizeof *g, &g));
    TRY(mucmm__alloc(ctx, n * width, sizeof *dpsi, &dpsi));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < in; j++)
            x.data[i * in + j] = c[i * k + j];
    for (int64_t i = 0; i < n * cols; i++)
        g[i] = dy[i];
    TRY(mucmm__dgemm(ctx, false, true, n, width, cols, 1, g, cols, d->weights, cols, 0, dpsi,
                     width));
    TRY(mucmm__psi_vjp(ctx, &d->psi, &x, dpsi, dx));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < in; j++)
            dc[i * k + j] -= (float)dx[i * in + j];
done:
    mucmm__free(x.data);
    mucmm__free(dx);
    mucmm__free(g);
    mucmm__free(dpsi);
    return status;
}

/* dh [n, p] += what dc [n, k] leaves there; dc is used up. */
static mucmm_status common_vjp(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n,
                               const float *h, float *dc, float *dh)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), p = v->common.net.in, at = k;
    float *c = NULL, *dy = NULL, *part = NULL;

    TRY(mucmm__alloc(ctx, n * k, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, n * k, sizeof *dy, &dy));
    TRY(mucmm__alloc(ctx, n * p, sizeof *part, &part));
    if (v->n_later > 0)
        TRY(common_forward(ctx, v, n, h, c));
    for (int32_t t = v->n_later; t >= 0; t--) {
        const mucmm__head *head = t > 0 ? &v->later[t - 1].head : &v->common;
        at -= head->net.out;
        get_columns(n, k, at, head->net.out, dc, dy);
        TRY(mucmm__mlp_vjp(ctx, &head->net, head->params, n, h, dy, part));
        for (int64_t i = 0; i < n * p; i++)
            dh[i] += part[i];
        if (t > 0)
            TRY(psi_pull(ctx, &v->later[t - 1], n, k, c, dy, dc));
    }
done:
    mucmm__free(c);
    mucmm__free(dy);
    mucmm__free(part);
    return status;
}

mucmm_status mucmm__heads_forward(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n,
                                  const float *h, float *c, float *u)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), q = v->individual.net.out;

    TRY(common_forward(ctx, v, n, h, c));
    if (u && q > 0) {
        TRY(mucmm__head_forward(ctx, &v->individual, n, h, u));
        if (v->mix)
            TRY(mucmm__gemm(ctx, false, true, n, q, k, 1, c, k, v->mix, k, 1, u, q));
    }
done:
    return status;
}

mucmm_status mucmm__heads_vjp(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n, const float *h,
                              const float *dc, const float *du, float *dh)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), q = v->individual.net.out, p = v->common.net.in;
    bool through_mix = du && v->mix && q > 0;
    float *total = NULL, *part = NULL;

    memset(dh, 0, (size_t)(n * p) * sizeof *dh);
    if (dc || through_mix) {
        TRY(mucmm__alloc(ctx, n * k, sizeof *total, &total));
        if (dc)
            memcpy(total, dc, (size_t)(n * k) * sizeof *total);
        if (through_mix)
            TRY(mucmm__gemm(ctx, false, false, n, k, q, 1, du, q, v->mix, k, 1, total, k));
        TRY(common_vjp(ctx, v, n, h, total, dh));
    }
    if (du && q > 0) {
        TRY(mucmm__alloc(ctx, n * p, sizeof *part, &part));
        TRY(mucmm__mlp_vjp(ctx, &v->individual.net, v->individual.params, n, h, du, part));
        for (int64_t i = 0; i < n * p; i++)
            dh[i] += part[i];
    }
done:
    mucmm__free(total);
    mucmm__free(part);
    return status;
}

/* out [new_out, in] = A' w, w [old_out, in]: a weight matrix behind the affine map. */
static void map_rows(int64_t new_out, int64_t old_out, int64_t in, const double *a, const float *w,
                     float *out)
{
    for (int64_t i = 0; i < new_out; i++)
        for (int64_t j = 0; j < in; j++) {
            double sum = 0;
            for (int64_t l = 0; l < old_out; l++)
                sum += a[l * new_out + i] * (double)w[l * in + j];
            out[i * in + j] = (float)sum;
        }
}

mucmm_status mucmm__head_affine(mucmm_ctx *ctx, mucmm__head *head, const double *mean,
                                const double *a, int64_t new_out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__mlp *old = &head->net;
    int64_t hidden[MUCMM_MAX_HIDDEN], out = old->out;
    int32_t last = old->n_layers - 1;
    mucmm__head fresh = {0};
    mucmm__mlp net;

    for (int32_t i = 0; i < last; i++)
        hidden[i] = old->layers[i].out;
    TRY(mucmm__mlp_layout(ctx, old->in, hidden, last < 0 ? 0 : last, new_out, last >= 0,
                          old->skip >= 0, &net));
    TRY(mucmm__head_alloc(ctx, &net, &fresh));
    if (last >= 0) {
        const mucmm__mlp_layer *from = &old->layers[last], *to = &net.layers[last];
        /* hidden layers lie first and do not change */
        memcpy(fresh.params, head->params, (size_t)from->weight * sizeof *fresh.params);
        map_rows(new_out, out, from->in, a, head->params + from->weight, fresh.params + to->weight);
        map_rows(new_out, out, 1, a, head->params + from->bias, fresh.params + to->bias);
    }
    if (old->skip >= 0)
        map_rows(new_out, out, old->in, a, head->params + old->skip, fresh.params + net.skip);
    for (int64_t i = 0; i < new_out; i++) {
        double sum = 0;
        for (int64_t l = 0; l < out; l++)
            sum += a[l * new_out + i] * ((double)head->offset[l] - mean[l]);
        fresh.offset[i] = (float)sum;
    }
    mucmm__head_drop(head);
    *head = fresh;
    fresh = (mucmm__head){0};
done:
    mucmm__head_drop(&fresh);
    return status;
}

/* ---- transform --------------------------------------------------------------------- */

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
    if (mucmm_data_cols(data) != m->view[view].p)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: view '%s' has %lld columns; the model was fitted on %lld",
                           mucmm_data_label(data), m->view[view].name,
                           (long long)mucmm_data_cols(data), (long long)m->view[view].p);
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
