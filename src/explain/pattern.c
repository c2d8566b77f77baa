/* SPDX-License-Identifier: MIT
 *
 * Patterns: section 7 of the method. */
#include "explain/pattern.h"

#include "encode/encoded.h"
#include "explain/raw_moments.h"
#include "model/loadings.h"

#include <inttypes.h>
#include <string.h>

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

bool mucmm__pattern_has_loadings(const mucmm__samples *s)
{
    return !s->encoded && !s->filter && (s->p->training || s->rep->loadings[s->view]);
}

mucmm_status mucmm__pattern_of_loadings(mucmm_ctx *ctx, const mucmm__samples *s, float *out)
{
    mucmm_status status = MUCMM_OK;
    bool individual = mucmm__is_individual(s->p->score);
    int64_t k = s->m->k, q = s->m->view[s->view].q, d = individual ? q : k;
    int64_t p = s->m->view[s->view].p;
    const mucmm_data *training = s->p->training;
    const float *loadings = s->rep->loadings[s->view];
    double *scores = NULL;
    float *slopes = NULL, *found = NULL;

    if (training) {
        TRY(mucmm__alloc(ctx, p * (k + q), sizeof *found, &found));
        TRY(mucmm__loadings(ctx, s->m, s->rep, s->view, training, NULL, mucmm_data_rows(training),
                            NULL, NULL, found, NULL));
        loadings = found;
    }
    TRY(mucmm__alloc(ctx, s->n, sizeof *scores, &scores));
    TRY(mucmm__alloc(ctx, s->n * d, sizeof *slopes, &slopes));
    TRY(mucmm__samples_slopes(ctx, s, scores, slopes));
    TRY(mucmm__gemm(ctx, false, true, s->n, p, d, 1, slopes, d, loadings + (individual ? k : 0),
                    k + q, 0, out, p));
done:
    mucmm__free(scores);
    mucmm__free(slopes);
    mucmm__free(found);
    return status;
}

/* A gradient becomes a pattern by a covariance alone; loadings do not know the gradient. */
static mucmm_status check_covariance(mucmm_ctx *ctx, const mucmm__samples *s)
{
    const mucmm__view_info *v = &s->m->view[s->view];

    if (!s->encoded && !s->p->training && !v->covariance)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "view '%s' has %" PRId64
                           " columns, too many for the model to carry their covariance; give the "
                           "training rows",
                           v->name, v->p);
    return MUCMM_OK;
}

mucmm_status mucmm__pattern_check(mucmm_ctx *ctx, const mucmm__samples *s)
{
    const mucmm__view_info *v = &s->m->view[s->view];
    const mucmm_data *training = s->p->training;
    int64_t cols = training ? mucmm_data_cols(training) : v->p;

    if (s->encoded && !training)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "a pattern of view '%s' needs the training rows, whose raw inputs the "
                           "model does not carry",
                           v->name);
    if (!mucmm__pattern_has_loadings(s) && check_covariance(ctx, s) != MUCMM_OK)
        return MUCMM_EARG;
    if (!s->encoded && cols != v->p)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: the training rows of view '%s' have %" PRId64 " columns; %" PRId64
                           " are needed",
                           mucmm_data_label(training), v->name, cols, v->p);
    return MUCMM_OK;
}

mucmm_status mucmm__pattern(mucmm_ctx *ctx, const mucmm__samples *s, int64_t n, float *g)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];
    const mucmm_data *training = s->p->training;
    float *out = NULL;

    TRY(mucmm__alloc(ctx, n * v->p, sizeof *out, &out));
    if (training)
        TRY(pattern_from_rows(ctx, v, training, n, g, out));
    else
        TRY(mucmm__gemm(ctx, false, false, n, v->p, v->p, 1, g, v->p, v->covariance, v->p, 0, out,
                        v->p));
    memcpy(g, out, (size_t)(n * v->p) * sizeof *g);
done:
    mucmm__free(out);
    return status;
}

/* ---- before an encoder ------------------------------------------------------------- */

/* One chunk of training rows, b of them from `row` on. */
static mucmm_status project_chunk(mucmm_ctx *ctx, const mucmm__samples *s, int64_t row, int64_t b,
                                  int64_t n, const float *slopes, int64_t stride, float *h,
                                  float *c, float *u, float *y)
{
    mucmm_status status = MUCMM_OK;
    bool individual = mucmm__is_individual(s->p->score);
    int64_t chunk[MUCMM__CHUNK], d = individual ? s->m->view[s->view].q : s->m->k;

    for (int64_t j = 0; j < b; j++)
        chunk[j] = row + j;
    TRY(mucmm__features(ctx, &s->m->view[s->view], s->p->training, chunk, b, h));
    TRY(mucmm__heads_forward(ctx, &s->rep->view[s->view], b, h, c, individual ? u : NULL));
    TRY(mucmm__gemm(ctx, false, true, b, n, d, 1, individual ? u : c, d, slopes, d, 0, y, stride));
done:
    return status;
}

mucmm_status mucmm__pattern_project(mucmm_ctx *ctx, const mucmm__samples *s, int64_t n,
                                    const float *slopes, int64_t first, int64_t stride, float *y)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];
    int64_t rows = mucmm_data_rows(s->p->training);
    float *h = NULL, *c = NULL, *u = NULL;

    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * v->p, sizeof *h, &h));
    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * s->m->k, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * v->q, sizeof *u, &u));
    for (int64_t i = 0; i < rows; i += MUCMM__CHUNK) {
        int64_t b = rows - i < MUCMM__CHUNK ? rows - i : MUCMM__CHUNK;
        TRY(project_chunk(ctx, s, i, b, n, slopes, stride, h, c, u, y + i * stride + first));
    }
done:
    mucmm__free(h);
    mucmm__free(c);
    mucmm__free(u);
    return status;
}

mucmm_status mucmm__pattern_project_scores(mucmm_ctx *ctx, const mucmm__samples *s, int64_t first,
                                           int64_t stride, float *y)
{
    mucmm_status status = MUCMM_OK;
    int64_t d = mucmm__is_individual(s->p->score) ? s->m->view[s->view].q : s->m->k;
    double *scores = NULL;
    float *slopes = NULL;

    TRY(mucmm__pattern_check(ctx, s));
    TRY(mucmm__alloc(ctx, s->n, sizeof *scores, &scores));
    TRY(mucmm__alloc(ctx, s->n * d, sizeof *slopes, &slopes));
    TRY(mucmm__samples_slopes(ctx, s, scores, slopes));
    TRY(mucmm__pattern_project(ctx, s, s->n, slopes, first, stride, y));
done:
    mucmm__free(scores);
    mucmm__free(slopes);
    return status;
}

mucmm_status mucmm__pattern_before_encoder(mucmm_ctx *ctx, const mucmm__samples *s, float *maps)
{
    mucmm_status status = MUCMM_OK;
    float *y = NULL;

    TRY(mucmm__pattern_check(ctx, s));
    TRY(mucmm__alloc(ctx, mucmm_data_rows(s->p->training) * s->n, sizeof *y, &y));
    TRY(mucmm__pattern_project_scores(ctx, s, 0, s->n, y));
    TRY(mucmm__raw_pattern(ctx, s->p->training, s->n, s->cols, y, maps));
done:
    mucmm__free(y);
    return status;
}

/* ---- of components ----------------------------------------------------------------- */

mucmm_status mucmm__pattern_components(mucmm_ctx *ctx, const mucmm__samples *s, int64_t n,
                                       const int64_t *components, float *maps)
{
    mucmm_status status = MUCMM_OK;
    int64_t d = mucmm__is_individual(s->p->score) ? s->m->view[s->view].q : s->m->k;
    float *slopes = NULL, *y = NULL;

    TRY(mucmm__pattern_check(ctx, s));
    TRY(mucmm__alloc(ctx, n * d, sizeof *slopes, &slopes));
    TRY(mucmm__alloc(ctx, mucmm_data_rows(s->p->training) * n, sizeof *y, &y));
    for (int64_t i = 0; i < n; i++)
        slopes[i * d + components[i]] = 1;
    TRY(mucmm__pattern_project(ctx, s, n, slopes, 0, n, y));
    TRY(mucmm__raw_pattern(ctx, s->p->training, n, s->cols, y, maps));
done:
    mucmm__free(slopes);
    mucmm__free(y);
    return status;
}
