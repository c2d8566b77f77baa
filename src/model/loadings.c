/* SPDX-License-Identifier: MIT
 *
 * Covariances of a view's features with its variates, in one pass over rows. */
#include "model/loadings.h"

#include "model/represent.h"

#include <math.h>
#include <string.h>

/* A chunk of rows on its way. */
typedef struct chunk {
    int64_t rows[MUCMM__CHUNK], n;
    float *h;      /* [CHUNK, p]     */
    float *c, *u;  /* [CHUNK, k], q  */
    float *joined; /* [CHUNK, k + q] */
} chunk;

static mucmm_status chunk_alloc(mucmm_ctx *ctx, int64_t p, int64_t k, int64_t q, chunk *b)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * p, sizeof *b->h, &b->h));
    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * k, sizeof *b->c, &b->c));
    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * q, sizeof *b->u, &b->u));
    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * (k + q), sizeof *b->joined, &b->joined));
done:
    return status;
}

static void chunk_drop(chunk *b)
{
    mucmm__free(b->h);
    mucmm__free(b->c);
    mucmm__free(b->u);
    mucmm__free(b->joined);
}

/* [c u] of the chunk's rows. */
static void join(int64_t k, int64_t q, const float *c, const float *u, chunk *b)
{
    for (int64_t i = 0; i < b->n; i++) {
        memcpy(b->joined + i * (k + q), c + i * k, (size_t)k * sizeof *c);
        if (q > 0)
            memcpy(b->joined + i * (k + q) + k, u + i * q, (size_t)q * sizeof *u);
    }
}

mucmm_status mucmm__loadings(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                             int32_t view, const mucmm_data *data, const int64_t *rows, int64_t n,
                             const float *c, const float *u, float *out, double *deviations)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &m->view[view];
    int64_t p = v->p, k = m->k, q = v->q;
    mucmm__moments *moments = NULL;
    double *cov = NULL;
    chunk b = {0};

    TRY(chunk_alloc(ctx, p, k, q, &b));
    TRY(mucmm__alloc(ctx, p * (k + q), sizeof *cov, &cov));
    TRY(mucmm__moments_create(ctx, p, k + q, &moments));
    for (int64_t i = 0; i < n; i += MUCMM__CHUNK) {
        b.n = n - i < MUCMM__CHUNK ? n - i : MUCMM__CHUNK;
        for (int64_t j = 0; j < b.n; j++)
            b.rows[j] = rows ? rows[i + j] : i + j;
        TRY(mucmm__features(ctx, v, data, b.rows, b.n, b.h));
        if (!c)
            TRY(mucmm__heads_forward(ctx, &r->view[view], b.n, b.h, b.c, b.u));
        join(k, q, c ? c + i * k : b.c, c ? u + i * q : b.u, &b);
        TRY(mucmm__moments_push(ctx, moments, &(mucmm_cmat){b.h, b.n, p, p},
                                &(mucmm_cmat){b.joined, b.n, k + q, k + q}));
    }
    TRY(mucmm__moments_get(ctx, moments, NULL, NULL, cov, deviations,
                           deviations ? deviations + p : NULL));
    mucmm__to_float(cov, p * (k + q), out);
    for (int64_t j = 0; deviations && j < p + k + q; j++)
        deviations[j] = sqrt(fmax(deviations[j], 0));
done:
    mucmm__moments_free(moments);
    mucmm__free(cov);
    chunk_drop(&b);
    return status;
}
