/* SPDX-License-Identifier: MIT
 *
 * Scores of samples and their gradients: section 6 of the method. */
#include "explain/samples.h"

#include "encode/encoded.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

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
    case MUCMM_SCORE_COUPLING: /* refused before */
        break;
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

/* Of h [n, p] in the place of samples first .. first + n: scores [n], dz [n, d]. */
static mucmm_status score_variates(mucmm_ctx *ctx, const mucmm__samples *s, int64_t first,
                                   int64_t n, const float *h, double *scores, float *dz)
{
    mucmm_status status = MUCMM_OK;
    bool individual = mucmm__is_individual(s->p->score);
    int64_t k = s->m->k, q = s->m->view[s->view].q, d = individual ? q : k;
    float *c = NULL, *u = NULL;

    TRY(mucmm__alloc(ctx, n * k, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, n * q, sizeof *u, &u));
    TRY(mucmm__heads_forward(ctx, &s->rep->view[s->view], n, h, c, individual ? u : NULL));
    for (int64_t i = 0; i < n; i++)
        scores[i] = score_of(s, first + i, (individual ? u : c) + i * d, d, dz + i * d);
done:
    mucmm__free(c);
    mucmm__free(u);
    return status;
}

mucmm_status mucmm__samples_slopes(mucmm_ctx *ctx, const mucmm__samples *s, double *scores,
                                   float *dz)
{
    return score_variates(ctx, s, 0, s->n, s->h, scores, dz);
}

static void score_filter(const mucmm__samples *s, int64_t first, int64_t n, const float *h,
                         double *scores, float *dh)
{
    int64_t p = s->m->view[s->view].p;

    for (int64_t i = 0; i < n; i++) {
        const float *w = s->filter + (first + i) * s->filter_step;
        scores[i] = 0;
        for (int64_t j = 0; j < p; j++)
            scores[i] += (double)w[j] * (double)h[i * p + j];
        if (dh)
            memcpy(dh + i * p, w, (size_t)p * sizeof *w);
    }
}

mucmm_status mucmm__samples_score(mucmm_ctx *ctx, const mucmm__samples *s, int64_t first, int64_t n,
                                  const float *h, double *scores, float *dh)
{
    mucmm_status status = MUCMM_OK;
    bool individual = mucmm__is_individual(s->p->score);
    int64_t d = individual ? s->m->view[s->view].q : s->m->k;
    float *dz = NULL;

    if (s->filter) {
        score_filter(s, first, n, h, scores, dh);
        return MUCMM_OK;
    }
    TRY(mucmm__alloc(ctx, n * d, sizeof *dz, &dz));
    TRY(score_variates(ctx, s, first, n, h, scores, dz));
    if (dh)
        TRY(mucmm__heads_vjp(ctx, &s->rep->view[s->view], n, h, individual ? NULL : dz,
                             individual ? dz : NULL, dh));
done:
    mucmm__free(dz);
    return status;
}

mucmm_status mucmm__samples_raw_gradient(mucmm_ctx *ctx, const mucmm__samples *s,
                                         const int64_t *rows, int64_t n, const float *raw,
                                         const float *h, float *dh, float *grads)
{
    const mucmm__view_info *v = &s->m->view[s->view];

    mucmm_status status = mucmm__features_vjp(ctx, v, s->data[s->view], rows, n, h, dh, dh);

    return status == MUCMM_OK ? mucmm__encoded_vjp(ctx, s->data[s->view], rows, n, raw, dh, grads)
                              : status;
}

/* ---- which samples ----------------------------------------------------------------- */

static mucmm_status check_score(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                const mucmm_explain_params *p)
{
    bool component =
        p->score == MUCMM_SCORE_COMMON_COMPONENT || p->score == MUCMM_SCORE_INDIVIDUAL_COMPONENT;
    int64_t d;

    if (p->score == MUCMM_SCORE_COUPLING)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "the coupling is of two views: it has a matrix, and no map of one view");
    if (p->score < MUCMM_SCORE_COMMON || p->score > MUCMM_SCORE_INDIVIDUAL_COMPONENT)
        return mucmm__fail(ctx, MUCMM_EARG, "there is no score %d", (int)p->score);
    if (view < 0 || view >= m->n_views)
        return mucmm__fail(ctx, MUCMM_EARG, "view %d is out of range: the model has %d", view,
                           m->n_views);
    d = mucmm__is_individual(p->score) ? m->view[view].q : m->k;
    if (component && (p->component < 0 || p->component >= d))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "component %" PRId64 " is out of range: view '%s' has %" PRId64
                           " %s dimensions, counted from 0",
                           p->component, m->view[view].name, d,
                           mucmm__is_individual(p->score) ? "individual" : "common");
    return MUCMM_OK;
}

mucmm_status mucmm__samples_find(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                 int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                                 const mucmm_explain_params *p, const mucmm_data **data)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *own = NULL;

    TRY(check_score(ctx, m, view, p));
    if (n < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId64 " samples cannot be had", n);
    if (p->score == MUCMM_SCORE_COMMON)
        TRY(mucmm__match_views(ctx, m, views, n_views, data));
    for (int32_t i = 0; i < n_views; i++)
        if (views[i].name && strcmp(views[i].name, m->view[view].name) == 0)
            own = views[i].data;
    if (!own)
        return mucmm__fail(ctx, MUCMM_EARG, "view '%s' of the model is not given",
                           m->view[view].name);
    TRY(mucmm__model_select(ctx, m, view, own, &own));
    for (int64_t i = 0; i < n; i++)
        if (rows[i] < 0 || rows[i] >= mucmm_data_rows(own))
            return mucmm__fail(ctx, MUCMM_EARG,
                               "sample %" PRId64 " is out of range: %s has %" PRId64
                               " rows, counted from 0",
                               rows[i], mucmm_data_label(own), mucmm_data_rows(own));
    data[view] = own;
    status = mucmm__encoded_check(ctx, own);
done:
    return status;
}

mucmm_status mucmm__samples_training(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                     const mucmm_data *data, mucmm_explain_params *p)
{
    mucmm_status status;

    if (!p->training || mucmm__encoded_of(data))
        return MUCMM_OK;
    status = mucmm__model_select(ctx, m, view, p->training, &p->training);
    return status == MUCMM_OK ? status : mucmm__prefix(ctx, status, "the training rows");
}

mucmm_status mucmm__samples_start(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *rep,
                                  const mucmm_data *const *data, int32_t view, const int64_t *rows,
                                  int64_t n, const mucmm_explain_params *p, mucmm__samples *s)
{
    mucmm_status status = MUCMM_OK;

    *s = (mucmm__samples){.m = m,
                          .rep = rep,
                          .view = view,
                          .rows = rows,
                          .n = n,
                          .p = p,
                          .metric = &m->view[view],
                          .encoded = mucmm__encoded_of(data[view]) != NULL,
                          .cols = mucmm_data_raw_cols(data[view])};
    memcpy(s->data, data, (size_t)m->n_views * sizeof(mucmm_data *));
    if (p->score == MUCMM_SCORE_COMMON)
        TRY(gather_others(ctx, s));
    TRY(mucmm__alloc(ctx, n * m->view[view].p, sizeof *s->h, &s->h));
    TRY(mucmm__features(ctx, &m->view[view], data[view], rows, n, s->h));
done:
    return status;
}

void mucmm__samples_drop(mucmm__samples *s)
{
    mucmm__free(s->h);
    mucmm__free(s->others);
    s->h = s->others = NULL;
}
