/* SPDX-License-Identifier: MIT
 *
 * The canonical form of a trained individual head.
 *
 * On the training rows, with v the raw outputs: r = v - B'c with B = Cov(c)^-1 Cov(c, v), so Cov(r,
 * c) = 0; r is whitened by the eigenvectors of its covariance and rotated by those of Cov(r, h)
 * Cov(h, r), so the columns of u are ordered by how much of h each explains. u = A'(v - mean) -
 * A'B' (c - mean c). */
#include "model/individual.h"
#include "model/represent.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void mucmm__canonical_moments_drop(mucmm__canonical_moments *c)
{
    mucmm__free(c->mean);
    mucmm__free(c->cov);
    mucmm__free(c->mean_h);
    mucmm__free(c->cross);
}

static mucmm_status push_rows(mucmm__fit *f, mucmm__individual *w, int32_t m,
                              const mucmm__head *head, mucmm__moments *own, mucmm__moments *cross)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t k = f->model->k, q = v->q, width = k + q;

    for (int64_t i = 0; i < f->n_train; i += w->rows) {
        int64_t n = f->n_train - i < w->rows ? f->n_train - i : w->rows;
        mucmm_cmat x = {w->h[m], n, v->p, v->p}, y = {w->joint[m], n, width, width};
        TRY(mucmm__features(f->ctx, v, f->data[m], f->train + i, n, w->h[m]));
        TRY(mucmm__head_forward(f->ctx, head, n, w->h[m], w->raw));
        for (int64_t r = 0; r < n; r++) {
            memcpy(w->joint[m] + r * width, w->c_train[m] + (i + r) * k, (size_t)k * sizeof(float));
            memcpy(w->joint[m] + r * width + k, w->raw + r * q, (size_t)q * sizeof(float));
        }
        TRY(mucmm__moments_push(f->ctx, own, &y, NULL));
        TRY(mucmm__moments_push(f->ctx, cross, &x, &y));
    }
done:
    return status;
}

mucmm_status mucmm__individual_moments(mucmm__fit *f, mucmm__individual *w, int32_t m,
                                       const mucmm__head *head, mucmm__canonical_moments *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t width = f->model->k + v->q;
    mucmm__moments *own = NULL, *cross = NULL;

    c->k = f->model->k;
    c->q = v->q;
    TRY(mucmm__alloc(f->ctx, width, sizeof(double), &c->mean));
    TRY(mucmm__alloc(f->ctx, width * width, sizeof(double), &c->cov));
    TRY(mucmm__alloc(f->ctx, v->p, sizeof(double), &c->mean_h));
    TRY(mucmm__alloc(f->ctx, v->p * width, sizeof(double), &c->cross));
    TRY(mucmm__moments_create(f->ctx, width, 0, &own));
    TRY(mucmm__moments_create(f->ctx, v->p, width, &cross));
    TRY(push_rows(f, w, m, head, own, cross));
    TRY(mucmm__moments_get(f->ctx, own, c->mean, NULL, c->cov, NULL, NULL));
    TRY(mucmm__moments_get(f->ctx, cross, c->mean_h, NULL, c->cross, NULL, NULL));
done:
    mucmm__moments_free(own);
    mucmm__moments_free(cross);
    return status;
}

/* b [k, q] = Cov(c)^-1 Cov(c, v). */
static mucmm_status regress_on_common(mucmm_ctx *ctx, const mucmm__canonical_moments *c, double *b)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = c->k, q = c->q, width = k + q;
    double *cc = NULL;

    TRY(mucmm__alloc(ctx, k * k, sizeof *cc, &cc));
    for (int64_t i = 0; i < k; i++) {
        memcpy(cc + i * k, c->cov + i * width, (size_t)k * sizeof *cc);
        memcpy(b + i * q, c->cov + i * width + k, (size_t)q * sizeof *b);
        cc[i * (k + 1)] += 1e-10;
    }
    TRY(mucmm__cholesky(ctx, k, cc, "the covariance of the common variates"));
    TRY(mucmm__solve_lower(ctx, false, k, q, cc, b));
    TRY(mucmm__solve_lower(ctx, true, k, q, cc, b));
done:
    mucmm__free(cc);
    return status;
}

/* white [q, q]: columns scaled so that white' Cov(r) white = I; cov_r is destroyed. Directions with
 * no variance left (a collapsed head) are held at a tiny one rather than blown up. */
static mucmm_status whiten(mucmm__fit *f, int32_t m, int64_t q, double *cov_r, double *white)
{
    mucmm_status status = MUCMM_OK;
    double *values = NULL, floor, entropy = 0, sum = 0;

    TRY(mucmm__alloc(f->ctx, q, sizeof *values, &values));
    TRY(mucmm__eigen(f->ctx, q, cov_r, q, values, white));
    if (!(values[0] > 0))
        TRY(mucmm__fail(f->ctx, MUCMM_ENUMERIC,
                        "view '%s': the individual head collapsed to a constant; give a smaller "
                        "`beta` or `alpha`",
                        f->model->view[m].name));
    floor = 1e-8 * values[0];
    for (int64_t j = 0; j < q; j++)
        sum += values[j] > 0 ? values[j] : 0;
    for (int64_t j = 0; j < q; j++) {
        if (values[j] > 0)
            entropy -= values[j] / sum * log(values[j] / sum);
        for (int64_t i = 0; i < q; i++)
            white[i * q + j] /= sqrt(values[j] > floor ? values[j] : floor);
    }
    if (exp(entropy) < 0.25 * (double)q)
        mucmm__warn(f->ctx,
                    "view '%s': the individual head's outputs have an effective rank of "
                    "%.1f of %" PRId64 "; give a smaller `individual`%s",
                    f->model->view[m].name, exp(entropy), q, f->p->beta < 0 ? "" : " or `beta`");
done:
    mucmm__free(values);
    return status;
}

/* a [q, q]: whitening then rotation, column sums positive. cross_r: Cov(h, r) [p, q]. */
static mucmm_status whiten_and_rotate(mucmm__fit *f, int32_t m, int64_t q, double *cov_r,
                                      const double *cross_r, double *a)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = f->model->view[m].p;
    double *white = NULL, *loadings = NULL, *gram = NULL, *values = NULL, *turn = NULL;

    TRY(mucmm__alloc(f->ctx, q * q, sizeof *white, &white));
    TRY(mucmm__alloc(f->ctx, p * q, sizeof *loadings, &loadings));
    TRY(mucmm__alloc(f->ctx, q * q, sizeof *gram, &gram));
    TRY(mucmm__alloc(f->ctx, q, sizeof *values, &values));
    TRY(mucmm__alloc(f->ctx, q * q, sizeof *turn, &turn));
    TRY(whiten(f, m, q, cov_r, white));
    TRY(mucmm__dgemm(f->ctx, false, false, p, q, q, 1, cross_r, q, white, q, 0, loadings, q));
    TRY(mucmm__dgemm(f->ctx, true, false, q, q, p, 1, loadings, q, loadings, q, 0, gram, q));
    TRY(mucmm__eigen(f->ctx, q, gram, q, values, turn));
    TRY(mucmm__dgemm(f->ctx, false, false, q, q, q, 1, white, q, turn, q, 0, a, q));
    for (int64_t j = 0; j < q; j++) {
        double sum = 0;
        for (int64_t i = 0; i < q; i++)
            sum += a[i * q + j];
        for (int64_t i = 0; i < q && sum < 0; i++)
            a[i * q + j] = -a[i * q + j];
    }
done:
    mucmm__free(white);
    mucmm__free(loadings);
    mucmm__free(gram);
    mucmm__free(values);
    mucmm__free(turn);
    return status;
}

/* Covariance of r = v - B'c with itself and with h. */
static mucmm_status residual_moments(mucmm__fit *f, int64_t p, const mucmm__canonical_moments *c,
                                     const double *b, double *cov_r, double *cross_r)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = c->k, q = c->q, width = k + q;

    for (int64_t i = 0; i < q; i++)
        memcpy(cov_r + i * q, c->cov + (k + i) * width + k, (size_t)q * sizeof *cov_r);
    for (int64_t i = 0; i < p; i++)
        memcpy(cross_r + i * q, c->cross + i * width + k, (size_t)q * sizeof *cross_r);
    TRY(mucmm__dgemm(f->ctx, true, false, q, q, k, -1, b, q, c->cov + k, width, 1, cov_r, q));
    for (int64_t i = 0; i < q; i++) /* symmetric but for rounding */
        for (int64_t j = 0; j < i; j++)
            cov_r[i * q + j] = cov_r[j * q + i] = (cov_r[i * q + j] + cov_r[j * q + i]) / 2;
    TRY(mucmm__dgemm(f->ctx, false, false, p, q, k, -1, c->cross, width, b, q, 1, cross_r, q));
done:
    return status;
}

mucmm_status mucmm__individual_canonical(mucmm__fit *f, mucmm__individual *w, int32_t m,
                                         mucmm__view_heads *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = f->model->k, q = f->model->view[m].q, p = f->model->view[m].p;
    mucmm__canonical_moments c = {0};
    double *b = NULL, *cov_r = NULL, *cross_r = NULL, *a = NULL;

    TRY(mucmm__individual_moments(f, w, m, &out->individual, &c));
    TRY(mucmm__alloc(f->ctx, k * q, sizeof *b, &b));
    TRY(mucmm__alloc(f->ctx, q * q, sizeof *cov_r, &cov_r));
    TRY(mucmm__alloc(f->ctx, p * q, sizeof *cross_r, &cross_r));
    TRY(mucmm__alloc(f->ctx, q * q, sizeof *a, &a));
    TRY(regress_on_common(f->ctx, &c, b));
    TRY(residual_moments(f, p, &c, b, cov_r, cross_r));
    TRY(whiten_and_rotate(f, m, q, cov_r, cross_r, a));
    TRY(mucmm__head_affine(f->ctx, &out->individual, c.mean + k, a, q));
    TRY(mucmm__alloc(f->ctx, q * k, sizeof *out->mix, &out->mix));
    for (int64_t i = 0; i < q; i++)
        for (int64_t j = 0; j < k; j++) {
            double sum = 0; /* (A'B')_ij */
            for (int64_t l = 0; l < q; l++)
                sum += a[l * q + i] * b[j * q + l];
            out->mix[i * k + j] = (float)-sum;
            out->individual.offset[i] += (float)(sum * c.mean[j]);
        }
done:
    mucmm__canonical_moments_drop(&c);
    mucmm__free(b);
    mucmm__free(cov_r);
    mucmm__free(cross_r);
    mucmm__free(a);
    return status;
}
