/* SPDX-License-Identifier: MIT
 *
 * Training of the common heads by correlation maximization: section 2 of the method.
 *
 * Both starts are trained: from the closed form (the skip begins as its weights, the
 * deep part at zero) and from scratch; the one with the larger held-out total
 * correlation of fixed projections is kept. */
#include "model/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Added to the diagonal of the batch covariance of the head outputs. */
#define BATCH_RIDGE 1e-4
/* Relative ridge of the canonical map; only keeps collapsed outputs solvable. */
#define MAP_RIDGE 1e-8
/* Training rows on which the projections are fixed before they are judged on the held-out ones. */
#define EVALUATION_ROWS 5000

typedef struct common_work {
    mucmm__stage stage;
    mucmm__part part[MUCMM_MAX_VIEWS];
    mucmm__tape *tape[MUCMM_MAX_VIEWS];
    float *x[MUCMM_MAX_VIEWS]; /* [batch, p] */
    float *y, *dy;             /* [batch, k] */
    mucmm__block f[MUCMM_MAX_VIEWS], df[MUCMM_MAX_VIEWS];
    double *rho;
    int64_t *rows;                       /* [batch] */
    int64_t offset[MUCMM_MAX_VIEWS + 1]; /* of each view's outputs: m k */
} common_work;

mucmm_status mucmm__batch_features(mucmm__fit *f, int32_t view, const int64_t *rows, int64_t n,
                                   uint64_t stream, int64_t step, float *clean, float *noisy)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = n * f->model->view[view].p, *numbers = NULL;

    TRY(mucmm__alloc(f->ctx, n, sizeof *numbers, &numbers));
    for (int64_t i = 0; i < n; i++)
        numbers[i] = f->train[rows[i]];
    TRY(mucmm__features(f->ctx, &f->model->view[view], f->data[view], numbers, n, clean));
    if (noisy)
        mucmm__add_noise(f->ctx, size, (float)f->p->input_noise,
                         mucmm__rng_key(f->p->seed, stream * 1000000 + 500000 + (uint64_t)view),
                         (uint64_t)(step * size), clean, noisy);
done:
    mucmm__free(numbers);
    return status;
}

mucmm_status mucmm__part_head(mucmm__fit *f, const mucmm__part *part, const float *params,
                              const float *stats, mucmm__head *head)
{
    mucmm_status status = MUCMM_OK;
    float *own_stats = NULL;

    TRY(mucmm__head_alloc(f->ctx, &part->net, head));
    TRY(mucmm__alloc(f->ctx, part->net.n_stats, sizeof *own_stats, &own_stats));
    memcpy(head->params, params + part->params, (size_t)part->net.n_params * sizeof *params);
    memcpy(own_stats, stats + part->stats, (size_t)part->net.n_stats * sizeof *stats);
    mucmm__mlp_fold(&part->net, head->params, own_stats);
done:
    mucmm__free(own_stats);
    return status;
}

/* ---- one step -------------------------------------------------------------------- */

static void to_double(const float *from, int64_t n, double *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i];
}

static void to_float(const double *from, int64_t n, float *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)from[i];
}

static mucmm_status common_step(mucmm__fit *f, mucmm__trainer *t, void *arg, const int64_t *rows,
                                double *loss)
{
    mucmm_status status = MUCMM_OK;
    common_work *w = arg;
    int64_t n = f->batch, k = f->model->k;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__part *part = &w->part[m];
        bool noise = f->p->input_noise > 0;
        TRY(mucmm__batch_features(f, m, rows, n, w->stage + 1, t->step, w->x[m],
                                  noise ? w->x[m] : NULL));
        TRY(mucmm__mlp_forward_train(f->ctx, &part->net, t->params + part->params,
                                     t->stats + part->stats, n, w->x[m], w->tape[m], w->y));
        to_double(w->y, n * k, w->f[m].data);
    }
    TRY(mucmm__correlation_max(f->ctx, f->model->n_views, w->f, k, BATCH_RIDGE, w->rho, loss, w->df,
                               NULL));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__part *part = &w->part[m];
        to_float(w->df[m].data, n * k, w->dy);
        TRY(mucmm__mlp_backward(f->ctx, &part->net, t->params + part->params, w->tape[m], w->dy,
                                t->grads + part->params, NULL));
    }
done:
    return status;
}

/* ---- judging -------------------------------------------------------------------------- */

/* Joint mean and covariance [M k, M k] of the raw outputs of heads[m] on some rows. */
static mucmm_status output_moments(mucmm__fit *f, const mucmm__head *heads, const int64_t *rows,
                                   int64_t n, int64_t every, double *mean, double *cov)
{
    mucmm_status status = MUCMM_OK;
    int32_t views = f->model->n_views;
    int64_t k = f->model->k, widest = 0, picked[MUCMM__CHUNK];
    mucmm__moments *moments = NULL;
    float *h = NULL, *y = NULL, *joint = NULL;

    for (int32_t m = 0; m < views; m++)
        widest = f->model->view[m].p > widest ? f->model->view[m].p : widest;
    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * widest, sizeof *h, &h));
    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * k, sizeof *y, &y));
    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * k * views, sizeof *joint, &joint));
    TRY(mucmm__moments_create(f->ctx, k * views, 0, &moments));
    for (int64_t i = 0; i < n;) {
        int64_t b = 0;
        for (; b < MUCMM__CHUNK && i < n; i += every)
            picked[b++] = rows[i];
        for (int32_t m = 0; m < views; m++) {
            TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], picked, b, h));
            TRY(mucmm__head_forward(f->ctx, &heads[m], b, h, y));
            for (int64_t r = 0; r < b; r++)
                memcpy(joint + (r * views + m) * k, y + r * k, (size_t)k * sizeof *y);
        }
        TRY(mucmm__moments_push(f->ctx, moments, &(mucmm_cmat){joint, b, k * views, k * views},
                                NULL));
    }
    TRY(mucmm__moments_get(f->ctx, moments, mean, NULL, cov, NULL, NULL));
done:
    mucmm__moments_free(moments);
    mucmm__free(h);
    mucmm__free(y);
    mucmm__free(joint);
    return status;
}

/* Canonical weights [k, k] of each view's raw outputs, from their joint covariance. */
static mucmm_status output_weights(mucmm__fit *f, const double *cov, double *rho,
                                   double *const *weights)
{
    int64_t p[MUCMM_MAX_VIEWS], k = f->model->k, total = k * f->model->n_views;
    const char *names[MUCMM_MAX_VIEWS];
    double trace = 0;

    for (int64_t i = 0; i < total; i++)
        trace += cov[i * (total + 1)];
    for (int32_t m = 0; m < f->model->n_views; m++) {
        p[m] = k;
        names[m] = f->model->view[m].name;
    }
    return mucmm__linear_common(f->ctx, f->model->n_views, p, names, cov,
                                MAP_RIDGE * trace / (double)total + 1e-300, k, k, rho, weights);
}

static mucmm_status common_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value)
{
    mucmm_status status = MUCMM_OK;
    common_work *w = arg;
    int32_t views = f->model->n_views;
    int64_t k = f->model->k, total = k * views;
    int64_t every = (f->n_train + EVALUATION_ROWS - 1) / EVALUATION_ROWS;
    mucmm__head heads[MUCMM_MAX_VIEWS] = {0};
    double *weights[MUCMM_MAX_VIEWS] = {0}, *cov = NULL, *mean = NULL;

    TRY(mucmm__alloc(f->ctx, total * total, sizeof *cov, &cov));
    TRY(mucmm__alloc(f->ctx, total, sizeof *mean, &mean));
    for (int32_t m = 0; m < views; m++) {
        TRY(mucmm__alloc(f->ctx, k * k, sizeof **weights, &weights[m]));
        TRY(mucmm__part_head(f, &w->part[m], t->params, t->stats, &heads[m]));
    }
    TRY(output_moments(f, heads, f->train, f->n_train, every, mean, cov));
    TRY(output_weights(f, cov, w->rho, weights));
    TRY(output_moments(f, heads, f->held_out, f->n_held_out, 1, mean, cov));
    TRY(mucmm__fixed_correlation(f->ctx, views, w->offset, cov, k, weights, value));
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__head_drop(&heads[m]);
        mucmm__free(weights[m]);
    }
    mucmm__free(cov);
    mucmm__free(mean);
    return status;
}

/* ---- setting up ----------------------------------------------------------------------- */

static void work_drop(common_work *w)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__tape_free(w->tape[m]);
        mucmm__free(w->x[m]);
        mucmm__free(w->f[m].data);
        mucmm__free(w->df[m].data);
    }
    mucmm__free(w->y);
    mucmm__free(w->dy);
    mucmm__free(w->rho);
    *w = (common_work){0};
}

static mucmm_status work_init(mucmm__fit *f, mucmm__stage stage, common_work *w, int64_t *n_params,
                              int64_t *n_stats)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = f->batch, k = f->model->k;

    w->stage = stage;
    *n_params = *n_stats = 0;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t p = f->model->view[m].p;
        mucmm__part *part = &w->part[m];
        TRY(mucmm__mlp_layout(f->ctx, p, f->p->hidden, f->p->n_hidden, k, true, true, &part->net));
        part->params = *n_params;
        part->stats = *n_stats;
        *n_params += part->net.n_params;
        *n_stats += part->net.n_stats;
        w->offset[m + 1] = w->offset[m] + k;
        w->f[m] = w->df[m] = (mucmm__block){NULL, n, k};
        TRY(mucmm__tape_create(f->ctx, &part->net, n, &w->tape[m]));
        TRY(mucmm__alloc(f->ctx, n * p, sizeof *w->x[m], &w->x[m]));
        TRY(mucmm__alloc(f->ctx, n * k, sizeof(double), &w->f[m].data));
        TRY(mucmm__alloc(f->ctx, n * k, sizeof(double), &w->df[m].data));
    }
    TRY(mucmm__alloc(f->ctx, n * k, sizeof *w->y, &w->y));
    TRY(mucmm__alloc(f->ctx, n * k, sizeof *w->dy, &w->dy));
    TRY(mucmm__alloc(f->ctx, k, sizeof *w->rho, &w->rho));
done:
    return status;
}

/* The start of a stage: everything as a fresh network, then the skip at the closed form and the
 * last deep layer at zero, or the skip at zero. */
static void initialize(mucmm__fit *f, const common_work *w, mucmm__trainer *t)
{
    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__mlp *net = &w->part[m].net;
        float *params = t->params + w->part[m].params;
        uint64_t stream = ((uint64_t)w->stage + 1) * 1000000 + 600000 + (uint64_t)m;
        mucmm__mlp_init(net, mucmm__rng_key(f->p->seed, stream), params,
                        t->stats + w->part[m].stats);
        if (w->stage != MUCMM__STAGE_SKIP)
            continue;
        const mucmm__mlp_layer *last = &net->layers[net->n_layers - 1];
        const mucmm__head *linear = &f->model->linear.view[m].common;
        memset(params + last->weight, 0, (size_t)(last->in * last->out) * sizeof *params);
        memset(params + last->bias, 0, (size_t)last->out * sizeof *params);
        memcpy(params + net->skip, linear->params + linear->net.skip,
               (size_t)(net->in * net->out) * sizeof *params);
    }
}

/* Not part of a checkpoint, so set for every run. */
static void mask_decay(const mucmm__fit *f, const common_work *w, mucmm__trainer *t)
{
    for (int32_t m = 0; m < f->model->n_views; m++)
        mucmm__mlp_decay_mask(&w->part[m].net, t->mask + w->part[m].params);
}

static mucmm_status run_stage(mucmm__fit *f, mucmm__stage stage)
{
    mucmm_status status = MUCMM_OK;
    static const char *const names[] = {"common heads, from the closed form",
                                        "common heads, from scratch"};
    mucmm__trainer *t = &f->stage[stage];
    common_work w = {0};
    mucmm__problem problem = {names[stage], f->p->common_epochs, common_step, common_evaluate, &w};
    int64_t n_params, n_stats;

    TRY(work_init(f, stage, &w, &n_params, &n_stats));
    TRY(mucmm__check_restored(f, stage, n_params, n_stats));
    if (!t->params)
        TRY(mucmm__trainer_create(f->ctx, n_params, n_stats, t));
    if (t->epoch == 0)
        initialize(f, &w, t);
    mask_decay(f, &w, t);
    TRY(mucmm__train(f, stage, &problem));
    f->stage_now = stage + 1;
    TRY(mucmm__checkpoint_save(f));
done:
    work_drop(&w);
    return status;
}

/* Products only: forward, gradients of weights, and of all inputs but the first layer's. */
static double step_flops(const mucmm__mlp *net, int64_t rows)
{
    double products = 0;

    for (int32_t i = 0; i < net->n_layers; i++)
        products += (i ? 3.0 : 2.0) * (double)(net->layers[i].in * net->layers[i].out);
    if (net->skip >= 0)
        products += 2.0 * (double)(net->in * net->out);
    return 2 * products * (double)rows;
}

mucmm_status mucmm__time_common_steps(mucmm__fit *f, int64_t steps, double *seconds, double *flops)
{
    mucmm_status status = MUCMM_OK;
    mucmm__trainer *t = &f->stage[MUCMM__STAGE_SCRATCH];
    mucmm__adamw opt = mucmm__adamw_default(f->p->learning_rate, f->p->weight_decay);
    int64_t n_params, n_stats, *order = NULL;
    common_work w = {0};
    double begin = 0, loss;

    *flops = 0;
    TRY(mucmm__alloc(f->ctx, f->n_train, sizeof *order, &order));
    TRY(work_init(f, MUCMM__STAGE_SCRATCH, &w, &n_params, &n_stats));
    TRY(mucmm__trainer_create(f->ctx, n_params, n_stats, t));
    initialize(f, &w, t);
    mask_decay(f, &w, t);
    mucmm__rng_permutation(mucmm__rng_key(f->p->seed, 1), order, f->n_train);
    for (int64_t s = 0; s <= steps; s++) {
        if (s == 1)
            begin = mucmm__now();
        t->step = s;
        TRY(common_step(f, t, &w, order, &loss));
        mucmm__adamw_step(f->ctx, &opt, s + 1, t->n_params, t->grads, t->mask, t->first, t->second,
                          t->params);
    }
    *seconds = mucmm__now() - begin;
    for (int32_t m = 0; m < f->model->n_views; m++)
        *flops += (double)steps * step_flops(&w.part[m].net, f->batch);
done:
    work_drop(&w);
    mucmm__free(order);
    return status;
}

/* ---- canonical form ---------------------------------------------------------------------- */

/* Effective rank exp(entropy of the normalized eigenvalues) of a view's raw outputs. */
static mucmm_status warn_collapse(mucmm__fit *f, int32_t m, const double *cov)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = f->model->k, total = k * f->model->n_views;
    double *block = NULL, *values = NULL, sum = 0, entropy = 0;

    TRY(mucmm__alloc(f->ctx, k * k, sizeof *block, &block));
    TRY(mucmm__alloc(f->ctx, k, sizeof *values, &values));
    for (int64_t i = 0; i < k; i++)
        memcpy(block + i * k, cov + (m * k + i) * total + m * k, (size_t)k * sizeof *block);
    TRY(mucmm__eigen(f->ctx, k, block, k, values, NULL));
    for (int64_t i = 0; i < k; i++)
        sum += values[i] > 0 ? values[i] : 0;
    for (int64_t i = 0; i < k; i++)
        if (values[i] > 0)
            entropy -= values[i] / sum * log(values[i] / sum);
    if (!(sum > 0) || exp(entropy) < 0.25 * (double)k)
        mucmm__warn(f->ctx,
                    "view '%s': the common head's outputs have an effective rank of %.1f "
                    "of %" PRId64 "; give a smaller --common or a larger --batch",
                    f->model->view[m].name, sum > 0 ? exp(entropy) : 0, k);
done:
    mucmm__free(block);
    mucmm__free(values);
    return status;
}

static mucmm_status canonical_form(mucmm__fit *f, mucmm__representation *rep)
{
    mucmm_status status = MUCMM_OK;
    int32_t views = f->model->n_views;
    int64_t k = f->model->k, total = k * views;
    mucmm__head heads[MUCMM_MAX_VIEWS] = {0};
    double *weights[MUCMM_MAX_VIEWS] = {0}, *cov = NULL, *mean = NULL;

    for (int32_t m = 0; m < views; m++) { /* by value: rep keeps what it owns */
        heads[m] = rep->view[m].common;
        TRY(mucmm__alloc(f->ctx, k * k, sizeof **weights, &weights[m]));
    }
    TRY(mucmm__alloc(f->ctx, total * total, sizeof *cov, &cov));
    TRY(mucmm__alloc(f->ctx, total, sizeof *mean, &mean));
    TRY(output_moments(f, heads, f->train, f->n_train, 1, mean, cov));
    for (int32_t m = 0; m < views; m++)
        TRY(warn_collapse(f, m, cov));
    TRY(output_weights(f, cov, rep->rho, weights));
    for (int32_t m = 0; m < views; m++)
        TRY(mucmm__head_affine(f->ctx, &rep->view[m].common, mean + m * k, weights[m], k));
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(weights[m]);
    mucmm__free(cov);
    mucmm__free(mean);
    return status;
}

mucmm_status mucmm__fit_common(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm__representation *rep = &f->model->heads;
    common_work w = {0};
    int64_t n_params, n_stats;
    const mucmm__trainer *best;

    for (int s = MUCMM__STAGE_SKIP; s <= MUCMM__STAGE_SCRATCH; s++)
        if (f->stage_now <= s)
            TRY(run_stage(f, (mucmm__stage)s));
    f->model->start = f->stage[MUCMM__STAGE_SCRATCH].best > f->stage[MUCMM__STAGE_SKIP].best
                          ? MUCMM__STAGE_SCRATCH
                          : MUCMM__STAGE_SKIP;
    best = &f->stage[f->model->start];
    TRY(work_init(f, MUCMM__STAGE_SKIP, &w, &n_params, &n_stats)); /* for the layout */
    TRY(mucmm__check_restored(f, f->model->start, n_params, n_stats));
    TRY(mucmm__alloc(f->ctx, f->model->k, sizeof *rep->rho, &rep->rho));
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__part_head(f, &w.part[m], best->best_params, best->best_stats,
                             &rep->view[m].common));
    TRY(canonical_form(f, rep));
done:
    work_drop(&w);
    return status;
}
