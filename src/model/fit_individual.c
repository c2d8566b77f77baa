/* SPDX-License-Identifier: MIT
 *
 * Training of the individual heads by correlation minimization: section 3 of the method.
 *
 *   L = sum_m [ |h_m - d_m(c_m, u_m)|^2 / (n tr Cov h_m) + alpha K(u_m, c_m)
 *               + beta (K_x(phi(u_m), c) + K_x(phi(u_m), u_others)) ]
 *       + alpha sum_{m<l} K(u_m, u_l),   c = mean over the views of c_m
 *
 * with the common heads frozen, u standardized on the batch, phi fresh random Fourier features
 * in every step. The mean of the views' common variates holds what they share with less of what
 * each adds to it by chance, so it is what u must be denied. The decoders d_m are only needed here.
 */
#include "model/fit_individual.h"

#include "model/checkpoint.h"
#include "model/represent.h"
#include "model/train.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define FOURIER_FEATURES 600
#define KERNEL_RIDGE 0.1 /* on standardized features */
#define LINEAR_RIDGE 1e-4

/* A wide individual head over many columns learns by heart to hide c on the training rows, and on
 * others c shows through: its hidden layers are so narrow that the first has at most so many
 * weights a training row, but no narrower than that. */
#define WEIGHTS_PER_ROW 1
#define NARROWEST 48

/* Relative ridge of the linear decoder behind the closed form. */
#define DECODER_RIDGE 1e-8

/* beta that chooses itself: where it begins, the factor it is moved by, and the share of the epochs
 * and of the learning rate that an attempt at another one takes. */
#define BETA_START 10.0
#define BETA_FACTOR 4.0
#define TUNING_EPOCHS 3
#define TUNING_RATE 0.5

/* Finished networks, to be judged. */
typedef struct networks {
    mucmm__head head[MUCMM_MAX_VIEWS], decoder[MUCMM_MAX_VIEWS];
} networks;

static void networks_drop(networks *g)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__head_drop(&g->head[m]);
        mucmm__head_drop(&g->decoder[m]);
    }
}

typedef struct individual_work {
    mucmm__part head[MUCMM_MAX_VIEWS], decoder[MUCMM_MAX_VIEWS];
    float *c_train[MUCMM_MAX_VIEWS], *c_held_out[MUCMM_MAX_VIEWS]; /* [rows, k] */
    /* of one batch of at most `rows` rows */
    int64_t rows, features;
    mucmm__tape *head_tape[MUCMM_MAX_VIEWS], *decoder_tape[MUCMM_MAX_VIEWS];
    float *h[MUCMM_MAX_VIEWS], *x[MUCMM_MAX_VIEWS]; /* [rows, p]: clean, noisy */
    float *raw;                                     /* [rows, q] */
    float *joint[MUCMM_MAX_VIEWS];                  /* [rows, k + q]: c beside u */
    float *rebuilt, *d_joint;                       /* [rows, p], [rows, k + q] */
    mucmm__block c[MUCMM_MAX_VIEWS], u[MUCMM_MAX_VIEWS], du[MUCMM_MAX_VIEWS];
    mucmm__block shared; /* mean over views of c */
    mucmm__block denied; /* [rows, k + q of the other views], for one view at a time */
    double *d_denied;
    double *sd[MUCMM_MAX_VIEWS]; /* [q] of the raw outputs on this batch */
    double *omega, *phase, *phi, *phi_std, *phi_sd, *d_phi, *d_phi_std, *d_u, *d_other;
    double beta; /* of the training that is under way */
    /* of the last judging: held-out K_x of each view, its standard deviation if there is no leak,
     * and the sum of the views' reconstruction */
    double leak[MUCMM_MAX_VIEWS], leak_sd[MUCMM_MAX_VIEWS], unexplained;
} individual_work;

/* ---- the terms on standardized u [n, q]; each adds its gradient to du -------------- */

static void add(const double *x, int64_t n, double factor, double *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += factor * x[i];
}

/* alpha K(u_m, c_m) and alpha K(u_m, u_l). */
static mucmm_status linear_terms(mucmm__fit *f, individual_work *w, bool gradient, double *value)
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
static mucmm__block draw_features(mucmm__fit *f, individual_work *w, int32_t m, uint64_t key)
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
static void take_denied(mucmm__fit *f, individual_work *w, int32_t m)
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
static void give_denied(mucmm__fit *f, individual_work *w, int32_t m, double factor)
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
static mucmm_status kernel_term(mucmm__fit *f, individual_work *w, int32_t m, uint64_t key,
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
static void take_outputs(individual_work *w, int32_t m, int64_t n)
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

static void take_common(individual_work *w, int32_t m, const float *c, const int64_t *rows,
                        int64_t n)
{
    int64_t k = w->c[m].cols;

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++)
            w->c[m].data[i * k + j] = c[(rows ? rows[i] : i) * k + j];
}

static void average_common(individual_work *w, int32_t n_views, int64_t n)
{
    int64_t size = n * w->shared.cols;

    w->shared.rows = n;
    memset(w->shared.data, 0, (size_t)size * sizeof(double));
    for (int32_t m = 0; m < n_views; m++)
        add(w->c[m].data, size, 1.0 / n_views, w->shared.data);
}

/* ---- one step ---------------------------------------------------------------------- */

static mucmm_status decode(mucmm__fit *f, individual_work *w, mucmm__trainer *t, int32_t m,
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

static mucmm_status individual_step(mucmm__fit *f, mucmm__trainer *t, void *arg,
                                    const int64_t *rows, double *loss)
{
    mucmm_status status = MUCMM_OK;
    individual_work *w = arg;
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

static mucmm_status encode_held_out(mucmm__fit *f, individual_work *w, const mucmm__head *head,
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
static mucmm_status judge_leak(mucmm__fit *f, individual_work *w, int32_t m, int64_t n)
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

static mucmm_status judge_held_out(mucmm__fit *f, individual_work *w, const mucmm__head *decoder,
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
static mucmm_status judge(mucmm__fit *f, individual_work *w, const networks *g, double *value)
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

static mucmm_status individual_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value)
{
    mucmm_status status = MUCMM_OK;
    individual_work *w = arg;
    networks g = {0};

    for (int32_t m = 0; m < f->model->n_views; m++) {
        TRY(mucmm__part_head(f, &w->head[m], t->params, t->stats, &g.head[m]));
        TRY(mucmm__part_head(f, &w->decoder[m], t->params, t->stats, &g.decoder[m]));
    }
    TRY(judge(f, w, &g, value));
done:
    networks_drop(&g);
    return status;
}

/* ---- setting up -------------------------------------------------------------------- */

static void work_drop(individual_work *w)
{
    double *const shared[] = {w->omega,   w->phase,       w->phi,       w->phi_std,
                              w->phi_sd,  w->d_phi,       w->d_phi_std, w->d_u,
                              w->d_other, w->denied.data, w->d_denied};

    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__tape_free(w->head_tape[m]);
        mucmm__tape_free(w->decoder_tape[m]);
        mucmm__free(w->c_train[m]);
        mucmm__free(w->c_held_out[m]);
        mucmm__free(w->h[m]);
        mucmm__free(w->x[m]);
        mucmm__free(w->joint[m]);
        mucmm__free(w->c[m].data);
        mucmm__free(w->u[m].data);
        mucmm__free(w->du[m].data);
        mucmm__free(w->sd[m]);
    }
    mucmm__free(w->shared.data);
    mucmm__free(w->raw);
    mucmm__free(w->rebuilt);
    mucmm__free(w->d_joint);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        mucmm__free(shared[i]);
    *w = (individual_work){0};
}

static void place(mucmm__part *part, int64_t *n_params, int64_t *n_stats)
{
    part->params = *n_params;
    part->stats = *n_stats;
    *n_params += part->net.n_params;
    *n_stats += part->net.n_stats;
}

static int64_t head_width(const mucmm__fit *f, int64_t p, int64_t wanted)
{
    int64_t most = WEIGHTS_PER_ROW * f->n_train / p;

    most = most > NARROWEST ? most : NARROWEST;
    return wanted < most ? wanted : most;
}

static mucmm_status layouts(mucmm__fit *f, individual_work *w, int64_t *n_params, int64_t *n_stats)
{
    mucmm_status status = MUCMM_OK;
    *n_params = *n_stats = 0;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t p = f->model->view[m].p, q = f->model->view[m].q, narrow[MUCMM_MAX_HIDDEN] = {0};
        for (int i = 0; i < f->p->n_hidden; i++)
            narrow[i] = head_width(f, p, f->p->hidden[i]);
        TRY(mucmm__mlp_layout(f->ctx, p, narrow, f->p->n_hidden, q, true, false, &w->head[m].net));
        TRY(mucmm__mlp_layout(f->ctx, f->model->k + q, f->p->hidden, f->p->n_hidden, p, true, true,
                              &w->decoder[m].net));
        place(&w->head[m], n_params, n_stats);
        place(&w->decoder[m], n_params, n_stats);
    }
done:
    return status;
}

static mucmm_status view_buffers(mucmm__fit *f, individual_work *w, int32_t m)
{
    mucmm_status status = MUCMM_OK;
    mucmm_ctx *ctx = f->ctx;
    int64_t n = w->rows, p = f->model->view[m].p, q = f->model->view[m].q, k = f->model->k;

    w->c[m] = (mucmm__block){NULL, n, k};
    w->u[m] = w->du[m] = (mucmm__block){NULL, n, q};
    TRY(mucmm__tape_create(ctx, &w->head[m].net, n, &w->head_tape[m]));
    TRY(mucmm__tape_create(ctx, &w->decoder[m].net, n, &w->decoder_tape[m]));
    TRY(mucmm__alloc(ctx, f->n_train * k, sizeof(float), &w->c_train[m]));
    TRY(mucmm__alloc(ctx, f->n_held_out * k, sizeof(float), &w->c_held_out[m]));
    TRY(mucmm__alloc(ctx, n * p, sizeof(float), &w->h[m]));
    TRY(mucmm__alloc(ctx, n * p, sizeof(float), &w->x[m]));
    TRY(mucmm__alloc(ctx, n * (k + q), sizeof(float), &w->joint[m]));
    TRY(mucmm__alloc(ctx, n * k, sizeof(double), &w->c[m].data));
    TRY(mucmm__alloc(ctx, n * q, sizeof(double), &w->u[m].data));
    TRY(mucmm__alloc(ctx, n * q, sizeof(double), &w->du[m].data));
    TRY(mucmm__alloc(ctx, q, sizeof(double), &w->sd[m]));
    TRY(mucmm__represent(ctx, f->model, &f->model->heads, m, f->data[m], f->train, f->n_train,
                         w->c_train[m], NULL));
    TRY(mucmm__represent(ctx, f->model, &f->model->heads, m, f->data[m], f->held_out, f->n_held_out,
                         w->c_held_out[m], NULL));
done:
    return status;
}

static mucmm_status shared_buffers(mucmm__fit *f, individual_work *w)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = w->rows, d = w->features, k = f->model->k, widest = 0, q = f->p->individual;

    for (int32_t m = 0; m < f->model->n_views; m++)
        widest = f->model->view[m].p > widest ? f->model->view[m].p : widest;
    w->shared.cols = k;
    TRY(mucmm__alloc(f->ctx, n * k, sizeof(double), &w->shared.data));
    TRY(mucmm__alloc(f->ctx, n * (k + q * f->model->n_views), sizeof(double), &w->denied.data));
    TRY(mucmm__alloc(f->ctx, n * (k + q * f->model->n_views), sizeof(double), &w->d_denied));
    TRY(mucmm__alloc(f->ctx, n * q, sizeof(float), &w->raw));
    TRY(mucmm__alloc(f->ctx, n * widest, sizeof(float), &w->rebuilt));
    TRY(mucmm__alloc(f->ctx, n * (k + q), sizeof(float), &w->d_joint));
    TRY(mucmm__alloc(f->ctx, q * d, sizeof(double), &w->omega));
    TRY(mucmm__alloc(f->ctx, d, sizeof(double), &w->phase));
    TRY(mucmm__alloc(f->ctx, d, sizeof(double), &w->phi_sd));
    double **const wide[] = {&w->phi, &w->phi_std, &w->d_phi, &w->d_phi_std};
    for (int i = 0; i < 4; i++)
        TRY(mucmm__alloc(f->ctx, n * d, sizeof(double), wide[i]));
    TRY(mucmm__alloc(f->ctx, n * q, sizeof(double), &w->d_u));
    TRY(mucmm__alloc(f->ctx, n * q, sizeof(double), &w->d_other));
done:
    return status;
}

static mucmm_status work_init(mucmm__fit *f, individual_work *w, int64_t *n_params,
                              int64_t *n_stats)
{
    mucmm_status status = MUCMM_OK;

    w->rows = f->batch;
    /* halves of the batch must be able to tell the features from noise */
    w->features = FOURIER_FEATURES < f->batch / 3 ? FOURIER_FEATURES : f->batch / 3;
    TRY(layouts(f, w, n_params, n_stats));
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(view_buffers(f, w, m));
    TRY(shared_buffers(f, w));
done:
    return status;
}

static void initialize(mucmm__fit *f, const individual_work *w, mucmm__trainer *t)
{
    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__part *parts[] = {&w->head[m], &w->decoder[m]};
        for (int i = 0; i < 2; i++)
            mucmm__mlp_init(&parts[i]->net,
                            mucmm__rng_key(f->p->seed, mucmm__stream(MUCMM__STAGE_INDIVIDUAL) +
                                                           500000 + (uint64_t)(2 * m + i)),
                            t->params + parts[i]->params, t->stats + parts[i]->stats);
    }
}

/* Trains from random weights, or from the best ones of `from`; or takes the stage as the checkpoint
 * has it. */
static mucmm_status run_stage(mucmm__fit *f, individual_work *w, mucmm__stage stage, double beta,
                              const mucmm__trainer *from, int64_t n_params, int64_t n_stats)
{
    mucmm_status status = MUCMM_OK;
    static const char *const names[] = {"individual heads", "individual heads, another beta",
                                        "individual heads, a third beta"};
    mucmm__trainer *t = &f->stage[stage];
    mucmm__problem problem = {names[stage - MUCMM__STAGE_INDIVIDUAL],
                              f->p->individual_epochs,
                              individual_step,
                              individual_evaluate,
                              w,
                              1};

    w->beta = beta;
    TRY(mucmm__check_restored(f, stage, n_params, n_stats));
    if (f->stage_now > (int32_t)stage)
        goto done;
    f->stage_now = stage; /* a stage before it may have been left out */
    if (!t->params)
        TRY(mucmm__trainer_create(f->ctx, n_params, n_stats, t));
    if (t->epoch == 0 && !from)
        initialize(f, w, t);
    if (t->epoch == 0 && from) {
        memcpy(t->params, from->best_params, (size_t)n_params * sizeof *t->params);
        memcpy(t->stats, from->best_stats, (size_t)n_stats * sizeof *t->stats);
    }
    if (from) {
        problem.epochs = (problem.epochs + TUNING_EPOCHS - 1) / TUNING_EPOCHS;
        problem.rate = TUNING_RATE;
    }
    for (int32_t m = 0; m < f->model->n_views; m++) {
        mucmm__mlp_decay_mask(&w->head[m].net, t->mask + w->head[m].params);
        mucmm__mlp_decay_mask(&w->decoder[m].net, t->mask + w->decoder[m].params);
    }
    TRY(mucmm__train(f, stage, &problem));
    f->stage_now = stage + 1;
    TRY(mucmm__checkpoint_save(f));
done:
    return status;
}

/* ---- a beta that chooses itself ---------------------------------------------------- */

/* What held-out rows say of the best weights of a stage. */
typedef struct verdict {
    double leak[MUCMM_MAX_VIEWS], sd[MUCMM_MAX_VIEWS], unexplained;
} verdict;

static void tell(mucmm__fit *f, double beta, const verdict *v)
{
    for (int32_t m = 0; m < f->model->n_views; m++)
        mucmm__info(f->ctx,
                    "individual heads, beta %g: held-out K_x of '%s' %.5f, by chance +- %.5f", beta,
                    f->model->view[m].name, v->leak[m], v->sd[m]);
    mucmm__info(f->ctx, "individual heads, beta %g: held-out rows not rebuilt %.4f", beta,
                v->unexplained);
}

static mucmm_status judge_stage(mucmm__fit *f, individual_work *w, mucmm__stage stage, verdict *v)
{
    mucmm_status status = MUCMM_OK;
    mucmm__trainer best = f->stage[stage]; /* a view of it */
    double value;

    best.params = best.best_params;
    best.stats = best.best_stats;
    TRY(individual_evaluate(f, &best, w, &value));
    v->unexplained = w->unexplained;
    memcpy(v->leak, w->leak, sizeof v->leak);
    memcpy(v->sd, w->leak_sd, sizeof v->sd);
    tell(f, w->beta, v);
done:
    return status;
}

/* By more than chance does. */
static bool leaks_more(int32_t n_views, const verdict *now, const verdict *then)
{
    for (int32_t m = 0; m < n_views; m++)
        if (now->leak[m] > then->leak[m] + then->sd[m])
            return true;
    return false;
}

static bool leaks(int32_t n_views, const verdict *v)
{
    for (int32_t m = 0; m < n_views; m++)
        if (v->leak[m] > 2 * v->sd[m])
            return true;
    return false;
}

/* Up from a gentle start, as long as held-out rows see a leak and more of beta does not widen it;
 * *chosen: the stage. */
static mucmm_status choose_beta(mucmm__fit *f, individual_work *w, int64_t n_params,
                                int64_t n_stats, mucmm__stage *chosen)
{
    mucmm_status status = MUCMM_OK;
    int32_t n_views = f->model->n_views;
    double beta = BETA_START;
    verdict best = {0}, now = {0};

    TRY(run_stage(f, w, MUCMM__STAGE_INDIVIDUAL, beta, NULL, n_params, n_stats));
    TRY(judge_stage(f, w, MUCMM__STAGE_INDIVIDUAL, &best));
    *chosen = MUCMM__STAGE_INDIVIDUAL;
    for (int i = 1; i <= MUCMM__TUNED && leaks(n_views, &best); i++) {
        mucmm__stage stage = MUCMM__STAGE_INDIVIDUAL + i;
        TRY(run_stage(f, w, stage, beta * BETA_FACTOR, &f->stage[*chosen], n_params, n_stats));
        TRY(judge_stage(f, w, stage, &now));
        if (leaks_more(n_views, &now, &best))
            break;
        best = now;
        beta *= BETA_FACTOR;
        *chosen = stage;
    }
    mucmm__info(f->ctx, "individual heads: beta %g was chosen on the held-out rows", beta);
    f->model->params.beta = beta;
done:
    return status;
}

/* ---- canonical form ---------------------------------------------------------------- */

/* On the training rows, with v the raw outputs: r = v - B'c with B = Cov(c)^-1 Cov(c, v), so Cov(r,
 * c) = 0; r is whitened by the eigenvectors of its covariance and rotated by those of Cov(r, h)
 * Cov(h, r), so the columns of u are ordered by how much of h each explains. u = A'(v - mean) -
 * A'B' (c - mean c). */

typedef struct canonical_moments {
    int64_t k, q;
    double *mean, *cov; /* of [c, v]: [k + q], [k + q, k + q] */
    double *mean_h;     /* [p] */
    double *cross;      /* Cov(h, [c, v]) [p, k + q] */
} canonical_moments;

static void canonical_moments_drop(canonical_moments *c)
{
    mucmm__free(c->mean);
    mucmm__free(c->cov);
    mucmm__free(c->mean_h);
    mucmm__free(c->cross);
}

static mucmm_status push_rows(mucmm__fit *f, individual_work *w, int32_t m, const mucmm__head *head,
                              mucmm__moments *own, mucmm__moments *cross)
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

static mucmm_status training_moments(mucmm__fit *f, individual_work *w, int32_t m,
                                     const mucmm__head *head, canonical_moments *c)
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
static mucmm_status regress_on_common(mucmm_ctx *ctx, const canonical_moments *c, double *b)
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
                        "--beta or --alpha",
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
                    "%.1f of %" PRId64 "; give a smaller --individual%s",
                    f->model->view[m].name, exp(entropy), q, f->p->beta < 0 ? "" : " or --beta");
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

static mucmm_status canonical_form(mucmm__fit *f, individual_work *w, int32_t m,
                                   mucmm__view_heads *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = f->model->k, q = f->model->view[m].q, p = f->model->view[m].p;
    canonical_moments c = {0};
    double *b = NULL, *cov_r = NULL, *cross_r = NULL, *a = NULL;

    TRY(training_moments(f, w, m, &out->individual, &c));
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
    canonical_moments_drop(&c);
    mucmm__free(b);
    mucmm__free(cov_r);
    mucmm__free(cross_r);
    mucmm__free(a);
    return status;
}

/* ---- the closed form --------------------------------------------------------------- */

/* The least squares decoder of [c, u], u standardized, from their moments on the training rows. */
static mucmm_status linear_decoder(mucmm__fit *f, int64_t p, const canonical_moments *c,
                                   mucmm__head *decoder)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = c->k, width = c->k + c->q;
    double *gram = NULL, *weights = NULL, *sd = NULL, trace = 0;

    TRY(mucmm__alloc(f->ctx, width * width, sizeof *gram, &gram));
    TRY(mucmm__alloc(f->ctx, width * p, sizeof *weights, &weights));
    TRY(mucmm__alloc(f->ctx, width, sizeof *sd, &sd));
    for (int64_t i = 0; i < width; i++) {
        double variance = c->cov[i * (width + 1)];
        sd[i] = i < k || !(variance > 0) ? 1 : sqrt(variance);
    }
    for (int64_t i = 0; i < width; i++) {
        for (int64_t j = 0; j < width; j++)
            gram[i * width + j] = c->cov[i * width + j] / (sd[i] * sd[j]);
        for (int64_t j = 0; j < p; j++)
            weights[i * p + j] = c->cross[j * width + i] / sd[i];
        trace += gram[i * (width + 1)];
    }
    for (int64_t i = 0; i < width; i++)
        gram[i * (width + 1)] += DECODER_RIDGE * trace / (double)width;
    TRY(mucmm__cholesky(f->ctx, width, gram, "the covariance of c and u"));
    TRY(mucmm__solve_lower(f->ctx, false, width, p, gram, weights));
    TRY(mucmm__solve_lower(f->ctx, true, width, p, gram, weights));
    TRY(mucmm__linear_head(f->ctx, width, p, weights, decoder));
    for (int64_t j = 0; j < p; j++) {
        double offset = c->mean_h[j]; /* u is centred already */
        for (int64_t i = 0; i < k; i++)
            offset -= c->mean[i] * weights[i * p + j];
        decoder->offset[j] = (float)offset;
    }
done:
    mucmm__free(gram);
    mucmm__free(weights);
    mucmm__free(sd);
    return status;
}

/* Behind common heads that are the closed form: its individual ones are kept if trained ones have
 * no smaller loss on the held-out rows. */
static mucmm_status prefer_closed_form(mucmm__fit *f, individual_work *w, double trained,
                                       bool *kept)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    networks g = {0};
    canonical_moments c = {0};
    double closed;

    for (int32_t m = 0; m < model->n_views; m++) {
        const mucmm__head *head = &model->linear.view[m].individual;
        TRY(mucmm__head_copy(f->ctx, head, &g.head[m]));
        TRY(training_moments(f, w, m, head, &c));
        TRY(linear_decoder(f, model->view[m].p, &c, &g.decoder[m]));
        canonical_moments_drop(&c);
        c = (canonical_moments){0};
    }
    TRY(judge(f, w, &g, &closed));
    *kept = closed >= trained;
    if (!*kept)
        goto done;
    mucmm__info(f->ctx,
                "individual heads: the closed form is kept, its held-out loss is %.4f, that of "
                "trained heads %.4f",
                -closed, -trained);
    for (int32_t m = 0; m < model->n_views; m++) {
        model->heads.view[m].individual = g.head[m];
        g.head[m] = (mucmm__head){0};
    }
    model->individual_closed = true;
done:
    canonical_moments_drop(&c);
    networks_drop(&g);
    return status;
}

/* A view without individual dimensions still has a head, of no outputs. */
static mucmm_status empty_heads(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__head_empty(f->ctx, f->model->view[m].p, &f->model->heads.view[m].individual));
done:
    return status;
}

mucmm_status mucmm__fit_individual(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    individual_work w = {0};
    mucmm__stage chosen = MUCMM__STAGE_INDIVIDUAL;
    const mucmm__trainer *t;
    int64_t n_params, n_stats;
    bool closed = false;

    if (f->p->individual == 0)
        return empty_heads(f);
    TRY(work_init(f, &w, &n_params, &n_stats));
    if (f->p->beta < 0)
        TRY(choose_beta(f, &w, n_params, n_stats, &chosen));
    else
        TRY(run_stage(f, &w, chosen, f->p->beta, NULL, n_params, n_stats));
    t = &f->stage[chosen];
    w.beta = f->model->params.beta;
    if (f->model->start < 0)
        TRY(prefer_closed_form(f, &w, t->best, &closed));
    for (int32_t m = 0; m < f->model->n_views && !closed; m++) {
        mucmm__view_heads *out = &f->model->heads.view[m];
        TRY(mucmm__part_head(f, &w.head[m], t->best_params, t->best_stats, &out->individual));
        TRY(canonical_form(f, &w, m, out));
    }
done:
    work_drop(&w);
    return status;
}
