/* SPDX-License-Identifier: MIT
 *
 * nonlinear_features.c - features psi(c) of variates that are known already, and the ridge
 * regression on them: what staged deflation takes away, and what marks a harmonic. */
#include "correlate/whitened.h"

#include <math.h>
#include <string.h>

/* Fourier features of psi, at most. */
#define WAVES 150
/* Rows that are turned into features at a time. */
#define CHUNK 1024

/* ---- psi --------------------------------------------------------------------------- */

int64_t mucmm__psi_width(const mucmm__psi *f)
{
    return f->in + f->pairs * (f->pairs + 1) / 2 + f->waves;
}

mucmm_status mucmm__psi_alloc(mucmm_ctx *ctx, int64_t in, int64_t pairs, int64_t waves,
                              mucmm__psi *f)
{
    mucmm_status status = MUCMM_OK;

    *f = (mucmm__psi){.in = in, .pairs = pairs, .waves = waves};
    TRY(mucmm__alloc(ctx, in * waves, sizeof *f->omega, &f->omega));
    TRY(mucmm__alloc(ctx, waves, sizeof *f->phase, &f->phase));
done:
    if (status != MUCMM_OK)
        mucmm__psi_drop(f);
    return status;
}

mucmm_status mucmm__psi_create(mucmm_ctx *ctx, uint64_t key, int64_t in, int64_t limit,
                               mucmm__psi *f)
{
    mucmm_status status = MUCMM_OK;
    int64_t room = limit > in ? limit - in : 0, waves = room / 2 < WAVES ? room / 2 : WAVES;
    int64_t pairs = 0;

    room -= waves;
    while (pairs < in && (pairs + 1) * (pairs + 2) / 2 <= room)
        pairs++;
    TRY(mucmm__psi_alloc(ctx, in, pairs, waves, f));
    mucmm__fourier_draw(key, in, waves, f->omega, f->phase);
done:
    return status;
}

void mucmm__psi_drop(mucmm__psi *f)
{
    mucmm__free(f->omega);
    mucmm__free(f->phase);
    *f = (mucmm__psi){0};
}

mucmm_status mucmm__psi_forward(mucmm_ctx *ctx, const mucmm__psi *f, const mucmm__block *c,
                                double *psi)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = c->rows, width = mucmm__psi_width(f);
    double *waves = NULL;

    TRY(mucmm__alloc(ctx, n * f->waves, sizeof *waves, &waves));
    mucmm__fourier_features(ctx, c, f->waves, f->omega, f->phase, waves);
    for (int64_t r = 0; r < n; r++) {
        const double *x = c->data + r * f->in;
        double *to = psi + r * width;
        memcpy(to, x, (size_t)f->in * sizeof *to);
        to += f->in;
        for (int64_t j = 0; j < f->pairs; j++)
            for (int64_t i = 0; i <= j; i++)
                *to++ = x[i] * x[j];
        memcpy(to, waves + r * f->waves, (size_t)f->waves * sizeof *to);
    }
done:
    mucmm__free(waves);
    return status;
}

mucmm_status mucmm__psi_vjp(mucmm_ctx *ctx, const mucmm__psi *f, const mucmm__block *c,
                            const double *dpsi, double *dc)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = c->rows, width = mucmm__psi_width(f);
    double *waves = NULL;

    TRY(mucmm__alloc(ctx, n * f->waves, sizeof *waves, &waves));
    for (int64_t r = 0; r < n; r++)
        memcpy(waves + r * f->waves, dpsi + (r + 1) * width - f->waves,
               (size_t)f->waves * sizeof *waves);
    TRY(mucmm__fourier_features_vjp(ctx, c, f->waves, f->omega, f->phase, waves, dc));
    for (int64_t r = 0; r < n; r++) {
        const double *x = c->data + r * f->in, *from = dpsi + r * width;
        double *to = dc + r * f->in;
        for (int64_t j = 0; j < f->in; j++)
            to[j] += *from++;
        for (int64_t j = 0; j < f->pairs; j++)
            for (int64_t i = 0; i <= j; i++, from++) {
                to[i] += *from * x[j];
                to[j] += *from * x[i];
            }
    }
done:
    mucmm__free(waves);
    return status;
}

/* ---- the residual on a batch ------------------------------------------------------- */

mucmm_status mucmm__smoother_prepare(mucmm_ctx *ctx, const mucmm__block *p, double ridge,
                                     double *factor)
{
    mucmm_status status = MUCMM_OK;
    double *s = NULL;

    TRY(mucmm__alloc(ctx, p->cols * p->cols, sizeof *s, &s));
    TRY(mucmm__covariance(ctx, p->rows, p->cols, p->data, (double)p->rows, s));
    TRY(mucmm__factor_covariance(ctx, "nonlinear features of the variates", p->cols, s, p->cols,
                                 ridge, factor));
done:
    mucmm__free(s);
    return status;
}

mucmm_status mucmm__smoother_residual(mucmm_ctx *ctx, const mucmm__block *p, const double *factor,
                                      const mucmm__block *y)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = p->rows, w = p->cols, k = y->cols;
    double *b = NULL;

    TRY(mucmm__alloc(ctx, w * k, sizeof *b, &b));
    TRY(mucmm__dgemm(ctx, true, false, w, k, n, 1 / (double)n, p->data, w, y->data, k, 0, b, k));
    TRY(mucmm__solve_spd(ctx, w, k, factor, b));
    TRY(mucmm__dgemm(ctx, false, false, n, k, w, -1, p->data, w, b, k, 1, y->data, k));
done:
    mucmm__free(b);
    return status;
}

/* ---- regression over many rows ----------------------------------------------------- */

/* mean and cov of [psi(c), y], in chunks. */
static mucmm_status joint_moments(mucmm_ctx *ctx, const mucmm__psi *f, int64_t n, const float *c,
                                  int64_t cols, const float *y, double *mean, double *cov)
{
    mucmm_status status = MUCMM_OK;
    int64_t width = mucmm__psi_width(f), total = width + cols;
    mucmm__moments *moments = NULL;
    mucmm__block x = {NULL, 0, f->in};
    double *psi = NULL, *joint = NULL;

    TRY(mucmm__alloc(ctx, CHUNK * f->in, sizeof(double), &x.data));
    TRY(mucmm__alloc(ctx, CHUNK * width, sizeof *psi, &psi));
    TRY(mucmm__alloc(ctx, CHUNK * total, sizeof *joint, &joint));
    TRY(mucmm__moments_create(ctx, total, 0, &moments));
    for (int64_t i = 0; i < n; i += x.rows) {
        x.rows = n - i < CHUNK ? n - i : CHUNK;
        mucmm__to_double(c + i * f->in, x.rows * f->in, x.data);
        TRY(mucmm__psi_forward(ctx, f, &x, psi));
        for (int64_t r = 0; r < x.rows; r++) {
            memcpy(joint + r * total, psi + r * width, (size_t)width * sizeof *psi);
            mucmm__to_double(y + (i + r) * cols, cols, joint + r * total + width);
        }
        TRY(mucmm__moments_push_double(ctx, moments, x.rows, joint, NULL));
    }
    TRY(mucmm__moments_get(ctx, moments, mean, NULL, cov, NULL, NULL));
done:
    mucmm__moments_free(moments);
    mucmm__free(x.data);
    mucmm__free(psi);
    mucmm__free(joint);
    return status;
}

/* weights [width, cols] = (S + r diag S)^-1 Cov(psi, y): a ridge on standardized features. */
static mucmm_status ridge_weights(mucmm_ctx *ctx, int64_t width, int64_t cols, const double *cov,
                                  double ridge, double *weights)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = width + cols;
    double *s = NULL, *sd = NULL;

    TRY(mucmm__alloc(ctx, width * width, sizeof *s, &s));
    TRY(mucmm__alloc(ctx, width, sizeof *sd, &sd));
    for (int64_t i = 0; i < width; i++) {
        double variance = cov[i * (total + 1)];
        sd[i] = variance > 1e-20 ? sqrt(variance) : 1; /* a constant feature */
    }
    for (int64_t i = 0; i < width; i++) {
        for (int64_t j = 0; j < width; j++)
            s[i * width + j] = cov[i * total + j] / (sd[i] * sd[j]);
        s[i * (width + 1)] += ridge;
        for (int64_t j = 0; j < cols; j++)
            weights[i * cols + j] = cov[i * total + width + j] / sd[i];
    }
    TRY(mucmm__cholesky(ctx, width, s, "the covariance of nonlinear features"));
    TRY(mucmm__solve_spd(ctx, width, cols, s, weights));
    for (int64_t i = 0; i < width; i++)
        for (int64_t j = 0; j < cols; j++)
            weights[i * cols + j] /= sd[i];
done:
    mucmm__free(s);
    mucmm__free(sd);
    return status;
}

/* The residual of the ridge regression still has a little covariance with c itself: it is
 * regressed out without a ridge, as a correction of c's own weights. */
static mucmm_status exact_on_variates(mucmm_ctx *ctx, int64_t in, int64_t width, int64_t cols,
                                      const double *cov, double *weights)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = width + cols;
    double *s = NULL, *left = NULL;

    TRY(mucmm__alloc(ctx, in * in, sizeof *s, &s));
    TRY(mucmm__alloc(ctx, in * cols, sizeof *left, &left));
    for (int64_t i = 0; i < in; i++) {
        memcpy(s + i * in, cov + i * total, (size_t)in * sizeof *s);
        s[i * (in + 1)] *= 1 + 1e-10;
        memcpy(left + i * cols, cov + i * total + width, (size_t)cols * sizeof *left);
    }
    TRY(mucmm__dgemm(ctx, false, false, in, cols, width, -1, cov, total, weights, cols, 1, left,
                     cols));
    TRY(mucmm__cholesky(ctx, in, s, "the covariance of the variates"));
    TRY(mucmm__solve_spd(ctx, in, cols, s, left));
    for (int64_t i = 0; i < in * cols; i++)
        weights[i] += left[i];
done:
    mucmm__free(s);
    mucmm__free(left);
    return status;
}

mucmm_status mucmm__psi_regress(mucmm_ctx *ctx, const mucmm__psi *f, double ridge, int64_t n,
                                const float *c, int64_t cols, const float *y, double *weights)
{
    mucmm_status status = MUCMM_OK;
    int64_t width = mucmm__psi_width(f), total = width + cols;
    double *mean = NULL, *cov = NULL;

    TRY(mucmm__alloc(ctx, total, sizeof *mean, &mean));
    TRY(mucmm__alloc(ctx, total * total, sizeof *cov, &cov));
    TRY(joint_moments(ctx, f, n, c, cols, y, mean, cov));
    TRY(ridge_weights(ctx, width, cols, cov, ridge, weights));
    TRY(exact_on_variates(ctx, f->in, width, cols, cov, weights));
done:
    mucmm__free(mean);
    mucmm__free(cov);
    return status;
}

mucmm_status mucmm__psi_subtract(mucmm_ctx *ctx, const mucmm__psi *f, const double *weights,
                                 int64_t n, const float *c, int64_t stride, int64_t cols, float *y)
{
    mucmm_status status = MUCMM_OK;
    int64_t width = mucmm__psi_width(f), most = n < CHUNK ? n : CHUNK;
    mucmm__block x = {NULL, 0, f->in};
    double *psi = NULL, *predicted = NULL;

    TRY(mucmm__alloc(ctx, most * f->in, sizeof(double), &x.data));
    TRY(mucmm__alloc(ctx, most * width, sizeof *psi, &psi));
    TRY(mucmm__alloc(ctx, most * cols, sizeof *predicted, &predicted));
    for (int64_t i = 0; i < n; i += x.rows) {
        x.rows = n - i < CHUNK ? n - i : CHUNK;
        for (int64_t r = 0; r < x.rows; r++)
            mucmm__to_double(c + (i + r) * stride, f->in, x.data + r * f->in);
        TRY(mucmm__psi_forward(ctx, f, &x, psi));
        TRY(mucmm__dgemm(ctx, false, false, x.rows, cols, width, 1, psi, width, weights, cols, 0,
                         predicted, cols));
        for (int64_t j = 0; j < x.rows * cols; j++)
            y[i * cols + j] = (float)((double)y[i * cols + j] - predicted[j]);
    }
done:
    mucmm__free(x.data);
    mucmm__free(psi);
    mucmm__free(predicted);
    return status;
}

/* ---- harmonics --------------------------------------------------------------------- */

/* The features are put in the order of the last variate they need: those of c_0, then those that
 * also need c_1, ... One Cholesky factor S = L L' of their covariance then holds the regression of
 * every c_j on the features before it: with L_j the leading block of those, its weights are
 * L_j'^-1 l, l the row of c_j in L. */

/* Features of all k variates, wave w of the first 1 + w mod k ones alone. */
static mucmm_status nested_features(mucmm_ctx *ctx, int64_t k, int64_t limit, mucmm__psi *f)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__psi_create(ctx, mucmm__rng_key(0, 1), k, limit, f));
    for (int64_t w = 0; w < f->waves; w++) {
        int64_t first = 1 + w % k;
        for (int64_t i = 0; i < k; i++)
            f->omega[i * f->waves + w] *= i < first ? sqrt((double)k / (double)first) : 0;
    }
done:
    return status;
}

/* order [width]: the features by the last variate they need, that variate itself first. */
static void nested_order(const mucmm__psi *f, int64_t *order, int64_t *place)
{
    int64_t n = 0, waves = mucmm__psi_width(f) - f->waves;

    for (int64_t j = 0; j < f->in; j++) {
        place[j] = n;
        order[n++] = j;
        for (int64_t i = 0; i <= j && j < f->pairs; i++)
            order[n++] = f->in + j * (j + 1) / 2 + i;
        for (int64_t w = j; w < f->waves; w += f->in)
            order[n++] = waves + w;
    }
}

typedef struct nested {
    mucmm__psi psi;
    int64_t width, *order, *place;
    double *mean, *sd, *s; /* [width], [width], [width, width] */
    double *row;           /* [width] */
} nested;

static void nested_drop(nested *t)
{
    mucmm__psi_drop(&t->psi);
    mucmm__free(t->order);
    mucmm__free(t->place);
    mucmm__free(t->mean);
    mucmm__free(t->sd);
    mucmm__free(t->s);
    mucmm__free(t->row);
}

static mucmm_status nested_fit(mucmm_ctx *ctx, const mucmm__block *c, nested *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = c->rows, k = c->cols, w;
    double *psi = NULL, *sorted = NULL;

    TRY(nested_features(ctx, k, n / 4 < 500 + k ? n / 4 : 500 + k, &t->psi));
    w = t->width = mucmm__psi_width(&t->psi);
    TRY(mucmm__alloc(ctx, w, sizeof *t->order, &t->order));
    TRY(mucmm__alloc(ctx, k, sizeof *t->place, &t->place));
    TRY(mucmm__alloc(ctx, w, sizeof *t->mean, &t->mean));
    TRY(mucmm__alloc(ctx, w, sizeof *t->sd, &t->sd));
    TRY(mucmm__alloc(ctx, w * w, sizeof *t->s, &t->s));
    TRY(mucmm__alloc(ctx, w, sizeof *t->row, &t->row));
    TRY(mucmm__alloc(ctx, n * w, sizeof *psi, &psi));
    TRY(mucmm__alloc(ctx, n * w, sizeof *sorted, &sorted));
    nested_order(&t->psi, t->order, t->place);
    TRY(mucmm__psi_forward(ctx, &t->psi, c, psi));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < w; j++) {
            sorted[i * w + j] = psi[i * w + t->order[j]];
            t->mean[j] += sorted[i * w + j] / (double)n;
        }
    mucmm__standardize(&(mucmm__block){sorted, n, w}, psi, t->sd);
    TRY(mucmm__smoother_prepare(ctx, &(mucmm__block){psi, n, w}, MUCMM__PSI_RIDGE, t->s));
done:
    mucmm__free(psi);
    mucmm__free(sorted);
    return status;
}

/* On other rows: targets [n, k] = c standardized as the rows fitted were, and what is left of them,
 * rest [n, k] = target - prediction. */
static mucmm_status nested_apply(mucmm_ctx *ctx, nested *t, const mucmm__block *c, double *targets,
                                 double *rest)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = c->rows, k = c->cols, w = t->width;
    double *psi = NULL, *z = NULL;

    TRY(mucmm__alloc(ctx, n * w, sizeof *psi, &psi));
    TRY(mucmm__alloc(ctx, n * w, sizeof *z, &z));
    TRY(mucmm__psi_forward(ctx, &t->psi, c, psi));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < w; j++)
            z[i * w + j] = (psi[i * w + t->order[j]] - t->mean[j]) / t->sd[j];
    for (int64_t j = 0; j < k; j++) {
        int64_t d = t->place[j];
        memcpy(t->row, t->s + d * w, (size_t)d * sizeof *t->row);
        for (int64_t a = d - 1; a >= 0; a--) { /* L_j' x = l */
            t->row[a] /= t->s[a * (w + 1)];
            for (int64_t b = 0; b < a; b++)
                t->row[b] -= t->s[a * w + b] * t->row[a];
        }
        for (int64_t i = 0; i < n; i++) {
            double e = targets[i * k + j] = z[i * w + d];
            for (int64_t a = 0; a < d; a++)
                e -= z[i * w + a] * t->row[a];
            rest[i * k + j] = e;
        }
    }
done:
    mucmm__free(psi);
    mucmm__free(z);
    return status;
}

mucmm_status mucmm__less_harmonics(mucmm_ctx *ctx, const mucmm__block *c, const mucmm__block *other,
                                   double *targets, double *rest)
{
    mucmm_status status = MUCMM_OK;
    nested t = {0};

    TRY(nested_fit(ctx, c, &t));
    TRY(nested_apply(ctx, &t, other, targets, rest));
done:
    nested_drop(&t);
    return status;
}

mucmm_status mucmm__harmonics(mucmm_ctx *ctx, const mucmm__block *c, const mucmm__block *other,
                              double *r2)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = other->rows, k = other->cols;
    double *targets = NULL, *rest = NULL;

    TRY(mucmm__alloc(ctx, n * k, sizeof *targets, &targets));
    TRY(mucmm__alloc(ctx, n * k, sizeof *rest, &rest));
    TRY(mucmm__less_harmonics(ctx, c, other, targets, rest));
    for (int64_t j = 0; j < k; j++) {
        double left = 0, all = 0;
        for (int64_t i = j; i < n * k; i += k) {
            left += rest[i] * rest[i];
            all += targets[i] * targets[i];
        }
        r2[j] = all > 0 ? fmax(0, 1 - left / all) : 0;
    }
done:
    mucmm__free(targets);
    mucmm__free(rest);
    return status;
}
