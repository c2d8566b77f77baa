/* SPDX-License-Identifier: MIT
 *
 * The loop that every trained stage shares.
 * */
#include "model/train.h"

#include "model/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void keep_if_best(mucmm__trainer *t, double value)
{
    if (!(value > t->best))
        return;
    t->best = value;
    memcpy(t->best_params, t->params, (size_t)t->n_params * sizeof *t->params);
    memcpy(t->best_stats, t->stats, (size_t)t->n_stats * sizeof *t->stats);
}

static mucmm_status check_finite(mucmm__fit *f, const char *name, const mucmm__trainer *t,
                                 double loss)
{
    if (isfinite(loss))
        return MUCMM_OK;
    return mucmm__fail(f->ctx, MUCMM_ENUMERIC,
                       "%s: the loss is no longer finite in epoch %" PRId64
                       "; give a smaller `learning_rate` or a larger `batch`",
                       name, t->epoch + 1);
}

static int64_t batch_of(const mucmm__fit *f, const mucmm__problem *problem)
{
    return problem->batch > 0 ? problem->batch : f->batch;
}

static mucmm_status run_epoch(mucmm__fit *f, int32_t stage, const mucmm__problem *problem,
                              int64_t *order, double *mean_loss)
{
    mucmm_status status = MUCMM_OK;
    mucmm__trainer *t = &f->stage[stage];
    int64_t batch = batch_of(f, problem);
    int64_t steps = f->n_train / batch, total = steps * problem->epochs;
    mucmm__adamw opt = mucmm__adamw_default(
        f->p->learning_rate, f->p->weight_decay * (problem->decay > 0 ? problem->decay : 1));

    *mean_loss = 0;
    mucmm__rng_permutation(mucmm__rng_key(f->p->seed, mucmm__stream(stage) + (uint64_t)t->epoch),
                           order, f->n_train);
    for (int64_t s = 0; s < steps; s++) {
        double loss = 0;
        t->step = t->epoch * steps + s;
        TRY(problem->step(f, t, problem->arg, order + s * batch, &loss));
        TRY(check_finite(f, problem->name, t, loss));
        opt.learning_rate = f->p->learning_rate * problem->rate * mucmm__one_cycle(t->step, total);
        mucmm__adamw_step(f->ctx, &opt, t->step + 1, t->n_params, t->grads, t->mask, t->first,
                          t->second, t->params);
        *mean_loss += loss / (double)steps;
        TRY(mucmm__progress(f->ctx, problem->name, t->step + 1, total, NULL));
    }
done:
    return status;
}

mucmm_status mucmm__train(mucmm__fit *f, int32_t stage, const mucmm__problem *problem)
{
    mucmm_status status = MUCMM_OK;
    mucmm__trainer *t = &f->stage[stage];
    int64_t *order = NULL, steps = f->n_train / batch_of(f, problem);
    double loss, value;
    char note[64];

    TRY(mucmm__alloc(f->ctx, f->n_train, sizeof *order, &order));
    if (t->epoch == 0) { /* the start itself may already be the best */
        TRY(problem->evaluate(f, t, problem->arg, &value));
        keep_if_best(t, value);
        TRY(mucmm__add_epoch(f->ctx, f->model, (mucmm__epoch){stage, 0, NAN, value}));
    }
    while (t->epoch < problem->epochs) {
        TRY(run_epoch(f, stage, problem, order, &loss));
        TRY(problem->evaluate(f, t, problem->arg, &value));
        TRY(check_finite(f, problem->name, t, value));
        t->epoch++;
        keep_if_best(t, value);
        TRY(mucmm__add_epoch(f->ctx, f->model, (mucmm__epoch){stage, t->epoch, loss, value}));
        snprintf(note, sizeof note, "loss %.4f, choosing rows %.4f", loss, value);
        mucmm__info(f->ctx, "%s: epoch %" PRId64 ": %s", problem->name, t->epoch, note);
        TRY(mucmm__progress(f->ctx, problem->name, t->epoch * steps, problem->epochs * steps,
                            note));
        if (t->epoch < problem->epochs && mucmm__now() - f->last_save >= f->save_every)
            TRY(mucmm__checkpoint_save(f));
    }
done:
    mucmm__free(order);
    return status;
}
