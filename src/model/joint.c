/* SPDX-License-Identifier: MIT
 *
 * What a fit keeps of its common variates, so that those of a view that a row lacks can be
 * predicted from the others (predict.c).
 * */
#include "model/joint.h"

#include "model/model.h"

#include <string.h>

/* Mean [w] and covariance [w, w] of the variates c[0..n_views) [n, k] side by side. */
static mucmm_status joint_moments(mucmm_ctx *ctx, int32_t n_views, int64_t n, int64_t k,
                                  float *const *c, double *mean, double *cov)
{
    mucmm_status status = MUCMM_OK;
    int64_t w = n_views * k;
    mucmm__moments *moments = NULL;
    float *x = NULL;

    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * w, sizeof *x, &x));
    TRY(mucmm__moments_create(ctx, w, 0, &moments));
    for (int64_t i = 0; i < n; i += MUCMM__CHUNK) {
        int64_t b = n - i < MUCMM__CHUNK ? n - i : MUCMM__CHUNK;
        for (int64_t r = 0; r < b; r++)
            for (int32_t m = 0; m < n_views; m++)
                memcpy(x + r * w + m * k, c[m] + (i + r) * k, (size_t)k * sizeof *x);
        TRY(mucmm__moments_push(ctx, moments, &(mucmm_cmat){x, b, w, w}, NULL));
    }
    TRY(mucmm__moments_get(ctx, moments, mean, NULL, cov, NULL, NULL));
done:
    mucmm__moments_free(moments);
    mucmm__free(x);
    return status;
}

/* From a covariance about the rows' own mean to mean products about another one. */
static void about_mean(int64_t w, int64_t n, const double *own, const double *mean, double *cov)
{
    for (int64_t i = 0; i < w; i++)
        for (int64_t j = 0; j < w; j++)
            cov[i * w + j] = cov[i * w + j] * (double)(n - 1) / (double)n +
                             (own[i] - mean[i]) * (own[j] - mean[j]);
}

mucmm_status mucmm__joint_alloc(mucmm_ctx *ctx, int64_t w, mucmm__joint *joint)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, w, sizeof(double), &joint->mean));
    TRY(mucmm__alloc(ctx, w * w, sizeof(double), &joint->train));
    TRY(mucmm__alloc(ctx, w * w, sizeof(double), &joint->held_out));
done:
    return status;
}

void mucmm__joint_drop(mucmm__joint *joint)
{
    mucmm__free(joint->mean);
    mucmm__free(joint->train);
    mucmm__free(joint->held_out);
    mucmm__free(joint->sample[0]);
    mucmm__free(joint->sample[1]);
    *joint = (mucmm__joint){0};
}

/* Rows at equal distances of c[0..n_views) [n, k]. */
static mucmm_status take_sample(mucmm_ctx *ctx, int32_t n_views, int64_t n, int64_t k,
                                float *const *c, int64_t *sampled, float **sample)
{
    mucmm_status status = MUCMM_OK;
    int64_t w = n_views * k, count = MUCMM__MOST_SAMPLED_NUMBERS / w;

    count = count < MUCMM__MOST_SAMPLED ? count : MUCMM__MOST_SAMPLED;
    count = count < n ? count : n;
    TRY(mucmm__alloc(ctx, count * w, sizeof **sample, sample));
    for (int64_t i = 0; i < count; i++)
        for (int32_t m = 0; m < n_views; m++)
            memcpy(*sample + i * w + m * k, c[m] + i * n / count * k, (size_t)k * sizeof **sample);
    *sampled = count;
done:
    return status;
}

mucmm_status mucmm__joint_keep(mucmm_ctx *ctx, const mucmm_model *m, mucmm_rows rows, int64_t n,
                               float *const *c, mucmm__joint *joint)
{
    mucmm_status status = MUCMM_OK;
    int64_t w = m->n_views * m->k;
    double *own = NULL;

    if (w > MUCMM__COVARIANCE_MAX)
        return MUCMM_OK;
    if (rows == MUCMM_ROWS_TRAIN) {
        TRY(mucmm__joint_alloc(ctx, w, joint));
        TRY(joint_moments(ctx, m->n_views, n, m->k, c, joint->mean, joint->train));
    } else {
        TRY(mucmm__alloc(ctx, w, sizeof *own, &own));
        TRY(joint_moments(ctx, m->n_views, n, m->k, c, own, joint->held_out));
        about_mean(w, n, own, joint->mean, joint->held_out);
    }
    TRY(take_sample(ctx, m->n_views, n, m->k, c, &joint->sampled[rows], &joint->sample[rows]));
done:
    mucmm__free(own);
    return status;
}
