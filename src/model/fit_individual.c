/* SPDX-License-Identifier: MIT
 *
 * The individual variates: candidates from the residual that c leaves to trained heads, and which
 * of them is kept: section 3 of the method. */
#include "model/fit_individual.h"

#include "model/checkpoint.h"
#include "model/individual.h"
#include "model/represent.h"
#include "model/summary.h"
#include "model/train.h"
#include "model/view_dimensions.h"

#include <math.h>
#include <string.h>

#define BETA 80.0 /* weight of the kernel terms */
#define RATE 2.0  /* times the learning rate */
#define CHANCE 2  /* standard deviations that a leak may have by chance */
#define TIE 1e-3  /* so much more complete is no more complete */

/* ---- one training ------------------------------------------------------------------- */

/* Trains from the transport, whose networks are nets; or takes the stage as the checkpoint has it.
 */
static mucmm_status train_heads(mucmm__fit *f, mucmm__individual *w, const mucmm__part *nets,
                                int64_t n_params, int64_t n_stats)
{
    mucmm_status status = MUCMM_OK;
    mucmm__stage stage = MUCMM__STAGE_INDIVIDUAL;
    mucmm__trainer *t = &f->stage[stage];
    mucmm__problem problem = {"individual heads",
                              f->p->individual_epochs,
                              mucmm__individual_step,
                              mucmm__individual_evaluate,
                              w,
                              RATE,
                              0,
                              w->rows};

    w->beta = BETA;
    TRY(mucmm__check_restored(f, stage, n_params, n_stats));
    if (f->stage_now > (int32_t)stage)
        goto done;
    f->stage_now = stage;
    if (!t->params)
        TRY(mucmm__trainer_create(f->ctx, n_params, n_stats, t));
    if (t->epoch == 0)
        mucmm__individual_start(f, w, nets, &f->stage[MUCMM__STAGE_TRANSPORT], t);
    for (int32_t m = 0; m < f->model->n_views; m++) {
        if (f->model->view[m].q == 0)
            continue;
        mucmm__mlp_decay_mask(&w->head[m].net, t->mask + w->head[m].params);
        mucmm__mlp_decay_mask(&w->net[m].net, t->mask + w->net[m].params);
        mucmm__mlp_decay_mask(&w->decoder[m].net, t->mask + w->decoder[m].params);
    }
    TRY(mucmm__train(f, stage, &problem));
    f->stage_now = stage + 1;
    TRY(mucmm__checkpoint_save(f));
done:
    return status;
}

/* ---- the front ---------------------------------------------------------------------- */

typedef struct front {
    mucmm_candidate *at; /* the model's */
    mucmm__individual_heads heads[MUCMM_MAX_CANDIDATES];
    int32_t n;
} front;

static void front_drop(front *x)
{
    for (int32_t i = 0; i < MUCMM_MAX_CANDIDATES; i++)
        mucmm__individual_heads_drop(&x->heads[i]);
}

/* How many views have individual variates. */
static int32_t views_with(const mucmm__fit *f)
{
    int32_t n = 0;

    for (int32_t m = 0; m < f->model->n_views; m++)
        n += f->model->view[m].q > 0;
    return n;
}

/* v [n, q] of a candidate for rows of a part. */
static mucmm_status outputs_of(mucmm__fit *f, mucmm__individual *w, int32_t m, mucmm__rows part,
                               const mucmm__individual_heads *g, float *v)
{
    mucmm_status status = MUCMM_OK;
    int64_t all, q = f->model->view[m].q;
    const int64_t *rows = mucmm__rows_of(f, part, &all);

    for (int64_t i = 0; i < all; i += w->rows) {
        int64_t n = all - i < w->rows ? all - i : w->rows;
        if (g->head[m].net.out > 0)
            TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], rows + i, n, w->h[m]));
        TRY(mucmm__individual_outputs(f, w, m, g, n, w->h[m], w->c_all[part][m] + i * f->model->k,
                                      w->r_all[part][m] + i * q, v + i * q));
    }
done:
    return status;
}

/* The mean over the views of what (c, v) rebuilds, on the choosing rows, or, where these are too
 * few, on the training rows. */
static mucmm_status complete(mucmm__fit *f, mucmm__individual *w, const mucmm__individual_heads *g,
                             double *share)
{
    mucmm_status status = MUCMM_OK;
    double linear[MUCMM_MAX_VIEWS], nonlinear[MUCMM_MAX_VIEWS], rank[MUCMM_MAX_VIEWS];
    mucmm_summary s = {.views = f->model->n_views,
                       .completeness_linear = linear,
                       .completeness_nonlinear = nonlinear,
                       .effective_rank = rank};
    float *v[MUCMM_MAX_VIEWS] = {0};

    *share = NAN;
    for (int part = MUCMM__CHOOSING; part >= MUCMM__TRAINING && isnan(*share); part--) {
        int64_t n;
        const int64_t *rows = mucmm__rows_of(f, (mucmm__rows)part, &n);
        for (int32_t m = 0; m < f->model->n_views; m++) {
            linear[m] = nonlinear[m] = NAN;
            mucmm__free(v[m]);
            v[m] = NULL;
            TRY(mucmm__alloc(f->ctx, n * f->model->view[m].q, sizeof **v, &v[m]));
            if (f->model->view[m].q > 0)
                TRY(outputs_of(f, w, m, (mucmm__rows)part, g, v[m]));
        }
        TRY(mucmm__completeness(f->ctx, f->model, f->data, rows, n, f->p->groups, w->c_all[part], v,
                                f->p->seed, &s));
        *share = 0;
        for (int32_t m = 0; m < f->model->n_views; m++)
            if (f->model->view[m].q > 0)
                *share += fmax(linear[m], nonlinear[m]) / views_with(f);
    }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(v[m]);
    return status;
}

/* heads[n] becomes a point of the front. */
static mucmm_status judge(mucmm__fit *f, mucmm__individual *w, mucmm_candidate_kind kind, front *x)
{
    mucmm_status status = MUCMM_OK;
    mucmm_candidate *at = &x->at[x->n];
    double value, views = views_with(f);

    *at = (mucmm_candidate){.kind = kind};
    TRY(mucmm__individual_judge(f, w, &x->heads[x->n], &value));
    TRY(complete(f, w, &x->heads[x->n], &at->completeness));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        at->leak += w->leak[m] / views;
        at->leak_sd += w->leak_sd[m] * w->leak_sd[m] / (views * views);
    }
    at->leak_sd = sqrt(at->leak_sd);
    mucmm__info(f->ctx,
                "individual part, %s: leak %.5f, by chance +- %.5f; rebuilt of what c "
                "leaves %.4f",
                mucmm_candidate_name(kind), at->leak, at->leak_sd, at->completeness);
    x->n++;
done:
    return status;
}

/* The networks of a stage, at their best. */
static mucmm_status take_stage(mucmm__fit *f, const mucmm__individual *w, mucmm__stage stage,
                               const mucmm__part *nets, mucmm__individual_heads *g)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__trainer *t = &f->stage[stage];

    for (int32_t m = 0; m < f->model->n_views; m++) {
        bool trained = stage >= MUCMM__STAGE_INDIVIDUAL;
        if (f->model->view[m].q == 0)
            continue;
        TRY(mucmm__part_head(f, trained ? &w->net[m] : &nets[m], t->best_params, t->best_stats,
                             &g->net[m]));
        if (trained)
            TRY(mucmm__part_head(f, &w->head[m], t->best_params, t->best_stats, &g->head[m]));
    }
done:
    return status;
}

static mucmm_status make_front(mucmm__fit *f, mucmm__individual *w, int64_t n_params,
                               int64_t n_stats, front *x)
{
    mucmm_status status = MUCMM_OK;
    mucmm__part nets[MUCMM_MAX_VIEWS] = {0};

    TRY(judge(f, w, MUCMM_CANDIDATE_RESIDUAL, x));
    TRY(mucmm__fit_transport(f, w, nets));
    TRY(take_stage(f, w, MUCMM__STAGE_TRANSPORT, nets, &x->heads[x->n]));
    TRY(judge(f, w, MUCMM_CANDIDATE_TRANSPORT, x));
    TRY(train_heads(f, w, nets, n_params, n_stats));
    TRY(take_stage(f, w, MUCMM__STAGE_INDIVIDUAL, nets, &x->heads[x->n]));
    TRY(judge(f, w, MUCMM_CANDIDATE_TRAINED, x));
done:
    return status;
}

/* The most complete candidate, the simplest of equals, among those whose leak is not beyond chance,
 * or no larger than that of the least leaky one and the share of what the residual leaks more that
 * `independence` leaves; at 0 that is the residual's own leak, to the last bit. */
static int32_t choose(const front *x, double independence)
{
    int32_t least = 0;
    double allowed, most = -INFINITY;

    for (int32_t i = 1; i < x->n; i++)
        least = x->at[i].leak < x->at[least].leak ? i : least;
    allowed = fmax(x->at[least].leak, CHANCE * x->at[least].leak_sd);
    allowed = independence * allowed + (1 - independence) * fmax(x->at[0].leak, allowed);
    for (int32_t i = 0; i < x->n; i++)
        if (x->at[i].leak <= allowed)
            most = fmax(most, x->at[i].completeness);
    for (int32_t i = 0; i < x->n; i++)
        if (x->at[i].leak <= allowed && x->at[i].completeness >= most - TIE)
            return i;
    return least;
}

/* ---- what is kept ------------------------------------------------------------------- */

/* A view without individual dimensions still has a head, of no outputs. */
static mucmm_status empty_heads(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__head_empty(f->ctx, f->model->view[m].p, &f->model->heads.view[m].individual));
done:
    return status;
}

/* Behind common variates that are the closed form, the residual is the closed form too. */
static mucmm_status keep(mucmm__fit *f, mucmm__individual *w, mucmm__individual_heads *g,
                         mucmm_candidate_kind kind)
{
    mucmm_status status = MUCMM_OK;

    f->model->individual_closed = kind == MUCMM_CANDIDATE_RESIDUAL && f->model->start < 0;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        mucmm__view_heads *out = &f->model->heads.view[m];
        if (f->model->view[m].q == 0)
            TRY(mucmm__head_empty(f->ctx, f->model->view[m].p, &out->individual));
        else if (f->model->individual_closed)
            TRY(mucmm__head_copy(f->ctx, &f->model->linear.view[m].individual, &out->individual));
        else
            TRY(mucmm__individual_canonical(f, w, m, g, out));
    }
done:
    return status;
}

mucmm_status mucmm__fit_individual(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm__individual w = {0};
    front x = {.at = f->model->front};
    int64_t n_params, n_stats;
    int32_t chosen;

    if (!mucmm__any_individual(f->model))
        return empty_heads(f);
    TRY(mucmm__individual_create(f, &w, &n_params, &n_stats));
    TRY(make_front(f, &w, n_params, n_stats, &x));
    chosen = choose(&x, f->p->independence);
    x.at[chosen].chosen = 1;
    f->model->n_front = x.n;
    mucmm__info(f->ctx, "individual part: %s is kept", mucmm_candidate_name(x.at[chosen].kind));
    TRY(keep(f, &w, &x.heads[chosen], x.at[chosen].kind));
done:
    front_drop(&x);
    mucmm__individual_drop(&w);
    return status;
}
