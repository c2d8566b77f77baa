/* SPDX-License-Identifier: MIT
 *
 * Gradients of the scores with respect to the raw input, and the maps made of
 * them: sections 6 and 7 of the method. */
#include "encode/encoded.h"
#include "explain/baseline.h"
#include "explain/path.h"
#include "explain/raw.h"
#include "explain/samples.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void mucmm_explain_params_init_sized(mucmm_explain_params *p, size_t size)
{
    const mucmm_explain_params defaults = {
        .map = MUCMM_MAP_PATTERN, .samples = 25, .noise = 0.15, .seed = 1, .steps = 32};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

#define MOST_SAMPLES 100000
#define MOST_STEPS 4096

/* ---- the score and its gradient at the variates ------------------------------------ */

/* For one sample with variates z [d] (c or u): the score, and ds/dz if dz is given. */
static double score_of(const mucmm__samples *s, int64_t i, const float *z, int64_t d, float *dz)
{
    double sum = 0;

    if (dz)
        memset(dz, 0, (size_t)d * sizeof *dz);
    switch (s->p->score) {
    case MUCMM_SCORE_COMMON:
        for (int64_t j = 0; j < d; j++) {
            float weight = s->others[i * d + j];
            sum += (double)weight * (double)z[j];
            if (dz)
                dz[j] = weight;
        }
        return sum;
    case MUCMM_SCORE_COMMON_ENERGY:
    case MUCMM_SCORE_INDIVIDUAL:
        for (int64_t j = 0; j < d; j++)
            sum += (double)z[j] * (double)z[j] / 2;
        if (dz)
            memcpy(dz, z, (size_t)d * sizeof *dz);
        return sum;
    case MUCMM_SCORE_COMMON_COMPONENT:
    case MUCMM_SCORE_INDIVIDUAL_COMPONENT:
        if (dz)
            dz[s->p->component] = 1;
        return (double)z[s->p->component];
    }
    return NAN;
}

/* What the other views contribute to the common score's gradient: with M views,
 * ds_C/dc_m = 2/(M(M-1)) rho * sum_{l != m} c_l. */
static mucmm_status gather_others(mucmm_ctx *ctx, mucmm__samples *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = s->m->k;
    float *c = NULL;
    double factor = 2.0 / (s->m->n_views * (s->m->n_views - 1));

    TRY(mucmm__alloc(ctx, s->n * k, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, s->n * k, sizeof *s->others, &s->others));
    for (int32_t l = 0; l < s->m->n_views; l++) {
        if (l == s->view)
            continue;
        TRY(mucmm__represent(ctx, s->m, s->rep, l, s->data[l], s->rows, s->n, c, NULL));
        for (int64_t i = 0; i < s->n; i++)
            for (int64_t j = 0; j < k; j++)
                s->others[i * k + j] += (float)(factor * s->rep->rho[j] * (double)c[i * k + j]);
    }
done:
    mucmm__free(c);
    return status;
}

mucmm_status mucmm__samples_score(mucmm_ctx *ctx, const mucmm__samples *s, int64_t first, int64_t n,
                                  const float *h, double *scores, float *dh)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_heads *v = &s->rep->view[s->view];
    bool individual = mucmm__is_individual(s->p->score);
    int64_t k = s->m->k, q = s->m->view[s->view].q, d = individual ? q : k;
    float *c = NULL, *u = NULL, *dz = NULL;

    TRY(mucmm__alloc(ctx, n * k, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, n * q, sizeof *u, &u));
    TRY(mucmm__alloc(ctx, n * d, sizeof *dz, &dz));
    TRY(mucmm__heads_forward(ctx, v, n, h, c, individual ? u : NULL));
    for (int64_t i = 0; i < n; i++)
        scores[i] = score_of(s, first + i, (individual ? u : c) + i * d, d, dz + i * d);
    if (dh)
        TRY(mucmm__heads_vjp(ctx, v, n, h, individual ? NULL : dz, individual ? dz : NULL, dh));
done:
    mucmm__free(c);
    mucmm__free(u);
    mucmm__free(dz);
    return status;
}

/* ---- pattern: covariance times gradient, from a pass over training rows ------------ */

/* out [n, p] = X'(X g)/(rows - 1) for every gradient row g, X the centred scaled training rows. */
static mucmm_status pattern_from_rows(mucmm_ctx *ctx, const mucmm__view_info *v,
                                      const mucmm_data *training, int64_t n, const float *g,
                                      float *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows = mucmm_data_rows(training), chunk[MUCMM__CHUNK], p = v->p;
    float *x = NULL, *xg = NULL;
    double *cov = NULL;
    mucmm__moments *moments = NULL;

    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * p, sizeof *x, &x));
    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * n, sizeof *xg, &xg));
    TRY(mucmm__alloc(ctx, p * n, sizeof *cov, &cov));
    TRY(mucmm__moments_create(ctx, p, n, &moments));
    for (int64_t i = 0; i < rows; i += MUCMM__CHUNK) {
        int64_t b = rows - i < MUCMM__CHUNK ? rows - i : MUCMM__CHUNK;
        for (int64_t j = 0; j < b; j++)
            chunk[j] = i + j;
        TRY(mucmm__features(ctx, v, training, chunk, b, x));
        TRY(mucmm__gemm(ctx, false, true, b, n, p, 1, x, p, g, p, 0, xg, n));
        TRY(mucmm__moments_push(ctx, moments, &(mucmm_cmat){x, b, p, p},
                                &(mucmm_cmat){xg, b, n, n}));
    }
    TRY(mucmm__moments_get(ctx, moments, NULL, NULL, cov, NULL, NULL));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < p; j++)
            out[i * p + j] = (float)cov[j * n + i];
done:
    mucmm__moments_free(moments);
    mucmm__free(x);
    mucmm__free(xg);
    mucmm__free(cov);
    return status;
}

/* In place: gradients in units of the scaled features -> patterns in the same units. */
static mucmm_status pattern(mucmm_ctx *ctx, const mucmm__samples *s, float *g)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];
    const mucmm_data *training = s->p->training;
    float *out = NULL;

    if (!training && !v->covariance)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "view '%s' has %" PRId64
                           " columns, too many for the model to carry their "
                           "covariance; give the training rows (--training %s=FILE)",
                           v->name, v->p, v->name);
    if (training && mucmm_data_cols(training) != v->p)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: the training rows of view '%s' have %" PRId64 " columns; %" PRId64
                           " are needed",
                           mucmm_data_label(training), v->name, mucmm_data_cols(training), v->p);
    TRY(mucmm__alloc(ctx, s->n * v->p, sizeof *out, &out));
    if (training)
        TRY(pattern_from_rows(ctx, v, training, s->n, g, out));
    else
        TRY(mucmm__gemm(ctx, false, false, s->n, v->p, v->p, 1, g, v->p, v->covariance, v->p, 0,
                        out, v->p));
    memcpy(g, out, (size_t)(s->n * v->p) * sizeof *g);
done:
    mucmm__free(out);
    return status;
}

/* ---- maps -------------------------------------------------------------------------- */

void mucmm__samples_difference(const mucmm__samples *s, int64_t i, const float *x,
                               const float *base)
{
    const double *scale = s->m->view[s->view].scale;

    if (!s->p->differences)
        return;
    for (int64_t j = 0; j < s->cols; j++)
        s->p->differences[i * s->cols + j] =
            (float)(((double)x[j] - (double)base[j]) * (s->encoded ? 1 : scale[j]));
}

/* maps times (x - baseline); x [n, cols] are the points of the samples. */
static mucmm_status times_input(mucmm_ctx *ctx, const mucmm__samples *s, const float *x,
                                float *maps)
{
    mucmm_status status = MUCMM_OK;
    mucmm__baselines baselines = {0};
    float *base = NULL;

    TRY(mucmm__baselines_start(ctx, s, &baselines));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *base, &base));
    for (int64_t i = 0; i < s->n; i++) {
        const float *at = x + i * s->cols;
        TRY(mucmm__baseline(ctx, &baselines, at, base));
        mucmm__samples_difference(s, i, at, base);
        for (int64_t j = 0; j < s->cols; j++)
            maps[i * s->cols + j] *= at[j] - base[j];
    }
done:
    mucmm__baselines_drop(&baselines);
    mucmm__free(base);
    return status;
}

/* dh [n, p], in units of the scaled features -> the map in units of the view's columns. */
static mucmm_status to_map(mucmm_ctx *ctx, const mucmm__samples *s, const float *h, float *dh)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];

    if (s->p->map == MUCMM_MAP_INPUT_X_GRADIENT) /* (x - b) = scale (h - h_b) */
        return times_input(ctx, s, h, dh);
    if (s->p->map == MUCMM_MAP_PATTERN)
        TRY(pattern(ctx, s, dh));
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t j = 0; j < v->p; j++) {
            float *x = &dh[i * v->p + j];
            if (s->p->map == MUCMM_MAP_PATTERN) /* Cov(x) ds/dx = scale Cov(h) ds/dh */
                *x = (float)((double)*x * v->scale[j]);
            else /* dh/dx = 1/scale */
                *x = (float)((double)*x / v->scale[j]);
        }
done:
    return status;
}

mucmm_status mucmm__samples_raw_gradient(mucmm_ctx *ctx, const mucmm__samples *s,
                                         const int64_t *rows, int64_t n, const float *raw,
                                         float *dh, float *grads)
{
    const mucmm__view_info *v = &s->m->view[s->view];

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < v->p; j++)
            dh[i * v->p + j] = (float)((double)dh[i * v->p + j] / v->scale[j]);
    return mucmm__encoded_vjp(ctx, s->data[s->view], rows, n, raw, dh, grads);
}

static mucmm_status no_training(mucmm_ctx *ctx, const mucmm__view_info *v)
{
    return mucmm__fail(ctx, MUCMM_EARG,
                       "a pattern of view '%s' needs the training rows, whose raw inputs the "
                       "model does not carry",
                       v->name);
}

static mucmm_status to_raw_map(mucmm_ctx *ctx, const mucmm__samples *s, float *dh, float *maps)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *training = s->p->training;
    float *x = NULL;

    if (s->p->map == MUCMM_MAP_PATTERN && !training)
        return no_training(ctx, &s->m->view[s->view]);
    TRY(mucmm__samples_raw_gradient(ctx, s, s->rows, s->n, NULL, dh, maps));
    if (s->p->map == MUCMM_MAP_PATTERN)
        TRY(mucmm__raw_pattern(ctx, training, s->n, s->cols, maps));
    if (s->p->map == MUCMM_MAP_INPUT_X_GRADIENT) {
        TRY(mucmm__alloc(ctx, s->n * s->cols, sizeof *x, &x));
        TRY(mucmm_data_read_raw(ctx, s->data[s->view], s->rows, s->n,
                                &(mucmm_mat){x, s->n, s->cols, s->cols}));
        TRY(times_input(ctx, s, x, maps));
    }
done:
    mucmm__free(x);
    return status;
}

/* The parameters of the maps that take more than one gradient. */
static mucmm_status check_map(mucmm_ctx *ctx, const mucmm_explain_params *p)
{
    if (p->map < MUCMM_MAP_GRADIENT || p->map > MUCMM_MAP_INTEGRATED_GRADIENTS)
        return mucmm__fail(ctx, MUCMM_EARG, "there is no map %d", (int)p->map);
    if (p->baseline < MUCMM_BASELINE_DEFAULT || p->baseline > MUCMM_BASELINE_ROW)
        return mucmm__fail(ctx, MUCMM_EARG, "there is no baseline %d", (int)p->baseline);
    if (p->map == MUCMM_MAP_SMOOTHGRAD && (p->samples < 1 || p->samples > MOST_SAMPLES))
        return mucmm__fail(ctx, MUCMM_EARG, "smoothgrad of %" PRId64 " samples; 1 to %d can be had",
                           p->samples, MOST_SAMPLES);
    if (p->map == MUCMM_MAP_SMOOTHGRAD && !(isfinite(p->noise) && p->noise >= 0))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "smoothgrad with noise %g; it must be finite and not negative",
                           p->noise);
    if (p->map == MUCMM_MAP_INTEGRATED_GRADIENTS && (p->steps < 1 || p->steps > MOST_STEPS))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "integrated gradients in %" PRId64 " steps; 1 to %d can be had",
                           p->steps, MOST_STEPS);
    return MUCMM_OK;
}

static mucmm_status check_params(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                 const mucmm_explain_params *p)
{
    bool component =
        p->score == MUCMM_SCORE_COMMON_COMPONENT || p->score == MUCMM_SCORE_INDIVIDUAL_COMPONENT;
    int64_t d;

    if (p->score < MUCMM_SCORE_COMMON || p->score > MUCMM_SCORE_INDIVIDUAL_COMPONENT)
        return mucmm__fail(ctx, MUCMM_EARG, "there is no score %d", (int)p->score);
    if (view < 0 || view >= m->n_views)
        return mucmm__fail(ctx, MUCMM_EARG, "view %d is out of range: the model has %d", view,
                           m->n_views);
    if (check_map(ctx, p) != MUCMM_OK)
        return MUCMM_EARG;
    d = mucmm__is_individual(p->score) ? m->view[view].q : m->k;
    if (component && (p->component < 0 || p->component >= d))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "component %" PRId64 " is out of range: view '%s' has %" PRId64
                           " %s dimensions, counted from 0",
                           p->component, m->view[view].name, d,
                           mucmm__is_individual(p->score) ? "individual" : "common");
    return MUCMM_OK;
}

mucmm_status mucmm_explain_patterns(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                    int32_t n_views, int32_t view,
                                    const mucmm_explain_params *params, int64_t n, float *g)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v;
    mucmm_explain_params p;
    mucmm__samples s = {.m = m, .view = view, .n = n, .p = &p};

    mucmm_explain_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_explain_params", params, &p, sizeof p));
    TRY(check_params(ctx, m, view, &p));
    v = &m->view[view];
    for (int32_t i = 0; i < n_views; i++)
        if (views[i].name && strcmp(views[i].name, v->name) == 0 &&
            mucmm__encoded_of(views[i].data)) {
            if (p.training)
                return mucmm__raw_pattern(ctx, p.training, n, mucmm_data_raw_cols(views[i].data),
                                          g);
            return no_training(ctx, v);
        }
    for (int64_t i = 0; i < n * v->p; i++)
        g[i] = (float)((double)g[i] * v->scale[i % v->p]);
    TRY(pattern(ctx, &s, g));
    for (int64_t i = 0; i < n * v->p; i++)
        g[i] = (float)((double)g[i] * v->scale[i % v->p]);
done:
    return status;
}

static mucmm_status find_data(mucmm_ctx *ctx, mucmm__samples *s, const mucmm_view *views,
                              int32_t n_views)
{
    mucmm_status status = MUCMM_OK;

    if (s->p->score == MUCMM_SCORE_COMMON)
        TRY(mucmm__match_views(ctx, s->m, views, n_views, s->data));
    for (int32_t i = 0; i < n_views; i++)
        if (views[i].name && strcmp(views[i].name, s->m->view[s->view].name) == 0)
            s->data[s->view] = views[i].data;
    if (!s->data[s->view])
        return mucmm__fail(ctx, MUCMM_EARG, "view '%s' of the model is not given",
                           s->m->view[s->view].name);
    if (mucmm_data_cols(s->data[s->view]) != s->m->view[s->view].p)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%s: view '%s' needs %" PRId64 " columns",
                           mucmm_data_label(s->data[s->view]), s->m->view[s->view].name,
                           s->m->view[s->view].p);
    for (int64_t i = 0; i < s->n; i++)
        if (s->rows[i] < 0 || s->rows[i] >= mucmm_data_rows(s->data[s->view]))
            return mucmm__fail(
                ctx, MUCMM_EARG,
                "sample %" PRId64 " is out of range: %s has %" PRId64 " rows, counted from 0",
                s->rows[i], mucmm_data_label(s->data[s->view]), mucmm_data_rows(s->data[s->view]));
done:
    return status;
}

mucmm_status mucmm__samples_start(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                  int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                                  const mucmm_explain_params *p, mucmm__samples *s, float **h)
{
    mucmm_status status = MUCMM_OK;

    TRY(check_params(ctx, m, view, p));
    *s = (mucmm__samples){.m = m,
                          .rep = mucmm__model_solution(m, p->representation),
                          .view = view,
                          .rows = rows,
                          .n = n,
                          .p = p};
    TRY(find_data(ctx, s, views, n_views));
    s->encoded = mucmm__encoded_of(s->data[view]) != NULL;
    s->cols = mucmm_data_raw_cols(s->data[view]);
    TRY(mucmm__encoded_check(ctx, s->data[view]));
    if (p->score == MUCMM_SCORE_COMMON)
        TRY(gather_others(ctx, s));
    TRY(mucmm__alloc(ctx, n * m->view[view].p, sizeof **h, h));
    TRY(mucmm__features(ctx, &m->view[view], s->data[view], rows, n, *h));
done:
    return status;
}

mucmm_status mucmm_explain(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                           int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                           const mucmm_explain_params *params, const mucmm_mat *maps,
                           double *scores)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p;
    mucmm__samples s = {0};
    float *h = NULL, *dh = NULL, *raw = NULL;
    double *values = NULL;
    int64_t cols;

    mucmm_explain_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_explain_params", params, &p, sizeof p));
    TRY(mucmm__samples_start(ctx, m, views, n_views, view, rows, n, &p, &s, &h));
    cols = s.cols;
    if (maps->rows != n || maps->cols != cols || maps->stride < cols)
        TRY(mucmm__fail(ctx, MUCMM_ESHAPE, "maps must be [%" PRId64 ", %" PRId64 "]", n, cols));
    TRY(mucmm__alloc(ctx, n * m->view[view].p, sizeof *dh, &dh));
    TRY(mucmm__alloc(ctx, n, sizeof *values, &values));
    TRY(mucmm__samples_score(ctx, &s, 0, n, h, values, dh));
    if (s.p->map >= MUCMM_MAP_SMOOTHGRAD || s.encoded)
        TRY(mucmm__alloc(ctx, n * cols, sizeof *raw, &raw));
    if (s.p->map >= MUCMM_MAP_SMOOTHGRAD)
        TRY(mucmm__path_maps(ctx, &s, h, values, raw));
    else
        TRY(s.encoded ? to_raw_map(ctx, &s, dh, raw) : to_map(ctx, &s, h, dh));
    for (int64_t i = 0; i < n; i++)
        memcpy(maps->data + i * maps->stride, (raw ? raw : dh) + i * cols,
               (size_t)cols * sizeof *dh);
    if (scores)
        memcpy(scores, values, (size_t)n * sizeof *scores);
done:
    mucmm__free(s.others);
    mucmm__free(h);
    mucmm__free(dh);
    mucmm__free(raw);
    mucmm__free(values);
    return status;
}
