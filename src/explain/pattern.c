/* SPDX-License-Identifier: MIT
 *
 * Patterns: section 7 of the method. */
#include "explain/pattern.h"

#include "encode/encoded.h"
#include "explain/raw_moments.h"

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
    if (!training && !v->covariance)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "view '%s' has %" PRId64
                           " columns, too many for the model to carry their covariance; give the "
                           "training rows",
                           v->name, v->p);
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

/* Cov(x) ds/dx = scale Cov(h) scale ds/dx */
static mucmm_status column_pattern(mucmm_ctx *ctx, const mucmm__samples *s, int64_t n, float *g)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];

    for (int64_t i = 0; i < n * v->p; i++)
        g[i] = (float)((double)g[i] * v->scale[i % v->p]);
    TRY(mucmm__pattern(ctx, s, n, g));
    for (int64_t i = 0; i < n * v->p; i++)
        g[i] = (float)((double)g[i] * v->scale[i % v->p]);
done:
    return status;
}

mucmm_status mucmm__raw_input_pattern(mucmm_ctx *ctx, const mucmm__samples *s, int64_t n, float *g)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__pattern_check(ctx, s));
    status = s->encoded ? mucmm__raw_pattern(ctx, s->p->training, n, s->cols, g)
                        : column_pattern(ctx, s, n, g);
done:
    return status;
}
