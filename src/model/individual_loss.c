/* SPDX-License-Identifier: MIT
 *
 * The loss of the individual heads with its gradient, and how it is judged on choosing rows:
 * section 3 of the method.
 *
 *   L = sum_m [ |h_m - d_m(c_m, u_m)|^2 / (n tr Cov h_m) + alpha K(u_m, c_m)
 *               + beta (K_x(phi(u_m), [c, psi(c)]) + K_x(phi(u_m), u_others)) ]
 *       + alpha sum_{m<l} K(u_m, u_l),   c = mean over the views of c_m
 *
 * with the common heads frozen, u whitened on the batch, phi fresh random Fourier features
 * in every step. The mean of the views' common variates holds what they share with less of what
 * each adds to it by chance, so it is what u must be denied. The decoders d_m are only needed here.
 */
#include "model/individual.h"
#include "model/represent.h"

#include <math.h>
#include <string.h>

#define KERNEL_RIDGE 0.1 /* on standardized features */
#define LINEAR_RIDGE 1e-4
#define ALPHA 2.0
enum {
    DECODED = 1000,
    WHITENED = 1000
};                        /* rows that are decoded in a step; that tell what
                               whitens the others      */
#define WHITEN_RIDGE 1e-4 /* outputs begin with variance 1 */

/* ---- the terms on standardized u [n, q]; each adds its gradient to du -------------- */

static void add(const double *x, int64_t n, double factor, double *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += factor * x[i];
}

/* alpha K(u_m, c_m) and alpha K(u_m, u_l), with their gradients. */
static mucmm_status linear_terms(mucmm__fit *f, mucmm__individual *w, double *value)
{
    mucmm_status status = MUCMM_OK;
    double k_value;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t size = w->u[m].rows * w->u[m].cols;
        if (size == 0)
            continue;
        TRY(mucmm__correlation_min(f->ctx, &w->u[m], &w->c[m], LINEAR_RIDGE, &k_value, w->d_u,
                                   NULL));
        *value += ALPHA * k_value;
        add(w->d_u, size, ALPHA, w->du[m].data);
        for (int32_t l = 0; l < m; l++) {
            if (w->u[l].cols == 0)
                continue;
            TRY(mucmm__correlation_min(f->ctx, &w->u[m], &w->u[l], LINEAR_RIDGE, &k_value, w->d_u,
                                       w->d_other));
            *value += ALPHA * k_value;
            add(w->d_u, size, ALPHA, w->du[m].data);
            add(w->d_other, w->u[l].rows * w->u[l].cols, ALPHA, w->du[l].data);
        }
    }
done:
    return status;
}

/* phi(u_m), standardized. */
static mucmm__block draw_features(mucmm__fit *f, mucmm__individual *w, int32_t m, uint64_t key)
{
    int64_t n = w->u[m].rows, d = w->features;
    mucmm__block phi = {w->phi, n, d};

    mucmm__fourier_draw(key, w->u[m].cols, d, w->omega, w->phase);
    mucmm__fourier_features(f->ctx, &w->u[m], d, w->omega, w->phase, w->phi);
    mucmm__standardize(&phi, w->phi_std, w->phi_sd);
    return (mucmm__block){w->phi_std, n, d};
}

/* What a reader of u_m is denied, [n, e + the other views' q]: shared, and the other views' u. K_x
 * is a mean over these columns; scaled so, it is the sum of its values for either block. */
static void take_denied(mucmm__fit *f, mucmm__individual *w, int32_t m)
{
    int64_t n = w->u[m].rows, k = w->shared.cols, others = 0, at = 0;
    double scale;

    for (int32_t l = 0; l < f->model->n_views; l++)
        others += l == m ? 0 : w->u[l].cols;
    w->denied.rows = n;
    w->denied.cols = k + others;
    for (int32_t l = -1; l < f->model->n_views; l++) {
        const mucmm__block *x = l < 0 ? &w->shared : &w->u[l];
        if (l == m)
            continue;
        scale = sqrt((double)(k + others) / (double)(l < 0 ? k : others));
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < x->cols; j++)
                w->denied.data[i * w->denied.cols + at + j] = scale * x->data[i * x->cols + j];
        at += x->cols;
    }
}

/* The gradient for the other views' u, from that for what is denied. */
static void give_denied(mucmm__fit *f, mucmm__individual *w, int32_t m, double factor)
{
    int64_t n = w->u[m].rows, e = w->denied.cols, k = w->shared.cols, at = k;

    for (int32_t l = 0; l < f->model->n_views; l++) {
        int64_t q = w->u[l].cols;
        if (l == m)
            continue;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < q; j++)
                w->du[l].data[i * q + j] +=
                    factor * sqrt((double)e / (double)(e - k)) * w->d_denied[i * e + at + j];
        at += q;
    }
}

/* beta (K_x(phi(u_m), shared) + K_x(phi(u_m), other u)), with its gradients. */
static mucmm_status kernel_term(mucmm__fit *f, mucmm__individual *w, int32_t m, uint64_t key,
                                double *value)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = w->u[m].rows;
    double beta = w->beta, k_value;

    mucmm__fourier_draw(key, w->u[m].cols, w->features, w->omega, w->phase);
    take_denied(f, w, m);
    TRY(mucmm__kernel_penalty_value(f->ctx, w->kernel, &w->u[m], w->omega, w->phase, &w->denied,
                                    KERNEL_RIDGE, &k_value, w->d_u, w->d_denied));
    *value += beta * k_value;
    give_denied(f, w, m, beta);
    add(w->d_u, n * w->u[m].cols, beta, w->du[m].data);
done:
    return status;
}

/* |h - rebuilt|^2 / (n variance); turns rebuilt into its gradient. */
static double reconstruction(const float *h, int64_t size, int64_t n, double variance,
                             float *rebuilt)
{
    double sum = 0, scale = 1 / ((double)n * variance);

    for (int64_t i = 0; i < size; i++) {
        double e = (double)rebuilt[i] - (double)h[i];
        sum += e * e;
        rebuilt[i] = (float)(2 * e * scale);
    }
    return sum * scale;
}

/* Of a view without individual variates the losses of the others need its c alone. */
static mucmm_status take_common(mucmm__individual *w, int32_t m, int64_t n, const float *c)
{
    w->c[m].rows = w->u[m].rows = w->du[m].rows = n;
    mucmm__to_double(c, n * w->c[m].cols, w->c[m].data);
    return MUCMM_OK;
}

/* raw outputs -> u[m] whitened, as the canonical form will have them, by their own covariance or
 * by the one that is there; joint[m] = [c, u] for the decoder. */
static mucmm_status take_outputs(mucmm__fit *f, mucmm__individual *w, int32_t m, int64_t n,
                                 const float *c, bool own)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = w->c[m].cols, q = w->u[m].cols;
    mucmm__block raw = {w->du[m].data, n, q}; /* borrowed: du is zeroed afterwards */

    w->c[m].rows = w->u[m].rows = w->du[m].rows = n;
    mucmm__to_double(c, n * k, w->c[m].data);
    mucmm__to_double(w->raw, n * q, raw.data);
    TRY(own ? mucmm__whiten_rows(f->ctx, &raw, WHITEN_RIDGE, w->mean[m], w->inverse[m],
                                 w->u[m].data)
            : mucmm__whiten_like(f->ctx, &raw, w->mean[m], w->inverse[m], w->u[m].data));
    memset(w->du[m].data, 0, (size_t)(n * q) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        memcpy(w->joint[m] + i * (k + q), c + i * k, (size_t)k * sizeof *c);
        for (int64_t j = 0; j < q; j++)
            w->joint[m][i * (k + q) + k + j] = (float)w->u[m].data[i * q + j];
    }
done:
    return status;
}

/* to [n, cols] = rows of from. */
static void pick(const float *from, int64_t cols, const int64_t *rows, int64_t n, float *to)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * cols, from + rows[i] * cols, (size_t)cols * sizeof *to);
}

/* shared from the c of a batch. psi sees the mean standardized, or the features of a component
 * would depend on how well the views agree on it; the mean itself weighs by that. */
static mucmm_status take_shared(mucmm__fit *f, mucmm__individual *w, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = f->model->k, e = w->shared.cols;
    mucmm__block mean = {w->mean_c, n, k}, raw = {w->psi_raw, n, e};
    double own = sqrt((double)e / (double)k), other = sqrt((double)e / (double)(e - k));

    w->shared.rows = n;
    memset(mean.data, 0, (size_t)(n * k) * sizeof(double));
    for (int32_t m = 0; m < f->model->n_views; m++)
        add(w->c[m].data, n * k, 1.0 / f->model->n_views, mean.data);
    mucmm__standardize(&mean, w->shared.data, w->psi_sd); /* borrowed */
    TRY(mucmm__psi_forward(f->ctx, &w->psi, &(mucmm__block){w->shared.data, n, k}, raw.data));
    mucmm__standardize(&raw, w->shared.data, w->psi_sd);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < e; j++) {
            double *x = &w->shared.data[i * e + j];
            *x = j < k ? own * mean.data[i * k + j] : other * *x;
        }
done:
    return status;
}

/* ---- one step ---------------------------------------------------------------------- */

/* Of the first rows of the batch: a mean over rows is soon known well enough. */
static mucmm_status decode(mucmm__fit *f, mucmm__individual *w, mucmm__trainer *t, int32_t m,
                           double *loss)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__part *d = &w->decoder[m];
    int64_t n = w->rows < DECODED ? w->rows : DECODED, p = f->model->view[m].p, k = f->model->k,
            q = f->model->view[m].q;

    TRY(mucmm__mlp_forward_train(f->ctx, &d->net, t->params + d->params, t->stats + d->stats, n,
                                 w->joint[m], w->decoder_tape[m], w->rebuilt));
    *loss += reconstruction(w->h[m], n * p, n, f->model->view[m].variance, w->rebuilt);
    TRY(mucmm__mlp_backward(f->ctx, &d->net, t->params + d->params, w->decoder_tape[m], w->rebuilt,
                            t->grads + d->params, w->d_joint));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < q; j++)
            w->du[m].data[i * q + j] += (double)w->d_joint[i * (k + q) + k + j];
done:
    return status;
}

/* u[m] of a batch. */
static mucmm_status encode(mucmm__fit *f, mucmm__individual *w, mucmm__trainer *t, int32_t m,
                           const int64_t *rows)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__part *g = &w->head[m], *net = &w->net[m];
    int64_t n = w->rows, q = w->u[m].cols;

    pick(w->c_all[MUCMM__TRAINING][m], f->model->k, rows, n, w->c32[m]);
    if (q == 0)
        return take_common(w, m, n, w->c32[m]);
    TRY(mucmm__batch_features(f, m, rows, n, MUCMM__STAGE_INDIVIDUAL, t->step, w->h[m], w->x[m]));
    pick(w->r_all[MUCMM__TRAINING][m], q, rows, n, w->r[m]);
    TRY(mucmm__mlp_forward_train(f->ctx, &g->net, t->params + g->params, t->stats + g->stats, n,
                                 w->x[m], w->head_tape[m], w->raw));
    TRY(mucmm__mlp_forward_train(f->ctx, &net->net, t->params + net->params, t->stats + net->stats,
                                 n, w->c32[m], w->net_tape[m], w->o[m]));
    mucmm__transport_rows(f->ctx, q, n, w->o[m], w->r[m], w->t);
    for (int64_t i = 0; i < n * q; i++)
        w->raw[i] += w->t[i];
    TRY(take_outputs(f, w, m, n, w->c32[m], true));
done:
    return status;
}

/* From du[m] to the weights of view m. */
static mucmm_status pull(mucmm__fit *f, mucmm__individual *w, mucmm__trainer *t, int32_t m)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__part *g = &w->head[m], *net = &w->net[m];
    int64_t n = w->rows, q = w->u[m].cols;

    TRY(mucmm__whiten_rows_vjp(f->ctx, &w->u[m], w->inverse[m], w->du[m].data, w->d_u));
    for (int64_t i = 0; i < n * q; i++)
        w->raw[i] = (float)w->d_u[i];
    mucmm__transport_rows_vjp(f->ctx, q, n, w->o[m], w->r[m], w->raw, w->d_o, w->t);
    TRY(mucmm__mlp_backward(f->ctx, &net->net, t->params + net->params, w->net_tape[m], w->d_o,
                            t->grads + net->params, NULL));
    TRY(mucmm__mlp_backward(f->ctx, &g->net, t->params + g->params, w->head_tape[m], w->raw,
                            t->grads + g->params, NULL));
done:
    return status;
}

mucmm_status mucmm__individual_step(mucmm__fit *f, mucmm__trainer *t, void *arg,
                                    const int64_t *rows, double *loss)
{
    mucmm_status status = MUCMM_OK;
    mucmm__individual *w = arg;

    *loss = 0;
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(encode(f, w, t, m, rows));
    TRY(take_shared(f, w, w->rows));
    TRY(linear_terms(f, w, loss));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        if (w->u[m].cols == 0)
            continue;
        uint64_t stream = mucmm__stream(MUCMM__STAGE_INDIVIDUAL) + 700000 +
                          (uint64_t)(t->step * f->model->n_views + m);
        TRY(kernel_term(f, w, m, mucmm__rng_key(f->p->seed, stream), loss));
    }
    for (int32_t m = 0; m < f->model->n_views; m++) {
        if (w->u[m].cols == 0)
            continue;
        TRY(decode(f, w, t, m, loss));
        TRY(pull(f, w, t, m));
    }
done:
    return status;
}

/* ---- judging ----------------------------------------------------------------------- */

mucmm_status mucmm__individual_outputs(mucmm__fit *f, mucmm__individual *w, int32_t m,
                                       const mucmm__individual_heads *g, int64_t n, const float *h,
                                       const float *c, const float *r, float *v)
{
    mucmm_status status = MUCMM_OK;
    int64_t q = w->u[m].cols;

    memset(v, 0, (size_t)(n * q) * sizeof *v);
    if (g->head[m].net.out > 0)
        TRY(mucmm__head_forward(f->ctx, &g->head[m], n, h, v));
    if (g->net[m].net.out > 0)
        TRY(mucmm__head_forward(f->ctx, &g->net[m], n, c, w->d_o)); /* borrowed */
    if (g->net[m].net.out > 0)
        mucmm__transport_rows(f->ctx, q, n, w->d_o, r, w->t);
    else
        memcpy(w->t, r, (size_t)(n * q) * sizeof *r);
    for (int64_t i = 0; i < n * q; i++)
        v[i] += w->t[i];
done:
    return status;
}

/* What whitens the outputs of view m: of some training rows. */
static mucmm_status learn_whitening(mucmm__fit *f, mucmm__individual *w,
                                    const mucmm__individual_heads *g, int32_t m)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = w->rows < WHITENED ? w->rows : WHITENED;

    if (g->head[m].net.out > 0)
        TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], f->train, n, w->h[m]));
    TRY(mucmm__individual_outputs(f, w, m, g, n, w->h[m], w->c_all[MUCMM__TRAINING][m],
                                  w->r_all[MUCMM__TRAINING][m], w->raw));
    TRY(take_outputs(f, w, m, n, w->c_all[MUCMM__TRAINING][m], true));
done:
    return status;
}

static mucmm_status encode_choosing(mucmm__fit *f, mucmm__individual *w,
                                    const mucmm__individual_heads *g, int32_t m, int64_t first,
                                    int64_t n)
{
    mucmm_status status = MUCMM_OK;
    const float *c = w->c_all[MUCMM__CHOOSING][m] + first * f->model->k;
    const float *r = w->r_all[MUCMM__CHOOSING][m] + first * w->u[m].cols;

    if (w->u[m].cols == 0)
        return take_common(w, m, n, c);
    if (g->head[m].net.out > 0 || g->decoder[m].net.out > 0)
        TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], f->choosing + first, n,
                            w->h[m]));
    TRY(mucmm__individual_outputs(f, w, m, g, n, w->h[m], c, r, w->raw));
    TRY(take_outputs(f, w, m, n, c, false));
done:
    return status;
}

/* Adds a block's K_x and, where chance is asked for, its variance under independence, weighted by
 * the block's rows. */
static mucmm_status judge_leak(mucmm__fit *f, mucmm__individual *w, int32_t m, int64_t n,
                               bool chance)
{
    mucmm_status status = MUCMM_OK;
    double share = (double)n / (double)f->n_choosing, leak, sd;
    uint64_t key =
        mucmm__rng_key(f->p->seed, mucmm__stream(MUCMM__STAGE_INDIVIDUAL) + 600000 + (uint64_t)m);
    mucmm__block phi_std;

    if (n < 4) /* too few for two halves */
        return MUCMM_OK;
    phi_std = draw_features(f, w, m, key);
    TRY(mucmm__correlation_min_crossfit(f->ctx, &phi_std, &w->shared, KERNEL_RIDGE, &leak, NULL,
                                        NULL));
    w->leak[m] += share * leak;
    if (!chance)
        goto done;
    TRY(mucmm__crossfit_null_sd(f->ctx, &phi_std, &w->shared, KERNEL_RIDGE, &sd));
    w->leak_sd[m] += share * share * sd * sd;
done:
    return status;
}

static mucmm_status judge_choosing(mucmm__fit *f, mucmm__individual *w, const mucmm__head *decoder,
                                   int32_t m, int64_t n, double *loss)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];

    if (decoder->net.out > 0) {
        TRY(mucmm__head_forward(f->ctx, decoder, n, w->joint[m], w->rebuilt));
        *loss += reconstruction(w->h[m], n * v->p, n, v->variance, w->rebuilt);
    }
    TRY(judge_leak(f, w, m, n, decoder->net.out == 0)); /* while training no one asks */
done:
    return status;
}

mucmm_status mucmm__individual_judge(mucmm__fit *f, mucmm__individual *w,
                                     const mucmm__individual_heads *g, double *value)
{
    mucmm_status status = MUCMM_OK;
    int64_t blocks = (f->n_choosing + w->rows - 1) / w->rows;

    *value = w->unexplained = 0;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        w->leak[m] = w->leak_sd[m] = 0;
        if (w->u[m].cols > 0)
            TRY(learn_whitening(f, w, g, m));
    }
    for (int64_t b = 0; b < blocks; b++) {
        int64_t first = b * f->n_choosing / blocks, n = (b + 1) * f->n_choosing / blocks - first;
        double loss = 0;
        for (int32_t m = 0; m < f->model->n_views; m++)
            TRY(encode_choosing(f, w, g, m, first, n));
        TRY(take_shared(f, w, n));
        for (int32_t m = 0; m < f->model->n_views; m++)
            if (w->u[m].cols > 0)
                TRY(judge_choosing(f, w, &g->decoder[m], m, n, &loss));
        w->unexplained += loss * (double)n / (double)f->n_choosing;
    }
    *value -= w->unexplained;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        w->leak_sd[m] = sqrt(w->leak_sd[m]);
        *value -= w->beta * w->leak[m];
    }
done:
    return status;
}

void mucmm__individual_heads_drop(mucmm__individual_heads *g)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__head_drop(&g->head[m]);
        mucmm__head_drop(&g->net[m]);
        mucmm__head_drop(&g->decoder[m]);
    }
}

mucmm_status mucmm__individual_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value)
{
    mucmm_status status = MUCMM_OK;
    mucmm__individual *w = arg;
    mucmm__individual_heads g = {0};

    for (int32_t m = 0; m < f->model->n_views; m++) {
        if (w->u[m].cols == 0)
            continue;
        TRY(mucmm__part_head(f, &w->head[m], t->params, t->stats, &g.head[m]));
        TRY(mucmm__part_head(f, &w->net[m], t->params, t->stats, &g.net[m]));
        TRY(mucmm__part_head(f, &w->decoder[m], t->params, t->stats, &g.decoder[m]));
    }
    TRY(mucmm__individual_judge(f, w, &g, value));
done:
    mucmm__individual_heads_drop(&g);
    return status;
}
