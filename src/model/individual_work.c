/* SPDX-License-Identifier: MIT
 *
 * What training of the individual heads needs: layouts of the networks and buffers of a batch. */
#include "model/fit_rows.h"
#include "model/individual.h"
#include "model/represent.h"
#include "model/view_dimensions.h"

#include <string.h>

#define FOURIER_FEATURES 300
enum { MOST_PAIRED = 8, WAVES = 48 }; /* psi of the mean c: leading components, cosines */

/* A wide individual head over many columns learns by heart to hide c on the training rows, and on
 * others c shows through: its hidden layers are so narrow that the first has at most so many
 * weights a training row, but no narrower than that. */
#define WEIGHTS_PER_ROW 3
#define NARROWEST 48

/* A decoder only says what is still there. */
#define WIDEST_DECODER 128

void mucmm__individual_drop(mucmm__individual *w)
{
    double *const shared[] = {w->omega,  w->phase,   w->phi,         w->phi_std,  w->phi_sd,
                              w->d_u,    w->d_other, w->denied.data, w->d_denied, w->shared.data,
                              w->mean_c, w->psi_raw, w->psi_sd};

    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__tape_free(w->head_tape[m]);
        mucmm__tape_free(w->net_tape[m]);
        mucmm__tape_free(w->decoder_tape[m]);
        mucmm__transport_drop(&w->base[m]);
        for (int part = 0; part < 2; part++) {
            mucmm__free(w->c_all[part][m]);
            mucmm__free(w->r_all[part][m]);
        }
        mucmm__free(w->c32[m]);
        mucmm__free(w->r[m]);
        mucmm__free(w->o[m]);
        mucmm__free(w->h[m]);
        mucmm__free(w->x[m]);
        mucmm__free(w->joint[m]);
        mucmm__free(w->c[m].data);
        mucmm__free(w->u[m].data);
        mucmm__free(w->du[m].data);
        mucmm__free(w->mean[m]);
        mucmm__free(w->inverse[m]);
    }
    mucmm__psi_drop(&w->psi);
    mucmm__kernel_penalty_free(w->kernel);
    mucmm__free(w->raw);
    mucmm__free(w->t);
    mucmm__free(w->d_o);
    mucmm__free(w->rebuilt);
    mucmm__free(w->d_joint);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        mucmm__free(shared[i]);
    *w = (mucmm__individual){0};
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

static mucmm_status layouts(mucmm__fit *f, mucmm__individual *w, int64_t *n_params,
                            int64_t *n_stats)
{
    mucmm_status status = MUCMM_OK;
    *n_params = *n_stats = 0;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t p = f->model->view[m].p, q = f->model->view[m].q, k = f->model->k;
        int64_t narrow[MUCMM_MAX_HIDDEN] = {0}, decoder[MUCMM_MAX_HIDDEN] = {0};
        if (q == 0)
            continue;
        for (int i = 0; i < f->p->n_hidden; i++) {
            int64_t wanted = f->p->hidden[i];
            narrow[i] = head_width(f, p, wanted);
            decoder[i] = wanted < WIDEST_DECODER ? wanted : WIDEST_DECODER;
        }
        TRY(mucmm__mlp_layout(f->ctx, p, narrow, f->p->n_hidden, q, true, false, &w->head[m].net));
        TRY(mucmm__transport_layout(f->ctx, k, q, &w->net[m].net));
        TRY(mucmm__mlp_layout(f->ctx, k + q, decoder, f->p->n_hidden, p, true, true,
                              &w->decoder[m].net));
        place(&w->head[m], n_params, n_stats);
        place(&w->net[m], n_params, n_stats);
        place(&w->decoder[m], n_params, n_stats);
    }
done:
    return status;
}

static mucmm_status view_buffers(mucmm__fit *f, mucmm__individual *w, int32_t m)
{
    mucmm_status status = MUCMM_OK;
    mucmm_ctx *ctx = f->ctx;
    int64_t n = w->rows, p = f->model->view[m].p, q = f->model->view[m].q, k = f->model->k;

    w->c[m] = (mucmm__block){NULL, n, k};
    w->u[m] = w->du[m] = (mucmm__block){NULL, n, q};
    TRY(mucmm__alloc(ctx, n * k, sizeof(double), &w->c[m].data));
    TRY(mucmm__alloc(ctx, n * k, sizeof(float), &w->c32[m]));
    if (q == 0)
        return MUCMM_OK;
    TRY(mucmm__tape_create(ctx, &w->head[m].net, n, &w->head_tape[m]));
    TRY(mucmm__tape_create(ctx, &w->net[m].net, n, &w->net_tape[m]));
    TRY(mucmm__tape_create(ctx, &w->decoder[m].net, n, &w->decoder_tape[m]));
    TRY(mucmm__alloc(ctx, n * p, sizeof(float), &w->h[m]));
    TRY(mucmm__alloc(ctx, n * p, sizeof(float), &w->x[m]));
    TRY(mucmm__alloc(ctx, n * q, sizeof(float), &w->r[m]));
    TRY(mucmm__alloc(ctx, n * mucmm__transport_width(q), sizeof(float), &w->o[m]));
    TRY(mucmm__alloc(ctx, n * (k + q), sizeof(float), &w->joint[m]));
    TRY(mucmm__alloc(ctx, n * q, sizeof(double), &w->u[m].data));
    TRY(mucmm__alloc(ctx, n * q, sizeof(double), &w->du[m].data));
    TRY(mucmm__alloc(ctx, q, sizeof(double), &w->mean[m]));
    TRY(mucmm__alloc(ctx, q * q, sizeof(double), &w->inverse[m]));
done:
    return status;
}

/* c and r of all rows. */
static mucmm_status represent_rows(mucmm__fit *f, mucmm__individual *w, int32_t m)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t k = f->model->k, n_all;

    for (int part = 0; part < 2; part++) {
        const int64_t *rows = mucmm__rows_of(f, (mucmm__rows)part, &n_all);
        float *c, *r;
        TRY(mucmm__alloc(f->ctx, n_all * k, sizeof(float), &w->c_all[part][m]));
        TRY(mucmm__alloc(f->ctx, n_all * v->q, sizeof(float), &w->r_all[part][m]));
        c = w->c_all[part][m];
        r = w->r_all[part][m];
        TRY(mucmm__represent(f->ctx, f->model, &f->model->heads, m, f->data[m], rows, n_all, c,
                             NULL));
        if (v->q == 0)
            continue;
        if (part == MUCMM__TRAINING)
            TRY(mucmm__individual_residual(f, w, m));
        for (int64_t i = 0; i < n_all; i += w->rows) {
            int64_t n = n_all - i < w->rows ? n_all - i : w->rows;
            TRY(mucmm__features(f->ctx, v, f->data[m], rows + i, n, w->h[m]));
            TRY(mucmm__transport_residual(f->ctx, &w->base[m], n, k, w->h[m], c + i * k,
                                          r + i * v->q));
        }
    }
done:
    return status;
}

static mucmm_status shared_buffers(mucmm__fit *f, mucmm__individual *w)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = w->rows, d = w->features, k = f->model->k, widest = 0, e;
    int64_t q = mucmm__most_individual(f->model);

    for (int32_t m = 0; m < f->model->n_views; m++)
        widest = f->model->view[m].p > widest ? f->model->view[m].p : widest;
    TRY(mucmm__psi_alloc(f->ctx, k, k < MOST_PAIRED ? k : MOST_PAIRED, WAVES, &w->psi));
    mucmm__fourier_draw(mucmm__rng_key(f->p->seed, mucmm__stream(MUCMM__STAGE_INDIVIDUAL) + 800000),
                        k, WAVES, w->psi.omega, w->psi.phase);
    e = w->shared.cols = mucmm__psi_width(&w->psi);
    TRY(mucmm__alloc(f->ctx, n * e, sizeof(double), &w->shared.data));
    TRY(mucmm__alloc(f->ctx, n * k, sizeof(double), &w->mean_c));
    TRY(mucmm__alloc(f->ctx, n * e, sizeof(double), &w->psi_raw));
    TRY(mucmm__alloc(f->ctx, e, sizeof(double), &w->psi_sd));
    TRY(mucmm__alloc(f->ctx, n * (e + q * f->model->n_views), sizeof(double), &w->denied.data));
    TRY(mucmm__alloc(f->ctx, n * (e + q * f->model->n_views), sizeof(double), &w->d_denied));
    TRY(mucmm__alloc(f->ctx, n * q, sizeof(float), &w->raw));
    TRY(mucmm__alloc(f->ctx, n * q, sizeof(float), &w->t));
    TRY(mucmm__alloc(f->ctx, n * mucmm__transport_width(q), sizeof(float), &w->d_o));
    TRY(mucmm__alloc(f->ctx, n * widest, sizeof(float), &w->rebuilt));
    TRY(mucmm__alloc(f->ctx, n * (k + q), sizeof(float), &w->d_joint));
    TRY(mucmm__alloc(f->ctx, q * d, sizeof(double), &w->omega));
    TRY(mucmm__alloc(f->ctx, d, sizeof(double), &w->phase));
    TRY(mucmm__alloc(f->ctx, d, sizeof(double), &w->phi_sd));
    TRY(mucmm__alloc(f->ctx, n * d, sizeof(double), &w->phi));
    TRY(mucmm__alloc(f->ctx, n * d, sizeof(double), &w->phi_std));
    TRY(mucmm__kernel_penalty_create(f->ctx, n, q, d, e + q * f->model->n_views, &w->kernel));
    TRY(mucmm__alloc(f->ctx, n * q, sizeof(double), &w->d_u));
    TRY(mucmm__alloc(f->ctx, n * q, sizeof(double), &w->d_other));
done:
    return status;
}

mucmm_status mucmm__individual_create(mucmm__fit *f, mucmm__individual *w, int64_t *n_params,
                                      int64_t *n_stats)
{
    mucmm_status status = MUCMM_OK;

    w->rows = mucmm__individual_batch(f);
    /* halves of the batch must be able to tell the features from noise */
    w->features = FOURIER_FEATURES < w->rows / 3 ? FOURIER_FEATURES : w->rows / 3;
    TRY(layouts(f, w, n_params, n_stats));
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(view_buffers(f, w, m));
    TRY(shared_buffers(f, w));
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(represent_rows(f, w, m));
done:
    return status;
}

void mucmm__individual_start(mucmm__fit *f, const mucmm__individual *w, const mucmm__part *nets,
                             const mucmm__trainer *from, mucmm__trainer *t)
{
    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__part *head = &w->head[m], *net = &w->net[m], *decoder = &w->decoder[m];
        if (f->model->view[m].q == 0)
            continue;
        uint64_t stream = mucmm__stream(MUCMM__STAGE_INDIVIDUAL) + 500000 + (uint64_t)(2 * m);
        mucmm__mlp_init_zero(&head->net, mucmm__rng_key(f->p->seed, stream),
                             t->params + head->params, t->stats + head->stats);
        mucmm__mlp_init(&decoder->net, mucmm__rng_key(f->p->seed, stream + 1),
                        t->params + decoder->params, t->stats + decoder->stats);
        memcpy(t->params + net->params, from->best_params + nets[m].params,
               (size_t)net->net.n_params * sizeof *t->params);
        memcpy(t->stats + net->stats, from->best_stats + nets[m].stats,
               (size_t)net->net.n_stats * sizeof *t->stats);
    }
}
