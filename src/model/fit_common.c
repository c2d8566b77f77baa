/* SPDX-License-Identifier: MIT
 *
 * Training of the common heads by correlation maximization: section 2 of the method.
 *
 * One stage: from the closed form (the skip begins as its weights, the deep part at zero), from
 * scratch, or from scratch what nonlinear features psi of the variates found before do not predict
 * (later stages). Which stages there are is decided in fit_stages.c. */
#include "model/fit_common.h"

#include "model/checkpoint.h"
#include "model/fit_ridge.h"
#include "model/represent.h"
#include "model/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Added to the diagonal of the batch covariance of the head outputs. */
#define BATCH_RIDGE 1e-4
/* Relative ridge of the canonical map; only keeps collapsed outputs solvable. */
#define MAP_RIDGE 1e-8

typedef struct common_work {
    mucmm__stage stage;
    int64_t k; /* dimensions of this stage */
    mucmm__part part[MUCMM_MAX_VIEWS];
    mucmm__tape *tape[MUCMM_MAX_VIEWS];
    float *x[MUCMM_MAX_VIEWS]; /* [batch, p] */
    float *y, *dy;             /* [batch, k] */
    mucmm__block f[MUCMM_MAX_VIEWS], df[MUCMM_MAX_VIEWS];
    double *rho;
    int64_t offset[MUCMM_MAX_VIEWS + 1]; /* of each view's outputs: m k */
    /* of a later stage; before = 0 in the first */
    int64_t before;                     /* variates found so far */
    float *earlier[2][MUCMM_MAX_VIEWS]; /* [rows, before], by mucmm__rows */
    mucmm__psi psi;
    mucmm__block c, features;             /* [batch, before], [batch, width] */
    mucmm__block smooth[MUCMM_MAX_VIEWS]; /* [batch, width], standardized */
    double *factor[MUCMM_MAX_VIEWS], *sd; /* [width, width], [width] */
} common_work;

/* ---- one step ---------------------------------------------------------------------- */

/* The features of the variates found before, of a batch of training rows, ready to be regressed
 * on. */
static mucmm_status prepare_smoother(mucmm__fit *f, common_work *w, int32_t m, const int64_t *rows)
{
    mucmm_status status = MUCMM_OK;

    for (int64_t i = 0; i < w->c.rows; i++)
        mucmm__to_double(w->earlier[MUCMM__TRAINING][m] + rows[i] * w->before, w->before,
                         w->c.data + i * w->before);
    TRY(mucmm__psi_forward(f->ctx, &w->psi, &w->c, w->features.data));
    mucmm__standardize(&w->features, w->smooth[m].data, w->sd);
    TRY(mucmm__smoother_prepare(f->ctx, &w->smooth[m], MUCMM__PSI_RIDGE, w->factor[m]));
done:
    return status;
}

static mucmm_status common_step(mucmm__fit *f, mucmm__trainer *t, void *arg, const int64_t *rows,
                                double *loss)
{
    mucmm_status status = MUCMM_OK;
    common_work *w = arg;
    int64_t n = f->batch, k = w->k;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__part *part = &w->part[m];
        bool noise = f->p->input_noise > 0;
        TRY(mucmm__batch_features(f, m, rows, n, w->stage, t->step, w->x[m],
                                  noise ? w->x[m] : NULL));
        TRY(mucmm__mlp_forward_train(f->ctx, &part->net, t->params + part->params,
                                     t->stats + part->stats, n, w->x[m], w->tape[m], w->y));
        mucmm__to_double(w->y, n * k, w->f[m].data);
        if (w->before > 0) {
            TRY(prepare_smoother(f, w, m, rows));
            TRY(mucmm__smoother_residual(f->ctx, &w->smooth[m], w->factor[m], &w->f[m]));
        }
    }
    TRY(mucmm__correlation_max(f->ctx, f->model->n_views, w->f, k, BATCH_RIDGE, w->rho, loss, w->df,
                               NULL));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__part *part = &w->part[m];
        if (w->before > 0)
            TRY(mucmm__smoother_residual(f->ctx, &w->smooth[m], w->factor[m], &w->df[m]));
        mucmm__to_float(w->df[m].data, n * k, w->dy);
        TRY(mucmm__mlp_backward(f->ctx, &part->net, t->params + part->params, w->tape[m], w->dy,
                                t->grads + part->params, NULL));
    }
done:
    return status;
}

/* ---- judging ----------------------------------------------------------------------- */

/* The next at most MUCMM__CHUNK of every `every`-th row from *next on: their numbers as rows of the
 * views, and what view m's earlier variates are there [count, before]. */
static int64_t pick_rows(const mucmm__fit *f, const common_work *w, mucmm__rows part, int64_t every,
                         int64_t *next, int64_t *picked, float *const *before)
{
    int64_t n, count = 0;
    const int64_t *rows = mucmm__rows_of(f, part, &n);

    for (; count < MUCMM__CHUNK && *next < n; *next += every, count++) {
        picked[count] = rows[*next];
        for (int32_t m = 0; m < f->model->n_views && w->before > 0; m++)
            memcpy(before[m] + count * w->before, w->earlier[part][m] + *next * w->before,
                   (size_t)w->before * sizeof(float));
    }
    return count;
}

/* Joint mean and covariance [M k, M k] of the outputs of heads[m] on some rows: raw, or less
 * psi(earlier) weights[m] in a later stage. */
static mucmm_status output_moments(mucmm__fit *f, const common_work *w, const mucmm__head *heads,
                                   double *const *weights, mucmm__rows part, int64_t every,
                                   double *mean, double *cov)
{
    mucmm_status status = MUCMM_OK;
    int32_t views = f->model->n_views;
    int64_t k = w->k, widest = 0, picked[MUCMM__CHUNK], next = 0, b;
    mucmm__moments *moments = NULL;
    float *h = NULL, *y = NULL, *joint = NULL, *before[MUCMM_MAX_VIEWS] = {0};

    for (int32_t m = 0; m < views; m++) {
        widest = f->model->view[m].p > widest ? f->model->view[m].p : widest;
        TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * w->before, sizeof(float), &before[m]));
    }
    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * widest, sizeof *h, &h));
    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * k, sizeof *y, &y));
    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * k * views, sizeof *joint, &joint));
    TRY(mucmm__moments_create(f->ctx, k * views, 0, &moments));
    while ((b = pick_rows(f, w, part, every, &next, picked, before)) > 0) {
        for (int32_t m = 0; m < views; m++) {
            TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], picked, b, h));
            TRY(mucmm__head_forward(f->ctx, &heads[m], b, h, y));
            if (w->before > 0)
                TRY(mucmm__psi_subtract(f->ctx, &w->psi, weights[m], b, before[m], w->before, k,
                                        y));
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
    for (int32_t m = 0; m < views; m++)
        mucmm__free(before[m]);
    return status;
}

/* weights [width, k]: the regression of view m's raw outputs on psi of its earlier variates, on
 * every `every`-th training row. */
static mucmm_status regress_outputs(mucmm__fit *f, const common_work *w, const mucmm__head *head,
                                    int32_t m, int64_t every, double *weights)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t count = (f->n_train + every - 1) / every, done_rows = 0, next = 0, b;
    int64_t picked[MUCMM__CHUNK];
    float *h = NULL, *y = NULL, *c = NULL;
    const float *earlier = w->earlier[MUCMM__TRAINING][m];

    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * v->p, sizeof *h, &h));
    TRY(mucmm__alloc(f->ctx, count * w->k, sizeof *y, &y));
    TRY(mucmm__alloc(f->ctx, count * w->before, sizeof *c, &c));
    for (; done_rows < count; done_rows += b) {
        for (b = 0; b < MUCMM__CHUNK && next < f->n_train; next += every, b++) {
            picked[b] = f->train[next];
            memcpy(c + (done_rows + b) * w->before, earlier + next * w->before,
                   (size_t)w->before * sizeof(float));
        }
        TRY(mucmm__features(f->ctx, v, f->data[m], picked, b, h));
        TRY(mucmm__head_forward(f->ctx, head, b, h, y + done_rows * w->k));
    }
    TRY(mucmm__psi_regress(f->ctx, &w->psi, MUCMM__PSI_RIDGE, count, c, w->k, y, weights));
done:
    mucmm__free(h);
    mucmm__free(y);
    mucmm__free(c);
    return status;
}

/* Canonical weights [k, k] of each view's raw outputs, from their joint covariance. */
static mucmm_status output_weights(mucmm__fit *f, int64_t k, const double *cov, double *rho,
                                   double *const *weights)
{
    int64_t p[MUCMM_MAX_VIEWS], total = k * f->model->n_views;
    const char *names[MUCMM_MAX_VIEWS];
    double trace = 0;

    for (int64_t i = 0; i < total; i++)
        trace += cov[i * (total + 1)];
    for (int32_t m = 0; m < f->model->n_views; m++) {
        p[m] = k;
        names[m] = f->model->view[m].name;
    }
    return mucmm__closed_form_common(f->ctx, f->model->n_views, p, names, cov,
                                     MAP_RIDGE * trace / (double)total + 1e-300, k, k, rho,
                                     weights);
}

static mucmm_status common_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value)
{
    mucmm_status status = MUCMM_OK;
    common_work *w = arg;
    int32_t views = f->model->n_views;
    int64_t k = w->k, total = k * views;
    int64_t every = (f->n_train + MUCMM__EVALUATION_ROWS - 1) / MUCMM__EVALUATION_ROWS;
    mucmm__head heads[MUCMM_MAX_VIEWS] = {0};
    double *weights[MUCMM_MAX_VIEWS] = {0}, *known[MUCMM_MAX_VIEWS] = {0}, *cov = NULL;
    double *mean = NULL;

    TRY(mucmm__alloc(f->ctx, total * total, sizeof *cov, &cov));
    TRY(mucmm__alloc(f->ctx, total, sizeof *mean, &mean));
    for (int32_t m = 0; m < views; m++) {
        TRY(mucmm__alloc(f->ctx, k * k, sizeof **weights, &weights[m]));
        TRY(mucmm__alloc(f->ctx, mucmm__psi_width(&w->psi) * k, sizeof **known, &known[m]));
        TRY(mucmm__part_head(f, &w->part[m], t->params, t->stats, &heads[m]));
        if (w->before > 0)
            TRY(regress_outputs(f, w, &heads[m], m, every, known[m]));
    }
    TRY(output_moments(f, w, heads, known, MUCMM__TRAINING, every, mean, cov));
    TRY(output_weights(f, k, cov, w->rho, weights));
    TRY(output_moments(f, w, heads, known, MUCMM__CHOOSING, 1, mean, cov));
    TRY(mucmm__fixed_correlation(f->ctx, views, w->offset, cov, k, weights, value));
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__head_drop(&heads[m]);
        mucmm__free(weights[m]);
        mucmm__free(known[m]);
    }
    mucmm__free(cov);
    mucmm__free(mean);
    return status;
}

/* ---- setting up -------------------------------------------------------------------- */

static void work_drop(common_work *w)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__tape_free(w->tape[m]);
        mucmm__free(w->x[m]);
        mucmm__free(w->f[m].data);
        mucmm__free(w->df[m].data);
        mucmm__free(w->earlier[0][m]);
        mucmm__free(w->earlier[1][m]);
        mucmm__free(w->smooth[m].data);
        mucmm__free(w->factor[m]);
    }
    mucmm__psi_drop(&w->psi);
    mucmm__free(w->c.data);
    mucmm__free(w->features.data);
    mucmm__free(w->sd);
    mucmm__free(w->y);
    mucmm__free(w->dy);
    mucmm__free(w->rho);
    *w = (common_work){0};
}

/* psi of the variates found so far, the same for every view. */
static mucmm_status stage_psi(const mucmm__fit *f, mucmm__stage stage, int64_t before,
                              mucmm__psi *psi)
{
    return mucmm__psi_create(f->ctx, mucmm__rng_key(f->p->seed, mucmm__stream(stage) + 700000),
                             before, f->batch / 4, psi);
}

/* What a later stage knows of the ones before it. */
static mucmm_status take_earlier(mucmm__fit *f, common_work *w)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = &f->model->heads;
    int64_t n = f->batch, width;

    w->before = mucmm__common_width(&rep->view[0]);
    TRY(stage_psi(f, w->stage, w->before, &w->psi));
    width = mucmm__psi_width(&w->psi);
    w->c = (mucmm__block){NULL, n, w->before};
    w->features = (mucmm__block){NULL, n, width};
    TRY(mucmm__alloc(f->ctx, n * w->before, sizeof(double), &w->c.data));
    TRY(mucmm__alloc(f->ctx, n * width, sizeof(double), &w->features.data));
    TRY(mucmm__alloc(f->ctx, width, sizeof *w->sd, &w->sd));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        w->smooth[m] = (mucmm__block){NULL, n, width};
        TRY(mucmm__alloc(f->ctx, n * width, sizeof(double), &w->smooth[m].data));
        TRY(mucmm__alloc(f->ctx, width * width, sizeof(double), &w->factor[m]));
        for (int part = 0; part < 2; part++) {
            int64_t count;
            const int64_t *rows = mucmm__rows_of(f, (mucmm__rows)part, &count);
            TRY(mucmm__alloc(f->ctx, count * w->before, sizeof(float), &w->earlier[part][m]));
            TRY(mucmm__represent(f->ctx, f->model, rep, m, f->data[m], rows, count,
                                 w->earlier[part][m], NULL));
        }
    }
done:
    return status;
}

static mucmm_status work_init(mucmm__fit *f, mucmm__stage stage, int64_t k, common_work *w,
                              int64_t *n_params, int64_t *n_stats)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = f->batch;

    w->stage = stage;
    w->k = k;
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
    if (stage >= MUCMM__STAGE_LATER)
        TRY(take_earlier(f, w));
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
        uint64_t stream = mucmm__stream(w->stage) + 600000 + (uint64_t)m;
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

static const char *stage_title(mucmm__stage stage, char *out, size_t size)
{
    if (stage == MUCMM__STAGE_SKIP)
        snprintf(out, size, "common heads, from the closed form");
    else if (stage == MUCMM__STAGE_SCRATCH)
        snprintf(out, size, "common heads, from scratch");
    else if (stage < MUCMM__STAGE_LATER)
        snprintf(out, size, "common heads, restart %d", (int)(stage - MUCMM__STAGE_RESTART) + 1);
    else
        snprintf(out, size, "common heads, stage %d", (int)(stage - MUCMM__STAGE_LATER) + 2);
    return out;
}

/* Trains one stage of k dimensions, or takes it as the checkpoint has it. w is left set up. */
static mucmm_status run_stage(mucmm__fit *f, mucmm__stage stage, int64_t k, common_work *w)
{
    mucmm_status status = MUCMM_OK;
    char name[64];
    mucmm__trainer *t = &f->stage[stage];
    mucmm__problem problem = {stage_title(stage, name, sizeof name),
                              f->p->common_epochs,
                              common_step,
                              common_evaluate,
                              w,
                              1,
                              0,
                              0};
    int64_t n_params, n_stats;

    TRY(work_init(f, stage, k, w, &n_params, &n_stats));
    TRY(mucmm__check_restored(f, stage, n_params, n_stats));
    if (f->stage_now > (int32_t)stage) {
        mucmm__trainer_settle(t);
        goto done;
    }
    if (!t->params)
        TRY(mucmm__trainer_create(f->ctx, n_params, n_stats, t));
    if (t->epoch == 0)
        initialize(f, w, t);
    mask_decay(f, w, t);
    TRY(mucmm__train(f, stage, &problem));
    f->stage_now = stage + 1;
    mucmm__trainer_settle(t);
    TRY(mucmm__checkpoint_save(f));
done:
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
    TRY(work_init(f, MUCMM__STAGE_SCRATCH, f->model->k, &w, &n_params, &n_stats));
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

/* ---- canonical form ---------------------------------------------------------------- */

/* Effective rank exp(entropy of the normalized eigenvalues) of a view's raw outputs. */
static mucmm_status warn_collapse(mucmm__fit *f, int32_t m, int64_t k, const double *cov)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = k * f->model->n_views;
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
    /* where choosing rows found the number, it is not to be called too large */
    if (f->model->dimensions.candidates == 0 && (!(sum > 0) || exp(entropy) < 0.25 * (double)k))
        mucmm__warn(f->ctx,
                    "view '%s': the common head's outputs have an effective rank of %.1f "
                    "of %" PRId64 "; give a smaller `common` or a larger `batch`",
                    f->model->view[m].name, sum > 0 ? exp(entropy) : 0, k);
done:
    mucmm__free(block);
    mucmm__free(values);
    return status;
}

/* The heads of the finished stage in w, from its best weights: head[m], and in a later stage
 * known[m] [width, k], so that head(h) - psi(earlier) known has the canonical form. rho [k]. kept:
 * they are the model's. */
static mucmm_status canonical_form(mucmm__fit *f, common_work *w, bool kept, mucmm__head *heads,
                                   double *const *known, double *rho)
{
    mucmm_status status = MUCMM_OK;
    int32_t views = f->model->n_views;
    int64_t k = w->k, total = k * views, width = mucmm__psi_width(&w->psi);
    const mucmm__trainer *t = &f->stage[w->stage];
    double *weights[MUCMM_MAX_VIEWS] = {0}, *cov = NULL, *mean = NULL, *turned = NULL;

    TRY(mucmm__alloc(f->ctx, width * k, sizeof *turned, &turned));
    for (int32_t m = 0; m < views; m++) {
        TRY(mucmm__alloc(f->ctx, k * k, sizeof **weights, &weights[m]));
        TRY(mucmm__part_head(f, &w->part[m], t->best_params, t->best_stats, &heads[m]));
        if (w->before > 0)
            TRY(regress_outputs(f, w, &heads[m], m, 1, known[m]));
    }
    TRY(mucmm__alloc(f->ctx, total * total, sizeof *cov, &cov));
    TRY(mucmm__alloc(f->ctx, total, sizeof *mean, &mean));
    TRY(output_moments(f, w, heads, known, MUCMM__TRAINING, 1, mean, cov));
    for (int32_t m = 0; m < views && kept; m++)
        TRY(warn_collapse(f, m, k, cov));
    TRY(output_weights(f, k, cov, rho, weights));
    for (int32_t m = 0; m < views; m++) {
        TRY(mucmm__head_affine(f->ctx, &heads[m], mean + m * k, weights[m], k));
        if (w->before == 0)
            continue;
        TRY(mucmm__dgemm(f->ctx, false, false, width, k, k, 1, known[m], k, weights[m], k, 0,
                         turned, k));
        memcpy(known[m], turned, (size_t)(width * k) * sizeof *turned);
    }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(weights[m]);
    mucmm__free(cov);
    mucmm__free(mean);
    mucmm__free(turned);
    return status;
}

/* ---- a stage ----------------------------------------------------------------------- */

mucmm_status mucmm__train_common(mucmm__fit *f, mucmm__stage stage, int64_t k)
{
    common_work w = {0};
    mucmm_status status = run_stage(f, stage, k, &w);

    work_drop(&w);
    return status;
}

mucmm_status mucmm__common_heads(mucmm__fit *f, mucmm__stage stage, int64_t k, bool kept,
                                 mucmm__deflated *found, double *rho)
{
    mucmm_status status = MUCMM_OK;
    common_work w = {0};
    mucmm__head heads[MUCMM_MAX_VIEWS] = {0};
    double *known[MUCMM_MAX_VIEWS] = {0};

    TRY(run_stage(f, stage, k, &w));
    for (int32_t m = 0; m < f->model->n_views && w.before > 0; m++)
        TRY(mucmm__alloc(f->ctx, mucmm__psi_width(&w.psi) * k, sizeof(double), &known[m]));
    TRY(canonical_form(f, &w, kept, heads, known, rho));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        if (w.before > 0)
            TRY(stage_psi(f, stage, w.before, &found[m].psi));
        found[m].head = heads[m];
        found[m].weights = known[m];
        heads[m] = (mucmm__head){0};
        known[m] = NULL;
    }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__head_drop(&heads[m]);
        mucmm__free(known[m]);
    }
    work_drop(&w);
    return status;
}
