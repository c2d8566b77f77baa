/* SPDX-License-Identifier: MIT
 *
 * What training of the individual heads needs: layouts of the networks and buffers of a batch. */
#include "model/individual.h"
#include "model/represent.h"

#include <string.h>

#define FOURIER_FEATURES 600

/* A wide individual head over many columns learns by heart to hide c on the training rows, and on
 * others c shows through: its hidden layers are so narrow that the first has at most so many
 * weights a training row, but no narrower than that. */
#define WEIGHTS_PER_ROW 1
#define NARROWEST 48

void mucmm__individual_drop(mucmm__individual *w)
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

static mucmm_status view_buffers(mucmm__fit *f, mucmm__individual *w, int32_t m)
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

static mucmm_status shared_buffers(mucmm__fit *f, mucmm__individual *w)
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

mucmm_status mucmm__individual_create(mucmm__fit *f, mucmm__individual *w, int64_t *n_params,
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

void mucmm__individual_start(mucmm__fit *f, const mucmm__individual *w, mucmm__trainer *t)
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

void mucmm__individual_heads_drop(mucmm__individual_heads *g)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__head_drop(&g->head[m]);
        mucmm__head_drop(&g->decoder[m]);
    }
}
