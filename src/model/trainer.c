/* SPDX-License-Identifier: MIT
 *
 * The state of one trained stage. */
#include "model/trainer.h"

#include <math.h>
#include <time.h>

mucmm_status mucmm__trainer_create(mucmm_ctx *ctx, int64_t n_params, int64_t n_stats,
                                   mucmm__trainer *t)
{
    mucmm_status status = MUCMM_OK;
    float **arrays[] = {&t->params, &t->first, &t->second, &t->best_params,
                        &t->grads,  &t->mask,  &t->stats,  &t->best_stats};

    *t = (mucmm__trainer){.n_params = n_params, .n_stats = n_stats, .best = -INFINITY};
    for (int i = 0; i < 8; i++)
        TRY(mucmm__alloc(ctx, i < 6 ? n_params : n_stats, sizeof(float), arrays[i]));
done:
    if (status != MUCMM_OK)
        mucmm__trainer_drop(t);
    return status;
}

void mucmm__trainer_drop(mucmm__trainer *t)
{
    mucmm__free(t->params);
    mucmm__free(t->first);
    mucmm__free(t->second);
    mucmm__free(t->best_params);
    mucmm__free(t->grads);
    mucmm__free(t->mask);
    mucmm__free(t->stats);
    mucmm__free(t->best_stats);
    *t = (mucmm__trainer){0};
}

void mucmm__trainer_settle(mucmm__trainer *t)
{
    float **const arrays[] = {&t->first, &t->second, &t->grads, &t->mask};

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        mucmm__free(*arrays[i]);
        *arrays[i] = NULL;
    }
}
