/* SPDX-License-Identifier: MIT
 *
 * The transport of the residuals by maximum likelihood: section 3 of the method.
 *
 *   minimize  sum_m 1/(n q) sum_i [ |T(r_i; c_i)|^2 / 2 - log det L(c_i)L(c_i)' ]
 *
 * If the fit is exact, T(r; c) is standard normal for every c, and with c it still determines r.
 */
#include "model/individual.h"
#include "model/train.h"
#include "model/view_dimensions.h"

#include "model/checkpoint.h"

#include <math.h>
#include <string.h>

/* Noise on c and strong decay: a conditional density is learned by heart soon. */
#define NOISE 0.1f
#define DECAY 100

/* Rows of a step, at most, and at least if there are so many; steps; epochs. */
enum { LARGEST_BATCH = 500, BATCHES = 8, LEAST_BATCH = 64, STEPS = 600, EPOCHS = 10, MOST = 100 };

typedef struct transport_work {
    mucmm__individual *w;
    const mucmm__part *part;
    int64_t batch;
    mucmm__tape *tape[MUCMM_MAX_VIEWS];
    float *c[MUCMM_MAX_VIEWS]; /* [batch, k], read again by the tape */
    float *r, *t, *o, *d_o;    /* [batch, q], [batch, width] */
    float *dr;                 /* [q] */
} transport_work;

static void work_drop(transport_work *w)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__tape_free(w->tape[m]);
        mucmm__free(w->c[m]);
    }
    mucmm__free(w->r);
    mucmm__free(w->t);
    mucmm__free(w->o);
    mucmm__free(w->d_o);
    mucmm__free(w->dr);
}

static mucmm_status work_init(mucmm__fit *f, mucmm__individual *individual, const mucmm__part *part,
                              int64_t batch, transport_work *w)
{
    mucmm_status status = MUCMM_OK;
    int64_t q = mucmm__most_individual(f->model), width = mucmm__transport_width(q);

    *w = (transport_work){.w = individual, .part = part, .batch = batch};
    for (int32_t m = 0; m < f->model->n_views; m++) {
        if (f->model->view[m].q == 0)
            continue;
        TRY(mucmm__tape_create(f->ctx, &part[m].net, batch, &w->tape[m]));
        TRY(mucmm__alloc(f->ctx, batch * f->model->k, sizeof(float), &w->c[m]));
    }
    TRY(mucmm__alloc(f->ctx, batch * q, sizeof(float), &w->r));
    TRY(mucmm__alloc(f->ctx, batch * q, sizeof(float), &w->t));
    TRY(mucmm__alloc(f->ctx, batch * width, sizeof(float), &w->o));
    TRY(mucmm__alloc(f->ctx, batch * width, sizeof(float), &w->d_o));
    TRY(mucmm__alloc(f->ctx, q, sizeof(float), &w->dr));
done:
    return status;
}

/* Minus the log-likelihood of one row, up to a constant; t: scratch [q], then T. */
static double row_loss(int64_t q, const float *o, const float *r, float *t)
{
    double loss = -mucmm__transport_row(q, o, r, t);

    for (int64_t j = 0; j < q; j++)
        loss += (double)t[j] * (double)t[j] / 2;
    return loss;
}

/* c and r of a batch of view m, noise on c. */
static void take_batch(mucmm__fit *f, const transport_work *w, int32_t m, const int64_t *rows,
                       int64_t step)
{
    int64_t n = w->batch, k = f->model->k, q = f->model->view[m].q;
    uint64_t key =
        mucmm__rng_key(f->p->seed, mucmm__stream(MUCMM__STAGE_TRANSPORT) + 500000 + (uint64_t)m);

    for (int64_t i = 0; i < n; i++) {
        memcpy(w->c[m] + i * k, w->w->c_all[MUCMM__TRAINING][m] + rows[i] * k,
               (size_t)k * sizeof(float));
        memcpy(w->r + i * q, w->w->r_all[MUCMM__TRAINING][m] + rows[i] * q,
               (size_t)q * sizeof(float));
    }
    mucmm__add_noise(f->ctx, n * k, NOISE, key, (uint64_t)(step * n * k), w->c[m], w->c[m]);
}

static mucmm_status transport_step(mucmm__fit *f, mucmm__trainer *t, void *arg, const int64_t *rows,
                                   double *loss)
{
    mucmm_status status = MUCMM_OK;
    transport_work *w = arg;
    int64_t n = w->batch;

    *loss = 0;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__part *g = &w->part[m];
        int64_t q = f->model->view[m].q, width = mucmm__transport_width(q);
        double scale = 1 / ((double)n * (double)q);
        if (q == 0)
            continue;
        take_batch(f, w, m, rows, t->step);
        TRY(mucmm__mlp_forward_train(f->ctx, &g->net, t->params + g->params, t->stats + g->stats, n,
                                     w->c[m], w->tape[m], w->o));
        for (int64_t i = 0; i < n; i++) {
            float *x = w->t + i * q;
            *loss += scale * row_loss(q, w->o + i * width, w->r + i * q, x);
            for (int64_t j = 0; j < q; j++)
                x[j] = (float)(scale * (double)x[j]);
            mucmm__transport_row_vjp(q, w->o + i * width, w->r + i * q, x, -scale,
                                     w->d_o + i * width, w->dr);
        }
        TRY(mucmm__mlp_backward(f->ctx, &g->net, t->params + g->params, w->tape[m], w->d_o,
                                t->grads + g->params, NULL));
    }
done:
    return status;
}

/* The mean log-likelihood of the choosing rows, up to a constant. */
static mucmm_status transport_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value)
{
    mucmm_status status = MUCMM_OK;
    transport_work *w = arg;
    int64_t k = f->model->k;
    mucmm__head net = {0};

    *value = 0;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t q = f->model->view[m].q, width = mucmm__transport_width(q);
        if (q == 0)
            continue;
        const float *c = w->w->c_all[MUCMM__CHOOSING][m];
        const float *r = w->w->r_all[MUCMM__CHOOSING][m];
        TRY(mucmm__part_head(f, &w->part[m], t->params, t->stats, &net));
        for (int64_t i = 0; i < f->n_choosing; i += w->batch) {
            int64_t n = f->n_choosing - i < w->batch ? f->n_choosing - i : w->batch;
            TRY(mucmm__head_forward(f->ctx, &net, n, c + i * k, w->o));
            for (int64_t j = 0; j < n; j++)
                *value -= row_loss(q, w->o + j * width, r + (i + j) * q, w->t) /
                          ((double)f->n_choosing * (double)q);
        }
        mucmm__head_drop(&net);
    }
done:
    mucmm__head_drop(&net);
    return status;
}

static mucmm_status layouts(mucmm__fit *f, mucmm__part *parts, int64_t *n_params, int64_t *n_stats)
{
    mucmm_status status = MUCMM_OK;

    *n_params = *n_stats = 0;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        if (f->model->view[m].q > 0)
            TRY(mucmm__transport_layout(f->ctx, f->model->k, f->model->view[m].q, &parts[m].net));
        parts[m].params = *n_params;
        parts[m].stats = *n_stats;
        *n_params += parts[m].net.n_params;
        *n_stats += parts[m].net.n_stats;
    }
done:
    return status;
}

/* Random hidden layers and an output of 0: the identity. */
static void start(mucmm__fit *f, const mucmm__part *parts, mucmm__trainer *t)
{
    for (int32_t m = 0; m < f->model->n_views; m++)
        if (f->model->view[m].q > 0)
            mucmm__mlp_init_zero(&parts[m].net,
                                 mucmm__rng_key(f->p->seed, mucmm__stream(MUCMM__STAGE_TRANSPORT) +
                                                                600000 + (uint64_t)m),
                                 t->params + parts[m].params, t->stats + parts[m].stats);
}

static int64_t batch_size(const mucmm__fit *f)
{
    int64_t batch = f->n_train / BATCHES;

    batch = batch < LARGEST_BATCH ? batch : LARGEST_BATCH;
    batch = batch > LEAST_BATCH ? batch : LEAST_BATCH;
    return batch < f->n_train ? batch : f->n_train;
}

mucmm_status mucmm__fit_transport(mucmm__fit *f, mucmm__individual *individual,
                                  mucmm__part parts[MUCMM_MAX_VIEWS])
{
    mucmm_status status = MUCMM_OK;
    mucmm__stage stage = MUCMM__STAGE_TRANSPORT;
    mucmm__trainer *t = &f->stage[stage];
    transport_work w = {0};
    int64_t n_params, n_stats, batch = batch_size(f), steps = f->n_train / batch;
    int64_t epochs = (STEPS + steps - 1) / steps;
    mucmm__problem problem = {
        "individual part, transport", 0, transport_step, transport_evaluate, &w, 1, DECAY, batch};

    problem.epochs = epochs < EPOCHS ? EPOCHS : epochs > MOST ? MOST : epochs;
    if (problem.epochs > f->p->individual_epochs) /* few were asked for */
        problem.epochs = f->p->individual_epochs;
    TRY(layouts(f, parts, &n_params, &n_stats));
    TRY(mucmm__check_restored(f, stage, n_params, n_stats));
    if (f->stage_now > (int32_t)stage)
        goto done;
    f->stage_now = stage;
    TRY(work_init(f, individual, parts, batch, &w));
    if (!t->params)
        TRY(mucmm__trainer_create(f->ctx, n_params, n_stats, t));
    if (t->epoch == 0)
        start(f, parts, t);
    for (int32_t m = 0; m < f->model->n_views; m++)
        if (f->model->view[m].q > 0)
            mucmm__mlp_decay_mask(&parts[m].net, t->mask + parts[m].params);
    TRY(mucmm__train(f, stage, &problem));
    f->stage_now = stage + 1;
    TRY(mucmm__checkpoint_save(f));
done:
    work_drop(&w);
    return status;
}
