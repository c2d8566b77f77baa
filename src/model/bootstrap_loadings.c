/* SPDX-License-Identifier: MIT
 *
 * Percentile intervals of loadings (Efron 1979): every replicate has its own, from the rows it
 * drew, paired with the fit's components and given their signs. */
#include "model/bootstrap_loadings.h"

#include "model/represent.h"
#include "model/small_sample.h"

#include <math.h>
#include <string.h>

/* Below and above the interval. */
#define TAIL 0.025

/* ---- room -------------------------------------------------------------------------- */

/* The model's signs are by the columns of view 0, those of f->weights by its coordinates. */
static mucmm_status find_signs(mucmm__fit *f, mucmm__loading_tails *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = f->model->view[0].p;
    double *w = NULL;

    TRY(mucmm__alloc(f->ctx, t->k, sizeof *t->sign, &t->sign));
    TRY(mucmm__alloc(f->ctx, p * t->k, sizeof *w, &w));
    TRY(mucmm__from_coordinates(f, 0, t->k, f->weights[0], w));
    for (int64_t i = 0; i < t->k; i++)
        t->sign[i] = mucmm__column_sign(p, t->k, w, i);
done:
    mucmm__free(w);
    return status;
}

mucmm_status mucmm__loading_tails_create(mucmm__fit *f, int64_t replicates, mucmm__loading_tails *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t kept = (int64_t)(TAIL * (double)(replicates - 1)) + 2;

    *t = (mucmm__loading_tails){.k = f->model->k, .kept = kept < replicates ? kept : replicates};
    TRY(find_signs(f, t));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t p = f->model->view[m].p;
        TRY(mucmm__alloc(f->ctx, p * t->k, (size_t)t->kept * sizeof(float), &t->low[m]));
        TRY(mucmm__alloc(f->ctx, p * t->k, (size_t)t->kept * sizeof(float), &t->high[m]));
    }
done:
    return status;
}

void mucmm__loading_tails_drop(mucmm__loading_tails *t)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(t->low[m]);
        mucmm__free(t->high[m]);
    }
    mucmm__free(t->sign);
    *t = (mucmm__loading_tails){0};
}

/* ---- a replicate ------------------------------------------------------------------- */

/* The view's loadings of a replicate on their way. */
typedef struct job {
    int64_t p, k;
    double *own;      /* [dims, k] Cov(coordinates, c)    */
    double *cov;      /* [p, k] Cov(h, c)                 */
    double *variance; /* [p] of h                         */
    double *sd;       /* [k] of c                         */
    double *sum;      /* [p] of h over the rows           */
    float *h;         /* [CHUNK, p]                       */
} job;

static void job_drop(job *j)
{
    mucmm__free(j->own);
    mucmm__free(j->cov);
    mucmm__free(j->variance);
    mucmm__free(j->sd);
    mucmm__free(j->sum);
    mucmm__free(j->h);
}

/* Variances of the columns over the rows drawn, read once more. rows: into the training rows. */
static mucmm_status read_variances(mucmm__fit *f, int32_t m, const mucmm__replicate *r, job *j)
{
    mucmm_status status = MUCMM_OK;
    int64_t picked[MUCMM__CHUNK];

    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * j->p, sizeof *j->h, &j->h));
    TRY(mucmm__alloc(f->ctx, j->p, sizeof *j->sum, &j->sum));
    for (int64_t i = 0; i < r->n; i += MUCMM__CHUNK) {
        int64_t c = r->n - i < MUCMM__CHUNK ? r->n - i : MUCMM__CHUNK;
        for (int64_t a = 0; a < c; a++)
            picked[a] = f->train[r->rows[i + a]];
        TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], picked, c, j->h));
        for (int64_t a = 0; a < c; a++)
            for (int64_t b = 0; b < j->p; b++) {
                double x = (double)j->h[a * j->p + b];
                j->sum[b] += x;
                j->variance[b] += x * x;
            }
    }
    for (int64_t b = 0; b < j->p; b++) /* the scaled columns have means near 0 */
        j->variance[b] =
            (j->variance[b] - j->sum[b] * j->sum[b] / (double)r->n) / (double)(r->n - 1);
done:
    return status;
}

/* Cov(h, c), and the deviations of both, of view m. */
static mucmm_status view_moments(mucmm__fit *f, int32_t m, const mucmm__replicate *r, job *j)
{
    mucmm_status status = MUCMM_OK;
    int64_t dims = f->offset[m + 1] - f->offset[m], total = f->offset[f->model->n_views];
    const double *s = r->cov + f->offset[m] * (total + 1), *w = r->weights[m];

    TRY(mucmm__alloc(f->ctx, dims * j->k, sizeof(double), &j->own));
    TRY(mucmm__alloc(f->ctx, j->p * j->k, sizeof(double), &j->cov));
    TRY(mucmm__alloc(f->ctx, j->p, sizeof(double), &j->variance));
    TRY(mucmm__alloc(f->ctx, j->k, sizeof(double), &j->sd));
    TRY(mucmm__dgemm(f->ctx, false, false, dims, j->k, dims, 1, s, total, w, j->k, 0, j->own,
                     j->k));
    for (int64_t i = 0; i < j->k; i++) {
        for (int64_t a = 0; a < dims; a++)
            j->sd[i] += w[a * j->k + i] * j->own[a * j->k + i];
        j->sd[i] = sqrt(fmax(j->sd[i], 0));
    }
    TRY(mucmm__from_coordinates(f, m, j->k, j->own, j->cov));
    if (f->basis[m])
        TRY(read_variances(f, m, r, j));
    else
        for (int64_t a = 0; a < j->p; a++)
            j->variance[a] = s[a * (total + 1)];
done:
    return status;
}

/* Into a list of which the first is the least (up: the largest); the last falls off. */
static void insert(float x, bool up, int64_t room, int64_t n, float *list)
{
    int64_t at = n < room ? n : room - 1;

    if (n >= room && (up ? x <= list[at] : x >= list[at]))
        return;
    for (; at > 0 && (up ? list[at - 1] < x : list[at - 1] > x); at--)
        list[at] = list[at - 1];
    list[at] = x;
}

mucmm_status mucmm__loading_tails_add(mucmm__fit *f, const mucmm__replicate *r, const int64_t *pair,
                                      const double *sign, mucmm__loading_tails *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = t->k;
    job j = {0};

    for (int32_t m = 0; m < f->model->n_views; m++) {
        job_drop(&j);
        j = (job){.p = f->model->view[m].p, .k = k};
        TRY(view_moments(f, m, r, &j));
        for (int64_t a = 0; a < j.p * k; a++) {
            int64_t of = pair[a % k];
            double size = sqrt(fmax(j.variance[a / k], 0)) * j.sd[of];
            double x = size > 0 ? j.cov[a / k * k + of] / size : 0;
            x = t->sign[a % k] * sign[a % k] * fmin(fmax(x, -1), 1);
            insert((float)x, false, t->kept, t->n, t->low[m] + a * t->kept);
            insert((float)x, true, t->kept, t->n, t->high[m] + a * t->kept);
        }
    }
    t->n++;
done:
    job_drop(&j);
    return status;
}

/* ---- the intervals ----------------------------------------------------------------- */

mucmm_status mucmm__loading_tails_keep(mucmm__fit *f, const mucmm__loading_tails *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__solution *r = &f->model->linear;
    double at = TAIL * (double)(t->n - 1);
    int64_t first = (int64_t)at, second = first + 1 < t->n ? first + 1 : first;
    float part = (float)(at - (double)first);

    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t size = f->model->view[m].p * t->k;
        TRY(mucmm__alloc(f->ctx, 2 * size, sizeof(float), &r->loading_ends[m]));
        for (int64_t a = 0; a < size; a++) {
            const float *low = t->low[m] + a * t->kept, *high = t->high[m] + a * t->kept;
            r->loading_ends[m][a] = low[first] + part * (low[second] - low[first]);
            r->loading_ends[m][size + a] = high[first] + part * (high[second] - high[first]);
        }
    }
done:
    return status;
}
