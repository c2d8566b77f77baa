/* SPDX-License-Identifier: MIT
 *
 * The loss of the individual heads with its gradient, and how it is judged on held-out rows:
 * section 3 of the method.
 *
 *   L = sum_m [ |h_m - d_m(c_m, u_m)|^2 / (n tr Cov h_m) + alpha K(u_m, c_m)
 *               + beta (K_x(phi(u_m), c) + K_x(phi(u_m), u_others)) ]
 *       + alpha sum_{m<l} K(u_m, u_l),   c = mean over the views of c_m
 *
 * with the common heads frozen, u standardized on the batch, phi fresh random Fourier features
 * in every step. The mean of the views' common variates holds what they share with less of what
 * each adds to it by chance, so it is what u must be denied. The decoders d_m are only needed here.
 */
#include "model/individual.h"
#include "model/represent.h"

#include <math.h>
#include <string.h>

#define KERNEL_RIDGE 0.1 /* on standardized features */
#define LINEAR_RIDGE 1e-4

/* ---- the terms on standardized u [n, q]; each adds its gradient to du -------------- */

static void add(const double *x, int64_t n, double factor, double *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += factor * x[i];
}

/* alpha K(u_m, c_m) and alpha K(u_m, u_l). */
static mucmm_status linear_terms(mucmm__fit *f, mucmm__individual *w, bool gradient, double *value)
{
    mucmm_status status = MUCMM_OK;
    double alpha = f->p->alpha, k_value;
    double *one = gradient ? w->d_u : NULL, *two = gradient ? w->d_other : NULL;

    for (int32_t m = 0; m < f->model->n_views && alpha > 0; m++) {
        int64_t size = w->u[m].rows * w->u[m].cols;
        TRY(mucmm__correlation_min(f->ctx, &w->u[m], &w->c[m], LINEAR_RIDGE, &k_value, one, NULL));
        *value += alpha * k_value;
        if (gradient)
            add(one, size, alpha, w->du[m].data);
        for (int32_t l = 0; l < m; l++) {
            TRY(mucmm__correlation_min(f->ctx, &w->u[m], &w->u[l], LINEAR_RIDGE, &k_value, one,
                                       two));
            *value += alpha * k_value;
            if (gradient) {
                add(one, size, alpha, w->du[m].data);
                add(two, size, alpha, w->du[l].data);
            }
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

/* What a reader of u_m is denied, [n, k + the other views' q]: c, and the other views' u. K_x is a
 * sum over these columns; scaled so, it is the sum of its values for either block. */
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

/* beta (K_x(phi(u_m), c) + K_x(phi(u_m), other u)), with its gradients. */
static mucmm_status kernel_term(mucmm__fit *f, mucmm__individual *w, int32_t m, uint64_t key,
                                double *value)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = w->u[m].rows, d = w->features;
    mucmm__block phi_std;
    double beta = w->beta, k_value;

    if (!(beta > 0))
        return MUCMM_OK;
    phi_std = draw_features(f, w, m, key);
    take_denied(f, w, m);
    TRY(mucmm__correlation_min_crossfit(f->ctx, &phi_std, &w->denied, KERNEL_RIDGE, &k_value,
                                        w->d_phi_std, w->d_denied));
    *value += beta * k_value;
    give_denied(f, w, m, beta);
    mucmm__standardize_vjp(&phi_std, w->phi_sd, w->d_phi_std, w->d_phi);
    TRY(mucmm__fourier_features_vjp(f->ctx, &w->u[m], d, w->omega, w->phase, w->d_phi, w->d_u));
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

/* raw outputs -> u[m] standardized, and joint[m] = [c, u] for the decoder. */
static void take_outputs(mucmm__individual *w, int32_t m, int64_t n)
{
    int64_t k = w->c[m].cols, q = w->u[m].cols;
    mucmm__block raw = {w->du[m].data, n, q}; /* borrowed: du is zeroed afterwards */

    w->c[m].rows = w->u[m].rows = w->du[m].rows = n;
    for (int64_t i = 0; i < n * q; i++)
        raw.data[i] = w->raw[i];
    mucmm__standardize(&raw, w->u[m].data, w->sd[m]);
    memset(w->du[m].data, 0, (size_t)(n * q) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < k; j++)
            w->joint[m][i * (k + q) + j] = (float)w->c[m].data[i * k + j];
        for (int64_t j = 0; j < q; j++)
            w->joint[m][i * (k + q) + k + j] = (float)w->u[m].data[i * q + j];
    }
}

static void take_common(mucmm__individual *w, int32_t m, const float *c, const int64_t *rows,
                        int64_t n)
{
    int64_t k = w->c[m].cols;

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++)
            w->c[m].data[i * k + j] = c[(rows ? rows[i] : i) * k + j];
}

static void average_common(mucmm__individual *w, int32_t n_views, int64_t n)
{
    int64_t size = n * w->shared.cols;

    w->shared.rows = n;
    memset(w->shared.data, 0, (size_t)size * sizeof(double));
    for (int32_t m = 0; m < n_views; m++)
        add(w->c[m].data, size, 1.0 / n_views, w->shared.data);
}

/* ---- one step ---------------------------------------------------------------------- */

static mucmm_status decode(mucmm__fit *f, mucmm__individual *w, mucmm__trainer *t, int32_t m,
                           double *loss)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__part *d = &w->decoder[m];
    int64_t n = f->batch, p = f->model->view[m].p, k = f->model->k, q = f->model->view[m].q;

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

mucmm_status mucmm__individual_step(mucmm__fit *f, mucmm__trainer *t, void *arg,
                                    const int64_t *rows, double *loss)
{
    mucmm_status status = MUCMM_OK;
    mucmm__individual *w = arg;
    int64_t n = f->batch;

    *loss = 0;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__part *g = &w->head[m];
        TRY(mucmm__batch_features(f, m, rows, n, MUCMM__STAGE_INDIVIDUAL, t->step, w->h[m],
                                  w->x[m]));
        TRY(mucmm__mlp_forward_train(f->ctx, &g->net, t->params + g->params, t->stats + g->stats, n,
                                     w->x[m], w->head_tape[m], w->raw));
        take_common(w, m, w->c_train[m], rows, n);
        take_outputs(w, m, n);
    }
    average_common(w, f->model->n_views, n);
    TRY(linear_terms(f, w, true, loss));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        uint64_t stream = mucmm__stream(MUCMM__STAGE_INDIVIDUAL) + 700000 +
                          (uint64_t)(t->step * f->model->n_views + m);
        TRY(kernel_term(f, w, m, mucmm__rng_key(f->p->seed, stream), loss));
    }
    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__part *g = &w->head[m];
        TRY(decode(f, w, t, m, loss));
        mucmm__standardize_vjp(&w->u[m], w->sd[m], w->du[m].data, w->d_u);
        for (int64_t i = 0; i < n * w->u[m].cols; i++)
            w->raw[i] = (float)w->d_u[i];
        TRY(mucmm__mlp_backward(f->ctx, &g->net, t->params + g->params, w->head_tape[m], w->raw,
                                t->grads + g->params, NULL));
    }
done:
    return status;
}

/* ---- judging ----------------------------------------------------------------------- */

static mucmm_status encode_held_out(mucmm__fit *f, mucmm__individual *w, const mucmm__head *head,
                                    int32_t m, int64_t first, int64_t n)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], f->held_out + first, n, w->h[m]));
    TRY(mucmm__head_forward(f->ctx, head, n, w->h[m], w->raw));
    take_common(w, m, w->c_held_out[m] + first * f->model->k, NULL, n);
    take_outputs(w, m, n);
done:
    return status;
}

/* Adds a block's K_x and its variance under independence, weighted by the block's rows. */
static mucmm_status judge_leak(mucmm__fit *f, mucmm__individual *w, int32_t m, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    double share = (double)n / (double)f->n_held_out, leak, sd;
    uint64_t key =
        mucmm__rng_key(f->p->seed, mucmm__stream(MUCMM__STAGE_INDIVIDUAL) + 600000 + (uint64_t)m);
    mucmm__block phi_std;

    if (n < 4) /* too few for two halves */
        return MUCMM_OK;
    phi_std = draw_features(f, w, m, key);
    TRY(mucmm__correlation_min_crossfit(f->ctx, &phi_std, &w->shared, KERNEL_RIDGE, &leak, NULL,
                                        NULL));
    TRY(mucmm__crossfit_null_sd(f->ctx, &phi_std, &w->shared, KERNEL_RIDGE, &sd));
    w->leak[m] += share * leak;
    w->leak_sd[m] += share * share * sd * sd;
done:
    return status;
}

static mucmm_status judge_held_out(mucmm__fit *f, mucmm__individual *w, const mucmm__head *decoder,
                                   int32_t m, int64_t n, double *loss)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];

    TRY(mucmm__head_forward(f->ctx, decoder, n, w->joint[m], w->rebuilt));
    *loss += reconstruction(w->h[m], n * v->p, n, v->variance, w->rebuilt);
    TRY(judge_leak(f, w, m, n));
done:
    return status;
}

/* Minus the loss on the held-out rows, in blocks of at most a batch, with the same Fourier
 * features every time so that epochs compare. */
mucmm_status mucmm__individual_judge(mucmm__fit *f, mucmm__individual *w,
                                     const mucmm__individual_heads *g, double *value)
{
    mucmm_status status = MUCMM_OK;
    int64_t blocks = (f->n_held_out + w->rows - 1) / w->rows;

    *value = w->unexplained = 0;
    for (int32_t m = 0; m < f->model->n_views; m++)
        w->leak[m] = w->leak_sd[m] = 0;
    for (int64_t b = 0; b < blocks; b++) {
        int64_t first = b * f->n_held_out / blocks, n = (b + 1) * f->n_held_out / blocks - first;
        double loss = 0;
        for (int32_t m = 0; m < f->model->n_views; m++)
            TRY(encode_held_out(f, w, &g->head[m], m, first, n));
        average_common(w, f->model->n_views, n);
        for (int32_t m = 0; m < f->model->n_views; m++)
            TRY(judge_held_out(f, w, &g->decoder[m], m, n, &loss));
        w->unexplained += loss * (double)n / (double)f->n_held_out;
        loss = 0;
        TRY(linear_terms(f, w, false, &loss));
        *value -= loss * (double)n / (double)f->n_held_out;
    }
    *value -= w->unexplained;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        w->leak_sd[m] = sqrt(w->leak_sd[m]);
        *value -= w->beta * w->leak[m];
    }
done:
    return status;
}

mucmm_status mucmm__individual_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value)
{
    mucmm_status status = MUCMM_OK;
    mucmm__individual *w = arg;
    mucmm__individual_heads g = {0};

    for (int32_t m = 0; m < f->model->n_views; m++) {
        TRY(mucmm__part_head(f, &w->head[m], t->params, t->stats, &g.head[m]));
        TRY(mucmm__part_head(f, &w->decoder[m], t->params, t->stats, &g.decoder[m]));
    }
    TRY(mucmm__individual_judge(f, w, &g, value));
done:
    mucmm__individual_heads_drop(&g);
    return status;
}
