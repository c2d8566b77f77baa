/* SPDX-License-Identifier: MIT
 *
 * What is linear about the individual variates: the residual that all candidates begin with, and
 * the canonical form of the one that is kept.
 *
 * On the training rows, with v the raw outputs: r = v - B'c with B = Cov(c)^-1 Cov(c, v), so Cov(r,
 * c) = 0; r is whitened by the eigenvectors of its covariance and rotated by those of Cov(r, h)
 * Cov(h, r), so the columns of u are ordered by how much of h each explains. u = A'(v - mean) -
 * A'B' (c - mean c). */
#include "correlate/whitened.h"
#include "model/individual.h"
#include "model/represent.h"
#include "model/small_sample.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- moments of the training rows -------------------------------------------------- */

typedef struct canonical_moments {
    int64_t k, q;
    double *mean, *cov; /* of [c, v]: [k + q], [k + q, k + q] */
    double *mean_h;     /* [p] */
    double *cross;      /* Cov(h, [c, v]) [p, k + q] */
} canonical_moments;

static void moments_drop(canonical_moments *c)
{
    mucmm__free(c->mean);
    mucmm__free(c->cov);
    mucmm__free(c->mean_h);
    mucmm__free(c->cross);
    *c = (canonical_moments){0};
}

/* v: the outputs of g, or none for NULL. */
static mucmm_status push_rows(mucmm__fit *f, mucmm__individual *w, int32_t m,
                              const mucmm__individual_heads *g, mucmm__moments *own,
                              mucmm__moments *cross)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *view = &f->model->view[m];
    int64_t k = f->model->k, q = g ? view->q : 0, width = k + q;

    for (int64_t i = 0; i < f->n_train; i += w->rows) {
        int64_t n = f->n_train - i < w->rows ? f->n_train - i : w->rows;
        const float *c = w->c_all[MUCMM__TRAINING][m] + i * k;
        mucmm_cmat x = {w->h[m], n, view->p, view->p}, y = {w->joint[m], n, width, width};
        TRY(mucmm__features(f->ctx, view, f->data[m], f->train + i, n, w->h[m]));
        if (g)
            TRY(mucmm__individual_outputs(f, w, m, g, n, w->h[m], c,
                                          w->r_all[MUCMM__TRAINING][m] + i * q, w->raw));
        for (int64_t r = 0; r < n; r++) {
            memcpy(w->joint[m] + r * width, c + r * k, (size_t)k * sizeof(float));
            memcpy(w->joint[m] + r * width + k, w->raw + r * q, (size_t)q * sizeof(float));
        }
        TRY(mucmm__moments_push(f->ctx, own, &y, NULL));
        TRY(mucmm__moments_push(f->ctx, cross, &x, &y));
    }
done:
    return status;
}

static mucmm_status take_moments(mucmm__fit *f, mucmm__individual *w, int32_t m,
                                 const mucmm__individual_heads *g, canonical_moments *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t q = g ? v->q : 0, width = f->model->k + q;
    mucmm__moments *own = NULL, *cross = NULL;

    c->k = f->model->k;
    c->q = q;
    TRY(mucmm__alloc(f->ctx, width, sizeof(double), &c->mean));
    TRY(mucmm__alloc(f->ctx, width * width, sizeof(double), &c->cov));
    TRY(mucmm__alloc(f->ctx, v->p, sizeof(double), &c->mean_h));
    TRY(mucmm__alloc(f->ctx, v->p * width, sizeof(double), &c->cross));
    TRY(mucmm__moments_create(f->ctx, width, 0, &own));
    TRY(mucmm__moments_create(f->ctx, v->p, width, &cross));
    TRY(push_rows(f, w, m, g, own, cross));
    TRY(mucmm__moments_get(f->ctx, own, c->mean, NULL, c->cov, NULL, NULL));
    TRY(mucmm__moments_get(f->ctx, cross, c->mean_h, NULL, c->cross, NULL, NULL));
done:
    mucmm__moments_free(own);
    mucmm__moments_free(cross);
    return status;
}

/* factor [k, k]: Cholesky factor of Cov(c). */
static mucmm_status common_factor(mucmm_ctx *ctx, const canonical_moments *c, double *factor)
{
    for (int64_t i = 0; i < c->k; i++) {
        memcpy(factor + i * c->k, c->cov + i * (c->k + c->q), (size_t)c->k * sizeof *factor);
        factor[i * (c->k + 1)] += 1e-10;
    }
    return mucmm__cholesky(ctx, c->k, factor, "the covariance of the common variates");
}

/* ---- the residual ------------------------------------------------------------------ */

/* s [dims, dims]: covariance of h's coordinates, less what c explains, y y' of y [dims, k] =
 * Cov(z, c) L'^-1. */
static mucmm_status residual_covariance(mucmm__fit *f, int32_t m, const double *cross_c,
                                        const double *factor, double *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = f->offset[f->model->n_views], dims = f->offset[m + 1] - f->offset[m];
    int64_t k = f->model->k, p = f->model->view[m].p;
    double *y = NULL, *t = NULL; /* [dims, k], [k, dims] */

    TRY(mucmm__alloc(f->ctx, dims * k, sizeof *y, &y));
    TRY(mucmm__alloc(f->ctx, dims * k, sizeof *t, &t));
    for (int64_t i = 0; i < dims; i++)
        memcpy(s + i * dims, f->cov[MUCMM__TRAINING] + (f->offset[m] + i) * total + f->offset[m],
               (size_t)dims * sizeof *s);
    if (f->basis[m])
        TRY(mucmm__dgemm(f->ctx, false, false, dims, k, p, 1, f->basis[m], p, cross_c, k, 0, y, k));
    else
        memcpy(y, cross_c, (size_t)(dims * k) * sizeof *y);
    for (int64_t i = 0; i < dims; i++)
        for (int64_t j = 0; j < k; j++)
            t[j * dims + i] = y[i * k + j];
    TRY(mucmm__solve_lower(f->ctx, false, k, dims, factor, t));
    TRY(mucmm__dgemm(f->ctx, true, false, dims, dims, k, -1, t, dims, t, dims, 1, s, dims));
done:
    mucmm__free(y);
    mucmm__free(t);
    return status;
}

/* directions [p, q] of h: the leading eigenvectors of s, each divided by its standard deviation. */
static mucmm_status leading_directions(mucmm__fit *f, int32_t m, double *s, double *directions)
{
    mucmm_status status = MUCMM_OK;
    int64_t dims = f->offset[m + 1] - f->offset[m], q = f->model->view[m].q;
    double *values = NULL, *a = NULL;

    TRY(mucmm__alloc(f->ctx, dims, sizeof *values, &values));
    TRY(mucmm__alloc(f->ctx, dims * q, sizeof *a, &a));
    TRY(mucmm__eigen(f->ctx, dims, s, q, values, a));
    if (!(values[0] > 0))
        TRY(mucmm__fail(f->ctx, MUCMM_ENUMERIC,
                        "view '%s': the common variates leave nothing of it; give a smaller "
                        "`common`, or 0 for `individual`",
                        f->model->view[m].name));
    for (int64_t j = 0; j < q; j++)
        for (int64_t i = 0; i < dims; i++)
            a[i * q + j] /= sqrt(fmax(values[j], 1e-8 * values[0]));
    TRY(mucmm__from_coordinates(f, m, q, a, directions));
done:
    mucmm__free(values);
    mucmm__free(a);
    return status;
}

/* r = R'(h - mean h - B'(c - mean c)), R [p, q], B = Cov(c)^-1 Cov(c, h), as a head and a mix. */
static mucmm_status residual_maps(mucmm__fit *f, const canonical_moments *c, int64_t p, int64_t q,
                                  const double *directions, const double *factor,
                                  mucmm__transport *base)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = c->k;
    double *mix = NULL; /* [k, q] = Cov(c)^-1 Cov(c, h) R */

    TRY(mucmm__alloc(f->ctx, k * q, sizeof *mix, &mix));
    TRY(mucmm__dgemm(f->ctx, true, false, k, q, p, 1, c->cross, k, directions, q, 0, mix, q));
    TRY(mucmm__solve_spd(f->ctx, k, q, factor, mix));
    TRY(mucmm__linear_head(f->ctx, p, q, directions, &base->residual));
    TRY(mucmm__transport_alloc(f->ctx, q, k, base));
    for (int64_t j = 0; j < q; j++) {
        double offset = 0;
        for (int64_t i = 0; i < p; i++)
            offset -= c->mean_h[i] * directions[i * q + j];
        for (int64_t i = 0; i < k; i++) {
            offset += c->mean[i] * mix[i * q + j];
            base->mix[j * k + i] = (float)-mix[i * q + j];
        }
        base->residual.offset[j] = (float)offset;
    }
done:
    mucmm__free(mix);
    return status;
}

/* The closed form's own variates: they have no covariance with any view's c, and take no mix. */
static mucmm_status closed_form_residual(mucmm__fit *f, int32_t m, mucmm__transport *base)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__head_copy(f->ctx, &f->model->linear.view[m].individual, &base->residual));
    TRY(mucmm__transport_alloc(f->ctx, f->model->view[m].q, f->model->k, base));
done:
    return status;
}

mucmm_status mucmm__individual_residual(mucmm__fit *f, mucmm__individual *w, int32_t m)
{
    mucmm_status status = MUCMM_OK;
    int64_t dims = f->offset[m + 1] - f->offset[m], k = f->model->k;
    int64_t p = f->model->view[m].p, q = f->model->view[m].q;
    canonical_moments c = {0};
    double *factor = NULL, *s = NULL, *directions = NULL;

    if (f->model->n_views > 2 && f->model->start < 0)
        return closed_form_residual(f, m, &w->base[m]);
    TRY(take_moments(f, w, m, NULL, &c));
    TRY(mucmm__alloc(f->ctx, k * k, sizeof *factor, &factor));
    TRY(mucmm__alloc(f->ctx, dims * dims, sizeof *s, &s));
    TRY(mucmm__alloc(f->ctx, p * q, sizeof *directions, &directions));
    TRY(common_factor(f->ctx, &c, factor));
    TRY(residual_covariance(f, m, c.cross, factor, s));
    TRY(leading_directions(f, m, s, directions));
    TRY(residual_maps(f, &c, p, q, directions, factor, &w->base[m]));
done:
    moments_drop(&c);
    mucmm__free(factor);
    mucmm__free(s);
    mucmm__free(directions);
    return status;
}

/* ---- the canonical form ------------------------------------------------------------ */

/* b [k, q] = Cov(c)^-1 Cov(c, v). */
static mucmm_status regress_on_common(mucmm_ctx *ctx, const canonical_moments *c, double *b)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = c->k, q = c->q, width = k + q;
    double *factor = NULL;

    TRY(mucmm__alloc(ctx, k * k, sizeof *factor, &factor));
    for (int64_t i = 0; i < k; i++)
        memcpy(b + i * q, c->cov + i * width + k, (size_t)q * sizeof *b);
    TRY(common_factor(ctx, c, factor));
    TRY(mucmm__solve_spd(ctx, k, q, factor, b));
done:
    mucmm__free(factor);
    return status;
}

/* white [q, q]: columns scaled so that white' Cov(r) white = I; cov_r is destroyed. Directions with
 * no variance left (a collapsed head) are held at a tiny one rather than blown up. */
static mucmm_status whiten(mucmm__fit *f, int32_t m, int64_t q, double *cov_r, double *white)
{
    mucmm_status status = MUCMM_OK;
    double *values = NULL, floor;

    TRY(mucmm__alloc(f->ctx, q, sizeof *values, &values));
    TRY(mucmm__eigen(f->ctx, q, cov_r, q, values, white));
    if (!(values[0] > 0))
        TRY(mucmm__fail(
            f->ctx, MUCMM_ENUMERIC,
            "view '%s': its individual variates collapsed to a constant; give a smaller "
            "`independence`",
            f->model->view[m].name));
    floor = 1e-8 * values[0];
    for (int64_t j = 0; j < q; j++)
        for (int64_t i = 0; i < q; i++)
            white[i * q + j] /= sqrt(values[j] > floor ? values[j] : floor);
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
static mucmm_status residual_moments(mucmm__fit *f, int64_t p, const canonical_moments *c,
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

/* v = head(h) + T(r; c) as the parts of a view, without the affine map behind it. */
static mucmm_status take_parts(mucmm__fit *f, mucmm__individual *w, int32_t m,
                               mucmm__individual_heads *g, mucmm__view_heads *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = f->model->k, q = f->model->view[m].q, p = f->model->view[m].p;
    double *none = NULL;

    TRY(mucmm__alloc(f->ctx, q * k, sizeof *out->mix, &out->mix));
    if (g->net[m].net.out > 0) {
        TRY(mucmm__transport_alloc(f->ctx, q, k, &out->transport));
        TRY(mucmm__head_copy(f->ctx, &w->base[m].residual, &out->transport.residual));
        memcpy(out->transport.mix, w->base[m].mix, (size_t)(q * k) * sizeof *out->mix);
        out->transport.net = g->net[m];
        g->net[m] = (mucmm__head){0};
    }
    if (g->head[m].net.out > 0) {
        out->individual = g->head[m];
        g->head[m] = (mucmm__head){0};
    } else if (out->transport.out) {
        TRY(mucmm__alloc(f->ctx, p * q, sizeof *none, &none));
        TRY(mucmm__linear_head(f->ctx, p, q, none, &out->individual));
    } else {
        TRY(mucmm__head_copy(f->ctx, &w->base[m].residual, &out->individual));
        memcpy(out->mix, w->base[m].mix, (size_t)(q * k) * sizeof *out->mix);
    }
done:
    mucmm__free(none);
    return status;
}

/* u = A'(v - mean v) - A'B'(c - mean c). */
static mucmm_status apply_affine(mucmm__fit *f, const canonical_moments *c, const double *a,
                                 const double *b, mucmm__view_heads *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = c->k, q = c->q;
    float *old = NULL;

    TRY(mucmm__alloc(f->ctx, q * k, sizeof *old, &old));
    memcpy(old, out->mix, (size_t)(q * k) * sizeof *old);
    TRY(mucmm__head_affine(f->ctx, &out->individual, c->mean + k, a, q));
    for (int64_t i = 0; i < q; i++) {
        for (int64_t l = 0; l < q && out->transport.out; l++)
            out->transport.out[i * q + l] = (float)a[l * q + i];
        for (int64_t j = 0; j < k; j++) {
            double moved = 0, taken = 0; /* (A'B')_ij */
            for (int64_t l = 0; l < q; l++) {
                moved += a[l * q + i] * (double)old[l * k + j];
                taken += a[l * q + i] * b[j * q + l];
            }
            out->mix[i * k + j] = (float)(moved - taken);
            out->individual.offset[i] += (float)(taken * c->mean[j]);
        }
    }
done:
    mucmm__free(old);
    return status;
}

mucmm_status mucmm__individual_canonical(mucmm__fit *f, mucmm__individual *w, int32_t m,
                                         mucmm__individual_heads *g, mucmm__view_heads *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = f->model->k, q = f->model->view[m].q, p = f->model->view[m].p;
    canonical_moments c = {0};
    double *b = NULL, *cov_r = NULL, *cross_r = NULL, *a = NULL;

    TRY(take_moments(f, w, m, g, &c));
    TRY(mucmm__alloc(f->ctx, k * q, sizeof *b, &b));
    TRY(mucmm__alloc(f->ctx, q * q, sizeof *cov_r, &cov_r));
    TRY(mucmm__alloc(f->ctx, p * q, sizeof *cross_r, &cross_r));
    TRY(mucmm__alloc(f->ctx, q * q, sizeof *a, &a));
    TRY(regress_on_common(f->ctx, &c, b));
    TRY(residual_moments(f, p, &c, b, cov_r, cross_r));
    TRY(whiten_and_rotate(f, m, q, cov_r, cross_r, a));
    TRY(take_parts(f, w, m, g, out));
    TRY(apply_affine(f, &c, a, b, out));
done:
    moments_drop(&c);
    mucmm__free(b);
    mucmm__free(cov_r);
    mucmm__free(cross_r);
    mucmm__free(a);
    return status;
}
