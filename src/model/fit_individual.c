/* SPDX-License-Identifier: MIT
 *
 * The individual heads: trained for a beta that is given or chooses itself, or those of the closed
 * form: section 3 of the method. */
#include "model/fit_individual.h"

#include "model/checkpoint.h"
#include "model/individual.h"
#include "model/train.h"

#include <math.h>
#include <string.h>

/* Relative ridge of the linear decoder behind the closed form. */
#define DECODER_RIDGE 1e-8

/* beta that chooses itself: where it begins, the factor it is moved by, and the share of the epochs
 * and of the learning rate that an attempt at another one takes. */
#define BETA_START 10.0
#define BETA_FACTOR 4.0
#define TUNING_EPOCHS 3
#define TUNING_RATE 0.5

/* ---- one training ------------------------------------------------------------------- */

/* Trains from random weights, or from the best ones of `from`; or takes the stage as the checkpoint
 * has it. */
static mucmm_status run_stage(mucmm__fit *f, mucmm__individual *w, mucmm__stage stage, double beta,
                              const mucmm__trainer *from, int64_t n_params, int64_t n_stats)
{
    mucmm_status status = MUCMM_OK;
    static const char *const names[] = {"individual heads", "individual heads, another beta",
                                        "individual heads, a third beta"};
    mucmm__trainer *t = &f->stage[stage];
    mucmm__problem problem = {names[stage - MUCMM__STAGE_INDIVIDUAL],
                              f->p->individual_epochs,
                              mucmm__individual_step,
                              mucmm__individual_evaluate,
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
        mucmm__individual_start(f, w, t);
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

static mucmm_status judge_stage(mucmm__fit *f, mucmm__individual *w, mucmm__stage stage, verdict *v)
{
    mucmm_status status = MUCMM_OK;
    mucmm__trainer best = f->stage[stage]; /* a view of it */
    double value;

    best.params = best.best_params;
    best.stats = best.best_stats;
    TRY(mucmm__individual_evaluate(f, &best, w, &value));
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
static mucmm_status choose_beta(mucmm__fit *f, mucmm__individual *w, int64_t n_params,
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

/* ---- the closed form --------------------------------------------------------------- */

/* The least squares decoder of [c, u], u standardized, from their moments on the training rows. */
static mucmm_status linear_decoder(mucmm__fit *f, int64_t p, const mucmm__canonical_moments *c,
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
static mucmm_status prefer_closed_form(mucmm__fit *f, mucmm__individual *w, double trained,
                                       bool *kept)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    mucmm__individual_heads g = {0};
    mucmm__canonical_moments c = {0};
    double closed;

    for (int32_t m = 0; m < model->n_views; m++) {
        const mucmm__head *head = &model->linear.view[m].individual;
        TRY(mucmm__head_copy(f->ctx, head, &g.head[m]));
        TRY(mucmm__individual_moments(f, w, m, head, &c));
        TRY(linear_decoder(f, model->view[m].p, &c, &g.decoder[m]));
        mucmm__canonical_moments_drop(&c);
        c = (mucmm__canonical_moments){0};
    }
    TRY(mucmm__individual_judge(f, w, &g, &closed));
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
    mucmm__canonical_moments_drop(&c);
    mucmm__individual_heads_drop(&g);
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
    mucmm__individual w = {0};
    mucmm__stage chosen = MUCMM__STAGE_INDIVIDUAL;
    const mucmm__trainer *t;
    int64_t n_params, n_stats;
    bool closed = false;

    if (f->p->individual == 0)
        return empty_heads(f);
    TRY(mucmm__individual_create(f, &w, &n_params, &n_stats));
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
        TRY(mucmm__individual_canonical(f, &w, m, out));
    }
done:
    mucmm__individual_drop(&w);
    return status;
}
